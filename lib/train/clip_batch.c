/* One batch of two towers. Pictures are moved a little, each its own way that follows from the seed, the
 * epoch and its place, so that threads and breaks change nothing; both sides come to length 1 and are
 * compared; what the comparison asks goes back through the lengths into the tower and into the table. */
#include "train/clip_impl.h"
#include "train/infonce.h"

#include <math.h>
#include <string.h>

static const double keep_moment = 0.9, keep_square = 0.999, least = 1e-8;
static const double most_scale = 100;

/* ---- room ------------------------------------------------------------------------------------- */

double vni_clip_batch_bytes(const vecna_clip_options *o) {
    const double rows = (double)o->batch, dim = (double)o->shape.dim;
    const double chunk = o->chunk && o->chunk < o->batch ? (double)o->chunk : rows;
    return vni_image_work_bytes(&o->shape, o->batch, 1) + 4 * rows * dim * 10 + 8 * chunk * rows;
}

vecna_status vni_clip_batch_new(const vecna_clip *model, vni_clip_batch *out, vecna_error *err) {
    const vecna_allocator *a = model->allocator;
    const size_t rows = model->options.batch, dim = model->options.shape.dim;
    vni_clip_batch b = {0};
    vecna_status status = vni_image_work_new(&model->options.shape, rows, 1, a, &b.work, err);
    if (status == VECNA_OK)
        status = vni_piece_sums_new(&model->table, rows, &b.texts, err);
    b.picture = vecna_allocate(a, rows, sizeof *b.picture);
    b.sum = vecna_allocate(a, rows, dim * sizeof(float));
    b.by_sum = vecna_allocate(a, rows, dim * sizeof(float));
    b.unit = vecna_allocate(a, 2 * rows, dim * sizeof(float));
    b.by_unit = vecna_allocate(a, 2 * rows, dim * sizeof(float));
    b.length = vecna_allocate(a, 2 * rows, sizeof(float));
    b.by_tower = vecna_allocate(a, model->parameters, sizeof(float));
    if (status == VECNA_OK &&
        (!b.picture || !b.sum || !b.by_sum || !b.unit || !b.by_unit || !b.length || !b.by_tower))
        status = vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                                 "no memory for batches of %zu pairs of %zu dimensions", rows, dim);
    if (status != VECNA_OK) {
        vni_clip_batch_free(model, &b);
        return status;
    }
    *out = b;
    return VECNA_OK;
}

void vni_clip_batch_free(const vecna_clip *model, vni_clip_batch *batch) {
    void *all[] = {batch->picture, batch->sum,    batch->by_sum,  batch->unit,
                   batch->by_unit, batch->length, batch->by_tower};
    vni_image_work_free(&batch->work);
    vni_piece_sums_free(&model->table, &batch->texts);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        vecna_release(model->allocator, all[i]);
    memset(batch, 0, sizeof *batch);
}

/* ---- there ------------------------------------------------------------------------------------ */

typedef struct showing {
    const vecna_clip *model;
    vni_clip_batch *batch;
} showing;

/* How a picture is seen this time. */
typedef struct seen_way {
    long down, right;
    int mirrored;
} seen_way;

static seen_way draw_way(const vecna_clip *model, size_t place) {
    const vecna_clip_options *o = &model->options;
    const uint64_t turn = (uint64_t)model->way.epoch * model->data.pairs + place;
    vecna_random random;
    seen_way way = {0};
    vecna_random_seed(&random, o->seed, (UINT64_C(1) << 40) + turn);
    if (o->shift) {
        way.down = (long)vecna_random_below(&random, 2 * o->shift + 1) - (long)o->shift;
        way.right = (long)vecna_random_below(&random, 2 * o->shift + 1) - (long)o->shift;
    }
    way.mirrored = o->mirror && vecna_random_below(&random, 2);
    return way;
}

static size_t within(long at, size_t size) {
    return at < 0 ? 0 : at < (long)size ? (size_t)at : size - 1;
}

/* What comes in from outside is as the border. */
static void show(void *user, size_t begin, size_t end, size_t worker) {
    const showing *s = user;
    const vecna_pictures *p = &s->model->data.pictures;
    const size_t row = p->width * p->channels;
    (void)worker;
    for (size_t i = begin; i < end; i++) {
        const uint8_t *from =
            p->data + (size_t)(s->batch->picture[i] - s->model->data.texts) * p->height * row;
        float *to = s->batch->work.pixels + i * p->height * row;
        const seen_way way = draw_way(s->model, s->model->way.at + i);
        for (size_t y = 0; y < p->height; y++)
            for (size_t x = 0; x < p->width; x++) {
                const size_t turned = way.mirrored ? p->width - 1 - x : x;
                const size_t fy = within((long)y - way.down, p->height);
                const size_t fx = within((long)turned - way.right, p->width);
                for (size_t c = 0; c < p->channels; c++)
                    *to++ = vni_image_level(from[fy * row + fx * p->channels + c]);
            }
    }
}

static void list_pairs(const vecna_clip *model, size_t count, vni_clip_batch *b) {
    b->count = count;
    for (size_t i = 0; i < count; i++) {
        const uint32_t *pair = model->data.pair + 2 * model->way.order[model->way.at + i];
        b->picture[i] = (uint32_t)(pair[0] + model->data.texts);
        b->texts.text[i] = pair[1];
    }
}

