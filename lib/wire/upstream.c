/* The upstream side: which provider writes which request and reads which answer. */
#include "codec/codec_impl.h"
#include "wire/wire_impl.h"

#include <stdio.h>

typedef struct upstream {
    vni_wire_ask *ask;
    vni_wire_result *result;
    size_t inputs_max;
    const char *version; /* "/v1": put in front when the configured path does not end with it */
    const char *path;    /* behind the version; Google's has the model in it */
    int tokens;          /* takes token ids */
} upstream;

static const upstream upstreams[] = {
    [VECNA_WIRE_OPENAI] = {vni_wire_openai_ask, vni_wire_openai_result, 2048, "/v1", "/embeddings",
                           1},
    [VECNA_WIRE_GOOGLE] = {vni_wire_google_ask, vni_wire_google_result, 100, "/v1beta", "/models/",
                           0},
    [VECNA_WIRE_OLLAMA] = {vni_wire_ollama_ask, vni_wire_ollama_result, 2048, "/api", "/embed", 0},
    [VECNA_WIRE_COHERE] = {vni_wire_cohere_ask, vni_wire_cohere_result, 96, "/v2", "/embed", 0},
    [VECNA_WIRE_VOYAGE] = {vni_wire_voyage_ask, vni_wire_openai_result, 128, "/v1", "/embeddings",
                           0},
    [VECNA_WIRE_JINA] = {vni_wire_jina_ask, vni_wire_openai_result, 2048, "/v1", "/embeddings", 0},
    [VECNA_WIRE_MISTRAL] = {vni_wire_mistral_ask, vni_wire_openai_result, 2048, "/v1",
                            "/embeddings", 0},
    [VECNA_WIRE_TEI] = {vni_wire_tei_ask, vni_wire_tei_result, 32, "", "/embed", 1},
};

static const upstream *upstream_of(vecna_wire_dialect dialect) {
    return (size_t)dialect < sizeof upstreams / sizeof *upstreams ? &upstreams[dialect] : NULL;
}

/* ---- requests -------------------------------------------------------------------------------- */

void vni_wire_write_input(const vecna_wire_input *input, vecna_json_writer *writer) {
    const char *parts[] = {input->prefix.data, input->text.data, input->suffix.data};
    const size_t bytes[] = {input->prefix.bytes, input->text.bytes, input->suffix.bytes};
    vni_json_write_string_parts(writer, parts, bytes, 3);
}

static void write_tokens(const vecna_wire_input *input, vecna_json_writer *writer) {
    vecna_json_write_array_begin(writer);
    for (size_t i = 0; i < input->tokens_count; i++)
        vecna_json_write_u64(writer, input->tokens[i]);
    vecna_json_write_array_end(writer);
}

void vni_wire_write_inputs(const vecna_wire_ask *ask, vecna_json_writer *writer) {
    vecna_json_write_array_begin(writer);
    for (size_t i = 0; i < ask->inputs_count; i++)
        if (ask->inputs[i].tokens)
            write_tokens(&ask->inputs[i], writer);
        else
            vni_wire_write_input(&ask->inputs[i], writer);
    vecna_json_write_array_end(writer);
}

size_t vecna_wire_ask_inputs_max(vecna_wire_dialect dialect) {
    const upstream *provider = upstream_of(dialect);
    return provider ? provider->inputs_max : 1;
}

void vecna_wire_ask_key_header(vecna_wire_dialect dialect, const char **name,
                               const char **before_key) {
    *name = dialect == VECNA_WIRE_GOOGLE ? "x-goog-api-key" : "authorization";
    *before_key = dialect == VECNA_WIRE_GOOGLE ? "" : "Bearer ";
}

vecna_status vecna_wire_ask_write(const vecna_wire_ask *ask, vecna_json_writer *writer,
                                  vecna_error *err) {
    const upstream *provider = upstream_of(ask->dialect);
    if (provider == NULL)
        return vecna_error_set(err, VECNA_ERR_UNSUPPORTED, -1, "no such provider");
    for (size_t i = 0; i < ask->inputs_count; i++)
        if (ask->inputs[i].tokens && !provider->tokens)
            return vecna_error_set(err, VECNA_ERR_UNSUPPORTED, (int64_t)i,
                                   "input %zu is token ids, which %s does not take", i,
                                   vecna_wire_dialect_name(ask->dialect));
    return provider->ask(ask, writer, err);
}

