/* Groups against labels, all from one table of counts: rows of label l in cluster c. And the silhouette,
 * which needs no labels: products of a tile of rows with all rows, then sums by cluster. */
#include "eval/eval_impl.h"
#include "vecna/linalg.h"

#include <math.h>
#include <string.h>

typedef struct table {
    double *count; /* (labels, clusters) */
    double *label; /* (labels) rows of each */
    double *cluster;
    size_t labels, clusters;
    double rows;
} table;

/* Number of pairs among n rows. */
static double pairs_of(double n) {
    return n * (n - 1) / 2;
}

/* -sum p log p over the shares of rows. */
static double entropy(const double *counts, size_t kinds, double rows) {
    double sum = 0;
    for (size_t i = 0; i < kinds; i++) {
        if (counts[i] > 0) {
            sum -= counts[i] / rows * log(counts[i] / rows);
        }
    }
    return sum;
}

static double mutual_information(const table *t) {
    double sum = 0;
    for (size_t l = 0; l < t->labels; l++) {
        for (size_t c = 0; c < t->clusters; c++) {
            const double n = t->count[l * t->clusters + c];
            if (n > 0) {
                sum += n / t->rows * (log(n * t->rows) - log(t->label[l] * t->cluster[c]));
            }
        }
    }
    return fmax(sum, 0);
}

static double adjusted_rand(const table *t) {
    double together = 0, labels = 0, clusters = 0;
    const double all = pairs_of(t->rows);
    for (size_t i = 0; i < t->labels * t->clusters; i++) {
        together += pairs_of(t->count[i]);
    }
    for (size_t l = 0; l < t->labels; l++) {
        labels += pairs_of(t->label[l]);
    }
    for (size_t c = 0; c < t->clusters; c++) {
        clusters += pairs_of(t->cluster[c]);
    }
    const double expected = all > 0 ? labels * clusters / all : 0;
    const double most = (labels + clusters) / 2;
    return most == expected ? 1 : (together - expected) / (most - expected);
}

static double purity(const table *t) {
    double sum = 0;
    for (size_t c = 0; c < t->clusters; c++) {
        double most = 0;
        for (size_t l = 0; l < t->labels; l++) {
            most = fmax(most, t->count[l * t->clusters + c]);
        }
        sum += most;
    }
    return sum / t->rows;
}

vecna_status vecna_eval_agreement(const uint32_t *labels, size_t label_count,
                                  const uint32_t *clusters, size_t cluster_count, size_t rows,
                                  const vecna_allocator *allocator, vecna_agreement *out,
                                  vecna_error *err) {
    table t = {.labels = label_count, .clusters = cluster_count, .rows = (double)rows};
    size_t cells;
    if (rows < 1 || !vecna_size_mul(label_count, cluster_count, &cells)) {
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1, "there are no rows to compare");
    }
    for (size_t i = 0; i < rows; i++) {
        if (labels[i] >= label_count || clusters[i] >= cluster_count) {
            return vecna_error_set(err, VECNA_ERR_ARGUMENT, (int64_t)i,
                                   "row %zu has label %u of %zu and cluster %u of %zu", i,
                                   labels[i], label_count, clusters[i], cluster_count);
        }
    }
    t.count = vecna_allocate_zero(allocator, cells + label_count + cluster_count, sizeof *t.count);
    if (!t.count) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for %zu labels x %zu clusters",
                               label_count, cluster_count);
    }
    t.label = t.count + cells;
    t.cluster = t.label + label_count;
    for (size_t i = 0; i < rows; i++) {
        t.count[labels[i] * cluster_count + clusters[i]]++;
        t.label[labels[i]]++;
        t.cluster[clusters[i]]++;
    }
    const double of_labels = entropy(t.label, label_count, t.rows);
    const double of_clusters = entropy(t.cluster, cluster_count, t.rows);
    const double shared = mutual_information(&t);
    out->homogeneity = of_labels > 0 ? shared / of_labels : 1;
    out->completeness = of_clusters > 0 ? shared / of_clusters : 1;
    const double both = out->homogeneity + out->completeness;
    out->v_measure = both > 0 ? 2 * out->homogeneity * out->completeness / both : 0;
    out->nmi = of_labels + of_clusters > 0 ? 2 * shared / (of_labels + of_clusters) : 1;
    out->ari = adjusted_rand(&t);
    out->purity = purity(&t);
    vecna_release(allocator, t.count);
    return VECNA_OK;
}

/* ---- silhouette and uniformity: all distances, tile by tile ---------------------------------- */

enum { TILE_ROWS = 128 };

