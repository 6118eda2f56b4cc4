/* Held-out rows through many candidates: projected once onto the basis, then one small product a
 * candidate. */
#include "translate/translate_impl.h"

#include <math.h>
#include <string.h>

/* Sixteen sums side by side: one alone is a chain in which each addition waits for the one before. */
double vni_dot(const float *a, const float *b, size_t dim) {
    double lanes[16] = {0}, sum = 0;
    size_t j = 0;
    for (; j + 16 <= dim; j += 16) {
        for (size_t k = 0; k < 16; k++) {
            lanes[k] += (double)a[j + k] * (double)b[j + k];
        }
    }
    for (; j < dim; j++) {
        lanes[0] += (double)a[j] * (double)b[j];
    }
    for (size_t k = 0; k < 16; k++) {
        sum += lanes[k];
    }
    return sum;
}

size_t vni_depth(size_t corpus_rows) {
    size_t depth = corpus_rows / 50;
    return depth < 1 ? 1 : depth > 10 ? 10 : depth;
}

static void normalise_rows(void *user, size_t begin, size_t end, size_t worker) {
    const vecna_matrix *rows = user;
    (void)worker;
    for (size_t i = begin; i < end; i++) {
        float *row = rows->data + i * rows->stride;
        double length = sqrt(vni_dot(row, row, rows->dim));
        float scale = length > 0 ? (float)(1 / length) : 0;
        for (size_t j = 0; j < rows->dim; j++) {
            row[j] *= scale;
        }
    }
}

void vni_normalise(vecna_matrix rows, vecna_pool *pool) {
    vecna_pool_run(rows.rows * rows.dim < 1u << 20 ? NULL : pool, rows.rows, 64, normalise_rows,
                   &rows);
}

void vni_gather(vecna_view from, const size_t *rows, size_t count, vecna_matrix out) {
    for (size_t i = 0; i < count; i++) {
        memcpy(out.data + i * out.stride, from.data + rows[i] * from.stride,
               from.dim * sizeof(float));
    }
}

vecna_status vni_project(const vni_basis *basis, vecna_view in, vni_means means, vecna_matrix out,
                         vecna_pool *pool, vecna_error *err) {
    const size_t p = basis->source_dim;
    const size_t r = basis->rank;
    const double *mean = means.source ? means.source : basis->source_mean;
    float *vectors = vecna_allocate(basis->allocator, p * r + r, sizeof *vectors);
    double *shift = vecna_allocate_zero(basis->allocator, r, sizeof *shift);
    vecna_status status = VECNA_OK;
    if (!vectors || !shift) {
        status = vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for %zu directions", r);
        goto done;
    }
    for (size_t i = 0; i < p; i++) {
        for (size_t j = 0; j < r; j++) {
            vectors[i * r + j] = (float)basis->vectors[i * r + j];
            shift[j] += mean[i] * basis->vectors[i * r + j];
        }
    }
    status = vni_product(in, vecna_view_dense(vectors, p, r), out, pool, err);
    for (size_t i = 0; i < in.rows && !status; i++) {
        for (size_t j = 0; j < r; j++) {
            out.data[i * out.stride + j] -= (float)shift[j];
        }
    }
done:
    vecna_release(basis->allocator, vectors);
    vecna_release(basis->allocator, shift);
    return status;
}

/* Products on their way to translations: the mean is added, the length taken off and kept. */
typedef struct finishing {
    vecna_matrix rows;
    const double *mean;
    float *lengths; /* or NULL */
} finishing;

static void finish_rows(void *user, size_t begin, size_t end, size_t worker) {
    const finishing *job = user;
    const size_t dim = job->rows.dim;
    (void)worker;
    for (size_t i = begin; i < end; i++) {
        float *row = job->rows.data + i * job->rows.stride;
        for (size_t j = 0; j < dim; j++) {
            row[j] += (float)job->mean[j];
        }
        const double length = sqrt(vni_dot(row, row, dim));
        const float scale = length > 0 ? (float)(1 / length) : 0;
        for (size_t j = 0; j < dim; j++) {
            row[j] *= scale;
        }
        if (job->lengths) {
            job->lengths[i] = (float)length;
        }
    }
}

/* out (target dim) = share * target mean + (1 - share) * what the block makes of the source mean. */
static void find_offset(const vni_basis *basis, const double *block, vni_means means, double *out) {
    const size_t p = basis->source_dim, r = basis->rank, q = basis->target_dim;
    const double *source = means.source ? means.source : basis->source_mean;
    const double *target = means.target ? means.target : basis->target_mean;
    const double share = means.share > 0 ? means.share : 1;
    for (size_t j = 0; j < q; j++) {
        out[j] = share * target[j];
    }
    for (size_t k = 0; k < r && share < 1; k++) {
        double along = 0;
        for (size_t i = 0; i < p; i++) {
            along += source[i] * basis->vectors[i * r + k];
        }
        for (size_t j = 0; j < q; j++) {
            out[j] += (1 - share) * along * block[k * q + j];
        }
    }
}

vecna_status vni_translate_block(const vni_basis *basis, vecna_view projected, const double *block,
                                 vni_means means, vecna_matrix out, float *lengths,
                                 vecna_pool *pool, vecna_error *err) {
    const size_t r = basis->rank;
    const size_t q = basis->target_dim;
    float *factor = vecna_allocate(basis->allocator, r * q, sizeof *factor);
    double *offset = vecna_allocate(basis->allocator, q, sizeof *offset);
    vecna_status status = VECNA_OK;
    if (!factor || !offset) {
        status = vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for %zu directions", r);
        goto done;
    }
    find_offset(basis, block, means, offset);
    for (size_t i = 0; i < r * q; i++) {
        factor[i] = (float)block[i];
    }
    status = vni_product(projected, vecna_view_dense(factor, r, q), out, pool, err);
    if (!status) {
        finishing job = {out, offset, lengths};
        vecna_pool_run(out.rows * q < 1u << 18 ? NULL : pool, out.rows, 64, finish_rows, &job);
    }
done:
    vecna_release(basis->allocator, factor);
    vecna_release(basis->allocator, offset);
    return status;
}
