/* Choosing rows: what can be said of any choice, and two cases that a wrong one gets wrong. */
#include "tests/unit/support/support.h"
#include "vecna/choose.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 600, DIM = 12, CLUSTERS = 20 };

/* Rows of clusters of very unequal size: half of all in the first. */
static void make_rows(float *rows, size_t *cluster) {
    vecna_random random;
    double centres[CLUSTERS][DIM];
    vecna_random_seed(&random, 11, 0);
    for (size_t c = 0; c < CLUSTERS; c++)
        for (size_t j = 0; j < DIM; j++)
            centres[c][j] = vecna_random_normal(&random);
    for (size_t i = 0; i < ROWS; i++) {
        cluster[i] = i < ROWS / 2 ? 0 : i % CLUSTERS;
        for (size_t j = 0; j < DIM; j++)
            rows[i * DIM + j] =
                (float)(centres[cluster[i]][j] + 0.1 * vecna_random_normal(&random));
    }
}

static void check_distinct(const size_t *out, size_t count, size_t rows) {
    unsigned char *seen = calloc(rows, 1);
    for (size_t i = 0; i < count; i++) {
        assert_true(out[i] < rows);
        assert_false(seen[out[i]]);
        seen[out[i]] = 1;
    }
    free(seen);
}

static size_t count_clusters(const size_t *out, size_t count, const size_t *cluster) {
    unsigned char seen[CLUSTERS] = {0};
    size_t found = 0;
    for (size_t i = 0; i < count; i++)
        found += !seen[cluster[out[i]]], seen[cluster[out[i]]] = 1;
    return found;
}

static void spread_reaches_what_chance_does_not(void **state) {
    float rows[ROWS * DIM];
    size_t cluster[ROWS], out[40];
    (void)state;
    make_rows(rows, cluster);
    vecna_view view = vecna_view_dense(rows, ROWS, DIM);
    for (int method = 0; method < VECNA_CHOOSE_METHODS; method++) {
        vecna_choose_options options = {.method = (vecna_choose_method)method, .seed = 3};
        vecna_chosen about;
        assert_status(VECNA_OK, vecna_choose(view, 24, &options, out, &about, NULL));
        assert_int_equal(24, about.count);
        assert_int_equal(0, about.unusable);
        check_distinct(out, 24, ROWS);
        size_t found = count_clusters(out, 24, cluster);
        if (method == VECNA_CHOOSE_RANDOM)
            assert_true(found < 16);
        else
            assert_true(found >= 17);
    }
}

/* The nearest cosine against its definition, and a seed's choice on every number of threads. */
static void the_same_on_all_threads_and_as_said(void **state) {
    float rows[ROWS * DIM];
    size_t cluster[ROWS], out[50], threaded[50];
    (void)state;
    make_rows(rows, cluster);
    vecna_view view = vecna_view_dense(rows, ROWS, DIM);
    vecna_chosen about;
    vecna_pool *pool = NULL;
    assert_status(VECNA_OK, vecna_choose(view, 50, NULL, out, &about, NULL));
    assert_status(VECNA_OK, vecna_pool_new(3, NULL, &pool, NULL));
    vecna_choose_options options = {.pool = pool};
    assert_status(VECNA_OK, vecna_choose(view, 50, &options, threaded, NULL, NULL));
    vecna_pool_free(pool);
    assert_memory_equal(out, threaded, sizeof out);

    double mean[DIM] = {0}, centred[ROWS][DIM], total = 0;
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < ROWS; i++) {
            double length = 0, square = 0;
            for (size_t j = 0; j < DIM; j++)
                length += (double)rows[i * DIM + j] * rows[i * DIM + j];
            for (size_t j = 0; j < DIM; j++) {
                double x = rows[i * DIM + j] / sqrt(length);
                if (pass == 0)
                    mean[j] += x / ROWS;
                centred[i][j] = x - mean[j];
                square += centred[i][j] * centred[i][j];
            }
            for (size_t j = 0; j < DIM; j++)
                centred[i][j] /= sqrt(square);
        }
    for (size_t i = 0; i < ROWS; i++) {
        double best = -1;
        for (size_t k = 0; k < 50; k++) {
            double cosine = 0;
            for (size_t j = 0; j < DIM; j++)
                cosine += centred[i][j] * centred[out[k]][j];
            best = cosine > best ? cosine : best;
        }
        total += best / ROWS;
    }
    assert_float_equal(total, about.nearest, 1e-5);
}

