/* Errors in every provider's own shape, so that its SDK raises its own exception, and out of any
 * shape into one. The shapes are few and overlap; reading them is therefore one walk that collects
 * the members with a telling name, wherever they stand in the first levels. */
#include "codec/codec_impl.h"
#include "wire/wire_impl.h"

#include <stdarg.h>
#include <stdio.h>

typedef struct class_row {
    int http_status;
    const char *type;
    const char *google;
} class_row;

static const class_row classes[] = {
#define ROW(name, status, type, google) {status, type, google},
    VECNA_WIRE_FAILURE_LIST(ROW)
#undef ROW
};

static const class_row *row_of(const vecna_wire_failure *failure) {
    return &classes[failure->category];
}

static vecna_status status_of(vecna_wire_failure_class category) {
    switch (category) {
    case VECNA_WIRE_NOT_FOUND:
        return VECNA_ERR_NOT_FOUND;
    case VECNA_WIRE_TOO_LARGE:
        return VECNA_ERR_OVERFLOW;
    case VECNA_WIRE_UNIMPLEMENTED:
        return VECNA_ERR_UNSUPPORTED;
    case VECNA_WIRE_INTERNAL:
    case VECNA_WIRE_UPSTREAM:
    case VECNA_WIRE_UNAVAILABLE:
    case VECNA_WIRE_UPSTREAM_TIMEOUT:
    case VECNA_WIRE_TIMEOUT:
        return VECNA_ERR_IO;
    default:
        return VECNA_ERR_ARGUMENT;
    }
}

vecna_status vecna_wire_failure_set(vecna_wire_failure *failure, vecna_wire_failure_class category,
                                    const char *format, ...) {
    char message[sizeof failure->error.message];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    failure->category = category;
    failure->param[0] = failure->code[0] = '\0';
    failure->retry_after_ms = -1;
    failure->final = !vecna_wire_failure_is_temporary(failure);
    return vecna_error_set(&failure->error, status_of(category), -1, "%s", message);
}

int vecna_wire_failure_status(const vecna_wire_failure *failure) {
    return row_of(failure)->http_status;
}

int vecna_wire_failure_is_temporary(const vecna_wire_failure *failure) {
    int status = row_of(failure)->http_status;
    return status == 408 || status == 409 || status == 429 || (status >= 500 && status != 501);
}

/* ---- out ------------------------------------------------------------------------------------- */

static void member(vecna_json_writer *writer, const char *key, const char *value) {
    vecna_json_write_key(writer, key);
    vecna_json_write_string(writer, value);
}

/* The four members of OpenAI's error; an empty param or code is null. */
static void write_members(const vecna_wire_failure *failure, vecna_json_writer *writer) {
    member(writer, "message", failure->error.message);
    /* OpenAI gives this one its code as its type */
    member(writer, "type",
           strcmp(failure->code, "max_tokens_per_request") == 0 ? failure->code
                                                                : row_of(failure)->type);
    member(writer, "param", failure->param[0] ? failure->param : NULL);
    member(writer, "code", failure->code[0] ? failure->code : NULL);
}

static void write_google(const vecna_wire_failure *failure, vecna_json_writer *writer) {
    vecna_json_write_key(writer, "error");
    vecna_json_write_object_begin(writer);
    vecna_json_write_key(writer, "code");
    vecna_json_write_i64(writer, row_of(failure)->http_status);
    member(writer, "message", failure->error.message);
    member(writer, "status", row_of(failure)->google);
    if (failure->retry_after_ms >= 0) {
        char delay[32];
        (void)snprintf(delay, sizeof delay, "%lld.%03llds",
                       (long long)(failure->retry_after_ms / 1000),
                       (long long)(failure->retry_after_ms % 1000));
        vecna_json_write_key(writer, "details");
        vecna_json_write_array_begin(writer);
        vecna_json_write_object_begin(writer);
        member(writer, "@type", "type.googleapis.com/google.rpc.RetryInfo");
        member(writer, "retryDelay", delay);
        vecna_json_write_object_end(writer);
        vecna_json_write_array_end(writer);
    }
    vecna_json_write_object_end(writer);
}

