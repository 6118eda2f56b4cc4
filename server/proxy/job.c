/* From texts to vectors. Each text gets a digest of everything that decides its vector: the upstream and its
 * credential, the client's key, the model, the task, the prefix, the text. What the cache has of them is
 * copied, the rest is asked of the pool, which shares it with others that want the same. The rows are those
 * of the upstream's own dimension; what a map makes of them is the last step, so that one cached vector
 * serves all maps. */
#include "proxy/job.h"

#include <stdarg.h>
#include <stddef.h>
#include <string.h>

vni_job *vni_job_new(vni_proxy *proxy, vni_exchange *exchange) {
    vni_job *job = vecna_allocate_zero(proxy->allocator, 1, sizeof *job);
    if (job == NULL)
        return NULL;
    job->proxy = proxy;
    job->exchange = exchange;
    job->generation = proxy->current;
    vni_generation_keep(job->generation);
    job->began_us = exchange ? exchange->body_us : vni_clock_us();
    job->deadline_us =
        vni_clock_us() + (uint64_t)job->generation->config->limits.request_timeout * 1000;
    vecna_arena_init(&job->arena, (size_t)1 << 30, proxy->allocator);
    vecna_json_writer_init(&job->writer, (size_t)4 << 30, proxy->allocator);
    job->next = proxy->jobs;
    if (job->next)
        job->next->previous = job;
    proxy->jobs = job;
    proxy->job_count++;
    return job;
}

void vni_job_free(vni_job *job) {
    vni_proxy *proxy = job->proxy;
    vni_ask_cancel(job->ask);
    job->ask = NULL;
    if (job->at_work || job->held) { /* its memory is the worker's for now */
        job->abandoned = 1;
        job->exchange = NULL;
        return;
    }
    if (job->next)
        job->next->previous = job->previous;
    if (job->previous)
        job->previous->next = job->next;
    else
        proxy->jobs = job->next;
    proxy->job_count--;
    vecna_release(proxy->allocator, job->rows);
    vecna_release(proxy->allocator, job->out);
    vecna_release(proxy->allocator, job->confidences);
    vecna_json_writer_free(&job->writer);
    vecna_arena_free(&job->arena);
    vni_way_drop(job->generation, &job->change);
    vni_generation_release(job->generation);
    vecna_release(proxy->allocator, job);
}

void vni_job_fail_with(vni_job *job, vecna_wire_failure_class category, const char *format, ...) {
    vecna_wire_failure failure = {0};
    char text[240];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    vecna_wire_failure_set(&failure, category, "%s", text);
    vni_job_fail(job, &failure);
}

/* ---- work beside the loop ------------------------------------------------------------------------- */

/* From here on work is the worker's: 20 million multiplications are half a millisecond of the loop. */
#define MULTIPLICATIONS_HERE 2e7

static void work_of_job(vni_work *work) {
    vni_job *job = (vni_job *)(void *)((char *)work - offsetof(vni_job, work));
    job->do_work(job);
}

static void work_done(vni_task *task) {
    vni_job *job = (vni_job *)(void *)((char *)task - offsetof(vni_job, work.done));
    job->at_work = 0;
    if (job->abandoned)
        vni_job_free(job);
    else
        job->then(job);
}

void vni_job_work(vni_job *job, double multiplications, void (*work)(vni_job *job),
                  void (*then)(vni_job *job)) {
    if (multiplications < MULTIPLICATIONS_HERE || job->proxy->worker == NULL) {
        work(job);
        then(job);
        return;
    }
    job->do_work = work;
    job->then = then;
    job->work.work = work_of_job;
    job->work.done.run = work_done;
    job->at_work = 1;
    vni_worker_do(job->proxy->worker, &job->work);
}

/* ---- rows ----------------------------------------------------------------------------------------- */

static void make_rows(vni_job *job, size_t dim) {
    if (job->rows == NULL && !job->no_memory) {
        job->dim = dim;
        job->rows = vecna_allocate(job->proxy->allocator, job->count, dim * sizeof *job->rows);
        job->no_memory = job->rows == NULL;
    }
}

