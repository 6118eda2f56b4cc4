/* Rows of two models that are not the same texts, and a handful that are: the anchors.
 *
 * The anchors alone know few directions, and their means are noise; the rows of both sides know the means
 * and where the texts lie. So: rotate by the anchors about the means of all rows; every turned source row
 * takes the mean of its nearest target rows for its partner; the rotation of these pairs and the anchors is
 * the next one; again (the smoothing of mini-vec2vec, Dar 2025, started from anchors). What is accumulated
 * from step to step is the cross product, half of the old one each time, so that a step costs one
 * decomposition. Without any anchor the start is guessed from the shapes of the two clouds (unpaired_start.c), which
 * takes some thousand rows of one kind of text (docs/translators.md).
 *
 * What it is worth is asked of anchors: five times a fifth of them is kept out and looked for among all target
 * rows. The same with anchors that do not belong together is the control that has to be beaten. Without anchors
 * no truth is known. What can be known is whether the rows determine the answer: two alignments of halves
 * that share no row are asked for the same source rows, which one of them must find where the other put
 * them, as two alignments to targets whose columns were shuffled must not. */
#include "translate/translate_impl.h"

#include <math.h>
#include <string.h>

enum {
    STEPS = 14,
    ROWS_A_STEP = 1000,
    ROWS_MOST = 6000, /* of a side, for the steps; the means are of all */
    NEAR = 32,        /* target rows whose mean is a partner */
    ROWS_PER_NEAR = 40,
    FOLDS = 5,
    LIST = 10,
    ROWS_LEAST = 50,
    BLIND_STEPS = 40, /* without anchors */
    BLIND_ROWS_MOST = 10000,
    BLIND_ROWS_LEAST = 400,
    BLIND_ASKED = 500
};
#define OLD 0.5            /* share of the cross product so far */
#define DIRECTION_MIN 1e-6 /* a singular value below this share of the greatest fixes nothing */
#define UNIT_TOLERANCE 0.02

typedef struct aligning {
    const vecna_translate_options *options;
    const vecna_allocator *allocator;
    size_t p, q, anchors;
    size_t asked; /* that are looked for: the anchors, or source rows where there are none */
    size_t rows_x, rows_y; /* that the steps use */
    int unit_x, unit_y;
    double *mean_x, *mean_y;   /* of all rows */
    double spread_x, spread_y; /* mean squared distance from them */
    float *x, *y;              /* (rows, dim) less the mean, length 1 */
    float *anchor_x, *anchor_y;
    double *cross;   /* (p, q) accumulated */
    double *step;    /* (p, q) of one step */
    float *rotation; /* (p, q) */
    float *turned;   /* (most rows, q) */
    float *taken;    /* (ROWS_A_STEP, p) */
    float *partner;  /* (ROWS_A_STEP, q) */
    int64_t *lists;  /* (ROWS_A_STEP or anchors, NEAR or LIST) */
    size_t *order;
} aligning;

static void free_aligning(aligning *g) {
    void *const all[] = {g->mean_x,   g->x,      g->y,     g->anchor_x, g->anchor_y, g->cross,
                         g->rotation, g->turned, g->taken, g->partner,  g->lists,    g->order};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        vecna_release(g->allocator, all[i]);
    }
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* The mean of a side and whether its rows have length 1. */
static vecna_status take_mean(vecna_view rows, const char *side, double *mean, int *unit,
                              vecna_error *err) {
    *unit = 1;
    for (size_t i = 0; i < rows.rows; i++) {
        const float *row = rows.data + i * rows.stride;
        const double square = vni_dot(row, row, rows.dim);
        if (!(square > 0) || !isfinite(square)) {
            return vecna_error_set(err, VECNA_ERR_VALUE, (int64_t)i,
                                   "row %zu of the %s is zero or holds NaN or infinity: remove it",
                                   i, side);
        }
        *unit = *unit && fabs(sqrt(square) - 1) < UNIT_TOLERANCE;
        for (size_t j = 0; j < rows.dim; j++) {
            mean[j] += (double)row[j] / (double)rows.rows;
        }
    }
    return VECNA_OK;
}

