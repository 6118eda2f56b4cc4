/* The loss of pairs among others, and its gradient: what contrastive trainers share. */
#ifndef VNI_TRAIN_INFONCE_H
#define VNI_TRAIN_INFONCE_H

#include "vecna/base.h"

/* Anchor i belongs to candidate i, for all i below `anchors.rows`; further candidates are nobody's own
 * (hard negatives).
 *
 *   logit(i, j) = scale * anchor i . candidate j
 *   loss        = mean over i of -log softmax over j of logit(i, .) at i
 *   symmetric:    the mean of that and of the same with anchors and the own candidates changed over
 *
 * A candidate that is as right as the own one is left out of a row: one of the same thing as i's own, as
 * anchor i itself, or whose anchor is the same thing as anchor i. */
typedef struct vni_infonce {
    vecna_view anchors;        /* (n, dim) unit rows */
    vecna_view candidates;     /* (m, dim) unit rows, m >= n */
    const uint32_t *anchor_of; /* (n) what each is, to find equals; NULL: all different */
    const uint32_t *thing_of;  /* (m) */
    double scale;              /* 1 / temperature */
    int symmetric;
    size_t chunk; /* rows of logits in memory at once; 0: all. Results are the same */
    vecna_pool *pool;
    const vecna_allocator *allocator;
} vni_infonce;

typedef struct vni_infonce_result {
    double loss;
    double by_log_scale; /* d loss / d log scale */
} vni_infonce_result;

/* Adds d loss / d row, times `weight`, to both gradients, dense rows of the views' dimension.
 * Numerics: float32 products; sums of a row in float64. The same on every number of threads. */
VECNA_CHECK vecna_status vni_infonce_add(const vni_infonce *in, double weight, float *by_anchors,
                                         float *by_candidates, vni_infonce_result *out,
                                         vecna_error *err);

#endif
