/* A judgement file is small beside a corpus (a line a judged pair), so it is copied once and cut up
 * in place: every id is a pointer into that copy. Look-ups go from the corpus to the file, never
 * the other way: the hash table holds the file's distinct ids and the corpus walks past it, so ten
 * million rows cost ten million look-ups and no memory.
 *
 * Departure from trec_eval: an identical line that stands twice is kept once (files get
 * concatenated), where trec_eval refuses; two different grades for one pair are refused here too.
 */
#include "eval/eval_impl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct vecna_qrels {
    char *text; /* the file, cut into NUL-terminated ids; in the same block */
    vecna_qrel *entries;
    size_t count;
    size_t repeats;
    vecna_allocator allocator;
    int has_allocator;
};

static const vecna_allocator *allocator_of(const vecna_qrels *qrels) {
    return qrels->has_allocator ? &qrels->allocator : NULL;
}

/* ---- a hash table of entry numbers ----------------------------------------------------------- */

#define EMPTY SIZE_MAX

typedef struct id_table {
    size_t *slots; /* numbers of entries, EMPTY where free */
    size_t mask;
} id_table;

/* FNV-1a with a finish that spreads the high bits. */
static uint64_t hash_text(uint64_t hash, const char *text) {
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001B3);
    hash ^= hash >> 32;
    return hash * UINT64_C(0x9E3779B97F4A7C15);
}

#define HASH_START UINT64_C(0xCBF29CE484222325)

static int table_new(id_table *table, size_t count, const vecna_allocator *allocator) {
    size_t size = 16;
    while (size / 2 < count) {
        if (size > SIZE_MAX / 4)
            return 0;
        size *= 2;
    }
    table->slots = vecna_allocate(allocator, size, sizeof *table->slots);
    if (table->slots == NULL)
        return 0;
    table->mask = size - 1;
    for (size_t i = 0; i < size; i++)
        table->slots[i] = EMPTY;
    return 1;
}

/* ---- parsing --------------------------------------------------------------------------------- */

typedef enum layout { LAYOUT_UNKNOWN, LAYOUT_TREC, LAYOUT_BEIR } layout;

typedef struct parser {
    const char *name;
    size_t line;
    layout layout;
    vecna_qrels *qrels;
    vecna_error *err;
} parser;

static int is_blank(char c) {
    return c == ' ' || c == '\t';
}

static vecna_status line_error(const parser *at, const char *what) {
    return vecna_error_set(at->err, VECNA_ERR_FORMAT, (int64_t)at->line, "%s, line %zu: %s",
                           at->name, at->line, what);
}

/* A whole number of 32 bits, sign allowed, nothing behind it. */
static int parse_grade(const char *text, int32_t *grade) {
    int64_t value = 0;
    int negative = *text == '-';
    if (*text == '-' || *text == '+')
        text++;
    if (*text == '\0')
        return 0;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return 0;
        value = value * 10 + (*text - '0');
        if (value > (int64_t)INT32_MAX + negative)
            return 0;
    }
    *grade = (int32_t)(negative ? -value : value);
    return 1;
}

/* Cut [text, end) at blanks; *end is writable. Returns how many fields, counting on past `room`. */
static size_t split_blanks(char *text, char *end, char **fields, size_t room) {
    size_t count = 0;
    *end = '\0';
    for (;;) {
        while (is_blank(*text))
            text++;
        if (*text == '\0')
            return count;
        if (count < room)
            fields[count] = text;
        count++;
        while (*text && !is_blank(*text))
            text++;
        if (*text)
            *text++ = '\0';
    }
}

/* Cut at tabs, blanks trimmed from both ends of a field, which may be empty. */
static size_t split_tabs(char *text, char *end, char **fields, size_t room) {
    size_t count = 0;
    for (;;) {
        char *tab = memchr(text, '\t', (size_t)(end - text));
        char *stop = tab ? tab : end;
        while (text < stop && *text == ' ')
            text++;
        while (stop > text && stop[-1] == ' ')
            stop--;
        *stop = '\0';
        if (count < room)
            fields[count] = text;
        count++;
        if (tab == NULL)
            return count;
        text = tab + 1;
    }
}

static size_t count_tabs(const char *text, const char *end) {
    size_t tabs = 0;
    for (; text < end; text++)
        tabs += *text == '\t';
    return tabs;
}

