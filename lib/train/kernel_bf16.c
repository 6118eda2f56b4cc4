/* AVX-512 with products of bfloat16: an instruction multiplies two pairs of numbers of eight bits and adds both
 * to a float, so that a step takes half as many. Rows and sums stay floats; only factors are rounded, which puts
 * a product off by at most 2^-7 of itself, to either side, far less than which words were drawn.
 *
 * Sums over a row go two inputs a register, one in each half, for a pair of them is what an output is multiplied
 * with in the update as well: (x[i], x[i + 1]) beside each other in a lane against both gains. The other way
 * round it is two outputs and one input. Gains are kept as both kinds of pairs.
 *
 * The float kernel takes what does not fit: one input, one output or more than twelve, more than 32 inputs, a
 * row that stands twice in a pair, and steps of which the logits are wanted. */
#include "train/train_impl.h"

#include "base/base_impl.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define KERNEL __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,avx2,fma")))
#include "train/kernel_fold.h"

enum { LANES = 16, OUTPUTS = 12, INPUTS = 32, GROUPS = OUTPUTS / 4, PAIRS = INPUTS / 2 };

/* Lane by lane a number of each, rounded. */
KERNEL static inline __m512bh pair(__m512 low, __m512 high) {
    const __m512i half = _mm512_set1_epi32(0x8000), mask = _mm512_set1_epi32((int)0xFFFF0000u);
    __m512i a = _mm512_srli_epi32(_mm512_add_epi32(_mm512_castps_si512(low), half), 16);
    __m512i b = _mm512_add_epi32(_mm512_castps_si512(high), half);
    return (__m512bh)_mm512_ternarylogic_epi32(a, b, mask, 0xF8); /* a | (b & mask) */
}

KERNEL static inline __m256bh half_pair(__m256 low, __m256 high) {
    const __m256i half = _mm256_set1_epi32(0x8000), mask = _mm256_set1_epi32((int)0xFFFF0000u);
    __m256i a = _mm256_srli_epi32(_mm256_add_epi32(_mm256_castps_si256(low), half), 16);
    __m256i b = _mm256_add_epi32(_mm256_castps_si256(high), half);
    return (__m256bh)_mm256_ternarylogic_epi32(a, b, mask, 0xF8);
}

/* (label - sigmoid(x)) * rate to within 2^-12, as far as anything of a factor is kept: exp is a power of two
 * times a polynomial of the third degree, and nothing is divided. Runs into 0 and 1 by itself. */
KERNEL static inline __m512 gains_of(__m512 x, __m512 label, __m512 rate) {
    const __m512 one = _mm512_set1_ps(1.0f);
    __m512 t = _mm512_mul_ps(x, _mm512_set1_ps(-1.44269504089f)), n, r, p;
    n = _mm512_roundscale_ps(t, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    r = _mm512_sub_ps(t, n);
    p = _mm512_fmadd_ps(r, _mm512_set1_ps(0.055171668f), _mm512_set1_ps(0.242611122f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.693260986f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.999928074f));
    p = _mm512_rcp14_ps(_mm512_add_ps(_mm512_scalef_ps(p, n), one));
    return _mm512_mul_ps(_mm512_sub_ps(label, p), rate);
}

/* Gains as they are multiplied, of two inputs and up to four outputs: for each output those of both inputs;
 * for each input, and two outputs after two, those of both outputs (along_at). */
typedef struct factors {
    uint32_t across[4];
    uint32_t along[4];
} factors;

typedef struct group { /* of four outputs, once an input */
    __m512 labels, rates;
} group;

/* (first input, second input) of every number of g. */
KERNEL static inline __m512i beside(__m512 g) {
    return (__m512i)pair(g, _mm512_shuffle_f32x4(g, g, 0xB1));
}

/* Three or four outputs of up to two pairs of inputs. */
KERNEL static inline __attribute__((always_inline)) void
wide_factors(__m512 (*sums)[OUTPUTS], const size_t pairs, const size_t outputs, group about,
             factors *out, size_t stride) {
    __m512 of[2], g;
    __m512i across;
    __m256i along;
#pragma GCC unroll 2
    for (size_t p = 0; p < 2; p++) {
        const __m512 *sum = sums[p < pairs ? p : 0];
        of[p] = fold(fold(sum[0], sum[2]), fold(sum[1], sum[outputs > 3 ? 3 : 2]));
    }
    g = gains_of(gather(of[0], of[1]), about.labels, about.rates);
    across = beside(g);
    along = (__m256i)_mm512_cvtneps_pbh(g);
    _mm_store_si128((__m128i *)out->across, _mm512_castsi512_si128(across));
    _mm_store_si128((__m128i *)out->along, _mm256_castsi256_si128(along));
    if (pairs > 1) {
        _mm_store_si128((__m128i *)out[stride].across, _mm512_extracti32x4_epi32(across, 2));
        _mm_store_si128((__m128i *)out[stride].along, _mm256_extracti128_si256(along, 1));
    }
}

/* One or two outputs of up to four pairs. */
KERNEL static inline __attribute__((always_inline)) void
narrow_factors(__m512 (*sums)[OUTPUTS], const size_t pairs, const size_t outputs, group about,
               factors *out, size_t stride) {
    const __m256i order = _mm256_set_epi32(7, 5, 6, 4, 3, 1, 2, 0);
    __m512d two[4];
    __m512 of[2], g;
    __m512i across;
    __m256i along;
#pragma GCC unroll 4
    for (size_t p = 0; p < 4; p++) {
        const __m512 *sum = sums[p < pairs ? p : 0];
        two[p] = _mm512_castps_pd(fold(sum[0], sum[outputs > 1 ? 1 : 0]));
    }
#pragma GCC unroll 2
    for (size_t p = 0; p < 4; p += 2)
        of[p / 2] = _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(two[p], two[p + 1])),
                                  _mm512_castpd_ps(_mm512_unpackhi_pd(two[p], two[p + 1])));
    g = gains_of(gather(of[0], of[1]), about.labels, about.rates);
    across = beside(g);
    across = _mm512_shuffle_i32x4(across, across, 0x88);
    along = _mm256_permutevar8x32_epi32((__m256i)_mm512_cvtneps_pbh(g), order);
