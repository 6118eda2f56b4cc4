/* What the files of adapt/ share: the adapter, and one function an adapter kind. */
#ifndef VNI_ADAPT_IMPL_H
#define VNI_ADAPT_IMPL_H

#include "vecna/adapt.h"

struct vecna_adapter {
    vecna_allocator allocator_copy;
    const vecna_allocator *allocator; /* the copy, or NULL */
    vecna_adapt_options options;      /* kind is not AUTO */
    float *matrix;                    /* (source_dim, target_dim) of a projection, or NULL */
};

/* Shapes have been checked; rows may be 0. Length is the caller's business. */
void vni_adapt_truncate(const vecna_adapter *adapter, vecna_view in, vecna_matrix out);
void vni_adapt_pad(const vecna_adapter *adapter, vecna_view in, vecna_matrix out);
vecna_status vni_adapt_project(const vecna_adapter *adapter, vecna_view in, vecna_matrix out,
                               vecna_error *err);
/* Draw the matrix. On failure what has been made stays for vecna_adapter_free. */
vecna_status vni_adapt_draw(vecna_adapter *adapter, vecna_error *err);

#endif
