/* vecna translate: a file of vectors into another space (--map) or dimension (--dim).
 *
 * Blocks of rows go through a pipeline: read in order, worked on by every core at once, written in
 * order. Memory is one block a thread, however long the file. The first block is held against the
 * space that the map was fitted on before anything is written. */
#include "cli/confidence.h"
#include "cli/maps.h"
#include "cli/translate.h"
#include "vecna/metric.h"
#include "vecna/search.h"
#include "vecna/space.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BAD_FAIL = 0, BAD_SKIP = 1 };
enum { BLOCK_BYTES = 1 << 22 };
enum { QUANTIZE_INT8 = 1, QUANTIZE_BINARY = 2 };

/* What one thread works on. */
typedef struct slot {
    vecna_block *block;
    vecna_view rows;          /* to translate: of the block, or of `in` */
    const vecna_record *kept; /* beside them */
    float *in;                /* a block's rows without the bad ones */
    vecna_record *records;    /* and what they carry */
    float *out;               /* (rows, out dim) of the last step */
    float *next;              /* the other half of a chain */
    size_t block_bad, block_zeros;
    confidence_slot confidence;
    uint64_t skipped, zeros, scaled; /* over all blocks */
    int64_t first_skipped, first_zero;
} slot;

typedef struct job {
    const translate_options *options;
    const char *in_path;
    vecna_reader *reader;
    vecna_writer *writer;
    vecna_map *opened[TEXTS_MOST];
    const vecna_map *maps[TEXTS_MOST];
    size_t map_count;
    vecna_adapter *adapter;
    size_t in_dim, out_dim, widest, block_rows;
    bool checked;   /* the first block was held against the source space */
    bool make_unit; /* the first map brings rows to unit length */
    slot *slots;
    size_t slot_count;
    likeness loss, native;        /* of --int8 and --native */
    loaded sample;                /* of --hubness-dimension */
    size_t written_dim;           /* out_dim, and one with that; fewer as bits */
    confidence_output confidence; /* .map NULL: not wanted */
    progress meter;
    uint64_t rows, skipped, zeros, scaled;
    int64_t first_skipped, first_zero;
} job;

/* ---- one block ------------------------------------------------------------------------------- */

static vecna_status check_space(const job *work, vecna_view rows, vecna_error *err);

static vecna_status read_block(void *user, size_t index, int *more, vecna_error *err) {
    job *work = user;
    slot *mine = &work->slots[index];
    vecna_status status = vecna_reader_read(work->reader, mine->block, work->block_rows, err);
    if (status == VECNA_OK && !work->checked) {
        work->checked = true;
        status = check_space(work, mine->block->vectors, err);
        if (status == VECNA_OK && work->options->int8)
            status =
                int8_begin(work->opened, work->map_count, mine->block->vectors, &work->loss, err);
        if (status == VECNA_OK && work->options->native)
            status = native_begin(work->opened, work->map_count, mine->block->vectors,
                                  work->options, &work->native, err);
    }
    *more = status == VECNA_OK && mine->block->vectors.rows > 0;
    return status;
}

/* Count what is wrong with the rows of a block; rows with NaN or infinity fail or are to be left out. */
static vecna_status examine_rows(const job *work, slot *mine, vecna_error *err) {
    const vecna_block *block = mine->block;
    mine->block_bad = mine->block_zeros = 0;
    for (size_t i = 0; i < block->vectors.rows; i++) {
        int64_t number = (int64_t)(block->first_row + i);
        double norm =
            vecna_metric_norm(block->vectors.data + i * block->vectors.stride, work->in_dim);
        if (!isfinite(norm)) {
            if (work->options->bad_rows == BAD_FAIL)
                return vecna_error_set(
                    err, VECNA_ERR_VALUE, number,
                    "%s: row %lld holds NaN or infinity; mend it, or leave such rows "
                    "out with --bad-rows skip",
                    work->in_path, (long long)number);
            mine->block_bad++;
            if (mine->skipped++ == 0 || number < mine->first_skipped)
                mine->first_skipped = number;
        } else if (norm == 0) {
            mine->block_zeros++;
            if (mine->zeros++ == 0 || number < mine->first_zero)
                mine->first_zero = number;
        } else {
            mine->scaled += work->make_unit && fabs(norm - 1) > 5e-3;
        }
    }
    return VECNA_OK;
}

