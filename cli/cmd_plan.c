/* vecna plan: with room for N embeddings by the new model, which rows of a translated corpus should have
 * them, and what that buys.
 *
 * Every row has an expected share of its native neighbours that its translation keeps; what it lacks to 1
 * is its deficit. The rows with the largest deficits are chosen, and retention is expected to close by
 * their part of all deficits: docs/confidence.md#planning holds that against judged queries, and against
 * rows chosen at random. */
#include "cli/cli.h"
#include "cli/maps.h"

#include "vecna/metric.h"
#include "vecna/translate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 5 };

typedef struct plan_options {
    const char *map, *out, *texts;
    size_t budget, threads;
    bool json, force;
    input_options input;
} plan_options;

typedef struct plan_row {
    size_t row;
    float confidence;
    int outside;
} plan_row;

typedef struct plan_job {
    const plan_options *options;
    vecna_map *map;
    vecna_confidence *confidence;
    vecna_pool *pool;
    loaded corpus;
    plan_row *rows; /* in the order of the file, then least confidence first */
    size_t room;
    float *translated;
    vecna_confidence_row *judged;
    size_t block_room;
    progress meter;
    size_t unusable;  /* rows that are zero or not finite */
    double deficit;   /* of all rows */
    double retention; /* of the map, by its report; NAN: it has none */
} plan_job;

static void close_job(plan_job *job) {
    vecna_confidence_free(job->confidence);
    vecna_map_free(job->map);
    vecna_pool_free(job->pool);
    free(job->rows);
    free(job->translated);
    free(job->judged);
    unload(&job->corpus);
}

/* The first number of "retention" in "truth" of a report; NAN where it has none. */
static double find_retention(const char *report) {
    vecna_json json;
    vecna_json_token token;
    double value = NAN;
    bool inside = false;
    vecna_json_init(&json, report, strlen(report), 0);
    if (vecna_json_next(&json, &token, NULL) != VECNA_OK || token.kind != VECNA_JSON_OBJECT_BEGIN)
        return NAN;
    while (vecna_json_next(&json, &token, NULL) == VECNA_OK && token.kind == VECNA_JSON_KEY) {
        const bool here = vecna_json_is(&token, inside ? "retention" : "truth");
        if (vecna_json_next(&json, &token, NULL) != VECNA_OK)
            return NAN;
        if (here && !inside && token.kind == VECNA_JSON_OBJECT_BEGIN) {
            inside = true;
        } else if (here && token.kind == VECNA_JSON_ARRAY_BEGIN) {
            if (vecna_json_next(&json, &token, NULL) == VECNA_OK &&
                token.kind == VECNA_JSON_NUMBER &&
                vecna_number_parse_f64(token.text, token.bytes, VECNA_NUMBER_JSON, &value) ==
                    token.bytes)
                return value;
            return NAN;
        } else if (vecna_json_skip(&json, &token, NULL, NULL) != VECNA_OK) {
            return NAN;
        }
    }
    return NAN;
}

/* ---- judging rows ---------------------------------------------------------------------------- */

static vecna_status make_room(plan_job *job, size_t rows, size_t block, vecna_error *err) {
    const size_t dim = vecna_map_about(job->map).target_dim;
    while (rows > job->room) {
        const size_t room = job->room ? 2 * job->room : 4096;
        plan_row *more = realloc(job->rows, room * sizeof *more);
        if (more == NULL)
            goto memory;
        job->rows = more;
        job->room = room;
    }
    if (block > job->block_room) {
        free(job->translated);
        free(job->judged);
        job->translated = vecna_allocate(NULL, block, dim * sizeof *job->translated);
        job->judged = vecna_allocate(NULL, block, sizeof *job->judged);
        job->block_room = job->translated && job->judged ? block : 0;
        if (job->block_room == 0)
            goto memory;
    }
    return VECNA_OK;
memory:
    return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for %zu rows", rows);
}

