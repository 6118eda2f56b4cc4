/* The timers of one loop. */
#ifndef VNI_NET_WHEEL_H
#define VNI_NET_WHEEL_H

#include "net/net_impl.h"

enum { VNI_WHEEL_LEVELS = 7, VNI_WHEEL_SLOTS = 64 };

typedef struct vni_wheel {
    uint64_t now_ms; /* up to here all timers have fired */
    uint64_t occupied[VNI_WHEEL_LEVELS];
    vni_timer *slots[VNI_WHEEL_LEVELS * VNI_WHEEL_SLOTS];
} vni_wheel;

void vni_wheel_add(vni_wheel *wheel, vni_timer *timer, uint64_t due_ms);
void vni_wheel_remove(vni_wheel *wheel, vni_timer *timer);
/* Milliseconds until something must be looked at, counted from now_ms; UINT64_MAX when nothing runs.
 * Not later than the first timer's due time. */
uint64_t vni_wheel_wait_ms(const vni_wheel *wheel);
/* Move to the time given and fire what is due. Timers may start and stop timers. */
void vni_wheel_advance(vni_wheel *wheel, uint64_t to_ms);

#endif
