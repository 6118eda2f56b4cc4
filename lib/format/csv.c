/* Tables: comma, semicolon, bar or tab between cells, quoted as RFC 4180 has it. The vector is
 * either one cell ("[0.1,0.2]", as pgvector, pandas and NumPy print it) or a run of columns side by
 * side. The first two records tell which, whether the first names the columns, and which columns
 * hold the vector; after that every record must look like them. A record is framed first (the
 * quotes decide whether a newline ends it) and cut into cells afterwards, so that most bytes pass
 * memchr and the parser of numbers and nothing else. */
#include "format/text_impl.h"

#include <stdio.h>

enum { MAX_CELLS = 1 << 21, FIRST_ASK = 1 << 16 };

/* A cell of a record: its bytes as they stand in the input. */
typedef struct cell {
    const char *data; /* without the quotes around */
    size_t bytes;
    int quoted;  /* stood in quotes */
    int doubled; /* holds doubled quotes, to be halved */
} cell;

/* The cells of one record. */
typedef struct cells {
    cell *at;
    size_t count, capacity;
} cells;

typedef struct csv_state {
    char delimiter;
    size_t columns;            /* cells of every record */
    size_t first;              /* of the vector: its first column */
    size_t span;               /* columns of the vector: 1 in brackets, else dim */
    size_t id_at;              /* column of the id, SIZE_MAX none */
    size_t text_at;            /* column of the text, SIZE_MAX none */
    char *names;               /* the header's names, one after the other */
    vecna_text *columns_names; /* columns of them; NULL without a header */
    char *vector_name;         /* what info.vector_field shows */
    uint64_t line;             /* of the next byte, from 1 */
    uint64_t record_line;      /* of the record in `row` */
    cells row;
} csv_state;

/* ---- records --------------------------------------------------------------------------------- */

/* Where the record at the start of the text ends: *used with its newline, *bytes without. 0 when
 * the end is not in sight (then *open tells whether a quote is open). */
static int frame_record(const char *text, size_t available, int at_end, size_t *bytes, size_t *used,
                        int *open) {
    size_t at = 0;
    for (;;) {
        const char *newline = memchr(text + at, '\n', available - at);
        size_t end = newline ? (size_t)(newline - text) : available;
        const char *quote = memchr(text + at, '"', end - at);
        if (quote == NULL) {
            *open = 0;
            if (newline == NULL && !at_end)
                return 0;
            *used = newline ? end + 1 : end;
            *bytes = end > 0 && newline && text[end - 1] == '\r' ? end - 1 : end;
            return 1;
        }
        /* from this quote to the one that closes it; a doubled quote closes and opens again */
        at = (size_t)(quote - text) + 1;
        quote = memchr(text + at, '"', available - at);
        *open = 1;
        if (quote == NULL)
            return 0;
        at = (size_t)(quote - text) + 1;
    }
}

static vecna_status add_cell(cells *row, cell each, const vecna_allocator *allocator,
                             vecna_error *err) {
    if (row->count == row->capacity) {
        size_t capacity = row->capacity ? row->capacity * 2 : 64;
        cell *grown;
        if (capacity > MAX_CELLS)
            return vecna_error_set(err, VECNA_ERR_FORMAT, 0, "a record of more than %d cells",
                                   MAX_CELLS);
        grown = vecna_resize(allocator, row->at, capacity, sizeof *grown);
        if (grown == NULL)
            return vecna_error_set(err, VECNA_ERR_MEMORY, 0, "no memory for %zu cells", capacity);
        row->at = grown;
        row->capacity = capacity;
    }
    row->at[row->count++] = each;
    return VECNA_OK;
}

/* The quoted cell whose quote stands at *at; moves behind its closing quote. */
static int quoted_cell(const char *text, size_t bytes, size_t *at, cell *out) {
    size_t start = ++*at;
    out->quoted = 1;
    for (;;) {
        const char *quote = memchr(text + *at, '"', bytes - *at);
        if (quote == NULL)
            return 0;
        *at = (size_t)(quote - text) + 1;
        if (*at >= bytes || text[*at] != '"')
            break;
        out->doubled = 1;
        ++*at;
    }
    out->data = text + start;
    out->bytes = *at - 1 - start;
    return 1;
}

