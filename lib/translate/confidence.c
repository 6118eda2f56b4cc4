/* How far a translated row can be relied on, told from where it lies among the held rows.
 *
 * Eight features (trust_impl.h) and their squares predict, by ridge regression, the cosine with the
 * vector that the target model would have given, and the share of its native neighbours that it keeps.
 * The features of a held row leave the row itself out, so that it is to the others what a new row is to
 * all. The lower bound is conformal: residuals of cross-fitted predictions, each divided by the spread
 * that is usual at its prediction; the quantile of those bounds new rows of the same kind as often as
 * it says, whatever the regression is worth. Rows of another kind it need not bound: those further out
 * than 199 of 200 held rows are called outside. Measured in docs/confidence.md.
 *
 * Of one row alone, all of the time is the reading of what it is multiplied by: halves then. */
#include "translate/trust_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LAMBDA_LEVERAGE 0.1 /* of the mean variance */
#define TEMPERATURE 0.1     /* of the weights of near rows */
#define CLIP 4.0            /* deviations: beyond, a square would run away */
#define PENALTY 3.0         /* of the regression, on standardised features */
#define SPREAD_FLOOR 0.25   /* of the mean residual */

enum { FOLDS = 5, BLOCK_ROWS = 128, ROWS_F16 = 4 };

/* The held rows as floats, and what features need. */
typedef struct reference {
    const vecna_allocator *allocator;
    size_t rows, source_dim, target_dim, near;
    float *memory;
    float *source;   /* (rows, source dim) centred, length 1 */
    float *target;   /* (rows, target dim) */
    float *residual; /* (rows, target dim) target - translated */
    float *error;    /* (rows) 1 - cosine */
    float *mean;     /* (source dim) */
    float *axis;     /* (target dim) direction of the mean target */
    float *inverse;  /* (source dim, source dim) of the penalised sum of squares */
    vecna_linalg_f16 *inverse16, *source16, *target16; /* for a few rows; NULL: not asked for */
} reference;

/* Rows whose features are wanted; own: row i is held row i. */
typedef struct feature_job {
    const reference *reference;
    vecna_view in, translated;
    const float *lengths;
    int own;
    double *features; /* (rows, VNI_FEATURES) */
    vecna_status failed[64];
} feature_job;

/* ---- the reference --------------------------------------------------------------------------- */

static double length_of(const float *row, size_t dim) {
    return sqrt(vni_dot(row, row, dim));
}

static void scale_row(float *row, size_t dim, double by) {
    for (size_t j = 0; j < dim; j++) {
        row[j] = (float)((double)row[j] * by);
    }
}

/* Mean of the sources; sources less it, at length 1; inverse of their sum of squares. */
static vecna_status prepare_source(reference *r, vecna_error *err) {
    const size_t p = r->source_dim;
    vecna_status status = VECNA_ERR_MEMORY;
    double *sum = vecna_allocate_zero(r->allocator, p + 2 * p * p, sizeof *sum);
    if (!sum) {
        return vecna_error_set(err, status, -1, "no memory for %zu dimensions", p);
    }
    double *square = sum + p, *inverse = square + p * p, trace = 0;
    vecna_linalg_sum_add(vecna_view_dense(r->source, r->rows, p), sum);
    for (size_t j = 0; j < p; j++) {
        r->mean[j] = (float)(sum[j] / (double)r->rows);
    }
    for (size_t i = 0; i < r->rows; i++) {
        for (size_t j = 0; j < p; j++) {
            r->source[i * p + j] -= r->mean[j];
        }
    }
    const vecna_gram gram = {.gram = square, .allocator = r->allocator};
    status =
        vecna_linalg_gram_add(&gram, vecna_view_dense(r->source, r->rows, p), (vecna_view){0}, err);
    if (status) {
        goto done;
    }
    for (size_t j = 0; j < p; j++) {
        trace += square[j * p + j];
        inverse[j * p + j] = 1;
    }
    for (size_t j = 0; j < p; j++) { /* a trace of 0, all rows the same, must not stop it */
        square[j * p + j] += LAMBDA_LEVERAGE * trace / (double)p + 1e-12;
    }
    status = vecna_linalg_solve_spd(square, p, inverse, p, err);
    for (size_t j = 0; j < p * p && !status; j++) {
        r->inverse[j] = (float)inverse[j];
    }
    for (size_t i = 0; i < r->rows; i++) {
        const double length = length_of(r->source + i * p, p);
        scale_row(r->source + i * p, p, length > 0 ? 1 / length : 0);
    }
done:
    vecna_release(r->allocator, sum);
    return status;
}

