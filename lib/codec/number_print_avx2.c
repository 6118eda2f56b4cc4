/* Fractions as text by AVX2, four at a time: the arithmetic of number_print.c in lanes of 64 bits, and the
 * digits divided side by side. From 0.0001 to below 1 the powers of ten that a float32 is multiplied by are
 * 10^8 to 10^12, whole numbers whose lowest 32 of 64 bits are zero: one product of 32 bits is exact, and half
 * a unit to either side is a sum. Zeros and whole powers of two (whose lower neighbour is nearer), everything
 * outside and what ends in a zero is left to vecna_number_print_f32. */
#include "base/base_impl.h"
#include "codec/codec_impl.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))

typedef uint64_t lanes __attribute__((vector_size(32)));
typedef uint32_t halves __attribute__((vector_size(32)));
typedef uint16_t quarters __attribute__((vector_size(32)));

enum {
    FIRST_EXPONENT = 113, /* biased; the table ends with 126, the numbers from 0.5 */
    LEAST = 0x38d1b717,   /* the bits of 0.0001f; positive floats are ordered as their bits */
    TENTH = 0x3dcccccd,
    HUNDREDTH = 0x3c23d70a,
    THOUSANDTH = 0x3a83126f,
    MOST = 0x3f7fffff, /* the last number below 1 */
    BIAS = 64          /* so that what is below zero fits into a byte */
};

/* For an exponent: the upper 32 bits of the power of ten, and the left shift of its product beside the
 * decimal exponent of the digits, plus nine and BIAS. */
#define SHIFT(left, exponent) ((left) | (unsigned)(BIAS + 9 + (exponent)) << 8)
static const uint32_t powers[16] = {0xe8d4a510, 0xba43b740, 0xba43b740, 0xba43b740, 0x9502f900,
                                    0x9502f900, 0x9502f900, 0x9502f900, 0xee6b2800, 0xee6b2800,
                                    0xee6b2800, 0xbebc2000, 0xbebc2000, 0xbebc2000};
static const uint32_t shifts[16] = {SHIFT(3, -12), SHIFT(1, -11), SHIFT(2, -11), SHIFT(3, -11),
                                    SHIFT(1, -10), SHIFT(2, -10), SHIFT(3, -10), SHIFT(4, -10),
                                    SHIFT(1, -9),  SHIFT(2, -9),  SHIFT(3, -9),  SHIFT(1, -8),
                                    SHIFT(2, -8),  SHIFT(3, -8)};
static const uint32_t tens[16] = {1,      10,      100,      1000,      10000,
                                  100000, 1000000, 10000000, 100000000, 1000000000};

AVX2 static inline lanes all(uint64_t value) {
    return (lanes)_mm256_set1_epi64x((long long)value);
}

/* Products of the lower halves. */
AVX2 static inline lanes times(lanes a, lanes b) {
    return (lanes)_mm256_mul_epu32((__m256i)a, (__m256i)b);
}

/* table[index] in the lower halves; the upper ones hold anything. */
AVX2 static inline lanes look_up(const uint32_t *table, lanes index) {
    const __m256 low = _mm256_loadu_ps((const float *)(const void *)table);
    const __m256 high = _mm256_loadu_ps((const float *)(const void *)(table + 8));
    return (lanes)_mm256_blendv_ps(_mm256_permutevar8x32_ps(low, (__m256i)index),
                                   _mm256_permutevar8x32_ps(high, (__m256i)index),
                                   (__m256)(index << 28));
}

/* 1 where a >= b, else 0; both below 2^63. */
AVX2 static inline lanes at_least(lanes a, lanes b) {
    return ((a - b) >> 63) ^ 1;
}

/* The upper half, its last bit set where more than the last bit of the lower half is. */
AVX2 static inline lanes round_to_odd(lanes product) {
    return (product >> 32) | (((product & 0xffffffff) + 0xfffffffe) >> 32);
}

/* Which decimal to take, as choose32 of number_print.c: *ten is 1 where a digit less does. */
AVX2 static inline lanes choose(lanes lower, lanes value, lanes upper, lanes *ten) {
    const lanes down = value >> 2, four = down << 2;
    const lanes tenth = times(value, all(0xcccccccd)) >> 37; /* value / 40 */
    const lanes forty = (tenth << 5) + (tenth << 3);
    const lanes tens_up = at_least(upper, forty + 40);
    const lanes up = at_least(upper, four + 4), one = 0 - (at_least(four, lower) ^ up);
    const lanes nearest = ((value & 3) + (down & 1) + 1) >> 2;
    const lanes by_one = down + ((up & one) | (nearest & ~one));
    *ten = at_least(forty, lower) ^ tens_up;
    return ((tenth + tens_up) & (0 - *ten)) | (by_one & ~(0 - *ten));
}

/* Eight digits of numbers below 10^8 as text. */
AVX2 static inline lanes eight_digits(lanes number) {
    const lanes high = times(number, all(0xd1b71759)) >> 45; /* number / 10000 */
    const halves four = (halves)(high | (number - times(high, all(10000))) << 32);
    const halves hundreds = (four * 5243) >> 19;
    const quarters two = (quarters)(hundreds | (four - hundreds * 100) << 16);
    const quarters ten = (two * 103) >> 10;
    return (lanes)(ten | (two - ten * 10) << 8) + 0x3030303030303030;
}

AVX2 static void four_fractions(const float *values, uint64_t *digits, uint64_t *layout) {
    const lanes bits =
        (lanes)_mm256_cvtepu32_epi64(_mm_loadu_si128((const __m128i *)(const void *)values));
    const lanes size = bits & 0x7fffffff, fraction = bits & 0x7fffff;
    lanes known =
        at_least(size, all(LEAST)) & at_least(all(MOST), size) & at_least(fraction, all(1));
    const lanes index = ((size >> 23) - FIRST_EXPONENT) & (0 - known);
    const lanes power = look_up(powers, index) & 0xffffffff, shift = look_up(shifts, index);
    const lanes mantissa = fraction | 0x800000, odd = mantissa & 1;
    const lanes product = times(power, mantissa) << (2 + (shift & 0xff));
    const lanes half = power << (1 + (shift & 0xff));
    lanes ten;
    const lanes number = choose(round_to_odd(product - half) + odd, round_to_odd(product),
                                round_to_odd(product + half) - odd, &ten);
    const lanes tenth = times(number, all(0xcccccccd)) >> 35;
    /* zeros behind the point, and digits that nine lack */
    const lanes zeros = 3 - at_least(size, all(TENTH)) - at_least(size, all(HUNDREDTH)) -
                        at_least(size, all(THOUSANDTH));
    const lanes lacking = (shift >> 8 & 0xff) - BIAS + zeros + ten;
    const lanes nine = times(number, look_up(tens, lacking));
    const lanes first = times(nine, all(0x55e63b89)) >> 57; /* nine / 10^8 */

    known &= at_least(number - times(tenth, all(10)), all(1));
    _mm256_storeu_si256((__m256i *)(void *)digits,
                        (__m256i)eight_digits(nine - times(first, all(100000000))));
    _mm256_storeu_si256((__m256i *)(void *)layout,
                        (__m256i)(VNI_LAYOUT(first + '0', zeros, 11 - lacking + zeros, bits >> 31) |
                                  known << VNI_LAYOUT_KNOWN));
}

void vni_fractions_avx2(const float *values, size_t count, uint64_t *digits, uint64_t *layout) {
    for (size_t i = 0; i < count; i += 4)
        four_fractions(values + i, digits + i, layout + i);
}
#endif
