/* For the AVX-512 kernels: sums across the lanes of vectors, many at a time. KERNEL is the target attribute. */

/* Pairs of lanes: of a, of b. Twice over, four vectors of sums become one of four lanes for each: a, b, c and d
 * in fold(fold(a, c), fold(b, d)). */
KERNEL static inline __m512 fold(__m512 a, __m512 b) {
    return _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
}

/* Quarters of 128 bits: the sum of both halves of a, then that of b. */
KERNEL static inline __m512 gather(__m512 a, __m512 b) {
    return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xDD));
}
