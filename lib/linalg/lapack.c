/* OpenBLAS chooses its kernels in a constructor, when it is loaded. Version 0.3.21 does not know
 * processors newer than itself and then takes the oldest kernel there is, at a fifth of the speed.
 * So the library is loaded late, after the core type has been chosen by what the processor can do
 * and put into OPENBLAS_CORETYPE; the variable is taken back at once, so that child processes do
 * not inherit it. A value that the user has set is left alone, and so is an OpenBLAS that the host
 * process had loaded before (its choice is made).
 *
 * Its threads wait for the next product by yielding, 2^28 ticks of the processor's clock and more,
 * which is a core each for a tenth of a second: of a fit of 1,000 pairs on two cores a third. Told
 * (OPENBLAS_THREAD_TIMEOUT, the same way) to sleep after 2^14, several fits side by side do not take
 * each other's cores. */
#define _GNU_SOURCE
#include "linalg/linalg_impl.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>

/* Of OpenMP's run-time library, whose header comes with gcc alone. */
int omp_get_max_threads(void);
void omp_set_num_threads(int threads);

static once_flag once = ONCE_FLAG_INIT;
static vni_lapack lapack;
static char failure[160];

const char *vni_openblas_core(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512cd"))
        return "SkylakeX";
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return "Haswell";
#endif
    return NULL;
}

/* ISO C has no conversion from object to function pointer; POSIX promises that the bits are the
 * same. */
static int find(void *handle, const char *name, void *slot) {
    void *symbol = dlsym(handle, name);
    if (symbol == NULL) {
        snprintf(failure, sizeof failure, "the installed LAPACKE lacks %s", name);
        return 0;
    }
    memcpy(slot, &symbol, sizeof symbol);
    return 1;
}

#define WAIT_LOG2_TICKS "14"

static void *open_with_core(const char *core) {
    void *handle;
    int waits = getenv("OPENBLAS_THREAD_TIMEOUT") == NULL;
    int ours = core != NULL && getenv("OPENBLAS_CORETYPE") == NULL;
    if (ours)
        setenv("OPENBLAS_CORETYPE", core, 1);
    if (waits)
        setenv("OPENBLAS_THREAD_TIMEOUT", WAIT_LOG2_TICKS, 1);
    handle = dlopen("liblapacke.so.3", RTLD_NOW | RTLD_LOCAL);
    if (waits)
        unsetenv("OPENBLAS_THREAD_TIMEOUT");
    if (ours)
        unsetenv("OPENBLAS_CORETYPE");
    lapack.core_chosen = handle != NULL && ours;
    return handle;
}

static void load(void) {
    void *handle;
    void *openblas = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
    void (*set_threads)(int) = NULL;
    const char *(*corename)(void) = NULL;

    handle = open_with_core(openblas ? NULL : vni_openblas_core());
    if (handle == NULL) {
        snprintf(failure, sizeof failure,
                 "liblapacke.so.3 cannot be loaded; install the package liblapacke");
        return;
    }
    if (!find(handle, "cblas_dgemm", &lapack.dgemm) ||
        !find(handle, "cblas_dsyrk", &lapack.dsyrk) ||
        !find(handle, "cblas_dtrsm", &lapack.dtrsm) ||
        !find(handle, "LAPACKE_dsyevd", &lapack.dsyevd) ||
        !find(handle, "LAPACKE_dsyevr", &lapack.dsyevr) ||
        !find(handle, "LAPACKE_dgesdd", &lapack.dgesdd) ||
        !find(handle, "LAPACKE_dpotrf", &lapack.dpotrf) ||
        !find(handle, "LAPACKE_dgelqf", &lapack.dgelqf) ||
        !find(handle, "LAPACKE_dorglq", &lapack.dorglq))
        return;
    lapack.core = "";
    if (find(handle, "openblas_get_corename", &corename) &&
        find(handle, "openblas_set_num_threads", &set_threads)) {
        lapack.core = corename();
        set_threads((int)vecna_cpus_allowed());
    }
    failure[0] = '\0';
}

vecna_status vni_lapack_load(const vni_lapack **out, vecna_error *err) {
    call_once(&once, load);
    if (failure[0] != '\0')
        return vecna_error_set(err, VECNA_ERR_LIBRARY, -1, "%s", failure);
    *out = &lapack;
    return VECNA_OK;
}

int vni_single_thread_begin(void) {
    int before = omp_get_max_threads();
    omp_set_num_threads(1);
    return before;
}

void vni_single_thread_end(int before) {
    omp_set_num_threads(before);
}
