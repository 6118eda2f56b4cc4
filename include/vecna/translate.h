/* vecna/translate.h — learned maps between two embedding spaces: fit, judge, keep, apply.
 *
 * The road
 *   pairs     row i of `source` and row i of `target` are the same text in two spaces
 *   fit       vecna_translate_fit splits the pairs, chooses a method, judges it on rows that the
 *             judged maps did not see, and delivers a map fitted on all of them
 *   report    what was tried and what it keeps, with intervals, controls and a verdict
 *   map       vecna_map_save and _open keep it in a safetensors file (docs/map-format.md);
 *             vecna_map_apply translates rows
 *
 * A map is y = x W + b, then divided by its length when the target space has unit vectors. Which
 * W: docs/translators.md. What PASS, WARN and FAIL have meant on judged data: docs/verdict.md. */
#ifndef VECNA_TRANSLATE_H
#define VECNA_TRANSLATE_H

#include "vecna/base.h"
#include "vecna/eval.h"
#include "vecna/space.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- methods ------------------------------------------------------------------------------- */

/* Code, name in files and reports, sentence. Codes are appended, never reused. All but `auto` are
 * centred: means are removed before and the target's mean is added after, or the share of both that
 * a recipe says. */
#define VECNA_METHOD_LIST(X)                                                                       \
    X(0, AUTO, "auto", "chosen by held-out retrieval")                                             \
    X(1, PROCRUSTES, "procrustes", "the rotation nearest to the pairs")                            \
    X(2, PROCRUSTES_LS, "procrustes-ls", "rotation, scaled for the least squared error")           \
    X(3, PROCRUSTES_RADIUS, "procrustes-radius", "rotation, scaled to the target's spread")        \
    X(4, PROCRUSTES_DIAGONAL, "procrustes-diagonal", "rotation, each output scaled by itself")     \
    X(5, RIDGE, "ridge", "least squares, shrunk by lambda")                                        \
    X(6, REDUCED_RANK, "reduced-rank", "ridge, its fitted values cut to their first directions")   \
    X(7, BLEND, "blend", "share * scaled rotation + (1 - share) * ridge")                          \
    X(8, FAMILY, "family", "between rotation (exponent 0) and ridge (exponent 1)")                 \
    X(9, GIVEN, "given", "weights that were found elsewhere: vecna_map_from_weights")              \
    X(10, MEMORY, "memory", "blend, corrected by what it gets wrong on the nearest pairs")         \
    X(11, BLEND_PLAIN, "blend-plain", "share * unscaled rotation + (1 - share) * ridge")

typedef enum vecna_method {
#define VECNA_METHOD_ENUM(code, name, text, sentence) VECNA_METHOD_##name = code,
    VECNA_METHOD_LIST(VECNA_METHOD_ENUM)
#undef VECNA_METHOD_ENUM
} vecna_method;

enum { VECNA_METHODS = 12 };

/* "ridge", and its sentence; "unknown" for others. Static. */
VECNA_API const char *vecna_method_name(vecna_method method);
VECNA_API const char *vecna_method_sentence(vecna_method method);
/* The method of that name: 1 and *out set, 0 when there is none. */
VECNA_API int vecna_method_parse(const char *name, vecna_method *out);

/* Which side is translated. A stored corpus that moves to the new space is asked by native queries;
 * translated queries ask a corpus that stays. The best map differs: docs/translators.md. */
typedef enum vecna_role { VECNA_ROLE_DOCUMENT = 0, VECNA_ROLE_QUERY = 1 } vecna_role;

/* "document", "query". Static. */
VECNA_API const char *vecna_role_name(vecna_role role);

/* A method with its numbers; those that it does not use are 0. */
typedef struct vecna_recipe {
    vecna_method method;
    double lambda;      /* of all but rotations, in units of the mean source variance */
    double share;       /* blend, blend-plain, memory: of the rotation, 0 .. 1 */
    double exponent;    /* family: 0 .. 1 */
    size_t rank;        /* reduced-rank: directions kept */
    size_t neighbours;  /* memory: pairs that correct a row, at most 64 */
    double temperature; /* memory: of the softmax over their cosines, 1e-6 .. 1e6 */
    double
        correction; /* memory: share of their residuals, times the cosine of the nearest; 0 .. 2 */
    double means;   /* share of both means that is removed and added, 0 .. 1; 0 stands for 1 */
} vecna_recipe;

