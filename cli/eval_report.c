/* The figures of vecna eval for people and for machines: the same ones, from the same structs. */
#include "cli/eval.h"
#include "cli/eval_tasks.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- for people ------------------------------------------------------------------------------ */

static void interval_cell(table *t, const vecna_interval *interval) {
    if (isnan(interval->value))
        table_cell(t, "-");
    else
        table_cell(t, "%.3f [%.3f, %.3f]", interval->value, interval->low, interval->high);
}

static const vecna_interval *figure_of(const vecna_retention *kept, const char *which) {
    if (strcmp(which, "translated") == 0)
        return &kept->translated;
    if (strcmp(which, "native") == 0)
        return &kept->native;
    if (strcmp(which, "old model, kept") == 0)
        return &kept->status_quo;
    if (strcmp(which, "retention") == 0)
        return &kept->retention;
    if (strcmp(which, "upgrade gain") == 0)
        return &kept->upgrade_gain;
    return strcmp(which, "advantage") == 0 ? &kept->advantage : &kept->gap_recovered;
}

static void figure_row(table *t, const eval_truth *truth, const char *which) {
    table_cell(t, "%s", which);
    for (int measure = 0; measure < SHOWN_MEASURES; measure++) {
        const vecna_retention *kept = &truth->kept[measure];
        bool noise = strcmp(which, "gap recovered") == 0 && !(kept->gap.low > 0);
        if (noise)
            table_cell(t, "no gap"); /* native and old are not clearly apart */
        else
            interval_cell(t, figure_of(kept, which));
    }
}

static void control_rows(table *t, const eval_truth *truth) {
    for (size_t i = 0; i < truth->control_count; i++) {
        table_cell(t, "%s", system_names[truth->control_systems[i]]);
        for (int measure = 0; measure < SHOWN_MEASURES; measure++)
            table_cell(t, "%.3f", truth->controls[measure][i].mean.value);
    }
}

static void print_truth(const eval_job *job, const eval_truth *truth) {
    char titles[SHOWN_MEASURES][32];
    const char *headers[SHOWN_MEASURES + 1] = {""};
    bool imitation = strcmp(truth->name, "native neighbours") == 0;
    table t;
    for (int measure = 0; measure < SHOWN_MEASURES; measure++) {
        if (measure == VECNA_MEASURE_MAP)
            snprintf(titles[measure], sizeof titles[measure], "%s", measure_titles[measure]);
        else
            snprintf(titles[measure], sizeof titles[measure], "%s@%zu", measure_titles[measure],
                     job->options->k);
        headers[measure + 1] = titles[measure];
    }
    table_start(&t, SHOWN_MEASURES + 1, headers);
    figure_row(&t, truth, "translated");
    if (job->has_native && !imitation)
        figure_row(&t, truth, "native");
    if (job->has_old)
        figure_row(&t, truth, "old model, kept");
    control_rows(&t, truth);
    if (job->has_native && !imitation)
        figure_row(&t, truth, "retention");
    if (job->has_old)
        figure_row(&t, truth, "advantage");
    if (job->has_old && job->has_native) {
        if (!imitation)
            figure_row(&t, truth, "upgrade gain");
        figure_row(&t, truth, "gap recovered");
    }
    table_print(&t, stdout, "  ");
}

static void print_heading(const eval_job *job, const eval_truth *truth) {
    style(stdout, "1");
    printf("\n%s", truth->name);
    style(stdout, "0");
    if (strcmp(truth->name, "native neighbours") == 0) {
        printf(": the native model's own first %zu\n", job->options->k);
        return;
    }
    printf(": %s of %s queries, %s relevant documents (%s of %s)\n", grouped(truth->about.judged),
           grouped(truth->about.queries), grouped(truth->about.relevant),
           job->source.from_field ? "field \"relevant\"" : "judgements", job->source.path);
    if (truth->about.without_relevant)
        printf("  %s judged queries have no relevant document and score 0\n",
               grouped(truth->about.without_relevant));
}