/* Cut a record into cells. The position of an error is the byte in the record. */
static vecna_status cut_record(const char *text, size_t bytes, char delimiter, cells *row,
                               const vecna_allocator *allocator, vecna_error *err) {
    size_t at = 0;
    row->count = 0;
    for (;;) {
        cell each = {text + at, 0, 0, 0};
        vecna_status status;
        if (at < bytes && text[at] == '"') {
            size_t start = at;
            if (!quoted_cell(text, bytes, &at, &each))
                return vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)start,
                                       "the quote that opens here is never closed");
            if (at < bytes && text[at] != delimiter)
                return vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)at,
                                       "a cell goes on behind its closing quote; a quote inside a "
                                       "cell must be doubled");
        } else {
            const char *end = memchr(text + at, delimiter, bytes - at);
            each.bytes = end ? (size_t)(end - text) - at : bytes - at;
            at += each.bytes;
        }
        status = add_cell(row, each, allocator, err);
        if (status != VECNA_OK || at >= bytes)
            return status;
        at++;
    }
}

/* The content of a cell with doubled quotes halved, into out (cell->bytes of room). */
static size_t cell_text(const cell *each, char *out) {
    size_t to = 0;
    if (!each->doubled) {
        memcpy(out, each->data, each->bytes);
        return each->bytes;
    }
    for (size_t from = 0; from < each->bytes; from++) {
        out[to++] = each->data[from];
        from += each->data[from] == '"';
    }
    return to;
}

static int is_blank_record(const char *text, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        if (text[i] != ' ' && text[i] != '\r')
            return 0;
    return 1;
}

/* See the next record that is not blank: its bytes, and those to skip for it; *bytes_out 0 at the
 * end. */
static vecna_status see_record(vecna_reader *reader, const char **text, size_t *bytes, size_t *used,
                               int *more, vecna_error *err) {
    vni_input *input = &reader->input;
    csv_state *state = reader->state;
    size_t ask = 1;
    for (;;) {
        const unsigned char *data;
        size_t available;
        int open = 0;
        vecna_error inner = {VECNA_OK, 0, ""};
        vecna_status status = vni_input_peek(input, ask, &data, &available, err);
        if (status != VECNA_OK)
            return status;
        *more = available > 0;
        if (!*more)
            return VECNA_OK;
        *text = (const char *)data;
        int at_end = input->at_end || available < ask;
        if (frame_record(*text, available, at_end, bytes, used, &open)) {
            if (*bytes > reader->options.max_line_bytes)
                break;
            if (!is_blank_record(*text, *bytes))
                return VECNA_OK;
            state->line++;
            vni_input_skip(input, *used);
            ask = 1;
            continue;
        }
        if (at_end) {
            vecna_error_set(&inner, VECNA_ERR_TRUNCATED, 0,
                            "a quote opens in this record and is never closed");
            return vni_text_error(reader, state->line, 0, &inner, err);
        }
        if (available > reader->options.max_line_bytes)
            break;
        ask = available < FIRST_ASK ? FIRST_ASK : available * 2;
    }
    vecna_error too_long;
    vecna_error_set(&too_long, VECNA_ERR_FORMAT, 0,
                    "a record of more than %zu bytes; is a quote not closed?",
                    reader->options.max_line_bytes);
    return vni_text_error(reader, state->line, 0, &too_long, err);
}

/* An error at a byte of the record in `text`, which starts at the state's line. */
static vecna_status located(const vecna_reader *reader, const char *text, const vecna_error *inner,
                            vecna_error *err) {
    const csv_state *state = reader->state;
    uint64_t line = state->line, column = 0;
    if (inner->position >= 0) {
        column = 1;
        for (int64_t i = 0; i < inner->position; i++, column++)
            if (text[i] == '\n') {
                line++;
                column = 0;
            }
    }
    return vni_text_error(reader, line, column, inner, err);
}

static void use_record(vecna_reader *reader, const char *text, size_t used) {
    csv_state *state = reader->state;
    for (size_t i = 0; i < used;) {
        const char *newline = memchr(text + i, '\n', used - i);
        if (newline == NULL)
            break;
        state->line++;
        i = (size_t)(newline - text) + 1;
    }
    vni_input_skip(&reader->input, used);
}

