/* Products with weights that are int8, inputs quantised as they come.
 *
 * Why a kernel of our own: oneDNN's gemm packs the weights anew at every call, which for one vector
 * costs more than the product. Here they are packed once, in the order in which the instructions
 * take them, so one vector costs what reading the weights costs.
 *
 * Inputs are centred before they are rounded. Embeddings of many models lie in a narrow cone: their
 * common mean uses up most of the 255 steps, and what tells rows apart is lost in one of them (ada-002
 * to mpnet: cosine to the float32 result 0.997 without a centre, 0.99996 with). What the centre adds to
 * the product is known beforehand and kept in floats. Scales for single dimensions were tried and
 * gained nothing.
 *
 * Results are the same bits with every instruction set: floats are added in 16 lanes everywhere,
 * sums of bytes are exact, and no multiplication is fused with an addition. */
#include "base/base_impl.h"
#include "linalg/int8_impl.h"
#include "linalg/linalg_impl.h"

#include <math.h>
#include <stdalign.h>
#include <string.h>

/* Quantised rows of one chunk stand on the stack and beside a panel in the second cache. */
enum { CHUNK_BYTES = 1 << 17, INNER_MAX = 65536 };

/* ---- kernels: the truth ---------------------------------------------------------------------- */

static float portable_quantise(const vecna_linalg_int8 *weights, const float *row, float by,
                               uint8_t *out) {
    const size_t padded = weights->quads * VNI_QUAD;
    float largest = 0;
    for (size_t i = 0; i < weights->inner; i++) {
        float value = fabsf(row[i] * by - weights->centre[i]);
        largest = value > largest ? value : largest;
    }
    const float times = largest > 0 ? 127 / largest : 0;
    for (size_t i = 0; i < weights->inner; i++) {
        float value = (row[i] * by - weights->centre[i]) * times;
        out[i] = (uint8_t)(128 + (int)rintf(value));
    }
    for (size_t i = weights->inner; i < padded; i++)
        out[i] = 128;
    return largest / 127;
}

static void portable_product(const vecna_linalg_int8 *weights, size_t panel,
                             const vni_int8_tile *tile, size_t rows, size_t columns) {
    const size_t first = panel * VNI_PANEL;
    const int8_t *packed = weights->panel + first * weights->quads * VNI_QUAD;
    for (size_t row = 0; row < rows; row++) {
        const uint8_t *in = tile->rows + row * tile->row_bytes;
        float *out = tile->out + row * tile->out_stride;
        int32_t sums[VNI_PANEL] = {0};
        for (size_t quad = 0; quad < weights->quads; quad++) {
            const int8_t *w = packed + quad * VNI_PANEL * VNI_QUAD;
            for (size_t j = 0; j < VNI_PANEL; j++)
                for (size_t i = 0; i < VNI_QUAD; i++)
                    sums[j] += in[quad * VNI_QUAD + i] * w[j * VNI_QUAD + i];
        }
        for (size_t j = 0; j < columns; j++) {
            float worth = tile->step[row] * weights->scale[first + j];
            float sum = (float)(sums[j] - weights->moved[first + j]) * worth;
            out[j] = sum + weights->offset[first + j];
        }
    }
}

static void portable_add(vecna_view_i8 codes, const int32_t *list, const float *by, size_t count,
                         float *out) {
    for (size_t i = 0; i < count; i++) {
        const int8_t *row = codes.data + (size_t)list[i] * codes.stride;
        for (size_t j = 0; j < codes.dim; j++)
            out[j] += by[i] * (float)row[j];
    }
}

const vni_int8_kernels vni_int8_portable = {0, portable_quantise, portable_product, portable_add};

static const vni_int8_kernels *kernels(void) {
    const unsigned features = vni_cpu_features();
#if defined(__x86_64__)
    if ((features & vni_int8_avx512vnni.needs) == vni_int8_avx512vnni.needs)
        return &vni_int8_avx512vnni;
    if ((features & vni_int8_avx2.needs) == vni_int8_avx2.needs)
        return &vni_int8_avx2;
#endif
    (void)features;
    return &vni_int8_portable;
}

int vecna_linalg_int8_is_fast(void) {
#if defined(__x86_64__)
    return kernels() == &vni_int8_avx512vnni;
#else
    return 0;
#endif
}

/* ---- packing --------------------------------------------------------------------------------- */

