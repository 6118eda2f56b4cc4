/* Texts as word pieces of the model that a trainer starts from, and their vectors out of a table. What
 * trainers of pairs share. */
#ifndef VECNA_CLI_PIECES_H
#define VECNA_CLI_PIECES_H

#include "cli/cli.h"
#include "vecna/model.h"

/* All zeros: none. */
typedef struct piece_texts {
    vecna_model *from;
    vecna_wordpiece *tokenizer;
    size_t *starts; /* (texts + 1) */
    int32_t *piece;
    size_t texts;
} piece_texts;

/* The model at `path`, or the built-in one for NULL; it must have a table. */
vecna_status open_pieces(const char *path, piece_texts *out, vecna_error *err);
/* Room for so many texts of so many bytes in all, then each in turn. Unknown pieces are left out. */
vecna_status begin_pieces(piece_texts *pieces, size_t texts, size_t bytes, vecna_error *err);
void add_pieces(piece_texts *pieces, const char *text, size_t bytes);
void free_pieces(piece_texts *pieces);

/* The sum of a text's rows of a table, at length 1; zeros for a text of no known piece. out (rows.dim) */
void vector_of_pieces(const piece_texts *pieces, vecna_view rows, size_t text, float *out);

#endif
