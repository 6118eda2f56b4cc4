/* Products and factorisations against plain float64 loops, on integers exactly where that is
 * possible. */
#include "linalg/linalg_impl.h"
#include "tests/unit/support/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static float *random_floats(size_t count, uint64_t seed) {
    float *values = malloc((count ? count : 1) * sizeof *values);
    vecna_random random;
    vecna_random_seed(&random, seed, 0);
    for (size_t i = 0; i < count; i++)
        values[i] = (float)(vecna_random_uniform(&random) - 0.5);
    return values;
}

static double *random_doubles(size_t count, uint64_t seed) {
    double *values = malloc((count ? count : 1) * sizeof *values);
    vecna_random random;
    vecna_random_seed(&random, seed, 0);
    for (size_t i = 0; i < count; i++)
        values[i] = vecna_random_normal(&random);
    return values;
}

/* Small integers: float32 sums are exact, so any order of them gives the same bits. */
static void products_of_integers_are_exact(void **state) {
    static const size_t shapes[][3] = {{1, 1, 1},      {3, 5, 2}, {17, 33, 9},
                                       {1100, 40, 31}, {0, 4, 4}, {4, 0, 3}};
    vecna_pool *pool = NULL;
    (void)state;
    assert_status(VECNA_OK, vecna_pool_new(3, NULL, &pool, NULL));
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        size_t rows = shapes[s][0], inner = shapes[s][1], dim = shapes[s][2];
        float *a = calloc(rows * (inner + 3) + 1, sizeof *a); /* strides above the row */
        float *b = calloc(inner * (dim + 1) + 1, sizeof *b);
        float *bt = calloc(dim * inner + 1, sizeof *bt);
        float *out = malloc((rows * (dim + 2) + 1) * sizeof *out);
        vecna_view va = {a, rows, inner, inner + 3}, vb = {b, inner, dim, dim + 1};
        vecna_matrix vo = {out, rows, dim, dim + 2};
        for (size_t i = 0; i < rows; i++)
            for (size_t j = 0; j < inner; j++)
                a[i * (inner + 3) + j] = (float)((i * 7 + j * 3) % 11) - 5;
        for (size_t i = 0; i < inner; i++)
            for (size_t j = 0; j < dim; j++)
                bt[j * inner + i] = b[i * (dim + 1) + j] = (float)((i * 5 + j) % 7) - 3;
        for (int form = 0; form < 4; form++) {
            memset(out, 0xff, (rows * (dim + 2) + 1) * sizeof *out);
            if (form < 2)
                assert_status(VECNA_OK, vecna_linalg_product(va, vb, vo, form ? pool : NULL, NULL));
            else
                assert_status(VECNA_OK,
                              vecna_linalg_product_rows(va, vecna_view_dense(bt, dim, inner), vo,
                                                        form == 3 ? pool : NULL, NULL));
            for (size_t i = 0; i < rows; i++)
                for (size_t j = 0; j < dim; j++) {
                    double sum = 0;
                    for (size_t x = 0; x < inner; x++)
                        sum += (double)a[i * (inner + 3) + x] * (double)b[x * (dim + 1) + j];
                    assert_true((double)out[i * (dim + 2) + j] == sum);
                }
        }
        free(a);
        free(b);
        free(bt);
        free(out);
    }
    vecna_pool_free(pool);
}

static void int8_products_are_exact(void **state) {
    enum { ROWS = 700, COLUMNS = 13, INNER = 1537 };
    int8_t *a = malloc(ROWS * INNER), *b = malloc(COLUMNS * INNER);
    int32_t *out = malloc(ROWS * COLUMNS * sizeof *out);
    vecna_pool *pool = NULL;
    (void)state;
    for (int i = 0; i < ROWS * INNER; i++)
        a[i] = (int8_t)(i % 255 - 127);
    for (int i = 0; i < COLUMNS * INNER; i++)
        b[i] = (int8_t)(127 - i % 251);
    assert_status(VECNA_OK, vecna_pool_new(2, NULL, &pool, NULL));
    assert_status(VECNA_OK, vecna_linalg_product_rows_i8((vecna_view_i8){a, ROWS, INNER, INNER},
                                                         (vecna_view_i8){b, COLUMNS, INNER, INNER},
                                                         out, COLUMNS, pool, NULL));
    for (int i = 0; i < ROWS; i += 7)
        for (int j = 0; j < COLUMNS; j++) {
            int32_t sum = 0;
            for (int x = 0; x < INNER; x++)
                sum += (int32_t)a[i * INNER + x] * (int32_t)b[j * INNER + x];
            assert_int_equal(out[i * COLUMNS + j], sum);
        }
    assert_status(VECNA_ERR_OVERFLOW,
                  vecna_linalg_product_rows_i8((vecna_view_i8){a, 1, 200000, 200000},
                                               (vecna_view_i8){b, 1, 200000, 200000}, out, 1, NULL,
                                               NULL));
    vecna_pool_free(pool);
    free(a);
    free(b);
    free(out);
}

