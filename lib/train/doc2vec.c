/* doc2vec: the model, and the rounds in which its threads train it. A document belongs to one thread in
 * an epoch, so its row is never merged with another's. doc2vec_windows.c has what is computed,
 * doc2vec_file.c states and the reading of new documents. */
#include "train/doc2vec_impl.h"

#include <math.h>

enum {
    DIM = 100,
    WINDOW = 5,
    NEGATIVE = 5,
    EPOCHS = 20,
    DIM_MOST = 65536,
    WINDOW_MOST = 100,
    NEGATIVE_MOST = 1000,
    THREADS_MOST = 1024,
    TARGET_MOST = 1 << 20,
    ROUND_LEAST = 1000,
    ROUND_MOST = 200000,
    ROUNDS_AN_EPOCH = 25
};
#define RATE 0.025
#define RATE_LEAST 1e-4
#define EXPONENT 0.75

/* ---- options and sizes ----------------------------------------------------------------------- */

static void fill(size_t *value, size_t fallback) {
    if (*value == 0)
        *value = fallback;
}

size_t vni_doc2vec_target_dim(const vecna_doc2vec_options *o) {
    return o->method == VECNA_PV_DM_CONCAT ? vni_padded(o->dim) * (2 * o->window + 1) : o->dim;
}

vecna_status vni_doc2vec_complete(vecna_doc2vec_options *o, vecna_error *err) {
    fill(&o->dim, DIM);
    fill(&o->window, WINDOW);
    fill(&o->negative, NEGATIVE);
    fill(&o->epochs, EPOCHS);
    fill(&o->threads, 1);
    o->exponent = o->exponent < 0 ? 0 : o->exponent > 0 ? o->exponent : EXPONENT;
    o->rate = o->rate != 0 ? o->rate : RATE;
    if (o->dim > DIM_MOST || o->window > WINDOW_MOST || o->negative > NEGATIVE_MOST ||
        o->threads > THREADS_MOST)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "dimension %zu, window %zu, negatives %zu, threads %zu: at most %d, "
                               "%d, %d, %d",
                               o->dim, o->window, o->negative, o->threads, DIM_MOST, WINDOW_MOST,
                               NEGATIVE_MOST, THREADS_MOST);
    if (vni_doc2vec_target_dim(o) > TARGET_MOST)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "%zu dimensions with a window of %zu make rows of %zu; at most %d",
                               o->dim, o->window, vni_doc2vec_target_dim(o), TARGET_MOST);
    if (!(o->rate > 0 && o->rate <= 10))
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "the learning rate is %g; it must be above 0 and at most 10",
                               o->rate);
    if (!(o->sample >= 0) || !(o->exponent <= 10))
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1, "the sample or exponent is %g",
                               o->sample);
    return VECNA_OK;
}

static int has_words(const vecna_doc2vec_options *o) {
    return o->method != VECNA_PV_DBOW || o->words_too;
}

static void rows_a_piece(const vecna_doc2vec_options *o, size_t out[3]) {
    out[VNI_DOCS] = 1;
    out[VNI_TARGETS] = VNI_PIECE * (1 + o->negative) * (o->words_too ? 2 : 1);
    out[VNI_WORDS] = VNI_PIECE + 1;
}

vecna_status vecna_doc2vec_bytes(const vecna_doc2vec_options *options, size_t docs, size_t numbers,
                                 size_t *out, vecna_error *err) {
    vecna_doc2vec_options o = *options;
    vecna_status status = vni_doc2vec_complete(&o, err);
    size_t width, targets, pieces[3];
    double bytes;
    if (status != VECNA_OK)
        return status;
    width = vni_padded(o.dim);
    targets = vni_padded(vni_doc2vec_target_dim(&o));
    rows_a_piece(&o, pieces);
    bytes = 4 * ((double)docs * (double)width + (double)numbers * (double)targets +
                 (has_words(&o) ? (double)numbers * (double)width : 0)) +
            8.0 * (double)docs;
    if (bytes > (double)(SIZE_MAX / 4))
        return vecna_error_set(err, VECNA_ERR_OVERFLOW, -1,
                               "%zu documents of %zu dimensions do not fit into memory", docs,
                               o.dim);
    *out = (size_t)bytes + ((size_t)4 << 20) +
           vni_overlay_bytes(docs, width, o.threads, pieces[VNI_DOCS]) +
           vni_overlay_bytes(numbers, targets, o.threads, pieces[VNI_TARGETS]);
    if (has_words(&o))
        *out += vni_overlay_bytes(numbers, width, o.threads, pieces[VNI_WORDS]);
    return VECNA_OK;
}

