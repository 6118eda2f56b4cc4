/* Counting by hand, in memory and by files; the kernel against float64; training that finds topics, does
 * the same whatever the pool is, and goes on from a state. */
#include "tests/unit/support/support.h"

#include "base/base_impl.h"
#include "train/cooccur_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { TOPICS = 6, WORDS_A_TOPIC = 10, WORDS = TOPICS * WORDS_A_TOPIC, DIM = 12 };

static vecna_corpus corpus_of(const char *text) {
    char path[] = "/tmp/vecna_glove_XXXXXX";
    int descriptor = mkstemp(path);
    FILE *file = fdopen(descriptor, "w");
    vecna_corpus_options options;
    vecna_corpus corpus;
    vecna_error err;
    memset(&options, 0, sizeof options);
    options.min_count = 1;
    fputs(text, file);
    fclose(file);
    assert_status(VECNA_OK, vecna_corpus_read(path, &options, &corpus, &err));
    unlink(path);
    return corpus;
}

static char *language(size_t sentences) {
    char *text = malloc(sentences * 100), *at = text;
    uint64_t random = 3;
    for (size_t i = 0; i < sentences; i++) {
        int topic = (int)(vni_draw(&random) % TOPICS);
        for (int word = 0; word < 10; word++) { /* one word in five is of any topic */
            int other = vni_draw(&random) % 5 == 0;
            at += sprintf(at, "t%dw%d ", other ? (int)(vni_draw(&random) % TOPICS) : topic,
                          (int)(vni_draw(&random) % WORDS_A_TOPIC));
        }
        *at++ = '\n';
    }
    *at = '\0';
    return text;
}

/* ---- counting -------------------------------------------------------------------------------- */

typedef struct matrix {
    double cells[WORDS][WORDS];
    size_t visits;
} matrix;

static void put(void *user, int32_t word, int32_t context, double count) {
    matrix *all = user;
    all->cells[word][context] += count;
    all->visits++;
}

static matrix *counted(const vecna_corpus *corpus, vni_cooccur_rule rule, size_t *spills) {
    matrix *all = calloc(1, sizeof *all);
    vni_cooccur *counts = NULL;
    vecna_error err;
    assert_status(VECNA_OK, vni_cooccur_new(&rule, corpus, NULL, NULL, &counts, &err));
    *spills = vni_cooccur_spills(counts);
    for (int turn = 0; turn < 2; turn++) { /* what was counted can be read again */
        memset(all, 0, sizeof *all);
        assert_status(VECNA_OK, vni_cooccur_visit(counts, put, all, &err));
    }
    vni_cooccur_free(counts);
    return all;
}

static void counts_by_hand(void **state) {
    vecna_corpus corpus = corpus_of("a b a c\nb b\n"); /* numbers: b 0, a 1, c 2 */
    vni_cooccur_rule rule = {2, 1 << 20, 0, 0, NULL, NULL};
    size_t spills;
    matrix *all = counted(&corpus, rule, &spills);
    (void)state;
    assert_int_equal(0, vecna_vocab_find(corpus.vocab, "b", 1));
    assert_true(all->cells[0][1] == 2 && all->cells[1][0] == 2);
    assert_true(all->cells[1][1] == 1); /* a . a at distance 2, from both sides */
    assert_true(all->cells[0][0] == 2);
    assert_true(all->cells[1][2] == 1 && all->cells[2][0] == 0.5);
    assert_int_equal(8, all->visits);
    free(all);
    rule.asymmetric = rule.flat = 1;
    all = counted(&corpus, rule, &spills);
    assert_true(all->cells[0][1] == 1 && all->cells[1][0] == 1 && all->cells[1][1] == 1);
    assert_true(all->cells[2][1] == 1 && all->cells[2][0] == 1 && all->cells[1][2] == 0);
    free(all);
    vecna_corpus_free(&corpus);
}

