/* Any bytes as a graph, both ways to write one and both directions: lists must be sorted, whole and
 * within the nodes, and walks must follow edges. */
#include "vecna/train.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static char path[64];
    FILE *file;
    snprintf(path, sizeof path, "/tmp/vecna_fuzz_graph_%ld", (long)getpid());
    file = fopen(path, "wb");
    if (file == NULL)
        return 0;
    fwrite(data, 1, bytes, file);
    fclose(file);
    for (int kind = 0; kind < 4; kind++) {
        vecna_graph_options options = {(vecna_graph_format)(kind & 1), kind >> 1, NULL};
        vecna_walk_options walk = {.p = 0.5, .q = 2, .walks = 1, .length = 4};
        vecna_graph *graph = NULL;
        vecna_walks *walks = NULL;
        vecna_error err;
        if (vecna_graph_read(path, &options, &graph, &err) != VECNA_OK)
            continue;
        if (vecna_walks_new(graph, &walk, &walks, &err) == VECNA_OK) {
            vecna_supply supply = vecna_walks_supply(walks);
            int32_t nodes[4];
            size_t count = 0;
            if (supply.positions != vecna_graph_nodes(graph))
                abort();
            supply.piece(supply.user, 0, 0, supply.positions, nodes, 4, &count);
            for (size_t i = 0; i < count; i++)
                if (nodes[i] < 0 || (size_t)nodes[i] >= supply.numbers)
                    abort();
        }
        vecna_walks_free(walks);
        vecna_graph_free(graph);
    }
    unlink(path);
    return 0;
}
