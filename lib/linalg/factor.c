/* Factorisations, in place on row-major matrices without a transposed copy: what LAPACK sees column
 * by column is the transpose of ours, so a symmetric matrix is itself, the left singular vectors of
 * the one are the right ones of the other, and our QR is LAPACK's LQ. */
#include "linalg/linalg_impl.h"

#include <limits.h>
#include <math.h>
#include <string.h>

static vecna_status check_size(size_t a, size_t b, vecna_error *err) {
    if (a > INT_MAX / 4 || b > INT_MAX / 4)
        return vecna_error_set(err, VECNA_ERR_OVERFLOW, -1,
                               "a matrix of %zu x %zu is too large for LAPACK", a, b);
    return VECNA_OK;
}

/* LAPACK does not look: NaN makes it loop or lie. */
static vecna_status check_finite(const double *a, size_t count, const char *what,
                                 vecna_error *err) {
    for (size_t i = 0; i < count; i++)
        if (!isfinite(a[i]))
            return vecna_error_set(err, VECNA_ERR_NUMERIC, (int64_t)i,
                                   "%s of a matrix that holds NaN or infinity", what);
    return VECNA_OK;
}

static vecna_status outcome(int info, const char *what, vecna_error *err) {
    if (info == 0)
        return VECNA_OK;
    if (info == -1010 || info == -1011) /* LAPACKE's own codes for memory */
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for the %s", what);
    return vecna_error_set(err, VECNA_ERR_NUMERIC, info, "the %s did not converge (LAPACK says %d)",
                           what, info);
}

vecna_status vecna_linalg_product_f64(vecna_view_f64 a, vecna_view_f64 b, int transpose,
                                      vecna_matrix_f64 out, vecna_error *err) {
    const vni_lapack *lapack = NULL;
    int ta = (transpose & VECNA_TRANSPOSE_A) != 0;
    int tb = (transpose & VECNA_TRANSPOSE_B) != 0;
    size_t rows = ta ? a.dim : a.rows;
    size_t inner = ta ? a.rows : a.dim;
    size_t inner_b = tb ? b.dim : b.rows;
    size_t dim = tb ? b.rows : b.dim;
    vecna_status status = vni_lapack_load(&lapack, err);

    if (status != VECNA_OK)
        return status;
    if (inner != inner_b || out.rows != rows || out.dim != dim)
        return vecna_error_set(err, VECNA_ERR_DIM, -1,
                               "the product of %zu x %zu and %zu x %zu does not fit %zu x %zu",
                               rows, inner, inner_b, dim, out.rows, out.dim);
    if (a.stride < a.dim || b.stride < b.dim || out.stride < out.dim)
        return vecna_error_set(err, VECNA_ERR_OVERFLOW, -1,
                               "a stride (%zu, %zu, %zu) is below its row's length (%zu, %zu, %zu)",
                               a.stride, b.stride, out.stride, a.dim, b.dim, out.dim);
    status = check_size(rows, inner, err);
    if (status == VECNA_OK)
        status = check_size(dim, a.stride, err);
    if (status == VECNA_OK)
        status = check_size(b.stride, out.stride, err);
    if (status != VECNA_OK || rows == 0 || dim == 0)
        return status;
    lapack->dgemm(VNI_ROW_MAJOR, ta ? VNI_TRANSPOSED : VNI_PLAIN, tb ? VNI_TRANSPOSED : VNI_PLAIN,
                  (int)rows, (int)dim, (int)inner, 1.0, a.data, (int)(a.stride ? a.stride : 1),
                  b.data, (int)(b.stride ? b.stride : 1), 0.0, out.data, (int)out.stride);
    return VECNA_OK;
}

