/* Advanced SIMD of 64-bit ARM, which every such processor has. Floats are widened to float64 two at
 * a time. The end of a vector is copied into zeros, which add nothing. */
#include "metric/metric_impl.h"

#if defined(__aarch64__)
#include <arm_neon.h>

/* ---- floats: four elements from any type ---------------------------------------------------- */

static inline float32x4_t four_f32(const unsigned char *from) {
    return vreinterpretq_f32_u8(vld1q_u8(from));
}

static inline float32x4_t four_f16(const unsigned char *from) {
    return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(from)));
}

static inline float32x4_t four_bf16(const unsigned char *from) {
    uint16x4_t upper = vreinterpret_u16_u8(vld1_u8(from));
    return vreinterpretq_f32_u32(vshlq_n_u32(vmovl_u16(upper), 16));
}

static inline float64x2_t low(float32x4_t x) {
    return vcvt_f64_f32(vget_low_f32(x));
}

static inline float64x2_t high(float32x4_t x) {
    return vcvt_high_f64_f32(x);
}

static inline float64x2_t add_product(float64x2_t x, float64x2_t y, float64x2_t sum) {
    return vfmaq_f64(sum, x, y);
}

static inline float64x2_t add_square(float64x2_t x, float64x2_t y, float64x2_t sum) {
    float64x2_t difference = vsubq_f64(x, y);
    return vfmaq_f64(sum, difference, difference);
}

static inline float64x2_t add_distance(float64x2_t x, float64x2_t y, float64x2_t sum) {
    return vaddq_f64(sum, vabdq_f64(x, y));
}

static inline double total(float64x2_t a, float64x2_t b, float64x2_t c, float64x2_t d) {
    return vaddvq_f64(vaddq_f64(vaddq_f64(a, b), vaddq_f64(c, d)));
}

#define SUM(name, four, bytes, add)                                                                \
    static double name(const void *a, const void *b, size_t dim) {                                 \
        const unsigned char *at_a = a, *at_b = b;                                                  \
        float64x2_t s0 = vdupq_n_f64(0), s1 = s0, s2 = s0, s3 = s0;                                \
        for (; dim >= 8; dim -= 8, at_a += 8 * (bytes), at_b += 8 * (bytes)) {                     \
            float32x4_t x0 = four(at_a), x1 = four(at_a + 4 * (bytes));                            \
            float32x4_t y0 = four(at_b), y1 = four(at_b + 4 * (bytes));                            \
            s0 = add(low(x0), low(y0), s0);                                                        \
            s1 = add(high(x0), high(y0), s1);                                                      \
            s2 = add(low(x1), low(y1), s2);                                                        \
            s3 = add(high(x1), high(y1), s3);                                                      \
        }                                                                                          \
        while (dim > 0) {                                                                          \
            size_t count = dim < 4 ? dim : 4;                                                      \
            unsigned char end_a[16] = {0}, end_b[16] = {0};                                        \
            memcpy(end_a, at_a, count *(bytes));                                                   \
            memcpy(end_b, at_b, count *(bytes));                                                   \
            s0 = add(low(four(end_a)), low(four(end_b)), s0);                                      \
            s1 = add(high(four(end_a)), high(four(end_b)), s1);                                    \
            dim -= count, at_a += count * (bytes), at_b += count * (bytes);                        \
        }                                                                                          \
        return total(s0, s1, s2, s3);                                                              \
    }

