/* The configuration as structs. Every struct starts with a vni_section; what a key means, its default and
 * its limits stand in one table, config_table.c, from which the parser, the environment, --check and
 * docs/config.md all come. A configuration is immutable once read and lives in one arena. */
#ifndef VNI_PROXY_CONFIG_H
#define VNI_PROXY_CONFIG_H

#include "vecna/base.h"

#include "proxy/arena.h"

typedef struct vni_section {
    uint64_t given;   /* bit i: field i of its table was set by the user */
    int line;         /* where it starts in the file, from 1; 0 from elsewhere */
    const char *name; /* of a member of a named list; NULL elsewhere */
} vni_section;

typedef struct vni_texts {
    const char **items;
    size_t count;
} vni_texts;

typedef struct vni_config_tls {
    vni_section section;
    const char *cert, *key;
} vni_config_tls;

typedef struct vni_config_endpoint {
    vni_section section;
    const char *url, *api_key, *api_key_file;
    size_t weight, priority, concurrency;
} vni_config_endpoint;

typedef struct vni_config_target {
    vni_section section;
    const char *id, *url, *model, *api_key, *api_key_file;
    int provider, base64, matryoshka, send_input_type, pass_model;
    size_t dim, batch_inputs, batch_tokens, concurrency, weight, priority, retries, failures;
    int64_t connect_timeout, timeout, cooldown, health_interval;
    const char *health_path, *query_prefix, *document_prefix;
    struct {
        vni_config_endpoint *items;
        size_t count;
    } endpoints;
} vni_config_target;

typedef struct vni_config_forward {
    vni_section section;
    const char *target; /* name of the default one */
    struct {
        vni_config_target *items;
        size_t count;
    } targets;
} vni_config_forward;

enum { VNI_PROVIDER_STATIC = 6 }; /* behind the words of wire's dialects */
enum { VNI_ADAPTER_NONE, VNI_ADAPTER_TRUNCATE, VNI_ADAPTER_RANDOM, VNI_ADAPTER_PROJECTION };
enum { VNI_CONFIDENCE_AUTO, VNI_CONFIDENCE_ASKED, VNI_CONFIDENCE_ALWAYS, VNI_CONFIDENCE_NEVER };
enum { VNI_PRECISION_INT12, VNI_PRECISION_FLOAT16, VNI_PRECISION_FLOAT32, VNI_PRECISION_INT8 };
enum { VNI_DIMENSIONS_AUTO, VNI_DIMENSIONS_ALLOW, VNI_DIMENSIONS_REFUSE };

typedef struct vni_config_map {
    vni_section section;
    int type, truncate_mode, pad_mode, normalize, dimensions, force, precision, confidence;
    size_t source_dim, target_dim, seed;
    const char *forward_target, *map, *query_prefix, *document_prefix, *vocabulary;
} vni_config_map;

typedef struct vni_config_maps {
    vni_config_map *items;
    size_t count;
} vni_config_maps;

typedef struct vni_config_cache {
    vni_section section;
    size_t memory, disk_bytes;
    const char *disk;
    int64_t ttl;
} vni_config_cache;

typedef struct vni_config_key {
    vni_section section;
    const char *id, *sha256, *key, *key_file;
    size_t requests_per_minute, tokens_per_minute;
    vni_texts maps;
} vni_config_key;

typedef struct vni_config_limits {
    vni_section section;
    size_t header_bytes, header_fields, body_bytes, inputs, connections, connections_per_ip,
        in_flight;
    int64_t header_timeout, idle_timeout, request_timeout, drain_timeout;
    size_t body_rate;
} vni_config_limits;

typedef struct vni_config_canary {
    vni_section section;
    const char *text;
    int64_t interval;
    double min_cosine;
    int refuse;
} vni_config_canary;

typedef struct vni_config_log {
    vni_section section;
    const char *access;
    int level;
} vni_config_log;

typedef struct vni_config {
    vni_section section;
    const char *listen;
    int insecure, dashboard;
    vni_config_tls tls;
    vni_config_forward forward;
    vni_config_map adapter;
    vni_config_maps extra_maps;
    int64_t join_window;
    vni_config_cache cache;
    struct {
        vni_config_key *items;
        size_t count;
    } keys;
    vni_config_limits limits;
    vni_config_canary canary;
    vni_config_log log;

    vni_arena arena;  /* behind all of the above */
    const char *path; /* of the file; NULL none */
    vni_texts notes;  /* remarks for the log: a file with keys that others can read */
} vni_config;

