/* From pairs to a map with its report.
 *
 *   1 check the rows, copy them at unit length where their space has it
 *   2 group duplicates; set aside the rows that judgements name, with their groups
 *   3 fold by fold: choose a recipe and fit on the other folds, translate this one
 *   4 measure on the rows translated in 3: the report and its verdict
 *   5 choose on all rows that are not set aside, fit the map that is delivered
 *
 * Fit, select and report never share a row of one group: choosing happens inside the rows that a
 * reported map was fitted on. With many rows one fold of each kind is enough: fit, select and report
 * are then three parts of the rows, and 5 keeps the recipe of 3. The
 * delivered map has seen the reported rows (not the judged ones), so the report is a little too
 * strict, never too kind. */
#include "translate/translate_impl.h"

#include <math.h>
#include <string.h>

enum {
    FOLDS = 5,
    ROWS_REPORTED = 800,      /* enough: no further fold is reported */
    ROWS_REPORTED_MAX = 4000, /* of one fold */
    ROWS_SHUFFLED = 500,      /* behind the map of shuffled pairs */
    JUDGED_FITTED_BELOW =
        50 /* fewer rows without judgement than this: judged ones are fitted too */
};

#define QUERIES_FOR_HALF_MEAN 30.0 /* a sample of so many moves the mean half of the way */
#define UNIT_TOLERANCE 0.02 /* rows this near to length 1 belong to a space of unit vectors */

typedef struct fitting {
    vni_fit fit; /* what the steps see */
    const vecna_allocator *allocator;
    vecna_translate_options options;
    float *source, *target; /* copies */
    float *query_source, *query_target;
    double *centres; /* source, target */
    size_t *group;
    uint64_t *key;
    size_t *query_list;  /* sample then reporting queries */
    double *query_means; /* source, target of the sample */
    int source_normalized;
    unsigned char *judged; /* (rows) 1: set aside */
    size_t judged_count;
    int judged_fitted; /* too few other rows: judged ones are reported by maps of other folds */
    size_t *rows;      /* rows to fit, then the judged */
    size_t row_count;
    vni_split split;
    vni_moments moments; /* of all rows to fit; memory NULL: they are fewer than dims */
    /* reported */
    size_t folds;
    size_t *reported; /* rows in order */
    size_t reported_count;
    float *held;        /* source, native, translated, shuffled of the reported rows */
    float *asked;       /* source, target, translated, shuffled of the reporting queries */
    size_t *query_fold; /* (reporting queries) whose map translates it */
    vecna_judgements *judgements;
    vni_choice choice;
    vecna_report report;
} fitting;

vecna_status vni_progress(const vni_fit *fit, const char *stage, double share, vecna_error *err) {
    const vecna_translate_options *o = fit->options;
    if (!o->progress) {
        return VECNA_OK;
    }
    share = share < 1 ? share : 1;
    double done = fit->progress_from + share * (fit->progress_to - fit->progress_from);
    if (o->progress(o->progress_user, stage, done)) {
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1, "cancelled while %s", stage);
    }
    return VECNA_OK;
}

/* ---- 1 check and copy
 * ---------------------------------------------------------------------------- */

/* 1 in *unit when all rows have nearly length 1. */
static vecna_status check_rows(vecna_view view, const char *name, int *unit, vecna_error *err) {
    *unit = 1;
    for (size_t i = 0; i < view.rows; i++) {
        double square = vni_dot(view.data + i * view.stride, view.data + i * view.stride, view.dim);
        if (!isfinite(square)) {
            return vecna_error_set(err, VECNA_ERR_VALUE, (int64_t)i,
                                   "row %zu of the %s holds NaN, infinity or numbers too large: "
                                   "remove it from both sides",
                                   i, name);
        }
        if (!(square > 0)) {
            return vecna_error_set(err, VECNA_ERR_VALUE, (int64_t)i,
                                   "row %zu of the %s is all zero: remove it from both sides", i,
                                   name);
        }
        *unit = *unit && fabs(sqrt(square) - 1) < UNIT_TOLERANCE;
    }
    return VECNA_OK;
}

static vecna_status copy_rows(const fitting *f, vecna_view view, int unit, float **out,
                              vecna_error *err) {
    size_t floats;
    *out = vecna_size_mul(view.rows, view.dim, &floats)
               ? vecna_allocate(f->allocator, floats, sizeof(float))
               : NULL;
    if (!*out) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to copy %zu rows", view.rows);
    }
    vecna_matrix copy = vecna_matrix_dense(*out, view.rows, view.dim);
    for (size_t i = 0; i < view.rows; i++) {
        memcpy(copy.data + i * view.dim, view.data + i * view.stride, view.dim * sizeof(float));
    }
    if (unit) {
        vni_normalise(copy, f->options.pool);
    }
    return VECNA_OK;
}