static void reverse_rows(double *a, size_t rows, size_t size, double *values) {
    for (size_t i = 0; i < rows / 2; i++) {
        double *top = a + i * size;
        double *bottom = a + (rows - 1 - i) * size;
        double value = values[i];
        values[i] = values[rows - 1 - i];
        values[rows - 1 - i] = value;
        for (size_t j = 0; j < size; j++) {
            double kept = top[j];
            top[j] = bottom[j];
            bottom[j] = kept;
        }
    }
}

/* An eigenvector's sign is free; fixed by its largest component, runs can be compared. */
static void fix_sign(double *vector, size_t size) {
    size_t largest = 0;
    for (size_t j = 1; j < size; j++)
        if (fabs(vector[j]) > fabs(vector[largest]))
            largest = j;
    if (vector[largest] < 0)
        for (size_t j = 0; j < size; j++)
            vector[j] = -vector[j];
}

vecna_status vecna_linalg_eigen(double *a, size_t size, double *values, vecna_error *err) {
    const vni_lapack *lapack = NULL;
    vecna_status status = vni_lapack_load(&lapack, err);
    if (status == VECNA_OK)
        status = check_size(size, size, err);
    if (status == VECNA_OK)
        status = check_finite(a, size * size, "eigenvectors", err);
    if (status != VECNA_OK || size == 0)
        return status;
    /* our lower triangle is LAPACK's upper one; vectors in its columns are our rows, ascending */
    status = outcome(lapack->dsyevd(VNI_COLUMN_MAJOR, 'V', 'U', (int)size, a, (int)size, values),
                     "eigenvalue decomposition", err);
    if (status != VECNA_OK)
        return status;
    reverse_rows(a, size, size, values);
    for (size_t i = 0; i < size; i++)
        fix_sign(a + i * size, size);
    return VECNA_OK;
}

