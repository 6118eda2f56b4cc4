/* word2vec: the model, and the rounds in which its threads train it. word2vec_windows.c has what is
 * computed, word2vec_file.c the state on disk. */
#include "train/word2vec_impl.h"

#include <math.h>

enum {
    DIM = 100,
    WINDOW = 5,
    NEGATIVE = 5,
    EPOCHS = 5,
    BUCKETS = 2000000,
    DIM_MOST = 65536,
    WINDOW_MOST = 1000,
    NEGATIVE_MOST = 1000,
    THREADS_MOST = 1024,
    ROUND_LEAST = 10000,
    ROUND_MOST = 200000,
    ROUNDS_AN_EPOCH = 25
};
#define RATE_SKIPGRAM 0.05
#define RATE_CBOW 0.075
#define RATE_CBOW_MEAN 0.15
#define RATE_CBOW_HIERARCHICAL 0.05
#define RATE_LEAST 1e-4 /* of the first rate */
#define SAMPLE 1e-3
#define EXPONENT 0.75

/* ---- options --------------------------------------------------------------------------------- */

static vecna_status refuse(vecna_error *err, const char *what, double value, const char *range) {
    return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1, "%s is %g; it must be %s", what, value,
                           range);
}

static void fill(size_t *value, size_t fallback) {
    if (*value == 0)
        *value = fallback;
}

/* CBOW takes one step where skip-gram takes one for each word around, and bears a larger one; of the true
 * gradient, of which each word gets its share, more. Measured in docs/training.md: all of the error by
 * hierarchical softmax gains nothing by more. */
static double usual_rate(const vecna_word2vec_options *o) {
    if (o->arch == VECNA_SKIPGRAM)
        return RATE_SKIPGRAM;
    if (o->cbow_gradient == VECNA_CBOW_MEAN)
        return RATE_CBOW_MEAN;
    return o->hierarchical ? RATE_CBOW_HIERARCHICAL : RATE_CBOW;
}

static vecna_status complete(vecna_word2vec_options *o, vecna_error *err) {
    fill(&o->dim, DIM);
    fill(&o->window, WINDOW);
    fill(&o->negative, NEGATIVE);
    fill(&o->epochs, EPOCHS);
    fill(&o->threads, 1);
    if (o->max_n > 0) {
        fill(&o->min_n, 3);
        fill(&o->buckets, BUCKETS);
    }
    o->exponent = o->exponent < 0 ? 0 : o->exponent > 0 ? o->exponent : EXPONENT;
    o->sample = o->sample < 0 ? 0 : o->sample > 0 ? o->sample : SAMPLE;
    if (o->rate == 0)
        o->rate = usual_rate(o);
    if (o->dim > DIM_MOST)
        return refuse(err, "the dimension", (double)o->dim, "at most 65536");
    if (o->window > WINDOW_MOST)
        return refuse(err, "the window", (double)o->window, "at most 1000");
    if (o->negative > NEGATIVE_MOST)
        return refuse(err, "the number of negatives", (double)o->negative, "at most 1000");
    if (o->threads > THREADS_MOST)
        return refuse(err, "the number of threads", (double)o->threads, "at most 1024");
    if (o->max_n > 0 && o->min_n > o->max_n)
        return refuse(err, "the shortest n-gram", (double)o->min_n, "at most the longest");
    if (o->max_n > 0 && o->buckets > (size_t)INT32_MAX / 2)
        return refuse(err, "the number of buckets", (double)o->buckets, "at most 1073741823");
    if (!(o->rate > 0 && o->rate <= 10))
        return refuse(err, "the learning rate", o->rate, "above 0 and at most 10");
    if (!(o->sample >= 0) || !(o->exponent >= 0 && o->exponent <= 10))
        return refuse(err, "the sample or exponent", o->sample, "a number from 0");
    return VECNA_OK;
}

/* ---- sizes ----------------------------------------------------------------------------------- */

static size_t input_rows(const vecna_word2vec_options *o, size_t numbers) {
    return numbers + (o->max_n > 0 ? o->buckets : 0);
}

