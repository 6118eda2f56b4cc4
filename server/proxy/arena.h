/* Small conveniences over vecna_arena, for what lives as long as a configuration does. */
#ifndef VNI_PROXY_ARENA_H
#define VNI_PROXY_ARENA_H

#include "vecna/base.h"

typedef vecna_arena vni_arena;

/* Zeroed; NULL when memory is out. */
void *vni_arena_take(vni_arena *arena, size_t bytes);
/* A NUL-terminated copy. */
char *vni_arena_copy(vni_arena *arena, const char *text, size_t bytes);
char *vni_arena_print(vni_arena *arena, const char *format, ...) VECNA_PRINTF(2, 3);

#endif
