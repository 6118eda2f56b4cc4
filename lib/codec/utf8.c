/* Strict UTF-8. Ids and texts are mostly ASCII, which passes eight bytes at a time; the rest is
 * told by the lead byte, whose second byte alone needs a range of its own (table 3-7 of Unicode).
 */
#include "codec/codec_impl.h"

/* Length of the sequence that starts at `at`, 0 when it is ill-formed or cut off. */
static size_t sequence_bytes(const unsigned char *at, size_t bytes) {
    unsigned char lead = at[0];
    unsigned char low = 0x80;
    unsigned char high = 0xBF;
    size_t length;

    if (lead < 0x80)
        return 1;
    if (lead < 0xC2 || lead > 0xF4)
        return 0;
    length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (lead == 0xE0)
        low = 0xA0; /* shorter would do */
    else if (lead == 0xED)
        high = 0x9F; /* surrogates */
    else if (lead == 0xF0)
        low = 0x90; /* shorter would do */
    else if (lead == 0xF4)
        high = 0x8F; /* above U+10FFFF */
    if (bytes < length || at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((at[i] & 0xC0) != 0x80)
            return 0;
    return length;
}

size_t vecna_utf8_valid_bytes(const char *text, size_t bytes) {
    size_t at = 0;
    while (at < bytes) {
        if (bytes - at >= 8 && (vni_load8(text + at) & 0x8080808080808080) == 0) {
            at += 8;
            continue;
        }
        size_t length = sequence_bytes((const unsigned char *)text + at, bytes - at);
        if (length == 0)
            break;
        at += length;
    }
    return at;
}
