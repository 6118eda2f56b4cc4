/* Scores that can be compared: a native row and a translated one, in one list.
 *
 * A query's score of a translation is on another scale than its score of the true vector: background
 * rows come out too near, the best too far. One curve for all queries does not mend it, because queries
 * differ in level: a curve learned from documents that ask is wrong for short questions. So a score is
 * taken less its query's level, the mean of its best among the held rows, translated or native; the
 * curve between what is left is the same for all (docs/scores.md#merging has the measurements). It is a
 * matching of quantiles, dense towards the top, up to one score in 2,000. What a query wants lies above
 * that, where other held rows say nothing; but each held row, as a query, knows the score of its own
 * translation and that of itself, 1: their means are the last knot. Beyond its ends the curve rises by 1. */
#include "translate/trust_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TOP_SHARE 0.0005 /* of the scores, above the last knot but one */

enum { LEVEL_SHARE = 100, LEVEL_LEAST = 3, SAMPLES_MOST = 1 << 17, QUERIES_TOGETHER = 64 };

struct vecna_scores {
    vecna_allocator allocator_copy;
    const vecna_allocator *allocator;
    size_t rows, dim, count; /* held rows; how many make a level */
    float *translated;       /* (rows, dim), then native (rows, dim) */
    float *native;
    double curve[2 * VNI_KNOTS];
};

static size_t level_count(size_t rows) {
    size_t count = rows / LEVEL_SHARE;
    return count < LEVEL_LEAST ? LEVEL_LEAST : count;
}

static double follow(const double *curve, double score) {
    const double *from = curve, *to = curve + VNI_KNOTS;
    size_t low = 0, high = VNI_KNOTS - 1;
    if (!(score > from[0])) {
        return to[0] + (score - from[0]);
    }
    if (score >= from[high]) {
        return to[high] + (score - from[high]);
    }
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (from[middle] <= score) {
            low = middle;
        } else {
            high = middle;
        }
    }
    const double width = from[high] - from[low];
    const double share = width > 0 ? (score - from[low]) / width : 0;
    return to[low] + share * (to[high] - to[low]);
}

/* ---- fitting --------------------------------------------------------------------------------- */

typedef struct sample {
    float *raw, *shifted; /* scores, and less their level */
    size_t count;
    double own; /* mean score of a query with its own row, less its level */
} sample;

