/* pool: texts to vectors, by way of servers that may be slow, full, wrong or gone.
 *
 * The shape of it
 *   client    HTTP on the loop (libcurl), one transfer at a time
 *   target    one model behind one or more endpoints: which is asked, which rests
 *   ask       what a request wants: some texts from a target. Each text is a piece of work of its own,
 *             shared with whoever wants the same at the same time; pieces travel together in calls
 *   call      one batch to one endpoint, tried again elsewhere when that makes sense
 * Everything runs in the thread of one loop. */
#ifndef VNI_POOL_IMPL_H
#define VNI_POOL_IMPL_H

#include "vecna/base.h"
#include "vecna/wire.h"

#include "net/net_impl.h"

/* ---- addresses --------------------------------------------------------------------------------- */

/* Whether an address may be an upstream's; *clean is it without trailing slashes, for vni_url_free. */
VECNA_CHECK vecna_status vni_url_check(const char *url, char **clean, vecna_error *err);
void vni_url_free(char *clean);
/* 1 for http on this machine. */
int vni_url_is_local(const char *url);

/* ---- the client -------------------------------------------------------------------------------- */

typedef struct vni_client vni_client;
typedef struct vni_transfer vni_transfer;

VECNA_CHECK vecna_status vni_client_new(vni_loop *loop, const vecna_allocator *allocator,
                                        vni_client **out, vecna_error *err);
/* Transfers that run are dropped without their `done`. NULL-safe. */
void vni_client_free(vni_client *client);

typedef enum vni_fault {
    VNI_FAULT_NONE = 0,  /* an HTTP answer came, whatever its status */
    VNI_FAULT_CONNECT,   /* nobody there */
    VNI_FAULT_TIMEOUT,   /* nothing, or not all, in time */
    VNI_FAULT_BROKEN,    /* the connection ended within the answer, or it is no HTTP */
    VNI_FAULT_TOO_LARGE, /* more bytes, decompressed, than allowed */
    VNI_FAULT_TLS,       /* the certificate is not good, or no TLS */
    VNI_FAULT_MEMORY     /* ours */
} vni_fault;

typedef struct vni_reply {
    vni_fault fault;
    int status;             /* of HTTP; 0 none */
    int64_t retry_after_ms; /* -1 not said */
    uint64_t total_us;
    const char *body; /* borrowed during `done`; as far as it came */
    size_t bytes;
    char content_type[64];
    char reason[256]; /* of a fault, in words */
    vni_transfer *transfer;
} vni_reply;
/* In `done`: the body is the caller's from now on, for vni_body_free. NULL when there is none. */
char *vni_reply_take_body(const vni_reply *reply);
/* From any thread. NULL-safe. */
void vni_body_free(const vni_client *client, char *body);

enum { VNI_REQUEST_HEADERS = 6 };
typedef struct vni_request {
    const char *url;                          /* checked; copied */
    const char *headers[VNI_REQUEST_HEADERS]; /* "Name: value", copied; NULL ends them early */
    const char *body; /* POST when not NULL, else GET; kept by the caller until `done` */
    size_t bytes;
    int64_t connect_ms, timeout_ms;
    size_t answer_bytes_max;                          /* decompressed */
    void (*done)(void *user, const vni_reply *reply); /* once, never inside vni_client_send */
    void *user;
} vni_request;

VECNA_CHECK vecna_status vni_client_send(vni_client *client, const vni_request *request,
                                         vni_transfer **out, vecna_error *err);
/* Without `done`. Not after it. */
void vni_transfer_cancel(vni_transfer *transfer);

/* ---- endpoints: who is asked ------------------------------------------------------------------- */

typedef enum vni_endpoint_state {
    VNI_ENDPOINT_UP = 0,
    VNI_ENDPOINT_RESTING = 1, /* failed too often; asked by nobody until rest_until_us */
    VNI_ENDPOINT_TRYING = 2   /* the rest is over and one call is out to see */
} vni_endpoint_state;

/* "up", "resting", "trying". Static. */
const char *vni_endpoint_state_name(vni_endpoint_state state);

