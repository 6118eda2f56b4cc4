/* Sufficient statistics in a map file: `vecna fit --prior` and `--update` live on them, translating
 * does not need them. */
#include "translate/map_file_impl.h"

#include <string.h>

static const char keys[] = "statistics_";
static const char tensors[] = "statistics.";

static void write_statistics(const vecna_map *map, vni_map_writing *w) {
    const vni_statistics *s = map->statistics;
    if (!s) {
        return;
    }
    const size_t triangle = s->source_dim * (s->source_dim + 1) / 2;
    const vecna_tensor_dtype dtype = s->half ? VECNA_TENSOR_F16 : VECNA_TENSOR_F32;
    const void *square = s->half ? (const void *)s->half : s->square;
    const void *cross = s->half ? (const void *)(s->half + triangle) : s->cross;
    vni_put_number(w, keys, "count", s->count);
    vni_put_number(w, keys, "target_energy", s->target_energy);
    vni_put_text(w, keys, "type", s->half ? "f16" : "f32");
    vni_put_number(w, keys, "square_scale", s->square_scale);
    vni_put_number(w, keys, "cross_scale", s->cross_scale);
    vni_put_tensor(w, tensors, "source_mean", VECNA_TENSOR_F64, s->source_dim, 0, s->source_mean);
    vni_put_tensor(w, tensors, "target_mean", VECNA_TENSOR_F64, s->target_dim, 0, s->target_mean);
    vni_put_tensor(w, tensors, "square", dtype, triangle, 0, square);
    vni_put_tensor(w, tensors, "cross", dtype, s->source_dim, s->target_dim, cross);
}

static vecna_status get_sums(const vni_map_reading *r, vni_statistics *s, int half,
                             vecna_error *err) {
    const size_t triangle = s->source_dim * (s->source_dim + 1) / 2;
    const vecna_tensor_dtype dtype = half ? VECNA_TENSOR_F16 : VECNA_TENSOR_F32;
    const vni_tensor_form square = {dtype, triangle, 0};
    const vni_tensor_form cross = {dtype, s->source_dim, s->target_dim};
    void *to_square = s->square, *to_cross = s->cross;
    vecna_status status = VECNA_OK;
    if (half) {
        s->half =
            vecna_allocate(r->allocator, triangle + s->source_dim * s->target_dim, sizeof *s->half);
        if (!s->half) {
            return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for the statistics of %s",
                                   r->name);
        }
        to_square = s->half;
        to_cross = s->half + triangle;
    }
    status = vni_get_tensor(r, tensors, "square", square, to_square, err);
    status = status ? status : vni_get_tensor(r, tensors, "cross", cross, to_cross, err);
    if (!status && half) {
        vecna_f16_to_float(s->square, s->half, triangle + s->source_dim * s->target_dim);
    }
    return status;
}

static vecna_status read_statistics(const vni_map_reading *r, vecna_map *map, vecna_error *err) {
    const size_t p = map->source_dim, q = map->target_dim;
    const vni_tensor_form source = {VECNA_TENSOR_F64, p, 0}, target = {VECNA_TENSOR_F64, q, 0};
    const char *type = "";
    vni_statistics *s = NULL;
    const vni_range scales = {1e-200, 1e200};
    double count = 0, energy = 0, square_scale = 1, cross_scale = 1;
    if (!vni_has_key(r, keys, "count")) {
        return VECNA_OK;
    }
    vecna_status status = vni_get_number(r, keys, "count", (vni_range){1e-6, 1e15}, &count, err);
    status = status ? status
                    : vni_get_number(r, keys, "target_energy", (vni_range){0, 1e300}, &energy, err);
    status = status ? status : vni_get_number(r, keys, "square_scale", scales, &square_scale, err);
    status = status ? status : vni_get_number(r, keys, "cross_scale", scales, &cross_scale, err);
    status = status ? status : vni_get_text(r, keys, "type", &type, err);
    if (status) {
        return status;
    }
    if (strcmp(type, "f16") != 0 && strcmp(type, "f32") != 0) {
        return vni_map_malformed(r, "its statistics are neither f16 nor f32", err);
    }
    const int half = strcmp(type, "f16") == 0;
    const vecna_tensor_dtype dtype = half ? VECNA_TENSOR_F16 : VECNA_TENSOR_F32;
    const vni_tensor_form square = {dtype, p * (p + 1) / 2, 0}, cross = {dtype, p, q};
    /* no memory is asked for before it is known that the file has as much */
    status = vni_check_tensor(r, tensors, "square", square, err);
    status = status ? status : vni_check_tensor(r, tensors, "cross", cross, err);
    status = status ? status : vni_statistics_new(p, q, r->allocator, &s, err);
    if (status) {
        return status;
    }
    s->count = count;
    s->target_energy = energy;
    s->square_scale = square_scale;
    s->cross_scale = cross_scale;
    status = vni_get_tensor(r, tensors, "source_mean", source, s->source_mean, err);
    status =
        status ? status : vni_get_tensor(r, tensors, "target_mean", target, s->target_mean, err);
    status = status ? status : get_sums(r, s, half, err);
    if (status) {
        vni_statistics_free(s, r->allocator);
        return status;
    }
    map->statistics = s;
    return VECNA_OK;
}

static void release_statistics(vecna_map *map, const vecna_allocator *allocator) {
    vni_statistics_free(map->statistics, allocator);
}

const vni_map_section vni_map_statistics = {.name = "statistics",
                                            .write = write_statistics,
                                            .read = read_statistics,
                                            .release = release_statistics};
