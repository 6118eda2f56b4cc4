/* Pictures by cairo: one drawing, three kinds of file. Names are placed greedily, each where it covers
 * no other; the points of rare classes are drawn last, so that they are seen. */
#include "cli/plot.h"

#include <cairo/cairo-pdf.h>
#include <cairo/cairo-svg.h>
#include <cairo/cairo.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LEGEND_MOST = 16, TICKS_ABOUT = 6, MARGIN = 18 };

typedef struct canvas {
    cairo_t *cr;
    const picture *what;
    double width, height;
    double left, top, right, bottom;     /* of the plot area */
    double low_x, high_x, low_y, high_y; /* of the data */
} canvas;

typedef struct rectangle {
    double x, y, width, height;
} rectangle;

/* Ten colours that people with any colour vision tell apart fairly well, then hues around the circle.
 */
unsigned class_colour(size_t label) {
    static const unsigned first[] = {0x3B6FB6, 0xE07B39, 0x3A9D5D, 0xC8423B, 0x8461B5,
                                     0x8C6248, 0xD170B0, 0x6B6B6B, 0xA9A42F, 0x2AA8B8};
    if (label < sizeof first / sizeof first[0])
        return first[label];
    double hue = fmod((double)label * 137.508, 360) / 60, light = label % 2 ? 0.45 : 0.62;
    double chroma = (1 - fabs(2 * light - 1)) * 0.55;
    double second = chroma * (1 - fabs(fmod(hue, 2) - 1)), base = light - chroma / 2;
    double rgb[6][3] = {{chroma, second, 0}, {second, chroma, 0}, {0, chroma, second},
                        {0, second, chroma}, {second, 0, chroma}, {chroma, 0, second}};
    const double *one = rgb[(int)hue % 6];
    return (unsigned)(255 * (one[0] + base)) << 16 | (unsigned)(255 * (one[1] + base)) << 8 |
           (unsigned)(255 * (one[2] + base));
}

static void ink(canvas *c, unsigned colour, double opacity) {
    cairo_set_source_rgba(c->cr, (colour >> 16) / 255.0, (colour >> 8 & 255) / 255.0,
                          (colour & 255) / 255.0, opacity);
}

static double text_width(canvas *c, const char *text) {
    cairo_text_extents_t size;
    cairo_text_extents(c->cr, text, &size);
    return size.x_advance;
}

/* Text whose left end is at x, middle (0.5) or right end (1). */
static void put_text(canvas *c, double x, double y, double anchor, const char *text) {
    cairo_move_to(c->cr, x - anchor * text_width(c, text), y);
    cairo_show_text(c->cr, text);
}

/* At most `room` wide: a long text ends in three points, cut where a character begins. */
static void put_fitting(canvas *c, double x, double y, double room, const char *text) {
    char shown[PLOT_CAPTION + 4];
    size_t bytes = strlen(text);
    if (bytes > PLOT_CAPTION)
        bytes = PLOT_CAPTION;
    do {
        while (bytes > 0 && ((unsigned char)text[bytes] & 0xC0) == 0x80)
            bytes--;
        memcpy(shown, text, bytes);
        strncpy(shown + bytes, text[bytes] ? "..." : "", 4);
        if (text_width(c, shown) <= room || bytes == 0)
            break;
        bytes--;
    } while (true);
    put_text(c, x, y, 0, shown);
}

static double at_x(const canvas *c, double x) {
    return c->left + (x - c->low_x) / (c->high_x - c->low_x) * (c->right - c->left);
}

static double at_y(const canvas *c, double y) {
    return c->bottom - (y - c->low_y) / (c->high_y - c->low_y) * (c->bottom - c->top);
}

/* ---- frame ----------------------------------------------------------------------------------- */

/* Step between ticks: 1, 2 or 5 times a power of ten. */
static double tick_step(double span) {
    double step = pow(10, floor(log10(span / TICKS_ABOUT)));
    while (span / step > TICKS_ABOUT * 1.5)
        step *= fmod(log10(step) + 30, 1) > 0.25 && fmod(log10(step) + 30, 1) < 0.35 ? 2.5 : 2;
    return step;
}

