/* vecna train contrastive: texts that belong together into a static model that puts them together. */
#include "cli/eval_tasks.h"
#include "cli/hold_out.h"
#include "cli/pieces.h"
#include "cli/train.h"
#include "vecna/eval.h"
#include "vecna/linalg.h"
#include "vecna/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SIZES_MOST = 15 };

typedef struct contrastive_options {
    training_options training;
    vecna_contrastive_options model;
    pair_fields fields;
    const char *sizes_text, *name;
    size_t sizes[SIZES_MOST];
    bool fresh, float16;
} contrastive_options;

typedef struct contrastive_job {
    const contrastive_options *options;
    const char *path;
    text_pairs pairs;
    piece_texts texts;
    float *start;            /* (pieces, dim) the table before */
    uint32_t *fitted, *held; /* (_, 3) */
    size_t fitted_count, held_count;
    vecna_contrastive_data data;
    vecna_contrastive *model;
    vecna_pool *pool;
    trainer watch;
    vecna_interval before, after, gain; /* reciprocal rank of the own text */
    double first_before, first_after;   /* share that finds it first */
} contrastive_job;

TRAINABLE(contrastive);

static vecna_status no_room(vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for the pairs");
}

/* ---- what is held out -------------------------------------------------------------------------- */

static vecna_status share_pairs(contrastive_job *job, vecna_error *err) {
    const text_pairs *p = &job->pairs;
    unsigned char *held = malloc(p->pairs);
    job->fitted = malloc(p->pairs * 3 * sizeof *job->fitted);
    job->held = malloc(p->pairs * 3 * sizeof *job->held);
    vecna_status status =
        held && job->fitted && job->held
            ? hold_out(p->pair, p->pairs, 3, p->texts, job->options->training.seed, held, err)
            : no_room(err);
    for (size_t i = 0; i < p->pairs && status == VECNA_OK; i++)
        memcpy(held[i] ? job->held + 3 * job->held_count++ : job->fitted + 3 * job->fitted_count++,
               p->pair + 3 * i, 3 * sizeof *p->pair);
    free(held);
    return status;
}

/* Each held out anchor looks for its own among all held out texts: 1 / rank, equal scores before it;
 * texts that belong to the same anchor, or are the same, are not counted. */
static vecna_status rank_held(const contrastive_job *job, vecna_view learned, double *reciprocal,
                              double *first, vecna_error *err) {
    const size_t n = job->held_count;
    float *rows = malloc(2 * n * learned.dim * sizeof *rows),
          *scores = malloc(n * n * sizeof *scores);
    vecna_status status = rows && scores ? VECNA_OK : no_room(err);
    if (status == VECNA_OK) {
        for (size_t i = 0; i < 2 * n; i++) /* anchors, then what belongs to them */
            vector_of_pieces(&job->texts, learned, job->held[3 * (i % n) + i / n],
                             rows + i * learned.dim);
        status = vecna_linalg_product_rows(vecna_view_dense(rows, n, learned.dim),
                                           vecna_view_dense(rows + n * learned.dim, n, learned.dim),
                                           vecna_matrix_dense(scores, n, n), job->pool, err);
    }
    *first = 0;
    for (size_t i = 0; i < n && status == VECNA_OK; i++) {
        const uint32_t *own = job->held + 3 * i;
        size_t rank = 1;
        for (size_t j = 0; j < n; j++) {
            const uint32_t *other = job->held + 3 * j;
            rank += j != i && other[0] != own[0] && other[1] != own[1] &&
                    scores[i * n + j] >= scores[i * n + i];
        }
        reciprocal[i] = 1 / (double)rank;
        *first += rank == 1 ? 1 / (double)n : 0;
    }
    free(rows);
    free(scores);
    return status;
}

