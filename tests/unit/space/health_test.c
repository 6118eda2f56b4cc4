/* Faults with their rows, and figures against the float64 twin and against what can be computed by
 * hand. */
#include "space/space_impl.h"
#include "tests/unit/space/space_data.h"
#include "tests/unit/space/space_expected.h"

#include <math.h>

static void near(double expected, double got, double tolerance) {
    if (!(fabs(expected - got) <= tolerance * (1 + fabs(expected))))
        fail_msg("%.15g instead of %.15g", got, expected);
}

static vecna_health *health_of(vecna_view rows, size_t block, const vecna_health_options *options,
                               vecna_health_report *report) {
    vecna_health *health = NULL;
    vecna_error err = {0};
    if (vecna_health_new(rows.dim, options, &health, &err) != VECNA_OK)
        fail_msg("%s", err.message);
    for (size_t row = 0; row < rows.rows; row += block) {
        size_t count = rows.rows - row < block ? rows.rows - row : block;
        assert_status(VECNA_OK, vecna_health_add(health, vecna_view_rows(rows, row, count), &err));
    }
    if (vecna_health_finish(health, report, &err) != VECNA_OK)
        fail_msg("%s", err.message);
    return health;
}

static void figures_are_those_of_float64(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof expected_spaces / sizeof *expected_spaces; i++) {
        const struct expected_space *e = &expected_spaces[i];
        real_set set = real_set_load(e->name);
        vecna_health_report report;
        vecna_health *health = health_of(real_set_rows(&set, set.rows), 7, NULL, &report);
        assert_int_equal(report.rows, set.rows);
        assert_int_equal(report.usable, set.rows);
        near(e->pair_cosine, report.mean_pair_cosine, 1e-12);
        near(e->rank, report.effective_rank, 1e-4); /* float32 products */
        for (size_t k = 0; k < VECNA_HEALTH_PREFIXES; k++)
            near(e->prefix[k], report.prefix_share[k], 1e-9);
        near(e->prefix_z, report.prefix_z, 1e-9);
        assert_false(report.unit); /* the files hold int8 */
        vecna_health_free(health);
        free(set.data);
    }
}

static void matryoshka_models_are_seen(void **state) {
    static const struct {
        const char *name;
        int matryoshka;
    } known[] = {{"3small-hotels", 1},    {"005-amenities", 1},  {"gecko-amenities", 0},
                 {"ada-hotels", 0},       {"ada-products", 0},   {"mpnet-amenities", 0},
                 {"minilm-questions", 0}, {"minilm-glosses", 0}, {"e5-azure", 0}};
    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        real_set set = real_set_load(known[i].name);
        vecna_health_report report;
        vecna_health *health = health_of(real_set_rows(&set, set.rows), 16, NULL, &report);
        if (report.matryoshka != known[i].matryoshka)
            fail_msg("%s: matryoshka %d, z %g", known[i].name, report.matryoshka, report.prefix_z);
        vecna_health_free(health);
        free(set.data);
    }
}

static void faults_are_listed_with_their_rows(void **state) {
    enum { ROWS = 40, DIM = 9 };
    float *data = made_up(ROWS, DIM, 3);
    vecna_health_report report;
    (void)state;
    memset(data + 4 * DIM, 0, DIM * sizeof *data);
    memset(data + 17 * DIM, 0, DIM * sizeof *data);
    data[17 * DIM + 2] = -0.0F;
    data[8 * DIM + 8] = NAN;
    data[9 * DIM] = INFINITY;
    data[10 * DIM + 1] = -INFINITY;
    data[10 * DIM + 2] = NAN;
    memcpy(data + 20 * DIM, data + 5 * DIM, DIM * sizeof *data);
    memcpy(data + 21 * DIM, data + 5 * DIM, DIM * sizeof *data);
    memcpy(data + 39 * DIM, data + 38 * DIM, DIM * sizeof *data);
    for (size_t block = 1; block <= ROWS; block += 13) {
        vecna_health *health = health_of(vecna_view_dense(data, ROWS, DIM), block, NULL, &report);
        assert_int_equal(report.rows, ROWS);
        assert_int_equal(report.usable, ROWS - 5);
        assert_int_equal(report.zero.count, 2);
        assert_int_equal(report.zero.rows[0], 4);
        assert_int_equal(report.zero.rows[1], 17);
        assert_null(report.zero.same);
        assert_int_equal(report.nan.count, 2);
        assert_int_equal(report.nan.rows[0], 8);
        assert_int_equal(report.nan.rows[1], 10);
        assert_int_equal(report.infinite.count, 1);
        assert_int_equal(report.infinite.rows[0], 9);
        assert_int_equal(report.duplicate.count, 3);
        assert_int_equal(report.duplicate.rows[0], 20);
        assert_int_equal(report.duplicate.same[0], 5);
        assert_int_equal(report.duplicate.rows[1], 21);
        assert_int_equal(report.duplicate.same[1], 5);
        assert_int_equal(report.duplicate.rows[2], 39);
        assert_int_equal(report.duplicate.same[2], 38);
        assert_int_equal(report.duplicates_complete, 1);
        vecna_health_free(health);
    }
    free(data);
}

