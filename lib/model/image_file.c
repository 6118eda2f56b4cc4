/* The tower of pictures in a model's file: a tensor for the weights and one for the biases of every
 * stage and of the head, in the order in which the tower has them. */
#include "model/model_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t entry_numbers(const vecna_tensor_entry *entry) {
    size_t count = 1;
    for (size_t i = 0; i < entry->rank; i++) {
        count *= (size_t)entry->shape[i];
    }
    return count;
}

static void name_tensor(vni_model_tensor *tensor, size_t stage, size_t stages, const char *what) {
    if (stage < stages) {
        snprintf(tensor->name, sizeof tensor->name, "image.stage%zu.%s", stage + 1, what);
    } else {
        snprintf(tensor->name, sizeof tensor->name, "image.head.%s", what);
    }
    tensor->entry.name = tensor->name;
    tensor->entry.dtype = VECNA_TENSOR_F32;
}

size_t vni_model_image_tensors(const vecna_image_shape *shape,
                               vni_model_tensor out[VNI_MODEL_IMAGE_TENSORS]) {
    size_t count = 0, at = 0, below = shape->channels, height, width;
    vecna_image_cells(shape, shape->stages, &height, &width);
    memset(out, 0, VNI_MODEL_IMAGE_TENSORS * sizeof *out);
    for (size_t s = 0; s <= shape->stages; s++) {
        const size_t made = s < shape->stages ? shape->filters[s] : shape->dim;
        vni_model_tensor *weights = &out[count++], *biases = &out[count++];
        name_tensor(weights, s, shape->stages, "weight");
        name_tensor(biases, s, shape->stages, "bias");
        if (s < shape->stages) {
            weights->entry.rank = 4;
            weights->entry.shape[0] = weights->entry.shape[1] = 3;
            weights->entry.shape[2] = below;
            weights->entry.shape[3] = made;
        } else {
            weights->entry.rank = 2;
            weights->entry.shape[0] = height * width * below;
            weights->entry.shape[1] = made;
        }
        biases->entry.rank = 1;
        biases->entry.shape[0] = made;
        weights->at = at;
        biases->at = at + entry_numbers(&weights->entry);
        at = biases->at + made;
        below = made;
    }
    return count;
}

/* ---- reading --------------------------------------------------------------------------------- */

static vecna_status malformed(const char *name, const char *what, vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_FORMAT, -1,
                           "%s says that it knows pictures, and does not: %s", name, what);
}

/* "32x32x3", whole numbers of some digits. */
static int take_pixels(const char *text, vecna_image_shape *shape) {
    size_t *const numbers[3] = {&shape->height, &shape->width, &shape->channels};
    for (size_t i = 0; i < 3; i++) {
        size_t digits = 0;
        for (; *text >= '0' && *text <= '9' && digits < 6; text++, digits++) {
            *numbers[i] = *numbers[i] * 10 + (size_t)(*text - '0');
        }
        if (digits == 0 || *text != (i < 2 ? 'x' : '\0')) {
            return 0;
        }
        text += i < 2;
    }
    return 1;
}

/* The stages that a file has; their filters are what the biases say, and everything is checked against
 * them afterwards. */
static void take_stages(const vecna_safetensors *file, vecna_image_shape *shape) {
    for (size_t s = 0; s < VECNA_IMAGE_STAGES_MOST; s++) {
        char name[VNI_MODEL_NAME_BYTES];
        snprintf(name, sizeof name, "image.stage%zu.bias", s + 1);
        const vecna_tensor_entry *biases = vecna_safetensors_find(file, name);
        if (!biases || biases->rank != 1) {
            return;
        }
        shape->filters[s] = (size_t)biases->shape[0];
        shape->stages = s + 1;
    }
}

static int same_shape(const vecna_tensor_entry *a, const vecna_tensor_entry *b) {
    return a->dtype == b->dtype && a->rank == b->rank &&
           memcmp(a->shape, b->shape, a->rank * sizeof *a->shape) == 0;
}

static vecna_status copy_tensors(const vecna_safetensors *file, const unsigned char *data,
                                 const char *name, const vecna_image_shape *shape, float *tower,
                                 vecna_error *err) {
    vni_model_tensor tensors[VNI_MODEL_IMAGE_TENSORS];
    const size_t count = vni_model_image_tensors(shape, tensors);
    for (size_t i = 0; i < count; i++) {
        const vecna_tensor_entry *entry = vecna_safetensors_find(file, tensors[i].name);
        char what[96];
        if (!entry || !same_shape(entry, &tensors[i].entry)) {
            snprintf(what, sizeof what, "no tensor \"%s\" that fits its pixels and its neighbours",
                     tensors[i].name);
            return malformed(name, what, err);
        }
        memcpy(tower + tensors[i].at, data + entry->begin, entry_numbers(entry) * sizeof *tower);
    }
    return VECNA_OK;
}

vecna_status vni_model_take_tower(const vecna_safetensors *file, const unsigned char *data,
                                  const char *name, vecna_model *model, vecna_error *err) {
    vecna_image_shape shape = {.dim = model->dim};
    const char *scale_text = vecna_safetensors_text(file, "scale");
    char *end = NULL;
    const double scale = scale_text ? strtod(scale_text, &end) : 0;
    vecna_error inner;
    size_t count;
    if (!take_pixels(vecna_safetensors_text(file, "pixels"), &shape)) {
        return malformed(name, "its pixels are not HEIGHTxWIDTHxCHANNELS", err);
    }
    if (!scale_text || end == scale_text || *end) {
        return malformed(name, "its scale is no number", err);
    }
    take_stages(file, &shape);
    if (vecna_image_parameters(&shape, &count, &inner) != VECNA_OK) {
        return malformed(name, inner.message, err);
    }
    float *tower = count * sizeof *tower <= file->data_bytes
                       ? vecna_allocate(model->allocator, count, sizeof *tower)
                       : NULL;
    if (!tower) {
        return count * sizeof *tower <= file->data_bytes
                   ? vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for the tower of %s",
                                     name)
                   : malformed(name, "it is too short for its shape", err);
    }
    vecna_status status = copy_tensors(file, data, name, &shape, tower, err);
    if (status == VECNA_OK) {
        status = vni_model_set_tower(model, &shape, tower, scale, &inner);
        if (status != VECNA_OK) {
            vecna_error_set(err, status, inner.position, "%s: %s", name, inner.message);
        }
    }
    vecna_release(model->allocator, tower);
    return status;
}
