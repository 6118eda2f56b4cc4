/* AVX-512 VNNI: 64 products of bytes and their sums of four in one instruction. A tile of 6 rows
 * and 64 columns keeps 24 sums in registers for the whole length of the rows, so that nothing but
 * the operands is read. One row alone has too few sums to hide an instruction's time behind the
 * next: it runs over four
 * quarters of its length at once, which also keeps four streams of weights on their way from memory. */
#include "base/base_impl.h"
#include "linalg/int8_impl.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#define VNNI                                                                                       \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c,popcnt")))
#define VNNI_INLINE VNNI __attribute__((always_inline)) static inline

enum { WIDE = 16, VECTORS = VNI_PANEL / WIDE, STREAMS = 4 };

/* The first `count` of 16. */
static inline __mmask16 first_of(size_t count) {
    return (__mmask16)(count < WIDE ? (1u << count) - 1u : 0xffffu);
}

VNNI static float quantise(const vecna_linalg_int8 *weights, const float *row, float by,
                           uint8_t *out) {
    const size_t inner = weights->inner, padded = weights->quads * VNI_QUAD;
    const float *centre = weights->centre;
    const __m512 factor = _mm512_set1_ps(by);
    __m512 most = _mm512_setzero_ps();
    for (size_t i = 0; i < inner; i += WIDE) {
        __mmask16 which = first_of(inner - i);
        __m512 value = _mm512_mul_ps(_mm512_maskz_loadu_ps(which, row + i), factor);
        value = _mm512_sub_ps(value, _mm512_maskz_loadu_ps(which, centre + i));
        most = _mm512_max_ps(most, _mm512_abs_ps(value));
    }
    const float largest = _mm512_reduce_max_ps(most);
    const __m512 times = _mm512_set1_ps(largest > 0 ? 127 / largest : 0);
    for (size_t i = 0; i < padded; i += WIDE) {
        __mmask16 which = first_of(i < inner ? inner - i : 0);
        __mmask16 kept = first_of(padded - i);
        __m512 value = _mm512_mul_ps(_mm512_maskz_loadu_ps(which, row + i), factor);
        value = _mm512_sub_ps(value, _mm512_maskz_loadu_ps(which, centre + i));
        __m512i whole = _mm512_cvtps_epi32(_mm512_mul_ps(value, times));
        whole = _mm512_add_epi32(whole, _mm512_set1_epi32(128));
        _mm512_mask_cvtepi32_storeu_epi8(out + i, kept, whole);
    }
    return largest / 127;
}

VNNI_INLINE __m512i four_bytes(const uint8_t *from) {
    int32_t bytes;
    memcpy(&bytes, from, sizeof bytes);
    return _mm512_set1_epi32(bytes);
}

/* sum += products of 4 unsigned and 4 signed bytes. Not the intrinsic: with it gcc 12 copies every sum
 * to another register and back, at half the pace. */
VNNI_INLINE __m512i add_products(__m512i sum, __m512i in, __m512i column) {
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(in), "v"(column));
    return sum;
}

/* The weights of 16 columns, vector v of the panel, for one quad. */
VNNI_INLINE __m512i sixteen(const int8_t *panel, size_t quad, size_t v) {
    return _mm512_load_si512(panel + (quad * VNI_PANEL + v * WIDE) * VNI_QUAD);
}

/* 16 sums of one row to floats. */
VNNI_INLINE void finish(const vecna_linalg_int8 *weights, size_t first, __m512i sum, float step,
                        float *out, size_t columns) {
    __mmask16 which = first_of(columns);
    __m512 worth = _mm512_mul_ps(_mm512_set1_ps(step), _mm512_load_ps(weights->scale + first));
    sum = _mm512_sub_epi32(sum, _mm512_load_si512(weights->moved + first));
    __m512 value = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), worth);
    _mm512_mask_storeu_ps(out, which,
                          _mm512_add_ps(value, _mm512_load_ps(weights->offset + first)));
}