/* Both sides at length 1: the pictures', then the texts'. */
static vecna_status go_there(const vecna_clip *model, vni_clip_batch *b, vecna_pool *pool,
                             vecna_error *err) {
    const size_t count = b->count, dim = model->options.shape.dim;
    showing s = {model, b};
    vecna_pool_run(pool, count, 8, show, &s);
    vecna_status status = vni_image_forward(&b->work, model->tower, count, b->sum, pool, err);
    if (status == VECNA_OK)
        status = vni_piece_sums_make(&model->table, count, &b->texts, pool, err);
    if (status != VECNA_OK)
        return status;
    vni_units_of(b->sum, count, dim, dim, b->unit, b->length, pool);
    vni_units_of(b->texts.sum, count, dim, dim, b->unit + count * dim, b->length + count, pool);
    return VECNA_OK;
}

vecna_status vni_clip_look(const vecna_clip *model, size_t count, vni_clip_batch *b,
                           vecna_pool *pool, double *loss, vecna_error *err) {
    const size_t dim = model->options.shape.dim, floats = count * dim;
    vni_infonce_result result;
    list_pairs(model, count, b);
    vecna_status status = go_there(model, b, pool, err);
    if (status != VECNA_OK)
        return status;
    const vni_infonce in = {.anchors = vecna_view_dense(b->unit, count, dim),
                            .candidates = vecna_view_dense(b->unit + floats, count, dim),
                            .anchor_of = b->picture,
                            .thing_of = b->texts.text,
                            .scale = exp(model->scale[0]),
                            .symmetric = 1,
                            .chunk = model->options.chunk,
                            .pool = pool,
                            .allocator = model->allocator};
    memset(b->by_unit, 0, 2 * floats * sizeof *b->by_unit);
    status = vni_infonce_add(&in, 1, b->by_unit, b->by_unit + floats, &result, err);
    if (status != VECNA_OK)
        return status;
    *loss = result.loss;
    b->by_scale = result.by_log_scale;
    const vni_units pictures = {b->unit, b->length, b->by_unit, count, dim, 1};
    const vni_units texts = {
        b->unit + floats, b->length + count, b->by_unit + floats, count, dim, 1};
    memset(b->by_sum, 0, floats * sizeof *b->by_sum);
    memset(b->texts.by_sum, 0, floats * sizeof *b->texts.by_sum);
    vni_units_back(&pictures, b->by_sum, dim, pool);
    vni_units_back(&texts, b->texts.by_sum, dim, pool);
    return vni_image_backward(&b->work, model->tower, b->by_sum, b->by_tower, pool, err);
}

/* ---- a step ------------------------------------------------------------------------------------ */

typedef struct stepping {
    vecna_clip *model;
    const float *asked;
    float by, of_square, keep; /* keep: what decay leaves of a weight */
    size_t first;              /* parameter */
} stepping;

static void step_some(void *user, size_t begin, size_t end, size_t worker) {
    const stepping *s = user;
    vecna_clip *model = s->model;
    (void)worker;
    for (size_t i = s->first + begin; i < s->first + end; i++) {
        const float asked = s->asked[i];
        model->moment[i] += (float)(1 - keep_moment) * (asked - model->moment[i]);
        model->square[i] += (float)(1 - keep_square) * (asked * asked - model->square[i]);
        model->tower[i] =
            s->keep * model->tower[i] -
            s->by * model->moment[i] / (sqrtf(model->square[i] * s->of_square) + (float)least);
    }
}

static void step_scale(vecna_clip *model, double asked, double by, double of_square) {
    double *scale = model->scale;
    scale[1] += (1 - keep_moment) * (asked - scale[1]);
    scale[2] += (1 - keep_square) * (asked * asked - scale[2]);
    scale[0] -= by * scale[1] / (sqrt(scale[2] * of_square) + least);
    scale[0] = scale[0] > log(most_scale) ? log(most_scale) : scale[0];
}

void vni_clip_move(vecna_clip *model, const vni_clip_batch *batch, double share, vecna_pool *pool) {
    const vecna_clip_options *o = &model->options;
    const double step = (double)++model->steps, rate = o->rate * share;
    const double by = rate / (1 - pow(keep_moment, step));
    const double of_square = 1 / (1 - pow(keep_square, step));
    stepping s = {
        .model = model, .asked = batch->by_tower, .by = (float)by, .of_square = (float)of_square};
    for (size_t stage = 0; stage <= o->shape.stages; stage++) {
        const vni_image_part part = vni_image_part_of(&o->shape, stage);
        s.first = part.weights;
        s.keep = (float)(1 - rate * o->decay);
        vecna_pool_run(pool, part.biases - part.weights, 4096, step_some, &s);
        s.first = part.biases;
        s.keep = 1;
        vecna_pool_run(pool, part.outputs, 4096, step_some, &s);
    }
    step_scale(model, batch->by_scale, by, of_square);
    if (o->text_rate > 0)
        vni_piece_table_move(&model->table, &batch->texts, o->text_rate * share, pool);
}
