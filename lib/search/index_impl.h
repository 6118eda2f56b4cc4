/* What the two files of the inverted file share. */
#ifndef VNI_INDEX_IMPL_H
#define VNI_INDEX_IMPL_H

#include "vecna/linalg.h"
#include "vecna/search.h"

enum { VNI_INDEX_DIM_MAX = 131071, VNI_INDEX_K_MAX = 1024 };

struct vecna_index {
    vecna_allocator allocator_copy;
    const vecna_allocator *allocator;
    size_t rows, dim, cells;
    int8_t *codes;
    float *scales;
    int8_t *centroids;
    float *centroid_scales; /* behind the scales */
    int32_t *starts;
    int32_t *order; /* NULL from parts */
};

/* Codes of a row, and the scale that gives code * scale length 1; 0 for a zero row. */
float vni_index_quantise(const float *row, size_t dim, int8_t *codes);

#endif
