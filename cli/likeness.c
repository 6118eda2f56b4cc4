/* What a translation loses, measured on the first rows of the input before anything is written: of
 * bytes against floats, and, where the target model's own vectors of these rows are given, of the
 * maps themselves, whose losses add up in a chain. */
#include "cli/translate.h"
#include "vecna/metric.h"
#include "vecna/search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLE_ROWS = 512, DEPTH = 10 };

/* The first rows that have a direction, dense, and where they stood. */
static size_t take_sample(vecna_view rows, float *out, size_t *place) {
    size_t taken = 0;
    for (size_t i = 0; i < rows.rows && taken < SAMPLE_ROWS; i++) {
        const float *row = rows.data + i * rows.stride;
        double norm = vecna_metric_norm(row, rows.dim);
        if (!isfinite(norm) || norm == 0)
            continue;
        for (size_t j = 0; j < rows.dim; j++)
            out[taken * rows.dim + j] = row[j];
        place[taken++] = i;
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
               : vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                                 "not enough memory to measure what is lost");
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

static vecna_status compare(vecna_view exact, vecna_view near, likeness *out, vecna_error *err) {
    const size_t rows = exact.rows, depth = rows > DEPTH ? DEPTH : rows - 1;
    int64_t *found = vecna_allocate(NULL, 2 * rows * (depth ? depth : 1), sizeof *found);
    vecna_status status = VECNA_OK;
    size_t kept = 0;
    if (found == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                               "not enough memory to measure what is lost");
    out->cosine_least = 1;
    for (size_t i = 0; i < rows; i++) {
        double cosine = 1 - vecna_metric_cosine(exact.data + i * exact.dim,
                                                near.data + i * exact.dim, exact.dim);
        out->cosine_mean += cosine / (double)rows;
        out->cosine_least = cosine < out->cosine_least ? cosine : out->cosine_least;
    }
    if (depth > 0)
        status = nearest(exact, depth, found, err);
    if (depth > 0 && status == VECNA_OK)
        status = nearest(near, depth, found + rows * depth, err);
    for (size_t i = 0; status == VECNA_OK && i < rows * depth; i++)
        for (size_t j = i - i % depth; j < i - i % depth + depth; j++)
            kept += found[i] == found[rows * depth + j];
    out->overlap = depth > 0 ? (double)kept / (double)(rows * depth) : 1;
    out->overlap_depth = depth;
    out->rows = rows;
    vecna_release(NULL, found);
    return status;
}

vecna_status int8_begin(vecna_map *const *maps, size_t count, vecna_view rows, likeness *out,
                        vecna_error *err) {
    float *sample = vecna_allocate(NULL, SAMPLE_ROWS * rows.dim, sizeof *sample);
    float *exact = NULL, *bytes = NULL;
    vecna_status status = VECNA_OK;
    size_t taken = 0, dim = vecna_map_about(maps[count - 1]).target_dim, place[SAMPLE_ROWS];
    if (sample == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                               "not enough memory to measure what is lost");
    taken = take_sample(rows, sample, place);
    if (taken > 0)
        status = run_maps(maps, count, vecna_view_dense(sample, taken, rows.dim), &exact, err);
    for (size_t i = 0; status == VECNA_OK && i < count; i++)
        status = vecna_map_use_int8(maps[i], err);
    if (status == VECNA_OK && taken > 0)
        status = run_maps(maps, count, vecna_view_dense(sample, taken, rows.dim), &bytes, err);
    if (status == VECNA_OK && taken > 0)
        status = compare(vecna_view_dense(exact, taken, dim), vecna_view_dense(bytes, taken, dim),
                         out, err);
    vecna_release(NULL, sample);
    vecna_release(NULL, exact);
    vecna_release(NULL, bytes);
    return status;
}

void int8_print(const likeness *out) {
    if (out->rows == 0)
        return;
    if (!vecna_linalg_int8_is_fast())
        note("int8: this processor has no AVX-512 VNNI, so bytes are hardly faster than floats "
             "here");
    if (out->overlap_depth)
        note("int8: cosine to the float32 results %.5f on average, %.5f at worst; %.1f %% of the "
             "%zu "
             "nearest rows stay (first %s rows)",
             out->cosine_mean, out->cosine_least, 100 * out->overlap, out->overlap_depth,
             grouped(out->rows));
    else
        note("int8: cosine to the float32 result %.5f (one row)", out->cosine_mean);
}

/* Rows of the native file that belong to the sample, dense, in `native`; rows without a direction are
 * left out on both sides. */
static vecna_status take_native(const translate_options *options, size_t dim, vecna_matrix *sample,
                                const size_t *place, float **native, vecna_error *err) {
    vecna_format_options format = format_options(&options->input);
    vecna_reader *reader = NULL;
    vecna_block *block = NULL;
    size_t kept = 0;
    float *rows = vecna_allocate(NULL, SAMPLE_ROWS * dim, sizeof *rows);
    vecna_status status = rows ? vecna_reader_open(options->native, &format, &reader, err)
                               : vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                                                 "not enough memory to measure what is lost");
    if (status == VECNA_OK && vecna_reader_about(reader)->dim != dim)
        status =
            vecna_error_set(err, VECNA_ERR_DIM, -1, "%s has %zu dimensions, the map writes %zu",
                            options->native, vecna_reader_about(reader)->dim, dim);
    if (status == VECNA_OK)
        status = vecna_block_new(NULL, &block, err);
    if (status == VECNA_OK && sample->rows > 0)
        status = vecna_reader_read(reader, block, place[sample->rows - 1] + 1, err);
    for (size_t i = 0; status == VECNA_OK && i < sample->rows; i++) {
        const float *row = block->vectors.data + place[i] * block->vectors.stride;
        if (place[i] >= block->vectors.rows)
            break;
        double norm = vecna_metric_norm(row, dim);
        if (!isfinite(norm) || norm == 0)
            continue;
        memcpy(rows + kept * dim, row, dim * sizeof *row);
        memmove(sample->data + kept++ * sample->dim, sample->data + i * sample->dim,
                sample->dim * sizeof *row);
    }
    if (status == VECNA_OK && kept == 0 && sample->rows > 0)
        status = vecna_error_set(err, VECNA_ERR_VALUE, -1,
                                 "%s has no row to compare with; it must hold the vectors of the "
                                 "input's first rows, in their order",
                                 options->native);
    sample->rows = kept;
    vecna_block_free(block);
    vecna_reader_close(reader);
    if (status != VECNA_OK)
        vecna_release(NULL, rows);
    else
        *native = rows;
    return status;
}

