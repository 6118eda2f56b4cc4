/* vecna/model.h — static sentence models: a table with a vector for each piece of a word, and a text's
 * vector is the mean of those of its pieces.
 *
 * A hundred times faster than the transformer that it is distilled from, and good enough for much:
 * docs/builtin-model.md has figures beside it. The order of words is lost, and a word means the same
 * everywhere.
 *
 * The road
 *   distill   vecna_model_distill: what a teacher says of single pieces and of whole texts -> a table
 *   keep      vecna_model_save, _open: one safetensors file, tokenizer and all
 *   apply     vecna_model_embed, _embed_pictures */
#ifndef VECNA_MODEL_H
#define VECNA_MODEL_H

#include "vecna/image.h"
#include "vecna/text.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Immutable; may be shared by threads. */
typedef struct vecna_model vecna_model;

typedef struct vecna_model_info {
    const char *name;    /* owned by the model; "" when not known */
    const char *teacher; /* the model that it is distilled from; "" */
    const char *licence; /* "" */
    const char *report;  /* JSON object of figures; "{}" */
    size_t dim;
    size_t pieces;                  /* rows of the table */
    vecna_dtype dtype;              /* of the table: VECNA_I8 or VECNA_F16 */
    uint64_t checksum;              /* of the file: names a model */
    const vecna_image_shape *shape; /* of its tower of pictures; NULL: it knows texts alone */
    double scale; /* what similarities of pictures and texts are multiplied by before a softmax */
} vecna_model_info;

VECNA_API vecna_model_info vecna_model_about(const vecna_model *model);
VECNA_API void vecna_model_free(vecna_model *model);

/* ---- applying -------------------------------------------------------------------------------- */

/* Vectors of texts.
 *   texts   (count)
 *   out     (count, dim)  length 1; zeros for a text of which the model knows no piece
 *   pieces  sum of the pieces of all texts, unknown ones too (what others call tokens); NULL: not
 *           wanted
 * Nothing is cut: a text may have any length.
 * Numerics: float32 sums in the order of the pieces: the same bits on every machine.
 * Memory:   4 bytes a byte of the longest text, for each thread.
 * Errors:   VECNA_ERR_DIM when out disagrees; VECNA_ERR_MEMORY. Since 0.2. */
VECNA_API VECNA_CHECK vecna_status vecna_model_embed(const vecna_model *model,
                                                     const vecna_passage *texts, size_t count,
                                                     vecna_matrix out, uint64_t *pieces,
                                                     vecna_pool *pool, vecna_error *err);

/* Vectors of pictures, in the space of the texts': those of vecna train clip have a tower for them.
 *   pictures  of the size of vecna_model_about's shape
 *   out       (count, dim) length 1
 * Errors:   VECNA_ERR_UNSUPPORTED for a model without a tower; otherwise as vecna_image_embed. Since
 *           0.2. */
VECNA_API VECNA_CHECK vecna_status vecna_model_embed_pictures(const vecna_model *model,
                                                              const vecna_pictures *pictures,
                                                              vecna_matrix out, vecna_pool *pool,
                                                              vecna_error *err);

/* ---- tables ---------------------------------------------------------------------------------- */

/* A model out of its parts, all of them copied: what a trainer has made. */
typedef struct vecna_model_parts {
    const char *vocabulary; /* lines of word pieces (vecna_wordpiece_new) */
    size_t vocabulary_bytes;
    int keep_case;
    vecna_view rows;                      /* (pieces, dim) */
    vecna_dtype dtype;                    /* VECNA_I8 or VECNA_F16; 0: VECNA_I8 */
    const char *name, *teacher, *licence; /* NULL: "" */
    const char *report;                   /* JSON object; NULL: "{}" */
    const vecna_image_shape *shape;       /* of a tower of pictures; NULL: none */
    const float *tower;                   /* vecna_image_parameters() numbers */
    double scale;                         /* with a tower: as vecna_model_info has it */
    const vecna_allocator *allocator;
} vecna_model_parts;

/* Errors: VECNA_ERR_FORMAT of the vocabulary; VECNA_ERR_DIM when rows are not as many as pieces;
 *         VECNA_ERR_VALUE for a number that is not finite; VECNA_ERR_ARGUMENT for another dtype;
 *         VECNA_ERR_MEMORY; VECNA_ERR_DIM for a tower to other dimensions. Since 0.2. */
VECNA_API VECNA_CHECK vecna_status vecna_model_of_parts(const vecna_model_parts *parts,
                                                        vecna_model **out, vecna_error *err);
/* The same of a model, to go on from: borrowed, but for the rows, which are left out. */
VECNA_API vecna_model_parts vecna_model_parts_of(const vecna_model *model);
/* Its rows as floats: out (pieces, dim). Errors: VECNA_ERR_DIM. */
VECNA_API VECNA_CHECK vecna_status vecna_model_rows(const vecna_model *model, vecna_matrix out,
                                                    vecna_error *err);

