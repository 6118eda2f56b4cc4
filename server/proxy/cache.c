/* A hash table with a list in the order of last use; the cap counts bytes, because one model's vectors are
 * ten times another's. Keys are SHA-256, so their first bytes are as good a hash as any. A hit on the disk
 * comes back into memory. One thread uses it. */
#include "proxy/cache.h"

#include <string.h>

enum { TABLE_LEAST = 64 };

typedef struct entry {
    struct entry *chain;         /* in its bucket */
    struct entry *newer, *older; /* by last use */
    uint64_t at_ms;              /* stored */
    size_t dim;
    unsigned char key[VNI_CACHE_KEY_BYTES];
    float vector[];
} entry;

struct vni_cache {
    const vecna_allocator *allocator;
    size_t most;
    int64_t ttl_ms;
    entry **buckets;
    size_t bucket_count;
    entry *newest, *oldest;
    vni_disk *disk;
    vni_cache_counts counts;
    char disk_error[240];
};

static size_t entry_bytes(size_t dim) {
    return sizeof(entry) + dim * sizeof(float) +
           2 * sizeof(void *); /* its share of the table, malloc's head */
}

static size_t bucket_of(const vni_cache *cache, const unsigned char *key) {
    uint64_t hash;
    memcpy(&hash, key, sizeof hash);
    return (size_t)hash & (cache->bucket_count - 1);
}

static void unlink_use(vni_cache *cache, entry *one) {
    if (one->newer)
        one->newer->older = one->older;
    else
        cache->newest = one->older;
    if (one->older)
        one->older->newer = one->newer;
    else
        cache->oldest = one->newer;
}

static void link_newest(vni_cache *cache, entry *one) {
    one->newer = NULL;
    one->older = cache->newest;
    if (cache->newest)
        cache->newest->newer = one;
    cache->newest = one;
    if (cache->oldest == NULL)
        cache->oldest = one;
}

static void drop(vni_cache *cache, entry *one) {
    entry **at = &cache->buckets[bucket_of(cache, one->key)];
    while (*at != one)
        at = &(*at)->chain;
    *at = one->chain;
    unlink_use(cache, one);
    cache->counts.entries--;
    cache->counts.bytes -= entry_bytes(one->dim);
    vecna_release(cache->allocator, one);
}

static entry *find(const vni_cache *cache, const unsigned char *key) {
    entry *one = cache->buckets ? cache->buckets[bucket_of(cache, key)] : NULL;
    while (one && memcmp(one->key, key, VNI_CACHE_KEY_BYTES) != 0)
        one = one->chain;
    return one;
}

/* Twice the buckets once there are as many entries; a table that cannot grow only gets slower. */
static int make_room_in_table(vni_cache *cache) {
    size_t count = cache->bucket_count ? cache->bucket_count * 2 : TABLE_LEAST,
           before = cache->bucket_count;
    entry **old = cache->buckets, **fresh;
    if (cache->bucket_count > cache->counts.entries)
        return 1;
    fresh = vecna_allocate_zero(cache->allocator, count, sizeof *fresh);
    if (fresh == NULL)
        return cache->bucket_count > 0;
    cache->buckets = fresh;
    cache->bucket_count = count;
    for (size_t i = 0; i < before; i++)
        for (entry *one = old[i], *next; one; one = next) {
            entry **bucket = &fresh[bucket_of(cache, one->key)];
            next = one->chain;
            one->chain = *bucket;
            *bucket = one;
        }
    vecna_release(cache->allocator, old);
    return 1;
}

static entry *keep(vni_cache *cache, const unsigned char *key, const float *vector, size_t dim,
                   uint64_t at_ms) {
    entry *one = find(cache, key), **bucket;
    if (one)
        drop(cache, one);
    if (dim > ((size_t)1 << 28) || entry_bytes(dim) > cache->most || !make_room_in_table(cache))
        return NULL;
    while (cache->oldest && cache->counts.bytes + entry_bytes(dim) > cache->most) {
        cache->counts.evicted++;
        drop(cache, cache->oldest);
    }
    one = vecna_allocate(cache->allocator, 1, sizeof *one + dim * sizeof(float));
    if (one == NULL)
        return NULL;
    memcpy(one->key, key, VNI_CACHE_KEY_BYTES);
    memcpy(one->vector, vector, dim * sizeof(float));
    one->dim = dim;
    one->at_ms = at_ms;
    bucket = &cache->buckets[bucket_of(cache, key)];
    one->chain = *bucket;
    *bucket = one;
    link_newest(cache, one);
    cache->counts.entries++;
    cache->counts.bytes += entry_bytes(dim);
    return one;
}

