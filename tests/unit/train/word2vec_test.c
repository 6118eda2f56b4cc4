/* Training on a made language whose words are known to be alike: every architecture must find that,
 * train every word of every epoch, give the same bits again, and go on from a state as if it had never
 * stopped. */
#include "tests/unit/support/support.h"

#include "base/base_impl.h"
#include "train/train_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    TOPICS = 8,
    WORDS_A_TOPIC = 12,
    WORDS = TOPICS * WORDS_A_TOPIC,
    SENTENCES = 2500,
    LENGTH = 12
};

static vecna_corpus corpus;
static vecna_supply supply;

/* Sentences of one topic each. */
static int make_corpus(void **state) {
    static char path[] = "/tmp/vecna_word2vec_XXXXXX";
    int descriptor = mkstemp(path);
    FILE *file = descriptor < 0 ? NULL : fdopen(descriptor, "w");
    vecna_corpus_options options;
    uint64_t random = 7;
    vecna_error err;
    (void)state;
    if (file == NULL)
        return 1;
    for (int i = 0; i < SENTENCES; i++) {
        int topic = (int)(vni_draw(&random) % TOPICS);
        for (int at = 0; at < LENGTH; at++)
            fprintf(file, "t%dw%d ", topic, (int)(vni_draw(&random) % WORDS_A_TOPIC));
        fputc('\n', file);
    }
    fclose(file);
    memset(&options, 0, sizeof options);
    if (vecna_corpus_read(path, &options, &corpus, &err) != VECNA_OK)
        return 1;
    unlink(path);
    supply = vecna_supply_of(&corpus);
    return 0;
}

static int free_corpus(void **state) {
    (void)state;
    vecna_corpus_free(&corpus);
    return 0;
}

static vecna_word2vec_options small(void) {
    vecna_word2vec_options options;
    memset(&options, 0, sizeof options);
    options.dim = 20;
    options.epochs = 3;
    options.seed = 3;
    options.sample = -1;
    return options;
}

static vecna_word2vec *trained(vecna_word2vec_options options, vecna_pool *pool) {
    vecna_word2vec *model = NULL;
    vecna_error err;
    vecna_status status = vecna_word2vec_new(&options, &supply, corpus.vocab, &model, &err);
    if (status == VECNA_OK)
        status = vecna_word2vec_train(model, pool, NULL, NULL, &err);
    if (status != VECNA_OK)
        print_error("%s\n", err.message);
    assert_status(VECNA_OK, status);
    return model;
}

static float *vectors_of(const vecna_word2vec *model, size_t dim) {
    float *out = calloc(WORDS * dim, sizeof *out);
    vecna_error err;
    assert_status(VECNA_OK,
                  vecna_word2vec_vectors(model, 0, vecna_matrix_dense(out, WORDS, dim), &err));
    return out;
}

/* Share of words whose nearest neighbour by cosine is of their topic: about 1/8 by chance. */
static double same_topic(const float *vectors, size_t dim) {
    size_t right = 0;
    for (int32_t a = 0; a < WORDS; a++) {
        double best = -2;
        int32_t nearest = 0;
        for (int32_t b = 0; b < WORDS; b++) {
            double dot = 0, norm = 0;
            for (size_t d = 0; d < dim; d++) {
                dot += (double)vectors[a * (int32_t)dim + (int32_t)d] *
                       (double)vectors[b * (int32_t)dim + (int32_t)d];
                norm += (double)vectors[b * (int32_t)dim + (int32_t)d] *
                        (double)vectors[b * (int32_t)dim + (int32_t)d];
            }
            if (b != a && dot / sqrt(norm) > best) {
                best = dot / sqrt(norm);
                nearest = b;
            }
        }
        right += vecna_vocab_word(corpus.vocab, a, NULL)[1] ==
                 vecna_vocab_word(corpus.vocab, nearest, NULL)[1];
    }
    return (double)right / WORDS;
}

