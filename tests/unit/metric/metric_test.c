/* Metrics: every set of instructions that this machine has, in turn, against portable, against long
 * double, and against the tables of tests/reference/metric_reference.py. */
#include "metric/metric_impl.h"
#include "tests/unit/support/support.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST = 2048, SETS = 5 };

/* From none to all: vni_metric_allow(masks[i]) gives each table that the machine has. */
static const unsigned masks[SETS] = {0, VNI_CPU_AVX2, VNI_CPU_AVX2 | VNI_CPU_AVX512, ~0u,
                                     VNI_CPU_NEON};

static const vecna_dtype dtypes[] = {VECNA_F32, VECNA_F16, VECNA_BF16, VECNA_I8, VECNA_BIT};
enum { DTYPES = sizeof dtypes / sizeof *dtypes, METRICS = VECNA_METRIC_HAMMING + 1 };

/* ---- vectors of any type -------------------------------------------------------------------- */

/* Stores values as dtype at any address; bit where above 0. */
static void store(void *to, const float *values, size_t dim, vecna_dtype dtype) {
    int8_t bytes[MOST];
    switch (dtype) {
    case VECNA_F32:
        memcpy(to, values, dim * sizeof *values);
        return;
    case VECNA_F16:
        vecna_f16_from_float(to, values, dim);
        return;
    case VECNA_BF16:
        vecna_bf16_from_float(to, values, dim);
        return;
    case VECNA_I8:
        vecna_metric_to_i8(bytes, values, dim, 64);
        memcpy(to, bytes, dim);
        return;
    default:
        vecna_metric_to_bits(to, values, dim);
    }
}

static long double element(const unsigned char *from, size_t j, vecna_dtype dtype) {
    float single;
    uint16_t half;
    switch (dtype) {
    case VECNA_F32:
        memcpy(&single, from + 4 * j, 4);
        return (long double)single;
    case VECNA_F16:
        memcpy(&half, from + 2 * j, 2);
        return (long double)vni_float_of_f16(half);
    case VECNA_BF16:
        memcpy(&half, from + 2 * j, 2);
        return (long double)vni_float_of_bf16(half);
    case VECNA_I8:
        return from[j] < 128 ? from[j] : (long double)from[j] - 256;
    default:
        return from[j / 8] >> (7 - j % 8) & 1;
    }
}

/* The definition, summed in long double. *size is what the tolerance is relative to: the sum of the
 * magnitudes that were added. */
static long double wanted(vecna_metric metric, vecna_dtype dtype, const void *a, const void *b,
                          size_t dim, long double *size) {
    long double dot = 0, aa = 0, bb = 0, square = 0, distance = 0, magnitude = 0;
    for (size_t j = 0; j < dim; j++) {
        long double x = element(a, j, dtype), y = element(b, j, dtype);
        dot += x * y;
        magnitude += fabsl(x * y);
        aa += x * x;
        bb += y * y;
        square += (x - y) * (x - y);
        distance += fabsl(x - y);
    }
    switch (metric) {
    case VECNA_METRIC_DOT:
        *size = magnitude;
        return dot;
    case VECNA_METRIC_COSINE:
        *size = 2;
        return aa > 0 && bb > 0 ? 1 - dot / (sqrtl(aa) * sqrtl(bb)) : 1;
    case VECNA_METRIC_L2:
        return *size = sqrtl(square);
    case VECNA_METRIC_L1:
        return *size = distance;
    default:
        return *size = square;
    }
}

static void random_values(vecna_random *random, float *out, size_t dim) {
    for (size_t j = 0; j < dim; j++)
        out[j] = (float)(vecna_random_normal(random) * 0.7);
}

/* For each table of this machine: body(). Tables that the machine lacks are passed over. */
static void with_each_table(void (*body)(void)) {
    const char *seen[SETS] = {NULL};
    for (size_t i = 0; i < SETS; i++) {
        int again = 0;
        vni_metric_allow(masks[i]);
        for (size_t k = 0; k < i; k++)
            again |= seen[k] == vecna_metric_kernels();
        seen[i] = vecna_metric_kernels();
        if (again)
            continue;
        print_message("           %s\n", seen[i]);
        body();
    }
    vni_metric_allow(~0u);
}

/* ---- against long double -------------------------------------------------------------------- */