static vecna_status add_judgement(parser *at, char *query, char *doc, const char *grade_text) {
    vecna_qrel *entry = &at->qrels->entries[at->qrels->count];
    int32_t grade;
    if (*query == '\0' || *doc == '\0')
        return line_error(at, *query ? "the document id is empty" : "the query id is empty");
    if (!parse_grade(grade_text, &grade))
        return vecna_error_set(at->err, VECNA_ERR_FORMAT, (int64_t)at->line,
                               "%s, line %zu: the grade \"%.40s\" is not a whole number of 32 bits",
                               at->name, at->line, grade_text);
    entry->query = query;
    entry->doc = doc;
    entry->grade = grade;
    entry->line = at->line;
    at->qrels->count++;
    return VECNA_OK;
}

/* The first line decides the layout, and may be BEIR's line of names. */
static vecna_status parse_line(parser *at, char *begin, char *end) {
    char *fields[4];
    size_t count;
    int first = at->layout == LAYOUT_UNKNOWN;

    if (first)
        at->layout = count_tabs(begin, end) == 2 ? LAYOUT_BEIR : LAYOUT_TREC;
    if (at->layout == LAYOUT_BEIR) {
        int32_t ignored;
        count = split_tabs(begin, end, fields, 3);
        if (count != 3)
            return vecna_error_set(at->err, VECNA_ERR_FORMAT, (int64_t)at->line,
                                   "%s, line %zu: %zu fields between tabs where query id, document "
                                   "id and grade make 3",
                                   at->name, at->line, count);
        if (first && !parse_grade(fields[2], &ignored))
            return VECNA_OK;
        return add_judgement(at, fields[0], fields[1], fields[2]);
    }
    count = split_blanks(begin, end, fields, 4);
    if (count != 4)
        return vecna_error_set(at->err, VECNA_ERR_FORMAT, (int64_t)at->line,
                               "%s, line %zu: %zu fields; a line is \"query iteration document "
                               "grade\" (TREC) or three fields between tabs (BEIR)",
                               at->name, at->line, count);
    return add_judgement(at, fields[0], fields[2], fields[3]);
}

