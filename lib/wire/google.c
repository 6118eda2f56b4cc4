/* Google's Gemini API. A content may have several parts and is embedded as one text: parts are
 * joined, never split into several vectors, because the SDKs put what the caller means as one thing
 * into one content. Field names come in two spellings, as everywhere in Google's JSON; only one of
 * the two may stand in an object. */
#include "wire/wire_impl.h"

enum { TASKS = 9 };

static const char *const task_words[TASKS] = {
    "TASK_TYPE_UNSPECIFIED", "RETRIEVAL_QUERY",   "RETRIEVAL_DOCUMENT",
    "SEMANTIC_SIMILARITY",   "CLASSIFICATION",    "CLUSTERING",
    "QUESTION_ANSWERING",    "FACT_VERIFICATION", "CODE_RETRIEVAL_QUERY"};

typedef struct google_state {
    vecna_wire_text *parts; /* of the content being read */
    size_t parts_count;
    size_t capacity;
    int has_content;
    int has_task;
    int has_dim;
    size_t dim;
    vecna_wire_text title;
    vecna_wire_text model;
    vecna_wire_task task;
} google_state;

/* ---- requests in ----------------------------------------------------------------------------- */

static vecna_status take_part_text(vni_wire_parse *parse, const vecna_json_token *value) {
    google_state *state = parse->user;
    vecna_wire_text text;
    vecna_status status = vni_wire_take_text(parse, value, &text);
    if (status != VECNA_OK)
        return status;
    if (state->parts_count == state->capacity) {
        size_t capacity = state->capacity ? state->capacity * 2 : 4;
        vecna_wire_text *parts = vecna_arena_allocate(parse->arena, capacity, sizeof *parts);
        if (parts == NULL)
            return vni_wire_no_memory(parse);
        if (state->parts_count)
            memcpy(parts, state->parts, state->parts_count * sizeof *parts);
        state->parts = parts;
        state->capacity = capacity;
    }
    state->parts[state->parts_count++] = text;
    return VECNA_OK;
}

static vecna_status no_media(vni_wire_parse *parse, const vecna_json_token *value) {
    (void)value;
    return vni_wire_refuse(parse, NULL, "parts with '%s' cannot be embedded here; only text can",
                           parse->field);
}

static vecna_status take_parts(vni_wire_parse *parse, const vecna_json_token *value) {
    static const vni_wire_field fields[] = {
        {"text", take_part_text},       {"inlineData", no_media}, {"inline_data", no_media},
        {"fileData", no_media},         {"file_data", no_media},  {"functionCall", no_media},
        {"functionResponse", no_media}, {"thought", NULL}};
    vecna_json_token token;
    const char *field = parse->field;
    vecna_status status;
    if (value->kind != VECNA_JSON_ARRAY_BEGIN)
        return vni_wire_refuse(parse, NULL, "'parts' must be an array of objects with a \"text\"");
    for (;;) {
        status = vni_wire_next(parse, &token);
        if (status != VECNA_OK || token.kind == VECNA_JSON_ARRAY_END)
            return status;
        if (token.kind != VECNA_JSON_OBJECT_BEGIN)
            return vni_wire_refuse(parse, NULL,
                                   "'parts' must be an array of objects with a \"text\"");
        status = vni_wire_object(parse, fields, sizeof fields / sizeof *fields, NULL);
        if (status != VECNA_OK)
            return status;
        parse->field = field;
    }
}

static vecna_status take_content(vni_wire_parse *parse, const vecna_json_token *value) {
    static const vni_wire_field fields[] = {{"parts", take_parts}, {"role", NULL}};
    google_state *state = parse->user;
    if (value->kind != VECNA_JSON_OBJECT_BEGIN)
        return vni_wire_refuse(parse, NULL, "'content' must be an object with \"parts\"");
    state->has_content = 1;
    return vni_wire_object(parse, fields, 2, NULL);
}

static vecna_status take_task_type(vni_wire_parse *parse, const vecna_json_token *value) {
    google_state *state = parse->user;
    size_t word;
    vecna_status status = vni_wire_take_word(parse, value, task_words, TASKS, &word);
    if (status != VECNA_OK)
        return status;
    if (state->has_task)
        return vni_wire_refuse(parse, NULL, "the task type stands twice in the request");
    state->has_task = 1;
    state->task = (vecna_wire_task)word; /* the words stand in the order of the enumeration */
    return VECNA_OK;
}

