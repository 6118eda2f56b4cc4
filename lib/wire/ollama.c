/* Ollama's own routes. Unknown fields are ignored, as Ollama does; an empty text is one, and no text
 * at all asks for the model to be loaded and is answered with an empty list. */
#include "wire/wire_impl.h"

/* ---- requests in ----------------------------------------------------------------------------- */

static vecna_status invalid_input(vni_wire_parse *parse) {
    return vni_wire_refuse(parse, NULL,
                           "invalid input type: 'input' takes a text or a list of texts");
}

static vecna_status take_input(vni_wire_parse *parse, const vecna_json_token *value) {
    vecna_json_token token;
    vecna_status status;
    if (value->kind == VECNA_JSON_STRING)
        return value->bytes == 0 ? VECNA_OK : vni_wire_add_text(parse, value, 1);
    if (value->kind != VECNA_JSON_ARRAY_BEGIN)
        return invalid_input(parse);
    for (;;) {
        status = vni_wire_next(parse, &token);
        if (status != VECNA_OK || token.kind == VECNA_JSON_ARRAY_END)
            return status;
        if (token.kind != VECNA_JSON_STRING)
            return invalid_input(parse);
        status = vni_wire_add_text(parse, &token, 1);
        if (status != VECNA_OK)
            return status;
    }
}

static vecna_status take_prompt(vni_wire_parse *parse, const vecna_json_token *value) {
    if (value->kind == VECNA_JSON_STRING && value->bytes == 0)
        return VECNA_OK;
    return vni_wire_add_text(parse, value, 1);
}

static vecna_status take_truncate(vni_wire_parse *parse, const vecna_json_token *value) {
    int cut = 0;
    vecna_status status = vni_wire_take_bool(parse, value, &cut);
    if (status == VECNA_OK)
        parse->out->truncate = cut ? VECNA_WIRE_TRUNCATE_END : VECNA_WIRE_TRUNCATE_REFUSE;
    return status;
}

/* 0 is "as the model has it". */
static vecna_status take_dimensions(vni_wire_parse *parse, const vecna_json_token *value) {
    int64_t dim = 0;
    vecna_status status =
        vni_wire_take_integer(parse, value, 0, (int64_t)parse->limits.dim_max, &dim);
    if (status == VECNA_OK)
        parse->out->dim = (size_t)dim;
    return status;
}

/* /api/show took "name" before it took "model". */
static vecna_status take_name(vni_wire_parse *parse, const vecna_json_token *value) {
    vecna_wire_text name;
    vecna_status status = vni_wire_take_text(parse, value, &name);
    if (status == VECNA_OK && parse->out->model.bytes == 0)
        parse->out->model = name;
    return status;
}

vecna_status vni_wire_ollama_request(vni_wire_parse *parse) {
    static const vni_wire_field embed[] = {
        {"model", vni_wire_take_model},  {"input", take_input}, {"truncate", take_truncate},
        {"dimensions", take_dimensions}, {"keep_alive", NULL},  {"options", NULL}};
    static const vni_wire_field embeddings[] = {{"model", vni_wire_take_model},
                                                {"prompt", take_prompt},
                                                {"keep_alive", NULL},
                                                {"options", NULL}};
    static const vni_wire_field show[] = {
        {"model", vni_wire_take_model}, {"name", take_name}, {"verbose", NULL}};
    vecna_status status;
    switch (parse->out->endpoint) {
    case VECNA_WIRE_OLLAMA_EMBED:
        status = vni_wire_object(parse, embed, sizeof embed / sizeof *embed, NULL);
        break;
    case VECNA_WIRE_OLLAMA_EMBEDDINGS:
        status = vni_wire_object(parse, embeddings, sizeof embeddings / sizeof *embeddings, NULL);
        break;
    default:
        status = vni_wire_object(parse, show, sizeof show / sizeof *show, NULL);
    }
    if (status == VECNA_OK && parse->out->model.bytes == 0) {
        parse->field = "model";
        return vni_wire_refuse(parse, NULL, "model is required");
    }
    return status;
}

/* ---- answers out ----------------------------------------------------------------------------- */

static void begin(const vecna_wire_request *request, const vecna_wire_answer *answer,
                  vecna_json_writer *writer) {
    vecna_json_write_object_begin(writer);
    if (request->endpoint == VECNA_WIRE_OLLAMA_EMBEDDINGS) {
        vecna_json_write_key(writer, "embedding");
        if (request->inputs_count == 0) {
            vecna_json_write_array_begin(writer);
            vecna_json_write_array_end(writer);
        }
        return;
    }
    vecna_json_write_key(writer, "model");
    vni_wire_write_text(answer->model.bytes ? answer->model : request->model, writer);
    vecna_json_write_key(writer, "embeddings");
    vecna_json_write_array_begin(writer);
}

static void end(const vecna_wire_request *request, const vecna_wire_answer *answer,
                vecna_json_writer *writer) {
    if (request->endpoint == VECNA_WIRE_OLLAMA_EMBED) {
        vecna_json_write_array_end(writer);
        vecna_json_write_key(writer, "total_duration");
        vecna_json_write_u64(writer, answer->total_ns);
        vecna_json_write_key(writer, "load_duration");
        vecna_json_write_u64(writer, answer->load_ns);
        vecna_json_write_key(writer, "prompt_eval_count");
        vecna_json_write_u64(writer, answer->tokens);
    }
    vecna_json_write_object_end(writer);
}

const vni_wire_layout vni_wire_ollama_layout = {begin, NULL, NULL, NULL, NULL, end};

/* ---- upstream -------------------------------------------------------------------------------- */

vecna_status vni_wire_ollama_ask(const vecna_wire_ask *ask, vecna_json_writer *writer,
                                 vecna_error *err) {
    vecna_json_write_object_begin(writer);
    vecna_json_write_key(writer, "model");
    vni_wire_write_text(ask->model, writer);
    vecna_json_write_key(writer, "input");
    vni_wire_write_inputs(ask, writer);
    if (ask->truncate != VECNA_WIRE_TRUNCATE_UNSET) {
        vecna_json_write_key(writer, "truncate");
        vecna_json_write_bool(writer, ask->truncate != VECNA_WIRE_TRUNCATE_REFUSE);
    }
    if (ask->dim) {
        vecna_json_write_key(writer, "dimensions");
        vecna_json_write_u64(writer, ask->dim);
    }
    vecna_json_write_object_end(writer);
    return vecna_json_writer_finish(writer, err);
}

static vecna_status take_member(vni_wire_reading *reading, const vecna_json_token *key,
                                const vecna_json_token *value, vecna_error *err) {
    if (vecna_json_is(key, "embeddings") && value->kind == VECNA_JSON_ARRAY_BEGIN)
        return vni_wire_rows_array(&reading->rows, &reading->json, err);
    if (vecna_json_is(key, "prompt_eval_count"))
        (void)vni_wire_count(value, &reading->out->tokens);
    if (vecna_json_is(key, "model") && value->kind == VECNA_JSON_STRING)
        return vni_wire_text(value, reading->rows.arena, &reading->out->model, err);
    return vecna_json_skip(&reading->json, value, NULL, err);
}

vecna_status vni_wire_ollama_result(vni_wire_reading *reading, const vecna_json_token *first,
                                    vecna_error *err) {
    return vni_wire_answer_members(reading, first, "embeddings", take_member, err);
}
