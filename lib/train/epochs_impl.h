/* The way of a training through its pairs, epoch by epoch. What contrastive trainers share. */
#ifndef VNI_TRAIN_EPOCHS_IMPL_H
#define VNI_TRAIN_EPOCHS_IMPL_H

#include "vecna/base.h"
#include "vecna/train.h"

typedef struct vni_epochs {
    const vecna_allocator *allocator;
    size_t pairs, batch, epochs;
    uint64_t seed;
    size_t *order;    /* (pairs) of this epoch */
    size_t epoch, at; /* the next pair is order[at] */
    uint64_t done;    /* pairs */
    double loss;      /* of late; NaN at first */
} vni_epochs;

/* What a state keeps of it. */
typedef struct vni_epochs_place {
    uint64_t epoch, at, done;
    double loss;
} vni_epochs_place;

/* allocator, pairs, batch, epochs and seed are set before. */
VECNA_CHECK vecna_status vni_epochs_start(vni_epochs *way, vecna_error *err);
void vni_epochs_free(vni_epochs *way);
/* Pairs of the next batch; 0 when all epochs are over. */
size_t vni_epochs_next(const vni_epochs *way);
/* The share of its largest that a rate has now: a tenth of the way up, then down to 0. */
double vni_epochs_share(const vni_epochs *way);
/* `count` pairs are done, with that loss. */
void vni_epochs_on(vni_epochs *way, size_t count, double loss);
vecna_train_report vni_epochs_report(const vni_epochs *way, double rate);

vni_epochs_place vni_epochs_told(const vni_epochs *way);
/* Goes on from a place that was read from `path`. Errors: VECNA_ERR_FORMAT when there is no such place. */
VECNA_CHECK vecna_status vni_epochs_resume(vni_epochs *way, const vni_epochs_place *place,
                                           const char *path, vecna_error *err);

#endif
