/* What the drivers share: clocks and medians. */
#ifndef VECNA_BENCH_H
#define VECNA_BENCH_H

#include "vecna/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Seconds by a clock of clock_gettime. On a shared machine CLOCK_PROCESS_CPUTIME_ID (or
 * CLOCK_THREAD_CPUTIME_ID, for one thread) leaves out what other processes take; work of many
 * threads, or of other processes, is told by CLOCK_MONOTONIC alone. */
static inline double bench_seconds(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static inline int bench_ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The middle one of `count` values, which are sorted; count is odd. */
static inline double bench_median(double *values, size_t count) {
    qsort(values, count, sizeof *values, bench_ascending);
    return values[count / 2];
}

/* A driver has nothing to go on with after an error. */
static inline void bench_must(vecna_status status, const vecna_error *err) {
    if (status != VECNA_OK) {
        fprintf(stderr, "%s\n", err->message);
        exit(1);
    }
}

#endif
