/* Files of texts that belong together, for trainers of pairs. */
#ifndef VECNA_CLI_PAIRS_H
#define VECNA_CLI_PAIRS_H

#include "cli/cli.h"

#define NO_TEXT UINT32_MAX

/* Equal texts are one. All zeros: none. */
typedef struct text_pairs {
    char *memory; /* the texts, one behind the other */
    size_t bytes, room;
    size_t *starts; /* (texts + 1) */
    size_t texts, texts_room;
    uint32_t *pair; /* (pairs, 3) anchor, what belongs to it, what does not or NO_TEXT */
    size_t pairs, pairs_room;
    size_t negatives; /* pairs that have one */
    uint32_t *slots;  /* text + 1 by its hash, 0 empty */
    size_t slot_count;
} text_pairs;

/* Names of the fields of JSON lines; NULL: "anchor", "positive", "negative". */
typedef struct pair_fields {
    const char *anchor, *positive, *negative;
    const char *options; /* that name them, for messages; NULL: those of vecna train contrastive */
} pair_fields;

/* A pair a line: JSON objects, or columns between tabs. Errors name file and line. */
vecna_status read_pairs(const char *path, const pair_fields *fields, text_pairs *out,
                        vecna_error *err);
void free_pairs_of_texts(text_pairs *pairs);

#endif
