/* Confidence and calibrated scores against float64 (tests/reference/trust_reference.py), their
 * coverage over many splits, and what they do with bad input. */
#include "translate/trust_impl.h"

#include "tests/unit/support/support.h"
#include "tests/unit/translate/pairs.h"

#include <stdio.h>

enum { TEXT = 1 << 17, MOST = 1 << 11 };

/* The file's numbers go through int8 rows, float32 products and a regression on them. */
#define TOLERANCE 2e-4

typedef struct golden {
    FILE *file;
    size_t rows, p, q, fresh;
    float source[MOST], native[MOST], translated[MOST], lengths[MOST], weights[MOST], bias[MOST];
    double numbers[MOST];
} golden;

static char line[TEXT];

static size_t read_line(golden *g, const char *word) {
    size_t count = 0;
    assert_non_null(fgets(line, TEXT, g->file));
    assert_true(strncmp(line, word, strlen(word)) == 0 && line[strlen(word)] == ' ');
    for (char *at = strchr(line, ' '), *end; at; at = end) {
        double value = strtod(at, &end);
        if (end == at) {
            break;
        }
        assert_true(count < MOST);
        g->numbers[count++] = value;
    }
    return count;
}

static void read_floats(golden *g, const char *word, float *out, size_t count) {
    assert_int_equal(read_line(g, word), count);
    for (size_t i = 0; i < count; i++) {
        out[i] = (float)g->numbers[i];
    }
}

static void compare(golden *g, const char *word, const double *got, size_t count, double most) {
    assert_int_equal(read_line(g, word), count);
    for (size_t i = 0; i < count; i++) {
        if (!(fabs(got[i] - g->numbers[i]) <= most * (1 + fabs(g->numbers[i])))) {
            fail_msg("%s, number %zu: %.9g, not %.9g", word, i, got[i], g->numbers[i]);
        }
    }
}

static golden *open_golden(void) {
    golden *g = calloc(1, sizeof *g);
    assert_non_null(g);
    g->file = fopen("tests/vectors/trust.txt", "r");
    assert_non_null(g->file);
    assert_int_equal(read_line(g, "sizes"), 4);
    g->rows = (size_t)g->numbers[0];
    g->p = (size_t)g->numbers[1];
    g->q = (size_t)g->numbers[2];
    g->fresh = (size_t)g->numbers[3];
    const size_t all = g->rows + g->fresh;
    read_floats(g, "source", g->source, all * g->p);
    read_floats(g, "native", g->native, all * g->q);
    read_floats(g, "translated", g->translated, all * g->q);
    read_floats(g, "lengths", g->lengths, g->rows);
    read_floats(g, "weights", g->weights, g->p * g->q);
    read_floats(g, "bias", g->bias, g->q);
    return g;
}

static void close_golden(golden *g) {
    fclose(g->file);
    free(g);
}

static vni_held_input input_of(const golden *g) {
    vni_held_input input = {.source = vecna_view_dense(g->source, g->rows, g->p),
                            .native = vecna_view_dense(g->native, g->rows, g->q),
                            .translated = vecna_view_dense(g->translated, g->rows, g->q),
                            .lengths = g->lengths};
    return input;
}

/* The map of the file with its held rows. */
static vecna_map *make_map(const golden *g, const vecna_allocator *allocator) {
    vecna_map *map = NULL;
    const vecna_map_weights given = {.weights = vecna_view_dense(g->weights, g->p, g->q),
                                     .bias = g->bias,
                                     .normalized = 1,
                                     .source_normalized = 1};
    const vni_held_input input = input_of(g);
    assert_status(VECNA_OK, vecna_map_from_weights(&given, allocator, &map, NULL));
    assert_status(VECNA_OK, vni_held_fit(&input, allocator, &map->held, NULL));
    assert_non_null(map->held);
    return map;
}

