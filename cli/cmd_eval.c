/* vecna eval: what a translated corpus keeps. This file reads the files and sees that they belong
 * together; eval_run.c asks, eval_report.c prints. */
#include "cli/eval.h"
#include "cli/eval_tasks.h"

#include <string.h>

enum { ROLE_AUTO, ROLE_DOCUMENT, ROLE_QUERY };

/* Files of one corpus in several spaces go together row by row. */
static vecna_status check_aligned(const loaded *a, const loaded *b, vecna_error *err) {
    if (a->vectors.rows != b->vectors.rows)
        return vecna_error_set(err, VECNA_ERR_DIM, -1,
                               "%s has %zu rows and %s has %zu: row for row they must be the same "
                               "texts",
                               a->path, a->vectors.rows, b->path, b->vectors.rows);
    for (size_t row = 0; a->ids && b->ids && row < a->vectors.rows; row++)
        if (a->ids[row] && b->ids[row] && strcmp(a->ids[row], b->ids[row]) != 0)
            return vecna_error_set(
                err, VECNA_ERR_VALUE, (int64_t)row,
                "row %zu has the id \"%.40s\" in %s and \"%.40s\" in %s: row for "
                "row they must be the same texts",
                row, a->ids[row], a->path, b->ids[row], b->path);
    return VECNA_OK;
}

/* Load a file unless path is NULL; `beside` (or NULL) is the file that it goes with. */
static vecna_status load_part(const eval_options *o, const char *path, const loaded *beside,
                              loaded *out, vecna_error *err) {
    vecna_format_options format = format_options(&o->input);
    vecna_status status;
    if (path == NULL)
        return VECNA_OK;
    status = load_vectors(path, &format, out, err);
    if (status == VECNA_OK)
        status = check_finite(path, vecna_matrix_view(out->vectors), 0, err);
    if (status == VECNA_OK && beside)
        status = check_aligned(beside, out, err);
    return status;
}

static vecna_status load_all(eval_job *job, const char *const *paths, vecna_error *err) {
    const eval_options *o = job->options;
    const vecna_format_options names = format_options(&o->input);
    const loaded *native_corpus, *native_queries;
    vecna_status status = load_part(o, paths[0], NULL, &job->corpus, err);
    if (status == VECNA_OK && o->corpus_texts)
        status = load_texts(o->corpus_texts, &names, &job->corpus, err);
    if (status == VECNA_OK)
        status = load_part(o, paths[1], NULL, &job->queries, err);
    if (status == VECNA_OK && o->query_texts)
        status = load_texts(o->query_texts, &names, &job->queries, err);
    if (status == VECNA_OK)
        status = check_same_dim(&job->corpus, &job->queries, err);
    if (status == VECNA_OK)
        status = load_part(o, o->native_corpus, &job->corpus, &job->native_corpus, err);
    if (status == VECNA_OK)
        status = load_part(o, o->native_queries, &job->queries, &job->native_queries, err);
    if (status == VECNA_OK)
        status = load_part(o, o->old_corpus, &job->corpus, &job->old_corpus, err);
    if (status == VECNA_OK)
        status = load_part(o, o->old_queries, &job->queries, &job->old_queries, err);
    native_corpus = o->native_corpus ? &job->native_corpus : &job->corpus;
    native_queries = o->native_queries ? &job->native_queries : &job->queries;
    if (status == VECNA_OK)
        status = check_same_dim(native_corpus, native_queries, err);
    if (status == VECNA_OK && job->has_old)
        status = check_same_dim(&job->old_corpus, &job->old_queries, err);
    return status;
}

static int run_eval(const eval_options *o, const char *const *paths) {
    eval_job job;
    vecna_error err;
    vecna_status status;
    int exit_status = EXIT_DONE;

    memset(&job, 0, sizeof job);
    job.options = o;
    job.has_native = o->native_corpus || o->native_queries;
    job.has_old = o->old_corpus != NULL;
    job.by_query =
        o->role == ROLE_QUERY || (o->role == ROLE_AUTO && o->native_queries && !o->native_corpus);
    status = vecna_pool_new(o->threads, NULL, &job.pool, &err);
    if (status == VECNA_OK)
        status = load_all(&job, paths, &err);
    if (status == VECNA_OK)
        status = eval_measure(&job, &err);
    if (status != VECNA_OK)
        exit_status = fail_with(&err);
    else if (o->json)
        exit_status = eval_print_json(&job);
    else
        eval_print(&job);
    if (exit_status == EXIT_DONE && job.has_native && job.verdict == VECNA_VERDICT_FAIL)
        exit_status = EXIT_VERDICT;
    eval_free(&job);
    return exit_status;
}

