/* Kernels against float64, each set of instructions in turn; tables, overlays and their merging;
 * sampling by counting. */
#include "tests/unit/support/support.h"

#include "base/base_impl.h"
#include "train/train_impl.h"

#include <math.h>
#include <stdlib.h>

enum { MOST = 70, WIDTH = 128 };

static float inputs[MOST][WIDTH] __attribute__((aligned(64)));
static float outputs[MOST][WIDTH] __attribute__((aligned(64)));
static float logits[MOST * 80] __attribute__((aligned(64)));
static float gains[MOST * 80] __attribute__((aligned(64)));
static float moves[MOST * VNI_LANES] __attribute__((aligned(64)));

static const vni_train_kernels *const tables[] = {
    &vni_train_portable,
#if defined(__x86_64__)
    &vni_train_avx2,
    &vni_train_avx512,
    &vni_train_bf16,
#endif
};
enum { TABLES = sizeof tables / sizeof *tables };

/* Fast or not. */
static int usable(const vni_train_kernels *table) {
    unsigned needs = table->needs & ~(unsigned)VNI_CPU_FASTBF16;
    return (needs & vni_cpu_features()) == needs;
}

static float draw(uint64_t *state) {
    return (float)(vni_draw(state) >> 40) * 0x1p-23f - 1.0f;
}

/* How far a gain may be off. Factors of bfloat16 have errors of 2^-9 of themselves: a logit of 128 products of
 * up to 1 is within 0.05 then, and the gain within a quarter of that and its own rounding. */
static int is_rounded(const vni_train_kernels *table) {
    return strcmp(table->name, "avx512-bf16") == 0;
}

static void check_step_of(const vni_train_kernels *table, size_t in, size_t out, size_t width,
                          int logits_wanted) {
    static double was_in[MOST][WIDTH], was_out[MOST][WIDTH], gain[MOST][MOST];
    const double share = is_rounded(table) ? 0.02 : 0;
    float *in_rows[MOST], *out_rows[MOST];
    static float labels[MOST + 8] __attribute__((aligned(64)));
    static float rates[MOST + 8] __attribute__((aligned(64)));
    uint64_t state = in * 1000 + out * 10 + width;
    const float *coming[2] = {inputs[MOST - 1], outputs[MOST - 1]};
    vni_step step = {in_rows, out_rows, labels, rates,  in, out,          width,
                     logits,  gains,    moves,  coming, 2,  logits_wanted};
    memset(inputs, 0, sizeof inputs); /* rows end with zeros */
    memset(outputs, 0, sizeof outputs);
    for (size_t i = 0; i < in; i++) {
        in_rows[i] = inputs[i];
        for (size_t d = 0; d < width; d++)
            was_in[i][d] = (double)(inputs[i][d] = draw(&state));
    }
    for (size_t j = 0; j < out; j++) {
        out_rows[j] = outputs[j];
        labels[j] = j % 3 == 0;
        rates[j] = 0.01f * (float)(1 + j % 4);
        for (size_t d = 0; d < width; d++)
            was_out[j][d] = (double)(outputs[j][d] = draw(&state));
    }
    table->step(&step);
    for (size_t j = 0; j < out; j++)
        for (size_t i = 0; i < in; i++) {
            double x = 0;
            for (size_t d = 0; d < width; d++)
                x += was_in[i][d] * was_out[j][d];
            gain[j][i] = ((double)labels[j] - 1 / (1 + exp(-x))) * (double)rates[j];
            if (step.logits_wanted) /* 128 products of up to 1: float32 sums are within 1e-5 */
                assert_true(fabs((double)logits[j * vni_step_stride(in) + i] - x) < 2e-5);
        }
    for (size_t j = 0; j < out; j++)
        for (size_t d = 0; d < width; d++) {
            double wanted = was_out[j][d], off = 1e-5;
            for (size_t i = 0; i < in; i++) {
                wanted += gain[j][i] * was_in[i][d];
                off += share * (double)rates[j] * fabs(was_in[i][d]);
            }
            assert_true(fabs((double)outputs[j][d] - wanted) < off);
        }
    for (size_t i = 0; i < in; i++)
        for (size_t d = 0; d < width; d++) {
            double wanted = was_in[i][d], off = 1e-5;
            for (size_t j = 0; j < out; j++) {
                wanted += gain[j][i] * was_out[j][d];
                off += share * (double)rates[j] * fabs(was_out[j][d]);
            }
            assert_true(fabs((double)inputs[i][d] - wanted) < off);
        }
}

