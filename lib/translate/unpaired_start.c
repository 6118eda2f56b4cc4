/* A first rotation between two clouds of rows of which not one pair is known.
 *
 * The centres of groups of texts lie to each other in one model much as they do in another. So: group both
 * sides, match the centres so that their similarities agree best (a quadratic assignment: swaps, from many starts);
 * do that over again from other groups, since most runs are half right and some are mirror images; keep the
 * runs that say the same of each other's centres, which wrong ones do not. A row's similarities to
 * all kept centres are then a profile that both sides share, and rows of like profiles are partners (Dar 2025,
 * mini-vec2vec; the agreement of runs is ours). */
#include "translate/translate_impl.h"

#include "vecna/cluster.h"

#include <math.h>
#include <string.h>

enum {
    RUNS = 24,
    GROUPS = 20,
    STARTS = 60,
    ROUNDS = 15, /* of k-means: centres need not be the best */
    ROWS_PER_GROUP = 5,
    NEAR = 50, /* rows whose mean is a partner */
    ROWS_PER_NEAR = 40,
    ROWS_ASKED = 3000
};
#define AGREES 0.6 /* share of the best run's agreement */

typedef struct starting {
    vecna_view x, y;
    vecna_pool *pool;
    const vecna_allocator *allocator;
    uint64_t seed;
    size_t groups;
    float *left, *right; /* (RUNS, groups, dim) centres, matched */
    double agree[RUNS * RUNS];
    int kept[RUNS];
} starting;

/* similarities of unit rows, (a rows, b rows) */
static void multiply(const float *a, size_t rows_a, const float *b, size_t rows_b, size_t dim,
                     double *out) {
    for (size_t i = 0; i < rows_a; i++) {
        for (size_t j = 0; j < rows_b; j++) {
            out[i * rows_b + j] = vni_dot(a + i * dim, b + j * dim, dim);
        }
    }
}

/* Gain of the agreement when i and j change their partners. */
static double gain_of_swap(const double *a, const double *b, const size_t *with, size_t count,
                           size_t i, size_t j) {
    const double *of_i = b + with[i] * count, *of_j = b + with[j] * count;
    double gain = 0;
    for (size_t k = 0; k < count; k++) {
        if (k != i && k != j) {
            gain += (a[i * count + k] - a[j * count + k]) * (of_j[with[k]] - of_i[with[k]]);
        }
    }
    return gain;
}

static double match_once(const double *a, const double *b, size_t count, size_t *with) {
    int better = 1;
    while (better) {
        better = 0;
        for (size_t i = 0; i < count; i++) {
            for (size_t j = i + 1; j < count; j++) {
                if (gain_of_swap(a, b, with, count, i, j) > 1e-9) {
                    const size_t was = with[i];
                    with[i] = with[j];
                    with[j] = was;
                    better = 1;
                }
            }
        }
    }
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < count; j++) {
            sum += a[i * count + j] * b[with[i] * count + with[j]];
        }
    }
    return sum;
}

/* Groups of both sides, the right ones in the order of their partners. */
static vecna_status run_once(starting *s, size_t run, vecna_random *random, vecna_error *err) {
    const size_t n = s->groups, p = s->x.dim, q = s->y.dim;
    float *left = s->left + run * n * p, *right = s->right + run * n * q;
    double a[GROUPS * GROUPS], b[GROUPS * GROUPS], best = -HUGE_VAL;
    size_t with[GROUPS], chosen[GROUPS] = {0};
    vecna_kmeans_options options = {.iterations = ROUNDS,
                                    .seed = s->seed * 2 * RUNS + 2 * run,
                                    .pool = s->pool,
                                    .allocator = s->allocator};
    vecna_status status = vecna_kmeans(s->x, n, &options, left, NULL, NULL, err);
    options.seed++;
    float *found = vecna_allocate(s->allocator, n * q, sizeof *found);
    if (!found) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for groups");
    }
    status = status ? status : vecna_kmeans(s->y, n, &options, found, NULL, NULL, err);
    if (!status) {
        vni_normalise(vecna_matrix_dense(left, n, p), s->pool);
        vni_normalise(vecna_matrix_dense(found, n, q), s->pool);
        multiply(left, n, left, n, p, a);
        multiply(found, n, found, n, q, b);
        for (size_t i = 0; i < n; i++) {
            with[i] = i;
        }
        for (size_t start = 0; start < STARTS; start++) {
            vecna_random_shuffle(random, with, n);
            const double sum = match_once(a, b, n, with);
            if (sum > best) {
                best = sum;
                memcpy(chosen, with, sizeof chosen);
            }
        }
        for (size_t i = 0; i < n; i++) {
            memcpy(right + i * q, found + chosen[i] * q, q * sizeof *right);
        }
    }
    vecna_release(s->allocator, found);
    return status;
}

