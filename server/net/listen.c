/* Where the server listens: one socket a loop on the same address (SO_REUSEPORT), so the kernel deals
 * connections out and no loop waits for another. SO_REUSEPORT would also let a second server of the
 * same user take half of the connections in silence; so the address is first bound without it, which
 * fails when anybody has it. */
#define _GNU_SOURCE
#include "net/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- addresses of clients ------------------------------------------------------------------------------- */

/* IPv6 form of either family. */
void vni_address_bytes(const struct sockaddr_storage *from, unsigned char out[16]) {
    static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    memset(out, 0, 16);
    if (from->ss_family == AF_INET) {
        memcpy(out, mapped, 12);
        memcpy(out + 12, &((const struct sockaddr_in *)(const void *)from)->sin_addr, 4);
    } else if (from->ss_family == AF_INET6) {
        memcpy(out, &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr, 16);
    }
}

static int is_mapped(const unsigned char address[16]) {
    static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return memcmp(address, mapped, 12) == 0;
}

void vni_address_text(const unsigned char address[16], char *out, size_t room) {
    if (inet_ntop(is_mapped(address) ? AF_INET : AF_INET6, address + (is_mapped(address) ? 12 : 0),
                  out, (socklen_t)room) == NULL)
        out[0] = 0;
}

/* ---- shares ------------------------------------------------------------------------------------------------ */

int vni_shares_open(vni_shares *shares, const vecna_allocator *allocator, size_t most) {
    size_t slots = 64;
    while (slots < most * 2)
        slots *= 2;
    shares->slots = vecna_allocate_zero(allocator, slots, sizeof *shares->slots);
    shares->mask = slots - 1;
    pthread_mutex_init(&shares->lock, NULL);
    return shares->slots != NULL;
}

void vni_shares_close(vni_shares *shares, const vecna_allocator *allocator) {
    pthread_mutex_destroy(&shares->lock);
    vecna_release(allocator, shares->slots);
}

/* Home of an address. Whole IPv6 networks belong to one user, so their first half counts. */
static size_t slot_of(const vni_shares *shares, const unsigned char key[16]) {
    uint64_t high, low;
    memcpy(&high, key, 8);
    memcpy(&low, key + 8, 8);
    high = (high ^ low * 0x9e3779b97f4a7c15u) * 0xbf58476d1ce4e5b9u;
    return (size_t)(high ^ high >> 29) & shares->mask;
}

static void key_of(const unsigned char address[16], unsigned char key[16]) {
    memcpy(key, address, 16);
    if (!is_mapped(address))
        memset(key + 8, 0, 8);
}

static size_t find(const vni_shares *shares, const unsigned char key[16]) {
    size_t at = slot_of(shares, key);
    while (shares->slots[at].count > 0 && memcmp(shares->slots[at].address, key, 16) != 0)
        at = (at + 1) & shares->mask;
    return at;
}

int vni_shares_take(vni_shares *shares, const unsigned char address[16], size_t most) {
    unsigned char key[16];
    int taken;
    size_t at;
    key_of(address, key);
    pthread_mutex_lock(&shares->lock);
    at = find(shares, key);
    taken = shares->slots[at].count < most;
    if (taken) {
        memcpy(shares->slots[at].address, key, 16);
        shares->slots[at].count++;
    }
    pthread_mutex_unlock(&shares->lock);
    return taken;
}

/* An emptied slot is filled again from behind, so that no search breaks off early. */
void vni_shares_give(vni_shares *shares, const unsigned char address[16]) {
    unsigned char key[16];
    size_t hole, at;
    key_of(address, key);
    pthread_mutex_lock(&shares->lock);
    hole = find(shares, key);
    if (shares->slots[hole].count > 0 && --shares->slots[hole].count == 0) {
        for (at = (hole + 1) & shares->mask; shares->slots[at].count > 0;
             at = (at + 1) & shares->mask) {
            size_t home = slot_of(shares, shares->slots[at].address);
            if (((at - home) & shares->mask) >= ((at - hole) & shares->mask)) {
                shares->slots[hole] = shares->slots[at];
                shares->slots[at].count = 0;
                hole = at;
            }
        }
    }
    pthread_mutex_unlock(&shares->lock);
}

/* ---- listening ------------------------------------------------------------------------------------------------ */

