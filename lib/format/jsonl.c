/* JSON in the three shapes that embeddings come in: one object a line (JSONL), an array of them,
 * and the body that an embedding server answers ({"data":[{"embedding":...}]}). Which of them it
 * is, the first record tells. JSONL goes line by line, so that an error names its line and nothing
 * else is held; the other two go record by record: a record is parsed where it stands in the
 * buffer, and when the buffer ends inside of it, more is read and the record parsed again, which
 * happens once a buffer.
 *
 * Every field but the vector is kept as the JSON text it was and written back as such: numbers do
 * not lose digits, nested objects keep their order. The vector goes straight from the text into the
 * block. */
#include "format/text_impl.h"

enum { FIRST_ASK = 1 << 16 };

enum shape { SHAPE_LINES, SHAPE_RECORDS, SHAPE_ARRAY, SHAPE_BODY };
enum place { AT_TOP, IN_ARRAY, IN_REST };

typedef struct jsonl_state {
    enum shape shape;
    enum place place;      /* not in SHAPE_LINES */
    int behind_element;    /* IN_ARRAY: an element stands before */
    const char *body_name; /* SHAPE_BODY: the member that holds the records */
    uint64_t line;         /* of the next byte, from 1; not in SHAPE_LINES */
    uint64_t column;       /* of the next byte, from 1 */
    vecna_field *fields;   /* of the row being read */
    size_t fields_capacity;
} jsonl_state;

static const char *const body_names[] = {"data", "embeddings"};

/* ---- what the first record says -------------------------------------------------------------- */

typedef struct study {
    enum shape shape;
    const char *body_name;
    const char *vector_name; /* NULL for records that are bare arrays */
    int vector_rank;
    size_t dim;
    vecna_layout layout;
    int has_id, has_other_id, has_text;
} study;

static const char *id_name(const vecna_reader *reader) {
    return reader->options.id_field ? reader->options.id_field : "id";
}

static const char *text_name(const vecna_reader *reader) {
    return reader->options.text_field ? reader->options.text_field : "text";
}

/* Read on until the scanner is back at `depth`. */
static vecna_status leave(vecna_json *json, size_t depth, vecna_error *err) {
    vecna_json_token token;
    vecna_status status = VECNA_OK;
    while (status == VECNA_OK && json->depth > depth)
        status = vecna_json_next(json, &token, err);
    return status;
}

/* Read an array whose bracket was the last token: *dim is the numbers in it, 0 when it has others.
 */
static vecna_status study_array(vecna_json *json, size_t *dim, vecna_error *err) {
    size_t depth = json->depth - 1, count = 0, others = 0;
    vecna_status status = VECNA_OK;
    vecna_json_token token;
    while (status == VECNA_OK && json->depth > depth) {
        status = vecna_json_next(json, &token, err);
        if (status != VECNA_OK || json->depth == depth)
            break;
        if (token.kind == VECNA_JSON_NUMBER && json->depth == depth + 1)
            count++;
        else
            others++;
    }
    *dim = others ? 0 : count;
    return status;
}

/* Float32 in a base64 text of that length, 0 when it cannot be. */
static size_t base64_dim(const vecna_json_token *token) {
    size_t bytes = token->bytes, slashes = 0;
    if (token->escaped) /* "\/" is the one escape that base64 meets */
        for (size_t i = 0; i < token->bytes; i++)
            slashes += token->text[i] == '\\';
    bytes -= slashes;
    if (bytes < 8 || bytes % 4 != 0)
        return 0;
    size_t pads = (size_t)(token->text[token->bytes - 1] == '=') +
                  (size_t)(token->text[token->bytes - 2] == '=');
    bytes = bytes / 4 * 3 - pads;
    return bytes % sizeof(float) == 0 ? bytes / sizeof(float) : 0;
}

/* The value whose first token is `token`: its dim as a vector, 0 when it is none. Reads all of it.
 */
