/* What the files of translate share: the map, the thin eigenbasis that every method is computed
 * from, the split, and the steps of a fit.
 *
 * Matrices of doubles are dense and row-major. Names: source and target are the two spaces, a
 * "block" is the matrix of a method in the basis (directions x target dim), so that the whole map
 * is W = basis.vectors * block. */
#ifndef VNI_TRANSLATE_IMPL_H
#define VNI_TRANSLATE_IMPL_H

#include "vecna/codec.h"
#include "vecna/linalg.h"
#include "vecna/translate.h"

/* ---- the map --------------------------------------------------------------------------------- */

struct vecna_map {
    const vecna_allocator *allocator; /* NULL or &allocator_copy */
    vecna_allocator allocator_copy;
    char *source_name; /* both names, one allocation */
    char *target_name;
    size_t source_dim;
    size_t target_dim;
    float *weights; /* (source dim, target dim) */
    float *bias;    /* (target dim), behind the weights */
    vecna_role role;
    vecna_recipe recipe;
    int normalized;
    int source_normalized;
    size_t rows_fit;
    double explained;          /* of the report; 0: not known */
    vecna_linalg_int12 *int12; /* weights as 12 bits, for a few rows; NULL: not asked for */
    vecna_linalg_f16 *f16;     /* or as halves */
    vecna_linalg_int8 *int8;   /* weights and bias as bytes, in their place; NULL: not asked for */
    uint64_t checksum;
    vecna_verdict verdict;
    unsigned reasons;
    struct vni_statistics *statistics; /* of the pairs behind it; NULL none */
    struct vni_kinds *kinds;           /* of these pairs, not without statistics; NULL none */
    vecna_space *source_space;         /* fingerprints; NULL none */
    vecna_space *target_space;
    struct vni_held *held;     /* what confidence and scores are told from; NULL none */
    struct vni_memory *memory; /* memory_impl.h; NULL: the map is linear */
    int has_report;
    vecna_report report;
    vecna_candidate *candidates; /* owned; report.candidates points here */
    char *report_json;           /* never NULL */
};

/* An empty map with room for its tensors; names are copied. */
VECNA_CHECK vecna_status vni_map_new(size_t source_dim, size_t target_dim, const char *source_name,
                                     const char *target_name, const vecna_allocator *allocator,
                                     vecna_map **out, vecna_error *err);

/* Tensors are set: compute the checksum that names the map. */
void vni_map_seal(vecna_map *map);

/* The checksum that a map file must carry: over its metadata, its tensors' names and shapes, and its
 * data section, as the file has them. Private to the map file and to its fuzzer. */
uint64_t vni_map_file_checksum(const struct vecna_safetensors *file, const void *data);

/* Print the report and keep it in map->report_json. */
VECNA_CHECK vecna_status vni_map_print_report(vecna_map *map, vecna_error *err);

/* Spreads a hash over all 64 bits. */
uint64_t vni_hash_mix(uint64_t hash);

/* ---- dense float64, over linalg -------------------------------------------------------------- */

typedef struct vni_dense {
    double *data;
    size_t rows;
    size_t cols;
} vni_dense;

/* out = op(a) op(b), op = transpose where the flag is set. */
VECNA_CHECK vecna_status vni_dense_product(const vni_dense *a, int a_transposed, const vni_dense *b,
                                           int b_transposed, vni_dense *out, vecna_error *err);
/* a (square, symmetric): its rows become the eigenvectors of values, which descend. */
VECNA_CHECK vecna_status vni_dense_eigen(vni_dense *a, double *values, vecna_error *err);
/* a = left diag(sigma) right with left (rows, k), sigma (k) descending, right (k, cols), k the
 * smaller side; a is destroyed. */
VECNA_CHECK vecna_status vni_dense_svd(vni_dense *a, vni_dense *left, double *sigma,
                                       vni_dense *right, vecna_error *err);

/* out = A S^exponent B' of a = A S B', the first `keep` directions; sigma (smaller side) gets S,
 * descending. Directions below 1e-9 of the first are left out. out must not be a. */
VECNA_CHECK vecna_status vni_dense_power(const vni_dense *a, double exponent, size_t keep,
                                         vni_dense *out, double *sigma,
                                         const vecna_allocator *allocator, vecna_error *err);