static vecna_status parse_lines(parser *at, char *text, size_t bytes) {
    char *end = text + bytes;
    if (bytes >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
        text += 3;
    while (text < end) {
        char *newline = memchr(text, '\n', (size_t)(end - text));
        char *stop = newline ? newline : end;
        char *next = newline ? newline + 1 : end;
        vecna_status status = VECNA_OK;
        char *seen = text;
        at->line++;
        if (memchr(text, '\0', (size_t)(stop - text)))
            return line_error(at, "holds a NUL byte; this is not a text file of judgements");
        if (stop > text && stop[-1] == '\r')
            stop--;
        while (seen < stop && is_blank(*seen))
            seen++;
        if (seen < stop)
            status = parse_line(at, text, stop);
        if (status != VECNA_OK)
            return status;
        text = next;
    }
    if (at->qrels->count == 0)
        return vecna_error_set(at->err, VECNA_ERR_FORMAT, (int64_t)at->line,
                               "%s holds no judgement; a line is \"query iteration document "
                               "grade\" (TREC) or three fields between tabs (BEIR)",
                               at->name);
    return VECNA_OK;
}

/* Keep the first of equal judgements; refuse two grades for one pair. */
static vecna_status drop_repeats(parser *at) {
    vecna_qrels *qrels = at->qrels;
    const vecna_allocator *allocator = allocator_of(qrels);
    vecna_status status = VECNA_OK;
    size_t kept = 0;
    id_table table;

    if (!table_new(&table, qrels->count, allocator))
        return vecna_error_set(at->err, VECNA_ERR_MEMORY, -1, "no memory for %zu judgements",
                               qrels->count);
    for (size_t i = 0; i < qrels->count; i++) {
        vecna_qrel one = qrels->entries[i];
        uint64_t hash = hash_text(hash_text(HASH_START, one.query), one.doc);
        size_t slot = (size_t)hash & table.mask;
        const vecna_qrel *old = NULL;
        for (; table.slots[slot] != EMPTY; slot = (slot + 1) & table.mask) {
            old = &qrels->entries[table.slots[slot]];
            if (strcmp(old->query, one.query) == 0 && strcmp(old->doc, one.doc) == 0)
                break;
            old = NULL;
        }
        if (old && old->grade != one.grade) {
            status = vecna_error_set(at->err, VECNA_ERR_FORMAT, (int64_t)one.line,
                                     "%s, line %zu: query \"%.40s\" gives document \"%.40s\" the "
                                     "grade %" PRId32 ", but line %zu gave it %" PRId32,
                                     at->name, one.line, one.query, one.doc, one.grade, old->line,
                                     old->grade);
            break;
        }
        if (old) {
            qrels->repeats++;
            continue;
        }
        table.slots[slot] = kept;
        qrels->entries[kept++] = one;
    }
    qrels->count = kept;
    vecna_release(allocator, table.slots);
    return status;
}

vecna_status vecna_qrels_parse(const void *data, size_t bytes, const char *name,
                               const vecna_allocator *allocator, vecna_qrels **out,
                               vecna_error *err) {
    vecna_qrels *qrels = NULL;
    parser at = {name ? name : "qrels", 0, LAYOUT_UNKNOWN, NULL, err};
    size_t lines = 1, block;
    vecna_status status;

    for (size_t i = 0; i < bytes; i++)
        lines += ((const char *)data)[i] == '\n';
    if (!vecna_size_add(sizeof *qrels + 1, bytes, &block))
        return vecna_error_set(err, VECNA_ERR_OVERFLOW, -1, "%s: %zu bytes are too many", at.name,
                               bytes);
    qrels = vecna_allocate_zero(allocator, block, 1);
    if (qrels == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "%s: no memory for %zu bytes", at.name,
                               bytes);
    if (allocator) {
        qrels->allocator = *allocator;
        qrels->has_allocator = 1;
    }
    qrels->text = (char *)(qrels + 1);
    if (bytes)
        memcpy(qrels->text, data, bytes);
    qrels->entries = vecna_allocate(allocator, lines, sizeof *qrels->entries);
    if (qrels->entries == NULL) {
        status = vecna_error_set(err, VECNA_ERR_MEMORY, -1, "%s: no memory for %zu judgements",
                                 at.name, lines);
        goto fail;
    }
    at.qrels = qrels;
    status = parse_lines(&at, qrels->text, bytes);
    if (status == VECNA_OK)
        status = drop_repeats(&at);
    if (status != VECNA_OK)
        goto fail;
    *out = qrels;
    return VECNA_OK;
fail:
    vecna_qrels_free(qrels);
    return status;
}

void vecna_qrels_free(vecna_qrels *qrels) {
    vecna_allocator allocator;
    const vecna_allocator *used;
    if (qrels == NULL)
        return;
    allocator = qrels->allocator; /* goes with the block */
    used = qrels->has_allocator ? &allocator : NULL;
    vecna_release(used, qrels->entries);
    vecna_release(used, qrels);
}

size_t vecna_qrels_count(const vecna_qrels *qrels) {
    return qrels->count;
}

size_t vecna_qrels_repeats(const vecna_qrels *qrels) {
    return qrels->repeats;
}

vecna_qrel vecna_qrels_at(const vecna_qrels *qrels, size_t index) {
    return qrels->entries[index];
}

/* ---- from ids to rows ------------------------------------------------------------------------ */

/* Which id of a judgement is meant. */
typedef enum side { SIDE_QUERY, SIDE_DOC } side;

static const char *id_of(const vecna_qrel *entry, side which) {
    return which == SIDE_QUERY ? entry->query : entry->doc;
}

/* "17" is row 17 of 18; -1 for anything else. */
static int64_t row_of_number(const char *text, size_t rows) {
    uint64_t value = 0;
    if (*text == '\0' || (text[0] == '0' && text[1] != '\0'))
        return -1;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || value > (UINT64_MAX - 9) / 10)
            return -1;
        value = value * 10 + (uint64_t)(*text - '0');
    }
    return value < rows ? (int64_t)value : -1;
}

/* Entries whose id is the same share the slot of the first of them. */
static size_t find_slot(const id_table *table, const vecna_qrels *qrels, side which,
                        const char *text) {
    size_t slot = (size_t)hash_text(HASH_START, text) & table->mask;
    while (table->slots[slot] != EMPTY &&
           strcmp(id_of(&qrels->entries[table->slots[slot]], which), text) != 0)
        slot = (slot + 1) & table->mask;
    return slot;
}

