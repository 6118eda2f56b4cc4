/* Which recipe: compared on retrieval of held-out rows, by cross-fitting.
 *
 * Up to five folds are held out in turn, as many as give 2,000 rows; each is translated by a map
 * that did not see it. Then the questions of the role are asked: native rows ask the translated
 * corpus (document), or translated rows ask the native one (query). A query scores the mean of nDCG
 * over its native neighbours and of the reciprocal rank of its own row.
 *
 * This criterion sees held-out documents, not real queries, and overrates regression for them
 * (docs/translators.md). So one recipe stands for each role unless the evidence against it is
 * strong. For documents it is the blend of 0.6 rotation and ridge with lambda by held-out cosine,
 * against four standard errors of the paired difference. For queries it is the plain rotation about
 * half of both means, since queries lie elsewhere than documents and nobody knows where. What may take
 * its place is asked of rows that lie elsewhere too: whole kinds of rows are held out (choose_kinds.c), and
 * choose another share of the means against one standard error, or a blend with ridge that keeps the
 * rotation unscaled against one and 0.01. Every method may when a sample of queries asks, or when
 * regression finds held-out rows nearly whole: then there is little that queries could miss. */
#include "translate/choose_impl.h"

#include <math.h>
#include <string.h>

enum { ROWS_ALONE = 16 /* with a prior: fewer own pairs choose nothing */ };

static const vni_evidence for_documents = {4, 0};
static const vni_evidence for_queries = {1, 0.01};
static const vni_evidence for_shares = {2, 0};  /* of a blend: its kind is settled */
static const vni_evidence for_numbers = {1, 0}; /* only a method's numbers are chosen */
static const vni_evidence for_nothing = {HUGE_VAL, HUGE_VAL};

#define SAME_GEOMETRY 0.99 /* centred cosine from which a plain rotation is all there is */
#define NEARLY_WHOLE 0.95  /* centred cosine of ridge from which regression suits queries too */

/* The lambda of best held-out cosine among ridges tried so far; smoother than retrieval. */
static double lambda_by_cosine(const vni_comparison *c) {
    const vecna_candidate *best = NULL;
    for (size_t i = 0; i < c->candidate_count; i++) {
        const vecna_candidate *one = &c->candidates[i];
        if (one->recipe.method == VECNA_METHOD_RIDGE && (!best || one->cosine > best->cosine)) {
            best = one;
        }
    }
    return best ? best->recipe.lambda : 1;
}

/* The lambda of a blend: beyond these it was never better (docs/translators.md). Thousands of pairs of the
 * very kind need less. */
static double blend_lambda(const vni_comparison *c, double lambda) {
    const double least = vni_prior_of_kind(&c->fit->pairs.prior) ? 0.01 : 0.1;
    return fmin(fmax(lambda, least), 3.1622776601683795);
}

/* Try a method with its numbers: those given stay, those that are 0 range over their choices, the
 * first of which stands. When all methods are tried, those that need a decomposition of their own
 * have one turn each. */
static vecna_status try_method(vni_comparison *c, vecna_recipe given, double lambda,
                               vecna_error *err) {
    static const double shares_alone[] = {0.6, 0.8, 0.4}; /* the first stands */
    static const double shares_of_kind[] = {0.4, 0.6, 0.8};
    static const double exponents[] = {0.5, 0.25, 0.75};
    const int automatic = c->fit->options->recipe.method == VECNA_METHOD_AUTO;
    const size_t full = c->folds[0].basis.rank < c->dim ? c->folds[0].basis.rank : c->dim;
    const double *shares = vni_prior_of_kind(&c->fit->pairs.prior) ? shares_of_kind : shares_alone;
    vecna_status status = VECNA_OK;
    vecna_recipe recipe = given;
    recipe.lambda = given.lambda > 0 ? given.lambda : lambda;
    switch (given.method) {
    case VECNA_METHOD_BLEND:
    case VECNA_METHOD_BLEND_PLAIN:
        for (size_t i = 0; i < (given.share > 0 ? 1 : 3) && !status; i++) {
            recipe.share = given.share > 0 ? given.share : shares[i];
            if (!(given.lambda > 0)) {
                recipe.lambda = blend_lambda(c, lambda);
            }
            status = vni_choose_try(c, recipe, err);
        }
        break;
    case VECNA_METHOD_FAMILY:
        for (size_t i = 0; i < (given.exponent > 0 || automatic ? 1 : 3) && !status; i++) {
            recipe.exponent = given.exponent > 0 ? given.exponent : exponents[i];
            status = vni_choose_try(c, recipe, err);
        }
        break;
    case VECNA_METHOD_REDUCED_RANK:
        for (size_t i = 0; i < (given.rank > 0 || automatic ? 1 : 3) && !status; i++) {
            recipe.rank = given.rank > 0 ? given.rank : full * (i + 2) / 4;
            recipe.rank = recipe.rank ? recipe.rank : 1;
            status = vni_choose_try(c, recipe, err);
        }
        break;
    case VECNA_METHOD_RIDGE:
        status = vni_choose_try(c, recipe, err);
        break;
    case VECNA_METHOD_MEMORY:
        if (!(given.lambda > 0)) {
            recipe.lambda = blend_lambda(c, lambda);
        }
        status = vni_choose_memories(c, recipe, err);
        break;
    default:
        recipe.lambda = 0;
        status = vni_choose_try(c, recipe, err);
    }
    return status;
}

