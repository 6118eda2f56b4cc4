/* vecna/text.h — text in, numbers of words out: bytes of files of any kind, words out of bytes, a
 * vocabulary of the words, and a whole corpus as a stream of word numbers.
 *
 * The road
 *   source      bytes of a file, of all files of a folder or of standard input; .gz and .xz are told
 *               by their content and unpacked on the way
 *   tokenizer   words of a piece of text: Unicode letters and digits, normalised, or plain fields
 *   vocab       words and their counts, most frequent first
 *   corpus      the three together: every word of a text as its number in the vocabulary, which is
 *               what a trainer reads in every epoch
 *
 * Nothing is cut short: a line, a word, a file may have any length that fits into memory.
 * docs/training.md has the definitions. Since 0.2. */
#ifndef VECNA_TEXT_H
#define VECNA_TEXT_H

#include "vecna/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- bytes ----------------------------------------------------------------------------------- */

/* Open files, read one after the other. Not for use from two threads at once. */
typedef struct vecna_source vecna_source;

/* Open a file, every file below a folder (in byte order of their paths; names that start with a dot
 * are left out, links to folders are not followed), or standard input for "-".
 * Memory:  about 256 KiB, and what an .xz file asks for (at most 1 GiB).
 * Errors:  VECNA_ERR_IO with the path and the system's reason; VECNA_ERR_NOT_FOUND for a folder
 *          without files; VECNA_ERR_MEMORY. */
VECNA_API VECNA_CHECK vecna_status vecna_source_open(const char *path,
                                                     const vecna_allocator *allocator,
                                                     vecna_source **out, vecna_error *err);
VECNA_API void vecna_source_close(vecna_source *source);

/* A part of a line, borrowed until the next call. */
typedef struct vecna_piece {
    const char *data; /* without the line's end, CR LF or LF; a byte order mark is left out */
    size_t bytes;
    int ends_line; /* the line ends here; 0: it goes on in the next piece, which starts a new word */
    int ends_file; /* and so does the file */
} vecna_piece;

/* The next line, or, where a line is longer than 1 MiB, its next part, cut at a blank so that no
 * word is divided. *more = 0 when there is none.
 * Errors:  VECNA_ERR_IO; VECNA_ERR_FORMAT and _TRUNCATED for a damaged .gz or .xz, with its path;
 *          VECNA_ERR_MEMORY. */
VECNA_API VECNA_CHECK vecna_status vecna_source_piece(vecna_source *source, vecna_piece *out,
                                                      int *more, vecna_error *err);
/* Bytes taken from the files so far (as they lie on disk), and the size of all of them; 0 where the
 * size is not known (standard input). For progress. */
VECNA_API uint64_t vecna_source_bytes_read(const vecna_source *source);
VECNA_API uint64_t vecna_source_bytes_total(const vecna_source *source);

/* A text in memory, borrowed. */
typedef struct vecna_passage {
    const char *data; /* UTF-8; what is none is passed over */
    size_t bytes;
} vecna_passage;

/* ---- words ----------------------------------------------------------------------------------- */

/* What a word is. */
typedef enum vecna_tokens {
    /* A run of Unicode letters, marks and digits, in normal form KC and lower case; each Han
     * character by itself. Everything else, and bytes that are no UTF-8, stands between words. */
    VECNA_TOKENS_WORDS = 0,
    /* What stands between blanks, tabs and line ends, byte for byte. */
    VECNA_TOKENS_SPACE = 1
} vecna_tokens;

typedef struct vecna_tokenizer_options {
    vecna_tokens tokens;
    int keep_case; /* words: do not lower */
    const vecna_allocator *allocator;
} vecna_tokenizer_options;

typedef struct vecna_tokenizer vecna_tokenizer;

VECNA_API VECNA_CHECK vecna_status vecna_tokenizer_new(const vecna_tokenizer_options *options,
                                                       vecna_tokenizer **out, vecna_error *err);
VECNA_API void vecna_tokenizer_free(vecna_tokenizer *tokenizer);
/* Start on bytes that the caller keeps until the last word is taken. */
VECNA_API void vecna_tokenizer_start(vecna_tokenizer *tokenizer, const char *data, size_t bytes);
/* The next word, borrowed until the next call; *word = NULL at the end.
 * Errors: VECNA_ERR_MEMORY.
 * Source: Unicode standard annex 15 (normal forms); the categories of libutf8proc. */
