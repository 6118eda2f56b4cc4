/* AVX2 with FMA, F16C and POPCNT. Floats are widened to float64 four at a time, so a multiply-add
 * of theirs is exact before the addition and the sum is as good as the portable one. The end of a
 * vector that fills no register is copied into one of zeros, which add nothing. */
#include "metric/metric_impl.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,fma,f16c,popcnt")))

/* ---- floats: eight elements from any type --------------------------------------------------- */

AVX2 static inline __m256 eight_f32(const unsigned char *from) {
    return _mm256_loadu_ps((const float *)(const void *)from);
}

AVX2 static inline __m256 eight_f16(const unsigned char *from) {
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)from));
}

AVX2 static inline __m256 eight_bf16(const unsigned char *from) {
    __m128i upper = _mm_loadu_si128((const __m128i *)(const void *)from);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(upper), 16));
}

AVX2 static inline __m256d low(__m256 x) {
    return _mm256_cvtps_pd(_mm256_castps256_ps128(x));
}

AVX2 static inline __m256d high(__m256 x) {
    return _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1));
}

AVX2 static inline double total(__m256d a, __m256d b, __m256d c, __m256d d) {
    __m256d four = _mm256_add_pd(_mm256_add_pd(a, b), _mm256_add_pd(c, d));
    __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
    return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

AVX2 static inline __m256d add_product(__m256d x, __m256d y, __m256d sum) {
    return _mm256_fmadd_pd(x, y, sum);
}

AVX2 static inline __m256d add_square(__m256d x, __m256d y, __m256d sum) {
    __m256d difference = _mm256_sub_pd(x, y);
    return _mm256_fmadd_pd(difference, difference, sum);
}

AVX2 static inline __m256d add_distance(__m256d x, __m256d y, __m256d sum) {
    __m256d difference = _mm256_sub_pd(x, y);
    return _mm256_add_pd(sum, _mm256_andnot_pd(_mm256_set1_pd(-0.0), difference));
}

#define SUM(name, eight, bytes, add)                                                               \
    AVX2 static double name(const void *a, const void *b, size_t dim) {                            \
        const unsigned char *at_a = a, *at_b = b;                                                  \
        __m256d s0 = _mm256_setzero_pd(), s1 = s0, s2 = s0, s3 = s0;                               \
        for (; dim >= 16; dim -= 16, at_a += 16 * (bytes), at_b += 16 * (bytes)) {                 \
            __m256 x0 = eight(at_a), x1 = eight(at_a + 8 * (bytes));                               \
            __m256 y0 = eight(at_b), y1 = eight(at_b + 8 * (bytes));                               \
            s0 = add(low(x0), low(y0), s0);                                                        \
            s1 = add(high(x0), high(y0), s1);                                                      \
            s2 = add(low(x1), low(y1), s2);                                                        \
            s3 = add(high(x1), high(y1), s3);                                                      \
        }                                                                                          \
        while (dim > 0) {                                                                          \
            size_t count = dim < 8 ? dim : 8;                                                      \
            unsigned char end_a[8 * (bytes)] = {0}, end_b[8 * (bytes)] = {0};                      \
            memcpy(end_a, at_a, count *(bytes));                                                   \
            memcpy(end_b, at_b, count *(bytes));                                                   \
            s0 = add(low(eight(end_a)), low(eight(end_b)), s0);                                    \
            s1 = add(high(eight(end_a)), high(eight(end_b)), s1);                                  \
            dim -= count, at_a += count * (bytes), at_b += count * (bytes);                        \
        }                                                                                          \
        return total(s0, s1, s2, s3);                                                              \
    }

#define TWO_SUMS(name, eight, bytes)                                                               \
    AVX2 static void name(const void *a, const void *b, size_t dim, double sums[2]) {              \
        const unsigned char *at_a = a, *at_b = b;                                                  \
        __m256d s0 = _mm256_setzero_pd(), s1 = s0, n0 = s0, n1 = s0;                               \
        while (dim > 0) {                                                                          \
            size_t count = dim < 8 ? dim : 8;                                                      \
            unsigned char end_a[8 * (bytes)], end_b[8 * (bytes)];                                  \
            __m256 x, y;                                                                           \
            if (count < 8) {                                                                       \
                memset(end_a, 0, sizeof end_a);                                                    \
                memset(end_b, 0, sizeof end_b);                                                    \
                memcpy(end_a, at_a, count *(bytes));                                               \
                memcpy(end_b, at_b, count *(bytes));                                               \
                x = eight(end_a);                                                                  \
                y = eight(end_b);                                                                  \
            } else {                                                                               \
                x = eight(at_a);                                                                   \
                y = eight(at_b);                                                                   \
            }                                                                                      \
            s0 = add_product(low(x), low(y), s0);                                                  \
            s1 = add_product(high(x), high(y), s1);                                                \
            n0 = add_product(low(y), low(y), n0);                                                  \
            n1 = add_product(high(y), high(y), n1);                                                \
            dim -= count, at_a += count * (bytes), at_b += count * (bytes);                        \
        }                                                                                          \
        sums[0] = total(s0, s1, _mm256_setzero_pd(), _mm256_setzero_pd());                         \
        sums[1] = total(n0, n1, _mm256_setzero_pd(), _mm256_setzero_pd());                         \
    }

#define FLOAT_KERNELS(type, bytes)                                                                 \
    SUM(dot_##type, eight_##type, bytes, add_product)                                              \
    SUM(l2sq_##type, eight_##type, bytes, add_square)                                              \
    SUM(l1_##type, eight_##type, bytes, add_distance)                                              \
    TWO_SUMS(dot_and_norm_##type, eight_##type, bytes)

FLOAT_KERNELS(f32, 4)
FLOAT_KERNELS(f16, 2)
FLOAT_KERNELS(bf16, 2)

/* ---- int8 -----------------------------------------------------------------------------------
 * Sixteen elements as 16-bit numbers; pairs of products go into 32-bit sums. A step adds at most
 * 2 * 255^2 < 2^17 to one of them, so 2^13 steps stay below 2^30; then they go into 64 bits. */

enum { I8_STEP = 16, I8_BLOCK = I8_STEP << 13 };

AVX2 static inline int64_t total_i32(__m256i sums) {
    __m256i wide = _mm256_add_epi64(_mm256_cvtepi32_epi64(_mm256_castsi256_si128(sums)),
                                    _mm256_cvtepi32_epi64(_mm256_extracti128_si256(sums, 1)));
    __m128i two = _mm_add_epi64(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1));
    return _mm_cvtsi128_si64(_mm_add_epi64(two, _mm_unpackhi_epi64(two, two)));
}

AVX2 static inline __m256i sixteen_i8(const int8_t *from, size_t count) {
    int8_t end[I8_STEP] = {0};
    if (count >= I8_STEP)
        return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)from));
    memcpy(end, from, count);
    return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)end));
}

