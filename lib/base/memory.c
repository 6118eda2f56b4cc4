/* Every allocation of the library passes here, so that a test can fail the Nth of them and a size
 * that overflows never reaches malloc. */
#define _DEFAULT_SOURCE /* madvise */
#include "base/base_impl.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 1 << 21 };

int vecna_size_mul(size_t a, size_t b, size_t *out) {
    size_t product;
    if (__builtin_mul_overflow(a, b, &product))
        return 0;
    *out = product;
    return 1;
}

int vecna_size_add(size_t a, size_t b, size_t *out) {
    size_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return 0;
    *out = sum;
    return 1;
}

/* At least one byte, so that NULL always means failure. */
static int checked_bytes(size_t count, size_t size, size_t *bytes) {
    if (!vecna_size_mul(count, size, bytes) || *bytes > (size_t)PTRDIFF_MAX)
        return 0;
    if (*bytes == 0)
        *bytes = 1;
    return 1;
}

void vni_memory_huge(void *memory, size_t bytes) {
#ifdef MADV_HUGEPAGE
    uintptr_t first = ((uintptr_t)memory + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1);
    uintptr_t last = ((uintptr_t)memory + bytes) & ~(uintptr_t)(HUGE_PAGE - 1);
    if (first < last)
        (void)madvise((void *)first, last - first, MADV_HUGEPAGE); /* a wish: small pages do too */
#else
    (void)memory;
    (void)bytes;
#endif
}

void *vecna_allocate(const vecna_allocator *allocator, size_t count, size_t size) {
    size_t bytes;
    if (!checked_bytes(count, size, &bytes))
        return NULL;
    return allocator ? allocator->allocate(allocator->user, bytes) : malloc(bytes);
}

void *vecna_allocate_zero(const vecna_allocator *allocator, size_t count, size_t size) {
    size_t bytes;
    void *memory;
    if (!checked_bytes(count, size, &bytes))
        return NULL;
    if (allocator == NULL)
        return calloc(1, bytes); /* large blocks come zeroed from the system for nothing */
    memory = allocator->allocate(allocator->user, bytes);
    if (memory)
        memset(memory, 0, bytes);
    return memory;
}

void *vecna_resize(const vecna_allocator *allocator, void *memory, size_t count, size_t size) {
    size_t bytes;
    if (!checked_bytes(count, size, &bytes))
        return NULL;
    if (allocator == NULL)
        return realloc(memory, bytes);
    if (memory == NULL)
        return allocator->allocate(allocator->user, bytes);
    return allocator->resize(allocator->user, memory, bytes);
}

void vecna_release(const vecna_allocator *allocator, void *memory) {
    if (memory == NULL)
        return;
    if (allocator)
        allocator->release(allocator->user, memory);
    else
        free(memory);
}
