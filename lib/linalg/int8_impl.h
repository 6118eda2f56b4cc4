/* What the files of the int8 product share: the packed weights and the kernels over them. */
#ifndef VNI_LINALG_INT8_IMPL_H
#define VNI_LINALG_INT8_IMPL_H

#include "vecna/linalg.h"

/* A panel is 64 columns of the weights: for every 4 inputs, 64 times 4 bytes, the order in which the
 * processors' instructions take them. Inputs are padded to 4, columns to 64, both with zeros. */
enum { VNI_PANEL = 64, VNI_QUAD = 4, VNI_TILE_ROWS = 6, VNI_LANES = 16 };

struct vecna_linalg_int8 {
    const vecna_allocator *allocator; /* NULL or &allocator_copy */
    vecna_allocator allocator_copy;
    size_t inner, dim;
    size_t quads, panels;
    int unit_rows;
    float *centre;  /* (inner) */
    float *offset;  /* (panels * 64) added to every result */
    float *scale;   /* (panels * 64) of a column's weights */
    int32_t *moved; /* (panels * 64) what adding 128 to every input adds to a sum */
    int8_t *panel;  /* (panels, quads, 64, 4) */
};

/* What a kernel writes besides the sums: out = (sum - moved) * (step * scale) + offset. */
typedef struct vni_int8_tile {
    const uint8_t *rows; /* quantised, row_bytes apart */
    size_t row_bytes;
    const float *step; /* (rows) what one unit of a row's numbers is worth */
    float *out;        /* out_stride floats apart */
    size_t out_stride;
} vni_int8_tile;

/* Steps, each with one variant per instruction set; all give the same bits.
 * quantise: row * by - centre to quads * 4 bytes, 128 standing for 0; returns what a unit is worth.
 * product: `rows` rows (1 .. VNI_TILE_ROWS) against one panel; columns (1 .. 64) are written.
 * add: out += by[i] * the listed rows of codes, one after the other. */
typedef struct vni_int8_kernels {
    unsigned needs; /* VNI_CPU_ */
    float (*quantise)(const struct vecna_linalg_int8 *weights, const float *row, float by,
                      uint8_t *out);
    void (*product)(const struct vecna_linalg_int8 *weights, size_t panel,
                    const vni_int8_tile *tile, size_t rows, size_t columns);
    void (*add)(vecna_view_i8 codes, const int32_t *list, const float *by, size_t count,
                float *out);
} vni_int8_kernels;

extern const vni_int8_kernels vni_int8_portable;
#if defined(__x86_64__)
extern const vni_int8_kernels vni_int8_avx2;
extern const vni_int8_kernels vni_int8_avx512vnni;
#endif

#endif
