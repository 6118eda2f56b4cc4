/* vecna train doc2vec: documents into vectors; and new documents into the space of a model that was
 * kept. */
#include "cli/train.h"

#include <stdlib.h>
#include <string.h>

typedef struct doc2vec_options {
    text_options text;
    training_options training;
    vecna_doc2vec_options model;
    int method;
    double exponent;
    const char *keep, *infer;
    bool epochs_given;
} doc2vec_options;

typedef struct doc2vec_job {
    const doc2vec_options *options;
    const char *path;
    vecna_corpus corpus;
    vecna_doc2vec *model;
    vecna_pool *pool;
    trainer watch;
    size_t empty; /* documents without a known word */
} doc2vec_job;

TRAINABLE(doc2vec);

static vecna_status fill_rows(const void *user, size_t first, vecna_matrix out, vecna_error *err) {
    return vecna_doc2vec_vectors(user, first, out, err);
}

/* ---- training -------------------------------------------------------------------------------- */

static vecna_status train(doc2vec_job *job, vecna_error *err) {
    const doc2vec_options *o = job->options;
    size_t bytes = 0, words = vecna_vocab_size(job->corpus.vocab);
    vecna_status status = vecna_doc2vec_bytes(&o->model, job->corpus.units, words, &bytes, err);
    if (status == VECNA_OK)
        status = check_resources(
            o->training.output, bytes,
            (double)job->corpus.units * (double)o->model.dim * 22 + 2 * (double)bytes, err);
    if (status == VECNA_OK)
        status = vecna_doc2vec_new(&o->model, &job->corpus, &job->model, err);
    if (status != VECNA_OK)
        return status;
    job->watch.model = job->model;
    return trainer_run(&job->watch, job->pool, err);
}

static vecna_status write_result(doc2vec_job *job, vecna_error *err) {
    const doc2vec_options *o = job->options;
    vector_output output = {job->corpus.units, o->model.dim, fill_rows, job->model, NULL, NULL};
    vecna_status status = write_numbered(o->training.output, &output, err);
    if (status == VECNA_OK && o->keep)
        status = vecna_doc2vec_keep(job->model, o->keep, err);
    for (size_t doc = 0; doc < job->corpus.units; doc++)
        job->empty += job->corpus.starts[doc] == job->corpus.starts[doc + 1];
    if (job->empty)
        note("%s of the %s documents have no word that is known; their vectors are zero",
             grouped(job->empty), grouped(job->corpus.units));
    return status;
}

static const char *method_name(const doc2vec_options *o) {
    static const char *const names[] = {"PV-DBOW", "PV-DM, mean", "PV-DM, concatenated"};
    return names[o->method];
}

static void print_summary(const void *user) {
    const doc2vec_job *job = user;
    const doc2vec_options *o = job->options;
    printf("%s: %s documents x %zu dimensions, %s\n", o->training.output,
           grouped(job->corpus.units), o->model.dim, method_name(o));
    printf("  read      %s words of %s, %s different ones known\n",
           grouped(job->corpus.tokens_read), job->path,
           grouped(vecna_vocab_size(job->corpus.vocab)));
    if (o->keep)
        printf("  kept      %s reads new documents (--infer)\n", o->keep);
    trainer_print(&job->watch);
}

static int print_summary_json(const void *user) {
    const doc2vec_job *job = user;
    const doc2vec_options *o = job->options;
    vecna_json_writer json;
    trainer_json_begin(&job->watch, method_name(o), &json);
    json_count(&json, "documents", job->corpus.units);
    json_count(&json, "documents_without_words", job->empty);
    json_count(&json, "dim", o->model.dim);
    json_count(&json, "words", vecna_vocab_size(job->corpus.vocab));
    json_count(&json, "words_of_an_epoch", job->corpus.tokens);
    return trainer_json_end(&job->watch, &json);
}

static int run(const doc2vec_options *o, const char *path) {
    doc2vec_job job;
    vecna_error err;
    vecna_status status;
    int exit_status;
    memset(&job, 0, sizeof job);
    job.options = o;
    job.path = path;
    job.watch.options = &o->training;
    job.watch.kind = &doc2vec_trainable;
    job.watch.what = "words";
    status = check_output_name(o->training.output, &err);
    if (status == VECNA_OK && o->keep)
        status = check_writable(o->keep, &err);
    if (status == VECNA_OK)
        status = vecna_pool_new(o->training.threads, NULL, &job.pool, &err);
    if (status == VECNA_OK)
        status = read_corpus(path, &o->text, NULL, true, &job.corpus, &err);
    if (status == VECNA_OK)
        status = train(&job, &err);
    if (status == VECNA_OK)
        status = write_result(&job, &err);
    exit_status = trainer_end(&job.watch, status, &err, print_summary_json, print_summary, &job);
    vecna_doc2vec_free(job.model);
    vecna_corpus_free(&job.corpus);
    vecna_pool_free(job.pool);
    return exit_status;
}

