/* proxy: `vecna serve`. A request of any provider comes in, its texts go to an upstream model, and the
 * vectors that the client's database expects go out. This header is for the command and the dashboard. */
#ifndef VNI_PROXY_IMPL_H
#define VNI_PROXY_IMPL_H

#include "vecna/base.h"
#include "vecna/codec.h"
#include "vecna/wire.h"

#include "net/net_impl.h"
#include "pool/pool_impl.h"

typedef struct vni_proxy vni_proxy;

/* ---- serving ------------------------------------------------------------------------------------ */

typedef struct vni_serve_options {
    const char *config; /* file; NULL: none */
    const char *listen; /* over the file's; NULL: not said */
    int insecure;       /* over the file's */

    /* Without a file: */
    const char *upstream, *provider, *model, *api_key, *map, *client_key;
    const char *precision; /* of the map, a word of the configuration's; NULL: not said */
    size_t dim;            /* 0: as the model has it */
    /* The static model that serves when no upstream is configured, in memory; NULL: there is none. */
    const void *builtin;
    size_t builtin_bytes;

    /* The file of a map that is named, not given by its path: 1 when there is one. NULL: maps have paths. */
    int (*find_map)(const char *name, char *path, size_t room);

    /* One line for people: that it is ready, remarks. `level` 0 error, 1 warning, 2 information, 3 ready. */
    void (*say)(void *user, int level, const char *line);
    /* Further pages, asked before the paths of the providers: 1 when it answered or will. May be NULL. */
    int (*page)(void *user, vni_proxy *proxy, vni_exchange *exchange);
    void *user;
    const char *const *environment; /* "NAME=value" ended by NULL; NULL: none */
    const vecna_allocator *allocator;
} vni_serve_options;

/* Serve until SIGTERM or SIGINT.
 * Errors: VECNA_ERR_NOT_FOUND when no upstream is configured; whatever the configuration, its maps or
 *         the address have against them; VECNA_ERR_SPACE when a learned map is not for the upstream. */
VECNA_CHECK vecna_status vni_serve(const vni_serve_options *options, vecna_error *err);

/* Read everything, open maps and key files, ask nobody. `describe` gets a few lines on what it would do. */
VECNA_CHECK vecna_status vni_serve_check(const vni_serve_options *options, vecna_error *err);

/* docs/config.md, piece by piece; a result other than 0 of write ends it. */
VECNA_CHECK vecna_status vni_config_reference(int (*write)(void *user, const char *text),
                                              void *user);

/* ---- numbers, for /metrics and the dashboard ------------------------------------------------------ */

enum { VNI_BUCKETS = 24, VNI_SECONDS = 300, VNI_ERRORS_KEPT = 64, VNI_CONFIDENCE_BUCKETS = 20 };

/* Times in buckets that double from 10 us; the last one is open. */
typedef struct vni_histogram {
    uint64_t count[VNI_BUCKETS], all;
    double sum; /* seconds, or whatever is counted */
} vni_histogram;
/* Upper end of a bucket in seconds; INFINITY for the last. */
double vni_histogram_edge(size_t bucket);
/* The value below which `share` of the observations lie, interpolated; 0 without any. */
double vni_histogram_quantile(const vni_histogram *histogram, double share);

typedef struct vni_second { /* of the recent past */
    uint64_t at;            /* Unix time; 0 unused */
    uint32_t requests, errors, inputs;
    uint64_t total_us, upstream_us, overhead_us; /* sums */
} vni_second;

typedef struct vni_recent_error {
    uint64_t at_ms; /* Unix time */
    int status;
    char map[65], message[200];
} vni_recent_error;

typedef struct vni_map_numbers {
    char name[65]; /* "default" */
    uint64_t requests, errors, inputs, tokens;
    uint64_t confidence[VNI_CONFIDENCE_BUCKETS]; /* answers by their confidence, 0 .. 1 */
} vni_map_numbers;

typedef struct vni_numbers {
    uint64_t started_ms;
    uint64_t requests, errors, inputs, tokens, cache_hits, cache_misses;
    vni_histogram total, upstream, overhead, batch; /* batch: texts a call, in units of 1e-5 */
    vni_second seconds[VNI_SECONDS];                /* by time modulo VNI_SECONDS */
    vni_recent_error recent[VNI_ERRORS_KEPT];
    size_t recent_next; /* the oldest one's place */
    vni_map_numbers *maps;
    size_t map_count;
} vni_numbers;

const vni_numbers *vni_proxy_numbers(const vni_proxy *proxy);

/* What is known of the canary of a target. */
typedef struct vni_canary_state {
    int known;     /* 1 once a first answer came */
    double cosine; /* of the last answer to the first; 1 at the start */
    double norm;   /* of the last answer as it came */
    int drifted;
    uint64_t at_ms;    /* Unix time of the last answer; 0 none */
    char problem[200]; /* "" none */
} vni_canary_state;

/* The targets that are served now, and their canaries; valid until the caller returns to the loop. */
size_t vni_proxy_targets(const vni_proxy *proxy, const vni_target **targets,
                         const vni_canary_state **canaries);

/* A map as it is served now: what it does, in words, and its dimensions (0 not known yet). */
typedef struct vni_map_view {
    const char *name, *target, *kind; /* kind: "none", "truncate", "projection", "learned" */
    size_t source_dim, target_dim;
    const char *verdict; /* of a learned map; "" otherwise */
} vni_map_view;
size_t vni_proxy_map_count(const vni_proxy *proxy);
void vni_proxy_map_at(const vni_proxy *proxy, size_t index, vni_map_view *out);