/* Column j of the weights: scale, bytes, sum of the bytes, and what the centre adds. */
static void pack_column(vecna_linalg_int8 *to, vecna_view weights, const float *bias, size_t j) {
    int8_t *panel =
        to->panel + j / VNI_PANEL * VNI_PANEL * to->quads * VNI_QUAD + j % VNI_PANEL * VNI_QUAD;
    int32_t sum = 0;
    double centre = bias ? (double)bias[j] : 0;
    float largest = 0;
    for (size_t i = 0; i < to->inner; i++) {
        float value = weights.data[i * weights.stride + j];
        centre += (double)to->centre[i] * value;
        largest = fabsf(value) > largest ? fabsf(value) : largest;
    }
    for (size_t i = 0; i < to->inner; i++) {
        float value = largest > 0 ? weights.data[i * weights.stride + j] * (127 / largest) : 0;
        int8_t byte = (int8_t)rintf(value);
        panel[i / VNI_QUAD * VNI_PANEL * VNI_QUAD + i % VNI_QUAD] = byte;
        sum += byte;
    }
    to->offset[j] = (float)centre;
    to->scale[j] = largest / 127;
    to->moved[j] = 128 * sum;
}

static vecna_status check_weights(vecna_view weights, const float *bias, const float *centre,
                                  vecna_error *err) {
    if (weights.rows == 0 || weights.dim == 0 || weights.stride < weights.dim)
        return vecna_error_set(err, VECNA_ERR_DIM, -1, "weights of %zu x %zu (stride %zu)",
                               weights.rows, weights.dim, weights.stride);
    if (weights.rows > INNER_MAX)
        return vecna_error_set(err, VECNA_ERR_OVERFLOW, -1,
                               "%zu int8 products can overflow an int32 sum; %d are the most",
                               weights.rows, INNER_MAX);
    for (size_t i = 0; i < weights.rows; i++) {
        for (size_t j = 0; j < weights.dim; j++)
            if (!isfinite(weights.data[i * weights.stride + j]))
                return vecna_error_set(err, VECNA_ERR_VALUE, (int64_t)i,
                                       "weight %zu, %zu is not finite", i, j);
        if (centre && !isfinite(centre[i]))
            return vecna_error_set(err, VECNA_ERR_VALUE, (int64_t)i, "centre %zu is not finite", i);
    }
    for (size_t j = 0; bias && j < weights.dim; j++)
        if (!isfinite(bias[j]))
            return vecna_error_set(err, VECNA_ERR_VALUE, (int64_t)j, "bias %zu is not finite", j);
    return VECNA_OK;
}

/* An object with room for its arrays in one allocation; all of it zero. */
static vecna_status new_weights(size_t inner, size_t dim, const vecna_allocator *allocator,
                                vecna_linalg_int8 **out, vecna_error *err) {
    const size_t quads = (inner + VNI_QUAD - 1) / VNI_QUAD;
    const size_t panels = (dim + VNI_PANEL - 1) / VNI_PANEL, columns = panels * VNI_PANEL;
    size_t packed, bytes = 0;
    unsigned char *at;
    vecna_linalg_int8 *made;
    if (vecna_size_mul(columns * VNI_QUAD, quads, &packed) &&
        vecna_size_add(packed, 3 * vni_packed_bytes(columns * sizeof(float)), &bytes))
        bytes += vni_packed_bytes(sizeof *made) + vni_packed_bytes(inner * sizeof(float)) +
                 VNI_PACKED_ALIGNMENT;
    made = bytes ? vecna_allocate_zero(allocator, bytes, 1) : NULL;
    if (made == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for int8 weights of %zu x %zu",
                               inner, dim);
    if (allocator) {
        made->allocator_copy = *allocator;
        made->allocator = &made->allocator_copy;
    }
    made->inner = inner;
    made->dim = dim;
    made->quads = quads;
    made->panels = panels;
    at = (unsigned char *)made + vni_packed_bytes(sizeof *made);
    at += (VNI_PACKED_ALIGNMENT - (uintptr_t)at % VNI_PACKED_ALIGNMENT) % VNI_PACKED_ALIGNMENT;
    made->panel = (int8_t *)at;
    made->offset = (float *)(void *)(at += packed);
    made->scale = (float *)(void *)(at += vni_packed_bytes(columns * sizeof(float)));
    made->moved = (int32_t *)(void *)(at += vni_packed_bytes(columns * sizeof(float)));
    made->centre = (float *)(void *)(at += vni_packed_bytes(columns * sizeof(float)));
    *out = made;
    return VECNA_OK;
}

