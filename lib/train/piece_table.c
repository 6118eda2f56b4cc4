/* Texts as sums of rows. Rows are moved piece by piece, each piece's texts in their order, so that the
 * number of threads changes nothing; a row that no text of a batch has stays where it is, and so do
 * Adam's means of it. */
#include "train/piece_table.h"

#include <math.h>
#include <string.h>

static const double keep_moment = 0.9, keep_square = 0.999, least = 1e-8;

/* ---- the table -------------------------------------------------------------------------------- */

static void fill(vni_piece_table *table, vecna_view start, uint64_t seed) {
    const size_t count = table->pieces * table->dim;
    double squares = 0;
    vecna_random random;
    vecna_random_seed(&random, seed, 0);
    for (size_t i = 0; i < table->pieces; i++)
        for (size_t j = 0; j < table->dim; j++) {
            const float value =
                start.data ? start.data[i * start.stride + j] : (float)vecna_random_normal(&random);
            table->rows[i * table->dim + j] = value;
            squares += (double)value * (double)value;
        }
    table->unit = (float)sqrt(squares / (double)count);
    table->unit = table->unit > 0 ? table->unit : 1;
}

vecna_status vni_piece_table_start(vni_piece_table *table, vecna_view start, uint64_t seed,
                                   vecna_error *err) {
    const vecna_allocator *a = table->allocator;
    size_t count;
    if (vecna_size_mul(table->pieces, table->dim, &count)) {
        table->rows = vecna_allocate(a, count, sizeof(float));
        table->moment = vecna_allocate_zero(a, count, sizeof(float));
        table->square = vecna_allocate_zero(a, count, sizeof(float));
    }
    table->steps = vecna_allocate_zero(a, table->pieces, sizeof *table->steps);
    if (!table->rows || !table->moment || !table->square || !table->steps)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a table of %zu x %zu",
                               table->pieces, table->dim);
    fill(table, start, seed);
    return VECNA_OK;
}

void vni_piece_table_free(vni_piece_table *table) {
    vecna_release(table->allocator, table->rows);
    vecna_release(table->allocator, table->moment);
    vecna_release(table->allocator, table->square);
    vecna_release(table->allocator, table->steps);
}

/* ---- who is in a batch ------------------------------------------------------------------------ */

vecna_status vni_piece_sums_new(const vni_piece_table *table, size_t rows, vni_piece_sums *out,
                                vecna_error *err) {
    const vecna_allocator *a = table->allocator;
    vni_piece_sums s = {0};
    s.text = vecna_allocate(a, rows, sizeof *s.text);
    s.sum = vecna_allocate(a, rows, table->dim * sizeof(float));
    s.by_sum = vecna_allocate(a, rows, table->dim * sizeof(float));
    s.slot = vecna_allocate(a, table->pieces, sizeof *s.slot);
    if (!s.text || !s.sum || !s.by_sum || !s.slot) {
        vni_piece_sums_free(table, &s);
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                               "no memory for batches of %zu texts of %zu dimensions", rows,
                               table->dim);
    }
    for (size_t i = 0; i < table->pieces; i++)
        s.slot[i] = -1;
    *out = s;
    return VECNA_OK;
}

void vni_piece_sums_free(const vni_piece_table *table, vni_piece_sums *sums) {
    void *all[] = {sums->text,    sums->sum,   sums->by_sum, sums->slot,
                   sums->touched, sums->start, sums->row};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        vecna_release(table->allocator, all[i]);
    memset(sums, 0, sizeof *sums);
}

static vecna_status grow(const vni_piece_table *table, vni_piece_sums *s, size_t wanted,
                         vecna_error *err) {
    const vecna_allocator *a = table->allocator;
    if (wanted <= s->room)
        return VECNA_OK;
    vecna_release(a, s->touched);
    vecna_release(a, s->start);
    vecna_release(a, s->row);
    s->touched = vecna_allocate(a, wanted, sizeof *s->touched);
    s->start = vecna_allocate(a, wanted + 2, sizeof *s->start);
    s->row = vecna_allocate(a, wanted, sizeof *s->row);
    s->room = s->touched && s->start && s->row ? wanted : 0;
    return s->room ? VECNA_OK
                   : vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for %zu pieces", wanted);
}

/* The rows of each piece, pieces in the order in which they come up. */
static vecna_status turn_around(const vni_piece_table *d, vni_piece_sums *s, vecna_error *err) {
    size_t occurrences = 0;
    vecna_status status;
    for (size_t r = 0; r < s->rows; r++)
        occurrences += d->starts[s->text[r] + 1] - d->starts[s->text[r]];
    status = grow(d, s, occurrences ? occurrences : 1, err);
    if (status != VECNA_OK)
        return status;
    s->touched_count = 0;
    memset(s->start, 0, (occurrences + 2) * sizeof *s->start);
    for (size_t r = 0; r < s->rows; r++)
        for (size_t i = d->starts[s->text[r]]; i < d->starts[s->text[r] + 1]; i++) {
            const int32_t piece = d->piece[i];
            if (s->slot[piece] < 0) {
                s->slot[piece] = (int32_t)s->touched_count;
                s->touched[s->touched_count++] = piece;
            }
            s->start[s->slot[piece] + 2]++;
        }
    for (size_t t = 0; t < s->touched_count; t++)
        s->start[t + 2] += s->start[t + 1];
    for (size_t r = 0; r < s->rows; r++)
        for (size_t i = d->starts[s->text[r]]; i < d->starts[s->text[r] + 1]; i++)
            s->row[s->start[s->slot[d->piece[i]] + 1]++] = (uint32_t)r;
    for (size_t t = 0; t < s->touched_count; t++)
        s->slot[s->touched[t]] = -1;
    return VECNA_OK;
}

