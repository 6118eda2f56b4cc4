/* The teacher of vecna distill, asked while it is running: texts, and pieces of words one by one. */
#ifndef VECNA_CLI_DISTILL_ASK_H
#define VECNA_CLI_DISTILL_ASK_H

#include "cli/embed_stream.h"

typedef struct teacher_options {
    embed call;             /* how it is asked */
    const char *texts;      /* a file, "-" for standard input */
    const char *vocabulary; /* a file, or NULL: the built-in model's */
    size_t pieces;          /* only those that the texts have most of; 0: all */
    bool keep_case;
    const char *out; /* part files stand beside it */
} teacher_options;

/* What it said. */
typedef struct taught {
    char *vocabulary;
    size_t vocabulary_bytes;
    size_t texts, pieces, dim;
    char *text; /* all texts, one behind the other */
    vecna_passage *passages;
    float *text_vectors, *piece_vectors; /* (texts, dim), (pieces, dim) */
    size_t resumed;                      /* of both, from an earlier run */
    embed text_call, piece_call;         /* private */
} taught;

/* To be closed after a failure too. */
vecna_status ask_teacher(const teacher_options *options, taught *out, vecna_error *err);
/* done: the part files go. */
void close_taught(taught *all, bool done);

#endif
