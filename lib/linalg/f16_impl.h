/* What the files of the product with 16-bit weights share: the packed weights and the kernels. */
#ifndef VNI_LINALG_F16_IMPL_H
#define VNI_LINALG_F16_IMPL_H

#include "vecna/linalg.h"

/* A panel is 64 columns of the weights, input by input: one stream of memory for a row. */
enum { VNI_F16_PANEL = 64 };

struct vecna_linalg_f16 {
    const vecna_allocator *allocator; /* NULL or &allocator_copy */
    vecna_allocator allocator_copy;
    size_t inner, dim, panels;
    float *scale;    /* (panels * 64) a power of two for each column */
    uint16_t *panel; /* (panels, inner, 64) */
};

/* sums[j] = row . column j of the panel, before its scale. */
typedef struct vni_f16_kernel {
    unsigned needs; /* VNI_CPU_ */
    void (*product)(const uint16_t *panel, const float *row, size_t inner,
                    float sums[VNI_F16_PANEL]);
} vni_f16_kernel;

extern const vni_f16_kernel vni_f16_portable;
#if defined(__x86_64__)
extern const vni_f16_kernel vni_f16_avx2;
extern const vni_f16_kernel vni_f16_avx512;
#endif

#endif