static void check_step(const vni_train_kernels *table, size_t in, size_t out, size_t width) {
    check_step_of(table, in, out, width, 0);
    check_step_of(table, in, out, width, 1);
}

/* Gains that are 0 or as large as rates allow come out as such: what rounds does not drift. */
static void sure_words_stay(void **state) {
    (void)state;
    for (size_t t = 0; t < TABLES; t++) {
        float *in[2] = {inputs[0], inputs[1]}, *out[2] = {outputs[0], outputs[1]};
        float labels[8] __attribute__((aligned(64))) = {1, 0};
        float rates[8] __attribute__((aligned(64))) = {0.5f, 0.5f};
        vni_step step = {in, out, labels, rates, 2, 2, 24, logits, gains, moves, NULL, 0, 0};
        if (!usable(tables[t]))
            continue;
        memset(inputs, 0, 2 * sizeof inputs[0]);
        memset(outputs, 0, 2 * sizeof outputs[0]);
        for (size_t d = 0; d < 24; d++) {
            inputs[0][d] = inputs[1][d] = 2;
            outputs[0][d] = 1.5f; /* 72: sure, and right */
            outputs[1][d] = 2;    /* 96: sure, and wrong */
        }
        tables[t]->step(&step);
        for (size_t d = 0; d < 24; d++) {
            assert_true(outputs[0][d] == 1.5f);
            assert_true(outputs[1][d] == 2 - 0.5f * 4);
            assert_true(inputs[0][d] == 2 - 0.5f * 2 && inputs[1][d] == inputs[0][d]);
        }
        for (size_t d = 24; d < WIDTH; d++)
            assert_true(outputs[1][d] == 0 && inputs[1][d] == 0);
    }
}

static void steps_of_every_shape(void **state) {
    (void)state;
    for (size_t t = 0; t < TABLES; t++) {
        if (!usable(tables[t]))
            continue;
        for (size_t in = 1; in <= 11; in++)
            for (size_t out = 1; out <= 14; out++)
                check_step(tables[t], in, out, in % 2 ? 16 : 112);
        for (size_t out = 1; out <= 8;
             out++) /* vectors two at a time, one left, half of one left */
            for (size_t in = 2; in <= 5; in++)
                for (size_t width = 8; width <= 40; width += 8)
                    check_step(tables[t], in, out, width);
        for (size_t width = 8; width <= 128; width += 8) /* whole registers and what is left */
            check_step(tables[t], 1, 6, width);
        check_step(tables[t], 1, 61, 128);
        check_step(tables[t], 33, 26, 48);
        for (size_t in = 31; in <= 66; in += 7) /* wide windows, rows of 100 dimensions */
            check_step(tables[t], in, 6, 104);
    }
}

