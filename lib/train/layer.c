/* A layer: a table of rows that is trained together with what is asked of it, as the first layer of a
 * network is. layer_step.c has the arithmetic; here are models, epochs, answers and states. */
#include "train/layer_impl.h"

#include "base/base_impl.h"
#include "train/state_impl.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    DIM = 64,
    EPOCHS = 20,
    BATCH = 64,
    BATCH_MOST = 65536,
    DIM_MOST = 65536,
    NEGATIVE = 4,
    NEGATIVE_MOST = 1000,
    OPTIONS_BYTES = 300
};
#define RATE 0.1
#define START 0.1 /* the table's rows start within so much */

/* ---- options and data ------------------------------------------------------------------------ */

static vecna_status complete(vecna_layer_options *o, vecna_error *err) {
    o->dim = o->dim ? o->dim : DIM;
    o->epochs = o->epochs ? o->epochs : EPOCHS;
    o->batch = o->batch ? o->batch : BATCH;
    o->negative = o->task != VECNA_LAYER_LOGISTIC ? 0 : o->negative ? o->negative : NEGATIVE;
    o->rate = o->rate != 0 ? o->rate : RATE;
    if (o->dim > DIM_MOST || o->batch > BATCH_MOST || o->negative > NEGATIVE_MOST)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "dimension %zu, batch %zu, negatives %zu: at most %d, %d, %d",
                               o->dim, o->batch, o->negative, DIM_MOST, BATCH_MOST, NEGATIVE_MOST);
    if (!(o->rate > 0 && o->rate <= 10) || !(o->l2 >= 0 && o->l2 <= 10))
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "the learning rate is %g, l2 %g; the one is above 0, none above 10",
                               o->rate, o->l2);
    return VECNA_OK;
}

static vecna_status bad_sample(size_t sample, vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_VALUE, (int64_t)sample,
                           "sample %zu has a number that is out of range", sample);
}

static vecna_status check(const vecna_layer_options *o, const vecna_layer_data *data,
                          vecna_error *err) {
    const int classify = o->task == VECNA_LAYER_CLASSIFY;
    if (data->samples == 0 || (classify ? data->classes < 2 || data->words == 0
                                        : data->user_count == 0 || data->item_count == 0))
        return vecna_error_set(err, VECNA_ERR_VALUE, -1,
                               "%zu samples of %zu classes: there is nothing to tell apart",
                               data->samples, data->classes);
    if (data->words > INT32_MAX || data->user_count > INT32_MAX / 2 ||
        data->item_count > INT32_MAX / 2)
        return vecna_error_set(err, VECNA_ERR_OVERFLOW, -1, "more than 2^31 rows");
    for (size_t s = 0; s < data->samples; s++) {
        if (!classify && (data->users[s] < 0 || (size_t)data->users[s] >= data->user_count ||
                          data->items[s] < 0 || (size_t)data->items[s] >= data->item_count ||
                          (o->task == VECNA_LAYER_SQUARED && !isfinite(data->ratings[s]))))
            return bad_sample(s, err);
        if (classify && (data->labels[s] < 0 || (size_t)data->labels[s] >= data->classes))
            return bad_sample(s, err);
        for (size_t i = classify ? data->starts[s] : 0; classify && i < data->starts[s + 1]; i++)
            if (data->ids[i] < 0 || (size_t)data->ids[i] >= data->words)
                return bad_sample(s, err);
    }
    return VECNA_OK;
}

static size_t rows_of(const vecna_layer_options *o, const vecna_layer_data *data) {
    return o->task == VECNA_LAYER_CLASSIFY ? data->words : data->user_count + data->item_count;
}

/* Most touches of a batch. */
static size_t most_touches(const vecna_layer *model) {
    const vecna_layer_data *data = &model->data;
    size_t longest = 0;
    if (model->options.task != VECNA_LAYER_CLASSIFY)
        return 2 * model->options.batch * model->drawn;
    for (size_t s = 0; s < data->samples; s++)
        if (data->starts[s + 1] - data->starts[s] > longest)
            longest = data->starts[s + 1] - data->starts[s];
    return model->options.batch * longest;
}

/* ---- making ---------------------------------------------------------------------------------- */

static vecna_status take_memory(vecna_layer *model, vecna_error *err) {
    const vecna_layer_options *o = &model->options;
    const vecna_layer_data *data = &model->data;
    const vecna_allocator *allocator = model->allocator;
    const size_t touches = most_touches(model), pulls = o->batch * model->drawn * 2 * o->dim;
    model->values = vecna_allocate_zero(allocator, model->count, sizeof *model->values);
    model->squares = vecna_allocate_zero(allocator, model->count, sizeof *model->squares);
    model->order = vecna_allocate(allocator, data->samples, sizeof *model->order);
    model->hidden = vecna_allocate(allocator, o->batch * o->dim, sizeof *model->hidden);
    model->errors = vecna_allocate(allocator, o->batch * (data->classes + 1), sizeof(double));
    model->pulls = vecna_allocate(allocator, pulls, sizeof *model->pulls);
    model->losses = vecna_allocate(allocator, o->batch, sizeof *model->losses);
    model->touches = vecna_allocate(allocator, touches + 1, sizeof *model->touches);
    model->groups = vecna_allocate(allocator, touches + 1, sizeof *model->groups);
    if (model->values && model->squares && model->order && model->hidden && model->errors &&
        model->pulls && model->losses && model->touches && model->groups)
        return VECNA_OK;
    return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for %zu rows of %zu",
                           rows_of(o, data), o->dim);
}

