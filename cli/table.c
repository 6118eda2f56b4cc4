/* Tables for a terminal: aligned columns, no lines to get in the way of copying. */
#include "cli/cli.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Characters, not bytes: continuation bytes of UTF-8 take no room on the screen. */
static int width_of(const char *text) {
    int width = 0;
    for (; *text; text++)
        width += ((unsigned char)*text & 0xC0) != 0x80;
    return width;
}

static char *next_cell(table *t) {
    if (t->rows == t->capacity) {
        size_t capacity = t->capacity ? t->capacity * 2 : 64;
        void *cells = realloc(t->cells, capacity * sizeof *t->cells);
        if (cells == NULL) {
            fputs("vecna: not enough memory for a table\n", stderr);
            exit(EXIT_FAILED);
        }
        t->cells = cells;
        t->capacity = capacity;
    }
    return t->cells[t->rows++];
}

void table_start(table *t, size_t columns, const char *const *headers) {
    memset(t, 0, sizeof *t);
    t->columns = columns;
    for (size_t i = 0; i < columns; i++)
        table_cell(t, "%s", headers[i]);
}

void table_cell(table *t, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(next_cell(t), TABLE_CELL, format, arguments);
    va_end(arguments);
}

void table_print(table *t, FILE *file, const char *indent) {
    int widths[TABLE_COLUMNS] = {0};
    int blanks = 0; /* before the next cell that holds something: none at the end of a line */
    for (size_t i = 0; i < t->rows; i++) {
        int width = width_of(t->cells[i]);
        if (width > widths[i % t->columns])
            widths[i % t->columns] = width;
    }
    for (size_t i = 0; i < t->rows; i++) {
        size_t column = i % t->columns;
        int pad = widths[column] - width_of(t->cells[i]);
        if (column == 0) {
            fputs(indent, file);
            if (i == 0)
                style(file, "1");
            fputs(t->cells[i], file);
            blanks = pad;
        } else {
            blanks += 2 + pad;
            if (t->cells[i][0])
                fprintf(file, "%*s%s", blanks, "", t->cells[i]);
            blanks = t->cells[i][0] ? 0 : blanks;
        }
        if (column + 1 == t->columns) {
            if (i + 1 == t->columns)
                style(file, "0");
            fputc('\n', file);
        }
    }
    free(t->cells);
    memset(t, 0, sizeof *t);
}
