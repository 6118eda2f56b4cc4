/* Real models of equal dimension are told apart, the same model is accepted, and every figure is
 * that of the float64 twin (tests/reference/space_reference.py). */
#include "tests/unit/space/space_data.h"
#include "tests/unit/space/space_expected.h"

#include <math.h>

#define SETS 9
static const char *const set_names[SETS] = {
    "005-amenities",   "3small-hotels",  "ada-hotels",       "ada-products",   "e5-azure",
    "gecko-amenities", "minilm-glosses", "minilm-questions", "mpnet-amenities"};
static real_set sets[SETS];
static vecna_space *spaces[SETS];

static int load_all(void **state) {
    (void)state;
    for (size_t i = 0; i < SETS; i++) {
        sets[i] = real_set_load(set_names[i]);
        spaces[i] = space_of(&sets[i], set_names[i]);
    }
    return 0;
}

static int free_all(void **state) {
    (void)state;
    for (size_t i = 0; i < SETS; i++) {
        free(sets[i].data);
        vecna_space_free(spaces[i]);
    }
    return 0;
}

static size_t index_of(const char *name) {
    for (size_t i = 0; i < SETS; i++) {
        if (strcmp(set_names[i], name) == 0)
            return i;
    }
    fail_msg("no set %s", name);
    return 0;
}

static vecna_space_match match_of(const char *space, vecna_view rows) {
    vecna_space_match match = {0};
    vecna_error err = {0};
    if (vecna_space_check(spaces[index_of(space)], rows, NULL, &match, &err) != VECNA_OK)
        fail_msg("%s", err.message);
    return match;
}

/* float32 products of unit rows are off by about 1e-7, relative to sums of weights of a few dozen.
 */
static void near(double expected, double got, double tolerance) {
    if (!(fabs(expected - got) <= tolerance * (1 + fabs(expected))))
        fail_msg("%.15g instead of %.15g", got, expected);
}

static void figures_are_those_of_float64(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof expected_matches / sizeof *expected_matches; i++) {
        const struct expected_match *e = &expected_matches[i];
        const real_set *set = &sets[index_of(e->rows)];
        vecna_space_match match = match_of(e->space, real_set_rows(set, e->count));
        assert_int_equal(match.rows, e->count);
        near(e->projection, match.projection, 1e-6);
        near(e->gain, match.gain, 1e-4);
        near(e->z, match.z, 1e-4);
        near(e->likelihood, match.likelihood, 1e-3);
    }
    for (size_t i = 0; i < sizeof expected_spaces / sizeof *expected_spaces; i++) {
        const struct expected_space *e = &expected_spaces[i];
        vecna_space_parts parts;
        vecna_space_parts_of(spaces[index_of(e->name)], &parts);
        near(e->spread, parts.spread, 1e-6);
        near(e->breadth, parts.breadth, 1e-5);
        near(e->gain, parts.gain, 1e-5);
    }
}

/* All of equal dimension: the refusals that translate stands on. */
static void other_models_are_refused(void **state) {
    static const char *const pairs[][2] = {
        {"gecko-amenities", "005-amenities"},   {"005-amenities", "gecko-amenities"},
        {"ada-hotels", "3small-hotels"},        {"3small-hotels", "ada-hotels"},
        {"ada-products", "3small-hotels"},      {"3small-hotels", "ada-products"},
        {"gecko-amenities", "mpnet-amenities"}, {"005-amenities", "mpnet-amenities"},
        {"mpnet-amenities", "gecko-amenities"}, {"mpnet-amenities", "005-amenities"},
        {"e5-azure", "minilm-questions"},       {"minilm-questions", "e5-azure"},
        {"minilm-glosses", "e5-azure"}};
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        const real_set *set = &sets[index_of(pairs[i][1])];
        for (size_t rows = 16; rows <= 48; rows += 16) {
            vecna_space_match match = match_of(pairs[i][0], real_set_rows(set, rows));
            if (match.verdict != VECNA_SPACE_OTHER)
                fail_msg("%zu rows of %s pass as %s: %g", rows, pairs[i][1], pairs[i][0],
                         match.likelihood);
        }
        vecna_error err = {0};
        assert_status(VECNA_ERR_SPACE,
                      vecna_space_require(spaces[index_of(pairs[i][0])],
                                          real_set_rows(set, set->rows), NULL, &err));
        assert_non_null(strstr(err.message, pairs[i][0]));
        assert_non_null(strstr(err.message, "another model"));
    }
}

