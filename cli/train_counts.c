/* vecna train onehot, tfidf, lsa: texts into vectors by counting their words; what any model has to beat. */
#include "cli/train.h"

#include <stdlib.h>
#include <string.h>

typedef struct counts_options {
    text_options text;
    const char *name, *output, *keep;
    vecna_counts_options model;
    size_t threads;
    int norm; /* 0: l2 */
    bool sublinear, json;
} counts_options;

typedef struct counts_job {
    const counts_options *options;
    const char *path;
    vecna_corpus corpus;
    vecna_counts *model;
    vecna_pool *pool;
    progress meter;
    size_t empty; /* texts without a word */
    double seconds;
} counts_job;

static vecna_status fill_rows(const void *user, size_t first, vecna_matrix out, vecna_error *err) {
    return vecna_counts_vectors(user, first, out, err);
}

static int show_round(void *user, size_t round, size_t rounds) {
    counts_job *job = user;
    if (round == 1 && !job->options->json)
        progress_start(&job->meter, "turns", (int64_t)rounds);
    if (!job->options->json)
        progress_add(&job->meter, 1);
    return 0;
}

static vecna_status check_room(const counts_job *job, vecna_error *err) {
    const counts_options *o = job->options;
    const size_t columns =
        o->model.buckets ? o->model.buckets : vecna_vocab_size(job->corpus.vocab);
    const size_t dim = o->model.method == VECNA_LSA ? o->model.dim : columns;
    /* numbers as they are in .npy, and .safetensors; as text most are 0, which is two bytes */
    const double disk = 4 * (double)job->corpus.units * (double)dim;
    if (dim > VECNA_FORMAT_MAX_DIM)
        return vecna_error_set(err, VECNA_ERR_OVERFLOW, -1,
                               "%.100s has %zu different words, and a vector at most %zu numbers; "
                               "--min-count or --max-words leave rare words out, --buckets lets "
                               "words share a column",
                               job->path, dim, VECNA_FORMAT_MAX_DIM);
    return check_resources(o->output, (size_t)vecna_counts_bytes(&o->model, &job->corpus), disk,
                           err);
}

static vecna_status count(counts_job *job, vecna_error *err) {
    const counts_options *o = job->options;
    vecna_counts_options model = o->model;
    vecna_status status = check_room(job, err);
    if (status != VECNA_OK)
        return status;
    model.tokens = (vecna_tokens)o->text.tokens;
    model.keep_case = o->text.keep_case;
    model.progress = show_round;
    model.progress_user = job;
    model.pool = job->pool;
    status = vecna_counts_new(&model, &job->corpus, &job->model, err);
    progress_end(&job->meter);
    return status;
}

static vecna_status write_result(counts_job *job, vecna_error *err) {
    const counts_options *o = job->options;
    vector_output output = {
        job->corpus.units, vecna_counts_about(job->model).dim, fill_rows, job->model, NULL, NULL};
    vecna_status status = write_numbered(o->output, &output, err);
    if (status == VECNA_OK && o->keep)
        status = vecna_counts_save(job->model, o->keep, err);
    for (size_t text = 0; text < job->corpus.units; text++)
        job->empty += job->corpus.starts[text] == job->corpus.starts[text + 1];
    if (status == VECNA_OK && job->empty)
        note("%s of the %s texts have no word that is counted; their vectors are zero",
             grouped(job->empty), grouped(job->corpus.units));
    return status;
}

static void print_summary(const counts_job *job) {
    const counts_options *o = job->options;
    const vecna_counts_info about = vecna_counts_about(job->model);
    printf("%s: %s texts x %s dimensions, %s\n", o->output, grouped(about.texts),
           grouped(about.dim), o->name);
    printf("  read      %s words of %s; %s of them, %s different ones, are left out\n",
           grouped(job->corpus.tokens_read), job->path,
           grouped(job->corpus.tokens_read - job->corpus.tokens), grouped(job->corpus.words_rare));
    printf("  columns   %s%s\n", grouped(about.columns), o->model.buckets ? ", shared" : "");
    if (about.values)
        printf("  kept      %.1f %% of the sum of squares, in %zu turns\n", 100 * about.share,
               about.rounds);
    if (o->keep)
        printf("  model     %s embeds other texts: vecna embed --model\n", o->keep);
    printf("  time      %.1f s\n", job->seconds);
}

