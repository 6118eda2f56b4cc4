/* Base64 and UTF-8: the vectors of RFC 4648 section 10, every pair of stray bits, every byte. */
#include "base/base_impl.h"
#include "codec/codec_impl.h"
#include "tests/unit/support/support.h"

#include <stdlib.h>
#include <string.h>

static void rfc_vectors(void **state) {
    static const char *const pairs[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"},
                                           {"\xFF\xFE\xFB", "//77"},
                                           {"\xFB\xF0", "+/A="}};
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        char text[16];
        char data[16];
        size_t bytes = strlen(pairs[i][0]);
        size_t text_bytes = vecna_base64_text_bytes(bytes);
        size_t back = 99;
        assert_int_equal(text_bytes, strlen(pairs[i][1]));
        vecna_base64_encode(pairs[i][0], bytes, text);
        assert_memory_equal(text, pairs[i][1], text_bytes);
        assert_status(VECNA_OK, vecna_base64_decode(text, text_bytes, data, bytes, &back, NULL));
        assert_int_equal(back, bytes);
        assert_memory_equal(data, pairs[i][0], bytes);
    }
    assert_int_equal(vecna_base64_text_bytes(SIZE_MAX), SIZE_MAX);
}

static void refuses_what_others_accept(void **state) {
    static const struct {
        const char *text;
        int64_t position;
    } cases[] = {{"Z", 1},           {"Zg", 2},       {"Zg=", 3},  {"Zg===", 5}, {"Zh==", 0},
                 {"Zm9=", 0},        {"Zg==Zg==", 2}, {"====", 0}, {"Z===", 1},  {"Zm=v", 2},
                 {"Zm9v\nZm9", 4},   {"Zm-v", 2},     {"Zm_v", 2}, {" m9v", 0},  {"Zm9v=m8=", 4},
                 {"Zm9vZm\x80v", 6}, {"=m9v", 0}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned char data[16];
        size_t back = 99;
        vecna_error err = {VECNA_OK, -7, ""};
        assert_status(VECNA_ERR_FORMAT, vecna_base64_decode(cases[i].text, strlen(cases[i].text),
                                                            data, sizeof data, &back, &err));
        assert_int_equal(err.position, cases[i].position);
        assert_int_equal(back, 99);
    }
    unsigned char data[2];
    size_t back = 99;
    assert_status(VECNA_ERR_OVERFLOW, vecna_base64_decode("Zm9v", 4, data, 2, &back, NULL));
}

static void every_byte_outside_the_alphabet_is_refused(void **state) {
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    (void)state;
    for (int byte = 0; byte < 256; byte++)
        for (size_t place = 0; place < 4; place++) {
            char text[] = "AAAAAAAAAAAA";
            unsigned char data[9];
            size_t back = 0;
            int inside = byte != 0 && strchr(alphabet, byte) != NULL;
            text[4 + place] = (char)byte;
            assert_status(inside ? VECNA_OK : VECNA_ERR_FORMAT,
                          vecna_base64_decode(text, 12, data, 9, &back, NULL));
        }
}

static void random_bytes_round_trip(void **state) {
    vecna_random random;
    (void)state;
    vecna_random_seed(&random, 9, 0);
    for (size_t bytes = 0; bytes < 700; bytes++) {
        unsigned char *data = malloc(bytes + 1);
        size_t text_bytes = vecna_base64_text_bytes(bytes);
        char *text = malloc(text_bytes + 1); /* exact, so that a byte too many is seen */
        unsigned char *back = malloc(bytes + 1);
        size_t back_bytes = 0;
        for (size_t i = 0; i < bytes; i++)
            data[i] = (unsigned char)vecna_random_u64(&random);
        vecna_base64_encode(data, bytes, text);
        assert_status(VECNA_OK,
                      vecna_base64_decode(text, text_bytes, back, bytes, &back_bytes, NULL));
        assert_int_equal(back_bytes, bytes);
        assert_memory_equal(back, data, bytes);
        free(data);
        free(text);
        free(back);
    }
}

/* Encodes a code point as UTF-8 would, surrogates and all. */
static size_t put(uint32_t code, char out[4]) {
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t bytes = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = bytes; i-- > 1; code >>= 6)
        out[i] = (char)(0x80 | (code & 63));
    out[0] = (char)((0xF00 >> bytes & 0xFF) | code);
    return bytes;
}

