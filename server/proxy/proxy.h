/* What the files of proxy share. */
#ifndef VNI_PROXY_PROXY_H
#define VNI_PROXY_PROXY_H

#include "vecna/adapt.h"
#include "vecna/model.h"
#include "vecna/translate.h"

#include "proxy/cache.h"
#include "proxy/config.h"
#include "proxy/keys.h"
#include "proxy/proxy_impl.h"
#include "proxy/spare.h"

#include <stdio.h>

/* ---- a map that is served ------------------------------------------------------------------------ */

typedef enum vni_check_state {
    VNI_CHECK_NONE = 0,   /* nothing to check */
    VNI_CHECK_WANTED = 1, /* the upstream has not answered yet */
    VNI_CHECK_PASSED = 2,
    VNI_CHECK_REFUSED = 3
} vni_check_state;

typedef struct vni_fitted { /* an adapter for one dimension; freed with its last holder */
    vecna_adapter *adapter;
    size_t source_dim;
    size_t holders; /* the way, and plans; counted in the loop's thread */
} vni_fitted;

typedef struct vni_way {   /* from a target's vectors to a client's */
    const char *name;      /* "default", or of extra_maps */
    vni_config_map config; /* whole: with what it inherits */
    size_t target;         /* index in the pool */
    vecna_map *learned;
    vecna_confidence *confidence; /* of learned; NULL: it carries none */
    vni_spare spare;              /* for confidences that nobody asked for; the loop's */
    vecna_map_info info;          /* of learned */
    vni_fitted *fitted;           /* made when the source dimension is known */
    const vecna_wire_vocabulary *vocabulary;
    vni_check_state check; /* of learned against the target's canary */
    char refusal[240];
} vni_way;

typedef struct vni_vocabulary_file {
    const char *path;
    vecna_wire_vocabulary *vocabulary;
    struct vni_vocabulary_file *next;
} vni_vocabulary_file;

/* All that one reading of the configuration makes. A request keeps the one it came to. */
typedef struct vni_generation {
    struct vni_proxy *proxy;
    vni_config *config;
    vni_keys keys;
    vni_pool *pool;
    vecna_model **models;       /* one a target: static ones; NULL where a server is asked */
    vni_canary_state *canaries; /* one a target */
    float **baselines;          /* (target's dim) first answers, NULL none */
    size_t *baseline_dims;
    struct vni_canary *canary_asks;  /* on their way */
    void (*canary_done)(void *user); /* when none is left; NULL */
    void *canary_user;
    vni_timer canary_timer;
    vni_way *ways; /* [0] is the global adapter */
    size_t way_count;
    vni_vocabulary_file *vocabularies;
    size_t users; /* requests that keep it */
    int retired;
    struct vni_generation *next; /* older ones that requests still keep */
} vni_generation;

VECNA_CHECK vecna_status vni_generation_new(struct vni_proxy *proxy, vni_config *config,
                                            const vni_generation *before, vni_generation **out,
                                            vecna_error *err);
void vni_generation_free(vni_generation *generation);
void vni_generation_keep(vni_generation *generation);
void vni_generation_release(vni_generation *generation);
/* The index of a map by name; way_count when there is none. */
size_t vni_generation_way(const vni_generation *generation, const char *name, size_t bytes);
/* "http://host:1 name", or the static model's name: for lines that people read. */
void vni_target_words(const vni_generation *generation, size_t target, char *out, size_t room);
/* Vectors of texts by a target's static model: out (count, dim). */
VECNA_CHECK vecna_status vni_static_embed(const vni_generation *generation, size_t target,
                                          const vni_piece_options *pieces, size_t count, float *out,
                                          vecna_error *err);
/* Pool options and so on are made of a configuration without a loop too: for --check. */
VECNA_CHECK vecna_status vni_ways_open(vni_generation *generation, vecna_error *err);

/* ---- canaries -------------------------------------------------------------------------------------- */

/* Ask all targets; `done` (may be NULL) when every answer is in, or given up after timeout_ms. While they
 * are being asked a second call only adds its `done` when there was none. */
void vni_canary_ask(vni_generation *generation, int64_t timeout_ms, void (*done)(void *user),
                    void *user);
void vni_canary_schedule(vni_generation *generation);
void vni_canary_end(vni_generation *generation);
/* Why a request to a map must not be answered; NULL when it may. */
const char *vni_canary_objection(const vni_generation *generation, const vni_way *way);

/* ---- from a target's vectors to a client's ---------------------------------------------------------- */

typedef struct vni_change {
    size_t source_dim, dim; /* dim: of the answer */
    size_t cut_from;        /* 0, or what `dimensions` cut */
    vni_fitted *fitted;     /* held; NULL where no adapter is applied */
    char words[96];         /* for the header: "pad 384 to 1536" */
} vni_change;

/* Dimension of what the way makes of rows of source_dim. */
size_t vni_way_dim(const vni_way *way, size_t source_dim);
/* What the way makes of rows of source_dim when `asked` dimensions are wanted (0: not said). *out holds its
 * adapter until it is dropped: other plans may come while this one is at work in another thread.
 * Errors: VECNA_ERR_DIM when the way does not take the dimension (the upstream's fault: 502);
 *         VECNA_ERR_ARGUMENT when `asked` cannot be (the client's: 400). */