static void prepare_target(reference *r) {
    const size_t q = r->target_dim;
    memset(r->axis, 0, q * sizeof *r->axis);
    for (size_t i = 0; i < r->rows; i++) {
        float *translated = r->residual + i * q;
        const float *target = r->target + i * q;
        r->error[i] = (float)(1 - vni_dot(translated, target, q));
        for (size_t j = 0; j < q; j++) {
            r->axis[j] += target[j] / (float)r->rows;
            translated[j] = target[j] - translated[j];
        }
    }
    const double length = length_of(r->axis, q);
    scale_row(r->axis, q, length > 0 ? 1 / length : 0);
}

static void reference_free(reference *r) {
    vecna_linalg_f16_free(r->inverse16);
    vecna_linalg_f16_free(r->source16);
    vecna_linalg_f16_free(r->target16);
    vecna_release(r->allocator, r->memory);
    r->memory = NULL;
}

static vecna_status reference_new(const vni_held *held, const vecna_allocator *allocator,
                                  reference *out, vecna_error *err) {
    const size_t rows = held->rows, p = held->source_dim, q = held->target_dim;
    reference r = {.allocator = allocator, .rows = rows, .source_dim = p, .target_dim = q};
    float *at = vecna_allocate(allocator, rows * (p + 2 * q + 1) + p + q + p * p, sizeof *at);
    if (!at) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for %zu held rows", rows);
    }
    r.memory = at;
    r.source = at;
    r.target = at += rows * p;
    r.residual = at += rows * q;
    r.error = at += rows * q;
    r.mean = at += rows;
    r.axis = at += p;
    r.inverse = at + q;
    r.near = (rows - 1) / 4 < VNI_NEAR ? (rows - 1) / 4 : VNI_NEAR;
    r.near = r.near ? r.near : 1;
    vni_held_rows(held, 0, r.source);
    vni_held_rows(held, 1, r.target);
    vni_held_rows(held, 2, r.residual);
    prepare_target(&r);
    vecna_status status = prepare_source(&r, err);
    if (status) {
        reference_free(&r);
        return status;
    }
    *out = r;
    return VECNA_OK;
}

/* Halves of (columns, inner) rows, which a product takes as (inner, columns). */
static vecna_status halves_of(const reference *r, const float *rows, size_t columns, size_t inner,
                              vecna_linalg_f16 **out, vecna_error *err) {
    float *turned = vecna_allocate(r->allocator, columns * inner, sizeof *turned);
    if (!turned) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for %zu rows of %zu", columns,
                               inner);
    }
    for (size_t i = 0; i < columns; i++) {
        for (size_t j = 0; j < inner; j++) {
            turned[j * columns + i] = rows[i * inner + j];
        }
    }
    vecna_status status =
        vecna_linalg_f16_new(vecna_matrix_dense(turned, inner, columns), r->allocator, out, err);
    vecna_release(r->allocator, turned);
    return status;
}

/* ---- features -------------------------------------------------------------------------------- */

/* rows * with' by its halves, when there are any and the rows are few; with: (columns, rows.dim). */
static vecna_status multiply(const vecna_linalg_f16 *halves, vecna_view rows, vecna_view with,
                             vecna_matrix out) {
    return halves && rows.rows <= ROWS_F16 ? vecna_linalg_f16_product(halves, rows, out, NULL)
                                           : vecna_linalg_product_rows(rows, with, out, NULL, NULL);
}