static void as_the_reference_says(void **state) {
    (void)state;
    golden *g = open_golden();
    vecna_map *map = make_map(g, NULL);
    const vni_confidence_model *m = &map->held->model;
    const struct {
        const char *word;
        const double *numbers;
        size_t count;
    } parts[] = {{"mean", m->mean, VNI_FEATURES},  {"deviation", m->deviation, VNI_FEATURES},
                 {"cosine", m->cosine, VNI_TERMS}, {"recall", m->recall, VNI_TERMS},
                 {"spread", m->spread, 3},         {"quantile", &m->quantile, 1},
                 {"outside", m->outside, 3}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        compare(g, parts[i].word, parts[i].numbers, parts[i].count, TOLERANCE);
    }
    vecna_confidence *confidence = NULL;
    vecna_confidence_row rows[16];
    double judged[64];
    assert_status(VECNA_OK, vecna_confidence_new(map, NULL, &confidence, NULL));
    assert_status(VECNA_OK,
                  vecna_confidence_of(
                      confidence, vecna_view_dense(g->source + g->rows * g->p, g->fresh, g->p),
                      vecna_view_dense(g->translated + g->rows * g->q, g->fresh, g->q), rows, NULL,
                      NULL));
    for (size_t i = 0; i < g->fresh; i++) {
        judged[4 * i] = (double)rows[i].recall;
        judged[4 * i + 1] = (double)rows[i].cosine;
        judged[4 * i + 2] = (double)rows[i].least;
        judged[4 * i + 3] = rows[i].outside;
    }
    compare(g, "judged", judged, 4 * g->fresh, TOLERANCE);
    vecna_confidence_free(confidence);
    compare(g, "curve", map->held->curve, 2 * (size_t)VNI_KNOTS, 1e-5);
    const double ks[2] = {map->held->ks_before, map->held->ks_after};
    compare(g, "ks", ks, 2, 2e-3); /* a step of it is a score: 1/3160 */
    vecna_scores *scores = NULL;
    vecna_score_level levels[16];
    float queries[MOST];
    read_floats(g, "queries", queries, g->fresh * g->q);
    assert_status(VECNA_OK, vecna_scores_new(map, NULL, &scores, NULL));
    assert_status(VECNA_OK, vecna_scores_levels(scores, vecna_view_dense(queries, g->fresh, g->q),
                                                levels, NULL, NULL));
    double told[64], calibrated[64];
    for (size_t i = 0; i < g->fresh; i++) {
        told[2 * i] = levels[i].translated;
        told[2 * i + 1] = levels[i].native;
        for (size_t k = 0; k < 9; k++) {
            calibrated[9 * i + k] =
                vecna_scores_calibrate(scores, levels[i], -0.9 + 0.25 * (double)k);
        }
    }
    compare(g, "levels", told, 2 * g->fresh, 1e-5);
    compare(g, "calibrated", calibrated, 9 * g->fresh, 1e-5);
    for (size_t i = 1; i < 300; i++) { /* the order of translated rows stays */
        const double low = -1.5 + 0.01 * (double)(i - 1), high = -1.5 + 0.01 * (double)i;
        assert_true(vecna_scores_calibrate(scores, levels[0], low) <=
                    vecna_scores_calibrate(scores, levels[0], high));
    }
    vecna_scores_free(scores);
    vecna_map_free(map);
    close_golden(g);
}

/* ---- coverage -------------------------------------------------------------------------------- */

enum { SPLITS = 24, HELD = 300, NEW = 300, P = 8, Q = 6 };

/* Rows of one kind, translated by something with an error that depends on where they lie; lengths say
 * nothing. */
static void make_kind(vecna_random *random, size_t rows, double shift, float *source, float *native,
                      float *translated, float *lengths) {
    for (size_t i = 0; i < rows; i++) {
        const double far = fabs(vecna_random_normal(random));
        for (size_t j = 0; j < P; j++) {
            source[i * P + j] =
                (float)(vecna_random_normal(random) + (j == 0 ? 2 * far + shift : 0));
        }
        for (size_t j = 0; j < Q; j++) {
            const double truth = (double)source[i * P + j] + 0.3 * vecna_random_normal(random);
            native[i * Q + j] = (float)truth;
            translated[i * Q + j] =
                (float)(truth + (0.3 + 0.5 * far + shift) * vecna_random_normal(random));
        }
        lengths[i] = (float)(1 + 0.1 * vecna_random_normal(random));
    }
    to_unit(vecna_matrix_dense(source, rows, P));
    to_unit(vecna_matrix_dense(native, rows, Q));
    to_unit(vecna_matrix_dense(translated, rows, Q));
}

