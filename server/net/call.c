/* An exchange outlives its connection when the client leaves while the handler works, and its memory
 * outlives the handler until the last byte is written. So it owns what it needs: an arena for small
 * things, the body, and a list of things to undo. */
#include "net/server.h"

#include <string.h>

enum { BLOCK_BYTES = 8192, KEPT_CALLS = 256, BODY_FIRST = 65536 };

vni_call *vni_call_begin(vni_conn *conn) {
    vni_home *home = conn->home;
    vni_call *call = home->calls;
    size_t fields = home->limits.head_fields;
    if (call != NULL && call->head.limit_fields == fields) {
        home->calls = call->next;
        home->free_calls--;
    } else {
        call = vecna_allocate(home->server->allocator, 1,
                              sizeof *call + fields * sizeof *call->fields);
        if (call == NULL)
            return NULL;
    }
    memset(call, 0, offsetof(vni_call, first));
    call->home = home;
    call->conn = conn;
    call->head.limit_bytes = home->limits.head_bytes;
    call->head.limit_fields = fields;
    call->head.fields = call->fields;
    call->arena = call->first;
    call->arena_room = sizeof call->first;
    call->exchange.loop = home->loop;
    call->exchange.id = atomic_fetch_add_explicit(&home->server->next_id, 1, memory_order_relaxed);
    call->exchange.first_us = home->loop->now_us;
    call->exchange.body = "";
    call->exchange.method_text = call->exchange.target = vni_text_of("");
    call->exchange.path = call->exchange.query = vni_text_of("");
    call->exchange.fields = call->fields;
    call->exchange.secure = conn->tls != NULL;
    memcpy(call->exchange.peer, conn->peer, sizeof call->exchange.peer);
    home->busy_calls++;
    return call;
}

static void release_memory(vni_call *call) {
    vni_home *home = call->home;
    const vecna_allocator *allocator = home->server->allocator;
    while (call->blocks != NULL) {
        vni_block *next = call->blocks->next;
        vecna_release(allocator, call->blocks);
        call->blocks = next;
    }
    if (call->body != NULL) {
        vni_uncount(&home->server->counters.body_bytes, call->body_room);
        vecna_release(allocator, call->body);
    }
    if (call->out_page != NULL)
        vni_page_give(home, call->out_page);
}

void vni_call_end(vni_call *call) {
    vni_home *home = call->home;
    vni_server *server = home->server;
    if (call->conn != NULL)
        call->conn->call = NULL;
    if (call->release != NULL)
        call->release(call->answer_user);
    if (call->handed_over)
        vni_uncount(&server->counters.in_flight, 1);
    if (server->options.finished != NULL && (call->answered || call->handed_over))
        server->options.finished(server->options.user, &call->exchange);
    for (vni_ending *ending = call->endings; ending != NULL; ending = ending->next)
        ending->run(ending->user);
    release_memory(call);
    home->busy_calls--;
    if (home->free_calls < KEPT_CALLS) {
        call->next = home->calls;
        home->calls = call;
        home->free_calls++;
    } else {
        vecna_release(server->allocator, call);
    }
    vni_home_ended_one(home);
}

void vni_call_lost(vni_call *call) {
    void (*gone)(vni_exchange * exchange) = call->exchange.gone;
    if (call->is_gone)
        return;
    call->is_gone = 1;
    vni_count(&call->home->server->counters.gone, 1);
    if (gone != NULL && !call->answered)
        gone(&call->exchange);
}

/* Room for at least `room` bytes of body, by doubling, within the budget of the whole server.
 * 0 when that is spent or memory is out. */
