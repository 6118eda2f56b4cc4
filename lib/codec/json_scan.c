/* A pull scanner instead of a tree: a row of 1536 numbers never becomes 1536 nodes, memory does not
 * depend on the input, and a caller that wants three fields of a thousand skips the others. The
 * state is what may come next plus one bit a level (object or array), so that nesting needs no
 * stack of calls and hostile depth cannot reach it. Grammar and UTF-8 are checked as tokens pass; a
 * text that only ends too early is told apart, because a reader of streams then fetches more and
 * tries again. */
#include "codec/codec_impl.h"

#include <assert.h>

enum expectation {
    EXPECT_VALUE,        /* at the start, behind a colon or behind a comma of an array */
    EXPECT_VALUE_OR_END, /* behind [ */
    EXPECT_KEY,          /* behind a comma of an object */
    EXPECT_KEY_OR_END,   /* behind { */
    EXPECT_COMMA_OR_END, /* behind a value inside an object or array */
    EXPECT_NOTHING       /* behind the value */
};

void vecna_json_init(vecna_json *json, const char *text, size_t bytes, size_t depth_max) {
    memset(json, 0, sizeof *json);
    json->text = text;
    json->bytes = bytes;
    json->depth_max = depth_max == 0                     ? 64
                      : depth_max > VECNA_JSON_DEPTH_MAX ? VECNA_JSON_DEPTH_MAX
                                                         : depth_max;
    json->expect = EXPECT_VALUE;
}

void vni_json_resume(vecna_json *json, const char *text, size_t bytes, int object,
                     int behind_value) {
    vecna_json_init(json, text, bytes, 0);
    json->depth = 1;
    json->objects[0] = object ? 1 : 0;
    json->expect = behind_value ? EXPECT_COMMA_OR_END
                   : object     ? EXPECT_KEY_OR_END
                                : EXPECT_VALUE_OR_END;
}

static int inside_object(const vecna_json *json) {
    return json->depth > 0 && (json->objects[(json->depth - 1) / 64] >> (json->depth - 1) % 64 & 1);
}

static void skip_space(vecna_json *json) {
    while (json->at < json->bytes) {
        char byte = json->text[json->at];
        if (byte != ' ' && byte != '\n' && byte != '\r' && byte != '\t')
            return;
        json->at++;
    }
}

static vecna_status truncated(const vecna_json *json, vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_TRUNCATED, (int64_t)json->bytes,
                           "JSON: the text ends inside a value, at byte %zu", json->bytes);
}

static vecna_status unexpected(const vecna_json *json, const char *wanted, vecna_error *err) {
    unsigned byte = (unsigned char)json->text[json->at];
    if (byte > 0x20 && byte < 0x7F)
        return vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)json->at,
                               "JSON: '%c' at byte %zu where %s is expected", (char)byte, json->at,
                               wanted);
    return vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)json->at,
                           "JSON: byte 0x%02X at byte %zu where %s is expected", byte, json->at,
                           wanted);
}

static const char *wanted_by(const vecna_json *json) {
    switch (json->expect) {
    case EXPECT_VALUE:
        return "a value";
    case EXPECT_VALUE_OR_END:
        return "a value or ']'";
    case EXPECT_KEY:
        return "a key in quotes";
    case EXPECT_KEY_OR_END:
        return "a key in quotes or '}'";
    case EXPECT_COMMA_OR_END:
        return inside_object(json) ? "',' or '}'" : "',' or ']'";
    default:
        return "the end";
    }
}

/* A whole value has been read: what comes next. */
static void value_done(vecna_json *json) {
    json->expect = json->depth > 0 ? EXPECT_COMMA_OR_END : EXPECT_NOTHING;
}

/* ---- strings ------------------------------------------------------------------------------- */

static int hex_value(char digit) {
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if ((digit | 0x20) >= 'a' && (digit | 0x20) <= 'f')
        return (digit | 0x20) - 'a' + 10;
    return -1;
}

