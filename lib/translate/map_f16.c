/* A map on weights of 16 bits: derived when asked for, as the bytes of map_int8.c are. */
#include "translate/translate_impl.h"

vecna_status vecna_map_use_f16(vecna_map *map, vecna_error *err) {
    const vecna_matrix weights = vecna_matrix_dense(map->weights, map->source_dim, map->target_dim);
    if (map->f16 || map->int12 || map->int8 || !vecna_linalg_f16_is_fast()) {
        return VECNA_OK;
    }
    return vecna_linalg_f16_new(weights, map->allocator, &map->f16, err);
}
