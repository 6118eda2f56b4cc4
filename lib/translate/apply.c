/* Applying a map: one product, then a pass over what it wrote while that is in the cache. The
 * centre is folded into the bias when the map is made; a row's own length is divided out here,
 * because the bias is right only beside a row of the length that the map was fitted on. */
#include "translate/memory_impl.h"

#include <math.h>

/* A memory looks at a cell of its pairs once a block. */
enum { BLOCK_ROWS = 1024, BLOCK_ROWS_MEMORY = 4096 };

/* Up to these weights of fewer bits, used once for every row, are faster than floats used for many. */
enum { ROWS_INT12 = 12, ROWS_F16 = 4 };

typedef struct applying {
    const vecna_map *map;
    vecna_view in;
    vecna_matrix out;
    int normalized;          /* bring the results to unit length */
    int base_normalized;     /* bring the product to it: without a memory the same */
    vecna_status failed[64]; /* by worker, to be looked at in the end */
} applying;

/* 8 sums of floats: one pass over a row that is in the cache. */
static float square_length(const float *row, size_t dim) {
    float sum[8] = {0};
    size_t j = 0;
    for (; j + 8 <= dim; j += 8) {
        for (size_t k = 0; k < 8; k++) {
            sum[k] += row[j + k] * row[j + k];
        }
    }
    for (; j < dim; j++) {
        sum[0] += row[j] * row[j];
    }
    return ((sum[0] + sum[4]) + (sum[1] + sum[5])) + ((sum[2] + sum[6]) + (sum[3] + sum[7]));
}

/* Squares of numbers that are very large or very small leave the range of float: then in double. */
static void divide_carefully(float *row, size_t dim, const float *by, size_t by_dim) {
    double sum = 0;
    for (size_t j = 0; j < by_dim; j++) {
        sum += (double)by[j] * by[j];
    }
    if (sum > 0 && isfinite(sum)) {
        const double scale = 1 / sqrt(sum);
        for (size_t j = 0; j < dim; j++) {
            row[j] = (float)(row[j] * scale);
        }
    }
}

/* Divide `row` by the length of `by`; by a length of 0, or one that is not finite, not at all. */
static void divide_by_length(float *row, size_t dim, const float *by, size_t by_dim) {
    const float square = square_length(by, by_dim);
    if (!(square > 1e-30f && square < 1e30f)) {
        divide_carefully(row, dim, by, by_dim);
        return;
    }
    const float scale = 1 / sqrtf(square);
    for (size_t j = 0; j < dim; j++) {
        row[j] *= scale;
    }
}

static void finish_row(const vecna_map *map, int normalized, const float *in, float *out) {
    const size_t dim = map->target_dim;
    if (map->source_normalized) {
        divide_by_length(out, dim, in, map->source_dim);
    }
    for (size_t j = 0; j < dim; j++) {
        out[j] += map->bias[j];
    }
    if (normalized) {
        divide_by_length(out, dim, out, dim);
    }
}

/* Bytes in place of floats: the product divides by the row's length and adds the bias itself. */
static vecna_status apply_int8(const applying *a, size_t begin, size_t count) {
    vecna_matrix out = vecna_matrix_rows(a->out, begin, count);
    vecna_status status = vecna_linalg_int8_product(
        a->map->int8, vecna_view_rows(a->in, begin, count), out, NULL, NULL);
    for (size_t i = 0; i < count && !status && a->base_normalized; i++) {
        float *row = out.data + i * out.stride;
        divide_by_length(row, out.dim, row, out.dim);
    }
    return status;
}

static vecna_status apply_floats(const applying *a, size_t begin, size_t end) {
    const size_t count = end - begin;
    const vecna_view in = vecna_view_rows(a->in, begin, count);
    const vecna_matrix out = vecna_matrix_rows(a->out, begin, count);
    const vecna_view weights =
        vecna_view_dense(a->map->weights, a->map->source_dim, a->map->target_dim);
    vecna_status status = a->map->int12 && count <= ROWS_INT12
                              ? vecna_linalg_int12_product(a->map->int12, in, out, NULL)
                          : a->map->f16 && count <= ROWS_F16
                              ? vecna_linalg_f16_product(a->map->f16, in, out, NULL)
                              : vecna_linalg_product(in, weights, out, NULL, NULL);
    for (size_t i = begin; i < end && !status; i++) {
        finish_row(a->map, a->base_normalized, a->in.data + i * a->in.stride,
                   a->out.data + i * a->out.stride);
    }
    return status;
}

/* What the nearest pairs say of what was translated. */
static vecna_status apply_memory(const applying *a, size_t begin, size_t count) {
    vecna_matrix out = vecna_matrix_rows(a->out, begin, count);
    vecna_status status =
        vni_memory_correct(a->map->memory, vecna_view_rows(a->in, begin, count), out, NULL, NULL);
    for (size_t i = 0; i < count && !status && a->normalized; i++) {
        float *row = out.data + i * out.stride;
        divide_by_length(row, out.dim, row, out.dim);
    }
    return status;
}

static void apply_block(void *user, size_t begin, size_t end, size_t worker) {
    applying *a = user;
    vecna_status status =
        a->map->int8 ? apply_int8(a, begin, end - begin) : apply_floats(a, begin, end);
    if (!status && a->map->memory) {
        status = apply_memory(a, begin, end - begin);
    }
    if (status) {
        a->failed[worker % 64] = status;
    }
}

static vecna_status apply(const vecna_map *map, vecna_view in, vecna_matrix out, int normalized,
                          vecna_pool *pool, vecna_error *err) {
    if (in.dim != map->source_dim) {
        return vecna_error_set(err, VECNA_ERR_DIM, -1,
                               "the rows have %zu dimensions, the map reads %zu: give vectors of "
                               "\"%s\"",
                               in.dim, map->source_dim, map->source_name);
    }
    if (out.dim != map->target_dim || out.rows != in.rows) {
        return vecna_error_set(err, VECNA_ERR_DIM, -1,
                               "room for %zu rows of %zu is given, the map writes %zu of %zu",
                               out.rows, out.dim, in.rows, map->target_dim);
    }
    applying a = {.map = map, .in = in, .out = out, .normalized = normalized};
    a.base_normalized = normalized && !map->memory;
    vecna_pool_run(pool, in.rows, map->memory ? BLOCK_ROWS_MEMORY : BLOCK_ROWS, apply_block, &a);
    for (size_t i = 0; i < 64; i++) {
        if (a.failed[i]) {
            return vecna_error_set(err, a.failed[i], -1, "%zu rows cannot be translated", in.rows);
        }
    }
    return VECNA_OK;
}

vecna_status vecna_map_apply(const vecna_map *map, vecna_view in, vecna_matrix out,
                             vecna_pool *pool, vecna_error *err) {
    return apply(map, in, out, map->normalized, pool, err);
}

vecna_status vecna_map_apply_raw(const vecna_map *map, vecna_view in, vecna_matrix out,
                                 vecna_pool *pool, vecna_error *err) {
    return apply(map, in, out, 0, pool, err);
}
