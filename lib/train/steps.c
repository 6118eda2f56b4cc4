/* See steps_impl.h. */
#include "train/steps_impl.h"

#include <math.h>

enum { LOSS_EVERY = 64 };

void *vni_carve(char *memory, size_t *at, size_t count, size_t size) {
    void *place = memory ? memory + *at : NULL;
    *at += (count * size + 63) / 64 * 64;
    return place;
}

void vni_stepper_carve(vni_stepper *s, char *memory, size_t *at, size_t most_targets,
                       size_t most_inputs) {
    size_t logits = (most_targets + 8) * vni_step_stride(most_inputs < 2 ? 2 : most_inputs);
    size_t room = most_targets + 8; /* kernels read eight at a time */
    s->most_targets = most_targets;
    for (int i = 0; i < VNI_SETS; i++) {
        s->targets[i].rows = vni_carve(memory, at, room, sizeof *s->targets[i].rows);
        s->targets[i].labels = vni_carve(memory, at, room, sizeof *s->targets[i].labels);
        s->targets[i].weights = vni_carve(memory, at, room, sizeof *s->targets[i].weights);
        s->targets[i].ids = vni_carve(memory, at, room, sizeof *s->targets[i].ids);
    }
    s->drawn = vni_carve(memory, at, most_targets, sizeof *s->drawn);
    s->coming_most = VNI_SETS * (most_targets + 1);
    s->coming = vni_carve(memory, at, s->coming_most, sizeof *s->coming);
    s->rates = vni_carve(memory, at, room, sizeof *s->rates);
    s->logits = vni_carve(memory, at, logits, sizeof *s->logits);
    s->gains = vni_carve(memory, at, logits, sizeof *s->gains);
    s->moves = vni_carve(memory, at, most_inputs * VNI_LANES, sizeof *s->moves);
}

/* A random number that was drawn before, and one to take next time in its place. */
static inline uint64_t take_drawn(const vni_negatives *negatives, uint64_t *drawn, uint64_t *draw) {
    uint64_t random = *drawn, next = vni_draw(draw);
    vni_negative_fetch(negatives, next);
    *drawn = next;
    return random;
}

void vni_stepper_start(vni_stepper *stepper, uint64_t seed, uint64_t stream) {
    stepper->draw = vni_draw_seed(seed, stream);
    stepper->loss_turn = stepper->loss_count = 0;
    stepper->loss_sum = 0;
    stepper->coming_count = 0;
    for (size_t i = 0; stepper->tree == NULL && i < stepper->negative; i++)
        take_drawn(stepper->negatives, &stepper->drawn[i], &stepper->draw);
}

void vni_expect(vni_stepper *stepper, const float *row) {
    if (stepper->coming_count < stepper->coming_most)
        stepper->coming[stepper->coming_count++] = row;
}

static inline void set_target(vni_targets *targets, size_t at, int32_t id, float label) {
    targets->ids[at] = id;
    targets->labels[at] = label;
    targets->weights[at] = 1;
}

static void add_target(vni_targets *targets, int32_t id, float label) {
    set_target(targets, targets->count++, id, label);
}

/* A word drawn twice weighs twice; the word itself, which is target `own`, is passed over. What changes with
 * every draw is kept out of memory, where each write could be one of the others. */
static void draw_negatives(vni_stepper *stepper, int32_t word, size_t own, vni_targets *targets) {
    const vni_negatives negatives = *stepper->negatives;
    const size_t negative = stepper->negative;
    int32_t *ids = targets->ids;
    uint64_t *drawn_before = stepper->drawn, draw = stepper->draw;
    size_t count = targets->count;
    for (size_t i = 0; i < negative; i++) {
        int32_t drawn =
            vni_negative_of(&negatives, take_drawn(&negatives, &drawn_before[i], &draw));
        size_t same = own + 1;
        if (drawn == word)
            continue;
        while (same < count && ids[same] != drawn)
            same++;
        if (same < count)
            targets->weights[same]++;
        else
            set_target(targets, count++, drawn, 0);
    }
    stepper->draw = draw;
    targets->count = count;
}

