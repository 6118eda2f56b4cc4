/* Claim: linalg adds next to nothing to the libraries under it. Each function against the bare call
 * of oneDNN or OpenBLAS on the same shape, in one thread, in turn; times are of the processor, so
 * that other work on the machine counts little. */
#define _GNU_SOURCE
#include "vecna/linalg.h"
#include "bench/bench.h"

#include <dlfcn.h>
#include <dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 4096, P = 1536, Q = 768, RUNS = 5, ROW_MAJOR = 101, PLAIN = 111, TRANSPOSED = 112 };
enum { UPPER = 121 };

void omp_set_num_threads(int threads);

typedef void gemm(int order, int trans_a, int trans_b, int m, int n, int k, double alpha,
                  const double *a, int lda, const double *b, int ldb, double beta, double *c,
                  int ldc);
typedef void syrk(int order, int uplo, int trans, int n, int k, double alpha, const double *a,
                  int lda, double beta, double *c, int ldc);

static struct {
    float *x, *y, *w, *out;
    double *wide_x, *wide_y, *gram, *cross;
    int8_t *a8, *b8;
    int32_t *out8;
    gemm *dgemm;
    syrk *dsyrk;
} data;

static double now(void) {
    return bench_seconds(CLOCK_PROCESS_CPUTIME_ID);
}

static double median(double *values) {
    return bench_median(values, RUNS);
}

static void need(int good, const char *what) {
    if (!good) {
        fprintf(stderr, "bench linalg: %s failed\n", what);
        exit(1);
    }
}

static void ours_product(void) {
    need(vecna_linalg_product(vecna_view_dense(data.x, ROWS, P), vecna_view_dense(data.w, P, Q),
                              vecna_matrix_dense(data.out, ROWS, Q), NULL, NULL) == VECNA_OK,
         "product");
}

static void bare_product(void) {
    need(dnnl_sgemm('N', 'N', ROWS, Q, P, 1, data.x, P, data.w, Q, 0, data.out, Q) == dnnl_success,
         "dnnl_sgemm");
}

static void ours_rows(void) {
    need(vecna_linalg_product_rows(vecna_view_dense(data.x, ROWS, P),
                                   vecna_view_dense(data.w, Q, P),
                                   vecna_matrix_dense(data.out, ROWS, Q), NULL, NULL) == VECNA_OK,
         "product_rows");
}

static void bare_rows(void) {
    need(dnnl_sgemm('N', 'T', ROWS, Q, P, 1, data.x, P, data.w, P, 0, data.out, Q) == dnnl_success,
         "dnnl_sgemm");
}

static void ours_int8(void) {
    need(vecna_linalg_product_rows_i8((vecna_view_i8){data.a8, ROWS, P, P},
                                      (vecna_view_i8){data.b8, Q, P, P}, data.out8, Q, NULL,
                                      NULL) == VECNA_OK,
         "product_rows_i8");
}

static void bare_int8(void) {
    const int32_t offset = 0;
    need(dnnl_gemm_s8s8s32('N', 'T', 'F', ROWS, Q, P, 1, data.a8, P, 0, data.b8, P, 0, 0, data.out8,
                           Q, &offset) == dnnl_success,
         "dnnl_gemm_s8s8s32");
}

static void ours_gram(void) {
    vecna_gram sums = {.gram = data.gram, .cross = data.cross};
    need(vecna_linalg_gram_add(&sums, vecna_view_dense(data.x, ROWS, P),
                               vecna_view_dense(data.y, ROWS, Q), NULL) == VECNA_OK,
         "gram_add");
}

/* The float64 products alone, over rows that are float64 already. */
static void bare_gram(void) {
    data.dsyrk(ROW_MAJOR, UPPER, TRANSPOSED, P, ROWS, 1, data.wide_x, P, 1, data.gram, P);
    data.dgemm(ROW_MAJOR, TRANSPOSED, PLAIN, P, Q, ROWS, 1, data.wide_x, P, data.wide_y, Q, 1,
               data.cross, Q);
}