static void draw_ticks(canvas *c) {
    char number[32];
    double step = tick_step(c->high_x - c->low_x);
    cairo_set_font_size(c->cr, 11);
    for (double x = ceil(c->low_x / step) * step; x <= c->high_x + step * 1e-6; x += step) {
        snprintf(number, sizeof number, "%.4g", fabs(x) < step * 1e-6 ? 0 : x);
        ink(c, 0x000000, 0.08);
        cairo_move_to(c->cr, at_x(c, x), c->top);
        cairo_line_to(c->cr, at_x(c, x), c->bottom);
        cairo_stroke(c->cr);
        ink(c, 0x444444, 1);
        put_text(c, at_x(c, x), c->bottom + 15, 0.5, number);
    }
    step = tick_step(c->high_y - c->low_y);
    if (c->what->whole_y && step < 1)
        step = 1;
    for (double y = ceil(c->low_y / step) * step; y <= c->high_y + step * 1e-6; y += step) {
        snprintf(number, sizeof number, "%.4g", fabs(y) < step * 1e-6 ? 0 : y);
        ink(c, 0x000000, 0.08);
        cairo_move_to(c->cr, c->left, at_y(c, y));
        cairo_line_to(c->cr, c->right, at_y(c, y));
        cairo_stroke(c->cr);
        ink(c, 0x444444, 1);
        put_text(c, c->left - 6, at_y(c, y) + 4, 1, number);
    }
}

static void draw_frame(canvas *c) {
    const picture *p = c->what;
    ink(c, 0xFFFFFF, 1);
    cairo_paint(c->cr);
    cairo_set_line_width(c->cr, 1);
    if (p->ticks)
        draw_ticks(c);
    ink(c, 0x222222, 1);
    cairo_set_font_size(c->cr, 17);
    put_fitting(c, MARGIN, 30, c->width - 2 * MARGIN, p->title);
    ink(c, 0x555555, 1);
    cairo_set_font_size(c->cr, 12);
    put_fitting(c, MARGIN, 49, c->width - 2 * MARGIN, p->caption);
    cairo_set_font_size(c->cr, 12);
    put_text(c, (c->left + c->right) / 2, c->height - 10, 0.5, p->x_label);
    cairo_save(c->cr);
    cairo_translate(c->cr, 15, (c->top + c->bottom) / 2);
    cairo_rotate(c->cr, -1.5707963267948966);
    put_text(c, 0, 0, 0.5, p->y_label);
    cairo_restore(c->cr);
    ink(c, 0x000000, 0.25);
    cairo_rectangle(c->cr, c->left, c->top, c->right - c->left, c->bottom - c->top);
    cairo_stroke(c->cr);
}

static void draw_legend(canvas *c) {
    const labels *all = c->what->classes;
    double y = c->top + 8;
    const size_t shown = all->classes > LEGEND_MOST ? LEGEND_MOST - 1 : all->classes;
    cairo_set_font_size(c->cr, 11);
    for (size_t label = 0; label < shown; label++, y += 18) {
        ink(c, class_colour(label), 1);
        cairo_arc(c->cr, c->right + 18, y, 4.5, 0, 6.2831853);
        cairo_fill(c->cr);
        ink(c, 0x333333, 1);
        put_fitting(c, c->right + 28, y + 4, c->width - c->right - 34, all->names[label]);
    }
    if (shown < all->classes) {
        char rest[64];
        snprintf(rest, sizeof rest, "and %zu more", all->classes - shown);
        ink(c, 0x777777, 1);
        put_text(c, c->right + 28, y + 4, 0, rest);
    }
}

/* ---- content --------------------------------------------------------------------------------- */

static void find_limits(canvas *c) {
    const picture *p = c->what;
    c->low_x = c->low_y = INFINITY;
    c->high_x = c->high_y = -INFINITY;
    for (size_t i = 0; i < p->count; i++) {
        c->low_x = fmin(c->low_x, (double)p->points[2 * i]);
        c->high_x = fmax(c->high_x, (double)p->points[2 * i]);
        c->low_y = fmin(c->low_y, (double)p->points[2 * i + 1]);
        c->high_y = fmax(c->high_y, (double)p->points[2 * i + 1]);
    }
    for (size_t i = 0; i < p->bar_count; i++)
        c->high_y = fmax(c->high_y, (double)p->bars[i]);
    if (p->bar_count) {
        c->low_x = p->bar_first;
        c->high_x = p->bar_first + p->bar_width * (double)p->bar_count;
        c->low_y = 0;
        c->high_y *= 1.06;
        return;
    }
    double pad_x = fmax((c->high_x - c->low_x) * 0.06, 1e-9);
    double pad_y = fmax((c->high_y - c->low_y) * 0.06, 1e-9);
    c->low_x -= pad_x, c->high_x += pad_x;
    c->low_y -= pad_y, c->high_y += pad_y;
    if (p->square) {
        double unit = fmax((c->high_x - c->low_x) / (c->right - c->left),
                           (c->high_y - c->low_y) / (c->bottom - c->top));
        double grow_x = unit * (c->right - c->left) - (c->high_x - c->low_x);
        double grow_y = unit * (c->bottom - c->top) - (c->high_y - c->low_y);
        c->low_x -= grow_x / 2, c->high_x += grow_x / 2;
        c->low_y -= grow_y / 2, c->high_y += grow_y / 2;
    }
}

