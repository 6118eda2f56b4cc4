/* What the files of the 12-bit product share: the packed weights and the kernels over them. */
#ifndef VNI_LINALG_INT12_IMPL_H
#define VNI_LINALG_INT12_IMPL_H

#include "vecna/linalg.h"

/* A panel is 64 columns of the weights. For every 4 inputs it has the weights' upper bytes, 64 times 4 in
 * the order in which the processors' instructions take them, and behind them their lower halves of a
 * byte: those of columns 0 to 15 share bytes with those of 16 to 31 (lower and upper half), 32 to 47 with
 * 48 to 63. One stream of memory. Inputs are padded to 4, columns to 64, both with zeros. */
enum {
    VNI_INT12_PANEL = 64,
    VNI_INT12_QUAD = 4,
    VNI_INT12_HIGH = VNI_INT12_PANEL * VNI_INT12_QUAD,
    VNI_INT12_STEP = VNI_INT12_HIGH * 3 / 2 /* bytes of 4 inputs */
};

struct vecna_linalg_int12 {
    const vecna_allocator *allocator; /* NULL or &allocator_copy */
    vecna_allocator allocator_copy;
    size_t inner, dim;
    size_t quads, panels;
    float *scale;        /* (panels * 64) what one unit of a column's weights is worth */
    int32_t *high_moved; /* (panels * 64) 128 times the sum of a column's upper bytes */
    int32_t *low_moved;  /* (panels * 64) 128 times the sum of its lower halves */
    uint8_t *panel;      /* (panels, quads, 384) */
};

/* A row as whole numbers of 16 bits: number i is 256 * (high[i] - 128) + low[i]. */
typedef struct vni_int12_row {
    uint8_t *high, *low; /* (quads * 4) each; 128 and 0 behind the row's end */
    float step;          /* what one unit is worth */
} vni_int12_row;

/* Steps, each with one variant per instruction set; all give the same bits.
 * quantise: step 0 where the largest number is below 1e-30, NaN where one is not finite.
 * product: out (64) = the row against one panel, scaled. */
typedef struct vni_int12_kernels {
    unsigned needs; /* VNI_CPU_ */
    void (*quantise)(const struct vecna_linalg_int12 *weights, const float *row,
                     vni_int12_row *out);
    void (*product)(const struct vecna_linalg_int12 *weights, size_t panel,
                    const vni_int12_row *row, float out[VNI_INT12_PANEL]);
} vni_int12_kernels;

extern const vni_int12_kernels vni_int12_portable;
#if defined(__x86_64__)
extern const vni_int12_kernels vni_int12_avx512vnni;
#endif

#endif
