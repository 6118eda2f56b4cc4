/* Graphs as they are written, and walks whose steps must have node2vec's chances. */
#include "tests/unit/support/support.h"

#include "train/graph_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char path[] = "/tmp/vecna_graph_XXXXXX";

static vecna_status graph_of(const char *text, vecna_graph_options options, vecna_graph **out,
                             vecna_error *err) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    return vecna_graph_read(path, &options, out, err);
}

static int make_file(void **state) {
    (void)state;
    return mkstemp(path) < 0;
}

static int remove_file(void **state) {
    (void)state;
    return unlink(path);
}

static void graphs_of_every_kind(void **state) {
    const vecna_graph_options plain = {VECNA_GRAPH_EDGES, 0, NULL}, one_way = {0, 1, NULL},
                              lists = {VECNA_GRAPH_ADJACENCY, 0, NULL};
    vecna_graph *graph = NULL;
    vecna_error err;
    (void)state;
    assert_status(VECNA_OK, graph_of("# a comment\nb a\r\na,c\n\nc;c\na b\n", plain, &graph, &err));
    assert_int_equal(3, vecna_graph_nodes(graph));
    assert_int_equal(3, vecna_graph_edges(graph));
    assert_int_equal(5, graph->arcs);
    assert_false(vecna_graph_is_weighted(graph));
    vecna_graph_free(graph);
    assert_status(VECNA_OK, graph_of("1 2 1.5\n2 1 3\n1 2 2\n", one_way, &graph, &err));
    assert_int_equal(2, vecna_graph_edges(graph));
    assert_true(vecna_graph_is_weighted(graph));
    vecna_graph_free(graph);
    assert_status(VECNA_OK, graph_of("1 2 3 4\n2 3\n5\n", lists, &graph, &err));
    assert_int_equal(5, vecna_graph_nodes(graph));
    assert_int_equal(4, vecna_graph_edges(graph));
    vecna_graph_free(graph);
}

static void graphs_that_are_none(void **state) {
    static const char *const bad[] = {"a\n",       "a b c\n",   "a b 0\n",
                                      "a b -1\n",  "a b nan\n", "a b inf\n",
                                      "a b 1 c\n", "1 2\n3\n",  "a b 1e999\n"};
    const vecna_graph_options plain = {VECNA_GRAPH_EDGES, 0, NULL};
    vecna_graph *graph = NULL;
    vecna_error err;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_status(VECNA_ERR_FORMAT, graph_of(bad[i], plain, &graph, &err));
    assert_status(VECNA_ERR_VALUE, graph_of("# nothing\n", plain, &graph, &err));
    assert_null(graph);
}

/* Counts steps v -> x after t over many walks, against the chances of the definition. */
static void assert_chances(const char *text, int directed, double p, double q) {
    const vecna_graph_options options = {VECNA_GRAPH_EDGES, directed, NULL};
    const vecna_walk_options walk = {p, q, 20000, 12, 5, NULL, NULL};
    static double seen[6][6][6], weight[6][6];
    vecna_graph *graph = NULL;
    vecna_walks *walks = NULL;
    vecna_supply supply;
    int32_t nodes[12];
    vecna_error err;
    size_t count;
    memset(seen, 0, sizeof seen);
    memset(weight, 0, sizeof weight);
    assert_status(VECNA_OK, graph_of(text, options, &graph, &err));
    for (const char *at = text; *at; at = strchr(at, '\n') + 1) {
        char a, b;
        double w = 1;
        sscanf(at, "%c %c %lf", &a, &b, &w);
        int32_t from = vecna_vocab_find(vecna_graph_names(graph), &a, 1);
        int32_t to = vecna_vocab_find(vecna_graph_names(graph), &b, 1);
        weight[from][to] = w;
        if (!directed)
            weight[to][from] = w;
    }
    assert_status(VECNA_OK, vecna_walks_new(graph, &walk, &walks, &err));
    supply = vecna_walks_supply(walks);
    for (size_t at = 0; at < supply.positions; at++) {
        assert_int_equal(1, supply.piece(supply.user, 0, at, supply.positions, nodes, 12, &count));
        for (size_t i = 2; i < count; i++)
            seen[nodes[i - 2]][nodes[i - 1]][nodes[i]]++;
    }
    for (int t = 0; t < 6; t++)
        for (int v = 0; v < 6; v++) {
            double total = 0, all = 0, chance[6];
            for (int x = 0; x < 6; x++) {
                chance[x] = weight[v][x] * (x == t ? 1 / p : weight[t][x] > 0 ? 1 : 1 / q);
                all += chance[x];
                total += seen[t][v][x];
            }
            for (int x = 0; total > 0 && x < 6; x++) {
                double wanted = chance[x] / all;
                /* five standard deviations */
                assert_true(fabs(seen[t][v][x] / total - wanted) <=
                            5 * sqrt(wanted * (1 - wanted) / total) + 1e-9);
            }
        }
    vecna_walks_free(walks);
    vecna_graph_free(graph);
}

