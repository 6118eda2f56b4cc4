/* The memory of a map: fitted pairs, and what the linear map gets wrong on each. */
#ifndef VNI_MEMORY_IMPL_H
#define VNI_MEMORY_IMPL_H

#include "translate/translate_impl.h"

#include "vecna/search.h"

enum { VNI_MEMORY_NEIGHBOURS_MAX = 64 };

/* A pair of so high a cosine is the row itself: it does not correct itself. */
#define VNI_MEMORY_ITSELF 0.9995f

typedef struct vni_memory {
    const vecna_allocator *allocator; /* NULL or &allocator_copy */
    vecna_allocator allocator_copy;
    size_t rows, source_dim, target_dim;
    size_t neighbours;     /* at most rows and VNI_MEMORY_NEIGHBOURS_MAX */
    size_t probes;         /* cells looked into */
    double recall;         /* of neighbours, with so many probes, on a sample of the pairs */
    double temperature;    /* of the softmax over cosines, above 0 */
    double correction;     /* share of the residuals, for a row with a pair at cosine 1 */
    int normalized_source; /* rows are divided by their length first; of the map */
    float *centre;         /* (source dim) mean of the sources */
    vecna_index *index;    /* of the sources about the centre */
    int8_t *residuals;     /* (rows, target dim) in the order of the index */
    float *scales;         /* (rows) of the residuals */
} vni_memory;

/* What a memory is made from: a base map and the pairs that it is to remember. */
typedef struct vni_memory_input {
    const vni_pairs *pairs; /* what they keep is remembered too */
    const uint64_t *key; /* (all pairs) of their content: they are remembered in its order; NULL: in
                             that of their numbers */
    const size_t *rows;  /* (count) to remember */
    size_t count;        /* 1 or more */
    const float *weights; /* (source dim, target dim) of the base map */
    const float *bias;    /* (target dim) */
    const vecna_recipe *recipe;
} vni_memory_input;

VECNA_CHECK vecna_status vni_memory_new(const vni_memory_input *in,
                                        const vecna_allocator *allocator, vni_memory **out,
                                        vecna_error *err);
/* Room with its sizes set and nothing else, for the file. */
VECNA_CHECK vecna_status vni_memory_room(size_t rows, size_t source_dim, size_t target_dim,
                                         const vecna_allocator *allocator, vni_memory **out,
                                         vecna_error *err);
void vni_memory_free(vni_memory *memory);

/* memory_kept.c. The pairs that the memory of a map was made of, as far as bytes tell; *out stays NULL where
 * they cannot be told: rows of other lengths than 1, or means of queries in the map. */
VECNA_CHECK vecna_status vni_memory_pairs(const vecna_map *map, const vecna_allocator *allocator,
                                          vecna_pool *pool, vni_kept **out, vecna_error *err);
void vni_kept_free(vni_kept *kept, const vecna_allocator *allocator);

/* Neighbours of some rows, nearest first. */
typedef struct vni_neighbours {
    size_t k;
    int32_t *rows; /* (rows, k) */
    float *scores; /* (rows, k) */
} vni_neighbours;

VECNA_CHECK vecna_status vni_memory_find(const vni_memory *memory, vecna_view source,
                                         vni_neighbours *out, vecna_pool *pool, vecna_error *err);
/* translated += the correction, by the first `neighbours` of what was found. Rows are as the base map
 * gives them, of any length, which is kept in the main. */
void vni_memory_add(const vni_memory *memory, const vni_neighbours *found, vecna_matrix translated);
/* Both. */
VECNA_CHECK vecna_status vni_memory_correct(const vni_memory *memory, vecna_view source,
                                            vecna_matrix translated, vecna_pool *pool,
                                            vecna_error *err);

#endif