static void check_pair(vecna_dtype dtype, const void *a, const void *b, size_t dim) {
    for (int metric = 0; metric < METRICS; metric++) {
        long double size, truth;
        double got = -1, swapped = -2;
        if (!vecna_metric_supports((vecna_metric)metric, dtype))
            continue;
        truth = wanted((vecna_metric)metric, dtype, a, b, dim, &size);
        assert_status(VECNA_OK,
                      vecna_metric_pair((vecna_metric)metric, dtype, a, b, dim, &got, NULL));
        assert_status(VECNA_OK,
                      vecna_metric_pair((vecna_metric)metric, dtype, b, a, dim, &swapped, NULL));
        /* The header's bound, dim * 2^-53, and two roundings of the end (root, quotient). */
        if (!(fabsl((long double)got - truth) <= ((long double)dim / 2 + 3) * DBL_EPSILON * size))
            fail_msg("%s %s of %s, dim %zu: %.17g, wanted %.17Lg", vecna_metric_kernels(),
                     vecna_metric_name((vecna_metric)metric), vecna_dtype_name(dtype), dim, got,
                     truth);
        if (metric != VECNA_METRIC_COSINE || dtype == VECNA_I8 || dtype == VECNA_BIT)
            assert_true(got == swapped);
        if ((dtype == VECNA_I8 || dtype == VECNA_BIT) && metric != VECNA_METRIC_COSINE &&
            metric != VECNA_METRIC_L2)
            assert_true((long double)got == truth);
    }
}

/* Vectors end exactly where their allocation ends: one byte too far is a report of ASan. */
static void every_length_and_alignment(void) {
    static const size_t longer[] = {255, 256, 257, 511, 512, 513, 768, 1000, 1536, 2047};
    float x[MOST], y[MOST];
    vecna_random random;
    vecna_random_seed(&random, 1, 0);
    random_values(&random, x, MOST);
    random_values(&random, y, MOST);
    for (size_t k = 0; k < 131 + sizeof longer / sizeof *longer; k++) {
        size_t dim = k < 131 ? k : longer[k - 131];
        for (size_t t = 0; t < DTYPES; t++)
            for (size_t offset = 0; offset < 4; offset++) {
                size_t bytes = vecna_dtype_bytes(dtypes[t], dim);
                unsigned char *a = malloc(offset + bytes + 1), *b = malloc(3 * offset + bytes + 1);
                assert_non_null(a);
                assert_non_null(b);
                a = realloc(a, offset + bytes ? offset + bytes : 1);
                b = realloc(b, 3 * offset + bytes ? 3 * offset + bytes : 1);
                assert_non_null(a);
                assert_non_null(b);
                store(a + offset, x, dim, dtypes[t]);
                store(b + 3 * offset, y, dim, dtypes[t]);
                check_pair(dtypes[t], a + offset, b + 3 * offset, dim);
                free(a);
                free(b);
            }
    }
}

static void agrees_with_long_double(void **state) {
    (void)state;
    with_each_table(every_length_and_alignment);
}

/* ---- against NumPy -------------------------------------------------------------------------- */

static const struct {
    size_t dim;
    double values[METRICS];
} golden[] = {
    {1, {0.0, 3.57421875, 0.03125, 0.0009765625, 0.03125, 0.0}},
    {7, {0.014903539213493744, 14.603271484375, 0.9642030387838445, 0.9296875, 2.1875, 0.0}},
    {64, {0.8217076036108776, 14.15771484375, 11.447144158042214, 131.037109375, 75.5, 33.0}},
    {130, {0.9737768887578624, 4.24169921875, 17.748995900296727, 315.02685546875, 163.1875, 62.0}},
    {768,
     {0.9742132136388874, 25.371337890625, 43.784160770477264, 1917.052734375, 988.875, 377.0}},
    {1536,
     {0.9839939962402059, 31.435791015625, 62.17021391347206, 3865.135498046875, 1991.796875,
      762.0}},

};

