/* Pictures and texts through a model of vecna train clip, as files of vectors are. */
#ifndef VECNA_CLI_PICTURE_MODEL_H
#define VECNA_CLI_PICTURE_MODEL_H

#include "cli/embed_model.h"
#include "cli/pictures.h"

/* Refuses a model that knows texts alone. path NULL: the built-in one, which does. */
vecna_status open_picture_model(const char *path, text_model *out, vecna_error *err);

/* Vectors of pictures (see load_pictures); ids are the names of their files, where they have any. */
vecna_status embed_pictures(const text_model *model, const char *path, loaded *out,
                            vecna_error *err);
/* Vectors of texts, which are kept as the rows' texts. */
vecna_status embed_texts(const text_model *model, const char *const *texts, size_t count,
                         loaded *out, vecna_error *err);

/* vecna embed --images: vectors with the names of their files into a file.
 *   format  NULL: told by the name of `out`
 *   rows    how many there were */
vecna_status embed_images(const text_model *model, const char *images, const char *out,
                          const char *format, size_t *rows, vecna_error *err);

#endif
