/* The held rows in a map file, with what was learned from them: three int8 matrices with their scales, the
 * model of the confidence as one tensor, the curve of the scores as another. */
#include "translate/map_file_impl.h"
#include "translate/trust_impl.h"

#include <math.h>
#include <string.h>

enum { MODEL_DOUBLES = sizeof(vni_confidence_model) / sizeof(double) };

static void write_held(const vecna_map *map, vni_map_writing *w) {
    const vni_held *held = map->held;
    if (!held) {
        return;
    }
    if (held->of > 0) {
        vni_put_count(w, "held_", "of", held->of);
    }
    vni_put_tensor(w, "held.", "source", VECNA_TENSOR_I8, held->rows, held->source_dim,
                   held->source);
    vni_put_tensor(w, "held.", "target", VECNA_TENSOR_I8, held->rows, held->target_dim,
                   held->target);
    vni_put_tensor(w, "held.", "translated", VECNA_TENSOR_I8, held->rows, held->target_dim,
                   held->translated);
    vni_put_tensor(w, "held.", "scales", VECNA_TENSOR_F32, 3, held->rows, held->scales);
    vni_put_tensor(w, "held.", "confidence", VECNA_TENSOR_F64, MODEL_DOUBLES, 0, &held->model);
    if (held->has_curve) {
        vni_put_tensor(w, "held.", "scores", VECNA_TENSOR_F64, 2, VNI_KNOTS, held->curve);
        vni_put_number(w, "held_", "ks_before", held->ks_before);
        vni_put_number(w, "held_", "ks_after", held->ks_after);
    }
}

/* Numbers that would divide by zero or fall are no model. */
static vecna_status check_numbers(const vni_map_reading *r, const vni_held *held,
                                  vecna_error *err) {
    for (size_t i = 0; i < VNI_FEATURES; i++) {
        if (!(held->model.deviation[i] > 0)) {
            return vni_map_malformed(r, "a deviation of the confidence is not above 0", err);
        }
    }
    if (!(held->model.spread[2] > 0)) {
        return vni_map_malformed(r, "the least spread of the confidence is not above 0", err);
    }
    for (size_t i = 0; i < 3 * held->rows; i++) {
        if (!(held->scales[i] >= 0)) {
            return vni_map_malformed(r, "a scale of the held rows is negative", err);
        }
    }
    for (size_t i = 1; held->has_curve && i < VNI_KNOTS; i++) {
        if (held->curve[i] < held->curve[i - 1] ||
            held->curve[VNI_KNOTS + i] < held->curve[VNI_KNOTS + i - 1]) {
            return vni_map_malformed(r, "the curve of the scores falls", err);
        }
    }
    return VECNA_OK;
}

static vecna_status get_rows(const vni_map_reading *r, vni_held *held, vecna_error *err) {
    vni_tensor_form form = {VECNA_TENSOR_I8, held->rows, held->source_dim};
    vecna_status status = vni_get_tensor(r, "held.", "source", form, held->source, err);
    form.columns = held->target_dim;
    status = status ? status : vni_get_tensor(r, "held.", "target", form, held->target, err);
    status =
        status ? status : vni_get_tensor(r, "held.", "translated", form, held->translated, err);
    form = (vni_tensor_form){VECNA_TENSOR_F32, 3, held->rows};
    status = status ? status : vni_get_tensor(r, "held.", "scales", form, held->scales, err);
    form = (vni_tensor_form){VECNA_TENSOR_F64, MODEL_DOUBLES, 0};
    status = status ? status : vni_get_tensor(r, "held.", "confidence", form, &held->model, err);
    if (status || !vni_find_tensor(r, "held.", "scores")) {
        return status;
    }
    const vni_range share = {0, 1};
    held->has_curve = 1;
    form = (vni_tensor_form){VECNA_TENSOR_F64, 2, VNI_KNOTS};
    status = vni_get_tensor(r, "held.", "scores", form, held->curve, err);
    status =
        status ? status : vni_get_number(r, "held_", "ks_before", share, &held->ks_before, err);
    return status ? status : vni_get_number(r, "held_", "ks_after", share, &held->ks_after, err);
}

static vecna_status read_held(const vni_map_reading *r, vecna_map *map, vecna_error *err) {
    const vecna_tensor_entry *source = vni_find_tensor(r, "held.", "source");
    if (!source) {
        return VECNA_OK;
    }
    const size_t rows = source->rank == 2 ? (size_t)source->shape[0] : 0;
    if (rows < 2 || rows > VNI_HELD_MOST) {
        return vni_map_malformed(r, "the held rows are not 2 to 1024 rows", err);
    }
    /* before memory is asked for: has the file as much? */
    vni_tensor_form form = {VECNA_TENSOR_I8, rows, map->source_dim};
    vecna_status status = vni_check_tensor(r, "held.", "source", form, err);
    form.columns = map->target_dim;
    status = status ? status : vni_check_tensor(r, "held.", "target", form, err);
    status = status ? status : vni_check_tensor(r, "held.", "translated", form, err);
    status = status ? status
                    : vni_held_new(rows, map->source_dim, map->target_dim, map->allocator,
                                   &map->held, err);
    if (!status && vni_has_key(r, "held_", "of")) {
        status = vni_get_count(r, "held_", "of", 9e15, &map->held->of, err);
    }
    status = status ? status : get_rows(r, map->held, err);
    return status ? status : check_numbers(r, map->held, err);
}

static void release_held(vecna_map *map, const vecna_allocator *allocator) {
    vni_held_free(map->held, allocator);
    map->held = NULL;
}

const vni_map_section vni_map_held = {
    .name = "held", .write = write_held, .read = read_held, .release = release_held};
