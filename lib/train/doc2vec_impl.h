/* What the files of doc2vec share. */
#ifndef VNI_DOC2VEC_IMPL_H
#define VNI_DOC2VEC_IMPL_H

#include "train/steps_impl.h"

enum { VNI_DOCS = 0, VNI_TARGETS = 1, VNI_WORDS = 2 };
enum { VNI_BAG_WORDS = 2 }; /* of PV-DBOW a step */

/* One thread's share, and its windows. */
typedef struct vni_reading {
    const vecna_doc2vec_options *options;
    const vni_table
        *words; /* rows of words, and behind them the one that stands for none; or NULL */
    vni_overlay *word_copies;
    vni_share share; /* documents of the epoch, in its order */
    int32_t *kept;   /* (VNI_PIECE) */
    float **rows;    /* of a window, the document first */
    float *hidden, *before;
    int frozen;    /* only the document moves */
    size_t offset; /* words of document share.at that are done */
    void *memory;
} vni_reading;

struct vecna_doc2vec {
    vecna_doc2vec_options options; /* defaults filled in */
    vecna_allocator allocator_copy;
    const vecna_allocator *allocator;
    const vecna_corpus *corpus;
    vni_shared shared;
    vni_negatives negatives;
    uint32_t *keep; /* NULL: no subsampling */
    size_t *order;  /* (units) of this epoch */
    vni_reading *readings;
    uint64_t round_words; /* a thread's words in a round */
    vni_progress progress;
};

vecna_status vni_doc2vec_complete(vecna_doc2vec_options *options, vecna_error *err);
/* Floats of a target row. */
size_t vni_doc2vec_target_dim(const vecna_doc2vec_options *options);
/* Most targets of a step. */
static inline size_t vni_reading_targets(const vecna_doc2vec_options *options) {
    return (options->method == VECNA_PV_DBOW ? VNI_BAG_WORDS : 1) * (1 + options->negative);
}
size_t vni_reading_carve(vni_reading *reading, char *memory);
/* doc2vec_windows.c: words of a document against its row. */
void vni_read_piece(vni_reading *reading, float *doc, const int32_t *kept, size_t count,
                    float rate);
void vni_doc2vec_shuffle(vecna_doc2vec *model);

#endif
