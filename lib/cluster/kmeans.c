/* k-means: almost all of the work is products of rows with centres, so that is how it is written. A
 * tile of rows meets all centres in one product; the nearest is read off the tile while it is in the
 * cache.
 *
 * Nothing depends on threads: rows are assigned one by one, and a centre is the sum of its rows in
 * their order, taken by whichever thread. Rows are centred about their mean first: distances are the
 * same, and float32 keeps more of them. */
#include "vecna/cluster.h"
#include "vecna/linalg.h"

#include <math.h>
#include <string.h>

enum { TILE = 256, TRIALS_MOST = 16 };

typedef struct kmeans {
    const vecna_kmeans_options *options;
    const vecna_allocator *allocator;
    vecna_pool *pool;
    size_t rows, dim, clusters;
    double *mean;         /* (dim) of all rows */
    float *x;             /* (rows, dim) about the mean */
    float *square;        /* (rows) */
    float *distance;      /* (rows) squared, to the nearest centre */
    uint32_t *of;         /* (rows) */
    float *centres;       /* (clusters, dim) */
    float *moved;         /* (clusters, dim) */
    float *centre_square; /* (clusters) */
    double *sums;         /* (dim) a thread */
    size_t *start;        /* (clusters + 1) of each cluster in order */
    uint32_t *order;      /* (rows) rows by cluster */
    float *tiles;         /* (TILE, widest) a thread */
    double *shift;        /* (clusters) squared move of a centre */
    float *best;          /* (clusters, dim) of the best start */
    vecna_status *failed; /* one a thread */
} kmeans;

/* ---- distances ------------------------------------------------------------------------------- */

static float square_of(const float *row, size_t dim) {
    double sum = 0;
    for (size_t j = 0; j < dim; j++) {
        sum += (double)row[j] * (double)row[j];
    }
    return (float)sum;
}

static void assign_tile(void *user, size_t begin, size_t end, size_t worker) {
    kmeans *k = user;
    float *tile = k->tiles + worker * TILE * k->clusters;
    vecna_status status =
        vecna_linalg_product_rows(vecna_view_dense(k->x + begin * k->dim, end - begin, k->dim),
                                  vecna_view_dense(k->centres, k->clusters, k->dim),
                                  vecna_matrix_dense(tile, end - begin, k->clusters), NULL, NULL);
    if (status != VECNA_OK) {
        k->failed[worker] = status;
        return;
    }
    for (size_t i = begin; i < end; i++) {
        const float *row = tile + (i - begin) * k->clusters;
        float least = INFINITY;
        uint32_t nearest = 0;
        for (size_t c = 0; c < k->clusters; c++) {
            const float at = k->centre_square[c] - 2 * row[c];
            if (at < least) {
                least = at;
                nearest = (uint32_t)c;
            }
        }
        k->of[i] = nearest;
        k->distance[i] = fmaxf(least + k->square[i], 0);
    }
}

static vecna_status failure(const kmeans *k, vecna_error *err) {
    for (size_t t = 0; t < vecna_pool_threads(k->pool); t++) {
        if (k->failed[t] != VECNA_OK) {
            return vecna_error_set(err, k->failed[t], -1,
                                   "a product of rows and centres failed: %s",
                                   vecna_status_sentence(k->failed[t]));
        }
    }
    return VECNA_OK;
}

static vecna_status assign(kmeans *k, vecna_error *err) {
    for (size_t c = 0; c < k->clusters; c++) {
        k->centre_square[c] = square_of(k->centres + c * k->dim, k->dim);
    }
    vecna_pool_run(k->pool, k->rows, TILE, assign_tile, k);
    return failure(k, err);
}

/* ---- seeds: greedy k-means++ ----------------------------------------------------------------- */

typedef struct seeding {
    kmeans *k;
    size_t trials;
    float trial_square[TRIALS_MOST];
    float *candidates; /* (trials, dim) */
    float *distances;  /* (trials, rows) to the nearest centre, were the trial one */
} seeding;