/* The code unit of \uXXXX whose X stand at text; -1 when they are no hexadecimal digits. */
static int code_unit(const char *text) {
    int unit = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_value(text[i]);
        if (digit < 0)
            return -1;
        unit = unit * 16 + digit;
    }
    return unit;
}

/* The escape whose backslash stands at *at: checks it and moves behind it. */
static vecna_status scan_escape(vecna_json *json, size_t *at, vecna_error *err) {
    size_t left = json->bytes - *at;
    const char *text = json->text + *at;
    int unit;

    if (left < 2)
        return truncated(json, err);
    if (text[1] != 'u') {
        json->at = *at + 1;
        if (text[1] == '\0' || strchr("\"\\/bfnrt", text[1]) == NULL)
            return unexpected(json, "one of \"\\/bfnrtu behind a backslash", err);
        *at += 2;
        return VECNA_OK;
    }
    if (left < 6)
        return truncated(json, err);
    unit = code_unit(text + 2);
    json->at = *at;
    if (unit >= 0xD800 && unit <= 0xDBFF) {
        if (left < 12 && (left < 7 || text[6] == '\\'))
            return truncated(json, err);
        int second = text[6] == '\\' && text[7] == 'u' ? code_unit(text + 8) : -1;
        if (second >= 0xDC00 && second <= 0xDFFF) {
            *at += 12;
            return VECNA_OK;
        }
    }
    if (unit < 0 || (unit >= 0xD800 && unit <= 0xDFFF))
        return vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)*at,
                               "JSON: the \\u escape at byte %zu is no character (four hexadecimal "
                               "digits, surrogates in pairs)",
                               *at);
    *at += 6;
    return VECNA_OK;
}

/* The string whose opening quote stands at json->at. */
static vecna_status scan_string(vecna_json *json, vecna_json_token *out, vecna_error *err) {
    size_t start = json->at + 1;
    size_t at = start;
    int ascii = 1;
    int escaped = 0;

    for (;;) {
        at += vni_json_plain(json->text + at, json->bytes - at, &ascii);
        if (at >= json->bytes)
            return truncated(json, err);
        if (json->text[at] == '"')
            break;
        if (json->text[at] != '\\') {
            json->at = at;
            return vecna_error_set(
                err, VECNA_ERR_FORMAT, (int64_t)at,
                "JSON: control character 0x%02X inside a string, at byte %zu; it "
                "must be escaped",
                (unsigned)(unsigned char)json->text[at], at);
        }
        escaped = 1;
        vecna_status status = scan_escape(json, &at, err);
        if (status != VECNA_OK)
            return status;
    }
    if (!ascii) {
        size_t valid = vecna_utf8_valid_bytes(json->text + start, at - start);
        if (valid < at - start)
            return vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)(start + valid),
                                   "JSON: a string is not UTF-8, at byte %zu", start + valid);
    }
    out->text = json->text + start;
    out->bytes = at - start;
    out->escaped = escaped;
    json->at = at + 1;
    return VECNA_OK;
}

/* ---- tokens -------------------------------------------------------------------------------- */

static const char *digits_end(const char *at, const char *end) {
    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return at;
}

/* The text from `at` to its end is a number whose rest is missing: "-", "1.", "1e+". */
static int is_begun_number(const char *at, const char *end) {
    const char *first;
    at += at < end && *at == '-';
    first = at;
    at = at < end && *at == '0' ? at + 1 : digits_end(at, end);
    if (at == end)
        return 1;
    if (at > first && *at == '.') {
        first = ++at;
        at = digits_end(at, end);
        if (at == end)
            return 1;
    }
    if (at == first || (*at | 0x20) != 'e')
        return 0;
    at++;
    at += at < end && (*at == '-' || *at == '+');
    return at == end;
}

