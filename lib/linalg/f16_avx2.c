/* AVX2 with F16C: 8 halves are widened and multiplied by one number of the row. The panel is taken in
 * two halves of 32 columns, two parts of the row's length at once: 8 sums in 16 registers. */
#include "base/base_impl.h"
#include "linalg/f16_impl.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,fma,f16c")))
#define AVX2_INLINE AVX2 __attribute__((always_inline)) static inline

enum { WIDE = 8, VECTORS = 4, STREAMS = 2 };

AVX2_INLINE void add_input(__m256 *sums, const uint16_t *weights, float by) {
    const __m256 factor = _mm256_set1_ps(by);
    for (size_t v = 0; v < VECTORS; v++) {
        const __m256 wide =
            _mm256_cvtph_ps(_mm_load_si128((const __m128i *)(const void *)(weights + v * WIDE)));
        sums[v] = _mm256_fmadd_ps(wide, factor, sums[v]);
    }
}

AVX2 static void product(const uint16_t *panel, const float *row, size_t inner,
                         float sums[VNI_F16_PANEL]) {
    const size_t part = inner / STREAMS;
    for (size_t first = 0; first < VNI_F16_PANEL; first += VECTORS * WIDE) {
        __m256 sum[STREAMS][VECTORS];
        for (size_t s = 0; s < STREAMS; s++)
            for (size_t v = 0; v < VECTORS; v++)
                sum[s][v] = _mm256_setzero_ps();
        for (size_t i = 0; i < part; i++)
            for (size_t s = 0; s < STREAMS; s++)
                add_input(sum[s], panel + (s * part + i) * VNI_F16_PANEL + first,
                          row[s * part + i]);
        for (size_t i = part * STREAMS; i < inner; i++)
            add_input(sum[0], panel + i * VNI_F16_PANEL + first, row[i]);
        for (size_t v = 0; v < VECTORS; v++)
            _mm256_storeu_ps(sums + first + v * WIDE, _mm256_add_ps(sum[0][v], sum[1][v]));
    }
}

const vni_f16_kernel vni_f16_avx2 = {VNI_CPU_AVX2, product};
#endif
