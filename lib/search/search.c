/* Scores come tile by tile out of a matrix product: TILE_ROWS rows of the corpus against up to
 * TILE_QUERIES queries, small enough to be looked at while they lie in the cache. A tile is read
 * against the score that each query's heap would still take; almost all of it is passed over by a
 * loop that compilers turn into vector compares.
 *
 * The last tile of a block is filled up with zero rows: products of few rows go through other
 * kernels, which round otherwise, and equal rows must tie wherever they stand.
 *
 * Threads share out the tiles of a block and keep heaps of their own, so nothing is locked; the
 * heaps are merged when somebody asks. As a score depends on the query and the row alone, no result
 * depends on the blocks or on the number of threads. */
#include "search/search_impl.h"

#include "vecna/linalg.h"

#include <math.h>
#include <string.h>

enum { TILE_ROWS = 1024, TILE_QUERIES = 256, SCAN = 64, K_MOST = TILE_ROWS * TILE_QUERIES };

/* What one thread has for itself. */
typedef struct scratch {
    float *tile;   /* (TILE_QUERIES, TILE_ROWS) scores */
    float *weight; /* (TILE_ROWS) 1 / |c| for cosine, |c|^2 for l2 */
    float *padded; /* (TILE_ROWS, dim) a tile that is not full or has rescaled rows */
    vni_best *best;
    int64_t *rows;
    float *scores;
    vecna_status failed;
    vecna_error err;
} scratch;

struct vecna_searcher {
    vecna_allocator allocator_copy;
    const vecna_allocator *allocator;
    vecna_pool *pool;
    vecna_metric metric;
    size_t k;
    vecna_matrix queries; /* at unit length for cosine */
    double *squares;      /* (queries) |q|^2 for l2 */
    int64_t *excluded;    /* (queries) or NULL */
    int64_t rows;         /* of the corpus so far */
    scratch *scratch;     /* a thread each */
    size_t scratch_count;
};

static int is_l2(vecna_metric metric) {
    return metric == VECNA_METRIC_L2 || metric == VECNA_METRIC_L2SQ;
}

/* ---- one tile -------------------------------------------------------------------------------- */

/* The power of two that brings a row of this length near 1, when float32 products with it could
 * overflow or lose their digits among the subnormals, or the reciprocal of its length could be
 * infinite; otherwise 1. It is exact, and depends on the row alone. */
static double rescale(double length) {
    int exponent;
    if (!(length > 0) || !isfinite(length) || (length > 0x1p-60 && length < 0x1p60))
        return 1;
    frexp(length, &exponent);
    return ldexp(1, -exponent);
}

/* For cosine the reciprocal norms of the tile's rows (0 for a zero row), for l2 their squared
 * norms. Returns how many rows must be rescaled before the product; their weights are those of the
 * rescaled rows. */
static size_t weigh_rows(const vecna_searcher *searcher, vecna_view rows, float *weight) {
    size_t rescaled = 0;
    for (size_t i = 0; i < rows.rows; i++) {
        const float *row = rows.data + i * rows.stride;
        double square = vecna_metric_dot(row, row, rows.dim);
        double length = sqrt(square), factor;
        if (is_l2(searcher->metric)) {
            weight[i] = (float)square;
            continue;
        }
        factor = rescale(length);
        rescaled += factor != 1;
        weight[i] = square > 0 ? (float)(1 / (length * factor)) : 0.0f;
    }
    return rescaled;
}

/* Sums that have left float32 say nothing about a distance: such a row is not found. */
static float finite_or_nan(float score) {
    return score + (score - score);
}

/* Turns dot products into scores, in place. Minus half the squared distance, without the query's
 * own part, orders as the distance does. */
static void weigh_scores(const vecna_searcher *searcher, const float *weight, float *scores,
                         size_t count) {
    if (searcher->metric == VECNA_METRIC_COSINE)
        for (size_t j = 0; j < count; j++)
            scores[j] *= weight[j];
    else if (is_l2(searcher->metric))
        for (size_t j = 0; j < count; j++)
            scores[j] = finite_or_nan(scores[j] - 0.5f * weight[j]);
}

/* Offers the scores of rows first .. first + count to a query's heap. */
static void offer_row(vni_best *best, const float *scores, size_t count, int64_t first,
                      int64_t excluded) {
    for (size_t begin = 0; begin < count; begin += SCAN) {
        size_t end = count - begin < SCAN ? count : begin + SCAN;
        float bar = best->count == best->k ? best->scores[0] : -INFINITY;
        int any = 0;
        for (size_t j = begin; j < end; j++)
            any |= scores[j] >= bar;
        for (size_t j = begin; any && j < end; j++) {
            int64_t row = first + (int64_t)j;
            if (scores[j] >= bar && row != excluded)
                vni_best_offer(best, scores[j], row);
        }
    }
}

