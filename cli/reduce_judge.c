/* What a reduction costs, on rows that nothing was learned from: the share of the nearest neighbours in
 * the full space that stay. The same for rows stored as bytes or bits: what their own order keeps, and
 * what is kept when the 10 k nearest by it are ranked again by the reduced floats.
 *
 * Bits are searched as vectors of +1 and -1, whose dot product is the dimension less twice the Hamming
 * distance: the same order, and the same ties. */
#include "cli/reduce.h"

#include "vecna/metric.h"
#include "vecna/search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { RESCORED_TIMES = 10 };

vecna_status reduce_no_memory(vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                           "not enough memory; --sample takes fewer rows to learn from");
}

const char *stored_name(int kind) {
    static const char *const names[STORED_WAYS] = {"float32", "int8", "binary"};
    return names[kind];
}

static vecna_status rank(const reduce_job *job, vecna_view corpus, vecna_view queries, size_t k,
                         int64_t *rows, vecna_error *err) {
    vecna_search_options options = {.k = k, .pool = job->pool};
    return vecna_search(corpus, queries, &options, rows, NULL, err);
}

vecna_status reduce_rank_native(reduce_job *job, vecna_error *err) {
    const size_t k = job->options->k;
    free(job->native);
    job->native = vecna_allocate(NULL, job->asking.rows * k, sizeof *job->native);
    return job->native ? rank(job, vecna_matrix_view(job->corpus), vecna_matrix_view(job->asking),
                              k, job->native, err)
                       : reduce_no_memory(err);
}

static vecna_status interval_of(const reduce_job *job, const double *values, vecna_interval *out,
                                vecna_error *err) {
    const vecna_statistic mean = {VECNA_STATISTIC_MEAN, 0, 0, 0};
    const double *const columns[] = {values};
    vecna_bootstrap_input input = {columns, 1, job->asking.rows, &mean, 1};
    vecna_bootstrap_options options = {.seed = job->options->seed, .pool = job->pool};
    return vecna_eval_bootstrap(&input, &options, out, err);
}

/* Share of the native neighbours that stand in lists of k. */
static vecna_status share_kept(const reduce_job *job, const int64_t *found, vecna_interval *out,
                               vecna_error *err) {
    size_t k = job->options->k, count = job->asking.rows;
    double *shares = vecna_allocate(NULL, count, sizeof *shares);
    vecna_ranking truth = {job->native, NULL, count, k, k}, got = {found, NULL, count, k, k};
    vecna_status status =
        shares ? vecna_eval_overlap(&got, k, &truth, k, NULL, shares, err) : reduce_no_memory(err);
    if (status == VECNA_OK)
        status = interval_of(job, shares, out, err);
    free(shares);
    return status;
}

static vecna_status neighbours_kept(const reduce_job *job, vecna_view corpus, vecna_view queries,
                                    vecna_interval *out, vecna_error *err) {
    int64_t *found = vecna_allocate(NULL, job->asking.rows * job->options->k, sizeof *found);
    vecna_status status =
        found ? rank(job, corpus, queries, job->options->k, found, err) : reduce_no_memory(err);
    if (status == VECNA_OK)
        status = share_kept(job, found, out, err);
    free(found);
    return status;
}

static vecna_status restored_cosine(const reduce_job *job, vecna_view restored, way *one,
                                    vecna_error *err) {
    double *cosines = vecna_allocate(NULL, job->asking.rows, sizeof *cosines);
    vecna_status status = cosines ? VECNA_OK : reduce_no_memory(err);
    for (size_t i = 0; cosines && i < job->asking.rows; i++)
        cosines[i] = 1 - vecna_metric_cosine(restored.data + i * job->full,
                                             job->asking.data + i * job->full, job->full);
    if (status == VECNA_OK)
        status = interval_of(job, cosines, &one->cosine, err);
    free(cosines);
    return status;
}

/* Both sides through a map, one behind the other in *out, which is to be freed. */
static vecna_status both_sides(const reduce_job *job, const vecna_map *map, vecna_view corpus,
                               vecna_view asking, float **out, vecna_error *err) {
    const size_t dim = vecna_map_about(map).target_dim;
    vecna_status status;
    *out = vecna_allocate(NULL, (corpus.rows + asking.rows) * dim, sizeof **out);
    if (*out == NULL)
        return reduce_no_memory(err);
    status =
        vecna_map_apply(map, corpus, vecna_matrix_dense(*out, corpus.rows, dim), job->pool, err);
    if (status == VECNA_OK)
        status = vecna_map_apply(map, asking,
                                 vecna_matrix_dense(*out + corpus.rows * dim, asking.rows, dim),
                                 job->pool, err);
    return status;
}

