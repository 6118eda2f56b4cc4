/* Fitting: what must come out whatever the data, and what must be refused. */
#include "base/base_impl.h"
#include "translate/translate_impl.h"

#include "tests/unit/translate/pairs.h"

/* Random rotation: the orthonormal columns of noise. */
static double *make_rotation(size_t dim, uint64_t seed) {
    vecna_matrix noise = make_noise(dim, dim, seed);
    double *rotation = malloc(dim * dim * sizeof *rotation);
    assert_non_null(rotation);
    for (size_t i = 0; i < dim * dim; i++) {
        rotation[i] = (double)noise.data[i];
    }
    assert_status(VECNA_OK, vecna_linalg_orthonormal(rotation, dim, dim, NULL));
    free(noise.data);
    return rotation;
}

static vecna_matrix rotate_rows(vecna_matrix rows, const double *rotation) {
    vecna_matrix out = vecna_matrix_dense(make_floats(rows.rows * rows.dim), rows.rows, rows.dim);
    for (size_t i = 0; i < rows.rows; i++) {
        for (size_t j = 0; j < rows.dim; j++) {
            double sum = 0;
            for (size_t k = 0; k < rows.dim; k++) {
                sum += (double)rows.data[i * rows.dim + k] * rotation[k * rows.dim + j];
            }
            out.data[i * rows.dim + j] = (float)sum;
        }
    }
    return out;
}

static vecna_matrix apply(const vecna_map *map, vecna_view in) {
    size_t dim = vecna_map_about(map).target_dim;
    vecna_matrix out = vecna_matrix_dense(make_floats(in.rows * dim), in.rows, dim);
    assert_status(VECNA_OK, vecna_map_apply(map, in, out, NULL, NULL));
    return out;
}

static double furthest(const float *a, const float *b, size_t count) {
    double most = 0;
    for (size_t i = 0; i < count; i++) {
        most = fmax(most, fabs((double)a[i] - (double)b[i]));
    }
    return most;
}

/* ---- what must come out ---------------------------------------------------------------------- */

static void a_pure_rotation_is_recovered(void **state) {
    (void)state;
    pairs made = make_pairs(240, 12, 8, 1);
    double *rotation = make_rotation(12, 99);
    vecna_matrix turned = rotate_rows(made.source, rotation);
    vecna_translate_options options = {.resamples = 50};
    vecna_map *map = fit_views(vecna_matrix_view(made.source), vecna_matrix_view(turned), &options);
    assert_int_equal(map->recipe.method, VECNA_METHOD_PROCRUSTES); /* and nothing more is tried */
    for (size_t i = 0; i < 144; i++) { /* float32 pairs: their rounding is all that is left */
        assert_true(fabs((double)map->weights[i] - rotation[i]) < 1e-5);
    }
    for (size_t j = 0; j < 12; j++) {
        assert_true(fabs((double)map->bias[j]) < 1e-5);
    }
    assert_int_equal(map->verdict, VECNA_VERDICT_PASS);
    assert_true(vecna_map_report(map)->truth.retention.retention.value > 0.999);
    vecna_map_free(map);
    free(rotation);
    free(turned.data);
    free_pairs(&made);
}

static void an_identity_pair_gives_the_identity(void **state) {
    (void)state;
    pairs made = make_pairs(240, 12, 8, 2);
    vecna_translate_options options = {.resamples = 50};
    vecna_map *map =
        fit_views(vecna_matrix_view(made.source), vecna_matrix_view(made.source), &options);
    for (size_t i = 0; i < 12; i++) {
        for (size_t j = 0; j < 12; j++) {
            double wanted = i == j;
            assert_true(fabs((double)map->weights[i * 12 + j] - wanted) < 1e-5);
        }
    }
    assert_int_equal(map->verdict, VECNA_VERDICT_WARN); /* nothing needs translating */
    assert_int_equal(map->reasons, VECNA_REASON_NOT_NEEDED);
    vecna_map_free(map);
    free_pairs(&made);
}

