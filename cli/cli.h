/* What the commands share: options, messages, progress and tables. Commands use public headers
 * only.
 *
 * Exit status of every command: 0 done, 1 the work failed, 2 wrong usage, 3 the verdict is FAIL. */
#ifndef VECNA_CLI_H
#define VECNA_CLI_H

#include "vecna.h"

#include <stdbool.h>
#include <stdio.h>

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_VERDICT = 3 };

/* ---- commands ------------------------------------------------------------------------------- */

typedef struct command {
    const char *name;
    const char *summary; /* one line of `vecna --help` */
    int (*run)(int argc, char **argv);
} command;

int command_eval(int argc, char **argv);
int command_fit(int argc, char **argv);
int command_inspect(int argc, char **argv);
int command_reduce(int argc, char **argv);
int command_search(int argc, char **argv);
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

/* ---- messages (ui.c) --------------------------------------------------------------------------
 */

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

/* ---- tables (table.c) ---------------------------------------------------------------------------
 */

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

/* ---- vectors in memory (load.c)
 * ------------------------------------------------------------------ */

#endif