static vecna_status study_vector(vecna_json *json, const vecna_json_token *token, size_t *dim,
                                 vecna_layout *layout, vecna_error *err) {
    size_t bad;
    *dim = 0;
    *layout = VECNA_LAYOUT_ARRAY;
    if (token->kind == VECNA_JSON_ARRAY_BEGIN)
        return study_array(json, dim, err);
    if (token->kind == VECNA_JSON_STRING && token->bytes > 0 && token->text[0] == '[') {
        if (!vni_text_list(token->text, token->bytes, NULL, 0, dim, &bad))
            *dim = 0;
        return VECNA_OK;
    }
    if (token->kind == VECNA_JSON_STRING) {
        *dim = base64_dim(token);
        *layout = VECNA_LAYOUT_BASE64;
        return VECNA_OK;
    }
    return vecna_json_skip(json, token, NULL, err);
}

/* Rank of a key as the name of the vector, -1 for none; *name is a text that stays. */
static int rank_of(const vecna_reader *reader, const vecna_json_token *key, const char **name) {
    if (reader->options.vector_field) {
        *name = reader->options.vector_field;
        return vecna_json_is(key, *name) ? 0 : -1;
    }
    int rank = key->escaped ? -1 : vni_vector_name_rank(key->text, key->bytes);
    if (rank >= 0)
        *name = vni_vector_names[rank];
    return rank;
}

static vecna_status study_object(const vecna_reader *reader, vecna_json *json, study *out, int top,
                                 vecna_error *err);

/* A member that may hold the records themselves, its bracket just read. */
static vecna_status study_body(const vecna_reader *reader, vecna_json *json, const char *name,
                               study *out, vecna_error *err) {
    size_t depth = json->depth - 1;
    study inner = {.vector_rank = -1};
    vecna_json_token token;
    vecna_status status = vecna_json_next(json, &token, err);
    if (status == VECNA_OK && token.kind == VECNA_JSON_OBJECT_BEGIN)
        status = study_object(reader, json, &inner, 0, err);
    else if (status == VECNA_OK && token.kind == VECNA_JSON_ARRAY_BEGIN) {
        inner.layout = VECNA_LAYOUT_ARRAY;
        status = study_array(json, &inner.dim, err);
    }
    if (status == VECNA_OK && inner.dim > 0) {
        *out = inner;
        out->shape = SHAPE_BODY;
        out->body_name = name;
        return VECNA_OK; /* what follows is judged when it is read */
    }
    return status == VECNA_OK ? leave(json, depth, err) : status;
}

/* The members of an object whose brace was the last token. */
static vecna_status study_object(const vecna_reader *reader, vecna_json *json, study *out, int top,
                                 vecna_error *err) {
    size_t depth = json->depth - 1;
    vecna_status status = VECNA_OK;
    while (status == VECNA_OK) {
        vecna_json_token key, token;
        const char *name = NULL;
        vecna_layout layout;
        size_t dim = 0;
        int rank;
        status = vecna_json_next(json, &key, err);
        if (status != VECNA_OK || json->depth == depth)
            break;
        status = vecna_json_next(json, &token, err);
        if (status != VECNA_OK)
            break;
        for (size_t i = 0; top && i < sizeof body_names / sizeof *body_names; i++)
            if (token.kind == VECNA_JSON_ARRAY_BEGIN && vecna_json_is(&key, body_names[i])) {
                vecna_json before = *json;
                status = study_body(reader, json, body_names[i], out, err);
                if (status != VECNA_OK || out->shape == SHAPE_BODY)
                    return status;
                *json = before;
            }
        rank = rank_of(reader, &key, &name);
        if (rank >= 0) {
            status = study_vector(json, &token, &dim, &layout, err);
            if (status == VECNA_OK && dim > 0 && (out->dim == 0 || rank < out->vector_rank)) {
                out->vector_rank = rank;
                out->vector_name = name;
                out->dim = dim;
                out->layout = layout;
            }
            continue;
        }
        out->has_id |= vecna_json_is(&key, id_name(reader));
        out->has_other_id |= vecna_json_is(&key, "_id");
        out->has_text |= vecna_json_is(&key, text_name(reader));
        status = vecna_json_skip(json, &token, NULL, err);
    }
    return status;
}

