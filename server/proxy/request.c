/* One request from its first byte here: which page, whose key, which provider, which map; then a job. */
#include "proxy/job.h"

#include <string.h>

const char *vni_endpoint_word(vecna_wire_endpoint endpoint) {
    static const char *const words[] = {[VECNA_WIRE_NOWHERE] = "other",
                                        [VECNA_WIRE_OPENAI_EMBEDDINGS] = "openai",
                                        [VECNA_WIRE_AZURE_EMBEDDINGS] = "azure",
                                        [VECNA_WIRE_OPENAI_MODELS] = "models",
                                        [VECNA_WIRE_OPENAI_MODEL] = "models",
                                        [VECNA_WIRE_GOOGLE_EMBED] = "google",
                                        [VECNA_WIRE_GOOGLE_BATCH_EMBED] = "google-batch",
                                        [VECNA_WIRE_GOOGLE_MODELS] = "models",
                                        [VECNA_WIRE_GOOGLE_MODEL] = "models",
                                        [VECNA_WIRE_OLLAMA_EMBED] = "ollama",
                                        [VECNA_WIRE_OLLAMA_EMBEDDINGS] = "ollama-old",
                                        [VECNA_WIRE_OLLAMA_TAGS] = "models",
                                        [VECNA_WIRE_OLLAMA_SHOW] = "models",
                                        [VECNA_WIRE_OLLAMA_VERSION] = "version",
                                        [VECNA_WIRE_COHERE_EMBED] = "cohere"};
    return (size_t)endpoint < sizeof words / sizeof words[0] && words[endpoint] ? words[endpoint]
                                                                                : "other";
}

/* ---- the record --------------------------------------------------------------------------------------- */

static int is_request_id(vni_text text) {
    if (text.at == NULL || text.bytes == 0 || text.bytes > 128)
        return 0;
    for (size_t i = 0; i < text.bytes; i++) {
        char c = text.at[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '.' || c == '_' || c == '-'))
            return 0;
    }
    return 1;
}

vni_record *vni_record_of(vni_proxy *proxy, vni_exchange *exchange) {
    vni_record *record = exchange->user;
    vni_text given;
    if (record)
        return record;
    record = vni_exchange_alloc(exchange, sizeof *record);
    if (record == NULL)
        return NULL;
    memset(record, 0, sizeof *record);
    record->endpoint = record->cache = "";
    given = vni_exchange_field(exchange, "x-request-id");
    if (is_request_id(given))
        memcpy(record->request_id, given.at, given.bytes);
    else
        snprintf(record->request_id, sizeof record->request_id, "%s-%llx", proxy->boot,
                 (unsigned long long)exchange->id);
    exchange->user = record;
    return record;
}

/* ---- the client leaves ---------------------------------------------------------------------------------- */

/* Later, not inside of net's own work. The task is the proxy's, which outlives every job. */
static void end_gone(vni_task *task) {
    vni_proxy *proxy = (vni_proxy *)(void *)((char *)task - offsetof(vni_proxy, leaver));
    vni_job *job = proxy->jobs;
    proxy->leaving = 0;
    while (job) {
        vni_job *next = job->next;
        if (job->client_gone && job->exchange)
            vni_job_fail_with(job, VECNA_WIRE_TIMEOUT, "the client has left");
        job = next;
    }
}

static void on_gone(vni_exchange *exchange) {
    vni_record *record = exchange->user;
    vni_job *job = record ? record->job : NULL;
    if (job == NULL || job->client_gone)
        return;
    job->client_gone = 1;
    vni_ask_cancel(job->ask);
    job->ask = NULL;
    job->waits_for_check = 0;
    if (!job->proxy->leaving) {
        job->proxy->leaving = 1;
        job->proxy->leaver.run = end_gone;
        vni_loop_defer(job->proxy->loop, &job->proxy->leaver);
    }
}

/* ---- models ---------------------------------------------------------------------------------------------- */

static size_t way_dim(const vni_generation *generation, const vni_way *way) {
    if (way->learned)
        return way->info.target_dim;
    if (way->config.type != VNI_ADAPTER_NONE)
        return way->config.target_dim;
    return generation->pool->targets[way->target].dim;
}

