/* vecna eval pairs: are the vectors of pairs that belong together nearer than those of pairs that do
 * not? And the two figures of contrastive spaces: alignment of the pairs, uniformity of all. */
#include "cli/eval_tasks.h"
#include "cli/labels.h"
#include "cli/rank.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { UNIFORMITY_ROWS = 5000 };

typedef struct pairs_options {
    const char *labels, *label_field;
    size_t resamples, threads;
    uint64_t seed;
    bool json;
    input_options input;
} pairs_options;

typedef struct pairs_job {
    const pairs_options *options;
    const char *paths[2];
    loaded side[2];
    labels given;
    size_t rows, positives;
    double *cosine, *picked;
    uint32_t *positive, *picked_positive;
    vecna_interval precision;
    double alignment, uniformity;
} pairs_job;

static vecna_status no_memory(const pairs_job *job, vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for %zu pairs", job->rows);
}

/* Labels are 1 (belongs together) and 0; without a file, every pair belongs together. */
static vecna_status read_truth(pairs_job *job, vecna_error *err) {
    const pairs_options *o = job->options;
    vecna_status status;
    if (o->labels == NULL) {
        for (size_t i = 0; i < job->rows; i++)
            job->positive[i] = 1;
        job->positives = job->rows;
        return VECNA_OK;
    }
    status = load_labels(o->labels, o->label_field ? o->label_field : "label", job->rows,
                         &job->given, err);
    for (size_t c = 0; status == VECNA_OK && c < job->given.classes; c++)
        if (strcmp(job->given.names[c], "0") != 0 && strcmp(job->given.names[c], "1") != 0)
            status = vecna_error_set(err, VECNA_ERR_FORMAT, -1,
                                     "%s: a pair is labelled 1 (belongs together) or 0, not "
                                     "\"%.60s\"",
                                     o->labels, job->given.names[c]);
    for (size_t i = 0; status == VECNA_OK && i < job->rows; i++) {
        job->positive[i] = job->given.names[job->given.of[i]][0] == '1';
        job->positives += job->positive[i];
    }
    if (status == VECNA_OK && job->positives == 0)
        status = vecna_error_set(err, VECNA_ERR_FORMAT, -1,
                                 "%s: no pair is labelled 1: there is nothing to find", o->labels);
    return status;
}

static void find_cosines(pairs_job *job) {
    const vecna_matrix *a = &job->side[0].vectors, *b = &job->side[1].vectors;
    for (size_t i = 0; i < job->rows; i++) {
        const float *x = a->data + i * a->stride, *y = b->data + i * b->stride;
        double xy = 0, xx = 0, yy = 0;
        for (size_t j = 0; j < a->dim; j++) {
            xy += (double)x[j] * (double)y[j];
            xx += (double)x[j] * (double)x[j];
            yy += (double)y[j] * (double)y[j];
        }
        job->cosine[i] = xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : 0;
    }
}

static double precision_of(void *user, const size_t *picks) {
    pairs_job *job = user;
    double at = NAN;
    for (size_t i = 0; i < job->rows; i++) {
        job->picked[i] = job->cosine[picks ? picks[i] : i];
        job->picked_positive[i] = job->positive[picks ? picks[i] : i];
    }
    if (vecna_eval_average_precision(job->picked, job->picked_positive, job->rows, NULL, &at,
                                     NULL) != VECNA_OK)
        return NAN;
    return at;
}

/* Mean squared distance of the pairs that belong together. */
static vecna_status align(pairs_job *job, vecna_error *err) {
    const vecna_matrix *a = &job->side[0].vectors, *b = &job->side[1].vectors;
    double sum = 0;
    for (size_t i = 0; i < job->rows; i++) {
        double one;
        if (!job->positive[i])
            continue;
        vecna_status status =
            vecna_eval_alignment(vecna_view_dense(a->data + i * a->stride, 1, a->dim),
                                 vecna_view_dense(b->data + i * b->stride, 1, b->dim), &one, err);
        if (status != VECNA_OK)
            return status;
        sum += one;
    }
    job->alignment = sum / (double)job->positives;
    return VECNA_OK;
}

static vecna_status evaluate(pairs_job *job, vecna_pool *pool, vecna_error *err) {
    const pairs_options *o = job->options;
    vecna_status status;
    job->cosine = malloc(2 * job->rows * sizeof *job->cosine);
    job->positive = malloc(2 * job->rows * sizeof *job->positive);
    if (job->cosine == NULL || job->positive == NULL)
        return no_memory(job, err);
    job->picked = job->cosine + job->rows;
    job->picked_positive = job->positive + job->rows;
    status = read_truth(job, err);
    if (status != VECNA_OK)
        return status;
    find_cosines(job);
    status = align(job, err);
    if (status == VECNA_OK && job->rows > 1)
        status = vecna_eval_uniformity(vecna_matrix_view(job->side[0].vectors), UNIFORMITY_ROWS,
                                       pool, NULL, &job->uniformity, err);
    if (status == VECNA_OK)
        status = resample_rows(precision_of, job, precision_of(job, NULL), job->rows, o->resamples,
                               o->seed, &job->precision, err);
    return status;
}