/* ---- what the first records say -------------------------------------------------------------- */

static int is_number(const cell *each) {
    float ignored;
    return vni_text_number(each->data, each->bytes, &ignored);
}

static int is_text(const cell *each, const char *text) {
    return each->bytes == strlen(text) && memcmp(each->data, text, each->bytes) == 0;
}

static size_t column_of(const cells *header, const char *name) {
    for (size_t i = 0; header && i < header->count; i++)
        if (is_text(&header->at[i], name))
            return i;
    return SIZE_MAX;
}

/* A name that ends in a number: the length before it and the number. */
static int numbered(const cell *name, size_t *stem, uint64_t *number) {
    size_t at = name->bytes;
    while (at > 0 && name->bytes - at < 9 && name->data[at - 1] >= '0' && name->data[at - 1] <= '9')
        at--;
    *stem = at;
    *number = 0;
    for (size_t i = at; i < name->bytes; i++)
        *number = *number * 10 + (uint64_t)(name->data[i] - '0');
    return at < name->bytes;
}

/* b is named one after a: "dim_7" after "dim_6". */
static int follows(const cell *a, const cell *b) {
    size_t a_stem, b_stem;
    uint64_t a_number, b_number;
    return numbered(a, &a_stem, &a_number) && numbered(b, &b_stem, &b_number) && a_stem == b_stem &&
           memcmp(a->data, b->data, a_stem) == 0 && b_number == a_number + 1;
}

/* Column i may belong to a vector spread over columns. */
static int may_be_part(const vecna_reader *reader, const cells *header, const cells *row,
                       size_t i) {
    const char *id = reader->options.id_field ? reader->options.id_field : "id";
    const char *text = reader->options.text_field ? reader->options.text_field : "text";
    const char *vector = reader->options.vector_field;
    if (!is_number(&row->at[i]))
        return 0;
    if (header == NULL || i >= header->count)
        return 1;
    if (is_text(&header->at[i], id) || is_text(&header->at[i], text) || header->at[i].bytes == 0)
        return 0;
    return vector == NULL || (header->at[i].bytes > strlen(vector) &&
                              memcmp(header->at[i].data, vector, strlen(vector)) == 0);
}

/* The longest run of columns with numbers side by side; with names that count up when there are at
 * least two such. */
static size_t longest_run(const vecna_reader *reader, const cells *header, const cells *row,
                          int counting, size_t *first) {
    size_t best = 0, start = 0, length = 0;
    for (size_t i = 0; i < row->count; i++) {
        int part = may_be_part(reader, header, row, i);
        int joined =
            part && length > 0 &&
            (!counting || (i < header->count && follows(&header->at[i - 1], &header->at[i])));
        start = joined ? start : i;
        length = joined ? length + 1 : part ? 1 : 0;
        if (length > best) {
            best = length;
            *first = start;
        }
    }
    return best;
}

/* A column in brackets: of the given name, else the likeliest name, else the first. */
static size_t bracket_column(const vecna_reader *reader, const cells *header, const cells *row) {
    size_t found = SIZE_MAX;
    int best = -1;
    for (size_t i = 0; i < row->count; i++) {
        int rank;
        if (!vni_text_is_list(row->at[i].data, row->at[i].bytes))
            continue;
        if (reader->options.vector_field) {
            if (header && i < header->count &&
                is_text(&header->at[i], reader->options.vector_field))
                return i;
            continue;
        }
        rank = header && i < header->count
                   ? vni_vector_name_rank(header->at[i].data, header->at[i].bytes)
                   : -1;
        if (found == SIZE_MAX || (rank >= 0 && (best < 0 || rank < best))) {
            found = i;
            best = rank;
        }
    }
    return found;
}

typedef struct layout {
    int header;
    size_t first, span; /* span 0: no vector */
    vecna_layout kind;
} layout;

