/* A graph as sorted lists of neighbours in one array. Edges are gathered as they come, sorted once and
 * made unique; weights become alias tables a node, so that a step by weight takes constant time. */
#include "train/graph_impl.h"

#include <math.h>
#include <stdlib.h>

enum { FIELD_BYTES = 64 };

typedef struct arc {
    int32_t from, to;
    uint32_t turn; /* order in the file: of equals the last counts */
    float weight;
} arc;

typedef struct gathering {
    vecna_graph *graph;
    const vecna_graph_options *options;
    const char *path;
    arc *arcs;
    size_t count, capacity;
    size_t line;
    int32_t head; /* adjacency: the node of a line that goes on; -1 none */
} gathering;

static vecna_status no_memory(const gathering *work, vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for %zu edges",
                           work->count);
}

static vecna_status add_arc(gathering *work, int32_t from, int32_t to, float weight,
                            vecna_error *err) {
    arc *one;
    if (work->count == work->capacity) {
        size_t capacity = work->capacity ? work->capacity * 2 : 4096;
        void *arcs = vecna_resize(work->graph->allocator, work->arcs, capacity, sizeof *work->arcs);
        if (arcs == NULL)
            return no_memory(work, err);
        work->arcs = arcs;
        work->capacity = capacity;
    }
    one = &work->arcs[work->count++];
    one->from = from;
    one->to = to;
    one->turn = (uint32_t)work->line;
    one->weight = weight;
    return VECNA_OK;
}

static vecna_status add_edge(gathering *work, int32_t from, int32_t to, float weight,
                             vecna_error *err) {
    vecna_status status = add_arc(work, from, to, weight, err);
    if (status == VECNA_OK && !work->options->directed && from != to)
        status = add_arc(work, to, from, weight, err);
    return status;
}

/* ---- lines ----------------------------------------------------------------------------------- */

static int is_separator(char c) {
    return c == ' ' || c == '\t' || c == ',' || c == ';';
}

/* The next field of a line; 0 when there is none. */
static int next_field(const char **at, const char *end, const char **field, size_t *bytes) {
    while (*at < end && is_separator(**at))
        (*at)++;
    *field = *at;
    while (*at < end && !is_separator(**at))
        (*at)++;
    *bytes = (size_t)(*at - *field);
    return *bytes > 0;
}

static vecna_status bad_line(const gathering *work, const char *what, vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)work->line, "line %zu of %.120s %s",
                           work->line, work->path, what);
}

static int parse_weight(const char *field, size_t bytes, float *out) {
    char digits[FIELD_BYTES], *end;
    if (bytes >= sizeof digits)
        return 0;
    memcpy(digits, field, bytes);
    digits[bytes] = '\0';
    *out = strtof(digits, &end);
    return *end == '\0' && isfinite(*out) && *out > 0;
}

static vecna_status read_edge(gathering *work, const char *at, const char *end, vecna_error *err) {
    const char *field;
    size_t bytes;
    int32_t ids[2] = {0, 0};
    float weight = 1;
    for (size_t i = 0; i < 2; i++) {
        vecna_status status;
        if (!next_field(&at, end, &field, &bytes))
            return bad_line(work, "has one field; an edge has two nodes", err);
        status = vecna_vocab_add(work->graph->names, field, bytes, 1, &ids[i], err);
        if (status != VECNA_OK)
            return status;
    }
    if (next_field(&at, end, &field, &bytes) && !parse_weight(field, bytes, &weight))
        return bad_line(work,
                        "has a weight that is no number above 0 (an adjacency list? say "
                        "--graph adjacency)",
                        err);
    if (next_field(&at, end, &field, &bytes))
        return bad_line(work,
                        "has more than three fields; an adjacency list is read with --graph "
                        "adjacency",
                        err);
    return add_edge(work, ids[0], ids[1], weight, err);
}