/* "HOST:PORT", "[V6]:PORT" or ":PORT" in two. */
static vecna_status split(const char *listen_on, char *host, size_t room, const char **port,
                          vecna_error *err) {
    const char *colon = strrchr(listen_on, ':'), *from = listen_on, *to = colon;
    char *end;
    unsigned long number;
    if (colon == NULL || colon[1] == 0)
        goto bad;
    if (*from == '[') {
        if (to == from || to[-1] != ']')
            goto bad;
        from++, to--;
    } else if (memchr(from, ':', (size_t)(to - from)) != NULL) {
        goto bad;
    }
    if ((size_t)(to - from) >= room)
        goto bad;
    number = strtoul(colon + 1, &end, 10);
    if (*end != 0 || number > 65535 || colon[1] < '0' || colon[1] > '9')
        goto bad;
    memcpy(host, from, (size_t)(to - from));
    host[to - from] = 0;
    *port = colon + 1;
    return VECNA_OK;
bad:
    return vecna_error_set(
        err, VECNA_ERR_ARGUMENT, -1,
        "cannot listen on '%s': write HOST:PORT, as 127.0.0.1:8484 or [::1]:8484", listen_on);
}

static int is_loopback(const struct sockaddr *address) {
    if (address->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr) >> 24 ==
               127;
    return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
}

/* A bound socket, listening unless it is only a try; -1 with errno. */
static int bound_socket(const struct addrinfo *info, const struct sockaddr *address, int try_only) {
    int one = 1, zero = 0, saved;
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (!try_only)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
    if (info->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
    if (bind(fd, address, info->ai_addrlen) == 0 && (try_only || listen(fd, 4096) == 0))
        return fd;
    saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static void say_address(vni_server *server, const struct sockaddr_storage *bound) {
    unsigned char bytes[16];
    char text[48];
    vni_address_bytes(bound, bytes);
    vni_address_text(bytes, text, sizeof text);
    server->port = ntohs(bound->ss_family == AF_INET
                             ? ((const struct sockaddr_in *)(const void *)bound)->sin_port
                             : ((const struct sockaddr_in6 *)(const void *)bound)->sin6_port);
    snprintf(server->address, sizeof server->address,
             bound->ss_family == AF_INET ? "%s:%u" : "[%s]:%u", text, server->port);
}

/* A socket for every loop. */
static int open_all(vni_server *server, const struct addrinfo *info) {
    struct sockaddr_storage bound;
    socklen_t length = info->ai_addrlen;
    int probe = bound_socket(info, info->ai_addr, 1), saved;
    if (probe < 0)
        return 0;
    memset(&bound, 0, sizeof bound);
    getsockname(probe, (struct sockaddr *)&bound, &length);
    close(probe);
    say_address(server, &bound);
    server->is_local = is_loopback((struct sockaddr *)&bound);
    for (size_t i = 0; i < server->loops; i++) {
        int fd = bound_socket(info, (struct sockaddr *)&bound, 0);
        if (fd < 0) {
            saved = errno;
            while (i-- > 0) {
                close(server->homes[i].listener.fd);
                server->homes[i].listener.fd = -1;
            }
            errno = saved;
            return 0;
        }
        server->homes[i].listener.fd = fd;
    }
    return 1;
}

/* The addresses behind the text, for freeaddrinfo. */
static vecna_status resolve(const char *listen_on, struct addrinfo **list, vecna_error *err) {
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    char host[256];
    const char *port = "";
    int failed;
    vecna_status status = split(listen_on, host, sizeof host, &port, err);
    if (status != VECNA_OK)
        return status;
    failed = getaddrinfo(host[0] == 0 ? NULL : host, port, &hints, list);
    if (failed != 0)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1, "cannot listen on '%s': %s", listen_on,
                               gai_strerror(failed));
    return VECNA_OK;
}

vecna_status vni_listen_check(const char *listen_on, vecna_error *err) {
    struct addrinfo *list = NULL;
    vecna_status status = resolve(listen_on, &list, err);
    if (status == VECNA_OK)
        freeaddrinfo(list);
    return status;
}

vecna_status vni_listen_open(vni_server *server, vecna_error *err) {
    struct addrinfo *list = NULL;
    const char *listen_on = server->options.listen;
    int reason = 0;
    vecna_status status = resolve(listen_on, &list, err);
    if (status != VECNA_OK)
        return status;
    status = VECNA_ERR_IO;
    for (const struct addrinfo *info = list; info != NULL && status != VECNA_OK;
         info = info->ai_next) {
        if (open_all(server, info))
            status = VECNA_OK;
        else if (reason == 0)
            reason = errno;
    }
    freeaddrinfo(list);
    if (status == VECNA_OK)
        return VECNA_OK;
    if (reason == EADDRINUSE)
        return vecna_error_set(
            err, VECNA_ERR_IO, -1,
            "cannot listen on %s: another program does; stop it or choose another port", listen_on);
    return vecna_error_set(err, VECNA_ERR_IO, -1, "cannot listen on %s: %s", listen_on,
                           strerror(reason));
}
