/* A map on bytes: near to the map on floats, and the same map otherwise. */
#include "translate/translate_impl.h"

#include "tests/unit/translate/pairs.h"

static vecna_map *fit_some(const pairs *made, const vecna_allocator *allocator, vecna_error *err) {
    vecna_map *map = NULL;
    vecna_translate_options options = {.recipe = {.method = VECNA_METHOD_RIDGE, .lambda = 0.1},
                                       .allocator = allocator,
                                       .resamples = 5};
    vecna_status status = vecna_translate_fit(vecna_matrix_view(made->source),
                                              vecna_matrix_view(made->target), &options, &map, err);
    assert_true(status == VECNA_OK || map == NULL);
    return map;
}

/* Rows of these pairs share a large mean; 20 dimensions average the rounding less than 384 do. */
static void bytes_are_near_to_floats(void **state) {
    pairs made = make_pairs(200, 20, 9, 5);
    vecna_map *map = fit_some(&made, NULL, NULL);
    const vecna_map_info before = vecna_map_about(map);
    float *floats = make_floats(200 * 9), *bytes = make_floats(200 * 9);
    vecna_pool *pool = NULL;
    (void)state;
    assert_status(VECNA_OK, vecna_pool_new(2, NULL, &pool, NULL));
    for (int raw = 0; raw < 2; raw++) {
        vecna_status (*apply)(const vecna_map *, vecna_view, vecna_matrix, vecna_pool *,
                              vecna_error *) = raw ? vecna_map_apply_raw : vecna_map_apply;
        if (raw) {
            vecna_linalg_int8_free(map->int8);
            map->int8 = NULL;
        }
        assert_status(VECNA_OK, apply(map, vecna_matrix_view(made.source),
                                      vecna_matrix_dense(floats, 200, 9), pool, NULL));
        assert_status(VECNA_OK, vecna_map_use_int8(map, NULL));
        assert_status(VECNA_OK, vecna_map_use_int8(map, NULL));
        assert_status(VECNA_OK, apply(map, vecna_matrix_view(made.source),
                                      vecna_matrix_dense(bytes, 200, 9), pool, NULL));
        assert_true(memcmp(floats, bytes, 200 * 9 * sizeof *floats) != 0);
        for (size_t i = 0; i < 200; i++) {
            double product = 0, a = 0, b = 0;
            for (size_t j = 0; j < 9; j++) {
                product += (double)floats[i * 9 + j] * bytes[i * 9 + j];
                a += (double)floats[i * 9 + j] * floats[i * 9 + j];
                b += (double)bytes[i * 9 + j] * bytes[i * 9 + j];
            }
            assert_true(product > 0.999 * sqrt(a * b));
            assert_true(raw ? fabs(sqrt(b / a) - 1) < 0.02 : fabs(b - 1) < 1e-5);
        }
    }
    assert_true(vecna_map_about(map).checksum == before.checksum);
    vecna_pool_free(pool);
    vecna_map_free(map);
    free_pairs(&made);
    free(floats);
    free(bytes);
}

static vecna_status fit_and_use(void *user, const vecna_allocator *allocator, vecna_error *err) {
    vecna_map *map = fit_some(user, allocator, err);
    vecna_status status = map ? vecna_map_use_int8(map, err) : err->status;
    vecna_map_free(map);
    return status;
}

static void every_failing_allocation_is_survived(void **state) {
    pairs made = make_pairs(10, 3, 2, 16);
    (void)state;
    assert_survives_failing_memory(fit_and_use, &made);
    free_pairs(&made);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_near_to_floats),
        cmocka_unit_test(every_failing_allocation_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
