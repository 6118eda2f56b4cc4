/* The pairs of a memory, read back from it, for a map that is updated: its base changes, so residuals of
 * the old base are no residuals of the new one.
 *
 * The index has the direction of a source about the centre; its length about it follows from the length
 * 1 of the source itself. The target is the old translation plus the residual. Both are as exact as bytes
 * are: a cosine of about 0.9999 with what was fitted, and as much is lost with every further update. */
#include "base/base_impl.h"
#include "translate/memory_impl.h"

#include <math.h>

/* x = centre + s u with |x| = 1: the positive root of s^2 + 2 s (centre . u) + |centre|^2 - 1. */
static void restore_source(const vni_memory *m, const int8_t *codes, float scale, float *out) {
    const size_t p = m->source_dim;
    const double square = vni_dot(m->centre, m->centre, p);
    double along = 0;
    for (size_t j = 0; j < p; j++) {
        along += (double)m->centre[j] * (double)scale * codes[j];
    }
    const double root = along * along + 1 - square;
    const double length = root > 0 ? sqrt(root) - along : 0;
    for (size_t j = 0; j < p; j++) {
        out[j] = (float)((double)m->centre[j] + length * (double)scale * codes[j]);
    }
}

static vecna_status restore(const vecna_map *map, vni_kept *kept, vecna_pool *pool,
                            vecna_error *err) {
    const vni_memory *m = map->memory;
    const vecna_index_parts parts = vecna_index_parts_of(m->index);
    const size_t p = m->source_dim, q = m->target_dim;
    for (size_t i = 0; i < m->rows; i++) {
        restore_source(m, parts.codes + i * p, parts.scales[i], kept->source.data + i * p);
    }
    vni_normalise(kept->source, pool);
    vecna_status status =
        vni_product(vecna_matrix_view(kept->source), vecna_view_dense(map->weights, p, q),
                    kept->target, pool, err);
    for (size_t i = 0; i < m->rows && !status; i++) {
        for (size_t j = 0; j < q; j++) {
            kept->target.data[i * q + j] += map->bias[j];
        }
    }
    if (status) {
        return status;
    }
    vni_normalise(kept->target, pool);
    for (size_t i = 0; i < m->rows; i++) {
        float *row = kept->target.data + i * q;
        for (size_t j = 0; j < q; j++) {
            row[j] += m->scales[i] * (float)m->residuals[i * q + j];
        }
        kept->key[i] = vni_hash_mix(vni_hash(VNI_HASH_START, parts.codes + i * p, p));
    }
    vni_normalise(kept->target, pool);
    return VECNA_OK;
}

vecna_status vni_memory_pairs(const vecna_map *map, const vecna_allocator *allocator,
                              vecna_pool *pool, vni_kept **out, vecna_error *err) {
    const vni_memory *m = map->memory;
    *out = NULL;
    if (!m || !map->source_normalized || map->role != VECNA_ROLE_DOCUMENT) {
        return VECNA_OK;
    }
    vecna_status status = VECNA_ERR_MEMORY;
    vni_kept *kept = vecna_allocate_zero(allocator, 1, sizeof *kept);
    if (kept) {
        const size_t p = m->source_dim, q = m->target_dim;
        kept->rows = m->rows;
        kept->source =
            vecna_matrix_dense(vecna_allocate(allocator, m->rows * p, sizeof(float)), m->rows, p);
        kept->target =
            vecna_matrix_dense(vecna_allocate(allocator, m->rows * q, sizeof(float)), m->rows, q);
        kept->key = vecna_allocate(allocator, m->rows, sizeof *kept->key);
    }
    if (!kept || !kept->source.data || !kept->target.data || !kept->key) {
        vecna_error_set(err, status, -1, "no memory for the %zu pairs of a memory", m->rows);
    } else {
        status = restore(map, kept, pool, err);
    }
    if (status) {
        vni_kept_free(kept, allocator);
        return status;
    }
    *out = kept;
    return VECNA_OK;
}

void vni_kept_free(vni_kept *kept, const vecna_allocator *allocator) {
    if (kept) {
        vecna_release(allocator, kept->source.data);
        vecna_release(allocator, kept->target.data);
        vecna_release(allocator, kept->key);
        vecna_release(allocator, kept);
    }
}