enum { VECNA_RECIPE_NAME_BYTES = 96 };

/* Print a recipe ("blend share=0.6 lambda=0.316"), NUL-terminated. */
VECNA_API void vecna_recipe_name(const vecna_recipe *recipe, char out[VECNA_RECIPE_NAME_BYTES]);

/* ---- fitting ------------------------------------------------------------------------------- */

/* A learned map; immutable, may be shared by threads. */
typedef struct vecna_map vecna_map;

/* Judged queries, in both spaces, against rows of the pairs. Rows that a judgement names are never
 * fitted, not even in the delivered map, so that the figures can be repeated with the map. Without
 * judgements the queries are a sample: where they lie is used, and their native neighbours. */
typedef struct vecna_translate_queries {
    vecna_view source;                 /* (queries, source dim); rows 0: none */
    vecna_view target;                 /* (queries, target dim), the same texts */
    const vecna_judgement *judgements; /* (judgement_count) doc is a row of the pairs; or NULL */
    size_t judgement_count;
} vecna_translate_queries;

/* What a map keeps of its pairs, so that others can lean on it and pairs be added later: means, sums
 * of products and a count, 4 * source dim * (source dim / 2 + target dim) bytes in the file. */
typedef enum vecna_statistics {
    VECNA_STATISTICS_F32 = 0,
    VECNA_STATISTICS_F16 = 1, /* half the bytes: good to lean on, too coarse for many updates */
    VECNA_STATISTICS_NONE = 2
} vecna_statistics;

/* Kinds of text among the pairs (verses, questions, ...), which the map then keeps apart beside the sums of
 * all: a fit that leans on it (prior) may count one kind more than the rest. */
enum {
    VECNA_KINDS_MOST = 16,
    VECNA_KIND_BYTES = 32,       /* of a name, NUL and all */
    VECNA_KIND_PAIRS_LEAST = 100 /* of a kind, of which fewer say nothing */
};
typedef struct vecna_kinds_given {
    const uint32_t *of;       /* (rows) number of a pair's kind, below count */
    const char *const *names; /* (count) each its own */
    size_t count;             /* up to VECNA_KINDS_MOST; 0: none are told apart */
} vecna_kinds_given;

typedef struct vecna_translate_options {
    vecna_role role;
    vecna_recipe recipe; /* method AUTO: all is chosen. Otherwise that method, and its numbers that
                            are 0 are chosen (share, exponent, lambda, rank) */
    vecna_translate_queries queries;
    const uint64_t *groups;  /* (rows) equal for rows that must stay on one side, as hashes of their
                                texts (vecna_translate_text_group); NULL: near-duplicate vectors */
    double duplicate_cosine; /* rows whose centred cosine is at least this in both spaces stay
                                together too; 0 means VECNA_DUPLICATE_COSINE, or with groups that
                                they alone count */
    int keep_length;      /* 1: never normalise the output; 0: when all target rows have length 1 */
    double min_retention; /* least retention for PASS; 0 means VECNA_MIN_RETENTION_... */
    const vecna_map *prior; /* a map between the same models whose statistics the pairs lean on:
                                few pairs then do what thousands do alone; NULL none */
    double prior_weight; /* of one of its pairs beside one of these; 0: chosen by cross-fitting */
    const vecna_map *update; /* a map to whose statistics the pairs are added, as if all had been
                                fitted together; not beside prior. NULL none */
    vecna_statistics statistics; /* that the map keeps */
    vecna_kinds_given kinds; /* that it keeps apart; not beside a prior or an update, whose pairs
                                    are of no kind that is known here */
    uint64_t seed;           /* of splits and bootstrap */
    size_t resamples;        /* bootstrap; 0 means 2000 */
    int no_confidence;       /* 1: a smaller map, without confidence and calibrated scores */
    const char *source_name; /* of the spaces, for the map and for messages; NULL means "" */
    const char *target_name;
    int (*progress)(void *user, const char *stage, double done); /* NULL: silent. done 0 .. 1; a
                                                                    result other than 0 cancels */
    void *progress_user;
    vecna_pool *pool;                 /* NULL: in the calling thread */
    const vecna_allocator *allocator; /* NULL malloc; also of the map */
} vecna_translate_options;

