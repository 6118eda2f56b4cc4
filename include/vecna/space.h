/* vecna/space.h — what an embedding space is, whether vectors come from it, and whether a set of
 * vectors is healthy.
 *
 * A space is what one model speaks: a name, a dimension, a norm convention and a fingerprint. Two
 * models of equal dimension are two spaces, and comparing their vectors gives noise that looks like
 * an answer. The fingerprint is made from a sample of vectors in one pass and constant memory, is
 * some hundred KB large (a few KB for the known spaces that ship), and needs no model and no text.
 * What it can tell apart, and how often it is wrong: docs/space.md.
 *
 * Everything here looks at directions: rows are divided by their length first, so that
 * renormalising, rounding to float16 or scaling by a constant changes nothing. Rows that are zero
 * or not finite have no direction: they are counted and left out. */
#ifndef VECNA_SPACE_H
#define VECNA_SPACE_H

#include "vecna/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- a space ------------------------------------------------------------------------------- */

enum {
    VECNA_SPACE_NAME_BYTES = 128,    /* of a name, its NUL included */
    VECNA_SPACE_DIRECTIONS = 128,    /* kept unless the options say otherwise */
    VECNA_SPACE_DIRECTIONS_MAX = 512 /* more are refused */
};

/* A fingerprinted space. Immutable: may be shared between threads. */
typedef struct vecna_space vecna_space;

/* All that a space holds, as plain numbers and dense float32 tensors: what a file keeps, and what
 * _from_parts makes a space of again. */
typedef struct vecna_space_parts {
    const char *name;       /* "" when it has none; below VECNA_SPACE_NAME_BYTES bytes */
    size_t dim;             /* at least 1 */
    size_t directions;      /* 0 .. VECNA_SPACE_DIRECTIONS_MAX, at most dim / 2 */
    uint64_t rows;          /* that the fingerprint was made from, unusable ones not counted */
    double norm_mean;       /* of the vectors as they came */
    double norm_deviation;  /* standard deviation of the same */
    int unit;               /* 1 when every vector had length 1 within 0.001: the convention */
    double spread;          /* variance of unit rows around the mean direction, all dimensions */
    double breadth;         /* effective number of directions of that spread, 0 unknown */
    double gain;            /* what held-out rows of the sample score; see vecna_space_match */
    const float *mean;      /* (dim) of the unit rows; its length is 0 isotropic .. 1 one cone */
    const float *principal; /* (directions, dim) orthonormal, and orthogonal to the mean */
    const float *variances; /* (directions) of unit rows along them, descending */
} vecna_space_parts;

/* A space from its parts, which are copied.
 *   parts  as above; name NULL means ""
 * Memory:  one allocation of about 4 * dim * (directions + 1) bytes. Free with vecna_space_free and
 *          the same allocator alive.
 * Errors:  VECNA_ERR_ARGUMENT for a size out of range; VECNA_ERR_VALUE for a number that is not
 *          finite or outside its range, or directions that are not orthonormal within 0.05 (int8
 *          rounding passes, a broken file does not); VECNA_ERR_MEMORY. Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_space_from_parts(const vecna_space_parts *parts,
                                                          const vecna_allocator *allocator,
                                                          vecna_space **out, vecna_error *err);
/* The parts; pointers live as long as the space. */
VECNA_API void vecna_space_parts_of(const vecna_space *space, vecna_space_parts *out);
VECNA_API void vecna_space_free(vecna_space *space); /* NULL-safe */

VECNA_API const char *vecna_space_name(const vecna_space *space); /* lives as long as the space */
VECNA_API size_t vecna_space_dim(const vecna_space *space);

/* ---- making one, in one pass --------------------------------------------------------------- */

/* Zeros are the defaults. */
typedef struct vecna_space_options {
    const vecna_allocator *allocator;
    const char *name;   /* copied; NULL means "" */
    size_t directions;  /* 0: VECNA_SPACE_DIRECTIONS; fewer are kept when there are too few rows */
    size_t sample_rows; /* kept for directions and spectrum; 0: 1280; at least 16 */
    uint64_t seed;      /* of the sample */
} vecna_space_options;

/* Running sums over rows, and a uniform sample of them. Not for several threads at once. */
typedef struct vecna_space_builder vecna_space_builder;

/* Memory: 4 * sample_rows * dim + 40 * dim bytes; constant in the number of rows.
 * Errors: VECNA_ERR_ARGUMENT for dim 0 or an option out of range; VECNA_ERR_MEMORY. Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_space_builder_new(size_t dim,
                                                           const vecna_space_options *options,
                                                           vecna_space_builder **out,
                                                           vecna_error *err);
VECNA_API void vecna_space_builder_free(vecna_space_builder *builder); /* NULL-safe */

