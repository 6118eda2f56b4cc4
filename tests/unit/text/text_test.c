/* Files of every kind, words of every kind, and a corpus counted by hand. */
#include "tests/unit/support/support.h"

#include "text/text_impl.h"

#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

static char folder[64];

static int make_folder(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/vecna_text_XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state) {
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static const char *path_of(const char *name) {
    static char path[4][256];
    static unsigned turn;
    char *at = path[turn++ % 4];
    snprintf(at, 256, "%s/%s", folder, name);
    return at;
}

static const char *write_bytes(const char *name, const void *data, size_t bytes) {
    const char *path = path_of(name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, bytes, file), bytes);
    fclose(file);
    return path;
}

static const char *write_text(const char *name, const char *text) {
    return write_bytes(name, text, strlen(text));
}

static size_t gzip_of(const char *text, unsigned char *out, size_t room) {
    z_stream z;
    memset(&z, 0, sizeof z);
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (unsigned char *)(uintptr_t)text;
    z.avail_in = (unsigned)strlen(text);
    z.next_out = out;
    z.avail_out = (unsigned)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return room - z.avail_out;
}

static size_t xz_of(const char *text, unsigned char *out, size_t room) {
    size_t made = 0;
    assert_int_equal(lzma_easy_buffer_encode(0, LZMA_CHECK_CRC32, NULL, (const uint8_t *)text,
                                             strlen(text), out, &made, room),
                     LZMA_OK);
    return made;
}

/* All pieces of a path as text, a line each, "~" behind a piece whose line goes on. */
static vecna_status slurp(const char *path, const vecna_allocator *allocator, char *out,
                          size_t room, vecna_error *err) {
    vecna_source *source = NULL;
    vecna_piece piece;
    int more = 1;
    size_t at = 0;
    vecna_status status = vecna_source_open(path, allocator, &source, err);
    while (status == VECNA_OK) {
        status = vecna_source_piece(source, &piece, &more, err);
        if (status != VECNA_OK || !more)
            break;
        assert_true(at + piece.bytes + 3 < room);
        memcpy(out + at, piece.data, piece.bytes);
        at += piece.bytes;
        out[at++] = piece.ends_line ? '\n' : '~';
    }
    out[at] = '\0';
    vecna_source_close(source);
    return status;
}

static void assert_lines(const char *path, const char *wanted) {
    char got[1024];
    vecna_error err;
    assert_status(VECNA_OK, slurp(path, NULL, got, sizeof got, &err));
    assert_string_equal(wanted, got);
}

static void files_of_every_kind(void **state) {
    unsigned char packed[2048];
    size_t first, second;
    (void)state;
    assert_lines(write_text("plain", "\xEF\xBB\xBFone\r\ntwo\n\nlast"), "one\ntwo\n\nlast\n");
    assert_lines(write_text("empty", ""), "");
    assert_lines(write_text("ends", "a\n"), "a\n");
    first = gzip_of("packed\nby ", packed, sizeof packed);
    second = gzip_of("gzip\n", packed + first, sizeof packed - first);
    assert_lines(write_bytes("two_members", packed, first + second), "packed\nby gzip\n");
    first = xz_of("packed\n", packed, sizeof packed);
    second = xz_of("by xz", packed + first, sizeof packed - first);
    assert_lines(write_bytes("two_streams", packed, first + second), "packed\nby xz\n");
}

static void a_folder_is_its_files_in_order(void **state) {
    (void)state;
    mkdir(path_of("tree"), 0700);
    mkdir(path_of("tree/b"), 0700);
    write_text("tree/c", "third");
    write_text("tree/b/x", "second");
    write_text("tree/a", "first");
    write_text("tree/.hidden", "never");
    assert_lines(path_of("tree"), "first\nsecond\nthird\n");
}

static void what_cannot_be_read(void **state) {
    unsigned char packed[2048];
    char got[256];
    size_t bytes;
    vecna_error err;
    (void)state;
    assert_status(VECNA_ERR_IO, slurp(path_of("nothing"), NULL, got, sizeof got, &err));
    assert_non_null(strstr(err.message, "nothing"));
    mkdir(path_of("bare"), 0700);
    assert_status(VECNA_ERR_NOT_FOUND, slurp(path_of("bare"), NULL, got, sizeof got, &err));
    bytes = gzip_of("some text that is packed", packed, sizeof packed);
    assert_status(VECNA_ERR_TRUNCATED,
                  slurp(write_bytes("cut.gz", packed, bytes - 9), NULL, got, sizeof got, &err));
    packed[bytes / 2] ^= 0x55;
    packed[bytes / 2 + 1] ^= 0x55;
    assert_status(VECNA_ERR_FORMAT,
                  slurp(write_bytes("bad.gz", packed, bytes), NULL, got, sizeof got, &err));
    bytes = xz_of("some text that is packed", packed, sizeof packed);
    assert_status(VECNA_ERR_TRUNCATED,
                  slurp(write_bytes("cut.xz", packed, bytes - 9), NULL, got, sizeof got, &err));
    packed[20] ^= 0x55;
    assert_status(VECNA_ERR_FORMAT,
                  slurp(write_bytes("bad.xz", packed, bytes), NULL, got, sizeof got, &err));
}

