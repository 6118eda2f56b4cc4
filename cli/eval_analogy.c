/* vecna eval analogy: a set of questions against a set of vectors, or one question in words. */
#include "cli/eval.h"
#include "cli/eval_tasks.h"
#include "cli/eval_words.h"
#include "vecna/metric.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SECTIONS_MOST = 256, NAME_BYTES = 64, TERMS_MOST = 63 };

typedef struct analogy_options {
    word_eval_options common;
    int method;
    size_t k;
    double epsilon;
} analogy_options;

typedef struct section {
    char name[NAME_BYTES];
    size_t total, asked, right, nearest; /* nearest: right answers of the control */
} section;

typedef struct analogy_job {
    const analogy_options *options;
    word_eval common;
    const char *questions_path;
    section *sections;
    size_t section_count;
    vecna_analogy *questions; /* those that can be asked */
    size_t *expected;         /* rows */
    size_t *section_of;
    size_t count, capacity;
    int64_t *answers;
    double *right, *control; /* 1 or 0 */
    section semantic, syntactic, total;
    vecna_interval accuracy, nearest, margin;
} analogy_job;

static vecna_status no_memory(vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for the questions");
}

/* ---- questions ------------------------------------------------------------------------------- */

static size_t split(const char *line, size_t bytes, const char *words[5], size_t lengths[5]) {
    size_t count = 0, at = 0;
    while (at < bytes) {
        size_t start;
        while (at < bytes && (line[at] == ' ' || line[at] == '\t'))
            at++;
        start = at;
        while (at < bytes && line[at] != ' ' && line[at] != '\t')
            at++;
        if (at > start) {
            if (count == 5)
                return 6;
            words[count] = line + start;
            lengths[count++] = at - start;
        }
    }
    return count;
}

static vecna_status start_section(analogy_job *job, const char *name, size_t bytes,
                                  vecna_error *err) {
    section *next;
    if (job->section_count == SECTIONS_MOST)
        return vecna_error_set(err, VECNA_ERR_UNSUPPORTED, -1, "%.100s has more than %d sections",
                               job->questions_path, SECTIONS_MOST);
    next = &job->sections[job->section_count++];
    while (bytes > 0 && (*name == ' ' || *name == '\t')) {
        name++;
        bytes--;
    }
    snprintf(next->name, sizeof next->name, "%.*s", (int)(bytes < 60 ? bytes : 60), name);
    return VECNA_OK;
}

static vecna_status reserve(analogy_job *job, vecna_error *err) {
    size_t capacity = job->capacity ? job->capacity * 2 : 1024;
    void *questions, *expected, *section_of;
    if (job->count < job->capacity)
        return VECNA_OK;
    questions = realloc(job->questions, capacity * sizeof *job->questions);
    job->questions = questions ? questions : job->questions;
    expected = realloc(job->expected, capacity * sizeof *job->expected);
    job->expected = expected ? expected : job->expected;
    section_of = realloc(job->section_of, capacity * sizeof *job->section_of);
    job->section_of = section_of ? section_of : job->section_of;
    if (!questions || !expected || !section_of)
        return no_memory(err);
    job->capacity = capacity;
    return VECNA_OK;
}

static vecna_status add_question(analogy_job *job, const vecna_piece *line, size_t number,
                                 vecna_error *err) {
    const char *words[5];
    size_t lengths[5], count = split(line->data, line->bytes, words, lengths);
    int64_t rows[4];
    vecna_status status;
    if (count == 0)
        return VECNA_OK;
    if (count != 4)
        return vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)number,
                               "line %zu of %.100s has %s%zu words; a question has four", number,
                               job->questions_path, count > 5 ? "more than " : "",
                               count > 5 ? 5 : count);
    if (job->section_count == 0)
        status = start_section(job, "questions", 9, err);
    else
        status = VECNA_OK;
    if (status == VECNA_OK)
        status = reserve(job, err);
    if (status != VECNA_OK)
        return status;
    job->sections[job->section_count - 1].total++;
    for (size_t i = 0; i < 4; i++) {
        rows[i] = lookup_row(&job->common.lookup, words[i], lengths[i]);
        if (rows[i] < 0)
            return VECNA_OK;
    }
    job->sections[job->section_count - 1].asked++;
    job->questions[job->count].a = (size_t)rows[0];
    job->questions[job->count].b = (size_t)rows[1];
    job->questions[job->count].c = (size_t)rows[2];
    job->expected[job->count] = (size_t)rows[3];
    job->section_of[job->count++] = job->section_count - 1;
    return VECNA_OK;
}

