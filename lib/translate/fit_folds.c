/* Fold by fold: a recipe is chosen and a map fitted on the other folds, and this one is translated by
 * it, so that what is reported was never seen. Beside it the same recipe on pairs that do not belong
 * together, for the control. */
#include "translate/fit_impl.h"
#include "translate/trust_impl.h"

#include <string.h>

enum {
    ROWS_REPORTED = 800,      /* enough: no further fold is reported */
    ROWS_REPORTED_MAX = 4000, /* of one fold */
    ROWS_TRANSLATED = 2048,   /* at once */
    ROWS_SHUFFLED = 500       /* behind the map of shuffled pairs */
};

/* Room for what is reported, and which rows that is. */
static vecna_status plan_rows(vni_fitting *f, vecna_error *err) {
    const vni_pairs *pairs = &f->fit.pairs;
    const size_t p = pairs->source.dim, q = pairs->target.dim;
    vni_split_input input = {f->rows,       f->row_count,   f->group, f->key, pairs->source.rows,
                             VNI_FIT_FOLDS, f->options.seed};
    vecna_status status = vni_split_new(&input, f->allocator, &f->split, err);
    if (status) {
        return status;
    }
    if (f->split.folds < 2) {
        return vecna_error_set(
            err, VECNA_ERR_NUMERIC, -1,
            "all %zu pairs are duplicates of one: nothing is left to check a map "
            "with",
            f->row_count);
    }
    size_t per_fold = f->row_count / f->split.folds;
    per_fold = per_fold ? per_fold : 1;
    f->folds = (ROWS_REPORTED + per_fold - 1) / per_fold;
    f->folds = f->folds < f->split.folds ? f->folds : f->split.folds;
    f->folds =
        f->judged_count && !f->judged_fitted && f->judged_count >= ROWS_REPORTED / 2 ? 1 : f->folds;
    f->folds = f->judged_fitted ? f->split.folds : f->folds;
    f->reported = vecna_allocate(f->allocator, pairs->source.rows, sizeof *f->reported);
    if (!f->reported) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a report");
    }
    for (size_t fold = 0; fold < f->folds; fold++) {
        size_t most = f->folds == 1 ? ROWS_REPORTED_MAX : f->row_count;
        for (size_t i = 0; i < f->split.rows && most; i++) {
            if (f->split.fold[f->split.order[i]] == fold) {
                f->reported[f->reported_count++] = f->split.order[i];
                most--;
            }
        }
        if (fold == 0) { /* the first fold's map has not seen the judged rows either */
            for (size_t i = f->row_count; i < pairs->source.rows; i++) {
                f->reported[f->reported_count++] = f->rows[i];
                f->split.fold[f->rows[i]] = 0;
            }
        }
    }
    const size_t queries = f->fit.query_report_count;
    f->held = vecna_allocate(f->allocator, f->reported_count * (p + 3 * q), sizeof(float));
    f->lengths = vecna_allocate_zero(f->allocator, f->reported_count, 2 * sizeof(float));
    f->asked = vecna_allocate(f->allocator, queries * (p + 3 * q), sizeof(float));
    f->query_fold = vecna_allocate_zero(f->allocator, queries, sizeof(size_t));
    if (!f->held || !f->lengths || !f->asked || !f->query_fold) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to report on %zu rows",
                               f->reported_count);
    }
    vni_gather(pairs->source, f->reported, f->reported_count,
               vecna_matrix_dense(f->held, f->reported_count, p));
    vecna_matrix native = vecna_matrix_dense(f->held + f->reported_count * p, f->reported_count, q);
    vni_gather(pairs->target, f->reported, f->reported_count, native);
    vni_normalise(native, pairs->pool);
    vni_gather(f->fit.query_source, f->fit.query_report, queries,
               vecna_matrix_dense(f->asked, queries, p));
    vni_gather(f->fit.query_target, f->fit.query_report, queries,
               vecna_matrix_dense(f->asked + queries * p, queries, q));
    return VECNA_OK;
}

