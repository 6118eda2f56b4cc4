/* The map that a fit leans on, or whose pairs it adds to: does it go with the rows, and where is it? */
#include "translate/fit_impl.h"

#include <string.h>

static vecna_status check_prior(const vni_fitting *f, const vecna_map *map, const char *what,
                                vecna_error *err) {
    const vni_pairs *pairs = &f->fit.pairs;
    if (!map->statistics) {
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "the map to %s keeps no statistics of its pairs: it was fitted "
                               "without them, or by an earlier version; fit it again",
                               what);
    }
    if (map->source_dim != pairs->source.dim || map->target_dim != pairs->target.dim) {
        return vecna_error_set(err, VECNA_ERR_DIM, -1,
                               "the map to %s goes from %zu to %zu dimensions, the pairs from %zu "
                               "to %zu: it must be of the same two models",
                               what, map->source_dim, map->target_dim, pairs->source.dim,
                               pairs->target.dim);
    }
    if (map->source_normalized != f->source_normalized ||
        (map->normalized && !f->fit.normalized && !f->options.keep_length)) {
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "the map to %s was fitted on rows of %s and these have %s: bring "
                               "both to length 1, or neither",
                               what, map->source_normalized ? "length 1" : "other lengths",
                               f->source_normalized ? "length 1" : "other lengths");
    }
    vecna_status status = VECNA_OK;
    if (map->source_space) {
        status = vecna_space_require(map->source_space, pairs->source, f->allocator, err);
    }
    if (!status && map->target_space) {
        status = vecna_space_require(map->target_space, pairs->target, f->allocator, err);
    }
    return status;
}

/* Sums in which each of the map's kinds counts more. */
static vecna_status take_kinds(vni_fitting *f, const vecna_map *map, vecna_error *err) {
    vecna_status status = VECNA_OK;
    for (size_t i = 0; i < map->kinds->count && !status; i++) {
        status = vni_kinds_mix(map->kinds, i, map->statistics, f->allocator, &f->mixes[i], err);
    }
    f->fit.pairs.prior.kinds = map->kinds;
    f->fit.pairs.prior.mixes = f->mixes;
    return status;
}

vecna_status vni_fit_take_prior(vni_fitting *f, vecna_error *err) {
    vecna_translate_options *o = &f->options;
    const vecna_map *map = o->update ? o->update : o->prior;
    if (!map) {
        return VECNA_OK;
    }
    if (o->update && o->prior) {
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "a map cannot be updated and lean on a prior at once: update it, "
                               "then fit with it as the prior");
    }
    vecna_status status = check_prior(f, map, o->update ? "update" : "lean on", err);
    if (status) {
        return status;
    }
    o->source_name = o->source_name ? o->source_name : map->source_name;
    o->target_name = o->target_name ? o->target_name : map->target_name;
    if (o->update) { /* what it is stays, unless it is said otherwise */
        o->role = map->role;
        o->recipe = o->recipe.method == VECNA_METHOD_AUTO ? map->recipe : o->recipe;
        if (map->memory && o->recipe.method == VECNA_METHOD_MEMORY) {
            status = vni_memory_pairs(map, f->allocator, o->pool, &f->kept, err);
            f->fit.pairs.kept = f->kept;
        }
        if (status) {
            return status;
        }
        if (map->memory && !f->kept) { /* its pairs cannot be told: what is left is the base */
            o->recipe = (vecna_recipe){
                .method = VECNA_METHOD_BLEND, .lambda = o->recipe.lambda, .share = o->recipe.share};
        }
    }
    f->fit.pairs.prior = (vni_prior){.statistics = map->statistics,
                                     .weight = 1,
                                     .one_mean = o->update != NULL,
                                     .whole = map->statistics};
    return o->update || !map->kinds || o->prior_weight > 0 ? VECNA_OK : take_kinds(f, map, err);
}

vecna_status vni_fit_check_kinds(const vni_fitting *f, vecna_error *err) {
    const vecna_translate_options *o = &f->options;
    const vecna_kinds_given *given = &o->kinds;
    if (given->count == 0) {
        return VECNA_OK;
    }
    if (given->count > VECNA_KINDS_MOST) {
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "%zu kinds of pairs: a map keeps at most %d apart", given->count,
                               VECNA_KINDS_MOST);
    }
    if (o->prior || o->update || o->statistics == VECNA_STATISTICS_NONE) {
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "kinds of pairs beside a prior, an update or without statistics: "
                               "they are parts of a map's own sums");
    }
    for (size_t i = 0; i < given->count; i++) {
        const size_t bytes = strlen(given->names[i]);
        if (bytes == 0 || bytes >= VECNA_KIND_BYTES) {
            return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                                   "kind %zu is named \"%.40s\": a name has 1 to %d bytes", i,
                                   given->names[i], VECNA_KIND_BYTES - 1);
        }
    }
    for (size_t i = 0; i < f->fit.pairs.source.rows; i++) {
        if (given->of[i] >= given->count) {
            return vecna_error_set(err, VECNA_ERR_ARGUMENT, (int64_t)i,
                                   "pair %zu is of kind %u, of %zu that are named", i, given->of[i],
                                   given->count);
        }
    }
    return VECNA_OK;
}
