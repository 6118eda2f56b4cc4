/* vecna train layer: vectors of words trained together with a classifier of texts, or of users and items
 * together with who chose or rated what. A share of the samples is held out, and what the layer says of
 * them stands beside what can be said without it. */
#include "cli/eval_tasks.h"
#include "cli/labels.h"
#include "cli/layer_pairs.h"
#include "cli/train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DRAWN = 50, SPLIT_STREAM = 77, ASK_STREAM = 78 };

typedef struct layer_options {
    text_options text;
    training_options training;
    vecna_layer_options model;
    const char *labels, *label_field;
    int recommend; /* 0: not */
    double hold_out;
    bool biases;
} layer_options;

typedef struct layer_job {
    const layer_options *options;
    const char *path;
    vecna_corpus corpus; /* classify */
    labels classes;
    pair_list pairs;    /* recommend */
    vecna_vocab *names; /* of the rows, where they are pairs' */
    size_t samples, held;
    size_t *order; /* (samples) the first `held` are held out */
    vecna_layer_data data;
    int32_t *ids, *labels, *users, *items; /* of data: what is trained on */
    size_t *starts;
    double *ratings;
    vecna_layer *model;
    vecna_pool *pool;
    trainer watch;
    double *found, *baseline; /* (held) right or not, squared error, or share of items below */
    vecna_interval figure, without, margin;
} layer_job;

TRAINABLE(layer);

static vecna_status no_memory(const layer_job *job, vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for %zu samples",
                           job->samples);
}

static bool classifies(const layer_job *job) {
    return job->options->model.task == VECNA_LAYER_CLASSIFY;
}

/* ---- samples --------------------------------------------------------------------------------- */

static vecna_status split(layer_job *job, vecna_error *err) {
    vecna_random random;
    job->held = (size_t)(job->options->hold_out * (double)job->samples);
    job->order = malloc(job->samples * sizeof *job->order);
    if (job->order == NULL)
        return no_memory(job, err);
    for (size_t i = 0; i < job->samples; i++)
        job->order[i] = i;
    vecna_random_seed(&random, job->options->training.seed, SPLIT_STREAM);
    vecna_random_shuffle(&random, job->order, job->samples);
    job->data.samples = job->samples - job->held;
    return VECNA_OK;
}

static vecna_status take_texts(layer_job *job, vecna_error *err) {
    const layer_options *o = job->options;
    size_t made = 0;
    vecna_status status = read_corpus(job->path, &o->text, NULL, true, &job->corpus, err);
    if (status == VECNA_OK)
        status = load_labels(o->labels, o->label_field, job->corpus.units, &job->classes, err);
    job->samples = job->corpus.units;
    if (status == VECNA_OK)
        status = split(job, err);
    if (status != VECNA_OK)
        return status;
    job->ids = malloc((job->corpus.tokens + 1) * sizeof *job->ids);
    job->starts = calloc(job->samples + 1, sizeof *job->starts);
    job->labels = malloc(job->samples * sizeof *job->labels);
    if (!job->ids || !job->starts || !job->labels)
        return no_memory(job, err);
    for (size_t i = 0; i < job->data.samples; i++) {
        const size_t text = job->order[job->held + i], first = job->corpus.starts[text];
        const size_t words = job->corpus.starts[text + 1] - first;
        memcpy(job->ids + made, job->corpus.ids + first, words * sizeof *job->ids);
        job->labels[i] = (int32_t)job->classes.of[text];
        job->starts[i + 1] = made += words;
    }
    job->data.ids = job->ids;
    job->data.starts = job->starts;
    job->data.labels = job->labels;
    job->data.words = vecna_vocab_size(job->corpus.vocab);
    job->data.classes = job->classes.classes;
    return VECNA_OK;
}

/* "user:NAME" and "item:NAME": the same name may stand on both sides. */
static vecna_status name_rows(layer_job *job, const vecna_vocab *side, const char *before,
                              vecna_error *err) {
    vecna_status status = VECNA_OK;
    for (size_t i = 0; status == VECNA_OK && i < vecna_vocab_size(side); i++) {
        size_t bytes;
        const char *name = vecna_vocab_word(side, (int32_t)i, &bytes);
        char *whole = malloc(bytes + 5);
        if (whole == NULL)
            return no_memory(job, err);
        memcpy(whole, before, 5);
        memcpy(whole + 5, name, bytes);
        status = vecna_vocab_add(job->names, whole, bytes + 5, 0, NULL, err);
        free(whole);
    }
    return status;
}

