/* The kernels, written once for vectors of any length. A file for one set of instructions defines
 *   KERNEL          the target attribute
 *   VECTOR, LANES   a vector of floats and how many it holds (16 or 8)
 *   LOAD STORE SET1 ZERO ADD SUB MUL, FMA(a, b, c) = a * b + c; EIGHT and EIGHT_* for eight floats
 *   SUMS4(a, b, c, d)  an __m128 of the four vectors' sums
 *   SUM(a)          the sum of a vector; ABS_MOST(a, b) the larger ones of both's absolute values
 *   AND OR of bits, DIV, ROOT(a), ABOVE(a, b) whether any a is above its b
 *   VECTOR_GAINS(x, label, rate) of kernel_gains.h; TWO(a)  half a vector of a[0] and half of a[1]
 *   UPDATE_COLUMNS  vectors of a row that an update of six outputs takes at a time
 *   COLUMNS         vectors of a row that fit into the registers twice over; LAST_COLUMNS the cases
 *                   COLUMNS_CASE(4) and so on below it
 *   DOT_OUTPUTS     outputs whose products with four inputs fit into the registers
 *   NAME(x)         the name of a function here
 * and includes this. Loops with constant bounds are unrolled, so that the arrays live in registers.
 *
 * A step reads each row twice: once for all products, once for both updates. In the second everything
 * of one column of vectors (of two, where registers do, so that a gain is read half as often) is done
 * before the next is looked at: six outputs and what becomes of them stay in registers while the inputs
 * pass. A single input (CBOW, PV-DBOW) stays there itself. */

enum { STEP_OUTPUTS = 6 };

/* Products of up to four inputs with a few outputs into logits[j * stride]. */
KERNEL static inline __attribute__((always_inline)) void
NAME(products)(float *const *inputs, const size_t input_count, float *const *outputs,
               const size_t output_count, size_t width, float *logits, size_t stride) {
    VECTOR sums[DOT_OUTPUTS][4];
    const float *in[4], *out[DOT_OUTPUTS];
#pragma GCC unroll 4
    for (size_t i = 0; i < input_count; i++)
        in[i] = inputs[i];
#pragma GCC unroll 8
    for (size_t j = 0; j < output_count; j++) {
        out[j] = outputs[j];
#pragma GCC unroll 4
        for (size_t i = 0; i < 4; i++)
            sums[j][i] = ZERO;
    }
    for (size_t at = 0; at < width; at += LANES) {
        VECTOR x[4];
#pragma GCC unroll 4
        for (size_t i = 0; i < input_count; i++)
            x[i] = LOAD(in[i] + at);
#pragma GCC unroll 8
        for (size_t j = 0; j < output_count; j++) {
            VECTOR u = LOAD(out[j] + at);
#pragma GCC unroll 4
            for (size_t i = 0; i < input_count; i++)
                sums[j][i] = FMA(x[i], u, sums[j][i]);
        }
    }
#pragma GCC unroll 8
    for (size_t j = 0; j < output_count; j++) {
        if (input_count > 2) {
            _mm_store_ps(logits + j * stride,
                         SUMS4(sums[j][0], sums[j][1], sums[j][2], sums[j][3]));
        } else if (j % 2 == 0) { /* two outputs at a time */
            const size_t next = j + 1 < output_count ? j + 1 : j;
            __m128 four = SUMS4(sums[j][0], sums[j][1], sums[next][0], sums[next][1]);
            _mm_storel_pi((__m64 *)(logits + j * stride), four);
            _mm_storeh_pi((__m64 *)(logits + next * stride), four);
        }
    }
}

#define PRODUCTS(n, m)                                                                             \
    NAME(products)(in, n, out, (m) < DOT_OUTPUTS ? (m) : DOT_OUTPUTS, step->width, logits, stride)
