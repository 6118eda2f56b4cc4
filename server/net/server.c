/* Threads, options, signals and the end of it all. Each loop runs in a thread of its own and shares
 * with the others only counters and the table of connections per address.
 *
 * The end comes in two steps. A drain closes the listening sockets after taking what waits in them,
 * closes what is idle, and lets requests be answered; a loop ends with its last connection. When the
 * time for that is over, or at the second stop, connections are closed, their handlers told, and the
 * loop ends; the handlers' owner answers what it still holds in loop_end, so that nothing leaks. */
#define _GNU_SOURCE
#include "net/server.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { ACCEPTS = 64, ACCEPT_AGAIN_MS = 50, FIRST_REQUEST_MS = 1000, PAGE_EXTRA = 8192 };

/* ---- limits ------------------------------------------------------------------------------------------------- */

static void fill_limits(vni_limits *limits) {
#define DEFAULT(field, value)                                                                      \
    if (limits->field == 0)                                                                        \
    limits->field = (value)
    DEFAULT(head_bytes, 16384);
    DEFAULT(head_fields, 64);
    DEFAULT(body_bytes, (size_t)64 << 20);
    DEFAULT(all_bodies_bytes, (size_t)512 << 20);
    DEFAULT(connections, 16384);
    DEFAULT(connections_per_ip, (limits->connections * 3 + 3) / 4);
    DEFAULT(head_ms, 10000);
    DEFAULT(body_ms, 10000);
    DEFAULT(body_bytes_per_s, 1024);
    DEFAULT(idle_ms, 60000);
    DEFAULT(write_ms, 30000);
    DEFAULT(drain_ms, 30000);
#undef DEFAULT
    if (limits->head_bytes > 65536)
        limits->head_bytes = 65536;
    if (limits->head_fields > 256)
        limits->head_fields = 256;
}

static void limits_changed(vni_task *task) {
    vni_home *home = (vni_home *)(void *)((char *)task - offsetof(vni_home, limits_task));
    pthread_mutex_lock(&home->server->limits_lock);
    home->limits = home->server->limits;
    home->limits_posted = 0;
    pthread_mutex_unlock(&home->server->limits_lock);
}

void vni_server_set_limits(vni_server *server, const vni_limits *limits) {
    pthread_mutex_lock(&server->limits_lock);
    size_t head_bytes = server->limits.head_bytes; /* pages have their size for good */
    server->limits = *limits;
    fill_limits(&server->limits);
    server->limits.head_bytes = head_bytes;
    for (size_t i = 0; i < server->loops; i++) {
        if (!server->homes[i].limits_posted)
            vni_loop_post(server->homes[i].loop, &server->homes[i].limits_task);
        server->homes[i].limits_posted = 1;
    }
    pthread_mutex_unlock(&server->limits_lock);
}

/* ---- accepting ---------------------------------------------------------------------------------------------- */

static void pause_accepting(vni_home *home) {
    vni_watch_end(&home->listener);
    vni_timer_start(home->loop, &home->accept_again, ACCEPT_AGAIN_MS);
}

/* At most `most` connections; 0 when no more wait. */
static int accept_some(vni_home *home, int most) {
    vni_server *server = home->server;
    while (most-- > 0) {
        struct sockaddr_storage from;
        socklen_t length = sizeof from;
        int fd;
        if (atomic_load_explicit(&server->counters.open, memory_order_relaxed) >=
            home->limits.connections) {
            pause_accepting(home);
            return 0;
        }
        memset(&from, 0, sizeof from);
        fd = accept4(home->listener.fd, (struct sockaddr *)&from, &length,
                     SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            vni_conn_open(home, fd, &from);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            pause_accepting(home); /* until connections end */
            return 0;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return 0;
        }
    }
    return 1;
}

static void listener_ready(vni_watch *watch, unsigned events) {
    (void)events;
    accept_some((vni_home *)(void *)((char *)watch - offsetof(vni_home, listener)), ACCEPTS);
}

static void accept_again(vni_timer *timer) {
    vni_home *home = (vni_home *)(void *)((char *)timer - offsetof(vni_home, accept_again));
    if (home->stops == 0 && vni_watch_set(home->loop, &home->listener, VNI_READ, NULL) != VECNA_OK)
        vni_timer_start(home->loop, timer, ACCEPT_AGAIN_MS);
}