/* Minus the l1 distances of some queries to the tile's rows: no product can give them. */
static vecna_status tile_by_kernel(const vecna_searcher *searcher, vecna_view rows, size_t first,
                                   size_t count, scratch *mine) {
    for (size_t q = 0; q < count; q++) {
        float *scores = mine->tile + q * TILE_ROWS;
        vecna_status status = vecna_metric_rows(
            searcher->metric, searcher->queries.data + (first + q) * searcher->queries.stride,
            vecna_vectors_of(rows), scores, &mine->err);
        if (status != VECNA_OK)
            return status;
        for (size_t j = 0; j < rows.rows; j++)
            scores[j] = -scores[j];
    }
    return VECNA_OK;
}

/* The rows of a tile with zeros behind them, rescaled where that is needed. */
static vecna_view fill_up(vecna_view rows, size_t rescaled, float *padded) {
    for (size_t i = 0; i < rows.rows; i++) {
        const float *row = rows.data + i * rows.stride;
        double factor = rescaled ? rescale(vecna_metric_norm(row, rows.dim)) : 1;
        memcpy(padded + i * rows.dim, row, rows.dim * sizeof *padded);
        for (size_t j = 0; factor != 1 && j < rows.dim; j++)
            padded[i * rows.dim + j] = (float)(row[j] * factor);
    }
    if (rows.rows < TILE_ROWS)
        memset(padded + rows.rows * rows.dim, 0,
               (TILE_ROWS - rows.rows) * rows.dim * sizeof *padded);
    return vecna_view_dense(padded, TILE_ROWS, rows.dim);
}

/* `full` has TILE_ROWS rows, of which the first `rows` are the corpus's. */
static vecna_status tile_by_product(const vecna_searcher *searcher, vecna_view full, size_t rows,
                                    size_t first, size_t count, scratch *mine) {
    vecna_view queries = vecna_view_rows(vecna_matrix_view(searcher->queries), first, count);
    vecna_matrix tile = {mine->tile, count, TILE_ROWS, TILE_ROWS};
    vecna_status status = vecna_linalg_product_rows(queries, full, tile, NULL, &mine->err);
    for (size_t q = 0; status == VECNA_OK && q < count; q++)
        weigh_scores(searcher, mine->weight, mine->tile + q * TILE_ROWS, rows);
    return status;
}

static vecna_status search_tile(const vecna_searcher *searcher, vecna_view rows, int64_t first_row,
                                scratch *mine) {
    vecna_status status = VECNA_OK;
    vecna_view full = rows;
    size_t rescaled = 0;
    if (searcher->metric == VECNA_METRIC_COSINE || is_l2(searcher->metric))
        rescaled = weigh_rows(searcher, rows, mine->weight);
    if (searcher->metric != VECNA_METRIC_L1 && (rows.rows < TILE_ROWS || rescaled))
        full = fill_up(rows, rescaled, mine->padded);
    for (size_t first = 0; first < searcher->queries.rows && status == VECNA_OK;
         first += TILE_QUERIES) {
        size_t left = searcher->queries.rows - first;
        size_t count = left < TILE_QUERIES ? left : TILE_QUERIES;
        status = searcher->metric == VECNA_METRIC_L1
                     ? tile_by_kernel(searcher, rows, first, count, mine)
                     : tile_by_product(searcher, full, rows.rows, first, count, mine);
        for (size_t q = 0; status == VECNA_OK && q < count; q++)
            offer_row(&mine->best[first + q], mine->tile + q * TILE_ROWS, rows.rows, first_row,
                      searcher->excluded ? searcher->excluded[first + q] : -1);
    }
    return status;
}

typedef struct block_job {
    vecna_searcher *searcher;
    vecna_view corpus;
} block_job;

static void search_rows(void *user, size_t begin, size_t end, size_t worker) {
    block_job *job = user;
    scratch *mine = &job->searcher->scratch[worker];
    if (mine->failed == VECNA_OK)
        mine->failed = search_tile(job->searcher, vecna_view_rows(job->corpus, begin, end - begin),
                                   job->searcher->rows + (int64_t)begin, mine);
}

