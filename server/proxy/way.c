/* From a target's vectors to a client's: nothing, a fixed adapter, or a learned map; then what `dimensions`
 * cut; then the length. The plan is made before the vectors are touched, so that a request that cannot be
 * answered is refused with a sentence and never with vectors of a wrong dimension. */
#include "base/base_impl.h"
#include "net/net_impl.h"
#include "proxy/proxy.h"

#include <math.h>
#include <string.h>

static void let_go(vni_generation *generation, vni_fitted *fitted) {
    if (fitted && --fitted->holders == 0) {
        vecna_adapter_free(fitted->adapter);
        vecna_release(generation->proxy->allocator, fitted);
    }
}

void vni_way_drop(vni_generation *generation, vni_change *plan) {
    let_go(generation, plan->fitted);
    plan->fitted = NULL;
}

void vni_way_forget(vni_generation *generation, vni_way *way) {
    let_go(generation, way->fitted);
    way->fitted = NULL;
}

static vecna_status make_adapter(vni_generation *generation, vni_way *way, size_t source_dim,
                                 vecna_error *err) {
    const vecna_allocator *allocator = generation->proxy->allocator;
    vecna_adapt_options options = {0};
    vecna_status status;
    vni_fitted *fitted;
    if (way->fitted && way->fitted->source_dim == source_dim)
        return VECNA_OK;
    fitted = vecna_allocate_zero(allocator, 1, sizeof *fitted);
    if (fitted == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for an adapter");
    options.kind =
        way->config.type == VNI_ADAPTER_TRUNCATE ? VECNA_ADAPT_AUTO : VECNA_ADAPT_PROJECT;
    options.source_dim = source_dim;
    options.target_dim = way->config.target_dim;
    options.truncate_mode = (vecna_truncate_mode)way->config.truncate_mode;
    options.pad_mode = (vecna_pad_mode)way->config.pad_mode;
    options.seed = way->config.seed;
    options.keep_length = 1;
    options.allocator = allocator;
    status = vecna_adapter_new(&options, &fitted->adapter, err);
    if (status != VECNA_OK) {
        vecna_release(allocator, fitted);
        return status;
    }
    fitted->source_dim = source_dim;
    fitted->holders = 1;
    vni_way_forget(generation, way);
    way->fitted = fitted;
    return VECNA_OK;
}

static vecna_status plan_dimensions(const vni_generation *generation, const vni_way *way,
                                    size_t asked, vni_change *change, vecna_error *err) {
    const vni_config_target *target = &generation->config->forward.targets.items[way->target];
    int may = way->config.dimensions == VNI_DIMENSIONS_ALLOW ||
              (way->config.dimensions == VNI_DIMENSIONS_AUTO && target->matryoshka &&
               way->learned == NULL &&
               (way->config.type == VNI_ADAPTER_NONE || way->config.type == VNI_ADAPTER_TRUNCATE));
    if (asked == 0 || asked == change->dim)
        return VECNA_OK;
    if (asked > change->dim)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1, "dimensions %zu: answers here have %zu",
                               asked, change->dim);
    if (!may)
        return vecna_error_set(
            err, VECNA_ERR_ARGUMENT, -1,
            "dimensions %zu: answers here have %zu, and the model is not known to keep its "
            "meaning when cut; leave dimensions out, or set `matryoshka` of the target or "
            "`dimensions: allow`",
            asked, change->dim);
    change->cut_from = change->dim;
    change->dim = asked;
    return VECNA_OK;
}

static void describe(const vni_way *way, size_t source, size_t full, const vni_change *change,
                     char *out, size_t room) {
    int used = 0;
    if (way->learned)
        used = snprintf(out, room, "learned map %zu to %zu", source, full);
    else if (way->config.type == VNI_ADAPTER_NONE || full == source)
        used = snprintf(out, room, "none");
    else
        used = snprintf(out, room, "%s %zu to %zu, same space",
                        way->config.type != VNI_ADAPTER_TRUNCATE ? "project"
                        : full > source                          ? "pad"
                                                                 : "truncate",
                        source, full);
    if (change->cut_from && used > 0 && (size_t)used < room)
        snprintf(out + used, room - (size_t)used, "; cut %zu to %zu", change->cut_from,
                 change->dim);
}

