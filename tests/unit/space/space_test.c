/* Making spaces in one pass, and spaces as parts. */
#include "space/space_impl.h"
#include "tests/unit/space/space_data.h"

#include <math.h>

static vecna_space *built(vecna_view rows, size_t block, const vecna_space_options *options) {
    vecna_space_builder *builder = NULL;
    vecna_space *space = NULL;
    vecna_error err = {0};
    assert_status(VECNA_OK, vecna_space_builder_new(rows.dim, options, &builder, &err));
    for (size_t row = 0; row < rows.rows; row += block) {
        size_t count = rows.rows - row < block ? rows.rows - row : block;
        assert_status(VECNA_OK,
                      vecna_space_builder_add(builder, vecna_view_rows(rows, row, count), &err));
    }
    if (vecna_space_builder_finish(builder, &space, &err) != VECNA_OK)
        fail_msg("%s", err.message);
    vecna_space_builder_free(builder);
    return space;
}

static void blocks_do_not_matter(void **state) {
    enum { ROWS = 3000, DIM = 24 };
    float *data = made_up(ROWS, DIM, 11);
    vecna_view rows = vecna_view_dense(data, ROWS, DIM);
    vecna_space_parts a, b;
    (void)state;
    vecna_space *one = built(rows, ROWS, NULL), *many = built(rows, 7, NULL);
    vecna_space_parts_of(one, &a);
    vecna_space_parts_of(many, &b);
    assert_int_equal(a.rows, ROWS);
    assert_int_equal(a.directions, DIM / 2);
    assert_memory_equal(a.mean, b.mean, DIM * sizeof *a.mean);
    assert_memory_equal(a.principal, b.principal, a.directions * DIM * sizeof *a.principal);
    assert_true(a.gain == b.gain && a.spread == b.spread && a.norm_mean == b.norm_mean);
    vecna_space_free(one);
    vecna_space_free(many);
    free(data);
}

static void mean_and_norms_are_exact(void **state) {
    const float data[] = {3, 4, 0, 0, 2, 0, 0, -2, 0, 0, 0, 0, NAN, 1, 1, 1, 1, INFINITY};
    vecna_space_parts parts;
    (void)state;
    vecna_space *space = built(vecna_view_dense(data, 6, 3), 2, NULL);
    vecna_space_parts_of(space, &parts);
    assert_int_equal(parts.rows, 3); /* the zero row and those that are not finite are left out */
    assert_true(fabs(parts.norm_mean - 3) < 1e-15);
    assert_true(fabs(parts.norm_deviation - sqrt(2)) < 1e-15);
    assert_false(parts.unit);
    assert_true(fabsf(parts.mean[0] - 0.2F) < 1e-7F);
    assert_true(fabsf(parts.mean[1] - 0.8F / 3) < 1e-7F);
    assert_true(parts.mean[2] == 0);
    assert_string_equal(vecna_space_name(space), "");
    vecna_space_free(space);
}

/* Rows that differ along two known directions: those are found, with their variances. */
static void directions_are_found(void **state) {
    enum { ROWS = 400, DIM = 32 };
    float *data = calloc(ROWS * DIM, sizeof *data);
    vecna_space_parts parts;
    vecna_random random;
    (void)state;
    assert_non_null(data);
    vecna_random_seed(&random, 5, 0);
    for (size_t i = 0; i < ROWS; i++) {
        data[i * DIM] = 1;
        data[i * DIM + 3] = (float)(0.02 * vecna_random_normal(&random));
        data[i * DIM + 9] = (float)(0.01 * vecna_random_normal(&random));
    }
    vecna_space_options options = {.name = "two directions"};
    vecna_space *space = built(vecna_view_dense(data, ROWS, DIM), 64, &options);
    vecna_space_parts_of(space, &parts);
    assert_int_equal(parts.directions, 2); /* the rest is rounding */
    assert_true(fabsf(parts.principal[3]) > 0.99F);
    assert_true(fabsf(parts.principal[DIM + 9]) > 0.99F);
    assert_true(fabs(parts.variances[0] - 0.0004) < 0.0001); /* 320 rows: 10 % is 1.3 deviations */
    assert_true(fabs(parts.variances[1] - 0.0001) < 0.00003);
    assert_true(parts.breadth > 1 && parts.breadth < 2);
    assert_string_equal(parts.name, "two directions");
    vecna_space_free(space);
    free(data);
}

/* A thousand times the sample: every row has the same chance to be in it, so early and late rows
 * are. */
