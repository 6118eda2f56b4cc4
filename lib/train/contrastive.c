/* Contrastive training of a table: epochs, their order, the rate, states. A batch's work is
 * contrastive_batch.c's. */
#include "base/base_impl.h"
#include "train/contrastive_impl.h"
#include "train/state_impl.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { OPTIONS_BYTES = 512, BATCH_MOST = 1 << 20 };

/* ---- its life --------------------------------------------------------------------------------- */

static vecna_status check(vecna_contrastive *model, vecna_error *err) {
    vecna_contrastive_options *o = &model->options;
    const vecna_contrastive_data *d = &model->data;
    if (o->dim == 0)
        o->dim = o->start.data ? o->start.dim : 256;
    o->batch = o->batch ? o->batch : 512;
    o->batch = o->batch < d->pairs ? o->batch : d->pairs;
    o->epochs = o->epochs ? o->epochs : 10;
    o->rate = o->rate > 0 ? o->rate : 0.05;
    o->temperature = o->temperature > 0 ? o->temperature : 0.05;
    if (o->start.data && (o->start.rows != d->pieces || o->start.dim != o->dim))
        return vecna_error_set(err, VECNA_ERR_DIM, -1,
                               "a start of %zu x %zu for a table of %zu x %zu", o->start.rows,
                               o->start.dim, d->pieces, o->dim);
    if (d->pairs < 2 || d->pieces == 0 || o->batch < 2 || o->batch > BATCH_MOST ||
        o->dim > VNI_CONTRASTIVE_DIM_MOST || !isfinite(o->rate) || !isfinite(o->temperature))
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "%zu pairs in batches of %zu, %zu dimensions, rate %g, temperature "
                               "%g: at least 2 pairs, batches of 2 to %d, at most %d dimensions",
                               d->pairs, o->batch, o->dim, o->rate, o->temperature, BATCH_MOST,
                               VNI_CONTRASTIVE_DIM_MOST);
    if (o->size_count >= VNI_SIZES_MOST)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1, "%zu sizes: at most %d", o->size_count,
                               VNI_SIZES_MOST - 1);
    for (size_t i = 0; i < o->size_count; i++) {
        if (o->sizes[i] == 0 || o->sizes[i] >= o->dim)
            return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                                   "size %zu: the first 1 to %zu of %zu dimensions can serve alone",
                                   o->sizes[i], o->dim - 1, o->dim);
        model->sizes[model->size_count++] = o->sizes[i];
    }
    model->sizes[model->size_count++] = o->dim;
    o->sizes = NULL;
    return VECNA_OK;
}

