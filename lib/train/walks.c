/* Walks of node2vec, made while they are read. A step from v, having come from t, takes x with weight
 * w(v, x) / p if x is t, w(v, x) if t has an edge to x, w(v, x) / q otherwise. It is drawn by proposing
 * x by w(v, x) alone and accepting it with a chance in proportion to the rest (exact, by rejection): one
 * to three proposals for usual p and q. The number that decides is drawn first: when even the smallest
 * of the three would accept, the list of t need not be searched. */
#include "train/graph_impl.h"

#include <math.h>

enum { WALKS = 10, LENGTH = 80, LENGTH_MOST = 4096, COUNT_GRAIN = 64 };

struct vecna_walks {
    const vecna_graph *graph;
    vecna_walk_options options;
    vecna_allocator allocator_copy;
    const vecna_allocator *allocator;
    int32_t *order;   /* (nodes) shuffled: where walks start */
    uint64_t *counts; /* (nodes) */
    uint64_t words;
    int second_order;             /* p or q is not 1 */
    double back, near, far, most; /* 1 / p, 1, 1 / q over the largest; and the smallest of them */
    double least;
};

static double unit_of(uint64_t random) {
    return (double)(random >> 11) * 0x1p-53;
}

/* A neighbour of v by the weights of its edges; v has one. */
static int32_t propose(const vecna_graph *graph, int32_t v, uint64_t *draw) {
    size_t first = graph->starts[v], count = graph->starts[v + 1] - first;
    uint64_t random = vni_draw(draw);
    size_t at = (size_t)(((random >> 32) * count) >> 32);
    if (graph->chances && (float)(uint32_t)random * 0x1p-32f >= graph->chances[first + at])
        at = (size_t)graph->aliases[first + at];
    return graph->neighbours[first + at];
}

static int has_edge(const vecna_graph *graph, int32_t from, int32_t to) {
    size_t low = graph->starts[from], high = graph->starts[from + 1];
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (graph->neighbours[middle] < to)
            low = middle + 1;
        else
            high = middle;
    }
    return low < graph->starts[from + 1] && graph->neighbours[low] == to;
}

static int32_t next_node(const vecna_walks *walks, int32_t t, int32_t v, uint64_t *draw) {
    for (;;) {
        int32_t x = propose(walks->graph, v, draw);
        double decides = unit_of(vni_draw(draw));
        if (decides < walks->least)
            return x;
        if (decides < (x == t                         ? walks->back
                       : has_edge(walks->graph, t, x) ? walks->near
                                                      : walks->far))
            return x;
    }
}

static size_t walk(const void *user, size_t epoch, size_t at, size_t end, int32_t *out, size_t room,
                   size_t *count) {
    const vecna_walks *walks = user;
    const vecna_graph *graph = walks->graph;
    uint64_t draw = vni_draw_seed(walks->options.seed, at);
    size_t nodes = graph->nodes, length = walks->options.length, made = 0;
    /* every round of walks starts elsewhere in the order */
    size_t start = at % nodes + at / nodes * 7919 % nodes;
    int32_t before = -1, v = walks->order[start % nodes];
    (void)epoch;
    (void)end;
    length = length < room ? length : room;
    out[made++] = v;
    while (made < length && graph->starts[v] < graph->starts[v + 1]) {
        int32_t x = before < 0 || !walks->second_order ? propose(graph, v, &draw)
                                                       : next_node(walks, before, v, &draw);
        before = v;
        v = out[made++] = x;
    }
    *count = made;
    return 1;
}

static void count_some(void *user, size_t begin, size_t end, size_t worker) {
    vecna_walks *walks = user;
    int32_t nodes[LENGTH_MOST];
    uint64_t words = 0;
    (void)worker;
    for (size_t at = begin; at < end; at++) {
        size_t count = 0;
        walk(walks, 0, at, end, nodes, LENGTH_MOST, &count);
        for (size_t i = 0; i < count; i++)
            __atomic_fetch_add(&walks->counts[nodes[i]], 1, __ATOMIC_RELAXED);
        words += count;
    }
    __atomic_fetch_add(&walks->words, words, __ATOMIC_RELAXED);
}

