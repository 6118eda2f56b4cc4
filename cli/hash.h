/* One hash for the tables in which commands look texts up: FNV-1a, its upper bits folded into the lower. */
#ifndef CLI_HASH_H
#define CLI_HASH_H

#include <stddef.h>
#include <stdint.h>

static inline size_t hash_of(const void *data, size_t bytes) {
    const unsigned char *byte = data;
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ byte[i]) * UINT64_C(1099511628211);
    return (size_t)(hash ^ hash >> 29);
}

#endif