typedef struct vni_endpoint {
    const char *url;    /* owned by the target's options */
    const char *secret; /* key, or NULL */
    size_t weight, priority, concurrency;
    vni_endpoint_state state;
    size_t failures; /* in a row */
    unsigned rests;  /* in a row: each is twice as long as the one before */
    uint64_t rest_until_us;
    size_t in_flight;
    int64_t turn;    /* of the weighted round robin */
    int unwell;      /* the health check failed last time */
    int floats_only; /* it answered base64 with numbers: not asked for it again */
    uint64_t calls, failed, inputs, busy_us; /* since the start */
    char last_error[160];
} vni_endpoint;

typedef struct vni_rest_rule {
    size_t failures;     /* in a row until a rest */
    int64_t cooldown_ms; /* the first one */
} vni_rest_rule;

typedef enum vni_pick {
    VNI_PICK_ONE,    /* *out is to be asked: its in_flight was raised */
    VNI_PICK_BUSY,   /* all that are up are at their concurrency: wait for one */
    VNI_PICK_RESTING /* nobody is up; *wait_us until the first may be tried (0: one is being tried) */
} vni_pick;

/* The endpoint for the next call. Lower priorities first; among equals by weight; `not` is avoided when
 * there is another (the one that just failed; NULL none). */
vni_pick vni_endpoint_pick(vni_endpoint *endpoints, size_t count, const vni_endpoint *avoided,
                           uint64_t now_us, vni_endpoint **out, uint64_t *wait_us);
/* The call is over: it went well; it failed in a way that says something about the server (rest_ms: that
 * it asks for this pause, -1 none); or it says nothing (a client's mistake, cancelled). */
void vni_endpoint_worked(vni_endpoint *endpoint);
void vni_endpoint_failed(vni_endpoint *endpoint, const vni_rest_rule *rule, int64_t rest_ms,
                         uint64_t now_us, const char *reason);
void vni_endpoint_released(vni_endpoint *endpoint);

/* ---- tries -------------------------------------------------------------------------------------- */

/* Whether an HTTP status is worth another try: 408, 424, 429, 500, 502, 503, 504, 529. */
int vni_status_is_passing(int status);
/* Pause before try number `attempt` (from 1): 100 ms doubling to 5 s, half of it by chance (draw 0 .. 1),
 * at least what the server asked for (-1 nothing). */
int64_t vni_retry_pause_ms(unsigned attempt, double draw, int64_t asked_ms);

/* ---- targets ------------------------------------------------------------------------------------ */

enum { VNI_BASE64_AUTO = 0, VNI_BASE64_YES = 1, VNI_BASE64_NO = 2 };

/* Texts are borrowed for the life of the pool. */
typedef struct vni_target_options {
    const char *name;
    vecna_wire_dialect dialect;
    const vni_endpoint *endpoints; /* url, secret, weight, priority, concurrency are read; copied */
    size_t endpoint_count;
    size_t dim;          /* 0: learnt */
    size_t batch_inputs; /* 0: of the dialect */
    size_t batch_tokens; /* estimated at 4 bytes each; 0: no limit */
    size_t retries;
    vni_rest_rule rest;
    int64_t connect_ms, timeout_ms, health_ms;
    const char *health_path;
    int base64, send_task;
} vni_target_options;

typedef struct vni_target {
    vni_target_options options;
    vni_endpoint *endpoints; /* (options.endpoint_count) */
    size_t dim;              /* as configured or as the first answer had it; 0 not known yet */
    size_t batch_inputs;     /* most a call; falls when a server says that it takes fewer */
    struct vni_pool *pool;
    struct vni_batch *waiting, **waiting_end; /* for an endpoint, in order */
    size_t waiting_count;
    vni_timer timer; /* the first rest is over */
    vni_timer health;
    uint64_t retries; /* since the start */
} vni_target;

/* ---- asks --------------------------------------------------------------------------------------- */

enum { VNI_PIECE_KEY_BYTES = 32 };

/* One text to embed. Two of equal key, in flight at once, are asked for once. */
typedef struct vni_piece_options {
    unsigned char key[VNI_PIECE_KEY_BYTES]; /* a digest of all that decides the vector */
    vecna_wire_text prefix, text, title;
    vecna_wire_task task; /* told to servers that know the notion */
    size_t row;           /* handed back with the vector */
} vni_piece_options;