static vecna_status scan_number(vecna_json *json, vecna_json_token *out, vecna_error *err) {
    double ignored;
    const char *start = json->text + json->at;
    size_t bytes =
        vecna_number_parse_f64(start, json->bytes - json->at, VECNA_NUMBER_JSON, &ignored);
    size_t at = json->at + bytes;

    /* At the very end more digits could follow. */
    if (at == json->bytes && json->depth > 0)
        return truncated(json, err);
    if (bytes == 0 && is_begun_number(start, json->text + json->bytes))
        return truncated(json, err);
    if (bytes == 0)
        return vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)json->at,
                               "JSON: no valid number at byte %zu", json->at);
    if (at < json->bytes && json->text[at] != '\0' &&
        strchr("+-.0123456789", json->text[at]) != NULL)
        return vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)json->at,
                               "JSON: no valid number at byte %zu (a leading zero, or two signs)",
                               json->at);
    out->kind = VECNA_JSON_NUMBER;
    out->text = start;
    out->bytes = bytes;
    json->at = at;
    value_done(json);
    return VECNA_OK;
}

static vecna_status scan_word(vecna_json *json, const char *word, vecna_json_kind kind,
                              vecna_json_token *out, vecna_error *err) {
    size_t length = strlen(word);
    size_t left = json->bytes - json->at;
    if (memcmp(json->text + json->at, word, left < length ? left : length) != 0)
        return unexpected(json, wanted_by(json), err);
    if (left < length)
        return truncated(json, err);
    out->kind = kind;
    out->text = json->text + json->at;
    out->bytes = length;
    json->at += length;
    value_done(json);
    return VECNA_OK;
}

static vecna_status open_level(vecna_json *json, int object, vecna_json_token *out,
                               vecna_error *err) {
    if (json->depth >= json->depth_max)
        return vecna_error_set(err, VECNA_ERR_UNSUPPORTED, (int64_t)json->at,
                               "JSON: nested deeper than %zu levels, at byte %zu", json->depth_max,
                               json->at);
    if (object)
        json->objects[json->depth / 64] |= UINT64_C(1) << json->depth % 64;
    else
        json->objects[json->depth / 64] &= ~(UINT64_C(1) << json->depth % 64);
    json->depth++;
    json->expect = object ? EXPECT_KEY_OR_END : EXPECT_VALUE_OR_END;
    out->kind = object ? VECNA_JSON_OBJECT_BEGIN : VECNA_JSON_ARRAY_BEGIN;
    out->text = json->text + json->at;
    out->bytes = 1;
    json->at++;
    return VECNA_OK;
}

static vecna_status close_level(vecna_json *json, vecna_json_token *out) {
    out->kind = inside_object(json) ? VECNA_JSON_OBJECT_END : VECNA_JSON_ARRAY_END;
    out->text = json->text + json->at;
    out->bytes = 1;
    json->at++;
    json->depth--;
    value_done(json);
    return VECNA_OK;
}

static vecna_status scan_value(vecna_json *json, vecna_json_token *out, vecna_error *err) {
    char byte = json->text[json->at];
    vecna_status status;

    switch (byte) {
    case '{':
        return open_level(json, 1, out, err);
    case '[':
        return open_level(json, 0, out, err);
    case '"':
        status = scan_string(json, out, err);
        if (status == VECNA_OK) {
            out->kind = VECNA_JSON_STRING;
            value_done(json);
        }
        return status;
    case 't':
        return scan_word(json, "true", VECNA_JSON_TRUE, out, err);
    case 'f':
        return scan_word(json, "false", VECNA_JSON_FALSE, out, err);
    case 'n':
        return scan_word(json, "null", VECNA_JSON_NULL, out, err);
    default:
        if (byte == '-' || (byte >= '0' && byte <= '9'))
            return scan_number(json, out, err);
        return unexpected(json, wanted_by(json), err);
    }
}

