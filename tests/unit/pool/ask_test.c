/* Asks against a small server on net's own loop: who shares what, what comes in which row, what a failure
 * does, and that memory may run out anywhere. */
#include "tests/unit/support/support.h"

#include "pool/pool_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct bed { /* a loop in this thread, a server in its own */
    vni_server *server;
    char url[64];
    int calls, texts; /* that the server saw */
    int status;       /* it answers; 0: well */
} bed;

/* Every text that starts with a digit becomes (digit, 1, 0, 0). */
static void handle(void *user, vni_exchange *exchange) {
    bed *b = user;
    char *body = malloc(65536);
    size_t used = 0, index = 0;
    const char *at = strstr(exchange->body, "\"input\":");
    vni_text text;
    b->calls++;
    if (b->status) {
        vni_answer_text(exchange, b->status, "application/json",
                        vni_text_of("{\"error\":{\"message\":\"no\"}}"));
        free(body);
        return;
    }
    used += (size_t)sprintf(body + used, "{\"object\":\"list\",\"model\":\"m\",\"data\":[");
    for (at = at ? at + 8 : ""; *at && *at != ']'; at++)
        if (*at == '"' && at[1] >= '0' && at[1] <= '9') {
            used += (size_t)sprintf(
                body + used, "%s{\"object\":\"embedding\",\"index\":%zu,\"embedding\":[%c,1,0,0]}",
                index ? "," : "", index, at[1]);
            index++;
            b->texts++;
            at = strchr(at + 1, '"');
        }
    used += (size_t)sprintf(body + used, "],\"usage\":{\"prompt_tokens\":1,\"total_tokens\":1}}");
    text.at = body;
    text.bytes = used;
    vni_answer_text(exchange, 200, "application/json", text);
    free(body);
}

static int start(void **state) {
    static bed b;
    vni_server_options options = {
        .listen = "127.0.0.1:0", .loops = 1, .user = &b, .handle = handle};
    memset(&b, 0, sizeof b);
    if (vni_server_new(&options, NULL, &b.server, NULL) != VECNA_OK)
        return -1;
    snprintf(b.url, sizeof b.url, "http://%s", vni_server_address(b.server));
    *state = &b;
    return 0;
}

static int stop(void **state) {
    vni_server_free(((bed *)*state)->server);
    return 0;
}

typedef struct asked {
    vni_loop *loop;
    float first[64]; /* of each row */
    size_t rows, dones;
    vni_outcome outcome;
    int *left;
} asked;

static void on_row(void *user, size_t row, const float *vector, size_t dim) {
    asked *a = user;
    assert_int_equal(dim, 4);
    a->first[row] = vector[0];
    a->rows++;
}

static void on_done(void *user, const vni_outcome *outcome) {
    asked *a = user;
    a->dones++;
    a->outcome = *outcome;
    if (--*a->left == 0)
        vni_loop_stop(a->loop);
}

typedef struct rig {
    vni_loop *loop;
    vni_client *client;
    vni_pool *pool;
    int left;
} rig;

static vecna_status make_rig(rig *r, const bed *b, size_t batch, int64_t join_ms,
                             const vecna_allocator *allocator, vecna_error *err) {
    vni_endpoint endpoint = {.url = b->url, .weight = 1};
    vni_target_options target = {.name = "t",
                                 .endpoints = &endpoint,
                                 .endpoint_count = 1,
                                 .batch_inputs = batch,
                                 .rest = {100, 10},
                                 .connect_ms = 5000,
                                 .timeout_ms = 20000,
                                 .health_path = "/",
                                 .base64 = VNI_BASE64_NO};
    vni_pool_options options = {
        .targets = &target, .target_count = 1, .join_ms = join_ms, .allocator = allocator};
    vecna_status status;
    memset(r, 0, sizeof *r);
    status = vni_loop_new(NULL, &r->loop, err);
    if (status == VECNA_OK)
        status = vni_client_new(r->loop, NULL, &r->client, err);
    options.loop = r->loop;
    options.client = r->client;
    if (status == VECNA_OK)
        status = vni_pool_new(&options, &r->pool, err);
    return status;
}

static void free_rig(rig *r) {
    vni_pool_free(r->pool);
    vni_client_free(r->client);
    if (r->loop)
        vni_loop_free(r->loop);
}

/* Ask for texts "0", "1", ... by the digits of `texts`. */
static vecna_status ask(rig *r, asked *a, const char *texts, vni_ask **out, vecna_error *err) {
    vni_piece_options pieces[64];
    vni_ask_options options = {.target = &r->pool->targets[0],
                               .model = "m",
                               .pieces = pieces,
                               .row = on_row,
                               .done = on_done,
                               .user = a};
    memset(pieces, 0, sizeof pieces);
    memset(a, 0, sizeof *a);
    a->loop = r->loop;
    a->left = &r->left;
    for (size_t i = 0; texts[i]; i++) {
        pieces[i].key[0] = (unsigned char)texts[i];
        pieces[i].text.data = texts + i;
        pieces[i].text.bytes = 1;
        pieces[i].row = i;
        options.count++;
    }
    options.deadline_us = vni_clock_us() + 20000000;
    return vni_pool_ask(r->pool, &options, out, err);
}

