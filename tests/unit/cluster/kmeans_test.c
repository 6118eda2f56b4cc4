/* k-means: groups that nobody could miss, sums counted again in float64, duplicates, and no dependence
 * on threads. The same figures as scikit-learn's: tests/cli/test_eval_tasks.py. */
#include "tests/unit/support/support.h"
#include "vecna/cluster.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 700, DIM = 6, GROUPS = 7 };

static float *grouped_rows(size_t rows, double width) {
    vecna_random random;
    float *data = malloc(rows * DIM * sizeof *data);
    vecna_random_seed(&random, 21, 0);
    for (size_t i = 0; i < rows * DIM; i++) {
        const size_t group = i / DIM % GROUPS, axis = i % DIM;
        data[i] = (float)(100 + (group < DIM ? 10.0 * (axis == group) : 0) +
                          width * vecna_random_normal(&random));
    }
    return data;
}

static void finds_groups(void **state) {
    float *data = grouped_rows(ROWS, 0.5), centres[GROUPS * DIM];
    uint32_t of[ROWS];
    vecna_kmeans_result result;
    const vecna_kmeans_options options = {.restarts = 3};
    double inertia = 0;
    (void)state;
    assert_status(VECNA_OK, vecna_kmeans(vecna_view_dense(data, ROWS, DIM), GROUPS, &options,
                                         centres, of, &result, NULL));
    assert_true(result.converged);
    for (size_t i = 0; i < ROWS; i++) {
        assert_int_equal(of[i], of[i % GROUPS]);
        for (size_t j = 0; j < DIM; j++) {
            const double by = (double)data[i * DIM + j] - (double)centres[of[i] * DIM + j];
            inertia += by * by;
        }
    }
    /* float32 products of rows of length about 10, centred */
    assert_true(fabs(inertia - result.inertia) < 1e-4 * inertia);
    free(data);
}

static void threads_change_nothing(void **state) {
    float *data = grouped_rows(ROWS, 5), one[20 * DIM], four[20 * DIM];
    vecna_kmeans_options options = {.seed = 5, .restarts = 2};
    vecna_view rows = vecna_view_dense(data, ROWS, DIM);
    (void)state;
    assert_status(VECNA_OK, vecna_kmeans(rows, 20, &options, one, NULL, NULL, NULL));
    assert_status(VECNA_OK, vecna_pool_new(4, NULL, &options.pool, NULL));
    assert_status(VECNA_OK, vecna_kmeans(rows, 20, &options, four, NULL, NULL, NULL));
    assert_memory_equal(one, four, sizeof one);
    vecna_pool_free(options.pool);
    free(data);
}

static void as_many_clusters_as_rows(void **state) {
    float *data = grouped_rows(30, 1);
    uint32_t of[30], seen = 0;
    vecna_kmeans_result result;
    (void)state;
    assert_status(VECNA_OK,
                  vecna_kmeans(vecna_view_dense(data, 30, DIM), 30, NULL, NULL, of, &result, NULL));
    for (size_t i = 0; i < 30; i++) {
        seen |= 1u << of[i];
    }
    assert_int_equal(seen, (1u << 30) - 1);
    assert_true(result.inertia < 1e-3);
    free(data);
}

static void fewer_distinct_rows_than_clusters(void **state) {
    float data[12] = {1, 1, 2, 2, 1, 1, 2, 2, 1, 1, 2, 2};
    uint32_t of[6];
    vecna_kmeans_result result;
    (void)state;
    assert_status(VECNA_OK,
                  vecna_kmeans(vecna_view_dense(data, 6, 2), 4, NULL, NULL, of, &result, NULL));
    assert_true(result.inertia == 0);
    assert_int_equal(of[0], of[2]);
    assert_true(of[0] != of[1]);
}

static void mistakes_are_refused(void **state) {
    float data[8] = {0, 1, 2, 3, 4, 5, 6, NAN};
    vecna_error err;
    (void)state;
    vecna_view rows = vecna_view_dense(data, 4, 2);
    assert_status(VECNA_ERR_ARGUMENT, vecna_kmeans(rows, 0, NULL, NULL, NULL, NULL, &err));
    assert_status(VECNA_ERR_ARGUMENT, vecna_kmeans(rows, 5, NULL, NULL, NULL, NULL, &err));
    assert_status(VECNA_ERR_VALUE, vecna_kmeans(rows, 2, NULL, NULL, NULL, NULL, &err));
    assert_int_equal(err.position, 3);
}

static vecna_status small_run(void *user, const vecna_allocator *allocator, vecna_error *err) {
    const vecna_kmeans_options options = {.allocator = allocator};
    return vecna_kmeans(vecna_view_dense(user, 40, DIM), 3, &options, NULL, NULL, NULL, err);
}

static void survives_failing_memory(void **state) {
    float *data = grouped_rows(40, 1);
    (void)state;
    assert_survives_failing_memory(small_run, data);
    free(data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_groups),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(as_many_clusters_as_rows),
        cmocka_unit_test(fewer_distinct_rows_than_clusters),
        cmocka_unit_test(mistakes_are_refused),
        cmocka_unit_test(survives_failing_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
