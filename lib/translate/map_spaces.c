/* Fingerprints of both spaces: without them a file is a map whose input cannot be checked. */
#include "translate/map_file_impl.h"

#include <string.h>

static void put_space(const vecna_space *space, const char *keys, const char *tensors,
                      vni_map_writing *w) {
    vecna_space_parts parts;
    if (!space) {
        return;
    }
    vecna_space_parts_of(space, &parts);
    vni_put_count(w, keys, "rows", (size_t)parts.rows);
    vni_put_number(w, keys, "norm_mean", parts.norm_mean);
    vni_put_number(w, keys, "norm_deviation", parts.norm_deviation);
    vni_put_count(w, keys, "unit", (size_t)parts.unit);
    vni_put_number(w, keys, "spread", parts.spread);
    vni_put_number(w, keys, "breadth", parts.breadth);
    vni_put_number(w, keys, "gain", parts.gain);
    vni_put_tensor(w, tensors, "mean", VECNA_TENSOR_F32, parts.dim, 0, parts.mean);
    if (parts.directions) {
        vni_put_tensor(w, tensors, "principal", VECNA_TENSOR_F32, parts.directions, parts.dim,
                       parts.principal);
        vni_put_tensor(w, tensors, "variances", VECNA_TENSOR_F32, parts.directions, 0,
                       parts.variances);
    }
}

static void write_spaces(const vecna_map *map, vni_map_writing *w) {
    put_space(map->source_space, "source_space_", "source_space.", w);
    put_space(map->target_space, "target_space_", "target_space.", w);
}

/* The numbers of a fingerprint, and as many directions as its tensor has. */
static vecna_status get_numbers(const vni_map_reading *r, const char *keys, const char *tensors,
                                vecna_space_parts *parts, vecna_error *err) {
    const vni_range positive = {0, 1e300}, any = {-1e300, 1e300};
    const vecna_tensor_entry *principal = vni_find_tensor(r, tensors, "principal");
    size_t rows = 0, unit = 0;
    vecna_status status = vni_get_count(r, keys, "rows", 9e15, &rows, err);
    status = status ? status : vni_get_count(r, keys, "unit", 1, &unit, err);
    status =
        status ? status : vni_get_number(r, keys, "norm_mean", positive, &parts->norm_mean, err);
    status = status
                 ? status
                 : vni_get_number(r, keys, "norm_deviation", positive, &parts->norm_deviation, err);
    status = status ? status : vni_get_number(r, keys, "spread", positive, &parts->spread, err);
    status = status ? status : vni_get_number(r, keys, "breadth", positive, &parts->breadth, err);
    status = status ? status : vni_get_number(r, keys, "gain", any, &parts->gain, err);
    if (status) {
        return status;
    }
    parts->rows = rows;
    parts->unit = (int)unit;
    parts->directions = principal && principal->rank == 2 ? (size_t)principal->shape[0] : 0;
    /* what the object would refuse as a wrong argument is a wrong file here, and no memory is asked
     * for before it is known that the file has as much */
    if (parts->directions > VECNA_SPACE_DIRECTIONS_MAX || parts->directions > parts->dim / 2 ||
        (parts->directions && principal->shape[1] != parts->dim)) {
        return vni_map_malformed(r, "the directions of a fingerprint do not go with its dimension",
                                 err);
    }
    return VECNA_OK;
}

static vecna_status get_space(const vni_map_reading *r, const char *keys, const char *tensors,
                              vecna_space_parts parts, vecna_space **out, vecna_error *err) {
    const size_t dim = parts.dim;
    if (!vni_find_tensor(r, tensors, "mean")) {
        return VECNA_OK;
    }
    vecna_status status = get_numbers(r, keys, tensors, &parts, err);
    if (status) {
        return status;
    }
    if (strlen(parts.name) >= VECNA_SPACE_NAME_BYTES) {
        return vni_map_malformed(r, "the name of a space with a fingerprint is too long", err);
    }
    float *room = vecna_allocate(r->allocator, dim + parts.directions * (dim + 1), sizeof *room);
    if (!room) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a fingerprint of %s",
                               r->name);
    }
    float *directions = room + dim;
    float *variances = directions + parts.directions * dim;
    status =
        vni_get_tensor(r, tensors, "mean", (vni_tensor_form){VECNA_TENSOR_F32, dim, 0}, room, err);
    if (!status && parts.directions) {
        vni_tensor_form form = {VECNA_TENSOR_F32, parts.directions, dim};
        status = vni_get_tensor(r, tensors, "principal", form, directions, err);
        form.columns = 0;
        status = status ? status : vni_get_tensor(r, tensors, "variances", form, variances, err);
    }
    parts.mean = room;
    parts.principal = directions;
    parts.variances = variances;
    status = status ? status : vecna_space_from_parts(&parts, r->allocator, out, err);
    vecna_release(r->allocator, room);
    return status;
}

static vecna_status read_spaces(const vni_map_reading *r, vecna_map *map, vecna_error *err) {
    const vecna_space_parts source = {.name = map->source_name, .dim = map->source_dim};
    const vecna_space_parts target = {.name = map->target_name, .dim = map->target_dim};
    vecna_status status =
        get_space(r, "source_space_", "source_space.", source, &map->source_space, err);
    return status ? status
                  : get_space(r, "target_space_", "target_space.", target, &map->target_space, err);
}

static void release_spaces(vecna_map *map, const vecna_allocator *allocator) {
    (void)allocator;
    vecna_space_free(map->source_space);
    vecna_space_free(map->target_space);
}

const vni_map_section vni_map_spaces = {
    .name = "spaces", .write = write_spaces, .read = read_spaces, .release = release_spaces};