static void try_tile(void *user, size_t begin, size_t end, size_t worker) {
    seeding *s = user;
    kmeans *k = s->k;
    float tile[TILE * TRIALS_MOST];
    vecna_status status =
        vecna_linalg_product_rows(vecna_view_dense(k->x + begin * k->dim, end - begin, k->dim),
                                  vecna_view_dense(s->candidates, s->trials, k->dim),
                                  vecna_matrix_dense(tile, end - begin, s->trials), NULL, NULL);
    if (status != VECNA_OK) {
        k->failed[worker] = status;
        return;
    }
    for (size_t i = begin; i < end; i++) {
        for (size_t t = 0; t < s->trials; t++) {
            const float at =
                k->square[i] + s->trial_square[t] - 2 * tile[(i - begin) * s->trials + t];
            s->distances[t * k->rows + i] = fminf(fmaxf(at, 0), k->distance[i]);
        }
    }
}

static double total_of(const float *values, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += (double)values[i];
    }
    return sum;
}

/* A row with probability in proportion to its squared distance; any row when all are 0. */
static size_t draw_row(const kmeans *k, double total, vecna_random *random) {
    double at = vecna_random_uniform(random) * total;
    if (!(total > 0)) {
        return (size_t)vecna_random_below(random, k->rows);
    }
    for (size_t i = 0; i < k->rows; i++) {
        at -= (double)k->distance[i];
        if (at < 0) {
            return i;
        }
    }
    return k->rows - 1;
}

/* Of several rows drawn, the one that leaves the least distance becomes the centre. */
static vecna_status place_centre(seeding *s, size_t centre, vecna_random *random,
                                 vecna_error *err) {
    kmeans *k = s->k;
    const double total = centre ? total_of(k->distance, k->rows) : 0;
    size_t best = 0;
    double least = INFINITY;
    s->trials = centre ? 2 + (size_t)log((double)k->clusters) : 1;
    s->trials = s->trials < TRIALS_MOST ? s->trials : TRIALS_MOST;
    for (size_t t = 0; t < s->trials; t++) {
        const size_t row = draw_row(k, total, random);
        memcpy(s->candidates + t * k->dim, k->x + row * k->dim, k->dim * sizeof(float));
        s->trial_square[t] = k->square[row];
    }
    vecna_pool_run(k->pool, k->rows, TILE, try_tile, s);
    for (size_t t = 0; t < s->trials; t++) {
        const double left = total_of(s->distances + t * k->rows, k->rows);
        if (left < least) {
            least = left;
            best = t;
        }
    }
    memcpy(k->centres + centre * k->dim, s->candidates + best * k->dim, k->dim * sizeof(float));
    memcpy(k->distance, s->distances + best * k->rows, k->rows * sizeof(float));
    return failure(k, err);
}

static vecna_status seed_centres(kmeans *k, size_t restart, vecna_error *err) {
    seeding s = {.k = k};
    vecna_random random;
    vecna_status status = VECNA_OK;
    vecna_random_seed(&random, k->options->seed, restart);
    s.candidates = vecna_allocate(k->allocator, TRIALS_MOST * k->dim, sizeof *s.candidates);
    s.distances = vecna_allocate(k->allocator, TRIALS_MOST * k->rows, sizeof *s.distances);
    if (!s.candidates || !s.distances) {
        status = vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to seed %zu clusters",
                                 k->clusters);
    }
    for (size_t i = 0; i < k->rows; i++) {
        k->distance[i] = INFINITY;
    }
    for (size_t c = 0; status == VECNA_OK && c < k->clusters; c++) {
        status = place_centre(&s, c, &random, err);
    }
    vecna_release(k->allocator, s.candidates);
    vecna_release(k->allocator, s.distances);
    return status;
}

/* ---- Lloyd's iteration ----------------------------------------------------------------------- */

/* Give each empty cluster the row farthest from its centre, taken from a cluster that has others. */
static void fill_empty(kmeans *k) {
    for (size_t c = 0; c < k->clusters; c++) {
        if (k->start[c + 1] > 0) {
            continue;
        }
        size_t far = k->rows;
        for (size_t i = 0; i < k->rows; i++) {
            if (k->start[k->of[i] + 1] > 1 && k->distance[i] > 0 &&
                (far == k->rows || k->distance[i] > k->distance[far])) {
                far = i;
            }
        }
        if (far == k->rows) {
            return; /* fewer distinct rows than clusters */
        }
        k->start[k->of[far] + 1]--;
        k->start[c + 1]++;
        k->of[far] = (uint32_t)c;
        k->distance[far] = 0;
    }
}

