/* Strict UTF-8. Ids and texts are mostly ASCII, which passes eight bytes at a time. */
#include "base/base_impl.h"
#include "codec/codec_impl.h"

size_t vecna_utf8_valid_bytes(const char *text, size_t bytes) {
    size_t at = 0;
    while (at < bytes) {
        if (bytes - at >= 8 && (vni_load8(text + at) & 0x8080808080808080) == 0) {
            at += 8;
            continue;
        }
        size_t length = vni_utf8_sequence((const unsigned char *)text + at, bytes - at);
        if (length == 0)
            break;
        at += length;
    }
    return at;
}
