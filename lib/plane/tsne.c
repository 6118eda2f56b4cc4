/* t-SNE: affinities of the nearest 3 * perplexity rows, then gradient descent in the plane.
 *
 * A row's affinities are a Gaussian over its neighbours whose width gives the wanted perplexity;
 * p_ij = (p_j|i + p_i|j) / 2n lives in a sparse matrix of rows. A step needs what neighbours pull
 * (the sparse matrix) and what all push (tree.c). Both are sums over one row at a time, so threads
 * change nothing. Schedule, gains and learning rate are those of the reference implementations:
 * exaggeration 12 and momentum 0.5 for the first quarter, then 1 and 0.8; rate rows / 48, at least
 * 50. */
#include "plane/plane_impl.h"
#include "vecna/search.h"

#include <math.h>
#include <string.h>

enum { GRAIN = 16, WIDTH_STEPS = 64 };

typedef struct descent {
    const vecna_tsne_options *options;
    const vecna_allocator *allocator;
    vecna_pool *pool;
    size_t rows, k;
    double perplexity;
    float theta;
    int64_t *near;   /* (rows, k) */
    float *distance; /* (rows, k) squared; then affinities p_j|i */
    size_t *start;   /* (rows + 1) of each row in column */
    uint32_t *column;
    float *p;
    float *plane;    /* (rows, 2) borrowed: the caller's out */
    float *push;     /* (rows + lanes, 2) in the order of the curve */
    float *total;    /* (rows + lanes) */
    float *gradient; /* (rows, 2) */
    float *step;     /* (rows, 2) */
    float *gain;     /* (rows, 2) */
    vni_tree tree;
    vni_sources *lists; /* one a thread */
    double exaggeration, all_pushed;
} descent;

/* ---- affinities ------------------------------------------------------------------------------ */

/* The width of one row's Gaussian by bisection, and p_j|i in place of its squared distances. */
static void widen(const descent *d, size_t row) {
    float *at = d->distance + row * d->k;
    const double wanted = log(d->perplexity);
    double beta = 1, low = 0, high = INFINITY, sum = 0;
    for (int step = 0; step < WIDTH_STEPS; step++) {
        double mean = 0;
        sum = 0;
        for (size_t j = 0; j < d->k; j++) { /* from the nearest: nothing underflows altogether */
            double p = exp(-beta * (double)(at[j] - at[0]));
            sum += p;
            mean += p * (double)(at[j] - at[0]);
        }
        const double entropy = log(sum) + beta * mean / sum;
        if (fabs(entropy - wanted) < 1e-5) {
            break;
        }
        if (entropy > wanted) {
            low = beta;
            beta = isinf(high) ? beta * 2 : (beta + high) / 2;
        } else {
            high = beta;
            beta = (beta + low) / 2;
        }
    }
    const float nearest = at[0];
    for (size_t j = 0; j < d->k; j++) {
        at[j] = (float)(exp(-beta * (double)(at[j] - nearest)) / sum);
    }
}

static void widen_rows(void *user, size_t begin, size_t end, size_t worker) {
    (void)worker;
    for (size_t row = begin; row < end; row++) {
        widen(user, row);
    }
}

static vecna_status find_neighbours(descent *d, vecna_view rows, vecna_error *err) {
    vecna_status status = VECNA_ERR_MEMORY;
    int64_t *self = vecna_allocate(d->allocator, d->rows, sizeof *self);
    d->near = vecna_allocate(d->allocator, d->rows * d->k, sizeof *d->near);
    d->distance = vecna_allocate(d->allocator, d->rows * d->k, sizeof *d->distance);
    if (!self || !d->near || !d->distance) {
        vecna_error_set(err, status, -1, "no memory for %zu neighbours of %zu rows", d->k, d->rows);
        goto done;
    }
    for (size_t i = 0; i < d->rows; i++) {
        self[i] = (int64_t)i;
    }
    const vecna_search_options search = {.metric = VECNA_METRIC_L2SQ,
                                         .k = d->k,
                                         .excluded = self,
                                         .pool = d->pool,
                                         .allocator = d->allocator};
    status = vecna_search(rows, rows, &search, d->near, d->distance, err);
    for (size_t i = 0; status == VECNA_OK && i < d->rows * d->k; i++) {
        if (d->near[i] < 0) {
            status = vecna_error_set(err, VECNA_ERR_NUMERIC, (int64_t)(i / d->k),
                                     "row %zu has no distance to others: it is not finite, or "
                                     "beyond float32",
                                     i / d->k);
        }
        d->distance[i] = fmaxf(-d->distance[i], 0);
    }
done:
    vecna_release(d->allocator, self);
    return status;
}