static void files_count_the_same(void **state) {
    char *text = language(400);
    vecna_corpus corpus = corpus_of(text);
    vni_cooccur_rule rule = {5, 1 << 22, 0, 0, "/tmp/vecna_glove_test", NULL};
    size_t none, some;
    matrix *whole = counted(&corpus, rule, &none), *merged;
    (void)state;
    rule.memory_bytes = 4096; /* a table of 256 cells for 1800 pairs */
    merged = counted(&corpus, rule, &some);
    assert_int_equal(0, none);
    assert_true(some > 10);
    assert_int_equal(whole->visits, merged->visits);
    for (size_t i = 0; i < WORDS; i++)
        for (size_t j = 0; j < WORDS; j++)
            assert_true(fabs(whole->cells[i][j] - merged->cells[i][j]) < 1e-9);
    free(merged);
    /* 1024 cells become 4096: beside each other where both fit, by way of a file where they do not */
    rule.memory_bytes = 4096 * 16;
    merged = counted(&corpus, rule, &some);
    assert_true(some > 0);
    for (size_t i = 0; i < WORDS; i++)
        for (size_t j = 0; j < WORDS; j++)
            assert_true(fabs(whole->cells[i][j] - merged->cells[i][j]) < 1e-9);
    free(merged);
    rule.memory_bytes = 6144 * 16;
    merged = counted(&corpus, rule, &none);
    assert_int_equal(0, none);
    free(whole);
    free(merged);
    free(text);
    vecna_corpus_free(&corpus);
}

static void without_disk_it_says_so(void **state) {
    char *text = language(300);
    vecna_corpus corpus = corpus_of(text);
    vni_cooccur_rule rule = {5, 4096, 0, 0, NULL, NULL};
    vni_cooccur *counts = NULL;
    vecna_error err;
    (void)state;
    assert_status(VECNA_ERR_MEMORY, vni_cooccur_new(&rule, &corpus, NULL, NULL, &counts, &err));
    rule.scratch = "/tmp/vecna_no_such_folder/x";
    assert_status(VECNA_ERR_IO, vni_cooccur_new(&rule, &corpus, NULL, NULL, &counts, &err));
    assert_null(counts);
    free(text);
    vecna_corpus_free(&corpus);
}

/* ---- the kernel ------------------------------------------------------------------------------ */

/* One AdaGrad step of a row in float64, where the roots of kernels are 1 / sqrt of sums of squares. */
static void wanted_step(double *row, const double *other, size_t dim, size_t width, double push) {
    for (size_t d = 0; d <= dim; d++) {
        double g = d == dim ? push : push * other[d];
        double *root = &row[width + d], sum = 1 / (*root * *root);
        if (d < dim)
            g = 0.05 * (g > 100 ? 100 : g < -100 ? -100 : g);
        row[d] -= g / sqrt(sum);
        *root = 1 / sqrt(sum + g * g);
    }
}

static void steps_against_float64(void **state) {
    static const vni_train_kernels *const tables[] = {
        &vni_train_portable,
#if defined(__x86_64__)
        &vni_train_avx2,
        &vni_train_avx512,
#endif
    };
    /* the last two force values further than kernels go their own way, and beyond the clip */
    const vni_pair pairs[5] = {
        {0, 1, 1.5f, 1}, {1, 1, -0.5f, 0.3f}, {0, 1, 3, 0.7f}, {1, 0, 30, 1}, {0, 0, -500, 1}};
    enum { WIDTH = 32, D = 20, COUNT = 5 };
    static float values[2][2][2 * WIDTH] __attribute__((aligned(64)));
    (void)state;
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++) {
        static double wanted[2][2][2 * WIDTH];
        vni_pairs work = {pairs, COUNT, values[0][0], values[1][0], D, WIDTH, 0.05f};
        double cost = 0, got, before[2 * WIDTH];
        uint64_t draw = 9;
        if ((tables[t]->needs & vni_cpu_features()) != tables[t]->needs)
            continue;
        for (size_t side = 0; side < 2; side++)
            for (size_t row = 0; row < 2; row++)
                for (size_t d = 0; d < 2 * WIDTH; d++) {
                    float x = (float)(vni_draw(&draw) >> 40) * 0x1p-24f - 0.5f;
                    values[side][row][d] = d >= WIDTH ? 1 : d > D ? 0 : x;
                    wanted[side][row][d] = (double)values[side][row][d];
                }
        for (size_t i = 0; i < COUNT; i++) {
            double *w = wanted[0][pairs[i].word], *c = wanted[1][pairs[i].context];
            double diff = w[D] + c[D] - (double)pairs[i].log_count, push;
            for (size_t d = 0; d < D; d++)
                diff += w[d] * c[d];
            push = (double)pairs[i].weight * diff;
            cost += 0.5 * push * diff;
            memcpy(before, w, sizeof before);
            wanted_step(w, c, D, WIDTH, push);
            wanted_step(c, before, D, WIDTH, push);
        }
        got = tables[t]->glove(&work);
        assert_true(fabs(got / cost - 1) < 1e-6);
        for (size_t side = 0; side < 2; side++)
            for (size_t row = 0; row < 2; row++)
                for (size_t d = 0; d < 2 * WIDTH; d++) { /* roundings of values up to 500 */
                    double x = wanted[side][row][d];
                    assert_true(fabs((double)values[side][row][d] - x) < 3e-6 * fmax(1, fabs(x)));
                }
    }
}