/* Where the vector is in `row`, given the header or NULL. */
static layout find_vector(const vecna_reader *reader, const cells *header, const cells *row) {
    layout out = {header != NULL, bracket_column(reader, header, row), 1, VECNA_LAYOUT_ARRAY};
    size_t first = 0, counted;
    if (out.first != SIZE_MAX)
        return out;
    out.kind = VECNA_LAYOUT_COLUMNS;
    out.first = 0;
    counted = header ? longest_run(reader, header, row, 1, &out.first) : 0;
    out.span = longest_run(reader, header, row, 0, &first);
    if (counted >= 2)
        out.span = counted;
    else
        out.first = first;
    return out;
}

/* The cells of `row` between first and last count up as names do: 0 1 2 ... or 1 2 3 ... */
static int counts_up(const cells *row, size_t first, size_t span) {
    for (size_t i = first; i < first + span; i++) {
        size_t stem;
        uint64_t number;
        if (!numbered(&row->at[i], &stem, &number) || stem != 0 || number > i - first + 1 ||
            (i > first && !follows(&row->at[i - 1], &row->at[i])))
            return 0;
    }
    return span >= 2;
}

static int is_whole(const cell *each) {
    for (size_t i = 0; i < each->bytes; i++)
        if ((each->data[i] < '0' || each->data[i] > '9') && each->data[i] != '-')
            return 0;
    return each->bytes > 0;
}

/* A run of numbers without names that starts with a whole one before fractions: that is an id. */
static void without_leading_id(const cells *row, layout *found) {
    if (found->header || found->kind != VECNA_LAYOUT_COLUMNS || found->span < 3 ||
        !is_whole(&row->at[found->first]))
        return;
    for (size_t i = found->first + 1; i < found->first + found->span; i++)
        if (is_whole(&row->at[i]))
            return;
    found->first++;
    found->span--;
}

/* The cells of the first record that stand over the vector name it: they are no numbers, or they
 * count up. */
static int is_header(const cells *one, const layout *under) {
    size_t numbers = 0;
    for (size_t i = under->first; i < under->first + under->span; i++)
        numbers += is_number(&one->at[i]) || vni_text_is_list(one->at[i].data, one->at[i].bytes);
    return numbers == 0 || counts_up(one, under->first, under->span);
}

/* Decide from the first record and, unless NULL, the second. */
static layout decide(const vecna_reader *reader, const cells *one, const cells *two) {
    layout alone = find_vector(reader, NULL, one);
    if (two != NULL && two->count == one->count) {
        layout under = find_vector(reader, one, two);
        if (under.span > 0 && is_header(one, &under))
            return under;
    }
    if (reader->options.vector_field != NULL) /* there is no name that could be it */
        alone.span = 0;
    without_leading_id(one, &alone);
    return alone;
}

/* ---- opening --------------------------------------------------------------------------------- */

/* The delimiter of the first record: one that leaves a list in brackets whole, else a tab, else
 * what cuts it into most cells. */
static vecna_status find_delimiter(const vecna_reader *reader, const char *text, size_t bytes,
                                   cells *row, char *out) {
    static const char candidates[] = "\t;|,";
    size_t best = 0;
    for (const char *each = candidates; *each; each++) {
        vecna_error inner;
        vecna_status status = cut_record(text, bytes, *each, row, reader->allocator, &inner);
        if (status == VECNA_ERR_MEMORY)
            return status;
        if (status != VECNA_OK)
            continue;
        for (size_t i = 0; i < row->count; i++)
            if (vni_text_is_list(row->at[i].data, row->at[i].bytes)) {
                *out = *each;
                return VECNA_OK;
            }
        if (row->count > best || (row->count == best && best == 1)) {
            best = row->count;
            *out = *each;
        }
        if (*each == '\t' && best > 1)
            best = SIZE_MAX;
    }
    return VECNA_OK;
}

