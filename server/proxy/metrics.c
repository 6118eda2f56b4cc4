/* Numbers of what passes. Labels come from the configuration and from closed lists, never from a client, so
 * that nobody can make the page grow. Overhead is the time from a whole request to its answer less the
 * time that upstreams were waited for, JSON and queueing included. */
#include "proxy/job.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const double first_edge = 1e-5;

uint64_t vni_unix_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

double vni_histogram_edge(size_t bucket) {
    return bucket + 1 >= VNI_BUCKETS ? (double)INFINITY : ldexp(first_edge, (int)bucket);
}

void vni_histogram_add(vni_histogram *histogram, double seconds) {
    size_t bucket = 0;
    double edge = first_edge;
    while (bucket + 1 < VNI_BUCKETS && seconds > edge) {
        edge *= 2;
        bucket++;
    }
    histogram->count[bucket]++;
    histogram->all++;
    histogram->sum += seconds;
}

double vni_histogram_quantile(const vni_histogram *histogram, double share) {
    double wanted = share * (double)histogram->all, seen = 0;
    for (size_t i = 0; i < VNI_BUCKETS; i++) {
        double here = (double)histogram->count[i];
        if (here > 0 && seen + here >= wanted) {
            double low = i ? vni_histogram_edge(i - 1) : 0,
                   high = i + 1 < VNI_BUCKETS ? vni_histogram_edge(i) : low * 2;
            return low + (high - low) * (wanted - seen) / here;
        }
        seen += here;
    }
    return 0;
}

void vni_metrics_start(vni_metrics *metrics, const vecna_allocator *allocator) {
    memset(metrics, 0, sizeof *metrics);
    metrics->allocator = allocator;
    metrics->numbers.started_ms = vni_unix_ms();
}

static void free_counters(const vni_metrics *metrics, vni_counter *counters, size_t count,
                          int own_endpoint) {
    for (size_t i = 0; i < count; i++) {
        char *map, *endpoint;
        memcpy(&map, &counters[i].map, sizeof map);
        memcpy(&endpoint, &counters[i].endpoint, sizeof endpoint);
        vecna_release(metrics->allocator, map);
        if (own_endpoint)
            vecna_release(metrics->allocator, endpoint);
    }
    vecna_release(metrics->allocator, counters);
}

void vni_metrics_free(vni_metrics *metrics) {
    free_counters(metrics, metrics->counters, metrics->counter_count, 0);
    free_counters(metrics, metrics->upstream, metrics->upstream_count, 1);
    vecna_release(metrics->allocator, metrics->numbers.maps);
}

static char *copy_text(const vni_metrics *metrics, const char *text) {
    size_t bytes = strlen(text) + 1;
    char *copy = vecna_allocate(metrics->allocator, bytes, 1);
    if (copy)
        memcpy(copy, text, bytes);
    return copy;
}

static void count_one(const vni_metrics *metrics, vni_counter **list, size_t *count,
                      size_t *capacity, const char *map, const char *endpoint, int status,
                      int own_endpoint) {
    vni_counter *fresh;
    for (size_t i = 0; i < *count; i++) {
        vni_counter *one = &(*list)[i];
        if (one->status == status && strcmp(one->endpoint, endpoint) == 0 &&
            strcmp(one->map, map) == 0) {
            one->count++;
            return;
        }
    }
    if (*count == *capacity) {
        size_t larger = *capacity ? *capacity * 2 : 16;
        vni_counter *grown = vecna_resize(metrics->allocator, *list, larger, sizeof **list);
        if (grown == NULL)
            return;
        *list = grown;
        *capacity = larger;
    }
    fresh = &(*list)[*count];
    fresh->map = copy_text(metrics, map);
    fresh->endpoint = own_endpoint ? copy_text(metrics, endpoint) : endpoint;
    fresh->status = status;
    fresh->count = 1;
    if (fresh->map && fresh->endpoint)
        (*count)++;
}

void vni_metrics_upstream(vni_metrics *metrics, const char *target, const char *url, int status,
                          uint64_t total_us, size_t inputs) {
    count_one(metrics, &metrics->upstream, &metrics->upstream_count, &metrics->upstream_capacity,
              target, url, status, 1);
    vni_histogram_add(&metrics->numbers.upstream, (double)total_us * 1e-6);
    vni_histogram_add(&metrics->numbers.batch, (double)inputs * first_edge);
}

