/* Documents of known topics: every method must bring them together, train every word of every epoch,
 * give the same bits again, go on from a state, and read new documents into the same place. */
#include "tests/unit/support/support.h"

#include "train/doc2vec_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { TOPICS = 5, WORDS_A_TOPIC = 15, DOCS = 200, LENGTH = 25, DIM = 16 };

static vecna_corpus corpus;
static int topics[DOCS + 1];

static int make_corpus(void **state) {
    static char path[] = "/tmp/vecna_doc2vec_XXXXXX";
    int descriptor = mkstemp(path);
    FILE *file = descriptor < 0 ? NULL : fdopen(descriptor, "w");
    vecna_corpus_options options;
    uint64_t random = 11;
    vecna_error err;
    (void)state;
    if (file == NULL)
        return 1;
    for (int doc = 0; doc < DOCS; doc++) { /* in the order of their topics, as bad texts are */
        topics[doc] = doc * TOPICS / DOCS;
        for (int at = 0; at < LENGTH; at++)
            fprintf(file, "t%dw%d ", topics[doc], (int)(vni_draw(&random) % WORDS_A_TOPIC));
        fputc('\n', file);
    }
    fputs("unknown only\n", file); /* too rare: a document without words */
    fclose(file);
    memset(&options, 0, sizeof options);
    options.keep_empty_units = 1;
    if (vecna_corpus_read(path, &options, &corpus, &err) != VECNA_OK)
        return 1;
    unlink(path);
    return corpus.units != DOCS + 1;
}

static int free_corpus(void **state) {
    (void)state;
    vecna_corpus_free(&corpus);
    return 0;
}

static vecna_doc2vec_options small(int method) {
    vecna_doc2vec_options options;
    memset(&options, 0, sizeof options);
    options.method = (vecna_doc2vec_method)method;
    options.dim = DIM;
    options.window = 3;
    options.epochs = 15;
    options.rate = 0.1;
    options.seed = 5;
    return options;
}

static vecna_doc2vec *trained(vecna_doc2vec_options options, vecna_pool *pool) {
    vecna_doc2vec *model = NULL;
    vecna_error err;
    vecna_status status = vecna_doc2vec_new(&options, &corpus, &model, &err);
    if (status == VECNA_OK)
        status = vecna_doc2vec_train(model, pool, NULL, NULL, &err);
    if (status != VECNA_OK)
        print_error("%s\n", err.message);
    assert_status(VECNA_OK, status);
    return model;
}

static float *vectors_of(const vecna_doc2vec *model) {
    float *out = calloc((DOCS + 1) * DIM, sizeof *out);
    vecna_error err;
    assert_status(VECNA_OK,
                  vecna_doc2vec_vectors(model, 0, vecna_matrix_dense(out, DOCS + 1, DIM), &err));
    return out;
}

static double cosine(const float *a, const float *b) {
    double ab = 0, aa = 0, bb = 0;
    for (int d = 0; d < DIM; d++) {
        ab += (double)a[d] * (double)b[d];
        aa += (double)a[d] * (double)a[d];
        bb += (double)b[d] * (double)b[d];
    }
    return ab / sqrt(aa * bb);
}

/* The document nearest to a vector, but for `self`. */
static int nearest(const float *vectors, const float *to, int self) {
    int best = -1;
    for (int doc = 0; doc < DOCS; doc++)
        if (doc != self &&
            (best < 0 || cosine(vectors + doc * DIM, to) > cosine(vectors + best * DIM, to)))
            best = doc;
    return best;
}

static double same_topic(const float *vectors) {
    int right = 0;
    for (int doc = 0; doc < DOCS; doc++)
        right += topics[doc] == topics[nearest(vectors, vectors + doc * DIM, doc)];
    return (double)right / DOCS;
}