/* One row about the mean, at length 1; the squared distance. */
static double centre(const float *row, const double *mean, size_t dim, float *out) {
    double square = 0;
    for (size_t j = 0; j < dim; j++) {
        const double d = (double)row[j] - mean[j];
        out[j] = (float)d;
        square += d * d;
    }
    const float scale = square > 0 ? (float)(1 / sqrt(square)) : 0;
    for (size_t j = 0; j < dim; j++) {
        out[j] *= scale;
    }
    return square;
}

/* Evenly spread rows of a side; in turns into a first and a second half where they are asked for. */
static double take_rows(vecna_view rows, const double *mean, size_t count, int halves, float *out) {
    const size_t first = (count + 1) / 2;
    double spread = 0;
    for (size_t i = 0; i < count; i++) {
        const size_t at = !halves ? i : i < first ? 2 * i : 2 * (i - first) + 1;
        const float *row = rows.data + at * rows.rows / count * rows.stride;
        spread += centre(row, mean, rows.dim, out + i * rows.dim) / (double)count;
    }
    return spread;
}

static vecna_status make_room(aligning *g, vecna_error *err) {
    const vecna_allocator *a = g->allocator;
    const size_t p = g->p, q = g->q;
    const size_t most =
        g->anchors ? (g->anchors > ROWS_A_STEP ? g->anchors : ROWS_A_STEP) : BLIND_ROWS_MOST;
    g->mean_x = vecna_allocate_zero(a, p + q, sizeof(double));
    g->x = vecna_allocate(a, g->rows_x * p, sizeof(float));
    g->y = vecna_allocate(a, g->rows_y * q, sizeof(float));
    g->anchor_x = vecna_allocate(a, (g->anchors + 1) * p, sizeof(float));
    g->anchor_y = vecna_allocate(a, (g->anchors ? g->anchors : BLIND_ASKED) * q, sizeof(float));
    g->cross = vecna_allocate(a, 2 * p * q, sizeof(double));
    g->rotation = vecna_allocate(a, p * q, sizeof(float));
    g->turned = vecna_allocate(a, most * q, sizeof(float));
    g->taken = vecna_allocate(a, most * p, sizeof(float));
    g->partner = vecna_allocate(a, most * q, sizeof(float));
    g->lists = vecna_allocate(a, most * NEAR, sizeof(int64_t));
    g->order = vecna_allocate(a, g->rows_x + g->anchors, sizeof(size_t));
    if (!g->mean_x || !g->x || !g->y || !g->anchor_x || !g->anchor_y || !g->cross || !g->rotation ||
        !g->turned || !g->taken || !g->partner || !g->lists || !g->order) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to align %zu and %zu rows",
                               g->rows_x, g->rows_y);
    }
    g->mean_y = g->mean_x + p;
    g->step = g->cross + p * q;
    return VECNA_OK;
}

static vecna_status check(vecna_view source, vecna_view target, const vecna_anchor *anchors,
                          size_t count, const vecna_translate_options *o, vecna_error *err) {
    if (source.rows < ROWS_LEAST || target.rows < ROWS_LEAST || !source.dim || !target.dim) {
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "%zu and %zu rows to align: at least %d of each side are needed, "
                               "thousands are better",
                               source.rows, target.rows, ROWS_LEAST);
    }
    if (!count && (source.rows < BLIND_ROWS_LEAST || target.rows < BLIND_ROWS_LEAST)) {
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "%zu and %zu rows to align without an anchor: at least %d of each "
                               "side are needed, ten thousand are better",
                               source.rows, target.rows, BLIND_ROWS_LEAST);
    }
    if (count > 0 && count < VECNA_ANCHORS_MIN) {
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "%zu anchors: at least %zu rows must be known to be the same text",
                               count, VECNA_ANCHORS_MIN);
    }
    if (o->prior || o->update || !(o->min_retention >= 0 && o->min_retention <= 1)) {
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "anchors go with neither prior nor update, and the least retention "
                               "lies in 0 .. 1");
    }
    for (size_t i = 0; i < count; i++) {
        if (anchors[i].source >= source.rows || anchors[i].target >= target.rows) {
            return vecna_error_set(err, VECNA_ERR_ARGUMENT, (int64_t)i,
                                   "anchor %zu is of rows %zu and %zu: there are %zu and %zu", i,
                                   anchors[i].source, anchors[i].target, source.rows, target.rows);
        }
    }
    return VECNA_OK;
}