typedef struct all_pairs {
    const vecna_allocator *allocator;
    size_t rows, dim;
    float *x;              /* (rows, dim) */
    double *square;        /* (rows) */
    float *tiles;          /* (TILE_ROWS, rows) a thread */
    double *sums;          /* (clusters) a thread */
    double *score;         /* (rows) a figure of each row */
    const uint32_t *of;    /* (rows) cluster, or NULL: uniformity */
    const double *members; /* (clusters) */
    size_t clusters;
    vecna_status *failed; /* one a thread */
} all_pairs;

static double squared_distance(const all_pairs *p, size_t i, size_t j, float product) {
    return i == j ? 0 : fmax(p->square[i] + p->square[j] - 2 * (double)product, 0);
}

static double silhouette_of(const all_pairs *p, size_t i, const float *products, double *sums) {
    const uint32_t own = p->of[i];
    double nearest = INFINITY;
    if (p->members[own] < 2) {
        return 0;
    }
    memset(sums, 0, p->clusters * sizeof *sums);
    for (size_t j = 0; j < p->rows; j++) {
        sums[p->of[j]] += sqrt(squared_distance(p, i, j, products[j]));
    }
    for (size_t c = 0; c < p->clusters; c++) {
        if (c != own && p->members[c] > 0) {
            nearest = fmin(nearest, sums[c] / p->members[c]);
        }
    }
    const double inside = sums[own] / (p->members[own] - 1), wider = fmax(inside, nearest);
    return wider > 0 ? (nearest - inside) / wider : 0;
}

static double closeness_of(const all_pairs *p, size_t i, const float *products) {
    double sum = 0;
    for (size_t j = 0; j < p->rows; j++) {
        sum += j == i ? 0 : exp(-2 * squared_distance(p, i, j, products[j]));
    }
    return sum;
}

static void score_rows(void *user, size_t begin, size_t end, size_t worker) {
    all_pairs *p = user;
    float *tile = p->tiles + worker * TILE_ROWS * p->rows;
    vecna_status status =
        vecna_linalg_product_rows(vecna_view_dense(p->x + begin * p->dim, end - begin, p->dim),
                                  vecna_view_dense(p->x, p->rows, p->dim),
                                  vecna_matrix_dense(tile, end - begin, p->rows), NULL, NULL);
    if (status != VECNA_OK) {
        p->failed[worker] = status;
        return;
    }
    for (size_t i = begin; i < end; i++) {
        const float *products = tile + (i - begin) * p->rows;
        p->score[i] = p->of ? silhouette_of(p, i, products, p->sums + worker * p->clusters)
                            : closeness_of(p, i, products);
    }
}

static vecna_status take_rows(all_pairs *p, vecna_view rows, size_t threads, vecna_error *err) {
    p->dim = rows.dim;
    p->x = vecna_allocate(p->allocator, p->rows, p->dim * sizeof *p->x);
    p->square = vecna_allocate(p->allocator, p->rows, sizeof *p->square);
    p->tiles = vecna_allocate(p->allocator, threads * TILE_ROWS, p->rows * sizeof *p->tiles);
    p->sums = vecna_allocate(p->allocator, threads, (p->clusters + 1) * sizeof *p->sums);
    p->score = vecna_allocate(p->allocator, p->rows, sizeof *p->score);
    p->failed = vecna_allocate_zero(p->allocator, threads, sizeof *p->failed);
    if (!p->x || !p->square || !p->tiles || !p->sums || !p->score || !p->failed) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for the distances of %zu rows",
                               p->rows);
    }
    for (size_t i = 0; i < p->rows; i++) {
        const float *from = rows.data + i * rows.rows / p->rows * rows.stride;
        memcpy(p->x + i * p->dim, from, p->dim * sizeof *p->x);
    }
    return VECNA_OK;
}

/* About the mean, distances are the same and float32 keeps more of them. */
static vecna_status centre(all_pairs *p, vecna_error *err) {
    double *mean = vecna_allocate_zero(p->allocator, p->dim, sizeof *mean);
    if (!mean) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a mean");
    }
    vecna_linalg_sum_add(vecna_view_dense(p->x, p->rows, p->dim), mean);
    for (size_t i = 0; i < p->rows; i++) {
        p->square[i] = 0;
        for (size_t j = 0; j < p->dim; j++) {
            float *at = p->x + i * p->dim + j;
            *at = (float)((double)*at - mean[j] / (double)p->rows);
            p->square[i] += (double)*at * (double)*at;
        }
    }
    vecna_release(p->allocator, mean);
    return VECNA_OK;
}

static vecna_status score_all(all_pairs *p, vecna_pool *pool, double *sum, vecna_error *err) {
    vecna_status status = centre(p, err);
    if (status != VECNA_OK) {
        return status;
    }
    vecna_pool_run(pool, p->rows, TILE_ROWS, score_rows, p);
    for (size_t t = 0; t < vecna_pool_threads(pool); t++) {
        if (p->failed[t] != VECNA_OK) {
            return vecna_error_set(err, p->failed[t], -1, "a product of rows failed: %s",
                                   vecna_status_sentence(p->failed[t]));
        }
    }
    *sum = 0;
    for (size_t i = 0; i < p->rows; i++) {
        *sum += p->score[i];
    }
    return VECNA_OK;
}