/* A map learned from rotated sources gives rotated sources the same translation. */
static void rotating_the_source_changes_nothing(void **state) {
    (void)state;
    pairs made = make_pairs(200, 10, 14, 3);
    double *rotation = make_rotation(10, 98);
    vecna_matrix turned = rotate_rows(made.source, rotation);
    const vecna_recipe recipes[] = {
        {.method = VECNA_METHOD_PROCRUSTES},
        {.method = VECNA_METHOD_PROCRUSTES_LS},
        {.method = VECNA_METHOD_PROCRUSTES_RADIUS},
        {.method = VECNA_METHOD_PROCRUSTES_DIAGONAL},
        {.method = VECNA_METHOD_RIDGE, .lambda = 0.1},
        {.method = VECNA_METHOD_REDUCED_RANK, .lambda = 0.1, .rank = 4},
        {.method = VECNA_METHOD_BLEND, .lambda = 0.1, .share = 0.6},
        {.method = VECNA_METHOD_FAMILY, .lambda = 0.1, .exponent = 0.5},
    };
    for (size_t r = 0; r < sizeof recipes / sizeof *recipes; r++) {
        vecna_translate_options options = {.recipe = recipes[r], .resamples = 10};
        vecna_map *plain = fit_pairs(&made, &options);
        vecna_map *map =
            fit_views(vecna_matrix_view(turned), vecna_matrix_view(made.target), &options);
        vecna_matrix a = apply(plain, vecna_matrix_view(made.source));
        vecna_matrix b = apply(map, vecna_matrix_view(turned));
        /* float32 sources, turned and rounded again: 1e-7 a number, more along small directions */
        assert_true(furthest(a.data, b.data, a.rows * a.dim) < 1e-4);
        free(a.data);
        free(b.data);
        vecna_map_free(plain);
        vecna_map_free(map);
    }
    free(rotation);
    free(turned.data);
    free_pairs(&made);
}

static void the_order_of_pairs_changes_nothing(void **state) {
    (void)state;
    pairs made = make_pairs(150, 9, 11, 4);
    pairs mixed = make_pairs(150, 9, 11, 4);
    size_t order[150];
    vecna_random random;
    vecna_random_seed(&random, 5, 0);
    for (size_t i = 0; i < 150; i++) {
        order[i] = i;
    }
    vecna_random_shuffle(&random, order, 150);
    for (size_t i = 0; i < 150; i++) {
        memcpy(mixed.source.data + i * 9, made.source.data + order[i] * 9, 9 * sizeof(float));
        memcpy(mixed.target.data + i * 11, made.target.data + order[i] * 11, 11 * sizeof(float));
    }
    vecna_translate_options options = {.resamples = 50};
    vecna_map *a = fit_pairs(&made, &options);
    vecna_map *b = fit_pairs(&mixed, &options);
    assert_int_equal(a->recipe.method, b->recipe.method);
    assert_true(a->recipe.lambda == b->recipe.lambda);
    assert_true(furthest(a->weights, b->weights, 99) < 1e-5); /* sums in another order */
    assert_true(fabs(a->report.truth.retention.retention.value -
                     b->report.truth.retention.retention.value) < 0.01);
    assert_int_equal(a->report.groups, b->report.groups);
    vecna_map_free(a);
    vecna_map_free(b);
    free_pairs(&made);
    free_pairs(&mixed);
}

static void good_pairs_pass_in_both_roles(void **state) {
    (void)state;
    pairs made = make_pairs(300, 16, 12, 6);
    for (int role = 0; role < 2; role++) {
        vecna_translate_options options = {
            .role = (vecna_role)role, .resamples = 100, .source_name = "old", .target_name = "new"};
        vecna_map *map = fit_pairs(&made, &options);
        const vecna_report *report = vecna_map_report(map);
        vecna_map_info info = vecna_map_about(map);
        assert_int_equal(report->verdict, VECNA_VERDICT_PASS);
        assert_int_equal(info.role, role);
        assert_string_equal(info.source_name, "old");
        assert_string_equal(info.target_name, "new");
        assert_int_equal(report->rows_report, 300); /* each by a map that did not see it */
        assert_int_equal(report->folds_report, 5);
        assert_true(report->candidate_count > 15);
        size_t chosen = 0;
        for (size_t i = 0; i < report->candidate_count; i++) {
            chosen += (size_t)report->candidates[i].chosen;
        }
        assert_int_equal(chosen, 1);
        assert_true(report->cosine.value > report->cosine_mean_vector);
        assert_true(report->truth.retention.controls_cleared);
        assert_non_null(strstr(vecna_map_report_json(map), "\"verdict\":\"PASS\""));
        assert_non_null(vecna_map_source_space(map));
        assert_int_equal(vecna_space_dim(vecna_map_target_space(map)), 12);
        vecna_map_free(map);
    }
    free_pairs(&made);
}

