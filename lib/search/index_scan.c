/* Which of many scores are worth a place in a heap: nearly none, so the comparison with the worst that is
 * kept is what costs. Sixteen at a time; the same rows with every instruction set. */
#include "base/base_impl.h"
#include "search/index_impl.h"

#include <math.h>

enum { WIDE = 16 };

static inline float worst_of(const vni_best *best) {
    return best->count < best->k ? -HUGE_VALF : best->scores[0];
}

static inline void offer(vni_best *best, float most, float score, int64_t row) {
    if (score <= most) {
        vni_best_offer(best, score, row);
    }
}

#if defined(__x86_64__)
#include <immintrin.h>

__attribute__((target("avx512f"))) static void
offer_avx512(vni_best *best, float most, const float *scores, size_t count, int64_t first) {
    __m512 worst = _mm512_set1_ps(worst_of(best));
    for (size_t from = 0; from < count; from += WIDE) {
        const __mmask16 some =
            (__mmask16)(count - from < WIDE ? (1u << (count - from)) - 1u : 0xffffu);
        const __m512 score = _mm512_maskz_loadu_ps(some, scores + from);
        unsigned reached = _mm512_mask_cmp_ps_mask(some, score, worst, _CMP_GE_OQ);
        if (!reached) {
            continue;
        }
        for (; reached; reached &= reached - 1) {
            const size_t at = from + (size_t)__builtin_ctz(reached);
            offer(best, most, scores[at], first + (int64_t)at);
        }
        worst = _mm512_set1_ps(worst_of(best));
    }
}
#endif

void vni_index_offer(vni_best *best, float most, const float *scores, size_t count, int64_t first) {
#if defined(__x86_64__)
    if (vni_cpu_features() & VNI_CPU_AVX512VNNI) {
        offer_avx512(best, most, scores, count, first);
        return;
    }
#endif
    for (size_t from = 0; from < count; from += WIDE) {
        const size_t here = count - from < WIDE ? count - from : WIDE;
        const float worst = worst_of(best);
        int any = 0;
        for (size_t j = 0; j < here; j++) {
            any |= scores[from + j] >= worst;
        }
        for (size_t j = 0; j < here && any; j++) {
            offer(best, most, scores[from + j], first + (int64_t)(from + j));
        }
    }
}