vecna_status reduce_judge(const reduce_job *job, way *one, bool restored, vecna_error *err) {
    const size_t n = job->dim, rows = job->corpus.rows, asked = job->asking.rows;
    float *small = NULL, *back = NULL;
    vecna_status status = both_sides(job, one->down, vecna_matrix_view(job->corpus),
                                     vecna_matrix_view(job->asking), &small, err);
    if (status == VECNA_OK)
        status = neighbours_kept(job, vecna_view_dense(small, rows, n),
                                 vecna_view_dense(small + rows * n, asked, n), &one->reduced, err);
    if (status == VECNA_OK && restored)
        status = both_sides(job, one->up, vecna_view_dense(small, rows, n),
                            vecna_view_dense(small + rows * n, asked, n), &back, err);
    if (status == VECNA_OK && restored)
        status = neighbours_kept(job, vecna_view_dense(back, rows, job->full),
                                 vecna_view_dense(back + rows * job->full, asked, job->full),
                                 &one->restored, err);
    if (status == VECNA_OK && restored)
        status = restored_cosine(job, vecna_view_dense(back + rows * job->full, asked, job->full),
                                 one, err);
    free(small);
    free(back);
    return status;
}

/* ---- bytes and bits -------------------------------------------------------------------------- */

/* As stored, and as floats again. */
static void store_row(int kind, const float *row, size_t dim, float *out) {
    float largest = 0;
    for (size_t j = 0; j < dim; j++)
        largest = fabsf(row[j]) > largest ? fabsf(row[j]) : largest;
    for (size_t j = 0; j < dim; j++) {
        if (kind == STORED_BINARY)
            out[j] = row[j] > 0 ? 1 : -1;
        else
            out[j] = largest > 0 ? rintf(row[j] * (127 / largest)) : 0;
    }
}

/* Of each query's candidates the k nearest by floats. */
static void rescore(const reduce_job *job, const float *small, size_t many, int64_t *found,
                    int64_t *out) {
    const size_t n = job->dim, k = job->options->k, rows = job->corpus.rows;
    for (size_t q = 0; q < job->asking.rows; q++) {
        const float *query = small + (rows + q) * n;
        for (size_t i = 0; i < k; i++) { /* the best of those left, k times: many is 10 k */
            double best = -HUGE_VAL;
            size_t at = many;
            for (size_t c = 0; c < many; c++) {
                int64_t row = found[q * many + c];
                double score =
                    row < 0 ? -HUGE_VAL : vecna_metric_dot(query, small + (size_t)row * n, n);
                if (row >= 0 && score > best) {
                    best = score;
                    at = c;
                }
            }
            out[q * k + i] = at < many ? found[q * many + at] : -1;
            if (at < many)
                found[q * many + at] = -1;
        }
    }
}

static vecna_status judge_stored(const reduce_job *job, const float *small, int kind, stored *out,
                                 vecna_error *err) {
    const size_t n = job->dim, rows = job->corpus.rows, asked = job->asking.rows;
    const size_t k = job->options->k, wanted = k * RESCORED_TIMES;
    const size_t many = wanted < rows ? wanted : rows;
    float *form = vecna_allocate(NULL, (rows + asked) * n, sizeof *form);
    int64_t *found = vecna_allocate(NULL, asked * (many + k), sizeof *found);
    int64_t *best = found ? found + asked * many : NULL;
    vecna_status status = form && found ? VECNA_OK : reduce_no_memory(err);
    for (size_t i = 0; status == VECNA_OK && i < rows + asked; i++) {
        if (kind == STORED_INT8 && i >= rows) /* a query stays as it is */
            memcpy(form + i * n, small + i * n, n * sizeof *form);
        else
            store_row(kind, small + i * n, n, form + i * n);
    }
    if (status == VECNA_OK)
        status = rank(job, vecna_view_dense(form, rows, n),
                      vecna_view_dense(form + rows * n, asked, n), many, found, err);
    if (status == VECNA_OK) {
        for (size_t q = 0; q < asked; q++)
            memcpy(best + q * k, found + q * many, k * sizeof *best);
        status = share_kept(job, best, &out->kept, err);
    }
    if (status == VECNA_OK) {
        rescore(job, small, many, found, best);
        status = share_kept(job, best, &out->rescored, err);
    }
    out->bytes = kind == STORED_BINARY ? (n + 7) / 8 : n;
    free(form);
    free(found);
    return status;
}

vecna_status reduce_judge_stored(const reduce_job *job, const way *one, stored out[STORED_WAYS],
                                 vecna_error *err) {
    float *small = NULL;
    vecna_status status = both_sides(job, one->down, vecna_matrix_view(job->corpus),
                                     vecna_matrix_view(job->asking), &small, err);
    out[0] = (stored){job->dim * sizeof(float), one->reduced, one->reduced};
    for (int kind = STORED_INT8; status == VECNA_OK && kind < STORED_WAYS; kind++)
        status = judge_stored(job, small, kind, &out[kind], err);
    free(small);
    return status;
}
