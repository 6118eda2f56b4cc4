/* Vectors that were asked for before. Exact: a key is the SHA-256 of everything that decides a vector, so
 * no text is kept and none can be taken for another. */
#ifndef VNI_PROXY_CACHE_H
#define VNI_PROXY_CACHE_H

#include "vecna/base.h"

enum { VNI_CACHE_KEY_BYTES = 32 };

typedef struct vni_cache_options {
    size_t memory_bytes;   /* vectors and what they cost to keep; 0: nothing is kept in memory */
    int64_t ttl_ms;        /* 0: for ever */
    const char *disk_path; /* SQLite file; NULL none */
    size_t disk_bytes;     /* vectors in it */
    const vecna_allocator *allocator;
} vni_cache_options;

typedef struct vni_cache_counts {
    uint64_t hits, misses, disk_hits, stored, evicted, disk_errors;
    size_t entries, bytes;
    uint64_t disk_bytes;
} vni_cache_counts;

typedef struct vni_cache vni_cache;

/* A disk that cannot be used is no failure: the cache lives in memory and vni_cache_disk_error says why. */
VECNA_CHECK vecna_status vni_cache_new(const vni_cache_options *options, vni_cache **out,
                                       vecna_error *err);
void vni_cache_free(vni_cache *cache); /* writes what is waiting for the disk; NULL-safe */
/* New limits after a reload; the disk stays as it was opened. */
void vni_cache_resize(vni_cache *cache, size_t memory_bytes, int64_t ttl_ms);

/* The vector of a key, valid until the next call on the cache; NULL when it is not there. */
const float *vni_cache_find(vni_cache *cache, const unsigned char *key, uint64_t now_ms,
                            size_t *dim);
/* Keep a vector. Failing to is no failure. */
void vni_cache_store(vni_cache *cache, const unsigned char *key, const float *vector, size_t dim,
                     uint64_t now_ms);
/* Forget everything, on disk too: the model behind it is another one. */
void vni_cache_clear(vni_cache *cache);
/* Give what waits to the disk: call it now and then. */
void vni_cache_flush(vni_cache *cache);

void vni_cache_counts_of(const vni_cache *cache, vni_cache_counts *out);
/* "" when the disk works or none was asked for. */
const char *vni_cache_disk_error(const vni_cache *cache);

/* ---- the disk (disk.c) -------------------------------------------------------------------------- */

typedef struct vni_disk vni_disk;
VECNA_CHECK vecna_status vni_disk_open(const char *path, size_t bytes_max,
                                       const vecna_allocator *allocator, vni_disk **out,
                                       vecna_error *err);
void vni_disk_close(vni_disk *disk);
/* Into a buffer of the disk's own. `at_ms` is when it was stored. */
const float *vni_disk_find(vni_disk *disk, const unsigned char *key, size_t *dim, uint64_t *at_ms);
void vni_disk_store(vni_disk *disk, const unsigned char *key, const float *vector, size_t dim,
                    uint64_t at_ms);
void vni_disk_flush(vni_disk *disk);
void vni_disk_clear(vni_disk *disk);
uint64_t vni_disk_bytes(const vni_disk *disk);
uint64_t vni_disk_errors(const vni_disk *disk);
const char *vni_disk_error(const vni_disk *disk);

#endif