/* ---- stopping ----------------------------------------------------------------------------------------------- */

void vni_home_ended_one(vni_home *home) {
    if (home->stops > 0 && home->conns == NULL && home->busy_conns == 0 &&
        (home->busy_calls == 0 || home->stops > 1))
        vni_loop_stop(home->loop);
}

static void end_now(vni_home *home) {
    if (home->stops == 2)
        return;
    home->stops = 2;
    while (home->conns != NULL)
        vni_conn_close(home->conns);
    vni_home_ended_one(home);
}

static void drain(vni_home *home) {
    vni_server *server = home->server;
    if (home->stops > 0)
        return;
    while (accept_some(home, ACCEPTS) != 0)
        ;
    home->stops = 1;
    vni_timer_stop(&home->accept_again);
    vni_watch_end(&home->listener);
    close(home->listener.fd);
    home->listener.fd = -1;
    vni_timer_start(home->loop, &home->drain_end, home->limits.drain_ms);
    for (vni_conn *conn = home->conns, *next; conn != NULL; conn = next) {
        next = conn->next;
        if (conn->phase == VNI_AT_IDLE && conn->requests == 0)
            vni_timer_start(home->loop, &conn->timer, FIRST_REQUEST_MS);
        else if (conn->phase == VNI_AT_IDLE)
            vni_conn_run(conn);
    }
    if (server->options.draining != NULL)
        server->options.draining(server->options.user, home->loop);
    vni_home_ended_one(home);
}

static void drain_task(vni_task *task) {
    drain((vni_home *)(void *)((char *)task - offsetof(vni_home, drain_task)));
}
static void end_task(vni_task *task) {
    end_now((vni_home *)(void *)((char *)task - offsetof(vni_home, end_task)));
}
static void drain_over(vni_timer *timer) {
    end_now((vni_home *)(void *)((char *)timer - offsetof(vni_home, drain_end)));
}

void vni_server_stop(vni_server *server) {
    int stops = atomic_fetch_add(&server->stops, 1);
    for (size_t i = 0; i < server->loops && stops < 2; i++)
        vni_loop_post(server->homes[i].loop,
                      stops == 0 ? &server->homes[i].drain_task : &server->homes[i].end_task);
}

/* ---- signals ------------------------------------------------------------------------------------------------- */

static void watched_signals(sigset_t *set) {
    sigemptyset(set);
    sigaddset(set, SIGHUP);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
}

static void signals_ready(vni_watch *watch, unsigned events) {
    vni_server *server = (vni_server *)(void *)((char *)watch - offsetof(vni_server, signals));
    struct signalfd_siginfo info;
    (void)events;
    while (read(watch->fd, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo != SIGHUP)
            vni_server_stop(server);
        else if (server->options.reload != NULL)
            server->options.reload(server->options.user);
    }
}

static vecna_status open_signals(vni_server *server, vecna_error *err) {
    sigset_t set;
    watched_signals(&set);
    if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0 ||
        (server->signals.fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC)) < 0)
        return vecna_error_set(err, VECNA_ERR_IO, -1, "cannot take signals: %s", strerror(errno));
    server->signals.ready = signals_ready;
    return vni_watch_set(server->homes[0].loop, &server->signals, VNI_READ, err);
}

vecna_status vni_server_reload_certificate(vni_server *server, vecna_error *err) {
    return server->tls == NULL ? VECNA_OK : vni_tls_reload(server->tls, err);
}

/* ---- threads ------------------------------------------------------------------------------------------------- */

static void say_ready(vni_home *home, int ready) {
    pthread_mutex_lock(&home->server->limits_lock);
    home->ready = ready;
    pthread_cond_broadcast(&home->server->changed);
    pthread_mutex_unlock(&home->server->limits_lock);
}

static void *run_home(void *argument) {
    vni_home *home = argument;
    vni_server *server = home->server;
    const vni_server_options *options = &server->options;
    if (options->loop_begin != NULL)
        home->status = options->loop_begin(options->user, home->loop, &home->error);
    if (home->status == VECNA_OK)
        home->status = vni_watch_set(home->loop, &home->listener, VNI_READ, &home->error);
    say_ready(home, home->status == VECNA_OK ? 1 : -1);
    if (home->status != VECNA_OK)
        return NULL;
    vni_loop_run(home->loop);
    if (options->loop_end != NULL)
        options->loop_end(options->user, home->loop);
    vni_loop_flush(home->loop);
    assert(home->busy_calls == 0 && home->busy_conns == 0);
    return NULL;
}

