/* Two towers against their float64 twin (tests/reference/clip_reference.py, whose gradients are differences
 * of the loss), and a training that goes on after a break as if there were none. */
#include "tests/unit/support/support.h"
#include "train/clip_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the twin ----------------------------------------------------------------------------------- */

enum { PICTURES = 5, HEIGHT = 7, WIDTH = 8, DIM = 5, PIECES = 12, PAIRS = 6, MOST = 4096 };

static const size_t starts[] = {0, 3, 5, 6, 10, 12, 14};
static const int32_t piece[] = {0, 3, 3, 1, 4, 5, 2, 6, 7, 8, 9, 0, 10, 11};
static const uint32_t pairs[] = {0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 4};

/* Numbers of a line of the twin's file; returns how many. */
static size_t numbers_of(const char *name, double *out) {
    FILE *file = fopen("tests/vectors/clip.txt", "r");
    char word[64];
    size_t count = 0;
    assert_non_null(file);
    while (fscanf(file, "%63s", word) == 1 && strcmp(word, name) != 0) {
    }
    while (count < MOST && fscanf(file, "%lf", &out[count]) == 1)
        count++;
    fclose(file);
    assert_true(count > 0);
    return count;
}

static void floats_of(const char *name, float *out) {
    double numbers[MOST];
    const size_t count = numbers_of(name, numbers);
    for (size_t i = 0; i < count; i++)
        out[i] = (float)numbers[i];
}

/* Float32 against float64: 1e-4 of the largest number, and where Adam divides a small slope by its own
 * size, steps that differ in the third digit. */
static void assert_near(const char *name, const float *got, double tolerance) {
    double wanted[MOST], most = 0;
    const size_t count = numbers_of(name, wanted);
    for (size_t i = 0; i < count; i++)
        most = fmax(most, fabs(wanted[i]));
    for (size_t i = 0; i < count; i++)
        if (!(fabs((double)got[i] - wanted[i]) <= tolerance * most))
            fail_msg("%s[%zu]: %g, not %g (largest %g)", name, i, (double)got[i], wanted[i], most);
}

typedef struct small {
    uint8_t pixels[PICTURES * HEIGHT * WIDTH * 3];
    float tower[MOST], table[PIECES * DIM];
    vecna_clip_data data;
    vecna_clip_options options;
} small;

static void make_small(small *s) {
    double numbers[MOST];
    const size_t count = numbers_of("pixels", numbers);
    assert_int_equal(sizeof s->pixels, count);
    for (size_t i = 0; i < count; i++)
        s->pixels[i] = (uint8_t)numbers[i];
    floats_of("tower0", s->tower);
    floats_of("table0", s->table);
    s->data = (vecna_clip_data){.pictures = {s->pixels, PICTURES, HEIGHT, WIDTH, 3},
                                .pieces = PIECES,
                                .texts = 6,
                                .starts = starts,
                                .piece = piece,
                                .pairs = PAIRS,
                                .pair = pairs};
    s->options = (vecna_clip_options){
        .shape = {HEIGHT, WIDTH, 3, 2, {3, 4}, DIM},
        .batch = PAIRS,
        .epochs = 3,
        .rate = 0.01,
        .text_rate = 0.05,
        .decay = 0.2,
        .temperature = 0.3,
        .shift = SIZE_MAX,
        .start = vecna_view_dense(s->table, PIECES, DIM),
        .tower = s->tower,
    };
}

static void gradients_are_the_twins(void **state) {
    static const size_t chunks[] = {0, 1, 4};
    small s;
    (void)state;
    make_small(&s);
    for (size_t c = 0; c < 3; c++) {
        float by_table[PIECES * DIM] = {0};
        double wanted[MOST], loss;
        vecna_clip *model;
        vni_clip_batch batch;
        s.options.chunk = chunks[c];
        assert_status(VECNA_OK, vecna_clip_new(&s.options, &s.data, &model, NULL));
        assert_status(VECNA_OK, vni_clip_batch_new(model, &batch, NULL));
        assert_status(VECNA_OK, vni_clip_look(model, PAIRS, &batch, NULL, &loss, NULL));
        numbers_of("losses", wanted);
        assert_true(fabs(loss - wanted[0]) < 1e-5);
        numbers_of("by_scale", wanted);
        assert_true(fabs(batch.by_scale - wanted[0]) < 1e-5);
        assert_near("by_tower", batch.by_tower, 1e-4);
        for (size_t slot = 0; slot < batch.texts.touched_count; slot++)
            for (size_t i = batch.texts.start[slot]; i < batch.texts.start[slot + 1]; i++)
                for (size_t j = 0; j < DIM; j++)
                    by_table[(size_t)batch.texts.touched[slot] * DIM + j] +=
                        batch.texts.by_sum[(size_t)batch.texts.row[i] * DIM + j];
        assert_near("by_table", by_table, 1e-4);
        vni_clip_batch_free(model, &batch);
        vecna_clip_free(model);
    }
}

