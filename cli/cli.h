/* What the commands share: options, messages, progress and tables. Commands use public headers
 * only.
 *
 * Exit status of every command: 0 done, 1 the work failed, 2 wrong usage, 3 the verdict is FAIL. */
#ifndef VECNA_CLI_H
#define VECNA_CLI_H

#include "vecna.h"
#include "vecna/codec.h"
#include "vecna/format.h"

#include <stdbool.h>
#include <stdio.h>

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_VERDICT = 3 };

/* ---- commands ------------------------------------------------------------------------------- */

typedef struct command {
    const char *name;
    const char *summary; /* one line of `vecna --help` */
    int (*run)(int argc, char **argv);
} command;

int command_choose(int argc, char **argv);
int command_plan(int argc, char **argv);
int command_embed(int argc, char **argv);
int command_distill(int argc, char **argv);
int command_eval(int argc, char **argv);
int command_fit(int argc, char **argv);
int command_inspect(int argc, char **argv);
int command_models(int argc, char **argv);
int command_onboard(int argc, char **argv);
int command_maps(int argc, char **argv);
int command_plot(int argc, char **argv);
int command_reduce(int argc, char **argv);
int command_search(int argc, char **argv);
int command_serve(int argc, char **argv);
int command_train(int argc, char **argv);
int command_translate(int argc, char **argv);

/* ---- options (args.c) ----------------------------------------------------------------------- */

typedef enum option_kind {
    OPTION_FLAG,   /* bool: --name sets true */
    OPTION_OFF,    /* bool: --name sets false */
    OPTION_TEXT,   /* const char * */
    OPTION_TEXTS,  /* text_list: the option may be given again */
    OPTION_COUNT,  /* size_t, at least 1 */
    OPTION_WHOLE,  /* uint64_t, at least 0 */
    OPTION_NUMBER, /* double, finite */
    OPTION_CHOICE, /* int: index into the words of `argument`, "a|b|c" */
    OPTION_GROUP   /* a headline of --help */
} option_kind;

enum { TEXTS_MOST = 8 };
typedef struct text_list {
    const char *items[TEXTS_MOST];
    size_t count;
} text_list;

typedef struct option {
    const char *name; /* without the dashes */
    char letter;      /* or 0 */
    option_kind kind;
    void *out;
    const char *argument; /* shown in --help; the words of a choice */
    const char *help;
} option;

typedef struct usage {
    const char *line;        /* "vecna fit SOURCE TARGET -o MAP [options]" */
    const char *description; /* what it does, a few sentences */
    const option *options;
    size_t option_count;
    const char *examples; /* shown last, indented */
    size_t least, most;   /* positional arguments */
} usage;

/* Fill the options' outs from argv (argv[0] is the command's name) and positional[0 ..
 * *positional_count) with what is left; positional has room for `most`. Prints help or the mistake
 * itself. Returns -1 to go on, otherwise the exit status to return. */
int parse_arguments(int argc, char **argv, const usage *use, const char **positional,
                    size_t *positional_count);

/* A mistake in how the command was called: prints it with the usage line; returns EXIT_USAGE. */
int usage_error(const usage *use, const char *format, ...) VECNA_PRINTF(2, 3);

/* ---- messages (ui.c) ------------------------------------------------------------------------- */

/* "vecna: message" on stderr; returns EXIT_FAILED. */
int fail_with(const vecna_error *err);
int fail_text(const char *format, ...) VECNA_PRINTF(1, 2);
/* A remark on stderr: "vecna: note: ...". */
void note(const char *format, ...) VECNA_PRINTF(1, 2);

/* Writes SGR code text ("1", "32") to `file` when it is a terminal and NO_COLOR is not set. */
void style(FILE *file, const char *code);

/* Rows done, on stderr when it is a terminal and the work takes over a second. */
typedef struct progress {
    const char *verb;
    int64_t total; /* rows, -1 unknown */
    uint64_t done;
    double started, shown;
    bool active;
} progress;

void progress_start(progress *meter, const char *verb, int64_t total);
void progress_add(progress *meter, uint64_t rows);
void progress_end(progress *meter);
double seconds_now(void);

/* "1,234,567" into a static buffer of eight turns. */
const char *grouped(uint64_t number);

/* Whether `path` can be written, found out before the work and not after it; leaves nothing there. */
vecna_status check_writable(const char *path, vecna_error *err);

/* How alike two words are: letters to change, add or leave out; 99 for very long ones. */
size_t word_distance(const char *a, const char *b);
/* Whether `given` may be `name` mistyped. */
bool is_near_word(const char *given, const char *name);

