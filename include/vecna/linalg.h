/* vecna/linalg.h — products and factorisations of dense matrices.
 *
 * float32 products run on oneDNN, float64 ones and all factorisations on OpenBLAS and LAPACKE,
 * which are loaded on first use: the kernel that OpenBLAS 0.3.21 chooses by itself on processors
 * newer than it is a fallback five times slower, so the core type is chosen here, unless the user
 * has set OPENBLAS_CORETYPE. Matrices are row-major. No function here keeps a pointer to its
 * operands. */
#ifndef VECNA_LINALG_H
#define VECNA_LINALG_H

#include "vecna/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- float32 products ------------------------------------------------------------------------ */

/* out = a b.
 *   a    (rows, inner)   any finite values; NaN and infinity propagate
 *   b    (inner, dim)
 *   out  (rows, dim)     overwritten; must not overlap a or b
 * Numerics: float32 products and sums in an order of the library's choosing: relative error of a
 *           sum of n products about 1e-7 * sqrt(n). A row's result depends on the number of rows
 *           at most in its last bits.
 * Memory:   oneDNN may allocate scratch. Rows are shared out among the pool; NULL: one thread.
 *           Safe from any thread, also inside a task of a pool.
 * Errors:   VECNA_ERR_DIM when the shapes disagree; VECNA_ERR_OVERFLOW for a stride below dim;
 *           VECNA_ERR_LIBRARY when oneDNN refuses. Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_linalg_product(vecna_view a, vecna_view b,
                                                        vecna_matrix out, vecna_pool *pool,
                                                        vecna_error *err);
/* out = a b', with b (dim, inner): all dot products of the rows of a with the rows of b. Otherwise
 * as vecna_linalg_product. */
VECNA_API VECNA_CHECK vecna_status vecna_linalg_product_rows(vecna_view a, vecna_view b,
                                                             vecna_matrix out, vecna_pool *pool,
                                                             vecna_error *err);

/* ---- int8 products --------------------------------------------------------------------------- */

/* Borrowed int8 matrix: row i starts at data + i * stride, counted in elements. */
typedef struct vecna_view_i8 {
    const int8_t *data;
    size_t rows;
    size_t dim;
    size_t stride;
} vecna_view_i8;

/* out[i * out_stride + j] = sum over a's row i and b's row j, exact.
 *   a  (rows, inner), b  (columns, inner)  any values
 *   out  a.rows rows of b.rows int32
 * Numerics: exact on every machine while inner <= 131071; int8 instructions where the processor has
 *           VNNI, at four times the pace of float32; float32 ones, at its pace, where it has not.
 * Memory:   without VNNI 5 MiB for each thread. Threads as above.
 * Errors:   VECNA_ERR_DIM; VECNA_ERR_OVERFLOW for a longer inner; VECNA_ERR_MEMORY;
 *           VECNA_ERR_LIBRARY. Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_linalg_product_rows_i8(vecna_view_i8 a, vecna_view_i8 b,
                                                                int32_t *out, size_t out_stride,
                                                                vecna_pool *pool, vecna_error *err);

/* ---- int8 weights ---------------------------------------------------------------------------- */

/* Weights as bytes, packed once, for products with rows of float32 that are quantised as they come:
 * about four times the pace of float32 where the processor has AVX-512 VNNI, for many rows and for
 * one. out ~ (row - centre) W + centre W + bias. */
typedef struct vecna_linalg_int8 vecna_linalg_int8;

typedef struct vecna_linalg_int8_options {
    const float *centre; /* (weights.rows) near the mean of the rows to come; NULL: 0. What is far
                            from it is rounded coarsely: give it for rows that share a large mean */
    int unit_rows;       /* rows are divided by their length first; one of length 0 is not */
    const vecna_allocator *allocator;
} vecna_linalg_int8_options;

