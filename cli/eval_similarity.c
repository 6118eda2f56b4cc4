/* vecna eval similarity: do vectors find alike what people find alike? Pairs of words by the cosine of
 * their vectors; pairs of sentences by that of the mean of their words, plain and weighted (SIF). Beside
 * them stands what the letters alone would tell. */
#include "cli/embed_model.h"
#include "cli/eval.h"
#include "cli/eval_tasks.h"
#include "cli/eval_words.h"
#include "vecna/linalg.h"
#include "vecna/metric.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FIELDS_MOST = 32, WAYS_MOST = 2 };
#define SIF 1e-3

typedef struct similarity_options {
    word_eval_options common;
    double sif;
    bool sentences;
    const char *counts, *model;
} similarity_options;

/* A judged pair of the file; the texts lie in job->text. */
typedef struct judged_pair {
    const char *a, *b;
    size_t a_bytes, b_bytes;
    double score;
} judged_pair;

typedef struct similarity_job {
    const similarity_options *options;
    word_eval common;
    const char *pairs_path;
    vecna_tokenizer *tokenizer;
    char *text; /* the file of pairs */
    size_t text_bytes;
    judged_pair *pairs;
    size_t pair_count, pair_capacity;
    text_model model; /* embeds sentences whole; or none */
    bool sentences;
    size_t unknown;   /* words: pairs left out; sentences: those without any known word */
    double *weights;  /* (restricted) of SIF */
    double *gold;     /* (asked) */
    double *found[3]; /* (asked) of each way, and of the control */
    size_t asked, ways;
    vecna_correlations figures[3];
} similarity_job;

static const char *const word_ways[] = {"cosine"}, *const sentence_ways[] = {"mean", "SIF"};
static const char model_way[] = "cosine";

static const char *way_name(const similarity_job *job, size_t way) {
    if (way == job->ways)
        return job->sentences ? "common words (control)" : "common letters (control)";
    if (job->options->model)
        return model_way;
    return job->sentences ? sentence_ways[way] : word_ways[way];
}

static vecna_status no_memory(vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for the pairs");
}

/* ---- the file of pairs ----------------------------------------------------------------------- */

typedef struct field {
    const char *data;
    size_t bytes;
} field;

static size_t split(const char *line, size_t bytes, field *out) {
    char by = memchr(line, '\t', bytes) ? '\t' : memchr(line, ',', bytes) ? ',' : ' ';
    size_t count = 0, at = 0;
    while (count < FIELDS_MOST) {
        const char *end = memchr(line + at, by, bytes - at);
        size_t length = end ? (size_t)(end - line) - at : bytes - at;
        if (length > 0 || by != ' ') {
            out[count].data = line + at;
            out[count++].bytes = length;
        }
        if (end == NULL)
            break;
        at += length + 1;
    }
    return count;
}

static bool is_number(const field *one, double *out) {
    char digits[64], *end;
    if (one->bytes == 0 || one->bytes >= sizeof digits)
        return false;
    memcpy(digits, one->data, one->bytes);
    digits[one->bytes] = '\0';
    errno = 0;
    *out = strtod(digits, &end);
    return *end == '\0' && isfinite(*out);
}

/* Where the two texts and the score stand. */
typedef struct columns {
    size_t a, b, score;
    bool named; /* by the first line */
} columns;

static bool named(const field *one, const char *name) {
    return one->bytes == strlen(name) && memcmp(one->data, name, one->bytes) == 0;
}

/* 1 when the first line names the columns, as the STS benchmark's does. */
static bool read_header(const field *fields, size_t count, columns *out) {
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        size_t *place = named(&fields[i], "sentence1")   ? &out->a
                        : named(&fields[i], "sentence2") ? &out->b
                        : named(&fields[i], "score")     ? &out->score
                                                         : NULL;
        if (place) {
            *place = i;
            found++;
        }
    }
    out->named = found == 3;
    return out->named;
}