static int same_name(const char *name, const char *wanted, size_t bytes) {
    size_t own = strlen(name);
    if (bytes > own && memcmp(name, wanted, own) == 0 && bytes == own + 7 &&
        memcmp(wanted + own, ":latest", 7) == 0)
        return 1;
    return own == bytes && memcmp(name, wanted, bytes) == 0;
}

void vni_answer_models(vni_proxy *proxy, vni_exchange *exchange, const vecna_wire_route *route,
                       const char *wanted, size_t wanted_bytes) {
    vni_generation *now = proxy->current;
    vecna_wire_model *models = vni_exchange_alloc(exchange, (now->way_count + 1) * sizeof *models);
    size_t count = 0, only = now->way_count;
    vecna_json_writer writer;
    vni_record *record = vni_record_of(proxy, exchange);
    vni_field id = {vni_text_of("x-request-id"), vni_text_of(record ? record->request_id : "")};
    if (route->map.data) {
        only = vni_generation_way(now, route->map.data, route->map.bytes);
        if (only == now->way_count) {
            vecna_wire_failure failure = {0};
            failure.dialect = route->dialect;
            vecna_wire_failure_set(&failure, VECNA_WIRE_NOT_FOUND, "there is no map \"%.*s\" here",
                                   (int)(route->map.bytes < 64 ? route->map.bytes : 64),
                                   route->map.data);
            vni_answer_failure(proxy, exchange, &failure);
            return;
        }
    }
    for (size_t i = 0; models && i < now->way_count; i++) {
        const vni_way *way = &now->ways[i];
        const char *configured = now->config->forward.targets.items[way->target].model;
        const char *upstream =
            now->models[way->target] && !(configured && configured[0]) ? "built-in" : configured;
        const char *name = i ? way->name : upstream && upstream[0] ? upstream : "default";
        if (only < now->way_count && i != only)
            continue;
        if (wanted && !same_name(name, wanted, wanted_bytes) && !(only < now->way_count))
            continue;
        memset(&models[count], 0, sizeof models[count]);
        models[count].id = vecna_wire_text_of(name);
        models[count].owned_by = vecna_wire_text_of("vecna");
        models[count].dim = way_dim(now, way);
        models[count].created = (int64_t)(proxy->metrics.numbers.started_ms / 1000);
        models[count].embeds = 1;
        count++;
    }
    if (models == NULL || (wanted && count == 0)) {
        vecna_wire_failure failure = {0};
        failure.dialect = route->dialect;
        vecna_wire_failure_set(
            &failure, models ? VECNA_WIRE_NOT_FOUND : VECNA_WIRE_INTERNAL,
            "the model \"%.*s\" does not exist here; the list of models has them all",
            (int)(wanted_bytes < 100 ? wanted_bytes : 100), wanted ? wanted : "");
        snprintf(failure.code, sizeof failure.code, "model_not_found");
        vni_answer_failure(proxy, exchange, &failure);
        return;
    }
    vecna_json_writer_init(&writer, 1 << 24, proxy->allocator);
    vecna_wire_models_write(route->endpoint, models, count, &writer);
    vni_answer_json(proxy, exchange, 200, &writer, &id, 1);
}

/* ---- small pages ------------------------------------------------------------------------------------------ */

static int any_target_up(const vni_generation *generation) {
    for (size_t i = 0; i < generation->pool->target_count; i++)
        if (generation->models[i] || vni_target_is_up(&generation->pool->targets[i]))
            return 1;
    return 0;
}