static vecna_status scan_key(vecna_json *json, vecna_json_token *out, vecna_error *err) {
    vecna_status status;
    if (json->text[json->at] != '"')
        return unexpected(json, wanted_by(json), err);
    status = scan_string(json, out, err);
    if (status != VECNA_OK)
        return status;
    skip_space(json);
    if (json->at == json->bytes)
        return truncated(json, err);
    if (json->text[json->at] != ':')
        return unexpected(json, "':'", err);
    json->at++;
    out->kind = VECNA_JSON_KEY;
    json->expect = EXPECT_VALUE;
    return VECNA_OK;
}

vecna_status vecna_json_next(vecna_json *json, vecna_json_token *out, vecna_error *err) {
    vecna_json_token token = {VECNA_JSON_END, 0, json->text, 0};
    vecna_status status = VECNA_OK;
    int object = inside_object(json);
    char end = object ? '}' : ']';

    skip_space(json);
    if (json->at == json->bytes) {
        if (json->expect != EXPECT_NOTHING)
            return truncated(json, err);
        *out = token;
        return VECNA_OK;
    }
    if (json->expect == EXPECT_NOTHING)
        return unexpected(json, "the end", err);
    if (json->expect == EXPECT_COMMA_OR_END && json->text[json->at] == ',') {
        json->at++;
        json->expect = object ? EXPECT_KEY : EXPECT_VALUE;
        skip_space(json);
        if (json->at == json->bytes)
            return truncated(json, err);
    }
    if (json->expect != EXPECT_KEY && json->expect != EXPECT_VALUE && json->text[json->at] == end)
        status = close_level(json, &token);
    else if (json->expect == EXPECT_COMMA_OR_END)
        status = unexpected(json, wanted_by(json), err);
    else if (json->expect == EXPECT_KEY || json->expect == EXPECT_KEY_OR_END)
        status = scan_key(json, &token, err);
    else
        status = scan_value(json, &token, err);
    if (status == VECNA_OK)
        *out = token;
    return status;
}

vecna_status vecna_json_skip(vecna_json *json, const vecna_json_token *first, vecna_json_token *raw,
                             vecna_error *err) {
    vecna_json_token token = *first;
    const char *start = first->text - (first->kind == VECNA_JSON_STRING);

    assert(first->kind != VECNA_JSON_KEY && first->kind != VECNA_JSON_OBJECT_END &&
           first->kind != VECNA_JSON_ARRAY_END && first->kind != VECNA_JSON_END);
    if (first->kind == VECNA_JSON_OBJECT_BEGIN || first->kind == VECNA_JSON_ARRAY_BEGIN) {
        size_t depth = json->depth - 1;
        while (json->depth > depth) {
            vecna_status status = vecna_json_next(json, &token, err);
            if (status != VECNA_OK)
                return status;
        }
    }
    if (raw != NULL) {
        raw->kind = first->kind;
        raw->escaped = 0;
        raw->text = start;
        raw->bytes = (size_t)(json->text + json->at - start);
    }
    return VECNA_OK;
}

vecna_status vecna_json_floats(vecna_json *json, float *out, size_t capacity, size_t *count,
                               vecna_error *err) {
    const char *at = json->text + json->at;
    const char *end = json->text + json->bytes;
    size_t read;
    vecna_json_token token;
    vecna_status status;

    assert(json->expect == EXPECT_VALUE_OR_END && !inside_object(json));
    read = vni_number_list_f32(&at, end, out, capacity);
    json->at = (size_t)(at - json->text);
    if (read > 0)
        json->expect = EXPECT_COMMA_OR_END;
    if (at == end) /* the last number might go on */
        return truncated(json, err);
    /* The list stops before what is no number; the scanner says what is wrong with it. */
    status = vecna_json_next(json, &token, err);
    if (status != VECNA_OK)
        return status;
    if (token.kind == VECNA_JSON_ARRAY_END) {
        *count = read;
        return VECNA_OK;
    }
    if (token.kind == VECNA_JSON_NUMBER)
        return vecna_error_set(err, VECNA_ERR_DIM, (int64_t)(token.text - json->text),
                               "JSON: an array holds more than %zu numbers", capacity);
    return vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)(token.text - json->text),
                           "JSON: element %zu of an array of numbers is no number", read);
}

