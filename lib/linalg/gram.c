/* Sums of products over rows. Straight float64: dsyrk does half the work of a general product, and no
 * digits are lost however many rows come. Rows are widened (and shifted) into a small buffer, block
 * by block.
 *
 * In single precision the rows of x and y stand side by side in a buffer, shifted; a panel of 256
 * columns of x against all columns from its first on is one product, x'x above the diagonal and x'y
 * at once. Panels are shared out among the threads, and each is added to the float64 sums by the
 * thread that made it. */
#include "linalg/linalg_impl.h"

#include <dnnl.h>
#include <limits.h>

enum { BLOCK_ROWS = 512, SINGLE_ROWS = 1024, PANEL_COLUMNS = 256 };

static void widen(vecna_view rows, const double *shift, double *out) {
    for (size_t i = 0; i < rows.rows; i++) {
        const float *row = rows.data + i * rows.stride;
        double *to = out + i * rows.dim;
        if (shift)
            for (size_t j = 0; j < rows.dim; j++)
                to[j] = (double)row[j] - shift[j];
        else
            for (size_t j = 0; j < rows.dim; j++)
                to[j] = (double)row[j];
    }
}

/* dsyrk fills the upper triangle only. */
static void mirror(double *gram, size_t dim) {
    for (size_t i = 0; i < dim; i++)
        for (size_t j = i + 1; j < dim; j++)
            gram[j * dim + i] = gram[i * dim + j];
}

/* ---- single precision ------------------------------------------------------------------------ */

typedef struct single_job {
    const vecna_gram *sums;
    vecna_view x, y; /* the rows of this block */
    float *rows;     /* (x.rows, p + q) shifted */
    float *panels;   /* (threads, PANEL_COLUMNS, p + q) */
    size_t p, q;
    int failed;
} single_job;

static void shift_rows(void *user, size_t begin, size_t end, size_t worker) {
    const single_job *job = user;
    (void)worker;
    for (size_t i = begin; i < end; i++) {
        float *to = job->rows + i * (job->p + job->q);
        const float *x = job->x.data + i * job->x.stride;
        const double *shift_x = job->sums->shift_x, *shift_y = job->sums->shift_y;
        for (size_t j = 0; j < job->p; j++)
            to[j] = shift_x ? (float)((double)x[j] - shift_x[j]) : x[j];
        if (job->q == 0)
            continue;
        const float *y = job->y.data + i * job->y.stride;
        for (size_t j = 0; j < job->q; j++)
            to[job->p + j] = shift_y ? (float)((double)y[j] - shift_y[j]) : y[j];
    }
}

static void add_panel(single_job *job, size_t panel, float *room) {
    const size_t first = panel * PANEL_COLUMNS, p = job->p, q = job->q, stride = p + q;
    const size_t high = p - first < PANEL_COLUMNS ? p - first : PANEL_COLUMNS;
    const size_t from = job->sums->gram ? first : p; /* columns of the buffer */
    int threads = vni_single_thread_begin();
    if (dnnl_sgemm('T', 'N', (dnnl_dim_t)high, (dnnl_dim_t)(stride - from), (dnnl_dim_t)job->x.rows,
                   1.0f, job->rows + first, (dnnl_dim_t)stride, job->rows + from,
                   (dnnl_dim_t)stride, 0.0f, room, (dnnl_dim_t)(stride - from)) != dnnl_success)
        __atomic_store_n(&job->failed, 1, __ATOMIC_RELAXED);
    vni_single_thread_end(threads);
    for (size_t i = 0; i < high; i++) {
        const float *row = room + i * (stride - from), *row_y = row + (p - from);
        double *gram = job->sums->gram ? job->sums->gram + (first + i) * p : NULL;
        double *cross = q ? job->sums->cross + (first + i) * q : NULL;
        for (size_t j = from; j < p; j++)
            gram[j] += (double)row[j - from];
        for (size_t j = 0; j < q; j++)
            cross[j] += (double)row_y[j];
    }
}

static void add_panels(void *user, size_t begin, size_t end, size_t worker) {
    single_job *job = user;
    for (size_t panel = begin; panel < end; panel++)
        add_panel(job, panel, job->panels + worker * PANEL_COLUMNS * (job->p + job->q));
}

