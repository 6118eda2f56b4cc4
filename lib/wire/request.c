/* Which provider reads which body, and what is the same for all of them. */
#include "wire/wire_impl.h"

static vni_wire_request_parser *parser_of(vecna_wire_endpoint endpoint) {
    switch (endpoint) {
    case VECNA_WIRE_OPENAI_EMBEDDINGS:
    case VECNA_WIRE_AZURE_EMBEDDINGS:
        return vni_wire_openai_request;
    case VECNA_WIRE_GOOGLE_EMBED:
    case VECNA_WIRE_GOOGLE_BATCH_EMBED:
        return vni_wire_google_request;
    case VECNA_WIRE_OLLAMA_EMBED:
    case VECNA_WIRE_OLLAMA_EMBEDDINGS:
    case VECNA_WIRE_OLLAMA_SHOW:
        return vni_wire_ollama_request;
    case VECNA_WIRE_COHERE_EMBED:
        return vni_wire_cohere_request;
    default:
        return NULL;
    }
}

static size_t inputs_max_of(vecna_wire_endpoint endpoint) {
    switch (endpoint) {
    case VECNA_WIRE_GOOGLE_BATCH_EMBED:
        return 100;
    case VECNA_WIRE_COHERE_EMBED:
        return 96;
    default:
        return 2048;
    }
}

static void set_limits(const vecna_wire_limits *limits, vecna_wire_endpoint endpoint,
                       vecna_wire_limits *out) {
    if (limits)
        *out = *limits;
    if (out->inputs_max == 0)
        out->inputs_max = inputs_max_of(endpoint);
    if (out->input_bytes_max == 0)
        out->input_bytes_max = 2000000;
    if (out->input_tokens_max == 0)
        out->input_tokens_max = 8192;
    if (out->tokens_max == 0)
        out->tokens_max = 300000;
    if (out->dim_max == 0)
        out->dim_max = VNI_WIRE_DIM_MAX;
}

vecna_status vecna_wire_request_parse(const vecna_wire_route *route, const char *body, size_t bytes,
                                      const vecna_wire_limits *limits, vecna_arena *arena,
                                      vecna_wire_request *out, vecna_wire_failure *failure) {
    vecna_wire_request draft = {.endpoint = route->endpoint,
                                .dialect = route->dialect,
                                .model = route->model,
                                .forms = VECNA_WIRE_FLOAT};
    vni_wire_parse parse = {.arena = arena, .out = &draft, .failure = failure};
    vni_wire_request_parser *parser = parser_of(route->endpoint);
    vecna_json_token token;
    vecna_status status;

    failure->dialect = route->dialect;
    set_limits(limits, route->endpoint, &parse.limits);
    if (parser == NULL)
        return vecna_wire_failure_set(failure, VECNA_WIRE_UNIMPLEMENTED,
                                      "this endpoint takes no request body");
    vecna_json_init(&parse.json, body, bytes, VNI_WIRE_DEPTH);
    status = vni_wire_next(&parse, &token);
    if (status == VECNA_OK && token.kind != VECNA_JSON_OBJECT_BEGIN)
        status = vni_wire_refuse(&parse, NULL, "the request body must be a JSON object");
    if (status == VECNA_OK)
        status = parser(&parse);
    if (status == VECNA_OK)
        status = vni_wire_next(&parse, &token); /* nothing but white space may follow */
    failure->dialect = draft.dialect;
    if (status == VECNA_OK)
        *out = draft;
    return status;
}
