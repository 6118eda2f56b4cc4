/* Rows that lie far apart, one after another.
 *
 * Directions about the mean are copied to unit length once; every round compares all rows with the
 * rows chosen last and keeps each row's cosine to its nearest chosen one. Farthest first would take
 * the row where that is least. But the farthest rows of a real corpus are its rubbish, each alone in a
 * corner, so `spread` takes the row at the border of the farthest tenth instead: measured better, and
 * deaf to a few per cent of noise (docs/choose.md).
 *
 * Up to 256 rows are chosen one a round. Beyond, a round takes several rows around that border, those
 * left out that lie near another of the same round, so that the number of passes over the rows stays
 * bounded. Cosines come from the metric kernels, row by row, so that the number of threads
 * changes no bit and hence no choice. */
#include "vecna/choose.h"

#include "vecna/metric.h"

#include <math.h>
#include <string.h>

enum { ROUNDS_OF_ONE = 256, BATCH_MAX = 64, GRAIN = 256 };

#define BORDER 0.1  /* share of rows beyond the one that is taken */
#define CHOSEN 3.0f /* instead of a cosine: chosen, unusable, or equal to a chosen row */
#define SAME 0.999999f

typedef struct choosing {
    vecna_matrix unit; /* (usable, dim) centred, length 1 */
    size_t *row;       /* (usable) where it stands in the input */
    float *near;       /* (usable) cosine to the nearest chosen row; -2 none yet */
    float *sorted;     /* (usable) scratch */
    size_t last[BATCH_MAX];
    size_t last_count;
} choosing;

