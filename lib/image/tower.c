/* The tower of pictures, on the way there. A stage is one product: the 3 x 3 cells that each of its own
 * sees are laid out as a row, which costs memory and makes the work one of oneDNN's, at its pace. */
#include "image/image_impl.h"
#include "vecna/linalg.h"

#include <math.h>
#include <string.h>

enum { NEAR = 9 /* cells that a cell sees */, BLOCK_MOST = 64, BLOCK_BYTES = 64 << 20 };

/* ---- shapes ----------------------------------------------------------------------------------- */

vecna_image_shape vecna_image_shape_for(size_t height, size_t width, size_t channels, size_t dim) {
    vecna_image_shape shape = {.height = height, .width = width, .channels = channels, .dim = dim};
    size_t side = height > width ? height : width, filters = 32;
    do {
        shape.filters[shape.stages++] = filters;
        filters = filters < 256 ? 2 * filters : filters;
        side = (side + 1) / 2;
    } while (side > 4 && shape.stages < VECNA_IMAGE_STAGES_MOST);
    return shape;
}

void vecna_image_cells(const vecna_image_shape *shape, size_t stage, size_t *height,
                       size_t *width) {
    *height = shape->height;
    *width = shape->width;
    for (size_t s = 0; s < stage; s++) {
        *height = (*height + 1) / 2;
        *width = (*width + 1) / 2;
    }
}

static size_t cells_of(const vecna_image_shape *shape, size_t stage) {
    size_t height, width;
    vecna_image_cells(shape, stage, &height, &width);
    return height * width;
}

static size_t filters_below(const vecna_image_shape *shape, size_t stage) {
    return stage ? shape->filters[stage - 1] : shape->channels;
}

vni_image_part vni_image_part_of(const vecna_image_shape *shape, size_t stage) {
    vni_image_part part = {0};
    for (size_t s = 0; s <= stage; s++) {
        part.weights = s ? part.biases + part.outputs : 0;
        part.inputs = s < shape->stages ? NEAR * filters_below(shape, s)
                                        : cells_of(shape, s) * filters_below(shape, s);
        part.outputs = s < shape->stages ? shape->filters[s] : shape->dim;
        part.biases = part.weights + part.inputs * part.outputs;
    }
    return part;
}

vecna_status vecna_image_parameters(const vecna_image_shape *shape, size_t *count,
                                    vecna_error *err) {
    const size_t most = VECNA_IMAGE_SIDE_MOST;
    if (shape->height < 4 || shape->width < 4 || shape->height > most || shape->width > most ||
        (shape->channels != 1 && shape->channels != 3) || shape->dim < 1 ||
        shape->dim > VNI_IMAGE_DIM_MOST)
        return vecna_error_set(
            err, VECNA_ERR_DIM, -1,
            "pictures of %zu x %zu with %zu channels to %zu dimensions: sides of "
            "4 to %d, 1 or 3 channels, 1 to %d dimensions",
            shape->height, shape->width, shape->channels, shape->dim, VECNA_IMAGE_SIDE_MOST,
            VNI_IMAGE_DIM_MOST);
    if (shape->stages < 1 || shape->stages > VECNA_IMAGE_STAGES_MOST)
        return vecna_error_set(err, VECNA_ERR_DIM, -1, "%zu stages: 1 to %d", shape->stages,
                               VECNA_IMAGE_STAGES_MOST);
    for (size_t s = 0; s < shape->stages; s++)
        if (shape->filters[s] < 1 || shape->filters[s] > VECNA_IMAGE_FILTERS_MOST)
            return vecna_error_set(err, VECNA_ERR_DIM, -1, "stage %zu has %zu filters: 1 to %d", s,
                                   shape->filters[s], VECNA_IMAGE_FILTERS_MOST);
    const vni_image_part head = vni_image_part_of(shape, shape->stages);
    *count = head.biases + head.outputs;
    return VECNA_OK;
}

/* ---- room ------------------------------------------------------------------------------------- */

/* Floats that a picture takes in a stage: what it sees, and what it makes. */
static size_t seen_floats(const vecna_image_shape *shape, size_t stage) {
    return cells_of(shape, stage + 1) * NEAR * filters_below(shape, stage);
}

static size_t made_floats(const vecna_image_shape *shape, size_t stage) {
    return cells_of(shape, stage + 1) * shape->filters[stage];
}

typedef struct needs {
    size_t pixels, all_seen, all_made, most_seen, most_made;
} needs;

