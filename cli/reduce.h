/* What the files of vecna reduce share: the sample, the ways of reducing it, and how they are judged. */
#ifndef VECNA_CLI_REDUCE_H
#define VECNA_CLI_REDUCE_H

#include "cli/translate.h"

#include "vecna/eval.h"

enum { METHOD_PCA, METHOD_CUT, METHOD_RANDOM, METHOD_LEARNED, METHODS };

typedef struct reduce_options {
    size_t dim, sample, threads, k;
    int method, bad_rows, quantize;
    uint64_t seed;
    const char *test, *save_map, *restore_map, *out_format, *dims;
    bool json, whiten, randomised, no_report;
    input_options input;
} reduce_options;

/* One way of reducing, as the two maps that go down and up. */
typedef struct way {
    vecna_map *down, *up;
    vecna_interval reduced;  /* share of the native neighbours kept in the reduced space */
    vecna_interval restored; /* and after restoring */
    vecna_interval cosine;   /* of a restored row to what it was */
} way;

/* Principal directions of the rows that are learned from. */
typedef struct directions {
    size_t count;    /* directions; 0: not found yet */
    size_t rows;     /* that they were found on */
    double *values;  /* (count) sums of squares along them, descending */
    double *vectors; /* (count, full) */
    double total;    /* of all values */
} directions;

/* What rows keep when they are stored in fewer bytes. */
enum { STORED_INT8 = 1, STORED_BINARY = 2, STORED_WAYS = 3 }; /* words of --quantize, 0 none */
typedef struct stored {
    size_t bytes; /* a row */
    vecna_interval kept;
    vecna_interval rescored; /* of the 10 k nearest by what is stored, the nearest by floats */
} stored;

typedef struct reduce_job {
    const reduce_options *options;
    size_t dim;           /* that is reduced to at the moment */
    loaded test;          /* of --test, or empty */
    vecna_matrix sample;  /* (rows, full) unit rows */
    vecna_matrix learned; /* the part that is learned from: a half to judge, then all */
    vecna_matrix corpus;  /* the other half, which is asked */
    vecna_matrix asking;  /* (rows, full) unit rows that ask */
    size_t full;
    size_t most;     /* dimensions that are ever reduced to */
    uint64_t usable; /* rows seen so far that have a direction */
    vecna_random random;
    vecna_pool *pool;
    directions found;
    double variance; /* share of the sum of squares in the first dim directions */
    int64_t *native; /* (asking rows, k) neighbours in the full space */
    way ways[METHODS];
    stored stored[STORED_WAYS];
} reduce_job;

vecna_status reduce_no_memory(vecna_error *err);

/* reduce_learn.c: fills one->down and one->up from job->learned. */
vecna_status reduce_learn(reduce_job *job, int method, way *one, vecna_error *err);
void directions_free(directions *found);
/* Share of the sum of squares that the first job->dim principal directions carry; 0: not known. */
double reduce_variance(const reduce_job *job);

/* reduce_judge.c: the native neighbours, then what a way keeps of them. */
vecna_status reduce_rank_native(reduce_job *job, vecna_error *err);
vecna_status reduce_judge(const reduce_job *job, way *one, bool restored, vecna_error *err);
vecna_status reduce_judge_stored(const reduce_job *job, const way *one, stored out[STORED_WAYS],
                                 vecna_error *err);
const char *stored_name(int kind);

#endif