/* Share of new rows whose cosine is not below the bound, and of those called outside. */
static double cover(uint64_t seed, double shift, double *outside) {
    static float source[(HELD + NEW) * P], native[(HELD + NEW) * Q], translated[(HELD + NEW) * Q];
    static float lengths[HELD + NEW], weights[P * Q];
    static vecna_confidence_row rows[NEW];
    vecna_random random;
    vecna_map *map = NULL;
    vecna_confidence *confidence = NULL;
    size_t covered = 0, out = 0;
    vecna_random_seed(&random, seed, 0);
    make_kind(&random, HELD, 0, source, native, translated, lengths);
    make_kind(&random, NEW, shift, source + HELD * P, native + HELD * Q, translated + HELD * Q,
              lengths + HELD);
    for (size_t j = 0; j < Q; j++) { /* any product: its length is noise here as it is there */
        weights[j * Q + j] = 1;
    }
    const vni_held_input input = {.source = vecna_view_dense(source, HELD, P),
                                  .native = vecna_view_dense(native, HELD, Q),
                                  .translated = vecna_view_dense(translated, HELD, Q),
                                  .lengths = lengths};
    const vecna_map_weights given = {.weights = vecna_view_dense(weights, P, Q), .normalized = 1};
    for (size_t i = 0; i < HELD; i++) {
        double square = 0;
        for (size_t j = 0; j < Q; j++) {
            square += (double)source[i * P + j] * (double)source[i * P + j];
        }
        lengths[i] = (float)sqrt(square);
    }
    assert_status(VECNA_OK, vecna_map_from_weights(&given, NULL, &map, NULL));
    assert_status(VECNA_OK, vni_held_fit(&input, NULL, &map->held, NULL));
    assert_status(VECNA_OK, vecna_confidence_new(map, NULL, &confidence, NULL));
    assert_status(VECNA_OK, vecna_confidence_of(
                                confidence, vecna_view_dense(source + HELD * P, NEW, P),
                                vecna_view_dense(translated + HELD * Q, NEW, Q), rows, NULL, NULL));
    for (size_t i = 0; i < NEW; i++) {
        covered += vni_dot(native + (HELD + i) * Q, translated + (HELD + i) * Q, Q) >=
                   (double)rows[i].least;
        out += (size_t)rows[i].outside;
    }
    vecna_confidence_free(confidence);
    vecna_map_free(map);
    *outside += (double)out / NEW / SPLITS;
    return (double)covered / NEW;
}

/* One row at a time, by halves of what it is compared with. */
static void a_few_rows_by_halves(void **state) {
    (void)state;
    golden *g = open_golden();
    vecna_map *map = make_map(g, NULL);
    vecna_confidence *confidence = NULL;
    vecna_confidence_row whole[16], one;
    const vecna_view in = vecna_view_dense(g->source + g->rows * g->p, g->fresh, g->p);
    const vecna_view out = vecna_view_dense(g->translated + g->rows * g->q, g->fresh, g->q);
    assert_status(VECNA_OK, vecna_confidence_new(map, NULL, &confidence, NULL));
    assert_status(VECNA_OK, vecna_confidence_of(confidence, in, out, whole, NULL, NULL));
    for (int again = 0; again < 2; again++) {
        assert_status(VECNA_OK, vecna_confidence_use_f16(confidence, NULL));
    }
    for (size_t i = 0; i < g->fresh; i++) {
        assert_status(VECNA_OK, vecna_confidence_of(confidence, vecna_view_rows(in, i, 1),
                                                    vecna_view_rows(out, i, 1), &one, NULL, NULL));
        assert_true(fabs((double)one.recall - (double)whole[i].recall) < 1e-3);
        assert_true(fabs((double)one.cosine - (double)whole[i].cosine) < 1e-3);
        assert_int_equal(one.outside, whole[i].outside);
    }
    vecna_confidence_free(confidence);
    vecna_map_free(map);
    close_golden(g);
}

