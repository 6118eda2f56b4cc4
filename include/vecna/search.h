/* vecna/search.h — exact nearest neighbours over a matrix: every row is compared, none is missed.
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

#ifdef __cplusplus
}
#endif
#endif