static vecna_status take(aligning *g, vecna_view source, vecna_view target,
                         const vecna_anchor *anchors, vecna_error *err) {
    g->p = source.dim;
    g->q = target.dim;
    const size_t most = g->anchors ? ROWS_MOST : BLIND_ROWS_MOST;
    g->rows_x = source.rows < most ? source.rows : most;
    g->rows_y = target.rows < most ? target.rows : most;
    g->asked = g->anchors ? g->anchors : g->rows_x < BLIND_ASKED ? g->rows_x : BLIND_ASKED;
    vecna_status status = make_room(g, err);
    status = status ? status : take_mean(source, "source", g->mean_x, &g->unit_x, err);
    status = status ? status : take_mean(target, "target", g->mean_y, &g->unit_y, err);
    if (status) {
        return status;
    }
    g->spread_x = take_rows(source, g->mean_x, g->rows_x, !g->anchors, g->x);
    g->spread_y = take_rows(target, g->mean_y, g->rows_y, !g->anchors, g->y);
    for (size_t i = 0; i < g->anchors; i++) {
        centre(source.data + anchors[i].source * source.stride, g->mean_x, g->p,
               g->anchor_x + i * g->p);
        centre(target.data + anchors[i].target * target.stride, g->mean_y, g->q,
               g->anchor_y + i * g->q);
    }
    return VECNA_OK;
}

/* ---- steps ----------------------------------------------------------------------------------- */

/* step += weight * left' right over rows. */
static void add_products(const aligning *g, const float *left, const float *right, double weight) {
    for (size_t i = 0; i < g->p; i++) {
        const double x = weight * (double)left[i];
        for (size_t j = 0; j < g->q; j++) {
            g->step[i * g->q + j] += x * (double)right[j];
        }
    }
}

/* The anchors of a fit: all that are not in fold `out`, weighing `weight` together; of shuffled ones each
 * takes the next one's partner. */
static void add_anchors(const aligning *g, size_t out, int shuffled, double weight) {
    size_t used = 0;
    for (size_t i = 0; i < g->anchors; i++) {
        used += i % FOLDS != out;
    }
    for (size_t i = 0; i < g->anchors; i++) {
        const size_t with = shuffled ? (i + g->anchors / 2 + 1) % g->anchors : i;
        if (i % FOLDS != out) {
            add_products(g, g->anchor_x + i * g->p, g->anchor_y + with * g->q,
                         weight / (double)used);
        }
    }
}

/* rotation = U V' of the accumulated cross product, which takes the step in. */
static vecna_status turn(aligning *g, double old, vecna_error *err) {
    const size_t p = g->p, q = g->q, k = p < q ? p : q;
    vecna_status status = VECNA_ERR_MEMORY;
    vni_dense copy = {vecna_allocate(g->allocator, p * q, sizeof(double)), p, q};
    vni_dense left = {vecna_allocate(g->allocator, p * k, sizeof(double)), p, k};
    vni_dense right = {vecna_allocate(g->allocator, k * q, sizeof(double)), k, q};
    double *sigma = vecna_allocate(g->allocator, k, sizeof *sigma);
    if (!copy.data || !left.data || !right.data || !sigma) {
        vecna_error_set(err, status, -1, "no memory for a rotation");
        goto done;
    }
    for (size_t i = 0; i < p * q; i++) {
        g->cross[i] = old * g->cross[i] + (1 - old) * g->step[i];
    }
    memcpy(copy.data, g->cross, p * q * sizeof(double));
    status = vni_dense_svd(&copy, &left, sigma, &right, err);
    if (status) {
        goto done;
    }
    for (size_t i = 0; i < k; i++) {
        if (sigma[i] <= DIRECTION_MIN * sigma[0]) {
            memset(right.data + i * q, 0, q * sizeof(double));
        }
    }
    status = vni_dense_product(&left, 0, &right, 0, &copy, err);
    for (size_t i = 0; i < p * q && !status; i++) {
        g->rotation[i] = (float)copy.data[i];
    }
done:
    vecna_release(g->allocator, copy.data);
    vecna_release(g->allocator, left.data);
    vecna_release(g->allocator, right.data);
    vecna_release(g->allocator, sigma);
    return status;
}