static void the_bound_covers_what_it_says(void **state) {
    (void)state;
    double covered = 0, outside = 0, shifted = 0, shifted_outside = 0;
    for (uint64_t split = 0; split < SPLITS; split++) {
        covered += cover(100 + split, 0, &outside) / SPLITS;
        shifted += cover(500 + split, -6, &shifted_outside) / SPLITS;
    }
    /* the standard error over 24 splits of 300 and 300 rows is 0.004 */
    assert_true(fabs(covered - 0.95) < 0.01);
    assert_true(outside < 0.03);
    assert_true(shifted_outside > 0.3); /* another kind of rows is called so */
    assert_true(shifted < 1);
}

/* Fewer pairs than twice the dimensions: the delivered map is better than those of the folds, and what is
 * expected of a row is what it does (fit_growth.c). */
static void few_pairs_are_told_truly(void **state) {
    enum { FITS = 8, ROWS = 80, FRESH = 400, WIDE = 64, NARROW = 40, DEEP = 40 };
    static vecna_confidence_row rows[FRESH];
    double told = 0, true_cosine = 0, covered = 0;
    (void)state;
    for (uint64_t seed = 0; seed < FITS; seed++) {
        vecna_matrix latent = make_noise(ROWS + FRESH, DEEP, 900 + seed);
        vecna_matrix source = make_side(latent, WIDE, 1, 31),
                     target = make_side(latent, NARROW, 1, 57);
        float *out = make_floats((size_t)FRESH * NARROW);
        const vecna_view fresh = vecna_matrix_view(vecna_matrix_rows(source, ROWS, FRESH));
        const vecna_matrix moved = vecna_matrix_dense(out, FRESH, NARROW);
        vecna_translate_options options = {.recipe = {.method = VECNA_METHOD_RIDGE, .lambda = 0.02},
                                           .resamples = 2};
        vecna_map *map = NULL;
        vecna_confidence *confidence = NULL;
        assert_status(VECNA_OK,
                      vecna_translate_fit(vecna_matrix_view(vecna_matrix_rows(source, 0, ROWS)),
                                          vecna_matrix_view(vecna_matrix_rows(target, 0, ROWS)),
                                          &options, &map, NULL));
        assert_status(VECNA_OK, vecna_map_apply(map, fresh, moved, NULL, NULL));
        assert_status(VECNA_OK, vecna_confidence_new(map, NULL, &confidence, NULL));
        assert_status(VECNA_OK, vecna_confidence_of(confidence, fresh, vecna_matrix_view(moved),
                                                    rows, NULL, NULL));
        for (size_t i = 0; i < FRESH; i++) {
            const double cosine =
                vni_dot(out + i * NARROW, target.data + (ROWS + i) * NARROW, NARROW);
            told += (double)rows[i].cosine / FRESH / FITS;
            true_cosine += cosine / FRESH / FITS;
            covered += (cosine >= (double)rows[i].least) / (double)FRESH / FITS;
        }
        vecna_confidence_free(confidence);
        vecna_map_free(map);
        free(latent.data);
        free(source.data);
        free(target.data);
        free(out);
    }
    /* 0.03 too low without the measured gain, and covered by 0.985 */
    assert_true(fabs(told - true_cosine) < 0.008);
    assert_true(fabs(covered - 0.95) < 0.025);
}

/* ---- a map file, few rows, memory ------------------------------------------------------------ */

