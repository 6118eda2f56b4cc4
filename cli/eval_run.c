/* From loaded files to figures. The native model is asked first, because its lists are the second
 * ground truth; then one system after the other, so that only two sets of lists are alive. */
#include "cli/eval.h"

#include <stdlib.h>
#include <string.h>

const char *const system_names[SYSTEMS] = {"translated",  "native",   "old model",
                                           "mean vector", "shuffled", "untranslated"};
const char *const measure_titles[SHOWN_MEASURES] = {"nDCG", "recall", "MRR", "MAP"};

static vecna_status no_memory(vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for the rankings");
}

/* ---- queries that are documents -------------------------------------------------------------- */

static vecna_status find_self(eval_job *job, vecna_error *err) {
    size_t queries = job->queries.vectors.rows, rows = job->corpus.vectors.rows;
    id_index *index = NULL;
    vecna_status status = VECNA_OK;
    if (!job->options->exclude_self)
        return VECNA_OK;
    if ((job->queries.ids == NULL) != (job->corpus.ids == NULL))
        return vecna_error_set(err, VECNA_ERR_NOT_FOUND, -1,
                               "--exclude-self compares ids, but %s has none",
                               job->queries.ids ? job->corpus.path : job->queries.path);
    job->self = vecna_allocate(NULL, queries, sizeof *job->self);
    if (job->self == NULL)
        return no_memory(err);
    if (job->corpus.ids)
        status = id_index_new(job->corpus.ids, rows, &index, err);
    for (size_t query = 0; status == VECNA_OK && query < queries; query++) {
        const char *id = job->queries.ids ? job->queries.ids[query] : NULL;
        if (index)
            job->self[query] = id ? id_index_find(index, id) : -1;
        else
            job->self[query] = query < rows ? (int64_t)query : -1;
    }
    id_index_free(index);
    return status;
}

/* ---- asking ---------------------------------------------------------------------------------- */

static vecna_status ask(const eval_job *job, const vecna_matrix *corpus,
                        const vecna_matrix *queries, ranked *out, vecna_error *err) {
    const rank_options options = {job->options->depth, job->options->metric, job->self, false,
                                  job->pool};
    return rank_rows(vecna_matrix_view(*corpus), vecna_matrix_view(*queries), &options, out, err);
}

/* A copy of a file's vectors with another dimension: cut, or padded with zeros. */
static vecna_status change_dim(const vecna_matrix *from, size_t dim, vecna_matrix *out,
                               vecna_error *err) {
    size_t shared = from->dim < dim ? from->dim : dim;
    float *data = vecna_allocate_zero(NULL, from->rows, dim * sizeof *data);
    if (data == NULL)
        return no_memory(err);
    for (size_t row = 0; row < from->rows; row++)
        memcpy(data + row * dim, from->data + row * from->stride, shared * sizeof *data);
    *out = vecna_matrix_dense(data, from->rows, dim);
    return VECNA_OK;
}

static vecna_status ask_untranslated(const eval_job *job, ranked *out, vecna_error *err) {
    const vecna_matrix *old = job->by_query ? &job->old_queries.vectors : &job->old_corpus.vectors;
    vecna_matrix changed = {NULL, 0, 0, 0};
    vecna_status status = change_dim(old, job->corpus.vectors.dim, &changed, err);
    if (status == VECNA_OK)
        status = job->by_query ? ask(job, &job->corpus.vectors, &changed, out, err)
                               : ask(job, &changed, &job->queries.vectors, out, err);
    free(changed.data);
    return status;
}

/* The same order for every query, without the query's own row. */
static vecna_status repeat_order(const eval_job *job, const int64_t *order, size_t count,
                                 ranked *out, vecna_error *err) {
    size_t queries = job->queries.vectors.rows;
    size_t depth = job->options->depth < count ? job->options->depth : count;
    out->rows = vecna_allocate(NULL, queries, depth * sizeof *out->rows);
    if (out->rows == NULL)
        return no_memory(err);
    out->queries = queries;
    out->depth = depth;
    for (size_t query = 0; query < queries; query++) {
        int64_t *rows = out->rows + query * depth;
        size_t filled = 0;
        for (size_t i = 0; i < count && filled < depth; i++)
            if (job->self == NULL || order[i] != job->self[query])
                rows[filled++] = order[i];
        while (filled < depth)
            rows[filled++] = -1;
    }
    return VECNA_OK;
}

