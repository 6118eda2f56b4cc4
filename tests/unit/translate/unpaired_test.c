/* Rows that are no pairs, and anchors: what an alignment must find, and what it must not claim; and the first rotation
 * without anchors against float64 (tests/reference/unpaired_reference.py). */
#include "translate/translate_impl.h"

#include "tests/unit/translate/pairs.h"

#include <stdio.h>

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

/* ---- the first rotation without anchors ------------------------------------------------------- */

enum { MOST = 1 << 11 };
#define TOLERANCE 1e-5 /* of the greatest: rows, centres and profiles are float32 */

static void read_numbers(FILE *file, const char *word, double *out, size_t count) {
    char found[16];
    assert_int_equal(fscanf(file, "%15s", found), 1);
    assert_string_equal(found, word);
    assert_true(count <= MOST);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(fscanf(file, "%lf", out + i), 1);
    }
}

static void read_side(FILE *file, const char *word, float *out, size_t count) {
    static double values[MOST];
    read_numbers(file, word, values, count);
    for (size_t i = 0; i < count; i++) {
        out[i] = (float)values[i];
    }
}

static void close_to(const double *wanted, const double *got, size_t count) {
    double scale = 0;
    for (size_t i = 0; i < count; i++) {
        scale = fmax(scale, fabs(wanted[i]));
    }
    for (size_t i = 0; i < count; i++) {
        if (!(fabs(wanted[i] - got[i]) <= TOLERANCE * scale)) {
            fail_msg("number %zu: expected %.9g, got %.9g", i, wanted[i], got[i]);
        }
    }
}

/* U V' of the singular value decomposition of a cross product. */
static void rotation_of(const double *cross, size_t p, size_t q, double *out) {
    static double copy[MOST], u[MOST], v[MOST], sigma[64];
    const size_t k = p < q ? p : q;
    vni_dense from = {copy, p, q}, left = {u, p, k}, right = {v, k, q}, rotation = {out, p, q};
    memcpy(copy, cross, p * q * sizeof *cross);
    assert_status(VECNA_OK, vni_dense_svd(&from, &left, sigma, &right, NULL));
    assert_status(VECNA_OK, vni_dense_product(&left, 0, &right, 0, &rotation, NULL));
}

static void start_of(const float *x, size_t rows_x, size_t p, const float *y, size_t rows_y,
                     size_t q, uint64_t seed, double *cross) {
    memset(cross, 0, p * q * sizeof *cross);
    assert_status(VECNA_OK,
                  vni_unpaired_start(vecna_view_dense(x, rows_x, p), vecna_view_dense(y, rows_y, q),
                                     seed, NULL, NULL, cross, NULL));
}

/* Rows through the orthogonal matrix that mirrors at the plane of (1, 2, ... dim) and then turns the axes. */
static void turn_rows(const double *rows, size_t count, size_t dim, double *out) {
    const double d = (double)dim, square = d * (d + 1) * (2 * d + 1) / 6;
    for (size_t i = 0; i < count; i++) {
        double along = 0;
        for (size_t j = 0; j < dim; j++) {
            along += (double)(j + 1) * rows[i * dim + j];
        }
        for (size_t j = 0; j < dim; j++) {
            out[i * dim + (j + 1) % dim] = rows[i * dim + j] - 2 * along / square * (double)(j + 1);
        }
    }
}

/* The source turned: every similarity stays, so the cross product is turned and nothing else. */
static void turned_start(const float *x, size_t rows_x, size_t p, const float *y, size_t rows_y,
                         size_t q, uint64_t seed, const double *wanted) {
    static double from[MOST], turned[MOST], column[64], expected[64], got[MOST];
    static float as_floats[MOST];
    for (size_t i = 0; i < rows_x * p; i++) {
        from[i] = (double)x[i];
    }
    turn_rows(from, rows_x, p, turned);
    for (size_t i = 0; i < rows_x * p; i++) {
        as_floats[i] = (float)turned[i];
    }
    start_of(as_floats, rows_x, p, y, rows_y, q, seed, got);
    for (size_t j = 0; j < q; j++) {
        double scale = 0, of_turned[64];
        for (size_t i = 0; i < p; i++) {
            column[i] = wanted[i * q + j];
            of_turned[i] = got[i * q + j];
            scale = fmax(scale, fabs(column[i]));
        }
        turn_rows(column, 1, p, expected);
        for (size_t i = 0; i < p; i++) {
            assert_true(fabs(of_turned[i] - expected[i]) <= 5 * TOLERANCE * fmax(1, scale));
        }
    }
}

