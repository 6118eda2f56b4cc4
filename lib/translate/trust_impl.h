/* What confidence.c, scores.c and their section of the map file share: the held rows, pairs that were
 * translated by maps which had not seen them, and what was learned from them.
 *
 * All that confidence and calibration know of a map is these rows and a few numbers: where the pairs
 * lie, how well each was translated, what scores a query gives to translations and to the truth. */
#ifndef VNI_TRUST_IMPL_H
#define VNI_TRUST_IMPL_H

#include "translate/translate_impl.h"

#define VNI_MISSED 0.05 /* share of rows that the lower bound may miss */

enum {
    VNI_HELD_MOST = 1024, /* rows kept: bytes are rows * (source dim + 2 * target dim) */
    VNI_HELD_LEAST = 64,  /* fewer calibrate nothing */
    VNI_FEATURES = 8,
    VNI_TERMS = 1 + 2 * VNI_FEATURES,
    VNI_NEAR = 16,
    VNI_KNOTS = 40
};

/* The features of a row, in the order of the model. */
enum {
    VNI_LEVERAGE, /* log of (x - mean)' S^-1 (x - mean): how far, in directions the pairs spread in */
    VNI_LENGTH,   /* of the product before it is brought to 1: what ridge shrank is short */
    VNI_TOWARDS_MEAN, /* cosine of the translation and the mean target */
    VNI_SOURCE_NEAR,  /* mean centred cosine with the nearest held sources */
    VNI_TARGET_FIRST, /* cosine of the translation with the nearest held target */
    VNI_TARGET_NEAR,  /* mean of the nearest */
    VNI_ERROR_NEAR,   /* mean error of the nearest held sources */
    VNI_DISAGREEMENT  /* length of their mean residual */
};

/* What was fitted on the features: doubles only, so that it is one tensor in the file. */
typedef struct vni_confidence_model {
    double mean[VNI_FEATURES];
    double deviation[VNI_FEATURES];
    double cosine[VNI_TERMS]; /* 1, the standardised features, their squares */
    double recall[VNI_TERMS];
    double spread[3];   /* of the residual: constant, slope over the predicted cosine, floor */
    double quantile;    /* of residuals in units of the spread; 95 of 100 are above */
    double outside[3];  /* leverage above, source nearness below, target nearness below */
    double cosine_mean; /* of the held rows */
} vni_confidence_model;

typedef struct vni_held {
    size_t rows, source_dim, target_dim;
    size_t of;          /* pairs of the fit that they were drawn from; 0: the file does not say */
    int8_t *source;     /* (rows, source dim); one allocation with the two below, from source */
    int8_t *target;     /* (rows, target dim) */
    int8_t *translated; /* (rows, target dim) by a map that had not seen the row */
    float *scales;      /* (3, rows): a number is its int8 times the scale of its row */
    vni_confidence_model model;
    int has_curve;               /* document role */
    double curve[2 * VNI_KNOTS]; /* from, to: of scores less their query's level */
    double ks_before, ks_after;  /* Kolmogorov-Smirnov, on queries that the curve had not seen */
} vni_held;

/* Room for rows; released by vni_held_free, which is NULL-safe. */
VECNA_CHECK vecna_status vni_held_new(size_t rows, size_t source_dim, size_t target_dim,
                                      const vecna_allocator *allocator, vni_held **out,
                                      vecna_error *err);
void vni_held_free(vni_held *held, const vecna_allocator *allocator);

/* Held rows as floats: 0 source, 1 target, 2 translated. */
void vni_held_rows(const vni_held *held, int which, float *out);

/* Rows of a fit that were translated without being seen. */
typedef struct vni_held_input {
    vecna_view source, native, translated; /* unit rows on the target side */
    const float *lengths;                  /* of the products, before they were brought to 1 */
    double growth;        /* of the mean cosine, from the maps of the folds to the delivered one */
    double length_growth; /* the same of the mean length */
    vecna_role role;
    const vecna_allocator *allocator; /* of the fit */
    vecna_pool *pool;
} vni_held_input;

/* Learn both from the rows; *out stays NULL where they are too few. map_allocator owns *out. */
VECNA_CHECK vecna_status vni_held_fit(const vni_held_input *input,
                                      const vecna_allocator *map_allocator, vni_held **out,
                                      vecna_error *err);

/* confidence.c: fill held->model, from the rows that it keeps. */
VECNA_CHECK vecna_status vni_confidence_fit(vni_held *held, const float *lengths,
                                            const vecna_allocator *allocator, vecna_pool *pool,
                                            vecna_error *err);
/* scores.c: fill held->curve and what stands beside it. */
VECNA_CHECK vecna_status vni_scores_fit(vni_held *held, const vecna_allocator *allocator,
                                        vecna_error *err);
/* Mean of the largest `count` numbers, but for number `but` (SIZE_MAX: none). */
double vni_mean_largest(const float *numbers, size_t total, size_t count, size_t but);

#endif