vecna_status vecna_searcher_add(vecna_searcher *searcher, vecna_view corpus, vecna_error *err) {
    block_job job = {searcher, corpus};
    if (corpus.rows == 0)
        return VECNA_OK;
    if (corpus.dim != searcher->queries.dim)
        return vecna_error_set(err, VECNA_ERR_DIM, -1,
                               "the corpus has %zu dimensions, the queries have %zu", corpus.dim,
                               searcher->queries.dim);
    vecna_pool_run(searcher->pool, corpus.rows, TILE_ROWS, search_rows, &job);
    for (size_t i = 0; i < searcher->scratch_count; i++) {
        if (searcher->scratch[i].failed != VECNA_OK) {
            if (err)
                *err = searcher->scratch[i].err;
            return searcher->scratch[i].failed;
        }
    }
    searcher->rows += (int64_t)corpus.rows;
    return VECNA_OK;
}

/* ---- the searcher ---------------------------------------------------------------------------- */

void vecna_searcher_free(vecna_searcher *searcher) {
    vecna_allocator copy;
    const vecna_allocator *allocator = NULL;
    if (searcher == NULL)
        return;
    if (searcher->allocator) {
        copy = *searcher->allocator;
        allocator = &copy;
    }
    for (size_t i = 0; searcher->scratch && i < searcher->scratch_count; i++) {
        vecna_release(allocator, searcher->scratch[i].tile);
        vecna_release(allocator, searcher->scratch[i].weight);
        vecna_release(allocator, searcher->scratch[i].padded);
        vecna_release(allocator, searcher->scratch[i].best);
        vecna_release(allocator, searcher->scratch[i].rows);
        vecna_release(allocator, searcher->scratch[i].scores);
    }
    vecna_release(allocator, searcher->scratch);
    vecna_release(allocator, searcher->excluded);
    vecna_release(allocator, searcher->squares);
    vecna_release(allocator, searcher->queries.data);
    vecna_release(allocator, searcher);
}

static int open_scratch(const vecna_searcher *searcher, scratch *mine) {
    const vecna_allocator *allocator = searcher->allocator;
    size_t queries = searcher->queries.rows;
    size_t entries, row_bytes;
    if (!vecna_size_mul(queries, searcher->k, &entries) ||
        !vecna_size_mul(searcher->queries.dim, sizeof(float), &row_bytes))
        return 0;
    mine->tile = vecna_allocate(allocator, (size_t)TILE_QUERIES * TILE_ROWS, sizeof(float));
    mine->weight = vecna_allocate(allocator, TILE_ROWS, sizeof(float));
    mine->padded = vecna_allocate(allocator, TILE_ROWS, row_bytes);
    mine->best = vecna_allocate(allocator, queries, sizeof *mine->best);
    mine->rows = vecna_allocate(allocator, entries, sizeof *mine->rows);
    mine->scores = vecna_allocate(allocator, entries, sizeof *mine->scores);
    if (!mine->tile || !mine->weight || !mine->padded || !mine->best || !mine->rows ||
        !mine->scores)
        return 0;
    for (size_t q = 0; q < queries; q++) {
        vni_best empty = {mine->rows + q * searcher->k, mine->scores + q * searcher->k, 0,
                          searcher->k};
        mine->best[q] = empty;
    }
    return 1;
}

/* The queries at unit length for cosine, as they are otherwise; squared norms for l2. */
static vecna_status copy_queries(vecna_searcher *searcher, vecna_view queries, vecna_error *err) {
    searcher->queries =
        vecna_matrix_dense(vecna_allocate(searcher->allocator, queries.rows,
                                          (queries.dim ? queries.dim : 1) * sizeof(float)),
                           queries.rows, queries.dim);
    searcher->squares = vecna_allocate(searcher->allocator, queries.rows, sizeof(double));
    if (searcher->queries.data == NULL || searcher->squares == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for %zu queries",
                               queries.rows);
    for (size_t q = 0; q < queries.rows; q++) {
        const float *row = queries.data + q * queries.stride;
        searcher->squares[q] = vecna_metric_dot(row, row, queries.dim);
        memcpy(searcher->queries.data + q * queries.dim, row, queries.dim * sizeof(float));
    }
    if (searcher->metric != VECNA_METRIC_COSINE)
        return VECNA_OK;
    return vecna_metric_normalize(vecna_matrix_view(searcher->queries), searcher->queries, NULL,
                                  err);
}

