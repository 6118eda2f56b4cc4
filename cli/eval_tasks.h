/* Tasks of vecna eval beside retrieval, each in a file of its own, and what they share. */
#ifndef VECNA_CLI_EVAL_TASKS_H
#define VECNA_CLI_EVAL_TASKS_H

#include "cli/cli.h"
#include "vecna/eval.h"

/* argv[0] is the task's name. */
int eval_classify(int argc, char **argv);
int eval_cluster(int argc, char **argv);
int eval_pairs(int argc, char **argv);
int eval_zeroshot(int argc, char **argv);

/* A figure with its interval, as a line of a table and as a member of --json. */
void print_figure(const char *name, vecna_interval figure, const char *beside);
void write_figure(vecna_json_writer *json, const char *key, vecna_interval figure);

/* Percentiles 2.5 and 97.5, corrected for bias, of what statistic gives on resampled rows; value is the statistic of the
 * rows themselves. statistic(user, picks) sees the rows picked, `rows` of them, with repetition. */
typedef double resampled_statistic(void *user, const size_t *picks);
vecna_status resample_rows(resampled_statistic *statistic, void *user, double value, size_t rows,
                           size_t resamples, uint64_t seed, vecna_interval *out, vecna_error *err);

#endif