/* ---- making ---------------------------------------------------------------------------------- */

size_t vni_reading_carve(vni_reading *reading, char *memory) {
    const vecna_doc2vec_options *o = reading->options;
    size_t at = 0, width = vni_padded(vni_doc2vec_target_dim(o));
    reading->kept = vni_carve(memory, &at, VNI_PIECE, sizeof *reading->kept);
    reading->rows = vni_carve(memory, &at, 2 * o->window + 1, sizeof *reading->rows);
    reading->hidden = vni_carve(memory, &at, width, sizeof *reading->hidden);
    reading->before = vni_carve(memory, &at, width, sizeof *reading->before);
    vni_stepper_carve(&reading->share.stepper, memory, &at, vni_reading_targets(o),
                      2 * o->window + 1);
    return at;
}

static vecna_status make_readings(vecna_doc2vec *model, vecna_error *err) {
    size_t threads = model->options.threads;
    model->readings = vecna_allocate_zero(model->allocator, threads, sizeof *model->readings);
    for (size_t t = 0; model->readings && t < threads; t++) {
        vni_reading *reading = &model->readings[t];
        vni_stepper *stepper = &reading->share.stepper;
        reading->options = &model->options;
        reading->memory =
            vecna_allocate_zero(model->allocator, vni_reading_carve(reading, NULL) + 64, 1);
        if (reading->memory == NULL)
            break;
        vni_reading_carve(reading, (char *)(((uintptr_t)reading->memory + 63) & ~(uintptr_t)63));
        stepper->kernels = model->shared.kernels;
        stepper->negatives = &model->negatives;
        stepper->negative = model->options.negative;
        stepper->outputs = &model->shared.tables[VNI_TARGETS];
        stepper->copies = vni_overlay_of(&model->shared, t, VNI_TARGETS);
        if (has_words(&model->options)) {
            reading->words = &model->shared.tables[VNI_WORDS];
            reading->word_copies = vni_overlay_of(&model->shared, t, VNI_WORDS);
        }
    }
    if (model->readings && model->readings[threads - 1].memory)
        return VECNA_OK;
    return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for %zu threads", threads);
}

static vecna_status make_tables(vecna_doc2vec *model, vecna_error *err) {
    const vecna_doc2vec_options *o = &model->options;
    size_t numbers = vecna_vocab_size(model->corpus->vocab), pieces[3];
    float range = 0.5f / (float)o->dim;
    vecna_status status = vni_table_new(model->corpus->units, o->dim, model->allocator,
                                        &model->shared.tables[VNI_DOCS], err);
    if (status == VECNA_OK)
        status = vni_table_new(numbers, vni_doc2vec_target_dim(o), model->allocator,
                               &model->shared.tables[VNI_TARGETS], err);
    if (status == VECNA_OK && has_words(o))
        status = vni_table_new(numbers + 1, o->dim, model->allocator,
                               &model->shared.tables[VNI_WORDS], err);
    if (status != VECNA_OK)
        return status;
    model->shared.table_count = has_words(o) ? 3 : 2;
    vni_table_randomize(&model->shared.tables[VNI_DOCS], 0, range, o->seed);
    if (has_words(o))
        vni_table_randomize(&model->shared.tables[VNI_WORDS], 0, range,
                            o->seed ^ 0x9e3779b97f4a7c15u);
    for (size_t doc = 0; doc < model->corpus->units; doc++)
        if (model->corpus->starts[doc] == model->corpus->starts[doc + 1])
            memset(vni_table_row(&model->shared.tables[VNI_DOCS], doc), 0, o->dim * sizeof(float));
    rows_a_piece(o, pieces);
    return vni_shared_open(&model->shared, o->threads, pieces, err);
}