/* ---- what a token says --------------------------------------------------------------------- */

static char *put_utf8(char *to, uint32_t code) {
    if (code < 0x80) {
        *to++ = (char)code;
    } else if (code < 0x800) {
        *to++ = (char)(0xC0 | code >> 6);
        *to++ = (char)(0x80 | (code & 63));
    } else if (code < 0x10000) {
        *to++ = (char)(0xE0 | code >> 12);
        *to++ = (char)(0x80 | (code >> 6 & 63));
        *to++ = (char)(0x80 | (code & 63));
    } else {
        *to++ = (char)(0xF0 | code >> 18);
        *to++ = (char)(0x80 | (code >> 12 & 63));
        *to++ = (char)(0x80 | (code >> 6 & 63));
        *to++ = (char)(0x80 | (code & 63));
    }
    return to;
}

/* The character at *from (an escape or one byte) into `to`, at most 4 bytes; *from moves on. */
static char *one_character(const char **from, char *to) {
    const char *at = *from;
    if (*at != '\\') {
        *to = *at;
        *from = at + 1;
        return to + 1;
    }
    *from = at + 2;
    switch (at[1]) {
    case 'b':
        *to = '\b';
        return to + 1;
    case 'f':
        *to = '\f';
        return to + 1;
    case 'n':
        *to = '\n';
        return to + 1;
    case 'r':
        *to = '\r';
        return to + 1;
    case 't':
        *to = '\t';
        return to + 1;
    case 'u':
        break;
    default:
        *to = at[1];
        return to + 1;
    }
    uint32_t code = (uint32_t)code_unit(at + 2);
    *from = at + 6;
    if (code >= 0xD800 && code <= 0xDBFF) {
        code = 0x10000 + ((code - 0xD800) << 10) + ((uint32_t)code_unit(at + 8) - 0xDC00);
        *from = at + 12;
    }
    return put_utf8(to, code);
}

size_t vecna_json_unescape(const vecna_json_token *token, char *out) {
    const char *from = token->text;
    const char *end = from + token->bytes;
    char *to = out;

    if (!token->escaped) {
        memcpy(out, token->text, token->bytes);
        return token->bytes;
    }
    while (from < end)
        to = one_character(&from, to);
    return (size_t)(to - out);
}

int vni_json_equals(const vecna_json_token *token, const char *data, size_t bytes) {
    const char *from = token->text;
    const char *end = from + token->bytes;

    if (token->kind != VECNA_JSON_KEY && token->kind != VECNA_JSON_STRING)
        return 0;
    if (!token->escaped)
        return token->bytes == bytes && memcmp(from, data, bytes) == 0;
    while (from < end) {
        char buffer[4];
        size_t length = (size_t)(one_character(&from, buffer) - buffer);
        if (length > bytes || memcmp(buffer, data, length) != 0)
            return 0;
        data += length;
        bytes -= length;
    }
    return bytes == 0;
}

int vecna_json_is(const vecna_json_token *token, const char *text) {
    return vni_json_equals(token, text, strlen(text));
}

int vecna_json_i64(const vecna_json_token *token, int64_t *out) {
    const char *at = token->text;
    const char *end = at + token->bytes;
    int negative = token->bytes > 0 && *at == '-';
    uint64_t value = 0;

    if (token->kind != VECNA_JSON_NUMBER)
        return 0;
    for (at += negative; at < end; at++) {
        unsigned digit = (unsigned char)(*at - '0');
        if (digit > 9 || value > (UINT64_MAX - digit) / 10)
            return 0;
        value = value * 10 + digit;
    }
    if (value > (uint64_t)INT64_MAX + (uint64_t)negative)
        return 0;
    *out = negative ? (int64_t)(0 - value) : (int64_t)value;
    return 1;
}
