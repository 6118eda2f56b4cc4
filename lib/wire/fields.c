/* Requests are read member by member against a table of the fields that a provider knows: one pass,
 * no tree, and a word on every field that is not understood. Wrong values are refused in the field's
 * name, because a client that sends them cannot see what this side made of them. */
#include "wire/wire_impl.h"

#include <stdarg.h>
#include <stdio.h>

/* What would let a client choose where its request goes or whose key pays for it. */
static const char *const steering[] = {
    "api_base",      "base_url", "api_key",  "api_url",    "azure_endpoint", "custom_llm_provider",
    "extra_headers", "headers",  "upstream", "target_url", "custom_host",    "provider_url"};

vecna_status vni_wire_refuse(vni_wire_parse *parse, const char *code, const char *format, ...) {
    char message[sizeof parse->failure->error.message];
    va_list arguments;
    vecna_status status;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    status = vecna_wire_failure_set(parse->failure, VECNA_WIRE_INVALID, "%s", message);
    if (parse->field)
        (void)snprintf(parse->failure->param, sizeof parse->failure->param, "%s", parse->field);
    if (code)
        (void)snprintf(parse->failure->code, sizeof parse->failure->code, "%s", code);
    return status;
}

vecna_status vni_wire_no_memory(vni_wire_parse *parse) {
    vecna_wire_failure_set(parse->failure, VECNA_WIRE_UNAVAILABLE,
                           "not enough memory for the request");
    return parse->failure->error.status = VECNA_ERR_MEMORY;
}

vecna_status vni_wire_scan_failed(vni_wire_parse *parse, vecna_status status,
                                  const vecna_error *err) {
    vecna_wire_failure_set(parse->failure, VECNA_WIRE_INVALID,
                           "the request body is not valid JSON: %s", err->message);
    parse->failure->error.position = err->position;
    return parse->failure->error.status = status;
}

vecna_status vni_wire_next(vni_wire_parse *parse, vecna_json_token *out) {
    vecna_error err;
    vecna_status status = vecna_json_next(&parse->json, out, &err);
    return status == VECNA_OK ? VECNA_OK : vni_wire_scan_failed(parse, status, &err);
}

vecna_status vni_wire_skip(vni_wire_parse *parse, const vecna_json_token *value) {
    vecna_error err;
    vecna_status status = vecna_json_skip(&parse->json, value, NULL, &err);
    return status == VECNA_OK ? VECNA_OK : vni_wire_scan_failed(parse, status, &err);
}

/* ---- members --------------------------------------------------------------------------------- */

static vecna_status unknown_field(vni_wire_parse *parse, const vecna_json_token *key) {
    int bytes = (int)(key->bytes > 60 ? 60 : key->bytes);
    for (size_t i = 0; i < sizeof steering / sizeof *steering; i++)
        if (vecna_json_is(key, steering[i])) {
            parse->field = steering[i];
            return vni_wire_refuse(parse, NULL,
                                   "'%s' is not accepted: where requests go is for the server's "
                                   "configuration to say",
                                   steering[i]);
        }
    if (parse->limits.ignore_unknown || parse->failure->dialect == VECNA_WIRE_OLLAMA)
        return VECNA_OK;
    parse->field = NULL;
    switch (parse->failure->dialect) {
    case VECNA_WIRE_GOOGLE:
        return vni_wire_refuse(parse, NULL,
                               "Invalid JSON payload received. Unknown name \"%.*s\": Cannot find "
                               "field.",
                               bytes, key->text);
    case VECNA_WIRE_COHERE:
        return vni_wire_refuse(parse, NULL, "unknown field: parameter '%.*s' is not a valid field",
                               bytes, key->text);
    default:
        return vni_wire_refuse(parse, NULL, "Unrecognized request argument supplied: %.*s", bytes,
                               key->text);
    }
}

/* The value of fields[i]; a field that stands twice is refused, also when one of the two is null. */
static vecna_status take_field(vni_wire_parse *parse, const vni_wire_field *field, int met,
                               const vecna_json_token *value) {
    parse->field = field->name;
    if (met)
        return vni_wire_refuse(parse, NULL, "'%s' stands twice in the request", field->name);
    if (value->kind == VECNA_JSON_NULL)
        return VECNA_OK;
    return field->take ? field->take(parse, value) : vni_wire_skip(parse, value);
}

