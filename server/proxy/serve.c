/* The whole of `vecna serve`: from options and file to a configuration, from that to something that answers,
 * its reloads and its end. One loop in one thread does everything, so nothing here is locked. */
#include "proxy/job.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { START_MS = 5000, FLUSH_MS = 1000, ENVIRONMENT_MOST = 4096 };

void vni_proxy_say(const vni_proxy *proxy, int level, const char *format, ...) {
    char line[512];
    va_list arguments;
    if (proxy->options->say == NULL ||
        (level < 3 && proxy->current && level > proxy->current->config->log.level))
        return;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    proxy->options->say(proxy->options->user, level, line);
}

/* ---- the configuration ------------------------------------------------------------------------------------- */

static void member(vecna_json_writer *json, const char *key, const char *value) {
    if (value) {
        vecna_json_write_key(json, key);
        vecna_json_write_string(json, value);
    }
}

/* What the options without a file say, in the words of a file. */
static void write_options(const vni_serve_options *options, vecna_json_writer *json) {
    vecna_json_write_object_begin(json);
    vecna_json_write_key(json, "forward");
    vecna_json_write_object_begin(json);
    vecna_json_write_key(json, "targets");
    vecna_json_write_array_begin(json);
    vecna_json_write_object_begin(json);
    member(json, "name", options->upstream ? "upstream" : "static");
    member(json, "url", options->upstream);
    member(json, "provider", options->upstream ? options->provider : "static");
    member(json, "model", options->model);
    member(json, "api_key", options->api_key);
    vecna_json_write_object_end(json);
    vecna_json_write_array_end(json);
    vecna_json_write_object_end(json);
    vecna_json_write_key(json, "adapter");
    vecna_json_write_object_begin(json);
    member(json, "map", options->map);
    member(json, "precision", options->precision);
    if (options->dim) {
        member(json, "type", "truncate");
        vecna_json_write_key(json, "target_dim");
        vecna_json_write_u64(json, options->dim);
    }
    vecna_json_write_object_end(json);
    if (options->client_key) {
        vecna_json_write_key(json, "keys");
        vecna_json_write_array_begin(json);
        vecna_json_write_object_begin(json);
        member(json, "name", "client");
        member(json, "key", options->client_key);
        vecna_json_write_object_end(json);
        vecna_json_write_array_end(json);
    }
    vecna_json_write_object_end(json);
}

/* The environment with what the options say over the file. */
static const char **environment_of(const vni_serve_options *options, char *listen,
                                   size_t listen_bytes) {
    size_t count = 0;
    const char **all;
    while (options->environment && options->environment[count] && count < ENVIRONMENT_MOST)
        count++;
    all = vecna_allocate(options->allocator, count + 3, sizeof *all);
    if (all == NULL)
        return NULL;
    count = 0;
    if (options->listen) {
        snprintf(listen, listen_bytes, "VECNA_LISTEN=%s", options->listen);
        all[count++] = listen;
    }
    if (options->insecure)
        all[count++] = "VECNA_INSECURE=true";
    for (size_t i = 0; options->environment && options->environment[i] && i < ENVIRONMENT_MOST; i++)
        all[count++] = options->environment[i];
    all[count] = NULL;
    return all;
}