/* out = a b in float32 (sums too). */
VECNA_CHECK vecna_status vni_product(vecna_view a, vecna_view b, vecna_matrix out, vecna_pool *pool,
                                     vecna_error *err);

/* ---- basis ----------------------------------------------------------------------------------- */

/* Sums over pairs about a fixed centre: added and subtracted, so that a fold is taken out instead
 * of all others summed again. One allocation. */
typedef struct vni_moments {
    const vecna_allocator *allocator;
    size_t source_dim, target_dim;
    double count;
    double *memory;
    double *sum_source; /* (source dim) */
    double *sum_target; /* (target dim) */
    double *square;     /* (source dim, source dim), whole */
    double *cross;      /* (source dim, target dim) */
    double target_energy;
} vni_moments;

/* What a map keeps of its pairs (statistics.c). One allocation, and `half`. */
typedef struct vni_statistics {
    size_t source_dim, target_dim;
    double count; /* of pairs; a fraction where some count less */
    double *source_mean;
    double *target_mean;  /* behind the source's */
    double target_energy; /* sum of squares of the targets about their mean */
    float *square;        /* lower triangle, row by row, of the sums of products about the mean */
    float *cross;         /* (source dim, target dim), behind the square */
    uint16_t *half;       /* both as 16-bit numbers, for a small file; NULL none */
    double square_scale, cross_scale; /* the greatest sum of each; what is kept is a share of it */
} vni_statistics;

/* Pairs that a prior may count for, together: more would drown what own ones say. */
#define VNI_PRIOR_ROWS 4000.0
#define VNI_KIND_ROWS 384 /* directions that are kept of a kind: measured, docs/translators.md */

/* What a map keeps of each kind of its pairs beside the sums of all (prior_kinds.c). One allocation. */
typedef struct vni_kinds {
    size_t count, rows;
    size_t source_dim, target_dim;
    char names[VECNA_KINDS_MOST][VECNA_KIND_BYTES];
    double *numbers; /* (count, 3) pairs, energy of the targets about their mean, rows below */
    float *means;    /* (count, source dim + target dim) */
    float *scales;   /* (2, rows) of source and of target rows */
    int8_t *source; /* (rows, source dim) kind by kind; times their scales, pairs about the means */
    int8_t
        *target; /* (rows, target dim)   whose products are nearly those of all pairs of the kind */
} vni_kinds;

/* Sums of other pairs that a fit leans on (prior.c). */
typedef struct vni_prior {
    const vni_statistics *statistics; /* NULL: none */
    double weight;                    /* of one of its pairs; an own pair weighs 1 */
    int one_mean; /* 1: both are of one kind, an update; 0: own means, shrunk towards its means */
    const vni_statistics *whole;  /* what statistics are when no kind was chosen */
    const vni_kinds *kinds;       /* that could be chosen, or NULL */
    vni_statistics *const *mixes; /* (kinds) statistics in which a kind counts more */
} vni_prior;

/* Of an update's pairs: one in twenty, which were fitted, move a figure by less than its interval. */
#define VNI_SHARE_KNOWN 0.05

/* Pairs that only a memory has of an earlier fit (memory_kept.c). */
typedef struct vni_kept {
    size_t rows;
    vecna_matrix source, target; /* at length 1 */
    uint64_t *key;               /* (rows) of their content */
} vni_kept;

/* The pairs as a fit sees them: rows normalised where their space is, and the centre of all. */
typedef struct vni_pairs {
    vecna_view source;
    vecna_view target;
    const double *source_centre;
    const double *target_centre;
    vecna_pool *pool;
    const vecna_allocator *allocator;
    vni_prior prior;
    size_t all_rows;      /* of the fit that these pairs are all or a part of */
    const vni_kept *kept; /* remembered beside whatever a memory is made of; NULL: none */
} vni_pairs;

VECNA_CHECK vecna_status vni_moments_new(size_t source_dim, size_t target_dim,
                                         const vecna_allocator *allocator, vni_moments *out,
                                         vecna_error *err);
void vni_moments_free(vni_moments *moments);
/* moments += sums over pairs[rows[0 .. count)]. */
VECNA_CHECK vecna_status vni_moments_add_rows(vni_moments *moments, const vni_pairs *pairs,
                                              const size_t *rows, size_t count, vecna_error *err);