size_t vni_way_dim(const vni_way *way, size_t source_dim) {
    return way->learned                           ? way->info.target_dim
           : way->config.type != VNI_ADAPTER_NONE ? way->config.target_dim
                                                  : source_dim;
}

vecna_status vni_way_plan(vni_generation *generation, vni_way *way, size_t source_dim, size_t asked,
                          vni_change *out, vecna_error *err) {
    vni_change change = {source_dim, vni_way_dim(way, source_dim), 0, NULL, ""};
    vecna_status status = VECNA_OK;
    size_t full;
    if (way->learned && source_dim != way->info.source_dim)
        return vecna_error_set(err, VECNA_ERR_DIM, -1,
                               "gives %zu dimensions; the map of %s takes %zu", source_dim,
                               way->name, way->info.source_dim);
    if (way->config.source_dim && way->config.source_dim != source_dim)
        return vecna_error_set(err, VECNA_ERR_DIM, -1,
                               "gives %zu dimensions; source_dim of %s is %zu", source_dim,
                               way->name, way->config.source_dim);
    if (way->learned == NULL && way->config.type != VNI_ADAPTER_NONE)
        status = make_adapter(generation, way, source_dim, err);
    full = change.dim;
    if (status == VECNA_OK)
        status = plan_dimensions(generation, way, asked, &change, err);
    if (status != VECNA_OK)
        return status;
    describe(way, source_dim, full, &change, change.words, sizeof change.words);
    if (way->learned == NULL && way->config.type != VNI_ADAPTER_NONE) {
        change.fitted = way->fitted;
        change.fitted->holders++;
    }
    *out = change;
    return VECNA_OK;
}

enum {
    JUDGED_LEAST = 16, /* rows: a single one waits for memory as long as these multiply */
    PASSES = 24 /* multiplications in the time that a number is copied, scaled and checked in */
};

double vni_way_judged_rows(size_t count) {
    return (double)(count > JUDGED_LEAST ? count : JUDGED_LEAST);
}

double vni_way_work(const vni_way *way, const vni_change *change, size_t count, int judged) {
    size_t full = change->cut_from ? change->cut_from : change->dim;
    double source = (double)change->source_dim, target = (double)full;
    double work = (double)count * target * PASSES;
    if (way->learned || way->config.type > VNI_ADAPTER_TRUNCATE)
        work += (double)count * source * target;
    if (judged && way->confidence) {
        double pairs = (double)vecna_map_held(way->learned).rows;
        work += vni_way_judged_rows(count) * (source * source + pairs * (source + target));
    }
    return work;
}

/* Squared length in float64: sixteen sums, so that none waits for the one before. */
static double square_of(const float *row, size_t dim) {
    double lanes[16] = {0}, sum = 0;
    size_t j = 0;
    for (; j + 16 <= dim; j += 16)
        for (size_t k = 0; k < 16; k++)
            lanes[k] += (double)row[j + k] * (double)row[j + k];
    for (; j < dim; j++)
        lanes[0] += (double)row[j] * (double)row[j];
    for (size_t k = 0; k < 16; k++)
        sum += lanes[k];
    return sum;
}

/* To length 1; a row of zeros stays. */
static void normalize_rows(float *rows, size_t count, size_t dim) {
    for (size_t i = 0; i < count; i++) {
        float *row = rows + i * dim;
        double sum = square_of(row, dim), scale;
        if (!(sum > 0) ||
            fabs(sum - 1) < 1e-7) /* what float32 says of a unit vector is as good as it gets */
            continue;
        scale = 1 / sqrt(sum);
        for (size_t j = 0; j < dim; j++)
            row[j] = (float)((double)row[j] * scale);
    }
}

