/* Writing JSON cannot go wrong in the middle: the writer keeps its first failure and swallows the
 * rest, so that a report of fifty lines has one check at its end. The text grows by doubling up to
 * a cap it is born with. Vectors reserve their room once, then print without looking. */
#include "codec/codec_impl.h"

#include <assert.h>
#include <math.h>

enum { FIRST_BYTES = 256 };

void vecna_json_writer_init(vecna_json_writer *writer, size_t bytes_max,
                            const vecna_allocator *allocator) {
    memset(writer, 0, sizeof *writer);
    writer->bytes_max = bytes_max ? bytes_max : (size_t)1 << 30;
    if (allocator != NULL) {
        writer->allocator_copy = *allocator;
        writer->allocator = allocator;
    }
}

/* The writer may have been copied, so the pointer to its own copy is made when it is needed. */
static const vecna_allocator *allocator_of(const vecna_json_writer *writer) {
    return writer->allocator ? &writer->allocator_copy : NULL;
}

void vecna_json_writer_free(vecna_json_writer *writer) {
    if (writer == NULL)
        return;
    vecna_release(allocator_of(writer), writer->text);
    writer->text = NULL;
    writer->capacity = 0;
    vecna_json_writer_reset(writer);
}

void vecna_json_writer_reset(vecna_json_writer *writer) {
    writer->bytes = 0;
    writer->failed = VECNA_OK;
    writer->comma = 0;
    writer->key = 0;
    writer->depth = 0;
}

void vecna_json_writer_drain(vecna_json_writer *writer) {
    writer->bytes = 0;
}

vecna_status vecna_json_writer_finish(const vecna_json_writer *writer, vecna_error *err) {
    assert(writer->failed != VECNA_OK || (writer->depth == 0 && !writer->key));
    return vecna_json_writer_so_far(writer, err);
}

vecna_status vecna_json_writer_so_far(const vecna_json_writer *writer, vecna_error *err) {
    switch (writer->failed) {
    case VECNA_OK:
        return VECNA_OK;
    case VECNA_ERR_OVERFLOW:
        return vecna_error_set(err, VECNA_ERR_OVERFLOW, -1,
                               "JSON to be written is above its limit of %zu bytes",
                               writer->bytes_max);
    case VECNA_ERR_FORMAT:
        return vecna_error_set(err, VECNA_ERR_FORMAT, -1,
                               "a string to be written as JSON is not UTF-8");
    default:
        return vecna_error_set(err, writer->failed, -1, "no memory for %zu bytes of JSON",
                               writer->bytes);
    }
}

/* Room for `more` bytes behind the text; NULL when there is none and never was. */
static char *reserve(vecna_json_writer *writer, size_t more) {
    if (writer->failed != VECNA_OK)
        return NULL;
    if (more > writer->bytes_max - writer->bytes) {
        writer->failed = VECNA_ERR_OVERFLOW;
        return NULL;
    }
    if (more > writer->capacity - writer->bytes) {
        size_t capacity = writer->capacity ? writer->capacity : FIRST_BYTES;
        while (capacity - writer->bytes < more)
            capacity = capacity > writer->bytes_max / 2 ? writer->bytes_max : capacity * 2;
        char *text = vecna_resize(allocator_of(writer), writer->text, capacity, 1);
        if (text == NULL) {
            writer->failed = VECNA_ERR_MEMORY;
            return NULL;
        }
        writer->text = text;
        writer->capacity = capacity;
    }
    return writer->text + writer->bytes;
}

static void append(vecna_json_writer *writer, const char *text, size_t bytes) {
    char *to = reserve(writer, bytes);
    if (to == NULL)
        return;
    memcpy(to, text, bytes);
    writer->bytes += bytes;
}

/* The comma before a value or key, unless it is the first or belongs to a key. */
static void before_value(vecna_json_writer *writer) {
    if (writer->key)
        writer->key = 0;
    else if (writer->comma)
        append(writer, ",", 1);
    writer->comma = 1;
}

static void open_level(vecna_json_writer *writer, const char *bracket) {
    before_value(writer);
    append(writer, bracket, 1);
    writer->comma = 0;
    writer->depth++;
}

static void close_level(vecna_json_writer *writer, const char *bracket) {
    assert(writer->depth > 0 && !writer->key);
    append(writer, bracket, 1);
    writer->comma = 1;
    writer->depth--;
}

void vecna_json_write_object_begin(vecna_json_writer *writer) {
    open_level(writer, "{");
}

void vecna_json_write_object_end(vecna_json_writer *writer) {
    close_level(writer, "}");
}

void vecna_json_write_array_begin(vecna_json_writer *writer) {
    open_level(writer, "[");
}

void vecna_json_write_array_end(vecna_json_writer *writer) {
    close_level(writer, "]");
}

static size_t escape(unsigned char byte, char out[6]) {
    static const char hex[] = "0123456789abcdef";
    static const char letters[] = "btn\0fr"; /* 0x08 to 0x0D */
    out[0] = '\\';
    if (byte >= 0x20)
        out[1] = (char)byte;
    else if (byte >= 0x08 && byte <= 0x0D && letters[byte - 8] != '\0')
        out[1] = letters[byte - 8];
    else {
        memcpy(out + 1, "u00", 3);
        out[4] = hex[byte >> 4];
        out[5] = hex[byte & 15];
        return 6;
    }
    return 2;
}

