/* Which document answers which query, out of the files that a command was given. */
#ifndef VECNA_CLI_JUDGED_H
#define VECNA_CLI_JUDGED_H

#include "cli/cli.h"
#include "vecna/eval.h"

typedef struct judged {
    vecna_judgements *judgements; /* NULL: there are none */
    const char *path;             /* where they came from: the qrels file, or the queries' file */
    bool from_field;              /* the field "relevant" of the queries */
} judged;

/* Judgements from the qrels file when it is not NULL, else from the field "relevant" of the queries
 * when they have it, else none. Says on stderr which judgements could not be used. */
vecna_status judge_queries(const loaded *queries, const loaded *corpus, const char *qrels_path,
                           judged *out, vecna_error *err);
void judged_free(judged *truth);

#endif