/* The rows of the block that can be translated: the block itself, or a copy without the bad ones. */
static vecna_status prepare_rows(const job *work, slot *mine, vecna_error *err) {
    const vecna_block *block = mine->block;
    vecna_status status = examine_rows(work, mine, err);
    mine->rows = block->vectors;
    mine->kept = block->records;
    if (status != VECNA_OK || mine->block_bad == 0)
        return status;
    mine->rows = vecna_view_dense(mine->in, 0, work->in_dim);
    mine->kept = mine->records;
    for (size_t i = 0; i < block->vectors.rows; i++) {
        const float *row = block->vectors.data + i * block->vectors.stride;
        if (!isfinite(vecna_metric_norm(row, work->in_dim)))
            continue;
        memcpy(mine->in + mine->rows.rows * work->in_dim, row, work->in_dim * sizeof *row);
        if (mine->records)
            mine->records[mine->rows.rows] = block->records[i];
        mine->rows.rows++;
    }
    return VECNA_OK;
}

/* A zero row has no direction to translate: it stays zero, and is reported. */
static void keep_zero_rows(const job *work, const slot *mine, float *out) {
    for (size_t i = 0; mine->block_zeros > 0 && i < mine->rows.rows; i++)
        if (vecna_metric_norm(mine->rows.data + i * mine->rows.stride, work->in_dim) == 0)
            memset(out + i * work->out_dim, 0, work->out_dim * sizeof *out);
}

/* One number behind each row: what it scores with any query, to be taken off. From the last row on, for
 * rows move up in the same memory. */
