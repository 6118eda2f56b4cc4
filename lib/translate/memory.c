/* Memory: what a linear map gets wrong, remembered pair by pair. A translated vector is moved by a share
 * of the residuals of the nearest fitted pairs, weighted by a softmax over their cosines; linear maps stop
 * learning at a few thousand pairs, this does not (docs/translators.md).
 *
 * Neighbours are sought about the mean of the fitted sources, where cosines tell more. A source that is
 * itself among the pairs does not see itself: it would come out native among translated ones, and native
 * rows outscore translated rows in a mixed index. Residuals lie between unit vectors, the target's and
 * the translation's: ridge leaves rows short that are far from all pairs, and a correction of full
 * length would overrun them. For the same reason the cosine of the nearest pair scales the correction.
 *
 * Sources and residuals are int8. Pairs are sorted by their content before anything else, so that their
 * order changes nothing. */
#include "translate/memory_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 4096, SAMPLED = 256 };

#define RECALL_WANTED 0.95

void vni_memory_free(vni_memory *memory) {
    if (!memory) {
        return;
    }
    vecna_allocator copy = memory->allocator_copy;
    const vecna_allocator *allocator = memory->allocator ? &copy : NULL;
    vecna_index_free(memory->index);
    vecna_release(allocator, memory->centre);
    vecna_release(allocator, memory->residuals);
    vecna_release(allocator, memory->scales);
    vecna_release(allocator, memory);
}

vecna_status vni_memory_room(size_t rows, size_t source_dim, size_t target_dim,
                             const vecna_allocator *allocator, vni_memory **out, vecna_error *err) {
    vni_memory *m = vecna_allocate_zero(allocator, 1, sizeof *m);
    if (m && allocator) {
        m->allocator_copy = *allocator;
        m->allocator = &m->allocator_copy;
    }
    if (m) {
        m->rows = rows;
        m->source_dim = source_dim;
        m->target_dim = target_dim;
        m->centre = vecna_allocate(allocator, source_dim, sizeof *m->centre);
        m->residuals = vecna_allocate(allocator, rows, target_dim);
        m->scales = vecna_allocate(allocator, rows, sizeof *m->scales);
    }
    if (!m || !m->centre || !m->residuals || !m->scales) {
        vni_memory_free(m);
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to remember %zu pairs", rows);
    }
    *out = m;
    return VECNA_OK;
}

/* ---- making ---------------------------------------------------------------------------------- */

typedef struct keyed {
    uint64_t key;
    size_t row;
} keyed;

static int by_key(const void *a, const void *b) {
    const keyed *x = a, *y = b;
    return x->key != y->key ? (x->key < y->key ? -1 : 1) : x->row < y->row ? -1 : x->row > y->row;
}

static size_t kept_rows(const vni_memory_input *in) {
    return in->pairs->kept ? in->pairs->kept->rows : 0;
}

/* Row `row` of what is remembered: kept rows come first. */
static const float *source_of(const vni_memory_input *in, size_t row) {
    const size_t kept = kept_rows(in);
    const vni_pairs *pairs = in->pairs;
    return row < kept ? pairs->kept->source.data + row * pairs->kept->source.stride
                      : pairs->source.data + (row - kept) * pairs->source.stride;
}

static const float *target_of(const vni_memory_input *in, size_t row) {
    const size_t kept = kept_rows(in);
    const vni_pairs *pairs = in->pairs;
    return row < kept ? pairs->kept->target.data + row * pairs->kept->target.stride
                      : pairs->target.data + (row - kept) * pairs->target.stride;
}

/* The rows to remember, kept ones and listed ones, in the order of their content. */
static vecna_status sort_rows(const vni_memory_input *in, size_t *out, vecna_error *err) {
    const vecna_allocator *allocator = in->pairs->allocator;
    const size_t kept = kept_rows(in), all = kept + in->count;
    keyed *list = vecna_allocate(allocator, all, sizeof *list);
    if (!list) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to sort %zu pairs", all);
    }
    for (size_t i = 0; i < kept; i++) {
        list[i] = (keyed){in->pairs->kept->key[i], i};
    }
    for (size_t i = 0; i < in->count; i++) {
        list[kept + i] = (keyed){in->key ? in->key[in->rows[i]] : 0, kept + in->rows[i]};
    }
    qsort(list, all, sizeof *list, by_key);
    for (size_t i = 0; i < all; i++) {
        out[i] = list[i].row;
    }
    vecna_release(allocator, list);
    return VECNA_OK;
}

