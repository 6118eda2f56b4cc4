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
    size_t dim; /* 0: as the model has it */

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

#endif
