/* Cohere's v2/embed: several forms of each vector at once, so an answer lists all rows of one form
 * before the next. */
#include "wire/wire_impl.h"

static const char *const form_words[] = {"float", "int8", "uint8", "binary", "ubinary", "base64"};
enum { FORMS = 6 };

typedef struct cohere_state {
    vecna_wire_task task;
    const char *inputs_field; /* the one of texts and inputs that was there */
} cohere_state;

/* ---- requests in ----------------------------------------------------------------------------- */

static vecna_status one_list(vni_wire_parse *parse, const vecna_json_token *value) {
    cohere_state *state = parse->user;
    if (state->inputs_field)
        return vni_wire_refuse(parse, NULL, "invalid request: '%s' and '%s' exclude each other",
                               state->inputs_field, parse->field);
    if (value->kind != VECNA_JSON_ARRAY_BEGIN)
        return vni_wire_refuse(parse, NULL, "invalid request: '%s' must be an array", parse->field);
    state->inputs_field = parse->field;
    return VECNA_OK;
}

static vecna_status take_texts(vni_wire_parse *parse, const vecna_json_token *value) {
    vecna_json_token token;
    vecna_status status = one_list(parse, value);
    while (status == VECNA_OK) {
        status = vni_wire_next(parse, &token);
        if (status != VECNA_OK || token.kind == VECNA_JSON_ARRAY_END)
            break;
        status = vni_wire_add_text(parse, &token, 1);
    }
    return status;
}

static vecna_status no_images(vni_wire_parse *parse, const vecna_json_token *value) {
    (void)value;
    return vni_wire_refuse(parse, NULL, "invalid request: images cannot be embedded here");
}

/* The content of one input being put together. */
typedef struct content_state {
    cohere_state *outer;
    vecna_wire_text joined;
    vecna_wire_text text; /* of the part */
    int parts;
} content_state;

static vecna_status take_part_text(vni_wire_parse *parse, const vecna_json_token *value) {
    return vni_wire_take_text(parse, value, &((content_state *)parse->user)->text);
}

static vecna_status take_part_type(vni_wire_parse *parse, const vecna_json_token *value) {
    static const char *const words[] = {"text"};
    size_t word;
    return vni_wire_take_word(parse, value, words, 1, &word);
}

enum { PARTS_MAX = 64 };

static vecna_status take_content(vni_wire_parse *parse, const vecna_json_token *value) {
    static const vni_wire_field fields[] = {
        {"type", take_part_type}, {"text", take_part_text}, {"image_url", no_images}};
    content_state *state = parse->user;
    vecna_json_token token;
    vecna_status status;
    if (value->kind != VECNA_JSON_ARRAY_BEGIN)
        return vni_wire_refuse(parse, NULL, "invalid request: 'content' must be an array");
    for (;;) {
        char *both;
        status = vni_wire_next(parse, &token);
        if (status != VECNA_OK || token.kind == VECNA_JSON_ARRAY_END)
            return status;
        if (token.kind != VECNA_JSON_OBJECT_BEGIN)
            return vni_wire_refuse(parse, NULL,
                                   "invalid request: a part of 'content' must be an "
                                   "object");
        if (++state->parts > PARTS_MAX)
            return vni_wire_refuse(parse, NULL, "invalid request: more than %d parts in one input",
                                   PARTS_MAX);
        state->text = (vecna_wire_text){NULL, 0};
        status = vni_wire_object(parse, fields, 3, NULL);
        if (status != VECNA_OK)
            return status;
        if (state->parts == 1) {
            state->joined = state->text;
            continue;
        }
        both = vecna_arena_allocate(parse->arena, state->joined.bytes + 1 + state->text.bytes, 1);
        if (both == NULL)
            return vni_wire_no_memory(parse);
        if (state->joined.bytes)
            memcpy(both, state->joined.data, state->joined.bytes);
        both[state->joined.bytes] = '\n';
        if (state->text.bytes)
            memcpy(both + state->joined.bytes + 1, state->text.data, state->text.bytes);
        state->joined = (vecna_wire_text){both, state->joined.bytes + 1 + state->text.bytes};
    }
}