static void the_sample_is_uniform(void **state) {
    enum { ROWS = 20000, SAMPLE = 1000 };
    vecna_space_builder *builder = NULL;
    vecna_space_options options = {.sample_rows = SAMPLE, .seed = 3};
    size_t quarter[4] = {0};
    (void)state;
    assert_status(VECNA_OK, vecna_space_builder_new(2, &options, &builder, NULL));
    for (size_t i = 0; i < ROWS; i++) {
        double angle = (double)i / ROWS;
        float row[2] = {(float)cos(angle), (float)sin(angle)};
        assert_status(VECNA_OK,
                      vecna_space_builder_add(builder, vecna_view_dense(row, 1, 2), NULL));
    }
    assert_int_equal(builder->sampled, SAMPLE);
    for (size_t i = 0; i < SAMPLE; i++)
        quarter[(size_t)(4 * atan2(builder->sample[2 * i + 1], builder->sample[2 * i]))]++;
    for (size_t k = 0; k < 4; k++) /* 250 expected, deviation 13.7 */
        assert_in_range(quarter[k], 190, 310);
    vecna_space_builder_free(builder);
}

static void sampled_fingerprints_judge_alike(void **state) {
    enum { ROWS = 4000, DIM = 64 };
    float *data = made_up(ROWS, DIM, 21), *fresh = made_up(50, DIM, 22),
          *other = made_up(50, DIM, 23);
    vecna_view rows = vecna_view_dense(data, ROWS, DIM);
    vecna_space_options all = {.sample_rows = ROWS};
    vecna_space_match a, b;
    (void)state;
    for (size_t i = 0; i < 50; i++) { /* another model: the strong dimensions are others */
        for (size_t j = 0; j < DIM / 2; j++) {
            float swap = other[i * DIM + j];
            other[i * DIM + j] = other[i * DIM + DIM - 1 - j];
            other[i * DIM + DIM - 1 - j] = -swap;
        }
    }
    vecna_space *whole = built(rows, 100, &all), *sampled = built(rows, 100, NULL);
    assert_status(VECNA_OK,
                  vecna_space_check(whole, vecna_view_dense(fresh, 50, DIM), NULL, &a, NULL));
    assert_status(VECNA_OK,
                  vecna_space_check(sampled, vecna_view_dense(fresh, 50, DIM), NULL, &b, NULL));
    assert_int_equal(a.verdict, VECNA_SPACE_SAME);
    assert_int_equal(b.verdict, VECNA_SPACE_SAME);
    assert_true(fabs(a.likelihood - b.likelihood) < 0.02);
    assert_status(VECNA_OK,
                  vecna_space_check(sampled, vecna_view_dense(other, 50, DIM), NULL, &b, NULL));
    assert_int_equal(b.verdict, VECNA_SPACE_OTHER);
    vecna_space_free(whole);
    vecna_space_free(sampled);
    free(data);
    free(fresh);
    free(other);
}

static void adding_may_go_on_after_finish(void **state) {
    real_set set = real_set_load("minilm-glosses");
    vecna_view rows = real_set_rows(&set, set.rows);
    vecna_space_builder *builder = NULL;
    vecna_space *early = NULL, *late = NULL, *whole = space_of(&set, "");
    vecna_space_parts a, b;
    (void)state;
    assert_status(VECNA_OK, vecna_space_builder_new(set.dim, NULL, &builder, NULL));
    assert_status(VECNA_OK, vecna_space_builder_add(builder, vecna_view_rows(rows, 0, 30), NULL));
    assert_status(VECNA_OK, vecna_space_builder_finish(builder, &early, NULL));
    assert_status(VECNA_OK,
                  vecna_space_builder_add(builder, vecna_view_rows(rows, 30, set.rows - 30), NULL));
    assert_status(VECNA_OK, vecna_space_builder_finish(builder, &late, NULL));
    vecna_space_parts_of(late, &a);
    vecna_space_parts_of(whole, &b);
    assert_memory_equal(a.principal, b.principal, a.directions * a.dim * sizeof *a.principal);
    vecna_space_parts_of(early, &a);
    assert_int_equal(a.rows, 30);
    vecna_space_free(early);
    vecna_space_free(late);
    vecna_space_free(whole);
    vecna_space_builder_free(builder);
    free(set.data);
}

