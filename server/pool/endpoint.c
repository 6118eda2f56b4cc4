/* Which endpoint is asked next. An endpoint that fails `failures` times in a row rests; when the rest is
 * over exactly one call tries it (half open), and only its success brings the others back. Weighted
 * round robin is the smooth kind: the turn of each grows by its weight, the largest goes and pays the sum,
 * so 3:1 gives a a b a and not a a a b. No clock and no chance in here: both come as arguments, so every
 * road can be tested. */
#include "pool/pool_impl.h"

#include <stdio.h>

const char *vni_endpoint_state_name(vni_endpoint_state state) {
    return state == VNI_ENDPOINT_UP ? "up" : state == VNI_ENDPOINT_RESTING ? "resting" : "trying";
}

/* Whether it may be asked; `desperate`: also when its health check failed. */
static int is_up(const vni_endpoint *one, uint64_t now_us, int desperate) {
    int may = one->state == VNI_ENDPOINT_UP ||
              (one->state == VNI_ENDPOINT_RESTING && now_us >= one->rest_until_us);
    return may && (desperate || !one->unwell);
}

static int has_room(const vni_endpoint *one) {
    return one->concurrency == 0 || one->in_flight < one->concurrency;
}

/* Of one priority; NULL when none of them is up and has room. */
static vni_endpoint *take_turn(vni_endpoint *endpoints, size_t count, size_t priority,
                               const vni_endpoint *avoided, uint64_t now_us, int desperate) {
    vni_endpoint *best = NULL;
    int64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        vni_endpoint *one = &endpoints[i];
        if (one->priority != priority || one == avoided || !is_up(one, now_us, desperate) ||
            !has_room(one))
            continue;
        one->turn += (int64_t)one->weight;
        sum += (int64_t)one->weight;
        if (best == NULL || one->turn > best->turn)
            best = one;
    }
    if (best)
        best->turn -= sum;
    return best;
}

/* The lowest priority at which somebody is up; 0 when nobody is. */
static int first_priority(const vni_endpoint *endpoints, size_t count, const vni_endpoint *avoided,
                          uint64_t now_us, int desperate, size_t *out) {
    int found = 0;
    for (size_t i = 0; i < count; i++)
        if (&endpoints[i] != avoided && is_up(&endpoints[i], now_us, desperate) &&
            (!found || endpoints[i].priority < *out)) {
            *out = endpoints[i].priority;
            found = 1;
        }
    return found;
}

static uint64_t first_due(const vni_endpoint *endpoints, size_t count, uint64_t now_us) {
    uint64_t least = UINT64_MAX;
    for (size_t i = 0; i < count; i++) {
        uint64_t wait;
        if (endpoints[i].state == VNI_ENDPOINT_TRYING)
            return 0;
        wait = endpoints[i].rest_until_us > now_us ? endpoints[i].rest_until_us - now_us : 1000000;
        if (wait < least)
            least = wait;
    }
    return least;
}

vni_pick vni_endpoint_pick(vni_endpoint *endpoints, size_t count, const vni_endpoint *avoided,
                           uint64_t now_us, vni_endpoint **out, uint64_t *wait_us) {
    size_t priority = 0;
    vni_endpoint *one = NULL;
    int somebody = 0, desperate = 0;
    /* The well ones; then the one that just failed; then those whose health check says no, which may be
     * wrong about it. */
    for (int road = 0; road < 4 && !somebody; road++) {
        const vni_endpoint *left_out = road % 2 == 0 ? avoided : NULL;
        desperate = road >= 2;
        somebody = first_priority(endpoints, count, left_out, now_us, desperate, &priority);
        if (somebody)
            avoided = left_out;
    }
    if (!somebody) {
        *wait_us = first_due(endpoints, count, now_us);
        return VNI_PICK_RESTING;
    }
    one = take_turn(endpoints, count, priority, avoided, now_us, desperate);
    if (one == NULL)
        return VNI_PICK_BUSY;
    if (one->state == VNI_ENDPOINT_RESTING)
        one->state = VNI_ENDPOINT_TRYING;
    one->in_flight++;
    *out = one;
    return VNI_PICK_ONE;
}

void vni_endpoint_released(vni_endpoint *endpoint) {
    if (endpoint->in_flight)
        endpoint->in_flight--;
    if (endpoint->state == VNI_ENDPOINT_TRYING) /* nothing was learnt: the next call tries */
        endpoint->state = VNI_ENDPOINT_RESTING;
}

void vni_endpoint_worked(vni_endpoint *endpoint) {
    if (endpoint->in_flight)
        endpoint->in_flight--;
    endpoint->state = VNI_ENDPOINT_UP;
    endpoint->failures = 0;
    endpoint->rests = 0;
    endpoint->last_error[0] = '\0';
}

void vni_endpoint_failed(vni_endpoint *endpoint, const vni_rest_rule *rule, int64_t rest_ms,
                         uint64_t now_us, const char *reason) {
    int was_trying = endpoint->state == VNI_ENDPOINT_TRYING;
    if (endpoint->in_flight)
        endpoint->in_flight--;
    endpoint->failed++;
    endpoint->failures++;
    snprintf(endpoint->last_error, sizeof endpoint->last_error, "%s", reason);
    if (was_trying || rest_ms > 0 ||
        (endpoint->state == VNI_ENDPOINT_UP && endpoint->failures >= rule->failures)) {
        int64_t rest = rule->cooldown_ms << (endpoint->rests < 4 ? endpoint->rests : 4);
        if (rest_ms > 0) /* it said how long: that is no sign of being broken */
            rest = rest_ms < 60000 ? rest_ms : 60000;
        else
            endpoint->rests++;
        endpoint->state = VNI_ENDPOINT_RESTING;
        endpoint->rest_until_us = now_us + (uint64_t)rest * 1000;
    }
}

int vni_status_is_passing(int status) {
    return status == 408 || status == 424 || status == 429 || status == 500 || status == 502 ||
           status == 503 || status == 504 || status == 529;
}

int64_t vni_retry_pause_ms(unsigned attempt, double draw, int64_t asked_ms) {
    int64_t pause = 5000;
    if (attempt >= 1 && attempt <= 6)
        pause = (int64_t)100 << (attempt - 1);
    if (pause > 5000)
        pause = 5000;
    pause = pause / 2 + (int64_t)((double)(pause / 2) * draw);
    return asked_ms > pause ? asked_ms : pause;
}
