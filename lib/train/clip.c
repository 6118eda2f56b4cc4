/* Contrastive training of two towers: epochs, their order, the rate, states. A batch's work is
 * clip_batch.c's, the tower's is lib/image's. */
#include "base/base_impl.h"
#include "train/clip_impl.h"
#include "train/state_impl.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { OPTIONS_BYTES = 512, BATCH_MOST = 1 << 16 };

/* ---- its life --------------------------------------------------------------------------------- */

/* Options with their defaults. */
static vecna_clip_options settle(const vecna_clip_options *options, const vecna_clip_data *d) {
    static const vecna_clip_options defaults;
    vecna_clip_options o = options ? *options : defaults;
    const vecna_pictures *p = &d->pictures;
    const size_t side = p->height < p->width ? p->height : p->width;
    const size_t dim = o.start.data ? o.start.dim : o.shape.dim ? o.shape.dim : 256;
    if (o.shape.stages == 0)
        o.shape = vecna_image_shape_for(p->height, p->width, p->channels, dim);
    o.shape.dim = dim;
    o.batch = o.batch ? o.batch : 128;
    o.batch = o.batch < d->pairs ? o.batch : d->pairs;
    o.epochs = o.epochs ? o.epochs : 30;
    o.rate = o.rate > 0 ? o.rate : 0.002;
    o.text_rate = o.text_rate < 0 ? 0 : o.text_rate > 0 ? o.text_rate : 0.02;
    o.decay = o.decay < 0 ? 0 : o.decay > 0 ? o.decay : 0.1;
    o.temperature = o.temperature > 0 ? o.temperature : 0.07;
    o.shift = o.shift == 0 ? side / 8 : o.shift > side ? 0 : o.shift;
    return o;
}

static vecna_status check(vecna_clip *model, vecna_error *err) {
    const vecna_clip_options *o = &model->options;
    const vecna_clip_data *d = &model->data;
    const vecna_pictures *p = &d->pictures;
    vecna_status status = vecna_image_parameters(&o->shape, &model->parameters, err);
    if (status != VECNA_OK)
        return status;
    if (o->shape.height != p->height || o->shape.width != p->width ||
        o->shape.channels != p->channels)
        return vecna_error_set(
            err, VECNA_ERR_DIM, -1, "a tower for %zu x %zu x %zu and pictures of %zu x %zu x %zu",
            o->shape.height, o->shape.width, o->shape.channels, p->height, p->width, p->channels);
    if (o->start.data && o->start.rows != d->pieces)
        return vecna_error_set(err, VECNA_ERR_DIM, -1, "a start of %zu rows for %zu pieces",
                               o->start.rows, d->pieces);
    if (d->pairs < 2 || d->pieces == 0 || o->batch < 2 || o->batch > BATCH_MOST ||
        !isfinite(o->rate) || !isfinite(o->text_rate) || !isfinite(o->decay) ||
        !isfinite(o->temperature) || o->temperature < 0.01)
        return vecna_error_set(
            err, VECNA_ERR_ARGUMENT, -1,
            "%zu pairs in batches of %zu, rates %g and %g, temperature %g: at least 2 pairs, "
            "batches of 2 to %d, a temperature of 0.01 at least",
            d->pairs, o->batch, o->rate, o->text_rate, o->temperature, BATCH_MOST);
    if (d->pictures.count + d->texts >= UINT32_MAX)
        return vecna_error_set(err, VECNA_ERR_OVERFLOW, -1, "too many pictures and texts");
    return VECNA_OK;
}

double vecna_clip_bytes(const vecna_clip_options *options, const vecna_clip_data *data) {
    const vecna_clip_options o = settle(options, data);
    size_t parameters;
    if (vecna_image_parameters(&o.shape, &parameters, NULL) != VECNA_OK)
        return 0;
    return 12 * (double)data->pieces * (double)o.shape.dim + 16 * (double)parameters +
           8 * (double)data->pairs + vni_clip_batch_bytes(&o);
}

static void take_fingerprint(vecna_clip *model) {
    const vecna_clip_data *d = &model->data;
    const vecna_pictures *p = &d->pictures;
    uint64_t hash = VNI_HASH_START;
    hash = vni_hash(hash, d->pair, 2 * d->pairs * sizeof *d->pair);
    hash = vni_hash(hash, d->piece, d->starts[d->texts] * sizeof *d->piece);
    hash = vni_hash(hash, p->data, p->count * p->height * p->width * p->channels);
    hash = vni_hash(hash, model->tower, model->parameters * sizeof *model->tower);
    model->fingerprint =
        vni_hash(hash, model->table.rows, d->pieces * model->table.dim * sizeof(float));
}

