/* Who is asked next, who rests, and how long a pause is: all of it without clock and chance. */
#include "tests/unit/support/support.h"

#include "pool/pool_impl.h"

#include <string.h>

static const vni_rest_rule rule = {3, 1000};

static vni_endpoint *pick(vni_endpoint *list, size_t count, uint64_t now_us) {
    vni_endpoint *one = NULL;
    uint64_t wait = 0;
    return vni_endpoint_pick(list, count, NULL, now_us, &one, &wait) == VNI_PICK_ONE ? one : NULL;
}

static void weights_are_smooth(void **state) {
    vni_endpoint list[2] = {{.weight = 3}, {.weight = 1}};
    char order[9] = "";
    (void)state;
    for (int i = 0; i < 8; i++) {
        vni_endpoint *one = pick(list, 2, 0);
        order[i] = one == &list[0] ? 'a' : 'b';
        vni_endpoint_worked(one);
    }
    assert_string_equal(order, "aabaaaba");
}

static void lower_priority_first(void **state) {
    vni_endpoint list[2] = {{.weight = 1, .priority = 1}, {.weight = 1, .priority = 0}};
    vni_endpoint *one;
    (void)state;
    for (int i = 0; i < 3; i++) {
        one = pick(list, 2, 0);
        assert_ptr_equal(one, &list[1]);
        vni_endpoint_failed(one, &rule, -1, 0, "down");
    }
    assert_int_equal(list[1].state, VNI_ENDPOINT_RESTING);
    assert_ptr_equal(pick(list, 2, 0), &list[0]);
}

static void busy_is_not_down(void **state) {
    vni_endpoint list[2] = {{.weight = 1, .concurrency = 1}, {.weight = 1, .priority = 1}};
    vni_endpoint *one = NULL;
    uint64_t wait = 0;
    (void)state;
    assert_ptr_equal(pick(list, 2, 0), &list[0]);
    assert_int_equal(vni_endpoint_pick(list, 2, NULL, 0, &one, &wait), VNI_PICK_BUSY);
    vni_endpoint_worked(&list[0]);
    assert_ptr_equal(pick(list, 2, 0), &list[0]);
}

static void half_open_lets_one_try(void **state) {
    vni_endpoint list[1] = {{.weight = 1}};
    vni_endpoint *one = NULL;
    uint64_t wait = 0;
    (void)state;
    for (int i = 0; i < 3; i++)
        vni_endpoint_failed(pick(list, 1, 0), &rule, -1, 0, "down");
    assert_int_equal(vni_endpoint_pick(list, 1, NULL, 0, &one, &wait), VNI_PICK_RESTING);
    assert_int_equal(wait, 1000000);
    one = pick(list, 1, 1000000);
    assert_ptr_equal(one, &list[0]);
    assert_int_equal(one->state, VNI_ENDPOINT_TRYING);
    assert_int_equal(vni_endpoint_pick(list, 1, NULL, 1000000, &one, &wait), VNI_PICK_RESTING);
    assert_int_equal(wait, 0); /* somebody is trying */
    vni_endpoint_failed(&list[0], &rule, -1, 1000000, "still");
    assert_int_equal(vni_endpoint_pick(list, 1, NULL, 1000000, &one, &wait), VNI_PICK_RESTING);
    assert_int_equal(wait, 2000000); /* twice as long */
    one = pick(list, 1, 3000000);
    assert_non_null(one);
    vni_endpoint_worked(one);
    assert_int_equal(list[0].state, VNI_ENDPOINT_UP);
    assert_int_equal(list[0].failures, 0);
    assert_int_equal(list[0].in_flight, 0);
}

static void a_rest_is_never_longer_than_sixteen(void **state) {
    vni_endpoint list[1] = {{.weight = 1}};
    uint64_t now = 0, wait = 0;
    vni_endpoint *one = NULL;
    (void)state;
    for (int i = 0; i < 20; i++) {
        while ((one = pick(list, 1, now)) == NULL)
            now += 500000;
        vni_endpoint_failed(one, &rule, -1, now, "down");
    }
    assert_int_equal(vni_endpoint_pick(list, 1, NULL, now, &one, &wait), VNI_PICK_RESTING);
    assert_int_equal(wait, 16000000);
}

static void a_cancelled_try_leaves_the_next_one(void **state) {
    vni_endpoint list[1] = {{.weight = 1}};
    (void)state;
    for (int i = 0; i < 3; i++)
        vni_endpoint_failed(pick(list, 1, 0), &rule, -1, 0, "down");
    vni_endpoint_released(pick(list, 1, 2000000));
    assert_int_equal(list[0].in_flight, 0);
    assert_ptr_equal(pick(list, 1, 2000000), &list[0]);
}