static vecna_status make_sampling(vecna_doc2vec *model, vecna_error *err) {
    const uint64_t *counts = vecna_vocab_counts(model->corpus->vocab);
    size_t numbers = vecna_vocab_size(model->corpus->vocab);
    vecna_status status = vni_negatives_new(counts, numbers, model->options.exponent,
                                            model->allocator, &model->negatives, err);
    if (status != VECNA_OK)
        return status;
    model->order = vecna_allocate(model->allocator, model->corpus->units, sizeof *model->order);
    if (model->options.sample > 0)
        model->keep = vecna_allocate(model->allocator, numbers, sizeof *model->keep);
    if (model->order == NULL || (model->options.sample > 0 && model->keep == NULL))
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for %zu documents",
                               model->corpus->units);
    if (model->keep)
        vni_keep_thresholds(counts, numbers, model->options.sample, model->keep);
    return VECNA_OK;
}

vecna_status vecna_doc2vec_new(const vecna_doc2vec_options *options, const vecna_corpus *corpus,
                               vecna_doc2vec **out, vecna_error *err) {
    static const vecna_doc2vec_options defaults;
    vecna_doc2vec_options o = options ? *options : defaults;
    vecna_doc2vec *model;
    vecna_status status = vni_doc2vec_complete(&o, err);
    uint64_t share = corpus->tokens / o.threads / ROUNDS_AN_EPOCH;
    if (status != VECNA_OK)
        return status;
    model = vecna_allocate_zero(o.allocator, 1, sizeof *model);
    if (model == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for a model");
    model->options = o;
    if (o.allocator) {
        model->allocator_copy = *o.allocator;
        model->allocator = model->shared.allocator = &model->allocator_copy;
    }
    model->corpus = corpus;
    model->progress.loss = NAN;
    model->round_words = share < ROUND_LEAST  ? ROUND_LEAST
                         : share > ROUND_MOST ? ROUND_MOST
                                              : share;
    status = make_sampling(model, err);
    if (status == VECNA_OK)
        status = make_tables(model, err);
    if (status == VECNA_OK)
        status = make_readings(model, err);
    if (status != VECNA_OK) {
        vecna_doc2vec_free(model);
        return status;
    }
    vni_doc2vec_shuffle(model);
    *out = model;
    return VECNA_OK;
}

void vecna_doc2vec_free(vecna_doc2vec *model) {
    vecna_allocator copy;
    const vecna_allocator *allocator = NULL;
    if (model == NULL)
        return;
    for (size_t t = 0; model->readings && t < model->options.threads; t++)
        vecna_release(model->allocator, model->readings[t].memory);
    vecna_release(model->allocator, model->readings);
    vni_shared_close(&model->shared);
    vecna_release(model->allocator, model->negatives.cells);
    vecna_release(model->allocator, model->keep);
    vecna_release(model->allocator, model->order);
    if (model->allocator) {
        copy = model->allocator_copy;
        allocator = &copy;
    }
    vecna_release(allocator, model);
}

/* ---- training -------------------------------------------------------------------------------- */

/* The order of an epoch follows from the seed and the epoch; each thread gets its share of it. */
void vni_doc2vec_shuffle(vecna_doc2vec *model) {
    size_t docs = model->corpus->units, threads = model->options.threads;
    vecna_random random;
    vecna_random_seed(&random, model->options.seed, UINT64_MAX - model->progress.epoch);
    for (size_t i = 0; i < docs; i++)
        model->order[i] = i;
    vecna_random_shuffle(&random, model->order, docs);
    for (size_t t = 0; t < threads; t++) {
        model->readings[t].share.at = docs / threads * t + docs % threads * t / threads;
        model->readings[t].share.end =
            docs / threads * (t + 1) + docs % threads * (t + 1) / threads;
        model->readings[t].offset = 0;
    }
}

static double rate_at(const vecna_doc2vec *model, uint64_t ahead) {
    double total = (double)model->corpus->tokens * (double)model->options.epochs + 1;
    double left = 1 - (double)(model->progress.words + ahead) / total;
    return model->options.rate * (left > RATE_LEAST ? left : RATE_LEAST);
}

static int has_room(const vecna_doc2vec *model, size_t thread) {
    size_t pieces[3];
    rows_a_piece(&model->options, pieces);
    for (size_t table = 0; table < model->shared.table_count; table++) {
        const vni_overlay *overlay = vni_overlay_of(&model->shared, thread, table);
        if (overlay && overlay->capacity < model->shared.tables[table].rows &&
            !vni_overlay_has_room(overlay, pieces[table]))
            return 0;
    }
    return 1;
}

/* The next piece of the document that a thread is at. */
static void train_piece(vecna_doc2vec *model, vni_reading *reading, size_t thread) {
    const vecna_corpus *corpus = model->corpus;
    size_t doc = model->order[reading->share.at];
    size_t first = corpus->starts[doc] + reading->offset, left = corpus->starts[doc + 1] - first;
    size_t count = left < VNI_PIECE ? left : VNI_PIECE, kept;
    float rate = (float)rate_at(model, reading->share.words * model->options.threads);
    if (count > 0) {
        kept = vni_subsample(&reading->share.stepper, model->keep, corpus->ids + first, count,
                             reading->kept);
        vni_read_piece(reading,
                       vni_row(&model->shared.tables[VNI_DOCS],
                               vni_overlay_of(&model->shared, thread, VNI_DOCS), doc),
                       reading->kept, kept, rate);
    }
    reading->share.words += count;
    reading->offset += count;
    if (count == left) {
        reading->share.at++;
        reading->offset = 0;
    }
}

static void train_share(void *user, size_t begin, size_t end, size_t worker) {
    vecna_doc2vec *model = user;
    (void)worker;
    for (size_t t = begin; t < end; t++) {
        vni_reading *reading = &model->readings[t];
        vni_share_start(&reading->share, &model->progress, model->options.seed, t);
        while (reading->share.at < reading->share.end &&
               reading->share.words < model->round_words && has_room(model, t))
            train_piece(model, reading, t);
    }
}

vecna_train_report vecna_doc2vec_report(const vecna_doc2vec *model) {
    vecna_train_report report = {
        model->progress.words, (uint64_t)model->corpus->tokens * model->options.epochs,
        model->progress.epoch, model->options.epochs,
        rate_at(model, 0),     model->progress.loss};
    return report;
}

static vni_share *share_of(void *model, size_t thread) {
    return &((vecna_doc2vec *)model)->readings[thread].share;
}

static void start_epoch(void *model) {
    vni_doc2vec_shuffle(model);
}

static vecna_train_report report_of(const void *model) {
    return vecna_doc2vec_report(model);
}

vecna_status vecna_doc2vec_train(vecna_doc2vec *model, vecna_pool *pool, vecna_train_watch *watch,
                                 void *user, vecna_error *err) {
    const vni_rounds rounds = {model,
                               &model->progress,
                               &model->shared,
                               model->options.threads,
                               model->options.epochs,
                               model->options.rate,
                               train_share,
                               share_of,
                               start_epoch,
                               report_of};
    return vni_train_rounds(&rounds, pool, watch, user, err);
}

vecna_status vecna_doc2vec_vectors(const vecna_doc2vec *model, size_t first, vecna_matrix out,
                                   vecna_error *err) {
    if (out.dim != model->options.dim || out.stride < out.dim)
        return vecna_error_set(err, VECNA_ERR_DIM, -1, "vectors have %zu dimensions, not %zu",
                               model->options.dim, out.dim);
    if (first > model->corpus->units || out.rows > model->corpus->units - first)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1, "there are %zu documents",
                               model->corpus->units);
    for (size_t i = 0; i < out.rows; i++)
        memcpy(out.data + i * out.stride, vni_table_row(&model->shared.tables[VNI_DOCS], first + i),
               out.dim * sizeof(float));
    return VECNA_OK;
}