vecna_status vni_wire_object(vni_wire_parse *parse, const vni_wire_field *fields, size_t count,
                             uint64_t *seen) {
    vecna_json_token key, value;
    uint64_t met = 0, present = 0;
    const char *outer = parse->field;
    vecna_status status;
    for (;;) {
        size_t i = 0;
        status = vni_wire_next(parse, &key);
        if (status != VECNA_OK || key.kind == VECNA_JSON_OBJECT_END)
            break;
        while (i < count && !vecna_json_is(&key, fields[i].name))
            i++;
        status = i < count ? VECNA_OK : unknown_field(parse, &key);
        if (status == VECNA_OK)
            status = vni_wire_next(parse, &value);
        if (status == VECNA_OK && i < count) {
            uint64_t bit = (uint64_t)1 << i;
            status = take_field(parse, &fields[i], (met & bit) != 0, &value);
            met |= bit;
            present |= value.kind != VECNA_JSON_NULL ? bit : 0;
        } else if (status == VECNA_OK) {
            status = vni_wire_skip(parse, &value);
        }
        if (status != VECNA_OK)
            break;
    }
    if (status == VECNA_OK) {
        parse->field = outer;
        if (seen)
            *seen = present;
    }
    return status;
}

/* ---- values ---------------------------------------------------------------------------------- */

vecna_status vni_wire_text(const vecna_json_token *token, vecna_arena *arena, vecna_wire_text *out,
                           vecna_error *err) {
    if (!token->escaped) {
        *out = (vecna_wire_text){token->text, token->bytes};
        return VECNA_OK;
    }
    char *copy = vecna_arena_allocate(arena, token->bytes, 1);
    if (copy == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a text of %zu bytes",
                               token->bytes);
    *out = (vecna_wire_text){copy, vecna_json_unescape(token, copy)};
    return VECNA_OK;
}

static const char *kind_name(vecna_json_kind kind) {
    switch (kind) {
    case VECNA_JSON_OBJECT_BEGIN:
        return "an object";
    case VECNA_JSON_ARRAY_BEGIN:
        return "an array";
    case VECNA_JSON_STRING:
        return "a string";
    case VECNA_JSON_NUMBER:
        return "a number";
    case VECNA_JSON_NULL:
        return "null";
    default:
        return "a boolean";
    }
}

static vecna_status wrong_type(vni_wire_parse *parse, const char *wanted,
                               const vecna_json_token *value) {
    return vni_wire_refuse(parse, "invalid_type",
                           "Invalid type for '%s': expected %s, but got %s instead.", parse->field,
                           wanted, kind_name(value->kind));
}

vecna_status vni_wire_take_text(vni_wire_parse *parse, const vecna_json_token *value,
                                vecna_wire_text *out) {
    if (value->kind != VECNA_JSON_STRING)
        return wrong_type(parse, "a string", value);
    return vni_wire_text(value, parse->arena, out, NULL) == VECNA_OK ? VECNA_OK
                                                                     : vni_wire_no_memory(parse);
}

vecna_status vni_wire_take_bool(vni_wire_parse *parse, const vecna_json_token *value, int *out) {
    if (value->kind != VECNA_JSON_TRUE && value->kind != VECNA_JSON_FALSE)
        return wrong_type(parse, "a boolean", value);
    *out = value->kind == VECNA_JSON_TRUE;
    return VECNA_OK;
}

/* "768", also "768.0" and "7.68e2": what a language without integers may print. */
static int integer_of(const vecna_json_token *token, int64_t *out) {
    double value;
    if (vecna_json_i64(token, out))
        return 1;
    if (token->kind != VECNA_JSON_NUMBER ||
        vecna_number_parse_f64(token->text, token->bytes, VECNA_NUMBER_JSON, &value) == 0 ||
        value < -9e15 || value > 9e15 || (double)(int64_t)value != value)
        return 0;
    *out = (int64_t)value;
    return 1;
}

int vni_wire_count(const vecna_json_token *token, uint64_t *out) {
    int64_t value;
    if (token->kind != VECNA_JSON_NUMBER || !integer_of(token, &value) || value < 0)
        return 0;
    *out = (uint64_t)value;
    return 1;
}

vecna_status vni_wire_take_integer(vni_wire_parse *parse, const vecna_json_token *value,
                                   int64_t low, int64_t high, int64_t *out) {
    int64_t number;
    if (value->kind != VECNA_JSON_NUMBER || !integer_of(value, &number))
        return wrong_type(parse, "an integer", value);
    if (number < low)
        return vni_wire_refuse(parse, "integer_below_min_value",
                               "Invalid '%s': integer below minimum value. Expected a value >= "
                               "%lld, but got %lld instead.",
                               parse->field, (long long)low, (long long)number);
    if (number > high)
        return vni_wire_refuse(parse, "integer_above_max_value",
                               "Invalid '%s': integer above maximum value. Expected a value <= "
                               "%lld, but got %lld instead.",
                               parse->field, (long long)high, (long long)number);
    *out = number;
    return VECNA_OK;
}

