/* vecna train glove: a text into vectors of its words, by counting first. */
#include "cli/train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct glove_options {
    text_options text;
    training_options training;
    vecna_glove_options model;
    int output;
    double memory_gb;
} glove_options;

typedef struct glove_job {
    const glove_options *options;
    const char *path;
    vecna_corpus corpus;
    vecna_glove *model;
    vecna_pool *pool;
    trainer watch;
    char *scratch;
    double counting_seconds;
} glove_job;

TRAINABLE(glove);

static vecna_glove_output output_of(const glove_options *o) {
    static const vecna_glove_output outputs[] = {VECNA_GLOVE_SUM, VECNA_GLOVE_WORD,
                                                 VECNA_GLOVE_BOTH, VECNA_GLOVE_ALL};
    return outputs[o->output];
}

static vecna_status fill_rows(const void *user, size_t first, vecna_matrix out, vecna_error *err) {
    const glove_job *job = user;
    return vecna_glove_vectors(job->model, output_of(job->options), first, out, err);
}

static int show_counting(void *user, const vecna_train_report *now) {
    const glove_job *job = user;
    (void)job;
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[Kcounting pairs, %.0f %% of the text",
                100 * (double)now->words / (double)now->words_total);
    return 0;
}

/* What counting may take, what the pairs take (an estimate of the worst), and the vectors. */
static vecna_status check_room(const glove_job *job, vecna_error *err) {
    const glove_options *o = job->options;
    double words = (double)vecna_vocab_size(job->corpus.vocab);
    double values = words * 16 * ((double)o->model.dim + 16);
    double memory = 2 * (double)o->model.memory_bytes + values;
    double worst = (double)job->corpus.tokens * 2 * (double)o->model.window * 16;
    if (worst < (double)o->model.memory_bytes)
        memory = 2 * worst + values;
    return check_resources(o->training.output, (size_t)memory,
                           words * (double)o->model.dim * 22 + values, err);
}

