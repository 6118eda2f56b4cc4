/* What unit tests share: cmocka in the order of includes that it needs, and an allocator that fails
 * on command and counts what is not given back. */
#ifndef VECNA_TEST_SUPPORT_H
#define VECNA_TEST_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "vecna/base.h"

/* The Nth allocation (from 1) and all after it fail; 0 never. `live` counts blocks not released. */
typedef struct failing_memory {
    size_t fail_at;
    size_t calls;
    size_t live;
} failing_memory;

/* An allocator over `memory`, which must outlive it. Not for several threads at once. */
vecna_allocator failing_allocator(failing_memory *memory);

/* Runs body(user, allocator, err) with the 1st, 2nd, 3rd ... allocation failing until it succeeds;
 * asserts that each failure is VECNA_ERR_MEMORY and leaves no live block, and that the success
 * leaves none either. */
typedef vecna_status allocation_body(void *user, const vecna_allocator *allocator,
                                     vecna_error *err);
void assert_survives_failing_memory(allocation_body *body, void *user);

#define assert_status(expected, got)                                                               \
    assert_string_equal(vecna_status_name(expected), vecna_status_name(got))

#endif
