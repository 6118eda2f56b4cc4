/* The answer: the way's map over the rows, the provider's body around them, the headers that tell what was
 * done. A large answer is written piece by piece as the client takes it, so that what is held is the
 * vectors and not their text. */
#include "proxy/job.h"

#include <string.h>

enum { WHOLE_BYTES_MOST = 1 << 20, FIELDS_MOST = 12 };

static void add_field(vni_field *fields, size_t *count, const char *name, const char *value) {
    fields[*count].name = vni_text_of(name);
    fields[*count].value = vni_text_of(value);
    (*count)++;
}

static void release_writer(void *user) {
    vecna_json_writer *writer = user;
    const vecna_allocator *allocator = writer->allocator;
    vecna_allocator copy;
    if (allocator)
        copy = *allocator;
    vecna_json_writer_free(writer);
    vecna_release(allocator ? &copy : NULL, writer);
}

void vni_answer_json(vni_proxy *proxy, vni_exchange *exchange, int status,
                     vecna_json_writer *writer, const vni_field *fields, size_t field_count) {
    vni_answer answer = {0};
    vecna_json_writer *kept = vecna_allocate(proxy->allocator, 1, sizeof *kept);
    vecna_error err;
    if (kept == NULL || vecna_json_writer_finish(writer, &err) != VECNA_OK) {
        vecna_release(proxy->allocator, kept);
        vecna_json_writer_free(writer);
        vni_answer_text(exchange, 500, "application/json",
                        vni_text_of("{\"error\":\"no memory for the answer\"}"));
        return;
    }
    *kept = *writer;
    if (kept->allocator)
        kept->allocator = proxy->allocator;
    answer.status = status;
    answer.content_type = "application/json";
    answer.fields = fields;
    answer.field_count = field_count;
    answer.body = kept->text;
    answer.body_bytes = kept->bytes;
    answer.release = release_writer;
    answer.user = kept;
    vni_answer_send(exchange, &answer);
}

/* What an upstream says about a text may hold the text: the log gets its status alone. */
static void note_failure(vni_record *record, const char *message) {
    const char *answered =
        strncmp(message, "upstream ", 9) == 0 ? strstr(message, " answered ") : NULL;
    size_t bytes = answered ? (size_t)(answered - message) + 13 : strlen(message);
    if (bytes > strlen(message))
        bytes = strlen(message);
    snprintf(record->failure, sizeof record->failure, "%.*s", (int)bytes, message);
}

static void answer_failure(vni_proxy *proxy, vni_exchange *exchange,
                           const vecna_wire_failure *failure) {
    vni_record *record = vni_record_of(proxy, exchange);
    vecna_wire_header headers[4];
    vni_field fields[FIELDS_MOST];
    vecna_json_writer writer;
    size_t count = 0, told = vecna_wire_failure_headers(failure, headers);
    for (size_t i = 0; i < told; i++)
        add_field(fields, &count, headers[i].name, headers[i].value);
    if (record) {
        add_field(fields, &count, "x-request-id", record->request_id);
        note_failure(record, failure->error.message);
    }
    vecna_json_writer_init(&writer, 1 << 16, proxy->allocator);
    vecna_wire_failure_write(failure, &writer);
    vni_answer_json(proxy, exchange, vecna_wire_failure_status(failure), &writer, fields, count);
}

/* Outside of a job nobody has read the body. */
void vni_answer_failure(vni_proxy *proxy, vni_exchange *exchange,
                        const vecna_wire_failure *failure) {
    vecna_wire_failure unread = *failure;
    unread.unread = 1;
    answer_failure(proxy, exchange, &unread);
}

void vni_job_fail(vni_job *job, const vecna_wire_failure *failure) {
    vni_exchange *exchange = job->exchange;
    vni_proxy *proxy = job->proxy;
    vecna_wire_failure own = *failure;
    own.dialect = job->request.dialect;
    job->ask = NULL;
    if (exchange) {
        exchange->gone = NULL;
        if (job->record) {
            uint64_t age = vni_clock_us() - job->began_us;
            job->record->upstream_us = job->waited_us;
            job->record->overhead_us = age > job->waited_us ? age - job->waited_us : 0;
        }
        answer_failure(proxy, exchange, &own);
    } else if (job->what.done) {
        job->what.done(job->what.user, NULL, 0, NULL, 0, failure->error.message);
    }
    vni_job_free(job);
}