static needs needs_of(const vecna_image_shape *shape) {
    const vni_image_part head = vni_image_part_of(shape, shape->stages);
    needs n = {.pixels = shape->height * shape->width * shape->channels};
    n.most_seen = head.inputs; /* the head's rows are turned too */
    for (size_t s = 0; s < shape->stages; s++) {
        const size_t seen = seen_floats(shape, s), made = made_floats(shape, s);
        n.all_seen += seen;
        n.all_made += made;
        n.most_seen = seen > n.most_seen ? seen : n.most_seen;
        n.most_made = made > n.most_made ? made : n.most_made;
    }
    return n;
}

double vni_image_work_bytes(const vecna_image_shape *shape, size_t room, int back) {
    const needs n = needs_of(shape);
    const double there = (double)(n.pixels + n.all_seen + n.all_made);
    const double again = back ? 2 * (double)n.most_seen + 2 * (double)n.most_made : 0;
    return sizeof(float) * ((there + again) * (double)room);
}

void vni_image_work_free(vni_image_work *work) {
    void *rest[] = {work->pixels, work->asked, work->below, work->turned, work->by_seen};
    for (size_t s = 0; s < VECNA_IMAGE_STAGES_MOST; s++) {
        vecna_release(work->allocator, work->seen[s]);
        vecna_release(work->allocator, work->made[s]);
    }
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++)
        vecna_release(work->allocator, rest[i]);
    memset(work, 0, sizeof *work);
}

vecna_status vni_image_work_new(const vecna_image_shape *shape, size_t room, int back,
                                const vecna_allocator *allocator, vni_image_work *out,
                                vecna_error *err) {
    const needs n = needs_of(shape);
    vni_image_work work = {.shape = shape, .allocator = allocator, .room = room};
    int whole = (work.pixels = vecna_allocate(allocator, room, n.pixels * sizeof(float))) != NULL;
    for (size_t s = 0; s < shape->stages; s++) {
        work.seen[s] = vecna_allocate(allocator, room, seen_floats(shape, s) * sizeof(float));
        work.made[s] = vecna_allocate(allocator, room, made_floats(shape, s) * sizeof(float));
        whole = whole && work.seen[s] && work.made[s];
    }
    if (back) {
        work.asked = vecna_allocate(allocator, room, n.most_made * sizeof(float));
        work.below = vecna_allocate(allocator, room, n.most_made * sizeof(float));
        work.turned = vecna_allocate(allocator, room, n.most_seen * sizeof(float));
        work.by_seen = vecna_allocate(allocator, room, n.most_seen * sizeof(float));
        whole = whole && work.asked && work.below && work.turned && work.by_seen;
    }
    if (!whole) {
        vni_image_work_free(&work);
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                               "no memory for %zu pictures of %zu x %zu at a time", room,
                               shape->height, shape->width);
    }
    *out = work;
    return VECNA_OK;
}

/* ---- there ------------------------------------------------------------------------------------ */

typedef struct laying {
    const float *from; /* (pictures, height, width, depth) */
    float *to;         /* (pictures, out height, out width, 9, depth) */
    size_t height, width, depth;
} laying;

static void lay_out(void *user, size_t begin, size_t end, size_t worker) {
    const laying *l = user;
    const size_t high = (l->height + 1) / 2, wide = (l->width + 1) / 2, depth = l->depth;
    (void)worker;
    for (size_t p = begin; p < end; p++) {
        const float *from = l->from + p * l->height * l->width * depth;
        float *to = l->to + p * high * wide * NEAR * depth;
        for (size_t cell = 0; cell < high * wide; cell++)
            for (size_t k = 0; k < NEAR; k++, to += depth) {
                /* one before, itself, one behind; what lies outside wraps to a large number */
                const size_t y = 2 * (cell / wide) + k / 3 - 1, x = 2 * (cell % wide) + k % 3 - 1;
                if (y < l->height && x < l->width)
                    memcpy(to, from + (y * l->width + x) * depth, depth * sizeof *to);
                else
                    memset(to, 0, depth * sizeof *to);
            }
    }
}

typedef struct biasing {
    float *rows;
    const float *biases;
    size_t dim;
    int bend; /* negative numbers become 0 */
} biasing;

static void add_biases(void *user, size_t begin, size_t end, size_t worker) {
    const biasing *b = user;
    (void)worker;
    for (size_t r = begin; r < end; r++) {
        float *row = b->rows + r * b->dim;
        for (size_t j = 0; j < b->dim; j++)
            row[j] += b->biases[j];
        for (size_t j = 0; b->bend && j < b->dim; j++)
            row[j] = row[j] > 0 ? row[j] : 0;
    }
}

