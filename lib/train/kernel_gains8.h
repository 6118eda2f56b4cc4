/* eight_gains of kernel_gains.h: both x86 kernels have it, for all that is done eight numbers at a time. */
#define GAINS NAME(eight_gains)
#define GAIN_VECTOR __m256
#define G(op) _mm256_##op##_ps
#define G_BITS(op) _mm256_##op##_epi32
#define G_ROUND(x) _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)
#define G_WHOLE _mm256_cvtps_epi32
#define G_FLOATS _mm256_castsi256_ps
#include "train/kernel_gains.h"
