/* Files that a command needs as a whole: pairs to fit, a corpus to search. What streams does not
 * come here. Texts are copied into an arena of large pieces: a million ids are not a million
 * allocations. */
#include "cli/cli.h"

#include "cli/hash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_PIECE = 1 << 20 };

typedef struct arena_piece {
    struct arena_piece *before;
    size_t used, size;
    char data[];
} arena_piece;

struct text_arena {
    arena_piece *last;
};

static char *arena_copy(struct text_arena *arena, const char *data, size_t bytes) {
    arena_piece *piece = arena->last;
    char *copy;
    if (piece == NULL || piece->size - piece->used < bytes + 1) {
        size_t size = bytes + 1 > ARENA_PIECE ? bytes + 1 : ARENA_PIECE;
        piece = malloc(sizeof *piece + size);
        if (piece == NULL)
            return NULL;
        piece->before = arena->last;
        piece->used = 0;
        piece->size = size;
        arena->last = piece;
    }
    copy = piece->data + piece->used;
    if (bytes > 0)
        memcpy(copy, data, bytes);
    copy[bytes] = '\0';
    piece->used += bytes + 1;
    return copy;
}

static void arena_free(struct text_arena *arena) {
    if (arena == NULL)
        return;
    while (arena->last) {
        arena_piece *before = arena->last->before;
        free(arena->last);
        arena->last = before;
    }
    free(arena);
}

vecna_format_options format_options(const input_options *input) {
    vecna_format_options options;
    memset(&options, 0, sizeof options);
    options.format = input->format;
    options.dim = input->dim;
    options.id_field = input->id_field;
    options.text_field = input->text_field;
    options.vector_field = input->vector_field;
    options.tensor = input->tensor;
    return options;
}

bool reads_vectors(const input_options *input) {
    return input->format || input->dim || input->id_field || input->text_field ||
           input->vector_field || input->tensor;
}

void unload(loaded *file) {
    free(file->vectors.data);
    free(file->ids);
    free(file->texts);
    free(file->relevant);
    arena_free(file->arena);
    memset(file, 0, sizeof *file);
}

static vecna_status no_memory(const char *path, vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory to hold %s", path);
}

static vecna_status grow(loaded *file, void *array, size_t count, size_t size, vecna_error *err) {
    void **slot = array;
    void *grown = vecna_resize(NULL, *slot, count, size);
    if (grown == NULL)
        return no_memory(file->path, err);
    *slot = grown;
    return VECNA_OK;
}

static vecna_status keep_text(loaded *file, const char *data, size_t bytes, char **slot,
                              vecna_error *err) {
    *slot = NULL;
    if (data == NULL)
        return VECNA_OK;
    *slot = arena_copy(file->arena, data, bytes);
    return *slot ? VECNA_OK : no_memory(file->path, err);
}

vecna_status keep_names(loaded *file, const char *const *texts, char ***out, vecna_error *err) {
    vecna_status status = VECNA_OK;
    if (file->arena == NULL && (file->arena = calloc(1, sizeof *file->arena)) == NULL)
        return no_memory(file->path, err);
    *out = calloc(file->vectors.rows, sizeof **out);
    if (*out == NULL)
        return no_memory(file->path, err);
    for (size_t i = 0; status == VECNA_OK && i < file->vectors.rows; i++)
        status = keep_text(file, texts[i], strlen(texts[i]), &(*out)[i], err);
    return status;
}

/* What is kept of each row. */
typedef struct keep {
    bool vectors, records;
} keep;

/* Room for `rows` rows; doubles, so that a file of unknown length is copied a few times at most. */
static vecna_status reserve(loaded *file, size_t rows, size_t *capacity, keep what,
                            vecna_error *err) {
    size_t wanted = *capacity ? *capacity : 1024;
    vecna_status status = VECNA_OK;
    if (rows <= *capacity)
        return VECNA_OK;
    while (wanted < rows)
        wanted *= 2;
    if (what.vectors)
        status = grow(file, &file->vectors.data, wanted, file->vectors.dim * sizeof(float), err);
    if (status == VECNA_OK && what.records)
        status = grow(file, &file->ids, wanted, sizeof *file->ids, err);
    if (status == VECNA_OK && what.records)
        status = grow(file, &file->texts, wanted, sizeof *file->texts, err);
    if (status == VECNA_OK && what.records)
        status = grow(file, &file->relevant, wanted, sizeof *file->relevant, err);
    if (status == VECNA_OK)
        *capacity = wanted;
    return status;
}

