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
#include "cli/translate.h"

#include "vecna/eval.h"
#include "vecna/linalg.h"
#include "vecna/metric.h"
#include "vecna/search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { METHOD_PCA, METHOD_CUT, METHOD_RANDOM, METHOD_LEARNED, METHODS };
enum { ASKED_MOST = 1000 };

static const char *const method_names[METHODS] = {"pca", "cut", "random", "learned"};

typedef struct reduce_options {
    size_t dim, sample, threads, k;
    int method, bad_rows;
    uint64_t seed;
    const char *test, *save_map, *restore_map, *out_format;
    bool json;
    input_options input;
} reduce_options;

/* One way of reducing, as the two maps that go down and up. */
typedef struct way {
    vecna_map *down, *up;
    vecna_interval reduced;  /* share of the native neighbours kept in the reduced space */
    vecna_interval restored; /* and after restoring */
    vecna_interval cosine;   /* of a restored row to what it was */
} way;

typedef struct reduce_job {
    const reduce_options *options;
    loaded test;          /* of --test, or empty */
    vecna_matrix sample;  /* (rows, full) unit rows */
    vecna_matrix learned; /* the part that is learned from: a half to judge, then all */
    vecna_matrix corpus;  /* the other half, which is asked */
    vecna_matrix asking;  /* (rows, full) unit rows that ask */
    size_t full;
    uint64_t usable; /* rows seen so far that have a direction */
    vecna_random random;
    vecna_pool *pool;
    way ways[METHODS];
} reduce_job;

static void close_job(reduce_job *job) {
    for (size_t i = 0; i < METHODS; i++) {
        vecna_map_free(job->ways[i].down);
        vecna_map_free(job->ways[i].up);
    }
    unload(&job->test);
    free(job->sample.data);
    free(job->asking.data);
    vecna_pool_free(job->pool);
}

static vecna_status no_memory(vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                           "not enough memory; --sample takes fewer rows to learn from");
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
            return no_memory(err);
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
        return no_memory(err);
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
        return no_memory(err);
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

static vecna_status take_sample(reduce_job *job, const char *path, vecna_error *err) {
    vecna_format_options format = format_options(&job->options->input);
    loaded ignored = {0};
    vecna_status status;
    vecna_random_seed(&job->random, job->options->seed, 1);
    status = load_visiting(path, &format, visit_block, job, &ignored, err);
    unload(&ignored);
    if (status == VECNA_OK)
        status = shuffle_sample(job, err);
    if (status == VECNA_OK)
        status = set_asking_apart(job, err);
    if (status == VECNA_OK && (job->sample.rows < 20 || job->asking.rows < 4))
        status = vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                                 "%zu rows to learn from and %zu to ask are too few to say what a "
                                 "reduction costs",
                                 job->sample.rows, job->asking.rows);
    if (status == VECNA_OK && job->options->k >= job->sample.rows - job->sample.rows / 2)
        status = vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                                 "with -k %zu every one of the %zu rows that are asked is a "
                                 "neighbour; give fewer",
                                 job->options->k, job->sample.rows - job->sample.rows / 2);
    if (status == VECNA_OK && job->options->dim >= job->full)
        status = vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                                 "%s has %zu dimensions: %zu are no reduction", path, job->full,
                                 job->options->dim);
    if (status == VECNA_OK)
        status = vecna_metric_normalize(vecna_matrix_view(job->sample), job->sample, NULL, err);
    if (status == VECNA_OK)
        status = vecna_metric_normalize(vecna_matrix_view(job->asking), job->asking, NULL, err);
    return status;
}

/* ---- the ways -------------------------------------------------------------------------------- */

/* Down by the rows of `directions` (N, full), up by their transpose. */
static vecna_status maps_of(const reduce_job *job, const float *directions, way *one,
                            vecna_error *err) {
    size_t n = job->options->dim, full = job->full;
    float *down = vecna_allocate(NULL, n * full, sizeof *down);
    vecna_map_weights weights = {0};
    vecna_status status;
    vecna_map_free(one->down);
    vecna_map_free(one->up);
    one->down = one->up = NULL;
    if (down == NULL)
        return no_memory(err);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < full; j++)
            down[j * n + i] = directions[i * full + j];
    weights.normalized = 1;
    weights.rows_fit = job->learned.rows;
    weights.weights = vecna_view_dense(down, full, n);
    status = vecna_map_from_weights(&weights, NULL, &one->down, err);
    weights.weights = vecna_view_dense(directions, n, full);
    if (status == VECNA_OK)
        status = vecna_map_from_weights(&weights, NULL, &one->up, err);
    free(down);
    return status;
}

