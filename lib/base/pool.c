/* One loop at a time over a fixed set of threads. Chunks are handed out by an atomic counter, so a
 * slow core takes fewer of them; what a chunk contains never depends on who takes it, so results
 * reproduce.
 *
 * Locks: `turn` is held for the whole of a loop and makes callers queue; `state` guards the fields
 * below it. A worker sleeps on `wake` until `generation` moves, takes chunks until none is left,
 * and the last one to finish signals `done`. The caller waits for workers that take part, not for
 * all: one that the system wakes after the last chunk was taken finds the loop closed, so a short
 * loop on a busy machine does not wait for it. A task that calls vecna_pool_run again runs its inner
 * loop in place: `inside_task` tells. */
#include "vecna/base.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

typedef struct worker {
    vecna_pool *pool;
    pthread_t thread;
    size_t index; /* 1 .. threads - 1; the caller is 0 */
} worker;

struct vecna_pool {
    const vecna_allocator *allocator;
    vecna_allocator allocator_copy;
    size_t threads;
    size_t started; /* workers that run, for a clean stop after a failed start */
    worker *workers;
    pthread_mutex_t turn;
    pthread_mutex_t state;
    pthread_cond_t wake;
    pthread_cond_t done;
    uint64_t generation;
    int open;    /* the loop of this generation may be joined */
    size_t busy; /* workers that have joined it and not finished */
    int stopping;
    /* the loop that runs */
    vecna_task *task;
    void *user;
    size_t count;
    size_t grain;
    atomic_size_t next;
};

static _Thread_local int inside_task;

static void take_chunks(vecna_pool *pool, size_t worker_index) {
    size_t chunks = pool->count / pool->grain + (pool->count % pool->grain != 0);
    int outer = inside_task;
    inside_task = 1;
    for (;;) {
        size_t chunk = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
        size_t begin, end;
        if (chunk >= chunks)
            break;
        begin = chunk * pool->grain;
        end = pool->count - begin < pool->grain ? pool->count : begin + pool->grain;
        pool->task(pool->user, begin, end, worker_index);
    }
    inside_task = outer;
}

static void *worker_main(void *argument) {
    worker *self = argument;
    vecna_pool *pool = self->pool;
    uint64_t seen = 0;

    pthread_mutex_lock(&pool->state);
    for (;;) {
        while (pool->generation == seen && !pool->stopping)
            pthread_cond_wait(&pool->wake, &pool->state);
        if (pool->stopping)
            break;
        seen = pool->generation;
        if (!pool->open)
            continue;
        pool->busy++;
        pthread_mutex_unlock(&pool->state);
        take_chunks(pool, self->index);
        pthread_mutex_lock(&pool->state);
        if (--pool->busy == 0)
            pthread_cond_signal(&pool->done);
    }
    pthread_mutex_unlock(&pool->state);
    return NULL;
}

vecna_status vecna_pool_new(size_t threads, const vecna_allocator *allocator, vecna_pool **out,
                            vecna_error *err) {
    vecna_pool *pool = vecna_allocate_zero(allocator, 1, sizeof *pool);

    if (threads == 0)
        threads = vecna_cpus_allowed();
    if (pool == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a pool of %zu threads",
                               threads);
    pool->threads = threads;
    if (allocator) {
        pool->allocator_copy = *allocator;
        pool->allocator = &pool->allocator_copy;
    }
    pthread_mutex_init(&pool->turn, NULL);
    pthread_mutex_init(&pool->state, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pthread_cond_init(&pool->done, NULL);
    pool->workers = vecna_allocate_zero(pool->allocator, threads, sizeof *pool->workers);
    if (pool->workers == NULL) {
        vecna_pool_free(pool);
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a pool of %zu threads",
                               threads);
    }
    for (size_t index = 1; index < threads; index++) {
        worker *next = &pool->workers[index];
        next->pool = pool;
        next->index = index;
        if (pthread_create(&next->thread, NULL, worker_main, next) != 0) {
            vecna_pool_free(pool);
            return vecna_error_set(err, VECNA_ERR_LIBRARY, -1,
                                   "cannot start thread %zu of %zu; ask for fewer threads", index,
                                   threads);
        }
        pool->started = index;
    }
    *out = pool;
    return VECNA_OK;
}

void vecna_pool_free(vecna_pool *pool) {
    vecna_allocator copy;
    const vecna_allocator *allocator = NULL;
    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->state);
    pool->stopping = 1;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->state);
    for (size_t index = 1; index <= pool->started; index++)
        pthread_join(pool->workers[index].thread, NULL);
    pthread_cond_destroy(&pool->done);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->state);
    pthread_mutex_destroy(&pool->turn);
    if (pool->allocator) {
        copy = *pool->allocator; /* the pool's own copy goes with the pool */
        allocator = &copy;
    }
    vecna_release(allocator, pool->workers);
    vecna_release(allocator, pool);
}

size_t vecna_pool_threads(const vecna_pool *pool) {
    return pool ? pool->threads : 1;
}

static void run_in_place(size_t count, size_t grain, vecna_task *task, void *user) {
    for (size_t begin = 0; begin < count;) {
        size_t end = count - begin < grain ? count : begin + grain;
        task(user, begin, end, 0);
        begin = end;
    }
}

void vecna_pool_run(vecna_pool *pool, size_t count, size_t grain, vecna_task *task, void *user) {
    if (grain == 0)
        grain = 1;
    if (pool == NULL || pool->threads == 1 || count <= grain || inside_task) {
        run_in_place(count, grain, task, user);
        return;
    }
    pthread_mutex_lock(&pool->turn);
    pthread_mutex_lock(&pool->state);
    pool->task = task;
    pool->user = user;
    pool->count = count;
    pool->grain = grain;
    atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
    pool->open = 1;
    pool->generation++;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->state);

    take_chunks(pool, 0);

    pthread_mutex_lock(&pool->state);
    pool->open = 0;
    while (pool->busy > 0)
        pthread_cond_wait(&pool->done, &pool->state);
    pthread_mutex_unlock(&pool->state);
    pthread_mutex_unlock(&pool->turn);
}