/* A line of 3 MB comes in parts, none of which divides a word; a word of 3 MB comes whole. */
static void long_lines_and_words(void **state) {
    size_t count = 500000, room = count * 6 + 4, words = 0;
    char *text = malloc(room);
    vecna_source *source = NULL;
    vecna_piece piece;
    vecna_error err;
    int more = 1, parts = 0;
    (void)state;
    for (size_t i = 0; i < count; i++)
        memcpy(text + i * 6, "apple ", 6);
    text[count * 6] = '\0';
    write_text("long", text);
    memset(text, 'x', count * 6);
    text[100] = ' ';
    write_text("word", text);
    free(text);
    assert_status(VECNA_OK, vecna_source_open(path_of("long"), NULL, &source, &err));
    for (;; parts++) {
        assert_status(VECNA_OK, vecna_source_piece(source, &piece, &more, &err));
        if (!more)
            break;
        for (size_t at = 0; at + 5 <= piece.bytes; at += 6, words++)
            assert_memory_equal(piece.data + at, "apple", 5);
    }
    assert_int_equal(count, words);
    assert_true(parts >= 2);
    vecna_source_close(source);
    assert_status(VECNA_OK, vecna_source_open(path_of("word"), NULL, &source, &err));
    assert_status(VECNA_OK, vecna_source_piece(source, &piece, &more, &err));
    if (piece.bytes == 100)
        assert_status(VECNA_OK, vecna_source_piece(source, &piece, &more, &err));
    assert_true(piece.bytes >= count * 6 - 101);
    vecna_source_close(source);
}

/* ---- words ----------------------------------------------------------------------------------- */

static uint64_t assert_words(const vecna_tokenizer_options *options, const char *text,
                             const char *wanted) {
    vecna_tokenizer *tokenizer = NULL;
    vecna_error err;
    char got[512] = "";
    uint64_t bad;
    assert_status(VECNA_OK, vecna_tokenizer_new(options, &tokenizer, &err));
    vecna_tokenizer_start(tokenizer, text, strlen(text));
    for (;;) {
        const char *word;
        size_t bytes;
        assert_status(VECNA_OK, vecna_tokenizer_next(tokenizer, &word, &bytes, &err));
        if (word == NULL)
            break;
        assert_true(bytes > 0);
        strncat(got, word, bytes);
        strcat(got, "|");
    }
    assert_string_equal(wanted, got);
    bad = vecna_tokenizer_bad_bytes(tokenizer);
    vecna_tokenizer_free(tokenizer);
    return bad;
}

static void words_of_every_kind(void **state) {
    const vecna_tokenizer_options as_is = {VECNA_TOKENS_WORDS, 1, NULL};
    const vecna_tokenizer_options fields = {VECNA_TOKENS_SPACE, 0, NULL};
    (void)state;
    assert_words(NULL, "The cat's 2nd-best HAT, 1984.", "the|cat|s|2nd|best|hat|1984|");
    assert_words(NULL, "", "");
    assert_words(NULL, " ... \t\r\n", "");
    assert_words(NULL, "Ärger über Größe", "ärger|über|größe|");
    assert_words(NULL, "e\xCC\x81t\xC3\xA9", "\xC3\xA9t\xC3\xA9|"); /* e + acute is one letter */
    assert_words(NULL, "\xEF\xBC\xA1\xEF\xBC\xA2 \xEF\xAC\x81sh", "ab|fish|"); /* wide AB, fi */
    assert_words(NULL, "МОСКВА Ελλάδα", "москва|ελλάδα|");
    assert_words(NULL, "東京tokyo", "東|京|tokyo|");
    assert_words(NULL, "co\xC2\xADop dis\xE2\x80\x94tance", "coop|dis|tance|");
    assert_words(NULL,
                 "a\xE2\x80\x8B"
                 "b \xEF\xBB\xBF"
                 "c",
                 "a|b|c|");
    assert_words(&as_is, "The Cat", "The|Cat|");
    assert_words(&fields, " The cat's\t2nd ", "The|cat's|2nd|");
    assert_int_equal(0, assert_words(NULL, "fine \xC3\xA9", "fine|\xC3\xA9|"));
    assert_int_equal(3, assert_words(NULL,
                                     "a\xFF"
                                     "b\xC3 \xED\xA0z",
                                     "a|b|z|") -
                            1);
}