/* ---- the body in pieces ----------------------------------------------------------------------------- */

static void release_job(void *user) {
    vni_job_free(user);
}

static ptrdiff_t pull(void *user, char *out, size_t room) {
    vni_job *job = user;
    size_t bytes;
    vecna_error err;
    if (job->sent == job->writer.bytes && !job->progress.done) {
        vecna_json_writer_drain(&job->writer);
        job->sent = 0;
        if (vecna_wire_answer_write(&job->request, &job->answer, 32768, &job->progress,
                                    &job->writer, &err) != VECNA_OK)
            return -1;
    }
    bytes = job->writer.bytes - job->sent;
    bytes = bytes < room ? bytes : room;
    if (bytes)
        memcpy(out, job->writer.text + job->sent, bytes);
    job->sent += bytes;
    return (ptrdiff_t)bytes;
}

/* ---- headers ---------------------------------------------------------------------------------------- */

typedef struct head {
    vni_field fields[FIELDS_MOST];
    size_t count;
    char source[24], dim[24], overhead[24], cache[80], confidence[64];
} head;

/* One text: its number; several: the mean and the least. The dashboard counts each. */
static void fill_confidence(vni_job *job, char *out, size_t room) {
    vni_map_numbers *numbers = vni_metrics_map(&job->proxy->metrics, job->way->name);
    double sum = 0, least = 1;
    for (size_t i = 0; i < job->count; i++) {
        double one = (double)job->confidences[i];
        size_t bucket = one > 0 ? (size_t)(one * VNI_CONFIDENCE_BUCKETS) : 0;
        sum += one;
        least = one < least ? one : least;
        if (numbers)
            numbers->confidence[bucket < VNI_CONFIDENCE_BUCKETS ? bucket
                                                                : VNI_CONFIDENCE_BUCKETS - 1]++;
    }
    if (job->count == 1)
        snprintf(out, room, "%.3f", sum);
    else
        snprintf(out, room, "%.3f; least=%.3f", sum / (double)job->count, least);
}

static void fill_head(vni_job *job, head *out) {
    uint64_t age = vni_clock_us() - job->began_us;
    uint64_t overhead = age > job->waited_us ? age - job->waited_us : 0;
    out->count = 0;
    snprintf(out->source, sizeof out->source, "%zu", job->change.source_dim);
    snprintf(out->dim, sizeof out->dim, "%zu", job->change.dim);
    snprintf(out->overhead, sizeof out->overhead, "%llu", (unsigned long long)overhead);
    if (job->generation->models[job->way->target])
        snprintf(out->cache, sizeof out->cache, "none");
    else if (job->cached == 0 || job->cached == job->count)
        snprintf(out->cache, sizeof out->cache, "%s", job->cached ? "hit" : "miss");
    else
        snprintf(out->cache, sizeof out->cache, "partial; hits=%zu; misses=%zu", job->cached,
                 job->count - job->cached);
    add_field(out->fields, &out->count, "x-request-id", job->record->request_id);
    add_field(out->fields, &out->count, "x-vecna-map", job->way->name);
    add_field(out->fields, &out->count, "x-vecna-change", job->change.words);
    add_field(out->fields, &out->count, "x-vecna-source-dim", out->source);
    add_field(out->fields, &out->count, "x-vecna-dim", out->dim);
    add_field(out->fields, &out->count, "x-vecna-cache", out->cache);
    add_field(out->fields, &out->count, "x-vecna-overhead-us", out->overhead);
    if (job->confidences) {
        fill_confidence(job, out->confidence, sizeof out->confidence);
        add_field(out->fields, &out->count, "x-vecna-confidence", out->confidence);
    }
    if (job->generation->canaries[job->way->target].drifted)
        add_field(out->fields, &out->count, "x-vecna-drift", "1");
    job->record->overhead_us = overhead;
    job->record->upstream_us = job->waited_us;
    job->record->dim = job->change.dim;
    job->record->source_dim = job->change.source_dim;
    job->record->cached = job->cached;
    job->record->cache = job->cached == 0 ? "miss" : job->cached == job->count ? "hit" : "partial";
}