static size_t find_recipe(const vni_comparison *c, vecna_method method) {
    for (size_t i = 0; i < c->candidate_count; i++) {
        if (c->candidates[i].recipe.method == method) {
            return i;
        }
    }
    return 0;
}

size_t vni_choose_settle(vni_comparison *c, size_t standing, size_t first,
                         const vni_evidence *needed) {
    const double *base = c->scores + standing * c->queries;
    size_t chosen = standing;
    for (size_t i = 0; i < c->candidate_count; i++) {
        vecna_candidate *one = &c->candidates[i];
        const double *scores = c->scores + i * c->queries;
        double sum = 0, square = 0;
        for (size_t q = 0; q < c->queries; q++) {
            double d = scores[q] - base[q];
            sum += d;
            square += d * d;
        }
        double n = (double)c->queries;
        one->gain = sum / n;
        one->gain_se = sqrt(fmax(0, square / n - one->gain * one->gain) / n);
        double least = needed->errors * one->gain_se + needed->least;
        if (i >= first && one->gain > 1e-12 && one->gain > least &&
            one->gain > c->candidates[chosen].gain) {
            chosen = i;
        }
    }
    return chosen;
}

/* 1 when held-out rows agree with the plain rotation, which was tried last, so well that nothing is left
 * for regression to learn; the rotation is chosen then. */
static int is_one_geometry(vni_comparison *c, size_t *chosen) {
    if (vni_comparison_cosine(c, 1) < SAME_GEOMETRY) {
        return 0;
    }
    *chosen = find_recipe(c, VECNA_METHOD_PROCRUSTES);
    vni_choose_settle(c, *chosen, 0, &for_nothing);
    return 1;
}

/* Every method, by what stands for the role. */
static vecna_status compare_methods(vni_comparison *c, double lambda, const vni_evidence *needed,
                                    size_t *chosen, vecna_error *err) {
    const int role_query = c->fit->options->role == VECNA_ROLE_QUERY;
    const int last = role_query ? VECNA_METHOD_BLEND_PLAIN : VECNA_METHOD_FAMILY;
    vecna_status status = VECNA_OK;
    size_t standing = 0;
    for (int m = VECNA_METHOD_PROCRUSTES; m <= last && !status; m++) {
        const size_t first = c->candidate_count;
        if (m == VECNA_METHOD_GIVEN || m == VECNA_METHOD_MEMORY) {
            continue; /* nothing to fit, and what comes after all others */
        }
        status = try_method(c, (vecna_recipe){.method = (vecna_method)m}, lambda, err);
        if (!status && m == VECNA_METHOD_PROCRUSTES && is_one_geometry(c, chosen)) {
            return VECNA_OK;
        }
        if (!status && m == (role_query ? VECNA_METHOD_PROCRUSTES : VECNA_METHOD_BLEND)) {
            standing = vni_choose_settle(
                c, first, first,
                m == VECNA_METHOD_BLEND && needed != &for_nothing ? &for_shares : &for_nothing);
        }
    }
    if (status) {
        return status;
    }
    *chosen = vni_choose_settle(c, standing, 0, needed);
    if (c->remembers) {
        vecna_recipe base = c->candidates[find_recipe(c, VECNA_METHOD_BLEND)].recipe;
        base.share = 0; /* of the numbers, lambda is the blend's */
        status = vni_choose_memories(c, base, err);
        *chosen = status ? *chosen : vni_choose_between(c, *chosen, standing);
    }
    return status;
}

