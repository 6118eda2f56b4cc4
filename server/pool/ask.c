/* Asks, and the pieces that they share. Each text is a piece with a key; whoever wants a piece that is in
 * flight waits for it instead of asking again, and pieces of small requests can wait a moment for each
 * other. So a request is not a call, and a call is not a request: a batch that is too long for a server
 * becomes several calls, several requests may become one, and all of it is merged simply by each piece
 * knowing who waits for it and where the vector goes. A client that leaves takes its places with it; a
 * piece that nobody waits for takes its call along. */
#include "pool/ask.h"

#include <stdlib.h>
#include <string.h>

enum { BUCKETS_LEAST = 64 };

/* ---- the table of pieces in flight --------------------------------------------------------------- */

static size_t bucket_of(const vni_pool *pool, const unsigned char *key) {
    uint64_t hash;
    memcpy(&hash, key, sizeof hash);
    return (size_t)hash & (pool->piece_buckets - 1);
}

static vni_piece *find_piece(const vni_pool *pool, const vni_target *target,
                             const unsigned char *key) {
    vni_piece *one = pool->pieces ? pool->pieces[bucket_of(pool, key)] : NULL;
    while (one && (memcmp(one->key, key, VNI_PIECE_KEY_BYTES) != 0 ||
                   (one->group ? one->group->target : one->call->target) != target))
        one = one->chain;
    return one;
}

static int grow_table(vni_pool *pool, size_t more) {
    size_t count = pool->piece_buckets ? pool->piece_buckets : BUCKETS_LEAST,
           before = pool->piece_buckets;
    vni_piece **old = pool->pieces, **fresh;
    while (count < pool->piece_count + more)
        count *= 2;
    if (count == before)
        return 1;
    fresh = vecna_allocate_zero(pool->allocator, count, sizeof(void *));
    if (fresh == NULL)
        return 0;
    pool->pieces = fresh;
    pool->piece_buckets = count;
    for (size_t i = 0; i < before; i++)
        for (vni_piece *one = old[i], *next; one; one = next) {
            vni_piece **bucket = &fresh[bucket_of(pool, one->key)];
            next = one->chain;
            one->chain = *bucket;
            *bucket = one;
        }
    vecna_release(pool->allocator, old);
    return 1;
}

static void forget_piece(vni_pool *pool, vni_piece *piece) {
    vni_piece **at = &pool->pieces[bucket_of(pool, piece->key)];
    while (*at && *at != piece)
        at = &(*at)->chain;
    if (*at) {
        *at = piece->chain;
        pool->piece_count--;
    }
}

static size_t estimate_tokens(const vni_piece_options *from) {
    return 2 + (from->prefix.bytes + from->text.bytes + from->title.bytes) / 4;
}

static vecna_wire_text copy_text(char **at, vecna_wire_text from) {
    vecna_wire_text text = {from.data ? *at : NULL, from.bytes};
    if (from.bytes)
        memcpy(*at, from.data, from.bytes);
    *at += from.bytes;
    return text;
}

/* A piece with copies of its texts behind it: the request that asked may be gone before the answer. */
static vni_piece *make_piece(vni_pool *pool, const vni_piece_options *from) {
    size_t bytes = from->prefix.bytes + from->text.bytes + from->title.bytes;
    vni_piece *piece = vecna_allocate(pool->allocator, 1, sizeof *piece + bytes);
    char *at;
    if (piece == NULL)
        return NULL;
    memset(piece, 0, sizeof *piece);
    memcpy(piece->key, from->key, VNI_PIECE_KEY_BYTES);
    at = (char *)(piece + 1);
    piece->input.prefix = copy_text(&at, from->prefix);
    piece->input.text = copy_text(&at, from->text);
    piece->input.title = copy_text(&at, from->title);
    piece->input.task = from->task;
    piece->tokens = estimate_tokens(from);
    return piece;
}