static vecna_status judge(contrastive_job *job, vecna_error *err) {
    const vecna_view learned = vecna_contrastive_table(job->model);
    const size_t n = job->held_count;
    double *before = malloc(2 * n * sizeof *before), *after = before ? before + n : NULL;
    const vecna_statistic statistics[] = {{VECNA_STATISTIC_MEAN, 0, 0, 0},
                                          {VECNA_STATISTIC_MEAN, 1, 0, 0},
                                          {VECNA_STATISTIC_DIFFERENCE, 1, 0, 0}};
    const double *columns[] = {before, after};
    const vecna_bootstrap_input input = {columns, 2, n, statistics, 3};
    const vecna_bootstrap_options options = {.seed = job->options->training.seed,
                                             .pool = job->pool};
    vecna_interval figures[3];
    vecna_status status = before ? VECNA_OK : no_room(err);
    if (status == VECNA_OK)
        status = rank_held(job, vecna_view_dense(job->start, learned.rows, learned.dim), before,
                           &job->first_before, err);
    if (status == VECNA_OK)
        status = rank_held(job, learned, after, &job->first_after, err);
    if (status == VECNA_OK)
        status = vecna_eval_bootstrap(&input, &options, figures, err);
    if (status == VECNA_OK) {
        job->before = figures[0];
        job->after = figures[1];
        job->gain = figures[2];
    }
    free(before);
    return status;
}

/* ---- from texts to a model ---------------------------------------------------------------------- */

static vecna_status encode(contrastive_job *job, vecna_error *err) {
    const text_pairs *p = &job->pairs;
    vecna_status status = begin_pieces(&job->texts, p->texts, p->bytes, err);
    for (size_t i = 0; i < p->texts && status == VECNA_OK; i++)
        add_pieces(&job->texts, p->memory + p->starts[i], p->starts[i + 1] - p->starts[i]);
    return status;
}

/* Bytes of a training: what vecna/train.h says of table and batch, and the start. */
static double memory_of(const contrastive_job *job, size_t pieces, size_t dim) {
    const vecna_contrastive_options *o = &job->options->model;
    const double pairs = (double)job->fitted_count;
    const double batch = fmin(o->batch ? (double)o->batch : 512, pairs);
    const double chunk = o->chunk ? fmin((double)o->chunk, batch) : batch;
    return 16 * (double)pieces * (double)dim + 24 * batch * (double)dim + 8 * chunk * batch;
}

/* The table before: the model's, or random numbers for --fresh. */
static vecna_status make_start(contrastive_job *job, vecna_error *err) {
    const contrastive_options *o = job->options;
    const vecna_model_info about = vecna_model_about(job->texts.from);
    const size_t dim = o->fresh && o->model.dim ? o->model.dim : about.dim;
    if (o->model.dim && o->model.dim != dim)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "--dim %zu: the start has %zu dimensions; --fresh starts anew with "
                               "any number",
                               o->model.dim, dim);
    vecna_status status = check_resources(
        o->training.output, (size_t)memory_of(job, about.pieces, dim),
        (double)about.pieces * (double)dim * (o->training.checkpoint_seconds ? 13 : 1), err);
    if (status != VECNA_OK)
        return status;
    job->start = malloc(about.pieces * dim * sizeof *job->start);
    if (job->start == NULL)
        return no_room(err);
    if (!o->fresh)
        return vecna_model_rows(job->texts.from, vecna_matrix_dense(job->start, about.pieces, dim),
                                err);
    vecna_random random;
    vecna_random_seed(&random, o->training.seed, 7);
    for (size_t i = 0; i < about.pieces * dim; i++)
        job->start[i] = (float)vecna_random_normal(&random);
    return VECNA_OK;
}

static vecna_status train(contrastive_job *job, vecna_error *err) {
    const contrastive_options *o = job->options;
    const vecna_model_info about = vecna_model_about(job->texts.from);
    vecna_contrastive_options model = o->model;
    vecna_status status = make_start(job, err);
    if (status != VECNA_OK)
        return status;
    const size_t dim = o->fresh && o->model.dim ? o->model.dim : about.dim;
    job->data = (vecna_contrastive_data){about.pieces,     job->pairs.texts,  job->texts.starts,
                                         job->texts.piece, job->fitted_count, job->fitted};
    model.dim = dim;
    model.start = vecna_view_dense(job->start, about.pieces, dim);
    model.seed = o->training.seed;
    status = vecna_contrastive_new(&model, &job->data, &job->model, err);
    if (status != VECNA_OK)
        return status;
    job->watch.model = job->model;
    status = trainer_run(&job->watch, job->pool, err);
    return status == VECNA_OK && job->held_count ? judge(job, err) : status;
}

