/* Pictures out of files, brought to the size that a tower takes. */
#ifndef VECNA_CLI_PICTURES_H
#define VECNA_CLI_PICTURES_H

#include "cli/cli.h"

/* All zeros: none. */
typedef struct picture_set {
    vecna_pictures all; /* its data is `memory` */
    uint8_t *memory;
    char **names; /* (count) of their files; NULL: rows of an array */
} picture_set;

typedef struct picture_size {
    size_t height, width, channels; /* 0: as the first picture is */
} picture_size;

/* "64x64" or "28x28x1": height, width and channels (3 when not given); 0 for anything else. */
int take_picture_size(const char *text, picture_size *out);

/* A folder (its .png in the order of their names), a .png, or bytes in a .npy of (count, height, width) or
 * (count, height, width, channels). What a PNG lets through is white.
 * Errors name the file. */
vecna_status load_pictures(const char *path, picture_size size, picture_set *out, vecna_error *err);
/* Named files of a folder, in their order. */
vecna_status load_named_pictures(const char *folder, const char *const *names, size_t count,
                                 picture_size size, picture_set *out, vecna_error *err);
void free_pictures(picture_set *pictures);
bool is_array(const char *path); /* its name ends with .npy */
bool is_folder(const char *path);

#endif