static void three_steps_are_the_twins(void **state) {
    small s;
    vecna_clip *model;
    double wanted[MOST];
    (void)state;
    make_small(&s);
    assert_status(VECNA_OK, vecna_clip_new(&s.options, &s.data, &model, NULL));
    assert_status(VECNA_OK, vecna_clip_train(model, NULL, NULL, NULL, NULL));
    const vecna_clip_learned learned = vecna_clip_result(model);
    assert_near("tower", learned.tower, 2e-3);
    assert_near("table", learned.table.data, 2e-3);
    numbers_of("scale", wanted);
    assert_true(fabs(learned.scale - wanted[0]) < 1e-5);
    vecna_clip_free(model);
}

/* ---- a whole training --------------------------------------------------------------------------- */

enum { SIDE = 12, KINDS = 12, EACH = 4 };

typedef struct made {
    uint8_t pixels[KINDS * EACH * SIDE * SIDE];
    size_t starts[KINDS + 1];
    int32_t piece[KINDS * 2];
    uint32_t pair[KINDS * EACH * 2];
    vecna_clip_data data;
    vecna_clip_options options;
} made;

/* Gray pictures with a bar in one of 12 places; what is said of them names the place. */
static void make(made *m) {
    vecna_random random;
    vecna_random_seed(&random, 7, 0);
    for (size_t i = 0; i < KINDS * EACH; i++) {
        const size_t kind = i / EACH;
        for (size_t p = 0; p < SIDE * SIDE; p++) {
            const size_t line = kind < KINDS / 2 ? p / SIDE : p % SIDE;
            const int in = line / 2 == kind % (KINDS / 2);
            m->pixels[i * SIDE * SIDE + p] =
                (uint8_t)((in ? 30 : 200) + vecna_random_below(&random, 40));
        }
        m->pair[2 * i] = (uint32_t)i;
        m->pair[2 * i + 1] = (uint32_t)kind;
    }
    for (size_t t = 0; t < KINDS; t++) {
        m->starts[t] = 2 * t;
        m->piece[2 * t] = (int32_t)t;
        m->piece[2 * t + 1] = KINDS; /* "bar" */
    }
    m->starts[KINDS] = 2 * KINDS;
    m->data = (vecna_clip_data){.pictures = {m->pixels, KINDS * EACH, SIDE, SIDE, 1},
                                .pieces = KINDS + 1,
                                .texts = KINDS,
                                .starts = m->starts,
                                .piece = m->piece,
                                .pairs = KINDS * EACH,
                                .pair = m->pair};
    m->options = (vecna_clip_options){.shape = {SIDE, SIDE, 1, 2, {8, 16}, 16},
                                      .batch = 16,
                                      .epochs = 30,
                                      .rate = 0.01,
                                      .text_rate = 0.05,
                                      .shift = 1,
                                      .mirror = 0,
                                      .seed = 3};
}

static vecna_clip *trained(const made *m, size_t threads) {
    vecna_clip *model;
    vecna_pool *pool;
    assert_status(VECNA_OK, vecna_pool_new(threads, NULL, &pool, NULL));
    assert_status(VECNA_OK, vecna_clip_new(&m->options, &m->data, &model, NULL));
    assert_status(VECNA_OK, vecna_clip_train(model, pool, NULL, NULL, NULL));
    vecna_pool_free(pool);
    return model;
}

static size_t numbers_in(const vecna_image_shape *shape) {
    size_t count;
    assert_status(VECNA_OK, vecna_image_parameters(shape, &count, NULL));
    return count;
}

static void same(const vecna_clip *a, const vecna_clip *b) {
    const vecna_clip_learned x = vecna_clip_result(a), y = vecna_clip_result(b);
    assert_memory_equal(x.tower, y.tower, numbers_in(x.shape) * sizeof(float));
    assert_memory_equal(x.table.data, y.table.data, x.table.rows * x.table.dim * sizeof(float));
    assert_true(x.scale == y.scale);
}

/* Every bar, also one that was drawn anew, has the name of its place nearest. */
static void bars_get_their_names(void **state) {
    made m, other;
    (void)state;
    make(&m);
    make(&other);
    vecna_clip *model = trained(&m, 2), *again = trained(&m, 2);
    const vecna_clip_learned learned = vecna_clip_result(model);
    float seen[KINDS * EACH * 16];
    size_t right = 0;
    same(model, again);
    vecna_random random;
    vecna_random_seed(&random, 99, 1);
    for (size_t i = 0; i < sizeof other.pixels; i++)
        other.pixels[i] = (uint8_t)(other.pixels[i] - vecna_random_below(&random, 30));
    assert_status(VECNA_OK,
                  vecna_image_embed(learned.shape, learned.tower, &other.data.pictures,
                                    vecna_matrix_dense(seen, KINDS * EACH, 16), NULL, NULL, NULL));
    for (size_t i = 0; i < KINDS * EACH; i++) {
        size_t best = 0;
        double most = -INFINITY;
        for (size_t t = 0; t < KINDS; t++) {
            double dot = 0, square = 0;
            for (size_t j = 0; j < 16; j++) {
                const double value = (double)learned.table.data[t * 16 + j] +
                                     (double)learned.table.data[KINDS * 16 + j];
                dot += value * (double)seen[i * 16 + j];
                square += value * value;
            }
            if (dot / sqrt(square) > most) {
                most = dot / sqrt(square);
                best = t;
            }
        }
        right += best == i / EACH;
    }
    assert_true(right >= KINDS * EACH * 9 / 10); /* 1 in 12 by chance */
    const vecna_train_report report = vecna_clip_report(model);
    assert_int_equal(report.words, KINDS * EACH * 30);
    assert_int_equal(report.epoch, 30);
    vecna_clip_free(model);
    vecna_clip_free(again);
}

