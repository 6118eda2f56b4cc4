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
 * against four standard errors of the paired difference; for queries the plain rotation, against
 * one standard error and 0.01. With these no judged set fell under the better of Procrustes and
 * ridge by more than its interval. */
#include "translate/choose_impl.h"

#include <math.h>
#include <string.h>

enum {
    FOLDS_IN_REPORT = 2,  /* held out of five while a reported map is chosen, to save time */
    ROWS_COMPARED = 2000, /* held-out rows that are enough */
    QUERIES_ASKED = 500,
    QUERIES_WORTH_ASKING = 20, /* of a query sample; fewer are not asked */
    LAMBDAS = 13
};

static const vni_evidence for_documents = {4, 0};
static const vni_evidence for_queries = {1, 0.01};
static const vni_evidence for_numbers = {1, 0}; /* only a method's numbers are chosen */
static const vni_evidence for_nothing = {HUGE_VAL, HUGE_VAL};

/* A prior's pairs beside own ones: what stands, as a total of rows, and what is tried. */
#define PRIOR_ROWS_STANDING 4000.0
#define PRIOR_ERRORS 2 /* standard errors of the gain */
static const double prior_weights[] = {1, 0.25, 0.0625, 0.015625, HUGE_VAL, 0};
enum { PRIOR_WEIGHTS = 6, PRIOR_WEIGHTS_IN_REPORT = 3, PRIOR_FOLDS = 3, ROWS_ALONE = 16 };

#define SAME_GEOMETRY 0.99 /* centred cosine from which a plain rotation is all there is */

static void free_comparison(vni_comparison *c) {
    for (size_t f = 0; f < c->fold_count; f++) {
        vni_basis_free(&c->folds[f].basis);
        vecna_release(c->allocator, c->folds[f].projected);
        vecna_release(c->allocator, c->folds[f].asked);
        vni_choose_forget(c, &c->folds[f]);
        vecna_release(c->allocator, c->folds[f].train);
    }
    vecna_release(c->allocator, c->rows);
    vecna_release(c->allocator, c->native);
    vecna_release(c->allocator, c->translated);
    vecna_release(c->allocator, c->block);
    vecna_release(c->allocator, c->query_row);
    vecna_release(c->allocator, c->asked);
    vecna_release(c->allocator, c->truth);
    vecna_release(c->allocator, c->own);
    vecna_release(c->allocator, c->lists);
    vecna_release(c->allocator, c->scores);
}

/* part = sums over the rows that are trained on. Those held out are summed and taken out of all; when
 * all are not summed yet, both parts are, and all with them: every row once. */
static vecna_status sum_fold(const vni_pairs *pairs, const size_t *train, size_t trained,
                             size_t all, vni_moments *moments, vni_moments *part,
                             vecna_error *err) {
    const int first = moments->count == 0;
    vecna_status status = first ? vni_moments_add_rows(part, pairs, train, trained, err) : VECNA_OK;
    if (status) {
        return status;
    }
    if (!first) {
        status = vni_moments_add_rows(part, pairs, train + trained, all - trained, err);
        if (!status) {
            vni_moments_subtract(moments, part, part);
        }
        return status;
    }
    status = vni_moments_add_rows(moments, pairs, train + trained, all - trained, err);
    if (!status) {
        vni_moments_add(moments, part);
    }
    return status;
}

