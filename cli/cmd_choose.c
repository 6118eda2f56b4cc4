/* vecna choose: which rows of a corpus to embed with a second model, so that a map learned from them
 * is worth most.
 *
 * The corpus streams past once: a uniform sample of it (algorithm R) is held with its ids and texts, and
 * the choice is made among the sample. A sample many times larger than the choice costs the choice
 * nothing that was measured, and bounds memory and time for a corpus of any size. */
#include "cli/cli.h"

#include "vecna/choose.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CANDIDATES_LEAST = 20000, CANDIDATES_PER_ROW = 4 };

typedef struct choose_options {
    size_t count, candidates, threads;
    int method;
    uint64_t seed;
    const char *out, *texts;
    bool json;
    input_options input;
} choose_options;

/* A row of the sample. */
typedef struct candidate {
    uint64_t row;
    char *id, *text; /* or NULL */
} candidate;

typedef struct choose_job {
    const choose_options *options;
    const char *path;
    vecna_matrix sample;
    candidate *candidates; /* (sample.rows) */
    size_t room;           /* rows that the arrays have memory for */
    size_t most;           /* rows that the sample may have */
    uint64_t rows;         /* of the corpus */
    vecna_random random;
    vecna_pool *pool;
    size_t *chosen; /* places in the sample, in the order of choice */
    vecna_chosen about;
    loaded texts;  /* of --texts, in the order of `ascending` */
    size_t *place; /* (chosen) place of a choice among them */
} choose_job;

static void close_job(choose_job *job) {
    for (size_t i = 0; i < job->sample.rows; i++) {
        free(job->candidates[i].id);
        free(job->candidates[i].text);
    }
    free(job->sample.data);
    free(job->candidates);
    free(job->chosen);
    free(job->place);
    unload(&job->texts);
    vecna_pool_free(job->pool);
}

/* ---- the sample ------------------------------------------------------------------------------ */

static vecna_status no_memory(const choose_job *job, vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                           "not enough memory for a sample of %s; --candidates makes it smaller",
                           job->path);
}

static vecna_status make_room(choose_job *job, vecna_error *err) {
    size_t room = job->room ? job->room * 2 : 1024, floats;
    void *grown;
    room = room < job->most ? room : job->most;
    if (!vecna_size_mul(room, job->sample.dim, &floats))
        return no_memory(job, err);
    grown = vecna_resize(NULL, job->sample.data, floats, sizeof(float));
    if (grown == NULL)
        return no_memory(job, err);
    job->sample.data = grown;
    grown = vecna_resize(NULL, job->candidates, room, sizeof *job->candidates);
    if (grown == NULL)
        return no_memory(job, err);
    job->candidates = grown;
    job->room = room;
    return VECNA_OK;
}

static vecna_status copy_text(const choose_job *job, vecna_text text, char **out,
                              vecna_error *err) {
    free(*out);
    *out = NULL;
    if (text.data == NULL)
        return VECNA_OK;
    *out = malloc(text.bytes + 1);
    if (*out == NULL)
        return no_memory(job, err);
    memcpy(*out, text.data, text.bytes);
    (*out)[text.bytes] = '\0';
    return VECNA_OK;
}

/* The row takes its place in the sample, or none. */
static vecna_status offer(choose_job *job, const float *vector, const vecna_record *record,
                          vecna_error *err) {
    size_t slot = job->sample.rows;
    vecna_status status = VECNA_OK;
    uint64_t row = job->rows++;
    if (slot == job->most) {
        slot = (size_t)vecna_random_below(&job->random, row + 1);
        if (slot >= job->most)
            return VECNA_OK;
    } else {
        if (slot == job->room)
            status = make_room(job, err);
        if (status != VECNA_OK)
            return status;
        job->candidates[slot] = (candidate){0, NULL, NULL};
        job->sample.rows++;
    }
    memcpy(job->sample.data + slot * job->sample.dim, vector, job->sample.dim * sizeof *vector);
    job->candidates[slot].row = row;
    if (record == NULL)
        return VECNA_OK;
    status = copy_text(job, record->id, &job->candidates[slot].id, err);
    return status == VECNA_OK ? copy_text(job, record->text, &job->candidates[slot].text, err)
                              : status;
}

static vecna_status take_sample(choose_job *job, vecna_error *err) {
    vecna_format_options format = format_options(&job->options->input);
    vecna_reader *reader = NULL;
    vecna_block *block = NULL;
    progress meter;
    vecna_status status = vecna_reader_open(job->path, &format, &reader, err);
    if (status == VECNA_OK)
        status = vecna_block_new(NULL, &block, err);
    if (status == VECNA_OK) {
        job->sample.dim = job->sample.stride = vecna_reader_about(reader)->dim;
        vecna_random_seed(&job->random, job->options->seed, 1);
    }
    progress_start(&meter, "read", status == VECNA_OK ? vecna_reader_about(reader)->rows : -1);
    while (status == VECNA_OK) {
        status = vecna_reader_read(reader, block, 0, err);
        if (status != VECNA_OK || block->vectors.rows == 0)
            break;
        for (size_t i = 0; i < block->vectors.rows && status == VECNA_OK; i++)
            status = offer(job, block->vectors.data + i * block->vectors.stride,
                           block->records ? &block->records[i] : NULL, err);
        progress_add(&meter, block->vectors.rows);
    }
    progress_end(&meter);
    vecna_block_free(block);
    vecna_reader_close(reader);
    if (status == VECNA_OK && job->sample.rows == 0)
        status = vecna_error_set(err, VECNA_ERR_FORMAT, -1, "%s holds no vectors", job->path);
    return status;
}

