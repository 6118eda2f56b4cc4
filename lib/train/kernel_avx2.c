/* AVX2 with FMA: sixteen registers, so products take three outputs at a time and the update's six
 * outputs just fit. */
#include "train/train_impl.h"

#include "base/base_impl.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <math.h>

#define KERNEL __attribute__((target("avx2,fma")))
#define NAME(x) avx2_##x
#define VECTOR __m256
#define LANES 8
#define DOT_OUTPUTS 3
#define UPDATE_COLUMNS 1
#define COLUMNS 4
#define LAST_COLUMNS
#define LOAD _mm256_load_ps
#define STORE _mm256_store_ps
#define SET1 _mm256_set1_ps
#define ZERO _mm256_setzero_ps()
#define ADD _mm256_add_ps
#define SUB _mm256_sub_ps
#define MUL _mm256_mul_ps
#define FMA _mm256_fmadd_ps
#define DIV _mm256_div_ps
#define ROOT _mm256_sqrt_ps
#define AND _mm256_and_ps
#define OR _mm256_or_ps
#define ABS_MOST avx2_abs_most
#define ABOVE(a, b) (_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_GT_OQ)) != 0)
#define SUM avx2_sum_of
#define SUMS4 avx2_sums4
#define VECTOR_GAINS avx2_eight_gains
#define TWO(a) _mm256_set1_ps(*(a))
#define EIGHT __m256
#define EIGHT_LOAD _mm256_load_ps
#define EIGHT_STORE _mm256_store_ps

KERNEL static inline __m128 avx2_sums4(__m256 a, __m256 b, __m256 c, __m256 d) {
    __m256 all = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
    return _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1));
}

KERNEL static inline __m256 avx2_abs_most(__m256 a, __m256 b) {
    const __m256 sign = _mm256_set1_ps(-0.0f);
    return _mm256_max_ps(_mm256_andnot_ps(sign, a), _mm256_andnot_ps(sign, b));
}

KERNEL static inline float avx2_sum_of(__m256 a) {
    __m128 rest = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    rest = _mm_add_ps(rest, _mm_movehl_ps(rest, rest));
    return _mm_cvtss_f32(_mm_add_ss(rest, _mm_movehdup_ps(rest)));
}

#include "train/kernel_gains8.h"

#include "train/kernel_body.h"

const vni_train_kernels vni_train_avx2 = {"avx2",      VNI_CPU_AVX2, avx2_step, avx2_sum,
                                          avx2_spread, avx2_gather,  avx2_glove};
#endif
