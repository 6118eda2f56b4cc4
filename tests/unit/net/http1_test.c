/* The parser by tables: every request is given whole, byte by byte and in two pieces at every place;
 * the outcome must be the same. */
#include "tests/unit/support/support.h"

#include "net/http1.h"

#include <stdio.h>
#include <string.h>

enum { FIELDS = 16, LIMIT = 1024 };

typedef struct outcome {
    int result;
    vni_http_head head;
    vni_field fields[FIELDS];
} outcome;

/* Head of data, given in pieces that end at `first`, first + step, ... */
static void read_pieces(outcome *out, const char *data, size_t bytes, size_t first, size_t step) {
    memset(out, 0, sizeof *out);
    out->head.limit_bytes = LIMIT;
    out->head.fields = out->fields;
    out->head.limit_fields = FIELDS;
    for (size_t seen = first;; seen += step) {
        out->result = vni_http_read_head(&out->head, data, seen < bytes ? seen : bytes);
        if (out->result != VNI_HTTP_MORE || seen >= bytes)
            return;
    }
}

static void assert_same(const outcome *a, const outcome *b, const char *data) {
    if (a->result != b->result)
        fail_msg("%d whole, %d in pieces: %s", a->result, b->result, data);
    if (a->result == VNI_HTTP_DONE) {
        assert_int_equal(a->head.head_bytes, b->head.head_bytes);
        assert_int_equal(a->head.field_count, b->head.field_count);
        assert_int_equal(a->head.content_length, b->head.content_length);
        assert_int_equal(a->head.chunked, b->head.chunked);
        assert_int_equal(a->head.keep_alive, b->head.keep_alive);
        assert_memory_equal(a->fields, b->fields, sizeof a->fields);
    } else if (a->result < 0) {
        assert_string_equal(a->head.reason, b->head.reason);
    }
}

static void read_all_ways(outcome *whole, const char *data, size_t bytes) {
    outcome other;
    read_pieces(whole, data, bytes, bytes, 1);
    read_pieces(&other, data, bytes, 1, 1);
    assert_same(whole, &other, data);
    for (size_t first = 1; first < bytes; first++) {
        read_pieces(&other, data, bytes, first, bytes);
        assert_same(whole, &other, data);
    }
}

#define LINE "POST /v1/embeddings HTTP/1.1\r\n"
#define HOST "Host: a\r\n"
#define START LINE HOST