const char *vecna_choose_method_name(vecna_choose_method method) {
    static const char *const names[VECNA_CHOOSE_METHODS] = {"spread", "kmeans++", "random"};
    return (unsigned)method < VECNA_CHOOSE_METHODS ? names[method] : "unknown";
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* Usable rows at unit length, less their mean, at unit length again. */
static size_t take_rows(choosing *c, vecna_view rows, double *mean) {
    const size_t dim = rows.dim;
    size_t used = 0;
    for (size_t i = 0; i < rows.rows; i++) {
        const float *from = rows.data + i * rows.stride;
        float *to = c->unit.data + used * dim;
        double norm = vecna_metric_norm(from, dim);
        if (!(norm > 0) || !isfinite(norm))
            continue;
        for (size_t j = 0; j < dim; j++) {
            to[j] = (float)((double)from[j] / norm);
            mean[j] += (double)to[j];
        }
        c->row[used++] = i;
    }
    for (size_t j = 0; j < dim; j++)
        mean[j] /= (double)(used ? used : 1);
    for (size_t i = 0; i < used; i++) {
        float *row = c->unit.data + i * dim;
        double square = 0;
        for (size_t j = 0; j < dim; j++) {
            row[j] = (float)((double)row[j] - mean[j]);
            square += (double)row[j] * (double)row[j];
        }
        float scale = square > 1e-12 ? (float)(1 / sqrt(square)) : 0;
        for (size_t j = 0; j < dim; j++)
            row[j] *= scale;
        c->near[i] = -2;
    }
    c->unit.rows = used;
    return used;
}

/* Every row against the rows chosen last. */
static void compare(void *user, size_t begin, size_t end, size_t worker) {
    choosing *c = user;
    const size_t dim = c->unit.dim;
    (void)worker;
    for (size_t i = begin; i < end; i++) {
        const float *row = c->unit.data + i * dim;
        for (size_t k = 0; k < c->last_count && c->near[i] < CHOSEN; k++) {
            float cosine = (float)vecna_metric_dot(row, c->unit.data + c->last[k] * dim, dim);
            if (cosine > c->near[i])
                c->near[i] = cosine >= SAME ? CHOSEN : cosine;
        }
    }
}

/* ---- which next ------------------------------------------------------------------------------ */

/* The value at place `place` of the ascending order; `values` is rearranged (quickselect, with the
 * middle of three as the pivot). */
static float select_value(float *values, size_t count, size_t place) {
    size_t low = 0, high = count - 1;
    while (low < high) {
        float a = values[low], b = values[low + (high - low) / 2], d = values[high];
        float pivot = fmaxf(fminf(a, b), fminf(fmaxf(a, b), d));
        size_t i = low, j = high;
        while (i <= j) {
            while (values[i] < pivot)
                i++;
            while (values[j] > pivot)
                j--;
            if (i <= j) {
                float moved = values[i];
                values[i] = values[j];
                values[j] = moved;
                i++;
                if (j == 0)
                    break;
                j--;
            }
        }
        if (place <= j)
            high = j;
        else if (place >= i)
            low = i;
        else
            break;
    }
    return values[place];
}

/* Rows not chosen yet; their cosines stand in c->sorted. */
static size_t list_open(choosing *c) {
    size_t open = 0;
    for (size_t i = 0; i < c->unit.rows; i++)
        if (c->near[i] < CHOSEN)
            c->sorted[open++] = c->near[i];
    return open;
}

/* Add the row whose cosine is `value`, the first of equals, unless it is near one of this round. */
static void take_value(choosing *c, float value, float border) {
    const size_t dim = c->unit.dim;
    for (size_t i = 0; i < c->unit.rows; i++) {
        if (c->near[i] != value)
            continue;
        for (size_t k = 0; k < c->last_count; k++) {
            const float *other = c->unit.data + c->last[k] * dim;
            float cosine = (float)vecna_metric_dot(c->unit.data + i * dim, other, dim);
            if (c->last[k] == i || cosine > fmaxf(border, 0.5f))
                return;
        }
        c->last[c->last_count++] = i;
        return;
    }
}

/* The row at the border of the farthest tenth; of a larger round, rows about it. */
static void next_spread(choosing *c, size_t wanted) {
    size_t open = list_open(c);
    size_t place = (size_t)(BORDER * (double)open);
    float border = select_value(c->sorted, open, place);
    c->last_count = 0;
    take_value(c, border, border);
    for (size_t k = 1; k < wanted; k++) { /* from the border inwards, evenly over a tenth */
        size_t at = place + (size_t)(BORDER * (double)open * (double)k / (double)wanted);
        take_value(c, select_value(c->sorted, open, at < open ? at : open - 1), border);
    }
}

/* A row with probability in proportion to its squared distance, which is 2 - 2 * cosine, or to
 * nothing; `wanted` of them, those drawn twice once. */
static void next_drawn(choosing *c, size_t wanted, int by_distance, vecna_random *random) {
    double total = 0;
    c->last_count = 0;
    for (size_t i = 0; i < c->unit.rows; i++)
        total += c->near[i] >= CHOSEN ? 0 : by_distance ? 1 - (double)c->near[i] : 1;
    for (size_t k = 0; k < wanted; k++) {
        double place = vecna_random_uniform(random) * total, sum = 0;
        size_t drawn = SIZE_MAX, again = 0;
        for (size_t i = 0; i < c->unit.rows && (sum <= place || drawn == SIZE_MAX); i++)
            if (c->near[i] < CHOSEN) {
                sum += by_distance ? 1 - (double)c->near[i] : 1;
                drawn = i;
            }
        for (size_t j = 0; j < c->last_count; j++)
            again += c->last[j] == drawn;
        if (drawn != SIZE_MAX && !again)
            c->last[c->last_count++] = drawn;
    }
}

static size_t choose_all(choosing *c, size_t count, const vecna_choose_options *o, size_t *out) {
    vecna_random random;
    size_t done = 0;
    vecna_random_seed(&random, o->seed, 0x63686f6f);
    while (done < count) {
        size_t open = list_open(c);
        size_t round = count - done;
        if (open == 0)
            break;
        round = done < ROUNDS_OF_ONE ? 1 : round < done / 32 ? round : done / 32;
        round = round < BATCH_MAX ? round : BATCH_MAX;
        if (done == 0 || o->method != VECNA_CHOOSE_SPREAD)
            next_drawn(c, round, done > 0 && o->method == VECNA_CHOOSE_KMEANSPP, &random);
        else
            next_spread(c, round);
        for (size_t k = 0; k < c->last_count; k++) {
            out[done++] = c->row[c->last[k]];
            c->near[c->last[k]] = CHOSEN;
        }
        vecna_pool_run(o->pool, c->unit.rows, GRAIN, compare, c);
    }
    return done;
}

vecna_status vecna_choose(vecna_view rows, size_t count, const vecna_choose_options *options,
                          size_t *out, vecna_chosen *about, vecna_error *err) {
    static const vecna_choose_options defaults;
    const vecna_choose_options *o = options ? options : &defaults;
    const vecna_allocator *a = o->allocator;
    choosing c = {.last_count = 0};
    vecna_status status = VECNA_ERR_MEMORY;
    size_t floats = 0;
    if (count == 0 || (unsigned)o->method >= VECNA_CHOOSE_METHODS)
        return vecna_error_set(
            err, VECNA_ERR_ARGUMENT, -1,
            "%zu rows by method %d: choose one row at least, by a method there is", count,
            (int)o->method);
    if (rows.dim == 0 || rows.stride < rows.dim)
        return vecna_error_set(err, VECNA_ERR_DIM, -1, "rows of %zu dimensions, %zu apart",
                               rows.dim, rows.stride);
    double *mean = vecna_allocate_zero(a, rows.dim, sizeof *mean);
    float *unit = vecna_size_mul(rows.rows, rows.dim, &floats)
                      ? vecna_allocate(a, floats, sizeof *unit)
                      : NULL;
    c.row = vecna_allocate(a, rows.rows, sizeof *c.row);
    c.near = vecna_allocate(a, rows.rows, 2 * sizeof *c.near);
    if (!mean || !unit || !c.row || !c.near) {
        vecna_error_set(err, status, -1, "no memory to choose among %zu rows", rows.rows);
        goto done;
    }
    c.unit = vecna_matrix_dense(unit, rows.rows, rows.dim);
    c.sorted = c.near + rows.rows;
    size_t usable = take_rows(&c, rows, mean);
    if (usable == 0) {
        status = vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                                 "none of %zu rows can be chosen: they are zero or not finite",
                                 rows.rows);
        goto done;
    }
    size_t chosen = choose_all(&c, count, o, out);
    if (about) {
        double sum = 0;
        for (size_t i = 0; i < usable; i++)
            sum += c.near[i] >= CHOSEN ? 1 : (double)c.near[i];
        *about = (vecna_chosen){chosen, rows.rows - usable, sum / (double)usable};
    }
    status = VECNA_OK;
done:
    vecna_release(a, mean);
    vecna_release(a, unit);
    vecna_release(a, c.row);
    vecna_release(a, c.near);
    return status;
}
