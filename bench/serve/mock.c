/* A model server that costs nothing: the answer to so many texts in one encoding is made once and sent again
 * and again. What a proxy in front of it adds is then the proxy's own.
 *
 *   mock HOST:PORT [--dim N] [--delay MS] [--floats]
 *
 * --floats: base64 is never given, as of servers that do not know it. Texts are counted by the quotes of
 * `input`, so a body must not hold escaped ones. */
#include "bench/bench.h"

#include "vecna/codec.h"

#include "net/net_impl.h"

#include <math.h>
#include <string.h>

enum { KEPT = 8 };

static struct {
    size_t count;
    int base64;
    char *body;
    size_t bytes;
} kept[KEPT];
static size_t kept_next, dim = 1536;
static unsigned delay_ms;
static int floats_only;

static void must_have(const void *memory) {
    if (memory == NULL)
        exit(1);
}

/* count vectors, each another one, unit length. */
static void make(size_t count, int base64, char **body, size_t *bytes) {
    vecna_json_writer out;
    vecna_random random;
    vecna_error err;
    float *row = malloc(dim * sizeof *row);
    must_have(row);
    vecna_json_writer_init(&out, 0, NULL);
    vecna_random_seed(&random, 1, 0);
    vecna_json_write_object_begin(&out);
    vecna_json_write_key(&out, "object");
    vecna_json_write_string(&out, "list");
    vecna_json_write_key(&out, "data");
    vecna_json_write_array_begin(&out);
    for (size_t i = 0; i < count; i++) {
        double sum = 0;
        for (size_t j = 0; j < dim; j++) {
            row[j] = (float)vecna_random_normal(&random);
            sum += (double)row[j] * (double)row[j];
        }
        for (size_t j = 0; j < dim; j++)
            row[j] = (float)((double)row[j] / sqrt(sum));
        vecna_json_write_object_begin(&out);
        vecna_json_write_key(&out, "object");
        vecna_json_write_string(&out, "embedding");
        vecna_json_write_key(&out, "index");
        vecna_json_write_u64(&out, i);
        vecna_json_write_key(&out, "embedding");
        if (base64)
            vecna_json_write_base64(&out, row, dim * sizeof *row);
        else
            vecna_json_write_floats(&out, row, dim);
        vecna_json_write_object_end(&out);
    }
    vecna_json_write_array_end(&out);
    vecna_json_write_key(&out, "model");
    vecna_json_write_string(&out, "mock");
    vecna_json_write_key(&out, "usage");
    vecna_json_write_object_begin(&out);
    vecna_json_write_key(&out, "prompt_tokens");
    vecna_json_write_u64(&out, 8 * count);
    vecna_json_write_key(&out, "total_tokens");
    vecna_json_write_u64(&out, 8 * count);
    vecna_json_write_object_end(&out);
    vecna_json_write_object_end(&out);
    bench_must(vecna_json_writer_finish(&out, &err), &err);
    *body = out.text; /* for as long as the program runs */
    *bytes = out.bytes;
    free(row);
}

static size_t find(size_t count, int base64) {
    for (size_t i = 0; i < KEPT; i++)
        if (kept[i].body != NULL && kept[i].count == count && kept[i].base64 == base64)
            return i;
    kept_next = (kept_next + 1) % KEPT;
    if (kept[kept_next].body != NULL && delay_ms == 0)
        free(kept[kept_next].body);
    kept[kept_next].count = count;
    kept[kept_next].base64 = base64;
    make(count, base64, &kept[kept_next].body, &kept[kept_next].bytes);
    return kept_next;
}

/* Texts in `input`: half of its quotes. */
static size_t texts_in(const char *body, size_t bytes) {
    const char *at = NULL, *end = body + bytes;
    size_t quotes = 0;
    for (const char *scan = body; scan + 8 < end && at == NULL; scan++)
        if (memcmp(scan, "\"input\"", 7) == 0)
            at = scan + 7;
    if (at == NULL)
        return 1;
    while (at < end && *at != '[' && *at != '"')
        at++;
    if (at == end || *at == '"')
        return 1;
    for (; at < end && *at != ']'; at++)
        quotes += *at == '"';
    return quotes / 2 > 0 ? quotes / 2 : 1;
}

static int has(const char *body, size_t bytes, const char *word) {
    size_t length = strlen(word);
    for (size_t i = 0; i + length <= bytes; i++)
        if (body[i] == word[0] && memcmp(body + i, word, length) == 0)
            return 1;
    return 0;
}

static void send_answer(vni_exchange *exchange) {
    int base64 = !floats_only && has(exchange->body, exchange->body_bytes, "\"base64\"");
    size_t at = find(texts_in(exchange->body, exchange->body_bytes), base64);
    vni_answer answer = {.status = 200, .content_type = "application/json", .fixed = 1};
    answer.body = kept[at].body;
    answer.body_bytes = kept[at].bytes;
    vni_answer_send(exchange, &answer);
}

typedef struct later {
    vni_timer timer; /* first */
    vni_exchange *exchange;
} later;

static void fire(vni_timer *timer) {
    send_answer(((later *)timer)->exchange);
}

static void handle(void *user, vni_exchange *exchange) {
    static const char models[] = "{\"object\":\"list\",\"data\":[{\"id\":\"mock\",\"object\":"
                                 "\"model\",\"created\":1,\"owned_by\":\"bench\"}]}";
    (void)user;
    if (exchange->method != VNI_POST) {
        vni_answer_text(exchange, 200, "application/json", vni_text_of(models));
    } else if (delay_ms == 0) {
        send_answer(exchange);
    } else {
        later *it = vni_exchange_alloc(exchange, sizeof *it);
        must_have(it);
        memset(it, 0, sizeof *it);
        it->exchange = exchange;
        it->timer.fire = fire;
        vni_timer_start(exchange->loop, &it->timer, delay_ms);
    }
}

int main(int argc, char **argv) {
    vni_server_options options = {.loops = 1, .handle = handle, .signals = 1};
    vni_server *server;
    vecna_error err;
    options.listen = argc > 1 ? argv[1] : "127.0.0.1:0";
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--floats") == 0)
            floats_only = 1;
        else if (i + 1 < argc && strcmp(argv[i], "--dim") == 0)
            dim = strtoul(argv[++i], NULL, 10);
        else if (i + 1 < argc && strcmp(argv[i], "--delay") == 0)
            delay_ms = (unsigned)strtoul(argv[++i], NULL, 10);
    }
    bench_must(vni_server_new(&options, NULL, &server, &err), &err);
    printf("%s\n", vni_server_address(server));
    fflush(stdout);
    vni_server_wait(server);
    vni_server_free(server);
    return 0;
}
