/* A contrastive training: the table, its optimiser, and one batch's work. */
#ifndef VNI_TRAIN_CONTRASTIVE_IMPL_H
#define VNI_TRAIN_CONTRASTIVE_IMPL_H

#include "vecna/train.h"

enum { VNI_SIZES_MOST = 16, VNI_CONTRASTIVE_DIM_MOST = 8192 };

struct vecna_contrastive {
    const vecna_allocator *allocator; /* NULL or &allocator_copy */
    vecna_allocator allocator_copy;
    vecna_contrastive_options options; /* with their defaults; sizes is the model's */
    size_t sizes[VNI_SIZES_MOST];      /* all of them, dim last */
    size_t size_count;
    vecna_contrastive_data data;
    float unit;                     /* root mean square of the start */
    float *table, *moment, *square; /* (pieces, dim) and Adam's means */
    uint32_t *steps;                /* (pieces) that a row has taken */
    uint32_t *order;                /* (pairs) of this epoch */
    size_t epoch, at;               /* the next pair is order[at] */
    uint64_t done;                  /* pairs */
    double loss;                    /* NaN at first */
    uint64_t fingerprint;
};

/* A batch: pairs order[at .. at + count). */
typedef struct vni_contrastive_batch {
    size_t count;     /* pairs */
    size_t negatives; /* that have one */
    size_t rows;      /* of all: anchors, own, negatives */
    uint32_t *text;   /* (rows) */
    float *sum;       /* (rows, dim) of the pieces' rows */
    float *unit;      /* (rows, dim) of one size: the first so many, at length 1 */
    float *by_unit;   /* (rows, dim) */
    float *by_sum;    /* (rows, dim) what is asked of the sums */
    float *length;    /* (rows) */
    int32_t *slot;    /* (pieces) place of a piece among `touched`, -1: none */
    int32_t *touched; /* (occurrences) pieces */
    size_t touched_count;
    size_t *start; /* (touched + 2) of their rows */
    uint32_t *row; /* (occurrences) */
    size_t room;   /* of occurrences */
} vni_contrastive_batch;

VECNA_CHECK vecna_status vni_contrastive_batch_new(const vecna_contrastive *model,
                                                   vni_contrastive_batch *out, vecna_error *err);
void vni_contrastive_batch_free(const vecna_contrastive *model, vni_contrastive_batch *batch);
/* Sums, loss and what it asks of every sum (batch->by_sum) of the next `count` pairs.
 *   loss  mean over the sizes */
VECNA_CHECK vecna_status vni_contrastive_look(const vecna_contrastive *model, size_t count,
                                              vni_contrastive_batch *batch, vecna_pool *pool,
                                              double *loss, vecna_error *err);
/* Moves the rows of the touched pieces by Adam. */
void vni_contrastive_move(vecna_contrastive *model, vni_contrastive_batch *batch, double rate,
                          vecna_pool *pool);

#endif