/* Rows through the rotation, at length 1. */
static vecna_status turn_rows(const aligning *g, const float *rows, size_t count,
                              vecna_error *err) {
    vecna_matrix out = vecna_matrix_dense(g->turned, count, g->q);
    vecna_status status =
        vni_product(vecna_view_dense(rows, count, g->p), vecna_view_dense(g->rotation, g->p, g->q),
                    out, g->options->pool, err);
    if (!status) {
        vni_normalise(out, g->options->pool);
    }
    return status;
}

/* Partners of the taken rows: the means of the target rows nearest to where they are turned. */
static void find_partners(const aligning *g, size_t count, size_t near) {
    for (size_t i = 0; i < count; i++) {
        float *out = g->partner + i * g->q;
        memset(out, 0, g->q * sizeof *out);
        for (size_t k = 0; k < near; k++) {
            const float *row = g->y + (size_t)g->lists[i * near + k] * g->q;
            for (size_t j = 0; j < g->q; j++) {
                out[j] += row[j];
            }
        }
    }
    vni_normalise(vecna_matrix_dense(g->partner, count, g->q), g->options->pool);
}

static vecna_status one_step(aligning *g, vecna_random *random, size_t out, int shuffled,
                             vecna_error *err) {
    const size_t count = g->rows_x < ROWS_A_STEP ? g->rows_x : ROWS_A_STEP;
    size_t near = g->rows_y / ROWS_PER_NEAR;
    near = near < 2 ? 2 : near > NEAR ? NEAR : near;
    for (size_t i = 0; i < g->rows_x; i++) {
        g->order[i] = i;
    }
    vecna_random_shuffle(random, g->order, g->rows_x);
    vni_gather(vecna_view_dense(g->x, g->rows_x, g->p), g->order, count,
               vecna_matrix_dense(g->taken, count, g->p));
    vecna_status status = turn_rows(g, g->taken, count, err);
    status = status ? status
                    : vni_top(vecna_view_dense(g->y, g->rows_y, g->q),
                              vecna_view_dense(g->turned, count, g->q), near, g->lists,
                              g->options->pool, g->allocator, err);
    if (status) {
        return status;
    }
    find_partners(g, count, near);
    memset(g->step, 0, g->p * g->q * sizeof *g->step);
    vecna_gram sums = {.cross = g->step, .allocator = g->allocator};
    status = vecna_linalg_gram_add(&sums, vecna_view_dense(g->taken, count, g->p),
                                   vecna_view_dense(g->partner, count, g->q), err);
    add_anchors(g, out, shuffled, (double)count);
    return status ? status : turn(g, OLD, err);
}

/* Align without the anchors of fold `out` (FOLDS: with all). */
static vecna_status align(aligning *g, size_t out, int shuffled, double from, double to,
                          vecna_error *err) {
    const vecna_translate_options *o = g->options;
    vecna_random random;
    vecna_random_seed(&random, o->seed, 0x616c + out);
    memset(g->step, 0, g->p * g->q * sizeof *g->step);
    const size_t steps = g->anchors ? STEPS : BLIND_STEPS;
    vecna_status status = VECNA_OK;
    if (g->anchors) {
        add_anchors(g, out, shuffled, ROWS_A_STEP);
    } else {
        status = vni_unpaired_start(vecna_view_dense(g->x, g->rows_x, g->p),
                                    vecna_view_dense(g->y, g->rows_y, g->q), o->seed + out, o->pool,
                                    g->allocator, g->step, err);
    }
    status = status ? status : turn(g, 0, err);
    for (size_t s = 0; s < steps && !status; s++) {
        status = one_step(g, &random, out, shuffled, err);
        const double done = from + (to - from) * (double)(s + 1) / (double)steps;
        if (!status && o->progress && o->progress(o->progress_user, "aligning", done)) {
            status = vecna_error_set(err, VECNA_ERR_ARGUMENT, -1, "cancelled while aligning");
        }
    }
    return status;
}

/* ---- what it is worth ------------------------------------------------------------------------ */

enum { TRANSLATED, SHUFFLED, UNTRANSLATED, SYSTEMS };
enum { RECALL1, RECALL10, MRR10, NDCG10, FIGURES };