/* With many rows each part is one fold, and the report is of the map that the choice was made with. */
static void many_pairs_are_cut_into_three_parts(void **state) {
    (void)state;
    enum { ROWS = 13000 };
    pairs made = make_pairs(ROWS, 7, 5, 17);
    uint64_t *groups = malloc(ROWS * sizeof *groups);
    assert_non_null(groups);
    for (size_t i = 0; i < ROWS; i++) {
        groups[i] = i;
    }
    vecna_translate_options options = {
        .recipe = {.method = VECNA_METHOD_RIDGE}, .groups = groups, .resamples = 10};
    vecna_map *map = fit_pairs(&made, &options);
    const vecna_report *report = vecna_map_report(map);
    assert_int_equal(report->folds_report, 1);
    assert_int_equal(report->rows_report, ROWS / 5);
    assert_int_equal(report->folds_select, 1);
    assert_int_equal(report->rows_select, 2000);
    assert_int_equal(report->rows_fit, ROWS);
    assert_int_equal(report->truth.queries, 1000);
    assert_int_equal(report->verdict, VECNA_VERDICT_PASS);
    vecna_map_free(map);
    free(groups);
    free_pairs(&made);
}

static void every_method_can_be_asked_for(void **state) {
    (void)state;
    pairs made = make_pairs(80, 8, 10, 7);
    for (int m = 1; m < VECNA_METHODS; m++) {
        if (m == VECNA_METHOD_GIVEN) { /* not fitted */
            continue;
        }
        vecna_translate_options options = {.recipe = {.method = (vecna_method)m}, .resamples = 20};
        char name[VECNA_RECIPE_NAME_BYTES];
        vecna_method parsed;
        vecna_map *map = fit_pairs(&made, &options);
        assert_int_equal(map->recipe.method, m);
        vecna_recipe_name(&map->recipe, name);
        assert_true(strncmp(name, vecna_method_name((vecna_method)m), 5) == 0);
        assert_true(vecna_method_parse(vecna_method_name((vecna_method)m), &parsed));
        assert_int_equal(parsed, m);
        assert_true(strlen(vecna_method_sentence((vecna_method)m)) > 10);
        if (m >= VECNA_METHOD_RIDGE) { /* its numbers were chosen */
            assert_true(map->recipe.lambda > 0);
            assert_true(map->report.candidate_count > 0);
        } else {
            assert_int_equal(map->report.candidate_count, 0);
        }
        vecna_map_free(map);
    }
    free_pairs(&made);
}

/* ---- the verdict must be able to say no ------------------------------------------------------ */

static vecna_verdict verdict_of(vecna_matrix source, vecna_matrix target, unsigned *reasons) {
    vecna_translate_options options = {.resamples = 200};
    vecna_map *map = fit_views(vecna_matrix_view(source), vecna_matrix_view(target), &options);
    vecna_verdict verdict = map->verdict;
    char reason[VECNA_REASON_BYTES];
    vecna_report_reason(vecna_map_report(map), reason);
    assert_true(strlen(reason) > 20);
    *reasons = map->reasons;
    vecna_map_free(map);
    return verdict;
}

static void shuffled_pairs_fail(void **state) {
    (void)state;
    pairs made = make_pairs(250, 12, 10, 8);
    pairs other = make_pairs(250, 12, 10, 8);
    unsigned reasons;
    for (size_t i = 0; i < 250; i++) {
        memcpy(other.target.data + i * 10, made.target.data + (i * 7 + 3) % 250 * 10,
               10 * sizeof(float));
    }
    assert_int_equal(verdict_of(other.source, other.target, &reasons), VECNA_VERDICT_FAIL);
    free_pairs(&made);
    free_pairs(&other);
}

static void unrelated_sets_and_noise_fail(void **state) {
    (void)state;
    pairs made = make_pairs(250, 12, 10, 9);
    pairs other = make_pairs(250, 12, 10, 900);
    vecna_matrix noise = make_noise(250, 12, 5);
    vecna_matrix more = make_noise(250, 20, 6);
    unsigned reasons;
    to_unit(noise);
    to_unit(more);
    assert_int_equal(verdict_of(made.source, other.target, &reasons), VECNA_VERDICT_FAIL);
    assert_int_equal(verdict_of(noise, more, &reasons), VECNA_VERDICT_FAIL);
    assert_int_equal(verdict_of(made.source, more, &reasons), VECNA_VERDICT_FAIL);
    free(noise.data);
    free(more.data);
    free_pairs(&made);
    free_pairs(&other);
}