/* ---- new documents --------------------------------------------------------------------------- */

typedef struct inference {
    const doc2vec_options *options;
    vecna_doc2vec_reader *reader;
    const vecna_vocab *words;
    vecna_corpus corpus; /* of the new text, with its own numbers */
    int32_t *known;      /* number in the model for each of them, -1 none */
    int32_t *ids;        /* (tokens) the text in the model's numbers */
    size_t *starts;      /* (units + 1) */
    size_t empty;
} inference;

/* The text in the numbers of the model. */
static vecna_status renumber(inference *work, vecna_error *err) {
    size_t words = vecna_vocab_size(work->corpus.vocab), made = 0;
    work->known = malloc((words + 1) * sizeof *work->known);
    work->ids = malloc((work->corpus.tokens + 1) * sizeof *work->ids);
    work->starts = malloc((work->corpus.units + 1) * sizeof *work->starts);
    if (!work->known || !work->ids || !work->starts)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for the documents");
    for (size_t i = 0; i < words; i++) {
        size_t bytes;
        const char *word = vecna_vocab_word(work->corpus.vocab, (int32_t)i, &bytes);
        work->known[i] = vecna_vocab_find(work->words, word, bytes);
    }
    for (size_t unit = 0; unit < work->corpus.units; unit++) {
        work->starts[unit] = made;
        for (size_t at = work->corpus.starts[unit]; at < work->corpus.starts[unit + 1]; at++)
            if (work->known[work->corpus.ids[at]] >= 0)
                work->ids[made++] = work->known[work->corpus.ids[at]];
        work->empty += made == work->starts[unit];
    }
    work->starts[work->corpus.units] = made;
    return VECNA_OK;
}

static vecna_status infer_rows(const void *user, size_t first, vecna_matrix out, vecna_error *err) {
    const inference *work = user;
    vecna_status status = VECNA_OK;
    for (size_t i = 0; status == VECNA_OK && i < out.rows; i++)
        status = vecna_doc2vec_infer(work->reader, work->ids + work->starts[first + i],
                                     work->starts[first + i + 1] - work->starts[first + i],
                                     work->options->epochs_given ? work->options->model.epochs : 0,
                                     out.data + i * out.stride, err);
    return status;
}

static int print_inferred_json(const inference *work) {
    vecna_json_writer json;
    vecna_json_writer_init(&json, 0, NULL);
    vecna_json_write_object_begin(&json);
    vecna_json_write_key(&json, "output");
    vecna_json_write_string(&json, work->options->training.output);
    vecna_json_write_key(&json, "documents");
    vecna_json_write_u64(&json, work->corpus.units);
    vecna_json_write_key(&json, "documents_without_words");
    vecna_json_write_u64(&json, work->empty);
    vecna_json_write_key(&json, "dim");
    vecna_json_write_u64(&json, vecna_doc2vec_dim(work->reader));
    vecna_json_write_object_end(&json);
    return print_json(&json, stdout);
}

static int run_infer(const doc2vec_options *o, const char *path) {
    inference work;
    text_options text = o->text;
    vecna_error err;
    vecna_status status;
    memset(&work, 0, sizeof work);
    work.options = o;
    text.min_count = 1;
    status = check_output_name(o->training.output, &err);
    if (status == VECNA_OK)
        status = vecna_doc2vec_open(o->infer, NULL, &work.reader, &err);
    if (status == VECNA_OK) {
        work.words = vecna_doc2vec_words(work.reader);
        status = read_corpus(path, &text, NULL, true, &work.corpus, &err);
    }
    if (status == VECNA_OK)
        status = renumber(&work, &err);
    if (status == VECNA_OK) {
        vector_output output = {
            work.corpus.units, vecna_doc2vec_dim(work.reader), infer_rows, &work, NULL, NULL};
        status = write_numbered(o->training.output, &output, &err);
    }
    if (status == VECNA_OK && work.empty)
        note("%s of the %s documents have no word that is known; their vectors are zero",
             grouped(work.empty), grouped(work.corpus.units));
    if (status != VECNA_OK)
        (void)fail_with(&err);
    else if (o->training.json)
        (void)print_inferred_json(&work);
    else
        printf("%s: %s documents x %zu dimensions, read with %s\n", o->training.output,
               grouped(work.corpus.units), vecna_doc2vec_dim(work.reader), o->infer);
    vecna_doc2vec_close(work.reader);
    vecna_corpus_free(&work.corpus);
    free(work.known);
    free(work.ids);
    free(work.starts);
    return status == VECNA_OK ? EXIT_DONE : EXIT_FAILED;
}

