/* Reading, working and writing at once, over the threads of a pool.
 *
 * Every thread goes round: take the reading turn, read into its own slot and draw a ticket, work,
 * wait until the ticket is called, write, call the next. A thread holds one ticket at a time and
 * the lowest ticket never waits, so nothing can lock up; memory is one piece a thread.
 *
 * Locks: `reading` is held around read and the drawing of a ticket. `state` guards `called`,
 * `status` and `error`; `moved` says that `called` went on. The writing itself needs no lock: whose
 * ticket is called has the turn. An error waits for its ticket like a result does, so that the
 * earliest piece that failed decides, and everything before it has been written, as with one
 * thread. */
#include "vecna/base.h"

#include <pthread.h>
#include <stdatomic.h>

typedef struct pipeline_run {
    const vecna_pipeline *pipeline;
    pthread_mutex_t reading;
    atomic_int ended; /* nothing more is read: the input's end, or an error somewhere */
    uint64_t drawn;   /* tickets given out; guarded by `reading` */
    pthread_mutex_t state;
    pthread_cond_t moved;
    uint64_t called; /* the ticket whose turn it is to write */
    vecna_status status;
    vecna_error error;
} pipeline_run;

/* Reads into the slot; 0 when there is nothing to go on with. A failed read draws a ticket as well,
 * to be reported in its turn. */
static int read_piece(pipeline_run *run, size_t slot, uint64_t *ticket, vecna_status *status,
                      vecna_error *error) {
    int more = 0;
    pthread_mutex_lock(&run->reading);
    if (!atomic_load(&run->ended)) {
        more = 1;
        *status = run->pipeline->read(run->pipeline->user, slot, &more, error);
        if (*status != VECNA_OK)
            more = 1;
        if (*status != VECNA_OK || !more)
            atomic_store(&run->ended, 1);
        if (more)
            *ticket = run->drawn++;
    }
    pthread_mutex_unlock(&run->reading);
    return more;
}

/* In the ticket's turn: write, unless this piece or an earlier one has failed. */
static void write_piece(pipeline_run *run, size_t slot, uint64_t ticket, vecna_status status,
                        vecna_error *error) {
    int failed_before;
    pthread_mutex_lock(&run->state);
    while (run->called != ticket)
        pthread_cond_wait(&run->moved, &run->state);
    failed_before = run->status != VECNA_OK;
    pthread_mutex_unlock(&run->state);

    if (!failed_before && status == VECNA_OK)
        status = run->pipeline->write(run->pipeline->user, slot, error);

    pthread_mutex_lock(&run->state);
    if (!failed_before && status != VECNA_OK) {
        run->status = status;
        run->error = *error;
        atomic_store(&run->ended, 1);
    }
    run->called++;
    pthread_cond_broadcast(&run->moved);
    pthread_mutex_unlock(&run->state);
}

static void go_round(void *user, size_t begin, size_t end, size_t worker) {
    pipeline_run *run = user;
    uint64_t ticket = 0;
    (void)end;
    (void)worker;
    for (;;) {
        vecna_error error = {VECNA_OK, -1, ""};
        vecna_status status = VECNA_OK;
        if (!read_piece(run, begin, &ticket, &status, &error))
            return;
        if (status == VECNA_OK)
            status = run->pipeline->work(run->pipeline->user, begin, &error);
        if (status != VECNA_OK)
            atomic_store(&run->ended, 1);
        write_piece(run, begin, ticket, status, &error);
    }
}

vecna_status vecna_pool_pipeline(vecna_pool *pool, const vecna_pipeline *pipeline,
                                 vecna_error *err) {
    pipeline_run run = {.pipeline = pipeline, .status = VECNA_OK};
    pthread_mutex_init(&run.reading, NULL);
    pthread_mutex_init(&run.state, NULL);
    pthread_cond_init(&run.moved, NULL);
    vecna_pool_run(pool, vecna_pool_threads(pool), 1, go_round, &run);
    pthread_cond_destroy(&run.moved);
    pthread_mutex_destroy(&run.state);
    pthread_mutex_destroy(&run.reading);
    if (run.status != VECNA_OK && err)
        *err = run.error;
    return run.status;
}
