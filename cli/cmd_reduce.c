/* vecna reduce: fewer dimensions inside one space, and what that costs.
 *
 * Four ways are measured side by side on rows that nothing was learned from: half of the sample is learned
 * from, the other half is the corpus that held-out rows ask, in the full space, in the reduced one, and
 * after restoring. What is written is learned from the whole sample.
 *   cut      the first N dimensions; restored by zeros
 *   random   a seeded orthonormal projection; restored by its transpose
 *   pca      the N directions that carry most of the rows, as vectors about the origin (cosines are angles
 *            at the origin, so nothing is centred); restored by their transpose
 *   learned  reduced as cut does, restored by a translator fitted to predict what was cut off
 * The directions are learned from a sample of bounded size; the file itself is streamed. */
#include "cli/reduce.h"

#include "vecna/metric.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ASKED_MOST = 1000, DIMS_MOST = 16 };

static const char *const method_names[METHODS] = {"pca", "cut", "random", "learned"};

static void close_job(reduce_job *job) {
    for (size_t i = 0; i < METHODS; i++) {
        vecna_map_free(job->ways[i].down);
        vecna_map_free(job->ways[i].up);
    }
    unload(&job->test);
    free(job->sample.data);
    free(job->asking.data);
    free(job->native);
    directions_free(&job->found);
    vecna_pool_free(job->pool);
}

/* ---- the sample ------------------------------------------------------------------------------ */

/* Reservoir sampling: every row of the file has the same chance, whatever its length. */
static vecna_status visit_block(void *user, const loaded *file, const vecna_block *block,
                                vecna_error *err) {
    reduce_job *job = user;
    (void)file;
    if (job->sample.data == NULL) {
        job->full = block->vectors.dim;
        job->sample = vecna_matrix_dense(
            vecna_allocate(NULL, job->options->sample, job->full * sizeof(float)), 0, job->full);
        if (job->sample.data == NULL)
            return reduce_no_memory(err);
    }
    for (size_t i = 0; i < block->vectors.rows; i++) {
        const float *row = block->vectors.data + i * block->vectors.stride;
        double norm = vecna_metric_norm(row, job->full);
        uint64_t place;
        if (!isfinite(norm) || norm == 0)
            continue; /* no direction: nothing to learn from it */
        job->usable++;
        if (job->sample.rows < job->options->sample)
            place = job->sample.rows++;
        else
            place = vecna_random_below(&job->random, job->usable);
        if (place < job->sample.rows)
            memcpy(job->sample.data + place * job->full, row, job->full * sizeof *row);
    }
    return VECNA_OK;
}

/* Files are often sorted; halves and fifths of the sample must not be. */
static vecna_status shuffle_sample(reduce_job *job, vecna_error *err) {
    size_t bytes = job->full * sizeof(float);
    float *kept = vecna_allocate(NULL, 1, bytes);
    if (kept == NULL)
        return reduce_no_memory(err);
    for (size_t left = job->sample.rows; left > 1; left--) {
        float *chosen =
            job->sample.data + (size_t)vecna_random_below(&job->random, left) * job->full;
        float *last = job->sample.data + (left - 1) * job->full;
        memcpy(kept, chosen, bytes);
        memmove(chosen, last, bytes);
        memcpy(last, kept, bytes);
    }
    free(kept);
    return VECNA_OK;
}

/* Of the rows that were given to ask, zero rows are left out: they have no neighbours. */
static vecna_status check_asking(reduce_job *job, vecna_error *err) {
    size_t kept = 0, zeros = 0, first_zero = 0;
    for (size_t i = 0; i < job->asking.rows; i++) {
        const float *row = job->asking.data + i * job->full;
        double norm = vecna_metric_norm(row, job->full);
        if (!isfinite(norm))
            return vecna_error_set(err, VECNA_ERR_VALUE, (int64_t)i,
                                   "%s: row %zu holds NaN or infinity; mend it, or leave it out",
                                   job->options->test, i);
        if (norm == 0 && zeros++ == 0)
            first_zero = i;
        if (norm != 0)
            memmove(job->asking.data + kept++ * job->full, row, job->full * sizeof *row);
    }
    if (zeros)
        note("%s zero rows of %s do not ask, the first is row %zu", grouped(zeros),
             job->options->test, first_zero);
    job->asking.rows = kept;
    return VECNA_OK;
}