static vecna_status check_shapes(vecna_view source, vecna_view target,
                                 const vecna_translate_options *o, vecna_error *err) {
    const vecna_translate_queries *q = &o->queries;
    if (source.rows != target.rows) {
        return vecna_error_set(err, VECNA_ERR_DIM, -1,
                               "%zu source rows and %zu target rows: a pair is one row of each",
                               source.rows, target.rows);
    }
    if (source.rows < VECNA_FIT_ROWS_MIN || !source.dim || !target.dim) {
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "%zu pairs of %zu and %zu dimensions: at least %zu pairs are needed",
                               source.rows, source.dim, target.dim, VECNA_FIT_ROWS_MIN);
    }
    if (q->source.rows != q->target.rows ||
        (q->source.rows && (q->source.dim != source.dim || q->target.dim != target.dim))) {
        return vecna_error_set(err, VECNA_ERR_DIM, -1,
                               "queries of %zu x %zu and %zu x %zu beside pairs of %zu and %zu "
                               "dimensions: give each query in both spaces",
                               q->source.rows, q->source.dim, q->target.rows, q->target.dim,
                               source.dim, target.dim);
    }
    const vecna_recipe *r = &o->recipe;
    if ((unsigned)r->method > VECNA_METHOD_FAMILY || !(r->lambda >= 0) || !isfinite(r->lambda) ||
        !(r->share >= 0 && r->share <= 1) || !(r->exponent >= 0 && r->exponent <= 1)) {
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "method %d, lambda %g, share %g, exponent %g: lambda is 0 or more, "
                               "share and exponent lie in 0 .. 1",
                               (int)r->method, r->lambda, r->share, r->exponent);
    }
    if (!(o->min_retention >= 0 && o->min_retention <= 1) ||
        !(o->duplicate_cosine >= 0 && o->duplicate_cosine <= 1)) {
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "least retention %g and duplicate cosine %g must lie in 0 .. 1",
                               o->min_retention, o->duplicate_cosine);
    }
    for (size_t i = 0; i < q->judgement_count; i++) {
        const vecna_judgement *j = &q->judgements[i];
        if (j->query >= q->source.rows ||
            (j->doc != VECNA_DOC_OUTSIDE && (j->doc < 0 || (size_t)j->doc >= source.rows))) {
            return vecna_error_set(err, VECNA_ERR_ARGUMENT, (int64_t)i,
                                   "judgement %zu is of query %zu and row %lld: there are %zu "
                                   "queries and %zu rows",
                                   i, j->query, (long long)j->doc, q->source.rows, source.rows);
        }
    }
    return VECNA_OK;
}

static vecna_status take_rows(fitting *f, vecna_view source, vecna_view target, vecna_error *err) {
    const vecna_translate_queries *q = &f->options.queries;
    int target_unit = 0, ignored;
    vecna_status status = check_shapes(source, target, &f->options, err);
    status = status ? status : check_rows(source, "source", &f->source_normalized, err);
    status = status ? status : check_rows(target, "target", &target_unit, err);
    status = status ? status : check_rows(q->source, "source queries", &ignored, err);
    status = status ? status : check_rows(q->target, "target queries", &ignored, err);
    status = status ? status : copy_rows(f, source, f->source_normalized, &f->source, err);
    status = status ? status : copy_rows(f, target, target_unit, &f->target, err);
    status = status ? status : copy_rows(f, q->source, f->source_normalized, &f->query_source, err);
    status = status ? status : copy_rows(f, q->target, 1, &f->query_target, err);
    if (status) {
        return status;
    }
    f->centres = vecna_allocate_zero(f->allocator, source.dim + target.dim, sizeof(double));
    if (!f->centres) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a mean");
    }
    f->fit.normalized = target_unit && !f->options.keep_length;
    f->fit.pairs = (vni_pairs){vecna_view_dense(f->source, source.rows, source.dim),
                               vecna_view_dense(f->target, target.rows, target.dim),
                               f->centres,
                               f->centres + source.dim,
                               f->options.pool,
                               f->allocator};
    vecna_linalg_sum_add(f->fit.pairs.source, f->centres);
    vecna_linalg_sum_add(f->fit.pairs.target, f->centres + source.dim);
    for (size_t j = 0; j < source.dim + target.dim; j++) {
        f->centres[j] /= (double)source.rows;
    }
    f->fit.query_source = vecna_view_dense(f->query_source, q->source.rows, source.dim);
    f->fit.query_target = vecna_view_dense(f->query_target, q->source.rows, target.dim);
    return VECNA_OK;
}