static vecna_status check_block(const plan_job *job, const loaded *file, const vecna_block *block,
                                vecna_error *err) {
    const vecna_map_info about = vecna_map_about(job->map);
    const vecna_space *space = vecna_map_source_space(job->map);
    vecna_error inner;
    if (file->vectors.rows > 0)
        return VECNA_OK;
    if (block->vectors.dim != about.source_dim)
        return vecna_error_set(err, VECNA_ERR_DIM, -1,
                               "%s has %zu dimensions, %s translates from %zu", file->path,
                               block->vectors.dim, job->options->map, about.source_dim);
    if (space && vecna_space_require(space, block->vectors, NULL, &inner) == VECNA_ERR_SPACE) {
        if (!job->options->force)
            return vecna_error_set(err, VECNA_ERR_SPACE, -1, "%s: %s (--force plans for them)",
                                   file->path, inner.message);
        note("%s: %s; going on because of --force", file->path, inner.message);
    }
    return VECNA_OK;
}

static vecna_status visit_rows(void *user, const loaded *file, const vecna_block *block,
                               vecna_error *err) {
    plan_job *job = user;
    const size_t first = file->vectors.rows, count = block->vectors.rows;
    vecna_status status = check_block(job, file, block, err);
    if (status == VECNA_OK)
        status = make_room(job, first + count, count, err);
    if (status != VECNA_OK)
        return status;
    const size_t dim = vecna_map_about(job->map).target_dim;
    status = vecna_map_apply(job->map, block->vectors,
                             vecna_matrix_dense(job->translated, count, dim), job->pool, err);
    if (status == VECNA_OK)
        status = vecna_confidence_of(job->confidence, block->vectors,
                                     vecna_view_dense(job->translated, count, dim), job->judged,
                                     job->pool, err);
    for (size_t i = 0; status == VECNA_OK && i < count; i++) {
        const float *row = block->vectors.data + i * block->vectors.stride;
        const double norm = vecna_metric_norm(row, block->vectors.dim);
        const bool usable = isfinite(norm) && norm > 0; /* others have nothing to keep */
        plan_row one = {first + i, usable ? job->judged[i].recall : 0,
                        usable ? job->judged[i].outside : 1};
        job->rows[first + i] = one;
        job->unusable += !usable;
        job->deficit += 1 - (double)one.confidence;
    }
    job->meter.total = file->about.rows;
    progress_add(&job->meter, count);
    return status;
}

static int compare_rows(const void *a, const void *b) {
    const plan_row *x = a, *y = b;
    if (x->confidence != y->confidence)
        return x->confidence < y->confidence ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

/* Part of all deficits that lies in the first `count` rows. */
static double share_of(const plan_job *job, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count && i < job->corpus.vectors.rows; i++)
        sum += 1 - (double)job->rows[i].confidence;
    return job->deficit > 0 ? sum / job->deficit : 0;
}

/* ---- what comes out -------------------------------------------------------------------------- */

static void write_row(const plan_job *job, size_t i, vecna_json_writer *json) {
    const plan_row *one = &job->rows[i];
    const char *id = job->corpus.ids ? job->corpus.ids[one->row] : NULL;
    const char *text = job->corpus.texts ? job->corpus.texts[one->row] : NULL;
    vecna_json_write_object_begin(json);
    vecna_json_write_key(json, "row");
    vecna_json_write_u64(json, one->row);
    if (id) {
        vecna_json_write_key(json, "id");
        vecna_json_write_string(json, id);
    }
    if (text) {
        vecna_json_write_key(json, "text");
        vecna_json_write_string(json, text);
    }
    vecna_json_write_key(json, "confidence");
    vecna_json_write_f32(json, one->confidence);
    vecna_json_write_object_end(json);
}

