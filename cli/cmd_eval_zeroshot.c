/* vecna eval zeroshot: pictures into classes that are known by their names alone. */
#include "cli/eval_tasks.h"
#include "cli/labels.h"
#include "cli/picture_model.h"
#include "vecna/linalg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BEST = 5 };

typedef struct zeroshot_options {
    const char *model, *labels, *label_field, *classes, *out;
    text_list templates;
    size_t resamples;
    uint64_t seed;
    bool json;
} zeroshot_options;

typedef struct zeroshot_job {
    const zeroshot_options *options;
    const char *path;
    text_model model;
    loaded pictures;
    labels known;  /* of --labels; rows 0: none */
    char *text;    /* of --classes */
    char **listed; /* (classes) its names; NULL: those of `known` */
    char *const *names;
    size_t classes;
    float *class_rows; /* (classes, dim) length 1 */
    uint32_t *best;    /* (rows) */
    float *share;      /* (rows) of the best in the softmax */
    uint32_t *truth;   /* (rows) a class, or `classes` for a label that is none */
    size_t *rank;      /* (rows) of the truth */
    vecna_interval accuracy, among_best;
    double most_frequent;
    size_t unlisted;
} zeroshot_job;

static vecna_status no_room(vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for the classes");
}

/* ---- classes ------------------------------------------------------------------------------------ */

/* The lines of --classes that are not empty, each a class. */
static vecna_status read_classes(zeroshot_job *job, vecna_error *err) {
    const char *path = job->options->classes;
    size_t bytes = 0, lines = 1;
    vecna_status status = read_file(path, &job->text, &bytes, err);
    for (size_t i = 0; i < bytes; i++)
        lines += job->text[i] == '\n';
    if (status == VECNA_OK && (job->listed = calloc(lines, sizeof *job->listed)) == NULL)
        status = no_room(err);
    for (size_t at = 0; status == VECNA_OK && at < bytes;) {
        const char *end = memchr(job->text + at, '\n', bytes - at);
        size_t length = end ? (size_t)(end - job->text) - at : bytes - at;
        const size_t next = at + length + 1;
        length -= length > 0 && job->text[at + length - 1] == '\r';
        char *name = strndup(job->text + at, length);
        if (name == NULL)
            status = no_room(err);
        else if (length == 0)
            free(name);
        else
            job->listed[job->classes++] = name;
        for (size_t c = 0; name && length && c + 1 < job->classes; c++)
            if (strcmp(job->listed[c], name) == 0)
                status = vecna_error_set(err, VECNA_ERR_FORMAT, -1,
                                         "%s names \"%.60s\" more than once", path, name);
        at = next;
    }
    if (status == VECNA_OK && job->classes == 0)
        status = vecna_error_set(err, VECNA_ERR_FORMAT, -1, "%s names no class", path);
    return status;
}

/* A template with the name in the place of {}; to be freed. */
static char *fill_template(const char *template, const char *name) {
    const char *hole = strstr(template, "{}");
    const size_t before = hole ? (size_t)(hole - template) : 0;
    const size_t bytes = strlen(template) + strlen(name) + 1;
    char *text = malloc(bytes);
    if (text && hole)
        snprintf(text, bytes, "%.*s%s%s", (int)before, template, name, hole + 2);
    return text;
}

