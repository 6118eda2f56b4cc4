/* What the files of text share, and what trainers take beside the public header. */
#ifndef VNI_TEXT_IMPL_H
#define VNI_TEXT_IMPL_H

#include "vecna/text.h"

#include <string.h>

/* One to seven bytes in the order of a little-endian number, without a loop: both halves, which overlap. */
static inline uint64_t vni_few_bytes(const char *data, size_t bytes) {
    const unsigned char *at = (const unsigned char *)data;
    uint32_t low, high;
    if (bytes < 4)
        return (uint64_t)at[0] | (uint64_t)at[bytes / 2] << 8 * (bytes / 2) |
               (uint64_t)at[bytes - 1] << 8 * (bytes - 1);
    memcpy(&low, data, 4);
    memcpy(&high, data + bytes - 4, 4);
    return (uint64_t)low | (uint64_t)high << 8 * (bytes - 4);
}

/* Whether as many bytes are the same; of a word, in one or two looks: memcmp of a constant is no call. */
static inline int vni_same_bytes(const char *a, const char *b, size_t bytes) {
    if (bytes > 16)
        return memcmp(a, b, bytes) == 0;
    if (bytes >= 8)
        return memcmp(a, b, 8) == 0 && memcmp(a + bytes - 8, b + bytes - 8, 8) == 0;
    if (bytes >= 4)
        return memcmp(a, b, 4) == 0 && memcmp(a + bytes - 4, b + bytes - 4, 4) == 0;
    return bytes == 0 || vni_few_bytes(a, bytes) == vni_few_bytes(b, bytes);
}

/* A hash of bytes, the same on every machine: eight at a time, the last ones padded with zeros and
 * told apart by the length. Not for keys of an enemy with time: a table of words may be slow, but
 * never wrong. */
static inline uint64_t vni_mix(uint64_t a, uint64_t b) {
    uint64_t x = (a ^ b) * 0x9e3779b97f4a7c15u;
    return x ^ x >> 29;
}

static inline uint64_t vni_hash_bytes(const char *data, size_t bytes) {
    uint64_t hash = vni_mix(bytes, 0x2545f4914f6cdd1du), word;
    for (; bytes >= 8; data += 8, bytes -= 8) {
        memcpy(&word, data, 8);
        hash = vni_mix(hash, word);
    }
    if (bytes > 0)
        hash = vni_mix(hash, vni_few_bytes(data, bytes));
    return vni_mix(hash, hash >> 32);
}

/* What vni_text_reserve does where the room is not there yet. */
int vni_text_grow(const vecna_allocator *allocator, void **array, size_t *capacity, size_t needed,
                  size_t size);
/* A growing array: room for `needed` entries of `size` bytes, doubling. 0 when memory is out. */
static inline int vni_text_reserve(const vecna_allocator *allocator, void **array, size_t *capacity,
                                   size_t needed, size_t size) {
    return needed <= *capacity || vni_text_grow(allocator, array, capacity, needed, size);
}

/* The text of a corpus while it is read: numbers in the order of first sight. */
typedef struct vni_stream {
    const vecna_allocator *allocator;
    int32_t *ids;
    size_t *starts; /* (units + 1) */
    size_t tokens, ids_capacity;
    size_t units, starts_capacity;
} vni_stream;

/* Joins the pairs of one pass in place, and adds them to the vocabulary with the counts that are
 * left of all three. */
vecna_status vni_join_phrases(vni_stream *stream, vecna_vocab *vocab, uint64_t min_count,
                              double threshold, vecna_error *err);

/* Takes `count` from a word. */
void vni_vocab_subtract(vecna_vocab *vocab, int32_t id, uint64_t count);

#endif
