/* Principal components: eigenvectors of the covariance, or, where rows are fewer than dims, of the
 * products of the rows with each other, which have the same coordinates. */
#include "plane/plane_impl.h"
#include "vecna/linalg.h"

#include <math.h>
#include <string.h>

typedef struct components {
    const vecna_allocator *allocator;
    double *mean;    /* (dim) */
    double *square;  /* (size, size) covariance or products; then eigenvectors in rows */
    double *values;  /* (size) */
    double *centred; /* (rows, dim) where rows are fewer; NULL */
    size_t size;
} components;

/* Sums of products of centred rows: dim x dim. */
static vecna_status sum_columns(components *c, vecna_view rows, vecna_error *err) {
    vecna_gram sums = {.gram = c->square, .shift_x = c->mean, .allocator = c->allocator};
    const vecna_view none = {0};
    return vecna_linalg_gram_add(&sums, rows, none, err);
}

/* Products of centred rows with each other: rows x rows. */
static vecna_status multiply_rows(components *c, vecna_view rows, vecna_error *err) {
    c->centred = vecna_allocate(c->allocator, rows.rows * rows.dim, sizeof *c->centred);
    if (!c->centred) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for %zu rows", rows.rows);
    }
    for (size_t i = 0; i < rows.rows; i++) {
        for (size_t j = 0; j < rows.dim; j++) {
            c->centred[i * rows.dim + j] = (double)rows.data[i * rows.stride + j] - c->mean[j];
        }
    }
    const vecna_view_f64 x = vecna_view_f64_dense(c->centred, rows.rows, rows.dim);
    return vecna_linalg_product_f64(x, x, VECNA_TRANSPOSE_B,
                                    vecna_matrix_f64_dense(c->square, c->size, c->size), err);
}

/* Coordinates along direction d, from an eigenvector over columns or over rows. */
static void coordinates(const components *c, vecna_view rows, size_t d, size_t count, float *out) {
    const double *vector = c->square + d * c->size;
    const double length = sqrt(fmax(c->values[d], 0));
    for (size_t i = 0; i < rows.rows; i++) {
        double at = 0;
        if (c->centred) {
            at = vector[i] * length;
        } else {
            for (size_t j = 0; j < rows.dim; j++) {
                at += ((double)rows.data[i * rows.stride + j] - c->mean[j]) * vector[j];
            }
        }
        out[i * count + d] = (float)at;
    }
}

vecna_status vecna_plane_components(vecna_view rows, size_t count, float *out, double *share,
                                    const vecna_allocator *allocator, vecna_error *err) {
    components c = {.allocator = allocator, .size = rows.rows < rows.dim ? rows.rows : rows.dim};
    vecna_status status = VECNA_ERR_MEMORY;
    double total = 0;
    if (rows.rows < 2 || count < 1 || count > c.size) {
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "%zu rows of %zu dimensions are too few for %zu principal "
                               "components: they take two rows at least, and no more components "
                               "than rows and dimensions",
                               rows.rows, rows.dim, count);
    }
    c.mean = vecna_allocate_zero(allocator, rows.dim, sizeof *c.mean);
    c.square = vecna_allocate_zero(allocator, c.size * c.size, sizeof *c.square);
    c.values = vecna_allocate(allocator, c.size, sizeof *c.values);
    if (!c.mean || !c.square || !c.values) {
        vecna_error_set(err, status, -1, "no memory for %zu x %zu products", c.size, c.size);
        goto done;
    }
    vecna_linalg_sum_add(rows, c.mean);
    for (size_t j = 0; j < rows.dim; j++) {
        c.mean[j] /= (double)rows.rows;
    }
    status = rows.rows < rows.dim ? multiply_rows(&c, rows, err) : sum_columns(&c, rows, err);
    if (status == VECNA_OK) {
        status = vecna_linalg_eigen(c.square, c.size, c.values, err);
    }
    if (status != VECNA_OK) {
        goto done;
    }
    for (size_t i = 0; i < c.size; i++) {
        total += fmax(c.values[i], 0);
    }
    if (!(total > 0)) {
        status = vecna_error_set(err, VECNA_ERR_NUMERIC, -1,
                                 "all %zu rows are equal: there is nothing to draw", rows.rows);
        goto done;
    }
    for (size_t d = 0; d < count; d++) {
        coordinates(&c, rows, d, count, out);
        if (share) {
            share[d] = fmax(c.values[d], 0) / total;
        }
    }
done:
    vecna_release(allocator, c.mean);
    vecna_release(allocator, c.square);
    vecna_release(allocator, c.values);
    vecna_release(allocator, c.centred);
    return status;
}