/* Least retention for PASS unless told otherwise: of judged queries, and of native neighbours, which
 * are harder to keep. Both come from judged data: docs/verdict.md. */
#define VECNA_MIN_RETENTION_JUDGED 0.6
#define VECNA_MIN_RETENTION_NEIGHBOURS 0.4
#define VECNA_DUPLICATE_COSINE 0.95

/* Group of a text: equal for texts that differ in white space and letter case (ASCII) alone. */
VECNA_API uint64_t vecna_translate_text_group(const char *text, size_t bytes);

/* Learn a map from pairs.
 *   source  (rows, source dim)  any dims from 1 up; rows at least VECNA_FIT_ROWS_MIN
 *   target  (rows, target dim)
 *   options may be NULL
 *   out     the map with its report; a map whose verdict is FAIL is delivered too
 * Split:    groups of duplicates stay together. Up to 4,000 pairs every fifth is reported by maps
 *           that did not see it, in turn until 800 rows are reported; with more, one fifth (at
 *           most 4,000 rows) is. Inside the rest the recipe is chosen by cross-fitting.
 * Numerics: means, products, factorisations and coefficients in float64; held-out rows are
 *           translated in float32. Deterministic for a seed on one machine and library.
 * Memory:   about 8 * (2 * source dim^2 + 3 * source dim * target dim) bytes (or rows for dim
 *           where rows are fewer) for each of up to five folds, and 12 * rows * dims bytes.
 * Errors:   VECNA_ERR_DIM when the rows differ; VECNA_ERR_ARGUMENT for too few rows or options out
 *           of range; VECNA_ERR_VALUE for NaN, infinity or a zero row (position: the row);
 *           VECNA_ERR_NUMERIC when all rows are the same; VECNA_ERR_ARGUMENT "cancelled";
 *           VECNA_ERR_MEMORY; VECNA_ERR_LIBRARY.
 * Source:   docs/translators.md. Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_translate_fit(vecna_view source, vecna_view target,
                                                       const vecna_translate_options *options,
                                                       vecna_map **out, vecna_error *err);
VECNA_API void vecna_map_free(vecna_map *map);

/* A map for one's own rows without a single pair: the prior's sums of products, about the means of
 * rows of both sides, which need not be the same texts.
 *   prior    a map with statistics
 *   source   (any, source dim) rows of the old model; rows 0 of both: the prior's means
 *   target   (any, target dim) rows of the new one
 *   options  role, recipe (AUTO: the prior's, or what stands for another role), keep_length, names,
 *            statistics, pool, allocator; others are not looked at. NULL: the defaults
 *   out      the map; its verdict is WARN, for nothing of one's own has judged it, or the prior's FAIL
 * Numerics: as a fit on the prior's pairs, whose sums are float32.
 * Errors:   VECNA_ERR_ARGUMENT without statistics or with rows of one side alone; VECNA_ERR_DIM;
 *           VECNA_ERR_SPACE for rows of another model; VECNA_ERR_VALUE (position: the row);
 *           VECNA_ERR_MEMORY; VECNA_ERR_LIBRARY.
 * Source:   docs/translators.md. Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_translate_prior(const vecna_map *prior, vecna_view source,
                                                         vecna_view target,
                                                         const vecna_translate_options *options,
                                                         vecna_map **out, vecna_error *err);

#define VECNA_FIT_ROWS_MIN ((size_t)8)
#define VECNA_FIT_ROWS_MIN_PRIOR ((size_t)4) /* with a prior, or an update */

/* Rows of both models that are known to be the same text. */
typedef struct vecna_anchor {
    size_t source, target; /* row numbers */
} vecna_anchor;
#define VECNA_ANCHORS_MIN ((size_t)10)