#define PRODUCTS_OF(n)                                                                             \
    switch (outputs) {                                                                             \
    case 1:                                                                                        \
        PRODUCTS(n, 1);                                                                            \
        break;                                                                                     \
    case 2:                                                                                        \
        PRODUCTS(n, 2);                                                                            \
        break;                                                                                     \
    case 3:                                                                                        \
        PRODUCTS(n, 3);                                                                            \
        break;                                                                                     \
    case 4:                                                                                        \
        PRODUCTS(n, 4);                                                                            \
        break;                                                                                     \
    case 5:                                                                                        \
        PRODUCTS(n, 5);                                                                            \
        break;                                                                                     \
    default:                                                                                       \
        PRODUCTS(n, 6);                                                                            \
    }

/* Products of one input with four outputs. */
KERNEL static inline __attribute__((always_inline)) void
NAME(four_products)(const float *in, float *const *outputs, size_t width, float *logits) {
    const float *a = outputs[0], *b = outputs[1], *c = outputs[2], *d = outputs[3];
    VECTOR sum_a = ZERO, sum_b = ZERO, sum_c = ZERO, sum_d = ZERO;
    for (size_t at = 0; at < width; at += LANES) {
        VECTOR x = LOAD(in + at);
        sum_a = FMA(x, LOAD(a + at), sum_a);
        sum_b = FMA(x, LOAD(b + at), sum_b);
        sum_c = FMA(x, LOAD(c + at), sum_c);
        sum_d = FMA(x, LOAD(d + at), sum_d);
    }
    _mm_store_ps(logits, SUMS4(sum_a, sum_b, sum_c, sum_d));
}

/* All of a single input: logits and gains side by side. */
KERNEL static void NAME(single_gains)(const vni_step *step) {
    size_t whole = step->output_count / 4 * 4;
    for (size_t j = 0; j < whole; j += 4)
        NAME(four_products)(step->inputs[0], step->outputs + j, step->width, step->logits + j);
    if (whole < step->output_count) { /* the last ones, with one of them for those that lack */
        float *last[4];
        for (size_t j = 0; j < 4; j++)
            last[j] = step->outputs[whole + j < step->output_count ? whole + j : whole];
        NAME(four_products)(step->inputs[0], last, step->width, step->logits + whole);
    }
    for (size_t j = 0; j < step->output_count; j += 8) {
        EIGHT x = EIGHT_LOAD(step->logits + j);
        EIGHT_STORE(step->gains + j, NAME(eight_gains)(x, EIGHT_LOAD(step->labels + j),
                                                       EIGHT_LOAD(step->rates + j)));
    }
}

/* Both updates of a single input, some vectors of a row at a time: the input and what it gets stay in
 * registers while the outputs pass, each of which is read and written once. */
KERNEL static inline __attribute__((always_inline)) void
NAME(single_columns)(const vni_step *step, size_t at, const size_t vectors) {
    VECTOR x[COLUMNS], move[COLUMNS];
    float *input = step->inputs[0] + at;
#pragma GCC unroll 8
    for (size_t k = 0; k < vectors; k++) {
        x[k] = LOAD(input + k * LANES);
        move[k] = x[k];
    }
    for (size_t j = 0; j < step->output_count; j++) {
        VECTOR g = SET1(step->gains[j]);
        float *output = step->outputs[j] + at;
        if (j < step->coming_count)
            vni_row_fetch(step->coming[j], at, vectors * LANES);
#pragma GCC unroll 8
        for (size_t k = 0; k < vectors; k++) {
            VECTOR u = LOAD(output + k * LANES);
            move[k] = FMA(g, u, move[k]);
            STORE(output + k * LANES, FMA(g, x[k], u));
        }
    }
    for (size_t j = step->output_count; j < step->coming_count; j++)
        vni_row_fetch(step->coming[j], at, vectors * LANES);
#pragma GCC unroll 8
    for (size_t k = 0; k < vectors; k++)
        STORE(input + k * LANES, move[k]);
}

#define COLUMNS_CASE(n)                                                                            \
    case n:                                                                                        \
        NAME(single_columns)(step, at, n);                                                         \
        break;

KERNEL static void NAME(single_update)(const vni_step *step) {
    const size_t vectors = (step->width + LANES - 1) / LANES;
    size_t at = 0;
    for (; at + COLUMNS * LANES <= vectors * LANES; at += COLUMNS * LANES)
        NAME(single_columns)(step, at, COLUMNS);
    switch (vectors % COLUMNS) {
        COLUMNS_CASE(1)
        COLUMNS_CASE(2)
        COLUMNS_CASE(3)
        LAST_COLUMNS
    default:
        break;
    }
}