void vecna_wire_failure_write(const vecna_wire_failure *failure, vecna_json_writer *writer) {
    vecna_json_write_object_begin(writer);
    switch (failure->dialect) {
    case VECNA_WIRE_GOOGLE:
        write_google(failure, writer);
        break;
    case VECNA_WIRE_OLLAMA:
        member(writer, "error", failure->error.message);
        break;
    case VECNA_WIRE_COHERE:
        member(writer, "message", failure->error.message);
        break;
    case VECNA_WIRE_VOYAGE:
    case VECNA_WIRE_JINA:
        member(writer, "detail", failure->error.message);
        break;
    case VECNA_WIRE_MISTRAL:
        member(writer, "object", "error");
        write_members(failure, writer);
        break;
    case VECNA_WIRE_TEI:
        member(writer, "error", failure->error.message);
        member(writer, "error_type", row_of(failure)->http_status < 500 ? "Validation" : "Backend");
        break;
    default:
        vecna_json_write_key(writer, "error");
        vecna_json_write_object_begin(writer);
        write_members(failure, writer);
        vecna_json_write_object_end(writer);
        if (failure->unread) {
            member(writer, "detail", failure->error.message);
            member(writer, "message", failure->error.message);
        }
    }
    vecna_json_write_object_end(writer);
}

size_t vecna_wire_failure_headers(const vecna_wire_failure *failure, vecna_wire_header out[4]) {
    size_t count = 0;
    int64_t ms = failure->retry_after_ms;
    if (ms >= 0) {
        int64_t seconds = ms / 1000 + (ms % 1000 != 0);
        out[count].name = "retry-after";
        (void)snprintf(out[count].value, sizeof out->value, "%lld",
                       (long long)(seconds < 1 ? 1 : seconds));
        count++;
        out[count].name = "retry-after-ms";
        (void)snprintf(out[count].value, sizeof out->value, "%lld", (long long)ms);
        count++;
    }
    if (failure->final) {
        out[count].name = "x-should-retry";
        (void)snprintf(out[count].value, sizeof out->value, "false");
        count++;
    }
    if (failure->category == VECNA_WIRE_UNAUTHORIZED) {
        out[count].name = "www-authenticate";
        (void)snprintf(out[count].value, sizeof out->value, "Bearer");
        count++;
    }
    return count;
}

/* ---- in -------------------------------------------------------------------------------------- */

static vecna_wire_failure_class class_of(int http_status) {
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (classes[i].http_status == http_status)
            return (vecna_wire_failure_class)i;
    switch (http_status) {
    case 424: /* TEI: the model failed */
        return VECNA_WIRE_UPSTREAM;
    case 498: /* Cohere: invalid token */
        return VECNA_WIRE_UNAUTHORIZED;
    case 402:
        return VECNA_WIRE_FORBIDDEN;
    case 499:
        return VECNA_WIRE_TIMEOUT;
    case 529: /* overloaded */
        return VECNA_WIRE_UNAVAILABLE;
    default:
        return http_status >= 500                        ? VECNA_WIRE_UPSTREAM
               : http_status >= 400 && http_status < 500 ? VECNA_WIRE_INVALID
                                                         : VECNA_WIRE_UPSTREAM;
    }
}

/* What the walk has found; the first of each wins. */
typedef struct found {
    char message[240];
    char param[64];
    char code[48];
    int64_t retry_after_ms;
} found;

static void copy_text(const vecna_json_token *token, char *out, size_t capacity) {
    char small[1024];
    size_t bytes = token->bytes;
    if (out[0] != '\0' || token->kind != VECNA_JSON_STRING)
        return;
    if (bytes <= sizeof small) {
        bytes = vecna_json_unescape(token, small);
        (void)snprintf(out, capacity, "%.*s", (int)bytes, small);
    } else { /* too long to matter to the letter: as it stands */
        (void)snprintf(out, capacity, "%.*s", (int)(capacity - 1), token->text);
    }
}

/* "34s", "1.5s" */
static int64_t delay_ms(const vecna_json_token *token) {
    double seconds;
    size_t used = vecna_number_parse_f64(token->text, token->bytes, VECNA_NUMBER_JSON, &seconds);
    if (used == 0 || used + 1 != token->bytes || token->text[used] != 's' || seconds < 0 ||
        seconds > 1e6)
        return -1;
    return (int64_t)(seconds * 1000.0);
}

static void take_member(const vecna_json_token *key, const vecna_json_token *value, found *out) {
    static const char *const messages[] = {"message", "error",         "detail",
                                           "msg",     "error_message", "error_description"};
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++)
        if (vecna_json_is(key, messages[i]))
            copy_text(value, out->message, sizeof out->message);
    if (vecna_json_is(key, "param"))
        copy_text(value, out->param, sizeof out->param);
    if (vecna_json_is(key, "code"))
        copy_text(value, out->code, sizeof out->code);
    if (vecna_json_is(key, "retryDelay") && value->kind == VECNA_JSON_STRING &&
        out->retry_after_ms < 0)
        out->retry_after_ms = delay_ms(value);
}