/* A row that stands twice among the inputs moves twice, by few outputs or by more than one group. */
static void an_input_given_twice(void **state) {
    static const size_t counts[3] = {1, 3, 8};
    (void)state;
    for (size_t t = 0; t < 3 * TABLES; t++) {
        const vni_train_kernels *table = tables[t / 3];
        const size_t count = counts[t % 3];
        float *in[2] = {inputs[0], inputs[0]}, *out[8];
        float labels[8] __attribute__((aligned(64))), rates[8] __attribute__((aligned(64)));
        vni_step step = {in, out, labels, rates, 2, count, 16, logits, gains, moves, NULL, 0, 0};
        if (!usable(table))
            continue;
        memset(inputs[0], 0, sizeof inputs[0]);
        for (size_t j = 0; j < 8; j++) {
            out[j] = outputs[j];
            labels[j] = 1;
            rates[j] = 0.01f;
            for (size_t d = 0; d < 16; d++)
                outputs[j][d] = 1;
        }
        table->step(&step);
        assert_true(fabsf(inputs[0][3] - 2 * 0.5f * 0.01f * (float)count) < 1e-7f);
    }
}

/* With one input a row may stand twice among the outputs: both moves count, and the second sees the first. */
static void an_output_given_twice(void **state) {
    (void)state;
    for (size_t t = 0; t < TABLES; t++) {
        float *in[1] = {inputs[0]},
              *out[5] = {outputs[0], outputs[1], outputs[0], outputs[2], outputs[1]};
        static const int row[5] = {0, 1, 0, 2, 1};
        float labels[8] __attribute__((aligned(64))) = {1, 0, 0, 0, 1};
        float rates[8] __attribute__((aligned(64))) = {0.5f, 0.5f, 0.5f, 0.5f, 0.5f};
        vni_step step = {in, out, labels, rates, 1, 5, 24, logits, gains, moves, NULL, 0, 0};
        if (!usable(tables[t]))
            continue;
        memset(inputs[0], 0, sizeof inputs[0]); /* rows are padded with zeros */
        memset(outputs, 0, 3 * sizeof outputs[0]);
        for (size_t d = 0; d < 24; d++) {
            inputs[0][d] = 0.125f;
            for (size_t j = 0; j < 3; j++)
                outputs[j][d] = (float)j - 0.5f;
        }
        tables[t]->step(&step);
        for (size_t j = 0; j < 5; j++) {
            const double x = 24 * 0.125 * ((double)row[j] - 0.5);
            assert_true(fabs((double)gains[j] - ((double)labels[j] - 1 / (1 + exp(-x))) * 0.5) <
                        1e-6);
        }
        const float first = (gains[0] + gains[2]) * 0.125f, second = (gains[1] + gains[4]) * 0.125f;
        const float move = -0.5f * gains[0] + 0.5f * gains[1] +
                           (-0.5f + gains[0] * 0.125f) * gains[2] + 1.5f * gains[3] +
                           (0.5f + gains[1] * 0.125f) * gains[4];
        for (size_t d = 0; d < 24; d++) {
            assert_true(fabsf(outputs[0][d] - (-0.5f + first)) < 1e-6f);
            assert_true(fabsf(outputs[1][d] - (0.5f + second)) < 1e-6f);
            assert_true(fabsf(inputs[0][d] - (0.125f + move)) < 1e-6f);
        }
    }
}

static void sigmoid_is_one(void **state) {
    (void)state;
    for (int i = -2000; i <= 2000; i++) {
        float x = (float)i * 0.05f;
        assert_true(fabs((double)vni_sigmoid(x) - 1 / (1 + exp(-(double)x))) < 2e-7);
    }
}

static void sums_and_spreads(void **state) {
    (void)state;
    for (size_t t = 0; t < TABLES; t++) {
        const float *rows[3] = {inputs[0], inputs[1], inputs[2]};
        float *into[2] = {outputs[0], outputs[0]};
        if (!usable(tables[t]))
            continue;
        for (size_t d = 0; d < 32; d++) {
            for (size_t i = 0; i < 3; i++)
                inputs[i][d] = (float)(i + d);
            outputs[0][d] = 1;
        }
        tables[t]->sum(rows, 3, 0.5f, inputs[3], 32);
        assert_true(inputs[3][7] == (7 + 8 + 9) * 0.5f);
        tables[t]->spread(into, 2, 0.25f, inputs[1], inputs[0], 32);
        assert_true(outputs[0][31] == 1.5f);
        tables[t]->gather(outputs[0], inputs[2], inputs[0], 0.5f, 32);
        assert_true(outputs[0][0] == 2.5f);
    }
}