static void on_row(void *user, size_t row, const float *vector, size_t dim) {
    vni_job *job = user;
    make_rows(job, dim);
    if (job->no_memory)
        return;
    if (dim != job->dim)
        job->mixed = 1;
    else if (vector != job->rows + row * dim) /* it was not read to its place */
        memcpy(job->rows + row * dim, vector, dim * sizeof *vector);
}

static float *room_for(void *user, size_t row, size_t count, size_t dim) {
    vni_job *job = user;
    make_rows(job, dim);
    return job->no_memory || dim != job->dim || count > job->count - row ? NULL
                                                                         : job->rows + row * dim;
}

static void on_hold(void *user, int more) {
    vni_job *job = user;
    job->held += more;
    if (job->held == 0 && job->abandoned)
        vni_job_free(job);
}

static void all_rows(vni_job *job) {
    const char *name = job->generation->pool->targets[job->way->target].options.name;
    if (job->no_memory)
        vni_job_fail_with(job, VECNA_WIRE_INTERNAL, "no memory for %zu vectors", job->count);
    else if (job->mixed)
        vni_job_fail_with(job, VECNA_WIRE_UPSTREAM,
                          "upstream %s gave vectors of different dimensions", name);
    else
        vni_job_reply(job);
}

static void on_done(void *user, const vni_outcome *outcome) {
    vni_job *job = user;
    job->ask = NULL;
    job->waited_us = outcome->waited_us;
    job->tokens = outcome->tokens;
    if (outcome->failed)
        vni_job_fail(job, &outcome->failure);
    else
        all_rows(job);
}

/* ---- digests -------------------------------------------------------------------------------------- */

typedef struct digest_text { /* fields with their lengths, so that no two sequences look alike */
    char *text;
    size_t bytes;
} digest_text;

static void add(digest_text *out, const char *data, size_t bytes) {
    memcpy(out->text + out->bytes, &bytes, sizeof bytes);
    out->bytes += sizeof bytes;
    if (bytes)
        memcpy(out->text + out->bytes, data, bytes);
    out->bytes += bytes;
}

/* What all texts of the job have in common. */
static int scope_of(vni_job *job, const char *model, unsigned char out[32]) {
    const vni_target *target = &job->generation->pool->targets[job->way->target];
    size_t room = 256 + strlen(model) + (job->key ? strlen(job->key->name) : 0);
    digest_text text = {NULL, 0};
    int dialect = (int)target->options.dialect;
    for (size_t i = 0; i < target->options.endpoint_count; i++)
        room += strlen(target->endpoints[i].url) + 64;
    text.text = vecna_arena_allocate(&job->arena, room, 1);
    if (text.text == NULL)
        return 0;
    add(&text, (const char *)&dialect, sizeof dialect);
    add(&text, model, strlen(model));
    add(&text, job->key ? job->key->name : "", job->key ? strlen(job->key->name) : 0);
    for (size_t i = 0; i < target->options.endpoint_count; i++) {
        const vni_endpoint *one = &target->endpoints[i];
        unsigned char secret[32] = {0};
        add(&text, one->url, strlen(one->url));
        if (one->secret)
            vni_sha256(one->secret, strlen(one->secret), secret);
        add(&text, (const char *)secret, sizeof secret);
    }
    vni_sha256(text.text, text.bytes, out);
    return 1;
}

static int digest_pieces(vni_job *job, const unsigned char scope[32]) {
    size_t most = 0;
    digest_text text;
    for (size_t i = 0; i < job->count; i++) {
        size_t bytes =
            job->pieces[i].prefix.bytes + job->pieces[i].text.bytes + job->pieces[i].title.bytes;
        most = bytes > most ? bytes : most;
    }
    text.text = vecna_arena_allocate(&job->arena, most + 128, 1);
    if (text.text == NULL)
        return 0;
    for (size_t i = 0; i < job->count; i++) {
        vni_piece_options *piece = &job->pieces[i];
        text.bytes = 0;
        add(&text, (const char *)scope, 32);
        add(&text, (const char *)&piece->task, sizeof piece->task);
        add(&text, piece->prefix.data, piece->prefix.bytes);
        add(&text, piece->title.data, piece->title.bytes);
        add(&text, piece->text.data, piece->text.bytes);
        vni_sha256(text.text, text.bytes, piece->key);
    }
    return 1;
}