/* Whether sums over these pairs are of float32 products: the same for every part of a fit. */
int vni_sums_single(const vni_pairs *pairs);
/* moments += part. */
void vni_moments_add(vni_moments *moments, const vni_moments *part);
/* out = whole - part; out may be whole. */
void vni_moments_subtract(const vni_moments *whole, const vni_moments *part, vni_moments *out);

VECNA_CHECK vecna_status vni_statistics_new(size_t source_dim, size_t target_dim,
                                            const vecna_allocator *allocator, vni_statistics **out,
                                            vecna_error *err);
void vni_statistics_free(vni_statistics *statistics, const vecna_allocator *allocator);
VECNA_CHECK vecna_status vni_statistics_copy(const vni_statistics *from,
                                             const vecna_allocator *allocator, vni_statistics **out,
                                             vecna_error *err);
/* Of the listed pairs; moments are theirs, or NULL. The prior is left out. */
VECNA_CHECK vecna_status vni_statistics_of(const vni_pairs *pairs, const vni_moments *moments,
                                           const size_t *rows, size_t count, vni_statistics **out,
                                           vecna_error *err);
/* The sums of moments that are about the mean or know how far it is; count, means and energy stay. */
void vni_statistics_take(vni_statistics *statistics, const vni_moments *moments);
/* square (p, p) and cross (p, q) += weight * the sums. */
void vni_statistics_add(const vni_statistics *statistics, double weight, double *square,
                        double *cross);
/* statistics += weight * other; one_mean: about the mean of both, otherwise each about its own, and
 * the means stay. */
void vni_statistics_join(vni_statistics *statistics, const vni_statistics *other, double weight,
                         int one_mean);
/* Round the sums to what 16 bits hold, and keep these. */
VECNA_CHECK vecna_status vni_statistics_halve(vni_statistics *statistics,
                                              const vecna_allocator *allocator, vecna_error *err);

VECNA_CHECK vecna_status vni_kinds_new(size_t count, size_t rows, size_t source_dim,
                                       size_t target_dim, const vecna_allocator *allocator,
                                       vni_kinds **out, vecna_error *err);
void vni_kinds_free(vni_kinds *kinds, const vecna_allocator *allocator);
/* Of the listed pairs, by the kinds that were given for all. */
VECNA_CHECK vecna_status vni_kinds_of(const vni_pairs *pairs, const vecna_kinds_given *given,
                                      const size_t *rows, size_t count, vni_kinds **out,
                                      vecna_error *err);
/* One kind, its pairs as they are, and a little of all; about the kind's means. */
VECNA_CHECK vecna_status vni_kinds_mix(const vni_kinds *kinds, size_t kind,
                                       const vni_statistics *all, const vecna_allocator *allocator,
                                       vni_statistics **out, vecna_error *err);

/* What pairs->prior does to sums about the pairs' own means; m are the pairs' moments. */
void vni_prior_add(const vni_pairs *pairs, const vni_moments *m, double *square, double *cross);
/* Share of the prior's means in the means of a fit, 0 .. 1; own_energy: of both sides about their own
 * means. */
double vni_prior_share(const vni_pairs *pairs, const vni_moments *m, double own_energy);
/* What it adds to the energy of the targets. */
double vni_prior_energy(const vni_pairs *pairs, const vni_moments *m);

/* Thin eigenbasis of the centred source rows, and what all methods need in it. With C the cross
 * products in the basis, source' target = vectors C. One allocation. */
typedef struct vni_basis {
    const vecna_allocator *allocator;
    double *memory;
    size_t rows; /* pairs behind it */
    size_t source_dim, target_dim;
    size_t rank;           /* directions that the pairs determine */
    double *source_mean;   /* (source dim) */
    double *target_mean;   /* (target dim) */
    double *vectors;       /* (source dim, rank) orthonormal columns */
    double *values;        /* (rank) squared length of the rows along each */
    double *cross;         /* (rank, target dim) C */
    double *rotation;      /* (rank, target dim) U V' of C = U S V'; NULL where not asked for */
    double mean_variance;  /* trace / source dim: the unit of lambda */
    double target_energy;  /* sum of squares of the centred targets */
    double rotated_energy; /* of the rotated sources */
    double nuclear;        /* sum of S */
    double prior_share;    /* of the prior's means in the means above */
} vni_basis;

/* From sums, for rows at least about source dim, or from the rows themselves when they are fewer
 * (eigenvectors of rows x rows instead of dim x dim). moments NULL forces the second. rotated: with
 * the rotation, which costs a singular value decomposition; only for recipes that rotate. */
