#include "proxy/spare.h"

double vni_spare_take(vni_spare *spare, uint64_t now_us, double units) {
    double needed = spare->unit_us * units;
    if (needed > VNI_SPARE_MOST_US) /* more is never saved; what is missing is paid back later */
        needed = VNI_SPARE_MOST_US;
    if (spare->until_us == 0)
        spare->saved_us = VNI_SPARE_MOST_US;
    else if (now_us > spare->until_us)
        spare->saved_us += (double)(now_us - spare->until_us) / VNI_SPARE_SHARE;
    if (spare->saved_us > VNI_SPARE_MOST_US)
        spare->saved_us = VNI_SPARE_MOST_US;
    spare->until_us = now_us;
    if (spare->saved_us < needed || spare->saved_us < 0)
        return -1;
    spare->saved_us -= needed;
    return needed;
}

void vni_spare_settle(vni_spare *spare, double taken_us, double units, double spent_us) {
    spare->saved_us += taken_us - spent_us;
    if (units > 0) /* one hiccup is not believed at once */
        spare->unit_us =
            spare->unit_us > 0 ? 0.75 * spare->unit_us + 0.25 * spent_us / units : spent_us / units;
}
