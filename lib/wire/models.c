/* Lists of models, out and in. Every server lists something else beside the name; what is asked here
 * is whether a model embeds, how many dimensions it gives and how long a text it takes. One reader
 * knows all the names that these go by: they do not contradict each other, and a server that is
 * taken for another still shows what it has. */
#include "wire/wire_impl.h"

#include <stdio.h>

/* ---- out ------------------------------------------------------------------------------------- */

static void text_member(vecna_json_writer *writer, const char *key, vecna_wire_text text) {
    vecna_json_write_key(writer, key);
    vni_wire_write_text(text, writer);
}

static void string_member(vecna_json_writer *writer, const char *key, const char *value) {
    vecna_json_write_key(writer, key);
    vecna_json_write_string(writer, value);
}

static void number_member(vecna_json_writer *writer, const char *key, uint64_t value) {
    vecna_json_write_key(writer, key);
    vecna_json_write_u64(writer, value);
}

static void write_openai(const vecna_wire_model *model, vecna_json_writer *writer) {
    vecna_json_write_object_begin(writer);
    text_member(writer, "id", model->id);
    string_member(writer, "object", "model");
    vecna_json_write_key(writer, "created");
    vecna_json_write_i64(writer, model->created);
    text_member(writer, "owned_by",
                model->owned_by.bytes ? model->owned_by : VNI_WIRE_LITERAL("vecna"));
    vecna_json_write_object_end(writer);
}

static void write_google(const vecna_wire_model *model, vecna_json_writer *writer) {
    vecna_wire_input name = {.prefix = VNI_WIRE_LITERAL("models/"), .text = model->id};
    vecna_json_write_object_begin(writer);
    vecna_json_write_key(writer, "name");
    vni_wire_write_input(&name, writer);
    string_member(writer, "version", "001");
    text_member(writer, "displayName", model->id);
    string_member(writer, "description", "Text embeddings");
    number_member(writer, "inputTokenLimit", model->context_tokens ? model->context_tokens : 2048);
    number_member(writer, "outputTokenLimit", 1);
    vecna_json_write_key(writer, "supportedGenerationMethods");
    vecna_json_write_array_begin(writer);
    vecna_json_write_string(writer, "embedContent");
    vecna_json_write_string(writer, "batchEmbedContents");
    vecna_json_write_array_end(writer);
    vecna_json_write_object_end(writer);
}

/* "2026-01-31T23:59:59Z" of a Unix time: the civil date of a day number. */
static void write_time(int64_t time, vecna_json_writer *writer) {
    int64_t seconds = ((time % 86400) + 86400) % 86400, days = (time - seconds) / 86400 + 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097, of_era = days - era * 146097;
    int64_t years = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * years + years / 4 - years / 100);
    int64_t shifted = (5 * of_year + 2) / 153, month = shifted < 10 ? shifted + 3 : shifted - 9;
    char text[64];
    (void)snprintf(text, sizeof text, "%04lld-%02lld-%02lldT%02lld:%02lld:%02lldZ",
                   (long long)(years + era * 400 + (month <= 2)), (long long)month,
                   (long long)(of_year - (153 * shifted + 2) / 5 + 1), (long long)(seconds / 3600),
                   (long long)(seconds / 60 % 60), (long long)(seconds % 60));
    vecna_json_write_string(writer, text);
}

static void write_details(const vecna_wire_model *model, vecna_json_writer *writer) {
    vecna_json_write_key(writer, "details");
    vecna_json_write_object_begin(writer);
    string_member(writer, "parent_model", "");
    string_member(writer, "format", "");
    text_member(writer, "family", model->family);
    vecna_json_write_key(writer, "families");
    vecna_json_write_array_begin(writer);
    if (model->family.bytes)
        vni_wire_write_text(model->family, writer);
    vecna_json_write_array_end(writer);
    text_member(writer, "parameter_size", model->parameter_size);
    text_member(writer, "quantization_level", model->quantization);
    if (model->context_tokens)
        number_member(writer, "context_length", model->context_tokens);
    if (model->dim)
        number_member(writer, "embedding_length", model->dim);
    vecna_json_write_object_end(writer);
}