/* The nearest held sources of one row: their mean cosine, error and residual. */
static void look_at_neighbours(const reference *r, const float *cosines, size_t but,
                               double *features, double *residual) {
    size_t nearest[VNI_NEAR], filled = 0;
    const size_t q = r->target_dim;
    double sum = 0, weights = 0, error = 0, square = 0;
    for (size_t i = 0; i < r->rows; i++) {
        if (i == but || (filled == r->near && !(cosines[i] > cosines[nearest[filled - 1]]))) {
            continue;
        }
        size_t at = filled < r->near ? filled++ : r->near - 1;
        for (; at > 0 && cosines[nearest[at - 1]] < cosines[i]; at--) {
            nearest[at] = nearest[at - 1];
        }
        nearest[at] = i;
    }
    memset(residual, 0, q * sizeof *residual);
    for (size_t k = 0; k < filled; k++) {
        const double cosine = (double)cosines[nearest[k]];
        const double weight = exp((cosine - (double)cosines[nearest[0]]) / TEMPERATURE);
        sum += cosine;
        weights += weight;
        error += weight * (double)r->error[nearest[k]];
        for (size_t j = 0; j < q; j++) {
            residual[j] += weight * (double)r->residual[nearest[k] * q + j];
        }
    }
    weights = weights > 0 ? weights : 1;
    for (size_t j = 0; j < q; j++) {
        square += residual[j] * residual[j];
    }
    features[VNI_SOURCE_NEAR] = filled ? sum / (double)filled : 0;
    features[VNI_ERROR_NEAR] = error / weights;
    features[VNI_DISAGREEMENT] = sqrt(square) / weights;
}

static void features_of_row(const feature_job *job, size_t row, const float *centred,
                            const float *through, const float *source_cosines,
                            const float *target_cosines, double *residual) {
    const reference *r = job->reference;
    const size_t but = job->own ? row : SIZE_MAX;
    const float *translated = job->translated.data + row * job->translated.stride;
    double *features = job->features + row * VNI_FEATURES;
    double leverage = vni_dot(centred, through, r->source_dim);
    leverage = leverage > 0 ? leverage : 0;
    if (job->own) { /* as if the row were not in the sum */
        leverage = leverage < 0.999 ? leverage / (1 - leverage) : 999;
    }
    features[VNI_LEVERAGE] = log(leverage + 1 / (double)r->rows);
    features[VNI_LENGTH] = (double)job->lengths[row];
    features[VNI_TOWARDS_MEAN] = vni_dot(translated, r->axis, r->target_dim);
    features[VNI_TARGET_FIRST] = vni_mean_largest(target_cosines, r->rows, 1, but);
    features[VNI_TARGET_NEAR] = vni_mean_largest(target_cosines, r->rows, r->near, but);
    look_at_neighbours(r, source_cosines, but, features, residual);
    for (size_t f = 0; f < VNI_FEATURES; f++) { /* NaN in, NaN out would not be a confidence */
        features[f] = isfinite(features[f]) ? features[f] : 0;
    }
}

static void features_of_block(void *user, size_t begin, size_t end, size_t worker) {
    feature_job *job = user;
    const reference *r = job->reference;
    const size_t p = r->source_dim, q = r->target_dim, count = end - begin;
    float *room = vecna_allocate(r->allocator, count * (2 * p + 2 * r->rows), sizeof *room);
    double *residual = vecna_allocate(r->allocator, q, sizeof *residual);
    vecna_status status = room && residual ? VECNA_OK : VECNA_ERR_MEMORY;
    if (!status) {
        float *centred = room, *through = centred + count * p;
        float *near_source = through + count * p, *near_target = near_source + count * r->rows;
        const vecna_view translated = vecna_view_rows(job->translated, begin, count);
        for (size_t i = 0; i < count; i++) {
            const float *row = job->in.data + (begin + i) * job->in.stride;
            for (size_t j = 0; j < p; j++) {
                centred[i * p + j] = row[j] - r->mean[j];
            }
        }
        const vecna_view centred_rows = vecna_view_dense(centred, count, p);
        /* the inverse is symmetric */
        status = multiply(r->inverse16, centred_rows, vecna_view_dense(r->inverse, p, p),
                          vecna_matrix_dense(through, count, p));
        if (!status) {
            status = multiply(r->source16, centred_rows, vecna_view_dense(r->source, r->rows, p),
                              vecna_matrix_dense(near_source, count, r->rows));
        }
        if (!status) {
            status = multiply(r->target16, translated, vecna_view_dense(r->target, r->rows, q),
                              vecna_matrix_dense(near_target, count, r->rows));
        }
        for (size_t i = 0; i < count && !status; i++) {
            const double length = length_of(centred + i * p, p);
            scale_row(near_source + i * r->rows, r->rows, length > 0 ? 1 / length : 0);
            features_of_row(job, begin + i, centred + i * p, through + i * p,
                            near_source + i * r->rows, near_target + i * r->rows, residual);
        }
    }
    if (status) {
        job->failed[worker % 64] = status;
    }
    vecna_release(r->allocator, room);
    vecna_release(r->allocator, residual);
}