/* ---- the choice ------------------------------------------------------------------------------ */

static int compare_rows(const void *left, const void *right) {
    const size_t a = *(const size_t *)left, b = *(const size_t *)right;
    return a < b ? -1 : a > b;
}

/* Texts of the chosen rows, and where each one's stands. */
static vecna_status find_texts(choose_job *job, vecna_error *err) {
    const size_t count = job->about.count;
    size_t *rows = calloc(count, sizeof *rows);
    vecna_status status = VECNA_OK;
    job->place = calloc(count, sizeof *job->place);
    if (rows == NULL || job->place == NULL)
        status = no_memory(job, err);
    for (size_t i = 0; i < count && status == VECNA_OK; i++)
        rows[i] = (size_t)job->candidates[job->chosen[i]].row;
    if (status == VECNA_OK) {
        qsort(rows, count, sizeof *rows, compare_rows);
        const vecna_format_options names = format_options(&job->options->input);
        status =
            load_texts_of(job->options->texts, &names, job->path, rows, count, &job->texts, err);
    }
    for (size_t i = 0; i < count && status == VECNA_OK; i++) {
        size_t row = (size_t)job->candidates[job->chosen[i]].row;
        const size_t *found = bsearch(&row, rows, count, sizeof *rows, compare_rows);
        job->place[i] = (size_t)(found - rows);
    }
    free(rows);
    return status;
}

static vecna_status choose(choose_job *job, vecna_error *err) {
    const choose_options *o = job->options;
    vecna_choose_options options = {
        .method = (vecna_choose_method)o->method, .seed = o->seed, .pool = job->pool};
    vecna_status status;
    size_t most = job->sample.rows < o->count ? job->sample.rows : o->count;
    job->chosen = calloc(most, sizeof *job->chosen);
    if (job->chosen == NULL)
        return no_memory(job, err);
    status =
        vecna_choose(vecna_matrix_view(job->sample), most, &options, job->chosen, &job->about, err);
    return status == VECNA_OK && o->texts ? find_texts(job, err) : status;
}

/* ---- what comes out -------------------------------------------------------------------------- */

static void write_string_or_nothing(vecna_json_writer *json, const char *key, const char *text) {
    if (text == NULL)
        return;
    vecna_json_write_key(json, key);
    vecna_json_write_string(json, text);
}

static void write_row(const choose_job *job, size_t i, vecna_json_writer *json) {
    const candidate *one = &job->candidates[job->chosen[i]];
    const char *id = one->id, *text = one->text;
    if (job->options->texts) {
        id = job->texts.ids[job->place[i]] ? job->texts.ids[job->place[i]] : id;
        text = job->texts.texts[job->place[i]] ? job->texts.texts[job->place[i]] : text;
    }
    vecna_json_write_object_begin(json);
    vecna_json_write_key(json, "row");
    vecna_json_write_u64(json, one->row);
    write_string_or_nothing(json, "id", id);
    write_string_or_nothing(json, "text", text);
    vecna_json_write_object_end(json);
}

/* A line a row: what an embedding client reads. */
static vecna_status write_lines(const choose_job *job, const char *path, vecna_error *err) {
    vecna_outfile *file = NULL;
    vecna_json_writer json;
    vecna_status status = vecna_outfile_open(path, NULL, &file, err);
    vecna_json_writer_init(&json, 0, NULL);
    for (size_t i = 0; i < job->about.count && status == VECNA_OK; i++) {
        vecna_json_writer_reset(&json);
        write_row(job, i, &json);
        status = vecna_json_writer_finish(&json, err);
        if (status == VECNA_OK)
            status = vecna_outfile_write(file, json.text, json.bytes, err);
        if (status == VECNA_OK)
            status = vecna_outfile_write(file, "\n", 1, err);
    }
    vecna_json_writer_free(&json);
    if (status == VECNA_OK)
        return vecna_outfile_commit(file, err);
    vecna_outfile_discard(file);
    return status;
}

