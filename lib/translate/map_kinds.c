/* Kinds of pairs in a map file: `vecna fit --prior` may lean on one of them more than on the rest;
 * translating does not need them. */
#include "translate/map_file_impl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char keys[] = "kinds_";
static const char tensors[] = "kinds.";

static void name_key(char key[VNI_MAP_KEY_BYTES], size_t kind) {
    snprintf(key, VNI_MAP_KEY_BYTES, "name_%zu", kind);
}

static void write_kinds(const vecna_map *map, vni_map_writing *w) {
    const vni_kinds *k = map->kinds;
    if (!k) {
        return;
    }
    vni_put_count(w, keys, "count", k->count);
    for (size_t i = 0; i < k->count; i++) {
        char key[VNI_MAP_KEY_BYTES];
        name_key(key, i);
        vni_put_text(w, keys, key, k->names[i]);
    }
    vni_put_tensor(w, tensors, "numbers", VECNA_TENSOR_F64, k->count, 3, k->numbers);
    vni_put_tensor(w, tensors, "means", VECNA_TENSOR_F32, k->count, k->source_dim + k->target_dim,
                   k->means);
    vni_put_tensor(w, tensors, "scales", VECNA_TENSOR_F32, 2, k->rows, k->scales);
    vni_put_tensor(w, tensors, "source", VECNA_TENSOR_I8, k->rows, k->source_dim, k->source);
    vni_put_tensor(w, tensors, "target", VECNA_TENSOR_I8, k->rows, k->target_dim, k->target);
}

/* Rows that the kinds share must be all rows, and no number one that divides or scales to nonsense. */
static vecna_status check_numbers(const vni_map_reading *r, const vni_kinds *k, vecna_error *err) {
    double rows = 0;
    for (size_t i = 0; i < k->count; i++) {
        const double *n = k->numbers + 3 * i;
        if (!(n[0] >= 1 && n[0] <= 1e15) || !(n[1] >= 0 && n[1] <= 1e300) ||
            !(n[2] >= 1 && n[2] <= (double)k->rows) || n[2] != floor(n[2])) {
            return vni_map_malformed(r, "a kind's pairs, energy or rows are out of range", err);
        }
        rows += n[2];
    }
    if (rows != (double)k->rows) {
        return vni_map_malformed(r, "the rows of its kinds are not those of the tensors", err);
    }
    for (size_t i = 0; i < 2 * k->rows; i++) {
        if (!(k->scales[i] >= 0 && k->scales[i] <= 1e15f)) {
            return vni_map_malformed(r, "a scale of its kinds is negative or too great", err);
        }
    }
    return VECNA_OK;
}

static vecna_status get_names(const vni_map_reading *r, vni_kinds *k, vecna_error *err) {
    for (size_t i = 0; i < k->count; i++) {
        char key[VNI_MAP_KEY_BYTES];
        const char *name = "";
        name_key(key, i);
        vecna_status status = vni_get_text(r, keys, key, &name, err);
        if (status) {
            return status;
        }
        if (!name[0] || strlen(name) >= VECNA_KIND_BYTES) {
            return vni_map_malformed(r, "the name of a kind is empty or too long", err);
        }
        memcpy(k->names[i], name, strlen(name) + 1);
    }
    return VECNA_OK;
}

static vecna_status read_kinds(const vni_map_reading *r, vecna_map *map, vecna_error *err) {
    const size_t p = map->source_dim, q = map->target_dim;
    size_t count = 0;
    if (!vni_has_key(r, keys, "count")) {
        return VECNA_OK;
    }
    vecna_status status = vni_get_count(r, keys, "count", VECNA_KINDS_MOST, &count, err);
    if (status) {
        return status;
    }
    const vecna_tensor_entry *source = vni_find_tensor(r, tensors, "source");
    const size_t rows = source && source->rank == 2 ? (size_t)source->shape[0] : 0;
    if (count < 1 || rows < count || !map->statistics) {
        return vni_map_malformed(r, "it has kinds without rows or without statistics", err);
    }
    const vni_tensor_form numbers = {VECNA_TENSOR_F64, count, 3};
    const vni_tensor_form means = {VECNA_TENSOR_F32, count, p + q};
    const vni_tensor_form scales = {VECNA_TENSOR_F32, 2, rows};
    const vni_tensor_form x = {VECNA_TENSOR_I8, rows, p}, y = {VECNA_TENSOR_I8, rows, q};
    /* no memory is asked for before it is known that the file has as much */
    status = vni_check_tensor(r, tensors, "source", x, err);
    status = status ? status : vni_check_tensor(r, tensors, "target", y, err);
    status = status ? status : vni_check_tensor(r, tensors, "means", means, err);
    status = status ? status : vni_check_tensor(r, tensors, "scales", scales, err);
    status = status ? status : vni_kinds_new(count, rows, p, q, r->allocator, &map->kinds, err);
    if (status) {
        return status;
    }
    vni_kinds *k = map->kinds;
    status = get_names(r, k, err);
    status = status ? status : vni_get_tensor(r, tensors, "numbers", numbers, k->numbers, err);
    status = status ? status : vni_get_tensor(r, tensors, "means", means, k->means, err);
    status = status ? status : vni_get_tensor(r, tensors, "scales", scales, k->scales, err);
    status = status ? status : vni_get_tensor(r, tensors, "source", x, k->source, err);
    status = status ? status : vni_get_tensor(r, tensors, "target", y, k->target, err);
    return status ? status : check_numbers(r, k, err);
}

static void release_kinds(vecna_map *map, const vecna_allocator *allocator) {
    vni_kinds_free(map->kinds, allocator);
    map->kinds = NULL;
}

const vni_map_section vni_map_kinds = {
    .name = "kinds", .write = write_kinds, .read = read_kinds, .release = release_kinds};