/* A map from rows of two models that are not the same texts, and some that are. Made for 10 to 200 anchors: with
 * more, fit them as pairs.
 *   source   (50 or more, source dim)  of the old model, thousands are better
 *   target   (50 or more, target dim)  of the new one: the same kind of texts
 *   anchors  (anchor_count) at least VECNA_ANCHORS_MIN; or none, NULL: then 400 rows of each side or more,
 *            five thousand and more if it is to end anywhere
 *   options  role, min_retention, keep_length, names, seed, resamples, progress, pool, allocator; others
 *            are not looked at. NULL: the defaults
 *   out      a scaled rotation. Its report stands on anchors that were kept out of an alignment and
 *            looked for among the target rows; its verdict is FAIL when too few are found or shuffled
 *            anchors do as well, and otherwise WARN: anchors are few, and nothing else was judged.
 *            Without anchors it stands on whether alignments of two halves put the same row to the same
 *            place, which is no proof that the place is right: WARN or FAIL too
 * Numerics: float32 products and rows, float64 sums and decompositions. Deterministic for a seed.
 * Memory:   4 * 6000 * dims bytes at most (without anchors three times 10000), and 40 * source dim * target dim.
 * Errors:   VECNA_ERR_ARGUMENT for too few rows or anchors, or a row that is not there (position: the
 *           anchor); VECNA_ERR_VALUE (position: the row); VECNA_ERR_ARGUMENT "cancelled";
 *           VECNA_ERR_MEMORY; VECNA_ERR_LIBRARY.
 * Source:   docs/translators.md; Dar 2025 (mini-vec2vec) for the smoothing. Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_translate_unpaired(vecna_view source, vecna_view target,
                                                            const vecna_anchor *anchors,
                                                            size_t anchor_count,
                                                            const vecna_translate_options *options,
                                                            vecna_map **out, vecna_error *err);

/* Weights from elsewhere: a principal component analysis, a matrix of another tool. */
typedef struct vecna_map_weights {
    vecna_view weights;      /* (source dim, target dim) */
    const float *bias;       /* (target dim); NULL: zeros */
    const char *source_name; /* NULL: "" */
    const char *target_name;
    int normalized;        /* bring results to length 1 */
    int source_normalized; /* divide rows by their length first */
    size_t rows_fit;       /* that the weights were found on, for the record */
    vecna_verdict verdict; /* of whoever judged them; PASS is 0 */
} vecna_map_weights;

/* A map that applies given weights; they are copied. It has no report.
 * Errors: VECNA_ERR_DIM for a dimension of 0 or a stride below it; VECNA_ERR_VALUE for NaN or infinity
 *         (position: the row); VECNA_ERR_MEMORY. Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_map_from_weights(const vecna_map_weights *given,
                                                          const vecna_allocator *allocator,
                                                          vecna_map **out, vecna_error *err);

/* ---- what a fit found ------------------------------------------------------------------------ */

/* One thing that was tried while choosing. */
typedef struct vecna_candidate {
    vecna_recipe recipe;
    double score;   /* mean of nDCG and MRR on held-out rows: what the choice is made by */
    double gain;    /* score - score of the recipe that stands without evidence against it */
    double gain_se; /* standard error of the paired difference */
    double cosine;  /* mean cosine to the true target row */
    int chosen;
} vecna_candidate;

/* Figures of retrieval on reported rows, each with its 95 % interval. */
typedef struct vecna_figures {
    vecna_interval recall1; /* of the relevant: the row itself, or the judged ones */
    vecna_interval recall10;
    vecna_interval mrr10;
    vecna_interval ndcg10;
    vecna_interval overlap10; /* with the native model's own first 10 */
} vecna_figures;

enum { VECNA_CONTROLS = 3 };

/* A ground truth and what everything scored on it. */
typedef struct vecna_truth {
    const char *name; /* "judged queries", "native neighbours of held-out rows", ... static */
    size_t queries;   /* that asked */
    size_t corpus;    /* rows that were asked */
    size_t depth;     /* of the lists that the retention is measured on */
    vecna_figures translated;
    vecna_figures native;      /* the target model itself */
    vecna_figures kept;        /* the old model, kept; queries 0 when it cannot be asked */
    vecna_retention retention; /* of nDCG */
    const char *control_names[VECNA_CONTROLS]; /* static */
    vecna_control_result controls[VECNA_CONTROLS];
} vecna_truth;

