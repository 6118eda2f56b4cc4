/* The life of a connection, as a machine that is run whenever something may have changed: bytes came,
 * room to write came, the handler answered. It runs until it can do nothing more; a call from inside
 * (a handler that answers at once) is taken up by the run that is under way, so nothing recurses.
 *
 * An idle connection holds this struct, a socket and nothing else: the page it reads into is taken
 * from the loop when bytes come and given back when they are used up. Requests of one connection are
 * handled one after the other; while one is handled nothing more is read, so a client that sends
 * faster than it is answered is held back by TCP.
 *
 * Connections are freed by a deferred task, never in the middle of a run. */
#define _GNU_SOURCE
#include "net/server.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    TURNS = 64, /* requests and reads of one connection before others have their turn */
    KEPT_PAGES = 256,
    LINGER_MS = 2000,
    LINGER_BYTES = 1 << 20 /* of a refused body that are read and thrown away */
};

/* ---- pages ---------------------------------------------------------------------------------------------- */

char *vni_page_take(vni_home *home) {
    void *page = home->pages;
    if (page == NULL)
        return vecna_allocate(home->server->allocator, home->server->page_bytes, 1);
    memcpy(&home->pages, page, sizeof home->pages);
    home->free_pages--;
    return page;
}

void vni_page_give(vni_home *home, char *page) {
    if (home->free_pages >= KEPT_PAGES) {
        vecna_release(home->server->allocator, page);
        return;
    }
    memcpy(page, &home->pages, sizeof home->pages);
    home->pages = page;
    home->free_pages++;
}

void vni_home_clear(vni_home *home) {
    while (home->pages != NULL) {
        void *page = home->pages;
        memcpy(&home->pages, page, sizeof home->pages);
        vecna_release(home->server->allocator, page);
    }
    while (home->calls != NULL) {
        vni_call *call = home->calls;
        home->calls = call->next;
        vecna_release(home->server->allocator, call);
    }
    home->free_pages = home->free_calls = 0;
}

static void give_page(vni_conn *conn) {
    if (conn->page != NULL)
        vni_page_give(conn->home, conn->page);
    conn->page = NULL;
    conn->in_at = conn->in_end = 0;
}

/* ---- time ------------------------------------------------------------------------------------------------ */

static void set_idle(vni_conn *conn, int idle) {
    vni_counters *counters = &conn->home->server->counters;
    if (idle && conn->phase != VNI_AT_IDLE)
        vni_count(&counters->idle, 1);
    else if (!idle && conn->phase == VNI_AT_IDLE)
        vni_uncount(&counters->idle, 1);
}

static void enter(vni_conn *conn, vni_phase phase) {
    const vni_limits *limits = &conn->home->limits;
    unsigned wait_ms = phase == VNI_AT_IDLE                                ? limits->idle_ms
                       : phase == VNI_AT_HANDSHAKE || phase == VNI_AT_HEAD ? limits->head_ms
                       : phase == VNI_AT_BODY                              ? limits->body_ms
                       : phase == VNI_AT_SENDING                           ? limits->write_ms
                       : phase == VNI_AT_LINGER                            ? LINGER_MS
                                                                           : 0;
    set_idle(conn, phase == VNI_AT_IDLE);
    conn->phase = (uint8_t)phase;
    conn->window_bytes = 0;
    conn->taken_bytes = conn->sent_bytes;
    if (wait_ms > 0)
        vni_timer_start(conn->home->loop, &conn->timer, wait_ms);
    else
        vni_timer_stop(&conn->timer);
}

static void refuse(vni_conn *conn, int status, const char *reason);

/* Bytes that moved since the last look. What the kernel still holds of an answer was not taken by the
 * client; the socket reports room again only when a good part of its buffer is free, too seldom to go
 * by for a slow client. */
static uint64_t moved(vni_conn *conn) {
    uint64_t bytes = conn->window_bytes;
    if (conn->phase == VNI_AT_SENDING) {
        int held = 0;
        uint64_t taken = conn->sent_bytes;
        if (ioctl(conn->watch.fd, SIOCOUTQ, &held) == 0 && held > 0)
            taken -= (uint64_t)held < taken ? (uint64_t)held : taken;
        bytes = taken > conn->taken_bytes ? taken - conn->taken_bytes : 0;
        conn->taken_bytes = taken;
    }
    conn->window_bytes = 0;
    return bytes;
}

