/* Many float32 as text. Most numbers of vectors are fractions, of which AVX2 computes the digits of four at a
 * time; here they are put one behind the other, all nine places written wherever a number ends, so that no
 * branch and no length of a copy depends on digits. */
#include "base/base_impl.h"
#include "codec/codec_impl.h"

#include <math.h>

enum { BATCH = 64 };

static size_t print_one(float value, int json, char *out) {
    if (!json || isfinite(value))
        return vecna_number_print_f32(value, out);
    memcpy(out, "null", 4);
    return 4;
}

#if defined(__x86_64__)
/* A fraction: "-0.", zeros, the first digit and eight more, of which some are not the number's. */
static inline size_t lay_out(uint64_t digits, uint64_t layout, char *out) {
    char *at = out;
    *at = '-';
    at += layout >> 24 & 1;
    memcpy(at, "0.000000", 8);
    at += 2 + (layout >> 8 & 0xff);
    *at = (char)layout;
    memcpy(at + 1, &digits, sizeof digits);
    return (size_t)(layout >> 24 & 1) + (size_t)(layout >> 16 & 0xff);
}

static size_t print_four_by_four(const float *values, size_t count, char between, int json,
                                 char *out) {
    uint64_t digits[BATCH], layout[BATCH];
    char *at = out;
    for (size_t done = 0; done < count; done += BATCH) {
        const size_t some = count - done < BATCH ? count - done : BATCH;
        vni_fractions_avx2(values + done, some, digits, layout);
        for (size_t i = 0; i < some; i++) {
            if (__builtin_expect(layout[i] >> VNI_LAYOUT_KNOWN, 1))
                at += lay_out(digits[i], layout[i], at);
            else
                at += print_one(values[done + i], json, at);
            *at++ = between;
        }
    }
    return (size_t)(at - out);
}
#endif

size_t vni_number_print_list(const float *values, size_t count, char between, int json, char *out) {
    size_t done = 0;
    char *at = out;
#if defined(__x86_64__)
    if (vni_cpu_features() & VNI_CPU_AVX2) {
        done = count / 4 * 4;
        at += print_four_by_four(values, done, between, json, at);
    }
#endif
    for (; done < count; done++) {
        at += print_one(values[done], json, at);
        *at++ = between;
    }
    return count > 0 ? (size_t)(at - out) - 1 : 0;
}