/* Fit the basis of one fold's complement and project the fold. */
static vecna_status hold_out(vni_comparison *c, vni_moments *moments, const vni_split *split,
                             size_t fold, vni_held *out, vecna_error *err) {
    const vni_pairs *pairs = &c->fit->pairs;
    vecna_status status = VECNA_ERR_MEMORY;
    vni_moments part = {0};
    size_t *train = vecna_allocate(c->allocator, split->rows, sizeof *train);
    float *gathered = NULL;
    size_t trained = 0;
    const int rotated = vni_recipe_rotates(&c->fit->options->recipe);
    if (!train) {
        vecna_error_set(err, status, -1, "no memory to hold out a fold");
        goto done;
    }
    size_t skipped = split->rows;
    for (size_t i = 0; i < split->rows; i++) { /* trained from the front, held out from the back */
        size_t row = split->order[i];
        if (split->fold[row] != fold) {
            train[trained++] = row;
        } else {
            train[--skipped] = row;
        }
    }
    if (moments && trained >= pairs->source.dim) {
        status = vni_moments_new(pairs->source.dim, pairs->target.dim, c->allocator, &part, err);
        status =
            status ? status : sum_fold(pairs, train, trained, split->rows, moments, &part, err);
        if (status) {
            goto done;
        }
        status = vni_basis_new(&part, pairs, train, trained, rotated, &out->basis, err);
        vni_moments_free(&part);
    } else {
        status = vni_basis_new(NULL, pairs, train, trained, rotated, &out->basis, err);
    }
    if (status) {
        goto done;
    }
    c->fold_count++;
    status = VECNA_ERR_MEMORY;
    gathered = vecna_allocate(c->allocator, out->count * pairs->source.dim, sizeof *gathered);
    out->projected = vecna_allocate(c->allocator, out->count * out->basis.rank, sizeof(float));
    if (!gathered || !out->projected) {
        vecna_error_set(err, status, -1, "no memory to hold out %zu rows", out->count);
        goto done;
    }
    vecna_matrix rows = vecna_matrix_dense(gathered, out->count, pairs->source.dim);
    vni_gather(pairs->source, out->rows, out->count, rows);
    status = vni_project(&out->basis, vecna_matrix_view(rows), (vni_means){0},
                         vecna_matrix_dense(out->projected, out->count, out->basis.rank),
                         pairs->pool, err);
    if (!status && c->remembers) {
        out->train = train;
        out->trained = trained;
        train = NULL;
    }
done:
    vni_moments_free(&part);
    vecna_release(c->allocator, train);
    vecna_release(c->allocator, gathered);
    return status;
}

/* Which folds, which rows of them, and their bases. */
static vecna_status hold_out_folds(vni_comparison *c, vni_moments *moments, const size_t *rows,
                                   size_t count, vecna_error *err) {
    const vni_fit *fit = c->fit;
    vni_split split = {0};
    vni_split_input input = {rows,
                             count,
                             fit->group,
                             fit->key,
                             fit->pairs.source.rows,
                             VNI_CHOOSE_FOLDS,
                             fit->options->seed + 1};
    vecna_status status = vni_split_new(&input, c->allocator, &split, err);
    if (status) {
        return status;
    }
    size_t per_fold = count / split.folds;
    size_t wanted = (ROWS_COMPARED + per_fold) / (per_fold ? per_fold : 1);
    size_t folds = wanted < split.folds ? wanted : split.folds;
    folds = folds < c->fold_limit ? folds : c->fold_limit;
    status = VECNA_ERR_MEMORY;
    c->rows = vecna_allocate(c->allocator, count, sizeof *c->rows);
    if (!c->rows) {
        vecna_error_set(err, status, -1, "no memory to compare on %zu rows", count);
        goto done;
    }
    if (split.folds < 2) {
        status = vecna_error_set(err, VECNA_ERR_NUMERIC, -1,
                                 "all %zu pairs are duplicates of one: nothing is left to check a "
                                 "map with",
                                 count);
        goto done;
    }
    status = VECNA_OK;
    for (size_t f = 0; f < folds && !status; f++) {
        vni_held *h = &c->folds[f];
        size_t most = (ROWS_COMPARED + folds - 1) / folds;
        h->rows = c->rows + c->count;
        h->first = c->count;
        for (size_t i = 0; i < split.rows && h->count < most; i++) {
            if (split.fold[split.order[i]] == f) {
                h->rows[h->count++] = split.order[i];
            }
        }
        c->count += h->count;
        status = hold_out(c, moments, &split, f, h, err);
        if (!status) {
            status = vni_progress(fit, "comparing", 0.4 * (double)(f + 1) / (double)folds, err);
        }
    }
done:
    vni_split_free(&split);
    return status;
}

