/* One step of a layer. Every prediction of a batch is made from the values before it, in parallel; then
 * what each row is moved by is gathered in the order of the samples, and rows are moved in parallel. So the
 * bits do not depend on the number of threads. It is all float64: the same code is held against finite
 * differences. */
#include "train/layer_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES_A_TASK = 8, ROWS_A_TASK = 16 };
#define LEAST_SQUARE 1e-8

static double dot(const double *a, const double *b, size_t dim) {
    double sum = 0;
    for (size_t d = 0; d < dim; d++)
        sum += a[d] * b[d];
    return sum;
}

static double *row_of(const vecna_layer *model, int32_t row) {
    return model->values + (size_t)row * model->options.dim;
}

/* ---- predictions ----------------------------------------------------------------------------- */

double vni_layer_softmax(double *logits, size_t classes, size_t label) {
    double most = logits[0], sum = 0, chosen;
    for (size_t c = 1; c < classes; c++)
        most = logits[c] > most ? logits[c] : most;
    chosen = logits[label] - most;
    for (size_t c = 0; c < classes; c++)
        sum += logits[c] = exp(logits[c] - most);
    for (size_t c = 0; c < classes; c++)
        logits[c] /= sum;
    return log(sum) - chosen;
}

void vni_layer_logits(const vecna_layer *model, const int32_t *ids, size_t count, double *hidden,
                      double *logits) {
    const size_t dim = model->options.dim;
    memset(hidden, 0, dim * sizeof *hidden);
    for (size_t i = 0; i < count; i++)
        for (size_t d = 0; d < dim; d++)
            hidden[d] += row_of(model, ids[i])[d];
    for (size_t d = 0; count > 0 && d < dim; d++)
        hidden[d] /= (double)count;
    for (size_t c = 0; c < model->data.classes; c++)
        logits[c] = dot(hidden, model->values + model->weights_at + c * dim, dim) +
                    model->values[model->biases_at + c];
}

static void predict_label(vecna_layer *model, size_t at) {
    const vecna_layer_data *data = &model->data;
    const size_t sample = model->batch[at], dim = model->options.dim, classes = data->classes;
    const size_t label = (size_t)data->labels[sample];
    double *errors = model->errors + at * classes, *pull = model->pulls + at * dim;
    vni_layer_logits(model, data->ids + data->starts[sample],
                     data->starts[sample + 1] - data->starts[sample], model->hidden + at * dim,
                     errors);
    model->losses[at] = vni_layer_softmax(errors, classes, label);
    errors[label] -= 1;
    memset(pull, 0, dim * sizeof *pull);
    for (size_t c = 0; c < classes; c++)
        for (size_t d = 0; d < dim; d++)
            pull[d] += errors[c] * model->values[model->weights_at + c * dim + d];
}

double vni_layer_score(const vecna_layer *model, int32_t user, int32_t item) {
    return model->mean + model->values[model->biases_at + (size_t)user] +
           model->values[model->biases_at + (size_t)item] +
           dot(row_of(model, user), row_of(model, item), model->options.dim);
}

/* A sample's pair and the pairs drawn against it; the touches of each were made with their rows. */
static void predict_pairs(vecna_layer *model, size_t at) {
    const size_t dim = model->options.dim;
    const int logistic = model->options.task == VECNA_LAYER_LOGISTIC;
    model->losses[at] = 0;
    for (size_t n = at * model->drawn; n < (at + 1) * model->drawn; n++) {
        vni_touch *user = &model->touches[2 * n], *item = user + 1;
        const double target = n > at * model->drawn ? 0
                              : logistic            ? 1
                                                    : model->data.ratings[model->batch[at]];
        const double score = vni_layer_score(model, user->row, item->row);
        double error = score - target;
        double *pulls = model->pulls + 2 * n * dim;
        if (logistic) { /* log(1 + exp(-+score)), without overflow */
            error = 1 / (1 + exp(-score)) - target;
            model->losses[at] +=
                log1p(exp(-fabs(score))) + (score > 0 ? score : 0) - target * score;
        } else {
            model->losses[at] += error * error / 2;
        }
        for (size_t d = 0; d < dim; d++) {
            pulls[d] = error * row_of(model, item->row)[d];
            pulls[dim + d] = error * row_of(model, user->row)[d];
        }
        user->error = item->error = error;
        user->pull = pulls;
        item->pull = pulls + dim;
    }
}

static void predict(void *user, size_t begin, size_t end, size_t worker) {
    vecna_layer *model = user;
    (void)worker;
    for (size_t at = begin; at < end; at++)
        if (model->options.task == VECNA_LAYER_CLASSIFY)
            predict_label(model, at);
        else
            predict_pairs(model, at);
}

/* ---- which rows ------------------------------------------------------------------------------ */

static vni_touch *touch(vecna_layer *model, int32_t row, double weight) {
    vni_touch *made = &model->touches[model->touch_count];
    made->row = row;
    made->turn = (uint32_t)model->touch_count++;
    made->weight = weight;
    made->error = 0;
    return made;
}

