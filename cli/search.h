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
    const char *words;      /* rows of CORPUS that ask, by their words; NULL none */
    const char *vocab;      /* the file that has the words; NULL: they are found */
    const char *also;       /* a second file, ranked together with CORPUS; NULL none */
    const char *calibrated; /* the map that translated it; NULL: scores as they are */
    const char *hubness;    /* a sample of queries; NULL none */
    double hubness_weight;
    const char *via; /* a map from CORPUS' space to QUERY's; NULL none */
    size_t candidates;
    text_list texts;   /* that ask, instead of QUERY */
    const char *model; /* that embeds them; NULL: the built-in one */
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
    ranked hits;       /* rows behind those of the corpus are rows of also */
    loaded also, sample;
    char *words_text; /* the letters of corpus.ids, where a file of its own has them */
    float *longer;    /* rows of a block with one more dimension */
    size_t longer_room;
} search_job;

/* cmd_search.c: the rows of job->asked that ask, gathered. */
vecna_status choose_queries(search_job *job, vecna_error *err);

/* search_text.c: path is CORPUS, vectors of the model or a folder of pictures. */
vecna_status search_texts(search_job *job, const char *path, rank_options *ranking,
                          vecna_error *err);

/* cmd_search.c: QUERY in memory, checked, the rows that ask gathered. */
vecna_status load_queries(search_job *job, const char *path, vecna_error *err);

/* cmd_search.c: the first rows of a file for each query, the file going by. */
vecna_status search_file(search_job *job, const char *path, loaded *file,
                         const rank_options *ranking, ranked *hits, vecna_error *err);

/* cmd_search.c: the vectors of the picked rows; a row of the corpus is not to find itself. */
vecna_status gather_queries(search_job *job, vecna_error *err);
/* cmd_search.c: CORPUS is in memory and its picked rows, gathered, ask. */
vecna_status rank_own_rows(search_job *job, rank_options *ranking, vecna_error *err);

/* search_words.c: words of CORPUS ask. */
vecna_status search_words(search_job *job, const char *path, rank_options *ranking,
                          vecna_error *err);

/* search_mixed.c: CORPUS, with --also or --hubness. */
vecna_status search_mixed(search_job *job, const char *const *paths, const rank_options *ranking,
                          vecna_error *err);
/* Hubness as one more dimension: load the sample; the queries, to be freed; a block of rows, borrowed. */
vecna_status hubness_begin(search_job *job, vecna_error *err);
vecna_status hubness_queries(const search_job *job, float **out, vecna_error *err);
vecna_status hubness_rows(search_job *job, vecna_view rows, vecna_pool *pool, vecna_view *out,
                          vecna_error *err);

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