static void free_pairs(all_pairs *p) {
    vecna_release(p->allocator, p->x);
    vecna_release(p->allocator, p->square);
    vecna_release(p->allocator, p->tiles);
    vecna_release(p->allocator, p->sums);
    vecna_release(p->allocator, p->score);
    vecna_release(p->allocator, p->failed);
}

vecna_status vecna_eval_silhouette(vecna_view rows, const uint32_t *clusters, size_t cluster_count,
                                   size_t most, vecna_pool *pool, const vecna_allocator *allocator,
                                   double *out, vecna_error *err) {
    all_pairs p = {.allocator = allocator, .clusters = cluster_count};
    uint32_t *of;
    double *members, sum;
    size_t used = 0;
    vecna_status status = VECNA_ERR_MEMORY;
    p.rows = most && most < rows.rows ? most : rows.rows;
    of = vecna_allocate(allocator, p.rows, sizeof *of);
    members = vecna_allocate_zero(allocator, cluster_count, sizeof *members);
    if (!of || !members) {
        vecna_error_set(err, status, -1, "no memory for %zu clusters", cluster_count);
        goto done;
    }
    for (size_t i = 0; i < p.rows; i++) {
        of[i] = clusters[i * rows.rows / p.rows];
        if (of[i] >= cluster_count) {
            status = vecna_error_set(err, VECNA_ERR_ARGUMENT, (int64_t)i,
                                     "a row is in cluster %u of %zu", of[i], cluster_count);
            goto done;
        }
        members[of[i]]++;
    }
    for (size_t c = 0; c < cluster_count; c++) {
        used += members[c] > 0;
    }
    if (used < 2) {
        status = vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                                 "a silhouette needs two groups at least; all rows are in one");
        goto done;
    }
    p.of = of;
    p.members = members;
    status = take_rows(&p, rows, vecna_pool_threads(pool), err);
    if (status == VECNA_OK) {
        status = score_all(&p, pool, &sum, err);
    }
    if (status == VECNA_OK) {
        *out = sum / (double)p.rows;
    }
done:
    free_pairs(&p);
    vecna_release(allocator, of);
    vecna_release(allocator, members);
    return status;
}

/* ---- alignment and uniformity ---------------------------------------------------------------- */

/* 1 / length, or 1 for a zero row. */
static double to_unit(const float *row, size_t dim) {
    double square = 0;
    for (size_t j = 0; j < dim; j++) {
        square += (double)row[j] * (double)row[j];
    }
    return square > 0 ? 1 / sqrt(square) : 1;
}

vecna_status vecna_eval_alignment(vecna_view a, vecna_view b, double *out, vecna_error *err) {
    double sum = 0;
    if (a.rows != b.rows || a.dim != b.dim || a.rows < 1) {
        return vecna_error_set(err, VECNA_ERR_DIM, -1,
                               "%zu rows x %zu and %zu rows x %zu are no pairs", a.rows, a.dim,
                               b.rows, b.dim);
    }
    for (size_t i = 0; i < a.rows; i++) {
        const float *x = a.data + i * a.stride, *y = b.data + i * b.stride;
        const double to_x = to_unit(x, a.dim), to_y = to_unit(y, a.dim);
        for (size_t j = 0; j < a.dim; j++) {
            const double difference = (double)x[j] * to_x - (double)y[j] * to_y;
            sum += difference * difference;
        }
    }
    *out = sum / (double)a.rows;
    return VECNA_OK;
}

vecna_status vecna_eval_uniformity(vecna_view rows, size_t most, vecna_pool *pool,
                                   const vecna_allocator *allocator, double *out,
                                   vecna_error *err) {
    all_pairs p = {.allocator = allocator};
    double sum;
    vecna_status status;
    p.rows = most && most < rows.rows ? most : rows.rows;
    if (p.rows < 2) {
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "uniformity is a matter of pairs: 2 rows at least, not %zu", p.rows);
    }
    status = take_rows(&p, rows, vecna_pool_threads(pool), err);
    for (size_t i = 0; status == VECNA_OK && i < p.rows; i++) {
        float *row = p.x + i * p.dim;
        const double scale = to_unit(row, p.dim);
        for (size_t j = 0; j < p.dim; j++) {
            row[j] = (float)((double)row[j] * scale);
        }
    }
    if (status == VECNA_OK) {
        status = score_all(&p, pool, &sum, err);
    }
    if (status == VECNA_OK) {
        *out = log(sum / ((double)p.rows * (double)(p.rows - 1)));
    }
    free_pairs(&p);
    return status;
}