/* The queries, their native neighbours, and room for the rest. */
static vecna_status ask_native(vni_comparison *c, vecna_error *err) {
    const vni_fit *fit = c->fit;
    const vecna_allocator *a = c->allocator;
    const size_t dim = c->dim;
    vecna_status status = VECNA_ERR_MEMORY;
    c->from_sample = fit->query_select_count >= QUERIES_WORTH_ASKING;
    size_t asking = c->from_sample ? fit->query_select_count : c->count;
    c->queries = asking < QUERIES_ASKED ? asking : QUERIES_ASKED;
    c->depth = vni_depth(c->count);
    c->list_depth = c->count < 11 ? c->count : 11;
    size_t rank = 0;
    for (size_t f = 0; f < c->fold_count; f++) {
        rank = c->folds[f].basis.rank > rank ? c->folds[f].basis.rank : rank;
    }
    c->native = vecna_allocate(a, c->count * dim, sizeof(float));
    c->translated = vecna_allocate(a, c->count * dim, sizeof(float));
    c->block = vecna_allocate(a, rank * dim, sizeof(double));
    c->query_row = vecna_allocate(a, c->queries, sizeof(size_t));
    c->asked = vecna_allocate(a, c->queries * dim, sizeof(float));
    c->truth = vecna_allocate(a, c->queries * c->depth, sizeof(int64_t));
    c->own = vecna_allocate(a, c->queries, sizeof(int64_t));
    c->lists = vecna_allocate(a, c->queries * c->list_depth, sizeof(int64_t));
    c->scores = vecna_allocate(a, (size_t)VNI_CHOOSE_CANDIDATES * c->queries, sizeof(double));
    if (!c->native || !c->translated || !c->block || !c->query_row || !c->asked || !c->truth ||
        !c->own || !c->lists || !c->scores) {
        return vecna_error_set(err, status, -1, "no memory to compare on %zu rows", c->count);
    }
    vecna_matrix native = vecna_matrix_dense(c->native, c->count, dim);
    vni_gather(fit->pairs.target, c->rows, c->count, native);
    vni_normalise(native, fit->pairs.pool);
    vecna_matrix asked = vecna_matrix_dense(c->asked, c->queries, dim);
    for (size_t i = 0; i < c->queries; i++) { /* spread evenly */
        c->query_row[i] = i * asking / c->queries;
        vecna_view from = c->from_sample ? fit->query_target : vecna_matrix_view(native);
        size_t row = c->from_sample ? fit->query_select[c->query_row[i]] : c->query_row[i];
        vni_gather(from, &row, 1, vecna_matrix_rows(asked, i, 1));
    }
    status = vni_top(vecna_matrix_view(native), vecna_matrix_view(asked), c->list_depth, c->lists,
                     fit->pairs.pool, a, err);
    for (size_t i = 0; i < c->queries && !status; i++) {
        const int64_t *list = c->lists + i * c->list_depth;
        int64_t self = c->from_sample ? -1 : (int64_t)c->query_row[i];
        c->own[i] = c->from_sample ? list[0] : self;
        size_t filled = 0;
        for (size_t j = 0; j < c->list_depth && filled < c->depth; j++) {
            if (list[j] != self) {
                c->truth[i * c->depth + filled++] = list[j];
            }
        }
        while (filled < c->depth) {
            c->truth[i * c->depth + filled++] = -1;
        }
    }
    return status;
}

/* In the query role a sample is translated by the first fold's map. */
static vecna_status project_sample(vni_comparison *c, vecna_error *err) {
    const vni_fit *fit = c->fit;
    vni_held *h = &c->folds[0];
    const size_t p = fit->pairs.source.dim;
    if (!c->from_sample || fit->options->role != VECNA_ROLE_QUERY) {
        return VECNA_OK;
    }
    vecna_status status = VECNA_ERR_MEMORY;
    float *gathered = vecna_allocate(c->allocator, c->queries * p, sizeof *gathered);
    h->asked = vecna_allocate(c->allocator, c->queries * h->basis.rank, sizeof(float));
    if (!gathered || !h->asked) {
        vecna_error_set(err, status, -1, "no memory for %zu queries", c->queries);
        goto done;
    }
    vecna_matrix rows = vecna_matrix_dense(gathered, c->queries, p);
    for (size_t i = 0; i < c->queries; i++) {
        vni_gather(fit->query_source, &fit->query_select[c->query_row[i]], 1,
                   vecna_matrix_rows(rows, i, 1));
    }
    status =
        vni_project(&h->basis, vecna_matrix_view(rows), (vni_means){0},
                    vecna_matrix_dense(h->asked, c->queries, h->basis.rank), fit->pairs.pool, err);
done:
    vecna_release(c->allocator, gathered);
    return status;
}

