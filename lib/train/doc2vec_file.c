/* States of a training; and the part of a model that new documents are read with. A new document is
 * trained against target rows that are copied before each step and thrown away after it: they, and the
 * words, stay as they are. */
#include "train/doc2vec_impl.h"

#include "train/state_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { OPTIONS_BYTES = 400, PARTS = 4 };

/* ---- states ---------------------------------------------------------------------------------- */

static void describe(const vecna_doc2vec *model, char *out) {
    const vecna_doc2vec_options *o = &model->options;
    snprintf(out, OPTIONS_BYTES,
             "doc2vec method=%d words=%d dim=%zu window=%zu negative=%zu exponent=%.9g "
             "sample=%.9g rate=%.9g epochs=%zu threads=%zu seed=%" PRIu64 " text=%016" PRIx64,
             (int)o->method, o->words_too != 0, o->dim, o->window, o->negative, o->exponent,
             o->sample, o->rate, o->epochs, o->threads, o->seed, model->corpus->fingerprint);
}

static vni_state_part part_of(const char *name, const vni_table *table) {
    vni_state_part part = {name, table->data, table->rows, table->dim * 4, table->width * 4};
    return part;
}

static size_t collect(const vecna_doc2vec *model, uint64_t *progress, vni_state_part *parts) {
    static const char *const names[] = {"documents", "targets", "words"};
    size_t count = 0;
    for (; count < model->shared.table_count; count++)
        parts[count] = part_of(names[count], &model->shared.tables[count]);
    parts[count].name = "progress";
    parts[count].data = progress;
    parts[count].rows = VNI_PROGRESS_WORDS + 2 * model->options.threads;
    parts[count].row_bytes = parts[count].stride_bytes = 8;
    return count + 1;
}

static uint64_t *new_progress(const vecna_doc2vec *model, vecna_error *err) {
    uint64_t *progress = vecna_allocate_zero(
        model->allocator, VNI_PROGRESS_WORDS + 2 * model->options.threads, sizeof *progress);
    if (progress == NULL)
        (void)vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for a checkpoint");
    return progress;
}

vecna_status vecna_doc2vec_save(const vecna_doc2vec *model, const char *path, vecna_error *err) {
    char options[OPTIONS_BYTES];
    vni_state_part parts[PARTS];
    uint64_t *progress = new_progress(model, err);
    vecna_status status;
    if (progress == NULL)
        return VECNA_ERR_MEMORY;
    vni_progress_pack(&model->progress, progress);
    for (size_t t = 0; t < model->options.threads; t++) {
        progress[VNI_PROGRESS_WORDS + 2 * t] = model->readings[t].share.at;
        progress[VNI_PROGRESS_WORDS + 2 * t + 1] = model->readings[t].offset;
    }
    describe(model, options);
    status = vni_state_save(path, options, parts, collect(model, progress, parts), model->allocator,
                            err);
    vecna_release(model->allocator, progress);
    return status;
}

/* Where the threads were, checked against the documents. */
static vecna_status take_progress(vecna_doc2vec *model, const uint64_t *progress, const char *path,
                                  vecna_error *err) {
    vni_progress_unpack(progress, &model->progress);
    vni_doc2vec_shuffle(model);
    for (size_t t = 0; t < model->options.threads; t++) {
        vni_reading *reading = &model->readings[t];
        uint64_t at = progress[VNI_PROGRESS_WORDS + 2 * t],
                 offset = progress[VNI_PROGRESS_WORDS + 2 * t + 1];
        size_t doc = at < reading->share.end ? model->order[at] : 0;
        size_t words = model->corpus->starts[doc + 1] - model->corpus->starts[doc];
        if (progress[1] > model->options.epochs || at < reading->share.at ||
            at > reading->share.end ||
            (offset > 0 && (at == reading->share.end || offset >= words)))
            return vecna_error_set(err, VECNA_ERR_FORMAT, -1,
                                   "%.150s tells of a place outside of the text", path);
        reading->share.at = (size_t)at;
        reading->offset = (size_t)offset;
    }
    return VECNA_OK;
}

vecna_status vecna_doc2vec_load(vecna_doc2vec *model, const char *path, vecna_error *err) {
    char options[OPTIONS_BYTES];
    vni_state_part parts[PARTS];
    uint64_t *progress = new_progress(model, err);
    vecna_status status;
    if (progress == NULL)
        return VECNA_ERR_MEMORY;
    describe(model, options);
    status = vni_state_load(path, options, parts, collect(model, progress, parts), model->allocator,
                            err);
    if (status == VECNA_OK)
        status = take_progress(model, progress, path, err);
    vecna_release(model->allocator, progress);
    return status;
}

/* ---- readers of new documents ---------------------------------------------------------------- */

struct vecna_doc2vec_reader {
    vecna_allocator allocator_copy;
    const vecna_allocator *allocator;
    vecna_doc2vec_options options;
    vecna_vocab *vocab;
    vni_table targets, words;
    vni_negatives negatives;
};