/* The largest products, which a kernel that adds pairs in 16 bits cannot hold. */
static void int8_extremes_do_not_saturate(void **state) {
    enum { ROWS = 33, COLUMNS = 515, INNER = 2050 };
    static const int8_t extremes[] = {127, -127, -128};
    int8_t *a = malloc(ROWS * INNER), *b = malloc(COLUMNS * INNER);
    int32_t *out = malloc(ROWS * COLUMNS * sizeof *out);
    int wrong = 0;
    (void)state;
    for (int x = 0; x < 9; x++) {
        memset(a, extremes[x / 3], ROWS * INNER);
        memset(b, extremes[x % 3], COLUMNS * INNER);
        assert_status(VECNA_OK,
                      vecna_linalg_product_rows_i8((vecna_view_i8){a, ROWS, INNER, INNER},
                                                   (vecna_view_i8){b, COLUMNS, INNER, INNER}, out,
                                                   COLUMNS, NULL, NULL));
        for (int i = 0; i < ROWS * COLUMNS; i++)
            wrong += out[i] != extremes[x / 3] * extremes[x % 3] * INNER;
    }
    free(a);
    free(b);
    free(out);
    assert_int_equal(wrong, 0);
}

static void shapes_are_checked(void **state) {
    float data[64] = {0};
    double wide[64] = {0};
    vecna_error err;
    vecna_view v = vecna_view_dense(data, 4, 4);
    (void)state;
    assert_status(VECNA_ERR_DIM, vecna_linalg_product(v, vecna_view_dense(data, 3, 4),
                                                      vecna_matrix_dense(data, 4, 4), NULL, &err));
    assert_non_null(strstr(err.message, "4 x 4 and 3 x 4"));
    assert_status(VECNA_ERR_DIM,
                  vecna_linalg_product_rows(v, vecna_view_dense(data, 2, 5),
                                            vecna_matrix_dense(data, 4, 2), NULL, &err));
    assert_status(VECNA_ERR_OVERFLOW,
                  vecna_linalg_product(v, (vecna_view){data, 4, 4, 2},
                                       vecna_matrix_dense(data, 4, 4), NULL, &err));
    assert_status(VECNA_ERR_DIM,
                  vecna_linalg_product_f64(vecna_view_f64_dense(wide, 2, 3),
                                           vecna_view_f64_dense(wide, 2, 3), VECNA_TRANSPOSE_NONE,
                                           vecna_matrix_f64_dense(wide, 2, 3), &err));
    assert_status(VECNA_ERR_DIM, vecna_linalg_orthonormal(wide, 2, 3, &err));
}

/* A million rows of 1 + 2^-20: float32 sums would stop growing at 2^24 and lose the small part long
 * before; the float64 sum is exact. */
static void sums_of_many_rows_lose_nothing(void **state) {
    enum { BLOCK = 4096, BLOCKS = 256 };
    float *x = malloc(BLOCK * sizeof *x * 2);
    double gram[4] = {0}, cross[2] = {0}, sum[2] = {0};
    vecna_gram sums = {.gram = gram, .cross = cross};
    const double value = 1 + 0x1p-20, rows = (double)BLOCK * BLOCKS;
    (void)state;
    for (int i = 0; i < BLOCK; i++) {
        x[2 * i] = (float)value;
        x[2 * i + 1] = 2;
    }
    for (int b = 0; b < BLOCKS; b++) {
        vecna_view block = vecna_view_dense(x, BLOCK, 2);
        assert_status(VECNA_OK,
                      vecna_linalg_gram_add(&sums, block, (vecna_view){x, BLOCK, 1, 2}, NULL));
        vecna_linalg_sum_add(block, sum);
    }
    assert_true(fabs(gram[0] - rows * value * value) <= 1e-10 * rows);
    assert_true(gram[1] == 2 * rows * value && gram[2] == gram[1] && gram[3] == 4 * rows);
    assert_true(fabs(cross[0] - gram[0]) <= 1e-10 * rows && cross[1] == gram[1]);
    assert_true(sum[0] == rows * value && sum[1] == 2 * rows);
    free(x);
}

