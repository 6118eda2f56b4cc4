/* Pieces flow in order, whatever the number of threads; the earliest error wins. */
#include "tests/unit/support/support.h"

#include <stdatomic.h>
#include <string.h>

enum { MAX_THREADS = 5, MAX_PIECES = 400 };

typedef struct flow {
    int pieces;
    int fail_read, fail_work, fail_write; /* number of the piece, -1 never */
    int read, written;
    int out[MAX_PIECES];
    int slots[MAX_THREADS]; /* the piece in each slot; its square after work */
    atomic_int reading, writing, working, worked;
    atomic_int overlap; /* a stage that must run alone did not */
} flow;

static void busy(int amount) {
    volatile int sink = 0;
    for (int i = 0; i < amount; i++)
        sink = sink + i;
}

static vecna_status read_one(void *user, size_t slot, int *more, vecna_error *err) {
    flow *state = user;
    vecna_status status = VECNA_OK;
    if (atomic_fetch_add(&state->reading, 1) != 0)
        atomic_store(&state->overlap, 1);
    assert_true(*more);
    if (state->read == state->fail_read)
        status = vecna_error_set(err, VECNA_ERR_FORMAT, state->read, "read %d", state->read);
    else if (state->read == state->pieces)
        *more = 0;
    else
        state->slots[slot] = state->read++;
    atomic_fetch_sub(&state->reading, 1);
    return status;
}

static vecna_status work_one(void *user, size_t slot, vecna_error *err) {
    flow *state = user;
    int piece = state->slots[slot];
    busy(piece % 7 * 500); /* later pieces overtake earlier ones */
    atomic_fetch_add(&state->worked, 1);
    if (piece == state->fail_work)
        return vecna_error_set(err, VECNA_ERR_NUMERIC, piece, "work %d", piece);
    state->slots[slot] = piece * piece;
    return VECNA_OK;
}

static vecna_status write_one(void *user, size_t slot, vecna_error *err) {
    flow *state = user;
    if (atomic_fetch_add(&state->writing, 1) != 0)
        atomic_store(&state->overlap, 1);
    if (state->written == state->fail_write)
        return vecna_error_set(err, VECNA_ERR_IO, state->written, "write %d", state->written);
    state->out[state->written++] = state->slots[slot];
    atomic_fetch_sub(&state->writing, 1);
    return VECNA_OK;
}

static vecna_status run(flow *state, size_t threads, vecna_error *err) {
    vecna_pipeline pipeline = {read_one, work_one, write_one, state};
    vecna_pool *pool = NULL;
    vecna_status status;
    if (threads > 0)
        assert_status(VECNA_OK, vecna_pool_new(threads, NULL, &pool, NULL));
    status = vecna_pool_pipeline(pool, &pipeline, err);
    vecna_pool_free(pool);
    assert_false(atomic_load(&state->overlap));
    for (int i = 0; i < state->written; i++)
        assert_int_equal(state->out[i], i * i);
    return status;
}

static flow whole(int pieces) {
    flow state = {.pieces = pieces, .fail_read = -1, .fail_work = -1, .fail_write = -1};
    return state;
}

static void all_pieces_in_order(void **unused) {
    (void)unused;
    for (size_t threads = 0; threads <= MAX_THREADS; threads++)
        for (int pieces = 0; pieces <= MAX_PIECES; pieces = pieces * 3 + 1) {
            flow state = whole(pieces);
            assert_status(VECNA_OK, run(&state, threads, NULL));
            assert_int_equal(state.written, pieces);
            assert_int_equal(atomic_load(&state.worked), pieces);
        }
}

static void errors_stop_at_their_piece(void **unused) {
    (void)unused;
    for (size_t threads = 0; threads <= MAX_THREADS; threads++)
        for (int at = 0; at < 60; at += 7)
            for (int stage = 0; stage < 3; stage++) {
                static const vecna_status expected[] = {VECNA_ERR_FORMAT, VECNA_ERR_NUMERIC,
                                                        VECNA_ERR_IO};
                static const char *const word[] = {"read", "work", "write"};
                flow state = whole(200);
                vecna_error err;
                *(stage == 0   ? &state.fail_read
                  : stage == 1 ? &state.fail_work
                               : &state.fail_write) = at;
                assert_status(expected[stage], run(&state, threads, &err));
                assert_int_equal(state.written, at);
                assert_int_equal(err.status, expected[stage]);
                assert_int_equal(err.position, at);
                assert_memory_equal(err.message, word[stage], strlen(word[stage]));
                assert_true(state.read <= at + (int)MAX_THREADS + 1);
            }
}

/* Two pieces fail: the one that comes first in the input is told, also when it fails last. */
static void earliest_error_wins(void **unused) {
    (void)unused;
    for (int round = 0; round < 50; round++) {
        flow state = whole(200);
        vecna_error err;
        state.fail_work = 13; /* 13 % 7 = 6: the longest work */
        state.fail_read = 14;
        assert_status(VECNA_ERR_NUMERIC, run(&state, 4, &err));
        assert_string_equal(err.message, "work 13");
        assert_int_equal(state.written, 13);
    }
}

static void error_may_be_null(void **unused) {
    flow state = whole(10);
    (void)unused;
    state.fail_work = 3;
    assert_status(VECNA_ERR_NUMERIC, run(&state, 2, NULL));
}

typedef struct nested {
    flow state;
    vecna_status status;
} nested;

static void inner(void *user, size_t begin, size_t end, size_t worker) {
    nested *self = user;
    vecna_pipeline pipeline = {read_one, work_one, write_one, &self[begin].state};
    (void)end;
    (void)worker;
    self[begin].status = vecna_pool_pipeline(NULL, &pipeline, NULL);
}

static void runs_inside_a_task(void **unused) {
    static nested each[4];
    vecna_pool *pool;
    (void)unused;
    for (size_t i = 0; i < 4; i++)
        each[i].state = whole(20);
    assert_status(VECNA_OK, vecna_pool_new(3, NULL, &pool, NULL));
    vecna_pool_run(pool, 4, 1, inner, each);
    vecna_pool_free(pool);
    for (size_t i = 0; i < 4; i++) {
        assert_status(VECNA_OK, each[i].status);
        assert_int_equal(each[i].state.written, 20);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_pieces_in_order), cmocka_unit_test(errors_stop_at_their_piece),
        cmocka_unit_test(earliest_error_wins), cmocka_unit_test(error_may_be_null),
        cmocka_unit_test(runs_inside_a_task),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