/* vecna eval cluster ...: a task other than retrieval. A file of such a name is ./cluster. */
static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} tasks[] = {
    {"analogy", eval_analogy}, {"classify", eval_classify},     {"cluster", eval_cluster},
    {"pairs", eval_pairs},     {"similarity", eval_similarity}, {"zeroshot", eval_zeroshot},
};

int command_eval(int argc, char **argv) {
    eval_options o = {.k = 10, .depth = 1000, .min_retention = 0.5};
    const option options[] = {
        {"native-corpus", 0, OPTION_TEXT, &o.native_corpus, "FILE",
         "the corpus embedded by the target model itself"},
        {"native-queries", 0, OPTION_TEXT, &o.native_queries, "FILE",
         "the queries embedded by the target model, when\nthe queries are what was translated"},
        {"old-corpus", 0, OPTION_TEXT, &o.old_corpus, "FILE", "the corpus before translation, and"},
        {"old-queries", 0, OPTION_TEXT, &o.old_queries, "FILE",
         "the queries in its space: is keeping it better?"},
        {"role", 0, OPTION_CHOICE, &o.role, "auto|document|query",
         "what was translated (auto: the queries when only\n--native-queries is given, else the "
         "documents)"},
        {"qrels", 0, OPTION_TEXT, &o.qrels, "FILE",
         "judgements, TREC or BEIR TSV; otherwise the field\n\"relevant\" of the queries, if any"},
        {"corpus-texts", 0, OPTION_TEXT, &o.corpus_texts, "FILE",
         "ids of CORPUS: a line a row, JSON with \"id\""},
        {"query-texts", 0, OPTION_TEXT, &o.query_texts, "FILE",
         "\"id\" and \"relevant\" of QUERIES, the same way"},
        {"figures", 0, OPTION_GROUP, NULL, NULL, "figures"},
        {"k", 'k', OPTION_COUNT, &o.k, "N", "cutoff of nDCG, recall, MRR and overlap (10)"},
        {"depth", 0, OPTION_COUNT, &o.depth, "N", "how deep a ranking goes, for MAP (1000)"},
        {"metric", 'm', OPTION_CHOICE, &o.metric, RANK_METRICS, "what is near (cosine)"},
        {"exclude-self", 0, OPTION_FLAG, &o.exclude_self, NULL,
         "a query does not find the row with its own id\n(without ids: its own row number)"},
        {"measure", 0, OPTION_CHOICE, &o.measure, "ndcg|recall|mrr|map",
         "what the verdict stands on (ndcg)"},
        {"min-retention", 0, OPTION_NUMBER, &o.min_retention, "X",
         "FAIL when retention may be below this (0.5)"},
        {"resamples", 0, OPTION_COUNT, &o.resamples, "N", "of the bootstrap (2000)"},
        {"seed", 0, OPTION_WHOLE, &o.seed, "N", "of the bootstrap and the controls (0)"},
        {"json", 0, OPTION_FLAG, &o.json, NULL, "one JSON object"},
        {"threads", 0, OPTION_COUNT, &o.threads, "N", "(default: the CPUs allowed)"},
        INPUT_OPTIONS(o.input),
    };
    const usage use = {
        "vecna eval CORPUS QUERIES [options]",
        "Says what a translated CORPUS keeps when QUERIES ask it: recall, MRR, nDCG and MAP by "
        "judged\n"
        "queries, overlap with the native model's lists, retention with 95 % intervals, what of "
        "the gap\n"
        "is recovered, and whether keeping the old model were better. Exit status 3: FAIL.\n"
        "Other tasks: vecna eval analogy, classify, cluster, pairs, similarity, zeroshot (each "
        "with --help).",
        options,
        sizeof options / sizeof options[0],
        "  vecna eval translated.npy queries.768.npy --native-corpus corpus.768.npy \\\n"
        "      --query-texts queries.jsonl --old-corpus corpus.384.npy --old-queries "
        "queries.384.npy\n"
        "  vecna eval corpus.jsonl queries.jsonl --qrels test.tsv --json\n",
        2,
        2};
    const char *paths[2];
    size_t count;
    int status;
    for (size_t i = 0; argc > 1 && i < sizeof tasks / sizeof tasks[0]; i++)
        if (strcmp(argv[1], tasks[i].name) == 0)
            return tasks[i].run(argc - 1, argv + 1);
    status = parse_arguments(argc, argv, &use, paths, &count);

    if (status >= 0)
        return status;
    if ((o.old_corpus == NULL) != (o.old_queries == NULL))
        return usage_error(&use,
                           "--old-corpus and --old-queries go together: the old model answers "
                           "queries of its own space");
    if (o.min_retention < 0)
        return usage_error(&use, "--min-retention is 0 or more, not %g", o.min_retention);
    if (o.depth < o.k)
        o.depth = o.k;
    return run_eval(&o, paths);
}