static vecna_status add_pair(similarity_job *job, const field *fields, const columns *where,
                             double score, vecna_error *err) {
    judged_pair *pair;
    if (job->pair_count == job->pair_capacity) {
        size_t capacity = job->pair_capacity ? job->pair_capacity * 2 : 1024;
        void *pairs = realloc(job->pairs, capacity * sizeof *job->pairs);
        if (pairs == NULL)
            return no_memory(err);
        job->pairs = pairs;
        job->pair_capacity = capacity;
    }
    pair = &job->pairs[job->pair_count++];
    pair->a = fields[where->a].data;
    pair->a_bytes = fields[where->a].bytes;
    pair->b = fields[where->b].data;
    pair->b_bytes = fields[where->b].bytes;
    pair->score = score;
    job->sentences |= memchr(pair->a, ' ', pair->a_bytes) || memchr(pair->b, ' ', pair->b_bytes);
    return VECNA_OK;
}

static vecna_status read_line(similarity_job *job, const char *line, size_t bytes, size_t number,
                              columns *where, vecna_error *err) {
    field fields[FIELDS_MOST];
    size_t count = split(line, bytes, fields), most = where->a > where->b ? where->a : where->b;
    double score = 0;
    if (number == 1 && read_header(fields, count, where))
        return VECNA_OK;
    if (!where->named && count >= 3 && is_number(&fields[0], &score)) {
        columns first = {1, 2, 0, false};
        return add_pair(job, fields, &first, score, err);
    }
    if (count <= most || count <= where->score || !is_number(&fields[where->score], &score)) {
        if (number == 1) /* a first line of names */
            return VECNA_OK;
        return vecna_error_set(
            err, VECNA_ERR_FORMAT, (int64_t)number,
            "line %zu of %.100s is no pair: two texts and a number, between tabs, "
            "commas or (words) blanks",
            number, job->pairs_path);
    }
    return add_pair(job, fields, where, score, err);
}

static vecna_status read_pairs(similarity_job *job, vecna_error *err) {
    columns where = {0, 1, 2, false};
    size_t number = 0;
    vecna_status status = read_file(job->pairs_path, &job->text, &job->text_bytes, err);
    for (size_t at = 0; status == VECNA_OK && at < job->text_bytes;) {
        const char *line = job->text + at;
        const char *end = memchr(line, '\n', job->text_bytes - at);
        size_t bytes = end ? (size_t)(end - line) : job->text_bytes - at;
        at += bytes + 1;
        number++;
        if (bytes > 0 && line[bytes - 1] == '\r')
            bytes--;
        if (bytes > 0 && line[0] != '#')
            status = read_line(job, line, bytes, number, &where, err);
    }
    if (status == VECNA_OK && job->pair_count < 2)
        status = vecna_error_set(err, VECNA_ERR_FORMAT, -1,
                                 "%.100s holds %zu pairs; a correlation takes two or more",
                                 job->pairs_path, job->pair_count);
    job->sentences |= job->options->sentences;
    job->sentences |= job->options->model != NULL;
    job->ways = job->sentences && !job->options->model ? 2 : 1;
    return status;
}

/* ---- words ----------------------------------------------------------------------------------- */

static double cosine_of(const float *a, const float *b, size_t dim) {
    return 1 - vecna_metric_cosine(a, b, dim);
}

/* Share of common trigrams of "<word>", twice over all of both. */
static double common_letters(const judged_pair *pair) {
    size_t common = 0, of_a = pair->a_bytes, of_b = pair->b_bytes;
    for (size_t i = 0; i < of_a; i++)
        for (size_t j = 0; j < of_b; j++) {
            bool same = true;
            for (size_t at = 0; same && at < 3; at++) {
                char x = i + at == 0 ? '<' : i + at > of_a ? '>' : pair->a[i + at - 1];
                char y = j + at == 0 ? '<' : j + at > of_b ? '>' : pair->b[j + at - 1];
                same = x == y;
            }
            if (same) {
                common++;
                break;
            }
        }
    return of_a + of_b ? 2 * (double)common / (double)(of_a + of_b) : 0;
}

static void compare_words(similarity_job *job) {
    vecna_view vectors = lookup_vectors(&job->common.lookup);
    for (size_t i = 0; i < job->pair_count; i++) {
        const judged_pair *pair = &job->pairs[i];
        int64_t a = lookup_row(&job->common.lookup, pair->a, pair->a_bytes);
        int64_t b = lookup_row(&job->common.lookup, pair->b, pair->b_bytes);
        if (a < 0 || b < 0) {
            job->unknown++;
            continue;
        }
        job->gold[job->asked] = pair->score;
        job->found[1][job->asked] = common_letters(pair);
        job->found[0][job->asked++] =
            cosine_of(vectors.data + (size_t)a * vectors.stride,
                      vectors.data + (size_t)b * vectors.stride, vectors.dim);
    }
}

