/* What the files of vecna search share. */
#ifndef VECNA_CLI_SEARCH_H
#define VECNA_CLI_SEARCH_H

#include "cli/rank.h"
#include "vecna/translate.h"

typedef struct search_options {
    size_t k, threads;
    int metric;
    bool json, keep_self, force;
    const char *rows, *corpus_texts, *query_texts;
    const char *via; /* a map from CORPUS' space to QUERY's; NULL none */
    size_t candidates;
    input_options input;
} search_options;

typedef struct search_job {
    const search_options *options;
    loaded corpus;
    loaded asked;   /* empty when rows of the corpus are the queries */
    size_t *picked; /* rows of the queries' file that ask */
    size_t picked_count;
    float *gathered;   /* their vectors */
    int64_t *excluded; /* themselves, when rows of the corpus ask; or NULL */
    ranked hits;
} search_job;

/* cmd_search.c: QUERY in memory, checked, the rows that ask gathered. */
vecna_status load_queries(search_job *job, const char *path, vecna_error *err);

/* search_via.c: paths are CORPUS in the map's source space and QUERY in its target space. */
vecna_status search_via(search_job *job, const char *const *paths, rank_options *ranking,
                        vecna_error *err);
/* A map to search with: its verdict is heard, as in vecna translate. */
vecna_status open_search_map(const search_options *options, const char *path, vecna_map **out,
                             vecna_error *err);
/* Refuse rows that do not look like the space (NULL: any); --force only says so. */
vecna_status check_search_space(const search_options *options, const vecna_space *space,
                                const loaded *file, vecna_error *err);

#endif
