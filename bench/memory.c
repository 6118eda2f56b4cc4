/* How many rows a second and core a map with a memory of 100,000 pairs translates (384 -> 768; 20,000 is
 * the aim), and, in the same run and in turn, the plain map of the same pairs: the ratio is the cost.
 * VECNA_BENCH_ROWS changes the number of pairs. Pairs are made up, in 2,000 clusters as texts lie;
 * time is CPU time of the one thread. */
#include "bench/bench.h"
#include "vecna/translate.h"

#include <string.h>

enum { SOURCE_DIM = 384, TARGET_DIM = 768, RUNS = 5, ROWS = 8192, CLUSTERS = 2000 };

/* Rows of cluster i % CLUSTERS: its centre and as much noise. Both sides of a pair share the seed. */
static float *make_rows(size_t rows, size_t dim, uint64_t first) {
    float *out = malloc(rows * dim * sizeof *out);
    vecna_random random;
    if (out == NULL)
        exit(1);
    for (size_t i = 0; i < rows; i++) {
        float *row = out + i * dim;
        vecna_random_seed(&random, 1, (first + i) % CLUSTERS);
        for (size_t j = 0; j < dim; j++)
            row[j] = (float)vecna_random_uniform(&random) - 0.45f;
        vecna_random_seed(&random, 2, first + i);
        for (size_t j = 0; j < dim; j++)
            row[j] += (float)vecna_random_uniform(&random) - 0.5f;
    }
    return out;
}

static vecna_map *fit(vecna_view source, vecna_view target, const uint64_t *groups,
                      vecna_recipe recipe, vecna_pool *pool) {
    vecna_translate_options options = {
        .recipe = recipe, .groups = groups, .resamples = 10, .pool = pool, .no_confidence = 1};
    vecna_map *map = NULL;
    vecna_error err;
    bench_must(vecna_translate_fit(source, target, &options, &map, &err), &err);
    return map;
}

static double apply(const vecna_map *map, vecna_view in, vecna_matrix out) {
    vecna_error err;
    double start = bench_seconds(CLOCK_THREAD_CPUTIME_ID);
    bench_must(vecna_map_apply(map, in, out, NULL, &err), &err);
    return bench_seconds(CLOCK_THREAD_CPUTIME_ID) - start;
}

int main(void) {
    const char *asked = getenv("VECNA_BENCH_ROWS");
    const size_t pairs = asked ? (size_t)atoll(asked) : 100000;
    const vecna_recipe blend = {.method = VECNA_METHOD_BLEND, .lambda = 0.1, .share = 0.8};
    vecna_recipe memory = blend;
    double plain[RUNS], remembered[RUNS], ratio[RUNS];
    float *source = make_rows(pairs, SOURCE_DIM, 0), *target = make_rows(pairs, TARGET_DIM, 0);
    float *rows = make_rows(ROWS, SOURCE_DIM, pairs);
    float *out = malloc((size_t)ROWS * TARGET_DIM * sizeof *out);
    uint64_t *groups = malloc(pairs * sizeof *groups);
    vecna_pool *pool = NULL;
    vecna_error err;
    if (out == NULL || groups == NULL)
        return 1;
    for (size_t i = 0; i < pairs; i++)
        groups[i] = i;
    memory.method = VECNA_METHOD_MEMORY;
    memory.neighbours = 16;
    memory.temperature = 0.1;
    memory.correction = 1.5;
    bench_must(vecna_pool_new(0, NULL, &pool, &err), &err);
    const vecna_view x = vecna_view_dense(source, pairs, SOURCE_DIM);
    const vecna_view y = vecna_view_dense(target, pairs, TARGET_DIM);
    vecna_map *without = fit(x, y, groups, blend, pool);
    vecna_map *with = fit(x, y, groups, memory, pool);
    const vecna_view in = vecna_view_dense(rows, ROWS, SOURCE_DIM);
    const vecna_matrix to = vecna_matrix_dense(out, ROWS, TARGET_DIM);
    apply(with, in, to);
    for (size_t run = 0; run < RUNS; run++) {
        plain[run] = apply(without, in, to);
        remembered[run] = apply(with, in, to);
        ratio[run] = remembered[run] / plain[run];
    }
    printf("memory of %zu pairs, %d -> %d: %.0f rows/s a core, the plain map %.0f; %.1f times its "
           "time\n",
           pairs, SOURCE_DIM, TARGET_DIM, ROWS / bench_median(remembered, RUNS),
           ROWS / bench_median(plain, RUNS), bench_median(ratio, RUNS));
    vecna_map_free(with);
    vecna_map_free(without);
    vecna_pool_free(pool);
    free(source);
    free(target);
    free(rows);
    free(out);
    free(groups);
    return 0;
}
