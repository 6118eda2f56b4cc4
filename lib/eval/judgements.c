/* Compressed rows: the judgements of query q are grades[offsets[q]] .. grades[offsets[q + 1]], in
 * ascending order of document. Counting sort by query keeps the build linear however the file was
 * ordered; only the judgements of one query, a handful as a rule, are sorted by comparison.
 *
 * The ideal ranking of nDCG needs a query's positive grades in descending order, outside documents
 * included. They are stored once, here, because every ranking that is judged asks for them. */
#include "eval/eval_impl.h"

#include <inttypes.h>
#include <stdlib.h>

static int compare_judged(const void *left, const void *right) {
    const vni_judged *a = left, *b = right;
    if (a->doc != b->doc)
        return a->doc < b->doc ? -1 : 1;
    return (a->grade > b->grade) - (a->grade < b->grade);
}

static int compare_descending(const void *left, const void *right) {
    int32_t a, b;
    a = *(const int32_t *)left;
    b = *(const int32_t *)right;
    return (a < b) - (a > b);
}

static vecna_status check_entries(const vecna_judgement *entries, size_t count, size_t queries,
                                  size_t docs, vecna_error *err) {
    for (size_t i = 0; i < count; i++) {
        if (entries[i].query >= queries)
            return vecna_error_set(err, VECNA_ERR_ARGUMENT, (int64_t)i,
                                   "judgement %zu is of query %zu, but there are %zu queries", i,
                                   entries[i].query, queries);
        if (entries[i].doc < VECNA_DOC_OUTSIDE ||
            (entries[i].doc >= 0 && (uint64_t)entries[i].doc >= docs))
            return vecna_error_set(err, VECNA_ERR_ARGUMENT, (int64_t)i,
                                   "judgement %zu is of document row %" PRId64
                                   ", but the corpus has %zu rows",
                                   i, entries[i].doc, docs);
    }
    return VECNA_OK;
}

/* One block: the struct, the offsets of both lists, the judgements, the grades. */
static vecna_judgements *allocate_judgements(size_t count, size_t queries,
                                             const vecna_allocator *allocator) {
    size_t offsets_bytes, judged_bytes, gains_bytes, total, borders;
    vecna_judgements *judgements;
    char *at;

    if (!vecna_size_add(queries, 1, &borders) || !vecna_size_mul(borders, 2, &borders) ||
        !vecna_size_mul(borders, sizeof(size_t), &offsets_bytes) ||
        !vecna_size_mul(count, sizeof(vni_judged), &judged_bytes) ||
        !vecna_size_mul(count, sizeof(int32_t), &gains_bytes) ||
        !vecna_size_add(sizeof(vecna_judgements), offsets_bytes, &total) ||
        !vecna_size_add(total, judged_bytes, &total) || !vecna_size_add(total, gains_bytes, &total))
        return NULL;
    judgements = vecna_allocate_zero(allocator, total, 1);
    if (judgements == NULL)
        return NULL;
    at = (char *)(judgements + 1);
    judgements->offsets = (size_t *)(void *)at;
    judgements->gain_offsets = judgements->offsets + queries + 1;
    judgements->judged = (vni_judged *)(void *)(at + offsets_bytes);
    judgements->gains = (int32_t *)(void *)(at + offsets_bytes + judged_bytes);
    if (allocator) {
        judgements->allocator = *allocator;
        judgements->has_allocator = 1;
    }
    return judgements;
}

/* Sort one query's judgements and drop repeats; `kept` is where its part begins now that the parts
 * before it may have shrunk. Returns its new end, or SIZE_MAX when a document has two grades. */
static size_t settle_query(vecna_judgements *judgements, size_t begin, size_t end, size_t kept,
                           int64_t *doc) {
    vni_judged *judged = judgements->judged;
    size_t first = kept;
    qsort(judged + begin, end - begin, sizeof *judged, compare_judged);
    for (size_t i = begin; i < end; i++) {
        if (kept > first && judged[i].doc >= 0 && judged[i].doc == judged[kept - 1].doc) {
            if (judged[i].grade == judged[kept - 1].grade)
                continue;
            *doc = judged[i].doc;
            return SIZE_MAX;
        }
        judged[kept++] = judged[i];
    }
    return kept;
}