/* rows (count, part.outputs) = in times the part's weights, plus its biases. */
static vecna_status through(const vni_image_part *part, const float *parameters, const float *in,
                            size_t count, int bend, float *rows, vecna_pool *pool,
                            vecna_error *err) {
    biasing b = {rows, parameters + part->biases, part->outputs, bend};
    const vecna_status status = vecna_linalg_product(
        vecna_view_dense(in, count, part->inputs),
        vecna_view_dense(parameters + part->weights, part->inputs, part->outputs),
        vecna_matrix_dense(rows, count, part->outputs), pool, err);
    if (status == VECNA_OK)
        vecna_pool_run(pool, count, 256, add_biases, &b);
    return status;
}

vecna_status vni_image_forward(vni_image_work *work, const float *parameters, size_t count,
                               float *out, vecna_pool *pool, vecna_error *err) {
    const vecna_image_shape *shape = work->shape;
    const float *below = work->pixels;
    vecna_status status = VECNA_OK;
    work->count = count;
    for (size_t s = 0; s < shape->stages && status == VECNA_OK; s++) {
        const vni_image_part part = vni_image_part_of(shape, s);
        laying l = {.from = below, .to = work->seen[s], .depth = filters_below(shape, s)};
        vecna_image_cells(shape, s, &l.height, &l.width);
        vecna_pool_run(pool, count, 4, lay_out, &l);
        status = through(&part, parameters, work->seen[s], count * cells_of(shape, s + 1), 1,
                         work->made[s], pool, err);
        below = work->made[s];
    }
    const vni_image_part head = vni_image_part_of(shape, shape->stages);
    return status == VECNA_OK ? through(&head, parameters, below, count, 0, out, pool, err)
                              : status;
}

/* ---- vectors of pictures ---------------------------------------------------------------------- */

typedef struct levels {
    const uint8_t *from;
    float *to;
    size_t each;
} levels;

static void take_levels(void *user, size_t begin, size_t end, size_t worker) {
    const levels *l = user;
    (void)worker;
    for (size_t i = begin * l->each; i < end * l->each; i++)
        l->to[i] = vni_image_level(l->from[i]);
}

static void bring_to_length(float *row, size_t dim) {
    double square = 0;
    for (size_t j = 0; j < dim; j++)
        square += (double)row[j] * (double)row[j];
    const float by = square > 0 ? (float)(1 / sqrt(square)) : 0;
    for (size_t j = 0; j < dim; j++)
        row[j] *= by;
}

/* Pictures at a time: as many as 64 MB hold, one at least. */
static size_t block_of(const vecna_image_shape *shape, size_t count) {
    const double fit = BLOCK_BYTES / vni_image_work_bytes(shape, 1, 0);
    const size_t most = fit > BLOCK_MOST ? BLOCK_MOST : fit > 1 ? (size_t)fit : 1;
    return count < most ? count : most;
}

vecna_status vecna_image_embed(const vecna_image_shape *shape, const float *parameters,
                               const vecna_pictures *pictures, vecna_matrix out, vecna_pool *pool,
                               const vecna_allocator *allocator, vecna_error *err) {
    const size_t each = shape->height * shape->width * shape->channels;
    vni_image_work work = {0};
    float *made = NULL;
    size_t parameter_count;
    vecna_status status = vecna_image_parameters(shape, &parameter_count, err);
    if (status != VECNA_OK)
        return status;
    if (pictures->height != shape->height || pictures->width != shape->width ||
        pictures->channels != shape->channels || out.rows != pictures->count ||
        out.dim != shape->dim || out.stride < out.dim)
        return vecna_error_set(
            err, VECNA_ERR_DIM, -1,
            "%zu pictures of %zu x %zu x %zu into %zu rows of %zu: the tower takes %zu x %zu x %zu "
            "to %zu dimensions",
            pictures->count, pictures->height, pictures->width, pictures->channels, out.rows,
            out.dim, shape->height, shape->width, shape->channels, shape->dim);
    if (pictures->count == 0)
        return VECNA_OK;
    const size_t room = block_of(shape, pictures->count);
    status = vni_image_work_new(shape, room, 0, allocator, &work, err);
    made = vecna_allocate(allocator, room, shape->dim * sizeof *made);
    if (status == VECNA_OK && made == NULL)
        status = vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for %zu vectors", room);
    for (size_t first = 0; first < pictures->count && status == VECNA_OK; first += room) {
        const size_t count = pictures->count - first < room ? pictures->count - first : room;
        levels l = {pictures->data + first * each, work.pixels, each};
        vecna_pool_run(pool, count, 8, take_levels, &l);
        status = vni_image_forward(&work, parameters, count, made, pool, err);
        for (size_t i = 0; i < count && status == VECNA_OK; i++) {
            bring_to_length(made + i * shape->dim, shape->dim);
            memcpy(out.data + (first + i) * out.stride, made + i * shape->dim,
                   shape->dim * sizeof *made);
        }
    }
    vecna_release(allocator, made);
    vni_image_work_free(&work);
    return status;
}