/* ---- overlays -------------------------------------------------------------------------------- */

static void copies_are_merged(void **state) {
    vni_shared shared;
    size_t pieces[1] = {1};
    float *a, *b;
    vecna_error err;
    (void)state;
    memset(&shared, 0, sizeof shared);
    shared.table_count = 1;
    assert_status(VECNA_OK, vni_table_new(10, 3, NULL, &shared.tables[0], &err));
    assert_status(VECNA_OK, vni_shared_open(&shared, 2, pieces, &err));
    vni_table_row(&shared.tables[0], 1)[0] = 5;
    a = vni_row(&shared.tables[0], vni_overlay_of(&shared, 0, 0), 1);
    assert_true(a[0] == 5 && a != vni_table_row(&shared.tables[0], 1));
    assert_ptr_equal(a, vni_row(&shared.tables[0], vni_overlay_of(&shared, 0, 0), 1));
    b = vni_row(&shared.tables[0], vni_overlay_of(&shared, 1, 0), 1);
    a[0] += 1;
    b[0] += 2;
    a = vni_row(&shared.tables[0], vni_overlay_of(&shared, 1, 0), 7);
    a[2] = 9;
    vni_shared_merge(&shared, NULL);
    /* few touches: nearly the sum of the moves; one thread's row: exactly its copy */
    assert_true(fabsf(vni_table_row(&shared.tables[0], 1)[0] - 8) < 0.1f);
    assert_true(vni_table_row(&shared.tables[0], 7)[2] == 9);
    assert_int_equal(0, vni_overlay_of(&shared, 1, 0)->used);
    for (int i = 0; i < 20000; i++) { /* many touches: nearly the mean */
        a = vni_row(&shared.tables[0], vni_overlay_of(&shared, 0, 0), 2);
        b = vni_row(&shared.tables[0], vni_overlay_of(&shared, 1, 0), 2);
    }
    a[1] = 4;
    b[1] = 6;
    vni_shared_merge(&shared, NULL);
    assert_true(fabsf(vni_table_row(&shared.tables[0], 2)[1] - 5) < 0.01f);
    vni_shared_close(&shared);
}

/* ---- sampling -------------------------------------------------------------------------------- */

static void negatives_follow_the_counts(void **state) {
    const uint64_t counts[4] = {10000, 100, 16, 0};
    vni_negatives negatives;
    double seen[4] = {0}, total = 1000 + pow(100, 0.75) + 8;
    vecna_error err;
    (void)state;
    assert_status(VECNA_OK, vni_negatives_new(counts, 4, 0.75, NULL, &negatives, &err));
    for (size_t i = 0; i < 4; i++) {
        double share = (double)negatives.cells[i].share * 0x1p-32;
        seen[i] += share / 4;
        seen[negatives.cells[i].other] += (1 - share) / 4;
    }
    assert_true(fabs(seen[0] - 1000 / total) < 1e-8); /* shares are cut to 32 bits */
    assert_true(fabs(seen[1] - pow(100, 0.75) / total) < 1e-8);
    assert_true(fabs(seen[2] - 8 / total) < 1e-8);
    assert_true(negatives.cells[3].share == 0);
    assert_true(seen[3] == 0);
    assert_int_equal(0, vni_negative_of(&negatives, 0xFFFFFFFFu)); /* the end of the first cell */
    assert_int_equal(negatives.cells[3].other, vni_negative_of(&negatives, UINT64_MAX));
    vecna_release(NULL, negatives.cells);
}

