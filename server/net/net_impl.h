/* net: the server side of HTTP/1.1, and the loop that everything in `vecna serve` runs on.
 *
 * The shape of it
 *   A server has one or more loops, each with its own thread, its own listening socket
 *   (SO_REUSEPORT) and its own connections. Whatever happens to a connection happens in its loop's
 *   thread; nothing here needs a lock of the caller. A request is read whole, then handed to the
 *   handler as an exchange. The handler answers at once or later, from the loop's thread, and answers
 *   each exchange exactly once, also when the client is gone.
 *
 * Rules of names: a loop's clock counts microseconds of CLOCK_MONOTONIC; delays are milliseconds.
 */
#ifndef VNI_NET_IMPL_H
#define VNI_NET_IMPL_H

#include "vecna/base.h"

#include <stdatomic.h>

/* A piece of text that belongs to somebody else; not NUL-terminated unless said. */
typedef struct vni_text {
    const char *at;
    size_t bytes;
} vni_text;

/* A text literal or a NUL-terminated string as vni_text. */
vni_text vni_text_of(const char *string);
/* 1 when both are the same bytes; the second form takes ASCII letters of either case as equal. */
int vni_text_is(vni_text text, const char *string);
int vni_text_is_nocase(vni_text text, const char *string);

/* ---- the loop ------------------------------------------------------------------------------ */

typedef struct vni_loop vni_loop;

/* A file descriptor that the loop watches; embedded in its owner, zero before first use. The owner
 * keeps it alive while it is watched. `ready` runs in the loop's thread with what may be done now. */
enum {
    VNI_READ = 1,   /* data, or the end of it */
    VNI_WRITE = 2,  /* room to write */
    VNI_HANGUP = 4, /* the other side is gone or has failed; reported without being asked for */
    VNI_EDGE = 8    /* report changes only; whoever asks for it reads and writes until EAGAIN */
};
typedef struct vni_watch vni_watch;
struct vni_watch {
    void (*ready)(vni_watch *watch, unsigned events);
    vni_loop *loop; /* the loop's: where it is watched, NULL when it is not */
    int fd;
    unsigned events;
};
/* Watch for `events` from now on; 0 ends the watch (before the descriptor is closed). A watch that
 * ended, and one that is freed after it ended, is never called again, not even for events that were
 * already collected. Errors: VECNA_ERR_IO, VECNA_ERR_MEMORY; only a watch that begins can fail. */
VECNA_CHECK vecna_status vni_watch_set(vni_loop *loop, vni_watch *watch, unsigned events,
                                       vecna_error *err);
/* The same as vni_watch_set with 0; it cannot fail, and a watch that is not watched is left alone. */
void vni_watch_end(vni_watch *watch);

/* A timer, embedded in its owner, zero before first use. Starting and stopping cost O(1) and allocate
 * nothing. It fires once, not before its delay is over and up to one millisecond late when the loop
 * is idle. */
typedef struct vni_timer vni_timer;
struct vni_timer {
    void (*fire)(vni_timer *timer);
    vni_timer *next, *previous; /* the wheel's, like the rest */
    vni_loop *loop;
    uint64_t due_ms;
    unsigned place; /* 0: it does not run */
};
/* Start or restart. Delays above a year count as a year. */
void vni_timer_start(vni_loop *loop, vni_timer *timer, uint64_t delay_ms);
void vni_timer_stop(vni_timer *timer);
/* 1 while the timer runs. */
int vni_timer_runs(const vni_timer *timer);

/* A piece of work for the loop's thread, embedded in its owner; in one queue at a time. */
typedef struct vni_task vni_task;
struct vni_task {
    void (*run)(vni_task *task);
    vni_task *next; /* the queue's */
};
/* From any thread, and from a signal handler: the loop wakes and runs the task. Tasks of one thread
 * run in order. The loop must not have been freed. */
void vni_loop_post(vni_loop *loop, vni_task *task);
/* Run what is posted and deferred until nothing is left; the loop itself has ended. */
void vni_loop_flush(vni_loop *loop);
/* From the loop's thread: run the task before the loop waits again, after what runs now. */
void vni_loop_defer(vni_loop *loop, vni_task *task);