static void draw_bars(canvas *c) {
    const picture *p = c->what;
    ink(c, class_colour(0), p->bars_as_line ? 1 : 0.85);
    for (size_t i = 0; i < p->bar_count; i++) {
        double x = p->bar_first + p->bar_width * (double)i;
        if (p->bars_as_line) {
            cairo_line_to(c->cr, at_x(c, x + p->bar_width / 2), at_y(c, (double)p->bars[i]));
        } else {
            cairo_rectangle(c->cr, at_x(c, x) + 0.5, at_y(c, (double)p->bars[i]),
                            fmax(at_x(c, x + p->bar_width) - at_x(c, x) - 1, 1),
                            c->bottom - at_y(c, (double)p->bars[i]));
        }
    }
    if (p->bars_as_line) {
        cairo_set_line_width(c->cr, 2);
        cairo_stroke(c->cr);
    } else {
        cairo_fill(c->cr);
    }
}

static void draw_points(canvas *c) {
    const picture *p = c->what;
    const size_t classes = p->classes ? p->classes->classes : 1;
    const double radius = fmax(1.6, fmin(4.5, 160 / sqrt((double)p->count)));
    for (size_t label = 0; label < classes; label++) {
        ink(c, class_colour(label), p->count > 500 ? 0.7 : 0.9);
        for (size_t i = 0; i < p->count; i++) {
            if (p->classes && p->classes->of[i] != label)
                continue;
            cairo_arc(c->cr, at_x(c, (double)p->points[2 * i]),
                      at_y(c, (double)p->points[2 * i + 1]), radius, 0, 6.2831853);
            cairo_fill(c->cr);
        }
    }
}

static void draw_arrows(canvas *c) {
    const picture *p = c->what;
    ink(c, 0x444444, 0.75);
    cairo_set_line_width(c->cr, 1.6);
    for (size_t i = 0; i < p->arrow_count; i++) {
        const float *a = p->points + 2 * p->arrows[i][0], *b = p->points + 2 * p->arrows[i][1];
        double x = at_x(c, (double)b[0]), y = at_y(c, (double)b[1]);
        double from_x = at_x(c, (double)a[0]), from_y = at_y(c, (double)a[1]);
        double angle = atan2(y - from_y, x - from_x);
        x -= 8 * cos(angle), y -= 8 * sin(angle);
        cairo_move_to(c->cr, from_x, from_y);
        cairo_line_to(c->cr, x, y);
        for (int side = -1; side <= 1; side += 2) {
            cairo_move_to(c->cr, x, y);
            cairo_line_to(c->cr, x - 9 * cos(angle + side * 0.4), y - 9 * sin(angle + side * 0.4));
        }
        cairo_stroke(c->cr);
    }
}

static bool apart(const rectangle *a, const rectangle *b) {
    return a->x + a->width < b->x || b->x + b->width < a->x || a->y + a->height < b->y ||
           b->y + b->height < a->y;
}

static bool is_free(const canvas *c, const rectangle *here, const rectangle *taken, size_t placed) {
    if (here->x <= c->left || here->x + here->width >= c->right)
        return false;
    for (size_t t = 0; t < placed; t++)
        if (!apart(here, &taken[t]))
            return false;
    return true;
}

static size_t points_under(const canvas *c, size_t own, const rectangle *here) {
    const picture *p = c->what;
    size_t count = 0;
    for (size_t i = 0; i < p->count; i++) {
        const rectangle point = {at_x(c, (double)p->points[2 * i]) - 3,
                                 at_y(c, (double)p->points[2 * i + 1]) - 3, 6, 6};
        count += i != own && !apart(here, &point);
    }
    return count;
}

/* Arrows of the point that leave or reach it on that side: 1 right, -1 left. */
static size_t arrows_at(const canvas *c, size_t i, double side) {
    const picture *p = c->what;
    size_t count = 0;
    for (size_t a = 0; a < p->arrow_count; a++) {
        const size_t from = p->arrows[a][0], to = p->arrows[a][1];
        if (from == i || to == i)
            count += side * (double)(p->points[2 * (from == i ? to : from)] - p->points[2 * i]) > 0;
    }
    return count;
}

