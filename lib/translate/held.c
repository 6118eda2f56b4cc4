/* The held rows of a map: as int8 with a scale for each row, which changes a cosine by less than 0.001
 * and makes 1,024 of them about as large as the map itself. What is learned is learned from the rows as
 * they are kept, so that rounding is part of what is calibrated. */
#include "translate/trust_impl.h"

#include <math.h>
#include <string.h>

vecna_status vni_held_new(size_t rows, size_t source_dim, size_t target_dim,
                          const vecna_allocator *allocator, vni_held **out, vecna_error *err) {
    vni_held *held = vecna_allocate_zero(allocator, 1, sizeof *held);
    size_t width, bytes;
    if (!held) {
        goto memory;
    }
    held->rows = rows;
    held->source_dim = source_dim;
    held->target_dim = target_dim;
    held->scales = vecna_allocate(allocator, 3 * rows, sizeof *held->scales);
    if (vecna_size_mul(target_dim, 2, &width) && vecna_size_add(width, source_dim, &width) &&
        vecna_size_mul(width, rows, &bytes)) {
        held->source = vecna_allocate(allocator, bytes, 1);
    }
    if (!held->scales || !held->source) {
        goto memory;
    }
    held->target = held->source + rows * source_dim;
    held->translated = held->target + rows * target_dim;
    *out = held;
    return VECNA_OK;
memory:
    vni_held_free(held, allocator);
    return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for %zu held rows", rows);
}

void vni_held_free(vni_held *held, const vecna_allocator *allocator) {
    if (held) {
        vecna_release(allocator, held->source);
        vecna_release(allocator, held->scales);
        vecna_release(allocator, held);
    }
}

static void keep_rows(vecna_view rows, int8_t *out, float *scales) {
    for (size_t i = 0; i < rows.rows; i++) {
        const float *row = rows.data + i * rows.stride;
        float most = 0;
        for (size_t j = 0; j < rows.dim; j++) {
            most = fmaxf(most, fabsf(row[j]));
        }
        scales[i] = most / 127;
        for (size_t j = 0; j < rows.dim; j++) {
            out[i * rows.dim + j] = (int8_t)(most > 0 ? lroundf(row[j] / most * 127) : 0);
        }
    }
}

void vni_held_rows(const vni_held *held, int which, float *out) {
    const int8_t *from = which == 0 ? held->source : which == 1 ? held->target : held->translated;
    const size_t dim = which == 0 ? held->source_dim : held->target_dim;
    for (size_t i = 0; i < held->rows; i++) {
        const float scale = held->scales[(size_t)which * held->rows + i];
        for (size_t j = 0; j < dim; j++) {
            out[i * dim + j] = (float)from[i * dim + j] * scale;
        }
    }
}

double vni_mean_largest(const float *numbers, size_t total, size_t count, size_t but) {
    double largest[VNI_NEAR]; /* descending */
    size_t filled = 0;
    count = count < VNI_NEAR ? count : VNI_NEAR;
    for (size_t i = 0; i < total; i++) {
        const double number = (double)numbers[i];
        if (i == but || (filled == count && !(number > largest[count - 1]))) {
            continue;
        }
        size_t at = filled < count ? filled++ : count - 1;
        for (; at > 0 && largest[at - 1] < number; at--) {
            largest[at] = largest[at - 1];
        }
        largest[at] = number;
    }
    double sum = 0;
    for (size_t i = 0; i < filled; i++) {
        sum += largest[i];
    }
    return filled ? sum / (double)filled : 0;
}

vecna_status vni_held_fit(const vni_held_input *input, const vecna_allocator *map_allocator,
                          vni_held **out, vecna_error *err) {
    vni_held *held = NULL;
    if (input->source.rows < VNI_HELD_LEAST) {
        return VECNA_OK;
    }
    vecna_status status = vni_held_new(input->source.rows, input->source.dim, input->native.dim,
                                       map_allocator, &held, err);
    if (status) {
        return status;
    }
    keep_rows(input->source, held->source, held->scales);
    keep_rows(input->native, held->target, held->scales + held->rows);
    keep_rows(input->translated, held->translated, held->scales + 2 * held->rows);
    status = vni_confidence_fit(held, input->lengths, input->allocator, input->pool, err);
    held->model.cosine[0] += input->growth; /* a new row is translated by the delivered map */
    held->model.cosine_mean += input->growth;
    held->model.mean[VNI_LENGTH] += input->length_growth;
    if (!status && input->role == VECNA_ROLE_DOCUMENT) {
        status = vni_scores_fit(held, input->allocator, err);
    }
    if (status) {
        vni_held_free(held, map_allocator);
        return status;
    }
    *out = held;
    return VECNA_OK;
}

vecna_held_info vecna_map_held(const vecna_map *map) {
    vecna_held_info info = {.missed = VNI_MISSED};
    if (map->held) {
        info.rows = map->held->rows;
        /* with the growth of the delivered map an extrapolation, which may lead past 1 */
        info.cosine = map->held->model.cosine_mean < 1 ? map->held->model.cosine_mean : 1;
        info.has_scores = map->held->has_curve;
        info.ks_before = map->held->ks_before;
        info.ks_after = map->held->ks_after;
    }
    return info;
}
