/* What base shares with the modules above it, beside its public header. */
#ifndef VNI_BASE_IMPL_H
#define VNI_BASE_IMPL_H

#include "vecna/base.h"

/* Natural logarithm from IEEE operations alone, so that it gives the same bits everywhere. x is
 * finite and above 0; within 2 ulp of the exact value. */
double vni_log(double x);

/* Standard normal quantile of p in (0, 1), from IEEE operations alone. */
double vni_normal_quantile(double p);

/* CPUs of a cgroup quota: "max 100000" or "150000 100000" (v2's cpu.max). 0 when there is none. */
size_t vni_cpus_of_quota(const char *cpu_max);

#endif
