/* One batch on its way to one endpoint, and what becomes of it when that goes wrong.
 *
 *   waits     for an endpoint: all that are up are at their limit, or all rest
 *   out       the transfer runs
 *   pauses    before the next try, with jitter
 *   settled   every piece has its vector, or the failure
 *
 * What is tried again: nobody there, time-outs, broken answers, the statuses that pass (408, 424, 429, 5xx),
 * and, once, answers that are wrong (a short list, NaN): another server or another moment may do
 * better. Other refusals are the client's to hear, with two exceptions. A batch that holds the texts of several
 * clients is taken apart first, so that nobody fails by another's text. And a server that refuses a batch
 * (413, 422) may only refuse its size: it is halved. A failure is held against an endpoint once a call,
 * so that one poisonous text cannot put the only server to rest by being tried often. */
#include "pool/ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ANSWER_BYTES_A_NUMBER = 32,
    ANSWER_BYTES_LEAST = 1 << 20,
    DIM_UNKNOWN = 16384,
    WAIT_PROBES_MOST = 2
};

static void try_now(vni_batch *call);
static void on_reply(void *user, const vni_reply *reply);

static vni_endpoint *endpoints_of(vni_batch *call, size_t *count) {
    *count = call->target->options.endpoint_count;
    return call->target->endpoints;
}

/* ---- the queue ------------------------------------------------------------------------------------ */

static void enqueue(vni_batch *call) {
    vni_target *target = call->target;
    call->waits = 1;
    call->queue = NULL;
    *target->waiting_end = call;
    target->waiting_end = &call->queue;
    target->waiting_count++;
}

static void dequeue(vni_batch *call) {
    vni_target *target = call->target;
    vni_batch **at = &target->waiting;
    if (!call->waits)
        return;
    while (*at != call)
        at = &(*at)->queue;
    *at = call->queue;
    if (target->waiting_end == &call->queue)
        target->waiting_end = at;
    call->waits = 0;
    target->waiting_count--;
}

void vni_target_pump(vni_target *target) {
    size_t turns = target->waiting_count;
    while (turns-- > 0 && target->waiting) {
        vni_batch *call = target->waiting;
        dequeue(call);
        try_now(call);
        if (call->waits) /* still nobody: it went to the end of the queue, where it does not belong */
            break;
    }
}

/* ---- the end -------------------------------------------------------------------------------------- */

static void free_call(vni_batch *call) {
    vni_pool *pool = call->pool;
    vni_timer_stop(&call->timer);
    dequeue(call);
    if (call->transfer)
        vni_transfer_cancel(call->transfer);
    if (call->endpoint)
        vni_endpoint_released(call->endpoint);
    if (call->next)
        call->next->previous = call->previous;
    if (call->previous)
        call->previous->next = call->next;
    else
        pool->calls = call->next;
    if (call->body.text)
        vni_wipe(call->body.text, call->body.bytes);
    vecna_json_writer_free(&call->body);
    vecna_release(pool->allocator, call->pieces);
    vecna_release(pool->allocator, call);
}

void vni_batch_drop(vni_batch *call) {
    vni_target *target = call->target;
    vni_ask *ready = NULL;
    if (call->reading)
        return;
    for (size_t i = 0; i < call->count; i++)
        if (call->pieces[i])
            vni_piece_settle(call->pieces[i], NULL, 0, NULL, &ready);
    free_call(call);
    vni_target_pump(target);
}

static void settle_failed(vni_batch *call, const vecna_wire_failure *failure) {
    vni_ask *ready = NULL;
    vni_target *target = call->target;
    for (size_t i = 0; i < call->count; i++)
        if (call->pieces[i])
            vni_piece_settle(call->pieces[i], NULL, 0, failure, &ready);
    free_call(call);
    vni_asks_finish(ready);
    vni_target_pump(target);
}

/* The failure comes with the next turn of the loop, for callers that may not be surprised by it. */
static void doom(vni_batch *call, const vecna_wire_failure *failure) {
    call->doomed = 1;
    call->failure = *failure;
    vni_timer_start(call->pool->loop, &call->timer, 0);
}

/* ---- asking --------------------------------------------------------------------------------------- */

