/* Targets: made from their options, watched by health checks, and handed on over a reload with what was
 * learnt about their servers. */
#include "pool/ask.h"

#include <stdio.h>
#include <string.h>

enum { HEALTH_BYTES = 65536 };

/* A health check on its way. */
typedef struct vni_probe {
    struct vni_probe *next;
    vni_target *target;
    vni_endpoint *endpoint;
    vni_transfer *transfer;
} vni_probe;

static vecna_status make_target(vni_pool *pool, vni_target *target,
                                const vni_target_options *options, vecna_error *err) {
    target->options = *options;
    target->pool = pool;
    target->dim = options->dim;
    target->batch_inputs =
        options->batch_inputs ? options->batch_inputs : vecna_wire_ask_inputs_max(options->dialect);
    target->waiting_end = &target->waiting;
    target->endpoints =
        vecna_allocate_zero(pool->allocator, options->endpoint_count, sizeof(vni_endpoint));
    if (target->endpoints == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for the upstreams");
    for (size_t i = 0; i < options->endpoint_count; i++) {
        const vni_endpoint *from = &options->endpoints[i];
        vni_endpoint *to = &target->endpoints[i];
        to->url = from->url;
        to->secret = from->secret;
        to->weight = from->weight ? from->weight : 1;
        to->priority = from->priority;
        to->concurrency = from->concurrency;
    }
    target->options.endpoints = NULL;
    return VECNA_OK;
}

static void on_rest_over(vni_timer *timer) {
    vni_target_pump((vni_target *)(void *)((char *)timer - offsetof(vni_target, timer)));
}

/* ---- health --------------------------------------------------------------------------------------- */

static void forget_probe(vni_pool *pool, vni_probe *probe) {
    vni_probe **at = &pool->probes;
    while (*at != probe)
        at = &(*at)->next;
    *at = probe->next;
    vecna_release(pool->allocator, probe);
}

static void on_health(void *user, const vni_reply *reply) {
    vni_probe *probe = user;
    vni_target *target = probe->target;
    vni_endpoint *endpoint = probe->endpoint;
    int well = reply->fault == VNI_FAULT_NONE && reply->status >= 200 && reply->status < 300;
    endpoint->unwell = !well;
    if (!well)
        snprintf(endpoint->last_error, sizeof endpoint->last_error, "health check: %.140s",
                 reply->fault == VNI_FAULT_NONE ? "the status is not 200" : reply->reason);
    else if (endpoint->state == VNI_ENDPOINT_RESTING)
        endpoint->rest_until_us = 0; /* the next call may try it */
    forget_probe(target->pool, probe);
    if (well)
        vni_target_pump(target);
}

static void ask_health(vni_target *target, vni_endpoint *endpoint) {
    vni_pool *pool = target->pool;
    vni_probe *probe = vecna_allocate_zero(pool->allocator, 1, sizeof *probe);
    vni_request request = {0};
    const char *host = strstr(endpoint->url, "://");
    size_t origin = host ? (size_t)(host + 3 - endpoint->url) + strcspn(host + 3, "/") : 0;
    char url[1024];
    if (probe == NULL || origin + strlen(target->options.health_path) >= sizeof url) {
        vecna_release(pool->allocator, probe);
        return;
    }
    snprintf(url, sizeof url, "%.*s%s", (int)origin, endpoint->url, target->options.health_path);
    probe->target = target;
    probe->endpoint = endpoint;
    probe->next = pool->probes;
    pool->probes = probe;
    request.url = url;
    request.connect_ms = target->options.connect_ms;
    request.timeout_ms = target->options.connect_ms * 2;
    request.answer_bytes_max = HEALTH_BYTES;
    request.done = on_health;
    request.user = probe;
    if (vni_client_send(pool->client, &request, &probe->transfer, NULL) != VECNA_OK)
        forget_probe(pool, probe);
}

static void on_health_due(vni_timer *timer) {
    vni_target *target = (vni_target *)(void *)((char *)timer - offsetof(vni_target, health));
    for (size_t i = 0; i < target->options.endpoint_count; i++)
        ask_health(target, &target->endpoints[i]);
    vni_timer_start(target->pool->loop, timer, (uint64_t)target->options.health_ms);
}

void vni_pool_watch(vni_pool *pool) {
    for (size_t i = 0; i < pool->target_count; i++)
        if (pool->targets[i].options.health_ms > 0)
            on_health_due(&pool->targets[i].health);
}

void vni_pool_quiet(vni_pool *pool) {
    for (size_t i = 0; pool->targets && i < pool->target_count; i++)
        vni_timer_stop(&pool->targets[i].health);
    while (pool->probes) {
        vni_transfer_cancel(pool->probes->transfer);
        forget_probe(pool, pool->probes);
    }
}

/* ---- the pool ------------------------------------------------------------------------------------- */

vecna_status vni_pool_new(const vni_pool_options *options, vni_pool **out, vecna_error *err) {
    vni_pool *pool = vecna_allocate_zero(options->allocator, 1, sizeof *pool);
    vecna_status status = VECNA_OK;
    if (pool)
        pool->targets =
            vecna_allocate_zero(options->allocator, options->target_count, sizeof(vni_target));
    if (pool == NULL || pool->targets == NULL) {
        vecna_release(options->allocator, pool);
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for the upstreams");
    }
    pool->loop = options->loop;
    pool->client = options->client;
    pool->worker = options->worker;
    pool->allocator = options->allocator;
    pool->hooks = options->hooks;
    pool->join_ms = options->join_ms;
    vecna_random_seed(&pool->random, options->seed, 0);
    for (size_t i = 0; status == VECNA_OK && i < options->target_count; i++) {
        status = make_target(pool, &pool->targets[i], &options->targets[i], err);
        pool->targets[i].timer.fire = on_rest_over;
        pool->targets[i].health.fire = on_health_due;
        pool->target_count = i + 1;
    }
    if (status != VECNA_OK) {
        vni_pool_free(pool);
        return status;
    }
    *out = pool;
    return VECNA_OK;
}

void vni_pool_free(vni_pool *pool) {
    if (pool == NULL)
        return;
    vni_pool_quiet(pool);
    while (pool->asks)
        vni_ask_cancel(pool->asks);
    while (pool->calls) {
        vni_batch_unread(pool->calls);
        vni_batch_drop(pool->calls);
    }
    for (size_t i = 0; i < pool->target_count; i++) {
        vni_timer_stop(&pool->targets[i].timer);
        vecna_release(pool->allocator, pool->targets[i].endpoints);
    }
    vecna_release(pool->allocator, pool->targets);
    vecna_release(pool->allocator, pool->pieces);
    vecna_release(pool->allocator, pool);
}

static void inherit_endpoint(vni_endpoint *to, const vni_endpoint *from) {
    to->failures = from->failures;
    to->rests = from->rests;
    to->rest_until_us = from->rest_until_us;
    to->state = from->state == VNI_ENDPOINT_UP ? VNI_ENDPOINT_UP : VNI_ENDPOINT_RESTING;
    to->unwell = from->unwell;
    to->floats_only = from->floats_only;
    to->calls = from->calls;
    to->failed = from->failed;
    to->inputs = from->inputs;
    to->busy_us = from->busy_us;
    memcpy(to->last_error, from->last_error, sizeof to->last_error);
}

void vni_pool_inherit(vni_pool *pool, const vni_pool *before) {
    for (size_t i = 0; i < pool->target_count; i++)
        for (size_t j = 0; j < before->target_count; j++) {
            vni_target *to = &pool->targets[i];
            const vni_target *from = &before->targets[j];
            if (strcmp(to->options.name, from->options.name) != 0)
                continue;
            to->retries = from->retries;
            for (size_t k = 0; k < to->options.endpoint_count; k++)
                for (size_t l = 0; l < from->options.endpoint_count; l++)
                    if (strcmp(to->endpoints[k].url, from->endpoints[l].url) == 0)
                        inherit_endpoint(&to->endpoints[k], &from->endpoints[l]);
        }
    pool->coalesced = before->coalesced;
    pool->joined = before->joined;
}

int vni_target_is_up(const vni_target *target) {
    uint64_t now = vni_clock_us();
    for (size_t i = 0; i < target->options.endpoint_count; i++) {
        const vni_endpoint *one = &target->endpoints[i];
        if (!one->unwell && (one->state == VNI_ENDPOINT_UP || now >= one->rest_until_us))
            return 1;
    }
    return 0;
}
