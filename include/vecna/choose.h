/* vecna/choose.h — which rows of a corpus to embed with a second model, when pairs cost money.
 *
 * A map can only know the directions that its pairs span. Pairs that lie far apart span more of them
 * than pairs drawn by chance, which come mostly from where the corpus is dense. What that brings on
 * real pairs, and which ways of choosing lost: docs/choose.md. */
#ifndef VECNA_CHOOSE_H
#define VECNA_CHOOSE_H

#include "vecna/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum vecna_choose_method {
    VECNA_CHOOSE_SPREAD = 0,   /* "spread": far from all chosen before, but for the farthest tenth,
                                  which holds what belongs to nothing */
    VECNA_CHOOSE_KMEANSPP = 1, /* "kmeans++": drawn in proportion to the squared distance */
    VECNA_CHOOSE_RANDOM = 2    /* "random": the yardstick */
} vecna_choose_method;

enum { VECNA_CHOOSE_METHODS = 3 };

/* "spread"; "unknown" for others. Static. */
VECNA_API const char *vecna_choose_method_name(vecna_choose_method method);

/* Zeros are the defaults. */
typedef struct vecna_choose_options {
    vecna_choose_method method;
    uint64_t seed;
    vecna_pool *pool;                 /* NULL: in the calling thread */
    const vecna_allocator *allocator; /* NULL malloc */
} vecna_choose_options;

/* What a choice is like. */
typedef struct vecna_chosen {
    size_t count;    /* of rows chosen */
    size_t unusable; /* rows that are zero or not finite: never chosen */
    double nearest;  /* mean over the usable rows of the centred cosine to the nearest chosen one */
} vecna_chosen;

/* Choose `count` rows.
 *   rows     (rows, dim)  float32; directions alone count, about their mean
 *   options  may be NULL
 *   out      (count) row numbers, each once, in the order of choice: the first of them are a choice
 *            of fewer, as long as both are at most 256 (beyond, rows are chosen several at a time)
 *   about    NULL: not wanted
 * Fewer are chosen when the usable rows are fewer (about->count), or when all that is left lies on a
 * chosen row: duplicates are never chosen twice.
 * Numerics: float32 cosines of float64 sums. The same for a seed on every number of threads.
 * Memory:   4 * rows * (dim + 4) bytes. Time: rows * dim * count products.
 * Errors:   VECNA_ERR_ARGUMENT for count 0, no usable row or an unknown method; VECNA_ERR_DIM for a
 *           stride below dim; VECNA_ERR_MEMORY.
 * Source:   Gonzalez 1985 (farthest first); Arthur and Vassilvitskii 2007 (k-means++);
 *           docs/choose.md. Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_choose(vecna_view rows, size_t count,
                                                const vecna_choose_options *options, size_t *out,
                                                vecna_chosen *about, vecna_error *err);

#ifdef __cplusplus
}
#endif
#endif