/* ---- there ------------------------------------------------------------------------------------ */

typedef struct summing {
    const vni_piece_table *table;
    vni_piece_sums *sums;
} summing;

static void sum_pieces(void *user, size_t begin, size_t end, size_t worker) {
    const summing *p = user;
    const vni_piece_table *d = p->table;
    (void)worker;
    for (size_t r = begin; r < end; r++) {
        const uint32_t text = p->sums->text[r];
        float *sum = p->sums->sum + r * d->dim;
        memset(sum, 0, d->dim * sizeof *sum);
        for (size_t i = d->starts[text]; i < d->starts[text + 1]; i++) {
            const float *row = d->rows + (size_t)d->piece[i] * d->dim;
            for (size_t j = 0; j < d->dim; j++)
                sum[j] += row[j];
        }
    }
}

vecna_status vni_piece_sums_make(const vni_piece_table *table, size_t rows, vni_piece_sums *sums,
                                 vecna_pool *pool, vecna_error *err) {
    summing p = {table, sums};
    sums->rows = rows;
    const vecna_status status = turn_around(table, sums, err);
    if (status == VECNA_OK)
        vecna_pool_run(pool, rows, 16, sum_pieces, &p);
    return status;
}

static double dot(const float *a, const float *b, size_t count) {
    double sum = 0;
    for (size_t j = 0; j < count; j++)
        sum += (double)a[j] * (double)b[j];
    return sum;
}

typedef struct lengthening {
    const float *rows;
    float *units, *lengths;
    size_t dim, size;
} lengthening;

static void bring_to_length(void *user, size_t begin, size_t end, size_t worker) {
    const lengthening *p = user;
    (void)worker;
    for (size_t r = begin; r < end; r++) {
        const float *row = p->rows + r * p->dim;
        float *unit = p->units + r * p->size;
        const double length = sqrt(dot(row, row, p->size));
        const float by = length > 0 ? (float)(1 / length) : 0;
        for (size_t j = 0; j < p->size; j++)
            unit[j] = row[j] * by;
        p->lengths[r] = (float)length;
    }
}

void vni_units_of(const float *rows, size_t count, size_t dim, size_t size, float *units,
                  float *lengths, vecna_pool *pool) {
    lengthening p = {rows, units, lengths, dim, size};
    vecna_pool_run(pool, count, 64, bring_to_length, &p);
}

/* ---- and back ---------------------------------------------------------------------------------- */

typedef struct shortening {
    const vni_units *units;
    float *by_rows;
    size_t dim;
} shortening;

/* d/d row of a unit vector u = row / |row|: (g - u (u . g)) / |row|. */
static void back_through_length(void *user, size_t begin, size_t end, size_t worker) {
    const shortening *p = user;
    const size_t size = p->units->size;
    (void)worker;
    for (size_t r = begin; r < end; r++) {
        const float *unit = p->units->units + r * size, *by_unit = p->units->by_units + r * size;
        float *by_row = p->by_rows + r * p->dim;
        const float along = (float)dot(unit, by_unit, size), length = p->units->lengths[r];
        const float by = length > 0 ? p->units->share / length : 0;
        for (size_t j = 0; j < size; j++)
            by_row[j] += by * (by_unit[j] - along * unit[j]);
    }
}

void vni_units_back(const vni_units *units, float *by_rows, size_t dim, vecna_pool *pool) {
    shortening p = {units, by_rows, dim};
    vecna_pool_run(pool, units->count, 64, back_through_length, &p);
}

typedef struct moving {
    vni_piece_table *table;
    const vni_piece_sums *sums;
    double rate;
} moving;

static void move_row(const moving *p, size_t slot, float *asked) {
    vni_piece_table *table = p->table;
    const vni_piece_sums *s = p->sums;
    const size_t dim = table->dim, piece = (size_t)s->touched[slot];
    float *row = table->rows + piece * dim, *moment = table->moment + piece * dim;
    float *square = table->square + piece * dim;
    memset(asked, 0, dim * sizeof *asked);
    for (size_t i = s->start[slot]; i < s->start[slot + 1]; i++) {
        const float *by_sum = s->by_sum + (size_t)s->row[i] * dim;
        for (size_t j = 0; j < dim; j++)
            asked[j] += by_sum[j];
    }
    const double step = (double)++table->steps[piece];
    const float by = (float)(p->rate * (double)table->unit / (1 - pow(keep_moment, step)));
    const float of_square = (float)(1 / (1 - pow(keep_square, step)));
    for (size_t j = 0; j < dim; j++) {
        moment[j] += (float)(1 - keep_moment) * (asked[j] - moment[j]);
        square[j] += (float)(1 - keep_square) * (asked[j] * asked[j] - square[j]);
        row[j] -= by * moment[j] / (sqrtf(square[j] * of_square) + (float)least);
    }
}

static void move_some(void *user, size_t begin, size_t end, size_t worker) {
    const moving *p = user;
    float asked[VNI_PIECE_DIM_MOST];
    (void)worker;
    for (size_t slot = begin; slot < end; slot++)
        move_row(p, slot, asked);
}

void vni_piece_table_move(vni_piece_table *table, const vni_piece_sums *sums, double rate,
                          vecna_pool *pool) {
    moving p = {table, sums, rate};
    vecna_pool_run(pool, sums->touched_count, 16, move_some, &p);
}
