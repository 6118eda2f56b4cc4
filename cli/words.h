/* Vectors that have words, for the commands that ask for them by their words. */
#ifndef VECNA_CLI_WORDS_H
#define VECNA_CLI_WORDS_H

#include "cli/cli.h"
#include "vecna/text.h"

/* Vectors with their words. */
typedef struct word_vectors {
    loaded file;
    char *const *words; /* (rows) NULL entries where a row has none */
    char *text;         /* private: words of a file of their own */
    char **own_words;   /* private */
} word_vectors;

/* From one file or two: the words stand in the file, in vocab_path (a line a row), or, where that is
 * NULL, in "v.vocab.txt" beside "v.npy" or "v.100.npy". */
vecna_status load_words(const char *path, const input_options *input, const char *vocab_path,
                        word_vectors *out, vecna_error *err);
void unload_words(word_vectors *words);

/* How words are looked up: the first `restricted` rows, by their letters or by their lower case. */
typedef struct word_lookup {
    const word_vectors *vectors;
    bool fold;
    size_t restricted;  /* rows that count */
    vecna_vocab *forms; /* each different form, in the order of its first row */
    int64_t *form_of;   /* (restricted) number of a row's form; rows without a word have one each */
    size_t *first_row;  /* of each form */
    char *scratch;
    size_t scratch_bytes;
} word_lookup;

/* restrict_to 0: all rows. */
vecna_status lookup_new(const word_vectors *vectors, bool fold, size_t restrict_to,
                        word_lookup *out, vecna_error *err);
void lookup_free(word_lookup *lookup);
/* The first row of a word; -1 none. */
int64_t lookup_row(word_lookup *lookup, const char *word, size_t bytes);
/* A part of a matrix: its first rows. */
vecna_view lookup_vectors(const word_lookup *lookup);

#endif
