/* The rows of a fit, before anything is fitted: checked, copied at unit length where their space has
 * it, grouped by duplicates; judged rows and their groups stand behind the others, and queries are
 * shared between choosing and reporting. */
#include "base/base_impl.h"
#include "translate/fit_impl.h"

#include <math.h>
#include <string.h>

enum {
    JUDGED_FITTED_BELOW =
        50 /* fewer rows without judgement than this: judged ones are fitted too */
};

#define QUERIES_FOR_HALF_MEAN 30.0 /* a sample of so many moves the mean half of the way */
#define UNIT_TOLERANCE 0.02 /* rows this near to length 1 belong to a space of unit vectors */

/* ---- 1 check and copy ------------------------------------------------------------------------ */

/* Rows on their way into the fit: squared lengths first, then the copy. */
typedef struct taking {
    vecna_view from;
    double *squares; /* (rows) */
    float *copy;     /* (rows, dim) */
    int unit;        /* copied at length 1 */
} taking;

static void measure_some(void *user, size_t begin, size_t end, size_t worker) {
    const taking *t = user;
    (void)worker;
    for (size_t i = begin; i < end; i++) {
        const float *row = t->from.data + i * t->from.stride;
        t->squares[i] = vni_dot(row, row, t->from.dim);
    }
}

static void copy_some(void *user, size_t begin, size_t end, size_t worker) {
    const taking *t = user;
    const size_t dim = t->from.dim;
    (void)worker;
    for (size_t i = begin; i < end; i++) {
        const float *row = t->from.data + i * t->from.stride;
        const float scale = t->unit ? (float)(1 / sqrt(t->squares[i])) : 1;
        for (size_t j = 0; j < dim; j++) {
            t->copy[i * dim + j] = row[j] * scale;
        }
    }
}

/* 1 in *unit when all rows have nearly length 1. */
static vecna_status check_rows(const taking *t, const char *name, int *unit, vecna_error *err) {
    *unit = 1;
    for (size_t i = 0; i < t->from.rows; i++) {
        if (!isfinite(t->squares[i])) {
            return vecna_error_set(err, VECNA_ERR_VALUE, (int64_t)i,
                                   "row %zu of the %s holds NaN, infinity or numbers too large: "
                                   "remove it from both sides",
                                   i, name);
        }
        if (!(t->squares[i] > 0)) {
            return vecna_error_set(err, VECNA_ERR_VALUE, (int64_t)i,
                                   "row %zu of the %s is all zero: remove it from both sides", i,
                                   name);
        }
        *unit = *unit && fabs(sqrt(t->squares[i]) - 1) < UNIT_TOLERANCE;
    }
    return VECNA_OK;
}

/* Check rows and copy them, at length 1 when `rule` says so or, AS_THEY_ARE, when all nearly have it. */
enum { AS_THEY_ARE = -1, ANY_LENGTH, UNIT_LENGTH };

static vecna_status take(const vni_fitting *f, vecna_view view, const char *name, int rule,
                         int *unit, float **out, vecna_error *err) {
    size_t floats;
    taking t = {.from = view};
    vecna_status status = VECNA_ERR_MEMORY;
    t.squares = vecna_allocate(f->allocator, view.rows, sizeof *t.squares);
    t.copy = vecna_size_mul(view.rows, view.dim, &floats)
                 ? vecna_allocate(f->allocator, floats, sizeof(float))
                 : NULL;
    *out = t.copy;
    if (!t.squares || !t.copy) {
        vecna_error_set(err, status, -1, "no memory to copy %zu rows", view.rows);
        goto done;
    }
    vecna_pool_run(f->options.pool, view.rows, 64, measure_some, &t);
    status = check_rows(&t, name, unit, err);
    if (!status) {
        t.unit = rule == AS_THEY_ARE ? *unit : rule;
        vecna_pool_run(f->options.pool, view.rows, 64, copy_some, &t);
    }
done:
    vecna_release(f->allocator, t.squares);
    return status;
}

