/* Numbers: against tests/vectors/codec_numbers.tsv (exact fractions and Python's float), grammar,
 * and round trips of random bits. */
#include "base/base_impl.h"
#include "codec/codec_impl.h"
#include "tests/unit/support/support.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t bits32(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static uint64_t bits64(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static double double_of(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Digits of a printed number without sign, point, exponent and the zeros around. */
static void digits_of(const char *text, char *out) {
    size_t count = 0;
    for (; *text && *text != 'e'; text++)
        if (*text >= '0' && *text <= '9' && (count > 0 || *text != '0'))
            out[count++] = *text;
    while (count > 0 && out[count - 1] == '0')
        count--;
    out[count] = '\0';
}

static void check_golden(const char *text, uint32_t single, uint64_t twice, const char *repr,
                         const char *shortest) {
    char buffer[VECNA_NUMBER_BYTES + 1];
    char digits[64];
    char wanted[64];
    float f = 0;
    double d = 0;
    size_t bytes = strlen(text);

    assert_int_equal(vecna_number_parse_f32(text, bytes, VECNA_NUMBER_JSON, &f), bytes);
    assert_int_equal(bits32(f), single);
    assert_int_equal(vecna_number_parse_f64(text, bytes, VECNA_NUMBER_LENIENT, &d), bytes);
    assert_true(bits64(d) == twice);
    buffer[vecna_number_print_f64(d, buffer)] = '\0';
    assert_string_equal(buffer, repr);
    buffer[vecna_number_print_f32(f, buffer)] = '\0';
    if (isfinite(f)) {
        digits_of(buffer, digits);
        digits_of(shortest, wanted);
        assert_int_equal(strlen(digits), strlen(wanted));
        assert_int_equal(vecna_number_parse_f32(buffer, strlen(buffer), VECNA_NUMBER_JSON, &f),
                         strlen(buffer));
        assert_int_equal(bits32(f), single);
    }
}

static void agrees_with_exact_fractions(void **state) {
    static char line[4096];
    FILE *file = fopen("tests/vectors/codec_numbers.tsv", "r");
    size_t lines = 0;
    (void)state;
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        char *field[5];
        char *at = line;
        line[strcspn(line, "\n")] = '\0';
        for (size_t i = 0; i < 5; i++) {
            field[i] = at;
            at += strcspn(at, "\t");
            if (i < 4)
                *at++ = '\0';
        }
        check_golden(field[0], (uint32_t)strtoul(field[1], NULL, 16), strtoull(field[2], NULL, 16),
                     field[3], field[4]);
        lines++;
    }
    fclose(file);
    assert_true(lines > 1000);
}

static void round_trips_random_bits(void **state) {
    vecna_random random;
    char buffer[VECNA_NUMBER_BYTES];
    (void)state;
    vecna_random_seed(&random, 5, 0);
    for (size_t i = 0; i < 200000; i++) {
        uint64_t bits = vecna_random_u64(&random);
        double d = double_of(bits);
        float f = float_of((uint32_t)bits);
        double d_back = 0;
        float f_back = 0;
        size_t bytes;
        if (isfinite(d)) {
            bytes = vecna_number_print_f64(d, buffer);
            assert_true(bytes <= VECNA_NUMBER_BYTES);
            assert_int_equal(vecna_number_parse_f64(buffer, bytes, VECNA_NUMBER_JSON, &d_back),
                             bytes);
            assert_true(bits64(d_back) == bits);
        }
        if (isfinite(f)) {
            bytes = vecna_number_print_f32(f, buffer);
            assert_true(bytes <= VECNA_NUMBER_BYTES);
            assert_int_equal(vecna_number_parse_f32(buffer, bytes, VECNA_NUMBER_JSON, &f_back),
                             bytes);
            assert_true(bits32(f_back) == (uint32_t)bits);
        }
    }
}

static void agrees_with_the_c_library(void **state) {
    vecna_random random;
    char text[80];
    (void)state;
    vecna_random_seed(&random, 6, 0);
    for (size_t i = 0; i < 60000; i++) { /* glibc rounds both correctly */
        double sign = vecna_random_below(&random, 2) ? -1.0 : 1.0;
        double scale = pow(10.0, (double)vecna_random_below(&random, 90) - 50.0);
        double value = sign * vecna_random_uniform(&random) * scale;
        double d = 0;
        float f = 0;
        int bytes = snprintf(text, sizeof text, i & 1 ? "%.*e" : "%.*f",
                             (int)vecna_random_below(&random, 30), i & 1 ? value : value / scale);
        assert_int_equal(vecna_number_parse_f64(text, (size_t)bytes, VECNA_NUMBER_JSON, &d), bytes);
        assert_true(bits64(d) == bits64(strtod(text, NULL)));
        assert_int_equal(vecna_number_parse_f32(text, (size_t)bytes, VECNA_NUMBER_JSON, &f), bytes);
        assert_true(bits32(f) == bits32(strtof(text, NULL)));
    }
}