static vecna_status take_inputs(vni_wire_parse *parse, const vecna_json_token *value) {
    static const vni_wire_field fields[] = {{"content", take_content}};
    cohere_state *outer = parse->user;
    vecna_json_token token;
    vecna_status status = one_list(parse, value);
    while (status == VECNA_OK) {
        content_state state = {.outer = outer};
        vecna_wire_input *input;
        parse->field = "inputs";
        status = vni_wire_next(parse, &token);
        if (status != VECNA_OK || token.kind == VECNA_JSON_ARRAY_END)
            break;
        if (token.kind != VECNA_JSON_OBJECT_BEGIN)
            return vni_wire_refuse(parse, NULL,
                                   "invalid request: an element of 'inputs' must be an "
                                   "object");
        parse->user = &state;
        status = vni_wire_object(parse, fields, 1, NULL);
        parse->user = outer;
        if (status != VECNA_OK)
            break;
        if (state.parts == 0)
            return vni_wire_refuse(parse, NULL, "invalid request: input %zu has no content",
                                   parse->out->inputs_count);
        input = vni_wire_add_input(parse, &status);
        if (input == NULL)
            break;
        input->text = state.joined;
        status = vni_wire_check_text(parse, input->text, 1);
    }
    return status;
}

static vecna_status take_input_type(vni_wire_parse *parse, const vecna_json_token *value) {
    static const char *const words[] = {"search_document", "search_query", "classification",
                                        "clustering", "image"};
    static const vecna_wire_task tasks[] = {VECNA_WIRE_TASK_DOCUMENT, VECNA_WIRE_TASK_QUERY,
                                            VECNA_WIRE_TASK_CLASSIFICATION,
                                            VECNA_WIRE_TASK_CLUSTERING};
    cohere_state *state = parse->user;
    size_t word;
    vecna_status status = vni_wire_take_word(parse, value, words, 5, &word);
    if (status != VECNA_OK)
        return status;
    if (word == 4)
        return no_images(parse, value);
    state->task = tasks[word];
    return VECNA_OK;
}

static vecna_status take_embedding_types(vni_wire_parse *parse, const vecna_json_token *value) {
    vecna_json_token token;
    vecna_status status;
    unsigned forms = 0;
    size_t word;
    if (value->kind != VECNA_JSON_ARRAY_BEGIN)
        return vni_wire_refuse(parse, NULL, "invalid request: 'embedding_types' must be an array");
    for (;;) {
        status = vni_wire_next(parse, &token);
        if (status != VECNA_OK)
            return status;
        if (token.kind == VECNA_JSON_ARRAY_END)
            break;
        status = vni_wire_take_word(parse, &token, form_words, FORMS, &word);
        if (status != VECNA_OK)
            return status;
        forms |= 1u << word;
    }
    if (forms)
        parse->out->forms = forms;
    return VECNA_OK;
}

static vecna_status take_truncate(vni_wire_parse *parse, const vecna_json_token *value) {
    static const char *const words[] = {"NONE", "START", "END"};
    static const vecna_wire_truncate kinds[] = {VECNA_WIRE_TRUNCATE_REFUSE,
                                                VECNA_WIRE_TRUNCATE_START, VECNA_WIRE_TRUNCATE_END};
    size_t word;
    vecna_status status = vni_wire_take_word(parse, value, words, 3, &word);
    if (status == VECNA_OK)
        parse->out->truncate = kinds[word];
    return status;
}

static vecna_status take_max_tokens(vni_wire_parse *parse, const vecna_json_token *value) {
    (void)value;
    return vni_wire_refuse(parse, NULL,
                           "invalid request: 'max_tokens' is not supported; texts are cut at the "
                           "model's own limit (see 'truncate')");
}