static void twenty_pairs_of_1536_fail(void **state) {
    (void)state;
    pairs made = make_pairs(20, 1536, 768, 10);
    unsigned reasons;
    assert_int_equal(verdict_of(made.source, made.target, &reasons), VECNA_VERDICT_FAIL);
    assert_true(reasons & VECNA_REASON_FEW_ROWS);
    free_pairs(&made);
}

/* ---- duplicates, queries, judgements --------------------------------------------------------- */

static void duplicates_stay_together(void **state) {
    (void)state;
    pairs made = make_pairs(120, 10, 8, 11);
    for (size_t i = 80; i < 120; i++) { /* 40 rows again, nearly */
        memcpy(made.source.data + i * 10, made.source.data + (i - 80) * 10, 10 * sizeof(float));
        memcpy(made.target.data + i * 8, made.target.data + (i - 80) * 8, 8 * sizeof(float));
        made.source.data[i * 10] += 1e-3f;
    }
    vecna_translate_options options = {.recipe = {.method = VECNA_METHOD_RIDGE, .lambda = 0.1},
                                       .duplicate_cosine = 0.999,
                                       .resamples = 20};
    vecna_map *map = fit_pairs(&made, &options);
    assert_in_range(map->report.groups, 76, 80); /* a chance neighbour or two may join */
    vecna_map_free(map);

    uint64_t groups[120];
    for (size_t i = 0; i < 120; i++) {
        groups[i] = i / 3;
    }
    options.groups =
        groups; /* rows i and i + 80 of i < 40 chain groups 0 to 13 and 26 to 39 into one */
    map = fit_pairs(&made, &options);
    assert_in_range(map->report.groups, 11, 13);
    vecna_map_free(map);

    options.duplicate_cosine = 0; /* the groups alone */
    map = fit_pairs(&made, &options);
    assert_int_equal(map->report.groups, 40);
    vecna_map_free(map);

    for (size_t i = 0; i < 120; i++) {
        groups[i] = 7;
    }
    vecna_error err = {0};
    vecna_status status = vecna_translate_fit(vecna_matrix_view(made.source),
                                              vecna_matrix_view(made.target), &options, &map, &err);
    assert_status(VECNA_ERR_NUMERIC, status);
    free_pairs(&made);
}

static void folds_never_share_a_group(void **state) {
    (void)state;
    enum { ROWS = 200 };
    size_t rows[ROWS], group[ROWS];
    uint64_t key[ROWS];
    for (size_t i = 0; i < ROWS; i++) {
        rows[i] = i;
        group[i] = i * i % 61;
        key[i] = vni_hash(VNI_HASH_START, &i, sizeof i);
    }
    vni_split_input input = {rows, ROWS, group, key, ROWS, 5, 3};
    vni_split split;
    assert_status(VECNA_OK, vni_split_new(&input, NULL, &split, NULL));
    size_t sizes[5] = {0};
    for (size_t i = 0; i < ROWS; i++) {
        sizes[split.fold[i]]++;
        for (size_t j = 0; j < ROWS; j++) {
            assert_true(group[i] != group[j] || split.fold[i] == split.fold[j]);
        }
    }
    for (size_t f = 0; f < 5; f++) {
        assert_in_range(sizes[f], ROWS / 5 - 8, ROWS / 5 + 8);
    }
    vni_split_free(&split);
}

static void texts_that_differ_in_form_are_one_group(void **state) {
    (void)state;
    const char *same[] = {"A cat  sat.", " a CAT\tsat. ", "a cat sat.\n"};
    uint64_t first = vecna_translate_text_group(same[0], strlen(same[0]));
    for (size_t i = 1; i < 3; i++) {
        assert_true(first == vecna_translate_text_group(same[i], strlen(same[i])));
    }
    assert_true(first != vecna_translate_text_group("a catsat.", 9));
    assert_true(first != vecna_translate_text_group("", 0));
}

