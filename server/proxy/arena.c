/* Zeroed pieces and texts out of an arena. */
#include "proxy/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void *vni_arena_take(vni_arena *arena, size_t bytes) {
    void *piece = vecna_arena_allocate(arena, bytes ? bytes : 1, 1);
    if (piece)
        memset(piece, 0, bytes);
    return piece;
}

char *vni_arena_copy(vni_arena *arena, const char *text, size_t bytes) {
    char *copy = vecna_arena_allocate(arena, bytes + 1, 1);
    if (copy == NULL)
        return NULL;
    if (bytes)
        memcpy(copy, text, bytes);
    copy[bytes] = '\0';
    return copy;
}

char *vni_arena_print(vni_arena *arena, const char *format, ...) {
    va_list arguments, again;
    char *text = NULL;
    int bytes;
    va_start(arguments, format);
    va_copy(again, arguments);
    bytes = vsnprintf(NULL, 0, format, arguments);
    if (bytes >= 0)
        text = vecna_arena_allocate(arena, (size_t)bytes + 1, 1);
    if (text)
        vsnprintf(text, (size_t)bytes + 1, format, again);
    va_end(again);
    va_end(arguments);
    return text;
}