#pragma GCC unroll 4
    for (size_t p = 0; p < pairs; p++) {
        __m128i a = p < 2 ? _mm512_castsi512_si128(across) : _mm512_extracti32x4_epi32(across, 1);
        __m128i b = p < 2 ? _mm256_castsi256_si128(along) : _mm256_extracti128_si256(along, 1);
        if (p % 2) {
            a = _mm_unpackhi_epi64(a, a);
            b = _mm_unpackhi_epi64(b, b);
        }
        _mm_storel_epi64((__m128i *)out[p * stride].across, a);
        _mm_storel_epi64((__m128i *)out[p * stride].along, b);
    }
}

/* Gains of some pairs of inputs, the last of which may be an input and itself. */
KERNEL static inline __attribute__((always_inline)) void
some_gains(const vni_step *step, size_t i, const size_t pairs, const size_t outputs, size_t width,
           const group *about, factors *out) {
    __m512 sums[4][OUTPUTS];
    const size_t groups = (outputs + 3) / 4;
    const float *in[8];
#pragma GCC unroll 8
    for (size_t k = 0; k < 2 * pairs; k++)
        in[k] = step->inputs[i + k < step->input_count ? i + k : i];
#pragma GCC unroll 4
    for (size_t p = 0; p < pairs; p++)
#pragma GCC unroll 12
        for (size_t j = 0; j < outputs; j++)
            sums[p][j] = _mm512_setzero_ps();
    for (size_t at = 0; at < width; at += LANES) {
        __m512bh x[4];
#pragma GCC unroll 4
        for (size_t p = 0; p < pairs; p++)
            x[p] = _mm512_cvtne2ps_pbh(_mm512_load_ps(in[2 * p + 1] + at),
                                       _mm512_load_ps(in[2 * p] + at));
#pragma GCC unroll 12
        for (size_t j = 0; j < outputs; j++) {
            __m512 row = _mm512_load_ps(step->outputs[j] + at);
            __m512bh u = _mm512_cvtne2ps_pbh(row, row);
#pragma GCC unroll 4
            for (size_t p = 0; p < pairs; p++)
                sums[p][j] = _mm512_dpbf16_ps(sums[p][j], x[p], u);
        }
    }
#pragma GCC unroll 3
    for (size_t j = 0; j < outputs; j += 4) {
        const size_t some = outputs - j < 4 ? outputs - j : 4;
        __m512 these[4][OUTPUTS];
#pragma GCC unroll 4
        for (size_t p = 0; p < pairs; p++)
#pragma GCC unroll 4
            for (size_t k = 0; k < some; k++)
                these[p][k] = sums[p][j + k];
        if (some < 3) {
            narrow_factors(these, pairs, some, about[j / 4], out + j / 4, groups);
            continue;
        }
        wide_factors(these, pairs < 2 ? pairs : 2, some, about[j / 4], out + j / 4, groups);
        if (pairs > 2)
            wide_factors(these + 2, pairs - 2, some, about[j / 4], out + 2 * groups + j / 4,
                         groups);
    }
}

