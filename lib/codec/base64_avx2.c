/* Base64 by AVX2: 24 bytes and 32 characters at a time. Encoding spreads each three bytes over four,
 * moves the sixes into place by two multiplications, and adds to each the distance from its range of
 * the alphabet. Decoding classifies a character by its two halves (a bad pair has a common bit in
 * two tables of 16), adds the distance back, and joins by two multiply-adds.
 * Source: Mula and Lemire, "Faster Base64 Encoding and Decoding using AVX2 Instructions", 2018. */
#include "base/base_impl.h"
#include "codec/codec_impl.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))

/* The same 16 bytes in both halves. */
AVX2 static inline __m256i twice(__m128i half) {
    return _mm256_broadcastsi128_si256(half);
}

AVX2 static inline __m128i load(const void *from) {
    return _mm_loadu_si128((const __m128i *)from);
}

AVX2 static size_t encode(const unsigned char *from, size_t bytes, char *to) {
    const __m256i spread = twice(_mm_setr_epi8(1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10));
    const __m256i distance =
        twice(_mm_setr_epi8('a' - 26, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52,
                            '0' - 52, '0' - 52, '0' - 52, '0' - 52, '+' - 62, '/' - 63, 'A', 0, 0));
    size_t done = 0;
    for (; bytes - done >= 28; done += 24, to += 32) { /* the second load ends at byte 28 */
        __m256i in = _mm256_inserti128_si256(_mm256_castsi128_si256(load(from + done)),
                                             load(from + done + 12), 1);
        in = _mm256_shuffle_epi8(in, spread);
        __m256i high = _mm256_mulhi_epu16(_mm256_and_si256(in, _mm256_set1_epi32(0x0fc0fc00)),
                                          _mm256_set1_epi32(0x04000040));
        __m256i low = _mm256_mullo_epi16(_mm256_and_si256(in, _mm256_set1_epi32(0x003f03f0)),
                                         _mm256_set1_epi32(0x01000010));
        __m256i sixes = _mm256_or_si256(high, low);
        __m256i range = _mm256_subs_epu8(sixes, _mm256_set1_epi8(51));
        __m256i capital = _mm256_cmpgt_epi8(_mm256_set1_epi8(26), sixes);
        range = _mm256_or_si256(range, _mm256_and_si256(capital, _mm256_set1_epi8(13)));
        __m256i out = _mm256_add_epi8(sixes, _mm256_shuffle_epi8(distance, range));
        _mm256_storeu_si256((__m256i *)(void *)to, out);
    }
    return done;
}

AVX2 static size_t decode(const char *from, size_t characters, unsigned char *to) {
    const __m256i by_low = twice(_mm_setr_epi8(0x15, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11,
                                               0x11, 0x13, 0x1A, 0x1B, 0x1B, 0x1B, 0x1A));
    const __m256i by_high = twice(_mm_setr_epi8(0x10, 0x10, 0x01, 0x02, 0x04, 0x08, 0x04, 0x08,
                                                0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10));
    const __m256i distance =
        twice(_mm_setr_epi8(0, 16, 19, 4, -65, -65, -71, -71, 0, 0, 0, 0, 0, 0, 0, 0));
    const __m256i join =
        twice(_mm_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1));
    const __m256i pack = _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 7, 7);
    const __m256i nibble = _mm256_set1_epi8(0x0f);
    size_t done = 0;
    for (; characters - done >= 44; done += 32, to += 24) { /* 32 bytes are stored: room for 33 */
        __m256i in = _mm256_loadu_si256((const __m256i *)(const void *)(from + done));
        __m256i high = _mm256_and_si256(_mm256_srli_epi32(in, 4), nibble);
        __m256i low = _mm256_and_si256(in, nibble);
        if (!_mm256_testz_si256(_mm256_shuffle_epi8(by_low, low),
                                _mm256_shuffle_epi8(by_high, high)))
            break;
        __m256i slash = _mm256_cmpeq_epi8(in, _mm256_set1_epi8('/'));
        in = _mm256_add_epi8(in, _mm256_shuffle_epi8(distance, _mm256_add_epi8(slash, high)));
        in = _mm256_maddubs_epi16(in, _mm256_set1_epi32(0x01400140));
        in = _mm256_madd_epi16(in, _mm256_set1_epi32(0x00011000));
        in = _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(in, join), pack);
        _mm256_storeu_si256((__m256i *)(void *)to, in);
    }
    return done;
}

const vni_base64_table vni_base64_avx2 = {"avx2", VNI_CPU_AVX2, encode, decode};

#endif
