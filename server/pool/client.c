/* HTTP to upstreams: one libcurl multi on the loop, by its socket interface, so that a transfer costs no
 * polling and no thread. What libcurl would do by itself and must not is switched off here and nowhere else:
 * other schemes than http and https, redirects (a server must not choose where a key goes), proxies of
 * the environment, ~/.netrc, cookies. Every answer is counted as it comes out of the decoder, so a small
 * compressed body cannot become a large one. Easy handles are kept with what all calls have in common;
 * connections belong to the multi and live on. */
#include "pool/pool_impl.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { IDLE_MOST = 64, FIRST_BYTES = 16384 };

typedef struct socket_watch {
    vni_watch watch; /* first: the loop hands it back */
    vni_client *client;
    struct socket_watch *next, *previous;
    int kept;    /* a connection of libcurl's, which says when it closes it */
    int waiting; /* libcurl wants to know of it now */
} socket_watch;

struct vni_client {
    vni_loop *loop;
    const vecna_allocator *allocator;
    CURLM *multi;
    vni_timer timer;
    vni_task kick; /* curl wants to run at once */
    int kicked;
    socket_watch *sockets;
    socket_watch **kept; /* by descriptor; those that open_socket opened */
    size_t kept_room;
    vni_transfer *active, *idle;
    size_t idle_count;
    int closing;
};

struct vni_transfer {
    vni_client *client;
    CURL *easy;
    struct curl_slist *headers;
    vni_transfer *next, *previous;
    void (*done)(void *user, const vni_reply *reply);
    void *user;
    char *body;
    size_t bytes, capacity, most;
    int too_large, no_memory;
    char reason[CURL_ERROR_SIZE];
};

/* ---- addresses --------------------------------------------------------------------------------- */

/* Link-local addresses and the metadata services of clouds give credentials to whoever asks. */
static int is_forbidden_address(const struct sockaddr *address) {
    if (address->sa_family == AF_INET) {
        struct in_addr in = ((const struct sockaddr_in *)(const void *)address)->sin_addr;
        return (ntohl(in.s_addr) >> 16) == 0xA9FEu || ntohl(in.s_addr) == 0x646464C8u;
    }
    if (address->sa_family == AF_INET6) {
        const unsigned char *in =
            ((const struct sockaddr_in6 *)(const void *)address)->sin6_addr.s6_addr;
        static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
        if (in[0] == 0xFE && (in[1] & 0xC0) == 0x80)
            return 1;
        if (in[0] == 0xFD && in[1] == 0x00 && in[2] == 0x0E && in[3] == 0xC2)
            return 1;
        return memcmp(in, mapped, 12) == 0 && in[12] == 169 && in[13] == 254;
    }
    return 1;
}

static int is_metadata_name(const char *host) {
    static const char *const names[] = {"metadata", "metadata.google.internal", "instance-data",
                                        "metadata.goog", "metadata.azure.com"};
    size_t bytes = strlen(host);
    while (bytes && host[bytes - 1] == '.')
        bytes--;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strlen(names[i]) == bytes && strncasecmp(names[i], host, bytes) == 0)
            return 1;
    return 0;
}

static int is_literal_forbidden(const char *host) {
    struct sockaddr_in four = {.sin_family = AF_INET};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    char bare[64];
    if (inet_pton(AF_INET, host, &four.sin_addr) == 1)
        return is_forbidden_address((const struct sockaddr *)(const void *)&four);
    if (host[0] != '[' || strlen(host) >= sizeof bare)
        return 0;
    snprintf(bare, sizeof bare, "%.*s", (int)strcspn(host + 1, "]%"), host + 1);
    return inet_pton(AF_INET6, bare, &six.sin6_addr) == 1 &&
           is_forbidden_address((const struct sockaddr *)(const void *)&six);
}

