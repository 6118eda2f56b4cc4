/* Texts that belong together, out of a file (cli/pairs.h). */
#include "cli/pairs.h"

#include "cli/hash.h"

#include <stdlib.h>
#include <string.h>

void free_pairs_of_texts(text_pairs *pairs) {
    free(pairs->memory);
    free(pairs->starts);
    free(pairs->pair);
    free(pairs->slots);
    memset(pairs, 0, sizeof *pairs);
}

static vecna_status no_room(vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for the texts");
}

/* ---- texts ------------------------------------------------------------------------------------ */

/* Room for one more text: the table of slots is at most half full. */
static int grow_slots(text_pairs *p) {
    const size_t count = p->slot_count ? 2 * p->slot_count : 1024;
    uint32_t *slots = calloc(count, sizeof *slots);
    if (slots == NULL)
        return 0;
    for (size_t i = 0; i < p->texts; i++) {
        size_t at = hash_of(p->memory + p->starts[i], p->starts[i + 1] - p->starts[i]);
        for (at &= count - 1; slots[at]; at = (at + 1) & (count - 1)) {
        }
        slots[at] = (uint32_t)i + 1;
    }
    free(p->slots);
    p->slots = slots;
    p->slot_count = count;
    return 1;
}

static int reserve(void **memory, size_t *room, size_t wanted, size_t size) {
    size_t more = *room ? *room : 1024;
    void *grown;
    if (wanted <= *room)
        return 1;
    while (more < wanted)
        more *= 2;
    grown = vecna_resize(NULL, *memory, more, size);
    if (grown == NULL)
        return 0;
    *memory = grown;
    *room = more;
    return 1;
}

/* The number of a text, which is kept when it is new; NO_TEXT when memory is short. */
static uint32_t number_of(text_pairs *p, const char *text, size_t bytes) {
    void *memory = p->memory, *starts = p->starts;
    int kept;
    size_t at;
    if (2 * (p->texts + 1) > p->slot_count && !grow_slots(p))
        return NO_TEXT;
    at = hash_of(text, bytes) & (p->slot_count - 1);
    for (; p->slots[at]; at = (at + 1) & (p->slot_count - 1)) {
        const size_t i = p->slots[at] - 1, length = p->starts[i + 1] - p->starts[i];
        if (length == bytes && memcmp(p->memory + p->starts[i], text, bytes) == 0)
            return (uint32_t)i;
    }
    kept = reserve(&memory, &p->room, p->bytes + bytes + 1, 1);
    p->memory = memory;
    kept = kept && reserve(&starts, &p->texts_room, p->texts + 2, sizeof *p->starts);
    p->starts = starts;
    if (!kept || p->texts >= NO_TEXT - 1)
        return NO_TEXT;
    p->starts[p->texts] = p->bytes;
    memcpy(p->memory + p->bytes, text, bytes);
    p->bytes += bytes;
    p->starts[p->texts + 1] = p->bytes;
    p->slots[at] = (uint32_t)p->texts + 1;
    return (uint32_t)p->texts++;
}

/* ---- lines ------------------------------------------------------------------------------------ */

typedef struct line_texts {
    const char *text[3];
    size_t bytes[3];
    char *owned; /* room for unescaped strings, as long as the line */
} line_texts;

static vecna_status take_columns(const char *line, size_t bytes, line_texts *out,
                                 vecna_error *err) {
    size_t column = 0;
    const char *at = line, *end = line + bytes;
    for (;; column++) {
        const char *tab = memchr(at, '\t', (size_t)(end - at)), *stop = tab ? tab : end;
        if (column == 3)
            break;
        out->text[column] = at;
        out->bytes[column] = (size_t)(stop - at);
        if (tab == NULL)
            break;
        at = tab + 1;
    }
    if (column == 1 || column == 2)
        return VECNA_OK;
    return vecna_error_set(err, VECNA_ERR_FORMAT, -1,
                           "%s columns: give two texts with a tab between them, and a third that "
                           "does not belong to the first if there is one",
                           column == 0 ? "not enough" : "more than three");
}

static void name_fields(const pair_fields *fields, const char *names[3]) {
    names[0] = fields->anchor ? fields->anchor : "anchor";
    names[1] = fields->positive ? fields->positive : "positive";
    names[2] = fields->negative ? fields->negative : "negative";
}

/* A field is one text of a pair. */
static vecna_status check_names(const pair_fields *fields, vecna_error *err) {
    const char *names[3];
    name_fields(fields, names);
    for (size_t i = 1; i < 3; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(names[i], names[j]) == 0)
                return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                                       "the field \"%s\" is named twice: anchor, positive and "
                                       "negative are three texts",
                                       names[i]);
    return VECNA_OK;
}

