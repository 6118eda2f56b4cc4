/* The server over real sockets: every kind of request and client, time-outs cut down to fractions of a
 * second, drains, TLS, and memory that runs out. */
#define _GNU_SOURCE
#include "tests/unit/support/support.h"

#include "net/net_impl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- the server under test ----------------------------------------------------------------------- */

static atomic_int gone_count, finished_count, ended_count, released_count, admitted_count;
static atomic_int last_status;

typedef struct later {
    vni_timer timer; /* first */
    vni_exchange *exchange;
} later;

static void answer_later(vni_timer *timer) {
    later *it = (later *)timer;
    vni_answer_text(it->exchange, 200, "text/plain", vni_text_of("later"));
}

static void on_gone(vni_exchange *exchange) {
    later *it = exchange->user;
    gone_count++;
    vni_timer_stop(&it->timer);
    vni_answer_text(exchange, 499, NULL, vni_text_of(""));
}

static void on_end(void *user) {
    (void)user;
    ended_count++;
}

static void release(void *user) {
    free(user);
    released_count++;
}

/* "n=" bytes in lines of numbers, broken off after "stop=" bytes. */
typedef struct pulled {
    size_t left, stop, at;
} pulled;

static ptrdiff_t pull(void *user, char *out, size_t room) {
    pulled *it = user;
    size_t bytes = it->left < room ? it->left : room;
    if (it->stop > 0 && it->at >= it->stop)
        return -1;
    for (size_t i = 0; i < bytes; i++, it->at++)
        out[i] = (char)('a' + it->at % 26);
    it->left -= bytes;
    return (ptrdiff_t)bytes;
}

static atomic_int heard; /* "/heard" was asked for */

/* A byte at a time until then. */
static ptrdiff_t pull_until_heard(void *user, char *out, size_t room) {
    (void)user;
    (void)room;
    *out = '.';
    return heard ? 0 : 1;
}

static size_t number(vni_exchange *exchange, const char *name) {
    vni_text text = vni_exchange_query(exchange, name);
    size_t value = 0;
    for (size_t i = 0; i < text.bytes; i++)
        value = value * 10 + (size_t)(text.at[i] - '0');
    return value;
}

static void handle_later(vni_exchange *exchange) {
    later *it = vni_exchange_alloc(exchange, sizeof *it);
    if (it == NULL) {
        vni_answer_text(exchange, 500, NULL, vni_text_of("no memory"));
        return;
    }
    memset(it, 0, sizeof *it);
    it->exchange = exchange;
    it->timer.fire = answer_later;
    exchange->user = it;
    exchange->gone = on_gone;
    vni_timer_start(exchange->loop, &it->timer, number(exchange, "ms"));
}

static void handle(void *user, vni_exchange *exchange) {
    vni_answer answer = {.status = 200, .content_type = "text/plain"};
    vni_field field = {vni_text_of("X-Path"), exchange->path};
    (void)user;
    vni_exchange_at_end(exchange, on_end, NULL);
    if (vni_text_is(exchange->path, "/later")) {
        handle_later(exchange);
    } else if (vni_text_is(exchange->path, "/pull")) {
        pulled *it = calloc(1, sizeof *it);
        *it = (pulled){number(exchange, "n"), number(exchange, "stop"), 0};
        answer.pull = pull;
        answer.release = release;
        answer.user = it;
        vni_answer_send(exchange, &answer);
    } else if (vni_text_is(exchange->path, "/until-heard")) {
        answer.pull = pull_until_heard;
        vni_answer_send(exchange, &answer);
    } else if (vni_text_is(exchange->path, "/heard")) {
        heard = 1;
        vni_answer_send(exchange, &answer);
    } else if (vni_text_is(exchange->path, "/big")) {
        answer.body_bytes = number(exchange, "n");
        answer.body = answer.user = calloc(1, answer.body_bytes);
        answer.release = release;
        vni_answer_send(exchange, &answer);
    } else if (vni_text_is(exchange->path, "/inject")) {
        vni_field bad = {vni_text_of("X-Bad"), vni_text_of("a\r\nX-Evil: b")};
        answer.fields = &bad;
        answer.field_count = 1;
        vni_answer_send(exchange, &answer);
    } else {
        answer.body = exchange->body;
        answer.body_bytes = exchange->body_bytes;
        answer.fields = &field;
        answer.field_count = 1;
        vni_answer_send(exchange, &answer);
    }
}

static void admit(void *user, vni_exchange *exchange) {
    (void)user;
    admitted_count++;
    if (vni_text_is(vni_exchange_field(exchange, "authorization"), "none"))
        vni_answer_text(exchange, 401, "text/plain", vni_text_of("no key"));
}

static void finished(void *user, const vni_exchange *exchange) {
    (void)user;
    last_status = exchange->status;
    finished_count++;
}

