/* What the files of the layer share. */
#ifndef VNI_LAYER_IMPL_H
#define VNI_LAYER_IMPL_H

#include "vecna/train.h"

/* One row that a sample of a batch moves: its gradient is weight * (pull + l2 * row), its bias's
 * weight * (error + l2 * bias). */
typedef struct vni_touch {
    int32_t row;
    uint32_t turn; /* order in the batch */
    double weight, error;
    const double *pull; /* (dim), of values from before the step */
} vni_touch;

struct vecna_layer {
    vecna_layer_options options; /* defaults filled in */
    vecna_allocator allocator_copy;
    const vecna_allocator *allocator;
    vecna_layer_data data; /* borrowed */
    double mean;           /* of the ratings */

    /* parameters, one after the other: table (rows, dim), weights (classes, dim), biases (rows or
     * classes); and AdaGrad's sums of squares in the same places */
    double *values, *squares;
    size_t count, weights_at, biases_at;

    size_t *order;  /* (samples) of this epoch */
    size_t drawn;   /* predictions of a sample: itself, and negatives */
    double *hidden; /* (batch, dim) mean of a text's rows */
    double *errors; /* (batch, classes) classify: dLoss / dlogit */
    double *pulls;  /* (batch * drawn * 2, dim) what moves rows */
    double *losses; /* (batch) */
    vni_touch *touches;
    size_t *groups; /* where the touches of each different row start, and their end */
    size_t touch_count, group_count;
    size_t batch_count; /* samples of the batch that is trained */
    const size_t *batch;
    double *collect; /* NULL: train. (count): gradients go here instead, for tests */

    size_t epoch, at; /* samples of this epoch that are done */
    double loss, loss_sum;
};

/* One step over `count` samples, at most options.batch; position: of the first in the epoch, which
 * decides what is drawn. Returns the sum of their losses, without l2. */
double vni_layer_step(vecna_layer *model, const size_t *samples, size_t count, size_t position,
                      vecna_pool *pool);
/* Mean of rows, and what the classes make of it: hidden (dim), logits (classes). */
void vni_layer_logits(const vecna_layer *model, const int32_t *ids, size_t count, double *hidden,
                      double *logits);
/* logits become probabilities; returns the cross-entropy of a label. */
double vni_layer_softmax(double *logits, size_t classes, size_t label);
/* item: its row, behind the users'. */
double vni_layer_score(const vecna_layer *model, int32_t user, int32_t item);
void vni_layer_shuffle(vecna_layer *model);

#endif