static void lists_and_memory_are_bounded(void **state) {
    enum { ROWS = 5000, DIM = 3 };
    float *data = malloc(ROWS * DIM * sizeof *data);
    vecna_health_options options = {.listed = 2, .duplicate_rows = 100};
    vecna_health_report report;
    (void)state;
    assert_non_null(data);
    for (size_t i = 0; i < ROWS; i++) { /* rows repeat after 1000; -0 and 0 are one number */
        data[i * DIM] = (float)(i % 1000) + 1;
        data[i * DIM + 1] = i < 1000 ? 0.0F : -0.0F;
        data[i * DIM + 2] = 1;
    }
    vecna_health *health = health_of(vecna_view_dense(data, ROWS, DIM), 64, &options, &report);
    assert_int_equal(report.duplicate.count, 400); /* of the 100 rows that are remembered */
    assert_int_equal(report.duplicate.listed, 2);
    assert_int_equal(report.duplicate.rows[1], 1001);
    assert_int_equal(report.duplicates_complete, 0);
    vecna_health_free(health);
    options.duplicate_rows = 1000;
    health = health_of(vecna_view_dense(data, ROWS, DIM), 64, &options, &report);
    assert_int_equal(report.duplicate.count, 4000);
    assert_int_equal(report.duplicates_complete, 1);
    vecna_health_free(health);
    free(data);
}

/* Unit vectors along axes: everything is known exactly. */
static void axes_give_exact_figures(void **state) {
    enum { DIM = 16 };
    float data[2 * DIM * DIM] = {0};
    vecna_health_report report;
    (void)state;
    for (size_t i = 0; i < DIM; i++) {
        data[2 * i * DIM + i] = 1;
        data[(2 * i + 1) * DIM + i] = -1;
    }
    vecna_health *health = health_of(vecna_view_dense(data, 2 * DIM, DIM), 5, NULL, &report);
    assert_int_equal(report.unit, 1);
    assert_true(report.norm_min == 1 && report.norm_max == 1 && report.norm_mean == 1);
    assert_true(report.norm_deviation == 0);
    /* the sum is 0: pairs of different rows have mean cosine -1 / (n - 1) */
    near(-1.0 / (2 * DIM - 1), report.mean_pair_cosine, 1e-15);
    /* each row meets its opposite alone: 1 of 2 * DIM - 1 products is 1 */
    near(DIM, report.effective_rank, 1.0); /* clamped to the dimension */
    for (size_t k = 0; k < VECNA_HEALTH_PREFIXES; k++)
        near(1, report.prefix_share[k], 1e-12);
    assert_int_equal(report.matryoshka, 0);
    vecna_health_free(health);
}

static void norms_are_measured(void **state) {
    const float data[] = {3, 4, 0, 0, 0, 13, 5, 12, 0, 0, 0.5F, 0};
    vecna_health_report report;
    (void)state;
    vecna_health *health = health_of(vecna_view_dense(data, 4, 3), 1, NULL, &report);
    assert_true(report.norm_min == 0.5 && report.norm_max == 13);
    near((5 + 13 + 13 + 0.5) / 4, report.norm_mean, 1e-15);
    near(sqrt((2.875 * 2.875 + 2 * 5.125 * 5.125 + 7.375 * 7.375) / 4), report.norm_deviation,
         1e-12);
    assert_int_equal(report.unit, 0);
    vecna_health_free(health);
}

static void half_precision_still_looks_unit(void **state) {
    enum { ROWS = 50, DIM = 64 };
    float *data = made_up(ROWS, DIM, 5);
    vecna_health_report report;
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        double squares = 0;
        for (size_t j = 0; j < DIM; j++)
            squares += (double)data[i * DIM + j] * data[i * DIM + j];
        for (size_t j = 0; j < DIM; j++) { /* 11 bits, as float16 keeps */
            int exponent;
            double part = frexp(data[i * DIM + j] / sqrt(squares), &exponent);
            data[i * DIM + j] = (float)ldexp(nearbyint(part * 2048) / 2048, exponent);
        }
    }
    vecna_health *health = health_of(vecna_view_dense(data, ROWS, DIM), 8, NULL, &report);
    assert_int_equal(report.unit, 1);
    vecna_health_free(health);
    data[7] *= 1.5F;
    health = health_of(vecna_view_dense(data, ROWS, DIM), 8, NULL, &report);
    assert_int_equal(report.unit, 0);
    vecna_health_free(health);
    free(data);
}

