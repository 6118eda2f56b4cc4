/* A map on weights of 12 bits: near to the map on floats, alone and in blocks, and the same map otherwise. */
#include "translate/translate_impl.h"

#include "tests/unit/translate/pairs.h"

enum { ROWS = 200, SOURCE = 20, TARGET = 9 };

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

static void check_near(const float *a, const float *b, double cosine) {
    for (size_t i = 0; i < ROWS; i++) {
        double product = 0, left = 0, right = 0;
        for (size_t j = 0; j < TARGET; j++) {
            product += (double)a[i * TARGET + j] * b[i * TARGET + j];
            left += (double)a[i * TARGET + j] * a[i * TARGET + j];
            right += (double)b[i * TARGET + j] * b[i * TARGET + j];
        }
        assert_true(product > cosine * sqrt(left * right));
        assert_true(fabs(right - 1) < 1e-5);
    }
}

static void twelve_bits_are_near_to_floats(void **state) {
    pairs made = make_pairs(ROWS, SOURCE, TARGET, 5);
    const vecna_view source = vecna_matrix_view(made.source);
    vecna_map *map = fit_some(&made, NULL, NULL);
    const vecna_map_info before = vecna_map_about(map);
    float *floats = make_floats(ROWS * TARGET), *block = make_floats(ROWS * TARGET);
    float *alone = make_floats(ROWS * TARGET);
    const vecna_matrix out = vecna_matrix_dense(alone, ROWS, TARGET);
    (void)state;
    assert_status(VECNA_OK, vecna_map_apply(map, source, vecna_matrix_dense(floats, ROWS, TARGET),
                                            NULL, NULL));
    assert_status(VECNA_OK, vecna_map_use_int12(map, NULL));
    assert_status(VECNA_OK, vecna_map_use_int12(map, NULL));
    assert_status(VECNA_OK, vecna_map_use_f16(map, NULL)); /* the first word counts */
    assert_true(map->int12 ? map->f16 == NULL : !vecna_linalg_int12_is_fast());
    assert_status(VECNA_OK, vecna_map_apply(map, source, vecna_matrix_dense(block, ROWS, TARGET),
                                            NULL, NULL));
    for (size_t i = 0; i < ROWS; i++)
        assert_status(VECNA_OK, vecna_map_apply(map, vecna_view_rows(source, i, 1),
                                                vecna_matrix_rows(out, i, 1), NULL, NULL));
    check_near(floats, block, 1 - 1e-6);
    check_near(block, alone, 1 - 1e-7); /* 20 dimensions average the rounding less than 384 do */
    assert_true(vecna_map_about(map).checksum == before.checksum);
    vecna_map_free(map);
    free_pairs(&made);
    free(floats);
    free(block);
    free(alone);
}

static vecna_status fit_and_use(void *user, const vecna_allocator *allocator, vecna_error *err) {
    vecna_map *map = fit_some(user, allocator, err);
    vecna_status status = map ? vecna_map_use_int12(map, err) : err->status;
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
        cmocka_unit_test(twelve_bits_are_near_to_floats),
        cmocka_unit_test(every_failing_allocation_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