/* Figures of one anchor whose row came out at that rank (0 first). */
static void score_rank(size_t rank, double *values, size_t anchors, size_t i) {
    values[RECALL1 * anchors + i] = rank == 0;
    values[RECALL10 * anchors + i] = rank < LIST;
    values[MRR10 * anchors + i] = rank < LIST ? 1 / (double)(rank + 1) : 0;
    values[NDCG10 * anchors + i] = rank < LIST ? 1 / log2((double)rank + 2) : 0;
}

/* How many target rows are nearer to a query than its anchor's own. */
static size_t rank_of(const aligning *g, const float *query, size_t anchor) {
    const double own = vni_dot(query, g->anchor_y + anchor * g->q, g->q);
    size_t nearer = 0;
    for (size_t i = 0; i < g->rows_y; i++) { /* the row itself may be among them: as near */
        nearer += vni_dot(query, g->y + i * g->q, g->q) > own + 1e-6;
    }
    return nearer;
}

/* Held-out anchors of a fold, or all of them untranslated. */
static vecna_status ask(aligning *g, size_t fold, int system, double *values, vecna_error *err) {
    const size_t n = g->anchors;
    vecna_status status = VECNA_OK;
    if (system == UNTRANSLATED) {
        for (size_t i = 0; i < n; i++) {
            for (size_t j = 0; j < g->q; j++) {
                g->turned[i * g->q + j] = j < g->p ? g->anchor_x[i * g->p + j] : 0;
            }
        }
        vni_normalise(vecna_matrix_dense(g->turned, n, g->q), g->options->pool);
    } else {
        status = turn_rows(g, g->anchor_x, n, err);
    }
    for (size_t i = 0; i < n && !status; i++) {
        if (fold == FOLDS || i % FOLDS == fold) {
            score_rank(rank_of(g, g->turned + i * g->q, i), values + (size_t)system * FIGURES * n,
                       n, i);
        }
    }
    return status;
}

static vecna_status conclude(const aligning *g, const double *values, vecna_report *r,
                             vecna_error *err) {
    const size_t n = g->asked;
    const vecna_translate_options *o = g->options;
    const double *nothing = values + (size_t)SYSTEMS * FIGURES * n, *ones = nothing + n;
    const char *const names[VECNA_CONTROLS] = {
        "mean vector", g->anchors ? "shuffled anchors" : "shuffled target columns", "untranslated"};
    const double *of[VECNA_CONTROLS] = {nothing, values + (SHUFFLED * FIGURES + NDCG10) * n,
                                        values + (UNTRANSLATED * FIGURES + NDCG10) * n};
    vecna_control controls[VECNA_CONTROLS];
    vecna_statistic statistics[FIGURES];
    const double *columns[FIGURES];
    vecna_interval figures[FIGURES];
    vecna_bootstrap_options bootstrap = {
        .resamples = o->resamples, .seed = o->seed, .pool = o->pool, .allocator = g->allocator};
    r->truth = (vecna_truth){.name = g->anchors ? "held-out anchors" : "agreement of two halves",
                             .queries = n,
                             .corpus = g->anchors ? g->rows_y : g->rows_x,
                             .depth = LIST};
    for (size_t i = 0; i < VECNA_CONTROLS; i++) {
        r->truth.control_names[i] = names[i];
        controls[i] = (vecna_control){names[i], of[i]};
    }
    for (size_t f = 0; f < FIGURES; f++) {
        columns[f] = values + f * n;
        statistics[f] = (vecna_statistic){VECNA_STATISTIC_MEAN, f, 0, 0};
    }
    vecna_retention_input input = {.translated = columns[NDCG10],
                                   .native = ones,
                                   .controls = controls,
                                   .control_count = VECNA_CONTROLS,
                                   .queries = n};
    vecna_status status =
        vecna_eval_retention(&input, &bootstrap, &r->truth.retention, r->truth.controls, err);
    vecna_bootstrap_input each = {columns, FIGURES, n, statistics, FIGURES};
    status = status ? status : vecna_eval_bootstrap(&each, &bootstrap, figures, err);
    if (!status) {
        r->truth.translated = (vecna_figures){.recall1 = figures[RECALL1],
                                              .recall10 = figures[RECALL10],
                                              .mrr10 = figures[MRR10],
                                              .ndcg10 = figures[NDCG10]};
        r->verdict = vecna_eval_verdict(&r->truth.retention, r->min_retention, &r->reasons);
        if (r->verdict != VECNA_VERDICT_FAIL) {
            r->verdict = VECNA_VERDICT_WARN;
            r->reasons = g->anchors ? VECNA_REASON_ANCHORS : 0;
        }
        r->reasons |= g->anchors ? 0 : VECNA_REASON_UNSEEN;
    }
    return status;
}

