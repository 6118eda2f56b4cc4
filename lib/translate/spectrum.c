/* Singular values to a power: out = A S^e B' of a = A S B'. e = 0 is the rotation nearest to a, e = 1
 * with fewer directions its best approximation of that rank.
 *
 * A singular value decomposition is more than that takes, and the dearest step of a fit. Eigenvectors
 * Q of the smaller square a a' are cheaper by half or more, and Y = Q' a has rows Y_i of length S_i
 * that would be orthogonal if Q were exact. It is not: squaring has halved the digits, and
 * directions of small S are mixed with each other. So what is left of that is measured, E = Z Z' - 1
 * with Z the rows at unit length, and taken out to first order: with f = S^(e-1) as a function of
 * the eigenvalue S^2, out = Q (f Y + D Y) where
 *
 *     D_ij = E_ij S_i S_j (f_i - f_j) / (S_i^2 - S_j^2)          (Daleckii and Krein)
 *
 * which for e = 0 is Z_i - sum_j E_ij S_j / (S_i + S_j) Z_j. What remains is of the order of E^2:
 * 1e-9 where S spans six decades, 1e-13 where it spans four. Where E is too large for that (eight
 * decades), the decomposition proper is computed. Directions below 1e-9 of the first are not
 * determined, and left out.
 * Source: Higham, "Functions of Matrices", 2008, chapters 3 and 8. */
#include "translate/translate_impl.h"

#include <math.h>
#include <string.h>

#define DIRECTION_MIN 1e-9
#define MIXED_MOST 1e-3 /* beyond this E its square is not small */

typedef struct work {
    size_t k, n; /* smaller and larger side */
    double exponent;
    size_t keep;
    vni_dense q;     /* (k, k) rows are eigenvectors */
    vni_dense y;     /* (k, n) */
    vni_dense e;     /* (k, k) */
    vni_dense fixed; /* (k, n) */
    double *sigma;   /* (k) */
    double *power;   /* (k) S^e-1; 0 for what is left out */
} work;

static double power_of(const work *w, size_t i) {
    const int out = i >= w->keep || !(w->sigma[i] > DIRECTION_MIN * w->sigma[0]);
    return out ? 0 : pow(w->sigma[i], w->exponent - 1);
}

/* (f_i - f_j) / (S_i^2 - S_j^2); its limit where they are the same. */
static double divided_difference(const work *w, size_t i, size_t j) {
    const double a = w->sigma[i], b = w->sigma[j];
    if (fabs(a - b) <= 1e-6 * (a + b)) {
        return (w->exponent - 1) / 2 * w->power[i] / (a * a);
    }
    return (w->power[i] - w->power[j]) / (a * a - b * b);
}

/* Lengths of the rows of Y in descending order (they are nearly so), which replace the eigenvalues:
 * these have lost the small ones. */
static void sort_rows(work *w) {
    for (size_t i = 0; i < w->k; i++) {
        double sum = 0;
        for (size_t j = 0; j < w->n; j++) {
            sum += w->y.data[i * w->n + j] * w->y.data[i * w->n + j];
        }
        w->sigma[i] = sqrt(sum);
    }
    for (size_t i = 1; i < w->k; i++) {
        for (size_t j = i; j > 0 && w->sigma[j] > w->sigma[j - 1]; j--) {
            double *rows[2] = {w->y.data + (j - 1) * w->n, w->q.data + (j - 1) * w->k};
            const size_t length[2] = {w->n, w->k};
            double held = w->sigma[j];
            w->sigma[j] = w->sigma[j - 1];
            w->sigma[j - 1] = held;
            for (int m = 0; m < 2; m++) {
                for (size_t x = 0; x < length[m]; x++) {
                    held = rows[m][x];
                    rows[m][x] = rows[m][x + length[m]];
                    rows[m][x + length[m]] = held;
                }
            }
        }
    }
}