/* A member of an object. */
void json_count(vecna_json_writer *json, const char *key, uint64_t value);
void json_number(vecna_json_writer *json, const char *key, double value);
void json_text(vecna_json_writer *json, const char *key, const char *value);
/* Prints a finished JSON value with a newline and frees the writer; returns EXIT_DONE or
 * EXIT_FAILED. */
int print_json(vecna_json_writer *json, FILE *file);

/* ---- tables (table.c) ------------------------------------------------------------------------ */

enum { TABLE_COLUMNS = 12, TABLE_CELL = 96 };

/* Rows of text, printed with aligned columns: the first column left, the others right. */
typedef struct table {
    size_t columns, rows, capacity;
    char (*cells)[TABLE_CELL];
} table;

void table_start(table *t, size_t columns, const char *const *headers);
/* The next cell of the row that is being filled. */
void table_cell(table *t, const char *format, ...) VECNA_PRINTF(2, 3);
void table_print(table *t, FILE *file, const char *indent); /* and frees it */

/* ---- vectors in memory (load.c) -------------------------------------------------------------- */

/* How the input of a command is read: the options that every reading command has. */
typedef struct input_options {
    const char *format;
    size_t dim;
    const char *id_field, *text_field, *vector_field, *tensor;
} input_options;

/* Lines of an option table for a command that reads vectors into `variable` (an input_options). */
#define INPUT_OPTIONS(variable)                                                                    \
    {"reading", 0, OPTION_GROUP, NULL, NULL, "reading vectors"},                                   \
        {"in-format",        0,      OPTION_TEXT,                                                  \
         &(variable).format, "NAME", "format of the input (default: told by content)"},            \
        {"raw-dim", 0, OPTION_COUNT, &(variable).dim, "N", "dimension of a raw float32 file"},     \
        {"id-field", 0, OPTION_TEXT, &(variable).id_field, "NAME", "field with ids (id)"},         \
        {"text-field", 0, OPTION_TEXT, &(variable).text_field, "NAME", "field with texts (text)"}, \
        {"vector-field",           0,      OPTION_TEXT,                                            \
         &(variable).vector_field, "NAME", "field with vectors (embedding)"},                      \
    {                                                                                              \
        "tensor", 0, OPTION_TEXT, &(variable).tensor, "NAME", "tensor of a safetensors file"       \
    }

vecna_format_options format_options(const input_options *input);
/* Whether any of them was given. */
bool reads_vectors(const input_options *input);

/* A whole file: vectors, and ids, texts and judgements where it has them. */
typedef struct loaded {
    const char *path;
    vecna_file_info about; /* its pointers are NULL but format, which is static */
    vecna_matrix vectors;
    char **ids; /* rows of them, or NULL */
    char **texts;
    char **relevant; /* the JSON of the field "relevant": row numbers or ids of a corpus; or NULL */
    struct text_arena *arena;
} loaded;

vecna_status load_vectors(const char *path, const vecna_format_options *options, loaded *out,
                          vecna_error *err);
void unload(loaded *file);
/* Copies a text for each row of file->vectors into *out, which is file->ids or file->texts. */
vecna_status keep_names(loaded *file, const char *const *texts, char ***out, vecna_error *err);

/* The same for a file whose vectors need not be held: each block is shown to `visit` before its ids
 * and texts are kept, and vectors.data stays NULL. file->vectors.rows rows came before the block.
 */
typedef vecna_status block_visitor(void *user, const loaded *file, const vecna_block *block,
                                   vecna_error *err);
vecna_status load_visiting(const char *path, const vecna_format_options *options,
                           block_visitor *visit, void *user, loaded *out, vecna_error *err);

/* Ids, texts and judgements for vectors that lie in a file without them: for each row a line. When the
 * first line that is not empty is a JSON object all are, with "id", "text" (or what `names` calls
 * them) and "relevant" as far as they have them; otherwise all are plain text. */
vecna_status load_texts(const char *path, const vecna_format_options *names, loaded *into,
                        vecna_error *err);

/* The same of listed rows alone (ascending), kept in their order: a file of any size goes past.
 *   vectors_path  stands in messages */
vecna_status load_texts_of(const char *path, const vecna_format_options *names,
                           const char *vectors_path, const size_t *rows, size_t count, loaded *out,
                           vecna_error *err);

/* A whole file in memory, to be freed; not NUL-terminated. */
vecna_status read_file(const char *path, char **data, size_t *bytes, vecna_error *err);

/* Row numbers in the order of the ids, for looking them up. */
typedef struct id_index id_index;
vecna_status id_index_new(char *const *ids, size_t rows, id_index **out, vecna_error *err);
/* The first row of that id; -1 none. */
int64_t id_index_find(const id_index *index, const char *id);
void id_index_free(id_index *index);

#endif