/* The rows that ask: of another file, or every fifth of the sample, which is then not learned from. */
static vecna_status set_asking_apart(reduce_job *job, vecna_error *err) {
    size_t kept = 0, wanted = job->sample.rows / 5;
    if (job->options->test) {
        vecna_format_options format = format_options(&job->options->input);
        vecna_status status = load_vectors(job->options->test, &format, &job->test, err);
        if (status != VECNA_OK)
            return status;
        if (job->test.vectors.dim != job->full)
            return vecna_error_set(err, VECNA_ERR_DIM, -1, "%s has %zu dimensions, not %zu",
                                   job->options->test, job->test.vectors.dim, job->full);
        job->asking = job->test.vectors;
        job->test.vectors.data = NULL;
        job->test.vectors.rows = 0;
        return check_asking(job, err);
    }
    if (wanted > ASKED_MOST)
        wanted = ASKED_MOST;
    job->asking = vecna_matrix_dense(vecna_allocate(NULL, wanted + 1, job->full * sizeof(float)), 0,
                                     job->full);
    if (job->asking.data == NULL)
        return reduce_no_memory(err);
    for (size_t i = 0; i < job->sample.rows; i++) {
        const float *row = job->sample.data + i * job->full;
        float *to = i % 5 == 4 && job->asking.rows < wanted
                        ? job->asking.data + job->asking.rows++ * job->full
                        : job->sample.data + kept++ * job->full;
        memmove(to, row, job->full * sizeof *row);
    }
    job->sample.rows = kept;
    return VECNA_OK;
}

/* What rows must be for the report. */
static vecna_status check_measured(const reduce_job *job, vecna_error *err) {
    const size_t corpus = job->sample.rows - job->sample.rows / 2;
    if (job->sample.rows < 20 || job->asking.rows < 4)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "%zu rows to learn from and %zu to ask are too few to say what a "
                               "reduction costs; --no-report does not",
                               job->sample.rows, job->asking.rows);
    if (job->options->k >= corpus)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "with -k %zu every one of the %zu rows that are asked is a "
                               "neighbour; give fewer",
                               job->options->k, corpus);
    return vecna_metric_normalize(vecna_matrix_view(job->asking), job->asking, NULL, err);
}

static vecna_status take_sample(reduce_job *job, const char *path, vecna_error *err) {
    vecna_format_options format = format_options(&job->options->input);
    loaded ignored = {0};
    vecna_status status;
    vecna_random_seed(&job->random, job->options->seed, 1);
    status = load_visiting(path, &format, visit_block, job, &ignored, err);
    unload(&ignored);
    if (status == VECNA_OK)
        status = shuffle_sample(job, err);
    if (status == VECNA_OK && job->sample.rows == 0)
        status = vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                                 "%s has no row that could be learned from: all are zero or not "
                                 "finite",
                                 path);
    if (status == VECNA_OK && !job->options->no_report)
        status = set_asking_apart(job, err);
    if (status == VECNA_OK && !job->options->no_report)
        status = check_measured(job, err);
    if (status == VECNA_OK && job->most >= job->full)
        status = vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                                 "%s has %zu dimensions: %zu are no reduction", path, job->full,
                                 job->most);
    if (status == VECNA_OK)
        status = vecna_metric_normalize(vecna_matrix_view(job->sample), job->sample, NULL, err);
    return status;
}

/* ---- learning and judging ---------------------------------------------------------------------- */

/* From half of the sample, on the other half. */
static vecna_status set_halves(reduce_job *job, vecna_error *err) {
    size_t half = job->sample.rows / 2;
    job->learned = vecna_matrix_rows(job->sample, 0, half);
    job->corpus = vecna_matrix_rows(job->sample, half, job->sample.rows - half);
    return reduce_rank_native(job, err);
}

static vecna_status learn_and_judge(reduce_job *job, vecna_error *err) {
    const int used = job->options->method;
    vecna_status status = VECNA_OK;
    if (job->options->no_report) {
        job->learned = job->sample;
        return reduce_learn(job, used, &job->ways[used], err);
    }
    status = set_halves(job, err);
    for (int i = 0; i < METHODS && status == VECNA_OK; i++)
        status = reduce_learn(job, i, &job->ways[i], err);
    for (size_t i = 0; i < METHODS && status == VECNA_OK; i++)
        status = reduce_judge(job, &job->ways[i], true, err);
    if (status == VECNA_OK && job->options->quantize)
        status = reduce_judge_stored(job, &job->ways[used], job->stored, err);
    if (status == VECNA_OK) {
        job->variance = reduce_variance(job);
        job->learned = job->sample;
        status = reduce_learn(job, used, &job->ways[used], err);
    }
    return status;
}