static int print_summary_json(const counts_job *job) {
    const counts_options *o = job->options;
    const vecna_counts_info about = vecna_counts_about(job->model);
    vecna_json_writer json;
    vecna_json_writer_init(&json, 0, NULL);
    vecna_json_write_object_begin(&json);
    vecna_json_write_key(&json, "output");
    vecna_json_write_string(&json, o->output);
    vecna_json_write_key(&json, "method");
    vecna_json_write_string(&json, o->name);
    json_count(&json, "texts", about.texts);
    json_count(&json, "texts_without_words", job->empty);
    json_count(&json, "dim", about.dim);
    json_count(&json, "columns", about.columns);
    json_count(&json, "words_read", job->corpus.tokens_read);
    json_count(&json, "words_left_out", job->corpus.tokens_read - job->corpus.tokens);
    if (about.values) {
        json_count(&json, "turns", about.rounds);
        vecna_json_write_key(&json, "share_kept");
        vecna_json_write_f64(&json, about.share);
        vecna_json_write_key(&json, "singular_values");
        vecna_json_write_array_begin(&json);
        for (size_t d = 0; d < about.dim; d++)
            vecna_json_write_f64(&json, about.values[d]);
        vecna_json_write_array_end(&json);
    }
    vecna_json_write_key(&json, "seconds");
    vecna_json_write_f64(&json, job->seconds);
    vecna_json_write_object_end(&json);
    return print_json(&json, stdout);
}

static int run(const counts_options *o, const char *path) {
    counts_job job;
    vecna_error err;
    vecna_status status;
    int exit_status = EXIT_DONE;
    const double started = seconds_now();
    memset(&job, 0, sizeof job);
    job.options = o;
    job.path = path;
    status = check_output_name(o->output, &err);
    if (status == VECNA_OK && o->keep)
        status = check_writable(o->keep, &err);
    if (status == VECNA_OK)
        status = vecna_pool_new(o->threads, NULL, &job.pool, &err);
    if (status == VECNA_OK)
        status = read_corpus(path, &o->text, NULL, true, &job.corpus, &err);
    if (status == VECNA_OK)
        status = count(&job, &err);
    if (status == VECNA_OK)
        status = write_result(&job, &err);
    job.seconds = seconds_now() - started;
    if (status != VECNA_OK)
        exit_status = fail_with(&err);
    else if (o->json)
        exit_status = print_summary_json(&job);
    else
        print_summary(&job);
    vecna_counts_free(job.model);
    vecna_corpus_free(&job.corpus);
    vecna_pool_free(job.pool);
    return exit_status;
}

/* ---- the commands ---------------------------------------------------------------------------- */

#define OUTPUT_OPTIONS(o)                                                                          \
    {"output",                                                                                     \
     'o',                                                                                          \
     OPTION_TEXT,                                                                                  \
     &(o).output,                                                                                  \
     "FILE",                                                                                       \
     "vectors, a row a text; the name tells the format:\n.npy .safetensors .txt .bin .jsonl "      \
     ".csv"},                                                                                      \
    {                                                                                              \
        "keep", 0, OPTION_TEXT, &(o).keep, "MODEL",                                                \
            "what embeds other texts (vecna embed --model), into\na file"                          \
    }

#define SUBLINEAR_OPTION(o)                                                                        \
    { "sublinear", 0, OPTION_FLAG, &(o).sublinear, NULL, "1 + ln(count) instead of the count" }

#define COUNTING_OPTIONS(o, length)                                                                 \
    {"norm", 0, OPTION_CHOICE, &(o).norm, "l2|none", "length of a row of words (" length ")"},      \
        {"buckets",          0,   OPTION_COUNT,                                                     \
         &(o).model.buckets, "N", "words share N columns by a hash (a column each)"},               \
        {"reading", 0, OPTION_GROUP, NULL, NULL, "reading text"},                                   \
        {"tokens",                                                                                  \
         0,                                                                                         \
         OPTION_CHOICE,                                                                             \
         &(o).text.tokens,                                                                          \
         "words|space",                                                                             \
         "words: runs of letters and digits, normalised and\nlowered; space: what stands between "  \
         "blanks, as it is"},                                                                       \
        {"keep-case", 0, OPTION_FLAG, &(o).text.keep_case, NULL, "words are not lowered"},          \
        {"min-count",         0,   OPTION_COUNT,                                                    \
         &(o).text.min_count, "N", "words that occur less often are left out (1)"},                 \
        {"max-words",          0,   OPTION_COUNT,                                                   \
         &(o).text.most_words, "N", "only the most frequent ones (all)"},                           \
        {"unit", 0, OPTION_CHOICE, &(o).text.unit, "line|paragraph|file", "what a text is (line)"}, \
        {"running", 0, OPTION_GROUP, NULL, NULL, "running"},                                        \
        {"threads",    0,   OPTION_COUNT,                                                           \
         &(o).threads, "N", "(the CPUs allowed); any number gives the same vectors"},               \
    {                                                                                               \
        "json", 0, OPTION_FLAG, &(o).json, NULL, "one JSON object"                                  \
    }

