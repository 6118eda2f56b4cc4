/* Pearson's and Spearman's correlation under the bootstrap. A resample is a count a pair, as in
 * bootstrap.c. Ranks of a resample follow from the order of the whole, which is sorted once: going
 * through it, a value's rank is what has been counted before it plus half of what is counted with it. So
 * a resample costs one pass instead of two sorts. */
#include "eval/eval_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { RESAMPLES_DEFAULT = 2000, RESAMPLE_GRAIN = 16 };

typedef struct ordered {
    double value;
    size_t pair;
} ordered;

typedef struct correlating {
    const double *a, *b;
    size_t count, resamples;
    uint64_t seed;
    ordered *order[2];  /* (count) pairs by value */
    uint32_t *counts;   /* (threads, count) */
    double *ranks;      /* (threads, 2, count) */
    double *results[2]; /* (resamples) Pearson, Spearman */
} correlating;

static int compare_ordered(const void *left, const void *right) {
    double a = ((const ordered *)left)->value, b = ((const ordered *)right)->value;
    return (a > b) - (a < b);
}

/* Ranks of pairs that stand counts[pair] times each (NULL: once). */
static void rank_pairs(const ordered *order, size_t count, const uint32_t *counts, double *ranks) {
    double before = 0;
    for (size_t at = 0; at < count;) {
        size_t end = at;
        double same = 0;
        for (; end < count && !(order[end].value > order[at].value); end++)
            same += counts ? counts[order[end].pair] : 1;
        for (; at < end; at++)
            ranks[order[at].pair] = before + (same + 1) / 2;
        before += same;
    }
}

static double pearson(const double *a, const double *b, const uint32_t *counts, size_t count) {
    double total = 0, mean_a = 0, mean_b = 0, ab = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < count; i++) {
        double times = counts ? counts[i] : 1;
        total += times;
        mean_a += times * a[i];
        mean_b += times * b[i];
    }
    mean_a /= total;
    mean_b /= total;
    for (size_t i = 0; i < count; i++) {
        double times = counts ? counts[i] : 1, x = a[i] - mean_a, y = b[i] - mean_b;
        ab += times * x * y;
        aa += times * x * x;
        bb += times * y * y;
    }
    return aa > 0 && bb > 0 ? ab / (sqrt(aa) * sqrt(bb)) : NAN;
}

static void resample_some(void *user, size_t begin, size_t end, size_t worker) {
    const correlating *work = user;
    uint32_t *counts = work->counts + worker * work->count;
    double *ranks = work->ranks + worker * 2 * work->count;
    for (size_t resample = begin; resample < end; resample++) {
        vecna_random random;
        vecna_random_seed(&random, work->seed, resample);
        memset(counts, 0, work->count * sizeof *counts);
        for (size_t draw = 0; draw < work->count; draw++)
            counts[vecna_random_below(&random, work->count)]++;
        work->results[0][resample] = pearson(work->a, work->b, counts, work->count);
        for (size_t side = 0; side < 2; side++)
            rank_pairs(work->order[side], work->count, counts, ranks + side * work->count);
        work->results[1][resample] = pearson(ranks, ranks + work->count, counts, work->count);
    }
}

static vecna_interval summarize(double *results, size_t resamples, double value, size_t count,
                                double confidence) {
    vecna_interval out = {value, NAN, NAN, count};
    size_t defined = 0;
    for (size_t i = 0; i < resamples; i++)
        if (!isnan(results[i]))
            results[defined++] = results[i];
    if (isnan(value) || defined == 0)
        return out;
    vni_percentiles(results, defined, confidence, &out.low, &out.high);
    return out;
}

static void compute(correlating *work, vecna_pool *pool, double confidence,
                    vecna_correlations *out) {
    for (size_t side = 0; side < 2; side++) {
        for (size_t i = 0; i < work->count; i++) {
            ordered one = {side ? work->b[i] : work->a[i], i};
            work->order[side][i] = one;
        }
        qsort(work->order[side], work->count, sizeof *work->order[side], compare_ordered);
    }
    vecna_pool_run(pool, work->resamples, RESAMPLE_GRAIN, resample_some, work);
    for (size_t side = 0; side < 2; side++)
        rank_pairs(work->order[side], work->count, NULL, work->ranks + side * work->count);
    out->pearson = summarize(work->results[0], work->resamples,
                             pearson(work->a, work->b, NULL, work->count), work->count, confidence);
    out->spearman = summarize(work->results[1], work->resamples,
                              pearson(work->ranks, work->ranks + work->count, NULL, work->count),
                              work->count, confidence);
}

static vecna_status check(const double *a, const double *b, size_t count, double confidence,
                          vecna_error *err) {
    if (count < 2 || count > UINT32_MAX)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "a correlation takes two pairs or more, not %zu", count);
    if (!(confidence > 0 && confidence < 1))
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "the confidence is between 0 and 1, not %g", confidence);
    for (size_t i = 0; i < count; i++)
        if (!isfinite(a[i]) || !isfinite(b[i]))
            return vecna_error_set(err, VECNA_ERR_VALUE, (int64_t)i, "pair %zu is not finite", i);
    return VECNA_OK;
}

vecna_status vecna_eval_correlations(const double *a, const double *b, size_t count,
                                     const vecna_bootstrap_options *options,
                                     vecna_correlations *out, vecna_error *err) {
    static const vecna_bootstrap_options defaults;
    const vecna_bootstrap_options *o = options ? options : &defaults;
    double confidence = o->confidence != 0 ? o->confidence : 0.95;
    size_t threads = vecna_pool_threads(o->pool);
    correlating work = {.a = a, .b = b, .count = count, .seed = o->seed};
    vecna_status status = check(a, b, count, confidence, err);
    if (status != VECNA_OK)
        return status;
    work.resamples = o->resamples ? o->resamples : RESAMPLES_DEFAULT;
    work.order[0] = vecna_allocate(o->allocator, count, sizeof *work.order[0]);
    work.order[1] = vecna_allocate(o->allocator, count, sizeof *work.order[1]);
    work.counts = vecna_allocate(o->allocator, threads * count, sizeof *work.counts);
    work.ranks = vecna_allocate(o->allocator, threads * 2 * count, sizeof *work.ranks);
    work.results[0] = vecna_allocate(o->allocator, work.resamples, sizeof(double));
    work.results[1] = vecna_allocate(o->allocator, work.resamples, sizeof(double));
    if (work.order[0] && work.order[1] && work.counts && work.ranks && work.results[0] &&
        work.results[1])
        compute(&work, o->pool, confidence, out);
    else
        status = vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                                 "not enough memory for a correlation of %zu pairs", count);
    vecna_release(o->allocator, work.order[0]);
    vecna_release(o->allocator, work.order[1]);
    vecna_release(o->allocator, work.counts);
    vecna_release(o->allocator, work.ranks);
    vecna_release(o->allocator, work.results[0]);
    vecna_release(o->allocator, work.results[1]);
    return status;
}
