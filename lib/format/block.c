/* The memory of a block: floats, records, and an arena for texts and fields. All of it is kept from
 * one filling to the next, so that a long file settles to no allocation at all. The arena is a list
 * of chunks that never move, because records point into them. */
#include "format/format_impl.h"

#include <stdalign.h>
#include <string.h>

enum { CHUNK_BYTES = 1 << 16, FLOAT_ALIGNMENT = 64 };

typedef struct chunk {
    struct chunk *next;
    size_t used, capacity;
    alignas(max_align_t) unsigned char data[];
} chunk;

struct vni_block_store {
    const vecna_allocator *allocator;
    vecna_allocator allocator_copy;
    vni_window window;
    void *floats; /* as allocated; the aligned address is computed */
    size_t floats_bytes;
    vecna_record *records;
    size_t records_capacity;
    chunk *chunks; /* oldest first */
    chunk *current;
};

vecna_status vecna_block_new(const vecna_allocator *allocator, vecna_block **out,
                             vecna_error *err) {
    struct {
        vecna_block block;
        struct vni_block_store store;
    } *both = vecna_allocate_zero(allocator, 1, sizeof *both);
    if (both == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a block of rows");
    both->block.store = &both->store;
    if (allocator) {
        both->store.allocator_copy = *allocator;
        both->store.allocator = &both->store.allocator_copy;
    }
    *out = &both->block;
    return VECNA_OK;
}

void vecna_block_free(vecna_block *block) {
    vecna_allocator copy;
    const vecna_allocator *allocator;
    struct vni_block_store *store;
    if (block == NULL)
        return;
    store = block->store;
    copy = store->allocator_copy;
    allocator = store->allocator ? &copy : NULL;
    vni_window_close(&store->window);
    for (chunk *each = store->chunks; each;) {
        chunk *next = each->next;
        vecna_release(allocator, each);
        each = next;
    }
    vecna_release(allocator, store->floats);
    vecna_release(allocator, store->records);
    vecna_release(allocator, block);
}

void vni_block_clear(vecna_block *block) {
    struct vni_block_store *store = block->store;
    vni_window_close(&store->window);
    for (chunk *each = store->chunks; each; each = each->next)
        each->used = 0;
    store->current = store->chunks;
    block->vectors = vecna_view_dense(NULL, 0, 0);
    block->first_row = 0;
    block->records = NULL;
}

vecna_status vni_block_floats(vecna_block *block, size_t rows, size_t dim, float **out,
                              vecna_error *err) {
    struct vni_block_store *store = block->store;
    size_t count, bytes;
    float *aligned;
    if (!vecna_size_mul(rows, dim, &count) || !vecna_size_mul(count, sizeof(float), &bytes) ||
        !vecna_size_add(bytes, FLOAT_ALIGNMENT, &bytes))
        return vecna_error_set(err, VECNA_ERR_OVERFLOW, -1,
                               "%zu rows of %zu floats do not fit into memory; read fewer at once",
                               rows, dim);
    if (bytes > store->floats_bytes) {
        vecna_release(store->allocator, store->floats);
        store->floats_bytes = 0;
        store->floats = vecna_allocate(store->allocator, bytes, 1);
        if (store->floats == NULL)
            return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                                   "no memory for %zu rows of %zu floats; read fewer at once", rows,
                                   dim);
        store->floats_bytes = bytes;
    }
    aligned = (float *)(((uintptr_t)store->floats + FLOAT_ALIGNMENT - 1) &
                        ~(uintptr_t)(FLOAT_ALIGNMENT - 1));
    block->vectors = vecna_view_dense(aligned, 0, dim);
    *out = aligned;
    return VECNA_OK;
}

vecna_status vni_block_records(vecna_block *block, size_t rows, vecna_record **out,
                               vecna_error *err) {
    struct vni_block_store *store = block->store;
    if (rows > store->records_capacity) {
        vecna_release(store->allocator, store->records);
        store->records_capacity = 0;
        store->records = vecna_allocate(store->allocator, rows, sizeof *store->records);
        if (store->records == NULL)
            return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                                   "no memory for %zu rows; read fewer at once", rows);
        store->records_capacity = rows;
    }
    if (rows > 0)
        memset(store->records, 0, rows * sizeof *store->records);
    block->records = store->records;
    *out = store->records;
    return VECNA_OK;
}

static vecna_status no_memory(size_t bytes, vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                           "no memory for %zu bytes of text; read fewer rows at once", bytes);
}

/* The chunk after the current one if it has room, else a new one in between. */
static vecna_status next_chunk(struct vni_block_store *store, size_t bytes, vecna_error *err) {
    chunk *fresh, *next = store->current ? store->current->next : store->chunks;
    size_t capacity = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES, size;
    if (next && next->capacity >= bytes) {
        store->current = next;
        return VECNA_OK;
    }
    if (!vecna_size_add(sizeof *fresh, capacity, &size))
        return no_memory(bytes, err);
    fresh = vecna_allocate(store->allocator, size, 1);
    if (fresh == NULL)
        return no_memory(bytes, err);
    fresh->next = next;
    fresh->used = 0;
    fresh->capacity = capacity;
    if (store->current)
        store->current->next = fresh;
    else
        store->chunks = fresh;
    store->current = fresh;
    return VECNA_OK;
}

vecna_status vni_block_take(vecna_block *block, size_t bytes, void **out, vecna_error *err) {
    struct vni_block_store *store = block->store;
    size_t rounded;
    if (!vecna_size_add(bytes, alignof(max_align_t) - 1, &rounded))
        return no_memory(bytes, err);
    rounded -= rounded % alignof(max_align_t);
    if (store->current == NULL || store->current->capacity - store->current->used < rounded) {
        vecna_status status = next_chunk(store, rounded, err);
        if (status != VECNA_OK)
            return status;
    }
    *out = store->current->data + store->current->used;
    store->current->used += rounded;
    return VECNA_OK;
}

vecna_status vni_block_text(vecna_block *block, const void *data, size_t bytes, vecna_text *out,
                            vecna_error *err) {
    void *memory = NULL;
    vecna_status status = vni_block_take(block, bytes + 1, &memory, err);
    if (status != VECNA_OK)
        return status;
    if (bytes > 0)
        memcpy(memory, data, bytes);
    ((char *)memory)[bytes] = '\0'; /* harmless, and kind to debuggers */
    out->data = memory;
    out->bytes = bytes;
    return VECNA_OK;
}

void vni_block_window(vecna_block *block, vni_window window) {
    vni_window_close(&block->store->window);
    block->store->window = window;
}