static void shifted_sums_agree(void **state) {
    enum { ROWS = 1500, P = 7, Q = 5 };
    float *x = random_floats(ROWS * P, 1), *y = random_floats(ROWS * Q, 2);
    double shift_x[P], shift_y[Q], gram[P * P] = {0}, cross[P * Q] = {0};
    vecna_gram sums = {.gram = gram, .cross = cross, .shift_x = shift_x, .shift_y = shift_y};
    (void)state;
    for (int j = 0; j < P; j++)
        shift_x[j] = 0.1 * j;
    for (int j = 0; j < Q; j++)
        shift_y[j] = -0.2 * j;
    assert_status(VECNA_OK, vecna_linalg_gram_add(&sums, vecna_view_dense(x, ROWS, P),
                                                  vecna_view_dense(y, ROWS, Q), NULL));
    for (int a = 0; a < P; a++)
        for (int b = 0; b < P + Q; b++) {
            double sum = 0;
            for (int i = 0; i < ROWS; i++)
                sum += ((double)x[i * P + a] - shift_x[a]) *
                       (b < P ? (double)x[i * P + b] - shift_x[b]
                              : (double)y[i * Q + b - P] - shift_y[b - P]);
            assert_true(fabs((b < P ? gram[a * P + b] : cross[a * Q + b - P]) - sum) <= 1e-9);
        }
    free(x);
    free(y);
}

/* Float32 products in blocks: against float64, an entry's error is measured by the diagonal. Block and
 * panel borders are crossed; every subset of the results can be asked for, on any thread count. */
static void single_sums_are_near(void **state) {
    enum { ROWS = 2500, P = 300, Q = 70 };
    float *x = random_floats(ROWS * (P + 1), 1), *y = random_floats(ROWS * Q, 2);
    double *gram = calloc(P * P, sizeof *gram), *cross = calloc(P * Q, sizeof *cross);
    double *near = calloc(P * P, sizeof *near), *near_cross = calloc(P * Q, sizeof *near_cross);
    double shift_x[P], shift_y[Q];
    vecna_view rows_x = {x, ROWS, P, P + 1}, rows_y = vecna_view_dense(y, ROWS, Q);
    vecna_pool *pool = NULL;
    (void)state;
    for (int j = 0; j < P; j++)
        shift_x[j] = 0.01 * j;
    for (int j = 0; j < Q; j++)
        shift_y[j] = -0.02 * j;
    vecna_gram sums = {gram, cross, shift_x, shift_y, NULL, 0, NULL};
    assert_status(VECNA_OK, vecna_linalg_gram_add(&sums, rows_x, rows_y, NULL));
    assert_status(VECNA_OK, vecna_pool_new(3, NULL, &pool, NULL));
    for (int form = 0; form < 4; form++) {
        memset(near, 0, P * P * sizeof *near);
        memset(near_cross, 0, P * Q * sizeof *near_cross);
        vecna_gram single = {
            form == 2 ? NULL : near, form == 3 ? NULL : near_cross, shift_x, shift_y, NULL, 1,
            form ? pool : NULL};
        assert_status(VECNA_OK, vecna_linalg_gram_add(&single, rows_x, rows_y, NULL));
        for (int a = 0; a < P; a++) {
            for (int b = 0; b < P; b++)
                assert_true(fabs(near[a * P + b] - (form == 2 ? 0 : gram[a * P + b])) <=
                            1e-6 * sqrt(gram[a * P + a] * gram[b * P + b]));
            for (int b = 0; b < Q; b++)
                assert_true(fabs(near_cross[a * Q + b] - (form == 3 ? 0 : cross[a * Q + b])) <=
                            1e-6 * (sqrt(gram[a * P + a] * ROWS) + 1));
        }
    }
    vecna_pool_free(pool);
    free(x);
    free(y);
    free(gram);
    free(cross);
    free(near);
    free(near_cross);
}

static void eigenvectors_rebuild_the_matrix(void **state) {
    static const size_t sizes[] = {1, 2, 31, 200};
    (void)state;
    for (size_t s = 0; s < 4; s++) {
        size_t n = sizes[s];
        double *g = random_doubles(n * n, s), *a = malloc(n * n * sizeof *a),
               *kept = malloc(n * n * sizeof *kept), *values = malloc(n * sizeof *values);
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++)
                kept[i * n + j] = a[i * n + j] = g[i * n + j] + g[j * n + i];
        assert_status(VECNA_OK, vecna_linalg_eigen(a, n, values, NULL));
        for (size_t i = 0; i < n; i++) {
            assert_true(i == 0 || values[i] <= values[i - 1]);
            for (size_t r = 0; r < n; r++) {
                double sum = 0;
                for (size_t j = 0; j < n; j++)
                    sum += kept[r * n + j] * a[i * n + j];
                assert_true(fabs(sum - values[i] * a[i * n + r]) <= 1e-11 * (double)n);
            }
        }
        free(g);
        free(a);
        free(kept);
        free(values);
    }
}