/* Quantise and pack weights (inner, dim), one scale a column, and bias (dim; NULL: 0). options NULL:
 * all of it 0.
 * Memory:   one allocation, about inner * dim bytes. Nothing given is kept. Free with _free.
 * Errors:   VECNA_ERR_DIM for no weights; VECNA_ERR_OVERFLOW for more than 65536 inner dimensions;
 *           VECNA_ERR_VALUE for what is not finite; VECNA_ERR_MEMORY. Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_linalg_int8_new(vecna_view weights, const float *bias,
                                                         const vecna_linalg_int8_options *options,
                                                         vecna_linalg_int8 **out, vecna_error *err);
VECNA_API void vecna_linalg_int8_free(vecna_linalg_int8 *weights);

/* out = the product of every row of in.
 *   in   (rows, inner)  finite; a row with NaN or infinity becomes NaN
 *   out  (rows, dim)    overwritten; must not overlap in
 * Numerics: the row's largest distance from the centre is 127 steps, each value is rounded to a step;
 *           weights likewise by column. Sums are exact; the same bits with every instruction set.
 *           On unit rows of 384 to 1536 dimensions the cosine to the float32 result is above 0.9999
 *           with a centre (docs/translators.md).
 * Memory:   128 KiB of stack. Rows are shared out among the pool; NULL: one thread. Safe from any
 *           thread.
 * Errors:   VECNA_ERR_DIM; VECNA_ERR_OVERFLOW for a stride below its row. Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_linalg_int8_product(const vecna_linalg_int8 *weights,
                                                             vecna_view in, vecna_matrix out,
                                                             vecna_pool *pool, vecna_error *err);
/* Pack rows that are bytes already, to be asked many times.
 *   rows    (count, inner)  -127 .. 127
 *   scales  (count)         of the codes
 * Memory:   one allocation, about inner * count bytes, count rounded up to 64. Nothing given is kept.
 * Errors:   as vecna_linalg_int8_new. Since 0.2. */
VECNA_API VECNA_CHECK vecna_status vecna_linalg_int8_of_rows(vecna_view_i8 rows,
                                                             const float *scales,
                                                             const vecna_allocator *allocator,
                                                             vecna_linalg_int8 **out,
                                                             vecna_error *err);
/* out[i][j] = (steps[i] * scales[first + j]) * (in's row i . the rows' row first + j).
 *   first  a multiple of 64; out.dim is one too, unless out goes as far as the last row
 *   in     (rows, inner)  -127 .. 127
 *   out    (rows, some of the rows)
 * Numerics: sums are exact and multiplied in this order: the same bits with every instruction set.
 * Memory:   128 KiB of stack. Safe from any thread. Errors: VECNA_ERR_DIM. Since 0.2. */
VECNA_API VECNA_CHECK vecna_status vecna_linalg_int8_scores(const vecna_linalg_int8 *rows,
                                                            size_t first, vecna_view_i8 in,
                                                            const float *steps, vecna_matrix out,
                                                            vecna_error *err);
/* out += by[i] * row list[i] of the rows, i from 0 to count - 1, each product rounded by itself: the same
 * bits with every instruction set.
 *   list  (count)  below rows.rows;  out (rows.dim). Since 0.2. */
VECNA_API void vecna_linalg_int8_add(vecna_view_i8 rows, const int32_t *list, const float *by,
                                     size_t count, float *out);
/* 1 where the processor has AVX-512 VNNI; elsewhere int8 weights save memory and no time. */
VECNA_API int vecna_linalg_int8_is_fast(void);

/* ---- 16-bit weights -------------------------------------------------------------------------- */

/* Weights (inner, dim) as halves, packed for products with one row or a handful: such a product takes
 * as long as its weights take to be read, and these are half as many bytes as floats. From about 8
 * rows on vecna_linalg_product is faster. Opaque; read-only once made. */
typedef struct vecna_linalg_f16 vecna_linalg_f16;

/* Round and pack weights. They are rounded in place too, so that float32 products with them agree with
 * these: a half is 11 significant bits, times a power of two for each column.
 * Memory:   one allocation, about 2 * inner * dim bytes. Free with _free.
 * Errors:   VECNA_ERR_DIM for no weights; VECNA_ERR_VALUE for what is not finite; VECNA_ERR_MEMORY.
 *           `weights` is then as it was. Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_linalg_f16_new(vecna_matrix weights,
                                                        const vecna_allocator *allocator,
                                                        vecna_linalg_f16 **out, vecna_error *err);
VECNA_API void vecna_linalg_f16_free(vecna_linalg_f16 *weights);

/* out = the product of every row of in.
 *   in   (rows, inner)
 *   out  (rows, dim)    overwritten; must not overlap in
 * Numerics: sums in float32. Rounding the weights moves a translation by a cosine of 1e-7 at most
 *           (tests/server/test_real.py).
 * Errors:   VECNA_ERR_DIM; VECNA_ERR_OVERFLOW for a stride below its row. Safe from any thread. Since
 *           0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_linalg_f16_product(const vecna_linalg_f16 *weights,
                                                            vecna_view in, vecna_matrix out,
                                                            vecna_error *err);
/* 1 where the processor widens halves itself (F16C, AVX-512); elsewhere this saves memory alone. */
VECNA_API int vecna_linalg_f16_is_fast(void);

/* Weights of 12 bits, packed once, for products of one row or a few: three quarters of what halves
 * read, in half the time or less where the processor has AVX-512 VNNI. */
