/* Adapters: exact on small integers, orthonormal and faithful where they promise it, and the same
 * from the same seed as NumPy's twin (tests/reference/adapt_reference.py). */
#include "tests/unit/support/support.h"
#include "vecna/adapt.h"
#include "vecna/metric.h"

#include <math.h>
#include <string.h>

static vecna_adapter *made(vecna_adapt_options options) {
    vecna_adapter *adapter = NULL;
    vecna_error err = {VECNA_OK, -1, ""};
    vecna_status status = vecna_adapter_new(&options, &adapter, &err);
    if (status != VECNA_OK)
        fail_msg("%s: %s", vecna_status_name(status), err.message);
    return adapter;
}

static void fill(float *to, size_t count, uint64_t seed) {
    vecna_random random;
    vecna_random_seed(&random, seed, 0);
    for (size_t i = 0; i < count; i++)
        to[i] = (float)vecna_random_normal(&random);
}

/* ---- truncate and pad ----------------------------------------------------------------------- */

static void assert_row(const float *got, size_t dim, const float *wanted) {
    for (size_t j = 0; j < dim; j++)
        assert_true(got[j] == wanted[j]);
}

/* Rows of a larger table in, rows of a larger table out: nothing beside them is read or written. */
static void truncates(void **state) {
    static const float in[2][7] = {{1, 2, 3, 4, 5, NAN, NAN}, {6, 7, 8, 9, 10, NAN, NAN}};
    static const float first[2][3] = {{1, 2, 3}, {6, 7, 8}}, last[2][3] = {{3, 4, 5}, {8, 9, 10}};
    float out[2][5];
    (void)state;
    for (int mode = 0; mode < 2; mode++) {
        vecna_adapter *adapter =
            made((vecna_adapt_options){.kind = VECNA_ADAPT_TRUNCATE,
                                       .source_dim = 5,
                                       .target_dim = 3,
                                       .truncate_mode = (vecna_truncate_mode)mode,
                                       .keep_length = 1});
        for (size_t i = 0; i < 10; i++)
            out[i / 5][i % 5] = 77;
        assert_status(VECNA_OK, vecna_adapt_apply(adapter, (vecna_view){in[0], 2, 5, 7},
                                                  (vecna_matrix){out[0], 2, 3, 5}, NULL));
        for (size_t i = 0; i < 2; i++) {
            assert_row(out[i], 3, mode == VECNA_TRUNCATE_FROM_END ? first[i] : last[i]);
            assert_true(out[i][3] == 77 && out[i][4] == 77);
        }
        vecna_adapter_free(adapter);
    }
}

static void pads(void **state) {
    static const float in[2][4] = {{1, 2, 3, NAN}, {4, 5, 6, NAN}};
    static const float at_end[2][5] = {{1, 2, 3, 0, 0}, {4, 5, 6, 0, 0}};
    static const float at_start[2][5] = {{0, 0, 1, 2, 3}, {0, 0, 4, 5, 6}};
    float out[2][6];
    (void)state;
    for (int mode = 0; mode < 2; mode++) {
        vecna_adapter *adapter = made((vecna_adapt_options){.kind = VECNA_ADAPT_PAD,
                                                            .source_dim = 3,
                                                            .target_dim = 5,
                                                            .pad_mode = (vecna_pad_mode)mode,
                                                            .keep_length = 1});
        for (size_t i = 0; i < 12; i++)
            out[i / 6][i % 6] = 77;
        assert_status(VECNA_OK, vecna_adapt_apply(adapter, (vecna_view){in[0], 2, 3, 4},
                                                  (vecna_matrix){out[0], 2, 5, 6}, NULL));
        for (size_t i = 0; i < 2; i++) {
            assert_row(out[i], 5, mode == VECNA_PAD_AT_END ? at_end[i] : at_start[i]);
            assert_true(out[i][5] == 77);
        }
        vecna_adapter_free(adapter);
    }
}

/* 3, 4 stays 0.6, 0.8; a row that is zero after the cut stays zero; NaN is passed on, not spread.
 */