static void wait_for(vni_piece *piece, vni_waiter *waiter) {
    waiter->piece = piece;
    waiter->previous = NULL;
    waiter->next = piece->waiters;
    if (waiter->next)
        waiter->next->previous = waiter;
    piece->waiters = waiter;
}

static void free_piece(vni_pool *pool, vni_piece *piece) {
    forget_piece(pool, piece);
    vni_wipe(piece + 1,
             piece->input.prefix.bytes + piece->input.text.bytes + piece->input.title.bytes);
    vecna_release(pool->allocator, piece);
}

uint64_t vni_piece_deadline(const vni_piece *piece) {
    uint64_t latest = 0;
    for (const vni_waiter *waiter = piece->waiters; waiter; waiter = waiter->next)
        if (waiter->ask->deadline_us > latest)
            latest = waiter->ask->deadline_us;
    return latest;
}

/* ---- groups -------------------------------------------------------------------------------------- */

static void free_group(vni_group *group) {
    vni_group **at = &group->pool->groups;
    vni_timer_stop(&group->timer);
    while (*at != group)
        at = &(*at)->next;
    *at = group->next;
    vecna_release(group->pool->allocator, group);
}

/* Calls for all that the group holds, each as large as the server takes. */
static void flush_group(vni_group *group) {
    vni_pool *pool = group->pool;
    vni_piece *piece = group->first;
    vecna_wire_failure failure = {0};
    vni_ask *ready = NULL;
    while (piece) {
        size_t most = group->target->batch_inputs, tokens = 0, count = 0;
        vni_piece *first = piece;
        vni_piece **pieces;
        while (piece && count < most &&
               (count == 0 || group->target->options.batch_tokens == 0 ||
                tokens + piece->tokens <= group->target->options.batch_tokens)) {
            tokens += piece->tokens;
            count++;
            piece = piece->next;
        }
        pieces = vecna_allocate(pool->allocator, count, sizeof(void *));
        for (size_t i = 0; pieces && i < count; i++, first = first->next) {
            pieces[i] = first;
            first->group = NULL;
        }
        if (pieces &&
            vni_batch_begin(pool, group->target, group->model, group->task, pieces, count))
            continue;
        vecna_wire_failure_set(&failure, VECNA_WIRE_INTERNAL, "no memory for a call upstream");
        for (size_t i = 0; i < count; i++) {
            vni_piece *next = pieces ? pieces[i] : first;
            first = next->next;
            vni_piece_settle(next, NULL, 0, &failure, &ready);
        }
        vecna_release(pool->allocator, pieces);
    }
    group->first = NULL;
    free_group(group);
    vni_asks_finish(ready);
}

static void on_window(vni_timer *timer) {
    flush_group((vni_group *)(void *)((char *)timer - offsetof(vni_group, timer)));
}

static vni_group *find_group(vni_pool *pool, vni_target *target, const char *model,
                             vecna_wire_task task) {
    for (vni_group *one = pool->groups; one; one = one->next)
        if (one->target == target && one->task == task && strcmp(one->model, model) == 0)
            return one;
    return NULL;
}

static vni_group *make_group(vni_pool *pool, vni_target *target, const char *model,
                             vecna_wire_task task) {
    size_t bytes = strlen(model) + 1;
    vni_group *group = vecna_allocate(pool->allocator, 1, sizeof *group + bytes);
    if (group == NULL)
        return NULL;
    memset(group, 0, sizeof *group);
    group->pool = pool;
    group->target = target;
    group->task = task;
    group->end = &group->first;
    group->timer.fire = on_window;
    memcpy(group->model, model, bytes);
    group->next = pool->groups;
    pool->groups = group;
    return group;
}

static void leave_group(vni_piece *piece) {
    vni_group *group = piece->group;
    vni_piece **at = &group->first;
    while (*at != piece)
        at = &(*at)->next;
    *at = piece->next;
    if (group->end == &piece->next)
        group->end = at;
    group->count--;
    group->tokens -= piece->tokens;
    piece->group = NULL;
    if (group->first == NULL)
        free_group(group);
}