/* A file that names no upstream is served by the built-in model. */
static vecna_status add_builtin(vni_config *config, vecna_error *err) {
    vni_config_target *target = vni_arena_take(&config->arena, sizeof *target);
    vecna_status status;
    if (target == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for the configuration");
    status = vni_config_defaults(&vni_target_table, target, &config->arena, err);
    target->id = "static";
    target->provider = VNI_PROVIDER_STATIC;
    config->forward.targets.items = target;
    config->forward.targets.count = 1;
    return status;
}

static vecna_status read_config(const vni_serve_options *options, vni_config **out,
                                vecna_error *err) {
    vni_config_source source = {0};
    vecna_json_writer json;
    vni_config *config = NULL;
    char listen[300];
    const char **environment = environment_of(options, listen, sizeof listen);
    vecna_status status = VECNA_OK;
    if (environment == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for the configuration");
    vecna_json_writer_init(&json, 1 << 20, options->allocator);
    source.path = options->config;
    source.environment = environment;
    source.allocator = options->allocator;
    if (options->config == NULL) {
        write_options(options, &json);
        status = vecna_json_writer_finish(&json, err);
        source.text = json.text;
        source.bytes = json.bytes;
    }
    if (status == VECNA_OK)
        status = vni_config_read(&source, &config, err);
    vecna_json_writer_free(&json);
    vecna_release(options->allocator, environment);
    if (status == VECNA_OK && config->forward.targets.count == 0 && options->builtin)
        status = add_builtin(config, err);
    if (status == VECNA_OK)
        status = vni_config_check(config, err);
    if (status == VECNA_OK && config->forward.targets.count == 0)
        status = vecna_error_set(
            err, VECNA_ERR_NOT_FOUND, -1,
            "no upstream is configured, so nothing can embed: run `vecna onboard` to find one, "
            "give --upstream URL, or write forward.targets in vecna.yaml");
    if (status != VECNA_OK) {
        vni_config_free(config);
        return status;
    }
    *out = config;
    return VECNA_OK;
}

/* 127.0.0.1:8484, localhost:8484, [::1]:8484. */
static int is_loopback(const char *listen) {
    return strncmp(listen, "127.", 4) == 0 || strncmp(listen, "localhost:", 10) == 0 ||
           strncmp(listen, "[::1]:", 6) == 0;
}

static vecna_status check_open(const vni_config *config, vecna_error *err) {
    if (is_loopback(config->listen) || config->keys.count || config->insecure)
        return VECNA_OK;
    return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                           "%s can be reached from other machines and there is no API key: set "
                           "`keys`, give --client-key "
                           "KEY, or --insecure if that is meant",
                           config->listen);
}

static unsigned short_ms(int64_t ms) {
    return ms > (int64_t)1 << 30 ? 1u << 30 : (unsigned)ms;
}

static vni_limits net_limits(const vni_config_limits *from) {
    vni_limits limits = {0};
    limits.head_bytes = from->header_bytes;
    limits.head_fields = from->header_fields;
    limits.body_bytes = from->body_bytes;
    limits.all_bodies_bytes = from->body_bytes > ((size_t)512 << 20) ? from->body_bytes : 0;
    limits.connections = from->connections;
    limits.connections_per_ip =
        from->connections_per_ip ? from->connections_per_ip : from->connections;
    limits.head_ms = short_ms(from->header_timeout);
    limits.body_bytes_per_s = from->body_rate ? (unsigned)from->body_rate : 1;
    limits.idle_ms = short_ms(from->idle_timeout);
    limits.drain_ms = short_ms(from->drain_timeout ? from->drain_timeout : 1);
    return limits;
}

static void open_access_log(vni_proxy *proxy, const vni_config *config) {
    FILE *file = NULL;
    if (config->log.access && strcmp(config->log.access, "-") == 0) {
        file = stderr;
    } else if (config->log.access && config->log.access[0]) {
        file = fopen(config->log.access, "a");
        if (file == NULL)
            vni_proxy_say(proxy, 1, "cannot write the access log %s: %s", config->log.access,
                          strerror(errno));
    }
    if (proxy->access && proxy->access != stderr)
        fclose(proxy->access);
    proxy->access = file;
}

/* ---- the start ----------------------------------------------------------------------------------------------- */

static void say_notes(const vni_proxy *proxy, const vni_config *config) {
    for (size_t i = 0; i < config->notes.count; i++)
        vni_proxy_say(proxy, 1, "%s", config->notes.items[i]);
}

static void describe_way(const vni_generation *now, const vni_way *way, char *out, size_t room) {
    size_t source = now->pool->targets[way->target].dim;
    char dim[40] = "", from[200];
    vni_target_words(now, way->target, from, sizeof from);
    if (way->learned)
        snprintf(dim, sizeof dim, " -> learned map -> %zu", way->info.target_dim);
    else if (way->config.type != VNI_ADAPTER_NONE && way->config.target_dim != source)
        snprintf(dim, sizeof dim, " -> %s -> %zu",
                 way->config.type != VNI_ADAPTER_TRUNCATE ? "projected"
                 : source > way->config.target_dim        ? "cut"
                                                          : "padded",
                 way->config.target_dim);
    if (source)
        snprintf(out, room, "%s (%zu)%s", from, source, dim);
    else
        snprintf(out, room, "%s%s", from, dim);
}

/* Every map against what the upstreams said: the first that does not fit, or NULL. */
static const char *first_refusal(const vni_generation *generation) {
    for (size_t i = 0; i < generation->way_count; i++)
        if (generation->ways[i].check == VNI_CHECK_REFUSED)
            return generation->ways[i].refusal;
    return NULL;
}

/* Adapters are made now, where they can be: a projection takes a while. */
static void prepare_ways(vni_generation *generation) {
    for (size_t i = 0; i < generation->way_count; i++) {
        vni_way *way = &generation->ways[i];
        size_t dim = generation->pool->targets[way->target].dim;
        vni_change change;
        vecna_error err;
        if (dim == 0)
            continue;
        if (vni_way_plan(generation, way, dim, 0, &change, &err) == VECNA_OK)
            vni_way_drop(generation, &change);
        else
            vni_proxy_say(generation->proxy, 0, "map %s cannot be served: upstream %s %s",
                          way->name, generation->pool->targets[way->target].options.name,
                          err.message);
    }
}

static void on_started(void *user) {
    vni_proxy *proxy = user;
    vni_generation *now = proxy->current;
    const char *refusal = first_refusal(now);
    char words[300];
    vni_jobs_checked(now);
    if (refusal) {
        proxy->failed = vecna_error_set(&proxy->error, VECNA_ERR_SPACE, -1, "%s", refusal);
        vni_server_stop(proxy->server);
        return;
    }
    prepare_ways(now);
    proxy->ready = 1;
    if (now->models[0] && now->config->forward.targets.items[0].model == NULL)
        vni_proxy_say(proxy, 1,
                      "no upstream is configured: the built-in model answers, small and quick; "
                      "`vecna onboard` finds better ones");
    for (size_t i = 0; i < now->pool->target_count; i++)
        if (!now->canaries[i].known && now->canaries[i].problem[0])
            vni_proxy_say(proxy, 1, "%s; it is asked again with the first request",
                          now->canaries[i].problem);
    describe_way(now, &now->ways[0], words, sizeof words);
    vni_proxy_say(proxy, 3, "vecna serves %s://%s from %s",
                  now->config->tls.cert ? "https" : "http", vni_server_address(proxy->server),
                  words);
    vni_canary_schedule(now);
}

static void on_start(vni_task *task) {
    vni_proxy *proxy = (vni_proxy *)(void *)((char *)task - offsetof(vni_proxy, start));
    proxy->server = proxy->started;
    vni_canary_ask(proxy->current, START_MS, on_started, proxy);
}

static void on_second(vni_timer *timer) {
    vni_proxy *proxy = (vni_proxy *)(void *)((char *)timer - offsetof(vni_proxy, second));
    vni_cache_flush(proxy->cache);
    if (proxy->access)
        fflush(proxy->access);
    vni_timer_start(proxy->loop, timer, FLUSH_MS);
}

static void end_workers(vni_proxy *proxy) {
    vni_worker_free(proxy->reader);
    vni_worker_free(proxy->worker);
    proxy->reader = proxy->worker = NULL;
}

static vecna_status on_loop_begin(void *user, vni_loop *loop, vecna_error *err) {
    vni_proxy *proxy = user;
    vni_config *config = NULL;
    vecna_status status = vni_client_new(loop, proxy->allocator, &proxy->client, err);
    proxy->loop = loop;
    if (status == VECNA_OK)
        status = vni_worker_new(loop, proxy->allocator, &proxy->worker, err);
    if (status == VECNA_OK)
        status = vni_worker_new(loop, proxy->allocator, &proxy->reader, err);
    if (status == VECNA_OK)
        status = read_config(proxy->options, &config, err);
    if (status == VECNA_OK)
        status = vni_generation_new(proxy, config, NULL, &proxy->current, err);
    if (status != VECNA_OK) { /* nobody calls the end of a loop that did not begin */
        end_workers(proxy);
        vni_client_free(proxy->client);
        proxy->client = NULL;
        return status;
    }
    vni_pool_watch(proxy->current->pool);
    proxy->second.fire = on_second;
    vni_timer_start(loop, &proxy->second, FLUSH_MS);
    return VECNA_OK;
}

/* ---- reloads ------------------------------------------------------------------------------------------------- */

/* Out of use: freed when its last request is done. */
static void retire(vni_generation *generation) {
    vni_proxy *proxy = generation->proxy;
    generation->retired = 1;
    generation->next = proxy->old;
    proxy->old = generation;
    vni_timer_stop(
        &generation->canary_timer); /* requests may still wait for one that is on its way */
    vni_pool_quiet(generation->pool);
    vni_generation_keep(generation);
    vni_generation_release(generation);
}

static void swap_in(vni_proxy *proxy, vni_generation *fresh) {
    vni_generation *before = proxy->current;
    vni_limits limits = net_limits(&fresh->config->limits);
    if (strcmp(before->config->listen, fresh->config->listen) != 0)
        vni_proxy_say(proxy, 1, "reload: listen stays %s until a restart", before->config->listen);
    proxy->current = fresh;
    retire(before);
    prepare_ways(fresh);
    vni_pool_watch(fresh->pool);
    if (proxy->server)
        vni_server_set_limits(proxy->server, &limits);
    vni_cache_resize(proxy->cache, fresh->config->cache.memory, fresh->config->cache.ttl);
    open_access_log(proxy, fresh->config);
    say_notes(proxy, fresh->config);
    proxy->reloads++;
    proxy->reload_failed = 0;
    vni_proxy_say(proxy, 2, "reload: the new configuration is served");
    for (size_t i = 0; i < fresh->pool->target_count; i++)
        if (!fresh->canaries[i].known) {
            vni_canary_ask(fresh, fresh->config->limits.request_timeout, NULL, NULL);
            break;
        }
    vni_canary_schedule(fresh);
}

static void refuse_reload(vni_proxy *proxy, const char *reason) {
    proxy->reloads_refused++;
    proxy->reload_failed = 1;
    vni_proxy_say(proxy, 0, "reload: %s; the old configuration stays", reason);
}

static void on_incoming_checked(void *user) {
    vni_proxy *proxy = user;
    vni_generation *fresh = proxy->incoming;
    const char *refusal = first_refusal(fresh);
    proxy->incoming = NULL;
    if (refusal) {
        refuse_reload(proxy, refusal);
        retire(fresh);
        return;
    }
    swap_in(proxy, fresh);
}

static int wants_check(const vni_generation *generation) {
    for (size_t i = 0; i < generation->way_count; i++)
        if (generation->ways[i].check == VNI_CHECK_WANTED)
            return 1;
    return 0;
}

static void on_reload(void *user) {
    vni_proxy *proxy = user;
    vni_config *config = NULL;
    vni_generation *fresh = NULL;
    vecna_error err;
    vecna_status status;
    if (proxy->server && vni_server_reload_certificate(proxy->server, &err) != VECNA_OK)
        vni_proxy_say(proxy, 0, "reload: %s; the old certificate stays", err.message);
    status = read_config(proxy->options, &config, &err);
    if (status == VECNA_OK && proxy->options->listen == NULL)
        status = check_open(config, &err);
    if (status == VECNA_OK)
        status = vni_generation_new(proxy, config, proxy->current, &fresh, &err);
    else
        vni_config_free(config);
    if (status == VECNA_OK && proxy->server) { /* last: it takes effect at once */
        status = vni_server_reload_certificate(proxy->server, &err);
        if (status != VECNA_OK)
            retire(fresh);
    }
    if (status != VECNA_OK) {
        refuse_reload(proxy, err.message);
        return;
    }
    if (proxy->incoming) {
        retire(proxy->incoming);
        proxy->incoming = NULL;
    }
    if (!wants_check(fresh)) {
        swap_in(proxy, fresh);
        return;
    }
    proxy->incoming = fresh;
    vni_canary_ask(fresh, START_MS, on_incoming_checked, proxy);
}

/* ---- the end ------------------------------------------------------------------------------------------------- */

static void on_loop_end(void *user, vni_loop *loop) {
    vni_proxy *proxy = user;
    vni_timer_stop(&proxy->second);
    end_workers(proxy);
    vni_loop_flush(loop); /* what they have done is answered */
    vni_jobs_end(proxy);
    vni_generation_free(proxy->incoming);
    vni_generation_free(proxy->current);
    while (proxy->old) {
        vni_generation *next = proxy->old->next;
        vni_generation_free(proxy->old);
        proxy->old = next;
    }
    proxy->incoming = proxy->current = NULL;
    vni_client_free(proxy->client);
    proxy->client = NULL;
}

void vni_proxy_finished(void *user, const vni_exchange *exchange) {
    vni_proxy *proxy = user;
    const vni_record *record = exchange->user;
    static const vni_record nobody = {.endpoint = "other", .cache = ""};
    vni_metrics_request(&proxy->metrics, record ? record : &nobody, exchange);
    vni_log_request(proxy, record, exchange);
}

static void make_boot(char out[12]) {
    unsigned char random[5];
    vni_random_bytes(random, sizeof random);
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(out + 2 * i, 3, "%02x", random[i]);
}

static vecna_status run(vni_proxy *proxy, const vni_config *config, vecna_error *err) {
    vni_server_options options = {0};
    vni_server *server = NULL;
    vecna_status status;
    options.listen = config->listen;
    options.loops = 1;
    options.limits = net_limits(&config->limits);
    options.certificate_file = config->tls.cert;
    options.key_file = config->tls.key;
    options.user = proxy;
    options.handle = vni_proxy_handle;
    options.admit = vni_proxy_admit;
    options.finished = vni_proxy_finished;
    options.loop_begin = on_loop_begin;
    options.loop_end = on_loop_end;
    options.signals = 1;
    options.reload = on_reload;
    status = vni_server_new(&options, proxy->allocator, &server, err);
    if (status != VECNA_OK)
        return status;
    proxy->started = server;
    proxy->start.run = on_start;
    vni_loop_post(vni_server_loop(server, 0), &proxy->start);
    vni_server_wait(server);
    vni_server_free(server);
    if (proxy->failed != VECNA_OK && err)
        *err = proxy->error;
    return proxy->failed;
}

vecna_status vni_serve(const vni_serve_options *options, vecna_error *err) {
    vni_proxy *proxy = vecna_allocate_zero(options->allocator, 1, sizeof *proxy);
    vni_cache_options cache = {0};
    vni_config *config = NULL;
    vecna_status status;
    if (proxy == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for the server");
    proxy->options = options;
    proxy->allocator = options->allocator;
    make_boot(proxy->boot);
    vni_metrics_start(&proxy->metrics, options->allocator);
    status = read_config(options, &config, err);
    if (status == VECNA_OK)
        status = check_open(config, err);
    if (status == VECNA_OK) {
        cache.memory_bytes = config->cache.memory;
        cache.ttl_ms = config->cache.ttl;
        cache.disk_path = config->cache.disk;
        cache.disk_bytes = config->cache.disk_bytes;
        cache.allocator = options->allocator;
        status = vni_cache_new(&cache, &proxy->cache, err);
    }
    if (status == VECNA_OK) {
        if (vni_cache_disk_error(proxy->cache)[0])
            vni_proxy_say(proxy, 1, "%s; vectors are kept in memory only",
                          vni_cache_disk_error(proxy->cache));
        say_notes(proxy, config);
        open_access_log(proxy, config);
        status = run(proxy, config, err);
    }
    if (proxy->access && proxy->access != stderr)
        fclose(proxy->access);
    vni_cache_free(proxy->cache);
    vni_metrics_free(&proxy->metrics);
    vni_config_free(config);
    vecna_release(options->allocator, proxy);
    return status;
}

/* ---- looking only ---------------------------------------------------------------------------------------------- */

static void describe_check(const vni_proxy *proxy, const vni_generation *generation) {
    const vni_config *config = generation->config;
    vni_proxy_say(proxy, 3, "listen %s%s, %zu client keys%s", config->listen,
                  config->tls.cert ? " with TLS" : "", config->keys.count,
                  config->keys.count ? "" : " (everyone is served)");
    for (size_t i = 0; i < config->forward.targets.count; i++) {
        char words[300];
        vni_target_words(generation, i, words, sizeof words);
        vni_proxy_say(proxy, 3, "target %s: %s", config->forward.targets.items[i].id, words);
    }
    for (size_t i = 0; i < generation->way_count; i++) {
        const vni_way *way = &generation->ways[i];
        static const char *const types[] = {"as they are", "truncate", "random", "projection"};
        if (way->learned)
            vni_proxy_say(proxy, 3, "map %s: %s, %zu to %zu, from target %s", way->name,
                          way->config.map, way->info.source_dim, way->info.target_dim,
                          config->forward.targets.items[way->target].id);
        else if (way->config.target_dim)
            vni_proxy_say(proxy, 3, "map %s: %s to %zu, from target %s", way->name,
                          types[way->config.type], way->config.target_dim,
                          config->forward.targets.items[way->target].id);
        else
            vni_proxy_say(proxy, 3, "map %s: %s, from target %s", way->name,
                          types[way->config.type], config->forward.targets.items[way->target].id);
    }
}

/* What a start would say of a file that it writes into and goes on without; nothing is created here. */
static void check_place(const vni_proxy *proxy, const char *what, const char *path) {
    char folder[4096];
    const char *slash = path ? strrchr(path, '/') : NULL, *place = path;
    if (path == NULL || path[0] == '\0' || strcmp(path, "-") == 0)
        return;
    if (access(path, F_OK) != 0) {
        snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) + 1 : 1,
                 slash ? path : ".");
        place = folder;
    }
    if (access(place, W_OK) != 0)
        vni_proxy_say(proxy, 1, "%s %s cannot be written (%s): the server will go on without it",
                      what, path, strerror(errno));
}

