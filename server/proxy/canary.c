/* Is the model behind an upstream still the one that it was, and the one that a learned map was made for?
 * A server can swap its model behind an unchanged address and an unchanged dimension, and nothing in its
 * answers says so. One text, asked again and again, does: its vector stays where it was or the model is
 * another one. Against a learned map's fingerprint one text is little, so a dozen further ones, about
 * nothing in common, are asked until that question is settled. What the cache holds of a model that has
 * drifted is forgotten. */
#include "proxy/proxy.h"

#include <math.h>
#include <string.h>

static const char *const further_texts[] = {
    "How do I reset my password?",
    "The invoice was paid on the third of March.",
    "def add(a, b): return a + b",
    "Photosynthesis turns light, water and carbon dioxide into sugar.",
    "cheap flights to Lisbon in October",
    "The defendant denies every allegation of the complaint.",
    "Preheat the oven to 200 degrees and butter the tin.",
    "Central banks raised interest rates again this quarter.",
    "My cat refuses to eat anything but tuna.",
    "A binary search tree keeps its keys in order.",
    "Symptoms include fever, cough and shortness of breath.",
    "The orchestra opened the season with Mahler's second symphony.",
    "Error: connection refused by host on port 5432",
    "Who won the world cup in 1998?",
    "Glaciers have carved deep valleys into this coast.",
};
enum { FURTHER = sizeof further_texts / sizeof further_texts[0] };

typedef struct vni_canary {
    struct vni_canary *next;
    vni_generation *generation;
    size_t target, count, dim;
    vni_ask *ask;
    float *rows;
    int mixed; /* rows of different dimension, or no memory */
} vni_canary;

static void forget(vni_canary *canary) {
    vni_generation *generation = canary->generation;
    vni_canary **at = &generation->canary_asks;
    while (*at != canary)
        at = &(*at)->next;
    *at = canary->next;
    vecna_release(generation->proxy->allocator, canary->rows);
    vecna_release(generation->proxy->allocator, canary);
    if (generation->canary_asks == NULL && generation->canary_done) {
        void (*done)(void *) = generation->canary_done;
        generation->canary_done = NULL;
        done(generation->canary_user);
    }
}

static void on_row(void *user, size_t row, const float *vector, size_t dim) {
    vni_canary *canary = user;
    if (canary->rows == NULL) {
        canary->rows = vecna_allocate_zero(canary->generation->proxy->allocator, canary->count,
                                           dim * sizeof(float));
        canary->dim = dim;
    }
    if (canary->rows == NULL || dim != canary->dim)
        canary->mixed = 1;
    else
        memcpy(canary->rows + row * dim, vector, dim * sizeof(float));
}

static double cosine(const float *a, const float *b, size_t dim) {
    double dot = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < dim; i++) {
        dot += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return aa > 0 && bb > 0 ? dot / sqrt(aa * bb) : 0;
}

static double norm(const float *a, size_t dim) {
    double sum = 0;
    for (size_t i = 0; i < dim; i++)
        sum += (double)a[i] * (double)a[i];
    return sqrt(sum);
}

/* Against the first answer. */
static void watch_drift(vni_canary *canary) {
    vni_generation *generation = canary->generation;
    vni_proxy *proxy = generation->proxy;
    vni_canary_state *state = &generation->canaries[canary->target];
    const char *name = generation->pool->targets[canary->target].options.name;
    float *first = generation->baselines[canary->target];
    int drifted = 0;
    state->at_ms = vni_unix_ms();
    state->norm = norm(canary->rows, canary->dim);
    state->problem[0] = '\0';
    if (first == NULL) {
        first = vecna_allocate(proxy->allocator, canary->dim, sizeof *first);
        if (first == NULL)
            return;
        memcpy(first, canary->rows, canary->dim * sizeof *first);
        generation->baselines[canary->target] = first;
        generation->baseline_dims[canary->target] = canary->dim;
        state->known = 1;
        state->cosine = 1;
        return;
    }
    state->cosine = canary->dim == generation->baseline_dims[canary->target]
                        ? cosine(first, canary->rows, canary->dim)
                        : 0;
    drifted = state->cosine < generation->config->canary.min_cosine;
    if (drifted)
        snprintf(
            state->problem, sizeof state->problem,
            "the model behind %s is another one: its canary has cosine %.4f to the first answer",
            name, state->cosine);
    if (drifted && !state->drifted) {
        vni_proxy_say(proxy, 1, "%s; cached vectors are forgotten", state->problem);
        vni_cache_clear(proxy->cache);
    } else if (!drifted && state->drifted) {
        vni_proxy_say(proxy, 1, "the model behind %s is the first one again (cosine %.4f)", name,
                      state->cosine);
        vni_cache_clear(proxy->cache);
    }
    state->drifted = drifted;
}

/* Against the fingerprints of the maps that stand behind the target. */
static void check_ways(vni_canary *canary) {
    vni_generation *generation = canary->generation;
    for (size_t i = 0; i < generation->way_count; i++) {
        vni_way *way = &generation->ways[i];
        vecna_error err;
        if (way->target != canary->target || way->check != VNI_CHECK_WANTED ||
            canary->count < FURTHER)
            continue;
        err.message[0] = '\0';
        if (canary->dim != way->info.source_dim) {
            vecna_error_set(&err, VECNA_ERR_DIM, -1, "it gives %zu dimensions, the map takes %zu",
                            canary->dim, way->info.source_dim);
            way->check = VNI_CHECK_REFUSED;
        } else if (vecna_space_require(vecna_map_source_space(way->learned),
                                       vecna_view_dense(canary->rows, canary->count, canary->dim),
                                       generation->proxy->allocator, &err) == VECNA_OK) {
            way->check = VNI_CHECK_PASSED;
        } else if (err.status == VECNA_ERR_SPACE) {
            way->check = VNI_CHECK_REFUSED;
        }
        if (way->check == VNI_CHECK_REFUSED)
            snprintf(way->refusal, sizeof way->refusal,
                     "the map of %.40s was not made for the model of %.40s: %.100s", way->name,
                     generation->pool->targets[canary->target].options.name, err.message);
    }
}