static void write_capabilities(vecna_json_writer *writer) {
    vecna_json_write_key(writer, "capabilities");
    vecna_json_write_array_begin(writer);
    vecna_json_write_string(writer, "embedding");
    vecna_json_write_array_end(writer);
}

static void write_tag(const vecna_wire_model *model, vecna_json_writer *writer) {
    vecna_json_write_object_begin(writer);
    text_member(writer, "name", model->id);
    text_member(writer, "model", model->id);
    vecna_json_write_key(writer, "modified_at");
    write_time(model->created, writer);
    number_member(writer, "size", model->bytes);
    text_member(writer, "digest", model->digest);
    write_details(model, writer);
    write_capabilities(writer);
    vecna_json_write_object_end(writer);
}

/* "bert.embedding_length" */
static void info_member(const vecna_wire_model *model, const char *name, uint64_t value,
                        vecna_json_writer *writer) {
    char key[96];
    int family = (int)(model->family.bytes > 60 ? 60 : model->family.bytes);
    if (value == 0)
        return;
    (void)snprintf(key, sizeof key, "%.*s.%s", family ? family : 5,
                   family ? model->family.data : "vecna", name);
    number_member(writer, key, value);
}

static void write_show(const vecna_wire_model *model, vecna_json_writer *writer) {
    vecna_json_write_object_begin(writer);
    string_member(writer, "modelfile", "");
    string_member(writer, "parameters", "");
    string_member(writer, "template", "");
    write_details(model, writer);
    vecna_json_write_key(writer, "model_info");
    vecna_json_write_object_begin(writer);
    text_member(writer, "general.architecture",
                model->family.bytes ? model->family : VNI_WIRE_LITERAL("vecna"));
    info_member(model, "context_length", model->context_tokens, writer);
    info_member(model, "embedding_length", model->dim, writer);
    vecna_json_write_object_end(writer);
    write_capabilities(writer);
    vecna_json_write_key(writer, "modified_at");
    write_time(model->created, writer);
    vecna_json_write_object_end(writer);
}

void vecna_wire_models_write(vecna_wire_endpoint endpoint, const vecna_wire_model *models,
                             size_t count, vecna_json_writer *writer) {
    void (*one)(const vecna_wire_model *, vecna_json_writer *) = write_openai;
    const char *list = NULL;
    switch (endpoint) {
    case VECNA_WIRE_GOOGLE_MODELS:
        list = "models";
        one = write_google;
        break;
    case VECNA_WIRE_GOOGLE_MODEL:
        one = write_google;
        break;
    case VECNA_WIRE_OLLAMA_TAGS:
        list = "models";
        one = write_tag;
        break;
    case VECNA_WIRE_OLLAMA_SHOW:
        one = write_show;
        break;
    case VECNA_WIRE_OPENAI_MODELS:
        list = "data";
        break;
    default:
        break;
    }
    if (list == NULL) {
        one(&models[0], writer);
        return;
    }
    vecna_json_write_object_begin(writer);
    if (endpoint == VECNA_WIRE_OPENAI_MODELS)
        string_member(writer, "object", "list");
    vecna_json_write_key(writer, list);
    vecna_json_write_array_begin(writer);
    for (size_t i = 0; i < count; i++)
        one(&models[i], writer);
    vecna_json_write_array_end(writer);
    vecna_json_write_object_end(writer);
}

void vecna_wire_version_write(const char *version, vecna_json_writer *writer) {
    vecna_json_write_object_begin(writer);
    string_member(writer, "version", version);
    vecna_json_write_object_end(writer);
}

/* ---- in -------------------------------------------------------------------------------------- */

enum { MODELS_MAX = 100000 };

typedef struct models_reading {
    vecna_json json;
    vecna_arena *arena;
    vecna_wire_model *models;
    size_t count;
    size_t capacity;
} models_reading;

