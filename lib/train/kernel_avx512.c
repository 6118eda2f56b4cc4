/* AVX-512: a row of 100 dimensions is seven registers, and six outputs, what becomes of them and an
 * input's share of both fit into the thirty-two. Sigmoids are taken eight at a time, as many as an
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
#define MIN _mm512_min_ps
#define MAX _mm512_max_ps
#define GUESS_ROOT(x)                                                                              \
    _mm512_castsi512_ps(_mm512_sub_epi32(_mm512_set1_epi32(0x5f375a86),                            \
                                         _mm512_srli_epi32(_mm512_castps_si512(x), 1)))
#define SUMS4 avx512_sums4
#define EIGHT __m256
#define EIGHT_SET1 _mm256_set1_ps
#define EIGHT_LOAD _mm256_load_ps
#define EIGHT_STORE _mm256_store_ps

KERNEL static inline __m512 avx512_fold(__m512 a, __m512 b) { /* pairs of lanes: of a, of b */
    return _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
}

KERNEL static inline __m128 avx512_sums4(__m512 a, __m512 b, __m512 c, __m512 d) {
    __m512 ac = avx512_fold(a, c), bd = avx512_fold(b, d), all = avx512_fold(ac, bd);
    __m256 half = _mm256_add_ps(_mm512_castps512_ps256(all), _mm512_extractf32x8_ps(all, 1));
    return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
}

#include "train/kernel_eight.h"

#include "train/kernel_body.h"

const vni_train_kernels vni_train_avx512 = {"avx512",      VNI_CPU_AVX512, avx512_step, avx512_sum,
                                            avx512_spread, avx512_gather,  avx512_glove};
#endif
