/* Leaning on a prior and adding to a map, against float64 (tests/reference/prior_reference.py), through files
 * and against fits on all pairs; and what is refused. */
#include "translate/translate_impl.h"

#include "tests/unit/translate/pairs.h"

#include <stdio.h>
#include <unistd.h>

/* Sums of the prior are float32: a share of 6e-8 of the greatest; small lambdas magnify it. */
#define TOLERANCE 5e-6

enum { TEXT = 1 << 16, MOST = 1 << 11 };

static char line[TEXT];
static char path[64];

static int next_line(FILE *file) {
    if (!fgets(line, TEXT, file)) {
        return 0;
    }
    line[strcspn(line, "\n")] = '\0';
    return 1;
}

/* The numbers behind the word that the next line starts with. */
static void read_rows(FILE *file, const char *word, double *out, size_t count) {
    assert_true(next_line(file));
    assert_true(strncmp(line, word, strlen(word)) == 0);
    char *at = line + strlen(word);
    for (size_t i = 0; i < count; i++) {
        char *end;
        out[i] = strtod(at, &end);
        assert_true(end > at);
        at = end;
    }
}

static void read_side(FILE *file, const char *word, float *out, size_t count) {
    static double values[MOST];
    assert_true(count <= MOST);
    read_rows(file, word, values, count);
    for (size_t i = 0; i < count; i++) {
        out[i] = (float)values[i];
    }
}

static void compare(FILE *file, const char *word, const float *got, size_t count) {
    static double wanted[MOST];
    double scale = 1;
    read_rows(file, word, wanted, count);
    for (size_t i = 0; i < count; i++) {
        scale = fmax(scale, fabs(wanted[i]));
    }
    for (size_t i = 0; i < count; i++) {
        if (!(fabs(wanted[i] - (double)got[i]) <= TOLERANCE * scale)) {
            fail_msg("%s %zu: expected %.9g, got %.9g", word, i, wanted[i], (double)got[i]);
        }
    }
}

static void fits_agree_with_the_reference(void **state) {
    static float source[MOST], target[MOST], prior_source[MOST], prior_target[MOST];
    FILE *file = fopen("tests/vectors/prior.txt", "r");
    size_t own = 0, rows = 0, p = 0, q = 0, fits = 0;
    vecna_map *prior = NULL;
    (void)state;
    assert_non_null(file);
    while (next_line(file)) {
        if (sscanf(line, "pairs %zu %zu %zu %zu", &own, &rows, &p, &q) == 4) {
            read_side(file, "source", source, own * p);
            read_side(file, "target", target, own * q);
            read_side(file, "prior_source", prior_source, rows * p);
            read_side(file, "prior_target", prior_target, rows * q);
            vecna_translate_options options = {.recipe = {.method = VECNA_METHOD_PROCRUSTES},
                                               .resamples = 10};
            vecna_map_free(prior);
            prior = fit_views(vecna_view_dense(prior_source, rows, p),
                              vecna_view_dense(prior_target, rows, q), &options);
            continue;
        }
        char kind[16], name[32];
        double share = 0, weight = 0;
        vecna_translate_options options = {.resamples = 10};
        assert_int_equal(sscanf(line, "%15s %31s %lf %lf %lf %lf", kind, name,
                                &options.recipe.lambda, &options.recipe.share, &weight, &share),
                         6);
        assert_true(vecna_method_parse(name, &options.recipe.method));
        const int update = strcmp(kind, "update") == 0;
        *(update ? &options.update : &options.prior) = prior;
        options.prior_weight = update ? 0 : weight;
        vecna_map *map =
            fit_views(vecna_view_dense(source, own, p), vecna_view_dense(target, own, q), &options);
        compare(file, "weights", map->weights, p * q);
        compare(file, "bias", map->bias, q);
        assert_true(fabs(map->report.prior_mean_share - share) < 1e-5);
        assert_true(map->report.prior_rows == (double)rows);
        assert_int_equal(map->report.updated, update);
        assert_int_equal(map->rows_fit, own + (update ? rows : 0));
        assert_true(fabs(vecna_map_about(map).statistics_rows -
                         ((double)own + weight * (double)rows)) < 1e-9);
        vecna_map_free(map);
        fits++;
    }
    assert_int_equal(fits, 27);
    vecna_map_free(prior);
    fclose(file);
}

