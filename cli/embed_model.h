/* Texts through a static model in this process, for vecna embed; and the built-in model. */
#ifndef VECNA_CLI_EMBED_MODEL_H
#define VECNA_CLI_EMBED_MODEL_H

#include "cli/cli.h"

/* A model file, or the built-in model for NULL. */
vecna_status open_model(const char *path, vecna_model **out, vecna_error *err);

typedef struct embed_model_options {
    const vecna_model *model;
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
