/* The inverted file against a search by hand over its own codes, which is exact; and how many of the
 * true neighbours a part of the cells gives. */
#include "search/index_impl.h"

#include "tests/unit/support/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 900, DIM = 24, QUERIES = 70, K = 12 };

/* Clustered noise: neighbours exist. */
static float *make_rows(size_t rows, size_t dim, uint64_t seed) {
    vecna_random random;
    float *out = malloc(rows * dim * sizeof *out);
    assert_non_null(out);
    vecna_random_seed(&random, seed, 0);
    float centre[40];
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < dim; j++) {
            if (i % 9 == 0) {
                centre[j] = (float)vecna_random_normal(&random);
            }
            out[i * dim + j] = centre[j] + 0.7f * (float)vecna_random_normal(&random);
        }
    }
    return out;
}

/* Cosine by the codes of an index and of a query. */
static float score_of(const vecna_index_parts *parts, size_t place, const float *query) {
    int8_t codes[40];
    const float scale = vni_index_quantise(query, parts->dim, codes);
    int32_t sum = 0;
    for (size_t j = 0; j < parts->dim; j++) {
        sum += codes[j] * parts->codes[place * parts->dim + j];
    }
    return (float)sum * (scale * parts->scales[place]);
}

static void all_cells_miss_nothing(void **state) {
    (void)state;
    float *rows = make_rows(ROWS, DIM, 3), *queries = make_rows(QUERIES, DIM, 3);
    for (size_t cells = 1; cells <= 30; cells += 29) {
        vecna_index *index = NULL;
        vecna_index_options options = {.cells = cells};
        assert_status(VECNA_OK,
                      vecna_index_new(vecna_view_dense(rows, ROWS, DIM), &options, &index, NULL));
        const vecna_index_parts parts = vecna_index_parts_of(index);
        vecna_index_query query = {.k = K, .score_max = 0.9f};
        int32_t got[QUERIES * K];
        float scores[QUERIES * K];
        assert_status(VECNA_OK, vecna_index_find(index, vecna_view_dense(queries, QUERIES, DIM),
                                                 &query, got, scores, NULL, NULL));
        for (size_t i = 0; i < QUERIES; i++) {
            size_t better = 0, left_out = 0;
            const float worst = scores[i * K + K - 1];
            for (size_t place = 0; place < ROWS; place++) {
                float score = score_of(&parts, place, queries + i * DIM);
                better += score > worst && score <= query.score_max;
                left_out += score > query.score_max;
            }
            assert_true(better <= K - 1);
            assert_true(i % 9 || left_out >= 1); /* the rows begin as the queries do */
            for (size_t j = 0; j < K; j++) {
                assert_true(scores[i * K + j] ==
                            score_of(&parts, (size_t)got[i * K + j], queries + i * DIM));
                assert_true(j == 0 || scores[i * K + j - 1] >= scores[i * K + j]);
            }
        }
        vecna_index_free(index);
    }
    free(rows);
    free(queries);
}

static void cells_hold_every_row_once(void **state) {
    (void)state;
    float *rows = make_rows(ROWS, DIM, 5);
    vecna_index *index = NULL;
    vecna_index_options options = {.cells = 25};
    unsigned char seen[ROWS] = {0};
    double error = 0;
    assert_status(VECNA_OK,
                  vecna_index_new(vecna_view_dense(rows, ROWS, DIM), &options, &index, NULL));
    const vecna_index_parts parts = vecna_index_parts_of(index);
    const int32_t *order = vecna_index_order(index);
    assert_int_equal(parts.starts[0], 0);
    assert_int_equal(parts.starts[25], ROWS);
    for (size_t place = 0; place < ROWS; place++) {
        const float *row = rows + (size_t)order[place] * DIM;
        double length = 0, dot = 0;
        assert_int_equal(seen[order[place]]++, 0);
        for (size_t j = 0; j < DIM; j++) {
            length += (double)row[j] * row[j];
            dot += (double)row[j] * parts.codes[place * DIM + j] * parts.scales[place];
        }
        error = fmax(error, 1 - dot / sqrt(length));
    }
    assert_true(error < 1e-4); /* half a step of 127, in 24 dimensions */
    vecna_index_free(index);
    free(rows);
}

static void a_part_of_the_cells_finds_most(void **state) {
    (void)state;
    float *rows = make_rows(ROWS, DIM, 7), *queries = make_rows(QUERIES, DIM, 7);
    vecna_index *index = NULL;
    vecna_index_options options = {.cells = 30};
    int32_t all[QUERIES * K], some[QUERIES * K], pooled[QUERIES * K], single[K];
    float scores[QUERIES * K], pooled_scores[QUERIES * K];
    vecna_pool *pool = NULL;
    const vecna_view asked = vecna_view_dense(queries, QUERIES, DIM);
    assert_status(VECNA_OK, vecna_pool_new(3, NULL, &pool, NULL));
    options.pool = pool;
    assert_status(VECNA_OK,
                  vecna_index_new(vecna_view_dense(rows, ROWS, DIM), &options, &index, NULL));
    vecna_index_query query = {.k = K};
    assert_status(VECNA_OK, vecna_index_find(index, asked, &query, all, scores, NULL, NULL));
    query.probes = 6;
    assert_status(VECNA_OK, vecna_index_find(index, asked, &query, some, scores, NULL, NULL));
    assert_status(VECNA_OK,
                  vecna_index_find(index, asked, &query, pooled, pooled_scores, pool, NULL));
    assert_memory_equal(some, pooled, sizeof some);
    assert_memory_equal(scores, pooled_scores, sizeof scores);
    size_t found = 0;
    for (size_t i = 0; i < QUERIES; i++) { /* alone as in a batch */
        float one[K];
        assert_status(VECNA_OK, vecna_index_find(index, vecna_view_rows(asked, i, 1), &query,
                                                 single, one, NULL, NULL));
        assert_memory_equal(single, some + i * K, sizeof single);
        assert_memory_equal(one, scores + i * K, sizeof one);
        for (size_t j = 0; j < K; j++) {
            for (size_t l = 0; l < K; l++) {
                found += some[i * K + j] == all[i * K + l];
            }
        }
    }
    assert_true(found > (size_t)(0.8 * QUERIES * K));
    vecna_index_free(index);
    vecna_pool_free(pool);
    free(rows);
    free(queries);
}

