/* A quadtree over the plane, and what all points do to a few of them.
 *
 * Points are sorted along a Z-curve, so that a cell is a run of them and a tree is an array of runs
 * in preorder: walking it needs no stack and no pointers. Sixteen neighbours on the curve walk
 * together: what is far from all of them is one list, and the forces of a list on sixteen points are
 * loops over lanes, the same operations in the same order on every processor. */
#include "plane/plane_impl.h"

#include <math.h>
#include <string.h>

enum { LEAF_POINTS = 8, CURVE_BITS = 20, RADIX_BITS = 10 };

vecna_status vni_tree_new(size_t capacity, const vecna_allocator *allocator, vni_tree *out,
                          vecna_error *err) {
    vni_tree tree = {.allocator = allocator, .capacity = capacity};
    const size_t cells = capacity * 2; /* every cell with cells below it has two at least */
    const size_t floats = 2 * (capacity + VNI_LANES);
    const size_t bytes = cells * sizeof *tree.cell + 2 * capacity * sizeof *tree.code +
                         2 * capacity * sizeof *tree.order + floats * sizeof *tree.x;
    if (capacity > UINT32_MAX / 64) {
        return vecna_error_set(err, VECNA_ERR_OVERFLOW, -1,
                               "%zu points are more than a picture holds; take a sample", capacity);
    }
    tree.memory = vecna_allocate(allocator, bytes, 1);
    if (!tree.memory) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a tree over %zu points",
                               capacity);
    }
    tree.code = tree.memory;
    tree.recode = tree.code + capacity;
    tree.cell = (vni_cell *)(tree.recode + capacity);
    tree.order = (uint32_t *)(tree.cell + cells);
    tree.spare = tree.order + capacity;
    tree.x = (float *)(tree.spare + capacity);
    tree.y = tree.x + capacity + VNI_LANES;
    *out = tree;
    return VECNA_OK;
}

void vni_tree_free(vni_tree *tree) {
    vecna_release(tree->allocator, tree->memory);
    memset(tree, 0, sizeof *tree);
}

/* Bits of v with a zero after each. */
static uint64_t spread(uint64_t v) {
    v = (v | v << 16) & 0x0000FFFF0000FFFFu;
    v = (v | v << 8) & 0x00FF00FF00FF00FFu;
    v = (v | v << 4) & 0x0F0F0F0F0F0F0F0Fu;
    v = (v | v << 2) & 0x3333333333333333u;
    return (v | v << 1) & 0x5555555555555555u;
}

/* Sort code and order together, least digits first; equal codes stay in the order of the points. */
static void sort_along_curve(vni_tree *tree) {
    enum { BUCKETS = 1 << RADIX_BITS };
    for (unsigned shift = 0; shift < 2 * CURVE_BITS; shift += RADIX_BITS) {
        uint32_t start[BUCKETS + 1];
        memset(start, 0, sizeof start);
        for (size_t i = 0; i < tree->points; i++) {
            start[(tree->code[i] >> shift & (BUCKETS - 1)) + 1]++;
        }
        for (size_t b = 0; b < BUCKETS; b++) {
            start[b + 1] += start[b];
        }
        for (size_t i = 0; i < tree->points; i++) {
            uint32_t to = start[tree->code[i] >> shift & (BUCKETS - 1)]++;
            tree->recode[to] = tree->code[i];
            tree->spare[to] = tree->order[i];
        }
        uint64_t *code = tree->code;
        uint32_t *order = tree->order;
        tree->code = tree->recode;
        tree->recode = code;
        tree->order = tree->spare;
        tree->spare = order;
    }
}

/* The cell over places [first, last) whose codes agree above `shift` bits, and all below it. */
static void fill_cell(vni_tree *tree, size_t first, size_t last, unsigned shift, float width) {
    const size_t self = tree->cells++;
    vni_cell *cell = &tree->cell[self];
    double x = 0, y = 0;
    /* a square with points in one quarter alone is no cell of its own */
    while (shift > 0 && tree->code[first] >> (shift - 2) == tree->code[last - 1] >> (shift - 2)) {
        shift -= 2;
        width /= 2;
    }
    cell->first = (uint32_t)first;
    cell->count = (float)(last - first);
    cell->width_sq = width * width;
    if (last - first <= LEAF_POINTS || shift == 0) {
        cell->points = (uint32_t)(last - first);
        for (size_t i = first; i < last; i++) {
            x += (double)tree->x[i];
            y += (double)tree->y[i];
        }
    } else {
        cell->points = 0;
        shift -= 2;
        for (size_t at = first; at < last;) {
            const uint64_t quarter = tree->code[at] >> shift;
            size_t end = at + 1;
            while (end < last && tree->code[end] >> shift == quarter) {
                end++;
            }
            const vni_cell *child = &tree->cell[tree->cells];
            fill_cell(tree, at, end, shift, width / 2);
            x += (double)child->x * (double)child->count;
            y += (double)child->y * (double)child->count;
            at = end;
        }
    }
    cell->x = (float)(x / (double)(last - first));
    cell->y = (float)(y / (double)(last - first));
    cell->skip = (uint32_t)tree->cells;
}