/* Where the asked source rows lie for a query among all that the second half's alignment turned. */
static void find_again(const aligning *g, int system, double *values) {
    for (size_t i = 0; i < g->asked; i++) {
        const float *query = g->anchor_y + i * g->q;
        const size_t own = i * g->rows_x / g->asked;
        const double like = vni_dot(query, g->turned + own * g->q, g->q);
        size_t nearer = 0;
        for (size_t j = 0; j < g->rows_x; j++) {
            nearer += vni_dot(query, g->turned + j * g->q, g->q) > like + 1e-6;
        }
        score_rank(nearer, values + (size_t)system * FIGURES * g->asked, g->asked, i);
    }
}

/* Align both halves and ask one of them for the rows of the other. */
static vecna_status ask_halves(aligning *g, int system, double from, double to, double *values,
                               vecna_error *err) {
    const size_t first_x = (g->rows_x + 1) / 2, first_y = (g->rows_y + 1) / 2;
    aligning half = *g;
    half.rows_x = first_x;
    half.rows_y = first_y;
    vecna_status status = align(&half, 0, 0, from, (from + to) / 2, err);
    for (size_t i = 0; i < g->asked && !status; i++) { /* turned one by one: no room for more */
        status = turn_rows(g, g->x + i * g->rows_x / g->asked * g->p, 1, err);
        memcpy(g->anchor_y + i * g->q, g->turned, g->q * sizeof *g->turned);
    }
    half.x += first_x * g->p;
    half.y += first_y * g->q;
    half.rows_x = g->rows_x - first_x;
    half.rows_y = g->rows_y - first_y;
    status = status ? status : align(&half, 1, 0, (from + to) / 2, to, err);
    status = status ? status : turn_rows(g, g->x, g->rows_x, err);
    if (!status) {
        find_again(g, system, values);
    }
    if (!status && system == TRANSLATED) { /* and what comes of rows that were not turned */
        for (size_t i = 0; i < g->asked; i++) {
            float *out = g->anchor_y + i * g->q;
            const float *row = g->x + i * g->rows_x / g->asked * g->p;
            for (size_t j = 0; j < g->q; j++) {
                out[j] = j < g->p ? row[j] : 0;
            }
        }
        vni_normalise(vecna_matrix_dense(g->anchor_y, g->asked, g->q), g->options->pool);
        find_again(g, UNTRANSLATED, values);
    }
    return status;
}

/* Targets without their geometry: every column in an order of its own. */
static vecna_status ask_shuffled(aligning *g, double *values, vecna_error *err) {
    aligning broken = *g;
    vecna_random random;
    size_t *order = vecna_allocate(g->allocator, g->rows_y, sizeof *order);
    broken.y = vecna_allocate(g->allocator, g->rows_y * g->q, sizeof *broken.y);
    vecna_status status = VECNA_ERR_MEMORY;
    if (!order || !broken.y) {
        vecna_error_set(err, status, -1, "no memory to shuffle %zu rows", g->rows_y);
        goto done;
    }
    vecna_random_seed(&random, g->options->seed, 0x7368);
    for (size_t i = 0; i < g->rows_y; i++) {
        order[i] = i;
    }
    for (size_t j = 0; j < g->q; j++) {
        vecna_random_shuffle(&random, order, g->rows_y);
        for (size_t i = 0; i < g->rows_y; i++) {
            broken.y[i * g->q + j] = g->y[order[i] * g->q + j];
        }
    }
    vni_normalise(vecna_matrix_dense(broken.y, g->rows_y, g->q), g->options->pool);
    status = ask_halves(&broken, SHUFFLED, 0.4, 0.8, values, err);
done:
    vecna_release(g->allocator, order);
    vecna_release(g->allocator, broken.y);
    return status;
}

