/* Counts of words: the SVD of sparse matrices whose values are known, texts of lower rank, a text's row by
 * both roads, and memory that fails. tests/cli/test_train_counts.py holds the numbers against
 * scikit-learn's. */
#include "tests/unit/support/support.h"

#include "train/counts_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static vecna_corpus corpus;

static int make_corpus(void **state) {
    static char path[] = "/tmp/vecna_counts_XXXXXX";
    int descriptor = mkstemp(path);
    FILE *file = descriptor < 0 ? NULL : fdopen(descriptor, "w");
    vecna_corpus_options options;
    uint64_t random = 5;
    vecna_error err;
    (void)state;
    if (file == NULL)
        return 1;
    for (int text = 0; text < 40; text++) {
        for (int at = 0; at < 8; at++)
            fprintf(file, "t%dw%d ", text % 4, (int)(vni_draw(&random) % 6));
        fputc('\n', file);
    }
    fclose(file);
    memset(&options, 0, sizeof options);
    options.keep_empty_units = 1;
    options.min_count = 1;
    if (vecna_corpus_read(path, &options, &corpus, &err) != VECNA_OK)
        return 1;
    unlink(path);
    return 0;
}

static int free_corpus(void **state) {
    (void)state;
    vecna_corpus_free(&corpus);
    return 0;
}

/* ---- directions ------------------------------------------------------------------------------ */

enum { ROWS = 30, COLUMNS = 20 };

/* row i has value[i % 4] in column i % 4 alone: four singular values, rank four */
static void make_diagonal(vni_sparse *x, size_t *starts, int32_t *at, double *entries) {
    static const double value[] = {4, 3, 2, 1};
    for (size_t row = 0; row < ROWS; row++) {
        starts[row] = row;
        at[row] = (int32_t)(row % 4);
        entries[row] = value[row % 4];
    }
    starts[ROWS] = ROWS;
    *x = (vni_sparse){ROWS, COLUMNS, starts, at, entries};
}

static void values_of_a_matrix_of_low_rank(void **state) {
    size_t starts[ROWS + 1], rounds = 0;
    int32_t at[ROWS];
    double entries[ROWS], values[6];
    float directions[COLUMNS * 6];
    vni_sparse x;
    const vni_svd_options options = {.dim = 6, .rounds = 50, .seed = 3};
    vecna_error err;
    (void)state;
    make_diagonal(&x, starts, at, entries);
    assert_status(VECNA_OK, vni_sparse_svd(&x, &options, values, directions, &rounds, &err));
    for (size_t d = 0; d < 4; d++) { /* 8 rows have 4 and 3, 7 have 2 and 1 */
        const double want = (double)(4 - d) * sqrt(d < 2 ? 8 : 7);
        assert_true(fabs(values[d] - want) < 1e-12 * want);
        for (size_t c = 0; c < COLUMNS; c++)
            assert_true(fabs(directions[c * 6 + d] - (c == d)) < 1e-7);
    }
    for (size_t d = 4; d < 6;
         d++) /* nothing is left: 0, up to the root of what is lost in a square */
        assert_true(values[d] < 1e-6);
    assert_true(rounds < 50);
}

static int cancel(void *user, size_t round, size_t rounds) {
    (void)user;
    (void)rounds;
    return round == 2;
}

static void directions_can_be_cancelled(void **state) {
    vecna_counts_options options = {
        .method = VECNA_LSA, .dim = 3, .rounds = 90, .unit_rows = 1, .progress = cancel};
    vecna_counts *model = NULL;
    vecna_error err;
    (void)state;
    assert_status(VECNA_ERR_ARGUMENT, vecna_counts_new(&options, &corpus, &model, &err));
    assert_string_equal(err.message, "cancelled");
    assert_null(model);
}

/* ---- rows ------------------------------------------------------------------------------------ */