/* The largest ones of a full decomposition; equal eigenvalues aside, the same vectors. */
static void top_eigenvectors_are_those_of_all(void **state) {
    enum { SIZE = 40 };
    double *noise = random_doubles(SIZE * SIZE, 5), a[SIZE * SIZE], all[SIZE * SIZE];
    double values[SIZE], top[SIZE], vectors[SIZE * SIZE];
    (void)state;
    for (size_t count = 0; count <= SIZE; count += 8) {
        for (int i = 0; i < SIZE; i++)
            for (int j = 0; j < SIZE; j++)
                a[i * SIZE + j] = all[i * SIZE + j] = noise[i * SIZE + j] + noise[j * SIZE + i];
        assert_status(VECNA_OK, vecna_linalg_eigen(all, SIZE, values, NULL));
        assert_status(VECNA_OK, vecna_linalg_eigen_top(a, SIZE, count, top, vectors, NULL));
        for (size_t i = 0; i < count; i++) {
            assert_true(fabs(top[i] - values[i]) < 1e-12 * values[0]);
            for (int j = 0; j < SIZE; j++)
                assert_true(fabs(vectors[i * SIZE + j] - all[i * SIZE + j]) < 1e-10);
        }
    }
    assert_status(VECNA_ERR_DIM, vecna_linalg_eigen_top(a, SIZE, SIZE + 1, top, vectors, NULL));
    a[3] = NAN;
    assert_status(VECNA_ERR_NUMERIC, vecna_linalg_eigen_top(a, SIZE, 2, top, vectors, NULL));
    free(noise);
}

static void singular_vectors_rebuild_the_matrix(void **state) {
    static const size_t shapes[][2] = {{1, 1}, {5, 3}, {3, 5}, {60, 40}, {40, 60}};
    (void)state;
    for (size_t s = 0; s < 5; s++) {
        size_t rows = shapes[s][0], dim = shapes[s][1], k = rows < dim ? rows : dim;
        double *a = random_doubles(rows * dim, s), *kept = malloc(rows * dim * sizeof *kept);
        double *left = malloc(rows * k * sizeof *left), *right = malloc(k * dim * sizeof *right),
               *values = malloc(k * sizeof *values);
        memcpy(kept, a, rows * dim * sizeof *kept);
        assert_status(VECNA_OK, vecna_linalg_svd(vecna_matrix_f64_dense(a, rows, dim), left, values,
                                                 right, NULL));
        for (size_t i = 0; i < rows; i++)
            for (size_t j = 0; j < dim; j++) {
                double sum = 0;
                for (size_t x = 0; x < k; x++)
                    sum += left[i * k + x] * values[x] * right[x * dim + j];
                assert_true(fabs(sum - kept[i * dim + j]) <= 1e-12 * (double)(rows + dim));
            }
        for (size_t x = 1; x < k; x++)
            assert_true(values[x] <= values[x - 1] && values[x] >= 0);
        free(a);
        free(kept);
        free(left);
        free(right);
        free(values);
    }
}

static void solutions_solve(void **state) {
    enum { N = 40, COLUMNS = 3 };
    double *g = random_doubles(N * N, 3), *b = random_doubles(N * COLUMNS, 4);
    double a[N * N], kept[N * N], right[N * COLUMNS];
    vecna_error err;
    (void)state;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            double sum = i == j ? 0.1 : 0;
            for (int x = 0; x < N; x++)
                sum += g[i * N + x] * g[j * N + x];
            kept[i * N + j] = a[i * N + j] = sum;
        }
    memcpy(right, b, sizeof right);
    assert_status(VECNA_OK, vecna_linalg_solve_spd(a, N, b, COLUMNS, &err));
    for (int i = 0; i < N; i++)
        for (int j = 0; j < COLUMNS; j++) {
            double sum = 0;
            for (int x = 0; x < N; x++)
                sum += kept[i * N + x] * b[x * COLUMNS + j];
            assert_true(fabs(sum - right[i * COLUMNS + j]) <= 1e-8);
        }
    memcpy(a, kept, sizeof a);
    a[7 * N + 7] = -1;
    assert_status(VECNA_ERR_NUMERIC, vecna_linalg_solve_spd(a, N, b, COLUMNS, &err));
    assert_int_equal(err.position, 7);
    free(g);
    free(b);
}

