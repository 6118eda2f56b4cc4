/* One pass a direction. Rows of logits are made, turned into what they ask of the vectors, and used up,
 * a chunk of anchors at a time: a row's softmax needs no other row, so batches of any size need no more
 * memory than a chunk (the vectors' gradients are what Gao et al. 2021 cache). */
#include "train/infonce.h"

#include "vecna/linalg.h"

#include <math.h>
#include <string.h>

/* One direction: every row of `from` looks for its own among `to`. */
typedef struct direction {
    const vni_infonce *in;
    vecna_view from, to;
    const uint32_t *from_of, *to_of;
    size_t paired;  /* rows of `to` that have a partner in `from` */
    double weight;  /* of a row's gradient */
    size_t first;   /* of the chunk */
    float *logits;  /* (chunk, to.rows): after rows_of_chunk what they ask */
    double *losses; /* (chunk) */
    double *scales; /* (chunk) */
} direction;

static int is_as_right(const direction *d, size_t i, size_t j) {
    if (d->from_of == NULL || i == j)
        return 0;
    return d->to_of[j] == d->to_of[i] || d->to_of[j] == d->from_of[i] ||
           (j < d->paired && d->from_of[j] == d->from_of[i]);
}

static void rows_of_chunk(void *user, size_t begin, size_t end, size_t worker) {
    const direction *d = user;
    const size_t count = d->to.rows;
    (void)worker;
    for (size_t r = begin; r < end; r++) {
        const size_t i = d->first + r;
        float *row = d->logits + r * count;
        double most = -INFINITY, sum = 0, asked = 0;
        for (size_t j = 0; j < count; j++) {
            row[j] = is_as_right(d, i, j) ? -INFINITY : (float)(d->in->scale * (double)row[j]);
            most = (double)row[j] > most ? (double)row[j] : most;
        }
        for (size_t j = 0; j < count; j++)
            sum += exp((double)row[j] - most);
        d->losses[r] = most + log(sum) - (double)row[i];
        for (size_t j = 0; j < count; j++) {
            const double logit = (double)row[j];
            const double share = exp(logit - most) / sum - (j == i ? 1 : 0);
            asked += share != 0 ? share * logit : 0; /* a left out logit is infinite */
            row[j] = (float)(share * d->weight * d->in->scale);
        }
        d->scales[r] = asked;
    }
}

/* to (columns, rows) = from (rows, columns) turned. */
static void turn(const float *from, size_t rows, size_t columns, float *to) {
    for (size_t first = 0; first < columns; first += 16)
        for (size_t i = 0; i < rows; i++)
            for (size_t j = first; j < columns && j < first + 16; j++)
                to[j * rows + i] = from[i * columns + j];
}

static void add(float *sum, const float *more, size_t count) {
    for (size_t i = 0; i < count; i++)
        sum[i] += more[i];
}

/* What a chunk's logits ask of both sides. */
static vecna_status push(const direction *d, size_t rows, float *turned, float *product,
                         float *by_from, float *by_to, vecna_error *err) {
    const size_t dim = d->from.dim, count = d->to.rows;
    const vecna_view asked = vecna_view_dense(d->logits, rows, count);
    vecna_status status = vecna_linalg_product(asked, d->to, vecna_matrix_dense(product, rows, dim),
                                               d->in->pool, err);
    if (status != VECNA_OK)
        return status;
    add(by_from + d->first * dim, product, rows * dim);
    turn(d->logits, rows, count, turned);
    status = vecna_linalg_product(vecna_view_dense(turned, count, rows),
                                  vecna_view_rows(d->from, d->first, rows),
                                  vecna_matrix_dense(product, count, dim), d->in->pool, err);
    if (status == VECNA_OK)
        add(by_to, product, count * dim);
    return status;
}

static vecna_status look(direction *d, float *by_from, float *by_to, vni_infonce_result *out,
                         vecna_error *err) {
    const size_t rows = d->from.rows, count = d->to.rows, dim = d->from.dim;
    const size_t chunk = d->in->chunk && d->in->chunk < rows ? d->in->chunk : rows;
    const vecna_allocator *a = d->in->allocator;
    float *turned = vecna_allocate(a, chunk * count, sizeof *turned);
    float *product = vecna_allocate(a, count > chunk ? count : chunk, dim * sizeof *product);
    vecna_status status = VECNA_OK;
    d->logits = vecna_allocate(a, chunk * count, sizeof *d->logits);
    d->losses = vecna_allocate(a, 2 * chunk, sizeof *d->losses);
    if (!turned || !product || !d->logits || !d->losses) {
        status = vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                                 "no memory for %zu x %zu similarities: give a smaller chunk",
                                 chunk, count);
        goto done;
    }
    d->scales = d->losses + chunk;
    for (d->first = 0; d->first < rows && status == VECNA_OK; d->first += chunk) {
        const size_t here = rows - d->first < chunk ? rows - d->first : chunk;
        status =
            vecna_linalg_product_rows(vecna_view_rows(d->from, d->first, here), d->to,
                                      vecna_matrix_dense(d->logits, here, count), d->in->pool, err);
        if (status != VECNA_OK)
            break;
        vecna_pool_run(d->in->pool, here, 8, rows_of_chunk, d);
        for (size_t r = 0; r < here; r++) {
            out->loss += d->losses[r];
            out->by_log_scale += d->scales[r];
        }
        status = push(d, here, turned, product, by_from, by_to, err);
    }
done:
    vecna_release(a, turned);
    vecna_release(a, product);
    vecna_release(a, d->logits);
    vecna_release(a, d->losses);
    return status;
}

vecna_status vni_infonce_add(const vni_infonce *in, double weight, float *by_anchors,
                             float *by_candidates, vni_infonce_result *out, vecna_error *err) {
    const size_t rows = in->anchors.rows;
    const double share = in->symmetric ? 0.5 : 1;
    vni_infonce_result sum = {0, 0};
    direction forth = {.in = in,
                       .from = in->anchors,
                       .to = in->candidates,
                       .from_of = in->anchor_of,
                       .to_of = in->thing_of,
                       .paired = rows,
                       .weight = weight * share / (double)rows};
    direction back = {.in = in,
                      .from = vecna_view_rows(in->candidates, 0, rows),
                      .to = in->anchors,
                      .from_of = in->anchor_of ? in->thing_of : NULL,
                      .to_of = in->anchor_of,
                      .paired = rows,
                      .weight = weight * share / (double)rows};
    vecna_status status;
    if (rows == 0 || in->candidates.rows < rows || in->candidates.dim != in->anchors.dim)
        return vecna_error_set(err, VECNA_ERR_DIM, -1, "%zu x %zu anchors beside %zu x %zu", rows,
                               in->anchors.dim, in->candidates.rows, in->candidates.dim);
    status = look(&forth, by_anchors, by_candidates, &sum, err);
    if (status == VECNA_OK && in->symmetric)
        status = look(&back, by_candidates, by_anchors, &sum, err);
    out->loss = sum.loss * share / (double)rows;
    out->by_log_scale = sum.by_log_scale * share / (double)rows;
    return status;
}