/* ---- sentences ------------------------------------------------------------------------------- */

/* a / (a + p): p by counts, or by rank where there are none (Zipf). */
static vecna_status weigh_words(similarity_job *job, vecna_error *err) {
    size_t rows = job->common.lookup.restricted;
    double total = 0;
    vecna_source *source = NULL;
    vecna_piece line;
    int more = 1;
    vecna_status status = VECNA_OK;
    job->weights = calloc(rows + 1, sizeof *job->weights);
    if (job->weights == NULL)
        return no_memory(err);
    if (job->options->counts)
        status = vecna_source_open(job->options->counts, NULL, &source, err);
    while (status == VECNA_OK && source) {
        field fields[FIELDS_MOST];
        double count = 0;
        int64_t row;
        status = vecna_source_piece(source, &line, &more, err);
        if (status != VECNA_OK || !more)
            break;
        if (split(line.data, line.bytes, fields) != 2 || !is_number(&fields[1], &count) ||
            count < 0)
            status = vecna_error_set(err, VECNA_ERR_FORMAT, -1,
                                     "a line of %.100s is not a word and its count",
                                     job->options->counts);
        row = status == VECNA_OK ? lookup_row(&job->common.lookup, fields[0].data, fields[0].bytes)
                                 : -1;
        total += status == VECNA_OK ? count : 0;
        if (row >= 0)
            job->weights[row] += count;
    }
    vecna_source_close(source);
    for (size_t row = 0; job->options->counts == NULL && row < rows; row++)
        total += job->weights[row] = 1 / (double)(row + 1);
    for (size_t row = 0; row < rows && total > 0; row++)
        job->weights[row] = job->options->sif / (job->options->sif + job->weights[row] / total);
    return status;
}

/* Sums of the words of a text into two rows; returns how many were known. */
static size_t add_words(similarity_job *job, const char *text, size_t bytes, float *mean,
                        float *sif) {
    vecna_view vectors = lookup_vectors(&job->common.lookup);
    size_t known = 0;
    const char *word = "";
    vecna_tokenizer_start(job->tokenizer, text, bytes);
    while (vecna_tokenizer_next(job->tokenizer, &word, &bytes, NULL) == VECNA_OK && word) {
        int64_t row = lookup_row(&job->common.lookup, word, bytes);
        const float *vector;
        if (row < 0)
            continue;
        vector = vectors.data + (size_t)row * vectors.stride;
        for (size_t d = 0; d < vectors.dim; d++) {
            mean[d] += vector[d];
            sif[d] += (float)job->weights[row] * vector[d];
        }
        known++;
    }
    for (size_t d = 0; known > 0 && d < vectors.dim; d++) {
        mean[d] /= (float)known;
        sif[d] /= (float)known;
    }
    return known;
}

/* Takes the first principal direction (not centred) of all rows out of each of them. */
static vecna_status remove_common(vecna_matrix rows, vecna_error *err) {
    size_t dim = rows.dim;
    double *gram = calloc(dim * dim, sizeof *gram), *values = malloc(dim * sizeof *values);
    vecna_gram sums = {.gram = gram};
    const vecna_view none = {NULL, 0, 0, 0};
    vecna_status status = gram && values ? VECNA_OK : no_memory(err);
    if (status == VECNA_OK)
        status = vecna_linalg_gram_add(&sums, vecna_matrix_view(rows), none, err);
    if (status == VECNA_OK)
        status = vecna_linalg_eigen(gram, dim, values, err);
    for (size_t i = 0; status == VECNA_OK && i < rows.rows; i++) {
        float *row = rows.data + i * rows.stride;
        double part = 0;
        for (size_t d = 0; d < dim; d++)
            part += gram[d] * (double)row[d];
        for (size_t d = 0; d < dim; d++)
            row[d] -= (float)(part * gram[d]);
    }
    free(gram);
    free(values);
    return status;
}