static vecna_map *through_file(vecna_map *map) {
    vecna_map *again = NULL;
    vecna_error err = {0};
    assert_status(VECNA_OK, vecna_map_save(map, path, &err));
    assert_status(VECNA_OK, vecna_map_open(path, NULL, &again, &err));
    vecna_map_free(map);
    return again;
}

static double greatest_difference(const vecna_map *a, const vecna_map *b) {
    double most = 0, scale = 0;
    for (size_t i = 0; i < (a->source_dim + 1) * a->target_dim; i++) { /* the bias lies behind */
        most = fmax(most, fabs((double)a->weights[i] - (double)b->weights[i]));
        scale = fmax(scale, fabs((double)a->weights[i]));
    }
    return most / scale;
}

static vecna_view part(vecna_matrix rows, size_t first, size_t count) {
    return vecna_view_rows(vecna_matrix_view(rows), first, count);
}

/* 200 pairs at once, or 120 and then 8 times 10 through files: the same map. */
static void updates_are_a_fit_on_all_pairs(void **state) {
    pairs made = make_pairs(200, 9, 7, 5);
    vecna_translate_options options = {
        .recipe = {.method = VECNA_METHOD_BLEND, .lambda = 0.1, .share = 0.6}, .resamples = 10};
    vecna_map *all = fit_pairs(&made, &options);
    vecna_map *map = fit_views(part(made.source, 0, 120), part(made.target, 0, 120), &options);
    (void)state;
    for (size_t first = 120; first < 200; first += 10) {
        vecna_translate_options more = {.update = through_file(map), .resamples = 10};
        map = fit_views(part(made.source, first, 10), part(made.target, first, 10), &more);
        vecna_map *old = NULL;
        memcpy(&old, &more.update, sizeof old); /* ours, though the options borrow it as const */
        vecna_map_free(old);
    }
    assert_int_equal(map->rows_fit, 200);
    assert_int_equal(map->recipe.method,
                     VECNA_METHOD_BLEND); /* as it was: few rows choose nothing */
    assert_true(greatest_difference(all, map) < 1e-5);
    assert_true(map->statistics->count == 200);
    vecna_map_free(all);
    vecna_map_free(map);
    free_pairs(&made);
}

static void no_pairs_give_the_priors_map(void **state) {
    pairs made = make_pairs(150, 8, 11, 31);
    vecna_view none_source = {NULL, 0, 8, 8}, none_target = {NULL, 0, 11, 11};
    vecna_translate_options options = {.recipe = {.method = VECNA_METHOD_RIDGE, .lambda = 0.5},
                                       .source_name = "old",
                                       .resamples = 10};
    (void)state;
    for (int kind = VECNA_STATISTICS_F32; kind <= VECNA_STATISTICS_F16; kind++) {
        options.statistics = (vecna_statistics)kind;
        vecna_map *prior = through_file(fit_pairs(&made, &options)), *map = NULL;
        vecna_error err = {0};
        assert_int_equal(vecna_map_about(prior).statistics, kind);
        assert_status(VECNA_OK,
                      vecna_translate_prior(prior, none_source, none_target, NULL, &map, &err));
        assert_true(greatest_difference(prior, map) < (kind == VECNA_STATISTICS_F32 ? 1e-5 : 1e-2));
        assert_string_equal(map->source_name, "old");
        assert_int_equal(map->verdict, VECNA_VERDICT_WARN);
        assert_true(map->reasons == VECNA_REASON_NOT_JUDGED);
        char reason[VECNA_REASON_BYTES];
        vecna_report_reason(vecna_map_report(map), reason);
        assert_non_null(strstr(reason, "150 pairs"));
        assert_non_null(strstr(vecna_map_report_json(map), "\"prior\""));
        map = through_file(map);
        vecna_map_free(map);
        /* the means of rows of one's own move the bias alone */
        assert_status(VECNA_OK, vecna_translate_prior(prior, part(made.source, 0, 60),
                                                      part(made.target, 60, 60), NULL, &map, &err));
        assert_memory_not_equal(map->bias, prior->bias, 11 * sizeof(float));
        assert_float_equal(map->weights[3], prior->weights[3], 2e-2);
        vecna_map_free(map);
        /* another role takes what stands for it */
        vecna_translate_options query = {.role = VECNA_ROLE_QUERY};
        assert_status(VECNA_OK,
                      vecna_translate_prior(prior, none_source, none_target, &query, &map, &err));
        assert_int_equal(map->recipe.method, VECNA_METHOD_PROCRUSTES);
        vecna_map_free(map);
        vecna_map_free(prior);
    }
    free_pairs(&made);
}

