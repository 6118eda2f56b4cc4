/* AVX-512: 16 halves are widened and multiplied by one number of the row. Four quarters of the row's
 * length at once: 16 sums hide each other's time, and four streams of weights are on their way, asked
 * for a little ahead, as the processor's own prefetching ends at every page. */
#include "base/base_impl.h"
#include "linalg/f16_impl.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c")))
#define AVX512_INLINE AVX512 __attribute__((always_inline)) static inline

enum { WIDE = 16, VECTORS = VNI_F16_PANEL / WIDE, STREAMS = 4, AHEAD = 8, LINE = 64 };

AVX512_INLINE void add_input(__m512 *sums, const uint16_t *weights, float by) {
    const __m512 factor = _mm512_set1_ps(by);
    const uintptr_t ahead = (uintptr_t)weights + AHEAD * VNI_F16_PANEL * sizeof *weights;
    for (size_t line = 0; line < VNI_F16_PANEL * sizeof *weights; line += LINE)
        __builtin_prefetch((const void *)(ahead + line)); /* past the end: no access, no harm */
    for (size_t v = 0; v < VECTORS; v++) {
        const __m512 wide =
            _mm512_cvtph_ps(_mm256_load_si256((const __m256i *)(const void *)(weights + v * WIDE)));
        sums[v] = _mm512_fmadd_ps(wide, factor, sums[v]);
    }
}

AVX512 static void product(const uint16_t *panel, const float *row, size_t inner,
                           float sums[VNI_F16_PANEL]) {
    const size_t quarter = inner / STREAMS;
    __m512 sum[STREAMS][VECTORS];
    for (size_t s = 0; s < STREAMS; s++)
        for (size_t v = 0; v < VECTORS; v++)
            sum[s][v] = _mm512_setzero_ps();
    for (size_t i = 0; i < quarter; i++)
        for (size_t s = 0; s < STREAMS; s++)
            add_input(sum[s], panel + (s * quarter + i) * VNI_F16_PANEL, row[s * quarter + i]);
    for (size_t i = quarter * STREAMS; i < inner; i++)
        add_input(sum[0], panel + i * VNI_F16_PANEL, row[i]);
    for (size_t v = 0; v < VECTORS; v++)
        _mm512_storeu_ps(sums + v * WIDE, _mm512_add_ps(_mm512_add_ps(sum[0][v], sum[1][v]),
                                                        _mm512_add_ps(sum[2][v], sum[3][v])));
}

const vni_f16_kernel vni_f16_avx512 = {VNI_CPU_AVX512, product};
#endif
