/* What judging vectors of words takes, whatever they are asked: the vectors, how their words are looked
 * up, and the options of both. */
#ifndef VECNA_CLI_EVAL_WORDS_H
#define VECNA_CLI_EVAL_WORDS_H

#include "cli/words.h"

typedef struct word_eval_options {
    int letters; /* 0: fold */
    size_t restricted, resamples, threads;
    uint64_t seed;
    bool json;
    const char *vocab;
    input_options input;
} word_eval_options;

/* Lines of an option table, into `variable` (a word_eval_options). */
#define WORD_EVAL_OPTIONS(variable, restrict_help)                                                 \
    {"letters",     0,                                                                             \
     OPTION_CHOICE, &(variable).letters,                                                           \
     "fold|exact",  "whether King and king are one word (fold)"},                                  \
        {"restrict-vocab", 0, OPTION_COUNT, &(variable).restricted, "N", restrict_help},           \
        {"vocab",                                                                                  \
         0,                                                                                        \
         OPTION_TEXT,                                                                              \
         &(variable).vocab,                                                                        \
         "FILE",                                                                                   \
         "words of the vectors, a line a row (default: in\nVECTORS, or VECTORS' name with "        \
         ".vocab.txt)"},                                                                           \
        {"resamples", 0, OPTION_COUNT, &(variable).resamples, "N", "of the bootstrap (2000)"},     \
        {"seed", 0, OPTION_WHOLE, &(variable).seed, "N", "of the bootstrap (0)"},                  \
        {"json", 0, OPTION_FLAG, &(variable).json, NULL, "one JSON object"},                       \
        {"threads", 0, OPTION_COUNT, &(variable).threads, "N", "(default: the CPUs allowed)"},     \
        INPUT_OPTIONS((variable).input)

typedef struct word_eval {
    const word_eval_options *options;
    const char *path;
    word_vectors vectors;
    word_lookup lookup;
    vecna_pool *pool;
} word_eval;

/* What was opened is closed by word_eval_close, after a failure as well. */
vecna_status word_eval_open(const char *path, const word_eval_options *options, word_eval *out,
                            vecna_error *err);
void word_eval_close(word_eval *judging);
/* Its bootstrap. */
vecna_bootstrap_options word_eval_bootstrap(const word_eval *judging);

#endif
