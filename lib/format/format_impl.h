/* What the files of format/ share: the input with its window, the store of a block, and the table
 * of functions that each format fills in. */
#ifndef VNI_FORMAT_IMPL_H
#define VNI_FORMAT_IMPL_H

#include "vecna/format.h"

/* ---- input.c: bytes of a file, a stream or memory -------------------------------------------- */

typedef struct vni_input {
    const vecna_allocator *allocator;
    const char *name;            /* for messages */
    int descriptor;              /* -1 for memory */
    int owned;                   /* close the descriptor */
    int seekable;                /* a regular file or memory: `size` is known and windows work */
    uint64_t size;               /* bytes in all, when seekable */
    const unsigned char *memory; /* all of it, or NULL */
    unsigned char *buffer;
    size_t begin, end, capacity; /* buffer[begin .. end) has been read and not used */
    uint64_t position;           /* of buffer[begin] in the input */
    int at_end;                  /* nothing comes after buffer[end) */
    uint64_t line;               /* lines handed out by vni_input_line */
} vni_input;

vecna_status vni_input_open(vni_input *input, const char *path, vecna_error *err);
void vni_input_open_memory(vni_input *input, const void *data, size_t bytes);
void vni_input_close(vni_input *input);

/* See at least `bytes` bytes from the position on, fewer only when the input ends before: *data and
 * *available, valid until the next call. The buffer grows to that size. */
vecna_status vni_input_peek(vni_input *input, size_t bytes, const unsigned char **data,
                            size_t *available, vecna_error *err);
/* Use `bytes` of the bytes that the last peek showed. */
void vni_input_skip(vni_input *input, size_t bytes);
/* Copy the next `bytes` bytes; *got is less only at the end. */
vecna_status vni_input_read(vni_input *input, void *out, size_t bytes, size_t *got,
                            vecna_error *err);
/* The next line without its \n or \r\n, valid until the next call; *more 0 at the end. A line of
 * more than max_bytes is VECNA_ERR_FORMAT. input->line is its number, from 1. */
vecna_status vni_input_line(vni_input *input, size_t max_bytes, vecna_text *line, int *more,
                            vecna_error *err);
/* Copy exactly `bytes` bytes at `offset`, the position unmoved. Seekable inputs only. */
vecna_status vni_input_read_at(vni_input *input, uint64_t offset, void *out, size_t bytes,
                               vecna_error *err);

/* Bytes of a file in memory without a copy. The window may outlive the input (memory: not). */
typedef struct vni_window {
    void *base; /* what is mapped; NULL nothing */
    size_t mapped_bytes;
    const unsigned char *data;
} vni_window;

vecna_status vni_input_window(vni_input *input, uint64_t offset, size_t bytes, vni_window *window,
                              vecna_error *err);
void vni_window_close(vni_window *window);

/* ---- block.c: the memory of a block ---------------------------------------------------------- */

/* All of these are for a format's `read`, which starts with an empty block. The core counts
 * first_row; the format sets vectors (with vni_block_floats or by hand) and, with records, records.
 */

/* Empty it, its memory kept. The core calls this before `read`. */
void vni_block_clear(vecna_block *block);
/* Room for rows * dim floats, 64-byte aligned; vectors becomes that memory with rows 0. Add to
 * vectors.rows what has been filled. */
vecna_status vni_block_floats(vecna_block *block, size_t rows, size_t dim, float **out,
                              vecna_error *err);
/* Room for rows records, zeroed; block->records is set to it. */
vecna_status vni_block_records(vecna_block *block, size_t rows, vecna_record **out,
                               vecna_error *err);
/* Memory that stays put until the block is filled again, aligned for pointers. */
vecna_status vni_block_take(vecna_block *block, size_t bytes, void **out, vecna_error *err);
/* A copy of text in such memory. */
vecna_status vni_block_text(vecna_block *block, const void *data, size_t bytes, vecna_text *out,
                            vecna_error *err);
/* The window is the block's from now on. */
void vni_block_window(vecna_block *block, vni_window window);

/* ---- what a format is ------------------------------------------------------------------------ */

/* The beginning of an input, for detection. */
typedef struct vni_head {
    const unsigned char *data; /* at least 4 KiB unless the input is shorter */
    size_t bytes;
    int whole;             /* data is all of the input */
    int64_t size;          /* of the input, -1 not known */
    const char *extension; /* of its name, lower case, "" none */
} vni_head;