VECNA_API VECNA_CHECK vecna_status vecna_tokenizer_next(vecna_tokenizer *tokenizer,
                                                        const char **word, size_t *bytes,
                                                        vecna_error *err);
/* Bytes that were no UTF-8 so far. */
VECNA_API uint64_t vecna_tokenizer_bad_bytes(const vecna_tokenizer *tokenizer);

/* The lower case of each character, where it has one; what is no UTF-8 stays.
 *   out      2 * bytes of room
 *   returns  the bytes written. Allocates nothing; safe from any thread. */
VECNA_API size_t vecna_text_lower(const char *word, size_t bytes, char *out);

/* ---- vocabulary ------------------------------------------------------------------------------ */

/* Words with numbers from 0 and counts. Reading is safe from several threads. */
typedef struct vecna_vocab vecna_vocab;

VECNA_API VECNA_CHECK vecna_status vecna_vocab_new(const vecna_allocator *allocator,
                                                   vecna_vocab **out, vecna_error *err);
VECNA_API void vecna_vocab_free(vecna_vocab *vocab);
/* Add `count` to a word, which gets the next number when it is new.
 * Errors: VECNA_ERR_OVERFLOW beyond 2^31 - 2 words or a word of 4 GiB; VECNA_ERR_MEMORY. */
VECNA_API VECNA_CHECK vecna_status vecna_vocab_add(vecna_vocab *vocab, const char *word,
                                                   size_t bytes, uint64_t count, int32_t *id,
                                                   vecna_error *err);
/* Number of a word, -1 when it is not there. */
VECNA_API int32_t vecna_vocab_find(const vecna_vocab *vocab, const char *word, size_t bytes);
VECNA_API size_t vecna_vocab_size(const vecna_vocab *vocab);
/* The word of a number below the size: NUL-terminated (a word may hold a NUL, so there is a length
 * too; bytes may be NULL), and its count. */
VECNA_API const char *vecna_vocab_word(const vecna_vocab *vocab, int32_t id, size_t *bytes);
VECNA_API uint64_t vecna_vocab_count(const vecna_vocab *vocab, int32_t id);
/* (size) counts, borrowed until a word is added. */
VECNA_API const uint64_t *vecna_vocab_counts(const vecna_vocab *vocab);
/* Renumber by descending count, equal counts by their bytes, and forget words below min_count and
 * beyond the first most_words (0: all). Words that `keep` (may be NULL) holds stay whatever they
 * count.
 *   remap  (size before the call) new number of each old one, -1 forgotten; NULL not wanted
 * Errors: VECNA_ERR_MEMORY; the vocabulary is then as before. */
VECNA_API VECNA_CHECK vecna_status vecna_vocab_sort(vecna_vocab *vocab, uint64_t min_count,
                                                    size_t most_words, const vecna_vocab *keep,
                                                    int32_t *remap, vecna_error *err);

/* ---- corpus ---------------------------------------------------------------------------------- */

/* What windows do not reach across, and what a document is. */
typedef enum vecna_unit {
    VECNA_UNIT_LINE = 0,
    VECNA_UNIT_PARAGRAPH = 1, /* lines up to an empty one */
    VECNA_UNIT_FILE = 2
} vecna_unit;

typedef struct vecna_corpus_options {
    vecna_tokenizer_options tokenizer; /* its allocator is not looked at */
    vecna_unit unit;
    uint64_t min_count;   /* rarer words are dropped; 0 means 5 */
    size_t most_words;    /* of the vocabulary; 0 all */
    int keep_empty_units; /* a unit without words is a unit too (documents) */
    size_t phrase_passes; /* join words that stand together: 1 pairs, 2 up to four words; 0 none */
    double phrase_threshold; /* of the score of a phrase; 0 means 100 */
    const vecna_vocab *keep; /* words that stay, and are in the vocabulary, whatever their count */
    /* Called now and then with the source; nonzero stops with VECNA_ERR_NOT_FOUND. NULL: not. */
    int (*watch)(void *user, const vecna_source *source);
    void *watch_user;
    const vecna_allocator *allocator;
} vecna_corpus_options;

