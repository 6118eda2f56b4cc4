/* Products of a row with weights of 12 bits.
 *
 * One row through a matrix costs what reading the matrix costs: every weight is used once. 12 bits are
 * three quarters of a half's 16, which is what lets a map from 1536 to 768 stay in a second cache of
 * 2 MB, and they go through the byte products that int8 weights use, at 64 a instruction.
 *
 * A weight is 16 high + low with a signed byte and half a byte; an input is 256 high + low with two bytes.
 * All four products of those parts are summed as whole numbers, so that only rounding the row and the
 * weights costs anything.
 *
 * A row at a time: from a handful of rows on, float32 products that use each weight for many rows are
 * the faster ones. Every second product goes through the columns from the last to the first: what the
 * one before read last is still in the second cache. No sum changes by it. */
#include "base/base_impl.h"
#include "linalg/int12_impl.h"
#include "linalg/linalg_impl.h"

#include <math.h>
#include <stdalign.h>

/* Quantised rows of one chunk stand on the stack. */
enum { CHUNK_BYTES = 1 << 17, INNER_MAX = 65536, LARGEST = 2047, LANES = 16 };

/* ---- kernels: the truth ---------------------------------------------------------------------- */

static void portable_quantise(const vecna_linalg_int12 *weights, const float *row,
                              vni_int12_row *out) {
    const size_t padded = weights->quads * VNI_INT12_QUAD;
    float largest = 0;
    int finite = 1;
    for (size_t i = 0; i < weights->inner; i++) {
        const float size = fabsf(row[i]);
        finite &= isfinite(size) != 0;
        largest = size > largest ? size : largest;
    }
    const float times = finite && largest >= 1e-30f ? 32767 / largest : 0;
    for (size_t i = 0; i < padded; i++) {
        const int32_t whole =
            32768 + (times > 0 && i < weights->inner ? (int32_t)rintf(row[i] * times) : 0);
        out->high[i] = (uint8_t)(whole >> 8);
        out->low[i] = (uint8_t)(whole & 255);
    }
    out->step = times > 0 ? largest / 32767 : finite ? 0 : NAN;
}

/* Where the lower half of weight `within` (of 4 inputs) of a column stands in a step of the panel. */
static uint8_t *low_byte(uint8_t *step, size_t column, size_t within) {
    const size_t vector = column / LANES;
    return step + VNI_INT12_HIGH + vector / 2 * LANES * VNI_INT12_QUAD +
           column % LANES * VNI_INT12_QUAD + within;
}

static unsigned low_shift(size_t column) {
    return column / LANES % 2 ? 4 : 0;
}

static void portable_product(const vecna_linalg_int12 *weights, size_t panel,
                             const vni_int12_row *row, float out[VNI_INT12_PANEL]) {
    const size_t first = panel * VNI_INT12_PANEL;
    uint8_t *packed = weights->panel + panel * weights->quads * VNI_INT12_STEP;
    for (size_t j = 0; j < VNI_INT12_PANEL; j++) {
        int32_t both = 0, fine = 0;    /* high x high, high x low */
        int32_t coarse = 0, least = 0; /* low x high, low x low */
        for (size_t i = 0; i < weights->quads * VNI_INT12_QUAD; i++) {
            uint8_t *step = packed + i / VNI_INT12_QUAD * VNI_INT12_STEP;
            const int32_t high = (int8_t)step[j * VNI_INT12_QUAD + i % VNI_INT12_QUAD];
            const int32_t low = *low_byte(step, j, i % VNI_INT12_QUAD) >> low_shift(j) & 15;
            both += high * row->high[i];
            fine += high * row->low[i];
            coarse += low * row->high[i];
            least += low * row->low[i];
        }
        float sum = (float)(both - weights->high_moved[first + j]) * 4096;
        sum += (float)fine * 16;
        sum += (float)(coarse - weights->low_moved[first + j]) * 256;
        sum += (float)least;
        out[j] = sum * (row->step * weights->scale[first + j]);
    }
}

