/* The arena: pieces never overlap, are aligned, stop at the cap, and all come back. */
#include "tests/unit/support/support.h"

#include <string.h>

static void pieces_are_apart(void **state) {
    vecna_arena arena;
    unsigned char *pieces[300];
    (void)state;
    vecna_arena_init(&arena, 0, NULL);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 300; i++) {
            pieces[i] = vecna_arena_allocate(&arena, i * 7, 1);
            assert_non_null(pieces[i]);
            assert_int_equal((uintptr_t)pieces[i] % 64, 0);
            memset(pieces[i], (int)(i & 0xff), i * 7);
        }
        for (size_t i = 0; i < 300; i++)
            for (size_t j = 0; j < i * 7; j++)
                assert_int_equal(pieces[i][j], i & 0xff);
        vecna_arena_reset(&arena, (size_t)-1);
    }
    vecna_arena_free(&arena);
    assert_int_equal(arena.bytes, 0);
}

static void a_reset_keeps_one_block(void **state) {
    failing_memory memory = {0};
    vecna_allocator allocator = failing_allocator(&memory);
    vecna_arena arena;
    size_t calls;
    (void)state;
    vecna_arena_init(&arena, 0, &allocator);
    for (size_t i = 0; i < 100; i++)
        assert_non_null(vecna_arena_allocate(&arena, 1000, 1));
    assert_true(memory.live > 1);
    vecna_arena_reset(&arena, (size_t)-1);
    assert_int_equal(memory.live, 1);
    calls = memory.calls;
    assert_non_null(vecna_arena_allocate(&arena, 30000, 1));
    assert_int_equal(memory.calls, calls);
    vecna_arena_reset(&arena, 100);
    assert_int_equal(memory.live, 0);
    assert_int_equal(arena.bytes, 0);
    assert_non_null(vecna_arena_allocate(&arena, 1, 1));
    vecna_arena_free(&arena);
    vecna_arena_free(&arena);
    assert_int_equal(memory.live, 0);
}

static void the_cap_holds(void **state) {
    vecna_arena arena;
    size_t taken = 0;
    (void)state;
    vecna_arena_init(&arena, 100000, NULL);
    assert_null(vecna_arena_allocate(&arena, 100001, 1));
    assert_null(vecna_arena_allocate(&arena, SIZE_MAX, 2));
    assert_null(vecna_arena_allocate(&arena, SIZE_MAX, 1));
    assert_int_equal(arena.bytes, 0);
    while (vecna_arena_allocate(&arena, 512, 1))
        taken += 512;
    assert_true(taken > 50000 && taken <= 100000 && arena.bytes <= 100000);
    vecna_arena_free(&arena);
}

static vecna_status take_some(void *user, const vecna_allocator *allocator, vecna_error *err) {
    vecna_arena arena;
    vecna_status status = VECNA_OK;
    (void)user;
    vecna_arena_init(&arena, 0, allocator);
    for (size_t i = 0; i < 20 && status == VECNA_OK; i++)
        if (vecna_arena_allocate(&arena, 3000, i + 1) == NULL)
            status = vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory");
    vecna_arena_free(&arena);
    return status;
}

static void survives_failing_memory(void **state) {
    (void)state;
    assert_survives_failing_memory(take_some, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_apart),
        cmocka_unit_test(a_reset_keeps_one_block),
        cmocka_unit_test(the_cap_holds),
        cmocka_unit_test(survives_failing_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
