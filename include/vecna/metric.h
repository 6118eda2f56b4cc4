/* vecna/metric.h — how near two vectors are: dot, cosine, l2, l2sq, l1 and hamming over float32,
 * float16, bfloat16, int8 and bit vectors; norms, normalisation, and the conversions between types.
 *
 * Numerics of every metric
 *   Floats    Elements are widened exactly, sums are float64. A dot product is within
 *             dim * 2^-53 * sum |a_j b_j| of the exact one, the others within (dim + 3) * 2^-53
 *             relative (cosine: absolute, times 2), before anything is rounded to float32.
 *             Finite float32 never overflows: the largest sum is below 1e80 at any length.
 *   int8      Exact integers while the sum is below 2^53, which takes more than 2^37 dimensions to
 *             break; 32-bit accumulators are emptied before they can overflow.
 *   bits      Exact counts. Bits behind dim in the last byte are ignored.
 *   NaN, inf  As IEEE 754 has it: NaN in, NaN out; inf - inf and 0 * inf are NaN. The cosine of a
 *             vector whose norm is infinite is NaN. Nothing is checked on the way:
 *             vecna_metric_normalize and the readers report such rows.
 *   Machines  AVX2, AVX-512 (with VNNI and VPOPCNTDQ where present) and NEON kernels are chosen when
 *             first used. They add in different orders, so a result can differ between machines in
 *             the last bits of a float64, and a float32 output by one unit in the last place; int8
 *             and bits never differ.
 * No function here allocates. All are safe from any thread. Vectors behind void pointers need no
 * alignment; others that of their type.
 */
#ifndef VECNA_METRIC_H
#define VECNA_METRIC_H

#include "vecna/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What is measured. All but dot are distances: 0 is nearest. */
typedef enum vecna_metric {
    VECNA_METRIC_COSINE = 0,  /* 1 - a.b / (|a| |b|), 0 .. 2; 1 where a norm is 0 */
    VECNA_METRIC_DOT = 1,     /* a.b; the larger, the nearer */
    VECNA_METRIC_L2 = 2,      /* sqrt of sum (a_j - b_j)^2 */
    VECNA_METRIC_L2SQ = 3,    /* sum (a_j - b_j)^2 */
    VECNA_METRIC_L1 = 4,      /* sum |a_j - b_j| */
    VECNA_METRIC_HAMMING = 5, /* bits that differ */
} vecna_metric;

/* Name ("cosine"); "unknown" for other values. Static. */
VECNA_API const char *vecna_metric_name(vecna_metric metric);
/* The metric of a name. Errors: VECNA_ERR_ARGUMENT with the names that exist. */
VECNA_API VECNA_CHECK vecna_status vecna_metric_parse(const char *name, vecna_metric *out,
                                                      vecna_error *err);
/* 1 when a larger value means nearer (dot), else 0. */
VECNA_API int vecna_metric_larger_is_nearer(vecna_metric metric);
/* 1 when the metric exists for the type. hamming: bits only (pack signs with vecna_metric_to_bits).
 * Bits count as vectors of 0 and 1: dot is the number of common ones, l1 and l2sq are hamming, l2
 * its root, cosine as defined. Others: f32, f16, bf16, i8; never f64, u8, i32. */
VECNA_API int vecna_metric_supports(vecna_metric metric, vecna_dtype dtype);

/* Instructions in use: "portable", "avx2", "avx512", "avx512vnni" or "neon". Static. */
VECNA_API const char *vecna_metric_kernels(void);

/* ---- two float32 vectors -------------------------------------------------------------------- */

/* The metrics of their names over a[0 .. dim) and b[0 .. dim). dim 0 gives 0, and cosine 1.
 * Cannot fail. Source: docs/metrics.md. Since 0.1. */
VECNA_API double vecna_metric_dot(const float *a, const float *b, size_t dim);
VECNA_API double vecna_metric_cosine(const float *a, const float *b, size_t dim);
VECNA_API double vecna_metric_l2(const float *a, const float *b, size_t dim);
VECNA_API double vecna_metric_l2sq(const float *a, const float *b, size_t dim);
VECNA_API double vecna_metric_l1(const float *a, const float *b, size_t dim);
/* Euclidean length; exact to 1e-16 * dim even where the squares would leave float32. */
VECNA_API double vecna_metric_norm(const float *a, size_t dim);

