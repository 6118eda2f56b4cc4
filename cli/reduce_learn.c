/* The ways down and up again: how each is learned from rows. */
#include "cli/reduce.h"

#include "vecna/linalg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A direction whose variance is below this share of the first is not stretched by whitening. */
#define WHITEN_LEAST 1e-6

/* Down by the rows of `down` (dim, full), up by those of `up`. */
static vecna_status maps_of(const reduce_job *job, const float *down, const float *up, way *one,
                            vecna_error *err) {
    size_t n = job->dim, full = job->full;
    float *turned = vecna_allocate(NULL, n * full, sizeof *turned);
    vecna_map_weights weights = {0};
    vecna_status status;
    vecna_map_free(one->down);
    vecna_map_free(one->up);
    one->down = one->up = NULL;
    if (turned == NULL)
        return reduce_no_memory(err);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < full; j++)
            turned[j * n + i] = down[i * full + j];
    weights.normalized = 1;
    weights.rows_fit = job->learned.rows;
    weights.weights = vecna_view_dense(turned, full, n);
    status = vecna_map_from_weights(&weights, NULL, &one->down, err);
    weights.weights = vecna_view_dense(up, n, full);
    if (status == VECNA_OK)
        status = vecna_map_from_weights(&weights, NULL, &one->up, err);
    free(turned);
    return status;
}

static vecna_status learn_cut(const reduce_job *job, way *one, vecna_error *err) {
    size_t n = job->dim;
    float *first = vecna_allocate_zero(NULL, n * job->full, sizeof *first);
    vecna_status status;
    if (first == NULL)
        return reduce_no_memory(err);
    for (size_t i = 0; i < n; i++)
        first[i * job->full + i] = 1;
    status = maps_of(job, first, first, one, err);
    free(first);
    return status;
}

static vecna_status learn_random(const reduce_job *job, way *one, vecna_error *err) {
    size_t n = job->dim;
    vecna_adapt_options options = {.kind = VECNA_ADAPT_PROJECT,
                                   .source_dim = n,
                                   .target_dim = job->full,
                                   .seed = job->options->seed};
    vecna_adapter *adapter = NULL;
    vecna_status status =
        vecna_adapter_new(&options, &adapter, err); /* upwards: rows orthonormal */
    if (status == VECNA_OK) {
        const float *rows = vecna_adapter_matrix_view(adapter).data;
        status = maps_of(job, rows, rows, one, err);
    }
    vecna_adapter_free(adapter);
    return status;
}

/* ---- principal directions -------------------------------------------------------------------- */

void directions_free(directions *found) {
    free(found->values);
    free(found->vectors);
    memset(found, 0, sizeof *found);
}

/* The first directions of a symmetric matrix by subspace iteration from a random start: products with
 * `count` columns in place of a decomposition. Two rounds with a few spare columns find those that carry
 * variance; which of the weak ones stand last is a matter of chance.
 * Source: Halko, Martinsson and Tropp, "Finding structure with randomness", 2011, section 5. */
static vecna_status randomised(const double *gram, size_t full, size_t count, uint64_t seed,
                               double *values, double *vectors, vecna_error *err) {
    enum { ROUNDS = 2, SPARE = 16 };
    const size_t wide = count + SPARE < full ? count + SPARE : full;
    double *start = vecna_allocate(NULL, full * wide, 2 * sizeof *start);
    double *small = vecna_allocate(NULL, wide, (wide + 1) * sizeof *small);
    double *image = start ? start + full * wide : NULL;
    const vecna_view_f64 square = vecna_view_f64_dense(gram, full, full);
    vecna_random random;
    vecna_status status = start && small ? VECNA_OK : reduce_no_memory(err);
    vecna_random_seed(&random, seed, 2);
    for (size_t i = 0; status == VECNA_OK && i < full * wide; i++)
        start[i] = vecna_random_normal(&random);
    for (int round = 0; status == VECNA_OK && round <= ROUNDS; round++) {
        status = vecna_linalg_orthonormal(start, full, wide, err);
        if (status == VECNA_OK)
            status = vecna_linalg_product_f64(square, vecna_view_f64_dense(start, full, wide),
                                              VECNA_TRANSPOSE_NONE,
                                              vecna_matrix_f64_dense(image, full, wide), err);
        if (round < ROUNDS && status == VECNA_OK)
            memcpy(start, image, full * wide * sizeof *start);
    }
    if (status == VECNA_OK)
        status = vecna_linalg_product_f64(
            vecna_view_f64_dense(start, full, wide), vecna_view_f64_dense(image, full, wide),
            VECNA_TRANSPOSE_A, vecna_matrix_f64_dense(small, wide, wide), err);
    if (status == VECNA_OK)
        status = vecna_linalg_eigen(small, wide, small + wide * wide, err);
    if (status == VECNA_OK) {
        memcpy(values, small + wide * wide, count * sizeof *values);
        status = vecna_linalg_product_f64(
            vecna_view_f64_dense(small, count, wide), vecna_view_f64_dense(start, full, wide),
            VECNA_TRANSPOSE_B, vecna_matrix_f64_dense(vectors, count, full), err);
    }
    free(start);
    free(small);
    return status;
}

/* Eigenvectors of the sum of squares, found once for all dimensions. Fewer rows than dimensions leave
 * directions without any weight; the eigenvectors there are an orthonormal basis of the rest, as good
 * as any. Rows of fewer directions than the randomised way starts from are decomposed exactly. */