static int print_result(const pairs_job *job) {
    const double share = (double)job->positives / (double)job->rows;
    vecna_json_writer json;
    char beside[64];
    if (!job->options->json) {
        printf("%s, %s: %s pairs x %zu, %s belong together\n", job->paths[0], job->paths[1],
               grouped(job->rows), job->side[0].vectors.dim, grouped(job->positives));
        snprintf(beside, sizeof beside, "by chance %.3f", share);
        if (job->positives < job->rows)
            print_figure("AP", job->precision, beside);
        printf("  %-14s %6.3f   squared distance of what belongs together; 0 is best\n",
               "alignment", job->alignment);
        if (!isnan(job->uniformity)) /* of one row there is none */
            printf("  %-14s %6.3f   of %s; lower is more even\n", "uniformity", job->uniformity,
                   job->paths[0]);
        return EXIT_DONE;
    }
    vecna_json_writer_init(&json, 0, NULL);
    vecna_json_write_object_begin(&json);
    vecna_json_write_key(&json, "pairs");
    vecna_json_write_u64(&json, job->rows);
    vecna_json_write_key(&json, "positives");
    vecna_json_write_u64(&json, job->positives);
    write_figure(&json, "average_precision", job->precision);
    vecna_json_write_key(&json, "chance");
    vecna_json_write_f64(&json, share);
    vecna_json_write_key(&json, "alignment");
    vecna_json_write_f64(&json, job->alignment);
    vecna_json_write_key(&json, "uniformity");
    vecna_json_write_f64(&json, job->uniformity);
    vecna_json_write_object_end(&json);
    return print_json(&json, stdout);
}

static int run_pairs(pairs_job *job) {
    const pairs_options *o = job->options;
    vecna_format_options format = format_options(&o->input);
    vecna_pool *pool = NULL;
    vecna_error err;
    int exit_status;
    vecna_status status = vecna_pool_new(o->threads, NULL, &pool, &err);
    for (size_t s = 0; status == VECNA_OK && s < 2; s++) {
        status = load_vectors(job->paths[s], &format, &job->side[s], &err);
        if (status == VECNA_OK)
            status = check_finite(job->paths[s], vecna_matrix_view(job->side[s].vectors), 0, &err);
    }
    if (status == VECNA_OK && (job->side[0].vectors.rows != job->side[1].vectors.rows ||
                               job->side[0].vectors.dim != job->side[1].vectors.dim))
        status = vecna_error_set(
            &err, VECNA_ERR_DIM, -1, "%s has %zu rows x %zu, %s %zu x %zu; row i of both is a pair",
            job->paths[0], job->side[0].vectors.rows, job->side[0].vectors.dim, job->paths[1],
            job->side[1].vectors.rows, job->side[1].vectors.dim);
    job->rows = job->side[0].vectors.rows;
    if (status == VECNA_OK)
        status = evaluate(job, pool, &err);
    exit_status = status == VECNA_OK ? print_result(job) : fail_with(&err);
    free(job->cosine);
    free(job->positive);
    free_labels(&job->given);
    unload(&job->side[0]);
    unload(&job->side[1]);
    vecna_pool_free(pool);
    return exit_status;
}

int eval_pairs(int argc, char **argv) {
    pairs_options o = {.resamples = 500};
    const option options[] = {
        {"labels", 'l', OPTION_TEXT, &o.labels, "FILE",
         "1 for a pair that belongs together, else 0: a line\na pair, or JSON with the field "
         "\"label\"\n(default: all belong together)"},
        {"label-field", 0, OPTION_TEXT, &o.label_field, "NAME", "field of --labels (label)"},
        {"resamples", 0, OPTION_COUNT, &o.resamples, "N", "of the bootstrap (500)"},
        {"seed", 0, OPTION_WHOLE, &o.seed, "N", "of the bootstrap (0)"},
        {"json", 0, OPTION_FLAG, &o.json, NULL, "one JSON object"},
        {"threads", 0, OPTION_COUNT, &o.threads, "N", "(default: the CPUs allowed)"},
        INPUT_OPTIONS(o.input),
    };
    const usage use = {
        "vecna eval pairs A B [--labels FILE] [options]",
        "Row i of A and row i of B are a pair. Average precision of finding the pairs that belong\n"
        "together by cosine, their alignment, and the uniformity of A.",
        options,
        sizeof options / sizeof options[0],
        "  vecna eval pairs questions.npy answers.npy --labels same.txt\n",
        2,
        2};
    size_t count;
    pairs_job job;
    int status;
    memset(&job, 0, sizeof job);
    status = parse_arguments(argc, argv, &use, job.paths, &count);
    if (status >= 0)
        return status;
    job.options = &o;
    job.alignment = job.uniformity = NAN;
    return run_pairs(&job);
}