static vecna_status take_pairs(layer_job *job, vecna_error *err) {
    const bool rated = job->options->model.task == VECNA_LAYER_SQUARED;
    vecna_status status = read_pair_list(job->path, rated, &job->pairs, err);
    job->samples = job->pairs.count;
    if (status == VECNA_OK)
        status = split(job, err);
    if (status == VECNA_OK)
        status = vecna_vocab_new(NULL, &job->names, err);
    if (status == VECNA_OK)
        status = name_rows(job, job->pairs.users, "user:", err);
    if (status == VECNA_OK)
        status = name_rows(job, job->pairs.items, "item:", err);
    if (status != VECNA_OK)
        return status;
    job->users = malloc(job->samples * sizeof *job->users);
    job->items = malloc(job->samples * sizeof *job->items);
    job->ratings = malloc(job->samples * sizeof *job->ratings);
    if (!job->users || !job->items || !job->ratings)
        return no_memory(job, err);
    for (size_t i = 0; i < job->data.samples; i++) {
        const size_t row = job->order[job->held + i];
        job->users[i] = job->pairs.user[row];
        job->items[i] = job->pairs.item[row];
        job->ratings[i] = job->pairs.rating[row];
    }
    job->data.users = job->users;
    job->data.items = job->items;
    job->data.ratings = job->ratings;
    job->data.user_count = vecna_vocab_size(job->pairs.users);
    job->data.item_count = vecna_vocab_size(job->pairs.items);
    return VECNA_OK;
}

static size_t rows_of(const layer_job *job) {
    return classifies(job) ? job->data.words : job->data.user_count + job->data.item_count;
}

static size_t dim_of(const layer_job *job) {
    return job->options->model.dim + (job->options->biases ? 2 : 0);
}

static vecna_status train(layer_job *job, vecna_error *err) {
    const layer_options *o = job->options;
    const double bytes = vecna_layer_bytes(&o->model, &job->data);
    vecna_status status =
        check_resources(o->training.output, (size_t)bytes,
                        (double)rows_of(job) * (double)dim_of(job) * 22 + bytes, err);
    if (status == VECNA_OK)
        status = vecna_layer_new(&o->model, &job->data, &job->model, err);
    if (status != VECNA_OK)
        return status;
    job->watch.model = job->model;
    return trainer_run(&job->watch, job->pool, err);
}

/* ---- held out -------------------------------------------------------------------------------- */

/* Label 0 is the most frequent of all; of those that are trained on it is counted. */
static vecna_status judge_texts(layer_job *job, vecna_error *err) {
    const size_t classes = job->data.classes;
    double *scratch = malloc(job->options->model.dim * sizeof *scratch);
    double *chances = malloc(classes * sizeof *chances);
    size_t *counts = calloc(classes, sizeof *counts), most = 0;
    vecna_status status = scratch && chances && counts ? VECNA_OK : no_memory(job, err);
    for (size_t i = 0; status == VECNA_OK && i < job->data.samples; i++)
        counts[job->labels[i]]++;
    for (size_t c = 1; status == VECNA_OK && c < classes; c++)
        most = counts[c] > counts[most] ? c : most;
    for (size_t i = 0; status == VECNA_OK && i < job->held; i++) {
        const size_t text = job->order[i], first = job->corpus.starts[text];
        const size_t label = job->classes.of[text];
        job->found[i] =
            label == vecna_layer_classify(job->model, job->corpus.ids + first,
                                          job->corpus.starts[text + 1] - first, scratch, chances);
        job->baseline[i] = label == most;
    }
    free(scratch);
    free(chances);
    free(counts);
    return status;
}

static vecna_status judge_ratings(layer_job *job, vecna_error *err) {
    for (size_t i = 0; i < job->held; i++) {
        const size_t row = job->order[i];
        const double error =
            vecna_layer_score(job->model, job->pairs.user[row], job->pairs.item[row]) -
            job->pairs.rating[row];
        job->found[i] = error * error;
    }
    return bias_errors(&job->pairs, job->order + job->held, job->data.samples, job->order,
                       job->held, job->baseline, err);
}

static double beats(double score, double other) {
    return score > other ? 1 : score == other ? 0.5 : 0;
}

/* The share of items that the user does not have, drawn evenly, which a held-out item stands above; and
 * that by how many have it. */
