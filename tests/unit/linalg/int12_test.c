/* Products with 12-bit weights: within the rounding that the header tells, whatever the size of the
 * numbers, the same bits with every instruction set. */
#include "base/base_impl.h"
#include "linalg/int12_impl.h"
#include "tests/unit/support/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What rounding the row can cost at most: half a unit of it for every weight; and float at the end. */
static double most_error(size_t inner, double in, double weight) {
    return (double)inner * in * weight * (0.5 / 32767 + 1e-6);
}

static float *numbers(size_t count, uint64_t seed, double size) {
    float *made = malloc(count * sizeof *made);
    vecna_random random;
    vecna_random_seed(&random, seed, 0);
    for (size_t i = 0; i < count; i++)
        made[i] = (float)(vecna_random_normal(&random) * size);
    return made;
}

static double largest(const float *row, size_t count, size_t stride) {
    double most = 0;
    for (size_t i = 0; i < count; i++)
        most = fabs((double)row[i * stride]) > most ? fabs((double)row[i * stride]) : most;
    return most;
}

static void close_and_alike_with_every_set(void **state) {
    static const size_t shapes[][3] = {{1, 1, 1},      {1, 9, 64},   {2, 4, 65},  {3, 13, 3},
                                       {17, 403, 130}, {5, 384, 96}, {1, 17, 129}};
    (void)state;
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        const size_t rows = shapes[s][0], inner = shapes[s][1], dim = shapes[s][2];
        float *in = numbers(rows * inner, 1, 1), *w = numbers(inner * dim, 2, 3);
        float *out[2] = {malloc(rows * (dim + 1) * sizeof **out),
                         malloc(rows * (dim + 1) * sizeof **out)};
        vecna_linalg_int12 *packed = NULL;
        assert_status(VECNA_OK, vecna_linalg_int12_new(vecna_matrix_dense(w, inner, dim), NULL,
                                                       &packed, NULL));
        for (int set = 0; set < 2; set++) {
            const vecna_matrix to = {out[set], rows, dim, dim + 1};
            memset(out[set], 0xff, rows * (dim + 1) * sizeof **out);
            vni_cpu_allow(set ? ~0u : 0);
            for (int turn = 0; turn <= set; turn++) /* there and back through the columns */
                assert_status(VECNA_OK, vecna_linalg_int12_product(
                                            packed, vecna_view_dense(in, rows, inner), to, NULL));
        }
        assert_memory_equal(out[0], out[1], rows * (dim + 1) * sizeof **out);
        for (size_t i = 0; i < rows; i++) {
            for (size_t j = 0; j < dim; j++) {
                double sum = 0;
                for (size_t x = 0; x < inner; x++)
                    sum += (double)in[i * inner + x] * w[x * dim + j];
                assert_true(fabs(out[0][i * (dim + 1) + j] - sum) <=
                            most_error(inner, largest(in + i * inner, inner, 1),
                                       largest(w + j, inner, dim)));
            }
            assert_true(isnan(out[0][i * (dim + 1) + dim])); /* nothing behind a row */
        }
        vecna_linalg_int12_free(packed);
        free(in);
        free(w);
        free(out[0]);
        free(out[1]);
    }
    vni_cpu_allow(~0u);
}

/* Columns of every size are rounded to a 4094th of their range, and stand in the weights afterwards; on
 * many numbers errors are far below what they can be. */
static void sizes_do_not_matter(void **state) {
    enum { INNER = 300, DIM = 70 };
    static const double sizes[] = {1e-29, 1e-6, 1, 1e6, 1e29};
    float *w = numbers(INNER * DIM, 3, 1), *before = malloc(INNER * DIM * sizeof *w);
    float *in = numbers(INNER, 4, 1), out[DIM];
    vecna_linalg_int12 *packed = NULL;
    double wrong = 0, whole = 0;
    (void)state;
    for (size_t i = 0; i < INNER * DIM; i++)
        before[i] = w[i] = (float)(w[i] * sizes[i % DIM % 5]);
    assert_status(VECNA_OK,
                  vecna_linalg_int12_new(vecna_matrix_dense(w, INNER, DIM), NULL, &packed, NULL));
    assert_status(VECNA_OK, vecna_linalg_int12_product(packed, vecna_view_dense(in, 1, INNER),
                                                       vecna_matrix_dense(out, 1, DIM), NULL));
    for (size_t j = 0; j < DIM; j++) {
        const double most = largest(before + j, INNER, DIM), size = sizes[j % 5];
        double rounded = 0;
        for (size_t i = 0; i < INNER; i++) {
            assert_true(fabs((double)w[i * DIM + j] - before[i * DIM + j]) <= most / 4094 * 1.001);
            rounded += (double)in[i] * w[i * DIM + j] / size;
        }
        wrong += (out[j] / size - rounded) * (out[j] / size - rounded);
        whole += rounded * rounded;
    }
    assert_true(sqrt(wrong / whole) < 5e-5);
    vecna_linalg_int12_free(packed);
    free(w);
    free(before);
    free(in);
}

