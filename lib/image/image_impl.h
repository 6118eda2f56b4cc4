/* The tower at work, for the trainer: there and back. */
#ifndef VNI_IMAGE_IMPL_H
#define VNI_IMAGE_IMPL_H

#include "vecna/image.h"

enum { VNI_IMAGE_DIM_MOST = 8192 };

/* Where the numbers of a part of the tower begin: stages, then the head. */
typedef struct vni_image_part {
    size_t weights, biases; /* places in the parameters */
    size_t inputs, outputs; /* weights are (inputs, outputs) */
} vni_image_part;

vni_image_part vni_image_part_of(const vecna_image_shape *shape, size_t stage);

/* What `count` pictures become on their way. */
typedef struct vni_image_work {
    const vecna_image_shape *shape;
    const vecna_allocator *allocator;
    size_t room, count;                      /* pictures */
    float *pixels;                           /* (room, height, width, channels) the caller fills */
    float *seen[VECNA_IMAGE_STAGES_MOST];    /* (room * cells, 9 * filters below) */
    float *made[VECNA_IMAGE_STAGES_MOST];    /* (room * cells, filters) */
    float *asked, *below, *turned, *by_seen; /* on the way back; NULL without it */
} vni_image_work;

/* back: 1 for work that goes both ways. */
VECNA_CHECK vecna_status vni_image_work_new(const vecna_image_shape *shape, size_t room, int back,
                                            const vecna_allocator *allocator, vni_image_work *out,
                                            vecna_error *err);
void vni_image_work_free(vni_image_work *work);
/* Bytes that it takes. */
double vni_image_work_bytes(const vecna_image_shape *shape, size_t room, int back);

/* A byte as the tower takes it: white is 0, as what lies beyond the border. */
static inline float vni_image_level(uint8_t byte) {
    return (float)(255 - byte) * (1.0f / 128);
}

/* out (count, dim) of the first `count` pictures of work->pixels, of any length. */
VECNA_CHECK vecna_status vni_image_forward(vni_image_work *work, const float *parameters,
                                           size_t count, float *out, vecna_pool *pool,
                                           vecna_error *err);
/* The gradient of the parameters, overwritten, from that of the last forward's out. */
VECNA_CHECK vecna_status vni_image_backward(vni_image_work *work, const float *parameters,
                                            const float *by_out, float *by_parameters,
                                            vecna_pool *pool, vecna_error *err);

#endif
