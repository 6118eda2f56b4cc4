/* The corpus goes to the searcher in pieces, not because it would not fit (it is in memory) but so
 * that a search of a minute can say how far it is. */
#include "cli/rank.h"

#include <inttypes.h>
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

vecna_status rank_start(vecna_view queries, const rank_options *options, vecna_searcher **out,
                        vecna_error *err) {
    const vecna_search_options search = {(vecna_metric)options->metric, options->depth,
                                         options->excluded, options->pool, NULL};
    return vecna_searcher_new(queries, &search, out, err);
}

vecna_status rank_finish(const vecna_searcher *searcher, size_t queries,
                         const rank_options *options, ranked *out, vecna_error *err) {
    ranked lists = {NULL, NULL, queries, options->depth};
    size_t entries = 0;
    int fits = vecna_size_mul(queries, options->depth, &entries);
    if (fits)
        lists.rows = vecna_allocate(NULL, entries, sizeof *lists.rows);
    if (fits && options->want_scores)
        lists.scores = vecna_allocate(NULL, entries, sizeof *lists.scores);
    if (lists.rows == NULL || (options->want_scores && lists.scores == NULL)) {
        ranked_free(&lists);
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                               "not enough memory for %zu neighbours of %zu queries",
                               options->depth, queries);
    }
    vecna_searcher_found(searcher, lists.rows, lists.scores);
    *out = lists;
    return VECNA_OK;
}

vecna_status rank_rows(vecna_view corpus, vecna_view queries, const rank_options *options,
                       ranked *out, vecna_error *err) {
    rank_options cut = *options;
    vecna_searcher *searcher = NULL;
    vecna_status status;
    if (cut.depth > corpus.rows)
        cut.depth = corpus.rows;
    status = rank_start(queries, &cut, &searcher, err);
    if (status == VECNA_OK)
        status = add_pieces(searcher, corpus, err);
    if (status == VECNA_OK)
        status = rank_finish(searcher, queries.rows, &cut, out, err);
    vecna_searcher_free(searcher);
    return status;
}

vecna_status check_finite(const char *path, vecna_view rows, uint64_t first_row, vecna_error *err) {
    for (size_t row = 0; row < rows.rows; row++) {
        const float *vector = rows.data + row * rows.stride;
        uint32_t found =
            0; /* all bits of the exponent set: NaN or infinity. Compilers vectorise it */
        for (size_t i = 0; i < rows.dim; i++) {
            uint32_t bits;
            memcpy(&bits, &vector[i], sizeof bits);
            found |= (bits & UINT32_C(0x7F800000)) == UINT32_C(0x7F800000);
        }
        if (found)
            return vecna_error_set(err, VECNA_ERR_VALUE, (int64_t)(first_row + row),
                                   "%s, row %" PRIu64 " holds NaN or infinity and cannot be "
                                   "compared; `vecna inspect` lists such rows",
                                   path, first_row + row);
    }
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