/* A part of a string between its quotes. */
static void escaped(vecna_json_writer *writer, const char *text, size_t bytes) {
    size_t at = 0;
    int ascii = 1;
    while (at < bytes) {
        char buffer[6];
        size_t plain = vni_json_plain(text + at, bytes - at, &ascii);
        if (plain > 0)
            append(writer, text + at, plain);
        at += plain;
        if (at < bytes) {
            append(writer, buffer, escape((unsigned char)text[at], buffer));
            at++;
        }
    }
    if (!ascii && vecna_utf8_valid_bytes(text, bytes) != bytes && writer->failed == VECNA_OK)
        writer->failed = VECNA_ERR_FORMAT;
}

static void quoted(vecna_json_writer *writer, const char *text, size_t bytes) {
    append(writer, "\"", 1);
    escaped(writer, text, bytes);
    append(writer, "\"", 1);
}

void vni_json_write_string_parts(vecna_json_writer *writer, const char *const *parts,
                                 const size_t *bytes, size_t count) {
    before_value(writer);
    append(writer, "\"", 1);
    for (size_t i = 0; i < count; i++)
        escaped(writer, parts[i], bytes[i]);
    append(writer, "\"", 1);
}

void vecna_json_write_key_bytes(vecna_json_writer *writer, const char *key, size_t bytes) {
    assert(!writer->key && writer->depth > 0);
    before_value(writer);
    quoted(writer, key, bytes);
    append(writer, ":", 1);
    writer->key = 1;
}

void vecna_json_write_key(vecna_json_writer *writer, const char *key) {
    vecna_json_write_key_bytes(writer, key, strlen(key));
}

void vecna_json_write_string_bytes(vecna_json_writer *writer, const char *text, size_t bytes) {
    before_value(writer);
    quoted(writer, text, bytes);
}

void vecna_json_write_string(vecna_json_writer *writer, const char *text) {
    if (text == NULL)
        vecna_json_write_null(writer);
    else
        vecna_json_write_string_bytes(writer, text, strlen(text));
}

void vecna_json_write_u64(vecna_json_writer *writer, uint64_t value) {
    char buffer[20];
    char *at = buffer + sizeof buffer;
    do
        *--at = (char)('0' + value % 10);
    while ((value /= 10) != 0);
    before_value(writer);
    append(writer, at, (size_t)(buffer + sizeof buffer - at));
}

void vecna_json_write_i64(vecna_json_writer *writer, int64_t value) {
    if (value < 0) {
        before_value(writer);
        append(writer, "-", 1);
        writer->key = 1; /* the digits follow without a comma */
    }
    vecna_json_write_u64(writer, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void vecna_json_write_f64(vecna_json_writer *writer, double value) {
    char buffer[VECNA_NUMBER_BYTES];
    before_value(writer);
    if (isfinite(value))
        append(writer, buffer, vecna_number_print_f64(value, buffer));
    else
        append(writer, "null", 4);
}

void vecna_json_write_f32(vecna_json_writer *writer, float value) {
    char buffer[VECNA_NUMBER_BYTES];
    before_value(writer);
    if (isfinite(value))
        append(writer, buffer, vecna_number_print_f32(value, buffer));
    else
        append(writer, "null", 4);
}

void vecna_json_write_bool(vecna_json_writer *writer, int value) {
    before_value(writer);
    append(writer, value ? "true" : "false", value ? 4 : 5);
}

void vecna_json_write_null(vecna_json_writer *writer) {
    before_value(writer);
    append(writer, "null", 4);
}

void vecna_json_write_floats(vecna_json_writer *writer, const float *values, size_t count) {
    enum { BATCH = 64 };
    char buffer[BATCH * (VECNA_NUMBER_BYTES + 1)];
    vecna_json_write_array_begin(writer);
    for (size_t done = 0; done < count; done += BATCH) {
        size_t batch = count - done < BATCH ? count - done : BATCH;
        if (done > 0)
            append(writer, ",", 1);
        append(writer, buffer, vni_number_print_list(values + done, batch, ',', 1, buffer));
    }
    vecna_json_write_array_end(writer);
}

void vecna_json_write_base64(vecna_json_writer *writer, const void *data, size_t bytes) {
    size_t text_bytes = vecna_base64_text_bytes(bytes);
    before_value(writer);
    append(writer, "\"", 1);
    char *to = reserve(writer, text_bytes);
    if (to != NULL) {
        vecna_base64_encode(data, bytes, to);
        writer->bytes += text_bytes;
    }
    append(writer, "\"", 1);
}

void vecna_json_write_raw(vecna_json_writer *writer, const char *json, size_t bytes) {
    before_value(writer);
    append(writer, json, bytes);
}

void vecna_json_write_between(vecna_json_writer *writer, const char *text, size_t bytes) {
    append(writer, text, bytes);
    writer->comma = 0;
}
