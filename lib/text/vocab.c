/* Words lie one behind the other in large pieces of memory that never move, NUL-terminated; a word
 * is found by open addressing over slots of (hash, number), which stay half empty. The slot's half of
 * the hash turns away nearly every wrong word without touching its bytes. */
#include "text/text_impl.h"

#include <stdlib.h>

enum { PIECE_BYTES = 1 << 20, SLOTS_FIRST = 1 << 12 };
#define WORDS_MOST ((size_t)INT32_MAX - 1)

typedef struct piece {
    struct piece *before;
    size_t used, size;
    char data[];
} piece;

typedef struct slot {
    uint32_t hash;
    uint32_t number; /* of the word, plus one; 0 empty */
} slot;

struct vecna_vocab {
    vecna_allocator allocator_copy;
    const vecna_allocator *allocator;
    piece *last;
    const char **words;
    uint32_t *lengths;
    uint64_t *counts;
    size_t size, words_capacity, lengths_capacity, counts_capacity;
    slot *slots;
    size_t slot_mask;
};

static vecna_status no_memory(size_t words, vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                           "not enough memory for a vocabulary of %zu words", words);
}

vecna_status vecna_vocab_new(const vecna_allocator *allocator, vecna_vocab **out,
                             vecna_error *err) {
    vecna_vocab *vocab = vecna_allocate_zero(allocator, 1, sizeof *vocab);
    if (vocab == NULL)
        return no_memory(0, err);
    if (allocator) {
        vocab->allocator_copy = *allocator;
        vocab->allocator = &vocab->allocator_copy;
    }
    vocab->slots = vecna_allocate_zero(allocator, SLOTS_FIRST, sizeof *vocab->slots);
    vocab->slot_mask = SLOTS_FIRST - 1;
    if (vocab->slots == NULL) {
        vecna_vocab_free(vocab);
        return no_memory(0, err);
    }
    *out = vocab;
    return VECNA_OK;
}

void vecna_vocab_free(vecna_vocab *vocab) {
    vecna_allocator copy;
    const vecna_allocator *allocator = NULL;
    if (vocab == NULL)
        return;
    if (vocab->allocator) {
        copy = vocab->allocator_copy;
        allocator = &copy;
    }
    while (vocab->last) {
        piece *before = vocab->last->before;
        vecna_release(allocator, vocab->last);
        vocab->last = before;
    }
    vecna_release(allocator, vocab->words);
    vecna_release(allocator, vocab->lengths);
    vecna_release(allocator, vocab->counts);
    vecna_release(allocator, vocab->slots);
    vecna_release(allocator, vocab);
}

static slot *find_slot(const vecna_vocab *vocab, const char *word, size_t bytes, uint64_t hash) {
    uint32_t tag = (uint32_t)(hash >> 32);
    size_t at = (size_t)hash & vocab->slot_mask;
    for (;; at = (at + 1) & vocab->slot_mask) {
        slot *one = &vocab->slots[at];
        if (one->number == 0)
            return one;
        if (one->hash == tag && vocab->lengths[one->number - 1] == bytes &&
            vni_same_bytes(vocab->words[one->number - 1], word, bytes))
            return one;
    }
}

static void insert_all(vecna_vocab *vocab) {
    for (size_t i = 0; i < vocab->size; i++) {
        uint64_t hash = vni_hash_bytes(vocab->words[i], vocab->lengths[i]);
        size_t at = (size_t)hash & vocab->slot_mask;
        while (vocab->slots[at].number != 0)
            at = (at + 1) & vocab->slot_mask;
        vocab->slots[at].hash = (uint32_t)(hash >> 32);
        vocab->slots[at].number = (uint32_t)i + 1;
    }
}

static int grow_slots(vecna_vocab *vocab) {
    size_t count = (vocab->slot_mask + 1) * 2;
    slot *slots = vecna_allocate_zero(vocab->allocator, count, sizeof *slots);
    if (slots == NULL)
        return 0;
    vecna_release(vocab->allocator, vocab->slots);
    vocab->slots = slots;
    vocab->slot_mask = count - 1;
    insert_all(vocab);
    return 1;
}

static char *keep_bytes(vecna_vocab *vocab, const char *word, size_t bytes) {
    piece *last = vocab->last;
    char *copy;
    if (last == NULL || last->size - last->used < bytes + 1) {
        size_t size = bytes + 1 > PIECE_BYTES ? bytes + 1 : PIECE_BYTES;
        last = vecna_allocate(vocab->allocator, sizeof *last + size, 1);
        if (last == NULL)
            return NULL;
        last->before = vocab->last;
        last->used = 0;
        last->size = size;
        vocab->last = last;
    }
    copy = last->data + last->used;
    memcpy(copy, word, bytes);
    copy[bytes] = '\0';
    last->used += bytes + 1;
    return copy;
}