static void grammars_differ(void **state) {
    static const struct {
        const char *text;
        size_t json;
        size_t lenient;
    } cases[] = {{"", 0, 0},          {"-", 0, 0},
                 {"+", 0, 0},         {"+1", 0, 2},
                 {"1.", 0, 2},        {".5", 0, 2},
                 {"-.5", 0, 3},       {".", 0, 0},
                 {"01", 1, 2},        {"1e", 0, 1},
                 {"1e+", 0, 1},       {"1e5", 3, 3},
                 {"1E-05", 5, 5},     {"1.5.5", 3, 3},
                 {"--1", 0, 0},       {"nan", 0, 3},
                 {"NaN,", 0, 3},      {"-inf", 0, 4},
                 {"+Infinity", 0, 9}, {"in", 0, 0},
                 {"0x10", 1, 1},      {" 1", 0, 0},
                 {"e5", 0, 0},        {"1_0", 1, 1},
                 {"-0.0", 4, 4},      {"1e99999999999999999999", 22, 22}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t bytes = strlen(cases[i].text);
        double d = 77;
        float f = 77;
        assert_int_equal(vecna_number_parse_f64(cases[i].text, bytes, VECNA_NUMBER_JSON, &d),
                         cases[i].json);
        assert_true(cases[i].json > 0 || d == 77.0);
        assert_int_equal(vecna_number_parse_f32(cases[i].text, bytes, VECNA_NUMBER_LENIENT, &f),
                         cases[i].lenient);
        assert_true(cases[i].lenient > 0 || f == 77.0f);
    }
}

static void extremes_keep_their_sign(void **state) {
    static const char *const huge = "-1e400";
    static const char *const tiny = "-1e-400";
    double d = 0;
    float f = 0;
    (void)state;
    assert_int_equal(vecna_number_parse_f64(huge, 6, VECNA_NUMBER_JSON, &d), 6);
    assert_true(isinf(d) && d < 0);
    assert_int_equal(vecna_number_parse_f32(tiny, 7, VECNA_NUMBER_JSON, &f), 7);
    assert_true(f == 0 && signbit(f));
    assert_int_equal(vecna_number_parse_f32("-nan", 4, VECNA_NUMBER_LENIENT, &f), 4);
    assert_true(isnan(f));
    assert_int_equal(vecna_number_parse_f64("-inf", 4, VECNA_NUMBER_LENIENT, &d), 4);
    assert_true(isinf(d) && d < 0);
}

static void thousands_of_digits_are_read(void **state) {
    enum { DIGITS = 5000 };
    char *text = malloc(DIGITS + 32);
    double d = 0;
    (void)state;
    assert_non_null(text);
    /* 1 + 2^-53 is a tie; a digit thousands of places on decides */
    int bytes = snprintf(text, 100, "1.00000000000000011102230246251565404236316680908203125");
    memset(text + bytes, '0', DIGITS - (size_t)bytes);
    assert_int_equal(vecna_number_parse_f64(text, DIGITS, VECNA_NUMBER_JSON, &d), DIGITS);
    assert_true(bits64(d) == bits64(1.0));
    text[DIGITS - 1] = '1';
    assert_int_equal(vecna_number_parse_f64(text, DIGITS, VECNA_NUMBER_JSON, &d), DIGITS);
    assert_true(bits64(d) == bits64(1.0) + 1);
    memset(text, '9', DIGITS);
    assert_int_equal(vecna_number_parse_f64(text, DIGITS, VECNA_NUMBER_JSON, &d), DIGITS);
    assert_true(isinf(d));
    free(text);
}

static void printing_follows_repr(void **state) {
    static const struct {
        float value;
        const char *text;
    } cases[] = {{0.0f, "0.0"},
                 {-0.0f, "-0.0"},
                 {1.0f, "1.0"},
                 {0.1f, "0.1"},
                 {1e-4f, "0.0001"},
                 {1e-5f, "1e-05"},
                 {1e15f, "1000000000000000.0"},
                 {1e16f, "1e+16"},
                 {16777216.0f, "16777216.0"},
                 {-123.456f, "-123.456"},
                 {1.4e-45f, "1e-45"},
                 {3.4028235e38f, "3.4028235e+38"},
                 {INFINITY, "inf"},
                 {-INFINITY, "-inf"},
                 {NAN, "nan"}};
    char buffer[VECNA_NUMBER_BYTES + 1];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buffer[vecna_number_print_f32(cases[i].value, buffer)] = '\0';
        assert_string_equal(buffer, cases[i].text);
    }
}

/* A list against its numbers one by one. */
static void check_list(const float *values, size_t count, char between, int json) {
    enum { MOST = 256 };
    char list[MOST * (VECNA_NUMBER_BYTES + 1)], single[MOST * (VECNA_NUMBER_BYTES + 1)];
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            single[bytes++] = between;
        if (json && !isfinite(values[i])) {
            memcpy(single + bytes, "null", 4);
            bytes += 4;
        } else {
            bytes += vecna_number_print_f32(values[i], single + bytes);
        }
    }
    assert_int_equal(vni_number_print_list(values, count, between, json, list), bytes);
    assert_memory_equal(list, single, bytes);
}