static vecna_status find_features(feature_job *job, vecna_pool *pool, vecna_error *err) {
    vecna_pool_run(pool, job->in.rows, BLOCK_ROWS, features_of_block, job);
    for (size_t i = 0; i < 64; i++) {
        if (job->failed[i]) {
            return vecna_error_set(err, job->failed[i], -1,
                                   job->failed[i] == VECNA_ERR_MEMORY
                                       ? "no memory for the confidence of rows"
                                       : "a product of the confidence was refused");
        }
    }
    return VECNA_OK;
}

/* ---- the regression -------------------------------------------------------------------------- */

static void spread_terms(const vni_confidence_model *m, const double *features, double *terms) {
    terms[0] = 1;
    for (size_t f = 0; f < VNI_FEATURES; f++) {
        double z = (features[f] - m->mean[f]) / m->deviation[f];
        z = z > CLIP ? CLIP : z < -CLIP ? -CLIP : z;
        terms[1 + f] = z;
        terms[1 + VNI_FEATURES + f] = z * z;
    }
}

static double predict(const double *weights, const double *terms) {
    double sum = 0;
    for (size_t i = 0; i < VNI_TERMS; i++) {
        sum += weights[i] * terms[i];
    }
    return sum;
}

static void standardise(vni_confidence_model *m, const double *features, size_t rows) {
    for (size_t f = 0; f < VNI_FEATURES; f++) {
        double sum = 0, squares = 0;
        for (size_t i = 0; i < rows; i++) {
            sum += features[i * VNI_FEATURES + f];
        }
        m->mean[f] = sum / (double)rows;
        for (size_t i = 0; i < rows; i++) {
            const double off = features[i * VNI_FEATURES + f] - m->mean[f];
            squares += off * off;
        }
        m->deviation[f] = sqrt(squares / (double)rows);
        m->deviation[f] = m->deviation[f] > 1e-9 ? m->deviation[f] : 1;
    }
}

/* Ridge over the terms of the rows that are not in `fold` (FOLDS: all rows). */
static vecna_status regress(const double *terms, const double *wanted, size_t rows, size_t fold,
                            double *weights, vecna_error *err) {
    double square[VNI_TERMS * VNI_TERMS] = {0};
    memset(weights, 0, VNI_TERMS * sizeof *weights);
    for (size_t i = 0; i < rows; i++) {
        const double *row = terms + i * VNI_TERMS;
        for (size_t a = 0; a < VNI_TERMS && i % FOLDS != fold; a++) {
            weights[a] += row[a] * wanted[i];
            for (size_t b = 0; b < VNI_TERMS; b++) {
                square[a * VNI_TERMS + b] += row[a] * row[b];
            }
        }
    }
    for (size_t a = 1; a < VNI_TERMS; a++) {
        square[a * VNI_TERMS + a] += PENALTY;
    }
    return vecna_linalg_solve_spd(square, VNI_TERMS, weights, 1, err);
}