/* Why a verdict came out, beside the VECNA_REASON_* of vecna/eval.h. */
enum {
    VECNA_REASON_FEW_ROWS = 1 << 8, /* FAIL: too few rows to be judged by */
    VECNA_REASON_ANCHORS = 1 << 13, /* WARN: aligned from anchors, and judged by them alone */
    VECNA_REASON_UNSEEN = 1 << 14,  /* WARN and FAIL: aligned without a pair, no truth is known */
    VECNA_REASON_KNOWN = 1 << 15,   /* WARN: an update by pairs that the map has already */
    VECNA_REASON_NOT_JUDGED =
        1 << 12,                     /* WARN: no pair of the own to judge by; it is a prior's map */
    VECNA_REASON_NOT_NEEDED = 1 << 9 /* WARN: untranslated rows do as well: one space, not two */
};

/* A weight of the prior that was tried. */
typedef struct vecna_prior_trial {
    double weight; /* of one of its pairs; 0: the own pairs alone; infinity: the prior alone, about
                       the own means */
    double score;  /* as of a candidate */
    double gain;   /* over the weight that stands without evidence against it */
    double gain_se;
    int chosen;
    char
        kind[VECNA_KIND_BYTES]; /* a kind of the prior's pairs and a little of all; "": all alike */
} vecna_prior_trial;
enum { VECNA_PRIOR_TRIALS = 8 };

typedef struct vecna_report {
    size_t rows;        /* pairs given */
    size_t groups;      /* of duplicates and single rows among them */
    size_t rows_judged; /* named by a judgement, never fitted */
    size_t rows_fit;    /* behind the delivered map */
    size_t rows_select; /* on which candidates were compared, in the last choice */
    size_t rows_report; /* on which the figures below were measured */
    size_t folds_select;
    size_t folds_report;
    size_t rank;               /* directions of the source that the pairs determine */
    vecna_interval cosine;     /* translated to true target row, on reported rows */
    double cosine_mean_vector; /* the same for the target's mean vector: the floor */
    double explained; /* share of the target rows' variance that translated rows explain, up to one
                         scale: squared correlation about the means, on reported rows */
    const vecna_candidate *candidates; /* (candidate_count) owned by the map */
    size_t candidate_count;            /* 0 when the recipe was given whole */
    vecna_truth truth;                 /* that the verdict stands on */
    vecna_truth neighbours;            /* the native neighbours, when truth is judged queries */
    double min_retention;
    double prior_rows;       /* behind the prior, or the map that was updated; 0: none */
    double prior_weight;     /* of one of them */
    double prior_mean_share; /* of its means in the map's */
    int updated;             /* 1: an update; the figures are of the new pairs alone */
    double known_rows; /* of an update's pairs, about so many the map had already: figures stand on
                                rows that it saw. 0 also where it cannot tell */
    vecna_prior_trial prior_trials[VECNA_PRIOR_TRIALS]; /* (prior_trial_count) */
    size_t prior_trial_count;
    size_t unpaired_source; /* rows that were aligned from anchors; 0: the rows were pairs */
    size_t unpaired_target;
    vecna_verdict verdict;
    unsigned reasons;
} vecna_report;

/* The report of a fit; owned by the map. NULL for a map that was read from a file: its figures
 * stand in vecna_map_report_json. */
VECNA_API const vecna_report *vecna_map_report(const vecna_map *map);
/* The report as one JSON object, NUL-terminated, owned by the map; "{}" when the map has none. */
VECNA_API const char *vecna_map_report_json(const vecna_map *map);

/* One sentence on why the verdict is what it is, NUL-terminated (VERDICT_REASON_BYTES). */
enum { VECNA_REASON_BYTES = 240 };
VECNA_API void vecna_report_reason(const vecna_report *report, char out[VECNA_REASON_BYTES]);

/* What to do: with the figure that it stands on, and with what only judged queries could tell. */
typedef enum vecna_advice_kind {
    VECNA_ADVICE_TRANSLATE = 0,
    VECNA_ADVICE_PAIRS = 1, /* embed `rows` more with both models first, then fit again */
    VECNA_ADVICE_KEEP = 2   /* the old model, or re-embed everything */
} vecna_advice_kind;

typedef struct vecna_advice {
    vecna_advice_kind kind;
    size_t rows;                       /* of VECNA_ADVICE_PAIRS; otherwise 0 */
    char sentence[VECNA_REASON_BYTES]; /* NUL-terminated */
} vecna_advice;

