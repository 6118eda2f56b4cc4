/* Claim: `vecna translate`, file to file, keeps the pace of the matrix product that it cannot
 * avoid, in little memory. 200,000 rows 1536 -> 768 f32 from page cache (VECNA_BENCH_ROWS changes
 * the count) against one bare oneDNN product of the same shape on as many threads, in the same run,
 * in turn. */
#define _GNU_SOURCE
#include "bench/bench.h"
#include "vecna/base.h"

#include <dnnl.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SOURCE_DIM = 1536, TARGET_DIM = 768, RUNS = 5, FIT_ROWS = 4000 };

static double now(void) {
    return bench_seconds(CLOCK_MONOTONIC);
}

static double median(double *values) {
    return bench_median(values, RUNS);
}

static void die(const char *what) {
    perror(what);
    exit(1);
}

/* A .npy file of rows x dim floats: unit-ish rows from a cheap generator; rows of the two files are
 * a pair because the target is the first half of the source. */
static void write_npy(const char *path, size_t rows, size_t dim) {
    char header[128];
    char shape[64];
    float *row = malloc(SOURCE_DIM * sizeof *row);
    FILE *file = fopen(path, "wb");
    vecna_random random;
    if (file == NULL || row == NULL)
        die(path);
    snprintf(shape, sizeof shape, "(%zu, %zu)", rows, dim);
    memset(header, ' ', sizeof header);
    memcpy(header, "\x93NUMPY\x01\x00\x76\x00", 10);
    snprintf(header + 10, sizeof header - 11,
             "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }", shape);
    header[strlen(header + 10) + 10] = ' ';
    header[127] = '\n';
    fwrite(header, 1, sizeof header, file);
    for (size_t i = 0; i < rows; i++) {
        vecna_random_seed(&random, 1, i);
        for (size_t j = 0; j < SOURCE_DIM; j++)
            row[j] = (float)(vecna_random_uniform(&random) - 0.45) * 0.09f;
        fwrite(row, sizeof *row, dim, file);
    }
    if (fclose(file) != 0)
        die(path);
    free(row);
}

/* Runs the command with its output thrown away; returns seconds and its peak memory. */
static double run_command(char *const *argv, long *peak_kilobytes) {
    struct rusage usage;
    double start = now();
    int status;
    pid_t child = fork();
    if (child < 0)
        die("fork");
    if (child == 0) {
        int null = open("/dev/null", O_WRONLY);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        execv(argv[0], argv);
        _exit(127);
    }
    if (wait4(child, &status, 0, &usage) < 0)
        die("wait4");
    if (!WIFEXITED(status) || (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != 3)) {
        fprintf(stderr, "%s %s failed\n", argv[0], argv[1]);
        exit(1);
    }
    *peak_kilobytes = usage.ru_maxrss;
    return now() - start;
}

static double bare_product(const float *a, const float *b, float *c, size_t rows) {
    double start = now();
    if (dnnl_sgemm('N', 'N', (dnnl_dim_t)rows, TARGET_DIM, SOURCE_DIM, 1.0f, a, SOURCE_DIM, b,
                   TARGET_DIM, 0.0f, c, TARGET_DIM) != dnnl_success)
        die("dnnl_sgemm");
    return now() - start;
}

/* OpenMP's threads spin for a while after a product, beside the command that is timed next: told to
 * sleep at once, which its library reads when it is loaded. */
static void sleep_between_products(char **argv) {
    if (getenv("OMP_WAIT_POLICY") == NULL) {
        setenv("OMP_WAIT_POLICY", "passive", 1);
        execv("/proc/self/exe", argv);
        die("execv");
    }
}

int main(int argc, char **argv) {
    const char *asked = getenv("VECNA_BENCH_ROWS");
    size_t rows = asked ? (size_t)atoll(asked) : 200000;
    char folder[] = "/tmp/vecna-bench-XXXXXX";
    char names[5][96];
    const char *endings[5] = {"fit.1536.npy", "fit.768.npy", "map.vecna", "in.npy", "out.npy"};
    double product[RUNS], command[RUNS], ratio[RUNS];
    long peak = 0, ignored;
    float *a, *b, *c;

    (void)argc;
    sleep_between_products(argv);
    if (mkdtemp(folder) == NULL)
        die(folder);
    for (int i = 0; i < 5; i++)
        snprintf(names[i], sizeof names[i], "%s/%s", folder, endings[i]);
    write_npy(names[0], FIT_ROWS, SOURCE_DIM);
    write_npy(names[1], FIT_ROWS, TARGET_DIM);
    write_npy(names[3], rows, SOURCE_DIM);
    char *fit[] = {"build/vecna", "fit",      names[0],     names[1], "-o",
                   names[2],      "--method", "procrustes", NULL};
    char *translate[] = {"build/vecna", "translate", names[3],  names[4],
                         "--map",       names[2],    "--force", NULL};
    run_command(fit, &ignored);
    run_command(translate,
                &peak); /* before this process grows: a child starts with its parent's peak */

    a = calloc(rows * SOURCE_DIM, sizeof *a);
    b = calloc((size_t)SOURCE_DIM * TARGET_DIM, sizeof *b);
    c = calloc(rows * TARGET_DIM, sizeof *c);
    if (a == NULL || b == NULL || c == NULL)
        die("memory");
    for (size_t i = 0; i < rows * SOURCE_DIM; i++)
        a[i] = (float)(i % 13) * 0.01f;
    for (size_t i = 0; i < (size_t)SOURCE_DIM * TARGET_DIM; i++)
        b[i] = (float)(i % 7) * 0.01f;
    bare_product(a, b, c, rows); /* warm */
    for (int run = 0; run < RUNS; run++) {
        product[run] = bare_product(a, b, c, rows);
        command[run] = run_command(translate, &ignored);
        ratio[run] = product[run] / command[run];
    }
    printf("translate %zu x %d -> %d, file to file, %zu threads\n", rows, SOURCE_DIM, TARGET_DIM,
           vecna_cpus_allowed());
    printf("  bare product %.2f s, command %.2f s (medians of %d)\n", median(product),
           median(command), RUNS);
    printf("  share of the bare product's speed: %.0f %% (claim: 80 %%)\n", 100 * median(ratio));
    printf("  peak memory %.0f MB (claim: under 200 MB)\n", (double)peak / 1024);
    for (int i = 0; i < 5; i++)
        unlink(names[i]);
    rmdir(folder);
    free(a);
    free(b);
    free(c);
    return 0;
}
