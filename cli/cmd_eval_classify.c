/* vecna eval classify: how much of a labelling can be read off frozen vectors by a linear model. */
#include "cli/eval_tasks.h"
#include "cli/labels.h"
#include "cli/rank.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct classify_options {
    const char *labels, *test_labels, *label_field, *out;
    double strength;
    size_t resamples;
    uint64_t seed;
    bool json;
    input_options input;
} classify_options;

typedef struct classify_job {
    const classify_options *options;
    const char *train_path, *test_path;
    loaded train, test;
    labels known, asked;
    uint32_t *truth;     /* (tests) class as the training labels number it; classes: a new one */
    uint32_t *predicted; /* (tests) */
    double *counts;      /* (classes, 3) for F1: right, predicted, true */
    vecna_interval accuracy, f1;
    double most_frequent, loss;
    size_t steps, unseen;
} classify_job;

static double accuracy_of(void *user, const size_t *picks) {
    const classify_job *job = user;
    size_t right = 0;
    for (size_t i = 0; i < job->test.vectors.rows; i++) {
        const size_t row = picks ? picks[i] : i;
        right += job->predicted[row] == job->truth[row];
    }
    return (double)right / (double)job->test.vectors.rows;
}

/* Mean over the classes that occur of their F1. */
static double macro_f1_of(void *user, const size_t *picks) {
    classify_job *job = user;
    const size_t classes = job->known.classes + 1;
    double sum = 0;
    size_t seen = 0;
    memset(job->counts, 0, 3 * classes * sizeof *job->counts);
    for (size_t i = 0; i < job->test.vectors.rows; i++) {
        const size_t row = picks ? picks[i] : i;
        job->counts[3 * job->truth[row]] += job->truth[row] == job->predicted[row];
        job->counts[3 * job->predicted[row] + 1]++;
        job->counts[3 * job->truth[row] + 2]++;
    }
    for (size_t c = 0; c < classes; c++) {
        const double both = job->counts[3 * c + 1] + job->counts[3 * c + 2];
        if (both > 0) {
            sum += 2 * job->counts[3 * c] / both;
            seen++;
        }
    }
    return sum / (double)seen;
}