/* Microseconds of CLOCK_MONOTONIC: as read when the loop woke (cheap), and read anew. */
uint64_t vni_loop_now_us(const vni_loop *loop);
uint64_t vni_clock_us(void);
/* Index of the loop in its server, from 0. */
size_t vni_loop_index(const vni_loop *loop);
/* A place for what the caller keeps per loop. */
void vni_loop_set_user(vni_loop *loop, void *user);
void *vni_loop_user(const vni_loop *loop);

/* A loop without a server, for tests and tools: run until vni_loop_stop, which any thread may call.
 * A loop is freed when nothing of it is in use any more. */
VECNA_CHECK vecna_status vni_loop_new(const vecna_allocator *allocator, vni_loop **out,
                                      vecna_error *err);
void vni_loop_free(vni_loop *loop);
void vni_loop_run(vni_loop *loop);
void vni_loop_stop(vni_loop *loop);

/* ---- a request ----------------------------------------------------------------------------- */

typedef enum vni_method {
    VNI_GET,
    VNI_HEAD,
    VNI_POST,
    VNI_PUT,
    VNI_DELETE,
    VNI_OPTIONS,
    VNI_PATCH,
    VNI_METHOD_OTHER
} vni_method;

typedef struct vni_field {
    vni_text name;  /* as sent; compare without case */
    vni_text value; /* without the white space around it */
} vni_field;

/* One request and its answer. What the handler reads stays as it is until the exchange is answered;
 * afterwards the exchange must not be touched. */
typedef struct vni_exchange vni_exchange;
struct vni_exchange {
    vni_loop *loop;
    vni_method method;
    vni_text method_text;
    vni_text target; /* as sent */
    vni_text path;   /* begins with '/', or "*"; visible ASCII, still percent-encoded */
    vni_text query;  /* without '?'; empty when there is none */
    const vni_field *fields;
    size_t field_count;
    const char *body; /* whole, chunks joined; no NUL behind it */
    size_t body_bytes;
    char peer[48];       /* the client's address, without port */
    unsigned keep_alive; /* the connection stays open after the answer */
    unsigned secure;     /* came over TLS */
    uint64_t id;         /* counts up, never 0, unique in the server */

    /* Of CLOCK_MONOTONIC: first byte seen, head complete, body complete, answer handed over (0
     * before), answer written to the kernel (0 before, or when the client was gone). */
    uint64_t first_us, head_us, body_us, answer_us, written_us;
    int status;            /* of the answer, 0 before */
    uint64_t answer_bytes; /* of the answer's body, as far as it was written */

    /* The handler's own. `gone` is called once, when the client closes or fails before the answer: a
     * chance to cancel work. The exchange must still be answered (nothing is sent). */
    void *user;
    void (*gone)(vni_exchange *exchange);
};

/* Value of the first field of this name (any case); NULL at when there is none. */
vni_text vni_exchange_field(const vni_exchange *exchange, const char *name);
/* Value of a query parameter, percent-decoded ('+' is a space) into memory of the exchange; NULL at
 * when there is none, or its encoding is broken, or memory is out. */
vni_text vni_exchange_query(vni_exchange *exchange, const char *name);
/* Percent-decode `text` into `out` (text.bytes long at most, no NUL behind; may be text.at itself). Returns the bytes
 * written, -1 when a % has no two hexadecimal digits behind it or gives a NUL. */
ptrdiff_t vni_percent_decode(vni_text text, char *out);

/* Memory that lasts as long as the exchange, 16-byte aligned; NULL when memory is out. For requests'
 * small things; big buffers are better given to the answer with a release function. */
void *vni_exchange_alloc(vni_exchange *exchange, size_t bytes);
/* A function that runs when the exchange ends, after the last byte is written or the client is gone;
 * last registered, first called. 0 when memory is out. */
int vni_exchange_at_end(vni_exchange *exchange, void (*run)(void *user), void *user);
/* 1 once the client is known to be gone. */
int vni_exchange_is_gone(const vni_exchange *exchange);
/* Microseconds from the complete request to now. */
uint64_t vni_exchange_age_us(const vni_exchange *exchange);

/* ---- the answer ------------------------------------------------------------------------------ */

/* What to send. Content-Length or Transfer-Encoding, Date and Connection are the server's; the fields
 * given must not hold them. Answers to HEAD lose their body, not its length. */
