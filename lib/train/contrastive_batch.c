/* One batch. Texts are sums of rows; for each size their first numbers are brought to length 1 and
 * compared; what the comparison asks goes back through the lengths to the sums, and from there to every
 * row that was added. Rows are moved piece by piece, each piece's texts in their order, so that the number
 * of threads changes nothing. */
#include "train/contrastive_impl.h"
#include "train/infonce.h"

#include <math.h>
#include <string.h>

static const double keep_moment = 0.9, keep_square = 0.999, least = 1e-8;

vecna_status vni_contrastive_batch_new(const vecna_contrastive *model, vni_contrastive_batch *out,
                                       vecna_error *err) {
    const vecna_allocator *a = model->allocator;
    const size_t rows = 3 * model->options.batch, dim = model->options.dim;
    vni_contrastive_batch b = {0};
    b.text = vecna_allocate(a, rows, sizeof *b.text);
    b.sum = vecna_allocate(a, rows, dim * sizeof(float));
    b.unit = vecna_allocate(a, rows, dim * sizeof(float));
    b.by_unit = vecna_allocate(a, rows, dim * sizeof(float));
    b.by_sum = vecna_allocate(a, rows, dim * sizeof(float));
    b.length = vecna_allocate(a, rows, sizeof *b.length);
    b.slot = vecna_allocate(a, model->data.pieces, sizeof *b.slot);
    if (!b.text || !b.sum || !b.unit || !b.by_unit || !b.by_sum || !b.length || !b.slot) {
        vni_contrastive_batch_free(model, &b);
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                               "no memory for batches of %zu pairs of %zu dimensions",
                               model->options.batch, dim);
    }
    for (size_t i = 0; i < model->data.pieces; i++)
        b.slot[i] = -1;
    *out = b;
    return VECNA_OK;
}

void vni_contrastive_batch_free(const vecna_contrastive *model, vni_contrastive_batch *batch) {
    void *all[] = {batch->text,   batch->sum,  batch->unit,    batch->by_unit, batch->by_sum,
                   batch->length, batch->slot, batch->touched, batch->start,   batch->row};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        vecna_release(model->allocator, all[i]);
    memset(batch, 0, sizeof *batch);
}

/* ---- who is in it ---------------------------------------------------------------------------- */

static void list_texts(const vecna_contrastive *model, size_t count, vni_contrastive_batch *b) {
    b->count = count;
    b->negatives = 0;
    for (size_t i = 0; i < count; i++) {
        const uint32_t *pair = model->data.pair + 3 * (size_t)model->order[model->at + i];
        b->text[i] = pair[0];
        b->text[count + i] = pair[1];
        if (pair[2] != UINT32_MAX)
            b->text[2 * count + b->negatives++] = pair[2];
    }
    b->rows = 2 * count + b->negatives;
}

static vecna_status grow(const vecna_contrastive *model, vni_contrastive_batch *b, size_t wanted,
                         vecna_error *err) {
    const vecna_allocator *a = model->allocator;
    if (wanted <= b->room)
        return VECNA_OK;
    vecna_release(a, b->touched);
    vecna_release(a, b->start);
    vecna_release(a, b->row);
    b->touched = vecna_allocate(a, wanted, sizeof *b->touched);
    b->start = vecna_allocate(a, wanted + 2, sizeof *b->start);
    b->row = vecna_allocate(a, wanted, sizeof *b->row);
    b->room = b->touched && b->start && b->row ? wanted : 0;
    return b->room ? VECNA_OK
                   : vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for %zu pieces", wanted);
}

/* The rows of each piece, pieces in the order in which they come up. */
static vecna_status turn_around(const vecna_contrastive *model, vni_contrastive_batch *b,
                                vecna_error *err) {
    const vecna_contrastive_data *d = &model->data;
    size_t occurrences = 0;
    vecna_status status;
    for (size_t r = 0; r < b->rows; r++)
        occurrences += d->starts[b->text[r] + 1] - d->starts[b->text[r]];
    status = grow(model, b, occurrences ? occurrences : 1, err);
    if (status != VECNA_OK)
        return status;
    b->touched_count = 0;
    memset(b->start, 0, (occurrences + 2) * sizeof *b->start);
    for (size_t r = 0; r < b->rows; r++)
        for (size_t i = d->starts[b->text[r]]; i < d->starts[b->text[r] + 1]; i++) {
            const int32_t piece = d->piece[i];
            if (b->slot[piece] < 0) {
                b->slot[piece] = (int32_t)b->touched_count;
                b->touched[b->touched_count++] = piece;
            }
            b->start[b->slot[piece] + 2]++;
        }
    for (size_t t = 0; t < b->touched_count; t++)
        b->start[t + 2] += b->start[t + 1];
    for (size_t r = 0; r < b->rows; r++)
        for (size_t i = d->starts[b->text[r]]; i < d->starts[b->text[r] + 1]; i++)
            b->row[b->start[b->slot[d->piece[i]] + 1]++] = (uint32_t)r;
    for (size_t t = 0; t < b->touched_count; t++)
        b->slot[b->touched[t]] = -1;
    return VECNA_OK;
}

/* ---- there ------------------------------------------------------------------------------------ */

typedef struct pass {
    const vecna_contrastive *model;
    vecna_contrastive *moved; /* the same, where rows move */
    vni_contrastive_batch *batch;
    size_t size;
    float share; /* of a size in the whole */
    double rate;
} pass;

