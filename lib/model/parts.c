/* Models out of tables that a trainer has made, and tables out of models. */
#include "model/model_impl.h"

#include <math.h>
#include <string.h>

static vecna_status check_rows(vecna_view rows, vecna_error *err) {
    for (size_t i = 0; i < rows.rows; i++) {
        for (size_t j = 0; j < rows.dim; j++) {
            if (!isfinite(rows.data[i * rows.stride + j])) {
                return vecna_error_set(err, VECNA_ERR_VALUE, (int64_t)i,
                                       "number %zu of piece %zu is not finite", j, i);
            }
        }
    }
    return VECNA_OK;
}

vecna_status vni_model_set_tower(vecna_model *model, const vecna_image_shape *shape,
                                 const float *tower, double scale, vecna_error *err) {
    size_t count;
    vecna_status status = vecna_image_parameters(shape, &count, err);
    if (status != VECNA_OK) {
        return status;
    }
    if (shape->dim != model->dim) {
        return vecna_error_set(err, VECNA_ERR_DIM, -1,
                               "a tower to %zu dimensions beside a table of %zu", shape->dim,
                               model->dim);
    }
    if (!(scale > 0) || !isfinite(scale)) {
        return vecna_error_set(err, VECNA_ERR_VALUE, -1, "a scale of %g is none", scale);
    }
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(tower[i])) {
            return vecna_error_set(err, VECNA_ERR_VALUE, (int64_t)i,
                                   "number %zu of the tower of pictures is not finite", i);
        }
    }
    model->tower = vecna_allocate(model->allocator, count, sizeof *model->tower);
    if (!model->tower) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a tower of %zu numbers",
                               count);
    }
    memcpy(model->tower, tower, count * sizeof *tower);
    model->shape = *shape;
    model->scale = scale;
    return VECNA_OK;
}

vecna_status vecna_model_of_parts(const vecna_model_parts *parts, vecna_model **out,
                                  vecna_error *err) {
    const vni_model_words words = {.name = parts->name,
                                   .teacher = parts->teacher,
                                   .licence = parts->licence,
                                   .report = parts->report ? parts->report : "{}"};
    const vecna_dtype dtype = parts->dtype ? parts->dtype : VECNA_I8;
    vecna_model *model = NULL;
    vecna_status status = check_rows(parts->rows, err);
    if (status != VECNA_OK) {
        return status;
    }
    if ((dtype != VECNA_I8 && dtype != VECNA_F16) || parts->rows.dim == 0) {
        return vecna_error_set(
            err, VECNA_ERR_ARGUMENT, -1,
            "a table of %zu dimensions and dtype %d: at least one, as int8 or f16", parts->rows.dim,
            (int)dtype);
    }
    status = vni_model_new(parts->vocabulary, parts->vocabulary_bytes, parts->rows.dim, dtype,
                           parts->keep_case, &words, parts->allocator, &model, err);
    if (status != VECNA_OK) {
        return status;
    }
    if (model->pieces != parts->rows.rows) {
        status = vecna_error_set(err, VECNA_ERR_DIM, -1,
                                 "the vocabulary has %zu pieces, the table %zu rows", model->pieces,
                                 parts->rows.rows);
        vecna_model_free(model);
        return status;
    }
    for (size_t i = 0; i < model->pieces; i++) {
        vni_model_set_row(model, i, parts->rows.data + i * parts->rows.stride);
    }
    if (parts->shape) {
        status = vni_model_set_tower(model, parts->shape, parts->tower, parts->scale, err);
    }
    if (status != VECNA_OK) {
        vecna_model_free(model);
        return status;
    }
    *out = model;
    return VECNA_OK;
}

vecna_model_parts vecna_model_parts_of(const vecna_model *model) {
    const vecna_model_parts parts = {.vocabulary = model->vocabulary,
                                     .vocabulary_bytes = model->vocabulary_bytes,
                                     .keep_case = model->keep_case,
                                     .dtype = model->dtype,
                                     .name = model->name,
                                     .teacher = model->teacher,
                                     .licence = model->licence,
                                     .report = model->report,
                                     .shape = model->shape.stages ? &model->shape : NULL,
                                     .tower = model->tower,
                                     .scale = model->scale};
    return parts;
}

vecna_status vecna_model_rows(const vecna_model *model, vecna_matrix out, vecna_error *err) {
    if (out.rows != model->pieces || out.dim != model->dim || out.stride < out.dim) {
        return vecna_error_set(err, VECNA_ERR_DIM, -1, "room for %zu x %zu, the table is %zu x %zu",
                               out.rows, out.dim, model->pieces, model->dim);
    }
    for (size_t i = 0; i < out.rows; i++) {
        memset(out.data + i * out.stride, 0, out.dim * sizeof(float));
        vni_model_add_row(model, (int32_t)i, out.data + i * out.stride);
    }
    return VECNA_OK;
}