/* Judgements against the order of the reported rows; a query goes with the fold of its document. */
static vecna_status resolve_judgements(vni_fitting *f, vecna_error *err) {
    const vecna_translate_queries *q = &f->options.queries;
    const size_t rows = f->fit.pairs.source.rows;
    if (!q->judgement_count) {
        return VECNA_OK;
    }
    vecna_status status = VECNA_ERR_MEMORY;
    vecna_judgement *entries = vecna_allocate(f->allocator, q->judgement_count, sizeof *entries);
    int64_t *place = vecna_allocate(f->allocator, rows, sizeof *place);
    size_t *query_place = vecna_allocate(f->allocator, q->source.rows, sizeof *query_place);
    if (!entries || !place || !query_place) {
        vecna_error_set(err, status, -1, "no memory for %zu judgements", q->judgement_count);
        goto done;
    }
    for (size_t i = 0; i < rows; i++) {
        place[i] = VECNA_DOC_OUTSIDE;
    }
    for (size_t i = 0; i < f->reported_count; i++) {
        place[f->reported[i]] = (int64_t)i;
    }
    for (size_t i = 0; i < f->fit.query_report_count; i++) {
        query_place[f->fit.query_report[i]] = i;
    }
    size_t count = 0;
    for (size_t i = 0; i < q->judgement_count; i++) {
        vecna_judgement one = q->judgements[i];
        int64_t row = one.doc >= 0 ? place[one.doc] : VECNA_DOC_OUTSIDE;
        if (one.doc >= 0 && row < 0 && one.grade <= 0) {
            continue; /* judged irrelevant and not reported: nothing is lost */
        }
        if (row >= 0 && one.grade > 0) {
            f->query_fold[query_place[one.query]] = f->split.fold[one.doc];
        }
        entries[count++] = (vecna_judgement){query_place[one.query], row, one.grade};
    }
    status = vecna_judgements_new(entries, count, f->fit.query_report_count, f->reported_count,
                                  f->allocator, &f->judgements, err);
done:
    vecna_release(f->allocator, entries);
    vecna_release(f->allocator, place);
    vecna_release(f->allocator, query_place);
    return status;
}

vecna_status vni_fit_remember(const vni_memory_input *input, const vni_basis *basis,
                              const double *block, vni_memory **out, vecna_error *err) {
    const size_t p = basis->source_dim, q = basis->target_dim;
    vni_memory_input in = *input;
    if (in.recipe->method != VECNA_METHOD_MEMORY) {
        return VECNA_OK;
    }
    float *weights = vecna_allocate(in.pairs->allocator, (p + 1) * q, sizeof *weights);
    if (!weights) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to remember %zu pairs",
                               in.count);
    }
    in.weights = weights;
    in.bias = weights + p * q;
    vecna_status status = vni_block_to_map(basis, block, (vni_means){.share = in.recipe->means},
                                           weights, weights + p * q, err);
    status = status ? status : vni_memory_new(&in, in.pairs->allocator, out, err);
    vecna_release(in.pairs->allocator, weights);
    return status;
}

vecna_status vni_fold_translate(const vni_fitting *f, const vni_fold_map *map, vecna_view in,
                                vni_means means, vecna_matrix out, float *lengths,
                                vecna_error *err) {
    const vni_basis *basis = map->basis;
    vecna_pool *pool = f->options.pool;
    float *room = vecna_allocate(f->allocator, in.rows * basis->rank, sizeof *room);
    if (!room) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to translate");
    }
    means.share = map->means;
    const vecna_matrix middle = vecna_matrix_dense(room, in.rows, basis->rank);
    const vecna_view projected = vecna_matrix_view(middle);
    vecna_status status = vni_project(basis, in, means, middle, pool, err);
    status =
        status ? status
               : vni_translate_block(basis, projected, map->block, means, out, lengths, pool, err);
    if (!status && map->memory) {
        status = vni_memory_correct(map->memory, in, out, pool, err);
        vni_normalise(out, pool);
    }
    vecna_release(f->allocator, room);
    return status;
}

