/* Whether a loop with nothing to do looks again for a moment before it sleeps. To be put to sleep and woken
 * costs 5 to 60 microseconds and the processor time of two switches (more where a virtual processor is halted
 * meanwhile), and a model server on the same machine, or a client that asks one text after the other, is
 * often heard of sooner. Where waits are longer looking would be waste: a loop looks only after waits that
 * were short one after the other, stops at the first look in vain, and after each of those waits for twice
 * as many short ones. */
#ifndef VNI_NET_IDLE_H
#define VNI_NET_IDLE_H

#include <stdint.h>

enum {
    VNI_IDLE_LOOK_US = 100, /* how long it looks */
    VNI_IDLE_SHORT_US =
        200, /* a wait asleep that looking would have met: it has the waking in it */
    VNI_IDLE_SHORTS_LEAST = 8, /* short waits before it looks */
    VNI_IDLE_SHORTS_MOST = 1024
};

/* All zeros: nothing known yet. */
typedef struct vni_idle {
    unsigned shorts; /* waits that were short since the last that was not */
    unsigned wanted; /* so many before it looks; 0: the least */
    int looks;
} vni_idle;

/* What a wait was like: whether it looked, what came while it did, and how long all of it took. */
void vni_idle_tell(vni_idle *idle, int looked, int found, uint64_t waited_us);

#endif
