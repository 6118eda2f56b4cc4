/* A text is read once. Words get numbers in the order of first sight, and when the counts are known
 * the numbers are exchanged for ranks in place and rare words squeezed out. A trainer then reads four
 * bytes a word and epoch instead of unpacking, dividing and hashing the text again: that alone costs
 * as much as training CBOW does. */
#include "text/text_impl.h"

#include <stdlib.h>

enum { MIN_COUNT = 5, WATCH_EVERY = 64 };
#define PHRASE_THRESHOLD 100.0

typedef struct reading {
    const vecna_corpus_options *options;
    const vecna_allocator *allocator;
    vecna_source *source;
    vecna_tokenizer *tokenizer;
    vecna_vocab *vocab;
    vni_stream stream;
    int line_empty; /* nothing but blanks so far in this line */
} reading;

static vecna_status no_memory(const reading *work, vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                           "not enough memory to hold a text of %zu words", work->stream.tokens);
}

static int push_start(vni_stream *stream) {
    void *starts = stream->starts;
    int done = vni_text_reserve(stream->allocator, &starts, &stream->starts_capacity,
                                stream->units + 2, sizeof *stream->starts);
    stream->starts = starts;
    return done;
}

/* The unit that is being read ends here. */
static vecna_status end_unit(reading *work, vecna_error *err) {
    vni_stream *stream = &work->stream;
    if (stream->starts[stream->units] == stream->tokens && !work->options->keep_empty_units)
        return VECNA_OK;
    stream->units++;
    if (!push_start(stream))
        return no_memory(work, err);
    stream->starts[stream->units] = stream->tokens;
    return VECNA_OK;
}

static vecna_status add_words(reading *work, const vecna_piece *piece, vecna_error *err) {
    vni_stream *stream = &work->stream;
    vecna_tokenizer_start(work->tokenizer, piece->data, piece->bytes);
    for (;;) {
        const char *word;
        size_t bytes;
        void *ids = stream->ids;
        vecna_status status = vecna_tokenizer_next(work->tokenizer, &word, &bytes, err);
        if (status != VECNA_OK || word == NULL)
            return status;
        if (!vni_text_reserve(work->allocator, &ids, &stream->ids_capacity, stream->tokens + 1,
                              sizeof *stream->ids))
            return no_memory(work, err);
        stream->ids = ids;
        status = vecna_vocab_add(work->vocab, word, bytes, 1, &stream->ids[stream->tokens], err);
        if (status != VECNA_OK)
            return status;
        stream->tokens++;
        work->line_empty = 0;
    }
}

/* Whether the unit ends with this piece. */
static int ends_unit(reading *work, const vecna_piece *piece) {
    int empty_line = piece->ends_line && work->line_empty;
    if (piece->ends_line)
        work->line_empty = 1;
    switch (work->options->unit) {
    case VECNA_UNIT_LINE:
        return piece->ends_line;
    case VECNA_UNIT_PARAGRAPH:
        return piece->ends_file ||
               (empty_line && work->stream.starts[work->stream.units] < work->stream.tokens);
    case VECNA_UNIT_FILE:
        return piece->ends_file;
    }
    return 0;
}

static vecna_status read_all(reading *work, vecna_error *err) {
    vecna_status status = VECNA_OK;
    vecna_piece piece;
    int more = 1;
    if (!push_start(&work->stream))
        return no_memory(work, err);
    work->stream.starts[0] = 0;
    work->line_empty = 1;
    for (size_t turn = 0;; turn++) {
        status = vecna_source_piece(work->source, &piece, &more, err);
        if (status != VECNA_OK || !more)
            break;
        status = add_words(work, &piece, err);
        if (status == VECNA_OK && ends_unit(work, &piece))
            status = end_unit(work, err);
        if (status == VECNA_OK && turn % WATCH_EVERY == 0 && work->options->watch &&
            work->options->watch(work->options->watch_user, work->source))
            status = vecna_error_set(err, VECNA_ERR_NOT_FOUND, -1, "reading was stopped");
        if (status != VECNA_OK)
            break;
    }
    if (status == VECNA_OK && work->stream.starts[work->stream.units] < work->stream.tokens)
        status = end_unit(work, err);
    return status;
}

/* Exchange numbers for ranks; words that have none are squeezed out. */
static void renumber(reading *work, const int32_t *remap) {
    vni_stream *stream = &work->stream;
    size_t out = 0, unit_out = 0;
    for (size_t unit = 0; unit < stream->units; unit++) {
        size_t at = stream->starts[unit], end = stream->starts[unit + 1], start = out;
        for (; at < end; at++) {
            int32_t id = remap[stream->ids[at]];
            if (id >= 0)
                stream->ids[out++] = id;
        }
        if (out > start || work->options->keep_empty_units)
            stream->starts[unit_out++] = start;
    }
    stream->units = unit_out;
    stream->starts[unit_out] = out;
    stream->tokens = out;
}

static vecna_status add_kept(reading *work, vecna_error *err) {
    const vecna_vocab *keep = work->options->keep;
    vecna_status status = VECNA_OK;
    for (size_t i = 0; keep && status == VECNA_OK && i < vecna_vocab_size(keep); i++) {
        size_t bytes;
        const char *word = vecna_vocab_word(keep, (int32_t)i, &bytes);
        status = vecna_vocab_add(work->vocab, word, bytes, 0, NULL, err);
    }
    return status;
}

static uint64_t count_phrases(size_t first, const int32_t *remap, size_t before) {
    uint64_t count = 0;
    for (size_t i = first; i < before; i++)
        count += remap[i] >= 0;
    return count;
}

