/* Base64 as RFC 4648 section 4 has it, strictly: what two decoders read differently is refused
 * (stray bits, missing padding, line breaks). One table of 256 bytes, computed by the compiler from
 * the alphabet; a byte outside of it has the top bit set, so that one test does for four
 * characters. The last group is judged first: sizes and padding are known before anything is
 * written. */
#include "codec/codec_impl.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

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

static const uint8_t values[256] = {V64(0), V64(64), V64(128), V64(192)};

size_t vecna_base64_text_bytes(size_t bytes) {
    size_t groups = bytes / 3 + (bytes % 3 != 0);
    return groups > SIZE_MAX / 4 ? SIZE_MAX : groups * 4;
}

void vecna_base64_encode(const void *data, size_t bytes, char *out) {
    const unsigned char *from = data;
    for (; bytes >= 3; bytes -= 3, from += 3, out += 4) {
        uint32_t word = (uint32_t)from[0] << 16 | (uint32_t)from[1] << 8 | from[2];
        out[0] = alphabet[word >> 18];
        out[1] = alphabet[word >> 12 & 63];
        out[2] = alphabet[word >> 6 & 63];
        out[3] = alphabet[word & 63];
    }
    if (bytes > 0) {
        uint32_t word = (uint32_t)from[0] << 16 | (bytes > 1 ? (uint32_t)from[1] << 8 : 0);
        out[0] = alphabet[word >> 18];
        out[1] = alphabet[word >> 12 & 63];
        out[2] = bytes > 1 ? alphabet[word >> 6 & 63] : '=';
        out[3] = '=';
    }
}

static vecna_status bad_character(const char *text, size_t at, size_t text_bytes,
                                  vecna_error *err) {
    while (at < text_bytes && values[(unsigned char)text[at]] != 0xFF)
        at++;
    if (at < text_bytes && text[at] == '=')
        return vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)at,
                               "base64: '=' inside the text, at byte %zu", at);
    return vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)at,
                           "base64: byte 0x%02X at %zu is not in the alphabet A-Z a-z 0-9 + /",
                           at < text_bytes ? (unsigned)(unsigned char)text[at] : 0u, at);
}

/* The last group, which may hold padding: its bytes into out, their number returned; 0 and *bad set
 * to the offset in the group of what is wrong. */
static size_t last_group(const unsigned char *text, unsigned char out[3], int *bad) {
    size_t pads = text[3] != '=' ? 0 : text[2] != '=' ? 1 : 2;
    uint32_t word = 0;
    *bad = -1;
    for (size_t i = 0; i < 4; i++) {
        uint8_t value = i >= 4 - pads ? 0 : values[text[i]];
        if (value == 0xFF) {
            *bad = (int)i;
            return 0;
        }
        word = word << 6 | value;
    }
    if ((pads == 1 && (word >> 6 & 3) != 0) || (pads == 2 && (word >> 12 & 15) != 0)) {
        *bad = 4;
        return 0;
    }
    out[0] = (unsigned char)(word >> 16);
    out[1] = (unsigned char)(word >> 8);
    out[2] = (unsigned char)word;
    return 3 - pads;
}

vecna_status vecna_base64_decode(const char *text, size_t text_bytes, void *out, size_t capacity,
                                 size_t *out_bytes, vecna_error *err) {
    const unsigned char *from = (const unsigned char *)text;
    unsigned char *to = out;
    unsigned char tail[3];
    size_t groups = text_bytes / 4;
    size_t tail_bytes;
    int bad;

    if (text_bytes % 4 != 0)
        return vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)text_bytes,
                               "base64: %zu characters are no whole groups of 4; the text is cut "
                               "off or its padding is missing",
                               text_bytes);
    if (groups == 0) {
        *out_bytes = 0;
        return VECNA_OK;
    }
    tail_bytes = last_group(from + (groups - 1) * 4, tail, &bad);
    if (bad == 4)
        return vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)text_bytes - 4,
                               "base64: the last group has bits that belong to no byte");
    if (bad >= 0)
        return bad_character(text, 0, text_bytes, err);
    if ((groups - 1) * 3 + tail_bytes > capacity)
        return vecna_error_set(err, VECNA_ERR_OVERFLOW, -1,
                               "base64: %zu bytes of data where %zu are expected",
                               (groups - 1) * 3 + tail_bytes, capacity);
    for (size_t group = 0; group + 1 < groups; group++, from += 4, to += 3) {
        uint32_t a = values[from[0]];
        uint32_t b = values[from[1]];
        uint32_t c = values[from[2]];
        uint32_t d = values[from[3]];
        if ((a | b | c | d) & 0x80)
            return bad_character(text, group * 4, text_bytes, err);
        uint32_t word = a << 18 | b << 12 | c << 6 | d;
        to[0] = (unsigned char)(word >> 16);
        to[1] = (unsigned char)(word >> 8);
        to[2] = (unsigned char)word;
    }
    memcpy(to, tail, tail_bytes);
    *out_bytes = (groups - 1) * 3 + tail_bytes;
    return VECNA_OK;
}
