/* A query map out of a document map: the way back, for asking an index that keeps its vectors.
 *
 * A document map is fitted for least error, so its transpose is a poor query map: it weighs every
 * direction by how well it was predicted, twice. The rotation nearest to its weights (W = U S V',
 * U V') weighs none, and its transpose was on every judged set as good as a rotation fitted for
 * queries, within 0.02 (docs/scores.md#two-stages); without the means, which queries and documents
 * do not share. Directions that the map does not determine stay empty. */
#include "translate/translate_impl.h"

#include <math.h>

/* A singular value below this share of the largest is rounding of float32 weights, not a direction. */
#define DIRECTION_MIN 1e-5

/* rotation (q, p) = V U' of weights (p, q) = U S V', as floats. */
static vecna_status turn(const vecna_map *map, const vecna_allocator *allocator, float *rotation,
                         vecna_error *err) {
    const size_t p = map->source_dim, q = map->target_dim;
    const size_t k = p < q ? p : q;
    vecna_status status = VECNA_ERR_MEMORY;
    vni_dense weights = {vecna_allocate(allocator, p * q, sizeof(double)), p, q};
    vni_dense left = {vecna_allocate(allocator, p * k, sizeof(double)), p, k};
    vni_dense right = {vecna_allocate(allocator, k * q, sizeof(double)), k, q};
    vni_dense product = {vecna_allocate(allocator, q * p, sizeof(double)), q, p};
    double *sigma = vecna_allocate(allocator, k, sizeof *sigma);
    if (!weights.data || !left.data || !right.data || !product.data || !sigma) {
        vecna_error_set(err, status, -1, "no memory to turn a map of %zu to %zu", p, q);
        goto done;
    }
    for (size_t i = 0; i < p * q; i++) {
        weights.data[i] = (double)map->weights[i];
    }
    status = vni_dense_svd(&weights, &left, sigma, &right, err);
    if (status) {
        goto done;
    }
    for (size_t i = 0; i < k; i++) {
        for (size_t j = 0; j < q && !(sigma[i] > DIRECTION_MIN * sigma[0]); j++) {
            right.data[i * q + j] = 0;
        }
    }
    status = vni_dense_product(&right, 1, &left, 1, &product, err);
    for (size_t i = 0; i < q * p && !status; i++) {
        rotation[i] = (float)product.data[i];
    }
done:
    vecna_release(allocator, weights.data);
    vecna_release(allocator, left.data);
    vecna_release(allocator, right.data);
    vecna_release(allocator, product.data);
    vecna_release(allocator, sigma);
    return status;
}

vecna_status vecna_map_backward(const vecna_map *map, const vecna_allocator *allocator,
                                vecna_map **out, vecna_error *err) {
    const size_t p = map->source_dim, q = map->target_dim;
    float *rotation = vecna_allocate(allocator, q * p, sizeof *rotation);
    vecna_map *back = NULL;
    if (!rotation) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to turn a map of %zu to %zu",
                               p, q);
    }
    vecna_status status = turn(map, allocator, rotation, err);
    if (!status) {
        const vecna_map_weights given = {.weights = vecna_view_dense(rotation, q, p),
                                         .source_name = map->target_name,
                                         .target_name = map->source_name,
                                         .normalized = map->source_normalized,
                                         .source_normalized = map->normalized,
                                         .rows_fit = map->rows_fit,
                                         .verdict = map->verdict};
        status = vecna_map_from_weights(&given, allocator, &back, err);
    }
    if (!status) {
        back->role = VECNA_ROLE_QUERY;
        back->reasons = map->reasons;
        *out = back;
    }
    vecna_release(allocator, rotation);
    return status;
}
