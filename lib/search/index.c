/* The inverted file: building it, and what it is made of. Finding is in index_find.c.
 *
 * Rows are int8 because a memory of pairs lies in files and in the address space of whoever
 * translates, and because integer sums are exact: a neighbour is the same on every machine and in
 * every batch. Cells come from a few rounds of spherical k-means on a sample; the start is every nth
 * row of it, so nothing here is random, and who wants a result that does not depend on the order of
 * the rows sorts them first. */
#include "search/index_impl.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum {
    ROWS_IN_ONE_CELL = 16384,
    ROWS_A_CELL = 256,
    SAMPLE_A_CELL = 32,
    ROUNDS = 6,
    ASSIGN_ROWS = 2048
};

/* ---- int8 ------------------------------------------------------------------------------------ */

/* The nearest whole number, by adding one so large that no fraction has room: compilers turn it into
 * vector instructions, lrintf they do not. NaN gives anything. */
static int8_t nearest(float value) {
    const float shifted = value + 12582912.0f;
    int32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    return (int8_t)(bits - 0x4b400000);
}

float vni_index_quantise(const float *row, size_t dim, int8_t *codes) {
    float most = 0;
    for (size_t j = 0; j < dim; j++) {
        float size = fabsf(row[j]);
        most = size > most ? size : most;
    }
    /* reciprocals of subnormals are infinite; a row of them, or with infinity, is a zero row here */
    if (!(most > 1e-30f && most <= FLT_MAX)) {
        memset(codes, 0, dim);
        return 0;
    }
    const float by = 127 / most;
    for (size_t j = 0; j < dim; j++) {
        codes[j] = nearest(row[j] * by);
    }
    int64_t square = 0;
    for (size_t j = 0; j < dim; j++) {
        square += codes[j] * codes[j];
    }
    return (float)(1 / sqrt((double)square)); /* code * scale has length 1 */
}

/* ---- the object ------------------------------------------------------------------------------ */

static vecna_status no_memory(size_t rows, vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for an index of %zu rows", rows);
}

/* Room for everything but the order; sizes are checked by the caller. */
static vecna_status new_index(size_t rows, size_t dim, size_t cells,
                              const vecna_allocator *allocator, vecna_index **out,
                              vecna_error *err) {
    vecna_index *index = vecna_allocate_zero(allocator, 1, sizeof *index);
    if (!index) {
        return no_memory(rows, err);
    }
    if (allocator) {
        index->allocator_copy = *allocator;
        index->allocator = &index->allocator_copy;
    }
    index->rows = rows;
    index->dim = dim;
    index->cells = cells;
    index->codes = vecna_allocate(allocator, rows, dim);
    index->centroids = vecna_allocate(allocator, cells, dim);
    index->scales = vecna_allocate(allocator, rows + cells, sizeof *index->scales);
    index->starts = vecna_allocate_zero(allocator, cells + 1, sizeof *index->starts);
    index->packed = vecna_allocate_zero(allocator, cells + 1, sizeof *index->packed);
    if (!index->codes || !index->centroids || !index->scales || !index->starts || !index->packed) {
        vecna_index_free(index);
        return no_memory(rows, err);
    }
    index->centroid_scales = index->scales + rows;
    *out = index;
    return VECNA_OK;
}

void vecna_index_free(vecna_index *index) {
    if (!index) {
        return;
    }
    vecna_allocator copy = index->allocator_copy;
    const vecna_allocator *allocator = index->allocator ? &copy : NULL;
    vecna_release(allocator, index->codes);
    vecna_release(allocator, index->centroids);
    vecna_release(allocator, index->scales);
    vecna_release(allocator, index->starts);
    vecna_release(allocator, index->order);
    for (size_t c = 0; c <= index->cells && index->packed; c++) {
        vecna_linalg_int8_free(index->packed[c]);
    }
    vecna_release(allocator, index->packed);
    vecna_release(allocator, index);
}

vecna_index_parts vecna_index_parts_of(const vecna_index *index) {
    return (vecna_index_parts){
        index->rows,   index->dim,       index->cells,           index->codes,
        index->scales, index->centroids, index->centroid_scales, index->starts};
}

const int32_t *vecna_index_order(const vecna_index *index) {
    return index->order;
}

vecna_status vni_index_pack(vecna_index *index, vecna_error *err) {
    const size_t dim = index->dim, cells = index->cells;
    const vecna_view_i8 centroids = {index->centroids, cells, dim, dim};
    vecna_status status = vecna_linalg_int8_of_rows(centroids, index->centroid_scales,
                                                    index->allocator, &index->packed[cells], err);
    for (size_t c = 0; c < cells && !status; c++) {
        const size_t start = (size_t)index->starts[c];
        const vecna_view_i8 rows = {index->codes + start * dim,
                                    (size_t)index->starts[c + 1] - start, dim, dim};
        if (rows.rows) {
            status = vecna_linalg_int8_of_rows(rows, index->scales + start, index->allocator,
                                               &index->packed[c], err);
        }
    }
    return status;
}

