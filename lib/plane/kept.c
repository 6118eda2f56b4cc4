/* How true a picture is: neighbours in the space that are neighbours in the plane. */
#include "plane/plane_impl.h"
#include "vecna/search.h"

#include <string.h>

enum { ASKED_MOST = 2000 };

/* The k nearest rows, itself excluded, of every step-th row. */
static vecna_status neighbours(vecna_view rows, const int64_t *asked, size_t count, size_t k,
                               vecna_pool *pool, const vecna_allocator *allocator, int64_t *out,
                               vecna_error *err) {
    vecna_status status;
    float *queries = vecna_allocate(allocator, count * rows.dim, sizeof *queries);
    if (!queries) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for %zu rows", count);
    }
    for (size_t i = 0; i < count; i++) {
        memcpy(queries + i * rows.dim, rows.data + (size_t)asked[i] * rows.stride,
               rows.dim * sizeof *queries);
    }
    const vecna_search_options search = {.metric = VECNA_METRIC_L2SQ,
                                         .k = k,
                                         .excluded = asked,
                                         .pool = pool,
                                         .allocator = allocator};
    status =
        vecna_search(rows, vecna_view_dense(queries, count, rows.dim), &search, out, NULL, err);
    vecna_release(allocator, queries);
    return status;
}

static size_t in_both(const int64_t *a, const int64_t *b, size_t k) {
    size_t both = 0;
    for (size_t i = 0; i < k; i++) {
        for (size_t j = 0; j < k; j++) {
            both += a[i] >= 0 && a[i] == b[j];
        }
    }
    return both;
}

vecna_status vecna_plane_kept(vecna_view rows, vecna_view plane, size_t k, vecna_pool *pool,
                              const vecna_allocator *allocator, double *out, vecna_error *err) {
    const size_t asked_count = rows.rows < ASKED_MOST ? rows.rows : ASKED_MOST;
    vecna_status status = VECNA_ERR_MEMORY;
    size_t both = 0;
    if (rows.rows != plane.rows || plane.dim != 2 || k < 1 || k >= rows.rows) {
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "%zu neighbours of %zu rows cannot be looked for among %zu points",
                               k, rows.rows, plane.rows);
    }
    int64_t *asked = vecna_allocate(allocator, asked_count, sizeof *asked);
    int64_t *space = vecna_allocate(allocator, asked_count * k, sizeof *space);
    int64_t *picture = vecna_allocate(allocator, asked_count * k, sizeof *picture);
    if (!asked || !space || !picture) {
        vecna_error_set(err, status, -1, "no memory for %zu lists", asked_count);
        goto done;
    }
    for (size_t i = 0; i < asked_count; i++) {
        asked[i] = (int64_t)(i * rows.rows / asked_count);
    }
    status = neighbours(rows, asked, asked_count, k, pool, allocator, space, err);
    if (status == VECNA_OK) {
        status = neighbours(plane, asked, asked_count, k, pool, allocator, picture, err);
    }
    for (size_t i = 0; status == VECNA_OK && i < asked_count; i++) {
        both += in_both(space + i * k, picture + i * k, k);
    }
    if (status == VECNA_OK) {
        *out = (double)both / (double)(asked_count * k);
    }
done:
    vecna_release(allocator, asked);
    vecna_release(allocator, space);
    vecna_release(allocator, picture);
    return status;
}