/* Keep what a record says under the names that matter here. */
static vecna_status keep_record(loaded *file, const vecna_record *record, size_t row,
                                vecna_error *err) {
    vecna_status status = keep_text(file, record->id.data, record->id.bytes, &file->ids[row], err);
    if (status == VECNA_OK)
        status = keep_text(file, record->text.data, record->text.bytes, &file->texts[row], err);
    file->relevant[row] = NULL;
    for (size_t i = 0; status == VECNA_OK && i < record->field_count; i++) {
        const vecna_field *field = &record->fields[i];
        if (field->name.bytes == 8 && memcmp(field->name.data, "relevant", 8) == 0)
            status =
                keep_text(file, field->value.data, field->value.bytes, &file->relevant[row], err);
    }
    return status;
}

static vecna_status take_block(loaded *file, const vecna_block *block, size_t *capacity, keep what,
                               vecna_error *err) {
    static const vecna_record none;
    size_t first = file->vectors.rows;
    size_t rows = block->vectors.rows;
    vecna_status status = reserve(file, first + rows, capacity, what, err);
    if (status != VECNA_OK)
        return status;
    for (size_t i = 0; what.vectors && i < rows; i++)
        memcpy(file->vectors.data + (first + i) * file->vectors.dim,
               block->vectors.data + i * block->vectors.stride, file->vectors.dim * sizeof(float));
    for (size_t i = 0; status == VECNA_OK && what.records && i < rows; i++)
        status = keep_record(file, block->records ? &block->records[i] : &none, first + i, err);
    if (status == VECNA_OK)
        file->vectors.rows += rows;
    return status;
}

/* Ids (texts, judgements) that no row has are none at all. */
static void drop_if_absent(char ***texts, size_t rows) {
    for (size_t i = 0; *texts && i < rows; i++)
        if ((*texts)[i])
            return;
    free(*texts);
    *texts = NULL;
}

static void drop_absent(loaded *file) {
    drop_if_absent(&file->ids, file->vectors.rows);
    drop_if_absent(&file->texts, file->vectors.rows);
    drop_if_absent(&file->relevant, file->vectors.rows);
}

vecna_status load_vectors(const char *path, const vecna_format_options *options, loaded *out,
                          vecna_error *err) {
    return load_visiting(path, options, NULL, NULL, out, err);
}

vecna_status load_visiting(const char *path, const vecna_format_options *options,
                           block_visitor *visit, void *user, loaded *out, vecna_error *err) {
    vecna_reader *reader = NULL;
    vecna_block *block = NULL;
    loaded file;
    size_t capacity = 0;
    keep what = {visit == NULL, false};
    vecna_status status;

    memset(&file, 0, sizeof file);
    file.path = path;
    status = vecna_reader_open(path, options, &reader, err);
    if (status == VECNA_OK)
        status = vecna_block_new(NULL, &block, err);
    if (status != VECNA_OK)
        goto fail;
    file.about = *vecna_reader_about(reader);
    file.vectors.dim = file.vectors.stride = file.about.dim;
    what.records = file.about.has_records != 0;
    file.arena = calloc(1, sizeof *file.arena);
    if (file.arena == NULL) {
        status = no_memory(path, err);
        goto fail;
    }
    if (file.about.rows > 0)
        status = reserve(&file, (size_t)file.about.rows, &capacity, what, err);
    while (status == VECNA_OK) {
        status = vecna_reader_read(reader, block, 0, err);
        if (status != VECNA_OK || block->vectors.rows == 0)
            break;
        status = visit ? visit(user, &file, block, err) : VECNA_OK;
        if (status == VECNA_OK)
            status = take_block(&file, block, &capacity, what, err);
    }
    if (status != VECNA_OK)
        goto fail;
    if (file.vectors.rows == 0) {
        status = vecna_error_set(err, VECNA_ERR_FORMAT, -1, "%s holds no vectors", path);
        goto fail;
    }
    drop_absent(&file);
    file.about.id_field = file.about.text_field = file.about.vector_field = NULL;
    file.about.stored_as = NULL;
    file.about.rows = (int64_t)file.vectors.rows;
    *out = file;
    vecna_block_free(block);
    vecna_reader_close(reader);
    return VECNA_OK;

fail:
    vecna_block_free(block);
    vecna_reader_close(reader);
    unload(&file);
    return status;
}

/* ---- texts beside the vectors --------------------------------------------------------------- */

static vecna_status keep_token(loaded *file, const vecna_json_token *token, char **slot,
                               vecna_error *err) {
    char *text;
    if (token->kind != VECNA_JSON_STRING) /* a number as an id stays as it is written */
        return keep_text(file, token->text, token->bytes, slot, err);
    text = arena_copy(file->arena, token->text, token->bytes);
    if (text == NULL)
        return no_memory(file->path, err);
    text[vecna_json_unescape(token, text)] = '\0';
    *slot = text;
    return VECNA_OK;
}

