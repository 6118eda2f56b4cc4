/* What the files of codec share, and what format's text readers take beside the public header. */
#ifndef VNI_CODEC_IMPL_H
#define VNI_CODEC_IMPL_H

#include "vecna/codec.h"

#include <string.h>

enum { VNI_POWER_FIRST = -342, VNI_POWER_LAST = 324 };

/* 10^q for q from VNI_POWER_FIRST: 128-bit significands, high half first, top bit set; rounded down
 * for q >= 0, up for q < 0. */
extern const uint64_t vni_power_table[VNI_POWER_LAST - VNI_POWER_FIRST + 1][2];

/* floor(log2(10^q)) for |q| up to 1650: 1741647 / 2^19 is log2(10) from below, near enough. */
static inline int vni_log2_of_power(int q) {
    return (q * 1741647) >> 19;
}

/* Full product of two 64-bit numbers. */
static inline uint64_t vni_multiply(uint64_t a, uint64_t b, uint64_t *high) {
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)a * b;
    *high = (uint64_t)(product >> 64);
    return (uint64_t)product;
}

/* Eight bytes as a number, the first in the least significant place on any machine. */
static inline uint64_t vni_load8(const char *text) {
    uint64_t word;
    memcpy(&word, text, 8);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

/* The JSON numbers of "1, 2, 3" one after the other, in the reader's innermost loop.
 *   at, end   text to read from; *at moves behind the last number taken
 *   out       (capacity)
 *   returns   numbers read; stops at capacity or before the first thing that is neither a number
 *             nor the comma and JSON white space between two numbers. A comma is only passed when a
 *             number follows. */
size_t vni_number_list_f32(const char **at, const char *end, float *out, size_t capacity);

/* "0.5,-0.25": the shortest text of each, as vecna_number_print_f32 writes it.
 *   json     "null" for what is not finite
 *   out      count * (VECNA_NUMBER_BYTES + 1) bytes of room
 *   returns  the bytes written */
size_t vni_number_print_list(const float *values, size_t count, char between, int json, char *out);

/* A fraction as number_print_list.c lays it out: first digit, zeros between point and digits, bytes
 * without the sign, whether there is one; and, from bit VNI_LAYOUT_KNOWN, whether all this is known. */
#define VNI_LAYOUT(first, zeros, bytes, negative)                                                  \
    ((first) | (zeros) << 8 | (bytes) << 16 | (negative) << 24)
enum { VNI_LAYOUT_KNOWN = 32 };

#if defined(__x86_64__)
/* Layouts of `count` numbers, a multiple of 4, and eight digits of each behind the first, as text. */
void vni_fractions_avx2(const float *values, size_t count, uint64_t *digits, uint64_t *layout);
#endif

/* Start a scanner in the middle of a value, for readers that hold only a part of it: behind the
 * opening bracket of an object or array, or behind a member or element of it when `behind_value`.
 * The scanner is at depth 1; its end of that object or array brings it to VECNA_JSON_END. */
void vni_json_resume(vecna_json *json, const char *text, size_t bytes, int object,
                     int behind_value);

/* 1 when a KEY or STRING token, unescaped, is these bytes. */
int vni_json_equals(const vecna_json_token *token, const char *data, size_t bytes);

/* Bytes at the start of a text that may stand between quotes as they are: all up to the first quote,
 * backslash or control character. *ascii is cleared when one of them is above 0x7F. */
size_t vni_json_plain(const char *text, size_t bytes, int *ascii);

/* One string out of several parts, each of them UTF-8. */
void vni_json_write_string_parts(vecna_json_writer *writer, const char *const *parts,
                                 const size_t *bytes, size_t count);

/* ---- base64 ---------------------------------------------------------------------------------- */

/* Whole groups at once, by one set of instructions. Neither has to do all that it is given: what is
 * left, the portable code does, and it alone says what is wrong with a text. */
typedef struct vni_base64_table {
    const char *name;
    unsigned needs; /* VNI_CPU_* */
    /* Encode from the front of `bytes` bytes; returns those done, a multiple of 3. */
    size_t (*encode)(const unsigned char *from, size_t bytes, char *to);
    /* Decode from the front of `characters`, a multiple of 4, none of them padding; returns those
     * done, a multiple of 4: all before the first block with a bad one. `to` has room for three
     * bytes of every four characters, and no byte more is written. */
    size_t (*decode)(const char *from, size_t characters, unsigned char *to);
} vni_base64_table;

extern const char vni_base64_alphabet[65];
/* Value of a character, 0xFF for what is not in the alphabet. */
extern const uint8_t vni_base64_values[256];
extern const vni_base64_table vni_base64_portable;
#if defined(__x86_64__)
extern const vni_base64_table vni_base64_avx2;
extern const vni_base64_table vni_base64_avx512vbmi;
#endif

/* The table of the best instructions that may be used. */
const vni_base64_table *vni_base64_chosen(void);
/* For tests: vni_cpu_allow(mask), and choose again. Not while other threads compute. */
void vni_base64_allow(unsigned mask);

#endif
