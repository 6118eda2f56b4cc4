/* FNV-1a: short, the same everywhere, and good enough to find equal things and to notice damage; it keeps
 * nobody out who means to collide. */
#include "base/base_impl.h"

uint64_t vni_hash(uint64_t hash, const void *data, size_t bytes) {
    const unsigned char *byte = data;
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ byte[i]) * VNI_HASH_FACTOR;
    return hash;
}
