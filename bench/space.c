/* Health and fingerprint of vectors against memory: how many bytes a second pass, beside memcpy of as many;
 * and what one check costs beside the product that it cannot do without. Medians of 7, in turn, in one
 * run, on one thread. */
#include "vecna/space.h"
#include "bench/bench.h"
#include "vecna/linalg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIM = 768, ROWS = 60000, CHECKED = 128, ROUNDS = 7 };

static double now(void) {
    return bench_seconds(CLOCK_THREAD_CPUTIME_ID);
}

static double median(double *values) {
    return bench_median(values, ROUNDS);
}

static double copying(const float *data, float *copy) {
    double start = now();
    memcpy(copy, data, (size_t)ROWS * DIM * sizeof *data);
    return now() - start;
}

static double looking(vecna_view rows) {
    vecna_health *health = NULL;
    vecna_health_report report;
    vecna_error err;
    double start = now();
    bench_must(vecna_health_new(DIM, NULL, &health, &err), &err);
    bench_must(vecna_health_add(health, rows, &err), &err);
    double time = now() - start; /* the report costs the same for any number of rows */
    bench_must(vecna_health_finish(health, &report, &err), &err);
    vecna_health_free(health);
    return time;
}

static double building(vecna_view rows) {
    vecna_space_builder *builder = NULL;
    vecna_error err;
    double start = now();
    bench_must(vecna_space_builder_new(DIM, NULL, &builder, &err), &err);
    bench_must(vecna_space_builder_add(builder, rows, &err), &err);
    double time = now() - start;
    vecna_space_builder_free(builder);
    return time;
}

int main(void) {
    float *data = malloc((size_t)ROWS * DIM * sizeof *data);
    float *copy = malloc((size_t)ROWS * DIM * sizeof *copy);
    double t_copy[ROUNDS], t_health[ROUNDS], t_build[ROUNDS], t_check[ROUNDS], t_finish[ROUNDS];
    vecna_random random;
    vecna_error err;
    vecna_space *space = NULL;
    if (!data || !copy)
        return 1;
    vecna_random_seed(&random, 1, 0);
    for (size_t i = 0; i < (size_t)ROWS * DIM; i++)
        data[i] = (float)(vecna_random_uniform(&random) - 0.4);
    memset(copy, 1, (size_t)ROWS * DIM * sizeof *copy);
    vecna_view rows = vecna_view_dense(data, ROWS, DIM);
    for (size_t round = 0; round < ROUNDS; round++) {
        t_copy[round] = copying(data, copy);
        t_health[round] = looking(rows);
        t_build[round] = building(rows);
        double start = now();
        vecna_space_free(space);
        bench_must(vecna_space_of(vecna_view_rows(rows, 0, 4000), NULL, &space, &err), &err);
        t_finish[round] = now() - start;
        vecna_space_match match;
        start = now();
        for (size_t k = 0; k < 20; k++)
            bench_must(
                vecna_space_check(space, vecna_view_rows(rows, 0, CHECKED), NULL, &match, &err),
                &err);
        t_check[round] = (now() - start) / 20;
    }
    double bytes = (double)ROWS * DIM * sizeof *data, copied = median(t_copy);
    printf("%d rows of %d float32, one thread\n", ROWS, DIM);
    printf("memcpy                     %6.2f GB/s\n", bytes / copied * 1e-9);
    printf("vecna_space_builder_add    %6.2f GB/s   %.2f of memcpy\n",
           bytes / median(t_build) * 1e-9, copied / median(t_build));
    printf("vecna_health_add           %6.2f GB/s   %.2f of memcpy\n",
           bytes / median(t_health) * 1e-9, copied / median(t_health));
    printf("fingerprint of 4000 rows   %6.0f ms\n", median(t_finish) * 1e3);
    printf("check of %d rows          %6.2f ms\n", CHECKED, median(t_check) * 1e3);
    vecna_space_free(space);
    free(data);
    free(copy);
    return 0;
}
