/* The map as an object. */
#include "base/base_impl.h"
#include "translate/map_file_impl.h"

#include <assert.h>
#include <string.h>

vecna_status vni_map_new(size_t source_dim, size_t target_dim, const char *source_name,
                         const char *target_name, const vecna_allocator *allocator, vecna_map **out,
                         vecna_error *err) {
    const char *source = source_name ? source_name : "";
    const char *target = target_name ? target_name : "";
    const size_t source_bytes = strlen(source) + 1;
    const size_t target_bytes = strlen(target) + 1;
    size_t floats;
    vecna_map *map = vecna_allocate_zero(allocator, 1, sizeof *map);
    if (!map) {
        goto memory;
    }
    if (allocator) {
        map->allocator_copy = *allocator;
        map->allocator = &map->allocator_copy;
    }
    map->source_dim = source_dim;
    map->target_dim = target_dim;
    map->source_name = vecna_allocate(allocator, source_bytes + target_bytes, 1);
    map->report_json = vecna_allocate(allocator, 3, 1);
    if (!vecna_size_mul(source_dim, target_dim, &floats) ||
        !vecna_size_add(floats, target_dim, &floats)) {
        goto memory;
    }
    map->weights = vecna_allocate_zero(allocator, floats, sizeof(float));
    if (!map->source_name || !map->weights || !map->report_json) {
        goto memory;
    }
    map->target_name = map->source_name + source_bytes;
    memcpy(map->source_name, source, source_bytes);
    memcpy(map->target_name, target, target_bytes);
    memcpy(map->report_json, "{}", 3);
    map->bias = map->weights + source_dim * target_dim;
    *out = map;
    return VECNA_OK;
memory:
    vecna_map_free(map);
    return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a map of %zu to %zu",
                           source_dim, target_dim);
}

void vni_map_seal(vecna_map *map) {
    map->checksum = vni_hash(VNI_HASH_START, map->bias, map->target_dim * sizeof(float));
    map->checksum =
        vni_hash(map->checksum, map->weights, map->source_dim * map->target_dim * sizeof(float));
    for (size_t i = 0; vni_map_sections[i]; i++) {
        if (vni_map_sections[i]->hash) {
            map->checksum = vni_map_sections[i]->hash(map, map->checksum);
        }
    }
}

void vecna_map_free(vecna_map *map) {
    if (!map) {
        return;
    }
    vecna_allocator copy = map->allocator_copy;
    const vecna_allocator *allocator = map->allocator ? &copy : NULL;
    for (size_t i = 0; vni_map_sections[i]; i++) {
        vni_map_sections[i]->release(map, allocator);
    }
    vecna_linalg_f16_free(map->f16);
    vecna_linalg_int12_free(map->int12);
    vecna_linalg_int8_free(map->int8);
    vecna_release(allocator, map->source_name);
    vecna_release(allocator, map->weights);
    vecna_release(allocator, map->candidates);
    vecna_release(allocator, map->report_json);
    vecna_release(allocator, map);
}

vecna_map_info vecna_map_about(const vecna_map *map) {
    vecna_map_info info = {
        .source_name = map->source_name,
        .target_name = map->target_name,
        .source_dim = map->source_dim,
        .target_dim = map->target_dim,
        .role = map->role,
        .recipe = map->recipe,
        .normalized = map->normalized,
        .source_normalized = map->source_normalized,
        .rows_fit = map->rows_fit,
        .verdict = map->verdict,
        .reasons = map->reasons,
        .checksum = map->checksum,
        .explained = map->explained,
        .statistics_rows = map->statistics ? map->statistics->count : 0,
        .statistics = !map->statistics        ? VECNA_STATISTICS_NONE
                      : map->statistics->half ? VECNA_STATISTICS_F16
                                              : VECNA_STATISTICS_F32,
        .kinds = map->kinds ? map->kinds->count : 0,
    };
    return info;
}

const char *vecna_map_kind(const vecna_map *map, size_t kind, double *pairs) {
    assert(map->kinds && kind < map->kinds->count);
    *pairs = map->kinds->numbers[3 * kind];
    return map->kinds->names[kind];
}

const vecna_space *vecna_map_source_space(const vecna_map *map) {
    return map->source_space;
}

const vecna_space *vecna_map_target_space(const vecna_map *map) {
    return map->target_space;
}

const vecna_report *vecna_map_report(const vecna_map *map) {
    return map->has_report ? &map->report : NULL;
}

const char *vecna_map_report_json(const vecna_map *map) {
    return map->report_json;
}
