/* What the trainers share: kernels, tables of rows that several threads train without meeting,
 * sampling, and the supply of word numbers.
 *
 * How threads train one model and always get the same bits. The work of an epoch is cut into as many
 * shares as there are threads. They go forward in rounds. In a round a thread copies each row that it
 * touches out of the table into an overlay of its own and trains that copy; between rounds the copies
 * are merged into the table in the order of the threads. No thread ever sees what another one is
 * writing, so only the seed and the number of threads decide the result. One thread needs no overlay
 * and trains the table itself. */
#ifndef VNI_TRAIN_IMPL_H
#define VNI_TRAIN_IMPL_H

#include "vecna/train.h"

#include <string.h>

/* ---- kernels --------------------------------------------------------------------------------- */

/* Rows are padded with zeros to a multiple of this many floats, and 64-byte aligned. */
enum { VNI_LANES = 16 };

static inline size_t vni_padded(size_t count) {
    return (count + VNI_LANES - 1) / VNI_LANES * VNI_LANES;
}

/* One step of logistic regression between a few inputs and a few outputs:
 *   logit[j][i] = inputs[i] . outputs[j]
 *   gain[j][i]  = (labels[j] - sigmoid(logit[j][i])) * rates[j]
 *   inputs[i]  += sum over j of gain[j][i] * outputs[j]
 *   outputs[j] += sum over i of gain[j][i] * inputs[i]
 * all with the values from before the step. The same row may stand among the inputs twice, and is
 * then moved twice; its second turn may see the first. Outputs are different rows, unless there is one
 * input. */
typedef struct vni_step {
    float *const *inputs;  /* (input_count) rows of width floats */
    float *const *outputs; /* (output_count) */
    const float *labels;   /* (output_count) 0 .. 1 */
    const float *rates;    /* (output_count) */
    size_t input_count, output_count;
    size_t width;  /* a multiple of 8; rows go on with zeros to a multiple of VNI_LANES */
    float *logits; /* scratch: (output_count, vni_step_stride); on return the step's, if wanted */
    float *gains;  /* scratch of the same shape */
    float *moves;  /* scratch: (input_count, VNI_LANES) */
    const float *const *coming; /* (coming_count) rows of steps to come, to be fetched meanwhile */
    size_t coming_count;
    int logits_wanted;
} vni_step;

/* Asks for the lines of a row that begin in the next `floats` numbers from `at` on. Where floats is a constant,
 * without a loop. */
static inline void vni_row_fetch(const float *row, size_t at, const size_t floats) {
    const size_t skip = at % VNI_LANES ? VNI_LANES - at % VNI_LANES : 0;
#pragma GCC unroll 8
    for (size_t k = 0; k + skip < floats; k += VNI_LANES)
        __builtin_prefetch(row + at + skip + k, 1, 3);
}

/* The same of all rows that are coming. A step does so piece by piece, beside its arithmetic: many lines
 * asked for at once would wait for each other, and the step for them. */
static inline void vni_step_fetch(const vni_step *step, size_t at, const size_t floats) {
    for (size_t i = 0; i < step->coming_count; i++)
        vni_row_fetch(step->coming[i], at, floats);
}

/* Floats from one output's logits to the next one's. A single input has them side by side. Labels,
 * rates, logits and gains have room for a multiple of 8 outputs, and are 64-byte aligned: several are looked at
 * together. */
static inline size_t vni_step_stride(size_t inputs) {
    return inputs == 1 ? 1 : inputs <= 8 ? 8 : vni_padded(inputs);
}

/* What was counted of one pair: how often is there as its logarithm, and as its weight. */
typedef struct vni_pair {
    int32_t word, context;
    float log_count, weight;
} vni_pair;

/* Pairs to train one after the other by GloVe's AdaGrad. A row is dim floats, its bias, and zeros up to
 * width; behind it as many roots, 1 / sqrt(1 + the sum of squares). */
typedef struct vni_pairs {
    const vni_pair *pairs;
    size_t count;
    float *words, *contexts; /* rows of 2 * width floats, 64-byte aligned */
    size_t dim, width;       /* width a multiple of VNI_LANES above dim */
    float rate;
} vni_pairs;

/* A step that moves no value by more than this without its root, and is clipped nowhere, is small: kernels
 * take it in their own way. Others are taken by vni_glove_plain, one number after the other. */