vecna_status vni_serve_check(const vni_serve_options *options, vecna_error *err) {
    vni_server_options listening = {0};
    vni_proxy proxy;
    vni_generation generation;
    vecna_status status;
    memset(&proxy, 0, sizeof proxy);
    memset(&generation, 0, sizeof generation);
    proxy.options = options;
    proxy.allocator = options->allocator;
    generation.proxy = &proxy;
    status = read_config(options, &generation.config, err);
    if (status != VECNA_OK)
        return status;
    listening.listen = generation.config->listen;
    listening.certificate_file = generation.config->tls.cert;
    listening.key_file = generation.config->tls.key;
    status = check_open(generation.config, err);
    if (status == VECNA_OK)
        status = vni_server_check(&listening, proxy.allocator, err);
    if (status == VECNA_OK)
        status = vni_ways_open(&generation, err);
    check_place(&proxy, "the access log", generation.config->log.access);
    check_place(&proxy, "the disk cache", generation.config->cache.disk);
    say_notes(&proxy, generation.config);
    if (status == VECNA_OK)
        describe_check(&proxy, &generation);
    for (size_t i = 0; i < generation.way_count; i++) {
        vecna_confidence_free(generation.ways[i].confidence);
        vecna_map_free(generation.ways[i].learned);
    }
    for (vni_vocabulary_file *file = generation.vocabularies; file; file = file->next)
        vecna_wire_vocabulary_free(file->vocabulary);
    for (size_t i = 0; generation.models && i < generation.config->forward.targets.count; i++)
        vecna_model_free(generation.models[i]);
    vni_config_free(generation.config);
    return status;
}

