/* vecna train word2vec: a text into vectors of its words. */
#include "cli/train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct word2vec_options {
    text_options text;
    training_options training;
    vecna_word2vec_options model;
    int arch, loss, gradient;
    double exponent, sample;
    bool subwords;
} word2vec_options;

typedef struct word2vec_job {
    const word2vec_options *options;
    const char *path;
    word_vectors earlier;
    vecna_vocab *earlier_vocab;
    vecna_corpus corpus;
    vecna_supply supply;
    vecna_word2vec *model;
    vecna_pool *pool;
    trainer watch;
    size_t started; /* words that began with an earlier vector */
} word2vec_job;

TRAINABLE(word2vec);

/* ---- earlier vectors ------------------------------------------------------------------------- */

static vecna_status load_earlier(word2vec_job *job, vecna_error *err) {
    static const input_options as_told;
    const char *path = job->options->training.from;
    vecna_status status;
    if (path == NULL)
        return VECNA_OK;
    status = load_words(path, &as_told, NULL, &job->earlier, err);
    if (status == VECNA_OK && job->earlier.file.vectors.dim != job->options->model.dim)
        status = vecna_error_set(err, VECNA_ERR_DIM, -1,
                                 "%.100s has %zu dimensions; say --dim %zu to go on from it", path,
                                 job->earlier.file.vectors.dim, job->earlier.file.vectors.dim);
    if (status == VECNA_OK)
        status = vecna_vocab_new(NULL, &job->earlier_vocab, err);
    for (size_t i = 0; status == VECNA_OK && i < job->earlier.file.vectors.rows; i++) {
        const char *word = job->earlier.words[i];
        int32_t id = 0;
        if (word)
            status = vecna_vocab_add(job->earlier_vocab, word, strlen(word), 0, &id, err);
    }
    return status;
}