/* Bodies and answers must move at the slowest rate allowed within each window of the timer. */
static void timed_out(vni_timer *timer) {
    vni_conn *conn = (vni_conn *)(void *)((char *)timer - offsetof(vni_conn, timer));
    const vni_limits *limits = &conn->home->limits;
    unsigned window_ms = conn->phase == VNI_AT_SENDING ? limits->write_ms : limits->body_ms;
    if (conn->phase == VNI_AT_BODY || conn->phase == VNI_AT_SENDING) {
        uint64_t bytes = moved(conn);
        if (bytes > 0 && bytes * 1000 >= (uint64_t)limits->body_bytes_per_s * window_ms) {
            vni_timer_start(conn->home->loop, timer, window_ms);
            return;
        }
    }
    if (conn->phase == VNI_AT_HEAD || conn->phase == VNI_AT_BODY) {
        vni_count(&conn->home->server->counters.timed_out, 1);
        refuse(conn, 408,
               conn->phase == VNI_AT_HEAD ? "the request took too long to arrive"
                                          : "the body of the request came too slowly");
        vni_conn_run(conn);
        return;
    }
    if (conn->phase == VNI_AT_SENDING || conn->phase == VNI_AT_HANDSHAKE)
        vni_count(&conn->home->server->counters.timed_out, 1);
    vni_conn_close(conn);
}

/* ---- beginning and end --------------------------------------------------------------------------------------- */

static void queue(vni_conn *conn) {
    if (conn->queued)
        return;
    conn->queued = 1;
    vni_loop_defer(conn->home->loop, &conn->task);
}

static void run_queued(vni_task *task) {
    vni_conn *conn = (vni_conn *)(void *)((char *)task - offsetof(vni_conn, task));
    vni_home *home = conn->home;
    conn->queued = 0;
    if (conn->phase != VNI_AT_DEAD) {
        vni_conn_run(conn);
        return;
    }
    home->busy_conns--;
    vecna_release(home->server->allocator, conn);
    vni_home_ended_one(home);
}

void vni_conn_close(vni_conn *conn) {
    vni_home *home = conn->home;
    vni_server *server = home->server;
    vni_call *call = conn->call;
    if (conn->phase == VNI_AT_DEAD)
        return;
    enter(conn, VNI_AT_DEAD);
    vni_watch_end(&conn->watch);
    if (conn->tls != NULL) {
        vni_tls_goodbye(conn->tls);
        vni_tls_conn_free(conn->tls);
    }
    close(conn->watch.fd);
    if (conn->shared)
        vni_shares_give(&server->shares, conn->address);
    vni_uncount(&server->counters.open, 1);
    if (conn->next != NULL)
        conn->next->previous = conn->previous;
    if (conn->previous != NULL)
        conn->previous->next = conn->next;
    else
        home->conns = conn->next;
    conn->call = NULL;
    if (call != NULL) {
        call->conn = NULL;
        if (call->handed_over && !call->answered) {
            /* The request lies in the page: it goes when the exchange does. */
            if (conn->page != NULL)
                call->out_page = conn->page;
            conn->page = NULL;
            vni_call_lost(call);
        } else {
            if (call->answered)
                vni_call_lost(call);
            vni_call_end(call);
        }
    }
    give_page(conn);
    queue(conn);
}

static void ready(vni_watch *watch, unsigned events) {
    vni_conn *conn = (vni_conn *)(void *)((char *)watch - offsetof(vni_conn, watch));
    if (events & (VNI_READ | VNI_HANGUP))
        conn->readable = 1;
    if (events & VNI_WRITE || conn->tls != NULL)
        conn->writable = 1;
    if (events & VNI_HANGUP)
        conn->hung_up = 1;
    vni_conn_run(conn);
}