static vecna_status read_neighbours(gathering *work, const vecna_piece *piece, vecna_error *err) {
    const char *at = piece->data, *end = at + piece->bytes, *field;
    size_t bytes;
    vecna_status status = VECNA_OK;
    while (status == VECNA_OK && next_field(&at, end, &field, &bytes)) {
        int32_t id = 0;
        status = vecna_vocab_add(work->graph->names, field, bytes, 1, &id, err);
        if (status != VECNA_OK)
            break;
        if (work->head < 0)
            work->head = id;
        else
            status = add_edge(work, work->head, id, 1, err);
    }
    if (piece->ends_line)
        work->head = -1;
    return status;
}

static vecna_status read_lines(gathering *work, vecna_error *err) {
    vecna_source *source = NULL;
    vecna_piece piece;
    int more = 1, goes_on = 0;
    vecna_status status = vecna_source_open(work->path, work->graph->allocator, &source, err);
    work->head = -1;
    while (status == VECNA_OK) {
        const char *first, *at;
        size_t bytes;
        status = vecna_source_piece(source, &piece, &more, err);
        if (status != VECNA_OK || !more)
            break;
        work->line += !goes_on;
        at = piece.data;
        if (!goes_on && (!next_field(&at, piece.data + piece.bytes, &first, &bytes) ||
                         *first == '#' || *first == '%'))
            continue; /* a comment of more than a mebibyte is not thought of */
        if (work->options->format == VECNA_GRAPH_ADJACENCY)
            status = read_neighbours(work, &piece, err);
        else
            status = read_edge(work, piece.data, piece.data + piece.bytes, err);
        goes_on = !piece.ends_line;
    }
    vecna_source_close(source);
    if (status == VECNA_OK && work->count == 0)
        status = vecna_error_set(err, VECNA_ERR_VALUE, -1, "%.150s holds no edge", work->path);
    return status;
}

/* ---- arranging ------------------------------------------------------------------------------- */

static int compare_arcs(const void *left, const void *right) {
    const arc *a = left, *b = right;
    if (a->from != b->from)
        return a->from < b->from ? -1 : 1;
    if (a->to != b->to)
        return a->to < b->to ? -1 : 1;
    return (a->turn > b->turn) - (a->turn < b->turn);
}

static void make_unique(gathering *work) {
    size_t kept = 0;
    for (size_t i = 0; i < work->count; i++) {
        if (kept > 0 && work->arcs[kept - 1].from == work->arcs[i].from &&
            work->arcs[kept - 1].to == work->arcs[i].to)
            kept--;
        work->arcs[kept++] = work->arcs[i];
    }
    work->count = kept;
}

/* Vose's alias tables of one node, over weights in arcs; `room` holds as many numbers. */
static void make_aliases(vecna_graph *graph, const arc *arcs, size_t first, size_t count,
                         int32_t *room) {
    double total = 0;
    size_t small = 0, large = count; /* room: small ones from the front, large ones from the back */
    for (size_t i = 0; i < count; i++)
        total += (double)arcs[first + i].weight;
    for (size_t i = 0; i < count; i++) {
        double share = (double)arcs[first + i].weight / total * (double)count;
        graph->chances[first + i] = (float)share;
        graph->aliases[first + i] = (int32_t)i;
        if (share < 1)
            room[small++] = (int32_t)i;
        else
            room[--large] = (int32_t)i;
    }
    while (small > 0 && large < count) {
        int32_t low = room[--small], high = room[large];
        graph->aliases[first + (size_t)low] = high;
        graph->chances[first + (size_t)high] -= 1 - graph->chances[first + (size_t)low];
        if (graph->chances[first + (size_t)high] < 1) {
            large++;
            room[small++] = high;
        }
    }
    while (large < count)
        graph->chances[first + (size_t)room[large++]] = 1;
    while (small > 0)
        graph->chances[first + (size_t)room[--small]] = 1;
}

