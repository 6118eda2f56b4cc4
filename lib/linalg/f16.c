/* Products of a row with weights of 16 bits.
 *
 * One row through a matrix costs what reading the matrix costs: every weight is used once. In halves
 * that is half of it. Weights are scaled by a power of two a column, so that the largest lies in
 * [1, 2): what is far below it loses digits, but none that the column's sum would show.
 *
 * A row at a time: from a handful of rows on, float32 products that use each weight for many rows are
 * the faster ones. Every second product goes through the columns from the last to the first: what the
 * one before read last is still in the second cache, which holds most of a map but not all of it, and
 * going round would always find it gone. No sum changes by it. */
#include "base/base_impl.h"
#include "linalg/f16_impl.h"
#include "linalg/linalg_impl.h"

#include <math.h>

static void portable_product(const uint16_t *panel, const float *row, size_t inner,
                             float sums[VNI_F16_PANEL]) {
    for (size_t j = 0; j < VNI_F16_PANEL; j++)
        sums[j] = 0;
    for (size_t i = 0; i < inner; i++)
        for (size_t j = 0; j < VNI_F16_PANEL; j++)
            sums[j] += row[i] * vni_float_of_f16(panel[i * VNI_F16_PANEL + j]);
}

const vni_f16_kernel vni_f16_portable = {0, portable_product};

static const vni_f16_kernel *kernel(void) {
    const unsigned features = vni_cpu_features();
#if defined(__x86_64__)
    if ((features & vni_f16_avx512.needs) == vni_f16_avx512.needs)
        return &vni_f16_avx512;
    if ((features & vni_f16_avx2.needs) == vni_f16_avx2.needs)
        return &vni_f16_avx2;
#endif
    (void)features;
    return &vni_f16_portable;
}

int vecna_linalg_f16_is_fast(void) {
    return kernel() != &vni_f16_portable;
}

/* ---- packing --------------------------------------------------------------------------------- */

/* Column j: its power of two, and its weights over it, rounded. */
static vecna_status pack_column(vecna_linalg_f16 *to, vecna_matrix weights, size_t j,
                                vecna_error *err) {
    uint16_t *panel = to->panel + j / VNI_F16_PANEL * VNI_F16_PANEL * to->inner + j % VNI_F16_PANEL;
    float largest = 0;
    int exponent = 0;
    for (size_t i = 0; i < to->inner; i++) {
        const float value = weights.data[i * weights.stride + j];
        if (!isfinite(value))
            return vecna_error_set(err, VECNA_ERR_VALUE, (int64_t)i,
                                   "weight %zu, %zu is not finite", i, j);
        largest = fabsf(value) > largest ? fabsf(value) : largest;
    }
    if (largest > 0)
        (void)frexpf(largest, &exponent); /* largest = f * 2^exponent, f in [0.5, 1) */
    for (size_t i = 0; i < to->inner; i++)
        panel[i * VNI_F16_PANEL] =
            vni_f16_of_float(ldexpf(weights.data[i * weights.stride + j], 1 - exponent));
    to->scale[j] = ldexpf(1, exponent - 1);
    return VECNA_OK;
}

vecna_status vecna_linalg_f16_new(vecna_matrix weights, const vecna_allocator *allocator,
                                  vecna_linalg_f16 **out, vecna_error *err) {
    const size_t panels = (weights.dim + VNI_F16_PANEL - 1) / VNI_F16_PANEL;
    const size_t columns = panels * VNI_F16_PANEL;
    size_t packed, bytes = 0;
    vecna_linalg_f16 *made;
    vecna_status status = VECNA_OK;
    if (weights.rows == 0 || weights.dim == 0 || weights.stride < weights.dim)
        return vecna_error_set(err, VECNA_ERR_DIM, -1, "weights of %zu x %zu (stride %zu)",
                               weights.rows, weights.dim, weights.stride);
    if (vecna_size_mul(columns * sizeof(uint16_t), weights.rows, &packed) &&
        vecna_size_add(packed, vni_packed_bytes(columns * sizeof(float)), &bytes))
        bytes += vni_packed_bytes(sizeof *made) + VNI_PACKED_ALIGNMENT;
    made = bytes ? vecna_allocate_zero(allocator, bytes, 1) : NULL;
    if (made == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                               "no memory for 16-bit weights of %zu x %zu", weights.rows,
                               weights.dim);
    if (allocator) {
        made->allocator_copy = *allocator;
        made->allocator = &made->allocator_copy;
    }
    made->inner = weights.rows;
    made->dim = weights.dim;
    made->panels = panels;
    unsigned char *at = (unsigned char *)made + vni_packed_bytes(sizeof *made);
    at += (VNI_PACKED_ALIGNMENT - (uintptr_t)at % VNI_PACKED_ALIGNMENT) % VNI_PACKED_ALIGNMENT;
    made->panel = (uint16_t *)(void *)at;
    made->scale = (float *)(void *)(at + packed);
    for (size_t j = 0; j < weights.dim && status == VECNA_OK; j++)
        status = pack_column(made, weights, j, err);
    if (status != VECNA_OK) {
        vecna_linalg_f16_free(made);
        return status;
    }
    for (size_t j = 0; j < weights.dim; j++) { /* nothing can fail any more */
        const uint16_t *panel =
            made->panel + j / VNI_F16_PANEL * VNI_F16_PANEL * made->inner + j % VNI_F16_PANEL;
        for (size_t i = 0; i < made->inner; i++)
            weights.data[i * weights.stride + j] =
                vni_float_of_f16(panel[i * VNI_F16_PANEL]) * made->scale[j];
    }
    *out = made;
    return VECNA_OK;
}

void vecna_linalg_f16_free(vecna_linalg_f16 *weights) {
    vecna_allocator copy;
    if (weights == NULL)
        return;
    copy = weights->allocator_copy;
    vecna_release(weights->allocator ? &copy : NULL, weights);
}

/* ---- products -------------------------------------------------------------------------------- */

vecna_status vecna_linalg_f16_product(const vecna_linalg_f16 *weights, vecna_view in,
                                      vecna_matrix out, vecna_error *err) {
    static _Thread_local int backwards;
    const vni_f16_kernel *chosen = kernel();
    float sums[VNI_F16_PANEL];
    if (in.dim != weights->inner || out.dim != weights->dim || in.rows != out.rows)
        return vecna_error_set(err, VECNA_ERR_DIM, -1,
                               "%zu rows of %zu through 16-bit weights of %zu x %zu into %zu of "
                               "%zu",
                               in.rows, in.dim, weights->inner, weights->dim, out.rows, out.dim);
    if (in.stride < in.dim || out.stride < out.dim)
        return vecna_error_set(err, VECNA_ERR_OVERFLOW, -1,
                               "a stride (%zu, %zu) is below its row's length (%zu, %zu)",
                               in.stride, out.stride, in.dim, out.dim);
    backwards = !backwards;
    for (size_t turn = 0; turn < weights->panels; turn++) {
        const size_t panel = backwards ? weights->panels - 1 - turn : turn;
        const size_t first = panel * VNI_F16_PANEL, left = weights->dim - first;
        const size_t columns = left < VNI_F16_PANEL ? left : VNI_F16_PANEL;
        for (size_t row = 0; row < in.rows; row++) { /* the panel stays in the second cache */
            float *to = out.data + row * out.stride + first;
            chosen->product(weights->panel + first * weights->inner, in.data + row * in.stride,
                            weights->inner, sums);
            for (size_t j = 0; j < columns; j++)
                to[j] = sums[j] * weights->scale[first + j];
        }
    }
    return VECNA_OK;
}