/* Translate the reported rows and queries of a fold into the slot-th of translated and shuffled. */
static vecna_status translate_fold(vni_fitting *f, const vni_fold_map *map, size_t fold,
                                   size_t slot, vecna_error *err) {
    const size_t p = map->basis->source_dim, q = map->basis->target_dim;
    vecna_status status = VECNA_OK;
    for (int side = 0; side < 2 && !status; side++) { /* rows, then queries */
        const size_t count = side ? f->fit.query_report_count : f->reported_count;
        float *base = side ? f->asked : f->held;
        size_t most = ROWS_TRANSLATED < count ? ROWS_TRANSLATED : count;
        const vni_means means = side ? vni_fit_means(f) : (vni_means){0};
        if (!count || (side && f->options.role != VECNA_ROLE_QUERY)) {
            continue;
        }
        float *room = vecna_allocate(f->allocator, most * (p + q + 1), sizeof *room);
        size_t *listed = vecna_allocate(f->allocator, most, sizeof *listed);
        if (!room || !listed) {
            status = vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to translate");
        }
        for (size_t i = 0; i < count && !status;) {
            size_t here = 0;
            for (; i < count && here < most; i++) {
                size_t of = side ? f->query_fold[i] : f->split.fold[f->reported[i]];
                if (of == fold) {
                    listed[here++] = i;
                }
            }
            vecna_matrix in = vecna_matrix_dense(room, here, p);
            vecna_matrix out = vecna_matrix_dense(room + most * p, here, q);
            if (!here) {
                break;
            }
            float *lengths = room + most * (p + q);
            vni_gather(vecna_view_dense(base, count, p), listed, here, in);
            status = vni_fold_translate(f, map, vecna_matrix_view(in), means, out, lengths, err);
            for (size_t k = 0; k < here && !side && !status; k++) {
                f->lengths[(slot - 1) * count + listed[k]] = lengths[k];
            }
            for (size_t k = 0; k < here && !status; k++) {
                memcpy(base + count * (p + slot * q) + listed[k] * q, out.data + k * q,
                       q * sizeof(float));
            }
        }
        vecna_release(f->allocator, room);
        vecna_release(f->allocator, listed);
    }
    return status;
}

/* The same recipe on pairs that do not belong together: what it can do by chance. */
static vecna_status shuffle_fold(vni_fitting *f, const size_t *rows, size_t count,
                                 const vecna_recipe *recipe, size_t fold, vecna_error *err) {
    const size_t p = f->fit.pairs.source.dim, q = f->fit.pairs.target.dim;
    const size_t most = count < ROWS_SHUFFLED ? count : ROWS_SHUFFLED;
    vecna_status status = VECNA_ERR_MEMORY;
    vni_basis basis = {0};
    double *block = NULL;
    vni_memory *memory = NULL;
    float *room = vecna_allocate(f->allocator, most * (p + q), sizeof *room);
    size_t *list = vecna_allocate(f->allocator, 2 * most, sizeof *list);
    if (!room || !list) {
        vecna_error_set(err, status, -1, "no memory for a control");
        goto done;
    }
    for (size_t i = 0; i < most; i++) { /* rows lie in the order of a hash: half a turn shuffles */
        list[i] = rows[i];
        list[most + i] = rows[(i + most / 2) % most];
    }
    vni_pairs pairs = f->fit.pairs;
    pairs.prior.statistics = NULL; /* it would do the pairs' work, as would what is kept */
    pairs.kept = NULL;
    vni_gather(pairs.source, list, most, vecna_matrix_dense(room, most, p));
    vni_gather(pairs.target, list + most, most, vecna_matrix_dense(room + most * p, most, q));
    pairs.source = vecna_view_dense(room, most, p);
    pairs.target = vecna_view_dense(room + most * p, most, q);
    for (size_t i = 0; i < most; i++) {
        list[i] = i;
    }
    status = vni_basis_new(NULL, &pairs, list, most, vni_recipe_rotates(recipe), &basis, err);
    if (status) {
        goto done;
    }
    block = vecna_allocate(f->allocator, basis.rank * q, sizeof *block);
    if (!block) {
        status = vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a control");
        goto done;
    }
    status = vni_block(&basis, recipe, block, err);
    const vni_memory_input input = {&pairs, NULL, list, most, NULL, NULL, recipe};
    status = status ? status : vni_fit_remember(&input, &basis, block, &memory, err);
    const vni_fold_map map = {
        .basis = &basis, .block = block, .memory = memory, .means = recipe->means};
    status = status ? status : translate_fold(f, &map, fold, 2, err);
done:
    vni_memory_free(memory);
    vni_basis_free(&basis);
    vecna_release(f->allocator, room);
    vecna_release(f->allocator, list);
    vecna_release(f->allocator, block);
    return status;
}