/* The advice of a report on a map of that method. Since 0.2. */
VECNA_API vecna_advice vecna_report_advice(const vecna_report *report, vecna_method method);
/* "translate", "re-embed rows first", "keep the old model". Static. */
VECNA_API const char *vecna_advice_name(vecna_advice_kind kind);

/* ---- applying -------------------------------------------------------------------------------- */

typedef struct vecna_map_info {
    const char *source_name; /* owned by the map; "" when not known */
    const char *target_name;
    size_t source_dim;
    size_t target_dim;
    vecna_role role;
    vecna_recipe recipe;
    int normalized;        /* translated rows have length 1 */
    int source_normalized; /* the rows that it was fitted on had length 1 */
    size_t rows_fit;
    vecna_verdict verdict;
    unsigned reasons;
    double explained;       /* share of the target's variance that the source explains, on rows that
                              the judged map did not see; 0: not known */
    uint64_t checksum;      /* of the tensors: names a map */
    double statistics_rows; /* behind the statistics that it keeps; 0: it keeps none */
    vecna_statistics statistics; /* and what they are kept as */
    size_t kinds;                /* that it keeps apart; 0: none */
} vecna_map_info;

VECNA_API vecna_map_info vecna_map_about(const vecna_map *map);
/* Name of a kind that the map keeps apart, below info.kinds, and its pairs. Owned by the map. */
VECNA_API const char *vecna_map_kind(const vecna_map *map, size_t kind, double *pairs);

/* Fingerprints of the spaces between which the map was fitted, for vecna_space_require on what it is
 * given; owned by the map. NULL when the file holds none. */
VECNA_API const vecna_space *vecna_map_source_space(const vecna_map *map);
VECNA_API const vecna_space *vecna_map_target_space(const vecna_map *map);

/* Translate rows.
 *   in    (rows, source dim)  rows of the length that the map was fitted on (1, mostly)
 *   out   (rows, target dim)  must not overlap in
 * Numerics: one float32 product with float32 sums, the bias added after; within 1e-5 of float64 on
 *           unit vectors. A row whose translation is zero stays zero.
 *           With a memory (method memory) the neighbours come from exact integer sums: a row's result
 *           is the same in every batch to 1e-6.
 * Memory:   allocates nothing of its own; with a memory, for each thread about 3 MiB and 4096 rows
 *           of bytes and floats, from the map's allocator. Safe from any thread, also on one map;
 *           uses the pool.
 * Errors:   VECNA_ERR_DIM when a dimension or the row count disagrees; VECNA_ERR_MEMORY with a memory.
 *           Values are not checked: a row with NaN comes out as NaN. */
VECNA_API VECNA_CHECK vecna_status vecna_map_apply(const vecna_map *map, vecna_view in,
                                                   vecna_matrix out, vecna_pool *pool,
                                                   vecna_error *err);

/* The same, but the results keep the length that the product gives them, whatever the map says. */
VECNA_API VECNA_CHECK vecna_status vecna_map_apply_raw(const vecna_map *map, vecna_view in,
                                                       vecna_matrix out, vecna_pool *pool,
                                                       vecna_error *err);

/* ---- what can be relied on ------------------------------------------------------------------- */

/* A map of a fit keeps up to 1,024 of its pairs as they were translated by maps that had not seen
 * them (rows * (source dim + 2 * target dim) bytes). From them is told how far a row can be relied
 * on, and what a native row would have scored. Fewer than 64 such pairs: there is neither. */
typedef struct vecna_held_info {
    size_t rows;    /* held pairs; 0: no confidence, no scores */
    double cosine;  /* mean cosine of their translations and the truth */
    double missed;  /* share of rows that the lower bound may miss: 0.05 */
    int has_scores; /* role document */
    double
        ks_before;   /* Kolmogorov-Smirnov distance of scores of translations and of native rows, */
    double ks_after; /* raw and calibrated, of queries that the calibration had not seen */
} vecna_held_info;
VECNA_API vecna_held_info vecna_map_held(const vecna_map *map);

/* The confidence of one translated row. */
typedef struct vecna_confidence_row {
    float
        recall; /* expected share of its native neighbours that it keeps: the confidence, 0 .. 1 */
    float cosine; /* expected cosine with the vector of the target model */
    float least;  /* that cosine is at least this, for 95 of 100 rows of the kind of the pairs */
    int outside;  /* 1: further from the pairs than 199 of 200 of them; the bound may not hold */
} vecna_confidence_row;