static vni_server *start(vni_limits limits, size_t loops, const vecna_allocator *allocator) {
    vni_server_options options = {.listen = "127.0.0.1:0", .loops = loops, .limits = limits};
    vni_server *server = NULL;
    vecna_error err = {0};
    options.handle = handle;
    options.admit = admit;
    options.finished = finished;
    if (vni_server_new(&options, allocator, &server, &err) != VECNA_OK)
        fail_msg("%s", err.message);
    gone_count = finished_count = ended_count = released_count = admitted_count = 0;
    return server;
}

/* ---- clients ------------------------------------------------------------------------------------------ */

static int dial_with(const vni_server *server, int receive_buffer) {
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)vni_server_port(server))};
    struct timeval limit = {10, 0};
    int fd = socket(AF_INET, SOCK_STREAM, 0), packet = 1400;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    if (receive_buffer > 0) { /* packets of a real network: loopback's of 64 KB would not fit in */
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
        setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &packet, sizeof packet);
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    assert_int_equal(0, connect(fd, (struct sockaddr *)&to, sizeof to));
    return fd;
}

static int dial(const vni_server *server) {
    return dial_with(server, 0);
}

/* 0 when the other side has closed. */
static int say_bytes(int fd, const char *text, size_t bytes) {
    while (bytes > 0) {
        ssize_t sent = send(fd, text, bytes, MSG_NOSIGNAL);
        if (sent <= 0)
            return 0;
        text += sent;
        bytes -= (size_t)sent;
    }
    return 1;
}
static int say(int fd, const char *text) {
    return say_bytes(fd, text, strlen(text));
}

typedef struct reply {
    int status; /* 0: closed without an answer */
    char head[2048];
    char *body;
    size_t body_bytes;
    int whole; /* framed to its end */
} reply;

static int receive(int fd, char *out, size_t bytes) {
    while (bytes > 0) {
        ssize_t got = recv(fd, out, bytes, 0);
        if (got <= 0)
            return 0;
        out += got;
        bytes -= (size_t)got;
    }
    return 1;
}

static void more_body(reply *it, int fd, size_t bytes) {
    it->body = realloc(it->body, it->body_bytes + bytes + 1);
    it->whole = receive(fd, it->body + it->body_bytes, bytes);
    it->body_bytes += it->whole ? bytes : 0;
    it->body[it->body_bytes] = 0;
}

/* One answer, read byte by byte in its head so that pipelined ones stay apart. */
static reply hear(int fd, int is_head) {
    reply it;
    size_t used = 0;
    const char *length;
    memset(&it, 0, sizeof it);
    it.body = calloc(1, 1);
    while (used < sizeof it.head - 1 &&
           (used < 4 || memcmp(it.head + used - 4, "\r\n\r\n", 4) != 0)) {
        if (!receive(fd, it.head + used, 1))
            return it;
        used++;
    }
    it.status = atoi(it.head + 9);
    if (is_head || it.status == 100) {
        it.whole = 1;
        return it;
    }
    length = strstr(it.head, "Content-Length: ");
    if (length != NULL) {
        more_body(&it, fd, (size_t)atol(length + 16));
    } else if (strstr(it.head, "Transfer-Encoding: chunked") != NULL) {
        for (size_t size = 1; size > 0;) {
            char line[32], end[2];
            size_t at = 0;
            it.whole = 0;
            while (at < 31 && receive(fd, line + at, 1) && line[at] != '\n')
                at++;
            line[at] = 0;
            if (at == 0)
                return it;
            size = strtoul(line, NULL, 16);
            if (size > 0)
                more_body(&it, fd, size);
            if (size > 0 && !it.whole)
                return it;
            it.whole = receive(fd, end, 2);
        }
    } else {
        it.body = realloc(it.body, 1 << 16);
        while (it.body_bytes < (1 << 16) - 1 && receive(fd, it.body + it.body_bytes, 1))
            it.body_bytes++;
        it.body[it.body_bytes] = 0;
        it.whole = 1;
    }
    return it;
}

static void assert_reply(int fd, int status, const char *body) {
    reply it = hear(fd, 0);
    if (it.status != status)
        fail_msg("status %d, not %d: %s%s", it.status, status, it.head, it.body);
    assert_true(it.whole);
    if (body != NULL)
        assert_string_equal(body, it.body);
    free(it.body);
}

static void assert_closed(int fd) {
    char byte;
    ssize_t got = recv(fd, &byte, 1, 0);
    if (got > 0)
        fail_msg("the connection is open: %c", byte);
    if (got < 0 && errno != ECONNRESET)
        fail_msg("the connection was not closed: %s", strerror(errno));
    close(fd);
}