static vecna_status judge_choices(layer_job *job, vecna_error *err) {
    const pair_list *pairs = &job->pairs;
    double *popular = calloc(job->data.item_count, sizeof *popular);
    pair_set known = {0};
    vecna_random random;
    vecna_status status = pair_set_of(pairs, &known, err);
    if (status == VECNA_OK && popular == NULL)
        status = no_memory(job, err);
    for (size_t i = 0; status == VECNA_OK && i < job->data.samples; i++)
        popular[job->items[i]]++;
    vecna_random_seed(&random, job->options->training.seed, ASK_STREAM);
    for (size_t i = 0; status == VECNA_OK && i < job->held; i++) {
        const int32_t user = pairs->user[job->order[i]], item = pairs->item[job->order[i]];
        const double score = vecna_layer_score(job->model, user, item);
        double asked = 0;
        job->found[i] = job->baseline[i] = 0;
        for (size_t n = 0; n < DRAWN; n++) {
            const int32_t other = (int32_t)vecna_random_below(&random, job->data.item_count);
            if (pair_set_has(&known, user, other))
                continue;
            asked++;
            job->found[i] += beats(score, vecna_layer_score(job->model, user, other));
            job->baseline[i] += beats(popular[item], popular[other]);
        }
        job->found[i] = asked > 0 ? job->found[i] / asked : 0.5;
        job->baseline[i] = asked > 0 ? job->baseline[i] / asked : 0.5;
    }
    free(popular);
    free(known.keys);
    return status;
}

static vecna_interval root(vecna_interval of) {
    of.value = sqrt(of.value);
    of.low = sqrt(of.low);
    of.high = sqrt(of.high);
    return of;
}

static vecna_status judge(layer_job *job, vecna_error *err) {
    const double *columns[2];
    const vecna_statistic statistics[3] = {{VECNA_STATISTIC_MEAN, 0, 0, 0},
                                           {VECNA_STATISTIC_MEAN, 1, 0, 0},
                                           {VECNA_STATISTIC_DIFFERENCE, 0, 1, 0}};
    const vecna_bootstrap_input input = {columns, 2, job->held, statistics, 3};
    const vecna_bootstrap_options options = {0, 0, job->options->training.seed, job->pool, NULL};
    vecna_interval figures[3];
    vecna_status status;
    if (job->held == 0)
        return VECNA_OK;
    job->found = malloc(job->held * sizeof *job->found);
    job->baseline = malloc(job->held * sizeof *job->baseline);
    if (!job->found || !job->baseline)
        return no_memory(job, err);
    columns[0] = job->found;
    columns[1] = job->baseline;
    status = classifies(job)                                   ? judge_texts(job, err)
             : job->options->model.task == VECNA_LAYER_SQUARED ? judge_ratings(job, err)
                                                               : judge_choices(job, err);
    if (status == VECNA_OK)
        status = vecna_eval_bootstrap(&input, &options, figures, err);
    if (status != VECNA_OK)
        return status;
    job->figure = figures[0];
    job->without = figures[1];
    job->margin = figures[2];
    if (job->options->model.task == VECNA_LAYER_SQUARED) {
        job->figure = root(job->figure);
        job->without = root(job->without);
    }
    return VECNA_OK;
}

/* ---- results --------------------------------------------------------------------------------- */

/* With biases: user . item is the score, less the mean. */
static vecna_status fill_rows(const void *user, size_t first, vecna_matrix out, vecna_error *err) {
    const layer_job *job = user;
    const size_t dim = job->options->model.dim;
    const vecna_matrix vectors = {out.data, out.rows, dim, out.stride};
    vecna_status status = vecna_layer_vectors(job->model, first, vectors, err);
    for (size_t i = 0; status == VECNA_OK && job->options->biases && i < out.rows; i++) {
        float *more = out.data + i * out.stride + dim;
        const bool is_user = first + i < job->data.user_count;
        more[is_user ? 0 : 1] = (float)vecna_layer_bias(job->model, first + i);
        more[is_user ? 1 : 0] = 1;
    }
    return status;
}

static vecna_status write_result(layer_job *job, vecna_error *err) {
    const vector_output output = {rows_of(job),  dim_of(job),
                                  fill_rows,     job,
                                  word_of_vocab, classifies(job) ? job->corpus.vocab : job->names};
    return write_vectors(job->options->training.output, &output, err);
}