/* ---- asks ---------------------------------------------------------------------------------------- */

static void free_ask(vni_ask *ask) {
    vni_timer_stop(&ask->timer);
    if (ask->next)
        ask->next->previous = ask->previous;
    if (ask->previous)
        ask->previous->next = ask->next;
    else
        ask->pool->asks = ask->next;
    vecna_release(ask->pool->allocator, ask);
}

/* Give up every place; pieces that nobody waits for go, and calls without pieces too. */
static void leave_places(vni_ask *ask) {
    for (size_t i = 0; i < ask->count; i++) {
        vni_waiter *waiter = &ask->waiters[i];
        vni_piece *piece = waiter->piece;
        if (piece == NULL)
            continue;
        waiter->piece = NULL;
        if (waiter->next)
            waiter->next->previous = waiter->previous;
        if (waiter->previous)
            waiter->previous->next = waiter->next;
        else
            piece->waiters = waiter->next;
        if (piece->waiters)
            continue;
        if (piece->group) {
            leave_group(piece);
            free_piece(ask->pool, piece);
        } else if (piece->call && --piece->call->live == 0) {
            vni_batch_drop(piece->call);
        }
    }
}

static void make_ready(vni_ask *ask, vni_ask **ready) {
    if (!ask->ready) {
        ask->ready = 1;
        ask->ready_next = *ready;
        *ready = ask;
    }
}

void vni_piece_settle(vni_piece *piece, const float *vector, size_t dim,
                      const vecna_wire_failure *failure, vni_ask **ready) {
    vni_waiter *waiter = piece->waiters, *next;
    vni_pool *pool = NULL;
    piece->waiters = NULL;
    for (; waiter; waiter = next) {
        vni_ask *ask = waiter->ask;
        next = waiter->next;
        pool = ask->pool;
        waiter->piece = NULL;
        waiter->next = waiter->previous = NULL;
        if (ask->ready && ask->outcome.failed)
            continue;
        if (vector) {
            ask->row(ask->user, waiter->row, vector, dim);
            if (--ask->pending == 0)
                make_ready(ask, ready);
        } else {
            ask->outcome.failed = 1;
            ask->outcome.failure = *failure;
            make_ready(ask, ready);
        }
    }
    if (pool == NULL && piece->call)
        pool = piece->call->pool;
    if (pool)
        free_piece(pool, piece);
}

void vni_asks_finish(vni_ask *ready) {
    while (ready) {
        vni_ask *ask = ready;
        ready = ask->ready_next;
        vni_timer_stop(&ask->timer);
        if (ask->outcome.failed)
            leave_places(ask);
        if (ask->started_us && ask->replied_us > ask->started_us)
            ask->outcome.waited_us = ask->replied_us - ask->started_us;
        ask->done(ask->user, &ask->outcome);
        free_ask(ask);
    }
}

static void on_deadline(vni_timer *timer) {
    vni_ask *ask = (vni_ask *)(void *)((char *)timer - offsetof(vni_ask, timer)), *ready = NULL;
    uint64_t now = vni_clock_us();
    if (now + 500 < ask->deadline_us) { /* a timer is at most 12 hours */
        vni_timer_start(ask->pool->loop, &ask->timer, (ask->deadline_us - now) / 1000 + 1);
        return;
    }
    ask->outcome.failed = 1;
    vecna_wire_failure_set(&ask->outcome.failure, VECNA_WIRE_UPSTREAM_TIMEOUT,
                           "upstream %s did not answer in time", ask->target->options.name);
    ask->replied_us = now;
    make_ready(ask, &ready);
    vni_asks_finish(ready);
}

void vni_ask_cancel(vni_ask *ask) {
    if (ask == NULL)
        return;
    leave_places(ask);
    free_ask(ask);
}

