/* Claim: exact search runs at the pace of the matrix product underneath it. Top-10 of 512 queries
 * over 1,000,000 x 768 float32 (VECNA_BENCH_ROWS changes the count) against bare oneDNN products of
 * the same shapes on as many threads, in the same run, in turn. */
#define _GNU_SOURCE
#include "vecna/search.h"
#include "bench/bench.h"

#include <dnnl.h>
#include <stdio.h>
#include <stdlib.h>

enum { DIM = 768, QUERIES = 512, TILE = 8192, RUNS = 5, K = 10 };

static double now(void) {
    return bench_seconds(CLOCK_MONOTONIC);
}

static double median(double *values) {
    return bench_median(values, RUNS);
}

static float *uniform_rows(size_t count, uint64_t seed) {
    float *values = malloc(count * sizeof *values);
    vecna_random random;
    if (values == NULL) {
        fprintf(stderr, "not enough memory; set VECNA_BENCH_ROWS\n");
        exit(1);
    }
    vecna_random_seed(&random, seed, 0);
    for (size_t i = 0; i < count; i += 2) { /* two numbers a draw */
        uint64_t bits = vecna_random_u64(&random);
        values[i] = (float)(int32_t)bits * 0x1p-31f;
        if (i + 1 < count)
            values[i + 1] = (float)(int32_t)(bits >> 32) * 0x1p-31f;
    }
    return values;
}

/* Every score, and nothing done with it. */
static double bare_products(const float *corpus, const float *queries, float *tile, size_t rows) {
    double start = now();
    for (size_t at = 0; at < rows; at += TILE) {
        size_t count = rows - at < TILE ? rows - at : TILE;
        if (dnnl_sgemm('N', 'T', QUERIES, (dnnl_dim_t)count, DIM, 1.0f, queries, DIM,
                       corpus + at * DIM, DIM, 0.0f, tile, TILE) != dnnl_success)
            exit(1);
    }
    return now() - start;
}

int main(void) {
    const char *asked = getenv("VECNA_BENCH_ROWS");
    size_t rows = asked ? (size_t)atoll(asked) : 1000000;
    float *corpus = uniform_rows(rows * DIM, 1), *queries = uniform_rows((size_t)QUERIES * DIM, 2);
    float *tile = malloc((size_t)QUERIES * TILE * sizeof *tile);
    int64_t *found = malloc(sizeof *found * QUERIES * K);
    double product[RUNS], search[RUNS], ratio[RUNS];
    vecna_search_options options = {VECNA_METRIC_COSINE, K, NULL, NULL, NULL};
    vecna_error err;

    if (tile == NULL || found == NULL || vecna_pool_new(0, NULL, &options.pool, &err) != VECNA_OK)
        return 1;
    bare_products(corpus, queries, tile, rows < 100000 ? rows : 100000);
    for (int run = 0; run < RUNS; run++) {
        double start;
        product[run] = bare_products(corpus, queries, tile, rows);
        start = now();
        if (vecna_search(vecna_view_dense(corpus, rows, DIM),
                         vecna_view_dense(queries, QUERIES, DIM), &options, found, NULL,
                         &err) != VECNA_OK) {
            fprintf(stderr, "%s\n", err.message);
            return 1;
        }
        search[run] = now() - start;
        ratio[run] = product[run] / search[run];
    }
    printf("search top-%d of %d queries over %zu x %d, cosine, %zu threads\n", K, QUERIES, rows,
           DIM, vecna_pool_threads(options.pool));
    printf("  bare products %.2f s (%.0f GFLOP/s), search %.2f s (medians of %d)\n",
           median(product), 2e-9 * (double)rows * DIM * QUERIES / median(product), median(search),
           RUNS);
    printf("  share of the products' speed: %.0f %% (claim: 70 %%)\n", 100 * median(ratio));
    vecna_pool_free(options.pool);
    free(corpus);
    free(queries);
    free(tile);
    free(found);
    return 0;
}
