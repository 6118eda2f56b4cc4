/* A table of word pieces under training: texts are sums of its rows, and what is asked of the sums moves
 * the rows. What contrastive trainers share. */
#ifndef VNI_TRAIN_PIECE_TABLE_H
#define VNI_TRAIN_PIECE_TABLE_H

#include "vecna/base.h"

enum { VNI_PIECE_DIM_MOST = 8192 };

typedef struct vni_piece_table {
    const vecna_allocator *allocator;
    size_t pieces, dim, texts;
    const size_t *starts;          /* (texts + 1) of the texts' pieces; borrowed */
    const int32_t *piece;          /* borrowed */
    float unit;                    /* root mean square of the start: what a rate is told in */
    float *rows, *moment, *square; /* (pieces, dim) and Adam's means */
    uint32_t *steps;               /* (pieces) that a row has taken */
} vni_piece_table;

/* allocator, pieces, dim, texts, starts and piece are set before.
 *   start  (pieces, dim); data NULL: normal random numbers by the seed */
VECNA_CHECK vecna_status vni_piece_table_start(vni_piece_table *table, vecna_view start,
                                               uint64_t seed, vecna_error *err);
void vni_piece_table_free(vni_piece_table *table);

/* Texts of a batch. The caller fills `text` and `by_sum`. */
typedef struct vni_piece_sums {
    size_t rows;
    uint32_t *text;   /* (room) */
    float *sum;       /* (rows, dim) of the pieces' rows */
    float *by_sum;    /* (rows, dim) what is asked of the sums */
    int32_t *slot;    /* (pieces) place of a piece among `touched`, -1: none */
    int32_t *touched; /* (occurrences) pieces */
    size_t touched_count;
    size_t *start; /* (touched + 2) of their rows */
    uint32_t *row; /* (occurrences) */
    size_t room;   /* of occurrences */
} vni_piece_sums;

VECNA_CHECK vecna_status vni_piece_sums_new(const vni_piece_table *table, size_t rows,
                                            vni_piece_sums *out, vecna_error *err);
void vni_piece_sums_free(const vni_piece_table *table, vni_piece_sums *sums);
/* Adds up the texts sums->text[0 .. rows). */
VECNA_CHECK vecna_status vni_piece_sums_make(const vni_piece_table *table, size_t rows,
                                             vni_piece_sums *sums, vecna_pool *pool,
                                             vecna_error *err);
/* Moves the rows of the touched pieces by Adam. */
void vni_piece_table_move(vni_piece_table *table, const vni_piece_sums *sums, double rate,
                          vecna_pool *pool);

/* units (rows, size), lengths (rows): the first `size` numbers of each row at length 1. */
void vni_units_of(const float *rows, size_t count, size_t dim, size_t size, float *units,
                  float *lengths, vecna_pool *pool);
/* by_rows (count, dim) += share times what is asked of the rows that the units were made of. */
typedef struct vni_units {
    const float *units, *lengths, *by_units;
    size_t count, size;
    float share;
} vni_units;
void vni_units_back(const vni_units *units, float *by_rows, size_t dim, vecna_pool *pool);

#endif