static const char *const tasks[] = {"classify", "squared", "logistic"};
static const char *const figures[] = {"accuracy", "rmse", "auc"};
static const char *const baselines[] = {"the most frequent label", "mean and biases",
                                        "how many have the item"};

static void print_summary(const void *user) {
    const layer_job *job = user;
    const int task = (int)job->options->model.task;
    const char *output = job->options->training.output;
    char *beside = words_path(output);
    printf("%s: %s rows x %zu dimensions, trained with %s\n", output, grouped(rows_of(job)),
           dim_of(job),
           task == 0   ? "a classifier"
           : task == 1 ? "ratings"
                       : "choices");
    if (beside)
        printf("  names in  %s\n", beside);
    if (classifies(job))
        printf("  read      %s texts of %s, %s labels, %s different words\n", grouped(job->samples),
               job->path, grouped(job->data.classes), grouped(job->data.words));
    else
        printf("  read      %s pairs of %s: %s users, %s items\n", grouped(job->samples), job->path,
               grouped(job->data.user_count), grouped(job->data.item_count));
    if (job->held)
        printf("  held out  %s: %s %.4f [%.4f, %.4f]; by %s %.4f [%.4f, %.4f]\n",
               grouped(job->held), figures[task], job->figure.value, job->figure.low,
               job->figure.high, baselines[task], job->without.value, job->without.low,
               job->without.high);
    trainer_print(&job->watch);
    free(beside);
}

static int print_summary_json(const void *user) {
    const layer_job *job = user;
    const int task = (int)job->options->model.task;
    vecna_json_writer json;
    trainer_json_begin(&job->watch, "layer", &json);
    vecna_json_write_key(&json, "task");
    vecna_json_write_string(&json, tasks[task]);
    json_count(&json, "rows", rows_of(job));
    json_count(&json, "dim", dim_of(job));
    json_count(&json, "samples", job->data.samples);
    json_count(&json, "held_out", job->held);
    if (classifies(job)) {
        json_count(&json, "labels", job->data.classes);
    } else {
        json_count(&json, "users", job->data.user_count);
        json_count(&json, "items", job->data.item_count);
        vecna_json_write_key(&json, "mean");
        vecna_json_write_f64(&json, vecna_layer_mean(job->model));
    }
    if (job->held) {
        vecna_json_write_key(&json, "figure");
        vecna_json_write_string(&json, figures[task]);
        write_figure(&json, figures[task], job->figure);
        vecna_json_write_key(&json, "baseline_is");
        vecna_json_write_string(&json, baselines[task]);
        write_figure(&json, "baseline", job->without);
        write_figure(&json, task == 1 ? "margin_of_squares" : "margin", job->margin);
    }
    return trainer_json_end(&job->watch, &json);
}

static int run(const layer_options *o, const char *path) {
    layer_job job;
    vecna_error err;
    vecna_status status;
    int exit_status;
    memset(&job, 0, sizeof job);
    job.options = o;
    job.path = path;
    job.watch.options = &o->training;
    job.watch.kind = &layer_trainable;
    job.watch.what = "samples";
    job.watch.kernels = "float64";
    status = check_output_name(o->training.output, &err);
    if (status == VECNA_OK)
        status = vecna_pool_new(o->training.threads, NULL, &job.pool, &err);
    if (status == VECNA_OK)
        status = classifies(&job) ? take_texts(&job, &err) : take_pairs(&job, &err);
    if (status == VECNA_OK)
        status = train(&job, &err);
    if (status == VECNA_OK)
        status = judge(&job, &err);
    if (status == VECNA_OK)
        status = write_result(&job, &err);
    exit_status = trainer_end(&job.watch, status, &err, print_summary_json, print_summary, &job);
    vecna_layer_free(job.model);
    vecna_corpus_free(&job.corpus);
    free_labels(&job.classes);
    free_pair_list(&job.pairs);
    vecna_vocab_free(job.names);
    free(job.order);
    free(job.ids);
    free(job.starts);
    free(job.labels);
    free(job.users);
    free(job.items);
    free(job.ratings);
    free(job.found);
    free(job.baseline);
    vecna_pool_free(job.pool);
    return exit_status;
}

/* ---- the command ----------------------------------------------------------------------------- */

static bool reads_text(const text_options *t) {
    return t->tokens || t->unit || t->keep_case || t->min_count != 1 || t->most_words ||
           t->phrases || t->phrase_threshold != 0;
}