static vecna_status read_questions(analogy_job *job, vecna_error *err) {
    vecna_source *source = NULL;
    vecna_piece line;
    int more = 1;
    vecna_status status = vecna_source_open(job->questions_path, NULL, &source, err);
    job->sections = calloc(SECTIONS_MOST, sizeof *job->sections);
    if (status == VECNA_OK && job->sections == NULL)
        status = no_memory(err);
    for (size_t number = 1; status == VECNA_OK; number++) {
        status = vecna_source_piece(source, &line, &more, err);
        if (status != VECNA_OK || !more)
            break;
        status = line.bytes > 0 && line.data[0] == ':'
                     ? start_section(job, line.data + 1, line.bytes - 1, err)
                     : add_question(job, &line, number, err);
    }
    vecna_source_close(source);
    if (status == VECNA_OK && job->count == 0)
        status = vecna_error_set(err, VECNA_ERR_NOT_FOUND, -1,
                                 "no question of %.100s has all its words in %.100s",
                                 job->questions_path, job->common.path);
    return status;
}

/* ---- answers --------------------------------------------------------------------------------- */

static vecna_status ask(analogy_job *job, vecna_analogy_method method, double *right,
                        vecna_error *err) {
    const int64_t *form_of = job->common.lookup.form_of;
    vecna_analogy_options options = {method, job->options->epsilon, form_of, job->common.pool,
                                     NULL};
    vecna_status status = vecna_eval_analogies(lookup_vectors(&job->common.lookup), job->questions,
                                               job->count, &options, job->answers, err);
    for (size_t i = 0; status == VECNA_OK && i < job->count; i++)
        right[i] = job->answers[i] >= 0 && form_of[job->answers[i]] == form_of[job->expected[i]];
    return status;
}

static void add_up(analogy_job *job) {
    for (size_t i = 0; i < job->count; i++) {
        job->sections[job->section_of[i]].right += job->right[i] > 0;
        job->sections[job->section_of[i]].nearest += job->control[i] > 0;
    }
    for (size_t i = 0; i < job->section_count; i++) {
        const section *one = &job->sections[i];
        section *sums[2] = {&job->total,
                            strncmp(one->name, "gram", 4) == 0 ? &job->syntactic : &job->semantic};
        for (size_t s = 0; s < 2; s++) {
            sums[s]->total += one->total;
            sums[s]->asked += one->asked;
            sums[s]->right += one->right;
            sums[s]->nearest += one->nearest;
        }
    }
}

static vecna_status measure(analogy_job *job, vecna_error *err) {
    const double *columns[2];
    const vecna_statistic statistics[3] = {{VECNA_STATISTIC_MEAN, 0, 0, 0},
                                           {VECNA_STATISTIC_MEAN, 1, 0, 0},
                                           {VECNA_STATISTIC_DIFFERENCE, 0, 1, 0}};
    vecna_bootstrap_input input = {columns, 2, job->count, statistics, 3};
    vecna_bootstrap_options options = word_eval_bootstrap(&job->common);
    vecna_interval figures[3];
    vecna_status status;
    job->answers = malloc(job->count * sizeof *job->answers);
    job->right = malloc(job->count * sizeof *job->right);
    job->control = malloc(job->count * sizeof *job->control);
    if (!job->answers || !job->right || !job->control)
        return no_memory(err);
    columns[0] = job->right;
    columns[1] = job->control;
    status = ask(job, VECNA_ANALOGY_NEAREST, job->control, err);
    if (status == VECNA_OK)
        status = ask(job, (vecna_analogy_method)job->options->method, job->right, err);
    if (status == VECNA_OK)
        status = vecna_eval_bootstrap(&input, &options, figures, err);
    if (status != VECNA_OK)
        return status;
    job->accuracy = figures[0];
    job->nearest = figures[1];
    job->margin = figures[2];
    add_up(job);
    return VECNA_OK;
}