static void touch_words(vecna_layer *model) {
    const vecna_layer_data *data = &model->data;
    for (size_t at = 0; at < model->batch_count; at++) {
        const size_t first = data->starts[model->batch[at]];
        const size_t words = data->starts[model->batch[at] + 1] - first;
        for (size_t i = 0; i < words; i++)
            touch(model, data->ids[first + i], 1 / ((double)words * (double)model->batch_count))
                ->pull = model->pulls + at * model->options.dim;
    }
}

/* Items are drawn evenly, by the place of the sample in the epoch. */
static void touch_pairs(vecna_layer *model, size_t position) {
    const vecna_layer_data *data = &model->data;
    const double weight = 1 / (double)model->batch_count;
    for (size_t at = 0; at < model->batch_count; at++) {
        const size_t sample = model->batch[at];
        vecna_random random;
        if (model->drawn > 1)
            vecna_random_seed(&random, model->options.seed,
                              ((uint64_t)model->epoch + 1) << 40 | (position + at));
        for (size_t n = 0; n < model->drawn; n++) {
            const size_t item = n == 0 ? (size_t)data->items[sample]
                                       : (size_t)vecna_random_below(&random, data->item_count);
            touch(model, data->users[sample], weight);
            touch(model, (int32_t)(data->user_count + item), weight);
        }
    }
}

static int by_row(const void *a, const void *b) {
    const vni_touch *x = a, *y = b;
    return x->row != y->row ? (x->row > y->row) - (x->row < y->row)
                            : (x->turn > y->turn) - (x->turn < y->turn);
}

static void group_touches(vecna_layer *model) {
    qsort(model->touches, model->touch_count, sizeof *model->touches, by_row);
    model->group_count = 0;
    for (size_t i = 0; i < model->touch_count; i++)
        if (i == 0 || model->touches[i].row != model->touches[i - 1].row)
            model->groups[model->group_count++] = i;
    model->groups[model->group_count] = model->touch_count;
}

/* ---- moves ----------------------------------------------------------------------------------- */

/* AdaGrad: a parameter that was moved much moves less. */
static void move(vecna_layer *model, size_t parameter, double gradient) {
    if (model->collect) {
        model->collect[parameter] = gradient;
        return;
    }
    model->squares[parameter] += gradient * gradient;
    model->values[parameter] -=
        model->options.rate * gradient / sqrt(model->squares[parameter] + LEAST_SQUARE);
}

static void move_rows(void *user, size_t begin, size_t end, size_t worker) {
    vecna_layer *model = user;
    const size_t dim = model->options.dim;
    const double l2 = model->options.l2;
    (void)worker;
    for (size_t group = begin; group < end; group++) {
        const vni_touch *first = model->touches + model->groups[group];
        const size_t count = model->groups[group + 1] - model->groups[group];
        const size_t row = (size_t)first->row;
        double weights = 0, error = 0;
        for (size_t i = 0; i < count; i++) {
            weights += first[i].weight;
            error += first[i].weight * first[i].error;
        }
        for (size_t d = 0; d < dim; d++) {
            double gradient = weights * l2 * model->values[row * dim + d];
            for (size_t i = 0; i < count; i++)
                gradient += first[i].weight * first[i].pull[d];
            move(model, row * dim + d, gradient);
        }
        if (model->options.task != VECNA_LAYER_CLASSIFY)
            move(model, model->biases_at + row,
                 error + weights * l2 * model->values[model->biases_at + row]);
    }
}

static void move_classes(void *user, size_t begin, size_t end, size_t worker) {
    vecna_layer *model = user;
    const size_t dim = model->options.dim, classes = model->data.classes;
    const double share = 1 / (double)model->batch_count;
    (void)worker;
    for (size_t c = begin; c < end; c++) {
        double bias = 0;
        for (size_t at = 0; at < model->batch_count; at++)
            bias += share * model->errors[at * classes + c];
        for (size_t d = 0; d < dim; d++) {
            const size_t parameter = model->weights_at + c * dim + d;
            double gradient = model->options.l2 * model->values[parameter];
            for (size_t at = 0; at < model->batch_count; at++)
                gradient += share * model->errors[at * classes + c] * model->hidden[at * dim + d];
            move(model, parameter, gradient);
        }
        move(model, model->biases_at + c, bias);
    }
}

double vni_layer_step(vecna_layer *model, const size_t *samples, size_t count, size_t position,
                      vecna_pool *pool) {
    const int classify = model->options.task == VECNA_LAYER_CLASSIFY;
    double loss = 0;
    model->batch = samples;
    model->batch_count = count;
    model->touch_count = 0;
    if (classify)
        touch_words(model);
    else
        touch_pairs(model, position);
    vecna_pool_run(pool, count, SAMPLES_A_TASK, predict, model);
    group_touches(model);
    vecna_pool_run(pool, model->group_count, ROWS_A_TASK, move_rows, model);
    if (classify)
        vecna_pool_run(pool, model->data.classes, SAMPLES_A_TASK, move_classes, model);
    for (size_t at = 0; at < count; at++)
        loss += model->losses[at];
    return loss;
}