static void counted_and_new_texts_are_one(void **state) {
    (void)state;
    for (int method = 0; method <= VECNA_LSA; method++)
        for (size_t buckets = 0; buckets <= 16; buckets += 16) {
            vecna_counts_options options = {
                .method = (vecna_counting)method, .unit_rows = 1, .buckets = buckets, .dim = 5};
            vecna_counts *model = NULL;
            vecna_error err;
            char text[400] = "";
            vecna_passage passage = {text, 0};
            uint64_t words = 0;
            size_t dim;
            float *rows;
            assert_status(VECNA_OK, vecna_counts_new(&options, &corpus, &model, &err));
            dim = vecna_counts_about(model).dim;
            rows = malloc(2 * dim * sizeof *rows);
            for (size_t at = corpus.starts[7]; at < corpus.starts[8]; at++) {
                strcat(text, vecna_vocab_word(corpus.vocab, corpus.ids[at], NULL));
                strcat(text, " ");
            }
            passage.bytes = strlen(text);
            assert_status(VECNA_OK,
                          vecna_counts_vectors(model, 7, vecna_matrix_dense(rows, 1, dim), &err));
            assert_status(VECNA_OK, vecna_counts_embed(model, &passage, 1,
                                                       vecna_matrix_dense(rows + dim, 1, dim),
                                                       &words, NULL, &err));
            assert_int_equal(words, 8);
            assert_memory_equal(rows, rows + dim, dim * sizeof *rows);
            assert_status(VECNA_ERR_DIM, vecna_counts_vectors(
                                             model, 7, vecna_matrix_dense(rows, 1, dim - 1), &err));
            assert_status(
                VECNA_ERR_ARGUMENT,
                vecna_counts_vectors(model, corpus.units, vecna_matrix_dense(rows, 1, dim), &err));
            free(rows);
            vecna_counts_free(model);
        }
}

static void a_text_has_any_length(void **state) {
    enum { TIMES = 5000 };
    vecna_counts_options options = {.method = VECNA_TFIDF, .buckets = 1};
    vecna_counts *model = NULL;
    vecna_error err;
    char *text = malloc(2 * TIMES);
    vecna_passage passage = {text, 2 * TIMES};
    float row = 0;
    uint64_t words = 0;
    (void)state;
    for (size_t i = 0; i < TIMES; i++)
        memcpy(text + 2 * i, "a ", 2);
    assert_status(VECNA_OK, vecna_counts_new(&options, &corpus, &model, &err));
    assert_status(VECNA_OK, vecna_counts_embed(model, &passage, 1, vecna_matrix_dense(&row, 1, 1),
                                               &words, NULL, &err));
    assert_int_equal(words, TIMES);
    assert_true(row == TIMES);
    vecna_counts_free(model);
    free(text);
}

static vecna_status body(void *user, const vecna_allocator *allocator, vecna_error *err) {
    vecna_counts_options options = {.method = VECNA_LSA, .dim = 3, .rounds = 2, .unit_rows = 1};
    vecna_counts *model = NULL, *again = NULL;
    const vecna_passage passage = {"t1w1 t2w2", 9};
    float row[3];
    vecna_status status;
    options.allocator = allocator;
    status = vecna_counts_new(&options, &corpus, &model, err);
    if (status == VECNA_OK)
        status = vecna_counts_vectors(model, 3, vecna_matrix_dense(row, 1, 3), err);
    if (status == VECNA_OK)
        status = vecna_counts_save(model, user, err);
    if (status == VECNA_OK)
        status = vecna_counts_open(user, allocator, &again, err);
    if (status == VECNA_OK)
        status =
            vecna_counts_embed(again, &passage, 1, vecna_matrix_dense(row, 1, 3), NULL, NULL, err);
    vecna_counts_free(model);
    vecna_counts_free(again);
    return status;
}

static void memory_may_fail(void **state) {
    char path[] = "/tmp/vecna_counts_model_XXXXXX";
    int descriptor = mkstemp(path);
    (void)state;
    close(descriptor);
    assert_survives_failing_memory(body, path);
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_a_matrix_of_low_rank),
        cmocka_unit_test(directions_can_be_cancelled),
        cmocka_unit_test(counted_and_new_texts_are_one),
        cmocka_unit_test(a_text_has_any_length),
        cmocka_unit_test(memory_may_fail),
    };
    return cmocka_run_group_tests(tests, make_corpus, free_corpus);
}