static void told_to_wait(void **state) {
    vni_endpoint list[1] = {{.weight = 1}};
    vni_endpoint *one = NULL;
    uint64_t wait = 0;
    (void)state;
    vni_endpoint_failed(pick(list, 1, 0), &rule, 7000, 0, "429");
    assert_int_equal(vni_endpoint_pick(list, 1, NULL, 0, &one, &wait), VNI_PICK_RESTING);
    assert_int_equal(wait, 7000000);
    assert_int_equal(list[0].rests, 0);
}

static void the_failed_one_is_avoided(void **state) {
    vni_endpoint list[2] = {{.weight = 100}, {.weight = 1}};
    vni_endpoint *one = NULL;
    uint64_t wait = 0;
    (void)state;
    assert_int_equal(vni_endpoint_pick(list, 2, &list[0], 0, &one, &wait), VNI_PICK_ONE);
    assert_ptr_equal(one, &list[1]);
    list[1].unwell = 1;
    assert_int_equal(vni_endpoint_pick(list, 2, &list[0], 0, &one, &wait), VNI_PICK_ONE);
    assert_ptr_equal(one, &list[0]); /* better than nobody */
    list[0].unwell = 1;              /* a health check may be wrong: better than nobody */
    assert_int_equal(vni_endpoint_pick(list, 2, NULL, 0, &one, &wait), VNI_PICK_ONE);
}

static void pauses(void **state) {
    (void)state;
    assert_int_equal(vni_retry_pause_ms(1, 0, -1), 50);
    assert_int_equal(vni_retry_pause_ms(1, 0.999999, -1), 99);
    assert_int_equal(vni_retry_pause_ms(4, 0, -1), 400);
    assert_int_equal(vni_retry_pause_ms(60, 0.5, -1), 3750);
    assert_int_equal(vni_retry_pause_ms(1, 0, 3000), 3000);
    assert_int_equal(vni_retry_pause_ms(5, 1, 1), 1600);
}

static void which_statuses_pass(void **state) {
    static const int passing[] = {408, 424, 429, 500, 502, 503, 504, 529};
    static const int standing[] = {200, 301, 400, 401, 403, 404, 405, 413, 422, 501};
    (void)state;
    for (size_t i = 0; i < sizeof passing / sizeof passing[0]; i++)
        assert_true(vni_status_is_passing(passing[i]));
    for (size_t i = 0; i < sizeof standing / sizeof standing[0]; i++)
        assert_false(vni_status_is_passing(standing[i]));
}

static void addresses(void **state) {
    static const char *const good[] = {"http://127.0.0.1:11434", "https://api.openai.com/v1/",
                                       "http://[::1]:80/x", "http://localhost",
                                       "http://10.0.0.7:8080"};
    static const char *const bad[] = {"",
                                      "localhost:11434",
                                      "ftp://host",
                                      "file:///etc/passwd",
                                      "http://",
                                      "http://u:p@host",
                                      "http://host/?q=1",
                                      "http://host/#f",
                                      "http://169.254.169.254",
                                      "http://[fe80::1]",
                                      "http://[fd00:ec2::254]",
                                      "http://metadata.google.internal",
                                      "http://METADATA.google.internal./",
                                      "gopher://host",
                                      "http://2852039166/",
                                      "http://[::ffff:169.254.169.254]/",
                                      "http://100.100.100.200"};
    char *clean = NULL;
    vecna_error err;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_status(VECNA_OK, vni_url_check(good[i], &clean, &err));
        assert_true(clean[strlen(clean) - 1] != '/');
        vni_url_free(clean);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (vni_url_check(bad[i], &clean, &err) == VECNA_OK)
            fail_msg("%s was taken", bad[i]);
        assert_true(err.message[0] != '\0');
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_are_smooth),
        cmocka_unit_test(lower_priority_first),
        cmocka_unit_test(busy_is_not_down),
        cmocka_unit_test(half_open_lets_one_try),
        cmocka_unit_test(a_rest_is_never_longer_than_sixteen),
        cmocka_unit_test(a_cancelled_try_leaves_the_next_one),
        cmocka_unit_test(told_to_wait),
        cmocka_unit_test(the_failed_one_is_avoided),
        cmocka_unit_test(pauses),
        cmocka_unit_test(which_statuses_pass),
        cmocka_unit_test(addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