/* The whole body, or as much as is JSON; 1 when all of it is. */
static int walk(const char *body, size_t bytes, found *out) {
    vecna_json json;
    vecna_json_token token, key = {VECNA_JSON_END, 0, NULL, 0};
    vecna_json_init(&json, body, bytes, VNI_WIRE_DEPTH);
    for (;;) {
        if (vecna_json_next(&json, &token, NULL) != VECNA_OK)
            return 0;
        if (token.kind == VECNA_JSON_END)
            return 1;
        if (token.kind == VECNA_JSON_KEY) {
            key = token;
            continue;
        }
        if (key.text && (token.kind == VECNA_JSON_STRING || token.kind == VECNA_JSON_NUMBER))
            take_member(&key, &token, out);
        else if (token.kind == VECNA_JSON_STRING && json.depth <= 2)
            copy_text(&token, out->message, sizeof out->message); /* a bare text, a list of them */
        if (token.kind != VECNA_JSON_ARRAY_BEGIN)
            key.text = NULL; /* {"detail":["..."]}: the key goes for the elements too */
    }
}

/* The first line of a body that is no JSON: what an HTML page says is only its title. */
static void plain_text(const char *body, size_t bytes, found *out) {
    const char *title = NULL;
    size_t start = 0, end;
    for (size_t i = 0; i + 7 <= bytes && !title; i++)
        if (memcmp(body + i, "<title>", 7) == 0)
            title = body + i + 7;
    if (title)
        start = (size_t)(title - body);
    while (start < bytes && (unsigned char)body[start] <= ' ')
        start++;
    if (start < bytes && body[start] == '<')
        return;
    end = start;
    while (end < bytes && end - start < sizeof out->message - 1 && body[end] != '\n' &&
           body[end] != '\r' && !(title && body[end] == '<'))
        end++;
    (void)snprintf(out->message, sizeof out->message, "%.*s", (int)(end - start), body + start);
}

/* Days from 1970-01-01 of a date of the Gregorian calendar. */
static int64_t days_of(int64_t year, int64_t month, int64_t day) {
    int64_t era, of_era;
    year -= month <= 2;
    era = year / 400;
    of_era = year - era * 400;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 +
           (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1 - 719468;
}

/* "Wed, 21 Oct 2015 07:28:00 GMT"; -1 when it is none. */
static int64_t date_of(vecna_wire_text text) {
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char copy[32];
    char month[4];
    int day, year, hour, minute, second;
    const char *name;
    if (text.bytes < 25 || text.bytes >= sizeof copy)
        return -1;
    memcpy(copy, text.data, text.bytes);
    copy[text.bytes] = '\0';
    if (sscanf(copy + 4, "%2d %3s %4d %2d:%2d:%2d", &day, month, &year, &hour, &minute, &second) !=
        6)
        return -1;
    name = strstr(months, month);
    if (strlen(month) != 3 || name == NULL || (name - months) % 3 != 0 || day < 1 || day > 31 ||
        hour > 23 || minute > 59 || second > 60 || hour < 0 || minute < 0 || second < 0)
        return -1;
    return days_of(year, (name - months) / 3 + 1, day) * 86400 + hour * 3600 + minute * 60 + second;
}

/* Milliseconds of a header value that is a number of units of `unit` ms; -1 when it is none. */
static int64_t header_ms(vecna_wire_text value, double unit) {
    double number;
    if (value.bytes == 0 ||
        vecna_number_parse_f64(value.data, value.bytes, VECNA_NUMBER_JSON, &number) !=
            value.bytes ||
        number < 0 || number > 1e9)
        return -1;
    return (int64_t)(number * unit);
}

static int64_t retry_ms(const vecna_wire_retry *retry) {
    int64_t ms = header_ms(retry->retry_after_ms, 1.0);
    if (ms < 0)
        ms = header_ms(retry->retry_after, 1000.0);
    if (ms < 0 && retry->now > 0) {
        int64_t date = date_of(retry->retry_after);
        if (date >= 0)
            ms = date > retry->now ? (date - retry->now) * 1000 : 0;
    }
    return ms;
}

void vecna_wire_failure_read(int http_status, const char *body, size_t bytes,
                             const vecna_wire_retry *retry, vecna_wire_failure *out) {
    found what = {"", "", "", -1};
    if (!walk(body, bytes, &what) && what.message[0] == '\0')
        plain_text(body, bytes, &what);
    if (what.message[0] == '\0')
        (void)snprintf(what.message, sizeof what.message, "HTTP %d", http_status);
    vecna_wire_failure_set(out, class_of(http_status), "%s", what.message);
    memcpy(out->param, what.param, sizeof out->param);
    memcpy(out->code, what.code, sizeof out->code);
    out->retry_after_ms = what.retry_after_ms;
    if (retry) {
        int64_t ms = retry_ms(retry);
        if (ms >= 0)
            out->retry_after_ms = ms;
        if (vecna_wire_text_is(retry->should_retry, "true"))
            out->final = 0;
        else if (vecna_wire_text_is(retry->should_retry, "false"))
            out->final = 1;
    }
}
