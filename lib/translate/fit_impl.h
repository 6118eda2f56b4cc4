/* What the files of one fit share: fit.c says the steps, fit_rows.c prepares the rows, fit_folds.c fits
 * and translates fold by fold. */
#ifndef VNI_FIT_IMPL_H
#define VNI_FIT_IMPL_H

#include "translate/memory_impl.h"
#include "translate/translate_impl.h"

enum { VNI_FIT_FOLDS = 5 };

/* Times the source's dimensions: with more rows a map hardly gets better. */
enum { VNI_ROWS_GROWN = 8 };

typedef struct vni_fitting {
    vni_fit fit; /* what the steps see */
    const vecna_allocator *allocator;
    vecna_translate_options options;
    float *source, *target; /* copies */
    float *query_source, *query_target;
    double *centres; /* source, target */
    size_t *group;
    uint64_t *key;
    size_t *query_list;  /* sample then reporting queries */
    double *query_means; /* source, target of the sample */
    int source_normalized;
    unsigned char *judged; /* (rows) 1: set aside */
    size_t judged_count;
    int judged_fitted; /* too few other rows: judged ones are reported by maps of other folds */
    size_t *rows;      /* rows to fit, then the judged */
    size_t row_count;
    vni_split split;
    vni_kept *kept;      /* pairs of the memory that is updated, or NULL */
    vni_moments moments; /* of all rows to fit; memory NULL: they are fewer than dims */
    /* reported */
    size_t folds;
    size_t *reported; /* rows in order */
    size_t reported_count;
    float *held;    /* source, native, translated, shuffled of the reported rows */
    float *lengths; /* (reported) of the translations before they were brought to 1 */
    vecna_recipe fold_recipes[VNI_FIT_FOLDS];
    double length_growth; /* the same of the mean length before it is brought to 1 */
    double growth;        /* of the mean cosine, from the maps of the folds to the delivered one */
    float *asked;         /* source, target, translated, shuffled of the reporting queries */
    size_t *query_fold;   /* (reporting queries) whose map translates it */
    vecna_judgements *judgements;
    vni_choice choice;
    vecna_report report;
    vni_statistics *mixes[VECNA_KINDS_MOST]; /* of the prior's kinds, or NULL */
} vni_fitting;

/* fit_rows.c: steps 1 and 2. Check and copy the rows; group them, set judged rows aside, share the
 * queries and find their means. */
VECNA_CHECK vecna_status vni_fit_take_rows(vni_fitting *f, vecna_view source, vecna_view target,
                                           vecna_error *err);
/* The statistics of the map that the options name as prior or to be updated; does it go with the
 * rows? */
VECNA_CHECK vecna_status vni_fit_take_prior(vni_fitting *f, vecna_error *err);
/* Are the kinds that the options tell apart kinds of these rows? */
VECNA_CHECK vecna_status vni_fit_check_kinds(const vni_fitting *f, vecna_error *err);
/* fit_known.c: how many of the new pairs the map that is updated has already, for the report. */
VECNA_CHECK vecna_status vni_fit_find_known(vni_fitting *f, vecna_error *err);
VECNA_CHECK vecna_status vni_fit_arrange(vni_fitting *f, vecna_error *err);
/* Means of the query sample, where there is one and the role wants it. */
vni_means vni_fit_means(const vni_fitting *f);

/* fit_folds.c: step 3. Which rows are reported and how many folds; then one fold after the other:
 * choose on the others, fit, translate this one. */
VECNA_CHECK vecna_status vni_fit_plan(vni_fitting *f, vecna_error *err);
VECNA_CHECK vecna_status vni_fit_fold(vni_fitting *f, size_t fold, vecna_error *err);
/* The rows of a fold once more, by the recipe of f->choice. */
VECNA_CHECK vecna_status vni_fit_fold_again(vni_fitting *f, size_t fold, vecna_error *err);

/* A map of some of the rows: its linear part, and what corrects it or NULL. */
typedef struct vni_fold_map {
    const vni_basis *basis;
    double *block;
    vni_memory *memory;
    double means;  /* the recipe's share of them */
    vni_basis own; /* what basis points to, where the map was made by vni_fold_map_new */
} vni_fold_map;

/* By the recipe of f->choice, of the listed rows; stays where it is until _free, also after a failure. */
VECNA_CHECK vecna_status vni_fold_map_new(const vni_fitting *f, const size_t *train, size_t trained,
                                          vni_fold_map *out, vecna_error *err);
void vni_fold_map_free(const vni_fitting *f, vni_fold_map *map);
/* Unit rows out (rows, target dim), and the lengths that they had before (rows), or NULL. The share of
 * the means is the map's. */
VECNA_CHECK vecna_status vni_fold_translate(const vni_fitting *f, const vni_fold_map *map,
                                            vecna_view in, vni_means means, vecna_matrix out,
                                            float *lengths, vecna_error *err);

/* fit_growth.c: f->growth and f->length_growth, once the held rows are translated by the recipe that is
 * delivered. */
VECNA_CHECK vecna_status vni_fit_grow(vni_fitting *f, vecna_error *err);

/* fit_held.c: after 5. The rows that the map keeps, and what is learned from them. */
VECNA_CHECK vecna_status vni_fit_hold(vni_fitting *f, vecna_map *map, vecna_error *err);

/* The memory that a recipe wants of a base map given by basis and block (the documents' means);
 * *out stays NULL where it wants none. The weights and bias of `input` are set here. */
VECNA_CHECK vecna_status vni_fit_remember(const vni_memory_input *input, const vni_basis *basis,
                                          const double *block, vni_memory **out, vecna_error *err);

#endif