/* ---- the whole -------------------------------------------------------------------------------------- */

static uint64_t tokens_of(const vni_job *job) {
    uint64_t tokens = job->tokens;
    for (size_t i = 0; i < job->count; i++)
        if (!job->missing[i] || job->tokens == 0) /* nobody counted them: about four bytes each */
            tokens += 1 + job->request.inputs[i].text.bytes / 4;
    return tokens;
}

static void send_whole(vni_job *job, const head *fields) {
    vni_exchange *exchange = job->exchange;
    vecna_error err;
    vni_answer answer = {0};
    if (vecna_wire_answer_write(&job->request, &job->answer, 0, NULL, &job->writer, &err) !=
            VECNA_OK ||
        vecna_json_writer_finish(&job->writer, &err) != VECNA_OK) {
        vni_job_fail_with(job, VECNA_WIRE_INTERNAL, "%s", err.message);
        return;
    }
    vecna_release(job->proxy->allocator, job->out);
    job->out = NULL;
    answer.status = 200;
    answer.content_type = "application/json";
    answer.fields = fields->fields;
    answer.field_count = fields->count;
    answer.body = job->writer.text;
    answer.body_bytes = job->writer.bytes;
    answer.release = release_job;
    answer.user = job;
    exchange->gone = NULL;
    job->exchange = NULL;
    vni_answer_send(exchange, &answer);
}

static void send_pieces(vni_job *job, const head *fields) {
    vni_exchange *exchange = job->exchange;
    vni_answer answer = {0};
    answer.status = 200;
    answer.content_type = "application/json";
    answer.fields = fields->fields;
    answer.field_count = fields->count;
    answer.pull = pull;
    answer.release = release_job;
    answer.user = job;
    exchange->gone = NULL;
    job->exchange = NULL;
    vni_answer_send(exchange, &answer);
}

/* It takes a product with every pair that the map keeps, several times the map itself (docs/proxy.md): for
 * those who ask, and for others while there is time to spare and nothing else to wait for. */
static int wants_confidence(vni_job *job) {
    const int mode = job->way->config.confidence;
    job->spare_us = -1;
    if (job->way->confidence == NULL || job->exchange == NULL)
        return 0;
    if (mode == VNI_CONFIDENCE_ALWAYS ||
        vni_text_is_nocase(vni_exchange_field(job->exchange, "x-vecna-confidence"), "yes"))
        return 1;
    if (mode == VNI_CONFIDENCE_AUTO && !vni_worker_is_busy(job->proxy->worker))
        job->spare_us =
            vni_spare_take(&job->way->spare, vni_clock_us(), vni_way_judged_rows(job->count));
    return job->spare_us >= 0;
}

/* Ollama gives what it has when more is asked for. */
static size_t asked_dim(const vni_job *job) {
    int more = job->request.dim >= vni_way_dim(job->way, job->dim);
    return more && job->request.endpoint == VECNA_WIRE_OLLAMA_EMBED ? 0 : job->request.dim;
}

/* What is going to be done, and room for it. */
static int plan_out(vni_job *job, vecna_error *err, vecna_wire_failure_class *category) {
    job->normalize =
        job->way->config.normalize && !job->request.unnormalized &&
        (job->exchange == NULL || vecna_wire_endpoint_normalizes(job->request.endpoint));
    vecna_status status =
        vni_way_plan(job->generation, job->way, job->dim, asked_dim(job), &job->change, err);
    *category = status == VECNA_ERR_ARGUMENT                           ? VECNA_WIRE_INVALID
                : status == VECNA_ERR_DIM || status == VECNA_ERR_VALUE ? VECNA_WIRE_UPSTREAM
                                                                       : VECNA_WIRE_INTERNAL;
    if (status != VECNA_OK)
        return 0;
    if (vni_way_keeps(job->way, &job->change)) {
        job->out = job->rows;
        job->rows = NULL;
    } else {
        job->out =
            vecna_allocate(job->proxy->allocator, job->count, job->change.dim * sizeof *job->out);
    }
    *category = VECNA_WIRE_INTERNAL;
    if (job->out == NULL) {
        vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for %zu vectors", job->count);
        return 0;
    }
    if (wants_confidence(job)) {
        job->confidences = vecna_allocate(job->proxy->allocator, job->count, sizeof(float));
        if (job->confidences == NULL) {
            vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for the confidence");
            return 0;
        }
    }
    return 1;
}