static vecna_status check_sizes(size_t rows, size_t dim, size_t cells, vecna_error *err) {
    if (!rows || rows > INT32_MAX || !dim || !cells || cells > rows) {
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "%zu rows of %zu dimensions in %zu cells make no index", rows, dim,
                               cells);
    }
    if (dim > VNI_INDEX_DIM_MAX) {
        return vecna_error_set(err, VECNA_ERR_OVERFLOW, -1,
                               "rows of %zu dimensions: an index takes %d", dim, VNI_INDEX_DIM_MAX);
    }
    return VECNA_OK;
}

vecna_status vecna_index_from_parts(const vecna_index_parts *parts,
                                    const vecna_allocator *allocator, vecna_index **out,
                                    vecna_error *err) {
    const size_t rows = parts->rows, dim = parts->dim, cells = parts->cells;
    vecna_index *index = NULL;
    vecna_status status = check_sizes(rows, dim, cells, err);
    for (size_t c = 0; c < cells && !status; c++) {
        if (parts->starts[c + 1] < parts->starts[c] || parts->starts[0] != 0 ||
            (size_t)parts->starts[cells] != rows) {
            status = vecna_error_set(err, VECNA_ERR_ARGUMENT, (int64_t)c,
                                     "the cells of an index do not cover its %zu rows", rows);
        }
    }
    status = status ? status : new_index(rows, dim, cells, allocator, &index, err);
    if (status) {
        return status;
    }
    memcpy(index->codes, parts->codes, rows * dim);
    memcpy(index->scales, parts->scales, rows * sizeof *index->scales);
    memcpy(index->centroids, parts->centroids, cells * dim);
    memcpy(index->centroid_scales, parts->centroid_scales, cells * sizeof *index->scales);
    memcpy(index->starts, parts->starts, (cells + 1) * sizeof *index->starts);
    for (size_t i = 0; i < rows + cells; i++) {
        if (!(index->scales[i] >= 0 && index->scales[i] <= 1)) {
            vecna_index_free(index);
            return vecna_error_set(err, VECNA_ERR_VALUE, (int64_t)i,
                                   "a scale of an index is not in 0 .. 1");
        }
    }
    status = vni_index_pack(index, err);
    if (status) {
        vecna_index_free(index);
        return status;
    }
    *out = index;
    return VECNA_OK;
}

/* ---- building -------------------------------------------------------------------------------- */

typedef struct building {
    vecna_view rows;
    vecna_index
        *index; /* its codes are filled in the order of the rows, its centroids round by round */
    vecna_pool *pool;
    const vecna_allocator *allocator;
    int32_t *cell;       /* (rows) */
    int8_t *codes;       /* (rows, dim) */
    float *scales;       /* (rows) */
    size_t step;         /* every step-th row is in the sample */
    vecna_status failed; /* of any chunk */
} building;

static void quantise_rows(void *user, size_t begin, size_t end, size_t worker) {
    building *b = user;
    (void)worker;
    for (size_t i = begin; i < end; i++) {
        b->scales[i] = vni_index_quantise(b->rows.data + i * b->rows.stride, b->rows.dim,
                                          b->codes + i * b->rows.dim);
    }
}

/* The nearest centroid of each row: of items i * step. */
static void assign_rows(void *user, size_t begin, size_t end, size_t worker) {
    building *b = user;
    vecna_index *index = b->index;
    const size_t dim = index->dim, cells = index->cells;
    const vecna_view_i8 centroids = {index->centroids, cells, dim, dim};
    int32_t *sums = vecna_allocate(b->allocator, (end - begin) * cells, sizeof *sums);
    (void)worker;
    vecna_status status = sums ? VECNA_OK : VECNA_ERR_MEMORY;
    if (!status) {
        const vecna_view_i8 rows = {b->codes + begin * b->step * dim, end - begin, dim,
                                    b->step * dim};
        status = vecna_linalg_product_rows_i8(rows, centroids, sums, cells, NULL, NULL);
    }
    for (size_t i = begin; i < end && !status; i++) {
        const int32_t *sum = sums + (i - begin) * cells;
        float best = -HUGE_VALF;
        for (size_t c = 0; c < cells; c++) {
            float score = (float)sum[c] * index->centroid_scales[c];
            if (score > best) {
                best = score;
                b->cell[i * b->step] = (int32_t)c;
            }
        }
    }
    if (status) {
        __atomic_store_n(&b->failed, status, __ATOMIC_RELAXED);
    }
    vecna_release(b->allocator, sums);
}

static vecna_status assign(building *b, size_t step, vecna_error *err) {
    b->step = step;
    vecna_pool_run(b->pool, (b->rows.rows + step - 1) / step, ASSIGN_ROWS, assign_rows, b);
    return b->failed ? vecna_error_set(err, b->failed, -1, "an index of %zu rows cannot be built",
                                       b->rows.rows)
                     : VECNA_OK;
}