typedef struct vni_answer {
    int status;               /* 200 .. 599 */
    const char *content_type; /* NULL: none */
    const vni_field *fields;  /* copied; bytes that do not belong in a header are replaced by '?' */
    size_t field_count;
    /* Either the whole body. It is read until `release` is called (exactly once, also on failure and
     * when the client is gone); with release NULL it is copied unless `fixed` says that it outlives
     * the server. */
    const void *body;
    size_t body_bytes;
    int fixed;
    void (*release)(void *user);
    /* Or pieces on demand: `pull` puts up to `room` bytes (room is at least 16 KB) and returns how
     * many, 0 for the end, -1 to break the connection off (an answer that is short on purpose never
     * looks complete). It is called in the loop's thread as the client takes them, so a slow client holds
     * little memory; sent in chunks, since the length is not known. */
    ptrdiff_t (*pull)(void *user, char *out, size_t room);
    void *user; /* of release and pull */
    int close;  /* close the connection after the answer */
} vni_answer;

/* Answer, once, from the loop's thread; the exchange is over for the caller. */
void vni_answer_send(vni_exchange *exchange, const vni_answer *answer);
/* A short text, copied. */
void vni_answer_text(vni_exchange *exchange, int status, const char *content_type, vni_text body);
/* The reason phrase of a status. Static. */
const char *vni_status_reason(int status);

/* ---- the server ------------------------------------------------------------------------------ */

/* Limits and time-outs; 0 means the default in brackets. */
typedef struct vni_limits {
    size_t head_bytes;                /* request line and header block [16 KB, at most 64 KB] */
    size_t head_fields;               /* [64, at most 256] */
    size_t body_bytes;                /* one body, decoded [64 MB]; 413 beyond */
    size_t all_bodies_bytes;          /* all bodies held at once [512 MB]; 503 beyond */
    size_t connections;               /* [16384]; more wait in the kernel until one ends */
    size_t connections_per_ip;        /* [three quarters of connections]; more are closed at once */
    unsigned head_ms;                 /* from the first byte to the end of the head [10 s]; 408 */
    unsigned body_ms;                 /* without a byte of the body [10 s]; 408 */
    unsigned body_bytes_per_s;        /* slowest body, after body_ms [1 KB/s]; 408 */
    unsigned idle_ms;                 /* between requests [60 s] */
    unsigned write_ms;                /* the client takes nothing of the answer [30 s] */
    unsigned drain_ms;                /* for requests in flight after a stop [30 s] */
    unsigned requests_per_connection; /* [no limit] */
} vni_limits;

typedef struct vni_server vni_server;

typedef struct vni_server_options {
    const char
        *listen;  /* "HOST:PORT", "[::1]:PORT", ":PORT" (all addresses); port 0: any free one */
    size_t loops; /* 0: one for each CPU allowed */
    vni_limits limits;
    const char *certificate_file, *key_file; /* PEM; both or neither */
    void *user;                              /* first argument of what follows */

    /* A complete request. */
    void (*handle)(void *user, vni_exchange *exchange);
    /* May be NULL: the head of a request is complete, its body not yet read (body_bytes holds the
     * announced length, 0 when unknown). May answer, which refuses the body and closes; or not, and
     * handle comes later. For keys: nobody without one makes the server hold a body. */
    void (*admit)(void *user, vni_exchange *exchange);
    /* May be NULL: the last byte of an answer was written, or the client is gone; for logs. Also
     * called for requests that net itself answered (malformed ones have an empty method_text). */
    void (*finished)(void *user, const vni_exchange *exchange);
    /* May be NULL: in each loop's thread, before its first and after its last event. A failure of
     * loop_begin stops the start. loop_end runs with no connection left; exchanges that were handed
     * over and not answered must be answered in it. */
    vecna_status (*loop_begin)(void *user, vni_loop *loop, vecna_error *err);
    void (*loop_end)(void *user, vni_loop *loop);
    /* May be NULL: the drain has begun, in each loop's thread: give up what only waits. */
    void (*draining)(void *user, vni_loop *loop);
    /* With `signals`, SIGTERM and SIGINT begin a drain (the second one ends it), SIGHUP calls reload
     * in loop 0's thread. The signals are blocked in the calling thread by vni_server_new. */
    int signals;
    void (*reload)(void *user);
} vni_server_options;