/* Numbers of every kind that a list tells apart: fractions of any exponent and around each power of ten,
 * short ones, whole ones, zeros, and what is not finite. */
static float any_number(uint64_t turn, vecna_random *random) {
    static const float powers[] = {1e-5f, 1e-4f, 1e-3f, 1e-2f, 0.1f, 1.0f, 10.0f};
    const uint64_t draw = vecna_random_u64(random);
    const uint32_t sign = (uint32_t)(draw >> 63) << 31;
    switch (turn % 6) {
    case 0: /* unit vectors' */
        return float_of(sign | (105 + (uint32_t)(draw >> 32) % 24) << 23 |
                        (uint32_t)(draw & 0x7fffff));
    case 1:
        return float_of(sign | (bits32(powers[draw % 7]) + (uint32_t)(draw >> 32) % 129 - 64));
    case 2:
        return (float)(int)(draw % 20001 - 10000) / (draw >> 32 & 1 ? 10000.0f : 4096.0f);
    case 3: /* whole powers of two */
        return float_of(sign | (uint32_t)(draw % 256) << 23);
    case 4:
        return float_of((uint32_t)draw);
    default:
        return float_of(sign | (113 + (uint32_t)(draw >> 32) % 14) << 23 |
                        (uint32_t)(draw & 0x7fffff));
    }
}

static void lists_are_printed_as_their_numbers(void **state) {
    enum { ROUNDS = 20000 };
    float values[256];
    vecna_random random;
    (void)state;
    for (unsigned set = 0; set < 2; set++) {
        vni_cpu_allow(set ? ~0u : 0);
        vecna_random_seed(&random, 7, 0);
        for (uint64_t round = 0; round < ROUNDS; round++) {
            size_t count = vecna_random_u64(&random) % (round % 16 == 0 ? 256 : 12);
            for (size_t i = 0; i < count; i++)
                values[i] = any_number(round % 7 == 6 ? i : round, &random);
            check_list(values, count, round % 2 ? ',' : ' ', round % 3 == 0);
        }
    }
    vni_cpu_allow(~0u);
}

/* A text of one number in the middle of a list against the number alone, which is read in another way. */
static void check_in_list(const char *number) {
    char text[256];
    const char *at = text;
    float values[3] = {0}, wanted = 0;
    const size_t bytes = strlen(number);
    assert_int_equal(vecna_number_parse_f32(number, bytes, VECNA_NUMBER_JSON, &wanted), bytes);
    snprintf(text, sizeof text, "0.25,%s , 0.5                              ]", number);
    assert_int_equal(vni_number_list_f32(&at, text + strlen(text), values, 3), 3);
    if (bits32(values[1]) != bits32(wanted))
        fail_msg("%s is %.9g in a list, %.9g alone", number, (double)values[1], (double)wanted);
    assert_true(values[0] == 0.25f && values[2] == 0.5f);
}

static void lists_are_read_as_their_numbers(void **state) {
    enum { ROUNDS = 200000 };
    static const char *const odd[] = {"0.5e1",
                                      "0.25E-3",
                                      "-0.0",
                                      "0",
                                      "-0",
                                      "0.0000000000000000000000000000000000000000000001",
                                      "0.1234567890123456789",
                                      "0.12345678901234567890",
                                      "1.5",
                                      "-12e3"};
    vecna_random random;
    char text[64];
    (void)state;
    vecna_random_seed(&random, 11, 0);
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        check_in_list(odd[i]);
    for (size_t round = 0; round < ROUNDS; round++) {
        const uint64_t draw = vecna_random_u64(&random);
        const float value =
            float_of((113 + (uint32_t)(draw >> 32) % 14) << 23 | (uint32_t)(draw & 0x7fffff));
        const char *sign = draw >> 63 ? "-" : "";
        switch (round % 4) {
        case 0: /* any digits, 1 to 22 */
            snprintf(text, sizeof text, "%s0.%0*" PRIu64, sign, 1 + (int)(draw >> 40 & 7),
                     draw >> (draw >> 50 & 63));
            break;
        case 1: /* as other programs print them */
            snprintf(text, sizeof text, "%s%.*f", sign, 6 + (int)(draw >> 40) % 14, (double)value);
            break;
        case 2:
            snprintf(text, sizeof text, "%s%.17g", sign, (double)value);
            break;
        default: /* so near to the middle of two floats that float64 does not tell: one in ten of these */
            snprintf(text, sizeof text, "%s%.15f", sign,
                     0.5 + (double)(2 * (draw >> 41) + 1) * 0x1p-25);
        }
        check_in_list(text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_exact_fractions),
        cmocka_unit_test(round_trips_random_bits),
        cmocka_unit_test(agrees_with_the_c_library),
        cmocka_unit_test(grammars_differ),
        cmocka_unit_test(extremes_keep_their_sign),
        cmocka_unit_test(thousands_of_digits_are_read),
        cmocka_unit_test(printing_follows_repr),
        cmocka_unit_test(lists_are_printed_as_their_numbers),
        cmocka_unit_test(lists_are_read_as_their_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