static vecna_status take_fields(const char *line, size_t bytes, const pair_fields *fields,
                                line_texts *out, vecna_error *err) {
    const char *names[3];
    vecna_json json;
    vecna_json_token key, value, raw;
    size_t used = 0;
    name_fields(fields, names);
    vecna_json_init(&json, line, bytes, 0);
    vecna_status status = vecna_json_next(&json, &key, err);
    if (status == VECNA_OK && key.kind != VECNA_JSON_OBJECT_BEGIN)
        status = vecna_error_set(err, VECNA_ERR_FORMAT, -1,
                                 "not a JSON object, as the lines before it are");
    while (status == VECNA_OK) {
        status = vecna_json_next(&json, &key, err);
        if (status != VECNA_OK || key.kind == VECNA_JSON_OBJECT_END)
            break;
        status = vecna_json_next(&json, &value, err);
        if (status == VECNA_OK)
            status = vecna_json_skip(&json, &value, &raw, err);
        for (size_t i = 0; i < 3 && status == VECNA_OK; i++) {
            if ((value.kind != VECNA_JSON_STRING && value.kind != VECNA_JSON_NUMBER) ||
                !vecna_json_is(&key, names[i]))
                continue;
            out->text[i] = out->owned + used;
            out->bytes[i] = value.bytes;
            if (value.kind == VECNA_JSON_STRING)
                out->bytes[i] = vecna_json_unescape(&value, out->owned + used);
            else
                memcpy(out->owned + used, value.text, value.bytes);
            used += out->bytes[i];
        }
    }
    if (status == VECNA_OK)
        status = vecna_json_next(&json, &key, err); /* nothing but blanks behind it */
    for (size_t i = 0; i < 2 && status == VECNA_OK; i++)
        if (out->text[i] == NULL)
            status = vecna_error_set(
                err, VECNA_ERR_FORMAT, -1, "no text \"%s\": %s name the fields", names[i],
                fields->options ? fields->options : "--anchor-field and --positive-field");
    return status;
}

static vecna_status keep_pair(text_pairs *p, const line_texts *line, vecna_error *err) {
    uint32_t numbers[3] = {NO_TEXT, NO_TEXT, NO_TEXT};
    void *pair = p->pair;
    int kept;
    for (size_t i = 0; i < 3; i++) {
        if (line->text[i] == NULL || (i == 2 && line->bytes[i] == 0))
            continue;
        if (line->bytes[i] == 0)
            return vecna_error_set(err, VECNA_ERR_VALUE, -1, "an empty text belongs to nothing");
        numbers[i] = number_of(p, line->text[i], line->bytes[i]);
        if (numbers[i] == NO_TEXT)
            return no_room(err);
    }
    kept = reserve(&pair, &p->pairs_room, p->pairs + 1, 3 * sizeof *p->pair);
    p->pair = pair;
    if (!kept)
        return no_room(err);
    memcpy(p->pair + 3 * p->pairs++, numbers, sizeof numbers);
    p->negatives += numbers[2] != NO_TEXT;
    return VECNA_OK;
}

vecna_status read_pairs(const char *path, const pair_fields *fields, text_pairs *out,
                        vecna_error *err) {
    size_t bytes = 0, number = 0;
    char *data = NULL, *room = NULL;
    int json = -1;
    text_pairs pairs = {0};
    vecna_status status = check_names(fields, err);
    status = status ? status : read_file(path, &data, &bytes, err);
    if (status == VECNA_OK && (room = malloc(bytes + 1)) == NULL)
        status = no_room(err);
    for (size_t at = 0; status == VECNA_OK && at < bytes;) {
        const char *line = data + at, *end = memchr(line, '\n', bytes - at);
        size_t length = end ? (size_t)(end - line) : bytes - at;
        line_texts texts = {.owned = room};
        vecna_error inner = {VECNA_OK, -1, ""};
        at += length + 1;
        number++;
        length -= length > 0 && line[length - 1] == '\r';
        if (length == 0)
            continue;
        json = json < 0 ? line[0] == '{' : json;
        status = json ? take_fields(line, length, fields, &texts, &inner)
                      : take_columns(line, length, &texts, &inner);
        if (status == VECNA_OK)
            status = keep_pair(&pairs, &texts, &inner);
        if (status != VECNA_OK)
            vecna_error_set(err, status, (int64_t)number, "%s, line %zu: %s", path, number,
                            inner.message);
    }
    free(room);
    free(data);
    if (status == VECNA_OK && pairs.pairs < 2)
        status = vecna_error_set(err, VECNA_ERR_FORMAT, -1,
                                 "%s holds %zu pairs: each is told from the others, so two are "
                                 "needed, and some thousands to learn much",
                                 path, pairs.pairs);
    if (status != VECNA_OK) {
        free_pairs_of_texts(&pairs);
        return status;
    }
    *out = pairs;
    return VECNA_OK;
}
