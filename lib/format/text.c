/* What the text formats share. Numbers are read by the lenient grammar: "nan" in a table is what
 * its writer stored, and whether it may stay is not for a reader to decide. */
#include "format/text_impl.h"

#include <stdio.h>

const char *const vni_vector_names[] = {"embedding",    "vector", "embeddings", "values",
                                        "dense_vector", "emb",    "vec",        NULL};

int vni_vector_name_rank(const char *name, size_t bytes) {
    for (int i = 0; vni_vector_names[i]; i++)
        if (strlen(vni_vector_names[i]) == bytes && memcmp(vni_vector_names[i], name, bytes) == 0)
            return i;
    return -1;
}

vecna_status vni_text_skip_mark(vni_input *input, vecna_error *err) {
    const unsigned char *data;
    size_t available;
    vecna_status status = vni_input_peek(input, 3, &data, &available, err);
    if (status == VECNA_OK && available >= 3 && memcmp(data, "\xEF\xBB\xBF", 3) == 0)
        vni_input_skip(input, 3);
    return status;
}

/* Messages of codec say the byte, which counts from the start of a record: the line and the column
 * say it better. */
static void without_byte(char *message) {
    static const char words[] = " at byte ";
    char *from = strstr(message, words), *to;
    if (from == NULL)
        return;
    to = from + sizeof words - 1;
    to += strspn(to, "0123456789");
    from -= from > message && from[-1] == ',';
    memmove(from, to, strlen(to) + 1);
}

vecna_status vni_text_error(const vecna_reader *reader, uint64_t line, uint64_t column,
                            const vecna_error *inner, vecna_error *err) {
    char where[48] = "";
    vecna_error copy = *inner; /* inner and err may be the same */
    without_byte(copy.message);
    if (column > 0)
        snprintf(where, sizeof where, " column %llu", (unsigned long long)column);
    return vecna_error_set(err, copy.status, (int64_t)line, "%s line %llu%s: %s",
                           reader->input.name, (unsigned long long)line, where, copy.message);
}

static int is_blank(char byte) {
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

static size_t skip_blanks(const char *text, size_t bytes, size_t at) {
    while (at < bytes && is_blank(text[at]))
        at++;
    return at;
}

int vni_text_list(const char *text, size_t bytes, float *out, size_t capacity, size_t *count,
                  size_t *bad) {
    size_t at = skip_blanks(text, bytes, 0);
    char close = at < bytes && text[at] == '[' ? ']' : at < bytes && text[at] == '{' ? '}' : '\0';
    size_t read = 0;

    *bad = at;
    at += close != '\0';
    for (;;) {
        float value;
        size_t length;
        int comma = 0;
        at = skip_blanks(text, bytes, at);
        if (read > 0 && at < bytes && text[at] == ',') {
            comma = 1;
            at = skip_blanks(text, bytes, at + 1);
        }
        *bad = at;
        if (at == bytes || (close && text[at] == close)) {
            if (comma || (close && at == bytes) || skip_blanks(text, bytes, at + 1) < bytes)
                return 0;
            break;
        }
        length = vecna_number_parse_f32(text + at, bytes - at, VECNA_NUMBER_LENIENT, &value);
        if (length == 0)
            return 0;
        if (out != NULL && read < capacity)
            out[read] = value;
        read++;
        at += length;
        if (at < bytes && text[at] != ',' && text[at] != close && !is_blank(text[at])) {
            *bad = at;
            return 0;
        }
    }
    *count = read;
    return read > 0;
}

int vni_text_is_list(const char *text, size_t bytes) {
    size_t at = skip_blanks(text, bytes, 0), count, bad;
    return at < bytes && (text[at] == '[' || text[at] == '{') &&
           vni_text_list(text, bytes, NULL, 0, &count, &bad);
}

void vni_swap_little_endian(float *values, size_t count) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        bits = __builtin_bswap32(bits);
        memcpy(&values[i], &bits, sizeof bits);
    }
#else
    (void)values;
    (void)count;
#endif
}

int vni_text_number(const char *text, size_t bytes, float *out) {
    size_t at = skip_blanks(text, bytes, 0);
    size_t length = vecna_number_parse_f32(text + at, bytes - at, VECNA_NUMBER_LENIENT, out);
    return length > 0 && skip_blanks(text, bytes, at + length) == bytes;
}

vecna_status vni_text_dtype(const vecna_writer *writer, vecna_error *err) {
    if (writer->options.dtype == VECNA_F32)
        return VECNA_OK;
    return vecna_error_set(err, VECNA_ERR_UNSUPPORTED, -1,
                           "%s cannot be written as %s; a text format prints float32", writer->name,
                           vecna_dtype_name(writer->options.dtype));
}

vecna_status vni_room_need(vni_room *room, size_t more, const vecna_allocator *allocator,
                           const char *name, vecna_error *err) {
    size_t wanted;
    char *grown;
    if (more <= room->capacity - room->bytes)
        return VECNA_OK;
    if (!vecna_size_add(room->bytes, more, &wanted) || wanted > SIZE_MAX / 2)
        return vecna_error_set(err, VECNA_ERR_OVERFLOW, -1, "a row of %s is too long", name);
    wanted += wanted / 2;
    grown = vecna_resize(allocator, room->data, wanted, 1);
    if (grown == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a row of %s", name);
    room->data = grown;
    room->capacity = wanted;
    return VECNA_OK;
}

void vni_room_floats(vni_room *room, const float *values, size_t count, char between) {
    room->bytes += vni_number_print_list(values, count, between, 0, room->data + room->bytes);
}

int vni_field_is(const vecna_field *field, vecna_text text) {
    vecna_json_token token = {VECNA_JSON_STRING, 0, field->value.data, field->value.bytes};
    if (text.data == NULL)
        return 0;
    if (field->kind == VECNA_FIELD_JSON && token.bytes >= 2 && token.text[0] == '"') {
        token.text++;
        token.bytes -= 2;
        token.escaped = memchr(token.text, '\\', token.bytes) != NULL;
    }
    return vni_json_equals(&token, text.data, text.bytes);
}
