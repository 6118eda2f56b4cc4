/* The cache: what is kept, what goes first, what is too old, and a disk that is not there. */
#include "tests/unit/support/support.h"

#include "proxy/cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void key_of(unsigned number, unsigned char out[VNI_CACHE_KEY_BYTES]) {
    memset(out, 0, VNI_CACHE_KEY_BYTES);
    for (int i = 0; i < 8; i++) { /* spread as a digest is */
        number = number * 2654435761u + 12345u;
        memcpy(out + 4 * i, &number, 4);
    }
}

static void store(vni_cache *cache, unsigned number, size_t dim, uint64_t now) {
    float vector[64];
    unsigned char key[VNI_CACHE_KEY_BYTES];
    for (size_t i = 0; i < dim; i++)
        vector[i] = (float)number + (float)i;
    key_of(number, key);
    vni_cache_store(cache, key, vector, dim, now);
}

static int has(vni_cache *cache, unsigned number, size_t dim, uint64_t now) {
    unsigned char key[VNI_CACHE_KEY_BYTES];
    size_t found = 0;
    const float *vector;
    key_of(number, key);
    vector = vni_cache_find(cache, key, now, &found);
    if (vector == NULL)
        return 0;
    assert_int_equal(found, dim);
    for (size_t i = 0; i < dim; i++)
        assert_true(vector[i] == (float)number + (float)i);
    return 1;
}

static vni_cache *make(size_t bytes, int64_t ttl, const char *disk) {
    vni_cache_options options = {bytes, ttl, disk, 1 << 20, NULL};
    vni_cache *cache = NULL;
    assert_status(VECNA_OK, vni_cache_new(&options, &cache, NULL));
    return cache;
}

static void keeps_what_was_used_last(void **state) {
    vni_cache *cache = make(100000, 0, NULL);
    vni_cache_counts counts;
    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        store(cache, i, 16, 1);
        assert_true(has(cache, 0, 16, 1)); /* stays, because it is asked for */
    }
    vni_cache_counts_of(cache, &counts);
    assert_true(counts.bytes <= 100000 && counts.entries > 300);
    assert_true(counts.evicted == 1000 - counts.entries);
    assert_true(has(cache, 999, 16, 1) && !has(cache, 1, 16, 1));
    store(cache, 999, 8, 1); /* the same key again */
    assert_true(has(cache, 999, 8, 1));
    vni_cache_resize(cache, 1000, 0);
    vni_cache_counts_of(cache, &counts);
    assert_true(counts.bytes <= 1000);
    vni_cache_clear(cache);
    assert_false(has(cache, 999, 8, 1));
    vni_cache_free(cache);
}

static void forgets_what_is_old(void **state) {
    vni_cache *cache = make(100000, 1000, NULL);
    (void)state;
    store(cache, 1, 4, 5000);
    assert_true(has(cache, 1, 4, 6000));
    assert_false(has(cache, 1, 4, 6001));
    vni_cache_free(cache);
}

static void nothing_fits_into_nothing(void **state) {
    vni_cache *cache = make(0, 0, NULL);
    (void)state;
    store(cache, 1, 4, 1);
    assert_false(has(cache, 1, 4, 1));
    vni_cache_free(cache);
}

static void the_disk_outlives_the_cache(void **state) {
    char folder[] = "/tmp/vecna-cache-XXXXXX", path[64];
    vni_cache *cache;
    vni_cache_counts counts;
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/c.db", folder);
    cache = make(1000, 0, path);
    for (unsigned i = 0; i < 100; i++)
        store(cache, i, 16, 7);
    assert_true(has(cache, 3, 16, 7)); /* out of memory by now, not off the disk */
    vni_cache_free(cache);
    cache = make(100000, 1000, path);
    assert_true(has(cache, 3, 16, 8));
    assert_false(has(cache, 4, 16, 2000)); /* too old */
    vni_cache_counts_of(cache, &counts);
    assert_int_equal(counts.disk_hits, 1);
    assert_string_equal(vni_cache_disk_error(cache), "");
    vni_cache_clear(cache);
    assert_false(has(cache, 5, 16, 8));
    for (unsigned i = 0; i < 5000; i++) /* more than the disk may hold: the oldest go */
        store(cache, i, 64, 10 + i);
    vni_cache_flush(cache);
    vni_cache_counts_of(cache, &counts);
    assert_true(counts.disk_bytes <= 1 << 20);
    assert_true(has(cache, 4999, 64, 5010));
    vni_cache_free(cache);
    unlink(path);
    rmdir(folder);
}

static void a_disk_that_is_not_there_is_no_failure(void **state) {
    vni_cache *cache = make(100000, 0, "/nonexistent/folder/cache.db");
    char path[] = "/tmp/vecna-cache-XXXXXX";
    int file;
    (void)state;
    assert_true(vni_cache_disk_error(cache)[0] != '\0');
    store(cache, 1, 4, 1);
    assert_true(has(cache, 1, 4, 1));
    vni_cache_free(cache);
    file = mkstemp(path);
    assert_true(file >= 0 &&
                write(file, "this is no database, and long enough to be seen as none", 55) == 55);
    close(file);
    cache = make(100000, 0, path);
    assert_true(vni_cache_disk_error(cache)[0] != '\0');
    vni_cache_free(cache);
    unlink(path);
}

static vecna_status fill_with(void *user, const vecna_allocator *allocator, vecna_error *err) {
    vni_cache_options options = {100000, 0, NULL, 0, allocator};
    vni_cache *cache = NULL;
    vecna_status status = vni_cache_new(&options, &cache, err);
    (void)user;
    for (unsigned i = 0; status == VECNA_OK && i < 200; i++)
        store(cache, i, 16, 1);
    for (unsigned i = 0; status == VECNA_OK && i < 200; i++)
        if (!has(cache, i, 16, 1)) /* not kept: that is all */
            status = vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not kept");
    vni_cache_free(cache);
    return status;
}

static void survives_failing_memory(void **state) {
    (void)state;
    assert_survives_failing_memory(fill_with, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_what_was_used_last),
        cmocka_unit_test(forgets_what_is_old),
        cmocka_unit_test(nothing_fits_into_nothing),
        cmocka_unit_test(the_disk_outlives_the_cache),
        cmocka_unit_test(a_disk_that_is_not_there_is_no_failure),
        cmocka_unit_test(survives_failing_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