vecna_status vecna_linalg_eigen_top(double *a, size_t size, size_t count, double *values,
                                    double *vectors, vecna_error *err) {
    const vni_lapack *lapack = NULL;
    int found = 0, *support;
    vecna_status status = vni_lapack_load(&lapack, err);
    if (status == VECNA_OK)
        status = check_size(size, size, err);
    if (status == VECNA_OK && count > size)
        status = vecna_error_set(err, VECNA_ERR_DIM, -1, "%zu eigenvectors of a matrix of %zu rows",
                                 count, size);
    if (status == VECNA_OK)
        status = check_finite(a, size * size, "eigenvectors", err);
    if (status != VECNA_OK || count == 0)
        return status;
    support = vecna_allocate(NULL, size, 2 * sizeof *support);
    if (support == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for %zu eigenvectors", count);
    status = outcome(lapack->dsyevr(VNI_COLUMN_MAJOR, 'V', 'I', 'U', (int)size, a, (int)size, 0, 0,
                                    (int)(size - count + 1), (int)size, 0, &found, values, vectors,
                                    (int)size, support),
                     "eigenvalue decomposition", err);
    vecna_release(NULL, support);
    if (status == VECNA_OK && (size_t)found != count)
        status = vecna_error_set(err, VECNA_ERR_NUMERIC, found,
                                 "the eigenvalue decomposition found %d of %zu directions", found,
                                 count);
    if (status != VECNA_OK)
        return status;
    reverse_rows(vectors, count, size, values);
    for (size_t i = 0; i < count; i++)
        fix_sign(vectors + i * size, size);
    return VECNA_OK;
}

vecna_status vecna_linalg_svd(vecna_matrix_f64 a, double *left, double *values, double *right,
                              vecna_error *err) {
    const vni_lapack *lapack = NULL;
    size_t k = a.rows < a.dim ? a.rows : a.dim;
    vecna_status status = vni_lapack_load(&lapack, err);
    if (status == VECNA_OK)
        status = check_size(a.rows, a.dim, err);
    for (size_t i = 0; status == VECNA_OK && i < a.rows; i++)
        status = check_finite(a.data + i * a.stride, a.dim, "singular values", err);
    if (status != VECNA_OK || k == 0)
        return status;
    return outcome(lapack->dgesdd(VNI_COLUMN_MAJOR, 'S', (int)a.dim, (int)a.rows, a.data,
                                  (int)a.stride, values, right, (int)a.dim, left, (int)k),
                   "singular value decomposition", err);
}

vecna_status vecna_linalg_solve_spd(double *a, size_t size, double *b, size_t columns,
                                    vecna_error *err) {
    const vni_lapack *lapack = NULL;
    int info;
    vecna_status status = vni_lapack_load(&lapack, err);
    if (status == VECNA_OK)
        status = check_size(size, columns, err);
    if (status == VECNA_OK)
        status = check_finite(a, size * size, "the Cholesky factor", err);
    if (status != VECNA_OK || size == 0)
        return status;
    info = lapack->dpotrf(VNI_COLUMN_MAJOR, 'U', (int)size, a, (int)size);
    if (info > 0)
        return vecna_error_set(err, VECNA_ERR_NUMERIC, info - 1,
                               "the matrix is not positive definite (pivot %d of %zu); add to its "
                               "diagonal",
                               info, size);
    status = outcome(info, "Cholesky factorisation", err);
    if (status != VECNA_OK || columns == 0)
        return status;
    lapack->dtrsm(VNI_ROW_MAJOR, VNI_LEFT, VNI_LOWER, VNI_PLAIN, VNI_NON_UNIT, (int)size,
                  (int)columns, 1.0, a, (int)size, b, (int)columns);
    lapack->dtrsm(VNI_ROW_MAJOR, VNI_LEFT, VNI_LOWER, VNI_TRANSPOSED, VNI_NON_UNIT, (int)size,
                  (int)columns, 1.0, a, (int)size, b, (int)columns);
    return VECNA_OK;
}

vecna_status vecna_linalg_orthonormal(double *a, size_t rows, size_t dim, vecna_error *err) {
    const vni_lapack *lapack = NULL;
    double *diagonal = NULL; /* tau first, then the signs of the triangular factor */
    double largest = 0;
    vecna_status status = vni_lapack_load(&lapack, err);
    if (status == VECNA_OK)
        status = check_size(rows, dim, err);
    if (status == VECNA_OK && rows < dim)
        status = vecna_error_set(err, VECNA_ERR_DIM, -1,
                                 "%zu columns of %zu rows cannot be orthonormal", dim, rows);
    if (status == VECNA_OK)
        status = check_finite(a, rows * dim, "orthonormal basis", err);
    if (status != VECNA_OK || dim == 0)
        return status;
    diagonal = vecna_allocate(NULL, dim, 2 * sizeof *diagonal);
    if (diagonal == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for %zu columns", dim);
    status = outcome(lapack->dgelqf(VNI_COLUMN_MAJOR, (int)dim, (int)rows, a, (int)dim, diagonal),
                     "QR factorisation", err);
    for (size_t j = 0; status == VECNA_OK && j < dim; j++) {
        diagonal[dim + j] = a[j * dim + j];
        largest = fmax(largest, fabs(a[j * dim + j]));
    }
    for (size_t j = 0; status == VECNA_OK && j < dim; j++)
        if (fabs(diagonal[dim + j]) <= 1e-13 * largest)
            status = vecna_error_set(err, VECNA_ERR_NUMERIC, (int64_t)j,
                                     "column %zu depends on those before it", j);
    if (status == VECNA_OK)
        status = outcome(
            lapack->dorglq(VNI_COLUMN_MAJOR, (int)dim, (int)rows, (int)dim, a, (int)dim, diagonal),
            "orthonormal basis", err);
    for (size_t i = 0; status == VECNA_OK && i < rows; i++)
        for (size_t j = 0; j < dim; j++)
            if (diagonal[dim + j] < 0)
                a[i * dim + j] = -a[i * dim + j];
    vecna_release(NULL, diagonal);
    return status;
}
