/* Equal rows, in one pass and bounded memory: a set of 64-bit hashes with the number of the first
 * row that had each. Two different rows share a hash once in 2^64 pairs: of three million rows one
 * chance in four million that a pair is reported which is none. When the set is full, later rows
 * are still looked up but no longer remembered. */
#include "space/space_impl.h"

#include <string.h>

enum { FIRST_CAPACITY = 1024 };

void vni_seen_init(vni_seen *seen, size_t limit, const vecna_allocator *allocator) {
    memset(seen, 0, sizeof *seen);
    seen->limit = limit;
    seen->allocator = allocator;
}

void vni_seen_free(vni_seen *seen) {
    vecna_release(seen->allocator, seen->slots);
    seen->slots = NULL;
    seen->capacity = 0;
}

/* The finaliser of splitmix64: every bit of the input reaches every bit of the output. */
static uint64_t mix(uint64_t value) {
    value ^= value >> 30;
    value *= UINT64_C(0xbf58476d1ce4e5b9);
    value ^= value >> 27;
    value *= UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

enum { LANES = 4 };

/* Never 0. Four chains, so that the processor need not wait for each product. Adding 0 makes a
 * negative zero a zero: the two are one number. */
static uint64_t hash_row(const float *row, size_t dim) {
    uint64_t lane[LANES], hash = mix(dim + 1);
    for (size_t k = 0; k < LANES; k++)
        lane[k] = mix(k + UINT64_C(0x9e3779b97f4a7c15));
    for (size_t j = 0; j < dim; j += 2 * LANES) {
        float values[2 * LANES] = {0};
        uint64_t words[LANES];
        size_t count = dim - j < 2 * LANES ? dim - j : 2 * LANES;
        for (size_t k = 0; k < count; k++)
            values[k] = row[j + k] + 0.0F;
        memcpy(words, values, sizeof words);
        for (size_t k = 0; k < LANES; k++) {
            lane[k] = (lane[k] ^ words[k]) * UINT64_C(0x9fb21c651e98df25);
            lane[k] ^= lane[k] >> 32;
        }
    }
    for (size_t k = 0; k < LANES; k++)
        hash = mix(hash ^ lane[k]);
    return hash ? hash : 1;
}

static uint64_t *find(const vni_seen *seen, uint64_t hash) {
    size_t at = (size_t)hash & (seen->capacity - 1);
    while (seen->slots[2 * at] && seen->slots[2 * at] != hash)
        at = (at + 1) & (seen->capacity - 1);
    return seen->slots + 2 * at;
}

/* At most three quarters of the slots are used. */
static vecna_status grow(vni_seen *seen, vecna_error *err) {
    size_t capacity = seen->capacity ? 2 * seen->capacity : FIRST_CAPACITY;
    vni_seen bigger = *seen;
    bigger.slots = vecna_allocate_zero(seen->allocator, capacity, 2 * sizeof *bigger.slots);
    if (!bigger.slots)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                               "no memory to look for duplicates among %zu rows", seen->used);
    bigger.capacity = capacity;
    for (size_t i = 0; i < seen->capacity; i++) {
        if (seen->slots[2 * i])
            memcpy(find(&bigger, seen->slots[2 * i]), seen->slots + 2 * i, 2 * sizeof *seen->slots);
    }
    vecna_release(seen->allocator, seen->slots);
    *seen = bigger;
    return VECNA_OK;
}

vecna_status vni_seen_add(vni_seen *seen, const float *row, size_t dim, uint64_t number,
                          uint64_t *first, vecna_error *err) {
    if (4 * (seen->used + 1) > 3 * seen->capacity && seen->used < seen->limit) {
        vecna_status status = grow(seen, err);
        if (status != VECNA_OK)
            return status;
    }
    uint64_t hash = hash_row(row, dim), *slot = find(seen, hash);
    if (slot[0]) {
        *first = slot[1];
        return VECNA_OK;
    }
    *first = number;
    if (seen->used >= seen->limit) {
        seen->full = 1;
        return VECNA_OK;
    }
    slot[0] = hash;
    slot[1] = number;
    seen->used++;
    return VECNA_OK;
}