/* Beyond 256 rows are chosen several a round: still distinct, and the first are a choice of fewer. */
static void many_rows(void **state) {
    float *rows = malloc(ROWS * DIM * sizeof *rows);
    size_t cluster[ROWS], out[500], fewer[200];
    vecna_chosen about;
    (void)state;
    make_rows(rows, cluster);
    vecna_view view = vecna_view_dense(rows, ROWS, DIM);
    for (int method = 0; method < VECNA_CHOOSE_METHODS; method++) {
        vecna_choose_options options = {.method = (vecna_choose_method)method, .seed = 9};
        assert_status(VECNA_OK, vecna_choose(view, 500, &options, out, &about, NULL));
        assert_int_equal(500, about.count);
        check_distinct(out, 500, ROWS);
        assert_status(VECNA_OK, vecna_choose(view, 200, &options, fewer, NULL, NULL));
        assert_memory_equal(out, fewer, sizeof fewer);
    }
    free(rows);
}

static void duplicates_and_unusable_rows_are_left_out(void **state) {
    float rows[12][3] = {{0}};
    size_t out[12];
    vecna_chosen about;
    (void)state;
    for (size_t i = 0; i < 12; i++) /* four directions, three times each, of other lengths */
        rows[i][i % 3] = (i % 4 < 2 ? 1.0f : -1.0f) * (float)(1 + i / 4);
    memset(rows[5], 0, sizeof rows[5]);
    rows[6][1] = NAN;
    rows[7][2] = INFINITY;
    vecna_view view = vecna_view_dense(rows[0], 12, 3);
    assert_status(VECNA_OK, vecna_choose(view, 12, NULL, out, &about, NULL));
    assert_int_equal(3, about.unusable);
    assert_true(about.count >= 3 && about.count <= 6);
    check_distinct(out, about.count, 12);
    for (size_t i = 0; i < about.count; i++)
        assert_true(out[i] < 5 || out[i] > 7);
    assert_float_equal(1, about.nearest, 1e-6); /* every usable row lies on a chosen one */
}

static void mistakes(void **state) {
    float rows[6] = {1, 2, 3, 4, 5, 6};
    float zeros[6] = {0};
    size_t out[3];
    vecna_choose_options wrong = {.method = (vecna_choose_method)7};
    vecna_error err;
    (void)state;
    assert_status(VECNA_ERR_ARGUMENT,
                  vecna_choose(vecna_view_dense(rows, 3, 2), 0, NULL, out, NULL, &err));
    assert_status(VECNA_ERR_ARGUMENT,
                  vecna_choose(vecna_view_dense(rows, 3, 2), 1, &wrong, out, NULL, &err));
    assert_status(VECNA_ERR_ARGUMENT,
                  vecna_choose(vecna_view_dense(zeros, 3, 2), 1, NULL, out, NULL, &err));
    assert_status(VECNA_ERR_DIM,
                  vecna_choose((vecna_view){rows, 3, 2, 1}, 1, NULL, out, NULL, &err));
    assert_string_equal("spread", vecna_choose_method_name(VECNA_CHOOSE_SPREAD));
    assert_string_equal("unknown", vecna_choose_method_name(wrong.method));
    size_t one[3];
    vecna_chosen about;
    assert_status(VECNA_OK, vecna_choose(vecna_view_dense(rows, 1, 2), 3, NULL, one, &about, NULL));
    assert_int_equal(1, about.count);
}

static vecna_status choose_with(void *user, const vecna_allocator *allocator, vecna_error *err) {
    size_t out[5];
    vecna_choose_options options = {.allocator = allocator};
    return vecna_choose(vecna_view_dense(user, 40, DIM), 5, &options, out, NULL, err);
}

static void survives_failing_memory(void **state) {
    float rows[ROWS * DIM];
    size_t cluster[ROWS];
    (void)state;
    make_rows(rows, cluster);
    assert_survives_failing_memory(choose_with, rows);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spread_reaches_what_chance_does_not),
        cmocka_unit_test(the_same_on_all_threads_and_as_said),
        cmocka_unit_test(many_rows),
        cmocka_unit_test(duplicates_and_unusable_rows_are_left_out),
        cmocka_unit_test(mistakes),
        cmocka_unit_test(survives_failing_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