#define VNI_GLOVE_SMALL 0.25f
float vni_glove_limit(float rate);
void vni_glove_plain(float *w, float *c, size_t dim, size_t width, float push, float rate);

typedef struct vni_train_kernels {
    const char *name;
    unsigned needs; /* VNI_CPU_* */
    void (*step)(const vni_step *step);
    /* out = scale * sum of rows */
    void (*sum)(const float *const *rows, size_t count, float scale, float *out, size_t width);
    /* each row += scale * (now - before); a row given twice moves twice */
    void (*spread)(float *const *rows, size_t count, float scale, const float *now,
                   const float *before, size_t width);
    /* out += scale * (row - base) */
    void (*gather)(float *out, const float *row, const float *base, float scale, size_t width);
    /* returns the sum of weight * d^2 / 2 */
    double (*glove)(const vni_pairs *work);
} vni_train_kernels;

extern const vni_train_kernels vni_train_portable;
#if defined(__x86_64__)
extern const vni_train_kernels vni_train_avx2;
extern const vni_train_kernels vni_train_avx512;
extern const vni_train_kernels vni_train_bf16;
/* Whether it took the step: see kernel_window.c. */
int vni_avx512_window(const vni_step *step);
void vni_bf16_step(const vni_step *step);
#endif
const vni_train_kernels *vni_train_chosen(void);
/* For tests: vni_cpu_allow(mask), and choose again. Not while other threads train. */
void vni_train_allow(unsigned mask);

/* 1 / (1 + exp(-x)) within 2e-7, by the arithmetic of the kernels; no libm. */
float vni_sigmoid(float x);

/* ---- random numbers -------------------------------------------------------------------------- */

/* One multiplication a number: enough for drawing words. The state is any number; vni_draw_seed
 * makes one out of vecna_random's streams. Source: Wang Yi, wyhash ("wyrand"). */
static inline uint64_t vni_draw(uint64_t *state) {
    __extension__ typedef unsigned __int128 wide;
    wide product;
    *state += 0xa0761d6478bd642fu;
    product = (wide)*state * (*state ^ 0xe7037ed1a0b428dbu);
    return (uint64_t)(product >> 64) ^ (uint64_t)product;
}
uint64_t vni_draw_seed(uint64_t seed, uint64_t stream);

/* ---- tables ---------------------------------------------------------------------------------- */

typedef struct vni_table {
    float *data; /* (rows, width), 64-byte aligned */
    void *memory;
    size_t rows, dim, width;
} vni_table;

/* A table of zeros. */
vecna_status vni_table_new(size_t rows, size_t dim, const vecna_allocator *allocator,
                           vni_table *out, vecna_error *err);
void vni_table_free(vni_table *table, const vecna_allocator *allocator);
/* Rows [first, rows) uniform in [-range, range): row r draws from stream r. */
void vni_table_randomize(vni_table *table, size_t first, float range, uint64_t seed);

/* Floats of a row that a step has to look at. */
static inline size_t vni_used(const vni_table *table) {
    return (table->dim + 7) / 8 * 8;
}

static inline float *vni_table_row(const vni_table *table, size_t row) {
    return table->data + row * table->width;
}

/* One thread's copies of the rows that it touched in this round. */
typedef struct vni_overlay {
    int32_t *slot_of; /* (rows of the table) -1: not touched */
    int32_t *row_of;  /* (capacity) */
    uint32_t *touches;
    float *data; /* (capacity, width) */
    void *memory;
    size_t used, capacity;
} vni_overlay;

enum { VNI_TABLES_MOST = 3 };

/* Tables and the overlays of every thread. */
typedef struct vni_shared {
    vni_table tables[VNI_TABLES_MOST];
    size_t table_count;
    vni_overlay *overlays; /* (threads, table_count); NULL with one thread */
    size_t threads;
    const vni_train_kernels *kernels;
    const vecna_allocator *allocator;
} vni_shared;

/* Overlays for tables that are set already. rows_a_piece: most rows of each table that one piece of
 * work can touch. */
vecna_status vni_shared_open(vni_shared *shared, size_t threads, const size_t *rows_a_piece,
                             vecna_error *err);
void vni_shared_close(vni_shared *shared); /* tables too */
/* Bytes that vni_shared_open takes for one more table of this shape. */
size_t vni_overlay_bytes(size_t rows, size_t width, size_t threads, size_t rows_a_piece);

