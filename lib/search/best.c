/* A bounded heap for each query: k is small, so that a binary heap over two arrays beats anything
 * clever, and the order (score, then lower row) is total, so the k best do not depend on the order
 * in which they were offered. */
#include "search/search_impl.h"

static void put(vni_best *best, size_t at, float score, int64_t row) {
    best->scores[at] = score;
    best->rows[at] = row;
}

/* Moves (score, row) down from `at` until every child comes before its parent. */
static void sift_down(vni_best *best, size_t at, size_t count, float score, int64_t row) {
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count)
            break;
        if (child + 1 < count && vni_before(best->scores[child], best->rows[child],
                                            best->scores[child + 1], best->rows[child + 1]))
            child++; /* the worse of the two */
        if (!vni_before(score, row, best->scores[child], best->rows[child]))
            break;
        put(best, at, best->scores[child], best->rows[child]);
        at = child;
    }
    put(best, at, score, row);
}

void vni_best_offer(vni_best *best, float score, int64_t row) {
    size_t at = best->count;
    if (at == best->k) {
        if (at > 0 && vni_before(score, row, best->scores[0], best->rows[0]))
            sift_down(best, 0, at, score, row);
        return;
    }
    best->count++;
    while (at > 0) {
        size_t parent = (at - 1) / 2;
        if (!vni_before(best->scores[parent], best->rows[parent], score, row))
            break;
        put(best, at, best->scores[parent], best->rows[parent]);
        at = parent;
    }
    put(best, at, score, row);
}

/* Heapsort: the worst of the rest goes to the end of the rest. */
void vni_best_sort(vni_best *best) {
    for (size_t left = best->count; left > 1; left--) {
        float score = best->scores[left - 1];
        int64_t row = best->rows[left - 1];
        put(best, left - 1, best->scores[0], best->rows[0]);
        sift_down(best, 0, left - 1, score, row);
    }
}