static vecna_status add_single(const vecna_gram *sums, vecna_view x, vecna_view y,
                               vecna_error *err) {
    const size_t p = x.dim, q = y.data && sums->cross ? y.dim : 0;
    const size_t threads = vecna_pool_threads(sums->pool);
    single_job job = {.sums = sums, .p = p, .q = q};
    if (p + q == p && sums->gram == NULL)
        return VECNA_OK;
    job.rows = vecna_allocate(sums->allocator, (SINGLE_ROWS + threads * PANEL_COLUMNS) * (p + q),
                              sizeof(float));
    if (job.rows == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                               "no memory for the products of %zu and %zu dimensions", p, q);
    job.panels = job.rows + SINGLE_ROWS * (p + q);
    for (size_t first = 0; first < x.rows && !job.failed; first += SINGLE_ROWS) {
        size_t rows = x.rows - first < SINGLE_ROWS ? x.rows - first : SINGLE_ROWS;
        job.x = vecna_view_rows(x, first, rows);
        job.y = q ? vecna_view_rows(y, first, rows) : y;
        vecna_pool_run(sums->pool, rows, 64, shift_rows, &job);
        vecna_pool_run(sums->pool, (p + PANEL_COLUMNS - 1) / PANEL_COLUMNS, 1, add_panels, &job);
    }
    vecna_release(sums->allocator, job.rows);
    if (job.failed)
        return vecna_error_set(err, VECNA_ERR_LIBRARY, -1,
                               "oneDNN refused a product of %zu x %zu x %zu", p, x.rows, p + q);
    if (sums->gram)
        mirror(sums->gram, p);
    return VECNA_OK;
}

vecna_status vecna_linalg_gram_add(const vecna_gram *sums, vecna_view x, vecna_view y,
                                   vecna_error *err) {
    const vni_lapack *lapack = NULL;
    size_t p = x.dim;
    size_t q = y.data ? y.dim : 0;
    double *buffer;
    vecna_status status = vni_lapack_load(&lapack, err);

    if (status != VECNA_OK)
        return status;
    if (y.data && y.rows != x.rows)
        return vecna_error_set(err, VECNA_ERR_DIM, -1, "%zu rows against %zu rows", x.rows, y.rows);
    if (p > INT_MAX / 4 || q > INT_MAX / 4)
        return vecna_error_set(err, VECNA_ERR_OVERFLOW, -1,
                               "products of %zu and %zu dimensions are too large", p, q);
    if (x.rows == 0 || p == 0)
        return VECNA_OK;
    if (sums->single)
        return add_single(sums, x, y, err);
    buffer = vecna_allocate(sums->allocator, BLOCK_ROWS * (p + q), sizeof *buffer);
    if (buffer == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                               "no memory for the products of %zu and %zu dimensions", p, q);
    for (size_t first = 0; first < x.rows; first += BLOCK_ROWS) {
        size_t rows = x.rows - first < BLOCK_ROWS ? x.rows - first : BLOCK_ROWS;
        double *wide_y = buffer + BLOCK_ROWS * p;
        widen(vecna_view_rows(x, first, rows), sums->shift_x, buffer);
        if (sums->gram)
            lapack->dsyrk(VNI_ROW_MAJOR, VNI_UPPER, VNI_TRANSPOSED, (int)p, (int)rows, 1.0, buffer,
                          (int)p, 1.0, sums->gram, (int)p);
        if (q == 0 || sums->cross == NULL)
            continue;
        widen(vecna_view_rows(y, first, rows), sums->shift_y, wide_y);
        lapack->dgemm(VNI_ROW_MAJOR, VNI_TRANSPOSED, VNI_PLAIN, (int)p, (int)q, (int)rows, 1.0,
                      buffer, (int)p, wide_y, (int)q, 1.0, sums->cross, (int)q);
    }
    if (sums->gram)
        mirror(sums->gram, p);
    vecna_release(sums->allocator, buffer);
    return VECNA_OK;
}

void vecna_linalg_sum_add(vecna_view x, double *sum) {
    for (size_t i = 0; i < x.rows; i++) {
        const float *row = x.data + i * x.stride;
        for (size_t j = 0; j < x.dim; j++)
            sum[j] += (double)row[j];
    }
}
