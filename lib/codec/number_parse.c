/* Vectors in text are mostly digits, so this file decides how fast JSONL and CSV are read. Three
 * steps: digits are gathered eight at a time in a 64-bit word (up to 19 of them are exact); the
 * power of ten is applied by one or two 64x64-bit products against a table of 128-bit significands,
 * which is proven enough for 19 digits; only texts with more digits whose 19-digit neighbours round
 * differently are decided by whole integers, on the stack. float32 is rounded from the decimal
 * itself: going through float64 would round twice. */
#include "codec/codec_impl.h"

#include <assert.h>

/* How a binary floating-point type is laid out. */
typedef struct layout {
    int fraction_bits; /* 23 or 52 */
    int bias;          /* -127 or -1023: exponent of the smallest biased one */
    int infinite;      /* biased exponent of infinity */
    int exact_low;     /* powers of ten between which a tie can be exact */
    int exact_high;
} layout;

static const layout float32_layout = {23, -127, 255, -17, 10};
static const layout float64_layout = {52, -1023, 2047, -4, 23};

/* A number as it was written: significand * 10^exponent, and where its digits stand. */
typedef struct decimal {
    uint64_t significand; /* the first 19 significant digits at most */
    int64_t exponent;
    int negative;
    int cut;            /* digits other than 0 were left out of the significand */
    const char *digits; /* the first digit, and one behind the last digit or point */
    const char *digits_end;
    int64_t last_exponent; /* of the last digit in the text */
} decimal;

static const uint64_t small_powers[] = {
    1,        10,        100,        1000,        10000,        100000,       1000000,
    10000000, 100000000, 1000000000, 10000000000, 100000000000, 1000000000000};

/* ---- decimal -> binary --------------------------------------------------------------------- */

/* Bits (without the sign) of significand * 10^exponent, correctly rounded. */
static inline uint64_t round_product(uint64_t significand, int64_t exponent, const layout *shape) {
    const int bits = shape->fraction_bits;
    uint64_t high;
    uint64_t low;
    uint64_t mantissa;
    int zeros;
    int upper;
    int power;

    if (significand == 0 || exponent < VNI_POWER_FIRST)
        return 0;
    if (exponent > 308)
        return (uint64_t)shape->infinite << bits;
    zeros = __builtin_clzll(significand);
    significand <<= zeros;
    const uint64_t *factor = vni_power_table[exponent - VNI_POWER_FIRST];
    low = vni_multiply(significand, factor[0], &high);
    /* The low half of the factor matters only when a carry could reach the bits that count. */
    if ((high & (UINT64_MAX >> (bits + 3))) == UINT64_MAX >> (bits + 3)) {
        uint64_t more;
        (void)vni_multiply(significand, factor[1], &more);
        low += more;
        high += low < more;
    }
    upper = (int)(high >> 63);
    const int shift = upper + 64 - bits - 3;
    mantissa = high >> shift;
    power = vni_log2_of_power((int)exponent) + 63 + upper - zeros - shape->bias;
    if (power <= 0) { /* subnormal; here a tie cannot be exact */
        if (-power + 1 >= 64)
            return 0;
        mantissa >>= -power + 1;
        mantissa += mantissa & 1;
        return mantissa >> 1; /* a carry into the exponent gives the smallest normal number */
    }
    /* Exactly between two numbers: to the even one. Only then all bits below are 0. */
    if (low <= 1 && exponent >= shape->exact_low && exponent <= shape->exact_high &&
        (mantissa & 3) == 1 && mantissa << shift == high)
        mantissa &= ~(uint64_t)1;
    mantissa += mantissa & 1;
    mantissa >>= 1;
    if (mantissa >= (uint64_t)2 << bits) {
        mantissa = (uint64_t)1 << bits;
        power++;
    }
    if (power >= shape->infinite)
        return (uint64_t)shape->infinite << bits;
    return (mantissa & ~((uint64_t)1 << bits)) | (uint64_t)power << bits;
}

