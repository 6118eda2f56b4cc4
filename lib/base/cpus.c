/* A container that may use half a core on a 64-core host must not start 64 threads: the affinity
 * mask and the cgroup quota both bind, whichever is smaller. */
#define _GNU_SOURCE
#include "base/base_impl.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t cpus_of_affinity(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1; /* more than CPU_SETSIZE processors: rare enough to be careful with */
    return (size_t)CPU_COUNT(&set);
}

/* First line of a file; 0 when it cannot be read. */
static int read_line(const char *path, char *line, size_t size) {
    FILE *file = fopen(path, "re");
    int good;
    if (file == NULL)
        return 0;
    good = fgets(line, (int)size, file) != NULL;
    fclose(file);
    return good;
}

size_t vni_cpus_of_quota(const char *cpu_max) {
    char *end;
    double quota = strtod(cpu_max, &end); /* "max" reads as 0 */
    double period = strtod(end, NULL);
    if (quota <= 0 || period <= 0)
        return 0;
    return quota < period ? 1 : (size_t)(quota / period + 0.5);
}

/* The quota of the cgroup that /proc/self/cgroup names, and of the root of the mount as containers
 * see it. Version 1 keeps quota and period in two files. */
static size_t cpus_of_cgroup(void) {
    char line[512];
    char path[640];
    char quota[64];
    char period[64];
    char both[130];
    FILE *file = fopen("/proc/self/cgroup", "re");
    size_t cpus = 0;

    while (file && cpus == 0 && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "0::", 3) == 0) {
            snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", line + 3);
            if (read_line(path, both, sizeof both))
                cpus = vni_cpus_of_quota(both);
        }
    }
    if (file)
        fclose(file);
    if (cpus == 0 && read_line("/sys/fs/cgroup/cpu.max", both, sizeof both))
        cpus = vni_cpus_of_quota(both);
    if (cpus == 0 && read_line("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", quota, sizeof quota) &&
        read_line("/sys/fs/cgroup/cpu/cpu.cfs_period_us", period, sizeof period)) {
        quota[strcspn(quota, "\n")] = '\0';
        snprintf(both, sizeof both, "%s %s", quota, period);
        cpus = vni_cpus_of_quota(both);
    }
    return cpus;
}

size_t vecna_cpus_allowed(void) {
    size_t allowed = cpus_of_affinity();
    size_t quota = cpus_of_cgroup();
    if (quota > 0 && quota < allowed)
        allowed = quota;
    return allowed > 0 ? allowed : 1;
}