static vecna_status write_model(const contrastive_job *job, vecna_error *err) {
    const contrastive_options *o = job->options;
    vecna_model_parts parts = vecna_model_parts_of(job->texts.from);
    vecna_model *made = NULL;
    char report[256] = "{}";
    if (job->held_count)
        snprintf(report, sizeof report,
                 "{\"pairs\":%zu,\"held_out\":%zu,\"mrr_before\":%.4f,\"mrr\":%.4f}",
                 job->fitted_count, job->held_count, job->before.value, job->after.value);
    parts.rows = vecna_contrastive_table(job->model);
    parts.dtype = o->float16 ? VECNA_F16 : VECNA_I8;
    parts.name = o->name ? o->name : "";
    parts.report = report;
    parts.shape = NULL; /* a tower of pictures would look for the table as it was */
    vecna_status status = vecna_model_of_parts(&parts, &made, err);
    if (status == VECNA_OK)
        status = vecna_model_save(made, o->training.output, err);
    vecna_model_free(made);
    return status;
}

/* ---- what is said of it ------------------------------------------------------------------------- */

static void print_summary(const void *user) {
    const contrastive_job *job = user;
    const vecna_view learned = vecna_contrastive_table(job->model);
    printf("%s: %s pieces x %zu dimensions\n", job->options->training.output, grouped(learned.rows),
           learned.dim);
    printf("  read      %s pairs of %s texts", grouped(job->pairs.pairs),
           grouped(job->pairs.texts));
    if (job->pairs.negatives)
        printf(", %s with a hard negative", grouped(job->pairs.negatives));
    printf("; %s held out with all that shares a text\n", grouped(job->held_count));
    trainer_print(&job->watch);
    if (job->held_count == 0) {
        printf("  held out  nothing: with fewer than %d pairs, or all of them connected, there is "
               "nothing to measure on\n",
               2 * HELD_OUT_OF);
        return;
    }
    printf("  held out  each text looks for its own among %s\n", grouped(job->held_count));
    printf("              before   MRR %.3f [%.3f, %.3f], first %.1f %%\n", job->before.value,
           job->before.low, job->before.high, 100 * job->first_before);
    printf("              trained  MRR %.3f [%.3f, %.3f], first %.1f %%\n", job->after.value,
           job->after.low, job->after.high, 100 * job->first_after);
    printf("              gain     %+.3f [%+.3f, %+.3f]\n", job->gain.value, job->gain.low,
           job->gain.high);
}

static int print_summary_json(const void *user) {
    const contrastive_job *job = user;
    const vecna_view learned = vecna_contrastive_table(job->model);
    vecna_json_writer json;
    trainer_json_begin(&job->watch, "contrastive", &json);
    json_count(&json, "pieces", learned.rows);
    json_count(&json, "dim", learned.dim);
    json_count(&json, "pairs", job->pairs.pairs);
    json_count(&json, "texts", job->pairs.texts);
    json_count(&json, "negatives", job->pairs.negatives);
    json_count(&json, "held_out", job->held_count);
    if (job->held_count) {
        write_figure(&json, "mrr_before", job->before);
        write_figure(&json, "mrr", job->after);
        write_figure(&json, "gain", job->gain);
    }
    return trainer_json_end(&job->watch, &json);
}

static int run(const contrastive_options *o, const char *path) {
    contrastive_job job = {.options = o, .path = path};
    vecna_error err;
    job.watch.options = &o->training;
    job.watch.kind = &contrastive_trainable;
    job.watch.what = "pairs";
    vecna_status status = check_writable(o->training.output, &err);
    if (status == VECNA_OK)
        status = vecna_pool_new(o->training.threads, NULL, &job.pool, &err);
    if (status == VECNA_OK)
        status = read_pairs(path, &o->fields, &job.pairs, &err);
    if (status == VECNA_OK)
        status = open_pieces(o->training.from, &job.texts, &err);
    if (status == VECNA_OK)
        status = encode(&job, &err);
    if (status == VECNA_OK)
        status = share_pairs(&job, &err);
    if (status == VECNA_OK)
        status = train(&job, &err);
    if (status == VECNA_OK)
        status = write_model(&job, &err);
    const int exit_status =
        trainer_end(&job.watch, status, &err, print_summary_json, print_summary, &job);
    vecna_contrastive_free(job.model);
    free_pieces(&job.texts);
    vecna_pool_free(job.pool);
    free_pairs_of_texts(&job.pairs);
    free(job.start);
    free(job.fitted);
    free(job.held);
    return exit_status;
}