typedef struct vecna_confidence vecna_confidence;

/* Get ready to judge rows; the map must outlive it. Immutable, may be shared by threads.
 * Memory: 4 * rows held * (source dim + 2 * target dim) + 4 * source dim^2 bytes.
 * Errors: VECNA_ERR_UNSUPPORTED for a map without held rows; VECNA_ERR_NUMERIC, VECNA_ERR_MEMORY,
 *         VECNA_ERR_LIBRARY. Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_confidence_new(const vecna_map *map,
                                                        const vecna_allocator *allocator,
                                                        vecna_confidence **out, vecna_error *err);
VECNA_API void vecna_confidence_free(vecna_confidence *confidence);

/* From now on up to four rows at a time are judged by 16-bit copies of what they are compared with, in half
 * of the time. Where the processor does not widen halves itself, nothing happens. Called again, it does
 * nothing.
 * Numerics: recall and cosine within 0.001 of what float32 says.
 * Memory:   2 * (source dim^2 + rows held * (source dim + target dim)) bytes, twice the largest of them
 *           meanwhile. Not while other threads use it.
 * Errors:   VECNA_ERR_MEMORY. The confidence is then as it was. Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_confidence_use_f16(vecna_confidence *confidence,
                                                            vecna_error *err);

/* The confidence of rows.
 *   in          (rows, source dim)  what was given to the map
 *   translated  (rows, target dim)  what it made of them
 *   out         (rows)
 * Numerics: float32 products, the rest in float64; within 1e-4 of tests/reference. A row with NaN, or
 *           of zeros, gets a number too: such rows are for the caller to find.
 * Memory:   4 * rows * (source dim + target dim) bytes, and for each thread 128 rows of 8 * (source
 *           dim + rows held) bytes.
 * Errors:   VECNA_ERR_DIM; VECNA_ERR_MEMORY; VECNA_ERR_LIBRARY.
 * Source:   docs/confidence.md. Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_confidence_of(const vecna_confidence *confidence,
                                                       vecna_view in, vecna_view translated,
                                                       vecna_confidence_row *out, vecna_pool *pool,
                                                       vecna_error *err);

/* Scores of translated rows on the scale of native ones, for lists that mix both. */
typedef struct vecna_scores vecna_scores;

/* Get ready; needs nothing of the map afterwards. Immutable, may be shared by threads.
 * Memory: 8 * rows held * target dim bytes.
 * Errors: VECNA_ERR_UNSUPPORTED for a map without calibration of scores; VECNA_ERR_MEMORY. */
VECNA_API VECNA_CHECK vecna_status vecna_scores_new(const vecna_map *map,
                                                    const vecna_allocator *allocator,
                                                    vecna_scores **out, vecna_error *err);
VECNA_API void vecna_scores_free(vecna_scores *scores);

/* What a query scores at its best among the held rows, translated and native. */
typedef struct vecna_score_level {
    double translated;
    double native;
} vecna_score_level;

/* The level of each query, which vecna_scores_calibrate needs.
 *   queries  (queries, target dim)  native vectors of any length
 *   out      (queries)
 * Memory:   512 * rows held bytes while it works.
 * Errors:   VECNA_ERR_DIM; VECNA_ERR_MEMORY; VECNA_ERR_LIBRARY. */
VECNA_API VECNA_CHECK vecna_status vecna_scores_levels(const vecna_scores *scores,
                                                       vecna_view queries, vecna_score_level *out,
                                                       vecna_pool *pool, vecna_error *err);
/* The score that a native row would have had: rises with score, so that the order of translated
 * rows stays. score is the cosine of the query and a translated row. Source: docs/scores.md. */
VECNA_API double vecna_scores_calibrate(const vecna_scores *scores, vecna_score_level level,
                                        double score);

