/* Bytes of a connection, with and without TLS. Descriptors report changes only (edge-triggered), so
 * a read or write that comes back short settles the flags that say whether another try is worth a
 * system call. */
#define _GNU_SOURCE
#include "net/server.h"

#include <errno.h>

ptrdiff_t vni_stream_read(vni_conn *conn, char *out, size_t room) {
    ptrdiff_t got;
    if (!conn->readable)
        return 0;
    if (conn->tls != NULL) {
        got = vni_tls_read(conn->tls, out, room);
        if (got == 0)
            conn->readable = 0;
    } else {
        do
            got = recv(conn->watch.fd, out, room, 0);
        while (got < 0 && errno == EINTR);
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            conn->readable = 0;
            return 0;
        }
        if (got == 0)
            got = -1;
        /* A short read has emptied the socket; only its end could still be waiting. */
        if (got > 0 && (size_t)got < room && !conn->hung_up)
            conn->readable = 0;
    }
    if (got > 0) {
        conn->window_bytes += (uint64_t)got;
        vni_count(&conn->home->server->counters.read_bytes, (uint64_t)got);
    }
    return got;
}

ptrdiff_t vni_stream_write(vni_conn *conn, const struct iovec *pieces, int count) {
    ptrdiff_t sent;
    if (!conn->writable)
        return 0;
    if (conn->tls != NULL) {
        while (count > 1 && pieces->iov_len == 0)
            pieces++, count--;
        sent = vni_tls_write(conn->tls, pieces->iov_base, pieces->iov_len);
        if (sent == 0)
            conn->writable = 0;
    } else {
        struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)pieces,
                                 .msg_iovlen = (size_t)count};
        do
            sent = sendmsg(conn->watch.fd, &message, MSG_NOSIGNAL);
        while (sent < 0 && errno == EINTR);
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            conn->writable = 0;
            return 0;
        }
    }
    if (sent > 0) {
        conn->sent_bytes += (uint64_t)sent;
        vni_count(&conn->home->server->counters.written_bytes, (uint64_t)sent);
    }
    return sent;
}
