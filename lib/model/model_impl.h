/* What the files of model share: the table. */
#ifndef VNI_MODEL_IMPL_H
#define VNI_MODEL_IMPL_H

#include "vecna/codec.h"
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
    vecna_image_shape shape; /* of a tower of pictures; stages 0: none */
    float *tower;
    double scale;
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

/* A tower beside the table, copied. Errors: VECNA_ERR_DIM; VECNA_ERR_VALUE; VECNA_ERR_MEMORY. */
VECNA_CHECK vecna_status vni_model_set_tower(vecna_model *model, const vecna_image_shape *shape,
                                             const float *tower, double scale, vecna_error *err);

/* ---- the tower in a file (image_file.c) ------------------------------------------------------- */

/* Weights and biases of every stage and of the head. */
enum { VNI_MODEL_IMAGE_TENSORS = 2 * (VECNA_IMAGE_STAGES_MOST + 1), VNI_MODEL_NAME_BYTES = 48 };

typedef struct vni_model_tensor {
    vecna_tensor_entry entry; /* its name is below */
    char name[VNI_MODEL_NAME_BYTES];
    size_t at; /* its first number in the tower */
} vni_model_tensor;

/* The tensors of a tower in their order; returns how many. */
size_t vni_model_image_tensors(const vecna_image_shape *shape,
                               vni_model_tensor out[VNI_MODEL_IMAGE_TENSORS]);
/* A tower out of a file that says "pixels" in its metadata, for a model whose table is there.
 *   data  of the tensors
 *   name  for messages */
VECNA_CHECK vecna_status vni_model_take_tower(const vecna_safetensors *file,
                                              const unsigned char *data, const char *name,
                                              vecna_model *model, vecna_error *err);

#endif
