/* Maps with a memory: properties, files, and what `auto` makes of pairs that are not linear. */
#include "translate/map_file_impl.h"
#include "translate/memory_impl.h"

#include "tests/unit/translate/pairs.h"

#include <stdio.h>
#include <unistd.h>

static const vecna_recipe recipe = {.method = VECNA_METHOD_MEMORY,
                                    .lambda = 0.1,
                                    .share = 0.6,
                                    .neighbours = 8,
                                    .temperature = 0.1,
                                    .correction = 1};

static vecna_map *fit_with(const pairs *made, vecna_recipe given) {
    vecna_translate_options options = {.recipe = given, .resamples = 10};
    return fit_pairs(made, &options);
}

static vecna_matrix apply(const vecna_map *map, vecna_view in, vecna_pool *pool) {
    const size_t dim = vecna_map_about(map).target_dim;
    vecna_matrix out = vecna_matrix_dense(make_floats(in.rows * dim), in.rows, dim);
    assert_status(VECNA_OK, vecna_map_apply(map, in, out, pool, NULL));
    return out;
}

static double furthest(vecna_matrix a, vecna_matrix b) {
    double most = 0;
    for (size_t i = 0; i < a.rows * a.dim; i++) {
        most = fmax(most, fabs((double)a.data[i] - (double)b.data[i]));
    }
    return most;
}

/* Pairs whose targets turn with the region that the source lies in: no linear map has them. */
static pairs make_regions(size_t rows, size_t source_dim, size_t target_dim, uint64_t seed) {
    pairs made = make_pairs(rows, source_dim, target_dim, seed);
    vecna_matrix shift = make_noise(8, target_dim, seed + 1);
    for (size_t i = 0; i < rows; i++) {
        const float *row = made.source.data + i * source_dim;
        const size_t region =
            (row[0] > 0.1f) + 2 * (size_t)(row[1] > 0.2f) + 4 * (size_t)(row[2] > 0.3f);
        for (size_t j = 0; j < target_dim; j++) {
            made.target.data[i * target_dim + j] += 0.25f * shift.data[region * target_dim + j];
        }
    }
    to_unit(made.target);
    free(shift.data);
    return made;
}

static void an_identity_pair_stays_the_identity(void **state) {
    (void)state;
    pairs made = make_pairs(120, 9, 5, 2);
    vecna_translate_options options = {.recipe = recipe, .resamples = 10};
    options.recipe.share = 1; /* a rotation leaves nothing to remember */
    vecna_map *map =
        fit_views(vecna_matrix_view(made.source), vecna_matrix_view(made.source), &options);
    vecna_matrix out = apply(map, vecna_matrix_view(made.source), NULL);
    assert_true(furthest(out, made.source) < 1e-5);
    vecna_map_free(map);
    free(out.data);
    free_pairs(&made);
}

static void rotating_the_source_changes_little(void **state) {
    (void)state;
    pairs made = make_pairs(200, 10, 14, 3), turned = make_pairs(200, 10, 14, 3);
    /* reflection about a direction: x - 2 (x.v) v */
    double v[10], square = 0;
    for (size_t j = 0; j < 10; j++) {
        v[j] = 1 + (double)(j * j % 7);
        square += v[j] * v[j];
    }
    for (size_t i = 0; i < 200; i++) {
        float *row = turned.source.data + i * 10;
        double dot = 0;
        for (size_t j = 0; j < 10; j++) {
            dot += (double)row[j] * v[j];
        }
        for (size_t j = 0; j < 10; j++) {
            row[j] = (float)((double)row[j] - 2 * dot / square * v[j]);
        }
    }
    vecna_map *a = fit_with(&made, recipe), *b = fit_with(&turned, recipe);
    vecna_matrix x = apply(a, vecna_matrix_view(made.source), NULL);
    vecna_matrix y = apply(b, vecna_matrix_view(turned.source), NULL);
    /* bytes of turned rows round otherwise: in ten dimensions 5e-3 of a cosine, which is 5 % of a weight
     * at tau 0.1 and can exchange the last neighbour for the next */
    double mean = 0;
    for (size_t i = 0; i < 200 * 14; i++) {
        mean += fabs((double)x.data[i] - (double)y.data[i]) / (200 * 14);
    }
    assert_true(mean < 0.005);
    assert_true(furthest(x, y) < 0.1);
    vecna_map_free(a);
    vecna_map_free(b);
    free(x.data);
    free(y.data);
    free_pairs(&made);
    free_pairs(&turned);
}