static int ends_with(vecna_wire_text text, const char *end) {
    size_t bytes = strlen(end);
    return text.bytes >= bytes && memcmp(text.data + text.bytes - bytes, end, bytes) == 0;
}

/* "/v1", "/v1beta", "/v2": the last part of a path is a version. */
static int ends_with_version(vecna_wire_text path) {
    size_t at = path.bytes;
    while (at > 0 && path.data[at - 1] != '/')
        at--;
    return path.bytes - at >= 2 && path.data[at] == 'v' && path.data[at + 1] >= '0' &&
           path.data[at + 1] <= '9';
}

static size_t put_escaped(char *to, vecna_wire_text name) {
    static const char hex[] = "0123456789ABCDEF";
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    size_t bytes = 0;
    for (size_t i = 0; i < name.bytes; i++) {
        unsigned char byte = (unsigned char)name.data[i];
        if (byte != 0 && strchr(plain, byte)) {
            to[bytes++] = (char)byte;
        } else {
            to[bytes++] = '%';
            to[bytes++] = hex[byte >> 4];
            to[bytes++] = hex[byte & 15];
        }
    }
    return bytes;
}

vecna_status vecna_wire_ask_path(vecna_wire_dialect dialect, vecna_wire_text base_path,
                                 vecna_wire_text model, vecna_arena *arena, vecna_wire_text *out,
                                 vecna_error *err) {
    const upstream *provider = upstream_of(dialect);
    const char *verb = ":batchEmbedContents", *version;
    char *to;
    size_t bytes = 0;
    if (provider == NULL)
        return vecna_error_set(err, VECNA_ERR_UNSUPPORTED, -1, "no such provider");
    while (base_path.bytes > 0 && base_path.data[base_path.bytes - 1] == '/')
        base_path.bytes--;
    if (model.bytes > 7 && memcmp(model.data, "models/", 7) == 0)
        model = (vecna_wire_text){model.data + 7, model.bytes - 7};
    to = vecna_arena_allocate(arena, base_path.bytes + 3 * model.bytes + 64, 1);
    if (to == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a path");
    if (base_path.bytes)
        memcpy(to, base_path.data, base_path.bytes);
    bytes = base_path.bytes;
    *out = (vecna_wire_text){to, bytes};
    if (ends_with(base_path, provider->path) && dialect != VECNA_WIRE_GOOGLE)
        return VECNA_OK;
    /* A path of their own ("/openai", "/api/v3") is theirs to have right; the bare host gets ours. */
    version = provider->version;
    if (base_path.bytes > 0 && (ends_with_version(base_path) || ends_with(base_path, version) ||
                                dialect == VECNA_WIRE_OPENAI))
        version = "";
    bytes += (size_t)snprintf(to + bytes, 32, "%s%s", version, provider->path);
    if (dialect == VECNA_WIRE_GOOGLE) {
        bytes += put_escaped(to + bytes, model);
        memcpy(to + bytes, verb, strlen(verb));
        bytes += strlen(verb);
    }
    out->bytes = bytes;
    return VECNA_OK;
}

/* ---- answers --------------------------------------------------------------------------------- */

/* An error in an answer with status 200, or something else altogether. */
static vecna_status no_answer(const vni_wire_reading *reading, const char *wanted, int has_error,
                              vecna_error *err) {
    vecna_wire_failure failure = {.dialect = VECNA_WIRE_OPENAI};
    if (!has_error)
        return vecna_error_set(err, VECNA_ERR_FORMAT, -1, "answers without %s", wanted);
    vecna_wire_failure_read(500, reading->body, reading->body_bytes, NULL, &failure);
    return vecna_error_set(err, VECNA_ERR_FORMAT, -1, "answers with an error: %s",
                           failure.error.message);
}

vecna_status vni_wire_no_answer(const vni_wire_reading *reading, const vecna_json_token *first,
                                const char *wanted, vecna_error *err) {
    return no_answer(reading, wanted, first->kind == VECNA_JSON_OBJECT_BEGIN, err);
}

vecna_status vni_wire_read_count(vni_wire_reading *reading, const char *name, vecna_error *err) {
    vecna_json_token key, value;
    for (;;) {
        vecna_status status = vecna_json_next(&reading->json, &key, err);
        if (status != VECNA_OK || key.kind == VECNA_JSON_OBJECT_END)
            return status;
        status = vecna_json_next(&reading->json, &value, err);
        if (status != VECNA_OK)
            return status;
        if (vecna_json_is(&key, name))
            (void)vni_wire_count(&value, &reading->out->tokens);
        status = vecna_json_skip(&reading->json, &value, NULL, err);
        if (status != VECNA_OK)
            return status;
    }
}

vecna_status vni_wire_answer_members(vni_wire_reading *reading, const vecna_json_token *first,
                                     const char *wanted, vni_wire_member *take, vecna_error *err) {
    vecna_json_token key, value;
    char quoted[32];
    int met = 0, has_error = 0;
    (void)snprintf(quoted, sizeof quoted, "\"%s\"", wanted);
    if (first->kind != VECNA_JSON_OBJECT_BEGIN)
        return no_answer(reading, quoted, 0, err);
    for (;;) {
        vecna_status status = vecna_json_next(&reading->json, &key, err);
        if (status != VECNA_OK)
            return status;
        if (key.kind == VECNA_JSON_OBJECT_END)
            break;
        status = vecna_json_next(&reading->json, &value, err);
        if (status != VECNA_OK)
            return status;
        has_error |= vecna_json_is(&key, "error") && value.kind != VECNA_JSON_NULL;
        if (vecna_json_is(&key, wanted) && value.kind != VECNA_JSON_NULL && met++)
            return vecna_error_set(err, VECNA_ERR_FORMAT, -1, "answers with \"%s\" twice", wanted);
        status = take(reading, &key, &value, err);
        if (status != VECNA_OK)
            return status;
    }
    return met ? VECNA_OK : no_answer(reading, quoted, has_error, err);
}

/* What the scanner says becomes a clause to put behind the upstream's name. */
static vecna_status as_clause(vecna_status status, const vecna_error *why, vecna_error *err) {
    if (strncmp(why->message, "JSON:", 5) != 0)
        return vecna_error_set(err, status, why->position, "%s", why->message);
    return vecna_error_set(err, status, why->position, "%s (%s)",
                           status == VECNA_ERR_TRUNCATED ? "breaks off in the middle of its answer"
                                                         : "answers what is no valid JSON",
                           why->message);
}

vecna_status vecna_wire_result_read(const char *body, size_t bytes, const vecna_wire_expect *expect,
                                    vecna_arena *arena, vecna_wire_result *out, vecna_error *err) {
    const upstream *provider = upstream_of(expect->dialect);
    vecna_wire_result draft = {.model = {NULL, 0}};
    vni_wire_reading reading = {.out = &draft, .body = body, .body_bytes = bytes};
    vecna_json_token first;
    vecna_error why = {VECNA_OK, -1, ""};
    vecna_status status;
    if (provider == NULL)
        return vecna_error_set(err, VECNA_ERR_UNSUPPORTED, -1, "no such provider");
    status = vni_wire_rows_init(&reading.rows, expect, arena, &why);
    vecna_json_init(&reading.json, body, bytes, VNI_WIRE_DEPTH);
    if (status == VECNA_OK)
        status = vecna_json_next(&reading.json, &first, &why);
    if (status == VECNA_OK)
        status = provider->result(&reading, &first, &why);
    if (status == VECNA_OK)
        status = vecna_json_next(&reading.json, &first, &why);
    if (status == VECNA_OK)
        status = vni_wire_rows_finish(&reading.rows, &why);
    if (status != VECNA_OK)
        return as_clause(status, &why, err);
    draft.vectors = reading.rows.matrix;
    draft.base64 = reading.rows.base64;
    *out = draft;
    return VECNA_OK;
}
