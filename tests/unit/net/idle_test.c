/* When a loop looks before it sleeps: after short waits only, and the less the more often in vain. */
#include "net/idle.h"

#include "tests/unit/support/support.h"

/* Waits of so long until it looks; `most` when it does not. */
static unsigned waits_until_it_looks(vni_idle *idle, uint64_t us, unsigned most) {
    unsigned waits = 0;
    while (!idle->looks && waits < most) {
        vni_idle_tell(idle, 0, 0, us);
        waits++;
    }
    return waits;
}

static void short_waits_turn_it_on(void **state) {
    vni_idle idle = {0};
    (void)state;
    assert_int_equal(VNI_IDLE_SHORTS_LEAST, waits_until_it_looks(&idle, 30, 100));
    for (int i = 0; i < 1000; i++)
        vni_idle_tell(&idle, 1, 1, 30); /* it goes on while something comes */
    assert_true(idle.looks);
    vni_idle_tell(&idle, 1, 0, 5000);
    assert_false(idle.looks);
}

static void long_waits_and_mixed_ones_do_not(void **state) {
    vni_idle idle = {0};
    (void)state;
    assert_int_equal(5000, waits_until_it_looks(&idle, 3000, 5000)); /* a model at work */
    for (int i = 0; i < 5000; i++) { /* a quick model, and a client that takes its time */
        vni_idle_tell(&idle, 0, 0, 30);
        vni_idle_tell(&idle, 0, 0, 10000);
        assert_false(idle.looks);
    }
}

/* Waits that are short asleep and never while it looks: another program needs the same core. */
static void in_vain_it_looks_less_and_less(void **state) {
    vni_idle idle = {0};
    unsigned waits = 0, looks = 0;
    (void)state;
    while (waits < 100000) {
        waits += waits_until_it_looks(&idle, 30, 100000);
        vni_idle_tell(&idle, 1, 0, VNI_IDLE_LOOK_US + 30);
        looks++;
    }
    assert_true(looks < 7 + 100000 / VNI_IDLE_SHORTS_MOST + 2);
    for (int i = 0; i < 10; i++) { /* and forgets it when looks are rewarded */
        waits_until_it_looks(&idle, 30, 2 * VNI_IDLE_SHORTS_MOST);
        vni_idle_tell(&idle, 1, 1, 30);
    }
    vni_idle_tell(&idle, 1, 0, 5000);
    assert_int_equal(2 * VNI_IDLE_SHORTS_LEAST, waits_until_it_looks(&idle, 30, 100000));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_waits_turn_it_on),
        cmocka_unit_test(long_waits_and_mixed_ones_do_not),
        cmocka_unit_test(in_vain_it_looks_less_and_less),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
