/* One piece of text, window by window. The words that are drawn against a word are drawn once for its
 * whole window (Ji et al. 2016): a window is one small product of matrices, and every output row is
 * read and written once instead of once for each word around. While one window is trained, the rows of
 * the next are on their way from memory. */
#include "train/word2vec_impl.h"

#include <math.h>

enum { LOSS_EVERY = 64 };

static void prefetch(const float *row, size_t width) {
    for (size_t at = 0; at < width; at += VNI_LANES)
        __builtin_prefetch(row + at, 1, 3);
}

static void add_target(vni_targets *targets, int32_t id, float label) {
    targets->ids[targets->count] = id;
    targets->labels[targets->count] = label;
    targets->weights[targets->count++] = 1;
}

/* A word drawn twice weighs twice; the word itself is passed over. */
static void draw_negatives(vni_worker *worker, int32_t word, vni_targets *targets) {
    const struct vecna_word2vec *model = worker->model;
    unsigned bits = model->negatives.bits;
    uint64_t mask = ((uint64_t)1 << bits) - 1, random = 0;
    for (size_t i = 0; i < model->options.negative; i++) {
        int32_t drawn;
        size_t same = 1;
        random = i % 2 ? random >> 32 : vni_draw(&worker->draw);
        drawn = model->negatives.words[random & mask];
        if (drawn == word)
            continue;
        while (same < targets->count && targets->ids[same] != drawn)
            same++;
        if (same < targets->count)
            targets->weights[same]++;
        else
            add_target(targets, drawn, 0);
    }
}

static void choose_targets(vni_worker *worker, int32_t word, vni_targets *targets) {
    const struct vecna_word2vec *model = worker->model;
    const vni_table *outputs = &model->shared.tables[VNI_OUTPUTS];
    targets->count = 0;
    if (model->options.hierarchical) {
        for (uint32_t at = model->tree.starts[word]; at < model->tree.starts[word + 1]; at++)
            add_target(targets, model->tree.nodes[at], model->tree.turns[at] ? 0 : 1);
    } else {
        add_target(targets, word, 1);
        draw_negatives(worker, word, targets);
    }
    for (size_t j = 0; j < targets->count; j++) {
        targets->rows[j] = vni_row(outputs, worker->outputs, (size_t)targets->ids[j]);
        prefetch(targets->rows[j], outputs->width);
    }
}

/* Loss of the step that was just taken, a mean over its inputs. */
static void sample_loss(vni_worker *worker, const vni_step *step, const vni_targets *targets) {
    size_t stride = vni_step_stride(step->input_count);
    double sum = 0;
    if (worker->loss_turn++ % LOSS_EVERY != 0)
        return;
    for (size_t j = 0; j < step->output_count; j++)
        for (size_t i = 0; i < step->input_count; i++) {
            double x = (double)step->logits[j * stride + i];
            double wrong = targets->labels[j] > 0 ? -x : x;
            sum += (double)targets->weights[j] *
                   (wrong > 30 ? wrong : log1p(exp(wrong > -30 ? wrong : -30)));
        }
    worker->loss_sum += sum / (double)step->input_count;
    worker->loss_count++;
}

static void take_step(vni_worker *worker, float *const *inputs, size_t input_count,
                      const vni_targets *targets, float rate) {
    const struct vecna_word2vec *model = worker->model;
    vni_step step = {inputs,
                     targets->rows,
                     targets->labels,
                     worker->rates,
                     input_count,
                     targets->count,
                     model->shared.tables[VNI_INPUTS].width,
                     worker->logits,
                     worker->gains,
                     worker->moves};
    for (size_t j = 0; j < targets->count; j++)
        worker->rates[j] = targets->weights[j] * rate;
    model->shared.kernels->step(&step);
    sample_loss(worker, &step, targets);
}