static void gather_gains(vecna_judgements *judgements) {
    size_t filled = 0;
    for (size_t query = 0; query < judgements->queries; query++) {
        judgements->gain_offsets[query] = filled;
        for (size_t i = judgements->offsets[query]; i < judgements->offsets[query + 1]; i++)
            if (judgements->judged[i].grade > 0)
                judgements->gains[filled++] = judgements->judged[i].grade;
        qsort(judgements->gains + judgements->gain_offsets[query],
              filled - judgements->gain_offsets[query], sizeof *judgements->gains,
              compare_descending);
    }
    judgements->gain_offsets[judgements->queries] = filled;
}

vecna_status vecna_judgements_new(const vecna_judgement *entries, size_t count, size_t queries,
                                  size_t docs, const vecna_allocator *allocator,
                                  vecna_judgements **out, vecna_error *err) {
    vecna_judgements *judgements = NULL;
    vecna_status status = check_entries(entries, count, queries, docs, err);
    size_t *offsets;
    size_t begin = 0, kept = 0;

    if (status != VECNA_OK)
        return status;
    judgements = allocate_judgements(count, queries, allocator);
    if (judgements == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                               "no memory for %zu judgements of %zu queries", count, queries);
    judgements->queries = queries;
    judgements->docs = docs;
    offsets = judgements->offsets;
    /* offsets[q + 1] counts, then marks where query q is filled next, then its end */
    for (size_t i = 0; i < count; i++)
        offsets[entries[i].query + 1]++;
    for (size_t query = 0; query < queries; query++) {
        size_t own = offsets[query + 1];
        offsets[query + 1] = begin;
        begin += own;
    }
    for (size_t i = 0; i < count; i++) {
        vni_judged *slot = &judgements->judged[offsets[entries[i].query + 1]++];
        slot->doc = entries[i].doc;
        slot->grade = entries[i].grade;
    }
    begin = 0;
    for (size_t query = 0; query < queries; query++) {
        size_t end = offsets[query + 1];
        int64_t doc = 0;
        kept = settle_query(judgements, begin, end, kept, &doc);
        if (kept == SIZE_MAX) {
            status = vecna_error_set(err, VECNA_ERR_ARGUMENT, (int64_t)query,
                                     "query %zu judges document row %" PRId64
                                     " with two grades; keep one of them",
                                     query, doc);
            goto fail;
        }
        offsets[query + 1] = kept;
        begin = end;
    }
    gather_gains(judgements);
    *out = judgements;
    return VECNA_OK;
fail:
    vecna_judgements_free(judgements);
    return status;
}

void vecna_judgements_free(vecna_judgements *judgements) {
    vecna_allocator allocator;
    if (judgements == NULL)
        return;
    allocator = judgements->allocator; /* goes with the block */
    vecna_release(judgements->has_allocator ? &allocator : NULL, judgements);
}

vecna_judgements_info vecna_judgements_about(const vecna_judgements *judgements) {
    vecna_judgements_info info = {judgements->queries, judgements->docs, 0, 0, 0, 0};
    for (size_t query = 0; query < judgements->queries; query++) {
        size_t relevant = judgements->gain_offsets[query + 1] - judgements->gain_offsets[query];
        size_t begin = judgements->offsets[query], end = judgements->offsets[query + 1];
        info.judged += end > begin;
        info.without_relevant += end > begin && relevant == 0;
        info.relevant += relevant;
        for (size_t i = begin; i < end && judgements->judged[i].doc == VECNA_DOC_OUTSIDE; i++)
            info.outside++; /* they sort first */
    }
    return info;
}

size_t vecna_judgements_list(const vecna_judgements *judgements, vecna_judgement *out) {
    for (size_t query = 0; out && query < judgements->queries; query++) {
        for (size_t i = judgements->offsets[query]; i < judgements->offsets[query + 1]; i++) {
            out[i].query = query;
            out[i].doc = judgements->judged[i].doc;
            out[i].grade = judgements->judged[i].grade;
        }
    }
    return judgements->offsets[judgements->queries];
}
