/* A stream of texts through a pool: a window of batches in flight, handed over in the order of the texts. A
 * batch that is refused is halved by asking again with its parts, until one text is left to blame: among a
 * million rows "one of them is too long" helps nobody. */
#include "proxy/proxy.h"

#include <string.h>

enum { BATCH_USUAL = 64, WINDOW_MOST = 256, DEADLINE_MINUTES = 30 };

struct bulk;

typedef struct bulk_batch {
    struct bulk *bulk;
    vecna_arena arena;
    vni_piece_options *pieces;
    size_t first, count;      /* rows of the stream */
    size_t asked_from, asked; /* of the batch, now: parts after a refusal */
    float *rows;
    size_t dim;
    vni_ask *ask;
    int state; /* 0 free, 1 in flight, 2 ready, 3 failed: as below, told when its turn comes */
    vecna_status failure;
    int64_t failed_row;
    char message[240];
} bulk_batch;

typedef struct bulk {
    const vni_bulk_options *options;
    vni_loop *loop;
    vni_client *client;
    vni_pool *pool;
    bulk_batch *window;
    size_t window_size, batch_size, next_row,
        oldest;    /* oldest: place in the window of the next to hand over */
    size_t filled; /* batches in the window */
    uint64_t serial;
    int ended;
    vecna_status status;
    vecna_error *err;
    vni_task step;
    int stepping, over;
} bulk;

static void schedule(bulk *work) {
    if (!work->stepping) {
        work->stepping = 1;
        vni_loop_defer(work->loop, &work->step);
    }
}

static void give_up(bulk *work, vecna_status status, int64_t row, const char *message) {
    if (work->status == VECNA_OK)
        work->status = vecna_error_set(work->err, status, row, "%s", message);
    vni_loop_stop(work->loop);
}

/* The batch cannot be had. What was asked before it may still come and is taken; nothing more is asked. */
static void fail_batch(bulk_batch *batch, vecna_status status, size_t row, const char *message) {
    batch->state = 3;
    batch->failure = status;
    batch->failed_row = (int64_t)row;
    snprintf(batch->message, sizeof batch->message, "%s", message);
    batch->bulk->ended = 1;
    schedule(batch->bulk);
}

static void ask_part(bulk_batch *batch);

static void on_row(void *user, size_t row, const float *vector, size_t dim) {
    bulk_batch *batch = user;
    if (batch->rows == NULL) {
        batch->dim = dim;
        batch->rows = vecna_allocate(batch->bulk->options->allocator, batch->count,
                                     dim * sizeof *batch->rows);
    }
    if (batch->rows && dim == batch->dim)
        memcpy(batch->rows + row * dim, vector, dim * sizeof *vector);
    else
        batch->dim = SIZE_MAX; /* seen when it is done */
}

static void on_done(void *user, const vni_outcome *outcome) {
    bulk_batch *batch = user;
    bulk *work = batch->bulk;
    batch->ask = NULL;
    if (outcome->failed) {
        int refused = vecna_wire_failure_status(&outcome->failure) >= 400 &&
                      vecna_wire_failure_status(&outcome->failure) < 500 &&
                      vecna_wire_failure_status(&outcome->failure) != 429;
        char message[240];
        if (refused && batch->asked > 1) {
            batch->asked /= 2;
            ask_part(batch);
            return;
        }
        snprintf(message, sizeof message, "row %zu%s: %.180s", batch->first + batch->asked_from,
                 refused ? "" : " and those behind it", outcome->failure.error.message);
        fail_batch(batch, VECNA_ERR_IO, batch->first + batch->asked_from, message);
        return;
    }
    if (batch->rows == NULL || batch->dim == SIZE_MAX) {
        fail_batch(batch, batch->rows ? VECNA_ERR_DIM : VECNA_ERR_MEMORY, batch->first,
                   batch->rows ? "the upstream gave vectors of different dimensions"
                               : "no memory for the vectors");
        return;
    }
    batch->asked_from += batch->asked;
    batch->asked = batch->count - batch->asked_from;
    if (batch->asked) {
        ask_part(batch);
        return;
    }
    batch->state = 2;
    schedule(work);
}

static void ask_part(bulk_batch *batch) {
    bulk *work = batch->bulk;
    vni_ask_options options = {0};
    vecna_error err;
    options.target = &work->pool->targets[0];
    options.model = work->options->model ? work->options->model : "";
    options.pieces = batch->pieces + batch->asked_from;
    options.count = batch->asked;
    options.deadline_us = vni_clock_us() + (uint64_t)DEADLINE_MINUTES * 60000000;
    options.row = on_row;
    options.done = on_done;
    options.user = batch;
    if (vni_pool_ask(work->pool, &options, &batch->ask, &err) != VECNA_OK)
        give_up(work, VECNA_ERR_MEMORY, -1, err.message);
}