static vecna_status arrange(gathering *work, vecna_error *err) {
    vecna_graph *graph = work->graph;
    size_t loops = 0, widest = 0;
    int weighted = 0;
    int32_t *room = NULL;

    qsort(work->arcs, work->count, sizeof *work->arcs, compare_arcs);
    make_unique(work);
    graph->nodes = vecna_vocab_size(graph->names);
    graph->arcs = work->count;
    for (size_t i = 0; i < work->count; i++) {
        loops += work->arcs[i].from == work->arcs[i].to;
        weighted |= work->arcs[i].weight != work->arcs[0].weight;
    }
    graph->edges = work->options->directed ? work->count : (work->count - loops) / 2 + loops;
    graph->starts = vecna_allocate_zero(graph->allocator, graph->nodes + 1, sizeof *graph->starts);
    graph->neighbours = vecna_allocate(graph->allocator, graph->arcs, sizeof *graph->neighbours);
    if (weighted) {
        graph->chances = vecna_allocate(graph->allocator, graph->arcs, sizeof *graph->chances);
        graph->aliases = vecna_allocate(graph->allocator, graph->arcs, sizeof *graph->aliases);
    }
    if (!graph->starts || !graph->neighbours || (weighted && (!graph->chances || !graph->aliases)))
        return no_memory(work, err);
    for (size_t i = 0; i < work->count; i++) {
        graph->starts[work->arcs[i].from + 1]++;
        graph->neighbours[i] = work->arcs[i].to;
    }
    for (size_t v = 0; v < graph->nodes; v++) {
        widest = graph->starts[v + 1] > widest ? graph->starts[v + 1] : widest;
        graph->starts[v + 1] += graph->starts[v];
    }
    if (weighted) {
        room = vecna_allocate(graph->allocator, widest, sizeof *room);
        if (room == NULL)
            return no_memory(work, err);
        for (size_t v = 0; v < graph->nodes; v++)
            make_aliases(graph, work->arcs, graph->starts[v],
                         graph->starts[v + 1] - graph->starts[v], room);
        vecna_release(graph->allocator, room);
    }
    return VECNA_OK;
}

vecna_status vecna_graph_read(const char *path, const vecna_graph_options *options,
                              vecna_graph **out, vecna_error *err) {
    static const vecna_graph_options defaults;
    const vecna_graph_options *o = options ? options : &defaults;
    vecna_graph *graph = vecna_allocate_zero(o->allocator, 1, sizeof *graph);
    gathering work = {graph, o, path, NULL, 0, 0, 0, -1};
    vecna_status status;
    if (graph == NULL)
        return no_memory(&work, err);
    if (o->allocator) {
        graph->allocator_copy = *o->allocator;
        graph->allocator = &graph->allocator_copy;
    }
    status = vecna_vocab_new(graph->allocator, &graph->names, err);
    if (status == VECNA_OK)
        status = read_lines(&work, err);
    if (status == VECNA_OK)
        status = arrange(&work, err);
    vecna_release(graph->allocator, work.arcs);
    if (status == VECNA_OK)
        *out = graph;
    else
        vecna_graph_free(graph);
    return status;
}

void vecna_graph_free(vecna_graph *graph) {
    vecna_allocator copy;
    const vecna_allocator *allocator = NULL;
    if (graph == NULL)
        return;
    vecna_vocab_free(graph->names);
    vecna_release(graph->allocator, graph->starts);
    vecna_release(graph->allocator, graph->neighbours);
    vecna_release(graph->allocator, graph->chances);
    vecna_release(graph->allocator, graph->aliases);
    if (graph->allocator) {
        copy = graph->allocator_copy;
        allocator = &copy;
    }
    vecna_release(allocator, graph);
}

const vecna_vocab *vecna_graph_names(const vecna_graph *graph) {
    return graph->names;
}

size_t vecna_graph_nodes(const vecna_graph *graph) {
    return graph->nodes;
}

size_t vecna_graph_edges(const vecna_graph *graph) {
    return graph->edges;
}

int vecna_graph_is_weighted(const vecna_graph *graph) {
    return graph->chances != NULL;
}