/* ---- files ----------------------------------------------------------------------------------- */

enum { VECNA_MODEL_VERSION = 1 };

/* Write a model as a safetensors file (docs/model-format.md), whole or not at all.
 * Errors: VECNA_ERR_IO; VECNA_ERR_MEMORY. */
VECNA_API VECNA_CHECK vecna_status vecna_model_save(const vecna_model *model, const char *path,
                                                    vecna_error *err);

/* Read a model file, or one in memory (copied).
 *   name       for messages
 *   allocator  NULL malloc
 * Errors: VECNA_ERR_IO; VECNA_ERR_TRUNCATED; VECNA_ERR_VERSION for a later version;
 *         VECNA_ERR_CHECKSUM; VECNA_ERR_FORMAT for a file that is no model or whose parts disagree;
 *         VECNA_ERR_VALUE for a scale that is not finite; VECNA_ERR_MEMORY. */
VECNA_API VECNA_CHECK vecna_status vecna_model_open(const char *path,
                                                    const vecna_allocator *allocator,
                                                    vecna_model **out, vecna_error *err);
VECNA_API VECNA_CHECK vecna_status vecna_model_parse(const void *data, size_t bytes,
                                                     const char *name,
                                                     const vecna_allocator *allocator,
                                                     vecna_model **out, vecna_error *err);

/* ---- distilling ------------------------------------------------------------------------------ */

typedef struct vecna_distill_options {
    size_t dim;        /* of the model; 0 means 256 */
    vecna_dtype dtype; /* VECNA_I8 (a byte a number, a scale a row) or VECNA_F16; 0: VECNA_I8 */
    double rarity;     /* a of the weight a / (a + p) of a piece of probability p; 0 means 3e-4 */
    double ridge;      /* how strongly the tuned table is held to the untuned; 0 means 0.1 */
    size_t steps;      /* of conjugate gradients; 0 means 40 */
    int keep_case;     /* of the vocabulary's tokenizer */
    const char *name, *teacher, *licence;                        /* kept in the file; NULL: "" */
    int (*progress)(void *user, const char *stage, double done); /* NULL; nonzero cancels */
    void *progress_user;
    vecna_pool *pool;
    const vecna_allocator *allocator;
} vecna_distill_options;

/* What a distillation did; kept as JSON in the model's report too. */
typedef struct vecna_distill_report {
    size_t texts;       /* with a piece that the model knows */
    size_t pieces_seen; /* pieces of the vocabulary that occur in them */
    double
        cosine_untuned; /* mean cosine to the teacher on held-out texts, in the plane that is kept */
    double cosine;      /* the same when tuned */
    double variance_kept; /* share of the fitted vectors' variance in `dim` directions */
} vecna_distill_report;

/* Distil a table from a teacher.
 *   vocabulary         lines of word pieces (vecna_wordpiece_new)
 *   piece_vectors      (pieces, teacher dim) what the teacher says of each alone
 *   texts              (count) of the kinds that the model will meet; one in 20 is held out
 *   text_vectors       (count, teacher dim) what the teacher says of them
 *   options            may be NULL
 *   out, report        report may be NULL
 * A piece weighs a / (a + p), p from the texts. The table is the untuned one times a scale plus the
 * least change (ridge) that brings weighted means of pieces near the teacher's vectors about their
 * mean: a sparse linear system, solved for all columns at once. Then the principal directions of the
 * fitted texts, and the weights multiplied in.
 * Numerics: float32 products, float64 coefficients; deterministic.
 * Memory:   24 * pieces * teacher dim bytes and 4 * (count * teacher dim + pieces of all texts).
 * Errors:   VECNA_ERR_DIM; VECNA_ERR_FORMAT of the vocabulary; VECNA_ERR_ARGUMENT for options out of
 *           range, no texts, or "cancelled"; VECNA_ERR_VALUE for what is not finite; VECNA_ERR_MEMORY;
 *           VECNA_ERR_LIBRARY.
 * Source:   Arora et al., "A simple but tough-to-beat baseline for sentence embeddings", 2017 (the
 *           weight); docs/builtin-model.md (the rest). Since 0.2. */
typedef struct vecna_distill_input {
    const char *vocabulary;
    size_t vocabulary_bytes;
    vecna_view piece_vectors;
    const vecna_passage *texts;
    vecna_view text_vectors;
} vecna_distill_input;
VECNA_API VECNA_CHECK vecna_status vecna_model_distill(const vecna_distill_input *input,
                                                       const vecna_distill_options *options,
                                                       vecna_model **out,
                                                       vecna_distill_report *report,
                                                       vecna_error *err);

#ifdef __cplusplus
}
#endif
#endif
