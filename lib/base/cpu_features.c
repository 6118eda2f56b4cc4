/* Which instructions may be used. A processor that has AVX-512 under a kernel that does not save
 * its registers must not use it, so XCR0 is asked as well as CPUID. Asked once; two threads that
 * ask at the same time find the same answer. */
#include "base/base_impl.h"

#include <stdatomic.h>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

#define DETECTED (1u << 31)

static _Atomic unsigned detected; /* DETECTED and the sets; 0 not asked yet */
static _Atomic unsigned allowed = ~0u;

#if defined(__x86_64__) || defined(__i386__)

static uint64_t saved_registers(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static int has(uint32_t bits, uint32_t wanted) {
    return (bits & wanted) == wanted;
}

/* Zen takes a product of bfloat16 in a cycle or less, like one of floats. Intel's cores, from Cooper Lake to
 * Sapphire Rapids, take four times as long for it as for one of floats, and as long to round two vectors. */
static unsigned bf16_sets(void) {
    uint32_t a, name[3];
    __cpuid(0, a, name[0], name[2], name[1]);
    return VNI_CPU_AVX512BF16 |
           (memcmp(name, "AuthenticAMD", sizeof name) == 0 ? VNI_CPU_FASTBF16 : 0);
}

static unsigned detect(void) {
    const uint32_t fma_osxsave_avx_f16c_popcnt =
        1u << 12 | 1u << 27 | 1u << 28 | 1u << 29 | 1u << 23;
    const uint32_t f_dq_bw_vl = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;
    const uint32_t vnni_vpopcntdq = 1u << 11 | 1u << 14, vbmi = 1u << 1, bf16 = 1u << 5;
    const uint64_t ymm = 0x6, zmm = 0xe6;
    uint32_t a, b, c, d, more = 0, unused;
    uint64_t saved;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !has(c, fma_osxsave_avx_f16c_popcnt))
        return 0;
    saved = saved_registers();
    if ((saved & ymm) != ymm || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !has(b, 1u << 5))
        return 0;
    if ((saved & zmm) != zmm || !has(b, f_dq_bw_vl))
        return VNI_CPU_AVX2;
    if (a > 0) /* leaf 7 has a second part */
        __cpuid_count(7, 1, more, b, unused, d);
    return VNI_CPU_AVX2 | VNI_CPU_AVX512 | (has(c, vnni_vpopcntdq) ? VNI_CPU_AVX512VNNI : 0) |
           (has(c, vbmi) ? VNI_CPU_AVX512VBMI : 0) | (has(more, bf16) ? bf16_sets() : 0);
}

#elif defined(__aarch64__)

/* Advanced SIMD is part of the architecture. */
static unsigned detect(void) {
    return VNI_CPU_NEON;
}

#else

static unsigned detect(void) {
    return 0;
}

#endif

unsigned vni_cpu_features(void) {
    unsigned found = atomic_load_explicit(&detected, memory_order_relaxed);
    if (found == 0) {
        found = detect() | DETECTED;
        atomic_store_explicit(&detected, found, memory_order_relaxed);
    }
    return found & ~DETECTED & atomic_load_explicit(&allowed, memory_order_relaxed);
}

vecna_status vecna_cpu_limit(const char *most, vecna_error *err) {
    static const struct {
        const char *name;
        unsigned mask;
    } limits[] = {{"portable", 0},
                  {"avx2", VNI_CPU_AVX2},
                  {"avx512", VNI_CPU_AVX2 | VNI_CPU_AVX512},
                  {"all", ~0u}};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        if (strcmp(most, limits[i].name) == 0) {
            vni_cpu_allow(limits[i].mask);
            return VECNA_OK;
        }
    return vecna_error_set(
        err, VECNA_ERR_ARGUMENT, -1,
        "instructions \"%.40s\" are not known: say portable, avx2, avx512 or all", most);
}

void vni_cpu_allow(unsigned mask) {
    atomic_store_explicit(&allowed, mask, memory_order_relaxed);
}