static void a_file_keeps_it(void **state) {
    (void)state;
    golden *g = open_golden();
    vecna_map *map = make_map(g, NULL), *read = NULL;
    vecna_error err;
    assert_status(VECNA_OK, vecna_map_save(map, "build/trust_test.map", NULL));
    assert_status(VECNA_OK, vecna_map_open("build/trust_test.map", NULL, &read, &err));
    assert_non_null(read->held);
    assert_int_equal(read->held->rows, g->rows);
    assert_memory_equal(&read->held->model, &map->held->model, sizeof map->held->model);
    assert_memory_equal(read->held->curve, map->held->curve, sizeof map->held->curve);
    assert_memory_equal(read->held->source, map->held->source, g->rows * (g->p + 2 * g->q));
    vecna_held_info info = vecna_map_held(read);
    assert_int_equal(info.rows, g->rows);
    assert_true(info.has_scores && info.ks_after == map->held->ks_after);
    assert_true(info.cosine > 0.5 && info.cosine < 1);
    vecna_map_free(read);
    map->held->curve[3] = map->held->curve[2] - 1; /* what a hostile hand would write */
    assert_status(VECNA_OK, vecna_map_save(map, "build/trust_test.map", NULL));
    assert_status(VECNA_ERR_FORMAT, vecna_map_open("build/trust_test.map", NULL, &read, &err));
    assert_non_null(strstr(err.message, "falls"));
    map->held->has_curve = 0;
    map->held->model.deviation[2] = 0;
    assert_status(VECNA_OK, vecna_map_save(map, "build/trust_test.map", NULL));
    assert_status(VECNA_ERR_FORMAT, vecna_map_open("build/trust_test.map", NULL, &read, &err));
    map->held->model.deviation[2] = 1;
    map->held->scales[5] = -1;
    assert_status(VECNA_OK, vecna_map_save(map, "build/trust_test.map", NULL));
    assert_status(VECNA_ERR_FORMAT, vecna_map_open("build/trust_test.map", NULL, &read, &err));
    map->held->scales[5] = 1;
    assert_status(VECNA_OK, vecna_map_save(map, "build/trust_test.map", NULL));
    assert_status(VECNA_OK, vecna_map_open("build/trust_test.map", NULL, &read, &err));
    vecna_scores *scores = NULL;
    assert_status(VECNA_ERR_UNSUPPORTED, vecna_scores_new(read, NULL, &scores, &err));
    vecna_map_free(read);
    vecna_map_free(map);
    close_golden(g);
    remove("build/trust_test.map");
}

static void what_is_missing_is_said(void **state) {
    (void)state;
    golden *g = open_golden();
    vecna_map *map = make_map(g, NULL);
    vecna_confidence *confidence = NULL;
    vecna_scores *scores = NULL;
    vecna_confidence_row row;
    vecna_score_level level;
    vecna_error err;
    vni_held *held = NULL;
    assert_status(VECNA_OK, vecna_confidence_new(map, NULL, &confidence, NULL));
    assert_status(VECNA_ERR_DIM,
                  vecna_confidence_of(confidence, vecna_view_dense(g->source, 1, g->p - 1),
                                      vecna_view_dense(g->native, 1, g->q), &row, NULL, &err));
    assert_status(VECNA_ERR_DIM,
                  vecna_confidence_of(confidence, vecna_view_dense(g->source, 2, g->p),
                                      vecna_view_dense(g->native, 1, g->q), &row, NULL, &err));
    float bad[8] = {NAN, 0, 0, 0, 0, 0, 0, 0}; /* a number comes out, whatever goes in */
    assert_status(VECNA_OK,
                  vecna_confidence_of(confidence, vecna_view_dense(bad, 1, g->p),
                                      vecna_view_dense(g->native, 1, g->q), &row, NULL, &err));
    assert_true(row.cosine >= -1 && row.cosine <= 1 && row.recall >= 0 && row.recall <= 1);
    vecna_confidence_free(confidence);
    assert_status(VECNA_OK, vecna_scores_new(map, NULL, &scores, NULL));
    assert_status(
        VECNA_ERR_DIM,
        vecna_scores_levels(scores, vecna_view_dense(g->native, 1, g->q + 1), &level, NULL, &err));
    vecna_scores_free(scores);
    vni_held_free(map->held, NULL);
    map->held = NULL;
    assert_int_equal(vecna_map_held(map).rows, 0);
    assert_status(VECNA_ERR_UNSUPPORTED, vecna_confidence_new(map, NULL, &confidence, &err));
    assert_non_null(strstr(err.message, "64 pairs"));
    assert_status(VECNA_ERR_UNSUPPORTED, vecna_scores_new(map, NULL, &scores, &err));
    vecna_confidence_free(NULL);
    vecna_scores_free(NULL);
    vni_held_input input = input_of(g);
    input.source.rows = input.native.rows = input.translated.rows = VNI_HELD_LEAST - 1;
    assert_status(VECNA_OK, vni_held_fit(&input, NULL, &held, NULL));
    assert_null(held);
    input.source.rows = input.native.rows = input.translated.rows = VNI_HELD_LEAST;
    input.role = VECNA_ROLE_QUERY;
    assert_status(VECNA_OK, vni_held_fit(&input, NULL, &held, NULL));
    assert_int_equal(held->has_curve, 0);
    vni_held_free(held, NULL);
    vecna_map_free(map);
    close_golden(g);
}