/* Cosine of the sets of words, known or not. */
static double common_words(similarity_job *job, const judged_pair *pair) {
    vecna_vocab *words = NULL;
    size_t sizes[2] = {0, 0}, common = 0;
    const char *texts[2] = {pair->a, pair->b}, *word;
    size_t bytes[2] = {pair->a_bytes, pair->b_bytes}, length;
    if (vecna_vocab_new(NULL, &words, NULL) != VECNA_OK)
        return 0;
    for (size_t side = 0; side < 2; side++) {
        vecna_tokenizer_start(job->tokenizer, texts[side], bytes[side]);
        while (vecna_tokenizer_next(job->tokenizer, &word, &length, NULL) == VECNA_OK && word) {
            int32_t id = vecna_vocab_find(words, word, length);
            uint64_t seen = id < 0 ? 0 : vecna_vocab_count(words, id);
            if (seen & (1u << side)) /* counts are marks: 1 in the first text, 2 in the second */
                continue;
            sizes[side]++;
            common += side == 1 && seen == 1;
            if (vecna_vocab_add(words, word, length, 1u << side, NULL, NULL) != VECNA_OK)
                break;
        }
    }
    vecna_vocab_free(words);
    return sizes[0] && sizes[1] ? (double)common / sqrt((double)sizes[0] * (double)sizes[1]) : 0;
}

static vecna_status compare_sentences(similarity_job *job, vecna_error *err) {
    size_t dim = lookup_vectors(&job->common.lookup).dim, rows = 2 * job->pair_count;
    float *mean = calloc(rows * dim + 1, sizeof *mean), *sif = calloc(rows * dim + 1, sizeof *sif);
    vecna_tokenizer_options options = {VECNA_TOKENS_WORDS, job->options->common.letters == 1, NULL};
    vecna_status status = mean && sif ? VECNA_OK : no_memory(err);
    if (status == VECNA_OK)
        status = vecna_tokenizer_new(&options, &job->tokenizer, err);
    if (status == VECNA_OK)
        status = weigh_words(job, err);
    for (size_t i = 0; status == VECNA_OK && i < job->pair_count; i++) {
        const judged_pair *pair = &job->pairs[i];
        size_t at = 2 * i * dim;
        size_t a = add_words(job, pair->a, pair->a_bytes, mean + at, sif + at);
        size_t b = add_words(job, pair->b, pair->b_bytes, mean + at + dim, sif + at + dim);
        job->unknown += a == 0 || b == 0;
        job->gold[i] = pair->score;
        job->found[2][i] = common_words(job, pair);
    }
    if (status == VECNA_OK)
        status = remove_common(vecna_matrix_dense(sif, rows, dim), err);
    for (size_t i = 0; status == VECNA_OK && i < job->pair_count; i++) {
        size_t at = 2 * i * dim;
        job->found[0][i] = cosine_of(mean + at, mean + at + dim, dim);
        job->found[1][i] = cosine_of(sif + at, sif + at + dim, dim);
    }
    job->asked = job->pair_count;
    free(mean);
    free(sif);
    return status;
}

/* ---- sentences by a model -------------------------------------------------------------------- */

typedef struct embedded_pairs {
    similarity_job *job;
    size_t next, taken; /* texts: pair i has 2 i and 2 i + 1 */
    float *rows;        /* (2 * pairs, dim) */
} embedded_pairs;

static int next_side(void *user, const char **text, size_t *bytes) {
    embedded_pairs *all = user;
    const judged_pair *pair = &all->job->pairs[all->next / 2];
    if (all->next == 2 * all->job->pair_count)
        return 0;
    *text = all->next % 2 ? pair->b : pair->a;
    *bytes = all->next++ % 2 ? pair->b_bytes : pair->a_bytes;
    return 1;
}

static int take_sides(void *user, const float *rows, size_t count, size_t dim) {
    embedded_pairs *all = user;
    memcpy(all->rows + all->taken * dim, rows, count * dim * sizeof *rows);
    all->taken += count;
    return 0;
}

