/* The part of a string that needs no thought: texts and base64 are nearly all of it, so this loop
 * decides how fast they pass, in either direction. Sixteen bytes at a time with SSE2, which every
 * x86-64 has; eight in a word elsewhere. */
#include "codec/codec_impl.h"

#if defined(__SSE2__)
#include <emmintrin.h>

/* Whole blocks of sixteen; stops in front of the first with something else than plain text in it,
 * and then gives the offset of that in *stop (otherwise 16). */
static size_t blocks(const char *text, size_t bytes, unsigned *above, unsigned *stop) {
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
    const __m128i control = _mm_set1_epi8(0x1F);
    size_t at = 0;
    *stop = 16;
    for (; bytes - at >= 16; at += 16) {
        __m128i block = _mm_loadu_si128((const __m128i *)(const void *)(text + at));
        __m128i hit = _mm_or_si128(_mm_cmpeq_epi8(block, quote), _mm_cmpeq_epi8(block, slash));
        /* unsigned block <= 0x1F */
        hit = _mm_or_si128(hit, _mm_cmpeq_epi8(_mm_min_epu8(block, control), block));
        unsigned mask = (unsigned)_mm_movemask_epi8(hit);
        unsigned tops = (unsigned)_mm_movemask_epi8(block);
        if (mask) {
            *stop = (unsigned)__builtin_ctz(mask);
            *above |= tops & ((1u << *stop) - 1);
            return at;
        }
        *above |= tops;
    }
    return at;
}
#else
static size_t blocks(const char *text, size_t bytes, unsigned *above, unsigned *stop) {
    const uint64_t ones = 0x0101010101010101;
    const uint64_t tops = 0x8080808080808080;
    size_t at = 0;
    *stop = 16;
    for (; bytes - at >= 8; at += 8) {
        uint64_t word = vni_load8(text + at);
        uint64_t quote = word ^ ones * '"';
        uint64_t slash = word ^ ones * '\\';
        /* For bytes below 0x80: the top bit rises when quote or slash is 0, or word below 0x20. */
        uint64_t hit = ((quote - ones) | (slash - ones) | (word - ones * 0x20)) & ~word & tops;
        if (hit) { /* bits above the first may be borrows; the first is right */
            *stop = (unsigned)__builtin_ctzll(hit) >> 3;
            if (*stop > 0)
                *above |= (word << (64 - 8 * *stop) & tops) != 0;
            return at;
        }
        *above |= (word & tops) != 0;
    }
    return at;
}
#endif

size_t vni_json_plain(const char *text, size_t bytes, int *ascii) {
    unsigned above = 0, stop;
    size_t at = blocks(text, bytes, &above, &stop);
    *ascii &= above == 0;
    if (stop < 16)
        return at + stop;
    for (; at < bytes; at++) {
        unsigned char byte = (unsigned char)text[at];
        if (byte == '"' || byte == '\\' || byte < 0x20)
            break;
        if (byte >= 0x80)
            *ascii = 0;
    }
    return at;
}