vecna_status vecna_contrastive_new(const vecna_contrastive_options *options,
                                   const vecna_contrastive_data *data, vecna_contrastive **out,
                                   vecna_error *err) {
    static const vecna_contrastive_options defaults;
    const vecna_contrastive_options *o = options ? options : &defaults;
    vecna_contrastive *model = vecna_allocate_zero(o->allocator, 1, sizeof *model);
    vecna_status status;
    if (model == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a training");
    if (o->allocator) {
        model->allocator_copy = *o->allocator;
        model->allocator = &model->allocator_copy;
    }
    model->options = *o;
    model->data = *data;
    status = check(model, err);
    if (status != VECNA_OK)
        goto fail;
    model->table = (vni_piece_table){.allocator = model->allocator,
                                     .pieces = data->pieces,
                                     .dim = model->options.dim,
                                     .texts = data->texts,
                                     .starts = data->starts,
                                     .piece = data->piece};
    status = vni_piece_table_start(&model->table, o->start, o->seed, err);
    if (status != VECNA_OK)
        goto fail;
    model->way = (vni_epochs){.allocator = model->allocator,
                              .pairs = data->pairs,
                              .batch = model->options.batch,
                              .epochs = model->options.epochs,
                              .seed = model->options.seed};
    status = vni_epochs_start(&model->way, err);
    if (status != VECNA_OK)
        goto fail;
    uint64_t hash = vni_hash(VNI_HASH_START, data->pair, 3 * data->pairs * sizeof *data->pair);
    hash = vni_hash(hash, data->piece, data->starts[data->texts] * sizeof *data->piece);
    model->fingerprint =
        vni_hash(hash, model->table.rows, data->pieces * model->options.dim * sizeof(float));
    *out = model;
    return VECNA_OK;
fail:
    vecna_contrastive_free(model);
    return status;
}

void vecna_contrastive_free(vecna_contrastive *model) {
    if (model == NULL)
        return;
    vecna_allocator copy = model->allocator_copy;
    const vecna_allocator *allocator = model->allocator ? &copy : NULL;
    model->table.allocator = allocator;
    vni_piece_table_free(&model->table);
    model->way.allocator = allocator;
    vni_epochs_free(&model->way);
    vecna_release(allocator, model);
}

vecna_view vecna_contrastive_table(const vecna_contrastive *model) {
    return vecna_view_dense(model->table.rows, model->data.pieces, model->options.dim);
}

/* ---- training --------------------------------------------------------------------------------- */

vecna_train_report vecna_contrastive_report(const vecna_contrastive *model) {
    return vni_epochs_report(&model->way, model->options.rate);
}

vecna_status vecna_contrastive_train(vecna_contrastive *model, vecna_pool *pool,
                                     vecna_train_watch *watch, void *user, vecna_error *err) {
    vni_contrastive_batch batch = {0};
    vecna_status status = vni_contrastive_batch_new(model, &batch, err);
    size_t count;
    while (status == VECNA_OK && (count = vni_epochs_next(&model->way)) > 0) {
        double loss = 0;
        status = vni_contrastive_look(model, count, &batch, pool, &loss, err);
        if (status == VECNA_OK && !isfinite(loss))
            status = vecna_error_set(err, VECNA_ERR_NUMERIC, -1,
                                     "training ran away (loss %g): lower the rate, %g", loss,
                                     model->options.rate);
        if (status != VECNA_OK)
            break;
        vni_piece_table_move(&model->table, &batch.texts,
                             model->options.rate * vni_epochs_share(&model->way), pool);
        vni_epochs_on(&model->way, count, loss);
        const vecna_train_report report = vecna_contrastive_report(model);
        if (watch && watch(user, &report))
            break;
    }
    vni_contrastive_batch_free(model, &batch);
    return status;
}

/* ---- states ----------------------------------------------------------------------------------- */

static void describe(const vecna_contrastive *model, char *out) {
    const vecna_contrastive_options *o = &model->options;
    int used = snprintf(out, OPTIONS_BYTES,
                        "contrastive dim=%zu batch=%zu epochs=%zu rate=%.9g temperature=%.9g "
                        "one_sided=%d seed=%" PRIu64 " pairs=%016" PRIx64 " sizes=",
                        o->dim, o->batch, o->epochs, o->rate, o->temperature, o->one_sided != 0,
                        o->seed, model->fingerprint);
    for (size_t i = 0; i < model->size_count; i++)
        used += snprintf(out + used, (size_t)(OPTIONS_BYTES - used), "%s%zu", i ? "," : "",
                         model->sizes[i]);
}

static void collect(const vecna_contrastive *model, vni_epochs_place *place,
                    vni_state_part parts[5]) {
    const size_t bytes = model->options.dim * sizeof(float), rows = model->data.pieces;
    parts[0] = (vni_state_part){"table", model->table.rows, rows, bytes, bytes};
    parts[1] = (vni_state_part){"moment", model->table.moment, rows, bytes, bytes};
    parts[2] = (vni_state_part){"square", model->table.square, rows, bytes, bytes};
    parts[3] = (vni_state_part){"steps", model->table.steps, rows, 4, 4};
    parts[4] = (vni_state_part){"progress", place, 1, sizeof *place, sizeof *place};
}

vecna_status vecna_contrastive_save(const vecna_contrastive *model, const char *path,
                                    vecna_error *err) {
    vni_epochs_place place = vni_epochs_told(&model->way);
    char options[OPTIONS_BYTES];
    vni_state_part parts[5];
    describe(model, options);
    collect(model, &place, parts);
    return vni_state_save(path, options, parts, 5, model->allocator, err);
}

vecna_status vecna_contrastive_load(vecna_contrastive *model, const char *path, vecna_error *err) {
    vni_epochs_place place;
    char options[OPTIONS_BYTES];
    vni_state_part parts[5];
    vecna_status status;
    describe(model, options);
    collect(model, &place, parts);
    status = vni_state_load(path, options, parts, 5, model->allocator, err);
    return status == VECNA_OK ? vni_epochs_resume(&model->way, &place, path, err) : status;
}