/* Copies of cells in the state's own memory, so that they outlive the buffer. */
static vecna_status keep_cells(const cells *from, cells *to, char **memory,
                               const vecna_allocator *allocator, vecna_error *err) {
    size_t bytes = 1, at = 0;
    for (size_t i = 0; i < from->count; i++)
        bytes += from->at[i].bytes + 1;
    *memory = vecna_allocate(allocator, bytes, 1);
    to->at = vecna_allocate(allocator, from->count + 1, sizeof *to->at);
    if (*memory == NULL || to->at == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for %zu cells", from->count);
    for (size_t i = 0; i < from->count; i++) {
        size_t length = cell_text(&from->at[i], *memory + at);
        to->at[i] = (cell){*memory + at, length, from->at[i].quoted, 0};
        (*memory)[at + length] = '\0';
        at += length + 1;
    }
    to->count = to->capacity = from->count;
    return VECNA_OK;
}

/* What the vector is called: its column, or what the names of its columns start with. */
static vecna_status name_vector(vecna_reader *reader, const layout *found, vecna_error *err) {
    csv_state *state = reader->state;
    vecna_text name;
    size_t stem;
    uint64_t number;
    if (!found->header)
        return VECNA_OK;
    name = state->columns_names[found->first];
    if (found->kind == VECNA_LAYOUT_COLUMNS) {
        cell first = {name.data, name.bytes, 0, 0};
        if (!numbered(&first, &stem, &number))
            return VECNA_OK;
        while (stem > 0 && strchr("_-. :", name.data[stem - 1]) != NULL)
            stem--;
        name.bytes = stem;
    }
    if (name.bytes == 0)
        return VECNA_OK;
    state->vector_name = vecna_allocate(reader->allocator, name.bytes + 1, 1);
    if (state->vector_name == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to read %s",
                               reader->input.name);
    memcpy(state->vector_name, name.data, name.bytes);
    state->vector_name[name.bytes] = '\0';
    reader->info.vector_field = state->vector_name;
    return VECNA_OK;
}

static vecna_status find_named(const vecna_reader *reader, const cells *header, const char *given,
                               const char *usual, size_t *at, vecna_error *err) {
    *at = column_of(header, given ? given : usual);
    if (*at == SIZE_MAX && given)
        return vecna_error_set(err, VECNA_ERR_NOT_FOUND, 1, "%s has no column '%.64s'",
                               reader->input.name, given);
    return VECNA_OK;
}

/* Names and places of the columns, and what info shows of them. */
static vecna_status settle(vecna_reader *reader, const cells *header, const layout *found,
                           vecna_error *err) {
    csv_state *state = reader->state;
    vecna_status status =
        find_named(reader, header, reader->options.id_field, "id", &state->id_at, err);
    if (status == VECNA_OK)
        status =
            find_named(reader, header, reader->options.text_field, "text", &state->text_at, err);
    if (status != VECNA_OK)
        return status;
    if (header != NULL) {
        state->columns_names =
            vecna_allocate(reader->allocator, header->count + 1, sizeof *state->columns_names);
        if (state->columns_names == NULL)
            return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to read %s",
                                   reader->input.name);
        for (size_t i = 0; i < header->count; i++)
            state->columns_names[i] = (vecna_text){header->at[i].data, header->at[i].bytes};
    }
    state->first = found->first;
    state->span = found->span;
    if (header == NULL && found->first == 1 && state->columns == found->span + 1)
        state->id_at = 0; /* a word or a number before its vector */
    reader->info.dtype = VECNA_F32;
    reader->info.stored_as = "text";
    reader->info.has_records = 1;
    reader->info.id_field =
        header && state->id_at != SIZE_MAX ? state->columns_names[state->id_at].data : NULL;
    reader->info.text_field =
        state->text_at != SIZE_MAX ? state->columns_names[state->text_at].data : NULL;
    reader->info.layout = found->kind;
    reader->info.delimiter = state->delimiter;
    reader->info.has_header = found->header;
    return name_vector(reader, found, err);
}

static vecna_status no_vector(const vecna_reader *reader, vecna_error *err) {
    const csv_state *state = reader->state;
    if (reader->options.vector_field)
        return vecna_error_set(err, VECNA_ERR_NOT_FOUND, (int64_t)state->line,
                               "%s has no column '%.64s' with [numbers], and no columns %.64s0, "
                               "%.64s1 ... with a number each",
                               reader->input.name, reader->options.vector_field,
                               reader->options.vector_field, reader->options.vector_field);
    return vecna_error_set(err, VECNA_ERR_NOT_FOUND, (int64_t)state->line,
                           "%s has no vector in its first records: neither a cell [0.1,0.2] nor "
                           "columns of numbers",
                           reader->input.name);
}