/* ---- training -------------------------------------------------------------------------------- */

static vecna_corpus topics;

static int make_topics(void **state) {
    char *text = language(2000);
    (void)state;
    topics = corpus_of(text);
    free(text);
    return 0;
}

static int free_topics(void **state) {
    (void)state;
    vecna_corpus_free(&topics);
    return 0;
}

static vecna_glove_options small(void) {
    vecna_glove_options options;
    memset(&options, 0, sizeof options);
    options.dim = DIM;
    options.epochs = 15;
    options.seed = 4;
    return options;
}

static vecna_glove *trained(vecna_glove_options options, vecna_pool *pool) {
    vecna_glove *model = NULL;
    vecna_error err;
    vecna_status status = vecna_glove_new(&options, &topics, NULL, NULL, &model, &err);
    if (status == VECNA_OK)
        status = vecna_glove_train(model, pool, NULL, NULL, &err);
    if (status != VECNA_OK)
        print_error("%s\n", err.message);
    assert_status(VECNA_OK, status);
    return model;
}

static float *vectors_of(const vecna_glove *model, vecna_glove_output output) {
    size_t dim = vecna_glove_dim(model, output);
    float *out = calloc(WORDS * dim, sizeof *out);
    vecna_error err;
    assert_status(VECNA_OK,
                  vecna_glove_vectors(model, output, 0, vecna_matrix_dense(out, WORDS, dim), &err));
    return out;
}

static double same_topic(const float *vectors) {
    int right = 0;
    for (int32_t a = 0; a < WORDS; a++) {
        double best = -2;
        int32_t nearest = 0;
        for (int32_t b = 0; b < WORDS; b++) {
            double dot = 0, norm = 0;
            for (int32_t d = 0; d < DIM; d++) {
                dot += (double)vectors[a * DIM + d] * (double)vectors[b * DIM + d];
                norm += (double)vectors[b * DIM + d] * (double)vectors[b * DIM + d];
            }
            if (a != b && dot / sqrt(norm) > best) {
                best = dot / sqrt(norm);
                nearest = b;
            }
        }
        right += vecna_vocab_word(topics.vocab, a, NULL)[1] ==
                 vecna_vocab_word(topics.vocab, nearest, NULL)[1];
    }
    return (double)right / WORDS;
}

static void training_learns_with_any_threads(void **state) {
    vecna_pool *pool = NULL;
    vecna_error err;
    (void)state;
    assert_status(VECNA_OK, vecna_pool_new(3, NULL, &pool, &err));
    for (size_t threads = 1; threads <= 5; threads += 2) {
        vecna_glove_options options = small();
        vecna_glove *one, *other;
        float *a, *b;
        options.threads = threads;
        one = trained(options, NULL);
        other = trained(options, pool);
        a = vectors_of(one, VECNA_GLOVE_SUM);
        b = vectors_of(other, VECNA_GLOVE_SUM);
        assert_memory_equal(a, b, WORDS * DIM * sizeof *a);
        if (same_topic(a) < 0.9)
            print_error("%zu threads: %.2f, cost %.3f\n", threads, same_topic(a),
                        vecna_glove_report(one).loss);
        assert_true(same_topic(a) >= 0.9);
        assert_int_equal(vecna_glove_report(one).words, vecna_glove_pairs(one) * 15);
        assert_true(vecna_glove_report(one).loss < 0.05);
        free(a);
        free(b);
        vecna_glove_free(one);
        vecna_glove_free(other);
    }
    vecna_pool_free(pool);
}