static void apply_way(vni_job *job) {
    job->worked = vni_way_apply(job->generation, job->way, &job->change,
                                job->rows ? job->rows : job->out, job->count, job->normalize,
                                job->out, job->confidences, &job->judged_us, &job->work_error);
}

static double work_of(const vni_job *job) {
    return vni_way_work(job->way, &job->change, job->count, job->confidences != NULL);
}

static void reply_try(vni_job *job) {
    float *before = vecna_allocate(job->proxy->allocator, job->count, job->dim * sizeof *before);
    vecna_wire_failure_class category;
    vecna_error err;
    if (before)
        memcpy(before, job->rows, job->count * job->dim * sizeof *before);
    err.message[0] = '\0';
    if (before == NULL) {
        job->what.done(job->what.user, NULL, 0, NULL, 0, "no memory for the vectors");
    } else if (!plan_out(job, &err, &category)) {
        job->what.done(job->what.user, NULL, 0, NULL, 0, err.message);
    } else {
        apply_way(job); /* one text */
        if (job->worked == VECNA_OK)
            job->what.done(job->what.user, before, job->dim, job->out, job->change.dim, NULL);
        else
            job->what.done(job->what.user, NULL, 0, NULL, 0, job->work_error.message);
    }
    vecna_release(job->proxy->allocator, before);
    vni_job_free(job);
}

static void fail_reply(vni_job *job, vecna_wire_failure_class category, const char *message) {
    vecna_wire_failure failure = {0};
    if (category == VECNA_WIRE_UPSTREAM)
        vecna_wire_failure_set(&failure, category, "upstream %s %s",
                               job->generation->pool->targets[job->way->target].options.name,
                               message);
    else
        vecna_wire_failure_set(&failure, category, "%s", message);
    if (category == VECNA_WIRE_INVALID)
        snprintf(failure.param, sizeof failure.param, "dimensions");
    failure.final = 1;
    vni_job_fail(job, &failure);
}

/* The rows are what the client gets. */
static void send_out(vni_job *job) {
    head fields;
    if (job->confidences && job->spare_us >= 0)
        vni_spare_settle(&job->way->spare, job->spare_us, vni_way_judged_rows(job->count),
                         job->judged_us);
    if (job->worked != VECNA_OK) {
        fail_reply(job, job->worked == VECNA_ERR_VALUE ? VECNA_WIRE_UPSTREAM : VECNA_WIRE_INTERNAL,
                   job->work_error.message);
        return;
    }
    vecna_release(job->proxy->allocator, job->rows);
    job->rows = NULL;
    job->answer.vectors = vecna_view_dense(job->out, job->count, job->change.dim);
    job->answer.tokens = tokens_of(job);
    job->answer.id = vecna_wire_text_of(job->record->request_id);
    job->answer.total_ns = (vni_clock_us() - job->began_us) * 1000;
    job->record->tokens = job->answer.tokens;
    fill_head(job, &fields);
    if (job->count * job->change.dim > WHOLE_BYTES_MOST / 16)
        send_pieces(job, &fields);
    else
        send_whole(job, &fields);
}

void vni_job_reply(vni_job *job) {
    vecna_wire_failure_class category;
    vecna_error err;
    if (job->exchange == NULL) {
        reply_try(job);
        return;
    }
    err.message[0] = '\0';
    if (plan_out(job, &err, &category))
        vni_job_work(job, work_of(job), apply_way, send_out);
    else
        fail_reply(job, category, err.message);
}
