/* A hierarchical timing wheel (Varghese and Lauck, "Hashed and hierarchical timing wheels", 1987): ten
 * thousand idle connections each hold a timer that nearly never fires but is restarted with every
 * request, so starting and stopping must cost a few instructions and no memory.
 *
 * The level of a timer is the highest 6-bit digit in which its due time differs from now. All slots
 * in use on a level therefore lie ahead of now's digit, and the lowest level in use, its lowest bit,
 * is what comes next. When the wheel arrives at a slot of a higher level, its timers are spread over
 * the levels below. */
#include "net/wheel.h"

enum { DIGIT = 6 };

void vni_wheel_add(vni_wheel *wheel, vni_timer *timer, uint64_t due_ms) {
    uint64_t differs;
    unsigned level, slot, place;
    if (due_ms <= wheel->now_ms)
        due_ms = wheel->now_ms + 1;
    differs = due_ms ^ wheel->now_ms;
    level = (63u - (unsigned)__builtin_clzll(differs)) / DIGIT;
    slot = (unsigned)(due_ms >> (level * DIGIT)) % VNI_WHEEL_SLOTS;
    place = level * VNI_WHEEL_SLOTS + slot;
    timer->due_ms = due_ms;
    timer->place = place + 1;
    timer->previous = NULL;
    timer->next = wheel->slots[place];
    if (timer->next != NULL)
        timer->next->previous = timer;
    wheel->slots[place] = timer;
    wheel->occupied[level] |= (uint64_t)1 << slot;
}

void vni_wheel_remove(vni_wheel *wheel, vni_timer *timer) {
    unsigned place;
    if (timer->place == 0)
        return;
    place = timer->place - 1;
    if (timer->next != NULL)
        timer->next->previous = timer->previous;
    if (timer->previous != NULL)
        timer->previous->next = timer->next;
    else
        wheel->slots[place] = timer->next;
    if (wheel->slots[place] == NULL)
        wheel->occupied[place / VNI_WHEEL_SLOTS] &= ~((uint64_t)1 << place % VNI_WHEEL_SLOTS);
    timer->next = timer->previous = NULL;
    timer->place = 0;
}

/* Time and place of the slot that comes next; 0 when there is none. */
static int next_slot(const vni_wheel *wheel, uint64_t *at_ms, unsigned *place) {
    for (unsigned level = 0; level < VNI_WHEEL_LEVELS; level++) {
        if (wheel->occupied[level] != 0) {
            unsigned slot = (unsigned)__builtin_ctzll(wheel->occupied[level]);
            unsigned above = (level + 1) * DIGIT;
            *at_ms = (wheel->now_ms >> above << above) | (uint64_t)slot << (level * DIGIT);
            *place = level * VNI_WHEEL_SLOTS + slot;
            return 1;
        }
    }
    return 0;
}

uint64_t vni_wheel_wait_ms(const vni_wheel *wheel) {
    uint64_t at_ms;
    unsigned place;
    return next_slot(wheel, &at_ms, &place) ? at_ms - wheel->now_ms : UINT64_MAX;
}

void vni_wheel_advance(vni_wheel *wheel, uint64_t to_ms) {
    uint64_t at_ms;
    unsigned place;
    while (next_slot(wheel, &at_ms, &place) && at_ms <= to_ms) {
        wheel->now_ms = at_ms;
        while (wheel->slots[place] != NULL) {
            vni_timer *timer = wheel->slots[place];
            vni_wheel_remove(wheel, timer);
            if (timer->due_ms <= at_ms)
                timer->fire(timer);
            else
                vni_wheel_add(wheel, timer, timer->due_ms);
        }
    }
    if (to_ms > wheel->now_ms)
        wheel->now_ms = to_ms;
}