KERNEL static inline __attribute__((always_inline)) void
all_gains(const vni_step *step, const size_t outputs, size_t width, factors *out) {
    const size_t groups = (outputs + 3) / 4, most = outputs > 8 ? 2 : outputs > 6 ? 3 : 4;
    size_t left = (step->input_count + 1) / 2, i = 0;
    group about[GROUPS];
#pragma GCC unroll 3
    for (size_t j = 0; j < outputs; j += 4) {
        const __mmask8 used = (__mmask8)(outputs - j >= 4 ? 15 : (1 << (outputs - j)) - 1);
        __m128 labels = _mm_loadu_ps(step->labels + j),
               rates = _mm_maskz_loadu_ps(used, step->rates + j);
        if (outputs - j < 3) {
            labels = _mm_movelh_ps(labels, labels);
            rates = _mm_movelh_ps(rates, rates);
        }
        about[j / 4].labels = _mm512_broadcast_f32x4(labels);
        about[j / 4].rates = _mm512_broadcast_f32x4(rates);
    }
    while (left > 0) {
        size_t now = left < most ? left : left == most + 1 && most > 2 ? most - 1 : most;
        if (most > 3 && now == 4)
            some_gains(step, i, 4, outputs, width, about, out);
        else if (most > 2 && now == 3)
            some_gains(step, i, 3, outputs, width, about, out);
        else if (now == 2)
            some_gains(step, i, 2, outputs, width, about, out);
        else
            some_gains(step, i, 1, outputs, width, about, out);
        out += now * groups;
        i += 2 * now;
        left -= now;
    }
}

KERNEL static inline __m256bh half_broadcast(const uint32_t *two) {
    return (__m256bh)_mm256_set1_epi32((int)*two);
}

KERNEL static inline __m512bh broadcast(const uint32_t *two) {
    return (__m512bh)_mm512_set1_epi32((int)*two);
}

/* Where in its group two outputs and an input have their factor. */
static inline size_t along_at(size_t outputs, size_t j, size_t input) {
    return outputs - j / 4 * 4 < 3 ? input : 2 * input + j / 2 % 2;
}

#define MOVE_INPUT half_move_input
#define MOVE half_move
#define UPDATE half_update
#define U_VECTOR __m256
#define U_FACTORS __m256bh
#define U_LANES 8
#define U_COLUMNS 1
#define U_LOAD _mm256_load_ps
#define U_STORE _mm256_store_ps
#define U_ZERO _mm256_setzero_ps()
#define U_PRODUCTS _mm256_dpbf16_ps
#define U_PAIR half_pair
#define U_BROADCAST half_broadcast
#include "train/kernel_bf16_update.h"

#define MOVE_INPUT move_input
#define MOVE move
#define UPDATE update
#define U_VECTOR __m512
#define U_FACTORS __m512bh
#define U_LANES LANES
#define U_COLUMNS 2
#define U_LOAD _mm512_load_ps
#define U_STORE _mm512_store_ps
#define U_ZERO _mm512_setzero_ps()
#define U_PRODUCTS _mm512_dpbf16_ps
#define U_PAIR pair
#define U_BROADCAST broadcast
#include "train/kernel_bf16_update.h"

KERNEL static inline __attribute__((always_inline)) void
all_updates(const vni_step *step, const size_t outputs, const factors *by) {
    const size_t width = step->width;
    size_t at = 0;
    if (outputs <= 6)
        for (; at + 2 * LANES <= width; at += 2 * LANES) {
            vni_step_fetch(step, at, 2 * LANES);
            update(step, outputs, at, 2, by);
        }
    vni_step_fetch(step, at, width - at);
    for (; at + LANES <= width; at += LANES)
        update(step, outputs, at, 1, by);
    if (at < width)
        half_update(step, outputs, at, 1, by);
}

#define STEP_CASE(m)                                                                               \
    case m:                                                                                        \
        all_gains(step, m, width, by);                                                             \
        all_updates(step, m, by);                                                                  \
        break;

KERNEL void vni_bf16_step(const vni_step *step) {
    factors by[GROUPS * PAIRS] __attribute__((aligned(64)));
    size_t width = vni_padded(step->width);
    int alone = step->input_count == 1 || step->input_count > INPUTS || step->logits_wanted;
    for (size_t i = 0; i + 1 < step->input_count; i += 2)
        alone |= step->inputs[i] == step->inputs[i + 1];
    if (alone) {
        vni_train_avx512.step(step);
        return;
    }
    switch (step->output_count) {
        STEP_CASE(2)
        STEP_CASE(3)
        STEP_CASE(4)
        STEP_CASE(5)
        STEP_CASE(6)
        STEP_CASE(7)
        STEP_CASE(8)
        STEP_CASE(9)
        STEP_CASE(10)
        STEP_CASE(11)
        STEP_CASE(12)
    default:
        vni_train_avx512.step(step);
    }
}
#endif