/* He's start: what goes through keeps its size. */
static void start_tower(vecna_clip *model) {
    const vecna_image_shape *shape = &model->options.shape;
    vecna_random random;
    if (model->options.tower) {
        memcpy(model->tower, model->options.tower, model->parameters * sizeof *model->tower);
        return;
    }
    vecna_random_seed(&random, model->options.seed, UINT64_C(1) << 41);
    memset(model->tower, 0, model->parameters * sizeof *model->tower);
    for (size_t s = 0; s <= shape->stages; s++) {
        const vni_image_part part = vni_image_part_of(shape, s);
        const double deviation = sqrt((s < shape->stages ? 2.0 : 1.0) / (double)part.inputs);
        for (size_t i = part.weights; i < part.biases; i++)
            model->tower[i] = (float)(deviation * vecna_random_normal(&random));
    }
}

static vecna_status make_room(vecna_clip *model, vecna_error *err) {
    const vecna_allocator *a = model->allocator;
    model->tower = vecna_allocate(a, model->parameters, sizeof(float));
    model->moment = vecna_allocate_zero(a, model->parameters, sizeof(float));
    model->square = vecna_allocate_zero(a, model->parameters, sizeof(float));
    if (model->tower && model->moment && model->square)
        return VECNA_OK;
    return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a tower of %zu numbers",
                           model->parameters);
}

