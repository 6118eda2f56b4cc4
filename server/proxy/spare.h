/* Time to spare: what may be done beside the requests for a small share of the time.
 *
 * Time that passes is saved up, a twentieth of it and a tenth of a second at most; work that is not
 * necessary is done while its expected time has been saved. So a quiet server always does it, and a busy
 * one for as many requests as the share lasts. In one thread. */
#ifndef VNI_PROXY_SPARE_H
#define VNI_PROXY_SPARE_H

#include <stdint.h>

enum { VNI_SPARE_SHARE = 20, VNI_SPARE_MOST_US = 100000 };

typedef struct vni_spare {
    double saved_us;   /* below 0: more was spent than had been thought */
    double unit_us;    /* what a unit of the work took lately; 0: not known yet */
    uint64_t until_us; /* the clock, when it was last looked at; 0: never */
} vni_spare;

/* Microseconds set aside for so many units of work; -1 when they are not there: leave it. */
double vni_spare_take(vni_spare *spare, uint64_t now_us, double units);
/* The work took so long: the account is put right. */
void vni_spare_settle(vni_spare *spare, double taken_us, double units, double spent_us);

#endif
