/* Truncated SVD of a sparse matrix by randomised subspace iteration (Halko, Martinsson and Tropp 2011,
 * algorithm 4.4): a few directions more than wanted are multiplied by X'X again and again, made orthonormal
 * each time, and the small matrix that X makes of them tells the values. It is worked in float64 and
 * stops early when the values stand still. Orthonormal directions come from a dense SVD and not from a
 * QR, which fails on a matrix of lower rank: texts that repeat each other make one. */
#include "train/counts_impl.h"

#include "vecna/linalg.h"

#include <math.h>

enum { OVERSAMPLE = 10, ROWS_A_TASK = 64 };
#define STANDS_STILL 1e-14

typedef struct product {
    const vni_sparse *x;
    const double *right; /* (columns, width) */
    double *out;         /* (rows, width) */
    size_t width;
} product;

static void multiply_rows(void *user, size_t begin, size_t end, size_t worker) {
    const product *p = user;
    (void)worker;
    for (size_t row = begin; row < end; row++) {
        double *restrict out = p->out + row * p->width;
        memset(out, 0, p->width * sizeof *out);
        for (size_t i = p->x->starts[row]; i < p->x->starts[row + 1]; i++) {
            const double *restrict right = p->right + (size_t)p->x->at[i] * p->width;
            const double entry = p->x->entries[i];
            for (size_t j = 0; j < p->width; j++)
                out[j] += entry * right[j];
        }
    }
}

/* out = x right, and x's rows are shared out: the same bits with any number of threads. */
static void multiply(const vni_sparse *x, const double *right, size_t width, double *out,
                     vecna_pool *pool) {
    product p = {x, right, out, width};
    vecna_pool_run(pool, x->rows, ROWS_A_TASK, multiply_rows, &p);
}

void vni_sparse_free(vni_sparse *x, const vecna_allocator *allocator) {
    vecna_release(allocator, x->starts);
    vecna_release(allocator, x->at);
    vecna_release(allocator, x->entries);
    memset(x, 0, sizeof *x);
}

static vecna_status no_memory(const vni_sparse *x, vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                           "not enough memory for the directions of %zu texts and %zu columns",
                           x->rows, x->columns);
}

static vecna_status transpose(const vni_sparse *x, const vecna_allocator *allocator,
                              vni_sparse *out, vecna_error *err) {
    const size_t entries = x->starts[x->rows];
    out->rows = x->columns;
    out->columns = x->rows;
    out->starts = vecna_allocate_zero(allocator, x->columns + 2, sizeof *out->starts);
    out->at = vecna_allocate(allocator, entries + 1, sizeof *out->at);
    out->entries = vecna_allocate(allocator, entries + 1, sizeof *out->entries);
    if (!out->starts || !out->at || !out->entries)
        return no_memory(x, err);
    for (size_t i = 0; i < entries; i++)
        out->starts[(size_t)x->at[i] + 2]++;
    for (size_t column = 0; column < x->columns; column++)
        out->starts[column + 2] += out->starts[column + 1];
    for (size_t row = 0; row < x->rows; row++)
        for (size_t i = x->starts[row]; i < x->starts[row + 1]; i++) {
            size_t place = out->starts[(size_t)x->at[i] + 1]++;
            out->at[place] = (int32_t)row;
            out->entries[place] = x->entries[i];
        }
    return VECNA_OK;
}

typedef struct iteration {
    const vni_sparse *x;
    const vni_svd_options *options;
    vni_sparse turned;    /* x' */
    size_t width;         /* directions that are followed */
    double *basis, *next; /* (columns, width) */
    double *image;        /* (rows, width) x basis */
    double *gram, *small; /* (width, width) */
    double *found, *last; /* (width) */
} iteration;

double vni_sparse_svd_bytes(size_t rows, size_t columns, size_t entries, size_t dim) {
    double width = (double)dim + OVERSAMPLE;
    return 12.0 * (double)entries + 8.0 * (double)columns +
           8 * width * (3.0 * (double)columns + (double)rows + 3 * width);
}

static void close_iteration(iteration *it) {
    const vecna_allocator *allocator = it->options->allocator;
    double *const all[] = {it->basis, it->next,  it->image, it->gram,
                           it->small, it->found, it->last};
    vni_sparse_free(&it->turned, allocator);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        vecna_release(allocator, all[i]);
}