static vecna_status check_parts(CURLU *parsed, const char *url, vecna_error *err) {
    char *scheme = NULL, *host = NULL, *user = NULL, *query = NULL, *fragment = NULL;
    vecna_status status = VECNA_OK;
    int odd = 0;
    curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0);
    curl_url_get(parsed, CURLUPART_HOST, &host, 0);
    curl_url_get(parsed, CURLUPART_USER, &user, 0);
    curl_url_get(parsed, CURLUPART_QUERY, &query, 0);
    curl_url_get(parsed, CURLUPART_FRAGMENT, &fragment, 0);
    for (const char *at = url; *at; at++)
        odd |= *at <= ' ' || *at > '~' || *at == '"' || *at == '\\';
    if (odd)
        status = vecna_error_set(
            err, VECNA_ERR_ARGUMENT, -1,
            "the address holds a space, a quote or what is no ASCII; write it %%-encoded");
    else if (scheme == NULL || (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
        status = vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                                 "%s: only http:// and https:// can be asked", url);
    else if (host == NULL || host[0] == '\0')
        status = vecna_error_set(err, VECNA_ERR_ARGUMENT, -1, "%s names no host", url);
    else if (user)
        status = vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                                 "the address holds a user name; give the key as api_key");
    else if (query || fragment)
        status = vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                                 "the address ends behind its path: no ? and no #");
    else if (is_metadata_name(host) || is_literal_forbidden(host))
        status =
            vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                            "%s is a link-local or metadata address: no upstream is there", url);
    curl_free(scheme);
    curl_free(host);
    curl_free(user);
    curl_free(query);
    curl_free(fragment);
    return status;
}

vecna_status vni_url_check(const char *url, char **clean, vecna_error *err) {
    CURLU *parsed = curl_url();
    vecna_status status;
    char *text = NULL;
    size_t bytes;
    if (parsed == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for an address");
    if (curl_url_set(parsed, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK)
        status = vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                                 "\"%.100s\" is no address: http://HOST:PORT or https://HOST", url);
    else
        status = check_parts(parsed, url, err);
    if (status == VECNA_OK && curl_url_get(parsed, CURLUPART_URL, &text, 0) != CURLUE_OK)
        status = vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for an address");
    curl_url_cleanup(parsed);
    if (status != VECNA_OK)
        return status;
    bytes = strlen(text);
    while (bytes && text[bytes - 1] == '/')
        text[--bytes] = '\0';
    *clean = text;
    return VECNA_OK;
}

void vni_url_free(char *clean) {
    curl_free(clean);
}

int vni_url_is_local(const char *url) {
    static const char *const starts[] = {"http://127.", "http://localhost", "http://[::1]"};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++)
        if (strncmp(url, starts[i], strlen(starts[i])) == 0)
            return 1;
    return 0;
}

/* ---- libcurl on the loop ------------------------------------------------------------------------ */

static void finish(vni_transfer *transfer, CURLcode code);

static void collect(vni_client *client) {
    CURLMsg *message;
    int left;
    while (!client->closing && (message = curl_multi_info_read(client->multi, &left)) != NULL) {
        void *transfer = NULL;
        CURLcode code = message->data.result;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        finish(transfer, code);
    }
}

/* A connection stays in the loop's set between two calls: to take it out and put it in again would be two
 * system calls a request. What comes of it meanwhile (its end, as a rule) is libcurl's to find when it takes
 * it up again. */
static void on_socket(vni_watch *watch, unsigned events) {
    const socket_watch *one = (const socket_watch *)(const void *)watch;
    vni_client *client = one->client;
    int running, flags = 0;
    if (!one->waiting) {
        vni_watch_end(watch);
        return;
    }
    if (events & VNI_READ)
        flags |= CURL_CSELECT_IN;
    if (events & VNI_WRITE)
        flags |= CURL_CSELECT_OUT;
    if (events & VNI_HANGUP)
        flags |= CURL_CSELECT_ERR | CURL_CSELECT_IN;
    curl_multi_socket_action(client->multi, watch->fd, flags, &running);
    collect(client);
}

static void expire(vni_client *client) {
    int running;
    curl_multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    collect(client);
}

static void on_timer(vni_timer *timer) {
    expire((vni_client *)(void *)((char *)timer - offsetof(vni_client, timer)));
}

static void on_kick(vni_task *task) {
    vni_client *client = (vni_client *)(void *)((char *)task - offsetof(vni_client, kick));
    client->kicked = 0;
    if (client->multi)
        expire(client);
    else /* it was freed with its kick still to come */
        vecna_release(client->allocator, client);
}

static int curl_timer(CURLM *multi, long ms, void *user) {
    vni_client *client = user;
    (void)multi;
    if (ms < 0) {
        vni_timer_stop(&client->timer);
    } else if (ms == 0) {
        if (!client->kicked) {
            client->kicked = 1;
            vni_loop_defer(client->loop, &client->kick);
        }
    } else {
        vni_timer_start(client->loop, &client->timer, (uint64_t)ms);
    }
    return 0;
}