/* ---- the table ------------------------------------------------------------------------------ */

typedef enum vni_setting_kind {
    VNI_KIND_TEXT,
    VNI_KIND_BOOL,    /* int */
    VNI_KIND_COUNT,   /* size_t */
    VNI_KIND_BYTES,   /* size_t: 4096, 64kB, 16MB, 1GB; powers of 1024 */
    VNI_KIND_TIME,    /* int64_t in milliseconds: 300ms, 10s, 5m, 1h */
    VNI_KIND_NUMBER,  /* double */
    VNI_KIND_CHOICE,  /* int: index into words */
    VNI_KIND_TEXTS,   /* vni_texts */
    VNI_KIND_SECTION, /* a struct inside */
    VNI_KIND_LIST,    /* {items, count} of structs */
    VNI_KIND_NAMED    /* the same, written as name: {...} */
} vni_setting_kind;

struct vni_setting_table;
typedef struct vni_setting {
    const char *key, *alias; /* alias: another accepted spelling, or NULL */
    vni_setting_kind kind;
    size_t offset;
    const char *fallback;                  /* default, as written in a file; NULL: 0 or none */
    const char *words;                     /* of a choice, "a|b|c" */
    double least, most;                    /* of numbers; most 0: no limit */
    const struct vni_setting_table *table; /* of a section or list */
    const char *help;
} vni_setting;

typedef struct vni_setting_table {
    const char *title; /* in docs/config.md */
    const char *about;
    const vni_setting *fields;
    size_t count, bytes; /* fields, and size of the struct */
} vni_setting_table;

extern const vni_setting_table vni_config_table, vni_target_table, vni_map_table;

/* ---- reading -------------------------------------------------------------------------------- */

/* Every field of a fresh section set to its default. */
vecna_status vni_config_defaults(const vni_setting_table *table, void *section, vni_arena *arena,
                                 vecna_error *err);

/* Set one scalar field from its text. */
vecna_status vni_config_set(const vni_setting *field, void *section, const char *text, int line,
                            vni_arena *arena, vecna_error *err);

enum {
    VNI_ENVIRONMENT_NAME = 256
}; /* bytes of a name with its NUL; a longer one is no setting's */

typedef struct vni_environment {
    const char *const *all; /* "NAME=value" */
    unsigned char *asked;   /* (count) whether somebody wanted to know it */
    size_t count;
} vni_environment;

/* The first value of a name, or NULL; and whether any name starts so. */
const char *vni_environment_value(const vni_environment *in, const char *name, size_t bytes);
int vni_environment_has(const vni_environment *in, const char *prefix);

/* "targets" behind "VECNA_FORWARD" makes VECNA_FORWARD_TARGETS; what has no room is left out. */
void vni_environment_append(char *name, size_t capacity, const char *word);

/* VECNA_ERR_NOT_FOUND, with the nearest setting, when a variable that starts with VECNA_ was not asked for
 * and is not another command's, nor one that Kubernetes makes of a service's name. */
vecna_status vni_environment_check(const vni_environment *in, const vni_config *config,
                                   vecna_error *err);

typedef struct vni_config_source {
    const char *path; /* file; NULL: none */
    const char *text; /* instead of a file */
    size_t bytes;
    const char *const *environment; /* "NAME=value", ended by NULL; NULL: none */
    const vecna_allocator *allocator;
} vni_config_source;

/* Read, override, fill with defaults. Meaning is checked by vni_config_check. _free is NULL-safe. */
vecna_status vni_config_read(const vni_config_source *source, vni_config **out, vecna_error *err);
void vni_config_free(vni_config *config);

/* Names, references, addresses, what excludes what. Reads no file but those of keys. */
vecna_status vni_config_check(vni_config *config, vecna_error *err);

/* An adapter with what it leaves unset taken from the global one. */
vni_config_map vni_config_map_effective(const vni_config *config, const vni_config_map *map);

/* Letters to change, add or leave out; 99 for very long words. */
size_t vni_word_distance(const char *a, const char *b);

#endif
