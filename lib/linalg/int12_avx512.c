/* AVX-512 VNNI: 64 products of bytes and their sums of four in one instruction. Weights are read once,
 * in order, and asked for some steps ahead, as the processor's own prefetching ends at every page. Two
 * parts of the row's length at once, where registers allow: sums hide each other's time. */
#include "base/base_impl.h"
#include "linalg/int12_impl.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <math.h>
#include <string.h>

#define VNNI                                                                                       \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c,popcnt")))
#define VNNI_INLINE VNNI __attribute__((always_inline)) static inline

enum { WIDE = 16, VECTORS = VNI_INT12_PANEL / WIDE, STREAMS = 2, AHEAD = 12, LINE = 64 };

/* The first `count` of 16. */
static inline __mmask16 first_of(size_t count) {
    return (__mmask16)(count < WIDE ? (1u << count) - 1u : 0xffffu);
}

VNNI static void quantise(const vecna_linalg_int12 *weights, const float *row, vni_int12_row *out) {
    const size_t inner = weights->inner, padded = weights->quads * VNI_INT12_QUAD;
    const __m512i exponent = _mm512_set1_epi32(0x7f800000), half = _mm512_set1_epi32(32768);
    __m512 most = _mm512_setzero_ps();
    __mmask16 wild = 0;
    for (size_t i = 0; i < inner; i += WIDE) {
        const __m512 size = _mm512_abs_ps(_mm512_maskz_loadu_ps(first_of(inner - i), row + i));
        wild |= _mm512_cmpge_epi32_mask(_mm512_castps_si512(size), exponent);
        most = _mm512_max_ps(most, size);
    }
    const float largest = _mm512_reduce_max_ps(most);
    const float times = !wild && largest >= 1e-30f ? 32767 / largest : 0;
    for (size_t i = 0; i < padded; i += WIDE) {
        const __mmask16 kept = first_of(padded - i);
        const __mmask16 read = times > 0 ? first_of(i < inner ? inner - i : 0) : 0;
        const __m512 value =
            _mm512_mul_ps(_mm512_maskz_loadu_ps(read, row + i), _mm512_set1_ps(times));
        const __m512i whole = _mm512_add_epi32(_mm512_cvtps_epi32(value), half);
        _mm512_mask_cvtepi32_storeu_epi8(out->high + i, kept, _mm512_srli_epi32(whole, 8));
        _mm512_mask_cvtepi32_storeu_epi8(out->low + i, kept, whole);
    }
    out->step = times > 0 ? largest / 32767 : wild ? NAN : 0;
}

/* sum += products of 4 unsigned and 4 signed bytes. Not the intrinsic: with it gcc 12 copies every sum
 * to another register and back, at half the pace. */
VNNI_INLINE __m512i add_products(__m512i sum, __m512i in, __m512i column) {
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(in), "v"(column));
    return sum;
}

VNNI_INLINE __m512i four_bytes(const uint8_t *from) {
    int32_t bytes;
    memcpy(&bytes, from, sizeof bytes);
    return _mm512_set1_epi32(bytes);
}

/* high x high, high x low; of both streams together low x high and low x low */
typedef struct sums {
    __m512i both[VECTORS], fine[VECTORS];
} sums;
typedef struct low_sums {
    __m512i coarse[VECTORS], least[VECTORS];
} low_sums;

VNNI_INLINE void add_step(const uint8_t *step, const vni_int12_row *row, size_t quad, sums *sum,
                          low_sums *lows) {
    const __m512i nibble = _mm512_set1_epi8(15);
    const __m512i high = four_bytes(row->high + quad * VNI_INT12_QUAD);
    const __m512i low = four_bytes(row->low + quad * VNI_INT12_QUAD);
    const uintptr_t ahead = (uintptr_t)step + AHEAD * VNI_INT12_STEP;
    for (size_t line = 0; line < VNI_INT12_STEP; line += LINE)
        __builtin_prefetch((const void *)(ahead + line)); /* past the end: no access, no harm */
    for (size_t v = 0; v < VECTORS; v++) {
        const __m512i column = _mm512_load_si512(step + v * LINE);
        sum->both[v] = add_products(sum->both[v], high, column);
        sum->fine[v] = add_products(sum->fine[v], low, column);
    }
    for (size_t v = 0; v < VECTORS; v += 2) {
        const __m512i two = _mm512_load_si512(step + VNI_INT12_HIGH + v / 2 * LINE);
        const __m512i first = _mm512_and_si512(two, nibble);
        const __m512i second = _mm512_and_si512(_mm512_srli_epi16(two, 4), nibble);
        lows->coarse[v] = add_products(lows->coarse[v], high, first);
        lows->coarse[v + 1] = add_products(lows->coarse[v + 1], high, second);
        lows->least[v] = add_products(lows->least[v], low, first);
        lows->least[v + 1] = add_products(lows->least[v + 1], low, second);
    }
}

VNNI static void product(const vecna_linalg_int12 *weights, size_t panel, const vni_int12_row *row,
                         float out[VNI_INT12_PANEL]) {
    const size_t first = panel * VNI_INT12_PANEL, quads = weights->quads, part = quads / STREAMS;
    const uint8_t *packed = weights->panel + panel * quads * VNI_INT12_STEP;
    const __m512 step = _mm512_set1_ps(row->step);
    sums sum[STREAMS];
    low_sums lows;
    for (size_t v = 0; v < VECTORS; v++) {
        lows.coarse[v] = lows.least[v] = _mm512_setzero_si512();
        for (size_t s = 0; s < STREAMS; s++)
            sum[s].both[v] = sum[s].fine[v] = _mm512_setzero_si512();
    }
    for (size_t quad = 0; quad < part; quad++)
        for (size_t s = 0; s < STREAMS; s++)
            add_step(packed + (s * part + quad) * VNI_INT12_STEP, row, s * part + quad, &sum[s],
                     &lows);
    for (size_t quad = STREAMS * part; quad < quads; quad++)
        add_step(packed + quad * VNI_INT12_STEP, row, quad, &sum[0], &lows);
    for (size_t v = 0; v < VECTORS; v++) {
        const size_t at = first + v * WIDE;
        const __m512i both = _mm512_sub_epi32(_mm512_add_epi32(sum[0].both[v], sum[1].both[v]),
                                              _mm512_load_si512(weights->high_moved + at));
        const __m512i fine = _mm512_add_epi32(sum[0].fine[v], sum[1].fine[v]);
        const __m512i upper =
            _mm512_sub_epi32(lows.coarse[v], _mm512_load_si512(weights->low_moved + at));
        __m512 value = _mm512_mul_ps(_mm512_cvtepi32_ps(both), _mm512_set1_ps(4096));
        value = _mm512_add_ps(value, _mm512_mul_ps(_mm512_cvtepi32_ps(fine), _mm512_set1_ps(16)));
        value = _mm512_add_ps(value, _mm512_mul_ps(_mm512_cvtepi32_ps(upper), _mm512_set1_ps(256)));
        value = _mm512_add_ps(value, _mm512_cvtepi32_ps(lows.least[v]));
        const __m512 worth = _mm512_mul_ps(step, _mm512_load_ps(weights->scale + at));
        _mm512_storeu_ps(out + v * WIDE, _mm512_mul_ps(value, worth));
    }
}

const vni_int12_kernels vni_int12_avx512vnni = {VNI_CPU_AVX512VNNI, quantise, product};
#endif
