/* Reading .npy against memory: how fast do the rows of a file in the page cache get into a matrix
 * of the caller, beside memcpy of as many bytes between two matrices? And, without a copy, how fast
 * are they looked at, beside looking at as many in memory? Medians of 7, in turn, in one run; then
 * the peak of the resident memory while a file much larger than it goes through. */
#include "bench/bench.h"
#include "vecna/format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DIM = 768, ROWS = 130000, ROUNDS = 7 };

static double now(void) {
    return bench_seconds(CLOCK_THREAD_CPUTIME_ID);
}

static double median(double *values) {
    return bench_median(values, ROUNDS);
}

/* One word of every cache line. */
static unsigned look(const float *data, size_t count) {
    unsigned sum = 0;
    for (size_t i = 0; i < count; i += 16) {
        unsigned bits;
        memcpy(&bits, data + i, sizeof bits);
        sum += bits;
    }
    return sum;
}

/* Through the file; into `matrix` unless it is NULL. */
static double through(const char *path, float *matrix, unsigned *sum) {
    vecna_reader *reader = NULL;
    vecna_block *block = NULL;
    vecna_error err;
    double start = now();
    bench_must(vecna_reader_open(path, NULL, &reader, &err), &err);
    bench_must(vecna_block_new(NULL, &block, &err), &err);
    for (;;) {
        bench_must(vecna_reader_read(reader, block, 0, &err), &err);
        if (block->vectors.rows == 0)
            break;
        if (matrix)
            memcpy(matrix + block->first_row * DIM, block->vectors.data,
                   block->vectors.rows * DIM * sizeof(float));
        else
            *sum += look(block->vectors.data, block->vectors.rows * DIM);
    }
    vecna_block_free(block);
    vecna_reader_close(reader);
    return now() - start;
}

static void write_file(const char *path, const float *matrix, size_t times) {
    vecna_writer_options options = {.format = "npy", .dim = DIM, .rows = ROWS * times};
    vecna_writer *writer = NULL;
    vecna_error err;
    bench_must(vecna_writer_open(path, &options, &writer, &err), &err);
    for (size_t i = 0; i < times; i++)
        bench_must(vecna_writer_write(writer, vecna_view_dense(matrix, ROWS, DIM), NULL, &err),
                   &err);
    bench_must(vecna_writer_commit(writer, &err), &err);
}

/* In a process that starts anew: a forked one would count its parent's memory. */
static int report_peak(const char *path, size_t bytes) {
    int status = 1;
    pid_t child = fork();
    if (child == 0) {
        execl("/proc/self/exe", "format_npy", path, (char *)NULL);
        _exit(1);
    }
    if (child > 0)
        waitpid(child, &status, 0);
    printf("(of a file of %.0f MB)\n", (double)bytes / 1e6);
    return status != 0;
}

static int only_read(const char *path) {
    struct rusage usage;
    unsigned sum = 0;
    through(path, NULL, &sum);
    getrusage(RUSAGE_SELF, &usage);
    printf("peak resident   %5.1f MB ", (double)usage.ru_maxrss / 1e3);
    return 0;
}

int main(int argc, char **argv) {
    char path[] = "/tmp/vecna-bench-XXXXXX";
    size_t count = (size_t)ROWS * DIM, bytes = count * sizeof(float);
    float *source, *target;
    double copied[ROUNDS], read[ROUNDS], looked[ROUNDS], viewed[ROUNDS], times;
    unsigned sum = 0;
    int descriptor;
    if (argc > 1)
        return only_read(argv[1]);
    descriptor = mkstemp(path);
    source = malloc(bytes);
    target = malloc(bytes);
    if (source == NULL || target == NULL || descriptor < 0)
        return 1;
    setvbuf(stdout, NULL, _IONBF, 0);
    close(descriptor);
    for (size_t i = 0; i < count; i++)
        source[i] = (float)(i % 1000) * 0.001f;
    memset(target, 1, bytes);
    write_file(path, source, 1);
    for (int i = 0; i < ROUNDS; i++) {
        double start = now();
        memcpy(target, source, bytes);
        copied[i] = now() - start;
        read[i] = through(path, target, &sum);
        start = now();
        sum += look(source, count);
        looked[i] = now() - start;
        viewed[i] = through(path, NULL, &sum);
    }
    times = median(copied);
    printf("%d x %d float32, %.0f MB in the page cache (checksum %u)\n", ROWS, DIM,
           (double)bytes / 1e6, sum);
    printf("into a matrix   %5.2f GB/s   memcpy %5.2f GB/s   %3.0f %%\n",
           (double)bytes / median(read) / 1e9, (double)bytes / times / 1e9,
           100 * times / median(read));
    times = median(looked);
    printf("looked at       %5.2f GB/s   memory %5.2f GB/s   %3.0f %%\n",
           (double)bytes / median(viewed) / 1e9, (double)bytes / times / 1e9,
           100 * times / median(viewed));
    write_file(path, source, 3);
    free(source);
    free(target);
    descriptor = report_peak(path, 3 * bytes);
    unlink(path);
    return descriptor;
}