vecna_status vecna_clip_new(const vecna_clip_options *options, const vecna_clip_data *data,
                            vecna_clip **out, vecna_error *err) {
    const vecna_allocator *allocator = options ? options->allocator : NULL;
    vecna_clip *model = vecna_allocate_zero(allocator, 1, sizeof *model);
    vecna_status status;
    if (model == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a training");
    if (allocator) {
        model->allocator_copy = *allocator;
        model->allocator = &model->allocator_copy;
    }
    model->options = settle(options, data);
    model->data = *data;
    model->scale[0] = -log(model->options.temperature);
    model->table = (vni_piece_table){.allocator = model->allocator,
                                     .pieces = data->pieces,
                                     .dim = model->options.shape.dim,
                                     .texts = data->texts,
                                     .starts = data->starts,
                                     .piece = data->piece};
    status = check(model, err);
    if (status == VECNA_OK)
        status =
            vni_piece_table_start(&model->table, model->options.start, model->options.seed, err);
    if (status == VECNA_OK)
        status = make_room(model, err);
    model->way = (vni_epochs){.allocator = model->allocator,
                              .pairs = data->pairs,
                              .batch = model->options.batch,
                              .epochs = model->options.epochs,
                              .seed = model->options.seed};
    if (status == VECNA_OK)
        status = vni_epochs_start(&model->way, err);
    if (status != VECNA_OK) {
        vecna_clip_free(model);
        return status;
    }
    start_tower(model);
    take_fingerprint(model);
    model->options.start.data = NULL;
    model->options.tower = NULL;
    *out = model;
    return VECNA_OK;
}

void vecna_clip_free(vecna_clip *model) {
    if (model == NULL)
        return;
    vecna_allocator copy = model->allocator_copy;
    const vecna_allocator *allocator = model->allocator ? &copy : NULL;
    model->table.allocator = allocator;
    vni_piece_table_free(&model->table);
    vecna_release(allocator, model->tower);
    vecna_release(allocator, model->moment);
    vecna_release(allocator, model->square);
    model->way.allocator = allocator;
    vni_epochs_free(&model->way);
    vecna_release(allocator, model);
}

vecna_clip_learned vecna_clip_result(const vecna_clip *model) {
    const vecna_clip_learned learned = {
        vecna_view_dense(model->table.rows, model->data.pieces, model->table.dim),
        &model->options.shape, model->tower, exp(model->scale[0])};
    return learned;
}

/* ---- training --------------------------------------------------------------------------------- */

vecna_train_report vecna_clip_report(const vecna_clip *model) {
    return vni_epochs_report(&model->way, model->options.rate);
}

vecna_status vecna_clip_train(vecna_clip *model, vecna_pool *pool, vecna_train_watch *watch,
                              void *user, vecna_error *err) {
    vni_clip_batch batch = {0};
    vecna_status status = vni_clip_batch_new(model, &batch, err);
    size_t count;
    while (status == VECNA_OK && (count = vni_epochs_next(&model->way)) > 0) {
        double loss = 0;
        status = vni_clip_look(model, count, &batch, pool, &loss, err);
        if (status == VECNA_OK && !isfinite(loss))
            status = vecna_error_set(err, VECNA_ERR_NUMERIC, -1,
                                     "training ran away (loss %g): lower the rates, %g and %g",
                                     loss, model->options.rate, model->options.text_rate);
        if (status != VECNA_OK)
            break;
        vni_clip_move(model, &batch, vni_epochs_share(&model->way), pool);
        vni_epochs_on(&model->way, count, loss);
        const vecna_train_report report = vecna_clip_report(model);
        if (watch && watch(user, &report))
            break;
    }
    vni_clip_batch_free(model, &batch);
    return status;
}

/* ---- states ----------------------------------------------------------------------------------- */

typedef struct clip_progress {
    vni_epochs_place place;
    uint64_t steps;
    double scale[3];
} clip_progress;

enum { STATE_PARTS = 8 };

static void describe(const vecna_clip *model, char *out) {
    const vecna_clip_options *o = &model->options;
    const vecna_image_shape *shape = &o->shape;
    int used = snprintf(out, OPTIONS_BYTES,
                        "clip pixels=%zux%zux%zu dim=%zu batch=%zu epochs=%zu rate=%.9g "
                        "text_rate=%.9g decay=%.9g temperature=%.9g shift=%zu mirror=%d "
                        "seed=%" PRIu64 " data=%016" PRIx64 " filters=",
                        shape->height, shape->width, shape->channels, shape->dim, o->batch,
                        o->epochs, o->rate, o->text_rate, o->decay, o->temperature, o->shift,
                        o->mirror != 0, o->seed, model->fingerprint);
    for (size_t s = 0; s < shape->stages; s++)
        used += snprintf(out + used, (size_t)(OPTIONS_BYTES - used), "%s%zu", s ? "," : "",
                         shape->filters[s]);
}

static void collect(const vecna_clip *model, clip_progress *progress,
                    vni_state_part parts[STATE_PARTS]) {
    const vni_piece_table *table = &model->table;
    const size_t bytes = table->dim * sizeof(float), rows = table->pieces;
    const size_t tower = model->parameters;
    parts[0] = (vni_state_part){"table", table->rows, rows, bytes, bytes};
    parts[1] = (vni_state_part){"moment", table->moment, rows, bytes, bytes};
    parts[2] = (vni_state_part){"square", table->square, rows, bytes, bytes};
    parts[3] = (vni_state_part){"steps", table->steps, rows, 4, 4};
    parts[4] = (vni_state_part){"tower", model->tower, tower, 4, 4};
    parts[5] = (vni_state_part){"tower_moment", model->moment, tower, 4, 4};
    parts[6] = (vni_state_part){"tower_square", model->square, tower, 4, 4};
    parts[7] = (vni_state_part){"progress", progress, 1, sizeof *progress, sizeof *progress};
}

vecna_status vecna_clip_save(const vecna_clip *model, const char *path, vecna_error *err) {
    clip_progress progress = {vni_epochs_told(&model->way), model->steps, {0}};
    char options[OPTIONS_BYTES];
    vni_state_part parts[STATE_PARTS];
    memcpy(progress.scale, model->scale, sizeof progress.scale);
    describe(model, options);
    collect(model, &progress, parts);
    return vni_state_save(path, options, parts, STATE_PARTS, model->allocator, err);
}

vecna_status vecna_clip_load(vecna_clip *model, const char *path, vecna_error *err) {
    clip_progress progress;
    char options[OPTIONS_BYTES];
    vni_state_part parts[STATE_PARTS];
    vecna_status status;
    describe(model, options);
    collect(model, &progress, parts);
    status = vni_state_load(path, options, parts, STATE_PARTS, model->allocator, err);
    if (status == VECNA_OK)
        status = vni_epochs_resume(&model->way, &progress.place, path, err);
    if (status != VECNA_OK)
        return status;
    model->steps = progress.steps;
    memcpy(model->scale, progress.scale, sizeof progress.scale);
    return VECNA_OK;
}