static void sum_pieces(void *user, size_t begin, size_t end, size_t worker) {
    const pass *p = user;
    const vecna_contrastive_data *d = &p->model->data;
    const size_t dim = p->model->options.dim;
    (void)worker;
    for (size_t r = begin; r < end; r++) {
        const uint32_t text = p->batch->text[r];
        float *sum = p->batch->sum + r * dim;
        memset(sum, 0, dim * sizeof *sum);
        for (size_t i = d->starts[text]; i < d->starts[text + 1]; i++) {
            const float *row = p->model->table + (size_t)d->piece[i] * dim;
            for (size_t j = 0; j < dim; j++)
                sum[j] += row[j];
        }
    }
}

static double dot(const float *a, const float *b, size_t count) {
    double sum = 0;
    for (size_t j = 0; j < count; j++)
        sum += (double)a[j] * (double)b[j];
    return sum;
}

static void bring_to_length(void *user, size_t begin, size_t end, size_t worker) {
    const pass *p = user;
    const size_t dim = p->model->options.dim, size = p->size;
    (void)worker;
    for (size_t r = begin; r < end; r++) {
        const float *sum = p->batch->sum + r * dim;
        float *unit = p->batch->unit + r * size;
        const double length = sqrt(dot(sum, sum, size));
        const float by = length > 0 ? (float)(1 / length) : 0;
        for (size_t j = 0; j < size; j++)
            unit[j] = sum[j] * by;
        p->batch->length[r] = (float)length;
    }
}

/* d/d sum of a unit vector u = sum / |sum|: (g - u (u . g)) / |sum|. */
static void back_through_length(void *user, size_t begin, size_t end, size_t worker) {
    const pass *p = user;
    const size_t dim = p->model->options.dim, size = p->size;
    (void)worker;
    for (size_t r = begin; r < end; r++) {
        const float *unit = p->batch->unit + r * size, *by_unit = p->batch->by_unit + r * size;
        float *by_sum = p->batch->by_sum + r * dim;
        const float along = (float)dot(unit, by_unit, size), length = p->batch->length[r];
        const float by = length > 0 ? p->share / length : 0;
        for (size_t j = 0; j < size; j++)
            by_sum[j] += by * (by_unit[j] - along * unit[j]);
    }
}

vecna_status vni_contrastive_look(const vecna_contrastive *model, size_t count,
                                  vni_contrastive_batch *b, vecna_pool *pool, double *loss,
                                  vecna_error *err) {
    const size_t dim = model->options.dim;
    pass p = {.model = model, .batch = b, .share = 1 / (float)model->size_count};
    vecna_status status;
    list_texts(model, count, b);
    status = turn_around(model, b, err);
    vecna_pool_run(pool, b->rows, 16, sum_pieces, &p);
    memset(b->by_sum, 0, b->rows * dim * sizeof *b->by_sum);
    *loss = 0;
    for (size_t s = 0; s < model->size_count && status == VECNA_OK; s++) {
        const size_t size = p.size = model->sizes[s];
        vecna_pool_run(pool, b->rows, 64, bring_to_length, &p);
        memset(b->by_unit, 0, b->rows * size * sizeof *b->by_unit);
        const vni_infonce in = {.anchors = vecna_view_dense(b->unit, count, size),
                                .candidates =
                                    vecna_view_dense(b->unit + count * size, b->rows - count, size),
                                .anchor_of = b->text,
                                .thing_of = b->text + count,
                                .scale = 1 / model->options.temperature,
                                .symmetric = !model->options.one_sided,
                                .chunk = model->options.chunk,
                                .pool = pool,
                                .allocator = model->allocator};
        vni_infonce_result result;
        status = vni_infonce_add(&in, 1, b->by_unit, b->by_unit + count * size, &result, err);
        *loss += result.loss / (double)model->size_count;
        vecna_pool_run(pool, b->rows, 64, back_through_length, &p);
    }
    return status;
}

/* ---- and back ---------------------------------------------------------------------------------- */

static void move_row(const pass *p, size_t slot, float *asked) {
    vecna_contrastive *model = p->moved;
    const vni_contrastive_batch *b = p->batch;
    const size_t dim = model->options.dim, piece = (size_t)b->touched[slot];
    float *row = model->table + piece * dim, *moment = model->moment + piece * dim;
    float *square = model->square + piece * dim;
    memset(asked, 0, dim * sizeof *asked);
    for (size_t i = b->start[slot]; i < b->start[slot + 1]; i++) {
        const float *by_sum = b->by_sum + (size_t)b->row[i] * dim;
        for (size_t j = 0; j < dim; j++)
            asked[j] += by_sum[j];
    }
    const double step = (double)++model->steps[piece];
    const float by = (float)(p->rate * (double)model->unit / (1 - pow(keep_moment, step)));
    const float of_square = (float)(1 / (1 - pow(keep_square, step)));
    for (size_t j = 0; j < dim; j++) {
        moment[j] += (float)(1 - keep_moment) * (asked[j] - moment[j]);
        square[j] += (float)(1 - keep_square) * (asked[j] * asked[j] - square[j]);
        row[j] -= by * moment[j] / (sqrtf(square[j] * of_square) + (float)least);
    }
}

static void move_some(void *user, size_t begin, size_t end, size_t worker) {
    const pass *p = user;
    float asked[VNI_CONTRASTIVE_DIM_MOST];
    (void)worker;
    for (size_t slot = begin; slot < end; slot++)
        move_row(p, slot, asked);
}

void vni_contrastive_move(vecna_contrastive *model, vni_contrastive_batch *batch, double rate,
                          vecna_pool *pool) {
    pass p = {.model = model, .moved = model, .batch = batch, .rate = rate};
    vecna_pool_run(pool, batch->touched_count, 16, move_some, &p);
}
