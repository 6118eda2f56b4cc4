/* The shortest decimal text of a float. The value v has two neighbours; every decimal between the
 * middles to them reads back as v. In the power of ten just fine enough, at most one decimal with a
 * digit less lies in that interval, and otherwise the nearest of two does the job: three products
 * of a 64- and a 128-bit number tell which. The products are rounded to odd, which keeps every
 * comparison with a middle exact. Layout follows Python's repr, so that the tests have a truth to
 * hold it against and whoever reads the file sees what NumPy would have shown.
 *
 * The numbers of vectors are float32 below 1: those have a path of their own, without a branch that
 * depends on digits and without a copy of a length that is not known to the compiler. */
#include "codec/codec_impl.h"

static const char digit_pairs[] = "00010203040506070809101112131415161718192021222324"
                                  "25262728293031323334353637383940414243444546474849"
                                  "50515253545556575859606162636465666768697071727374"
                                  "75767778798081828384858687888990919293949596979899";

/* digits * 10^exponent */
typedef struct shortest {
    uint64_t digits;
    int exponent;
} shortest;

/* floor(log10(2^power)), and of 3/4 * 2^power when the lower neighbour is nearer. */
static int log10_of_two(int power, int lower_is_nearer) {
    return (power * 1262611 - (lower_is_nearer ? 524031 : 0)) >> 22;
}

/* 10^q rounded up, as the proof of the method wants it. */
static void power_up(int q, uint64_t *high, uint64_t *low) {
    *high = vni_power_table[q - VNI_POWER_FIRST][0];
    *low = vni_power_table[q - VNI_POWER_FIRST][1];
    if (q > 55) {
        ++*low;
        *high += *low == 0;
    }
}

static uint64_t round_to_odd64(uint64_t high, uint64_t low, uint64_t factor) {
    uint64_t carry;
    uint64_t top;
    uint64_t middle;
    (void)vni_multiply(low, factor, &carry);
    middle = vni_multiply(high, factor, &top);
    middle += carry;
    top += middle < carry;
    return top | (middle > 1);
}

static uint32_t round_to_odd32(uint64_t power, uint32_t factor) {
    uint64_t top;
    uint64_t low = vni_multiply(power, factor, &top);
    return (uint32_t)top | ((uint32_t)(low >> 32) > 1);
}

/* Which decimal to take: all three arguments are four times their value in units of 10^k, the
 * interval already closed or opened by its parity. */
static shortest choose(uint64_t lower, uint64_t value, uint64_t upper, int k) {
    uint64_t down = value / 4;
    if (down >= 10) {
        uint64_t tens = down / 10;
        int down_inside = lower <= 40 * tens;
        int up_inside = 40 * tens + 40 <= upper;
        if (down_inside != up_inside)
            return (shortest){tens + (uint64_t)up_inside, k + 1};
    }
    int down_inside = lower <= 4 * down;
    int up_inside = 4 * down + 4 <= upper;
    if (down_inside != up_inside)
        return (shortest){down + (uint64_t)up_inside, k};
    uint64_t middle = 4 * down + 2;
    int up = value > middle || (value == middle && (down & 1));
    return (shortest){down + (uint64_t)up, k};
}

static shortest shortest_of_f64(uint64_t fraction, int biased) {
    uint64_t mantissa = biased ? fraction | UINT64_C(1) << 52 : fraction;
    int power = (biased ? biased : 1) - 1075;
    int odd = mantissa & 1;
    int nearer = fraction == 0 && biased > 1;
    uint64_t high;
    uint64_t low;

    if (biased && power <= 0 && power > -53 && (mantissa & ((UINT64_C(1) << -power) - 1)) == 0)
        return (shortest){mantissa >> -power, 0}; /* a whole number below 2^53 */
    int k = log10_of_two(power, nearer);
    int shift = power + vni_log2_of_power(-k) + 1;
    power_up(-k, &high, &low);
    uint64_t lower = round_to_odd64(high, low, (4 * mantissa - 2 + (uint64_t)nearer) << shift);
    uint64_t value = round_to_odd64(high, low, (4 * mantissa) << shift);
    uint64_t upper = round_to_odd64(high, low, (4 * mantissa + 2) << shift);
    return choose(lower + (uint64_t)odd, value, upper - (uint64_t)odd, k);
}