vecna_status vni_wire_take_word(vni_wire_parse *parse, const vecna_json_token *value,
                                const char *const *words, size_t count, size_t *out) {
    char list[160];
    size_t used = 0;
    vecna_wire_text text;
    vecna_status status = vni_wire_take_text(parse, value, &text);
    if (status != VECNA_OK)
        return status;
    for (size_t i = 0; i < count; i++)
        if (vecna_wire_text_is(text, words[i])) {
            *out = i;
            return VECNA_OK;
        }
    list[0] = '\0';
    for (size_t i = 0; i < count && used + strlen(words[i]) + 5 < sizeof list; i++)
        used +=
            (size_t)snprintf(list + used, sizeof list - used, "%s'%s'", i ? ", " : "", words[i]);
    return vni_wire_refuse(parse, "invalid_value",
                           "Invalid value: '%.*s'. Supported values for '%s' are: %s.",
                           (int)(text.bytes > 40 ? 40 : text.bytes), text.data, parse->field, list);
}

vecna_status vni_wire_take_dim(vni_wire_parse *parse, const vecna_json_token *value) {
    int64_t dim = 0;
    vecna_status status =
        vni_wire_take_integer(parse, value, 1, (int64_t)parse->limits.dim_max, &dim);
    if (status != VECNA_OK)
        return status;
    if (parse->out->dim != 0 && parse->out->dim != (size_t)dim)
        return vni_wire_refuse(parse, NULL, "the request asks for %zu and for %lld dimensions",
                               parse->out->dim, (long long)dim);
    parse->out->dim = (size_t)dim;
    return VECNA_OK;
}

vecna_status vni_wire_take_model(vni_wire_parse *parse, const vecna_json_token *value) {
    return vni_wire_take_text(parse, value, &parse->out->model);
}

/* ---- inputs ---------------------------------------------------------------------------------- */

vecna_wire_input *vni_wire_add_input(vni_wire_parse *parse, vecna_status *status) {
    vecna_wire_input *inputs;
    size_t count = parse->out->inputs_count, capacity = parse->capacity ? parse->capacity * 2 : 4;
    if (count >= parse->limits.inputs_max) {
        *status = vni_wire_refuse(
            parse, "array_above_max_length",
            parse->failure->dialect == VECNA_WIRE_GOOGLE
                ? "BatchEmbedContentsRequest.requests: at most %zu requests can be in one batch"
                : "Invalid input: at most %zu inputs can be in one request. Send them in "
                  "several.",
            parse->limits.inputs_max);
        return NULL;
    }
    if (count == parse->capacity) {
        inputs = vecna_arena_allocate(parse->arena, capacity, sizeof *inputs);
        if (inputs == NULL) {
            *status = vni_wire_no_memory(parse);
            return NULL;
        }
        if (count)
            memcpy(inputs, parse->inputs, count * sizeof *inputs);
        parse->inputs = inputs;
        parse->capacity = capacity;
        parse->out->inputs = inputs;
    }
    memset(&parse->inputs[count], 0, sizeof *parse->inputs);
    parse->out->inputs_count++;
    *status = VECNA_OK;
    return &parse->inputs[count];
}

vecna_status vni_wire_check_text(vni_wire_parse *parse, vecna_wire_text text, int empty_ok) {
    size_t input = parse->out->inputs_count - 1;
    vecna_status status;
    if (text.bytes == 0 && !empty_ok)
        return vni_wire_refuse(parse, NULL, "Invalid '%s': input %zu is an empty string.",
                               parse->field, input);
    if (text.bytes <= parse->limits.input_bytes_max)
        return VECNA_OK;
    status = vecna_wire_failure_set(parse->failure, VECNA_WIRE_TOO_LARGE,
                                    "input %zu has %zu bytes; at most %zu are accepted", input,
                                    text.bytes, parse->limits.input_bytes_max);
    (void)snprintf(parse->failure->param, sizeof parse->failure->param, "%s", parse->field);
    return status;
}

vecna_status vni_wire_add_text(vni_wire_parse *parse, const vecna_json_token *value, int empty_ok) {
    vecna_status status;
    vecna_wire_input *input = vni_wire_add_input(parse, &status);
    if (input == NULL)
        return status;
    status = vni_wire_take_text(parse, value, &input->text);
    return status == VECNA_OK ? vni_wire_check_text(parse, input->text, empty_ok) : status;
}
