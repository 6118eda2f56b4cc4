/* vecna/plane.h — two coordinates for each vector, to draw a space by.
 *
 * Principal components show what varies most and keep straight lines straight (analogies).
 * t-SNE keeps neighbourhoods: near points were near, but the distance between two far groups, and
 * the size of a group, mean nothing. vecna_plane_kept says how much of the neighbourhoods a picture
 * shows, whichever way it was made. */
#ifndef VECNA_PLANE_H
#define VECNA_PLANE_H

#include "vecna/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The first principal components of rows.
 *   rows    (rows, dim)    finite; at least 2
 *   count   directions wanted, 1 .. min(rows, dim)
 *   out     (rows, count)  coordinates along each direction, centred, dense
 *   share   (count)        of the variance that lies along each; descending. NULL: not wanted
 * Numerics: eigenvectors of the float64 covariance (of the products of rows where these are fewer
 *           than dims), so exact; the largest component of a direction is positive.
 * Memory:   8 * min(rows, dim)^2 bytes and 8 * rows * count.
 * Errors:   VECNA_ERR_ARGUMENT for a count out of range; VECNA_ERR_NUMERIC when all rows are equal
 *           or not finite; VECNA_ERR_MEMORY; VECNA_ERR_LIBRARY. Since 0.2. */
VECNA_API VECNA_CHECK vecna_status vecna_plane_components(vecna_view rows, size_t count, float *out,
                                                          double *share,
                                                          const vecna_allocator *allocator,
                                                          vecna_error *err);

typedef struct vecna_tsne_options {
    double perplexity; /* neighbours that a row attends to, 2 and more; 0 means 30, less for fewer
                          than 91 rows */
    double theta;      /* a far cell of width w at distance r counts as one point when
                          w < theta * r; 0 means 0.5. 1e-9 and less: exact, slow */
    size_t iterations; /* 0 means 1000; the first quarter pulls 12 times harder */
    uint64_t seed;     /* only breaks ties of equal rows */
    int (*progress)(void *user, double done); /* NULL: silent. A result other than 0 cancels */
    void *progress_user;
    vecna_pool *pool;                 /* NULL: in the calling thread */
    const vecna_allocator *allocator; /* NULL malloc */
} vecna_tsne_options;

/* t-distributed stochastic neighbour embedding in the plane, by Barnes and Hut's approximation.
 *   rows        (rows, dim)  finite; at least 4. Distances are Euclidean: give unit rows for cosine
 *   options     may be NULL
 *   out         (rows, 2)    dense, centred
 *   divergence  of Kullback and Leibler that is left; NULL: not wanted
 * Starts from the principal components, so that the picture is the same each time; the result does
 * not depend on the number of threads.
 * Numerics: neighbours by exact search; affinities in float64, positions in float32.
 * Memory:   about 24 * 3 * perplexity * rows bytes.
 * Errors:   VECNA_ERR_ARGUMENT for options out of range, too few rows, or "cancelled";
 *           VECNA_ERR_NUMERIC; VECNA_ERR_MEMORY; VECNA_ERR_LIBRARY.
 * Source:   van der Maaten, "Accelerating t-SNE using tree-based algorithms", JMLR 15, 2014.
 *           Since 0.2. */
VECNA_API VECNA_CHECK vecna_status vecna_plane_tsne(vecna_view rows,
                                                    const vecna_tsne_options *options, float *out,
                                                    double *divergence, vecna_error *err);

/* Share of the k nearest neighbours of a row that are its nearest in the picture too: 1 all, about
 * k / rows none. Mean over at most 2,000 rows, evenly taken.
 *   rows (rows, dim), plane (rows, 2)
 * Errors: VECNA_ERR_ARGUMENT unless k is below the rows; as vecna_search. Since 0.2. */
VECNA_API VECNA_CHECK vecna_status vecna_plane_kept(vecna_view rows, vecna_view plane, size_t k,
                                                    vecna_pool *pool,
                                                    const vecna_allocator *allocator, double *out,
                                                    vecna_error *err);

#ifdef __cplusplus
}
#endif
#endif