const vni_int12_kernels vni_int12_portable = {0, portable_quantise, portable_product};

static const vni_int12_kernels *kernels(void) {
#if defined(__x86_64__)
    if ((vni_cpu_features() & vni_int12_avx512vnni.needs) == vni_int12_avx512vnni.needs)
        return &vni_int12_avx512vnni;
#endif
    return &vni_int12_portable;
}

int vecna_linalg_int12_is_fast(void) {
    return kernels() != &vni_int12_portable;
}

/* ---- packing --------------------------------------------------------------------------------- */

/* Column j as whole numbers of -2047 to 2047, and what they leave of the weights. */
static void pack_column(vecna_linalg_int12 *to, vecna_matrix weights, size_t j) {
    const size_t column = j % VNI_INT12_PANEL;
    uint8_t *panel = to->panel + j / VNI_INT12_PANEL * to->quads * VNI_INT12_STEP;
    float largest = 0;
    int32_t highs = 0, lows = 0;
    for (size_t i = 0; i < to->inner; i++) {
        const float size = fabsf(weights.data[i * weights.stride + j]);
        largest = size > largest ? size : largest;
    }
    const float times = largest >= 1e-30f ? LARGEST / largest : 0;
    to->scale[j] = times > 0 ? largest / LARGEST : 0;
    for (size_t i = 0; i < to->inner; i++) {
        float *weight = weights.data + i * weights.stride + j;
        uint8_t *step = panel + i / VNI_INT12_QUAD * VNI_INT12_STEP;
        const size_t within = i % VNI_INT12_QUAD;
        const int32_t whole = (int32_t)rintf(*weight * times), low = whole & 15;
        const int32_t high = (whole - low) / 16;
        step[column * VNI_INT12_QUAD + within] = (uint8_t)high;
        *low_byte(step, column, within) |= (uint8_t)(low << low_shift(column));
        highs += high;
        lows += low;
        *weight = (float)whole * to->scale[j];
    }
    to->high_moved[j] = 128 * highs;
    to->low_moved[j] = 128 * lows;
}

static vecna_status check_weights(vecna_matrix weights, vecna_error *err) {
    if (weights.rows == 0 || weights.dim == 0 || weights.stride < weights.dim)
        return vecna_error_set(err, VECNA_ERR_DIM, -1, "weights of %zu x %zu (stride %zu)",
                               weights.rows, weights.dim, weights.stride);
    if (weights.rows > INNER_MAX)
        return vecna_error_set(err, VECNA_ERR_OVERFLOW, -1,
                               "%zu products of bytes can overflow an int32 sum; %d are the most",
                               weights.rows, INNER_MAX);
    for (size_t i = 0; i < weights.rows; i++)
        for (size_t j = 0; j < weights.dim; j++)
            if (!isfinite(weights.data[i * weights.stride + j]))
                return vecna_error_set(err, VECNA_ERR_VALUE, (int64_t)i,
                                       "weight %zu, %zu is not finite", i, j);
    return VECNA_OK;
}

vecna_status vecna_linalg_int12_new(vecna_matrix weights, const vecna_allocator *allocator,
                                    vecna_linalg_int12 **out, vecna_error *err) {
    const size_t quads = (weights.rows + VNI_INT12_QUAD - 1) / VNI_INT12_QUAD;
    const size_t panels = (weights.dim + VNI_INT12_PANEL - 1) / VNI_INT12_PANEL;
    const size_t column_bytes = vni_packed_bytes(panels * VNI_INT12_PANEL * sizeof(float));
    size_t packed, bytes = 0;
    vecna_linalg_int12 *made;
    vecna_status status = check_weights(weights, err);
    if (status != VECNA_OK)
        return status;
    if (vecna_size_mul(panels * VNI_INT12_STEP, quads, &packed) &&
        vecna_size_add(packed, 3 * column_bytes, &bytes))
        bytes += vni_packed_bytes(sizeof *made) + VNI_PACKED_ALIGNMENT;
    made = bytes ? vecna_allocate_zero(allocator, bytes, 1) : NULL;
    if (made == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                               "no memory for 12-bit weights of %zu x %zu", weights.rows,
                               weights.dim);
    if (allocator) {
        made->allocator_copy = *allocator;
        made->allocator = &made->allocator_copy;
    }
    made->inner = weights.rows;
    made->dim = weights.dim;
    made->quads = quads;
    made->panels = panels;
    unsigned char *at = (unsigned char *)made + vni_packed_bytes(sizeof *made);
    at += (VNI_PACKED_ALIGNMENT - (uintptr_t)at % VNI_PACKED_ALIGNMENT) % VNI_PACKED_ALIGNMENT;
    made->panel = at;
    made->scale = (float *)(void *)(at += packed);
    made->high_moved = (int32_t *)(void *)(at += column_bytes);
    made->low_moved = (int32_t *)(void *)(at += column_bytes);
    for (size_t j = 0; j < weights.dim; j++)
        pack_column(made, weights, j);
    *out = made;
    return VECNA_OK;
}