typedef struct vecna_linalg_int12 vecna_linalg_int12;

/* Round and pack weights (inner, dim): whole numbers of -2047 to 2047 times a scale for each column. They
 * are rounded in place too, so that float32 products with them agree with these. A column whose largest
 * weight is below 1e-30 becomes 0.
 * Memory:   one allocation, about 1.5 * inner * dim bytes. Free with _free.
 * Errors:   VECNA_ERR_DIM for no weights; VECNA_ERR_OVERFLOW for more than 65536 inner dimensions;
 *           VECNA_ERR_VALUE for what is not finite; VECNA_ERR_MEMORY. `weights` is then as it was.
 *           Since 0.2. */
VECNA_API VECNA_CHECK vecna_status vecna_linalg_int12_new(vecna_matrix weights,
                                                          const vecna_allocator *allocator,
                                                          vecna_linalg_int12 **out,
                                                          vecna_error *err);
VECNA_API void vecna_linalg_int12_free(vecna_linalg_int12 *weights);

/* out = the product of every row of in.
 *   in   (rows, inner)  a row with NaN or infinity becomes NaN, one whose largest number is below 1e-30
 *                       zero
 *   out  (rows, dim)    overwritten; must not overlap in
 * Numerics: a row is rounded to whole numbers of 16 bits; sums are exact. The cosine to the float32 product with the
 *           rounded weights is 1 - 1e-9, to the product before rounding 1 - 1e-7; 1 - 2e-5 where one
 *           weight of a column is a hundred times its others (docs/translators.md). The same bits with every
 *           instruction set.
 * Memory:   128 KiB of stack. Safe from any thread.
 * Errors:   VECNA_ERR_DIM; VECNA_ERR_OVERFLOW for a stride below its row. Since 0.2. */
VECNA_API VECNA_CHECK vecna_status vecna_linalg_int12_product(const vecna_linalg_int12 *weights,
                                                              vecna_view in, vecna_matrix out,
                                                              vecna_error *err);
/* 1 where the processor has AVX-512 VNNI; elsewhere floats or halves are faster. */
VECNA_API int vecna_linalg_int12_is_fast(void);

/* ---- float64 --------------------------------------------------------------------------------- */

typedef struct vecna_view_f64 {
    const double *data;
    size_t rows;
    size_t dim;
    size_t stride; /* doubles from one row to the next */
} vecna_view_f64;

typedef struct vecna_matrix_f64 {
    double *data;
    size_t rows;
    size_t dim;
    size_t stride;
} vecna_matrix_f64;

static inline vecna_view_f64 vecna_view_f64_dense(const double *data, size_t rows, size_t dim) {
    vecna_view_f64 view = {data, rows, dim, dim};
    return view;
}
static inline vecna_matrix_f64 vecna_matrix_f64_dense(double *data, size_t rows, size_t dim) {
    vecna_matrix_f64 matrix = {data, rows, dim, dim};
    return matrix;
}

/* Which operands of a product are transposed. */
enum { VECNA_TRANSPOSE_NONE = 0, VECNA_TRANSPOSE_A = 1, VECNA_TRANSPOSE_B = 2 };

/* out = op(a) op(b). Every float64 function uses the CPUs allowed, whatever thread calls.
 * Errors: VECNA_ERR_DIM; VECNA_ERR_LIBRARY when LAPACKE or OpenBLAS is not installed. */
VECNA_API VECNA_CHECK vecna_status vecna_linalg_product_f64(vecna_view_f64 a, vecna_view_f64 b,
                                                            int transpose, vecna_matrix_f64 out,
                                                            vecna_error *err);

/* gram += x' x and cross += x' y over rows of float32, in float64.
 *   x      (rows, p), y (rows, q) with the same rows; y.data NULL: no cross product
 *   shift_x (p), shift_y (q)  subtracted from every row first; NULL: nothing is
 *   gram   (p, p) whole, both triangles; NULL: not wanted
 *   cross  (p, q)
 * Numerics: rows are widened to float64 before they are multiplied: the error of a sum over n rows
 *           is about 1e-16 * sqrt(n), so millions of rows lose no digits that float32 data has. The
 *           result does not depend on how rows are split over calls beyond that.
 *           single: less than half the time; an entry is off by about 1e-8 of the square root of
 *           the product of its two diagonal entries, so directions of a variance below 1e-7 of the
 *           largest are noise. Give a shift near the mean: products of what rows share would take
 *           the digits of what tells them apart.
 * Memory:   8 * 512 * (p + q) bytes from the allocator (NULL malloc); single: 4 * 1024 * (p + q), and
 *           1024 * (p + q) for each thread.
 * Errors:   VECNA_ERR_DIM, VECNA_ERR_MEMORY, VECNA_ERR_LIBRARY; sums are then untouched or hold
 *           some blocks of the rows, and must be thrown away. */