static vecna_status add_hubness(const job *work, slot *mine, vecna_error *err) {
    const size_t rows = mine->rows.rows, dim = work->out_dim;
    float *hubness = vecna_allocate(NULL, rows, sizeof *hubness);
    if (hubness == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for %zu rows", rows);
    vecna_status status =
        vecna_search_hubness(vecna_view_dense(mine->out, rows, dim),
                             vecna_matrix_view(work->sample.vectors), NULL, hubness, err);
    for (size_t i = rows; status == VECNA_OK && i-- > 0;) {
        memmove(mine->out + i * (dim + 1), mine->out + i * dim, dim * sizeof *mine->out);
        mine->out[i * (dim + 1) + dim] =
            (float)(-work->options->hubness_weight * (double)hubness[i]);
    }
    free(hubness);
    return status;
}

/* Numbers of a row as they are stored: bytes whose largest is 127, or bits, eight to a byte. */
static void quantize_rows(const job *work, slot *mine) {
    const size_t dim = work->out_dim, packed = work->written_dim;
    for (size_t i = 0; i < mine->rows.rows; i++) {
        const float *row = mine->out + i * dim;
        float *to = mine->out + i * packed, largest = 0;
        for (size_t j = 0; j < dim; j++)
            largest = fabsf(row[j]) > largest ? fabsf(row[j]) : largest;
        if (work->options->quantize == QUANTIZE_INT8)
            for (size_t j = 0; j < dim; j++)
                to[j] = largest > 0 ? rintf(row[j] * (127 / largest)) : 0;
        for (size_t byte = 0; byte < packed && work->options->quantize == QUANTIZE_BINARY; byte++) {
            unsigned bits = 0;
            for (size_t bit = 0; bit < 8; bit++)
                bits = bits << 1 | (byte * 8 + bit < dim && row[byte * 8 + bit] > 0);
            to[byte] = (float)bits;
        }
    }
}

static vecna_status work_block(void *user, size_t index, vecna_error *err) {
    const job *work = user;
    slot *mine = &work->slots[index];
    vecna_status status = prepare_rows(work, mine, err);
    vecna_view in = mine->rows;

    if (status == VECNA_OK && work->adapter)
        status = vecna_adapt_apply(
            work->adapter, in, vecna_matrix_dense(mine->out, mine->rows.rows, work->out_dim), err);
    for (size_t step = 0; status == VECNA_OK && step < work->map_count; step++) {
        vecna_map_info about = vecna_map_about(work->maps[step]);
        vecna_matrix out = vecna_matrix_dense(mine->next, mine->rows.rows, about.target_dim);
        status = work->options->no_normalize && step + 1 == work->map_count
                     ? vecna_map_apply_raw(work->maps[step], in, out, NULL, err)
                     : vecna_map_apply(work->maps[step], in, out, NULL, err);
        mine->next = mine->out;
        mine->out = out.data;
        in = vecna_matrix_view(out);
    }
    if (status == VECNA_OK && work->options->normalize)
        status = vecna_metric_normalize(
            vecna_view_dense(mine->out, mine->rows.rows, work->out_dim),
            vecna_matrix_dense(mine->out, mine->rows.rows, work->out_dim), NULL, err);
    if (status == VECNA_OK)
        keep_zero_rows(work, mine, mine->out);
    if (status == VECNA_OK && work->confidence.map)
        status = confidence_work(&work->confidence, &mine->confidence, mine->rows,
                                 vecna_view_dense(mine->out, mine->rows.rows, work->out_dim), err);
    if (status == VECNA_OK && work->written_dim > work->out_dim)
        status = add_hubness(work, mine, err);
    if (status == VECNA_OK && work->options->quantize)
        quantize_rows(work, mine);
    return status;
}

static vecna_status write_block(void *user, size_t index, vecna_error *err) {
    job *work = user;
    slot *mine = &work->slots[index];
    vecna_view rows = vecna_view_dense(mine->out, mine->rows.rows, work->written_dim);
    const uint64_t first = work->rows;
    work->rows += mine->rows.rows;
    progress_add(&work->meter, mine->block->vectors.rows);
    if (work->confidence.map) {
        vecna_status status = confidence_write(&work->confidence, &mine->confidence,
                                               mine->rows.rows, first, &mine->kept, err);
        if (status != VECNA_OK)
            return status;
    }
    return vecna_writer_write(work->writer, rows, mine->kept, err);
}

/* ---- the job --------------------------------------------------------------------------------- */

static void close_job(job *work) {
    for (size_t i = 0; work->slots && i < work->slot_count; i++) {
        vecna_block_free(work->slots[i].block);
        free(work->slots[i].in);
        free(work->slots[i].out);
        free(work->slots[i].next);
        free(work->slots[i].records);
        confidence_slot_free(&work->slots[i].confidence);
    }
    free(work->slots);
    for (size_t i = 0; i < TEXTS_MOST; i++)
        vecna_map_free(work->opened[i]);
    confidence_close(&work->confidence);
    unload(&work->sample);
    vecna_adapter_free(work->adapter);
    vecna_reader_close(work->reader);
    vecna_writer_discard(work->writer);
}

/* A chain adds up what each of its maps loses: only on demand, and only through the same spaces. */
static vecna_status check_chain(const job *work, vecna_error *err) {
    for (size_t i = 0; i + 1 < work->map_count; i++) {
        vecna_map_info first = vecna_map_about(work->maps[i]);
        vecna_map_info second = vecna_map_about(work->maps[i + 1]);
        bool other = first.target_name[0] && second.source_name[0] &&
                     strcmp(first.target_name, second.source_name) != 0;
        if (first.target_dim != second.source_dim || other)
            return vecna_error_set(
                err, VECNA_ERR_SPACE, -1, "%s ends in %s (%zu dimensions), %s starts from %s (%zu)",
                work->options->maps.items[i], first.target_name[0] ? first.target_name : "a space",
                first.target_dim, work->options->maps.items[i + 1],
                second.source_name[0] ? second.source_name : "a space", second.source_dim);
    }
    return VECNA_OK;
}

static vecna_status open_maps(job *work, vecna_error *err) {
    const translate_options *options = work->options;
    vecna_status status = VECNA_OK;
    for (size_t i = 0; status == VECNA_OK && i < options->maps.count; i++) {
        vecna_map_info about;
        status = open_map(options->maps.items[i], &work->opened[i], err);
        if (status != VECNA_OK)
            break;
        work->maps[i] = work->opened[i];
        work->map_count = i + 1;
        about = vecna_map_about(work->maps[i]);
        if (about.verdict == VECNA_VERDICT_FAIL && !options->force)
            return vecna_error_set(
                err, VECNA_ERR_VERDICT, -1,
                "the verdict is FAIL: what %s translates cannot be relied upon (vecna inspect "
                "says why); --force uses it all the same",
                options->maps.items[i]);
        if (about.verdict == VECNA_VERDICT_WARN)
            note("%s carries the verdict WARN; vecna inspect says why", options->maps.items[i]);
    }
    return status == VECNA_OK ? check_chain(work, err) : status;
}

/* Hold rows against the source space of the first map: of another model at the same dimension, every
 * figure of the map would be void. */
static vecna_status check_space(const job *work, vecna_view rows, vecna_error *err) {
    const vecna_space *space = work->map_count ? vecna_map_source_space(work->maps[0]) : NULL;
    vecna_error inner;
    vecna_status status;
    if (space == NULL || rows.rows == 0)
        return VECNA_OK;
    status = vecna_space_require(space, rows, NULL, &inner);
    if (status ==
        VECNA_ERR_VALUE) /* no row has a direction: the rows themselves are reported later */
        return VECNA_OK;
    if (status == VECNA_ERR_SPACE && work->options->force) {
        note("%s: %s; going on because of --force", work->in_path, inner.message);
        return VECNA_OK;
    }
    if (status == VECNA_OK)
        return VECNA_OK;
    if (status != VECNA_ERR_SPACE)
        return vecna_error_set(err, status, -1, "%s: %s", work->in_path, inner.message);
    return vecna_error_set(err, status, -1, "%s: %s (--force translates them)", work->in_path,
                           inner.message);
}

static vecna_status open_adapter(job *work, vecna_error *err) {
    const translate_options *options = work->options;
    vecna_adapt_options adapt;
    vecna_adapt_kind kind;
    vecna_status status;
    memset(&adapt, 0, sizeof adapt);
    adapt.kind = (vecna_adapt_kind)options->adapter;
    adapt.source_dim = work->in_dim;
    adapt.target_dim = options->dim;
    adapt.truncate_mode = (vecna_truncate_mode)options->truncate_mode;
    adapt.pad_mode = (vecna_pad_mode)options->pad_mode;
    adapt.seed = options->seed;
    adapt.keep_length = options->no_normalize;
    status = vecna_adapter_new(&adapt, &work->adapter, err);
    if (status != VECNA_OK)
        return status;
    kind = vecna_adapter_kind(work->adapter);
    if ((options->truncate_mode && kind != VECNA_ADAPT_TRUNCATE) ||
        (options->pad_mode && kind != VECNA_ADAPT_PAD) ||
        (options->seed && kind != VECNA_ADAPT_PROJECT))
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "from %zu to %zu dimensions the adapter is %s, which has no %s",
                               work->in_dim, options->dim, vecna_adapt_kind_name(kind),
                               options->seed && kind != VECNA_ADAPT_PROJECT   ? "--seed"
                               : options->pad_mode && kind != VECNA_ADAPT_PAD ? "--pad-mode"
                                                                              : "--truncate-mode");
    return VECNA_OK;
}