/* Beside the point, on the side where the name covers fewer others: here->x; false where none is free. */
static bool place_name(const canvas *c, size_t i, const rectangle *taken, size_t placed,
                       rectangle *here) {
    const double x = at_x(c, (double)c->what->points[2 * i]);
    rectangle right = *here, left = *here;
    right.x = x + 7;
    left.x = x - 7 - here->width;
    const bool may_right = is_free(c, &right, taken, placed);
    const bool may_left = is_free(c, &left, taken, placed);
    if (!may_right && !may_left)
        return false;
    const size_t under = may_right ? points_under(c, i, &right) + arrows_at(c, i, 1) : SIZE_MAX;
    const bool other =
        may_left && under > 0 && points_under(c, i, &left) + arrows_at(c, i, -1) < under;
    here->x = other ? left.x : right.x;
    return true;
}

static void draw_names(canvas *c) {
    const picture *p = c->what;
    size_t placed = 0;
    rectangle *taken = malloc((p->names_most + 1) * sizeof *taken);
    if (taken == NULL)
        return; /* a picture without names is a picture */
    cairo_set_font_size(c->cr, p->count > 200 ? 10 : 12);
    for (size_t step = 0; step < p->count && placed < p->names_most; step++) {
        size_t i = p->count > 200 ? step * 7919 % p->count : step; /* from all over the picture */
        char shown[64];
        if (p->names[i] == NULL)
            continue;
        size_t bytes = strlen(p->names[i]) < 40 ? strlen(p->names[i]) : 40;
        while (bytes > 0 && ((unsigned char)p->names[i][bytes] & 0xC0) == 0x80)
            bytes--;
        snprintf(shown, sizeof shown, "%.*s%s", (int)bytes, p->names[i],
                 p->names[i][bytes] ? "..." : "");
        rectangle here = {0, at_y(c, (double)p->points[2 * i + 1]) - 8, text_width(c, shown), 13};
        if (!place_name(c, i, taken, placed, &here))
            continue;
        ink(c, 0x222222, 1);
        put_text(c, here.x, here.y + 11, 0, shown);
        taken[placed++] = here;
    }
    free(taken);
}

/* ---- files ----------------------------------------------------------------------------------- */

static cairo_status_t pass_bytes(void *closure, const unsigned char *data, unsigned length) {
    vecna_error ignored;
    return vecna_outfile_write(closure, data, length, &ignored) == VECNA_OK
               ? CAIRO_STATUS_SUCCESS
               : CAIRO_STATUS_WRITE_ERROR;
}

static cairo_surface_t *new_surface(const char *path, vecna_outfile *file, size_t width,
                                    size_t height) {
    const char *dot = strrchr(path, '.');
    if (dot && strcmp(dot, ".pdf") == 0)
        return cairo_pdf_surface_create_for_stream(pass_bytes, file, (double)width, (double)height);
    if (dot && strcmp(dot, ".png") == 0)
        return cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)width, (int)height);
    return cairo_svg_surface_create_for_stream(pass_bytes, file, (double)width, (double)height);
}

static void draw_all(canvas *c) {
    const picture *p = c->what;
    c->left = p->ticks ? 76 : 30;
    c->top = 64;
    c->right = c->width - (p->classes ? 190 : MARGIN);
    c->bottom = c->height - (p->ticks ? 46 : 30);
    cairo_select_font_face(c->cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    find_limits(c);
    draw_frame(c);
    if (p->bar_count)
        draw_bars(c);
    draw_arrows(c);
    draw_points(c);
    if (p->names)
        draw_names(c);
    if (p->classes)
        draw_legend(c);
}

vecna_status draw_picture(const picture *what, const char *path, size_t width, size_t height,
                          vecna_error *err) {
    canvas c = {.what = what, .width = (double)width, .height = (double)height};
    vecna_outfile *file = NULL;
    const char *dot = strrchr(path, '.');
    cairo_surface_t *surface;
    cairo_status_t drawn;
    vecna_status status = vecna_outfile_open(path, NULL, &file, err);
    if (status != VECNA_OK)
        return status;
    surface = new_surface(path, file, width, height);
    c.cr = cairo_create(surface);
    draw_all(&c);
    drawn = cairo_status(c.cr);
    cairo_destroy(c.cr);
    if (drawn == CAIRO_STATUS_SUCCESS && dot && strcmp(dot, ".png") == 0)
        drawn = cairo_surface_write_to_png_stream(surface, pass_bytes, file);
    cairo_surface_finish(surface);
    if (drawn == CAIRO_STATUS_SUCCESS)
        drawn = cairo_surface_status(surface);
    cairo_surface_destroy(surface);
    if (drawn == CAIRO_STATUS_SUCCESS)
        return vecna_outfile_commit(file, err);
    vecna_outfile_discard(file);
    return vecna_error_set(err, VECNA_ERR_LIBRARY, -1, "cannot draw %s: %s", path,
                           cairo_status_to_string(drawn));
}