/* A class is the mean of its name in all templates, at length 1. */
static vecna_status embed_classes(zeroshot_job *job, vecna_error *err) {
    const text_list *templates = &job->options->templates;
    const size_t each = templates->count, count = job->classes * each;
    const size_t dim = model_dim(&job->model);
    char **texts = calloc(count, sizeof *texts);
    loaded rows = {0};
    vecna_status status = VECNA_OK;
    job->class_rows = vecna_allocate_zero(NULL, job->classes, dim * sizeof(float));
    if (texts == NULL || job->class_rows == NULL)
        status = no_room(err);
    for (size_t i = 0; i < count && status == VECNA_OK; i++) {
        texts[i] = fill_template(templates->items[i % each], job->names[i / each]);
        status = texts[i] ? VECNA_OK : no_room(err);
    }
    if (status == VECNA_OK)
        status = embed_texts(&job->model, (const char *const *)texts, count, &rows, err);
    for (size_t c = 0; c < job->classes && status == VECNA_OK; c++) {
        float *row = job->class_rows + c * dim;
        double square = 0;
        for (size_t i = c * each; i < (c + 1) * each; i++)
            for (size_t j = 0; j < dim; j++)
                row[j] += rows.vectors.data[i * dim + j];
        for (size_t j = 0; j < dim; j++)
            square += (double)row[j] * (double)row[j];
        for (size_t j = 0; j < dim; j++)
            row[j] = square > 0 ? (float)((double)row[j] / sqrt(square)) : 0;
    }
    for (size_t i = 0; texts && i < count; i++)
        free(texts[i]);
    free(texts);
    unload(&rows);
    return status;
}

/* ---- pictures ----------------------------------------------------------------------------------- */

/* The class of each label, and how often the most frequent of them is there. */
static vecna_status read_truth(zeroshot_job *job, vecna_error *err) {
    const labels *known = &job->known;
    size_t most = 0;
    vecna_status status =
        match_labels(known, job->names, job->classes, &job->truth, &job->unlisted, err);
    for (size_t i = 0; status == VECNA_OK && i < known->rows; i++)
        if (job->truth[i] < job->classes && known->sizes[known->of[i]] > most)
            most = known->sizes[known->of[i]];
    job->most_frequent = (double)most / (double)known->rows;
    return status;
}

static void judge_row(zeroshot_job *job, size_t i, const float *scores) {
    const double scale = vecna_model_about(job->model.table).scale;
    double sum = 0;
    uint32_t best = 0;
    for (uint32_t c = 1; c < job->classes; c++)
        best = scores[c] > scores[best] ? c : best;
    for (size_t c = 0; c < job->classes; c++)
        sum += exp(scale * ((double)scores[c] - (double)scores[best]));
    job->best[i] = best;
    job->share[i] = (float)(1 / sum);
    if (job->truth == NULL)
        return;
    const uint32_t truth = job->truth[i];
    job->rank[i] = truth == job->classes ? SIZE_MAX : 1;
    for (size_t c = 0; truth < job->classes && c < job->classes; c++)
        job->rank[i] += c != truth && !(scores[c] < scores[truth]);
}

static vecna_status classify(zeroshot_job *job, vecna_error *err) {
    const size_t rows = job->pictures.vectors.rows, dim = job->pictures.vectors.dim;
    float *scores = vecna_allocate(NULL, rows, job->classes * sizeof *scores);
    job->best = calloc(rows, sizeof *job->best);
    job->share = calloc(rows, sizeof *job->share);
    job->rank = calloc(rows, sizeof *job->rank);
    vecna_status status = scores && job->best && job->share && job->rank ? VECNA_OK : no_room(err);
    if (status == VECNA_OK)
        status =
            vecna_linalg_product_rows(vecna_matrix_view(job->pictures.vectors),
                                      vecna_view_dense(job->class_rows, job->classes, dim),
                                      vecna_matrix_dense(scores, rows, job->classes), NULL, err);
    for (size_t i = 0; i < rows && status == VECNA_OK; i++)
        judge_row(job, i, scores + i * job->classes);
    free(scores);
    return status;
}

static double share_within(const zeroshot_job *job, const size_t *picks, size_t most) {
    const size_t rows = job->pictures.vectors.rows;
    size_t found = 0;
    for (size_t i = 0; i < rows; i++)
        found += job->rank[picks ? picks[i] : i] <= most;
    return (double)found / (double)rows;
}

static double first_of(void *user, const size_t *picks) {
    return share_within(user, picks, 1);
}

static double best_of(void *user, const size_t *picks) {
    return share_within(user, picks, BEST);
}