static void other_domains_of_the_same_model_pass(void **state) {
    static const char *const pairs[][2] = {{"ada-hotels", "ada-products"},
                                           {"ada-products", "ada-hotels"},
                                           {"minilm-glosses", "minilm-questions"},
                                           {"minilm-questions", "minilm-glosses"}};
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        const real_set *set = &sets[index_of(pairs[i][1])];
        vecna_space_match match = match_of(pairs[i][0], real_set_rows(set, set->rows));
        if (match.verdict != VECNA_SPACE_SAME)
            fail_msg("%s is refused as %s: %g", pairs[i][1], pairs[i][0], match.likelihood);
        assert_status(VECNA_OK, vecna_space_require(spaces[index_of(pairs[i][0])],
                                                    real_set_rows(set, set->rows), NULL, NULL));
    }
    for (size_t i = 0; i < SETS; i++) { /* one row of the same set is enough */
        for (size_t row = 0; row < 8; row++) {
            vecna_view one = vecna_view_rows(real_set_rows(&sets[i], sets[i].rows), row * 5, 1);
            assert_int_equal(match_of(set_names[i], one).verdict, VECNA_SPACE_SAME);
        }
    }
}

/* A copy of a set with its coordinates permuted, signs flipped, or shifted by one. */
static float *altered(const real_set *set, int how) {
    size_t count = set->rows * set->dim, *order = malloc(set->dim * sizeof *order);
    float *copy = malloc(count * sizeof *copy);
    vecna_random random;
    assert_true(copy && order);
    vecna_random_seed(&random, 7, (uint64_t)how);
    for (size_t j = 0; j < set->dim; j++)
        order[j] = how == 2 ? (j + 1) % set->dim : j;
    if (how == 0)
        vecna_random_shuffle(&random, order, set->dim);
    for (size_t j = 0; j < set->dim; j++) {
        float sign = how == 1 && vecna_random_below(&random, 2) ? -1 : 1;
        for (size_t i = 0; i < set->rows; i++)
            copy[i * set->dim + j] = sign * set->data[i * set->dim + order[j]];
    }
    free(order);
    return copy;
}

/* No two real models are related like this. Permuted coordinates are always refused. Flipped signs
 * leave every coordinate its size, and mpnet keeps much of its variance in few coordinates: with a
 * fingerprint of 48 rows it is the one that passes. */
static void altered_copies_are_refused(void **state) {
    size_t others_that_pass = 0;
    (void)state;
    for (size_t i = 0; i < SETS; i++) {
        for (int how = 0; how < 3; how++) {
            float *copy = altered(&sets[i], how);
            vecna_space_match match =
                match_of(set_names[i], vecna_view_dense(copy, sets[i].rows, sets[i].dim));
            free(copy);
            if (how)
                others_that_pass += match.verdict == VECNA_SPACE_SAME;
            else if (match.verdict != VECNA_SPACE_OTHER)
                fail_msg("%s altered by %d: %g", set_names[i], how, match.likelihood);
        }
    }
    assert_in_range(others_that_pass, 0, 1);
}

static void scale_and_order_do_not_matter(void **state) {
    (void)state;
    for (size_t i = 0; i < SETS; i++) {
        size_t rows = sets[i].rows, dim = sets[i].dim;
        float *copy = malloc(rows * (dim + 3) * sizeof *copy);
        assert_non_null(copy);
        for (size_t row = 0; row < rows;
             row++) { /* backwards, each row with its own scale, strided */
            for (size_t j = 0; j < dim; j++)
                copy[row * (dim + 3) + j] =
                    sets[i].data[(rows - 1 - row) * dim + j] * ldexpf(1, (int)(row % 60) - 30);
        }
        vecna_view view = {copy, rows, dim, dim + 3};
        vecna_space_match a = match_of(set_names[i], real_set_rows(&sets[i], rows));
        vecna_space_match b = match_of(set_names[i], view);
        near(a.projection, b.projection, 1e-9);
        near(a.gain, b.gain, 1e-5);
        near(a.likelihood, b.likelihood, 1e-5);
        free(copy);
    }
}

