/* The thin eigenbasis of the centred source rows: one decomposition from which every method, and
 * the whole lambda path, is a few element-wise operations.
 *
 * With rows centred, S = source (rows, p), T = target (rows, q):
 *   S'S = V L V'            V (p, r), r directions that the pairs determine
 *   S'T = V C               C (r, q): S'T lies in the span of V whatever T is
 *   ridge(lambda) = V (L + lambda)^-1 C          Procrustes = V A B'  with C = A diag B'
 * Where rows are fewer than p, S S' = U L U' is smaller, V = S' U L^-1/2 and C = L^1/2 U' T.
 * Directions that no pair determines are left out of every map: they would be filled with noise,
 * which costs retrieval when pairs are few (docs/translators.md). */
#include "translate/translate_impl.h"

#include <math.h>
#include <string.h>

/* A direction whose variance is below this share of the largest is rounding, not data. */
#define DIRECTION_MIN 1e-9
#define DIRECTION_MIN_SINGLE 1e-7 /* of sums of float32 products */

static vecna_status allocate_basis(vni_basis *basis, size_t rank, vecna_error *err) {
    const size_t p = basis->source_dim;
    const size_t q = basis->target_dim;
    size_t doubles = p + q + rank + p * rank + rank * q;
    double *at = vecna_allocate(basis->allocator, doubles, sizeof *at);
    if (!at) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for %zu directions", rank);
    }
    basis->memory = at;
    basis->rank = rank;
    basis->source_mean = at;
    basis->target_mean = at += p;
    basis->values = at += q;
    basis->vectors = at += rank;
    basis->cross = at += p * rank;
    return VECNA_OK;
}

/* Directions worth keeping among descending eigenvalues. */
static size_t count_rank(const double *values, size_t count, double least) {
    size_t rank = 0;
    while (rank < count && values[rank] > least * values[0]) {
        rank++;
    }
    return rank;
}

static vecna_status no_direction(vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_NUMERIC, -1,
                           "all source rows are the same: there is nothing to learn a map from");
}

/* The prior's share of both means. */
static void move_means(const vni_pairs *pairs, double share, vni_basis *basis) {
    const vni_statistics *prior = pairs->prior.statistics;
    for (size_t j = 0; j < basis->source_dim; j++) {
        basis->source_mean[j] += share * (prior->source_mean[j] - basis->source_mean[j]);
    }
    for (size_t j = 0; j < basis->target_dim; j++) {
        basis->target_mean[j] += share * (prior->target_mean[j] - basis->target_mean[j]);
    }
    basis->prior_share = share;
}

/* dim x dim: eigenvectors of the centred square. */
static vecna_status basis_of_moments(const vni_moments *moments, const vni_pairs *pairs,
                                     vni_basis *basis, vecna_error *err) {
    const size_t p = basis->source_dim;
    const size_t q = basis->target_dim;
    const double count = moments->count;
    vecna_status status = VECNA_ERR_MEMORY;
    vni_dense square = {vecna_allocate(basis->allocator, p * p, sizeof(double)), p, p};
    vni_dense cross = {vecna_allocate(basis->allocator, p * q, sizeof(double)), p, q};
    double *values = vecna_allocate(basis->allocator, p, sizeof *values);
    if (!square.data || !cross.data || !values) {
        vecna_error_set(err, status, -1, "no memory for %zu dimensions", p);
        goto done;
    }
    for (size_t i = 0; i < p; i++) {
        double mean = moments->sum_source[i] / count;
        for (size_t j = 0; j < p; j++) {
            square.data[i * p + j] = moments->square[i * p + j] - mean * moments->sum_source[j];
        }
        for (size_t j = 0; j < q; j++) {
            cross.data[i * q + j] = moments->cross[i * q + j] - mean * moments->sum_target[j];
        }
    }
    double own_energy = moments->target_energy;
    for (size_t i = 0; i < p; i++) {
        own_energy += square.data[i * p + i];
    }
    for (size_t j = 0; j < q; j++) {
        own_energy -= moments->sum_target[j] * moments->sum_target[j] / count;
    }
    if (pairs->prior.statistics) {
        vni_prior_add(pairs, moments, square.data, cross.data);
    }
    status = vni_dense_eigen(&square, values, err);
    if (status) {
        goto done;
    }
    size_t rank =
        count_rank(values, p, vni_sums_single(pairs) ? DIRECTION_MIN_SINGLE : DIRECTION_MIN);
    status = rank ? allocate_basis(basis, rank, err) : no_direction(err);
    if (status) {
        goto done;
    }
    memcpy(basis->values, values, rank * sizeof *values);
    for (size_t i = 0; i < p; i++) {
        for (size_t j = 0; j < rank; j++) {
            basis->vectors[i * rank + j] = square.data[j * p + i];
        }
    }
    double energy = moments->target_energy;
    for (size_t j = 0; j < p; j++) {
        basis->source_mean[j] = pairs->source_centre[j] + moments->sum_source[j] / count;
    }
    for (size_t j = 0; j < q; j++) {
        basis->target_mean[j] = pairs->target_centre[j] + moments->sum_target[j] / count;
        energy -= moments->sum_target[j] * moments->sum_target[j] / count;
    }
    if (pairs->prior.statistics) {
        energy += vni_prior_energy(pairs, moments);
        move_means(pairs, vni_prior_share(pairs, moments, own_energy), basis);
    }
    basis->target_energy = energy > 0 ? energy : 0;
    vni_dense vectors = {basis->vectors, p, rank};
    vni_dense in_basis = {basis->cross, rank, q};
    status = vni_dense_product(&vectors, 1, &cross, 0, &in_basis, err);
done:
    vecna_release(basis->allocator, square.data);
    vecna_release(basis->allocator, cross.data);
    vecna_release(basis->allocator, values);
    return status;
}