static vecna_status judge(zeroshot_job *job, vecna_error *err) {
    const zeroshot_options *o = job->options;
    const size_t rows = job->pictures.vectors.rows;
    vecna_status status = resample_rows(first_of, job, first_of(job, NULL), rows, o->resamples,
                                        o->seed, &job->accuracy, err);
    if (status == VECNA_OK)
        status = resample_rows(best_of, job, best_of(job, NULL), rows, o->resamples, o->seed,
                               &job->among_best, err);
    return status;
}

/* ---- what is said of them ------------------------------------------------------------------------ */

/* A line a picture: its class, how sure the model is, and its name or number. */
static vecna_status write_classes(const zeroshot_job *job, vecna_error *err) {
    vecna_outfile *file = NULL;
    vecna_status status = vecna_outfile_open(job->options->out, NULL, &file, err);
    for (size_t i = 0; status == VECNA_OK && i < job->pictures.vectors.rows; i++) {
        char rest[64];
        const char *name = job->names[job->best[i]];
        const char *id = job->pictures.ids ? job->pictures.ids[i] : "";
        if (job->pictures.ids)
            snprintf(rest, sizeof rest, "\t%.4f\t", (double)job->share[i]);
        else
            snprintf(rest, sizeof rest, "\t%.4f\t%zu", (double)job->share[i], i);
        status = vecna_outfile_write(file, name, strlen(name), err);
        if (status == VECNA_OK)
            status = vecna_outfile_write(file, rest, strlen(rest), err);
        if (status == VECNA_OK)
            status = vecna_outfile_write(file, id, strlen(id), err);
        if (status == VECNA_OK)
            status = vecna_outfile_write(file, "\n", 1, err);
    }
    if (status == VECNA_OK)
        return vecna_outfile_commit(file, err);
    vecna_outfile_discard(file);
    return status;
}

static int print_json_result(const zeroshot_job *job) {
    vecna_json_writer json;
    vecna_json_writer_init(&json, 0, NULL);
    vecna_json_write_object_begin(&json);
    json_count(&json, "pictures", job->pictures.vectors.rows);
    json_count(&json, "classes", job->classes);
    if (job->truth) {
        write_figure(&json, "accuracy", job->accuracy);
        write_figure(&json, "among_best_5", job->among_best);
        json_number(&json, "chance", 1 / (double)job->classes);
        json_number(&json, "most_frequent", job->most_frequent);
        json_count(&json, "unlisted", job->unlisted);
    }
    vecna_json_write_object_end(&json);
    return print_json(&json, stdout);
}

static int print_result(const zeroshot_job *job) {
    char beside[120];
    if (job->options->json)
        return print_json_result(job);
    printf("%s: %s pictures, %zu classes known by their names\n", job->path,
           grouped(job->pictures.vectors.rows), job->classes);
    if (job->truth == NULL)
        return EXIT_DONE;
    snprintf(beside, sizeof beside, "chance %.3f; always the most frequent label %.3f",
             1 / (double)job->classes, job->most_frequent);
    print_figure("accuracy", job->accuracy, beside);
    if (job->classes > BEST) {
        snprintf(beside, sizeof beside, "chance %.3f", BEST / (double)job->classes);
        print_figure("among best 5", job->among_best, beside);
    }
    if (job->unlisted)
        note("%s pictures have labels that --classes does not name; they count as wrong",
             grouped(job->unlisted));
    return EXIT_DONE;
}

