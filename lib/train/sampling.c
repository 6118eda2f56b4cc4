/* What is drawn while training: words that did not stand there, words that are passed over, and the
 * tree of hierarchical softmax. */
#include "train/train_impl.h"

#include <math.h>
#include <stdlib.h>

static vecna_status no_memory(vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                           "not enough memory for the tables of training");
}

/* ---- negatives ------------------------------------------------------------------------------- */

/* Vose's way: words whose weight is below the mean are filled up, one after the other, by words above
 * it. small and large are the two ends of one stack of word numbers. */
static void fill_cells(double *weights, int32_t *stack, const vni_negatives *out) {
    size_t words = (size_t)out->words, small = 0, large = words;
    for (size_t i = words; i-- > 0;) {
        out->cells[i].share = UINT32_MAX;
        out->cells[i].other = (int32_t)i; /* what rounding leaves over is the word's own */
        if (weights[i] < 1)
            stack[small++] = (int32_t)i;
        else
            stack[--large] = (int32_t)i;
    }
    while (small > 0 && large < words) {
        int32_t under = stack[--small], over = stack[large];
        out->cells[under].share = (uint32_t)(weights[under] * 0x1p32);
        out->cells[under].other = over;
        weights[over] -= 1 - weights[under];
        if (weights[over] < 1) {
            large++;
            stack[small++] = over;
        }
    }
}

vecna_status vni_negatives_new(const uint64_t *counts, size_t words, double exponent,
                               const vecna_allocator *allocator, vni_negatives *out,
                               vecna_error *err) {
    vni_negatives made = {NULL, words};
    double total = 0, *weights = vecna_allocate(allocator, words, sizeof *weights);
    int32_t *stack = vecna_allocate(allocator, words, sizeof *stack);
    made.cells = vecna_allocate(allocator, words, sizeof *made.cells);
    if (weights == NULL || stack == NULL || made.cells == NULL) {
        vecna_release(allocator, weights);
        vecna_release(allocator, stack);
        vecna_release(allocator, made.cells);
        return no_memory(err);
    }
    for (size_t i = 0; i < words; i++)
        total += weights[i] = counts[i] ? pow((double)counts[i], exponent) : 0;
    for (size_t i = 0; i < words; i++)
        weights[i] = total > 0 ? weights[i] / total * (double)words : 1;
    fill_cells(weights, stack, &made);
    vecna_release(allocator, weights);
    vecna_release(allocator, stack);
    *out = made;
    return VECNA_OK;
}

/* ---- subsampling ----------------------------------------------------------------------------- */

void vni_keep_thresholds(const uint64_t *counts, size_t words, double sample, uint32_t *keep) {
    double total = 0;
    for (size_t i = 0; i < words; i++)
        total += (double)counts[i];
    for (size_t i = 0; i < words; i++) {
        double part = sample * total / (counts[i] ? (double)counts[i] : 1);
        double chance = sample > 0 ? sqrt(part) + part : 1;
        keep[i] = chance >= 1 ? UINT32_MAX : (uint32_t)(chance * 0x1p32);
    }
}

/* ---- Huffman's tree -------------------------------------------------------------------------- */

/* Two queues, both in ascending order: words from the rarest, inner nodes as they are made. The next
 * of the two smallest is always at the head of one of them, so that building takes linear time. */
typedef struct building {
    const uint64_t *counts;
    size_t words;
    uint64_t *weights; /* (words - 1) of inner nodes */
    uint32_t *parents; /* (2 * words - 1) words first, then inner nodes */
    unsigned char *turns;
    size_t leaf, node; /* leaf: words not yet taken; node: inner nodes taken */
    size_t made;
} building;

static size_t take_smallest(building *tree, uint64_t *weight) {
    if (tree->leaf > 0 &&
        (tree->node == tree->made || tree->counts[tree->leaf - 1] <= tree->weights[tree->node])) {
        *weight = tree->counts[--tree->leaf];
        return tree->leaf;
    }
    *weight = tree->weights[tree->node];
    return tree->words + tree->node++;
}

static void build(building *tree) {
    while (tree->made + 1 < tree->words) {
        uint64_t a, b;
        size_t parent = tree->words + tree->made;
        size_t first = take_smallest(tree, &a), second = take_smallest(tree, &b);
        tree->weights[tree->made++] = a + b;
        tree->parents[first] = tree->parents[second] = (uint32_t)parent;
        tree->turns[first] = 0;
        tree->turns[second] = 1;
    }
}

static size_t depth_of(const building *tree, size_t at) {
    size_t depth = 0, root = 2 * tree->words - 2;
    for (; at != root; at = tree->parents[at])
        depth++;
    return depth;
}

/* Paths from the root down; inner nodes are numbered from the root, so that the busiest lie together. */
static void write_paths(const building *tree, vni_huffman *out) {
    size_t root = 2 * tree->words - 2;
    for (size_t word = 0; word < tree->words; word++) {
        size_t end = out->starts[word + 1], place = end;
        for (size_t at = word; at != root; at = tree->parents[at]) {
            out->nodes[--place] = (int32_t)(root - tree->parents[at]);
            out->turns[place] = tree->turns[at];
        }
        if (end - out->starts[word] > out->longest)
            out->longest = end - out->starts[word];
    }
}

void vni_huffman_free(vni_huffman *tree, const vecna_allocator *allocator) {
    vecna_release(allocator, tree->starts);
    vecna_release(allocator, tree->nodes);
    vecna_release(allocator, tree->turns);
    memset(tree, 0, sizeof *tree);
}

vecna_status vni_huffman_new(const uint64_t *counts, size_t words, const vecna_allocator *allocator,
                             vni_huffman *out, vecna_error *err) {
    building tree = {counts, words, NULL, NULL, NULL, words, 0, 0};
    vni_huffman made;
    size_t total = 0;
    vecna_status status = VECNA_OK;

    memset(&made, 0, sizeof made);
    for (size_t word = 1; word < words; word++)
        if (counts[word] > counts[word - 1])
            return vecna_error_set(err, VECNA_ERR_ARGUMENT, (int64_t)word,
                                   "hierarchical softmax takes words in the order of their counts");
    tree.weights = vecna_allocate(allocator, words, sizeof *tree.weights);
    tree.parents = vecna_allocate(allocator, 2 * words, sizeof *tree.parents);
    tree.turns = vecna_allocate(allocator, 2 * words, 1);
    made.starts = vecna_allocate(allocator, words + 1, sizeof *made.starts);
    if (!tree.weights || !tree.parents || !tree.turns || !made.starts) {
        status = no_memory(err);
        goto done;
    }
    build(&tree);
    for (size_t word = 0; word < words; word++) {
        made.starts[word] = (uint32_t)total;
        total += depth_of(&tree, word);
        if (total > UINT32_MAX) {
            status = vecna_error_set(err, VECNA_ERR_OVERFLOW, -1,
                                     "%zu words are too many for hierarchical softmax", words);
            goto done;
        }
    }
    made.starts[words] = (uint32_t)total;
    made.nodes = vecna_allocate(allocator, total, sizeof *made.nodes);
    made.turns = vecna_allocate(allocator, total, 1);
    if (!made.nodes || !made.turns) {
        status = no_memory(err);
        goto done;
    }
    write_paths(&tree, &made);
done:
    vecna_release(allocator, tree.weights);
    vecna_release(allocator, tree.parents);
    vecna_release(allocator, tree.turns);
    if (status == VECNA_OK)
        *out = made;
    else
        vni_huffman_free(&made, allocator);
    return status;
}