static int compare_floats(const void *a, const void *b) {
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Scores of the held targets, as queries, with other rows: every step-th; and with their own. */
static vecna_status gather_scores(const float *queries, const float *rows, size_t count, size_t dim,
                                  size_t step, sample *out, float *room, vecna_error *err) {
    size_t at = 0, counter = 0;
    for (size_t begin = 0; begin < count; begin += QUERIES_TOGETHER) {
        const size_t here = count - begin < QUERIES_TOGETHER ? count - begin : QUERIES_TOGETHER;
        vecna_status status = vecna_linalg_product_rows(
            vecna_view_dense(queries + begin * dim, here, dim), vecna_view_dense(rows, count, dim),
            vecna_matrix_dense(room, here, count), NULL, err);
        if (status) {
            return status;
        }
        for (size_t i = 0; i < here; i++) {
            const float *scores = room + i * count;
            const double level = vni_mean_largest(scores, count, level_count(count), begin + i);
            out->own += ((double)scores[begin + i] - level) / (double)count;
            for (size_t j = 0; j < count; j++) {
                if (j != begin + i && counter++ % step == 0) {
                    out->raw[at] = scores[j];
                    out->shifted[at++] = (float)((double)scores[j] - level);
                }
            }
        }
    }
    out->count = at;
    return VECNA_OK;
}

/* Largest distance of two cumulated distributions; both ascend. */
static double kolmogorov(const float *a, size_t a_count, const float *b, size_t b_count) {
    double most = 0;
    size_t i = 0, j = 0;
    while (i < a_count && j < b_count) {
        const float at = a[i] < b[j] ? a[i] : b[j];
        while (i < a_count && a[i] <= at) {
            i++;
        }
        while (j < b_count && b[j] <= at) {
            j++;
        }
        most = fmax(most, fabs((double)i / (double)a_count - (double)j / (double)b_count));
    }
    return most;
}

static double quantile_of(const float *ascending, size_t count, double share) {
    const double place = share * (double)(count - 1);
    const size_t low = (size_t)place;
    const size_t high = low + 1 < count ? low + 1 : low;
    return (double)ascending[low] +
           (place - (double)low) * ((double)ascending[high] - (double)ascending[low]);
}

/* Knots at shares 0, ... 1 - TOP_SHARE of both, evenly in the logarithm of what is above them, and one of own
 * rows, where that is above them too. */
static void match_quantiles(float *from, float *to, size_t count, double own_from, double own_to,
                            double *curve) {
    enum { QUANTILES = VNI_KNOTS - 1 };
    const double top = fmax(TOP_SHARE, 1 / (double)count);
    double *last_from = curve + QUANTILES, *last_to = curve + VNI_KNOTS + QUANTILES;
    qsort(from, count, sizeof *from, compare_floats);
    qsort(to, count, sizeof *to, compare_floats);
    for (size_t k = 0; k < QUANTILES; k++) {
        const double above = pow(top, (double)k / (QUANTILES - 1));
        curve[k] = quantile_of(from, count, 1 - above);
        curve[VNI_KNOTS + k] = quantile_of(to, count, 1 - above);
    }
    *last_from = own_from;
    *last_to = own_to;
    if (!(own_from > last_from[-1] && own_to >= last_to[-1])) {
        *last_from = last_from[-1] + 1;
        *last_to = last_to[-1] + 1;
    }
}

/* Fit on the first half of the samples, measure on the second, then fit on both: samples lie query by
 * query, so the second half are other queries. Levels are put back for the figures. */
static void fit_curve(vni_held *held, sample *translated, sample *native, float *room) {
    const size_t half = translated->count / 2, rest = translated->count - half;
    memcpy(room, translated->shifted, half * sizeof *room);
    memcpy(room + half, native->shifted, half * sizeof *room);
    match_quantiles(room, room + half, half, translated->own, native->own, held->curve);
    for (size_t i = 0; i < rest; i++) {
        const size_t at = half + i;
        const double level = (double)native->raw[at] - (double)native->shifted[at];
        room[i] = (float)(level + follow(held->curve, (double)translated->shifted[at]));
    }
    qsort(room, rest, sizeof *room, compare_floats);
    qsort(native->raw + half, rest, sizeof *room, compare_floats);
    qsort(translated->raw + half, rest, sizeof *room, compare_floats);
    held->ks_before = kolmogorov(translated->raw + half, rest, native->raw + half, rest);
    held->ks_after = kolmogorov(room, rest, native->raw + half, rest);
    match_quantiles(translated->shifted, native->shifted, translated->count, translated->own,
                    native->own, held->curve);
    held->has_curve = 1;
}

vecna_status vni_scores_fit(vni_held *held, const vecna_allocator *allocator, vecna_error *err) {
    const size_t rows = held->rows, dim = held->target_dim;
    const size_t pairs = rows * (rows - 1), step = pairs / SAMPLES_MOST + 1;
    const size_t most = pairs / step + 1;
    vecna_status status = VECNA_ERR_MEMORY;
    float *vectors = vecna_allocate(allocator, 2 * rows * dim, sizeof *vectors);
    float *room = vecna_allocate(allocator, QUERIES_TOGETHER * rows, sizeof *room);
    float *samples = vecna_allocate(allocator, 5 * most, sizeof *samples);
    if (!vectors || !room || !samples) {
        vecna_error_set(err, status, -1, "no memory to calibrate on %zu rows", rows);
        goto done;
    }
    sample translated = {samples, samples + most, 0, 0};
    sample native = {samples + 2 * most, samples + 3 * most, 0, 0};
    vni_held_rows(held, 1, vectors);
    vni_held_rows(held, 2, vectors + rows * dim);
    status = gather_scores(vectors, vectors + rows * dim, rows, dim, step, &translated, room, err);
    status = status ? status : gather_scores(vectors, vectors, rows, dim, step, &native, room, err);
    if (!status) {
        fit_curve(held, &translated, &native, samples + 4 * most);
    }
done:
    vecna_release(allocator, vectors);
    vecna_release(allocator, room);
    vecna_release(allocator, samples);
    return status;
}

/* ---- applying -------------------------------------------------------------------------------- */

vecna_status vecna_scores_new(const vecna_map *map, const vecna_allocator *allocator,
                              vecna_scores **out, vecna_error *err) {
    const vni_held *held = map->held;
    if (!held || !held->has_curve) {
        return vecna_error_set(
            err, VECNA_ERR_UNSUPPORTED, -1,
            "the map has no calibration of scores: it is for queries, was fitted on "
            "fewer than about %d pairs, or without them; fit it again",
            VNI_HELD_LEAST);
    }
    vecna_scores *scores = vecna_allocate_zero(allocator, 1, sizeof *scores);
    if (!scores) {
        goto memory;
    }
    if (allocator) {
        scores->allocator_copy = *allocator;
        scores->allocator = &scores->allocator_copy;
    }
    scores->rows = held->rows;
    scores->dim = held->target_dim;
    scores->count = level_count(held->rows);
    memcpy(scores->curve, held->curve, sizeof scores->curve);
    scores->translated =
        vecna_allocate(allocator, held->rows * held->target_dim, 2 * sizeof(float));
    if (!scores->translated) {
        goto memory;
    }
    scores->native = scores->translated + held->rows * held->target_dim;
    vni_held_rows(held, 2, scores->translated);
    vni_held_rows(held, 1, scores->native);
    *out = scores;
    return VECNA_OK;
memory:
    vecna_scores_free(scores);
    return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to calibrate scores");
}

void vecna_scores_free(vecna_scores *scores) {
    if (scores) {
        vecna_allocator copy = scores->allocator_copy;
        const vecna_allocator *allocator = scores->allocator ? &copy : NULL;
        vecna_release(allocator, scores->translated);
        vecna_release(allocator, scores);
    }
}

vecna_status vecna_scores_levels(const vecna_scores *scores, vecna_view queries,
                                 vecna_score_level *out, vecna_pool *pool, vecna_error *err) {
    if (queries.dim != scores->dim) {
        return vecna_error_set(err, VECNA_ERR_DIM, -1,
                               "queries of %zu dimensions, the map translates to %zu", queries.dim,
                               scores->dim);
    }
    const size_t width = 2 * scores->rows;
    float *room = vecna_allocate(scores->allocator, QUERIES_TOGETHER * width, sizeof *room);
    if (!room) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for the level of a query");
    }
    vecna_status status = VECNA_OK;
    for (size_t begin = 0; begin < queries.rows && !status; begin += QUERIES_TOGETHER) {
        const size_t left = queries.rows - begin;
        const size_t here = left < QUERIES_TOGETHER ? left : QUERIES_TOGETHER;
        status = vecna_linalg_product_rows(vecna_view_rows(queries, begin, here),
                                           vecna_view_dense(scores->translated, width, scores->dim),
                                           vecna_matrix_dense(room, here, width), pool, err);
        for (size_t i = 0; i < here && !status; i++) {
            const float *query = queries.data + (begin + i) * queries.stride;
            const double square = vni_dot(query, query, queries.dim);
            const double scale = square > 0 && isfinite(square) ? 1 / sqrt(square) : 0;
            const float *row = room + i * width;
            out[begin + i].translated =
                scale * vni_mean_largest(row, scores->rows, scores->count, SIZE_MAX);
            out[begin + i].native =
                scale * vni_mean_largest(row + scores->rows, scores->rows, scores->count, SIZE_MAX);
        }
    }
    vecna_release(scores->allocator, room);
    return status;
}

double vecna_scores_calibrate(const vecna_scores *scores, vecna_score_level level, double score) {
    return level.native + follow(scores->curve, score - level.translated);
}
