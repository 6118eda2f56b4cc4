/* Sums of products over rows. Straight float64: dsyrk does half the work of a general product, so
 * on x'x it takes no longer than a float32 product of the whole would, and no digits are lost
 * however many rows come. Rows are widened (and shifted) into a small buffer, block by block. */
#include "linalg/linalg_impl.h"

#include <limits.h>

enum { BLOCK_ROWS = 512 };

static void widen(vecna_view rows, const double *shift, double *out) {
    for (size_t i = 0; i < rows.rows; i++) {
        const float *row = rows.data + i * rows.stride;
        double *to = out + i * rows.dim;
        if (shift)
            for (size_t j = 0; j < rows.dim; j++)
                to[j] = (double)row[j] - shift[j];
        else
            for (size_t j = 0; j < rows.dim; j++)
                to[j] = (double)row[j];
    }
}

/* dsyrk fills the upper triangle only. */
static void mirror(double *gram, size_t dim) {
    for (size_t i = 0; i < dim; i++)
        for (size_t j = i + 1; j < dim; j++)
            gram[j * dim + i] = gram[i * dim + j];
}

vecna_status vecna_linalg_gram_add(const vecna_gram *sums, vecna_view x, vecna_view y,
                                   vecna_error *err) {
    const vni_lapack *lapack = NULL;
    size_t p = x.dim;
    size_t q = y.data ? y.dim : 0;
    double *buffer;
    vecna_status status = vni_lapack_load(&lapack, err);

    if (status != VECNA_OK)
        return status;
    if (y.data && y.rows != x.rows)
        return vecna_error_set(err, VECNA_ERR_DIM, -1, "%zu rows against %zu rows", x.rows, y.rows);
    if (p > INT_MAX / 4 || q > INT_MAX / 4)
        return vecna_error_set(err, VECNA_ERR_OVERFLOW, -1,
                               "products of %zu and %zu dimensions are too large", p, q);
    if (x.rows == 0 || p == 0)
        return VECNA_OK;
    buffer = vecna_allocate(sums->allocator, BLOCK_ROWS * (p + q), sizeof *buffer);
    if (buffer == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                               "no memory for the products of %zu and %zu dimensions", p, q);
    for (size_t first = 0; first < x.rows; first += BLOCK_ROWS) {
        size_t rows = x.rows - first < BLOCK_ROWS ? x.rows - first : BLOCK_ROWS;
        double *wide_y = buffer + BLOCK_ROWS * p;
        widen(vecna_view_rows(x, first, rows), sums->shift_x, buffer);
        if (sums->gram)
            lapack->dsyrk(VNI_ROW_MAJOR, VNI_UPPER, VNI_TRANSPOSED, (int)p, (int)rows, 1.0, buffer,
                          (int)p, 1.0, sums->gram, (int)p);
        if (q == 0 || sums->cross == NULL)
            continue;
        widen(vecna_view_rows(y, first, rows), sums->shift_y, wide_y);
        lapack->dgemm(VNI_ROW_MAJOR, VNI_TRANSPOSED, VNI_PLAIN, (int)p, (int)q, (int)rows, 1.0,
                      buffer, (int)p, wide_y, (int)q, 1.0, sums->cross, (int)q);
    }
    if (sums->gram)
        mirror(sums->gram, p);
    vecna_release(sums->allocator, buffer);
    return VECNA_OK;
}

void vecna_linalg_sum_add(vecna_view x, double *sum) {
    for (size_t i = 0; i < x.rows; i++) {
        const float *row = x.data + i * x.stride;
        for (size_t j = 0; j < x.dim; j++)
            sum[j] += (double)row[j];
    }
}