/* Most rows that one piece can touch, to size the overlays. */
static void rows_a_piece(const vecna_word2vec_options *o, size_t most_targets, size_t most_subwords,
                         size_t out[2]) {
    size_t around = o->arch == VECNA_SKIPGRAM && o->max_n > 0 ? 2 * o->window : 1;
    out[VNI_INPUTS] = VNI_PIECE * most_subwords;
    out[VNI_OUTPUTS] = VNI_PIECE * most_targets * around;
}

vecna_status vecna_word2vec_bytes(const vecna_word2vec_options *options, size_t numbers,
                                  size_t *out, vecna_error *err) {
    vecna_word2vec_options o = *options;
    vecna_status status = complete(&o, err);
    size_t width, pieces[2];
    double bytes;
    if (status != VECNA_OK)
        return status;
    width = vni_padded(o.dim);
    rows_a_piece(&o, o.hierarchical ? 40 : 1 + o.negative, o.max_n > 0 ? 40 : 1, pieces);
    bytes = ((double)input_rows(&o, numbers) + (double)numbers) * (double)width * 4;
    if (bytes > (double)(SIZE_MAX / 4))
        return vecna_error_set(err, VECNA_ERR_OVERFLOW, -1,
                               "%zu words of %zu dimensions do not fit into memory", numbers,
                               o.dim);
    *out = (size_t)bytes + ((size_t)4 << 20) + numbers * (o.max_n > 0 ? 100 : 4) +
           vni_overlay_bytes(input_rows(&o, numbers), width, o.threads, pieces[VNI_INPUTS]) +
           vni_overlay_bytes(numbers, width, o.threads, pieces[VNI_OUTPUTS]);
    return VECNA_OK;
}

/* ---- making ---------------------------------------------------------------------------------- */

static size_t carve_worker(vni_worker *w, const vecna_word2vec *model, char *memory) {
    size_t at = 0, width = model->shared.tables[VNI_INPUTS].width;
    w->piece = vni_carve(memory, &at, VNI_PIECE, sizeof *w->piece);
    w->kept = vni_carve(memory, &at, VNI_PIECE, sizeof *w->kept);
    w->rows = vni_carve(memory, &at, model->most_rows, sizeof *w->rows);
    w->hidden = vni_carve(memory, &at, width, sizeof *w->hidden);
    w->before = vni_carve(memory, &at, width, sizeof *w->before);
    vni_stepper_carve(&w->share.stepper, memory, &at, model->most_targets,
                      2 * model->options.window);
    return at;
}

static void fill_stepper(vni_stepper *stepper, const vecna_word2vec *model, size_t thread) {
    stepper->kernels = model->shared.kernels;
    stepper->negatives = &model->negatives;
    stepper->tree = model->options.hierarchical ? &model->tree : NULL;
    stepper->negative = model->options.negative;
    stepper->outputs = &model->shared.tables[VNI_OUTPUTS];
    stepper->copies = vni_overlay_of(&model->shared, thread, VNI_OUTPUTS);
}

static vecna_status make_workers(vecna_word2vec *model, vecna_error *err) {
    size_t threads = model->options.threads;
    model->workers = vecna_allocate_zero(model->allocator, threads, sizeof *model->workers);
    for (size_t t = 0; model->workers && t < threads; t++) {
        vni_worker *worker = &model->workers[t];
        size_t bytes = carve_worker(worker, model, NULL);
        worker->memory = vecna_allocate_zero(model->allocator, bytes + 64, 1);
        if (worker->memory == NULL)
            break;
        carve_worker(worker, model, (char *)(((uintptr_t)worker->memory + 63) & ~(uintptr_t)63));
        worker->model = model;
        worker->thread = t;
        worker->inputs = vni_overlay_of(&model->shared, t, VNI_INPUTS);
        worker->outputs = vni_overlay_of(&model->shared, t, VNI_OUTPUTS);
        fill_stepper(&worker->share.stepper, model, t);
    }
    if (model->workers && model->workers[threads - 1].memory)
        return VECNA_OK;
    return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for %zu threads", threads);
}

/* The words around move the same rows with values from before the step, so that many of them go too far
 * together and few not far enough: the rate of a window is the root of what a mean window has (radius
 * (window + 1) / 2 on both sides) by what this one has, at most twice the whole. Measured in
 * docs/performance.md. */