/* The mean of the listed sources, and an index of them about it. */
static vecna_status index_sources(vni_memory *m, const vni_memory_input *in, const size_t *rows,
                                  vecna_error *err) {
    const vni_pairs *pairs = in->pairs;
    const size_t p = m->source_dim;
    double *mean = vecna_allocate_zero(pairs->allocator, p, sizeof *mean);
    float *centred = vecna_allocate(pairs->allocator, m->rows * p, sizeof *centred);
    vecna_status status = VECNA_ERR_MEMORY;
    if (!mean || !centred) {
        vecna_error_set(err, status, -1, "no memory to remember %zu pairs", m->rows);
        goto done;
    }
    for (size_t i = 0; i < m->rows; i++) {
        const float *row = source_of(in, rows[i]);
        for (size_t j = 0; j < p; j++) {
            mean[j] += (double)row[j];
        }
    }
    for (size_t j = 0; j < p; j++) {
        m->centre[j] = (float)(mean[j] / (double)m->rows);
    }
    for (size_t i = 0; i < m->rows; i++) {
        const float *row = source_of(in, rows[i]);
        for (size_t j = 0; j < p; j++) {
            centred[i * p + j] = row[j] - m->centre[j];
        }
    }
    const vecna_index_options options = {.pool = pairs->pool, .allocator = m->allocator};
    status = vecna_index_new(vecna_view_dense(centred, m->rows, p), &options, &m->index, err);
done:
    vecna_release(pairs->allocator, mean);
    vecna_release(pairs->allocator, centred);
    return status;
}

/* Codes of a residual and their scale; zero residuals (identity pairs) stay zero. */
static float quantise(const float *row, size_t dim, int8_t *codes) {
    float most = 0;
    for (size_t j = 0; j < dim; j++) {
        most = fmaxf(most, fabsf(row[j]));
    }
    const float by = most > 1e-30f ? 127 / most : 0;
    for (size_t j = 0; j < dim; j++) {
        codes[j] = (int8_t)lrintf(row[j] * by);
    }
    return most > 1e-30f ? most / 127 : 0;
}

/* What the base map gets wrong on each pair, in the order of the index. */
static vecna_status remember(vni_memory *m, const vni_memory_input *in, const size_t *rows,
                             vecna_error *err) {
    const vni_pairs *pairs = in->pairs;
    const size_t p = m->source_dim, q = m->target_dim;
    const size_t most = m->rows < BLOCK ? m->rows : BLOCK;
    const int32_t *order = vecna_index_order(m->index);
    vecna_status status = VECNA_ERR_MEMORY;
    float *room = vecna_allocate(pairs->allocator, most * (p + q), sizeof *room);
    if (!room) {
        vecna_error_set(err, status, -1, "no memory to remember %zu pairs", m->rows);
        goto done;
    }
    status = VECNA_OK;
    for (size_t first = 0; first < m->rows && !status; first += most) {
        const size_t here = m->rows - first < most ? m->rows - first : most;
        const vecna_matrix source = vecna_matrix_dense(room, here, p);
        const vecna_matrix out = vecna_matrix_dense(room + most * p, here, q);
        for (size_t i = 0; i < here; i++) {
            memcpy(source.data + i * p, source_of(in, rows[order[first + i]]), p * sizeof(float));
        }
        status = vni_product(vecna_matrix_view(source), vecna_view_dense(in->weights, p, q), out,
                             pairs->pool, err);
        for (size_t i = 0; i < here && !status; i++) {
            for (size_t j = 0; j < q; j++) {
                out.data[i * q + j] += in->bias[j];
            }
        }
        if (!status) {
            vni_normalise(out, pairs->pool);
        }
        for (size_t i = 0; i < here && !status; i++) {
            const float *target = target_of(in, rows[order[first + i]]);
            const double length = sqrt(vni_dot(target, target, q));
            const float scale = length > 0 ? (float)(1 / length) : 0;
            float *row = out.data + i * q;
            for (size_t j = 0; j < q; j++) {
                row[j] = target[j] * scale - row[j];
            }
            m->scales[first + i] = quantise(row, q, m->residuals + (first + i) * q);
        }
    }
done:
    vecna_release(pairs->allocator, room);
    return status;
}

