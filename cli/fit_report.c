/* The report of a fit as a person reads it: what was tried, what it keeps on which ground truth, what
 * stands beside it, and the verdict with its reason. */
#include "cli/fit.h"

#include <math.h>
#include <string.h>

/* Of each method the best that was tried; all of them are in --json. */
static int is_shown(const vecna_report *report, size_t index) {
    const vecna_candidate *one = &report->candidates[index];
    for (size_t i = 0; i < report->candidate_count; i++) {
        const vecna_candidate *other = &report->candidates[i];
        if (other->recipe.method == one->recipe.method && i != index && !one->chosen &&
            (other->chosen || other->score > one->score ||
             (!(other->score < one->score) && i < index)))
            return 0;
    }
    return 1;
}

static void print_candidates(const vecna_report *report, FILE *to) {
    static const char *const headers[] = {"candidate", "score",  "against default",
                                          "+-",        "cosine", ""};
    table t;
    if (report->candidate_count == 0)
        return;
    fprintf(to,
            "\nWhat was tried, on %s rows in %zu folds: the best of each method (score: mean of "
            "nDCG and "
            "MRR, held out)\n",
            grouped(report->rows_select), report->folds_select);
    table_start(&t, 6, headers);
    for (size_t i = 0; i < report->candidate_count; i++) {
        const vecna_candidate *one = &report->candidates[i];
        char name[VECNA_RECIPE_NAME_BYTES];
        if (!is_shown(report, i))
            continue;
        vecna_recipe_name(&one->recipe, name);
        table_cell(&t, "%s", name);
        table_cell(&t, "%.3f", one->score);
        table_cell(&t, "%+.3f", one->gain);
        table_cell(&t, "%.3f", one->gain_se);
        table_cell(&t, "%.3f", one->cosine);
        table_cell(&t, "%s", one->chosen ? "<- chosen" : "");
    }
    table_print(&t, to, "  ");
}

static void interval_cell(table *t, const vecna_interval *interval) {
    if (isnan(interval->value) || interval->queries == 0)
        table_cell(t, "-");
    else
        table_cell(t, "%.3f [%.3f, %.3f]", interval->value, interval->low, interval->high);
}

static bool is_judged(const vecna_truth *truth) {
    return strcmp(truth->name, "judged queries") == 0;
}

/* A model that looks for its own row, or for what it finds first itself, always finds it: such
 * figures say nothing and are not shown. */
static void figures_row(table *t, const char *name, const vecna_figures *figures, bool finds_own) {
    static const vecna_interval nothing;
    table_cell(t, "%s", name);
    interval_cell(t, finds_own ? &nothing : &figures->recall1);
    interval_cell(t, finds_own ? &nothing : &figures->recall10);
    interval_cell(t, finds_own ? &nothing : &figures->mrr10);
    interval_cell(t, &figures->ndcg10);
    interval_cell(t, &figures->overlap10);
}

static void print_truth(const vecna_truth *truth, vecna_role role, FILE *to) {
    static const char *const headers[] = {"",       "recall@1", "recall@10",
                                          "MRR@10", "nDCG@10",  "overlap@10"};
    static const char *const short_headers[] = {"retention of nDCG", "", ""};
    const vecna_retention *kept = &truth->retention;
    const bool by_rows = strstr(truth->name, "rows") != NULL;
    table t;

    fprintf(to, "\nGround truth: %s (%s queries, %s rows of corpus)\n", truth->name,
            grouped(truth->queries), grouped(truth->corpus));
    if (!is_judged(truth))
        fprintf(to,
                "  each %s looks for %s (recall, MRR) and for its native neighbours (nDCG, "
                "overlap)\n",
                by_rows ? "held-out row" : "query",
                by_rows ? "its own native row" : "the row that the target model finds first");
    table_start(&t, 6, headers);
    figures_row(&t, role == VECNA_ROLE_DOCUMENT ? "translated corpus" : "translated queries",
                &truth->translated, false);
    figures_row(&t, "target model itself", &truth->native, !is_judged(truth));
    if (truth->kept.ndcg10.queries > 0)
        figures_row(&t, "keep the old model", &truth->kept, by_rows);
    table_print(&t, to, "  ");

    table_start(&t, 3, short_headers);
    table_cell(&t, "  translated");
    interval_cell(&t, &kept->retention);
    table_cell(&t, "%s", "");
    if (kept->has_status_quo) {
        table_cell(&t, "  keep the old model");
        table_cell(&t, "%.3f", kept->status_quo.value / kept->native.value);
        table_cell(&t, "advantage of translating: x %.3f [%.3f, %.3f]", kept->advantage.value,
                   kept->advantage.low, kept->advantage.high);
    }
    for (size_t i = 0; i < VECNA_CONTROLS; i++) {
        if (truth->control_names[i] == NULL)
            continue;
        table_cell(&t, "  control: %s", truth->control_names[i]);
        interval_cell(&t, &truth->controls[i].retention);
        table_cell(&t, "%s", truth->controls[i].cleared ? "beaten" : "NOT beaten");
    }
    table_print(&t, to, "  ");
}