static vecna_status find_directions(reduce_job *job, vecna_error *err) {
    const size_t full = job->full, count = job->most;
    double *gram = vecna_allocate_zero(NULL, full * full, sizeof *gram);
    vecna_gram sums = {.gram = gram};
    directions *to = &job->found;
    vecna_status status = VECNA_OK;
    directions_free(to);
    to->values = vecna_allocate(NULL, full, sizeof *to->values);
    to->vectors = vecna_allocate(NULL, count * full, sizeof *to->vectors);
    if (!gram || !to->values || !to->vectors)
        status = reduce_no_memory(err);
    if (status == VECNA_OK)
        status =
            vecna_linalg_gram_add(&sums, vecna_matrix_view(job->learned), (vecna_view){0}, err);
    for (size_t i = 0; status == VECNA_OK && i < full; i++)
        to->total += gram[i * full + i];
    if (status == VECNA_OK)
        status =
            job->options->randomised && job->learned.rows >= full
                ? randomised(gram, full, count, job->options->seed, to->values, to->vectors, err)
                : vecna_linalg_eigen_top(gram, full, count, to->values, to->vectors, err);
    if (status == VECNA_OK) {
        to->count = count;
        to->rows = job->learned.rows;
    }
    free(gram);
    return status;
}

/* Rows of `rows` (dim, full) turned among themselves by a random rotation. Cosines do not change, but
 * every number then carries as much as any other: of principal directions most carry next to nothing,
 * and their signs, a bit each, would drown those of the first. */
static vecna_status turn(const reduce_job *job, float *rows, vecna_error *err) {
    const size_t n = job->dim, full = job->full;
    double *rotation = vecna_allocate(NULL, n * n, sizeof *rotation);
    float *narrow = vecna_allocate(NULL, n * (n + full), sizeof *narrow);
    vecna_random random;
    vecna_status status = rotation && narrow ? VECNA_OK : reduce_no_memory(err);
    vecna_random_seed(&random, job->options->seed, 3);
    for (size_t i = 0; status == VECNA_OK && i < n * n; i++)
        rotation[i] = vecna_random_normal(&random);
    if (status == VECNA_OK)
        status = vecna_linalg_orthonormal(rotation, n, n, err);
    for (size_t i = 0; status == VECNA_OK && i < n * n; i++)
        narrow[i] = (float)rotation[i];
    if (status == VECNA_OK) {
        memcpy(narrow + n * n, rows, n * full * sizeof *rows);
        status = vecna_linalg_product(vecna_view_dense(narrow, n, n),
                                      vecna_view_dense(narrow + n * n, n, full),
                                      vecna_matrix_dense(rows, n, full), job->pool, err);
    }
    free(rotation);
    free(narrow);
    return status;
}

static vecna_status learn_pca(reduce_job *job, way *one, vecna_error *err) {
    size_t n = job->dim, full = job->full;
    float *down = vecna_allocate(NULL, 2 * n * full, sizeof *down), *up = down + n * full;
    vecna_status status = down ? VECNA_OK : reduce_no_memory(err);
    if (status == VECNA_OK && (job->found.count < n || job->found.rows != job->learned.rows))
        status = find_directions(job, err);
    for (size_t i = 0; status == VECNA_OK && i < n; i++) {
        const double variance =
            fmax(job->found.values[i], WHITEN_LEAST * job->found.values[0]) / job->found.values[0];
        const double scale = job->options->whiten ? 1 / sqrt(variance) : 1;
        for (size_t j = 0; j < full; j++) {
            down[i * full + j] = (float)(scale * job->found.vectors[i * full + j]);
            up[i * full + j] = (float)(job->found.vectors[i * full + j] / scale);
        }
    }
    if (status == VECNA_OK && (job->options->dims || job->options->quantize == STORED_BINARY)) {
        status = turn(job, down, err); /* the same rotation for both */
        if (status == VECNA_OK)
            status = turn(job, up, err);
    }
    if (status == VECNA_OK)
        status = maps_of(job, down, up, one, err);
    free(down);
    return status;
}

double reduce_variance(const reduce_job *job) {
    double sum = 0;
    for (size_t i = 0; i < job->dim && i < job->found.count; i++)
        sum += job->found.values[i];
    return job->dim <= job->found.count && job->found.total > 0 ? sum / job->found.total : 0;
}

/* ---- restoring --------------------------------------------------------------------------------- */

static vecna_status learn_restoring(const reduce_job *job, way *one, vecna_error *err) {
    vecna_translate_options options = {.recipe = {.method = VECNA_METHOD_RIDGE},
                                       .seed = job->options->seed,
                                       .resamples = 200,
                                       .pool = job->pool};
    vecna_matrix cut =
        vecna_matrix_dense(vecna_allocate(NULL, job->learned.rows, job->dim * sizeof(float)),
                           job->learned.rows, job->dim);
    vecna_status status = cut.data ? learn_cut(job, one, err) : reduce_no_memory(err);
    vecna_map_free(one->up);
    one->up = NULL;
    if (status == VECNA_OK)
        status = vecna_map_apply(one->down, vecna_matrix_view(job->learned), cut, job->pool, err);
    if (status == VECNA_OK)
        status = vecna_translate_fit(vecna_matrix_view(cut), vecna_matrix_view(job->learned),
                                     &options, &one->up, err);
    free(cut.data);
    return status;
}

vecna_status reduce_learn(reduce_job *job, int method, way *one, vecna_error *err) {
    switch (method) {
    case METHOD_CUT:
        return learn_cut(job, one, err);
    case METHOD_RANDOM:
        return learn_random(job, one, err);
    case METHOD_LEARNED:
        return learn_restoring(job, one, err);
    default:
        return learn_pca(job, one, err);
    }
}