AVX2 static inline __m256i add_product_i8(__m256i x, __m256i y, __m256i sum) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(x, y));
}

AVX2 static inline __m256i add_square_i8(__m256i x, __m256i y, __m256i sum) {
    __m256i difference = _mm256_sub_epi16(x, y);
    return _mm256_add_epi32(sum, _mm256_madd_epi16(difference, difference));
}

AVX2 static inline __m256i add_distance_i8(__m256i x, __m256i y, __m256i sum) {
    __m256i distance = _mm256_abs_epi16(_mm256_sub_epi16(x, y));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(distance, _mm256_set1_epi16(1)));
}

#define SUM_I8(name, add)                                                                          \
    AVX2 static double name(const void *a, const void *b, size_t dim) {                            \
        const int8_t *at_a = a, *at_b = b;                                                         \
        int64_t sum = 0;                                                                           \
        for (size_t begin = 0; begin < dim; begin += I8_BLOCK) {                                   \
            size_t end = dim - begin > I8_BLOCK ? begin + I8_BLOCK : dim;                          \
            __m256i sums = _mm256_setzero_si256();                                                 \
            for (size_t j = begin; j < end; j += I8_STEP)                                          \
                sums = add(sixteen_i8(at_a + j, end - j), sixteen_i8(at_b + j, end - j), sums);    \
            sum += total_i32(sums);                                                                \
        }                                                                                          \
        return (double)sum;                                                                        \
    }

SUM_I8(dot_i8, add_product_i8)
SUM_I8(l2sq_i8, add_square_i8)
SUM_I8(l1_i8, add_distance_i8)

AVX2 static void dot_and_norm_i8(const void *a, const void *b, size_t dim, double sums[2]) {
    sums[0] = dot_i8(a, b, dim);
    sums[1] = dot_i8(b, b, dim);
}

/* ---- bits -----------------------------------------------------------------------------------
 * Ones of a byte are looked up by its halves; bytes are added up by the sum of absolute differences
 * to zero. Source: Mula, Kurz and Lemire, "Faster population counts using AVX2 instructions", 2018.
 */

AVX2 static inline __m256i ones(__m256i bits) {
    const __m256i table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1,
                                           2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const __m256i half = _mm256_set1_epi8(15);
    __m256i below = _mm256_shuffle_epi8(table, _mm256_and_si256(bits, half));
    __m256i above = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(bits, 4), half));
    return _mm256_sad_epu8(_mm256_add_epi8(below, above), _mm256_setzero_si256());
}

