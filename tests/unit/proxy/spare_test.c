/* Work for a share of the time. */
#include "tests/unit/support/support.h"

#include "proxy/spare.h"

/* Work of `cost` us with every request, a request every `gap` us, for `requests`: how many had it. */
static size_t done_of(double cost, uint64_t gap, size_t requests, double *spent) {
    vni_spare spare = {0};
    uint64_t now = 1000000;
    size_t done = 0;
    for (size_t i = 0; i < requests; i++, now += gap) {
        const double taken = vni_spare_take(&spare, now, 1);
        if (taken < 0)
            continue;
        done++;
        vni_spare_settle(&spare, taken, 1, cost);
    }
    *spent = (double)done * cost / ((double)gap * (double)requests);
    return done;
}

static void a_quiet_server_always_does_it(void **state) {
    double spent;
    (void)state;
    assert_int_equal(done_of(1000, 25000, 2000, &spent), 2000); /* 1 ms, 40 requests a second */
}

static void a_busy_one_for_a_twentieth(void **state) {
    double spent;
    (void)state;
    const size_t done = done_of(1000, 200, 100000, &spent); /* 5,000 a second, 20 s */
    assert_true(done > 0 && spent > 0.045 && spent < 0.056);
}

static void what_takes_longer_is_paid_for(void **state) {
    vni_spare spare = {0};
    (void)state;
    double taken = vni_spare_take(&spare, 1, 1); /* nothing is known yet */
    assert_true(taken == 0);
    vni_spare_settle(&spare, taken, 1, 3 * (double)VNI_SPARE_MOST_US);
    assert_true(vni_spare_take(&spare, 1000, 1) < 0);
    assert_true(vni_spare_take(&spare, 1000000, 1) < 0); /* 50 ms of 200 are back */
    taken = vni_spare_take(&spare, 100000000, 1); /* dearer than what is ever saved: all of it */
    assert_true(taken == VNI_SPARE_MOST_US);
    vni_spare_settle(&spare, taken, 1, 3 * (double)VNI_SPARE_MOST_US);
    assert_true(vni_spare_take(&spare, 103000000, 1) < 0); /* 200 ms are owed: four seconds */
    assert_true(vni_spare_take(&spare, 108000000, 0.1) >= 0);
    assert_true(vni_spare_take(&spare, 5, 0.1) >= 0); /* a clock that goes back harms nothing */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quiet_server_always_does_it),
        cmocka_unit_test(a_busy_one_for_a_twentieth),
        cmocka_unit_test(what_takes_longer_is_paid_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