static void compare(const char *name, double operations, void (*bare)(void), void (*ours)(void)) {
    double times[RUNS], bare_times[RUNS], ratios[RUNS];
    bare();
    ours();
    for (int run = 0; run < RUNS; run++) {
        double start = now();
        bare();
        bare_times[run] = now() - start;
        start = now();
        ours();
        times[run] = now() - start;
        ratios[run] = bare_times[run] / times[run];
    }
    printf("  %-22s %7.1f G/s, bare call %7.1f G/s: %3.0f %%\n", name,
           operations * 1e-9 / median(times), operations * 1e-9 / median(bare_times),
           100 * median(ratios));
}

static void *filled(size_t count, size_t size) {
    void *memory = calloc(count, size);
    need(memory != NULL, "allocation");
    return memory;
}

/* Looked up where liblapacke, which linalg has loaded by now, brought it. */
static void bind_openblas(void) {
    void *blas = dlopen("libblas.so.3", RTLD_NOW);
    void *dgemm, *dsyrk, *threads;
    void (*set_threads)(int);
    need(blas != NULL, "loading libblas.so.3");
    dgemm = dlsym(blas, "cblas_dgemm");
    dsyrk = dlsym(blas, "cblas_dsyrk");
    threads = dlsym(blas, "openblas_set_num_threads");
    need(dgemm && dsyrk, "finding cblas_dgemm");
    memcpy(&data.dgemm, &dgemm, sizeof dgemm);
    memcpy(&data.dsyrk, &dsyrk, sizeof dsyrk);
    if (threads) {
        memcpy(&set_threads, &threads, sizeof threads);
        set_threads(1);
    }
}

int main(void) {
    vecna_linalg_kernels kernels;
    vecna_error err;
    if (vecna_linalg_about(&kernels, &err) != VECNA_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    bind_openblas();
    omp_set_num_threads(1);
    data.x = filled((size_t)ROWS * P, sizeof *data.x);
    data.y = filled((size_t)ROWS * Q, sizeof *data.y);
    data.w = filled((size_t)P * Q, sizeof *data.w);
    data.out = filled((size_t)ROWS * Q, sizeof *data.out);
    data.wide_x = filled((size_t)ROWS * P, sizeof *data.wide_x);
    data.wide_y = filled((size_t)ROWS * Q, sizeof *data.wide_y);
    data.gram = filled((size_t)P * P, sizeof *data.gram);
    data.cross = filled((size_t)P * Q, sizeof *data.cross);
    data.a8 = filled((size_t)ROWS * P, 1);
    data.b8 = filled((size_t)Q * P, 1);
    data.out8 = filled((size_t)ROWS * Q, sizeof *data.out8);
    for (size_t i = 0; i < (size_t)ROWS * P; i++) {
        data.x[i] = (float)(i % 13) * 0.01f;
        data.wide_x[i] = (double)data.x[i];
        data.a8[i] = (int8_t)(i % 200 - 100);
    }
    for (size_t i = 0; i < (size_t)ROWS * Q; i++) {
        data.y[i] = (float)(i % 11) * 0.01f;
        data.wide_y[i] = (double)data.y[i];
    }
    for (size_t i = 0; i < (size_t)P * Q; i++) {
        data.w[i] = (float)(i % 7) * 0.01f;
        data.b8[i] = (int8_t)(i % 190 - 95);
    }
    printf("linalg, %d x %d -> %d, one thread; oneDNN %s, OpenBLAS %s\n", ROWS, P, Q,
           kernels.onednn_isa, kernels.openblas_core);
    compare("product", 2.0 * ROWS * P * Q, bare_product, ours_product);
    compare("product_rows", 2.0 * ROWS * P * Q, bare_rows, ours_rows);
    compare("product_rows_i8", 2.0 * ROWS * P * Q, bare_int8, ours_int8);
    compare("gram_add, x'x and x'y", (double)ROWS * P * (P + 1) + 2.0 * ROWS * P * Q, bare_gram,
            ours_gram);
    free(data.x);
    free(data.y);
    free(data.w);
    free(data.out);
    free(data.wide_x);
    free(data.wide_y);
    free(data.gram);
    free(data.cross);
    free(data.a8);
    free(data.b8);
    free(data.out8);
    return 0;
}
