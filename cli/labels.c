/* Labels are few and rows are many: each line is looked up in a table of the labels seen so far. */
#include "cli/labels.h"

#include "cli/hash.h"

#include <stdlib.h>
#include <string.h>

typedef struct reading {
    labels *all;
    const char *path, *field;
    uint32_t *slots; /* label + 1, 0 empty */
    size_t slot_count;
    size_t row, capacity;
} reading;

static vecna_status no_memory(const reading *r, vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for the labels of %s",
                           r->path);
}

static void put_in_slots(reading *r, uint32_t label) {
    size_t at = hash_of(r->all->names[label], strlen(r->all->names[label])) & (r->slot_count - 1);
    while (r->slots[at])
        at = (at + 1) & (r->slot_count - 1);
    r->slots[at] = label + 1;
}

/* Room for one more label, in the lists and in the table. */
static vecna_status grow(reading *r, vecna_error *err) {
    labels *all = r->all;
    if (all->classes < r->capacity)
        return VECNA_OK;
    size_t capacity = r->capacity ? r->capacity * 2 : 64;
    char **names = realloc(all->names, capacity * sizeof *names);
    if (names)
        all->names = names;
    size_t *sizes = realloc(all->sizes, capacity * sizeof *sizes);
    if (sizes)
        all->sizes = sizes;
    uint32_t *slots = calloc(capacity * 4, sizeof *slots);
    if (names == NULL || sizes == NULL || slots == NULL) {
        free(slots);
        return no_memory(r, err);
    }
    free(r->slots);
    r->slots = slots;
    r->slot_count = capacity * 4;
    r->capacity = capacity;
    for (size_t label = 0; label < all->classes; label++)
        put_in_slots(r, (uint32_t)label);
    return VECNA_OK;
}

static vecna_status take_label(reading *r, char *name, vecna_error *err) {
    labels *all = r->all;
    size_t at;
    vecna_status status = grow(r, err);
    if (status != VECNA_OK)
        return status;
    for (at = hash_of(name, strlen(name)) & (r->slot_count - 1); r->slots[at];
         at = (at + 1) & (r->slot_count - 1))
        if (strcmp(all->names[r->slots[at] - 1], name) == 0)
            break;
    if (r->slots[at] == 0) {
        all->names[all->classes] = name;
        all->sizes[all->classes] = 0;
        r->slots[at] = (uint32_t)++all->classes;
    }
    all->of[r->row] = r->slots[at] - 1;
    all->sizes[r->slots[at] - 1]++;
    r->row++;
    return VECNA_OK;
}

/* The field of one JSON object, written over the object itself: a value is never longer. */
static vecna_status take_object(reading *r, char *line, size_t bytes, vecna_error *err) {
    vecna_json json;
    vecna_json_token key, value, raw;
    vecna_error inner = {VECNA_OK, -1, ""};
    bool found = false;
    vecna_status status;
    vecna_json_init(&json, line, bytes, 0);
    status = vecna_json_next(&json, &key, &inner);
    while (status == VECNA_OK && !found) {
        status = vecna_json_next(&json, &key, &inner);
        if (status != VECNA_OK || key.kind == VECNA_JSON_OBJECT_END)
            break;
        status = vecna_json_next(&json, &value, &inner);
        found = status == VECNA_OK && vecna_json_is(&key, r->field) &&
                (value.kind == VECNA_JSON_STRING || value.kind == VECNA_JSON_NUMBER);
        if (status == VECNA_OK && !found)
            status = vecna_json_skip(&json, &value, &raw, &inner);
    }
    if (status != VECNA_OK || !found)
        return vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)r->row + 1,
                               "%s, line %zu: %s \"%s\"%s%s", r->path, r->row + 1,
                               status == VECNA_OK ? "no string or number" : "while looking for",
                               r->field, status == VECNA_OK ? "" : ": ", inner.message);
    if (value.kind == VECNA_JSON_STRING) {
        line[vecna_json_unescape(&value, line)] = '\0';
    } else {
        memmove(line, value.text, value.bytes);
        line[value.bytes] = '\0';
    }
    return take_label(r, line, err);
}

static vecna_status take_line(reading *r, char *line, size_t bytes, vecna_error *err) {
    if (bytes > 0 && line[bytes - 1] == '\r')
        bytes--;
    if (bytes > 0 && line[0] == '{')
        return take_object(r, line, bytes, err);
    line[bytes] = '\0';
    return take_label(r, line, err);
}

