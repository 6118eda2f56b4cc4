/* From pairs to a map with its report.
 *
 *   1 check the rows, copy them at unit length where their space has it
 *   2 group duplicates; set aside the rows that judgements name, with their groups
 *   3 fold by fold: choose a recipe and fit on the other folds, translate this one
 *   4 measure on the rows translated in 3: the report and its verdict
 *   5 choose on all rows that are not set aside, fit the map that is delivered
 *
 * Fit, select and report never share a row of one group: choosing happens inside the rows that a
 * reported map was fitted on. With many rows one fold of each kind is enough: fit, select and report
 * are then three parts of the rows, and 5 keeps the recipe of 3. The
 * delivered map has seen the reported rows (not the judged ones), so the report is a little too
 * strict, never too kind. */
#include "translate/fit_impl.h"

#include <string.h>

vecna_status vni_progress(const vni_fit *fit, const char *stage, double share, vecna_error *err) {
    const vecna_translate_options *o = fit->options;
    if (!o->progress) {
        return VECNA_OK;
    }
    share = share < 1 ? share : 1;
    double done = fit->progress_from + share * (fit->progress_to - fit->progress_from);
    if (o->progress(o->progress_user, stage, done)) {
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1, "cancelled while %s", stage);
    }
    return VECNA_OK;
}

/* ---- 4 and 5 --------------------------------------------------------------------------------- */

static vecna_status fill_report(vni_fitting *f, vecna_error *err) {
    const size_t p = f->fit.pairs.source.dim, q = f->fit.pairs.target.dim;
    const size_t rows = f->reported_count, queries = f->fit.query_report_count;
    vni_reported reported = {
        .source = vecna_view_dense(f->held, rows, p),
        .native = vecna_view_dense(f->held + rows * p, rows, q),
        .translated = vecna_view_dense(f->held + rows * (p + q), rows, q),
        .shuffled = vecna_view_dense(f->held + rows * (p + 2 * q), rows, q),
        .target_mean = f->centres + p,
        .query_source = vecna_view_dense(f->asked, queries, p),
        .query_target = vecna_view_dense(f->asked + queries * p, queries, q),
        .query_translated = vecna_view_dense(f->asked + queries * (p + q), queries, q),
        .query_shuffled = vecna_view_dense(f->asked + queries * (p + 2 * q), queries, q),
        .judged = f->judgements,
    };
    vecna_report *r = &f->report;
    r->rows = f->fit.pairs.source.rows;
    r->groups = f->fit.groups;
    r->rows_judged = f->judged_count;
    r->rows_fit = f->row_count;
    r->rows_report = rows;
    r->folds_report = f->folds;
    r->prior_rows = f->fit.pairs.prior.statistics ? f->fit.pairs.prior.statistics->count : 0;
    r->min_retention = f->options.min_retention > 0 ? f->options.min_retention
                       : f->judgements              ? VECNA_MIN_RETENTION_JUDGED
                                                    : VECNA_MIN_RETENTION_NEIGHBOURS;
    return vni_report_fill(&f->fit, &reported, r, err);
}

/* What the rows of both spaces look like, so that rows of a third one can be refused. */
static vecna_status fingerprint(const vni_fitting *f, vecna_map *map, vecna_error *err) {
    vecna_space_options source = {
        .allocator = map->allocator, .name = map->source_name, .seed = f->options.seed};
    vecna_space_options target = {
        .allocator = map->allocator, .name = map->target_name, .seed = f->options.seed};
    vecna_status status = vecna_space_of(f->fit.pairs.source, &source, &map->source_space, err);
    return status ? status : vecna_space_of(f->fit.pairs.target, &target, &map->target_space, err);
}

/* Sums over the fitted pairs, and what they lean on. */
static vecna_status keep_statistics(const vni_fitting *f, const vni_moments *sums, vecna_map *map,
                                    vecna_error *err) {
    const vni_prior *prior = &f->fit.pairs.prior;
    if (f->options.statistics == VECNA_STATISTICS_NONE) {
        return VECNA_OK;
    }
    vecna_status status =
        vni_statistics_of(&f->fit.pairs, sums, f->split.order, f->row_count, &map->statistics, err);
    if (!status && prior->statistics) {
        vni_statistics_join(map->statistics, prior->statistics, prior->weight, prior->one_mean);
    }
    if (!status && f->options.kinds.count) {
        status = vni_kinds_of(&f->fit.pairs, &f->options.kinds, f->split.order, f->row_count,
                              &map->kinds, err);
    }
    return !status && f->options.statistics == VECNA_STATISTICS_F16
               ? vni_statistics_halve(map->statistics, map->allocator, err)
               : status;
}

/* What the prior has done. */
static void tell_prior(const vni_fitting *f, const vni_basis *basis, vecna_report *report) {
    const vni_prior *prior = &f->fit.pairs.prior;
    if (!prior->statistics) {
        return;
    }
    report->prior_weight = prior->weight;
    report->prior_mean_share = basis->prior_share;
    report->updated = prior->one_mean;
    report->prior_trial_count = f->choice.trial_count;
    memcpy(report->prior_trials, f->choice.trials, sizeof report->prior_trials);
}

