/* A map without a pair of one's own: the prior's sums, about the means of one's own rows where both
 * sides have some. Rows need no partner for a mean. */
#include "translate/translate_impl.h"

#include <math.h>
#include <string.h>

#define UNIT_TOLERANCE 0.02 /* as where pairs are taken */

/* Means of a sample, its rows as long as the prior's are, and the energy about them. */
static vecna_status take_mean(vecna_view rows, int unit, const char *side, double *mean,
                              double *energy, vecna_error *err) {
    double square = 0;
    for (size_t i = 0; i < rows.rows; i++) {
        const float *row = rows.data + i * rows.stride;
        const double length = sqrt(vni_dot(row, row, rows.dim));
        if (!(length > 0) || !isfinite(length)) {
            return vecna_error_set(err, VECNA_ERR_VALUE, (int64_t)i,
                                   "row %zu of the %s is zero or holds NaN or infinity: remove it",
                                   i, side);
        }
        if (unit && fabs(length - 1) >= UNIT_TOLERANCE) {
            return vecna_error_set(err, VECNA_ERR_VALUE, (int64_t)i,
                                   "row %zu of the %s has length %.3g, the prior's rows have 1", i,
                                   side, length);
        }
        const double scale = unit ? 1 / length : 1;
        for (size_t j = 0; j < rows.dim; j++) {
            mean[j] += scale * (double)row[j] / (double)rows.rows;
        }
        square += unit ? 1 : length * length;
    }
    for (size_t j = 0; j < rows.dim; j++) {
        square -= (double)rows.rows * mean[j] * mean[j];
    }
    *energy = square > 0 ? square : 0;
    return VECNA_OK;
}

/* Both means, shrunk towards the prior's by the share of noise in their distance. */
static vecna_status take_means(const vecna_map *prior, vecna_view source, vecna_view target,
                               double *means, double *share, vecna_error *err) {
    const vni_statistics *s = prior->statistics;
    double energy[2] = {0, 0}, noise = 0, apart = 0;
    vecna_status status =
        take_mean(source, prior->source_normalized, "source", means, &energy[0], err);
    status = status ? status
                    : take_mean(target, prior->normalized, "target", means + s->source_dim,
                                &energy[1], err);
    if (status) {
        return status;
    }
    for (int side = 0; side < 2; side++) {
        const double rows = (double)(side ? target.rows : source.rows);
        noise += energy[side] / (rows > 2 ? rows - 1 : 1) / rows;
    }
    for (size_t j = 0; j < s->source_dim + s->target_dim; j++) {
        const double d = means[j] - s->source_mean[j];
        apart += d * d;
    }
    *share = apart > noise ? noise / apart : 1;
    for (size_t j = 0; j < s->source_dim + s->target_dim; j++) {
        means[j] += *share * (s->source_mean[j] - means[j]);
    }
    return VECNA_OK;
}

static vecna_status check_arguments(const vecna_map *prior, vecna_view source, vecna_view target,
                                    const vecna_translate_options *o, vecna_error *err) {
    if (!prior->statistics) {
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "the prior keeps no statistics of its pairs: it was fitted without "
                               "them, or by an earlier version; fit it again");
    }
    if ((source.rows > 0) != (target.rows > 0)) {
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "%zu source rows and %zu target rows: the mean of one side alone "
                               "moves nothing; give rows of both or of neither",
                               source.rows, target.rows);
    }
    if (source.rows > 0 && (source.dim != prior->source_dim || target.dim != prior->target_dim)) {
        return vecna_error_set(err, VECNA_ERR_DIM, -1,
                               "the prior goes from %zu to %zu dimensions, the rows have %zu and "
                               "%zu: it must be of the same two models",
                               prior->source_dim, prior->target_dim, source.dim, target.dim);
    }
    if ((unsigned)o->recipe.method > VECNA_METHOD_FAMILY ||
        (unsigned)o->statistics > VECNA_STATISTICS_NONE) {
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1, "method %d, statistics of kind %d",
                               (int)o->recipe.method, (int)o->statistics);
    }
    vecna_status status = VECNA_OK;
    if (source.rows > 0 && prior->source_space) {
        status = vecna_space_require(prior->source_space, source, o->allocator, err);
    }
    if (!status && source.rows > 0 && prior->target_space) {
        status = vecna_space_require(prior->target_space, target, o->allocator, err);
    }
    return status;
}

/* The recipe asked for, the prior's own where the role is the same, or what stands for the role. */
static vecna_recipe recipe_of(const vecna_map *prior, const vecna_translate_options *o) {
    vecna_recipe r = o->recipe;
    if (r.method == VECNA_METHOD_AUTO) {
        r = prior->recipe;
        if (o->role != prior->role) {
            r = (vecna_recipe){.method = o->role == VECNA_ROLE_QUERY ? VECNA_METHOD_PROCRUSTES
                                                                     : VECNA_METHOD_BLEND};
        }
    }
    if (r.method == VECNA_METHOD_MEMORY) { /* without pairs there is nothing to remember */
        r = (vecna_recipe){.method = VECNA_METHOD_BLEND, .lambda = r.lambda, .share = r.share};
    }
    const int has_lambda = r.method >= VECNA_METHOD_RIDGE;
    const int blends = r.method == VECNA_METHOD_BLEND || r.method == VECNA_METHOD_BLEND_PLAIN;
    r.lambda = has_lambda && !(r.lambda > 0) ? 1 : r.lambda;
    r.share = blends && !(r.share > 0) ? 0.6 : r.share;
    r.exponent = r.method == VECNA_METHOD_FAMILY && !(r.exponent > 0) ? 0.5 : r.exponent;
    if (r.method == VECNA_METHOD_REDUCED_RANK && !r.rank) {
        r.rank = prior->source_dim < prior->target_dim ? prior->source_dim : prior->target_dim;
    }
    return r;
}