/* Mean of listed rows, and the rows less it. */
static void centre_rows(vecna_view view, const size_t *rows, size_t count, double *mean,
                        double *out) {
    memset(mean, 0, view.dim * sizeof *mean);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < view.dim; j++) {
            mean[j] += (double)view.data[rows[i] * view.stride + j];
        }
    }
    for (size_t j = 0; j < view.dim; j++) {
        mean[j] /= (double)count;
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < view.dim; j++) {
            out[i * view.dim + j] = (double)view.data[rows[i] * view.stride + j] - mean[j];
        }
    }
}

/* rows x rows: fewer pairs than dimensions. */
static vecna_status basis_of_rows(const vni_pairs *pairs, const size_t *rows, size_t count,
                                  vni_basis *basis, vecna_error *err) {
    const size_t p = basis->source_dim;
    const size_t q = basis->target_dim;
    vecna_status status = VECNA_ERR_MEMORY;
    vni_dense source = {vecna_allocate(basis->allocator, count * p, sizeof(double)), count, p};
    vni_dense target = {vecna_allocate(basis->allocator, count * q, sizeof(double)), count, q};
    vni_dense gram = {vecna_allocate(basis->allocator, count * count, sizeof(double)), count,
                      count};
    vni_dense kept = {vecna_allocate(basis->allocator, count * count, sizeof(double)), count, 0};
    double *values = vecna_allocate(basis->allocator, count + p + q, sizeof *values);
    if (!source.data || !target.data || !gram.data || !kept.data || !values) {
        vecna_error_set(err, status, -1, "no memory for %zu rows", count);
        goto done;
    }
    double *source_mean = values + count;
    double *target_mean = source_mean + p;
    centre_rows(pairs->source, rows, count, source_mean, source.data);
    centre_rows(pairs->target, rows, count, target_mean, target.data);
    status = vni_dense_product(&source, 0, &source, 1, &gram, err);
    status = status ? status : vni_dense_eigen(&gram, values, err);
    if (status) {
        goto done;
    }
    size_t rank = count_rank(values, count, DIRECTION_MIN);
    status = rank ? allocate_basis(basis, rank, err) : no_direction(err);
    if (status) {
        goto done;
    }
    memcpy(basis->source_mean, source_mean, p * sizeof *source_mean);
    memcpy(basis->target_mean, target_mean, q * sizeof *target_mean);
    kept.cols = rank; /* U L^-1/2 */
    for (size_t j = 0; j < rank; j++) {
        basis->values[j] = values[j];
        double scale = 1 / sqrt(values[j]);
        for (size_t i = 0; i < count; i++) {
            kept.data[i * rank + j] = scale * gram.data[j * count + i];
        }
    }
    vni_dense vectors = {basis->vectors, p, rank};
    vni_dense cross = {basis->cross, rank, q};
    status = vni_dense_product(&source, 1, &kept, 0, &vectors, err);
    status = status ? status : vni_dense_product(&kept, 1, &target, 0, &cross, err);
    for (size_t i = 0; i < rank; i++) {
        for (size_t j = 0; j < q; j++) {
            basis->cross[i * q + j] *= basis->values[i];
        }
    }
    basis->target_energy = 0;
    for (size_t i = 0; i < count * q; i++) {
        basis->target_energy += target.data[i] * target.data[i];
    }
done:
    vecna_release(basis->allocator, source.data);
    vecna_release(basis->allocator, target.data);
    vecna_release(basis->allocator, gram.data);
    vecna_release(basis->allocator, kept.data);
    vecna_release(basis->allocator, values);
    return status;
}