static vecna_status write_rows(const plan_job *job, size_t count, vecna_error *err) {
    vecna_outfile *file = NULL;
    vecna_json_writer json;
    vecna_status status = vecna_outfile_open(job->options->out, NULL, &file, err);
    vecna_json_writer_init(&json, 0, NULL);
    for (size_t i = 0; status == VECNA_OK && i < count; i++) {
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

/* Budgets around the one that was asked for, none above the rows. */
static size_t budget_steps(const plan_job *job, size_t *out) {
    const size_t budget = job->options->budget, rows = job->corpus.vectors.rows;
    const size_t wanted[STEPS] = {budget / 4, budget / 2, budget, 2 * budget, 4 * budget};
    size_t count = 0;
    for (size_t i = 0; i < STEPS; i++) {
        const size_t step = wanted[i] < rows ? wanted[i] : rows;
        if (step > 0 && (count == 0 || step > out[count - 1]))
            out[count++] = step;
    }
    return count;
}

static double expected(const plan_job *job, double share) {
    return job->retention + (1 - job->retention) * share;
}

static void print_plan(const plan_job *job, size_t chosen, size_t outside, FILE *to) {
    const size_t rows = job->corpus.vectors.rows;
    size_t steps[STEPS], count = budget_steps(job, steps);
    const bool known = !isnan(job->retention);
    const char *const headers[] = {"  embedded again",        "rows",
                                   "deficit closed",          "by chance",
                                   known ? "retention" : "-", known ? "by chance" : "-"};
    table t;
    fprintf(to,
            "%s rows, expected to keep %.3f of their native neighbours; %s unlike the pairs\n\n",
            grouped(rows), 1 - job->deficit / (double)(rows ? rows : 1), grouped(outside));
    table_start(&t, known ? 6 : 4, headers);
    for (size_t i = 0; i < count; i++) {
        const double share = share_of(job, steps[i]), random = (double)steps[i] / (double)rows;
        table_cell(&t, "  %s", grouped(steps[i]));
        table_cell(&t, "%.1f %%", 100 * random);
        table_cell(&t, "%.3f", share);
        table_cell(&t, "%.3f", random);
        if (known) {
            table_cell(&t, "%.3f", expected(job, share));
            table_cell(&t, "%.3f", expected(job, random));
        }
    }
    table_print(&t, to, "");
    if (known)
        fprintf(
            to,
            "\nretention of the map on its own held-out rows: %.3f; expected, not measured, with "
            "some embedded again\n",
            job->retention);
    if (job->options->out)
        fprintf(to, "%s rows to embed again, least confidence first: %s\n", grouped(chosen),
                job->options->out);
}

static int print_plan_json(const plan_job *job, size_t chosen, size_t outside) {
    const size_t rows = job->corpus.vectors.rows;
    size_t steps[STEPS], count = budget_steps(job, steps);
    const bool known = !isnan(job->retention);
    vecna_json_writer json;
    vecna_json_writer_init(&json, 0, NULL);
    vecna_json_write_object_begin(&json);
    vecna_json_write_key(&json, "rows");
    vecna_json_write_u64(&json, rows);
    vecna_json_write_key(&json, "confidence");
    vecna_json_write_f64(&json, 1 - job->deficit / (double)(rows ? rows : 1));
    vecna_json_write_key(&json, "rows_outside");
    vecna_json_write_u64(&json, outside);
    vecna_json_write_key(&json, "retention");
    if (known)
        vecna_json_write_f64(&json, job->retention);
    else
        vecna_json_write_null(&json);
    vecna_json_write_key(&json, "budgets");
    vecna_json_write_array_begin(&json);
    for (size_t i = 0; i < count; i++) {
        const double share = share_of(job, steps[i]), random = (double)steps[i] / (double)rows;
        vecna_json_write_object_begin(&json);
        vecna_json_write_key(&json, "rows");
        vecna_json_write_u64(&json, steps[i]);
        vecna_json_write_key(&json, "deficit_closed");
        vecna_json_write_f64(&json, share);
        vecna_json_write_key(&json, "deficit_closed_by_chance");
        vecna_json_write_f64(&json, random);
        if (known) {
            vecna_json_write_key(&json, "retention");
            vecna_json_write_f64(&json, expected(job, share));
            vecna_json_write_key(&json, "retention_by_chance");
            vecna_json_write_f64(&json, expected(job, random));
        }
        vecna_json_write_object_end(&json);
    }
    vecna_json_write_array_end(&json);
    vecna_json_write_key(&json, "chosen");
    vecna_json_write_array_begin(&json);
    for (size_t i = 0; i < chosen; i++)
        write_row(job, i, &json);
    vecna_json_write_array_end(&json);
    vecna_json_write_object_end(&json);
    return print_json(&json, stdout);
}

static vecna_status judge_corpus(plan_job *job, const char *path, vecna_error *err) {
    const plan_options *o = job->options;
    vecna_format_options format = format_options(&o->input);
    vecna_error inner;
    vecna_status status = open_map(o->map, &job->map, err);
    if (status != VECNA_OK)
        return status;
    if (vecna_map_about(job->map).verdict == VECNA_VERDICT_FAIL)
        note("%s carries the verdict FAIL; vecna inspect says why", o->map);
    job->retention = find_retention(vecna_map_report_json(job->map));
    status = vecna_confidence_new(job->map, NULL, &job->confidence, &inner);
    if (status != VECNA_OK)
        return vecna_error_set(err, status, -1, "%.80s: %s", o->map, inner.message);
    if (status == VECNA_OK) {
        progress_start(&job->meter, "judging", -1);
        status = load_visiting(path, &format, visit_rows, job, &job->corpus, err);
        progress_end(&job->meter);
    }
    if (status == VECNA_OK && o->texts)
        status = load_texts(o->texts, &format, &job->corpus, err);
    if (status == VECNA_OK)
        qsort(job->rows, job->corpus.vectors.rows, sizeof *job->rows, compare_rows);
    return status;
}

static int run_plan(plan_job *job, const char *path) {
    const plan_options *o = job->options;
    vecna_error err;
    vecna_status status =
        o->out && strcmp(o->out, "-") != 0 ? check_writable(o->out, &err) : VECNA_OK;
    if (status == VECNA_OK)
        status = vecna_pool_new(o->threads, NULL, &job->pool, &err);
    if (status == VECNA_OK)
        status = judge_corpus(job, path, &err);
    if (status != VECNA_OK)
        return fail_with(&err);
    const size_t rows = job->corpus.vectors.rows;
    const size_t chosen = o->budget < rows ? o->budget : rows;
    size_t outside = 0;
    for (size_t i = 0; i < rows; i++)
        outside += (size_t)job->rows[i].outside;
    if (job->unusable)
        note("%s of %s rows of %s are zero or hold NaN or infinity: they come first, and whatever "
             "made them so should be mended; vecna inspect lists them",
             grouped(job->unusable), grouped(rows), path);
    if (o->budget > rows)
        note("%s has %s rows: all of them are chosen", path, grouped(rows));
    if (o->out && write_rows(job, chosen, &err) != VECNA_OK)
        return fail_with(&err);
    if (o->json)
        return print_plan_json(job, chosen, outside);
    print_plan(job, chosen, outside, o->out && strcmp(o->out, "-") == 0 ? stderr : stdout);
    return EXIT_DONE;
}

int command_plan(int argc, char **argv) {
    plan_options o = {.budget = 0};
    const option options[] = {
        {"map", 'm', OPTION_TEXT, &o.map, "MAP",
         "from CORPUS' space to the new model's (required)"},
        {"budget", 'n', OPTION_COUNT, &o.budget, "N", "rows that can be embedded again (required)"},
        {"out", 'o', OPTION_TEXT, &o.out, "FILE",
         "those rows, a JSON object with row, id, text and\nconfidence a line"},
        {"texts", 0, OPTION_TEXT, &o.texts, "FILE",
         "ids and texts of CORPUS: a line a row, JSON with \"id\"\nand \"text\", or plain text"},
        {"force", 0, OPTION_FLAG, &o.force, NULL, "also for rows that look like another model's"},
        {"json", 0, OPTION_FLAG, &o.json, NULL, "one JSON object, with the rows under \"chosen\""},
        {"threads", 0, OPTION_COUNT, &o.threads, "N", "(default: the CPUs allowed)"},
        INPUT_OPTIONS(o.input),
    };
    const usage use = {
        "vecna plan CORPUS --map MAP --budget N [options]",
        "Says which rows of a corpus to embed with the new model when there is room for N, while a "
        "map\n"
        "translates the others, and what that buys: the rows whose translations are expected to "
        "keep\n"
        "the fewest of their neighbours. Beside it, what as many rows chosen by chance would buy.",
        options,
        sizeof options / sizeof options[0],
        "  vecna plan old.jsonl --map old-to-new.vecna --budget 5000 -o to-embed.jsonl\n",
        1,
        1};
    const char *paths[1];
    size_t count;
    plan_job job;
    int status = parse_arguments(argc, argv, &use, paths, &count);

    if (status >= 0)
        return status;
    if (o.map == NULL)
        return usage_error(&use, "--map MAP is missing: which map translates the corpus?");
    if (o.budget == 0)
        return usage_error(&use, "--budget N is missing: how many rows can be embedded again?");
    if (o.json && o.out && strcmp(o.out, "-") == 0)
        return usage_error(&use, "--json and -o - both want standard output");
    memset(&job, 0, sizeof job);
    job.options = &o;
    status = run_plan(&job, paths[0]);
    close_job(&job);
    return status;
}
