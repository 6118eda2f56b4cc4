/* Which kernels run. The best table whose instructions may be used is looked for once; two threads
 * that look at the same time find the same one, so an atomic pointer is all the care it takes. */
#include "metric/metric_impl.h"

#include <stdatomic.h>

/* Best first. */
static const vni_metric_table *const tables[] = {
#if defined(__x86_64__)
    &vni_metric_avx512vnni,
    &vni_metric_avx512,
    &vni_metric_avx2,
#elif defined(__aarch64__)
    &vni_metric_neon,
#endif
    &vni_metric_portable,
};

static _Atomic(const vni_metric_table *) chosen;

static const vni_metric_table *choose(void) {
    unsigned features = vni_cpu_features();
    size_t i = 0;
    while ((tables[i]->needs & features) != tables[i]->needs)
        i++;
    return tables[i];
}

const vni_metric_table *vni_metric_chosen(void) {
    const vni_metric_table *table = atomic_load_explicit(&chosen, memory_order_acquire);
    if (table == NULL) {
        table = choose();
        atomic_store_explicit(&chosen, table, memory_order_release);
    }
    return table;
}

void vni_metric_allow(unsigned mask) {
    vni_cpu_allow(mask);
    atomic_store_explicit(&chosen, choose(), memory_order_release);
}