typedef struct vecna_gram {
    double *gram;
    double *cross;
    const double *shift_x;
    const double *shift_y;
    const vecna_allocator *allocator;
    int single;       /* blocks of 1024 rows are multiplied in float32, and summed in float64 */
    vecna_pool *pool; /* of `single`; NULL: in the calling thread */
} vecna_gram;
VECNA_API VECNA_CHECK vecna_status vecna_linalg_gram_add(const vecna_gram *sums, vecna_view x,
                                                         vecna_view y, vecna_error *err);

/* sum (dim) += the rows of x, in float64. */
VECNA_API void vecna_linalg_sum_add(vecna_view x, double *sum);

/* ---- factorisations, float64, dense (stride == dim) ------------------------------------------ */

/* Eigenvalues and eigenvectors of a symmetric matrix.
 *   a       (size, size)  in: the matrix (the lower triangle is read); out: row i is the unit
 *           eigenvector of values[i], its largest component positive
 *   values  (size)        descending
 * Numerics: |a v - value v| within 1e-14 * size * largest |value|.
 * Errors:   VECNA_ERR_NUMERIC when it does not converge or an entry is not finite;
 *           VECNA_ERR_MEMORY; VECNA_ERR_LIBRARY. */
VECNA_API VECNA_CHECK vecna_status vecna_linalg_eigen(double *a, size_t size, double *values,
                                                      vecna_error *err);

/* The `count` largest eigenvalues of a symmetric matrix, and their vectors: less than half the time of
 * all of them.
 *   a        (size, size)  destroyed (the lower triangle is read)
 *   values   (size)        the first `count`, descending; what is behind them is scratch
 *   vectors  (count, size) row i is the unit eigenvector of values[i], its largest component positive
 * Errors: as vecna_linalg_eigen; VECNA_ERR_DIM for a count above size. Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_linalg_eigen_top(double *a, size_t size, size_t count,
                                                          double *values, double *vectors,
                                                          vecna_error *err);

/* Thin singular value decomposition a = left diag(values) right, k = min(rows, dim).
 *   a       (rows, dim)  destroyed
 *   left    (rows, k)    orthonormal columns
 *   values  (k)          descending, at least 0
 *   right   (k, dim)     orthonormal rows
 * Errors: as vecna_linalg_eigen. */
VECNA_API VECNA_CHECK vecna_status vecna_linalg_svd(vecna_matrix_f64 a, double *left,
                                                    double *values, double *right,
                                                    vecna_error *err);

/* Solve a x = b for a symmetric positive definite a.
 *   a  (size, size)     destroyed: its lower triangle becomes the Cholesky factor
 *   b  (size, columns)  in: right sides; out: solutions
 * Errors: VECNA_ERR_NUMERIC when a is not positive definite (position: the first pivot that is not
 *         positive; add to the diagonal); VECNA_ERR_LIBRARY. */
VECNA_API VECNA_CHECK vecna_status vecna_linalg_solve_spd(double *a, size_t size, double *b,
                                                          size_t columns, vecna_error *err);

/* Orthonormal columns that span those of a: a = q r with r's diagonal positive, which makes q
 * unique, the same on every machine up to rounding.
 *   a  (rows, dim)  rows >= dim; in: full column rank; out: q
 * Errors: VECNA_ERR_DIM; VECNA_ERR_NUMERIC when the columns are dependent; VECNA_ERR_MEMORY;
 *         VECNA_ERR_LIBRARY. */
VECNA_API VECNA_CHECK vecna_status vecna_linalg_orthonormal(double *a, size_t rows, size_t dim,
                                                            vecna_error *err);

/* ---- what runs ------------------------------------------------------------------------------- */

typedef struct vecna_linalg_kernels {
    const char *onednn_isa;    /* "avx512_core_bf16", ... static */
    const char *openblas_core; /* "SkylakeX", ...; "" when another BLAS is installed. Static */
    int openblas_chosen;       /* 1 when the core type was chosen here, 0 by the user or OpenBLAS */
} vecna_linalg_kernels;

/* Errors: VECNA_ERR_LIBRARY when LAPACKE is not installed. */
VECNA_API VECNA_CHECK vecna_status vecna_linalg_about(vecna_linalg_kernels *out, vecna_error *err);

#ifdef __cplusplus
}
#endif
#endif
