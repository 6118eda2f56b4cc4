/* A map on weights of 12 bits: derived when asked for, as the bytes of map_int8.c are. */
#include "translate/translate_impl.h"

vecna_status vecna_map_use_int12(vecna_map *map, vecna_error *err) {
    const vecna_matrix weights = vecna_matrix_dense(map->weights, map->source_dim, map->target_dim);
    if (map->int12 || map->f16 || map->int8) {
        return VECNA_OK;
    }
    if (!vecna_linalg_int12_is_fast()) {
        return vecna_map_use_f16(map, err);
    }
    return vecna_linalg_int12_new(weights, map->allocator, &map->int12, err);
}