static vecna_status open_slots(job *work, size_t threads, vecna_error *err) {
    size_t in_floats, out_floats;
    if (!vecna_size_mul(work->block_rows, work->in_dim, &in_floats) ||
        !vecna_size_mul(work->block_rows, work->widest, &out_floats))
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                               "blocks of %zu rows of %zu dimensions are too large",
                               work->block_rows, work->widest);
    work->slot_count = threads;
    work->slots = calloc(threads, sizeof *work->slots);
    if (work->slots == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for %zu threads",
                               threads);
    for (size_t i = 0; i < threads; i++) {
        slot *mine = &work->slots[i];
        vecna_status status = vecna_block_new(NULL, &mine->block, err);
        if (status != VECNA_OK)
            return status;
        mine->in = vecna_allocate(NULL, in_floats, sizeof(float));
        mine->out = vecna_allocate(NULL, out_floats, sizeof(float));
        mine->next = vecna_allocate(NULL, out_floats, sizeof(float));
        if (vecna_reader_about(work->reader)->has_records)
            mine->records = vecna_allocate(NULL, work->block_rows, sizeof *mine->records);
        if (!mine->in || !mine->out || !mine->next ||
            (vecna_reader_about(work->reader)->has_records && !mine->records))
            return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                                   "not enough memory for blocks of %zu rows", work->block_rows);
    }
    return VECNA_OK;
}