static void nothing_and_little_are_reported_as_such(void **state) {
    float data[6] = {0};
    vecna_health_report report;
    (void)state;
    vecna_health *health = health_of(vecna_view_dense(data, 0, 3), 1, NULL, &report);
    assert_int_equal(report.rows, 0);
    assert_int_equal(report.unit, 0);
    assert_true(isnan(report.mean_pair_cosine) && isnan(report.effective_rank));
    vecna_health_free(health);
    health = health_of(vecna_view_dense(data, 2, 3), 1, NULL, &report);
    assert_int_equal(report.zero.count, 2);
    assert_int_equal(report.usable, 0);
    vecna_health_free(health);
    data[0] = 2;
    health = health_of(vecna_view_dense(data, 2, 3), 1, NULL, &report);
    assert_int_equal(report.usable, 1);
    assert_true(isnan(report.mean_pair_cosine) && isnan(report.effective_rank));
    vecna_health_free(health);
    data[3] = 2;
    health = health_of(vecna_view_dense(data, 2, 3), 1, NULL, &report);
    assert_int_equal(report.duplicate.count, 1);
    assert_true(report.mean_pair_cosine == 1);
    vecna_health_free(health);
}

static void bad_options_are_refused(void **state) {
    vecna_health *health = NULL;
    vecna_error err = {0};
    vecna_health_options options = {.listed = (size_t)1 << 40};
    (void)state;
    assert_status(VECNA_ERR_ARGUMENT, vecna_health_new(3, &options, &health, &err));
    assert_status(VECNA_ERR_ARGUMENT, vecna_health_new(0, NULL, &health, &err));
    options = (vecna_health_options){.space.sample_rows = 3};
    assert_status(VECNA_ERR_ARGUMENT, vecna_health_new(3, &options, &health, &err));
    assert_status(VECNA_ERR_MEMORY, vecna_health_new(SIZE_MAX / 8, NULL, &health, &err));
    assert_null(health);
    vecna_health_free(NULL);
    assert_status(VECNA_OK, vecna_health_new(3, NULL, &health, &err));
    float row[4] = {1, 2, 3, 4};
    assert_status(VECNA_ERR_DIM, vecna_health_add(health, vecna_view_dense(row, 1, 4), &err));
    vecna_health_report report;
    assert_status(VECNA_OK, vecna_health_finish(health, &report, NULL));
    assert_int_equal(report.rows, 0);
    vecna_health_free(health);
}

static vecna_status whole(void *user, const vecna_allocator *allocator, vecna_error *err) {
    const float *data = user;
    vecna_health *health = NULL;
    vecna_space *space = NULL;
    vecna_health_report report;
    vecna_health_options options = {.allocator = allocator};
    vecna_status status = vecna_health_new(20, &options, &health, err);
    if (status == VECNA_OK)
        status = vecna_health_add(health, vecna_view_dense(data, 1500, 20), err);
    if (status == VECNA_OK)
        status = vecna_health_finish(health, &report, err);
    if (status == VECNA_OK)
        status = vecna_space_builder_finish(vecna_health_builder(health), &space, err);
    vecna_space_free(space);
    vecna_health_free(health);
    return status;
}

static void memory_may_fail(void **state) {
    float *data = made_up(1500, 20, 9);
    (void)state;
    assert_survives_failing_memory(whole, data);
    free(data);
}

/* A hundred thousand distinct rows of small integers and their repeats: no pair is missed, none
 * invented. */
static void hashes_tell_rows_apart(void **state) {
    vni_seen seen;
    uint64_t first;
    (void)state;
    vni_seen_init(&seen, 200000, NULL);
    for (uint64_t pass = 0; pass < 2; pass++) {
        for (uint64_t i = 0; i < 100000; i++) {
            float row[5] = {(float)(i % 10), (float)(i / 10 % 100), 0, (float)(i / 1000), 1};
            assert_status(VECNA_OK, vni_seen_add(&seen, row, 5, pass * 100000 + i, &first, NULL));
            if (first != i)
                fail_msg("row %zu is taken for row %zu", (size_t)i, (size_t)first);
        }
    }
    assert_int_equal(seen.used, 100000);
    assert_false(seen.full);
    vni_seen_free(&seen);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_are_those_of_float64),
        cmocka_unit_test(matryoshka_models_are_seen),
        cmocka_unit_test(faults_are_listed_with_their_rows),
        cmocka_unit_test(lists_and_memory_are_bounded),
        cmocka_unit_test(axes_give_exact_figures),
        cmocka_unit_test(norms_are_measured),
        cmocka_unit_test(half_precision_still_looks_unit),
        cmocka_unit_test(nothing_and_little_are_reported_as_such),
        cmocka_unit_test(bad_options_are_refused),
        cmocka_unit_test(memory_may_fail),
        cmocka_unit_test(hashes_tell_rows_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