vecna_status vecna_linalg_int8_new(vecna_view weights, const float *bias,
                                   const vecna_linalg_int8_options *options,
                                   vecna_linalg_int8 **out, vecna_error *err) {
    const vecna_allocator *allocator = options ? options->allocator : NULL;
    const float *given = options ? options->centre : NULL;
    vecna_linalg_int8 *made = NULL;
    vecna_status status = check_weights(weights, bias, given, err);
    if (status == VECNA_OK)
        status = new_weights(weights.rows, weights.dim, allocator, &made, err);
    if (status != VECNA_OK)
        return status;
    made->unit_rows = options && options->unit_rows;
    for (size_t i = 0; given && i < weights.rows; i++)
        made->centre[i] = given[i];
    for (size_t j = 0; j < weights.dim; j++)
        pack_column(made, weights, bias, j);
    *out = made;
    return VECNA_OK;
}

vecna_status vecna_linalg_int8_of_rows(vecna_view_i8 rows, const float *scales,
                                       const vecna_allocator *allocator, vecna_linalg_int8 **out,
                                       vecna_error *err) {
    vecna_linalg_int8 *made = NULL;
    if (rows.rows == 0 || rows.dim == 0 || rows.stride < rows.dim)
        return vecna_error_set(err, VECNA_ERR_DIM, -1, "int8 rows of %zu x %zu (stride %zu)",
                               rows.rows, rows.dim, rows.stride);
    if (rows.dim > INNER_MAX)
        return vecna_error_set(err, VECNA_ERR_OVERFLOW, -1,
                               "%zu int8 products can overflow an int32 sum; %d are the most",
                               rows.dim, INNER_MAX);
    vecna_status status = new_weights(rows.dim, rows.rows, allocator, &made, err);
    if (status != VECNA_OK)
        return status;
    for (size_t j = 0; j < rows.rows; j++) {
        const int8_t *row = rows.data + j * rows.stride;
        int8_t *panel = made->panel + j / VNI_PANEL * VNI_PANEL * made->quads * VNI_QUAD +
                        j % VNI_PANEL * VNI_QUAD;
        int32_t sum = 0;
        for (size_t i = 0; i < rows.dim; i++) {
            panel[i / VNI_QUAD * VNI_PANEL * VNI_QUAD + i % VNI_QUAD] = row[i];
            sum += row[i];
        }
        made->scale[j] = scales[j];
        made->moved[j] = 128 * sum;
    }
    *out = made;
    return VECNA_OK;
}

void vecna_linalg_int8_free(vecna_linalg_int8 *weights) {
    vecna_allocator copy;
    if (weights == NULL)
        return;
    copy = weights->allocator_copy;
    vecna_release(weights->allocator ? &copy : NULL, weights);
}

/* ---- products -------------------------------------------------------------------------------- */

/* What a row is multiplied by to have length 1; 1 for a row of length 0; NaN for one that is not
 * finite. Squares beyond float's range are added in double. */
static float row_factor(const vecna_linalg_int8 *weights, const float *row) {
    float lane[VNI_LANES] = {0};
    size_t i = 0, step;
    for (; i + VNI_LANES <= weights->inner; i += VNI_LANES)
        for (size_t j = 0; j < VNI_LANES; j++)
            lane[j] += row[i + j] * row[i + j];
    for (size_t j = 0; i < weights->inner; i++, j++)
        lane[j] += row[i] * row[i];
    for (step = VNI_LANES / 2; step > 0; step /= 2)
        for (size_t j = 0; j < step; j++)
            lane[j] += lane[j + step];
    if (lane[0] > 1e-30f && lane[0] < 1e30f)
        return weights->unit_rows ? 1 / sqrtf(lane[0]) : 1;
    double sum = 0;
    for (i = 0; i < weights->inner; i++)
        sum += (double)row[i] * row[i];
    if (!isfinite(sum))
        return NAN;
    return weights->unit_rows && sum > 0 ? (float)(1 / sqrt(sum)) : 1;
}

typedef struct int8_job {
    const vecna_linalg_int8 *weights;
    vecna_view in;
    vecna_matrix out;
} int8_job;

/* Quantised rows against panels `from` .. `to` of the weights, into out. */
static void panels_of(const vecna_linalg_int8 *weights, size_t from, size_t to, const uint8_t *rows,
                      const float *step, size_t count, vecna_matrix out) {
    const vni_int8_kernels *kernel = kernels();
    const size_t row_bytes = weights->quads * VNI_QUAD;
    for (size_t panel = from; panel < to; panel++) {
        const size_t first = panel * VNI_PANEL, left = weights->dim - first;
        for (size_t i = 0; i < count; i += VNI_TILE_ROWS) {
            vni_int8_tile tile = {rows + i * row_bytes, row_bytes, step + i,
                                  out.data + i * out.stride + first - from * VNI_PANEL, out.stride};
            kernel->product(weights, panel, &tile,
                            count - i < VNI_TILE_ROWS ? count - i : VNI_TILE_ROWS,
                            left < VNI_PANEL ? left : VNI_PANEL);
        }
    }
}

