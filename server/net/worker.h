/* Work that would hold the loop: done by one thread beside it, in the order in which it came.
 *
 * Threads: vni_worker_do and _free from the loop's thread. `work` runs in the worker's thread and may touch
 * what its owner leaves alone until `done`, which runs in the loop's. */
#ifndef VNI_NET_WORKER_H
#define VNI_NET_WORKER_H

#include "net/net_impl.h"

typedef struct vni_worker vni_worker;

/* A piece of work, embedded in its owner. */
typedef struct vni_work vni_work;
struct vni_work {
    vni_task done; /* run: set by the owner; the loop's */
    void (*work)(vni_work *work);
    vni_work *next; /* the worker's */
};

/* Errors: VECNA_ERR_MEMORY; VECNA_ERR_IO when no thread can be had. */
VECNA_CHECK vecna_status vni_worker_new(vni_loop *loop, const vecna_allocator *allocator,
                                        vni_worker **out, vecna_error *err);
void vni_worker_do(vni_worker *worker, vni_work *work);
/* Does what was begun, leaves the rest undone, and ends the thread. What it has posted to the loop may
 * not have run. NULL-safe. */
void vni_worker_free(vni_worker *worker);

#endif