/* ---- reports --------------------------------------------------------------------------------- */

static const char *method_name(const analogy_options *o) {
    return o->method == VECNA_ANALOGY_MUL ? "3CosMul" : "3CosAdd";
}

static void section_row(table *t, const char *name, const section *one) {
    table_cell(t, "%s", name);
    table_cell(t, "%s", grouped(one->right));
    table_cell(t, "%s", grouped(one->asked));
    table_cell(t, "%s", grouped(one->total));
    if (one->asked) {
        table_cell(t, "%.2f %%", 100 * (double)one->right / (double)one->asked);
        table_cell(t, "%.2f %%", 100 * (double)one->nearest / (double)one->asked);
    } else {
        table_cell(t, "-");
        table_cell(t, "-");
    }
}

static void print_report(const analogy_job *job) {
    static const char *const headers[] = {"section", "right",    "asked",
                                          "of",      "accuracy", "nearest to c"};
    table t;
    printf("%s: %s of %s by %s, over the first %s of %s words%s\n\n", job->common.path,
           grouped(job->count), grouped(job->total.total), method_name(job->options),
           grouped(job->common.lookup.restricted), grouped(job->common.vectors.file.vectors.rows),
           job->common.lookup.fold ? ", letters of either case" : "");
    table_start(&t, 6, headers);
    for (size_t i = 0; i < job->section_count; i++)
        section_row(&t, job->sections[i].name, &job->sections[i]);
    if (job->semantic.total && job->syntactic.total) {
        section_row(&t, "semantic", &job->semantic);
        section_row(&t, "syntactic", &job->syntactic);
    }
    section_row(&t, "total", &job->total);
    table_print(&t, stdout, "  ");
    printf("\naccuracy %.2f %% [%.2f, %.2f] of the questions asked, %.2f %% of all\n",
           100 * job->accuracy.value, 100 * job->accuracy.low, 100 * job->accuracy.high,
           100 * (double)job->total.right / (double)job->total.total);
    printf(
        "control: the nearest neighbour of c alone is right in %.2f %%; margin %.2f [%.2f, %.2f] "
        "points\n",
        100 * job->nearest.value, 100 * job->margin.value, 100 * job->margin.low,
        100 * job->margin.high);
}

static void json_section(vecna_json_writer *json, const char *name, const section *one) {
    vecna_json_write_object_begin(json);
    vecna_json_write_key(json, "name");
    vecna_json_write_string(json, name);
    vecna_json_write_key(json, "right");
    vecna_json_write_u64(json, one->right);
    vecna_json_write_key(json, "asked");
    vecna_json_write_u64(json, one->asked);
    vecna_json_write_key(json, "total");
    vecna_json_write_u64(json, one->total);
    vecna_json_write_key(json, "nearest_to_c_right");
    vecna_json_write_u64(json, one->nearest);
    vecna_json_write_object_end(json);
}