static vecna_status copy_space(const vecna_space *from, const char *name, vecna_view rows,
                               const vecna_allocator *allocator, vecna_space **out,
                               vecna_error *err) {
    vecna_space_options options = {.allocator = allocator, .name = name};
    vecna_space_parts parts;
    if (rows.rows >= 200) { /* fewer know less of the space than the prior does */
        return vecna_space_of(rows, &options, out, err);
    }
    if (!from) {
        return VECNA_OK;
    }
    vecna_space_parts_of(from, &parts);
    parts.name = name;
    return vecna_space_from_parts(&parts, allocator, out, err);
}

/* Everything of the map but its weights. */
static vecna_status describe(vecna_map *map, const vecna_map *prior,
                             const vecna_translate_options *o, const vni_basis *basis,
                             vecna_error *err) {
    const vni_statistics *s = prior->statistics;
    map->role = o->role;
    map->normalized = prior->normalized && !o->keep_length;
    map->source_normalized = prior->source_normalized;
    map->rows_fit = (size_t)s->count;
    map->has_report = 1;
    map->report.prior_rows = s->count;
    map->report.prior_weight = 1;
    map->report.rank = basis->rank;
    map->report.verdict =
        prior->verdict == VECNA_VERDICT_FAIL ? VECNA_VERDICT_FAIL : VECNA_VERDICT_WARN;
    map->report.reasons = VECNA_REASON_NOT_JUDGED;
    map->verdict = map->report.verdict;
    map->reasons = map->report.reasons;
    if (o->statistics == VECNA_STATISTICS_NONE) {
        return VECNA_OK;
    }
    vecna_status status = vni_statistics_copy(s, map->allocator, &map->statistics, err);
    if (!status) {
        memcpy(map->statistics->source_mean, basis->source_mean, s->source_dim * sizeof(double));
        memcpy(map->statistics->target_mean, basis->target_mean, s->target_dim * sizeof(double));
    }
    return !status && o->statistics == VECNA_STATISTICS_F16
               ? vni_statistics_halve(map->statistics, map->allocator, err)
               : status;
}

vecna_status vecna_translate_prior(const vecna_map *prior, vecna_view source, vecna_view target,
                                   const vecna_translate_options *options, vecna_map **out,
                                   vecna_error *err) {
    static const vecna_translate_options defaults;
    const vecna_translate_options *o = options ? options : &defaults;
    const size_t p = prior->source_dim, q = prior->target_dim;
    vni_moments none = {0};
    vni_basis basis = {0};
    vecna_map *map = NULL;
    double *means = NULL, *block = NULL, share = 1;
    vecna_status status = check_arguments(prior, source, target, o, err);
    if (status) {
        return status;
    }
    means = vecna_allocate_zero(o->allocator, p + q, sizeof *means);
    if (!means) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a mean");
    }
    memcpy(means, prior->statistics->source_mean, (p + q) * sizeof *means);
    if (source.rows > 0) {
        memset(means, 0, (p + q) * sizeof *means);
        status = take_means(prior, source, target, means, &share, err);
    }
    status = status ? status : vni_moments_new(p, q, o->allocator, &none, err);
    if (status) {
        goto done;
    }
    none.count = 1; /* one row at the means: no sums of its own */
    vni_pairs pairs = {{NULL, 0, p, p},
                       {NULL, 0, q, q},
                       means,
                       means + p,
                       o->pool,
                       o->allocator,
                       {.statistics = prior->statistics, .weight = 1},
                       0,
                       NULL};
    vecna_recipe recipe = recipe_of(prior, o);
    status = vni_basis_new(&none, &pairs, NULL, (size_t)prior->statistics->count,
                           vni_recipe_rotates(&recipe), &basis, err);
    status = status ? status
                    : vni_map_new(p, q, o->source_name ? o->source_name : prior->source_name,
                                  o->target_name ? o->target_name : prior->target_name,
                                  o->allocator, &map, err);
    if (status) {
        goto done;
    }
    block = vecna_allocate(o->allocator, basis.rank * q, sizeof *block);
    if (!block) {
        status = vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a map");
        goto done;
    }
    map->recipe = recipe;
    status = vni_block(&basis, &recipe, block, err);
    status = status ? status
                    : vni_block_to_map(&basis, block, (vni_means){.share = recipe.means},
                                       map->weights, map->bias, err);
    status = status ? status : describe(map, prior, o, &basis, err);
    map->report.prior_mean_share = share;
    status = status ? status
                    : copy_space(prior->source_space, map->source_name, source, map->allocator,
                                 &map->source_space, err);
    status = status ? status
                    : copy_space(prior->target_space, map->target_name, target, map->allocator,
                                 &map->target_space, err);
    if (!status) {
        vni_map_seal(map);
        status = vni_map_print_report(map, err);
    }
    if (!status) {
        *out = map;
        map = NULL;
    }
done:
    vecna_map_free(map);
    vni_basis_free(&basis);
    vni_moments_free(&none);
    vecna_release(o->allocator, block);
    vecna_release(o->allocator, means);
    return status;
}