static void brings_to_unit_length(void **state) {
    static const float in[3][3] = {{3, 4, 12}, {0, 0, 5}, {NAN, 1, 1}};
    float out[3][2];
    vecna_adapter *adapter =
        made((vecna_adapt_options){.source_dim = 3, .target_dim = 2}); /* zeros are defaults */
    (void)state;
    assert_int_equal(vecna_adapter_kind(adapter), VECNA_ADAPT_TRUNCATE);
    assert_null(vecna_adapter_matrix_view(adapter).data);
    assert_status(VECNA_OK, vecna_adapt_apply(adapter, vecna_view_dense(in[0], 3, 3),
                                              vecna_matrix_dense(out[0], 3, 2), NULL));
    assert_true(out[0][0] == 0.6f && out[0][1] == 0.8f);
    assert_true(out[1][0] == 0 && out[1][1] == 0);
    assert_true(isnan(out[2][0]) && out[2][1] == 1);
    vecna_adapter_free(adapter);
}

static void auto_goes_both_ways(void **state) {
    static const struct {
        size_t source, target;
        vecna_adapt_kind kind;
    } cases[] = {
        {8, 4, VECNA_ADAPT_TRUNCATE}, {4, 8, VECNA_ADAPT_PAD}, {4, 4, VECNA_ADAPT_TRUNCATE}};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        vecna_adapter *adapter = made(
            (vecna_adapt_options){.source_dim = cases[i].source, .target_dim = cases[i].target});
        assert_int_equal(vecna_adapter_kind(adapter), cases[i].kind);
        vecna_adapter_free(adapter);
    }
}

/* Padding and truncating to the same dimension change nothing but the length. */
static void equal_dimensions_are_the_identity(void **state) {
    float in[3 * 9], out[3 * 9];
    (void)state;
    fill(in, 27, 4);
    for (int kind = VECNA_ADAPT_TRUNCATE; kind <= VECNA_ADAPT_PAD; kind++) {
        vecna_adapter *adapter =
            made((vecna_adapt_options){.kind = (vecna_adapt_kind)kind,
                                       .source_dim = 9,
                                       .target_dim = 9,
                                       .truncate_mode = VECNA_TRUNCATE_FROM_START,
                                       .pad_mode = VECNA_PAD_AT_START,
                                       .keep_length = 1});
        assert_status(VECNA_OK, vecna_adapt_apply(adapter, vecna_view_dense(in, 3, 9),
                                                  vecna_matrix_dense(out, 3, 9), NULL));
        assert_memory_equal(in, out, sizeof in);
        vecna_adapter_free(adapter);
    }
}

/* ---- project -------------------------------------------------------------------------------- */

static const struct {
    uint64_t seed;
    size_t source, target;
    double entries[5]; /* the first four and the last */
    double weighed;    /* sum of entry * (1 + index mod 7) */
} golden[] = {
    {UINT64_C(1),
     5,
     3,
     {0.67922464, -0.32673089, 0.628120287, -0.111365217, 0.342359701},
     1.52447266},
    {UINT64_C(42),
     6,
     6,
     {-0.583345288, -0.0949716375, 0.130726803, 0.260229585, -0.458235609},
     6.92420997},
    {UINT64_C(7),
     3,
     8,
     {-0.298361227, 0.436728242, 0.425104911, 0.372618516, -0.235070733},
     -2.62968773},
    {UINT64_C(9223372036854775819),
     64,
     16,
     {0.0258297949, -0.0493724547, 0.157200419, 0.00212618155, -0.103061006},
     -39.5762894},
    {UINT64_C(0),
     16,
     48,
     {0.310036638, 0.148521394, -0.0417647319, -0.0163115288, -0.0132307735},
     3.77585578},

};

static vecna_adapter *projection(uint64_t seed, size_t source, size_t target, int keep_length) {
    return made((vecna_adapt_options){.kind = VECNA_ADAPT_PROJECT,
                                      .source_dim = source,
                                      .target_dim = target,
                                      .seed = seed,
                                      .keep_length = keep_length});
}

static void seeds_reproduce(void **state) {
    (void)state;
    for (size_t k = 0; k < sizeof golden / sizeof *golden; k++) {
        size_t count = golden[k].source * golden[k].target;
        vecna_adapter *adapter = projection(golden[k].seed, golden[k].source, golden[k].target, 0);
        const float *entry = vecna_adapter_matrix_view(adapter).data;
        double weighed = 0;
        for (size_t i = 0; i < 5; i++) /* float32 rounding of entries below 1 */
            assert_true(fabs((double)entry[i < 4 ? i : count - 1] - golden[k].entries[i]) < 6e-8);
        for (size_t i = 0; i < count; i++)
            weighed += (double)entry[i] * (double)(1 + i % 7);
        assert_true(fabs(weighed - golden[k].weighed) < 3e-8 * 7 * (double)count);
        vecna_adapter_free(adapter);
    }
}