static int check_usage(const layer_options *o, const usage *use) {
    if (o->training.output == NULL)
        return usage_error(use, "say where the vectors go: -o VECTORS");
    if ((o->labels != NULL) == (o->recommend > 0))
        return usage_error(use, "say what it is trained with: --classify LABELS, or --recommend "
                                "squared or logistic");
    if (o->recommend && (reads_text(&o->text) || strcmp(o->label_field, "label") != 0))
        return usage_error(use, "pairs are no texts: leave --tokens, --keep-case, --min-count, "
                                "--max-words, --phrases, --unit and --label-field out");
    if (o->labels && o->biases)
        return usage_error(use, "--biases goes with --recommend");
    if (o->model.negative && o->recommend != 2)
        return usage_error(use, "--negative goes with --recommend logistic");
    if (o->model.rate <= 0)
        return usage_error(use, "--lr is above 0, not %g", o->model.rate);
    if (!(o->hold_out >= 0 && o->hold_out <= 0.5))
        return usage_error(use, "--hold-out is a share from 0 to 0.5, not %g", o->hold_out);
    return -1;
}

int train_layer(int argc, char **argv) {
    layer_options o = {
        .text = {.min_count = 1},
        .training = {.seed = 1, .checkpoint_seconds = 300},
        .model = {.dim = 64, .epochs = 20, .batch = 64, .rate = 0.1},
        .label_field = "label",
        .hold_out = 0.1,
    };
    const option options[] = {
        {"output", 'o', OPTION_TEXT, &o.training.output, "FILE",
         "vectors; the name tells the format: .txt .bin .npy\n.safetensors .vec .glove .jsonl "
         ".csv"},
        {"classify", 0, OPTION_TEXT, &o.labels, "LABELS",
         "train with a classifier: a label for each text (a line\nof INPUT), or JSON with the "
         "field "
         "\"label\""},
        {"label-field", 0, OPTION_TEXT, &o.label_field, "NAME", "field of LABELS (label)"},
        {"recommend", 0, OPTION_CHOICE, &o.recommend, "no|squared|logistic",
         "INPUT has pairs: user, item, rating (squared error);\nor user, item (logistic, against "
         "items drawn)"},
        {"dim", 'd', OPTION_COUNT, &o.model.dim, "N", "dimensions (64)"},
        {"epochs", 'e', OPTION_COUNT, &o.model.epochs, "N", "times through the samples (20)"},
        {"lr", 0, OPTION_NUMBER, &o.model.rate, "X", "AdaGrad's rate (0.1)"},
        {"batch", 0, OPTION_COUNT, &o.model.batch, "N", "samples a step (64)"},
        {"l2", 0, OPTION_NUMBER, &o.model.l2, "X", "penalty on squares of what a sample reads (0)"},
        {"negative", 'n', OPTION_COUNT, &o.model.negative, "N",
         "items drawn against each (4); logistic"},
        {"hold-out", 0, OPTION_NUMBER, &o.hold_out, "X",
         "share of the samples that is asked and not trained on\n(0.1; 0: none)"},
        {"biases", 0, OPTION_FLAG, &o.biases, NULL,
         "two more numbers a row, so that user . item is the\nwhole score, less the mean rating"},
        TEXT_OPTIONS(o.text),
        {"unit", 0, OPTION_CHOICE, &o.text.unit, "line|paragraph|file", "what a text is (line)"},
        TRAINING_OPTIONS(o.training),
    };
    const usage use = {
        "vecna train layer INPUT (--classify LABELS | --recommend KIND) -o VECTORS [options]",
        "Learns a table of vectors as the first layer of what uses it: words so that the mean of a "
        "text's\nrows tells its label, or users and items so that their products tell ratings or "
        "choices.",
        options,
        sizeof options / sizeof options[0],
        "  vecna train layer questions.txt --classify intents.txt -o words.npy\n"
        "  vecna train layer ratings.tsv --recommend squared --l2 0.05 -o tastes.npy\n",
        1,
        1};
    const char *path;
    size_t count;
    int status = parse_arguments(argc, argv, &use, &path, &count);
    if (status < 0)
        status = check_usage(&o, &use);
    if (status >= 0)
        return status;
    if (o.training.threads == 0)
        o.training.threads = vecna_cpus_allowed();
    o.model.seed = o.training.seed;
    o.model.task = (vecna_layer_task)o.recommend;
    return run(&o, path);
}
