/* AVX-512 F, BW, VL and DQ; and a second table for processors that also multiply bytes (VNNI) and
 * count ones (VPOPCNTDQ) in one instruction. Floats are widened to float64 eight at a time. The end
 * of a vector is loaded under a mask: what lies behind it reads as zero and adds nothing. */
#include "metric/metric_impl.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c,popcnt")))
#define AVX512VNNI                                                                                 \
    __attribute__((                                                                                \
        target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vpopcntdq,avx2,fma,"           \
               "f16c,popcnt")))

/* ---- floats: eight elements from any type --------------------------------------------------- */

AVX512 static inline __m512d eight_f32(const unsigned char *from) {
    return _mm512_cvtps_pd(_mm256_loadu_ps((const float *)(const void *)from));
}

AVX512 static inline __m512d some_f32(const unsigned char *from, __mmask8 which) {
    return _mm512_cvtps_pd(_mm256_maskz_loadu_ps(which, from));
}

AVX512 static inline __m512d eight_f16(const unsigned char *from) {
    __m128i halves = _mm_loadu_si128((const __m128i *)(const void *)from);
    return _mm512_cvtps_pd(_mm256_cvtph_ps(halves));
}

AVX512 static inline __m512d some_f16(const unsigned char *from, __mmask8 which) {
    return _mm512_cvtps_pd(_mm256_cvtph_ps(_mm_maskz_loadu_epi16(which, from)));
}

AVX512 static inline __m512d widened_bf16(__m128i upper) {
    __m256i bits = _mm256_slli_epi32(_mm256_cvtepu16_epi32(upper), 16);
    return _mm512_cvtps_pd(_mm256_castsi256_ps(bits));
}

AVX512 static inline __m512d eight_bf16(const unsigned char *from) {
    return widened_bf16(_mm_loadu_si128((const __m128i *)(const void *)from));
}

AVX512 static inline __m512d some_bf16(const unsigned char *from, __mmask8 which) {
    return widened_bf16(_mm_maskz_loadu_epi16(which, from));
}

AVX512 static inline __m512d add_product(__m512d x, __m512d y, __m512d sum) {
    return _mm512_fmadd_pd(x, y, sum);
}

AVX512 static inline __m512d add_square(__m512d x, __m512d y, __m512d sum) {
    __m512d difference = _mm512_sub_pd(x, y);
    return _mm512_fmadd_pd(difference, difference, sum);
}

AVX512 static inline __m512d add_distance(__m512d x, __m512d y, __m512d sum) {
    return _mm512_add_pd(sum, _mm512_abs_pd(_mm512_sub_pd(x, y)));
}

#define SUM(name, eight, some, bytes, add)                                                         \
    AVX512 static double name(const void *a, const void *b, size_t dim) {                          \
        const unsigned char *at_a = a, *at_b = b;                                                  \
        __m512d s0 = _mm512_setzero_pd(), s1 = s0, s2 = s0, s3 = s0;                               \
        for (; dim >= 32; dim -= 32, at_a += 32 * (bytes), at_b += 32 * (bytes)) {                 \
            s0 = add(eight(at_a), eight(at_b), s0);                                                \
            s1 = add(eight(at_a + 8 * (bytes)), eight(at_b + 8 * (bytes)), s1);                    \
            s2 = add(eight(at_a + 16 * (bytes)), eight(at_b + 16 * (bytes)), s2);                  \
            s3 = add(eight(at_a + 24 * (bytes)), eight(at_b + 24 * (bytes)), s3);                  \
        }                                                                                          \
        for (; dim >= 8; dim -= 8, at_a += 8 * (bytes), at_b += 8 * (bytes))                       \
            s0 = add(eight(at_a), eight(at_b), s0);                                                \
        if (dim > 0) {                                                                             \
            __mmask8 which = (__mmask8)((1u << dim) - 1);                                          \
            s1 = add(some(at_a, which), some(at_b, which), s1);                                    \
        }                                                                                          \
        return _mm512_reduce_add_pd(_mm512_add_pd(_mm512_add_pd(s0, s1), _mm512_add_pd(s2, s3)));  \
    }

#define TWO_SUMS(name, eight, some, bytes)                                                         \
    AVX512 static void name(const void *a, const void *b, size_t dim, double sums[2]) {            \
        const unsigned char *at_a = a, *at_b = b;                                                  \
        __m512d s0 = _mm512_setzero_pd(), s1 = s0, n0 = s0, n1 = s0, y;                            \
        for (; dim >= 16; dim -= 16, at_a += 16 * (bytes), at_b += 16 * (bytes)) {                 \
            y = eight(at_b);                                                                       \
            s0 = add_product(eight(at_a), y, s0);                                                  \
            n0 = add_product(y, y, n0);                                                            \
            y = eight(at_b + 8 * (bytes));                                                         \
            s1 = add_product(eight(at_a + 8 * (bytes)), y, s1);                                    \
            n1 = add_product(y, y, n1);                                                            \
        }                                                                                          \
        while (dim > 0) {                                                                          \
            size_t count = dim < 8 ? dim : 8;                                                      \
            __mmask8 which = (__mmask8)((1u << count) - 1);                                        \
            y = some(at_b, which);                                                                 \
            s0 = add_product(some(at_a, which), y, s0);                                            \
            n0 = add_product(y, y, n0);                                                            \
            dim -= count, at_a += count * (bytes), at_b += count * (bytes);                        \
        }                                                                                          \
        sums[0] = _mm512_reduce_add_pd(_mm512_add_pd(s0, s1));                                     \
        sums[1] = _mm512_reduce_add_pd(_mm512_add_pd(n0, n1));                                     \
    }

#define FLOAT_KERNELS(type, bytes)                                                                 \
    SUM(dot_##type, eight_##type, some_##type, bytes, add_product)                                 \
    SUM(l2sq_##type, eight_##type, some_##type, bytes, add_square)                                 \
    SUM(l1_##type, eight_##type, some_##type, bytes, add_distance)                                 \
    TWO_SUMS(dot_and_norm_##type, eight_##type, some_##type, bytes)

FLOAT_KERNELS(f32, 4)
FLOAT_KERNELS(f16, 2)
FLOAT_KERNELS(bf16, 2)

/* ---- int8 -----------------------------------------------------------------------------------
 * Steps of 32 elements as 16-bit numbers, or of 64 as bytes; both add less than 2^17 to a 32-bit
 * sum, so 2^13 steps stay below 2^30; then they go into 64 bits. */

enum { STEPS = 1 << 13 };

AVX512 static inline int64_t total_i32(__m512i sums) {
    __m512i below = _mm512_cvtepi32_epi64(_mm512_castsi512_si256(sums));
    __m512i above = _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(sums, 1));
    return _mm512_reduce_add_epi64(_mm512_add_epi64(below, above));
}

AVX512 static inline __m512i some_i8(const int8_t *from, size_t count) {
    __mmask32 which = count < 32 ? (1u << count) - 1 : ~0u;
    return _mm512_cvtepi8_epi16(_mm256_maskz_loadu_epi8(which, from));
}

AVX512 static inline __m512i add_product_i8(__m512i x, __m512i y, __m512i sum) {
    return _mm512_add_epi32(sum, _mm512_madd_epi16(x, y));
}

AVX512 static inline __m512i add_square_i8(__m512i x, __m512i y, __m512i sum) {
    __m512i difference = _mm512_sub_epi16(x, y);
    return _mm512_add_epi32(sum, _mm512_madd_epi16(difference, difference));
}

AVX512 static inline __m512i add_distance_i8(__m512i x, __m512i y, __m512i sum) {
    __m512i distance = _mm512_abs_epi16(_mm512_sub_epi16(x, y));
    return _mm512_add_epi32(sum, _mm512_madd_epi16(distance, _mm512_set1_epi16(1)));
}

#define SUM_I8(name, add)                                                                          \
    AVX512 static double name(const void *a, const void *b, size_t dim) {                          \
        const int8_t *at_a = a, *at_b = b;                                                         \
        const size_t block = (size_t)STEPS * 32;                                                   \
        int64_t sum = 0;                                                                           \
        for (size_t begin = 0; begin < dim; begin += block) {                                      \
            size_t end = dim - begin > block ? begin + block : dim;                                \
            __m512i sums = _mm512_setzero_si512();                                                 \
            for (size_t j = begin; j < end; j += 32)                                               \
                sums = add(some_i8(at_a + j, end - j), some_i8(at_b + j, end - j), sums);          \
            sum += total_i32(sums);                                                                \
        }                                                                                          \
        return (double)sum;                                                                        \
    }

SUM_I8(dot_i8, add_product_i8)
SUM_I8(l2sq_i8, add_square_i8)
SUM_I8(l1_i8, add_distance_i8)

AVX512 static void dot_and_norm_i8(const void *a, const void *b, size_t dim, double sums[2]) {
    sums[0] = dot_i8(a, b, dim);
    sums[1] = dot_i8(b, b, dim);
}

/* The byte product wants one side without a sign: a + 128. What that adds, 128 times the sum of b,
 * is summed along and taken off. */
AVX512VNNI static inline __m512i bytes_vnni(const int8_t *from, size_t count) {
    return _mm512_maskz_loadu_epi8(count < 64 ? ((__mmask64)1 << count) - 1 : ~(__mmask64)0, from);
}

AVX512VNNI static double dot_i8_vnni(const void *a, const void *b, size_t dim) {
    const int8_t *at_a = a, *at_b = b;
    const size_t block = (size_t)STEPS * 64;
    const __m512i sign = _mm512_set1_epi8(-128), one = _mm512_set1_epi8(1);
    int64_t dot = 0, shift = 0;
    for (size_t begin = 0; begin < dim; begin += block) {
        size_t end = dim - begin > block ? begin + block : dim;
        __m512i dots = _mm512_setzero_si512(), shifts = dots;
        for (size_t j = begin; j < end; j += 64) {
            __m512i x = _mm512_xor_si512(bytes_vnni(at_a + j, end - j), sign);
            __m512i y = bytes_vnni(at_b + j, end - j);
            dots = _mm512_dpbusd_epi32(dots, x, y);
            shifts = _mm512_dpbusd_epi32(shifts, one, y);
        }
        dot += total_i32(dots);
        shift += total_i32(shifts);
    }
    return (double)(dot - 128 * shift);
}

AVX512VNNI static void dot_and_norm_i8_vnni(const void *a, const void *b, size_t dim,
                                            double sums[2]) {
    const int8_t *at_a = a, *at_b = b;
    const size_t block = (size_t)STEPS * 64;
    const __m512i sign = _mm512_set1_epi8(-128), one = _mm512_set1_epi8(1);
    int64_t dot = 0, norm = 0, shift = 0;
    for (size_t begin = 0; begin < dim; begin += block) {
        size_t end = dim - begin > block ? begin + block : dim;
        __m512i dots = _mm512_setzero_si512(), norms = dots, shifts = dots;
        for (size_t j = begin; j < end; j += 64) {
            __m512i x = _mm512_xor_si512(bytes_vnni(at_a + j, end - j), sign);
            __m512i y = bytes_vnni(at_b + j, end - j);
            dots = _mm512_dpbusd_epi32(dots, x, y);
            norms = _mm512_dpbusd_epi32(norms, _mm512_xor_si512(y, sign), y);
            shifts = _mm512_dpbusd_epi32(shifts, one, y);
        }
        dot += total_i32(dots);
        norm += total_i32(norms);
        shift += total_i32(shifts);
    }
    sums[0] = (double)(dot - 128 * shift);
    sums[1] = (double)(norm - 128 * shift);
}

/* ---- bits ----------------------------------------------------------------------------------- */

/* As in metric_avx2.c: ones of half bytes are looked up. */
AVX512 static inline __m512i ones_lookup(__m512i bits) {
    const __m512i table =
        _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
    const __m512i half = _mm512_set1_epi8(15);
    __m512i below = _mm512_shuffle_epi8(table, _mm512_and_si512(bits, half));
    __m512i above = _mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16(bits, 4), half));
    return _mm512_sad_epu8(_mm512_add_epi8(below, above), _mm512_setzero_si512());
}

AVX512VNNI static inline __m512i ones_popcnt(__m512i bits) {
    return _mm512_popcnt_epi64(bits);
}

#define SUM_BITS(target, name, ones, join)                                                         \
    target static double name(const void *a, const void *b, size_t dim) {                          \
        const unsigned char *at_a = a, *at_b = b;                                                  \
        size_t whole = dim / 512 * 64, rest = (dim + 7) / 8 - whole;                               \
        __m512i sums = _mm512_setzero_si512(), joined;                                             \
        for (size_t i = 0; i < whole; i += 64) {                                                   \
            joined = join(_mm512_loadu_si512(at_a + i), _mm512_loadu_si512(at_b + i));             \
            sums = _mm512_add_epi64(sums, ones(joined));                                           \
        }                                                                                          \
        if (rest > 0) {                                                                            \
            __mmask64 last = (__mmask64)1 << (rest - 1), which = last | (last - 1);                \
            char mask = (char)vni_last_byte_mask(dim);                                             \
            joined = join(_mm512_maskz_loadu_epi8(which, at_a + whole),                            \
                          _mm512_maskz_loadu_epi8(which, at_b + whole));                           \
            joined = _mm512_and_si512(                                                             \
                joined, _mm512_mask_mov_epi8(_mm512_set1_epi8(-1), last, _mm512_set1_epi8(mask))); \
            sums = _mm512_add_epi64(sums, ones(joined));                                           \
        }                                                                                          \
        return (double)_mm512_reduce_add_epi64(sums);                                              \
    }

SUM_BITS(AVX512, dot_bit, ones_lookup, _mm512_and_si512)
SUM_BITS(AVX512, hamming_bit, ones_lookup, _mm512_xor_si512)
SUM_BITS(AVX512VNNI, dot_bit_popcnt, ones_popcnt, _mm512_and_si512)
SUM_BITS(AVX512VNNI, hamming_bit_popcnt, ones_popcnt, _mm512_xor_si512)

static void dot_and_norm_bit(const void *a, const void *b, size_t dim, double sums[2]) {
    sums[0] = dot_bit(a, b, dim);
    sums[1] = dot_bit(b, b, dim);
}

static void dot_and_norm_bit_popcnt(const void *a, const void *b, size_t dim, double sums[2]) {
    sums[0] = dot_bit_popcnt(a, b, dim);
    sums[1] = dot_bit_popcnt(b, b, dim);
}

/* ---- scaling -------------------------------------------------------------------------------- */

AVX512 static void scale_avx512(float *out, const float *in, size_t dim, double scale) {
    const __m512d factor = _mm512_set1_pd(scale);
    for (size_t j = 0; j < dim; j += 8) {
        __mmask8 which = (__mmask8)(dim - j < 8 ? (1u << (dim - j)) - 1 : 0xffu);
        __m512d x = _mm512_cvtps_pd(_mm256_maskz_loadu_ps(which, in + j));
        _mm256_mask_storeu_ps(out + j, which, _mm512_cvtpd_ps(_mm512_mul_pd(x, factor)));
    }
}

AVX512 static void to_i8_avx512(int8_t *out, const float *in, size_t count, float scale) {
    const __m512 factor = _mm512_set1_ps(scale);
    for (size_t j = 0; j < count; j += 16) {
        __mmask16 which = (__mmask16)(count - j < 16 ? (1u << (count - j)) - 1 : 0xffffu);
        __m512 x = _mm512_mul_ps(_mm512_maskz_loadu_ps(which, in + j), factor);
        x = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, x, _CMP_ORD_Q), x); /* NaN to 0 */
        x = _mm512_max_ps(_mm512_min_ps(x, _mm512_set1_ps(127.0f)), _mm512_set1_ps(-127.0f));
        _mm512_mask_cvtepi32_storeu_epi8(out + j, which, _mm512_cvtps_epi32(x));
    }
}

#define KERNEL(type)                                                                               \
    { dot_##type, l2sq_##type, l1_##type, dot_and_norm_##type }

const vni_metric_table vni_metric_avx512 = {
    .name = "avx512",
    .needs = VNI_CPU_AVX512,
    .of = {[VECNA_F32] = KERNEL(f32),
           [VECNA_F16] = KERNEL(f16),
           [VECNA_BF16] = KERNEL(bf16),
           [VECNA_I8] = KERNEL(i8),
           [VECNA_BIT] = {dot_bit, hamming_bit, hamming_bit, dot_and_norm_bit}},
    .scale = scale_avx512,
    .to_i8 = to_i8_avx512,
};

const vni_metric_table vni_metric_avx512vnni = {
    .name = "avx512vnni",
    .needs = VNI_CPU_AVX512VNNI,
    .of = {[VECNA_F32] = KERNEL(f32),
           [VECNA_F16] = KERNEL(f16),
           [VECNA_BF16] = KERNEL(bf16),
           [VECNA_I8] = {dot_i8_vnni, l2sq_i8, l1_i8, dot_and_norm_i8_vnni},
           [VECNA_BIT] = {dot_bit_popcnt, hamming_bit_popcnt, hamming_bit_popcnt,
                          dot_and_norm_bit_popcnt}},
    .scale = scale_avx512,
    .to_i8 = to_i8_avx512,
};

#endif