/* A thread's overlay of a table; NULL with one thread. */
static inline vni_overlay *vni_overlay_of(const vni_shared *shared, size_t thread, size_t table) {
    return shared->overlays ? &shared->overlays[thread * shared->table_count + table] : NULL;
}

float *vni_overlay_take(vni_overlay *overlay, const vni_table *table, size_t row);

/* The row that a thread may write. */
static inline float *vni_row(const vni_table *table, vni_overlay *overlay, size_t row) {
    int32_t slot;
    if (overlay == NULL)
        return vni_table_row(table, row);
    slot = overlay->slot_of[row];
    if (slot < 0)
        return vni_overlay_take(overlay, table, row);
    overlay->touches[slot]++;
    return overlay->data + (size_t)slot * table->width;
}

/* Whether a piece of work that touches so many rows still fits. */
static inline int vni_overlay_has_room(const vni_overlay *overlay, size_t rows) {
    return overlay == NULL || overlay->used + rows <= overlay->capacity;
}

/* The end of a round: copies go into the tables, overlays become empty. */
void vni_shared_merge(vni_shared *shared, vecna_pool *pool);

/* ---- sampling -------------------------------------------------------------------------------- */

/* Words in proportion to count^exponent, by Walker's alias method: every word has one cell, and a cell
 * is its own word's up to `share` (in 2^32 parts) and another one's from there. Eight bytes a word stay
 * in the cache, where a table of a million cells drove the rows out of it. */
typedef struct vni_negative_cell {
    uint32_t share;
    int32_t other;
} vni_negative_cell;

typedef struct vni_negatives {
    vni_negative_cell *cells; /* (words) */
    uint64_t words;
} vni_negatives;

/* The word that 64 random bits draw: the upper half chooses the cell, the lower one the word in it. */
static inline int32_t vni_negative_of(const vni_negatives *negatives, uint64_t random) {
    uint32_t cell = (uint32_t)((random >> 32) * negatives->words >> 32);
    vni_negative_cell chosen = negatives->cells[cell];
    return (uint32_t)random < chosen.share ? (int32_t)cell : chosen.other;
}

static inline void vni_negative_fetch(const vni_negatives *negatives, uint64_t random) {
    __builtin_prefetch(&negatives->cells[(random >> 32) * negatives->words >> 32], 0, 3);
}

vecna_status vni_negatives_new(const uint64_t *counts, size_t words, double exponent,
                               const vecna_allocator *allocator, vni_negatives *out,
                               vecna_error *err);

/* keep[w]: a word stays where 32 random bits are not above it. */
void vni_keep_thresholds(const uint64_t *counts, size_t words, double sample, uint32_t *keep);

/* Huffman's tree over counts: for each word the inner nodes from the root and the turn taken there. */
typedef struct vni_huffman {
    uint32_t *starts; /* (words + 1) into nodes and turns */
    int32_t *nodes;
    unsigned char *turns;
    size_t longest;
} vni_huffman;

vecna_status vni_huffman_new(const uint64_t *counts, size_t words, const vecna_allocator *allocator,
                             vni_huffman *out, vecna_error *err);
void vni_huffman_free(vni_huffman *tree, const vecna_allocator *allocator);

/* ---- subwords -------------------------------------------------------------------------------- */

/* Rows of each word: itself and its character n-grams, fastText's way. */
typedef struct vni_subwords {
    size_t *starts; /* (words + 1) into rows */
    int32_t *rows;  /* the word's own first */
    size_t longest;
} vni_subwords;

typedef struct vni_subword_rule {
    size_t words, min_n, max_n, buckets;
} vni_subword_rule;

/* Rows of the n-grams of any word; the word's own row is not among them. Returns how many there are;
 * writes those from number `first` on, at most `room`. */
size_t vni_subword_rows(const vni_subword_rule *rule, const char *word, size_t bytes, size_t first,
                        int32_t *out, size_t room);
vecna_status vni_subwords_new(const vni_subword_rule *rule, const vecna_vocab *vocab,
                              const vecna_allocator *allocator, vni_subwords *out,
                              vecna_error *err);
void vni_subwords_free(vni_subwords *subwords, const vecna_allocator *allocator);

#endif