AVX2 static inline __m256i bytes_of(const unsigned char *from) {
    return _mm256_loadu_si256((const __m256i *)(const void *)from);
}

#define SUM_BITS(name, join)                                                                       \
    AVX2 static double name(const void *a, const void *b, size_t dim) {                            \
        const unsigned char *at_a = a, *at_b = b;                                                  \
        unsigned char end_a[32] = {0}, end_b[32] = {0};                                            \
        size_t whole = dim / 256 * 32, rest = (dim + 7) / 8 - whole;                               \
        __m256i sums = _mm256_setzero_si256();                                                     \
        __m128i two;                                                                               \
        for (size_t i = 0; i < whole; i += 32)                                                     \
            sums = _mm256_add_epi64(sums, ones(join(bytes_of(at_a + i), bytes_of(at_b + i))));     \
        if (rest > 0) {                                                                            \
            memcpy(end_a, at_a + whole, rest);                                                     \
            memcpy(end_b, at_b + whole, rest);                                                     \
            end_a[rest - 1] &= (unsigned char)vni_last_byte_mask(dim);                             \
            end_b[rest - 1] &= (unsigned char)vni_last_byte_mask(dim);                             \
            sums = _mm256_add_epi64(sums, ones(join(bytes_of(end_a), bytes_of(end_b))));           \
        }                                                                                          \
        two = _mm_add_epi64(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));      \
        return (double)_mm_cvtsi128_si64(_mm_add_epi64(two, _mm_unpackhi_epi64(two, two)));        \
    }

SUM_BITS(dot_bit, _mm256_and_si256)
SUM_BITS(hamming_bit, _mm256_xor_si256)

AVX2 static void dot_and_norm_bit(const void *a, const void *b, size_t dim, double sums[2]) {
    sums[0] = dot_bit(a, b, dim);
    sums[1] = dot_bit(b, b, dim);
}

/* ---- scaling -------------------------------------------------------------------------------- */

AVX2 static void scale_avx2(float *out, const float *in, size_t dim, double scale) {
    const __m256d factor = _mm256_set1_pd(scale);
    size_t j = 0;
    for (; j + 8 <= dim; j += 8) {
        __m256 x = _mm256_loadu_ps(in + j);
        __m128 below = _mm256_cvtpd_ps(_mm256_mul_pd(low(x), factor));
        __m128 above = _mm256_cvtpd_ps(_mm256_mul_pd(high(x), factor));
        _mm256_storeu_ps(out + j, _mm256_insertf128_ps(_mm256_castps128_ps256(below), above, 1));
    }
    vni_metric_portable.scale(out + j, in + j, dim - j, scale);
}

AVX2 static void to_i8_avx2(int8_t *out, const float *in, size_t count, float scale) {
    const __m256 factor = _mm256_set1_ps(scale), most = _mm256_set1_ps(127.0f);
    size_t j = 0;
    for (; j + 8 <= count; j += 8) {
        __m256 x = _mm256_mul_ps(_mm256_loadu_ps(in + j), factor);
        __m256i rounded;
        __m128i narrow;
        x = _mm256_and_ps(x, _mm256_cmp_ps(x, x, _CMP_ORD_Q)); /* NaN to 0 */
        x = _mm256_max_ps(_mm256_min_ps(x, most), _mm256_sub_ps(_mm256_setzero_ps(), most));
        rounded = _mm256_cvtps_epi32(x);
        narrow =
            _mm_packs_epi32(_mm256_castsi256_si128(rounded), _mm256_extracti128_si256(rounded, 1));
        _mm_storel_epi64((__m128i *)(void *)(out + j), _mm_packs_epi16(narrow, narrow));
    }
    vni_metric_portable.to_i8(out + j, in + j, count - j, scale);
}

#define KERNEL(type)                                                                               \
    { dot_##type, l2sq_##type, l1_##type, dot_and_norm_##type }

const vni_metric_table vni_metric_avx2 = {
    .name = "avx2",
    .needs = VNI_CPU_AVX2,
    .of = {[VECNA_F32] = KERNEL(f32),
           [VECNA_F16] = KERNEL(f16),
           [VECNA_BF16] = KERNEL(bf16),
           [VECNA_I8] = KERNEL(i8),
           [VECNA_BIT] = {dot_bit, hamming_bit, hamming_bit, dot_and_norm_bit}},
    .scale = scale_avx2,
    .to_i8 = to_i8_avx2,
};

#endif