/* Queries of which nothing is known: kinds of rows that the maps have not seen ask in their place. */
static vecna_status compare_for_unseen(vni_comparison *c, double lambda, int decides,
                                       size_t *chosen, vecna_error *err) {
    static const double means[] = {0.75, 0.5, 0.25};
    static const double shares[] = {0.8, 0.6, 0.4};
    const size_t whole = c->candidate_count;
    vecna_recipe recipe = {.method = VECNA_METHOD_PROCRUSTES};
    vecna_status status = vni_choose_try(c, recipe, err);
    if (!status && is_one_geometry(c, chosen)) {
        return VECNA_OK;
    }
    for (size_t i = 0; i < sizeof means / sizeof *means && !status; i++) {
        recipe.means = means[i];
        status = vni_choose_try(c, recipe, err);
    }
    if (status) {
        return status;
    }
    const size_t standing =
        vni_choose_settle(c, whole + 2, whole, decides ? &for_numbers : &for_nothing);
    const size_t blends = c->candidate_count;
    recipe = (vecna_recipe){.method = VECNA_METHOD_BLEND_PLAIN,
                            .lambda = lambda,
                            .means = c->candidates[standing].recipe.means};
    for (size_t i = 0; i < sizeof shares / sizeof *shares && !status; i++) {
        recipe.share = shares[i];
        status = vni_choose_try(c, recipe, err);
    }
    if (!status) {
        *chosen = vni_choose_settle(c, standing, blends, decides ? &for_queries : &for_nothing);
    }
    return status;
}

static vecna_status compare_all(vni_comparison *c, size_t *chosen, vecna_error *err) {
    const vecna_recipe given = c->fit->options->recipe;
    const int automatic = given.method == VECNA_METHOD_AUTO;
    const int role_query = c->fit->options->role == VECNA_ROLE_QUERY;
    vecna_status status = VECNA_OK;
    double lambda = given.lambda, found = 0; /* the best centred cosine of ridge */
    /* beside a prior a handful of own pairs chooses nothing; beside a kind of its pairs rows held out choose
     * nothing, which resemble what is fitted all the more and overrate regression on it */
    const int decides =
        vni_prior_of_kind(&c->fit->pairs.prior)
            ? c->from_sample
            : !c->fit->pairs.prior.statistics || c->queries >= VNI_CHOOSE_QUERIES_LEAST;
    if (!(given.lambda > 0)) { /* the path: 1e-4 .. 1e2, half decades */
        for (int i = 0; i < VNI_CHOOSE_LAMBDAS && !status; i++) {
            vecna_recipe ridge = {.method = VECNA_METHOD_RIDGE,
                                  .lambda = pow(10, -4 + 0.5 * i),
                                  .means = automatic ? 0 : given.means};
            status = vni_choose_try(c, ridge, err);
            found = status ? found : fmax(found, vni_comparison_cosine(c, 1));
        }
        lambda = lambda_by_cosine(c);
    }
    if (status) {
        return status;
    }
    if (automatic) {
        const vni_evidence *needed = role_query ? &for_queries : &for_documents;
        return role_query && !c->from_sample && found < NEARLY_WHOLE
                   ? compare_for_unseen(c, lambda, decides, chosen, err)
                   : compare_methods(c, lambda, decides ? needed : &for_nothing, chosen, err);
    }
    if (given.method != VECNA_METHOD_RIDGE || given.lambda > 0) {
        c->candidate_count = 0; /* the path has given its lambda */
    }
    status = try_method(c, given, lambda, err);
    size_t standing = 0;
    for (size_t i = 0; i < c->candidate_count && given.method == VECNA_METHOD_RIDGE; i++) {
        standing = c->candidates[i].recipe.lambda == lambda ? i : standing;
    }
    *chosen = vni_choose_settle(c, standing, 0, decides ? &for_numbers : &for_nothing);
    return status;
}

int vni_recipe_rotates(const vecna_recipe *recipe) {
    return recipe->method != VECNA_METHOD_RIDGE && recipe->method != VECNA_METHOD_REDUCED_RANK &&
           recipe->method != VECNA_METHOD_FAMILY;
}