static void start_agrees_with_the_reference_and_turns_with_the_source(void **state) {
    static double wanted[MOST], got[MOST], rotation[MOST];
    static float x[MOST], y[MOST];
    FILE *file = fopen("tests/vectors/unpaired.txt", "r");
    size_t rows_x, rows_y, p, q, kept, cases = 0;
    unsigned seed;
    (void)state;
    assert_non_null(file);
    while (fscanf(file, " start %zu %zu %zu %zu %u %zu", &rows_x, &rows_y, &p, &q, &seed, &kept) ==
           6) {
        read_side(file, "x", x, rows_x * p);
        read_side(file, "y", y, rows_y * q);
        read_numbers(file, "cross", wanted, p * q);
        start_of(x, rows_x, p, y, rows_y, q, seed, got);
        close_to(wanted, got, p * q);
        read_numbers(file, "rotation", wanted, p * q);
        rotation_of(got, p, q, rotation);
        close_to(wanted, rotation, p * q);
        turned_start(x, rows_x, p, y, rows_y, q, seed, got);
        cases++;
    }
    assert_int_equal(cases, 3);
    fclose(file);
}

enum { KINDS = 10, OF_A_KIND = 5, KIND_ROWS = KINDS * OF_A_KIND };

/* Directions that lie well apart: each the one of many whose nearest of those before it is farthest. */
static vecna_matrix make_apart(size_t count, size_t dim) {
    enum { DRAWN = 24 }; /* few: evenly spread directions are all alike */
    vecna_matrix drawn = make_noise(DRAWN, dim, 77);
    vecna_matrix out = vecna_matrix_dense(make_floats(count * dim), count, dim);
    to_unit(drawn);
    for (size_t i = 0; i < count; i++) {
        double least = 2;
        size_t best = 0;
        for (size_t d = 0; d < DRAWN; d++) {
            double nearest = -1;
            for (size_t j = 0; j < i; j++) {
                nearest = fmax(nearest, vni_dot(out.data + j * dim, drawn.data + d * dim, dim));
            }
            if (nearest < least) {
                least = nearest;
                best = d;
            }
        }
        memcpy(out.data + i * dim, drawn.data + best * dim, dim * sizeof(float));
    }
    free(drawn.data);
    return out;
}

/* Rows of ten kinds, row i of kind i % KINDS: columns of the latent, each with a weight of its own, and noise. */
static vecna_matrix make_kinds(size_t dim, uint64_t seed) {
    vecna_matrix kinds = make_apart(KINDS, LATENT);
    vecna_matrix out = make_noise(KIND_ROWS, dim, seed);
    for (size_t i = 0; i < KIND_ROWS; i++) {
        for (size_t j = 0; j < dim; j++) {
            const double weight = 1 + 0.1 * (double)((j * seed) % LATENT);
            const double of_kind =
                j < LATENT ? weight * (double)kinds.data[i % KINDS * LATENT + (j + seed) % LATENT]
                           : 0;
            out.data[i * dim + j] = (float)(0.01 * (double)out.data[i * dim + j] + of_kind);
        }
    }
    to_unit(out);
    free(kinds.data);
    return out;
}

/* Which rows k-means starts from depends on their order; where every start finds the same kinds, nothing else does. */
static void order_of_rows_changes_nothing(void **state) {
    static double was[P * Q], now[P * Q];
    vecna_matrix x = make_kinds(P, 5), y = make_kinds(Q, 8);
    size_t order[KIND_ROWS];
    vecna_random random;
    (void)state;
    start_of(x.data, KIND_ROWS, P, y.data, KIND_ROWS, Q, 1, was);
    vecna_random_seed(&random, 6, 0);
    for (int side = 0; side < 2; side++) {
        vecna_matrix *rows = side ? &y : &x;
        vecna_matrix mixed =
            vecna_matrix_dense(make_floats(KIND_ROWS * rows->dim), KIND_ROWS, rows->dim);
        for (size_t i = 0; i < KIND_ROWS; i++) {
            order[i] = i;
        }
        vecna_random_shuffle(&random, order, KIND_ROWS);
        vni_gather(vecna_matrix_view(*rows), order, KIND_ROWS, mixed);
        free(rows->data);
        *rows = mixed;
        start_of(x.data, KIND_ROWS, P, y.data, KIND_ROWS, Q, 1, now);
        close_to(was, now, P * Q);
    }
    free(x.data);
    free(y.data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(anchors_align_what_is_no_pair),
        cmocka_unit_test(what_does_not_belong_together_fails),
        cmocka_unit_test(mistakes),
        cmocka_unit_test(survives_failing_memory),
        cmocka_unit_test(without_anchors),
        cmocka_unit_test(start_agrees_with_the_reference_and_turns_with_the_source),
        cmocka_unit_test(order_of_rows_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