static void assert_learns(vecna_word2vec_options options) {
    vecna_word2vec *model = trained(options, NULL);
    float *vectors = vectors_of(model, options.dim);
    double share = same_topic(vectors, options.dim);
    vecna_train_report report = vecna_word2vec_report(model);
    if (share < 0.95)
        print_error("only %.2f of the words found their topic\n", share);
    assert_true(share >= 0.95);
    assert_int_equal(report.words, corpus.tokens * options.epochs);
    assert_int_equal(report.words, report.words_total);
    assert_true(report.loss > 0 && report.loss < (options.hierarchical ? 7 : 6) * 0.6931);
    free(vectors);
    vecna_word2vec_free(model);
}

static void every_way_learns(void **state) {
    (void)state;
    for (int arch = 0; arch < 2; arch++)
        for (int hierarchical = 0; hierarchical < 2; hierarchical++)
            for (int subwords = 0; subwords < 2; subwords++) {
                vecna_word2vec_options options = small();
                options.arch = (vecna_word2vec_arch)arch;
                options.hierarchical = hierarchical;
                options.max_n = subwords ? 4 : 0;
                options.buckets = 500;
                options.rate = arch ? 0.1 : 0.05;
                assert_learns(options);
            }
}

static void the_true_gradient_of_cbow_learns(void **state) {
    vecna_word2vec_options options = small();
    (void)state;
    options.arch = VECNA_CBOW;
    options.cbow_gradient = VECNA_CBOW_MEAN;
    options.rate = 0.3;
    options.epochs = 6;
    assert_learns(options);
}

/* Every word of every epoch, for any number of threads; the same bits whatever the pool is. */
static void threads_change_nothing_but_by_their_number(void **state) {
    (void)state;
    for (size_t threads = 1; threads <= 8; threads = threads < 4 ? threads + 1 : threads * 2) {
        vecna_word2vec_options options = small();
        vecna_word2vec *one, *other;
        float *a, *b;
        vecna_pool *pool = NULL;
        vecna_error err;
        options.threads = threads;
        options.sample = 0;
        assert_status(VECNA_OK, vecna_pool_new(3, NULL, &pool, &err));
        one = trained(options, NULL);
        other = trained(options, pool);
        assert_int_equal(vecna_word2vec_report(one).words, corpus.tokens * options.epochs);
        a = vectors_of(one, options.dim);
        b = vectors_of(other, options.dim);
        assert_memory_equal(a, b, WORDS * options.dim * sizeof *a);
        assert_true(same_topic(a, options.dim) >= 0.95);
        free(a);
        free(b);
        vecna_word2vec_free(one);
        vecna_word2vec_free(other);
        vecna_pool_free(pool);
    }
}

static int pause_once(void *user, const vecna_train_report *now) {
    (void)now;
    return --*(int *)user == 0;
}

static void a_state_goes_on(void **state) {
    char path[] = "/tmp/vecna_state_XXXXXX";
    int descriptor = mkstemp(path);
    (void)state;
    close(descriptor);
    for (size_t threads = 1; threads <= 2; threads++) {
        vecna_word2vec_options options = small();
        vecna_word2vec *whole, *first = NULL, *second = NULL;
        float *a, *b;
        int rounds = 2;
        vecna_error err;
        options.threads = threads;
        whole = trained(options, NULL);
        assert_status(VECNA_OK, vecna_word2vec_new(&options, &supply, NULL, &first, &err));
        assert_status(VECNA_OK, vecna_word2vec_train(first, NULL, pause_once, &rounds, &err));
        assert_true(vecna_word2vec_report(first).words < corpus.tokens * options.epochs);
        assert_status(VECNA_OK, vecna_word2vec_save(first, path, &err));
        vecna_word2vec_free(first);
        assert_status(VECNA_OK, vecna_word2vec_new(&options, &supply, NULL, &second, &err));
        assert_status(VECNA_OK, vecna_word2vec_load(second, path, &err));
        assert_status(VECNA_OK, vecna_word2vec_train(second, NULL, NULL, NULL, &err));
        a = vectors_of(whole, options.dim);
        b = vectors_of(second, options.dim);
        assert_memory_equal(a, b, WORDS * options.dim * sizeof *a);
        free(a);
        free(b);
        vecna_word2vec_free(second);
        vecna_word2vec_free(whole);
        options.seed++; /* another training's state is refused, saying why */
        assert_status(VECNA_OK, vecna_word2vec_new(&options, &supply, NULL, &second, &err));
        assert_status(VECNA_ERR_ARGUMENT, vecna_word2vec_load(second, path, &err));
        assert_non_null(strstr(err.message, "seed=3"));
        vecna_word2vec_free(second);
    }
    unlink(path);
}