KERNEL static void NAME(all_products)(const vni_step *step, size_t stride) {
    for (size_t j = 0; j < step->output_count; j += DOT_OUTPUTS) {
        size_t outputs = step->output_count - j;
        float *const *out = step->outputs + j;
        for (size_t i = 0; i < step->input_count; i += 4) {
            float *const *in = step->inputs + i;
            float *logits = step->logits + j * stride + i;
            size_t inputs = step->input_count - i;
            if (inputs == 1) {
                PRODUCTS_OF(1)
            } else if (inputs == 2) {
                PRODUCTS_OF(2)
            } else if (inputs == 3) {
                PRODUCTS_OF(3)
            } else {
                PRODUCTS_OF(4)
            }
        }
    }
}

/* gains = (label - sigmoid(logit)) * rate, a vector of inputs at a time, or all inputs of two outputs.
 * What lies behind the last input is never read again. */
KERNEL static void NAME(all_gains)(const vni_step *step, size_t stride) {
    const size_t count = step->output_count * stride;
    for (size_t at = 0; at < count; at += LANES) {
        const float *labels = step->labels + at / stride, *rates = step->rates + at / stride;
        VECTOR label = stride < LANES ? TWO(labels) : SET1(*labels);
        VECTOR rate = stride < LANES ? TWO(rates) : SET1(*rates);
        STORE(step->gains + at, VECTOR_GAINS(LOAD(step->logits + at), label, rate));
    }
}

/* Both updates of `columns` columns from `at` on for a group of outputs: a gain is read once for all of
 * them. With more than one group, what the inputs get is collected in step->moves, of one column; first
 * and last say which group it is. */
KERNEL static inline __attribute__((always_inline)) void
NAME(update)(const vni_step *step, size_t group, const size_t output_count, size_t at,
             const size_t columns, size_t stride, const int first, const int last) {
    VECTOR old[STEP_OUTPUTS][UPDATE_COLUMNS], fresh[STEP_OUTPUTS][UPDATE_COLUMNS];
    const float *gains = step->gains + group * stride;
#pragma GCC unroll 8
    for (size_t j = 0; j < output_count; j++)
#pragma GCC unroll 2
        for (size_t k = 0; k < columns; k++)
            old[j][k] = fresh[j][k] = LOAD(step->outputs[group + j] + at + k * LANES);
    for (size_t i = 0; i < step->input_count; i++) {
        float *input = step->inputs[i] + at;
        VECTOR x[UPDATE_COLUMNS], move[UPDATE_COLUMNS];
#pragma GCC unroll 2
        for (size_t k = 0; k < columns; k++) {
            x[k] = LOAD(input + k * LANES);
            move[k] = !first ? LOAD(step->moves + i * VNI_LANES) : last ? x[k] : ZERO;
        }
#pragma GCC unroll 8
        for (size_t j = 0; j < output_count; j++) {
            VECTOR g = SET1(gains[j * stride + i]);
#pragma GCC unroll 2
            for (size_t k = 0; k < columns; k++) {
                move[k] = FMA(g, old[j][k], move[k]);
                fresh[j][k] = FMA(g, x[k], fresh[j][k]);
            }
        }
#pragma GCC unroll 2
        for (size_t k = 0; k < columns; k++) {
            if (last)
                STORE(input + k * LANES, first ? move[k] : ADD(x[k], move[k]));
            else
                STORE(step->moves + i * VNI_LANES, move[k]);
        }
    }
#pragma GCC unroll 8
    for (size_t j = 0; j < output_count; j++)
#pragma GCC unroll 2
        for (size_t k = 0; k < columns; k++)
            STORE(step->outputs[group + j] + at + k * LANES, fresh[j][k]);
}