/* rows[entry] = the row of its id, -1 where no row has it. */
static vecna_status resolve_side(const vecna_qrels *qrels, side which, vecna_ids ids,
                                 const vecna_allocator *allocator, int64_t *rows,
                                 vecna_error *err) {
    vecna_status status = VECNA_OK;
    id_table table;
    if (ids.texts == NULL) {
        for (size_t i = 0; i < qrels->count; i++)
            rows[i] = row_of_number(id_of(&qrels->entries[i], which), ids.count);
        return VECNA_OK;
    }
    if (!table_new(&table, qrels->count, allocator))
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to look up %zu judgements",
                               qrels->count);
    for (size_t i = 0; i < qrels->count; i++) {
        size_t slot = find_slot(&table, qrels, which, id_of(&qrels->entries[i], which));
        if (table.slots[slot] == EMPTY)
            table.slots[slot] = i;
        rows[i] = -1;
    }
    for (size_t row = 0; row < ids.count; row++) {
        size_t first;
        if (ids.texts[row] == NULL)
            continue;
        first = table.slots[find_slot(&table, qrels, which, ids.texts[row])];
        if (first == EMPTY)
            continue;
        if (rows[first] >= 0) {
            status = vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)row,
                                     "the %s id \"%.60s\" stands at rows %" PRId64
                                     " and %zu; judgements by id need ids that differ",
                                     which == SIDE_QUERY ? "query" : "document", ids.texts[row],
                                     rows[first], row);
            break;
        }
        rows[first] = (int64_t)row;
    }
    for (size_t i = 0; i < qrels->count; i++) {
        size_t slot = find_slot(&table, qrels, which, id_of(&qrels->entries[i], which));
        rows[i] = rows[table.slots[slot]];
    }
    vecna_release(allocator, table.slots);
    return status;
}

static const char *first_id(vecna_ids ids) {
    for (size_t row = 0; ids.texts && row < ids.count; row++)
        if (ids.texts[row])
            return ids.texts[row];
    return ids.texts ? "(none)" : "0";
}

/* Entries with both ends known become judgements; the others are counted. */
static vecna_status match_entries(const vecna_qrels *qrels, const int64_t *query_rows,
                                  const int64_t *doc_rows, vecna_judgement *entries,
                                  vecna_qrels_match *match) {
    for (size_t i = 0; i < qrels->count; i++) {
        vecna_judgement *entry;
        if (query_rows[i] < 0) {
            if (match->unknown_queries++ == 0)
                match->unknown_query = qrels->entries[i].query;
            continue;
        }
        if (doc_rows[i] < 0 && match->unknown_docs++ == 0)
            match->unknown_doc = qrels->entries[i].doc;
        entry = &entries[match->used++];
        entry->query = (size_t)query_rows[i];
        entry->doc = doc_rows[i] < 0 ? VECNA_DOC_OUTSIDE : doc_rows[i];
        entry->grade = qrels->entries[i].grade;
    }
    return match->used > match->unknown_docs ? VECNA_OK : VECNA_ERR_NOT_FOUND;
}

vecna_status vecna_qrels_resolve(const vecna_qrels *qrels, vecna_ids queries, vecna_ids docs,
                                 const vecna_allocator *allocator, vecna_judgements **out,
                                 vecna_qrels_match *match, vecna_error *err) {
    vecna_qrels_match found = {0, 0, 0, NULL, NULL};
    int64_t *query_rows = vecna_allocate(allocator, qrels->count, sizeof *query_rows);
    int64_t *doc_rows = vecna_allocate(allocator, qrels->count, sizeof *doc_rows);
    vecna_judgement *entries = vecna_allocate(allocator, qrels->count, sizeof *entries);
    vecna_status status;

    if (!query_rows || !doc_rows || !entries) {
        status = vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to look up %zu judgements",
                                 qrels->count);
        goto done;
    }
    status = resolve_side(qrels, SIDE_QUERY, queries, allocator, query_rows, err);
    if (status == VECNA_OK)
        status = resolve_side(qrels, SIDE_DOC, docs, allocator, doc_rows, err);
    if (status != VECNA_OK)
        goto done;
    status = match_entries(qrels, query_rows, doc_rows, entries, &found);
    if (status != VECNA_OK && found.used == 0)
        vecna_error_set(err, status, -1,
                        "none of the judged queries (the first is \"%.50s\") is among the queries' "
                        "ids (the first is \"%.50s\")",
                        qrels->entries[0].query, first_id(queries));
    else if (status != VECNA_OK)
        vecna_error_set(err, status, -1,
                        "none of the judged documents (the first is \"%.50s\") is among the "
                        "corpus' ids (the first is \"%.50s\")",
                        found.unknown_doc, first_id(docs));
    if (status != VECNA_OK)
        goto done;
    status =
        vecna_judgements_new(entries, found.used, queries.count, docs.count, allocator, out, err);
    if (status == VECNA_OK && match)
        *match = found;
done:
    vecna_release(allocator, entries);
    vecna_release(allocator, doc_rows);
    vecna_release(allocator, query_rows);
    return status;
}