static void a_damaged_state_is_refused(void **state) {
    char path[] = "/tmp/vecna_state_XXXXXX";
    int descriptor = mkstemp(path);
    vecna_word2vec_options options = small();
    vecna_word2vec *model = NULL;
    vecna_error err;
    (void)state;
    close(descriptor);
    assert_status(VECNA_OK, vecna_word2vec_new(&options, &supply, NULL, &model, &err));
    assert_status(VECNA_ERR_FORMAT, vecna_word2vec_load(model, path, &err));
    assert_status(VECNA_OK, vecna_word2vec_save(model, path, &err));
    assert_int_equal(0, truncate(path, 5000));
    assert_status(VECNA_ERR_TRUNCATED, vecna_word2vec_load(model, path, &err));
    assert_int_equal(0, truncate(path, 300));
    assert_true(vecna_word2vec_load(model, path, &err) != VECNA_OK);
    unlink(path);
    assert_status(VECNA_ERR_IO, vecna_word2vec_load(model, path, &err));
    vecna_word2vec_free(model);
}

/* A state says the rate that was taken: a model that was given it goes on, one with another does not. */
static void each_way_has_a_rate_of_its_own(void **state) {
    static const struct {
        vecna_word2vec_arch arch;
        vecna_cbow_gradient gradient;
        int hierarchical;
        double rate;
    } ways[] = {
        {VECNA_SKIPGRAM, VECNA_CBOW_WHOLE, 0, 0.05}, {VECNA_SKIPGRAM, VECNA_CBOW_WHOLE, 1, 0.05},
        {VECNA_CBOW, VECNA_CBOW_WHOLE, 0, 0.075},    {VECNA_CBOW, VECNA_CBOW_WHOLE, 1, 0.05},
        {VECNA_CBOW, VECNA_CBOW_MEAN, 0, 0.15},      {VECNA_CBOW, VECNA_CBOW_MEAN, 1, 0.15},
    };
    char path[] = "/tmp/vecna_word2vec_XXXXXX";
    (void)state;
    close(mkstemp(path));
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
        vecna_word2vec_options options = small();
        vecna_word2vec *usual, *same, *other;
        vecna_error err;
        options.arch = ways[w].arch;
        options.cbow_gradient = ways[w].gradient;
        options.hierarchical = ways[w].hierarchical;
        assert_status(VECNA_OK, vecna_word2vec_new(&options, &supply, NULL, &usual, &err));
        options.rate = ways[w].rate;
        assert_status(VECNA_OK, vecna_word2vec_new(&options, &supply, NULL, &same, &err));
        options.rate = 0.06;
        assert_status(VECNA_OK, vecna_word2vec_new(&options, &supply, NULL, &other, &err));
        assert_status(VECNA_OK, vecna_word2vec_save(usual, path, &err));
        assert_status(VECNA_OK, vecna_word2vec_load(same, path, &err));
        assert_status(VECNA_ERR_ARGUMENT, vecna_word2vec_load(other, path, &err));
        assert_non_null(strstr(err.message, "rate="));
        vecna_word2vec_free(usual);
        vecna_word2vec_free(same);
        vecna_word2vec_free(other);
    }
    unlink(path);
}

static void earlier_vectors_start_rows(void **state) {
    vecna_word2vec_options options = small();
    vecna_word2vec *model = NULL;
    int64_t rows[WORDS];
    float *earlier = calloc(3 * 20, sizeof *earlier), *now;
    vecna_error err;
    (void)state;
    for (int i = 0; i < WORDS; i++)
        rows[i] = i == 5 ? 2 : -1;
    earlier[2 * 20 + 19] = 0.25f;
    assert_status(VECNA_OK, vecna_word2vec_new(&options, &supply, NULL, &model, &err));
    assert_status(VECNA_OK,
                  vecna_word2vec_start(model, vecna_view_dense(earlier, 3, 20), rows, &err));
    now = vectors_of(model, 20);
    assert_true(now[5 * 20 + 19] == 0.25f && now[5 * 20] == 0);
    assert_true(now[4 * 20] != 0);
    earlier[7] = NAN;
    assert_status(VECNA_ERR_VALUE,
                  vecna_word2vec_start(model, vecna_view_dense(earlier, 3, 20), rows, &err));
    assert_status(VECNA_ERR_DIM,
                  vecna_word2vec_start(model, vecna_view_dense(earlier, 3, 10), rows, &err));
    free(now);
    free(earlier);
    vecna_word2vec_free(model);
}