static void subsampling_keeps_what_it_should(void **state) {
    const uint64_t counts[3] = {9000, 990, 10};
    uint32_t keep[3];
    (void)state;
    vni_keep_thresholds(counts, 3, 1e-3, keep);
    assert_true(fabs((double)keep[0] * 0x1p-32 - (sqrt(10 / 9000.0) + 10 / 9000.0)) < 1e-9);
    assert_true(keep[2] == UINT32_MAX);
    vni_keep_thresholds(counts, 3, 0, keep);
    assert_true(keep[0] == UINT32_MAX);
}

/* The cost of Huffman's code over 5, 2, 1, 1 is 5*1 + 2*2 + 1*3 + 1*3; paths are different. */
static void a_tree_by_hand(void **state) {
    const uint64_t counts[4] = {5, 2, 1, 1};
    const size_t lengths[4] = {1, 2, 3, 3};
    vni_huffman tree;
    vecna_error err;
    (void)state;
    assert_status(VECNA_OK, vni_huffman_new(counts, 4, NULL, &tree, &err));
    assert_int_equal(3, tree.longest);
    for (size_t word = 0; word < 4; word++) {
        assert_int_equal(lengths[word], tree.starts[word + 1] - tree.starts[word]);
        assert_int_equal(0, tree.nodes[tree.starts[word]]); /* the root */
    }
    assert_true(tree.turns[tree.starts[2] + 2] != tree.turns[tree.starts[3] + 2]);
    vni_huffman_free(&tree, NULL);
    assert_status(VECNA_OK, vni_huffman_new(counts, 1, NULL, &tree, &err));
    assert_int_equal(0, tree.longest);
    vni_huffman_free(&tree, NULL);
}

/* Words that never occur (they came with earlier vectors) do not make a chain of the tree. */
static void a_tree_with_zeros(void **state) {
    static uint64_t counts[5000];
    vni_huffman tree;
    vecna_error err;
    (void)state;
    counts[0] = 7;
    assert_status(VECNA_OK, vni_huffman_new(counts, 5000, NULL, &tree, &err));
    assert_true(tree.longest < 20);
    vni_huffman_free(&tree, NULL);
}

/* fastText's n-grams of "<cat>" with n 3..4, and FNV-1a of the first by hand. */
static void subwords_by_hand(void **state) {
    const vni_subword_rule rule = {10, 3, 4, 1000};
    const vni_subword_rule single = {10, 1, 2, 1000};
    int32_t rows[16];
    uint32_t hash = 2166136261u;
    (void)state;
    assert_int_equal(5, vni_subword_rows(&rule, "cat", 3, 0, rows, 16)); /* <ca <cat cat cat> at> */
    for (const char *at = "<ca"; *at; at++)
        hash = (hash ^ (uint32_t)(int8_t)*at) * 16777619u;
    assert_int_equal(10 + hash % 1000, rows[0]);
    /* two letters, one of two bytes: <é é éa a a>, and no bracket alone */
    assert_int_equal(5, vni_subword_rows(&single,
                                         "\xC3\xA9"
                                         "a",
                                         3, 0, rows, 16));
    assert_int_equal(5, vni_subword_rows(&rule, "cat", 3, 0, rows, 2));
    hash = (uint32_t)rows[1];
    assert_int_equal(5, vni_subword_rows(&rule, "cat", 3, 1, rows, 1));
    assert_int_equal(hash, rows[0]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_of_every_shape),
        cmocka_unit_test(an_input_given_twice),
        cmocka_unit_test(an_output_given_twice),
        cmocka_unit_test(sure_words_stay),
        cmocka_unit_test(sigmoid_is_one),
        cmocka_unit_test(sums_and_spreads),
        cmocka_unit_test(copies_are_merged),
        cmocka_unit_test(negatives_follow_the_counts),
        cmocka_unit_test(subsampling_keeps_what_it_should),
        cmocka_unit_test(a_tree_by_hand),
        cmocka_unit_test(a_tree_with_zeros),
        cmocka_unit_test(subwords_by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