static socket_watch *watch_socket(vni_client *client, int fd) {
    socket_watch *one = vecna_allocate_zero(client->allocator, 1, sizeof *one);
    if (one == NULL)
        return NULL;
    one->client = client;
    one->watch.fd = fd;
    one->watch.ready = on_socket;
    one->next = client->sockets;
    if (one->next)
        one->next->previous = one;
    client->sockets = one;
    return one;
}

static void drop_socket(vni_client *client, socket_watch *one) {
    vni_watch_end(&one->watch);
    if (one->next)
        one->next->previous = one->previous;
    if (one->previous)
        one->previous->next = one->next;
    else
        client->sockets = one->next;
    vecna_release(client->allocator, one);
}

/* libcurl waits no longer for this socket. */
static void leave_socket(vni_client *client, socket_watch *one) {
    one->waiting = 0;
    if (!one->kept) {
        curl_multi_assign(client->multi, one->watch.fd, NULL);
        drop_socket(client, one);
    } else if (one->watch.events != VNI_READ) {
        vni_watch_end(&one->watch);
    }
}

static int curl_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *mine) {
    vni_client *client = user;
    socket_watch *one = mine ? mine : (size_t)fd < client->kept_room ? client->kept[fd] : NULL;
    unsigned events = what == CURL_POLL_IN    ? VNI_READ
                      : what == CURL_POLL_OUT ? VNI_WRITE
                                              : VNI_READ | VNI_WRITE;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (one)
            leave_socket(client, one);
        return 0;
    }
    if (one == NULL) { /* not a connection: what wakes it when a name is resolved */
        one = watch_socket(client, fd);
        if (one == NULL)
            return -1;
        curl_multi_assign(client->multi, fd, one);
    }
    one->waiting = 1;
    return vni_watch_set(client->loop, &one->watch, events, NULL) == VECNA_OK ? 0 : -1;
}

/* Place for the watch of descriptor fd. */
static int make_room(vni_client *client, size_t fd) {
    size_t room = client->kept_room ? client->kept_room : 64;
    socket_watch **grown;
    if (fd < client->kept_room)
        return 1;
    while (room <= fd)
        room *= 2;
    grown = vecna_resize(client->allocator, client->kept, room, sizeof(socket_watch *));
    if (grown == NULL)
        return 0;
    for (size_t i = client->kept_room; i < room; i++)
        grown[i] = NULL;
    client->kept = grown;
    client->kept_room = room;
    return 1;
}

static curl_socket_t open_socket(void *user, curlsocktype purpose, struct curl_sockaddr *address) {
    vni_client *client = user;
    socket_watch *one;
    int fd;
    (void)purpose;
    if (is_forbidden_address(&address->addr))
        return CURL_SOCKET_BAD;
    fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd < 0)
        return CURL_SOCKET_BAD;
    one = make_room(client, (size_t)fd) ? watch_socket(client, fd) : NULL;
    if (one == NULL) {
        close(fd);
        return CURL_SOCKET_BAD;
    }
    one->kept = 1;
    client->kept[fd] = one;
    return fd;
}

static int close_socket(void *user, curl_socket_t fd) {
    vni_client *client = user;
    if ((size_t)fd < client->kept_room && client->kept[fd]) {
        drop_socket(client, client->kept[fd]);
        client->kept[fd] = NULL;
    }
    return close(fd);
}

vecna_status vni_client_new(vni_loop *loop, const vecna_allocator *allocator, vni_client **out,
                            vecna_error *err) {
    vni_client *client = vecna_allocate_zero(allocator, 1, sizeof *client);
    if (client == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for the HTTP client");
    curl_global_init(CURL_GLOBAL_DEFAULT);
    client->multi = curl_multi_init();
    if (client->multi == NULL) {
        vecna_release(allocator, client);
        return vecna_error_set(err, VECNA_ERR_LIBRARY, -1, "libcurl cannot start");
    }
    client->loop = loop;
    client->allocator = allocator;
    client->timer.fire = on_timer;
    client->kick.run = on_kick;
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, curl_socket);
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, curl_timer);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, 256L);
    *out = client;
    return VECNA_OK;
}

/* ---- transfers ---------------------------------------------------------------------------------- */

static void unlink_transfer(vni_transfer *transfer) {
    vni_client *client = transfer->client;
    if (transfer->next)
        transfer->next->previous = transfer->previous;
    if (transfer->previous)
        transfer->previous->next = transfer->next;
    else
        client->active = transfer->next;
}

