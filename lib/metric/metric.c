/* Metrics made of three sums. A kernel computes a.b, sum (a - b)^2 or sum |a - b|; what is a root,
 * a quotient or a count is finished here, once for all types and instructions. */
#include "metric/metric_impl.h"

#include <math.h>

static const char *const names[] = {"cosine", "dot", "l2", "l2sq", "l1", "hamming"};
enum { METRICS = sizeof names / sizeof names[0] };

const char *vecna_metric_name(vecna_metric metric) {
    return (size_t)metric < METRICS ? names[metric] : "unknown";
}

vecna_status vecna_metric_parse(const char *name, vecna_metric *out, vecna_error *err) {
    for (size_t i = 0; name != NULL && i < METRICS; i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (vecna_metric)i;
            return VECNA_OK;
        }
    return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                           "no metric is called '%.60s'; use cosine, dot, l2, l2sq, l1 or hamming",
                           name ? name : "(null)");
}

int vecna_metric_larger_is_nearer(vecna_metric metric) {
    return metric == VECNA_METRIC_DOT;
}

int vecna_metric_supports(vecna_metric metric, vecna_dtype dtype) {
    if ((size_t)metric >= METRICS || (size_t)dtype > VECNA_BIT)
        return 0;
    if (vni_metric_portable.of[dtype].dot == NULL)
        return 0;
    return metric != VECNA_METRIC_HAMMING || dtype == VECNA_BIT;
}

const char *vecna_metric_kernels(void) {
    return vni_metric_chosen()->name;
}

/* The quotient of two norms near zero or infinity must not under- or overflow, so the roots come
 * before the product. Rounding may carry a cosine beyond 1; NaN passes both comparisons. */
static double cosine_distance(double dot, double norm2_a, double norm2_b) {
    double cosine;
    if (norm2_a == 0 || norm2_b == 0)
        return norm2_a == norm2_a && norm2_b == norm2_b ? 1 : (double)NAN;
    if (isinf(norm2_a) || isinf(norm2_b))
        return (double)NAN;
    cosine = dot / (sqrt(norm2_a) * sqrt(norm2_b));
    cosine = cosine > 1 ? 1 : cosine;
    cosine = cosine < -1 ? -1 : cosine;
    return 1 - cosine;
}

/* norm2_a is a.a, which only cosine reads. */
static double measure(const vni_metric_kernel *kernel, vecna_metric metric, const void *a,
                      double norm2_a, const void *b, size_t dim) {
    double sums[2];
    switch (metric) {
    case VECNA_METRIC_DOT:
        return kernel->dot(a, b, dim);
    case VECNA_METRIC_L2:
        return sqrt(kernel->l2sq(a, b, dim));
    case VECNA_METRIC_L2SQ:
    case VECNA_METRIC_HAMMING:
        return kernel->l2sq(a, b, dim);
    case VECNA_METRIC_L1:
        return kernel->l1(a, b, dim);
    case VECNA_METRIC_COSINE:
        kernel->dot_and_norm(a, b, dim, sums);
        return cosine_distance(sums[0], norm2_a, sums[1]);
    }
    return (double)NAN;
}

static vecna_status check_supported(vecna_metric metric, vecna_dtype dtype, vecna_error *err) {
    if (vecna_metric_supports(metric, dtype))
        return VECNA_OK;
    if (metric == VECNA_METRIC_HAMMING && vecna_metric_supports(VECNA_METRIC_DOT, dtype))
        return vecna_error_set(
            err, VECNA_ERR_UNSUPPORTED, -1,
            "hamming counts bits and these vectors are %s; pack their signs with "
            "vecna_metric_to_bits",
            vecna_dtype_name(dtype));
    return vecna_error_set(err, VECNA_ERR_UNSUPPORTED, -1,
                           "there is no metric %s for vectors of %s; convert them to f32",
                           vecna_metric_name(metric), vecna_dtype_name(dtype));
}

vecna_status vecna_metric_pair(vecna_metric metric, vecna_dtype dtype, const void *a, const void *b,
                               size_t dim, double *out, vecna_error *err) {
    const vni_metric_kernel *kernel;
    vecna_status status = check_supported(metric, dtype, err);
    if (status != VECNA_OK)
        return status;
    kernel = &vni_metric_chosen()->of[dtype];
    *out = measure(kernel, metric, a, metric == VECNA_METRIC_COSINE ? kernel->dot(a, a, dim) : 0, b,
                   dim);
    return VECNA_OK;
}

