/* The truth: what every other variant is held against, and what runs where there is none.
 *
 * Each float kernel keeps eight sums and adds them up at the end. That is what makes a compiler use
 * whatever vectors its target has, and eight short sums lose less than a long one. Elements are
 * read by memcpy, because a row in a file may start anywhere. */
#include "metric/metric_impl.h"

#include <math.h>

enum { LANES = 8 };

static inline double f32_at(const unsigned char *from, size_t i) {
    float value;
    memcpy(&value, from + 4 * i, sizeof value);
    return (double)value;
}

static inline double f16_at(const unsigned char *from, size_t i) {
    uint16_t bits;
    memcpy(&bits, from + 2 * i, sizeof bits);
    return (double)vni_float_of_f16(bits);
}

static inline double bf16_at(const unsigned char *from, size_t i) {
    uint16_t bits;
    memcpy(&bits, from + 2 * i, sizeof bits);
    return (double)vni_float_of_bf16(bits);
}

static double total(const double *lanes) {
    return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) +
           ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

/* `term` is an expression of x = a_j and y = b_j. */
#define SUM(name, at, term)                                                                        \
    static double name(const void *a, const void *b, size_t dim) {                                 \
        const unsigned char *from_a = a, *from_b = b;                                              \
        double lanes[LANES] = {0};                                                                 \
        size_t j = 0;                                                                              \
        for (; j + LANES <= dim; j += LANES)                                                       \
            for (size_t lane = 0; lane < LANES; lane++) {                                          \
                double x = at(from_a, j + lane), y = at(from_b, j + lane);                         \
                lanes[lane] += term;                                                               \
            }                                                                                      \
        for (; j < dim; j++) {                                                                     \
            double x = at(from_a, j), y = at(from_b, j);                                           \
            lanes[j % LANES] += term;                                                              \
        }                                                                                          \
        return total(lanes);                                                                       \
    }

#define FLOAT_KERNELS(type)                                                                        \
    SUM(dot_##type, type##_at, x *y)                                                               \
    SUM(l2sq_##type, type##_at, (x - y) * (x - y))                                                 \
    SUM(l1_##type, type##_at, fabs(x - y))                                                         \
    static void dot_and_norm_##type(const void *a, const void *b, size_t dim, double sums[2]) {    \
        sums[0] = dot_##type(a, b, dim);                                                           \
        sums[1] = dot_##type(b, b, dim);                                                           \
    }

FLOAT_KERNELS(f32)
FLOAT_KERNELS(f16)
FLOAT_KERNELS(bf16)

/* Sums of 32 bits vectorise twice as wide as sums of 64; they are emptied before they can overflow.
 */
#define SUM_I8(name, term)                                                                         \
    static double name(const void *a, const void *b, size_t dim) {                                 \
        const int8_t *from_a = a, *from_b = b;                                                     \
        int64_t sum = 0;                                                                           \
        for (size_t begin = 0; begin < dim;) {                                                     \
            size_t end = dim - begin > 32768 ? begin + 32768 : dim;                                \
            int32_t part = 0; /* at most 32768 * 255^2 < 2^31 */                                   \
            for (; begin < end; begin++) {                                                         \
                int32_t x = from_a[begin], y = from_b[begin];                                      \
                part += term;                                                                      \
            }                                                                                      \
            sum += part;                                                                           \
        }                                                                                          \
        return (double)sum;                                                                        \
    }

SUM_I8(dot_i8, x *y)
SUM_I8(l2sq_i8, (x - y) * (x - y))
SUM_I8(l1_i8, (x > y ? x - y : y - x))

static void dot_and_norm_i8(const void *a, const void *b, size_t dim, double sums[2]) {
    sums[0] = dot_i8(a, b, dim);
    sums[1] = dot_i8(b, b, dim);
}

static unsigned ones(uint64_t bits) {
    bits -= bits >> 1 & UINT64_C(0x5555555555555555);
    bits = (bits & UINT64_C(0x3333333333333333)) + (bits >> 2 & UINT64_C(0x3333333333333333));
    bits = (bits + (bits >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return (unsigned)(bits * UINT64_C(0x0101010101010101) >> 56);
}

/* Eight bytes at a time; the last ones go into a word of zeros, the foreign bits cut off. */
#define SUM_BITS(name, joined)                                                                     \
    static double name(const void *a, const void *b, size_t dim) {                                 \
        const unsigned char *from_a = a, *from_b = b;                                              \
        uint64_t x, y, sum = 0;                                                                    \
        size_t whole = dim / 64 * 8, rest = (dim + 7) / 8 - whole;                                 \
        for (size_t i = 0; i < whole; i += 8) {                                                    \
            memcpy(&x, from_a + i, sizeof x);                                                      \
            memcpy(&y, from_b + i, sizeof y);                                                      \
            sum += ones(joined);                                                                   \
        }                                                                                          \
        for (size_t i = 0; i < rest; i++) {                                                        \
            unsigned mask = i + 1 == rest ? vni_last_byte_mask(dim) : 0xffu;                       \
            x = from_a[whole + i];                                                                 \
            y = from_b[whole + i];                                                                 \
            sum += ones((joined)&mask);                                                            \
        }                                                                                          \
        return (double)sum;                                                                        \
    }

SUM_BITS(dot_bit, x &y)
SUM_BITS(hamming_bit, x ^ y)

static void dot_and_norm_bit(const void *a, const void *b, size_t dim, double sums[2]) {
    sums[0] = dot_bit(a, b, dim);
    sums[1] = dot_bit(b, b, dim);
}

static void scale_portable(float *out, const float *in, size_t dim, double scale) {
    for (size_t j = 0; j < dim; j++)
        out[j] = (float)((double)in[j] * scale);
}

/* Adding 1.5 * 2^23 leaves no room for a fraction, so the addition itself rounds to nearest even;
 * the integer stands in the low bits. */
static void to_i8_portable(int8_t *out, const float *in, size_t count, float scale) {
    for (size_t j = 0; j < count; j++) {
        float value = in[j] * scale;
        value = value == value ? value : 0.0f;
        value = value < -127.0f ? -127.0f : value;
        value = value > 127.0f ? 127.0f : value;
        out[j] = (int8_t)(vni_bits_of_float(value + 0x1.8p23f) & 0xffu);
    }
}

#define KERNEL(type)                                                                               \
    { dot_##type, l2sq_##type, l1_##type, dot_and_norm_##type }

const vni_metric_table vni_metric_portable = {
    .name = "portable",
    .needs = 0,
    .of = {[VECNA_F32] = KERNEL(f32),
           [VECNA_F16] = KERNEL(f16),
           [VECNA_BF16] = KERNEL(bf16),
           [VECNA_I8] = KERNEL(i8),
           [VECNA_BIT] = {dot_bit, hamming_bit, hamming_bit, dot_and_norm_bit}},
    .scale = scale_portable,
    .to_i8 = to_i8_portable,
};