static int reserve_words(vecna_vocab *vocab, size_t needed) {
    void *words = (void *)vocab->words, *lengths = vocab->lengths, *counts = vocab->counts;
    int done = vni_text_reserve(vocab->allocator, &words, &vocab->words_capacity, needed,
                                sizeof *vocab->words);
    vocab->words = words;
    done = done && vni_text_reserve(vocab->allocator, &lengths, &vocab->lengths_capacity, needed,
                                    sizeof *vocab->lengths);
    vocab->lengths = lengths;
    done = done && vni_text_reserve(vocab->allocator, &counts, &vocab->counts_capacity, needed,
                                    sizeof *vocab->counts);
    vocab->counts = counts;
    return done;
}

vecna_status vecna_vocab_add(vecna_vocab *vocab, const char *word, size_t bytes, uint64_t count,
                             int32_t *id, vecna_error *err) {
    uint64_t hash = vni_hash_bytes(word, bytes);
    slot *place = find_slot(vocab, word, bytes, hash);
    char *copy;
    if (place->number == 0) {
        if (vocab->size >= WORDS_MOST || bytes >= UINT32_MAX)
            return vecna_error_set(err, VECNA_ERR_OVERFLOW, -1,
                                   "a vocabulary has at most %zu words of less than 4 GiB",
                                   WORDS_MOST);
        if (vocab->size * 2 >= vocab->slot_mask) {
            if (!grow_slots(vocab))
                return no_memory(vocab->size, err);
            place = find_slot(vocab, word, bytes, hash);
        }
        copy = reserve_words(vocab, vocab->size + 1) ? keep_bytes(vocab, word, bytes) : NULL;
        if (copy == NULL)
            return no_memory(vocab->size, err);
        vocab->words[vocab->size] = copy;
        vocab->lengths[vocab->size] = (uint32_t)bytes;
        vocab->counts[vocab->size] = 0;
        place->hash = (uint32_t)(hash >> 32);
        place->number = (uint32_t)++vocab->size;
    }
    vocab->counts[place->number - 1] += count;
    if (id)
        *id = (int32_t)(place->number - 1);
    return VECNA_OK;
}

int32_t vecna_vocab_find(const vecna_vocab *vocab, const char *word, size_t bytes) {
    return (int32_t)find_slot(vocab, word, bytes, vni_hash_bytes(word, bytes))->number - 1;
}

size_t vecna_vocab_size(const vecna_vocab *vocab) {
    return vocab->size;
}

const char *vecna_vocab_word(const vecna_vocab *vocab, int32_t id, size_t *bytes) {
    if (bytes)
        *bytes = vocab->lengths[id];
    return vocab->words[id];
}

uint64_t vecna_vocab_count(const vecna_vocab *vocab, int32_t id) {
    return vocab->counts[id];
}

const uint64_t *vecna_vocab_counts(const vecna_vocab *vocab) {
    return vocab->counts;
}

void vni_vocab_subtract(vecna_vocab *vocab, int32_t id, uint64_t count) {
    vocab->counts[id] -= count;
}

/* ---- order ----------------------------------------------------------------------------------- */

typedef struct ranked_word {
    const char *word;
    uint64_t count;
    uint32_t bytes;
    int32_t before;
} ranked_word;

static int compare_words(const void *left, const void *right) {
    const ranked_word *a = left, *b = right;
    size_t common = a->bytes < b->bytes ? a->bytes : b->bytes;
    int order;
    if (a->count != b->count)
        return a->count > b->count ? -1 : 1;
    order = memcmp(a->word, b->word, common);
    return order ? order : (a->bytes > b->bytes) - (a->bytes < b->bytes);
}

vecna_status vecna_vocab_sort(vecna_vocab *vocab, uint64_t min_count, size_t most_words,
                              const vecna_vocab *keep, int32_t *remap, vecna_error *err) {
    size_t before = vocab->size, kept = 0;
    ranked_word *order = vecna_allocate(vocab->allocator, before, sizeof *order);
    if (order == NULL)
        return no_memory(before, err);
    for (size_t i = 0; i < before; i++) {
        int stays = vocab->counts[i] >= min_count;
        if (!stays && keep)
            stays = vecna_vocab_find(keep, vocab->words[i], vocab->lengths[i]) >= 0;
        if (remap)
            remap[i] = -1;
        if (stays) {
            ranked_word one = {vocab->words[i], vocab->counts[i], vocab->lengths[i], (int32_t)i};
            order[kept++] = one;
        }
    }
    qsort(order, kept, sizeof *order, compare_words);
    vocab->size = 0;
    for (size_t i = 0; i < kept; i++) {
        if (most_words && i >= most_words &&
            !(keep && vecna_vocab_find(keep, order[i].word, order[i].bytes) >= 0))
            continue;
        if (remap)
            remap[order[i].before] = (int32_t)vocab->size;
        vocab->words[vocab->size] = order[i].word;
        vocab->lengths[vocab->size] = order[i].bytes;
        vocab->counts[vocab->size++] = order[i].count;
    }
    memset(vocab->slots, 0, (vocab->slot_mask + 1) * sizeof *vocab->slots);
    insert_all(vocab);
    vecna_release(vocab->allocator, order);
    return VECNA_OK;
}
