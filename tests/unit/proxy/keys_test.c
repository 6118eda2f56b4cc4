/* Keys and their limits. */
#include "tests/unit/support/support.h"

#include "proxy/keys.h"
#include "proxy/proxy_impl.h"

#include <math.h>
#include <string.h>

static vni_config *config_of(const char *text) {
    static const char *const none[] = {NULL};
    vni_config_source source = {"v.yaml", text, strlen(text), none, NULL};
    vni_config *config = NULL;
    assert_status(VECNA_OK, vni_config_read(&source, &config, NULL));
    assert_status(VECNA_OK, vni_config_check(config, NULL));
    return config;
}

static const char two[] =
    "extra_maps: {small: {}}\n"
    "keys:\n"
    "  - {name: a, key: first, requests_per_minute: 60, tokens_per_minute: 6000}\n"
    "  - {sha256: 16367aacb67a4a017c8da8ab95682ccb390863780f7114dda0a0e0c55644c7c4, maps: "
    "[small]}\n";

static void found_by_text_or_digest(void **state) {
    vni_config *config = config_of(two);
    vni_keys keys;
    vni_client_key *second;
    (void)state;
    assert_status(VECNA_OK, vni_keys_make(config, NULL, 0, &keys, NULL));
    assert_string_equal(vni_keys_find(&keys, "first", 5)->name, "a");
    second = vni_keys_find(&keys, "second", 6);
    assert_ptr_equal(second, &keys.items[1]);
    assert_null(vni_keys_find(&keys, "", 0));
    assert_null(vni_keys_find(&keys, "firs", 4));
    assert_null(vni_keys_find(&keys, "first\0", 6));
    assert_string_equal(keys.items[1].name, "key-2");
    assert_true(vni_key_allows(NULL, "anything") && vni_key_allows(&keys.items[0], "default"));
    assert_true(vni_key_allows(&keys.items[1], "small") &&
                !vni_key_allows(&keys.items[1], "default"));
    vni_config_free(config);
}

static void buckets(void **state) {
    vni_bucket bucket;
    unsigned wait = 0;
    (void)state;
    vni_bucket_start(&bucket, 60, 0);
    for (int i = 0; i < 60; i++)
        assert_true(vni_bucket_take(&bucket, 1, 0, &wait));
    assert_false(vni_bucket_take(&bucket, 1, 0, &wait));
    assert_int_equal(wait, 1);
    assert_false(vni_bucket_take(&bucket, 1, 900000, &wait));
    assert_true(vni_bucket_take(&bucket, 1, 1000000, &wait));
    assert_false(vni_bucket_take(&bucket, 30, 1000000, &wait));
    assert_int_equal(wait, 30);
    vni_bucket_start(&bucket, 10, 0);
    assert_true(
        vni_bucket_take(&bucket, 25, 0, &wait)); /* more than the limit: once, and then a debt */
    assert_false(vni_bucket_take(&bucket, 1, 0, &wait));
    assert_int_equal(wait, 96);
    vni_bucket_start(&bucket, 0, 0);
    assert_true(vni_bucket_take(&bucket, 1e12, 0, &wait)); /* no limit */
}

static void a_reload_is_no_way_around(void **state) {
    vni_config *before = config_of(two), *after = config_of(two);
    vni_keys old, fresh;
    unsigned wait = 0;
    (void)state;
    assert_status(VECNA_OK, vni_keys_make(before, NULL, 0, &old, NULL));
    assert_true(vni_bucket_take(&old.items[0].requests, 60, 0, &wait));
    assert_status(VECNA_OK, vni_keys_make(after, &old, 0, &fresh, NULL));
    assert_false(vni_bucket_take(&fresh.items[0].requests, 1, 0, &wait));
    vni_config_free(before);
    vni_config_free(after);
}

static void histograms(void **state) {
    vni_histogram histogram;
    (void)state;
    memset(&histogram, 0, sizeof histogram);
    assert_true(vni_histogram_quantile(&histogram, 0.5) == 0);
    histogram.count[0] = 50; /* up to 10 us */
    histogram.count[3] = 50; /* 40 to 80 us */
    histogram.all = 100;
    assert_true(fabs(vni_histogram_quantile(&histogram, 0.25) - 5e-6) < 1e-9);
    assert_true(fabs(vni_histogram_quantile(&histogram, 0.75) - 60e-6) < 1e-9);
    assert_true(isinf(vni_histogram_edge(VNI_BUCKETS - 1)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(found_by_text_or_digest),
        cmocka_unit_test(buckets),
        cmocka_unit_test(a_reload_is_no_way_around),
        cmocka_unit_test(histograms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
