/* Blocks that double, each with the address of the one before: a request of a few kilobytes touches
 * malloc once or twice, and not at all after the first request, because a reset keeps the largest
 * block. A piece too large for what is left gets a block of its own size, so nothing is copied and
 * no pointer ever moves. */
#include "vecna/base.h"

enum { ALIGNMENT = 64, FIRST_BYTES = 4096 };

/* At the start of each block; pieces follow at the next multiple of ALIGNMENT. */
typedef struct block_head {
    struct block_head *before;
    size_t bytes; /* of the whole block */
} block_head;

void vecna_arena_init(vecna_arena *arena, size_t bytes_max, const vecna_allocator *allocator) {
    *arena = (vecna_arena){NULL, NULL, NULL, 0, bytes_max ? bytes_max : (size_t)1 << 30, allocator};
}

static char *aligned(char *at) {
    return at + (ALIGNMENT - (uintptr_t)at % ALIGNMENT) % ALIGNMENT;
}

static void use_block(vecna_arena *arena, block_head *block) {
    arena->block = block;
    arena->at = block ? aligned((char *)block + sizeof *block) : NULL;
    arena->end = block ? (char *)block + block->bytes : NULL;
}

/* A block with room for a piece of `bytes`; 0 when there is none to be had. */
static int add_block(vecna_arena *arena, size_t bytes) {
    block_head *newest = arena->block, *block;
    size_t wanted = newest ? newest->bytes : FIRST_BYTES / 2, least;
    if (!vecna_size_add(bytes, sizeof *block + ALIGNMENT, &least) ||
        least > arena->bytes_max - arena->bytes)
        return 0;
    wanted = wanted > SIZE_MAX / 2 ? SIZE_MAX : wanted * 2;
    wanted = wanted < least ? least : wanted;
    if (wanted > arena->bytes_max - arena->bytes)
        wanted = arena->bytes_max - arena->bytes;
    block = vecna_allocate(arena->allocator, wanted, 1);
    if (block == NULL)
        return 0;
    block->before = newest;
    block->bytes = wanted;
    arena->bytes += wanted;
    use_block(arena, block);
    return 1;
}

void *vecna_arena_allocate(vecna_arena *arena, size_t count, size_t size) {
    size_t bytes;
    char *piece;
    if (!vecna_size_mul(count, size, &bytes) || bytes > (size_t)PTRDIFF_MAX)
        return NULL;
    if ((arena->at == NULL || bytes > (size_t)(arena->end - arena->at)) && !add_block(arena, bytes))
        return NULL;
    piece = arena->at;
    arena->at =
        (size_t)(arena->end - piece) - bytes < ALIGNMENT ? arena->end : aligned(piece + bytes);
    return piece;
}

static void release_from(vecna_arena *arena, block_head *block) {
    while (block) {
        block_head *before = block->before;
        arena->bytes -= block->bytes;
        vecna_release(arena->allocator, block);
        block = before;
    }
}

void vecna_arena_reset(vecna_arena *arena, size_t keep_bytes) {
    block_head *newest = arena->block;
    if (newest && newest->bytes <= keep_bytes) {
        release_from(arena, newest->before);
        newest->before = NULL;
    } else {
        release_from(arena, newest);
        newest = NULL;
    }
    use_block(arena, newest);
}

void vecna_arena_free(vecna_arena *arena) {
    vecna_arena_reset(arena, 0);
}