/* The same of 32 bits. Which of the two cases holds is a coin toss: no branch. */
static shortest choose32(uint32_t lower, uint32_t value, uint32_t upper, int k) {
    const uint32_t down = value / 4, tens = down / 10;
    const uint32_t tens_inside = lower <= 40 * tens, tens_up = 40 * tens + 40 <= upper;
    const uint32_t inside = lower <= 4 * down, up_inside = 4 * down + 4 <= upper;
    const uint32_t middle = 4 * down + 2;
    const uint32_t nearest = (value > middle) | ((value == middle) & down & 1);
    const uint32_t by_one = down + (inside != up_inside ? up_inside : nearest);
    const int by_ten = (down >= 10) & (tens_inside != tens_up);
    return (shortest){by_ten ? tens + tens_up : by_one, k + by_ten};
}

static shortest shortest_of_f32(uint32_t fraction, int biased) {
    uint32_t mantissa = biased ? fraction | UINT32_C(1) << 23 : fraction;
    int power = (biased ? biased : 1) - 150;
    uint32_t odd = mantissa & 1;
    uint32_t nearer = fraction == 0 && biased > 1;
    uint64_t high;
    uint64_t low;

    if (biased && power <= 0 && power > -24 && (mantissa & ((UINT32_C(1) << -power) - 1)) == 0)
        return (shortest){mantissa >> -power, 0};
    int k = log10_of_two(power, (int)nearer);
    int shift = power + vni_log2_of_power(-k) + 1;
    power_up(-k, &high, &low);
    high += low != 0; /* 64 bits, rounded up again */
    uint32_t lower = round_to_odd32(high, (4 * mantissa - 2 + nearer) << shift);
    uint32_t value = round_to_odd32(high, (4 * mantissa) << shift);
    uint32_t upper = round_to_odd32(high, (4 * mantissa + 2) << shift);
    return choose32(lower + odd, value, upper - odd, k);
}

/* ---- layout -------------------------------------------------------------------------------- */

/* The digits of value in text, right-aligned before end; returns the first. */
static char *write_digits(uint64_t value, char *end) {
    while (value >= UINT64_C(1) << 32) { /* 64-bit divisions only as long as needed */
        uint64_t rest = value / 100;
        end -= 2;
        memcpy(end, digit_pairs + 2 * (value - rest * 100), 2);
        value = rest;
    }
    uint32_t small = (uint32_t)value;
    while (small >= 100) {
        uint32_t rest = small / 100;
        end -= 2;
        memcpy(end, digit_pairs + 2 * (small - rest * 100), 2);
        small = rest;
    }
    if (small >= 10) {
        end -= 2;
        memcpy(end, digit_pairs + 2 * small, 2);
    } else {
        *--end = (char)('0' + small);
    }
    return end;
}

static size_t lay_out_scientific(const char *digits, int count, int exponent, char *out) {
    char *at = out;
    *at++ = digits[0];
    if (count > 1) {
        *at++ = '.';
        memcpy(at, digits + 1, (size_t)count - 1);
        at += count - 1;
    }
    *at++ = 'e';
    *at++ = exponent < 0 ? '-' : '+';
    uint32_t size = (uint32_t)(exponent < 0 ? -exponent : exponent);
    if (size >= 100)
        *at++ = (char)('0' + size / 100);
    memcpy(at, digit_pairs + 2 * (size % 100), 2);
    return (size_t)(at + 2 - out);
}

/* "0.1", "12.5", "100.0", "1e-05", "1.5e+16" */
static size_t lay_out(shortest number, char *out) {
    char buffer[24];
    char *end = buffer + sizeof buffer;
    char *digits = write_digits(number.digits, end);
    char *at = out;

    while (end - digits > 1 && end[-1] == '0') {
        end--;
        number.exponent++;
    }
    int count = (int)(end - digits);
    int point = count + number.exponent; /* digits before the decimal point */
    if (point > 16 || point < -3)
        return lay_out_scientific(digits, count, point - 1, out);
    if (point <= 0) {
        memcpy(at, "0.0000", 6);
        at += 2 - point;
        memcpy(at, digits, (size_t)count);
        return (size_t)(at + count - out);
    }
    if (point >= count) {
        memcpy(at, digits, (size_t)count);
        at += count;
        memset(at, '0', (size_t)(point - count));
        at += point - count;
        memcpy(at, ".0", 2);
        return (size_t)(at + 2 - out);
    }
    memcpy(at, digits, (size_t)point);
    at[point] = '.';
    memcpy(at + point + 1, digits + point, (size_t)(count - point));
    return (size_t)count + 1;
}