static vecna_status rank_words(reading *work, vecna_corpus *out, vecna_error *err) {
    const vecna_corpus_options *o = work->options;
    uint64_t min_count = o->min_count ? o->min_count : MIN_COUNT;
    double threshold = o->phrase_threshold > 0 ? o->phrase_threshold : PHRASE_THRESHOLD;
    size_t plain = vecna_vocab_size(work->vocab), before;
    int32_t *remap;
    vecna_status status = VECNA_OK;

    for (size_t pass = 0; status == VECNA_OK && pass < o->phrase_passes; pass++)
        status = vni_join_phrases(&work->stream, work->vocab, min_count, threshold, err);
    out->tokens_read = work->stream.tokens;
    before = vecna_vocab_size(work->vocab);
    if (status == VECNA_OK)
        status = add_kept(work, err);
    if (status != VECNA_OK)
        return status;
    remap = vecna_allocate(work->allocator, vecna_vocab_size(work->vocab), sizeof *remap);
    if (remap == NULL)
        return no_memory(work, err);
    status = vecna_vocab_sort(work->vocab, min_count, o->most_words, o->keep, remap, err);
    if (status == VECNA_OK) {
        renumber(work, remap);
        for (size_t i = 0; i < before; i++)
            out->words_rare += remap[i] < 0;
        out->phrases = count_phrases(plain, remap, before);
    }
    vecna_release(work->allocator, remap);
    return status;
}

static uint64_t fingerprint_of(const reading *work) {
    const vni_stream *stream = &work->stream;
    uint64_t hash = vni_hash_bytes((const char *)stream->ids, stream->tokens * sizeof *stream->ids);
    for (size_t i = 0; i <= stream->units; i++)
        hash = vni_mix(hash, stream->starts[i]);
    for (size_t i = 0; i < vecna_vocab_size(work->vocab); i++) {
        size_t bytes;
        const char *word = vecna_vocab_word(work->vocab, (int32_t)i, &bytes);
        hash = vni_mix(hash, vni_hash_bytes(word, bytes));
    }
    return hash;
}

/* Gives back the room that growing left over. */
static vecna_status shrink(reading *work, vecna_error *err) {
    vni_stream *stream = &work->stream;
    void *ids = vecna_resize(work->allocator, stream->ids, stream->tokens, sizeof *stream->ids);
    void *starts;
    if (ids)
        stream->ids = ids;
    starts =
        vecna_resize(work->allocator, stream->starts, stream->units + 1, sizeof *stream->starts);
    if (starts)
        stream->starts = starts;
    return ids && starts ? VECNA_OK : no_memory(work, err);
}

static void give_away(reading *work, vecna_corpus *out) {
    vni_stream *stream = &work->stream;
    out->fingerprint = fingerprint_of(work);
    out->vocab = work->vocab;
    out->ids = stream->ids;
    out->starts = stream->starts;
    out->units = stream->units;
    out->tokens = stream->tokens;
    out->bad_bytes = vecna_tokenizer_bad_bytes(work->tokenizer);
    out->bytes = vecna_source_bytes_read(work->source);
    if (work->allocator) {
        out->owner = *work->allocator;
        out->has_owner = 1;
    }
    stream->ids = NULL;
    stream->starts = NULL;
    work->vocab = NULL;
}

static vecna_status check_words(const reading *work, const vecna_corpus *out, const char *path,
                                vecna_error *err) {
    uint64_t min_count = work->options->min_count ? work->options->min_count : MIN_COUNT;
    if (work->stream.tokens > 0)
        return VECNA_OK;
    if (out->tokens_read == 0)
        return vecna_error_set(err, VECNA_ERR_VALUE, -1, "%.150s holds no word", path);
    return vecna_error_set(err, VECNA_ERR_VALUE, -1,
                           "none of the %llu words of %.100s occurs %llu times; lower --min-count",
                           (unsigned long long)out->tokens_read, path,
                           (unsigned long long)min_count);
}

vecna_status vecna_corpus_read(const char *path, const vecna_corpus_options *options,
                               vecna_corpus *out, vecna_error *err) {
    static const vecna_corpus_options defaults;
    reading work;
    vecna_corpus made;
    vecna_tokenizer_options tokenizer;
    vecna_status status;

    memset(&work, 0, sizeof work);
    memset(&made, 0, sizeof made);
    work.options = options ? options : &defaults;
    work.allocator = work.stream.allocator = work.options->allocator;
    tokenizer = work.options->tokenizer;
    tokenizer.allocator = work.allocator;
    status = vecna_source_open(path, work.allocator, &work.source, err);
    if (status == VECNA_OK)
        status = vecna_tokenizer_new(&tokenizer, &work.tokenizer, err);
    if (status == VECNA_OK)
        status = vecna_vocab_new(work.allocator, &work.vocab, err);
    if (status == VECNA_OK)
        status = read_all(&work, err);
    if (status == VECNA_OK)
        status = rank_words(&work, &made, err);
    if (status == VECNA_OK)
        status = check_words(&work, &made, path, err);
    if (status == VECNA_OK)
        status = shrink(&work, err);
    if (status == VECNA_OK) {
        give_away(&work, &made);
        *out = made;
    }
    vecna_source_close(work.source);
    vecna_tokenizer_free(work.tokenizer);
    vecna_vocab_free(work.vocab);
    vecna_release(work.allocator, work.stream.ids);
    vecna_release(work.allocator, work.stream.starts);
    return status;
}

void vecna_corpus_free(vecna_corpus *corpus) {
    const vecna_allocator *allocator = corpus->has_owner ? &corpus->owner : NULL;
    vecna_vocab_free(corpus->vocab);
    vecna_release(allocator, corpus->ids);
    vecna_release(allocator, corpus->starts);
    memset(corpus, 0, sizeof *corpus);
}
