/* Do these vectors come from that space?
 *
 * Two things are asked of the rows, and both are measured against the same null: that their space
 * is the space rotated at random, which is what another model looks like.
 *
 *   projection  mean cosine to the mean direction. Narrow-cone models answer with this alone.
 *   gain        of what remains without that direction, the energy in the principal directions,
 *               each weighted by variance / (variance + mean variance), over what a random rotation
 *               would give. Near-isotropic models, whose mean is their domain's and not their own,
 *               answer with this.
 *
 * For A the weighted projection and S the second moments of the rows, gain is tr(AS) over
 * tr(A)tr(S)/D in D = dim - 1 dimensions, and under a uniform rotation tr(AS) has exactly that mean
 * and the variance 2 |A0|^2 |S0|^2 / ((D - 1)(D + 2)), A0 and S0 without their traces: no shuffling
 * is needed, and rows that resemble each other count as the few rows that they are.
 *
 * z says that the two are related, gain how much. Models with a common ancestor are related, so z
 * is cut at 8 and more rows do not make more evidence than the gain bears out. */
#include "space/space_impl.h"

#include "vecna/linalg.h"

#include <math.h>
#include <string.h>

enum { GAIN_ROWS = 128, DIM_MIN = 16, ROWS_MIN = 16 };

const char *vecna_space_verdict_name(vecna_space_verdict verdict) {
    switch (verdict) {
    case VECNA_SPACE_SAME:
        return "same";
    case VECNA_SPACE_OTHER:
        return "other";
    case VECNA_SPACE_UNKNOWN:
        break;
    }
    return "unknown";
}

static int can_judge(const vecna_space_parts *parts) {
    return parts->dim >= DIM_MIN && parts->rows >= ROWS_MIN && parts->directions > 0;
}

static double length_of(const float *values, size_t dim) {
    double squares = 0;
    for (size_t j = 0; j < dim; j++)
        squares += (double)values[j] * values[j];
    return sqrt(squares);
}

void vni_weights_fill(const vecna_space_parts *parts, vni_weights *weights) {
    double dims = (double)parts->dim - 1, base = parts->spread / dims, squares = 0;
    weights->sum = 0;
    for (size_t k = 0; k < parts->directions; k++) {
        double variance = parts->variances[k];
        double weight = variance > 0 ? variance / (variance + base) : 0;
        weights->weight[k] = weight;
        weights->sum += weight;
        squares += weight * weight;
    }
    squares -= weights->sum * weights->sum / dims;
    weights->norm = sqrt(squares > 0 ? squares : 0);
}

static double clamp(double value, double low, double high) {
    return value < low ? low : value > high ? high : value;
}

/* Fitted by scripts/fit_space_check.py on pairs of real models and domains; docs/space.md has what
 * it weighs and how often it errs on models that it was not fitted on. */
double vni_likelihood(const vecna_space_parts *parts, const vecna_space_match *match) {
    double cone = match->projection_expected;
    double relative = cone > 0 ? clamp(match->projection / cone, -0.5, 1.2) : 0;
    double excess = parts->gain - 1 > 0.05 ? parts->gain - 1 : 0.05;
    double agreement = clamp((match->gain - 1) / excess, -0.3, 1.2);
    double missing = relative < 1 ? 1 - relative : 0;
    double breadth = parts->breadth > 1 ? parts->breadth : 1;
    double rows = parts->rows < 5000 ? (double)parts->rows : 5000;
    double logit = 8.173 + 2.050 * asinh(clamp(match->z, -8, 8) / 2) + 10.404 * agreement +
                   4.318 * cone * relative - 9.719 * missing * pow(cone, 4) - 1.641 * log(breadth) -
                   0.809 * log(rows);
    return 1 / (1 + exp(-logit));
}

/* ---- the rows -------------------------------------------------------------------------------- */

