/* What the files of plane share: the tree over points of the plane that t-SNE's repulsion uses. */
#ifndef VNI_PLANE_IMPL_H
#define VNI_PLANE_IMPL_H

#include "vecna/plane.h"

/* Points that are pushed together, one in each lane of a vector register. */
enum { VNI_LANES = 16 };

typedef struct vni_cell {
    float x, y;      /* centre of mass */
    float count;     /* points below it */
    float width_sq;  /* of its square */
    uint32_t first;  /* of its points, in the order of the curve */
    uint32_t points; /* 0 for a cell with cells below it, which follow it */
    uint32_t skip;   /* the next cell that is not below this one */
} vni_cell;

/* A quadtree over points, laid out along a Z-curve: cells in preorder, points by cell. */
typedef struct vni_tree {
    const vecna_allocator *allocator;
    size_t capacity; /* points it has room for */
    size_t points;
    size_t cells;
    void *memory;     /* one allocation */
    vni_cell *cell;   /* (2 * capacity) and more */
    uint32_t *order;  /* (capacity) point at each place of the curve */
    uint32_t *spare;  /* (capacity) */
    uint64_t *code;   /* (capacity) place on the curve, sorted */
    uint64_t *recode; /* (capacity) */
    float *x, *y;     /* (capacity + lanes) coordinates in that order, the last one repeated */
} vni_tree;

VECNA_CHECK vecna_status vni_tree_new(size_t capacity, const vecna_allocator *allocator,
                                      vni_tree *out, vecna_error *err);
void vni_tree_free(vni_tree *tree);
/* Lay the tree over points (points, 2), finite; points at most its capacity. */
void vni_tree_fill(vni_tree *tree, const float *plane, size_t points);
/* For the points at places [first, first + VNI_LANES) of the curve:
 *   force  (2 * VNI_LANES)  x of each, then y: sum over all points j of q^2 (y_i - y_j)
 *   total  (VNI_LANES)      sum over all points j of q = 1 / (1 + |y_i - y_j|^2), itself too
 * Cells of width w at distance r count as one point when w < theta r. list has room for
 * VNI_LIST sources. */
enum { VNI_LIST = 1024 };
typedef struct vni_sources {
    float x[VNI_LIST], y[VNI_LIST], count[VNI_LIST];
    size_t filled;
} vni_sources;
void vni_tree_repulsion(const vni_tree *tree, size_t first, float theta, vni_sources *list,
                        float *force, float *total);

#endif