/* ---- 2 groups, judged rows, queries
 * ---------------------------------------------------------------- */

static vecna_status group_rows(fitting *f, vecna_error *err) {
    const vni_pairs *pairs = &f->fit.pairs;
    const size_t rows = pairs->source.rows;
    double cosine =
        f->options.duplicate_cosine > 0 ? f->options.duplicate_cosine : VECNA_DUPLICATE_COSINE;
    f->group = vecna_allocate(f->allocator, rows, sizeof *f->group);
    f->key = vecna_allocate(f->allocator, rows, sizeof *f->key);
    if (!f->group || !f->key) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to group %zu rows", rows);
    }
    for (size_t i = 0; i < rows; i++) { /* of what a row is, not of where it stands */
        f->key[i] = vni_hash(VNI_HASH_START, pairs->source.data + i * pairs->source.dim,
                             pairs->source.dim * sizeof(float));
        f->key[i] = vni_hash(f->key[i], pairs->target.data + i * pairs->target.dim,
                             pairs->target.dim * sizeof(float));
    }
    vecna_status status = f->options.groups
                              ? vni_groups_of_hashes(f->options.groups, rows, f->group,
                                                     &f->fit.groups, f->allocator, err)
                              : vni_groups_of_vectors(pairs, cosine, f->group, &f->fit.groups, err);
    f->fit.group = f->group;
    f->fit.key = f->key;
    return status;
}

/* Rows that a judgement names, and all of their groups, stand behind the others. */
static vecna_status set_judged_aside(fitting *f, vecna_error *err) {
    const vecna_translate_queries *q = &f->options.queries;
    const size_t rows = f->fit.pairs.source.rows;
    f->judged = vecna_allocate_zero(f->allocator, 2 * rows, 1);
    f->rows = vecna_allocate(f->allocator, rows, sizeof *f->rows);
    if (!f->judged || !f->rows) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for %zu rows", rows);
    }
    unsigned char *group_judged = f->judged + rows;
    for (size_t i = 0; i < q->judgement_count; i++) {
        if (q->judgements[i].doc >= 0 && q->judgements[i].grade > 0) {
            group_judged[f->group[q->judgements[i].doc]] = 1;
        }
    }
    for (size_t i = 0; i < rows; i++) {
        f->judged[i] = group_judged[f->group[i]];
        f->judged_count += f->judged[i];
    }
    f->judged_fitted = rows - f->judged_count < JUDGED_FITTED_BELOW;
    size_t at = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < rows; i++) {
            if ((f->judged_fitted ? 0 : f->judged[i]) == pass) {
                f->rows[at++] = i;
            }
        }
        f->row_count = pass == 0 ? at : f->row_count;
    }
    return VECNA_OK;
}

/* Which queries choose and which report: those with a judgement report; without any judgement,
 * every second one. */
static vecna_status share_queries(fitting *f, vecna_error *err) {
    const vecna_translate_queries *q = &f->options.queries;
    const size_t count = q->source.rows;
    if (!count) {
        return VECNA_OK;
    }
    size_t *list = vecna_allocate(f->allocator, 2 * count, sizeof *list);
    f->query_list = list;
    unsigned char *named = vecna_allocate_zero(f->allocator, count, 1);
    if (!list || !named) {
        vecna_release(f->allocator, named);
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for %zu queries", count);
    }
    for (size_t i = 0; i < q->judgement_count; i++) {
        named[q->judgements[i].query] = 1;
    }
    for (size_t i = 0; i < count; i++) {
        int reports = q->judgement_count ? named[i] : (int)(i % 2);
        if (reports) {
            list[count + f->fit.query_report_count++] = i;
        } else {
            list[f->fit.query_select_count++] = i;
        }
    }
    vecna_release(f->allocator, named);
    f->fit.query_select = list;
    f->fit.query_report = list + count;
    return VECNA_OK;
}

