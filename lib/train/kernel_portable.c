/* The truth for the kernels of every set of instructions: the same sums in plain C. */
#include "train/train_impl.h"

#include "base/base_impl.h"

#include <math.h>

float vni_sigmoid(float x) {
    float n, r, p;
    int32_t whole;
    x = x < -80 ? 80 : x > 80 ? -80 : -x;
    n = x * 1.44269504089f;
    whole = (int32_t)(n < 0 ? n - 0.5f : n + 0.5f);
    n = (float)whole;
    r = x - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    p = 1.9875691500e-4f * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + (r + 1.0f);
    return 1.0f / (1.0f + p * vni_float_of_bits((uint32_t)(whole + 127) << 23));
}

/* Sixteen sums side by side, which a compiler can keep in vectors without reordering anything. */
static float product(const float *a, const float *b, size_t width) {
    float sums[VNI_LANES] = {0}, sum = 0;
    for (size_t at = 0; at < width; at += VNI_LANES)
        for (size_t lane = 0; lane < VNI_LANES; lane++)
            sums[lane] += a[at + lane] * b[at + lane];
    for (size_t lane = 0; lane < VNI_LANES; lane++)
        sum += sums[lane];
    return sum;
}

static void portable_step(const vni_step *step) {
    size_t stride = vni_step_stride(step->input_count);
    vni_step_fetch(step, 0, step->width);
    for (size_t j = 0; j < step->output_count; j++)
        for (size_t i = 0; i < step->input_count; i++) {
            float x = product(step->inputs[i], step->outputs[j], step->width);
            step->logits[j * stride + i] = x;
            step->gains[j * stride + i] = (step->labels[j] - vni_sigmoid(x)) * step->rates[j];
        }
    for (size_t at = 0; at < step->width; at += VNI_LANES) {
        memset(step->moves, 0, step->input_count * VNI_LANES * sizeof *step->moves);
        for (size_t j = 0; j < step->output_count; j++) {
            float *output = step->outputs[j] + at, fresh[VNI_LANES];
            memcpy(fresh, output, sizeof fresh);
            for (size_t i = 0; i < step->input_count; i++) {
                const float *input = step->inputs[i] + at;
                float *move = step->moves + i * VNI_LANES, gain = step->gains[j * stride + i];
                for (size_t lane = 0; lane < VNI_LANES; lane++) {
                    move[lane] += gain * output[lane];
                    fresh[lane] += gain * input[lane];
                }
            }
            memcpy(output, fresh, sizeof fresh);
        }
        for (size_t i = 0; i < step->input_count; i++)
            for (size_t lane = 0; lane < VNI_LANES; lane++)
                step->inputs[i][at + lane] += step->moves[i * VNI_LANES + lane];
    }
}

static void portable_sum(const float *const *rows, size_t count, float scale, float *out,
                         size_t width) {
    memset(out, 0, width * sizeof *out);
    for (size_t i = 0; i < count; i++)
        for (size_t at = 0; at < width; at++)
            out[at] += rows[i][at];
    for (size_t at = 0; at < width; at++)
        out[at] *= scale;
}

static void portable_spread(float *const *rows, size_t count, float scale, const float *now,
                            const float *before, size_t width) {
    for (size_t i = 0; i < count; i++)
        for (size_t at = 0; at < width; at++)
            rows[i][at] += (now[at] - before[at]) * scale;
}

static void portable_gather(float *out, const float *row, const float *base, float scale,
                            size_t width) {
    for (size_t at = 0; at < width; at++)
        out[at] += (row[at] - base[at]) * scale;
}

float vni_glove_limit(float rate) {
    return 100 * rate < VNI_GLOVE_SMALL ? 100 * rate : VNI_GLOVE_SMALL;
}

/* value -= g / sqrt(sum), sum += g^2, where root is 1 / sqrt(sum). */
static void adagrad(float *value, float *root, float x, float g) {
    float move = g * *root;
    *value = x - move;
    *root = *root / sqrtf(1 + move * move);
}

void vni_glove_plain(float *w, float *c, size_t dim, size_t width, float push, float rate) {
    for (size_t at = 0; at < dim; at++) {
        float x = w[at], y = c[at], for_x = push * y, for_y = push * x;
        for_x = for_x > 100 ? 100 : for_x < -100 ? -100 : for_x;
        for_y = for_y > 100 ? 100 : for_y < -100 ? -100 : for_y;
        adagrad(w + at, w + width + at, x, for_x * rate);
        adagrad(c + at, c + width + at, y, for_y * rate);
    }
    adagrad(w + dim, w + width + dim, w[dim], push);
    adagrad(c + dim, c + width + dim, c[dim], push);
}

static double portable_glove(const vni_pairs *work) {
    size_t width = work->width, dim = work->dim;
    double cost = 0;
    for (size_t i = 0; i < work->count; i++) {
        const vni_pair *pair = &work->pairs[i];
        float *w = work->words + (size_t)pair->word * 2 * width;
        float *c = work->contexts + (size_t)pair->context * 2 * width;
        float bias_w = w[dim], bias_c = c[dim], difference, push;
        w[dim] = c[dim] = 0; /* biases stand apart from the product */
        difference = product(w, c, width) + bias_w + bias_c - pair->log_count;
        w[dim] = bias_w;
        c[dim] = bias_c;
        push = pair->weight * difference;
        cost += 0.5 * (double)push * (double)difference;
        vni_glove_plain(w, c, dim, width, push, work->rate);
    }
    return cost;
}

const vni_train_kernels vni_train_portable = {
    "portable", 0, portable_step, portable_sum, portable_spread, portable_gather, portable_glove};