/* ---- results --------------------------------------------------------------------------------- */

static void interval_cell(table *t, const vecna_interval *interval) {
    table_cell(t, "%.3f [%.3f, %.3f]", interval->value, interval->low, interval->high);
}

static const char *name_of(const reduce_job *job, size_t method) {
    return method == METHOD_PCA && job->options->whiten ? "pca, whitened" : method_names[method];
}

static void print_stored(const reduce_job *job, FILE *to) {
    static const char *const headers[] = {"stored as", "bytes a row", "neighbours kept",
                                          "kept, rescored", ""};
    table t;
    fprintf(to,
            "Stored in fewer bytes; rescored: of the %zu nearest by what is stored, the nearest by "
            "the reduced floats.\n",
            10 * job->options->k);
    table_start(&t, 5, headers);
    for (int i = 0; i < STORED_WAYS; i++) {
        table_cell(&t, "%s", stored_name(i));
        table_cell(&t, "%zu", job->stored[i].bytes);
        interval_cell(&t, &job->stored[i].kept);
        interval_cell(&t, &job->stored[i].rescored);
        table_cell(&t, "%s", i == job->options->quantize ? "<- used" : "");
    }
    table_print(&t, to, "  ");
}

static void print_report(const reduce_job *job, FILE *to) {
    static const char *const headers[] = {"method", "neighbours kept, reduced",
                                          "neighbours kept, restored", "cosine restored", ""};
    table t;
    fprintf(to,
            "%zu -> %zu dimensions. Judged with %s rows learned from: share of the %zu nearest "
            "neighbours\n"
            "that stay when %s other rows ask yet %s others. The result is learned from all %s.\n",
            job->full, job->dim, grouped(job->sample.rows / 2), job->options->k,
            grouped(job->asking.rows), grouped(job->corpus.rows), grouped(job->sample.rows));
    table_start(&t, 5, headers);
    for (size_t i = 0; i < METHODS; i++) {
        table_cell(&t, "%s", name_of(job, i));
        interval_cell(&t, &job->ways[i].reduced);
        interval_cell(&t, &job->ways[i].restored);
        interval_cell(&t, &job->ways[i].cosine);
        table_cell(&t, "%s", (int)i == job->options->method ? "<- used" : "");
    }
    table_print(&t, to, "  ");
    fprintf(to, "  The first %zu principal directions carry %.1f %% of the rows' sum of squares.\n",
            job->dim, 100 * job->variance);
    if (job->options->quantize)
        print_stored(job, to);
    fputs("  The result is comparable with rows reduced the same way, and with no others.\n", to);
}

static void json_interval(vecna_json_writer *json, const char *key,
                          const vecna_interval *interval) {
    vecna_json_write_key(json, key);
    vecna_json_write_array_begin(json);
    vecna_json_write_f64(json, interval->value);
    vecna_json_write_f64(json, interval->low);
    vecna_json_write_f64(json, interval->high);
    vecna_json_write_array_end(json);
}

static int print_report_json(const reduce_job *job, FILE *to) {
    vecna_json_writer json;
    vecna_json_writer_init(&json, 0, NULL);
    vecna_json_write_object_begin(&json);
    vecna_json_write_key(&json, "source_dim");
    vecna_json_write_u64(&json, job->full);
    vecna_json_write_key(&json, "target_dim");
    vecna_json_write_u64(&json, job->dim);
    vecna_json_write_key(&json, "method");
    vecna_json_write_string(&json, method_names[job->options->method]);
    vecna_json_write_key(&json, "rows_learned");
    vecna_json_write_u64(&json, job->sample.rows);
    vecna_json_write_key(&json, "rows_asked");
    vecna_json_write_u64(&json, job->corpus.rows);
    vecna_json_write_key(&json, "rows_asking");
    vecna_json_write_u64(&json, job->asking.rows);
    vecna_json_write_key(&json, "whitened");
    vecna_json_write_bool(&json, job->options->whiten);
    vecna_json_write_key(&json, "variance");
    vecna_json_write_f64(&json, job->variance);
    for (int i = 0; i < STORED_WAYS && job->options->quantize; i++) {
        vecna_json_write_key(&json, stored_name(i));
        vecna_json_write_object_begin(&json);
        vecna_json_write_key(&json, "bytes");
        vecna_json_write_u64(&json, job->stored[i].bytes);
        json_interval(&json, "neighbours", &job->stored[i].kept);
        json_interval(&json, "neighbours_rescored", &job->stored[i].rescored);
        vecna_json_write_object_end(&json);
    }
    for (size_t i = 0; i < METHODS; i++) {
        vecna_json_write_key(&json, method_names[i]);
        vecna_json_write_object_begin(&json);
        json_interval(&json, "neighbours_reduced", &job->ways[i].reduced);
        json_interval(&json, "neighbours_restored", &job->ways[i].restored);
        json_interval(&json, "cosine_restored", &job->ways[i].cosine);
        vecna_json_write_object_end(&json);
    }
    vecna_json_write_object_end(&json);
    return print_json(&json, to);
}

