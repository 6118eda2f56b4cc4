/* Kinds of pairs that a map keeps apart: their sums against all pairs of the kind, through files; which of
 * them a fit leans on; and what is refused. */
#include "translate/translate_impl.h"

#include "tests/unit/translate/pairs.h"

#include <stdio.h>
#include <unistd.h>

enum { ROWS = 240, SOURCE = 8, TARGET = 7 };

static char path[64];

/* Two kinds of pairs, in turn: the second has targets of another model, and a corner of its own. */
static uint32_t kind_of[ROWS];
static const char *const names[] = {"plain", "odd"};

static pairs make_kinds(uint64_t seed) {
    pairs one = make_pairs(ROWS, SOURCE, TARGET, 3), other = make_pairs(ROWS, SOURCE, TARGET, seed);
    for (size_t i = 0; i < ROWS; i++) {
        kind_of[i] = i % 2;
        if (i % 2) {
            memcpy(one.source.data + i * SOURCE, other.source.data + i * SOURCE,
                   SOURCE * sizeof(float));
            memcpy(one.target.data + i * TARGET, other.target.data + i * TARGET,
                   TARGET * sizeof(float));
            one.source.data[i * SOURCE] += 0.5f;
        }
    }
    to_unit(one.source);
    to_unit(one.target);
    free_pairs(&other);
    return one;
}

static vecna_translate_options apart(void) {
    return (vecna_translate_options){.recipe = {.method = VECNA_METHOD_RIDGE, .lambda = 1},
                                     .kinds = {kind_of, names, 2},
                                     .resamples = 10};
}

static vecna_map *through(vecna_map *map) {
    vecna_map *again = NULL;
    vecna_error err = {0};
    assert_status(VECNA_OK, vecna_map_save(map, path, &err));
    vecna_map_free(map);
    assert_status(VECNA_OK, vecna_map_open(path, NULL, &again, &err));
    return again;
}

/* Products about the mean of the rows of one kind. */
static void sum_kind(const pairs *made, size_t kind, double *square, double *cross, double *mean) {
    const size_t count = ROWS / 2;
    memset(mean, 0, (SOURCE + TARGET) * sizeof *mean);
    for (size_t i = kind; i < ROWS; i += 2) {
        for (size_t j = 0; j < SOURCE + TARGET; j++) {
            mean[j] += (double)(j < SOURCE ? made->source.data[i * SOURCE + j]
                                           : made->target.data[i * TARGET + j - SOURCE]) /
                       (double)count;
        }
    }
    for (size_t i = kind; i < ROWS; i += 2) {
        for (size_t a = 0; a < SOURCE; a++) {
            const double x = (double)made->source.data[i * SOURCE + a] - mean[a];
            for (size_t b = 0; b < SOURCE; b++) {
                square[a * SOURCE + b] += x * ((double)made->source.data[i * SOURCE + b] - mean[b]);
            }
            for (size_t b = 0; b < TARGET; b++) {
                cross[a * TARGET + b] +=
                    x * ((double)made->target.data[i * TARGET + b] - mean[SOURCE + b]);
            }
        }
    }
}

/* Rows in 8 bits: half a step of 1/127 of the greatest in each, so a hundredth of the greatest sum. */
static void a_kind_is_nearly_its_pairs(void **state) {
    pairs made = make_kinds(50);
    vecna_translate_options options = apart();
    vecna_map *map = through(fit_pairs(&made, &options));
    vecna_error err = {0};
    double pairs_of;
    (void)state;
    assert_int_equal(vecna_map_about(map).kinds, 2);
    for (size_t k = 0; k < 2; k++) {
        double square[SOURCE * SOURCE] = {0}, cross[SOURCE * TARGET] = {0};
        double got_square[SOURCE * SOURCE] = {0}, got_cross[SOURCE * TARGET] = {0};
        double mean[SOURCE + TARGET], most = 0, rest = 0.015625;
        vni_statistics *mix = NULL;
        const size_t given = strcmp(vecna_map_kind(map, k, &pairs_of), "odd") == 0;
        assert_true(pairs_of == ROWS / 2);
        sum_kind(&made, given, square, cross, mean);
        vni_statistics_add(map->statistics, rest, square, cross);
        assert_status(VECNA_OK, vni_kinds_mix(map->kinds, k, map->statistics, NULL, &mix, &err));
        vni_statistics_add(mix, 1, got_square, got_cross);
        for (size_t i = 0; i < SOURCE * SOURCE; i++) {
            most = fmax(most, fabs(square[i]));
        }
        for (size_t i = 0; i < SOURCE * SOURCE; i++) {
            assert_true(fabs(square[i] - got_square[i]) <= 0.01 * most);
        }
        for (size_t i = 0; i < SOURCE * TARGET; i++) {
            assert_true(fabs(cross[i] - got_cross[i]) <= 0.01 * most);
        }
        for (size_t j = 0; j < SOURCE + TARGET; j++) {
            assert_true(fabs(mean[j] - mix->source_mean[j]) < 1e-6);
        }
        assert_true(fabs(mix->count - (ROWS / 2 + rest * ROWS)) < 1e-9);
        vni_statistics_free(mix, NULL);
    }
    vecna_map_free(map);
    free_pairs(&made);
}

