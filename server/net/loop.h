/* What the files of net see of a loop. */
#ifndef VNI_NET_LOOP_H
#define VNI_NET_LOOP_H

#include "net/idle.h"
#include "net/net_impl.h"
#include "net/wheel.h"

#include <sys/epoll.h>

enum { VNI_LOOP_BATCH = 256 };

struct vni_loop {
    const vecna_allocator *allocator;
    int epoll_fd, wake_fd;
    vni_watch wake;
    uint64_t start_ms, now_us; /* the wheel counts from start_ms */
    size_t index;
    void *user;
    atomic_int stop;
    _Atomic(vni_task *) posted; /* newest first */
    vni_task *deferred, **deferred_end;
    struct epoll_event batch[VNI_LOOP_BATCH];
    int batch_at, batch_end;
    vni_wheel wheel;
    vni_idle idle;
};

#endif