static int train_counts(int argc, char **argv, counts_options *o, const usage *use) {
    const char *path;
    size_t count;
    int status = parse_arguments(argc, argv, use, &path, &count);
    if (status >= 0)
        return status;
    if (o->output == NULL)
        return usage_error(use, "say where the vectors go: -o VECTORS");
    if (o->model.buckets && (o->text.min_count > 1 || o->text.most_words))
        return usage_error(use, "--buckets has a column for every word: leave --min-count and "
                                "--max-words out");
    o->model.sublinear = o->sublinear;
    o->model.unit_rows = o->norm == 0;
    return run(o, path);
}

int train_onehot(int argc, char **argv) {
    counts_options o = {
        .name = "onehot", .text = {.min_count = 1}, .norm = 1, .model = {.method = VECNA_ONEHOT}};
    const option options[] = {OUTPUT_OPTIONS(o), COUNTING_OPTIONS(o, "none")};
    const usage use = {
        "vecna train onehot TEXTS -o VECTORS [options]",
        "A dimension for each word, and 1 where a text (a line of TEXTS) has it: what "
        "every model has to beat.",
        options,
        sizeof options / sizeof options[0],
        "  vecna train onehot reviews.txt -o reviews.npy --min-count 5\n",
        1,
        1};
    return train_counts(argc, argv, &o, &use);
}

int train_tfidf(int argc, char **argv) {
    counts_options o = {
        .name = "tfidf", .text = {.min_count = 1}, .model = {.method = VECNA_TFIDF}};
    const option options[] = {OUTPUT_OPTIONS(o), SUBLINEAR_OPTION(o), COUNTING_OPTIONS(o, "l2")};
    const usage use = {
        "vecna train tfidf TEXTS -o VECTORS [options]",
        "A dimension for each word: how often a text (a line of TEXTS) has it, times "
        "ln((1 + texts) / (1 + texts\nwith it)) + 1, as scikit-learn does.",
        options,
        sizeof options / sizeof options[0],
        "  vecna train tfidf corpus.txt -o corpus.npy --keep tfidf.model\n"
        "  vecna embed queries.txt -o queries.npy --model tfidf.model\n",
        1,
        1};
    return train_counts(argc, argv, &o, &use);
}

int train_lsa(int argc, char **argv) {
    counts_options o = {.name = "lsa",
                        .text = {.min_count = 1},
                        .model = {.method = VECNA_LSA, .dim = 100, .rounds = 10, .seed = 1}};
    const option options[] = {
        OUTPUT_OPTIONS(o),
        {"dim", 'd', OPTION_COUNT, &o.model.dim, "N", "dimensions (100)"},
        {"turns", 0, OPTION_COUNT, &o.model.rounds, "N",
         "of the iteration that finds them, at most (10)"},
        {"seed", 0, OPTION_WHOLE, &o.model.seed, "N", "of the directions that it starts from (1)"},
        SUBLINEAR_OPTION(o),
        COUNTING_OPTIONS(o, "l2"),
    };
    const usage use = {
        "vecna train lsa TEXTS -o VECTORS [options]",
        "tf-idf, and of it the directions in which all texts (lines of TEXTS) differ "
        "most: words that go\ntogether count as one (latent semantic analysis).",
        options,
        sizeof options / sizeof options[0],
        "  vecna train lsa corpus.txt -o corpus.npy --dim 200 --keep lsa.model\n"
        "  vecna embed queries.txt -o queries.npy --model lsa.model\n",
        1,
        1};
    return train_counts(argc, argv, &o, &use);
}