/* Rows of earlier vectors for the words of the new vocabulary; of a word given twice, the first. */
static vecna_status start_from_earlier(word2vec_job *job, vecna_error *err) {
    size_t words = job->supply.numbers;
    vecna_view vectors = vecna_matrix_view(job->earlier.file.vectors);
    int64_t *rows;
    vecna_status status;
    if (job->earlier_vocab == NULL)
        return VECNA_OK;
    rows = malloc(words * sizeof *rows);
    if (rows == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for %zu words", words);
    for (size_t i = 0; i < words; i++)
        rows[i] = -1;
    for (size_t i = vectors.rows; i > 0; i--) {
        const char *word = job->earlier.words[i - 1];
        int32_t id = word ? vecna_vocab_find(job->corpus.vocab, word, strlen(word)) : -1;
        if (id >= 0)
            rows[id] = (int64_t)i - 1;
    }
    for (size_t i = 0; i < words; i++)
        job->started += rows[i] >= 0;
    status = vecna_word2vec_start(job->model, vectors, rows, err);
    free(rows);
    return status;
}

/* ---- the work -------------------------------------------------------------------------------- */

static vecna_status make_model(word2vec_job *job, vecna_error *err) {
    const word2vec_options *o = job->options;
    size_t words, bytes = 0;
    vecna_status status;
    job->supply = vecna_supply_of(&job->corpus);
    words = job->supply.numbers;
    status = vecna_word2vec_bytes(&o->model, words, &bytes, err);
    if (status == VECNA_OK)
        status = check_resources(o->training.output, bytes,
                                 (double)words * (double)o->model.dim * 22 + (double)bytes, err);
    if (status == VECNA_OK)
        status = vecna_word2vec_new(&o->model, &job->supply, job->corpus.vocab, &job->model, err);
    job->watch.model = job->model;
    return status;
}

static vecna_status fill_rows(const void *user, size_t first, vecna_matrix out, vecna_error *err) {
    return vecna_word2vec_vectors(user, first, out, err);
}

static vecna_status write_result(word2vec_job *job, vecna_error *err) {
    vector_output output = {job->supply.numbers, job->options->model.dim, fill_rows,
                            job->model,          word_of_vocab,           job->corpus.vocab};
    return write_vectors(job->options->training.output, &output, err);
}

static void print_summary(const void *user) {
    const word2vec_job *job = user;
    const word2vec_options *o = job->options;
    char *beside = words_path(o->training.output);
    printf("%s: %s words x %zu dimensions, %s by %s%s\n", o->training.output,
           grouped(job->supply.numbers), o->model.dim,
           o->model.arch == VECNA_SKIPGRAM ? "skip-gram" : "CBOW",
           o->model.hierarchical ? "hierarchical softmax" : "negative sampling",
           o->model.max_n ? ", with subwords" : "");
    if (beside)
        printf("  words in  %s\n", beside);
    printf("  read      %s words of %s; %s of them, %s different ones, are too rare\n",
           grouped(job->corpus.tokens_read), job->path,
           grouped(job->corpus.tokens_read - job->corpus.tokens), grouped(job->corpus.words_rare));
    if (job->corpus.phrases)
        printf("  phrases   %s in the vocabulary\n", grouped(job->corpus.phrases));
    if (o->training.from)
        printf("  started   %s words from %s\n", grouped(job->started), o->training.from);
    trainer_print(&job->watch);
    free(beside);
}

static int print_summary_json(const void *user) {
    const word2vec_job *job = user;
    const word2vec_options *o = job->options;
    vecna_json_writer json;
    trainer_json_begin(&job->watch, "word2vec", &json);
    vecna_json_write_key(&json, "arch");
    vecna_json_write_string(&json, o->model.arch == VECNA_SKIPGRAM ? "skipgram" : "cbow");
    json_count(&json, "words", job->supply.numbers);
    json_count(&json, "dim", o->model.dim);
    json_count(&json, "words_read", job->corpus.tokens_read);
    json_count(&json, "words_of_an_epoch", job->corpus.tokens);
    json_count(&json, "words_rare", job->corpus.words_rare);
    json_count(&json, "phrases", job->corpus.phrases);
    json_count(&json, "started_from_earlier", job->started);
    return trainer_json_end(&job->watch, &json);
}

static int run(const word2vec_options *o, const char *path) {
    word2vec_job job;
    vecna_error err;
    vecna_status status;
    int exit_status;

    memset(&job, 0, sizeof job);
    job.options = o;
    job.path = path;
    job.watch.options = &o->training;
    job.watch.kind = &word2vec_trainable;
    job.watch.what = "words";
    status = check_output_name(o->training.output, &err);
    if (status == VECNA_OK)
        status = vecna_pool_new(o->training.threads, NULL, &job.pool, &err);
    if (status == VECNA_OK)
        status = load_earlier(&job, &err);
    if (status == VECNA_OK)
        status = read_corpus(path, &o->text, job.earlier_vocab, false, &job.corpus, &err);
    if (status == VECNA_OK)
        status = make_model(&job, &err);
    if (status == VECNA_OK)
        status = start_from_earlier(&job, &err);
    if (status == VECNA_OK)
        status = trainer_run(&job.watch, job.pool, &err);
    if (status == VECNA_OK)
        status = write_result(&job, &err);
    exit_status = trainer_end(&job.watch, status, &err, print_summary_json, print_summary, &job);
    vecna_word2vec_free(job.model);
    vecna_corpus_free(&job.corpus);
    vecna_vocab_free(job.earlier_vocab);
    unload_words(&job.earlier);
    vecna_pool_free(job.pool);
    return exit_status;
}

int train_word2vec(int argc, char **argv) {
    word2vec_options o = {
        .training = {.seed = 1, .checkpoint_seconds = 300},
        .model = {.dim = 100,
                  .window = 5,
                  .negative = 5,
                  .epochs = 5,
                  .rate = NAN,
                  .min_n = 3,
                  .max_n = 6,
                  .buckets = 2000000},
        .exponent = 0.75,
        .sample = 1e-3,
    };
    const option options[] = {
        {"output", 'o', OPTION_TEXT, &o.training.output, "FILE",
         "vectors; the name tells the format: .txt .bin .npy\n.safetensors .vec .glove .jsonl "
         ".csv"},
        {"arch", 0, OPTION_CHOICE, &o.arch, "skipgram|cbow", "what predicts what (skipgram)"},
        {"dim", 'd', OPTION_COUNT, &o.model.dim, "N", "dimensions (100)"},
        {"window", 'w', OPTION_COUNT, &o.model.window, "N", "words on either side, at most (5)"},
        {"epochs", 'e', OPTION_COUNT, &o.model.epochs, "N", "times through the text (5)"},
        {"lr", 0, OPTION_NUMBER, &o.model.rate, "X",
         "learning rate at the start (0.05; of CBOW 0.075 by\nnegative sampling, 0.15 by "
         "--gradient mean)"},
        {"loss", 0, OPTION_CHOICE, &o.loss, "negative|hierarchical",
         "negative sampling, or hierarchical softmax"},
        {"negative", 'n', OPTION_COUNT, &o.model.negative, "N", "words drawn against each (5)"},
        {"exponent", 0, OPTION_NUMBER, &o.exponent, "X",
         "they are drawn by count^X (0.75; 0.5 suits similarity)"},
        {"sample", 0, OPTION_NUMBER, &o.sample, "X",
         "subsampling of frequent words (0.001; 0: none)"},
        {"gradient", 0, OPTION_CHOICE, &o.gradient, "whole|mean",
         "CBOW: each word around gets all of the error, or its\nshare (the true gradient)"},
        {"subwords", 0, OPTION_FLAG, &o.subwords, NULL,
         "vectors are put together of character n-grams"},
        {"min-n", 0, OPTION_COUNT, &o.model.min_n, "N", "shortest n-gram (3)"},
        {"max-n", 0, OPTION_COUNT, &o.model.max_n, "N", "longest (6)"},
        {"buckets", 0, OPTION_COUNT, &o.model.buckets, "N", "rows that n-grams share (2000000)"},
        {"from", 0, OPTION_TEXT, &o.training.from, "VECTORS",
         "go on from earlier vectors: their words stay, new\nwords are added"},
        TEXT_OPTIONS(o.text),
        {"unit", 0, OPTION_CHOICE, &o.text.unit, "line|paragraph|file",
         "what a window does not reach across (line)"},
        TRAINING_OPTIONS(o.training),
    };
    const usage use = {
        "vecna train word2vec TEXT -o VECTORS [options]",
        "Learns a vector for each word of TEXT (a file, all files of a folder, or - ; .gz and .xz "
        "are\nunpacked) so that words that stand in like places get like vectors.",
        options,
        sizeof options / sizeof options[0],
        "  vecna train word2vec books.txt.xz -o words.bin\n"
        "  vecna train word2vec corpus/ -o words.txt --arch cbow --subwords --phrases 2\n"
        "  vecna eval analogy words.bin king - man + woman\n",
        1,
        1};
    const char *path;
    size_t count;
    int status = parse_arguments(argc, argv, &use, &path, &count);
    if (status >= 0)
        return status;
    if (o.training.output == NULL)
        return usage_error(&use, "say where the vectors go: -o VECTORS");
    if (o.model.rate <= 0)
        return usage_error(&use, "--lr is above 0, not %g", o.model.rate);
    if (o.training.threads == 0)
        o.training.threads = vecna_cpus_allowed();
    o.model.threads = o.training.threads;
    o.model.seed = o.training.seed;
    if (isnan(o.model.rate)) /* not given: the library has one for each way */
        o.model.rate = 0;
    o.model.arch = (vecna_word2vec_arch)o.arch;
    o.model.hierarchical = o.loss == 1;
    o.model.cbow_gradient = (vecna_cbow_gradient)o.gradient;
    o.model.exponent = o.exponent > 0 ? o.exponent : -1;
    o.model.sample = o.sample > 0 ? o.sample : -1;
    if (!o.subwords)
        o.model.min_n = o.model.max_n = o.model.buckets = 0;
    return run(&o, path);
}