/* Rows by cluster, each cluster's in their order. */
static void sort_rows(kmeans *k) {
    memset(k->start, 0, (k->clusters + 1) * sizeof *k->start);
    for (size_t i = 0; i < k->rows; i++) {
        k->start[k->of[i] + 1]++;
    }
    fill_empty(k);
    for (size_t c = 0; c < k->clusters; c++) {
        k->start[c + 1] += k->start[c];
    }
    for (size_t i = 0; i < k->rows; i++) {
        k->order[k->start[k->of[i]]++] = (uint32_t)i;
    }
    memmove(k->start + 1, k->start, k->clusters * sizeof *k->start);
    k->start[0] = 0;
}

static void move_centres(void *user, size_t begin, size_t end, size_t worker) {
    kmeans *k = user;
    double *sum = k->sums + worker * k->dim;
    for (size_t c = begin; c < end; c++) {
        float *to = k->moved + c * k->dim;
        const size_t count = k->start[c + 1] - k->start[c];
        k->shift[c] = 0;
        if (count == 0) {
            memcpy(to, k->centres + c * k->dim, k->dim * sizeof *to);
            continue;
        }
        memset(sum, 0, k->dim * sizeof *sum);
        for (size_t at = k->start[c]; at < k->start[c + 1]; at++) {
            const float *row = k->x + k->order[at] * k->dim;
            for (size_t j = 0; j < k->dim; j++) {
                sum[j] += (double)row[j];
            }
        }
        for (size_t j = 0; j < k->dim; j++) {
            to[j] = (float)(sum[j] / (double)count);
            const double by = (double)to[j] - (double)k->centres[c * k->dim + j];
            k->shift[c] += by * by;
        }
    }
}

static vecna_status iterate(kmeans *k, double still, vecna_kmeans_result *result,
                            vecna_error *err) {
    const size_t most = k->options->iterations ? k->options->iterations : 300;
    vecna_status status = assign(k, err);
    result->converged = 0;
    for (result->iterations = 0; status == VECNA_OK && result->iterations < most;) {
        double shift = 0;
        sort_rows(k);
        vecna_pool_run(k->pool, k->clusters, 1, move_centres, k);
        for (size_t c = 0; c < k->clusters; c++) {
            shift += k->shift[c];
        }
        float *was = k->centres;
        k->centres = k->moved;
        k->moved = was;
        result->iterations++;
        status = assign(k, err);
        if (shift <= still) {
            result->converged = 1;
            break;
        }
    }
    result->inertia = status == VECNA_OK ? total_of(k->distance, k->rows) : 0;
    return status;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static void free_kmeans(kmeans *k) {
    vecna_release(k->allocator, k->mean);
    vecna_release(k->allocator, k->x);
    vecna_release(k->allocator, k->square);
    vecna_release(k->allocator, k->distance);
    vecna_release(k->allocator, k->of);
    vecna_release(k->allocator, k->centres);
    vecna_release(k->allocator, k->moved);
    vecna_release(k->allocator, k->centre_square);
    vecna_release(k->allocator, k->sums);
    vecna_release(k->allocator, k->start);
    vecna_release(k->allocator, k->order);
    vecna_release(k->allocator, k->tiles);
    vecna_release(k->allocator, k->shift);
    vecna_release(k->allocator, k->best);
    vecna_release(k->allocator, k->failed);
}

static vecna_status make_room(kmeans *k, vecna_error *err) {
    const size_t threads = vecna_pool_threads(k->pool);
    const vecna_allocator *a = k->allocator;
    k->mean = vecna_allocate_zero(a, k->dim, sizeof *k->mean);
    k->x = vecna_allocate(a, k->rows, k->dim * sizeof *k->x);
    k->square = vecna_allocate(a, k->rows, sizeof *k->square);
    k->distance = vecna_allocate(a, k->rows, sizeof *k->distance);
    k->of = vecna_allocate(a, k->rows, sizeof *k->of);
    k->centres = vecna_allocate(a, k->clusters, k->dim * sizeof *k->centres);
    k->moved = vecna_allocate(a, k->clusters, k->dim * sizeof *k->moved);
    k->centre_square = vecna_allocate(a, k->clusters, sizeof *k->centre_square);
    k->sums = vecna_allocate(a, threads, k->dim * sizeof *k->sums);
    k->start = vecna_allocate(a, k->clusters + 1, sizeof *k->start);
    k->order = vecna_allocate(a, k->rows, sizeof *k->order);
    k->tiles = vecna_allocate(a, threads * TILE, k->clusters * sizeof *k->tiles);
    k->shift = vecna_allocate(a, k->clusters, sizeof *k->shift);
    k->best = vecna_allocate(a, k->clusters, k->dim * sizeof *k->best);
    k->failed = vecna_allocate_zero(a, threads, sizeof *k->failed);
    if (!k->mean || !k->x || !k->square || !k->distance || !k->of || !k->centres || !k->moved ||
        !k->centre_square || !k->sums || !k->start || !k->order || !k->tiles || !k->shift ||
        !k->best || !k->failed) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for %zu clusters of %zu rows",
                               k->clusters, k->rows);
    }
    return VECNA_OK;
}

