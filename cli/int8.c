/* Translating with bytes: what it costs is measured on the first rows of the input, before anything
 * is written, and said. */
#include "cli/translate.h"
#include "vecna/metric.h"
#include "vecna/search.h"

#include <math.h>
#include <stdlib.h>

enum { SAMPLE_ROWS = 512, DEPTH = 10 };

/* The rows of the sample that have a direction, dense. */
static size_t take_sample(vecna_view rows, float *out) {
    size_t taken = 0;
    for (size_t i = 0; i < rows.rows && taken < SAMPLE_ROWS; i++) {
        const float *row = rows.data + i * rows.stride;
        double norm = vecna_metric_norm(row, rows.dim);
        if (!isfinite(norm) || norm == 0)
            continue;
        for (size_t j = 0; j < rows.dim; j++)
            out[taken * rows.dim + j] = row[j];
        taken++;
    }
    return taken;
}

/* The sample through all maps; *out is to be freed. */
static vecna_status run_maps(vecna_map *const *maps, size_t count, vecna_view sample, float **out,
                             vecna_error *err) {
    vecna_view in = sample;
    float *held = NULL;
    for (size_t i = 0; i < count; i++) {
        const size_t dim = vecna_map_about(maps[i]).target_dim;
        float *to = vecna_allocate(NULL, sample.rows * dim, sizeof *to);
        vecna_status status =
            to ? vecna_map_apply(maps[i], in, vecna_matrix_dense(to, sample.rows, dim), NULL, err)
               : vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory to measure --int8");
        vecna_release(NULL, held);
        held = to;
        if (status != VECNA_OK) {
            vecna_release(NULL, held);
            return status;
        }
        in = vecna_view_dense(held, sample.rows, dim);
    }
    *out = held;
    return VECNA_OK;
}

static vecna_status nearest(vecna_view rows, size_t depth, int64_t *found, vecna_error *err) {
    int64_t self[SAMPLE_ROWS];
    vecna_search_options options = {.k = depth, .excluded = self};
    for (size_t i = 0; i < rows.rows; i++)
        self[i] = (int64_t)i;
    return vecna_search(rows, rows, &options, found, NULL, err);
}

static vecna_status compare(vecna_view exact, vecna_view bytes, int8_loss *loss, vecna_error *err) {
    const size_t rows = exact.rows, depth = rows > DEPTH ? DEPTH : rows - 1;
    int64_t *found = vecna_allocate(NULL, 2 * rows * (depth ? depth : 1), sizeof *found);
    vecna_status status = VECNA_OK;
    size_t kept = 0;
    if (found == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory to measure --int8");
    loss->cosine_least = 1;
    for (size_t i = 0; i < rows; i++) {
        double cosine = 1 - vecna_metric_cosine(exact.data + i * exact.dim,
                                                bytes.data + i * exact.dim, exact.dim);
        loss->cosine_mean += cosine / (double)rows;
        loss->cosine_least = cosine < loss->cosine_least ? cosine : loss->cosine_least;
    }
    if (depth > 0)
        status = nearest(exact, depth, found, err);
    if (depth > 0 && status == VECNA_OK)
        status = nearest(bytes, depth, found + rows * depth, err);
    for (size_t i = 0; status == VECNA_OK && i < rows * depth; i++)
        for (size_t j = i - i % depth; j < i - i % depth + depth; j++)
            kept += found[i] == found[rows * depth + j];
    loss->overlap = depth > 0 ? (double)kept / (double)(rows * depth) : 1;
    loss->overlap_depth = depth;
    loss->rows = rows;
    vecna_release(NULL, found);
    return status;
}

vecna_status int8_begin(vecna_map *const *maps, size_t count, vecna_view rows, int8_loss *loss,
                        vecna_error *err) {
    float *sample = vecna_allocate(NULL, SAMPLE_ROWS * rows.dim, sizeof *sample);
    float *exact = NULL, *bytes = NULL;
    vecna_status status = VECNA_OK;
    size_t taken = 0, dim = vecna_map_about(maps[count - 1]).target_dim;
    if (sample == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory to measure --int8");
    taken = take_sample(rows, sample);
    if (taken > 0)
        status = run_maps(maps, count, vecna_view_dense(sample, taken, rows.dim), &exact, err);
    for (size_t i = 0; status == VECNA_OK && i < count; i++)
        status = vecna_map_use_int8(maps[i], err);
    if (status == VECNA_OK && taken > 0)
        status = run_maps(maps, count, vecna_view_dense(sample, taken, rows.dim), &bytes, err);
    if (status == VECNA_OK && taken > 0)
        status = compare(vecna_view_dense(exact, taken, dim), vecna_view_dense(bytes, taken, dim),
                         loss, err);
    vecna_release(NULL, sample);
    vecna_release(NULL, exact);
    vecna_release(NULL, bytes);
    return status;
}

void int8_print(const int8_loss *loss) {
    if (loss->rows == 0)
        return;
    if (!vecna_linalg_int8_is_fast())
        note("int8: this processor has no AVX-512 VNNI, so bytes are hardly faster than floats "
             "here");
    if (loss->overlap_depth)
        note("int8: cosine to the float32 results %.5f on average, %.5f at worst; %.1f %% of the "
             "%zu "
             "nearest rows stay (first %s rows)",
             loss->cosine_mean, loss->cosine_least, 100 * loss->overlap, loss->overlap_depth,
             grouped(loss->rows));
    else
        note("int8: cosine to the float32 result %.5f (one row)", loss->cosine_mean);
}

void int8_print_json(const int8_loss *loss, vecna_json_writer *json) {
    vecna_json_write_key(json, "int8");
    vecna_json_write_object_begin(json);
    vecna_json_write_key(json, "rows");
    vecna_json_write_u64(json, loss->rows);
    if (loss->rows) {
        vecna_json_write_key(json, "cosine_mean");
        vecna_json_write_f64(json, loss->cosine_mean);
        vecna_json_write_key(json, "cosine_least");
        vecna_json_write_f64(json, loss->cosine_least);
    }
    if (loss->overlap_depth) {
        vecna_json_write_key(json, "overlap");
        vecna_json_write_f64(json, loss->overlap);
        vecna_json_write_key(json, "overlap_depth");
        vecna_json_write_u64(json, loss->overlap_depth);
    }
    vecna_json_write_object_end(json);
}
