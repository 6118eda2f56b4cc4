/* Exact rankings of whole files, for the commands that search. */
#ifndef VECNA_CLI_RANK_H
#define VECNA_CLI_RANK_H

#include "cli/cli.h"
#include "vecna/eval.h"
#include "vecna/search.h"

/* What --metric takes: the words of vecna_metric in its order, without hamming. */
#define RANK_METRICS "cosine|dot|l2|l2sq|l1"

typedef struct rank_options {
    size_t depth;            /* cut to the rows of the corpus */
    int metric;              /* index of a word of RANK_METRICS */
    const int64_t *excluded; /* (queries) a row that a query must not find, -1 none; or NULL */
    bool want_scores;
    vecna_pool *pool;
} rank_options;

/* The first rows for each query, best first; a row of -1 ends a shorter list. Scores are higher
 * where a row is nearer: the cosine, the dot product, minus the distance. */
typedef struct ranked {
    int64_t *rows; /* (queries, depth) */
    float *scores; /* the same; NULL when they were not wanted */
    size_t queries, depth;
} ranked;

/* Rank a corpus in memory; shows its progress. */
vecna_status rank_rows(vecna_view corpus, vecna_view queries, const rank_options *options,
                       ranked *out, vecna_error *err);
/* The same in two steps, for a corpus that comes block by block: a searcher to add blocks to, and
 * its lists. rank_finish is called once, with the options of rank_start. */
vecna_status rank_start(vecna_view queries, const rank_options *options, vecna_searcher **out,
                        vecna_error *err);
vecna_status rank_finish(const vecna_searcher *searcher, size_t queries,
                         const rank_options *options, ranked *out, vecna_error *err);
void ranked_free(ranked *lists);
/* For vecna_eval_*: the order is final. */
vecna_ranking ranked_view(const ranked *lists);

/* Refuses NaN and infinity, with the row counted from first_row. */
vecna_status check_finite(const char *path, vecna_view rows, uint64_t first_row, vecna_error *err);
/* Refuses a pair of files whose dimensions differ. */
vecna_status check_same_dim(const loaded *corpus, const loaded *queries, vecna_error *err);

#endif