static vecna_status compare_by_model(similarity_job *job, vecna_error *err) {
    const size_t dim = model_dim(&job->model);
    embedded_pairs all = {.job = job};
    const embed_model_options options = {
        .model = &job->model, .next = next_side, .take = take_sides, .user = &all};
    const vecna_tokenizer_options words = {VECNA_TOKENS_WORDS, job->options->common.letters == 1,
                                           NULL};
    vecna_status status = vecna_tokenizer_new(&words, &job->tokenizer, err);
    all.rows = vecna_allocate(NULL, 2 * job->pair_count, dim * sizeof *all.rows);
    if (all.rows == NULL)
        status = no_memory(err);
    if (status == VECNA_OK)
        status = embed_by_model(&options, err);
    for (size_t i = 0; status == VECNA_OK && i < job->pair_count; i++) {
        const float *a = all.rows + 2 * i * dim;
        const double cosine = cosine_of(a, a + dim, dim);
        const bool known = vecna_metric_norm(a, dim) > 0 && vecna_metric_norm(a + dim, dim) > 0;
        job->unknown += !known;
        job->gold[i] = job->pairs[i].score;
        job->found[0][i] = known ? cosine : 0;
        job->found[1][i] = common_words(job, &job->pairs[i]);
    }
    job->asked = job->pair_count;
    vecna_release(NULL, all.rows);
    return status;
}

/* ---- figures and reports --------------------------------------------------------------------- */

static vecna_status measure(similarity_job *job, vecna_error *err) {
    vecna_bootstrap_options options = word_eval_bootstrap(&job->common);
    vecna_status status = VECNA_OK;
    job->gold = malloc(job->pair_count * sizeof *job->gold);
    for (size_t way = 0; way <= job->ways; way++)
        job->found[way] = malloc(job->pair_count * sizeof(double));
    if (!job->gold || !job->found[0] || !job->found[1] || !job->found[job->ways])
        return no_memory(err);
    if (job->options->model)
        status = compare_by_model(job, err);
    else if (job->sentences)
        status = compare_sentences(job, err);
    else
        compare_words(job);
    if (status == VECNA_OK && job->asked < 2)
        status = vecna_error_set(err, VECNA_ERR_NOT_FOUND, -1,
                                 "%zu pairs of %.80s have both words in %.80s; a correlation takes "
                                 "two or more",
                                 job->asked, job->pairs_path, job->common.path);
    for (size_t way = 0; status == VECNA_OK && way <= job->ways; way++)
        status = vecna_eval_correlations(job->found[way], job->gold, job->asked, &options,
                                         &job->figures[way], err);
    return status;
}

static void print_report(const similarity_job *job) {
    static const char *const headers[] = {"similarity", "Spearman", "95 %", "Pearson", "95 %"};
    table t;
    printf("%s: %s of %s pairs of %s%s\n\n", job->common.path,
           grouped(job->sentences ? job->asked - job->unknown : job->asked),
           grouped(job->pair_count), job->sentences ? "sentences" : "words",
           job->unknown == 0 ? ""
           : job->sentences  ? "; a sentence without a known word has cosine 0"
                             : "; the others have a word that is not there");
    table_start(&t, 5, headers);
    for (size_t way = 0; way <= job->ways; way++) {
        const vecna_correlations *one = &job->figures[way];
        table_cell(&t, "%s", way_name(job, way));
        table_cell(&t, "%.4f", one->spearman.value);
        table_cell(&t, "[%.3f, %.3f]", one->spearman.low, one->spearman.high);
        table_cell(&t, "%.4f", one->pearson.value);
        table_cell(&t, "[%.3f, %.3f]", one->pearson.low, one->pearson.high);
    }
    table_print(&t, stdout, "  ");
    if (job->ways == 2 && job->options->counts == NULL)
        printf("\nSIF weighs words by their rank; give their --counts for the real frequencies\n");
}

