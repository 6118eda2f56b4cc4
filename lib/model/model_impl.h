/* What the files of model share: the table. */
#ifndef VNI_MODEL_IMPL_H
#define VNI_MODEL_IMPL_H

#include "vecna/model.h"
#include "vecna/text.h"

struct vecna_model {
    const vecna_allocator *allocator; /* NULL or &allocator_copy */
    vecna_allocator allocator_copy;
    char *words; /* name, teacher, licence and report, each NUL-terminated */
    const char *name, *teacher, *licence, *report;
    size_t dim, pieces;
    vecna_dtype dtype;
    int keep_case;
    void *table;      /* (pieces, dim) int8 or the bits of f16 */
    float *scales;    /* (pieces) of int8 rows; NULL for f16 */
    char *vocabulary; /* the lines as the tokenizer took them */
    size_t vocabulary_bytes;
    vecna_wordpiece *tokenizer;
    uint64_t checksum;
};

/* Words of a model, for vni_model_new. */
typedef struct vni_model_words {
    const char *name, *teacher, *licence, *report, *unknown;
} vni_model_words;

/* A model with its tokenizer and room for the table. */
VECNA_CHECK vecna_status vni_model_new(const char *vocabulary, size_t vocabulary_bytes, size_t dim,
                                       vecna_dtype dtype, int keep_case,
                                       const vni_model_words *words,
                                       const vecna_allocator *allocator, vecna_model **out,
                                       vecna_error *err);
/* Put a row of floats into the table, rounded. */
void vni_model_set_row(vecna_model *model, size_t piece, const float *row);
/* sum (dim) += scale * the row of a piece. */
void vni_model_add_row(const vecna_model *model, int32_t piece, float *sum);

#endif