static void print_overlap(const eval_job *job) {
    const vecna_interval *first = &job->native_firsts;
    printf("\n  overlap@%zu with the native lists: translated %.3f [%.3f, %.3f]", job->options->k,
           job->overlaps[SYSTEM_TRANSLATED].value, job->overlaps[SYSTEM_TRANSLATED].low,
           job->overlaps[SYSTEM_TRANSLATED].high);
    if (job->has_old)
        printf(", old model %.3f", job->overlaps[SYSTEM_OLD].value);
    printf(", shuffled %.3f\n", job->overlaps[SYSTEM_SHUFFLED].value);
    printf("  native first among the first %zu: %.3f [%.3f, %.3f]\n", job->options->k, first->value,
           first->low, first->high);
}

static const eval_truth *verdict_truth(const eval_job *job) {
    return &job->truths[0];
}

static void print_verdict(const eval_job *job) {
    static const char *const colours[] = {"1;32", "1;33", "1;31"};
    const eval_truth *truth = verdict_truth(job);
    const vecna_retention *kept = &truth->kept[job->options->measure];
    const char *measure = measure_titles[job->options->measure];
    const char *joint = "";
    putchar('\n');
    style(stdout, colours[job->verdict]);
    fputs(vecna_verdict_name(job->verdict), stdout);
    style(stdout, "0");
    fputs(": ", stdout);
    if (job->reasons & VECNA_REASON_UNDEFINED) {
        printf("the native model finds nothing that is relevant, so nothing can be compared");
        joint = "; ";
    } else {
        printf("retention of %s by %s is %.3f, and %.3f at the least (wanted: %.3f)", measure,
               truth->name, kept->retention.value, kept->retention.low,
               job->options->min_retention);
        joint = "; ";
    }
    for (size_t i = 0; i < truth->control_count; i++)
        if (!truth->controls[job->options->measure][i].cleared)
            printf("%sthe control \"%s\" is not clearly worse", joint,
                   system_names[truth->control_systems[i]]);
    if (job->reasons & VECNA_REASON_STATUS_QUO)
        printf("%skeeping the old model is better (%.3f against %.3f)", joint,
               kept->status_quo.value, kept->translated.value);
    putchar('\n');
}

void eval_print(const eval_job *job) {
    printf("%s: %s rows x %zu, asked by %s queries (%s)\n", job->corpus.path,
           grouped(job->corpus.vectors.rows), job->corpus.vectors.dim,
           grouped(job->queries.vectors.rows),
           vecna_metric_name((vecna_metric)job->options->metric));
    for (size_t i = 0; i < job->truth_count; i++) {
        print_heading(job, &job->truths[i]);
        print_truth(job, &job->truths[i]);
    }
    if (!job->has_native) {
        puts(
            "\nno verdict: without --native-corpus or --native-queries there is nothing to retain");
        return;
    }
    print_overlap(job);
    print_verdict(job);
}

/* ---- for machines ---------------------------------------------------------------------------- */

static void write_count(vecna_json_writer *json, const char *key, uint64_t count) {
    vecna_json_write_key(json, key);
    vecna_json_write_u64(json, count);
}

static void write_text(vecna_json_writer *json, const char *key, const char *text) {
    vecna_json_write_key(json, key);
    vecna_json_write_string(json, text);
}

