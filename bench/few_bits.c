/* Claims, where the processor has AVX-512 VNNI: int8 weights translate at three times the pace of the
 * float32 product or more, many rows at once and one row alone; one row alone goes through weights of 12
 * bits in less time than through halves, and in a quarter of float32's or less. 1536 -> 768 on one core,
 * against the float32 product of the same run, in turn; CPU time of this thread. */
#include "bench/bench.h"
#include "vecna/linalg.h"

#include <stdlib.h>

enum { INNER = 1536, DIM = 768, ROWS = 1024, RUNS = 7, BATCHES = 8, SINGLES = 2000 };

enum { FLOATS, BYTES, TWELVE, HALVES, KINDS };

typedef struct work {
    float *rows, *weights, *out;
    vecna_linalg_int8 *packed;
    vecna_linalg_int12 *twelve;
    vecna_linalg_f16 *halves;
} work;

static void product(const work *w, int kind, size_t first, size_t rows) {
    vecna_error err;
    vecna_view in = vecna_view_dense(w->rows + first * INNER, rows, INNER);
    vecna_matrix out = vecna_matrix_dense(w->out, rows, DIM);
    vecna_status status =
        kind == BYTES    ? vecna_linalg_int8_product(w->packed, in, out, NULL, &err)
        : kind == TWELVE ? vecna_linalg_int12_product(w->twelve, in, out, &err)
        : kind == HALVES
            ? vecna_linalg_f16_product(w->halves, in, out, &err)
            : vecna_linalg_product(in, vecna_view_dense(w->weights, INNER, DIM), out, NULL, &err);
    bench_must(status, &err);
}

/* Microseconds a row. */
static double timed(const work *w, int kind, size_t rows, size_t times) {
    double start = bench_seconds(CLOCK_THREAD_CPUTIME_ID);
    for (size_t i = 0; i < times; i++)
        product(w, kind, rows == 1 ? i % ROWS : 0, rows);
    return (bench_seconds(CLOCK_THREAD_CPUTIME_ID) - start) * 1e6 / (double)(rows * times);
}

static void compare(const work *w, const char *what, int kinds, size_t rows, size_t times) {
    static const char *const names[KINDS] = {"float32", "int8", "12 bits", "16 bits"};
    double took[KINDS][RUNS], ratio[KINDS][RUNS];
    for (int kind = 0; kind < kinds; kind++)
        timed(w, kind, rows, times / 4 + 1);
    for (int run = 0; run < RUNS; run++)
        for (int kind = 0; kind < kinds; kind++) {
            took[kind][run] = timed(w, kind, rows, times);
            ratio[kind][run] = took[FLOATS][run] / took[kind][run];
        }
    printf("  %-22s float32 %6.2f us a vector", what, bench_median(took[FLOATS], RUNS));
    for (int kind = 1; kind < kinds; kind++)
        printf("; %s %6.2f us: %.2f times as fast", names[kind], bench_median(took[kind], RUNS),
               bench_median(ratio[kind], RUNS));
    printf("\n");
}

int main(void) {
    vecna_random random;
    vecna_error err;
    work w = {malloc((size_t)ROWS * INNER * sizeof(float)),
              malloc((size_t)INNER * DIM * sizeof(float)),
              malloc((size_t)ROWS * DIM * sizeof(float)),
              NULL,
              NULL,
              NULL};
    if (!w.rows || !w.weights || !w.out)
        return 1;
    vecna_random_seed(&random, 1, 0);
    for (size_t i = 0; i < (size_t)ROWS * INNER; i++)
        w.rows[i] = (float)vecna_random_normal(&random) / 39;
    for (size_t i = 0; i < (size_t)INNER * DIM; i++)
        w.weights[i] = (float)vecna_random_normal(&random) / 39;
    vecna_linalg_int8_options options = {.unit_rows = 1};
    bench_must(vecna_linalg_int8_new(vecna_view_dense(w.weights, INNER, DIM), NULL, &options,
                                     &w.packed, &err),
               &err);
    const vecna_matrix weights = vecna_matrix_dense(w.weights, INNER, DIM);
    bench_must(vecna_linalg_int12_new(weights, NULL, &w.twelve, &err), &err);
    bench_must(vecna_linalg_f16_new(weights, NULL, &w.halves, &err), &err);
    printf("weights of few bits %d -> %d, one core, %s\n", INNER, DIM,
           vecna_linalg_int8_is_fast() ? "AVX-512 VNNI" : "no VNNI: no claim");
    compare(&w, "1,024 rows at once", TWELVE, ROWS, BATCHES);
    compare(&w, "one row at a time", KINDS, 1, SINGLES);
    printf("  (claim of int8: 3 times and more, one row in 12 us; of 12 bits: 4 times and more)\n");
    vecna_linalg_int8_free(w.packed);
    vecna_linalg_int12_free(w.twelve);
    vecna_linalg_f16_free(w.halves);
    free(w.rows);
    free(w.weights);
    free(w.out);
    return 0;
}
