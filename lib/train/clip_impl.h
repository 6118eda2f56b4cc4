/* A training of two towers: the table of pieces, the tower of pictures, and one batch's work. */
#ifndef VNI_TRAIN_CLIP_IMPL_H
#define VNI_TRAIN_CLIP_IMPL_H

#include "image/image_impl.h"
#include "train/epochs_impl.h"
#include "train/piece_table.h"
#include "vecna/train.h"

struct vecna_clip {
    const vecna_allocator *allocator; /* NULL or &allocator_copy */
    vecna_allocator allocator_copy;
    vecna_clip_options options; /* with their defaults */
    vecna_clip_data data;
    vni_piece_table table;
    size_t parameters; /* of the tower */
    float *tower, *moment, *square;
    double scale[3]; /* the logarithm of 1 / temperature, and Adam's means */
    uint64_t steps;  /* that tower and scale have taken */
    vni_epochs way;
    uint64_t fingerprint;
};

/* A batch: the next pairs on the way. Of every pair of arrays the first half is the pictures'. */
typedef struct vni_clip_batch {
    size_t count;
    vni_image_work work;
    vni_piece_sums texts;
    uint32_t *picture; /* (count) numbered behind the texts */
    float *sum;        /* (count, dim) of pictures, of any length */
    float *unit;       /* (2, count, dim) */
    float *by_unit;    /* (2, count, dim) */
    float *length;     /* (2, count) */
    float *by_sum;     /* (count, dim) of pictures */
    float *by_tower;   /* (parameters) */
    double by_scale;   /* of its logarithm */
} vni_clip_batch;

VECNA_CHECK vecna_status vni_clip_batch_new(const vecna_clip *model, vni_clip_batch *out,
                                            vecna_error *err);
void vni_clip_batch_free(const vecna_clip *model, vni_clip_batch *batch);
double vni_clip_batch_bytes(const vecna_clip_options *options);
/* The loss of the next `count` pairs, and what it asks: of every sum of texts (texts.by_sum), of the
 * tower and of the scale. */
VECNA_CHECK vecna_status vni_clip_look(const vecna_clip *model, size_t count, vni_clip_batch *batch,
                                       vecna_pool *pool, double *loss, vecna_error *err);
/* A step of everything. share: of the largest rates. */
void vni_clip_move(vecna_clip *model, const vni_clip_batch *batch, double share, vecna_pool *pool);

#endif