static void the_order_of_pairs_changes_nothing(void **state) {
    (void)state;
    pairs made = make_pairs(150, 9, 11, 4), mixed = make_pairs(150, 9, 11, 4);
    for (size_t i = 0; i < 150; i++) {
        const size_t from = (i * 47 + 5) % 150;
        memcpy(mixed.source.data + i * 9, made.source.data + from * 9, 9 * sizeof(float));
        memcpy(mixed.target.data + i * 11, made.target.data + from * 11, 11 * sizeof(float));
    }
    vecna_map *a = fit_with(&made, recipe), *b = fit_with(&mixed, recipe);
    vecna_matrix x = apply(a, vecna_matrix_view(made.source), NULL);
    vecna_matrix y = apply(b, vecna_matrix_view(made.source), NULL);
    assert_true(furthest(x, y) < 1e-4); /* a code of a residual may round otherwise */
    vecna_map_free(a);
    vecna_map_free(b);
    free(x.data);
    free(y.data);
    free_pairs(&made);
    free_pairs(&mixed);
}

/* A row that no pair is near to is translated as without a memory. */
static void rows_far_from_all_pairs_are_left_alone(void **state) {
    (void)state;
    enum { DIM = 12 };
    pairs made = make_pairs(80, DIM, 7, 6);
    for (size_t i = 0; i < 80; i++) { /* pairs in one half of the space */
        for (size_t j = 6; j < DIM; j++) {
            made.source.data[i * DIM + j] *= 1e-3f;
        }
    }
    to_unit(made.source);
    vecna_map *map = fit_with(&made, recipe);
    float far[DIM], translated[7] = {1}, near[7] = {1};
    map->memory->normalized_source = 0;
    for (size_t j = 0; j < DIM; j++) { /* the centre, and a long way out of the half */
        far[j] = map->memory->centre[j] + (j == 9 ? 30.0f : 0);
    }
    vecna_matrix out = vecna_matrix_dense(translated, 1, 7);
    assert_status(VECNA_OK,
                  vni_memory_correct(map->memory, vecna_view_dense(far, 1, DIM), out, NULL, NULL));
    assert_true(fabs((double)translated[0] - 1) < 0.02); /* cosines of 1e-2 at most */
    out.data = near;
    vecna_view one = vecna_view_rows(vecna_matrix_view(made.source), 0, 1);
    assert_status(VECNA_OK, vni_memory_correct(map->memory, one, out, NULL, NULL));
    double moved = 0;
    for (size_t j = 0; j < 7; j++) {
        moved += fabs((double)near[j] - (j == 0));
    }
    assert_true(moved > 0.05); /* while the pairs themselves are corrected */
    vecna_map_free(map);
    free_pairs(&made);
}

/* One pair's target is turned about: everything near moves, the pair itself does not. */
static void a_pair_does_not_correct_itself(void **state) {
    (void)state;
    pairs made = make_pairs(100, 8, 6, 8);
    vecna_map *map = fit_with(&made, recipe);
    const vecna_index_parts parts = vecna_index_parts_of(map->memory->index);
    vecna_view one = vecna_view_rows(vecna_matrix_view(made.source), 17, 1);
    int32_t found[8], itself = -1;
    float scores[8];
    float centred[8];
    for (size_t j = 0; j < 8; j++) {
        centred[j] = one.data[j] - map->memory->centre[j];
    }
    const vecna_index_query query = {.k = 8};
    assert_status(VECNA_OK, vecna_index_find(map->memory->index, vecna_view_dense(centred, 1, 8),
                                             &query, found, scores, NULL, NULL));
    itself = found[0];
    assert_true(scores[0] > VNI_MEMORY_ITSELF && (size_t)itself < parts.rows);
    vecna_matrix before = apply(map, one, NULL);
    memset(map->memory->residuals + (size_t)itself * 6, 127, 6);
    vecna_matrix after = apply(map, one, NULL);
    assert_true(furthest(before, after) == 0);
    memset(map->memory->residuals + (size_t)found[1] * 6, 127, 6);
    map->memory->scales[found[1]] = 0.1f;
    vecna_matrix moved = apply(map, one, NULL);
    assert_true(furthest(before, moved) > 0.01);
    free(before.data);
    free(after.data);
    free(moved.data);
    vecna_map_free(map);
    free_pairs(&made);
}

