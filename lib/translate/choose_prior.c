/* How much a prior weighs beside own pairs: by retrieval of held-out own pairs, as recipes are chosen
 * (choose.c), with the recipe that stands. */
#include "translate/choose_impl.h"

#include <math.h>
#include <string.h>

/* A prior's pairs beside own ones: what is tried. */
#define PRIOR_ERRORS 2 /* standard errors of the gain */
static const double prior_weights[] = {1, 0.25, 0.0625, 0.015625, HUGE_VAL, 0};
enum { PRIOR_WEIGHTS = 6, PRIOR_WEIGHTS_IN_REPORT = 3, PRIOR_FOLDS = 3 };

/* The recipe that stands, with numbers that suit any prior. */
vecna_recipe vni_choose_standing(const vecna_translate_options *o) {
    vecna_recipe r = o->recipe;
    if (r.method == VECNA_METHOD_AUTO || (r.method == VECNA_METHOD_REDUCED_RANK && !r.rank)) {
        r.method = o->role == VECNA_ROLE_QUERY ? VECNA_METHOD_PROCRUSTES : VECNA_METHOD_BLEND;
    }
    if (r.method == VECNA_METHOD_MEMORY) { /* a prior has nothing to remember */
        r.method = VECNA_METHOD_BLEND;
        r.neighbours = 0;
        r.temperature = r.correction = 0;
    }
    r.lambda = r.lambda > 0 ? r.lambda : 1;
    r.share = r.share > 0 ? r.share : 0.6;
    r.exponent = r.exponent > 0 ? r.exponent : 0.5;
    return r;
}

/* Score the standing recipe with one weight of the prior; scores (VNI_CHOOSE_QUERIES). */
static vecna_status try_weight(const vni_fit *fit, vni_moments *moments, const size_t *rows,
                               size_t count, size_t fold_limit, double *scores, size_t *queries,
                               vecna_error *err) {
    vecna_status status = VECNA_ERR_MEMORY;
    vni_comparison *c = vecna_allocate_zero(fit->pairs.allocator, 1, sizeof *c);
    if (!c) {
        return vecna_error_set(err, status, -1, "no memory to weigh a prior");
    }
    c->fit = fit;
    c->allocator = fit->pairs.allocator;
    c->dim = fit->pairs.target.dim;
    c->fold_limit = fold_limit;
    status = vni_comparison_new(c, moments, rows, count, err);
    status = status ? status : vni_choose_try(c, vni_choose_standing(fit->options), err);
    if (!status) {
        *queries = c->queries;
        memcpy(scores, c->scores, c->queries * sizeof *scores);
    }
    vni_comparison_free(c);
    vecna_release(fit->pairs.allocator, c);
    return status;
}

/* Paired gain of one weight's scores over another's, and its standard error. */
static double gain_over(const double *one, const double *other, size_t queries, double *error) {
    const double n = (double)queries;
    double sum = 0, square = 0;
    for (size_t i = 0; i < queries; i++) {
        const double d = one[i] - other[i];
        sum += d;
        square += d * d;
    }
    const double gain = n > 0 ? sum / n : 0;
    *error = n > 0 ? sqrt(fmax(0, square / n - gain * gain) / n) : 0;
    return gain;
}

/* The weight by retrieval of held-out own pairs, against two standard errors of the gain over what stands
 * so far, not over the first: rows that ask for themselves overrate what is fitted on their like, so the
 * prior gives way one step at a time, and no further than the evidence of each step (on verses the first step
 * has nearly the whole gain, and people's queries lose by the others). */
vecna_status vni_choose_weigh(const vni_fit *fit, vni_moments *moments, const size_t *rows,
                              size_t count, int finally, vni_choice *out, vecna_error *err) {
    const vni_prior *prior = &fit->pairs.prior;
    const double unit = fmin(1, VNI_PRIOR_ROWS / prior->statistics->count);
    const size_t trials = finally ? PRIOR_WEIGHTS : PRIOR_WEIGHTS_IN_REPORT;
    size_t queries = 0, chosen = 0;
    vecna_status status = VECNA_OK;
    double *scores = vecna_allocate(fit->pairs.allocator,
                                    (size_t)PRIOR_WEIGHTS * VNI_CHOOSE_QUERIES, sizeof *scores);
    if (!scores) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to weigh a prior");
    }
    for (size_t t = 0; t < trials && !status; t++) {
        vni_fit leaning = *fit;
        vecna_prior_trial *trial = &out->trials[t];
        *trial = (vecna_prior_trial){.weight = unit * prior_weights[t]};
        leaning.pairs.prior.weight = isinf(trial->weight) ? 1e6 : trial->weight;
        if (trial->weight == 0) {
            leaning.pairs.prior.statistics = NULL;
        }
        status = try_weight(&leaning, moments, rows, count,
                            finally ? PRIOR_FOLDS : VNI_CHOOSE_FOLDS_IN_REPORT,
                            scores + t * VNI_CHOOSE_QUERIES, &queries, err);
        if (status) {
            break;
        }
        const double *found = scores + t * VNI_CHOOSE_QUERIES;
        for (size_t i = 0; i < queries; i++) {
            trial->score += found[i] / (double)queries;
        }
        trial->gain = gain_over(found, scores, queries, &trial->gain_se);
        double error = 0;
        const double gain = gain_over(found, scores + chosen * VNI_CHOOSE_QUERIES, queries, &error);
        if (queries >= VNI_CHOOSE_QUERIES_LEAST && gain > 1e-12 && gain > PRIOR_ERRORS * error) {
            chosen = t;
        }
        out->trial_count = t + 1;
    }
    out->trials[chosen].chosen = 1;
    out->prior_weight = isinf(out->trials[chosen].weight) ? 1e6 : out->trials[chosen].weight;
    vecna_release(fit->pairs.allocator, scores);
    return status;
}
