/* The section of a map's memory: pairs as int8, cell by cell, as the index has them. A program that
 * does not know it would translate without it, so it is needed. */
#include "base/base_impl.h"
#include "translate/map_file_impl.h"
#include "translate/memory_impl.h"

#define KEYS "memory_"
#define TENSORS "memory."

static int has_memory(const vecna_map *map) {
    return map->memory != NULL;
}

static void write_memory(const vecna_map *map, vni_map_writing *w) {
    const vni_memory *m = map->memory;
    if (!m) {
        return;
    }
    const vecna_index_parts parts = vecna_index_parts_of(m->index);
    vni_put_count(w, KEYS, "rows", m->rows);
    vni_put_count(w, KEYS, "cells", parts.cells);
    vni_put_count(w, KEYS, "probes", m->probes);
    vni_put_number(w, KEYS, "recall", m->recall);
    vni_put_count(w, KEYS, "neighbours", m->neighbours);
    vni_put_number(w, KEYS, "temperature", m->temperature);
    vni_put_number(w, KEYS, "correction", m->correction);
    vni_put_tensor(w, TENSORS, "centre", VECNA_TENSOR_F32, m->source_dim, 0, m->centre);
    vni_put_tensor(w, TENSORS, "source_scale", VECNA_TENSOR_F32, m->rows, 0, parts.scales);
    vni_put_tensor(w, TENSORS, "residual_scale", VECNA_TENSOR_F32, m->rows, 0, m->scales);
    vni_put_tensor(w, TENSORS, "cell_scale", VECNA_TENSOR_F32, parts.cells, 0,
                   parts.centroid_scales);
    vni_put_tensor(w, TENSORS, "cell_start", VECNA_TENSOR_I32, parts.cells + 1, 0, parts.starts);
    vni_put_tensor(w, TENSORS, "cell", VECNA_TENSOR_I8, parts.cells, m->source_dim,
                   parts.centroids);
    vni_put_tensor(w, TENSORS, "source", VECNA_TENSOR_I8, m->rows, m->source_dim, parts.codes);
    vni_put_tensor(w, TENSORS, "residual", VECNA_TENSOR_I8, m->rows, m->target_dim, m->residuals);
}

/* The numbers; sizes are checked against tensors before memory is asked for. */
static vecna_status get_numbers(const vni_map_reading *r, vni_memory *m, size_t *cells,
                                vecna_error *err) {
    const double most_rows = 2147483647.0;
    vecna_status status = vni_get_count(r, KEYS, "rows", most_rows, &m->rows, err);
    status = status ? status : vni_get_count(r, KEYS, "cells", most_rows, cells, err);
    status = status ? status : vni_get_count(r, KEYS, "probes", most_rows, &m->probes, err);
    status = status ? status
                    : vni_get_count(r, KEYS, "neighbours", VNI_MEMORY_NEIGHBOURS_MAX,
                                    &m->neighbours, err);
    status =
        status ? status : vni_get_number(r, KEYS, "recall", (vni_range){0, 1}, &m->recall, err);
    status = status ? status
                    : vni_get_number(r, KEYS, "temperature", (vni_range){1e-6, 1e6},
                                     &m->temperature, err);
    status = status ? status
                    : vni_get_number(r, KEYS, "correction", (vni_range){0, 2}, &m->correction, err);
    if (!status && (!m->rows || !*cells || *cells > m->rows || !m->probes || m->probes > *cells ||
                    !m->neighbours || m->neighbours > m->rows)) {
        status = vni_map_malformed(r, "the numbers of the memory do not go together", err);
    }
    return status;
}

/* A tensor of bytes as it lies in the file; it needs no alignment. */
static vecna_status borrow_bytes(const vni_map_reading *r, const char *name, size_t rows,
                                 size_t columns, const int8_t **out, vecna_error *err) {
    const vni_tensor_form form = {VECNA_TENSOR_I8, rows, columns};
    vecna_status status = vni_check_tensor(r, TENSORS, name, form, err);
    if (!status) {
        const vecna_tensor_entry *entry = vni_find_tensor(r, TENSORS, name);
        *out = (const int8_t *)(r->data + r->file->data_offset + entry->begin);
    }
    return status;
}