static void every_method_learns_and_reads(void **state) {
    char path[] = "/tmp/vecna_reader_XXXXXX";
    int descriptor = mkstemp(path);
    (void)state;
    close(descriptor);
    for (int method = 0; method < 4; method++) {
        vecna_doc2vec_options options = small(method % 3);
        vecna_doc2vec *model;
        vecna_doc2vec_reader *reader = NULL;
        vecna_train_report report;
        float *vectors, once[DIM], again[DIM];
        int32_t ids[LENGTH];
        vecna_error err;
        int right = 0;
        options.words_too = method == 3;
        model = trained(options, NULL);
        vectors = vectors_of(model);
        report = vecna_doc2vec_report(model);
        if (same_topic(vectors) < 0.9)
            print_error("method %d: %.2f\n", method, same_topic(vectors));
        /* concatenated rows learn places too, and less of a small text: 0.83; by chance 0.2 */
        assert_true(same_topic(vectors) >= (method == 2 ? 0.7 : 0.9));
        assert_int_equal(report.words, DOCS * LENGTH * options.epochs);
        assert_true(vectors[DOCS * DIM] == 0 && vectors[DOCS * DIM + 7] == 0);
        assert_status(VECNA_OK, vecna_doc2vec_keep(model, path, &err));
        assert_status(VECNA_OK, vecna_doc2vec_open(path, NULL, &reader, &err));
        assert_int_equal(DIM, vecna_doc2vec_dim(reader));
        for (int doc = 0; doc < DOCS; doc += 5) {
            for (int at = 0; at < LENGTH; at++) {
                size_t bytes;
                const char *word = vecna_vocab_word(
                    corpus.vocab, corpus.ids[corpus.starts[doc] + (size_t)at], &bytes);
                ids[at] = vecna_vocab_find(vecna_doc2vec_words(reader), word, bytes);
            }
            assert_status(VECNA_OK, vecna_doc2vec_infer(reader, ids, LENGTH, 30, once, &err));
            assert_status(VECNA_OK, vecna_doc2vec_infer(reader, ids, LENGTH, 30, again, &err));
            assert_memory_equal(once, again, sizeof once);
            right += topics[doc] == topics[nearest(vectors, once, -1)];
        }
        assert_true(right >= (method == 2 ? 28 : 36)); /* of 40 */
        assert_status(VECNA_OK, vecna_doc2vec_infer(reader, NULL, 0, 30, once, &err));
        assert_true(once[0] == 0 && once[DIM - 1] == 0);
        vecna_doc2vec_close(reader);
        free(vectors);
        vecna_doc2vec_free(model);
    }
    unlink(path);
}

static void threads_change_nothing_but_by_their_number(void **state) {
    vecna_pool *pool = NULL;
    vecna_error err;
    (void)state;
    assert_status(VECNA_OK, vecna_pool_new(3, NULL, &pool, &err));
    for (size_t threads = 2; threads <= 5; threads += 3) {
        vecna_doc2vec_options options = small(1);
        vecna_doc2vec *one, *other;
        float *a, *b;
        options.threads = threads;
        one = trained(options, NULL);
        other = trained(options, pool);
        a = vectors_of(one);
        b = vectors_of(other);
        assert_memory_equal(a, b, (DOCS + 1) * DIM * sizeof *a);
        if (same_topic(a) < 0.9)
            print_error("%zu threads: %.2f\n", threads, same_topic(a));
        assert_true(same_topic(a) >= 0.9);
        assert_int_equal(vecna_doc2vec_report(one).words, DOCS * LENGTH * options.epochs);
        free(a);
        free(b);
        vecna_doc2vec_free(one);
        vecna_doc2vec_free(other);
    }
    vecna_pool_free(pool);
}

static int pause_later(void *user, const vecna_train_report *now) {
    (void)now;
    return --*(int *)user == 0;
}

static void a_state_goes_on(void **state) {
    char path[] = "/tmp/vecna_state_XXXXXX";
    int descriptor = mkstemp(path), rounds = 40;
    vecna_doc2vec_options options = small(0);
    vecna_doc2vec *whole, *part = NULL;
    float *a, *b;
    vecna_error err;
    (void)state;
    close(descriptor);
    whole = trained(options, NULL);
    assert_status(VECNA_OK, vecna_doc2vec_new(&options, &corpus, &part, &err));
    assert_status(VECNA_OK, vecna_doc2vec_train(part, NULL, pause_later, &rounds, &err));
    assert_status(VECNA_OK, vecna_doc2vec_save(part, path, &err));
    vecna_doc2vec_free(part);
    assert_status(VECNA_OK, vecna_doc2vec_new(&options, &corpus, &part, &err));
    assert_status(VECNA_OK, vecna_doc2vec_load(part, path, &err));
    assert_true(vecna_doc2vec_report(part).epoch > 0);
    assert_status(VECNA_OK, vecna_doc2vec_train(part, NULL, NULL, NULL, &err));
    a = vectors_of(whole);
    b = vectors_of(part);
    assert_memory_equal(a, b, (DOCS + 1) * DIM * sizeof *a);
    free(a);
    free(b);
    vecna_doc2vec_free(part);
    options.rate = 0.2;
    assert_status(VECNA_OK, vecna_doc2vec_new(&options, &corpus, &part, &err));
    assert_status(VECNA_ERR_ARGUMENT, vecna_doc2vec_load(part, path, &err));
    assert_non_null(strstr(err.message, "rate=0.1"));
    vecna_doc2vec_free(part);
    vecna_doc2vec_free(whole);
    unlink(path);
}