/* How sure detect is. Equal answers are decided by the extension, then by the order of the table.
 */
enum { VNI_NO = 0, VNI_MAYBE = 1, VNI_LIKELY = 2, VNI_CERTAIN = 3 };

struct vecna_reader {
    const vecna_allocator *allocator;
    vecna_allocator allocator_copy;
    const struct vni_format *format;
    vecna_format_options
        options;          /* defaults filled in (max_line_bytes); strings are the reader's */
    vecna_file_info info; /* open fills in what differs from zero and rows -1 */
    vni_input input;
    uint64_t next_row; /* rows handed out */
    char *strings;     /* the copies of the options' strings */
    void *state;       /* the format's own */
};

struct vecna_writer {
    const vecna_allocator *allocator;
    vecna_allocator allocator_copy;
    const struct vni_format *format;
    vecna_writer_options
        options;         /* as given, names resolved; strings are the writer's; like NULL */
    char delimiter;      /* `like`'s, 0 none */
    int like_has_header; /* `like`'s; -1 when there is no `like` of the same kind */
    int like_has_records;
    uint64_t rows;    /* written so far */
    const char *name; /* for messages */
    vecna_outfile *file;
    int spool;             /* descriptor of the temporary file, -1 none */
    unsigned char *buffer; /* of the spool */
    size_t buffered;
    uint64_t spooled; /* bytes in the spool's file */
    char *strings;
    void *state; /* the format's own */
};

/* A format. Functions that are NULL mean: nothing to do (close, finish, abandon). Messages name the
 * file by reader->input.name or writer->name. */
typedef struct vni_format {
    vecna_format_info info;
    int (*detect)(const vni_head *head); /* NULL: by name only */
    /* Read the header or peek at the first row, check it against options.dim, fill in info. When it
     * fails, close is called all the same. */
    vecna_status (*open)(vecna_reader *reader, vecna_error *err);
    /* At most max_rows rows (above 0, at most what info.rows leaves) into an empty block; none at
     * the end. */
    vecna_status (*read)(vecna_reader *reader, vecna_block *block, size_t max_rows,
                         vecna_error *err);
    void (*close)(vecna_reader *reader); /* free state */
    /* writer->options is complete; write what comes before the rows. */
    int counts_rows; /* the header has the number of rows */
    vecna_status (*begin)(vecna_writer *writer, vecna_error *err);
    /* rows.dim is right; records may be NULL. writer->rows is the number of the first of them. */
    vecna_status (*write)(vecna_writer *writer, vecna_view rows, const vecna_record *records,
                          vecna_error *err);
    vecna_status (*finish)(vecna_writer *writer, vecna_error *err); /* patch the header */
    void (*abandon)(vecna_writer *writer); /* free state; called after finish too */
} vni_format;

extern const vni_format vni_format_npy;
extern const vni_format vni_format_fvecs;
extern const vni_format vni_format_bvecs;
extern const vni_format vni_format_ivecs;
extern const vni_format vni_format_safetensors;
extern const vni_format vni_format_jsonl;
extern const vni_format vni_format_csv;
extern const vni_format vni_format_tsv;
extern const vni_format vni_format_word2vec;
extern const vni_format vni_format_word2vec_text;
extern const vni_format vni_format_fasttext;
extern const vni_format vni_format_glove;
extern const vni_format vni_format_raw;

/* strings.c. Bytes that a copy of text takes (0 for NULL); copy it to *end and move on (NULL for
 * NULL).
 */
size_t vni_kept_bytes(const char *text);
const char *vni_keep(char **end, const char *text);
/* Extension of a path in lower case, "" none; `out` has at least 16 bytes. */
void vni_path_extension(const char *path, char *out);
/* The word stands among the words (spaces between) of the list. */
int vni_word_in(const char *word, const char *list);

/* 1 when the start of a file is that of something else: compressed, Parquet, a database ... */
int vni_format_is_foreign(const vni_head *head);

/* detect.c. The format of that name. */
vecna_status vni_format_by_name(const char *name, const vni_format **out, vecna_error *err);
/* What the head looks like; NULL when it looks like nothing known. */
const vni_format *vni_format_by_content(const vni_head *head);
const vni_format *vni_format_by_extension(const char *extension);
/* Why nothing fits: a known foreign format with advice, or the list of names. */
vecna_status vni_format_unknown(const vni_head *head, const char *name, vecna_error *err);

