/* States of trainers on disk, whatever they hold. */
#ifndef VNI_STATE_IMPL_H
#define VNI_STATE_IMPL_H

#include "vecna/text.h"

/* Rows of bytes in memory; between rows there may be room. */
typedef struct vni_state_part {
    const char *name;
    void *data;
    size_t rows, row_bytes, stride_bytes; /* row_bytes is a multiple of 4 */
} vni_state_part;

enum { VNI_STATE_PARTS = 8 };

/* A safetensors container: a tensor of 32-bit words a part, `options` as its metadata; it replaces an
 * earlier file when it is whole. */
vecna_status vni_state_save(const char *path, const char *options, const vni_state_part *parts,
                            size_t count, const vecna_allocator *allocator, vecna_error *err);
/* Fills the parts from a file that has the same options and shapes. On failure they may be half
 * filled. Errors: VECNA_ERR_ARGUMENT with both options when they differ. */
vecna_status vni_state_load(const char *path, const char *options, const vni_state_part *parts,
                            size_t count, const vecna_allocator *allocator, vecna_error *err);

/* The options of a file, NUL-terminated, into room of `bytes`; the bytes of all its parts, so that nothing
 * is allocated for parts which options of a damaged file make up. Errors: VECNA_ERR_FORMAT for another
 * file. */
vecna_status vni_state_options(const char *path, char *out, size_t bytes, uint64_t *data_bytes,
                               const vecna_allocator *allocator, vecna_error *err);

/* A vocabulary as lines of "count word", padded with zeros to whole 32-bit words, to be released; NULL
 * when memory is short. */
char *vni_state_print_words(const vecna_vocab *vocab, const vecna_allocator *allocator,
                            size_t *text_words);
/* The same back: `numbers` different words. *out is to be freed after a failure too.
 * Errors: VECNA_ERR_FORMAT for other lines; VECNA_ERR_MEMORY. */
vecna_status vni_state_take_words(const char *text, size_t bytes, size_t numbers,
                                  const vecna_allocator *allocator, vecna_vocab **out,
                                  vecna_error *err);

#endif