typedef struct looked {
    const vecna_space_parts *parts;
    const vecna_allocator *allocator;
    float *axis;              /* (dim) direction of the mean */
    float *rows;              /* (GAIN_ROWS, dim) without their part along it */
    float *along;             /* (GAIN_ROWS, directions) */
    float *gram;              /* (GAIN_ROWS, GAIN_ROWS) */
    double *weight;           /* (directions) */
    double cosine[GAIN_ROWS]; /* of the kept rows to the axis */
    size_t kept;              /* rows */
} looked;

static vecna_status looked_allocate(looked *l, vecna_error *err) {
    size_t dim = l->parts->dim, directions = l->parts->directions;
    l->axis = vecna_allocate(l->allocator, dim, (GAIN_ROWS + 1) * sizeof *l->axis);
    l->along = vecna_allocate(l->allocator, directions + GAIN_ROWS, GAIN_ROWS * sizeof *l->along);
    l->weight = vecna_allocate(l->allocator, directions, sizeof *l->weight);
    if (!l->axis || !l->along || !l->weight)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                               "no memory to check rows of dimension %zu against a space", dim);
    l->rows = l->axis + dim;
    l->gram = l->along + GAIN_ROWS * directions;
    return VECNA_OK;
}

static void looked_free(looked *l) {
    vecna_release(l->allocator, l->axis);
    vecna_release(l->allocator, l->along);
    vecna_release(l->allocator, l->weight);
}

/* Cosine of every usable row to the axis, summed; every step-th row is kept. */
static void project(looked *l, vecna_view rows, vecna_space_match *match) {
    size_t dim = rows.dim, next = 0, asked = 0;
    size_t wanted = rows.rows < GAIN_ROWS ? rows.rows : GAIN_ROWS;
    double sum = 0;
    for (size_t i = 0; i < rows.rows; i++) {
        const float *row = rows.data + i * rows.stride;
        double norm, cosine = 0;
        int chosen = i == next;
        if (chosen && ++asked < wanted) /* i * wanted below never overflows: rows fit into memory */
            next = (size_t)((double)asked * (double)rows.rows / (double)wanted);
        if (vni_row_norm(row, dim, &norm) != VNI_ROW_USABLE)
            continue;
        for (size_t j = 0; j < dim; j++)
            cosine += (double)row[j] * l->axis[j];
        cosine /= norm;
        sum += cosine;
        match->rows++;
        if (!chosen)
            continue;
        l->cosine[l->kept] = cosine;
        float *to = l->rows + l->kept++ * dim;
        for (size_t j = 0; j < dim; j++)
            to[j] = (float)(row[j] / norm - cosine * l->axis[j]);
    }
    if (match->rows)
        match->projection = sum / (double)match->rows;
}

/* Gain and z from a weighted energy, and the trace and squared norm of its second moments. */
static void score_to_match(const vni_weights *weights, double dims, double score, double trace,
                           double squares, vecna_space_match *match) {
    double beside = squares - trace * trace / dims;
    double chance = weights->sum * trace / dims;
    double deviation =
        weights->norm * sqrt(beside > 0 ? beside : 0) * sqrt(2 / ((dims - 1) * (dims + 2)));
    if (chance > 0 && deviation > 0) {
        match->gain = score / chance;
        match->z = (score - chance) / deviation;
    }
}

/* Gain and z of the kept rows together, and how many of them would be refused alone. */
static vecna_status measure(looked *l, vecna_space_match *match, vecna_error *err) {
    const vecna_space_parts *parts = l->parts;
    size_t directions = parts->directions, kept = l->kept;
    double dims = (double)parts->dim - 1, count = (double)kept, trace = 0, squares = 0, score = 0;
    vecna_view rows = vecna_view_dense(l->rows, kept, parts->dim);
    vecna_view principal = vecna_view_dense(parts->principal, directions, parts->dim);
    vecna_matrix along = vecna_matrix_dense(l->along, kept, directions);
    vecna_status status = vecna_linalg_product_rows(rows, principal, along, NULL, err);
    if (status == VECNA_OK)
        status = vecna_linalg_product_rows(rows, rows, vecna_matrix_dense(l->gram, kept, kept),
                                           NULL, err);
    if (status != VECNA_OK)
        return status;
    vni_weights weights = {.weight = l->weight};
    vni_weights_fill(parts, &weights);
    for (size_t i = 0; i < kept; i++) {
        double energy = l->gram[i * kept + i], own = 0;
        for (size_t k = 0; k < kept; k++)
            squares += (double)l->gram[i * kept + k] * l->gram[i * kept + k];
        for (size_t k = 0; k < directions; k++) {
            double part = l->along[i * directions + k];
            own += weights.weight[k] * part * part;
        }
        trace += energy;
        score += own;
        vecna_space_match alone = {.projection = l->cosine[i],
                                   .projection_expected = match->projection_expected,
                                   .gain = 1};
        score_to_match(&weights, dims, own, energy, energy * energy, &alone);
        match->rows_other += vni_likelihood(parts, &alone) < VECNA_SPACE_REFUSE;
    }
    match->rows_judged = kept;
    score_to_match(&weights, dims, score / count, trace / count, squares / (count * count), match);
    return VECNA_OK;
}