static double correlation(const double *a, const double *b, size_t count) {
    double sum_a = 0, sum_b = 0, aa = 0, bb = 0, ab = 0;
    for (size_t i = 0; i < count; i++) {
        sum_a += a[i] / (double)count;
        sum_b += b[i] / (double)count;
    }
    for (size_t i = 0; i < count; i++) {
        aa += (a[i] - sum_a) * (a[i] - sum_a);
        bb += (b[i] - sum_b) * (b[i] - sum_b);
        ab += (a[i] - sum_a) * (b[i] - sum_b);
    }
    return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : 0;
}

/* Which runs belong to the largest body of agreement: the leading eigenvector of the positive part. */
static size_t keep_runs(starting *s) {
    const size_t n = s->groups, p = s->x.dim, q = s->y.dim;
    double a[GROUPS * GROUPS], b[GROUPS * GROUPS], lead[RUNS], next[RUNS], most = 0;
    for (size_t i = 0; i < RUNS; i++) {
        lead[i] = 1;
        s->agree[i * RUNS + i] = 0;
        for (size_t j = 0; j < i; j++) {
            multiply(s->left + i * n * p, n, s->left + j * n * p, n, p, a);
            multiply(s->right + i * n * q, n, s->right + j * n * q, n, q, b);
            const double same = fmax(0, correlation(a, b, n * n));
            s->agree[i * RUNS + j] = s->agree[j * RUNS + i] = same;
        }
    }
    for (size_t step = 0; step < 100; step++) {
        most = 0;
        for (size_t i = 0; i < RUNS; i++) {
            next[i] = 1e-12;
            for (size_t j = 0; j < RUNS; j++) {
                next[i] += s->agree[i * RUNS + j] * lead[j];
            }
            most = fmax(most, next[i]);
        }
        for (size_t i = 0; i < RUNS; i++) {
            lead[i] = next[i] / most;
        }
    }
    size_t kept = 0;
    for (size_t i = 0; i < RUNS; i++) {
        s->kept[i] = lead[i] >= AGREES;
        kept += (size_t)s->kept[i];
    }
    return kept;
}

/* Similarities of rows to the kept centres about their means over rows, at length 1. */
static vecna_status profile(const starting *s, vecna_view rows, const float *centres, size_t kept,
                            vecna_matrix out, vecna_error *err) {
    const size_t run_size = s->groups * rows.dim;
    float *together = vecna_allocate(s->allocator, kept * run_size, sizeof *together);
    double *mean = vecna_allocate_zero(s->allocator, out.dim, sizeof *mean);
    vecna_status status = VECNA_ERR_MEMORY;
    if (!together || !mean) {
        vecna_error_set(err, status, -1, "no memory for profiles of %zu rows", rows.rows);
        goto done;
    }
    for (size_t run = 0, at = 0; run < RUNS; run++) {
        if (s->kept[run]) {
            memcpy(together + at++ * run_size, centres + run * run_size,
                   run_size * sizeof *together);
        }
    }
    status = vecna_linalg_product_rows(rows, vecna_view_dense(together, out.dim, rows.dim), out,
                                       s->pool, err);
    if (status) {
        goto done;
    }
    for (size_t i = 0; i < out.rows; i++) {
        for (size_t j = 0; j < out.dim; j++) {
            mean[j] += (double)out.data[i * out.stride + j] / (double)out.rows;
        }
    }
    for (size_t i = 0; i < out.rows; i++) {
        for (size_t j = 0; j < out.dim; j++) {
            out.data[i * out.stride + j] -= (float)mean[j];
        }
    }
    vni_normalise(out, s->pool);
done:
    vecna_release(s->allocator, together);
    vecna_release(s->allocator, mean);
    return status;
}

