/* AVX-512: a row of 100 dimensions is six and a half registers, and two columns of six outputs, what becomes
 * of them and an input's share of both fit into the thirty-two. Sigmoids are taken eight at a time, as many as an
 * average window has inputs. */
#include "train/train_impl.h"

#include "base/base_impl.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <math.h>

#define KERNEL __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")))
#define NAME(x) avx512_##x
#define VECTOR __m512
#define LANES 16
#define DOT_OUTPUTS 6
#define UPDATE_COLUMNS 2
#define COLUMNS 8
#define LAST_COLUMNS COLUMNS_CASE(4) COLUMNS_CASE(5) COLUMNS_CASE(6) COLUMNS_CASE(7)
#define LOAD _mm512_load_ps
#define STORE _mm512_store_ps
#define SET1 _mm512_set1_ps
#define ZERO _mm512_setzero_ps()
#define ADD _mm512_add_ps
#define SUB _mm512_sub_ps
#define MUL _mm512_mul_ps
#define FMA _mm512_fmadd_ps
#define DIV _mm512_div_ps
#define ROOT _mm512_sqrt_ps
#define AND _mm512_and_ps
#define OR _mm512_or_ps
#define ABS_MOST(a, b) _mm512_range_ps(a, b, 0xB)
#define ABOVE(a, b) (_mm512_cmp_ps_mask(a, b, _CMP_GT_OQ) != 0)
#define SUM avx512_sum_of
#define SUMS4 avx512_sums4
#define VECTOR_GAINS avx512_vector_gains
#define TWO avx512_two
#define EIGHT __m256
#define EIGHT_LOAD _mm256_load_ps
#define EIGHT_STORE _mm256_store_ps

#include "train/kernel_fold.h"

KERNEL static inline __m128 avx512_sums4(__m512 a, __m512 b, __m512 c, __m512 d) {
    __m512 all = fold(fold(a, c), fold(b, d));
    __m256 half = _mm256_add_ps(_mm512_castps512_ps256(all), _mm512_extractf32x8_ps(all, 1));
    return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
}

KERNEL static inline float avx512_sum_of(__m512 a) {
    __m256 half = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    __m128 rest = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
    rest = _mm_add_ps(rest, _mm_movehl_ps(rest, rest));
    return _mm_cvtss_f32(_mm_add_ss(rest, _mm_movehdup_ps(rest)));
}

#include "train/kernel_gains8.h"

#define GAINS avx512_vector_gains
#define GAIN_VECTOR __m512
#define G(op) _mm512_##op##_ps
#define G_BITS(op) _mm512_##op##_epi32
#define G_ROUND(x) _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)
#define G_WHOLE _mm512_cvtps_epi32
#define G_FLOATS _mm512_castsi512_ps
#include "train/kernel_gains.h"

/* Eight times one number, eight times the next. */
KERNEL static inline __m512 avx512_two(const float *numbers) {
    return _mm512_insertf32x8(_mm512_set1_ps(numbers[0]), _mm256_set1_ps(numbers[1]), 1);
}

#include "train/kernel_body.h"

static void avx512_any_step(const vni_step *step) {
    if (!vni_avx512_window(step))
        avx512_step(step);
}

const vni_train_kernels vni_train_avx512 = {"avx512",    VNI_CPU_AVX512, avx512_any_step,
                                            avx512_sum,  avx512_spread,  avx512_gather,
                                            avx512_glove};
/* The same but for the step. */
const vni_train_kernels vni_train_bf16 = {
    "avx512-bf16", VNI_CPU_AVX512 | VNI_CPU_AVX512BF16 | VNI_CPU_FASTBF16,
    vni_bf16_step, avx512_sum,
    avx512_spread, avx512_gather,
    avx512_glove};
#endif