static void print_verdict(const vecna_report *report, vecna_method method, FILE *to) {
    static const char *const colours[] = {"1;32", "1;33", "1;31"};
    char reason[VECNA_REASON_BYTES];
    vecna_report_reason(report, reason);
    fputs("\nverdict: ", to);
    style(to, colours[report->verdict]);
    fputs(vecna_verdict_name(report->verdict), to);
    style(to, "0");
    fprintf(to, "  %s\n", reason);
    if (report->verdict == VECNA_VERDICT_PASS && !is_judged(&report->truth))
        fputs(
            "  judged by the target model's own neighbours: whether translating beats keeping the "
            "old model needs judged queries (--queries-source, --queries-target)\n",
            to);
    const vecna_advice advice = vecna_report_advice(report, method);
    fprintf(to, "advice: %s\n", advice.sentence);
}

/* What the map leans on, and what that was worth. */
static void print_prior(const vecna_report *report, FILE *to) {
    static const char *const headers[] = {"weight of a prior's pair", "score", "against 1", "+-",
                                          ""};
    table t;
    if (report->updated) {
        fprintf(
            to,
            "  added to %s pairs that were fitted before; the figures below are of the new pairs "
            "alone\n",
            grouped((uint64_t)(report->prior_rows + 0.5)));
        if (report->known_rows > 0)
            fprintf(
                to,
                "  about %s of the new pairs are among those already: held out or not, the map has "
                "seen them\n",
                grouped((uint64_t)(report->known_rows + 0.5)));
        return;
    }
    fprintf(to, "  leans on %s pairs of a prior", grouped((uint64_t)(report->prior_rows + 0.5)));
    if (report->rows > 0 || report->prior_mean_share < 1)
        fprintf(to, "; means are %.0f %% the prior's", 100 * report->prior_mean_share);
    fputs("\n", to);
    if (report->prior_trial_count == 0)
        return;
    fputs("\nHow much the prior weighs, on held-out own pairs (score: mean of nDCG and MRR)\n", to);
    table_start(&t, 5, headers);
    for (size_t i = 0; i < report->prior_trial_count; i++) {
        const vecna_prior_trial *one = &report->prior_trials[i];
        if (one->kind[0])
            table_cell(&t, "%s above all", one->kind);
        else if (isinf(one->weight))
            table_cell(&t, "the prior alone");
        else if (one->weight > 0)
            table_cell(&t, "%.4g", one->weight);
        else
            table_cell(&t, "own pairs alone");
        table_cell(&t, "%.3f", one->score);
        table_cell(&t, "%+.3f", one->gain);
        table_cell(&t, "%.3f", one->gain_se);
        table_cell(&t, "%s", one->chosen ? "<- chosen" : "");
    }
    table_print(&t, to, "  ");
}