/* p = (p_j|i + p_i|j) / 2n as rows of a sparse matrix: each pair is put into both rows, and what a
 * row got twice is added up. */
static vecna_status symmetrise(descent *d, vecna_error *err) {
    const size_t pairs = 2 * d->rows * d->k;
    d->start = vecna_allocate_zero(d->allocator, d->rows + 1, sizeof *d->start);
    d->column = vecna_allocate(d->allocator, pairs, sizeof *d->column);
    d->p = vecna_allocate(d->allocator, pairs, sizeof *d->p);
    size_t *fill = vecna_allocate(d->allocator, d->rows, sizeof *fill);
    size_t *seen = vecna_allocate_zero(d->allocator, d->rows, sizeof *seen);
    if (!d->start || !d->column || !d->p || !fill || !seen) {
        vecna_release(d->allocator, fill);
        vecna_release(d->allocator, seen);
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for affinities of %zu rows",
                               d->rows);
    }
    for (size_t i = 0; i < d->rows * d->k; i++) {
        d->start[i / d->k + 1]++;
        d->start[d->near[i] + 1]++;
    }
    for (size_t i = 0; i < d->rows; i++) {
        d->start[i + 1] += d->start[i];
        fill[i] = d->start[i];
    }
    for (size_t i = 0; i < d->rows * d->k; i++) {
        const size_t from = i / d->k, to = (size_t)d->near[i];
        const float p = d->distance[i] / (float)(2 * d->rows);
        d->column[fill[from]] = (uint32_t)to;
        d->p[fill[from]++] = p;
        d->column[fill[to]] = (uint32_t)from;
        d->p[fill[to]++] = p;
    }
    size_t kept = 0;
    for (size_t i = 0; i < d->rows; i++) { /* seen[j]: where j stands in this row, from 1 */
        const size_t first = kept, last = d->start[i + 1];
        for (size_t at = i ? fill[i - 1] : 0; at < last; at++) {
            const uint32_t j = d->column[at];
            if (seen[j] > first) {
                d->p[seen[j] - 1] += d->p[at];
            } else {
                d->column[kept] = j;
                d->p[kept] = d->p[at];
                seen[j] = ++kept;
            }
        }
        fill[i] = last;
        d->start[i] = first;
    }
    d->start[d->rows] = kept;
    vecna_release(d->allocator, fill);
    vecna_release(d->allocator, seen);
    return VECNA_OK;
}

/* ---- descent --------------------------------------------------------------------------------- */

static void push_points(void *user, size_t begin, size_t end, size_t worker) {
    descent *d = user;
    for (size_t group = begin; group < end; group++) {
        float force[2 * VNI_LANES], total[VNI_LANES];
        const size_t first = group * VNI_LANES;
        vni_tree_repulsion(&d->tree, first, d->theta, &d->lists[worker], force, total);
        for (size_t l = 0; l < VNI_LANES && first + l < d->rows; l++) {
            const size_t point = d->tree.order[first + l];
            d->push[2 * point] = force[l];
            d->push[2 * point + 1] = force[VNI_LANES + l];
            d->total[point] = total[l];
        }
    }
}

