/* Counting which words stand near which, in bounded memory. */
#ifndef VNI_COOCCUR_IMPL_H
#define VNI_COOCCUR_IMPL_H

#include "train/train_impl.h"

typedef struct vni_cooccur vni_cooccur;

/* How to count; options of vecna_glove_options. */
typedef struct vni_cooccur_rule {
    size_t window, memory_bytes;
    int asymmetric, flat;
    const char *scratch;
    const vecna_allocator *allocator;
} vni_cooccur_rule;

/* Counts as they are wanted. */
vecna_status vni_cooccur_new(const vni_cooccur_rule *rule, const vecna_corpus *corpus,
                             vecna_train_watch *watch, void *user, vni_cooccur **out,
                             vecna_error *err);
void vni_cooccur_free(vni_cooccur *counts);
size_t vni_cooccur_spills(const vni_cooccur *counts);

/* Every pair (word, context) and its count, in an order that is always the same. A symmetric count gives
 * both directions. */
typedef void vni_pair_visitor(void *user, int32_t word, int32_t context, double count);
vecna_status vni_cooccur_visit(vni_cooccur *counts, vni_pair_visitor *visit, void *user,
                               vecna_error *err);

/* Memory of `bytes`, or, when that is more than may be had, a file that is gone as soon as it is
 * open. */
typedef struct vni_store {
    void *data;
    size_t bytes;
    int mapped;
} vni_store;

vecna_status vni_store_new(size_t bytes, size_t memory_bytes, const char *scratch,
                           const vecna_allocator *allocator, vni_store *out, vecna_error *err);
void vni_store_free(vni_store *store, const vecna_allocator *allocator);

#endif