VECNA_CHECK vecna_status vni_way_plan(vni_generation *generation, vni_way *way, size_t source_dim,
                                      size_t asked, vni_change *out, vecna_error *err);
/* In the loop's thread. A plan of zeros may be dropped too. */
void vni_way_drop(vni_generation *generation, vni_change *plan);
void vni_way_forget(vni_generation *generation, vni_way *way);
/* Multiplications of `count` rows, or as many as take as long as moving and scaling the numbers. */
double vni_way_work(const vni_way *way, const vni_change *change, size_t count, int judged);
/* 1 when rows stay as they are, but for their length: then they may be out too. */
int vni_way_keeps(const vni_way *way, const vni_change *change);
/* rows (count, source_dim), dense, may be overwritten; out (count, dim), dense; confidences (count) or
 * NULL, set where the way has confidence; *judged_us is then the time that they took. */
VECNA_CHECK vecna_status vni_way_apply(vni_generation *generation, vni_way *way,
                                       const vni_change *change, float *rows, size_t count,
                                       int normalize, float *out, float *confidences,
                                       double *judged_us, vecna_error *err);
/* Rows that the confidence of `count` rows takes as long as. */
double vni_way_judged_rows(size_t count);

/* ---- numbers ---------------------------------------------------------------------------------------- */

typedef struct vni_counter { /* requests by what they were and what became of them */
    const char *map, *endpoint;
    int status;
    uint64_t count;
} vni_counter;

enum { VNI_ERROR_CLASSES = 17 }; /* a closed list, so that no client makes a time series */

typedef struct vni_metrics {
    vni_numbers numbers;
    vni_counter *counters;
    size_t counter_count, counter_capacity;
    vni_counter *upstream; /* map is the target, endpoint its address */
    size_t upstream_count, upstream_capacity;
    uint64_t errors[VNI_ERROR_CLASSES];
    const vecna_allocator *allocator;
} vni_metrics;

void vni_metrics_start(vni_metrics *metrics, const vecna_allocator *allocator);
void vni_metrics_free(vni_metrics *metrics);
void vni_histogram_add(vni_histogram *histogram, double seconds);
void vni_metrics_upstream(vni_metrics *metrics, const char *target, const char *url, int status,
                          uint64_t total_us, size_t inputs);
/* The numbers of a map by name, made when it is new; NULL when memory is out. */
vni_map_numbers *vni_metrics_map(vni_metrics *metrics, const char *name);

typedef struct vni_record { /* of one request, for metrics and log; in the exchange's memory */
    const char *endpoint, *cache; /* static */
    char map[65], key_name[65];   /* copies: a reload may come between answer and log */
    char model[64], request_id[129];
    size_t inputs, dim, source_dim, cached;
    uint64_t tokens, upstream_us, overhead_us;
    struct vni_job *job; /* while it is on its way */
    char failure[200];
} vni_record;

void vni_metrics_request(vni_metrics *metrics, const vni_record *record,
                         const vni_exchange *exchange);
/* The Prometheus text. Errors: VECNA_ERR_MEMORY. */
VECNA_CHECK vecna_status vni_metrics_print(struct vni_proxy *proxy, char **text, size_t *bytes,
                                           vecna_error *err);

/* ---- the whole ---------------------------------------------------------------------------------------- */

struct vni_proxy {
    const vni_serve_options *options;
    const vecna_allocator *allocator;
    vni_loop *loop;
    vni_server *server;  /* NULL until the start task has run */
    vni_server *started; /* the same, for that task */
    vni_task start;
    vni_client *client;
    struct vni_worker *worker; /* for what would hold the loop: products */
    struct vni_worker *reader; /* and large answers, which come while products are made */
    vni_generation *current, *old;
    vni_cache *cache;
    vni_metrics metrics;
    FILE *access;         /* NULL none */
    struct vni_job *jobs; /* requests on their way */
    size_t job_count;
    int ready;           /* the canaries have been asked */
    vecna_status failed; /* why serving ended */
    vecna_error error;
    vni_task reaper, leaver; /* generations without users; jobs whose client has left */
    int reaping, leaving;
    vni_timer second;         /* flushes, once a second */
    char boot[12];            /* part of request ids */
    vni_generation *incoming; /* of a reload, until its maps are checked */
    uint64_t reloads, reloads_refused;
    int reload_failed; /* the last one was refused */
};

void vni_proxy_say(const vni_proxy *proxy, int level, const char *format, ...) VECNA_PRINTF(3, 4);
uint64_t vni_unix_ms(void);

/* A client's key, from whichever of the four places. */
vni_text vni_presented_key(vni_exchange *exchange);
/* net's hooks. */
void vni_proxy_admit(void *user, vni_exchange *exchange);
void vni_proxy_handle(void *user, vni_exchange *exchange);
void vni_proxy_finished(void *user, const vni_exchange *exchange);
/* Requests that are open end with a failure. */
void vni_jobs_end(vni_proxy *proxy);
/* Answer in a provider's shape. */
void vni_answer_failure(vni_proxy *proxy, vni_exchange *exchange,
                        const vecna_wire_failure *failure);
/* The record of an exchange, made when it has none; NULL when memory is out. */
vni_record *vni_record_of(vni_proxy *proxy, vni_exchange *exchange);
void vni_log_request(vni_proxy *proxy, const vni_record *record, const vni_exchange *exchange);

#endif
