/* What a translation keeps, from one measure a query. All figures come out of one bootstrap call:
 * the advantage is measured, never multiplied together from retention and gain, because those two
 * are not independent (translation-methods 4.16 tells of a product that did not hold). */
#include "eval/eval_impl.h"

#include <math.h>

/* Columns of the bootstrap; controls follow the fixed ones. */
enum { TRANSLATED, NATIVE, STATUS_QUO };

/* Statistics in the order of the fields of vecna_retention. */
static const vecna_statistic without_status_quo[] = {
    {VECNA_STATISTIC_MEAN, TRANSLATED, 0, 0},
    {VECNA_STATISTIC_MEAN, NATIVE, 0, 0},
    {VECNA_STATISTIC_RATIO, TRANSLATED, NATIVE, 0},
};
static const vecna_statistic with_status_quo[] = {
    {VECNA_STATISTIC_MEAN, STATUS_QUO, 0, 0},
    {VECNA_STATISTIC_RATIO, NATIVE, STATUS_QUO, 0},
    {VECNA_STATISTIC_RATIO, TRANSLATED, STATUS_QUO, 0},
    {VECNA_STATISTIC_GAP, TRANSLATED, NATIVE, STATUS_QUO},
    {VECNA_STATISTIC_DIFFERENCE, NATIVE, STATUS_QUO, 0},
};
enum {
    BASE_COUNT = sizeof without_status_quo / sizeof without_status_quo[0],
    QUO_COUNT = sizeof with_status_quo / sizeof with_status_quo[0],
    CONTROL_COUNT = 3 /* statistics a control: mean, retention, margin */
};

static void fill_report(const vecna_interval *figures, const vecna_retention_input *input,
                        vecna_retention *out, vecna_control_result *controls) {
    static const vecna_interval undefined = {NAN, NAN, NAN, 0};
    vecna_retention report = {undefined, undefined, undefined, undefined, undefined,
                              undefined, undefined, undefined, 0,         1};
    report.translated = *figures++;
    report.native = *figures++;
    report.retention = *figures++;
    if (input->status_quo) {
        report.has_status_quo = 1;
        report.status_quo = *figures++;
        report.upgrade_gain = *figures++;
        report.advantage = *figures++;
        report.gap_recovered = *figures++;
        report.gap = *figures++;
    }
    for (size_t i = 0; i < input->control_count; i++) {
        controls[i].mean = *figures++;
        controls[i].retention = *figures++;
        controls[i].margin = *figures++;
        controls[i].cleared = controls[i].margin.low > 0;
        report.controls_cleared &= controls[i].cleared;
    }
    *out = report;
}

/* Columns and statistics for the bootstrap; returns how many columns. */
static size_t lay_out(const vecna_retention_input *input, const double **columns,
                      vecna_statistic *statistics) {
    size_t column_count = 2, filled = 0;
    columns[TRANSLATED] = input->translated;
    columns[NATIVE] = input->native;
    for (size_t i = 0; i < BASE_COUNT; i++)
        statistics[filled++] = without_status_quo[i];
    if (input->status_quo) {
        columns[column_count++] = input->status_quo;
        for (size_t i = 0; i < QUO_COUNT; i++)
            statistics[filled++] = with_status_quo[i];
    }
    for (size_t i = 0; i < input->control_count; i++) {
        vecna_statistic mean = {VECNA_STATISTIC_MEAN, column_count, 0, 0};
        vecna_statistic retention = {VECNA_STATISTIC_RATIO, column_count, NATIVE, 0};
        vecna_statistic margin = {VECNA_STATISTIC_DIFFERENCE, TRANSLATED, column_count, 0};
        statistics[filled++] = mean;
        statistics[filled++] = retention;
        statistics[filled++] = margin;
        columns[column_count++] = input->controls[i].values;
    }
    return column_count;
}

vecna_status vecna_eval_retention(const vecna_retention_input *input,
                                  const vecna_bootstrap_options *options, vecna_retention *out,
                                  vecna_control_result *controls, vecna_error *err) {
    const vecna_allocator *allocator = options ? options->allocator : NULL;
    size_t figure_count = BASE_COUNT + (input->status_quo ? QUO_COUNT : 0);
    size_t column_room, control_figures;
    const double **columns = NULL;
    vecna_statistic *statistics = NULL;
    vecna_interval *figures = NULL;
    vecna_bootstrap_input bootstrap;
    vecna_status status;

    if (!vecna_size_add(input->control_count, 3, &column_room) ||
        !vecna_size_mul(input->control_count, CONTROL_COUNT, &control_figures) ||
        !vecna_size_add(figure_count, control_figures, &figure_count))
        return vecna_error_set(err, VECNA_ERR_OVERFLOW, -1, "%zu controls are too many",
                               input->control_count);
    columns = vecna_allocate(allocator, column_room, sizeof *columns);
    statistics = vecna_allocate(allocator, figure_count, sizeof *statistics);
    figures = vecna_allocate(allocator, figure_count, sizeof *figures);
    if (!columns || !statistics || !figures) {
        status = vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a report of %zu figures",
                                 figure_count);
        goto done;
    }
    bootstrap.columns = columns;
    bootstrap.column_count = lay_out(input, columns, statistics);
    bootstrap.queries = input->queries;
    bootstrap.statistics = statistics;
    bootstrap.statistic_count = figure_count;
    status = vecna_eval_bootstrap(&bootstrap, options, figures, err);
    if (status == VECNA_OK)
        fill_report(figures, input, out, controls);
done:
    vecna_release(allocator, figures);
    vecna_release(allocator, statistics);
    vecna_release(allocator, columns);
    return status;
}

vecna_verdict vecna_eval_verdict(const vecna_retention *retention, double min_retention,
                                 unsigned *reasons) {
    unsigned found = 0;
    vecna_verdict verdict = VECNA_VERDICT_PASS;
    if (isnan(retention->retention.low))
        found |= VECNA_REASON_UNDEFINED;
    else if (retention->retention.low < min_retention)
        found |= VECNA_REASON_RETENTION;
    if (!retention->controls_cleared)
        found |= VECNA_REASON_CONTROL;
    if (found)
        verdict = VECNA_VERDICT_FAIL;
    if (retention->has_status_quo && retention->translated.value < retention->status_quo.value) {
        found |= VECNA_REASON_STATUS_QUO;
        if (verdict == VECNA_VERDICT_PASS)
            verdict = VECNA_VERDICT_WARN;
    }
    if (reasons)
        *reasons = found;
    return verdict;
}

const char *vecna_verdict_name(vecna_verdict verdict) {
    switch (verdict) {
    case VECNA_VERDICT_PASS:
        return "PASS";
    case VECNA_VERDICT_WARN:
        return "WARN";
    case VECNA_VERDICT_FAIL:
        return "FAIL";
    }
    return "unknown";
}