static void files_that_are_no_models(void **state) {
    char path[] = "/tmp/vecna_reader_XXXXXX";
    int descriptor = mkstemp(path);
    vecna_doc2vec *model = trained(small(0), NULL);
    vecna_doc2vec_reader *reader = NULL;
    vecna_error err;
    (void)state;
    close(descriptor);
    assert_status(VECNA_ERR_FORMAT, vecna_doc2vec_open(path, NULL, &reader, &err));
    assert_status(VECNA_OK, vecna_doc2vec_save(model, path, &err)); /* a state is no reader */
    assert_status(VECNA_ERR_FORMAT, vecna_doc2vec_open(path, NULL, &reader, &err));
    assert_status(VECNA_OK, vecna_doc2vec_keep(model, path, &err));
    assert_int_equal(0, truncate(path, 2000));
    assert_status(VECNA_ERR_TRUNCATED, vecna_doc2vec_open(path, NULL, &reader, &err));
    unlink(path);
    assert_status(VECNA_ERR_IO, vecna_doc2vec_open(path, NULL, &reader, &err));
    assert_null(reader);
    vecna_doc2vec_free(model);
}

static void what_makes_no_sense_is_refused(void **state) {
    vecna_doc2vec_options options = small(2);
    vecna_doc2vec *model = NULL;
    vecna_error err;
    size_t bytes;
    (void)state;
    options.window = 101;
    assert_status(VECNA_ERR_ARGUMENT, vecna_doc2vec_new(&options, &corpus, &model, &err));
    options = small(2);
    options.dim = 60000;
    options.window = 50;
    assert_status(VECNA_ERR_ARGUMENT, vecna_doc2vec_new(&options, &corpus, &model, &err));
    options = small(0);
    options.rate = 11;
    assert_status(VECNA_ERR_ARGUMENT, vecna_doc2vec_new(&options, &corpus, &model, &err));
    options = small(0);
    assert_status(VECNA_OK, vecna_doc2vec_bytes(&options, 1000, 1000, &bytes, &err));
    assert_status(VECNA_ERR_OVERFLOW,
                  vecna_doc2vec_bytes(&options, SIZE_MAX / 2, 1000, &bytes, &err));
}

static vecna_status body(void *user, const vecna_allocator *allocator, vecna_error *err) {
    vecna_doc2vec_options options = small(2);
    vecna_doc2vec *model = NULL;
    vecna_doc2vec_reader *reader = NULL;
    const int32_t ids[2] = {0, 1};
    float out[DIM];
    vecna_status status;
    options.allocator = allocator;
    options.threads = 2;
    status = vecna_doc2vec_new(&options, &corpus, &model, err);
    if (status == VECNA_OK)
        status = vecna_doc2vec_keep(model, user, err);
    if (status == VECNA_OK)
        status = vecna_doc2vec_open(user, allocator, &reader, err);
    if (status == VECNA_OK)
        status = vecna_doc2vec_infer(reader, ids, 2, 1, out, err);
    vecna_doc2vec_close(reader);
    vecna_doc2vec_free(model);
    return status;
}

static void memory_may_fail(void **state) {
    char path[] = "/tmp/vecna_reader_XXXXXX";
    int descriptor = mkstemp(path);
    (void)state;
    close(descriptor);
    assert_survives_failing_memory(body, path);
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_method_learns_and_reads),
        cmocka_unit_test(threads_change_nothing_but_by_their_number),
        cmocka_unit_test(a_state_goes_on),
        cmocka_unit_test(files_that_are_no_models),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(memory_may_fail),
    };
    return cmocka_run_group_tests(tests, make_corpus, free_corpus);
}