/* The shape of the input and its first record; VECNA_ERR_TRUNCATED when more of it is needed. */
static vecna_status study_input(const vecna_reader *reader, vecna_json *json, study *out,
                                vecna_error *err) {
    vecna_json_token token;
    size_t start = json->at;
    vecna_status status = vecna_json_next(json, &token, err);
    if (status == VECNA_OK && token.kind == VECNA_JSON_ARRAY_BEGIN) {
        vecna_json behind = *json;
        status = vecna_json_next(json, &token, err);
        if (status == VECNA_OK && token.kind == VECNA_JSON_OBJECT_BEGIN) {
            out->shape = SHAPE_ARRAY;
            return study_object(reader, json, out, 0, err);
        }
        if (status == VECNA_OK && token.kind == VECNA_JSON_ARRAY_BEGIN) {
            out->shape = SHAPE_ARRAY;
            out->layout = VECNA_LAYOUT_ARRAY;
            return study_array(json, &out->dim, err);
        }
        if (status == VECNA_OK) {
            *json = behind;
            out->layout = VECNA_LAYOUT_ARRAY;
            status = study_array(json, &out->dim, err);
        }
    } else if (status == VECNA_OK && token.kind == VECNA_JSON_OBJECT_BEGIN) {
        status = study_object(reader, json, out, 1, err);
    } else if (status == VECNA_OK) {
        status = vecna_error_set(err, VECNA_ERR_FORMAT, 0,
                                 "a record is a JSON object or an array of numbers");
    }
    if (status == VECNA_OK && out->shape == SHAPE_LINES &&
        memchr(json->text + start, '\n', json->at - start) != NULL)
        out->shape = SHAPE_RECORDS;
    return status;
}

/* ---- opening --------------------------------------------------------------------------------- */

/* Column (from 1) and newlines before byte `at` of data. */
static uint64_t count_lines(const char *data, size_t at, uint64_t *column) {
    uint64_t lines = 0;
    const char *start = data, *newline;
    while ((newline = memchr(start, '\n', (size_t)(data + at - start))) != NULL) {
        lines++;
        start = newline + 1;
        *column = 1;
    }
    *column += (uint64_t)(data + at - start);
    return lines;
}

/* An error at a byte of the data that stands next in the input, to line and column. */
static vecna_status located(vecna_reader *reader, const char *data, const vecna_error *inner,
                            vecna_error *err) {
    jsonl_state *state = reader->state;
    uint64_t column = state->column;
    uint64_t line = state->line;
    if (inner->position >= 0)
        line += count_lines(data, (size_t)inner->position, &column);
    return vni_text_error(reader, line, column, inner, err);
}

static void consume(vecna_reader *reader, const char *data, size_t bytes) {
    jsonl_state *state = reader->state;
    state->line += count_lines(data, bytes, &state->column);
    vni_input_skip(&reader->input, bytes);
}

static vecna_status skip_space(vecna_reader *reader, vecna_error *err) {
    for (;;) {
        const unsigned char *data;
        size_t available, at = 0;
        vecna_status status = vni_input_peek(&reader->input, 1, &data, &available, err);
        if (status != VECNA_OK)
            return status;
        while (at < available &&
               (data[at] == ' ' || data[at] == '\n' || data[at] == '\r' || data[at] == '\t'))
            at++;
        consume(reader, (const char *)data, at);
        if (at < available || available == 0)
            return VECNA_OK;
    }
}

/* More of the input than `available`, because a value goes on behind it; VECNA_ERR_TRUNCATED, with
 * the words of `inner`, when the input ends, VECNA_ERR_FORMAT when a record is too long. */
