/* Products with packed int8 weights: exact where nothing is rounded, close where something is, the
 * same bits with every instruction set. */
#include "base/base_impl.h"
#include "linalg/int8_impl.h"
#include "tests/unit/support/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const unsigned sets[] = {0, VNI_CPU_AVX2, ~0u};
enum { SETS = sizeof sets / sizeof *sets };

static float *random_floats(size_t count, uint64_t seed, double scale) {
    float *values = malloc((count ? count : 1) * sizeof *values);
    vecna_random random;
    vecna_random_seed(&random, seed, 0);
    for (size_t i = 0; i < count; i++)
        values[i] = (float)(vecna_random_normal(&random) * scale);
    return values;
}

/* Every row and column has a 127, so that a step is 1 and nothing is rounded. */
static void whole_numbers_are_exact(void **state) {
    static const size_t shapes[][3] = {{1, 1, 1},   {1, 9, 64},  {2, 4, 65},    {7, 13, 3},
                                       {6, 64, 64}, {5, 17, 90}, {13, 403, 130}};
    (void)state;
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        size_t rows = shapes[s][0], inner = shapes[s][1], dim = shapes[s][2];
        float *in = malloc(rows * inner * sizeof *in), *w = malloc(inner * dim * sizeof *w);
        float *out = malloc(rows * (dim + 1) * sizeof *out), *bias = malloc(dim * sizeof *bias);
        vecna_linalg_int8 *packed;
        for (size_t i = 0; i < rows * inner; i++)
            in[i] = i % inner == i / inner % inner ? -127 : (float)((int)(i * 37 % 255) - 127);
        for (size_t i = 0; i < inner * dim; i++)
            w[i] = i / dim == i % dim % inner ? 127 : (float)((int)(i * 91 % 255) - 127);
        for (size_t j = 0; j < dim; j++)
            bias[j] = (float)j;
        assert_status(VECNA_OK, vecna_linalg_int8_new(vecna_view_dense(w, inner, dim), bias, NULL,
                                                      &packed, NULL));
        for (size_t set = 0; set < SETS; set++) {
            vecna_matrix to = {out, rows, dim, dim + 1};
            memset(out, 0xff, rows * (dim + 1) * sizeof *out);
            vni_cpu_allow(sets[set]);
            assert_status(VECNA_OK, vecna_linalg_int8_product(
                                        packed, vecna_view_dense(in, rows, inner), to, NULL, NULL));
            for (size_t i = 0; i < rows; i++)
                for (size_t j = 0; j < dim; j++) {
                    double sum = 0;
                    for (size_t x = 0; x < inner; x++)
                        sum += (double)in[i * inner + x] * w[x * dim + j];
                    assert_true(out[i * (dim + 1) + j] == (float)(sum + bias[j]));
                }
            for (size_t i = 0; i < rows; i++) /* nothing is written behind a row */
                assert_true(isnan(out[i * (dim + 1) + dim]));
        }
        vecna_linalg_int8_free(packed);
        free(in);
        free(w);
        free(out);
        free(bias);
    }
    vni_cpu_allow(~0u);
}

typedef struct cone {
    size_t rows, inner, dim;
    float *in, *w, *bias, *centre;
} cone;

/* Rows of any length about a common mean that is far larger than what tells them apart. */
static cone make_cone(size_t rows, size_t inner, size_t dim) {
    cone c = {rows,
              inner,
              dim,
              random_floats(rows * inner, 1, 0.2),
              random_floats(inner * dim, 2, 0.05),
              random_floats(dim, 3, 1),
              random_floats(inner, 4, 1)};
    for (size_t i = 0; i < rows; i++) {
        double sum = 0;
        for (size_t j = 0; j < inner; j++) {
            c.in[i * inner + j] += c.centre[j];
            sum += (double)c.in[i * inner + j] * c.in[i * inner + j];
        }
        for (size_t j = 0; j < inner; j++)
            c.in[i * inner + j] *= (float)((double)(i + 1) / sqrt(sum));
    }
    for (size_t j = 0; j < inner; j++)
        c.centre[j] /= (float)sqrt((double)inner);
    return c;
}

static void free_cone(cone c) {
    free(c.in);
    free(c.w);
    free(c.bias);
    free(c.centre);
}

