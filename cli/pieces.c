/* Texts as word pieces, for trainers (cli/pieces.h). */
#include "cli/pieces.h"

#include "cli/embed_model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

vecna_status open_pieces(const char *path, piece_texts *out, vecna_error *err) {
    text_model from = {0};
    vecna_status status = open_model(path, &from, err);
    if (status != VECNA_OK)
        return status;
    if (from.table == NULL) {
        close_model(&from);
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "%s counts words; --from takes a model of vecna distill, train "
                               "contrastive or train clip",
                               path);
    }
    out->from = from.table;
    const vecna_model_parts parts = vecna_model_parts_of(out->from);
    const vecna_wordpiece_options tokenizer = {.keep_case = parts.keep_case};
    return vecna_wordpiece_new(parts.vocabulary, parts.vocabulary_bytes, &tokenizer,
                               &out->tokenizer, err);
}

vecna_status begin_pieces(piece_texts *pieces, size_t texts, size_t bytes, vecna_error *err) {
    pieces->starts = calloc(texts + 1, sizeof *pieces->starts);
    pieces->piece = malloc((bytes + 1) * sizeof *pieces->piece);
    return pieces->starts && pieces->piece
               ? VECNA_OK
               : vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for %zu texts",
                                 texts);
}

void add_pieces(piece_texts *pieces, const char *text, size_t bytes) {
    const int32_t unknown = vecna_wordpiece_unknown(pieces->tokenizer);
    size_t used = pieces->starts[pieces->texts];
    int32_t *ids =
        pieces->piece + used; /* never more than bytes, and those of this text are left */
    const size_t count = vecna_wordpiece_encode(pieces->tokenizer, text, bytes, ids);
    for (size_t k = 0; k < count; k++)
        if (ids[k] != unknown)
            pieces->piece[used++] = ids[k];
    pieces->starts[++pieces->texts] = used;
}

void free_pieces(piece_texts *pieces) {
    vecna_wordpiece_free(pieces->tokenizer);
    vecna_model_free(pieces->from);
    free(pieces->starts);
    free(pieces->piece);
    memset(pieces, 0, sizeof *pieces);
}

void vector_of_pieces(const piece_texts *pieces, vecna_view rows, size_t text, float *out) {
    double square = 0;
    memset(out, 0, rows.dim * sizeof *out);
    for (size_t k = pieces->starts[text]; k < pieces->starts[text + 1]; k++)
        for (size_t j = 0; j < rows.dim; j++)
            out[j] += rows.data[(size_t)pieces->piece[k] * rows.stride + j];
    for (size_t j = 0; j < rows.dim; j++)
        square += (double)out[j] * (double)out[j];
    for (size_t j = 0; j < rows.dim; j++)
        out[j] = square > 0 ? (float)((double)out[j] / sqrt(square)) : 0;
}