/* reader.c. The dimension that a file claims, against the limits and options.dim. */
vecna_status vni_reader_dim(vecna_reader *reader, uint64_t dim, vecna_error *err);

/* writer.c. Where a format sends its bytes, and how it corrects bytes sent before. */
vecna_status vni_writer_put(vecna_writer *writer, const void *data, size_t bytes, vecna_error *err);
vecna_status vni_writer_patch(vecna_writer *writer, uint64_t offset, const void *data, size_t bytes,
                              vecna_error *err);
/* The word or id that a row goes by: its id, else its text, else its number (into `number`, at
 * least 24 bytes). */
vecna_text vni_writer_word(const vecna_record *record, uint64_t row, char *number);

/* ---- numbers.c: stored numbers to float32 and back ------------------------------------------- */

typedef enum vni_element {
    VNI_F32,
    VNI_F16,
    VNI_BF16,
    VNI_F64,
    VNI_I8,
    VNI_U8,
    VNI_I16,
    VNI_U16,
    VNI_I32,
    VNI_U32,
    VNI_I64,
    VNI_U64
} vni_element;

/* Bytes of one; its name, also for the other byte order; the vecna_dtype next to it. */
size_t vni_element_bytes(vni_element element);
const char *vni_element_name(vni_element element, int big_endian);
vecna_dtype vni_element_dtype(vni_element element);
/* The element that stores a dtype; 0 when it is VECNA_BIT. */
int vni_element_of(vecna_dtype dtype, vni_element *out);

/* count stored numbers (any alignment; big_endian: most significant byte first) to floats. */
void vni_to_floats(float *out, const void *data, size_t count, vni_element element, int big_endian);
/* The opposite, little-endian. VECNA_ERR_VALUE, with the index in *bad, for a fraction or a value
 * beyond an integer's range; f16 and f64 take everything (f16 beyond 65504: infinity). */
vecna_status vni_from_floats(void *out, const float *data, size_t count, vni_element element,
                             size_t *bad);
/* The element for options.dtype, which must stand among the names in dtypes ("f32 f16 f64"). */
vecna_status vni_writer_element(const vecna_writer *writer, const char *dtypes, vni_element *out,
                                vecna_error *err);
/* Append rows as little-endian numbers with `prefix_bytes` bytes before each. */
vecna_status vni_writer_put_rows(vecna_writer *writer, vecna_view rows, vni_element element,
                                 const void *prefix, size_t prefix_bytes, vecna_error *err);

/* ---- dense.c: a matrix of numbers at an offset of the input ---------------------------------- */

typedef struct vni_dense {
    uint64_t offset; /* of the first row; a stream stands there */
    uint64_t rows;   /* UINT64_MAX: until the input ends */
    size_t dim;
    vni_element element;
    int big_endian;
    int fortran;       /* columns one after the other */
    size_t prefix;     /* bytes before each row */
    int trailing;      /* bytes after the last row are no error */
    uint64_t next_row; /* rows read */
    void *tile;        /* a window of rows, for Fortran order and conversion */
    size_t tile_bytes;
    float *cache; /* Fortran order: rows [cache_first, cache_first + cache_rows) */
    uint64_t cache_first;
    size_t cache_rows, cache_capacity;
} vni_dense;

/* Check the claim (offset, rows, dim, prefix) against the size of the input; rows UINT64_MAX
 * becomes the number of rows when the size is known. Sets info.rows, dim, dtype, stored_as. */
vecna_status vni_dense_open(vni_dense *dense, vecna_reader *reader, vecna_error *err);
vecna_status vni_dense_read(vni_dense *dense, vecna_reader *reader, vecna_block *block,
                            size_t max_rows, vecna_error *err);
void vni_dense_close(vni_dense *dense, vecna_reader *reader);

/* ---- word2vec.c: shared with the text formats ------------------------------------------------ */

/* "ROWS DIM\n" at the beginning of data: 1 and what it says; any numbers, unchecked. */
int vni_word2vec_first_line(const unsigned char *data, size_t bytes, uint64_t *rows, uint64_t *dim,
                            size_t *line_bytes);
/* After that line: the first word is followed by binary floats, not by decimal text. */
int vni_word2vec_is_binary(const unsigned char *data, size_t bytes, size_t dim);
/* A word of a format that separates by space: spaces and control bytes become '_'. */
vecna_status vni_writer_put_word(vecna_writer *writer, vecna_text word, vecna_error *err);

#endif