static int compare_doubles(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double spread_at(const vni_confidence_model *m, double predicted) {
    const double spread = m->spread[0] + m->spread[1] * predicted;
    return spread > m->spread[2] ? spread : m->spread[2];
}

/* Spread of residuals as a line over the prediction, then the quantile of what is left. */
static void bound_residuals(vni_confidence_model *m, const double *predicted, double *residual,
                            size_t rows) {
    double mean_x = 0, mean_y = 0, xx = 0, xy = 0;
    for (size_t i = 0; i < rows; i++) {
        mean_x += predicted[i] / (double)rows;
        mean_y += fabs(residual[i]) / (double)rows;
    }
    for (size_t i = 0; i < rows; i++) {
        xx += (predicted[i] - mean_x) * (predicted[i] - mean_x);
        xy += (predicted[i] - mean_x) * (fabs(residual[i]) - mean_y);
    }
    m->spread[1] = xx > 1e-12 ? xy / xx : 0;
    m->spread[0] = mean_y - m->spread[1] * mean_x;
    m->spread[2] = SPREAD_FLOOR * mean_y + 1e-9;
    for (size_t i = 0; i < rows; i++) {
        residual[i] /= spread_at(m, predicted[i]);
    }
    qsort(residual, rows, sizeof *residual, compare_doubles);
    const size_t place =
        (size_t)(VNI_MISSED * (double)(rows + 1)); /* the place-th smallest, from 1 */
    m->quantile = residual[place ? place - 1 : 0];
}

/* Which values of a feature are further out than 199 of 200, on one side. */
static void find_limits(vni_confidence_model *m, const double *features, size_t rows,
                        double *room) {
    const size_t which[3] = {VNI_LEVERAGE, VNI_SOURCE_NEAR, VNI_TARGET_NEAR};
    const double shares[3] = {0.005, 0.0025, 0.0025};
    for (size_t k = 0; k < 3; k++) {
        for (size_t i = 0; i < rows; i++) {
            room[i] = features[i * VNI_FEATURES + which[k]];
        }
        qsort(room, rows, sizeof *room, compare_doubles);
        const size_t place = (size_t)(shares[k] * (double)rows);
        m->outside[k] = k == 0 ? room[rows - 1 - place] : room[place];
    }
}

/* Share of each row's native neighbours, among the held rows, that its translation has too. */
static vecna_status find_recall(const reference *r, const float *translated, double *recall,
                                vecna_pool *pool, vecna_error *err) {
    const size_t rows = r->rows, depth = vni_depth(rows), wide = depth + 1;
    vecna_status status = VECNA_ERR_MEMORY;
    int64_t *lists = vecna_allocate(r->allocator, 2 * rows * wide, sizeof *lists);
    if (!lists) {
        return vecna_error_set(err, status, -1, "no memory for the neighbours of held rows");
    }
    const vecna_view native = vecna_view_dense(r->target, rows, r->target_dim);
    status = vni_top(native, native, wide, lists, pool, r->allocator, err);
    status = status ? status
                    : vni_top(native, vecna_view_dense(translated, rows, r->target_dim), wide,
                              lists + rows * wide, pool, r->allocator, err);
    for (size_t i = 0; i < rows && !status; i++) {
        int64_t *truth = lists + i * wide, *found = lists + (rows + i) * wide;
        size_t kept = 0, asked = 0;
        for (size_t a = 0; a < wide && asked < depth; a++) { /* but itself */
            size_t seen = 0;
            if (truth[a] == (int64_t)i) {
                continue;
            }
            asked++;
            for (size_t b = 0; b < wide && seen < depth; b++) {
                seen += found[b] != (int64_t)i;
                kept += found[b] == truth[a];
            }
        }
        recall[i] = asked ? (double)kept / (double)asked : 0;
    }
    vecna_release(r->allocator, lists);
    return status;
}

/* Everything of the model, once features and truths stand. */
static vecna_status fit_model(vni_confidence_model *m, const double *features, double *terms,
                              const double *cosine, const double *recall, size_t rows, double *room,
                              vecna_error *err) {
    double weights[VNI_TERMS];
    double *predicted = room, *residual = room + rows;
    vecna_status status = VECNA_OK;
    standardise(m, features, rows);
    for (size_t i = 0; i < rows; i++) {
        spread_terms(m, features + i * VNI_FEATURES, terms + i * VNI_TERMS);
    }
    for (size_t fold = 0; fold < FOLDS && !status; fold++) {
        status = regress(terms, cosine, rows, fold, weights, err);
        for (size_t i = fold; i < rows && !status; i += FOLDS) {
            predicted[i] = predict(weights, terms + i * VNI_TERMS);
            residual[i] = cosine[i] - predicted[i];
        }
    }
    status = status ? status : regress(terms, cosine, rows, FOLDS, m->cosine, err);
    status = status ? status : regress(terms, recall, rows, FOLDS, m->recall, err);
    if (!status) {
        bound_residuals(m, predicted, residual, rows);
        find_limits(m, features, rows, room);
    }
    return status;
}

vecna_status vni_confidence_fit(vni_held *held, const float *lengths,
                                const vecna_allocator *allocator, vecna_pool *pool,
                                vecna_error *err) {
    const size_t rows = held->rows, p = held->source_dim, q = held->target_dim;
    reference r = {.memory = NULL};
    double *numbers = NULL;
    float *copies = vecna_allocate(allocator, rows * (p + q), sizeof *copies);
    vecna_status status = VECNA_ERR_MEMORY;
    if (!copies) {
        return vecna_error_set(err, status, -1, "no memory for %zu held rows", rows);
    }
    numbers = vecna_allocate(allocator, rows * (VNI_FEATURES + VNI_TERMS + 4), sizeof *numbers);
    if (!numbers) {
        vecna_error_set(err, status, -1, "no memory for %zu held rows", rows);
        goto done;
    }
    status = reference_new(held, allocator, &r, err);
    if (status) {
        goto done;
    }
    vni_held_rows(held, 0, copies);
    vni_held_rows(held, 2, copies + rows * p);
    vni_normalise(vecna_matrix_dense(copies + rows * p, rows, q), pool); /* as rows that come */
    double *terms = numbers + rows * VNI_FEATURES, *cosine = terms + rows * VNI_TERMS;
    double *recall = cosine + rows;
    feature_job job = {.reference = &r,
                       .in = vecna_view_dense(copies, rows, p),
                       .translated = vecna_view_dense(copies + rows * p, rows, q),
                       .lengths = lengths,
                       .own = 1,
                       .features = numbers};
    status = find_features(&job, pool, err);
    status = status ? status : find_recall(&r, copies + rows * p, recall, pool, err);
    held->model.cosine_mean = 0;
    for (size_t i = 0; i < rows && !status; i++) {
        cosine[i] = 1 - (double)r.error[i];
        held->model.cosine_mean += cosine[i] / (double)rows;
    }
    status =
        status ? status
               : fit_model(&held->model, numbers, terms, cosine, recall, rows, recall + rows, err);
done:
    reference_free(&r);
    vecna_release(allocator, copies);
    vecna_release(allocator, numbers);
    return status;
}

/* ---- applying -------------------------------------------------------------------------------- */

struct vecna_confidence {
    vecna_allocator allocator_copy;
    const vecna_allocator *allocator;
    const vecna_map *map; /* borrowed */
    reference reference;
};

vecna_status vecna_confidence_new(const vecna_map *map, const vecna_allocator *allocator,
                                  vecna_confidence **out, vecna_error *err) {
    if (!map->held) {
        return vecna_error_set(
            err, VECNA_ERR_UNSUPPORTED, -1,
            "the map has no confidence: it was fitted on fewer than about %d pairs, "
            "or without it; fit it again",
            VNI_HELD_LEAST);
    }
    vecna_confidence *confidence = vecna_allocate_zero(allocator, 1, sizeof *confidence);
    if (!confidence) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a confidence");
    }
    if (allocator) {
        confidence->allocator_copy = *allocator;
        confidence->allocator = &confidence->allocator_copy;
    }
    confidence->map = map;
    vecna_status status =
        reference_new(map->held, confidence->allocator, &confidence->reference, err);
    if (status) {
        vecna_release(allocator, confidence);
        return status;
    }
    *out = confidence;
    return VECNA_OK;
}

