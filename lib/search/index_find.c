/* Finding in the inverted file. Queries come in chunks: first all centroids against all queries, then
 * cell by cell one product of the queries that probe it with its rows, packed for it when the index was
 * made, so that a cell is read once a chunk. Scores go through tiles that stay in the second cache and
 * are passed over by vector compares (index_scan.c); what beats the worst kept goes into the query's
 * heap. */
#include "search/index_impl.h"
#include "search/search_impl.h"

#include <math.h>
#include <string.h>

enum { CHUNK = 4096, TILE_QUERIES = 252, TILE_ROWS = 512 };

typedef struct finding {
    const vecna_index *index;
    vecna_view queries;
    vecna_index_query query;
    int32_t *rows;
    float *scores;
    vecna_status failed;
} finding;

/* One chunk's room, one allocation. */
typedef struct chunk {
    const finding *f;
    size_t first, count, probes;
    int8_t *codes;      /* (count, dim) */
    int8_t *gathered;   /* (TILE_QUERIES, dim) */
    float *scales;      /* (count + TILE_QUERIES) and gathered */
    float *tile;        /* (TILE_QUERIES, TILE_ROWS) */
    vni_best *best;     /* (count) */
    int64_t *best_rows; /* (count, larger of k and probes) */
    float *best_scores;
    int32_t *probed; /* (cells + 1) where the queries of a cell start in `asking` */
    int32_t *asking; /* (count * probes) queries, cell by cell */
    float most;      /* higher scores are not offered */
} chunk;

static void reset(chunk *c, size_t k) {
    for (size_t i = 0; i < c->count; i++) {
        c->best[i] = (vni_best){c->best_rows + i * k, c->best_scores + i * k, 0, k};
    }
}

/* Rows of a cell, from number `first` on, against the listed queries (NULL: all of the chunk). */
static vecna_status look(chunk *c, const int32_t *list, size_t listed,
                         const vecna_linalg_int8 *rows, size_t row_count, int64_t first,
                         vecna_error *err) {
    const size_t dim = c->f->index->dim;
    float *scales = c->scales + c->count;
    vecna_status status = VECNA_OK;
    for (size_t q = 0; q < listed && !status; q += TILE_QUERIES) {
        const size_t asked = listed - q < TILE_QUERIES ? listed - q : TILE_QUERIES;
        vecna_view_i8 in = {list ? c->gathered : c->codes + q * dim, asked, dim, dim};
        for (size_t i = 0; i < asked && list; i++) {
            memcpy(c->gathered + i * dim, c->codes + (size_t)list[q + i] * dim, dim);
            scales[i] = c->scales[list[q + i]];
        }
        for (size_t r = 0; r < row_count && !status; r += TILE_ROWS) {
            const size_t here = row_count - r < TILE_ROWS ? row_count - r : TILE_ROWS;
            const vecna_matrix tile = {c->tile, asked, here, TILE_ROWS};
            status =
                vecna_linalg_int8_scores(rows, r, in, list ? scales : c->scales + q, tile, err);
            for (size_t i = 0; i < asked && !status; i++) {
                vni_index_offer(&c->best[list ? (size_t)list[q + i] : q + i], c->most,
                                c->tile + i * TILE_ROWS, here, first + (int64_t)r);
            }
        }
    }
    return status;
}

/* Which cells each query probes, and which queries each cell has. */
static vecna_status probe(chunk *c, vecna_error *err) {
    const vecna_index *index = c->f->index;
    reset(c, c->probes);
    c->most = HUGE_VALF;
    vecna_status status =
        look(c, NULL, c->count, index->packed[index->cells], index->cells, 0, err);
    if (status) {
        return status;
    }
    memset(c->probed, 0, (index->cells + 1) * sizeof *c->probed);
    for (size_t i = 0; i < c->count; i++) {
        for (size_t j = 0; j < c->best[i].count; j++) {
            c->probed[c->best[i].rows[j] + 1]++;
        }
    }
    for (size_t cell = 0; cell < index->cells; cell++) {
        c->probed[cell + 1] += c->probed[cell];
    }
    for (size_t i = 0; i < c->count; i++) {
        for (size_t j = 0; j < c->best[i].count; j++) {
            c->asking[c->probed[c->best[i].rows[j]]++] = (int32_t)i;
        }
    }
    memmove(c->probed + 1, c->probed, index->cells * sizeof *c->probed);
    c->probed[0] = 0;
    return VECNA_OK;
}

