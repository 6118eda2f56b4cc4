/* vecna search --via: the new model asks an index that keeps the old model's vectors.
 *
 * 1 the query goes back into the old space by a rotation and finds candidates there; 2 only those are
 * translated, and ranked by the query itself. Fifty candidates are enough to lose nothing against a
 * corpus translated whole (docs/scores.md#two-stages). */
#include "cli/maps.h"
#include "cli/search.h"
#include "vecna/space.h"

#include <stdlib.h>
#include <string.h>

typedef struct via {
    vecna_map *map, *back;
    ranked found;       /* candidates by the rotated query */
    int64_t *place;     /* (corpus rows) of a candidate among the translated; -1 none */
    float *old, *moved; /* (candidates) in the old space, translated */
    size_t count;
} via;

vecna_status open_search_map(const search_options *options, const char *path, vecna_map **out,
                             vecna_error *err) {
    vecna_status status = open_map(path, out, err);
    if (status != VECNA_OK)
        return status;
    vecna_map_info about = vecna_map_about(*out);
    if (about.verdict == VECNA_VERDICT_FAIL && !options->force)
        return vecna_error_set(err, VECNA_ERR_VERDICT, -1,
                               "the verdict is FAIL: what %s translates cannot be relied upon "
                               "(vecna inspect says why); --force uses it all the same",
                               path);
    if (about.verdict == VECNA_VERDICT_WARN)
        note("%s carries the verdict WARN; vecna inspect says why", path);
    return VECNA_OK;
}

vecna_status check_search_space(const search_options *options, const vecna_space *space,
                                const loaded *file, vecna_error *err) {
    vecna_error inner;
    if (space == NULL || file->vectors.rows == 0)
        return VECNA_OK;
    vecna_status status =
        vecna_space_require(space, vecna_matrix_view(file->vectors), NULL, &inner);
    if (status == VECNA_OK || status == VECNA_ERR_VALUE)
        return VECNA_OK; /* no row has a direction: nothing can be told from them */
    if (status == VECNA_ERR_SPACE && options->force) {
        note("%s: %s; going on because of --force", file->path, inner.message);
        return VECNA_OK;
    }
    return vecna_error_set(err, status, -1, "%s: %s%s", file->path, inner.message,
                           status == VECNA_ERR_SPACE ? " (--force searches it)" : "");
}

static vecna_status check_dims(const search_job *job, const char *map_path, const vecna_map *map,
                               vecna_error *err) {
    vecna_map_info about = vecna_map_about(map);
    if (about.source_dim == job->corpus.vectors.dim && about.target_dim == job->asked.vectors.dim)
        return VECNA_OK;
    return vecna_error_set(
        err, VECNA_ERR_DIM, -1,
        "%s translates %zu to %zu dimensions; --via takes a map from the space of "
        "%s (%zu) to the space of %s (%zu)",
        map_path, about.source_dim, about.target_dim, job->corpus.path, job->corpus.vectors.dim,
        job->asked.path, job->asked.vectors.dim);
}

/* Stage 1: queries turned back, their nearest in the corpus as it is. */
static vecna_status find_candidates(search_job *job, via *v, const rank_options *ranking,
                                    vecna_error *err) {
    const vecna_map_info about = vecna_map_about(v->map);
    rank_options first = *ranking;
    vecna_status status = vecna_map_backward(v->map, NULL, &v->back, err);
    if (status != VECNA_OK)
        return status;
    float *turned = vecna_allocate(NULL, job->picked_count, about.source_dim * sizeof *turned);
    if (turned == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for %zu queries",
                               job->picked_count);
    status = vecna_map_apply(
        v->back, vecna_view_dense(job->gathered, job->picked_count, about.target_dim),
        vecna_matrix_dense(turned, job->picked_count, about.source_dim), ranking->pool, err);
    first.depth =
        job->options->candidates > ranking->depth ? job->options->candidates : ranking->depth;
    first.want_scores = false;
    if (status == VECNA_OK)
        status = rank_rows(vecna_matrix_view(job->corpus.vectors),
                           vecna_view_dense(turned, job->picked_count, about.source_dim), &first,
                           &v->found, err);
    free(turned);
    return status;
}

