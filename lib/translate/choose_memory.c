/* Memories among the candidates: each corrects what the blend translates, so they come after the
 * linear methods, in the order of simplicity, and need evidence of their own.
 *
 * Held-out rows are corrected by the pairs of the other folds, so that no pair corrects itself. The
 * criterion agrees with judged queries on whether a memory helps (docs/translators.md), so three standard
 * errors are asked for against the choice among the linear ones, and one against the numbers of a
 * memory that stand. */
#include "translate/choose_impl.h"

#include <math.h>
#include <string.h>

enum {
    NEIGHBOURS = 24,
    ROWS_TO_REMEMBER = 400, /* `auto` remembers no fewer: a share of them is compared */
    ROWS_BESIDE_KIND = 2000 /* the same where a kind of a prior's pairs knows more than they do */
};

/* Shares of the base, temperatures and corrections that are tried together; the first stand. */
static const struct {
    double share, temperature, correction;
} tried[] = {{0.8, 0.1, 1.5}, {0.8, 0.1, 1},  {0.8, 0.2, 1.5}, {0.6, 0.1, 1},  {0.6, 0.1, 0.5},
             {0.6, 0.1, 1.5}, {0.6, 0.05, 1}, {0.6, 0.2, 1},   {0.6, 0.2, 1.5}};
static const vni_evidence for_memory = {3, 0};
static const vni_evidence for_numbers = {2, 0};

int vni_choose_remembers(const vni_fit *fit, size_t rows) {
    const vecna_translate_options *o = fit->options;
    return o->recipe.method == VECNA_METHOD_MEMORY ||
           (o->recipe.method == VECNA_METHOD_AUTO && o->role == VECNA_ROLE_DOCUMENT &&
            rows >= (vni_prior_of_kind(&fit->pairs.prior) ? ROWS_BESIDE_KIND : ROWS_TO_REMEMBER));
}

void vni_choose_forget(vni_comparison *c, vni_held *h) {
    vni_memory_free(h->memory);
    vecna_release(c->allocator, h->found.rows);
    vecna_release(c->allocator, h->found.scores);
    h->memory = NULL;
    h->found = (vni_neighbours){0};
}

/* The memory of a fold's other rows for the base that c->block holds, and the neighbours of its rows. */
static vecna_status make_memory(vni_comparison *c, vni_held *h, const vecna_recipe *recipe,
                                vecna_error *err) {
    const vni_fit *fit = c->fit;
    const size_t p = fit->pairs.source.dim, q = c->dim;
    vecna_status status = VECNA_ERR_MEMORY;
    vni_choose_forget(c, h);
    float *weights = vecna_allocate(c->allocator, (p + 1) * q, sizeof *weights);
    float *sources = vecna_allocate(c->allocator, h->count * p, sizeof *sources);
    if (!weights || !sources) {
        vecna_error_set(err, status, -1, "no memory to remember %zu pairs", h->trained);
        goto done;
    }
    float *bias = weights + p * q;
    status = vni_block_to_map(&h->basis, c->block, (vni_means){.share = recipe->means}, weights,
                              bias, err);
    const vni_memory_input input = {&fit->pairs, fit->key, h->train, h->trained,
                                    weights,     bias,     recipe};
    status = status ? status : vni_memory_new(&input, c->allocator, &h->memory, err);
    if (status) {
        goto done;
    }
    h->remembered = *recipe;
    h->found.k = h->memory->neighbours;
    h->found.rows = vecna_allocate(c->allocator, h->count * h->found.k, sizeof *h->found.rows);
    h->found.scores = vecna_allocate(c->allocator, h->count * h->found.k, sizeof *h->found.scores);
    if (!h->found.rows || !h->found.scores) {
        status =
            vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to look up %zu rows", h->count);
        goto done;
    }
    vecna_matrix held = vecna_matrix_dense(sources, h->count, p);
    vni_gather(fit->pairs.source, h->rows, h->count, held);
    status = vni_memory_find(h->memory, vecna_matrix_view(held), &h->found, fit->pairs.pool, err);
done:
    vecna_release(c->allocator, weights);
    vecna_release(c->allocator, sources);
    return status;
}

/* The queries of a sample, which lie behind no fold. */
static vecna_status correct_sample(vni_comparison *c, vni_held *h, vecna_error *err) {
    const vni_fit *fit = c->fit;
    const size_t p = fit->pairs.source.dim;
    vecna_matrix asked = vecna_matrix_dense(c->asked, c->queries, c->dim);
    float *sources = vecna_allocate(c->allocator, c->queries * p, sizeof *sources);
    if (!sources) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for %zu queries", c->queries);
    }
    for (size_t i = 0; i < c->queries; i++) {
        vni_gather(fit->query_source, &fit->query_select[c->query_row[i]], 1,
                   vecna_matrix_dense(sources + i * p, 1, p));
    }
    vecna_status status = vni_memory_correct(h->memory, vecna_view_dense(sources, c->queries, p),
                                             asked, fit->pairs.pool, err);
    vni_normalise(asked, fit->pairs.pool);
    vecna_release(c->allocator, sources);
    return status;
}

vecna_status vni_choose_remember(vni_comparison *c, vni_held *h, const vecna_recipe *recipe,
                                 vecna_error *err) {
    const vecna_recipe *base = &h->remembered;
    vecna_status status = VECNA_OK;
    if (!h->memory || base->share != recipe->share || base->lambda != recipe->lambda ||
        base->neighbours != recipe->neighbours) {
        status = make_memory(c, h, recipe, err);
    }
    if (status) {
        return status;
    }
    h->memory->temperature = recipe->temperature;
    h->memory->correction = recipe->correction;
    vecna_matrix rows = vecna_matrix_dense(c->translated + h->first * c->dim, h->count, c->dim);
    vni_memory_add(h->memory, &h->found, rows);
    vni_normalise(rows, c->fit->pairs.pool);
    return h->asked ? correct_sample(c, h, err) : VECNA_OK;
}

vecna_status vni_choose_memories(vni_comparison *c, vecna_recipe given, vecna_error *err) {
    const int query = c->fit->options->role == VECNA_ROLE_QUERY;
    vecna_status status = VECNA_OK;
    vecna_recipe recipe = given;
    recipe.method = VECNA_METHOD_MEMORY;
    recipe.neighbours = given.neighbours ? given.neighbours : NEIGHBOURS;
    for (size_t i = 0; i < sizeof tried / sizeof *tried && !status; i++) {
        recipe.share = given.share > 0 ? given.share : query ? 1 : tried[i].share;
        recipe.temperature = given.temperature > 0 ? given.temperature : tried[i].temperature;
        recipe.correction = given.correction > 0 ? given.correction : tried[i].correction;
        status = vni_choose_try(c, recipe, err);
    }
    return status;
}

size_t vni_choose_between(vni_comparison *c, size_t chosen, size_t standing) {
    size_t first = c->candidate_count, best;
    for (size_t i = c->candidate_count; i-- > 0;) {
        first = c->candidates[i].recipe.method == VECNA_METHOD_MEMORY ? i : first;
    }
    if (first == c->candidate_count) {
        return chosen;
    }
    best = vni_choose_settle(c, first, first, &for_numbers);
    vni_choose_settle(c, chosen, best, &for_memory);
    const vecna_candidate *one = &c->candidates[best];
    if (!(one->gain > 1e-12 && one->gain > for_memory.errors * one->gain_se)) {
        best = chosen;
    }
    vni_choose_settle(c, standing, 0, &for_memory); /* gains are told over what stands for all */
    return best;
}