static void assert_becomes(atomic_int *value, int expected) {
    for (int i = 0; i < 1000 && atomic_load(value) != expected; i++)
        usleep(5000);
    assert_int_equal(expected, atomic_load(value));
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST(fields, body) "POST /echo HTTP/1.1\r\nHost: a\r\n" fields "\r\n" body

/* ---- requests ------------------------------------------------------------------------------------------- */

static void requests_are_answered(void **state) {
    vni_server *server = start((vni_limits){0}, 2, NULL);
    int fd = dial(server);
    reply it;
    (void)state;
    say(fd, POST("Content-Length: 5\r\n", "hello"));
    it = hear(fd, 0);
    assert_int_equal(200, it.status);
    assert_string_equal("hello", it.body);
    assert_non_null(strstr(it.head, "\r\nDate: "));
    assert_non_null(strstr(it.head, " GMT\r\n"));
    assert_non_null(strstr(it.head, "\r\nX-Path: /echo\r\n"));
    assert_null(strstr(it.head, "Connection:"));
    free(it.body);
    say(fd,
        POST("Transfer-Encoding: chunked\r\n", "5;x\r\nhello\r\n3\r\n yo\r\n0\r\nA: b\r\n\r\n"));
    assert_reply(fd, 200, "hello yo");
    say(fd, POST("Transfer-Encoding: chunked\r\n", "0\r\n\r\n"));
    assert_reply(fd, 200, "");
    say(fd, "HEAD /big?n=1000 HTTP/1.1\r\nHost: a\r\n\r\n");
    it = hear(fd, 1);
    assert_int_equal(200, it.status);
    assert_non_null(strstr(it.head, "Content-Length: 1000\r\n"));
    free(it.body);
    say(fd, "HEAD /pull?n=1000 HTTP/1.1\r\nHost: a\r\n\r\nOPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
    it = hear(fd, 1);
    assert_non_null(strstr(it.head, "Transfer-Encoding: chunked\r\n"));
    free(it.body);
    assert_reply(fd, 200, "");
    say(fd, GET("/inject"));
    it = hear(fd, 0);
    assert_null(strstr(it.head, "\nX-Evil"));
    free(it.body);
    say(fd, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    it = hear(fd, 0);
    assert_non_null(strstr(it.head, "Connection: close\r\n"));
    free(it.body);
    assert_closed(fd);
    assert_int_equal(2, released_count);
    vni_server_free(server);
    assert_int_equal(finished_count, ended_count);
}

static void old_clients_are_served(void **state) {
    vni_server *server = start((vni_limits){0}, 1, NULL);
    int fd = dial(server);
    reply it;
    (void)state;
    say(fd, "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    it = hear(fd, 0);
    assert_non_null(strstr(it.head, "Connection: keep-alive\r\n"));
    free(it.body);
    say(fd, "GET /pull?n=50000 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    it = hear(fd, 0); /* no chunks in 1.0: the end of the connection ends the body */
    assert_null(strstr(it.head, "Transfer-Encoding"));
    assert_int_equal(50000, it.body_bytes);
    free(it.body);
    assert_closed(fd);
    fd = dial(server);
    say(fd, "GET /a HTTP/1.0\r\n\r\n");
    assert_reply(fd, 200, "");
    assert_closed(fd);
    vni_server_free(server);
}

static void pipelined_requests_are_answered_in_order(void **state) {
    vni_server *server = start((vni_limits){0}, 1, NULL);
    int fd = dial(server);
    char text[64 * 1024];
    size_t bytes = 0;
    (void)state;
    for (int i = 0; i < 300; i++) {
        char body[16];
        int length = snprintf(body, sizeof body, "%d", i);
        bytes += (size_t)snprintf(text + bytes, sizeof text - bytes,
                                  "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s",
                                  length, body);
        if (i % 50 == 0)
            bytes += (size_t)snprintf(text + bytes, sizeof text - bytes, GET("/later?ms=3"));
    }
    assert_true(say_bytes(fd, text, bytes));
    for (int i = 0; i < 300; i++) {
        char body[16];
        snprintf(body, sizeof body, "%d", i);
        assert_reply(fd, 200, body);
        if (i % 50 == 0)
            assert_reply(fd, 200, "later");
    }
    close(fd);
    vni_server_free(server);
}

static void requests_come_in_single_bytes(void **state) {
    static const char text[] = POST("Content-Length: 3\r\n", "abc")
        POST("Transfer-Encoding: chunked\r\n", "2\r\nde\r\n1\r\nf\r\n0\r\n\r\n");
    vni_server *server = start((vni_limits){0}, 1, NULL);
    int fd = dial(server);
    (void)state;
    for (size_t i = 0; i < sizeof text - 1; i++) {
        say_bytes(fd, text + i, 1);
        if (i % 7 == 0)
            usleep(1000);
    }
    assert_reply(fd, 200, "abc");
    assert_reply(fd, 200, "def");
    close(fd);
    vni_server_free(server);
}

static void large_bodies_come_through(void **state) {
    static const size_t sizes[] = {16000, 24000, 24576, 30000, 65536, 65537, 3000000};
    vni_server *server = start((vni_limits){0}, 1, NULL);
    vni_server_counts counts;
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t bytes = sizes[i], at = 0;
        char *body = malloc(bytes), head[128], *chunked = malloc(bytes * 2 + 100);
        int fd = dial(server);
        reply it;
        for (size_t j = 0; j < bytes; j++)
            body[j] = (char)(j * 31 % 251);
        snprintf(head, sizeof head, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n",
                 bytes);
        assert_true(say(fd, head) && say_bytes(fd, body, bytes));
        it = hear(fd, 0);
        assert_int_equal(bytes, it.body_bytes);
        assert_memory_equal(body, it.body, bytes);
        free(it.body);
        for (size_t from = 0; from < bytes;) {
            size_t part = 1 + from % 5000 < bytes - from ? 1 + from % 5000 : bytes - from;
            at += (size_t)sprintf(chunked + at, "%zx\r\n", part);
            memcpy(chunked + at, body + from, part);
            at += part;
            from += part;
            at += (size_t)sprintf(chunked + at, "\r\n");
        }
        at += (size_t)sprintf(chunked + at, "0\r\n\r\n");
        say(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert_true(say_bytes(fd, chunked, at));
        it = hear(fd, 0);
        assert_int_equal(bytes, it.body_bytes);
        assert_memory_equal(body, it.body, bytes);
        free(it.body);
        free(body);
        free(chunked);
        close(fd);
    }
    for (int i = 0; i < 1000; i++) { /* the last answer is read before the server has put it away */
        vni_server_counts_read(server, &counts);
        if (counts.in_flight == 0)
            break;
        usleep(5000);
    }
    assert_int_equal(0, counts.in_flight);
    vni_server_free(server);
}

static void a_client_may_wait_for_100(void **state) {
    vni_server *server = start((vni_limits){.body_bytes = 1000}, 1, NULL);
    int fd = dial(server);
    reply it;
    (void)state;
    say(fd, POST("Content-Length: 5\r\nExpect: 100-continue\r\n", ""));
    it = hear(fd, 0);
    assert_int_equal(100, it.status);
    free(it.body);
    say(fd, "hello");
    assert_reply(fd, 200, "hello");
    /* no need to wait for what will not be taken */
    say(fd, POST("Content-Length: 5000\r\nExpect: 100-continue\r\n", ""));
    assert_reply(fd, 413, NULL);
    assert_closed(fd);
    fd = dial(server);
    say(fd, POST("Content-Length: 5\r\nExpect: 100-continue\r\nAuthorization: none\r\n", ""));
    assert_reply(fd, 401, "no key");
    assert_closed(fd);
    vni_server_free(server);
}

/* ---- refusals --------------------------------------------------------------------------------------------- */

static void malformed_requests_are_refused_and_closed(void **state) {
    static const struct {
        int status;
        const char *text;
    } cases[] = {
        {400, POST("Content-Length: 5\r\nContent-Length: 6\r\n", "hello")},
        {400, POST("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")},
        {400, POST("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")},
        {400, POST("Content-Length : 5\r\n", "hello")},
        {400, POST("A: b\r\n c\r\n", "")},
        {400, "GET / HTTP/1.1\nHost: a\n\n"},
        {400, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\n\r\n"},
        {400, POST("Transfer-Encoding: chunked\r\n", "5 \r\nhello\r\n0\r\n\r\n")},
        {400, POST("Transfer-Encoding: chunked\r\n", "5\r\nhello!\r\n0\r\n\r\n")},
        {413, POST("Content-Length: 99999999999\r\n", "")},
        {413, POST("Transfer-Encoding: chunked\r\n", "fffffffffff\r\n")},
        {501, POST("Transfer-Encoding: gzip\r\n", "")},
        {505, "GET / HTTP/3.0\r\nHost: a\r\n\r\n"},
    };
    vni_server *server = start((vni_limits){0}, 1, NULL);
    vni_server_counts counts;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int fd = dial(server);
        reply it;
        say(fd, GET("/before"));
        assert_reply(fd, 200, "");
        say(fd, cases[i].text);
        say(fd, GET("/smuggled"));
        it = hear(fd, 0);
        if (it.status != cases[i].status)
            fail_msg("%d, not %d: %s", it.status, cases[i].status, cases[i].text);
        assert_non_null(strstr(it.head, "Connection: close\r\n"));
        assert_non_null(strstr(it.body, "\"message\""));
        free(it.body);
        assert_closed(fd);
    }
    vni_server_counts_read(server, &counts);
    assert_int_equal(sizeof cases / sizeof *cases - 2, counts.malformed);
    assert_int_equal(2, counts.too_large);
    assert_int_equal(sizeof cases / sizeof *cases, counts.requests); /* /before, nothing else */
    vni_server_free(server);
}

static void bodies_without_a_key_are_not_held(void **state) {
    vni_server *server = start((vni_limits){0}, 1, NULL);
    vni_server_counts counts;
    char *body = calloc(1, 600000);
    int fd = dial(server);
    (void)state;
    say(fd, POST("Authorization: none\r\nContent-Length: 600000\r\n", ""));
    say_bytes(fd, body, 600000);
    assert_reply(fd, 401, "no key"); /* the answer arrives although the body was refused */
    assert_closed(fd);
    /* without a body the connection stays */
    fd = dial(server);
    say(fd, "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: none\r\n\r\n");
    assert_reply(fd, 401, "no key");
    say(fd, GET("/"));
    assert_reply(fd, 200, "");
    close(fd);
    vni_server_counts_read(server, &counts);
    assert_int_equal(0, counts.body_bytes);
    assert_int_equal(1, counts.requests);
    free(body);
    vni_server_free(server);
}

static void bodies_have_a_common_budget(void **state) {
    vni_server *server = start((vni_limits){.all_bodies_bytes = 100000}, 1, NULL);
    char *body = calloc(1, 600000);
    int fd = dial(server);
    reply it;
    (void)state;
    say(fd, POST("Content-Length: 600000\r\n", ""));
    say_bytes(fd, body, 600000);
    it = hear(fd, 0);
    assert_int_equal(503, it.status);
    assert_non_null(strstr(it.head, "Retry-After: "));
    free(it.body);
    assert_closed(fd);
    free(body);
    vni_server_free(server);
}

static void connections_have_limits(void **state) {
    vni_server *server = start((vni_limits){.connections = 8, .connections_per_ip = 4}, 1, NULL);
    int fds[4], extra;
    vni_server_counts counts;
    (void)state;
    for (int i = 0; i < 4; i++) {
        fds[i] = dial(server);
        say(fds[i], GET("/"));
        assert_reply(fds[i], 200, "");
    }
    extra = dial(server);
    assert_closed(extra);
    close(fds[0]);
    usleep(50000);
    fds[0] = dial(server);
    say(fds[0], GET("/"));
    assert_reply(fds[0], 200, "");
    for (int i = 0; i < 4; i++)
        close(fds[i]);
    vni_server_counts_read(server, &counts);
    assert_int_equal(1, counts.refused);
    vni_server_free(server);

    /* beyond the limit of all, a client waits until another ends */
    server = start((vni_limits){.connections = 2, .connections_per_ip = 100}, 1, NULL);
    for (int i = 0; i < 3; i++)
        fds[i] = dial(server);
    for (int i = 0; i < 3; i++)
        say(fds[i], GET("/"));
    assert_reply(fds[0], 200, "");
    assert_reply(fds[1], 200, "");
    close(fds[0]);
    assert_reply(fds[2], 200, "");
    close(fds[1]);
    close(fds[2]);
    vni_server_free(server);
}

/* ---- slow and vanishing clients ------------------------------------------------------------------------------ */

static const vni_limits quick = {
    .head_ms = 150, .body_ms = 150, .idle_ms = 150, .write_ms = 150, .drain_ms = 300};

static void slow_clients_are_let_go(void **state) {
    vni_server *server = start(quick, 1, NULL);
    vni_server_counts counts;
    int fd = dial(server);
    (void)state;
    assert_closed(fd); /* says nothing */
    fd = dial(server);
    say(fd, "GET / HTTP/1.1\r\nHo"); /* half a head */
    assert_reply(fd, 408, NULL);
    assert_closed(fd);
    fd = dial(server);
    say(fd, POST("Content-Length: 5\r\n", "hel")); /* half a body */
    assert_reply(fd, 408, NULL);
    assert_closed(fd);
    fd = dial(server);
    say(fd, POST("Content-Length: 100000\r\n", ""));
    for (int i = 0; i < 40; i++) { /* drop by drop: below the slowest rate */
        if (!say(fd, "x"))
            break;
        usleep(10000);
    }
    assert_reply(fd, 408, NULL);
    assert_closed(fd);
    fd = dial(server);
    say(fd, GET("/"));
    assert_reply(fd, 200, "");
    assert_closed(fd); /* idle */
    fd = dial(server);
    say(fd, GET("/later?ms=400")); /* slow work is the handler's time, not the client's */
    assert_reply(fd, 200, "later");
    close(fd);
    fd = dial(server);
    say(fd, GET("/big?n=30000000")); /* takes nothing of the answer */
    assert_becomes(&released_count, 1);
    close(fd);
    vni_server_counts_read(server, &counts);
    assert_int_equal(4, counts.timed_out);
    vni_server_free(server);
}

static void slow_but_steady_clients_stay(void **state) {
    vni_server *server =
        start((vni_limits){.body_ms = 100, .body_bytes_per_s = 1000, .write_ms = 600}, 1, NULL);
    char part[1024] = {0}, *taken = malloc(1 << 16);
    int fd = dial_with(server, 32768);
    size_t got = 0;
    reply it;
    (void)state;
    say(fd, POST("Content-Length: 20480\r\n", ""));
    for (int i = 0; i < 20; i++) { /* 20 KB in 0.6 s */
        assert_true(say_bytes(fd, part, sizeof part));
        usleep(30000);
    }
    it = hear(fd, 0);
    assert_int_equal(200, it.status);
    free(it.body);
    say(fd, GET("/pull?n=8000000"));
    while (got < 8000000) {
        ssize_t bytes = recv(fd, taken, 1 << 16, 0);
        assert_true(bytes > 0);
        got += (size_t)bytes;
        if (got < 1000000) /* a second at least, longer than the server is patient */
            usleep((useconds_t)bytes);
    }
    close(fd);
    free(taken);
    vni_server_free(server);
}

static void handlers_learn_of_lost_clients(void **state) {
    vni_server *server = start((vni_limits){0}, 1, NULL);
    struct linger reset = {1, 0};
    int fd = dial(server);
    (void)state;
    say(fd, GET("/later?ms=60000"));
    usleep(50000);
    close(fd);
    assert_becomes(&gone_count, 1);
    fd = dial(server);
    say(fd, GET("/later?ms=60000"));
    usleep(50000);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(fd); /* a reset */
    assert_becomes(&gone_count, 2);
    assert_becomes(&finished_count, 2);
    fd = dial(server);
    say(fd, GET("/big?n=50000000"));
    usleep(50000);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(fd);
    assert_becomes(&released_count, 1);
    assert_becomes(&ended_count, 3);
    fd = dial(server);
    say(fd, POST("Content-Length: 10\r\n", "half"));
    close(fd);
    fd = dial(server); /* a client that has said all and only listens is answered */
    say(fd, GET("/x"));
    shutdown(fd, SHUT_WR);
    assert_reply(fd, 200, "");
    assert_closed(fd);
    vni_server_free(server);
}

static void broken_off_answers_look_broken(void **state) {
    vni_server *server = start((vni_limits){0}, 1, NULL);
    int fd = dial(server);
    reply it;
    (void)state;
    say(fd, GET("/pull?n=1000000"));
    it = hear(fd, 0);
    assert_true(it.whole);
    assert_int_equal(1000000, it.body_bytes);
    for (size_t i = 0; i < it.body_bytes; i++)
        assert_int_equal('a' + i % 26, it.body[i]);
    free(it.body);
    say(fd, GET("/pull?n=1000000&stop=500000"));
    it = hear(fd, 0);
    assert_int_equal(200, it.status);
    assert_false(it.whole);
    free(it.body);
    assert_closed(fd);
    assert_becomes(&released_count, 2);
    vni_server_free(server);
}

static void *hear_all(void *user) {
    reply it = hear(*(int *)user, 0);
    int whole = it.whole;
    free(it.body);
    return whole ? user : NULL;
}

/* A client that reads as fast as the server writes does not keep it to itself. */
static void a_long_answer_lets_others_pass(void **state) {
    vni_server *server = start((vni_limits){0}, 1, NULL);
    int fd = dial(server), other = dial(server);
    pthread_t reader;
    void *whole = NULL;
    (void)state;
    heard = 0;
    say(fd, GET("/until-heard"));
    assert_int_equal(0, pthread_create(&reader, NULL, hear_all, &fd));
    usleep(20000);
    say(other, GET("/heard"));
    assert_reply(other, 200, "");
    pthread_join(reader, &whole);
    assert_non_null(whole);
    close(fd);
    close(other);
    vni_server_free(server);
}

/* ---- the end ------------------------------------------------------------------------------------------------ */

static void a_drain_answers_what_is_in_flight(void **state) {
    vni_server *server = start((vni_limits){0}, 2, NULL);
    int idle = dial(server), busy = dial(server), half = dial(server), fresh = dial(server);
    reply it;
    (void)state;
    say(idle, GET("/"));
    assert_reply(idle, 200, "");
    say(busy, GET("/later?ms=300"));
    say(half, POST("Content-Length: 5\r\n", "hel"));
    usleep(50000);
    vni_server_stop(server);
    assert_closed(idle);
    say(half, "lo");
    assert_reply(half, 200, "hello");
    assert_closed(half);
    say(fresh, GET("/"));
    assert_reply(fresh, 200, "");
    assert_closed(fresh);
    it = hear(busy, 0);
    assert_string_equal("later", it.body);
    assert_non_null(strstr(it.head, "Connection: close\r\n"));
    free(it.body);
    assert_closed(busy);
    vni_server_wait(server);
    vni_server_free(server);
}

static void a_drain_has_an_end(void **state) {
    vni_server *server = start(quick, 2, NULL);
    int busy = dial(server);
    (void)state;
    say(busy, GET("/later?ms=60000"));
    usleep(50000);
    vni_server_stop(server);
    vni_server_wait(server);
    assert_int_equal(1, gone_count);
    assert_closed(busy);
    vni_server_free(server);

    server = start((vni_limits){0}, 2, NULL);
    busy = dial(server);
    say(busy, GET("/later?ms=60000"));
    usleep(50000);
    vni_server_stop(server);
    vni_server_stop(server); /* now */
    vni_server_wait(server);
    assert_int_equal(1, gone_count);
    close(busy);
    vni_server_free(server);
}

/* What each loop begins it ends, in its thread; answers owed then may be given in loop_end. */
static vni_exchange *owed[2];
static atomic_int begun, over;
static vecna_status loop_begin(void *user, vni_loop *loop, vecna_error *err) {
    (void)user;
    begun++;
    vni_loop_set_user(loop, &owed[vni_loop_index(loop)]);
    return getenv("REFUSE_LOOP") != NULL && vni_loop_index(loop) == 1
               ? vecna_error_set(err, VECNA_ERR_IO, -1, "the second loop is refused")
               : VECNA_OK;
}
static void loop_end(void *user, vni_loop *loop) {
    vni_exchange **mine = vni_loop_user(loop);
    (void)user;
    over++;
    if (*mine != NULL)
        vni_answer_text(*mine, 503, NULL, vni_text_of(""));
    *mine = NULL;
}
static void owe(void *user, vni_exchange *exchange) {
    (void)user;
    *(vni_exchange **)vni_loop_user(exchange->loop) = exchange;
}

static void loops_begin_and_end(void **state) {
    vni_server_options options = {.listen = "127.0.0.1:0", .loops = 2, .handle = owe};
    vni_server *server;
    vecna_error err;
    int fd;
    (void)state;
    options.loop_begin = loop_begin;
    options.loop_end = loop_end;
    assert_status(VECNA_OK, vni_server_new(&options, NULL, &server, &err));
    assert_int_equal(2, begun);
    fd = dial(server);
    say(fd, GET("/"));
    usleep(50000);
    vni_server_free(server);
    assert_int_equal(2, over);
    close(fd);
    setenv("REFUSE_LOOP", "1", 1);
    assert_status(VECNA_ERR_IO, vni_server_new(&options, NULL, &server, &err));
    assert_string_equal("the second loop is refused", err.message);
    unsetenv("REFUSE_LOOP");
}

static void addresses_are_understood(void **state) {
    static const char *const bad[] = {
        "",           "127.0.0.1",       "8484",         ":",
        "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:x",  "::1:80",
        "[::1]",      "[::1:80",         "127.0.0.1:-1", "no.such.host.invalid:80"};
    vni_server_options options = {.handle = handle, .loops = 1};
    vni_server *server, *second;
    vecna_error err;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        options.listen = bad[i];
        assert_status(VECNA_ERR_ARGUMENT, vni_server_new(&options, NULL, &server, &err));
        assert_non_null(strstr(err.message, bad[i]));
    }
    options.listen = "[::1]:0";
    if (vni_server_new(&options, NULL, &server, &err) == VECNA_OK) { /* where there is IPv6 */
        assert_int_equal(0, strncmp(vni_server_address(server), "[::1]:", 6));
        assert_int_equal(1, vni_server_is_local(server));
        vni_server_free(server);
    }
    options.listen = ":0";
    assert_status(VECNA_OK, vni_server_new(&options, NULL, &server, &err));
    assert_int_equal(0, vni_server_is_local(server));
    vni_server_free(server);
    options.listen = "localhost:0";
    assert_status(VECNA_OK, vni_server_new(&options, NULL, &server, &err));
    assert_int_equal(1, vni_server_is_local(server));
    options.listen = vni_server_address(server);
    assert_status(VECNA_ERR_IO, vni_server_new(&options, NULL, &second, &err));
    assert_non_null(strstr(err.message, "another program"));
    vni_server_free(server);
    options.listen = "127.0.0.1:0";
    options.key_file = "x";
    assert_status(VECNA_ERR_ARGUMENT, vni_server_new(&options, NULL, &server, &err));
}

/* ---- many ------------------------------------------------------------------------------------------------------ */

typedef struct crowd {
    const vni_server *server;
    unsigned seed;
    int requests, failures;
} crowd;

/* A client that mixes what clients do; connections that it leaves in disorder are its own loss. */
static void *wander(void *argument) {
    crowd *it = argument;
    vecna_random random;
    vecna_random_seed(&random, it->seed, 0);
    for (int i = 0; i < it->requests; i++) {
        int fd = dial(it->server), answered = 1;
        reply got;
        switch (vecna_random_below(&random, 6)) {
        case 0:
            say(fd, POST("Content-Length: 100\r\n", "half"));
            break;
        case 1:
            say(fd, GET("/later?ms=50000"));
            break;
        case 2:
            say(fd, GET("/pull?n=3000000"));
            break;
        case 3:
            say(fd, GET("/later?ms=2") GET("/later?ms=1"));
            got = hear(fd, 0);
            answered = got.whole && strcmp(got.body, "later") == 0;
            free(got.body);
            break;
        default:
            for (int j = 0; j < 10 && answered; j++) {
                say(fd, POST("Content-Length: 5\r\n", "hello"));
                got = hear(fd, 0);
                answered = got.whole && strcmp(got.body, "hello") == 0;
                free(got.body);
            }
        }
        it->failures += !answered;
        close(fd);
    }
    return NULL;
}

static void a_crowd_leaves_nothing_behind(void **state) {
    vni_server *server = start((vni_limits){0}, 2, NULL);
    pthread_t threads[8];
    crowd crowds[8];
    vni_server_counts counts;
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        crowds[i] = (crowd){server, i, 60, 0};
        assert_int_equal(0, pthread_create(&threads[i], NULL, wander, &crowds[i]));
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(0, crowds[i].failures);
    }
    for (int i = 0; i < 1000; i++) {
        vni_server_counts_read(server, &counts);
        if (counts.open == 0)
            break;
        usleep(5000);
    }
    assert_int_equal(0, counts.open);
    assert_int_equal(0, counts.idle);
    assert_int_equal(0, counts.in_flight);
    assert_int_equal(0, counts.body_bytes);
    vni_server_free(server);
}

/* ---- memory that runs out ---------------------------------------------------------------------------------------- */

static vecna_status start_and_stop(void *user, const vecna_allocator *allocator, vecna_error *err) {
    vni_server_options options = {.listen = "127.0.0.1:0", .loops = 2, .handle = handle};
    vni_server *server;
    vecna_status status = vni_server_new(&options, allocator, &server, err);
    (void)user;
    if (status == VECNA_OK)
        vni_server_free(server);
    return status;
}

static void a_start_survives_failing_memory(void **state) {
    (void)state;
    assert_survives_failing_memory(start_and_stop, NULL);
}

/* The Nth allocation after the start fails, and only that one. */
static atomic_long countdown, live;
static int spend(void) {
    return atomic_fetch_sub(&countdown, 1) == 1;
}
static void *scarce_allocate(void *user, size_t bytes) {
    void *memory = spend() ? NULL : malloc(bytes);
    (void)user;
    live += memory != NULL;
    return memory;
}
static void *scarce_resize(void *user, void *old, size_t bytes) {
    void *memory = spend() ? NULL : realloc(old, bytes);
    (void)user;
    live += memory != NULL && old == NULL;
    return memory;
}
static void scarce_release(void *user, void *memory) {
    (void)user;
    live -= memory != NULL;
    free(memory);
}

static void requests_survive_failing_memory(void **state) {
    static const vecna_allocator scarce = {scarce_allocate, scarce_resize, scarce_release, NULL};
    static char body[100000];
    (void)state;
    for (int n = 1; n < 40; n++) {
        vni_server *server;
        int fd;
        reply it;
        countdown = 1000000;
        server = start((vni_limits){0}, 1, &scarce);
        countdown = n;
        fd = dial(server);
        say(fd, POST("Content-Length: 100000\r\n", ""));
        say_bytes(fd, body, sizeof body);
        it = hear(fd, 0); /* an answer or none; the server goes on */
        free(it.body);
        say(fd, POST("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n")
                    GET("/pull?n=100000") GET("/later?ms=1"));
        for (int i = 0; i < 3; i++) {
            it = hear(fd, 0);
            free(it.body);
        }
        close(fd);
        countdown = 1000000;
        fd = dial(server);
        say(fd, GET("/"));
        assert_reply(fd, 200, "");
        close(fd);
        vni_server_free(server);
        assert_int_equal(0, live);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_answered),
        cmocka_unit_test(old_clients_are_served),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(requests_come_in_single_bytes),
        cmocka_unit_test(large_bodies_come_through),
        cmocka_unit_test(a_client_may_wait_for_100),
        cmocka_unit_test(malformed_requests_are_refused_and_closed),
        cmocka_unit_test(bodies_without_a_key_are_not_held),
        cmocka_unit_test(bodies_have_a_common_budget),
        cmocka_unit_test(connections_have_limits),
        cmocka_unit_test(slow_clients_are_let_go),
        cmocka_unit_test(slow_but_steady_clients_stay),
        cmocka_unit_test(handlers_learn_of_lost_clients),
        cmocka_unit_test(broken_off_answers_look_broken),
        cmocka_unit_test(a_long_answer_lets_others_pass),
        cmocka_unit_test(a_drain_answers_what_is_in_flight),
        cmocka_unit_test(a_drain_has_an_end),
        cmocka_unit_test(loops_begin_and_end),
        cmocka_unit_test(addresses_are_understood),
        cmocka_unit_test(a_crowd_leaves_nothing_behind),
        cmocka_unit_test(a_start_survives_failing_memory),
        cmocka_unit_test(requests_survive_failing_memory),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
