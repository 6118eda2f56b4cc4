/* What the files of search share. */
#ifndef VNI_SEARCH_IMPL_H
#define VNI_SEARCH_IMPL_H

#include "vecna/search.h"

/* The best k of what has been offered: a heap whose root is the worst that is kept. `rows` and
 * `scores` have room for k. A NaN score is never kept. */
typedef struct vni_best {
    int64_t *rows;
    float *scores;
    size_t count;
    size_t k;
} vni_best;

/* 1 when (score, row) comes before (other, other_row): a higher score, or the same and a lower row.
 */
static inline int vni_before(float score, int64_t row, float other, int64_t other_row) {
    return score > other || (score == other && row < other_row);
}

/* Offers one row; `score` must not be NaN. */
void vni_best_offer(vni_best *best, float score, int64_t row);
/* Sorts what is kept, best first; the heap is no heap afterwards. */
void vni_best_sort(vni_best *best);

#endif