/* nDCG over the native neighbours and reciprocal rank of the own row, averaged, for one list. */
static double score_list(const vni_comparison *c, size_t query) {
    const int64_t *list = c->lists + query * c->list_depth;
    const int64_t *truth = c->truth + query * c->depth;
    int64_t self = c->from_sample ? -1 : c->own[query];
    double gain = 0, ideal = 0, reciprocal = 0;
    size_t place = 0;
    for (size_t j = 0; j < c->list_depth; j++) {
        if (list[j] == c->own[query] && j < 10) {
            reciprocal = 1 / (double)(j + 1);
        }
        if (list[j] == self) {
            continue;
        }
        if (place < c->depth) {
            for (size_t t = 0; t < c->depth; t++) {
                gain += truth[t] == list[j] ? 1 / log2((double)place + 2) : 0;
            }
        }
        place++;
    }
    for (size_t t = 0; t < c->depth && truth[t] >= 0; t++) {
        ideal += 1 / log2((double)t + 2);
    }
    return ideal > 0 ? (gain / ideal + reciprocal) / 2 : reciprocal;
}

/* Mean cosine of translated to native rows; about the native mean when `centred`. */
static double mean_cosine(const vni_comparison *c, int centred) {
    const size_t dim = c->dim;
    double total = 0;
    double *mean = c->block; /* free here, and dim long at least */
    memset(mean, 0, dim * sizeof *mean);
    for (size_t i = 0; i < c->count && centred; i++) {
        for (size_t j = 0; j < dim; j++) {
            mean[j] += (double)c->native[i * dim + j] / (double)c->count;
        }
    }
    for (size_t i = 0; i < c->count; i++) {
        double ab = 0, aa = 0, bb = 0;
        for (size_t j = 0; j < dim; j++) {
            double x = (double)c->translated[i * dim + j] - mean[j];
            double y = (double)c->native[i * dim + j] - mean[j];
            ab += x * y;
            aa += x * x;
            bb += y * y;
        }
        total += aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : 0;
    }
    return total / (double)c->count;
}

/* Translate the held-out rows by a recipe and score it; it becomes a candidate. */
vecna_status vni_choose_try(vni_comparison *c, vecna_recipe recipe, vecna_error *err) {
    const vni_fit *fit = c->fit;
    vecna_pool *pool = fit->pairs.pool;
    vecna_status status = VECNA_OK;
    for (size_t i = 0; i < c->candidate_count; i++) {
        const vecna_recipe *one = &c->candidates[i].recipe;
        if (one->method == recipe.method && one->lambda == recipe.lambda &&
            one->share == recipe.share && one->exponent == recipe.exponent &&
            one->rank == recipe.rank && one->neighbours == recipe.neighbours &&
            one->temperature == recipe.temperature && one->correction == recipe.correction) {
            return VECNA_OK; /* tried */
        }
    }
    int role_query = fit->options->role == VECNA_ROLE_QUERY;
    for (size_t f = 0; f < c->fold_count && !status; f++) {
        vni_held *h = &c->folds[f];
        status = vni_block(&h->basis, &recipe, c->block, err);
        if (!status) {
            status = vni_translate_block(
                &h->basis, vecna_view_dense(h->projected, h->count, h->basis.rank), c->block,
                (vni_means){0},
                vecna_matrix_dense(c->translated + h->first * c->dim, h->count, c->dim), NULL, pool,
                err);
        }
        if (!status && h->asked) {
            status = vni_translate_block(
                &h->basis, vecna_view_dense(h->asked, c->queries, h->basis.rank), c->block,
                (vni_means){0}, vecna_matrix_dense(c->asked, c->queries, c->dim), NULL, pool, err);
        }
        if (!status && recipe.method == VECNA_METHOD_MEMORY) {
            status = vni_choose_remember(c, h, &recipe, err);
        }
    }
    if (status) {
        return status;
    }
    for (size_t i = 0; i < c->queries && role_query && !c->from_sample; i++) {
        memcpy(c->asked + i * c->dim, c->translated + c->query_row[i] * c->dim,
               c->dim * sizeof(float));
    }
    status = vni_top(vecna_view_dense(role_query ? c->native : c->translated, c->count, c->dim),
                     vecna_view_dense(c->asked, c->queries, c->dim), c->list_depth, c->lists, pool,
                     c->allocator, err);
    if (status) {
        return status;
    }
    vecna_candidate *candidate = &c->candidates[c->candidate_count];
    double *scores = c->scores + c->candidate_count * c->queries;
    *candidate = (vecna_candidate){.recipe = recipe, .cosine = mean_cosine(c, 0)};
    for (size_t i = 0; i < c->queries; i++) {
        scores[i] = score_list(c, i);
        candidate->score += scores[i] / (double)c->queries;
    }
    c->candidate_count++;
    return vni_progress(fit, "comparing", 0.4 + 0.6 * (double)c->candidate_count / (LAMBDAS + 12),
                        err);
}

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