static void outputs_are_parts_of_the_model(void **state) {
    vecna_glove_options options = small();
    vecna_glove *model;
    float *sum, *word, *both, *all;
    (void)state;
    options.epochs = 2;
    model = trained(options, NULL);
    sum = vectors_of(model, VECNA_GLOVE_SUM);
    word = vectors_of(model, VECNA_GLOVE_WORD);
    both = vectors_of(model, VECNA_GLOVE_BOTH);
    all = vectors_of(model, VECNA_GLOVE_ALL);
    for (size_t i = 0; i < WORDS; i++)
        for (size_t d = 0; d < DIM; d++) {
            assert_true(both[i * 2 * DIM + d] == word[i * DIM + d]);
            assert_true(sum[i * DIM + d] == word[i * DIM + d] + both[i * 2 * DIM + DIM + d]);
            assert_true(all[i * 2 * (DIM + 1) + d] == word[i * DIM + d]);
        }
    assert_true(all[DIM] != 0 && all[2 * DIM + 1] != 0);
    free(sum);
    free(word);
    free(both);
    free(all);
    vecna_glove_free(model);
}

static int pause_later(void *user, const vecna_train_report *now) {
    (void)now;
    return --*(int *)user == 0;
}

static void a_state_goes_on(void **state) {
    char path[] = "/tmp/vecna_state_XXXXXX";
    int descriptor = mkstemp(path), rounds = 7;
    vecna_glove_options options = small();
    vecna_glove *whole, *part = NULL;
    float *a, *b;
    vecna_error err;
    (void)state;
    close(descriptor);
    options.threads = 2;
    whole = trained(options, NULL);
    assert_status(VECNA_OK, vecna_glove_new(&options, &topics, NULL, NULL, &part, &err));
    assert_status(VECNA_OK, vecna_glove_train(part, NULL, pause_later, &rounds, &err));
    assert_status(VECNA_OK, vecna_glove_save(part, path, &err));
    vecna_glove_free(part);
    assert_status(VECNA_OK, vecna_glove_new(&options, &topics, NULL, NULL, &part, &err));
    assert_status(VECNA_OK, vecna_glove_load(part, path, &err));
    assert_status(VECNA_OK, vecna_glove_train(part, NULL, NULL, NULL, &err));
    a = vectors_of(whole, VECNA_GLOVE_SUM);
    b = vectors_of(part, VECNA_GLOVE_SUM);
    assert_memory_equal(a, b, WORDS * DIM * sizeof *a);
    assert_true(vecna_glove_report(whole).loss == vecna_glove_report(part).loss);
    free(a);
    free(b);
    vecna_glove_free(part);
    vecna_glove_free(whole);
    unlink(path);
}

static void what_makes_no_sense_is_refused(void **state) {
    vecna_corpus lonely = corpus_of("a\nb\n");
    vecna_glove_options options = small();
    vecna_glove *model = NULL;
    vecna_error err;
    (void)state;
    assert_status(VECNA_ERR_VALUE, vecna_glove_new(&options, &lonely, NULL, NULL, &model, &err));
    options.threads = 65;
    assert_status(VECNA_ERR_ARGUMENT, vecna_glove_new(&options, &topics, NULL, NULL, &model, &err));
    options = small();
    options.x_max = -1;
    assert_status(VECNA_ERR_ARGUMENT, vecna_glove_new(&options, &topics, NULL, NULL, &model, &err));
    options = small();
    options.rate = NAN;
    assert_status(VECNA_ERR_ARGUMENT, vecna_glove_new(&options, &topics, NULL, NULL, &model, &err));
    assert_null(model);
    vecna_corpus_free(&lonely);
}

static vecna_status body(void *user, const vecna_allocator *allocator, vecna_error *err) {
    vecna_glove_options options = small();
    vecna_glove *model = NULL;
    vecna_status status;
    (void)user;
    options.allocator = allocator;
    status = vecna_glove_new(&options, &topics, NULL, NULL, &model, err);
    vecna_glove_free(model);
    return status;
}

static void memory_may_fail(void **state) {
    (void)state;
    assert_survives_failing_memory(body, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_by_hand),
        cmocka_unit_test(files_count_the_same),
        cmocka_unit_test(without_disk_it_says_so),
        cmocka_unit_test(steps_against_float64),
        cmocka_unit_test(training_learns_with_any_threads),
        cmocka_unit_test(outputs_are_parts_of_the_model),
        cmocka_unit_test(a_state_goes_on),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(memory_may_fail),
    };
    return cmocka_run_group_tests(tests, make_topics, free_topics);
}
