/* Judgement files of any bytes: parsed or refused, and what was parsed resolves against its own ids
 * and against row numbers. */
#include "vecna/eval.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void resolve(const vecna_qrels *qrels, vecna_ids queries, vecna_ids docs) {
    vecna_judgements *judged = NULL;
    vecna_qrels_match match;
    if (vecna_qrels_resolve(qrels, queries, docs, NULL, &judged, &match, NULL) != VECNA_OK)
        return;
    if (match.used + match.unknown_queries != vecna_qrels_count(qrels) ||
        vecna_judgements_about(judged).outside > match.unknown_docs)
        abort();
    vecna_judgements_free(judged);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    vecna_qrels *qrels = NULL;
    vecna_error err;
    vecna_ids rows = {NULL, 100};
    if (vecna_qrels_parse(data, bytes, "fuzz", NULL, &qrels, &err) == VECNA_OK) {
        vecna_qrel first = vecna_qrels_at(qrels, 0);
        vecna_ids query = {&first.query, 1}, doc = {&first.doc, 1};
        resolve(qrels, query, doc);
        resolve(qrels, query, rows);
        resolve(qrels, rows, rows);
        vecna_qrels_free(qrels);
    }
    return 0;
}