static void parts_make_the_same_index(void **state) {
    (void)state;
    float *rows = make_rows(200, DIM, 9);
    vecna_index *index = NULL, *again = NULL;
    vecna_index_options options = {.cells = 7};
    vecna_error err;
    assert_status(VECNA_OK,
                  vecna_index_new(vecna_view_dense(rows, 200, DIM), &options, &index, NULL));
    vecna_index_parts parts = vecna_index_parts_of(index);
    assert_status(VECNA_OK, vecna_index_from_parts(&parts, NULL, &again, &err));
    assert_null(vecna_index_order(again));
    vecna_index_query query = {.k = 5, .probes = 3};
    int32_t a[200 * 5], b[200 * 5];
    float scores[200 * 5];
    const vecna_view asked = vecna_view_dense(rows, 200, DIM);
    assert_status(VECNA_OK, vecna_index_find(index, asked, &query, a, scores, NULL, &err));
    assert_status(VECNA_OK, vecna_index_find(again, asked, &query, b, scores, NULL, &err));
    assert_memory_equal(a, b, sizeof a);
    vecna_index_free(again);
    again = NULL;
    int32_t starts[8];
    memcpy(starts, parts.starts, sizeof starts);
    parts.starts = starts;
    starts[3] = starts[4] + 1;
    assert_status(VECNA_ERR_ARGUMENT, vecna_index_from_parts(&parts, NULL, &again, &err));
    memcpy(starts, vecna_index_parts_of(index).starts, sizeof starts);
    starts[7] = 201;
    assert_status(VECNA_ERR_ARGUMENT, vecna_index_from_parts(&parts, NULL, &again, &err));
    starts[7] = 200;
    float scales[200];
    memcpy(scales, parts.scales, sizeof scales);
    scales[100] = NAN;
    parts.scales = scales;
    assert_status(VECNA_ERR_VALUE, vecna_index_from_parts(&parts, NULL, &again, &err));
    assert_null(again);
    vecna_index_free(index);
    free(rows);
}

static void what_is_no_index_is_refused(void **state) {
    (void)state;
    float rows[40] = {0}, scores[4];
    int32_t found[4];
    vecna_index *index = NULL;
    vecna_error err;
    vecna_index_options many = {.cells = 11};
    assert_status(VECNA_ERR_ARGUMENT,
                  vecna_index_new(vecna_view_dense(rows, 0, 4), NULL, &index, &err));
    assert_status(VECNA_ERR_ARGUMENT,
                  vecna_index_new(vecna_view_dense(rows, 10, 4), &many, &index, &err));
    rows[13] = NAN;
    assert_status(VECNA_ERR_VALUE,
                  vecna_index_new(vecna_view_dense(rows, 10, 4), NULL, &index, &err));
    assert_int_equal(err.position, 3);
    rows[13] = 1; /* all others are zero rows: found last, with score 0 */
    assert_status(VECNA_OK, vecna_index_new(vecna_view_dense(rows, 10, 4), NULL, &index, &err));
    vecna_index_query query = {.k = 4};
    assert_status(VECNA_OK, vecna_index_find(index, vecna_view_dense(rows + 12, 1, 4), &query,
                                             found, scores, NULL, &err));
    assert_int_equal(found[0], 3);
    assert_true(fabsf(scores[0] - 1) < 1e-6f && scores[1] == 0);
    assert_int_equal(found[1], 0);
    assert_status(VECNA_ERR_DIM, vecna_index_find(index, vecna_view_dense(rows, 1, 5), &query,
                                                  found, scores, NULL, &err));
    query.k = 0;
    assert_status(VECNA_ERR_ARGUMENT, vecna_index_find(index, vecna_view_dense(rows, 1, 4), &query,
                                                       found, scores, NULL, &err));
    vecna_index_free(index);
}

static vecna_status build_and_find(void *user, const vecna_allocator *allocator, vecna_error *err) {
    const float *rows = user;
    vecna_index *index = NULL;
    vecna_index_options options = {.cells = 5, .allocator = allocator};
    vecna_index_query query = {.k = 3, .probes = 2};
    int32_t found[30];
    float scores[30];
    vecna_status status = vecna_index_new(vecna_view_dense(rows, 60, DIM), &options, &index, err);
    status = status ? status
                    : vecna_index_find(index, vecna_view_dense(rows, 10, DIM), &query, found,
                                       scores, NULL, err);
    vecna_index_free(index);
    return status;
}

static void memory_may_fail(void **state) {
    (void)state;
    float *rows = make_rows(60, DIM, 11);
    assert_survives_failing_memory(build_and_find, rows);
    free(rows);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_cells_miss_nothing),
        cmocka_unit_test(cells_hold_every_row_once),
        cmocka_unit_test(a_part_of_the_cells_finds_most),
        cmocka_unit_test(parts_make_the_same_index),
        cmocka_unit_test(what_is_no_index_is_refused),
        cmocka_unit_test(memory_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
