/* One piece of a document. PV-DBOW needs no window: the document predicts each word. PV-DM puts the
 * document's row among the words around (mean), or all of them side by side into one long row (concat),
 * where a place without a word holds the row that stands for none. */
#include "train/doc2vec_impl.h"

static float *word_row(vni_reading *reading, size_t word) {
    return vni_row(reading->words, reading->word_copies, word);
}

/* Two words a step: each waits for the sigmoids of the one before, and what the document moves by one of its
 * thousand words is nothing to the next. */
static void read_bag(vni_reading *reading, float *doc, const int32_t *kept, size_t count,
                     float rate) {
    vni_stepper *stepper = &reading->share.stepper;
    const size_t steps = (count + VNI_BAG_WORDS - 1) / VNI_BAG_WORDS;
    float *input[1] = {doc};
    for (size_t ahead = 0; ahead < steps + VNI_AHEAD; ahead++) {
        vni_targets *next = &stepper->targets[ahead % VNI_SETS];
        const size_t at = ahead * VNI_BAG_WORDS;
        if (ahead < steps) {
            vni_choose_targets(stepper, kept[at], next);
            for (size_t i = at + 1; i < at + VNI_BAG_WORDS && i < count; i++)
                vni_add_targets(stepper, kept[i], next);
        }
        if (ahead >= VNI_AHEAD)
            vni_take_step(stepper, input, 1, &stepper->targets[(ahead - VNI_AHEAD) % VNI_SETS],
                          rate);
    }
}

static size_t draw_radius(vni_reading *reading) {
    uint64_t random = vni_draw(&reading->share.stepper.draw) >> 32;
    return 1 + (size_t)(random * reading->options->window >> 32);
}

/* Skip-gram beside PV-DBOW: the words around predict the word in the middle. */
static void read_skipgram(vni_reading *reading, const int32_t *kept, size_t count, float rate) {
    vni_stepper *stepper = &reading->share.stepper;
    for (size_t middle = 0; middle < count; middle++) {
        size_t radius = draw_radius(reading), rows = 0;
        size_t first = middle > radius ? middle - radius : 0;
        size_t last = middle + radius + 1 < count ? middle + radius + 1 : count;
        for (size_t at = first; at < last; at++)
            if (at != middle)
                reading->rows[rows++] = word_row(reading, (size_t)kept[at]);
        if (rows > 0) /* not the only word */
            vni_take_step(stepper, reading->rows, rows,
                          vni_next_targets(stepper, kept, count, middle), rate);
    }
}

static void read_mean(vni_reading *reading, float *doc, const int32_t *kept, size_t count,
                      float rate) {
    vni_stepper *stepper = &reading->share.stepper;
    size_t width = reading->words->width;
    for (size_t middle = 0; middle < count; middle++) {
        size_t radius = draw_radius(reading), rows = 1;
        size_t first = middle > radius ? middle - radius : 0;
        size_t last = middle + radius + 1 < count ? middle + radius + 1 : count;
        reading->rows[0] = doc;
        for (size_t at = first; at < last; at++)
            if (at != middle)
                reading->rows[rows++] = word_row(reading, (size_t)kept[at]);
        stepper->kernels->sum((const float *const *)reading->rows, rows, 1.0f / (float)rows,
                              reading->hidden, width);
        memcpy(reading->before, reading->hidden, width * sizeof *reading->before);
        vni_take_step(stepper, &reading->hidden, 1, vni_next_targets(stepper, kept, count, middle),
                      rate);
        stepper->kernels->spread(reading->rows, reading->frozen ? 1 : rows, 1.0f, reading->hidden,
                                 reading->before, width);
    }
}

static void read_concat(vni_reading *reading, float *doc, const int32_t *kept, size_t count,
                        float rate) {
    vni_stepper *stepper = &reading->share.stepper;
    size_t width = reading->words->width, window = reading->options->window;
    size_t parts = 1 + 2 * window, none = reading->words->rows - 1;
    for (size_t middle = 0; middle < count; middle++) {
        reading->rows[0] = doc;
        for (size_t i = 0; i < 2 * window; i++) {      /* places before the word, then behind it */
            size_t place = middle + i + (i >= window); /* plus window */
            int is_there = place >= window && place - window < count;
            reading->rows[1 + i] =
                word_row(reading, is_there ? (size_t)kept[place - window] : none);
        }
        for (size_t i = 0; i < parts; i++)
            memcpy(reading->hidden + i * width, reading->rows[i], width * sizeof(float));
        memcpy(reading->before, reading->hidden, parts * width * sizeof(float));
        vni_take_step(stepper, &reading->hidden, 1, vni_next_targets(stepper, kept, count, middle),
                      rate);
        for (size_t i = 0; i < (reading->frozen ? 1 : parts); i++)
            stepper->kernels->spread(&reading->rows[i], 1, 1.0f, reading->hidden + i * width,
                                     reading->before + i * width, width);
    }
}

void vni_read_piece(vni_reading *reading, float *doc, const int32_t *kept, size_t count,
                    float rate) {
    if (count == 0)
        return;
    switch (reading->options->method) {
    case VECNA_PV_DBOW:
        read_bag(reading, doc, kept, count, rate);
        if (reading->options->words_too && !reading->frozen)
            read_skipgram(reading, kept, count, rate);
        return;
    case VECNA_PV_DM_MEAN:
        read_mean(reading, doc, kept, count, rate);
        return;
    case VECNA_PV_DM_CONCAT:
        read_concat(reading, doc, kept, count, rate);
        return;
    }
}