static vecna_status make_window_rates(vecna_word2vec *model, vecna_error *err) {
    const size_t window = model->options.window;
    model->window_rates =
        vecna_allocate(model->allocator, 2 * window + 1, sizeof *model->window_rates);
    if (model->window_rates == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                               "not enough memory for a window of %zu words", window);
    for (size_t around = 0; around <= 2 * window; around++) {
        float share = (float)(window + 1) / (float)(around ? around : 1);
        model->window_rates[around] = share < 4 ? sqrtf(share) : 2.0f;
    }
    return VECNA_OK;
}

static vecna_status make_sampling(vecna_word2vec *model, vecna_error *err) {
    const vecna_word2vec_options *o = &model->options;
    const vecna_supply *supply = model->supply;
    vni_subword_rule rule = {supply->numbers, o->min_n, o->max_n, o->buckets};
    vecna_status status;
    if (o->hierarchical)
        status =
            vni_huffman_new(supply->counts, supply->numbers, model->allocator, &model->tree, err);
    else
        status = vni_negatives_new(supply->counts, supply->numbers, o->exponent, model->allocator,
                                   &model->negatives, err);
    if (status == VECNA_OK && o->max_n > 0)
        status = vni_subwords_new(&rule, model->vocab, model->allocator, &model->subwords, err);
    if (status != VECNA_OK)
        return status;
    model->most_targets = o->hierarchical ? model->tree.longest : 1 + o->negative;
    if (model->most_targets == 0) /* a tree of one word */
        model->most_targets = 1;
    model->most_rows = 2 * o->window * (model->subwords.longest > 1 ? model->subwords.longest : 1);
    model->keep = vecna_allocate(model->allocator, supply->numbers, sizeof *model->keep);
    if (model->keep == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for %zu words",
                               supply->numbers);
    vni_keep_thresholds(supply->counts, supply->numbers, o->sample, model->keep);
    return VECNA_OK;
}

static vecna_status make_tables(vecna_word2vec *model, vecna_error *err) {
    const vecna_word2vec_options *o = &model->options;
    size_t numbers = model->supply->numbers, pieces[2];
    vecna_status status = vni_table_new(input_rows(o, numbers), o->dim, model->allocator,
                                        &model->shared.tables[VNI_INPUTS], err);
    if (status == VECNA_OK)
        status = vni_table_new(numbers, o->dim, model->allocator,
                               &model->shared.tables[VNI_OUTPUTS], err);
    if (status != VECNA_OK)
        return status;
    vni_table_randomize(&model->shared.tables[VNI_INPUTS], 0, 0.5f / (float)o->dim, o->seed);
    rows_a_piece(o, model->most_targets, model->subwords.longest > 1 ? model->subwords.longest : 1,
                 pieces);
    return vni_shared_open(&model->shared, o->threads, pieces, err);
}

/* A round long enough that merging costs little, and short enough that threads do not drift apart. */
static uint64_t round_words(const vecna_word2vec *model) {
    uint64_t share = model->supply->words / model->options.threads / ROUNDS_AN_EPOCH;
    return share < ROUND_LEAST ? ROUND_LEAST : share > ROUND_MOST ? ROUND_MOST : share;
}

vecna_status vecna_word2vec_new(const vecna_word2vec_options *options, const vecna_supply *supply,
                                const vecna_vocab *vocab, vecna_word2vec **out, vecna_error *err) {
    static const vecna_word2vec_options defaults;
    vecna_word2vec_options o = options ? *options : defaults;
    vecna_word2vec *model;
    vecna_status status = complete(&o, err);
    if (status != VECNA_OK)
        return status;
    if (supply->numbers == 0 || supply->positions == 0)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1, "there is nothing to train on");
    model = vecna_allocate_zero(o.allocator, 1, sizeof *model);
    if (model == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for a model");
    model->options = o;
    if (o.allocator) {
        model->allocator_copy = *o.allocator;
        model->allocator = model->shared.allocator = &model->allocator_copy;
    }
    model->supply = supply;
    model->vocab = vocab;
    model->progress.loss = NAN;
    model->shared.table_count = 2;
    model->round_words = round_words(model);
    status = make_sampling(model, err);
    if (status == VECNA_OK)
        status = make_window_rates(model, err);
    if (status == VECNA_OK)
        status = make_tables(model, err);
    if (status == VECNA_OK)
        status = make_workers(model, err);
    if (status != VECNA_OK) {
        vecna_word2vec_free(model);
        return status;
    }
    vni_word2vec_shares(model);
    *out = model;
    return VECNA_OK;
}

