/* Rows that are no pairs, and anchors: what an alignment must find, and what it must not claim. */
#include "translate/translate_impl.h"

#include "tests/unit/translate/pairs.h"

enum { ROWS = 400, P = 12, Q = 10, ANCHORS = 24 };

/* Source rows 0 .. 399 and target rows of the second half of 800 texts, with the anchors' targets first. */
typedef struct unpaired {
    pairs made;
    vecna_matrix target;
    vecna_anchor anchors[ANCHORS];
} unpaired;

static unpaired make_unpaired(uint64_t seed) {
    unpaired u = {.made = make_pairs(2 * ROWS, P, Q, seed)};
    u.target = vecna_matrix_dense(make_floats((ROWS + ANCHORS) * Q), ROWS + ANCHORS, Q);
    for (size_t i = 0; i < ANCHORS; i++) {
        u.anchors[i] = (vecna_anchor){i * 7, i};
        memcpy(u.target.data + i * Q, u.made.target.data + i * 7 * Q, Q * sizeof(float));
    }
    memcpy(u.target.data + ANCHORS * Q, u.made.target.data + ROWS * Q, ROWS * Q * sizeof(float));
    return u;
}

static void free_unpaired(unpaired *u) {
    free_pairs(&u->made);
    free(u->target.data);
}

static vecna_status align(const unpaired *u, const vecna_translate_options *options,
                          vecna_map **map, vecna_error *err) {
    vecna_view source = vecna_view_rows(vecna_matrix_view(u->made.source), 0, ROWS);
    return vecna_translate_unpaired(source, vecna_matrix_view(u->target), u->anchors, ANCHORS,
                                    options, map, err);
}

/* Mean cosine of translated to true rows, over rows that were not anchors and had no partner. */
static double mean_cosine(const unpaired *u, const vecna_map *map) {
    vecna_matrix out = vecna_matrix_dense(make_floats(2 * ROWS * Q), 2 * ROWS, Q);
    double sum = 0;
    assert_status(VECNA_OK,
                  vecna_map_apply(map, vecna_matrix_view(u->made.source), out, NULL, NULL));
    for (size_t i = 200; i < ROWS; i++) {
        sum += vni_dot(out.data + i * Q, u->made.target.data + i * Q, Q) / (ROWS - 200);
    }
    free(out.data);
    return sum;
}

static void anchors_align_what_is_no_pair(void **state) {
    unpaired u = make_unpaired(4);
    vecna_translate_options options = {.resamples = 100,
                                       .min_retention = 0.25, /* 12 dimensions are crowded */
                                       .source_name = "old",
                                       .target_name = "new"};
    vecna_map *map = NULL, *again = NULL;
    vecna_error err = {0};
    (void)state;
    assert_status(VECNA_OK, align(&u, &options, &map, &err));
    const vecna_report *r = vecna_map_report(map);
    assert_int_equal(map->verdict, VECNA_VERDICT_WARN);
    assert_true(map->reasons == VECNA_REASON_ANCHORS);
    assert_int_equal(r->unpaired_source, ROWS);
    assert_int_equal(r->unpaired_target, ROWS + ANCHORS);
    assert_int_equal(r->truth.queries, ANCHORS);
    assert_true(r->truth.retention.retention.value > 0.4);
    assert_true(r->truth.controls[1].mean.value < 0.3); /* shuffled anchors */
    assert_true(mean_cosine(&u, map) > 0.8);
    assert_non_null(strstr(vecna_map_report_json(map), "\"unpaired_source\":400"));
    /* the same for a seed */
    assert_status(VECNA_OK, align(&u, &options, &again, &err));
    assert_memory_equal(map->weights, again->weights, P * Q * sizeof(float));
    vecna_map_free(map);
    vecna_map_free(again);
    free_unpaired(&u);
}

static void what_does_not_belong_together_fails(void **state) {
    unpaired u = make_unpaired(5);
    vecna_translate_options options = {.resamples = 100};
    vecna_map *map = NULL;
    vecna_error err = {0};
    (void)state;
    for (size_t i = 0; i < ANCHORS; i++) { /* anchors that are not the same text */
        u.anchors[i].target = (i + 5) % ANCHORS;
    }
    assert_status(VECNA_OK, align(&u, &options, &map, &err));
    assert_int_equal(map->verdict, VECNA_VERDICT_FAIL);
    vecna_map_free(map);
    free(u.target.data); /* and rows of a third thing */
    u.target = make_noise(ROWS + ANCHORS, Q, 3);
    map = NULL;
    assert_status(VECNA_OK, align(&u, &options, &map, &err));
    assert_int_equal(map->verdict, VECNA_VERDICT_FAIL);
    vecna_map_free(map);
    free_unpaired(&u);
}

static int stop(void *user, const char *stage, double done) {
    (void)user;
    (void)stage;
    return done > 0.1;
}

