/* See support.h. */
#include "tests/unit/support/support.h"

#include <stdlib.h>

static int fails(failing_memory *memory) {
    memory->calls++;
    return memory->fail_at != 0 && memory->calls >= memory->fail_at;
}

static void *allocate(void *user, size_t bytes) {
    failing_memory *memory = user;
    if (fails(memory))
        return NULL;
    memory->live++;
    return malloc(bytes);
}

static void *resize(void *user, void *old, size_t bytes) {
    failing_memory *memory = user;
    if (fails(memory))
        return NULL;
    if (old == NULL)
        memory->live++;
    return realloc(old, bytes);
}

static void release(void *user, void *old) {
    failing_memory *memory = user;
    memory->live--;
    free(old);
}

vecna_allocator failing_allocator(failing_memory *memory) {
    vecna_allocator allocator = {allocate, resize, release, memory};
    return allocator;
}

void assert_survives_failing_memory(allocation_body *body, void *user) {
    for (size_t fail_at = 1; fail_at < 100000; fail_at++) {
        failing_memory memory = {fail_at, 0, 0};
        vecna_allocator allocator = failing_allocator(&memory);
        vecna_error err = {VECNA_OK, -1, ""};
        vecna_status status = body(user, &allocator, &err);
        assert_int_equal(memory.live, 0);
        if (memory.calls < fail_at) {
            assert_status(VECNA_OK, status);
            return;
        }
        assert_status(VECNA_ERR_MEMORY, status);
        assert_int_equal(err.status, VECNA_ERR_MEMORY);
        assert_true(err.message[0] != '\0');
    }
    fail_msg("100000 allocations and no end");
}