static void lengths_threads_and_batches_change_nothing(void **state) {
    (void)state;
    pairs made = make_pairs(90, 7, 9, 10);
    vecna_map *map = fit_with(&made, recipe);
    vecna_matrix in = make_noise(4500, 7, 12);
    vecna_matrix whole = apply(map, vecna_matrix_view(in), NULL);
    vecna_pool *pool = NULL;
    assert_status(VECNA_OK, vecna_pool_new(3, NULL, &pool, NULL));
    vecna_matrix pooled = apply(map, vecna_matrix_view(in), pool);
    assert_true(furthest(whole, pooled) == 0);
    for (size_t i = 0; i < 4500; i += 1613) {
        vecna_matrix alone = apply(map, vecna_view_rows(vecna_matrix_view(in), i, 1), NULL);
        assert_true(furthest(alone, vecna_matrix_rows(whole, i, 1)) < 1e-6);
        free(alone.data);
    }
    for (size_t i = 0; i < 4500 * 7; i++) {
        in.data[i] *= 4;
    }
    vecna_matrix longer = apply(map, vecna_matrix_view(in), NULL);
    assert_true(furthest(whole, longer) < 1e-5);
    vecna_matrix raw = vecna_matrix_dense(make_floats(4500 * 9), 4500, 9);
    assert_status(VECNA_OK, vecna_map_apply_raw(map, vecna_matrix_view(in), raw, NULL, NULL));
    to_unit(raw);
    assert_true(furthest(whole, raw) < 1e-5); /* the same directions */
    vecna_pool_free(pool);
    free(in.data);
    free(whole.data);
    free(pooled.data);
    free(longer.data);
    free(raw.data);
    vecna_map_free(map);
    free_pairs(&made);
}

static void auto_remembers_what_is_not_linear(void **state) {
    (void)state;
    pairs made = make_regions(500, 10, 12, 14);
    vecna_translate_options options = {.resamples = 20};
    vecna_map *map = fit_pairs(&made, &options);
    assert_int_equal(map->recipe.method, VECNA_METHOD_MEMORY);
    assert_non_null(map->memory);
    assert_int_equal(map->memory->rows, 500);
    assert_non_null(strstr(vecna_map_report_json(map), "\"method\":\"memory\""));
    vecna_map_free(map);
    options.role = VECNA_ROLE_QUERY; /* it never helped queries: not a candidate */
    map = fit_pairs(&made, &options);
    for (size_t i = 0; i < map->report.candidate_count; i++) {
        assert_int_not_equal(map->report.candidates[i].recipe.method, VECNA_METHOD_MEMORY);
    }
    vecna_map_free(map);
    options.recipe.method = VECNA_METHOD_MEMORY; /* but it can be asked for, on a rotation */
    map = fit_pairs(&made, &options);
    assert_true(map->recipe.share == 1 && map->recipe.correction > 0);
    vecna_map_free(map);
    free_pairs(&made);
}

/* ---- updates --------------------------------------------------------------------------------- */

/* Pairs in two parts, the second by an update: as all at once, but for what bytes round. Without a
 * memory the translations lie ten times as far off. */
static void an_update_remembers_both(void **state) {
    (void)state;
    pairs made = make_regions(600, 24, 20, 41);
    const vecna_view source = vecna_matrix_view(made.source);
    const vecna_view target = vecna_matrix_view(made.target);
    vecna_translate_options options = {.recipe = {.method = VECNA_METHOD_MEMORY,
                                                  .lambda = 0.1,
                                                  .share = 0.8,
                                                  .neighbours = 16,
                                                  .temperature = 0.1,
                                                  .correction = 1},
                                       .resamples = 10};
    vecna_map *all = NULL, *first = NULL, *both = NULL, *plain = NULL;
    const vecna_view asked = vecna_view_rows(source, 500, 100);
    assert_status(VECNA_OK,
                  vecna_translate_fit(vecna_view_rows(source, 0, 500),
                                      vecna_view_rows(target, 0, 500), &options, &all, NULL));
    assert_status(VECNA_OK,
                  vecna_translate_fit(vecna_view_rows(source, 0, 300),
                                      vecna_view_rows(target, 0, 300), &options, &first, NULL));
    vecna_translate_options more = {.update = first, .resamples = 10};
    assert_status(VECNA_OK,
                  vecna_translate_fit(vecna_view_rows(source, 300, 200),
                                      vecna_view_rows(target, 300, 200), &more, &both, NULL));
    assert_int_equal(both->recipe.method, VECNA_METHOD_MEMORY);
    assert_int_equal(both->memory->rows, 500);
    options.recipe.method = VECNA_METHOD_BLEND;
    options.recipe.neighbours = 0;
    options.recipe.temperature = options.recipe.correction = 0;
    assert_status(VECNA_OK,
                  vecna_translate_fit(vecna_view_rows(source, 0, 500),
                                      vecna_view_rows(target, 0, 500), &options, &plain, NULL));
    vecna_matrix wanted = apply(all, asked, NULL), got = apply(both, asked, NULL);
    vecna_matrix without = apply(plain, asked, NULL);
    assert_true(furthest(wanted, got) < 0.035);
    assert_true(furthest(wanted, without) > 0.1);
    free(wanted.data);
    free(got.data);
    free(without.data);
    vecna_map_free(all);
    vecna_map_free(first);
    vecna_map_free(both);
    vecna_map_free(plain);
    free_pairs(&made);
}