static int print_choice_json(const choose_job *job) {
    const struct {
        const char *key;
        uint64_t value;
    } counts[] = {{"rows", job->rows},
                  {"dim", job->sample.dim},
                  {"candidates", job->sample.rows},
                  {"unusable", job->about.unusable},
                  {"count", job->about.count}};
    vecna_json_writer json;
    vecna_json_writer_init(&json, 0, NULL);
    vecna_json_write_object_begin(&json);
    vecna_json_write_key(&json, "method");
    vecna_json_write_string(&json,
                            vecna_choose_method_name((vecna_choose_method)job->options->method));
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        vecna_json_write_key(&json, counts[i].key);
        vecna_json_write_u64(&json, counts[i].value);
    }
    vecna_json_write_key(&json, "nearest_cosine");
    vecna_json_write_f64(&json, job->about.nearest);
    vecna_json_write_key(&json, "chosen");
    vecna_json_write_array_begin(&json);
    for (size_t i = 0; i < job->about.count; i++)
        write_row(job, i, &json);
    vecna_json_write_array_end(&json);
    vecna_json_write_object_end(&json);
    return print_json(&json, stdout);
}

static void tell(const choose_job *job) {
    if (job->about.unusable)
        note("%s of %s candidates are zero or not finite and were passed over",
             grouped(job->about.unusable), grouped(job->sample.rows));
    if (job->about.count < job->options->count)
        note("%s rows were chosen, not %s: there are no more that differ",
             grouped(job->about.count), grouped(job->options->count));
    if (job->options->json)
        return;
    fprintf(stderr, "%s of %s rows chosen", grouped(job->about.count), grouped(job->rows));
    if (job->sample.rows < job->rows)
        fprintf(stderr, " among a uniform sample of %s", grouped(job->sample.rows));
    fprintf(stderr, ", %s; a row's nearest chosen one has a centred cosine of %.3f on average\n",
            vecna_choose_method_name((vecna_choose_method)job->options->method),
            job->about.nearest);
}

static int run_choose(choose_job *job) {
    const choose_options *o = job->options;
    const char *out = o->out ? o->out : o->json ? NULL : "-";
    vecna_error err;
    vecna_status status = o->out ? check_writable(o->out, &err) : VECNA_OK;
    job->most = o->candidates;
    if (job->most == 0) {
        size_t wanted = o->count < SIZE_MAX / 8 ? o->count * CANDIDATES_PER_ROW : o->count;
        job->most = wanted > CANDIDATES_LEAST ? wanted : CANDIDATES_LEAST;
    }
    if (status == VECNA_OK)
        status = vecna_pool_new(o->threads, NULL, &job->pool, &err);
    if (status == VECNA_OK)
        status = take_sample(job, &err);
    if (status == VECNA_OK)
        status = choose(job, &err);
    if (status == VECNA_OK && out)
        status = write_lines(job, out, &err);
    if (status != VECNA_OK)
        return fail_with(&err);
    tell(job);
    return o->json ? print_choice_json(job) : EXIT_DONE;
}

int command_choose(int argc, char **argv) {
    choose_options o = {.count = 0};
    const option options[] = {
        {"count", 'n', OPTION_COUNT, &o.count, "N", "how many rows (required)"},
        {"out", 'o', OPTION_TEXT, &o.out, "FILE",
         "the chosen rows, a JSON object with row, id and text a\nline (default: standard output)"},
        {"texts", 0, OPTION_TEXT, &o.texts, "FILE",
         "ids and texts of CORPUS: a line a row, JSON with \"id\"\nand \"text\", or plain text"},
        {"method", 0, OPTION_CHOICE, &o.method, "spread|kmeans++|random",
         "spread: far from those chosen before, outliers\nleft out"},
        {"candidates", 0, OPTION_COUNT, &o.candidates, "N",
         "rows held in memory, a uniform sample of CORPUS, among\nwhich is chosen (20,000, or 4 "
         "times "
         "-n where that is more)"},
        {"seed", 0, OPTION_WHOLE, &o.seed, "N", "of the sample and the first row (0)"},
        {"json", 0, OPTION_FLAG, &o.json, NULL, "one JSON object"},
        {"threads", 0, OPTION_COUNT, &o.threads, "N", "(default: the CPUs allowed)"},
        INPUT_OPTIONS(o.input),
    };
    const usage use = {"vecna choose CORPUS -n N [options]",
                       "Chooses N rows of CORPUS (vectors of the old model) to embed with the new "
                       "one, so that a map\n"
                       "fitted on these pairs is worth most. The rows come in the order of choice: "
                       "with less to spend,\n"
                       "take the first of them.",
                       options,
                       sizeof options / sizeof options[0],
                       "  vecna choose corpus.npy -n 500 --texts corpus.jsonl -o to-embed.jsonl\n",
                       1,
                       1};
    const char *paths[1];
    size_t count;
    choose_job job;
    int status = parse_arguments(argc, argv, &use, paths, &count);

    if (status >= 0)
        return status;
    if (o.count == 0)
        return usage_error(&use, "-n N is missing: how many rows?");
    if (o.candidates && o.candidates < o.count)
        return usage_error(
            &use, "--candidates is below -n: more rows than are looked at cannot be chosen");
    memset(&job, 0, sizeof job);
    job.options = &o;
    job.path = paths[0];
    status = run_choose(&job);
    close_job(&job);
    return status;
}
