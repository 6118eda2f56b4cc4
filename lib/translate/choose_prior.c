/* How much a prior weighs beside own pairs, and whether one kind of its pairs counts more than the others:
 * by held-out own pairs, as recipes are chosen (choose.c), with the recipe that stands. */
#include "translate/choose_impl.h"

#include <math.h>
#include <string.h>

/* A prior's pairs beside own ones: what is tried. */
#define PRIOR_ERRORS 2      /* standard errors of the gain */
#define KIND_ERRORS 5       /* of the gain in cosine by a kind, */
#define KIND_ERRORS_QUERY 1 /* and of that in retrieval, for queries; for documents it is no loss */
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

/* What one choice of a weight works on. */
typedef struct weighing {
    const vni_fit *fit;
    vni_moments *moments;
    const size_t *rows;
    size_t count;
    size_t fold_limit;
    double *scores;  /* (VECNA_PRIOR_TRIALS, VNI_CHOOSE_QUERIES) */
    double *cosines; /* (VECNA_PRIOR_TRIALS, count) of held-out rows to native ones, centred */
    size_t queries;
    size_t compared; /* rows held out */
    size_t chosen;
    vni_choice *out;
} weighing;

/* Score the standing recipe with a prior as trial t. */
static vecna_status ask(weighing *w, const vni_prior *prior, size_t t, vecna_error *err) {
    const vecna_allocator *allocator = w->fit->pairs.allocator;
    vni_fit leaning = *w->fit;
    vecna_status status = VECNA_ERR_MEMORY;
    vni_comparison *c = vecna_allocate_zero(allocator, 1, sizeof *c);
    if (!c) {
        return vecna_error_set(err, status, -1, "no memory to weigh a prior");
    }
    leaning.pairs.prior = *prior;
    c->fit = &leaning;
    c->allocator = allocator;
    c->dim = w->fit->pairs.target.dim;
    c->fold_limit = w->fold_limit;
    status = vni_comparison_new(c, w->moments, w->rows, w->count, err);
    status = status ? status : vni_choose_try(c, vni_choose_standing(w->fit->options), err);
    if (!status) {
        w->queries = c->queries;
        w->compared = c->count;
        memcpy(w->scores + t * VNI_CHOOSE_QUERIES, c->scores, c->queries * sizeof *w->scores);
        vni_comparison_cosines(c, 1, w->cosines + t * w->count);
    }
    vni_comparison_free(c);
    vecna_release(allocator, c);
    return status;
}

/* Is the evidence for a kind? The cosine of held-out rows tells a right kind from a wrong one from 50 pairs
 * on, where retrieval is blurred until 1,000 (docs/translators.md#few-pairs-and-none). Queries lie elsewhere
 * than the rows, so what the rows find has a say there too. */
static int kind_stands(const weighing *w, size_t t, double gain, double error) {
    double cosine_error = 0;
    const double cosine = gain_over(w->cosines + t * w->count, w->cosines + w->chosen * w->count,
                                    w->compared, &cosine_error);
    const double errors =
        w->fit->options->role == VECNA_ROLE_QUERY ? KIND_ERRORS_QUERY : -PRIOR_ERRORS;
    return cosine > 1e-12 && cosine > KIND_ERRORS * cosine_error && gain > errors * error;
}

/* Try one weight, or one kind; it becomes what stands when the evidence is for it. */
static vecna_status weigh(weighing *w, const vni_prior *prior, vecna_error *err) {
    vni_choice *out = w->out;
    const size_t t = out->trial_count;
    vecna_prior_trial *trial = &out->trials[t];
    const double *found = w->scores + t * VNI_CHOOSE_QUERIES;
    double error = 0;
    vecna_status status = ask(w, prior, t, err);
    if (status) {
        return status;
    }
    for (size_t i = 0; i < w->queries; i++) {
        trial->score += found[i] / (double)w->queries;
    }
    trial->gain = gain_over(found, w->scores, w->queries, &trial->gain_se);
    const double gain =
        gain_over(found, w->scores + w->chosen * VNI_CHOOSE_QUERIES, w->queries, &error);
    const int stands = trial->kind[0] ? kind_stands(w, t, gain, error)
                                      : gain > 1e-12 && gain > PRIOR_ERRORS * error;
    if (w->queries >= VNI_CHOOSE_QUERIES_LEAST && stands) {
        w->chosen = t;
    }
    out->trial_count = t + 1;
    return VECNA_OK;
}

/* Squared distance of the own means to a kind's. */
static double distance_to_kind(const double *means, const vni_kinds *kinds, size_t kind) {
    const size_t dims = kinds->source_dim + kinds->target_dim;
    double square = 0;
    for (size_t j = 0; j < dims; j++) {
        const double d = means[j] - (double)kinds->means[kind * dims + j];
        square += d * d;
    }
    return square;
}