static void judge(const vecna_space_parts *parts, vecna_space_match *match) {
    match->likelihood = 0.5;
    match->verdict = VECNA_SPACE_UNKNOWN;
    if (!can_judge(parts))
        return;
    match->likelihood = vni_likelihood(parts, match);
    if (match->likelihood >= VECNA_SPACE_ACCEPT)
        match->verdict = VECNA_SPACE_SAME;
    else if (match->likelihood < VECNA_SPACE_REFUSE)
        match->verdict = VECNA_SPACE_OTHER;
}

vecna_status vecna_space_check(const vecna_space *space, vecna_view rows,
                               const vecna_allocator *allocator, vecna_space_match *out,
                               vecna_error *err) {
    vecna_space_parts parts;
    vecna_space_parts_of(space, &parts);
    if (rows.dim != parts.dim)
        return vecna_error_set(
            err, VECNA_ERR_DIM, -1,
            "vectors of dimension %zu cannot come from the space %s of dimension %zu", rows.dim,
            *parts.name ? parts.name : "(unnamed)", parts.dim);
    looked l = {.parts = &parts, .allocator = allocator};
    vecna_space_match match = {.gain = 1, .gain_expected = parts.gain};
    vecna_status status = looked_allocate(&l, err);
    if (status != VECNA_OK)
        goto done;
    match.projection_expected = length_of(parts.mean, parts.dim);
    for (size_t j = 0; j < parts.dim; j++)
        l.axis[j] = match.projection_expected > 1e-9
                        ? (float)(parts.mean[j] / match.projection_expected)
                        : 0;
    project(&l, rows, &match);
    if (match.rows == 0) {
        status =
            vecna_error_set(err, VECNA_ERR_VALUE, -1,
                            "none of the %zu vectors can be checked against the space %s: all are "
                            "zero or not finite",
                            rows.rows, *parts.name ? parts.name : "(unnamed)");
        goto done;
    }
    if (can_judge(&parts) && l.kept)
        status = measure(&l, &match, err);
    if (status != VECNA_OK)
        goto done;
    judge(&parts, &match);
    *out = match;
done:
    looked_free(&l);
    return status;
}

vecna_status vecna_space_require(const vecna_space *space, vecna_view rows,
                                 const vecna_allocator *allocator, vecna_error *err) {
    vecna_space_match match;
    vecna_space_parts parts;
    vecna_space_parts_of(space, &parts);
    const char *name = *parts.name ? parts.name : "(unnamed)";
    if (rows.dim != parts.dim)
        return vecna_error_set(err, VECNA_ERR_SPACE, -1,
                               "these vectors have %zu dimensions, the space %s has %zu", rows.dim,
                               name, parts.dim);
    vecna_status status = vecna_space_check(space, rows, allocator, &match, err);
    if (status == VECNA_OK && match.verdict == VECNA_SPACE_OTHER)
        status = vecna_error_set(
            err, VECNA_ERR_SPACE, -1,
            "these vectors do not look like %s (likelihood %.2g); they may be another model's of "
            "the same dimension",
            name, match.likelihood);
    return status;
}