static vecna_status ask_more(vecna_reader *reader, const char *data, size_t available, size_t *ask,
                             const vecna_error *inner, vecna_error *err) {
    vecna_error too_long;
    if (available < *ask || reader->input.at_end)
        return located(reader, data, inner, err);
    if (available > reader->options.max_line_bytes) {
        vecna_error_set(&too_long, VECNA_ERR_FORMAT, 0, "a record has more than %zu bytes",
                        reader->options.max_line_bytes);
        return located(reader, data, &too_long, err);
    }
    *ask = available < FIRST_ASK / 2 ? FIRST_ASK : available * 2;
    return VECNA_OK;
}

static vecna_status study_file(vecna_reader *reader, study *out, vecna_error *err) {
    size_t ask = FIRST_ASK;
    for (;;) {
        const unsigned char *data;
        size_t available;
        vecna_json json;
        vecna_error inner = {VECNA_OK, 0, ""};
        vecna_status status = vni_input_peek(&reader->input, ask, &data, &available, err);
        if (status != VECNA_OK)
            return status;
        *out = (study){.vector_rank = -1};
        vecna_json_init(&json, (const char *)data, available, 0);
        status = study_input(reader, &json, out, &inner);
        if (status == VECNA_OK)
            return VECNA_OK;
        if (status != VECNA_ERR_TRUNCATED)
            return located(reader, (const char *)data, &inner, err);
        status = ask_more(reader, (const char *)data, available, &ask, &inner, err);
        if (status != VECNA_OK)
            return status;
    }
}

static vecna_status missing(const vecna_reader *reader, const char *what, const char *name,
                            vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_NOT_FOUND, 1,
                           "the first record of %s has no field '%.64s' that could be its %s",
                           reader->input.name, name, what);
}

static vecna_status jsonl_open(vecna_reader *reader, vecna_error *err) {
    jsonl_state *state = vecna_allocate_zero(reader->allocator, 1, sizeof *state);
    study found;
    vecna_status status;

    if (state == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to read %s",
                               reader->input.name);
    reader->state = state;
    state->line = state->column = 1;
    status = vni_text_skip_mark(&reader->input, err);
    if (status == VECNA_OK)
        status = skip_space(reader, err);
    if (status == VECNA_OK)
        status = study_file(reader, &found, err);
    if (status != VECNA_OK)
        return status;
    if (found.dim == 0 && reader->options.vector_field)
        return missing(reader, "vector", reader->options.vector_field, err);
    if (found.dim == 0)
        return vecna_error_set(
            err, VECNA_ERR_NOT_FOUND, (int64_t)state->line,
            "the first record of %s has no field embedding, vector or values "
            "with an array of numbers; name the field that holds the vectors (--vector-field)",
            reader->input.name);
    if (reader->options.id_field && !found.has_id)
        return missing(reader, "id", reader->options.id_field, err);
    if (reader->options.text_field && !found.has_text)
        return missing(reader, "text", reader->options.text_field, err);
    status = vni_reader_dim(reader, found.dim, err);
    if (status != VECNA_OK)
        return status;
    state->shape = found.shape;
    state->body_name = found.body_name;
    reader->input.line = state->line - 1;
    reader->info.dtype = VECNA_F32;
    reader->info.stored_as = found.layout == VECNA_LAYOUT_BASE64 ? "base64 f32" : "text";
    reader->info.has_records = 1;
    reader->info.id_field = found.has_id ? id_name(reader) : found.has_other_id ? "_id" : NULL;
    reader->info.text_field = found.has_text ? text_name(reader) : NULL;
    reader->info.vector_field = found.vector_name;
    reader->info.layout = found.layout;
    return VECNA_OK;
}

/* ---- one record ------------------------------------------------------------------------------ */

static vecna_status wrong_dim(const vecna_reader *reader, size_t at, size_t count,
                              vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_DIM, (int64_t)at,
                           "a vector of %zu numbers; the first has %zu", count, reader->info.dim);
}