static vecna_status start_home(vni_home *home, vecna_error *err) {
    vni_server *server = home->server;
    int failed = pthread_create(&home->thread, NULL, run_home, home);
    if (failed != 0)
        return vecna_error_set(err, VECNA_ERR_LIBRARY, -1, "cannot start a thread: %s",
                               strerror(failed));
    home->has_thread = 1;
    pthread_mutex_lock(&server->limits_lock);
    while (home->ready == 0)
        pthread_cond_wait(&server->changed, &server->limits_lock);
    pthread_mutex_unlock(&server->limits_lock);
    if (home->ready > 0)
        return VECNA_OK;
    return vecna_error_set(err, home->status, home->error.position, "%s", home->error.message);
}

/* ---- its life ---------------------------------------------------------------------------------------------------- */

static vecna_status copy_strings(vni_server *server, vecna_error *err) {
    const char **strings[] = {&server->options.listen, &server->options.certificate_file,
                              &server->options.key_file};
    size_t bytes = 0;
    char *at;
    for (size_t i = 0; i < 3; i++)
        bytes += *strings[i] == NULL ? 0 : strlen(*strings[i]) + 1;
    at = server->strings = vecna_allocate(server->allocator, bytes, 1);
    if (at == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a server");
    for (size_t i = 0; i < 3; i++) {
        if (*strings[i] != NULL) {
            size_t length = strlen(*strings[i]) + 1;
            memcpy(at, *strings[i], length);
            *strings[i] = at;
            at += length;
        }
    }
    return VECNA_OK;
}

/* Descriptors for every connection and its upstream; fewer connections when the system refuses. */
static void raise_descriptors(vni_limits *limits) {
    struct rlimit limit;
    rlim_t wanted = limits->connections * 2 + 256;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    if (limit.rlim_cur < wanted) {
        struct rlimit raised = {wanted < limit.rlim_max ? wanted : limit.rlim_max, limit.rlim_max};
        if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
            limit = raised;
    }
    if (limit.rlim_cur < limits->connections + 64)
        limits->connections = limit.rlim_cur > 192 ? (size_t)limit.rlim_cur - 128 : 64;
}

static vecna_status open_homes(vni_server *server, vecna_error *err) {
    vecna_status status = VECNA_OK;
    server->homes = vecna_allocate_zero(server->allocator, server->loops, sizeof *server->homes);
    if (server->homes == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a server");
    for (size_t i = 0; i < server->loops; i++) {
        vni_home *home = &server->homes[i];
        home->server = server;
        home->limits = server->limits;
        home->listener.fd = -1;
        home->listener.ready = listener_ready;
        home->accept_again.fire = accept_again;
        home->drain_end.fire = drain_over;
        home->drain_task.run = drain_task;
        home->end_task.run = end_task;
        home->limits_task.run = limits_changed;
    }
    for (size_t i = 0; i < server->loops && status == VECNA_OK; i++) {
        status = vni_loop_new(server->allocator, &server->homes[i].loop, err);
        if (status == VECNA_OK)
            server->homes[i].loop->index = i;
    }
    return status;
}

static void ignore_sigpipe(void) {
    struct sigaction action;
    if (sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_DFL) {
        action.sa_handler = SIG_IGN; /* OpenSSL writes without MSG_NOSIGNAL */
        sigaction(SIGPIPE, &action, NULL);
    }
}

static vecna_status open_parts(vni_server *server, vecna_error *err) {
    vni_server_options *options = &server->options;
    vecna_status status = copy_strings(server, err);
    if (status == VECNA_OK && (options->certificate_file == NULL) != (options->key_file == NULL))
        status = vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                                 "TLS needs both a certificate file and a key file");
    if (status == VECNA_OK &&
        !vni_shares_open(&server->shares, server->allocator, server->limits.connections))
        status = vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a server");
    if (status == VECNA_OK && options->certificate_file != NULL)
        status = vni_tls_open(options->certificate_file, options->key_file, server->allocator,
                              &server->tls, err);
    if (status == VECNA_OK)
        status = open_homes(server, err);
    if (status == VECNA_OK)
        status = vni_listen_open(server, err);
    if (status == VECNA_OK && options->signals)
        status = open_signals(server, err);
    return status;
}

vecna_status vni_server_new(const vni_server_options *options, const vecna_allocator *allocator,
                            vni_server **out, vecna_error *err) {
    vni_server *server = vecna_allocate_zero(allocator, 1, sizeof *server);
    vecna_status status;
    if (server == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a server");
    server->allocator = allocator;
    server->options = *options;
    server->limits = options->limits;
    server->loops = options->loops > 0 ? options->loops : vecna_cpus_allowed();
    server->signals.fd = -1;
    atomic_store(&server->next_id, 1);
    pthread_mutex_init(&server->limits_lock, NULL);
    pthread_cond_init(&server->changed, NULL);
    fill_limits(&server->limits);
    raise_descriptors(&server->limits);
    ignore_sigpipe();
    server->page_bytes = server->limits.head_bytes + PAGE_EXTRA;
    status = open_parts(server, err);
    for (size_t i = 0; i < server->loops && status == VECNA_OK; i++)
        status = start_home(&server->homes[i], err);
    if (status != VECNA_OK) {
        vni_server_free(server);
        return status;
    }
    *out = server;
    return VECNA_OK;
}

vecna_status vni_server_check(const vni_server_options *options, const vecna_allocator *allocator,
                              vecna_error *err) {
    vni_tls *tls = NULL;
    vecna_status status = vni_listen_check(options->listen, err);
    if (status == VECNA_OK && options->certificate_file)
        status = vni_tls_open(options->certificate_file, options->key_file, allocator, &tls, err);
    vni_tls_close(tls);
    return status;
}

void vni_server_wait(vni_server *server) {
    for (size_t i = 0; server->homes != NULL && i < server->loops; i++) {
        if (server->homes[i].has_thread)
            pthread_join(server->homes[i].thread, NULL);
        server->homes[i].has_thread = 0;
    }
}

static void close_home(vni_home *home) {
    if (home->loop != NULL) {
        vni_timer_stop(&home->drain_end);
        vni_timer_stop(&home->accept_again);
        vni_watch_end(&home->listener);
    }
    if (home->listener.fd >= 0)
        close(home->listener.fd);
    vni_home_clear(home);
    vni_loop_free(home->loop);
}

void vni_server_free(vni_server *server) {
    if (server == NULL)
        return;
    for (size_t i = 0; server->homes != NULL && i < server->loops; i++) {
        if (server->homes[i].has_thread) {
            vni_server_stop(server);
            vni_server_stop(server);
            break;
        }
    }
    vni_server_wait(server);
    if (server->signals.fd >= 0) {
        vni_watch_end(&server->signals);
        close(server->signals.fd);
    }
    for (size_t i = 0; server->homes != NULL && i < server->loops; i++)
        close_home(&server->homes[i]);
    vni_tls_close(server->tls);
    if (server->shares.slots != NULL)
        vni_shares_close(&server->shares, server->allocator);
    pthread_cond_destroy(&server->changed);
    pthread_mutex_destroy(&server->limits_lock);
    vecna_release(server->allocator, server->homes);
    vecna_release(server->allocator, server->strings);
    vecna_release(server->allocator, server);
}

/* ---- questions ------------------------------------------------------------------------------------------------- */

const char *vni_server_address(const vni_server *server) {
    return server->address;
}
unsigned vni_server_port(const vni_server *server) {
    return server->port;
}
int vni_server_is_local(const vni_server *server) {
    return server->is_local;
}
int vni_server_is_draining(const vni_server *server) {
    return atomic_load(&server->stops) > 0;
}
size_t vni_server_loops(const vni_server *server) {
    return server->loops;
}
vni_loop *vni_server_loop(vni_server *server, size_t index) {
    return server->homes[index].loop;
}

void vni_server_counts_read(const vni_server *server, vni_server_counts *out) {
    const vni_counters *counters = &server->counters;
#define READ(field) out->field = atomic_load_explicit(&counters->field, memory_order_relaxed)
    READ(accepted), READ(open), READ(idle), READ(refused), READ(requests), READ(in_flight);
    READ(malformed), READ(too_large), READ(timed_out), READ(gone), READ(read_bytes);
    READ(written_bytes), READ(body_bytes), READ(tls_failures);
#undef READ
}