/* A query map from the target space back to the source space: the transpose of the rotation nearest
 * to the map's weights, without means. It asks an index that keeps the old model's vectors; what it
 * finds is ranked again by the map itself (docs/scores.md#two-stages).
 *   out  a map of method "given" and role query, with the verdict of `map`, not its report
 * Numerics: singular value decomposition in float64; directions that the map does not determine come
 *           out empty.
 * Memory:   about 32 * source dim * target dim bytes while it works.
 * Errors:   VECNA_ERR_MEMORY; VECNA_ERR_NUMERIC; VECNA_ERR_LIBRARY. Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_map_backward(const vecna_map *map,
                                                      const vecna_allocator *allocator,
                                                      vecna_map **out, vecna_error *err);

/* From now on the map's product runs on bytes: its weights are quantised, one scale a column, and rows
 * as they come, about the mean of the source space where the map has its fingerprint. What the map
 * is (name, checksum, file) does not change. Called again, it does nothing.
 * Numerics: on unit rows of 384 to 1536 dimensions the cosine to the float32 result is 0.9999 and
 *           more with a fingerprint; without one, 0.997 has been seen where rows share a large mean.
 * Memory:   one byte a weight, beside the floats. Not while other threads use the map.
 * Errors:   VECNA_ERR_OVERFLOW above 65536 dimensions; VECNA_ERR_MEMORY. The map is then as it was.
 * Source:   docs/translators.md#int8. Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_map_use_int8(vecna_map *map, vecna_error *err);

/* From now on the map's weights have 16 bits: rounded, and a few rows at a time are multiplied by their
 * halves, which for one vector takes half the time (vecna_linalg_f16). Where the processor does not
 * widen halves itself, nothing happens. Called again, it does nothing.
 * Numerics: the cosine to the translation before is 1 - 1e-7 or nearer; rows alone and in blocks agree
 *           as they did.
 * Memory:   two bytes a weight, beside the floats. Not while other threads use the map.
 * Errors:   VECNA_ERR_MEMORY. The map is then as it was. Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_map_use_f16(vecna_map *map, vecna_error *err);

/* From now on the map's weights have 12 bits: rounded, and a few rows at a time are multiplied by whole
 * numbers (vecna_linalg_int12), which for one vector takes half the time of halves or less. Where the
 * processor has no AVX-512 VNNI this is vecna_map_use_f16. Called again, it does nothing.
 * Numerics: the cosine to the translation before is 1 - 1e-7 between models, 1 - 2e-5 for maps near to the
 *           identity (docs/translators.md); rows alone and in blocks agree to 1 - 1e-9.
 * Memory:   a byte and a half a weight, beside the floats. Not while other threads use the map.
 * Errors:   VECNA_ERR_OVERFLOW above 65536 dimensions; VECNA_ERR_MEMORY. The map is then as it was.
 *           Since 0.2. */
VECNA_API VECNA_CHECK vecna_status vecna_map_use_int12(vecna_map *map, vecna_error *err);

/* ---- map files ------------------------------------------------------------------------------- */

/* Version of the file that _save writes and the newest that _open reads. */
enum { VECNA_MAP_VERSION = 1 };

/* Write a map as a safetensors file, whole or not at all; "-" is standard output.
 * Errors: VECNA_ERR_IO; VECNA_ERR_MEMORY. */
VECNA_API VECNA_CHECK vecna_status vecna_map_save(const vecna_map *map, const char *path,
                                                  vecna_error *err);

typedef struct vecna_map_open_options {
    const vecna_allocator *allocator; /* NULL malloc */
    uint64_t bytes_max;               /* refuse larger files; 0 means 4 GiB */
} vecna_map_open_options;

/* Read a map file. _parse reads one from memory.
 *   options  may be NULL
 * Errors: VECNA_ERR_IO; VECNA_ERR_TRUNCATED; VECNA_ERR_VERSION for a later version;
 *         VECNA_ERR_CHECKSUM for changed tensors; VECNA_ERR_FORMAT for a file that is no map or
 *         whose parts disagree; VECNA_ERR_VALUE for NaN or infinity inside; VECNA_ERR_OVERFLOW beyond
 *         bytes_max; VECNA_ERR_MEMORY. */
VECNA_API VECNA_CHECK vecna_status vecna_map_open(const char *path,
                                                  const vecna_map_open_options *options,
                                                  vecna_map **out, vecna_error *err);
VECNA_API VECNA_CHECK vecna_status vecna_map_parse(const void *data, size_t bytes, const char *name,
                                                   const vecna_map_open_options *options,
                                                   vecna_map **out, vecna_error *err);

#ifdef __cplusplus
}
#endif
#endif