/* Numbers of a cell in brackets. */
static size_t cell_dim(const cell *each) {
    size_t count = 0, bad;
    return vni_text_list(each->data, each->bytes, NULL, 0, &count, &bad) ? count : 0;
}

/* The first record, kept; then the second, in state->row; two is set when there is one. */
static vecna_status first_records(vecna_reader *reader, cells *one, int *two, vecna_error *err) {
    csv_state *state = reader->state;
    const char *text = NULL;
    size_t bytes = 0, used = 0, next_bytes, next_used;
    int more = 0, open;
    vecna_error inner = {VECNA_OK, 0, ""};
    const unsigned char *data;
    size_t available, ask;
    vecna_status status = see_record(reader, &text, &bytes, &used, &more, err);
    if (status != VECNA_OK)
        return status;
    if (!more)
        return vecna_error_set(err, VECNA_ERR_FORMAT, 1, "%s holds blank lines only",
                               reader->input.name);
    status = find_delimiter(reader, text, bytes, &state->row, &state->delimiter);
    if (status == VECNA_OK)
        status = cut_record(text, bytes, state->delimiter, &state->row, reader->allocator, &inner);
    if (status != VECNA_OK)
        return status == VECNA_ERR_MEMORY
                   ? vecna_error_set(err, status, -1, "no memory to read %s", reader->input.name)
                   : located(reader, text, &inner, err);
    status = keep_cells(&state->row, one, &state->names, reader->allocator, err);
    /* look behind it without using it: it may be a row */
    for (ask = used + 1; status == VECNA_OK; ask = available * 2) {
        status = vni_input_peek(&reader->input, ask, &data, &available, err);
        if (status != VECNA_OK)
            return status;
        size_t start = used;
        int at_end = reader->input.at_end || available < ask, found = 0;
        while (start < available &&
               (found = frame_record((const char *)data + start, available - start, at_end,
                                     &next_bytes, &next_used, &open)) &&
               is_blank_record((const char *)data + start, next_bytes)) {
            start += next_used;
            found = 0;
        }
        if (found) {
            *two = cut_record((const char *)data + start, next_bytes, state->delimiter, &state->row,
                              reader->allocator, &inner) == VECNA_OK;
            return inner.status == VECNA_ERR_MEMORY ? located(reader, text, &inner, err) : VECNA_OK;
        }
        if (at_end || available > used + reader->options.max_line_bytes)
            break;
    }
    return status;
}

static vecna_status csv_open(vecna_reader *reader, vecna_error *err) {
    csv_state *state = vecna_allocate_zero(reader->allocator, 1, sizeof *state);
    cells one = {NULL, 0, 0};
    layout found;
    int two = 0;
    vecna_status status;

    if (state == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to read %s",
                               reader->input.name);
    reader->state = state;
    state->line = 1;
    state->delimiter = ',';
    status = vni_text_skip_mark(&reader->input, err);
    if (status == VECNA_OK)
        status = first_records(reader, &one, &two, err);
    if (status != VECNA_OK)
        goto done;
    found = decide(reader, &one, two ? &state->row : NULL);
    if (found.span == 0) {
        status = no_vector(reader, err);
        goto done;
    }
    state->columns = one.count;
    status = vni_reader_dim(reader,
                            found.kind == VECNA_LAYOUT_ARRAY
                                ? cell_dim(&(found.header ? &state->row : &one)->at[found.first])
                                : found.span,
                            err);
    if (status == VECNA_OK)
        status = settle(reader, found.header ? &one : NULL, &found, err);
    if (status == VECNA_OK && found.header) {
        const char *text = NULL;
        size_t bytes, used = 0;
        int more;
        status = see_record(reader, &text, &bytes, &used, &more, err);
        if (status == VECNA_OK)
            use_record(reader, text, used);
    }

done:
    vecna_release(reader->allocator, one.at);
    return status;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static vecna_status bad_cell(const char *text, const cell *each, size_t offset, const char *what,
                             vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)(each->data - text) + (int64_t)offset,
                           "'%.*s' is %s", (int)(each->bytes < 24 ? each->bytes : 24), each->data,
                           what);
}

