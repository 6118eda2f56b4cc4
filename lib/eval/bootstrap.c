/* A resample is a count a query (how often it was drawn), not a list of queries: the counts are
 * drawn once and every column is summed with them, so a hundred figures cost little more than one,
 * and all of them saw the same resample. Resample r owns stream r of the seed and sums run in query
 * order; threads only decide who computes which resample, never what it holds. */
#include "eval/eval_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RESAMPLES_DEFAULT 2000

typedef struct bootstrap {
    const vecna_bootstrap_input *input;
    double *values; /* (column_count, used): the columns without the queries left out */
    size_t used;
    uint64_t seed;
    size_t resamples;
    double *results;  /* (statistic_count, resamples) */
    uint32_t *counts; /* (threads, used) */
    double *sums;     /* (threads, column_count) */
} bootstrap;

/* Sums stand for means: the common divisor drops out of ratios and is given for the rest. */
static double compute(const vecna_statistic *statistic, const double *sums, double divisor) {
    double a = sums[statistic->a];
    switch (statistic->kind) {
    case VECNA_STATISTIC_MEAN:
        return a / divisor;
    case VECNA_STATISTIC_DIFFERENCE:
        return (a - sums[statistic->b]) / divisor;
    case VECNA_STATISTIC_RATIO:
        return sums[statistic->b] != 0 ? a / sums[statistic->b] : NAN;
    case VECNA_STATISTIC_GAP: {
        double gap = sums[statistic->b] - sums[statistic->c];
        return gap != 0 ? (a - sums[statistic->c]) / gap : NAN;
    }
    }
    return NAN;
}

static void resample_some(void *user, size_t begin, size_t end, size_t worker) {
    const bootstrap *work = user;
    const vecna_bootstrap_input *input = work->input;
    uint32_t *counts = work->counts + worker * work->used;
    double *sums = work->sums + worker * input->column_count;

    for (size_t resample = begin; resample < end; resample++) {
        vecna_random random;
        vecna_random_seed(&random, work->seed, resample);
        memset(counts, 0, work->used * sizeof *counts);
        for (size_t draw = 0; draw < work->used; draw++)
            counts[vecna_random_below(&random, work->used)]++;
        for (size_t column = 0; column < input->column_count; column++) {
            const double *values = work->values + column * work->used;
            double sum = 0;
            for (size_t query = 0; query < work->used; query++)
                sum += counts[query] * values[query];
            sums[column] = sum;
        }
        for (size_t i = 0; i < input->statistic_count; i++)
            work->results[i * work->resamples + resample] =
                compute(&input->statistics[i], sums, (double)work->used);
    }
}

static int compare_doubles(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* numpy.percentile, linear, of sorted values. */
static double percentile(const double *sorted, size_t count, double share) {
    double position = share * (double)(count - 1);
    size_t below = (size_t)position;
    double rest = position - (double)below;
    if (below + 1 >= count)
        return sorted[count - 1];
    return sorted[below] + (sorted[below + 1] - sorted[below]) * rest;
}

void vni_percentiles(double *values, size_t count, double confidence, double *low, double *high) {
    qsort(values, count, sizeof *values, compare_doubles);
    *low = percentile(values, count, (1 - confidence) / 2);
    *high = percentile(values, count, 1 - (1 - confidence) / 2);
}

static vecna_interval summarize(bootstrap *work, size_t index, const double *full_sums,
                                double confidence) {
    double *results = work->results + index * work->resamples;
    vecna_interval interval = {NAN, NAN, NAN, work->used};
    size_t defined = 0;

    interval.value = compute(&work->input->statistics[index], full_sums, (double)work->used);
    for (size_t i = 0; i < work->resamples; i++)
        if (!isnan(results[i]))
            results[defined++] = results[i];
    if (isnan(interval.value) || defined == 0)
        return interval;
    vni_percentiles(results, defined, confidence, &interval.low, &interval.high);
    return interval;
}

/* Columns without the queries that have NaN in one of them. */
static vecna_status gather(bootstrap *work, vecna_error *err) {
    const vecna_bootstrap_input *input = work->input;
    size_t used = 0;
    for (size_t query = 0; query < input->queries; query++) {
        int complete = 1;
        for (size_t column = 0; column < input->column_count; column++) {
            double value = input->columns[column][query];
            if (isinf(value))
                return vecna_error_set(err, VECNA_ERR_VALUE, (int64_t)query,
                                       "column %zu of query %zu is infinite", column, query);
            complete &= !isnan(value);
        }
        if (!complete)
            continue;
        for (size_t column = 0; column < input->column_count; column++)
            work->values[column * input->queries + used] = input->columns[column][query];
        used++;
    }
    if (used == 0)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "none of the %zu queries has a value in every column, so there is "
                               "nothing to average",
                               input->queries);
    for (size_t column = 1; column < input->column_count; column++)
        memmove(work->values + column * used, work->values + column * input->queries,
                used * sizeof *work->values);
    work->used = used;
    return VECNA_OK;
}

