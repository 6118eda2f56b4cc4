/* float32 and int8 products on oneDNN. Rows are shared out by our own pool in chunks, each product
 * in one thread: the pool knows what the cgroup allows, OpenMP does not, and a caller that works on
 * many blocks at once must not start a second army of threads. */
#include "linalg/linalg_impl.h"

#include <dnnl.h>

/* Rows of a chunk: enough that packing the other operand anew each time costs little, few enough
 * that two threads share a block of some thousand rows evenly. From 256 rows on dnnl_sgemm is as
 * fast as oneDNN's matmul primitive over weights packed once (1536 -> 768 on a Zen 4 core: both
 * within 3 % of 104 GFLOP/s), so no packed form of weights is kept. */
enum { CHUNK_ROWS = 512, INT8_INNER_MAX = 131071 };

typedef struct product_job {
    vecna_view a, b;
    vecna_matrix out;
    char trans_b;
    size_t inner;
    int failed; /* set by any chunk; read after all have ended */
} product_job;

static void product_chunk(void *user, size_t begin, size_t end, size_t worker) {
    product_job *job = user;
    int threads = vni_single_thread_begin();
    (void)worker;
    if (dnnl_sgemm('N', job->trans_b, (dnnl_dim_t)(end - begin), (dnnl_dim_t)job->out.dim,
                   (dnnl_dim_t)job->inner, 1.0f, job->a.data + begin * job->a.stride,
                   (dnnl_dim_t)job->a.stride, job->b.data, (dnnl_dim_t)job->b.stride, 0.0f,
                   job->out.data + begin * job->out.stride,
                   (dnnl_dim_t)job->out.stride) != dnnl_success)
        __atomic_store_n(&job->failed, 1, __ATOMIC_RELAXED);
    vni_single_thread_end(threads);
}

static vecna_status check_strides(vecna_view a, vecna_view b, vecna_matrix out, vecna_error *err) {
    if (a.stride < a.dim || b.stride < b.dim || out.stride < out.dim)
        return vecna_error_set(err, VECNA_ERR_OVERFLOW, -1,
                               "a stride (%zu, %zu, %zu) is below its row's length (%zu, %zu, %zu)",
                               a.stride, b.stride, out.stride, a.dim, b.dim, out.dim);
    return VECNA_OK;
}

static vecna_status run_product(product_job *job, vecna_pool *pool, vecna_error *err) {
    vecna_status status = check_strides(job->a, job->b, job->out, err);
    if (status != VECNA_OK || job->out.rows == 0 || job->out.dim == 0)
        return status;
    if (job->inner == 0) {
        for (size_t i = 0; i < job->out.rows; i++)
            for (size_t j = 0; j < job->out.dim; j++)
                job->out.data[i * job->out.stride + j] = 0;
        return VECNA_OK;
    }
    vecna_pool_run(pool, job->out.rows, CHUNK_ROWS, product_chunk, job);
    if (job->failed)
        return vecna_error_set(err, VECNA_ERR_LIBRARY, -1,
                               "oneDNN refused a product of %zu x %zu x %zu", job->out.rows,
                               job->inner, job->out.dim);
    return VECNA_OK;
}

vecna_status vecna_linalg_product(vecna_view a, vecna_view b, vecna_matrix out, vecna_pool *pool,
                                  vecna_error *err) {
    product_job job = {a, b, out, 'N', a.dim, 0};
    if (a.dim != b.rows || out.rows != a.rows || out.dim != b.dim)
        return vecna_error_set(err, VECNA_ERR_DIM, -1,
                               "the product of %zu x %zu and %zu x %zu does not fit %zu x %zu",
                               a.rows, a.dim, b.rows, b.dim, out.rows, out.dim);
    return run_product(&job, pool, err);
}

vecna_status vecna_linalg_product_rows(vecna_view a, vecna_view b, vecna_matrix out,
                                       vecna_pool *pool, vecna_error *err) {
    product_job job = {a, b, out, 'T', a.dim, 0};
    if (a.dim != b.dim || out.rows != a.rows || out.dim != b.rows)
        return vecna_error_set(err, VECNA_ERR_DIM, -1,
                               "rows of %zu x %zu against rows of %zu x %zu do not fit %zu x %zu",
                               a.rows, a.dim, b.rows, b.dim, out.rows, out.dim);
    return run_product(&job, pool, err);
}

typedef struct product_i8_job {
    vecna_view_i8 a, b;
    int32_t *out;
    size_t out_stride;
    int failed;        /* oneDNN refused; set by any chunk, as the next */
    int out_of_memory; /* the float32 way's scratch */
} product_i8_job;

static void product_i8_chunk(void *user, size_t begin, size_t end, size_t worker) {
    product_i8_job *job = user;
    const int32_t no_offset = 0;
    int threads = vni_single_thread_begin();
    (void)worker;
    if (dnnl_gemm_s8s8s32('N', 'T', 'F', (dnnl_dim_t)(end - begin), (dnnl_dim_t)job->b.rows,
                          (dnnl_dim_t)job->a.dim, 1.0f, job->a.data + begin * job->a.stride,
                          (dnnl_dim_t)job->a.stride, 0, job->b.data, (dnnl_dim_t)job->b.stride, 0,
                          0.0f, job->out + begin * job->out_stride, (dnnl_dim_t)job->out_stride,
                          &no_offset) != dnnl_success)
        __atomic_store_n(&job->failed, 1, __ATOMIC_RELAXED);
    vni_single_thread_end(threads);
}

