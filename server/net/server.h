/* What the files of net share about servers, connections and exchanges. */
#ifndef VNI_NET_SERVER_H
#define VNI_NET_SERVER_H

#include "net/http1.h"
#include "net/loop.h"

#include <pthread.h>
#include <sys/socket.h>
#include <sys/uio.h>

typedef struct vni_conn vni_conn;
typedef struct vni_call vni_call;
typedef struct vni_home vni_home;
typedef struct vni_tls vni_tls;           /* the server's certificate */
typedef struct vni_tls_conn vni_tls_conn; /* one connection's state */

/* Counts as they are kept; written by many loops, read by anyone. */
typedef struct vni_counters {
    atomic_uint_fast64_t accepted, open, idle, refused, requests, in_flight, malformed, too_large,
        timed_out, gone, read_bytes, written_bytes, body_bytes, tls_failures;
} vni_counters;

static inline void vni_count(atomic_uint_fast64_t *counter, uint64_t more) {
    atomic_fetch_add_explicit(counter, more, memory_order_relaxed);
}
static inline void vni_uncount(atomic_uint_fast64_t *counter, uint64_t less) {
    atomic_fetch_sub_explicit(counter, less, memory_order_relaxed);
}

/* Connections per address: open addressing, a power of two of slots, under a lock (taken once when a
 * connection comes and once when it goes). */
typedef struct vni_shares {
    pthread_mutex_t lock;
    struct vni_share {
        unsigned char address[16];
        uint32_t count;
    } * slots;
    size_t mask;
} vni_shares;

struct vni_server {
    const vecna_allocator *allocator;
    vni_server_options options;
    char *strings; /* copies of the options' */
    pthread_mutex_t limits_lock;
    pthread_cond_t changed; /* a loop has begun */
    vni_limits limits;      /* behind the lock; each loop keeps a copy */
    size_t page_bytes;
    vni_counters counters;
    vni_shares shares;
    vni_tls *tls;
    vni_home *homes;
    size_t loops;
    atomic_int stops; /* 0 serve, 1 drain, 2 end now */
    atomic_uint_fast64_t next_id;
    vni_watch signals; /* in loop 0 */
    char address[80];
    unsigned port;
    int is_local;
};

/* A loop's part of a server. */
struct vni_home {
    vni_server *server;
    vni_loop *loop;
    vni_limits limits;
    vni_watch listener;
    vni_timer accept_again, drain_end;
    vni_conn *conns; /* all open ones */
    vni_call *calls; /* free exchanges, `next` linked */
    void *pages;     /* free pages, linked through their first word */
    size_t free_calls, free_pages;
    size_t busy_calls, busy_conns; /* not yet ended, not yet freed */
    vni_task drain_task, end_task, limits_task;
    int limits_posted; /* behind the server's lock */
    int stops;
    int64_t date_s;
    char date[64];
    pthread_t thread;
    int has_thread;
    vecna_status status; /* of the start */
    vecna_error error;
    int ready; /* 1 begun, -1 failed; behind the server's lock */
};

typedef enum vni_phase {
    VNI_AT_HANDSHAKE,
    VNI_AT_IDLE, /* between requests */
    VNI_AT_HEAD, /* a request has begun */
    VNI_AT_BODY,
    VNI_AT_HANDLING, /* the handler has it */
    VNI_AT_SENDING,
    VNI_AT_LINGER, /* the answer is out, what still comes is thrown away */
    VNI_AT_DEAD
} vni_phase;

struct vni_conn {
    vni_watch watch;
    vni_timer timer;
    vni_task task;
    vni_home *home;
    vni_conn *next, *previous;
    vni_tls_conn *tls;
    vni_call *call;
    char *page; /* what was read and not yet used: page[in_at .. in_end) */
    size_t in_at, in_end;
    uint64_t window_bytes;            /* read since the timer's last look */
    uint64_t sent_bytes, taken_bytes; /* written in all; taken by the client at that look */
    unsigned requests;
    uint8_t phase;
    uint8_t readable, writable, hung_up;
    uint8_t running, queued;
    uint8_t shared; /* counted in the server's shares */
    unsigned char address[16];
    char peer[48]; /* the same as text */
};

typedef struct vni_block {
    struct vni_block *next;
    _Alignas(16) char memory[];
} vni_block;

typedef struct vni_ending {
    struct vni_ending *next;
    void (*run)(void *user);
    void *user;
} vni_ending;