VECNA_CHECK vecna_status vni_basis_new(const vni_moments *moments, const vni_pairs *pairs,
                                       const size_t *rows, size_t count, int rotated,
                                       vni_basis *out, vecna_error *err);
void vni_basis_free(vni_basis *basis);

/* ---- methods: one file each, all of the same form ----------------------------------------------
 * block (rank, target dim). What needs room takes it from the basis' allocator. */
typedef vecna_status vni_block_fn(const vni_basis *basis, const vecna_recipe *recipe, double *block,
                                  vecna_error *err);
vni_block_fn vni_block_procrustes;   /* procrustes.c: the four scales */
vni_block_fn vni_block_ridge;        /* ridge.c */
vni_block_fn vni_block_reduced_rank; /* reduced_rank.c */
vni_block_fn vni_block_blend;        /* blend.c: with and without a scale */
vni_block_fn vni_block_family;       /* family.c */
/* Any of them, by recipe->method; AUTO is a bug of the caller. */
VECNA_CHECK vecna_status vni_block(const vni_basis *basis, const vecna_recipe *recipe,
                                   double *block, vecna_error *err);

/* Means that a fit uses in place of those of its rows (separate query means), or NULL members; and the
 * share of both that is removed and added, where 0 stands for 1. */
typedef struct vni_means {
    const double *source;
    const double *target;
    double share;
} vni_means;

/* W = vectors * block as floats, b = share * (target mean - source mean * W). */
VECNA_CHECK vecna_status vni_block_to_map(const vni_basis *basis, const double *block,
                                          vni_means means, float *weights, float *bias,
                                          vecna_error *err);

/* ---- split ------------------------------------------------------------------------------------
 */

/* Rows sorted by group; groups in an order that depends on the seed and on their content alone, so
 * that the order of the pairs changes nothing. One allocation. */
typedef struct vni_split {
    const vecna_allocator *allocator;
    size_t *memory;
    size_t rows;
    size_t groups;
    size_t *order; /* (rows) rows, group by group */
    size_t *fold;  /* (rows) fold of a row, below folds */
    size_t folds;
} vni_split;

/* group (rows): dense numbers from 0 in no particular order. */
VECNA_CHECK vecna_status vni_groups_of_hashes(const uint64_t *hashes, size_t rows, size_t *group,
                                              size_t *groups, const vecna_allocator *allocator,
                                              vecna_error *err);
/* Rows of equal hashes too, where there are any. */
VECNA_CHECK vecna_status vni_groups_of_vectors(const vni_pairs *pairs, double cosine,
                                               const uint64_t *hashes, size_t *group,
                                               size_t *groups, vecna_error *err);
/* Split the listed rows into folds of nearly equal size, groups whole. key (all rows) orders the
 * groups. Fewer groups than folds give as many folds as groups. */
typedef struct vni_split_input {
    const size_t *rows;
    size_t count;
    const size_t *group; /* of all rows */
    const uint64_t *key; /* of all rows, of their content */
    size_t all_rows;
    size_t folds;
    uint64_t seed;
} vni_split_input;
VECNA_CHECK vecna_status vni_split_new(const vni_split_input *input,
                                       const vecna_allocator *allocator, vni_split *out,
                                       vecna_error *err);
void vni_split_free(vni_split *split);

/* ---- choosing ---------------------------------------------------------------------------------
 */

/* All that one fit works on. */
typedef struct vni_fit {
    vni_pairs pairs;
    const vecna_translate_options *options; /* never NULL */
    const size_t *group;                    /* (pairs) */
    const uint64_t *key;                    /* (pairs) */
    size_t groups;
    vecna_view query_source, query_target; /* normalised copies, rows 0 none */
    const size_t *query_select;            /* sample: queries that choose and give means */
    size_t query_select_count;
    const size_t *query_report; /* queries that report */
    size_t query_report_count;
    int normalized;
    double progress_from, progress_to; /* of the stage that runs */
} vni_fit;

/* Report progress at a share of the running stage; VECNA_ERR_ARGUMENT "cancelled" when told so. */
VECNA_CHECK vecna_status vni_progress(const vni_fit *fit, const char *stage, double share,
                                      vecna_error *err);