void vni_tree_fill(vni_tree *tree, const float *plane, size_t points) {
    float low_x = plane[0], high_x = plane[0], low_y = plane[1], high_y = plane[1];
    tree->points = points;
    tree->cells = 0;
    for (size_t i = 1; i < points; i++) {
        low_x = fminf(low_x, plane[2 * i]);
        high_x = fmaxf(high_x, plane[2 * i]);
        low_y = fminf(low_y, plane[2 * i + 1]);
        high_y = fmaxf(high_y, plane[2 * i + 1]);
    }
    const float width = fmaxf(fmaxf(high_x - low_x, high_y - low_y), 1e-30f);
    const double scale = ((1u << CURVE_BITS) - 1) / (double)width;
    for (size_t i = 0; i < points; i++) {
        uint64_t x = (uint64_t)((double)(plane[2 * i] - low_x) * scale);
        uint64_t y = (uint64_t)((double)(plane[2 * i + 1] - low_y) * scale);
        tree->code[i] = spread(x) | spread(y) << 1;
        tree->order[i] = (uint32_t)i;
    }
    sort_along_curve(tree);
    for (size_t i = 0; i < points + VNI_LANES; i++) {
        size_t from = tree->order[i < points ? i : points - 1];
        tree->x[i] = plane[2 * from];
        tree->y[i] = plane[2 * from + 1];
    }
    fill_cell(tree, 0, points, 2 * CURVE_BITS, width);
}

/* What the listed sources do to each lane. Vectors across lanes: no sum is reordered, so every
 * instruction set gives the same bits. */
#define VNI_LANE_LOOP                                                                              \
    for (size_t s = 0; s < list->filled; s++) {                                                    \
        const float x = list->x[s], y = list->y[s], count = list->count[s];                        \
        for (size_t l = 0; l < VNI_LANES; l++) {                                                   \
            float dx = px[l] - x, dy = py[l] - y;                                                  \
            float q = 1.0f / (1.0f + dx * dx + dy * dy);                                           \
            float pull = count * q;                                                                \
            total[l] += pull;                                                                      \
            pull *= q;                                                                             \
            force[l] += pull * dx;                                                                 \
            force[VNI_LANES + l] += pull * dy;                                                     \
        }                                                                                          \
    }

typedef void lane_kernel(const float *restrict px, const float *restrict py,
                         const vni_sources *restrict list, float *restrict force,
                         float *restrict total);

static void add_portable(const float *restrict px, const float *restrict py,
                         const vni_sources *restrict list, float *restrict force,
                         float *restrict total) {
    VNI_LANE_LOOP
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void add_avx2(const float *restrict px,
                                                     const float *restrict py,
                                                     const vni_sources *restrict list,
                                                     float *restrict force, float *restrict total) {
    VNI_LANE_LOOP
}

__attribute__((target("avx512f"))) static void
add_avx512(const float *restrict px, const float *restrict py, const vni_sources *restrict list,
           float *restrict force, float *restrict total) {
    VNI_LANE_LOOP
}
#endif

static lane_kernel *kernel_here(void) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) {
        return add_avx512;
    }
    if (__builtin_cpu_supports("avx2")) {
        return add_avx2;
    }
#endif
    return add_portable;
}

static void add_source(vni_sources *list, float x, float y, float count) {
    list->x[list->filled] = x;
    list->y[list->filled] = y;
    list->count[list->filled] = count;
    list->filled++;
}

void vni_tree_repulsion(const vni_tree *tree, size_t first, float theta, vni_sources *list,
                        float *force, float *total) {
    lane_kernel *add = kernel_here();
    const float *px = tree->x + first, *py = tree->y + first;
    float low_x = px[0], high_x = px[0], low_y = py[0], high_y = py[0];
    const float theta_sq = theta * theta;
    for (size_t l = 1; l < VNI_LANES; l++) {
        low_x = fminf(low_x, px[l]);
        high_x = fmaxf(high_x, px[l]);
        low_y = fminf(low_y, py[l]);
        high_y = fmaxf(high_y, py[l]);
    }
    memset(force, 0, 2 * VNI_LANES * sizeof *force);
    memset(total, 0, VNI_LANES * sizeof *total);
    list->filled = 0;
    for (size_t at = 0; at < tree->cells;) {
        const vni_cell *cell = &tree->cell[at];
        /* distance of the centre of mass to the nearest point that a lane can be */
        float dx = fmaxf(fmaxf(low_x - cell->x, cell->x - high_x), 0);
        float dy = fmaxf(fmaxf(low_y - cell->y, cell->y - high_y), 0);
        if (list->filled > VNI_LIST - LEAF_POINTS) {
            add(px, py, list, force, total);
            list->filled = 0;
        }
        if (cell->width_sq < theta_sq * (dx * dx + dy * dy)) {
            add_source(list, cell->x, cell->y, cell->count);
            at = cell->skip;
        } else if (cell->points > LEAF_POINTS) { /* equal points, all in one place of the curve */
            add_source(list, cell->x, cell->y, cell->count);
            at = cell->skip;
        } else {
            for (size_t i = 0; i < cell->points; i++) {
                add_source(list, tree->x[cell->first + i], tree->y[cell->first + i], 1);
            }
            at = cell->points ? cell->skip : at + 1;
        }
    }
    add(px, py, list, force, total);
}
