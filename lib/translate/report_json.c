/* The report as JSON: what `vecna fit --json` prints, and what a map file carries. */
#include "translate/translate_impl.h"

#include <math.h>
#include <string.h>

static void put_number(vecna_json_writer *w, const char *key, double value) {
    vecna_json_write_key(w, key);
    vecna_json_write_f64(w, value);
}

static void put_count(vecna_json_writer *w, const char *key, size_t value) {
    vecna_json_write_key(w, key);
    vecna_json_write_u64(w, value);
}

static void put_text(vecna_json_writer *w, const char *key, const char *value) {
    vecna_json_write_key(w, key);
    vecna_json_write_string(w, value);
}

/* [value, low, high] */
static void put_interval(vecna_json_writer *w, const char *key, const vecna_interval *interval) {
    vecna_json_write_key(w, key);
    vecna_json_write_array_begin(w);
    vecna_json_write_f64(w, interval->value);
    vecna_json_write_f64(w, interval->low);
    vecna_json_write_f64(w, interval->high);
    vecna_json_write_array_end(w);
}

static void put_recipe(vecna_json_writer *w, const vecna_recipe *recipe) {
    char name[VECNA_RECIPE_NAME_BYTES];
    vecna_recipe_name(recipe, name);
    put_text(w, "recipe", name);
    put_text(w, "method", vecna_method_name(recipe->method));
    put_number(w, "lambda", recipe->lambda);
    put_number(w, "share", recipe->share);
    put_number(w, "exponent", recipe->exponent);
    put_count(w, "rank", recipe->rank);
    put_count(w, "neighbours", recipe->neighbours);
    put_number(w, "temperature", recipe->temperature);
    put_number(w, "correction", recipe->correction);
    put_number(w, "means", recipe->means);
}

static void put_figures(vecna_json_writer *w, const char *key, const vecna_figures *figures) {
    if (!figures->ndcg10.queries) {
        return;
    }
    vecna_json_write_key(w, key);
    vecna_json_write_object_begin(w);
    put_interval(w, "recall@1", &figures->recall1);
    put_interval(w, "recall@10", &figures->recall10);
    put_interval(w, "mrr@10", &figures->mrr10);
    put_interval(w, "ndcg@10", &figures->ndcg10);
    put_interval(w, "overlap@10", &figures->overlap10);
    vecna_json_write_object_end(w);
}

static void put_truth(vecna_json_writer *w, const char *key, const vecna_truth *truth) {
    const vecna_retention *r = &truth->retention;
    vecna_json_write_key(w, key);
    vecna_json_write_object_begin(w);
    put_text(w, "ground_truth", truth->name);
    put_count(w, "queries", truth->queries);
    put_count(w, "corpus", truth->corpus);
    put_count(w, "depth", truth->depth);
    put_interval(w, "retention", &r->retention);
    if (r->has_status_quo) {
        put_interval(w, "advantage", &r->advantage);
        put_interval(w, "upgrade_gain", &r->upgrade_gain);
        put_interval(w, "gap_recovered", &r->gap_recovered);
    }
    put_figures(w, "translated", &truth->translated);
    put_figures(w, "native", &truth->native);
    put_figures(w, "old_model", &truth->kept);
    vecna_json_write_key(w, "controls");
    vecna_json_write_array_begin(w);
    for (size_t i = 0; i < VECNA_CONTROLS; i++) {
        vecna_json_write_object_begin(w);
        put_text(w, "name", truth->control_names[i]);
        put_interval(w, "ndcg@10", &truth->controls[i].mean);
        put_interval(w, "margin", &truth->controls[i].margin);
        vecna_json_write_key(w, "cleared");
        vecna_json_write_bool(w, truth->controls[i].cleared);
        vecna_json_write_object_end(w);
    }
    vecna_json_write_array_end(w);
    vecna_json_write_object_end(w);
}

static void put_candidates(vecna_json_writer *w, const vecna_report *report) {
    vecna_json_write_key(w, "candidates");
    vecna_json_write_array_begin(w);
    for (size_t i = 0; i < report->candidate_count; i++) {
        const vecna_candidate *one = &report->candidates[i];
        vecna_json_write_object_begin(w);
        put_recipe(w, &one->recipe);
        put_number(w, "score", one->score);
        put_number(w, "gain", one->gain);
        put_number(w, "gain_se", one->gain_se);
        put_number(w, "cosine", one->cosine);
        vecna_json_write_key(w, "chosen");
        vecna_json_write_bool(w, one->chosen);
        vecna_json_write_object_end(w);
    }
    vecna_json_write_array_end(w);
}

