/* Which servers are there. Each is told by the answer to a path that only its kind has, not by its port: an
 * open port is no server. All paths of all ports are asked at once, this machine's only unless others are
 * named; a key goes to named servers alone. */
#include "proxy/proxy.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CONNECT_MS = 600, OVERALL_MS = 4000, PORTS_MOST = 32, HEADER_BYTES = 512 };

/* In the order in which a server is told: the special before the general. */
static const char *const fingerprints[] = {"/api/version", "/api/v0/models", "/props",
                                           "/info",        "/health",        "/v1/models"};
enum { FINGERPRINTS = sizeof fingerprints / sizeof fingerprints[0] };

/* Usual ports: Ollama, LM Studio, llama-server and LocalAI, vLLM, TEI, infinity, Jan, KoboldCpp, TabbyAPI,
 * Docker Model Runner, aigw, vecna itself. */
static const unsigned short ports[] = {11434, 1234, 8080, 8000,  3000, 7997,
                                       1337,  5001, 5000, 12434, 1975, 8484};

const char *vni_found_provider(const vni_found *server) {
    switch (server->server) {
    case VECNA_WIRE_SERVER_OLLAMA:
        return "ollama";
    case VECNA_WIRE_SERVER_TEI:
        return "tei";
    default:
        return "openai";
    }
}

static vecna_wire_dialect dialect_of(const vni_found *server) {
    return server->server == VECNA_WIRE_SERVER_OLLAMA ? VECNA_WIRE_OLLAMA
           : server->server == VECNA_WIRE_SERVER_TEI  ? VECNA_WIRE_TEI
                                                      : VECNA_WIRE_OPENAI;
}

/* ---- who is there ------------------------------------------------------------------------------------- */

static void key_header(const char *api_key, char out[HEADER_BYTES]) {
    snprintf(out, HEADER_BYTES, "Authorization: Bearer %s", api_key ? api_key : "");
}

/* The base of an address whose path is the API's: "http://h/v1" is asked at "http://h". */
static void server_root(const char *url, char out[256]) {
    size_t bytes = strlen(url);
    if (bytes > 3 && strcmp(url + bytes - 3, "/v1") == 0)
        bytes -= 3;
    snprintf(out, 256, "%.*s", (int)(bytes < 255 ? bytes : 255), url);
}

static void judge(vni_found *found, const vni_fetch *asked) {
    found->server = VECNA_WIRE_SERVER_UNKNOWN;
    for (size_t i = 0; i < FINGERPRINTS; i++) {
        if (asked[i].status == 401 || asked[i].status == 403)
            found->needs_key = 1;
        if (asked[i].status == 200 && found->server == VECNA_WIRE_SERVER_UNKNOWN)
            found->server = vecna_wire_server_of(fingerprints[i], asked[i].answer, asked[i].bytes);
    }
    if (asked[FINGERPRINTS - 1].status == 200 &&
        strstr(asked[FINGERPRINTS - 1].answer, "\"owned_by\":\"vecna\""))
        found->is_vecna = 1;
}

static vecna_status ask_fingerprints(vni_found *servers, size_t count,
                                     const vni_discover_options *options, vecna_error *err) {
    size_t all = count * FINGERPRINTS;
    vni_fetch *list = vecna_allocate_zero(options->allocator, all, sizeof *list);
    char(*urls)[320] = vecna_allocate_zero(options->allocator, all, sizeof *urls);
    char header[HEADER_BYTES];
    vecna_status status = VECNA_OK;
    if (list == NULL || urls == NULL)
        status = vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to look around");
    key_header(options->api_key, header);
    for (size_t i = 0; status == VECNA_OK && i < all; i++) {
        snprintf(urls[i], sizeof urls[i], "%s%s", servers[i / FINGERPRINTS].url,
                 fingerprints[i % FINGERPRINTS]);
        list[i].url = urls[i];
        list[i].header = options->api_key && options->url_count ? header : NULL;
        list[i].connect_ms = options->url_count ? OVERALL_MS : CONNECT_MS;
        list[i].timeout_ms = OVERALL_MS;
    }
    if (status == VECNA_OK)
        status = vni_fetch_all(list, all, options->allocator, err);
    for (size_t i = 0; status == VECNA_OK && i < count; i++)
        judge(&servers[i], list + i * FINGERPRINTS);
    if (list)
        vni_fetch_free(list, all, options->allocator);
    vecna_release(options->allocator, list);
    vecna_release(options->allocator, urls);
    vni_wipe(header, sizeof header);
    return status;
}