static vecna_status read_vector(const vecna_reader *reader, const char *text, float *out,
                                vecna_error *err) {
    const csv_state *state = reader->state;
    const cell *cells_at = state->row.at + state->first;
    size_t count = 0, bad = 0;
    if (reader->info.layout == VECNA_LAYOUT_COLUMNS) {
        for (size_t i = 0; i < state->span; i++)
            if (!vni_text_number(cells_at[i].data, cells_at[i].bytes, &out[i]))
                return bad_cell(text, &cells_at[i], 0, "no number", err);
        return VECNA_OK;
    }
    if (!vni_text_list(cells_at->data, cells_at->bytes, out, reader->info.dim, &count, &bad)) {
        if (cells_at->bytes - bad >= 3 && memcmp(cells_at->data + bad, "...", 3) == 0)
            return bad_cell(text, cells_at, bad,
                            "a vector whose middle was left out ('...') when it was printed; write "
                            "it in full",
                            err);
        return bad_cell(text, cells_at, bad, "no list of numbers", err);
    }
    if (count != reader->info.dim)
        return vecna_error_set(err, VECNA_ERR_DIM, (int64_t)(cells_at->data - text),
                               "a vector of %zu numbers; the first has %zu", count,
                               reader->info.dim);
    return VECNA_OK;
}

static vecna_status read_fields(const vecna_reader *reader, vecna_block *block,
                                vecna_record *record, vecna_error *err) {
    const csv_state *state = reader->state;
    size_t fields = state->columns - state->span;
    void *memory;
    vecna_field *field;
    vecna_status status = vni_block_take(block, (fields + 1) * sizeof *field, &memory, err);
    if (status != VECNA_OK)
        return status;
    field = memory;
    record->fields = field;
    record->vector_at = state->first;
    for (size_t i = 0; status == VECNA_OK && i < state->columns; i++) {
        const cell *each = &state->row.at[i];
        if (i >= state->first && i < state->first + state->span)
            continue;
        status = vni_block_take(block, each->bytes + 1, &memory, err);
        if (status != VECNA_OK)
            break;
        field->value = (vecna_text){memory, cell_text(each, memory)};
        field->kind = VECNA_FIELD_PLAIN;
        field->name = (vecna_text){"", 0};
        if (state->columns_names)
            status = vni_block_text(block, state->columns_names[i].data,
                                    state->columns_names[i].bytes, &field->name, err);
        if (i == state->id_at)
            record->id = field->value;
        if (i == state->text_at)
            record->text = field->value;
        field++;
        record->field_count++;
    }
    return status;
}

static vecna_status read_row(vecna_reader *reader, vecna_block *block, float *out,
                             vecna_record *record, int *more, vecna_error *err) {
    csv_state *state = reader->state;
    const char *text = NULL;
    size_t bytes = 0, used = 0;
    vecna_error inner = {VECNA_OK, 0, ""};
    vecna_status status = see_record(reader, &text, &bytes, &used, more, err);
    if (status != VECNA_OK || !*more)
        return status;
    status = cut_record(text, bytes, state->delimiter, &state->row, reader->allocator, &inner);
    if (status == VECNA_OK && state->row.count != state->columns)
        status =
            vecna_error_set(&inner, VECNA_ERR_FORMAT, -1, "%zu cells; the first record has %zu",
                            state->row.count, state->columns);
    if (status == VECNA_OK)
        status = read_vector(reader, text, out, &inner);
    if (status == VECNA_OK)
        status = read_fields(reader, block, record, &inner);
    if (status != VECNA_OK)
        return located(reader, text, &inner, err);
    use_record(reader, text, used);
    return VECNA_OK;
}

