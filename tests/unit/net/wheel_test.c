/* The wheel against a plain list of due times, on random starts, stops and jumps of the clock. */
#include "tests/unit/support/support.h"

#include "net/wheel.h"

#include <string.h>

enum { TIMERS = 200, TURNS = 20000 };

typedef struct mine {
    vni_timer timer; /* first */
    uint64_t due;    /* by the plain list; 0 not running */
    int again;       /* restart when fired, by this much */
} mine;

static vni_wheel wheel;
static mine timers[TIMERS];
static uint64_t fired_up_to;
static size_t fired;

static void start(mine *it, uint64_t due) {
    vni_wheel_remove(&wheel, &it->timer);
    vni_wheel_add(&wheel, &it->timer, due);
    it->due = due > wheel.now_ms ? due : wheel.now_ms + 1;
}

static void fire(vni_timer *timer) {
    mine *it = (mine *)timer;
    assert_true(it->due > 0);
    assert_true(it->due <= fired_up_to);
    assert_int_equal(it->due, wheel.now_ms); /* in order of time, on time */
    it->due = 0;
    fired++;
    if (it->again > 0)
        start(it, wheel.now_ms + (uint64_t)it->again);
}

static uint64_t soonest(void) {
    uint64_t best = UINT64_MAX;
    for (size_t i = 0; i < TIMERS; i++)
        if (timers[i].due > 0 && timers[i].due < best)
            best = timers[i].due;
    return best;
}

static void timers_fire_when_due(void **state) {
    vecna_random random;
    (void)state;
    vecna_random_seed(&random, 7, 0);
    memset(&wheel, 0, sizeof wheel);
    for (size_t i = 0; i < TIMERS; i++)
        timers[i] = (mine){.timer = {.fire = fire}, .again = i % 10 == 0 ? (int)i + 1 : 0};
    for (int turn = 0; turn < TURNS; turn++) {
        mine *it = &timers[vecna_random_below(&random, TIMERS)];
        uint64_t spread = (uint64_t)1 << vecna_random_below(&random, 36), wait;
        switch (vecna_random_below(&random, 4)) {
        case 0:
        case 1:
            start(it, wheel.now_ms + vecna_random_below(&random, spread));
            break;
        case 2:
            vni_wheel_remove(&wheel, &it->timer);
            it->due = 0;
            break;
        default:
            wait = vni_wheel_wait_ms(&wheel);
            assert_true(soonest() == UINT64_MAX || wait <= soonest() - wheel.now_ms);
            fired_up_to =
                wheel.now_ms + vecna_random_below(&random, spread < 1 << 14 ? spread : 1 << 14);
            vni_wheel_advance(&wheel, fired_up_to);
            assert_int_equal(fired_up_to, wheel.now_ms);
            assert_true(soonest() > wheel.now_ms);
        }
    }
    assert_true(fired > 1000);
}

static void far_timers_wait(void **state) {
    mine it = {.timer = {.fire = fire}};
    (void)state;
    memset(&wheel, 0, sizeof wheel);
    start(&it, (uint64_t)1 << 35);
    fired_up_to = ((uint64_t)1 << 35) - 1;
    fired = 0;
    vni_wheel_advance(&wheel, fired_up_to);
    assert_int_equal(0, fired);
    assert_int_equal(1, vni_wheel_wait_ms(&wheel));
    fired_up_to++;
    vni_wheel_advance(&wheel, fired_up_to);
    assert_int_equal(1, fired);
    assert_true(vni_wheel_wait_ms(&wheel) == UINT64_MAX);
}

/* A timer that fires stops another that is due in the same instant. */
static vni_timer victim;
static void stop_victim(vni_timer *timer) {
    (void)timer;
    vni_wheel_remove(&wheel, &victim);
}
static void never(vni_timer *timer) {
    (void)timer;
    fail_msg("a stopped timer fired");
}

static void a_stopped_timer_does_not_fire(void **state) {
    vni_timer killer = {.fire = stop_victim};
    (void)state;
    memset(&wheel, 0, sizeof wheel);
    victim.fire = never;
    vni_wheel_add(&wheel, &victim, 10); /* the later one of a slot comes first */
    vni_wheel_add(&wheel, &killer, 10);
    vni_wheel_advance(&wheel, 200);
    assert_int_equal(0, vni_timer_runs(&victim));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_fire_when_due),
        cmocka_unit_test(far_timers_wait),
        cmocka_unit_test(a_stopped_timer_does_not_fire),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