/* What a choice found; candidates are owned and freed by vni_choice_free. */
typedef struct vni_choice {
    const vecna_allocator *allocator;
    vecna_recipe recipe;
    vecna_candidate *candidates;
    size_t candidate_count;
    size_t rows; /* on which they were compared */
    size_t folds;
    double prior_weight; /* chosen, or the one given */
    size_t prior_kind;   /* chosen, counted from 1; 0: none */
    vecna_prior_trial trials[VECNA_PRIOR_TRIALS];
    size_t trial_count;
    vni_basis basis; /* with one fold: of the rows beside it; rank 0 otherwise */
} vni_choice;

/* 1 when it is pairs of one kind that stand behind the own ones. */
int vni_prior_of_kind(const vni_prior *prior);
/* Let a prior be what was chosen. */
void vni_choice_lean(const vni_choice *choice, vni_prior *prior);
/* Choose a recipe on the listed rows by cross-fitting; moments are theirs, or NULL where rows are
 * fewer than dims. finally: for the map that is delivered, at more expense. */
VECNA_CHECK vecna_status vni_choose(const vni_fit *fit, vni_moments *moments, const size_t *rows,
                                    size_t count, int finally, vni_choice *out, vecna_error *err);
void vni_choice_free(vni_choice *choice);
/* 1 when a recipe, or a candidate of it, needs the rotation of a basis. */
int vni_recipe_rotates(const vecna_recipe *recipe);
/* 1 when a given recipe leaves nothing to choose. */
int vni_recipe_is_whole(const vecna_recipe *recipe);

/* ---- held-out rows, translated, and lists ------------------------------------------------------
 */

/* k best rows of the corpus for each query by inner product; lower row first where equal.
 *   rows (queries, k), k at most the rows of the corpus */
VECNA_CHECK vecna_status vni_top(vecna_view corpus, vecna_view queries, size_t k, int64_t *rows,
                                 vecna_pool *pool, const vecna_allocator *allocator,
                                 vecna_error *err);
/* cross (p, q) += products of rows of x and of what they are guessed to be among the rows of y, where no pair is
 * known; both about their means, at length 1. */
VECNA_CHECK vecna_status vni_unpaired_start(vecna_view x, vecna_view y, uint64_t seed,
                                            vecna_pool *pool, const vecna_allocator *allocator,
                                            double *cross, vecna_error *err);
/* out = (in - source mean) vectors, then block, plus target mean, then unit length: what a map
 * does, for many blocks over one projection; with a share of the means, what is left of the source's is
 * added again behind the block. lengths (rows) or NULL: what was divided by. */
VECNA_CHECK vecna_status vni_project(const vni_basis *basis, vecna_view in, vni_means means,
                                     vecna_matrix out, vecna_pool *pool, vecna_error *err);
VECNA_CHECK vecna_status vni_translate_block(const vni_basis *basis, vecna_view projected,
                                             const double *block, vni_means means, vecna_matrix out,
                                             float *lengths, vecna_pool *pool, vecna_error *err);
/* Rows to length 1; a zero row stays. */
void vni_normalise(vecna_matrix rows, vecna_pool *pool);
/* Copy listed rows. */
void vni_gather(vecna_view from, const size_t *rows, size_t count, vecna_matrix out);
double vni_dot(const float *a, const float *b, size_t dim);
/* Depth of neighbour lists for a corpus of so many rows: 10, less where 10 would be most of it. */
size_t vni_depth(size_t corpus_rows);

/* ---- report and verdict ------------------------------------------------------------------------
 */

/* Reported rows: native and translated, in one order. */
typedef struct vni_reported {
    vecna_view source;     /* (rows, source dim) */
    vecna_view native;     /* (rows, target dim) */
    vecna_view translated; /* (rows, target dim) */
    vecna_view shuffled;   /* (rows, target dim) by a map of shuffled pairs */
    const double *target_mean;
    /* queries of a sample or of judgements; rows 0 none */
    vecna_view query_source, query_target, query_translated, query_shuffled;
    const vecna_judgements *judged; /* against these rows; NULL none */
} vni_reported;

/* Fill report->cosine, ->truth, ->neighbours, ->verdict and ->reasons. */
VECNA_CHECK vecna_status vni_report_fill(const vni_fit *fit, const vni_reported *reported,
                                         vecna_report *report, vecna_error *err);
/* The verdict of a filled report. */
void vni_report_judge(vecna_report *report);

#endif