/* How many cells must be looked into: the fewest that find 95 % of the neighbours of a sample of the
 * remembered sources themselves. */
static vecna_status measure_recall(vni_memory *m, const vni_memory_input *in, const size_t *rows,
                                   vecna_error *err) {
    static const size_t tried[] = {4, 6, 8, 12, 16, 24, 32, 48, 64};
    const vni_pairs *pairs = in->pairs;
    const size_t p = m->source_dim, k = m->neighbours;
    const size_t cells = vecna_index_parts_of(m->index).cells;
    const size_t count = m->rows < SAMPLED ? m->rows : SAMPLED;
    vecna_status status = VECNA_ERR_MEMORY;
    m->recall = 1;
    m->probes = cells;
    if (cells == 1) {
        return VECNA_OK;
    }
    float *asked = vecna_allocate(pairs->allocator, count * p, sizeof *asked);
    float *scores = vecna_allocate(pairs->allocator, count * k, sizeof *scores);
    int32_t *found = vecna_allocate(pairs->allocator, 2 * count * k, sizeof *found);
    if (!asked || !scores || !found) {
        vecna_error_set(err, status, -1, "no memory to measure an index");
        goto done;
    }
    for (size_t i = 0; i < count; i++) {
        const float *row = source_of(in, rows[i * m->rows / count]);
        for (size_t j = 0; j < p; j++) {
            asked[i * p + j] = row[j] - m->centre[j];
        }
    }
    const vecna_view view = vecna_view_dense(asked, count, p);
    vecna_index_query query = {.k = k, .score_max = VNI_MEMORY_ITSELF};
    status = vecna_index_find(m->index, view, &query, found, scores, pairs->pool, err);
    for (size_t t = 0; t < sizeof tried / sizeof *tried && tried[t] < cells && !status; t++) {
        int32_t *some = found + count * k;
        size_t wanted = 0, got = 0;
        query.probes = tried[t];
        status = vecna_index_find(m->index, view, &query, some, scores, pairs->pool, err);
        for (size_t i = 0; i < count * k && !status; i++) {
            wanted += found[i] >= 0;
            for (size_t j = i / k * k; j < i / k * k + k; j++) {
                got += found[i] >= 0 && found[i] == some[j];
            }
        }
        m->probes = tried[t];
        m->recall = wanted ? (double)got / (double)wanted : 1;
        if (m->recall >= RECALL_WANTED) {
            break;
        }
    }
done:
    vecna_release(pairs->allocator, asked);
    vecna_release(pairs->allocator, scores);
    vecna_release(pairs->allocator, found);
    return status;
}

vecna_status vni_memory_new(const vni_memory_input *in, const vecna_allocator *allocator,
                            vni_memory **out, vecna_error *err) {
    const size_t p = in->pairs->source.dim, q = in->pairs->target.dim;
    const size_t count = kept_rows(in) + in->count;
    vni_memory *m = NULL;
    size_t *rows = NULL;
    vecna_status status = vni_memory_room(count, p, q, allocator, &m, err);
    if (status) {
        return status;
    }
    m->neighbours = in->recipe->neighbours < count ? in->recipe->neighbours : count;
    m->temperature = in->recipe->temperature;
    m->correction = in->recipe->correction;
    rows = vecna_allocate(in->pairs->allocator, count, sizeof *rows);
    if (!rows) {
        status =
            vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to remember %zu pairs", count);
        goto done;
    }
    status = sort_rows(in, rows, err);
    status = status ? status : index_sources(m, in, rows, err);
    status = status ? status : remember(m, in, rows, err);
    status = status ? status : measure_recall(m, in, rows, err);
    if (!status) {
        *out = m;
        m = NULL;
    }
done:
    vecna_release(in->pairs->allocator, rows);
    vni_memory_free(m);
    return status;
}