static void odd_sets_make_spaces(void **state) {
    float same[40 * 20], opposite[4] = {1, 0, -1, 0}, one = -3;
    vecna_space *space = NULL;
    vecna_space_parts parts;
    vecna_space_match match;
    (void)state;
    for (size_t i = 0; i < 40 * 20; i++)
        same[i] = (float)(i % 20) + 1;
    space = built(vecna_view_dense(same, 40, 20), 3, NULL); /* no spread at all */
    vecna_space_parts_of(space, &parts);
    assert_true(parts.spread < 1e-9);
    assert_status(VECNA_OK,
                  vecna_space_check(space, vecna_view_dense(same, 2, 20), NULL, &match, NULL));
    assert_true(isfinite(match.likelihood) && isfinite(match.gain) && isfinite(match.z));
    vecna_space_free(space);
    space = built(vecna_view_dense(opposite, 2, 2), 1, NULL); /* a mean of length 0 */
    vecna_space_parts_of(space, &parts);
    assert_true(parts.mean[0] == 0 && parts.mean[1] == 0);
    vecna_space_free(space);
    space = built(vecna_view_dense(&one, 1, 1), 1, NULL);
    assert_int_equal(vecna_space_dim(space), 1);
    vecna_space_free(space);
}

static void parts_make_the_same_space(void **state) {
    real_set set = real_set_load("gecko-amenities");
    vecna_space *first = space_of(&set, "google/textembedding-gecko@001"), *second = NULL;
    vecna_space_parts a, b;
    vecna_space_match x, y;
    (void)state;
    vecna_space_parts_of(first, &a);
    assert_status(VECNA_OK, vecna_space_from_parts(&a, NULL, &second, NULL));
    vecna_space_parts_of(second, &b);
    assert_ptr_not_equal(a.mean, b.mean);
    assert_memory_equal(a.mean, b.mean, a.dim * sizeof *a.mean);
    assert_memory_equal(a.principal, b.principal, a.directions * a.dim * sizeof *a.principal);
    assert_memory_equal(a.variances, b.variances, a.directions * sizeof *a.variances);
    assert_string_equal(vecna_space_name(first), vecna_space_name(second));
    vecna_view rows = real_set_rows(&set, 9);
    assert_status(VECNA_OK, vecna_space_check(first, rows, NULL, &x, NULL));
    assert_status(VECNA_OK, vecna_space_check(second, rows, NULL, &y, NULL));
    assert_true(x.likelihood == y.likelihood && x.z == y.z);
    vecna_space_free(first);
    vecna_space_free(second);
    free(set.data);
}

/* Each spoils one thing of good parts. */
static void broken_parts_are_refused(void **state) {
    enum { DIM = 20, DIRECTIONS = 3, CASES = 22 };
    float mean[DIM], principal[DIRECTIONS * DIM], variances[DIRECTIONS];
    char long_name[VECNA_SPACE_NAME_BYTES + 1];
    (void)state;
    memset(long_name, 'n', VECNA_SPACE_NAME_BYTES);
    long_name[VECNA_SPACE_NAME_BYTES] = 0;
    for (int spoil = -1; spoil < CASES; spoil++) {
        vecna_space *space = NULL;
        vecna_error err = {0};
        memset(mean, 0, sizeof mean);
        memset(principal, 0, sizeof principal);
        mean[0] = 0.5F;
        for (size_t k = 0; k < DIRECTIONS; k++) {
            principal[k * DIM + k + 1] = 1;
            variances[k] = 0.1F;
        }
        vecna_space_parts parts = {.name = "good",
                                   .dim = DIM,
                                   .directions = DIRECTIONS,
                                   .rows = 100,
                                   .norm_mean = 1,
                                   .spread = 0.5,
                                   .breadth = 5,
                                   .gain = 3,
                                   .mean = mean,
                                   .principal = principal,
                                   .variances = variances};
        vecna_status expected = VECNA_ERR_VALUE;
        switch (spoil) {
        case -1:
            expected = VECNA_OK;
            break;
        case 0:
            parts.dim = 0;
            expected = VECNA_ERR_ARGUMENT;
            break;
        case 1:
            parts.dim = SIZE_MAX;
            expected = VECNA_ERR_ARGUMENT;
            break;
        case 2:
            parts.directions = DIM / 2 + 1;
            expected = VECNA_ERR_ARGUMENT;
            break;
        case 3:
            parts.directions = VECNA_SPACE_DIRECTIONS_MAX + 1;
            expected = VECNA_ERR_ARGUMENT;
            break;
        case 4:
            parts.name = long_name;
            expected = VECNA_ERR_ARGUMENT;
            break;
        case 5:
            parts.mean = NULL;
            expected = VECNA_ERR_ARGUMENT;
            break;
        case 6:
            parts.principal = NULL;
            expected = VECNA_ERR_ARGUMENT;
            break;
        case 7:
            parts.variances = NULL;
            expected = VECNA_ERR_ARGUMENT;
            break;
        case 8:
            mean[19] = NAN;
            break;
        case 9:
            mean[19] = 1;
            break; /* longer than 1 */
        case 10:
            principal[DIM] = INFINITY;
            break;
        case 11:
            principal[DIM + 2] = 0.5F;
            break; /* not unit */
        case 12:
            principal[DIM + 1] = 0.5F;
            break; /* not orthogonal to the first */
        case 13:
            principal[0] = 0.3F;
            break; /* not orthogonal to the mean */
        case 14:
            variances[1] = -1;
            break;
        case 15:
            variances[2] = NAN;
            break;
        case 16:
            parts.norm_mean = NAN;
            break;
        case 17:
            parts.norm_deviation = -1;
            break;
        case 18:
            parts.spread = INFINITY;
            break;
        case 19:
            parts.breadth = -2;
            break;
        case 20:
            parts.gain = NAN;
            break;
        case 21:
            memset(principal, 0, sizeof principal);
            break;
        default:
            fail_msg("no case %d", spoil);
        }
        vecna_status got = vecna_space_from_parts(&parts, NULL, &space, &err);
        if (got != expected)
            fail_msg("case %d: %s", spoil, vecna_status_name(got));
        assert_int_equal(space == NULL, expected != VECNA_OK);
        assert_int_equal(err.message[0] == 0, expected == VECNA_OK);
        vecna_space_free(space);
    }
}