/* The index, out of parts that are checked again by it. */
static vecna_status get_index(const vni_map_reading *r, vni_memory *m, size_t cells,
                              vecna_error *err) {
    const size_t rows = m->rows, dim = m->source_dim;
    const vni_tensor_form row_scales = {VECNA_TENSOR_F32, rows, 0};
    const vni_tensor_form cell_scales = {VECNA_TENSOR_F32, cells, 0};
    const vni_tensor_form cell_starts = {VECNA_TENSOR_I32, cells + 1, 0};
    vecna_index_parts parts = {.rows = rows, .dim = dim, .cells = cells};
    float *scales = NULL;
    int32_t *starts = NULL;
    vecna_error inner = {VECNA_OK, -1, ""};
    vecna_status status = borrow_bytes(r, "source", rows, dim, &parts.codes, err);
    status = status ? status : borrow_bytes(r, "cell", cells, dim, &parts.centroids, err);
    status = status ? status : vni_check_tensor(r, TENSORS, "source_scale", row_scales, err);
    status = status ? status : vni_check_tensor(r, TENSORS, "cell_scale", cell_scales, err);
    status = status ? status : vni_check_tensor(r, TENSORS, "cell_start", cell_starts, err);
    if (status) {
        return status;
    }
    scales = vecna_allocate(r->allocator, rows + cells, sizeof *scales);
    starts = vecna_allocate(r->allocator, cells + 1, sizeof *starts);
    if (!scales || !starts) {
        status =
            vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for the memory of %s", r->name);
        goto done;
    }
    status = vni_get_tensor(r, TENSORS, "source_scale", row_scales, scales, err);
    status =
        status ? status : vni_get_tensor(r, TENSORS, "cell_scale", cell_scales, scales + rows, err);
    status = status ? status : vni_get_tensor(r, TENSORS, "cell_start", cell_starts, starts, err);
    if (status) {
        goto done;
    }
    parts.scales = scales;
    parts.centroid_scales = scales + rows;
    parts.starts = starts;
    status = vecna_index_from_parts(&parts, r->allocator, &m->index, &inner);
    if (status == VECNA_ERR_MEMORY) {
        vecna_error_set(err, status, -1, "%s", inner.message);
    } else if (status) { /* a wrong argument there is a wrong file here */
        status = vni_map_malformed(r, inner.message, err);
    }
done:
    vecna_release(r->allocator, scales);
    vecna_release(r->allocator, starts);
    return status;
}

static vecna_status get_pairs(const vni_map_reading *r, vni_memory *m, vecna_error *err) {
    const vni_tensor_form centre = {VECNA_TENSOR_F32, m->source_dim, 0};
    const vni_tensor_form scales = {VECNA_TENSOR_F32, m->rows, 0};
    const vni_tensor_form residuals = {VECNA_TENSOR_I8, m->rows, m->target_dim};
    vecna_status status = vni_get_tensor(r, TENSORS, "centre", centre, m->centre, err);
    status = status ? status : vni_get_tensor(r, TENSORS, "residual_scale", scales, m->scales, err);
    return status ? status : vni_get_tensor(r, TENSORS, "residual", residuals, m->residuals, err);
}

static vecna_status read_memory(const vni_map_reading *r, vecna_map *map, vecna_error *err) {
    vni_memory numbers = {0};
    vni_memory *m = NULL;
    size_t cells = 0;
    if (!vni_has_key(r, KEYS, "rows")) {
        return map->recipe.method == VECNA_METHOD_MEMORY
                   ? vni_map_malformed(r, "a map of the method memory has none", err)
                   : VECNA_OK;
    }
    vecna_status status = get_numbers(r, &numbers, &cells, err);
    const vni_tensor_form residuals = {VECNA_TENSOR_I8, numbers.rows, map->target_dim};
    status = status ? status : vni_check_tensor(r, TENSORS, "residual", residuals, err);
    status = status ? status
                    : vni_memory_room(numbers.rows, map->source_dim, map->target_dim, r->allocator,
                                      &m, err);
    if (status) {
        return status;
    }
    m->probes = numbers.probes;
    m->recall = numbers.recall;
    m->neighbours = numbers.neighbours;
    m->temperature = numbers.temperature;
    m->correction = numbers.correction;
    m->normalized_source = map->source_normalized;
    status = get_pairs(r, m, err);
    status = status ? status : get_index(r, m, cells, err);
    if (status) {
        vni_memory_free(m);
        return status;
    }
    map->memory = m;
    map->recipe.neighbours = m->neighbours;
    map->recipe.temperature = m->temperature;
    map->recipe.correction = m->correction;
    return VECNA_OK;
}

static uint64_t hash_memory(const vecna_map *map, uint64_t hash) {
    const vni_memory *m = map->memory;
    if (!m) {
        return hash;
    }
    const vecna_index_parts parts = vecna_index_parts_of(m->index);
    const double numbers[] = {(double)m->neighbours, m->temperature, m->correction,
                              (double)m->probes};
    hash = vni_hash(hash, numbers, sizeof numbers);
    hash = vni_hash(hash, m->centre, m->source_dim * sizeof *m->centre);
    hash = vni_hash(hash, parts.codes, m->rows * m->source_dim);
    return vni_hash(hash, m->residuals, m->rows * m->target_dim);
}

static void release_memory(vecna_map *map, const vecna_allocator *allocator) {
    (void)allocator;
    vni_memory_free(map->memory);
}

const vni_map_section vni_map_memory = {.name = "memory",
                                        .needed = has_memory,
                                        .write = write_memory,
                                        .read = read_memory,
                                        .hash = hash_memory,
                                        .release = release_memory};