/* Sums of the most inputs, all as large as they can be, stay within 32 bits. */
static void the_largest_sums_fit(void **state) {
    enum { INNER = 65536 };
    float *w = malloc(INNER * sizeof *w), *in = malloc(INNER * sizeof *in), out[2];
    (void)state;
    for (int sign = -1; sign <= 1; sign += 2) {
        vecna_linalg_int12 *packed = NULL;
        for (size_t i = 0; i < INNER; i++) {
            w[i] = (float)sign * 2047;
            in[i] = 2;
        }
        assert_status(VECNA_OK,
                      vecna_linalg_int12_new(vecna_matrix_dense(w, INNER, 1), NULL, &packed, NULL));
        for (int set = 0; set < 2; set++) {
            vni_cpu_allow(set ? ~0u : 0);
            assert_status(VECNA_OK,
                          vecna_linalg_int12_product(packed, vecna_view_dense(in, 1, INNER),
                                                     vecna_matrix_dense(out + set, 1, 1), NULL));
        }
        assert_true(out[0] == out[1]);
        assert_true(fabs(out[0] / (sign * 2047.0 * 2 * INNER) - 1) < 1e-6);
        vecna_linalg_int12_free(packed);
    }
    vni_cpu_allow(~0u);
    free(w);
    free(in);
}

static void rows_of_nothing_and_of_no_number(void **state) {
    float w[6] = {1, 2, 3, 4, 5, 6}, out[2];
    const float odd[] = {NAN, INFINITY, -INFINITY, 0, 1e-35f};
    vecna_linalg_int12 *packed = NULL;
    (void)state;
    assert_status(VECNA_OK,
                  vecna_linalg_int12_new(vecna_matrix_dense(w, 3, 2), NULL, &packed, NULL));
    for (int set = 0; set < 2; set++) {
        vni_cpu_allow(set ? ~0u : 0);
        for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
            const float in[3] = {0, odd[i], 0};
            assert_status(VECNA_OK,
                          vecna_linalg_int12_product(packed, vecna_view_dense(in, 1, 3),
                                                     vecna_matrix_dense(out, 1, 2), NULL));
            assert_true(i < 3 ? isnan(out[0]) && isnan(out[1]) : out[0] == 0 && out[1] == 0);
        }
    }
    vni_cpu_allow(~0u);
    vecna_linalg_int12_free(packed);
}

static void mistakes(void **state) {
    float w[6] = {1, 2, 3, 4, 5, INFINITY}, in[3] = {0}, out[4];
    vecna_linalg_int12 *packed = NULL;
    vecna_error err;
    (void)state;
    assert_status(VECNA_ERR_VALUE,
                  vecna_linalg_int12_new(vecna_matrix_dense(w, 3, 2), NULL, &packed, &err));
    assert_true(packed == NULL && w[0] == 1);
    assert_status(VECNA_ERR_DIM,
                  vecna_linalg_int12_new(vecna_matrix_dense(w, 0, 2), NULL, &packed, &err));
    const vecna_matrix long_one = {w, 65537, 1, 1};
    assert_status(VECNA_ERR_OVERFLOW, vecna_linalg_int12_new(long_one, NULL, &packed, &err));
    w[5] = 0;
    assert_status(VECNA_OK,
                  vecna_linalg_int12_new(vecna_matrix_dense(w, 3, 2), NULL, &packed, &err));
    assert_status(VECNA_ERR_DIM, vecna_linalg_int12_product(packed, vecna_view_dense(in, 1, 2),
                                                            vecna_matrix_dense(out, 1, 2), &err));
    const vecna_matrix narrow = {out, 1, 2, 1};
    assert_status(VECNA_ERR_OVERFLOW,
                  vecna_linalg_int12_product(packed, vecna_view_dense(in, 1, 3), narrow, &err));
    vecna_linalg_int12_free(packed);
    vecna_linalg_int12_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(close_and_alike_with_every_set),
        cmocka_unit_test(sizes_do_not_matter),
        cmocka_unit_test(the_largest_sums_fit),
        cmocka_unit_test(rows_of_nothing_and_of_no_number),
        cmocka_unit_test(mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