/* The weight is chosen, and few rows neither praise nor refute. */
static void few_pairs_lean(void **state) {
    pairs made = make_pairs(400, 24, 20, 8);
    vecna_translate_options options = {.resamples = 50};
    vecna_map *prior = fit_views(part(made.source, 0, 370), part(made.target, 0, 370), &options);
    (void)state;
    options.prior = prior;
    vecna_map *map = fit_views(part(made.source, 370, 30), part(made.target, 370, 30), &options);
    const vecna_report *r = vecna_map_report(map);
    assert_int_equal(r->prior_trial_count, 6);
    assert_true(isinf(r->prior_trials[4].weight) && r->prior_trials[5].weight == 0);
    assert_true(r->prior_weight > 0);
    assert_int_not_equal(map->verdict, VECNA_VERDICT_FAIL);
    vecna_map_free(map);
    /* four pairs are enough to be taken, and too few to say anything */
    map = fit_views(part(made.source, 370, 4), part(made.target, 370, 4), &options);
    assert_int_equal(map->verdict, VECNA_VERDICT_WARN);
    assert_true(map->reasons & VECNA_REASON_FEW_ROWS);
    assert_int_equal(vecna_map_report(map)->prior_trial_count, 0);
    vecna_map_free(map);
    /* pairs that do not belong together are found out, however good the prior */
    options.prior_weight = 1;
    vecna_matrix shuffled = make_noise(60, 20, 1);
    for (size_t i = 0; i < 60; i++) {
        memcpy(shuffled.data + i * 20, made.target.data + ((i * 7 + 31) % 60) * 20,
               20 * sizeof(float));
    }
    map = fit_views(part(made.source, 0, 60), vecna_matrix_view(shuffled), &options);
    assert_int_equal(map->verdict, VECNA_VERDICT_FAIL);
    vecna_map_free(map);
    free(shuffled.data);
    vecna_map_free(prior);
    free_pairs(&made);
}

static void refuse(const pairs *made, const vecna_translate_options *options, vecna_status wanted,
                   const char *words) {
    vecna_map *map = NULL;
    vecna_error err = {0};
    assert_status(wanted,
                  vecna_translate_fit(vecna_matrix_view(made->source),
                                      vecna_matrix_view(made->target), options, &map, &err));
    if (!strstr(err.message, words)) {
        fail_msg("\"%s\" is not in \"%s\"", words, err.message);
    }
    assert_null(map);
}

