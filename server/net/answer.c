/* The answer: a head made here, so that framing is never a caller's business, and a body that is sent
 * in one system call with the head when it is at hand, or pulled piece by piece when it is produced
 * while it is sent.
 *
 * Answers are not compressed. Numbers of an embedding hardly shrink (base64 of float32 by about a
 * tenth, JSON numbers by half, at 20 to 60 times the cost of writing them), and a proxy that sits
 * beside its clients would spend its time there. */
#define _GNU_SOURCE
#include "net/server.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    PULL_AHEAD = 8,   /* "3ff6\r\n" before a piece */
    PULL_BEHIND = 2,  /* "\r\n" after it */
    PIECES_A_TURN = 8 /* 0.1 ms; who reads as fast as we write would keep the loop to himself */
};

/* ---- the head ------------------------------------------------------------------------------------------ */

/* The date of this second, made once a second. */
static const char *date_of(vni_home *home) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (now.tv_sec != home->date_s) {
        static const char days[] = "SunMonTueWedThuFriSat",
                          months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
        struct tm tm;
        gmtime_r(&now.tv_sec, &tm);
        snprintf(home->date, sizeof home->date, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT",
                 days + 3 * tm.tm_wday, tm.tm_mday % 100, months + 3 * tm.tm_mon,
                 (1900 + tm.tm_year) % 10000, tm.tm_hour % 100, tm.tm_min % 100, tm.tm_sec % 100);
        home->date_s = now.tv_sec;
    }
    return home->date;
}

static size_t head_room(const vni_answer *answer) {
    size_t room = 256;
    for (size_t i = 0; i < answer->field_count; i++)
        room += answer->fields[i].name.bytes + answer->fields[i].value.bytes + 4;
    return room + (answer->content_type == NULL ? 0 : strlen(answer->content_type) + 20);
}

/* No byte of a value may end a line: control characters become '?'. */
static char *put(char *out, vni_text text) {
    for (size_t i = 0; i < text.bytes; i++) {
        unsigned char c = (unsigned char)text.at[i];
        out[i] = (c < 0x20 && c != '\t') || c == 0x7f ? '?' : (char)c;
    }
    return out + text.bytes;
}

static char *put_field(char *out, vni_text name, vni_text value) {
    out = put(out, name);
    *out++ = ':';
    *out++ = ' ';
    out = put(out, value);
    *out++ = '\r';
    *out++ = '\n';
    return out;
}

/* Statuses without a body by definition. */
static int is_bodiless(int status) {
    return status < 200 || status == 204 || status == 304;
}

static size_t write_head(vni_call *call, const vni_answer *answer, char *out, size_t room) {
    char *at = out + snprintf(out, room, "HTTP/1.1 %d %s\r\nDate: %s\r\n", answer->status,
                              vni_status_reason(answer->status), date_of(call->home));
    if (answer->content_type != NULL)
        at = put_field(at, vni_text_of("Content-Type"), vni_text_of(answer->content_type));
    if (call->chunked_out)
        at = put_field(at, vni_text_of("Transfer-Encoding"), vni_text_of("chunked"));
    else if (answer->pull == NULL && !is_bodiless(answer->status))
        at += snprintf(at, 48, "Content-Length: %zu\r\n", answer->body_bytes);
    if (call->closes)
        at = put_field(at, vni_text_of("Connection"), vni_text_of("close"));
    else if (call->head.minor == 0)
        at = put_field(at, vni_text_of("Connection"), vni_text_of("keep-alive"));
    for (size_t i = 0; i < answer->field_count; i++)
        at = put_field(at, answer->fields[i].name, answer->fields[i].value);
    *at++ = '\r';
    *at++ = '\n';
    return (size_t)(at - out);
}

/* ---- sending ---------------------------------------------------------------------------------------------- */

/* The next piece of a pulled body into the page, framed. 0 when it breaks off. */
static int pull_piece(vni_call *call) {
    size_t room = call->home->server->page_bytes - PULL_AHEAD - PULL_BEHIND - 5;
    char *piece = call->out_page + PULL_AHEAD;
    ptrdiff_t bytes = call->pull(call->answer_user, piece, room);
    char size[PULL_AHEAD + 1];
    int digits;
    if (bytes < 0)
        return 0;
    assert((size_t)bytes <= room);
    call->pull_ended = bytes == 0;
    call->out[0] = (struct iovec){piece, (size_t)bytes};
    call->out[1] = (struct iovec){NULL, 0};
    call->out_at = 0;
    if (!call->chunked_out)
        return 1;
    if (bytes == 0) {
        memcpy(piece, "0\r\n\r\n", 5);
        call->out[0].iov_len = 5;
        return 1;
    }
    digits = snprintf(size, sizeof size, "%zx\r\n", (size_t)bytes);
    memcpy(piece - digits, size, (size_t)digits);
    memcpy(piece + bytes, "\r\n", 2);
    call->out[0] = (struct iovec){piece - digits, (size_t)digits + (size_t)bytes + 2};
    return 1;
}