#define FLOAT_KERNELS(type, bytes)                                                                 \
    SUM(dot_##type, four_##type, bytes, add_product)                                               \
    SUM(l2sq_##type, four_##type, bytes, add_square)                                               \
    SUM(l1_##type, four_##type, bytes, add_distance)                                               \
    static void dot_and_norm_##type(const void *a, const void *b, size_t dim, double sums[2]) {    \
        sums[0] = dot_##type(a, b, dim);                                                           \
        sums[1] = dot_##type(b, b, dim);                                                           \
    }

FLOAT_KERNELS(f32, 4)
FLOAT_KERNELS(f16, 2)
FLOAT_KERNELS(bf16, 2)

/* ---- int8 -----------------------------------------------------------------------------------
 * Sixteen elements a step. Products and distances fit 16 bits, squares of distances do without a
 * sign; pairs are added into 32-bit sums: less than 2^18 a step, so 2^13 steps stay below 2^31. */

enum { I8_STEP = 16, I8_BLOCK = I8_STEP << 13 };

static inline int8x16_t sixteen(const int8_t *from, size_t count) {
    int8_t end[I8_STEP] = {0};
    if (count >= I8_STEP)
        return vld1q_s8(from);
    memcpy(end, from, count);
    return vld1q_s8(end);
}

static inline uint32x4_t add_product_i8(int8x16_t x, int8x16_t y, uint32x4_t sum) {
    int32x4_t part = vreinterpretq_s32_u32(sum);
    part = vpadalq_s16(part, vmull_s8(vget_low_s8(x), vget_low_s8(y)));
    part = vpadalq_s16(part, vmull_high_s8(x, y));
    return vreinterpretq_u32_s32(part);
}

static inline uint32x4_t add_square_i8(int8x16_t x, int8x16_t y, uint32x4_t sum) {
    uint8x16_t distance = vreinterpretq_u8_s8(vabdq_s8(x, y));
    sum = vpadalq_u16(sum, vmull_u8(vget_low_u8(distance), vget_low_u8(distance)));
    return vpadalq_u16(sum, vmull_high_u8(distance, distance));
}

static inline uint32x4_t add_distance_i8(int8x16_t x, int8x16_t y, uint32x4_t sum) {
    return vpadalq_u16(sum, vpaddlq_u8(vreinterpretq_u8_s8(vabdq_s8(x, y))));
}

#define SUM_I8(name, add)                                                                          \
    static double name(const void *a, const void *b, size_t dim) {                                 \
        const int8_t *at_a = a, *at_b = b;                                                         \
        int64_t sum = 0;                                                                           \
        for (size_t begin = 0; begin < dim; begin += I8_BLOCK) {                                   \
            size_t end = dim - begin > I8_BLOCK ? begin + I8_BLOCK : dim;                          \
            uint32x4_t sums = vdupq_n_u32(0);                                                      \
            for (size_t j = begin; j < end; j += I8_STEP)                                          \
                sums = add(sixteen(at_a + j, end - j), sixteen(at_b + j, end - j), sums);          \
            sum += vaddlvq_s32(vreinterpretq_s32_u32(sums));                                       \
        }                                                                                          \
        return (double)sum;                                                                        \
    }

SUM_I8(dot_i8, add_product_i8)
SUM_I8(l2sq_i8, add_square_i8)
SUM_I8(l1_i8, add_distance_i8)

static void dot_and_norm_i8(const void *a, const void *b, size_t dim, double sums[2]) {
    sums[0] = dot_i8(a, b, dim);
    sums[1] = dot_i8(b, b, dim);
}

/* ---- bits ----------------------------------------------------------------------------------- */

#define SUM_BITS(name, join)                                                                       \
    static double name(const void *a, const void *b, size_t dim) {                                 \
        const unsigned char *at_a = a, *at_b = b;                                                  \
        unsigned char end_a[16] = {0}, end_b[16] = {0};                                            \
        size_t whole = dim / 128 * 16, rest = (dim + 7) / 8 - whole;                               \
        uint64_t sum = 0;                                                                          \
        for (size_t i = 0; i < whole; i += 16)                                                     \
            sum += vaddlvq_u8(vcntq_u8(join(vld1q_u8(at_a + i), vld1q_u8(at_b + i))));             \
        if (rest > 0) {                                                                            \
            memcpy(end_a, at_a + whole, rest);                                                     \
            memcpy(end_b, at_b + whole, rest);                                                     \
            end_a[rest - 1] &= (unsigned char)vni_last_byte_mask(dim);                             \
            end_b[rest - 1] &= (unsigned char)vni_last_byte_mask(dim);                             \
            sum += vaddlvq_u8(vcntq_u8(join(vld1q_u8(end_a), vld1q_u8(end_b))));                   \
        }                                                                                          \
        return (double)sum;                                                                        \
    }

SUM_BITS(dot_bit, vandq_u8)
SUM_BITS(hamming_bit, veorq_u8)

static void dot_and_norm_bit(const void *a, const void *b, size_t dim, double sums[2]) {
    sums[0] = dot_bit(a, b, dim);
    sums[1] = dot_bit(b, b, dim);
}

/* ---- scaling -------------------------------------------------------------------------------- */

static void scale_neon(float *out, const float *in, size_t dim, double scale) {
    size_t j = 0;
    for (; j + 4 <= dim; j += 4) {
        float32x4_t x = vld1q_f32(in + j);
        float32x2_t below = vcvt_f32_f64(vmulq_n_f64(low(x), scale));
        vst1q_f32(out + j, vcvt_high_f32_f64(below, vmulq_n_f64(high(x), scale)));
    }
    vni_metric_portable.scale(out + j, in + j, dim - j, scale);
}

/* The conversion rounds to nearest even, clamps, and makes 0 of NaN by itself. */
static void to_i8_neon(int8_t *out, const float *in, size_t count, float scale) {
    const int32x4_t most = vdupq_n_s32(127), least = vdupq_n_s32(-127);
    size_t j = 0;
    for (; j + 8 <= count; j += 8) {
        int32x4_t x = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(in + j), scale));
        int32x4_t y = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(in + j + 4), scale));
        x = vmaxq_s32(vminq_s32(x, most), least);
        y = vmaxq_s32(vminq_s32(y, most), least);
        vst1_s8(out + j, vmovn_s16(vcombine_s16(vmovn_s32(x), vmovn_s32(y))));
    }
    vni_metric_portable.to_i8(out + j, in + j, count - j, scale);
}

#define KERNEL(type)                                                                               \
    { dot_##type, l2sq_##type, l1_##type, dot_and_norm_##type }

const vni_metric_table vni_metric_neon = {
    .name = "neon",
    .needs = VNI_CPU_NEON,
    .of = {[VECNA_F32] = KERNEL(f32),
           [VECNA_F16] = KERNEL(f16),
           [VECNA_BF16] = KERNEL(bf16),
           [VECNA_I8] = KERNEL(i8),
           [VECNA_BIT] = {dot_bit, hamming_bit, hamming_bit, dot_and_norm_bit}},
    .scale = scale_neon,
    .to_i8 = to_i8_neon,
};

#endif
