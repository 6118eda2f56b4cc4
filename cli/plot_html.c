/* The interactive page: plot_page.html with the points as JSON inside. One file, nothing loaded from
 * anywhere, so that it can be mailed and kept. */
#include "cli/plot.h"

#include <string.h>

/* The page is part of the command. */
extern const char plot_page[], plot_page_end[];
__asm__(".section .rodata\n"
        ".global plot_page\n"
        "plot_page:\n"
        ".incbin \"cli/plot_page.html\"\n"
        ".global plot_page_end\n"
        "plot_page_end:\n"
        ".byte 0\n"
        ".previous\n");

static const char DATA_MARK[] = "@DATA@";

static void write_axis(vecna_json_writer *json, const char *key, const picture *what, size_t axis) {
    vecna_json_write_key(json, key);
    vecna_json_write_array_begin(json);
    for (size_t i = 0; i < what->count; i++)
        vecna_json_write_f32(json, what->points[2 * i + axis]);
    vecna_json_write_array_end(json);
}

static void write_classes(vecna_json_writer *json, const picture *what) {
    char colour[16];
    vecna_json_write_key(json, "classes");
    vecna_json_write_array_begin(json);
    for (size_t label = 0; label < what->classes->classes; label++) {
        snprintf(colour, sizeof colour, "#%06x", class_colour(label));
        vecna_json_write_object_begin(json);
        vecna_json_write_key(json, "name");
        vecna_json_write_string(json, what->classes->names[label]);
        vecna_json_write_key(json, "rows");
        vecna_json_write_u64(json, what->classes->sizes[label]);
        vecna_json_write_key(json, "colour");
        vecna_json_write_string(json, colour);
        vecna_json_write_object_end(json);
    }
    vecna_json_write_array_end(json);
    vecna_json_write_key(json, "of");
    vecna_json_write_array_begin(json);
    for (size_t i = 0; i < what->count; i++)
        vecna_json_write_u64(json, what->classes->of[i]);
    vecna_json_write_array_end(json);
}

static void write_data(vecna_json_writer *json, const picture *what) {
    vecna_json_write_object_begin(json);
    vecna_json_write_key(json, "title");
    vecna_json_write_string(json, what->title);
    vecna_json_write_key(json, "caption");
    vecna_json_write_string(json, what->caption);
    write_axis(json, "x", what, 0);
    write_axis(json, "y", what, 1);
    vecna_json_write_key(json, "rows");
    vecna_json_write_array_begin(json);
    for (size_t i = 0; i < what->count; i++)
        vecna_json_write_u64(json, what->rows ? what->rows[i] : i);
    vecna_json_write_array_end(json);
    if (what->names) {
        vecna_json_write_key(json, "names");
        vecna_json_write_array_begin(json);
        for (size_t i = 0; i < what->count; i++)
            vecna_json_write_string(json, what->names[i]);
        vecna_json_write_array_end(json);
    }
    if (what->classes)
        write_classes(json, what);
    vecna_json_write_key(json, "arrows");
    vecna_json_write_array_begin(json);
    for (size_t i = 0; i < what->arrow_count; i++) {
        vecna_json_write_array_begin(json);
        vecna_json_write_u64(json, what->arrows[i][0]);
        vecna_json_write_u64(json, what->arrows[i][1]);
        vecna_json_write_array_end(json);
    }
    vecna_json_write_array_end(json);
    vecna_json_write_object_end(json);
}

/* A text may hold "</script>": inside JSON a "<" can be written otherwise. */
static vecna_status pass_safely(vecna_outfile *file, const char *text, size_t bytes,
                                vecna_error *err) {
    vecna_status status = VECNA_OK;
    while (status == VECNA_OK && bytes > 0) {
        const char *angle = memchr(text, '<', bytes);
        size_t plain = angle ? (size_t)(angle - text) : bytes;
        status = vecna_outfile_write(file, text, plain, err);
        if (status == VECNA_OK && angle)
            status = vecna_outfile_write(file, "\\u003c", 6, err);
        text += plain + (angle != NULL);
        bytes -= plain + (angle != NULL);
    }
    return status;
}

vecna_status write_page(const picture *what, const char *path, vecna_error *err) {
    const char *mark = strstr(plot_page, DATA_MARK), *rest = mark + strlen(DATA_MARK);
    vecna_json_writer json;
    vecna_outfile *file = NULL;
    vecna_status status;
    vecna_json_writer_init(&json, 0, NULL);
    write_data(&json, what);
    status = vecna_json_writer_finish(&json, err);
    if (status == VECNA_OK)
        status = vecna_outfile_open(path, NULL, &file, err);
    if (status == VECNA_OK)
        status = vecna_outfile_write(file, plot_page, (size_t)(mark - plot_page), err);
    if (status == VECNA_OK)
        status = pass_safely(file, json.text, json.bytes, err);
    if (status == VECNA_OK)
        status = vecna_outfile_write(file, rest, (size_t)(plot_page_end - rest), err);
    if (status == VECNA_OK)
        status = vecna_outfile_commit(file, err);
    else
        vecna_outfile_discard(file);
    vecna_json_writer_free(&json);
    return status;
}
