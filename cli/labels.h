/* A class for each row: what eval cluster, eval classify and plot read with --labels. */
#ifndef VECNA_CLI_LABELS_H
#define VECNA_CLI_LABELS_H

#include "cli/cli.h"

typedef struct labels {
    size_t rows;
    size_t classes;
    uint32_t *of;  /* (rows) class of each row, the most frequent class first */
    char **names;  /* (classes) */
    size_t *sizes; /* (classes) rows of each */
    char *text;    /* owned: the names lie in it */
} labels;

/* A line a row: plain text, or a JSON object with the field (a string or a number).
 * Errors: VECNA_ERR_DIM when lines and rows differ; VECNA_ERR_FORMAT with its line. */
vecna_status load_labels(const char *path, const char *field, size_t rows, labels *out,
                         vecna_error *err);
/* The class of each row (rows) as others number them, by name: names (classes); `classes` for a label that is none of
 * them, of which `unknown` counts the rows. *of is the caller's, from malloc. */
vecna_status match_labels(const labels *all, char *const *names, size_t classes, uint32_t **of,
                          size_t *unknown, vecna_error *err);
void free_labels(labels *all);

#endif