static vecna_status take_title(vni_wire_parse *parse, const vecna_json_token *value) {
    return vni_wire_take_text(parse, value, &((google_state *)parse->user)->title);
}

static vecna_status take_dimensionality(vni_wire_parse *parse, const vecna_json_token *value) {
    google_state *state = parse->user;
    int64_t dim = 0;
    vecna_status status =
        vni_wire_take_integer(parse, value, 1, (int64_t)parse->limits.dim_max, &dim);
    if (status != VECNA_OK)
        return status;
    if (state->has_dim)
        return vni_wire_refuse(parse, NULL, "the output dimensionality stands twice");
    state->has_dim = 1;
    state->dim = (size_t)dim;
    return VECNA_OK;
}

static vecna_status take_request_model(vni_wire_parse *parse, const vecna_json_token *value) {
    google_state *state = parse->user;
    vecna_status status = vni_wire_take_text(parse, value, &state->model);
    while (status == VECNA_OK && state->model.bytes > 7 &&
           memcmp(state->model.data, "models/", 7) == 0)
        state->model = (vecna_wire_text){state->model.data + 7, state->model.bytes - 7};
    return status;
}

static vecna_status take_auto_truncate(vni_wire_parse *parse, const vecna_json_token *value) {
    int cut = 0;
    vecna_status status = vni_wire_take_bool(parse, value, &cut);
    if (status == VECNA_OK)
        parse->out->truncate = cut ? VECNA_WIRE_TRUNCATE_END : VECNA_WIRE_TRUNCATE_REFUSE;
    return status;
}

static vecna_status take_config(vni_wire_parse *parse, const vecna_json_token *value) {
    static const vni_wire_field fields[] = {{"taskType", take_task_type},
                                            {"task_type", take_task_type},
                                            {"title", take_title},
                                            {"outputDimensionality", take_dimensionality},
                                            {"output_dimensionality", take_dimensionality},
                                            {"autoTruncate", take_auto_truncate},
                                            {"auto_truncate", take_auto_truncate}};
    if (value->kind != VECNA_JSON_OBJECT_BEGIN)
        return vni_wire_refuse(parse, NULL, "'%s' must be an object", parse->field);
    return vni_wire_object(parse, fields, sizeof fields / sizeof *fields, NULL);
}

static const vni_wire_field request_fields[] = {
    {"model", take_request_model},
    {"content", take_content},
    {"taskType", take_task_type},
    {"task_type", take_task_type},
    {"title", take_title},
    {"outputDimensionality", take_dimensionality},
    {"output_dimensionality", take_dimensionality},
    {"autoTruncate", take_auto_truncate},
    {"auto_truncate", take_auto_truncate},
    {"embedContentConfig", take_config},
    {"embed_content_config", take_config},
};

/* The parts as one text, a line each. */
static vecna_status join_parts(vni_wire_parse *parse, vecna_wire_text *out) {
    google_state *state = parse->user;
    size_t bytes = 0;
    char *to;
    if (state->parts_count == 1) {
        *out = state->parts[0];
        return VECNA_OK;
    }
    for (size_t i = 0; i < state->parts_count; i++)
        bytes += state->parts[i].bytes + 1; /* below the body's size */
    to = vecna_arena_allocate(parse->arena, bytes + 1, 1);
    if (to == NULL)
        return vni_wire_no_memory(parse);
    *out = (vecna_wire_text){to, 0};
    for (size_t i = 0; i < state->parts_count; i++) {
        if (i > 0)
            *to++ = '\n';
        memcpy(to, state->parts[i].data, state->parts[i].bytes);
        to += state->parts[i].bytes;
    }
    out->bytes = bytes ? bytes - 1 : 0;
    return VECNA_OK;
}