static void steps_have_their_chances(void **state) {
    static const char plain[] = "a b\na c\nb c\nb d\nc d\nd e\ne f\nd f\n";
    static const char weighted[] = "a b 1\na c 2\nb c 5\nb d 1\nc d 0.5\nd e 3\ne f 1\nd f 0.25\n";
    (void)state;
    assert_chances(plain, 0, 1, 1);
    assert_chances(plain, 0, 0.25, 4);
    assert_chances(plain, 0, 4, 0.25);
    assert_chances(weighted, 0, 0.5, 2);
    assert_chances("a b 1\nb c 2\nc a 1\nb d 1\nd a 3\na c 1\nc d 2\n", 1, 3, 0.5);
}

static void walks_begin_everywhere_and_may_end(void **state) {
    const vecna_graph_options options = {VECNA_GRAPH_EDGES, 1, NULL};
    const vecna_walk_options walk = {1, 1, 3, 5, 5, NULL, NULL};
    vecna_walk_options bad = walk;
    vecna_graph *graph = NULL;
    vecna_walks *walks = NULL;
    vecna_supply supply;
    int32_t nodes[5];
    size_t starts[3] = {0}, count, words = 0;
    vecna_error err;
    (void)state;
    assert_status(VECNA_OK, graph_of("a b\nb c\n", options, &graph, &err));
    assert_status(VECNA_OK, vecna_walks_new(graph, &walk, &walks, &err));
    supply = vecna_walks_supply(walks);
    assert_int_equal(9, supply.positions);
    for (size_t at = 0; at < 9; at++) {
        supply.piece(supply.user, 0, at, 9, nodes, 5, &count);
        starts[nodes[0]]++;
        words += count;
    }
    for (int v = 0; v < 3; v++)
        assert_int_equal(3, starts[v]);
    assert_int_equal(3 * (3 + 2 + 1), words);
    assert_int_equal(words, supply.words);
    assert_int_equal(9, supply.counts[2]);
    vecna_walks_free(walks);
    bad.p = -1;
    assert_status(VECNA_ERR_ARGUMENT, vecna_walks_new(graph, &bad, &walks, &err));
    bad = walk;
    bad.length = 5000;
    assert_status(VECNA_ERR_ARGUMENT, vecna_walks_new(graph, &bad, &walks, &err));
    vecna_graph_free(graph);
}

static vecna_status graph_body(void *user, const vecna_allocator *allocator, vecna_error *err) {
    const vecna_graph_options options = {VECNA_GRAPH_EDGES, 0, allocator};
    const vecna_walk_options walk = {.walks = 1, .length = 3, .allocator = allocator};
    vecna_graph *graph = NULL;
    vecna_walks *walks = NULL;
    vecna_status status = graph_of(user, options, &graph, err);
    if (status == VECNA_OK)
        status = vecna_walks_new(graph, &walk, &walks, err);
    vecna_walks_free(walks);
    vecna_graph_free(graph);
    return status;
}

static void memory_may_fail(void **state) {
    char text[] = "a b 1\nb c 2\n";
    (void)state;
    assert_survives_failing_memory(graph_body, text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(graphs_of_every_kind),
        cmocka_unit_test(graphs_that_are_none),
        cmocka_unit_test(steps_have_their_chances),
        cmocka_unit_test(walks_begin_everywhere_and_may_end),
        cmocka_unit_test(memory_may_fail),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