typedef struct vni_outcome {
    int failed;
    vecna_wire_failure failure; /* when failed; its dialect is not set */
    uint64_t waited_us; /* for upstreams: from the first call's start to the last one's answer */
    uint64_t tokens;    /* as upstreams counted them, of the calls that this ask began */
    size_t coalesced;   /* pieces that somebody else had asked for already */
} vni_outcome;

typedef struct vni_ask_options {
    vni_target *target;
    const char *model;
    const vni_piece_options *pieces; /* copied, texts too */
    size_t count;                    /* at least 1 */
    uint64_t deadline_us;
    /* A vector came; valid during the call. Then, once, `done`: all rows came, or one cannot be had; the
     * ask is gone when it returns. Neither is called after vni_ask_cancel. `done` comes inside
     * vni_pool_ask only when memory is out. */
    void (*row)(void *user, size_t row, const float *vector, size_t dim);
    void (*done)(void *user, const vni_outcome *outcome);
    /* Where `count` rows from `row` on, as they are known to have `dim`, may be read to before it is known
     * whether they are right; `row` is called for each of them then, with its own place. NULL, or gives
     * NULL: rows come from elsewhere. */
    float *(*room)(void *user, size_t row, size_t count, size_t dim);
    /* May be NULL. +1: another thread is going to read an answer, and perhaps to `room`: that and the pool have to
     * stay, whatever becomes of the ask, until -1 comes. */
    void (*hold)(void *user, int more);
    void *user;
} vni_ask_options;

typedef struct vni_ask vni_ask;

/* What the owner of a pool wants to know. Any may be NULL. */
typedef struct vni_pool_hooks {
    void *user;
    /* A vector to keep. */
    void (*learned)(void *user, const unsigned char *key, const float *vector, size_t dim);
    /* A call is over, well or not: status 0 when no HTTP answer came. */
    void (*called)(void *user, const vni_target *target, const vni_endpoint *endpoint, int status,
                   uint64_t total_us, size_t inputs, const char *failure);
} vni_pool_hooks;

typedef struct vni_pool_options {
    vni_loop *loop;
    vni_client *client;
    vni_worker *worker; /* reads large answers; NULL: the loop does. It ends before the pool */
    const vni_target_options *targets;
    size_t target_count;
    int64_t join_ms; /* how long a piece waits for others to share its call; 0: not */
    vni_pool_hooks hooks;
    const vecna_allocator *allocator;
    uint64_t seed; /* of the jitter */
} vni_pool_options;

typedef struct vni_pool {
    vni_loop *loop;
    vni_client *client;
    vni_worker *worker;
    const vecna_allocator *allocator;
    vni_pool_hooks hooks;
    int64_t join_ms;
    vni_target *targets;
    size_t target_count;
    vecna_random random;
    struct vni_piece **pieces; /* in flight, by key */
    size_t piece_buckets, piece_count;
    struct vni_group *groups; /* pieces that wait for a call */
    struct vni_batch *calls;
    struct vni_ask *asks;
    struct vni_probe *probes; /* of health, on their way */
    uint64_t coalesced,
        joined; /* since the start: pieces shared; calls with pieces of several asks */
} vni_pool;

VECNA_CHECK vecna_status vni_pool_new(const vni_pool_options *options, vni_pool **out,
                                      vecna_error *err);
/* Asks that are open end without `done`. NULL-safe. */
void vni_pool_free(vni_pool *pool);
/* Take over what is known about endpoints of the same address from the pool before a reload. */
void vni_pool_inherit(vni_pool *pool, const vni_pool *before);
/* Start health checks. They end with vni_pool_quiet, which is called when a newer pool takes over. */
void vni_pool_watch(vni_pool *pool);
void vni_pool_quiet(vni_pool *pool);

/* Errors: VECNA_ERR_MEMORY, and nothing is asked. */
VECNA_CHECK vecna_status vni_pool_ask(vni_pool *pool, const vni_ask_options *options, vni_ask **out,
                                      vecna_error *err);
/* Nobody waits any more: calls that are for this ask alone are dropped. NULL-safe; not after done. */
void vni_ask_cancel(vni_ask *ask);
/* Whether some endpoint could be asked now. */
int vni_target_is_up(const vni_target *target);

#endif