static vecna_status add_content(vni_wire_parse *parse) {
    google_state *state = parse->user;
    size_t number = parse->out->inputs_count;
    vecna_wire_input *input;
    vecna_status status;
    if (state->model.bytes &&
        (state->model.bytes != parse->out->model.bytes ||
         memcmp(state->model.data, parse->out->model.data, state->model.bytes) != 0)) {
        parse->field = "model";
        return vni_wire_refuse(parse, NULL,
                               "the model in request %zu is not the model of the address", number);
    }
    parse->field = "content";
    if (!state->has_content)
        return vni_wire_refuse(parse, NULL, "content is not specified in request %zu", number);
    parse->field = "requests";
    input = vni_wire_add_input(parse, &status);
    if (input == NULL)
        return status;
    parse->field = "content";
    status = join_parts(parse, &input->text);
    if (status != VECNA_OK)
        return status;
    status = vni_wire_check_text(parse, input->text, 0);
    if (status != VECNA_OK)
        return status;
    if (state->title.bytes && state->task != VECNA_WIRE_TASK_DOCUMENT) {
        parse->field = "title";
        return vni_wire_refuse(parse, NULL,
                               "'title' goes with the task type RETRIEVAL_DOCUMENT only");
    }
    input->title = state->title;
    input->task = state->task;
    if (number > 0 && state->dim != parse->out->dim) {
        parse->field = "outputDimensionality";
        return vni_wire_refuse(parse, NULL,
                               "all requests of a batch must ask for the same "
                               "outputDimensionality; request %zu does not",
                               number);
    }
    parse->out->dim = state->dim;
    return VECNA_OK;
}

/* One EmbedContentRequest, whose OBJECT_BEGIN was the last token. */
static vecna_status take_request(vni_wire_parse *parse) {
    google_state state = {.task = VECNA_WIRE_TASK_NONE};
    vecna_status status;
    parse->user = &state;
    status = vni_wire_object(parse, request_fields, sizeof request_fields / sizeof *request_fields,
                             NULL);
    if (status == VECNA_OK)
        status = add_content(parse);
    parse->user = NULL;
    return status;
}

static vecna_status take_requests(vni_wire_parse *parse, const vecna_json_token *value) {
    vecna_json_token token;
    vecna_status status;
    if (value->kind != VECNA_JSON_ARRAY_BEGIN)
        return vni_wire_refuse(parse, NULL, "'requests' must be an array");
    for (;;) {
        parse->field = "requests";
        status = vni_wire_next(parse, &token);
        if (status != VECNA_OK || token.kind == VECNA_JSON_ARRAY_END)
            return status;
        if (token.kind != VECNA_JSON_OBJECT_BEGIN)
            return vni_wire_refuse(parse, NULL, "'requests' must be an array of objects");
        status = take_request(parse);
        if (status != VECNA_OK)
            return status;
    }
}

static vecna_status take_batch_model(vni_wire_parse *parse, const vecna_json_token *value) {
    google_state state = {.task = VECNA_WIRE_TASK_NONE};
    vecna_status status;
    parse->user = &state;
    status = take_request_model(parse, value);
    if (status == VECNA_OK &&
        (state.model.bytes != parse->out->model.bytes ||
         memcmp(state.model.data, parse->out->model.data, state.model.bytes) != 0))
        status = vni_wire_refuse(parse, NULL, "'model' is not the model of the address");
    parse->user = NULL;
    return status;
}

vecna_status vni_wire_google_request(vni_wire_parse *parse) {
    static const vni_wire_field fields[] = {{"requests", take_requests},
                                            {"model", take_batch_model}};
    vecna_status status;
    if (parse->out->endpoint == VECNA_WIRE_GOOGLE_EMBED)
        return take_request(parse);
    status = vni_wire_object(parse, fields, 2, NULL);
    if (status == VECNA_OK && parse->out->inputs_count == 0) {
        parse->field = "requests";
        return vni_wire_refuse(parse, NULL,
                               "BatchEmbedContentsRequest.requests: contents is not specified");
    }
    return status;
}

/* ---- answers out ----------------------------------------------------------------------------- */

static int is_batch(const vecna_wire_request *request) {
    return request->endpoint == VECNA_WIRE_GOOGLE_BATCH_EMBED;
}

static void begin(const vecna_wire_request *request, const vecna_wire_answer *answer,
                  vecna_json_writer *writer) {
    (void)answer;
    vecna_json_write_object_begin(writer);
    vecna_json_write_key(writer, is_batch(request) ? "embeddings" : "embedding");
    if (is_batch(request))
        vecna_json_write_array_begin(writer);
}

static void row_begin(size_t row, vecna_json_writer *writer) {
    (void)row;
    vecna_json_write_object_begin(writer);
    vecna_json_write_key(writer, "values");
}

static void row_end(size_t row, vecna_json_writer *writer) {
    (void)row;
    vecna_json_write_object_end(writer);
}

static void end(const vecna_wire_request *request, const vecna_wire_answer *answer,
                vecna_json_writer *writer) {
    if (is_batch(request))
        vecna_json_write_array_end(writer);
    if (answer->tokens) {
        vecna_json_write_key(writer, "usageMetadata");
        vecna_json_write_object_begin(writer);
        vecna_json_write_key(writer, "promptTokenCount");
        vecna_json_write_u64(writer, answer->tokens);
        vecna_json_write_object_end(writer);
    }
    vecna_json_write_object_end(writer);
}

