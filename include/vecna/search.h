/* vecna/search.h — nearest neighbours over a matrix: exact ones, where every row is compared, and an
 * inverted file that looks at a part of a long matrix.
 *
 * vecna_search answers for a corpus in memory. A vecna_searcher takes the corpus block by block, in
 * the order of its rows, and needs memory for the queries alone, however long the corpus. */
#ifndef VECNA_SEARCH_H
#define VECNA_SEARCH_H

#include "vecna/base.h"
#include "vecna/metric.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vecna_search_options {
    vecna_metric metric; /* cosine (0), dot, l2, l2sq or l1; hamming has no float form */
    size_t k;            /* neighbours a query, 262144 at most; 0 means 10 */
    /* (queries) a row that a query must not find (itself), -1 none; or NULL */
    const int64_t *excluded;
    vecna_pool *pool;                 /* NULL: in the calling thread */
    const vecna_allocator *allocator; /* copied; NULL malloc */
} vecna_search_options;

/* The k nearest rows of the corpus to each query.
 *   corpus   (rows, dim)
 *   queries  (queries, dim)
 *   rows     (queries, k)  row numbers, nearest first; equal scores: the lower row first; -1 behind
 *            the last when the corpus has fewer rows than k
 *   scores   (queries, k)  higher is nearer: the cosine, the dot product, or minus the distance; 0
 *            beside a row of -1. NULL: not wanted
 *            A score that is NaN is never a neighbour. The cosine with a zero vector is 0.
 * Numerics: cosine, dot, l2 and l2sq go through a float32 product: the error of a cosine is about
 *           1e-7 * sqrt(dim); l2sq is |q|^2 + |c|^2 - 2 q.c, whose error is about
 *           1e-6 * (|q|^2 + |c|^2), so distances far below that are noise. l1 is exact to float32.
 *           A cosine is as good for rows of very large or very small numbers. With l2 and l2sq a row
 *           is never found when |c|^2 or q.c leaves float32 (lengths of about 1.8e19 and more), and
 *           distances whose squares are below 1e-38 are 0. A dot product that leaves float32 is
 *           infinite, or NaN.
 *           Rows with the same bits have the same score wherever they stand, so that the result
 *           depends neither on the number of threads nor on the blocks that the corpus comes in.
 * Memory:   for each thread a tile of 1 MiB, 4096 * dim bytes and k * queries * 12 bytes; and a
 *           copy of the queries.
 * Errors:   VECNA_ERR_DIM when dim disagrees; VECNA_ERR_ARGUMENT when k is too large;
 *           VECNA_ERR_UNSUPPORTED for hamming; VECNA_ERR_MEMORY; VECNA_ERR_LIBRARY. Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_search(vecna_view corpus, vecna_view queries,
                                                const vecna_search_options *options, int64_t *rows,
                                                float *scores, vecna_error *err);

/* Hubness: how near rows lie to whatever asks, which is to be taken off their scores.
 *   rows    (rows, dim)    of a corpus
 *   sample  (sample, dim)  queries of the kind that will ask; a few hundred are enough
 *   options k: of the sample, nearest to a row (0 means 10); pool and allocator; NULL: defaults
 *   out     (rows)         mean cosine with those
 * A search by cosine - weight * out finds more: docs/scores.md#hubness, which has the weights. As an inner
 * product: a row of length 1 with -weight * out behind it, a query of length 1 with 1 behind it.
 * Memory: 2048 * k * 12 bytes, and what vecna_search takes.
 * Errors: VECNA_ERR_DIM; VECNA_ERR_ARGUMENT for an empty sample; as vecna_search. Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_search_hubness(vecna_view rows, vecna_view sample,
                                                        const vecna_search_options *options,
                                                        float *out, vecna_error *err);

/* The same, block by block. Not for use from two threads at once. */
typedef struct vecna_searcher vecna_searcher;

/* The queries are copied. Errors: as vecna_search. */
VECNA_API VECNA_CHECK vecna_status vecna_searcher_new(vecna_view queries,
                                                      const vecna_search_options *options,
                                                      vecna_searcher **out, vecna_error *err);
VECNA_API void vecna_searcher_free(vecna_searcher *searcher);
/* The next rows of the corpus; the first row of the first block is row 0. */
VECNA_API VECNA_CHECK vecna_status vecna_searcher_add(vecna_searcher *searcher, vecna_view corpus,
                                                      vecna_error *err);
