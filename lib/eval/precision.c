/* Average precision of scored pairs: sorted by score, equal scores taken together, so that the order
 * within them cannot matter. */
#include "eval/eval_impl.h"

#include <math.h>
#include <stdlib.h>

typedef struct scored {
    double score;
    uint32_t positive;
} scored;

static int by_score(const void *a, const void *b) {
    const double x = ((const scored *)a)->score, y = ((const scored *)b)->score;
    return x > y ? -1 : x < y;
}

vecna_status vecna_eval_average_precision(const double *scores, const uint32_t *positive,
                                          size_t count, const vecna_allocator *allocator,
                                          double *out, vecna_error *err) {
    double found = 0, sum = 0;
    scored *all = vecna_allocate(allocator, count, sizeof *all);
    if (!all) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for %zu scores", count);
    }
    for (size_t i = 0; i < count; i++) {
        if (isnan(scores[i])) {
            vecna_release(allocator, all);
            return vecna_error_set(err, VECNA_ERR_VALUE, (int64_t)i, "score %zu is no number", i);
        }
        all[i].score = scores[i];
        all[i].positive = positive[i] != 0;
    }
    qsort(all, count, sizeof *all, by_score);
    for (size_t i = 0; i < count;) {
        size_t end = i;
        double here = 0;
        for (; end < count && all[end].score == all[i].score; end++) {
            here += all[end].positive;
        }
        found += here;
        sum += here * found / (double)end;
        i = end;
    }
    *out = found > 0 ? sum / found : NAN;
    vecna_release(allocator, all);
    return VECNA_OK;
}
