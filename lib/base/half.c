/* 16-bit floats. Here and not among the metrics, because vector files need them and may not look
 * upwards. The portable loops are the truth; F16C gives the same bits, NaN payloads included. The
 * bf16 loops need no instructions of their own: compilers vectorise shifts and additions.
 * AVX512_BF16 is not used, because it flushes subnormals to zero. */
#include "base/base_impl.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define F16C __attribute__((target("avx2,f16c")))

/* Both return how many numbers they did, a multiple of eight; the portable loop does the rest. */
F16C static size_t widen_f16c(float *out, const unsigned char *in, size_t count) {
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        __m128i halves = _mm_loadu_si128((const __m128i *)(const void *)(in + 2 * i));
        _mm256_storeu_ps(out + i, _mm256_cvtph_ps(halves));
    }
    return i;
}

F16C static size_t narrow_f16c(unsigned char *out, const float *in, size_t count) {
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        __m128i halves = _mm256_cvtps_ph(_mm256_loadu_ps(in + i), _MM_FROUND_TO_NEAREST_INT);
        _mm_storeu_si128((__m128i *)(void *)(out + 2 * i), halves);
    }
    return i;
}
#else
static size_t widen_f16c(float *out, const unsigned char *in, size_t count) {
    (void)out;
    (void)in;
    (void)count;
    return 0;
}
static size_t narrow_f16c(unsigned char *out, const float *in, size_t count) {
    (void)out;
    (void)in;
    (void)count;
    return 0;
}
#endif

void vecna_f16_to_float(float *out, const void *in, size_t count) {
    const unsigned char *from = in;
    size_t i = vni_cpu_features() & VNI_CPU_AVX2 ? widen_f16c(out, from, count) : 0;
    for (; i < count; i++) {
        uint16_t half;
        memcpy(&half, from + 2 * i, sizeof half);
        out[i] = vni_float_of_f16(half);
    }
}

void vecna_f16_from_float(void *out, const float *in, size_t count) {
    unsigned char *to = out;
    size_t i = vni_cpu_features() & VNI_CPU_AVX2 ? narrow_f16c(to, in, count) : 0;
    for (; i < count; i++) {
        uint16_t half = vni_f16_of_float(in[i]);
        memcpy(to + 2 * i, &half, sizeof half);
    }
}

void vecna_bf16_to_float(float *out, const void *in, size_t count) {
    const unsigned char *from = in;
    for (size_t i = 0; i < count; i++) {
        uint16_t value;
        memcpy(&value, from + 2 * i, sizeof value);
        out[i] = vni_float_of_bf16(value);
    }
}

void vecna_bf16_from_float(void *out, const float *in, size_t count) {
    unsigned char *to = out;
    for (size_t i = 0; i < count; i++) {
        uint16_t value = vni_bf16_of_float(in[i]);
        memcpy(to + 2 * i, &value, sizeof value);
    }
}