/* Counts since the start, of all loops. */
typedef struct vni_server_counts {
    uint64_t accepted, open, idle, refused; /* connections; refused by a limit */
    uint64_t requests, in_flight; /* complete requests; handed over and not yet answered */
    uint64_t malformed, too_large,
        timed_out; /* refused: 400/431/501/505; 413; 408 and slow readers */
    uint64_t gone; /* clients that left before their answer */
    uint64_t read_bytes, written_bytes;
    uint64_t body_bytes; /* bodies held now */
    uint64_t tls_failures;
} vni_server_counts;

/* Listen, and start the loops' threads. When it returns, connections are served.
 * Memory:  strings are copied. Errors: VECNA_ERR_ARGUMENT for an address that cannot be read or files
 *          that do not belong together; VECNA_ERR_IO with the address or file and the system's
 *          reason; VECNA_ERR_MEMORY; whatever loop_begin says. */
VECNA_CHECK vecna_status vni_server_new(const vni_server_options *options,
                                        const vecna_allocator *allocator, vni_server **out,
                                        vecna_error *err);
/* What vni_server_new would refuse of the address and the certificate, without listening.
 * Errors:  as there. */
VECNA_CHECK vecna_status vni_server_check(const vni_server_options *options,
                                          const vecna_allocator *allocator, vecna_error *err);
/* Begin to drain: no new connections, idle ones close, requests in flight are answered. From any
 * thread and from a signal handler. Again: end it now. */
void vni_server_stop(vni_server *server);
/* Wait until all loops have ended. */
void vni_server_wait(vni_server *server);
/* stop twice, wait, free; NULL-safe. */
void vni_server_free(vni_server *server);
/* The address it listens on, with the real port: "127.0.0.1:8484". */
const char *vni_server_address(const vni_server *server);
unsigned vni_server_port(const vni_server *server);
/* 1 when it listens on loopback addresses only. */
int vni_server_is_local(const vni_server *server);
int vni_server_is_draining(const vni_server *server);
size_t vni_server_loops(const vni_server *server);
vni_loop *vni_server_loop(vni_server *server, size_t index);
void vni_server_counts_read(const vni_server *server, vni_server_counts *out);
/* Read the certificate and key files anew; on failure the old ones stay. From any thread. */
VECNA_CHECK vecna_status vni_server_reload_certificate(vni_server *server, vecna_error *err);
/* New limits for what begins from now on (connections keep what they have). From any thread. */
void vni_server_set_limits(vni_server *server, const vni_limits *limits);

/* ---- what only OpenSSL and the system have ----------------------------------------------------- */

/* SHA-256 of the bytes. */
void vni_sha256(const void *data, size_t bytes, unsigned char out[32]);
/* 1 when equal; the time taken does not depend on the content. */
int vni_same_bytes(const void *a, const void *b, size_t bytes);
/* Unpredictable bytes. */
void vni_random_bytes(void *out, size_t bytes);
/* Overwrite memory in a way that is not optimised away. */
void vni_wipe(void *memory, size_t bytes);

/* ---- work beside a loop ------------------------------------------------------------------------------- */

/* Work that would hold the loop: done by one thread beside it, in the order in which it came, less
 * urgent than the loop (on Linux, by ten steps of niceness). _do and _free are called from the loop's
 * thread. `work` runs in the worker's and may touch what its owner leaves alone until `done`,
 * which runs in the loop's. */
typedef struct vni_worker vni_worker;

/* A piece of work, embedded in its owner. */
typedef struct vni_work vni_work;
struct vni_work {
    vni_task done; /* run: set by the owner; the loop's */
    void (*work)(vni_work *work);
    vni_work *next; /* the worker's */
};

/* Errors: VECNA_ERR_MEMORY; VECNA_ERR_IO when no thread can be had. */
VECNA_CHECK vecna_status vni_worker_new(vni_loop *loop, const vecna_allocator *allocator,
                                        vni_worker **out, vecna_error *err);
void vni_worker_do(vni_worker *worker, vni_work *work);
/* Whether more work would wait for what was given before. From any thread; NULL: not. */
int vni_worker_is_busy(const vni_worker *worker);
/* Does what was begun, leaves the rest undone, and ends the thread. What it has posted to the loop may
 * not have run. NULL-safe. */
void vni_worker_free(vni_worker *worker);

#endif