/* Frequent classes first, equal ones by name: colours and tables do not depend on the order of rows.
 */
static const labels *sorted_by;
static int by_size(const void *a, const void *b) {
    const size_t x = *(const size_t *)a, y = *(const size_t *)b;
    if (sorted_by->sizes[x] != sorted_by->sizes[y])
        return sorted_by->sizes[x] > sorted_by->sizes[y] ? -1 : 1;
    return strcmp(sorted_by->names[x], sorted_by->names[y]);
}

static vecna_status sort_classes(reading *r, vecna_error *err) {
    labels *all = r->all;
    size_t *order = malloc((all->classes + 1) * sizeof *order);
    char **names = malloc((all->classes + 1) * sizeof *names);
    size_t *sizes = malloc((all->classes + 1) * sizeof *sizes);
    uint32_t *place = malloc((all->classes + 1) * sizeof *place);
    vecna_status status = order && names && sizes && place ? VECNA_OK : no_memory(r, err);
    if (status == VECNA_OK) {
        for (size_t i = 0; i < all->classes; i++)
            order[i] = i;
        sorted_by = all;
        qsort(order, all->classes, sizeof *order, by_size);
        for (size_t i = 0; i < all->classes; i++) {
            names[i] = all->names[order[i]];
            sizes[i] = all->sizes[order[i]];
            place[order[i]] = (uint32_t)i;
        }
        for (size_t row = 0; row < all->rows; row++)
            all->of[row] = place[all->of[row]];
        memcpy(all->names, names, all->classes * sizeof *names);
        memcpy(all->sizes, sizes, all->classes * sizeof *sizes);
    }
    free(order);
    free(names);
    free(sizes);
    free(place);
    return status;
}

vecna_status load_labels(const char *path, const char *field, size_t rows, labels *out,
                         vecna_error *err) {
    labels all = {.rows = rows};
    reading r = {.all = &all, .path = path, .field = field};
    size_t bytes = 0, lines = 0;
    char *grown;
    vecna_status status = read_file(path, &all.text, &bytes, err);
    if (status != VECNA_OK)
        return status;
    grown = realloc(all.text, bytes + 1); /* the last line needs its end, too */
    if (grown)
        all.text = grown;
    all.of = calloc(rows + 1, sizeof *all.of);
    if (grown == NULL || all.of == NULL)
        status = no_memory(&r, err);
    for (size_t at = 0; status == VECNA_OK && at < bytes && lines <= rows; lines++) {
        char *end = memchr(all.text + at, '\n', bytes - at);
        size_t length = end ? (size_t)(end - all.text) - at : bytes - at;
        if (lines < rows)
            status = take_line(&r, all.text + at, length, err);
        at += length + 1;
    }
    if (status == VECNA_OK && lines != rows)
        status =
            vecna_error_set(err, VECNA_ERR_DIM, -1,
                            "%s has %s lines than there are rows (%zu); a line is the label of "
                            "a row",
                            path, lines > rows ? "more" : "fewer", rows);
    if (status == VECNA_OK)
        status = sort_classes(&r, err);
    free(r.slots);
    if (status == VECNA_OK)
        *out = all;
    else
        free_labels(&all);
    return status;
}

vecna_status match_labels(const labels *all, char *const *names, size_t classes, uint32_t **of,
                          size_t *unknown, vecna_error *err) {
    uint32_t *place = calloc(all->classes + 1, sizeof *place);
    uint32_t *found = calloc(all->rows + 1, sizeof *found);
    if (place == NULL || found == NULL) {
        free(place);
        free(found);
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for the labels");
    }
    *unknown = 0;
    for (size_t a = 0; a < all->classes; a++) {
        while (place[a] < classes && strcmp(names[place[a]], all->names[a]) != 0)
            place[a]++;
        if (place[a] == classes)
            *unknown += all->sizes[a];
    }
    for (size_t i = 0; i < all->rows; i++)
        found[i] = place[all->of[i]];
    free(place);
    *of = found;
    return VECNA_OK;
}

void free_labels(labels *all) {
    free(all->of);
    free(all->names);
    free(all->sizes);
    free(all->text);
    memset(all, 0, sizeof *all);
}
