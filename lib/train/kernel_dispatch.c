/* Which kernels train: the best whose instructions may be used, looked for once. */
#include "train/train_impl.h"

#include "base/base_impl.h"

#include <stdatomic.h>

static const vni_train_kernels *const tables[] = {
#if defined(__x86_64__)
    &vni_train_bf16,
    &vni_train_avx512,
    &vni_train_avx2,
#endif
    &vni_train_portable,
};

static _Atomic(const vni_train_kernels *) chosen;

static const vni_train_kernels *choose(void) {
    unsigned features = vni_cpu_features();
    size_t i = 0;
    while ((tables[i]->needs & features) != tables[i]->needs)
        i++;
    return tables[i];
}

const vni_train_kernels *vni_train_chosen(void) {
    const vni_train_kernels *table = atomic_load_explicit(&chosen, memory_order_acquire);
    if (table == NULL) {
        table = choose();
        atomic_store_explicit(&chosen, table, memory_order_release);
    }
    return table;
}

void vni_train_allow(unsigned mask) {
    vni_cpu_allow(mask);
    atomic_store_explicit(&chosen, choose(), memory_order_release);
}

const char *vecna_train_kernels(void) {
    return vni_train_chosen()->name;
}