/* ---- what models it has --------------------------------------------------------------------------------- */

static const char *models_path(const vni_found *server) {
    switch (server->server) {
    case VECNA_WIRE_SERVER_OLLAMA:
        return "/api/tags";
    case VECNA_WIRE_SERVER_LM_STUDIO:
        return "/api/v0/models";
    case VECNA_WIRE_SERVER_TEI:
        return "/info";
    case VECNA_WIRE_SERVER_INFINITY:
        return "/models";
    default:
        return "/v1/models";
    }
}

static vecna_status keep_models(vni_found *server, const vni_fetch *asked,
                                const vecna_allocator *allocator, vecna_error *err) {
    const vecna_wire_model *models = NULL;
    size_t count = 0;
    vecna_arena arena;
    vecna_arena_init(&arena, 64 << 20, allocator);
    if (asked->status == 401 || asked->status == 403)
        server->needs_key = 1;
    if (asked->status != 200 ||
        vecna_wire_models_read(dialect_of(server), asked->answer, asked->bytes, &arena, &models,
                               &count, NULL) != VECNA_OK)
        count = 0;
    if (count > VNI_FOUND_MODELS)
        count = VNI_FOUND_MODELS;
    server->models = vecna_allocate_zero(allocator, count, sizeof *server->models);
    if (server->models == NULL) {
        vecna_arena_free(&arena);
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for the models");
    }
    for (size_t i = 0; i < count; i++) {
        vni_found_model *model = &server->models[i];
        snprintf(model->id, sizeof model->id, "%.*s",
                 (int)(models[i].id.bytes < 127 ? models[i].id.bytes : 127),
                 models[i].id.data ? models[i].id.data : "");
        model->dim = models[i].dim;
        model->embeds = models[i].embeds;
    }
    server->model_count = count;
    vecna_arena_free(&arena);
    return VECNA_OK;
}

static vecna_status ask_models(vni_found *servers, size_t count,
                               const vni_discover_options *options, vecna_error *err) {
    vni_fetch *list = vecna_allocate_zero(options->allocator, count, sizeof *list);
    char(*urls)[320] = vecna_allocate_zero(options->allocator, count, sizeof *urls);
    char header[HEADER_BYTES];
    vecna_status status = VECNA_OK;
    if (list == NULL || urls == NULL)
        status = vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to look around");
    key_header(options->api_key, header);
    for (size_t i = 0; status == VECNA_OK && i < count; i++) {
        snprintf(urls[i], sizeof urls[i], "%s%s", servers[i].url, models_path(&servers[i]));
        list[i].url = urls[i];
        list[i].header = options->api_key && options->url_count ? header : NULL;
        list[i].connect_ms = list[i].timeout_ms = OVERALL_MS;
    }
    if (status == VECNA_OK)
        status = vni_fetch_all(list, count, options->allocator, err);
    for (size_t i = 0; status == VECNA_OK && i < count; i++)
        status = keep_models(&servers[i], &list[i], options->allocator, err);
    if (list)
        vni_fetch_free(list, count, options->allocator);
    vecna_release(options->allocator, list);
    vecna_release(options->allocator, urls);
    vni_wipe(header, sizeof header);
    return status;
}

/* ---- the whole ------------------------------------------------------------------------------------------ */

static vecna_status name_servers(const vni_discover_options *options, vni_found *servers,
                                 size_t count, vecna_error *err) {
    for (size_t i = 0; i < count; i++) {
        char *clean = NULL;
        vecna_status status;
        if (options->url_count == 0) {
            snprintf(servers[i].url, sizeof servers[i].url, "http://127.0.0.1:%u", ports[i]);
            continue;
        }
        status = vni_url_check(options->urls[i], &clean, err);
        if (status != VECNA_OK)
            return status;
        server_root(clean, servers[i].url);
        vni_url_free(clean);
    }
    return VECNA_OK;
}

