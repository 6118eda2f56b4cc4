/* AVX-512 for what skip-gram takes nearly always: a window's inputs against two to six outputs. Gains come out
 * of the registers in which the sums of their products are, sixteen at a time, and inputs go four at a time: the
 * gains of some are on their way while others are multiplied. Through memory, a read of sixteen numbers that
 * were written four at a time would wait for all writes before it, those of the last step's rows included.
 *
 * Rows are taken in whole vectors: half ones would leave the second unit for products idle on Intel's cores.
 *
 * Other shapes, and steps of which the logits are wanted, are the general kernel's. */
#include "train/train_impl.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define KERNEL __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")))
#define INLINE KERNEL static inline __attribute__((always_inline))
#include "train/kernel_fold.h"

enum { LANES = 16, OUTPUTS = 6, INPUTS = 64, BLOCK = 4, COLUMNS = 2 };
enum { BLOCK_GAINS = 2 * LANES }; /* floats that a block of inputs has for its gains */

/* (label - sigmoid(x)) * rate, the sigmoid to within 1e-6: exp is a power of two times the first six terms of
 * 2^r's series, r within a half. Runs into 0 and 1 by itself. */
INLINE __m512 gains_of(__m512 x, __m512 label, __m512 rate) {
    const __m512 one = _mm512_set1_ps(1.0f);
    __m512 t = _mm512_mul_ps(x, _mm512_set1_ps(-1.44269504089f)), n, r, p;
    n = _mm512_roundscale_ps(t, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    r = _mm512_sub_ps(t, n);
    p = _mm512_fmadd_ps(r, _mm512_set1_ps(1.3333558e-3f), _mm512_set1_ps(9.6181291e-3f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(5.5504109e-2f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(2.4022651e-1f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(6.9314718e-1f));
    p = _mm512_fmadd_ps(p, r, one);
    p = _mm512_div_ps(one, _mm512_add_ps(_mm512_scalef_ps(p, n), one));
    return _mm512_mul_ps(_mm512_sub_ps(label, p), rate);
}

/* Labels and rates beside the gains of a block. Of three or four inputs: four times that of each output. Of one
 * or two: twice. */
typedef struct abouts {
    __m512 labels[3], rates[3]; /* the first four outputs, the last two, all of a small block */
} abouts;

INLINE abouts abouts_of(const vni_step *step) {
    const __m512i order[3] = {_mm512_set_epi32(3, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0),
                              _mm512_set_epi32(5, 5, 5, 5, 4, 4, 4, 4, 5, 5, 5, 5, 4, 4, 4, 4),
                              _mm512_set_epi32(5, 5, 4, 4, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0)};
    __m512 labels = _mm512_zextps256_ps512(_mm256_load_ps(step->labels));
    __m512 rates = _mm512_zextps256_ps512(_mm256_load_ps(step->rates));
    abouts made;
#pragma GCC unroll 3
    for (size_t k = 0; k < 3; k++) {
        made.labels[k] = _mm512_permutexvar_ps(order[k], labels);
        made.rates[k] = _mm512_permutexvar_ps(order[k], rates);
    }
    return made;
}

/* Gains of three or four inputs: gains[4 * j + i]. */
INLINE void wide_gains(__m512 (*sums)[BLOCK], const size_t outputs, const abouts *about,
                       float *gains) {
    __m512 all[OUTPUTS];
#pragma GCC unroll 6
    for (size_t j = 0; j < OUTPUTS; j++) {
        const __m512 *s = sums[j < outputs ? j : outputs - 1];
        all[j] = fold(fold(s[0], s[2]), fold(s[1], s[3]));
    }
    _mm512_store_ps(gains, gains_of(gather(gather(all[0], all[1]), gather(all[2], all[3])),
                                    about->labels[0], about->rates[0]));
    if (outputs > 4) {
        __m512 two = gather(all[4], all[5]);
        _mm512_store_ps(gains + LANES,
                        gains_of(gather(two, two), about->labels[1], about->rates[1]));
    }
}

/* Gains of one or two inputs: gains[2 * j + i]. */
INLINE void narrow_gains(__m512 (*sums)[BLOCK], const size_t outputs, const abouts *about,
                         float *gains) {
    __m512 all[OUTPUTS / 2];
#pragma GCC unroll 3
    for (size_t j = 0; j < OUTPUTS / 2; j++) {
        const __m512 *s = sums[2 * j < outputs ? 2 * j : 0];
        const __m512 *t = sums[2 * j + 1 < outputs ? 2 * j + 1 : 0];
        all[j] = fold(fold(s[0], t[0]), fold(s[1], t[1]));
    }
    _mm512_store_ps(gains, gains_of(gather(gather(all[0], all[1]), gather(all[2], all[2])),
                                    about->labels[2], about->rates[2]));
}

INLINE void block_gains(const vni_step *step, size_t i, const size_t inputs, const size_t outputs,
                        const abouts *about, float *gains) {
    __m512 sums[OUTPUTS][BLOCK];
    const float *in[BLOCK];
#pragma GCC unroll 4
    for (size_t k = 0; k < inputs; k++)
        in[k] = step->inputs[i + k];
#pragma GCC unroll 6
    for (size_t j = 0; j < outputs; j++)
#pragma GCC unroll 4
        for (size_t k = 0; k < BLOCK; k++)
            sums[j][k] = _mm512_setzero_ps();
    for (size_t at = 0; at < step->width; at += LANES) {
        __m512 x[BLOCK];
#pragma GCC unroll 4
        for (size_t k = 0; k < inputs; k++)
            x[k] = _mm512_load_ps(in[k] + at);
#pragma GCC unroll 6
        for (size_t j = 0; j < outputs; j++) {
            __m512 u = _mm512_load_ps(step->outputs[j] + at);
#pragma GCC unroll 4
            for (size_t k = 0; k < inputs; k++)
                sums[j][k] = _mm512_fmadd_ps(x[k], u, sums[j][k]);
        }
    }
    if (inputs > 2)
        wide_gains(sums, outputs, about, gains);
    else
        narrow_gains(sums, outputs, about, gains);
}

INLINE void all_gains(const vni_step *step, const size_t outputs, float *gains) {
    const abouts about = abouts_of(step);
    size_t i = 0;
    for (; i + BLOCK <= step->input_count; i += BLOCK, gains += BLOCK_GAINS)
        block_gains(step, i, BLOCK, outputs, &about, gains);
    switch (step->input_count - i) {
    case 3:
        block_gains(step, i, 3, outputs, &about, gains);
        break;
    case 2:
        block_gains(step, i, 2, outputs, &about, gains);
        break;
    case 1:
        block_gains(step, i, 1, outputs, &about, gains);
        break;
    default:
        break;
    }
}

/* Both updates of an input; an output's gain is `stride` behind the one before. */
INLINE void move(float *input, const size_t outputs, const size_t columns, __m512 (*old)[COLUMNS],
                 __m512 (*fresh)[COLUMNS], const float *gains, const size_t stride) {
    __m512 x[COLUMNS], moved[COLUMNS];
#pragma GCC unroll 2
    for (size_t k = 0; k < columns; k++)
        moved[k] = x[k] = _mm512_load_ps(input + k * LANES);
#pragma GCC unroll 6
    for (size_t j = 0; j < outputs; j++) {
        __m512 g = _mm512_set1_ps(gains[j * stride]);
#pragma GCC unroll 2
        for (size_t k = 0; k < columns; k++) {
            moved[k] = _mm512_fmadd_ps(g, old[j][k], moved[k]);
            fresh[j][k] = _mm512_fmadd_ps(g, x[k], fresh[j][k]);
        }
    }
#pragma GCC unroll 2
    for (size_t k = 0; k < columns; k++)
        _mm512_store_ps(input + k * LANES, moved[k]);
}

/* Both updates of some columns. Rows that are coming are asked for meanwhile. */
INLINE void update(const vni_step *step, const size_t outputs, size_t at, const size_t columns,
                   const float *gains) {
    __m512 old[OUTPUTS][COLUMNS], fresh[OUTPUTS][COLUMNS];
    size_t i = 0, left = step->input_count;
#pragma GCC unroll 6
    for (size_t j = 0; j < outputs; j++)
#pragma GCC unroll 2
        for (size_t k = 0; k < columns; k++)
            old[j][k] = fresh[j][k] = _mm512_load_ps(step->outputs[j] + at + k * LANES);
    vni_step_fetch(step, at, columns * LANES);
    for (; left > 2; gains += BLOCK_GAINS) {
        const size_t some = left < BLOCK ? left : BLOCK;
        for (size_t k = 0; k < some; k++)
            move(step->inputs[i + k] + at, outputs, columns, old, fresh, gains + k, BLOCK);
        i += some;
        left -= some;
    }
    for (size_t k = 0; k < left; k++)
        move(step->inputs[i + k] + at, outputs, columns, old, fresh, gains + k, 2);
#pragma GCC unroll 6
    for (size_t j = 0; j < outputs; j++)
#pragma GCC unroll 2
        for (size_t k = 0; k < columns; k++)
            _mm512_store_ps(step->outputs[j] + at + k * LANES, fresh[j][k]);
}

INLINE void window(const vni_step *step, const size_t outputs) {
    float gains[INPUTS / BLOCK * BLOCK_GAINS] __attribute__((aligned(64)));
    size_t at = 0;
    all_gains(step, outputs, gains);
    for (; at + COLUMNS * LANES <= step->width; at += COLUMNS * LANES)
        update(step, outputs, at, COLUMNS, gains);
    for (; at < step->width; at += LANES)
        update(step, outputs, at, 1, gains);
}

#define WINDOW_CASE(m)                                                                             \
    case m:                                                                                        \
        window(step, m);                                                                           \
        return 1;

KERNEL int vni_avx512_window(const vni_step *step) {
    if (step->input_count < 2 || step->input_count > INPUTS || step->logits_wanted)
        return 0;
    switch (step->output_count) {
        WINDOW_CASE(2)
        WINDOW_CASE(3)
        WINDOW_CASE(4)
        WINDOW_CASE(5)
        WINDOW_CASE(6)
    default:
        return 0;
    }
}
#endif