void vecna_linalg_int12_free(vecna_linalg_int12 *weights) {
    vecna_allocator copy;
    if (weights == NULL)
        return;
    copy = weights->allocator_copy;
    vecna_release(weights->allocator ? &copy : NULL, weights);
}

/* ---- products -------------------------------------------------------------------------------- */

/* Rows that fit a chunk: each panel for all of them in turn, as it then is in the second cache. */
static void chunk_product(const vecna_linalg_int12 *weights, const vni_int12_row *rows,
                          vecna_matrix out, int backwards) {
    float sums[VNI_INT12_PANEL];
    for (size_t turn = 0; turn < weights->panels; turn++) {
        const size_t panel = backwards ? weights->panels - 1 - turn : turn;
        const size_t first = panel * VNI_INT12_PANEL, left = weights->dim - first;
        const size_t columns = left < VNI_INT12_PANEL ? left : VNI_INT12_PANEL;
        for (size_t i = 0; i < out.rows; i++) {
            float *to = out.data + i * out.stride + first;
            kernels()->product(weights, panel, &rows[i], sums);
            for (size_t j = 0; j < columns; j++)
                to[j] = sums[j];
        }
    }
}

vecna_status vecna_linalg_int12_product(const vecna_linalg_int12 *weights, vecna_view in,
                                        vecna_matrix out, vecna_error *err) {
    enum { ROWS_MOST = 16 };
    static _Thread_local int backwards;
    alignas(VNI_PACKED_ALIGNMENT) uint8_t bytes[CHUNK_BYTES];
    vni_int12_row rows[ROWS_MOST];
    if (in.dim != weights->inner || out.dim != weights->dim || in.rows != out.rows)
        return vecna_error_set(err, VECNA_ERR_DIM, -1,
                               "%zu rows of %zu through 12-bit weights of %zu x %zu into %zu of "
                               "%zu",
                               in.rows, in.dim, weights->inner, weights->dim, out.rows, out.dim);
    if (in.stride < in.dim || out.stride < out.dim)
        return vecna_error_set(err, VECNA_ERR_OVERFLOW, -1,
                               "a stride (%zu, %zu) is below its row's length (%zu, %zu)",
                               in.stride, out.stride, in.dim, out.dim);
    const size_t padded = weights->quads * VNI_INT12_QUAD, fit = CHUNK_BYTES / (2 * padded);
    const size_t most = fit < ROWS_MOST ? fit : ROWS_MOST;
    for (size_t begin = 0; begin < in.rows; begin += most) {
        const size_t count = in.rows - begin < most ? in.rows - begin : most;
        for (size_t i = 0; i < count; i++) {
            rows[i].high = bytes + 2 * i * padded;
            rows[i].low = rows[i].high + padded;
            kernels()->quantise(weights, in.data + (begin + i) * in.stride, &rows[i]);
        }
        backwards = !backwards;
        chunk_product(weights, rows, vecna_matrix_rows(out, begin, count), backwards);
    }
    return VECNA_OK;
}