/* Each row draws from its own stream, so that more rows leave the first as they are. */
static void start_rows(vecna_layer *model) {
    const size_t dim = model->options.dim;
    for (size_t row = 0; row < rows_of(&model->options, &model->data); row++) {
        vecna_random random;
        vecna_random_seed(&random, model->options.seed, row);
        for (size_t d = 0; d < dim; d++)
            model->values[row * dim + d] = START * (2 * vecna_random_uniform(&random) - 1);
    }
    if (model->options.task == VECNA_LAYER_SQUARED)
        for (size_t s = 0; s < model->data.samples; s++)
            model->mean += model->data.ratings[s] / (double)model->data.samples;
}

vecna_status vecna_layer_new(const vecna_layer_options *options, const vecna_layer_data *data,
                             vecna_layer **out, vecna_error *err) {
    vecna_layer_options o = *options;
    vecna_layer *model;
    size_t rows;
    vecna_status status = complete(&o, err);
    if (status == VECNA_OK)
        status = check(&o, data, err);
    if (status != VECNA_OK)
        return status;
    model = vecna_allocate_zero(o.allocator, 1, sizeof *model);
    if (model == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for a model");
    if (o.allocator) {
        model->allocator_copy = *o.allocator;
        model->allocator = &model->allocator_copy;
    }
    rows = rows_of(&o, data);
    model->options = o;
    model->data = *data;
    model->drawn = 1 + o.negative;
    if (o.task != VECNA_LAYER_CLASSIFY)
        model->data.classes = 0;
    model->weights_at = rows * o.dim;
    model->biases_at = model->weights_at + model->data.classes * o.dim;
    model->count = model->biases_at + (model->data.classes ? model->data.classes : rows);
    model->loss = NAN;
    status = take_memory(model, err);
    if (status != VECNA_OK) {
        vecna_layer_free(model);
        return status;
    }
    start_rows(model);
    vni_layer_shuffle(model);
    *out = model;
    return VECNA_OK;
}

void vecna_layer_free(vecna_layer *model) {
    vecna_allocator copy;
    const vecna_allocator *allocator = NULL;
    if (model == NULL)
        return;
    vecna_release(model->allocator, model->values);
    vecna_release(model->allocator, model->squares);
    vecna_release(model->allocator, model->order);
    vecna_release(model->allocator, model->hidden);
    vecna_release(model->allocator, model->errors);
    vecna_release(model->allocator, model->pulls);
    vecna_release(model->allocator, model->losses);
    vecna_release(model->allocator, model->touches);
    vecna_release(model->allocator, model->groups);
    if (model->allocator) {
        copy = model->allocator_copy;
        allocator = &copy;
    }
    vecna_release(allocator, model);
}

double vecna_layer_bytes(const vecna_layer_options *options, const vecna_layer_data *data) {
    vecna_layer_options o = *options;
    if (complete(&o, NULL) != VECNA_OK)
        return 0;
    return 16.0 * ((double)rows_of(&o, data) + (double)data->classes) * ((double)o.dim + 1) +
           8.0 * (double)data->samples +
           8.0 * (double)o.batch * (double)(1 + o.negative) * (3.0 * (double)o.dim + 10);
}

/* ---- training -------------------------------------------------------------------------------- */

/* The order of an epoch follows from the seed and the epoch. */
void vni_layer_shuffle(vecna_layer *model) {
    vecna_random random;
    vecna_random_seed(&random, model->options.seed, UINT64_MAX - model->epoch);
    for (size_t i = 0; i < model->data.samples; i++)
        model->order[i] = i;
    vecna_random_shuffle(&random, model->order, model->data.samples);
}

vecna_train_report vecna_layer_report(const vecna_layer *model) {
    const uint64_t samples = model->data.samples;
    vecna_train_report report = {samples * model->epoch + model->at,
                                 samples * model->options.epochs,
                                 model->epoch,
                                 model->options.epochs,
                                 model->options.rate,
                                 model->loss};
    return report;
}

static void end_epoch(vecna_layer *model) {
    model->loss = model->loss_sum / ((double)model->data.samples * (double)model->drawn);
    model->loss_sum = 0;
    model->at = 0;
    model->epoch++;
    vni_layer_shuffle(model);
}

vecna_status vecna_layer_train(vecna_layer *model, vecna_pool *pool, vecna_train_watch *watch,
                               void *user, vecna_error *err) {
    const size_t samples = model->data.samples, batch = model->options.batch;
    while (model->epoch < model->options.epochs) {
        const size_t left = samples - model->at, count = left < batch ? left : batch;
        vecna_train_report report;
        model->loss_sum += vni_layer_step(model, model->order + model->at, count, model->at, pool);
        model->at += count;
        if (!isfinite(model->loss_sum))
            return vecna_error_set(err, VECNA_ERR_NUMERIC, -1,
                                   "training ran away: lower the rate, %g", model->options.rate);
        if (model->at == samples)
            end_epoch(model);
        report = vecna_layer_report(model);
        if (watch && watch(user, &report))
            break;
    }
    return VECNA_OK;
}

/* ---- answers --------------------------------------------------------------------------------- */

vecna_status vecna_layer_vectors(const vecna_layer *model, size_t first, vecna_matrix out,
                                 vecna_error *err) {
    const size_t dim = model->options.dim, rows = rows_of(&model->options, &model->data);
    if (out.dim != dim || out.stride < dim)
        return vecna_error_set(err, VECNA_ERR_DIM, -1, "vectors have %zu dimensions, not %zu", dim,
                               out.dim);
    if (first > rows || out.rows > rows - first)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1, "there are %zu rows", rows);
    for (size_t i = 0; i < out.rows; i++)
        for (size_t d = 0; d < dim; d++)
            out.data[i * out.stride + d] = (float)model->values[(first + i) * dim + d];
    return VECNA_OK;
}

