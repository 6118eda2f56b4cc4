/* What the two libraries chose, for tests, benchmarks and bug reports. */
#include "linalg/linalg_impl.h"

#include <dnnl.h>

static const char *isa_name(dnnl_cpu_isa_t isa) {
    switch (isa) {
    case dnnl_cpu_isa_sse41:
        return "sse41";
    case dnnl_cpu_isa_avx:
        return "avx";
    case dnnl_cpu_isa_avx2:
        return "avx2";
    case dnnl_cpu_isa_avx2_vnni:
        return "avx2_vnni";
    case dnnl_cpu_isa_avx512_core:
        return "avx512_core";
    case dnnl_cpu_isa_avx512_core_vnni:
        return "avx512_core_vnni";
    case dnnl_cpu_isa_avx512_core_bf16:
        return "avx512_core_bf16";
    case dnnl_cpu_isa_avx512_core_amx:
        return "avx512_core_amx";
    default:
        return "other";
    }
}

vecna_status vecna_linalg_about(vecna_linalg_kernels *out, vecna_error *err) {
    const vni_lapack *lapack = NULL;
    vecna_status status = vni_lapack_load(&lapack, err);
    if (status != VECNA_OK)
        return status;
    out->onednn_isa = isa_name(dnnl_get_effective_cpu_isa());
    out->openblas_core = lapack->core;
    out->openblas_chosen = lapack->core_chosen;
    return VECNA_OK;
}
