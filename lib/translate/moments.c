/* Sums over pairs: what a fit needs of its rows, 8 * dim^2 bytes whatever their number.
 *
 * Sums are kept about a fixed centre (the mean of all pairs), so that taking a fold out by
 * subtraction loses nothing: both sides are of the same size as what remains. Products are of
 * rows widened to float64 (vecna_linalg_gram_add); where that is seconds of work, float32 products of
 * blocks of rows are summed in float64, and directions that could be their rounding are left out
 * (basis.c). */
#include "translate/translate_impl.h"

#include <string.h>

enum { BLOCK_ROWS = 1024 };

#define OPERATIONS_SINGLE 2e10 /* from so many on: 20,000 pairs of 1536 and 768 are 7e10 */

vecna_status vni_moments_new(size_t source_dim, size_t target_dim, const vecna_allocator *allocator,
                             vni_moments *out, vecna_error *err) {
    size_t doubles = source_dim + target_dim + source_dim * (source_dim + target_dim);
    double *memory = vecna_allocate(allocator, doubles, sizeof *memory);
    if (!memory) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                               "no memory for the products of %zu and %zu dimensions", source_dim,
                               target_dim);
    }
    /* written, not taken as zero pages: reading those before they are written costs two faults each */
    memset(memory, 0, doubles * sizeof *memory);
    out->allocator = allocator;
    out->source_dim = source_dim;
    out->target_dim = target_dim;
    out->count = 0;
    out->target_energy = 0;
    out->memory = memory;
    out->sum_source = memory;
    out->sum_target = out->sum_source + source_dim;
    out->square = out->sum_target + target_dim;
    out->cross = out->square + source_dim * source_dim;
    return VECNA_OK;
}

void vni_moments_free(vni_moments *moments) {
    vecna_release(moments->allocator, moments->memory);
    *moments = (vni_moments){0};
}

/* Listed rows of both sides, gathered into one block. */
typedef struct gathering {
    const vni_pairs *pairs;
    const size_t *rows;
    vecna_matrix source, target;
} gathering;

static void gather_some(void *user, size_t begin, size_t end, size_t worker) {
    const gathering *g = user;
    (void)worker;
    vni_gather(g->pairs->source, g->rows + begin, end - begin,
               vecna_matrix_rows(g->source, begin, end - begin));
    vni_gather(g->pairs->target, g->rows + begin, end - begin,
               vecna_matrix_rows(g->target, begin, end - begin));
}

/* Sums of a block less the centre: of its columns, and of their squares. */
typedef struct summing {
    vecna_view block;
    const double *centre;
    double *sum;
    double *square; /* (dim) */
} summing;

enum { COLUMNS_SUMMED = 64 };

/* Columns are shared out, so that the sums are the same for every number of threads. */
static void sum_columns(void *user, size_t begin, size_t end, size_t worker) {
    const summing *s = user;
    (void)worker;
    for (size_t part = begin; part < end; part++) {
        const size_t first = part * COLUMNS_SUMMED;
        const size_t last =
            first + COLUMNS_SUMMED < s->block.dim ? first + COLUMNS_SUMMED : s->block.dim;
        for (size_t i = 0; i < s->block.rows; i++) {
            const float *row = s->block.data + i * s->block.stride;
            for (size_t j = first; j < last; j++) {
                const double x = (double)row[j] - s->centre[j];
                s->sum[j] += x;
                s->square[j] += x * x;
            }
        }
    }
}

/* Adds to the sums of columns; returns the sum of all squares. `room` (dim). */
static double add_sums(vecna_view block, const double *centre, double *sum, double *room,
                       vecna_pool *pool) {
    double energy = 0;
    summing s = {block, centre, sum, room};
    memset(room, 0, block.dim * sizeof *room);
    vecna_pool_run(pool, (block.dim + COLUMNS_SUMMED - 1) / COLUMNS_SUMMED, 1, sum_columns, &s);
    for (size_t j = 0; j < block.dim; j++) {
        energy += room[j];
    }
    return energy;
}

vecna_status vni_moments_add_rows(vni_moments *moments, const vni_pairs *pairs, const size_t *rows,
                                  size_t count, vecna_error *err) {
    const size_t p = pairs->source.dim;
    const size_t q = pairs->target.dim;
    const size_t most = count < BLOCK_ROWS ? count : BLOCK_ROWS;
    vecna_status status = VECNA_OK;
    float *block = vecna_allocate(pairs->allocator, most * (p + q), sizeof *block);
    double *room = vecna_allocate(pairs->allocator, p > q ? p : q, sizeof *room);
    vecna_gram sums = {moments->square,      moments->cross,   pairs->source_centre,
                       pairs->target_centre, pairs->allocator, vni_sums_single(pairs),
                       pairs->pool};
    if (!block || !room) {
        status = vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for %zu rows", most);
    }
    for (size_t first = 0; first < count && !status; first += most) {
        size_t here = count - first < most ? count - first : most;
        vecna_matrix source = vecna_matrix_dense(block, here, p);
        vecna_matrix target = vecna_matrix_dense(block + most * p, here, q);
        gathering g = {pairs, rows + first, source, target};
        vecna_pool_run(pairs->pool, here, 64, gather_some, &g);
        add_sums(vecna_matrix_view(source), pairs->source_centre, moments->sum_source, room,
                 pairs->pool);
        moments->target_energy += add_sums(vecna_matrix_view(target), pairs->target_centre,
                                           moments->sum_target, room, pairs->pool);
        status =
            vecna_linalg_gram_add(&sums, vecna_matrix_view(source), vecna_matrix_view(target), err);
    }
    if (!status) {
        moments->count += (double)count;
    }
    vecna_release(pairs->allocator, block);
    vecna_release(pairs->allocator, room);
    return status;
}

int vni_sums_single(const vni_pairs *pairs) {
    const double p = (double)pairs->source.dim, q = (double)pairs->target.dim;
    return (double)pairs->all_rows * p * (p + q) >= OPERATIONS_SINGLE;
}

void vni_moments_add(vni_moments *moments, const vni_moments *part) {
    const size_t doubles = part->source_dim + part->target_dim +
                           part->source_dim * (part->source_dim + part->target_dim);
    for (size_t i = 0; i < doubles; i++) {
        moments->memory[i] += part->memory[i];
    }
    moments->count += part->count;
    moments->target_energy += part->target_energy;
}

void vni_moments_subtract(const vni_moments *whole, const vni_moments *part, vni_moments *out) {
    const size_t doubles = whole->source_dim + whole->target_dim +
                           whole->source_dim * (whole->source_dim + whole->target_dim);
    for (size_t i = 0; i < doubles; i++) {
        out->memory[i] = whole->memory[i] - part->memory[i];
    }
    out->count = whole->count - part->count;
    out->target_energy = whole->target_energy - part->target_energy;
}
