/* The measures of trec_eval, one pass down each ranking.
 *
 * Look-up is by stamp, not by search: marks[row] says which query last judged a corpus row and
 * which ranking last held it. Nothing is cleared between queries, and a rank costs one load however
 * many documents a query judges. Documents that a query does not judge are irrelevant, as trec_eval
 * has it.
 *
 * Departure from trec_eval: MRR has a cutoff here (trec_eval needs -M k for that), and a judged
 * query whose ranking is empty scores 0, as with trec_eval's -c. */
#include "eval/eval_impl.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *vecna_measure_name(vecna_measure measure) {
    switch (measure) {
#define MEASURE_CASE(code, name, text, sentence)                                                   \
    case VECNA_MEASURE_##name:                                                                     \
        return text;
        VECNA_MEASURE_LIST(MEASURE_CASE)
#undef MEASURE_CASE
    }
    return "unknown";
}

double vecna_eval_mean(const double *values, size_t count, size_t *used) {
    double sum = 0;
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        if (!isnan(values[i])) {
            sum += values[i];
            found++;
        }
    }
    if (used)
        *used = found;
    return found ? sum / (double)found : NAN;
}

size_t vni_list_length(const vecna_ranking *ranking, size_t query, size_t limit) {
    const int64_t *rows = ranking->rows + query * ranking->stride;
    size_t length = 0;
    while (length < limit && rows[length] >= 0)
        length++;
    return length;
}

/* What a query knows of a corpus row. */
typedef struct mark {
    uint32_t seen;   /* 1 + the last query whose ranking held the row */
    uint32_t judged; /* 1 + the last query that judged it; grade is then of that query */
    int32_t grade;
} mark;

typedef struct hit {
    int64_t row;
    float score;
    const char *id;
} hit;

typedef struct scratch {
    mark *marks;       /* (docs) */
    int64_t *rows;     /* (depth) the ranking at hand in its final order */
    hit *hits;         /* (depth), when ties are ordered by id */
    double *discounts; /* (deepest) 1 / log2(rank + 1) */
} scratch;

static void scratch_free(scratch *work, const vecna_allocator *allocator) {
    vecna_release(allocator, work->discounts);
    vecna_release(allocator, work->hits);
    vecna_release(allocator, work->rows);
    vecna_release(allocator, work->marks);
}

/* Ranks that nDCG can ask a discount for. */
static size_t deepest_rank(const vecna_ranking *ranking, const vecna_judgements *judged, size_t k) {
    size_t deepest = ranking->depth;
    for (size_t query = 0; query < judged->queries; query++) {
        size_t relevant = judged->gain_offsets[query + 1] - judged->gain_offsets[query];
        if (relevant > deepest)
            deepest = relevant;
    }
    return deepest < k ? deepest : k;
}

static vecna_status scratch_new(scratch *work, const vecna_ranking *ranking,
                                const vecna_judgements *judged, size_t k, int by_id,
                                const vecna_allocator *allocator, vecna_error *err) {
    size_t deepest = deepest_rank(ranking, judged, k);
    memset(work, 0, sizeof *work);
    work->marks = vecna_allocate_zero(allocator, judged->docs, sizeof *work->marks);
    work->rows = vecna_allocate(allocator, ranking->depth, sizeof *work->rows);
    work->discounts = vecna_allocate(allocator, deepest, sizeof *work->discounts);
    if (by_id)
        work->hits = vecna_allocate(allocator, ranking->depth, sizeof *work->hits);
    if (!work->marks || !work->rows || !work->discounts || (by_id && !work->hits)) {
        scratch_free(work, allocator);
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                               "no memory to judge rankings of %zu documents out of %zu",
                               ranking->depth, judged->docs);
    }
    for (size_t rank = 0; rank < deepest; rank++)
        work->discounts[rank] = 1 / log2((double)rank + 2);
    return VECNA_OK;
}

/* trec_eval's order: higher score first, then the last id in byte order. A row without an id comes
 * after those that have one, and the lower row first: the order is total. */
static int compare_hits(const void *left, const void *right) {
    const hit *a = left, *b = right;
    int by_id;
    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    if (a->id == NULL || b->id == NULL)
        by_id = (a->id == NULL) - (b->id == NULL);
    else
        by_id = strcmp(b->id, a->id);
    return by_id ? by_id : (a->row > b->row) - (a->row < b->row);
}

/* Copy one list into scratch in its final order, checked; *length is what it holds. */
static vecna_status take_list(const vecna_ranking *ranking, size_t query,
                              const vecna_judgements *judged, const vecna_ids *ids, scratch *work,
                              size_t *length, vecna_error *err) {
    const int64_t *rows = ranking->rows + query * ranking->stride;
    const float *scores = ranking->scores ? ranking->scores + query * ranking->stride : NULL;
    uint32_t stamp = (uint32_t)query + 1;
    *length = vni_list_length(ranking, query, ranking->depth);

    for (size_t rank = 0; rank < *length; rank++) {
        if ((uint64_t)rows[rank] >= judged->docs)
            return vecna_error_set(err, VECNA_ERR_ARGUMENT, (int64_t)query,
                                   "the ranking of query %zu names document row %" PRId64
                                   ", but the corpus has %zu rows",
                                   query, rows[rank], judged->docs);
        if (work->marks[rows[rank]].seen == stamp)
            return vecna_error_set(err, VECNA_ERR_ARGUMENT, (int64_t)query,
                                   "the ranking of query %zu holds document row %" PRId64
                                   " twice; a ranking names each document once",
                                   query, rows[rank]);
        work->marks[rows[rank]].seen = stamp;
        if (scores && isnan(scores[rank]))
            return vecna_error_set(err, VECNA_ERR_VALUE, (int64_t)query,
                                   "the score of rank %zu of query %zu is not a number", rank + 1,
                                   query);
        work->rows[rank] = rows[rank];
    }
    if (work->hits && scores) {
        for (size_t rank = 0; rank < *length; rank++) {
            size_t row = (size_t)rows[rank];
            hit one = {rows[rank], scores[rank], row < ids->count ? ids->texts[row] : NULL};
            work->hits[rank] = one;
        }
        qsort(work->hits, *length, sizeof *work->hits, compare_hits);
        for (size_t rank = 0; rank < *length; rank++)
            work->rows[rank] = work->hits[rank].row;
    }
    return VECNA_OK;
}