static vecna_status read_base64(const vecna_reader *reader, const vecna_json *json,
                                const vecna_json_token *token, vecna_block *block, float *out,
                                vecna_error *err) {
    size_t at = (size_t)(token->text - json->text), bytes = token->bytes, got = 0;
    const char *text = token->text;
    vecna_status status;
    if (token->escaped) {
        void *plain;
        status = vni_block_take(block, token->bytes, &plain, err);
        if (status != VECNA_OK)
            return status;
        bytes = vecna_json_unescape(token, plain);
        text = plain;
    }
    status = vecna_base64_decode(text, bytes, out, reader->info.dim * sizeof(float), &got, err);
    if (status == VECNA_ERR_OVERFLOW)
        return wrong_dim(reader, at, bytes / 4 * 3 / sizeof(float), err);
    if (status != VECNA_OK) {
        err->position = (int64_t)at;
        return status;
    }
    if (got != reader->info.dim * sizeof(float))
        return wrong_dim(reader, at, got / sizeof(float), err);
    vni_swap_little_endian(out, reader->info.dim);
    return VECNA_OK;
}

/* The vector whose first token is `token`; err is not NULL and its position a byte of the text. */
static vecna_status read_vector(const vecna_reader *reader, vecna_json *json,
                                const vecna_json_token *token, vecna_block *block, float *out,
                                vecna_error *err) {
    size_t at = (size_t)(token->text - json->text), count = 0, bad = 0;
    vecna_status status;

    if (token->kind == VECNA_JSON_ARRAY_BEGIN) {
        status = vecna_json_floats(json, out, reader->info.dim, &count, err);
        if (status == VECNA_ERR_DIM)
            return vecna_error_set(err, VECNA_ERR_DIM, (int64_t)at,
                                   "a vector of more than the %zu numbers of the first",
                                   reader->info.dim);
        if (status == VECNA_OK && count != reader->info.dim)
            return wrong_dim(reader, at, count, err);
        if (status == VECNA_ERR_FORMAT && (size_t)err->position < json->bytes &&
            strchr("NIn", json->text[err->position]) != NULL)
            return vecna_error_set(err, VECNA_ERR_FORMAT, err->position,
                                   "the vector holds NaN, infinity or null, which no JSON number "
                                   "is; remove the record or embed it again");
        return status;
    }
    if (token->kind != VECNA_JSON_STRING)
        return vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)at,
                               "the vector is no array of numbers and no base64; remove the record "
                               "or embed it again");
    if (token->bytes == 0 || token->text[0] != '[')
        return read_base64(reader, json, token, block, out, err);
    if (!vni_text_list(token->text, token->bytes, out, reader->info.dim, &count, &bad))
        return vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)(at + bad),
                               "the list of numbers in the string goes wrong here");
    return count == reader->info.dim ? VECNA_OK : wrong_dim(reader, at, count, err);
}

static vecna_status unescaped(vecna_block *block, const vecna_json_token *token, vecna_text *out,
                              vecna_error *err) {
    void *memory;
    vecna_status status = vni_block_take(block, token->bytes + 1, &memory, err);
    if (status != VECNA_OK)
        return status;
    out->bytes = vecna_json_unescape(token, memory);
    out->data = memory;
    return VECNA_OK;
}

/* What an id or text is: a string's content, a number or anything else as written, null nothing. */
static vecna_status plain_value(vecna_block *block, const vecna_json_token *token,
                                const vecna_field *field, vecna_text *out, vecna_error *err) {
    if (token->kind == VECNA_JSON_NULL)
        return VECNA_OK;
    if (token->kind == VECNA_JSON_STRING && token->escaped)
        return unescaped(block, token, out, err);
    *out = field->value;
    if (token->kind == VECNA_JSON_STRING) {
        out->data++;
        out->bytes -= 2;
    }
    return VECNA_OK;
}