static int run_reduce(reduce_job *job, const char *in, const char *out) {
    const reduce_options *o = job->options;
    way *used = &job->ways[o->method];
    FILE *to = strcmp(out, "-") == 0 ? stderr : stdout; /* the rows have standard output */
    translate_options writing = {.given = NULL,
                                 .input = o->input,
                                 .out_format = o->out_format,
                                 .bad_rows = o->bad_rows,
                                 .quantize = o->quantize,
                                 .threads = o->threads,
                                 .quiet = o->json};
    vecna_error err;
    int status;
    if (check_writable(out, &err) != VECNA_OK ||
        (o->save_map && check_writable(o->save_map, &err) != VECNA_OK) ||
        (o->restore_map && check_writable(o->restore_map, &err) != VECNA_OK) ||
        vecna_pool_new(o->threads, NULL, &job->pool, &err) != VECNA_OK ||
        take_sample(job, in, &err) != VECNA_OK || learn_and_judge(job, &err) != VECNA_OK)
        return fail_with(&err);
    if (o->restore_map && vecna_map_about(used->up).verdict == VECNA_VERDICT_FAIL)
        note("%s carries the verdict FAIL: what it restores finds too few of the full rows' "
             "neighbours; vecna translate takes it with --force alone",
             o->restore_map);
    if (!o->json && !o->no_report)
        print_report(job, to);
    writing.given = used->down;
    status = translate_file(&writing, in, out);
    if (status != EXIT_DONE)
        return status; /* without its rows no map is left behind */
    if ((o->save_map && vecna_map_save(used->down, o->save_map, &err) != VECNA_OK) ||
        (o->restore_map && vecna_map_save(used->up, o->restore_map, &err) != VECNA_OK))
        return fail_with(&err);
    if (o->json)
        status = print_report_json(job, to);
    return status;
}

/* ---- many sizes -------------------------------------------------------------------------------- */

/* "2048,1536,768": 0 when it is not a list of dimensions. */
static size_t parse_dims(const char *text, size_t dims[DIMS_MOST]) {
    size_t count = 0;
    while (count < DIMS_MOST) {
        char *end;
        unsigned long long dim = *text >= '0' && *text <= '9' ? strtoull(text, &end, 10) : 0;
        if (dim == 0 || dim > VECNA_FORMAT_MAX_DIM)
            return 0;
        dims[count++] = (size_t)dim;
        if (*end == '\0')
            return count;
        if (*end != ',')
            return 0;
        text = end + 1;
    }
    return 0;
}

typedef struct size_row {
    size_t dim;
    double variance;
    vecna_interval reduced[METHODS]; /* learned reduces as cut does, and is not measured */
    stored stored[STORED_WAYS];
} size_row;

static void print_sizes(const reduce_job *job, const size_row *rows, size_t count, FILE *to) {
    static const char *const headers[] = {"dimensions",  "sum of squares", "pca",
                                          "cut",         "random",         "pca as int8",
                                          "pca as bits", "... rescored"};
    table t;
    fprintf(
        to,
        "Of %zu dimensions. Learned from %s rows: share of the %zu nearest neighbours that stay "
        "when %s other\nrows ask yet %s others.\n",
        job->full, grouped(job->learned.rows), job->options->k, grouped(job->asking.rows),
        grouped(job->corpus.rows));
    table_start(&t, 8, headers);
    for (size_t i = 0; i < count; i++) {
        table_cell(&t, "%zu", rows[i].dim);
        table_cell(&t, "%.1f %%", 100 * rows[i].variance);
        for (size_t method = METHOD_PCA; method <= METHOD_RANDOM; method++)
            interval_cell(&t, &rows[i].reduced[method]);
        table_cell(&t, "%.3f", rows[i].stored[STORED_INT8].kept.value);
        table_cell(&t, "%.3f", rows[i].stored[STORED_BINARY].kept.value);
        table_cell(&t, "%.3f", rows[i].stored[STORED_BINARY].rescored.value);
    }
    table_print(&t, to, "  ");
}