/* What is read back of a memory is what it was made of. */
static void pairs_come_back(void **state) {
    (void)state;
    pairs made = make_regions(200, 24, 20, 42);
    vecna_translate_options options = {.recipe = {.method = VECNA_METHOD_MEMORY,
                                                  .lambda = 0.1,
                                                  .share = 0.8,
                                                  .neighbours = 16,
                                                  .temperature = 0.1,
                                                  .correction = 1},
                                       .resamples = 10};
    vecna_map *map = fit_pairs(&made, &options);
    vni_kept *kept = NULL;
    assert_status(VECNA_OK, vni_memory_pairs(map, NULL, NULL, &kept, NULL));
    assert_int_equal(kept->rows, 200);
    for (size_t i = 0; i < 200; i++) {
        double best = 0, target = 0;
        for (size_t j = 0; j < 200; j++) {
            const double cosine =
                vni_dot(kept->source.data + i * 24, made.source.data + j * 24, 24);
            target = cosine > best
                         ? vni_dot(kept->target.data + i * 20, made.target.data + j * 20, 20)
                         : target;
            best = fmax(best, cosine);
        }
        assert_true(best > 0.9999 && target > 0.9999);
    }
    vni_kept_free(kept, NULL);
    map->role = VECNA_ROLE_QUERY; /* its bias may have the means of queries in it */
    assert_status(VECNA_OK, vni_memory_pairs(map, NULL, NULL, &kept, NULL));
    assert_null(kept);
    vecna_map_free(map);
    free_pairs(&made);
}

/* ---- files ----------------------------------------------------------------------------------- */

static char path[64];

static void a_memory_comes_back_as_it_was(void **state) {
    (void)state;
    pairs made = make_pairs(130, 9, 7, 16);
    vecna_map *map = fit_with(&made, recipe), *again = NULL;
    assert_status(VECNA_OK, vecna_map_save(map, path, NULL));
    assert_status(VECNA_OK, vecna_map_open(path, NULL, &again, NULL));
    vecna_map_info info = vecna_map_about(again);
    assert_int_equal(info.recipe.method, VECNA_METHOD_MEMORY);
    assert_int_equal(info.recipe.neighbours, 8);
    assert_true(info.recipe.temperature == 0.1 && info.recipe.correction == 1);
    assert_true(info.checksum == map->checksum);
    vecna_matrix a = apply(map, vecna_matrix_view(made.source), NULL);
    vecna_matrix b = apply(again, vecna_matrix_view(made.source), NULL);
    assert_true(furthest(a, b) == 0);
    map->memory->residuals[11] ^= 1; /* another memory is another map */
    vni_map_seal(map);
    assert_true(info.checksum != map->checksum);
    free(a.data);
    free(b.data);
    vecna_map_free(map);
    vecna_map_free(again);
    free_pairs(&made);
}

/* Save a map whose memory was made wrong, and open it. */
static vecna_status open_wrong(const pairs *made, void (*spoil)(vni_memory *), vecna_error *err) {
    vecna_map *map = fit_with(made, recipe), *again = NULL;
    spoil(map->memory);
    assert_status(VECNA_OK, vecna_map_save(map, path, NULL));
    vecna_status status = vecna_map_open(path, NULL, &again, err);
    vecna_map_free(map);
    vecna_map_free(again);
    return status;
}

static void spoil_probes(vni_memory *m) {
    m->probes = 2;
}
static void spoil_neighbours(vni_memory *m) {
    m->neighbours = 0;
}
static void spoil_temperature(vni_memory *m) {
    m->temperature = 0;
}
static void spoil_correction(vni_memory *m) {
    m->correction = -1;
}
static void spoil_recall(vni_memory *m) {
    m->recall = 1.5;
}
static void spoil_centre(vni_memory *m) {
    m->centre[3] = INFINITY;
}
static void spoil_scale(vni_memory *m) {
    m->scales[3] = NAN;
}
static void spoil_rows(vni_memory *m) {
    m->rows--;
}