/* The next texts of the stream into a free batch; 0 when there are none. */
static int fill(bulk *work, bulk_batch *batch) {
    const vni_bulk_options *options = work->options;
    const char *text;
    size_t bytes;
    int more = 1;
    vecna_arena_reset(&batch->arena, 1 << 20);
    batch->pieces = vecna_arena_allocate(&batch->arena, work->batch_size, sizeof *batch->pieces);
    batch->first = work->next_row;
    batch->count = 0;
    while (batch->pieces && batch->count < work->batch_size &&
           (more = options->next(options->user, &text, &bytes)) == 1) {
        vni_piece_options *piece = &batch->pieces[batch->count];
        char *copy = vni_arena_copy(&batch->arena, text, bytes);
        if (copy == NULL) {
            batch->pieces = NULL;
            break;
        }
        memset(piece, 0, sizeof *piece);
        work->serial++;
        memcpy(piece->key, &work->serial, sizeof work->serial);
        piece->prefix = vecna_wire_text_of(options->prefix);
        piece->text.data = copy;
        piece->text.bytes = bytes;
        piece->row = batch->count++;
    }
    if (batch->pieces == NULL)
        give_up(work, VECNA_ERR_MEMORY, -1, "no memory for the texts");
    if (more < 0)
        give_up(work, VECNA_ERR_ARGUMENT, -1, "");
    if (more != 1)
        work->ended = 1;
    work->next_row += batch->count;
    return batch->pieces != NULL && batch->count > 0 && work->status == VECNA_OK;
}

static void on_step(vni_task *task) {
    bulk *work = (bulk *)(void *)((char *)task - offsetof(bulk, step));
    work->stepping = 0;
    if (work->over)
        return;
    while (work->filled && work->window[work->oldest].state == 2) {
        bulk_batch *batch = &work->window[work->oldest];
        if (work->options->take(work->options->user, batch->rows, batch->count, batch->dim) != 0) {
            give_up(work, VECNA_ERR_IO, -1, "");
            return;
        }
        vecna_release(work->options->allocator, batch->rows);
        batch->rows = NULL;
        batch->state = 0;
        work->oldest = (work->oldest + 1) % work->window_size;
        work->filled--;
    }
    if (work->filled && work->window[work->oldest].state == 3) {
        const bulk_batch *batch = &work->window[work->oldest];
        give_up(work, batch->failure, batch->failed_row, batch->message);
        return;
    }
    while (!work->ended && work->filled < work->window_size) {
        bulk_batch *batch = &work->window[(work->oldest + work->filled) % work->window_size];
        if (!fill(work, batch))
            break;
        work->filled++;
        batch->state = 1;
        batch->asked_from = 0;
        batch->asked = batch->count;
        ask_part(batch);
    }
    if (work->filled == 0)
        vni_loop_stop(work->loop);
}

static vecna_status make_pool(bulk *work, const char *url, vecna_error *err) {
    const vni_bulk_options *options = work->options;
    vni_endpoint endpoint = {0};
    vni_target_options target = {0};
    vni_pool_options pool = {0};
    if (!vecna_wire_dialect_find(options->provider ? options->provider : "openai", &target.dialect))
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1, "there is no provider \"%s\"",
                               options->provider);
    endpoint.url = url;
    endpoint.secret = options->api_key;
    endpoint.weight = 1;
    target.name = url;
    target.endpoints = &endpoint;
    target.endpoint_count = 1;
    target.batch_inputs = work->batch_size;
    target.retries = options->retries ? options->retries : 8;
    target.rest.failures = 5;
    target.rest.cooldown_ms = 1000;
    target.connect_ms = 10000;
    target.timeout_ms = 600000;
    target.health_path = "/health";
    pool.loop = work->loop;
    pool.client = work->client;
    pool.targets = &target;
    pool.target_count = 1;
    pool.allocator = options->allocator;
    pool.seed = vni_clock_us();
    return vni_pool_new(&pool, &work->pool, err);
}

static vecna_status start(bulk *work, const char *url, vecna_error *err) {
    const vni_bulk_options *options = work->options;
    vecna_wire_dialect dialect = VECNA_WIRE_OPENAI;
    size_t most;
    vecna_status status;
    (void)vecna_wire_dialect_find(options->provider ? options->provider : "openai", &dialect);
    most = vecna_wire_ask_inputs_max(dialect);
    work->batch_size = options->batch ? options->batch : most < BATCH_USUAL ? most : BATCH_USUAL;
    work->window_size = options->in_flight ? options->in_flight : 4;
    if (work->window_size > WINDOW_MOST)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1, "at most %d calls at once",
                               WINDOW_MOST);
    work->window = vecna_allocate_zero(options->allocator, work->window_size, sizeof *work->window);
    if (work->window == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for the calls");
    for (size_t i = 0; i < work->window_size; i++) {
        work->window[i].bulk = work;
        vecna_arena_init(&work->window[i].arena, 0, options->allocator);
    }
    status = vni_loop_new(options->allocator, &work->loop, err);
    if (status == VECNA_OK)
        status = vni_client_new(work->loop, options->allocator, &work->client, err);
    if (status == VECNA_OK)
        status = make_pool(work, url, err);
    return status;
}

vecna_status vni_bulk(const vni_bulk_options *options, vecna_error *err) {
    bulk work;
    char *url = NULL;
    vecna_status status = vni_url_check(options->url, &url, err);
    if (status != VECNA_OK)
        return status;
    memset(&work, 0, sizeof work);
    work.options = options;
    work.err = err;
    work.step.run = on_step;
    status = start(&work, url, err);
    if (status == VECNA_OK) {
        schedule(&work);
        vni_loop_run(work.loop);
        status = work.status;
    }
    work.over = 1; /* a step may still be deferred */
    vni_pool_free(work.pool);
    vni_client_free(work.client);
    if (work.loop)
        vni_loop_free(work.loop);
    for (size_t i = 0; work.window && i < work.window_size; i++) {
        vecna_release(options->allocator, work.window[i].rows);
        vecna_arena_free(&work.window[i].arena);
    }
    vecna_release(options->allocator, work.window);
    vni_url_free(url);
    return status;
}