/* "256,128,64" into numbers. */
static int take_sizes(contrastive_options *o) {
    const char *at = o->sizes_text;
    while (at && *at) {
        char *end;
        const unsigned long size = strtoul(at, &end, 10);
        if (end == at || size == 0 || o->model.size_count == SIZES_MOST ||
            (*end && (*end != ',' || !end[1])))
            return 0;
        o->sizes[o->model.size_count++] = size;
        at = *end ? end + 1 : end;
    }
    o->model.sizes = o->sizes;
    return 1;
}

int train_contrastive(int argc, char **argv) {
    contrastive_options o = {.training = {.seed = 1, .checkpoint_seconds = 300}};
    const option options[] = {
        {"output", 'o', OPTION_TEXT, &o.training.output, "MODEL",
         "the model: vecna embed and vecna serve --model run it"},
        {"from", 0, OPTION_TEXT, &o.training.from, "MODEL",
         "start from this static model (the built-in one)"},
        {"fresh", 0, OPTION_FLAG, &o.fresh, NULL,
         "start from random numbers, with the word pieces of --from"},
        {"dim", 0, OPTION_COUNT, &o.model.dim, "N", "dimensions, with --fresh"},
        {"batch", 0, OPTION_COUNT, &o.model.batch, "N",
         "pairs that are each other's negatives (512)"},
        {"chunk", 0, OPTION_COUNT, &o.model.chunk, "N",
         "of them whose similarities are in memory at once (all);\nthe result is the same"},
        {"epochs", 0, OPTION_COUNT, &o.model.epochs, "N", "(10)"},
        {"rate", 0, OPTION_NUMBER, &o.model.rate, "X",
         "largest step, in units of the start's mean size (0.05)"},
        {"temperature", 0, OPTION_NUMBER, &o.model.temperature, "X", "of the softmax (0.05)"},
        {"one-sided", 0, OPTION_FLAG, &o.model.one_sided, NULL,
         "anchors look for what belongs to them, not the other way"},
        {"matryoshka", 0, OPTION_TEXT, &o.sizes_text, "N,N..",
         "the first so many dimensions serve alone too"},
        {"float16", 0, OPTION_FLAG, &o.float16, NULL, "two bytes a number instead of one"},
        {"name", 0, OPTION_TEXT, &o.name, "TEXT", "of the model, kept in it"},
        {"pairs", 0, OPTION_GROUP, NULL, NULL,
         "PAIRS: a pair a line, two or three columns between tabs, or JSON objects"},
        {"anchor-field", 0, OPTION_TEXT, &o.fields.anchor, "NAME", "(anchor)"},
        {"positive-field", 0, OPTION_TEXT, &o.fields.positive, "NAME",
         "what belongs to the anchor (positive)"},
        {"negative-field", 0, OPTION_TEXT, &o.fields.negative, "NAME",
         "what looks so and does not, if there is one (negative)"},
        TRAINING_OPTIONS(o.training),
    };
    const usage use = {
        "vecna train contrastive PAIRS -o MODEL [options]",
        "Learns a static model of sentences from texts that belong together: in each "
        "batch every text\nis to find its own among all others'. One group of pairs "
        "in 20 is held out to measure.",
        options,
        sizeof options / sizeof options[0],
        "  vecna train contrastive questions.tsv -o questions.vecna\n"
        "  vecna embed texts.txt --model questions.vecna -o texts.npy\n",
        1,
        1};
    const char *path;
    size_t count;
    int status = parse_arguments(argc, argv, &use, &path, &count);
    if (status >= 0)
        return status;
    if (o.training.output == NULL)
        return usage_error(&use, "say where the model goes: -o MODEL");
    if (o.model.rate < 0 || o.model.temperature < 0)
        return usage_error(&use, "--rate and --temperature are above 0");
    if (!take_sizes(&o))
        return usage_error(&use, "--matryoshka takes numbers with commas between them: 128,64,32");
    if (o.training.threads == 0)
        o.training.threads = vecna_cpus_allowed();
    return run(&o, path);
}
