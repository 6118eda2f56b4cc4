/* Which of the base64 kernels runs; chosen once, as metric_dispatch.c does. */
#include "base/base_impl.h"
#include "codec/codec_impl.h"

#include <stdatomic.h>

/* Best first. */
static const vni_base64_table *const tables[] = {
#if defined(__x86_64__)
    &vni_base64_avx512vbmi,
    &vni_base64_avx2,
#endif
    &vni_base64_portable,
};

static _Atomic(const vni_base64_table *) chosen;

static const vni_base64_table *choose(void) {
    unsigned features = vni_cpu_features();
    size_t i = 0;
    while ((tables[i]->needs & features) != tables[i]->needs)
        i++;
    return tables[i];
}

const vni_base64_table *vni_base64_chosen(void) {
    const vni_base64_table *table = atomic_load_explicit(&chosen, memory_order_acquire);
    if (table == NULL) {
        table = choose();
        atomic_store_explicit(&chosen, table, memory_order_release);
    }
    return table;
}

void vni_base64_allow(unsigned mask) {
    vni_cpu_allow(mask);
    atomic_store_explicit(&chosen, choose(), memory_order_release);
}