#define UPDATE_CASE(m)                                                                             \
    case m:                                                                                        \
        for (; at + UPDATE_COLUMNS * LANES <= step->width; at += UPDATE_COLUMNS * LANES) {         \
            vni_step_fetch(step, at, UPDATE_COLUMNS *LANES);                                       \
            NAME(update)(step, 0, m, at, UPDATE_COLUMNS, stride, 1, 1);                            \
        }                                                                                          \
        vni_step_fetch(step, at, step->width - at);                                                \
        for (; at < step->width; at += LANES)                                                      \
            NAME(update)(step, 0, m, at, 1, stride, 1, 1);                                         \
        break;

/* More outputs than one group has: column by column, so that moves stay small. */
KERNEL static void NAME(update_groups)(const vni_step *step, size_t stride) {
    size_t whole =
        (step->output_count - 1) / STEP_OUTPUTS * STEP_OUTPUTS; /* before the last group */
    for (size_t at = 0; at < step->width; at += LANES) {
        vni_step_fetch(step, at, LANES);
        NAME(update)(step, 0, STEP_OUTPUTS, at, 1, stride, 1, 0);
        for (size_t group = STEP_OUTPUTS; group < whole; group += STEP_OUTPUTS)
            NAME(update)(step, group, STEP_OUTPUTS, at, 1, stride, 0, 0);
        switch (step->output_count - whole) {
        case 1:
            NAME(update)(step, whole, 1, at, 1, stride, 0, 1);
            break;
        case 2:
            NAME(update)(step, whole, 2, at, 1, stride, 0, 1);
            break;
        case 3:
            NAME(update)(step, whole, 3, at, 1, stride, 0, 1);
            break;
        case 4:
            NAME(update)(step, whole, 4, at, 1, stride, 0, 1);
            break;
        case 5:
            NAME(update)(step, whole, 5, at, 1, stride, 0, 1);
            break;
        default:
            NAME(update)(step, whole, 6, at, 1, stride, 0, 1);
        }
    }
}

KERNEL static void NAME(step)(const vni_step *step) {
    size_t stride = vni_step_stride(step->input_count), at = 0;
    if (step->input_count == 1) {
        NAME(single_gains)(step);
        NAME(single_update)(step);
        return;
    }
    NAME(all_products)(step, stride);
    NAME(all_gains)(step, stride);
    switch (step->output_count) {
        UPDATE_CASE(1)
        UPDATE_CASE(2)
        UPDATE_CASE(3)
        UPDATE_CASE(4)
        UPDATE_CASE(5)
        UPDATE_CASE(6)
    default:
        NAME(update_groups)(step, stride);
    }
}

KERNEL static void NAME(sum)(const float *const *rows, size_t count, float scale, float *out,
                             size_t width) {
    for (size_t at = 0; at < width; at += LANES) {
        VECTOR sum = ZERO;
        for (size_t i = 0; i < count; i++)
            sum = ADD(sum, LOAD(rows[i] + at));
        STORE(out + at, MUL(sum, SET1(scale)));
    }
}

KERNEL static void NAME(spread)(float *const *rows, size_t count, float scale, const float *now,
                                const float *before, size_t width) {
    for (size_t at = 0; at < width; at += LANES) {
        VECTOR move = MUL(SUB(LOAD(now + at), LOAD(before + at)), SET1(scale));
        for (size_t i = 0; i < count; i++)
            STORE(rows[i] + at, ADD(LOAD(rows[i] + at), move));
    }
}

KERNEL static void NAME(gather)(float *out, const float *row, const float *base, float scale,
                                size_t width) {
    for (size_t at = 0; at < width; at += LANES) {
        VECTOR move = SUB(LOAD(row + at), LOAD(base + at));
        STORE(out + at, FMA(move, SET1(scale), LOAD(out + at)));
    }
}

/* One AdaGrad step of a vector along `other`: value -= g * root, and the root, 1 / sqrt of the sum of
 * squares, becomes that of sum + g^2. A step is small beside what went before, so that a series to the
 * third power does: within 1e-4 where `square`, g^2 / sum, is 1/16, within a rounding where it is
 * 0.002. Nothing is divided. */
KERNEL static inline __attribute__((always_inline)) VECTOR
NAME(adagrad)(float *value, float *root, VECTOR x, VECTOR other, VECTOR force) {
    VECTOR r = LOAD(root), move = MUL(MUL(force, other), r), square = MUL(move, move);
    VECTOR loss = MUL(square, FMA(square, SET1(0.375f), SET1(-0.5f)));
    STORE(value, SUB(x, move));
    STORE(root, FMA(r, loss, r));
    return square;
}

