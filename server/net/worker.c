/* One thread and a queue behind a lock. Where it and the loop share a core the loop goes first: it has
 * microseconds of work for each of many, the thread tens of milliseconds for one. */
#define _DEFAULT_SOURCE
#include "net/net_impl.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

enum { NICER = 10 };

struct vni_worker {
    const vecna_allocator *allocator;
    vni_loop *loop;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t more;
    vni_work *first, **end; /* behind the lock, like the next */
    int stops;
    atomic_size_t undone; /* given and not yet done */
};

/* On Linux the calling thread's niceness alone; elsewhere it would be the process's, and stays. */
static void give_way(void) {
#if defined(__linux__)
    errno = 0;
    const int now = getpriority(PRIO_PROCESS, 0);
    if (errno == 0)
        (void)setpriority(PRIO_PROCESS, 0, now + NICER); /* capped at the kindest there is */
#endif
}

static void *work_on(void *user) {
    vni_worker *worker = user;
    give_way();
    pthread_mutex_lock(&worker->lock);
    for (;;) {
        while (worker->first == NULL && !worker->stops)
            pthread_cond_wait(&worker->more, &worker->lock);
        if (worker->stops)
            break;
        vni_work *work = worker->first;
        worker->first = work->next;
        if (worker->first == NULL)
            worker->end = &worker->first;
        pthread_mutex_unlock(&worker->lock);
        work->work(work);
        atomic_fetch_sub_explicit(&worker->undone, 1, memory_order_relaxed);
        vni_loop_post(worker->loop, &work->done);
        pthread_mutex_lock(&worker->lock);
    }
    pthread_mutex_unlock(&worker->lock);
    return NULL;
}

/* Signals are the loop's: the thread starts with all of them blocked. */
static int start(vni_worker *worker) {
    sigset_t all, before;
    int failed;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failed = pthread_create(&worker->thread, NULL, work_on, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

vecna_status vni_worker_new(vni_loop *loop, const vecna_allocator *allocator, vni_worker **out,
                            vecna_error *err) {
    vni_worker *worker = vecna_allocate_zero(allocator, 1, sizeof *worker);
    if (worker == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a thread");
    worker->allocator = allocator;
    worker->loop = loop;
    worker->end = &worker->first;
    pthread_mutex_init(&worker->lock, NULL);
    pthread_cond_init(&worker->more, NULL);
    if (start(worker) != 0) {
        pthread_cond_destroy(&worker->more);
        pthread_mutex_destroy(&worker->lock);
        vecna_release(allocator, worker);
        return vecna_error_set(err, VECNA_ERR_IO, -1, "the system gives no further thread");
    }
    *out = worker;
    return VECNA_OK;
}

void vni_worker_do(vni_worker *worker, vni_work *work) {
    work->next = NULL;
    atomic_fetch_add_explicit(&worker->undone, 1, memory_order_relaxed);
    pthread_mutex_lock(&worker->lock);
    *worker->end = work;
    worker->end = &work->next;
    pthread_cond_signal(&worker->more);
    pthread_mutex_unlock(&worker->lock);
}

int vni_worker_is_busy(const vni_worker *worker) {
    return worker && atomic_load_explicit(&worker->undone, memory_order_relaxed) > 0;
}

void vni_worker_free(vni_worker *worker) {
    if (worker == NULL)
        return;
    pthread_mutex_lock(&worker->lock);
    worker->stops = 1;
    pthread_cond_signal(&worker->more);
    pthread_mutex_unlock(&worker->lock);
    pthread_join(worker->thread, NULL);
    pthread_cond_destroy(&worker->more);
    pthread_mutex_destroy(&worker->lock);
    vecna_release(worker->allocator, worker);
}