static int print_report_json(const analogy_job *job) {
    vecna_json_writer json;
    vecna_json_writer_init(&json, 0, NULL);
    vecna_json_write_object_begin(&json);
    vecna_json_write_key(&json, "method");
    vecna_json_write_string(&json, method_name(job->options));
    vecna_json_write_key(&json, "words");
    vecna_json_write_u64(&json, job->common.vectors.file.vectors.rows);
    vecna_json_write_key(&json, "restricted_to");
    vecna_json_write_u64(&json, job->common.lookup.restricted);
    vecna_json_write_key(&json, "sections");
    vecna_json_write_array_begin(&json);
    for (size_t i = 0; i < job->section_count; i++)
        json_section(&json, job->sections[i].name, &job->sections[i]);
    vecna_json_write_array_end(&json);
    vecna_json_write_key(&json, "semantic");
    json_section(&json, "semantic", &job->semantic);
    vecna_json_write_key(&json, "syntactic");
    json_section(&json, "syntactic", &job->syntactic);
    vecna_json_write_key(&json, "total");
    json_section(&json, "total", &job->total);
    write_figure(&json, "accuracy", job->accuracy);
    vecna_json_write_key(&json, "accuracy_of_all");
    vecna_json_write_f64(&json, (double)job->total.right / (double)job->total.total);
    write_figure(&json, "nearest_to_c", job->nearest);
    write_figure(&json, "margin", job->margin);
    vecna_json_write_object_end(&json);
    return print_json(&json, stdout);
}

/* ---- one question in words ------------------------------------------------------------------- */

typedef struct term {
    size_t row;
    double sign;
} term;

/* king - man + woman */
static vecna_status parse_terms(analogy_job *job, const char *const *words, size_t count,
                                term *terms, size_t *term_count, vecna_error *err) {
    double sign = 1;
    bool expects_word = true;
    *term_count = 0;
    for (size_t i = 0; i < count; i++) {
        bool plus = strcmp(words[i], "+") == 0, minus = strcmp(words[i], "-") == 0;
        int64_t row;
        if (plus || minus) {
            if (expects_word)
                return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                                       "a word stands before and behind each + and -");
            sign = plus ? 1 : -1;
            expects_word = true;
            continue;
        }
        if (!expects_word)
            return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                                   "between \"%.40s\" and \"%.40s\" stands neither + nor -",
                                   words[i - 1], words[i]);
        row = lookup_row(&job->common.lookup, words[i], strlen(words[i]));
        if (row < 0)
            return vecna_error_set(err, VECNA_ERR_NOT_FOUND, -1, "%.100s has no word \"%.60s\"",
                                   job->common.path, words[i]);
        terms[*term_count].row = (size_t)row;
        terms[(*term_count)++].sign = sign;
        expects_word = false;
    }
    return expects_word ? vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                                          "a word stands before and behind each + and -")
                        : VECNA_OK;
}

static bool is_term(const analogy_job *job, const term *terms, size_t count, size_t row) {
    for (size_t i = 0; i < count; i++)
        if (job->common.lookup.form_of[terms[i].row] == job->common.lookup.form_of[row])
            return true;
    return false;
}

/* The k best of distances, best first, passing over the words of the question. */
static size_t best_rows(const analogy_job *job, const term *terms, size_t count,
                        const float *distances, size_t *out) {
    size_t found = 0, k = job->options->k;
    for (size_t row = 0; row < job->common.lookup.restricted; row++) {
        size_t at;
        if (isnan(distances[row]) || (found == k && distances[row] >= distances[out[k - 1]]) ||
            is_term(job, terms, count, row))
            continue;
        at = found < k ? found++ : k - 1;
        for (; at > 0 && distances[out[at - 1]] > distances[row]; at--)
            out[at] = out[at - 1];
        out[at] = row;
    }
    return found;
}