/* The kind whose means lie nearest to those of the listed rows. */
static vecna_status find_nearest(const vni_fit *fit, const size_t *rows, size_t count,
                                 size_t *nearest, vecna_error *err) {
    const vni_pairs *pairs = &fit->pairs;
    const vni_kinds *kinds = pairs->prior.kinds;
    const size_t p = kinds->source_dim, q = kinds->target_dim;
    double least = HUGE_VAL;
    double *means = vecna_allocate_zero(pairs->allocator, p + q, sizeof *means);
    if (!means) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to weigh a prior");
    }
    for (size_t i = 0; i < count; i++) {
        const float *x = pairs->source.data + rows[i] * pairs->source.stride;
        const float *y = pairs->target.data + rows[i] * pairs->target.stride;
        for (size_t j = 0; j < p + q; j++) {
            means[j] += (double)(j < p ? x[j] : y[j - p]) / (double)count;
        }
    }
    for (size_t k = 0; k < kinds->count; k++) {
        const double apart = distance_to_kind(means, kinds, k);
        if (apart < least) {
            least = apart;
            *nearest = k;
        }
    }
    vecna_release(pairs->allocator, means);
    return VECNA_OK;
}

/* The kind nearest to the own pairs, beside a little of all. It stands behind the weights and must clear
 * the evidence over the best of these, so that a map whose kinds say nothing is leaned on as one without
 * kinds. */
static vecna_status weigh_kind(weighing *w, vecna_error *err) {
    const vni_prior *prior = &w->fit->pairs.prior;
    const size_t t = w->out->trial_count;
    size_t nearest = 0;
    vecna_status status = find_nearest(w->fit, w->rows, w->count, &nearest, err);
    if (status) {
        return status;
    }
    vni_prior mixed = *prior;
    mixed.statistics = prior->mixes[nearest];
    mixed.weight = 1;
    w->out->trials[t] = (vecna_prior_trial){.weight = 1};
    memcpy(w->out->trials[t].kind, prior->kinds->names[nearest], VECNA_KIND_BYTES);
    status = weigh(w, &mixed, err);
    w->out->prior_kind = !status && w->chosen == t ? nearest + 1 : 0;
    return status;
}

/* The weight by retrieval of held-out own pairs, against two standard errors of the gain over what stands
 * so far, not over the first: rows that ask for themselves overrate what is fitted on their like, so the
 * prior gives way one step at a time, and no further than the evidence of each step (on verses the first step
 * has nearly the whole gain, and people's queries lose by the others). */
vecna_status vni_choose_weigh(const vni_fit *fit, vni_moments *moments, const size_t *rows,
                              size_t count, int finally, vni_choice *out, vecna_error *err) {
    const vni_prior *prior = &fit->pairs.prior;
    const double unit = fmin(1, VNI_PRIOR_ROWS / prior->whole->count);
    const size_t trials = finally ? PRIOR_WEIGHTS : PRIOR_WEIGHTS_IN_REPORT;
    const size_t folds = finally ? PRIOR_FOLDS : VNI_CHOOSE_FOLDS_IN_REPORT;
    vecna_status status = VECNA_OK;
    weighing w = {.fit = fit,
                  .moments = moments,
                  .rows = rows,
                  .count = count,
                  .fold_limit = folds,
                  .out = out};
    w.cosines = vecna_allocate(fit->pairs.allocator, VECNA_PRIOR_TRIALS * count, sizeof *w.cosines);
    w.scores = vecna_allocate(fit->pairs.allocator, (size_t)VECNA_PRIOR_TRIALS * VNI_CHOOSE_QUERIES,
                              sizeof *w.scores);
    if (!w.scores || !w.cosines) {
        status = vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to weigh a prior");
        goto done;
    }
    for (size_t t = 0; t < trials && !status; t++) {
        vni_prior weighted = *prior;
        out->trials[t] = (vecna_prior_trial){.weight = unit * prior_weights[t]};
        weighted.weight = isinf(prior_weights[t]) ? 1e6 : unit * prior_weights[t];
        weighted.statistics = prior_weights[t] > 0 ? prior->whole : NULL;
        status = weigh(&w, &weighted, err);
    }
    if (!status && prior->kinds) {
        status = weigh_kind(&w, err);
    }
    out->trials[w.chosen].chosen = 1;
    out->prior_weight = isinf(out->trials[w.chosen].weight) ? 1e6 : out->trials[w.chosen].weight;
done:
    vecna_release(fit->pairs.allocator, w.scores);
    vecna_release(fit->pairs.allocator, w.cosines);
    return status;
}