static void rows_without_direction_are_left_out(void **state) {
    (void)state;
    const real_set *set = &sets[index_of("gecko-amenities")];
    size_t dim = set->dim;
    float *copy = calloc(40 * dim, sizeof *copy);
    vecna_error err = {0};
    vecna_space_match match = {.likelihood = -7};
    assert_non_null(copy);
    vecna_view view = vecna_view_dense(copy, 40, dim);
    assert_status(VECNA_ERR_VALUE,
                  vecna_space_check(spaces[index_of("gecko-amenities")], view, NULL, &match, &err));
    assert_true(match.likelihood == -7);
    memcpy(copy + 3 * dim, set->data, 17 * dim * sizeof *copy);
    copy[30 * dim] = NAN;
    copy[31 * dim + 5] = -INFINITY;
    match = match_of("gecko-amenities", view);
    assert_int_equal(match.rows, 17);
    assert_int_equal(match.verdict, VECNA_SPACE_SAME);
    view.rows = 0;
    assert_status(VECNA_ERR_VALUE,
                  vecna_space_check(spaces[index_of("gecko-amenities")], view, NULL, &match, NULL));
    free(copy);
}

static void dimensions_must_agree(void **state) {
    (void)state;
    vecna_error err = {0};
    vecna_space_match match = {.likelihood = -7};
    const real_set *ada = &sets[index_of("ada-hotels")];
    const vecna_space *gecko = spaces[index_of("gecko-amenities")];
    assert_status(VECNA_ERR_DIM,
                  vecna_space_check(gecko, real_set_rows(ada, 4), NULL, &match, &err));
    assert_non_null(strstr(err.message, "1536"));
    assert_non_null(strstr(err.message, "768"));
    assert_true(match.likelihood == -7);
    assert_status(VECNA_ERR_SPACE, vecna_space_require(gecko, real_set_rows(ada, 4), NULL, &err));
}

/* What cannot be judged is said to be unknown, and passes. */
static void too_little_is_unknown(void **state) {
    (void)state;
    const real_set *set = &sets[index_of("minilm-glosses")];
    vecna_space *space = NULL;
    vecna_space_match match;
    vecna_view few = real_set_rows(set, 8), narrow = real_set_rows(set, set->rows);
    assert_status(VECNA_OK, vecna_space_of(few, NULL, &space, NULL));
    assert_status(VECNA_OK, vecna_space_check(space, narrow, NULL, &match, NULL));
    assert_int_equal(match.verdict, VECNA_SPACE_UNKNOWN);
    assert_true(match.likelihood == 0.5);
    assert_status(VECNA_OK, vecna_space_require(space, narrow, NULL, NULL));
    vecna_space_free(space);
    for (size_t dim = 1; dim < 16; dim += 2) {
        narrow.dim = dim;
        assert_status(VECNA_OK, vecna_space_of(narrow, NULL, &space, NULL));
        assert_status(VECNA_OK, vecna_space_check(space, narrow, NULL, &match, NULL));
        assert_int_equal(match.verdict, VECNA_SPACE_UNKNOWN);
        vecna_space_free(space);
    }
    assert_string_equal(vecna_space_verdict_name(VECNA_SPACE_UNKNOWN), "unknown");
    assert_string_equal(vecna_space_verdict_name(VECNA_SPACE_SAME), "same");
    assert_string_equal(vecna_space_verdict_name(VECNA_SPACE_OTHER), "other");
    assert_string_equal(vecna_space_verdict_name((vecna_space_verdict)9), "unknown");
}

/* A set of two models: half of its rows would be refused alone. */
static void mixtures_show_in_the_rows(void **state) {
    const real_set *ada = &sets[index_of("ada-products")],
                   *small = &sets[index_of("3small-hotels")];
    size_t dim = ada->dim;
    float *mixed = malloc(60 * dim * sizeof *mixed);
    (void)state;
    assert_non_null(mixed);
    for (size_t i = 0; i < 60; i++)
        memcpy(mixed + i * dim, (i % 2 ? ada : small)->data + i / 2 * dim, dim * sizeof *mixed);
    vecna_space_match match = match_of("ada-hotels", vecna_view_dense(mixed, 60, dim));
    assert_int_equal(match.rows_judged, 60);
    assert_int_equal(match.rows_other, 30);
    match = match_of("ada-hotels", real_set_rows(ada, 48));
    assert_int_equal(match.rows_other, 0);
    free(mixed);
}

static vecna_status check_once(void *user, const vecna_allocator *allocator, vecna_error *err) {
    vecna_space_match match;
    const size_t *i = user;
    return vecna_space_check(spaces[*i], real_set_rows(&sets[*i], 3), allocator, &match, err);
}

static void memory_may_fail(void **state) {
    size_t i = 6;
    (void)state;
    assert_survives_failing_memory(check_once, &i);
}

/* ---- known spaces ---------------------------------------------------------------------------- */