/* cross += each asked row times the mean of the rows of likest profile. */
static vecna_status add_partners(const starting *s, size_t kept, double *cross, vecna_error *err) {
    const size_t columns = kept * s->groups, q = s->y.dim;
    const vecna_view asked = {s->x.data, s->x.rows < ROWS_ASKED ? s->x.rows : ROWS_ASKED, s->x.dim,
                              s->x.stride};
    size_t near = s->y.rows / ROWS_PER_NEAR;
    near = near < 2 ? 2 : near > NEAR ? NEAR : near;
    vecna_status status = VECNA_ERR_MEMORY;
    float *left = vecna_allocate(s->allocator, asked.rows * columns, sizeof *left);
    float *right = vecna_allocate(s->allocator, s->y.rows * columns, sizeof *right);
    float *partner = vecna_allocate_zero(s->allocator, asked.rows * q, sizeof *partner);
    int64_t *lists = vecna_allocate(s->allocator, asked.rows * near, sizeof *lists);
    if (!left || !right || !partner || !lists) {
        vecna_error_set(err, status, -1, "no memory for profiles of %zu rows", s->y.rows);
        goto done;
    }
    status = profile(s, asked, s->left, kept, vecna_matrix_dense(left, asked.rows, columns), err);
    status = status ? status
                    : profile(s, s->y, s->right, kept,
                              vecna_matrix_dense(right, s->y.rows, columns), err);
    if (status) {
        goto done;
    }
    status = vni_top(vecna_view_dense(right, s->y.rows, columns),
                     vecna_view_dense(left, asked.rows, columns), near, lists, s->pool,
                     s->allocator, err);
    if (status) {
        goto done;
    }
    for (size_t i = 0; i < asked.rows; i++) {
        for (size_t k = 0; k < near; k++) {
            const float *row = s->y.data + (size_t)lists[i * near + k] * s->y.stride;
            for (size_t j = 0; j < q; j++) {
                partner[i * q + j] += row[j];
            }
        }
    }
    vni_normalise(vecna_matrix_dense(partner, asked.rows, q), s->pool);
    vecna_gram sums = {.cross = cross, .allocator = s->allocator};
    status = vecna_linalg_gram_add(&sums, asked, vecna_view_dense(partner, asked.rows, q), err);
done:
    vecna_release(s->allocator, left);
    vecna_release(s->allocator, right);
    vecna_release(s->allocator, partner);
    vecna_release(s->allocator, lists);
    return status;
}

vecna_status vni_unpaired_start(vecna_view x, vecna_view y, uint64_t seed, vecna_pool *pool,
                                const vecna_allocator *allocator, double *cross, vecna_error *err) {
    starting s = {.x = x, .y = y, .pool = pool, .allocator = allocator, .seed = seed};
    const size_t fewer = x.rows < y.rows ? x.rows : y.rows;
    vecna_status status = VECNA_OK;
    vecna_random random;
    s.groups = fewer / ROWS_PER_GROUP < GROUPS ? fewer / ROWS_PER_GROUP : GROUPS;
    s.left = vecna_allocate(allocator, RUNS * s.groups * x.dim, sizeof(float));
    s.right = vecna_allocate(allocator, RUNS * s.groups * y.dim, sizeof(float));
    if (!s.left || !s.right) {
        status = vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for groups of rows");
    }
    vecna_random_seed(&random, seed, 0x6772);
    for (size_t run = 0; run < RUNS && !status; run++) {
        status = run_once(&s, run, &random, err);
    }
    status = status ? status : add_partners(&s, keep_runs(&s), cross, err);
    vecna_release(allocator, s.left);
    vecna_release(allocator, s.right);
    return status;
}
