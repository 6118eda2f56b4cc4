/* What base shares with the modules above it, beside its public header. */
#ifndef VNI_BASE_IMPL_H
#define VNI_BASE_IMPL_H

#include "vecna/base.h"

#include <string.h>

/* Natural logarithm from IEEE operations alone, so that it gives the same bits everywhere. x is
 * finite and above 0; within 2 ulp of the exact value. */
double vni_log(double x);

/* Standard normal quantile of p in (0, 1), from IEEE operations alone. */
double vni_normal_quantile(double p);

/* CPUs of a cgroup quota: "max 100000" or "150000 100000" (v2's cpu.max). 0 when there is none. */
size_t vni_cpus_of_quota(const char *cpu_max);

/* Asks the system for large pages under memory that will be read at random: with small ones a miss of
 * the cache is a miss of the page tables too. To be said before the memory is first touched. */
void vni_memory_huge(void *memory, size_t bytes);

/* Sets of instructions that variants of a kernel are written for. A set counts only when the
 * processor has it and the operating system saves its registers. */
enum {
    VNI_CPU_AVX2 = 1,       /* AVX2, FMA, F16C, POPCNT */
    VNI_CPU_AVX512 = 2,     /* AVX-512 F, BW, VL, DQ, and all of the above */
    VNI_CPU_AVX512VNNI = 4, /* AVX-512 VNNI and VPOPCNTDQ, and all of the above */
    VNI_CPU_NEON = 8,
    VNI_CPU_AVX512VBMI = 16, /* AVX-512 VBMI, and AVX-512 F, BW, VL, DQ */
    VNI_CPU_AVX512BF16 = 32, /* AVX-512 BF16, and AVX-512 F, BW, VL, DQ */
    VNI_CPU_FASTBF16 = 64    /* the above, as many instructions a cycle as of floats */
};

/* What may be used: what the machine has, cut down to the mask. */
unsigned vni_cpu_features(void);
/* For tests: only sets in `mask` may be used from now on; ~0u, the initial value, allows all. Not
 * while other threads compute. */
void vni_cpu_allow(unsigned mask);

/* One number from its 16-bit form and back, the truth behind vecna_f16_* and vecna_bf16_*. */
static inline float vni_float_of_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}
static inline uint32_t vni_bits_of_float(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}
/* What a row of numbers may be: all zeros, or not finite. Both tests are on the bits, so that they vectorise. */
typedef enum vni_row_kind { VNI_ROW_GOOD, VNI_ROW_ZERO, VNI_ROW_SPECIAL } vni_row_kind;
static inline vni_row_kind vni_row_kind_of(const float *row, size_t dim) {
    uint32_t any = 0, special = 0;
    for (size_t i = 0; i < dim; i++) {
        const uint32_t bits = vni_bits_of_float(row[i]) & 0x7fffffffu;
        any |= bits;
        special |= bits >= 0x7f800000u;
    }
    return special ? VNI_ROW_SPECIAL : any ? VNI_ROW_GOOD : VNI_ROW_ZERO;
}
/* The exponent moves into place by an exact multiplication, which also makes normal numbers of
 * half's subnormals. Infinity and NaN get their exponent by hand, NaN its quiet bit too. */
static inline float vni_float_of_f16(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16, rest = (uint32_t)(half & 0x7fffu) << 13;
    uint32_t finite = vni_bits_of_float(vni_float_of_bits(rest) * 0x1p112f);
    uint32_t special = rest | 0x7f800000u | ((half & 0x3ffu) != 0 ? 0x400000u : 0);
    return vni_float_of_bits(sign | ((half & 0x7c00u) == 0x7c00u ? special : finite));
}
/* Subnormal halves come from adding 0.5, whose last bit weighs what half's last bit does. */
static inline uint16_t vni_f16_of_float(float value) {
    uint32_t bits = vni_bits_of_float(value), sign = bits >> 16 & 0x8000u;
    bits &= 0x7fffffffu;
    if (bits > 0x7f800000u)
        return (uint16_t)(sign | 0x7e00u | (bits >> 13 & 0x3ffu));
    if (bits >= 0x477ff000u) /* 65520 and above round to infinity */
        return (uint16_t)(sign | 0x7c00u);
    if (bits < 0x38800000u)
        return (uint16_t)(sign | (vni_bits_of_float(vni_float_of_bits(bits) + 0.5f) - 0x3f000000u));
    bits += 0xc8000fffu + (bits >> 13 & 1);
    return (uint16_t)(sign | bits >> 13);
}
static inline float vni_float_of_bf16(uint16_t value) {
    uint32_t quiet = (value & 0x7fffu) > 0x7f80u ? 0x400000u : 0;
    return vni_float_of_bits((uint32_t)value << 16 | quiet);
}
static inline uint16_t vni_bf16_of_float(float value) {
    uint32_t bits = vni_bits_of_float(value);
    uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1)) >> 16;
    return (uint16_t)((bits & 0x7fffffffu) > 0x7f800000u ? bits >> 16 | 0x40u : rounded);
}

/* FNV-1a of bytes, from VNI_HASH_START or from the hash of what stood before them. Upper bits are the
 * better mixed ones. */
#define VNI_HASH_START UINT64_C(14695981039346656037)
#define VNI_HASH_FACTOR UINT64_C(1099511628211)
uint64_t vni_hash(uint64_t hash, const void *data, size_t bytes);

/* Length of the UTF-8 sequence that starts at `at`, 0 when it is ill-formed or cut off. The lead
 * byte tells; the second byte alone needs a range of its own (table 3-7 of Unicode). */
static inline size_t vni_utf8_sequence(const unsigned char *at, size_t bytes) {
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

#endif