/* ---- vocabulary ------------------------------------------------------------------------------ */

static void vocabulary_in_order(void **state) {
    vecna_vocab *vocab = NULL, *keep = NULL;
    vecna_error err;
    int32_t remap[5], id;
    size_t bytes;
    (void)state;
    assert_status(VECNA_OK, vecna_vocab_new(NULL, &vocab, &err));
    assert_status(VECNA_OK, vecna_vocab_new(NULL, &keep, &err));
    assert_status(VECNA_OK, vecna_vocab_add(vocab, "rare", 4, 1, &id, &err));
    assert_status(VECNA_OK, vecna_vocab_add(vocab, "b", 1, 3, &id, &err));
    assert_status(VECNA_OK, vecna_vocab_add(vocab, "kept", 4, 1, &id, &err));
    assert_status(VECNA_OK, vecna_vocab_add(vocab, "a", 1, 2, &id, &err));
    assert_status(VECNA_OK, vecna_vocab_add(vocab, "a", 1, 1, &id, &err));
    assert_int_equal(3, id);
    assert_status(VECNA_OK, vecna_vocab_add(vocab, "most", 4, 9, &id, &err));
    assert_status(VECNA_OK, vecna_vocab_add(keep, "kept", 4, 0, NULL, &err));
    assert_status(VECNA_OK, vecna_vocab_sort(vocab, 2, 0, keep, remap, &err));
    assert_int_equal(4, vecna_vocab_size(vocab));
    assert_string_equal("most", vecna_vocab_word(vocab, 0, &bytes));
    assert_string_equal("a", vecna_vocab_word(vocab, 1, NULL));
    assert_string_equal("b", vecna_vocab_word(vocab, 2, NULL));
    assert_string_equal("kept", vecna_vocab_word(vocab, 3, NULL));
    assert_int_equal(-1, remap[0]);
    assert_int_equal(2, remap[1]);
    assert_int_equal(1, remap[3]);
    assert_int_equal(-1, vecna_vocab_find(vocab, "rare", 4));
    assert_int_equal(3, vecna_vocab_find(vocab, "kept", 4));
    assert_int_equal(9, vecna_vocab_count(vocab, 0));
    vecna_vocab_free(vocab);
    vecna_vocab_free(keep);
}

static void many_words_are_found_again(void **state) {
    vecna_vocab *vocab = NULL;
    vecna_error err;
    char word[32];
    (void)state;
    assert_status(VECNA_OK, vecna_vocab_new(NULL, &vocab, &err));
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 30000; i++) {
            int32_t id;
            int bytes = snprintf(word, sizeof word, "w%d", i);
            assert_status(VECNA_OK, vecna_vocab_add(vocab, word, (size_t)bytes, 1, &id, &err));
            assert_int_equal(i, id);
        }
    assert_int_equal(30000, vecna_vocab_size(vocab));
    vecna_vocab_free(vocab);
}

/* ---- corpus ---------------------------------------------------------------------------------- */

static vecna_corpus read_corpus(const char *path, vecna_corpus_options options) {
    vecna_corpus corpus;
    vecna_error err;
    vecna_status status = vecna_corpus_read(path, &options, &corpus, &err);
    if (status != VECNA_OK)
        print_error("%s\n", err.message);
    assert_status(VECNA_OK, status);
    return corpus;
}

static void assert_unit(const vecna_corpus *corpus, size_t unit, const char *wanted) {
    char got[256] = "";
    for (size_t at = corpus->starts[unit]; at < corpus->starts[unit + 1]; at++) {
        strcat(got, vecna_vocab_word(corpus->vocab, corpus->ids[at], NULL));
        strcat(got, " ");
    }
    assert_string_equal(wanted, got);
}