/* One vector for all documents tells none from another: one random order serves every query. */
static vecna_status ask_mean_corpus(const eval_job *job, ranked *out, vecna_error *err) {
    size_t rows = job->corpus.vectors.rows;
    size_t *shuffled = vecna_allocate(NULL, rows, sizeof *shuffled);
    int64_t *order = vecna_allocate(NULL, rows, sizeof *order);
    vecna_random random;
    vecna_status status = shuffled && order ? VECNA_OK : no_memory(err);
    for (size_t row = 0; status == VECNA_OK && row < rows; row++)
        shuffled[row] = row;
    if (status == VECNA_OK) {
        vecna_random_seed(&random, job->options->seed, 1);
        vecna_random_shuffle(&random, shuffled, rows);
        for (size_t row = 0; row < rows; row++)
            order[row] = (int64_t)shuffled[row];
        status = repeat_order(job, order, rows, out, err);
    }
    free(order);
    free(shuffled);
    return status;
}

static vecna_status mean_of_rows(const vecna_matrix *from, float *mean, vecna_error *err) {
    double *sums = vecna_allocate_zero(NULL, from->dim, sizeof *sums);
    if (sums == NULL)
        return no_memory(err);
    for (size_t row = 0; row < from->rows; row++)
        for (size_t i = 0; i < from->dim; i++)
            sums[i] += from->data[row * from->stride + i];
    for (size_t i = 0; i < from->dim; i++)
        mean[i] = (float)(sums[i] / (double)from->rows);
    free(sums);
    return VECNA_OK;
}

/* One vector for all queries finds the same documents for each. */
static vecna_status ask_mean_query(const eval_job *job, ranked *out, vecna_error *err) {
    const vecna_matrix *queries = &job->queries.vectors;
    /* one more than is wanted, for the query whose own row is among them */
    const rank_options options = {job->options->depth + 1, job->options->metric, NULL, false,
                                  job->pool};
    float *mean = vecna_allocate(NULL, queries->dim, sizeof *mean);
    ranked one = {NULL, NULL, 0, 0};
    vecna_status status = mean ? mean_of_rows(queries, mean, err) : no_memory(err);
    if (status == VECNA_OK)
        status = rank_rows(vecna_matrix_view(job->corpus.vectors),
                           vecna_view_dense(mean, 1, queries->dim), &options, &one, err);
    if (status == VECNA_OK)
        status = repeat_order(job, one.rows, one.depth, out, err);
    ranked_free(&one);
    free(mean);
    return status;
}

/* The translated vectors, dealt out to other documents at random. */
static vecna_status ask_shuffled(const eval_job *job, ranked *out, vecna_error *err) {
    const vecna_matrix *from = &job->corpus.vectors;
    vecna_matrix dealt = {NULL, 0, 0, 0};
    size_t *order = vecna_allocate(NULL, from->rows, sizeof *order);
    vecna_random random;
    vecna_status status = order ? change_dim(from, from->dim, &dealt, err) : no_memory(err);
    for (size_t row = 0; status == VECNA_OK && row < from->rows; row++)
        order[row] = row;
    if (status == VECNA_OK) {
        vecna_random_seed(&random, job->options->seed, 2);
        vecna_random_shuffle(&random, order, from->rows);
        for (size_t row = 0; row < from->rows; row++)
            memcpy(dealt.data + row * from->dim, from->data + order[row] * from->stride,
                   from->dim * sizeof *dealt.data);
        status = ask(job, &dealt, &job->queries.vectors, out, err);
    }
    free(dealt.data);
    free(order);
    return status;
}

static bool has_system(const eval_job *job, eval_system system) {
    if (system == SYSTEM_NATIVE)
        return job->has_native;
    if (system == SYSTEM_OLD || system == SYSTEM_UNTRANSLATED)
        return job->has_old;
    return true;
}

static vecna_status ask_system(const eval_job *job, eval_system system, ranked *out,
                               vecna_error *err) {
    const loaded *native_corpus =
        job->native_corpus.vectors.rows ? &job->native_corpus : &job->corpus;
    const loaded *native_queries =
        job->native_queries.vectors.rows ? &job->native_queries : &job->queries;
    switch (system) {
    case SYSTEM_TRANSLATED:
        return ask(job, &job->corpus.vectors, &job->queries.vectors, out, err);
    case SYSTEM_NATIVE:
        return ask(job, &native_corpus->vectors, &native_queries->vectors, out, err);
    case SYSTEM_OLD:
        return ask(job, &job->old_corpus.vectors, &job->old_queries.vectors, out, err);
    case SYSTEM_MEAN:
        return job->by_query ? ask_mean_query(job, out, err) : ask_mean_corpus(job, out, err);
    case SYSTEM_SHUFFLED:
        return ask_shuffled(job, out, err);
    case SYSTEM_UNTRANSLATED:
        return ask_untranslated(job, out, err);
    }
    return VECNA_OK;
}