/* What was aligned, and what the anchors that were kept out say of it. */
static void print_unpaired(const vecna_report *report, const vecna_map_info *about, FILE *to) {
    const int blind = report->rows == 0;
    const char *const headers[] = {blind ? "found again by the other half"
                                         : "held-out anchors, among all target rows",
                                   "", ""};
    const vecna_truth *truth = &report->truth;
    table t;
    fprintf(to, "%s and %s rows that are no pairs, aligned ", grouped(report->unpaired_source),
            grouped(report->unpaired_target));
    if (blind)
        fprintf(to, "without an anchor");
    else
        fprintf(to, "from %s anchors", grouped(report->rows));
    fprintf(to, "; %zu -> %zu dimensions, role %s\n", about->source_dim, about->target_dim,
            vecna_role_name(about->role));
    if (blind)
        fprintf(to, "\n%s source rows, put by one half of the rows and looked for by the other\n",
                grouped(truth->queries));
    else
        fprintf(to, "\n%s anchors in %zu folds, each looked for by an alignment without it\n",
                grouped(truth->queries), report->folds_report);
    table_start(&t, 3, headers);
    table_cell(&t, "  found first (recall@1)");
    interval_cell(&t, &truth->translated.recall1);
    table_cell(&t, "%s", "");
    table_cell(&t, "  among the first 10");
    interval_cell(&t, &truth->translated.recall10);
    table_cell(&t, "%s", "");
    table_cell(&t, "  nDCG@10");
    interval_cell(&t, &truth->retention.retention);
    table_cell(&t, "%s", "");
    for (size_t i = 0; i < VECNA_CONTROLS; i++) {
        table_cell(&t, "  control: %s", truth->control_names[i]);
        interval_cell(&t, &truth->controls[i].mean);
        table_cell(&t, "%s", truth->controls[i].cleared ? "beaten" : "NOT beaten");
    }
    table_print(&t, to, "  ");
    print_verdict(report, about->recipe.method, to);
}

static void print_figures(const vecna_report *report, const vecna_map_info *about, FILE *to) {
    fprintf(to, "\nCosine to the true vector %.3f [%.3f, %.3f]; of the mean vector alone %.3f\n",
            report->cosine.value, report->cosine.low, report->cosine.high,
            report->cosine_mean_vector);
    fprintf(to, "The source explains %.0f %% of the target's variance%s\n", 100 * report->explained,
            about->target_dim > about->source_dim ? "; what is missing cannot be restored" : "");
    print_truth(&report->truth, about->role, to);
    if (report->neighbours.queries > 0 && report->rows_judged > 0)
        print_truth(&report->neighbours, about->role, to);
}

void print_fit_report(const vecna_report *report, const vecna_map_info *about, const char *map_path,
                      FILE *to) {
    char name[VECNA_RECIPE_NAME_BYTES];
    vecna_recipe_name(&about->recipe, name);
    if (report->unpaired_source > 0) {
        print_unpaired(report, about, to);
        fprintf(to, "map: %s (%s)\n", map_path, name);
        return;
    }
    if (report->rows == 0) {
        fprintf(to, "no pairs, %zu -> %zu dimensions, role %s\n", about->source_dim,
                about->target_dim, vecna_role_name(about->role));
        print_prior(report, to);
        print_verdict(report, about->recipe.method, to);
        fprintf(to, "map: %s (%s)\n", map_path, name);
        return;
    }
    fprintf(to, "%s pairs, %zu -> %zu dimensions, role %s\n", grouped(report->rows),
            about->source_dim, about->target_dim, vecna_role_name(about->role));
    fprintf(
        to,
        "  %s groups of duplicates and single rows; %s fitted, %s reported by maps that did not "
        "see "
        "them\n",
        grouped(report->groups), grouped(report->rows_fit), grouped(report->rows_report));
    if (report->rows_judged)
        fprintf(to, "  %s rows are named by judgements and were not fitted\n",
                grouped(report->rows_judged));
    if (report->rank < about->source_dim)
        fprintf(to, "  the pairs determine %zu of the %zu source directions\n", report->rank,
                about->source_dim);
    if (report->prior_rows > 0)
        print_prior(report, to);
    print_candidates(report, to);
    if (report->reasons & VECNA_REASON_KNOWN)
        fputs("\nWhat it keeps is not shown: the rows were seen (--json has the figures)\n", to);
    else
        print_figures(report, about, to);
    print_verdict(report, about->recipe.method, to);
    fprintf(to, "map: %s (%s)\n", map_path, name);
}