static void corpus_by_hand(void **state) {
    const char *path = write_text("corpus", "a b a\nc A b\n\nx\n\na d\n");
    vecna_corpus_options options;
    vecna_corpus corpus, again;
    (void)state;
    memset(&options, 0, sizeof options);
    options.min_count = 2;
    corpus = read_corpus(path, options);
    assert_int_equal(2, vecna_vocab_size(corpus.vocab));
    assert_int_equal(9, corpus.tokens_read);
    assert_int_equal(3, corpus.words_rare);
    assert_int_equal(6, corpus.tokens);
    assert_int_equal(3, corpus.units);
    assert_unit(&corpus, 0, "a b a ");
    assert_unit(&corpus, 1, "a b ");
    assert_unit(&corpus, 2, "a ");
    assert_int_equal(4, vecna_vocab_count(corpus.vocab, 0));
    again = read_corpus(path, options);
    assert_true(again.fingerprint == corpus.fingerprint);
    vecna_corpus_free(&again);
    vecna_corpus_free(&corpus);
    options.unit = VECNA_UNIT_PARAGRAPH;
    options.min_count = 1;
    corpus = read_corpus(path, options);
    assert_int_equal(3, corpus.units);
    assert_unit(&corpus, 0, "a b a c a b ");
    vecna_corpus_free(&corpus);
    options.unit = VECNA_UNIT_FILE;
    corpus = read_corpus(path, options);
    assert_int_equal(1, corpus.units);
    vecna_corpus_free(&corpus);
    options.unit = VECNA_UNIT_LINE;
    options.keep_empty_units = 1;
    corpus = read_corpus(path, options);
    assert_int_equal(6, corpus.units);
    assert_unit(&corpus, 2, "");
    vecna_corpus_free(&corpus);
}

static void phrases_by_hand(void **state) {
    vecna_corpus_options options;
    vecna_corpus corpus;
    (void)state;
    memset(&options, 0, sizeof options);
    options.min_count = 1;
    options.phrase_passes = 2;
    options.phrase_threshold = 1;
    /* "new york" twice of 3 and 2: (2 - 1) * 9 / (3 * 2) = 1.5; nothing else stands twice */
    corpus = read_corpus(write_text("phrases", "new york is new\nthe new york of x\n"), options);
    assert_unit(&corpus, 0, "new_york is new ");
    assert_unit(&corpus, 1, "the new_york of x ");
    assert_int_equal(1, corpus.phrases);
    assert_int_equal(7, corpus.tokens_read);
    assert_int_equal(1, vecna_vocab_count(corpus.vocab, vecna_vocab_find(corpus.vocab, "new", 3)));
    assert_int_equal(
        2, vecna_vocab_count(corpus.vocab, vecna_vocab_find(corpus.vocab, "new_york", 8)));
    vecna_corpus_free(&corpus);
}

static void a_text_without_words(void **state) {
    vecna_corpus_options options;
    vecna_corpus corpus;
    vecna_error err;
    (void)state;
    memset(&options, 0, sizeof options);
    assert_status(VECNA_ERR_VALUE,
                  vecna_corpus_read(write_text("blank", " \n.\n"), &options, &corpus, &err));
    assert_status(VECNA_ERR_VALUE,
                  vecna_corpus_read(write_text("rare", "a b c\n"), &options, &corpus, &err));
    assert_non_null(strstr(err.message, "--min-count"));
}

static vecna_status corpus_body(void *user, const vecna_allocator *allocator, vecna_error *err) {
    vecna_corpus_options options;
    vecna_corpus corpus;
    vecna_status status;
    memset(&options, 0, sizeof options);
    options.allocator = allocator;
    options.min_count = 1;
    options.phrase_passes = 1;
    options.phrase_threshold = 1;
    status = vecna_corpus_read(user, &options, &corpus, err);
    if (status == VECNA_OK)
        vecna_corpus_free(&corpus);
    return status;
}

static void memory_may_fail(void **state) {
    unsigned char packed[2048];
    const char *text = "new york is new\nthe new york of \xC3\x89t\xC3\xA9\n";
    char *paths[3];
    (void)state;
    paths[0] = strdup(write_text("memory", text));
    paths[1] = strdup(write_bytes("memory.gz", packed, gzip_of(text, packed, sizeof packed)));
    paths[2] = strdup(write_bytes("memory.xz", packed, xz_of(text, packed, sizeof packed)));
    for (int i = 0; i < 3; i++) {
        assert_survives_failing_memory(corpus_body, paths[i]);
        free(paths[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_of_every_kind),
        cmocka_unit_test(a_folder_is_its_files_in_order),
        cmocka_unit_test(what_cannot_be_read),
        cmocka_unit_test(long_lines_and_words),
        cmocka_unit_test(words_of_every_kind),
        cmocka_unit_test(vocabulary_in_order),
        cmocka_unit_test(many_words_are_found_again),
        cmocka_unit_test(corpus_by_hand),
        cmocka_unit_test(phrases_by_hand),
        cmocka_unit_test(a_text_without_words),
        cmocka_unit_test(memory_may_fail),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