static uint64_t deadline_of(const vni_batch *call) {
    uint64_t latest = 0;
    for (size_t i = 0; i < call->count; i++) {
        uint64_t one = call->pieces[i] ? vni_piece_deadline(call->pieces[i]) : 0;
        if (one > latest)
            latest = one;
    }
    return latest;
}

static int wants_base64(const vni_batch *call) {
    int mode = call->target->options.base64;
    return mode == VNI_BASE64_YES || (mode == VNI_BASE64_AUTO && !call->endpoint->floats_only);
}

/* Pieces that nobody waits for are left out from the start. */
static void compact(vni_batch *call) {
    size_t kept = 0;
    vni_ask *ready = NULL;
    for (size_t i = 0; i < call->count; i++) {
        if (call->pieces[i]->waiters)
            call->pieces[kept++] = call->pieces[i];
        else
            vni_piece_settle(call->pieces[i], NULL, 0, NULL, &ready);
    }
    if (kept != call->count)
        call->body_ready = 0;
    call->count = kept;
}

static vecna_status write_body(vni_batch *call, vecna_error *err) {
    vecna_wire_ask ask = {0};
    vecna_wire_input *inputs = vecna_allocate(call->pool->allocator, call->count, sizeof *inputs);
    vecna_status status;
    if (inputs == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a call upstream");
    for (size_t i = 0; i < call->count; i++)
        inputs[i] = call->pieces[i]->input;
    ask.dialect = call->target->options.dialect;
    ask.inputs = inputs;
    ask.inputs_count = call->count;
    ask.model = vecna_wire_text_of(call->model);
    ask.base64 = wants_base64(call);
    vecna_json_writer_reset(&call->body);
    status = vecna_wire_ask_write(&ask, &call->body, err);
    if (status == VECNA_OK)
        status = vecna_json_writer_finish(&call->body, err);
    vecna_release(call->pool->allocator, inputs);
    call->body_base64 = ask.base64;
    call->body_ready = status == VECNA_OK;
    return status;
}

/* "http://host:1/base" -> origin and path. */
static size_t origin_bytes(const char *url) {
    const char *host = strstr(url, "://");
    return host ? (size_t)(host + 3 - url) + strcspn(host + 3, "/") : strlen(url);
}

static vecna_status send_call(vni_batch *call, int64_t timeout_ms, vecna_error *err) {
    const vni_target_options *options = &call->target->options;
    const char *url = call->endpoint->url, *header_name = NULL, *before_key = NULL;
    size_t origin = origin_bytes(url), dim = call->target->dim ? call->target->dim : DIM_UNKNOWN;
    vni_request request = {0};
    vecna_arena arena;
    vecna_wire_text path = {NULL, 0};
    vecna_status status;
    char *whole = NULL, *header = NULL;

    vecna_arena_init(&arena, 1 << 16, call->pool->allocator);
    status = vecna_wire_ask_path(options->dialect, vecna_wire_text_of(url + origin),
                                 vecna_wire_text_of(call->model), &arena, &path, err);
    if (status == VECNA_OK) {
        whole = vecna_arena_allocate(&arena, origin + path.bytes + 1, 1);
        if (call->endpoint->secret) {
            vecna_wire_ask_key_header(options->dialect, &header_name, &before_key);
            header = vecna_arena_allocate(
                &arena,
                strlen(header_name) + strlen(before_key) + strlen(call->endpoint->secret) + 3, 1);
        }
        if (whole == NULL || (call->endpoint->secret && header == NULL))
            status = vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a call upstream");
    }
    if (status == VECNA_OK) {
        memcpy(whole, url, origin);
        memcpy(whole + origin, path.data, path.bytes);
        whole[origin + path.bytes] = '\0';
        if (header) {
            size_t room =
                strlen(header_name) + strlen(before_key) + strlen(call->endpoint->secret) + 3;
            snprintf(header, room, "%s: %s%s", header_name, before_key, call->endpoint->secret);
        }
        request.url = whole;
        request.headers[0] = header;
        request.body = call->body.text;
        request.bytes = call->body.bytes;
        request.connect_ms = options->connect_ms < timeout_ms ? options->connect_ms : timeout_ms;
        request.timeout_ms = timeout_ms;
        request.answer_bytes_max = ANSWER_BYTES_LEAST + call->count * dim * ANSWER_BYTES_A_NUMBER;
        request.done = on_reply;
        request.user = call;
        status = vni_client_send(call->pool->client, &request, &call->transfer, err);
        if (header)
            vni_wipe(header, strlen(header));
    }
    vecna_arena_free(&arena);
    return status;
}

static void mark_started(vni_batch *call) {
    uint64_t now = vni_clock_us();
    for (size_t i = 0; i < call->count; i++)
        for (vni_waiter *waiter = call->pieces[i]->waiters; waiter; waiter = waiter->next)
            if (waiter->ask->started_us == 0)
                waiter->ask->started_us = now;
}

/* Nobody is up. Wait for the rest to end if that can still help, otherwise say so with the time to come. */
static void wait_for_rest(vni_batch *call, uint64_t wait_us, uint64_t now, uint64_t deadline) {
    vecna_wire_failure failure = {0};
    vni_target *target = call->target;
    if (now + wait_us < deadline && call->probes < WAIT_PROBES_MOST) {
        enqueue(call);
        if (wait_us && (!vni_timer_runs(&target->timer)))
            vni_timer_start(call->pool->loop, &target->timer, wait_us / 1000 + 1);
        return;
    }
    vecna_wire_failure_set(
        &failure, VECNA_WIRE_UNAVAILABLE, "upstream %s is not available: %s", target->options.name,
        call->failed_at && call->failed_at->last_error[0] ? call->failed_at->last_error
        : target->endpoints[0].last_error[0]              ? target->endpoints[0].last_error
                                                          : "all its servers rest");
    failure.retry_after_ms = wait_us ? (int64_t)(wait_us / 1000) + 1 : 1000;
    failure.final = 1;
    doom(call, &failure);
}

static void try_now(vni_batch *call) {
    uint64_t now = vni_clock_us(), deadline, wait_us = 0;
    size_t count;
    vni_endpoint *endpoints = endpoints_of(call, &count);
    vni_target *target = call->target;
    vecna_wire_failure failure = {0};
    vecna_error err;
    int64_t timeout;

    compact(call);
    deadline = deadline_of(call);
    if (call->count == 0 || now >= deadline) {
        vecna_wire_failure_set(&failure, VECNA_WIRE_UPSTREAM_TIMEOUT,
                               "upstream %s did not answer in time", target->options.name);
        doom(call, &failure);
        return;
    }
    switch (vni_endpoint_pick(endpoints, count, call->failed_at, now, &call->endpoint, &wait_us)) {
    case VNI_PICK_BUSY:
        enqueue(call);
        return;
    case VNI_PICK_RESTING:
        wait_for_rest(call, wait_us, now, deadline);
        return;
    case VNI_PICK_ONE:
        break;
    }
    if (call->endpoint->state == VNI_ENDPOINT_TRYING)
        call->probes++;
    timeout = (int64_t)((deadline - now) / 1000) + 1;
    if (timeout > target->options.timeout_ms)
        timeout = target->options.timeout_ms;
    if ((!call->body_ready || call->body_base64 != wants_base64(call)) &&
        write_body(call, &err) != VECNA_OK) {
        vni_endpoint_released(call->endpoint);
        call->endpoint = NULL;
        vecna_wire_failure_set(&failure, VECNA_WIRE_INTERNAL, "%s", err.message);
        doom(call, &failure);
        return;
    }
    call->attempt++;
    mark_started(call);
    if (send_call(call, timeout, &err) != VECNA_OK) {
        vni_endpoint_released(call->endpoint);
        call->endpoint = NULL;
        vecna_wire_failure_set(&failure, VECNA_WIRE_INTERNAL, "%s", err.message);
        doom(call, &failure);
    }
}

static void on_call_timer(vni_timer *timer) {
    vni_batch *call = (vni_batch *)(void *)((char *)timer - offsetof(vni_batch, timer));
    if (call->doomed)
        settle_failed(call, &call->failure);
    else
        try_now(call);
}

int vni_batch_begin(vni_pool *pool, vni_target *target, const char *model, vecna_wire_task task,
                    vni_piece **pieces, size_t count) {
    size_t bytes = strlen(model) + 1;
    vni_batch *call = vecna_allocate(pool->allocator, 1, sizeof *call + bytes);
    const vni_ask *first = NULL;
    int several = 0;
    if (call == NULL)
        return 0;
    memset(call, 0, sizeof *call);
    memcpy(call + 1, model, bytes);
    call->model = (const char *)(call + 1);
    call->pool = pool;
    call->target = target;
    call->task = task;
    call->pieces = pieces;
    call->count = count;
    call->timer.fire = on_call_timer;
    vecna_json_writer_init(&call->body, 0, pool->allocator);
    for (size_t i = 0; i < count; i++) {
        pieces[i]->group = NULL;
        pieces[i]->call = call;
        call->live += pieces[i]->waiters != NULL;
        for (const vni_waiter *waiter = pieces[i]->waiters; waiter; waiter = waiter->next) {
            several |= first != NULL && waiter->ask != first;
            first = waiter->ask;
        }
    }
    pool->joined += (uint64_t)several;
    call->next = pool->calls;
    if (call->next)
        call->next->previous = call;
    pool->calls = call;
    try_now(call);
    return 1;
}

/* ---- answers -------------------------------------------------------------------------------------- */

static void mark_replied(vni_batch *call, uint64_t now) {
    for (size_t i = 0; i < call->count; i++)
        for (vni_waiter *waiter = call->pieces[i]->waiters; waiter; waiter = waiter->next)
            waiter->ask->replied_us = now;
}

/* The pieces from `first` on become a call of their own. 0 when memory is out. */
static int split_off(vni_batch *call, vni_piece **pieces, size_t count) {
    vni_piece **own = vecna_allocate(call->pool->allocator, count, sizeof(void *));
    if (own == NULL)
        return 0;
    memcpy(own, pieces, count * sizeof(void *));
    if (vni_batch_begin(call->pool, call->target, call->model, call->task, own, count))
        return 1;
    vecna_release(call->pool->allocator, own);
    return 0;
}

static const vni_ask *asker(const vni_piece *piece) {
    return piece->waiters ? piece->waiters->ask : NULL;
}

static int by_asker(const void *a, const void *b) {
    uintptr_t one = (uintptr_t)asker(*(vni_piece *const *)a),
              other = (uintptr_t)asker(*(vni_piece *const *)b);
    return (one > other) - (one < other);
}

/* A call of its own for each ask; 0 when they are all of one. What is left when memory is out fails. */
static int take_apart(vni_batch *call) {
    size_t first = 0;
    qsort(call->pieces, call->count, sizeof(void *), by_asker);
    if (asker(call->pieces[0]) == asker(call->pieces[call->count - 1]))
        return 0;
    for (size_t i = 1; i <= call->count; i++)
        if (i == call->count || asker(call->pieces[i]) != asker(call->pieces[first])) {
            if (!split_off(call, call->pieces + first, i - first))
                return 1;
            for (size_t j = first; j < i; j++)
                call->pieces[j] = NULL;
            first = i;
        }
    return 1;
}

static int halve(vni_batch *call) {
    size_t half = call->count / 2;
    if (call->count < 2 || !split_off(call, call->pieces, half))
        return 0;
    memset(call->pieces, 0, half * sizeof(void *));
    if (split_off(call, call->pieces + half, call->count - half))
        memset(call->pieces + half, 0, (call->count - half) * sizeof(void *));
    return 1;
}

static int another_is_up(const vni_batch *call, const vni_endpoint *than) {
    uint64_t now = vni_clock_us();
    for (size_t i = 0; i < call->target->options.endpoint_count; i++) {
        const vni_endpoint *one = &call->target->endpoints[i];
        if (one != than && !one->unwell &&
            (one->state == VNI_ENDPOINT_UP ||
             (one->state == VNI_ENDPOINT_RESTING && now >= one->rest_until_us)))
            return 1;
    }
    return 0;
}

/* The endpoint failed: again, there or elsewhere, or the end. */
static void fail_or_retry(vni_batch *call, vni_endpoint *endpoint,
                          const vecna_wire_failure *failure, int wrong_answer) {
    const vni_target_options *options = &call->target->options;
    uint64_t now = vni_clock_us(), deadline = deadline_of(call);
    int64_t asked = failure->retry_after_ms, pause;
    int counted = call->failed_at == endpoint && call->counted;
    size_t tries = options->retries;

    if (counted && endpoint->state == VNI_ENDPOINT_UP && asked <= 0)
        vni_endpoint_released(endpoint);
    else
        vni_endpoint_failed(endpoint, &options->rest,
                            failure->category == VECNA_WIRE_RATE_LIMIT ? asked : -1, now,
                            failure->error.message);
    call->failed_at = endpoint;
    call->counted = 1;
    if (wrong_answer && ++call->wrong_answers > 1 && options->endpoint_count == 1)
        tries = 0;
    pause =
        another_is_up(call, endpoint)
            ? 0
            : vni_retry_pause_ms(call->attempt, vecna_random_uniform(&call->pool->random), asked);
    if (call->attempt > tries || now + (uint64_t)pause * 1000 >= deadline) {
        settle_failed(call, failure);
        return;
    }
    call->target->retries++;
    vni_timer_start(call->pool->loop, &call->timer, (uint64_t)pause);
    vni_target_pump(call->target);
}

static void failure_of_fault(const vni_batch *call, const vni_reply *reply,
                             vecna_wire_failure *out) {
    const char *name = call->target->options.name;
    switch (reply->fault) {
    case VNI_FAULT_TIMEOUT:
        vecna_wire_failure_set(out, VECNA_WIRE_UPSTREAM_TIMEOUT,
                               "upstream %s did not answer in time", name);
        break;
    case VNI_FAULT_MEMORY:
        vecna_wire_failure_set(out, VECNA_WIRE_INTERNAL, "no memory for the answer of upstream %s",
                               name);
        break;
    default:
        vecna_wire_failure_set(out, VECNA_WIRE_UPSTREAM, "upstream %s: %s", name, reply->reason);
    }
    out->final = 1;
}

/* What a client hears of a server's refusal. A server's 401 is no 401 of ours: the key in question is not
 * the client's. */
static void failure_of_status(const vni_batch *call, const vni_reply *reply,
                              vecna_wire_failure *out) {
    vecna_wire_failure said = {0};
    vecna_wire_failure_class category;
    vecna_wire_failure_read(reply->status, reply->body, reply->bytes, NULL, &said);
    category = said.category;
    if (reply->status == 401 || reply->status == 403 || reply->status == 404 ||
        reply->status == 405 || reply->status < 400)
        category = VECNA_WIRE_UPSTREAM;
    if (reply->status == 500)
        category = VECNA_WIRE_UPSTREAM;
    vecna_wire_failure_set(out, category, "upstream %s answered %d: %s", call->target->options.name,
                           reply->status, said.error.message);
    snprintf(out->code, sizeof out->code, "%s", said.code);
    snprintf(out->param, sizeof out->param, "%s", said.param);
    out->retry_after_ms = reply->retry_after_ms >= 0 ? reply->retry_after_ms : said.retry_after_ms;
    out->final = 1;
}

/* The vectors are copied into their asks' rows before anybody is told, so that the answer's memory is free
 * again (an answer of 2048 vectors is large) when the next one is made of them. */
static void deliver(vni_batch *call, const vecna_wire_result *result, vecna_arena *arena) {
    vni_pool *pool = call->pool;
    vni_target *target = call->target;
    vni_ask *ready = NULL;
    size_t dim = result->vectors.dim;
    for (size_t i = 0; i < call->count; i++)
        if (call->pieces[i]->waiters) {
            call->pieces[i]->waiters->ask->outcome.tokens += result->tokens;
            break;
        }
    for (size_t i = 0; i < call->count; i++) {
        const float *vector = result->vectors.data + i * result->vectors.stride;
        if (pool->hooks.learned)
            pool->hooks.learned(pool->hooks.user, call->pieces[i]->key, vector, dim);
        vni_piece_settle(call->pieces[i], vector, dim, NULL, &ready);
    }
    vecna_arena_free(arena);
    free_call(call);
    vni_asks_finish(ready);
    vni_target_pump(target);
}

/* Statuses that tell of the server and not of the texts: a redirect, a key that it does not take, a model
 * that it does not have. Asking it again is in vain; another server may well answer. */
static int is_the_servers(int status) {
    return status < 200 || (status >= 300 && status < 400) || status == 401 || status == 403 ||
           status == 404 || status == 405 || status >= 500;
}

static void refused(vni_batch *call, vni_endpoint *endpoint, const vni_reply *reply) {
    vecna_wire_failure failure = {0};
    failure_of_status(call, reply, &failure);
    if (vni_status_is_passing(reply->status) ||
        (is_the_servers(reply->status) && another_is_up(call, endpoint))) {
        fail_or_retry(call, endpoint, &failure, 0);
        return;
    }
    vni_endpoint_released(endpoint);
    if (endpoint->state == VNI_ENDPOINT_RESTING && reply->status != 401 && reply->status != 403)
        vni_endpoint_worked(endpoint); /* it was tried, and it speaks */
    if (call->body_base64 && call->target->options.base64 == VNI_BASE64_AUTO &&
        !endpoint->floats_only && endpoint->inputs == 0 &&
        (reply->status == 400 || reply->status == 422)) {
        endpoint->floats_only = 1; /* perhaps it minds encoding_format */
        vni_timer_start(call->pool->loop, &call->timer, 0);
        return;
    }
    if (call->count > 1 && !is_the_servers(reply->status) && take_apart(call)) {
        settle_failed(call, &failure); /* of nothing, as a rule: the pieces were handed on */
        return;
    }
    if (call->count > 1 && (reply->status == 413 || reply->status == 422 ||
                            strcmp(failure.code, "max_tokens_per_request") == 0)) {
        if (reply->status == 422 && call->count <= call->target->batch_inputs)
            call->target->batch_inputs = call->count / 2;
        if (halve(call)) {
            settle_failed(call, &failure);
            return;
        }
    }
    settle_failed(call, &failure);
}

void vni_batch_took(vni_batch *call, vni_taken *taken) {
    const vni_pool_hooks *hooks = &call->pool->hooks;
    vni_endpoint *endpoint = call->endpoint;
    vecna_wire_failure failure = {0};

    call->endpoint = NULL;
    if (taken->status == VECNA_OK) {
        if (hooks->called)
            hooks->called(hooks->user, call->target, endpoint, 200, taken->total_us, call->count,
                          NULL);
        endpoint->inputs += call->count;
        if (call->body_base64 && !taken->result.base64)
            endpoint->floats_only = 1;
        if (call->target->dim == 0)
            call->target->dim = taken->result.vectors.dim;
        vni_endpoint_worked(endpoint);
        deliver(call, &taken->result, &taken->arena);
        return;
    }
    vecna_arena_free(&taken->arena);
    vecna_wire_failure_set(
        &failure, taken->err.status == VECNA_ERR_MEMORY ? VECNA_WIRE_INTERNAL : VECNA_WIRE_UPSTREAM,
        "upstream %s %s", call->target->options.name, taken->err.message);
    failure.final = 1;
    if (hooks->called)
        hooks->called(hooks->user, call->target, endpoint, 200, taken->total_us, call->count,
                      failure.error.message);
    fail_or_retry(call, endpoint, &failure, 1);
}

static void on_reply(void *user, const vni_reply *reply) {
    vni_batch *call = user;
    vni_endpoint *endpoint = call->endpoint;
    vni_pool *pool = call->pool;
    vecna_wire_failure failure = {0};

    call->transfer = NULL;
    mark_replied(call, vni_clock_us());
    endpoint->calls++;
    endpoint->busy_us += reply->total_us;
    if (reply->fault == VNI_FAULT_NONE && reply->status == 200) {
        vni_batch_read(call, reply);
        return;
    }
    call->endpoint = NULL;
    if (pool->hooks.called)
        pool->hooks.called(pool->hooks.user, call->target, endpoint,
                           reply->fault == VNI_FAULT_NONE ? reply->status : 0, reply->total_us,
                           call->count, reply->fault == VNI_FAULT_NONE ? "refused" : reply->reason);
    if (reply->fault == VNI_FAULT_NONE) {
        refused(call, endpoint, reply);
        return;
    }
    failure_of_fault(call, reply, &failure);
    fail_or_retry(call, endpoint, &failure, reply->fault == VNI_FAULT_TOO_LARGE);
}
