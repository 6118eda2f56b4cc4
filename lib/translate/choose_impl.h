/* What the files of the choice share: the comparison on held-out rows, and the stage that comes after
 * the linear methods. */
#ifndef VNI_CHOOSE_IMPL_H
#define VNI_CHOOSE_IMPL_H

#include "translate/memory_impl.h"
#include "translate/translate_impl.h"

enum {
    VNI_CHOOSE_FOLDS = 5,
    VNI_CHOOSE_FOLDS_IN_REPORT = 2, /* held out while a reported map is chosen, to save time */
    VNI_CHOOSE_CANDIDATES = 64,
    VNI_CHOOSE_QUERIES = 500,
    VNI_CHOOSE_QUERIES_LEAST = 20, /* of a query sample; fewer are not asked */
    VNI_CHOOSE_LAMBDAS = 13
};

/* One held-out fold. */
typedef struct vni_held {
    vni_basis basis;
    size_t *rows; /* borrowed, into the comparison's list */
    size_t count;
    size_t first;     /* of its rows among the compared */
    float *projected; /* (count, basis rank) */
    float *asked;     /* (queries, basis rank) of a query sample, fold 0 in the query role */
    size_t *train;    /* (trained) rows of the other folds; NULL where nothing is remembered */
    size_t trained;
    struct vni_memory *memory; /* of these rows, for the base that was tried last */
    vecna_recipe remembered;   /* that base */
    vni_neighbours found;      /* of the held-out rows */
} vni_held;

typedef struct vni_comparison {
    const vni_fit *fit;
    const vecna_allocator *allocator;
    vni_held folds[VNI_CHOOSE_FOLDS];
    size_t fold_limit; /* most that are held out */
    int kinds;         /* folds are kinds of rows, not a draw of them (choose_kinds.c) */
    size_t fold_count;
    size_t *rows; /* (count) compared rows, fold by fold */
    size_t count;
    size_t dim;        /* of the target */
    float *native;     /* (count, dim) */
    float *translated; /* (count, dim) */
    double *block;     /* (largest rank, dim) */
    double *cosines;   /* (count) */
    size_t queries;
    size_t *query_row; /* (queries) compared row of a query; own row */
    float *asked;      /* (queries, dim) native or translated queries */
    int remembers;     /* memories are among the candidates */
    int from_sample;   /* queries are a sample, not compared rows */
    size_t depth;
    int64_t *truth; /* (queries, depth) native neighbours */
    int64_t *own;   /* (queries) the row to be found first */
    int64_t *lists; /* (queries, list_depth) */
    size_t list_depth;
    double *scores; /* (VNI_CHOOSE_CANDIDATES, queries) */
    vecna_candidate candidates[VNI_CHOOSE_CANDIDATES];
    size_t candidate_count;
} vni_comparison;

/* What a gain over the standing recipe must exceed: standard errors, and something beside them. */
typedef struct vni_evidence {
    double errors;
    double least;
} vni_evidence;

/* choose_compare.c. Hold out rows and ask the questions of c->fit; fit, allocator, dim, remembers, kinds
 * and fold_limit are set. _free in any case. */
VECNA_CHECK vecna_status vni_comparison_new(vni_comparison *c, vni_moments *moments,
                                            const size_t *rows, size_t count, vecna_error *err);
void vni_comparison_free(vni_comparison *c);
/* Cosines (count) of the rows as they are translated now to native ones, as below. */
void vni_comparison_cosines(const vni_comparison *c, int centred, double *out);
/* Mean cosine of the rows as they are translated now to native ones; about the native mean when
 * `centred`. */
double vni_comparison_cosine(const vni_comparison *c, int centred);
/* Translate the held-out rows by a recipe and score it; it becomes a candidate, if it is none. */
VECNA_CHECK vecna_status vni_choose_try(vni_comparison *c, vecna_recipe recipe, vecna_error *err);
/* Gains of all candidates over the standing one; of those from `first` on the one that clears the
 * evidence by most, or the standing one. */
size_t vni_choose_settle(vni_comparison *c, size_t standing, size_t first,
                         const vni_evidence *needed);

/* choose_kinds.c. Folds of alike rows in place of the drawn ones; left as they are when the rows have no
 * kinds to tell apart. */
VECNA_CHECK vecna_status vni_choose_kinds(const vni_fit *fit, vni_split *split, vecna_error *err);

/* choose_prior.c. The recipe that stands, with numbers that suit any prior; and the weight of best retrieval
 * on held-out own pairs, against two standard errors of the gain. */
vecna_recipe vni_choose_standing(const vecna_translate_options *options);
VECNA_CHECK vecna_status vni_choose_weigh(const vni_fit *fit, vni_moments *moments,
                                          const size_t *rows, size_t count, int finally,
                                          vni_choice *out, vecna_error *err);

/* choose_memory.c. Correct what a fold's base has translated (rows, and asked queries in the query
 * role) by the memory of its other folds. */
VECNA_CHECK vecna_status vni_choose_remember(vni_comparison *c, vni_held *h,
                                             const vecna_recipe *recipe, vecna_error *err);
void vni_choose_forget(vni_comparison *c, vni_held *h);
/* Memories on a base: numbers of `given` that are 0 range over their choices. */
VECNA_CHECK vecna_status vni_choose_memories(vni_comparison *c, vecna_recipe given,
                                             vecna_error *err);
/* The candidate to deliver, when `chosen` is the choice among the linear ones. */
size_t vni_choose_between(vni_comparison *c, size_t chosen, size_t standing);
/* 1 when memories are among the candidates of this fit of so many rows. */
int vni_choose_remembers(const vni_fit *fit, size_t rows);

#endif
