/* Exact search against a brute force in float64; on small integers every score is exact, so that
 * the order and its ties must agree to the row. */
#include "search/search_impl.h"
#include "tests/unit/support/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double score_of(vecna_metric metric, const float *a, const float *b, size_t dim) {
    double dot = 0, aa = 0, bb = 0, l1 = 0, l2 = 0;
    for (size_t j = 0; j < dim; j++) {
        double x = (double)a[j], y = (double)b[j];
        dot += x * y;
        aa += x * x;
        bb += y * y;
        l1 += fabs(x - y);
        l2 += (x - y) * (x - y);
    }
    switch (metric) {
    case VECNA_METRIC_COSINE:
        return aa > 0 && bb > 0 ? dot / sqrt(aa * bb) : 0;
    case VECNA_METRIC_DOT:
        return dot;
    case VECNA_METRIC_L2:
        return -sqrt(l2);
    case VECNA_METRIC_L2SQ:
        return -l2;
    default:
        return -l1;
    }
}

/* Small integers from a cheap recurrence; many equal rows, so ties are everywhere. */
static float *integers(size_t count, unsigned salt, int span) {
    float *values = malloc((count ? count : 1) * sizeof *values);
    unsigned x = salt;
    for (size_t i = 0; i < count; i++) {
        x = x * 1664525u + 1013904223u;
        values[i] = (float)((int)((x >> 16) % (unsigned)(2 * span + 1)) - span);
    }
    return values;
}

static int before(double score, int64_t row, double other, int64_t other_row) {
    return score > other || (score == other && row < other_row);
}

/* The k best by repeated selection: slow and plain. */
static void brute_force(vecna_metric metric, vecna_view corpus, const float *query, size_t k,
                        int64_t excluded, int64_t *rows) {
    double last = INFINITY;
    int64_t last_row = -1;
    for (size_t n = 0; n < k; n++) {
        double best = -INFINITY;
        int64_t best_row = -1;
        for (size_t i = 0; i < corpus.rows; i++) {
            double s = score_of(metric, query, corpus.data + i * corpus.stride, corpus.dim);
            if ((int64_t)i != excluded && (n == 0 || before(last, last_row, s, (int64_t)i)) &&
                (best_row < 0 || before(s, (int64_t)i, best, best_row))) {
                best = s;
                best_row = (int64_t)i;
            }
        }
        rows[n] = best_row;
        if (best_row < 0) {
            while (++n < k)
                rows[n] = -1;
            return;
        }
        last = best;
        last_row = best_row;
    }
}

static void agrees(vecna_metric metric, size_t rows, size_t dim, size_t queries, size_t k,
                   vecna_pool *pool) {
    float *c = integers(rows * dim, 7, 2), *q = integers(queries * dim, 99, 2);
    vecna_view corpus = vecna_view_dense(c, rows, dim);
    int64_t *found = malloc(queries * k * sizeof *found), *wanted = malloc(k * sizeof *wanted);
    int64_t *excluded = malloc(queries * sizeof *excluded);
    float *scores = malloc(queries * k * sizeof *scores);
    vecna_search_options options = {metric, k, excluded, pool, NULL};
    for (size_t i = 0; i < queries; i++)
        excluded[i] = i % 3 && rows ? (int64_t)(i % rows) : -1;
    assert_status(VECNA_OK, vecna_search(corpus, vecna_view_dense(q, queries, dim), &options, found,
                                         scores, NULL));
    for (size_t i = 0; i < queries; i++) {
        brute_force(metric, corpus, q + i * dim, k, excluded[i], wanted);
        for (size_t j = 0; j < k; j++) {
            int64_t row = found[i * k + j];
            assert_int_equal(row, wanted[j]);
            if (row < 0)
                continue;
            assert_true(fabs((double)scores[i * k + j] -
                             score_of(metric, q + i * dim, c + (size_t)row * dim, dim)) <= 1e-5);
        }
    }
    free(c);
    free(q);
    free(found);
    free(wanted);
    free(excluded);
    free(scores);
}