static void int8_chunk(void *user, size_t begin, size_t end, size_t worker) {
    alignas(VNI_PACKED_ALIGNMENT) uint8_t rows[CHUNK_BYTES];
    float step[CHUNK_BYTES / VNI_QUAD / VNI_LANES];
    const int8_job *job = user;
    const vecna_linalg_int8 *weights = job->weights;
    const vni_int8_kernels *kernel = kernels();
    const size_t row_bytes = weights->quads * VNI_QUAD, count = end - begin;
    (void)worker;
    for (size_t i = 0; i < count; i++) {
        const float *row = job->in.data + (begin + i) * job->in.stride;
        float by = row_factor(weights, row);
        if (isnan(by))
            step[i] = NAN, memset(rows + i * row_bytes, 128, row_bytes);
        else
            step[i] = kernel->quantise(weights, row, by, rows + i * row_bytes);
    }
    panels_of(weights, 0, weights->panels, rows, step, count,
              vecna_matrix_rows(job->out, begin, count));
}

vecna_status vecna_linalg_int8_product(const vecna_linalg_int8 *weights, vecna_view in,
                                       vecna_matrix out, vecna_pool *pool, vecna_error *err) {
    const size_t row_bytes = weights->quads * VNI_QUAD;
    const size_t most = CHUNK_BYTES / VNI_QUAD / VNI_LANES;
    size_t rows = CHUNK_BYTES / row_bytes < most ? CHUNK_BYTES / row_bytes : most;
    int8_job job = {weights, in, out};
    if (in.dim != weights->inner || out.dim != weights->dim || in.rows != out.rows)
        return vecna_error_set(err, VECNA_ERR_DIM, -1,
                               "%zu rows of %zu through int8 weights of %zu x %zu into %zu of %zu",
                               in.rows, in.dim, weights->inner, weights->dim, out.rows, out.dim);
    if (in.stride < in.dim || out.stride < out.dim)
        return vecna_error_set(err, VECNA_ERR_OVERFLOW, -1,
                               "a stride (%zu, %zu) is below its row's length (%zu, %zu)",
                               in.stride, out.stride, in.dim, out.dim);
    if (rows > VNI_TILE_ROWS)
        rows -= rows % VNI_TILE_ROWS;
    vecna_pool_run(pool, in.rows, rows, int8_chunk, &job);
    return VECNA_OK;
}

vecna_status vecna_linalg_int8_scores(const vecna_linalg_int8 *rows, size_t first, vecna_view_i8 in,
                                      const float *steps, vecna_matrix out, vecna_error *err) {
    alignas(VNI_PACKED_ALIGNMENT) uint8_t bytes[CHUNK_BYTES];
    const size_t row_bytes = rows->quads * VNI_QUAD, from = first / VNI_PANEL;
    const size_t most = CHUNK_BYTES / row_bytes;
    if (in.dim != rows->inner || in.stride < in.dim || in.rows != out.rows ||
        out.stride < out.dim || first % VNI_PANEL || first > rows->dim ||
        out.dim > rows->dim - first || (out.dim % VNI_PANEL && out.dim != rows->dim - first))
        return vecna_error_set(err, VECNA_ERR_DIM, -1,
                               "%zu int8 rows of %zu against %zu of %zu x %zu from row %zu on",
                               in.rows, in.dim, out.dim, rows->dim, rows->inner, first);
    const size_t to = from + (out.dim + VNI_PANEL - 1) / VNI_PANEL;
    const size_t step = most > VNI_TILE_ROWS ? most - most % VNI_TILE_ROWS : most;
    for (size_t at = 0; at < in.rows; at += step) {
        const size_t count = in.rows - at < step ? in.rows - at : step;
        for (size_t i = 0; i < count; i++) {
            const int8_t *row = in.data + (at + i) * in.stride;
            uint8_t *to_row = bytes + i * row_bytes;
            for (size_t j = 0; j < in.dim; j++)
                to_row[j] = (uint8_t)(row[j] ^ -128); /* + 128 */
            memset(to_row + in.dim, 128, row_bytes - in.dim);
        }
        panels_of(rows, from, to, bytes, steps + at, count, vecna_matrix_rows(out, at, count));
    }
    return VECNA_OK;
}

void vecna_linalg_int8_add(vecna_view_i8 rows, const int32_t *list, const float *by, size_t count,
                           float *out) {
    kernels()->add(rows, list, by, count, out);
}