/* Columns downwards, rows upwards; at equal dimensions both. Entries carry float32 rounding of
 * about 3e-8, sums of squares below 1 no more than that times two. */
static void is_orthonormal(void **state) {
    static const size_t dims[][2] = {{48, 17}, {17, 48}, {20, 20}, {1, 1}, {5, 1}, {1, 5}};
    (void)state;
    for (size_t k = 0; k < sizeof dims / sizeof *dims; k++) {
        size_t source = dims[k][0], target = dims[k][1];
        vecna_adapter *adapter = projection(100 + k, source, target, 0);
        const float *p = vecna_adapter_matrix_view(adapter).data;
        size_t vectors = source < target ? source : target, length = source + target - vectors;
        size_t along = source < target ? 1 : target, across = source < target ? target : 1;
        for (size_t a = 0; a < vectors; a++)
            for (size_t b = 0; b <= a; b++) {
                double dot = 0;
                for (size_t j = 0; j < length; j++)
                    dot += (double)p[a * across + j * along] * (double)p[b * across + j * along];
                assert_true(fabs(dot - (a == b)) < 2e-7);
            }
        vecna_adapter_free(adapter);
    }
}

static void keeps_products(vecna_adapter *adapter, size_t source, size_t target, double tolerance) {
    enum { ROWS = 12 };
    float in[ROWS * 64], out[ROWS * 96];
    fill(in, ROWS * source, 6);
    assert_status(VECNA_OK, vecna_adapt_apply(adapter, vecna_view_dense(in, ROWS, source),
                                              vecna_matrix_dense(out, ROWS, target), NULL));
    for (size_t a = 0; a < ROWS; a++)
        for (size_t b = 0; b < ROWS; b++) {
            double before = vecna_metric_dot(in + a * source, in + b * source, source);
            double after = vecna_metric_dot(out + a * target, out + b * target, target);
            assert_true(fabs(before - after) <= tolerance);
        }
    vecna_adapter_free(adapter);
}

/* Inner products reach 64 or so: exact for padding, 1e-7 * sqrt(64) relative for products. */
static void upwards_inner_products_stay(void **state) {
    vecna_adapt_options pad = {
        .kind = VECNA_ADAPT_PAD, .source_dim = 64, .target_dim = 96, .keep_length = 1};
    (void)state;
    keeps_products(made(pad), 64, 96, 1e-12);
    pad.pad_mode = VECNA_PAD_AT_START;
    keeps_products(made(pad), 64, 96, 1e-12);
    keeps_products(projection(8, 64, 96, 1), 64, 96, 1e-4);
    keeps_products(projection(9, 64, 64, 1), 64, 64, 1e-4);
}

/* Down and up again by the transpose is a projection: lengths fall by sqrt(target / source) on
 * average, and cosines keep to 5 standard errors of 1 / sqrt(target). */
static void downwards_cosines_stay_roughly(void **state) {
    enum { ROWS = 40, SOURCE = 256, TARGET = 64 };
    static float in[ROWS * SOURCE], out[ROWS * TARGET];
    vecna_adapter *adapter = projection(10, SOURCE, TARGET, 1);
    double ratio = 0;
    (void)state;
    fill(in, ROWS * SOURCE, 7);
    assert_status(VECNA_OK, vecna_adapt_apply(adapter, vecna_view_dense(in, ROWS, SOURCE),
                                              vecna_matrix_dense(out, ROWS, TARGET), NULL));
    for (size_t a = 0; a < ROWS; a++) {
        ratio += vecna_metric_norm(out + a * TARGET, TARGET) /
                 vecna_metric_norm(in + a * SOURCE, SOURCE) / ROWS;
        for (size_t b = 0; b < a; b++)
            assert_true(fabs(vecna_metric_cosine(in + a * SOURCE, in + b * SOURCE, SOURCE) -
                             vecna_metric_cosine(out + a * TARGET, out + b * TARGET, TARGET)) <
                        5 / sqrt(TARGET));
    }
    assert_true(fabs(ratio - 0.5) < 0.05);
    vecna_adapter_free(adapter);
}

