/* Kinds of text behind a map, apart: pairs of the very kind of one's own know more than a mix of all
 * (docs/translators.md#few-pairs-and-none), so that a fit may lean on one kind more than on the rest.
 *
 * Sums of every kind in full would be one more map for each. What a kind has beyond the mix lies in the
 * few directions in which its sources spread: with S = V L V' and X'Y = V C (basis.c) the rows
 * sqrt(L_i) v_i and C_i / sqrt(L_i) of the first directions are pairs about the means whose products are
 * those of all pairs there. They are kept in 8 bits, each row with a scale. The rest is the mix's to say. */
#include "translate/translate_impl.h"

#include <math.h>
#include <string.h>

/* A mix beside a kind: of one of its pairs, where the kind's own weigh one. */
#define MIX_WEIGHT 0.015625
#define KIND_PAIRS 8000.0 /* that a kind may count for: more than a mix of kinds may */

vecna_status vni_kinds_new(size_t count, size_t rows, size_t source_dim, size_t target_dim,
                           const vecna_allocator *allocator, vni_kinds **out, vecna_error *err) {
    const size_t dims = source_dim + target_dim;
    size_t codes, means, doubles = count * 3 * sizeof(double), bytes;
    vni_kinds *k = NULL;
    if (vecna_size_mul(rows, dims, &codes) && vecna_size_mul(count, dims * sizeof(float), &means) &&
        vecna_size_add(codes, means, &bytes) &&
        vecna_size_add(bytes, sizeof *k + doubles + 2 * rows * sizeof(float), &bytes)) {
        k = vecna_allocate_zero(allocator, bytes, 1);
    }
    if (!k) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for %zu kinds of pairs",
                               count);
    }
    k->count = count;
    k->rows = rows;
    k->source_dim = source_dim;
    k->target_dim = target_dim;
    k->numbers = (double *)(k + 1);
    k->means = (float *)(k->numbers + 3 * count);
    k->scales = k->means + count * dims;
    k->source = (int8_t *)(k->scales + 2 * rows);
    k->target = k->source + rows * source_dim;
    *out = k;
    return VECNA_OK;
}

void vni_kinds_free(vni_kinds *kinds, const vecna_allocator *allocator) {
    vecna_release(allocator, kinds);
}

/* ---- making ------------------------------------------------------------------------------------ */

/* A row of doubles in 8 bits. */
static float keep_row(const double *row, size_t dim, int8_t *out) {
    double most = 0;
    for (size_t j = 0; j < dim; j++) {
        most = fmax(most, fabs(row[j]));
    }
    const float scale = (float)(most / 127);
    for (size_t j = 0; j < dim; j++) {
        out[j] = scale > 0 ? (int8_t)fmax(-127, fmin(127, rint(row[j] / (double)scale))) : 0;
    }
    return scale;
}

/* The first directions of a basis as rows from `first` on. */
static void keep_directions(const vni_basis *basis, size_t first, size_t kept, double *room,
                            vni_kinds *out) {
    const size_t p = basis->source_dim, q = basis->target_dim;
    for (size_t i = 0; i < kept; i++) {
        const double length = sqrt(basis->values[i]);
        for (size_t j = 0; j < p; j++) {
            room[j] = length * basis->vectors[j * basis->rank + i];
        }
        out->scales[first + i] = keep_row(room, p, out->source + (first + i) * p);
        for (size_t j = 0; j < q; j++) {
            room[j] = basis->cross[i * q + j] / length;
        }
        out->scales[out->rows + first + i] = keep_row(room, q, out->target + (first + i) * q);
    }
}

/* The basis of the listed pairs of one kind. */
static vecna_status basis_of_kind(const vni_pairs *pairs, const size_t *rows, size_t count,
                                  vni_basis *out, vecna_error *err) {
    vni_pairs alone = *pairs;
    vni_moments moments = {0};
    vecna_status status = VECNA_OK;
    alone.prior = (vni_prior){0};
    alone.kept = NULL;
    if (count >= pairs->source.dim) {
        status =
            vni_moments_new(pairs->source.dim, pairs->target.dim, pairs->allocator, &moments, err);
        status = status ? status : vni_moments_add_rows(&moments, &alone, rows, count, err);
    }
    status =
        status ? status
               : vni_basis_new(moments.memory ? &moments : NULL, &alone, rows, count, 0, out, err);
    vni_moments_free(&moments);
    return status;
}

/* How many rows each kind has among those listed, and where they are: list kind by kind. */
static void sort_rows(const vecna_kinds_given *given, const size_t *rows, size_t count,
                      size_t *list, size_t *start) {
    memset(start, 0, (given->count + 1) * sizeof *start);
    for (size_t i = 0; i < count; i++) {
        start[given->of[rows[i]] + 1]++;
    }
    for (size_t k = 0; k < given->count; k++) {
        start[k + 1] += start[k];
    }
    for (size_t i = 0; i < count; i++) {
        list[start[given->of[rows[i]]]++] = rows[i];
    }
    for (size_t k = given->count; k > 0; k--) { /* what was counted up is the next one's start */
        start[k] = start[k - 1];
    }
    start[0] = 0;
}