/* Eight digits of a number below 10^8, the first in the lowest byte, as text: halves, pairs and
 * digits are divided side by side in one word. */
static uint64_t eight_digits(uint32_t number) {
    const uint32_t high = number / 10000;
    uint64_t word = high | (uint64_t)(number - high * 10000) << 32;
    const uint64_t hundreds = ((word * 5243) >> 19) & UINT64_C(0x0000007F0000007F);
    word = hundreds | (word - hundreds * 100) << 16;
    const uint64_t tens = ((word * 103) >> 10) & UINT64_C(0x000F000F000F000F);
    word = tens | (word - tens * 10) << 8;
    return word | UINT64_C(0x3030303030303030);
}

/* 0.0001 to below 1, the digits of a float32 (at most nine, the last not 0): all nine places are
 * written wherever the number ends; out has the room. */
static size_t lay_out_fraction(uint32_t digits, int count, int point, char *out) {
    static const uint32_t to_nine[] = {0,     100000000, 10000000, 1000000, 100000,
                                       10000, 1000,      100,      10,      1};
    const uint32_t nine = digits * to_nine[count];
    const uint32_t first = nine / 100000000;
    const uint64_t others = eight_digits(nine - first * 100000000);
    memcpy(out, "0.000000", 8);
    out += 2 - point;
    out[0] = (char)('0' + first);
    memcpy(out + 1, &others, sizeof others);
    return (size_t)(2 - point + count);
}

/* Decimal digits of a number from 1 to 999,999,999: the logarithm of two, corrected by a table. */
static int count_digits(uint32_t number) {
    static const uint32_t powers[] = {0,      10,      100,      1000,      10000,
                                      100000, 1000000, 10000000, 100000000, 1000000000};
    const int guess = ((32 - __builtin_clz(number)) * 1233) >> 12;
    return guess + (number >= powers[guess]);
}

static size_t special(int negative, int is_nan, char *out) {
    size_t sign = !is_nan && negative;
    if (sign)
        *out = '-';
    memcpy(out + sign, is_nan ? "nan" : "inf", 3);
    return 3 + sign;
}

size_t vecna_number_print_f64(double value, char *out) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint64_t fraction = bits & ((UINT64_C(1) << 52) - 1);
    int biased = (int)(bits >> 52) & 2047;
    size_t negative = (size_t)(bits >> 63);

    if (biased == 2047)
        return special((int)negative, fraction != 0, out);
    *out = '-';
    if (biased == 0 && fraction == 0) {
        memcpy(out + negative, "0.0", 3);
        return negative + 3;
    }
    return negative + lay_out(shortest_of_f64(fraction, biased), out + negative);
}

size_t vecna_number_print_f32(float value, char *out) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t fraction = bits & ((UINT32_C(1) << 23) - 1);
    int biased = (int)(bits >> 23) & 255;
    size_t negative = bits >> 31;

    if (biased == 255)
        return special((int)negative, fraction != 0, out);
    *out = '-';
    if (biased == 0 && fraction == 0) {
        memcpy(out + negative, "0.0", 3);
        return negative + 3;
    }
    shortest number = shortest_of_f32(fraction, biased);
    if (number.digits < 1000000000) {
        uint32_t digits = (uint32_t)number.digits;
        while (digits % 10 == 0) { /* seldom: a digit less would have been chosen */
            digits /= 10;
            number.exponent++;
        }
        const int count = count_digits(digits), point = count + number.exponent;
        if (point <= 0 && point >= -3)
            return negative + lay_out_fraction(digits, count, point, out + negative);
        number.digits = digits;
    }
    return negative + lay_out(number, out + negative);
}