static void every_code_point(void **state) {
    (void)state;
    for (uint32_t code = 0; code < 0x120000; code++) {
        char text[20] = "12345678";
        size_t bytes = put(code, text + 8);
        int good = code < 0xD800 || (code > 0xDFFF && code <= 0x10FFFF);
        memset(text + 8 + bytes, 'x', 4);
        assert_int_equal(vecna_utf8_valid_bytes(text, 8 + bytes + 4), good ? 8 + bytes + 4 : 8);
        for (size_t cut = 1; good && cut < bytes; cut++)
            assert_int_equal(vecna_utf8_valid_bytes(text, 8 + cut), 8);
    }
}

static void ill_formed_utf8(void **state) {
    static const char *const bad[] = {"\x80",
                                      "\xC0\x80",
                                      "\xC1\xBF",
                                      "\xE0\x9F\xBF",
                                      "\xED\xA0\x80",
                                      "\xF0\x8F\xBF\xBF",
                                      "\xF4\x90\x80\x80",
                                      "\xF5\x80\x80\x80",
                                      "\xFF",
                                      "\xC3(",
                                      "\xE2\x28\xA1",
                                      "\xF0\x9F\x98("};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(vecna_utf8_valid_bytes(bad[i], strlen(bad[i])), 0);
    assert_int_equal(vecna_utf8_valid_bytes("", 0), 0);
}

/* Every set of instructions that this machine has, against the portable code: every length, every
 * place of a bad character. */
static void every_kernel(void **state) {
    static const unsigned masks[] = {0, VNI_CPU_AVX2,
                                     VNI_CPU_AVX2 | VNI_CPU_AVX512 | VNI_CPU_AVX512VBMI};
    enum { LONGEST = 400 };
    unsigned char data[LONGEST], back[LONGEST];
    char expected[LONGEST * 4 / 3 + 8];
    vecna_random random;
    (void)state;
    vecna_random_seed(&random, 5, 0);
    for (size_t i = 0; i < LONGEST; i++)
        data[i] = (unsigned char)vecna_random_u64(&random);
    for (size_t m = 0; m < sizeof masks / sizeof *masks; m++)
        for (size_t bytes = 0; bytes <= LONGEST; bytes++) {
            size_t text_bytes = vecna_base64_text_bytes(bytes), got = 0;
            char *text = malloc(text_bytes + 1);
            unsigned char *exact = malloc(bytes + 1), *copy = malloc(bytes + 1);
            memcpy(copy, data + (LONGEST - bytes), bytes);
            vni_base64_allow(0);
            vecna_base64_encode(copy, bytes, expected);
            vni_base64_allow(masks[m]);
            vecna_base64_encode(copy, bytes, text);
            assert_memory_equal(text, expected, text_bytes);
            assert_status(VECNA_OK,
                          vecna_base64_decode(text, text_bytes, exact, bytes, &got, NULL));
            assert_int_equal(got, bytes);
            assert_memory_equal(exact, copy, bytes);
            free(text);
            free(exact);
            free(copy);
        }
    for (size_t m = 0; m < sizeof masks / sizeof *masks; m++) {
        char text[256];
        size_t got = 99;
        vni_base64_allow(masks[m]);
        memset(text, 'Q', sizeof text);
        for (int byte = 0; byte < 256; byte++)
            for (size_t at = byte % 7; at < sizeof text - 4; at += 7) {
                int inside = vni_base64_values[byte] != 0xFF;
                vecna_error err = {VECNA_OK, -1, ""};
                text[at] = (char)byte;
                assert_status(
                    inside ? VECNA_OK : VECNA_ERR_FORMAT,
                    vecna_base64_decode(text, sizeof text, back, sizeof back, &got, &err));
                if (!inside)
                    assert_int_equal(err.position, at);
                text[at] = 'Q';
            }
    }
    vni_base64_allow(~0u);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc_vectors),
        cmocka_unit_test(refuses_what_others_accept),
        cmocka_unit_test(every_byte_outside_the_alphabet_is_refused),
        cmocka_unit_test(random_bytes_round_trip),
        cmocka_unit_test(every_kernel),
        cmocka_unit_test(every_code_point),
        cmocka_unit_test(ill_formed_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
