/* AVX2. Its product of bytes (vpmaddubsw) adds two of them in 16 bits and saturates; so bytes are
 * widened to 16 bits first and multiplied there, exactly: twice the pace of float32 at best. */
#include "base/base_impl.h"
#include "linalg/int8_impl.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#define AVX2 __attribute__((target("avx2")))
#define AVX2_INLINE AVX2 __attribute__((always_inline)) static inline

enum { WIDE = 8 };

AVX2 static float quantise(const vecna_linalg_int8 *weights, const float *row, float by,
                           uint8_t *out) {
    const size_t inner = weights->inner, padded = weights->quads * VNI_QUAD;
    const float *centre = weights->centre;
    const __m256 factor = _mm256_set1_ps(by), sign = _mm256_set1_ps(-0.0f);
    __m256 most = _mm256_setzero_ps();
    float lane[WIDE], largest = 0, rest[WIDE] = {0}, rest_centre[WIDE] = {0};
    const size_t whole_rows = inner - inner % WIDE;
    memcpy(rest, row + whole_rows, (inner - whole_rows) * sizeof *row);
    memcpy(rest_centre, centre + whole_rows, (inner - whole_rows) * sizeof *row);
    for (size_t i = 0; i < inner; i += WIDE) {
        int last = i == whole_rows;
        __m256 value = _mm256_mul_ps(_mm256_loadu_ps(last ? rest : row + i), factor);
        value = _mm256_sub_ps(value, _mm256_loadu_ps(last ? rest_centre : centre + i));
        most = _mm256_max_ps(most, _mm256_andnot_ps(sign, value));
    }
    _mm256_storeu_ps(lane, most);
    for (size_t j = 0; j < WIDE; j++)
        largest = lane[j] > largest ? lane[j] : largest;
    const __m256 times = _mm256_set1_ps(largest > 0 ? 127 / largest : 0);
    for (size_t i = 0; i < padded; i += WIDE) {
        int last = i == whole_rows;
        uint8_t bytes[WIDE];
        __m256 value = _mm256_mul_ps(_mm256_loadu_ps(last ? rest : row + i), factor);
        value = _mm256_sub_ps(value, _mm256_loadu_ps(last ? rest_centre : centre + i));
        __m256i whole = _mm256_cvtps_epi32(_mm256_mul_ps(value, times));
        __m128i words =
            _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
        words = _mm_add_epi16(words, _mm_set1_epi16(128));
        _mm_storel_epi64((__m128i *)(void *)bytes, _mm_packus_epi16(words, words));
        memcpy(out + i, bytes, padded - i < WIDE ? padded - i : WIDE);
    }
    return largest / 127;
}

/* The four bytes of a quad as 16-bit numbers, four times. */
AVX2_INLINE __m256i four_words(const uint8_t *from) {
    int32_t bytes;
    memcpy(&bytes, from, sizeof bytes);
    return _mm256_cvtepu8_epi16(_mm_set1_epi32(bytes));
}

/* 8 columns: two halves of 4, each with two sums a column that are added in the end. */
AVX2_INLINE void columns_of(const vecna_linalg_int8 *weights, size_t first, const int8_t *w,
                            const vni_int8_tile *tile, size_t row, const size_t rows,
                            float out[][WIDE]) {
    __m256i sum[3][2];
    for (size_t i = 0; i < rows; i++)
        sum[i][0] = sum[i][1] = _mm256_setzero_si256();
    for (size_t quad = 0; quad < weights->quads; quad++) {
        const __m128i *at = (const __m128i *)(const void *)(w + quad * VNI_PANEL * VNI_QUAD);
        __m256i low = _mm256_cvtepi8_epi16(_mm_load_si128(at));
        __m256i high = _mm256_cvtepi8_epi16(_mm_load_si128(at + 1));
        for (size_t i = 0; i < rows; i++) {
            __m256i in = four_words(tile->rows + (row + i) * tile->row_bytes + quad * VNI_QUAD);
            sum[i][0] = _mm256_add_epi32(sum[i][0], _mm256_madd_epi16(in, low));
            sum[i][1] = _mm256_add_epi32(sum[i][1], _mm256_madd_epi16(in, high));
        }
    }
    for (size_t i = 0; i < rows; i++) {
        __m256i both = _mm256_permute4x64_epi64(_mm256_hadd_epi32(sum[i][0], sum[i][1]), 0xd8);
        __m256 worth = _mm256_mul_ps(_mm256_set1_ps(tile->step[row + i]),
                                     _mm256_load_ps(weights->scale + first));
        both = _mm256_sub_epi32(
            both, _mm256_load_si256((const __m256i *)(const void *)(weights->moved + first)));
        __m256 value = _mm256_mul_ps(_mm256_cvtepi32_ps(both), worth);
        _mm256_storeu_ps(out[i], _mm256_add_ps(value, _mm256_load_ps(weights->offset + first)));
    }
}

AVX2 static void product(const vecna_linalg_int8 *weights, size_t panel, const vni_int8_tile *tile,
                         size_t rows, size_t columns) {
    const size_t first = panel * VNI_PANEL;
    const int8_t *packed = weights->panel + first * weights->quads * VNI_QUAD;
    for (size_t j = 0; j < columns; j += WIDE) {
        const int8_t *w = packed + j * VNI_QUAD;
        size_t kept = columns - j < WIDE ? columns - j : WIDE;
        for (size_t row = 0; row < rows; row += 3) {
            float out[3][WIDE];
            size_t some = rows - row < 3 ? rows - row : 3;
            if (some == 3)
                columns_of(weights, first + j, w, tile, row, 3, out);
            else if (some == 2)
                columns_of(weights, first + j, w, tile, row, 2, out);
            else
                columns_of(weights, first + j, w, tile, row, 1, out);
            for (size_t i = 0; i < some; i++)
                memcpy(tile->out + (row + i) * tile->out_stride + j, out[i], kept * sizeof **out);
        }
    }
}

AVX2 static void add(vecna_view_i8 codes, const int32_t *list, const float *by, size_t count,
                     float *out) {
    const size_t whole = codes.dim - codes.dim % WIDE;
    for (size_t i = 0; i < count; i++) {
        const int8_t *row = codes.data + (size_t)list[i] * codes.stride;
        const __m256 times = _mm256_set1_ps(by[i]);
        for (size_t j = 0; j < whole; j += WIDE) {
            __m128i bytes = _mm_loadl_epi64((const __m128i *)(const void *)(row + j));
            __m256 value = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes));
            value = _mm256_add_ps(_mm256_loadu_ps(out + j), _mm256_mul_ps(times, value));
            _mm256_storeu_ps(out + j, value);
        }
        for (size_t j = whole; j < codes.dim; j++)
            out[j] += by[i] * (float)row[j];
    }
}

const vni_int8_kernels vni_int8_avx2 = {VNI_CPU_AVX2, quantise, product, add};

#endif