static void judged_rows_are_never_fitted(void **state) {
    (void)state;
    pairs made = make_pairs(260, 12, 10, 12);
    enum { JUDGED = 60 };
    vecna_judgement judgements[JUDGED];
    for (size_t i = 0; i < JUDGED; i++) { /* a row is its own query */
        judgements[i] = (vecna_judgement){i, (int64_t)(i * 2), 1};
    }
    vecna_matrix source = vecna_matrix_dense(make_floats(JUDGED * 12), JUDGED, 12);
    vecna_matrix target = vecna_matrix_dense(make_floats(JUDGED * 10), JUDGED, 10);
    for (size_t i = 0; i < JUDGED; i++) {
        memcpy(source.data + i * 12, made.source.data + i * 24, 12 * sizeof(float));
        memcpy(target.data + i * 10, made.target.data + i * 20, 10 * sizeof(float));
    }
    vecna_translate_options options = {.resamples = 100, .duplicate_cosine = 1};
    options.queries = (vecna_translate_queries){vecna_matrix_view(source),
                                                vecna_matrix_view(target), judgements, JUDGED};
    vecna_map *map = fit_pairs(&made, &options);
    const vecna_report *report = vecna_map_report(map);
    assert_int_equal(report->rows_judged, JUDGED);
    assert_int_equal(report->rows_fit, 200);
    assert_int_equal(report->rows_report, 260);
    assert_string_equal(report->truth.name, "judged queries");
    assert_int_equal(report->truth.queries, JUDGED);
    assert_true(report->truth.native.ndcg10.value == 1); /* every query finds itself */
    assert_true(report->truth.retention.has_status_quo);
    assert_int_equal(report->verdict, VECNA_VERDICT_WARN); /* the old model finds itself as well */
    vecna_map_free(map);

    options.role = VECNA_ROLE_QUERY; /* nothing to warn of: what is asked is the old corpus */
    map = fit_pairs(&made, &options);
    assert_false(vecna_map_report(map)->truth.retention.has_status_quo);
    vecna_map_free(map);

    options.queries.judgements = NULL; /* a sample: half chooses, half reports */
    options.queries.judgement_count = 0;
    map = fit_pairs(&made, &options);
    assert_int_equal(vecna_map_report(map)->truth.queries, JUDGED / 2);
    assert_string_equal(vecna_map_report(map)->truth.name, "native neighbours of sample queries");
    vecna_map_free(map);
    free(source.data);
    free(target.data);
    free_pairs(&made);
}

static void when_all_rows_are_judged_they_are_cross_fitted(void **state) {
    (void)state;
    pairs made = make_pairs(100, 10, 8, 13);
    vecna_judgement judgements[100];
    for (size_t i = 0; i < 100; i++) {
        judgements[i] = (vecna_judgement){i, (int64_t)i, 1};
    }
    vecna_translate_options options = {.resamples = 50, .duplicate_cosine = 1};
    options.queries = (vecna_translate_queries){vecna_matrix_view(made.source),
                                                vecna_matrix_view(made.target), judgements, 100};
    for (int role = 0; role < 2; role++) {
        options.role = (vecna_role)role;
        vecna_map *map = fit_pairs(&made, &options);
        assert_int_equal(map->report.rows_fit, 100);
        assert_int_equal(map->report.rows_judged, 100);
        assert_int_equal(map->report.folds_report, 5);
        assert_true(map->report.truth.retention.retention.value > 0.5);
        vecna_map_free(map);
    }
    free_pairs(&made);
}

/* ---- what must be refused -------------------------------------------------------------------- */

static int cancel(void *user, const char *stage, double done) {
    (void)stage;
    assert_true(done >= 0 && done <= 1);
    return --*(int *)user == 0;
}