/* Sums of the listed rows when they are enough for them, taken out of `whole` when that is less. */
static vecna_status sum_rows(const vni_fitting *f, const size_t *rows, size_t count,
                             vni_moments *out, vecna_error *err) {
    const vni_pairs *pairs = &f->fit.pairs;
    if (count < pairs->source.dim) {
        return VECNA_OK; /* memory stays NULL */
    }
    vecna_status status =
        vni_moments_new(pairs->source.dim, pairs->target.dim, f->allocator, out, err);
    return status ? status : vni_moments_add_rows(out, pairs, rows, count, err);
}

vecna_status vni_fit_plan(vni_fitting *f, vecna_error *err) {
    vecna_status status = plan_rows(f, err);
    status = status ? status : resolve_judgements(f, err);
    /* one fold: its rows and the others are summed when they are told apart, each once */
    const size_t count = f->folds == 1 ? 0 : f->row_count;
    return status ? status : sum_rows(f, f->split.order, count, &f->moments, err);
}

vecna_status vni_fit_fold(vni_fitting *f, size_t fold, vecna_error *err) {
    const vni_pairs *pairs = &f->fit.pairs;
    vecna_status status = VECNA_ERR_MEMORY;
    vni_moments moments = {0};
    vni_basis basis = {0};
    double *block = NULL;
    vni_memory *memory = NULL;
    size_t trained = 0, skipped = f->split.rows;
    size_t *train = vecna_allocate(f->allocator, f->split.rows, sizeof *train);
    if (!train) {
        vecna_error_set(err, status, -1, "no memory to hold out a fold");
        goto done;
    }
    for (size_t i = 0; i < f->split.rows; i++) {
        size_t row = f->split.order[i];
        if (f->split.fold[row] != fold) {
            train[trained++] = row;
        } else {
            train[--skipped] = row;
        }
    }
    status = VECNA_OK;
    if (trained >= pairs->source.dim) { /* of one fold: empty, to be filled while choosing */
        status = vni_moments_new(pairs->source.dim, pairs->target.dim, f->allocator, &moments, err);
        if (!status && f->moments.memory) { /* all less this fold */
            status = vni_moments_add_rows(&moments, pairs, train + trained, f->split.rows - trained,
                                          err);
            if (!status) {
                vni_moments_subtract(&f->moments, &moments, &moments);
            }
        }
    }
    vni_choice_free(&f->choice);
    vni_moments *sums = moments.memory ? &moments : NULL;
    status =
        status ? status : vni_choose(&f->fit, sums, train, trained, f->folds == 1, &f->choice, err);
    vni_choice_lean(&f->choice, &f->fit.pairs.prior);
    if (!status && sums && sums->count == 0) { /* nothing was to be chosen */
        status = vni_moments_add_rows(sums, pairs, train, trained, err);
    }
    if (!status &&
        f->choice.basis.rank) { /* what chose has seen enough: three parts, no fourth fit */
        basis = f->choice.basis;
        f->choice.basis = (vni_basis){0};
    } else if (!status) {
        status = vni_basis_new(sums, pairs, train, trained, vni_recipe_rotates(&f->choice.recipe),
                               &basis, err);
    }
    if (!status && sums && !f->moments.memory) { /* the whole, for the map that is delivered */
        status = vni_moments_add_rows(sums, pairs, train + trained, f->split.rows - trained, err);
        f->moments = moments;
        moments = (vni_moments){0};
    }
    vni_moments_free(&moments);
    if (status) {
        goto done;
    }
    block = vecna_allocate(f->allocator, basis.rank * basis.target_dim, sizeof *block);
    if (!block) {
        status = vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a map");
        goto done;
    }
    f->fold_recipes[fold] = f->choice.recipe;
    status = vni_block(&basis, &f->choice.recipe, block, err);
    const vni_memory_input input = {pairs, f->key, train, trained, NULL, NULL, &f->choice.recipe};
    status = status ? status : vni_fit_remember(&input, &basis, block, &memory, err);
    const vni_fold_map map = {
        .basis = &basis, .block = block, .memory = memory, .means = f->choice.recipe.means};
    status = status ? status : translate_fold(f, &map, fold, 1, err);
    status = status ? status : shuffle_fold(f, train, trained, &f->choice.recipe, fold, err);
done:
    vni_memory_free(memory);
    vni_moments_free(&moments);
    vni_basis_free(&basis);
    vecna_release(f->allocator, train);
    vecna_release(f->allocator, block);
    return status;
}