/* Counts of the cache: hits, misses, entries, bytes. */
struct vni_cache;
const struct vni_cache *vni_proxy_cache(const vni_proxy *proxy);
vni_server *vni_proxy_server(const vni_proxy *proxy);

/* Whether the exchange may see what is not an embedding (metrics, dashboard): 1, or 0 and it was answered
 * with 401. Without keys everyone may. */
int vni_proxy_admits(vni_proxy *proxy, vni_exchange *exchange);

/* ---- one embedding for the playground -------------------------------------------------------------- */

typedef struct vni_try {
    const char *map; /* NULL or "default": the global adapter */
    const char *text;
    size_t text_bytes;
    /* Once, from the loop: before and after the map; or the sentence of what failed. */
    void (*done)(void *user, const float *before, size_t before_dim, const float *after,
                 size_t after_dim, const char *failure);
    void *user;
} vni_try;
/* Errors: VECNA_ERR_NOT_FOUND for a map that does not exist; VECNA_ERR_MEMORY. */
VECNA_CHECK vecna_status vni_proxy_try(vni_proxy *proxy, const vni_try *what, vecna_error *err);

/* ---- looking around, for `vecna onboard` and `vecna models` ------------------------------------------ */

/* One request of a round that is asked all at once; status 0: no HTTP answer. */
typedef struct vni_fetch {
    const char *url;
    const char *header; /* "Name: value", or NULL */
    const char *body;   /* POST, or NULL */
    size_t body_bytes;
    int64_t connect_ms, timeout_ms;
    int status;
    vni_fault fault;
    char *answer; /* of vni_fetch_free; NUL-terminated, never NULL after a round */
    size_t bytes;
} vni_fetch;

/* Ask all of them and wait. What fails is told by status and fault.
 * Errors: VECNA_ERR_MEMORY, _LIBRARY, _IO: nothing could be asked. */
VECNA_CHECK vecna_status vni_fetch_all(vni_fetch *list, size_t count,
                                       const vecna_allocator *allocator, vecna_error *err);
void vni_fetch_free(vni_fetch *list, size_t count, const vecna_allocator *allocator);

enum { VNI_FOUND_MODELS = 64 };

typedef struct vni_found_model {
    char id[128];
    size_t dim;        /* 0: not known */
    double norm;       /* of one word's vector; 0: not asked */
    int embeds;        /* as vecna_wire_model: 1 yes, -1 no, 0 not said */
    char problem[160]; /* why it gave no vector, when asked; "" none */
} vni_found_model;

typedef struct vni_found {
    char url[256];
    vecna_wire_server server;
    int is_vecna;  /* it is a `vecna serve` */
    int needs_key; /* it answered 401 or 403 */
    vni_found_model *models;
    size_t model_count;
} vni_found;

typedef struct vni_discover_options {
    const char *const *urls; /* to look at; count 0: the usual ports of this machine */
    size_t url_count;
    const char *api_key; /* NULL none; sent to the named urls only */
    const vecna_allocator *allocator;
} vni_discover_options;

/* Which servers are there and what models they have: everything in parallel, 600 ms to connect, 4 s overall.
 *   out, count  those that answered like a server that embeds, in the order of the ports; for vni_found_free
 * Errors: VECNA_ERR_ARGUMENT for an address that is none; as vni_fetch_all. */
VECNA_CHECK vecna_status vni_discover(const vni_discover_options *options, vni_found **out,
                                      size_t *count, vecna_error *err);
void vni_found_free(vni_found *found, size_t count, const vecna_allocator *allocator);

/* Embed one word with a model of a server: fills dim and norm, or problem. */
VECNA_CHECK vecna_status vni_probe_model(const vni_found *server, vni_found_model *model,
                                         const char *api_key, int64_t timeout_ms,
                                         const vecna_allocator *allocator, vecna_error *err);
/* How to ask such a server: a word for `provider` of the configuration ("openai", "ollama", "tei"). Static. */
const char *vni_found_provider(const vni_found *server);

/* ---- many texts, for `vecna embed` ------------------------------------------------------------------- */

typedef struct vni_bulk_options {
    const char *url, *provider, *model, *api_key; /* provider NULL: openai */
    size_t batch;     /* texts a call; 0: what the provider allows, at most 64 */
    size_t in_flight; /* calls at once; 0: 4 */
    size_t retries;   /* of a call; 0: 8 */
    const char *prefix;
    const vecna_allocator *allocator;
    void *user; /* first argument of what follows */
    /* The next text: 1, 0 when there is none, -1 to give up. It is copied. */
    int (*next)(void *user, const char **text, size_t *bytes);
    /* The next vectors, in the order of the texts: 0 to go on. */
    int (*take)(void *user, const float *rows, size_t count, size_t dim);
} vni_bulk_options;

/* Embed a stream of texts, in order, with a window of calls in flight. A call that is refused is halved
 * until the text is found that the server does not take.
 * Errors: VECNA_ERR_IO with the row (position, from 0) and what the upstream says; what came before it was
 *         taken. VECNA_ERR_ARGUMENT for an address or a provider; VECNA_ERR_MEMORY. */
VECNA_CHECK vecna_status vni_bulk(const vni_bulk_options *options, vecna_error *err);

#endif