vecna_status vni_kinds_of(const vni_pairs *pairs, const vecna_kinds_given *given,
                          const size_t *rows, size_t count, vni_kinds **out, vecna_error *err) {
    const size_t p = pairs->source.dim, q = pairs->target.dim;
    size_t start[VECNA_KINDS_MOST + 1] = {0}, kept[VECNA_KINDS_MOST] = {0}, all = 0, first = 0;
    vni_kinds *k = NULL;
    vecna_status status = VECNA_ERR_MEMORY;
    size_t *list = vecna_allocate(pairs->allocator, count, sizeof *list);
    double *room = vecna_allocate(pairs->allocator, p + q, sizeof *room);
    if (!list || !room) {
        vecna_error_set(err, status, -1, "no memory for kinds of %zu pairs", count);
        goto fail;
    }
    sort_rows(given, rows, count, list, start);
    for (size_t i = 0; i < given->count; i++) {
        const size_t most = start[i + 1] - start[i];
        kept[i] = most < VNI_KIND_ROWS ? most : VNI_KIND_ROWS;
        kept[i] = kept[i] < p ? kept[i] : p;
        all += kept[i];
        if (most < VECNA_KIND_PAIRS_LEAST) {
            status = vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                                     "kind \"%s\" has %zu pairs to fit: at least %d are needed, or "
                                     "name them as another kind",
                                     given->names[i], most, VECNA_KIND_PAIRS_LEAST);
            goto fail;
        }
    }
    status = vni_kinds_new(given->count, all, p, q, pairs->allocator, &k, err);
    for (size_t i = 0; i < given->count && !status; i++) {
        vni_basis basis = {0};
        const size_t own = start[i + 1] - start[i];
        status = basis_of_kind(pairs, list + start[i], own, &basis, err);
        if (status) {
            break;
        }
        const size_t directions = kept[i] < basis.rank ? kept[i] : basis.rank;
        keep_directions(&basis, first, directions, room, k); /* rows beyond stay zero */
        first += kept[i];
        memcpy(k->names[i], given->names[i], strlen(given->names[i]) + 1);
        k->numbers[3 * i] = (double)own;
        k->numbers[3 * i + 1] = basis.target_energy;
        k->numbers[3 * i + 2] = (double)kept[i];
        for (size_t j = 0; j < p; j++) {
            k->means[i * (p + q) + j] = (float)basis.source_mean[j];
        }
        for (size_t j = 0; j < q; j++) {
            k->means[i * (p + q) + p + j] = (float)basis.target_mean[j];
        }
        vni_basis_free(&basis);
    }
    if (status) {
        goto fail;
    }
    *out = k;
    k = NULL;
fail:
    vni_kinds_free(k, pairs->allocator);
    vecna_release(pairs->allocator, list);
    vecna_release(pairs->allocator, room);
    return status;
}

/* ---- leaning ----------------------------------------------------------------------------------- */

/* Add the products of a kind's rows, times a weight, to whole sums. */
static void add_rows(const vni_kinds *k, size_t first, size_t rows, double weight, double *square,
                     double *cross) {
    const size_t p = k->source_dim, q = k->target_dim;
    for (size_t r = first; r < first + rows; r++) {
        const int8_t *x = k->source + r * p, *y = k->target + r * q;
        const double along = weight * (double)k->scales[r] * (double)k->scales[r];
        const double across = weight * (double)k->scales[r] * (double)k->scales[k->rows + r];
        for (size_t i = 0; i < p; i++) {
            const double a = along * x[i], c = across * x[i];
            for (size_t j = 0; j < p; j++) {
                square[i * p + j] += a * x[j];
            }
            for (size_t j = 0; j < q; j++) {
                cross[i * q + j] += c * y[j];
            }
        }
    }
}

vecna_status vni_kinds_mix(const vni_kinds *kinds, size_t kind, const vni_statistics *all,
                           const vecna_allocator *allocator, vni_statistics **out,
                           vecna_error *err) {
    const size_t p = kinds->source_dim, q = kinds->target_dim;
    const double *numbers = kinds->numbers + 3 * kind;
    const float *means = kinds->means + kind * (p + q);
    const double weight = fmin(1, KIND_PAIRS / numbers[0]);
    const double rest = MIX_WEIGHT * fmin(1, VNI_PRIOR_ROWS / all->count);
    size_t first = 0;
    vni_moments sums = {0};
    vecna_status status = vni_moments_new(p, q, allocator, &sums, err);
    status = status ? status : vni_statistics_new(p, q, allocator, out, err);
    if (status) {
        goto done;
    }
    for (size_t i = 0; i < kind; i++) {
        first += (size_t)kinds->numbers[3 * i + 2];
    }
    add_rows(kinds, first, (size_t)numbers[2], weight, sums.square, sums.cross);
    vni_statistics_add(all, rest, sums.square, sums.cross);
    sums.count = 1; /* about the means already: sums of rows stay 0 */
    vni_statistics_take(*out, &sums);
    (*out)->count = weight * numbers[0] + rest * all->count;
    (*out)->target_energy = weight * numbers[1] + rest * all->target_energy;
    for (size_t j = 0; j < p + q; j++) { /* the target's lie behind the source's */
        (*out)->source_mean[j] = (double)means[j];
    }
done:
    vni_moments_free(&sums);
    return status;
}
