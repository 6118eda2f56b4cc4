/* The way back of a map: its rotation transposed. */
#include "translate/translate_impl.h"

#include "tests/unit/support/support.h"
#include "tests/unit/translate/pairs.h"

static vecna_map *make_map(vecna_matrix weights, const vecna_allocator *allocator) {
    vecna_map *map = NULL;
    const vecna_map_weights given = {.weights = vecna_matrix_view(weights),
                                     .source_name = "old",
                                     .target_name = "new",
                                     .normalized = 1,
                                     .rows_fit = 7,
                                     .verdict = VECNA_VERDICT_WARN};
    assert_status(VECNA_OK, vecna_map_from_weights(&given, allocator, &map, NULL));
    return map;
}

/* product (rows of a) of the way there and the way back */
static double furthest_from_identity(const vecna_map *back, vecna_matrix weights) {
    const size_t p = weights.rows, q = weights.dim;
    double most = 0; /* W back is symmetric, and positive: U S U' */
    for (size_t i = 0; i < p; i++) {
        for (size_t j = 0; j < p; j++) {
            double here = 0, there = 0;
            for (size_t k = 0; k < q; k++) {
                here += (double)weights.data[i * q + k] * (double)back->weights[k * p + j];
                there += (double)weights.data[j * q + k] * (double)back->weights[k * p + i];
            }
            most = fmax(most, fabs(here - there));
        }
    }
    return most;
}

static void the_way_back_is_a_rotation(void **state) {
    (void)state;
    const size_t shapes[][2] = {{5, 9}, {9, 5}, {6, 6}};
    for (size_t s = 0; s < 3; s++) {
        const size_t p = shapes[s][0], q = shapes[s][1];
        vecna_matrix weights = make_noise(p, q, 3 + s);
        vecna_map *map = make_map(weights, NULL), *back = NULL;
        assert_status(VECNA_OK, vecna_map_backward(map, NULL, &back, NULL));
        vecna_map_info about = vecna_map_about(back);
        assert_int_equal(about.source_dim, q);
        assert_int_equal(about.target_dim, p);
        assert_int_equal(about.role, VECNA_ROLE_QUERY);
        assert_int_equal(about.verdict, VECNA_VERDICT_WARN);
        assert_int_equal(about.source_normalized, 1);
        assert_int_equal(about.normalized, 0);
        assert_string_equal(about.source_name, "new");
        assert_string_equal(about.target_name, "old");
        /* the smaller side is orthonormal */
        const size_t side = p < q ? p : q;
        for (size_t i = 0; i < side; i++) {
            for (size_t j = 0; j < side; j++) {
                double sum = 0;
                for (size_t k = 0; k < (p < q ? q : p); k++) {
                    sum +=
                        p < q ? (double)back->weights[k * p + i] * (double)back->weights[k * p + j]
                              : (double)back->weights[i * p + k] * (double)back->weights[j * p + k];
                }
                assert_true(fabs(sum - (i == j)) < 1e-5);
            }
        }
        assert_true(furthest_from_identity(back, weights) < 1e-4);
        vecna_map_free(back);
        vecna_map_free(map);
        free(weights.data);
    }
}

static void directions_that_are_empty_stay_empty(void **state) {
    (void)state;
    vecna_matrix weights = make_noise(4, 3, 1);
    for (size_t j = 0; j < 3; j++) { /* the last source dimension says nothing; rank 2 */
        weights.data[9 + j] = 0;
        weights.data[6 + j] = weights.data[j] - weights.data[3 + j];
    }
    vecna_map *map = make_map(weights, NULL), *back = NULL;
    assert_status(VECNA_OK, vecna_map_backward(map, NULL, &back, NULL));
    double squares = 0;
    for (size_t i = 0; i < 12; i++) {
        squares += (double)back->weights[i] * (double)back->weights[i];
    }
    assert_true(fabs(squares - 2) < 1e-5); /* two directions of length 1 */
    for (size_t j = 0; j < 3; j++) {
        assert_true(fabs((double)back->weights[j * 4 + 3]) < 1e-6);
    }
    vecna_map_free(back);
    vecna_map_free(map);
    free(weights.data);
}

static vecna_status turn_with(void *user, const vecna_allocator *allocator, vecna_error *err) {
    vecna_map *back = NULL;
    vecna_status status = vecna_map_backward(user, allocator, &back, err);
    vecna_map_free(back);
    return status;
}

static void memory_may_fail(void **state) {
    (void)state;
    vecna_matrix weights = make_noise(4, 6, 2);
    vecna_map *map = make_map(weights, NULL);
    assert_survives_failing_memory(turn_with, map);
    vecna_map_free(map);
    free(weights.data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_way_back_is_a_rotation),
        cmocka_unit_test(directions_that_are_empty_stay_empty),
        cmocka_unit_test(memory_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