/* ---- pieces --------------------------------------------------------------------------------------- */

static const char *prefix_of(const vni_job *job, vecna_wire_task task) {
    const vni_config_target *target =
        &job->generation->config->forward.targets.items[job->way->target];
    const vni_config_map *map = &job->way->config;
    if (vecna_wire_task_role(task) == VECNA_WIRE_TASK_QUERY)
        return map->query_prefix ? map->query_prefix : target->query_prefix;
    return map->document_prefix ? map->document_prefix : target->document_prefix;
}

static int make_pieces(vni_job *job) {
    const vni_target *target = &job->generation->pool->targets[job->way->target];
    job->pieces = vecna_arena_allocate(&job->arena, job->count, sizeof *job->pieces);
    job->missing = vecna_arena_allocate(&job->arena, job->count, 1);
    if (job->pieces == NULL || job->missing == NULL)
        return 0;
    for (size_t i = 0; i < job->count; i++) {
        const vecna_wire_input *input = &job->request.inputs[i];
        vni_piece_options *piece = &job->pieces[i];
        memset(piece, 0, sizeof *piece);
        piece->prefix = vecna_wire_text_of(prefix_of(job, input->task));
        piece->text = input->text;
        piece->title = input->title;
        piece->task = target->options.send_task ? input->task : VECNA_WIRE_TASK_NONE;
        piece->row = i;
        job->missing[i] = 1;
    }
    return 1;
}

/* Take what the cache has; the pieces that it has not move to the front. Returns how many those are. */
static size_t ask_cache(vni_job *job) {
    uint64_t now = vni_unix_ms();
    size_t left = 0;
    for (size_t i = 0; i < job->count; i++) {
        size_t dim = 0;
        const float *vector = vni_cache_find(job->proxy->cache, job->pieces[i].key, now, &dim);
        if (vector) {
            on_row(job, i, vector, dim);
            job->missing[i] = 0;
            job->cached++;
        } else {
            job->pieces[left++] = job->pieces[i];
        }
    }
    return left;
}

static const char *model_of(vni_job *job) {
    const vni_config_target *target =
        &job->generation->config->forward.targets.items[job->way->target];
    if (job->request.model.bytes &&
        (target->pass_model || target->model == NULL || target->model[0] == '\0'))
        return vni_arena_copy(&job->arena, job->request.model.data, job->request.model.bytes);
    return target->model ? target->model : "";
}

static void ask_pool(vni_job *job, const char *model, size_t left) {
    vni_ask_options options = {0};
    vecna_error err;
    options.target = &job->generation->pool->targets[job->way->target];
    options.model = model;
    options.pieces = job->pieces;
    options.count = left;
    options.deadline_us = job->deadline_us;
    options.row = on_row;
    options.room = room_for;
    options.hold = on_hold;
    options.done = on_done;
    options.user = job;
    if (vni_pool_ask(job->generation->pool, &options, &job->ask, &err) != VECNA_OK)
        vni_job_fail_with(job, VECNA_WIRE_INTERNAL, "%s", err.message);
}

static void embed_rows(vni_job *job) {
    job->worked = vni_static_embed(job->generation, job->way->target, job->pieces, job->count,
                                   job->rows, &job->work_error);
}

static void embedded(vni_job *job) {
    if (job->worked != VECNA_OK) {
        vni_job_fail_with(job, VECNA_WIRE_INTERNAL, "%s", job->work_error.message);
        return;
    }
    for (size_t i = 0; i < job->count; i++) {
        int known = 0;
        for (size_t j = 0; j < job->dim && !known; j++)
            known = job->rows[i * job->dim + j] != 0;
        if (!known) {
            vni_job_fail_with(job, VECNA_WIRE_INVALID,
                              "input %zu: the static model knows no piece of this text", i);
            return;
        }
    }
    all_rows(job);
}

