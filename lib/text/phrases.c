/* Phrases work on numbers, not on text: the pairs of a whole corpus are counted in one table of
 * 64-bit keys, and joined in place, since a joined stream is never longer than what it came from.
 * Pairs are taken from the left and do not overlap: "new york times" is "new_york times" after one
 * pass and "new_york_times" after two. Counts of the three words are put right, so that the
 * vocabulary keeps counting what stands in the text. */
#include "text/text_impl.h"

#include <stdlib.h>

typedef struct pair {
    uint64_t key; /* (first + 1) << 32 | second; 0 empty */
    uint64_t count;
    int32_t joined; /* number of the phrase, -1 not yet, -2 no phrase */
} pair;

typedef struct pair_table {
    const vecna_allocator *allocator;
    pair *slots;
    size_t mask, used;
} pair_table;

static pair *find(const pair_table *table, uint64_t key) {
    size_t at = (size_t)vni_mix(key, 0x5851f42d4c957f2du) & table->mask;
    while (table->slots[at].key != 0 && table->slots[at].key != key)
        at = (at + 1) & table->mask;
    return &table->slots[at];
}

static int grow(pair_table *table) {
    size_t old = table->slots ? table->mask + 1 : 0, count = old ? old * 2 : (size_t)1 << 16;
    pair *before = table->slots;
    pair *slots = vecna_allocate_zero(table->allocator, count, sizeof *slots);
    if (slots == NULL)
        return 0;
    table->slots = slots;
    table->mask = count - 1;
    for (size_t i = 0; i < old; i++)
        if (before[i].key != 0)
            *find(table, before[i].key) = before[i];
    vecna_release(table->allocator, before);
    return 1;
}

static uint64_t key_of(int32_t first, int32_t second) {
    return ((uint64_t)(uint32_t)first + 1) << 32 | (uint32_t)second;
}

static int count_pairs(pair_table *table, const vni_stream *stream) {
    for (size_t unit = 0; unit < stream->units; unit++)
        for (size_t at = stream->starts[unit]; at + 1 < stream->starts[unit + 1]; at++) {
            uint64_t key = key_of(stream->ids[at], stream->ids[at + 1]);
            pair *one;
            if (table->used * 2 >= table->mask && !grow(table))
                return 0;
            one = find(table, key);
            if (one->key == 0) {
                one->key = key;
                one->joined = -1;
                table->used++;
            }
            one->count++;
        }
    return 1;
}

/* What the scores are computed from: counts as they were before the first pair was joined. */
typedef struct scoring {
    const uint64_t *counts;
    double tokens, threshold;
    uint64_t min_count;
} scoring;

static int is_phrase(const scoring *rule, const pair *one) {
    size_t first = (size_t)(one->key >> 32) - 1, second = (size_t)(one->key & UINT32_MAX);
    uint64_t a = rule->counts[first], b = rule->counts[second];
    if (a < rule->min_count || b < rule->min_count || one->count <= rule->min_count)
        return 0;
    return (double)(one->count - rule->min_count) / (double)a / (double)b * rule->tokens >
           rule->threshold;
}

/* The number of "a_b", a new word when it is one. */
static vecna_status join_words(vecna_vocab *vocab, const vecna_allocator *allocator, int32_t a,
                               int32_t b, int32_t *out, vecna_error *err) {
    size_t head, tail;
    const char *first = vecna_vocab_word(vocab, a, &head);
    const char *second = vecna_vocab_word(vocab, b, &tail);
    char *word = vecna_allocate(allocator, head + tail + 1, 1);
    vecna_status status;
    if (word == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for a phrase");
    memcpy(word, first, head);
    word[head] = '_';
    memcpy(word + head + 1, second, tail);
    status = vecna_vocab_add(vocab, word, head + tail + 1, 0, out, err);
    vecna_release(allocator, word);
    return status;
}

static vecna_status join_pairs(vni_stream *stream, vecna_vocab *vocab, const pair_table *table,
                               const scoring *rule, vecna_error *err) {
    size_t out = 0;
    for (size_t unit = 0; unit < stream->units; unit++) {
        size_t at = stream->starts[unit], end = stream->starts[unit + 1];
        stream->starts[unit] = out;
        while (at < end) {
            int32_t id = stream->ids[at++];
            pair *one = at < end ? find(table, key_of(id, stream->ids[at])) : NULL;
            if (one && one->joined == -1)
                one->joined = is_phrase(rule, one) ? -1 : -2;
            if (one && one->joined == -1) {
                vecna_status status =
                    join_words(vocab, stream->allocator, id, stream->ids[at], &one->joined, err);
                if (status != VECNA_OK)
                    return status;
            }
            if (one && one->joined >= 0) {
                vni_vocab_subtract(vocab, id, 1);
                vni_vocab_subtract(vocab, stream->ids[at++], 1);
                vni_vocab_subtract(vocab, one->joined, (uint64_t)-1);
                id = one->joined;
            }
            stream->ids[out++] = id;
        }
    }
    stream->starts[stream->units] = stream->tokens = out;
    return VECNA_OK;
}

vecna_status vni_join_phrases(vni_stream *stream, vecna_vocab *vocab, uint64_t min_count,
                              double threshold, vecna_error *err) {
    pair_table table = {stream->allocator, NULL, 0, 0};
    scoring rule = {NULL, (double)stream->tokens, threshold, min_count};
    size_t words = vecna_vocab_size(vocab);
    uint64_t *counts = vecna_allocate(stream->allocator, words, sizeof *counts);
    vecna_status status = VECNA_OK;

    if (counts == NULL || !grow(&table) || !count_pairs(&table, stream)) {
        status = vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                                 "not enough memory to count the %zu different pairs of words; "
                                 "leave --phrases out",
                                 table.used);
    } else {
        if (words) /* an empty vocabulary has no counts at all */
            memcpy(counts, vecna_vocab_counts(vocab), words * sizeof *counts);
        rule.counts = counts;
        status = join_pairs(stream, vocab, &table, &rule, err);
    }
    vecna_release(stream->allocator, table.slots);
    vecna_release(stream->allocator, counts);
    return status;
}
