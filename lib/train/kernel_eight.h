/* (label - sigmoid(x)) * rate of eight numbers, for both x86 kernels. exp(-x) is 2^n times a
 * polynomial on [-ln2/2, ln2/2], with the coefficients of the Cephes expf; vni_sigmoid does the same
 * one number at a time. */

KERNEL static inline __m256 NAME(eight_gains)(__m256 x, __m256 label, __m256 rate) {
    const __m256 one = _mm256_set1_ps(1.0f);
    __m256 n, r, p, power;
    x = _mm256_min_ps(_mm256_max_ps(x, _mm256_set1_ps(-80.0f)), _mm256_set1_ps(80.0f));
    x = _mm256_sub_ps(_mm256_setzero_ps(), x);
    n = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(1.44269504089f)),
                        _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    r = _mm256_fmadd_ps(n, _mm256_set1_ps(-0.693359375f), x);
    r = _mm256_fmadd_ps(n, _mm256_set1_ps(2.12194440e-4f), r);
    p = _mm256_fmadd_ps(_mm256_set1_ps(1.9875691500e-4f), r, _mm256_set1_ps(1.3981999507e-3f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(8.3334519073e-3f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(4.1665795894e-2f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.6666665459e-1f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(5.0000001201e-1f));
    p = _mm256_fmadd_ps(_mm256_mul_ps(p, r), r, _mm256_add_ps(r, one));
    power = _mm256_castsi256_ps(
        _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
    p = _mm256_div_ps(one, _mm256_fmadd_ps(p, power, one));
    return _mm256_mul_ps(_mm256_sub_ps(label, p), rate);
}