/* Texts lie in the request, which goes with a client that leaves: the worker reads copies. */
static int keep_texts(vni_job *job) {
    for (size_t i = 0; i < job->count; i++) {
        vecna_wire_text *text = &job->pieces[i].text;
        char *copy = vni_arena_copy(&job->arena, text->data, text->bytes);
        if (copy == NULL)
            return 0;
        text->data = copy;
    }
    return 1;
}

/* By a model in this process: quicker than a look into the cache would be. */
static void embed_here(vni_job *job) {
    size_t dim = vecna_model_about(job->generation->models[job->way->target]).dim, bytes = 0;
    job->rows = vecna_allocate(job->proxy->allocator, job->count, dim * sizeof *job->rows);
    job->dim = dim;
    if (job->rows == NULL) {
        vni_job_fail_with(job, VECNA_WIRE_INTERNAL, "no memory for %zu vectors", job->count);
        return;
    }
    for (size_t i = 0; i < job->count; i++)
        bytes += job->pieces[i].prefix.bytes + job->pieces[i].text.bytes;
    if (!keep_texts(job)) {
        vni_job_fail_with(job, VECNA_WIRE_INTERNAL, "no memory for the texts");
        return;
    }
    /* a piece of a word is about four bytes, and a row of the table */
    vni_job_work(job, (double)bytes / 4 * (double)dim, embed_rows, embedded);
}

/* A map whose check stands out waits for it. */
static int wait_for_check(vni_job *job) {
    const char *objection = vni_canary_objection(job->generation, job->way);
    if (objection) {
        vni_job_fail_with(job, VECNA_WIRE_UPSTREAM, "%s", objection);
        return 1;
    }
    if (job->way->check != VNI_CHECK_WANTED)
        return 0;
    job->waits_for_check = 1;
    vni_canary_ask(job->generation, job->generation->config->limits.request_timeout,
                   (void (*)(void *))vni_jobs_checked, job->generation);
    return 1;
}

void vni_job_begin(vni_job *job) {
    unsigned char scope[32];
    const char *model;
    size_t left;
    if (wait_for_check(job))
        return;
    if (job->generation->models[job->way->target]) {
        if (make_pieces(job))
            embed_here(job);
        else
            vni_job_fail_with(job, VECNA_WIRE_INTERNAL, "no memory for the request");
        return;
    }
    model = model_of(job);
    if (model == NULL || !make_pieces(job) || !scope_of(job, model, scope) ||
        !digest_pieces(job, scope)) {
        vni_job_fail_with(job, VECNA_WIRE_INTERNAL, "no memory for the request");
        return;
    }
    left = ask_cache(job);
    if (job->mixed) { /* the model behind the cache was another one: ask for all of it */
        job->mixed = 0;
        job->cached = 0;
        vecna_release(job->proxy->allocator, job->rows);
        job->rows = NULL;
        vni_cache_clear(job->proxy->cache);
        left = job->count;
        if (!make_pieces(job) || !digest_pieces(job, scope)) {
            vni_job_fail_with(job, VECNA_WIRE_INTERNAL, "no memory for the request");
            return;
        }
    }
    if (left)
        ask_pool(job, model, left);
    else
        all_rows(job);
}

void vni_jobs_checked(vni_generation *generation) {
    vni_proxy *proxy = generation->proxy;
    vni_job *job = proxy->jobs;
    while (job) {
        vni_job *next = job->next;
        if (job->generation == generation && job->waits_for_check) {
            const vni_canary_state *state = &generation->canaries[job->way->target];
            job->waits_for_check = 0;
            if (job->way->check == VNI_CHECK_WANTED)
                vni_job_fail_with(job, VECNA_WIRE_UNAVAILABLE,
                                  "the map of %s cannot be checked against its upstream: %s",
                                  job->way->name, state->problem);
            else
                vni_job_begin(job);
        }
        job = next;
    }
}