/* "method=0 dim=100 ..." */
static void print_kept(const vecna_doc2vec_options *o, size_t numbers, size_t text_words,
                       char *out) {
    snprintf(out, OPTIONS_BYTES,
             "doc2vec-reader method=%d dim=%zu window=%zu negative=%zu exponent=%.17g rate=%.17g "
             "epochs=%zu seed=%" PRIu64 " numbers=%zu text=%zu",
             (int)o->method, o->dim, o->window, o->negative, o->exponent, o->rate, o->epochs,
             o->seed, numbers, text_words);
}

static int scan_kept(const char *text, vecna_doc2vec_options *o, size_t *numbers,
                     size_t *text_words) {
    int method = 0;
    int found = sscanf(text,
                       "doc2vec-reader method=%d dim=%zu window=%zu negative=%zu exponent=%lf "
                       "rate=%lf epochs=%zu seed=%" SCNu64 " numbers=%zu text=%zu",
                       &method, &o->dim, &o->window, &o->negative, &o->exponent, &o->rate,
                       &o->epochs, &o->seed, numbers, text_words);
    o->method = (vecna_doc2vec_method)method;
    if (o->exponent <= 0)
        o->exponent = -1;
    return found == 10 && method >= 0 && method <= 2 && *numbers > 0 && *numbers < INT32_MAX &&
           *text_words <= SIZE_MAX / 8 && o->dim > 0 && o->window > 0 && o->negative > 0 &&
           o->epochs > 0;
}

vecna_status vecna_doc2vec_keep(const vecna_doc2vec *model, const char *path, vecna_error *err) {
    char options[OPTIONS_BYTES];
    vni_state_part parts[3];
    size_t text_words = 0, count = 0;
    char *text = vni_state_print_words(model->corpus->vocab, model->allocator, &text_words);
    vecna_status status;
    if (text == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for the words");
    print_kept(&model->options, vecna_vocab_size(model->corpus->vocab), text_words, options);
    parts[count++] = part_of("targets", &model->shared.tables[VNI_TARGETS]);
    if (model->options.method != VECNA_PV_DBOW)
        parts[count++] = part_of("words", &model->shared.tables[VNI_WORDS]);
    parts[count].name = "vocabulary";
    parts[count].data = text;
    parts[count].rows = text_words;
    parts[count].row_bytes = parts[count].stride_bytes = 4;
    status = vni_state_save(path, options, parts, count + 1, model->allocator, err);
    vecna_release(model->allocator, text);
    return status;
}

void vecna_doc2vec_close(vecna_doc2vec_reader *reader) {
    vecna_allocator copy;
    const vecna_allocator *allocator = NULL;
    if (reader == NULL)
        return;
    vecna_vocab_free(reader->vocab);
    vni_table_free(&reader->targets, reader->allocator);
    vni_table_free(&reader->words, reader->allocator);
    vecna_release(reader->allocator, reader->negatives.cells);
    if (reader->allocator) {
        copy = reader->allocator_copy;
        allocator = &copy;
    }
    vecna_release(allocator, reader);
}

static vecna_status no_reader(const char *path, vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_FORMAT, -1,
                           "%.150s is no doc2vec model, or is damaged; --keep writes one", path);
}

/* 1 when the parts that the options speak of can be in a file of so many bytes. */
static int fits_in(const vecna_doc2vec_options *options, size_t numbers, size_t text_words,
                   uint64_t data_bytes) {
    size_t floats = 0;
    return vecna_size_mul(numbers, vni_doc2vec_target_dim(options), &floats) &&
           floats <= data_bytes / sizeof(float) && text_words <= data_bytes / 4;
}

static vecna_status read_parts(vecna_doc2vec_reader *reader, const char *path, const char *options,
                               size_t numbers, size_t text_words, vecna_error *err) {
    vni_state_part parts[3];
    size_t count = 0;
    char *text = vecna_allocate(reader->allocator, text_words, 4);
    vecna_status status = text ? VECNA_OK
                               : vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                                                 "not enough memory for the words of %.150s", path);
    if (status == VECNA_OK)
        status = vni_table_new(numbers, vni_doc2vec_target_dim(&reader->options), reader->allocator,
                               &reader->targets, err);
    if (status == VECNA_OK)
        parts[count++] = part_of("targets", &reader->targets);
    if (status == VECNA_OK && reader->options.method != VECNA_PV_DBOW) {
        status =
            vni_table_new(numbers + 1, reader->options.dim, reader->allocator, &reader->words, err);
        if (status == VECNA_OK)
            parts[count++] = part_of("words", &reader->words);
    }
    if (status == VECNA_OK) {
        parts[count].name = "vocabulary";
        parts[count].data = text;
        parts[count].rows = text_words;
        parts[count].row_bytes = parts[count].stride_bytes = 4;
        status = vni_state_load(path, options, parts, count + 1, reader->allocator, err);
    }
    if (status == VECNA_OK)
        status = vni_state_take_words(text, text_words * 4, numbers, reader->allocator,
                                      &reader->vocab, err);
    if (status == VECNA_ERR_FORMAT)
        status = no_reader(path, err);
    vecna_release(reader->allocator, text);
    return status;
}

