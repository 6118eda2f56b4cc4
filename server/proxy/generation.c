/* All that one reading of the configuration makes: targets, maps, keys. A reload makes a new one beside the
 * old; requests keep the one they came to, and the last of them takes it away. So nothing changes under a
 * request, and a configuration with a mistake never replaces one that works. */
#include "proxy/proxy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { VOCABULARY_BYTES_MOST = 64 << 20 };

static const char *text_or_null(const char *text) {
    return text && text[0] ? text : NULL;
}

/* ---- targets -------------------------------------------------------------------------------------- */

static vecna_status target_options(const vni_config_target *from, vni_arena *arena,
                                   vni_target_options *out, vecna_error *err) {
    static const vecna_wire_dialect dialects[VNI_PROVIDER_STATIC + 1] = {
        VECNA_WIRE_OPENAI, VECNA_WIRE_OLLAMA, VECNA_WIRE_TEI,
        VECNA_WIRE_GOOGLE, VECNA_WIRE_COHERE, VECNA_WIRE_VOYAGE};
    size_t count = from->endpoints.count ? from->endpoints.count : from->url ? 1 : 0;
    vni_endpoint *endpoints = vni_arena_take(arena, count * sizeof *endpoints);
    if (endpoints == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for the upstreams");
    for (size_t i = 0; i < count; i++) {
        const vni_config_endpoint *one = from->endpoints.count ? &from->endpoints.items[i] : NULL;
        endpoints[i].url = one ? one->url : from->url;
        endpoints[i].secret = one && one->api_key ? one->api_key : from->api_key;
        endpoints[i].weight = one ? one->weight : from->weight;
        endpoints[i].priority = one ? one->priority : from->priority;
        endpoints[i].concurrency = one && one->concurrency ? one->concurrency : from->concurrency;
    }
    memset(out, 0, sizeof *out);
    out->name = from->id;
    out->dialect = dialects[from->provider];
    out->endpoints = endpoints;
    out->endpoint_count = count;
    out->dim = from->dim;
    out->batch_inputs = from->batch_inputs;
    out->batch_tokens = from->batch_tokens;
    if (out->batch_tokens == 0 && out->dialect == VECNA_WIRE_OPENAI)
        out->batch_tokens = 300000;
    if (out->batch_tokens == 0 && out->dialect == VECNA_WIRE_VOYAGE)
        out->batch_tokens = 120000;
    out->retries = from->retries;
    out->rest.failures = from->failures;
    out->rest.cooldown_ms = from->cooldown;
    out->connect_ms = from->connect_timeout;
    out->timeout_ms = from->timeout;
    out->health_ms = from->health_interval;
    out->health_path = from->health_path ? from->health_path : "/health";
    out->base64 = from->base64;
    out->send_task = from->send_input_type;
    return VECNA_OK;
}

static void on_learned(void *user, const unsigned char *key, const float *vector, size_t dim) {
    vni_proxy *proxy = user;
    static const unsigned char canary[8] = {0}; /* canaries are not for the cache */
    if (memcmp(key, canary, sizeof canary) != 0)
        vni_cache_store(proxy->cache, key, vector, dim, vni_unix_ms());
}

static void on_called(void *user, const vni_target *target, const vni_endpoint *endpoint,
                      int status, uint64_t total_us, size_t inputs, const char *failure) {
    vni_proxy *proxy = user;
    vni_metrics_upstream(&proxy->metrics, target->options.name, endpoint->url, status, total_us,
                         inputs);
    if (failure == NULL ||
        endpoint->failures > 0) /* the first of a row is news, the others are not */
        return;
    if (strcmp(failure, "refused") == 0)
        vni_proxy_say(proxy, 2, "upstream %s (%s) refused a call with status %d",
                      target->options.name, endpoint->url, status);
    else
        vni_proxy_say(proxy, 2, "upstream %s (%s): %s", target->options.name, endpoint->url,
                      failure);
}

/* Models in this process: files of vecna distill, or the built-in one. */
static vecna_status open_models(vni_generation *generation, vecna_error *err) {
    const vni_serve_options *options = generation->proxy->options;
    const vecna_allocator *allocator = generation->proxy->allocator;
    vni_config *config = generation->config;
    vecna_status status = VECNA_OK;
    generation->models =
        vni_arena_take(&config->arena, config->forward.targets.count * sizeof(vecna_model *));
    if (generation->models == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for the models");
    for (size_t i = 0; status == VECNA_OK && i < config->forward.targets.count; i++) {
        vni_config_target *target = &config->forward.targets.items[i];
        vecna_model **model = &generation->models[i];
        if (target->provider != VNI_PROVIDER_STATIC)
            continue;
        if (text_or_null(target->model))
            status = vecna_model_open(target->model, allocator, model, err);
        else if (options->builtin)
            status = vecna_model_parse(options->builtin, options->builtin_bytes,
                                       "the built-in model", allocator, model, err);
        else
            status = vecna_error_set(err, VECNA_ERR_NOT_FOUND, -1, "target %s names no model file",
                                     target->id);
        if (status == VECNA_OK)
            target->dim = vecna_model_about(*model).dim;
    }
    return status;
}

void vni_target_words(const vni_generation *generation, size_t target, char *out, size_t room) {
    const vni_config_target *config = &generation->config->forward.targets.items[target];
    const char *url = config->url               ? config->url
                      : config->endpoints.count ? config->endpoints.items[0].url
                                                : "";
    if (generation->models[target]) {
        if (text_or_null(config->model))
            snprintf(out, room, "the static model %s", config->model);
        else
            snprintf(out, room, "the built-in model");
    } else {
        snprintf(out, room, "%s%s%s%s", url, config->endpoints.count > 1 ? " and others" : "",
                 text_or_null(config->model) ? " " : "",
                 text_or_null(config->model) ? config->model : "");
    }
}

vecna_status vni_static_embed(const vni_generation *generation, size_t target,
                              const vni_piece_options *pieces, size_t count, float *out,
                              vecna_error *err) {
    const vecna_allocator *allocator = generation->proxy->allocator;
    size_t dim = vecna_model_about(generation->models[target]).dim, bytes = 0, used = 0;
    vecna_passage *passages = vecna_allocate(allocator, count, sizeof *passages);
    char *texts;
    vecna_status status;
    for (size_t i = 0; i < count; i++)
        bytes += pieces[i].prefix.bytes + pieces[i].text.bytes;
    texts = vecna_allocate(allocator, bytes + 1, 1);
    if (passages == NULL || texts == NULL) {
        vecna_release(allocator, passages);
        vecna_release(allocator, texts);
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for the texts");
    }
    for (size_t i = 0; i < count; i++) {
        passages[i].data = texts + used;
        passages[i].bytes = pieces[i].prefix.bytes + pieces[i].text.bytes;
        if (pieces[i].prefix.bytes)
            memcpy(texts + used, pieces[i].prefix.data, pieces[i].prefix.bytes);
        if (pieces[i].text.bytes)
            memcpy(texts + used + pieces[i].prefix.bytes, pieces[i].text.data,
                   pieces[i].text.bytes);
        used += passages[i].bytes;
    }
    status = vecna_model_embed(generation->models[target], passages, count,
                               vecna_matrix_dense(out, count, dim), NULL, NULL, err);
    vni_wipe(texts, bytes);
    vecna_release(allocator, texts);
    vecna_release(allocator, passages);
    return status;
}

static vecna_status make_pool(vni_generation *generation, vecna_error *err) {
    vni_proxy *proxy = generation->proxy;
    vni_config *config = generation->config;
    size_t count = config->forward.targets.count;
    vni_target_options *targets = vni_arena_take(&config->arena, count * sizeof *targets);
    vni_pool_options options = {0};
    vecna_status status = VECNA_OK;
    if (targets == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for the upstreams");
    for (size_t i = 0; status == VECNA_OK && i < count; i++)
        status =
            target_options(&config->forward.targets.items[i], &config->arena, &targets[i], err);
    if (status != VECNA_OK)
        return status;
    options.loop = proxy->loop;
    options.client = proxy->client;
    options.worker = proxy->reader;
    options.targets = targets;
    options.target_count = count;
    options.join_ms = config->join_window;
    options.hooks.user = proxy;
    options.hooks.learned = on_learned;
    options.hooks.called = on_called;
    options.allocator = proxy->allocator;
    vni_random_bytes(&options.seed, sizeof options.seed);
    return vni_pool_new(&options, &generation->pool, err);
}

/* ---- maps ----------------------------------------------------------------------------------------- */

static vecna_status load_vocabulary(vni_generation *generation, const char *path,
                                    const vecna_wire_vocabulary **out, vecna_error *err) {
    const vecna_allocator *allocator = generation->proxy->allocator;
    vni_vocabulary_file *file;
    vecna_status status;
    FILE *in;
    char *text;
    size_t bytes;
    for (file = generation->vocabularies; file; file = file->next)
        if (strcmp(file->path, path) == 0) {
            *out = file->vocabulary;
            return VECNA_OK;
        }
    file = vni_arena_take(&generation->config->arena, sizeof *file);
    text = vecna_allocate(allocator, VOCABULARY_BYTES_MOST, 1);
    if (file == NULL || text == NULL) {
        vecna_release(allocator, text);
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for the vocabulary %s", path);
    }
    in = fopen(path, "rb");
    if (in == NULL) {
        vecna_release(allocator, text);
        return vecna_error_set(err, VECNA_ERR_IO, -1, "cannot open the vocabulary %s: %s", path,
                               strerror(errno));
    }
    bytes = fread(text, 1, VOCABULARY_BYTES_MOST, in);
    status = ferror(in)
                 ? vecna_error_set(err, VECNA_ERR_IO, -1, "cannot read the vocabulary %s", path)
                 : VECNA_OK;
    fclose(in);
    if (status == VECNA_OK) {
        vecna_error inner;
        status = vecna_wire_vocabulary_parse(text, bytes, allocator, &file->vocabulary, &inner);
        if (status != VECNA_OK)
            vecna_error_set(err, status, inner.position, "vocabulary %s: %s", path, inner.message);
    }
    vecna_release(allocator, text);
    if (status != VECNA_OK)
        return status;
    file->path = path;
    file->next = generation->vocabularies;
    generation->vocabularies = file;
    *out = file->vocabulary;
    return VECNA_OK;
}

static size_t target_index(const vni_config *config, const char *name) {
    if (text_or_null(name) == NULL)
        name = text_or_null(config->forward.target);
    for (size_t i = 0; name && i < config->forward.targets.count; i++)
        if (strcmp(config->forward.targets.items[i].id, name) == 0)
            return i;
    return 0;
}

static vecna_status open_way(vni_generation *generation, vni_way *way, const vni_config_map *from,
                             const char *name, vecna_error *err) {
    vecna_map_open_options options = {generation->proxy->allocator, 0};
    vecna_status status = VECNA_OK;
    way->name = name;
    way->config = vni_config_map_effective(generation->config, from);
    way->target = target_index(generation->config, way->config.forward_target);
    if (text_or_null(way->config.map)) {
        const vni_config_target *target = &generation->config->forward.targets.items[way->target];
        char path[8192];
        const vni_serve_options *serving = generation->proxy->options;
        const int named =
            serving && serving->find_map && serving->find_map(way->config.map, path, sizeof path);
        if (!named && strchr(way->config.map, '/') == NULL && access(way->config.map, F_OK) != 0)
            return vecna_error_set(err, VECNA_ERR_NOT_FOUND, -1,
                                   "map %s: there is no file %s, and no installed map of that name "
                                   "(`vecna maps` lists them)",
                                   way->name, way->config.map);
        status = vecna_map_open(named ? path : way->config.map, &options, &way->learned, err);
        if (status != VECNA_OK)
            return status;
        way->info = vecna_map_about(way->learned);
        if (way->config.precision == VNI_PRECISION_INT8)
            status = vecna_map_use_int8(way->learned, err);
        else if (way->config.precision == VNI_PRECISION_FLOAT16)
            status = vecna_map_use_f16(way->learned, err);
        else if (way->config.precision == VNI_PRECISION_INT12)
            status = vecna_map_use_int12(way->learned, err);
        if (status != VECNA_OK)
            return status;
        if (way->info.verdict == VECNA_VERDICT_FAIL && !way->config.force)
            return vecna_error_set(err, VECNA_ERR_VERDICT, -1,
                                   "the verdict of %s is FAIL: what it translates cannot be relied "
                                   "upon (vecna inspect "
                                   "says why; `force: true` of %s serves it all the same)",
                                   way->config.map, name);
        if (way->config.confidence != VNI_CONFIDENCE_NEVER && vecna_map_held(way->learned).rows) {
            status = vecna_confidence_new(way->learned, generation->proxy->allocator,
                                          &way->confidence, err);
            if (status == VECNA_OK && way->config.precision != VNI_PRECISION_FLOAT32)
                status = vecna_confidence_use_f16(way->confidence, err);
            if (status == VECNA_ERR_UNSUPPORTED)
                status = VECNA_OK;
            if (status != VECNA_OK)
                return status;
        }
        way->check = vecna_map_source_space(way->learned) ? VNI_CHECK_WANTED : VNI_CHECK_NONE;
        if (way->config.target_dim && way->config.target_dim != way->info.target_dim)
            return vecna_error_set(
                err, VECNA_ERR_DIM, -1, "the map %s gives %zu dimensions; target_dim of %s is %zu",
                way->config.map, way->info.target_dim, name, way->config.target_dim);
        if (generation->config->forward.targets.count && target->dim &&
            target->dim != way->info.source_dim)
            return vecna_error_set(err, VECNA_ERR_DIM, -1,
                                   "the map %s takes %zu dimensions; target %s has %zu",
                                   way->config.map, way->info.source_dim, target->id, target->dim);
    }
    if (text_or_null(way->config.vocabulary))
        status = load_vocabulary(generation, way->config.vocabulary, &way->vocabulary, err);
    return status;
}

vecna_status vni_ways_open(vni_generation *generation, vecna_error *err) {
    vni_config *config = generation->config;
    vecna_status status = open_models(generation, err);
    if (status != VECNA_OK)
        return status;
    generation->ways =
        vni_arena_take(&config->arena, (1 + config->extra_maps.count) * sizeof *generation->ways);
    if (generation->ways == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for the maps");
    generation->way_count = 1;
    status = open_way(generation, &generation->ways[0], &config->adapter, "default", err);
    for (size_t i = 0; status == VECNA_OK && i < config->extra_maps.count; i++) {
        const vni_config_map *from = &config->extra_maps.items[i];
        status = open_way(generation, &generation->ways[generation->way_count++], from,
                          from->section.name, err);
    }
    return status;
}

/* A map that was checked against the same target need not be checked again. */
static void inherit_checks(vni_generation *generation, const vni_generation *before) {
    const vni_config *now = generation->config, *then = before->config;
    for (size_t i = 0; i < generation->way_count; i++)
        for (size_t j = 0; j < before->way_count; j++) {
            vni_way *way = &generation->ways[i];
            const vni_way *old = &before->ways[j];
            const vni_config_target *a = &now->forward.targets.items[way->target];
            const vni_config_target *b = &then->forward.targets.items[old->target];
            if (way->learned && old->learned && way->info.checksum == old->info.checksum &&
                old->check == VNI_CHECK_PASSED && a->url && b->url && strcmp(a->url, b->url) == 0 &&
                strcmp(a->model ? a->model : "", b->model ? b->model : "") == 0)
                way->check = VNI_CHECK_PASSED;
        }
}

/* The first answers of canaries outlive a reload, as long as target and model stay. */
static void inherit_baselines(vni_generation *generation, const vni_generation *before) {
    for (size_t i = 0; i < generation->pool->target_count; i++)
        for (size_t j = 0; j < before->pool->target_count; j++) {
            const vni_config_target *a = &generation->config->forward.targets.items[i];
            const vni_config_target *b = &before->config->forward.targets.items[j];
            size_t bytes = before->baseline_dims[j] * sizeof(float);
            if (strcmp(a->id, b->id) != 0 ||
                strcmp(a->model ? a->model : "", b->model ? b->model : "") != 0 ||
                before->baselines[j] == NULL || generation->baselines[i] ||
                strcmp(generation->config->canary.text ? generation->config->canary.text : "",
                       before->config->canary.text ? before->config->canary.text : "") != 0)
                continue;
            generation->baselines[i] = vecna_allocate(generation->proxy->allocator, 1, bytes);
            if (generation->baselines[i] == NULL)
                continue;
            memcpy(generation->baselines[i], before->baselines[j], bytes);
            generation->baseline_dims[i] = before->baseline_dims[j];
            generation->canaries[i] = before->canaries[j];
            if (generation->pool->targets[i].dim == 0)
                generation->pool->targets[i].dim = before->pool->targets[j].dim;
        }
}

/* ---- the whole ------------------------------------------------------------------------------------ */

vecna_status vni_generation_new(vni_proxy *proxy, vni_config *config, const vni_generation *before,
                                vni_generation **out, vecna_error *err) {
    vni_generation *generation = vecna_allocate_zero(proxy->allocator, 1, sizeof *generation);
    size_t targets = config->forward.targets.count;
    vecna_status status = VECNA_OK;
    if (generation == NULL) {
        vni_config_free(config);
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for the configuration");
    }
    generation->proxy = proxy;
    generation->config = config;
    generation->canaries = vni_arena_take(&config->arena, targets * sizeof *generation->canaries);
    generation->baselines = vni_arena_take(&config->arena, targets * sizeof *generation->baselines);
    generation->baseline_dims =
        vni_arena_take(&config->arena, targets * sizeof *generation->baseline_dims);
    if (!generation->canaries || !generation->baselines || !generation->baseline_dims)
        status = vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for the configuration");
    if (status == VECNA_OK)
        status = vni_keys_make(config, before ? &before->keys : NULL, vni_clock_us(),
                               &generation->keys, err);
    if (status == VECNA_OK)
        status = vni_ways_open(generation, err);
    if (status == VECNA_OK)
        status = make_pool(generation, err);
    for (size_t i = 0; status == VECNA_OK && i < generation->way_count; i++)
        if (vni_metrics_map(&proxy->metrics, generation->ways[i].name) == NULL)
            status =
                vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for the numbers of a map");
    if (status != VECNA_OK) {
        vni_generation_free(generation);
        return status;
    }
    if (before) {
        vni_pool_inherit(generation->pool, before->pool);
        inherit_checks(generation, before);
        inherit_baselines(generation, before);
    }
    *out = generation;
    return VECNA_OK;
}

void vni_generation_free(vni_generation *generation) {
    if (generation == NULL)
        return;
    vni_canary_end(generation);
    vni_pool_free(generation->pool);
    for (size_t i = 0; generation->baselines && i < generation->config->forward.targets.count; i++)
        vecna_release(generation->proxy->allocator, generation->baselines[i]);
    for (size_t i = 0; i < generation->way_count; i++) {
        vecna_confidence_free(generation->ways[i].confidence);
        vecna_map_free(generation->ways[i].learned);
        vni_way_forget(generation, &generation->ways[i]);
    }
    for (vni_vocabulary_file *file = generation->vocabularies; file; file = file->next)
        vecna_wire_vocabulary_free(file->vocabulary);
    for (size_t i = 0; generation->models && i < generation->config->forward.targets.count; i++)
        vecna_model_free(generation->models[i]);
    vni_config_free(generation->config);
    vecna_release(generation->proxy->allocator, generation);
}

void vni_generation_keep(vni_generation *generation) {
    generation->users++;
}

/* Later, not now: the last release comes out of the pool that goes with it. The task is the proxy's,
 * which outlives the loop and everything in it. */
static void on_reap(vni_task *task) {
    vni_proxy *proxy = (vni_proxy *)(void *)((char *)task - offsetof(vni_proxy, reaper));
    vni_generation **at = &proxy->old;
    proxy->reaping = 0;
    while (*at) {
        vni_generation *one = *at;
        if (one->users > 0) {
            at = &one->next;
            continue;
        }
        *at = one->next;
        vni_generation_free(one);
    }
}

void vni_generation_release(vni_generation *generation) {
    vni_proxy *proxy = generation->proxy;
    if (--generation->users > 0 || !generation->retired || proxy->reaping)
        return;
    proxy->reaping = 1;
    proxy->reaper.run = on_reap;
    vni_loop_defer(proxy->loop, &proxy->reaper);
}

size_t vni_generation_way(const vni_generation *generation, const char *name, size_t bytes) {
    size_t i = 0;
    while (i < generation->way_count && (strlen(generation->ways[i].name) != bytes ||
                                         memcmp(generation->ways[i].name, name, bytes) != 0))
        i++;
    return i;
}
