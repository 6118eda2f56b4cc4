/* The kernels that every set of instructions provides, and the tables that hold them. */
#ifndef VNI_METRIC_IMPL_H
#define VNI_METRIC_IMPL_H

#include "base/base_impl.h"
#include "vecna/metric.h"

/* A sum over two vectors of dim elements at any alignment. */
typedef double vni_metric_sum(const void *a, const void *b, size_t dim);
/* sums[0] = a.b, sums[1] = b.b in one pass over b: cosine of a query to rows reads each row once.
 */
typedef void vni_metric_two_sums(const void *a, const void *b, size_t dim, double sums[2]);

typedef struct vni_metric_kernel {
    vni_metric_sum *dot;
    vni_metric_sum *l2sq;
    vni_metric_sum *l1;
    vni_metric_two_sums *dot_and_norm;
} vni_metric_kernel;

/* One set of instructions. dtypes without a metric have NULL. For bits l1 and l2sq are hamming. */
typedef struct vni_metric_table {
    const char *name;
    unsigned needs; /* VNI_CPU_* */
    vni_metric_kernel of[VECNA_BIT + 1];
    /* out = in * scale in float64, rounded to float32 */
    void (*scale)(float *out, const float *in, size_t dim, double scale);
    /* see vecna_metric_to_i8 */
    void (*to_i8)(int8_t *out, const float *in, size_t count, float scale);
} vni_metric_table;

extern const vni_metric_table vni_metric_portable;
#if defined(__x86_64__)
extern const vni_metric_table vni_metric_avx2;
extern const vni_metric_table vni_metric_avx512;
extern const vni_metric_table vni_metric_avx512vnni;
#elif defined(__aarch64__)
extern const vni_metric_table vni_metric_neon;
#endif

/* The table of the best instructions that may be used. */
const vni_metric_table *vni_metric_chosen(void);
/* For tests: vni_cpu_allow(mask), and choose again. Not while other threads compute. */
void vni_metric_allow(unsigned mask);

/* The bits of the last byte that belong to a vector of dim bits, the first in the most significant.
 */
static inline unsigned vni_last_byte_mask(size_t dim) {
    return dim % 8 ? 0xff00u >> (dim % 8) & 0xffu : 0xffu;
}

#endif
