/* vecna/image.h — pictures to vectors: a small network of strided convolutions.
 *
 * The tower of pictures that stands beside a table of words in a model of vecna train clip
 * (vecna/train.h), which trains it; vecna/model.h keeps both in a file. Each stage looks at 3 x 3 cells
 * of the one below, every second row and column, and has twice as many filters; what is left of the
 * picture after the last, a few cells, is mapped to a vector whole, so that where something is counts.
 * Small pictures and small collections are what it is for: it learns in minutes on a CPU, and knows
 * nothing that it was not shown. */
#ifndef VECNA_IMAGE_H
#define VECNA_IMAGE_H

#include "vecna/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Pictures of one size, borrowed: the bytes of a picture's pixels in rows from the top, its channels
 * side by side; one picture behind the other. */
typedef struct vecna_pictures {
    const uint8_t *data;
    size_t count, height, width, channels;
} vecna_pictures;

/* Bring a picture to another size: each new pixel is the mean of the area that it covers; gray becomes
 * three equal channels, and three become their luminance (BT.601).
 *   from  count 1, channels 1 or 3
 *   out   (height, width, channels) channels 1 or 3
 * Numerics: float64, rounded to nearest; the same size and channels give the same bytes.
 * Memory:   allocates nothing. Safe from any thread.
 * Errors:   VECNA_ERR_DIM for an empty side or other channels; out is then untouched. Since 0.2. */
VECNA_API VECNA_CHECK vecna_status vecna_image_resize(const vecna_pictures *from, size_t height,
                                                      size_t width, size_t channels, uint8_t *out,
                                                      vecna_error *err);

/* ---- the tower ------------------------------------------------------------------------------- */

enum { VECNA_IMAGE_STAGES_MOST = 6, VECNA_IMAGE_SIDE_MOST = 512, VECNA_IMAGE_FILTERS_MOST = 1024 };

typedef struct vecna_image_shape {
    size_t height, width;                    /* of a picture, 4 .. 512 */
    size_t channels;                         /* 1 gray, 3 colours */
    size_t stages;                           /* 1 .. 6 */
    size_t filters[VECNA_IMAGE_STAGES_MOST]; /* of each stage, 1 .. 1024 */
    size_t dim;                              /* of a vector, 1 .. 8192 */
} vecna_image_shape;

/* What to begin with for pictures of a size: stages until at most 4 cells a side are left, 32 filters in
 * the first and twice as many in each next one, at most 256. */
VECNA_API vecna_image_shape vecna_image_shape_for(size_t height, size_t width, size_t channels,
                                                  size_t dim);
/* Numbers in a tower, in the order of the file (docs/model-format.md): for each stage its weights
 * (3, 3, filters below, filters) and biases, then the head's (cells, filters; dim) and biases.
 * Errors: VECNA_ERR_DIM for a shape out of range. Since 0.2. */
VECNA_API VECNA_CHECK vecna_status vecna_image_parameters(const vecna_image_shape *shape,
                                                          size_t *count, vecna_error *err);
/* The height and width of what a stage makes, 0 .. stages; 0 is the picture. */
VECNA_API void vecna_image_cells(const vecna_image_shape *shape, size_t stage, size_t *height,
                                 size_t *width);

/* Vectors of pictures.
 *   parameters  vecna_image_parameters() of them
 *   pictures    of the shape's size
 *   out         (count, dim) length 1
 * Numerics: float32; a row depends on the other pictures of the call at most in its last bits.
 * Memory:   64 MB, or what a single picture takes where that is more.
 * Errors:   VECNA_ERR_DIM; VECNA_ERR_MEMORY; VECNA_ERR_LIBRARY. Since 0.2. */
VECNA_API VECNA_CHECK vecna_status vecna_image_embed(
    const vecna_image_shape *shape, const float *parameters, const vecna_pictures *pictures,
    vecna_matrix out, vecna_pool *pool, const vecna_allocator *allocator, vecna_error *err);

#ifdef __cplusplus
}
#endif
#endif