static vecna_status evaluate(classify_job *job, vecna_error *err) {
    const classify_options *o = job->options;
    const vecna_classify_options options = {.strength = o->strength};
    const size_t tests = job->test.vectors.rows;
    vecna_status status = match_labels(&job->asked, job->known.names, job->known.classes,
                                       &job->truth, &job->unseen, err);
    if (status != VECNA_OK)
        return status;
    job->predicted = calloc(tests, sizeof *job->predicted);
    job->counts = calloc(3 * (job->known.classes + 1), sizeof *job->counts);
    if (job->predicted == NULL || job->counts == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for %zu rows", tests);
    status = vecna_eval_classify(vecna_matrix_view(job->train.vectors), job->known.of,
                                 job->known.classes, vecna_matrix_view(job->test.vectors), &options,
                                 job->predicted, &job->loss, &job->steps, err);
    if (status == VECNA_OK)
        status = resample_rows(accuracy_of, job, accuracy_of(job, NULL), tests, o->resamples,
                               o->seed, &job->accuracy, err);
    if (status == VECNA_OK)
        status = resample_rows(macro_f1_of, job, macro_f1_of(job, NULL), tests, o->resamples,
                               o->seed, &job->f1, err);
    for (size_t i = 0; i < tests; i++) /* class 0 is the most frequent of the training labels */
        job->most_frequent += (job->truth[i] == 0) / (double)tests;
    return status;
}

static int print_result(const classify_job *job) {
    vecna_json_writer json;
    char beside[80];
    if (!job->options->json) {
        printf("%s: %s rows x %zu, %zu labels; asked: %s rows of %s\n", job->train_path,
               grouped(job->train.vectors.rows), job->train.vectors.dim, job->known.classes,
               grouped(job->test.vectors.rows), job->test_path);
        snprintf(beside, sizeof beside, "always the most frequent label %.3f", job->most_frequent);
        print_figure("accuracy", job->accuracy, beside);
        print_figure("macro F1", job->f1, "");
        if (job->unseen)
            note("%s rows of %s have labels that no training row has; they count as wrong",
                 grouped(job->unseen), job->test_path);
        return EXIT_DONE;
    }
    vecna_json_writer_init(&json, 0, NULL);
    vecna_json_write_object_begin(&json);
    json_count(&json, "rows", job->train.vectors.rows);
    json_count(&json, "tests", job->test.vectors.rows);
    json_count(&json, "labels", job->known.classes);
    json_count(&json, "unseen", job->unseen);
    write_figure(&json, "accuracy", job->accuracy);
    write_figure(&json, "macro_f1", job->f1);
    json_number(&json, "most_frequent", job->most_frequent);
    json_number(&json, "training_loss", job->loss);
    json_count(&json, "steps", job->steps);
    vecna_json_write_object_end(&json);
    return print_json(&json, stdout);
}

/* A line a row: the label predicted. */
static vecna_status write_predictions(const classify_job *job, vecna_error *err) {
    vecna_outfile *file = NULL;
    vecna_status status = vecna_outfile_open(job->options->out, NULL, &file, err);
    for (size_t i = 0; status == VECNA_OK && i < job->test.vectors.rows; i++) {
        const char *name = job->known.names[job->predicted[i]];
        status = vecna_outfile_write(file, name, strlen(name), err);
        if (status == VECNA_OK)
            status = vecna_outfile_write(file, "\n", 1, err);
    }
    if (status == VECNA_OK)
        return vecna_outfile_commit(file, err);
    vecna_outfile_discard(file);
    return status;
}

static vecna_status load_side(const classify_job *job, const char *path, const char *label_path,
                              loaded *file, labels *of, vecna_error *err) {
    const classify_options *o = job->options;
    vecna_format_options format = format_options(&o->input);
    vecna_status status = load_vectors(path, &format, file, err);
    if (status == VECNA_OK)
        status = check_finite(path, vecna_matrix_view(file->vectors), 0, err);
    if (status == VECNA_OK)
        status = load_labels(label_path, o->label_field ? o->label_field : "label",
                             file->vectors.rows, of, err);
    return status;
}

static int run_classify(classify_job *job) {
    const classify_options *o = job->options;
    vecna_error err;
    int exit_status;
    vecna_status status =
        load_side(job, job->train_path, o->labels, &job->train, &job->known, &err);
    if (status == VECNA_OK)
        status = load_side(job, job->test_path, o->test_labels, &job->test, &job->asked, &err);
    if (status == VECNA_OK)
        status = evaluate(job, &err);
    if (status == VECNA_OK && o->out)
        status = write_predictions(job, &err);
    exit_status = status == VECNA_OK ? print_result(job) : fail_with(&err);
    free(job->truth);
    free(job->predicted);
    free(job->counts);
    free_labels(&job->known);
    free_labels(&job->asked);
    unload(&job->train);
    unload(&job->test);
    return exit_status;
}

int eval_classify(int argc, char **argv) {
    classify_options o = {.resamples = 2000};
    const option options[] = {
        {"labels", 'l', OPTION_TEXT, &o.labels, "FILE",
         "of TRAIN: a line a row, a label or JSON with the\nfield \"label\""},
        {"test-labels", 0, OPTION_TEXT, &o.test_labels, "FILE", "the same of TEST"},
        {"label-field", 0, OPTION_TEXT, &o.label_field, "NAME", "field of both (label)"},
        {"strength", 'C', OPTION_NUMBER, &o.strength, "X",
         "weight of the rows against the penalty (1)"},
        {"out", 'o', OPTION_TEXT, &o.out, "FILE", "write the label predicted for each row of TEST"},
        {"resamples", 0, OPTION_COUNT, &o.resamples, "N", "of the bootstrap (2000)"},
        {"seed", 0, OPTION_WHOLE, &o.seed, "N", "of the bootstrap (0)"},
        {"json", 0, OPTION_FLAG, &o.json, NULL, "one JSON object"},
        INPUT_OPTIONS(o.input),
    };
    const usage use = {
        "vecna eval classify TRAIN TEST --labels FILE --test-labels FILE [options]",
        "Fits a logistic regression on the vectors of TRAIN and says how many labels of TEST it "
        "gets\n"
        "right, beside always naming the most frequent label.",
        options,
        sizeof options / sizeof options[0],
        "  vecna eval classify train.npy test.npy --labels train.txt --test-labels test.txt\n",
        2,
        2};
    const char *paths[2];
    size_t count;
    classify_job job;
    int status = parse_arguments(argc, argv, &use, paths, &count);
    if (status >= 0)
        return status;
    if (o.labels == NULL || o.test_labels == NULL)
        return usage_error(&use, "both files need labels: --labels and --test-labels");
    if (o.strength < 0)
        return usage_error(&use, "--strength is above 0, not %g", o.strength);
    memset(&job, 0, sizeof job);
    job.options = &o;
    job.train_path = paths[0];
    job.test_path = paths[1];
    return run_classify(&job);
}