/* Everything before the first row: maps or adapter, dimensions, the sizes of the blocks. */
static vecna_status plan_job(job *work, vecna_error *err) {
    const vecna_file_info *about = vecna_reader_about(work->reader);
    vecna_status status;
    work->in_dim = about->dim;
    if (work->options->dim > VECNA_FORMAT_MAX_DIM)
        return vecna_error_set(err, VECNA_ERR_DIM, -1,
                               "--dim %zu is too many dimensions; %zu are the most",
                               work->options->dim, VECNA_FORMAT_MAX_DIM);
    if (work->options->given) {
        work->maps[work->map_count++] = work->options->given;
        status = VECNA_OK;
    } else {
        status = work->options->maps.count ? open_maps(work, err) : open_adapter(work, err);
    }
    if (status != VECNA_OK)
        return status;
    work->out_dim = work->widest = work->options->dim;
    for (size_t i = 0; i < work->map_count; i++) {
        work->out_dim = vecna_map_about(work->maps[i]).target_dim;
        if (work->out_dim > work->widest)
            work->widest = work->out_dim;
    }
    work->written_dim = work->options->quantize == QUANTIZE_BINARY
                            ? (work->out_dim + 7) / 8
                            : work->out_dim + (work->options->hubness_dimension != NULL);
    if (work->written_dim > work->widest)
        work->widest = work->written_dim;
    if (work->widest > VECNA_FORMAT_MAX_DIM)
        return vecna_error_set(err, VECNA_ERR_DIM, -1,
                               "a map to %zu dimensions is too wide; %zu are the most",
                               work->widest, VECNA_FORMAT_MAX_DIM);
    if (work->map_count && vecna_map_about(work->maps[0]).source_dim != work->in_dim)
        return vecna_error_set(
            err, VECNA_ERR_DIM, -1, "%s has %zu dimensions, %s translates from %zu", work->in_path,
            work->in_dim, work->options->maps.items[0], vecna_map_about(work->maps[0]).source_dim);
    work->make_unit = work->map_count && vecna_map_about(work->maps[0]).source_normalized;
    work->block_rows = BLOCK_BYTES / (work->in_dim * sizeof(float));
    if (work->block_rows < 16)
        work->block_rows = 16;
    return VECNA_OK;
}

/* Queries of the target space, for --hubness-dimension. */
static vecna_status load_sample(job *work, vecna_error *err) {
    const char *path = work->options->hubness_dimension;
    vecna_format_options format = format_options(&work->options->input);
    if (path == NULL)
        return VECNA_OK;
    vecna_status status = load_vectors(path, &format, &work->sample, err);
    if (status == VECNA_OK && work->sample.vectors.dim != work->out_dim)
        return vecna_error_set(err, VECNA_ERR_DIM, -1,
                               "%s has %zu dimensions, the map translates to %zu: "
                               "--hubness-dimension takes queries of the target model",
                               path, work->sample.vectors.dim, work->out_dim);
    return status;
}

static vecna_status open_writer(job *work, const char *path, vecna_error *err) {
    const vecna_file_info *about = vecna_reader_about(work->reader);
    vecna_writer_options options;
    memset(&options, 0, sizeof options);
    options.format = work->options->out_format;
    options.tensor = work->options->out_tensor;
    options.dim = work->written_dim;
    options.dtype = work->options->quantize == QUANTIZE_INT8     ? VECNA_I8
                    : work->options->quantize == QUANTIZE_BINARY ? VECNA_U8
                    : work->options->dtype == 1                  ? VECNA_F16
                                                                 : VECNA_F32;
    options.like = about;
    if (about->rows > 0 && work->options->bad_rows != BAD_SKIP)
        options.rows = (uint64_t)about->rows;
    return vecna_writer_open(path, &options, &work->writer, err);
}

/* Sum up what the threads found. */
static void collect(job *work) {
    for (size_t i = 0; i < work->slot_count; i++) {
        const slot *one = &work->slots[i];
        if (one->skipped && (work->skipped == 0 || one->first_skipped < work->first_skipped))
            work->first_skipped = one->first_skipped;
        if (one->zeros && (work->zeros == 0 || one->first_zero < work->first_zero))
            work->first_zero = one->first_zero;
        work->skipped += one->skipped;
        work->zeros += one->zeros;
        work->scaled += one->scaled;
    }
}

/* The share of the target's variance that the source explains: through a chain the product, as if what
 * the maps lose had nothing in common. 0 when a map does not say. */