static void pull_points(void *user, size_t begin, size_t end, size_t worker) {
    descent *d = user;
    (void)worker;
    const float exaggeration = (float)d->exaggeration, normaliser = (float)(1 / d->all_pushed);
    for (size_t i = begin; i < end; i++) {
        const float x = d->plane[2 * i], y = d->plane[2 * i + 1];
        float pull_x = 0, pull_y = 0;
        for (size_t at = d->start[i]; at < d->start[i + 1]; at++) {
            const float *other = d->plane + 2 * (size_t)d->column[at];
            const float dx = x - other[0], dy = y - other[1];
            const float pull = d->p[at] / (1 + dx * dx + dy * dy);
            pull_x += pull * dx;
            pull_y += pull * dy;
        }
        d->gradient[2 * i] = 4 * (exaggeration * pull_x - normaliser * d->push[2 * i]);
        d->gradient[2 * i + 1] = 4 * (exaggeration * pull_y - normaliser * d->push[2 * i + 1]);
    }
}

/* All forces at the present positions, and the sum over pairs of q. */
static void find_gradient(descent *d) {
    vni_tree_fill(&d->tree, d->plane, d->rows);
    vecna_pool_run(d->pool, (d->rows + VNI_LANES - 1) / VNI_LANES, GRAIN, push_points, d);
    d->all_pushed = 0;
    for (size_t i = 0; i < d->rows; i++) {
        d->all_pushed += (double)d->total[i];
    }
    d->all_pushed = fmax(d->all_pushed - (double)d->rows, 1e-12); /* without each point on itself */
    vecna_pool_run(d->pool, d->rows, 256, pull_points, d);
}

static void move(descent *d, float momentum, float rate) {
    double middle[2] = {0, 0};
    for (size_t i = 0; i < 2 * d->rows; i++) {
        const int same = (d->gradient[i] > 0) == (d->step[i] > 0);
        d->gain[i] = fmaxf(same ? d->gain[i] * 0.8f : d->gain[i] + 0.2f, 0.01f);
        d->step[i] = momentum * d->step[i] - rate * d->gain[i] * d->gradient[i];
        d->plane[i] += d->step[i];
        middle[i & 1] += (double)d->plane[i];
    }
    for (size_t i = 0; i < 2 * d->rows; i++) {
        d->plane[i] -= (float)(middle[i & 1] / (double)d->rows);
    }
}

static vecna_status descend(descent *d, vecna_error *err) {
    const size_t iterations = d->options->iterations ? d->options->iterations : 1000;
    const float rate = (float)fmax((double)d->rows / 48, 50);
    for (size_t n = 0; n < iterations; n++) {
        const int early = n < iterations / 4;
        d->exaggeration = early ? 12 : 1;
        find_gradient(d);
        move(d, early ? 0.5f : 0.8f, rate);
        if (d->options->progress && n % 10 == 0 &&
            d->options->progress(d->options->progress_user, (double)n / (double)iterations)) {
            return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1, "cancelled");
        }
    }
    return VECNA_OK;
}

static double divergence_left(descent *d) {
    double sum = 0;
    find_gradient(d);
    for (size_t i = 0; i < d->rows; i++) {
        for (size_t at = d->start[i]; at < d->start[i + 1]; at++) {
            const float *a = d->plane + 2 * i, *b = d->plane + 2 * (size_t)d->column[at];
            const double dx = (double)(a[0] - b[0]), dy = (double)(a[1] - b[1]);
            const double p = (double)d->p[at], q = 1 / (1 + dx * dx + dy * dy) / d->all_pushed;
            sum += p > 0 ? p * log(p / q) : 0;
        }
    }
    return sum;
}

/* The principal components at a size where all points feel each other, and equal rows apart. */
static vecna_status start_small(descent *d, vecna_view rows, vecna_error *err) {
    double share[2], square = 0;
    vecna_random random;
    vecna_status status = vecna_plane_components(rows, 2, d->plane, share, d->allocator, err);
    if (status != VECNA_OK) {
        return status;
    }
    for (size_t i = 0; i < d->rows; i++) {
        square += (double)d->plane[2 * i] * (double)d->plane[2 * i];
    }
    const double scale = 1e-4 / sqrt(square / (double)d->rows);
    vecna_random_seed(&random, d->options->seed, 0);
    for (size_t i = 0; i < 2 * d->rows; i++) {
        d->plane[i] = (float)((double)d->plane[i] * scale + 1e-8 * vecna_random_normal(&random));
        d->gain[i] = 1;
    }
    return VECNA_OK;
}