/* The vector that holds the bias as well: its other is 1, its rate too, and its first steps are large. */
KERNEL static inline __attribute__((always_inline)) void
NAME(adagrad_last)(float *value, float *root, VECTOR x, VECTOR other, VECTOR force) {
    VECTOR r = LOAD(root), square = NAME(adagrad)(value, root, x, other, force);
    if (ABOVE(square, SET1(VNI_GLOVE_SMALL * VNI_GLOVE_SMALL)))
        STORE(root, DIV(r, ROOT(ADD(square, SET1(1.0f)))));
}

/* The vector with the bias is loaded once. Whether any step is large is asked of the largest value. */
KERNEL static double NAME(glove)(const vni_pairs *work) {
    enum { AHEAD = 4 };
    const size_t width = work->width, last = work->dim / LANES * LANES;
    const float limit = vni_glove_limit(work->rate);
    float lanes[4][VNI_LANES] __attribute__((aligned(64))) = {{0}};
    VECTOR keep, bias, one, rates;
    double cost = 0;
    for (size_t i = 0; i < VNI_LANES; i++) {
        int is_bias = i == work->dim % LANES;
        lanes[0][i] = vni_float_of_bits(is_bias ? 0 : UINT32_MAX);
        lanes[1][i] = vni_float_of_bits(is_bias ? UINT32_MAX : 0);
        lanes[2][i] = is_bias ? 1.0f : 0.0f;
        lanes[3][i] = is_bias ? 1 : work->rate;
    }
    keep = LOAD(lanes[0]);
    bias = LOAD(lanes[1]);
    one = LOAD(lanes[2]);
    rates = LOAD(lanes[3]);
    for (size_t i = 0; i < work->count; i++) {
        const vni_pair *pair = &work->pairs[i];
        float *w = work->words + (size_t)pair->word * 2 * width;
        float *c = work->contexts + (size_t)pair->context * 2 * width;
        VECTOR x = LOAD(w + last), y = LOAD(c + last), force;
        VECTOR kept_x = AND(x, keep), kept_y = AND(y, keep), most = ABS_MOST(kept_x, kept_y);
        VECTOR sum = FMA(x, OR(kept_y, one), AND(y, bias)), sum_2 = ZERO;
        float difference, push;
        if (i + AHEAD < work->count) {
            const float *next_c = work->contexts + (size_t)pair[AHEAD].context * 2 * width;
            const float *next_w = work->words + (size_t)pair[AHEAD].word * 2 * width;
            for (size_t at = 0; at < 2 * width; at += 16) {
                __builtin_prefetch(next_c + at, 1, 3);
                __builtin_prefetch(next_w + at, 1, 3);
            }
        }
#pragma GCC unroll 6
        for (size_t at = 0; at < last; at += LANES) {
            VECTOR a = LOAD(w + at), b = LOAD(c + at), before = sum_2;
            most = ABS_MOST(ABS_MOST(most, a), b);
            sum_2 = FMA(a, b, sum);
            sum = before;
        }
        difference = SUM(ADD(sum, sum_2)) - pair->log_count;
        push = pair->weight * difference;
        cost += 0.5 * (double)push * (double)difference;
        force = SET1(push * work->rate);
        if (ABOVE(ABS_MOST(MUL(most, force), ZERO), SET1(limit))) {
            vni_glove_plain(w, c, work->dim, width, push, work->rate);
            continue;
        }
#pragma GCC unroll 6
        for (size_t at = 0; at < last; at += LANES) {
            VECTOR a = LOAD(w + at), b = LOAD(c + at);
            NAME(adagrad)(w + at, w + width + at, a, b, force);
            NAME(adagrad)(c + at, c + width + at, b, a, force);
        }
        force = MUL(SET1(push), rates);
        NAME(adagrad_last)(w + last, w + width + last, x, OR(kept_y, one), force);
        NAME(adagrad_last)(c + last, c + width + last, y, OR(kept_x, one), force);
    }
    return cost;
}
