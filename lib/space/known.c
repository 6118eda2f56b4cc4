/* The spaces that ship: int8 mean and directions of published vectors, widened here. A handful of
 * directions recognises a model nearly as well as a hundred (docs/space.md). */
#include "space/space_impl.h"

#include "vecna/codec.h"

#include <math.h>
#include <string.h>

size_t vecna_space_known_count(void) {
    return vni_known_spaces_count;
}

const vecna_space_known_entry *vecna_space_known_at(size_t index) {
    return index < vni_known_spaces_count ? &vni_known_spaces[index].entry : NULL;
}

/* One stored row, times `scale`, or of length 1 when scale is 0. `bytes` is scratch for dim int8.
 */
static vecna_status widen(const char *text, size_t dim, double scale, int8_t *bytes, float *to,
                          vecna_error *err) {
    double squares = 0;
    size_t got;
    vecna_status status = vecna_base64_decode(text, strlen(text), bytes, dim, &got, err);
    if (status != VECNA_OK)
        return status;
    for (size_t j = 0; j < dim; j++)
        squares += (double)bytes[j] * bytes[j];
    for (size_t j = 0; j < dim; j++)
        to[j] = (float)(scale > 0 ? bytes[j] * scale : bytes[j] / sqrt(squares));
    return VECNA_OK;
}

vecna_status vecna_space_known(size_t index, const vecna_allocator *allocator, vecna_space **out,
                               vecna_error *err) {
    if (index >= vni_known_spaces_count)
        return vecna_error_set(err, VECNA_ERR_NOT_FOUND, -1, "known space %zu of %zu", index,
                               vni_known_spaces_count);
    const vni_known_space *known = &vni_known_spaces[index];
    size_t dim = known->entry.dim;
    float *mean = vecna_allocate(allocator, known->directions + 2, dim * sizeof *mean);
    if (!mean)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for the known space %s",
                               known->entry.name);
    float *principal = mean + dim;
    int8_t *bytes = (int8_t *)(principal + known->directions * dim);
    vecna_status status = VECNA_OK;
    for (size_t k = 0; k <= known->directions && status == VECNA_OK; k++)
        status =
            widen(known->rows64[k], dim, k ? 0 : known->mean_scale, bytes, mean + k * dim, err);
    vecna_space_parts parts = {.name = known->entry.name,
                               .dim = dim,
                               .directions = known->directions,
                               .rows = (uint64_t)known->rows,
                               .norm_mean = known->norm_mean,
                               .norm_deviation = known->norm_deviation,
                               .unit = known->unit != 0,
                               .spread = known->spread,
                               .breadth = known->breadth,
                               .gain = known->gain,
                               .mean = mean,
                               .principal = principal,
                               .variances = known->variances};
    if (status == VECNA_OK)
        status = vecna_space_from_parts(&parts, allocator, out, err);
    vecna_release(allocator, mean);
    return status;
}

vecna_status vecna_space_recognise(vecna_view rows, const vecna_allocator *allocator,
                                   const vecna_space_known_entry **entry, vecna_space_match *match,
                                   vecna_error *err) {
    const vecna_space_known_entry *best = NULL;
    vecna_space_match best_match = {0};
    for (size_t i = 0; i < vni_known_spaces_count; i++) {
        const vecna_space_known_entry *candidate = &vni_known_spaces[i].entry;
        vecna_space_match its;
        vecna_space *space = NULL;
        if (candidate->dim != rows.dim)
            continue;
        vecna_status status = vecna_space_known(i, allocator, &space, err);
        if (status == VECNA_OK)
            status = vecna_space_check(space, rows, allocator, &its, err);
        vecna_space_free(space);
        if (status != VECNA_OK)
            return status;
        if (!best || its.likelihood > best_match.likelihood) {
            best = candidate;
            best_match = its;
        }
    }
    *entry = best;
    if (best)
        *match = best_match;
    return VECNA_OK;
}