/* ---- the command ----------------------------------------------------------------------------- */

int train_doc2vec(int argc, char **argv) {
    doc2vec_options o = {
        .text = {.min_count = 2},
        .training = {.seed = 1, .checkpoint_seconds = 300},
        .model = {.dim = 100, .window = 5, .negative = 5, .rate = 0.025},
        .exponent = 0.75,
    };
    const option options[] = {
        {"output", 'o', OPTION_TEXT, &o.training.output, "FILE",
         "vectors, a row a document; the name tells the format:\n.npy .safetensors .txt .bin "
         ".jsonl "
         ".csv"},
        {"method", 0, OPTION_CHOICE, &o.method, "dbow|dm-mean|dm-concat",
         "the document predicts its words; or with the mean of,\nor beside, the words around "
         "(dbow)"},
        {"words-too", 0, OPTION_FLAG, &o.model.words_too, NULL,
         "dbow: train words beside the documents"},
        {"dim", 'd', OPTION_COUNT, &o.model.dim, "N", "dimensions (100)"},
        {"window", 'w', OPTION_COUNT, &o.model.window, "N", "words on either side (5)"},
        {"epochs", 'e', OPTION_COUNT, &o.model.epochs, "N", "times through the text (20)"},
        {"lr", 0, OPTION_NUMBER, &o.model.rate, "X", "learning rate at the start (0.025)"},
        {"negative", 'n', OPTION_COUNT, &o.model.negative, "N", "words drawn against each (5)"},
        {"exponent", 0, OPTION_NUMBER, &o.exponent, "X", "they are drawn by count^X (0.75)"},
        {"sample", 0, OPTION_NUMBER, &o.model.sample, "X",
         "subsampling of frequent words (0: none)"},
        {"keep", 0, OPTION_TEXT, &o.keep, "MODEL", "what reads new documents, into a file"},
        {"infer", 0, OPTION_TEXT, &o.infer, "MODEL",
         "DOCUMENTS are new: read them with a model that was\nkept; the same text always gets the "
         "same "
         "vector"},
        TEXT_OPTIONS(o.text),
        {"unit", 0, OPTION_CHOICE, &o.text.unit, "line|paragraph|file",
         "what a document is (line)"},
        TRAINING_OPTIONS(o.training),
    };
    const usage use = {"vecna train doc2vec DOCUMENTS -o VECTORS [options]",
                       "Learns a vector for each document of DOCUMENTS (a line each), shuffling "
                       "them in every epoch; "
                       "or\nreads new documents with a model that was kept.",
                       options,
                       sizeof options / sizeof options[0],
                       "  vecna train doc2vec reviews.txt -o reviews.npy --keep reviews.model\n"
                       "  vecna train doc2vec new.txt -o new.npy --infer reviews.model\n",
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
    if (o.model.sample < 0)
        return usage_error(&use, "--sample is 0 or more");
    if (o.model.words_too && o.method != 0)
        return usage_error(&use,
                           "--words-too goes with --method dbow; the others train words anyway");
    if (o.infer && (o.keep || o.training.resume))
        return usage_error(&use, "--infer trains nothing: leave --keep and --resume out");
    o.epochs_given = o.model.epochs > 0;
    if (!o.epochs_given)
        o.model.epochs = 20;
    if (o.infer)
        return run_infer(&o, path);
    if (o.training.threads == 0)
        o.training.threads = vecna_cpus_allowed();
    o.model.threads = o.training.threads;
    o.model.seed = o.training.seed;
    o.model.method = (vecna_doc2vec_method)o.method;
    o.model.exponent = o.exponent > 0 ? o.exponent : -1;
    return run(&o, path);
}
