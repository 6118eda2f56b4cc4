/* A map from weights that were found elsewhere: the directions of a principal component analysis, or a
 * matrix that another tool fitted. Nothing is judged here, so the verdict is the caller's. */
#include "translate/translate_impl.h"

#include <math.h>
#include <string.h>

vecna_status vecna_map_from_weights(const vecna_map_weights *given,
                                    const vecna_allocator *allocator, vecna_map **out,
                                    vecna_error *err) {
    const vecna_view w = given->weights;
    vecna_map *map = NULL;
    vecna_status status;

    if (w.rows == 0 || w.dim == 0 || w.stride < w.dim)
        return vecna_error_set(err, VECNA_ERR_DIM, -1,
                               "weights of %zu x %zu (stride %zu) make no map", w.rows, w.dim,
                               w.stride);
    status =
        vni_map_new(w.rows, w.dim, given->source_name, given->target_name, allocator, &map, err);
    if (status != VECNA_OK)
        return status;
    for (size_t i = 0; i < w.rows; i++)
        memcpy(map->weights + i * w.dim, w.data + i * w.stride, w.dim * sizeof(float));
    if (given->bias)
        memcpy(map->bias, given->bias, w.dim * sizeof(float));
    for (size_t i = 0; i < (w.rows + 1) * w.dim; i++) /* the bias lies behind the weights */
        if (!isfinite(map->weights[i])) {
            status = vecna_error_set(err, VECNA_ERR_VALUE, (int64_t)(i / w.dim),
                                     "the weights hold NaN or infinity in row %zu", i / w.dim);
            vecna_map_free(map);
            return status;
        }
    map->recipe.method = VECNA_METHOD_GIVEN;
    map->role = VECNA_ROLE_DOCUMENT;
    map->normalized = given->normalized != 0;
    map->source_normalized = given->source_normalized != 0;
    map->rows_fit = given->rows_fit;
    map->verdict = given->verdict;
    vni_map_seal(map);
    *out = map;
    return VECNA_OK;
}