static vecna_status copy_excluded(vecna_searcher *searcher, const int64_t *excluded,
                                  vecna_error *err) {
    if (excluded == NULL)
        return VECNA_OK;
    searcher->excluded =
        vecna_allocate(searcher->allocator, searcher->queries.rows, sizeof *excluded);
    if (searcher->excluded == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for %zu queries",
                               searcher->queries.rows);
    if (searcher->queries.rows > 0)
        memcpy(searcher->excluded, excluded, searcher->queries.rows * sizeof *excluded);
    return VECNA_OK;
}

static vecna_status open_threads(vecna_searcher *searcher, vecna_error *err) {
    size_t threads = vecna_pool_threads(searcher->pool);
    searcher->scratch = vecna_allocate_zero(searcher->allocator, threads, sizeof(scratch));
    if (searcher->scratch)
        searcher->scratch_count = threads;
    for (size_t i = 0; i < threads; i++)
        if (searcher->scratch == NULL || !open_scratch(searcher, &searcher->scratch[i]))
            return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                                   "no memory for the %zu nearest of %zu queries in %zu threads",
                                   searcher->k, searcher->queries.rows, threads);
    return VECNA_OK;
}

vecna_status vecna_searcher_new(vecna_view queries, const vecna_search_options *options,
                                vecna_searcher **out, vecna_error *err) {
    static const vecna_search_options defaults;
    const vecna_search_options *chosen = options ? options : &defaults;
    vecna_searcher *searcher;
    vecna_status status;

    if (chosen->metric == VECNA_METRIC_HAMMING || (int)chosen->metric < 0 ||
        (int)chosen->metric > (int)VECNA_METRIC_HAMMING)
        return vecna_error_set(
            err, VECNA_ERR_UNSUPPORTED, -1,
            "%s is not defined between float vectors; use cosine, dot, l2, l2sq or "
            "l1",
            vecna_metric_name(chosen->metric));
    if (chosen->k > K_MOST)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "%zu neighbours a query are too many; %d are the most", chosen->k,
                               (int)K_MOST);
    searcher = vecna_allocate_zero(chosen->allocator, 1, sizeof *searcher);
    if (searcher == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for %zu queries",
                               queries.rows);
    if (chosen->allocator) {
        searcher->allocator_copy = *chosen->allocator;
        searcher->allocator = &searcher->allocator_copy;
    }
    searcher->pool = chosen->pool;
    searcher->metric = chosen->metric;
    searcher->k = chosen->k ? chosen->k : 10;
    status = copy_queries(searcher, queries, err);
    if (status == VECNA_OK)
        status = copy_excluded(searcher, chosen->excluded, err);
    if (status == VECNA_OK)
        status = open_threads(searcher, err);
    if (status != VECNA_OK) {
        vecna_searcher_free(searcher);
        return status;
    }
    *out = searcher;
    return VECNA_OK;
}

/* The score that is shown: minus the distance, with the query's part put back. */
static float shown_score(const vecna_searcher *searcher, size_t query, float score) {
    double square;
    if (!is_l2(searcher->metric))
        return score;
    square = searcher->squares[query] - 2 * (double)score;
    if (square < 0) /* cancellation */
        square = 0;
    return (float)-(searcher->metric == VECNA_METRIC_L2 ? sqrt(square) : square);
}

void vecna_searcher_found(const vecna_searcher *searcher, int64_t *rows, float *scores) {
    size_t k = searcher->k;
    for (size_t q = 0; q < searcher->queries.rows; q++) {
        float *kept = scores ? scores + q * k : searcher->scratch[0].tile;
        vni_best merged = {rows + q * k, kept, 0, k};
        for (size_t i = 0; i < searcher->scratch_count; i++) {
            const vni_best *part = &searcher->scratch[i].best[q];
            for (size_t j = 0; j < part->count; j++)
                vni_best_offer(&merged, part->scores[j], part->rows[j]);
        }
        vni_best_sort(&merged);
        for (size_t j = 0; j < k; j++) {
            if (j >= merged.count)
                merged.rows[j] = -1;
            merged.scores[j] = j < merged.count ? shown_score(searcher, q, merged.scores[j]) : 0;
        }
    }
}

vecna_status vecna_search(vecna_view corpus, vecna_view queries,
                          const vecna_search_options *options, int64_t *rows, float *scores,
                          vecna_error *err) {
    vecna_searcher *searcher = NULL;
    vecna_status status = vecna_searcher_new(queries, options, &searcher, err);
    if (status == VECNA_OK)
        status = vecna_searcher_add(searcher, corpus, err);
    if (status == VECNA_OK)
        vecna_searcher_found(searcher, rows, scores);
    vecna_searcher_free(searcher);
    return status;
}
