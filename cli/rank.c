/* The corpus goes to the searcher in pieces, not because it would not fit (it is in memory) but so
 * that a search of a minute can say how far it is. */
#include "cli/rank.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE_ROWS = 1 << 16 };

void ranked_free(ranked *lists) {
    free(lists->rows);
    free(lists->scores);
    memset(lists, 0, sizeof *lists);
}

vecna_ranking ranked_view(const ranked *lists) {
    vecna_ranking view = {lists->rows, NULL, lists->queries, lists->depth, lists->depth};
    return view;
}

static vecna_status add_pieces(vecna_searcher *searcher, vecna_view corpus, vecna_error *err) {
    progress meter;
    vecna_status status = VECNA_OK;
    progress_start(&meter, "searching", (int64_t)corpus.rows);
    for (size_t row = 0; status == VECNA_OK && row < corpus.rows; row += PIECE_ROWS) {
        size_t rows = corpus.rows - row < PIECE_ROWS ? corpus.rows - row : PIECE_ROWS;
        status = vecna_searcher_add(searcher, vecna_view_rows(corpus, row, rows), err);
        progress_add(&meter, rows);
    }
    progress_end(&meter);
    return status;
}

vecna_status rank_rows(vecna_view corpus, vecna_view queries, const rank_options *options,
                       ranked *out, vecna_error *err) {
    size_t depth = options->depth < corpus.rows ? options->depth : corpus.rows;
    const vecna_search_options search = {(vecna_metric)options->metric, depth, options->excluded,
                                         options->pool, NULL};
    ranked lists = {NULL, NULL, queries.rows, depth};
    vecna_searcher *searcher = NULL;
    size_t entries;
    vecna_status status;

    if (!vecna_size_mul(queries.rows, depth, &entries))
        return vecna_error_set(err, VECNA_ERR_OVERFLOW, -1,
                               "%zu neighbours of %zu queries do not fit into memory", depth,
                               queries.rows);
    status = vecna_searcher_new(queries, &search, &searcher, err);
    if (status == VECNA_OK)
        status = add_pieces(searcher, corpus, err);
    if (status != VECNA_OK)
        goto fail;
    lists.rows = vecna_allocate(NULL, entries, sizeof *lists.rows);
    if (options->want_scores)
        lists.scores = vecna_allocate(NULL, entries, sizeof *lists.scores);
    if (lists.rows == NULL || (options->want_scores && lists.scores == NULL)) {
        status = vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                                 "not enough memory for %zu neighbours of %zu queries", depth,
                                 queries.rows);
        goto fail;
    }
    vecna_searcher_found(searcher, lists.rows, lists.scores);
    vecna_searcher_free(searcher);
    *out = lists;
    return VECNA_OK;
fail:
    vecna_searcher_free(searcher);
    ranked_free(&lists);
    return status;
}

vecna_status check_finite(const loaded *file, vecna_error *err) {
    for (size_t row = 0; row < file->vectors.rows; row++)
        for (size_t i = 0; i < file->vectors.dim; i++)
            if (!isfinite(file->vectors.data[row * file->vectors.stride + i]))
                return vecna_error_set(err, VECNA_ERR_VALUE, (int64_t)row,
                                       "%s, row %zu holds NaN or infinity and cannot be compared; "
                                       "`vecna inspect` lists such rows",
                                       file->path, row);
    return VECNA_OK;
}

vecna_status check_same_dim(const loaded *corpus, const loaded *queries, vecna_error *err) {
    if (corpus->vectors.dim == queries->vectors.dim)
        return VECNA_OK;
    return vecna_error_set(
        err, VECNA_ERR_DIM, -1,
        "%s has %zu dimensions and %s has %zu: vectors of different spaces cannot "
        "be compared; translate one of them first",
        corpus->path, corpus->vectors.dim, queries->path, queries->vectors.dim);
}
