/* The vectors of an answer out of its text: at once, or, where that would hold the loop for long, beside it. The
 * worker then writes to rows of the ask, whose owner keeps them, and the pool with them, until it is told that
 * the reading is over; the batch keeps its endpoint and its pieces meanwhile, and whoever joins them is served. */
#include "pool/ask.h"

#include <stddef.h>

enum {
    READ_HERE = 512 << 10
}; /* bytes: half a millisecond of decimal text, a quarter of that in base64 */

struct vni_aside {
    vni_work work;
    vni_batch *call;
    char *body;
    size_t bytes;
    vecna_wire_expect expect;
    void (*hold)(void *user, int more);
    void *user;
    vni_taken taken;
};

/* The rows of the one ask that all pieces are for, where they follow each other there: an answer of 2048
 * vectors is then not held twice. NULL: shared pieces, pieces between what a cache had, rows of unknown
 * length. */
static float *room_for(const vni_batch *call) {
    const vni_waiter *first = call->pieces[0]->waiters;
    if (first == NULL || first->ask->room == NULL || call->target->dim == 0)
        return NULL;
    for (size_t i = 0; i < call->count; i++) {
        const vni_waiter *one = call->pieces[i]->waiters;
        if (one == NULL || one->next || one->ask != first->ask || one->row != first->row + i)
            return NULL;
    }
    return first->ask->room(first->ask->user, first->row, call->count, call->target->dim);
}

/* The text's memory is free again when the next one is made of the vectors. */
static void take(const vni_pool *pool, const vecna_wire_expect *expect, char *body, size_t bytes,
                 vni_taken *out) {
    out->err.message[0] = '\0';
    vecna_arena_init(&out->arena, (size_t)8 << 30, pool->allocator);
    out->status = vecna_wire_result_read(body ? body : "", bytes, expect, &out->arena, &out->result,
                                         &out->err);
    vni_body_free(pool->client, body);
}

static void read_aside(vni_work *work) {
    vni_aside *it = (vni_aside *)(void *)((char *)work - offsetof(vni_aside, work));
    take(it->call->pool, &it->expect, it->body, it->bytes, &it->taken);
    it->body = NULL;
}

static void read_done(vni_task *task) {
    vni_aside *it = (vni_aside *)(void *)((char *)task - offsetof(vni_aside, work.done));
    vni_batch *call = it->call;
    const vecna_allocator *allocator = call->pool->allocator;
    call->reading = NULL;
    if (call->live > 0) {
        vni_batch_took(call, &it->taken);
    } else {
        vecna_arena_free(&it->taken.arena);
        vni_batch_drop(call);
    }
    it->hold(it->user, -1);
    vecna_release(allocator, it);
}

void vni_batch_read(vni_batch *call, const vni_reply *reply) {
    const vni_ask *ask = call->pieces[0]->waiters ? call->pieces[0]->waiters->ask : NULL;
    vni_pool *pool = call->pool;
    vni_aside *it = NULL;
    vecna_wire_expect expect = {0};
    char *body;

    expect.dialect = call->target->options.dialect;
    expect.rows = call->count;
    expect.dim = expect.stride = call->target->dim;
    expect.data = room_for(call);
    if (reply->bytes > READ_HERE && pool->worker && ask && ask->hold)
        it = vecna_allocate_zero(pool->allocator, 1, sizeof *it);
    const size_t bytes = reply->bytes;
    const uint64_t total_us = reply->total_us;
    body = vni_reply_take_body(reply);
    if (it == NULL) {
        vni_taken taken = {.total_us = total_us};
        take(pool, &expect, body, bytes, &taken);
        vni_batch_took(call, &taken);
        return;
    }
    *it = (vni_aside){.call = call, .body = body, .bytes = bytes, .expect = expect};
    it->taken.total_us = total_us;
    it->hold = ask->hold;
    it->user = ask->user;
    it->work.work = read_aside;
    it->work.done.run = read_done;
    call->reading = it;
    it->hold(it->user, 1);
    vni_worker_do(pool->worker, &it->work);
}

void vni_batch_unread(vni_batch *call) {
    vni_aside *it = call->reading;
    if (it == NULL)
        return;
    call->reading = NULL;
    vni_body_free(call->pool->client, it->body);
    vecna_release(call->pool->allocator, it);
}
