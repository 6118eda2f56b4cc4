/* Base64 as RFC 4648 section 4 has it, strictly: what two decoders read differently is refused
 * (stray bits, missing padding, line breaks). The last group is judged first: sizes and padding are
 * known before anything is written. The groups before it go through the widest instructions that
 * the machine has (base64_<isa>.c), which stop at what they do not like; the portable code goes on
 * from there and decides. */
#include "codec/codec_impl.h"

size_t vecna_base64_text_bytes(size_t bytes) {
    size_t groups = bytes / 3 + (bytes % 3 != 0);
    return groups > SIZE_MAX / 4 ? SIZE_MAX : groups * 4;
}

void vecna_base64_encode(const void *data, size_t bytes, char *out) {
    const unsigned char *from = data;
    size_t done = vni_base64_chosen()->encode(from, bytes, out);
    done += vni_base64_portable.encode(from + done, bytes - done, out + done / 3 * 4);
    from += done;
    out += done / 3 * 4;
    if (done < bytes) {
        int two = bytes - done > 1;
        uint32_t word = (uint32_t)from[0] << 16 | (two ? (uint32_t)from[1] << 8 : 0);
        out[0] = vni_base64_alphabet[word >> 18];
        out[1] = vni_base64_alphabet[word >> 12 & 63];
        out[2] = two ? vni_base64_alphabet[word >> 6 & 63] : '=';
        out[3] = '=';
    }
}

static vecna_status bad_character(const char *text, size_t at, size_t text_bytes,
                                  vecna_error *err) {
    while (at < text_bytes && vni_base64_values[(unsigned char)text[at]] != 0xFF)
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
        uint8_t value = i >= 4 - pads ? 0 : vni_base64_values[text[i]];
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
    size_t tail_bytes, whole, done;
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
    whole = (groups - 1) * 4;
    done = vni_base64_chosen()->decode(text, whole, to);
    done += vni_base64_portable.decode(text + done, whole - done, to + done / 4 * 3);
    if (done < whole)
        return bad_character(text, done, text_bytes, err);
    to += whole / 4 * 3;
    memcpy(to, tail, tail_bytes);
    *out_bytes = (groups - 1) * 3 + tail_bytes;
    return VECNA_OK;
}
