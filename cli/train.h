/* What the files of vecna train share: options about text and training, the progress of training with
 * its checkpoints, and the file that vectors are written to. */
#ifndef VECNA_CLI_TRAIN_H
#define VECNA_CLI_TRAIN_H

#include "cli/words.h"
#include "vecna/text.h"
#include "vecna/train.h"

/* ---- text ------------------------------------------------------------------------------------ */

typedef struct text_options {
    int tokens, unit;
    bool keep_case;
    size_t min_count, most_words, phrases;
    double phrase_threshold;
} text_options;

/* Lines of an option table for a command that reads a text into `variable` (a text_options). */
#define TEXT_OPTIONS(variable)                                                                     \
    {"reading", 0, OPTION_GROUP, NULL, NULL, "reading text"},                                      \
        {"tokens",                                                                                 \
         0,                                                                                        \
         OPTION_CHOICE,                                                                            \
         &(variable).tokens,                                                                       \
         "words|space",                                                                            \
         "words: runs of letters and digits, normalised and\nlowered; space: what stands between " \
         "blanks, as it is"},                                                                      \
        {"keep-case", 0, OPTION_FLAG, &(variable).keep_case, NULL, "words are not lowered"},       \
        {"min-count",           0,   OPTION_COUNT,                                                 \
         &(variable).min_count, "N", "words that occur less often are left out (5)"},              \
        {"max-words",  0,                                                                          \
         OPTION_COUNT, &(variable).most_words,                                                     \
         "N",          "only the most frequent ones (all)"},                                       \
        {"phrases",           0,   OPTION_COUNT,                                                   \
         &(variable).phrases, "N", "join words that stand together (new_york) in N passes"},       \
    {                                                                                              \
        "phrase-threshold", 0, OPTION_NUMBER, &(variable).phrase_threshold, "X",                   \
            "score from which they are joined (100)"                                               \
    }

/* Reads a text, showing how far it is. keep (may be NULL): words that are in the vocabulary anyway. */
vecna_status read_corpus(const char *path, const text_options *options, const vecna_vocab *keep,
                         bool keep_empty, vecna_corpus *out, vecna_error *err);

/* ---- training -------------------------------------------------------------------------------- */

typedef struct training_options {
    const char *output, *from;
    size_t threads;
    uint64_t seed, checkpoint_seconds;
    bool resume, json, quiet;
} training_options;

/* Lines of an option table for any trainer, into `variable` (a training_options). */
#define TRAINING_OPTIONS(variable)                                                                 \
    {"running", 0, OPTION_GROUP, NULL, NULL, "running"},                                           \
        {"threads",                                                                                \
         0,                                                                                        \
         OPTION_COUNT,                                                                             \
         &(variable).threads,                                                                      \
         "N",                                                                                      \
         "shares of the work (the CPUs allowed); another\nnumber gives "                           \
         "other vectors"},                                                                         \
        {"seed", 0, OPTION_WHOLE, &(variable).seed, "N", "of everything that is drawn (1)"},       \
        {"checkpoint", 0,                                                                          \
         OPTION_WHOLE, &(variable).checkpoint_seconds,                                             \
         "S",          "keep the state in OUTPUT.checkpoint every S seconds\n(300; 0: never)"},    \
        {"resume",    0,                                                                           \
         OPTION_FLAG, &(variable).resume,                                                          \
         NULL,        "go on from OUTPUT.checkpoint; the result is the same\nas without a break"}, \
    {                                                                                              \
        "json", 0, OPTION_FLAG, &(variable).json, NULL, "one JSON object"                          \
    }

/* A model as it is trained; the functions get it as `model`. */
typedef struct trainable {
    vecna_status (*save)(const void *model, const char *path, vecna_error *err);
    vecna_status (*load)(void *model, const char *path, vecna_error *err);
    vecna_train_report (*report)(const void *model);
    vecna_status (*train)(void *model, vecna_pool *pool, vecna_train_watch *watch, void *user,
                          vecna_error *err);
} trainable;

