/* Who may ask, how much and for what. */
#ifndef VNI_PROXY_KEYS_H
#define VNI_PROXY_KEYS_H

#include "proxy/config.h"

/* Fills at limit / 60 a second up to limit. */
typedef struct vni_bucket {
    double level, limit;
    uint64_t at_us;
} vni_bucket;

void vni_bucket_start(vni_bucket *bucket, double limit, uint64_t now_us);
/* 1 when `cost` was taken; otherwise 0 and the seconds (at least 1) until it can be. What is more than the
 * limit passes when the bucket is full and leaves a debt, so it is slowed down and not refused for ever. */
int vni_bucket_take(vni_bucket *bucket, double cost, uint64_t now_us, unsigned *wait_s);

typedef struct vni_client_key {
    const char *name;
    unsigned char digest[32];    /* SHA-256 of the key: the key itself is not kept */
    vni_bucket requests, tokens; /* limit 0: none */
    vni_texts maps;              /* count 0: all */
    uint64_t served, refused;
} vni_client_key;

typedef struct vni_keys {
    vni_client_key *items;
    size_t count; /* 0: everyone is served */
} vni_keys;

VECNA_CHECK vecna_status vni_keys_make(vni_config *config, const vni_keys *before, uint64_t now_us,
                                       vni_keys *out, vecna_error *err);
/* The key with this text; NULL none. Takes the same time whichever it is and whether there is one. */
vni_client_key *vni_keys_find(const vni_keys *keys, const char *text, size_t bytes);
/* Whether it may use the map of this name ("default" for the global adapter). */
int vni_key_allows(const vni_client_key *key, const char *map);

#endif