static int answer_page(vni_proxy *proxy, vni_exchange *exchange) {
    int get = exchange->method == VNI_GET || exchange->method == VNI_HEAD;
    if (get && vni_text_is(exchange->path, "/healthz")) {
        vni_answer_text(exchange, 200, "text/plain", vni_text_of("ok\n"));
        return 1;
    }
    if (get && vni_text_is(exchange->path, "/readyz")) {
        const char *why = proxy->server == NULL || !proxy->ready  ? "starting\n"
                          : vni_server_is_draining(proxy->server) ? "draining\n"
                          : !any_target_up(proxy->current)        ? "no upstream is available\n"
                                                                  : NULL;
        vni_answer_text(exchange, why ? 503 : 200, "text/plain",
                        vni_text_of(why ? why : "ready\n"));
        return 1;
    }
    if (get && vni_text_is(exchange->path, "/metrics")) {
        char *text = NULL;
        size_t bytes = 0;
        vecna_error err;
        vni_text body;
        if (vni_metrics_print(proxy, &text, &bytes, &err) != VECNA_OK) {
            vni_answer_text(exchange, 500, "text/plain", vni_text_of("no memory\n"));
            return 1;
        }
        body.at = text;
        body.bytes = bytes;
        vni_answer_text(exchange, 200, "text/plain; version=0.0.4", body);
        vecna_release(proxy->allocator, text);
        return 1;
    }
    return proxy->options->page && proxy->options->page(proxy->options->user, proxy, exchange);
}

/* ---- embeddings ----------------------------------------------------------------------------------------- */

static size_t bytes_of(const vecna_wire_request *request) {
    size_t bytes = 0;
    for (size_t i = 0; i < request->inputs_count; i++)
        bytes += request->inputs[i].text.bytes + 4 * request->inputs[i].tokens_count;
    return bytes;
}

static void refuse_rate(vni_job *job, unsigned wait_s, const char *what) {
    vecna_wire_failure failure = {0};
    vecna_wire_failure_set(&failure, VECNA_WIRE_RATE_LIMIT, "key %s: more %s a minute than it may",
                           job->key->name, what);
    failure.retry_after_ms = (int64_t)wait_s * 1000;
    failure.final = 0;
    job->key->refused++;
    vni_job_fail(job, &failure);
}

/* Which map: of the path, else a map that the client names as its model, else the global adapter. */
static int choose_way(vni_job *job, const vecna_wire_route *route) {
    vni_generation *now = job->generation;
    size_t index = 0;
    if (route->map.data) {
        index = vni_generation_way(now, route->map.data, route->map.bytes);
        if (index == now->way_count) {
            vni_job_fail_with(job, VECNA_WIRE_NOT_FOUND, "there is no map \"%.*s\" here",
                              (int)(route->map.bytes < 64 ? route->map.bytes : 64),
                              route->map.data);
            return 0;
        }
    } else if (job->request.model.bytes) {
        size_t named = vni_generation_way(now, job->request.model.data, job->request.model.bytes);
        index = named < now->way_count && named > 0 ? named : 0;
    }
    job->way = &now->ways[index];
    if (!vni_key_allows(job->key, job->way->name)) {
        vni_job_fail_with(job, VECNA_WIRE_FORBIDDEN, "key %s may not use the map \"%s\"",
                          job->key->name, job->way->name);
        return 0;
    }
    return 1;
}

static void note_request(vni_job *job, const vecna_wire_route *route) {
    vni_record *record = job->record;
    size_t bytes = job->request.model.bytes < sizeof record->model - 1 ? job->request.model.bytes
                                                                       : sizeof record->model - 1;
    record->endpoint = vni_endpoint_word(route->endpoint);
    snprintf(record->map, sizeof record->map, "%s", job->way->name);
    record->inputs = job->request.inputs_count;
    if (bytes)
        memcpy(record->model, job->request.model.data, bytes);
}

/* Ollama loads a model with no input, and answers an empty prompt with an empty vector. */
static int answer_nothing(vni_job *job) {
    const vecna_wire_request *request = &job->request;
    int empty = request->inputs_count == 0 || (request->endpoint == VECNA_WIRE_OLLAMA_EMBEDDINGS &&
                                               request->inputs[0].text.bytes == 0);
    static const char none[] = "{\"embedding\":[]}";
    vni_exchange *exchange = job->exchange;
    vecna_error err;
    vecna_wire_answer answer = {0};
    vecna_json_writer writer;
    vni_proxy *proxy = job->proxy;
    if (!empty)
        return 0;
    exchange->gone = NULL;
    if (request->inputs_count) {
        vni_answer_text(exchange, 200, "application/json", vni_text_of(none));
        vni_job_free(job);
        return 1;
    }
    vecna_json_writer_init(&writer, 1 << 16, proxy->allocator);
    if (vecna_wire_answer_write(request, &answer, 0, NULL, &writer, &err) != VECNA_OK) {
        vecna_json_writer_free(&writer);
        vni_job_fail_with(job, VECNA_WIRE_INTERNAL, "%s", err.message);
        return 1;
    }
    vni_job_free(job);
    vni_answer_json(proxy, exchange, 200, &writer, NULL, 0);
    return 1;
}

