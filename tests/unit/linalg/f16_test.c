/* Products with 16-bit weights: exact where weights are halves, close where they are rounded, whatever
 * the size of the weights, with every instruction set. */
#include "base/base_impl.h"
#include "linalg/f16_impl.h"
#include "tests/unit/support/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const unsigned sets[] = {0, VNI_CPU_AVX2, ~0u};
enum { SETS = sizeof sets / sizeof *sets };

/* Small whole numbers are halves, and their sums are exact in float. */
static void whole_numbers_are_exact(void **state) {
    static const size_t shapes[][3] = {
        {1, 1, 1}, {1, 9, 64}, {2, 4, 65}, {3, 13, 3}, {4, 403, 130}};
    (void)state;
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        const size_t rows = shapes[s][0], inner = shapes[s][1], dim = shapes[s][2];
        float *in = malloc(rows * inner * sizeof *in), *w = malloc(inner * dim * sizeof *w);
        float *out = malloc(rows * (dim + 1) * sizeof *out);
        vecna_linalg_f16 *packed = NULL;
        for (size_t i = 0; i < rows * inner; i++)
            in[i] = (float)((int)(i * 37 % 15) - 7);
        for (size_t i = 0; i < inner * dim; i++)
            w[i] = (float)((int)(i * 91 % 255) - 127);
        assert_status(VECNA_OK,
                      vecna_linalg_f16_new(vecna_matrix_dense(w, inner, dim), NULL, &packed, NULL));
        for (size_t i = 0; i < inner * dim; i++)
            assert_true(w[i] == (float)((int)(i * 91 % 255) - 127));
        for (size_t set = 0; set < SETS; set++) {
            const vecna_matrix to = {out, rows, dim, dim + 1};
            memset(out, 0xff, rows * (dim + 1) * sizeof *out);
            vni_cpu_allow(sets[set]);
            assert_status(VECNA_OK, vecna_linalg_f16_product(
                                        packed, vecna_view_dense(in, rows, inner), to, NULL));
            for (size_t i = 0; i < rows; i++) {
                for (size_t j = 0; j < dim; j++) {
                    double sum = 0;
                    for (size_t x = 0; x < inner; x++)
                        sum += (double)in[i * inner + x] * w[x * dim + j];
                    assert_true(out[i * (dim + 1) + j] == (float)sum);
                }
                assert_true(isnan(out[i * (dim + 1) + dim])); /* nothing behind a row */
            }
        }
        vecna_linalg_f16_free(packed);
        free(in);
        free(w);
        free(out);
    }
    vni_cpu_allow(~0u);
}

/* Columns of every size keep 11 bits; what was rounded stands in the weights afterwards. */
static void sizes_do_not_matter(void **state) {
    enum { INNER = 300, DIM = 70 };
    static const double sizes[] = {1e-30, 1e-6, 1, 1e6, 1e30};
    float *w = malloc(INNER * DIM * sizeof *w), *before = malloc(INNER * DIM * sizeof *w);
    float in[INNER], out[DIM];
    vecna_random random;
    vecna_linalg_f16 *packed = NULL;
    (void)state;
    vecna_random_seed(&random, 3, 0);
    for (size_t i = 0; i < INNER; i++)
        in[i] = (float)vecna_random_normal(&random);
    for (size_t i = 0; i < INNER * DIM; i++)
        before[i] = w[i] = (float)(vecna_random_normal(&random) * sizes[i % DIM % 5]);
    assert_status(VECNA_OK,
                  vecna_linalg_f16_new(vecna_matrix_dense(w, INNER, DIM), NULL, &packed, NULL));
    for (size_t set = 0; set < SETS; set++) {
        vni_cpu_allow(sets[set]);
        assert_status(VECNA_OK, vecna_linalg_f16_product(packed, vecna_view_dense(in, 1, INNER),
                                                         vecna_matrix_dense(out, 1, DIM), NULL));
        for (size_t j = 0; j < DIM; j++) {
            double exact = 0, rounded = 0, size = 0;
            for (size_t i = 0; i < INNER; i++) {
                exact += (double)in[i] * before[i * DIM + j];
                rounded += (double)in[i] * w[i * DIM + j];
                size += fabs((double)in[i] * before[i * DIM + j]);
            }
            assert_true(fabs(out[j] - rounded) <= 1e-6 * size);
            assert_true(fabs(rounded - exact) <= size / 4096);
        }
    }
    vni_cpu_allow(~0u);
    vecna_linalg_f16_free(packed);
    free(w);
    free(before);
}

static void mistakes(void **state) {
    float w[6] = {1, 2, 3, 4, 5, INFINITY}, in[3] = {0}, out[4];
    vecna_linalg_f16 *packed = NULL;
    vecna_error err;
    (void)state;
    assert_status(VECNA_ERR_VALUE,
                  vecna_linalg_f16_new(vecna_matrix_dense(w, 3, 2), NULL, &packed, &err));
    assert_true(packed == NULL && w[0] == 1);
    assert_status(VECNA_ERR_DIM,
                  vecna_linalg_f16_new(vecna_matrix_dense(w, 0, 2), NULL, &packed, &err));
    w[5] = 0;
    assert_status(VECNA_OK, vecna_linalg_f16_new(vecna_matrix_dense(w, 3, 2), NULL, &packed, &err));
    assert_status(VECNA_ERR_DIM, vecna_linalg_f16_product(packed, vecna_view_dense(in, 1, 2),
                                                          vecna_matrix_dense(out, 1, 2), &err));
    const vecna_matrix narrow = {out, 1, 2, 1};
    assert_status(VECNA_ERR_OVERFLOW,
                  vecna_linalg_f16_product(packed, vecna_view_dense(in, 1, 3), narrow, &err));
    vecna_linalg_f16_free(packed);
    vecna_linalg_f16_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers_are_exact),
        cmocka_unit_test(sizes_do_not_matter),
        cmocka_unit_test(mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