static vecna_status room_for_field(vecna_reader *reader, size_t count, vecna_error *err) {
    jsonl_state *state = reader->state;
    size_t capacity = state->fields_capacity ? state->fields_capacity * 2 : 16;
    vecna_field *grown;
    if (count < state->fields_capacity)
        return VECNA_OK;
    grown = vecna_resize(reader->allocator, state->fields, capacity, sizeof *grown);
    if (grown == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for %zu fields", capacity);
    state->fields = grown;
    state->fields_capacity = capacity;
    return VECNA_OK;
}

/* One member that is not the vector; its key has been read. */
static vecna_status read_field(vecna_reader *reader, vecna_json *json, const vecna_json_token *key,
                               vecna_block *block, vecna_record *record, vecna_error *err) {
    jsonl_state *state = reader->state;
    const vecna_file_info *info = &reader->info;
    vecna_json_token token, raw;
    vecna_field *field;
    vecna_status status = room_for_field(reader, record->field_count, err);
    if (status != VECNA_OK)
        return status;
    field = &state->fields[record->field_count];
    field->kind = VECNA_FIELD_JSON;
    status = unescaped(block, key, &field->name, err);
    if (status == VECNA_OK)
        status = vecna_json_next(json, &token, err);
    if (status == VECNA_OK)
        status = vecna_json_skip(json, &token, &raw, err);
    if (status == VECNA_OK)
        status = vni_block_text(block, raw.text, raw.bytes, &field->value, err);
    if (status == VECNA_OK && info->id_field && vecna_json_is(key, info->id_field))
        status = plain_value(block, &token, field, &record->id, err);
    if (status == VECNA_OK && info->text_field && vecna_json_is(key, info->text_field))
        status = plain_value(block, &token, field, &record->text, err);
    record->field_count += status == VECNA_OK;
    return status;
}

static vecna_status keep_fields(vecna_reader *reader, vecna_block *block, vecna_record *record,
                                vecna_error *err) {
    jsonl_state *state = reader->state;
    void *memory;
    vecna_status status;
    if (record->field_count == 0)
        return VECNA_OK;
    status = vni_block_take(block, record->field_count * sizeof *state->fields, &memory, err);
    if (status != VECNA_OK)
        return status;
    memcpy(memory, state->fields, record->field_count * sizeof *state->fields);
    record->fields = memory;
    return VECNA_OK;
}

/* The record whose first token is `token`, into a row; err is not NULL. */
static vecna_status read_record(vecna_reader *reader, vecna_json *json,
                                const vecna_json_token *token, vecna_block *block, float *out,
                                vecna_record *record, vecna_error *err) {
    const char *name = reader->info.vector_field;
    size_t at = (size_t)(token->text - json->text);
    size_t depth = json->depth - 1;
    int seen = 0;
    vecna_status status = VECNA_OK;

    *record = (vecna_record){{NULL, 0}, {NULL, 0}, NULL, 0, 0};
    if (token->kind == VECNA_JSON_ARRAY_BEGIN && name == NULL)
        return read_vector(reader, json, token, block, out, err);
    if (token->kind != VECNA_JSON_OBJECT_BEGIN || name == NULL)
        return vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)at,
                               "a record is %s here, as the first one is",
                               name ? "a JSON object" : "an array of numbers");
    while (status == VECNA_OK) {
        vecna_json_token key;
        status = vecna_json_next(json, &key, err);
        if (status != VECNA_OK || json->depth == depth)
            break;
        if (!vecna_json_is(&key, name)) {
            status = read_field(reader, json, &key, block, record, err);
            continue;
        }
        if (seen++)
            return vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)(key.text - json->text),
                                   "the field '%.64s' stands twice in a record", name);
        record->vector_at = record->field_count;
        status = vecna_json_next(json, &key, err);
        if (status == VECNA_OK)
            status = read_vector(reader, json, &key, block, out, err);
    }
    if (status == VECNA_OK && !seen)
        return vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)at,
                               "a record without the field '%.64s'; remove it or embed it", name);
    return status == VECNA_OK ? keep_fields(reader, block, record, err) : status;
}

/* ---- rows of a file in lines ----------------------------------------------------------------- */