/* Without VNNI oneDNN adds pairs of products in 16 bits, where large ones saturate: the sums are
 * wrong, silently. */
static int int8_is_exact(void) {
    switch (dnnl_get_effective_cpu_isa()) {
    case dnnl_cpu_isa_avx512_core_vnni:
    case dnnl_cpu_isa_avx512_core_bf16:
    case dnnl_cpu_isa_avx512_core_amx:
        return 1;
    default:
        return 0;
    }
}

/* Such machines go through float32, which is exact for 1024 products of at most 2^14. */
enum { WIDE_INNER = 1024, WIDE_ROWS = CHUNK_ROWS };

static void widen_i8(vecna_view_i8 rows, size_t from, size_t inner, float *out) {
    for (size_t i = 0; i < rows.rows; i++)
        for (size_t x = 0; x < inner; x++)
            out[i * WIDE_INNER + x] = (float)rows.data[i * rows.stride + from + x];
}

static vecna_view_i8 rows_i8(vecna_view_i8 view, size_t first, size_t rows) {
    vecna_view_i8 part = {view.data + first * view.stride, rows, view.dim, view.stride};
    return part;
}

/* out (+)= a b' over one block of b's rows; scratch holds both as float32 and their product. */
static int product_i8_block(vecna_view_i8 a, vecna_view_i8 b, int32_t *out, size_t out_stride,
                            float *scratch) {
    float *wide_b = scratch + (size_t)WIDE_ROWS * WIDE_INNER;
    float *sums = wide_b + (size_t)WIDE_ROWS * WIDE_INNER;
    for (size_t from = 0; from < a.dim; from += WIDE_INNER) {
        size_t inner = a.dim - from < WIDE_INNER ? a.dim - from : WIDE_INNER;
        widen_i8(a, from, inner, scratch);
        widen_i8(b, from, inner, wide_b);
        if (dnnl_sgemm('N', 'T', (dnnl_dim_t)a.rows, (dnnl_dim_t)b.rows, (dnnl_dim_t)inner, 1.0f,
                       scratch, WIDE_INNER, wide_b, WIDE_INNER, 0.0f, sums,
                       WIDE_ROWS) != dnnl_success)
            return 0;
        for (size_t i = 0; i < a.rows; i++)
            for (size_t j = 0; j < b.rows; j++)
                out[i * out_stride + j] =
                    (from ? out[i * out_stride + j] : 0) + (int32_t)sums[i * WIDE_ROWS + j];
    }
    return 1;
}

static void product_i8_wide_chunk(void *user, size_t begin, size_t end, size_t worker) {
    product_i8_job *job = user;
    vecna_view_i8 a = rows_i8(job->a, begin, end - begin);
    float *scratch =
        vecna_allocate(NULL, (size_t)WIDE_ROWS * (2 * WIDE_INNER + WIDE_ROWS), sizeof *scratch);
    int threads = vni_single_thread_begin();
    (void)worker;
    if (scratch == NULL)
        __atomic_store_n(&job->out_of_memory, 1, __ATOMIC_RELAXED);
    for (size_t first = 0; scratch && first < job->b.rows; first += WIDE_ROWS) {
        size_t rows = job->b.rows - first < WIDE_ROWS ? job->b.rows - first : WIDE_ROWS;
        if (!product_i8_block(a, rows_i8(job->b, first, rows),
                              job->out + begin * job->out_stride + first, job->out_stride, scratch))
            __atomic_store_n(&job->failed, 1, __ATOMIC_RELAXED);
    }
    vni_single_thread_end(threads);
    vecna_release(NULL, scratch);
}

vecna_status vecna_linalg_product_rows_i8(vecna_view_i8 a, vecna_view_i8 b, int32_t *out,
                                          size_t out_stride, vecna_pool *pool, vecna_error *err) {
    product_i8_job job = {a, b, out, out_stride, 0, 0};
    if (a.dim != b.dim || out_stride < b.rows || a.stride < a.dim || b.stride < b.dim)
        return vecna_error_set(err, VECNA_ERR_DIM, -1,
                               "rows of %zu x %zu against rows of %zu x %zu do not fit a stride of "
                               "%zu",
                               a.rows, a.dim, b.rows, b.dim, out_stride);
    if (a.dim > INT8_INNER_MAX)
        return vecna_error_set(err, VECNA_ERR_OVERFLOW, -1,
                               "%zu int8 products can overflow an int32 sum; %d are the most",
                               a.dim, INT8_INNER_MAX);
    if (a.rows == 0 || b.rows == 0)
        return VECNA_OK;
    if (a.dim == 0) {
        for (size_t i = 0; i < a.rows; i++)
            for (size_t j = 0; j < b.rows; j++)
                out[i * out_stride + j] = 0;
        return VECNA_OK;
    }
    vecna_pool_run(pool, a.rows, CHUNK_ROWS,
                   int8_is_exact() ? product_i8_chunk : product_i8_wide_chunk, &job);
    if (job.out_of_memory)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for an int8 product");
    if (job.failed)
        return vecna_error_set(err, VECNA_ERR_LIBRARY, -1,
                               "oneDNN refused an int8 product of %zu x %zu x %zu", a.rows, a.dim,
                               b.rows);
    return VECNA_OK;
}
