/* Tables, overlays and their merging (train_impl.h has the why).
 *
 * How copies are merged. A row that one thread touched becomes that thread's copy. A row that several
 * touched moves by the sum of their moves, times a factor: threads that touched it a few times moved
 * it a little from the same place, and the sum is what one thread would have done after the other;
 * threads that touched it a thousand times each brought it to about the same place, and the mean is
 * right. If every touch closes the share PULL of the distance to where a row is going, n touches close
 * 1 - (1 - PULL)^n of it, and the factor that makes the sum of the threads' moves equal to the move of
 * all touches together is (1 - (1 - PULL)^(n1 + n2 + ...)) / ((1 - (1 - PULL)^n1) + ...). */
#include "train/train_impl.h"

#include "base/base_impl.h"

#include <math.h>

#define PULL 0.01
enum { MERGE_GRAIN = 256, PIECES_A_ROUND = 4, ROWS_LEAST = 16384 };

/* ---- tables ---------------------------------------------------------------------------------- */

static void *aligned(void *memory) {
    return (void *)(((uintptr_t)memory + 63) & ~(uintptr_t)63);
}

/* rows * width floats at a multiple of 64 bytes; NULL when memory is out. */
static float *floats_new(size_t rows, size_t width, int zero, const vecna_allocator *allocator,
                         void **memory) {
    size_t count;
    if (!vecna_size_mul(rows, width, &count) || !vecna_size_add(count, 16, &count))
        return NULL;
    *memory = zero ? vecna_allocate_zero(allocator, count, sizeof(float))
                   : vecna_allocate(allocator, count, sizeof(float));
    if (*memory == NULL)
        return NULL;
    vni_memory_huge(*memory, count * sizeof(float));
    return aligned(*memory);
}

vecna_status vni_table_new(size_t rows, size_t dim, const vecna_allocator *allocator,
                           vni_table *out, vecna_error *err) {
    vni_table table = {NULL, NULL, rows, dim, vni_padded(dim)};
    table.data = floats_new(rows, table.width, 1, allocator, &table.memory);
    if (table.data == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                               "not enough memory for %zu vectors of %zu dimensions (%.1f GB); "
                               "train fewer words or dimensions",
                               rows, dim, (double)rows * (double)table.width * 4e-9);
    *out = table;
    return VECNA_OK;
}

void vni_table_free(vni_table *table, const vecna_allocator *allocator) {
    vecna_release(allocator, table->memory);
    memset(table, 0, sizeof *table);
}

uint64_t vni_draw_seed(uint64_t seed, uint64_t stream) {
    vecna_random random;
    vecna_random_seed(&random, seed, stream);
    return vecna_random_u64(&random);
}

void vni_table_randomize(vni_table *table, size_t first, float range, uint64_t seed) {
    for (size_t row = first; row < table->rows; row++) {
        uint64_t state = vni_draw_seed(seed, row);
        float *at = vni_table_row(table, row);
        for (size_t i = 0; i < table->dim; i++)
            at[i] = ((float)(vni_draw(&state) >> 40) * 0x1p-23f - 1.0f) * range;
    }
}

/* ---- overlays -------------------------------------------------------------------------------- */

/* Slots of an overlay: every row of a small table; of a large one enough for a few pieces of work,
 * after which the round ends. */
static size_t capacity_for(size_t rows, size_t rows_a_piece) {
    size_t capacity =
        rows_a_piece > SIZE_MAX / PIECES_A_ROUND ? SIZE_MAX : rows_a_piece * PIECES_A_ROUND;
    if (capacity < ROWS_LEAST)
        capacity = ROWS_LEAST;
    return capacity < rows ? capacity : rows;
}

size_t vni_overlay_bytes(size_t rows, size_t width, size_t threads, size_t rows_a_piece) {
    size_t slots = capacity_for(rows, rows_a_piece);
    return threads < 2 ? 0 : threads * (rows * 4 + slots * (width * sizeof(float) + 8));
}

static int overlay_open(vni_overlay *overlay, const vni_table *table, size_t rows_a_piece,
                        const vecna_allocator *allocator) {
    overlay->capacity = capacity_for(table->rows, rows_a_piece);
    overlay->slot_of = vecna_allocate(allocator, table->rows, sizeof *overlay->slot_of);
    overlay->row_of = vecna_allocate(allocator, overlay->capacity, sizeof *overlay->row_of);
    overlay->touches = vecna_allocate(allocator, overlay->capacity, sizeof *overlay->touches);
    overlay->data = floats_new(overlay->capacity, table->width, 0, allocator, &overlay->memory);
    if (!overlay->slot_of || !overlay->row_of || !overlay->touches || !overlay->data)
        return 0;
    memset(overlay->slot_of, 0xFF, table->rows * sizeof *overlay->slot_of);
    return 1;
}