typedef struct cutoff {
    size_t k;
    int32_t relevant_from;
} cutoff;

/* All measures of one judged query, whose list stands in scratch. */
static void measure_query(const vecna_judgements *judged, size_t query, cutoff cut, scratch *work,
                          size_t length, double scores[VECNA_MEASURES]) {
    const int32_t *gains = judged->gains + judged->gain_offsets[query];
    size_t gain_count = judged->gain_offsets[query + 1] - judged->gain_offsets[query];
    size_t relevant = 0, found = 0, found_in_k = 0, first = 0;
    double dcg = 0, ideal = 0, precisions = 0;
    uint32_t stamp = (uint32_t)query + 1;

    for (size_t i = judged->offsets[query]; i < judged->offsets[query + 1]; i++) {
        const vni_judged *one = &judged->judged[i];
        relevant += one->grade >= cut.relevant_from;
        if (one->doc >= 0) {
            work->marks[one->doc].judged = stamp;
            work->marks[one->doc].grade = one->grade;
        }
    }
    for (size_t rank = 0; rank < length; rank++) {
        const mark *at = &work->marks[work->rows[rank]];
        int32_t grade = at->judged == stamp ? at->grade : INT32_MIN;
        if (grade > 0 && rank < cut.k)
            dcg += grade * work->discounts[rank];
        if (grade < cut.relevant_from)
            continue;
        found++;
        found_in_k += rank < cut.k;
        precisions += (double)found / (double)(rank + 1);
        if (first == 0)
            first = rank + 1;
    }
    for (size_t rank = 0; rank < gain_count && rank < cut.k; rank++)
        ideal += gains[rank] * work->discounts[rank];

    scores[VECNA_MEASURE_NDCG] = ideal > 0 ? dcg / ideal : 0;
    scores[VECNA_MEASURE_RECALL] = relevant ? (double)found_in_k / (double)relevant : 0;
    scores[VECNA_MEASURE_MRR] = first && first <= cut.k ? 1 / (double)first : 0;
    scores[VECNA_MEASURE_MAP] = relevant ? precisions / (double)relevant : 0;
    scores[VECNA_MEASURE_PRECISION] = (double)found_in_k / (double)cut.k;
    scores[VECNA_MEASURE_SUCCESS] = found_in_k > 0;
}

static vecna_status measure_all(const vecna_ranking *ranking, const vecna_judgements *judged,
                                const vecna_ids *ids, cutoff cut, scratch *work, double *out,
                                vecna_error *err) {
    for (size_t query = 0; query < judged->queries; query++) {
        double scores[VECNA_MEASURES];
        size_t length;
        vecna_status status = take_list(ranking, query, judged, ids, work, &length, err);
        if (status != VECNA_OK)
            return status;
        if (judged->offsets[query] == judged->offsets[query + 1])
            for (int i = 0; i < VECNA_MEASURES; i++)
                scores[i] = NAN;
        else
            measure_query(judged, query, cut, work, length, scores);
        for (size_t i = 0; i < VECNA_MEASURES; i++)
            out[i * judged->queries + query] = scores[i];
    }
    return VECNA_OK;
}

vecna_status vecna_eval_retrieval(const vecna_ranking *ranking, const vecna_judgements *judged,
                                  const vecna_retrieval_options *options, double *out,
                                  vecna_error *err) {
    static const vecna_retrieval_options defaults;
    const vecna_retrieval_options *given = options ? options : &defaults;
    cutoff cut = {given->k ? given->k : 10, given->relevant_from ? given->relevant_from : 1};
    size_t values = 0;
    double *results = NULL;
    scratch work = {NULL, NULL, NULL, NULL};
    vecna_status status;

    if (ranking->queries != judged->queries)
        return vecna_error_set(err, VECNA_ERR_DIM, -1,
                               "%zu rankings cannot be judged by the judgements of %zu queries",
                               ranking->queries, judged->queries);
    if (judged->queries >= UINT32_MAX)
        return vecna_error_set(err, VECNA_ERR_UNSUPPORTED, -1,
                               "%zu queries are more than can be judged at once (4294967294)",
                               judged->queries);
    if (!vecna_size_mul(judged->queries, VECNA_MEASURES, &values))
        return vecna_error_set(err, VECNA_ERR_OVERFLOW, -1, "%zu queries are too many",
                               judged->queries);
    /* a failure in the middle must leave `out` untouched */
    results = vecna_allocate(given->allocator, values, sizeof *results);
    if (results == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for the scores of %zu queries",
                               judged->queries);
    status = scratch_new(&work, ranking, judged, cut.k, given->doc_ids.texts != NULL,
                         given->allocator, err);
    if (status != VECNA_OK)
        goto done;
    status = measure_all(ranking, judged, &given->doc_ids, cut, &work, results, err);
    if (status == VECNA_OK && values)
        memcpy(out, results, values * sizeof *results);
    scratch_free(&work, given->allocator);
done:
    vecna_release(given->allocator, results);
    return status;
}