vecna_status vni_discover(const vni_discover_options *options, vni_found **out, size_t *count,
                          vecna_error *err) {
    size_t all = options->url_count ? options->url_count : sizeof ports / sizeof ports[0], kept = 0;
    vni_found *servers;
    vecna_status status;
    if (all > PORTS_MOST)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1, "at most %d servers at once",
                               PORTS_MOST);
    servers = vecna_allocate_zero(options->allocator, all, sizeof *servers);
    if (servers == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to look around");
    status = name_servers(options, servers, all, err);
    if (status == VECNA_OK)
        status = ask_fingerprints(servers, all, options, err);
    for (size_t i = 0; status == VECNA_OK && i < all; i++)
        if (servers[i].server != VECNA_WIRE_SERVER_UNKNOWN || servers[i].needs_key)
            servers[kept++] = servers[i];
    if (status == VECNA_OK)
        status = ask_models(servers, kept, options, err);
    if (status != VECNA_OK) {
        vni_found_free(servers, kept, options->allocator);
        return status;
    }
    *out = servers;
    *count = kept;
    return VECNA_OK;
}

void vni_found_free(vni_found *found, size_t count, const vecna_allocator *allocator) {
    for (size_t i = 0; found && i < count; i++)
        vecna_release(allocator, found[i].models);
    vecna_release(allocator, found);
}

/* ---- one word ---------------------------------------------------------------------------------------------- */

static void take_word(vni_found_model *model, vecna_wire_dialect dialect, const vni_fetch *asked,
                      const vecna_allocator *allocator) {
    vecna_wire_expect expect = {0};
    vecna_wire_result result = {0};
    vecna_arena arena;
    vecna_error inner;
    double sum = 0;
    inner.message[0] = '\0';
    if (asked->status != 200) {
        vecna_wire_failure said = {0};
        if (asked->status)
            vecna_wire_failure_read(asked->status, asked->answer, asked->bytes, NULL, &said);
        snprintf(model->problem, sizeof model->problem, "%.150s",
                 asked->status                       ? said.error.message
                 : asked->fault == VNI_FAULT_TIMEOUT ? "no answer in time"
                                                     : "no answer");
        return;
    }
    vecna_arena_init(&arena, 64 << 20, allocator);
    expect.dialect = dialect;
    expect.rows = 1;
    if (vecna_wire_result_read(asked->answer, asked->bytes, &expect, &arena, &result, &inner) ==
        VECNA_OK) {
        for (size_t i = 0; i < result.vectors.dim; i++)
            sum += (double)result.vectors.data[i] * (double)result.vectors.data[i];
        model->dim = result.vectors.dim;
        model->norm = sqrt(sum);
        model->embeds = 1;
    } else {
        snprintf(model->problem, sizeof model->problem, "it %.150s", inner.message);
    }
    vecna_arena_free(&arena);
}

vecna_status vni_probe_model(const vni_found *server, vni_found_model *model, const char *api_key,
                             int64_t timeout_ms, const vecna_allocator *allocator,
                             vecna_error *err) {
    vecna_wire_input input = {0};
    vecna_wire_ask ask = {0};
    vecna_json_writer body;
    vecna_arena arena;
    vecna_wire_text path = {NULL, 0};
    vni_fetch fetch = {0};
    char url[640], header[HEADER_BYTES];
    vecna_status status;
    input.text = vecna_wire_text_of("hello");
    ask.dialect = dialect_of(server);
    ask.inputs = &input;
    ask.inputs_count = 1;
    ask.model = vecna_wire_text_of(model->id);
    model->problem[0] = '\0';
    vecna_json_writer_init(&body, 1 << 16, allocator);
    vecna_arena_init(&arena, 1 << 16, allocator);
    status = vecna_wire_ask_write(&ask, &body, err);
    if (status == VECNA_OK)
        status = vecna_json_writer_finish(&body, err);
    if (status == VECNA_OK)
        status =
            vecna_wire_ask_path(ask.dialect, vecna_wire_text_of(""), ask.model, &arena, &path, err);
    if (status == VECNA_OK) {
        if (server->server == VECNA_WIRE_SERVER_INFINITY) /* has no version in its paths */
            path = vecna_wire_text_of("/embeddings");
        snprintf(url, sizeof url, "%s%.*s", server->url, (int)path.bytes, path.data);
        key_header(api_key, header);
        fetch.url = url;
        fetch.header = api_key ? header : NULL;
        fetch.body = body.text;
        fetch.body_bytes = body.bytes;
        fetch.connect_ms = fetch.timeout_ms = timeout_ms;
        status = vni_fetch_all(&fetch, 1, allocator, err);
        vni_wipe(header, sizeof header);
    }
    if (status == VECNA_OK)
        take_word(model, ask.dialect, &fetch, allocator);
    vni_fetch_free(&fetch, 1, allocator);
    vecna_json_writer_free(&body);
    vecna_arena_free(&arena);
    return status;
}