static void rows_come_where_they_belong(void **state) {
    bed *b = *state;
    rig r;
    asked a;
    vni_ask *handle_of = NULL;
    vecna_error err;
    assert_status(VECNA_OK, make_rig(&r, b, 3, 0, NULL, &err));
    b->calls = b->texts = b->status = 0;
    r.left = 1;
    assert_status(VECNA_OK, ask(&r, &a, "3141592653", &handle_of, &err));
    vni_loop_run(r.loop);
    assert_false(a.outcome.failed);
    assert_int_equal(a.rows, 10);
    for (size_t i = 0; i < 10; i++)
        assert_true(a.first[i] == (float)("3141592653"[i] - '0'));
    assert_int_equal(b->texts, 7); /* each digit once */
    assert_int_equal(b->calls, 3); /* of at most three */
    assert_int_equal(a.outcome.coalesced, 3);
    assert_int_equal(r.pool->targets[0].dim, 4);
    free_rig(&r);
}

static void asks_share_and_leave(void **state) {
    bed *b = *state;
    rig r;
    asked one, other, gone;
    vni_ask *first = NULL, *second = NULL, *third = NULL;
    vecna_error err;
    assert_status(VECNA_OK, make_rig(&r, b, 100, 30, NULL, &err));
    b->calls = b->texts = b->status = 0;
    r.left = 2;
    assert_status(VECNA_OK, ask(&r, &one, "12", &first, &err));
    assert_status(VECNA_OK, ask(&r, &gone, "239", &third, &err));
    assert_status(VECNA_OK, ask(&r, &other, "234", &second, &err));
    vni_ask_cancel(third);
    vni_loop_run(r.loop);
    assert_true(one.dones == 1 && other.dones == 1 && gone.dones == 0 && gone.rows == 0);
    assert_true(one.first[1] == 2 && other.first[0] == 2 && other.first[2] == 4);
    assert_int_equal(b->calls, 1);
    assert_int_equal(b->texts, 4); /* 9 was wanted by nobody in the end */
    assert_int_equal(r.pool->joined, 1);
    free_rig(&r);
}

static void a_failure_is_told_once(void **state) {
    bed *b = *state;
    rig r;
    asked a;
    vni_ask *handle_of = NULL;
    vecna_error err;
    assert_status(VECNA_OK, make_rig(&r, b, 2, 0, NULL, &err));
    b->calls = b->texts = 0;
    b->status = 400;
    r.left = 1;
    assert_status(VECNA_OK, ask(&r, &a, "12345", &handle_of, &err));
    vni_loop_run(r.loop);
    assert_true(a.outcome.failed && a.dones == 1);
    assert_int_equal(vecna_wire_failure_status(&a.outcome.failure), 400);
    assert_null(r.pool->calls); /* the other calls of the ask are gone with it */
    assert_int_equal(r.pool->piece_count, 0);
    b->status = 0;
    free_rig(&r);
}

/* Three asks that share texts, with memory failing at every place in turn. */
static vecna_status run_with(void *user, const vecna_allocator *allocator, vecna_error *err) {
    bed *b = user;
    rig r;
    asked a[3];
    vni_ask *handles[3] = {NULL, NULL, NULL};
    vecna_status status = make_rig(&r, b, 2, 0, allocator, err);
    static const char *const texts[] = {"123", "345", "5"};
    for (size_t i = 0; status == VECNA_OK && i < 3; i++) {
        r.left++;
        status = ask(&r, &a[i], texts[i], &handles[i], err);
        if (status != VECNA_OK)
            r.left--;
    }
    if (status == VECNA_OK && r.left)
        vni_loop_run(r.loop);
    for (size_t i = 0; status == VECNA_OK && i < 3; i++) {
        assert_int_equal(a[i].dones, 1);
        if (a[i].outcome.failed)
            status = vecna_error_set(err, VECNA_ERR_MEMORY, -1, "%s",
                                     a[i].outcome.failure.error.message);
        for (size_t j = 0; status == VECNA_OK && texts[i][j]; j++)
            assert_true(a[i].first[j] == (float)(texts[i][j] - '0'));
    }
    free_rig(&r);
    return status;
}

static void survives_failing_memory(void **state) {
    assert_survives_failing_memory(run_with, *state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_where_they_belong),
        cmocka_unit_test(asks_share_and_leave),
        cmocka_unit_test(a_failure_is_told_once),
        cmocka_unit_test(survives_failing_memory),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
