/* Looking words up (cli/words.h). The most frequent row of a word comes first in such files, so the
 * first row of a form is the one that is meant. */
#include "cli/words.h"

#include <stdlib.h>
#include <string.h>

static vecna_status no_memory(vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory to look words up");
}

/* The form of a word: in lookup->scratch when it is folded. */
static const char *form(word_lookup *lookup, const char *word, size_t *bytes) {
    if (!lookup->fold)
        return word;
    if (*bytes * 2 + 1 > lookup->scratch_bytes) {
        char *grown = realloc(lookup->scratch, *bytes * 4 + 64);
        if (grown == NULL)
            return NULL;
        lookup->scratch = grown;
        lookup->scratch_bytes = *bytes * 4 + 64;
    }
    *bytes = vecna_text_lower(word, *bytes, lookup->scratch);
    return lookup->scratch;
}

static vecna_status add_row(word_lookup *lookup, size_t row, vecna_error *err) {
    const char *word = lookup->vectors->words[row];
    size_t bytes = word ? strlen(word) : 0, forms = vecna_vocab_size(lookup->forms);
    int32_t id = 0;
    vecna_status status;
    if (word == NULL) { /* a form that no word has */
        lookup->form_of[row] = -1 - (int64_t)row;
        return VECNA_OK;
    }
    word = form(lookup, word, &bytes);
    if (word == NULL)
        return no_memory(err);
    status = vecna_vocab_add(lookup->forms, word, bytes, 0, &id, err);
    if (status == VECNA_OK && (size_t)id == forms)
        lookup->first_row[id] = row;
    lookup->form_of[row] = id;
    return status;
}

vecna_status lookup_new(const word_vectors *vectors, bool fold, size_t restrict_to,
                        word_lookup *out, vecna_error *err) {
    size_t rows = vectors->file.vectors.rows;
    vecna_status status;
    memset(out, 0, sizeof *out);
    out->vectors = vectors;
    out->fold = fold;
    out->restricted = restrict_to && restrict_to < rows ? restrict_to : rows;
    out->form_of = malloc((out->restricted + 1) * sizeof *out->form_of);
    out->first_row = malloc((out->restricted + 1) * sizeof *out->first_row);
    status =
        out->form_of && out->first_row ? vecna_vocab_new(NULL, &out->forms, err) : no_memory(err);
    for (size_t row = 0; status == VECNA_OK && row < out->restricted; row++)
        status = add_row(out, row, err);
    return status;
}

void lookup_free(word_lookup *lookup) {
    vecna_vocab_free(lookup->forms);
    free(lookup->form_of);
    free(lookup->first_row);
    free(lookup->scratch);
    memset(lookup, 0, sizeof *lookup);
}

int64_t lookup_row(word_lookup *lookup, const char *word, size_t bytes) {
    int32_t id;
    word = form(lookup, word, &bytes);
    id = word ? vecna_vocab_find(lookup->forms, word, bytes) : -1;
    return id < 0 ? -1 : (int64_t)lookup->first_row[id];
}

vecna_view lookup_vectors(const word_lookup *lookup) {
    vecna_view all = vecna_matrix_view(lookup->vectors->file.vectors);
    return vecna_view_rows(all, 0, lookup->restricted);
}