int vni_call_body_grow(vni_call *call, size_t room, uint64_t limit) {
    vni_server *server = call->home->server;
    size_t wanted = call->body_room == 0 ? BODY_FIRST : call->body_room * 2;
    uint64_t held;
    char *grown;
    if (room <= call->body_room)
        return 1;
    if (wanted < room)
        wanted = room;
    if (wanted > limit && limit >= room)
        wanted = (size_t)limit;
    held = atomic_fetch_add_explicit(&server->counters.body_bytes, wanted - call->body_room,
                                     memory_order_relaxed);
    grown = held + (wanted - call->body_room) > call->home->limits.all_bodies_bytes
                ? NULL
                : vecna_resize(server->allocator, call->body, wanted, 1);
    if (grown == NULL) {
        vni_uncount(&server->counters.body_bytes, wanted - call->body_room);
        return 0;
    }
    call->body = grown;
    call->body_room = wanted;
    return 1;
}

/* ---- what handlers call ---------------------------------------------------------------------------- */

void *vni_exchange_alloc(vni_exchange *exchange, size_t bytes) {
    vni_call *call = (vni_call *)exchange;
    size_t at = (call->arena_used + 15) & ~(size_t)15;
    if (bytes > call->arena_room || at > call->arena_room - bytes) {
        size_t room = bytes > BLOCK_BYTES / 2 ? bytes : BLOCK_BYTES, whole;
        vni_block *block;
        if (!vecna_size_add(room, sizeof *block, &whole) ||
            (block = vecna_allocate(call->home->server->allocator, whole, 1)) == NULL)
            return NULL;
        block->next = call->blocks;
        call->blocks = block;
        if (bytes > BLOCK_BYTES / 2)
            return block->memory; /* a block of its own: the current one may still have room */
        call->arena = block->memory;
        call->arena_room = room;
        at = 0;
    }
    call->arena_used = at + bytes;
    return call->arena + at;
}

int vni_exchange_at_end(vni_exchange *exchange, void (*run)(void *user), void *user) {
    vni_call *call = (vni_call *)exchange;
    vni_ending *ending = vni_exchange_alloc(exchange, sizeof *ending);
    if (ending == NULL)
        return 0;
    *ending = (vni_ending){call->endings, run, user};
    call->endings = ending;
    return 1;
}

vni_text vni_exchange_field(const vni_exchange *exchange, const char *name) {
    size_t bytes = strlen(name);
    for (size_t i = 0; i < exchange->field_count; i++)
        if (exchange->fields[i].name.bytes == bytes &&
            vni_text_is_nocase(exchange->fields[i].name, name))
            return exchange->fields[i].value;
    return (vni_text){NULL, 0};
}

vni_text vni_exchange_query(vni_exchange *exchange, const char *name) {
    const char *at = exchange->query.at, *end = at + exchange->query.bytes;
    while (at < end) {
        const char *stop = memchr(at, '&', (size_t)(end - at)), *equals;
        vni_text found;
        if (stop == NULL)
            stop = end;
        equals = memchr(at, '=', (size_t)(stop - at));
        found = (vni_text){at, (size_t)((equals == NULL ? stop : equals) - at)};
        if (vni_text_is(found, name)) {
            vni_text value = {equals == NULL ? stop : equals + 1, 0};
            char *out;
            ptrdiff_t bytes;
            value.bytes = (size_t)(stop - value.at);
            out = vni_exchange_alloc(exchange, value.bytes + 1);
            if (out == NULL)
                return (vni_text){NULL, 0};
            for (size_t i = 0; i < value.bytes; i++)
                out[i] = value.at[i] == '+' ? ' ' : value.at[i];
            value.at = out;
            bytes = vni_percent_decode(value, out);
            if (bytes < 0)
                return (vni_text){NULL, 0};
            return (vni_text){out, (size_t)bytes};
        }
        at = stop + 1;
    }
    return (vni_text){NULL, 0};
}

int vni_exchange_is_gone(const vni_exchange *exchange) {
    return ((const vni_call *)exchange)->is_gone;
}

uint64_t vni_exchange_age_us(const vni_exchange *exchange) {
    return vni_clock_us() - exchange->body_us;
}