static vecna_status open_iteration(iteration *it, vecna_error *err) {
    const vecna_allocator *allocator = it->options->allocator;
    const size_t width = it->width, columns = it->x->columns;
    vecna_random random;
    it->basis = vecna_allocate(allocator, columns * width, sizeof(double));
    it->next = vecna_allocate(allocator, columns * width, sizeof(double));
    it->image = vecna_allocate(allocator, it->x->rows * width, sizeof(double));
    it->gram = vecna_allocate(allocator, width * width, sizeof(double));
    it->small = vecna_allocate(allocator, width * width, sizeof(double));
    it->found = vecna_allocate(allocator, width, sizeof(double));
    it->last = vecna_allocate_zero(allocator, width, sizeof(double));
    if (!it->basis || !it->next || !it->image || !it->gram || !it->small || !it->found || !it->last)
        return no_memory(it->x, err);
    vecna_random_seed(&random, it->options->seed, 0);
    for (size_t i = 0; i < columns * width; i++)
        it->next[i] = vecna_random_normal(&random);
    return transpose(it->x, allocator, &it->turned, err);
}

/* basis = orthonormal columns that span those of next. */
static vecna_status orthonormalise(iteration *it, vecna_error *err) {
    return vecna_linalg_svd(vecna_matrix_f64_dense(it->next, it->x->columns, it->width), it->basis,
                            it->found, it->small, err);
}

/* What x makes of the basis: gram's rows are the turns of it, found the squares of the values. */
static vecna_status look(iteration *it, vecna_error *err) {
    const vecna_view_f64 image = vecna_view_f64_dense(it->image, it->x->rows, it->width);
    vecna_status status;
    multiply(it->x, it->basis, it->width, it->image, it->options->pool);
    status = vecna_linalg_product_f64(image, image, VECNA_TRANSPOSE_A,
                                      vecna_matrix_f64_dense(it->gram, it->width, it->width), err);
    return status == VECNA_OK ? vecna_linalg_eigen(it->gram, it->width, it->found, err) : status;
}

static int stands_still(const iteration *it) {
    for (size_t i = 0; i < it->options->dim; i++)
        if (!(fabs(it->found[i] - it->last[i]) <= STANDS_STILL * it->found[0]))
            return 0;
    return 1;
}

/* directions = basis gram', each with its largest component positive. */
static vecna_status turn(iteration *it, float *directions, vecna_error *err) {
    const size_t dim = it->options->dim, columns = it->x->columns;
    const vecna_matrix_f64 out = vecna_matrix_f64_dense(it->next, columns, dim);
    vecna_status status = vecna_linalg_product_f64(
        vecna_view_f64_dense(it->basis, columns, it->width),
        vecna_view_f64_dense(it->gram, dim, it->width), VECNA_TRANSPOSE_B, out, err);
    for (size_t d = 0; status == VECNA_OK && d < dim; d++) {
        double largest = 0;
        for (size_t c = 0; c < columns; c++)
            if (fabs(it->next[c * dim + d]) > fabs(largest))
                largest = it->next[c * dim + d];
        for (size_t c = 0; c < columns; c++)
            directions[c * dim + d] =
                (float)(largest < 0 ? -it->next[c * dim + d] : it->next[c * dim + d]);
    }
    return status;
}

vecna_status vni_sparse_svd(const vni_sparse *x, const vni_svd_options *options, double *values,
                            float *directions, size_t *rounds, vecna_error *err) {
    const size_t most = x->rows < x->columns ? x->rows : x->columns;
    iteration it = {.x = x, .options = options};
    vecna_status status;
    it.width = options->dim + OVERSAMPLE < most ? options->dim + OVERSAMPLE : most;
    status = open_iteration(&it, err);
    for (*rounds = 0; status == VECNA_OK; ++*rounds) {
        status = orthonormalise(&it, err);
        if (status == VECNA_OK)
            status = look(&it, err);
        if (status != VECNA_OK || *rounds == options->rounds || stands_still(&it))
            break;
        if (options->progress &&
            options->progress(options->progress_user, *rounds + 1, options->rounds)) {
            status = vecna_error_set(err, VECNA_ERR_ARGUMENT, -1, "cancelled");
            break;
        }
        memcpy(it.last, it.found, it.width * sizeof *it.last);
        multiply(&it.turned, it.image, it.width, it.next, options->pool);
    }
    if (status == VECNA_OK)
        status = turn(&it, directions, err);
    for (size_t d = 0; status == VECNA_OK && d < options->dim; d++)
        values[d] = it.found[d] > 0 ? sqrt(it.found[d]) : 0;
    close_iteration(&it);
    return status;
}