static void on_done(void *user, const vni_outcome *outcome) {
    vni_canary *canary = user;
    vni_generation *generation = canary->generation;
    vni_canary_state *state = &generation->canaries[canary->target];
    canary->ask = NULL;
    if (outcome->failed || canary->mixed || canary->rows == NULL) {
        snprintf(state->problem, sizeof state->problem, "%.195s",
                 outcome->failed ? outcome->failure.error.message
                                 : "the canary's answer cannot be used");
    } else {
        watch_drift(canary);
        check_ways(canary);
    }
    forget(canary);
}

/* A model in this process answers at once. */
static void embed_here(vni_canary *canary, const vni_piece_options *pieces) {
    vni_generation *generation = canary->generation;
    vni_outcome outcome = {0};
    canary->dim = vecna_model_about(generation->models[canary->target]).dim;
    canary->rows =
        vecna_allocate(generation->proxy->allocator, canary->count, canary->dim * sizeof(float));
    if (canary->rows && vni_static_embed(generation, canary->target, pieces, canary->count,
                                         canary->rows, &outcome.failure.error) != VECNA_OK)
        outcome.failed = 1;
    on_done(canary, &outcome);
}

static int wants_check(const vni_generation *generation, size_t target) {
    for (size_t i = 0; i < generation->way_count; i++)
        if (generation->ways[i].target == target && generation->ways[i].check == VNI_CHECK_WANTED)
            return 1;
    return 0;
}

static void ask_target(vni_generation *generation, size_t target, int64_t timeout_ms) {
    static uint64_t serial;
    const vni_config_target *config = &generation->config->forward.targets.items[target];
    const char *text = generation->config->canary.text;
    vni_proxy *proxy = generation->proxy;
    vni_piece_options pieces[1 + FURTHER];
    vni_ask_options options = {0};
    vni_canary *canary;
    size_t count = 0;
    int further = wants_check(generation, target);
    if ((text == NULL || text[0] == '\0') && !further)
        return;
    canary = vecna_allocate_zero(proxy->allocator, 1, sizeof *canary);
    if (canary == NULL)
        return;
    memset(pieces, 0, sizeof pieces);
    for (size_t i = 0; i < (further ? 1 + FURTHER : 1); i++) {
        const char *one = i                 ? further_texts[i - 1]
                          : text && text[0] ? text
                                            : "The quick brown fox jumps over the lazy dog.";
        serial++;
        memcpy(pieces[count].key + 8, &serial, sizeof serial);
        pieces[count].prefix = vecna_wire_text_of(config->document_prefix);
        pieces[count].text = vecna_wire_text_of(one);
        pieces[count].row = count;
        pieces[count].task =
            config->send_input_type ? VECNA_WIRE_TASK_DOCUMENT : VECNA_WIRE_TASK_NONE;
        count++;
    }
    canary->generation = generation;
    canary->target = target;
    canary->count = count;
    canary->next = generation->canary_asks;
    generation->canary_asks = canary;
    options.target = &generation->pool->targets[target];
    options.model = config->model ? config->model : "";
    options.pieces = pieces;
    options.count = count;
    options.deadline_us = vni_clock_us() + (uint64_t)timeout_ms * 1000;
    options.row = on_row;
    options.done = on_done;
    options.user = canary;
    if (generation->models[target])
        embed_here(canary, pieces);
    else if (vni_pool_ask(generation->pool, &options, &canary->ask, NULL) != VECNA_OK)
        forget(canary);
}

void vni_canary_ask(vni_generation *generation, int64_t timeout_ms, void (*done)(void *user),
                    void *user) {
    int under_way = generation->canary_asks != NULL;
    if (generation->canary_done == NULL && done) {
        generation->canary_done = done;
        generation->canary_user = user;
    }
    for (size_t i = 0; !under_way && i < generation->pool->target_count; i++)
        ask_target(generation, i, timeout_ms);
    if (generation->canary_asks == NULL && generation->canary_done) {
        done = generation->canary_done;
        user = generation->canary_user;
        generation->canary_done = NULL;
        done(user);
    }
}

static void on_schedule(vni_timer *timer) {
    vni_generation *generation =
        (vni_generation *)(void *)((char *)timer - offsetof(vni_generation, canary_timer));
    vni_canary_ask(generation, generation->config->limits.request_timeout, NULL, NULL);
    vni_canary_schedule(generation);
}

void vni_canary_schedule(vni_generation *generation) {
    generation->canary_timer.fire = on_schedule;
    if (generation->config->canary.interval > 0)
        vni_timer_start(generation->proxy->loop, &generation->canary_timer,
                        (uint64_t)generation->config->canary.interval);
}

void vni_canary_end(vni_generation *generation) {
    vni_timer_stop(&generation->canary_timer);
    generation->canary_done = NULL;
    while (generation->canary_asks) {
        vni_ask_cancel(generation->canary_asks->ask);
        forget(generation->canary_asks);
    }
}

const char *vni_canary_objection(const vni_generation *generation, const vni_way *way) {
    const vni_canary_state *state = &generation->canaries[way->target];
    if (way->check == VNI_CHECK_REFUSED)
        return way->refusal;
    if (state->drifted && generation->config->canary.refuse)
        return state->problem;
    return NULL;
}