/* Centroids of the sample as it is assigned; one without rows stays where it was. */
static vecna_status move_centroids(building *b, vecna_error *err) {
    vecna_index *index = b->index;
    const size_t dim = index->dim;
    double *sums = vecna_allocate_zero(b->allocator, index->cells * dim, sizeof *sums);
    float *row = vecna_allocate(b->allocator, dim, sizeof *row);
    if (!sums || !row) {
        vecna_release(b->allocator, sums);
        vecna_release(b->allocator, row);
        return no_memory(index->rows, err);
    }
    for (size_t i = 0; i < index->rows; i += b->step) {
        double *sum = sums + (size_t)b->cell[i] * dim;
        for (size_t j = 0; j < dim; j++) {
            sum[j] += (double)b->scales[i] * b->codes[i * dim + j];
        }
    }
    for (size_t c = 0; c < index->cells; c++) {
        double square = 0;
        for (size_t j = 0; j < dim; j++) {
            square += sums[c * dim + j] * sums[c * dim + j];
        }
        if (square > 0) {
            for (size_t j = 0; j < dim; j++) {
                row[j] = (float)(sums[c * dim + j] / sqrt(square));
            }
            index->centroid_scales[c] = vni_index_quantise(row, dim, index->centroids + c * dim);
        }
    }
    vecna_release(b->allocator, sums);
    vecna_release(b->allocator, row);
    return VECNA_OK;
}

static vecna_status find_cells(building *b, vecna_error *err) {
    vecna_index *index = b->index;
    const size_t rows = index->rows, dim = index->dim, cells = index->cells;
    vecna_status status = VECNA_OK;
    const size_t sample = rows < cells * SAMPLE_A_CELL ? rows : cells * SAMPLE_A_CELL;
    for (size_t c = 0; c < cells; c++) {
        const size_t from = c * rows / cells;
        memcpy(index->centroids + c * dim, b->codes + from * dim, dim);
        index->centroid_scales[c] = b->scales[from];
    }
    for (int round = 0; round < ROUNDS && cells > 1 && !status; round++) {
        status = assign(b, rows / sample, err);
        status = status ? status : move_centroids(b, err);
    }
    if (cells == 1) {
        memset(b->cell, 0, rows * sizeof *b->cell);
        return status;
    }
    return status ? status : assign(b, 1, err);
}

/* Rows cell by cell, in their own order within one. */
static void lay_out(building *b) {
    vecna_index *index = b->index;
    const size_t dim = index->dim;
    for (size_t i = 0; i < index->rows; i++) {
        index->starts[b->cell[i] + 1]++;
    }
    for (size_t c = 0; c < index->cells; c++) {
        index->starts[c + 1] += index->starts[c];
    }
    for (size_t i = 0; i < index->rows;
         i++) { /* starts run ahead by their cell, then are set back */
        const int32_t at = index->starts[b->cell[i]]++;
        index->order[at] = (int32_t)i;
        index->scales[at] = b->scales[i];
        memcpy(index->codes + (size_t)at * dim, b->codes + i * dim, dim);
    }
    memmove(index->starts + 1, index->starts, index->cells * sizeof *index->starts);
    index->starts[0] = 0;
}

static vecna_status check_finite(vecna_view rows, vecna_error *err) {
    for (size_t i = 0; i < rows.rows; i++) {
        double sum = 0;
        for (size_t j = 0; j < rows.dim; j++) {
            sum += fabs((double)rows.data[i * rows.stride + j]);
        }
        if (!isfinite(sum)) {
            return vecna_error_set(err, VECNA_ERR_VALUE, (int64_t)i,
                                   "row %zu holds NaN or infinity: an index takes finite rows", i);
        }
    }
    return VECNA_OK;
}

vecna_status vecna_index_new(vecna_view rows, const vecna_index_options *options, vecna_index **out,
                             vecna_error *err) {
    const vecna_allocator *allocator = options ? options->allocator : NULL;
    size_t cells = options ? options->cells : 0;
    if (!cells) {
        cells = rows.rows <= ROWS_IN_ONE_CELL ? 1 : rows.rows / ROWS_A_CELL;
    }
    building b = {.rows = rows, .pool = options ? options->pool : NULL, .allocator = allocator};
    vecna_status status = check_sizes(rows.rows, rows.dim, cells, err);
    status = status ? status : check_finite(rows, err);
    status = status ? status : new_index(rows.rows, rows.dim, cells, allocator, &b.index, err);
    if (status) {
        return status;
    }
    b.index->order = vecna_allocate(allocator, rows.rows, sizeof *b.index->order);
    b.cell = vecna_allocate(allocator, rows.rows, sizeof *b.cell);
    b.codes = vecna_allocate(allocator, rows.rows, rows.dim);
    b.scales = vecna_allocate(allocator, rows.rows, sizeof *b.scales);
    if (!b.index->order || !b.cell || !b.codes || !b.scales) {
        status = no_memory(rows.rows, err);
        goto done;
    }
    vecna_pool_run(b.pool, rows.rows, 256, quantise_rows, &b);
    status = find_cells(&b, err);
    if (status) {
        goto done;
    }
    lay_out(&b);
    status = vni_index_pack(b.index, err);
    if (!status) {
        *out = b.index;
        b.index = NULL;
    }
done:
    vecna_index_free(b.index);
    vecna_release(allocator, b.cell);
    vecna_release(allocator, b.codes);
    vecna_release(allocator, b.scales);
    return status;
}