static vecna_status check_input(const vecna_bootstrap_input *input, double confidence,
                                vecna_error *err) {
    if (!(confidence > 0 && confidence < 1))
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "a confidence of %g is not inside 0 .. 1; 0.95 is usual",
                               confidence);
    if (input->column_count == 0 || input->queries == 0)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "%zu columns of %zu queries leave nothing to average",
                               input->column_count, input->queries);
    if (input->queries >= UINT32_MAX)
        return vecna_error_set(err, VECNA_ERR_UNSUPPORTED, -1,
                               "%zu queries are more than can be resampled (4294967294)",
                               input->queries);
    for (size_t i = 0; i < input->statistic_count; i++) {
        const vecna_statistic *one = &input->statistics[i];
        size_t highest = one->a;
        if (one->kind != VECNA_STATISTIC_MEAN && one->b > highest)
            highest = one->b;
        if (one->kind == VECNA_STATISTIC_GAP && one->c > highest)
            highest = one->c;
        if (highest >= input->column_count)
            return vecna_error_set(err, VECNA_ERR_ARGUMENT, (int64_t)i,
                                   "statistic %zu asks for column %zu of %zu", i, highest,
                                   input->column_count);
    }
    return VECNA_OK;
}

static vecna_status allocate_work(bootstrap *work, size_t threads, const vecna_allocator *allocator,
                                  vecna_error *err) {
    const vecna_bootstrap_input *input = work->input;
    size_t values, results, counts, sums;
    if (!vecna_size_mul(input->column_count, input->queries, &values) ||
        !vecna_size_mul(input->statistic_count, work->resamples, &results) ||
        !vecna_size_mul(threads, input->queries, &counts) ||
        !vecna_size_mul(threads + 1, input->column_count, &sums))
        return vecna_error_set(err, VECNA_ERR_OVERFLOW, -1,
                               "%zu resamples of %zu figures do not fit into memory",
                               work->resamples, input->statistic_count);
    work->values = vecna_allocate(allocator, values, sizeof *work->values);
    work->results = vecna_allocate(allocator, results, sizeof *work->results);
    work->counts = vecna_allocate(allocator, counts, sizeof *work->counts);
    work->sums = vecna_allocate_zero(allocator, sums, sizeof *work->sums);
    if (!work->values || !work->results || !work->counts || !work->sums)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                               "no memory for %zu resamples of %zu queries", work->resamples,
                               input->queries);
    return VECNA_OK;
}

vecna_status vecna_eval_bootstrap(const vecna_bootstrap_input *input,
                                  const vecna_bootstrap_options *options, vecna_interval *out,
                                  vecna_error *err) {
    static const vecna_bootstrap_options defaults;
    const vecna_bootstrap_options *given = options ? options : &defaults;
    double confidence = given->confidence != 0 ? given->confidence : 0.95;
    size_t threads = vecna_pool_threads(given->pool);
    bootstrap work = {
        input, NULL, 0,   given->seed, given->resamples ? given->resamples : RESAMPLES_DEFAULT,
        NULL,  NULL, NULL};
    double *full_sums;
    vecna_status status = check_input(input, confidence, err);

    if (status != VECNA_OK)
        return status;
    status = allocate_work(&work, threads, given->allocator, err);
    if (status != VECNA_OK)
        goto done;
    status = gather(&work, err);
    if (status != VECNA_OK)
        goto done;
    full_sums = work.sums + threads * input->column_count;
    for (size_t column = 0; column < input->column_count; column++)
        for (size_t query = 0; query < work.used; query++)
            full_sums[column] += work.values[column * work.used + query];
    vecna_pool_run(given->pool, work.resamples, 16, resample_some, &work);
    for (size_t i = 0; i < input->statistic_count; i++)
        out[i] = summarize(&work, i, full_sums, confidence);
done:
    vecna_release(given->allocator, work.sums);
    vecna_release(given->allocator, work.counts);
    vecna_release(given->allocator, work.results);
    vecna_release(given->allocator, work.values);
    return status;
}