/* ---- ground truths --------------------------------------------------------------------------- */

static void add_truth(eval_job *job, const char *name, vecna_judgements *judgements) {
    eval_truth *truth = &job->truths[job->truth_count++];
    truth->name = name;
    truth->judgements = judgements;
    truth->about = vecna_judgements_about(judgements);
}

/* The native model's own first k of each query, all of the same worth. */
static vecna_status judge_by_native(eval_job *job, vecna_error *err) {
    const ranked *lists = &job->native;
    size_t k = job->options->k < lists->depth ? job->options->k : lists->depth, count = 0;
    vecna_judgement *entries = vecna_allocate(NULL, lists->queries, k * sizeof *entries);
    vecna_judgements *judgements = NULL;
    vecna_status status = VECNA_OK;
    if (entries == NULL)
        return no_memory(err);
    for (size_t query = 0; query < lists->queries; query++) {
        for (size_t i = 0; i < k && lists->rows[query * lists->depth + i] >= 0; i++) {
            entries[count].query = query;
            entries[count].doc = lists->rows[query * lists->depth + i];
            entries[count++].grade = 1;
        }
    }
    status = vecna_judgements_new(entries, count, lists->queries, job->corpus.vectors.rows, NULL,
                                  &judgements, err);
    if (status == VECNA_OK)
        add_truth(job, "native neighbours", judgements);
    free(entries);
    return status;
}

static vecna_status find_truths(eval_job *job, vecna_error *err) {
    vecna_status status =
        judge_queries(&job->queries, &job->corpus, job->options->qrels, &job->source, err);
    if (job->source.from_field && job->options->query_texts)
        job->source.path = job->options->query_texts;
    if (status == VECNA_OK && job->source.judgements)
        add_truth(job, "judged queries", job->source.judgements);
    job->source.judgements = NULL; /* the truth owns them now */
    if (status == VECNA_OK && job->has_native) {
        status = ask_system(job, SYSTEM_NATIVE, &job->native, err);
        if (status == VECNA_OK)
            status = judge_by_native(job, err);
    }
    if (status == VECNA_OK && job->truth_count == 0)
        status = vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                                 "there is nothing to judge %s by: give judgements (--qrels, or a "
                                 "field \"relevant\" of %s), or --native-corpus",
                                 job->corpus.path, job->queries.path);
    return status;
}

/* ---- figures --------------------------------------------------------------------------------- */

static vecna_status score_lists(eval_job *job, eval_system system, const ranked *lists,
                                vecna_error *err) {
    const vecna_retrieval_options options = {job->options->k, 0, {NULL, 0}, NULL};
    vecna_ranking ranking = ranked_view(lists), native = ranked_view(&job->native);
    size_t queries = lists->queries;
    vecna_status status = VECNA_OK;
    for (size_t i = 0; status == VECNA_OK && i < job->truth_count; i++) {
        eval_truth *truth = &job->truths[i];
        truth->scores[system] = vecna_allocate(NULL, queries, VECNA_MEASURES * sizeof(double));
        status = truth->scores[system] ? vecna_eval_retrieval(&ranking, truth->judgements, &options,
                                                              truth->scores[system], err)
                                       : no_memory(err);
    }
    if (status == VECNA_OK && job->has_native) {
        size_t k = job->options->k < lists->depth ? job->options->k : lists->depth;
        job->overlap[system] = vecna_allocate(NULL, queries, sizeof(double));
        status = job->overlap[system]
                     ? vecna_eval_overlap(&ranking, k, &native, k, NULL, job->overlap[system], err)
                     : no_memory(err);
        if (status == VECNA_OK && system == SYSTEM_TRANSLATED) {
            job->native_first = vecna_allocate(NULL, queries, sizeof(double));
            status = job->native_first
                         ? vecna_eval_overlap(&ranking, k, &native, 1, NULL, job->native_first, err)
                         : no_memory(err);
        }
    }
    return status;
}