/* Mean square of the error over that of the result without what all rows share. */
static double relative_error(const cone *c, const float *out) {
    double error = 0, spread = 0;
    double *exact = malloc(c->rows * sizeof *exact);
    for (size_t j = 0; j < c->dim; j++) {
        double mean = 0;
        for (size_t i = 0; i < c->rows; i++) {
            double sum = 0;
            for (size_t x = 0; x < c->inner; x++)
                sum += (double)c->in[i * c->inner + x] * c->w[x * c->dim + j];
            exact[i] = sum / (double)(i + 1) + c->bias[j];
            mean += exact[i] / (double)c->rows;
        }
        for (size_t i = 0; i < c->rows; i++) {
            error += pow(out[i * c->dim + j] - exact[i], 2);
            spread += pow(exact[i] - mean, 2);
        }
    }
    free(exact);
    return error / spread;
}

/* Rounding to 127 steps of a row's largest value (about 3.5 deviations) has a variance of
 * (3.5 / 127)^2 / 12 = 6e-5 of the row's, weights likewise: 2e-4 with a margin; without the centre
 * the steps are those of the mean, 5 times as coarse. */
static void rounding_is_small(void **state) {
    cone c = make_cone(40, 300, 70);
    float *out = malloc(c.rows * c.dim * sizeof *out),
          *other = malloc(c.rows * c.dim * sizeof *out);
    vecna_pool *pool;
    (void)state;
    assert_status(VECNA_OK, vecna_pool_new(3, NULL, &pool, NULL));
    for (int centred = 0; centred < 2; centred++) {
        vecna_linalg_int8_options options = {centred ? c.centre : NULL, 1, NULL};
        vecna_linalg_int8 *packed;
        vecna_view in = vecna_view_dense(c.in, c.rows, c.inner);
        assert_status(VECNA_OK, vecna_linalg_int8_new(vecna_view_dense(c.w, c.inner, c.dim), c.bias,
                                                      &options, &packed, NULL));
        for (size_t set = 0; set < SETS; set++) {
            vni_cpu_allow(sets[set]);
            assert_status(VECNA_OK,
                          vecna_linalg_int8_product(
                              packed, in, vecna_matrix_dense(set ? other : out, c.rows, c.dim),
                              set ? pool : NULL, NULL));
            if (set)
                assert_memory_equal(out, other, c.rows * c.dim * sizeof *out);
        }
        for (size_t i = 0; i < c.rows; i++) { /* one row is what it is among many */
            assert_status(VECNA_OK, vecna_linalg_int8_product(packed, vecna_view_rows(in, i, 1),
                                                              vecna_matrix_dense(other, 1, c.dim),
                                                              NULL, NULL));
            assert_memory_equal(out + i * c.dim, other, c.dim * sizeof *out);
        }
        if (centred)
            assert_true(relative_error(&c, out) < 2e-4);
        else
            assert_true(relative_error(&c, out) > 4e-4);
        vecna_linalg_int8_free(packed);
    }
    vni_cpu_allow(~0u);
    vecna_pool_free(pool);
    free_cone(c);
    free(out);
    free(other);
}

static void odd_rows(void **state) {
    float w[8] = {1, 0, 0, 2, -1, 3, 0.5f, 0}, out[5 * 2], *at = out;
    float in[5 * 4] = {0, 0, 0,      0, NAN, 1, 0, 0,        1e30f, 0,
                       0, 0, 1e-30f, 0, 0,   0, 0, INFINITY, 0,     0};
    float bias[2] = {0.5f, -0.5f};
    vecna_linalg_int8_options options = {NULL, 1, NULL};
    vecna_linalg_int8 *packed;
    (void)state;
    assert_status(VECNA_OK,
                  vecna_linalg_int8_new(vecna_view_dense(w, 4, 2), bias, &options, &packed, NULL));
    for (size_t set = 0; set < SETS; set++) {
        vni_cpu_allow(sets[set]);
        assert_status(VECNA_OK,
                      vecna_linalg_int8_product(packed, vecna_view_dense(in, 5, 4),
                                                vecna_matrix_dense(out, 5, 2), NULL, NULL));
        assert_true(at[0] == 0.5f && at[1] == -0.5f); /* no direction: the bias */
        assert_true(isnan(at[2]) && isnan(at[3]));
        assert_true(fabsf(at[4] - 1.5f) < 1e-6f && fabsf(at[5] + 0.5f) < 1e-6f);
        assert_true(fabsf(at[6] - 1.5f) < 1e-6f && fabsf(at[7] + 0.5f) < 1e-6f);
        assert_true(isnan(at[8]) && isnan(at[9]));
    }
    vni_cpu_allow(~0u);
    assert_status(VECNA_OK, vecna_linalg_int8_product(packed, vecna_view_dense(in, 0, 4),
                                                      vecna_matrix_dense(out, 0, 2), NULL, NULL));
    vecna_linalg_int8_free(packed);
    vecna_linalg_int8_free(NULL);
}