void vecna_confidence_free(vecna_confidence *confidence) {
    if (confidence) {
        vecna_allocator copy = confidence->allocator_copy;
        const vecna_allocator *allocator = confidence->allocator ? &copy : NULL;
        reference_free(&confidence->reference);
        vecna_release(allocator, confidence);
    }
}

vecna_status vecna_confidence_use_f16(vecna_confidence *confidence, vecna_error *err) {
    reference *r = &confidence->reference;
    vecna_linalg_f16 *made[3] = {NULL, NULL, NULL};
    if (r->inverse16 || !vecna_linalg_f16_is_fast()) {
        return VECNA_OK;
    }
    vecna_status status = halves_of(r, r->inverse, r->source_dim, r->source_dim, &made[0], err);
    status = status ? status : halves_of(r, r->source, r->rows, r->source_dim, &made[1], err);
    status = status ? status : halves_of(r, r->target, r->rows, r->target_dim, &made[2], err);
    if (status) {
        for (size_t i = 0; i < 3; i++) {
            vecna_linalg_f16_free(made[i]);
        }
        return status;
    }
    r->inverse16 = made[0];
    r->source16 = made[1];
    r->target16 = made[2];
    return VECNA_OK;
}

static float within(double value, double least, double most) {
    return (float)(value < least ? least : value > most ? most : value);
}

