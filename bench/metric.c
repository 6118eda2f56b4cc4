/* Claim: a metric over float32 rows in memory runs at the speed at which memory can be read; 16-bit
 * rows cost their conversion and are still faster by the row, int8 and bits come near. Each kernel
 * of each set of instructions against reading the same rows (sums of 64-bit words in the widest
 * registers), in turn, with memcpy beside. Rows lie in memory (64 MiB a type, far above the last
 * cache of one core) and in the second cache (256 KiB). Medians of RUNS. */
#include "base/base_impl.h"
#include "bench/bench.h"
#include "metric/metric_impl.h"

#include <stdio.h>
#include <stdlib.h>

enum { RUNS = 7, DIM = 768 };

/* Processor time: what other processes take of a shared machine is not the kernel's doing. */
static double now(void) {
    return bench_seconds(CLOCK_PROCESS_CPUTIME_ID);
}

/* One job that reads `bytes` bytes. */
typedef struct work {
    const unsigned char *data;
    unsigned char *copy;
    float *out;
    const void *query;
    vecna_vectors rows;
    vecna_metric metric;
    size_t bytes;
    volatile uint64_t sink;
} work;

/* Eight independent sums, so that the loads and not the additions are waited for. */
#if defined(__x86_64__)
__attribute__((target_clones("default", "avx2", "avx512f")))
#endif
static uint64_t
sum_of(const unsigned char *data, size_t bytes) {
    uint64_t sums[64] = {0}, total = 0;
    for (size_t i = 0; i + sizeof sums <= bytes; i += sizeof sums)
        for (size_t k = 0; k < 64; k++) {
            uint64_t word;
            memcpy(&word, data + i + 8 * k, sizeof word);
            sums[k] += word;
        }
    for (size_t k = 0; k < 64; k++)
        total += sums[k];
    return total;
}

static void run_read(work *job) {
    job->sink += sum_of(job->data, job->bytes);
}

static void run_copy(work *job) {
    memcpy(job->copy, job->data, job->bytes);
    job->sink += job->copy[job->bytes / 2];
}

static void run_metric(work *job) {
    vecna_error err;
    if (vecna_metric_rows(job->metric, job->query, job->rows, job->out, &err) != VECNA_OK) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
}

/* Seconds of one run. */
static double timed(void (*run)(work *), work *job, size_t repeats) {
    double start = now();
    for (size_t i = 0; i < repeats; i++)
        run(job);
    return (now() - start) / (double)repeats;
}

static double median(double *values) {
    return bench_median(values, RUNS);
}

/* Median GB/s of `run`, and the median of its speed over that of reading: the two take turns,
 * because what memory gives changes with the neighbours. Small jobs are repeated until 2 ms have
 * gone. */
static double speed(void (*run)(work *), work *job, double *of_reading) {
    double rates[RUNS], ratios[RUNS];
    size_t repeats = 1;
    while (timed(run_read, job, repeats) * (double)repeats < 2e-3)
        repeats *= 2;
    run(job);
    for (int r = 0; r < RUNS; r++) {
        double reading = timed(run_read, job, repeats), took = timed(run, job, repeats);
        rates[r] = (double)job->bytes / took * 1e-9;
        ratios[r] = reading / took;
    }
    *of_reading = median(ratios);
    return median(rates);
}

static void one_metric(work *job, vecna_dtype dtype, vecna_metric metric) {
    static const unsigned masks[] = {0, VNI_CPU_AVX2, VNI_CPU_AVX2 | VNI_CPU_AVX512, ~0u};
    const char *before = "";
    job->metric = metric;
    printf("    %-4s %-8s", vecna_dtype_name(dtype), vecna_metric_name(metric));
    for (size_t m = 0; m < sizeof masks / sizeof *masks; m++) {
        double rate, ratio;
        vni_metric_allow(masks[m]);
        if (strcmp(before, vecna_metric_kernels()) == 0)
            continue;
        before = vecna_metric_kernels();
        rate = speed(run_metric, job, &ratio);
        printf("  %s %.1f (%.2f)", before, rate, ratio);
    }
    printf("\n");
}

static void one_size(work *job, size_t bytes, const char *where) {
    static const vecna_dtype dtypes[] = {VECNA_F32, VECNA_F16, VECNA_BF16, VECNA_I8, VECNA_BIT};
    double read, copy, ratio;
    job->bytes = bytes;
    read = speed(run_read, job, &ratio);
    copy = speed(run_copy, job, &ratio);
    printf("  %s: reading %.1f GB/s, memcpy %.1f; GB/s and ratio to reading\n", where, read, copy);
    for (size_t t = 0; t < sizeof dtypes / sizeof *dtypes; t++) {
        size_t row = vecna_dtype_bytes(dtypes[t], DIM);
        job->rows = (vecna_vectors){job->data, dtypes[t], bytes / row, DIM, row};
        job->bytes = bytes / row * row;
        for (int metric = 0; metric <= VECNA_METRIC_HAMMING; metric++)
            if (vecna_metric_supports((vecna_metric)metric, dtypes[t]) &&
                metric != VECNA_METRIC_L2 && /* the root of l2sq */
                (dtypes[t] != VECNA_BIT || metric == VECNA_METRIC_HAMMING))
                one_metric(job, dtypes[t], (vecna_metric)metric);
    }
}

int main(void) {
    const size_t large = (size_t)64 << 20, small = (size_t)256 << 10;
    unsigned char *data = malloc(large), *copy = malloc(large);
    float *out = malloc(large / (DIM / 8) * sizeof *out);
    work job = {.data = data, .copy = copy, .out = out, .query = data};
    vecna_random random;
    if (data == NULL || copy == NULL || out == NULL)
        return 1;
    memset(copy, 0, large);
    vecna_random_seed(&random, 1, 0);
    for (size_t i = 0; i + 2 <= large;
         i += 2) { /* every 16 bits an ordinary f16, bf16 and half of an f32 */
        uint16_t value = (uint16_t)(0x3c00 + (vecna_random_u64(&random) & 0x83ff));
        memcpy(data + i, &value, sizeof value);
    }
    printf("metric: one query against rows of %d dimensions, one thread\n", DIM);
    one_size(&job, large, "from memory (64 MiB)");
    one_size(&job, small, "from the second cache (256 KiB)");
    free(data);
    free(copy);
    free(out);
    return 0;
}