static void bad_weights_are_refused(void **state) {
    float w[4] = {1, 2, 3, 4}, centre[2] = {0, NAN}, bias[2] = {INFINITY, 0}, out[4];
    vecna_linalg_int8_options options = {centre, 0, NULL};
    vecna_linalg_int8 *packed = NULL;
    vecna_error err;
    (void)state;
    assert_status(VECNA_ERR_DIM,
                  vecna_linalg_int8_new(vecna_view_dense(w, 0, 2), NULL, NULL, &packed, &err));
    assert_status(VECNA_ERR_DIM,
                  vecna_linalg_int8_new(vecna_view_dense(w, 2, 0), NULL, NULL, &packed, &err));
    assert_status(VECNA_ERR_OVERFLOW,
                  vecna_linalg_int8_new(vecna_view_dense(w, 65537, 1), NULL, NULL, &packed, &err));
    assert_non_null(strstr(err.message, "65536"));
    assert_status(VECNA_ERR_VALUE,
                  vecna_linalg_int8_new(vecna_view_dense(w, 2, 2), NULL, &options, &packed, &err));
    assert_status(VECNA_ERR_VALUE,
                  vecna_linalg_int8_new(vecna_view_dense(w, 2, 2), bias, NULL, &packed, &err));
    w[3] = NAN;
    assert_status(VECNA_ERR_VALUE,
                  vecna_linalg_int8_new(vecna_view_dense(w, 2, 2), NULL, NULL, &packed, &err));
    w[3] = 4;
    assert_null(packed);
    assert_status(VECNA_OK,
                  vecna_linalg_int8_new(vecna_view_dense(w, 2, 2), NULL, NULL, &packed, &err));
    assert_status(VECNA_ERR_DIM,
                  vecna_linalg_int8_product(packed, vecna_view_dense(w, 1, 3),
                                            vecna_matrix_dense(out, 1, 2), NULL, &err));
    assert_status(VECNA_ERR_DIM,
                  vecna_linalg_int8_product(packed, vecna_view_dense(w, 2, 2),
                                            vecna_matrix_dense(out, 1, 2), NULL, &err));
    vecna_view narrow = {w, 1, 2, 1};
    assert_status(
        VECNA_ERR_OVERFLOW,
        vecna_linalg_int8_product(packed, narrow, vecna_matrix_dense(out, 1, 2), NULL, &err));
    vecna_linalg_int8_free(packed);
}

/* Rows that are bytes already: exact sums, and every instruction set to the bit; parts of the rows
 * from a multiple of 64 on are the same numbers. */
