/* What the files of vecna eval share: the systems that are compared and what each of them scored.
 */
#ifndef VECNA_CLI_EVAL_H
#define VECNA_CLI_EVAL_H

#include "cli/judged.h"
#include "cli/rank.h"

/* Ways to answer the same queries. The last three are controls: what every translation must beat.
 */
typedef enum eval_system {
    SYSTEM_TRANSLATED,
    SYSTEM_NATIVE,
    SYSTEM_OLD,
    SYSTEM_MEAN,
    SYSTEM_SHUFFLED,
    SYSTEM_UNTRANSLATED
} eval_system;

enum { SYSTEMS = 6, FIRST_CONTROL = SYSTEM_MEAN, CONTROLS = 3, SHOWN_MEASURES = 4 };

extern const char *const system_names[SYSTEMS];

/* The measures that are shown: the first of vecna_measure. */
extern const char *const measure_titles[SHOWN_MEASURES];

typedef struct eval_options {
    size_t k, depth, resamples, threads;
    uint64_t seed;
    double min_retention;
    int metric, role, measure;
    bool json, exclude_self;
    const char *native_corpus, *native_queries, *old_corpus, *old_queries;
    const char *qrels, *corpus_texts, *query_texts;
    input_options input;
} eval_options;

/* One ground truth and what every system scored on it. */
typedef struct eval_truth {
    const char *name;
    vecna_judgements *judgements;
    vecna_judgements_info about;
    double *scores[SYSTEMS]; /* (VECNA_MEASURES, queries); NULL where there is no such system */
    vecna_retention kept[SHOWN_MEASURES];
    vecna_control_result controls[SHOWN_MEASURES][CONTROLS];
    eval_system control_systems[CONTROLS];
    size_t control_count;
} eval_truth;

typedef struct eval_job {
    const eval_options *options;
    loaded corpus, queries, native_corpus, native_queries, old_corpus, old_queries;
    bool has_native, has_old, by_query; /* by_query: the queries were translated */
    judged source;                      /* where the judgements of the first truth came from */
    int64_t *self;                      /* (queries) the row to leave out, -1 none; or NULL */
    eval_truth truths[2];
    size_t truth_count;
    ranked native;
    double *overlap[SYSTEMS]; /* (queries) with the native first k */
    vecna_interval overlaps[SYSTEMS];
    double *native_first; /* (queries) is the native first among the translated first k? */
    vecna_interval native_firsts;
    vecna_verdict verdict; /* only with a native model */
    unsigned reasons;
    vecna_pool *pool;
} eval_job;

/* eval_run.c: everything between the files and the figures. */
vecna_status eval_measure(eval_job *job, vecna_error *err);
void eval_free(eval_job *job);

/* eval_report.c */
void eval_print(const eval_job *job);
int eval_print_json(const eval_job *job);

/* Kinds of judging with files of their own. */
int eval_analogy(int argc, char **argv);
int eval_similarity(int argc, char **argv);

#endif