static vecna_wire_model *add_model(models_reading *reading, vecna_error *err) {
    if (reading->count >= MODELS_MAX) {
        (void)vecna_error_set(err, VECNA_ERR_UNSUPPORTED, -1, "lists more than %d models",
                              MODELS_MAX);
        return NULL;
    }
    if (reading->count == reading->capacity) {
        size_t capacity = reading->capacity ? reading->capacity * 2 : 8;
        vecna_wire_model *models = vecna_arena_allocate(reading->arena, capacity, sizeof *models);
        if (models == NULL) {
            (void)vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a list of models");
            return NULL;
        }
        if (reading->count)
            memcpy(models, reading->models, reading->count * sizeof *models);
        reading->models = models;
        reading->capacity = capacity;
    }
    memset(&reading->models[reading->count], 0, sizeof *reading->models);
    return &reading->models[reading->count++];
}

static vecna_status take_text(models_reading *reading, const vecna_json_token *value,
                              vecna_wire_text *out, vecna_error *err) {
    return value->kind == VECNA_JSON_STRING && out->bytes == 0
               ? vni_wire_text(value, reading->arena, out, err)
               : VECNA_OK;
}

static int key_ends(const vecna_json_token *key, const char *end) {
    size_t bytes = strlen(end);
    return key->bytes >= bytes && memcmp(key->text + key->bytes - bytes, end, bytes) == 0;
}

static int is_any(const vecna_json_token *key, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (vecna_json_is(key, names[i]))
            return 1;
    return 0;
}
#define IS_ANY(key, names) is_any(key, names, sizeof names / sizeof *(names))

/* A word of "type", "capabilities" or "supportedGenerationMethods": embeds it or not. */
static int embeds_by(const vecna_json_token *value) {
    static const char *const yes[] = {"embedding",    "embeddings",         "embed",
                                      "embedContent", "batchEmbedContents", "feature-extraction"};
    static const char *const no[] = {"llm",    "vlm",      "completion", "generateContent",
                                     "rerank", "classify", "chat"};
    return IS_ANY(value, yes) ? 1 : IS_ANY(value, no) ? -1 : 0;
}

static void note_embeds(vecna_wire_model *model, int embeds) {
    if (embeds > 0 || model->embeds == 0)
        model->embeds = embeds;
}

static void take_number(const vecna_json_token *key, const vecna_json_token *value,
                        vecna_wire_model *model) {
    static const char *const dims[] = {"n_embd",     "embedding_length",    "dimension",
                                       "dimensions", "embedding_dimension", "output_dimension"};
    static const char *const contexts[] = {"max_model_len",    "max_context_length",
                                           "context_length",   "inputTokenLimit",
                                           "max_input_length", "n_ctx_train"};
    uint64_t number;
    if (!vni_wire_count(value, &number))
        return;
    if (IS_ANY(key, dims) || key_ends(key, ".embedding_length"))
        model->dim = number > VNI_WIRE_DIM_MAX ? 0 : (size_t)number;
    else if (IS_ANY(key, contexts) || key_ends(key, ".context_length"))
        model->context_tokens = number > UINT32_MAX ? 0 : (size_t)number;
    else if (vecna_json_is(key, "max_client_batch_size"))
        model->batch_max = number > UINT32_MAX ? 0 : (size_t)number;
    else if (vecna_json_is(key, "created"))
        model->created = (int64_t)number;
    else if (vecna_json_is(key, "size"))
        model->bytes = number;
}

static vecna_status take_words(models_reading *reading, const vecna_json_token *key,
                               const vecna_json_token *value, vecna_wire_model *model,
                               vecna_error *err) {
    static const char *const owners[] = {"owned_by", "publisher", "organization_owner"};
    static const char *const families[] = {"family", "arch", "general.architecture",
                                           "architecture"};
    static const char *const kinds[] = {"type", "task", "pipeline_tag"};
    if (IS_ANY(key, owners))
        return take_text(reading, value, &model->owned_by, err);
    if (IS_ANY(key, families))
        return take_text(reading, value, &model->family, err);
    if (vecna_json_is(key, "digest"))
        return take_text(reading, value, &model->digest, err);
    if (vecna_json_is(key, "parameter_size"))
        return take_text(reading, value, &model->parameter_size, err);
    if (vecna_json_is(key, "quantization_level") || vecna_json_is(key, "quantization"))
        return take_text(reading, value, &model->quantization, err);
    if (IS_ANY(key, kinds))
        note_embeds(model, embeds_by(value));
    return VECNA_OK;
}

