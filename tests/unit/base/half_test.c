/* 16-bit floats: every one of the 65536, every rounding border, and the same bits on every path. */
#include "base/base_impl.h"
#include "tests/unit/support/support.h"

#include <math.h>

enum { ALL = 65536 };

static uint16_t halves[ALL], back[ALL];
static float wide[ALL], portable[ALL];

/* What the bits mean, by the definition of IEEE 754 rather than by tricks with exponents. */
static double meaning(uint16_t bits, int exponent_bits, int mantissa_bits) {
    int bias = (1 << (exponent_bits - 1)) - 1;
    int exponent = bits >> mantissa_bits & ((1 << exponent_bits) - 1);
    int mantissa = bits & ((1 << mantissa_bits) - 1);
    double sign = bits >> 15 ? -1 : 1;
    if (exponent == (1 << exponent_bits) - 1)
        return mantissa ? (double)NAN : sign * (double)INFINITY;
    if (exponent == 0)
        return sign * ldexp(mantissa, 1 - bias - mantissa_bits);
    return sign * ldexp(mantissa + (1 << mantissa_bits), exponent - bias - mantissa_bits);
}

static void fill(void) {
    for (size_t i = 0; i < ALL; i++)
        halves[i] = (uint16_t)i;
}

static void check_all(int exponent_bits, int mantissa_bits) {
    uint16_t quiet = (uint16_t)(1 << (mantissa_bits - 1));
    for (size_t i = 0; i < ALL; i++) {
        double wanted = meaning(halves[i], exponent_bits, mantissa_bits);
        if (isnan(wanted)) {
            assert_true(isnan(wide[i]));
            assert_int_equal(back[i], halves[i] | quiet);
        } else {
            assert_true((double)wide[i] == wanted);
            assert_int_equal(back[i], halves[i]);
        }
    }
}

static void every_f16(void **state) {
    (void)state;
    fill();
    for (unsigned mask = 0; mask < 2; mask++) {
        vni_cpu_allow(mask ? ~0u : 0);
        vecna_f16_to_float(wide, halves, ALL);
        vecna_f16_from_float(back, wide, ALL);
        check_all(5, 10);
        if (mask == 0)
            memcpy(portable, wide, sizeof wide);
    }
    assert_memory_equal(portable, wide, sizeof wide);
}

static void every_bf16(void **state) {
    (void)state;
    fill();
    vecna_bf16_to_float(wide, halves, ALL);
    vecna_bf16_from_float(back, wide, ALL);
    check_all(8, 7);
}

/* Between two neighbours: below the middle goes down, above goes up, the middle to the even one. */
static void rounds(void (*narrow)(void *, const float *, size_t),
                   void (*widen)(float *, const void *, size_t), uint16_t infinity) {
    for (uint16_t low = 0; low < infinity; low++) {
        uint16_t pair[2] = {low, (uint16_t)(low + 1)}, got[8];
        float ends[2], in[8] = {0};
        double middle, high;
        widen(ends, pair, 2);
        high = low + 1 == infinity ? 2.0 * (double)ends[0] - meaning((uint16_t)(low - 1),
                                                                     infinity == 0x7c00 ? 5 : 8,
                                                                     infinity == 0x7c00 ? 10 : 7)
                                   : (double)ends[1];
        middle = ((double)ends[0] + high) / 2;
        in[0] = (float)middle;
        if ((double)in[0] != middle)
            continue; /* not a float32: bf16 subnormals at the very bottom have no middle */
        in[1] = nextafterf(in[0], 0);
        in[2] = nextafterf(in[0], INFINITY);
        in[3] = -in[0];
        narrow(got, in, 8);
        assert_int_equal(got[0], low & 1 ? low + 1 : low);
        assert_int_equal(got[1], low);
        assert_int_equal(got[2], low + 1);
        assert_int_equal(got[3], (low & 1 ? low + 1 : low) | 0x8000);
    }
}

static void rounds_to_nearest_even(void **state) {
    (void)state;
    for (unsigned mask = 0; mask < 2; mask++) {
        vni_cpu_allow(mask ? ~0u : 0);
        rounds(vecna_f16_from_float, vecna_f16_to_float, 0x7c00);
        rounds(vecna_bf16_from_float, vecna_bf16_to_float, 0x7f80);
    }
}

/* Float32 patterns spread over all exponents and NaN payloads give the same bits on both paths. */
static void paths_agree(void **state) {
    static uint16_t one[ALL], other[ALL];
    vecna_random random;
    (void)state;
    vecna_random_seed(&random, 11, 0);
    for (int round = 0; round < 8; round++) {
        for (size_t i = 0; i < ALL; i++)
            wide[i] = vni_float_of_bits((uint32_t)vecna_random_u64(&random));
        vni_cpu_allow(0);
        vecna_f16_from_float(one, wide, ALL);
        vni_cpu_allow(~0u);
        vecna_f16_from_float(other, wide, ALL);
        assert_memory_equal(one, other, sizeof one);
    }
}

/* Nothing is written past the end, from any alignment, at any length. */
static void keeps_to_its_length(void **state) {
    unsigned char narrow_bytes[2 * 40 + 1];
    float from[40], to[40];
    (void)state;
    for (size_t i = 0; i < 40; i++)
        from[i] = (float)i - 20.5f;
    for (size_t count = 0; count < 39; count++) {
        memset(narrow_bytes, 0x5a, sizeof narrow_bytes);
        to[count] = 77;
        vecna_f16_from_float(narrow_bytes + 1, from, count);
        assert_int_equal(narrow_bytes[0], 0x5a);
        assert_int_equal(narrow_bytes[1 + 2 * count], 0x5a);
        vecna_f16_to_float(to, narrow_bytes + 1, count);
        assert_memory_equal(to, from, count * sizeof *to);
        assert_true(to[count] == 77);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_f16),           cmocka_unit_test(every_bf16),
        cmocka_unit_test(paths_agree),         cmocka_unit_test(rounds_to_nearest_even),
        cmocka_unit_test(keeps_to_its_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
