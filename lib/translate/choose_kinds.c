/* Folds of alike rows. Queries lie elsewhere than documents, and rows that are drawn at random lie where the
 * others do: what such rows ask says nothing of queries. So the source rows are grouped by k-means, and
 * each group in turn is held out whole: a map is asked about rows of a kind that it has not seen. Over the
 * judged sets this tells how much of the means is right, and overrates regression less than drawn rows
 * do (docs/translators.md). */
#include "translate/choose_impl.h"
#include "vecna/cluster.h"
#include "vecna/metric.h"

enum { ROWS_GROUPED = 4000, /* enough to find the centres */ ITERATIONS = 30 };

#define LARGEST_SHARE 0.6 /* of the rows in one group: what is left would be another, smaller set */

/* The centres of `folds` groups, from rows spread over the order. */
static vecna_status find_centres(const vni_fit *fit, const vni_split *split, float *centres,
                                 vecna_error *err) {
    const vni_pairs *pairs = &fit->pairs;
    const size_t dim = pairs->source.dim;
    const size_t count = split->rows < ROWS_GROUPED ? split->rows : ROWS_GROUPED;
    const vecna_kmeans_options options = {.iterations = ITERATIONS,
                                          .seed = fit->options->seed,
                                          .pool = pairs->pool,
                                          .allocator = pairs->allocator};
    size_t *chosen = vecna_allocate(pairs->allocator, count, sizeof *chosen);
    float *rows = vecna_allocate(pairs->allocator, count * dim, sizeof *rows);
    vecna_status status = VECNA_ERR_MEMORY;
    if (!chosen || !rows) {
        vecna_error_set(err, status, -1, "no memory to group %zu rows", count);
        goto done;
    }
    for (size_t i = 0; i < count; i++) {
        chosen[i] = split->order[i * split->rows / count];
    }
    vni_gather(pairs->source, chosen, count, vecna_matrix_dense(rows, count, dim));
    status = vecna_kmeans(vecna_view_dense(rows, count, dim), split->folds, &options, centres, NULL,
                          NULL, err);
done:
    vecna_release(pairs->allocator, chosen);
    vecna_release(pairs->allocator, rows);
    return status;
}

static size_t nearest(const float *row, const float *centres, const double *half, size_t folds,
                      size_t dim) {
    size_t best = 0;
    double most = 0;
    for (size_t f = 0; f < folds; f++) {
        const double at = vecna_metric_dot(row, centres + f * dim, dim) - half[f];
        if (f == 0 || at > most) {
            most = at;
            best = f;
        }
    }
    return best;
}

vecna_status vni_choose_kinds(const vni_fit *fit, vni_split *split, vecna_error *err) {
    const vni_pairs *pairs = &fit->pairs;
    const size_t dim = pairs->source.dim;
    size_t filled[VNI_CHOOSE_FOLDS] = {0}, largest = 0, kind = 0;
    double half[VNI_CHOOSE_FOLDS];
    vecna_status status = VECNA_ERR_MEMORY;
    float *centres = vecna_allocate(pairs->allocator, split->folds * dim, sizeof *centres);
    size_t *fold = vecna_allocate(pairs->allocator, split->rows, sizeof *fold);
    if (!centres || !fold) {
        vecna_error_set(err, status, -1, "no memory to group %zu rows", split->rows);
        goto done;
    }
    status = find_centres(fit, split, centres, err);
    if (status) {
        goto done;
    }
    for (size_t f = 0; f < split->folds; f++) {
        half[f] = vecna_metric_dot(centres + f * dim, centres + f * dim, dim) / 2;
    }
    for (size_t i = 0; i < split->rows; i++) { /* duplicates go where the first of them goes */
        const size_t row = split->order[i];
        if (i == 0 || fit->group[row] != fit->group[split->order[i - 1]]) {
            kind = nearest(pairs->source.data + row * pairs->source.stride, centres, half,
                           split->folds, dim);
        }
        fold[i] = kind;
        filled[kind]++;
    }
    for (size_t f = 0; f < split->folds; f++) {
        largest = filled[f] > largest ? filled[f] : largest;
    }
    for (size_t i = 0; i < split->rows && (double)largest <= LARGEST_SHARE * (double)split->rows;
         i++) {
        split->fold[split->order[i]] = fold[i];
    }
done:
    vecna_release(pairs->allocator, centres);
    vecna_release(pairs->allocator, fold);
    return status;
}
