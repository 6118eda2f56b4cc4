/* The tower on the way back: what is asked of the vectors becomes what is asked of every weight. Each
 * sum has one order, whatever the number of threads, but for the products'. */
#include "image/image_impl.h"
#include "vecna/linalg.h"

#include <string.h>

enum { NEAR = 9 };

typedef struct turning {
    const float *from; /* (rows, columns) */
    float *to;         /* (columns, rows) */
    size_t rows, columns;
} turning;

static void turn(void *user, size_t begin, size_t end, size_t worker) {
    const turning *t = user;
    (void)worker;
    for (size_t first = begin; first < end; first += 16) {
        const size_t last = first + 16 < end ? first + 16 : end;
        for (size_t i = 0; i < t->rows; i++)
            for (size_t j = first; j < last; j++)
                t->to[j * t->rows + i] = t->from[i * t->columns + j];
    }
}

/* What a part's weights and biases are asked: in (count, inputs) turned, times asked (count, outputs). */
static vecna_status ask_part(vni_image_work *work, const vni_image_part *part, const float *in,
                             const float *asked, size_t count, float *by_parameters,
                             vecna_pool *pool, vecna_error *err) {
    turning t = {in, work->turned, count, part->inputs};
    double sums[VNI_IMAGE_DIM_MOST];
    vecna_pool_run(pool, part->inputs, 16, turn, &t);
    memset(sums, 0, part->outputs * sizeof *sums);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < part->outputs; j++)
            sums[j] += (double)asked[i * part->outputs + j];
    for (size_t j = 0; j < part->outputs; j++)
        by_parameters[part->biases + j] = (float)sums[j];
    return vecna_linalg_product(
        vecna_view_dense(work->turned, part->inputs, count),
        vecna_view_dense(asked, count, part->outputs),
        vecna_matrix_dense(by_parameters + part->weights, part->inputs, part->outputs), pool, err);
}

/* by_in (count, inputs) = asked times the weights turned. */
static vecna_status ask_below(const vni_image_part *part, const float *parameters,
                              const float *asked, size_t count, float *by_in, vecna_pool *pool,
                              vecna_error *err) {
    return vecna_linalg_product_rows(
        vecna_view_dense(asked, count, part->outputs),
        vecna_view_dense(parameters + part->weights, part->inputs, part->outputs),
        vecna_matrix_dense(by_in, count, part->inputs), pool, err);
}

typedef struct gathering {
    const float *from; /* (pictures, out height, out width, 9, depth) */
    float *to;         /* (pictures, height, width, depth) */
    size_t height, width, depth;
} gathering;

/* What was laid out comes together again. */
static void gather(void *user, size_t begin, size_t end, size_t worker) {
    const gathering *g = user;
    const size_t high = (g->height + 1) / 2, wide = (g->width + 1) / 2, depth = g->depth;
    (void)worker;
    for (size_t p = begin; p < end; p++) {
        const float *from = g->from + p * high * wide * NEAR * depth;
        float *to = g->to + p * g->height * g->width * depth;
        memset(to, 0, g->height * g->width * depth * sizeof *to);
        for (size_t cell = 0; cell < high * wide; cell++)
            for (size_t k = 0; k < NEAR; k++, from += depth) {
                const size_t y = 2 * (cell / wide) + k / 3 - 1, x = 2 * (cell % wide) + k % 3 - 1;
                if (y >= g->height || x >= g->width)
                    continue;
                float *sum = to + (y * g->width + x) * depth;
                for (size_t j = 0; j < depth; j++)
                    sum[j] += from[j];
            }
    }
}

typedef struct bending {
    const float *made;
    float *asked;
    size_t dim;
} bending;

static void unbend(void *user, size_t begin, size_t end, size_t worker) {
    const bending *b = user;
    (void)worker;
    for (size_t i = begin * b->dim; i < end * b->dim; i++)
        b->asked[i] = b->made[i] > 0 ? b->asked[i] : 0;
}

vecna_status vni_image_backward(vni_image_work *work, const float *parameters, const float *by_out,
                                float *by_parameters, vecna_pool *pool, vecna_error *err) {
    const vecna_image_shape *shape = work->shape;
    const size_t count = work->count;
    const vni_image_part head = vni_image_part_of(shape, shape->stages);
    vecna_status status = ask_part(work, &head, work->made[shape->stages - 1], by_out, count,
                                   by_parameters, pool, err);
    if (status == VECNA_OK)
        status = ask_below(&head, parameters, by_out, count, work->asked, pool, err);
    for (size_t s = shape->stages; s-- > 0 && status == VECNA_OK;) {
        const vni_image_part part = vni_image_part_of(shape, s);
        gathering g = {.from = work->by_seen, .to = work->below, .depth = part.inputs / NEAR};
        bending b = {work->made[s], work->asked, part.outputs};
        size_t high, wide;
        vecna_image_cells(shape, s, &g.height, &g.width);
        vecna_image_cells(shape, s + 1, &high, &wide);
        const size_t rows = count * high * wide;
        vecna_pool_run(pool, rows, 256, unbend, &b);
        status = ask_part(work, &part, work->seen[s], work->asked, rows, by_parameters, pool, err);
        if (s == 0 || status != VECNA_OK)
            break;
        status = ask_below(&part, parameters, work->asked, rows, work->by_seen, pool, err);
        vecna_pool_run(pool, count, 4, gather, &g);
        float *kept = work->asked;
        work->asked = work->below;
        work->below = kept;
    }
    return status;
}