const vni_wire_layout vni_wire_google_layout = {begin, NULL, row_begin, row_end, NULL, end};

/* ---- upstream -------------------------------------------------------------------------------- */

static void write_model(vecna_wire_text model, vecna_json_writer *writer) {
    vecna_wire_input name = {.prefix = VNI_WIRE_LITERAL("models/"), .text = model};
    if (model.bytes > 7 && memcmp(model.data, "models/", 7) == 0)
        name.prefix.bytes = 0;
    vni_wire_write_input(&name, writer);
}

vecna_status vni_wire_google_ask(const vecna_wire_ask *ask, vecna_json_writer *writer,
                                 vecna_error *err) {
    vecna_json_write_object_begin(writer);
    vecna_json_write_key(writer, "requests");
    vecna_json_write_array_begin(writer);
    for (size_t i = 0; i < ask->inputs_count; i++) {
        const vecna_wire_input *input = &ask->inputs[i];
        vecna_json_write_object_begin(writer);
        vecna_json_write_key(writer, "model");
        write_model(ask->model, writer);
        vecna_json_write_key(writer, "content");
        vecna_json_write_object_begin(writer);
        vecna_json_write_key(writer, "parts");
        vecna_json_write_array_begin(writer);
        vecna_json_write_object_begin(writer);
        vecna_json_write_key(writer, "text");
        vni_wire_write_input(input, writer);
        vecna_json_write_object_end(writer);
        vecna_json_write_array_end(writer);
        vecna_json_write_object_end(writer);
        if (input->task != VECNA_WIRE_TASK_NONE) {
            vecna_json_write_key(writer, "taskType");
            vecna_json_write_string(writer, task_words[input->task]);
        }
        if (input->title.bytes && input->task == VECNA_WIRE_TASK_DOCUMENT) {
            vecna_json_write_key(writer, "title");
            vni_wire_write_text(input->title, writer);
        }
        if (ask->dim) {
            vecna_json_write_key(writer, "outputDimensionality");
            vecna_json_write_u64(writer, ask->dim);
        }
        vecna_json_write_object_end(writer);
    }
    vecna_json_write_array_end(writer);
    vecna_json_write_object_end(writer);
    return vecna_json_writer_finish(writer, err);
}

/* {"values":[...]} */
static vecna_status read_embedding(vni_wire_reading *reading, vecna_error *err) {
    vecna_json_token key, value;
    size_t row = reading->rows.count;
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
        if (!vecna_json_is(&key, "values"))
            status = vecna_json_skip(&reading->json, &value, NULL, err);
        else if (met++)
            return vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)row, "gives vector %zu twice",
                                   row);
        else
            status = vni_wire_rows_add(&reading->rows, &reading->json, &value, err);
        if (status != VECNA_OK)
            return status;
    }
    if (!met)
        return vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)row,
                               "answers embedding %zu without \"values\"", row);
    return VECNA_OK;
}

static vecna_status read_embeddings(vni_wire_reading *reading, vecna_error *err) {
    vecna_json_token token;
    for (;;) {
        vecna_status status = vecna_json_next(&reading->json, &token, err);
        if (status != VECNA_OK || token.kind == VECNA_JSON_ARRAY_END)
            return status;
        if (token.kind != VECNA_JSON_OBJECT_BEGIN)
            return vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)reading->rows.count,
                                   "answers a list whose elements are no objects with \"values\"");
        status = read_embedding(reading, err);
        if (status != VECNA_OK)
            return status;
    }
}

static vecna_status take_member(vni_wire_reading *reading, const vecna_json_token *key,
                                const vecna_json_token *value, vecna_error *err) {
    if (vecna_json_is(key, "embeddings") && value->kind == VECNA_JSON_ARRAY_BEGIN)
        return read_embeddings(reading, err);
    if (vecna_json_is(key, "usageMetadata") && value->kind == VECNA_JSON_OBJECT_BEGIN)
        return vni_wire_read_count(reading, "promptTokenCount", err);
    return vecna_json_skip(&reading->json, value, NULL, err);
}

vecna_status vni_wire_google_result(vni_wire_reading *reading, const vecna_json_token *first,
                                    vecna_error *err) {
    return vni_wire_answer_members(reading, first, "embeddings", take_member, err);
}