/* dot, l2sq and l1 on integers are exact in float32: ties and all must agree. l2's roots keep the
 * order. */
static void agrees_with_brute_force(void **state) {
    static const vecna_metric exact[] = {VECNA_METRIC_DOT, VECNA_METRIC_L2SQ, VECNA_METRIC_L2,
                                         VECNA_METRIC_L1};
    vecna_pool *pool = NULL;
    (void)state;
    assert_status(VECNA_OK, vecna_pool_new(3, NULL, &pool, NULL));
    for (size_t m = 0; m < 4; m++) {
        agrees(exact[m], 2100, 6, 5, 10, pool);
        agrees(exact[m], 2100, 6, 5, 10, NULL);
        agrees(exact[m], 7, 3, 300, 10, pool); /* fewer rows than k */
        agrees(exact[m], 0, 3, 2, 4, NULL);
        agrees(exact[m], 70, 1, 1, 70, NULL);
    }
    vecna_pool_free(pool);
}

/* The cosine of unit-length powers of two is exact too. */
static void cosine_agrees_and_zero_rows_score_zero(void **state) {
    float corpus[5 * 2] = {2, 0, 0, 0, 0, -4, -8, 0, 0, 0};
    float queries[2 * 2] = {4, 0, 0, 0};
    int64_t rows[10];
    float scores[10];
    vecna_search_options options = {VECNA_METRIC_COSINE, 5, NULL, NULL, NULL};
    static const int64_t wanted[10] = {0, 1, 2, 4, 3, 0, 1, 2, 3, 4};
    static const float wanted_scores[10] = {1, 0, 0, 0, -1, 0, 0, 0, 0, 0};
    (void)state;
    assert_status(VECNA_OK,
                  vecna_search(vecna_view_dense(corpus, 5, 2), vecna_view_dense(queries, 2, 2),
                               &options, rows, scores, NULL));
    for (int i = 0; i < 10; i++) {
        assert_int_equal(rows[i], wanted[i]);
        assert_true(scores[i] == wanted_scores[i]);
    }
}

static void blocks_and_threads_change_nothing(void **state) {
    enum { ROWS = 5000, DIM = 24, QUERIES = 40, K = 7 };
    float *c = integers(ROWS * DIM, 5, 3), *q = integers(QUERIES * DIM, 6, 3);
    int64_t whole[QUERIES * K], parts[QUERIES * K];
    vecna_search_options options = {VECNA_METRIC_DOT, K, NULL, NULL, NULL};
    (void)state;
    assert_status(VECNA_OK,
                  vecna_search(vecna_view_dense(c, ROWS, DIM), vecna_view_dense(q, QUERIES, DIM),
                               &options, whole, NULL, NULL));
    for (size_t threads = 1; threads <= 4; threads++) {
        vecna_searcher *searcher = NULL;
        assert_status(VECNA_OK, vecna_pool_new(threads, NULL, &options.pool, NULL));
        assert_status(VECNA_OK, vecna_searcher_new(vecna_view_dense(q, QUERIES, DIM), &options,
                                                   &searcher, NULL));
        for (size_t at = 0; at < ROWS; at += 1999)
            assert_status(VECNA_OK, vecna_searcher_add(
                                        searcher,
                                        vecna_view_dense(c + at * DIM,
                                                         ROWS - at < 1999 ? ROWS - at : 1999, DIM),
                                        NULL));
        vecna_searcher_found(searcher, parts, NULL);
        assert_memory_equal(whole, parts, sizeof whole);
        vecna_searcher_free(searcher);
        vecna_pool_free(options.pool);
    }
    free(c);
    free(q);
}

/* Rows that are the same to the bit tie, in full tiles, at the end of a block and in blocks of one
 * row: the lowest k rows are found, whatever the products round to. */