vecna_status vecna_doc2vec_open(const char *path, const vecna_allocator *allocator,
                                vecna_doc2vec_reader **out, vecna_error *err) {
    char options[OPTIONS_BYTES];
    size_t numbers = 0, text_words = 0;
    uint64_t data_bytes = 0;
    vecna_doc2vec_reader *reader;
    vecna_status status =
        vni_state_options(path, options, sizeof options, &data_bytes, allocator, err);
    if (status == VECNA_ERR_FORMAT)
        return no_reader(path, err);
    if (status != VECNA_OK)
        return status;
    reader = vecna_allocate_zero(allocator, 1, sizeof *reader);
    if (reader == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for a model");
    if (allocator) {
        reader->allocator_copy = *allocator;
        reader->allocator = &reader->allocator_copy;
    }
    if (!scan_kept(options, &reader->options, &numbers, &text_words) ||
        vni_doc2vec_complete(&reader->options, NULL) != VECNA_OK ||
        !fits_in(&reader->options, numbers, text_words, data_bytes))
        status = no_reader(path, err);
    if (status == VECNA_OK)
        status = read_parts(reader, path, options, numbers, text_words, err);
    if (status == VECNA_OK)
        status =
            vni_negatives_new(vecna_vocab_counts(reader->vocab), numbers, reader->options.exponent,
                              reader->allocator, &reader->negatives, err);
    if (status != VECNA_OK) {
        vecna_doc2vec_close(reader);
        return status;
    }
    *out = reader;
    return VECNA_OK;
}

const vecna_vocab *vecna_doc2vec_words(const vecna_doc2vec_reader *reader) {
    return reader->vocab;
}

size_t vecna_doc2vec_dim(const vecna_doc2vec_reader *reader) {
    return reader->options.dim;
}

/* ---- inference ------------------------------------------------------------------------------- */

static void read_document(vni_reading *reading, float *doc, const int32_t *ids, size_t count,
                          size_t epochs) {
    double total = (double)epochs * (double)count + 1, done = 0;
    for (size_t epoch = 0; epoch < epochs; epoch++)
        for (size_t at = 0; at < count;) {
            double left = 1 - done / total;
            size_t piece = count - at < VNI_PIECE ? count - at : VNI_PIECE;
            vni_read_piece(reading, doc, ids + at, piece,
                           (float)(reading->options->rate * (left > 1e-4 ? left : 1e-4)));
            at += piece;
            done += (double)piece;
        }
}

/* The same words begin at the same place and draw the same numbers. */
static uint64_t seed_of(const int32_t *ids, size_t count, uint64_t seed) {
    for (size_t i = 0; i < count; i++)
        seed = (seed ^ (uint32_t)ids[i]) * 0x9e3779b97f4a7c15u ^ seed >> 29;
    return seed;
}

vecna_status vecna_doc2vec_infer(const vecna_doc2vec_reader *reader, const int32_t *ids,
                                 size_t count, size_t epochs, float *out, vecna_error *err) {
    const vecna_doc2vec_options *o = &reader->options;
    size_t width = reader->targets.width, frozen = VNI_SETS * vni_reading_targets(o) * width, at;
    uint64_t seed = seed_of(ids, count, o->seed), draw = seed;
    vni_reading reading;
    float *doc;
    char *memory;

    if (count == 0) {
        memset(out, 0, o->dim * sizeof *out);
        return VECNA_OK;
    }
    memset(&reading, 0, sizeof reading);
    reading.options = o;
    at = vni_reading_carve(&reading, NULL);
    reading.memory = vecna_allocate_zero(
        reader->allocator, at + (frozen + vni_padded(o->dim)) * sizeof(float) + 192, 1);
    if (reading.memory == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory to read a document");
    memory = (char *)(((uintptr_t)reading.memory + 63) & ~(uintptr_t)63);
    at = vni_reading_carve(&reading, memory);
    reading.share.stepper.frozen = vni_carve(memory, &at, frozen, sizeof(float));
    doc = vni_carve(memory, &at, vni_padded(o->dim), sizeof *doc);
    reading.share.stepper.kernels = vni_train_chosen();
    reading.share.stepper.negatives = &reader->negatives;
    reading.share.stepper.negative = o->negative;
    reading.share.stepper.outputs = &reader->targets;
    reading.words = reader->words.data ? &reader->words : NULL;
    reading.frozen = 1;
    for (size_t d = 0; d < o->dim; d++)
        doc[d] = ((float)(vni_draw(&draw) >> 40) * 0x1p-23f - 1.0f) * 0.5f / (float)o->dim;
    vni_stepper_start(&reading.share.stepper, seed, 0);
    read_document(&reading, doc, ids, count, epochs ? epochs : o->epochs);
    memcpy(out, doc, o->dim * sizeof *out);
    vecna_release(reader->allocator, reading.memory);
    return VECNA_OK;
}