/* Back to the idle ones, or freed. */
static void retire(vni_transfer *transfer) {
    vni_client *client = transfer->client;
    curl_multi_remove_handle(client->multi, transfer->easy);
    curl_slist_free_all(transfer->headers);
    transfer->headers = NULL;
    vecna_release(client->allocator, transfer->body);
    transfer->body = NULL;
    transfer->bytes = transfer->capacity = 0;
    unlink_transfer(transfer);
    if (client->closing || client->idle_count >= IDLE_MOST) {
        curl_easy_cleanup(transfer->easy);
        vecna_release(client->allocator, transfer);
        return;
    }
    curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, NULL); /* they and the body are gone */
    curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDS, NULL);
    transfer->next = client->idle;
    client->idle = transfer;
    client->idle_count++;
}

void vni_client_free(vni_client *client) {
    if (client == NULL)
        return;
    client->closing = 1;
    while (client->active)
        retire(client->active);
    while (client->idle) {
        vni_transfer *transfer = client->idle;
        client->idle = transfer->next;
        curl_easy_cleanup(transfer->easy);
        vecna_release(client->allocator, transfer);
    }
    vni_timer_stop(&client->timer);
    curl_multi_cleanup(client->multi);
    client->multi = NULL;
    while (client->sockets)
        drop_socket(client, client->sockets);
    vecna_release(client->allocator, client->kept);
    vni_timer_stop(&client->timer);
    if (!client->kicked)
        vecna_release(client->allocator, client);
}

static size_t on_data(char *data, size_t size, size_t count, void *user) {
    vni_transfer *transfer = user;
    size_t bytes = size * count;
    if (bytes > transfer->most - transfer->bytes) {
        transfer->too_large = 1;
        return 0;
    }
    if (bytes > transfer->capacity - transfer->bytes) {
        size_t capacity = transfer->capacity ? transfer->capacity : FIRST_BYTES;
        char *grown;
        curl_off_t announced = -1;
        if (transfer->capacity == 0)
            curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
        if (announced > 0 && (uint64_t)announced <= transfer->most)
            capacity = (size_t)announced;
        while (capacity - transfer->bytes < bytes)
            capacity = capacity > transfer->most / 2 ? transfer->most : capacity * 2;
        grown = vecna_resize(transfer->client->allocator, transfer->body, capacity, 1);
        if (grown == NULL) {
            transfer->no_memory = 1;
            return 0;
        }
        transfer->body = grown;
        transfer->capacity = capacity;
    }
    memcpy(transfer->body + transfer->bytes, data, bytes);
    transfer->bytes += bytes;
    return bytes;
}

static vni_fault fault_of(const vni_transfer *transfer, CURLcode code) {
    if (transfer->too_large)
        return VNI_FAULT_TOO_LARGE;
    if (transfer->no_memory)
        return VNI_FAULT_MEMORY;
    switch (code) {
    case CURLE_OK:
        return VNI_FAULT_NONE;
    case CURLE_OPERATION_TIMEDOUT:
        return VNI_FAULT_TIMEOUT;
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
        return VNI_FAULT_CONNECT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        return VNI_FAULT_TLS;
    case CURLE_OUT_OF_MEMORY:
        return VNI_FAULT_MEMORY;
    default:
        return VNI_FAULT_BROKEN;
    }
}

/* "Retry-After: 5" or a date, "retry-after-ms: 500": milliseconds, -1 when there is none. */
static int64_t retry_after(CURL *easy) {
    struct curl_header *header;
    char *end;
    if (curl_easy_header(easy, "retry-after-ms", 0, CURLH_HEADER, -1, &header) == CURLHE_OK) {
        double ms = strtod(header->value, &end);
        if (end != header->value && ms >= 0 && ms < 1e9)
            return (int64_t)ms;
    }
    if (curl_easy_header(easy, "retry-after", 0, CURLH_HEADER, -1, &header) == CURLHE_OK) {
        double seconds = strtod(header->value, &end);
        time_t date;
        if (end != header->value && *end == '\0')
            return seconds >= 0 && seconds < 1e6 ? (int64_t)(seconds * 1000) : -1;
        date = curl_getdate(header->value, NULL);
        if (date > 0)
            return date > time(NULL) ? (int64_t)(date - time(NULL)) * 1000 : 0;
    }
    return -1;
}