static vecna_status learn_cut(const reduce_job *job, way *one, vecna_error *err) {
    size_t n = job->options->dim;
    float *directions = vecna_allocate_zero(NULL, n * job->full, sizeof *directions);
    vecna_status status;
    if (directions == NULL)
        return no_memory(err);
    for (size_t i = 0; i < n; i++)
        directions[i * job->full + i] = 1;
    status = maps_of(job, directions, one, err);
    free(directions);
    return status;
}

static vecna_status learn_random(const reduce_job *job, way *one, vecna_error *err) {
    size_t n = job->options->dim;
    vecna_adapt_options options = {.kind = VECNA_ADAPT_PROJECT,
                                   .source_dim = n,
                                   .target_dim = job->full,
                                   .seed = job->options->seed};
    vecna_adapter *adapter = NULL;
    vecna_status status =
        vecna_adapter_new(&options, &adapter, err); /* upwards: rows orthonormal */
    if (status == VECNA_OK)
        status = maps_of(job, vecna_adapter_matrix_view(adapter).data, one, err);
    vecna_adapter_free(adapter);
    return status;
}

/* Eigenvectors of the sum of squares. Fewer rows than dimensions leave directions without any weight;
 * the eigenvectors there are an orthonormal basis of the rest, as good as any. */
static vecna_status learn_pca(const reduce_job *job, way *one, vecna_error *err) {
    size_t n = job->options->dim, full = job->full;
    double *gram = vecna_allocate_zero(NULL, full * full, sizeof *gram);
    double *values = vecna_allocate(NULL, full, sizeof *values);
    float *directions = vecna_allocate(NULL, n * full, sizeof *directions);
    vecna_gram sums = {.gram = gram};
    vecna_status status = VECNA_OK;
    if (!gram || !values || !directions)
        status = no_memory(err);
    if (status == VECNA_OK)
        status =
            vecna_linalg_gram_add(&sums, vecna_matrix_view(job->learned), (vecna_view){0}, err);
    if (status == VECNA_OK)
        status = vecna_linalg_eigen(gram, full, values, err);
    for (size_t i = 0; status == VECNA_OK && i < n * full; i++)
        directions[i] = (float)gram[i]; /* row i is the i-th direction */
    if (status == VECNA_OK)
        status = maps_of(job, directions, one, err);
    free(gram);
    free(values);
    free(directions);
    return status;
}

static vecna_status learn_restoring(const reduce_job *job, way *one, vecna_error *err) {
    vecna_translate_options options = {.recipe = {.method = VECNA_METHOD_RIDGE},
                                       .seed = job->options->seed,
                                       .resamples = 200,
                                       .pool = job->pool};
    vecna_matrix cut = vecna_matrix_dense(
        vecna_allocate(NULL, job->learned.rows, job->options->dim * sizeof(float)),
        job->learned.rows, job->options->dim);
    vecna_status status = cut.data ? learn_cut(job, one, err) : no_memory(err);
    vecna_map_free(one->up);
    one->up = NULL;
    if (status == VECNA_OK)
        status = vecna_map_apply(one->down, vecna_matrix_view(job->learned), cut, job->pool, err);
    if (status == VECNA_OK)
        status = vecna_translate_fit(vecna_matrix_view(cut), vecna_matrix_view(job->learned),
                                     &options, &one->up, err);
    free(cut.data);
    return status;
}

static vecna_status learn(const reduce_job *job, int method, way *one, vecna_error *err) {
    switch (method) {
    case METHOD_CUT:
        return learn_cut(job, one, err);
    case METHOD_RANDOM:
        return learn_random(job, one, err);
    case METHOD_LEARNED:
        return learn_restoring(job, one, err);
    default:
        return learn_pca(job, one, err);
    }
}

/* ---- what it costs --------------------------------------------------------------------------- */

static vecna_status rank(const reduce_job *job, vecna_view corpus, vecna_view queries,
                         int64_t *rows, vecna_error *err) {
    vecna_search_options options = {.k = job->options->k, .pool = job->pool};
    return vecna_search(corpus, queries, &options, rows, NULL, err);
}

static vecna_status interval_of(const reduce_job *job, const double *values, vecna_interval *out,
                                vecna_error *err) {
    const vecna_statistic mean = {VECNA_STATISTIC_MEAN, 0, 0, 0};
    const double *const columns[] = {values};
    vecna_bootstrap_input input = {columns, 1, job->asking.rows, &mean, 1};
    vecna_bootstrap_options options = {.seed = job->options->seed, .pool = job->pool};
    return vecna_eval_bootstrap(&input, &options, out, err);
}

