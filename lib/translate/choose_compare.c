/* What recipes are compared by: folds that are held out, each translated by a map that did not see it, and
 * the questions of the role asked of them. Why this criterion, and what it cannot see: choose.c. */
#include "translate/choose_impl.h"

#include <math.h>
#include <string.h>

enum { ROWS_COMPARED = 2000 /* held-out rows that are enough */ };

void vni_comparison_free(vni_comparison *c) {
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
    vecna_release(c->allocator, c->cosines);
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
    folds = c->kinds ? split.folds : folds; /* every kind */
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
    status = c->kinds ? vni_choose_kinds(fit, &split, err) : VECNA_OK;
    for (size_t f = 0; f < folds && !status; f++) {
        vni_held *h = &c->folds[c->fold_count];
        size_t most = (ROWS_COMPARED + folds - 1) / folds;
        h->rows = c->rows + c->count;
        h->first = c->count;
        for (size_t i = 0; i < split.rows && h->count < most; i++) {
            if (split.fold[split.order[i]] == f) {
                h->rows[h->count++] = split.order[i];
            }
        }
        if (h->count == 0) { /* a kind of which duplicates have taken all rows */
            continue;
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
    c->from_sample = fit->query_select_count >= VNI_CHOOSE_QUERIES_LEAST;
    size_t asking = c->from_sample ? fit->query_select_count : c->count;
    c->queries = asking < VNI_CHOOSE_QUERIES ? asking : VNI_CHOOSE_QUERIES;
    c->depth = vni_depth(c->count);
    c->list_depth = c->count < 11 ? c->count : 11;
    size_t rank = 0;
    for (size_t f = 0; f < c->fold_count; f++) {
        rank = c->folds[f].basis.rank > rank ? c->folds[f].basis.rank : rank;
    }
    c->native = vecna_allocate(a, c->count * dim, sizeof(float));
    c->translated = vecna_allocate(a, c->count * dim, sizeof(float));
    c->block = vecna_allocate(a, rank * dim, sizeof(double));
    c->cosines = vecna_allocate(a, c->count, sizeof(double));
    c->query_row = vecna_allocate(a, c->queries, sizeof(size_t));
    c->asked = vecna_allocate(a, c->queries * dim, sizeof(float));
    c->truth = vecna_allocate(a, c->queries * c->depth, sizeof(int64_t));
    c->own = vecna_allocate(a, c->queries, sizeof(int64_t));
    c->lists = vecna_allocate(a, c->queries * c->list_depth, sizeof(int64_t));
    c->scores = vecna_allocate(a, (size_t)VNI_CHOOSE_CANDIDATES * c->queries, sizeof(double));
    if (!c->native || !c->translated || !c->block || !c->cosines || !c->query_row || !c->asked ||
        !c->truth || !c->own || !c->lists || !c->scores) {
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

/* Cosine of every translated row to the native one; about the native mean when `centred`. */
void vni_comparison_cosines(const vni_comparison *c, int centred, double *out) {
    const size_t dim = c->dim;
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
        out[i] = aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : 0;
    }
}

double vni_comparison_cosine(const vni_comparison *c, int centred) {
    double total = 0;
    vni_comparison_cosines(c, centred, c->cosines);
    for (size_t i = 0; i < c->count; i++) {
        total += c->cosines[i];
    }
    return total / (double)c->count;
}

vecna_status vni_comparison_new(vni_comparison *c, vni_moments *moments, const size_t *rows,
                                size_t count, vecna_error *err) {
    vecna_status status = hold_out_folds(c, moments, rows, count, err);
    status = status ? status : ask_native(c, err);
    return status ? status : project_sample(c, err);
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
            one->temperature == recipe.temperature && one->correction == recipe.correction &&
            one->means == recipe.means) {
            return VECNA_OK; /* tried */
        }
    }
    const int role_query = fit->options->role == VECNA_ROLE_QUERY;
    const vni_means means = {.share = recipe.means};
    for (size_t f = 0; f < c->fold_count && !status; f++) {
        vni_held *h = &c->folds[f];
        status = vni_block(&h->basis, &recipe, c->block, err);
        if (!status) {
            status = vni_translate_block(
                &h->basis, vecna_view_dense(h->projected, h->count, h->basis.rank), c->block, means,
                vecna_matrix_dense(c->translated + h->first * c->dim, h->count, c->dim), NULL, pool,
                err);
        }
        if (!status && h->asked) {
            status = vni_translate_block(
                &h->basis, vecna_view_dense(h->asked, c->queries, h->basis.rank), c->block, means,
                vecna_matrix_dense(c->asked, c->queries, c->dim), NULL, pool, err);
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
    *candidate = (vecna_candidate){.recipe = recipe, .cosine = vni_comparison_cosine(c, 0)};
    for (size_t i = 0; i < c->queries; i++) {
        scores[i] = score_list(c, i);
        candidate->score += scores[i] / (double)c->queries;
    }
    c->candidate_count++;
    return vni_progress(fit, "comparing",
                        0.4 + 0.6 * (double)c->candidate_count / (VNI_CHOOSE_LAMBDAS + 12), err);
}