static vecna_confidence_row judge_row(const vni_confidence_model *m, const double *features) {
    double terms[VNI_TERMS];
    spread_terms(m, features, terms);
    const double cosine = predict(m->cosine, terms);
    const vecna_confidence_row row = {
        .recall = within(predict(m->recall, terms), 0, 1),
        .cosine = within(cosine, -1, 1),
        .least = within(cosine + m->quantile * spread_at(m, cosine), -1, 1),
        .outside = features[VNI_LEVERAGE] > m->outside[0] ||
                   features[VNI_SOURCE_NEAR] < m->outside[1] ||
                   features[VNI_TARGET_NEAR] < m->outside[2],
    };
    return row;
}

/* Rows at length 1 where the map divides by it, translations at length 1, and the length of the
 * product, in copies. */
static vecna_status prepare_rows(const vecna_map *map, vecna_view in, vecna_view translated,
                                 float *copies, float *lengths, vecna_pool *pool,
                                 vecna_error *err) {
    const size_t p = map->source_dim, q = map->target_dim;
    vecna_matrix sources = vecna_matrix_dense(copies, in.rows, p);
    vecna_matrix results = vecna_matrix_dense(copies + in.rows * p, in.rows, q);
    for (size_t i = 0; i < in.rows; i++) {
        memcpy(sources.data + i * p, in.data + i * in.stride, p * sizeof(float));
    }
    if (map->source_normalized) {
        vni_normalise(sources, pool);
    }
    vecna_status status =
        map->f16 && in.rows <= ROWS_F16
            ? vecna_linalg_f16_product(map->f16, vecna_matrix_view(sources), results, err)
            : vni_product(vecna_matrix_view(sources), vecna_view_dense(map->weights, p, q), results,
                          pool, err);
    for (size_t i = 0; i < in.rows && !status; i++) {
        double square = 0;
        for (size_t j = 0; j < q; j++) {
            const double value = (double)results.data[i * q + j] + (double)map->bias[j];
            square += value * value;
        }
        lengths[i] = (float)sqrt(square);
        memcpy(results.data + i * q, translated.data + i * translated.stride, q * sizeof(float));
    }
    if (!status) {
        vni_normalise(results, pool);
    }
    return status;
}

vecna_status vecna_confidence_of(const vecna_confidence *confidence, vecna_view in,
                                 vecna_view translated, vecna_confidence_row *out, vecna_pool *pool,
                                 vecna_error *err) {
    const vecna_map *map = confidence->map;
    const vecna_allocator *allocator = confidence->allocator;
    const size_t p = map->source_dim, q = map->target_dim;
    vecna_status status = VECNA_ERR_MEMORY;
    size_t floats;
    if (in.dim != p || translated.dim != q || in.rows != translated.rows) {
        return vecna_error_set(err, VECNA_ERR_DIM, -1,
                               "%zu rows of %zu and %zu translated ones of %zu dimensions: the map "
                               "translates %zu to %zu",
                               in.rows, in.dim, translated.rows, translated.dim, p, q);
    }
    float *copies = vecna_size_mul(in.rows, p + q + 1, &floats)
                        ? vecna_allocate(allocator, floats, sizeof *copies)
                        : NULL;
    double *features = vecna_allocate(allocator, in.rows, VNI_FEATURES * sizeof *features);
    if (!copies || !features) {
        vecna_error_set(err, status, -1, "no memory for the confidence of %zu rows", in.rows);
        goto done;
    }
    float *lengths = copies + in.rows * (p + q);
    status = prepare_rows(map, in, translated, copies, lengths, pool, err);
    if (status) {
        goto done;
    }
    feature_job job = {.reference = &confidence->reference,
                       .in = vecna_view_dense(copies, in.rows, p),
                       .translated = vecna_view_dense(copies + in.rows * p, in.rows, q),
                       .lengths = lengths,
                       .features = features};
    status = find_features(&job, pool, err);
    for (size_t i = 0; i < in.rows && !status; i++) {
        out[i] = judge_row(&map->held->model, features + i * VNI_FEATURES);
    }
done:
    vecna_release(allocator, copies);
    vecna_release(allocator, features);
    return status;
}