/* Add rows.
 *   rows  (any, dim) float32
 * Numerics: mean, norms and coordinate variances are exact running sums in float64 over all rows;
 *           the result does not depend on how rows are split over calls.
 * Memory:   allocates nothing.
 * Errors:   VECNA_ERR_DIM; nothing is then added. */
VECNA_API VECNA_CHECK vecna_status vecna_space_builder_add(vecna_space_builder *builder,
                                                           vecna_view rows, vecna_error *err);

/* The space of the rows so far; adding may go on afterwards.
 * Numerics: mean exact; directions and variances from the sample. The likelihoods that 1280 sampled
 *           rows give differ from those of 8000 rows by 0.002 in the median case, by less than 0.1
 *           in 95 of 100 (measured).
 * Memory:   while it works, about 8 * (sample_rows * dim + 3 * min(sample_rows, dim)^2) bytes.
 * Errors:   VECNA_ERR_VALUE when no row had a direction; VECNA_ERR_MEMORY; _LIBRARY and _NUMERIC
 *           from the eigenvalues.
 * Source:   docs/space.md. Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_space_builder_finish(const vecna_space_builder *builder,
                                                              vecna_space **out, vecna_error *err);

/* All of the above for rows in memory. */
VECNA_API VECNA_CHECK vecna_status vecna_space_of(vecna_view rows,
                                                  const vecna_space_options *options,
                                                  vecna_space **out, vecna_error *err);

/* ---- do these vectors come from that space? ------------------------------------------------ */

typedef enum vecna_space_verdict {
    VECNA_SPACE_UNKNOWN = 0, /* too little to tell, or a likelihood between the two */
    VECNA_SPACE_SAME = 1,    /* likelihood at least VECNA_SPACE_ACCEPT */
    VECNA_SPACE_OTHER = 2    /* likelihood below VECNA_SPACE_REFUSE */
} vecna_space_verdict;

#define VECNA_SPACE_ACCEPT 0.8
#define VECNA_SPACE_REFUSE 0.5

/* "unknown", "same", "other". Static. */
VECNA_API const char *vecna_space_verdict_name(vecna_space_verdict verdict);

typedef struct vecna_space_match {
    vecna_space_verdict verdict;
    double likelihood;          /* that the rows come from the space, when that is as likely as not
                                   beforehand; 0.5 when nothing can be said */
    size_t rows;                /* that have a direction */
    double projection;          /* mean cosine of the rows to the space's mean direction */
    double projection_expected; /* the same for the rows of the fingerprint */
    double gain;                /* energy in the principal directions over chance: 1 is chance */
    double gain_expected;       /* the same for held-out rows of the fingerprint */
    double z;                   /* how many standard deviations gain is above chance */
    size_t rows_judged;         /* rows looked at one by one, at most 128; 0: nothing can be said */
    size_t rows_other;          /* of them, those that would be refused alone: 1 in 100 in the
                                   median set of the same model, up to half when the fingerprint
                                   knows one narrow domain; nearly all that another model made */
} vecna_space_match;

/* Say how likely rows come from a space. One row gives a first answer, 16 a firm one.
 *   rows   (1 or more, dim of the space); projection is of all, gain of at most 128 of them, evenly
 *          spaced
 *   out    as above
 * Rows of the same model lie around its mean direction and in its principal directions; another
 * model's directions are rotated at random against them. Chance is the exact mean and variance
 * under a uniformly random rotation. The likelihood is a logistic of both, fitted on real models;
 * its errors on models that it was not fitted on are in docs/space.md.
 * Numerics: float32 products, float64 sums: likelihoods are within 1e-3 of tests/reference. The
 *           order of up to 128 rows does not matter beyond that.
 * Memory:   about 4 * 128 * (dim + directions) bytes while it works. Safe from any thread.
 * Errors:   VECNA_ERR_DIM (another dimension is surely another space); VECNA_ERR_VALUE when no row
 *           has a direction; VECNA_ERR_MEMORY; VECNA_ERR_LIBRARY. out is then untouched.
 * Source:   docs/space.md. Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_space_check(const vecna_space *space, vecna_view rows,
                                                     const vecna_allocator *allocator,
                                                     vecna_space_match *out, vecna_error *err);

/* The check that `translate` makes: VECNA_OK for the verdicts same and unknown; for other, and for
 * another dimension, VECNA_ERR_SPACE with a sentence that names the space and the likelihood. */
VECNA_API VECNA_CHECK vecna_status vecna_space_require(const vecna_space *space, vecna_view rows,
                                                       const vecna_allocator *allocator,
                                                       vecna_error *err);

/* ---- the spaces that are known ------------------------------------------------------------- */