VNNI_INLINE void tile_of(const vecna_linalg_int8 *weights, size_t panel, const vni_int8_tile *tile,
                         const size_t rows, size_t columns) {
    const size_t first = panel * VNI_PANEL, quads = weights->quads;
    const int8_t *packed = weights->panel + first * quads * VNI_QUAD;
    __m512i sum[VNI_TILE_ROWS][VECTORS];
    for (size_t i = 0; i < rows; i++)
        for (size_t v = 0; v < VECTORS; v++)
            sum[i][v] = _mm512_setzero_si512();
    for (size_t quad = 0; quad < quads; quad++) {
        __m512i column[VECTORS];
        for (size_t v = 0; v < VECTORS; v++)
            column[v] = sixteen(packed, quad, v);
        for (size_t i = 0; i < rows; i++) {
            __m512i in = four_bytes(tile->rows + i * tile->row_bytes + quad * VNI_QUAD);
            for (size_t v = 0; v < VECTORS; v++)
                sum[i][v] = add_products(sum[i][v], in, column[v]);
        }
    }
    for (size_t i = 0; i < rows; i++)
        for (size_t v = 0; v < VECTORS && v * WIDE < columns; v++)
            finish(weights, first + v * WIDE, sum[i][v], tile->step[i],
                   tile->out + i * tile->out_stride + v * WIDE, columns - v * WIDE);
}

VNNI static void one_row(const vecna_linalg_int8 *weights, size_t panel, const vni_int8_tile *tile,
                         size_t columns) {
    const size_t first = panel * VNI_PANEL, quads = weights->quads, part = quads / STREAMS;
    const int8_t *w = weights->panel + first * quads * VNI_QUAD;
    __m512i sum[STREAMS][VECTORS];
    for (size_t s = 0; s < STREAMS; s++)
        for (size_t v = 0; v < VECTORS; v++)
            sum[s][v] = _mm512_setzero_si512();
    for (size_t quad = 0; quad < part; quad++)
        for (size_t s = 0; s < STREAMS; s++) {
            const size_t at = quad + s * part;
            __m512i in = four_bytes(tile->rows + at * VNI_QUAD);
            for (size_t v = 0; v < VECTORS; v++)
                sum[s][v] = add_products(sum[s][v], in, sixteen(w, at, v));
        }
    for (size_t quad = STREAMS * part; quad < quads; quad++) {
        __m512i in = four_bytes(tile->rows + quad * VNI_QUAD);
        for (size_t v = 0; v < VECTORS; v++)
            sum[0][v] = add_products(sum[0][v], in, sixteen(w, quad, v));
    }
    for (size_t v = 0; v < VECTORS && v * WIDE < columns; v++) {
        for (size_t s = 1; s < STREAMS; s++)
            sum[0][v] = _mm512_add_epi32(sum[0][v], sum[s][v]);
        finish(weights, first + v * WIDE, sum[0][v], tile->step[0], tile->out + v * WIDE,
               columns - v * WIDE);
    }
}

VNNI static void product(const vecna_linalg_int8 *weights, size_t panel, const vni_int8_tile *tile,
                         size_t rows, size_t columns) {
    switch (rows) {
    case 1:
        one_row(weights, panel, tile, columns);
        break;
    case 2:
        tile_of(weights, panel, tile, 2, columns);
        break;
    case 3:
        tile_of(weights, panel, tile, 3, columns);
        break;
    case 4:
        tile_of(weights, panel, tile, 4, columns);
        break;
    case 5:
        tile_of(weights, panel, tile, 5, columns);
        break;
    default:
        tile_of(weights, panel, tile, VNI_TILE_ROWS, columns);
    }
}

/* 64 sums stay in registers while all listed rows are passed over. */
VNNI static void add(vecna_view_i8 codes, const int32_t *list, const float *by, size_t count,
                     float *out) {
    for (size_t j = 0; j < codes.dim; j += VNI_PANEL) {
        __m512 sum[VECTORS];
        __mmask16 which[VECTORS];
        for (size_t v = 0; v < VECTORS; v++) {
            const size_t at = j + v * WIDE;
            which[v] = first_of(at < codes.dim ? codes.dim - at : 0);
            sum[v] = _mm512_maskz_loadu_ps(which[v], out + at);
        }
        for (size_t i = 0; i < count; i++) {
            const int8_t *row = codes.data + (size_t)list[i] * codes.stride + j;
            const __m512 times = _mm512_set1_ps(by[i]);
            for (size_t v = 0; v < VECTORS; v++) {
                const __m128i bytes = _mm_maskz_loadu_epi8(which[v], row + v * WIDE);
                const __m512 value = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes));
                sum[v] = _mm512_add_ps(sum[v], _mm512_mul_ps(times, value));
            }
        }
        for (size_t v = 0; v < VECTORS; v++)
            _mm512_mask_storeu_ps(out + j + v * WIDE, which[v], sum[v]);
    }
}

const vni_int8_kernels vni_int8_avx512vnni = {VNI_CPU_AVX512VNNI, quantise, product, add};

#endif