/* ---- whole integers, for the rare tie beyond 19 digits ------------------------------------- */

enum { LIMBS = 160, DIGITS_KEPT = 800 }; /* no tie of float64 has more than 767 digits */

/* A natural number, least significant limb first. */
typedef struct natural {
    uint32_t limbs[LIMBS];
    size_t used;
} natural;

static void natural_multiply_add(natural *number, uint32_t factor, uint32_t addend) {
    uint64_t carry = addend;
    for (size_t i = 0; i < number->used; i++) {
        carry += (uint64_t)number->limbs[i] * factor;
        number->limbs[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry) {
        assert(number->used < LIMBS);
        number->limbs[number->used++] = (uint32_t)carry;
    }
}

/* times 5^exponent */
static void natural_multiply_fives(natural *number, int64_t exponent) {
    for (; exponent >= 13; exponent -= 13)
        natural_multiply_add(number, UINT32_C(1220703125), 0);
    for (; exponent > 0; exponent--)
        natural_multiply_add(number, 5, 0);
}

static void natural_shift(natural *number, int64_t bits) {
    for (; bits >= 31; bits -= 31)
        natural_multiply_add(number, UINT32_C(1) << 31, 0);
    natural_multiply_add(number, UINT32_C(1) << bits, 0);
}

static int natural_compare(const natural *a, const natural *b) {
    if (a->used != b->used)
        return a->used < b->used ? -1 : 1;
    for (size_t i = a->used; i-- > 0;)
        if (a->limbs[i] != b->limbs[i])
            return a->limbs[i] < b->limbs[i] ? -1 : 1;
    return 0;
}

/* All digits of a text as a whole number, up to DIGITS_KEPT of them: *left counts the others,
 * *sticky says whether one of them is not 0. */
static void natural_of_digits(const decimal *text, natural *out, int64_t *left, int *sticky) {
    uint32_t chunk = 0;
    uint32_t factor = 1;
    size_t kept = 0;

    for (const char *at = text->digits; at < text->digits_end; at++) {
        if (*at == '.' || (kept == 0 && *at == '0'))
            continue;
        if (kept == DIGITS_KEPT) {
            *sticky |= *at != '0';
            ++*left;
            continue;
        }
        chunk = chunk * 10 + (uint32_t)(*at - '0');
        factor *= 10;
        kept++;
        if (factor == 1000000000) {
            natural_multiply_add(out, factor, chunk);
            chunk = 0;
            factor = 1;
        }
    }
    natural_multiply_add(out, factor, chunk);
}

/* The number as written against the middle between the float `bits` and the next one up. */
static int compare_with_middle(const decimal *text, uint64_t bits, const layout *shape) {
    natural written = {.used = 0};
    natural middle = {.used = 0};
    int64_t exponent = 0;
    int sticky = 0;
    int binary = (int)(bits >> shape->fraction_bits);
    uint64_t mantissa = bits & (((uint64_t)1 << shape->fraction_bits) - 1);

    natural_of_digits(text, &written, &exponent, &sticky);
    exponent += text->last_exponent;
    if (binary > 0)
        mantissa |= (uint64_t)1 << shape->fraction_bits;
    mantissa = mantissa * 2 + 1; /* half a unit more */
    middle.limbs[0] = (uint32_t)mantissa;
    middle.limbs[1] = (uint32_t)(mantissa >> 32);
    middle.used = middle.limbs[1] ? 2 : 1;
    /* middle = mantissa * 2^scale; both sides are brought to whole numbers. */
    int64_t scale = (binary > 0 ? binary : 1) + shape->bias - shape->fraction_bits - 1;
    if (exponent >= 0) {
        natural_multiply_fives(&written, exponent);
        scale -= exponent;
    } else {
        natural_multiply_fives(&middle, -exponent);
        scale += -exponent;
    }
    natural_shift(scale >= 0 ? &middle : &written, scale >= 0 ? scale : -scale);
    int order = natural_compare(&written, &middle);
    return order == 0 && sticky ? 1 : order;
}

/* More digits than the significand holds: the value lies between it and one unit more. */
static uint64_t round_long(const decimal *text, const layout *shape) {
    uint64_t below = round_product(text->significand, text->exponent, shape);
    uint64_t above = round_product(text->significand + 1, text->exponent, shape);
    if (below == above)
        return below;
    int order = compare_with_middle(text, below, shape);
    if (order == 0)
        return below & 1 ? above : below;
    return order < 0 ? below : above;
}

static inline uint64_t round_decimal(const decimal *text, const layout *shape) {
    return text->cut ? round_long(text, shape)
                     : round_product(text->significand, text->exponent, shape);
}

/* ---- text -> decimal ----------------------------------------------------------------------- */

/* Value of eight digits, already without their 0x30. */
static inline uint64_t eight_digits(uint64_t word) {
    word = word * 10 + (word >> 8);
    return ((word & 0x000000FF000000FF) * 0x000F424000000064 +
            ((word >> 16) & 0x000000FF000000FF) * 0x0000271000000001) >>
           32;
}

/* Digits at the start of a text, added to *significand (which may wrap: the caller counts). */
static inline const char *read_digits(const char *at, const char *end, uint64_t *significand) {
    uint64_t value = *significand;
    while (end - at >= 8) {
        uint64_t word = vni_load8(at) ^ 0x3030303030303030;
        uint64_t others = ((word + 0x7676767676767676) | word) & 0x8080808080808080;
        if (others == 0) {
            value = value * 100000000 + eight_digits(word);
            at += 8;
            continue;
        }
        /* The first `count` bytes are digits: move them to the end, zeros come in front. */
        int count = __builtin_ctzll(others) >> 3;
        if (count > 0)
            value = value * small_powers[count] + eight_digits(word << (64 - 8 * count));
        *significand = value;
        return at + count;
    }
    while (at < end && (unsigned char)(*at - '0') < 10)
        value = value * 10 + (uint64_t)(*at++ - '0');
    *significand = value;
    return at;
}

/* The first 19 significant digits, and whether something else than zeros follows. Sets the
 * significand and moves the exponent. */
static void cut_digits(decimal *out, int64_t last_exponent) {
    uint64_t value = 0;
    int kept = 0;
    int64_t left = 0;
    int cut = 0;
    for (const char *at = out->digits; at < out->digits_end; at++) {
        if (*at == '.' || (kept == 0 && *at == '0'))
            continue;
        if (kept < 19) {
            value = value * 10 + (uint64_t)(*at - '0');
            kept++;
        } else {
            left++;
            cut |= *at != '0';
        }
    }
    out->significand = value;
    out->exponent = last_exponent + left;
    out->cut = cut;
}

/* Exponent part at *at, if a whole one stands there. Far beyond any float it stays put. */
static inline int64_t read_exponent(const char **at, const char *end) {
    const char *here = *at + 1;
    int negative = 0;
    int64_t value = 0;
    if (here < end && (*here == '-' || *here == '+'))
        negative = *here++ == '-';
    if (here >= end || (unsigned char)(*here - '0') >= 10)
        return 0;
    for (; here < end && (unsigned char)(*here - '0') < 10; here++)
        if (value < INT64_C(1) << 40)
            value = value * 10 + (*here - '0');
    *at = here;
    return negative ? -value : value;
}

/* Reads the number; returns one behind it, NULL when none stands there. */
static inline const char *read_decimal(const char *text, const char *end, int lenient,
                                       decimal *out) {
    const char *at = text;
    const char *point;
    uint64_t significand = 0;
    int64_t fraction = 0;
    int64_t exponent;

    out->negative = 0;
    if (at < end && (*at == '-' || (lenient && *at == '+')))
        out->negative = *at++ == '-';
    out->digits = at;
    if (!lenient && at < end && *at == '0') {
        at++;
    } else {
        at = read_digits(at, end, &significand);
        if (at == out->digits && !lenient)
            return NULL;
    }
    point = at;
    if (at < end && *at == '.') {
        const char *first = at + 1;
        const char *last = read_digits(first, end, &significand);
        fraction = last - first;
        if (lenient ? fraction > 0 || point > out->digits : fraction > 0)
            at = last;
        else if (!lenient)
            return NULL;
    }
    if (at - out->digits - (at > point) < 1)
        return NULL;
    out->digits_end = at;
    exponent = -fraction;
    if (at < end && (*at | 0x20) == 'e') {
        const char *before = at;
        exponent += read_exponent(&at, end);
        if (at == before && !lenient)
            return NULL;
    }
    out->significand = significand;
    out->exponent = exponent;
    out->last_exponent = exponent;
    out->cut = 0;
    if (out->digits_end - out->digits > 19) {
        const char *first = out->digits;
        while (first < out->digits_end && (*first == '0' || *first == '.'))
            first++;
        if (out->digits_end - first - (first <= point && fraction > 0) > 19)
            cut_digits(out, exponent);
    }
    return at;
}

/* A word of the lenient grammar: length of it, 0 none. */
static size_t read_word(const char *text, size_t bytes, const char *word) {
    size_t length = strlen(word);
    if (bytes < length)
        return 0;
    for (size_t i = 0; i < length; i++)
        if ((text[i] | 0x20) != word[i])
            return 0;
    return length;
}

/* "nan", "inf", "infinity" with a sign: the bytes taken and what it is. */
static size_t read_special(const char *text, size_t bytes, int *is_nan, int *negative) {
    size_t sign = bytes > 0 && (*text == '-' || *text == '+');
    size_t length = read_word(text + sign, bytes - sign, "nan");
    *negative = sign && *text == '-';
    *is_nan = length > 0;
    if (length == 0)
        length = read_word(text + sign, bytes - sign, "infinity");
    if (length == 0)
        length = read_word(text + sign, bytes - sign, "inf");
    return length ? length + sign : 0;
}

static inline float float32_of(const decimal *number) {
    uint32_t bits = (uint32_t)round_decimal(number, &float32_layout) | (uint32_t)number->negative
                                                                           << 31;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

size_t vecna_number_parse_f32(const char *text, size_t bytes, vecna_number_grammar grammar,
                              float *out) {
    decimal number;
    const char *end = read_decimal(text, text + bytes, grammar == VECNA_NUMBER_LENIENT, &number);
    if (end != NULL) {
        *out = float32_of(&number);
        return (size_t)(end - text);
    }
    if (grammar == VECNA_NUMBER_LENIENT) {
        int is_nan;
        int negative;
        size_t length = read_special(text, bytes, &is_nan, &negative);
        if (length)
            *out = is_nan ? __builtin_nanf("") : negative ? -__builtin_inff() : __builtin_inff();
        return length;
    }
    return 0;
}

size_t vecna_number_parse_f64(const char *text, size_t bytes, vecna_number_grammar grammar,
                              double *out) {
    decimal number;
    const char *end = read_decimal(text, text + bytes, grammar == VECNA_NUMBER_LENIENT, &number);
    if (end != NULL) {
        uint64_t value = round_decimal(&number, &float64_layout) | (uint64_t)number.negative << 63;
        memcpy(out, &value, sizeof *out);
        return (size_t)(end - text);
    }
    if (grammar == VECNA_NUMBER_LENIENT) {
        int is_nan;
        int negative;
        size_t length = read_special(text, bytes, &is_nan, &negative);
        if (length)
            *out = is_nan ? __builtin_nan("") : negative ? -__builtin_inf() : __builtin_inf();
        return length;
    }
    return 0;
}

/* ---- lists of numbers ------------------------------------------------------------------------ */

/* Decimal digits at the front of eight bytes, less '0' each: how many there are. */
static inline unsigned leading_digits(uint64_t word) {
    const uint64_t tops = 0x8080808080808080;
    const uint64_t others = ((word + 0x7676767676767676) | word) & tops;
    return others ? (unsigned)__builtin_ctzll(others) >> 3 : 8;
}

/* The value of eight of them. */
static inline uint32_t eight_digits_value(uint64_t word) {
    word = word * 10 + (word >> 8);
    return (uint32_t)(((word & 0x000000ff000000ff) * (UINT64_C(1000000) << 32 | 100) +
                       (word >> 16 & 0x000000ff000000ff) * (UINT64_C(10000) << 32 | 1)) >>
                      32);
}

/* The value of the first `count` of them, 0 to 7. */
static inline uint32_t digits_value(uint64_t word, unsigned count) {
    return eight_digits_value(word << 8 << (56 - 8 * count));
}

/* count digits behind the point, 1 to 15 of them: the digits and the power of ten are exact in float64, and the
 * quotient is rounded once. To round it again to float32 is right unless it lies exactly between two; then 0
 * comes back. Source: Clinger, "How to read floating point numbers accurately", 1990. */
static inline int divide(uint64_t digits, unsigned count, uint32_t *out) {
    static const double powers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    const double quotient = (double)(int64_t)digits / powers[count];
    const float value = (float)quotient;
    uint64_t bits;
    memcpy(&bits, &quotient, sizeof bits);
    memcpy(out, &value, sizeof value);
    return (bits & 0x1fffffff) != 0x10000000;
}

/* Nearly every number of a vector is "0." or "-0." and up to 19 digits. NULL for any other, which
 * read_decimal then reads. */
static inline const char *read_fraction(const char *text, const char *end, float *out) {
    enum { LONGEST = 3 + 3 * 8 };
    const uint64_t zeros = 0x3030303030303030;
    unsigned negative, count, more = 0;
    uint64_t word, value;
    uint32_t bits;

    if (end - text < LONGEST)
        return NULL;
    negative = *text == '-';
    text += negative;
    if (text[0] != '0' || text[1] != '.')
        return NULL;
    word = vni_load8(text + 2) ^ zeros;
    count = leading_digits(word);
    if (count < 8) {
        value = digits_value(word, count);
    } else {
        value = eight_digits_value(word);
        word = vni_load8(text + 10) ^ zeros;
        more = leading_digits(word);
        count = 8 + more;
        if (more < 8) {
            value = value * small_powers[more] + digits_value(word, more);
        } else {
            value = value * small_powers[8] + eight_digits_value(word);
            word = vni_load8(text + 18) ^ zeros;
            more = leading_digits(word);
            count = 16 + more;
            if (more > 3)
                return NULL;
            value = value * small_powers[more] + digits_value(word, more);
        }
    }
    if (count == 0 || (text[2 + count] | 0x20) == 'e')
        return NULL;
    if (count > 15 || !divide(value, count, &bits))
        bits = (uint32_t)round_product(value, -(int64_t)count, &float32_layout);
    bits |= negative << 31; /* a coin toss: no branch */
    memcpy(out, &bits, sizeof bits);
    return text + 2 + count;
}

static inline const char *skip_space(const char *at, const char *end) {
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    return at;
}

size_t vni_number_list_f32(const char **at, const char *end, float *out, size_t capacity) {
    const char *here = *at;
    size_t count = 0;
    decimal number;

    while (count < capacity) {
        const char *start = here, *behind;
        if (count > 0) {
            start = skip_space(start, end);
            if (start >= end || *start != ',')
                break;
            start++;
        }
        start = skip_space(start, end);
        behind = read_fraction(start, end, &out[count]);
        if (behind == NULL) {
            behind = read_decimal(start, end, 0, &number);
            if (behind == NULL)
                break;
            out[count] = float32_of(&number);
        }
        count++;
        here = behind;
    }
    *at = here;
    return count;
}