/* Rows about their mean, and their squares; *spread the sum of these. */
static vecna_status centre_rows(kmeans *k, vecna_view rows, double *spread, vecna_error *err) {
    vecna_linalg_sum_add(rows, k->mean);
    *spread = 0;
    for (size_t i = 0; i < k->rows; i++) {
        float *to = k->x + i * k->dim;
        for (size_t j = 0; j < k->dim; j++) {
            to[j] = (float)((double)rows.data[i * rows.stride + j] - k->mean[j] / (double)k->rows);
        }
        k->square[i] = square_of(to, k->dim);
        *spread += (double)k->square[i];
    }
    for (size_t i = 0; i < k->rows && !isfinite(*spread); i++) {
        for (size_t j = 0; j < k->dim; j++) {
            if (!isfinite(rows.data[i * rows.stride + j])) {
                return vecna_error_set(err, VECNA_ERR_VALUE, (int64_t)i,
                                       "row %zu is not finite: nothing is near it", i);
            }
        }
    }
    return isfinite(*spread)
               ? VECNA_OK
               : vecna_error_set(err, VECNA_ERR_NUMERIC, -1, "squares of these rows leave float32");
}

vecna_status vecna_kmeans(vecna_view rows, size_t clusters, const vecna_kmeans_options *options,
                          float *centres, uint32_t *of, vecna_kmeans_result *result,
                          vecna_error *err) {
    static const vecna_kmeans_options none = {0};
    kmeans k = {.options = options ? options : &none,
                .rows = rows.rows,
                .dim = rows.dim,
                .clusters = clusters};
    vecna_kmeans_result best = {.inertia = INFINITY};
    double spread, tolerance;
    vecna_status status;
    k.allocator = k.options->allocator;
    k.pool = k.options->pool;
    tolerance = k.options->tolerance > 0 ? k.options->tolerance : 1e-4;
    if (clusters < 1 || clusters > rows.rows || rows.rows > INT32_MAX || rows.dim < 1) {
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "%zu rows cannot be put into %zu clusters; 1 to %zu can", rows.rows,
                               clusters, rows.rows);
    }
    status = make_room(&k, err);
    if (status == VECNA_OK) {
        status = centre_rows(&k, rows, &spread, err);
    }
    const size_t starts = k.options->restarts ? k.options->restarts : 1;
    for (size_t r = 0; status == VECNA_OK && r < starts; r++) {
        vecna_kmeans_result now;
        status = seed_centres(&k, r, err);
        if (status == VECNA_OK) {
            /* the mean variance of a dimension, as others count the tolerance */
            status = iterate(&k, tolerance * spread / (double)(k.rows * k.dim), &now, err);
        }
        if (status == VECNA_OK && now.inertia < best.inertia) {
            best = now;
            memcpy(k.best, k.centres, clusters * k.dim * sizeof *k.best);
        }
    }
    if (status == VECNA_OK && starts > 1) {
        memcpy(k.centres, k.best, clusters * k.dim * sizeof *k.best);
        status = assign(&k, err);
    }
    if (status == VECNA_OK) {
        for (size_t i = 0; centres && i < clusters * k.dim; i++) {
            centres[i] = (float)((double)k.best[i] + k.mean[i % k.dim] / (double)k.rows);
        }
        if (of) {
            memcpy(of, k.of, k.rows * sizeof *of);
        }
        if (result) {
            *result = best;
        }
    }
    free_kmeans(&k);
    return status;
}