vni_map_numbers *vni_metrics_map(vni_metrics *metrics, const char *name) {
    vni_numbers *numbers = &metrics->numbers;
    vni_map_numbers *grown;
    for (size_t i = 0; i < numbers->map_count; i++)
        if (strcmp(numbers->maps[i].name, name) == 0)
            return &numbers->maps[i];
    grown = vecna_resize(metrics->allocator, numbers->maps, numbers->map_count + 1, sizeof *grown);
    if (grown == NULL)
        return NULL;
    numbers->maps = grown;
    memset(&grown[numbers->map_count], 0, sizeof *grown);
    snprintf(grown[numbers->map_count].name, sizeof grown[0].name, "%s", name);
    return &grown[numbers->map_count++];
}

static void note_error(vni_numbers *numbers, const vni_record *record, int status) {
    vni_recent_error *one = &numbers->recent[numbers->recent_next];
    numbers->recent_next = (numbers->recent_next + 1) % VNI_ERRORS_KEPT;
    one->at_ms = vni_unix_ms();
    one->status = status;
    snprintf(one->map, sizeof one->map, "%s", record->map);
    snprintf(one->message, sizeof one->message, "%s", record->failure);
}

/* Classes of errors are wire's, each with its status; the last is for what comes from elsewhere. */
static const struct {
    int status;
    const char *word;
} error_classes[VNI_ERROR_CLASSES] = {
    {400, "invalid"},       {401, "unauthorized"},  {403, "forbidden"},   {404, "not_found"},
    {405, "method"},        {408, "timeout"},       {409, "conflict"},    {413, "too_large"},
    {415, "media"},         {422, "unprocessable"}, {429, "rate_limit"},  {500, "internal"},
    {501, "unimplemented"}, {502, "upstream"},      {503, "unavailable"}, {504, "upstream_timeout"},
    {0, "other"},
};

static size_t error_class(int status) {
    size_t i = 0;
    while (error_classes[i].status && error_classes[i].status != status)
        i++;
    return i;
}

void vni_metrics_request(vni_metrics *metrics, const vni_record *record,
                         const vni_exchange *exchange) {
    vni_numbers *numbers = &metrics->numbers;
    uint64_t now = vni_unix_ms() / 1000;
    vni_second *second = &numbers->seconds[now % VNI_SECONDS];
    int error = exchange->status >= 400;
    uint64_t total = exchange->answer_us > exchange->body_us && exchange->body_us
                         ? exchange->answer_us - exchange->body_us
                         : 0;
    count_one(metrics, &metrics->counters, &metrics->counter_count, &metrics->counter_capacity,
              record->map, record->endpoint[0] ? record->endpoint : "other", exchange->status, 0);
    if (record->inputs == 0 && !error)
        return; /* lists of models and pages */
    if (second->at != now) {
        memset(second, 0, sizeof *second);
        second->at = now;
    }
    numbers->requests++;
    second->requests++;
    second->inputs += (uint32_t)record->inputs;
    second->total_us += total;
    second->upstream_us += record->upstream_us;
    second->overhead_us += record->overhead_us;
    if (error) {
        numbers->errors++;
        metrics->errors[error_class(exchange->status)]++;
        second->errors++;
        note_error(numbers, record, exchange->status);
    } else {
        numbers->inputs += record->inputs;
        numbers->tokens += record->tokens;
        numbers->cache_hits += record->cached;
        numbers->cache_misses += record->inputs - record->cached;
        vni_histogram_add(&numbers->total, (double)total * 1e-6);
        vni_histogram_add(&numbers->overhead, (double)record->overhead_us * 1e-6);
    }
    if (record->map[0]) {
        vni_map_numbers *map = vni_metrics_map(metrics, record->map);
        if (map) {
            map->requests++;
            map->errors += (uint64_t)error;
            map->inputs += error ? 0 : record->inputs;
            map->tokens += error ? 0 : record->tokens;
        }
    }
}

/* ---- the page -------------------------------------------------------------------------------------------- */

typedef struct page {
    char *text;
    size_t bytes, capacity;
    const vecna_allocator *allocator;
    int failed;
} page;