/* The members of one model's object and of the objects in it ("details", "meta", "model_info"). */
static vecna_status read_model(models_reading *reading, size_t index, vecna_error *err) {
    static const char *const ids[] = {"id", "model_id", "key"};
    static const char *const lists[] = {"capabilities", "supportedGenerationMethods", "endpoints"};
    size_t depth = reading->json.depth - 1;
    vecna_json_token token, key = {VECNA_JSON_END, 0, NULL, 0};
    vecna_wire_text name = {NULL, 0};
    int listed = 0;
    while (reading->json.depth > depth) {
        vecna_wire_model *model = &reading->models[index];
        vecna_status status = vecna_json_next(&reading->json, &token, err);
        if (status != VECNA_OK)
            return status;
        switch (token.kind) {
        case VECNA_JSON_KEY:
            key = token;
            if (reading->json.depth == depth + 1)
                listed = 0;
            continue;
        case VECNA_JSON_ARRAY_BEGIN:
            listed = key.text && IS_ANY(&key, lists);
            break;
        case VECNA_JSON_OBJECT_BEGIN:
            if (key.text && vecna_json_is(&key, "embedding")) /* TEI: {"embedding":{"pooling"}} */
                note_embeds(model, 1);
            break;
        case VECNA_JSON_STRING:
            if (listed)
                note_embeds(model, embeds_by(&token));
            else if (key.text && reading->json.depth == depth + 1 && IS_ANY(&key, ids))
                status = take_text(reading, &token, &model->id, err);
            else if (key.text && reading->json.depth == depth + 1 && vecna_json_is(&key, "name"))
                status = take_text(reading, &token, &name, err);
            else if (key.text)
                status = take_words(reading, &key, &token, model, err);
            break;
        case VECNA_JSON_NUMBER:
            if (key.text)
                take_number(&key, &token, model);
            break;
        case VECNA_JSON_TRUE: /* LM Studio's and infinity's {"embed":true} */
            if (key.text && vecna_json_is(&key, "embed"))
                note_embeds(model, 1);
            break;
        case VECNA_JSON_ARRAY_END:
            listed = 0;
            break;
        default:
            break;
        }
        if (status != VECNA_OK)
            return status;
    }
    if (reading->models[index].id.bytes == 0)
        reading->models[index].id = name;
    vecna_wire_text *id = &reading->models[index].id;
    if (id->bytes > 7 && memcmp(id->data, "models/", 7) == 0)
        *id = (vecna_wire_text){id->data + 7, id->bytes - 7};
    return VECNA_OK;
}

static vecna_status read_list(models_reading *reading, vecna_error *err) {
    vecna_json_token token;
    for (;;) {
        vecna_status status = vecna_json_next(&reading->json, &token, err);
        if (status != VECNA_OK || token.kind == VECNA_JSON_ARRAY_END)
            return status;
        if (token.kind == VECNA_JSON_OBJECT_BEGIN) {
            if (add_model(reading, err) == NULL)
                return err ? err->status : VECNA_ERR_MEMORY;
            status = read_model(reading, reading->count - 1, err);
        } else if (token.kind == VECNA_JSON_STRING) { /* a bare list of names */
            vecna_wire_model *model = add_model(reading, err);
            if (model == NULL)
                return err ? err->status : VECNA_ERR_MEMORY;
            status = vni_wire_text(&token, reading->arena, &model->id, err);
        } else {
            status = vecna_error_set(err, VECNA_ERR_FORMAT, -1, "lists something that is no model");
        }
        if (status != VECNA_OK)
            return status;
    }
}

