/* Base64 a group at a time: three bytes to four characters and back, by a table each. One table of
 * 256 bytes, computed by the compiler from the alphabet; a byte outside of it has the top bit set,
 * so that one test does for four characters. */
#include "codec/codec_impl.h"

const char vni_base64_alphabet[65] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Value of a character, 0xFF for what is not in the alphabet. */
#define V(c)                                                                                       \
    (0xFF & ((c) >= 'A' && (c) <= 'Z'   ? (c) - 'A'                                                \
             : (c) >= 'a' && (c) <= 'z' ? (c) - 'a' + 26                                           \
             : (c) >= '0' && (c) <= '9' ? (c) - '0' + 52                                           \
             : (c) == '+'               ? 62                                                       \
             : (c) == '/'               ? 63                                                       \
                                        : 0xFF))
#define V4(c) V((c)), V((c) + 1), V(c + 2), V(c + 3)
#define V16(c) V4(c), V4(c + 4), V4(c + 8), V4(c + 12)
#define V64(c) V16(c), V16(c + 16), V16(c + 32), V16(c + 48)

const uint8_t vni_base64_values[256] = {V64(0), V64(64), V64(128), V64(192)};

static size_t encode(const unsigned char *from, size_t bytes, char *to) {
    size_t done = 0;
    for (; bytes - done >= 3; done += 3, to += 4) {
        uint32_t word = (uint32_t)from[done] << 16 | (uint32_t)from[done + 1] << 8 | from[done + 2];
        to[0] = vni_base64_alphabet[word >> 18];
        to[1] = vni_base64_alphabet[word >> 12 & 63];
        to[2] = vni_base64_alphabet[word >> 6 & 63];
        to[3] = vni_base64_alphabet[word & 63];
    }
    return done;
}

static size_t decode(const char *text, size_t characters, unsigned char *to) {
    const unsigned char *from = (const unsigned char *)text;
    size_t done = 0;
    for (; done < characters; done += 4, to += 3) {
        uint32_t a = vni_base64_values[from[done]];
        uint32_t b = vni_base64_values[from[done + 1]];
        uint32_t c = vni_base64_values[from[done + 2]];
        uint32_t d = vni_base64_values[from[done + 3]];
        if ((a | b | c | d) & 0x80)
            break;
        uint32_t word = a << 18 | b << 12 | c << 6 | d;
        to[0] = (unsigned char)(word >> 16);
        to[1] = (unsigned char)(word >> 8);
        to[2] = (unsigned char)word;
    }
    return done;
}

const vni_base64_table vni_base64_portable = {"portable", 0, encode, decode};