static double explained_by(const job *work) {
    double share = work->map_count > 0;
    for (size_t i = 0; i < work->map_count; i++)
        share *= vecna_map_about(work->maps[i]).explained;
    return share;
}

/* Said before anything is converted: upwards what is missing looks as if it were there, and a chain
 * loses more than its maps. */
static void warn_of_losses(const job *work) {
    const double share = explained_by(work);
    if (work->options->json || work->options->quiet || share <= 0)
        return;
    if (work->map_count > 1)
        note("a chain of %zu maps, which explain %.0f %% of their targets' variance one after the "
             "other if their losses are independent%s",
             work->map_count, 100 * share,
             work->options->native ? "" : "; --native FILE measures what is lost");
    else if (work->out_dim > work->in_dim)
        note("upwards from %zu to %zu dimensions: the source explains %.0f %% of the target's "
             "variance, and what is missing cannot be restored",
             work->in_dim, work->out_dim, 100 * share);
}

static void report(const job *work, const char *out_path, double seconds) {
    FILE *to = strcmp(out_path, "-") == 0 ? stderr : stdout;
    if (work->skipped)
        note("%s rows with NaN or infinity were left out, the first is row %lld",
             grouped(work->skipped), (long long)work->first_skipped);
    if (work->zeros)
        note("%s zero rows stay zero, the first is row %lld", grouped(work->zeros),
             (long long)work->first_zero);
    if (work->scaled)
        note("%s rows were not of length 1, which the map expects; they were scaled to it",
             grouped(work->scaled));
    if (work->adapter && !work->options->json && !work->options->quiet)
        note("this changes the dimension, not the space: the result can be compared with vectors "
             "of the "
             "same model treated alike, and with no others");
    if (work->options->quiet)
        return;
    if (work->options->int8 && !work->options->json)
        int8_print(&work->loss);
    if (work->options->native && !work->options->json)
        native_print(&work->native, work->map_count);
    if (work->options->json) {
        vecna_json_writer json;
        vecna_json_writer_init(&json, 0, NULL);
        vecna_json_write_object_begin(&json);
        vecna_json_write_key(&json, "rows");
        vecna_json_write_u64(&json, work->rows);
        vecna_json_write_key(&json, "source_dim");
        vecna_json_write_u64(&json, work->in_dim);
        vecna_json_write_key(&json, "target_dim");
        vecna_json_write_u64(&json, work->written_dim);
        vecna_json_write_key(&json, "rows_left_out");
        vecna_json_write_u64(&json, work->skipped);
        vecna_json_write_key(&json, "rows_zero");
        vecna_json_write_u64(&json, work->zeros);
        vecna_json_write_key(&json, "rows_scaled");
        vecna_json_write_u64(&json, work->scaled);
        if (work->confidence.map)
            confidence_print_json(&work->confidence, &json);
        vecna_json_write_key(&json, "seconds");
        vecna_json_write_f64(&json, seconds);
        if (work->options->int8)
            likeness_print_json(&work->loss, "int8", &json);
        if (work->options->native)
            likeness_print_json(&work->native, "native", &json);
        if (explained_by(work) > 0) {
            vecna_json_write_key(&json, "explained");
            vecna_json_write_f64(&json, explained_by(work));
        }
        vecna_json_write_object_end(&json);
        print_json(&json, to);
        return;
    }
    fprintf(to, "%s: %s rows, %zu -> %zu dimensions, %.1f s (%s rows/s)\n",
            strcmp(out_path, "-") == 0 ? "standard output" : out_path, grouped(work->rows),
            work->in_dim, work->options->quantize ? work->out_dim : work->written_dim, seconds,
            grouped((uint64_t)((double)work->rows / (seconds > 1e-9 ? seconds : 1e-9))));
    if (work->confidence.map)
        confidence_print(&work->confidence, to);
}