/* An object with the list under "data" or "models". */
static vecna_status read_wrapped(models_reading *reading, vecna_error *err) {
    vecna_json_token key, value;
    int met = 0;
    for (;;) {
        vecna_status status = vecna_json_next(&reading->json, &key, err);
        if (status != VECNA_OK)
            return status;
        if (key.kind == VECNA_JSON_OBJECT_END)
            return met ? VECNA_OK
                       : vecna_error_set(err, VECNA_ERR_FORMAT, -1,
                                         "answers without a list of "
                                         "models");
        status = vecna_json_next(&reading->json, &value, err);
        if (status != VECNA_OK)
            return status;
        if ((vecna_json_is(&key, "data") || vecna_json_is(&key, "models")) && !met &&
            (value.kind == VECNA_JSON_ARRAY_BEGIN || value.kind == VECNA_JSON_NULL)) {
            met = 1; /* Ollama without models says null */
            status = value.kind == VECNA_JSON_NULL ? VECNA_OK : read_list(reading, err);
        } else {
            status = vecna_json_skip(&reading->json, &value, NULL, err);
        }
        if (status != VECNA_OK)
            return status;
    }
}

/* Some key of the object at the start of a body, at its first level. */
static int has_key(const char *body, size_t bytes, const char *name) {
    vecna_json json;
    vecna_json_token token;
    vecna_json_init(&json, body, bytes, VNI_WIRE_DEPTH);
    while (vecna_json_next(&json, &token, NULL) == VECNA_OK && token.kind != VECNA_JSON_END)
        if (token.kind == VECNA_JSON_KEY && json.depth == 1 && vecna_json_is(&token, name))
            return 1;
    return 0;
}

vecna_status vecna_wire_models_read(vecna_wire_dialect dialect, const char *body, size_t bytes,
                                    vecna_arena *arena, const vecna_wire_model **models,
                                    size_t *count, vecna_error *err) {
    models_reading reading = {.arena = arena};
    vecna_json_token token;
    vecna_error why;
    vecna_status status;
    int single = dialect == VECNA_WIRE_TEI ||
                 (dialect == VECNA_WIRE_OLLAMA &&
                  (has_key(body, bytes, "model_info") || has_key(body, bytes, "details")));
    vecna_json_init(&reading.json, body, bytes, VNI_WIRE_DEPTH);
    status = vecna_json_next(&reading.json, &token, &why);
    if (status == VECNA_OK && token.kind == VECNA_JSON_ARRAY_BEGIN)
        status = read_list(&reading, &why);
    else if (status == VECNA_OK && token.kind == VECNA_JSON_OBJECT_BEGIN && single)
        status = add_model(&reading, &why) ? read_model(&reading, 0, &why) : why.status;
    else if (status == VECNA_OK && token.kind == VECNA_JSON_OBJECT_BEGIN)
        status = read_wrapped(&reading, &why);
    else if (status == VECNA_OK)
        status = vecna_error_set(&why, VECNA_ERR_FORMAT, -1, "answers without a list of models");
    if (status == VECNA_OK)
        status = vecna_json_next(&reading.json, &token, &why);
    if (status == VECNA_OK && dialect == VECNA_WIRE_TEI &&
        (reading.count == 0 || reading.models[0].id.bytes == 0))
        status = vecna_error_set(&why, VECNA_ERR_FORMAT, -1, "answers without \"model_id\"");
    if (status != VECNA_OK)
        return vecna_error_set(err, status, why.position, "%s", why.message);
    *models = reading.models;
    *count = reading.count;
    return VECNA_OK;
}

/* ---- which server ---------------------------------------------------------------------------- */

const char *vecna_wire_server_name(vecna_wire_server server) {
    static const char *const names[] = {"unknown", "ollama", "lm-studio", "llama-server",
                                        "vllm",    "tei",    "infinity",  "openai"};
    return (size_t)server < sizeof names / sizeof *names ? names[server] : "unknown";
}

