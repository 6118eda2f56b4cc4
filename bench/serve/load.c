/* A load generator of one thread. Closed loop: each connection asks again when it is answered. Open loop
 * (--rate): requests are due at fixed times, and a latency counts from when the request was due, so that a
 * server that stalls pays for the requests it kept from being sent.
 *
 * Eight at signs in the body become a number that counts up from the microseconds of the clock, so that no two
 * requests, of this run or of those before, ask for the same text and no cache can answer.
 *
 *   load PORT PATH BODY-FILE [--connections N] [--seconds S] [--rate R] [--header "Name: value"]
 *
 * Prints one JSON object: requests, errors (status other than 200, or a broken answer), seconds, per_second, and
 * p50, p90, p99, max in microseconds. */
#define _GNU_SOURCE
#include "bench/bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST = 1 << 22, BUFFER = 1 << 18 };

typedef struct client {
    int fd, busy;
    size_t sent;    /* of the request */
    uint64_t start; /* ns, when it was due */
    /* the answer */
    int in_body, chunked, status, closes;
    uint64_t left; /* of the body or the chunk */
    char head[4096];
    size_t head_bytes;
    int chunk_state; /* 0 size, 1 data, 2 end of data, 3 last line */
    char *request;
} client;

static char *request; /* each client has a copy */
static size_t request_bytes, number_at, number;
static double *times; /* us */
static size_t time_count, errors;
static struct sockaddr_in server;
static int epoll_fd;
static char buffer[BUFFER];

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void die(const char *what) {
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void dial(client *it) {
    int one = 1;
    struct epoll_event event = {EPOLLIN | EPOLLOUT | EPOLLET, {it}};
    if (it->fd > 0)
        close(it->fd);
    it->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (it->fd < 0 || connect(it->fd, (struct sockaddr *)&server, sizeof server) != 0)
        die("connect");
    setsockopt(it->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    event.events = EPOLLIN | EPOLLOUT | EPOLLET;
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, it->fd, &event) != 0)
        die("epoll_ctl");
}

static void push(client *it) {
    while (it->sent < request_bytes) {
        ssize_t sent = send(it->fd, it->request + it->sent, request_bytes - it->sent,
                            MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0)
            return;
        it->sent += (size_t)sent;
    }
}

static void begin(client *it, uint64_t due) {
    it->busy = 1;
    it->sent = it->head_bytes = 0;
    it->in_body = it->chunk_state = 0;
    it->start = due;
    if (number_at > 0) {
        char digits[16];
        snprintf(digits, sizeof digits, "%08zu", number++ % 100000000);
        memcpy(it->request + number_at, digits, 8);
    }
    push(it);
}

static void finish(client *it, int good) {
    it->busy = 0;
    if (!good || it->status != 200)
        errors++;
    if (time_count < MOST)
        times[time_count++] = (double)(now_ns() - it->start) * 1e-3;
    if (!good || it->closes)
        dial(it);
}

/* The head is complete. */
static void read_head(client *it) {
    const char *length;
    it->head[it->head_bytes] = 0;
    it->status = atoi(it->head + 9);
    it->in_body = 1;
    it->closes = strcasestr(it->head, "\r\nconnection: close") != NULL;
    length = strcasestr(it->head, "\r\ncontent-length:");
    it->chunked = length == NULL;
    it->left = length == NULL ? 0 : strtoull(length + 17, NULL, 10);
    it->head_bytes = 0;
}

/* Lines between the data of chunks, gathered in `head`. 1 when the body is over. */
static int read_chunk_line(client *it, char c) {
    if (c != '\n') {
        if (c != '\r' && it->head_bytes < 32)
            it->head[it->head_bytes++] = c;
        return 0;
    }
    it->head[it->head_bytes] = 0;
    it->head_bytes = 0;
    if (it->chunk_state == 3)
        return 1;
    if (it->chunk_state == 2) {
        it->chunk_state = 0;
        return 0;
    }
    it->left = strtoull(it->head, NULL, 16);
    it->chunk_state = it->left == 0 ? 3 : 1;
    return 0;
}

/* 1 when an answer ended in these bytes (nothing is pipelined, so they end there too). */
static int take(client *it, const char *at, size_t bytes) {
    const char *end = at + bytes;
    while (at < end) {
        if (!it->in_body) {
            if (it->head_bytes < sizeof it->head - 1)
                it->head[it->head_bytes++] = *at;
            at++;
            if (it->head_bytes >= 4 && memcmp(it->head + it->head_bytes - 4, "\r\n\r\n", 4) == 0) {
                read_head(it);
                if (!it->chunked && it->left == 0)
                    return 1;
            }
        } else if (!it->chunked || it->chunk_state == 1) {
            size_t part = (size_t)(end - at) < it->left ? (size_t)(end - at) : (size_t)it->left;
            at += part;
            it->left -= part;
            if (it->left == 0 && !it->chunked)
                return 1;
            if (it->left == 0)
                it->chunk_state = 2;
        } else if (read_chunk_line(it, *at++)) {
            return 1;
        }
    }
    return 0;
}

