/* Short waits turn looking on, one look in vain turns it off; see idle.h. */
#include "net/idle.h"

void vni_idle_tell(vni_idle *idle, int looked, int found, uint64_t waited_us) {
    if (idle->wanted < VNI_IDLE_SHORTS_LEAST)
        idle->wanted = VNI_IDLE_SHORTS_LEAST;
    if (looked && found) {
        if (idle->wanted > VNI_IDLE_SHORTS_LEAST)
            idle->wanted /= 2;
    } else if (looked) {
        idle->looks = 0;
        idle->shorts = 0;
        if (idle->wanted < VNI_IDLE_SHORTS_MOST)
            idle->wanted *= 2;
    } else if (waited_us > VNI_IDLE_SHORT_US) {
        idle->shorts = 0;
    } else if (++idle->shorts >= idle->wanted) {
        idle->looks = 1;
    }
}
