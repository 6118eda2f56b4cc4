/* A key is compared as its SHA-256, with every stored one, without an early end: neither its length nor how
 * much of it is right can be told from the time. Buckets outlive a reload, so that reloading is no way
 * around a limit. */
#include "proxy/keys.h"

#include "net/net_impl.h"

#include <string.h>

void vni_bucket_start(vni_bucket *bucket, double limit, uint64_t now_us) {
    bucket->limit = bucket->level = limit;
    bucket->at_us = now_us;
}

int vni_bucket_take(vni_bucket *bucket, double cost, uint64_t now_us, unsigned *wait_s) {
    double wanted = cost < bucket->limit ? cost : bucket->limit;
    if (bucket->limit <= 0)
        return 1;
    if (now_us > bucket->at_us) {
        bucket->level += (double)(now_us - bucket->at_us) * 1e-6 * bucket->limit / 60;
        bucket->at_us = now_us;
        if (bucket->level > bucket->limit)
            bucket->level = bucket->limit;
    }
    if (bucket->level + 1e-9 < wanted) {
        double wait = (wanted - bucket->level) * 60 / bucket->limit;
        *wait_s = wait < 1 ? 1 : (unsigned)(wait + 0.999);
        return 0;
    }
    bucket->level -= cost;
    return 1;
}

static int hex_value(char digit) {
    return digit <= '9' ? digit - '0' : (digit | 32) - 'a' + 10;
}

static void digest_of(const vni_config_key *key, unsigned char out[32]) {
    if (key->sha256)
        for (int i = 0; i < 32; i++)
            out[i] = (unsigned char)(hex_value(key->sha256[2 * i]) << 4 |
                                     hex_value(key->sha256[2 * i + 1]));
    else
        vni_sha256(key->key, strlen(key->key), out);
}

vecna_status vni_keys_make(vni_config *config, const vni_keys *before, uint64_t now_us,
                           vni_keys *out, vecna_error *err) {
    vni_keys keys = {NULL, config->keys.count};
    if (keys.count)
        keys.items = vni_arena_take(&config->arena, keys.count * sizeof *keys.items);
    if (keys.count && keys.items == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for the keys");
    for (size_t i = 0; i < keys.count; i++) {
        const vni_config_key *from = &config->keys.items[i];
        vni_client_key *key = &keys.items[i];
        key->name = from->id;
        key->maps = from->maps;
        digest_of(from, key->digest);
        vni_bucket_start(&key->requests, (double)from->requests_per_minute, now_us);
        vni_bucket_start(&key->tokens, (double)from->tokens_per_minute, now_us);
        for (size_t j = 0; before && j < before->count; j++) {
            const vni_client_key *old = &before->items[j];
            if (memcmp(old->digest, key->digest, sizeof key->digest) != 0)
                continue;
            key->served = old->served;
            key->refused = old->refused;
            if (old->requests.limit == key->requests.limit)
                key->requests = old->requests;
            if (old->tokens.limit == key->tokens.limit)
                key->tokens = old->tokens;
        }
    }
    *out = keys;
    return VECNA_OK;
}

vni_client_key *vni_keys_find(const vni_keys *keys, const char *text, size_t bytes) {
    unsigned char digest[32];
    vni_client_key *found = NULL;
    vni_sha256(text, bytes, digest);
    for (size_t i = 0; i < keys->count; i++)
        if (vni_same_bytes(digest, keys->items[i].digest, sizeof digest))
            found = &keys->items[i];
    return found;
}

int vni_key_allows(const vni_client_key *key, const char *map) {
    if (key == NULL || key->maps.count == 0)
        return 1;
    for (size_t i = 0; i < key->maps.count; i++)
        if (strcmp(key->maps.items[i], map) == 0)
            return 1;
    return 0;
}