static vecna_status read_line(vecna_reader *reader, vecna_block *block, float *out,
                              vecna_record *record, int *more, vecna_error *err) {
    vni_input *input = &reader->input;
    vecna_error inner = {VECNA_OK, 0, ""};
    vecna_json json;
    vecna_json_token token;
    vecna_text line = {NULL, 0};
    vecna_status status;

    do {
        status = vni_input_line(input, reader->options.max_line_bytes, &line, more, err);
        if (status != VECNA_OK || !*more)
            return status;
        vecna_json_init(&json, line.data, line.bytes, 0);
        while (json.at < line.bytes && (line.data[json.at] == ' ' || line.data[json.at] == '\t' ||
                                        line.data[json.at] == '\r'))
            json.at++;
    } while (json.at == line.bytes);
    status = vecna_json_next(&json, &token, &inner);
    if (status == VECNA_OK)
        status = read_record(reader, &json, &token, block, out, record, &inner);
    if (status == VECNA_OK)
        status = vecna_json_next(&json, &token, &inner);
    if (status == VECNA_OK)
        return VECNA_OK;
    if (status == VECNA_ERR_TRUNCATED && !(input->at_end && input->begin == input->end))
        inner.status = VECNA_ERR_FORMAT; /* other lines follow: this one is not cut but wrong */
    return vni_text_error(reader, input->line, (uint64_t)inner.position + 1, &inner, err);
}

/* ---- rows of a document ---------------------------------------------------------------------- */

/* From the top of the input into the array that holds the records. */
static vecna_status enter(vecna_reader *reader, vecna_json *json, vecna_error *err) {
    jsonl_state *state = reader->state;
    vecna_json_token token;
    vecna_status status = vecna_json_next(json, &token, err);
    if (status != VECNA_OK)
        return status;
    if (token.kind !=
        (state->shape == SHAPE_ARRAY ? VECNA_JSON_ARRAY_BEGIN : VECNA_JSON_OBJECT_BEGIN))
        return vecna_error_set(err, VECNA_ERR_FORMAT, 0, "%s is expected, as at the beginning",
                               state->shape == SHAPE_ARRAY ? "'['" : "'{'");
    while (state->shape == SHAPE_BODY) {
        vecna_json_token key;
        status = vecna_json_next(json, &key, err);
        if (status == VECNA_OK && key.kind == VECNA_JSON_OBJECT_END)
            return vecna_error_set(err, VECNA_ERR_FORMAT, 0, "a body without an array '%s'",
                                   state->body_name);
        if (status == VECNA_OK)
            status = vecna_json_next(json, &token, err);
        if (status != VECNA_OK)
            return status;
        if (token.kind == VECNA_JSON_ARRAY_BEGIN && vecna_json_is(&key, state->body_name))
            break;
        status = vecna_json_skip(json, &token, NULL, err);
        if (status != VECNA_OK)
            return status;
    }
    state->place = IN_ARRAY;
    state->behind_element = 0;
    return VECNA_OK;
}

/* One step through the document over the bytes in sight: *row is set when it was a record, *used to
 * the bytes that it took. The state changes only with VECNA_OK. */
static vecna_status step(vecna_reader *reader, const char *data, size_t bytes, vecna_block *block,
                         float *out, vecna_record *record, int *row, size_t *used,
                         vecna_error *err) {
    jsonl_state *state = reader->state;
    vecna_json json;
    vecna_json_token token;
    vecna_status status;

    if (state->place == AT_TOP) {
        vecna_json_init(&json, data, bytes, 0);
        if (state->shape != SHAPE_RECORDS) {
            status = enter(reader, &json, err);
        } else {
            status = vecna_json_next(&json, &token, err);
            if (status == VECNA_OK)
                status = read_record(reader, &json, &token, block, out, record, err);
            *row = 1;
        }
    } else if (state->place == IN_REST) {
        vni_json_resume(&json, data, bytes, 1, 1);
        status = leave(&json, 0, err);
        if (status == VECNA_OK)
            state->place = AT_TOP;
    } else {
        vni_json_resume(&json, data, bytes, 0, state->behind_element);
        status = vecna_json_next(&json, &token, err);
        if (status == VECNA_OK && token.kind == VECNA_JSON_ARRAY_END) {
            state->place = state->shape == SHAPE_BODY ? IN_REST : AT_TOP;
        } else if (status == VECNA_OK) {
            status = read_record(reader, &json, &token, block, out, record, err);
            *row = 1;
            state->behind_element |= status == VECNA_OK;
        }
    }
    *used = json.at;
    return status;
}

