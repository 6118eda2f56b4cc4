/* vecna/cluster.h — groups of rows: k-means. */
#ifndef VECNA_CLUSTER_H
#define VECNA_CLUSTER_H

#include "vecna/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vecna_kmeans_options {
    size_t iterations; /* at most, of Lloyd's; 0 means 300 */
    double tolerance;  /* stop when the centres move less than this share of the mean variance of a
                          dimension (sum of squares); 0 means 1e-4 */
    size_t restarts;   /* the best of so many; 0 means 1 */
    uint64_t seed;
    vecna_pool *pool;                 /* NULL: in the calling thread */
    const vecna_allocator *allocator; /* NULL malloc */
} vecna_kmeans_options;

/* What a run found. */
typedef struct vecna_kmeans_result {
    double inertia;    /* sum of the squared distances to the centres */
    size_t iterations; /* of the best start */
    int converged;     /* 0: stopped by the limit */
} vecna_kmeans_result;

/* Group rows around `clusters` centres so that squared distances are small: greedy k-means++, then
 * Lloyd's iteration.
 *   rows     (rows, dim)      finite; at least `clusters`. Unit rows give spherical groups
 *   options  may be NULL
 *   centres  (clusters, dim)  dense; NULL: not wanted
 *   of       (rows)           cluster of each row; equal distances: the lower cluster. NULL: not wanted
 *   result   NULL: not wanted
 * A cluster that loses all its rows takes the row farthest from its centre, so no cluster is empty
 * unless there are fewer distinct rows than clusters.
 * Numerics: distances through float32 products, |x|^2 + |c|^2 - 2 x.c; centres are float64 means. The
 *           same for a seed on any number of threads.
 * Memory:   4 * (rows * 8 + clusters * dim * 3) bytes, 8 * clusters * dim, and a tile a thread.
 * Errors:   VECNA_ERR_ARGUMENT for 0 clusters, more than the rows, or 2^31 rows; VECNA_ERR_VALUE for a
 *           row that is not finite (position: the row); VECNA_ERR_MEMORY; VECNA_ERR_LIBRARY.
 * Source:   Arthur and Vassilvitskii, "k-means++", SODA 2007. Since 0.2. */
VECNA_API VECNA_CHECK vecna_status vecna_kmeans(vecna_view rows, size_t clusters,
                                                const vecna_kmeans_options *options, float *centres,
                                                uint32_t *of, vecna_kmeans_result *result,
                                                vecna_error *err);

#ifdef __cplusplus
}
#endif
#endif