static void golden_table(void) {
    float x[MOST], y[MOST];
    unsigned char a[4 * MOST], b[4 * MOST];
    for (size_t k = 0; k < sizeof golden / sizeof *golden; k++) {
        size_t dim = golden[k].dim;
        for (size_t j = 0; j < dim; j++) {
            x[j] = (float)((int)((7 * j + 3) % 251) - 125) / 64;
            y[j] = (float)((int)((13 * j + 5) % 251) - 125) / 64;
        }
        for (size_t t = 0; t < DTYPES; t++) {
            static const double unit[METRICS] = {1, 64 * 64, 64, 64 * 64, 64, 1};
            store(a, x, dim, dtypes[t]);
            store(b, y, dim, dtypes[t]);
            for (int metric = 0; metric < METRICS; metric++) {
                double scale = dtypes[t] == VECNA_I8 ? unit[metric] : 1, got = -1, truth;
                if (!vecna_metric_supports((vecna_metric)metric, dtypes[t]) ||
                    (dtypes[t] == VECNA_BIT && metric != VECNA_METRIC_HAMMING))
                    continue;
                truth = golden[k].values[metric] * scale;
                assert_status(VECNA_OK, vecna_metric_pair((vecna_metric)metric, dtypes[t], a, b,
                                                          dim, &got, NULL));
                if (metric == VECNA_METRIC_COSINE || metric == VECNA_METRIC_L2)
                    assert_true(fabs(got - truth) <= 4 * DBL_EPSILON * (truth + 1));
                else
                    assert_true(got == truth);
            }
        }
    }
}

static void agrees_with_numpy(void **state) {
    (void)state;
    with_each_table(golden_table);
}

/* ---- the edges of each type ----------------------------------------------------------------- */

/* The largest int8 sums that there are, over several blocks of the 32-bit accumulators. */
static void longest_i8(void) {
    enum { LONG = 1200007 };
    int8_t *low = malloc(LONG), *high = malloc(LONG);
    double got = 0;
    assert_non_null(low);
    assert_non_null(high);
    memset(low, -128, LONG);
    memset(high, 127, LONG);
    assert_status(VECNA_OK,
                  vecna_metric_pair(VECNA_METRIC_DOT, VECNA_I8, low, low, LONG, &got, NULL));
    assert_true(got == 16384.0 * LONG);
    assert_status(VECNA_OK,
                  vecna_metric_pair(VECNA_METRIC_DOT, VECNA_I8, low, high, LONG, &got, NULL));
    assert_true(got == -16256.0 * LONG);
    assert_status(VECNA_OK,
                  vecna_metric_pair(VECNA_METRIC_L2SQ, VECNA_I8, low, high, LONG, &got, NULL));
    assert_true(got == 65025.0 * LONG);
    assert_status(VECNA_OK,
                  vecna_metric_pair(VECNA_METRIC_L1, VECNA_I8, high, low, LONG, &got, NULL));
    assert_true(got == 255.0 * LONG);
    assert_status(VECNA_OK,
                  vecna_metric_pair(VECNA_METRIC_COSINE, VECNA_I8, high, low, LONG, &got, NULL));
    assert_true(got == 2);
    free(low);
    free(high);
}

static void i8_cannot_overflow(void **state) {
    (void)state;
    with_each_table(longest_i8);
}

static void foreign_bits(void) {
    uint8_t a[40], b[40];
    double got;
    for (size_t dim = 0; dim <= 320; dim++) {
        memset(a, 0xff, sizeof a);
        memset(b, 0, sizeof b);
        if (dim % 8)
            b[dim / 8] = (uint8_t)(0xff >> dim % 8); /* set behind dim only */
        assert_status(VECNA_OK,
                      vecna_metric_pair(VECNA_METRIC_HAMMING, VECNA_BIT, a, b, dim, &got, NULL));
        assert_true(got == (double)dim);
        assert_status(VECNA_OK,
                      vecna_metric_pair(VECNA_METRIC_DOT, VECNA_BIT, a, b, dim, &got, NULL));
        assert_true(got == 0);
        assert_status(VECNA_OK,
                      vecna_metric_pair(VECNA_METRIC_DOT, VECNA_BIT, a, a, dim, &got, NULL));
        assert_true(got == (double)dim);
    }
}

static void bits_behind_dim_do_not_count(void **state) {
    (void)state;
    with_each_table(foreign_bits);
}