static vecna_status read_element(vecna_reader *reader, vecna_block *block, float *out,
                                 vecna_record *record, int *more, vecna_error *err) {
    size_t ask = 1;
    for (;;) {
        const unsigned char *data;
        size_t available, used = 0;
        int row = 0;
        vecna_error inner = {VECNA_OK, 0, ""};
        vecna_status status = skip_space(reader, err);
        if (status == VECNA_OK)
            status = vni_input_peek(&reader->input, ask, &data, &available, err);
        if (status != VECNA_OK)
            return status;
        *more = available > 0 || ((jsonl_state *)reader->state)->place != AT_TOP;
        if (!*more)
            return VECNA_OK;
        status =
            step(reader, (const char *)data, available, block, out, record, &row, &used, &inner);
        if (status == VECNA_OK) {
            consume(reader, (const char *)data, used);
            if (row)
                return VECNA_OK;
            ask = 1;
        } else if (status == VECNA_ERR_TRUNCATED) {
            status = ask_more(reader, (const char *)data, available, &ask, &inner, err);
            if (status != VECNA_OK)
                return status;
        } else {
            return located(reader, (const char *)data, &inner, err);
        }
    }
}

static vecna_status jsonl_read(vecna_reader *reader, vecna_block *block, size_t max_rows,
                               vecna_error *err) {
    const jsonl_state *state = reader->state;
    vecna_record *records;
    float *floats;
    size_t rows = 0;
    vecna_status status = vni_block_floats(block, max_rows, reader->info.dim, &floats, err);
    if (status == VECNA_OK)
        status = vni_block_records(block, max_rows, &records, err);
    while (status == VECNA_OK && rows < max_rows) {
        int more = 0;
        float *out = floats + rows * reader->info.dim;
        status = state->shape == SHAPE_LINES
                     ? read_line(reader, block, out, &records[rows], &more, err)
                     : read_element(reader, block, out, &records[rows], &more, err);
        if (!more)
            break;
        rows += status == VECNA_OK;
    }
    if (status == VECNA_OK)
        block->vectors.rows = rows;
    return status;
}

static void jsonl_close(vecna_reader *reader) {
    jsonl_state *state = reader->state;
    if (state != NULL)
        vecna_release(reader->allocator, state->fields);
    vecna_release(reader->allocator, state);
}

static int jsonl_detect(const vni_head *head) {
    size_t at = head->bytes >= 3 && memcmp(head->data, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    vecna_json json;
    vecna_json_token token;
    vecna_json_init(&json, (const char *)head->data + at, head->bytes - at, 0);
    if (vecna_json_next(&json, &token, NULL) != VECNA_OK)
        return VNI_NO;
    if (token.kind == VECNA_JSON_OBJECT_BEGIN)
        return vecna_json_next(&json, &token, NULL) == VECNA_OK ? VNI_CERTAIN : VNI_NO;
    if (token.kind != VECNA_JSON_ARRAY_BEGIN || vecna_json_next(&json, &token, NULL) != VECNA_OK)
        return VNI_NO;
    return token.kind == VECNA_JSON_OBJECT_BEGIN || token.kind == VECNA_JSON_ARRAY_BEGIN ||
                   token.kind == VECNA_JSON_NUMBER
               ? VNI_LIKELY
               : VNI_NO;
}

const vni_format vni_format_jsonl = {
    .info = {"jsonl", "jsonl ndjson json",
             "JSON: an object a line with id, text and embedding; arrays and response bodies too"},
    .detect = jsonl_detect,
    .open = jsonl_open,
    .read = jsonl_read,
    .close = jsonl_close,
    .begin = vni_jsonl_begin,
    .write = vni_jsonl_write,
    .abandon = vni_jsonl_abandon,
};
