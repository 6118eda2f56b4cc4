/* Status, memory, dtypes, CPUs and the thread pool. */
#include "base/base_impl.h"
#include "tests/unit/support/support.h"

#include <stdlib.h>
#include <string.h>

static void every_status_has_words(void **state) {
    (void)state;
#define CHECK(code, name, sentence)                                                                \
    assert_string_equal(vecna_status_name(VECNA_##name), "VECNA_" #name);                          \
    assert_true(strlen(vecna_status_sentence(VECNA_##name)) > 3);
    VECNA_STATUS_LIST(CHECK)
#undef CHECK
    assert_string_equal(vecna_status_name((vecna_status)999), "unknown status");
    assert_string_equal(vecna_version(), VECNA_VERSION);
}

static void error_is_cut_at_a_character(void **state) {
    vecna_error err;
    char text[300];
    (void)state;
    assert_status(VECNA_ERR_IO, vecna_error_set(NULL, VECNA_ERR_IO, 1, "%s", "x"));
    for (size_t before = 230; before < 240; before++) { /* a 4-byte character across the end */
        memset(text, 'a', sizeof text);
        memcpy(text + before, "\xF0\x9F\x98\x80zzzzzzzzzzzzzzzz", 21);
        vecna_error_set(&err, VECNA_ERR_IO, 7, "%s", text);
        assert_int_equal(err.position, 7);
        assert_int_equal(strlen(err.message), before + 4 <= 239 ? 239 : before);
    }
}

/* What files hold is quoted in messages: it must reach neither a terminal nor a JSON writer raw. */
static void messages_can_be_shown(void **state) {
    static const char *const texts[][2] = {
        {"\xC3\xA4 \xE6\x9D\xB1 \xF0\x9F\x98\x80", "\xC3\xA4 \xE6\x9D\xB1 \xF0\x9F\x98\x80"},
        {"a\xFF\xC3", "a??"},
        {"\xE6\x9D'", "?\?'"}, /* not a trigraph */
        {"\xC0\xAF\xED\xA0\x80", "?\?\?\?\?"},
        {"\x1B[2J\n\t\x7F", "?[2J???"},
        {"\xC2\x9B"
         "1m\xC2\xA0",
         "??1m\xC2\xA0"},
        {"", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        vecna_error err;
        vecna_error_set(&err, VECNA_ERR_FORMAT, 0, "%s", texts[i][0]);
        assert_string_equal(err.message, texts[i][1]);
    }
}

static void sizes_are_checked(void **state) {
    size_t out = 5;
    (void)state;
    assert_false(vecna_size_mul(SIZE_MAX, 2, &out));
    assert_false(vecna_size_add(SIZE_MAX, 1, &out));
    assert_int_equal(out, 5);
    assert_true(vecna_size_mul(6, 7, &out));
    assert_int_equal(out, 42);
    assert_null(vecna_allocate(NULL, SIZE_MAX / 2, 3));
    assert_null(vecna_allocate(NULL, SIZE_MAX, 1));
    void *nothing = vecna_allocate(NULL, 0, 8);
    assert_non_null(nothing);
    vecna_release(NULL, nothing);
    vecna_release(NULL, NULL);
}

static void dtypes_have_sizes(void **state) {
    (void)state;
    assert_int_equal(vecna_dtype_bytes(VECNA_BIT, 9), 2);
    assert_int_equal(vecna_dtype_bytes(VECNA_F16, 3), 6);
    assert_string_equal(vecna_dtype_name(VECNA_BF16), "bf16");
    assert_string_equal(vecna_dtype_name((vecna_dtype)77), "unknown");
}

static void quotas_are_read(void **state) {
    (void)state;
    assert_int_equal(vni_cpus_of_quota("max 100000"), 0);
    assert_int_equal(vni_cpus_of_quota("150000 100000"), 2);
    assert_int_equal(vni_cpus_of_quota("50000 100000"), 1);
    assert_int_equal(vni_cpus_of_quota("-1 100000"), 0);
    assert_int_equal(vni_cpus_of_quota(""), 0);
    assert_true(vecna_cpus_allowed() >= 1);
}

static void instructions_are_held_to_a_limit(void **state) {
    vecna_error err;
    (void)state;
    assert_int_equal(vecna_cpu_limit("portable", &err), VECNA_OK);
    assert_int_equal(vni_cpu_features(), 0);
    assert_int_equal(vecna_cpu_limit("avx2", &err), VECNA_OK);
    assert_int_equal(vni_cpu_features() & ~(unsigned)VNI_CPU_AVX2, 0);
    assert_int_equal(vecna_cpu_limit("sse9", &err), VECNA_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "sse9"));
    assert_int_equal(vni_cpu_features() & ~(unsigned)VNI_CPU_AVX2, 0); /* as it was */
    assert_int_equal(vecna_cpu_limit("all", &err), VECNA_OK);
}

typedef struct visits {
    unsigned char *seen;
    vecna_pool *pool;
    size_t workers_seen[16];
} visits;

static void visit(void *user, size_t begin, size_t end, size_t worker) {
    visits *all = user;
    assert_true(worker < 16);
    for (size_t i = begin; i < end; i++)
        all->seen[i]++;
}

static void visit_nested(void *user, size_t begin, size_t end, size_t worker) {
    visits *all = user;
    visits inner = {all->seen + begin * 10, all->pool, {0}};
    (void)worker;
    vecna_pool_run(all->pool, (end - begin) * 10, 3, visit, &inner);
}

static void pool_visits_each_item_once(void **state) {
    static const size_t threads[] = {1, 2, 3, 8};
    unsigned char seen[1000];
    (void)state;
    for (size_t t = 0; t < 4; t++) {
        vecna_pool *pool = NULL;
        visits all = {seen, NULL, {0}};
        assert_status(VECNA_OK, vecna_pool_new(threads[t], NULL, &pool, NULL));
        assert_int_equal(vecna_pool_threads(pool), threads[t]);
        for (size_t grain = 0; grain < 40; grain += 13) {
            memset(seen, 0, sizeof seen);
            vecna_pool_run(pool, sizeof seen, grain, visit, &all);
            for (size_t i = 0; i < sizeof seen; i++)
                assert_int_equal(seen[i], 1);
        }
        vecna_pool_run(pool, 0, 4, visit, &all);
        all.pool = pool; /* a loop inside a loop runs in place */
        memset(seen, 0, sizeof seen);
        vecna_pool_run(pool, 100, 1, visit_nested, &all);
        for (size_t i = 0; i < sizeof seen; i++)
            assert_int_equal(seen[i], 1);
        vecna_pool_free(pool);
    }
    assert_int_equal(vecna_pool_threads(NULL), 1);
    vecna_pool_free(NULL);
}

static vecna_status make_pool(void *user, const vecna_allocator *allocator, vecna_error *err) {
    vecna_pool *pool = NULL;
    vecna_status status = vecna_pool_new(3, allocator, &pool, err);
    (void)user;
    if (status == VECNA_OK)
        vecna_pool_free(pool);
    else
        assert_null(pool);
    return status;
}

static void pool_survives_failing_memory(void **state) {
    (void)state;
    assert_survives_failing_memory(make_pool, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_words),
        cmocka_unit_test(messages_can_be_shown),
        cmocka_unit_test(error_is_cut_at_a_character),
        cmocka_unit_test(sizes_are_checked),
        cmocka_unit_test(dtypes_have_sizes),
        cmocka_unit_test(quotas_are_read),
        cmocka_unit_test(instructions_are_held_to_a_limit),
        cmocka_unit_test(pool_visits_each_item_once),
        cmocka_unit_test(pool_survives_failing_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
