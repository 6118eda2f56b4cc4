/* Pairs that are added to a map which has them already.
 *
 * An update reports on held-out folds of the new pairs, fitted on the others and on the sums of all old
 * ones. A new pair that is an old one is in those sums, held out or not, and every figure is of rows
 * that were seen. Who can be asked:
 *
 *   a memory, which keeps every pair;
 *   the held rows of the confidence, up to a thousand of the pairs of the last fit, drawn evenly: the
 *   share of them that comes again tells how many pairs do. Both are kept as bytes, to a cosine of
 *   0.9999, and what is nearer than SAME on both sides is taken for the same text;
 *   the sums, where neither knows of any: they tell what the map misses of its own pairs, on the mean.
 *   Of pairs that it has not seen it misses more by a share of about 2 d / n, with d free numbers for a
 *   target dimension and n pairs; of other kinds of text much more (docs/translators.md). Missing less
 *   than half way there, clearly, is missing as little as of what was fitted. d is between half of the
 *   lesser dimension for a rotation and all of it for ridge; a third is taken, to be sure, and nothing
 *   is said where it makes no difference worth saying.
 */
#include "translate/fit_impl.h"
#include "translate/trust_impl.h"

#include <math.h>

#define SAME 0.9995     /* cosine: as a memory leaves a pair out that is the row itself */
#define GAP_LEAST 0.025 /* of the mean square that is missed; below, figures are hardly too good */
#define ERRORS 2        /* standard errors of the mean */
enum { ASKED = 1000 };

static double cosine(const float *a, const float *b, size_t dim) {
    const double aa = vni_dot(a, a, dim), bb = vni_dot(b, b, dim);
    return aa > 0 && bb > 0 ? vni_dot(a, b, dim) / sqrt(aa * bb) : 0;
}

/* The share of `asked` pairs that are among `all`: the nearest source is the same, and its target. */
static vecna_status share_known(const vni_fitting *f, vecna_view asked, vecna_view asked_target,
                                vecna_view all, vecna_view all_target, double *share,
                                vecna_error *err) {
    size_t known = 0;
    int64_t *nearest = vecna_allocate(f->allocator, asked.rows, sizeof *nearest);
    if (!nearest) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to look for known pairs");
    }
    vecna_status status = vni_top(all, asked, 1, nearest, f->options.pool, f->allocator, err);
    for (size_t i = 0; i < asked.rows && !status; i++) {
        const size_t at = (size_t)nearest[i];
        known +=
            cosine(asked.data + i * asked.stride, all.data + at * all.stride, all.dim) >= SAME &&
            cosine(asked_target.data + i * asked_target.stride,
                   all_target.data + at * all_target.stride, all_target.dim) >= SAME;
    }
    *share = asked.rows ? (double)known / (double)asked.rows : 0;
    vecna_release(f->allocator, nearest);
    return status;
}

/* Evenly spread new pairs, looked for among all that the memory keeps. */
static vecna_status ask_memory(vni_fitting *f, double *share, vecna_error *err) {
    const vni_pairs *pairs = &f->fit.pairs;
    const size_t p = pairs->source.dim, q = pairs->target.dim, rows = pairs->source.rows;
    const size_t count = rows < ASKED ? rows : ASKED;
    size_t *list = vecna_allocate(f->allocator, count, sizeof *list);
    float *room = vecna_allocate(f->allocator, count * (p + q), sizeof *room);
    vecna_status status = VECNA_ERR_MEMORY;
    if (!list || !room) {
        vecna_error_set(err, status, -1, "no memory to look for known pairs");
        goto done;
    }
    for (size_t i = 0; i < count; i++) {
        list[i] = i * rows / count;
    }
    vni_gather(pairs->source, list, count, vecna_matrix_dense(room, count, p));
    vni_gather(pairs->target, list, count, vecna_matrix_dense(room + count * p, count, q));
    status = share_known(
        f, vecna_view_dense(room, count, p), vecna_view_dense(room + count * p, count, q),
        vecna_matrix_view(f->kept->source), vecna_matrix_view(f->kept->target), share, err);
done:
    vecna_release(f->allocator, list);
    vecna_release(f->allocator, room);
    return status;
}

/* Held rows of the map, looked for among all new pairs. */
static vecna_status ask_held(vni_fitting *f, const vni_held *held, double *share,
                             vecna_error *err) {
    const size_t p = held->source_dim, q = held->target_dim, rows = held->rows;
    float *room = vecna_allocate(f->allocator, rows * (p + q), sizeof *room);
    if (!room) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to look for known pairs");
    }
    float *target = room + rows * p;
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < p; j++) {
            room[i * p + j] = held->scales[i] * (float)held->source[i * p + j];
        }
        for (size_t j = 0; j < q; j++) {
            target[i * q + j] = held->scales[rows + i] * (float)held->target[i * q + j];
        }
    }
    vecna_status status =
        share_known(f, vecna_view_dense(room, rows, p), vecna_view_dense(target, rows, q),
                    f->fit.pairs.source, f->fit.pairs.target, share, err);
    vecna_release(f->allocator, room);
    return status;
}

