/* One loop a thread, everything of a connection in one thread: no locks on the way of a request. The
 * loop knows nothing of HTTP; the client side (libcurl's multi interface) hangs its descriptors and
 * its timer into the same loop, so an answer from upstream continues where the request stopped, without
 * a hand-over between threads.
 *
 * Phases of one turn: wait (awake for a moment where that is worth it, see idle.h); ready descriptors;
 * tasks of other threads; timers; deferred tasks. A watch that ends while events of it are still in the
 * batch is struck out of the batch, so its memory may go at once.
 */
#define _GNU_SOURCE
#include "net/loop.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

uint64_t vni_clock_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* ---- watches ------------------------------------------------------------------------------------- */

static uint32_t epoll_events(unsigned events) {
    uint32_t wanted = EPOLLRDHUP;
    if (events & VNI_READ)
        wanted |= EPOLLIN;
    if (events & VNI_WRITE)
        wanted |= EPOLLOUT;
    if (events & VNI_EDGE)
        wanted |= EPOLLET;
    return wanted;
}

vecna_status vni_watch_set(vni_loop *loop, vni_watch *watch, unsigned events, vecna_error *err) {
    struct epoll_event event = {epoll_events(events), {watch}};
    int operation = watch->loop == NULL ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    assert(watch->loop == NULL || watch->loop == loop);
    if (events == 0) {
        vni_watch_end(watch);
        return VECNA_OK;
    }
    if (watch->loop != NULL && watch->events == events)
        return VECNA_OK;
    if (epoll_ctl(loop->epoll_fd, operation, watch->fd, &event) != 0)
        return vecna_error_set(err, errno == ENOMEM ? VECNA_ERR_MEMORY : VECNA_ERR_IO, -1,
                               "cannot watch descriptor %d: %s", watch->fd, strerror(errno));
    watch->loop = loop;
    watch->events = events;
    return VECNA_OK;
}

void vni_watch_end(vni_watch *watch) {
    vni_loop *loop = watch->loop;
    if (loop == NULL)
        return;
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    for (int i = loop->batch_at; i < loop->batch_end; i++)
        if (loop->batch[i].data.ptr == watch)
            loop->batch[i].data.ptr = NULL;
    watch->loop = NULL;
    watch->events = 0;
}

/* ---- timers ------------------------------------------------------------------------------------------ */

/* Milliseconds on the wheel's clock, rounded up: a timer is never early. */
void vni_timer_start(vni_loop *loop, vni_timer *timer, uint64_t delay_ms) {
    uint64_t now_ms = (loop->now_us + 999) / 1000 - loop->start_ms,
             year = 365ull * 24 * 3600 * 1000;
    vni_timer_stop(timer);
    timer->loop = loop;
    vni_wheel_add(&loop->wheel, timer, now_ms + (delay_ms < year ? delay_ms : year));
}

void vni_timer_stop(vni_timer *timer) {
    if (timer->place != 0)
        vni_wheel_remove(&timer->loop->wheel, timer);
}

int vni_timer_runs(const vni_timer *timer) {
    return timer->place != 0;
}

/* ---- tasks -------------------------------------------------------------------------------------------- */

static void wake(vni_loop *loop) {
    uint64_t one = 1;
    ssize_t done;
    do
        done = write(loop->wake_fd, &one, sizeof one);
    while (done < 0 && errno == EINTR);
}

/* The queue is a stack of one swap; who finds it empty wakes the loop. */
void vni_loop_post(vni_loop *loop, vni_task *task) {
    vni_task *head = atomic_load(&loop->posted);
    int saved = errno; /* a signal handler must leave it alone */
    do
        task->next = head;
    while (!atomic_compare_exchange_weak(&loop->posted, &head, task));
    if (head == NULL)
        wake(loop);
    errno = saved;
}

void vni_loop_defer(vni_loop *loop, vni_task *task) {
    task->next = NULL;
    *loop->deferred_end = task;
    loop->deferred_end = &task->next;
}

/* Turned round, so that tasks run in the order in which they came. */
static void run_posted(vni_loop *loop) {
    vni_task *newest = atomic_exchange(&loop->posted, NULL), *first = NULL;
    while (newest != NULL) {
        vni_task *next = newest->next;
        newest->next = first;
        first = newest;
        newest = next;
    }
    while (first != NULL) {
        vni_task *next = first->next;
        first->run(first);
        first = next;
    }
}

/* What was deferred up to now; what is deferred meanwhile waits for the next turn, which does not
 * sleep. */
static void run_deferred(vni_loop *loop) {
    vni_task *first = loop->deferred;
    loop->deferred = NULL;
    loop->deferred_end = &loop->deferred;
    while (first != NULL) {
        vni_task *next = first->next;
        first->run(first);
        first = next;
    }
}