static vecna_status make_room(descent *d, vecna_error *err) {
    const size_t padded = d->rows + VNI_LANES;
    d->push = vecna_allocate(d->allocator, 2 * padded, sizeof *d->push);
    d->total = vecna_allocate(d->allocator, padded, sizeof *d->total);
    d->gradient = vecna_allocate(d->allocator, 2 * d->rows, sizeof *d->gradient);
    d->step = vecna_allocate_zero(d->allocator, 2 * d->rows, sizeof *d->step);
    d->gain = vecna_allocate(d->allocator, 2 * d->rows, sizeof *d->gain);
    d->lists = vecna_allocate(d->allocator, vecna_pool_threads(d->pool), sizeof *d->lists);
    if (!d->push || !d->total || !d->gradient || !d->step || !d->gain || !d->lists) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for %zu points", d->rows);
    }
    return vni_tree_new(d->rows, d->allocator, &d->tree, err);
}

static void free_descent(descent *d) {
    vecna_release(d->allocator, d->near);
    vecna_release(d->allocator, d->distance);
    vecna_release(d->allocator, d->start);
    vecna_release(d->allocator, d->column);
    vecna_release(d->allocator, d->p);
    vecna_release(d->allocator, d->push);
    vecna_release(d->allocator, d->total);
    vecna_release(d->allocator, d->gradient);
    vecna_release(d->allocator, d->step);
    vecna_release(d->allocator, d->gain);
    vecna_release(d->allocator, d->lists);
    vni_tree_free(&d->tree);
}

/* Perplexity and neighbours, checked against the rows there are. */
static vecna_status settle(descent *d, vecna_error *err) {
    const vecna_tsne_options *o = d->options;
    d->perplexity = o->perplexity > 0 ? o->perplexity : fmin(30, (double)(d->rows - 1) / 3);
    d->theta = (float)(o->theta > 0 ? o->theta : 0.5);
    if (!(d->perplexity >= 1 && d->perplexity <= (double)(d->rows - 1) / 3) ||
        !(o->perplexity >= 0) || !(o->theta >= 0 && o->theta <= 2)) {
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "perplexity %g and theta %g do not go with %zu rows: perplexity 1 "
                               "to a third of the rows, theta 0 to 2",
                               o->perplexity, o->theta, d->rows);
    }
    d->k = (size_t)(3 * d->perplexity);
    return VECNA_OK;
}

vecna_status vecna_plane_tsne(vecna_view rows, const vecna_tsne_options *options, float *out,
                              double *divergence, vecna_error *err) {
    static const vecna_tsne_options none = {0};
    descent d = {.options = options ? options : &none, .rows = rows.rows};
    vecna_status status;
    float *plane;
    d.allocator = d.options->allocator;
    d.pool = d.options->pool;
    if (rows.rows < 4) {
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1, "t-SNE needs at least 4 rows, not %zu",
                               rows.rows);
    }
    status = settle(&d, err);
    if (status != VECNA_OK) {
        return status;
    }
    plane = d.plane = vecna_allocate(d.allocator, 2 * d.rows, sizeof *d.plane);
    status = plane ? make_room(&d, err)
                   : vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for %zu points", d.rows);
    if (status == VECNA_OK) {
        status = find_neighbours(&d, rows, err);
    }
    if (status == VECNA_OK) {
        vecna_pool_run(d.pool, d.rows, 64, widen_rows, &d);
        status = symmetrise(&d, err);
    }
    if (status == VECNA_OK) {
        status = start_small(&d, rows, err);
    }
    if (status == VECNA_OK) {
        status = descend(&d, err);
    }
    if (status == VECNA_OK) {
        if (divergence) {
            *divergence = divergence_left(&d);
        }
        memcpy(out, plane, 2 * d.rows * sizeof *out);
    }
    vecna_release(d.allocator, plane);
    free_descent(&d);
    return status;
}