static vecna_status check_shapes(vecna_view source, vecna_view target,
                                 const vecna_translate_options *o, vecna_error *err) {
    const vecna_translate_queries *q = &o->queries;
    if (source.rows != target.rows) {
        return vecna_error_set(err, VECNA_ERR_DIM, -1,
                               "%zu source rows and %zu target rows: a pair is one row of each",
                               source.rows, target.rows);
    }
    const size_t least = o->prior || o->update ? VECNA_FIT_ROWS_MIN_PRIOR : VECNA_FIT_ROWS_MIN;
    if (source.rows < least || !source.dim || !target.dim) {
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "%zu pairs of %zu and %zu dimensions: at least %zu pairs are needed",
                               source.rows, source.dim, target.dim, least);
    }
    if (!(o->prior_weight >= 0) || !isfinite(o->prior_weight) ||
        (unsigned)o->statistics > VECNA_STATISTICS_NONE) {
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "a prior's weight of %g, statistics of kind %d: the weight is above "
                               "0, the kind one of vecna_statistics",
                               o->prior_weight, (int)o->statistics);
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
    if ((unsigned)r->method >= VECNA_METHODS || r->method == VECNA_METHOD_GIVEN ||
        !(r->lambda >= 0) || !isfinite(r->lambda) || !(r->share >= 0 && r->share <= 1) ||
        !(r->exponent >= 0 && r->exponent <= 1) || !(r->means >= 0 && r->means <= 1)) {
        return vecna_error_set(
            err, VECNA_ERR_ARGUMENT, -1,
            "method %d, lambda %g, share %g, exponent %g, means %g: lambda is 0 or more, "
            "share, exponent and means lie in 0 .. 1",
            (int)r->method, r->lambda, r->share, r->exponent, r->means);
    }
    if (r->neighbours > VNI_MEMORY_NEIGHBOURS_MAX || !(r->correction >= 0 && r->correction <= 2) ||
        (r->temperature != 0 && !(r->temperature >= 1e-6 && r->temperature <= 1e6))) {
        return vecna_error_set(
            err, VECNA_ERR_ARGUMENT, -1,
            "%zu neighbours, temperature %g, correction %g: neighbours are at "
            "most %d, the temperature lies in 1e-6 .. 1e6, the correction in 0 .. 2",
            r->neighbours, r->temperature, r->correction, VNI_MEMORY_NEIGHBOURS_MAX);
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

vecna_status vni_fit_take_rows(vni_fitting *f, vecna_view source, vecna_view target,
                               vecna_error *err) {
    const vecna_translate_queries *q = &f->options.queries;
    int target_unit = 0, ignored;
    vecna_status status = check_shapes(source, target, &f->options, err);
    status = status
                 ? status
                 : take(f, source, "source", AS_THEY_ARE, &f->source_normalized, &f->source, err);
    status =
        status ? status : take(f, target, "target", AS_THEY_ARE, &target_unit, &f->target, err);
    status = status ? status
                    : take(f, q->source, "source queries",
                           f->source_normalized ? UNIT_LENGTH : ANY_LENGTH, &ignored,
                           &f->query_source, err);
    status =
        status ? status
               : take(f, q->target, "target queries", UNIT_LENGTH, &ignored, &f->query_target, err);
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
                               f->allocator,
                               {0},
                               source.rows,
                               NULL};
    vecna_linalg_sum_add(f->fit.pairs.source, f->centres);
    vecna_linalg_sum_add(f->fit.pairs.target, f->centres + source.dim);
    for (size_t j = 0; j < source.dim + target.dim; j++) {
        f->centres[j] /= (double)source.rows;
    }
    f->fit.query_source = vecna_view_dense(f->query_source, q->source.rows, source.dim);
    f->fit.query_target = vecna_view_dense(f->query_target, q->source.rows, target.dim);
    return VECNA_OK;
}

/* ---- 2 groups, judged rows, queries ---------------------------------------------------------- */

/* A hash is a chain of multiplications, byte by byte: four rows at once, so that the processor need not
 * wait for each. */
static void hash_four(vecna_view rows, size_t first, size_t count, uint64_t key[4]) {
    const size_t bytes = rows.dim * sizeof(float);
    const unsigned char *row[4];
    for (size_t k = 0; k < 4; k++) {
        size_t at = first + (k < count ? k : 0);
        row[k] = (const unsigned char *)(rows.data + at * rows.stride);
    }
    for (size_t i = 0; i < bytes; i++) {
        for (size_t k = 0; k < 4; k++) {
            key[k] = (key[k] ^ row[k][i]) * VNI_HASH_FACTOR;
        }
    }
}

static void hash_rows(void *user, size_t begin, size_t end, size_t worker) {
    vni_fitting *f = user;
    (void)worker;
    for (size_t i = begin; i < end; i += 4) { /* of what a row is, not of where it stands */
        uint64_t key[4] = {VNI_HASH_START, VNI_HASH_START, VNI_HASH_START, VNI_HASH_START};
        const size_t count = end - i < 4 ? end - i : 4;
        hash_four(f->fit.pairs.source, i, count, key);
        hash_four(f->fit.pairs.target, i, count, key);
        memcpy(f->key + i, key, count * sizeof *key);
    }
}

static vecna_status group_rows(vni_fitting *f, vecna_error *err) {
    const vni_pairs *pairs = &f->fit.pairs;
    const size_t rows = pairs->source.rows;
    double cosine =
        f->options.duplicate_cosine > 0 ? f->options.duplicate_cosine : VECNA_DUPLICATE_COSINE;
    f->group = vecna_allocate(f->allocator, rows, sizeof *f->group);
    f->key = vecna_allocate(f->allocator, rows, sizeof *f->key);
    if (!f->group || !f->key) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to group %zu rows", rows);
    }
    vecna_pool_run(f->options.pool, rows, 64, hash_rows, f);
    vecna_status status = f->options.groups && !(f->options.duplicate_cosine > 0)
                              ? vni_groups_of_hashes(f->options.groups, rows, f->group,
                                                     &f->fit.groups, f->allocator, err)
                              : vni_groups_of_vectors(pairs, cosine, f->options.groups, f->group,
                                                      &f->fit.groups, err);
    f->fit.group = f->group;
    f->fit.key = f->key;
    return status;
}

/* Rows that a judgement names, and all of their groups, stand behind the others. */
static vecna_status set_judged_aside(vni_fitting *f, vecna_error *err) {
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
static vecna_status share_queries(vni_fitting *f, vecna_error *err) {
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
static vecna_status find_query_means(vni_fitting *f, vecna_error *err) {
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

vni_means vni_fit_means(const vni_fitting *f) {
    vni_means means = {0};
    if (f->query_means) {
        means.source = f->query_means;
        means.target = f->query_means + f->fit.pairs.source.dim;
    }
    return means;
}

vecna_status vni_fit_arrange(vni_fitting *f, vecna_error *err) {
    vecna_status status = group_rows(f, err);
    status = status ? status : set_judged_aside(f, err);
    status = status ? status : share_queries(f, err);
    return status ? status : find_query_means(f, err);
}