static void bad_options_are_refused(void **state) {
    char long_name[VECNA_SPACE_NAME_BYTES + 1];
    vecna_space_builder *builder = NULL;
    vecna_space *space = NULL;
    vecna_error err = {0};
    (void)state;
    memset(long_name, 'n', VECNA_SPACE_NAME_BYTES);
    long_name[VECNA_SPACE_NAME_BYTES] = 0;
    const vecna_space_options bad[] = {{.name = long_name},
                                       {.directions = VECNA_SPACE_DIRECTIONS_MAX + 1},
                                       {.sample_rows = 15},
                                       {.sample_rows = (size_t)1 << 30}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_status(VECNA_ERR_ARGUMENT, vecna_space_builder_new(8, &bad[i], &builder, &err));
    assert_status(VECNA_ERR_ARGUMENT, vecna_space_builder_new(0, NULL, &builder, &err));
    assert_status(VECNA_ERR_MEMORY, vecna_space_builder_new(SIZE_MAX / 64, NULL, &builder, &err));
    assert_null(builder);
    assert_status(VECNA_OK, vecna_space_builder_new(8, NULL, &builder, &err));
    float row[9] = {0};
    assert_status(VECNA_ERR_DIM,
                  vecna_space_builder_add(builder, vecna_view_dense(row, 1, 9), &err));
    assert_status(VECNA_OK, vecna_space_builder_add(builder, vecna_view_dense(row, 1, 8), &err));
    assert_status(VECNA_ERR_VALUE, vecna_space_builder_finish(builder, &space, &err));
    assert_null(space);
    vecna_space_builder_free(builder);
    vecna_space_builder_free(NULL);
    vecna_space_free(NULL);
}

static vecna_status whole(void *user, const vecna_allocator *allocator, vecna_error *err) {
    vecna_space *space = NULL, *copy = NULL;
    vecna_space_parts parts;
    vecna_space_options options = {.allocator = allocator, .name = "n"};
    vecna_status status = vecna_space_of(*(vecna_view *)user, &options, &space, err);
    if (status == VECNA_OK) {
        vecna_space_parts_of(space, &parts);
        status = vecna_space_from_parts(&parts, allocator, &copy, err);
    }
    vecna_space_free(space);
    vecna_space_free(copy);
    return status;
}

static void memory_may_fail(void **state) {
    float *data = made_up(60, 40, 2);
    vecna_view wide = vecna_view_dense(data, 60, 40), tall = vecna_view_dense(data, 240, 10);
    (void)state;
    assert_survives_failing_memory(whole, &wide);
    assert_survives_failing_memory(whole, &tall);
    free(data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_do_not_matter),
        cmocka_unit_test(mean_and_norms_are_exact),
        cmocka_unit_test(directions_are_found),
        cmocka_unit_test(the_sample_is_uniform),
        cmocka_unit_test(sampled_fingerprints_judge_alike),
        cmocka_unit_test(adding_may_go_on_after_finish),
        cmocka_unit_test(odd_sets_make_spaces),
        cmocka_unit_test(parts_make_the_same_space),
        cmocka_unit_test(broken_parts_are_refused),
        cmocka_unit_test(bad_options_are_refused),
        cmocka_unit_test(memory_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