vecna_status vni_wire_cohere_request(vni_wire_parse *parse) {
    enum { MODEL, INPUT_TYPE };
    static const vni_wire_field fields[] = {
        [MODEL] = {"model", vni_wire_take_model},
        [INPUT_TYPE] = {"input_type", take_input_type},
        {"texts", take_texts},
        {"inputs", take_inputs},
        {"images", no_images},
        {"output_dimension", vni_wire_take_dim},
        {"embedding_types", take_embedding_types},
        {"truncate", take_truncate},
        {"max_tokens", take_max_tokens},
        {"priority", NULL},
    };
    cohere_state state = {VECNA_WIRE_TASK_NONE, NULL};
    uint64_t seen = 0;
    vecna_status status;
    parse->user = &state;
    status = vni_wire_object(parse, fields, sizeof fields / sizeof *fields, &seen);
    if (status != VECNA_OK)
        return status;
    if (parse->out->model.bytes == 0) {
        parse->field = "model";
        return vni_wire_refuse(parse, NULL, "invalid request: model is required");
    }
    if (!(seen & 1u << INPUT_TYPE)) {
        parse->field = "input_type";
        return vni_wire_refuse(parse, NULL,
                               "invalid request: valid input_type must be provided: "
                               "search_document, search_query, classification or clustering");
    }
    if (parse->out->inputs_count == 0) {
        parse->field = "texts";
        return vni_wire_refuse(parse, NULL,
                               "invalid request: one of texts and inputs must be given and must "
                               "not be empty");
    }
    for (size_t i = 0; i < parse->out->inputs_count; i++)
        parse->inputs[i].task = state.task;
    return VECNA_OK;
}

/* ---- answers out ----------------------------------------------------------------------------- */

static void begin(const vecna_wire_request *request, const vecna_wire_answer *answer,
                  vecna_json_writer *writer) {
    (void)request;
    vecna_json_write_object_begin(writer);
    vecna_json_write_key(writer, "id");
    vni_wire_write_text(answer->id, writer);
    vecna_json_write_key(writer, "embeddings");
    vecna_json_write_object_begin(writer);
}

static void form_begin(unsigned form, vecna_json_writer *writer) {
    vecna_json_write_key(writer, form_words[__builtin_ctz(form)]);
    vecna_json_write_array_begin(writer);
}

static void form_end(vecna_json_writer *writer) {
    vecna_json_write_array_end(writer);
}

static void end(const vecna_wire_request *request, const vecna_wire_answer *answer,
                vecna_json_writer *writer) {
    vecna_json_write_object_end(writer);
    vecna_json_write_key(writer, "texts");
    vecna_json_write_array_begin(writer);
    for (size_t i = 0; i < request->inputs_count; i++)
        vni_wire_write_text(request->inputs[i].text, writer);
    vecna_json_write_array_end(writer);
    vecna_json_write_key(writer, "meta");
    vecna_json_write_object_begin(writer);
    vecna_json_write_key(writer, "api_version");
    vecna_json_write_object_begin(writer);
    vecna_json_write_key(writer, "version");
    vecna_json_write_string(writer, "2");
    vecna_json_write_object_end(writer);
    vecna_json_write_key(writer, "billed_units");
    vecna_json_write_object_begin(writer);
    vecna_json_write_key(writer, "input_tokens");
    vecna_json_write_u64(writer, answer->tokens);
    vecna_json_write_object_end(writer);
    vecna_json_write_object_end(writer);
    vecna_json_write_key(writer, "response_type");
    vecna_json_write_string(writer, "embeddings_by_type");
    vecna_json_write_object_end(writer);
}

const vni_wire_layout vni_wire_cohere_layout = {begin, form_begin, NULL, NULL, form_end, end};

/* ---- upstream -------------------------------------------------------------------------------- */

static const char *input_type_of(vecna_wire_task task) {
    switch (task) {
    case VECNA_WIRE_TASK_QUERY:
    case VECNA_WIRE_TASK_QUESTION:
    case VECNA_WIRE_TASK_FACT:
    case VECNA_WIRE_TASK_CODE_QUERY:
        return "search_query";
    case VECNA_WIRE_TASK_CLASSIFICATION:
        return "classification";
    case VECNA_WIRE_TASK_CLUSTERING:
        return "clustering";
    default:
        return "search_document";
    }
}

