/* The rounds of the trainers by prediction (steps_impl.h): every thread trains its share a little way,
 * copies are merged, and someone may look on. A state is only ever saved between two of them. */
#include "train/steps_impl.h"

#include <math.h>

#define LOSS_MOST 1e4

void vni_share_start(vni_share *share, const vni_progress *progress, uint64_t seed, size_t thread) {
    /* tables draw from streams below 2^32 */
    uint64_t stream =
        ((uint64_t)progress->epoch + 1) << 48 | (uint64_t)progress->round << 12 | thread;
    vni_stepper_start(&share->stepper, seed, stream);
    share->words = 0;
}

/* Whether the epoch has positions left. */
static int close_round(const vni_rounds *rounds) {
    vni_progress *progress = rounds->progress;
    uint64_t predictions = 0;
    double loss = 0;
    int left = 0;
    for (size_t t = 0; t < rounds->threads; t++) {
        const vni_share *share = rounds->share(rounds->model, t);
        progress->words += share->words;
        predictions += share->stepper.loss_count;
        loss += share->stepper.loss_sum;
        left |= share->at < share->end;
    }
    if (predictions > 0)
        progress->loss = loss / (double)predictions;
    progress->round++;
    return left;
}

vecna_status vni_train_rounds(const vni_rounds *rounds, vecna_pool *pool, vecna_train_watch *watch,
                              void *user, vecna_error *err) {
    vni_progress *progress = rounds->progress;
    while (progress->epoch < rounds->epochs) {
        vecna_train_report report;
        vecna_pool_run(pool, rounds->threads, 1, rounds->train_share, rounds->model);
        vni_shared_merge(rounds->shared, pool);
        if (!close_round(rounds)) {
            progress->epoch++;
            progress->round = 0;
            rounds->start_epoch(rounds->model);
        }
        if (!isnan(progress->loss) && !(progress->loss < LOSS_MOST))
            return vecna_error_set(err, VECNA_ERR_NUMERIC, -1,
                                   "training ran away (loss %g): lower the rate, %g",
                                   progress->loss, rounds->rate);
        report = rounds->report(rounds->model);
        if (watch && watch(user, &report))
            break;
    }
    return VECNA_OK;
}

void vni_progress_pack(const vni_progress *progress, uint64_t *out) {
    out[0] = progress->words;
    out[1] = progress->epoch;
    out[2] = progress->round;
    memcpy(&out[3], &progress->loss, sizeof progress->loss);
}

void vni_progress_unpack(const uint64_t *words, vni_progress *out) {
    out->words = words[0];
    out->epoch = (size_t)words[1];
    out->round = (size_t)words[2];
    memcpy(&out->loss, &words[3], sizeof out->loss);
}