vecna_status vecna_metric_rows(vecna_metric metric, const void *query, vecna_vectors rows,
                               float *out, vecna_error *err) {
    const unsigned char *row = rows.data;
    const vni_metric_kernel *kernel;
    double norm2;
    vecna_status status = check_supported(metric, rows.dtype, err);
    if (status != VECNA_OK)
        return status;
    if (rows.rows > 1 && rows.stride_bytes < vecna_dtype_bytes(rows.dtype, rows.dim))
        return vecna_error_set(
            err, VECNA_ERR_DIM, -1,
            "a stride of %zu bytes is shorter than a row of %zu dimensions of %s",
            rows.stride_bytes, rows.dim, vecna_dtype_name(rows.dtype));
    kernel = &vni_metric_chosen()->of[rows.dtype];
    norm2 = metric == VECNA_METRIC_COSINE ? kernel->dot(query, query, rows.dim) : 0;
    for (size_t i = 0; i < rows.rows; i++)
        out[i] =
            (float)measure(kernel, metric, query, norm2, row + i * rows.stride_bytes, rows.dim);
    return VECNA_OK;
}

/* ---- two float32 vectors -------------------------------------------------------------------- */

double vecna_metric_dot(const float *a, const float *b, size_t dim) {
    return vni_metric_chosen()->of[VECNA_F32].dot(a, b, dim);
}

double vecna_metric_cosine(const float *a, const float *b, size_t dim) {
    const vni_metric_kernel *kernel = &vni_metric_chosen()->of[VECNA_F32];
    return measure(kernel, VECNA_METRIC_COSINE, a, kernel->dot(a, a, dim), b, dim);
}

double vecna_metric_l2(const float *a, const float *b, size_t dim) {
    return sqrt(vecna_metric_l2sq(a, b, dim));
}

double vecna_metric_l2sq(const float *a, const float *b, size_t dim) {
    return vni_metric_chosen()->of[VECNA_F32].l2sq(a, b, dim);
}

double vecna_metric_l1(const float *a, const float *b, size_t dim) {
    return vni_metric_chosen()->of[VECNA_F32].l1(a, b, dim);
}

double vecna_metric_norm(const float *a, size_t dim) {
    return sqrt(vecna_metric_dot(a, a, dim));
}

/* ---- norms ---------------------------------------------------------------------------------- */

void vecna_metric_norms(vecna_view rows, double *out) {
    for (size_t i = 0; i < rows.rows; i++)
        out[i] = vecna_metric_norm(rows.data + i * rows.stride, rows.dim);
}

vecna_status vecna_metric_normalize(vecna_view in, vecna_matrix out, vecna_norm_report *report,
                                    vecna_error *err) {
    const vni_metric_table *table = vni_metric_chosen();
    vecna_norm_report found = {0, SIZE_MAX, 0, SIZE_MAX};
    if (in.rows != out.rows || in.dim != out.dim)
        return vecna_error_set(
            err, VECNA_ERR_DIM, -1,
            "%zu rows of %zu dimensions cannot be normalised into %zu rows of %zu", in.rows, in.dim,
            out.rows, out.dim);
    if (in.rows > 1 && (in.stride < in.dim || out.stride < out.dim))
        return vecna_error_set(err, VECNA_ERR_DIM, -1,
                               "a stride of %zu floats is shorter than a row of %zu",
                               in.stride < in.dim ? in.stride : out.stride, in.dim);
    for (size_t i = 0; i < in.rows; i++) {
        const float *from = in.data + i * in.stride;
        float *to = out.data + i * out.stride;
        double norm = sqrt(table->of[VECNA_F32].dot(from, from, in.dim));
        if (norm > 0 && isfinite(norm)) {
            table->scale(to, from, in.dim, 1 / norm);
            continue;
        }
        if (in.dim > 0)
            memmove(to, from, in.dim * sizeof *to);
        if (norm == 0 && found.zero_rows++ == 0)
            found.first_zero = i;
        if (norm != 0 && found.nonfinite_rows++ == 0)
            found.first_nonfinite = i;
    }
    if (report)
        *report = found;
    return VECNA_OK;
}

/* ---- conversions ---------------------------------------------------------------------------- */

void vecna_metric_to_i8(int8_t *out, const float *in, size_t count, float scale) {
    vni_metric_chosen()->to_i8(out, in, count, scale);
}

void vecna_metric_from_i8(float *out, const int8_t *in, size_t count, float scale) {
    for (size_t j = 0; j < count; j++)
        out[j] = (float)in[j] / scale;
}

void vecna_metric_to_bits(uint8_t *out, const float *in, size_t dim) {
    for (size_t byte = 0; byte < (dim + 7) / 8; byte++) {
        size_t begin = 8 * byte, end = begin + 8 < dim ? begin + 8 : dim;
        unsigned bits = 0;
        for (size_t j = begin; j < end; j++)
            bits |= (in[j] > 0.0f ? 0x80u : 0u) >> (j - begin);
        out[byte] = (uint8_t)bits;
    }
}