/* tr(W' S W) - 2 tr(W' C) + the targets' energy: what the map misses of its own pairs, for one of them. */
static vecna_status missed_of_own(const vni_fitting *f, const vecna_map *old, double *missed,
                                  vecna_error *err) {
    const vni_statistics *s = old->statistics;
    const size_t p = s->source_dim, q = s->target_dim;
    double *room = vecna_allocate_zero(f->allocator, p * p + 3 * p * q, sizeof *room);
    if (!room) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to look for known pairs");
    }
    vni_dense square = {room, p, p}, weights = {room + p * p, p, q};
    vni_dense through = {weights.data + p * q, p, q};
    double *cross = through.data + p * q, sum = s->target_energy;
    vni_statistics_add(s, 1, square.data, cross);
    for (size_t i = 0; i < p * q; i++) {
        weights.data[i] = (double)old->weights[i];
    }
    vecna_status status = vni_dense_product(&square, 0, &weights, 0, &through, err);
    for (size_t i = 0; i < p * q && !status; i++) {
        sum += weights.data[i] * (through.data[i] - 2 * cross[i]);
    }
    *missed = sum / s->count;
    vecna_release(f->allocator, room);
    return status;
}

/* Square of what the map misses of a pair, before translations are brought to length 1, about the
 * means of its own pairs. */
static double missed_of(const vecna_map *old, const float *x, const float *y, double *out) {
    const vni_statistics *s = old->statistics;
    const size_t p = s->source_dim, q = s->target_dim;
    double square = 0;
    for (size_t j = 0; j < q; j++) {
        out[j] = (double)y[j] - s->target_mean[j];
    }
    for (size_t i = 0; i < p; i++) {
        const double d = (double)x[i] - s->source_mean[i];
        for (size_t j = 0; j < q; j++) {
            out[j] -= d * (double)old->weights[i * q + j];
        }
    }
    for (size_t j = 0; j < q; j++) {
        square += out[j] * out[j];
    }
    return square;
}

/* All of the new pairs, or none: what is missed of them against what is missed of the map's own. */
static vecna_status ask_sums(vni_fitting *f, const vecna_map *old, double *share,
                             vecna_error *err) {
    const vni_pairs *pairs = &f->fit.pairs;
    const size_t rows = pairs->source.rows, count = rows < ASKED ? rows : ASKED;
    const size_t lesser = old->source_dim < old->target_dim ? old->source_dim : old->target_dim;
    const double gap = (double)lesser / 3 / old->statistics->count;
    double own = 0, sum = 0, squares = 0;
    double *out = vecna_allocate(f->allocator, old->target_dim, sizeof *out);
    *share = 0;
    if (!out) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to look for known pairs");
    }
    vecna_status status = missed_of_own(f, old, &own, err);
    for (size_t i = 0; i < count && !status && gap >= GAP_LEAST; i++) {
        const size_t row = i * rows / count;
        const double one = missed_of(old, pairs->source.data + row * pairs->source.stride,
                                     pairs->target.data + row * pairs->target.stride, out);
        sum += one;
        squares += one * one;
    }
    if (!status && gap >= GAP_LEAST && count > 1) {
        const double mean = sum / (double)count;
        const double error =
            sqrt(fmax(0, squares / (double)count - mean * mean) / (double)(count - 1));
        *share = own > 0 && mean + ERRORS * error < own * (1 + gap);
    }
    vecna_release(f->allocator, out);
    return status;
}

vecna_status vni_fit_find_known(vni_fitting *f, vecna_error *err) {
    const vecna_map *old = f->options.update;
    const double rows = (double)f->fit.pairs.source.rows;
    vecna_status status = VECNA_OK;
    double share = 0;
    if (!old) {
        return VECNA_OK;
    }
    if (f->kept) { /* which is of rows of length 1 */
        status = ask_memory(f, &share, err);
        f->report.known_rows = share * rows;
        return status;
    }
    if (old->held && f->source_normalized) { /* nearest by product is nearest at length 1 alone */
        const size_t of = old->held->of ? old->held->of : old->rows_fit;
        status = ask_held(f, old->held, &share, err);
        f->report.known_rows = fmin(rows, share * (double)of);
    }
    if (!status && !(f->report.known_rows > VNI_SHARE_KNOWN * rows)) {
        status = ask_sums(f, old, &share, err);
        f->report.known_rows = share > 0 ? rows : f->report.known_rows;
    }
    return status;
}