static void equal_rows_tie_wherever_they_stand(void **state) {
    enum { ROWS = 2049, DIM = 77, QUERIES = 20, K = ROWS };
    static const size_t blocks[] = {ROWS, 1, 31, 1025};
    static const vecna_metric metrics[] = {VECNA_METRIC_COSINE, VECNA_METRIC_DOT, VECNA_METRIC_L2SQ,
                                           VECNA_METRIC_L1};
    float *c = malloc(ROWS * DIM * sizeof *c), *q = malloc(QUERIES * DIM * sizeof *q);
    int64_t *rows = malloc(QUERIES * K * sizeof *rows);
    float *scores = malloc(QUERIES * K * sizeof *scores);
    vecna_random random;
    (void)state;
    vecna_random_seed(&random, 8, 0);
    for (size_t i = 0; i < ROWS * DIM; i++)
        c[i] = i < DIM ? (float)vecna_random_normal(&random) : c[i - DIM];
    for (size_t i = 0; i < QUERIES * DIM; i++)
        q[i] = (float)vecna_random_normal(&random);
    for (size_t run = 0; run < 4; run++) {
        vecna_search_options options = {metrics[run], K, NULL, NULL, NULL};
        vecna_searcher *searcher = NULL;
        size_t at = 0;
        assert_status(VECNA_OK, vecna_searcher_new(vecna_view_dense(q, QUERIES, DIM), &options,
                                                   &searcher, NULL));
        while (at < ROWS) { /* some blocks of this run's size, then the rest */
            size_t count =
                at < 40 * blocks[run] && ROWS - at > blocks[run] ? blocks[run] : ROWS - at;
            assert_status(
                VECNA_OK,
                vecna_searcher_add(searcher, vecna_view_dense(c + at * DIM, count, DIM), NULL));
            at += count;
        }
        vecna_searcher_found(searcher, rows, scores);
        for (size_t i = 0; i < QUERIES; i++)
            for (size_t j = 0; j < K; j++) {
                assert_int_equal(rows[i * K + j], (int64_t)j);
                assert_true(scores[i * K + j] == scores[i * K]);
            }
        vecna_searcher_free(searcher);
    }
    free(c);
    free(q);
    free(rows);
    free(scores);
}

static void nan_is_never_a_neighbour(void **state) {
    float corpus[3 * 2] = {NAN, 1, 1, 1, NAN, NAN}, query[2] = {1, 1};
    int64_t rows[3];
    vecna_search_options options = {VECNA_METRIC_DOT, 3, NULL, NULL, NULL};
    (void)state;
    assert_status(VECNA_OK,
                  vecna_search(vecna_view_dense(corpus, 3, 2), vecna_view_dense(query, 1, 2),
                               &options, rows, NULL, NULL));
    assert_int_equal(rows[0], 1);
    assert_int_equal(rows[1], -1);
    assert_int_equal(rows[2], -1);
}

/* Lengths do not enter a cosine, from the subnormals to the largest float32, in a tile that is not
 * full and in one that is. */
static void cosine_of_rows_of_any_length(void **state) {
    static const float lengths[] = {1e-40f, 1e-42f, 2e-38f, 1e-30f, 1e-19f, 1, 1e19f, 3e30f, 2e38f};
    enum { DIM = 4, KINDS = sizeof lengths / sizeof *lengths };
    static const size_t tiles[] = {KINDS + 1, 1024, 1030};
    const float query[DIM] = {3e38f, 3e38f, 3e38f, 3e38f};
    (void)state;
    for (size_t t = 0; t < 3; t++) {
        size_t rows = tiles[t];
        float *corpus = calloc(rows * DIM, sizeof *corpus);
        int64_t found[KINDS + 1];
        float scores[KINDS + 1];
        vecna_search_options options = {VECNA_METRIC_COSINE, KINDS + 1, NULL, NULL, NULL};
        assert_non_null(corpus);
        for (size_t i = 0; i < KINDS; i++) /* cosines 1/2, 2/2 ... and one zero row */
            for (size_t j = 0; j < (i % 2 ? 4 : 1); j++)
                corpus[i * DIM + j] = lengths[i];
        for (size_t i = KINDS + 1; i < rows; i++)
            corpus[i * DIM] = -lengths[i % KINDS];
        assert_status(VECNA_OK,
                      vecna_search(vecna_view_dense(corpus, rows, DIM),
                                   vecna_view_dense(query, 1, DIM), &options, found, scores, NULL));
        for (size_t i = 0; i < KINDS; i++) {
            size_t odd = KINDS / 2;
            assert_true(found[i] >= 0 && found[i] < KINDS && found[i] % 2 == (i < odd));
            assert_true(fabs(scores[i] - (i < odd ? 1 : 0.5)) < 1e-6);
        }
        assert_int_equal(found[KINDS], KINDS);
        assert_true(scores[KINDS] == 0);
        free(corpus);
    }
}