static void what_does_not_go_together_is_refused(void **state) {
    pairs made = make_pairs(40, 6, 5, 3), other = make_pairs(40, 5, 6, 3);
    vecna_translate_options options = {.recipe = {.method = VECNA_METHOD_PROCRUSTES},
                                       .resamples = 10};
    vecna_map *prior = fit_pairs(&made, &options), *map = NULL;
    options.statistics = VECNA_STATISTICS_NONE;
    vecna_map *bare = through_file(fit_pairs(&made, &options));
    vecna_error err = {0};
    (void)state;
    assert_int_equal(vecna_map_about(bare).statistics, VECNA_STATISTICS_NONE);
    assert_true(vecna_map_about(bare).statistics_rows == 0);
    refuse(&made, &(vecna_translate_options){.prior = bare}, VECNA_ERR_ARGUMENT,
           "keeps no statistics");
    refuse(&made, &(vecna_translate_options){.update = bare}, VECNA_ERR_ARGUMENT,
           "keeps no statistics");
    refuse(&other, &(vecna_translate_options){.prior = prior}, VECNA_ERR_DIM, "from 6 to 5");
    refuse(&made, &(vecna_translate_options){.prior = prior, .update = prior}, VECNA_ERR_ARGUMENT,
           "at once");
    refuse(&made, &(vecna_translate_options){.prior = prior, .prior_weight = -1},
           VECNA_ERR_ARGUMENT, "weight of -1");
    refuse(&made, &(vecna_translate_options){.statistics = (vecna_statistics)5}, VECNA_ERR_ARGUMENT,
           "kind 5");
    for (size_t i = 0; i < 40 * 6; i++) { /* no longer of length 1 */
        made.source.data[i] *= 3;
    }
    refuse(&made, &(vecna_translate_options){.prior = prior}, VECNA_ERR_ARGUMENT, "length 1");
    vecna_view none = {NULL, 0, 6, 6}, wrong = vecna_matrix_view(other.source);
    assert_status(VECNA_ERR_ARGUMENT, vecna_translate_prior(bare, none, none, NULL, &map, &err));
    assert_status(VECNA_ERR_ARGUMENT, vecna_translate_prior(prior, vecna_matrix_view(made.source),
                                                            none, NULL, &map, &err));
    assert_status(VECNA_ERR_DIM, vecna_translate_prior(prior, wrong, wrong, NULL, &map, &err));
    assert_status(VECNA_ERR_VALUE,
                  vecna_translate_prior(prior, vecna_matrix_view(made.source),
                                        vecna_matrix_view(made.target), NULL, &map, &err));
    assert_null(map);
    vecna_map_free(prior);
    vecna_map_free(bare);
    free_pairs(&made);
    free_pairs(&other);
}

typedef struct leaning {
    const vecna_map *prior;
    pairs *made;
    int none;
} leaning;

static vecna_status lean_with(void *user, const vecna_allocator *allocator, vecna_error *err) {
    leaning *l = user;
    vecna_map *map = NULL;
    vecna_translate_options options = {.resamples = 5,
                                       .recipe = {.method = VECNA_METHOD_RIDGE, .lambda = 1},
                                       .statistics = VECNA_STATISTICS_F16,
                                       .allocator = allocator};
    vecna_view source = part(l->made->source, 0, 12), target = part(l->made->target, 0, 12);
    options.prior = l->none ? NULL : l->prior;
    vecna_status status = l->none
                              ? vecna_translate_prior(l->prior, source, target, &options, &map, err)
                              : vecna_translate_fit(source, target, &options, &map, err);
    if (!status) { /* and reading it */
        vecna_map *again = NULL;
        vecna_map_open_options open = {.allocator = allocator};
        status = vecna_map_save(map, path, err);
        status = status ? status : vecna_map_open(path, &open, &again, err);
        vecna_map_free(again);
    }
    vecna_map_free(map);
    return status;
}

static void survives_failing_memory(void **state) {
    pairs made = make_pairs(40, 6, 5, 3);
    vecna_translate_options options = {.recipe = {.method = VECNA_METHOD_PROCRUSTES},
                                       .resamples = 10};
    leaning l = {fit_pairs(&made, &options), &made, 0};
    vecna_map *prior = NULL;
    (void)state;
    assert_survives_failing_memory(lean_with, &l);
    l.none = 1;
    assert_survives_failing_memory(lean_with, &l);
    memcpy(&prior, &l.prior, sizeof prior);
    vecna_map_free(prior);
    free_pairs(&made);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fits_agree_with_the_reference),
        cmocka_unit_test(updates_are_a_fit_on_all_pairs),
        cmocka_unit_test(no_pairs_give_the_priors_map),
        cmocka_unit_test(few_pairs_lean),
        cmocka_unit_test(what_does_not_go_together_is_refused),
        cmocka_unit_test(survives_failing_memory),
    };
    snprintf(path, sizeof path, "/tmp/vecna-prior-test-%ld.vecna", (long)getpid());
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    remove(path);
    return failed;
}