static void took(vni_call *call, size_t bytes) {
    size_t head = bytes < call->head_bytes_out ? bytes : call->head_bytes_out;
    call->head_bytes_out -= head;
    call->exchange.answer_bytes += bytes - head;
    for (int i = 0; i < 2; i++) {
        size_t part = bytes < call->out[i].iov_len ? bytes : call->out[i].iov_len;
        call->out[i].iov_base = (char *)call->out[i].iov_base + part;
        call->out[i].iov_len -= part;
        bytes -= part;
    }
}

vni_sent vni_answer_continue(vni_call *call) {
    vni_conn *conn = call->conn;
    for (int pieces_sent = 0;; pieces_sent++) {
        while (call->out[0].iov_len + call->out[1].iov_len > 0) {
            struct iovec pieces[2] = {call->out[0], call->out[1]};
            int first = pieces[0].iov_len == 0;
            ptrdiff_t sent = vni_stream_write(conn, pieces + first, 2 - first);
            if (sent <= 0)
                return sent == 0 ? VNI_SENT_FULL : VNI_SENT_FAILED;
            took(call, (size_t)sent);
        }
        if (call->pull == NULL || call->pull_ended || call->head_only)
            return VNI_SENT_ALL;
        if (pieces_sent >= PIECES_A_TURN)
            return VNI_SENT_TURN;
        if (call->out_page == NULL)
            call->out_page = vni_page_take(call->home);
        if (call->out_page == NULL || !pull_piece(call))
            return VNI_SENT_FAILED;
    }
}

/* ---- what handlers call --------------------------------------------------------------------------------------- */

/* A body without a release function and not fixed is copied. 0 when memory is out. */
static int own_body(vni_call *call, const vni_answer *answer) {
    const void *body = answer->body;
    if (answer->pull != NULL || answer->body_bytes == 0 || call->head_only)
        return 1;
    if (answer->release == NULL && !answer->fixed) {
        void *copy = vni_exchange_alloc(&call->exchange, answer->body_bytes);
        if (copy == NULL)
            return 0;
        memcpy(copy, body, answer->body_bytes);
        body = copy;
    }
    call->out[1] = (struct iovec){(void *)(uintptr_t)body, answer->body_bytes};
    return 1;
}

void vni_answer_send(vni_exchange *exchange, const vni_answer *answer) {
    vni_call *call = (vni_call *)exchange;
    vni_conn *conn = call->conn;
    size_t room = head_room(answer);
    char *head;
    assert(!call->answered);
    call->answered = 1;
    call->release = answer->release;
    call->answer_user = answer->user;
    exchange->status = answer->status;
    exchange->answer_us = vni_clock_us();
    if (conn == NULL) {
        vni_call_end(call);
        return;
    }
    call->closes = answer->close || !call->exchange.keep_alive || call->home->stops > 0;
    call->head_only = call->exchange.method == VNI_HEAD || is_bodiless(answer->status);
    call->pull = answer->pull;
    call->chunked_out =
        answer->pull != NULL && call->head.minor == 1 && !is_bodiless(answer->status);
    if (answer->pull != NULL && !call->chunked_out)
        call->closes = 1; /* the end of the connection is the end of the body */
    head = vni_exchange_alloc(exchange, room);
    if (head == NULL || !own_body(call, answer)) {
        vni_conn_close(conn);
        return;
    }
    call->head_bytes_out = write_head(call, answer, head, room);
    call->out[0] = (struct iovec){head, call->head_bytes_out};
    conn->phase = VNI_AT_SENDING;
    vni_conn_run(conn);
}

void vni_answer_text(vni_exchange *exchange, int status, const char *content_type, vni_text body) {
    vni_answer answer = {.status = status, .content_type = content_type};
    answer.body = body.at;
    answer.body_bytes = body.bytes;
    vni_answer_send(exchange, &answer);
}

/* The shape of OpenAI's errors: what most clients of this server read; others show the text whole. */
void vni_answer_refuse(vni_call *call, int status, const char *reason) {
    char text[512];
    int bytes =
        snprintf(text, sizeof text,
                 "{\"error\":{\"message\":\"%s\",\"type\":\"%s\",\"param\":null,\"code\":null}}\n",
                 reason, status < 500 ? "invalid_request_error" : "server_error");
    vni_field again = {vni_text_of("Retry-After"), vni_text_of("1")};
    vni_answer answer = {.status = status, .content_type = "application/json", .close = 1};
    answer.body = text;
    answer.body_bytes = (size_t)bytes;
    answer.fields = &again;
    answer.field_count = status == 503;
    vni_answer_send(&call->exchange, &answer);
}