static int run_job(job *work, const char *in_path, const char *out_path) {
    const vecna_pipeline pipeline = {read_block, work_block, write_block, work};
    vecna_format_options format = format_options(&work->options->input);
    vecna_pool *pool = NULL;
    vecna_error err;
    double started = seconds_now();
    vecna_status status;

    work->in_path = in_path;
    status = vecna_pool_new(work->options->threads, NULL, &pool, &err);
    if (status == VECNA_OK)
        status = vecna_reader_open(in_path, &format, &work->reader, &err);
    if (status == VECNA_OK)
        status = plan_job(work, &err);
    if (status == VECNA_OK)
        status = load_sample(work, &err);
    if (status == VECNA_OK)
        status = open_slots(work, vecna_pool_threads(pool), &err);
    if (status == VECNA_OK)
        status = open_writer(work, out_path, &err);
    if (status == VECNA_OK && (work->options->confidence || work->options->keep_below > 0)) {
        const confidence_plan plan = {
            out_path, work->options->out_format, work->options->confidence,
            work->options->keep_below > 0 ? work->options->keep_below : NAN,
            work->options->below_list};
        status = confidence_begin(work->maps[0], &plan, &work->confidence, &err);
    }
    if (status == VECNA_OK) {
        warn_of_losses(work);
        progress_start(&work->meter, "translating", vecna_reader_about(work->reader)->rows);
        status = vecna_pool_pipeline(pool, &pipeline, &err);
        progress_end(&work->meter);
    }
    if (status == VECNA_OK) {
        status = vecna_writer_commit(work->writer, &err);
        work->writer = NULL;
    }
    if (status == VECNA_OK)
        status = confidence_commit(&work->confidence, &err);
    if (status == VECNA_OK) {
        collect(work);
        report(work, out_path, seconds_now() - started);
    }
    vecna_pool_free(pool);
    close_job(work);
    return status == VECNA_OK ? EXIT_DONE : fail_with(&err);
}

int translate_file(const translate_options *options, const char *in, const char *out) {
    job work;
    memset(&work, 0, sizeof work);
    work.options = options;
    return run_job(&work, in, out);
}

