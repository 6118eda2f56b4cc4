/* Singular values to a power, against the singular value decomposition. */
#include "translate/translate_impl.h"

#include "tests/unit/translate/pairs.h"

/* rows x cols with singular values from 1 down to 10^-decades, and `empty` zeros behind them. */
typedef struct spectral {
    vni_dense a, left, right;
    double *sigma;
    size_t k;
} spectral;

static double *orthonormal(size_t rows, size_t cols, uint64_t seed) {
    vecna_matrix noise = make_noise(rows, cols, seed);
    double *out = malloc(rows * cols * sizeof *out);
    for (size_t i = 0; i < rows * cols; i++) {
        out[i] = (double)noise.data[i];
    }
    assert_status(VECNA_OK, vecna_linalg_orthonormal(out, rows, cols, NULL));
    free(noise.data);
    return out;
}

static spectral make_spectral(size_t rows, size_t cols, double decades, size_t empty) {
    spectral s = {.k = rows < cols ? rows : cols};
    s.left = (vni_dense){orthonormal(rows, s.k, 1), rows, s.k};
    double *columns = orthonormal(cols, s.k, 2); /* (cols, k) */
    s.right = (vni_dense){malloc(s.k * cols * sizeof(double)), s.k, cols};
    s.sigma = malloc(s.k * sizeof(double));
    for (size_t i = 0; i < s.k; i++) {
        s.sigma[i] = i + empty < s.k ? pow(10, -decades * (double)i / (double)s.k) : 0;
        for (size_t j = 0; j < cols; j++) {
            s.right.data[i * cols + j] = columns[j * s.k + i];
        }
    }
    free(columns);
    s.a = (vni_dense){malloc(rows * cols * sizeof(double)), rows, cols};
    return s;
}

/* A f(S) B' by definition. */
static void compose(const spectral *s, const double *f, double *out) {
    vni_dense scaled = {malloc(s->k * s->right.cols * sizeof(double)), s->k, s->right.cols};
    vni_dense to = {out, s->left.rows, s->right.cols};
    for (size_t i = 0; i < s->k; i++) {
        for (size_t j = 0; j < s->right.cols; j++) {
            scaled.data[i * s->right.cols + j] = f[i] * s->right.data[i * s->right.cols + j];
        }
    }
    assert_status(VECNA_OK, vni_dense_product(&s->left, 0, &scaled, 0, &to, NULL));
    free(scaled.data);
}

static void free_spectral(spectral *s) {
    free(s->a.data);
    free(s->left.data);
    free(s->right.data);
    free(s->sigma);
}

static double check(size_t rows, size_t cols, double decades, size_t empty, double exponent,
                    size_t keep) {
    spectral s = make_spectral(rows, cols, decades, empty);
    double *f = malloc(s.k * sizeof *f), *sigma = malloc(s.k * sizeof *sigma);
    double *wanted = malloc(rows * cols * sizeof *wanted), most = 0;
    vni_dense out = {malloc(rows * cols * sizeof(double)), rows, cols};
    compose(&s, s.sigma, s.a.data);
    for (size_t i = 0; i < s.k; i++) {
        f[i] = i < keep && s.sigma[i] > 1e-9 ? pow(s.sigma[i], exponent) : 0;
    }
    compose(&s, f, wanted);
    assert_status(VECNA_OK, vni_dense_power(&s.a, exponent, keep, &out, sigma, NULL, NULL));
    for (size_t i = 0; i < rows * cols; i++) {
        most = fmax(most, fabs(out.data[i] - wanted[i]));
    }
    for (size_t i = 0; i < s.k; i++) {
        assert_true(fabs(sigma[i] - s.sigma[i]) < 1e-9);
    }
    free_spectral(&s);
    free(f);
    free(sigma);
    free(wanted);
    free(out.data);
    return most;
}

/* The decomposition's own error in a direction is 1e-16 over its singular value. */
static void powers_are_those_of_the_decomposition(void **state) {
    static const double exponents[] = {0, 0.25, 0.5, 0.75, 1};
    static const size_t shapes[][2] = {{1, 1}, {1, 7}, {9, 1}, {40, 40}, {30, 55}, {55, 30}};
    (void)state;
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        for (size_t e = 0; e < sizeof exponents / sizeof *exponents; e++) {
            const size_t rows = shapes[s][0], cols = shapes[s][1];
            assert_true(check(rows, cols, 1, 0, exponents[e], 99) < 1e-12);
            assert_true(check(rows, cols, 4, 0, exponents[e], 99) < 1e-10);
            assert_true(check(rows, cols, 6, 0, exponents[e], 99) < 1e-8);
            assert_true(check(rows, cols, 8, 0, exponents[e], 99) < 1e-6); /* the decomposition */
            if (rows > 5 && cols > 5) {
                assert_true(check(rows, cols, 2, 5, exponents[e], 99) < 1e-10);
                assert_true(check(rows, cols, 3, 0, exponents[e], 11) < 1e-10);
            }
        }
    }
}

static void nothing_has_no_directions(void **state) {
    double a[6] = {0}, out[6] = {1, 1, 1, 1, 1, 1}, sigma[2];
    vni_dense from = {a, 2, 3}, to = {out, 2, 3};
    (void)state;
    assert_status(VECNA_OK, vni_dense_power(&from, 0, 2, &to, sigma, NULL, NULL));
    for (size_t i = 0; i < 6; i++) {
        assert_true(out[i] == 0);
    }
    a[0] = NAN;
    assert_status(VECNA_ERR_NUMERIC, vni_dense_power(&from, 0, 2, &to, sigma, NULL, NULL));
}

typedef struct allocating {
    spectral made;
    double *out, *sigma;
} allocating;

static vecna_status take_power(void *user, const vecna_allocator *allocator, vecna_error *err) {
    allocating *a = user;
    vni_dense out = {a->out, a->made.a.rows, a->made.a.cols};
    return vni_dense_power(&a->made.a, 0.5, 9, &out, a->sigma, allocator, err);
}

/* Nine decades: both ways are taken. */
static void every_failing_allocation_is_survived(void **state) {
    allocating a = {.made = make_spectral(12, 9, 8.9, 0)};
    (void)state;
    a.out = malloc(12 * 9 * sizeof *a.out);
    a.sigma = malloc(9 * sizeof *a.sigma);
    compose(&a.made, a.made.sigma, a.made.a.data);
    assert_survives_failing_memory(take_power, &a);
    free_spectral(&a.made);
    free(a.out);
    free(a.sigma);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(powers_are_those_of_the_decomposition),
        cmocka_unit_test(nothing_has_no_directions),
        cmocka_unit_test(every_failing_allocation_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