/* A text as numbers. Owned; read it, and give it back with vecna_corpus_free. */
typedef struct vecna_corpus {
    vecna_vocab *vocab; /* most frequent word first; counts of this text */
    int32_t *ids;       /* (tokens) numbers of the words that the vocabulary has, in order */
    size_t *starts;     /* (units + 1) where each unit starts in ids */
    size_t units;
    size_t tokens;
    uint64_t tokens_read;  /* all words of the text, rare ones too (phrases count once) */
    uint64_t words_rare;   /* different words that min_count or most_words left out */
    uint64_t bad_bytes;    /* of the text that were no UTF-8 */
    uint64_t phrases;      /* different phrases in the vocabulary */
    uint64_t bytes;        /* of the files, as they lie on disk */
    uint64_t fingerprint;  /* of ids, starts and words: the same text read the same way */
    vecna_allocator owner; /* private */
    int has_owner;         /* private */
} vecna_corpus;

/* Read a text in one pass.
 *   path  as vecna_source_open takes it
 *   out   filled on success, to be freed
 * A phrase of a and b scores (count(ab) - min_count) * words / (count(a) * count(b)), and is one
 * word "a_b" from the threshold on; pairs are joined from the left, before rare words are dropped.
 * Memory:  4 bytes a word of the text (twice that while it grows), 8 a unit, the vocabulary with
 *          every rare word while reading.
 * Errors:  as the source's; VECNA_ERR_VALUE when no word is left; VECNA_ERR_OVERFLOW; VECNA_ERR_MEMORY
 *          with what it was for.
 * Source:  Mikolov et al., "Distributed representations of words and phrases", 2013, section 4. */
VECNA_API VECNA_CHECK vecna_status vecna_corpus_read(const char *path,
                                                     const vecna_corpus_options *options,
                                                     vecna_corpus *out, vecna_error *err);
VECNA_API void vecna_corpus_free(vecna_corpus *corpus);

/* ---- word pieces ----------------------------------------------------------------------------- */

/* The tokenizer of BERT and its relatives: words and marks, then the longest pieces that a given
 * vocabulary has. Immutable; may be shared by threads. */
typedef struct vecna_wordpiece vecna_wordpiece;

typedef struct vecna_wordpiece_options {
    int keep_case;                    /* 0: lower case, accents removed ("uncased") */
    const char *unknown;              /* piece of a word that cannot be spelled; NULL "[UNK]" */
    const vecna_allocator *allocator; /* NULL malloc */
} vecna_wordpiece_options;

/* A vocabulary: piece i of count, one a line, '\n' between them; a piece that starts with "##" goes on
 * with a word.
 *   options  may be NULL
 * Errors: VECNA_ERR_FORMAT for an empty or a second equal piece (position: its line from 1), or no
 *         `unknown`; VECNA_ERR_OVERFLOW beyond 2^24 pieces; VECNA_ERR_MEMORY. */
VECNA_API VECNA_CHECK vecna_status vecna_wordpiece_new(const char *lines, size_t bytes,
                                                       const vecna_wordpiece_options *options,
                                                       vecna_wordpiece **out, vecna_error *err);
VECNA_API void vecna_wordpiece_free(vecna_wordpiece *pieces);
VECNA_API size_t vecna_wordpiece_size(const vecna_wordpiece *pieces);
/* Number of `unknown`. */
VECNA_API int32_t vecna_wordpiece_unknown(const vecna_wordpiece *pieces);

/* Pieces of a text, without special ones: [CLS] and the like are added by nobody.
 *   text  bytes of it; what is no UTF-8 is left out
 *   ids   room for `bytes` numbers, which is always enough; returns how many were written
 * A word of more than 100 characters is one unknown.
 * Memory: allocates nothing. Safe from any thread. Cannot fail.
 * Source: the BertNormalizer, BertPreTokenizer and WordPiece of the tokenizers library, whose numbers
 *         these are (tests/cli/test_distill.py). Since 0.2. */
VECNA_API size_t vecna_wordpiece_encode(const vecna_wordpiece *pieces, const char *text,
                                        size_t bytes, int32_t *ids);

#ifdef __cplusplus
}
#endif
#endif