/* An exchange with what only net sees. */
struct vni_call {
    vni_exchange exchange; /* first: the two are one object */
    vni_home *home;
    vni_conn *conn; /* NULL once the client is gone */
    vni_call *next;
    int handed_over, answered, is_gone;
    vni_http_head head;
    vni_http_chunks chunks;
    char *body; /* from the allocator; NULL while the body lies in the page */
    size_t body_room, body_used;
    uint64_t body_left; /* of a body with a length */
    /* the answer */
    int closes, head_only, chunked_out;
    struct iovec out[2];
    size_t out_at;
    ptrdiff_t (*pull)(void *user, char *out, size_t room);
    void (*release)(void *user);
    void *answer_user;
    char *out_page;
    int pull_ended;
    size_t head_bytes_out;
    /* memory */
    vni_ending *endings;
    vni_block *blocks;
    size_t arena_used, arena_room;
    char *arena;
    _Alignas(16) char first[1024];
    vni_field fields[];
};

/* conn.c */
void vni_conn_open(vni_home *home, int fd, const struct sockaddr_storage *from);
void vni_conn_close(vni_conn *conn);
void vni_conn_run(vni_conn *conn);
/* The answer is complete: next request, lingering or end. */
void vni_conn_answered(vni_conn *conn, int closes);
char *vni_page_take(vni_home *home);
void vni_page_give(vni_home *home, char *page);
/* Frees what was kept for reuse. */
void vni_home_clear(vni_home *home);

/* call.c: exchanges and their memory */
vni_call *vni_call_begin(vni_conn *conn);
/* Ends it: finished, endings, memory. */
void vni_call_end(vni_call *call);
/* The client is gone: tell the handler. */
void vni_call_lost(vni_call *call);
int vni_call_body_grow(vni_call *call, size_t room, uint64_t limit);

/* answer.c */
typedef enum vni_sent {
    VNI_SENT_FAILED, /* the client is gone, or what was to be sent */
    VNI_SENT_FULL,   /* the socket is: on when it has room */
    VNI_SENT_TURN,   /* enough for one turn of the loop */
    VNI_SENT_ALL
} vni_sent;
/* Send on. */
vni_sent vni_answer_continue(vni_call *call);
void vni_answer_refuse(vni_call *call, int status, const char *reason);

/* stream.c: read and write of a connection, with and without TLS. Bytes; 0 would block; -1 failed or
 * ended. */
ptrdiff_t vni_stream_read(vni_conn *conn, char *out, size_t room);
ptrdiff_t vni_stream_write(vni_conn *conn, const struct iovec *pieces, int count);

/* server.c: an exchange or a connection has ended; so may the loop, during a drain. */
void vni_home_ended_one(vni_home *home);

/* listen.c */
vecna_status vni_listen_open(vni_server *server, vecna_error *err);
/* Whether the address can be read and its host be found. */
vecna_status vni_listen_check(const char *listen_on, vecna_error *err);
int vni_shares_open(vni_shares *shares, const vecna_allocator *allocator, size_t most);
void vni_shares_close(vni_shares *shares, const vecna_allocator *allocator);
/* 1 and counted, or 0: the address has its share already. */
int vni_shares_take(vni_shares *shares, const unsigned char address[16], size_t most);
void vni_shares_give(vni_shares *shares, const unsigned char address[16]);
void vni_address_bytes(const struct sockaddr_storage *from, unsigned char out[16]);
void vni_address_text(const unsigned char address[16], char *out, size_t room);

/* tls.c */
vecna_status vni_tls_open(const char *certificate_file, const char *key_file,
                          const vecna_allocator *allocator, vni_tls **out, vecna_error *err);
/* Read the files anew; on failure the old certificate stays. */
vecna_status vni_tls_reload(vni_tls *tls, vecna_error *err);
void vni_tls_close(vni_tls *tls);
vni_tls_conn *vni_tls_conn_new(vni_tls *tls, int fd);
void vni_tls_conn_free(vni_tls_conn *conn);
/* 1 done, 0 would block, -1 failed. */
int vni_tls_handshake(vni_tls_conn *conn);
ptrdiff_t vni_tls_read(vni_tls_conn *conn, char *out, size_t room);
ptrdiff_t vni_tls_write(vni_tls_conn *conn, const char *data, size_t bytes);
void vni_tls_goodbye(vni_tls_conn *conn);

#endif