static vecna_status csv_read(vecna_reader *reader, vecna_block *block, size_t max_rows,
                             vecna_error *err) {
    vecna_record *records;
    float *floats;
    size_t rows = 0;
    int more = 1;
    vecna_status status = vni_block_floats(block, max_rows, reader->info.dim, &floats, err);
    if (status == VECNA_OK)
        status = vni_block_records(block, max_rows, &records, err);
    while (status == VECNA_OK && rows < max_rows) {
        status =
            read_row(reader, block, floats + rows * reader->info.dim, &records[rows], &more, err);
        if (!more)
            break;
        rows += status == VECNA_OK;
    }
    if (status == VECNA_OK)
        block->vectors.rows = rows;
    return status;
}

static void csv_close(vecna_reader *reader) {
    csv_state *state = reader->state;
    if (state != NULL) {
        vecna_release(reader->allocator, state->names);
        vecna_release(reader->allocator, state->columns_names);
        vecna_release(reader->allocator, state->vector_name);
        vecna_release(reader->allocator, state->row.at);
    }
    vecna_release(reader->allocator, state);
}

/* ---- telling a table by its beginning -------------------------------------------------------- */

/* What a cell at the beginning of a file looks like: a number, also one that a list in brackets
 * starts with; a name that ends in a digit. */
static void look_at_cell(const char *at, size_t bytes, size_t *numbers, size_t *names) {
    float ignored;
    size_t skip = bytes > 0 && *at == '"';
    size_t list = skip < bytes && (at[skip] == '[' || at[skip] == '{');
    skip += list;
    if (vecna_number_parse_f32(at + skip, bytes - skip, VECNA_NUMBER_LENIENT, &ignored) > 0)
        *numbers += 1 + list; /* a list alone will do */
    *names += bytes > 0 && at[bytes - 1] >= '0' && at[bytes - 1] <= '9';
}

/* The first or second line has cells with numbers; or the first goes on behind the head and its
 * cells are named as the columns of a vector are. */
static int detect_with(const vni_head *head, char delimiter) {
    const char *text = (const char *)head->data, *end = text + head->bytes;
    for (int line = 0; line < 2 && text < end; line++) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *stop = newline ? newline : end;
        size_t numbers = 0, names = 0;
        for (const char *at = text; at < stop;) {
            const char *next = memchr(at, delimiter, (size_t)(stop - at));
            if (next == NULL && newline == NULL && !head->whole)
                break;
            look_at_cell(at, (size_t)((next ? next : stop) - at), &numbers, &names);
            at = next ? next + 1 : stop;
        }
        if (numbers >= 2 || (newline == NULL && names >= 16))
            return 1;
        text = newline ? newline + 1 : end;
    }
    return 0;
}

static int is_plain_text(const vni_head *head) {
    for (size_t i = 0; i < head->bytes; i++)
        if (head->data[i] < 0x20 && head->data[i] != '\n' && head->data[i] != '\r' &&
            head->data[i] != '\t')
            return 0;
    return 1;
}

static int csv_detect(const vni_head *head) {
    if (!is_plain_text(head))
        return VNI_NO;
    return detect_with(head, ',') || detect_with(head, ';') || detect_with(head, '|') ? VNI_MAYBE
                                                                                      : VNI_NO;
}

static int tsv_detect(const vni_head *head) {
    const unsigned char *newline = memchr(head->data, '\n', head->bytes);
    size_t bytes = newline ? (size_t)(newline - head->data) : head->bytes;
    if (!is_plain_text(head) || memchr(head->data, '\t', bytes) == NULL)
        return VNI_NO;
    return detect_with(head, '\t') || detect_with(head, ',') ? VNI_MAYBE : VNI_NO;
}

const vni_format vni_format_csv = {
    .info = {"csv", "csv", "table: the vector as columns of numbers or as a cell [0.1,0.2]"},
    .detect = csv_detect,
    .open = csv_open,
    .read = csv_read,
    .close = csv_close,
    .begin = vni_csv_begin,
    .write = vni_csv_write,
    .finish = vni_csv_finish,
    .abandon = vni_csv_abandon,
};

const vni_format vni_format_tsv = {
    .info = {"tsv", "tsv tab", "table with tabs between its cells"},
    .detect = tsv_detect,
    .open = csv_open,
    .read = csv_read,
    .close = csv_close,
    .begin = vni_tsv_begin,
    .write = vni_csv_write,
    .finish = vni_csv_finish,
    .abandon = vni_csv_abandon,
};