/* "a b c a b c ..." as one piece; user is its length. */
static size_t piece_of_abc(const void *user, size_t epoch, size_t at, size_t end, int32_t *out,
                           size_t room, size_t *count) {
    size_t length = *(const size_t *)user;
    (void)epoch, (void)at, (void)end;
    assert_true(length <= room);
    for (size_t i = 0; i < length; i++)
        out[i] = (int32_t)(i % 3);
    *count = length;
    return 1;
}

enum { ABC_DIM = 7 };

/* The same in float64, with Huffman's tree over the three words: a | (b | c), or a | b. A window of as
 * many words as a mean one has takes the rate as it is, others its root, at most twice the rate. */
static void train_abc(double x[3][ABC_DIM], size_t length, size_t window, double rate) {
    double nodes[2][ABC_DIM] = {{0}};
    for (size_t middle = 0; middle < length; middle++) {
        size_t first = middle > 0 ? middle - 1 : 0,
               last = middle + 1 < length ? middle + 1 : middle;
        double around = (double)(last - first), now[3][ABC_DIM],
               share = sqrt((double)(window + 1) / around);
        size_t word = middle % 3, nodes_used = word == 0 || length < 3 ? 1 : 2;
        memcpy(now, x, sizeof now);
        for (size_t node = 0; node < nodes_used; node++) {
            double before[ABC_DIM], label = node == 0 ? word == 0 : word == 1;
            memcpy(before, nodes[node], sizeof before);
            for (size_t at = first; at <= last; at++) {
                double product = 0, gain;
                if (at == middle)
                    continue;
                for (size_t d = 0; d < ABC_DIM; d++)
                    product += now[at % 3][d] * before[d];
                gain = (label - 1 / (1 + exp(-product))) * rate * (share < 2 ? share : 2);
                for (size_t d = 0; d < ABC_DIM; d++) {
                    x[at % 3][d] += gain * before[d];
                    nodes[node][d] += gain * now[at % 3][d];
                }
            }
        }
    }
}

/* With kernels of floats, then with all there are. */
static void small_windows_take_larger_steps(void **state) {
    static const size_t lengths[] = {11, 2}, windows[] = {1, 20};
    (void)state;
    for (int run = 0; run < 4; run++) {
        const int t = run % 2, floats = run < 2;
        const uint64_t counts[3] = {t ? 1 : 4, t ? 1 : 4, 3};
        const size_t words = t ? 2 : 3;
        vecna_supply abc = {piece_of_abc, &lengths[t], 1, lengths[t], words, counts, 0};
        vecna_word2vec_options options = small();
        double wanted[3][ABC_DIM];
        float got[3][ABC_DIM];
        vecna_word2vec *model;
        vecna_error err;
        vni_train_allow(floats ? ~(unsigned)VNI_CPU_AVX512BF16 : ~0u);
        options.dim = ABC_DIM;
        options.epochs = 1;
        options.window = windows[t];
        options.hierarchical = 1;
        options.rate = 0.8; /* so that outputs, which start at zero, do something */
        assert_status(VECNA_OK, vecna_word2vec_new(&options, &abc, NULL, &model, &err));
        assert_status(VECNA_OK, vecna_word2vec_vectors(
                                    model, 0, vecna_matrix_dense(got[0], words, ABC_DIM), &err));
        for (size_t i = 0; i < words; i++)
            for (size_t d = 0; d < ABC_DIM; d++)
                wanted[i][d] = (double)got[i][d];
        train_abc(wanted, lengths[t], windows[t], options.rate);
        assert_status(VECNA_OK, vecna_word2vec_train(model, NULL, NULL, NULL, &err));
        assert_status(VECNA_OK, vecna_word2vec_vectors(
                                    model, 0, vecna_matrix_dense(got[0], words, ABC_DIM), &err));
        for (size_t i = 0; i < words; i++)
            for (size_t d = 0; d < ABC_DIM; d++) /* values up to 0.1, a few dozen roundings */
                assert_true(fabs((double)got[i][d] - wanted[i][d]) < (floats ? 1e-7 : 5e-4));
        vecna_word2vec_free(model);
    }
}

