/* The state of a training on disk: every number that decides what comes next, and the options and the
 * text that it belongs to. A state is taken between rounds only, so there are no copies of rows and no
 * half-used random numbers to keep: a round's numbers follow from the seed, epoch, round and thread. */
#include "train/word2vec_impl.h"

#include "train/state_impl.h"

#include <inttypes.h>
#include <stdio.h>

enum { OPTIONS_BYTES = 400 };

static void describe(const vecna_word2vec *model, char *out) {
    const vecna_word2vec_options *o = &model->options;
    snprintf(out, OPTIONS_BYTES,
             "word2vec arch=%d gradient=%d hierarchical=%d dim=%zu window=%zu negative=%zu "
             "exponent=%.9g sample=%.9g rate=%.9g epochs=%zu min_n=%zu max_n=%zu buckets=%zu "
             "threads=%zu seed=%" PRIu64 " text=%016" PRIx64,
             (int)o->arch, (int)o->cbow_gradient, o->hierarchical != 0, o->dim, o->window,
             o->negative, o->exponent, o->sample, o->rate, o->epochs, o->min_n, o->max_n,
             o->buckets, o->threads, o->seed, model->supply->fingerprint);
}

static size_t collect(const vecna_word2vec *model, uint64_t *progress, vni_state_part *parts) {
    const vni_table *inputs = &model->shared.tables[VNI_INPUTS];
    const vni_table *outputs = &model->shared.tables[VNI_OUTPUTS];
    vni_state_part all[] = {
        {"inputs", inputs->data, inputs->rows, inputs->dim * 4, inputs->width * 4},
        {"outputs", outputs->data, outputs->rows, outputs->dim * 4, outputs->width * 4},
        {"progress", progress, VNI_PROGRESS_WORDS + model->options.threads, 8, 8},
    };
    memcpy(parts, all, sizeof all);
    return sizeof all / sizeof *all;
}

vecna_status vecna_word2vec_save(const vecna_word2vec *model, const char *path, vecna_error *err) {
    char options[OPTIONS_BYTES];
    vni_state_part parts[4];
    size_t threads = model->options.threads, count;
    uint64_t *progress =
        vecna_allocate(model->allocator, VNI_PROGRESS_WORDS + threads, sizeof *progress);
    vecna_status status;
    if (progress == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for a checkpoint");
    vni_progress_pack(&model->progress, progress);
    for (size_t t = 0; t < threads; t++)
        progress[VNI_PROGRESS_WORDS + t] = model->workers[t].share.at;
    describe(model, options);
    count = collect(model, progress, parts);
    status = vni_state_save(path, options, parts, count, model->allocator, err);
    vecna_release(model->allocator, progress);
    return status;
}

vecna_status vecna_word2vec_load(vecna_word2vec *model, const char *path, vecna_error *err) {
    char options[OPTIONS_BYTES];
    vni_state_part parts[4];
    size_t threads = model->options.threads, count;
    uint64_t *progress =
        vecna_allocate(model->allocator, VNI_PROGRESS_WORDS + threads, sizeof *progress);
    vecna_status status;
    if (progress == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for a checkpoint");
    describe(model, options);
    count = collect(model, progress, parts);
    status = vni_state_load(path, options, parts, count, model->allocator, err);
    if (status == VECNA_OK && progress[1] > model->options.epochs)
        status = vecna_error_set(err, VECNA_ERR_FORMAT, -1, "%.150s tells of epoch %" PRIu64, path,
                                 progress[1]);
    for (size_t t = 0; status == VECNA_OK && t < threads; t++)
        if (progress[VNI_PROGRESS_WORDS + t] > model->workers[t].share.end ||
            progress[VNI_PROGRESS_WORDS + t] < model->workers[t].share.at)
            status = vecna_error_set(err, VECNA_ERR_FORMAT, -1,
                                     "%.150s tells of a place outside of the text", path);
    if (status == VECNA_OK) {
        vni_progress_unpack(progress, &model->progress);
        for (size_t t = 0; t < threads; t++)
            model->workers[t].share.at = (size_t)progress[VNI_PROGRESS_WORDS + t];
    }
    vecna_release(model->allocator, progress);
    return status;
}
