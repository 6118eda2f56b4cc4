/* What graph.c and walks.c share. */
#ifndef VNI_GRAPH_IMPL_H
#define VNI_GRAPH_IMPL_H

#include "train/train_impl.h"

/* Neighbours of node v: neighbours[starts[v] .. starts[v + 1]), ascending. */
struct vecna_graph {
    vecna_allocator allocator_copy;
    const vecna_allocator *allocator;
    vecna_vocab *names;
    size_t nodes, arcs, edges;
    size_t *starts;      /* (nodes + 1) */
    int32_t *neighbours; /* (arcs) */
    float *chances;      /* (arcs) alias method; NULL when all weights are the same */
    int32_t *aliases;    /* (arcs) place in the node's list */
};

#endif