vecna_status vni_wire_cohere_ask(const vecna_wire_ask *ask, vecna_json_writer *writer,
                                 vecna_error *err) {
    static const char *const truncates[] = {NULL, "END", "START", "NONE"};
    vecna_json_write_object_begin(writer);
    vecna_json_write_key(writer, "model");
    vni_wire_write_text(ask->model, writer);
    vecna_json_write_key(writer, "texts");
    vni_wire_write_inputs(ask, writer);
    vecna_json_write_key(writer, "input_type");
    vecna_json_write_string(writer, input_type_of(ask->inputs[0].task));
    vecna_json_write_key(writer, "embedding_types");
    vecna_json_write_array_begin(writer);
    vecna_json_write_string(writer, ask->base64 ? "base64" : "float");
    vecna_json_write_array_end(writer);
    if (ask->dim) {
        vecna_json_write_key(writer, "output_dimension");
        vecna_json_write_u64(writer, ask->dim);
    }
    if (ask->truncate != VECNA_WIRE_TRUNCATE_UNSET) {
        vecna_json_write_key(writer, "truncate");
        vecna_json_write_string(writer, truncates[ask->truncate]);
    }
    vecna_json_write_object_end(writer);
    return vecna_json_writer_finish(writer, err);
}

/* {"float":[[...]]} or {"base64":["..."]}; other forms are passed over. */
static vecna_status read_forms(vni_wire_reading *reading, vecna_error *err) {
    vecna_json_token key, value;
    int met = 0;
    for (;;) {
        vecna_status status = vecna_json_next(&reading->json, &key, err);
        if (status != VECNA_OK)
            return status;
        if (key.kind == VECNA_JSON_OBJECT_END)
            break;
        status = vecna_json_next(&reading->json, &value, err);
        if (status != VECNA_OK)
            return status;
        if (value.kind == VECNA_JSON_ARRAY_BEGIN &&
            (vecna_json_is(&key, "float") || vecna_json_is(&key, "base64"))) {
            if (met++)
                return vecna_error_set(err, VECNA_ERR_FORMAT, -1, "gives its vectors twice");
            status = vni_wire_rows_array(&reading->rows, &reading->json, err);
        } else {
            status = vecna_json_skip(&reading->json, &value, NULL, err);
        }
        if (status != VECNA_OK)
            return status;
    }
    if (!met)
        return vecna_error_set(err, VECNA_ERR_FORMAT, -1,
                               "answers with neither \"float\" nor \"base64\" embeddings");
    return VECNA_OK;
}

/* {"billed_units":{"input_tokens":N}} */
static vecna_status read_meta(vni_wire_reading *reading, vecna_error *err) {
    vecna_json_token key, value;
    for (;;) {
        vecna_status status = vecna_json_next(&reading->json, &key, err);
        if (status != VECNA_OK || key.kind == VECNA_JSON_OBJECT_END)
            return status;
        status = vecna_json_next(&reading->json, &value, err);
        if (status != VECNA_OK)
            return status;
        status = vecna_json_is(&key, "billed_units") && value.kind == VECNA_JSON_OBJECT_BEGIN
                     ? vni_wire_read_count(reading, "input_tokens", err)
                     : vecna_json_skip(&reading->json, &value, NULL, err);
        if (status != VECNA_OK)
            return status;
    }
}

static vecna_status take_member(vni_wire_reading *reading, const vecna_json_token *key,
                                const vecna_json_token *value, vecna_error *err) {
    if (vecna_json_is(key, "embeddings") && value->kind == VECNA_JSON_OBJECT_BEGIN)
        return read_forms(reading, err);
    if (vecna_json_is(key, "embeddings") && value->kind == VECNA_JSON_ARRAY_BEGIN) /* v1 */
        return vni_wire_rows_array(&reading->rows, &reading->json, err);
    if (vecna_json_is(key, "meta") && value->kind == VECNA_JSON_OBJECT_BEGIN)
        return read_meta(reading, err);
    return vecna_json_skip(&reading->json, value, NULL, err);
}

vecna_status vni_wire_cohere_result(vni_wire_reading *reading, const vecna_json_token *first,
                                    vecna_error *err) {
    return vni_wire_answer_members(reading, first, "embeddings", take_member, err);
}
