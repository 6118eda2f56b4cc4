/* Work beside the loop: done in its order, told in the loop's thread, and less urgent than the loop. */
#define _DEFAULT_SOURCE
#include "net/net_impl.h"

#include "tests/unit/support/support.h"

#include <pthread.h>
#include <sys/resource.h>

enum { WORKS = 5 };

typedef struct piece {
    vni_work work;
    vni_loop *loop;
    vni_worker *worker;
    size_t number;
    int niceness, busy;
    pthread_t worked, told;
} piece;

static size_t order[WORKS], done, told;

static void work(vni_work *one) {
    piece *mine = (piece *)(void *)one; /* its first member */
    order[done++] = mine->number;
    mine->worked = pthread_self();
    mine->busy = vni_worker_is_busy(mine->worker);
    mine->niceness = getpriority(PRIO_PROCESS, 0);
}

static void tell(vni_task *task) {
    piece *mine = (piece *)(void *)((char *)task - offsetof(piece, work.done));
    mine->told = pthread_self();
    if (++told == WORKS)
        vni_loop_stop(mine->loop);
}

static void work_is_done_beside_the_loop(void **state) {
    piece pieces[WORKS];
    vni_loop *loop = NULL;
    vni_worker *worker = NULL;
    const int niceness = getpriority(PRIO_PROCESS, 0);
    (void)state;
    assert_status(VECNA_OK, vni_loop_new(NULL, &loop, NULL));
    assert_status(VECNA_OK, vni_worker_new(loop, NULL, &worker, NULL));
    assert_false(vni_worker_is_busy(worker) || vni_worker_is_busy(NULL));
    for (size_t i = 0; i < WORKS; i++) {
        pieces[i] = (piece){.work = {.work = work, .done = {.run = tell}},
                            .loop = loop,
                            .worker = worker,
                            .number = i};
        vni_worker_do(worker, &pieces[i].work);
    }
    vni_loop_run(loop);
    assert_false(vni_worker_is_busy(worker));
    assert_int_equal(WORKS, done);
    for (size_t i = 0; i < WORKS; i++) {
        assert_int_equal(i, order[i]);
        assert_true(pieces[i].busy);
        assert_false(pthread_equal(pieces[i].worked, pthread_self()));
        assert_true(pthread_equal(pieces[i].told, pthread_self()));
#if defined(__linux__)
        assert_true(pieces[i].niceness > niceness || niceness >= 19);
#endif
    }
    assert_int_equal(niceness, getpriority(PRIO_PROCESS, 0)); /* the loop's stays */
    vni_worker_free(worker);
    vni_worker_free(NULL);
    vni_loop_free(loop);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(work_is_done_beside_the_loop)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