static void mistakes(void **state) {
    unpaired u = make_unpaired(6);
    vecna_view source = vecna_view_rows(vecna_matrix_view(u.made.source), 0, ROWS);
    vecna_view target = vecna_matrix_view(u.target);
    vecna_map *map = NULL;
    vecna_error err = {0};
    vecna_translate_options options = {.min_retention = 2};
    (void)state;
    assert_status(VECNA_ERR_ARGUMENT,
                  vecna_translate_unpaired(source, target, u.anchors, 9, NULL, &map, &err));
    assert_status(VECNA_ERR_ARGUMENT,
                  vecna_translate_unpaired(vecna_view_rows(source, 0, 49), target, u.anchors,
                                           ANCHORS, NULL, &map, &err));
    assert_status(VECNA_ERR_ARGUMENT, align(&u, &options, &map, &err));
    options = (vecna_translate_options){.progress = stop};
    assert_status(VECNA_ERR_ARGUMENT, align(&u, &options, &map, &err));
    assert_non_null(strstr(err.message, "cancelled"));
    u.anchors[3].source = ROWS;
    assert_status(VECNA_ERR_ARGUMENT, align(&u, NULL, &map, &err));
    assert_int_equal(err.position, 3);
    u.anchors[3].source = 3;
    memset(u.target.data + 2 * Q, 0, Q * sizeof(float));
    assert_status(VECNA_ERR_VALUE, align(&u, NULL, &map, &err));
    assert_int_equal(err.position, 2);
    assert_null(map);
    free_unpaired(&u);
}

static vecna_status align_with(void *user, const vecna_allocator *allocator, vecna_error *err) {
    const unpaired *u = user;
    vecna_map *map = NULL;
    vecna_translate_options options = {.resamples = 5, .allocator = allocator};
    vecna_view source = vecna_view_rows(vecna_matrix_view(u->made.source), 0, 60);
    vecna_status status =
        vecna_translate_unpaired(source, vecna_view_rows(vecna_matrix_view(u->target), 0, 60),
                                 u->anchors, 10, &options, &map, err);
    vecna_map_free(map);
    return status;
}

static void survives_failing_memory(void **state) {
    unpaired u = make_unpaired(7);
    (void)state;
    for (size_t i = 0; i < 10; i++) {
        u.anchors[i].source = i;
    }
    /* it fails at its first allocations, and at those of its last step: between them all steps are alike */
    for (size_t fail_at = 1; fail_at < 60; fail_at++) {
        failing_memory memory = {.fail_at = fail_at};
        vecna_allocator allocator = failing_allocator(&memory);
        vecna_error err = {0};
        assert_status(VECNA_ERR_MEMORY, align_with(&u, &allocator, &err));
        assert_int_equal(memory.live, 0);
    }
    failing_memory all = {0};
    vecna_allocator allocator = failing_allocator(&all);
    vecna_error err = {0};
    assert_status(VECNA_OK, align_with(&u, &allocator, &err));
    assert_int_equal(all.live, 0);
    for (size_t back = 0; back < 40; back++) {
        failing_memory memory = {.fail_at = all.calls - back};
        allocator = failing_allocator(&memory);
        assert_status(VECNA_ERR_MEMORY, align_with(&u, &allocator, &err));
        assert_int_equal(memory.live, 0);
    }
    free_unpaired(&u);
}

static vecna_status align_blind(void *user, const vecna_allocator *allocator, vecna_error *err) {
    const unpaired *u = user;
    vecna_map *map = NULL;
    vecna_translate_options options = {.resamples = 5, .allocator = allocator};
    vecna_status status =
        vecna_translate_unpaired(vecna_view_rows(vecna_matrix_view(u->made.source), 0, ROWS),
                                 vecna_matrix_view(u->target), NULL, 0, &options, &map, err);
    vecna_map_free(map);
    return status;
}

static void without_anchors(void **state) {
    unpaired u = make_unpaired(9);
    vecna_view source = vecna_view_rows(vecna_matrix_view(u.made.source), 0, ROWS);
    vecna_view target = vecna_matrix_view(u.target);
    vecna_translate_options options = {.resamples = 20};
    vecna_map *map = NULL, *again = NULL;
    vecna_error err = {0};
    (void)state;
    assert_status(VECNA_OK,
                  vecna_translate_unpaired(source, target, NULL, 0, &options, &map, &err));
    assert_true(map->verdict != VECNA_VERDICT_PASS); /* whatever came out: nobody saw a pair */
    const vecna_report *r = vecna_map_report(map);
    assert_int_equal(r->rows, 0);
    assert_int_equal(r->truth.queries, ROWS);
    assert_string_equal(r->truth.name, "agreement of two halves");
    assert_status(VECNA_OK,
                  vecna_translate_unpaired(source, target, NULL, 0, &options, &again, &err));
    assert_memory_equal(map->weights, again->weights, P * Q * sizeof(float));
    vecna_map_free(map);
    vecna_map_free(again);
    map = NULL;
    assert_status(VECNA_ERR_ARGUMENT, vecna_translate_unpaired(vecna_view_rows(source, 0, 399),
                                                               target, NULL, 0, NULL, &map, &err));
    options.progress = stop;
    assert_status(VECNA_ERR_ARGUMENT,
                  vecna_translate_unpaired(source, target, NULL, 0, &options, &map, &err));
    /* at its first allocations, and here and there later */
    for (size_t fail_at = 1; fail_at < 20000; fail_at += fail_at < 40 ? 1 : fail_at) {
        failing_memory memory = {.fail_at = fail_at};
        vecna_allocator allocator = failing_allocator(&memory);
        vecna_status status = align_blind(&u, &allocator, &err);
        assert_true(status == VECNA_ERR_MEMORY || (!status && memory.calls < fail_at));
        assert_int_equal(memory.live, 0);
        if (!status) {
            break;
        }
    }
    free_unpaired(&u);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(anchors_align_what_is_no_pair),
        cmocka_unit_test(what_does_not_belong_together_fails),
        cmocka_unit_test(mistakes),
        cmocka_unit_test(survives_failing_memory),
        cmocka_unit_test(without_anchors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