/* The whole body is JSON; its first token is an object. */
static int is_object(const char *body, size_t bytes) {
    vecna_json json;
    vecna_json_token token;
    vecna_json_init(&json, body, bytes, VNI_WIRE_DEPTH);
    if (vecna_json_next(&json, &token, NULL) != VECNA_OK || token.kind != VECNA_JSON_OBJECT_BEGIN ||
        vecna_json_skip(&json, &token, NULL, NULL) != VECNA_OK)
        return 0;
    return vecna_json_next(&json, &token, NULL) == VECNA_OK;
}

/* Every element of the list "data" has a key of that name; none is not enough. */
static int elements_have(const char *body, size_t bytes, const char *name) {
    vecna_json json;
    vecna_json_token token;
    size_t elements = 0, met = 0;
    vecna_json_init(&json, body, bytes, VNI_WIRE_DEPTH);
    while (vecna_json_next(&json, &token, NULL) == VECNA_OK && token.kind != VECNA_JSON_END) {
        elements += token.kind == VECNA_JSON_OBJECT_BEGIN && json.depth == 3;
        met += token.kind == VECNA_JSON_KEY && json.depth == 3 && vecna_json_is(&token, name);
    }
    return elements > 0 && met >= elements;
}

/* The list of /v1/models: vLLM by its owner, others as somebody. */
static vecna_wire_server server_of_list(const char *body, size_t bytes) {
    vecna_json json;
    vecna_json_token token, key = {VECNA_JSON_END, 0, NULL, 0};
    vecna_json_init(&json, body, bytes, VNI_WIRE_DEPTH);
    while (vecna_json_next(&json, &token, NULL) == VECNA_OK && token.kind != VECNA_JSON_END) {
        if (token.kind == VECNA_JSON_KEY) {
            key = token;
            continue;
        }
        if (key.text && token.kind == VECNA_JSON_STRING && vecna_json_is(&key, "owned_by")) {
            if (vecna_json_is(&token, "vllm"))
                return VECNA_WIRE_SERVER_VLLM;
            if (vecna_json_is(&token, "llamacpp"))
                return VECNA_WIRE_SERVER_LLAMA_SERVER;
        }
    }
    return has_key(body, bytes, "data") ? VECNA_WIRE_SERVER_OPENAI : VECNA_WIRE_SERVER_UNKNOWN;
}

vecna_wire_server vecna_wire_server_of(const char *path, const char *body, size_t bytes) {
    if (!is_object(body, bytes))
        return VECNA_WIRE_SERVER_UNKNOWN;
    if (strcmp(path, "/api/version") == 0)
        return has_key(body, bytes, "version") ? VECNA_WIRE_SERVER_OLLAMA
                                               : VECNA_WIRE_SERVER_UNKNOWN;
    if (strcmp(path, "/api/v0/models") == 0)
        return elements_have(body, bytes, "type") && elements_have(body, bytes, "state")
                   ? VECNA_WIRE_SERVER_LM_STUDIO
                   : VECNA_WIRE_SERVER_UNKNOWN;
    if (strcmp(path, "/props") == 0)
        return has_key(body, bytes, "build_info") || has_key(body, bytes, "total_slots")
                   ? VECNA_WIRE_SERVER_LLAMA_SERVER
                   : VECNA_WIRE_SERVER_UNKNOWN;
    if (strcmp(path, "/info") == 0)
        return has_key(body, bytes, "model_id") && has_key(body, bytes, "max_client_batch_size")
                   ? VECNA_WIRE_SERVER_TEI
                   : VECNA_WIRE_SERVER_UNKNOWN;
    if (strcmp(path, "/health") == 0)
        return has_key(body, bytes, "unix") ? VECNA_WIRE_SERVER_INFINITY
                                            : VECNA_WIRE_SERVER_UNKNOWN;
    if (strcmp(path, "/v1/models") == 0 || strcmp(path, "/models") == 0)
        return server_of_list(body, bytes);
    return VECNA_WIRE_SERVER_UNKNOWN;
}