void vni_conn_open(vni_home *home, int fd, const struct sockaddr_storage *from) {
    vni_server *server = home->server;
    vni_conn *conn = vecna_allocate_zero(server->allocator, 1, sizeof *conn);
    int one = 1;
    if (conn == NULL)
        goto refused;
    conn->home = home;
    vni_address_bytes(from, conn->address);
    vni_address_text(conn->address, conn->peer, sizeof conn->peer);
    if (!vni_shares_take(&server->shares, conn->address, home->limits.connections_per_ip))
        goto refused;
    conn->shared = 1;
    conn->watch.fd = fd;
    conn->watch.ready = ready;
    conn->timer.fire = timed_out;
    conn->task.run = run_queued;
    conn->writable = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (server->tls != NULL && (conn->tls = vni_tls_conn_new(server->tls, fd)) == NULL)
        goto refused;
    if (vni_watch_set(home->loop, &conn->watch, VNI_READ | VNI_WRITE | VNI_EDGE, NULL) != VECNA_OK)
        goto refused;
    vni_count(&server->counters.accepted, 1);
    vni_count(&server->counters.open, 1);
    home->busy_conns++;
    conn->next = home->conns;
    if (conn->next != NULL)
        conn->next->previous = conn;
    home->conns = conn;
    conn->phase = VNI_AT_HANDSHAKE;
    if (conn->tls == NULL)
        enter(conn, VNI_AT_IDLE);
    vni_timer_start(home->loop, &conn->timer, home->limits.head_ms);
    return;
refused:
    vni_count(&server->counters.refused, 1);
    if (conn != NULL) {
        if (conn->shared)
            vni_shares_give(&server->shares, conn->address);
        vni_tls_conn_free(conn->tls);
    }
    vecna_release(server->allocator, conn);
    close(fd);
}

/* ---- reading requests ------------------------------------------------------------------------------------------ */

/* What a step came to. */
typedef enum step { AGAIN, LATER, WAIT, CLOSE } step; /* LATER: others first */

static void refuse(vni_conn *conn, int status, const char *reason) {
    vni_call *call = conn->call;
    vni_counters *counters = &conn->home->server->counters;
    if (status == 413)
        vni_count(&counters->too_large, 1);
    else if (status != 408 && status != 503)
        vni_count(&counters->malformed, 1);
    call->exchange.keep_alive = 0;
    vni_answer_refuse(call, status, reason);
}

/* More bytes into the page. */
static step fill(vni_conn *conn) {
    size_t page_bytes = conn->home->server->page_bytes;
    ptrdiff_t got;
    if (!conn->readable)
        return WAIT;
    if (conn->page == NULL && (conn->page = vni_page_take(conn->home)) == NULL)
        return CLOSE;
    got = vni_stream_read(conn, conn->page + conn->in_end, page_bytes - conn->in_end);
    if (got <= 0) {
        if (conn->in_at == conn->in_end && conn->call == NULL)
            give_page(conn);
        return got == 0 ? WAIT : CLOSE;
    }
    conn->in_end += (size_t)got;
    return AGAIN;
}

/* Between requests: the first byte begins one. */
static step step_idle(vni_conn *conn) {
    if (conn->in_at == conn->in_end) {
        step filled = fill(conn);
        /* A drain ends what is idle, but takes what has come, and waits for a first request. */
        if (filled == WAIT && conn->home->stops > 0 && conn->requests > 0)
            return CLOSE;
        if (filled != AGAIN)
            return filled;
    }
    if (conn->in_at > 0) { /* the rest of a page that earlier requests used: to its front */
        memmove(conn->page, conn->page + conn->in_at, conn->in_end - conn->in_at);
        conn->in_end -= conn->in_at;
        conn->in_at = 0;
    }
    conn->call = vni_call_begin(conn);
    if (conn->call == NULL)
        return CLOSE;
    enter(conn, VNI_AT_HEAD);
    return AGAIN;
}

static void hand_over(vni_conn *conn) {
    vni_call *call = conn->call;
    vni_server *server = conn->home->server;
    enter(conn, VNI_AT_HANDLING);
    call->exchange.body_us = vni_clock_us();
    call->handed_over = 1;
    vni_count(&server->counters.requests, 1);
    vni_count(&server->counters.in_flight, 1);
    server->options.handle(server->options.user, &call->exchange);
}

static void send_continue(vni_conn *conn) {
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct iovec piece = {(void *)(uintptr_t)text, sizeof text - 1};
    vni_stream_write(conn, &piece, 1); /* a client that does not get it sends its body anyway */
}

/* The head is complete: what the handler sees of it. */
static void publish(vni_call *call) {
    vni_exchange *exchange = &call->exchange;
    exchange->method = call->head.method;
    exchange->method_text = call->head.method_text;
    exchange->target = call->head.target;
    exchange->path = call->head.path;
    exchange->query = call->head.query;
    exchange->field_count = call->head.field_count;
    exchange->keep_alive = call->head.keep_alive;
    exchange->head_us = vni_clock_us();
}