static int print_answers(const analogy_job *job, const float *distances, const size_t *rows,
                         size_t count) {
    bool products = job->options->method == VECNA_ANALOGY_MUL;
    const char *const headers[] = {"word", products ? "score" : "cosine"};
    vecna_json_writer json;
    table t;
    if (!job->options->common.json) {
        table_start(&t, 2, headers);
        for (size_t i = 0; i < count; i++) {
            table_cell(&t, "%s",
                       job->common.vectors.words[rows[i]] ? job->common.vectors.words[rows[i]]
                                                          : "");
            table_cell(&t, "%.4f", (products ? 0 : 1) - (double)distances[rows[i]]);
        }
        table_print(&t, stdout, "");
        return EXIT_DONE;
    }
    vecna_json_writer_init(&json, 0, NULL);
    vecna_json_write_object_begin(&json);
    vecna_json_write_key(&json, "answers");
    vecna_json_write_array_begin(&json);
    for (size_t i = 0; i < count; i++) {
        vecna_json_write_object_begin(&json);
        vecna_json_write_key(&json, "word");
        vecna_json_write_string(&json, job->common.vectors.words[rows[i]]);
        vecna_json_write_key(&json, "row");
        vecna_json_write_u64(&json, rows[i]);
        vecna_json_write_key(&json, headers[1]);
        vecna_json_write_f64(&json, (products ? 0 : 1) - (double)distances[rows[i]]);
        vecna_json_write_object_end(&json);
    }
    vecna_json_write_array_end(&json);
    vecna_json_write_object_end(&json);
    return print_json(&json, stdout);
}

/* 3CosAdd: the cosine distance to the sum of unit rows. */
static vecna_status rank_by_sum(const analogy_job *job, const term *terms, size_t count,
                                float *distances, vecna_error *err) {
    vecna_view vectors = lookup_vectors(&job->common.lookup);
    float *query = calloc(vectors.dim + 1, sizeof *query);
    vecna_status status = query ? VECNA_OK : no_memory(err);
    for (size_t i = 0; status == VECNA_OK && i < count; i++) {
        const float *row = vectors.data + terms[i].row * vectors.stride;
        double norm = vecna_metric_norm(row, vectors.dim);
        for (size_t d = 0; norm > 0 && d < vectors.dim; d++)
            query[d] += (float)(terms[i].sign * (double)row[d] / norm);
    }
    if (status == VECNA_OK)
        status = vecna_metric_rows(VECNA_METRIC_COSINE, query, vecna_vectors_of(vectors), distances,
                                   err);
    free(query);
    return status;
}

/* 3CosMul of any number of words: the product of (1 + cos) / 2 for words with a plus, divided by that
 * of words with a minus; negative, since the lowest is the best here. */
static vecna_status rank_by_product(const analogy_job *job, const term *terms, size_t count,
                                    float *distances, vecna_error *err) {
    vecna_view vectors = lookup_vectors(&job->common.lookup);
    double epsilon = job->options->epsilon > 0 ? job->options->epsilon : 0.001;
    float *to_term = malloc((vectors.rows + 1) * sizeof *to_term);
    float *divisors = malloc((vectors.rows + 1) * sizeof *divisors);
    vecna_status status = to_term && divisors ? VECNA_OK : no_memory(err);
    for (size_t row = 0; status == VECNA_OK && row < vectors.rows; row++)
        distances[row] = divisors[row] = 1;
    for (size_t i = 0; status == VECNA_OK && i < count; i++) {
        float *product = terms[i].sign > 0 ? distances : divisors;
        status =
            vecna_metric_rows(VECNA_METRIC_COSINE, vectors.data + terms[i].row * vectors.stride,
                              vecna_vectors_of(vectors), to_term, err);
        for (size_t row = 0; status == VECNA_OK && row < vectors.rows; row++)
            product[row] *= 1 - to_term[row] / 2;
    }
    for (size_t row = 0; status == VECNA_OK && row < vectors.rows; row++)
        distances[row] = -(float)((double)distances[row] / ((double)divisors[row] + epsilon));
    free(to_term);
    free(divisors);
    return status;
}

static int answer_words(analogy_job *job, const char *const *words, size_t count) {
    vecna_view vectors = lookup_vectors(&job->common.lookup);
    term terms[TERMS_MOST];
    size_t term_count = 0, found, k = job->options->k;
    size_t *rows = malloc((k + 1) * sizeof *rows);
    float *distances = malloc((vectors.rows + 1) * sizeof *distances);
    vecna_error err;
    vecna_status status = rows && distances
                              ? parse_terms(job, words, count, terms, &term_count, &err)
                              : no_memory(&err);
    int exit_status;
    if (status == VECNA_OK)
        status = job->options->method == VECNA_ANALOGY_MUL
                     ? rank_by_product(job, terms, term_count, distances, &err)
                     : rank_by_sum(job, terms, term_count, distances, &err);
    if (status != VECNA_OK) {
        exit_status = fail_with(&err);
    } else {
        found = best_rows(job, terms, term_count, distances, rows);
        exit_status = print_answers(job, distances, rows, found);
    }
    free(rows);
    free(distances);
    return exit_status;
}

