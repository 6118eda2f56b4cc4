/* What the text formats share: lists of numbers in a cell, field names, and errors that say the
 * line and the column. */
#ifndef VNI_FORMAT_TEXT_IMPL_H
#define VNI_FORMAT_TEXT_IMPL_H

#include "codec/codec_impl.h"
#include "format/format_impl.h"

/* Names that a vector's field has when the options name none, the likeliest first. NULL ends. */
extern const char *const vni_vector_names[];
/* Place of a name in that list, -1 when it is not in it. */
int vni_vector_name_rank(const char *name, size_t bytes);

/* UTF-8's mark at the very beginning of an input is skipped. */
vecna_status vni_text_skip_mark(vni_input *input, vecna_error *err);

/* Put "FILE line L column C: " before the message of `inner` (column 0: leave it out); the position
 * becomes the line, the status inner's. */
vecna_status vni_text_error(const vecna_reader *reader, uint64_t line, uint64_t column,
                            const vecna_error *inner, vecna_error *err);

/* A vector written as a list: "[0.1,0.2]", "{0.1,0.2}" or the numbers alone, with commas or blanks
 * or both between them, as pgvector, PostgreSQL's arrays, pandas and NumPy print them.
 *   out       (capacity); NULL counts only
 *   count     numbers in the list, those beyond capacity too
 *   returns   1 when it is such a list of at least one number; 0 with *bad the offset of what is
 *             not */
int vni_text_list(const char *text, size_t bytes, float *out, size_t capacity, size_t *count,
                  size_t *bad);
/* The same of a whole cell that must stand in brackets. */
int vni_text_is_list(const char *text, size_t bytes);

/* Float32 between this machine's byte order and little-endian, in place. */
void vni_swap_little_endian(float *values, size_t count);

/* The whole text is one number of the lenient grammar, blanks around it allowed. */
int vni_text_number(const char *text, size_t bytes, float *out);

/* The field's value, unescaped, is the text. */
int vni_field_is(const vecna_field *field, vecna_text text);

/* Text formats store float32 and nothing else. */
vecna_status vni_text_dtype(const vecna_writer *writer, vecna_error *err);

/* csv_write.c and jsonl_write.c: the writers' half of those formats. */
vecna_status vni_csv_begin(vecna_writer *writer, vecna_error *err);
vecna_status vni_tsv_begin(vecna_writer *writer, vecna_error *err);
vecna_status vni_csv_write(vecna_writer *writer, vecna_view rows, const vecna_record *records,
                           vecna_error *err);
vecna_status vni_csv_finish(vecna_writer *writer, vecna_error *err);
void vni_csv_abandon(vecna_writer *writer);
vecna_status vni_jsonl_begin(vecna_writer *writer, vecna_error *err);
vecna_status vni_jsonl_write(vecna_writer *writer, vecna_view rows, const vecna_record *records,
                             vecna_error *err);
void vni_jsonl_abandon(vecna_writer *writer);

/* Memory that grows with what a row needs, for composing it. */
typedef struct vni_room {
    char *data;
    size_t bytes, capacity;
} vni_room;

vecna_status vni_room_need(vni_room *room, size_t more, const vecna_allocator *allocator,
                           const char *name, vecna_error *err);
/* count numbers with `between` in front of all but the first; room must be enough: count *
 * (VECNA_NUMBER_BYTES + 1). */
void vni_room_floats(vni_room *room, const float *values, size_t count, char between);

#endif