static int print_sizes_json(const reduce_job *job, const size_row *rows, size_t count) {
    vecna_json_writer json;
    vecna_json_writer_init(&json, 0, NULL);
    vecna_json_write_object_begin(&json);
    vecna_json_write_key(&json, "source_dim");
    vecna_json_write_u64(&json, job->full);
    vecna_json_write_key(&json, "rows_learned");
    vecna_json_write_u64(&json, job->learned.rows);
    vecna_json_write_key(&json, "rows_asked");
    vecna_json_write_u64(&json, job->corpus.rows);
    vecna_json_write_key(&json, "rows_asking");
    vecna_json_write_u64(&json, job->asking.rows);
    vecna_json_write_key(&json, "sizes");
    vecna_json_write_array_begin(&json);
    for (size_t i = 0; i < count; i++) {
        vecna_json_write_object_begin(&json);
        vecna_json_write_key(&json, "dim");
        vecna_json_write_u64(&json, rows[i].dim);
        vecna_json_write_key(&json, "variance");
        vecna_json_write_f64(&json, rows[i].variance);
        for (size_t method = METHOD_PCA; method <= METHOD_RANDOM; method++)
            json_interval(&json, method_names[method], &rows[i].reduced[method]);
        json_interval(&json, "int8", &rows[i].stored[STORED_INT8].kept);
        json_interval(&json, "int8_rescored", &rows[i].stored[STORED_INT8].rescored);
        json_interval(&json, "binary", &rows[i].stored[STORED_BINARY].kept);
        json_interval(&json, "binary_rescored", &rows[i].stored[STORED_BINARY].rescored);
        vecna_json_write_object_end(&json);
    }
    vecna_json_write_array_end(&json);
    vecna_json_write_object_end(&json);
    return print_json(&json, stdout);
}

static int run_sizes(reduce_job *job, const char *in, const size_t *dims, size_t count) {
    size_row rows[DIMS_MOST];
    vecna_error err;
    vecna_status status = vecna_pool_new(job->options->threads, NULL, &job->pool, &err);
    memset(rows, 0, sizeof rows);
    for (size_t i = 0; i < count; i++)
        job->most = dims[i] > job->most ? dims[i] : job->most;
    if (status == VECNA_OK)
        status = take_sample(job, in, &err);
    if (status == VECNA_OK)
        status = set_halves(job, &err);
    for (size_t i = 0; i < count && status == VECNA_OK; i++) {
        job->dim = rows[i].dim = dims[i];
        for (int method = METHOD_PCA; method <= METHOD_RANDOM && status == VECNA_OK; method++) {
            status = reduce_learn(job, method, &job->ways[method], &err);
            if (status == VECNA_OK)
                status = reduce_judge(job, &job->ways[method], false, &err);
            rows[i].reduced[method] = job->ways[method].reduced;
        }
        rows[i].variance = reduce_variance(job);
        if (status == VECNA_OK)
            status = reduce_judge_stored(job, &job->ways[METHOD_PCA], rows[i].stored, &err);
    }
    if (status != VECNA_OK)
        return fail_with(&err);
    if (job->options->json)
        return print_sizes_json(job, rows, count);
    print_sizes(job, rows, count, stdout);
    return EXIT_DONE;
}

static int check_use(const usage *use, const reduce_options *o, size_t count,
                     size_t dims[DIMS_MOST], size_t *sizes) {
    if (o->dims) {
        *sizes = parse_dims(o->dims, dims);
        if (*sizes == 0)
            return usage_error(use, "--dims %s is no list of up to %d dimensions such as 1536,768",
                               o->dims, DIMS_MOST);
        if (count > 1 || o->dim || o->quantize || o->save_map || o->restore_map || o->method ||
            o->out_format || o->bad_rows)
            return usage_error(use, "--dims compares sizes and writes nothing: no OUT, --dim, "
                                    "--method, --quantize, --bad-rows, --format or maps beside it");
    } else if (o->dim == 0) {
        return usage_error(use, "--dim N is missing: how many dimensions should stay?");
    } else if (count < 2) {
        return usage_error(use, "OUT is missing: where should the reduced rows go?");
    }
    if (o->no_report && (o->dims || o->test || o->json || o->restore_map))
        return usage_error(use, "--no-report measures nothing: no --dims, --test or --json, and no "
                                "--restore-map, which carries what was measured");
    if ((o->whiten || o->randomised) && o->method != METHOD_PCA)
        return usage_error(use, "--whiten and --randomised are ways of pca");
    if ((o->save_map && strcmp(o->save_map, "-") == 0) ||
        (o->restore_map && strcmp(o->restore_map, "-") == 0))
        return usage_error(use, "--save-map and --restore-map take a file: standard output has "
                                "the report or the rows");
    return -1;
}