/* ---- what others may look at -------------------------------------------------------------------------------------- */

const vni_numbers *vni_proxy_numbers(const vni_proxy *proxy) {
    return &proxy->metrics.numbers;
}

size_t vni_proxy_targets(const vni_proxy *proxy, const vni_target **targets,
                         const vni_canary_state **canaries) {
    *targets = proxy->current->pool->targets;
    *canaries = proxy->current->canaries;
    return proxy->current->pool->target_count;
}

size_t vni_proxy_map_count(const vni_proxy *proxy) {
    return proxy->current->way_count;
}

void vni_proxy_map_at(const vni_proxy *proxy, size_t index, vni_map_view *out) {
    static const char *const kinds[] = {"none", "truncate", "projection", "projection"};
    const vni_way *way = &proxy->current->ways[index];
    size_t source = proxy->current->pool->targets[way->target].dim;
    out->name = way->name;
    out->target = proxy->current->pool->targets[way->target].options.name;
    out->kind = way->learned ? "learned" : kinds[way->config.type];
    out->source_dim = source;
    out->target_dim = vni_way_dim(way, source);
    out->verdict = way->learned ? vecna_verdict_name(way->info.verdict) : "";
}

const struct vni_cache *vni_proxy_cache(const vni_proxy *proxy) {
    return proxy->cache;
}

vni_server *vni_proxy_server(const vni_proxy *proxy) {
    return proxy->server;
}