/* A space that ships: everything static. */
typedef struct vecna_space_known_entry {
    const char *name;   /* "openai/text-embedding-ada-002" */
    const char *source; /* the published vectors it was made from, and their licence */
    size_t dim;
} vecna_space_known_entry;
/* How many there are; _at gives NULL for an index that is too large. */
VECNA_API size_t vecna_space_known_count(void);
VECNA_API const vecna_space_known_entry *vecna_space_known_at(size_t index);

/* The fingerprint of a known space.
 * Errors: VECNA_ERR_NOT_FOUND for an index that is too large; VECNA_ERR_MEMORY. Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_space_known(size_t index, const vecna_allocator *allocator,
                                                     vecna_space **out, vecna_error *err);

/* Which known space rows look most like.
 *   rows   (any, any)
 *   entry  the known space of that dimension with the highest likelihood; NULL when none has the
 *          dimension
 *   match  what the check said about it: only the verdict `same` is a recognition. Untouched when
 *          entry is NULL
 * Errors: as vecna_space_check, but an unknown dimension is no error. Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_space_recognise(vecna_view rows,
                                                         const vecna_allocator *allocator,
                                                         const vecna_space_known_entry **entry,
                                                         vecna_space_match *match,
                                                         vecna_error *err);

/* ---- health of a set of vectors ------------------------------------------------------------ */

typedef struct vecna_health_options {
    const vecna_allocator *allocator;
    size_t listed;         /* row numbers kept of each kind of fault; 0: 20 */
    size_t duplicate_rows; /* distinct rows remembered in the search for duplicates; 0: 3 million */
    vecna_space_options space;
} vecna_health_options;

/* Rows with one kind of fault. */
typedef struct vecna_health_fault {
    uint64_t count;       /* exact */
    size_t listed;        /* entries of rows */
    const uint64_t *rows; /* the first row numbers, from 0, ascending; owned by the vecna_health */
    const uint64_t *same; /* duplicates: the earlier row that each repeats; NULL otherwise */
} vecna_health_fault;

enum { VECNA_HEALTH_PREFIXES = 3 };

typedef struct vecna_health_report {
    uint64_t rows;   /* all */
    uint64_t usable; /* finite and not zero */
    size_t dim;
    vecna_health_fault zero;      /* every element 0 */
    vecna_health_fault nan;       /* some element NaN */
    vecna_health_fault infinite;  /* some element infinite, none NaN */
    vecna_health_fault duplicate; /* equal to an earlier usable row in every element */
    int duplicates_complete; /* 0: more distinct rows than are remembered, later pairs are missed */
    double norm_min;         /* of usable rows; 0 when there is none */
    double norm_mean;
    double norm_max;
    double norm_deviation;
    int unit;                /* 1: all lengths within 0.001 of 1 */
    double mean_pair_cosine; /* of two different usable rows, exact; NaN below two */
    double effective_rank;   /* (sum of variances)^2 / sum of squared variances, 1 .. dim; NaN below
                                3 usable rows or without spread */
    int matryoshka;          /* 1: the first dimensions carry more than their share, as Matryoshka
                                training leaves it; 0: no sign of it, or too few rows */
    double prefix_share[VECNA_HEALTH_PREFIXES]; /* variance in the first 1/8, 1/4, 1/2 of the
                                                   dimensions over an equal share */
    double prefix_z; /* the most unusual of the three, in standard deviations of as many dimensions
                        drawn at random; at least 5 is a sign */
} vecna_health_report;

/* Looks at rows that pass by. Not for several threads at once. */
typedef struct vecna_health vecna_health;

/* Memory: that of a space builder, 40 bytes for every listed row, and 21 to 43 bytes for every
 *         distinct row up to duplicate_rows (half as much again while the table grows).
 * Errors: VECNA_ERR_ARGUMENT for dim 0 or an option out of range; VECNA_ERR_MEMORY. Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_health_new(size_t dim, const vecna_health_options *options,
                                                    vecna_health **out, vecna_error *err);
VECNA_API void vecna_health_free(vecna_health *health); /* NULL-safe */

/* Add the next rows; the first row of all is number 0.
 * Errors: VECNA_ERR_DIM and nothing is added; VECNA_ERR_MEMORY in the search for duplicates, after
 *         which only vecna_health_free may follow. */
VECNA_API VECNA_CHECK vecna_status vecna_health_add(vecna_health *health, vecna_view rows,
                                                    vecna_error *err);

/* The report over all rows so far; its lists live until the next add or free.
 * Numerics: everything is exact but effective_rank, which comes from at most 512 sampled rows.
 * Errors:   VECNA_ERR_MEMORY, VECNA_ERR_LIBRARY. Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_health_finish(const vecna_health *health,
                                                       vecna_health_report *out, vecna_error *err);

/* The builder inside: the fingerprint of the same rows at no further pass. Borrowed. */
VECNA_API const vecna_space_builder *vecna_health_builder(const vecna_health *health);

#ifdef __cplusplus
}
#endif
#endif