static int print_report_json(const similarity_job *job) {
    static const char *const keys[2][3] = {{"cosine", "control"}, {"mean", "sif", "control"}};
    vecna_json_writer json;
    vecna_json_writer_init(&json, 0, NULL);
    vecna_json_write_object_begin(&json);
    vecna_json_write_key(&json, "of");
    vecna_json_write_string(&json, job->sentences ? "sentences" : "words");
    vecna_json_write_key(&json, "pairs");
    vecna_json_write_u64(&json, job->pair_count);
    vecna_json_write_key(&json, "asked");
    vecna_json_write_u64(&json, job->asked);
    vecna_json_write_key(&json, "unknown");
    vecna_json_write_u64(&json, job->unknown);
    for (size_t way = 0; way <= job->ways; way++) {
        vecna_json_write_key(&json, keys[job->ways == 2][way]);
        vecna_json_write_object_begin(&json);
        write_figure(&json, "spearman", job->figures[way].spearman);
        write_figure(&json, "pearson", job->figures[way].pearson);
        vecna_json_write_object_end(&json);
    }
    vecna_json_write_object_end(&json);
    return print_json(&json, stdout);
}

/* ---- the command ----------------------------------------------------------------------------- */

static int run(const similarity_options *o, const char *const *paths) {
    similarity_job job;
    vecna_error err;
    vecna_status status;
    int exit_status = EXIT_DONE;
    memset(&job, 0, sizeof job);
    job.options = o;
    job.pairs_path = paths[o->model ? 0 : 1];
    job.common.path = o->model ? o->model : paths[0];
    job.common.options = &o->common;
    if (o->model)
        status = open_model(strcmp(o->model, "builtin") == 0 ? NULL : o->model, &job.model, &err);
    else
        status = word_eval_open(paths[0], &o->common, &job.common, &err);
    if (status == VECNA_OK)
        status = read_pairs(&job, &err);
    if (status == VECNA_OK)
        status = measure(&job, &err);
    if (status != VECNA_OK)
        exit_status = fail_with(&err);
    else if (o->common.json)
        exit_status = print_report_json(&job);
    else
        print_report(&job);
    free(job.text);
    free(job.pairs);
    free(job.weights);
    free(job.gold);
    for (size_t way = 0; way < 3; way++)
        free(job.found[way]);
    vecna_tokenizer_free(job.tokenizer);
    close_model(&job.model);
    word_eval_close(&job.common);
    return exit_status;
}

int eval_similarity(int argc, char **argv) {
    similarity_options o = {.sif = SIF};
    const option options[] = {
        {"sentences", 0, OPTION_FLAG, &o.sentences, NULL,
         "the texts are sentences (told by blanks in them)"},
        {"sif", 0, OPTION_NUMBER, &o.sif, "A", "a word of frequency p weighs A / (A + p) (0.001)"},
        {"counts", 0, OPTION_TEXT, &o.counts, "FILE",
         "frequencies: a word and its count a line (default:\nby the rank of the row)"},
        {"model", 0, OPTION_TEXT, &o.model, "MODEL",
         "instead of VECTORS: embeds the sentences whole, a file\nof vecna distill or vecna train "
         "tfidf --keep; or builtin"},
        WORD_EVAL_OPTIONS(o.common, "only the first N words count (all)"),
    };
    const usage use = {
        "vecna eval similarity VECTORS PAIRS | --model MODEL PAIRS [options]",
        "Correlates cosines with what people said of PAIRS: two words or sentences and a score a "
        "line\n(WordSim-353, SimLex-999, the STS benchmark), with intervals and beside what common "
        "letters\nor words alone would tell.",
        options,
        sizeof options / sizeof options[0],
        "  vecna eval similarity words.bin EN-WS-353-ALL.txt\n"
        "  vecna eval similarity words.npy --vocab words.vocab.txt stsb-dev.tsv --json\n"
        "  vecna eval similarity --model builtin stsb-dev.tsv\n",
        1,
        2};
    const char *paths[2];
    size_t count;
    int status = parse_arguments(argc, argv, &use, paths, &count);
    if (status >= 0)
        return status;
    if (o.sif <= 0)
        return usage_error(&use, "--sif is above 0, not %g", o.sif);
    if (o.model && (o.counts || o.common.vocab || o.common.restricted || o.sif != SIF ||
                    reads_vectors(&o.common.input)))
        return usage_error(&use, "--model embeds sentences whole: leave --sif, --counts, --vocab, "
                                 "--restrict-vocab and the options about reading vectors out");
    if (count != (o.model ? 1u : 2u))
        return usage_error(&use, o.model ? "--model stands in for VECTORS: give PAIRS alone"
                                         : "give VECTORS and PAIRS, or --model and PAIRS");
    return run(&o, paths);
}