static vecna_status evaluate(zeroshot_job *job, vecna_error *err) {
    const zeroshot_options *o = job->options;
    vecna_status status = open_picture_model(o->model, &job->model, err);
    if (status == VECNA_OK)
        status = embed_pictures(&job->model, job->path, &job->pictures, err);
    if (status == VECNA_OK && o->labels)
        status = load_labels(o->labels, o->label_field ? o->label_field : "label",
                             job->pictures.vectors.rows, &job->known, err);
    if (status == VECNA_OK && o->classes)
        status = read_classes(job, err);
    if (status != VECNA_OK)
        return status;
    job->names = o->classes ? job->listed : job->known.names;
    job->classes = o->classes ? job->classes : job->known.classes;
    status = embed_classes(job, err);
    if (status == VECNA_OK && o->labels)
        status = read_truth(job, err);
    if (status == VECNA_OK)
        status = classify(job, err);
    if (status == VECNA_OK && o->labels)
        status = judge(job, err);
    if (status == VECNA_OK && o->out)
        status = write_classes(job, err);
    return status;
}

static int run(const zeroshot_options *o, const char *path) {
    zeroshot_job job = {.options = o, .path = path};
    vecna_error err;
    const int exit_status = evaluate(&job, &err) == VECNA_OK ? print_result(&job) : fail_with(&err);
    free(job.class_rows);
    free(job.best);
    free(job.share);
    free(job.truth);
    free(job.rank);
    free_labels(&job.known);
    for (size_t c = 0; job.listed && c < job.classes; c++)
        free(job.listed[c]);
    free(job.listed);
    free(job.text);
    unload(&job.pictures);
    close_model(&job.model);
    return exit_status;
}

int eval_zeroshot(int argc, char **argv) {
    zeroshot_options o = {.resamples = 2000};
    const option options[] = {
        {"model", 'm', OPTION_TEXT, &o.model, "M", "model of vecna train clip (required)"},
        {"labels", 'l', OPTION_TEXT, &o.labels, "FILE",
         "of the pictures, in their order: a line each, a label\nor JSON with the field \"label\""},
        {"label-field", 0, OPTION_TEXT, &o.label_field, "NAME", "field of the label (label)"},
        {"classes", 'c', OPTION_TEXT, &o.classes, "FILE",
         "the names of the classes, a line each (the different\nlabels)"},
        {"template", 't', OPTION_TEXTS, &o.templates, "TEXT",
         "what is said of a class, {} its name; given again,\nthe mean of all counts (\"{}\")"},
        {"out", 'o', OPTION_TEXT, &o.out, "FILE",
         "write a line for each picture: class, share of the\nsoftmax, file or row, tabs between"},
        {"resamples", 0, OPTION_COUNT, &o.resamples, "N", "of the bootstrap (2000)"},
        {"seed", 0, OPTION_WHOLE, &o.seed, "N", "of the bootstrap (0)"},
        {"json", 0, OPTION_FLAG, &o.json, NULL, "one JSON object"},
    };
    const usage use = {
        "vecna eval zeroshot PICTURES --model M (--labels FILE | --classes FILE -o FILE) [options]",
        "Puts pictures (a folder of .png, or a .npy of bytes) into classes that the model knows by "
        "their\nnames alone, and says how many it gets right.",
        options,
        sizeof options / sizeof options[0],
        "  vecna eval zeroshot photos --model photos.vecna --classes animals.txt -o found.tsv\n"
        "  vecna eval zeroshot pixels.npy --model photos.vecna --labels labels.txt --template \"a "
        "photo of a {}\"\n",
        1,
        1};
    const char *path;
    size_t count;
    int status = parse_arguments(argc, argv, &use, &path, &count);
    if (status >= 0)
        return status;
    if (o.model == NULL)
        return usage_error(&use, "--model names a model of vecna train clip");
    if (o.labels == NULL && (o.classes == NULL || o.out == NULL))
        return usage_error(&use, "give the pictures' --labels to be judged by, or --classes and -o "
                                 "to have them put into classes");
    for (size_t i = 0; i < o.templates.count; i++)
        if (strstr(o.templates.items[i], "{}") == NULL)
            return usage_error(&use, "--template has {} where the name goes: \"a photo of a {}\"");
    if (o.templates.count == 0)
        o.templates.items[o.templates.count++] = "{}";
    return run(&o, path);
}
