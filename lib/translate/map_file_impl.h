/* What the files that write and read a map share: fields of the metadata, tensors, and the table of
 * sections.
 *
 * A section is a part of a map that a file may be without: fingerprints, a memory of pairs,
 * statistics. It has one file (map_<name>.c) with one vni_map_section, its own keys and tensors under
 * its own prefix, and its own member of struct vecna_map. To add one: write the file, declare its
 * section below and name it in map_sections.c. */
#ifndef VNI_MAP_FILE_IMPL_H
#define VNI_MAP_FILE_IMPL_H

#include "translate/translate_impl.h"

enum {
    VNI_MAP_PAIRS = 160,
    VNI_MAP_TENSORS = 64,
    VNI_MAP_KEY_BYTES = 64, /* of keys and of names of tensors */
    VNI_MAP_NUMBER_BYTES = 40,
    VNI_MAP_NEEDS_BYTES = 200
};

/* ---- writing ----------------------------------------------------------------------------------- */

/* The metadata and the tensors while they are gathered. Data and longer texts are borrowed. */
typedef struct vni_map_writing {
    vecna_tensor_text pairs[VNI_MAP_PAIRS];
    char keys[VNI_MAP_PAIRS][VNI_MAP_KEY_BYTES];
    char numbers[VNI_MAP_PAIRS][VNI_MAP_NUMBER_BYTES];
    size_t pair_count;
    vecna_tensor_entry entries[VNI_MAP_TENSORS];
    char names[VNI_MAP_TENSORS][VNI_MAP_KEY_BYTES];
    const void *data[VNI_MAP_TENSORS];
    size_t entry_count;
} vni_map_writing;

/* prefix and key are joined; the value of a text must outlive the writing. */
void vni_put_text(vni_map_writing *w, const char *prefix, const char *key, const char *value);
void vni_put_count(vni_map_writing *w, const char *prefix, const char *key, size_t value);
void vni_put_number(vni_map_writing *w, const char *prefix, const char *key, double value);
/* columns 0: one axis. data is little-endian, without holes, and must outlive the writing. */
void vni_put_tensor(vni_map_writing *w, const char *prefix, const char *name,
                    vecna_tensor_dtype dtype, size_t rows, size_t columns, const void *data);

/* ---- reading ----------------------------------------------------------------------------------- */

typedef struct vni_map_reading {
    const unsigned char *data; /* the whole file */
    size_t bytes;
    const char *name; /* of the file, for messages */
    vecna_safetensors *file;
    const vecna_allocator *allocator;
} vni_map_reading;

/* VECNA_ERR_FORMAT, "FILE: what". */
vecna_status vni_map_malformed(const vni_map_reading *r, const char *what, vecna_error *err);
/* 1 when the file has that key. */
int vni_has_key(const vni_map_reading *r, const char *prefix, const char *key);
/* The text is the file's. */
VECNA_CHECK vecna_status vni_get_text(const vni_map_reading *r, const char *prefix, const char *key,
                                      const char **out, vecna_error *err);
typedef struct vni_range {
    double least, most;
} vni_range;
VECNA_CHECK vecna_status vni_get_number(const vni_map_reading *r, const char *prefix,
                                        const char *key, vni_range range, double *out,
                                        vecna_error *err);
/* A whole number from 0 to most. */
VECNA_CHECK vecna_status vni_get_count(const vni_map_reading *r, const char *prefix,
                                       const char *key, double most, size_t *out, vecna_error *err);
/* The tensor, or NULL. */
const vecna_tensor_entry *vni_find_tensor(const vni_map_reading *r, const char *prefix,
                                          const char *name);

/* What a tensor must be; columns 0: one axis. */
typedef struct vni_tensor_form {
    vecna_tensor_dtype dtype;
    size_t rows, columns;
} vni_tensor_form;

/* A tensor of that form, copied out. Ask for memory only after vni_check_tensor has said that the
 * file has as much. F16, F32 and F64 must be finite. */
VECNA_CHECK vecna_status vni_check_tensor(const vni_map_reading *r, const char *prefix,
                                          const char *name, vni_tensor_form form, vecna_error *err);
VECNA_CHECK vecna_status vni_get_tensor(const vni_map_reading *r, const char *prefix,
                                        const char *name, vni_tensor_form form, void *out,
                                        vecna_error *err);

/* ---- sections ---------------------------------------------------------------------------------- */

typedef struct vni_map_section {
    const char *name; /* word for messages and for the key "needs" */
    /* 1 when the map has it and a program that does not know it must refuse the file, because it would
     * translate otherwise; NULL: never needed. */
    int (*needed)(const vecna_map *map);
    /* Put what the map has; nothing where it has none. */
    void (*write)(const vecna_map *map, vni_map_writing *w);
    /* Take it from a file; VECNA_OK and nothing where it has none. The map's dimensions, names and
     * numbers are set. Check everything: a checksum fits whoever makes it fit. */
    vecna_status (*read)(const vni_map_reading *r, vecna_map *map, vecna_error *err);
    /* Let what translates enter the hash that names a map; NULL: it does not translate. */
    uint64_t (*hash)(const vecna_map *map, uint64_t hash);
    /* Give back what the map has of it; once, also where it has none. */
    void (*release)(vecna_map *map, const vecna_allocator *allocator);
} vni_map_section;

extern const vni_map_section vni_map_spaces;     /* map_spaces.c: fingerprints of both spaces */
extern const vni_map_section vni_map_statistics; /* map_statistics.c: sums over the pairs */
extern const vni_map_section vni_map_kinds;      /* map_kinds.c: of these pairs, apart */
extern const vni_map_section vni_map_held;       /* map_held.c: held rows, confidence, scores */
extern const vni_map_section vni_map_memory;     /* map_memory.c: pairs that correct their near */

/* All, ended by NULL, in the order in which they are written. */
extern const vni_map_section *const vni_map_sections[];

#endif
