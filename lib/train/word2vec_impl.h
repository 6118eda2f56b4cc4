/* What the files of word2vec share. */
#ifndef VNI_WORD2VEC_IMPL_H
#define VNI_WORD2VEC_IMPL_H

#include "train/steps_impl.h"

enum { VNI_INPUTS = 0, VNI_OUTPUTS = 1 };

/* One thread's share. */
typedef struct vni_worker {
    struct vecna_word2vec *model;
    size_t thread;
    vni_share share; /* positions of the epoch */
    vni_overlay *inputs, *outputs;
    int32_t *piece, *kept; /* (VNI_PIECE) */
    float **rows;          /* inputs of a window, or all their subwords */
    float *hidden, *before;
    void *memory; /* all of it, one allocation */
} vni_worker;

struct vecna_word2vec {
    vecna_word2vec_options options; /* defaults filled in */
    vecna_allocator allocator_copy;
    const vecna_allocator *allocator;
    const vecna_supply *supply;
    const vecna_vocab *vocab;
    vni_shared shared;
    vni_negatives negatives;
    uint32_t *keep;
    float *
        window_rates; /* (2 * window + 1) by words around, what a skip-gram's rate is multiplied with */
    vni_huffman tree;
    vni_subwords subwords;
    vni_worker *workers; /* (threads) */
    size_t most_targets, most_rows;
    uint64_t round_words; /* a thread's words in a round */
    vni_progress progress;
};

/* Each thread's positions of an epoch, from its start. */
void vni_word2vec_shares(struct vecna_word2vec *model);

/* word2vec_windows.c: the words of one piece. */
void vni_word2vec_piece(vni_worker *worker, const int32_t *kept, size_t count, float rate);

#endif
