/* One piece of text, window by window. The words that are drawn against a word are drawn once for its
 * whole window (Ji et al. 2016): a window is one small product of matrices, and every output row is
 * read and written once instead of once for each word around. While one window is trained, the rows of
 * the next are on their way from memory. */
#include "train/word2vec_impl.h"

/* Input rows of a word: all its subwords', or its own. */
static size_t add_rows(vni_worker *worker, int32_t word, size_t count) {
    const struct vecna_word2vec *model = worker->model;
    const vni_table *inputs = &model->shared.tables[VNI_INPUTS];
    const vni_subwords *subwords = &model->subwords;
    if (subwords->starts == NULL) {
        worker->rows[count] = vni_row(inputs, worker->inputs, (size_t)word);
        return count + 1;
    }
    for (size_t at = subwords->starts[word]; at < subwords->starts[word + 1]; at++)
        worker->rows[count++] = vni_row(inputs, worker->inputs, (size_t)subwords->rows[at]);
    return count;
}

/* The input rows of the words around `middle`, into worker->rows. */
static size_t rows_around(vni_worker *worker, const int32_t *kept, size_t first, size_t last,
                          size_t middle) {
    const struct vecna_word2vec *model = worker->model;
    const vni_table *inputs = &model->shared.tables[VNI_INPUTS];
    size_t count = 0;
    if (model->subwords.starts != NULL || worker->inputs != NULL) {
        for (size_t at = first; at < last; at++)
            if (at != middle)
                count = add_rows(worker, kept[at], count);
        return count;
    }
    for (size_t at = first; at < middle; at++)
        worker->rows[count++] = vni_table_row(inputs, (size_t)kept[at]);
    for (size_t at = middle + 1; at < last; at++)
        worker->rows[count++] = vni_table_row(inputs, (size_t)kept[at]);
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

/* The word at `middle` is predicted from the words around. */
static void predict_middle(vni_worker *worker, const int32_t *kept, size_t first, size_t last,
                           size_t middle, const vni_targets *targets, float rate) {
    const vecna_word2vec_options *o = &worker->model->options;
    size_t count = rows_around(worker, kept, first, last, middle);
    if (count == 0)
        return;
    if (o->arch == VECNA_SKIPGRAM) {
        vni_take_step(&worker->share.stepper, worker->rows, count, targets,
                      rate * worker->model->window_rates[count]);
        return;
    }
    take_mean(worker, count);
    vni_take_step(&worker->share.stepper, &worker->hidden, 1, targets, rate);
    give_back(worker, count, o->cbow_gradient == VECNA_CBOW_MEAN ? 1.0f / (float)count : 1.0f);
}

/* Skip-gram with subwords turns the window round: the middle word is put together once, and predicts
 * the words around. */
static void predict_around(vni_worker *worker, const int32_t *kept, size_t first, size_t last,
                           size_t middle, float rate) {
    vni_stepper *stepper = &worker->share.stepper;
    size_t count = add_rows(worker, kept[middle], 0), chosen = 0;
    take_mean(worker, count);
    for (size_t at = first; at < last; at++) {
        if (at == middle)
            continue;
        vni_choose_targets(stepper, kept[at], &stepper->targets[chosen % VNI_SETS]);
        if (chosen++ > 0) /* the one before: these rows come meanwhile */
            vni_take_step(stepper, &worker->hidden, 1, &stepper->targets[(chosen - 2) % VNI_SETS],
                          rate);
    }
    if (chosen > 0)
        vni_take_step(stepper, &worker->hidden, 1, &stepper->targets[(chosen - 1) % VNI_SETS],
                      rate);
    give_back(worker, count, 1.0f);
}

void vni_word2vec_piece(vni_worker *worker, const int32_t *kept, size_t count, float rate) {
    const struct vecna_word2vec *model = worker->model;
    const vni_table *inputs = &model->shared.tables[VNI_INPUTS];
    vni_stepper *stepper = &worker->share.stepper;
    size_t window = model->options.window;
    int around = model->options.arch == VECNA_SKIPGRAM && model->subwords.starts != NULL;

    if (count < 2)
        return;
    for (size_t middle = 0; middle < count; middle++) {
        size_t radius = 1 + (size_t)((vni_draw(&stepper->draw) >> 32) * window >> 32);
        size_t first = middle > radius ? middle - radius : 0;
        size_t last = middle + radius + 1 < count ? middle + radius + 1 : count;
        size_t soon = middle + window + VNI_AHEAD;
        if (around) {
            predict_around(worker, kept, first, last, middle, rate);
            continue;
        }
        if (soon < count && worker->inputs == NULL && !model->subwords.starts)
            vni_expect(stepper, vni_table_row(inputs, (size_t)kept[soon]));
        predict_middle(worker, kept, first, last, middle,
                       vni_next_targets(stepper, kept, count, middle), rate);
    }
}