/* A distance that float32 products cannot give is no distance: the row is not found, rather than
 * found first. */
static void l2_of_rows_beyond_float_is_not_found(void **state) {
    const float corpus[5 * 2] = {1e30f, 1, 3, 4, -1e30f, 2, 0, 1, 1e18f, 0};
    const float queries[2 * 2] = {0, 0, 1e30f, 0};
    int64_t rows[2 * 5];
    float scores[2 * 5];
    vecna_search_options options = {VECNA_METRIC_L2, 5, NULL, NULL, NULL};
    (void)state;
    assert_status(VECNA_OK,
                  vecna_search(vecna_view_dense(corpus, 5, 2), vecna_view_dense(queries, 2, 2),
                               &options, rows, scores, NULL));
    assert_int_equal(rows[0], 3);
    assert_int_equal(rows[1], 1);
    assert_int_equal(rows[2], 4);
    assert_true(scores[0] == -1 && scores[1] == -5);
    assert_int_equal(rows[3], -1);
    assert_int_equal(rows[4], -1);
    for (size_t i = 5; i < 10; i++) { /* the product with 1e18 leaves float32 */
        assert_true(rows[i] == -1 || rows[i] == 1 || rows[i] == 3);
        assert_true(isfinite(scores[i]));
    }
}

static void misuse_is_named(void **state) {
    float x[6] = {0};
    int64_t rows[100];
    vecna_error err;
    vecna_search_options options = {VECNA_METRIC_HAMMING, 1, NULL, NULL, NULL};
    (void)state;
    assert_status(VECNA_ERR_UNSUPPORTED,
                  vecna_search(vecna_view_dense(x, 1, 3), vecna_view_dense(x, 1, 3), &options, rows,
                               NULL, &err));
    options.metric = VECNA_METRIC_DOT;
    assert_status(VECNA_ERR_DIM, vecna_search(vecna_view_dense(x, 1, 2), vecna_view_dense(x, 1, 3),
                                              &options, rows, NULL, &err));
    assert_non_null(strstr(err.message, "2 dimensions"));
    options.k = SIZE_MAX / 2;
    assert_status(VECNA_ERR_ARGUMENT,
                  vecna_search(vecna_view_dense(x, 1, 3), vecna_view_dense(x, 1, 3), &options, rows,
                               NULL, &err));
}

static vecna_status search_some(void *user, const vecna_allocator *allocator, vecna_error *err) {
    float x[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3};
    int64_t rows[4], excluded[2] = {0, -1};
    vecna_search_options options = {VECNA_METRIC_COSINE, 2, excluded, NULL, allocator};
    (void)user;
    return vecna_search(vecna_view_dense(x, 4, 3), vecna_view_dense(x, 2, 3), &options, rows, NULL,
                        err);
}

static void survives_failing_memory(void **state) {
    (void)state;
    assert_survives_failing_memory(search_some, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_brute_force),
        cmocka_unit_test(cosine_agrees_and_zero_rows_score_zero),
        cmocka_unit_test(blocks_and_threads_change_nothing),
        cmocka_unit_test(equal_rows_tie_wherever_they_stand),
        cmocka_unit_test(nan_is_never_a_neighbour),
        cmocka_unit_test(cosine_of_rows_of_any_length),
        cmocka_unit_test(l2_of_rows_beyond_float_is_not_found),
        cmocka_unit_test(misuse_is_named),
        cmocka_unit_test(survives_failing_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
