/* Texts through a model in this process, for vecna embed: a static model, the built-in one, or counts. */
#ifndef VECNA_CLI_EMBED_MODEL_H
#define VECNA_CLI_EMBED_MODEL_H

#include "cli/cli.h"
#include "vecna/train.h"

/* One of the two. All zeros: none. */
typedef struct text_model {
    vecna_model *table;
    vecna_counts *counts;
} text_model;

/* A file of vecna distill or of vecna train tfidf --keep, or the built-in model for NULL. */
vecna_status open_model(const char *path, text_model *out, vecna_error *err);
void close_model(text_model *model);
size_t model_dim(const text_model *model);
uint64_t model_identity(const text_model *model); /* of all that decides a vector */

/* The word pieces of the built-in model, a line each; to be freed. */
vecna_status builtin_vocabulary(char **out, size_t *bytes, vecna_error *err);

typedef struct embed_model_options {
    const text_model *model;
    const char *prefix; /* before each text, or NULL */
    size_t batch;       /* texts a turn; 0: 4096 */
    /* The next text, valid until the next call: 1, 0 at the end, -1 to stop. */
    int (*next)(void *user, const char **text, size_t *bytes);
    /* Rows in the order of the texts; nonzero stops. */
    int (*take)(void *user, const float *rows, size_t count, size_t dim);
    void *user;
} embed_model_options;

/* VECNA_OK as well when next or take has stopped it: they know why. */
vecna_status embed_by_model(const embed_model_options *options, vecna_error *err);

#endif