int command_reduce(int argc, char **argv) {
    reduce_options o = {.sample = 20000, .k = 10};
    const option options[] = {
        {"dim", 'd', OPTION_COUNT, &o.dim, "N", "dimensions to keep"},
        {"dims", 0, OPTION_TEXT, &o.dims, "N,N,...", "or: compare these sizes, and write nothing"},
        {"method", 0, OPTION_CHOICE, &o.method, "pca|cut|random|learned",
         "pca keeps most; cut is for Matryoshka models;\nlearned cuts, and learns to restore "
         "(pca)"},
        {"quantize", 0, OPTION_CHOICE, &o.quantize, "none|int8|binary",
         "store OUT as bytes (each row's largest is 127) or\nas bits (1 above zero, packed, first "
         "in the highest)"},
        {"whiten", 0, OPTION_FLAG, &o.whiten, NULL, "pca: every direction with the same variance"},
        {"randomised", 0, OPTION_FLAG, &o.randomised, NULL,
         "pca: directions from a random start, faster where\nfew of many are kept"},
        {"test", 0, OPTION_TEXT, &o.test, "FILE",
         "rows to judge with (default: a fifth of the sample)"},
        {"no-report", 0, OPTION_FLAG, &o.no_report, NULL,
         "measure nothing: learn from all of the sample, and\nwrite"},
        {"sample", 0, OPTION_COUNT, &o.sample, "N", "rows to learn from (20000)"},
        {"save-map", 0, OPTION_TEXT, &o.save_map, "MAP", "keep the reduction, for vecna translate"},
        {"restore-map", 0, OPTION_TEXT, &o.restore_map, "MAP", "keep the way back"},
        {"k", 'k', OPTION_COUNT, &o.k, "N", "neighbours that should stay (10)"},
        {"seed", 0, OPTION_WHOLE, &o.seed, "N", "of sample, projection and intervals (0)"},
        {"bad-rows", 0, OPTION_CHOICE, &o.bad_rows, "fail|skip",
         "rows with NaN or infinity (fail); nothing is ever\nlearned from them"},
        {"format", 0, OPTION_TEXT, &o.out_format, "NAME",
         "format of OUT (default: told by its name)"},
        {"json", 0, OPTION_FLAG, &o.json, NULL, "the costs as one JSON object"},
        {"threads", 0, OPTION_COUNT, &o.threads, "N", "(default: the CPUs allowed)"},
        INPUT_OPTIONS(o.input),
    };
    const usage use = {
        "vecna reduce IN (OUT --dim N | --dims N,N,...) [options]",
        "Fewer dimensions inside one space: measures four ways on rows that nothing was learned "
        "from,\n"
        "prints what each keeps, and writes IN reduced by the chosen one. IN must be a file.",
        options,
        sizeof options / sizeof options[0],
        "  vecna reduce vectors.3072.npy vectors.2048.npy --dim 2048\n"
        "  vecna reduce all.jsonl small.jsonl --dim 256 --method cut --restore-map back.vecna\n"
        "  vecna reduce vectors.3072.npy --dims 2048,1536,768,256\n"
        "  vecna reduce vectors.3072.npy bits.npy --dim 1024 --quantize binary\n",
        1,
        2};
    const char *paths[2];
    size_t count, dims[DIMS_MOST], sizes = 0;
    reduce_job job;
    int status = parse_arguments(argc, argv, &use, paths, &count);

    if (status >= 0)
        return status;
    status = check_use(&use, &o, count, dims, &sizes);
    if (status >= 0)
        return status;
    if (strcmp(paths[0], "-") == 0)
        return usage_error(&use, "IN is read twice, so it cannot be standard input");
    memset(&job, 0, sizeof job);
    job.options = &o;
    job.dim = job.most = o.dim;
    status = sizes ? run_sizes(&job, paths[0], dims, sizes) : run_reduce(&job, paths[0], paths[1]);
    close_job(&job);
    return status;
}