int command_translate(int argc, char **argv) {
    translate_options o = {.hubness_weight = 0.5};
    const option options[] = {
        {"map", 'm', OPTION_TEXTS, &o.maps, "MAP", "translate with this map of vecna fit"},
        {"dim", 'd', OPTION_COUNT, &o.dim, "N", "without a map: change the dimension only"},
        {"adapter", 'a', OPTION_CHOICE, &o.adapter, "auto|truncate|pad|project",
         "how: project is a seeded orthonormal projection\n(auto: truncate downwards, pad "
         "upwards)"},
        {"truncate-mode", 0, OPTION_CHOICE, &o.truncate_mode, "from_end|from_start",
         "which end is cut off (from_end)"},
        {"pad-mode", 0, OPTION_CHOICE, &o.pad_mode, "at_end|at_start", "where zeros go (at_end)"},
        {"seed", 0, OPTION_WHOLE, &o.seed, "N", "of the random projection (0)"},
        {"confidence", 0, OPTION_FLAG, &o.confidence, NULL,
         "how far each row can be relied on: fields in JSONL and\nCSV, OUT.confidence.jsonl beside "
         "other "
         "formats"},
        {"keep-below", 0, OPTION_NUMBER, &o.keep_below, "X",
         "list the rows of less confidence, worth embedding again"},
        {"below-list", 0, OPTION_TEXT, &o.below_list, "FILE", "where to (OUT.below.jsonl)"},
        {"hubness-dimension", 0, OPTION_TEXT, &o.hubness_dimension, "SAMPLE",
         "one more dimension, for inner-product indexes: what a\nrow scores with any query, to be "
         "taken "
         "off. SAMPLE is a\nfile of queries in the target space; queries get a 1"},
        {"hubness-weight", 0, OPTION_NUMBER, &o.hubness_weight, "X",
         "of that (0.5 for real queries; 0.25 for documents)"},
        {"no-normalize", 0, OPTION_FLAG, &o.no_normalize, NULL, "leave the length of the result"},
        {"normalize", 0, OPTION_FLAG, &o.normalize, NULL,
         "rows of length 1 (the default, unless the map\nwas fitted on rows of other lengths)"},
        {"chain", 0, OPTION_FLAG, &o.chain, NULL, "several --map one after the other"},
        {"int8", 0, OPTION_FLAG, &o.int8, NULL,
         "weights and vectors as bytes: three times the pace\nand more with AVX-512 VNNI; says "
         "what it costs"},
        {"native", 0, OPTION_TEXT, &o.native, "FILE",
         "the first rows of IN as the target model embeds them:\nsays what the map, or the chain, "
         "loses on them"},
        {"force", 0, OPTION_FLAG, &o.force, NULL,
         "also with a map that failed, or rows that look\nlike another model's"},
        {"bad-rows", 0, OPTION_CHOICE, &o.bad_rows, "fail|skip",
         "rows with NaN or infinity (fail)"},
        {"writing", 0, OPTION_GROUP, NULL, NULL, "writing"},
        {"format", 0, OPTION_TEXT, &o.out_format, "NAME",
         "format of OUT (default: told by its name)"},
        {"dtype", 0, OPTION_CHOICE, &o.dtype, "f32|f16", "numbers in OUT (f32)"},
        {"out-tensor", 0, OPTION_TEXT, &o.out_tensor, "NAME", "tensor of a safetensors OUT"},
        {"json", 0, OPTION_FLAG, &o.json, NULL, "the summary as one JSON object"},
        {"threads", 0, OPTION_COUNT, &o.threads, "N", "(default: the CPUs allowed)"},
        INPUT_OPTIONS(o.input),
    };
    const usage use = {
        "vecna translate IN OUT (--map MAP | --dim N) [options]",
        "Translates every vector of IN into OUT: into another model's space with a map of vecna "
        "fit,\n"
        "or to another dimension of the same space with an adapter. Other fields (ids, texts,\n"
        "metadata) pass through unchanged. \"-\" is standard input or output.",
        options,
        sizeof options / sizeof options[0],
        "  vecna translate corpus.jsonl corpus.768.jsonl --map ada-to-mpnet.vecna\n"
        "  vecna translate vectors.1536.npy vectors.768.npy --dim 768\n",
        2,
        2};
    char below[4096];
    const char *paths[2];
    size_t count;
    int status = parse_arguments(argc, argv, &use, paths, &count);

    if (status >= 0)
        return status;
    if ((o.maps.count == 0) == (o.dim == 0))
        return usage_error(&use, "give either --map MAP or --dim N");
    if (o.maps.count && (o.adapter || o.truncate_mode || o.pad_mode || o.seed))
        return usage_error(&use, "--adapter, --truncate-mode, --pad-mode and --seed go with --dim; "
                                 "a map has its own way");
    if (o.maps.count > 1 && !o.chain)
        return usage_error(&use,
                           "a chain of maps adds up what each one loses; fit a direct map, or say "
                           "--chain");
    if (o.int8 && o.maps.count == 0)
        return usage_error(&use, "--int8 is for maps; an adapter multiplies nothing");
    if (o.native && o.maps.count == 0)
        return usage_error(&use, "--native is for maps; an adapter stays in its space");
    if (o.hubness_dimension && (o.maps.count == 0 || o.no_normalize))
        return usage_error(&use, "--hubness-dimension goes with --map, on rows of length 1");
    if (o.hubness_weight != 0.5 && o.hubness_dimension == NULL)
        return usage_error(&use, "--hubness-weight goes with --hubness-dimension");
    if (!(o.hubness_weight > 0 && o.hubness_weight <= 2))
        return usage_error(&use, "--hubness-weight is above 0 and at most 2");
    if ((o.confidence || o.keep_below > 0) && (o.maps.count != 1))
        return usage_error(
            &use, "--confidence and --keep-below go with one --map, which knows its pairs");
    if (o.keep_below < 0 || o.keep_below > 1)
        return usage_error(&use, "--keep-below is above 0 and at most 1: a share of neighbours");
    if (o.below_list && o.keep_below == 0)
        return usage_error(&use, "--below-list goes with --keep-below");
    if (o.keep_below > 0 && o.below_list == NULL) {
        if (strcmp(paths[1], "-") == 0)
            return usage_error(&use,
                               "--keep-below needs --below-list FILE when OUT is standard output");
        int length = snprintf(below, sizeof below, "%s.below.jsonl", paths[1]);
        if (length < 0 || (size_t)length >= sizeof below)
            return usage_error(
                &use, "the name of OUT is too long for a list beside it: give --below-list");
        o.below_list = below;
    }
    if (o.normalize && o.no_normalize)
        return usage_error(&use, "--normalize and --no-normalize exclude each other");
    return translate_file(&o, paths[0], paths[1]);
}