/* NaN at each place is seen; infinities behave as IEEE 754 says; no finite float overflows. */
static void special_values(void) {
    enum { DIM = 37 };
    float x[DIM], y[DIM], zero[DIM] = {0};
    for (size_t place = 0; place < DIM; place++) {
        for (size_t j = 0; j < DIM; j++)
            x[j] = y[j] = 1;
        x[place] = NAN;
        assert_true(isnan(vecna_metric_dot(x, y, DIM)));
        assert_true(isnan(vecna_metric_l2(x, y, DIM)));
        assert_true(isnan(vecna_metric_l2sq(y, x, DIM)));
        assert_true(isnan(vecna_metric_l1(x, y, DIM)));
        assert_true(isnan(vecna_metric_cosine(x, y, DIM)));
        assert_true(isnan(vecna_metric_cosine(zero, x, DIM)));
        x[place] = INFINITY;
        assert_true(isinf(vecna_metric_dot(x, y, DIM)));
        assert_true(isinf(vecna_metric_l2(x, y, DIM)));
        assert_true(isinf(vecna_metric_l1(x, y, DIM)));
        assert_true(isnan(vecna_metric_l2(x, x, DIM)));
        assert_true(isnan(vecna_metric_dot(x, zero, DIM)));
        assert_true(isnan(vecna_metric_cosine(x, y, DIM)));
    }
    for (size_t j = 0; j < DIM; j++) {
        x[j] = FLT_MAX;
        y[j] = -FLT_MAX;
    }
    assert_true(vecna_metric_cosine(x, y, DIM) == 2);
    assert_true(fabs(vecna_metric_l1(x, y, DIM) / (2.0 * DIM * (double)FLT_MAX) - 1) < 1e-14);
    for (size_t j = 0; j < DIM; j++)
        x[j] = 0x1p-149f;
    assert_true(vecna_metric_dot(x, x, DIM) == DIM * 0x1p-298);
    assert_true(vecna_metric_cosine(x, x, DIM) < 1e-15);
    assert_true(vecna_metric_cosine(x, zero, DIM) == 1);
    assert_true(vecna_metric_cosine(x, x, 0) == 1);
    assert_true(vecna_metric_l2(x, y, 0) == 0);
}

static void nan_and_infinity(void **state) {
    (void)state;
    with_each_table(special_values);
}

/* ---- rows ----------------------------------------------------------------------------------- */

static void rows_with_strides(void) {
    enum { ROWS = 9, DIM = 67 };
    unsigned char query[4 * DIM], table[ROWS * (4 * DIM + 7)];
    float values[DIM], out[ROWS + 1];
    vecna_random random;
    vecna_random_seed(&random, 2, 0);
    for (size_t t = 0; t < DTYPES; t++) {
        size_t bytes = vecna_dtype_bytes(dtypes[t], DIM);
        for (size_t gap = 0; gap <= 7; gap += 7) {
            vecna_vectors rows = {table, dtypes[t], ROWS, DIM, bytes + gap};
            random_values(&random, values, DIM);
            store(query, values, DIM, dtypes[t]);
            for (size_t i = 0; i < ROWS; i++) {
                random_values(&random, values, DIM);
                store(table + i * rows.stride_bytes, values, DIM, dtypes[t]);
            }
            for (int metric = 0; metric < METRICS; metric++) {
                if (!vecna_metric_supports((vecna_metric)metric, dtypes[t]))
                    continue;
                out[ROWS] = 77;
                assert_status(VECNA_OK,
                              vecna_metric_rows((vecna_metric)metric, query, rows, out, NULL));
                assert_true(out[ROWS] == 77);
                for (size_t i = 0; i < ROWS; i++) {
                    double one = -1;
                    assert_status(VECNA_OK, vecna_metric_pair((vecna_metric)metric, dtypes[t],
                                                              query, table + i * rows.stride_bytes,
                                                              DIM, &one, NULL));
                    assert_true(out[i] == (float)one);
                }
            }
        }
    }
}

static void rows_are_pairs(void **state) {
    (void)state;
    with_each_table(rows_with_strides);
}

static void refuses(void **state) {
    float x[8] = {1}, out[2] = {5, 5};
    double one = 5;
    vecna_error err;
    vecna_vectors rows = {x, VECNA_F32, 2, 4, 15};
    (void)state;
    assert_status(VECNA_ERR_UNSUPPORTED,
                  vecna_metric_pair(VECNA_METRIC_HAMMING, VECNA_F32, x, x, 8, &one, &err));
    assert_non_null(strstr(err.message, "vecna_metric_to_bits"));
    for (int dtype = -1; dtype < 12; dtype++)
        for (int metric = -1; metric < 9; metric++) {
            int good =
                dtype >= 0 && metric >= 0 && metric < METRICS &&
                ((metric != VECNA_METRIC_HAMMING && (dtype == VECNA_F32 || dtype == VECNA_F16 ||
                                                     dtype == VECNA_BF16 || dtype == VECNA_I8)) ||
                 dtype == VECNA_BIT);
            assert_int_equal(vecna_metric_supports((vecna_metric)metric, (vecna_dtype)dtype), good);
            if (!good)
                assert_status(VECNA_ERR_UNSUPPORTED,
                              vecna_metric_pair((vecna_metric)metric, (vecna_dtype)dtype, x, x, 2,
                                                &one, NULL));
        }
    assert_status(VECNA_ERR_DIM, vecna_metric_rows(VECNA_METRIC_L2, x, rows, out, &err));
    assert_int_equal(err.status, VECNA_ERR_DIM);
    rows.dtype = VECNA_F64;
    assert_status(VECNA_ERR_UNSUPPORTED, vecna_metric_rows(VECNA_METRIC_L2, x, rows, out, &err));
    assert_true(one == 5 && out[0] == 5 && out[1] == 5);
}

