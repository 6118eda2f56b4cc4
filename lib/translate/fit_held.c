/* The last step of a fit: which rows the map keeps to tell confidence and scores from.
 *
 * They were translated by maps of folds, which must do as the delivered map does: folds that had chosen
 * another recipe translate their rows once more, by the delivered one. What is left is that a fold's map
 * has seen fewer rows; what that takes is measured (fit_growth.c) and added. */
#include "translate/fit_impl.h"
#include "translate/trust_impl.h"

/* What confidence and scores are told from: reported rows, but those that a judgement names. */
static vecna_status hold_rows(const vni_fitting *f, vecna_map *map, vecna_error *err) {
    const size_t p = f->fit.pairs.source.dim, q = f->fit.pairs.target.dim, all = f->reported_count;
    size_t free_rows = 0, count = 0, seen = 0;
    for (size_t i = 0; i < all; i++) {
        free_rows += f->judged_fitted || !f->judged[f->reported[i]];
    }
    const size_t wanted = free_rows < VNI_HELD_MOST ? free_rows : VNI_HELD_MOST;
    size_t *list = vecna_allocate(f->allocator, wanted, sizeof *list);
    float *room = vecna_allocate(f->allocator, wanted * (p + 2 * q + 1), sizeof *room);
    vecna_status status = VECNA_ERR_MEMORY;
    if (!list || !room) {
        vecna_error_set(err, status, -1, "no memory for %zu held rows", wanted);
        goto done;
    }
    for (size_t i = 0; i < all; i++) { /* evenly over the folds */
        if (f->judged_fitted || !f->judged[f->reported[i]]) {
            if (seen++ * wanted / free_rows >= count && count < wanted) {
                list[count++] = i;
            }
        }
    }
    float *native = room + wanted * p, *translated = native + wanted * q;
    float *lengths = translated + wanted * q;
    vni_gather(vecna_view_dense(f->held, all, p), list, count, vecna_matrix_dense(room, count, p));
    vni_gather(vecna_view_dense(f->held + all * p, all, q), list, count,
               vecna_matrix_dense(native, count, q));
    vni_gather(vecna_view_dense(f->held + all * (p + q), all, q), list, count,
               vecna_matrix_dense(translated, count, q));
    for (size_t i = 0; i < count; i++) {
        lengths[i] = f->lengths[list[i]];
    }
    const vni_held_input input = {.source = vecna_view_dense(room, count, p),
                                  .native = vecna_view_dense(native, count, q),
                                  .translated = vecna_view_dense(translated, count, q),
                                  .lengths = lengths,
                                  .growth = f->growth,
                                  .length_growth = f->length_growth,
                                  .role = f->options.role,
                                  .allocator = f->allocator,
                                  .pool = f->options.pool};
    status = vni_held_fit(&input, map->allocator, &map->held, err);
    if (!status && map->held) {
        map->held->of = f->row_count;
    }
done:
    vecna_release(f->allocator, list);
    vecna_release(f->allocator, room);
    return status;
}

/* Whether two recipes do alike on so many rows: where rows are many, lambda hardly matters. */
static int do_alike(const vecna_recipe *a, const vecna_recipe *b, size_t rows, size_t source_dim) {
    const int lambdas =
        a->lambda == b->lambda || (rows > VNI_ROWS_GROWN * source_dim &&
                                   a->lambda <= 10 * b->lambda && b->lambda <= 10 * a->lambda);
    return a->method == b->method && lambdas && a->share == b->share &&
           a->exponent == b->exponent && a->rank == b->rank && a->neighbours == b->neighbours &&
           a->temperature == b->temperature && a->correction == b->correction &&
           a->means == b->means;
}

vecna_status vni_fit_hold(vni_fitting *f, vecna_map *map, vecna_error *err) {
    vecna_status status = VECNA_OK;
    if (f->options.no_confidence) {
        return VECNA_OK;
    }
    for (size_t fold = 0; fold < f->folds && !status; fold++) {
        if (!do_alike(&f->fold_recipes[fold], &f->choice.recipe, f->row_count,
                      f->fit.pairs.source.dim)) {
            status = vni_fit_fold_again(f, fold, err);
        }
    }
    status = status ? status : vni_fit_grow(f, err);
    return status ? status : hold_rows(f, map, err);
}
