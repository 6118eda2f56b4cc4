/* Word pieces by hand; the numbers of the tokenizers library on real texts: tests/cli/test_distill.py. */
#include "tests/unit/support/support.h"
#include "vecna/text.h"

#include <stdlib.h>
#include <string.h>

static const char *const LINES =
    "[UNK]\n!\n,\nun\n##aff\n##able\nhello\n##lo\nhel\n\xe4\xb8\xad\n\xe5\x9b\xbd\ncafe\n#\n##\n"
    "na\n##\xc3\xaf\x76\x65\n-\nI\ni\n'\n\xd7\xa9";

static vecna_wordpiece *pieces_of(int keep_case) {
    const vecna_wordpiece_options options = {.keep_case = keep_case};
    vecna_wordpiece *pieces = NULL;
    assert_status(VECNA_OK, vecna_wordpiece_new(LINES, strlen(LINES), &options, &pieces, NULL));
    return pieces;
}

static void encodes(const vecna_wordpiece *pieces, const char *text, size_t bytes,
                    const int32_t *wanted, size_t count) {
    int32_t *ids = malloc((bytes + 1) * sizeof *ids);
    const size_t got = vecna_wordpiece_encode(pieces, text, bytes, ids);
    assert_int_equal(count, got);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(wanted[i], ids[i]);
    }
    free(ids);
}

#define ENCODES(pieces, text, ...)                                                                 \
    do {                                                                                           \
        static const int32_t wanted[] = {__VA_ARGS__};                                             \
        encodes(pieces, text, sizeof(text) - 1, wanted, sizeof wanted / sizeof wanted[0]);         \
    } while (0)

static void longest_piece_first(void **state) {
    vecna_wordpiece *p = pieces_of(0);
    (void)state;
    assert_int_equal(21, vecna_wordpiece_size(p));
    assert_int_equal(0, vecna_wordpiece_unknown(p));
    ENCODES(p, "unaffable", 3, 4, 5);
    ENCODES(p, "hello, HELLO!", 6, 2, 6, 1);
    ENCODES(p, "hel hellox", 8, 0); /* "hello" and then nothing that goes on: all of it unknown */
    ENCODES(p, "un-un", 3, 16, 3);
    encodes(p, "", 0, NULL, 0);
    encodes(p, " \t\n ", 4, NULL, 0);
    vecna_wordpiece_free(p);
}

static void unicode_is_normalised(void **state) {
    vecna_wordpiece *p = pieces_of(0), *cased = pieces_of(1);
    (void)state;
    ENCODES(p, "Caf\xc3\xa9", 11);     /* accent removed */
    ENCODES(p, "cafe\xcc\x81", 11);    /* the same, as a mark */
    ENCODES(cased, "cafe\xcc\x81", 0); /* which stays where case does */
    ENCODES(cased, "na\xc3\xafve", 14, 15);
    ENCODES(p, "hel\xe4\xb8\xad\xe5\x9b\xbdun", 8, 9, 10, 3); /* Han characters stand alone */
    ENCODES(p, "hel\xc2\xa0un\xe2\x80\xa8hel", 8, 3, 8);      /* spaces beyond ASCII */
    ENCODES(p, "hel\x01lo\xe2\x80\x8b", 6); /* control and format characters vanish */
    ENCODES(p, "hel\xff\xfelo", 6);         /* and so does what is no UTF-8 */
    ENCODES(p, "\xe2\x80\x9c", 0);          /* a quotation mark that no piece has */
    ENCODES(p, "\xd7\xa9\xd6\xbc", 20);     /* a point of Hebrew is a mark */
    vecna_wordpiece_free(p);
    vecna_wordpiece_free(cased);
}

static void long_words_are_unknown(void **state) {
    vecna_wordpiece *p = pieces_of(0);
    char text[800];
    int32_t ids[800];
    (void)state;
    memset(text, 'x', sizeof text);
    assert_int_equal(1, vecna_wordpiece_encode(p, text, sizeof text, ids));
    assert_int_equal(0, ids[0]);
    vecna_wordpiece_free(p);
}

static void bad_vocabularies_are_refused(void **state) {
    vecna_wordpiece *p = NULL;
    vecna_error err;
    (void)state;
    assert_status(VECNA_ERR_FORMAT, vecna_wordpiece_new("a\nb\n", 4, NULL, &p, &err));
    assert_non_null(strstr(err.message, "[UNK]"));
    assert_status(VECNA_ERR_FORMAT, vecna_wordpiece_new("[UNK]\na\na\n", 10, NULL, &p, &err));
    assert_int_equal(3, err.position);
    assert_status(VECNA_ERR_FORMAT, vecna_wordpiece_new("[UNK]\n\na", 8, NULL, &p, &err));
    assert_int_equal(2, err.position);
    assert_status(VECNA_ERR_FORMAT, vecna_wordpiece_new("", 0, NULL, &p, &err));
    assert_null(p);
}

static vecna_status make_pieces(void *user, const vecna_allocator *allocator, vecna_error *err) {
    const vecna_wordpiece_options options = {.allocator = allocator};
    vecna_wordpiece *pieces = NULL;
    (void)user;
    vecna_status status = vecna_wordpiece_new(LINES, strlen(LINES), &options, &pieces, err);
    vecna_wordpiece_free(pieces);
    return status;
}

static void survives_failing_memory(void **state) {
    (void)state;
    assert_survives_failing_memory(make_pieces, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(longest_piece_first),     cmocka_unit_test(unicode_is_normalised),
        cmocka_unit_test(long_words_are_unknown),  cmocka_unit_test(bad_vocabularies_are_refused),
        cmocka_unit_test(survives_failing_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