void vecna_word2vec_free(vecna_word2vec *model) {
    vecna_allocator copy;
    const vecna_allocator *allocator = NULL;
    if (model == NULL)
        return;
    for (size_t t = 0; model->workers && t < model->options.threads; t++)
        vecna_release(model->allocator, model->workers[t].memory);
    vecna_release(model->allocator, model->workers);
    vni_shared_close(&model->shared);
    vecna_release(model->allocator, model->negatives.cells);
    vecna_release(model->allocator, model->keep);
    vecna_release(model->allocator, model->window_rates);
    vni_huffman_free(&model->tree, model->allocator);
    vni_subwords_free(&model->subwords, model->allocator);
    if (model->allocator) {
        copy = model->allocator_copy;
        allocator = &copy;
    }
    vecna_release(allocator, model);
}

vecna_status vecna_word2vec_start(vecna_word2vec *model, vecna_view vectors, const int64_t *rows,
                                  vecna_error *err) {
    if (vectors.dim != model->options.dim)
        return vecna_error_set(err, VECNA_ERR_DIM, -1,
                               "the earlier vectors have %zu dimensions, the model %zu",
                               vectors.dim, model->options.dim);
    for (size_t i = 0; i < vectors.rows; i++)
        for (size_t at = 0; at < vectors.dim; at++)
            if (!isfinite(vectors.data[i * vectors.stride + at]))
                return vecna_error_set(err, VECNA_ERR_VALUE, (int64_t)i,
                                       "row %zu of the earlier vectors is not finite", i);
    for (size_t i = 0; i < model->supply->numbers; i++)
        if (rows[i] >= 0)
            memcpy(vni_table_row(&model->shared.tables[VNI_INPUTS], i),
                   vectors.data + (size_t)rows[i] * vectors.stride, vectors.dim * sizeof(float));
    return VECNA_OK;
}

/* ---- training -------------------------------------------------------------------------------- */

void vni_word2vec_shares(vecna_word2vec *model) {
    size_t threads = model->options.threads, positions = model->supply->positions;
    for (size_t t = 0; t < threads; t++) {
        model->workers[t].share.at = positions / threads * t + positions % threads * t / threads;
        model->workers[t].share.end =
            positions / threads * (t + 1) + positions % threads * (t + 1) / threads;
    }
}

static uint64_t words_total(const vecna_word2vec *model) {
    return model->supply->words * model->options.epochs;
}

/* The rate for words that are `ahead` of the last round's end. */
static double rate_at(const vecna_word2vec *model, uint64_t ahead) {
    double left = 1 - (double)(model->progress.words + ahead) / (double)(words_total(model) + 1);
    return model->options.rate * (left > RATE_LEAST ? left : RATE_LEAST);
}

static int has_room(const vni_worker *worker) {
    const vni_overlay *inputs = worker->inputs, *outputs = worker->outputs;
    size_t pieces[2];
    if (inputs == NULL)
        return 1;
    rows_a_piece(&worker->model->options, worker->model->most_targets,
                 worker->model->subwords.longest > 1 ? worker->model->subwords.longest : 1, pieces);
    return (inputs->capacity == worker->model->shared.tables[VNI_INPUTS].rows ||
            vni_overlay_has_room(inputs, pieces[VNI_INPUTS])) &&
           (outputs->capacity == worker->model->shared.tables[VNI_OUTPUTS].rows ||
            vni_overlay_has_room(outputs, pieces[VNI_OUTPUTS]));
}