static void write_measure(vecna_json_writer *json, const eval_truth *truth, int measure) {
    const vecna_retention *kept = &truth->kept[measure];
    vecna_json_write_key(json, vecna_measure_name((vecna_measure)measure));
    vecna_json_write_object_begin(json);
    write_count(json, "queries", kept->translated.queries);
    write_figure(json, "translated", kept->translated);
    if (kept->has_native) {
        write_figure(json, "native", kept->native);
        write_figure(json, "retention", kept->retention);
    }
    if (kept->has_status_quo) {
        write_figure(json, "old_model", kept->status_quo);
        write_figure(json, "advantage", kept->advantage);
    }
    if (kept->has_native && kept->has_status_quo) {
        write_figure(json, "upgrade_gain", kept->upgrade_gain);
        write_figure(json, "gap_recovered", kept->gap_recovered);
        write_figure(json, "gap", kept->gap);
    }
    vecna_json_write_key(json, "controls");
    vecna_json_write_array_begin(json);
    for (size_t i = 0; i < truth->control_count; i++) {
        const vecna_control_result *control = &truth->controls[measure][i];
        vecna_json_write_object_begin(json);
        write_text(json, "name", system_names[truth->control_systems[i]]);
        write_figure(json, "value", control->mean);
        write_figure(json, "margin", control->margin);
        vecna_json_write_key(json, "cleared");
        vecna_json_write_bool(json, control->cleared);
        vecna_json_write_object_end(json);
    }
    vecna_json_write_array_end(json);
    vecna_json_write_object_end(json);
}

static void write_truth(vecna_json_writer *json, const eval_truth *truth) {
    vecna_json_write_object_begin(json);
    write_text(json, "name", truth->name);
    write_count(json, "queries", truth->about.queries);
    write_count(json, "judged", truth->about.judged);
    write_count(json, "without_relevant", truth->about.without_relevant);
    write_count(json, "relevant", truth->about.relevant);
    write_count(json, "outside", truth->about.outside);
    vecna_json_write_key(json, "measures");
    vecna_json_write_object_begin(json);
    for (int measure = 0; measure < SHOWN_MEASURES; measure++)
        write_measure(json, truth, measure);
    vecna_json_write_object_end(json);
    vecna_json_write_object_end(json);
}

static void write_verdict(vecna_json_writer *json, const eval_job *job) {
    static const struct {
        unsigned bit;
        const char *name;
    } reasons[] = {{VECNA_REASON_RETENTION, "retention"},
                   {VECNA_REASON_CONTROL, "control"},
                   {VECNA_REASON_UNDEFINED, "undefined"},
                   {VECNA_REASON_STATUS_QUO, "status_quo"}};
    write_text(json, "verdict", vecna_verdict_name(job->verdict));
    vecna_json_write_key(json, "reasons");
    vecna_json_write_array_begin(json);
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (job->reasons & reasons[i].bit)
            vecna_json_write_string(json, reasons[i].name);
    vecna_json_write_array_end(json);
    write_text(json, "verdict_truth", verdict_truth(job)->name);
    write_text(json, "verdict_measure", vecna_measure_name((vecna_measure)job->options->measure));
    vecna_json_write_key(json, "min_retention");
    vecna_json_write_f64(json, job->options->min_retention);
}

int eval_print_json(const eval_job *job) {
    vecna_json_writer json;
    vecna_json_writer_init(&json, 0, NULL);
    vecna_json_write_object_begin(&json);
    write_text(&json, "corpus", job->corpus.path);
    write_count(&json, "rows", job->corpus.vectors.rows);
    write_count(&json, "dim", job->corpus.vectors.dim);
    write_count(&json, "queries", job->queries.vectors.rows);
    write_text(&json, "metric", vecna_metric_name((vecna_metric)job->options->metric));
    write_count(&json, "k", job->options->k);
    write_count(&json, "depth", job->options->depth);
    vecna_json_write_key(&json, "truths");
    vecna_json_write_array_begin(&json);
    for (size_t i = 0; i < job->truth_count; i++)
        write_truth(&json, &job->truths[i]);
    vecna_json_write_array_end(&json);
    if (job->has_native) {
        vecna_json_write_key(&json, "overlap");
        vecna_json_write_object_begin(&json);
        for (int system = 0; system < SYSTEMS; system++)
            if (job->overlap[system] && system != SYSTEM_NATIVE)
                write_figure(&json, system_names[system], job->overlaps[system]);
        vecna_json_write_object_end(&json);
        write_figure(&json, "native_first", job->native_firsts);
        write_verdict(&json, job);
    }
    vecna_json_write_object_end(&json);
    return print_json(&json, stdout);
}
