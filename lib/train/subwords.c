/* fastText's subwords: the character n-grams of "<word>", hashed into buckets whose rows lie behind
 * those of the words. The hash is fastText's (32-bit FNV-1a over signed bytes), so that a bucket means
 * the same n-grams here and there. */
#include "train/train_impl.h"

static int starts_character(char byte) {
    return ((unsigned char)byte & 0xC0) != 0x80;
}

typedef struct gram_list {
    const vni_subword_rule *rule;
    int32_t *out;
    size_t count, first, room; /* those from `first` on are written, at most `room` of them */
} gram_list;

/* Every n-gram that starts at `at` of the bracketed word: `word` stands between '<' and '>', so byte
 * 0 and byte bytes + 1 are the brackets. */
static char byte_at(const char *word, size_t bytes, size_t at) {
    return at == 0 ? '<' : at == bytes + 1 ? '>' : word[at - 1];
}

static void add_grams(gram_list *list, const char *word, size_t bytes, size_t at) {
    uint32_t hash = 2166136261u;
    size_t end = bytes + 2, to = at;
    for (size_t length = 1; to < end && length <= list->rule->max_n; length++) {
        do { /* one character more */
            hash = (hash ^ (uint32_t)(int8_t)byte_at(word, bytes, to++)) * 16777619u;
        } while (to < end && !starts_character(byte_at(word, bytes, to)));
        if (length < list->rule->min_n || (length == 1 && (at == 0 || to == end)))
            continue;
        if (list->count >= list->first && list->count - list->first < list->room)
            list->out[list->count - list->first] =
                (int32_t)(list->rule->words + hash % list->rule->buckets);
        list->count++;
    }
}

size_t vni_subword_rows(const vni_subword_rule *rule, const char *word, size_t bytes, size_t first,
                        int32_t *out, size_t room) {
    gram_list list = {rule, out, 0, first, room};
    if (rule->max_n == 0)
        return 0;
    for (size_t at = 0; at < bytes + 2; at++)
        if (starts_character(byte_at(word, bytes, at)))
            add_grams(&list, word, bytes, at);
    return list.count;
}

void vni_subwords_free(vni_subwords *subwords, const vecna_allocator *allocator) {
    vecna_release(allocator, subwords->starts);
    vecna_release(allocator, subwords->rows);
    memset(subwords, 0, sizeof *subwords);
}

vecna_status vni_subwords_new(const vni_subword_rule *rule, const vecna_vocab *vocab,
                              const vecna_allocator *allocator, vni_subwords *out,
                              vecna_error *err) {
    vni_subwords made = {NULL, NULL, 0};
    size_t words = vecna_vocab_size(vocab), total = 0;
    made.starts = vecna_allocate(allocator, words + 1, sizeof *made.starts);
    for (int pass = 0; made.starts && pass < 2; pass++) { /* count, then write */
        total = 0;
        for (size_t i = 0; i < words; i++) {
            size_t bytes, grams;
            const char *word = vecna_vocab_word(vocab, (int32_t)i, &bytes);
            int32_t *place = pass ? made.rows + total : NULL;
            if (pass)
                *place++ = (int32_t)i;
            grams = 1 + vni_subword_rows(rule, word, bytes, 0, place, pass ? SIZE_MAX : 0);
            made.starts[i] = total;
            made.longest = grams > made.longest ? grams : made.longest;
            total += grams;
        }
        made.starts[words] = total;
        if (pass == 0)
            made.rows = vecna_allocate(allocator, total, sizeof *made.rows);
        if (made.rows == NULL)
            break;
    }
    if (made.starts == NULL || made.rows == NULL) {
        vni_subwords_free(&made, allocator);
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                               "not enough memory for the n-grams of %zu words", words);
    }
    *out = made;
    return VECNA_OK;
}