static void names(void **state) {
    static const char *const bad[] = {"", "Cosine", "cos", "l3", "l2 ", "euclidean", "dotl1"};
    vecna_metric metric = VECNA_METRIC_L1;
    vecna_error err;
    (void)state;
    for (int i = 0; i < METRICS; i++) {
        assert_status(VECNA_OK,
                      vecna_metric_parse(vecna_metric_name((vecna_metric)i), &metric, NULL));
        assert_int_equal(metric, i);
        assert_int_equal(vecna_metric_larger_is_nearer(metric), i == VECNA_METRIC_DOT);
    }
    metric = VECNA_METRIC_L1;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_status(VECNA_ERR_ARGUMENT, vecna_metric_parse(bad[i], &metric, &err));
    assert_status(VECNA_ERR_ARGUMENT, vecna_metric_parse(NULL, &metric, &err));
    assert_int_equal(metric, VECNA_METRIC_L1);
    assert_string_equal(vecna_metric_name((vecna_metric)99), "unknown");
}

/* ---- norms and conversions ------------------------------------------------------------------ */

static void unit_rows(void) {
    enum { ROWS = 8, DIM = 131 };
    static const float sizes[ROWS] = {1, 0, 1e-40f, 3e38f, 1, 1, 0, 1e-3f};
    float in[ROWS * (DIM + 3)], out[ROWS * (DIM + 1)], in_place[ROWS * (DIM + 3)];
    double norms[ROWS];
    vecna_norm_report report;
    vecna_view rows = {in, ROWS, DIM, DIM + 3};
    vecna_matrix to = {out, ROWS, DIM, DIM + 1}, same = {in_place, ROWS, DIM, DIM + 3};
    vecna_random random;
    vecna_random_seed(&random, 3, 0);
    for (size_t i = 0; i < sizeof in / sizeof *in; i++)
        in[i] = sizes[i / (DIM + 3)] * (float)(vecna_random_uniform(&random) - 0.5);
    in[4 * (DIM + 3) + 130] = NAN;
    in[5 * (DIM + 3) + 1] = -INFINITY;
    out[DIM] = 77;
    memcpy(in_place, in, sizeof in);
    assert_status(VECNA_OK, vecna_metric_normalize(rows, to, &report, NULL));
    assert_int_equal(report.zero_rows, 2);
    assert_int_equal(report.first_zero, 1);
    assert_int_equal(report.nonfinite_rows, 2);
    assert_int_equal(report.first_nonfinite, 4);
    assert_true(out[DIM] == 77); /* between the rows nothing is written */
    vecna_metric_norms(vecna_matrix_view(to), norms);
    for (size_t i = 0; i < ROWS; i++) {
        const float *from = in + i * (DIM + 3);
        double norm = vecna_metric_norm(from, DIM);
        if (!(norm > 0 && isfinite(norm))) {
            assert_memory_equal(from, out + i * (DIM + 1), DIM * sizeof *from);
            continue;
        }
        assert_true(fabs(norms[i] - 1) < 1e-7);
        for (size_t j = 0; j < DIM; j++) {
            double exact = (double)from[j] / norm, got = (double)out[i * (DIM + 1) + j];
            assert_true(fabs(got - exact) <= 0x1p-24 * 1.001 * fabs(exact));
        }
    }
    assert_status(VECNA_OK, vecna_metric_normalize(vecna_matrix_view(same), same, NULL, NULL));
    for (size_t i = 0; i < ROWS; i++)
        assert_memory_equal(in_place + i * (DIM + 3), out + i * (DIM + 1), DIM * sizeof *out);
}

static void normalises(void **state) {
    (void)state;
    with_each_table(unit_rows);
}

