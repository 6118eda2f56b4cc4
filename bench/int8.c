/* Claim: int8 weights translate at three times the pace of the float32 product or more, where the
 * processor has AVX-512 VNNI: many rows at once, and one row alone. 1536 -> 768 on one core, against
 * the float32 product of the same run, in turn; CPU time of this thread. */
#include "bench/bench.h"
#include "vecna/linalg.h"

#include <stdlib.h>

enum { INNER = 1536, DIM = 768, ROWS = 1024, RUNS = 7, BATCHES = 8, SINGLES = 2000 };

typedef struct work {
    float *rows, *weights, *out;
    vecna_linalg_int8 *packed;
} work;

static void product(const work *w, int int8, size_t first, size_t rows) {
    vecna_error err;
    vecna_view in = vecna_view_dense(w->rows + first * INNER, rows, INNER);
    vecna_matrix out = vecna_matrix_dense(w->out, rows, DIM);
    bench_must(
        int8 ? vecna_linalg_int8_product(w->packed, in, out, NULL, &err)
             : vecna_linalg_product(in, vecna_view_dense(w->weights, INNER, DIM), out, NULL, &err),
        &err);
}

/* Microseconds a row. */
static double timed(const work *w, int int8, size_t rows, size_t times) {
    double start = bench_seconds(CLOCK_THREAD_CPUTIME_ID);
    for (size_t i = 0; i < times; i++)
        product(w, int8, rows == 1 ? i % ROWS : 0, rows);
    return (bench_seconds(CLOCK_THREAD_CPUTIME_ID) - start) * 1e6 / (double)(rows * times);
}

static void compare(const work *w, const char *what, size_t rows, size_t times) {
    double f32[RUNS], int8[RUNS], ratio[RUNS];
    timed(w, 0, rows, times / 4 + 1);
    timed(w, 1, rows, times / 4 + 1);
    for (int run = 0; run < RUNS; run++) {
        f32[run] = timed(w, 0, rows, times);
        int8[run] = timed(w, 1, rows, times);
        ratio[run] = f32[run] / int8[run];
    }
    printf("  %-22s float32 %6.2f us, int8 %6.2f us a vector: %.2f times as fast\n", what,
           bench_median(f32, RUNS), bench_median(int8, RUNS), bench_median(ratio, RUNS));
}

int main(void) {
    vecna_random random;
    vecna_error err;
    work w = {malloc((size_t)ROWS * INNER * sizeof(float)),
              malloc((size_t)INNER * DIM * sizeof(float)),
              malloc((size_t)ROWS * DIM * sizeof(float)), NULL};
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
    printf("int8 weights %d -> %d, one core, %s\n", INNER, DIM,
           vecna_linalg_int8_is_fast() ? "AVX-512 VNNI" : "no VNNI: no claim");
    compare(&w, "1,024 rows at once", ROWS, BATCHES);
    compare(&w, "one row at a time", 1, SINGLES);
    printf("  (claim: 3 times and more; one row in 12 us)\n");
    vecna_linalg_int8_free(w.packed);
    free(w.rows);
    free(w.weights);
    free(w.out);
    return 0;
}