static int stop_at_500(void *user, const vecna_train_report *now) {
    (void)user;
    return now->words >= 500;
}

static void a_break_changes_nothing(void **state) {
    char path[] = "/tmp/vecna-clip-XXXXXX";
    made m;
    vecna_clip *whole, *first, *second;
    vecna_error err;
    const int file = mkstemp(path);
    (void)state;
    assert_true(file >= 0);
    close(file);
    make(&m);
    m.options.mirror = 1;
    whole = trained(&m, 1);
    assert_status(VECNA_OK, vecna_clip_new(&m.options, &m.data, &first, NULL));
    assert_status(VECNA_OK, vecna_clip_train(first, NULL, stop_at_500, NULL, NULL));
    assert_status(VECNA_OK, vecna_clip_save(first, path, NULL));
    assert_status(VECNA_OK, vecna_clip_new(&m.options, &m.data, &second, NULL));
    assert_status(VECNA_OK, vecna_clip_load(second, path, NULL));
    assert_status(VECNA_OK, vecna_clip_train(second, NULL, NULL, NULL, NULL));
    same(whole, second);
    vecna_clip_free(second);
    m.options.mirror = 0;
    assert_status(VECNA_OK, vecna_clip_new(&m.options, &m.data, &second, NULL));
    assert_status(VECNA_ERR_ARGUMENT, vecna_clip_load(second, path, &err));
    assert_non_null(strstr(err.message, "mirror"));
    vecna_clip_free(whole);
    vecna_clip_free(first);
    vecna_clip_free(second);
    unlink(path);
}

/* A table that is to stay stays; a scale stops where it must. */
static void what_is_held_is_held(void **state) {
    made m;
    float start[(KINDS + 1) * 16];
    (void)state;
    make(&m);
    for (size_t i = 0; i < sizeof start / sizeof *start; i++)
        start[i] = (float)(i * 7 % 11) - 5;
    m.options.text_rate = -1;
    m.options.temperature = 0.0101;
    m.options.rate = 0.02;
    m.options.start = vecna_view_dense(start, KINDS + 1, 16);
    vecna_clip *model = trained(&m, 1);
    const vecna_clip_learned learned = vecna_clip_result(model);
    assert_memory_equal(start, learned.table.data, sizeof start);
    assert_true(learned.scale <= 100.0001);
    vecna_clip_free(model);
}

static vecna_status train_once(void *user, const vecna_allocator *allocator, vecna_error *err) {
    made *m = user;
    vecna_clip *model = NULL;
    vecna_clip_options options = m->options;
    options.allocator = allocator;
    options.epochs = 1;
    vecna_status status = vecna_clip_new(&options, &m->data, &model, err);
    if (status == VECNA_OK)
        status = vecna_clip_train(model, NULL, NULL, NULL, err);
    vecna_clip_free(model);
    return status;
}

static void memory_may_fail(void **state) {
    made m;
    (void)state;
    make(&m);
    assert_survives_failing_memory(train_once, &m);
    assert_true(vecna_clip_bytes(&m.options, &m.data) > sizeof m.pixels);
}

static void mistakes(void **state) {
    made m;
    vecna_clip *model = NULL;
    float start[(KINDS + 1) * 8] = {0};
    vecna_error err;
    (void)state;
    make(&m);
    m.options.temperature = 0.001;
    assert_status(VECNA_ERR_ARGUMENT, vecna_clip_new(&m.options, &m.data, &model, &err));
    m.options.temperature = 0;
    m.options.start = vecna_view_dense(start, KINDS, 8);
    assert_status(VECNA_ERR_DIM, vecna_clip_new(&m.options, &m.data, &model, &err));
    m.options.start = (vecna_view){0};
    m.options.shape.width = 13;
    assert_status(VECNA_ERR_DIM, vecna_clip_new(&m.options, &m.data, &model, &err));
    m.options.shape.stages = 0;
    m.data.pairs = 1;
    assert_status(VECNA_ERR_ARGUMENT, vecna_clip_new(&m.options, &m.data, &model, &err));
    m.data.pictures.channels = 2;
    assert_status(VECNA_ERR_DIM, vecna_clip_new(&m.options, &m.data, &model, &err));
    assert_null(model);
    vecna_clip_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_the_twins),
        cmocka_unit_test(three_steps_are_the_twins),
        cmocka_unit_test(bars_get_their_names),
        cmocka_unit_test(a_break_changes_nothing),
        cmocka_unit_test(what_is_held_is_held),
        cmocka_unit_test(memory_may_fail),
        cmocka_unit_test(mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