/* All cells, each against the queries that probe it. */
static vecna_status find_chunk(chunk *c, vecna_error *err) {
    const vecna_index *index = c->f->index;
    const float limit = c->f->query.score_max;
    const int everywhere = c->probes == index->cells;
    vecna_status status = everywhere ? VECNA_OK : probe(c, err);
    reset(c, c->f->query.k);
    c->most = limit > 0 ? limit : HUGE_VALF;
    for (size_t cell = 0; cell < index->cells && !status; cell++) {
        const size_t start = (size_t)index->starts[cell];
        const size_t rows = (size_t)index->starts[cell + 1] - start;
        const int32_t *list = everywhere ? NULL : c->asking + c->probed[cell];
        const size_t listed =
            everywhere ? c->count : (size_t)(c->probed[cell + 1] - c->probed[cell]);
        status = look(c, list, listed, index->packed[cell], rows, (int64_t)start, err);
    }
    for (size_t i = 0; i < c->count && !status; i++) {
        const size_t k = c->f->query.k;
        int32_t *out = c->f->rows + (c->first + i) * k;
        float *scores = c->f->scores + (c->first + i) * k;
        vni_best_sort(&c->best[i]);
        for (size_t j = 0; j < k; j++) {
            const int found = j < c->best[i].count;
            out[j] = found ? (int32_t)c->best[i].rows[j] : -1;
            scores[j] = found ? c->best[i].scores[j] : 0;
        }
    }
    return status;
}

static void find_rows(void *user, size_t begin, size_t end, size_t worker) {
    finding *f = user;
    const vecna_index *index = f->index;
    const size_t count = end - begin, dim = index->dim, k = f->query.k;
    chunk c = {.f = f, .first = begin, .count = count};
    c.probes = !f->query.probes || f->query.probes > index->cells ? index->cells : f->query.probes;
    const size_t kept = c.probes < index->cells && c.probes > k ? c.probes : k;
    const size_t asking = c.probes < index->cells ? count * c.probes : 0;
    (void)worker;
    c.codes = vecna_allocate(index->allocator, count + TILE_QUERIES, dim);
    c.scales = vecna_allocate(index->allocator, count + TILE_QUERIES, sizeof *c.scales);
    c.tile = vecna_allocate(index->allocator, (size_t)TILE_QUERIES * TILE_ROWS, sizeof *c.tile);
    c.best = vecna_allocate(index->allocator, count, sizeof *c.best);
    c.best_rows = vecna_allocate(index->allocator, count * kept, sizeof *c.best_rows);
    c.best_scores = vecna_allocate(index->allocator, count * kept, sizeof *c.best_scores);
    c.probed = vecna_allocate(index->allocator, index->cells + 1 + asking, sizeof *c.probed);
    vecna_status status = VECNA_ERR_MEMORY;
    if (c.codes && c.scales && c.tile && c.best && c.best_rows && c.best_scores && c.probed) {
        c.gathered = c.codes + count * dim;
        c.asking = c.probed + index->cells + 1;
        for (size_t i = 0; i < count; i++) {
            c.scales[i] = vni_index_quantise(f->queries.data + (begin + i) * f->queries.stride, dim,
                                             c.codes + i * dim);
        }
        status = find_chunk(&c, NULL);
    }
    if (status) {
        __atomic_store_n(&f->failed, status, __ATOMIC_RELAXED);
    }
    vecna_release(index->allocator, c.codes);
    vecna_release(index->allocator, c.scales);
    vecna_release(index->allocator, c.tile);
    vecna_release(index->allocator, c.best);
    vecna_release(index->allocator, c.best_rows);
    vecna_release(index->allocator, c.best_scores);
    vecna_release(index->allocator, c.probed);
}

vecna_status vecna_index_find(const vecna_index *index, vecna_view queries,
                              const vecna_index_query *query, int32_t *rows, float *scores,
                              vecna_pool *pool, vecna_error *err) {
    finding f = {index, queries, *query, rows, scores, VECNA_OK};
    if (queries.dim != index->dim) {
        return vecna_error_set(err, VECNA_ERR_DIM, -1,
                               "queries of %zu dimensions ask an index of %zu", queries.dim,
                               index->dim);
    }
    if (!query->k || query->k > VNI_INDEX_K_MAX) {
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "%zu neighbours: an index gives 1 to %d", query->k, VNI_INDEX_K_MAX);
    }
    vecna_pool_run(pool, queries.rows, CHUNK, find_rows, &f);
    return f.failed ? vecna_error_set(err, f.failed, -1, "an index of %zu rows cannot be searched",
                                      index->rows)
                    : VECNA_OK;
}
