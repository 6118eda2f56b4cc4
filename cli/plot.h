/* What the files of vecna plot share: a picture, before it is drawn. */
#ifndef VECNA_CLI_PLOT_H
#define VECNA_CLI_PLOT_H

#include "cli/cli.h"
#include "cli/labels.h"

enum { PLOT_CAPTION = 240 };

/* Points, lines or bars with their words; every pointer is borrowed. */
typedef struct picture {
    const char *title;
    char caption[PLOT_CAPTION]; /* what it is and how true it is */
    char x_label[96], y_label[96];
    const float *points; /* (count, 2) */
    size_t count;
    const size_t *rows;    /* (count) of the file, or NULL: 0, 1, 2 ... */
    const labels *classes; /* colours; NULL: one */
    char *const *names;    /* (count) shown beside points, or NULL; entries may be NULL */
    size_t names_most;     /* shown at most, where they do not overlap */
    const float *bars;     /* (bar_count) heights; then there are no points */
    size_t bar_count;
    double bar_first, bar_width; /* on the x axis */
    bool bars_as_line;
    const size_t (*arrows)[2]; /* (arrow_count) from point to point */
    size_t arrow_count;
    bool square;  /* one unit is as long on both axes */
    bool ticks;   /* the axes have units */
    bool whole_y; /* a count: no ticks between whole numbers */
} picture;

/* plot_draw.c: to path, by its extension: .svg .png .pdf.
 * Errors: VECNA_ERR_IO; VECNA_ERR_LIBRARY with cairo's reason. */
vecna_status draw_picture(const picture *what, const char *path, size_t width, size_t height,
                          vecna_error *err);
/* plot_html.c: one self-contained page: move, zoom, point, search. */
vecna_status write_page(const picture *what, const char *path, vecna_error *err);

/* Colour of a class as 0xRRGGBB; class 0 is the most frequent. */
unsigned class_colour(size_t label);

#endif
