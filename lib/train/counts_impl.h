/* What the files of counting share. */
#ifndef VNI_COUNTS_IMPL_H
#define VNI_COUNTS_IMPL_H

#include "train/train_impl.h"

struct vecna_counts {
    vecna_counts_options options; /* defaults filled in */
    vecna_allocator allocator_copy;
    const vecna_allocator *allocator;
    const vecna_corpus *corpus; /* NULL: opened from a file */
    const vecna_vocab *words;   /* a column each; NULL with buckets */
    vecna_vocab *own_words;     /* of a file; to be freed */
    size_t columns, texts, dim;
    double *weights;   /* (columns) idf; NULL: 1 */
    float *directions; /* (columns, dim) of LSA, or NULL */
    double *values;    /* (dim) singular values */
    double share;
    size_t rounds;
    uint64_t fingerprint; /* of everything above */
};

/* The bucket of a word. */
size_t vni_counts_bucket(const vecna_counts *model, const char *word, size_t bytes);
/* columns (count), in any order, become the different ones, ascending, and values their weighted
 * counts; returns how many. values has room for count. */
size_t vni_counts_weigh(const vecna_counts *model, int32_t *columns, size_t count, double *values);
void vni_counts_seal(vecna_counts *model); /* its fingerprint */

/* A sparse matrix by its rows. */
typedef struct vni_sparse {
    size_t rows, columns;
    size_t *starts;  /* (rows + 1) */
    int32_t *at;     /* columns */
    double *entries; /* as many */
} vni_sparse;

typedef struct vni_svd_options {
    size_t dim, rounds;
    uint64_t seed;
    vecna_pool *pool;
    int (*progress)(void *user, size_t round, size_t rounds);
    void *progress_user;
    const vecna_allocator *allocator;
} vni_svd_options;

/* The `dim` largest singular values, and their directions in the space of the columns.
 *   values      (dim) descending
 *   directions  (columns, dim); the largest component of each direction is positive
 *   rounds      that it took */
vecna_status vni_sparse_svd(const vni_sparse *x, const vni_svd_options *options, double *values,
                            float *directions, size_t *rounds, vecna_error *err);
/* Bytes of it, without x. */
double vni_sparse_svd_bytes(size_t rows, size_t columns, size_t entries, size_t dim);
void vni_sparse_free(vni_sparse *x, const vecna_allocator *allocator);

#endif