/* Share of the native neighbours that stand among those found in another form of both sides. */
static vecna_status neighbours_kept(const reduce_job *job, const int64_t *native, vecna_view corpus,
                                    vecna_view queries, vecna_interval *out, vecna_error *err) {
    size_t k = job->options->k, count = job->asking.rows;
    int64_t *found = vecna_allocate(NULL, count * k, sizeof *found);
    double *shares = vecna_allocate(NULL, count, sizeof *shares);
    vecna_ranking truth = {native, NULL, count, k, k}, got = {found, NULL, count, k, k};
    vecna_status status = found && shares ? rank(job, corpus, queries, found, err) : no_memory(err);
    if (status == VECNA_OK)
        status = vecna_eval_overlap(&got, k, &truth, k, NULL, shares, err);
    if (status == VECNA_OK)
        status = interval_of(job, shares, out, err);
    free(found);
    free(shares);
    return status;
}

static vecna_status restored_cosine(const reduce_job *job, vecna_view restored, way *one,
                                    vecna_error *err) {
    double *cosines = vecna_allocate(NULL, job->asking.rows, sizeof *cosines);
    vecna_status status = cosines ? VECNA_OK : no_memory(err);
    for (size_t i = 0; cosines && i < job->asking.rows; i++)
        cosines[i] = 1 - vecna_metric_cosine(restored.data + i * job->full,
                                             job->asking.data + i * job->full, job->full);
    if (status == VECNA_OK)
        status = interval_of(job, cosines, &one->cosine, err);
    free(cosines);
    return status;
}

static vecna_status judge(const reduce_job *job, const int64_t *native, way *one,
                          vecna_error *err) {
    size_t n = job->options->dim, rows = job->corpus.rows, asked = job->asking.rows;
    float *memory = vecna_allocate(NULL, (rows + asked) * (n + job->full), sizeof *memory);
    vecna_matrix small = vecna_matrix_dense(memory, rows, n);
    vecna_matrix small_asking, back, back_asking;
    vecna_status status = memory ? VECNA_OK : no_memory(err);
    if (memory == NULL)
        return status;
    small_asking = vecna_matrix_dense(memory + rows * n, asked, n);
    back = vecna_matrix_dense(memory + (rows + asked) * n, rows, job->full);
    back_asking = vecna_matrix_dense(back.data + rows * job->full, asked, job->full);
    status = vecna_map_apply(one->down, vecna_matrix_view(job->corpus), small, job->pool, err);
    if (status == VECNA_OK)
        status = vecna_map_apply(one->down, vecna_matrix_view(job->asking), small_asking, job->pool,
                                 err);
    if (status == VECNA_OK)
        status = neighbours_kept(job, native, vecna_matrix_view(small),
                                 vecna_matrix_view(small_asking), &one->reduced, err);
    if (status == VECNA_OK)
        status = vecna_map_apply(one->up, vecna_matrix_view(small), back, job->pool, err);
    if (status == VECNA_OK)
        status =
            vecna_map_apply(one->up, vecna_matrix_view(small_asking), back_asking, job->pool, err);
    if (status == VECNA_OK)
        status = neighbours_kept(job, native, vecna_matrix_view(back),
                                 vecna_matrix_view(back_asking), &one->restored, err);
    if (status == VECNA_OK)
        status = restored_cosine(job, vecna_matrix_view(back_asking), one, err);
    free(memory);
    return status;
}

static vecna_status learn_and_judge(reduce_job *job, vecna_error *err) {
    size_t entries = job->asking.rows * job->options->k;
    int64_t *native = vecna_allocate(NULL, entries, sizeof *native);
    size_t half = job->sample.rows / 2;
    job->learned = vecna_matrix_rows(job->sample, 0, half);
    job->corpus = vecna_matrix_rows(job->sample, half, job->sample.rows - half);
    vecna_status status = native ? rank(job, vecna_matrix_view(job->corpus),
                                        vecna_matrix_view(job->asking), native, err)
                                 : no_memory(err);
    for (int i = 0; i < METHODS && status == VECNA_OK; i++)
        status = learn(job, i, &job->ways[i], err);
    for (size_t i = 0; i < METHODS && status == VECNA_OK; i++)
        status = judge(job, native, &job->ways[i], err);
    if (status == VECNA_OK) {
        job->learned = job->sample;
        status = learn(job, job->options->method, &job->ways[job->options->method], err);
    }
    free(native);
    return status;
}

/* ---- results --------------------------------------------------------------------------------- */

static void interval_cell(table *t, const vecna_interval *interval) {
    table_cell(t, "%.3f [%.3f, %.3f]", interval->value, interval->low, interval->high);
}