/* What was found so far, as vecna_search gives it; more blocks may follow. */
VECNA_API void vecna_searcher_found(const vecna_searcher *searcher, int64_t *rows, float *scores);

/* ---- an inverted file ------------------------------------------------------------------------- */

/* Unit rows as int8, gathered in cells about centroids. A query looks into the cells whose centroids
 * are nearest to it; with one cell, or all cells probed, nothing is missed. Immutable, may be shared by
 * threads. Scores come from exact integer sums, so they are the same on every machine, in every batch
 * and for every number of threads. */
typedef struct vecna_index vecna_index;

typedef struct vecna_index_options {
    size_t cells;                     /* 0: one up to 16384 rows, then about one for 256 rows */
    vecna_pool *pool;                 /* to build with; NULL: the calling thread */
    const vecna_allocator *allocator; /* copied; NULL malloc */
} vecna_index_options;

/* Gather rows into cells: spherical k-means on a sample of 32 rows a cell, six rounds.
 *   rows     (rows, dim)  of length 1 (others are brought there; a zero row stays and is found last)
 *   options  may be NULL
 * Numerics: a row is code * scale with codes -127 .. 127 of its largest component: the cosine is off
 *           by about 0.0005 in 384 dimensions. The result depends on the rows and their order alone.
 * Memory:   rows * (2 * dim + 12) bytes (the rows as they are given out, and packed for products, a cell
 *           rounded up to 64); while building also the sample as float32.
 * Errors:   VECNA_ERR_ARGUMENT for no rows, more than 2^31 or more cells than rows; VECNA_ERR_OVERFLOW for
 *           more than 65536 dims; VECNA_ERR_VALUE for NaN or infinity (position: the row);
 *           VECNA_ERR_MEMORY; VECNA_ERR_LIBRARY. Since 0.2. */
VECNA_API VECNA_CHECK vecna_status vecna_index_new(vecna_view rows,
                                                   const vecna_index_options *options,
                                                   vecna_index **out, vecna_error *err);
VECNA_API void vecna_index_free(vecna_index *index);

/* What an index is made of; rows lie cell by cell and are numbered in this order everywhere. */
typedef struct vecna_index_parts {
    size_t rows, dim, cells;
    const int8_t *codes;          /* (rows, dim) */
    const float *scales;          /* (rows) of the codes; 0 for a zero row */
    const int8_t *centroids;      /* (cells, dim) */
    const float *centroid_scales; /* (cells) */
    const int32_t *starts;        /* (cells + 1) first row of each cell; the last is `rows` */
} vecna_index_parts;

/* Borrowed from the index. */
VECNA_API vecna_index_parts vecna_index_parts_of(const vecna_index *index);
/* (rows) which row of the matrix that it was built from stands in a place; NULL for an index from
 * parts. */
VECNA_API const int32_t *vecna_index_order(const vecna_index *index);
/* The index of given parts, which are copied and checked.
 * Errors: VECNA_ERR_ARGUMENT for sizes and starts that do not go together, VECNA_ERR_VALUE for a scale
 *         that is negative or not finite; as above. */
VECNA_API VECNA_CHECK vecna_status vecna_index_from_parts(const vecna_index_parts *parts,
                                                          const vecna_allocator *allocator,
                                                          vecna_index **out, vecna_error *err);

typedef struct vecna_index_query {
    size_t k;        /* neighbours a query, 1 .. 1024 */
    size_t probes;   /* cells that are looked into; 0 or more than there are: all */
    float score_max; /* rows of a higher score are left out (the query's own row); 0: none are */
} vecna_index_query;

/* The k nearest rows to each query, of the cells probed.
 *   queries  (queries, dim)  of any length but 0; it is divided out
 *   rows     (queries, k)    places in the order of the cells, nearest first; -1 behind the last
 *   scores   (queries, k)    cosines; 0 beside -1
 * Memory: for each thread about 2 MiB + queries of a chunk (4096) * (dim + 12 * k + 8 * probes) bytes,
 *         from the index' allocator.
 * Errors: VECNA_ERR_DIM; VECNA_ERR_ARGUMENT; VECNA_ERR_MEMORY; VECNA_ERR_LIBRARY. */
VECNA_API VECNA_CHECK vecna_status vecna_index_find(const vecna_index *index, vecna_view queries,
                                                    const vecna_index_query *query, int32_t *rows,
                                                    float *scores, vecna_pool *pool,
                                                    vecna_error *err);

#ifdef __cplusplus
}
#endif
#endif