vecna_status native_begin(vecna_map *const *maps, size_t count, vecna_view rows,
                          const translate_options *options, likeness *out, vecna_error *err) {
    const size_t dim = vecna_map_about(maps[count - 1]).target_dim;
    vecna_matrix sample = vecna_matrix_dense(
        vecna_allocate(NULL, SAMPLE_ROWS * rows.dim, sizeof(float)), 0, rows.dim);
    float *native = NULL, *translated = NULL;
    size_t place[SAMPLE_ROWS];
    vecna_status status;
    if (sample.data == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                               "not enough memory to measure what is lost");
    sample.rows = take_sample(rows, sample.data, place);
    status = take_native(options, dim, &sample, place, &native, err);
    if (status == VECNA_OK && sample.rows > 0)
        status = run_maps(maps, count, vecna_matrix_view(sample), &translated, err);
    if (status == VECNA_OK && sample.rows > 0)
        status = compare(vecna_view_dense(native, sample.rows, dim),
                         vecna_view_dense(translated, sample.rows, dim), out, err);
    vecna_release(NULL, sample.data);
    vecna_release(NULL, native);
    vecna_release(NULL, translated);
    return status;
}

void native_print(const likeness *kept, size_t maps) {
    if (kept->rows == 0)
        return;
    if (kept->overlap_depth == 0) {
        note("%s: cosine to the native vector %.3f (one row)", maps > 1 ? "the chain" : "the map",
             kept->cosine_mean);
        return;
    }
    note("%s: cosine to the native vectors %.3f on average, %.3f at worst; %.1f %% of the %zu "
         "nearest rows stay (first %s rows)",
         maps > 1 ? "the chain" : "the map", kept->cosine_mean, kept->cosine_least,
         100 * kept->overlap, kept->overlap_depth, grouped(kept->rows));
}

void likeness_print_json(const likeness *out, const char *key, vecna_json_writer *json) {
    vecna_json_write_key(json, key);
    vecna_json_write_object_begin(json);
    vecna_json_write_key(json, "rows");
    vecna_json_write_u64(json, out->rows);
    if (out->rows) {
        vecna_json_write_key(json, "cosine_mean");
        vecna_json_write_f64(json, out->cosine_mean);
        vecna_json_write_key(json, "cosine_least");
        vecna_json_write_f64(json, out->cosine_least);
    }
    if (out->overlap_depth) {
        vecna_json_write_key(json, "overlap");
        vecna_json_write_f64(json, out->overlap);
        vecna_json_write_key(json, "overlap_depth");
        vecna_json_write_u64(json, out->overlap_depth);
    }
    vecna_json_write_object_end(json);
}