/* The rotation U V' of C, and what its scales need. Where the targets do not determine a direction it
 * has none. */
static vecna_status rotate(vni_basis *basis, vecna_error *err) {
    const size_t r = basis->rank;
    const size_t q = basis->target_dim;
    const size_t k = r < q ? r : q;
    const vni_dense cross = {basis->cross, r, q};
    vecna_status status = VECNA_ERR_MEMORY;
    double *sigma = vecna_allocate(basis->allocator, k, sizeof *sigma);
    basis->rotation = vecna_allocate(basis->allocator, r * q, sizeof(double));
    if (!sigma || !basis->rotation) {
        vecna_error_set(err, status, -1, "no memory for a rotation of %zu directions", r);
        goto done;
    }
    vni_dense rotation = {basis->rotation, r, q};
    status = vni_dense_power(&cross, 0, k, &rotation, sigma, basis->allocator, err);
    if (status) {
        goto done;
    }
    basis->nuclear = 0;
    for (size_t i = 0; i < k; i++) {
        basis->nuclear += sigma[i];
    }
    basis->rotated_energy = 0;
    for (size_t i = 0; i < r; i++) {
        double square = 0;
        for (size_t j = 0; j < q; j++) {
            square += basis->rotation[i * q + j] * basis->rotation[i * q + j];
        }
        basis->rotated_energy += basis->values[i] * square;
    }
done:
    vecna_release(basis->allocator, sigma);
    return status;
}

vecna_status vni_basis_new(const vni_moments *moments, const vni_pairs *pairs, const size_t *rows,
                           size_t count, int rotated, vni_basis *out, vecna_error *err) {
    vni_basis basis = {.allocator = pairs->allocator,
                       .rows = count,
                       .source_dim = pairs->source.dim,
                       .target_dim = pairs->target.dim};
    vni_moments own = {0};
    vecna_status status = VECNA_OK;
    if (!moments && pairs->prior.statistics) { /* sums of the prior want sums beside them */
        status = vni_moments_new(basis.source_dim, basis.target_dim, basis.allocator, &own, err);
        status = status ? status : vni_moments_add_rows(&own, pairs, rows, count, err);
        moments = &own;
    }
    status = status    ? status
             : moments ? basis_of_moments(moments, pairs, &basis, err)
                       : basis_of_rows(pairs, rows, count, &basis, err);
    vni_moments_free(&own);
    if (status) {
        goto fail;
    }
    double trace = 0;
    for (size_t i = 0; i < basis.rank; i++) {
        trace += basis.values[i];
    }
    basis.mean_variance = trace / (double)basis.source_dim;
    status = rotated ? rotate(&basis, err) : VECNA_OK;
    if (status) {
        goto fail;
    }
    *out = basis;
    return VECNA_OK;
fail:
    vni_basis_free(&basis);
    return status;
}

void vni_basis_free(vni_basis *basis) {
    vecna_release(basis->allocator, basis->memory);
    vecna_release(basis->allocator, basis->rotation);
    *basis = (vni_basis){0};
}

vecna_status vni_block_to_map(const vni_basis *basis, const double *block, vni_means means,
                              float *weights, float *bias, vecna_error *err) {
    const size_t p = basis->source_dim;
    const size_t q = basis->target_dim;
    const double *source_mean = means.source ? means.source : basis->source_mean;
    const double *target_mean = means.target ? means.target : basis->target_mean;
    const double share = means.share > 0 ? means.share : 1;
    vni_dense vectors = {basis->vectors, p, basis->rank};
    vni_dense product = {vecna_allocate(basis->allocator, p * q, sizeof(double)), p, q};
    /* a read-only view of block: vni_dense is one type for both sides of a product */
    vni_dense copy = {vecna_allocate(basis->allocator, basis->rank * q, sizeof(double)),
                      basis->rank, q};
    vecna_status status = VECNA_OK;
    if (!product.data || !copy.data) {
        status = vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a map");
        goto done;
    }
    memcpy(copy.data, block, basis->rank * q * sizeof(double));
    status = vni_dense_product(&vectors, 0, &copy, 0, &product, err);
    if (status) {
        goto done;
    }
    for (size_t j = 0; j < q; j++) {
        double shift = 0;
        for (size_t i = 0; i < p; i++) {
            shift += source_mean[i] * product.data[i * q + j];
        }
        bias[j] = (float)(share * (target_mean[j] - shift));
    }
    for (size_t i = 0; i < p * q; i++) {
        weights[i] = (float)product.data[i];
    }
done:
    vecna_release(basis->allocator, product.data);
    vecna_release(basis->allocator, copy.data);
    return status;
}