static void projections_have_unit_length(void **state) {
    float in[5 * 30], out[5 * 11], again[5 * 11];
    vecna_adapter *adapter = projection(3, 30, 11, 0), *twin = projection(3, 30, 11, 0);
    vecna_adapter *other = projection(4, 30, 11, 0);
    (void)state;
    fill(in, 5 * 30, 8);
    memset(in + 30, 0, 30 * sizeof *in);
    assert_status(VECNA_OK, vecna_adapt_apply(adapter, vecna_view_dense(in, 5, 30),
                                              vecna_matrix_dense(out, 5, 11), NULL));
    for (size_t i = 0; i < 5; i++)
        assert_true(fabs(vecna_metric_norm(out + 11 * i, 11) - (i != 1)) < 1e-6);
    assert_status(VECNA_OK, vecna_adapt_apply(twin, vecna_view_dense(in, 5, 30),
                                              vecna_matrix_dense(again, 5, 11), NULL));
    assert_memory_equal(out, again, sizeof out);
    assert_status(VECNA_OK, vecna_adapt_apply(other, vecna_view_dense(in, 5, 30),
                                              vecna_matrix_dense(again, 5, 11), NULL));
    assert_memory_not_equal(out, again, sizeof out);
    vecna_adapter_free(adapter);
    vecna_adapter_free(twin);
    vecna_adapter_free(other);
}

/* ---- mistakes ------------------------------------------------------------------------------- */

static void refuses_options(void **state) {
    static const struct {
        vecna_adapt_options options;
        vecna_status status;
    } bad[] = {
        {{.source_dim = 0, .target_dim = 4}, VECNA_ERR_ARGUMENT},
        {{.source_dim = 4, .target_dim = 0}, VECNA_ERR_ARGUMENT},
        {{.kind = VECNA_ADAPT_PROJECT, .source_dim = 0, .target_dim = 4}, VECNA_ERR_ARGUMENT},
        {{.kind = VECNA_ADAPT_TRUNCATE, .source_dim = 4, .target_dim = 5}, VECNA_ERR_ARGUMENT},
        {{.kind = VECNA_ADAPT_PAD, .source_dim = 5, .target_dim = 4}, VECNA_ERR_ARGUMENT},
        {{.kind = (vecna_adapt_kind)9, .source_dim = 5, .target_dim = 4}, VECNA_ERR_ARGUMENT},
        {{.truncate_mode = (vecna_truncate_mode)2, .source_dim = 5, .target_dim = 4},
         VECNA_ERR_ARGUMENT},
        {{.pad_mode = (vecna_pad_mode)7, .source_dim = 4, .target_dim = 5}, VECNA_ERR_ARGUMENT},
        {{.kind = VECNA_ADAPT_PROJECT, .source_dim = SIZE_MAX / 2, .target_dim = 3},
         VECNA_ERR_OVERFLOW},
        {{.kind = VECNA_ADAPT_PROJECT, .source_dim = SIZE_MAX / 32, .target_dim = 3},
         VECNA_ERR_MEMORY},
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        vecna_adapter *adapter = NULL;
        vecna_error err = {VECNA_OK, -1, ""};
        assert_status(bad[i].status, vecna_adapter_new(&bad[i].options, &adapter, &err));
        assert_null(adapter);
        assert_int_equal(err.status, bad[i].status);
        assert_status(bad[i].status, vecna_adapter_new(&bad[i].options, &adapter, NULL));
    }
    vecna_adapter_free(NULL);
}

static void refuses_shapes(void **state) {
    float in[24] = {1}, out[24] = {5};
    static const size_t bad[][6] = {/* in: rows dim stride, out: rows dim stride */
                                    {2, 5, 5, 2, 3, 3}, {2, 4, 4, 2, 4, 4}, {2, 4, 4, 3, 3, 3},
                                    {2, 4, 3, 2, 3, 3}, {2, 4, 4, 2, 3, 2}, {0, 5, 5, 0, 3, 3}};
    (void)state;
    for (int kind = VECNA_ADAPT_TRUNCATE; kind <= VECNA_ADAPT_PROJECT; kind += 2) {
        vecna_adapter *adapter = made((vecna_adapt_options){
            .kind = (vecna_adapt_kind)kind, .source_dim = 4, .target_dim = 3});
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
            vecna_error err = {VECNA_OK, -1, ""};
            assert_status(
                VECNA_ERR_DIM,
                vecna_adapt_apply(adapter, (vecna_view){in, bad[i][0], bad[i][1], bad[i][2]},
                                  (vecna_matrix){out, bad[i][3], bad[i][4], bad[i][5]}, &err));
            assert_true(err.message[0] != '\0');
        }
        assert_true(out[0] == 5);
        assert_status(VECNA_OK, vecna_adapt_apply(adapter, vecna_view_dense(NULL, 0, 4),
                                                  vecna_matrix_dense(NULL, 0, 3), NULL));
        vecna_adapter_free(adapter);
    }
}