/* One argument is a file of questions. A word in its place is half a question in words, and "cannot
 * read king" would not say what is missing. */
static vecna_status expect_questions(analogy_job *job, vecna_error *err) {
    const char *given = job->questions_path;
    FILE *file = fopen(given, "rb");
    if (file) {
        fclose(file);
        return VECNA_OK;
    }
    if (strchr(given, ' ') == NULL && lookup_row(&job->common.lookup, given, strlen(given)) < 0)
        return VECNA_OK; /* reading it says why it cannot be read */
    return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                           "\"%.60s\" is no file of questions; a question in words is A - B + C, "
                           "each an argument of its own, such as king - man + woman",
                           given);
}

/* ---- the command ----------------------------------------------------------------------------- */

static int run(const analogy_options *o, const char *const *arguments, size_t count) {
    analogy_job job;
    vecna_error err;
    vecna_status status;
    int exit_status = EXIT_DONE;
    memset(&job, 0, sizeof job);
    job.options = o;
    job.questions_path = arguments[1];
    status = word_eval_open(arguments[0], &o->common, &job.common, &err);
    if (status == VECNA_OK && count > 2) {
        exit_status = answer_words(&job, arguments + 1, count - 1);
    } else {
        if (status == VECNA_OK)
            status = expect_questions(&job, &err);
        if (status == VECNA_OK)
            status = read_questions(&job, &err);
        if (status == VECNA_OK)
            status = measure(&job, &err);
        if (status != VECNA_OK)
            exit_status = fail_with(&err);
        else if (o->common.json)
            exit_status = print_report_json(&job);
        else
            print_report(&job);
    }
    free(job.sections);
    free(job.questions);
    free(job.expected);
    free(job.section_of);
    free(job.answers);
    free(job.right);
    free(job.control);
    word_eval_close(&job.common);
    return exit_status;
}

int eval_analogy(int argc, char **argv) {
    analogy_options o = {.common = {.restricted = 300000}, .k = 10};
    const option options[] = {
        {"method", 0, OPTION_CHOICE, &o.method, "add|mul",
         "3CosAdd: cos(x,b) - cos(x,a) + cos(x,c); 3CosMul\nmultiplies and divides them (add)"},
        {"epsilon", 0, OPTION_NUMBER, &o.epsilon, "X", "added to the divisor of 3CosMul (0.001)"},
        {"k", 'k', OPTION_COUNT, &o.k, "N", "answers to a question in words (10)"},
        WORD_EVAL_OPTIONS(o.common, "only the first N words count, as questions and as\nanswers "
                                    "(300000; other programs: 30000)"),
    };
    const usage use = {
        "vecna eval analogy VECTORS QUESTIONS | VECTORS WORD - WORD + WORD ... [options]",
        "Asks VECTORS what is to c as b is to a: a file of questions, four words a line below "
        "lines "
        "of\n\": section\", or one question in words. Questions with a word that is not there are "
        "not "
        "asked,\nand how many were is always said, because a smaller vocabulary makes questions "
        "easier.",
        options,
        sizeof options / sizeof options[0],
        "  vecna eval analogy words.bin questions-words.txt --restrict-vocab 30000\n"
        "  vecna eval analogy words.bin king - man + woman\n",
        2,
        TERMS_MOST};
    const char *arguments[TERMS_MOST];
    size_t count;
    int status = parse_arguments(argc, argv, &use, arguments, &count);
    if (status >= 0)
        return status;
    return run(&o, arguments, count);
}