static step begin_body(vni_conn *conn) {
    vni_call *call = conn->call;
    vni_server *server = conn->home->server;
    int64_t length = call->head.content_length;
    unsigned most = conn->home->limits.requests_per_connection;
    publish(call);
    conn->in_at = call->head.head_bytes;
    conn->requests++;
    if (conn->home->stops > 0 || (most > 0 && conn->requests >= most))
        call->exchange.keep_alive = 0;
    if (length > 0 && (uint64_t)length > conn->home->limits.body_bytes) {
        refuse(conn, 413,
               "the body is larger than body_bytes of this server's limits: send less a request");
        return AGAIN;
    }
    if (server->options.admit != NULL) {
        unsigned keep_alive = call->exchange.keep_alive;
        int bodiless = length <= 0 && !call->head.chunked;
        call->exchange.body_bytes = length > 0 ? (size_t)length : 0;
        if (!bodiless) /* an answer now leaves the body unread, so the connection ends with it */
            call->exchange.keep_alive = 0;
        enter(conn, VNI_AT_HANDLING);
        server->options.admit(server->options.user, &call->exchange);
        if (conn->phase != VNI_AT_HANDLING)
            return AGAIN;
        call->exchange.keep_alive = keep_alive;
        call->exchange.body_bytes = 0;
    }
    if (length <= 0 && !call->head.chunked) {
        hand_over(conn);
        return AGAIN;
    }
    if (call->head.expects_continue && conn->in_at == conn->in_end)
        send_continue(conn);
    call->body_left = length > 0 ? (uint64_t)length : 0;
    call->chunks.limit_bytes = conn->home->limits.body_bytes;
    enter(conn, VNI_AT_BODY);
    return AGAIN;
}

static step step_head(vni_conn *conn) {
    vni_call *call = conn->call;
    int result = vni_http_read_head(&call->head, conn->page, conn->in_end);
    if (result == VNI_HTTP_MORE)
        return fill(conn);
    if (result == VNI_HTTP_DONE)
        return begin_body(conn);
    publish(call);
    conn->in_at = conn->in_end; /* nobody knows where the next request would begin */
    refuse(conn, -result, call->head.reason);
    return AGAIN;
}

/* A body with a length: left in the page when all of it fits there, otherwise read to its place. */
static step step_sized_body(vni_conn *conn) {
    vni_call *call = conn->call;
    size_t there = conn->in_end - conn->in_at, whole = (size_t)call->head.content_length;
    ptrdiff_t got;
    if (call->body == NULL && conn->in_at + call->body_left <= conn->home->server->page_bytes) {
        if (there < call->body_left)
            return fill(conn);
        call->exchange.body = conn->page + conn->in_at;
        call->exchange.body_bytes = whole;
        conn->in_at += whole;
        hand_over(conn);
        return AGAIN;
    }
    if (call->body_used == call->body_room || there > 0) {
        size_t take = there < call->body_left ? there : (size_t)call->body_left;
        if (!vni_call_body_grow(call, call->body_used + (take > 0 ? take : 1), whole)) {
            refuse(conn, 503, "too much is being uploaded at once, try again");
            return AGAIN;
        }
        memcpy(call->body + call->body_used, conn->page + conn->in_at, take);
        call->body_used += take;
        call->body_left -= take;
        conn->in_at += take;
    }
    if (call->body_left > 0) {
        size_t room = call->body_room - call->body_used;
        if (room == 0)
            return AGAIN;
        got = vni_stream_read(conn, call->body + call->body_used,
                              room < call->body_left ? room : (size_t)call->body_left);
        if (got <= 0)
            return got == 0 ? WAIT : CLOSE;
        call->body_used += (size_t)got;
        call->body_left -= (uint64_t)got;
    }
    if (call->body_left == 0) {
        call->exchange.body = call->body;
        call->exchange.body_bytes = call->body_used;
        hand_over(conn);
    }
    return AGAIN;
}