static void normalise_refuses(void **state) {
    float in[12] = {1}, out[12] = {5};
    vecna_norm_report report = {9, 9, 9, 9};
    vecna_error err;
    (void)state;
    assert_status(VECNA_ERR_DIM,
                  vecna_metric_normalize(vecna_view_dense(in, 3, 4), vecna_matrix_dense(out, 4, 3),
                                         &report, &err));
    assert_status(VECNA_ERR_DIM,
                  vecna_metric_normalize((vecna_view){in, 3, 4, 3}, vecna_matrix_dense(out, 3, 4),
                                         &report, &err));
    assert_true(out[0] == 5 && report.zero_rows == 9);
    assert_status(VECNA_OK, vecna_metric_normalize(vecna_view_dense(NULL, 0, 4),
                                                   vecna_matrix_dense(NULL, 0, 4), &report, &err));
    assert_int_equal(report.zero_rows, 0);
    assert_true(report.first_zero == SIZE_MAX);
}

static void bytes_of_floats(void) {
    static const float special[] = {0.5f,    1.5f,  2.5f,   -0.5f, -1.5f,    126.5f,    127.5f,
                                    -127.5f, 1e30f, -1e30f, NAN,   INFINITY, -INFINITY, -0.0f};
    static const int8_t wanted_bytes[] = {0,    2,   2,    0, -2,  126,  127,
                                          -127, 127, -127, 0, 127, -127, 0};
    enum { SPECIAL = sizeof special / sizeof *special };
    float in[130] = {0}, back[130];
    int8_t out[132], portable[130];
    for (size_t count = 0; count <= 130; count++) {
        for (size_t j = 0; j < count; j++)
            in[j] = special[(j + count) % SPECIAL];
        memset(out, 0x5a, sizeof out);
        vecna_metric_to_i8(out, in, count, 1);
        for (size_t j = 0; j < count; j++)
            assert_int_equal(out[j], wanted_bytes[(j + count) % SPECIAL]);
        assert_int_equal(out[count], 0x5a);
        for (size_t j = 0; j < count; j++)
            in[j] = (float)j * 0.37f - 20;
        vecna_metric_to_i8(out, in, count, 3.3f);
        vni_metric_portable.to_i8(portable, in, count, 3.3f);
        assert_memory_equal(out, portable, count);
        vecna_metric_from_i8(back, out, count, 2);
        for (size_t j = 0; j < count; j++)
            assert_true(back[j] == (float)out[j] / 2);
    }
}

static void int8_rounds_to_even_and_saturates(void **state) {
    (void)state;
    with_each_table(bytes_of_floats);
}

static void signs_become_bits(void **state) {
    static const float in[11] = {1, -1, 0, 1e-45f, NAN, -0.0f, INFINITY, -INFINITY, 2, -2, 3};
    uint8_t out[3] = {0x5a, 0x5a, 0x5a};
    (void)state;
    vecna_metric_to_bits(out, in, 11);
    assert_int_equal(out[0], 0x92);
    assert_int_equal(out[1], 0xa0);
    assert_int_equal(out[2], 0x5a);
}

/* Without a mask, the best that the machine has. */
static void chooses_the_best(void **state) {
    unsigned features;
    (void)state;
    vni_metric_allow(~0u);
    features = vni_cpu_features();
    assert_string_equal(vecna_metric_kernels(), features & VNI_CPU_AVX512VNNI ? "avx512vnni"
                                                : features & VNI_CPU_AVX512   ? "avx512"
                                                : features & VNI_CPU_AVX2     ? "avx2"
                                                : features & VNI_CPU_NEON     ? "neon"
                                                                              : "portable");
    vni_metric_allow(0);
    assert_string_equal(vecna_metric_kernels(), "portable");
    vni_metric_allow(~0u);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_long_double),
        cmocka_unit_test(agrees_with_numpy),
        cmocka_unit_test(i8_cannot_overflow),
        cmocka_unit_test(bits_behind_dim_do_not_count),
        cmocka_unit_test(nan_and_infinity),
        cmocka_unit_test(rows_are_pairs),
        cmocka_unit_test(refuses),
        cmocka_unit_test(names),
        cmocka_unit_test(normalises),
        cmocka_unit_test(normalise_refuses),
        cmocka_unit_test(int8_rounds_to_even_and_saturates),
        cmocka_unit_test(signs_become_bits),
        cmocka_unit_test(chooses_the_best),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