/* What the map leans on, and what each weight of it was worth. */
static void put_prior(vecna_json_writer *w, const vecna_report *report) {
    vecna_json_write_key(w, report->updated ? "update" : "prior");
    vecna_json_write_object_begin(w);
    put_number(w, "rows", report->prior_rows);
    put_number(w, "weight", report->prior_weight);
    put_number(w, "mean_share", report->prior_mean_share);
    if (report->updated) {
        put_number(w, "known_rows", report->known_rows);
    }
    for (size_t i = 0; i < report->prior_trial_count; i++) {
        if (report->prior_trials[i].chosen && report->prior_trials[i].kind[0]) {
            vecna_json_write_key(w, "kind");
            vecna_json_write_string(w, report->prior_trials[i].kind);
        }
    }
    vecna_json_write_key(w, "weights");
    vecna_json_write_array_begin(w);
    for (size_t i = 0; i < report->prior_trial_count; i++) {
        const vecna_prior_trial *one = &report->prior_trials[i];
        vecna_json_write_object_begin(w);
        vecna_json_write_key(w, "weight");
        if (isinf(one->weight)) {
            vecna_json_write_string(w, "prior alone");
        } else {
            vecna_json_write_f64(w, one->weight);
        }
        if (one->kind[0]) {
            vecna_json_write_key(w, "kind");
            vecna_json_write_string(w, one->kind);
        }
        put_number(w, "score", one->score);
        put_number(w, "gain", one->gain);
        put_number(w, "gain_se", one->gain_se);
        vecna_json_write_key(w, "chosen");
        vecna_json_write_bool(w, one->chosen);
        vecna_json_write_object_end(w);
    }
    vecna_json_write_array_end(w);
    vecna_json_write_object_end(w);
}

static void put_report(vecna_json_writer *w, const vecna_map *map) {
    const vecna_report *report = &map->report;
    char reason[VECNA_REASON_BYTES];
    vecna_report_reason(report, reason);
    vecna_json_write_object_begin(w);
    put_text(w, "verdict", vecna_verdict_name(report->verdict));
    put_text(w, "reason", reason);
    const vecna_advice advice = vecna_report_advice(report, map->recipe.method);
    put_text(w, "advice", vecna_advice_name(advice.kind));
    put_count(w, "advice_rows", advice.rows);
    put_text(w, "advice_sentence", advice.sentence);
    put_number(w, "min_retention", report->min_retention);
    put_text(w, "role", vecna_role_name(map->role));
    put_recipe(w, &map->recipe);
    put_count(w, "rows", report->rows);
    put_count(w, "groups", report->groups);
    put_count(w, "rows_fit", report->rows_fit);
    put_count(w, "rows_select", report->rows_select);
    put_count(w, "rows_report", report->rows_report);
    put_count(w, "rows_judged", report->rows_judged);
    put_count(w, "folds_select", report->folds_select);
    put_count(w, "folds_report", report->folds_report);
    put_count(w, "source_rank", report->rank);
    put_interval(w, "cosine", &report->cosine);
    put_number(w, "cosine_mean_vector", report->cosine_mean_vector);
    put_number(w, "explained", report->explained);
    if (report->rows_report > 0) {
        put_truth(w, "truth", &report->truth);
    }
    if (report->rows_report > 0 && report->neighbours.name &&
        strcmp(report->truth.name, report->neighbours.name) != 0) {
        put_truth(w, "neighbours", &report->neighbours);
    }
    put_candidates(w, report);
    if (report->prior_rows > 0) {
        put_prior(w, report);
    }
    if (report->unpaired_source > 0) {
        put_count(w, "unpaired_source", report->unpaired_source);
        put_count(w, "unpaired_target", report->unpaired_target);
    }
    vecna_json_write_object_end(w);
}

vecna_status vni_map_print_report(vecna_map *map, vecna_error *err) {
    vecna_json_writer writer;
    vecna_json_writer_init(&writer, 0, map->allocator);
    put_report(&writer, map);
    vecna_status status = vecna_json_writer_finish(&writer, err);
    char *text = NULL;
    if (!status) {
        text = vecna_allocate(map->allocator, writer.bytes + 1, 1);
        if (!text) {
            status = vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a report");
        }
    }
    if (!status) {
        memcpy(text, writer.text, writer.bytes);
        text[writer.bytes] = '\0';
        vecna_release(map->allocator, map->report_json);
        map->report_json = text;
    }
    vecna_json_writer_free(&writer);
    return status;
}