/* ---- correcting ------------------------------------------------------------------------------ */

vecna_status vni_memory_find(const vni_memory *m, vecna_view source, vni_neighbours *out,
                             vecna_pool *pool, vecna_error *err) {
    const size_t p = m->source_dim, count = source.rows, k = out->k;
    float *centred = vecna_allocate(m->allocator, count * p, sizeof *centred);
    if (!centred) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to look up %zu rows", count);
    }
    for (size_t i = 0; i < count; i++) {
        const float *row = source.data + i * source.stride;
        const double length = m->normalized_source ? sqrt(vni_dot(row, row, p)) : 1;
        const float scale = length > 0 ? (float)(1 / length) : 0;
        for (size_t j = 0; j < p; j++) {
            centred[i * p + j] = row[j] * scale - m->centre[j];
        }
    }
    const vecna_index_query query = {.k = k, .probes = m->probes, .score_max = VNI_MEMORY_ITSELF};
    vecna_status status = vecna_index_find(m->index, vecna_view_dense(centred, count, p), &query,
                                           out->rows, out->scores, pool, err);
    vecna_release(m->allocator, centred);
    return status;
}

/* Weights of one row's neighbours, the share of the correction in them; 0 when there is none. */
static size_t weigh(const vni_memory *m, const int32_t *rows, const float *scores, size_t most,
                    float *weights) {
    size_t count = 0;
    double sum = 0;
    const double nearness = fmin(fmax((double)scores[0], 0), 1);
    while (count < most && rows[count] >= 0) {
        const double w = exp(((double)scores[count] - (double)scores[0]) / m->temperature);
        weights[count++] = (float)w;
        sum += w;
    }
    for (size_t j = 0; j < count; j++) {
        weights[j] = (float)(weights[j] * (m->correction * nearness / sum));
    }
    return nearness > 0 ? count : 0;
}

static void correct_row(const vni_memory *m, const int32_t *rows, const float *scores, size_t most,
                        float *row) {
    const size_t q = m->target_dim;
    float weights[VNI_MEMORY_NEIGHBOURS_MAX];
    const size_t count = weigh(m, rows, scores, most, weights);
    const float length = (float)sqrt(vni_dot(row, row, q));
    for (size_t n = 0; n < count; n++) {
        weights[n] = weights[n] * m->scales[rows[n]] * length;
    }
    const vecna_view_i8 residuals = {m->residuals, m->rows, q, q};
    vecna_linalg_int8_add(residuals, rows, weights, count, row);
}

void vni_memory_add(const vni_memory *m, const vni_neighbours *found, vecna_matrix translated) {
    const size_t most = m->neighbours < found->k ? m->neighbours : found->k;
    for (size_t i = 0; i < translated.rows; i++) {
        correct_row(m, found->rows + i * found->k, found->scores + i * found->k, most,
                    translated.data + i * translated.stride);
    }
}

vecna_status vni_memory_correct(const vni_memory *m, vecna_view source, vecna_matrix translated,
                                vecna_pool *pool, vecna_error *err) {
    const size_t k = m->neighbours;
    vecna_status status = VECNA_OK;
    const size_t most = source.rows < BLOCK ? source.rows : BLOCK;
    vni_neighbours found = {.k = k};
    found.rows = vecna_allocate(m->allocator, most * k, sizeof *found.rows);
    found.scores = vecna_allocate(m->allocator, most * k, sizeof *found.scores);
    if (!found.rows || !found.scores) {
        status = vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to look up %zu rows",
                                 source.rows);
    }
    for (size_t first = 0; first < source.rows && !status; first += most) {
        const size_t here = source.rows - first < most ? source.rows - first : most;
        status = vni_memory_find(m, vecna_view_rows(source, first, here), &found, pool, err);
        if (!status) {
            vni_memory_add(m, &found, vecna_matrix_rows(translated, first, here));
        }
    }
    vecna_release(m->allocator, found.rows);
    vecna_release(m->allocator, found.scores);
    return status;
}