/* Stage 2: every candidate once, translated. */
static vecna_status translate_candidates(search_job *job, via *v, vecna_pool *pool,
                                         vecna_error *err) {
    const vecna_map_info about = vecna_map_about(v->map);
    const vecna_matrix *corpus = &job->corpus.vectors;
    const size_t entries = v->found.queries * v->found.depth;
    v->place = vecna_allocate(NULL, corpus->rows, sizeof *v->place);
    if (v->place == NULL)
        goto memory;
    for (size_t i = 0; i < corpus->rows; i++)
        v->place[i] = -1;
    for (size_t i = 0; i < entries; i++)
        if (v->found.rows[i] >= 0 && v->place[v->found.rows[i]] < 0)
            v->place[v->found.rows[i]] = (int64_t)v->count++;
    v->old = vecna_allocate(NULL, v->count, about.source_dim * sizeof(float));
    v->moved = vecna_allocate(NULL, v->count, about.target_dim * sizeof(float));
    if (v->old == NULL || v->moved == NULL)
        goto memory;
    for (size_t i = 0; i < corpus->rows; i++)
        if (v->place[i] >= 0)
            memcpy(v->old + (size_t)v->place[i] * corpus->dim, corpus->data + i * corpus->stride,
                   corpus->dim * sizeof(float));
    return vecna_map_apply(v->map, vecna_view_dense(v->old, v->count, about.source_dim),
                           vecna_matrix_dense(v->moved, v->count, about.target_dim), pool, err);
memory:
    return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for %zu candidates",
                           v->found.depth * v->found.queries);
}

/* The candidates of each query in the order of their translations. */
static vecna_status rank_again(search_job *job, const via *v, const rank_options *ranking,
                               vecna_error *err) {
    const size_t dim = job->asked.vectors.dim, depth = v->found.depth;
    ranked hits = {NULL, NULL, v->found.queries, ranking->depth < depth ? ranking->depth : depth};
    float *room = vecna_allocate(NULL, depth, dim * sizeof *room);
    vecna_status status = VECNA_OK;
    hits.rows = vecna_allocate(NULL, hits.queries, hits.depth * sizeof *hits.rows);
    hits.scores = vecna_allocate(NULL, hits.queries, hits.depth * sizeof *hits.scores);
    if (room == NULL || hits.rows == NULL || hits.scores == NULL)
        status = vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                                 "not enough memory for %zu neighbours of %zu queries", hits.depth,
                                 hits.queries);
    for (size_t query = 0; status == VECNA_OK && query < hits.queries; query++) {
        const int64_t *found = v->found.rows + query * depth;
        int64_t *rows = hits.rows + query * hits.depth;
        size_t count = 0;
        while (count < depth && found[count] >= 0) {
            memcpy(room + count * dim, v->moved + (size_t)v->place[found[count]] * dim,
                   dim * sizeof *room);
            count++;
        }
        const vecna_search_options search = {.metric = VECNA_METRIC_COSINE, .k = hits.depth};
        status = vecna_search(vecna_view_dense(room, count, dim),
                              vecna_view_dense(job->gathered + query * dim, 1, dim), &search, rows,
                              hits.scores + query * hits.depth, err);
        for (size_t i = 0; status == VECNA_OK && i < hits.depth; i++)
            rows[i] = rows[i] < 0 ? -1 : found[rows[i]];
    }
    free(room);
    if (status == VECNA_OK)
        job->hits = hits;
    else
        ranked_free(&hits);
    return status;
}

vecna_status search_via(search_job *job, const char *const *paths, rank_options *ranking,
                        vecna_error *err) {
    const search_options *o = job->options;
    vecna_format_options format = format_options(&o->input);
    via v;
    memset(&v, 0, sizeof v);
    vecna_status status = open_search_map(o, o->via, &v.map, err);
    if (status == VECNA_OK)
        status = load_queries(job, paths[1], err);
    if (status == VECNA_OK)
        status = load_vectors(paths[0], &format, &job->corpus, err);
    if (status == VECNA_OK)
        status = check_finite(paths[0], vecna_matrix_view(job->corpus.vectors), 0, err);
    if (status == VECNA_OK)
        status = check_dims(job, o->via, v.map, err);
    if (status == VECNA_OK)
        status = check_search_space(o, vecna_map_source_space(v.map), &job->corpus, err);
    if (status == VECNA_OK)
        status = check_search_space(o, vecna_map_target_space(v.map), &job->asked, err);
    if (status == VECNA_OK)
        status = find_candidates(job, &v, ranking, err);
    if (status == VECNA_OK)
        status = translate_candidates(job, &v, ranking->pool, err);
    if (status == VECNA_OK)
        status = rank_again(job, &v, ranking, err);
    ranked_free(&v.found);
    free(v.place);
    free(v.old);
    free(v.moved);
    vecna_map_free(v.back);
    vecna_map_free(v.map);
    return status;
}