/* A file of texts while its lines are read. */
typedef struct text_lines {
    const char *path;
    const char *id_field, *text_field;
    loaded *file;
    enum { LINES_UNKNOWN, LINES_JSON, LINES_PLAIN } kind;
} text_lines;

static text_lines text_lines_of(const char *path, const vecna_format_options *names, loaded *file) {
    return (text_lines){.path = path,
                        .id_field = names->id_field ? names->id_field : "id",
                        .text_field = names->text_field ? names->text_field : "text",
                        .file = file};
}

/* Id, text and "relevant" of one JSON object; its other members are passed over. */
static vecna_status keep_object(const text_lines *lines, const char *line, size_t bytes, size_t row,
                                vecna_error *err) {
    loaded *file = lines->file;
    vecna_json json;
    vecna_json_token key, value, raw;
    vecna_status status;

    vecna_json_init(&json, line, bytes, 0);
    status = vecna_json_next(&json, &key, err);
    while (status == VECNA_OK) {
        status = vecna_json_next(&json, &key, err);
        if (status != VECNA_OK || key.kind == VECNA_JSON_OBJECT_END)
            break;
        status = vecna_json_next(&json, &value, err);
        if (status == VECNA_OK)
            status = vecna_json_skip(&json, &value, &raw, err);
        if (status != VECNA_OK || value.kind == VECNA_JSON_NULL)
            continue;
        if (vecna_json_is(&key, lines->id_field))
            status = keep_token(file, &value, &file->ids[row], err);
        else if (vecna_json_is(&key, lines->text_field))
            status = keep_token(file, &value, &file->texts[row], err);
        else if (vecna_json_is(&key, "relevant"))
            status = keep_text(file, raw.text, raw.bytes, &file->relevant[row], err);
    }
    return status;
}

/* Texts may begin with a brace too; an object's is followed by a name or the end. */
static bool is_object(const char *line, size_t bytes) {
    size_t at = 1;
    while (at < bytes && (line[at] == ' ' || line[at] == '\t'))
        at++;
    return line[0] == '{' && at < bytes && (line[at] == '"' || line[at] == '}');
}

/* One line of the file, `number` from 1, as the row-th text. */
static vecna_status keep_line(text_lines *lines, const char *line, size_t bytes, size_t number,
                              size_t row, vecna_error *err) {
    vecna_error inner = {VECNA_OK, -1, ""};
    vecna_status status = VECNA_OK;
    if (lines->kind != LINES_JSON)
        status = keep_text(lines->file, line, bytes, &lines->file->texts[row], &inner);
    else if (bytes > 0 && line[0] != '{')
        status = vecna_error_set(&inner, VECNA_ERR_FORMAT, -1,
                                 "not a JSON object, as the lines before it are");
    else if (bytes > 0)
        status = keep_object(lines, line, bytes, row, &inner);
    return status == VECNA_OK
               ? VECNA_OK
               : vecna_error_set(err, inner.status, (int64_t)number, "%s, line %zu: %s",
                                 lines->path, number, inner.message);
}

/* A line without what ends it, which tells what the lines of its file are if that is not known yet. */
static size_t look_at_line(text_lines *lines, const char *line, size_t bytes) {
    if (bytes > 0 && line[bytes - 1] == '\n')
        bytes--;
    if (bytes > 0 && line[bytes - 1] == '\r')
        bytes--;
    if (bytes > 0 && lines->kind == LINES_UNKNOWN)
        lines->kind = is_object(line, bytes) ? LINES_JSON : LINES_PLAIN;
    return bytes;
}

vecna_status read_file(const char *path, char **data, size_t *bytes, vecna_error *err) {
    FILE *file = fopen(path, "rb");
    size_t capacity = 0, used = 0, got = 1;
    char *text = NULL;
    vecna_status status = VECNA_OK;
    if (file == NULL)
        return vecna_error_set(err, VECNA_ERR_IO, -1, "cannot open %s: %s", path, strerror(errno));
    while (got > 0) {
        if (used == capacity) {
            char *grown = vecna_resize(NULL, text, capacity = capacity ? capacity * 2 : 65536, 1);
            if (grown == NULL) {
                status = vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory to hold %s",
                                         path);
                goto fail;
            }
            text = grown;
        }
        got = fread(text + used, 1, capacity - used, file);
        used += got;
    }
    if (ferror(file)) {
        status =
            vecna_error_set(err, VECNA_ERR_IO, -1, "cannot read %s: %s", path, strerror(errno));
        goto fail;
    }
    fclose(file);
    *data = text;
    *bytes = used;
    return VECNA_OK;
fail:
    fclose(file);
    free(text);
    return status;
}

