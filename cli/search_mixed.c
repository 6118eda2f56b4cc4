/* vecna search --also and --hubness: lists that mix two files, and scores without what every query gives.
 *
 * Rows that a map translated and rows of the target model itself do not score alike; --calibrated brings
 * the former to the scale of the latter, query by query (docs/scores.md#merging). */
#include "cli/search.h"

#include "vecna/metric.h"

#include <stdlib.h>
#include <string.h>

/* ---- hubness: one more dimension ------------------------------------------------------------- */

/* Rows at length 1, with a number behind each. */
static vecna_status lengthen(vecna_view rows, float **room, size_t *capacity, vecna_error *err) {
    const size_t dim = rows.dim + 1;
    if (rows.rows > *capacity) {
        free(*room);
        *room = vecna_allocate(NULL, rows.rows, dim * sizeof **room);
        *capacity = *room ? rows.rows : 0;
        if (*room == NULL)
            return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for %zu rows",
                                   rows.rows);
    }
    for (size_t i = 0; i < rows.rows; i++) {
        const float *row = rows.data + i * rows.stride;
        const double norm = vecna_metric_norm(row, rows.dim);
        for (size_t j = 0; j < rows.dim; j++)
            (*room)[i * dim + j] = norm > 0 ? (float)((double)row[j] / norm) : 0;
        (*room)[i * dim + rows.dim] = 0;
    }
    return VECNA_OK;
}

vecna_status hubness_begin(search_job *job, vecna_error *err) {
    const search_options *o = job->options;
    vecna_format_options format = format_options(&o->input);
    vecna_status status = load_vectors(o->hubness, &format, &job->sample, err);
    if (status == VECNA_OK)
        status = check_finite(o->hubness, vecna_matrix_view(job->sample.vectors), 0, err);
    if (status == VECNA_OK && job->sample.vectors.dim != job->asked.vectors.dim)
        status =
            vecna_error_set(err, VECNA_ERR_DIM, -1,
                            "%s has %zu dimensions, the queries have %zu: --hubness takes queries "
                            "of the same model",
                            o->hubness, job->sample.vectors.dim, job->asked.vectors.dim);
    return status;
}

vecna_status hubness_queries(const search_job *job, float **out, vecna_error *err) {
    const size_t dim = job->asked.vectors.dim;
    size_t capacity = 0;
    vecna_status status =
        lengthen(vecna_view_dense(job->gathered, job->picked_count, dim), out, &capacity, err);
    for (size_t i = 0; status == VECNA_OK && i < job->picked_count; i++)
        (*out)[i * (dim + 1) + dim] = 1;
    return status;
}

vecna_status hubness_rows(search_job *job, vecna_view rows, vecna_pool *pool, vecna_view *out,
                          vecna_error *err) {
    const size_t dim = rows.dim;
    const vecna_search_options options = {.pool = pool};
    float *hubness = vecna_allocate(NULL, rows.rows, sizeof *hubness);
    vecna_status status = lengthen(rows, &job->longer, &job->longer_room, err);
    if (hubness == NULL)
        status =
            vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for %zu rows", rows.rows);
    if (status == VECNA_OK)
        status = vecna_search_hubness(rows, vecna_matrix_view(job->sample.vectors), &options,
                                      hubness, err);
    for (size_t i = 0; status == VECNA_OK && i < rows.rows; i++)
        job->longer[i * (dim + 1) + dim] =
            (float)(-job->options->hubness_weight * (double)hubness[i]);
    free(hubness);
    *out = vecna_view_dense(job->longer, rows.rows, dim + 1);
    return status;
}

/* ---- two files in one list ------------------------------------------------------------------- */

/* Scores of translated rows to those of native ones. */
static vecna_status calibrate(const search_job *job, ranked *hits, vecna_pool *pool,
                              vecna_error *err) {
    const search_options *o = job->options;
    const size_t dim = job->asked.vectors.dim;
    const vecna_view queries = vecna_view_dense(job->gathered, hits->queries, dim);
    vecna_map *map = NULL;
    vecna_scores *scores = NULL;
    vecna_score_level *levels = NULL;
    vecna_status status = open_search_map(o, o->calibrated, &map, err);
    if (status == VECNA_OK && vecna_map_about(map).target_dim != dim)
        status = vecna_error_set(err, VECNA_ERR_DIM, -1,
                                 "%s translates to %zu dimensions, the queries have %zu",
                                 o->calibrated, vecna_map_about(map).target_dim, dim);
    if (status == VECNA_OK)
        status = vecna_scores_new(map, NULL, &scores, err);
    if (status == VECNA_OK) {
        levels = vecna_allocate(NULL, hits->queries, sizeof *levels);
        status = levels ? vecna_scores_levels(scores, queries, levels, pool, err)
                        : vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                                          "not enough memory for %zu queries", hits->queries);
    }
    for (size_t i = 0; status == VECNA_OK && i < hits->queries * hits->depth; i++)
        hits->scores[i] =
            (float)vecna_scores_calibrate(scores, levels[i / hits->depth], (double)hits->scores[i]);
    free(levels);
    vecna_scores_free(scores);
    vecna_map_free(map);
    return status;
}

/* The best of both for each query; rows of the second file count on behind the first. */
static vecna_status merge(const search_job *job, const ranked *first, const ranked *second,
                          ranked *out, vecna_error *err) {
    ranked lists = {NULL, NULL, first->queries, first->depth};
    const size_t depth = first->depth;
    lists.rows = vecna_allocate(NULL, lists.queries, depth * sizeof *lists.rows);
    lists.scores = vecna_allocate(NULL, lists.queries, depth * sizeof *lists.scores);
    if (lists.rows == NULL || lists.scores == NULL) {
        ranked_free(&lists);
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for %zu lists",
                               lists.queries);
    }
    for (size_t query = 0; query < lists.queries; query++) {
        size_t a = query * depth, b = query * depth;
        const size_t end = a + depth;
        for (size_t i = query * depth; i < end; i++) {
            const bool has_a = a < end && first->rows[a] >= 0;
            const bool has_b = b < end && second->rows[b] >= 0;
            if (has_a && (!has_b || first->scores[a] >= second->scores[b])) {
                lists.rows[i] = first->rows[a];
                lists.scores[i] = first->scores[a++];
            } else {
                lists.rows[i] = has_b ? second->rows[b] + (int64_t)job->corpus.vectors.rows : -1;
                lists.scores[i] = has_b ? second->scores[b] : 0;
                b += has_b;
            }
        }
    }
    *out = lists;
    return VECNA_OK;
}

vecna_status search_mixed(search_job *job, const char *const *paths, const rank_options *ranking,
                          vecna_error *err) {
    const search_options *o = job->options;
    ranked first = {NULL, NULL, 0, 0}, second = {NULL, NULL, 0, 0};
    vecna_status status = load_queries(job, paths[1], err);
    if (status == VECNA_OK && o->hubness)
        status = hubness_begin(job, err);
    if (status == VECNA_OK)
        status = search_file(job, paths[0], &job->corpus, ranking, &first, err);
    if (status == VECNA_OK && o->also)
        status = search_file(job, o->also, &job->also, ranking, &second, err);
    if (status == VECNA_OK && o->calibrated)
        status = calibrate(job, &second, ranking->pool, err);
    if (status == VECNA_OK && o->also)
        status = merge(job, &first, &second, &job->hits, err);
    if (status == VECNA_OK && !o->also) {
        job->hits = first;
        memset(&first, 0, sizeof first);
    }
    ranked_free(&first);
    ranked_free(&second);
    return status;
}