/* Defines METHOD_trainable out of vecna_METHOD_save, _load, _report and _train. */
#define TRAINABLE(method)                                                                          \
    static vecna_status method##_save(const void *model, const char *path, vecna_error *err) {     \
        return vecna_##method##_save(model, path, err);                                            \
    }                                                                                              \
    static vecna_status method##_load(void *model, const char *path, vecna_error *err) {           \
        return vecna_##method##_load(model, path, err);                                            \
    }                                                                                              \
    static vecna_train_report method##_report(const void *model) {                                 \
        return vecna_##method##_report(model);                                                     \
    }                                                                                              \
    static vecna_status method##_train(void *model, vecna_pool *pool, vecna_train_watch *watch,    \
                                       void *user, vecna_error *err) {                             \
        return vecna_##method##_train(model, pool, watch, user, err);                              \
    }                                                                                              \
    static const trainable method##_trainable = {method##_save, method##_load, method##_report,    \
                                                 method##_train}

/* A training and what is known of it: progress on stderr, and checkpoints. All zeros before. */
typedef struct trainer {
    const training_options *options;
    const char *what;    /* "words", "pairs": what is counted; a word, part of a JSON key */
    const char *kernels; /* that it runs; NULL: vecna_train_kernels() */
    const trainable *kind;
    void *model;
    char *checkpoint; /* its path */
    double started, cpu_started, shown, saved;
    uint64_t words_before; /* trained by an earlier run */
    vecna_train_report last;
    vecna_status failed; /* to write a checkpoint */
    vecna_error error;
} trainer;

/* Trains the model to the end; goes on from a checkpoint where the options say so. options, what, kind
 * and model are set before. */
vecna_status trainer_run(trainer *watch, vecna_pool *pool, vecna_error *err);
/* The end of a command that trains: what it got, as `json` or `print` tell it (both get `job`), or the
 * error. The checkpoint of work that is done goes away. Returns the exit status. */
int trainer_end(trainer *watch, vecna_status status, const vecna_error *err,
                int (*json)(const void *job), void (*print)(const void *job), const void *job);
double trainer_seconds(const trainer *watch); /* of wall time */
/* The start of a JSON object: "output" and "method". */
void trainer_json_begin(const trainer *watch, const char *method, vecna_json_writer *json);
/* Its members "words_trained", "epochs", "loss", "seconds", "cpu_seconds", "words_per_core_second" (with
 * what is counted in the place of words), "threads" and "kernels", and its end; prints it. */
int trainer_json_end(const trainer *watch, vecna_json_writer *json);
/* The same as lines of a summary. */
void trainer_print(const trainer *watch);

/* Refuses before the work when memory (bytes of the model) or disk (bytes of output and checkpoint)
 * will not do. */
vecna_status check_resources(const char *output, size_t memory_bytes, double disk_bytes,
                             vecna_error *err);

/* ---- vectors out and in ---------------------------------------------------------------------- */

/* Fills rows [first, first + out.rows). */
typedef vecna_status row_source(const void *user, size_t first, vecna_matrix out, vecna_error *err);
/* The word of a row. */
typedef const char *word_source(const void *user, size_t row, size_t *bytes);

typedef struct vector_output {
    size_t rows, dim;
    row_source *fill;
    const void *fill_user;
    word_source *word;
    const void *word_user;
} vector_output;

/* Refuses a name that no format is known for, before the work. */
vecna_status check_output_name(const char *path, vecna_error *err);
/* Vectors and their words: in one file where the format has room for words, otherwise the words
 * beside it, a line each (see words_path). */
vecna_status write_vectors(const char *path, const vector_output *output, vecna_error *err);
/* The same for rows that are called by their numbers: nothing stands beside. */
vecna_status write_numbered(const char *path, const vector_output *output, vecna_error *err);
/* "v.vocab.txt" for "v.npy"; NULL for formats that hold words. To be freed. */
char *words_path(const char *path);
/* word_source for a vecna_vocab. */
const char *word_of_vocab(const void *vocab, size_t row, size_t *bytes);

/* ---- trainers -------------------------------------------------------------------------------- */

int train_clip(int argc, char **argv);
int train_contrastive(int argc, char **argv);
int train_doc2vec(int argc, char **argv);
int train_layer(int argc, char **argv);
int train_lsa(int argc, char **argv);
int train_onehot(int argc, char **argv);
int train_tfidf(int argc, char **argv);
int train_glove(int argc, char **argv);
int train_node2vec(int argc, char **argv);
int train_word2vec(int argc, char **argv);

#endif