static vecna_status clear_texts(loaded *file, vecna_error *err) {
    size_t rows = file->vectors.rows;
    free(file->ids);
    free(file->texts);
    free(file->relevant);
    file->ids = calloc(rows, sizeof *file->ids);
    file->texts = calloc(rows, sizeof *file->texts);
    file->relevant = calloc(rows, sizeof *file->relevant);
    return file->ids && file->texts && file->relevant ? VECNA_OK : no_memory(file->path, err);
}

vecna_status load_texts(const char *path, const vecna_format_options *names, loaded *into,
                        vecna_error *err) {
    size_t bytes = 0, row = 0;
    size_t rows = into->vectors.rows;
    char *data = NULL;
    text_lines lines = text_lines_of(path, names, into);
    vecna_status status = read_file(path, &data, &bytes, err);

    if (status == VECNA_OK)
        status = clear_texts(into, err);
    for (size_t at = 0; status == VECNA_OK && at < bytes && row <= rows; row++) {
        const char *end = memchr(data + at, '\n', bytes - at);
        size_t length = end ? (size_t)(end - data) - at : bytes - at;
        size_t bare = look_at_line(&lines, data + at, length);
        if (row < rows)
            status = keep_line(&lines, data + at, bare, row + 1, row, err);
        at += length + 1;
    }
    if (status == VECNA_OK && row != rows)
        status = vecna_error_set(err, VECNA_ERR_DIM, -1,
                                 "%s has %s lines than %s has rows (%zu); they go together by line",
                                 path, row > rows ? "more" : "fewer", into->path, rows);
    free(data);
    if (status == VECNA_OK)
        drop_absent(into);
    return status;
}

/* The lines of listed rows, one after another in the order of the file; the others are passed over. */
static vecna_status keep_listed(FILE *file, text_lines *lines, const size_t *rows, size_t count,
                                vecna_error *err) {
    char *line = NULL;
    size_t room = 0, kept = 0;
    vecna_status status = VECNA_OK;
    for (size_t number = 0; kept < count && status == VECNA_OK; number++) {
        ssize_t got = getline(&line, &room, file);
        if (got < 0) {
            status =
                vecna_error_set(err, VECNA_ERR_DIM, -1,
                                "%s has %zu lines, and row %zu was chosen; it must have a line "
                                "for each row of %s",
                                lines->path, number, rows[kept], lines->file->path);
            break;
        }
        const size_t bare = look_at_line(lines, line, (size_t)got);
        if (number != rows[kept])
            continue;
        status = keep_line(lines, line, bare, number + 1, kept, err);
        kept++;
    }
    free(line);
    return status;
}

vecna_status load_texts_of(const char *path, const vecna_format_options *names,
                           const char *vectors_path, const size_t *rows, size_t count, loaded *out,
                           vecna_error *err) {
    loaded file = {.path = vectors_path, .vectors = {NULL, count, 0, 0}};
    text_lines lines = text_lines_of(path, names, &file);
    FILE *opened = fopen(path, "rb");
    vecna_status status;
    if (opened == NULL)
        return vecna_error_set(err, VECNA_ERR_IO, -1, "cannot open %s: %s", path, strerror(errno));
    file.arena = calloc(1, sizeof *file.arena);
    status = file.arena ? clear_texts(&file, err) : no_memory(path, err);
    if (status == VECNA_OK)
        status = keep_listed(opened, &lines, rows, count, err);
    fclose(opened);
    if (status != VECNA_OK) {
        unload(&file);
        return status;
    }
    *out = file;
    return VECNA_OK;
}

/* ---- ids ------------------------------------------------------------------------------------- */

struct id_index {
    size_t slots; /* a power of two, at least twice the rows */
    char *const *ids;
    size_t table[]; /* row + 1, 0 empty */
};

vecna_status id_index_new(char *const *ids, size_t rows, id_index **out, vecna_error *err) {
    size_t slots = 16;
    id_index *index;
    while (slots < rows * 2)
        slots *= 2;
    index = calloc(1, sizeof *index + slots * sizeof *index->table);
    if (index == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for %zu ids", rows);
    index->slots = slots;
    index->ids = ids;
    for (size_t row = 0; row < rows; row++) {
        size_t at;
        if (ids[row] == NULL || id_index_find(index, ids[row]) >= 0)
            continue; /* the first row of an id counts */
        at = hash_of(ids[row], strlen(ids[row])) & (slots - 1);
        while (index->table[at])
            at = (at + 1) & (slots - 1);
        index->table[at] = row + 1;
    }
    *out = index;
    return VECNA_OK;
}

int64_t id_index_find(const id_index *index, const char *id) {
    size_t at = hash_of(id, strlen(id)) & (index->slots - 1);
    for (; index->table[at]; at = (at + 1) & (index->slots - 1))
        if (strcmp(index->ids[index->table[at] - 1], id) == 0)
            return (int64_t)(index->table[at] - 1);
    return -1;
}

void id_index_free(id_index *index) {
    free(index);
}