static void print_report(const reduce_job *job, FILE *to) {
    static const char *const headers[] = {"method", "neighbours kept, reduced",
                                          "neighbours kept, restored", "cosine restored", ""};
    table t;
    fprintf(to,
            "%zu -> %zu dimensions. Judged with %s rows learned from: share of the %zu nearest "
            "neighbours\n"
            "that stay when %s other rows ask yet %s others. The result is learned from all %s.\n",
            job->full, job->options->dim, grouped(job->sample.rows / 2), job->options->k,
            grouped(job->asking.rows), grouped(job->corpus.rows), grouped(job->sample.rows));
    table_start(&t, 5, headers);
    for (size_t i = 0; i < METHODS; i++) {
        table_cell(&t, "%s", method_names[i]);
        interval_cell(&t, &job->ways[i].reduced);
        interval_cell(&t, &job->ways[i].restored);
        interval_cell(&t, &job->ways[i].cosine);
        table_cell(&t, "%s", (int)i == job->options->method ? "<- used" : "");
    }
    table_print(&t, to, "  ");
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
    vecna_json_write_u64(&json, job->options->dim);
    vecna_json_write_key(&json, "method");
    vecna_json_write_string(&json, method_names[job->options->method]);
    vecna_json_write_key(&json, "rows_learned");
    vecna_json_write_u64(&json, job->sample.rows);
    vecna_json_write_key(&json, "rows_asked");
    vecna_json_write_u64(&json, job->corpus.rows);
    vecna_json_write_key(&json, "rows_asking");
    vecna_json_write_u64(&json, job->asking.rows);
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
                                 .threads = o->threads,
                                 .quiet = o->json};
    vecna_error err;
    int status;
    if ((o->save_map && check_writable(o->save_map, &err) != VECNA_OK) ||
        (o->restore_map && check_writable(o->restore_map, &err) != VECNA_OK) ||
        vecna_pool_new(o->threads, NULL, &job->pool, &err) != VECNA_OK ||
        take_sample(job, in, &err) != VECNA_OK || learn_and_judge(job, &err) != VECNA_OK)
        return fail_with(&err);
    if (o->save_map && vecna_map_save(used->down, o->save_map, &err) != VECNA_OK)
        return fail_with(&err);
    if (o->restore_map && vecna_map_save(used->up, o->restore_map, &err) != VECNA_OK)
        return fail_with(&err);
    if (o->restore_map && vecna_map_about(used->up).verdict == VECNA_VERDICT_FAIL)
        note("%s carries the verdict FAIL: what it restores finds too few of the full rows' "
             "neighbours; vecna translate takes it with --force alone",
             o->restore_map);
    if (!o->json)
        print_report(job, to);
    writing.given = used->down;
    status = translate_file(&writing, in, out);
    if (status == EXIT_DONE && o->json)
        status = print_report_json(job, to);
    return status;
}

int command_reduce(int argc, char **argv) {
    reduce_options o = {.sample = 20000, .k = 10};
    const option options[] = {
        {"dim", 'd', OPTION_COUNT, &o.dim, "N", "dimensions to keep (required)"},
        {"method", 0, OPTION_CHOICE, &o.method, "pca|cut|random|learned",
         "pca keeps most; cut is for Matryoshka models;\nlearned cuts, and learns to restore "
         "(pca)"},
        {"test", 0, OPTION_TEXT, &o.test, "FILE",
         "rows to judge with (default: a fifth of the sample)"},
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
        "vecna reduce IN OUT --dim N [options]",
        "Fewer dimensions inside one space: measures four ways on rows that nothing was learned "
        "from,\n"
        "prints what each keeps, and writes IN reduced by the chosen one. IN must be a file.",
        options,
        sizeof options / sizeof options[0],
        "  vecna reduce vectors.3072.npy vectors.2048.npy --dim 2048\n"
        "  vecna reduce all.jsonl small.jsonl --dim 256 --method cut --restore-map back.vecna\n",
        2,
        2};
    const char *paths[2];
    size_t count;
    reduce_job job;
    int status = parse_arguments(argc, argv, &use, paths, &count);

    if (status >= 0)
        return status;
    if (o.dim == 0)
        return usage_error(&use, "--dim N is missing: how many dimensions should stay?");
    if (strcmp(paths[0], "-") == 0)
        return usage_error(&use, "IN is read twice, so it cannot be standard input");
    if ((o.save_map && strcmp(o.save_map, "-") == 0) ||
        (o.restore_map && strcmp(o.restore_map, "-") == 0))
        return usage_error(&use, "--save-map and --restore-map take a file: standard output has "
                                 "the report or the rows");
    memset(&job, 0, sizeof job);
    job.options = &o;
    status = run_reduce(&job, paths[0], paths[1]);
    close_job(&job);
    return status;
}