/* The step will write to copies, which nobody reads again. */
static void copy_frozen(vni_stepper *stepper, size_t first, vni_targets *targets) {
    size_t width = stepper->outputs->width, set = (size_t)(targets - stepper->targets);
    float *copy = stepper->frozen + (set * stepper->most_targets + first) * width;
    for (size_t j = first; j < targets->count; j++, copy += width) {
        memcpy(copy, targets->rows[j], width * sizeof *copy);
        targets->rows[j] = copy;
    }
}

void vni_choose_targets(vni_stepper *stepper, int32_t word, vni_targets *targets) {
    targets->count = targets->words = 0;
    vni_add_targets(stepper, word, targets);
}

void vni_add_targets(vni_stepper *stepper, int32_t word, vni_targets *targets) {
    const vni_huffman *tree = stepper->tree;
    const size_t first = targets->count;
    targets->words++;
    if (tree) {
        for (uint32_t at = tree->starts[word]; at < tree->starts[word + 1]; at++)
            add_target(targets, tree->nodes[at], tree->turns[at] ? 0 : 1);
    } else {
        add_target(targets, word, 1);
        draw_negatives(stepper, word, first, targets);
    }
    for (size_t j = first; j < targets->count; j++) {
        targets->rows[j] = vni_row(stepper->outputs, stepper->copies, (size_t)targets->ids[j]);
        if (stepper->frozen == NULL)
            vni_expect(stepper, targets->rows[j]);
    }
    if (stepper->frozen)
        copy_frozen(stepper, first, targets);
}

const vni_targets *vni_next_targets(vni_stepper *stepper, const int32_t *kept, size_t count,
                                    size_t at) {
    for (size_t next = at ? at + VNI_AHEAD : 0; next <= at + VNI_AHEAD && next < count; next++)
        vni_choose_targets(stepper, kept[next], &stepper->targets[next % VNI_SETS]);
    return &stepper->targets[at % VNI_SETS];
}

/* -log of the product of 1 + exp of every wrong logit of an output: one logarithm for many, before the
 * product leaves the range. */
static double loss_of_output(const float *logits, size_t count, int is_word) {
    double product = 1, sum = 0;
    for (size_t i = 0; i < count; i++) {
        double wrong = is_word ? -(double)logits[i] : (double)logits[i];
        product *= 1 + exp(wrong < 30 ? wrong : 30);
        sum += wrong > 30 ? wrong - 30 : 0;
        if (product > 1e200) {
            sum += log(product);
            product = 1;
        }
    }
    return sum + log(product);
}

/* Loss of the step that was just taken, a mean over its inputs and words. */
static void sample_loss(vni_stepper *stepper, size_t input_count, const vni_targets *targets) {
    size_t stride = vni_step_stride(input_count);
    double sum = 0;
    if (stepper->loss_turn++ % LOSS_EVERY != 0)
        return;
    for (size_t j = 0; j < targets->count; j++)
        sum += (double)targets->weights[j] *
               loss_of_output(stepper->logits + j * stride, input_count, targets->labels[j] > 0);
    stepper->loss_sum += sum / (double)(input_count * targets->words);
    stepper->loss_count++;
}

void vni_take_step(vni_stepper *stepper, float *const *inputs, size_t input_count,
                   const vni_targets *targets, float rate) {
    vni_step step = {inputs,
                     targets->rows,
                     targets->labels,
                     stepper->rates,
                     input_count,
                     targets->count,
                     vni_used(stepper->outputs),
                     stepper->logits,
                     stepper->gains,
                     stepper->moves,
                     stepper->coming,
                     stepper->coming_count,
                     stepper->loss_turn % LOSS_EVERY == 0};
    stepper->coming_count = 0;
    if (targets->count == 0) /* a tree of one word has nothing to decide */
        return;
    for (size_t j = 0; j < targets->count; j++)
        stepper->rates[j] = targets->weights[j] * rate;
    stepper->kernels->step(&step);
    sample_loss(stepper, input_count, targets);
}

size_t vni_subsample(vni_stepper *stepper, const uint32_t *keep, const int32_t *piece, size_t count,
                     int32_t *kept) {
    size_t made = 0;
    if (keep == NULL) {
        memcpy(kept, piece, count * sizeof *kept);
        return count;
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t threshold = keep[piece[i]];
        kept[made] = piece[i];
        made += threshold == UINT32_MAX || (uint32_t)(vni_draw(&stepper->draw) >> 32) <= threshold;
    }
    return made;
}
