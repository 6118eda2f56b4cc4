/* What a translation keeps, from one measure a query. All figures come out of one bootstrap call:
 * the advantage is measured, never multiplied together from retention and gain, because those two
 * are not independent (translation-methods 4.16 tells of a product that did not hold). */
#include "eval/eval_impl.h"

#include <math.h>

/* Bootstrap input under construction: columns, and statistics with where their figures go. */
typedef struct plan {
    const double **columns;
    size_t column_count;
    vecna_statistic *statistics;
    vecna_interval **targets;
    size_t figure_count;
} plan;

enum { REPORT_FIGURES = 8, CONTROL_FIGURES = 3 };

static size_t add_column(plan *work, const double *values) {
    work->columns[work->column_count] = values;
    return work->column_count++;
}

static void add_figure(plan *work, vecna_interval *target, vecna_statistic statistic) {
    work->statistics[work->figure_count] = statistic;
    work->targets[work->figure_count++] = target;
}

static vecna_statistic mean_of(size_t a) {
    vecna_statistic statistic = {VECNA_STATISTIC_MEAN, a, 0, 0};
    return statistic;
}

static vecna_statistic ratio_of(size_t a, size_t b) {
    vecna_statistic statistic = {VECNA_STATISTIC_RATIO, a, b, 0};
    return statistic;
}

static vecna_statistic difference_of(size_t a, size_t b) {
    vecna_statistic statistic = {VECNA_STATISTIC_DIFFERENCE, a, b, 0};
    return statistic;
}

static void plan_figures(plan *work, const vecna_retention_input *input, vecna_retention *report,
                         vecna_control_result *controls) {
    size_t translated = add_column(work, input->translated);
    size_t native = input->native ? add_column(work, input->native) : 0;
    size_t quo = input->status_quo ? add_column(work, input->status_quo) : 0;

    add_figure(work, &report->translated, mean_of(translated));
    if (input->native) {
        add_figure(work, &report->native, mean_of(native));
        add_figure(work, &report->retention, ratio_of(translated, native));
    }
    if (input->status_quo) {
        add_figure(work, &report->status_quo, mean_of(quo));
        add_figure(work, &report->advantage, ratio_of(translated, quo));
    }
    if (input->native && input->status_quo) {
        vecna_statistic recovered = {VECNA_STATISTIC_GAP, translated, native, quo};
        add_figure(work, &report->upgrade_gain, ratio_of(native, quo));
        add_figure(work, &report->gap_recovered, recovered);
        add_figure(work, &report->gap, difference_of(native, quo));
    }
    for (size_t i = 0; i < input->control_count; i++) {
        size_t control = add_column(work, input->controls[i].values);
        add_figure(work, &controls[i].mean, mean_of(control));
        add_figure(work, &controls[i].margin, difference_of(translated, control));
        if (input->native)
            add_figure(work, &controls[i].retention, ratio_of(control, native));
    }
}

static void deliver(const plan *work, const vecna_interval *figures,
                    const vecna_retention_input *input, vecna_retention *out,
                    vecna_control_result *controls) {
    static const vecna_interval undefined = {NAN, NAN, NAN, 0};
    const vecna_retention empty = {undefined,
                                   undefined,
                                   undefined,
                                   undefined,
                                   undefined,
                                   undefined,
                                   undefined,
                                   undefined,
                                   input->native != NULL,
                                   input->status_quo != NULL,
                                   1};
    *out = empty;
    for (size_t i = 0; i < input->control_count; i++)
        controls[i].retention = undefined;
    for (size_t i = 0; i < work->figure_count; i++)
        *work->targets[i] = figures[i];
    for (size_t i = 0; i < input->control_count; i++) {
        controls[i].cleared = controls[i].margin.low > 0;
        out->controls_cleared &= controls[i].cleared;
    }
}

vecna_status vecna_eval_retention(const vecna_retention_input *input,
                                  const vecna_bootstrap_options *options, vecna_retention *out,
                                  vecna_control_result *controls, vecna_error *err) {
    const vecna_allocator *allocator = options ? options->allocator : NULL;
    plan work = {NULL, 0, NULL, NULL, 0};
    vecna_interval *figures = NULL;
    size_t columns, room;
    vecna_bootstrap_input bootstrap;
    vecna_status status;

    if (!vecna_size_add(input->control_count, 3, &columns) ||
        !vecna_size_mul(input->control_count, CONTROL_FIGURES, &room) ||
        !vecna_size_add(room, REPORT_FIGURES, &room))
        return vecna_error_set(err, VECNA_ERR_OVERFLOW, -1, "%zu controls are too many",
                               input->control_count);
    work.columns = vecna_allocate(allocator, columns, sizeof *work.columns);
    work.statistics = vecna_allocate(allocator, room, sizeof *work.statistics);
    work.targets = vecna_allocate(allocator, room, sizeof *work.targets);
    figures = vecna_allocate(allocator, room, sizeof *figures);
    if (!work.columns || !work.statistics || !work.targets || !figures) {
        status = vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a report of %zu figures",
                                 room);
        goto done;
    }
    plan_figures(&work, input, out, controls);
    bootstrap.columns = work.columns;
    bootstrap.column_count = work.column_count;
    bootstrap.queries = input->queries;
    bootstrap.statistics = work.statistics;
    bootstrap.statistic_count = work.figure_count;
    status = vecna_eval_bootstrap(&bootstrap, options, figures, err);
    if (status == VECNA_OK)
        deliver(&work, figures, input, out, controls);
done:
    vecna_release(allocator, figures);
    vecna_release(allocator, work.targets);
    vecna_release(allocator, work.statistics);
    vecna_release(allocator, work.columns);
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