/* Z Z' - 1, as coefficients of what Y is mixed with; 0 when it is too large. */
static int find_mixing(work *w, vecna_error *err, vecna_status *status) {
    const size_t k = w->k;
    *status = vni_dense_product(&w->y, 0, &w->y, 1, &w->e, err);
    for (size_t i = 0; i < k && !*status; i++) {
        for (size_t j = 0; j < k; j++) {
            double *at = &w->e.data[i * k + j];
            const double scale = w->sigma[i] * w->sigma[j];
            if (i == j || !(w->sigma[i] > DIRECTION_MIN * w->sigma[0]) ||
                !(w->sigma[j] > DIRECTION_MIN * w->sigma[0])) {
                *at = 0;
                continue;
            }
            if (!(fabs(*at) < MIXED_MOST * scale)) {
                return 0;
            }
            *at *= divided_difference(w, i, j); /* E_ij S_i S_j is what the product was */
        }
        w->e.data[i * k + i] = w->power[i];
    }
    return !*status;
}

/* The decomposition itself. */
static vecna_status decompose(work *w, const vni_dense *a, vni_dense *out, double *sigma,
                              const vecna_allocator *allocator, vecna_error *err) {
    const size_t k = w->k;
    vecna_status status = VECNA_ERR_MEMORY;
    vni_dense copy = {vecna_allocate(allocator, a->rows * a->cols, sizeof(double)), a->rows,
                      a->cols};
    vni_dense left = {vecna_allocate(allocator, a->rows * k, sizeof(double)), a->rows, k};
    vni_dense right = {vecna_allocate(allocator, k * a->cols, sizeof(double)), k, a->cols};
    if (!copy.data || !left.data || !right.data) {
        vecna_error_set(err, status, -1, "no memory for %zu directions", k);
        goto done;
    }
    memcpy(copy.data, a->data, a->rows * a->cols * sizeof(double));
    status = vni_dense_svd(&copy, &left, sigma, &right, err);
    w->sigma = sigma;
    for (size_t i = 0; i < k && !status; i++) {
        const double value = power_of(w, i) * sigma[i];
        for (size_t j = 0; j < a->cols; j++) {
            right.data[i * a->cols + j] *= value;
        }
    }
    status = status ? status : vni_dense_product(&left, 0, &right, 0, out, err);
done:
    vecna_release(allocator, copy.data);
    vecna_release(allocator, left.data);
    vecna_release(allocator, right.data);
    return status;
}

static vecna_status from_square(work *w, const vni_dense *a, vni_dense *out, double *sigma,
                                const vecna_allocator *allocator, vecna_error *err) {
    const int wide = a->rows <= a->cols;
    vecna_status status = vni_dense_product(a, !wide, a, wide, &w->q, err);
    status = status ? status : vni_dense_eigen(&w->q, w->sigma, err);
    status = status ? status : vni_dense_product(&w->q, 0, a, !wide, &w->y, err);
    if (status) {
        return status;
    }
    sort_rows(w);
    for (size_t i = 0; i < w->k; i++) {
        w->power[i] = power_of(w, i);
    }
    if (!(w->sigma[0] > 0) || !find_mixing(w, err, &status)) {
        return status ? status : decompose(w, a, out, sigma, allocator, err);
    }
    memcpy(sigma, w->sigma, w->k * sizeof *sigma);
    status = vni_dense_product(&w->e, 0, &w->y, 0, &w->fixed, err);
    if (status) {
        return status;
    }
    return wide ? vni_dense_product(&w->q, 1, &w->fixed, 0, out, err)
                : vni_dense_product(&w->fixed, 1, &w->q, 0, out, err);
}

vecna_status vni_dense_power(const vni_dense *a, double exponent, size_t keep, vni_dense *out,
                             double *sigma, const vecna_allocator *allocator, vecna_error *err) {
    const size_t k = a->rows < a->cols ? a->rows : a->cols;
    const size_t n = a->rows < a->cols ? a->cols : a->rows;
    vecna_status status = VECNA_ERR_MEMORY;
    double *memory = vecna_allocate(allocator, 2 * k * (k + n + 1), sizeof *memory);
    if (!memory) {
        return vecna_error_set(err, status, -1, "no memory for %zu directions", k);
    }
    work w = {.k = k, .n = n, .exponent = exponent, .keep = keep};
    w.q = (vni_dense){memory, k, k};
    w.e = (vni_dense){w.q.data + k * k, k, k};
    w.y = (vni_dense){w.e.data + k * k, k, n};
    w.fixed = (vni_dense){w.y.data + k * n, k, n};
    w.sigma = w.fixed.data + k * n;
    w.power = w.sigma + k;
    status = from_square(&w, a, out, sigma, allocator, err);
    vecna_release(allocator, memory);
    return status;
}
