/* Pairs of users and items, for vecna train layer: read, and what can be said of them without a model. */
#ifndef VECNA_CLI_LAYER_PAIRS_H
#define VECNA_CLI_LAYER_PAIRS_H

#include "cli/cli.h"
#include "vecna/text.h"

typedef struct pair_list {
    vecna_vocab *users, *items; /* in the order of their first lines */
    int32_t *user, *item;       /* (count) */
    double *rating;             /* (count) 1 where none is asked for */
    size_t count;
} pair_list;

/* A line a pair: user, item and, where they are rated, a number, between tabs, commas or blanks.
 * Errors: VECNA_ERR_FORMAT with the line; VECNA_ERR_VALUE for an empty file. */
vecna_status read_pair_list(const char *path, bool rated, pair_list *out, vecna_error *err);
void free_pair_list(pair_list *list);

/* Squared errors of mean + bias of user + bias of item, fitted on `train` and asked for the pairs
 * `asked`: rows of the list. */
vecna_status bias_errors(const pair_list *list, const size_t *train, size_t train_count,
                         const size_t *asked, size_t asked_count, double *out, vecna_error *err);

/* Whether pairs of a list hold (user, item), and items that a user does not have. */
typedef struct pair_set {
    uint64_t *keys; /* ascending */
    size_t count;
} pair_set;
vecna_status pair_set_of(const pair_list *list, pair_set *out, vecna_error *err);
bool pair_set_has(const pair_set *set, int32_t user, int32_t item);

#endif