static void names(void **state) {
    static const char *const bad[] = {"", "From_end", "from-end", "at_middle", "cut", "truncate "};
    vecna_adapt_kind kind = VECNA_ADAPT_PAD;
    vecna_truncate_mode cut = VECNA_TRUNCATE_FROM_START;
    vecna_pad_mode pad = VECNA_PAD_AT_START;
    vecna_error err;
    (void)state;
    assert_string_equal(vecna_truncate_mode_name(VECNA_TRUNCATE_FROM_END), "from_end");
    assert_string_equal(vecna_pad_mode_name(VECNA_PAD_AT_START), "at_start");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_status(VECNA_ERR_ARGUMENT, vecna_adapt_kind_parse(bad[i], &kind, &err));
        assert_status(VECNA_ERR_ARGUMENT, vecna_truncate_mode_parse(bad[i], &cut, &err));
        assert_status(VECNA_ERR_ARGUMENT, vecna_pad_mode_parse(bad[i], &pad, &err));
    }
    assert_status(VECNA_ERR_ARGUMENT, vecna_pad_mode_parse(NULL, &pad, NULL));
    assert_true(kind == VECNA_ADAPT_PAD && cut == VECNA_TRUNCATE_FROM_START &&
                pad == VECNA_PAD_AT_START);
    for (int i = 0; i < 4; i++) {
        assert_status(VECNA_OK, vecna_adapt_kind_parse(vecna_adapt_kind_name((vecna_adapt_kind)i),
                                                       &kind, NULL));
        assert_int_equal(kind, i);
    }
    for (int i = 0; i < 2; i++) {
        assert_status(VECNA_OK, vecna_truncate_mode_parse(
                                    vecna_truncate_mode_name((vecna_truncate_mode)i), &cut, NULL));
        assert_status(VECNA_OK,
                      vecna_pad_mode_parse(vecna_pad_mode_name((vecna_pad_mode)i), &pad, NULL));
        assert_true((int)cut == i && (int)pad == i);
    }
    assert_string_equal(vecna_adapt_kind_name((vecna_adapt_kind)9), "unknown");
    assert_string_equal(vecna_pad_mode_name((vecna_pad_mode)9), "unknown");
    assert_string_equal(vecna_truncate_mode_name((vecna_truncate_mode)9), "unknown");
}

static vecna_status make_and_free(void *user, const vecna_allocator *allocator, vecna_error *err) {
    vecna_adapt_options options = {.kind = *(vecna_adapt_kind *)user,
                                   .source_dim = 9,
                                   .target_dim = 7,
                                   .allocator = allocator};
    vecna_adapter *adapter = NULL;
    vecna_status status = vecna_adapter_new(&options, &adapter, err);
    assert_true((status == VECNA_OK) == (adapter != NULL));
    vecna_adapter_free(adapter);
    return status;
}

static void survives_failing_memory(void **state) {
    vecna_adapt_kind kinds[] = {VECNA_ADAPT_TRUNCATE, VECNA_ADAPT_PROJECT};
    (void)state;
    for (size_t i = 0; i < 2; i++)
        assert_survives_failing_memory(make_and_free, &kinds[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(truncates),
        cmocka_unit_test(pads),
        cmocka_unit_test(brings_to_unit_length),
        cmocka_unit_test(auto_goes_both_ways),
        cmocka_unit_test(equal_dimensions_are_the_identity),
        cmocka_unit_test(seeds_reproduce),
        cmocka_unit_test(is_orthonormal),
        cmocka_unit_test(upwards_inner_products_stay),
        cmocka_unit_test(downwards_cosines_stay_roughly),
        cmocka_unit_test(projections_have_unit_length),
        cmocka_unit_test(refuses_options),
        cmocka_unit_test(refuses_shapes),
        cmocka_unit_test(names),
        cmocka_unit_test(survives_failing_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
