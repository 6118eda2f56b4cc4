/* Hubness: in many dimensions some rows are near to whatever asks, and stand in lists where they do not
 * belong. How near, on average, tells how much to take off. */
#include "vecna/search.h"

enum { ROWS_TOGETHER = 2048, NEIGHBOURS = 10 };

vecna_status vecna_search_hubness(vecna_view rows, vecna_view sample,
                                  const vecna_search_options *options, float *out,
                                  vecna_error *err) {
    vecna_search_options search = {.metric = VECNA_METRIC_COSINE, .k = NEIGHBOURS};
    if (options) {
        search.k = options->k ? options->k : NEIGHBOURS;
        search.pool = options->pool;
        search.allocator = options->allocator;
    }
    search.k = search.k < sample.rows ? search.k : sample.rows;
    if (rows.dim != sample.dim) {
        return vecna_error_set(err, VECNA_ERR_DIM, -1,
                               "rows of %zu dimensions and a sample of %zu: give queries that ask "
                               "these rows",
                               rows.dim, sample.dim);
    }
    if (!sample.rows) {
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1, "a sample without rows asks nothing");
    }
    const size_t most = rows.rows < ROWS_TOGETHER ? rows.rows : ROWS_TOGETHER;
    int64_t *found = vecna_allocate(search.allocator, most, search.k * sizeof *found);
    float *scores = vecna_allocate(search.allocator, most, search.k * sizeof *scores);
    vecna_status status = VECNA_OK;
    if (!found || !scores) {
        status = vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for neighbours of %zu rows",
                                 most);
    }
    for (size_t begin = 0; begin < rows.rows && !status; begin += most) {
        const size_t here = rows.rows - begin < most ? rows.rows - begin : most;
        status =
            vecna_search(sample, vecna_view_rows(rows, begin, here), &search, found, scores, err);
        for (size_t i = 0; i < here && !status; i++) {
            double sum = 0;
            size_t count = 0;
            for (size_t j = 0; j < search.k && found[i * search.k + j] >= 0; j++) {
                sum += (double)scores[i * search.k + j];
                count++;
            }
            out[begin + i] = (float)(count ? sum / (double)count : 0);
        }
    }
    vecna_release(search.allocator, found);
    vecna_release(search.allocator, scores);
    return status;
}