static vecna_status deliver(vni_fitting *f, vecna_map **out, vecna_error *err) {
    const vni_pairs *pairs = &f->fit.pairs;
    vni_moments *sums = f->moments.memory ? &f->moments : NULL;
    vni_basis basis = {0};
    double *block = NULL;
    vecna_map *map = NULL;
    vecna_status status = VECNA_OK;
    if (f->folds > 1) {
        vni_choice_free(&f->choice);
        status = vni_choose(&f->fit, sums, f->split.order, f->row_count, 1, &f->choice, err);
        vni_choice_lean(&f->choice, &f->fit.pairs.prior);
    }
    status = status ? status
                    : vni_basis_new(sums, pairs, f->split.order, f->row_count,
                                    vni_recipe_rotates(&f->choice.recipe), &basis, err);
    status = status ? status
                    : vni_map_new(pairs->source.dim, pairs->target.dim, f->options.source_name,
                                  f->options.target_name, f->options.allocator, &map, err);
    if (status) {
        goto fail;
    }
    block = vecna_allocate(f->allocator, basis.rank * basis.target_dim, sizeof *block);
    if (!block) {
        status = vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a map");
        goto fail;
    }
    status = vni_block(&basis, &f->choice.recipe, block, err);
    vni_means means = vni_fit_means(f);
    means.share = f->choice.recipe.means;
    status = status ? status : vni_block_to_map(&basis, block, means, map->weights, map->bias, err);
    const vni_memory_input input = {pairs, f->key, f->split.order,   f->row_count,
                                    NULL,  NULL,   &f->choice.recipe};
    status = status ? status : vni_fit_remember(&input, &basis, block, &map->memory, err);
    if (status) {
        goto fail;
    }
    if (map->memory) { /* pairs are at unit length already, rows that come are not */
        map->memory->normalized_source = f->source_normalized;
    }
    map->role = f->options.role;
    map->recipe = f->choice.recipe;
    map->normalized = f->fit.normalized;
    map->source_normalized = f->source_normalized;
    map->rows_fit = f->row_count + (f->options.update ? f->options.update->rows_fit : 0);
    map->report = f->report;
    map->report.rows_select = f->choice.rows;
    map->report.folds_select = f->choice.folds;
    map->report.rank = basis.rank;
    map->has_report = 1;
    map->verdict = map->report.verdict;
    map->reasons = map->report.reasons;
    map->explained = map->report.explained;
    tell_prior(f, &basis, &map->report);
    status = fingerprint(f, map, err);
    status = status ? status : keep_statistics(f, sums, map, err);
    status = status ? status : vni_fit_hold(f, map, err);
    map->report.candidates = map->candidates = f->choice.candidates;
    map->report.candidate_count = f->choice.candidate_count;
    f->choice.candidates = NULL; /* the map's now */
    if (status) {
        goto fail;
    }
    vni_map_seal(map);
    status = vni_map_print_report(map, err);
    if (status) {
        goto fail;
    }
    *out = map;
    map = NULL;
fail:
    vni_basis_free(&basis);
    vecna_release(f->allocator, block);
    vecna_map_free(map);
    return status;
}

static void free_fitting(vni_fitting *f) {
    vecna_release(f->allocator, f->source);
    vecna_release(f->allocator, f->target);
    vecna_release(f->allocator, f->query_source);
    vecna_release(f->allocator, f->query_target);
    vecna_release(f->allocator, f->centres);
    vecna_release(f->allocator, f->group);
    vecna_release(f->allocator, f->key);
    vecna_release(f->allocator, f->query_list);
    vecna_release(f->allocator, f->query_means);
    vecna_release(f->allocator, f->judged);
    vecna_release(f->allocator, f->rows);
    vecna_release(f->allocator, f->reported);
    vecna_release(f->allocator, f->held);
    vecna_release(f->allocator, f->lengths);
    vecna_release(f->allocator, f->asked);
    vecna_release(f->allocator, f->query_fold);
    vecna_judgements_free(f->judgements);
    vni_split_free(&f->split);
    vni_kept_free(f->kept, f->allocator);
    for (size_t i = 0; i < VECNA_KINDS_MOST; i++) {
        vni_statistics_free(f->mixes[i], f->allocator);
    }
    vni_moments_free(&f->moments);
    vni_choice_free(&f->choice);
}

static void stage(vni_fitting *f, double from, double to) {
    f->fit.progress_from = from;
    f->fit.progress_to = to;
}

vecna_status vecna_translate_fit(vecna_view source, vecna_view target,
                                 const vecna_translate_options *options, vecna_map **out,
                                 vecna_error *err) {
    vni_fitting f = {0};
    if (options) {
        f.options = *options;
    }
    f.allocator = f.options.allocator;
    f.fit.options = &f.options;
    vecna_status status = vni_fit_take_rows(&f, source, target, err);
    status = status ? status : vni_fit_take_prior(&f, err);
    status = status ? status : vni_fit_check_kinds(&f, err);
    status = status ? status : vni_fit_find_known(&f, err);
    status = status ? status : vni_progress(&f.fit, "grouping", 0, err);
    status = status ? status : vni_fit_arrange(&f, err);
    status = status ? status : vni_fit_plan(&f, err);
    for (size_t fold = 0; fold < f.folds && !status; fold++) {
        double share = 0.7 / (double)f.folds;
        stage(&f, 0.1 + share * (double)fold, 0.1 + share * (double)(fold + 1));
        status = vni_fit_fold(&f, fold, err);
    }
    stage(&f, 0.8, 0.9);
    status = status ? status : fill_report(&f, err);
    stage(&f, 0.9, 1);
    status = status ? status : deliver(&f, out, err);
    free_fitting(&f);
    return status;
}