static void embed(vni_job *job, const vecna_wire_route *route) {
    const vni_config_limits *config = &job->generation->config->limits;
    vecna_wire_limits limits = {0};
    vecna_wire_failure failure = {0};
    unsigned wait_s = 0;
    failure.dialect = job->request.dialect = route->dialect;
    if (config->inputs != 2048)
        limits.inputs_max = config->inputs;
    if (vecna_wire_request_parse(route, job->exchange->body, job->exchange->body_bytes, &limits,
                                 &job->arena, &job->request, &failure) != VECNA_OK) {
        job->request.dialect = failure.dialect;
        vni_job_fail(job, &failure);
        return;
    }
    if (!choose_way(job, route))
        return;
    note_request(job, route);
    if (vecna_wire_request_detokenize(&job->request, job->way->vocabulary, &job->arena, &failure) !=
        VECNA_OK) {
        vni_job_fail(job, &failure);
        return;
    }
    if (job->key && !vni_bucket_take(&job->key->requests, 1, vni_clock_us(), &wait_s)) {
        refuse_rate(job, wait_s, "requests");
        return;
    }
    if (job->key && !vni_bucket_take(&job->key->tokens, (double)(bytes_of(&job->request) / 4 + 1),
                                     vni_clock_us(), &wait_s)) {
        refuse_rate(job, wait_s, "tokens");
        return;
    }
    if (job->key)
        job->key->served++;
    if (answer_nothing(job))
        return;
    job->count = job->request.inputs_count;
    vni_job_begin(job);
}

static void begin(vni_proxy *proxy, vni_exchange *exchange, const vecna_wire_route *route,
                  vni_client_key *key, vni_record *record) {
    vni_job *job = vni_job_new(proxy, exchange);
    vecna_wire_failure failure = {0};
    failure.dialect = route->dialect;
    record->endpoint = vni_endpoint_word(route->endpoint);
    if (job == NULL) {
        vecna_wire_failure_set(&failure, VECNA_WIRE_INTERNAL, "no memory for the request");
        vni_answer_failure(proxy, exchange, &failure);
        return;
    }
    job->record = record;
    job->key = key;
    record->job = job;
    snprintf(record->key_name, sizeof record->key_name, "%s", key ? key->name : "");
    exchange->gone = on_gone;
    if (proxy->job_count > job->generation->config->limits.in_flight) {
        vecna_wire_failure_set(&failure, VECNA_WIRE_RATE_LIMIT,
                               "too many requests at once; come again in a second");
        failure.retry_after_ms = 1000;
        failure.final = 0;
        job->request.dialect = route->dialect;
        vni_job_fail(job, &failure);
        return;
    }
    embed(job, route);
}

static void show(vni_proxy *proxy, vni_exchange *exchange, const vecna_wire_route *route) {
    vecna_arena arena;
    vecna_wire_request request = {0};
    vecna_wire_failure failure = {0};
    failure.dialect = route->dialect;
    vecna_arena_init(&arena, 1 << 20, proxy->allocator);
    if (vecna_wire_request_parse(route, exchange->body, exchange->body_bytes, NULL, &arena,
                                 &request, &failure) == VECNA_OK)
        vni_answer_models(proxy, exchange, route, request.model.data, request.model.bytes);
    else
        vni_answer_failure(proxy, exchange, &failure);
    vecna_arena_free(&arena);
}

static void answer_version(vni_proxy *proxy, vni_exchange *exchange) {
    vecna_json_writer writer;
    vecna_json_writer_init(&writer, 1 << 16, proxy->allocator);
    vecna_wire_version_write(VECNA_VERSION, &writer);
    vni_answer_json(proxy, exchange, 200, &writer, NULL, 0);
}