/* 120 new pairs of the odd kind: the chosen trial names it; of a third kind: none is. */
static void the_kind_of_the_own_pairs_is_leaned_on(void **state) {
    pairs made = make_kinds(50), own = make_kinds(50);
    vecna_translate_options options = apart();
    vecna_map *prior = fit_pairs(&made, &options);
    (void)state;
    size_t named = 0;
    vecna_translate_options lean = {.prior = prior, .resamples = 10};
    for (size_t i = 0; i < ROWS / 2; i++) { /* the odd rows alone, moved a little */
        for (size_t j = 0; j < SOURCE; j++) {
            own.source.data[i * SOURCE + j] = own.source.data[(2 * i + 1) * SOURCE + j];
        }
        for (size_t j = 0; j < TARGET; j++) {
            own.target.data[i * TARGET + j] = own.target.data[(2 * i + 1) * TARGET + j];
        }
    }
    own.source.rows = own.target.rows = own.rows = ROWS / 2;
    vecna_map *map = fit_pairs(&own, &lean);
    const vecna_report *report = vecna_map_report(map);
    for (size_t i = 0; i < report->prior_trial_count; i++) {
        if (report->prior_trials[i].kind[0]) {
            assert_string_equal(report->prior_trials[i].kind, "odd");
            named++;
        }
    }
    assert_int_equal(named, 1);
    assert_int_equal(vecna_map_about(map).kinds, 0); /* a mix with the own pairs is of no kind */
    vecna_map_free(map);
    vecna_map_free(prior);
    free_pairs(&made);
    free_pairs(&own);
}

static void refuse(const pairs *made, const vecna_translate_options *options, const char *words) {
    vecna_map *map = NULL;
    vecna_error err = {0};
    assert_status(VECNA_ERR_ARGUMENT,
                  vecna_translate_fit(vecna_matrix_view(made->source),
                                      vecna_matrix_view(made->target), options, &map, &err));
    if (!strstr(err.message, words)) {
        fail_msg("\"%s\" is not in \"%s\"", words, err.message);
    }
    assert_null(map);
}

static void bad_kinds_are_refused(void **state) {
    static const char *const nameless[] = {"plain", ""};
    static const char *const three[] = {"plain", "odd", "none"};
    pairs made = make_kinds(50);
    vecna_translate_options options = apart();
    vecna_map *prior = fit_pairs(&made, &options);
    (void)state;
    options.prior = prior;
    refuse(&made, &options, "beside a prior");
    options = apart();
    options.statistics = VECNA_STATISTICS_NONE;
    refuse(&made, &options, "without statistics");
    options = apart();
    options.kinds.count = 17;
    refuse(&made, &options, "at most 16");
    options = apart();
    options.kinds.names = nameless;
    refuse(&made, &options, "1 to 31 bytes");
    options = apart();
    options.kinds.count = 1;
    refuse(&made, &options, "pair 1 is of kind 1");
    options = apart();
    options.kinds.count = 3;
    options.kinds.names = three;
    refuse(&made, &options, "\"none\" has 0 pairs");
    vecna_map_free(prior);
    free_pairs(&made);
}

static vecna_status keep_apart(void *user, const vecna_allocator *allocator, vecna_error *err) {
    const pairs *made = user;
    vecna_map *map = NULL, *again = NULL;
    vecna_translate_options options = apart();
    vecna_map_open_options open = {.allocator = allocator};
    options.allocator = allocator;
    options.no_confidence = 1;
    options.resamples = 2;
    vecna_status status = vecna_translate_fit(vecna_matrix_view(made->source),
                                              vecna_matrix_view(made->target), &options, &map, err);
    status = status ? status : vecna_map_save(map, path, err);
    status = status ? status : vecna_map_open(path, &open, &again, err);
    vecna_map_free(again);
    vecna_map_free(map);
    return status;
}

typedef struct leaning {
    pairs own;
    vecna_map *prior;
} leaning;

static vecna_status lean_on(void *user, const vecna_allocator *allocator, vecna_error *err) {
    const leaning *l = user;
    vecna_map *map = NULL;
    const vecna_translate_options options = {.recipe = {.method = VECNA_METHOD_RIDGE, .lambda = 1},
                                             .prior = l->prior,
                                             .allocator = allocator,
                                             .no_confidence = 1,
                                             .resamples = 2};
    vecna_status status = vecna_translate_fit(
        vecna_matrix_view(l->own.source), vecna_matrix_view(l->own.target), &options, &map, err);
    vecna_map_free(map);
    return status;
}

static void survives_failing_memory(void **state) {
    pairs made = make_kinds(50);
    (void)state;
    assert_survives_failing_memory(keep_apart, &made);
    const vecna_translate_options options = apart();
    leaning l = {make_kinds(50), fit_pairs(&made, &options)};
    l.own.source.rows = l.own.target.rows = l.own.rows = 20;
    assert_survives_failing_memory(lean_on, &l);
    vecna_map_free(l.prior);
    free_pairs(&l.own);
    free_pairs(&made);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kind_is_nearly_its_pairs),
        cmocka_unit_test(the_kind_of_the_own_pairs_is_leaned_on),
        cmocka_unit_test(bad_kinds_are_refused),
        cmocka_unit_test(survives_failing_memory),
    };
    snprintf(path, sizeof path, "/tmp/vecna-kinds-test-%ld.vecna", (long)getpid());
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    remove(path);
    return failed;
}