static vecna_status check_rows(const float *rows, size_t count, size_t dim, vecna_error *err) {
    for (size_t i = 0; i < count; i++) {
        const vni_row_kind kind = vni_row_kind_of(rows + i * dim, dim);
        if (kind == VNI_ROW_SPECIAL)
            return vecna_error_set(err, VECNA_ERR_VALUE, (int64_t)i,
                                   "gave a vector that is not finite after the map");
        if (kind == VNI_ROW_ZERO)
            return vecna_error_set(err, VECNA_ERR_VALUE, (int64_t)i,
                                   "gave a vector of which nothing but zeros is left");
    }
    return VECNA_OK;
}

int vni_way_keeps(const vni_way *way, const vni_change *change) {
    return way->learned == NULL && change->cut_from == 0 && change->dim == change->source_dim &&
           way->config.type <= VNI_ADAPTER_TRUNCATE;
}

/* How far each row can be relied on: the share of its neighbours that it is expected to keep. */
static vecna_status judge(const vni_way *way, vecna_view in, vecna_view translated,
                          float *confidences, const vecna_allocator *allocator, vecna_error *err) {
    vecna_confidence_row *rows = vecna_allocate(allocator, in.rows, sizeof *rows);
    vecna_status status;
    if (rows == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for the confidence");
    status = vecna_confidence_of(way->confidence, in, translated, rows, NULL, err);
    for (size_t i = 0; status == VECNA_OK && i < in.rows; i++)
        confidences[i] = rows[i].recall;
    vecna_release(allocator, rows);
    return status;
}

vecna_status vni_way_apply(vni_generation *generation, vni_way *way, const vni_change *change,
                           float *rows, size_t count, int normalize, float *out, float *confidences,
                           double *judged_us, vecna_error *err) {
    const vecna_allocator *allocator = generation->proxy->allocator;
    size_t full = change->cut_from ? change->cut_from : change->dim;
    vecna_view in = vecna_view_dense(rows, count, change->source_dim);
    vecna_status status = VECNA_OK;
    float *whole = out;
    if (change->cut_from)
        whole = vecna_allocate(allocator, count, full * sizeof *whole);
    if (whole == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for the vectors");
    if (way->learned) {
        if (way->info.source_normalized)
            normalize_rows(rows, count, change->source_dim);
        status = normalize ? vecna_map_apply(way->learned, in,
                                             vecna_matrix_dense(whole, count, full), NULL, err)
                           : vecna_map_apply_raw(way->learned, in,
                                                 vecna_matrix_dense(whole, count, full), NULL, err);
    } else if (way->config.type != VNI_ADAPTER_NONE && full != change->source_dim) {
        status = vecna_adapt_apply(change->fitted->adapter, in,
                                   vecna_matrix_dense(whole, count, full), err);
    } else if (way->config.type >
               VNI_ADAPTER_TRUNCATE) { /* a projection of equal dimension rotates */
        status = vecna_adapt_apply(change->fitted->adapter, in,
                                   vecna_matrix_dense(whole, count, full), err);
    } else if (whole != rows) {
        memcpy(whole, rows, count * full * sizeof *whole);
    }
    if (status == VECNA_OK && confidences && way->confidence) {
        const uint64_t began = vni_clock_us();
        status = judge(way, in, vecna_view_dense(whole, count, full), confidences, allocator, err);
        if (judged_us)
            *judged_us = (double)(vni_clock_us() - began);
    }
    if (status == VECNA_OK && change->cut_from)
        for (size_t i = 0; i < count; i++)
            memcpy(out + i * change->dim, whole + i * full, change->dim * sizeof *out);
    if (change->cut_from)
        vecna_release(allocator, whole);
    if (status == VECNA_OK && normalize)
        normalize_rows(out, count, change->dim);
    if (status == VECNA_OK)
        status = check_rows(out, count, change->dim, err);
    return status;
}