static void train_share(void *user, size_t begin, size_t end, size_t pool_worker) {
    vecna_word2vec *model = user;
    const vecna_supply *supply = model->supply;
    (void)pool_worker;
    for (size_t t = begin; t < end; t++) {
        vni_worker *worker = &model->workers[t];
        vni_share_start(&worker->share, &model->progress, model->options.seed, t);
        while (worker->share.at < worker->share.end && worker->share.words < model->round_words &&
               has_room(worker)) {
            float rate = (float)rate_at(model, worker->share.words * model->options.threads);
            size_t count = 0, kept;
            worker->share.at += supply->piece(supply->user, model->progress.epoch, worker->share.at,
                                              worker->share.end, worker->piece, VNI_PIECE, &count);
            kept = vni_subsample(&worker->share.stepper,
                                 model->options.sample > 0 ? model->keep : NULL, worker->piece,
                                 count, worker->kept);
            vni_word2vec_piece(worker, worker->kept, kept, rate);
            worker->share.words += count;
        }
    }
}

vecna_train_report vecna_word2vec_report(const vecna_word2vec *model) {
    vecna_train_report report = {model->progress.words, words_total(model), model->progress.epoch,
                                 model->options.epochs, rate_at(model, 0),  model->progress.loss};
    return report;
}

static vni_share *share_of(void *model, size_t thread) {
    return &((vecna_word2vec *)model)->workers[thread].share;
}

static void start_epoch(void *model) {
    vni_word2vec_shares(model);
}

static vecna_train_report report_of(const void *model) {
    return vecna_word2vec_report(model);
}

vecna_status vecna_word2vec_train(vecna_word2vec *model, vecna_pool *pool, vecna_train_watch *watch,
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

/* ---- results --------------------------------------------------------------------------------- */

vecna_status vecna_word2vec_vectors(const vecna_word2vec *model, size_t first, vecna_matrix out,
                                    vecna_error *err) {
    const vni_table *inputs = &model->shared.tables[VNI_INPUTS];
    if (out.dim != model->options.dim || out.stride < out.dim)
        return vecna_error_set(err, VECNA_ERR_DIM, -1, "vectors have %zu dimensions, not %zu",
                               model->options.dim, out.dim);
    if (first > model->supply->numbers || out.rows > model->supply->numbers - first)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1, "there are %zu words",
                               model->supply->numbers);
    for (size_t i = 0; i < out.rows; i++) {
        float *row = out.data + i * out.stride;
        const vni_subwords *subwords = &model->subwords;
        size_t begin, end;
        if (subwords->starts == NULL) {
            memcpy(row, vni_table_row(inputs, first + i), out.dim * sizeof *row);
            continue;
        }
        memset(row, 0, out.dim * sizeof *row);
        begin = subwords->starts[first + i];
        end = subwords->starts[first + i + 1];
        for (size_t at = begin; at < end; at++)
            for (size_t d = 0; d < out.dim; d++)
                row[d] += vni_table_row(inputs, (size_t)subwords->rows[at])[d];
        for (size_t d = 0; d < out.dim; d++)
            row[d] /= (float)(end - begin);
    }
    return VECNA_OK;
}

int vecna_word2vec_compose(const vecna_word2vec *model, const char *word, size_t bytes,
                           float *out) {
    enum { GRAMS_A_TURN = 256 };
    const vecna_word2vec_options *o = &model->options;
    const vni_table *inputs = &model->shared.tables[VNI_INPUTS];
    vni_subword_rule rule = {model->supply->numbers, o->min_n, o->max_n, o->buckets};
    int32_t rows[GRAMS_A_TURN];
    size_t count = 0, all = 0;
    memset(out, 0, o->dim * sizeof *out);
    do { /* a long word has more n-grams than fit */
        size_t left;
        all = vni_subword_rows(&rule, word, bytes, count, rows, GRAMS_A_TURN);
        left = all - count < GRAMS_A_TURN ? all - count : GRAMS_A_TURN;
        for (size_t i = 0; i < left; i++)
            for (size_t d = 0; d < o->dim; d++)
                out[d] += vni_table_row(inputs, (size_t)rows[i])[d];
        count += left;
    } while (count < all);
    for (size_t d = 0; all > 0 && d < o->dim; d++)
        out[d] /= (float)all;
    return all > 0;
}