static vecna_status complete(vecna_walk_options *o, vecna_error *err) {
    o->p = o->p != 0 ? o->p : 1;
    o->q = o->q != 0 ? o->q : 1;
    o->walks = o->walks ? o->walks : WALKS;
    o->length = o->length ? o->length : LENGTH;
    if (!(o->p > 0 && o->p <= 1e6) || !(o->q > 0 && o->q <= 1e6) || o->p < 1e-6 || o->q < 1e-6)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "p is %g and q is %g; both are between 1e-6 and 1e6", o->p, o->q);
    if (o->length > LENGTH_MOST)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1, "a walk has at most %d nodes, not %zu",
                               LENGTH_MOST, o->length);
    return VECNA_OK;
}

static vecna_status shuffle_order(vecna_walks *walks, vecna_error *err) {
    size_t nodes = walks->graph->nodes;
    vecna_random random;
    walks->order = vecna_allocate(walks->allocator, nodes, sizeof *walks->order);
    walks->counts = vecna_allocate_zero(walks->allocator, nodes, sizeof *walks->counts);
    if (walks->order == NULL || walks->counts == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for %zu nodes", nodes);
    vecna_random_seed(&random, walks->options.seed, UINT64_MAX);
    for (size_t i = 0; i < nodes; i++) {
        size_t other = (size_t)vecna_random_below(&random, i + 1);
        walks->order[i] = walks->order[other];
        walks->order[other] = (int32_t)i;
    }
    return VECNA_OK;
}

vecna_status vecna_walks_new(const vecna_graph *graph, const vecna_walk_options *options,
                             vecna_walks **out, vecna_error *err) {
    static const vecna_walk_options defaults;
    vecna_walk_options o = options ? *options : defaults;
    vecna_walks *walks;
    size_t positions;
    vecna_status status = complete(&o, err);
    if (status != VECNA_OK)
        return status;
    if (!vecna_size_mul(graph->nodes, o.walks, &positions))
        return vecna_error_set(err, VECNA_ERR_OVERFLOW, -1, "%zu walks from %zu nodes are too many",
                               o.walks, graph->nodes);
    walks = vecna_allocate_zero(o.allocator, 1, sizeof *walks);
    if (walks == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for walks");
    walks->graph = graph;
    walks->options = o;
    if (o.allocator) {
        walks->allocator_copy = *o.allocator;
        walks->allocator = &walks->allocator_copy;
    }
    walks->second_order = o.p < 1 || o.p > 1 || o.q < 1 || o.q > 1;
    walks->most = fmax(1, fmax(1 / o.p, 1 / o.q));
    walks->back = 1 / o.p / walks->most;
    walks->near = 1 / walks->most;
    walks->far = 1 / o.q / walks->most;
    walks->least = fmin(walks->back, fmin(walks->near, walks->far));
    status = shuffle_order(walks, err);
    if (status != VECNA_OK) {
        vecna_walks_free(walks);
        return status;
    }
    vecna_pool_run(o.pool, positions, COUNT_GRAIN, count_some, walks);
    *out = walks;
    return VECNA_OK;
}

void vecna_walks_free(vecna_walks *walks) {
    vecna_allocator copy;
    const vecna_allocator *allocator = NULL;
    if (walks == NULL)
        return;
    vecna_release(walks->allocator, walks->order);
    vecna_release(walks->allocator, walks->counts);
    if (walks->allocator) {
        copy = walks->allocator_copy;
        allocator = &copy;
    }
    vecna_release(allocator, walks);
}

vecna_supply vecna_walks_supply(const vecna_walks *walks) {
    vecna_supply supply;
    memset(&supply, 0, sizeof supply);
    supply.piece = walk;
    supply.user = walks;
    supply.positions = walks->graph->nodes * walks->options.walks;
    supply.words = walks->words;
    supply.numbers = walks->graph->nodes;
    supply.counts = walks->counts;
    supply.fingerprint = walks->words;
    for (size_t v = 0; v < walks->graph->nodes; v++)
        supply.fingerprint = (supply.fingerprint ^ walks->counts[v]) * 0x9e3779b97f4a7c15u;
    return supply;
}