static void bases_are_orthonormal_and_unique(void **state) {
    enum { ROWS = 50, DIM = 20 };
    double *a = random_doubles(ROWS * DIM, 5), *q = malloc(ROWS * DIM * sizeof *q);
    vecna_error err;
    (void)state;
    memcpy(q, a, ROWS * DIM * sizeof *q);
    assert_status(VECNA_OK, vecna_linalg_orthonormal(q, ROWS, DIM, &err));
    for (int x = 0; x < DIM; x++)
        for (int y = 0; y <= x; y++) {
            double inner = 0, triangle = 0; /* r = q' a: upper, positive diagonal */
            for (int i = 0; i < ROWS; i++) {
                inner += q[i * DIM + x] * q[i * DIM + y];
                triangle += q[i * DIM + x] * a[i * DIM + y];
            }
            assert_true(fabs(inner - (x == y)) <= 1e-13);
            assert_true(x == y ? triangle > 0 : fabs(triangle) <= 1e-12);
        }
    for (int i = 0; i < ROWS; i++)
        a[i * DIM + 3] = a[i * DIM + 1] + a[i * DIM + 2];
    assert_status(VECNA_ERR_NUMERIC, vecna_linalg_orthonormal(a, ROWS, DIM, &err));
    free(a);
    free(q);
}

static void values_that_are_no_numbers_are_refused(void **state) {
    double a[4] = {1, NAN, NAN, 1}, values[2], left[4], right[4];
    vecna_error err;
    (void)state;
    assert_status(VECNA_ERR_NUMERIC, vecna_linalg_eigen(a, 2, values, &err));
    assert_status(VECNA_ERR_NUMERIC,
                  vecna_linalg_svd(vecna_matrix_f64_dense(a, 2, 2), left, values, right, &err));
    a[1] = (double)INFINITY;
    assert_status(VECNA_ERR_NUMERIC, vecna_linalg_orthonormal(a, 2, 2, &err));
}

/* The trap: on a processor that has AVX2 or AVX-512 the chosen kernel must use it. */
static void openblas_runs_no_fallback_kernel(void **state) {
    static const char *const fallbacks[] = {"Prescott",  "Core2",   "Penryn",  "Dunnington",
                                            "Generic",   "GENERIC", "Katmai",  "Coppermine",
                                            "Northwood", "Banias",  "Opteron", "Barcelona"};
    vecna_linalg_kernels kernels;
    (void)state;
    assert_status(VECNA_OK, vecna_linalg_about(&kernels, NULL));
    assert_true(kernels.onednn_isa[0] != '\0');
    if (vni_openblas_core() == NULL || kernels.openblas_core[0] == '\0')
        skip();
    for (size_t i = 0; i < sizeof fallbacks / sizeof fallbacks[0]; i++)
        assert_string_not_equal(kernels.openblas_core, fallbacks[i]);
    assert_non_null(vni_openblas_core());
}

static vecna_status add_gram(void *user, const vecna_allocator *allocator, vecna_error *err) {
    float x[6] = {1, 2, 3, 4, 5, 6};
    double gram[4] = {0};
    vecna_gram sums = {.gram = gram, .allocator = allocator, .single = user != NULL};
    return vecna_linalg_gram_add(&sums, vecna_view_dense(x, 3, 2), (vecna_view){0}, err);
}

static void survives_failing_memory(void **state) {
    (void)state;
    assert_survives_failing_memory(add_gram, NULL);
    assert_survives_failing_memory(add_gram, "single");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_of_integers_are_exact),
        cmocka_unit_test(int8_products_are_exact),
        cmocka_unit_test(int8_extremes_do_not_saturate),
        cmocka_unit_test(shapes_are_checked),
        cmocka_unit_test(sums_of_many_rows_lose_nothing),
        cmocka_unit_test(shifted_sums_agree),
        cmocka_unit_test(single_sums_are_near),
        cmocka_unit_test(eigenvectors_rebuild_the_matrix),
        cmocka_unit_test(top_eigenvectors_are_those_of_all),
        cmocka_unit_test(singular_vectors_rebuild_the_matrix),
        cmocka_unit_test(solutions_solve),
        cmocka_unit_test(bases_are_orthonormal_and_unique),
        cmocka_unit_test(values_that_are_no_numbers_are_refused),
        cmocka_unit_test(openblas_runs_no_fallback_kernel),
        cmocka_unit_test(survives_failing_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