/* ---- any type ------------------------------------------------------------------------------- */

/* One value of `metric` between two vectors of dim elements of dtype.
 *   a, b  vecna_dtype_bytes(dtype, dim) bytes each, any alignment
 *   out   one float64
 * Errors: VECNA_ERR_UNSUPPORTED when the metric does not exist for the type. Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_metric_pair(vecna_metric metric, vecna_dtype dtype,
                                                     const void *a, const void *b, size_t dim,
                                                     double *out, vecna_error *err);

/* Borrowed rows of any type: row i starts at data + i * stride_bytes. */
typedef struct vecna_vectors {
    const void *data;
    vecna_dtype dtype;
    size_t rows;
    size_t dim;
    size_t stride_bytes; /* from one row to the next, at least vecna_dtype_bytes(dtype, dim) */
} vecna_vectors;

static inline vecna_vectors vecna_vectors_of(vecna_view view) {
    vecna_vectors all = {view.data, VECNA_F32, view.rows, view.dim, view.stride * sizeof(float)};
    return all;
}

/* One query against each row.
 *   query  (dim)   of the rows' type
 *   out    (rows)  the float64 of vecna_metric_pair(query, row), rounded to float32; must not overlap
 * Errors: VECNA_ERR_UNSUPPORTED as above; VECNA_ERR_DIM when the stride is shorter than a row and
 *         there are two rows or more; out is then untouched. Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_metric_rows(vecna_metric metric, const void *query,
                                                     vecna_vectors rows, float *out,
                                                     vecna_error *err);

/* ---- norms ---------------------------------------------------------------------------------- */

/* Rows that have no direction. */
typedef struct vecna_norm_report {
    size_t zero_rows;       /* norm exactly 0 */
    size_t first_zero;      /* SIZE_MAX when none */
    size_t nonfinite_rows;  /* hold NaN or infinity */
    size_t first_nonfinite; /* SIZE_MAX when none */
} vecna_norm_report;

/* out[i] = Euclidean length of row i, float64. A stride below dim is the caller's mistake. */
VECNA_API void vecna_metric_norms(vecna_view rows, double *out);

/* Rows at unit length.
 *   in      (rows, dim)
 *   out     (rows, dim)  may be `in` itself (same data and stride); must not overlap it otherwise
 *   report  counts and first row numbers; NULL: not wanted
 * A row of zeros, and one that holds NaN or infinity, is copied as it is and reported.
 * Numerics: each element is x / |row| within 1 ulp of float32; |out row| - 1 is below 1e-7. Rows of
 *           subnormals and rows of 1e38 come out right too.
 * Errors:   VECNA_ERR_DIM when the shapes disagree or a stride is below dim. Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_metric_normalize(vecna_view in, vecna_matrix out,
                                                          vecna_norm_report *report,
                                                          vecna_error *err);

/* ---- conversions (f16 and bf16: vecna/base.h) ----------------------------------------------- */

/* out[j] = in[j] * scale rounded to nearest (ties to even), within -127 .. 127; NaN becomes 0.
 * -128 is never made, so that negation stays inside. A usual scale is 127 / max |in|, or 127 for
 * unit vectors. Same bytes on every machine while scale is finite. */
VECNA_API void vecna_metric_to_i8(int8_t *out, const float *in, size_t count, float scale);
/* out[j] = in[j] / scale, rounded once. */
VECNA_API void vecna_metric_from_i8(float *out, const int8_t *in, size_t count, float scale);
/* One bit a dimension, set where in[j] > 0 (NaN: not), the first in the most significant bit; pads
 * the last byte with zeros. out has (dim + 7) / 8 bytes. */
VECNA_API void vecna_metric_to_bits(uint8_t *out, const float *in, size_t dim);

#ifdef __cplusplus
}
#endif
#endif