/* The group that a new piece goes to, made when there is none. */
static vni_group *group_for(vni_pool *pool, const vni_ask_options *options, vecna_wire_task task) {
    vni_group *group = find_group(pool, options->target, options->model, task);
    return group ? group : make_group(pool, options->target, options->model, task);
}

static vni_piece *add_piece(vni_pool *pool, const vni_ask_options *options,
                            const vni_piece_options *from) {
    vni_piece *piece = make_piece(pool, from), **bucket;
    vni_group *group = piece ? group_for(pool, options, from->task) : NULL;
    if (group == NULL) {
        vecna_release(pool->allocator, piece);
        return NULL;
    }
    bucket = &pool->pieces[bucket_of(pool, piece->key)];
    piece->chain = *bucket;
    *bucket = piece;
    pool->piece_count++;
    piece->group = group;
    *group->end = piece;
    group->end = &piece->next;
    group->count++;
    group->tokens += piece->tokens;
    return piece;
}

/* The pieces of an ask: those in flight are shared, the others wait for a call. 0 when memory is out. */
static int place_pieces(vni_ask *ask, const vni_ask_options *options) {
    vni_pool *pool = ask->pool;
    for (size_t i = 0; i < options->count; i++) {
        const vni_piece_options *from = &options->pieces[i];
        vni_piece *piece = find_piece(pool, options->target, from->key);
        ask->waiters[i].ask = ask;
        ask->waiters[i].row = from->row;
        if (piece) {
            if (piece->waiters == NULL &&
                piece->call) /* given up by everyone before, still on its way */
                piece->call->live++;
            if (piece->call && ask->started_us == 0)
                ask->started_us = vni_clock_us();
            ask->outcome.coalesced++;
            pool->coalesced++;
        } else {
            piece = add_piece(pool, options, from);
            if (piece == NULL)
                return 0;
        }
        wait_for(piece, &ask->waiters[i]);
    }
    return 1;
}

/* Groups of the target that need not wait, or not longer, go; the others get their window. */
static void send_groups(vni_pool *pool, const vni_target *target) {
    vni_group *group = pool->groups;
    while (group) {
        vni_group *next = group->next;
        if (group->target == target &&
            (pool->join_ms == 0 || group->count >= target->batch_inputs)) {
            flush_group(group);
            next = pool->groups; /* anything may have happened */
        } else if (group->target == target && !vni_timer_runs(&group->timer)) {
            vni_timer_start(pool->loop, &group->timer, (uint64_t)pool->join_ms);
        }
        group = next;
    }
}

vecna_status vni_pool_ask(vni_pool *pool, const vni_ask_options *options, vni_ask **out,
                          vecna_error *err) {
    vni_ask *ask = NULL;
    uint64_t now = vni_clock_us();
    size_t bytes;
    if (vecna_size_mul(options->count, sizeof(vni_waiter), &bytes) &&
        grow_table(pool, options->count))
        ask = vecna_allocate_zero(pool->allocator, 1, sizeof *ask + bytes);
    if (ask == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a request");
    ask->pool = pool;
    ask->target = options->target;
    ask->row = options->row;
    ask->done = options->done;
    ask->room = options->room;
    ask->hold = options->hold;
    ask->user = options->user;
    ask->deadline_us = options->deadline_us;
    ask->count = ask->pending = options->count;
    ask->timer.fire = on_deadline;
    ask->next = pool->asks;
    if (ask->next)
        ask->next->previous = ask;
    pool->asks = ask;
    if (!place_pieces(ask, options)) {
        vni_ask_cancel(ask);
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a request");
    }
    vni_timer_start(pool->loop, &ask->timer,
                    options->deadline_us > now ? (options->deadline_us - now) / 1000 + 1 : 0);
    *out = ask;
    send_groups(pool, options->target);
    return VECNA_OK;
}