static vecna_status train(glove_job *job, vecna_error *err) {
    const glove_options *o = job->options;
    vecna_glove_options model = o->model;
    size_t bytes = strlen(o->training.output) + sizeof ".pairs";
    double started = seconds_now();
    vecna_status status = check_room(job, err);
    if (status != VECNA_OK)
        return status;
    job->scratch = malloc(bytes);
    if (job->scratch == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory");
    snprintf(job->scratch, bytes, "%s.pairs", o->training.output);
    model.scratch = job->scratch;
    status = vecna_glove_new(&model, &job->corpus, show_counting, job, &job->model, err);
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
    job->counting_seconds = seconds_now() - started;
    if (status != VECNA_OK)
        return status;
    job->watch.model = job->model;
    return trainer_run(&job->watch, job->pool, err);
}

static void print_summary(const void *user) {
    const glove_job *job = user;
    const glove_options *o = job->options;
    char *beside = words_path(o->training.output);
    printf("%s: %s words x %zu dimensions, GloVe\n", o->training.output,
           grouped(vecna_vocab_size(job->corpus.vocab)), vecna_glove_dim(job->model, output_of(o)));
    if (beside)
        printf("  words in  %s\n", beside);
    printf("  read      %s words of %s; %s of them, %s different ones, are too rare\n",
           grouped(job->corpus.tokens_read), job->path,
           grouped(job->corpus.tokens_read - job->corpus.tokens), grouped(job->corpus.words_rare));
    printf("  counted   %s pairs in %.1f s, %zu file%s\n", grouped(vecna_glove_pairs(job->model)),
           job->counting_seconds, vecna_glove_spills(job->model),
           vecna_glove_spills(job->model) == 1 ? "" : "s");
    trainer_print(&job->watch);
    free(beside);
}

static int print_summary_json(const void *user) {
    const glove_job *job = user;
    const glove_options *o = job->options;
    vecna_json_writer json;
    trainer_json_begin(&job->watch, "glove", &json);
    json_count(&json, "words", vecna_vocab_size(job->corpus.vocab));
    json_count(&json, "dim", vecna_glove_dim(job->model, output_of(o)));
    json_count(&json, "words_read", job->corpus.tokens_read);
    json_count(&json, "pairs", vecna_glove_pairs(job->model));
    json_count(&json, "spills", vecna_glove_spills(job->model));
    vecna_json_write_key(&json, "counting_seconds");
    vecna_json_write_f64(&json, job->counting_seconds);
    return trainer_json_end(&job->watch, &json);
}

static int run(const glove_options *o, const char *path) {
    glove_job job;
    vecna_error err;
    vecna_status status;
    int exit_status;
    memset(&job, 0, sizeof job);
    job.options = o;
    job.path = path;
    job.watch.options = &o->training;
    job.watch.kind = &glove_trainable;
    job.watch.what = "pairs";
    status = check_output_name(o->training.output, &err);
    if (status == VECNA_OK)
        status = vecna_pool_new(o->training.threads, NULL, &job.pool, &err);
    if (status == VECNA_OK)
        status = read_corpus(path, &o->text, NULL, false, &job.corpus, &err);
    if (status == VECNA_OK)
        status = train(&job, &err);
    if (status == VECNA_OK) {
        vector_output output = {vecna_vocab_size(job.corpus.vocab),
                                vecna_glove_dim(job.model, output_of(o)),
                                fill_rows,
                                &job,
                                word_of_vocab,
                                job.corpus.vocab};
        status = write_vectors(o->training.output, &output, &err);
    }
    exit_status = trainer_end(&job.watch, status, &err, print_summary_json, print_summary, &job);
    vecna_glove_free(job.model);
    vecna_corpus_free(&job.corpus);
    vecna_pool_free(job.pool);
    free(job.scratch);
    return exit_status;
}

int train_glove(int argc, char **argv) {
    glove_options o = {
        .training = {.seed = 1, .checkpoint_seconds = 300},
        .model = {.dim = 100, .window = 15, .epochs = 25, .rate = 0.05, .x_max = 10, .alpha = 0.75},
        .memory_gb = 1,
    };
    bool asymmetric = false, flat = false;
    const option options[] = {
        {"output", 'o', OPTION_TEXT, &o.training.output, "FILE",
         "vectors; the name tells the format: .txt .bin .npy\n.safetensors .vec .glove .jsonl "
         ".csv"},
        {"dim", 'd', OPTION_COUNT, &o.model.dim, "N", "dimensions (100)"},
        {"window", 'w', OPTION_COUNT, &o.model.window, "N", "words on either side (15)"},
        {"asymmetric", 0, OPTION_FLAG, &asymmetric, NULL, "only words before count as context"},
        {"flat", 0, OPTION_FLAG, &flat, NULL, "every distance counts 1, not 1 / distance"},
        {"x-max", 0, OPTION_NUMBER, &o.model.x_max, "X",
         "pairs that occur so often weigh all (10; 100 for\nbillions of words)"},
        {"alpha", 0, OPTION_NUMBER, &o.model.alpha, "X", "rarer ones (x / X)^alpha (0.75)"},
        {"epochs", 'e', OPTION_COUNT, &o.model.epochs, "N", "times through the pairs (25)"},
        {"lr", 0, OPTION_NUMBER, &o.model.rate, "X", "AdaGrad's rate (0.05)"},
        {"model", 0, OPTION_CHOICE, &o.output, "sum|word|both|all",
         "what a vector is: word + context, word alone, both side\nby side, both with their "
         "biases"},
        {"memory", 0, OPTION_NUMBER, &o.memory_gb, "GB",
         "for counting, and for the pairs; what is beyond lies\nbeside OUTPUT on the disk (1)"},
        TEXT_OPTIONS(o.text),
        {"unit", 0, OPTION_CHOICE, &o.text.unit, "line|paragraph|file",
         "what a window does not reach across (line)"},
        TRAINING_OPTIONS(o.training),
    };
    const usage use = {
        "vecna train glove TEXT -o VECTORS [options]",
        "Counts which words of TEXT stand near which, and learns vectors whose products tell the "
        "logarithms\nof the counts.",
        options,
        sizeof options / sizeof options[0],
        "  vecna train glove books.txt.xz -o words.txt\n"
        "  vecna train glove corpus/ -o words.npy --dim 300 --x-max 100 --memory 8\n",
        1,
        1};
    const char *path;
    size_t count;
    int status = parse_arguments(argc, argv, &use, &path, &count);
    if (status >= 0)
        return status;
    if (o.training.output == NULL)
        return usage_error(&use, "say where the vectors go: -o VECTORS");
    if (!(o.memory_gb >= 0.001 && o.memory_gb <= 1e6))
        return usage_error(&use, "--memory is between 0.001 and 1,000,000 GB, not %g", o.memory_gb);
    if (o.model.x_max <= 0 || o.model.alpha <= 0 || o.model.rate <= 0)
        return usage_error(&use, "--x-max, --alpha and --lr are above 0");
    if (o.training.threads == 0)
        o.training.threads = vecna_cpus_allowed() < 64 ? vecna_cpus_allowed() : 64;
    o.model.threads = o.training.threads;
    o.model.seed = o.training.seed;
    o.model.asymmetric = asymmetric;
    o.model.flat = flat;
    o.model.memory_bytes = (size_t)(o.memory_gb * 1e9);
    return run(&o, path);
}