static vecna_status score_systems(eval_job *job, vecna_error *err) {
    vecna_status status = VECNA_OK;
    for (int i = 0; status == VECNA_OK && i < SYSTEMS; i++) {
        eval_system system = (eval_system)i;
        ranked lists = {NULL, NULL, 0, 0};
        if (!has_system(job, system))
            continue;
        if (system == SYSTEM_NATIVE) {
            status = score_lists(job, system, &job->native, err);
            continue;
        }
        status = ask_system(job, system, &lists, err);
        if (status == VECNA_OK)
            status = score_lists(job, system, &lists, err);
        ranked_free(&lists);
    }
    return status;
}

static vecna_status judge_truth(const eval_job *job, eval_truth *truth,
                                const vecna_bootstrap_options *options, vecna_error *err) {
    size_t queries = job->queries.vectors.rows;
    vecna_status status = VECNA_OK;
    for (int system = FIRST_CONTROL; system < SYSTEMS; system++)
        if (truth->scores[system])
            truth->control_systems[truth->control_count++] = (eval_system)system;
    for (size_t measure = 0; status == VECNA_OK && measure < SHOWN_MEASURES; measure++) {
        vecna_control controls[CONTROLS];
        vecna_retention_input input = {NULL, NULL, NULL, controls, truth->control_count, queries};
        input.translated = truth->scores[SYSTEM_TRANSLATED] + measure * queries;
        if (truth->scores[SYSTEM_NATIVE])
            input.native = truth->scores[SYSTEM_NATIVE] + measure * queries;
        if (truth->scores[SYSTEM_OLD])
            input.status_quo = truth->scores[SYSTEM_OLD] + measure * queries;
        for (size_t i = 0; i < truth->control_count; i++) {
            controls[i].name = system_names[truth->control_systems[i]];
            controls[i].values = truth->scores[truth->control_systems[i]] + measure * queries;
        }
        status = vecna_eval_retention(&input, options, &truth->kept[measure],
                                      truth->controls[measure], err);
    }
    return status;
}

static vecna_status mean_interval(const double *values, size_t queries,
                                  const vecna_bootstrap_options *options, vecna_interval *out,
                                  vecna_error *err) {
    static const vecna_statistic mean = {VECNA_STATISTIC_MEAN, 0, 0, 0};
    const vecna_bootstrap_input input = {&values, 1, queries, &mean, 1};
    return vecna_eval_bootstrap(&input, options, out, err);
}

static vecna_status compute_figures(eval_job *job, vecna_error *err) {
    const vecna_bootstrap_options options = {job->options->resamples, 0, job->options->seed,
                                             job->pool, NULL};
    size_t queries = job->queries.vectors.rows;
    vecna_status status = VECNA_OK;
    for (size_t i = 0; status == VECNA_OK && i < job->truth_count; i++)
        status = judge_truth(job, &job->truths[i], &options, err);
    for (int i = 0; status == VECNA_OK && i < SYSTEMS; i++)
        if (job->overlap[i])
            status = mean_interval(job->overlap[i], queries, &options, &job->overlaps[i], err);
    if (status == VECNA_OK && job->native_first)
        status = mean_interval(job->native_first, queries, &options, &job->native_firsts, err);
    if (status == VECNA_OK && job->has_native)
        job->verdict = vecna_eval_verdict(&job->truths[0].kept[job->options->measure],
                                          job->options->min_retention, &job->reasons);
    return status;
}

vecna_status eval_measure(eval_job *job, vecna_error *err) {
    vecna_status status = find_self(job, err);
    if (status == VECNA_OK)
        status = find_truths(job, err);
    if (status == VECNA_OK)
        status = score_systems(job, err);
    if (status == VECNA_OK)
        status = compute_figures(job, err);
    return status;
}

void eval_free(eval_job *job) {
    for (size_t i = 0; i < job->truth_count; i++) {
        vecna_judgements_free(job->truths[i].judgements);
        for (int system = 0; system < SYSTEMS; system++)
            free(job->truths[i].scores[system]);
    }
    for (int system = 0; system < SYSTEMS; system++)
        free(job->overlap[system]);
    free(job->native_first);
    free(job->self);
    judged_free(&job->source);
    ranked_free(&job->native);
    unload(&job->old_queries);
    unload(&job->old_corpus);
    unload(&job->native_queries);
    unload(&job->native_corpus);
    unload(&job->queries);
    unload(&job->corpus);
    vecna_pool_free(job->pool);
}