static void bad_input_is_refused(void **state) {
    (void)state;
    pairs made = make_pairs(60, 6, 5, 14);
    vecna_view source = vecna_matrix_view(made.source), target = vecna_matrix_view(made.target);
    vecna_map *map = NULL;
    vecna_error err;
    vecna_translate_options options = {0};
    assert_status(VECNA_ERR_DIM,
                  vecna_translate_fit(source, vecna_view_rows(target, 0, 59), NULL, &map, &err));
    assert_status(VECNA_ERR_ARGUMENT,
                  vecna_translate_fit(vecna_view_rows(source, 0, 7), vecna_view_rows(target, 0, 7),
                                      NULL, &map, &err));
    made.target.data[33 * 5 + 2] = NAN;
    assert_status(VECNA_ERR_VALUE, vecna_translate_fit(source, target, NULL, &map, &err));
    assert_int_equal(err.position, 33);
    assert_non_null(strstr(err.message, "row 33 of the target"));
    memset(made.target.data + 33 * 5, 0, 5 * sizeof(float));
    assert_status(VECNA_ERR_VALUE, vecna_translate_fit(source, target, NULL, &map, &err));
    made.target.data[33 * 5] = 1;
    made.source.data[7] = INFINITY;
    assert_status(VECNA_ERR_VALUE, vecna_translate_fit(source, target, NULL, &map, &err));
    assert_int_equal(err.position, 1);
    made.source.data[7] = 0.1f;

    const vecna_translate_options wrong[] = {
        {.recipe = {.method = (vecna_method)99}},
        {.recipe = {.method = VECNA_METHOD_RIDGE, .lambda = -1}},
        {.recipe = {.method = VECNA_METHOD_RIDGE, .lambda = NAN}},
        {.recipe = {.method = VECNA_METHOD_BLEND, .share = 1.5}},
        {.recipe = {.method = VECNA_METHOD_FAMILY, .exponent = -0.1}},
        {.min_retention = 2},
        {.duplicate_cosine = -1},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_status(VECNA_ERR_ARGUMENT,
                      vecna_translate_fit(source, target, &wrong[i], &map, &err));
    }
    options.queries.source = source;
    options.queries.target = vecna_view_rows(target, 0, 10);
    assert_status(VECNA_ERR_DIM, vecna_translate_fit(source, target, &options, &map, &err));
    options.queries.target = target;
    options.queries.judgements = &(vecna_judgement){0, 60, 1};
    options.queries.judgement_count = 1;
    assert_status(VECNA_ERR_ARGUMENT, vecna_translate_fit(source, target, &options, &map, &err));
    for (size_t i = 1; i < 60; i++) {
        memcpy(made.source.data + i * 6, made.source.data, 6 * sizeof(float));
    }
    assert_status(VECNA_ERR_NUMERIC, vecna_translate_fit(source, target, NULL, &map, &err));
    assert_null(map);
    free_pairs(&made);
}

static void a_fit_can_be_cancelled(void **state) {
    (void)state;
    pairs made = make_pairs(60, 6, 5, 15);
    vecna_error err;
    vecna_map *map = NULL;
    for (int at = 1; at < 12; at += 3) {
        int left = at;
        vecna_translate_options options = {
            .progress = cancel, .progress_user = &left, .resamples = 20};
        assert_status(VECNA_ERR_ARGUMENT,
                      vecna_translate_fit(vecna_matrix_view(made.source),
                                          vecna_matrix_view(made.target), &options, &map, &err));
        assert_non_null(strstr(err.message, "cancelled"));
    }
    assert_null(map);
    free_pairs(&made);
}

static vecna_status fit_whole(void *user, const vecna_allocator *allocator, vecna_error *err) {
    const pairs *made = user;
    vecna_map *map = NULL;
    vecna_translate_options options = {.recipe = {.method = VECNA_METHOD_BLEND, .lambda = 0.1},
                                       .allocator = allocator,
                                       .resamples = 5};
    vecna_status status = vecna_translate_fit(vecna_matrix_view(made->source),
                                              vecna_matrix_view(made->target), &options, &map, err);
    vecna_map_free(map);
    return status;
}

static void every_failing_allocation_is_survived(void **state) {
    (void)state;
    pairs made = make_pairs(10, 3, 2, 16);
    assert_survives_failing_memory(fit_whole, &made);
    free_pairs(&made);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pure_rotation_is_recovered),
        cmocka_unit_test(an_identity_pair_gives_the_identity),
        cmocka_unit_test(rotating_the_source_changes_nothing),
        cmocka_unit_test(the_order_of_pairs_changes_nothing),
        cmocka_unit_test(good_pairs_pass_in_both_roles),
        cmocka_unit_test(many_pairs_are_cut_into_three_parts),
        cmocka_unit_test(every_method_can_be_asked_for),
        cmocka_unit_test(shuffled_pairs_fail),
        cmocka_unit_test(unrelated_sets_and_noise_fail),
        cmocka_unit_test(twenty_pairs_of_1536_fail),
        cmocka_unit_test(duplicates_stay_together),
        cmocka_unit_test(folds_never_share_a_group),
        cmocka_unit_test(texts_that_differ_in_form_are_one_group),
        cmocka_unit_test(judged_rows_are_never_fitted),
        cmocka_unit_test(when_all_rows_are_judged_they_are_cross_fitted),
        cmocka_unit_test(bad_input_is_refused),
        cmocka_unit_test(a_fit_can_be_cancelled),
        cmocka_unit_test(every_failing_allocation_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