static void print(page *out, const char *format, ...) VECNA_PRINTF(2, 3);
static void print(page *out, const char *format, ...) {
    va_list arguments;
    int bytes;
    if (out->failed)
        return;
    if (out->capacity - out->bytes < 1024) {
        char *grown = vecna_resize(out->allocator, out->text, out->capacity * 2 + 16384, 1);
        if (grown == NULL) {
            out->failed = 1;
            return;
        }
        out->text = grown;
        out->capacity = out->capacity * 2 + 16384;
    }
    va_start(arguments, format);
    bytes = vsnprintf(out->text + out->bytes, out->capacity - out->bytes, format, arguments);
    va_end(arguments);
    if (bytes > 0)
        out->bytes += (size_t)bytes < out->capacity - out->bytes ? (size_t)bytes
                                                                 : out->capacity - out->bytes - 1;
}

static void describe(page *out, const char *name, const char *type, const char *help) {
    print(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void one_value(page *out, const char *name, const char *type, const char *help,
                      double value) {
    describe(out, name, type, help);
    print(out, "%s %.17g\n", name, value);
}

static void histogram(page *out, const char *name, const char *help, const vni_histogram *from,
                      double scale) {
    uint64_t sum = 0;
    describe(out, name, "histogram", help);
    for (size_t i = 0; i < VNI_BUCKETS; i++) {
        sum += from->count[i];
        if (i + 1 < VNI_BUCKETS)
            print(out, "%s_bucket{le=\"%.6g\"} %llu\n", name, vni_histogram_edge(i) * scale,
                  (unsigned long long)sum);
        else
            print(out, "%s_bucket{le=\"+Inf\"} %llu\n", name, (unsigned long long)sum);
    }
    print(out, "%s_sum %.9g\n%s_count %llu\n", name, from->sum * scale, name,
          (unsigned long long)from->all);
}

static void print_counters(page *out, const vni_metrics *metrics) {
    describe(out, "vecna_requests_total", "counter", "Answers by map, provider and HTTP status.");
    for (size_t i = 0; i < metrics->counter_count; i++)
        print(out, "vecna_requests_total{map=\"%s\",endpoint=\"%s\",status=\"%d\"} %llu\n",
              metrics->counters[i].map, metrics->counters[i].endpoint, metrics->counters[i].status,
              (unsigned long long)metrics->counters[i].count);
    describe(out, "vecna_upstream_requests_total", "counter",
             "Calls by target, server and HTTP status; 0: no answer.");
    for (size_t i = 0; i < metrics->upstream_count; i++)
        print(out,
              "vecna_upstream_requests_total{target=\"%s\",server=\"%s\",status=\"%d\"} %llu\n",
              metrics->upstream[i].map, metrics->upstream[i].endpoint, metrics->upstream[i].status,
              (unsigned long long)metrics->upstream[i].count);
}

static void print_upstreams(page *out, const vni_generation *now) {
    describe(out, "vecna_upstream_state", "gauge",
             "0 up, 1 resting after failures, 2 being tried again, 3 health check failed.");
    for (size_t i = 0; i < now->pool->target_count; i++)
        for (size_t j = 0; j < now->pool->targets[i].options.endpoint_count; j++) {
            const vni_endpoint *one = &now->pool->targets[i].endpoints[j];
            print(out, "vecna_upstream_state{target=\"%s\",server=\"%s\"} %d\n",
                  now->pool->targets[i].options.name, one->url, one->unwell ? 3 : (int)one->state);
        }
    describe(out, "vecna_upstream_in_flight", "gauge", "Calls on their way.");
    for (size_t i = 0; i < now->pool->target_count; i++)
        for (size_t j = 0; j < now->pool->targets[i].options.endpoint_count; j++)
            print(out, "vecna_upstream_in_flight{target=\"%s\",server=\"%s\"} %zu\n",
                  now->pool->targets[i].options.name, now->pool->targets[i].endpoints[j].url,
                  now->pool->targets[i].endpoints[j].in_flight);
    describe(out, "vecna_upstream_retries_total", "counter", "Calls tried again.");
    for (size_t i = 0; i < now->pool->target_count; i++)
        print(out, "vecna_upstream_retries_total{target=\"%s\"} %llu\n",
              now->pool->targets[i].options.name,
              (unsigned long long)now->pool->targets[i].retries);
    describe(out, "vecna_canary_cosine", "gauge", "Of the canary's last vector to its first.");
    for (size_t i = 0; i < now->pool->target_count; i++)
        if (now->canaries[i].known)
            print(out, "vecna_canary_cosine{target=\"%s\"} %.9g\n",
                  now->pool->targets[i].options.name, now->canaries[i].cosine);
    describe(out, "vecna_drift", "gauge", "1 when the model behind a target is another one.");
    for (size_t i = 0; i < now->pool->target_count; i++)
        print(out, "vecna_drift{target=\"%s\"} %d\n", now->pool->targets[i].options.name,
              now->canaries[i].drifted);
}

static void print_cache(page *out, const vni_proxy *proxy) {
    vni_cache_counts cache;
    vni_cache_counts_of(proxy->cache, &cache);
    one_value(out, "vecna_cache_hits_total", "counter", "Texts answered from the cache.",
              (double)cache.hits);
    one_value(out, "vecna_cache_misses_total", "counter", "Texts that it did not have.",
              (double)cache.misses);
    one_value(out, "vecna_cache_disk_hits_total", "counter", "Hits that came from the disk.",
              (double)cache.disk_hits);
    one_value(out, "vecna_cache_evictions_total", "counter", "Vectors that had to go.",
              (double)cache.evicted);
    one_value(out, "vecna_cache_entries", "gauge", "Vectors in memory.", (double)cache.entries);
    one_value(out, "vecna_cache_bytes", "gauge", "Memory of the cache.", (double)cache.bytes);
    one_value(out, "vecna_cache_disk_bytes", "gauge", "Vectors on disk.", (double)cache.disk_bytes);
    one_value(out, "vecna_cache_disk_errors_total", "counter",
              "Writes and reads that the disk refused.", (double)cache.disk_errors);
}

static double resident_bytes(void) {
    double pages = 0;
    unsigned long long size, resident;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file) {
        if (fscanf(file, "%llu %llu", &size, &resident) == 2)
            pages = (double)resident;
        fclose(file);
    }
    return pages * (double)sysconf(_SC_PAGESIZE);
}

static void print_server(page *out, const vni_proxy *proxy) {
    vni_server_counts counts = {0};
    if (proxy->server)
        vni_server_counts_read(proxy->server, &counts);
    one_value(out, "vecna_connections", "gauge", "Open connections of clients.",
              (double)counts.open);
    one_value(out, "vecna_connections_total", "counter", "Connections accepted.",
              (double)counts.accepted);
    one_value(out, "vecna_connections_refused_total", "counter", "Connections over a limit.",
              (double)counts.refused);
    one_value(out, "vecna_malformed_requests_total", "counter",
              "Requests that were no HTTP, or too much of it.", (double)counts.malformed);
    one_value(out, "vecna_client_timeouts_total", "counter", "Clients that were too slow.",
              (double)counts.timed_out);
    one_value(out, "vecna_clients_gone_total", "counter", "Clients that left before their answer.",
              (double)counts.gone);
    one_value(out, "vecna_in_flight", "gauge", "Requests being answered.",
              (double)proxy->job_count);
    describe(out, "vecna_config_reloads_total", "counter", "SIGHUPs, by what became of them.");
    print(out,
          "vecna_config_reloads_total{outcome=\"served\"} %llu\n"
          "vecna_config_reloads_total{outcome=\"refused\"} %llu\n",
          (unsigned long long)proxy->reloads, (unsigned long long)proxy->reloads_refused);
    one_value(out, "vecna_config_last_reload_successful", "gauge",
              "0 while the file has a mistake and an older configuration is served.",
              !proxy->reload_failed);
    one_value(out, "process_resident_memory_bytes", "gauge", "Memory of the process.",
              resident_bytes());
    one_value(out, "process_start_time_seconds", "gauge", "When it started, Unix time.",
              (double)proxy->metrics.numbers.started_ms * 1e-3);
}

vecna_status vni_metrics_print(vni_proxy *proxy, char **text, size_t *bytes, vecna_error *err) {
    const vni_numbers *numbers = &proxy->metrics.numbers;
    page out = {NULL, 0, 0, proxy->allocator, 0};
    describe(&out, "vecna_build_info", "gauge", "Version.");
    print(&out, "vecna_build_info{version=\"%s\"} 1\n", VECNA_VERSION);
    print_counters(&out, &proxy->metrics);
    describe(&out, "vecna_errors_total", "counter", "Requests answered with an error, by class.");
    for (size_t i = 0; i < VNI_ERROR_CLASSES; i++)
        print(&out, "vecna_errors_total{class=\"%s\"} %llu\n", error_classes[i].word,
              (unsigned long long)proxy->metrics.errors[i]);
    one_value(&out, "vecna_inputs_total", "counter", "Texts answered.", (double)numbers->inputs);
    one_value(&out, "vecna_tokens_total", "counter",
              "Tokens of those, as upstreams counted them or estimated.", (double)numbers->tokens);
    histogram(&out, "vecna_request_duration_seconds", "From the whole request to its answer.",
              &numbers->total, 1);
    histogram(&out, "vecna_upstream_duration_seconds", "Of calls upstream.", &numbers->upstream, 1);
    histogram(&out, "vecna_overhead_seconds", "Of requests, less the time waited for upstreams.",
              &numbers->overhead, 1);
    histogram(&out, "vecna_batch_inputs", "Texts a call upstream.", &numbers->batch,
              1 / first_edge);
    one_value(&out, "vecna_coalesced_inputs_total", "counter",
              "Texts that were on their way already.", (double)proxy->current->pool->coalesced);
    one_value(&out, "vecna_joined_calls_total", "counter", "Calls with texts of several requests.",
              (double)proxy->current->pool->joined);
    print_upstreams(&out, proxy->current);
    print_cache(&out, proxy);
    print_server(&out, proxy);
    if (out.failed) {
        vecna_release(proxy->allocator, out.text);
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for the metrics");
    }
    *text = out.text;
    *bytes = out.bytes;
    return VECNA_OK;
}

/* ---- the access log ---------------------------------------------------------------------------------------- */

/* A text that may have been cut within a character. */
static void write_text(vecna_json_writer *json, const char *key, const char *text) {
    vecna_json_write_key(json, key);
    vecna_json_write_string_bytes(json, text, vecna_utf8_valid_bytes(text, strlen(text)));
}

void vni_log_request(vni_proxy *proxy, const vni_record *record, const vni_exchange *exchange) {
    vecna_json_writer writer;
    vecna_error err;
    uint64_t end = exchange->written_us ? exchange->written_us : exchange->answer_us;
    char time_text[40];
    time_t seconds = time(NULL);
    struct tm parts;
    if (proxy->access == NULL)
        return;
    gmtime_r(&seconds, &parts);
    strftime(time_text, sizeof time_text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    vecna_json_writer_init(&writer, 1 << 16, proxy->allocator);
    vecna_json_write_object_begin(&writer);
    vecna_json_write_key(&writer, "time");
    vecna_json_write_string(&writer, time_text);
    vecna_json_write_key(&writer, "id");
    vecna_json_write_string(&writer, record ? record->request_id : "");
    vecna_json_write_key(&writer, "client");
    vecna_json_write_string(&writer, exchange->peer);
    vecna_json_write_key(&writer, "method");
    vecna_json_write_string_bytes(&writer, exchange->method_text.at, exchange->method_text.bytes);
    vecna_json_write_key(&writer, "path"); /* without its query, where a key may stand */
    vecna_json_write_string_bytes(&writer, exchange->path.at, exchange->path.bytes);
    vecna_json_write_key(&writer, "status");
    vecna_json_write_i64(&writer, exchange->status);
    vecna_json_write_key(&writer, "bytes");
    vecna_json_write_u64(&writer, exchange->answer_bytes);
    vecna_json_write_key(&writer, "duration_us");
    vecna_json_write_u64(
        &writer, end > exchange->first_us && exchange->first_us ? end - exchange->first_us : 0);
    if (record && record->inputs) {
        const struct {
            const char *key;
            uint64_t value;
        } counts[] = {{"inputs", record->inputs},
                      {"source_dim", record->source_dim},
                      {"dim", record->dim},
                      {"tokens", record->tokens},
                      {"cached", record->cached},
                      {"upstream_us", record->upstream_us},
                      {"overhead_us", record->overhead_us}};
        write_text(&writer, "map", record->map);
        write_text(&writer, "model", record->model);
        write_text(&writer, "key", record->key_name);
        for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
            vecna_json_write_key(&writer, counts[i].key);
            vecna_json_write_u64(&writer, counts[i].value);
        }
    }
    if (record && record->failure[0]) {
        write_text(&writer, "error", record->failure);
    }
    vecna_json_write_object_end(&writer);
    vecna_json_write_between(&writer, "\n", 1);
    if (vecna_json_writer_finish(&writer, &err) == VECNA_OK) {
        fwrite(writer.text, 1, writer.bytes, proxy->access);
        if (proxy->access == stderr)
            fflush(proxy->access);
    }
    vecna_json_writer_free(&writer);
}
