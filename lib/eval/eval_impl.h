/* What the files of eval share, beside its public header. */
#ifndef VNI_EVAL_IMPL_H
#define VNI_EVAL_IMPL_H

#include "vecna/eval.h"

/* One judgement of a query. */
typedef struct vni_judged {
    int64_t doc; /* row, or VECNA_DOC_OUTSIDE */
    int32_t grade;
} vni_judged;

struct vecna_judgements {
    size_t queries;
    size_t docs;
    size_t *offsets;      /* (queries + 1) into judged */
    size_t *gain_offsets; /* (queries + 1) into gains */
    vni_judged *judged;   /* by query, then ascending by document */
    int32_t *gains;       /* by query: the positive grades, descending */
    vecna_allocator allocator;
    int has_allocator;
};

/* Rows in one list of a ranking: those before the first negative one, at most limit. */
size_t vni_list_length(const vecna_ranking *ranking, size_t query, size_t limit);

/* Sorts the values; low and high leave (1 - confidence) / 2 of them outside each. */
void vni_percentiles(double *values, size_t count, double confidence, double *low, double *high);

#endif