static void finish(vni_transfer *transfer, CURLcode code) {
    vni_reply reply;
    long status = 0;
    char *type = NULL;
    curl_off_t wait = 0;
    void (*done)(void *, const vni_reply *) = transfer->done;
    void *user = transfer->user;

    memset(&reply, 0, sizeof reply);
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_TYPE, &type);
    curl_easy_getinfo(transfer->easy, CURLINFO_TOTAL_TIME_T, &wait);
    reply.fault = fault_of(transfer, code);
    reply.status = (int)status;
    reply.retry_after_ms = retry_after(transfer->easy);
    reply.total_us = (uint64_t)wait;
    reply.body = transfer->body ? transfer->body : "";
    reply.bytes = transfer->bytes;
    snprintf(reply.content_type, sizeof reply.content_type, "%s", type ? type : "");
    if (reply.fault != VNI_FAULT_NONE)
        snprintf(reply.reason, sizeof reply.reason, "%.255s",
                 transfer->too_large   ? "the answer is larger than it may be"
                 : transfer->reason[0] ? transfer->reason
                                       : curl_easy_strerror(code));
    reply.transfer = transfer;
    transfer->done = NULL;
    done(user, &reply);
    retire(transfer);
}

char *vni_reply_take_body(const vni_reply *reply) {
    vni_transfer *transfer = reply->transfer;
    char *body = transfer->body;
    transfer->body = NULL;
    transfer->bytes = transfer->capacity = 0;
    return body;
}

void vni_body_free(const vni_client *client, char *body) {
    vecna_release(client->allocator, body);
}

/* What every call has in common, once for a handle: libcurl takes copies of the texts, and looks through
 * all its schemes for two of them. */
static void set_options(vni_transfer *transfer) {
    CURL *easy = transfer->easy;
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "vecna/" VECNA_VERSION);
    curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 65536L);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer->client);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, transfer->client);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->reason);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
}

static vni_transfer *take_transfer(vni_client *client) {
    vni_transfer *transfer = client->idle;
    if (transfer) {
        client->idle = transfer->next;
        client->idle_count--;
    } else {
        transfer = vecna_allocate_zero(client->allocator, 1, sizeof *transfer);
        if (transfer == NULL)
            return NULL;
        transfer->client = client;
        transfer->easy = curl_easy_init();
        if (transfer->easy == NULL) {
            vecna_release(client->allocator, transfer);
            return NULL;
        }
        set_options(transfer);
    }
    transfer->previous = NULL;
    transfer->next = client->active;
    if (transfer->next)
        transfer->next->previous = transfer;
    client->active = transfer;
    return transfer;
}

/* What differs from call to call; the handle keeps the rest. */
static void set_call(vni_transfer *transfer, const vni_request *request) {
    CURL *easy = transfer->easy;
    curl_easy_setopt(easy, CURLOPT_URL, request->url);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)request->connect_ms);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers);
    if (request->body) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->bytes);
    } else {
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    }
}

static int add_header(vni_transfer *transfer, const char *line) {
    struct curl_slist *longer = curl_slist_append(transfer->headers, line);
    if (longer == NULL)
        return 0;
    transfer->headers = longer;
    return 1;
}

vecna_status vni_client_send(vni_client *client, const vni_request *request, vni_transfer **out,
                             vecna_error *err) {
    vni_transfer *transfer = take_transfer(client);
    int good = transfer != NULL;
    if (!good)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a call");
    transfer->done = request->done;
    transfer->user = request->user;
    transfer->most = request->answer_bytes_max;
    transfer->too_large = transfer->no_memory = 0;
    transfer->reason[0] = '\0';
    /* A server beside us would only burn the processor that it embeds with. */
    if (vni_url_is_local(request->url))
        good = add_header(transfer, "Accept-Encoding: identity");
    if (good && request->body)
        good = add_header(transfer, "Content-Type: application/json") &&
               add_header(transfer, "Expect:");
    for (size_t i = 0; good && i < VNI_REQUEST_HEADERS && request->headers[i]; i++)
        good = add_header(transfer, request->headers[i]);
    if (good) {
        set_call(transfer, request);
        good = curl_multi_add_handle(client->multi, transfer->easy) == CURLM_OK;
    }
    if (!good) {
        retire(transfer);
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a call");
    }
    *out = transfer;
    return VECNA_OK;
}

void vni_transfer_cancel(vni_transfer *transfer) {
    if (transfer)
        retire(transfer);
}
