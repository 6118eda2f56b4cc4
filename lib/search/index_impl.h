/* What the two files of the inverted file share. */
#ifndef VNI_INDEX_IMPL_H
#define VNI_INDEX_IMPL_H

#include "search/search_impl.h"

#include "vecna/linalg.h"
#include "vecna/search.h"

enum { VNI_INDEX_DIM_MAX = 65536, VNI_INDEX_K_MAX = 1024 };

struct vecna_index {
    vecna_allocator allocator_copy;
    const vecna_allocator *allocator;
    size_t rows, dim, cells;
    int8_t *codes;
    float *scales;
    int8_t *centroids;
    float *centroid_scales; /* behind the scales */
    int32_t *starts;
    int32_t *order;             /* NULL from parts */
    vecna_linalg_int8 **packed; /* (cells + 1) rows of a cell for products, NULL for an empty one;
                                   then the centroids */
};

/* Fill index->packed from the codes. */
VECNA_CHECK vecna_status vni_index_pack(vecna_index *index, vecna_error *err);

/* index_scan.c. Offer a line of scores, of rows `first` and on, but those above `most`. */
void vni_index_offer(vni_best *best, float most, const float *scores, size_t count, int64_t first);

/* Codes of a row, and the scale that gives code * scale length 1; 0 for a zero row. */
float vni_index_quantise(const float *row, size_t dim, int8_t *codes);

#endif