static void ready(client *it) {
    if (it->busy && it->sent < request_bytes)
        push(it);
    for (;;) {
        ssize_t got = recv(it->fd, buffer, sizeof buffer, MSG_DONTWAIT);
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0) {
            if (it->busy)
                finish(it, 0);
            else
                dial(it);
            return;
        }
        if (it->busy && take(it, buffer, (size_t)got)) {
            finish(it, 1);
            return;
        }
    }
}

static void make_request(const char *port, const char *path, const char *file, const char *header) {
    FILE *in = fopen(file, "rb");
    char *body = malloc(1 << 26);
    size_t bytes, room;
    if (in == NULL || body == NULL)
        die(file);
    bytes = fread(body, 1, 1 << 26, in);
    fclose(in);
    room = bytes + 1024 + strlen(header);
    request = malloc(room);
    if (request == NULL)
        die("memory");
    request_bytes = (size_t)snprintf(
        request, room,
        "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nContent-Type: application/json\r\n"
        "Accept-Encoding: gzip, deflate\r\n%s%sContent-Length: %zu\r\n\r\n",
        path, port, header, header[0] ? "\r\n" : "", bytes);
    memcpy(request + request_bytes, body, bytes);
    request_bytes += bytes;
    for (size_t i = 0; i + 8 <= request_bytes; i++)
        if (memcmp(request + i, "@@@@@@@@", 8) == 0)
            number_at = i;
    free(body);
}

static void report(double seconds) {
    qsort(times, time_count, sizeof *times, bench_ascending);
#define AT(share) (time_count ? times[(size_t)((double)(time_count - 1) * (share))] : 0)
    printf("{\"requests\":%zu,\"errors\":%zu,\"seconds\":%.3f,\"per_second\":%.1f,\"p50\":%.1f,"
           "\"p90\":%.1f,"
           "\"p99\":%.1f,\"max\":%.1f}\n",
           time_count, errors, seconds, (double)time_count / seconds, AT(0.5), AT(0.9), AT(0.99),
           AT(1.0));
}

/* The next free client; NULL when all are busy. */
static client *idle_client(client *clients, size_t count, size_t *next) {
    for (size_t i = 0; i < count; i++) {
        client *it = &clients[(*next + i) % count];
        if (!it->busy) {
            *next = (*next + i + 1) % count;
            return it;
        }
    }
    return NULL;
}

static void run(client *clients, size_t count, double seconds, double rate) {
    uint64_t start = now_ns(), end = start + (uint64_t)(seconds * 1e9), due = start;
    uint64_t step = rate > 0 ? (uint64_t)(1e9 / rate) : 0;
    size_t next = 0, busy = 1;
    struct epoll_event events[256];
    if (rate == 0)
        for (size_t i = 0; i < count; i++)
            begin(&clients[i], now_ns());
    for (uint64_t now = start; now < end || (busy > 0 && now < end + 5000000000u); now = now_ns()) {
        int wait_ms = 50, ready_count;
        client *it;
        while (rate > 0 && now < end && due <= now &&
               (it = idle_client(clients, count, &next)) != NULL) {
            begin(it, due);
            due += step;
        }
        if (rate > 0 && now < end)
            wait_ms = 0; /* a sleep of a millisecond would be the largest error of all */
        ready_count = epoll_wait(epoll_fd, events, 256, wait_ms);
        for (int i = 0; i < ready_count; i++)
            ready(events[i].data.ptr);
        busy = 0;
        for (size_t i = 0; i < count; i++) {
            if (rate == 0 && !clients[i].busy && now < end)
                begin(&clients[i], now_ns());
            busy += (size_t)clients[i].busy;
        }
    }
    report((double)(now_ns() - start) * 1e-9);
}

int main(int argc, char **argv) {
    size_t count = 1;
    double seconds = 2, rate = 0;
    const char *header = "";
    client *clients;
    if (argc < 4) {
        fprintf(
            stderr,
            "load PORT PATH BODY-FILE [--connections N] [--seconds S] [--rate R] [--header H]\n");
        return 2;
    }
    for (int i = 4; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--connections") == 0)
            count = strtoul(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--seconds") == 0)
            seconds = atof(argv[i + 1]);
        else if (strcmp(argv[i], "--rate") == 0)
            rate = atof(argv[i + 1]);
        else if (strcmp(argv[i], "--header") == 0)
            header = argv[i + 1];
    }
    server.sin_family = AF_INET;
    server.sin_port = htons((uint16_t)atoi(argv[1]));
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    make_request(argv[1], argv[2], argv[3], header);
    times = malloc(MOST * sizeof *times);
    clients = calloc(count, sizeof *clients);
    epoll_fd = epoll_create1(0);
    if (times == NULL || clients == NULL || epoll_fd < 0)
        die("memory");
    for (size_t i = 0; i < count; i++) {
        clients[i].request = malloc(request_bytes);
        if (clients[i].request == NULL)
            die("memory");
        memcpy(clients[i].request, request, request_bytes);
        dial(&clients[i]);
    }
    number = (size_t)(now_ns() / 1000 % 100000000);
    run(clients, count, seconds, rate);
    return 0;
}