/* Try a method with its numbers: those given stay, those that are 0 range over their choices, the
 * first of which stands. When all methods are tried, those that need a decomposition of their own
 * have one turn each. */
static vecna_status try_method(vni_comparison *c, vecna_recipe given, double lambda,
                               vecna_error *err) {
    static const double shares[] = {0.6, 0.8, 0.4};
    static const double exponents[] = {0.5, 0.25, 0.75};
    const int automatic = c->fit->options->recipe.method == VECNA_METHOD_AUTO;
    const size_t full = c->folds[0].basis.rank < c->dim ? c->folds[0].basis.rank : c->dim;
    vecna_status status = VECNA_OK;
    vecna_recipe recipe = given;
    recipe.lambda = given.lambda > 0 ? given.lambda : lambda;
    switch (given.method) {
    case VECNA_METHOD_BLEND:
        for (size_t i = 0; i < (given.share > 0 ? 1 : 3) && !status; i++) {
            recipe.share = given.share > 0 ? given.share : shares[i];
            /* beyond these the blend was never better (docs/translators.md) */
            if (!(given.lambda > 0)) {
                recipe.lambda = fmin(fmax(lambda, 0.1), 3.1622776601683795);
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
            recipe.lambda = fmin(fmax(lambda, 0.1), 3.1622776601683795);
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

static vecna_status compare_all(vni_comparison *c, size_t *chosen, vecna_error *err) {
    const vecna_recipe given = c->fit->options->recipe;
    const int automatic = given.method == VECNA_METHOD_AUTO;
    vecna_status status = VECNA_OK;
    double lambda = given.lambda;
    const int role_query = c->fit->options->role == VECNA_ROLE_QUERY;
    const vni_evidence *needed = !automatic   ? &for_numbers
                                 : role_query ? &for_queries
                                              : &for_documents;
    if (c->fit->pairs.prior.statistics && c->queries < QUERIES_WORTH_ASKING) {
        needed = &for_nothing; /* a handful of own pairs chooses nothing */
    }
    if (!(given.lambda > 0)) { /* the path: 1e-4 .. 1e2, half decades */
        for (int i = 0; i < LAMBDAS && !status; i++) {
            vecna_recipe ridge = {.method = VECNA_METHOD_RIDGE, .lambda = pow(10, -4 + 0.5 * i)};
            status = vni_choose_try(c, ridge, err);
        }
        lambda = lambda_by_cosine(c);
    }
    if (automatic) {
        for (int m = VECNA_METHOD_PROCRUSTES; m <= VECNA_METHOD_FAMILY && !status; m++) {
            vecna_recipe recipe = {.method = (vecna_method)m};
            status = try_method(c, recipe, lambda, err);
            if (!status && m == VECNA_METHOD_PROCRUSTES && mean_cosine(c, 1) >= SAME_GEOMETRY) {
                *chosen = find_recipe(c, VECNA_METHOD_PROCRUSTES);
                vni_choose_settle(c, *chosen, 0, &for_nothing);
                return VECNA_OK; /* one geometry: nothing is left for regression to learn */
            }
        }
    } else if (!status) {
        if (given.method != VECNA_METHOD_RIDGE || given.lambda > 0) {
            c->candidate_count = 0; /* the path has given its lambda */
        }
        status = try_method(c, given, lambda, err);
    }
    if (status) {
        return status;
    }
    size_t standing = 0;
    if (automatic) {
        standing = find_recipe(c, role_query ? VECNA_METHOD_PROCRUSTES : VECNA_METHOD_BLEND);
    } else if (given.method == VECNA_METHOD_RIDGE) {
        for (size_t i = 0; i < c->candidate_count; i++) {
            standing = c->candidates[i].recipe.lambda == lambda ? i : standing;
        }
    }
    *chosen = vni_choose_settle(c, standing, 0, needed);
    if (automatic && c->remembers) {
        vecna_recipe base = c->candidates[find_recipe(c, VECNA_METHOD_BLEND)].recipe;
        base.share = 0; /* of the numbers, lambda is the blend's */
        status = vni_choose_memories(c, base, err);
        *chosen = status ? *chosen : vni_choose_between(c, *chosen, standing);
    }
    return status;
}

/* ---- how much a prior weighs ------------------------------------------------------------------ */

/* The recipe that stands, with numbers that suit any prior. */
static vecna_recipe standing_recipe(const vecna_translate_options *o) {
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

/* Score the standing recipe with one weight of the prior; scores (QUERIES_ASKED). */
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
    status = hold_out_folds(c, moments, rows, count, err);
    status = status ? status : ask_native(c, err);
    status = status ? status : project_sample(c, err);
    status = status ? status : vni_choose_try(c, standing_recipe(fit->options), err);
    if (!status) {
        *queries = c->queries;
        memcpy(scores, c->scores, c->queries * sizeof *scores);
    }
    free_comparison(c);
    vecna_release(fit->pairs.allocator, c);
    return status;
}

/* The weight of best retrieval on held-out own pairs, against two standard errors of the gain. */
static vecna_status weigh_prior(const vni_fit *fit, vni_moments *moments, const size_t *rows,
                                size_t count, int finally, vni_choice *out, vecna_error *err) {
    const vni_prior *prior = &fit->pairs.prior;
    const double unit = fmin(1, PRIOR_ROWS_STANDING / prior->statistics->count);
    const size_t trials = finally ? PRIOR_WEIGHTS : PRIOR_WEIGHTS_IN_REPORT;
    size_t queries = 0, chosen = 0;
    vecna_status status = VECNA_OK;
    double *scores =
        vecna_allocate(fit->pairs.allocator, (size_t)PRIOR_WEIGHTS * QUERIES_ASKED, sizeof *scores);
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
        status = try_weight(&leaning, moments, rows, count, finally ? PRIOR_FOLDS : FOLDS_IN_REPORT,
                            scores + t * QUERIES_ASKED, &queries, err);
        double sum = 0, square = 0, n = (double)queries;
        for (size_t i = 0; i < queries && !status; i++) {
            double d = scores[t * QUERIES_ASKED + i] - scores[i];
            trial->score += scores[t * QUERIES_ASKED + i] / n;
            sum += d;
            square += d * d;
        }
        trial->gain = n > 0 ? sum / n : 0;
        trial->gain_se = n > 0 ? sqrt(fmax(0, square / n - trial->gain * trial->gain) / n) : 0;
        if (queries >= QUERIES_WORTH_ASKING && trial->gain > 1e-12 &&
            trial->gain > PRIOR_ERRORS * trial->gain_se && trial->gain > out->trials[chosen].gain) {
            chosen = t;
        }
        out->trial_count = t + 1;
    }
    out->trials[chosen].chosen = 1;
    out->prior_weight = isinf(out->trials[chosen].weight) ? 1e6 : out->trials[chosen].weight;
    vecna_release(fit->pairs.allocator, scores);
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
        found.recipe = standing_recipe(fit->options);
        if (!(found.prior_weight > 0)) {
            found.prior_weight = fmin(1, PRIOR_ROWS_STANDING / prior->statistics->count);
        }
        *out = found;
        return VECNA_OK;
    }
    if (prior->statistics && !(found.prior_weight > 0)) {
        vecna_status weighed = weigh_prior(fit, moments, rows, count, finally, &found, err);
        if (weighed) {
            return weighed;
        }
    }
    if (vni_recipe_is_whole(&fit->options->recipe)) {
        *out = found;
        return VECNA_OK;
    }
    vni_fit leaning = *fit;
    leaning.pairs.prior.weight = found.prior_weight;
    fit = &leaning;
    vni_comparison *c = vecna_allocate_zero(allocator, 1, sizeof *c);
    if (!c) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to compare recipes");
    }
    c->fit = fit;
    c->allocator = allocator;
    c->dim = fit->pairs.target.dim;
    c->remembers = vni_choose_remembers(fit, count);
    c->fold_limit = finally ? VNI_CHOOSE_FOLDS : FOLDS_IN_REPORT;
    vecna_status status = hold_out_folds(c, moments, rows, count, err);
    status = status ? status : ask_native(c, err);
    status = status ? status : project_sample(c, err);
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
    free_comparison(c);
    vecna_release(allocator, c);
    return status;
}

void vni_choice_free(vni_choice *choice) {
    vecna_release(choice->allocator, choice->candidates);
    vni_basis_free(&choice->basis);
    *choice = (vni_choice){0};
}
