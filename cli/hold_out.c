/* A pair that shares a text with one that is trained on is half known, so groups stay on one side
 * (cli/hold_out.h). */
#include "cli/hold_out.h"

#include <stdlib.h>
#include <string.h>

static uint32_t root_of(uint32_t *parent, uint32_t i) {
    while (parent[i] != i)
        i = parent[i] = parent[parent[i]];
    return i;
}

/* size (members): pairs of the group, at its root. */
static void group_pairs(const uint32_t *pair, size_t pairs, size_t width, size_t members,
                        uint32_t *parent, uint32_t *size) {
    for (size_t i = 0; i < members; i++)
        parent[i] = (uint32_t)i;
    for (size_t i = 0; i < pairs; i++)
        for (size_t k = 1; k < width; k++)
            if (pair[width * i + k] != NO_TEXT)
                parent[root_of(parent, pair[width * i + k])] = root_of(parent, pair[width * i]);
    for (size_t i = 0; i < pairs; i++)
        size[root_of(parent, pair[width * i])]++;
}

vecna_status hold_out(const uint32_t *pair, size_t pairs, size_t width, size_t members,
                      uint64_t seed, unsigned char *held, vecna_error *err) {
    uint32_t *parent = malloc(members * sizeof *parent), *size = calloc(members, sizeof *size);
    unsigned char *chosen = calloc(members, 1); /* 1 trained on, 2 held out: by root */
    vecna_status status = VECNA_OK;
    size_t count = 0;
    if (!parent || !size || !chosen) {
        status = vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for the pairs");
        goto done;
    }
    group_pairs(pair, pairs, width, members, parent, size);
    for (size_t i = 0; i < pairs; i++) {
        const uint32_t root = root_of(parent, pair[width * i]);
        if (!chosen[root]) {
            vecna_random random;
            vecna_random_seed(&random, seed, 1000 + root);
            const int out = vecna_random_below(&random, HELD_OUT_OF) == 0 &&
                            count + size[root] <= HELD_OUT_MOST && size[root] <= pairs / 10 &&
                            pairs >= 2 * HELD_OUT_OF;
            chosen[root] = out ? 2 : 1;
            count += out ? size[root] : 0;
        }
        held[i] = chosen[root] == 2;
    }
done:
    free(parent);
    free(size);
    free(chosen);
    return status;
}