static void wrong_memories_are_refused(void **state) {
    (void)state;
    pairs made = make_pairs(40, 6, 5, 18);
    const struct {
        void (*spoil)(vni_memory *);
        vecna_status status;
    } cases[] = {
        {spoil_probes, VECNA_ERR_FORMAT},      {spoil_neighbours, VECNA_ERR_FORMAT},
        {spoil_temperature, VECNA_ERR_FORMAT}, {spoil_correction, VECNA_ERR_FORMAT},
        {spoil_recall, VECNA_ERR_FORMAT},      {spoil_centre, VECNA_ERR_VALUE},
        {spoil_scale, VECNA_ERR_VALUE},        {spoil_rows, VECNA_ERR_FORMAT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vecna_error err = {0};
        vecna_status status = open_wrong(&made, cases[i].spoil, &err);
        if (status != cases[i].status) {
            fail_msg("case %zu: %s %s", i, vecna_status_name(status), err.message);
        }
    }
    free_pairs(&made);
}

static void numbers_out_of_range_are_refused(void **state) {
    (void)state;
    pairs made = make_pairs(40, 6, 5, 20);
    vecna_recipe wrong[4] = {recipe, recipe, recipe, recipe};
    wrong[0].neighbours = 65;
    wrong[1].temperature = -0.1;
    wrong[2].correction = 2.5;
    wrong[3].method = VECNA_METHOD_GIVEN;
    for (size_t i = 0; i < 4; i++) {
        vecna_translate_options options = {.recipe = wrong[i]};
        vecna_map *map = NULL;
        assert_status(VECNA_ERR_ARGUMENT,
                      vecna_translate_fit(vecna_matrix_view(made.source),
                                          vecna_matrix_view(made.target), &options, &map, NULL));
    }
    free_pairs(&made);
}

/* ---- memory may fail ------------------------------------------------------------------------- */

static vecna_status fit_memory(void *user, const vecna_allocator *allocator, vecna_error *err) {
    const pairs *made = user;
    vecna_map *map = NULL;
    vecna_translate_options options = {.recipe = recipe, .allocator = allocator, .resamples = 5};
    float out[2 * 3];
    vecna_status status = vecna_translate_fit(vecna_matrix_view(made->source),
                                              vecna_matrix_view(made->target), &options, &map, err);
    status = status ? status
                    : vecna_map_apply(map, vecna_view_rows(vecna_matrix_view(made->source), 0, 3),
                                      vecna_matrix_dense(out, 3, 2), NULL, err);
    vecna_map_free(map);
    return status;
}

static vecna_status open_memory(void *user, const vecna_allocator *allocator, vecna_error *err) {
    vecna_map *map = NULL;
    vecna_map_open_options options = {.allocator = allocator};
    vecna_status status = vecna_map_open(user, &options, &map, err);
    vecna_map_free(map);
    return status;
}

static void every_failing_allocation_is_survived(void **state) {
    (void)state;
    pairs made = make_pairs(14, 3, 2, 22);
    assert_survives_failing_memory(fit_memory, &made);
    vecna_map *map = fit_with(&made, recipe);
    assert_status(VECNA_OK, vecna_map_save(map, path, NULL));
    assert_survives_failing_memory(open_memory, path);
    vecna_map_free(map);
    free_pairs(&made);
}

static int make_path(void **state) {
    (void)state;
    snprintf(path, sizeof path, "/tmp/vecna_memory_test_%ld.safetensors", (long)getpid());
    return 0;
}

static int remove_path(void **state) {
    (void)state;
    remove(path);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_identity_pair_stays_the_identity),
        cmocka_unit_test(rotating_the_source_changes_little),
        cmocka_unit_test(the_order_of_pairs_changes_nothing),
        cmocka_unit_test(rows_far_from_all_pairs_are_left_alone),
        cmocka_unit_test(a_pair_does_not_correct_itself),
        cmocka_unit_test(lengths_threads_and_batches_change_nothing),
        cmocka_unit_test(auto_remembers_what_is_not_linear),
        cmocka_unit_test(an_update_remembers_both),
        cmocka_unit_test(pairs_come_back),
        cmocka_unit_test(a_memory_comes_back_as_it_was),
        cmocka_unit_test(wrong_memories_are_refused),
        cmocka_unit_test(numbers_out_of_range_are_refused),
        cmocka_unit_test(every_failing_allocation_is_survived),
    };
    return cmocka_run_group_tests(tests, make_path, remove_path);
}
