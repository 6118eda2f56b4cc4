/* Both lists are sorted by row and merged: k log k a query, with no memory that grows with the
 * corpus, because k is small and the corpus is not. */
#include "eval/eval_impl.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int compare_rows(const void *left, const void *right) {
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

/* The first `limit` rows of a list, ascending, each once. */
static vecna_status take_sorted(const vecna_ranking *ranking, size_t query, size_t limit,
                                int64_t *out, size_t *length, vecna_error *err) {
    *length = vni_list_length(ranking, query, limit);
    if (*length == 0)
        return VECNA_OK;
    memcpy(out, ranking->rows + query * ranking->stride, *length * sizeof *out);
    qsort(out, *length, sizeof *out, compare_rows);
    for (size_t i = 1; i < *length; i++)
        if (out[i] == out[i - 1])
            return vecna_error_set(err, VECNA_ERR_ARGUMENT, (int64_t)query,
                                   "the ranking of query %zu holds row %" PRId64
                                   " twice; a ranking names each row once",
                                   query, out[i]);
    return VECNA_OK;
}

static size_t count_common(const int64_t *a, size_t a_length, const int64_t *b, size_t b_length) {
    size_t i = 0, j = 0, common = 0;
    while (i < a_length && j < b_length) {
        if (a[i] == b[j]) {
            common++;
            i++;
            j++;
        } else if (a[i] < b[j]) {
            i++;
        } else {
            j++;
        }
    }
    return common;
}

static vecna_status check_depth(const char *what, size_t k, size_t depth, vecna_error *err) {
    if (k == 0 || k > depth)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "the first %zu of the %s are asked for, but it is %zu deep", k, what,
                               depth);
    return VECNA_OK;
}

vecna_status vecna_eval_overlap(const vecna_ranking *ranking, size_t k,
                                const vecna_ranking *reference, size_t reference_k,
                                const vecna_allocator *allocator, double *out, vecna_error *err) {
    int64_t *rows = NULL, *wanted = NULL;
    double *results = NULL;
    vecna_status status = check_depth("ranking", k, ranking->depth, err);

    if (status == VECNA_OK)
        status = check_depth("reference ranking", reference_k, reference->depth, err);
    if (status != VECNA_OK)
        return status;
    if (ranking->queries != reference->queries)
        return vecna_error_set(err, VECNA_ERR_DIM, -1,
                               "a ranking of %zu queries cannot be held against one of %zu",
                               ranking->queries, reference->queries);
    rows = vecna_allocate(allocator, k, sizeof *rows);
    wanted = vecna_allocate(allocator, reference_k, sizeof *wanted);
    results = vecna_allocate(allocator, ranking->queries, sizeof *results);
    if (!rows || !wanted || !results) {
        status = vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                                 "no memory for the overlap of %zu queries", ranking->queries);
        goto done;
    }
    for (size_t query = 0; query < ranking->queries; query++) {
        size_t length = 0, wanted_length = 0;
        status = take_sorted(ranking, query, k, rows, &length, err);
        if (status == VECNA_OK)
            status = take_sorted(reference, query, reference_k, wanted, &wanted_length, err);
        if (status != VECNA_OK)
            goto done;
        results[query] = wanted_length ? (double)count_common(rows, length, wanted, wanted_length) /
                                             (double)wanted_length
                                       : NAN;
    }
    if (ranking->queries)
        memcpy(out, results, ranking->queries * sizeof *results);
done:
    vecna_release(allocator, results);
    vecna_release(allocator, wanted);
    vecna_release(allocator, rows);
    return status;
}