static void known_spaces_are_recognised(void **state) {
    static const char *const expected[][2] = {
        {"ada-hotels", "openai/text-embedding-ada-002"},
        {"ada-products", "openai/text-embedding-ada-002"},
        {"3small-hotels", "openai/text-embedding-3-small"},
        {"gecko-amenities", "google/textembedding-gecko@001"},
        {"005-amenities", "google/text-embedding-005"},
        {"mpnet-amenities", "sentence-transformers/all-mpnet-base-v2"},
        {"minilm-glosses", "sentence-transformers/all-MiniLM-L6-v2"},
        {"minilm-questions", "sentence-transformers/all-MiniLM-L6-v2"},
        {"e5-azure", "intfloat/e5-small-v2"}};
    (void)state;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        const real_set *set = &sets[index_of(expected[i][0])];
        const vecna_space_known_entry *entry = NULL;
        vecna_space_match match;
        assert_status(VECNA_OK, vecna_space_recognise(real_set_rows(set, set->rows), NULL, &entry,
                                                      &match, NULL));
        assert_non_null(entry);
        assert_string_equal(entry->name, expected[i][1]);
        assert_int_equal(match.verdict, VECNA_SPACE_SAME);
    }
}

static void unknown_spaces_are_not(void **state) {
    (void)state;
    const vecna_space_known_entry *entry = NULL;
    vecna_space_match match = {.rows = 77};
    for (size_t i = 0; i < SETS; i++) { /* permuted: no known model */
        float *copy = altered(&sets[i], 0);
        assert_status(VECNA_OK,
                      vecna_space_recognise(vecna_view_dense(copy, sets[i].rows, sets[i].dim), NULL,
                                            &entry, &match, NULL));
        assert_non_null(entry);
        assert_int_not_equal(match.verdict, VECNA_SPACE_SAME);
        free(copy);
    }
    match.rows = 77;
    float *odd = made_up(20, 77, 1);
    assert_status(VECNA_OK,
                  vecna_space_recognise(vecna_view_dense(odd, 20, 77), NULL, &entry, &match, NULL));
    assert_null(entry);
    assert_int_equal(match.rows, 77);
    free(odd);
}

static void every_known_space_loads(void **state) {
    (void)state;
    assert_true(vecna_space_known_count() >= 15);
    for (size_t i = 0; i < vecna_space_known_count(); i++) {
        const vecna_space_known_entry *entry = vecna_space_known_at(i);
        vecna_space *space = NULL;
        vecna_space_parts parts;
        vecna_error err = {0};
        if (vecna_space_known(i, NULL, &space, &err) != VECNA_OK)
            fail_msg("%s: %s", entry->name, err.message);
        vecna_space_parts_of(space, &parts);
        assert_string_equal(vecna_space_name(space), entry->name);
        assert_int_equal(vecna_space_dim(space), entry->dim);
        assert_true(strchr(entry->source, '(') != NULL); /* the licence */
        assert_true(parts.directions >= 8 && parts.rows >= 50 && parts.gain > 1);
        vecna_space_free(space);
    }
    vecna_space *space = NULL;
    assert_null(vecna_space_known_at(vecna_space_known_count()));
    assert_status(VECNA_ERR_NOT_FOUND,
                  vecna_space_known(vecna_space_known_count(), NULL, &space, NULL));
    assert_null(space);
}

static vecna_status recognise_once(void *user, const vecna_allocator *allocator, vecna_error *err) {
    vecna_space_match match;
    const vecna_space_known_entry *entry;
    const size_t *i = user;
    return vecna_space_recognise(real_set_rows(&sets[*i], 2), allocator, &entry, &match, err);
}

static void recognising_survives_failing_memory(void **state) {
    size_t i = 6;
    (void)state;
    assert_survives_failing_memory(recognise_once, &i);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_are_those_of_float64),
        cmocka_unit_test(other_models_are_refused),
        cmocka_unit_test(other_domains_of_the_same_model_pass),
        cmocka_unit_test(altered_copies_are_refused),
        cmocka_unit_test(scale_and_order_do_not_matter),
        cmocka_unit_test(rows_without_direction_are_left_out),
        cmocka_unit_test(dimensions_must_agree),
        cmocka_unit_test(too_little_is_unknown),
        cmocka_unit_test(mixtures_show_in_the_rows),
        cmocka_unit_test(memory_may_fail),
        cmocka_unit_test(known_spaces_are_recognised),
        cmocka_unit_test(unknown_spaces_are_not),
        cmocka_unit_test(every_known_space_loads),
        cmocka_unit_test(recognising_survives_failing_memory),
    };
    return cmocka_run_group_tests(tests, load_all, free_all);
}