/* Where queries lie, when a sample is given: means between those of the rows and of the sample. */
static vecna_status find_query_means(fitting *f, vecna_error *err) {
    const size_t p = f->fit.pairs.source.dim;
    const size_t q = f->fit.pairs.target.dim;
    const size_t count = f->fit.query_select_count;
    if (f->options.role != VECNA_ROLE_QUERY || !count) {
        return VECNA_OK;
    }
    f->query_means = vecna_allocate(f->allocator, p + q, sizeof(double));
    if (!f->query_means) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a mean");
    }
    double weight = (double)count / ((double)count + QUERIES_FOR_HALF_MEAN);
    for (size_t j = 0; j < p + q; j++) {
        double sum = 0;
        for (size_t i = 0; i < count; i++) {
            size_t row = f->fit.query_select[i];
            sum +=
                (double)(j < p ? f->query_source[row * p + j] : f->query_target[row * q + j - p]);
        }
        f->query_means[j] = weight * sum / (double)count + (1 - weight) * f->centres[j];
    }
    return VECNA_OK;
}

static vni_means means_of(const fitting *f) {
    vni_means means = {0};
    if (f->query_means) {
        means.source = f->query_means;
        means.target = f->query_means + f->fit.pairs.source.dim;
    }
    return means;
}

/* ---- 3 fold by fold
 * --------------------------------------------------------------------------------- */