static vecna_status all_of_it(void *user, const vecna_allocator *allocator, vecna_error *err) {
    const golden *g = user;
    vni_held_input input = input_of(g);
    vecna_map *map = NULL;
    vecna_confidence *confidence = NULL;
    vecna_scores *scores = NULL;
    vecna_confidence_row rows[4];
    vecna_score_level levels[4];
    const vecna_map_weights given = {.weights = vecna_view_dense(g->weights, g->p, g->q)};
    input.allocator = allocator;
    vecna_status status = vecna_map_from_weights(&given, allocator, &map, err);
    status = status ? status : vni_held_fit(&input, map->allocator, &map->held, err);
    status = status ? status : vecna_confidence_new(map, allocator, &confidence, err);
    status = status ? status : vecna_confidence_use_f16(confidence, err);
    const vecna_view in = vecna_view_dense(g->source, 4, g->p);
    const vecna_view translated = vecna_view_dense(g->translated, 4, g->q);
    status = status ? status : vecna_confidence_of(confidence, in, translated, rows, NULL, err);
    status = status ? status : vecna_scores_new(map, allocator, &scores, err);
    status = status ? status : vecna_scores_levels(scores, translated, levels, NULL, err);
    vecna_scores_free(scores);
    vecna_confidence_free(confidence);
    vecna_map_free(map);
    return status;
}

static void memory_may_fail(void **state) {
    (void)state;
    golden *g = open_golden();
    assert_survives_failing_memory(all_of_it, g);
    close_golden(g);
}

/* A fit keeps them unless told otherwise. */
static void a_fit_keeps_held_rows(void **state) {
    (void)state;
    pairs made = make_pairs(200, 12, 8, 5);
    vecna_translate_options options = {.resamples = 20};
    vecna_map *map =
        fit_views(vecna_matrix_view(made.source), vecna_matrix_view(made.target), &options);
    vecna_held_info info = vecna_map_held(map);
    assert_true(info.rows >= 150 && info.has_scores);
    assert_true(info.cosine > 0.3 && info.cosine <= 1);
    vecna_map_free(map);
    options.no_confidence = 1;
    map = fit_views(vecna_matrix_view(made.source), vecna_matrix_view(made.target), &options);
    assert_int_equal(vecna_map_held(map).rows, 0);
    vecna_map_free(map);
    options.no_confidence = 0;
    options.role = VECNA_ROLE_QUERY;
    map = fit_views(vecna_matrix_view(made.source), vecna_matrix_view(made.target), &options);
    assert_true(vecna_map_held(map).rows > 0 && !vecna_map_held(map).has_scores);
    vecna_map_free(map);
    free(made.source.data);
    free(made.target.data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_the_reference_says),
        cmocka_unit_test(a_few_rows_by_halves),
        cmocka_unit_test(the_bound_covers_what_it_says),
        cmocka_unit_test(few_pairs_are_told_truly),
        cmocka_unit_test(a_file_keeps_it),
        cmocka_unit_test(what_is_missing_is_said),
        cmocka_unit_test(memory_may_fail),
        cmocka_unit_test(a_fit_keeps_held_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