/* Input rows of a word: its own, or all its subwords'. */
static size_t add_rows(vni_worker *worker, int32_t word, size_t count) {
    const struct vecna_word2vec *model = worker->model;
    const vni_table *inputs = &model->shared.tables[VNI_INPUTS];
    const vni_subwords *subwords = &model->subwords;
    if (subwords->starts == NULL) {
        worker->rows[count++] = vni_row(inputs, worker->inputs, (size_t)word);
        return count;
    }
    for (size_t at = subwords->starts[word]; at < subwords->starts[word + 1]; at++)
        worker->rows[count++] = vni_row(inputs, worker->inputs, (size_t)subwords->rows[at]);
    return count;
}

/* The mean of the rows in worker->rows into hidden, which will be trained in their place. */
static void take_mean(vni_worker *worker, size_t count) {
    const struct vecna_word2vec *model = worker->model;
    size_t width = model->shared.tables[VNI_INPUTS].width;
    model->shared.kernels->sum((const float *const *)worker->rows, count, 1.0f / (float)count,
                               worker->hidden, width);
    memcpy(worker->before, worker->hidden, width * sizeof *worker->before);
}

static void give_back(vni_worker *worker, size_t count, float scale) {
    const struct vecna_word2vec *model = worker->model;
    model->shared.kernels->spread(worker->rows, count, scale, worker->hidden, worker->before,
                                  model->shared.tables[VNI_INPUTS].width);
}

/* The word at `middle` is predicted from the words around; its targets were chosen before. */
static void predict_middle(vni_worker *worker, const int32_t *kept, size_t first, size_t last,
                           size_t middle, const vni_targets *targets, float rate) {
    const vecna_word2vec_options *o = &worker->model->options;
    size_t count = 0;
    for (size_t at = first; at < last; at++)
        if (at != middle)
            count = add_rows(worker, kept[at], count);
    if (count == 0)
        return;
    if (o->arch == VECNA_SKIPGRAM) {
        take_step(worker, worker->rows, count, targets, rate);
        return;
    }
    take_mean(worker, count);
    take_step(worker, &worker->hidden, 1, targets, rate);
    give_back(worker, count, o->cbow_gradient == VECNA_CBOW_MEAN ? 1.0f / (float)count : 1.0f);
}

/* Skip-gram with subwords turns the window round: the middle word is put together once, and predicts
 * the words around. */
static void predict_around(vni_worker *worker, const int32_t *kept, size_t first, size_t last,
                           size_t middle, float rate) {
    size_t count = add_rows(worker, kept[middle], 0);
    vni_targets *targets = &worker->targets[0];
    take_mean(worker, count);
    for (size_t at = first; at < last; at++) {
        if (at == middle)
            continue;
        choose_targets(worker, kept[at], targets);
        take_step(worker, &worker->hidden, 1, targets, rate);
    }
    give_back(worker, count, 1.0f);
}

void vni_word2vec_piece(vni_worker *worker, const int32_t *kept, size_t count, float rate) {
    const struct vecna_word2vec *model = worker->model;
    const vni_table *inputs = &model->shared.tables[VNI_INPUTS];
    size_t window = model->options.window;
    int around = model->options.arch == VECNA_SKIPGRAM && model->subwords.starts != NULL;

    if (count < 2)
        return;
    if (!around)
        choose_targets(worker, kept[0], &worker->targets[0]);
    for (size_t middle = 0; middle < count; middle++) {
        size_t radius = 1 + (size_t)((vni_draw(&worker->draw) >> 32) * window >> 32);
        size_t first = middle > radius ? middle - radius : 0;
        size_t last = middle + radius + 1 < count ? middle + radius + 1 : count;
        if (around) {
            predict_around(worker, kept, first, last, middle, rate);
            continue;
        }
        if (middle + 1 < count)
            choose_targets(worker, kept[middle + 1], &worker->targets[(middle + 1) % 2]);
        if (middle + window + 1 < count && worker->inputs == NULL && !model->subwords.starts)
            prefetch(vni_table_row(inputs, (size_t)kept[middle + window + 1]), inputs->width);
        predict_middle(worker, kept, first, last, middle, &worker->targets[middle % 2], rate);
    }
}
