/* A contrastive training: the table, its optimiser, and one batch's work. */
#ifndef VNI_TRAIN_CONTRASTIVE_IMPL_H
#define VNI_TRAIN_CONTRASTIVE_IMPL_H

#include "train/epochs_impl.h"
#include "train/piece_table.h"
#include "vecna/train.h"

enum { VNI_SIZES_MOST = 16, VNI_CONTRASTIVE_DIM_MOST = VNI_PIECE_DIM_MOST };

struct vecna_contrastive {
    const vecna_allocator *allocator; /* NULL or &allocator_copy */
    vecna_allocator allocator_copy;
    vecna_contrastive_options options; /* with their defaults; sizes is the model's */
    size_t sizes[VNI_SIZES_MOST];      /* all of them, dim last */
    size_t size_count;
    vecna_contrastive_data data;
    vni_piece_table table;
    vni_epochs way;
    uint64_t fingerprint;
};

/* A batch: the next pairs on the way. */
typedef struct vni_contrastive_batch {
    size_t count;         /* pairs */
    size_t negatives;     /* that have one */
    size_t rows;          /* of all: anchors, own, negatives */
    vni_piece_sums texts; /* (rows) */
    float *unit;          /* (rows, dim) of one size: the first so many, at length 1 */
    float *by_unit;       /* (rows, dim) */
    float *length;        /* (rows) */
} vni_contrastive_batch;

VECNA_CHECK vecna_status vni_contrastive_batch_new(const vecna_contrastive *model,
                                                   vni_contrastive_batch *out, vecna_error *err);
void vni_contrastive_batch_free(const vecna_contrastive *model, vni_contrastive_batch *batch);
/* Sums, loss and what it asks of every sum (batch->texts.by_sum) of the next `count` pairs.
 *   loss  mean over the sizes */
VECNA_CHECK vecna_status vni_contrastive_look(const vecna_contrastive *model, size_t count,
                                              vni_contrastive_batch *batch, vecna_pool *pool,
                                              double *loss, vecna_error *err);

#endif
