/* One batch. Texts are sums of rows; for each size their first numbers are brought to length 1 and
 * compared; what the comparison asks goes back through the lengths to the sums, and from there to every
 * row that was added (piece_table.c). */
#include "train/contrastive_impl.h"
#include "train/infonce.h"

#include <string.h>

vecna_status vni_contrastive_batch_new(const vecna_contrastive *model, vni_contrastive_batch *out,
                                       vecna_error *err) {
    const vecna_allocator *a = model->allocator;
    const size_t rows = 3 * model->options.batch, dim = model->options.dim;
    vni_contrastive_batch b = {0};
    vecna_status status = vni_piece_sums_new(&model->table, rows, &b.texts, err);
    if (status != VECNA_OK)
        return status;
    b.unit = vecna_allocate(a, rows, dim * sizeof(float));
    b.by_unit = vecna_allocate(a, rows, dim * sizeof(float));
    b.length = vecna_allocate(a, rows, sizeof *b.length);
    if (!b.unit || !b.by_unit || !b.length) {
        vni_contrastive_batch_free(model, &b);
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                               "no memory for batches of %zu pairs of %zu dimensions",
                               model->options.batch, dim);
    }
    *out = b;
    return VECNA_OK;
}

void vni_contrastive_batch_free(const vecna_contrastive *model, vni_contrastive_batch *batch) {
    vni_piece_sums_free(&model->table, &batch->texts);
    vecna_release(model->allocator, batch->unit);
    vecna_release(model->allocator, batch->by_unit);
    vecna_release(model->allocator, batch->length);
    memset(batch, 0, sizeof *batch);
}

static void list_texts(const vecna_contrastive *model, size_t count, vni_contrastive_batch *b) {
    uint32_t *text = b->texts.text;
    b->count = count;
    b->negatives = 0;
    for (size_t i = 0; i < count; i++) {
        const uint32_t *pair = model->data.pair + 3 * model->way.order[model->way.at + i];
        text[i] = pair[0];
        text[count + i] = pair[1];
        if (pair[2] != UINT32_MAX)
            text[2 * count + b->negatives++] = pair[2];
    }
    b->rows = 2 * count + b->negatives;
}

vecna_status vni_contrastive_look(const vecna_contrastive *model, size_t count,
                                  vni_contrastive_batch *b, vecna_pool *pool, double *loss,
                                  vecna_error *err) {
    const size_t dim = model->options.dim;
    const float share = 1 / (float)model->size_count;
    vecna_status status;
    list_texts(model, count, b);
    status = vni_piece_sums_make(&model->table, b->rows, &b->texts, pool, err);
    memset(b->texts.by_sum, 0, b->rows * dim * sizeof *b->texts.by_sum);
    *loss = 0;
    for (size_t s = 0; s < model->size_count && status == VECNA_OK; s++) {
        const size_t size = model->sizes[s];
        const vni_units units = {b->unit, b->length, b->by_unit, b->rows, size, share};
        vni_units_of(b->texts.sum, b->rows, dim, size, b->unit, b->length, pool);
        memset(b->by_unit, 0, b->rows * size * sizeof *b->by_unit);
        const vni_infonce in = {.anchors = vecna_view_dense(b->unit, count, size),
                                .candidates =
                                    vecna_view_dense(b->unit + count * size, b->rows - count, size),
                                .anchor_of = b->texts.text,
                                .thing_of = b->texts.text + count,
                                .scale = 1 / model->options.temperature,
                                .symmetric = !model->options.one_sided,
                                .chunk = model->options.chunk,
                                .pool = pool,
                                .allocator = model->allocator};
        vni_infonce_result result;
        status = vni_infonce_add(&in, 1, b->by_unit, b->by_unit + count * size, &result, err);
        *loss += result.loss / (double)model->size_count;
        vni_units_back(&units, b->texts.by_sum, dim, pool);
    }
    return status;
}