int vni_recipe_is_whole(const vecna_recipe *recipe) {
    switch (recipe->method) {
    case VECNA_METHOD_AUTO:
        return 0;
    case VECNA_METHOD_RIDGE:
        return recipe->lambda > 0;
    case VECNA_METHOD_REDUCED_RANK:
        return recipe->lambda > 0 && recipe->rank > 0;
    case VECNA_METHOD_BLEND:
    case VECNA_METHOD_BLEND_PLAIN:
        return recipe->lambda > 0 && recipe->share > 0;
    case VECNA_METHOD_FAMILY:
        return recipe->lambda > 0 && recipe->exponent > 0;
    case VECNA_METHOD_MEMORY:
        return recipe->lambda > 0 && recipe->share > 0 && recipe->neighbours > 0 &&
               recipe->temperature > 0 && recipe->correction > 0;
    default:
        return 1;
    }
}

int vni_prior_of_kind(const vni_prior *prior) {
    return prior->kinds && prior->statistics && prior->statistics != prior->whole;
}

void vni_choice_lean(const vni_choice *choice, vni_prior *prior) {
    prior->weight = choice->prior_weight;
    prior->statistics = choice->prior_kind ? prior->mixes[choice->prior_kind - 1] : prior->whole;
}

vecna_status vni_choose(const vni_fit *fit, vni_moments *moments, const size_t *rows, size_t count,
                        int finally, vni_choice *out, vecna_error *err) {
    const vecna_allocator *allocator = fit->pairs.allocator;
    vecna_candidate *candidates = NULL;
    size_t chosen = 0;
    const vni_prior *prior = &fit->pairs.prior;
    vni_choice found = {.allocator = allocator,
                        .recipe = fit->options->recipe,
                        .prior_weight = prior->one_mean ? 1 : fit->options->prior_weight};
    if (prior->statistics && count < ROWS_ALONE) { /* a handful of own pairs chooses nothing */
        found.recipe = vni_choose_standing(fit->options);
        if (!(found.prior_weight > 0)) {
            found.prior_weight = fmin(1, VNI_PRIOR_ROWS / prior->whole->count);
        }
        *out = found;
        return VECNA_OK;
    }
    if (prior->statistics && !(found.prior_weight > 0)) {
        vecna_status weighed = vni_choose_weigh(fit, moments, rows, count, finally, &found, err);
        if (weighed) {
            return weighed;
        }
    }
    if (vni_recipe_is_whole(&fit->options->recipe)) {
        *out = found;
        return VECNA_OK;
    }
    vni_fit leaning = *fit;
    vni_choice_lean(&found, &leaning.pairs.prior);
    fit = &leaning;
    vni_comparison *c = vecna_allocate_zero(allocator, 1, sizeof *c);
    if (!c) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to compare recipes");
    }
    c->fit = fit;
    c->allocator = allocator;
    c->dim = fit->pairs.target.dim;
    c->remembers = vni_choose_remembers(fit, count);
    c->fold_limit = finally ? VNI_CHOOSE_FOLDS : VNI_CHOOSE_FOLDS_IN_REPORT;
    c->kinds = fit->options->role == VECNA_ROLE_QUERY &&
               fit->options->recipe.method == VECNA_METHOD_AUTO &&
               fit->query_select_count < VNI_CHOOSE_QUERIES_LEAST;
    vecna_status status = vni_comparison_new(c, moments, rows, count, err);
    status = status ? status : compare_all(c, &chosen, err);
    if (status) {
        goto done;
    }
    candidates = vecna_allocate(allocator, c->candidate_count, sizeof *candidates);
    if (!candidates) {
        status = vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a report");
        goto done;
    }
    memcpy(candidates, c->candidates, c->candidate_count * sizeof *candidates);
    candidates[chosen].chosen = 1;
    found.recipe = candidates[chosen].recipe;
    found.candidates = candidates;
    found.candidate_count = c->candidate_count;
    found.rows = c->count;
    found.folds = c->fold_count;
    *out = found;
    if (c->fold_count == 1) {
        out->basis = c->folds[0].basis;
        c->folds[0].basis = (vni_basis){0};
    }
done:
    vni_comparison_free(c);
    vecna_release(allocator, c);
    return status;
}

void vni_choice_free(vni_choice *choice) {
    vecna_release(choice->allocator, choice->candidates);
    vni_basis_free(&choice->basis);
    *choice = (vni_choice){0};
}
