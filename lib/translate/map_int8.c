/* A map on bytes. They are derived when they are asked for, not kept in the file: packing takes a few
 * milliseconds, and a file that holds one truth cannot disagree with itself. */
#include "translate/translate_impl.h"

vecna_status vecna_map_use_int8(vecna_map *map, vecna_error *err) {
    vecna_linalg_int8_options options = {NULL, map->source_normalized, map->allocator};
    const vecna_view weights = vecna_view_dense(map->weights, map->source_dim, map->target_dim);
    float *centre = NULL;
    vecna_status status;
    if (map->int8) {
        return VECNA_OK;
    }
    if (map->source_space) { /* the mean of unit rows; of rows of any length, their mean length too */
        vecna_space_parts parts;
        vecna_space_parts_of(map->source_space, &parts);
        centre = vecna_allocate(map->allocator, parts.dim, sizeof *centre);
        if (!centre) {
            return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for int8 weights");
        }
        const double length = map->source_normalized ? 1 : parts.norm_mean;
        for (size_t i = 0; i < parts.dim; i++) {
            centre[i] = (float)(parts.mean[i] * length);
        }
        options.centre = centre;
    }
    status = vecna_linalg_int8_new(weights, map->bias, &options, &map->int8, err);
    vecna_release(map->allocator, centre);
    return status;
}