static vecna_status judge(aligning *g, vecna_report *r, vecna_error *err) {
    const size_t n = g->asked, columns = SYSTEMS * FIGURES + 2;
    double *values = vecna_allocate_zero(g->allocator, columns * n, sizeof *values);
    vecna_status status = VECNA_OK;
    if (!values) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to judge %zu anchors", n);
    }
    for (size_t i = 0; i < n; i++) {
        values[(columns - 1) * n + i] = 1; /* the target model finds its own row */
    }
    if (!g->anchors) {
        status = ask_halves(g, TRANSLATED, 0, 0.4, values, err);
        status = status ? status : ask_shuffled(g, values, err);
    }
    for (size_t fold = 0; fold < FOLDS && g->anchors && !status; fold++) {
        const double from = (double)fold / (FOLDS + 2);
        status = align(g, fold, 0, from, from + 1.0 / (FOLDS + 2), err);
        status = status ? status : ask(g, fold, TRANSLATED, values, err);
    }
    if (g->anchors) {
        status = status ? status : align(g, FOLDS, 1, 0.7, 0.85, err);
        status = status ? status : ask(g, FOLDS, SHUFFLED, values, err);
        status = status ? status : ask(g, FOLDS, UNTRANSLATED, values, err);
    }
    r->rows = g->anchors;
    r->groups = g->anchors;
    r->rows_fit = g->anchors;
    r->rows_report = n;
    r->folds_report = g->anchors ? FOLDS : 2;
    r->rank = g->p;
    r->min_retention =
        g->options->min_retention > 0 ? g->options->min_retention : VECNA_MIN_RETENTION_JUDGED;
    status = status ? status : conclude(g, values, r, err);
    vecna_release(g->allocator, values);
    return status;
}

/* The rotation, scaled to the targets' spread, about the means. */
static void set_weights(const aligning *g, vecna_map *map) {
    const double scale = g->spread_x > 0 ? sqrt(g->spread_y / g->spread_x) : 1;
    for (size_t i = 0; i < g->p * g->q; i++) {
        map->weights[i] = (float)(scale * (double)g->rotation[i]);
    }
    for (size_t j = 0; j < g->q; j++) {
        double shift = 0;
        for (size_t i = 0; i < g->p; i++) {
            shift += g->mean_x[i] * (double)map->weights[i * g->q + j];
        }
        map->bias[j] = (float)(g->mean_y[j] - shift);
    }
}

vecna_status vecna_translate_unpaired(vecna_view source, vecna_view target,
                                      const vecna_anchor *anchors, size_t anchor_count,
                                      const vecna_translate_options *options, vecna_map **out,
                                      vecna_error *err) {
    static const vecna_translate_options defaults;
    aligning g = {.options = options ? options : &defaults, .anchors = anchor_count};
    const vecna_translate_options *o = g.options;
    vecna_map *map = NULL;
    g.allocator = o->allocator;
    vecna_status status = check(source, target, anchors, anchor_count, o, err);
    if (status) {
        return status;
    }
    status = take(&g, source, target, anchors, err);
    status = status
                 ? status
                 : vni_map_new(g.p, g.q, o->source_name, o->target_name, o->allocator, &map, err);
    status = status ? status : judge(&g, &map->report, err);
    status = status ? status : align(&g, FOLDS, 0, 0.85, 1, err);
    if (status) {
        goto done;
    }
    set_weights(&g, map);
    map->role = o->role;
    map->recipe = (vecna_recipe){.method = VECNA_METHOD_PROCRUSTES_RADIUS};
    map->normalized = g.unit_y && !o->keep_length;
    map->source_normalized = g.unit_x;
    map->rows_fit = anchor_count;
    map->has_report = 1;
    map->report.unpaired_source = source.rows;
    map->report.unpaired_target = target.rows;
    map->verdict = map->report.verdict;
    map->reasons = map->report.reasons;
    vecna_space_options from = {.allocator = map->allocator, .name = map->source_name};
    vecna_space_options to = {.allocator = map->allocator, .name = map->target_name};
    status = vecna_space_of(source, &from, &map->source_space, err);
    status = status ? status : vecna_space_of(target, &to, &map->target_space, err);
    if (!status) {
        vni_map_seal(map);
        status = vni_map_print_report(map, err);
    }
    if (!status) {
        *out = map;
        map = NULL;
    }
done:
    vecna_map_free(map);
    free_aligning(&g);
    return status;
}