size_t vecna_layer_classify(const vecna_layer *model, const int32_t *ids, size_t count,
                            double *scratch, double *probabilities) {
    size_t best = 0;
    vni_layer_logits(model, ids, count, scratch, probabilities);
    (void)vni_layer_softmax(probabilities, model->data.classes, 0);
    for (size_t c = 1; c < model->data.classes; c++)
        if (probabilities[c] > probabilities[best])
            best = c;
    return best;
}

double vecna_layer_score(const vecna_layer *model, int32_t user, int32_t item) {
    return vni_layer_score(model, user, (int32_t)model->data.user_count + item);
}

double vecna_layer_bias(const vecna_layer *model, size_t row) {
    return model->values[model->biases_at + row];
}

double vecna_layer_mean(const vecna_layer *model) {
    return model->mean;
}

/* ---- states ---------------------------------------------------------------------------------- */

typedef struct layer_progress {
    uint64_t epoch, at;
    double loss, loss_sum;
} layer_progress;

static uint64_t fingerprint(const vecna_layer *model) {
    const vecna_layer_data *data = &model->data;
    uint64_t hash = UINT64_C(1469598103934665603);
    if (model->options.task == VECNA_LAYER_CLASSIFY) {
        hash = vni_hash(hash, data->starts, (data->samples + 1) * sizeof *data->starts);
        hash = vni_hash(hash, data->ids, data->starts[data->samples] * sizeof *data->ids);
        return vni_hash(hash, data->labels, data->samples * sizeof *data->labels);
    }
    hash = vni_hash(hash, data->users, data->samples * sizeof *data->users);
    hash = vni_hash(hash, data->items, data->samples * sizeof *data->items);
    return model->options.task == VECNA_LAYER_SQUARED
               ? vni_hash(hash, data->ratings, data->samples * sizeof *data->ratings)
               : hash;
}

static size_t collect(const vecna_layer *model, layer_progress *progress, char *options,
                      vni_state_part *parts) {
    const vecna_layer_options *o = &model->options;
    const vni_state_part all[] = {{"values", model->values, model->count, 8, 8},
                                  {"squares", model->squares, model->count, 8, 8},
                                  {"progress", progress, 1, sizeof *progress, sizeof *progress}};
    snprintf(options, OPTIONS_BYTES,
             "layer task=%d dim=%zu epochs=%zu batch=%zu negative=%zu rate=%.9g l2=%.9g "
             "seed=%" PRIu64 " data=%016" PRIx64,
             (int)o->task, o->dim, o->epochs, o->batch, o->negative, o->rate, o->l2, o->seed,
             fingerprint(model));
    memcpy(parts, all, sizeof all);
    return sizeof all / sizeof *all;
}

vecna_status vecna_layer_save(const vecna_layer *model, const char *path, vecna_error *err) {
    layer_progress progress = {model->epoch, model->at, model->loss, model->loss_sum};
    char options[OPTIONS_BYTES];
    vni_state_part parts[3];
    size_t count = collect(model, &progress, options, parts);
    return vni_state_save(path, options, parts, count, model->allocator, err);
}

vecna_status vecna_layer_load(vecna_layer *model, const char *path, vecna_error *err) {
    layer_progress progress;
    char options[OPTIONS_BYTES];
    vni_state_part parts[3];
    size_t count = collect(model, &progress, options, parts);
    vecna_status status = vni_state_load(path, options, parts, count, model->allocator, err);
    if (status == VECNA_OK &&
        (progress.epoch > model->options.epochs || progress.at >= model->data.samples))
        status = vecna_error_set(err, VECNA_ERR_FORMAT, -1,
                                 "%.150s tells of a place outside of the work", path);
    if (status != VECNA_OK)
        return status;
    model->epoch = (size_t)progress.epoch;
    model->at = (size_t)progress.at;
    model->loss = progress.loss;
    model->loss_sum = progress.loss_sum;
    vni_layer_shuffle(model);
    return VECNA_OK;
}
