/* A corpus as a supply: positions are its words, so that threads get equal shares however long its
 * units are, and a share may end inside of one. */
#include "train/train_impl.h"

static size_t corpus_piece(const void *user, size_t epoch, size_t at, size_t end, int32_t *out,
                           size_t room, size_t *count) {
    const vecna_corpus *corpus = user;
    size_t low = 0, high = corpus->units, taken;
    (void)epoch;
    while (high - low >
           1) { /* the unit that holds `at`: the last one that starts there or before */
        size_t middle = low + (high - low) / 2;
        if (corpus->starts[middle] <= at)
            low = middle;
        else
            high = middle;
    }
    taken = corpus->starts[low + 1] < end ? corpus->starts[low + 1] : end;
    taken = taken - at < room ? taken - at : room;
    memcpy(out, corpus->ids + at, taken * sizeof *out);
    *count = taken;
    return taken;
}

vecna_supply vecna_supply_of(const vecna_corpus *corpus) {
    vecna_supply supply;
    memset(&supply, 0, sizeof supply);
    supply.piece = corpus_piece;
    supply.user = corpus;
    supply.positions = corpus->tokens;
    supply.words = corpus->tokens;
    supply.numbers = vecna_vocab_size(corpus->vocab);
    supply.counts = vecna_vocab_counts(corpus->vocab);
    supply.fingerprint = corpus->fingerprint;
    return supply;
}