/* status 1: accepted. A text with NULs says its length. */
static const struct head_case {
    const char *name;
    int status;
    const char *text;
    size_t bytes;
} heads[] = {
    {"plain", 1, "GET / HTTP/1.1\r\nHost: localhost:8484\r\n\r\n", 0},
    {"1.0 without host", 1, "GET / HTTP/1.0\r\n\r\n", 0},
    {"an empty line before", 1, "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"a length", 1, START "Content-Length: 5\r\n\r\n", 0},
    {"a length with zeros", 1, START "Content-Length: 00005\r\n\r\n", 0},
    {"chunked", 1, START "Transfer-Encoding: Chunked\r\n\r\n", 0},
    {"no space behind the colon", 1, START "A:b\r\n\r\n", 0},
    {"an empty value", 1, START "A:\r\n\r\n", 0},
    {"spaces around the value", 1, START "A: \t b c \t \r\n\r\n", 0},
    {"bytes above 127 in a value", 1, START "A: \xc3\xa9\r\n\r\n", 0},
    {"absolute form", 1, "GET http://a:80/x?y HTTP/1.1\r\nHost: a:80\r\n\r\n", 0},
    {"absolute form without path", 1, "GET http://a HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"asterisk", 1, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"an IPv6 host", 1, "GET / HTTP/1.1\r\nHost: [::1]:8484\r\n\r\n", 0},
    {"unknown method", 1, "BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"expectation", 1, START "Expect: 100-Continue\r\n\r\n", 0},

    {"two lengths", 400, START "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 0},
    {"two equal lengths", 400, START "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 0},
    {"a list of lengths", 400, START "Content-Length: 5, 5\r\n\r\n", 0},
    {"a length with a sign", 400, START "Content-Length: +5\r\n\r\n", 0},
    {"a negative length", 400, START "Content-Length: -1\r\n\r\n", 0},
    {"a hexadecimal length", 400, START "Content-Length: 0x5\r\n\r\n", 0},
    {"a length with a space", 400, START "Content-Length: 5 5\r\n\r\n", 0},
    {"an empty length", 400, START "Content-Length: \r\n\r\n", 0},
    {"a length of words", 400, START "Content-Length: five\r\n\r\n", 0},
    {"a length that overflows", 400, START "Content-Length: 18446744073709551617\r\n\r\n", 0},
    {"a fraction", 400, START "Content-Length: 5.0\r\n\r\n", 0},
    {"length and chunked", 400, START "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 0},
    {"chunked and length", 400, START "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 0},
    {"two codings", 400, START "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n",
     0},
    {"two times chunked", 400, START "Transfer-Encoding: chunked, chunked\r\n\r\n", 0},
    {"chunked and more", 400, START "Transfer-Encoding: chunked, identity\r\n\r\n", 0},
    {"nearly chunked", 400, START "Transfer-Encoding: xchunked\r\n\r\n", 0},
    {"quoted chunked", 400, START "Transfer-Encoding: \"chunked\"\r\n\r\n", 0},
    {"chunked with a control", 400, START "Transfer-Encoding: \vchunked\r\n\r\n", 0},
    {"chunked in 1.0", 400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 0},
    {"another coding", 501, START "Transfer-Encoding: gzip\r\n\r\n", 0},
    {"identity", 501, START "Transfer-Encoding: identity\r\n\r\n", 0},
    {"an empty coding", 400, START "Transfer-Encoding:\r\n\r\n", 0},
    {"a space before the colon", 400, START "Content-Length : 5\r\n\r\n", 0},
    {"a tab before the colon", 400, START "A\t: b\r\n\r\n", 0},
    {"a folded line", 400, START "A: b\r\n c\r\n\r\n", 0},
    {"a line folded by a tab", 400, START "A: b\r\n\tc\r\n\r\n", 0},
    {"white space first", 400, LINE " Host: a\r\n\r\n", 0},
    {"a bare line feed in the request line", 400, "GET / HTTP/1.1\nHost: a\r\n\r\n", 0},
    {"a bare line feed in a field", 400, START "A: b\n\r\n", 0},
    {"a bare line feed at the end", 400, START "A: b\r\n\n", 0},
    {"a bare carriage return in a value", 400, START "A: b\rc\r\n\r\n", 0},
    {"a carriage return twice", 400, START "A: b\r\r\n\r\n", 0},
    {"NUL in a value", 400, START "A: b\0c\r\n\r\n", sizeof(START "A: b\0c\r\n\r\n") - 1},
    {"NUL in a name", 400, START "A\0b: c\r\n\r\n", sizeof(START "A\0b: c\r\n\r\n") - 1},
    {"NUL in the target", 400, "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", 34},
    {"DEL in a value", 400, START "A: b\x7f\r\n\r\n", 0},
    {"two hosts", 400, START "Host: b\r\n\r\n", 0},
    {"two equal hosts", 400, START HOST "\r\n", 0},
    {"no host", 400, LINE "A: b\r\n\r\n", 0},
    {"an empty host", 400, LINE "Host:\r\n\r\n", 0},
    {"a host with a space", 400, LINE "Host: a b\r\n\r\n", 0},
    {"a host with a path", 400, LINE "Host: a/b\r\n\r\n", 0},
    {"a host with a user", 400, LINE "Host: u@a\r\n\r\n", 0},
    {"a list of hosts", 400, LINE "Host: a, b\r\n\r\n", 0},
    {"a line without colon", 400, START "A\r\n\r\n", 0},
    {"a line of a colon", 400, START ": b\r\n\r\n", 0},
    {"a name with brackets", 400, START "A[b]: c\r\n\r\n", 0},
    {"a name above 127", 400, START "\xc3\xa9: c\r\n\r\n", 0},
    {"HTTP/0.9", 400, "GET /\r\n\r\n", 0},
    {"HTTP/2", 505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 0},
    {"HTTP/1.2", 505, "GET / HTTP/1.2\r\nHost: a\r\n\r\n", 0},
    {"the preface of HTTP/2", 505, "PRI * HTTP/2.0\r\n\r\n", 0},
    {"a lower-case version", 400, "GET / http/1.1\r\nHost: a\r\n\r\n", 0},
    {"a long version", 400, "GET / HTTP/1.10\r\nHost: a\r\n\r\n", 0},
    {"a version of one number", 400, "GET / HTTP/1\r\nHost: a\r\n\r\n", 0},
    {"two spaces", 400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"a tab between", 400, "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"a space at the end", 400, "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 0},
    {"a space first", 400, " GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"a space in the target", 400, "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"a fragment", 400, "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"bytes above 127 in the target", 400, "GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"no slash", 400, "GET a HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"an asterisk without OPTIONS", 400, "GET * HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"another scheme", 400, "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"a scheme and no host", 400, "GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"a scheme and a user", 400, "GET http://u@a/x HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"a tunnel", 501, "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"a method with a colon", 400, "GE:T / HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"two empty lines before", 400, "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"a body that is not compressed", 1, START "Content-Encoding: Identity\r\n\r\n", 0},
    {"a compressed body", 415, START "Content-Encoding: gzip\r\n\r\n", 0},
    {"another expectation", 417, START "Expect: tea\r\n\r\n", 0},
    {"TLS", 400, "\x16\x03\x01\x02\x00\x01\x00\n", 8},
};

static void every_head_has_its_status(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        const struct head_case *it = &heads[i];
        size_t bytes = it->bytes > 0 ? it->bytes : strlen(it->text);
        outcome got;
        int expected = it->status == 1 ? VNI_HTTP_DONE : -it->status;
        read_all_ways(&got, it->text, bytes);
        if (got.result != expected)
            fail_msg("%s: %d (%s), not %d", it->name, got.result,
                     got.head.reason ? got.head.reason : "no reason", expected);
        if (got.result < 0)
            assert_non_null(got.head.reason);
        else
            assert_int_equal(got.head.head_bytes, bytes);
    }
}

static void assert_text(vni_text text, const char *expected) {
    if (!vni_text_is(text, expected))
        fail_msg("'%.*s' is not '%s'", (int)text.bytes, text.at, expected);
}

static void a_head_is_read_as_it_stands(void **state) {
    static const char text[] = "POST http://Up.example:80/v1/embeddings?key=a%20b&x HTTP/1.1\r\n"
                               "hOST: up.example:80\r\nX-A: \t one  two \r\nContent-Length: 12\r\n"
                               "Connection: foo , Close\r\nEmpty:\r\n\r\nbody";
    outcome got;
    (void)state;
    read_all_ways(&got, text, sizeof text - 1);
    assert_int_equal(VNI_HTTP_DONE, got.result);
    assert_int_equal(VNI_POST, got.head.method);
    assert_text(got.head.target, "http://Up.example:80/v1/embeddings?key=a%20b&x");
    assert_text(got.head.path, "/v1/embeddings");
    assert_text(got.head.query, "key=a%20b&x");
    assert_text(got.head.host, "up.example:80");
    assert_int_equal(5, got.head.field_count);
    assert_text(got.fields[1].name, "X-A");
    assert_text(got.fields[1].value, "one  two");
    assert_text(got.fields[4].value, "");
    assert_int_equal(12, got.head.content_length);
    assert_int_equal(0, got.head.keep_alive);
    assert_int_equal(sizeof text - 1 - 4, got.head.head_bytes);
}

static void connections_stay_open_as_asked(void **state) {
    static const struct {
        const char *text;
        unsigned keep;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 1},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 0},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, close\r\n\r\n", 0},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n", 0},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n", 1},
        {"GET / HTTP/1.0\r\n\r\n", 0},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", 1}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        outcome got;
        read_all_ways(&got, cases[i].text, strlen(cases[i].text));
        assert_int_equal(VNI_HTTP_DONE, got.result);
        assert_int_equal(cases[i].keep, got.head.keep_alive);
    }
}

static void heads_have_limits(void **state) {
    char text[4 * LIMIT];
    outcome got;
    size_t bytes;
    (void)state;
    memset(text, 'a', sizeof text);
    memcpy(text, "GET /", 5);
    read_pieces(&got, text, sizeof text, 100, 100);
    assert_int_equal(-414, got.result);
    read_pieces(&got, text, sizeof text, sizeof text, 1);
    assert_int_equal(-414, got.result);
    bytes = (size_t)snprintf(text, sizeof text, START "A: ");
    memset(text + bytes, 'b', sizeof text - bytes);
    read_pieces(&got, text, sizeof text, 100, 100);
    assert_int_equal(-431, got.result);

    /* Host and FIELDS - 1 more fit; one more does not. */
    for (int more = 0; more < 2; more++) {
        bytes = (size_t)snprintf(text, sizeof text, START);
        for (int i = 0; i < FIELDS - 1 + more; i++)
            bytes += (size_t)snprintf(text + bytes, sizeof text - bytes, "A: b\r\n");
        bytes += (size_t)snprintf(text + bytes, sizeof text - bytes, "\r\n");
        read_all_ways(&got, text, bytes);
        assert_int_equal(more ? -431 : VNI_HTTP_DONE, got.result);
    }

    /* A head of exactly the limit is accepted, one byte more is not. */
    for (int more = 0; more < 2; more++) {
        bytes = (size_t)snprintf(text, sizeof text, START "A: ");
        while (bytes < (size_t)(LIMIT - 4 + more))
            text[bytes++] = 'b';
        memcpy(text + bytes, "\r\n\r\n", 4);
        read_pieces(&got, text, bytes + 4, bytes + 4, 1);
        assert_int_equal(more ? -431 : VNI_HTTP_DONE, got.result);
    }
}

/* ---- chunks ------------------------------------------------------------------------------------ */

/* The body of data given in pieces; result of the last call. */
static int read_chunks(const char *data, size_t bytes, size_t first, size_t step, uint64_t limit,
                       char *body, size_t *body_bytes, size_t *used) {
    vni_http_chunks chunks = {.limit_bytes = limit};
    size_t at = 0;
    *body_bytes = 0;
    for (size_t seen = first;; seen += step) {
        size_t end = seen < bytes ? seen : bytes;
        do {
            vni_text piece;
            int result = vni_http_read_chunks(&chunks, data, end, &at, &piece);
            memcpy(body + *body_bytes, piece.at, piece.bytes);
            *body_bytes += piece.bytes;
            *used = at;
            if (result < 0)
                assert_non_null(chunks.reason);
            if (result != VNI_HTTP_MORE)
                return result;
        } while (at < end);
        if (seen >= bytes)
            return VNI_HTTP_MORE;
    }
}

static const struct chunk_case {
    const char *name;
    int status; /* 1 done, 0 more is needed */
    const char *text;
    const char *body;
} chunked[] = {
    {"one", 1, "5\r\nhello\r\n0\r\n\r\n", "hello"},
    {"two", 1, "5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n", "hello0123456789"},
    {"none", 1, "0\r\n\r\n", ""},
    {"zeros", 1, "0005\r\nhello\r\n000\r\n\r\n", "hello"},
    {"hexadecimal of both cases", 1, "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n",
     "01234567890123456789"},
    {"an extension", 1, "5;a=b;c=\"d\"\r\nhello\r\n0;z\r\n\r\n", "hello"},
    {"a trailer", 1, "5\r\nhello\r\n0\r\nX-Sum: 1\r\nY: \r\n\r\n", "hello"},
    {"line feeds in the data", 1, "4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n"},
    {"cut off", 0, "5\r\nhel", "hel"},
    {"no end", 0, "5\r\nhello\r\n0\r\n", "hello"},
    {"no size", 400, "\r\nhello\r\n0\r\n\r\n", ""},
    {"a word", 400, "five\r\nhello\r\n0\r\n\r\n", ""},
    {"0x", 400, "0x5\r\nhello\r\n0\r\n\r\n", ""},
    {"a sign", 400, "+5\r\nhello\r\n0\r\n\r\n", ""},
    {"a minus", 400, "-5\r\nhello\r\n0\r\n\r\n", ""},
    {"a space first", 400, " 5\r\nhello\r\n0\r\n\r\n", ""},
    {"a space behind", 400, "5 \r\nhello\r\n0\r\n\r\n", ""},
    {"a tab behind", 400, "5\t\r\nhello\r\n0\r\n\r\n", ""},
    {"an underscore", 400, "1_0\r\nhello\r\n0\r\n\r\n", ""},
    {"an overflow", 400, "10000000000000005\r\nhello\r\n0\r\n\r\n", ""},
    {"zeros without end", 400, "00000000000000005\r\nhello\r\n0\r\n\r\n", ""},
    {"too large", 413, "fffffffffffffff\r\nhello\r\n0\r\n\r\n", ""},
    {"larger than the limit", 413, "65\r\n", ""},
    {"together larger", 413, "32\r\n01234567890123456789012345678901234567890123456789\r\n33\r\n",
     "01234567890123456789012345678901234567890123456789"},
    {"a bare line feed behind the size", 400, "5\nhello\r\n0\r\n\r\n", ""},
    {"a bare carriage return behind the size", 400, "5\rhello\r\n0\r\n\r\n", ""},
    {"a bare line feed behind the data", 400, "5\r\nhello\n0\r\n\r\n", "hello"},
    {"longer than its size", 400, "5\r\nhello!\r\n0\r\n\r\n", "hello"},
    {"shorter than its size", 400, "6\r\nhello\r\n0\r\n\r\n", "hello\r"},
    {"extensions of every form", 1, "5;a;b=c;d=\"\";e=\"x \\\" ;y\"\r\nhello\r\n0;z=1\r\n\r\n",
     "hello"},
    {"an extension without a name", 400, "5;\r\nhello\r\n0\r\n\r\n", ""},
    {"a last chunk's extension without a name", 400, "0;\r\n\r\n", ""},
    {"a second extension without a name", 400, "5;a;\r\nhello\r\n0\r\n\r\n", ""},
    {"an extension that is a value alone", 400, "5;=a\r\nhello\r\n0\r\n\r\n", ""},
    {"an extension without its value", 400, "5;a=\r\nhello\r\n0\r\n\r\n", ""},
    {"an extension without its value before another", 400, "5;a=;b\r\nhello\r\n0\r\n\r\n", ""},
    {"a second = in an extension", 400, "5;a=b=c\r\nhello\r\n0\r\n\r\n", ""},
    {"a quote that does not end", 400, "5;a=\"b\r\nhello\r\n0\r\n\r\n", ""},
    {"text behind a quote", 400, "5;a=\"b\"c\r\nhello\r\n0\r\n\r\n", ""},
    {"a quote inside of a value", 400, "5;a=b\"c\"\r\nhello\r\n0\r\n\r\n", ""},
    {"white space in an extension", 400, "5; a\r\nhello\r\n0\r\n\r\n", ""},
    {"an escaped line end", 400, "5;a=\"\\\r\nhello\r\n0\r\n\r\n", ""},
    {"a control in an extension", 400, "5;a\x01\r\nhello\r\n0\r\n\r\n", ""},
    {"a bare line feed in an extension", 400, "5;a\nhello\r\n0\r\n\r\n", ""},
    {"a bare carriage return in an extension", 400, "5;a\rb\r\nhello\r\n0\r\n\r\n", ""},
    {"a trailer of framing", 400, "0\r\nContent-Length: 5\r\n\r\n", ""},
    {"another trailer of framing", 400, "0\r\ntransfer-encoding: chunked\r\n\r\n", ""},
    {"a trailer of keys", 400, "0\r\nAuthorization: Bearer x\r\n\r\n", ""},
    {"a trailer without colon", 400, "0\r\nabc\r\n\r\n", ""},
    {"a trailer with a space", 400, "0\r\nabc : d\r\n\r\n", ""},
    {"a folded trailer", 400, "0\r\nabc: d\r\n e\r\n\r\n", ""},
    {"a bare line feed at the end", 400, "0\r\n\n", ""},
    {"a bare line feed behind a trailer", 400, "0\r\na: b\n\r\n", ""},
};

static void every_chunked_body_has_its_outcome(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof chunked / sizeof *chunked; i++) {
        const struct chunk_case *it = &chunked[i];
        size_t bytes = strlen(it->text);
        int expected = it->status > 1 ? -it->status : it->status;
        for (size_t first = 1; first <= bytes; first++) {
            for (int every = 0; every < 2; every++) {
                char body[4096];
                size_t body_bytes, used;
                int result = read_chunks(it->text, bytes, first, every ? 1 : bytes, 100, body,
                                         &body_bytes, &used);
                if (result != expected)
                    fail_msg("%s: %d, not %d", it->name, result, expected);
                assert_int_equal(strlen(it->body), body_bytes);
                assert_memory_equal(it->body, body, body_bytes);
                if (result == VNI_HTTP_DONE)
                    assert_int_equal(bytes, used);
            }
        }
    }
}

static void extensions_and_trailers_have_limits(void **state) {
    static char text[16384], body[16384];
    size_t bytes, body_bytes, used;
    (void)state;
    bytes = (size_t)snprintf(text, sizeof text, "5;");
    memset(text + bytes, 'a', 5000);
    bytes += 5000;
    bytes += (size_t)snprintf(text + bytes, sizeof text - bytes, "\r\nhello\r\n0\r\n\r\n");
    assert_int_equal(-400, read_chunks(text, bytes, bytes, 1, 100, body, &body_bytes, &used));
    /* many chunks with small ones */
    for (bytes = 0; bytes < 12000;)
        bytes += (size_t)snprintf(text + bytes, sizeof text - bytes, "1;abcdef\r\nx\r\n");
    assert_int_equal(-400, read_chunks(text, bytes, bytes, 1, 10000, body, &body_bytes, &used));
    bytes = (size_t)snprintf(text, sizeof text, "0\r\n");
    for (int i = 0; i < 17; i++)
        bytes += (size_t)snprintf(text + bytes, sizeof text - bytes, "a: b\r\n");
    bytes += (size_t)snprintf(text + bytes, sizeof text - bytes, "\r\n");
    assert_int_equal(-431, read_chunks(text, bytes, bytes, 1, 100, body, &body_bytes, &used));
}

static void percent_signs_are_decoded(void **state) {
    static const struct {
        const char *in, *out; /* NULL: refused */
    } cases[] = {{"", ""},       {"abc", "abc"},   {"a%2Fb", "a/b"},      {"%41%6a", "Aj"},
                 {"%", NULL},    {"%4", NULL},     {"%4g", NULL},         {"%00", NULL},
                 {"a+b", "a+b"}, {"%2541", "%41"}, {"%c3%A9", "\xc3\xa9"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[32];
        ptrdiff_t bytes = vni_percent_decode(vni_text_of(cases[i].in), out);
        if (cases[i].out == NULL) {
            assert_int_equal(-1, bytes);
        } else {
            assert_int_equal(strlen(cases[i].out), bytes);
            assert_memory_equal(cases[i].out, out, (size_t)bytes);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_head_has_its_status),
        cmocka_unit_test(a_head_is_read_as_it_stands),
        cmocka_unit_test(connections_stay_open_as_asked),
        cmocka_unit_test(heads_have_limits),
        cmocka_unit_test(every_chunked_body_has_its_outcome),
        cmocka_unit_test(extensions_and_trailers_have_limits),
        cmocka_unit_test(percent_signs_are_decoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