static void words_out_of_ngrams(void **state) {
    vecna_word2vec_options options = small();
    vecna_word2vec *model;
    float out[20];
    (void)state;
    options.max_n = 3;
    options.buckets = 300;
    model = trained(options, NULL);
    assert_int_equal(1, vecna_word2vec_compose(model, "t1w99", 5, out));
    assert_true(out[0] != 0);
    vecna_word2vec_free(model);
    options = small();
    model = trained(options, NULL);
    assert_int_equal(0, vecna_word2vec_compose(model, "t1w99", 5, out));
    assert_true(out[0] == 0);
    vecna_word2vec_free(model);
}

static void what_makes_no_sense_is_refused(void **state) {
    vecna_word2vec_options options;
    vecna_word2vec *model = NULL;
    vecna_error err;
    size_t bytes;
    (void)state;
    options = small();
    options.dim = 70000;
    assert_status(VECNA_ERR_ARGUMENT, vecna_word2vec_new(&options, &supply, NULL, &model, &err));
    options = small();
    options.window = 1001;
    assert_status(VECNA_ERR_ARGUMENT, vecna_word2vec_new(&options, &supply, NULL, &model, &err));
    options = small();
    options.negative = 1001;
    assert_status(VECNA_ERR_ARGUMENT, vecna_word2vec_new(&options, &supply, NULL, &model, &err));
    options = small();
    options.threads = 1025;
    assert_status(VECNA_ERR_ARGUMENT, vecna_word2vec_new(&options, &supply, NULL, &model, &err));
    options = small();
    options.rate = -1;
    assert_status(VECNA_ERR_ARGUMENT, vecna_word2vec_new(&options, &supply, NULL, &model, &err));
    options = small();
    options.rate = NAN;
    assert_status(VECNA_ERR_ARGUMENT, vecna_word2vec_new(&options, &supply, NULL, &model, &err));
    options = small();
    options.min_n = 5;
    options.max_n = 4;
    assert_status(VECNA_ERR_ARGUMENT, vecna_word2vec_new(&options, &supply, NULL, &model, &err));
    options = small();
    assert_status(VECNA_OK, vecna_word2vec_bytes(&options, 1000000, &bytes, &err));
    assert_true(bytes > 2u * 1000000 * 32 * 4);
    options.dim = 65536;
    assert_status(VECNA_ERR_OVERFLOW, vecna_word2vec_bytes(&options, SIZE_MAX / 2, &bytes, &err));
    assert_null(model);
}

static vecna_status training_body(void *user, const vecna_allocator *allocator, vecna_error *err) {
    vecna_word2vec_options options = *(vecna_word2vec_options *)user;
    vecna_word2vec *model = NULL;
    vecna_status status;
    options.allocator = allocator;
    status = vecna_word2vec_new(&options, &supply, corpus.vocab, &model, err);
    vecna_word2vec_free(model);
    return status;
}

static void memory_may_fail(void **state) {
    vecna_word2vec_options options = small();
    (void)state;
    options.threads = 2;
    assert_survives_failing_memory(training_body, &options);
    options.hierarchical = 1;
    options.max_n = 3;
    options.buckets = 100;
    assert_survives_failing_memory(training_body, &options);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_learns),
        cmocka_unit_test(the_true_gradient_of_cbow_learns),
        cmocka_unit_test(threads_change_nothing_but_by_their_number),
        cmocka_unit_test(a_state_goes_on),
        cmocka_unit_test(a_damaged_state_is_refused),
        cmocka_unit_test(each_way_has_a_rate_of_its_own),
        cmocka_unit_test(earlier_vectors_start_rows),
        cmocka_unit_test(small_windows_take_larger_steps),
        cmocka_unit_test(words_out_of_ngrams),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(memory_may_fail),
    };
    return cmocka_run_group_tests(tests, make_corpus, free_corpus);
}