vecna_status vni_shared_open(vni_shared *shared, size_t threads, const size_t *rows_a_piece,
                             vecna_error *err) {
    shared->threads = threads;
    shared->kernels = vni_train_chosen();
    if (threads < 2)
        return VECNA_OK;
    shared->overlays = vecna_allocate_zero(shared->allocator, threads * shared->table_count,
                                           sizeof *shared->overlays);
    for (size_t i = 0; shared->overlays && i < threads * shared->table_count; i++) {
        size_t table = i % shared->table_count;
        if (overlay_open(&shared->overlays[i], &shared->tables[table], rows_a_piece[table],
                         shared->allocator))
            continue;
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                               "not enough memory for %zu threads; use fewer --threads", threads);
    }
    return shared->overlays ? VECNA_OK
                            : vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                                              "not enough memory for %zu threads", threads);
}

void vni_shared_close(vni_shared *shared) {
    for (size_t i = 0; shared->overlays && i < shared->threads * shared->table_count; i++) {
        vecna_release(shared->allocator, shared->overlays[i].slot_of);
        vecna_release(shared->allocator, shared->overlays[i].row_of);
        vecna_release(shared->allocator, shared->overlays[i].touches);
        vecna_release(shared->allocator, shared->overlays[i].memory);
    }
    vecna_release(shared->allocator, shared->overlays);
    shared->overlays = NULL;
    for (size_t i = 0; i < VNI_TABLES_MOST; i++)
        vni_table_free(&shared->tables[i], shared->allocator);
}

float *vni_overlay_take(vni_overlay *overlay, const vni_table *table, size_t row) {
    size_t slot = overlay->used++;
    float *copy = overlay->data + slot * table->width;
    overlay->slot_of[row] = (int32_t)slot;
    overlay->row_of[slot] = (int32_t)row;
    overlay->touches[slot] = 1;
    memcpy(copy, vni_table_row(table, row), table->width * sizeof *copy);
    return copy;
}

/* ---- merging --------------------------------------------------------------------------------- */

typedef struct merging {
    vni_shared *shared;
    size_t table, thread;
} merging;

static double closed(uint32_t touches) {
    return -expm1(-PULL * (double)touches);
}

/* The copies of one row, of which `first` (in `slot`) is the lowest thread's. */
static void merge_row(const vni_shared *shared, size_t table, size_t first, size_t slot) {
    const vni_table *rows = &shared->tables[table];
    const vni_overlay *mine = vni_overlay_of(shared, first, table);
    size_t row = (size_t)mine->row_of[slot];
    double parts = closed(mine->touches[slot]);
    uint32_t touches = mine->touches[slot];
    float *base = vni_table_row(rows, row);
    float *sum =
        mine->data + slot * rows->width; /* the base and all moves, in the first copy's room */
    size_t others = 0;

    for (size_t thread = first + 1; thread < shared->threads; thread++) {
        const vni_overlay *other = vni_overlay_of(shared, thread, table);
        int32_t at = other->slot_of[row];
        if (at < 0)
            continue;
        others++;
        shared->kernels->gather(sum, other->data + (size_t)at * rows->width, base, 1.0f,
                                rows->width);
        parts += closed(other->touches[at]);
        touches += other->touches[at];
    }
    if (others == 0) {
        memcpy(base, sum, rows->width * sizeof *base);
    } else {
        float scale = (float)(closed(touches) / parts);
        for (size_t i = 0; i < rows->width; i++)
            base[i] += (sum[i] - base[i]) * scale;
    }
}

static void merge_some(void *user, size_t begin, size_t end, size_t worker) {
    const merging *work = user;
    const vni_shared *shared = work->shared;
    const vni_overlay *mine = vni_overlay_of(shared, work->thread, work->table);
    (void)worker;
    for (size_t slot = begin; slot < end; slot++) {
        size_t row = (size_t)mine->row_of[slot], lower = 0;
        while (lower < work->thread && vni_overlay_of(shared, lower, work->table)->slot_of[row] < 0)
            lower++;
        if (lower == work->thread)
            merge_row(shared, work->table, work->thread, slot);
    }
}

void vni_shared_merge(vni_shared *shared, vecna_pool *pool) {
    merging work = {shared, 0, 0};
    if (shared->overlays == NULL)
        return;
    for (work.table = 0; work.table < shared->table_count; work.table++) {
        for (work.thread = 0; work.thread < shared->threads; work.thread++)
            vecna_pool_run(pool, vni_overlay_of(shared, work.thread, work.table)->used, MERGE_GRAIN,
                           merge_some, &work);
        for (size_t thread = 0; thread < shared->threads; thread++) {
            vni_overlay *overlay = vni_overlay_of(shared, thread, work.table);
            for (size_t slot = 0; slot < overlay->used; slot++)
                overlay->slot_of[overlay->row_of[slot]] = -1;
            overlay->used = 0;
        }
    }
}