static step step_chunked_body(vni_conn *conn) {
    vni_call *call = conn->call;
    for (;;) {
        vni_text piece;
        int result =
            vni_http_read_chunks(&call->chunks, conn->page, conn->in_end, &conn->in_at, &piece);
        if (result < 0) {
            conn->in_at = conn->in_end;
            refuse(conn, -result, call->chunks.reason);
            return AGAIN;
        }
        if (piece.bytes > 0) {
            if (!vni_call_body_grow(call, call->body_used + piece.bytes,
                                    call->chunks.limit_bytes)) {
                refuse(conn, 503, "too much is being uploaded at once, try again");
                return AGAIN;
            }
            memcpy(call->body + call->body_used, piece.at, piece.bytes);
            call->body_used += piece.bytes;
        }
        if (result == VNI_HTTP_DONE) {
            call->exchange.body = call->body == NULL ? "" : call->body;
            call->exchange.body_bytes = call->body_used;
            hand_over(conn);
            return AGAIN;
        }
        if (conn->in_at == conn->in_end) { /* behind the head, which stays where it is */
            conn->in_at = conn->in_end = call->head.head_bytes;
            return fill(conn);
        }
    }
}

static step step_linger(vni_conn *conn) {
    char waste[4096];
    ptrdiff_t got = vni_stream_read(conn, waste, sizeof waste);
    if (got < 0 || conn->window_bytes > LINGER_BYTES)
        return CLOSE;
    return got == 0 ? WAIT : AGAIN;
}

/* ---- after the answer --------------------------------------------------------------------------------------------- */

/* A client that still sends while its connection is closed would get a reset, which may destroy the
 * answer on its way: so only the sending side is closed, and what comes is read for a while. */
static step step_sending(vni_conn *conn) {
    vni_call *call = conn->call;
    const int closes = call->closes;
    switch (vni_answer_continue(call)) {
    case VNI_SENT_FAILED:
        return CLOSE;
    case VNI_SENT_FULL:
        if (!vni_timer_runs(&conn->timer))
            enter(conn, VNI_AT_SENDING);
        return WAIT;
    case VNI_SENT_TURN:
        return LATER;
    case VNI_SENT_ALL:
        break;
    }
    call->exchange.written_us = vni_clock_us();
    vni_call_end(call);
    if (conn->in_at == conn->in_end)
        give_page(conn);
    if (!closes) {
        enter(conn, VNI_AT_IDLE);
        return AGAIN;
    }
    if (conn->hung_up)
        return CLOSE;
    give_page(conn);
    if (conn->tls != NULL)
        vni_tls_goodbye(conn->tls);
    shutdown(conn->watch.fd, SHUT_WR);
    enter(conn, VNI_AT_LINGER);
    return AGAIN;
}

static step one_step(vni_conn *conn) {
    int shaken;
    switch ((vni_phase)conn->phase) {
    case VNI_AT_HANDSHAKE:
        shaken = vni_tls_handshake(conn->tls);
        if (shaken < 0)
            vni_count(&conn->home->server->counters.tls_failures, 1);
        if (shaken > 0) {
            enter(conn, VNI_AT_IDLE);
            vni_timer_start(conn->home->loop, &conn->timer, conn->home->limits.head_ms);
        }
        return shaken > 0 ? AGAIN : shaken < 0 ? CLOSE : WAIT;
    case VNI_AT_IDLE:
        return step_idle(conn);
    case VNI_AT_HEAD:
        return step_head(conn);
    case VNI_AT_BODY:
        return conn->call->head.chunked ? step_chunked_body(conn) : step_sized_body(conn);
    case VNI_AT_HANDLING:
        if (conn->hung_up)
            vni_call_lost(conn->call);
        return WAIT;
    case VNI_AT_SENDING:
        return step_sending(conn);
    case VNI_AT_LINGER:
        return step_linger(conn);
    case VNI_AT_DEAD:
        break;
    }
    return WAIT;
}

void vni_conn_run(vni_conn *conn) {
    int turns = 0;
    step last = AGAIN;
    if (conn->running || conn->phase == VNI_AT_DEAD)
        return;
    conn->running = 1;
    while (last == AGAIN && conn->phase != VNI_AT_DEAD && turns++ < TURNS) {
        unsigned before = conn->phase;
        last = one_step(conn);
        if (last == WAIT && conn->phase != before)
            last = AGAIN; /* the handler answered from inside the step */
    }
    conn->running = 0;
    if (last == CLOSE)
        vni_conn_close(conn);
    else if ((last == AGAIN || last == LATER) && conn->phase != VNI_AT_DEAD)
        queue(conn);
}