static void scores_of_bytes(void **state) {
    static const size_t shapes[][3] = {{1, 1, 1}, {7, 13, 3}, {6, 64, 64}, {400, 403, 130}};
    (void)state;
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        const size_t rows = shapes[s][0], inner = shapes[s][1], dim = shapes[s][2];
        int8_t *in = malloc(rows * (inner + 1)), *of = malloc(dim * (inner + 2));
        float *steps = random_floats(rows, 1, 1), *scales = random_floats(dim, 2, 1);
        float *out = malloc(rows * (dim + 1) * sizeof *out),
              *part = malloc(rows * dim * sizeof *out);
        vecna_linalg_int8 *packed;
        for (size_t i = 0; i < rows * (inner + 1); i++)
            in[i] = (int8_t)((int)(i * 37 % 255) - 127);
        for (size_t i = 0; i < dim * (inner + 2); i++)
            of[i] = (int8_t)((int)(i * 91 % 255) - 127);
        const vecna_view_i8 asked = {in, rows, inner, inner + 1};
        assert_status(VECNA_OK,
                      vecna_linalg_int8_of_rows((vecna_view_i8){of, dim, inner, inner + 2}, scales,
                                                NULL, &packed, NULL));
        for (size_t set = 0; set < SETS; set++) {
            vni_cpu_allow(sets[set]);
            assert_status(VECNA_OK,
                          vecna_linalg_int8_scores(packed, 0, asked, steps,
                                                   (vecna_matrix){out, rows, dim, dim + 1}, NULL));
            for (size_t i = 0; i < rows; i++)
                for (size_t j = 0; j < dim; j++) {
                    int32_t sum = 0;
                    for (size_t x = 0; x < inner; x++)
                        sum += in[i * (inner + 1) + x] * of[j * (inner + 2) + x];
                    assert_true(out[i * (dim + 1) + j] == (float)sum * (steps[i] * scales[j]));
                }
            for (size_t first = 64; first < dim; first += 64) {
                const size_t some = dim - first;
                assert_status(VECNA_OK,
                              vecna_linalg_int8_scores(packed, first, asked, steps,
                                                       vecna_matrix_dense(part, rows, some), NULL));
                for (size_t i = 0; i < rows; i++)
                    assert_memory_equal(part + i * some, out + i * (dim + 1) + first,
                                        some * sizeof *part);
            }
        }
        vni_cpu_allow(~0u);
        assert_status(VECNA_ERR_DIM,
                      vecna_linalg_int8_scores(packed, 1, asked, steps,
                                               vecna_matrix_dense(part, rows, dim), NULL));
        vecna_linalg_int8_free(packed);
        free(in);
        free(of);
        free(steps);
        free(scales);
        free(out);
        free(part);
    }
    vecna_linalg_int8 *none = NULL;
    int8_t byte = 1;
    float one = 1;
    assert_status(VECNA_ERR_DIM, vecna_linalg_int8_of_rows((vecna_view_i8){&byte, 0, 1, 1}, &one,
                                                           NULL, &none, NULL));
    assert_status(VECNA_ERR_OVERFLOW,
                  vecna_linalg_int8_of_rows((vecna_view_i8){&byte, 1, 65537, 65537}, &one, NULL,
                                            &none, NULL));
    assert_null(none);
}

static void adds_rows_of_bytes(void **state) {
    enum { COUNT = 5 };
    static const size_t dims[] = {1, 7, 64, 131};
    static const int32_t list[COUNT] = {4, 0, 4, 2, 1};
    (void)state;
    for (size_t d = 0; d < sizeof dims / sizeof *dims; d++) {
        const size_t dim = dims[d];
        int8_t *codes = malloc(COUNT * (dim + 3));
        float *by = random_floats(COUNT, 5, 1), *start = random_floats(dim + 1, 6, 1);
        float *out = malloc((dim + 1) * sizeof *out);
        for (size_t i = 0; i < COUNT * (dim + 3); i++)
            codes[i] = (int8_t)((int)(i * 53 % 255) - 127);
        for (size_t set = 0; set < SETS; set++) {
            vni_cpu_allow(sets[set]);
            memcpy(out, start, (dim + 1) * sizeof *out);
            vecna_linalg_int8_add((vecna_view_i8){codes, COUNT, dim, dim + 3}, list, by, COUNT,
                                  out);
            for (size_t j = 0; j < dim; j++) {
                float wanted = start[j];
                for (size_t i = 0; i < COUNT; i++)
                    wanted += by[i] * (float)codes[(size_t)list[i] * (dim + 3) + j];
                assert_true(out[j] == wanted);
            }
            assert_true(out[dim] == start[dim]); /* nothing is written behind a row */
        }
        vni_cpu_allow(~0u);
        free(codes);
        free(by);
        free(start);
        free(out);
    }
}

static vecna_status pack_some(void *user, const vecna_allocator *allocator, vecna_error *err) {
    vecna_linalg_int8_options options = {NULL, 0, allocator};
    vecna_linalg_int8 *packed = NULL;
    vecna_status status =
        vecna_linalg_int8_new(vecna_view_dense(user, 3, 2), NULL, &options, &packed, err);
    vecna_linalg_int8_free(packed);
    return status;
}

static void survives_failing_memory(void **state) {
    float w[6] = {1, 2, 3, 4, 5, 6};
    (void)state;
    assert_survives_failing_memory(pack_some, w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers_are_exact),
        cmocka_unit_test(rounding_is_small),
        cmocka_unit_test(odd_rows),
        cmocka_unit_test(bad_weights_are_refused),
        cmocka_unit_test(scores_of_bytes),
        cmocka_unit_test(adds_rows_of_bytes),
        cmocka_unit_test(survives_failing_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