static void woken(vni_watch *watch, unsigned events) {
    uint64_t count;
    (void)events;
    if (read(watch->fd, &count, sizeof count) < 0)
        return; /* nothing to read: another turn has taken it */
}

/* ---- turns ---------------------------------------------------------------------------------------------- */

static int wait_ms(const vni_loop *loop) {
    uint64_t passed_ms = vni_clock_us() / 1000 - loop->start_ms;
    uint64_t wait = vni_wheel_wait_ms(&loop->wheel);
    if (loop->deferred != NULL)
        return 0;
    if (wait == UINT64_MAX)
        return -1;
    wait += loop->wheel.now_ms;
    wait = wait > passed_ms ? wait - passed_ms : 0;
    return wait > 60000 ? 60000 : (int)wait;
}

/* Ready descriptors for a moment, without sleeping. */
static int look(vni_loop *loop, uint64_t until_us) {
    int count;
    do
        count = epoll_wait(loop->epoll_fd, loop->batch, VNI_LOOP_BATCH, 0);
    while (count == 0 && vni_clock_us() < until_us);
    return count;
}

static void wait_for_events(vni_loop *loop) {
    const int most_ms = wait_ms(loop), looks = loop->idle.looks && most_ms != 0;
    const uint64_t from_us = vni_clock_us();
    const int found = looks ? look(loop, from_us + VNI_IDLE_LOOK_US) : 0;
    const int count =
        found ? found : epoll_wait(loop->epoll_fd, loop->batch, VNI_LOOP_BATCH, most_ms);
    loop->now_us = vni_clock_us();
    loop->batch_at = 0;
    loop->batch_end = count > 0 ? count : 0;
    if (most_ms != 0)
        vni_idle_tell(&loop->idle, looks, found > 0, loop->now_us - from_us);
}

static void dispatch(vni_loop *loop) {
    while (loop->batch_at < loop->batch_end) {
        const struct epoll_event *event = &loop->batch[loop->batch_at++];
        vni_watch *watch = event->data.ptr;
        unsigned events = 0;
        if (watch == NULL)
            continue;
        if (event->events & (EPOLLIN | EPOLLPRI))
            events |= VNI_READ;
        if (event->events & EPOLLOUT)
            events |= VNI_WRITE;
        if (event->events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
            events |= VNI_HANGUP;
        watch->ready(watch, events);
    }
}

void vni_loop_run(vni_loop *loop) {
    while (!atomic_load_explicit(&loop->stop, memory_order_acquire)) {
        wait_for_events(loop);
        dispatch(loop);
        run_posted(loop);
        vni_wheel_advance(&loop->wheel, loop->now_us / 1000 - loop->start_ms);
        run_deferred(loop);
    }
    atomic_store(&loop->stop, 0);
}

void vni_loop_stop(vni_loop *loop) {
    atomic_store_explicit(&loop->stop, 1, memory_order_release);
    wake(loop);
}

/* ---- its life --------------------------------------------------------------------------------------------- */

vecna_status vni_loop_new(const vecna_allocator *allocator, vni_loop **out, vecna_error *err) {
    vni_loop *loop = vecna_allocate_zero(allocator, 1, sizeof *loop);
    vecna_status status;
    if (loop == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for an event loop");
    loop->allocator = allocator;
    loop->deferred_end = &loop->deferred;
    loop->now_us = vni_clock_us();
    loop->start_ms = loop->now_us / 1000;
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (loop->epoll_fd < 0 || loop->wake_fd < 0) {
        status = vecna_error_set(err, VECNA_ERR_IO, -1, "cannot make an event loop: %s",
                                 strerror(errno));
        goto fail;
    }
    loop->wake.fd = loop->wake_fd;
    loop->wake.ready = woken;
    status = vni_watch_set(loop, &loop->wake, VNI_READ, err);
    if (status != VECNA_OK)
        goto fail;
    *out = loop;
    return VECNA_OK;
fail:
    vni_loop_free(loop);
    return status;
}

void vni_loop_flush(vni_loop *loop) {
    run_posted(loop);
    while (loop->deferred != NULL)
        run_deferred(loop);
}

void vni_loop_free(vni_loop *loop) {
    if (loop == NULL)
        return;
    vni_loop_flush(loop);
    vni_watch_end(&loop->wake);
    if (loop->wake_fd >= 0)
        close(loop->wake_fd);
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    vecna_release(loop->allocator, loop);
}

uint64_t vni_loop_now_us(const vni_loop *loop) {
    return loop->now_us;
}
size_t vni_loop_index(const vni_loop *loop) {
    return loop->index;
}
void vni_loop_set_user(vni_loop *loop, void *user) {
    loop->user = user;
}
void *vni_loop_user(const vni_loop *loop) {
    return loop->user;
}
