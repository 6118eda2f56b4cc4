/* Each epoch has an order of its own that follows from the seed and its number alone, so that a training
 * that goes on from a state takes the way it would have taken. */
#include "train/epochs_impl.h"

#include <math.h>

static void shuffle(vni_epochs *way) {
    vecna_random random;
    vecna_random_seed(&random, way->seed, 1 + way->epoch);
    for (size_t i = 0; i < way->pairs; i++)
        way->order[i] = i;
    vecna_random_shuffle(&random, way->order, way->pairs);
}

vecna_status vni_epochs_start(vni_epochs *way, vecna_error *err) {
    way->loss = NAN;
    way->order = vecna_allocate(way->allocator, way->pairs, sizeof *way->order);
    if (way->order == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for %zu pairs", way->pairs);
    shuffle(way);
    return VECNA_OK;
}

void vni_epochs_free(vni_epochs *way) {
    vecna_release(way->allocator, way->order);
    way->order = NULL;
}

/* A last batch of a single pair would have nothing to compare with. */
size_t vni_epochs_next(const vni_epochs *way) {
    const size_t left = way->pairs - way->at, batch = way->batch;
    if (way->epoch >= way->epochs)
        return 0;
    return left <= batch ? left : left - batch == 1 ? batch - 1 : batch;
}

double vni_epochs_share(const vni_epochs *way) {
    const double share = (double)way->done / ((double)way->pairs * (double)way->epochs);
    return share < 0.1 ? (share + 1e-3) / 0.101 : (1 - share) / 0.9;
}

void vni_epochs_on(vni_epochs *way, size_t count, double loss) {
    way->loss = isnan(way->loss) ? loss : 0.95 * way->loss + 0.05 * loss;
    way->done += count;
    way->at += count;
    if (way->at == way->pairs) {
        way->at = 0;
        way->epoch++;
        shuffle(way);
    }
}

vecna_train_report vni_epochs_report(const vni_epochs *way, double rate) {
    const vecna_train_report report = {way->done,   (uint64_t)way->pairs * way->epochs, way->epoch,
                                       way->epochs, rate * vni_epochs_share(way),       way->loss};
    return report;
}

vni_epochs_place vni_epochs_told(const vni_epochs *way) {
    const vni_epochs_place place = {way->epoch, way->at, way->done, way->loss};
    return place;
}

vecna_status vni_epochs_resume(vni_epochs *way, const vni_epochs_place *place, const char *path,
                               vecna_error *err) {
    if (place->epoch > way->epochs || place->at >= way->pairs ||
        place->done != place->epoch * way->pairs + place->at)
        return vecna_error_set(err, VECNA_ERR_FORMAT, -1,
                               "%.150s tells of a place outside of the work", path);
    way->epoch = (size_t)place->epoch;
    way->at = (size_t)place->at;
    way->done = place->done;
    way->loss = place->loss;
    shuffle(way);
    return VECNA_OK;
}