vecna_status vni_fold_map_new(const vni_fitting *f, const size_t *train, size_t trained,
                              vni_fold_map *out, vecna_error *err) {
    vni_moments sums = {0};
    *out = (vni_fold_map){.basis = &out->own, .means = f->choice.recipe.means};
    vecna_status status = sum_rows(f, train, trained, &sums, err);
    status = status ? status
                    : vni_basis_new(sums.memory ? &sums : NULL, &f->fit.pairs, train, trained,
                                    vni_recipe_rotates(&f->choice.recipe), &out->own, err);
    vni_moments_free(&sums);
    if (!status) {
        out->block =
            vecna_allocate(f->allocator, out->own.rank * out->own.target_dim, sizeof *out->block);
        status = out->block ? vni_block(&out->own, &f->choice.recipe, out->block, err)
                            : vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a map");
    }
    const vni_memory_input input = {&f->fit.pairs, f->key,           train, trained, NULL,
                                    NULL,          &f->choice.recipe};
    return status ? status : vni_fit_remember(&input, &out->own, out->block, &out->memory, err);
}

void vni_fold_map_free(const vni_fitting *f, vni_fold_map *map) {
    vni_memory_free(map->memory);
    vni_basis_free(&map->own);
    vecna_release(f->allocator, map->block);
}

vecna_status vni_fit_fold_again(vni_fitting *f, size_t fold, vecna_error *err) {
    vni_fold_map map = {0};
    size_t trained = 0;
    size_t *train = vecna_allocate(f->allocator, f->split.rows, sizeof *train);
    if (!train) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to hold out a fold");
    }
    for (size_t i = 0; i < f->split.rows; i++) {
        if (f->split.fold[f->split.order[i]] != fold) {
            train[trained++] = f->split.order[i];
        }
    }
    vecna_status status = vni_fold_map_new(f, train, trained, &map, err);
    status = status ? status : translate_fold(f, &map, fold, 1, err);
    vni_fold_map_free(f, &map);
    vecna_release(f->allocator, train);
    return status;
}