void vni_proxy_handle(void *user, vni_exchange *exchange) {
    vni_proxy *proxy = user;
    vni_record *record = vni_record_of(proxy, exchange);
    vecna_wire_route route = {0};
    vecna_wire_failure failure = {0};
    vecna_wire_text method = {exchange->method_text.at, exchange->method_text.bytes};
    vecna_wire_text path = {exchange->path.at, exchange->path.bytes};
    vni_client_key *key = NULL;
    vecna_arena arena;
    vni_text presented = vni_presented_key(exchange);
    int google = vni_exchange_field(exchange, "x-goog-api-key").at != NULL ||
                 vni_exchange_field(exchange, "x-goog-api-client").at != NULL ||
                 vni_exchange_query(exchange, "key").at != NULL;

    if (record == NULL) {
        vni_answer_text(exchange, 503, "text/plain", vni_text_of("no memory\n"));
        return;
    }
    if (!vni_proxy_admits(proxy,
                          exchange)) /* a reload may have taken the key since its head was read */
        return;
    if (proxy->current->keys.count && presented.at)
        key = vni_keys_find(&proxy->current->keys, presented.at, presented.bytes);
    if (answer_page(proxy, exchange)) {
        return;
    }
    vecna_arena_init(&arena, 1 << 20, proxy->allocator);
    if (vecna_wire_route_parse(method, path, google, &arena, &route, &failure) != VECNA_OK) {
        vni_answer_failure(proxy, exchange, &failure);
    } else {
        switch (route.endpoint) {
        case VECNA_WIRE_OPENAI_MODELS:
        case VECNA_WIRE_GOOGLE_MODELS:
        case VECNA_WIRE_OLLAMA_TAGS:
            record->endpoint = vni_endpoint_word(route.endpoint);
            vni_answer_models(proxy, exchange, &route, NULL, 0);
            break;
        case VECNA_WIRE_OPENAI_MODEL:
        case VECNA_WIRE_GOOGLE_MODEL:
            record->endpoint = vni_endpoint_word(route.endpoint);
            vni_answer_models(proxy, exchange, &route, route.model.data, route.model.bytes);
            break;
        case VECNA_WIRE_OLLAMA_SHOW:
            record->endpoint = vni_endpoint_word(route.endpoint);
            show(proxy, exchange, &route);
            break;
        case VECNA_WIRE_OLLAMA_VERSION:
            record->endpoint = vni_endpoint_word(route.endpoint);
            answer_version(proxy, exchange);
            break;
        default:
            begin(proxy, exchange, &route, key, record);
        }
    }
    vecna_arena_free(&arena);
}

void vni_jobs_end(vni_proxy *proxy) {
    vni_job *job = proxy->jobs;
    while (job) {
        vni_job *next = job->next;
        job->at_work = job->held = 0; /* the worker has ended */
        if (job->abandoned) {
            vni_job_free(job);
        } else if (job->exchange || job->what.done) {
            vni_ask_cancel(job->ask);
            job->ask = NULL;
            vni_job_fail_with(job, VECNA_WIRE_UNAVAILABLE, "the server is stopping");
        }
        job = next;
    }
}

/* ---- the playground --------------------------------------------------------------------------------------- */

vecna_status vni_proxy_try(vni_proxy *proxy, const vni_try *what, vecna_error *err) {
    size_t index = 0;
    vecna_wire_input *input;
    vni_job *job;
    char *copy;
    if (what->map && strcmp(what->map, "default") != 0)
        index = vni_generation_way(proxy->current, what->map, strlen(what->map));
    if (index == proxy->current->way_count)
        return vecna_error_set(err, VECNA_ERR_NOT_FOUND, -1, "there is no map \"%.64s\"",
                               what->map);
    job = vni_job_new(proxy, NULL);
    if (job == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for the request");
    input = vecna_arena_allocate(&job->arena, 1, sizeof *input);
    copy = vni_arena_copy(&job->arena, what->text, what->text_bytes);
    if (input == NULL || copy == NULL) {
        vni_job_free(job);
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for the request");
    }
    memset(input, 0, sizeof *input);
    input->text.data = copy;
    input->text.bytes = what->text_bytes;
    job->what = *what;
    job->way = &job->generation->ways[index];
    job->request.inputs = input;
    job->request.inputs_count = job->count = 1;
    vni_job_begin(job);
    return VECNA_OK;
}