static int is_stale(const vni_cache *cache, uint64_t at_ms, uint64_t now_ms) {
    return cache->ttl_ms > 0 && now_ms > at_ms && now_ms - at_ms > (uint64_t)cache->ttl_ms;
}

vecna_status vni_cache_new(const vni_cache_options *options, vni_cache **out, vecna_error *err) {
    vni_cache *cache = vecna_allocate_zero(options->allocator, 1, sizeof *cache);
    if (cache == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for the cache");
    cache->allocator = options->allocator;
    cache->most = options->memory_bytes;
    cache->ttl_ms = options->ttl_ms;
    if (options->disk_path && options->disk_path[0]) {
        vecna_error reason;
        reason.message[0] = '\0';
        if (vni_disk_open(options->disk_path, options->disk_bytes, options->allocator, &cache->disk,
                          &reason) != VECNA_OK) {
            memcpy(cache->disk_error, reason.message, sizeof cache->disk_error);
            cache->counts.disk_errors++;
        }
    }
    *out = cache;
    return VECNA_OK;
}

void vni_cache_free(vni_cache *cache) {
    if (cache == NULL)
        return;
    while (cache->oldest)
        drop(cache, cache->oldest);
    vni_disk_close(cache->disk);
    vecna_release(cache->allocator, cache->buckets);
    vecna_release(cache->allocator, cache);
}

void vni_cache_resize(vni_cache *cache, size_t memory_bytes, int64_t ttl_ms) {
    cache->most = memory_bytes;
    cache->ttl_ms = ttl_ms;
    while (cache->oldest && cache->counts.bytes > cache->most)
        drop(cache, cache->oldest);
}

const float *vni_cache_find(vni_cache *cache, const unsigned char *key, uint64_t now_ms,
                            size_t *dim) {
    entry *one = find(cache, key);
    const float *vector = NULL;
    uint64_t at_ms = 0;
    if (one && is_stale(cache, one->at_ms, now_ms)) {
        drop(cache, one);
        one = NULL;
    }
    if (one) {
        unlink_use(cache, one);
        link_newest(cache, one);
        cache->counts.hits++;
        *dim = one->dim;
        return one->vector;
    }
    if (cache->disk)
        vector = vni_disk_find(cache->disk, key, dim, &at_ms);
    if (vector && !is_stale(cache, at_ms, now_ms)) {
        cache->counts.hits++;
        cache->counts.disk_hits++;
        keep(cache, key, vector, *dim, at_ms);
        return vector;
    }
    cache->counts.misses++;
    return NULL;
}

void vni_cache_store(vni_cache *cache, const unsigned char *key, const float *vector, size_t dim,
                     uint64_t now_ms) {
    if (keep(cache, key, vector, dim, now_ms))
        cache->counts.stored++;
    if (cache->disk)
        vni_disk_store(cache->disk, key, vector, dim, now_ms);
}

void vni_cache_clear(vni_cache *cache) {
    while (cache->oldest)
        drop(cache, cache->oldest);
    if (cache->disk)
        vni_disk_clear(cache->disk);
}

void vni_cache_flush(vni_cache *cache) {
    if (cache->disk)
        vni_disk_flush(cache->disk);
}

void vni_cache_counts_of(const vni_cache *cache, vni_cache_counts *out) {
    *out = cache->counts;
    if (cache->disk) {
        out->disk_bytes = vni_disk_bytes(cache->disk);
        out->disk_errors += vni_disk_errors(cache->disk);
    }
}

const char *vni_cache_disk_error(const vni_cache *cache) {
    return cache->disk ? vni_disk_error(cache->disk) : cache->disk_error;
}