/* Room for what is reported, and which rows that is. */
static vecna_status plan_report(fitting *f, vecna_error *err) {
    const vni_pairs *pairs = &f->fit.pairs;
    const size_t p = pairs->source.dim, q = pairs->target.dim;
    vni_split_input input = {f->rows, f->row_count,   f->group, f->key, pairs->source.rows,
                             FOLDS,   f->options.seed};
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
    f->asked = vecna_allocate(f->allocator, queries * (p + 3 * q), sizeof(float));
    f->query_fold = vecna_allocate_zero(f->allocator, queries, sizeof(size_t));
    if (!f->held || !f->asked || !f->query_fold) {
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
static vecna_status resolve_judgements(fitting *f, vecna_error *err) {
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

/* Translate the reported rows and queries of a fold into the slot-th of translated and shuffled. */
static vecna_status translate_fold(fitting *f, const vni_basis *basis, const double *block,
                                   size_t fold, size_t slot, vecna_error *err) {
    const size_t p = basis->source_dim, q = basis->target_dim;
    vecna_status status = VECNA_OK;
    for (int side = 0; side < 2 && !status; side++) { /* rows, then queries */
        const size_t count = side ? f->fit.query_report_count : f->reported_count;
        float *base = side ? f->asked : f->held;
        size_t most = 256 < count ? 256 : count;
        vni_means means = side ? means_of(f) : (vni_means){0};
        if (!count || (side && f->options.role != VECNA_ROLE_QUERY)) {
            continue;
        }
        float *room = vecna_allocate(f->allocator, most * (p + basis->rank + q), sizeof *room);
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
            vecna_matrix middle = vecna_matrix_dense(room + most * p, here, basis->rank);
            vecna_matrix out = vecna_matrix_dense(middle.data + most * basis->rank, here, q);
            if (!here) {
                break;
            }
            vni_gather(vecna_view_dense(base, count, p), listed, here, in);
            status = vni_project(basis, vecna_matrix_view(in), means, middle, f->options.pool, err);
            status = status ? status
                            : vni_translate_block(basis, vecna_matrix_view(middle), block, means,
                                                  out, f->options.pool, err);
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
static vecna_status shuffle_fold(fitting *f, const size_t *rows, size_t count,
                                 const vecna_recipe *recipe, size_t fold, vecna_error *err) {
    const size_t p = f->fit.pairs.source.dim, q = f->fit.pairs.target.dim;
    const size_t most = count < ROWS_SHUFFLED ? count : ROWS_SHUFFLED;
    vecna_status status = VECNA_ERR_MEMORY;
    vni_basis basis = {0};
    double *block = NULL;
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
    status = status ? status : translate_fold(f, &basis, block, fold, 2, err);
done:
    vni_basis_free(&basis);
    vecna_release(f->allocator, room);
    vecna_release(f->allocator, list);
    vecna_release(f->allocator, block);
    return status;
}

/* Sums of the listed rows when they are enough for them, taken out of `whole` when that is less. */
static vecna_status sum_rows(const fitting *f, const size_t *rows, size_t count, vni_moments *out,
                             vecna_error *err) {
    const vni_pairs *pairs = &f->fit.pairs;
    if (count < pairs->source.dim) {
        return VECNA_OK; /* memory stays NULL */
    }
    vecna_status status =
        vni_moments_new(pairs->source.dim, pairs->target.dim, f->allocator, out, err);
    return status ? status : vni_moments_add_rows(out, pairs, rows, count, err);
}

static vecna_status report_fold(fitting *f, size_t fold, vecna_error *err) {
    const vni_pairs *pairs = &f->fit.pairs;
    vecna_status status = VECNA_ERR_MEMORY;
    vni_moments moments = {0};
    vni_basis basis = {0};
    double *block = NULL;
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
    if (f->moments.memory && trained >= pairs->source.dim) { /* all less this fold */
        status = vni_moments_new(pairs->source.dim, pairs->target.dim, f->allocator, &moments, err);
        status = status ? status
                        : vni_moments_add_rows(&moments, pairs, train + trained,
                                               f->split.rows - trained, err);
        if (!status) {
            vni_moments_subtract(&f->moments, &moments, &moments);
        }
    }
    vni_choice_free(&f->choice);
    const vni_moments *sums = moments.memory ? &moments : NULL;
    status =
        status ? status : vni_choose(&f->fit, sums, train, trained, f->folds == 1, &f->choice, err);
    if (!status &&
        f->choice.basis.rank) { /* what chose has seen enough: three parts, no fourth fit */
        basis = f->choice.basis;
        f->choice.basis = (vni_basis){0};
    } else if (!status) {
        status = vni_basis_new(sums, pairs, train, trained, vni_recipe_rotates(&f->choice.recipe),
                               &basis, err);
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
    status = vni_block(&basis, &f->choice.recipe, block, err);
    status = status ? status : translate_fold(f, &basis, block, fold, 1, err);
    status = status ? status : shuffle_fold(f, train, trained, &f->choice.recipe, fold, err);
done:
    vni_moments_free(&moments);
    vni_basis_free(&basis);
    vecna_release(f->allocator, train);
    vecna_release(f->allocator, block);
    return status;
}

/* ---- 4 and 5
 * ----------------------------------------------------------------------------------------- */

static vecna_status fill_report(fitting *f, vecna_error *err) {
    const size_t p = f->fit.pairs.source.dim, q = f->fit.pairs.target.dim;
    const size_t rows = f->reported_count, queries = f->fit.query_report_count;
    vni_reported reported = {
        .source = vecna_view_dense(f->held, rows, p),
        .native = vecna_view_dense(f->held + rows * p, rows, q),
        .translated = vecna_view_dense(f->held + rows * (p + q), rows, q),
        .shuffled = vecna_view_dense(f->held + rows * (p + 2 * q), rows, q),
        .target_mean = f->centres + p,
        .query_source = vecna_view_dense(f->asked, queries, p),
        .query_target = vecna_view_dense(f->asked + queries * p, queries, q),
        .query_translated = vecna_view_dense(f->asked + queries * (p + q), queries, q),
        .query_shuffled = vecna_view_dense(f->asked + queries * (p + 2 * q), queries, q),
        .judged = f->judgements,
    };
    vecna_report *r = &f->report;
    r->rows = f->fit.pairs.source.rows;
    r->groups = f->fit.groups;
    r->rows_judged = f->judged_count;
    r->rows_fit = f->row_count;
    r->rows_report = rows;
    r->folds_report = f->folds;
    r->min_retention = f->options.min_retention > 0 ? f->options.min_retention
                       : f->judgements              ? VECNA_MIN_RETENTION_JUDGED
                                                    : VECNA_MIN_RETENTION_NEIGHBOURS;
    return vni_report_fill(&f->fit, &reported, r, err);
}

/* What the rows of both spaces look like, so that rows of a third one can be refused. */
static vecna_status fingerprint(const fitting *f, vecna_map *map, vecna_error *err) {
    vecna_space_options source = {
        .allocator = map->allocator, .name = map->source_name, .seed = f->options.seed};
    vecna_space_options target = {
        .allocator = map->allocator, .name = map->target_name, .seed = f->options.seed};
    vecna_status status = vecna_space_of(f->fit.pairs.source, &source, &map->source_space, err);
    return status ? status : vecna_space_of(f->fit.pairs.target, &target, &map->target_space, err);
}

static vecna_status deliver(fitting *f, vecna_map **out, vecna_error *err) {
    const vni_pairs *pairs = &f->fit.pairs;
    const vni_moments *sums = f->moments.memory ? &f->moments : NULL;
    vni_basis basis = {0};
    double *block = NULL;
    vecna_map *map = NULL;
    vecna_status status = VECNA_OK;
    if (f->folds > 1) {
        vni_choice_free(&f->choice);
        status = vni_choose(&f->fit, sums, f->split.order, f->row_count, 1, &f->choice, err);
    }
    status = status ? status
                    : vni_basis_new(sums, pairs, f->split.order, f->row_count,
                                    vni_recipe_rotates(&f->choice.recipe), &basis, err);
    status = status ? status
                    : vni_map_new(pairs->source.dim, pairs->target.dim, f->options.source_name,
                                  f->options.target_name, f->options.allocator, &map, err);
    if (status) {
        goto fail;
    }
    block = vecna_allocate(f->allocator, basis.rank * basis.target_dim, sizeof *block);
    if (!block) {
        status = vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a map");
        goto fail;
    }
    status = vni_block(&basis, &f->choice.recipe, block, err);
    status = status ? status
                    : vni_block_to_map(&basis, block, means_of(f), map->weights, map->bias, err);
    if (status) {
        goto fail;
    }
    map->role = f->options.role;
    map->recipe = f->choice.recipe;
    map->normalized = f->fit.normalized;
    map->source_normalized = f->source_normalized;
    map->rows_fit = f->row_count;
    map->report = f->report;
    map->report.rows_select = f->choice.rows;
    map->report.folds_select = f->choice.folds;
    map->report.rank = basis.rank;
    map->report.candidates = map->candidates = f->choice.candidates;
    map->report.candidate_count = f->choice.candidate_count;
    f->choice.candidates = NULL; /* the map's now */
    map->has_report = 1;
    map->verdict = map->report.verdict;
    map->reasons = map->report.reasons;
    status = fingerprint(f, map, err);
    if (status) {
        goto fail;
    }
    vni_map_seal(map);
    status = vni_map_print_report(map, err);
    if (status) {
        goto fail;
    }
    *out = map;
    map = NULL;
fail:
    vni_basis_free(&basis);
    vecna_release(f->allocator, block);
    vecna_map_free(map);
    return status;
}

static void free_fitting(fitting *f) {
    vecna_release(f->allocator, f->source);
    vecna_release(f->allocator, f->target);
    vecna_release(f->allocator, f->query_source);
    vecna_release(f->allocator, f->query_target);
    vecna_release(f->allocator, f->centres);
    vecna_release(f->allocator, f->group);
    vecna_release(f->allocator, f->key);
    vecna_release(f->allocator, f->query_list);
    vecna_release(f->allocator, f->query_means);
    vecna_release(f->allocator, f->judged);
    vecna_release(f->allocator, f->rows);
    vecna_release(f->allocator, f->reported);
    vecna_release(f->allocator, f->held);
    vecna_release(f->allocator, f->asked);
    vecna_release(f->allocator, f->query_fold);
    vecna_judgements_free(f->judgements);
    vni_split_free(&f->split);
    vni_moments_free(&f->moments);
    vni_choice_free(&f->choice);
}

static void stage(fitting *f, double from, double to) {
    f->fit.progress_from = from;
    f->fit.progress_to = to;
}

vecna_status vecna_translate_fit(vecna_view source, vecna_view target,
                                 const vecna_translate_options *options, vecna_map **out,
                                 vecna_error *err) {
    fitting f = {0};
    if (options) {
        f.options = *options;
    }
    f.allocator = f.options.allocator;
    f.fit.options = &f.options;
    vecna_status status = take_rows(&f, source, target, err);
    status = status ? status : vni_progress(&f.fit, "grouping", 0, err);
    status = status ? status : group_rows(&f, err);
    status = status ? status : set_judged_aside(&f, err);
    status = status ? status : share_queries(&f, err);
    status = status ? status : find_query_means(&f, err);
    status = status ? status : plan_report(&f, err);
    status = status ? status : resolve_judgements(&f, err);
    status = status ? status : sum_rows(&f, f.split.order, f.row_count, &f.moments, err);
    for (size_t fold = 0; fold < f.folds && !status; fold++) {
        double share = 0.7 / (double)f.folds;
        stage(&f, 0.1 + share * (double)fold, 0.1 + share * (double)(fold + 1));
        status = report_fold(&f, fold, err);
    }
    stage(&f, 0.8, 0.9);
    status = status ? status : fill_report(&f, err);
    stage(&f, 0.9, 1);
    status = status ? status : deliver(&f, out, err);
    free_fitting(&f);
    return status;
}
