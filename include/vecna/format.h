/* vecna/format.h — vectors in files: one streaming reader and one streaming writer for every
 * format.
 *
 * Reading   vecna_reader_open tells the format by content, vecna_reader_read fills one block after
 *           the other, vecna_reader_close. A file of any size takes the memory of the blocks alive.
 * Writing   vecna_writer_open tells the format by the name of the file, vecna_writer_write takes
 *           rows, vecna_writer_commit makes the file appear; until then nothing is seen under its
 *           name, and vecna_writer_discard leaves no trace.
 * Between   Rows travel as float32. What else a row carries (id, text, any other field) travels as
 * a vecna_record, in the order of the file, and is written back unchanged where the format allows
 * it. docs/formats.md has the table. Since 0.1. */
#ifndef VECNA_FORMAT_H
#define VECNA_FORMAT_H

#include "vecna/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Most dimensions a vector may have: what is above is taken for a damaged file. */
#define VECNA_FORMAT_MAX_DIM ((size_t)1 << 20)
#define VECNA_FORMAT_MAX_INNER 7

/* Borrowed bytes, as a rule UTF-8, without a final NUL. data NULL: there is none. */
typedef struct vecna_text {
    const char *data;
    size_t bytes;
} vecna_text;

/* How the value of a field is spelled. */
typedef enum vecna_field_kind {
    VECNA_FIELD_JSON = 0, /* a JSON value as it stood in the file: "a\n", 5, {"x":1}, null */
    VECNA_FIELD_PLAIN = 1 /* plain text: a cell of a table, quotes and their doubling undone */
} vecna_field_kind;

/* One field of a row other than its vector. */
typedef struct vecna_field {
    vecna_text name; /* key or column name, unescaped; empty in a table without a header */
    vecna_text value;
    vecna_field_kind kind;
} vecna_field;

/* What a row carries beside its vector. Borrowed from its block. */
typedef struct vecna_record {
    vecna_text id;   /* the id field or the word, unescaped; data NULL when there is none */
    vecna_text text; /* the text field, unescaped; data NULL when there is none */
    const vecna_field *fields; /* all fields in file order, id and text too, the vector not */
    size_t field_count;        /* 0 where the format has words only */
    size_t vector_at; /* the vector stands before fields[vector_at]; field_count: it is the last */
} vecna_record;

/* How a text format spells a vector. A writer that copies the looks of its input keeps it. */
typedef enum vecna_layout {
    VECNA_LAYOUT_DEFAULT = 0, /* what the format does by itself: an array */
    VECNA_LAYOUT_ARRAY = 1,   /* [0.1, 0.2]; quoted in a table */
    VECNA_LAYOUT_COLUMNS = 2, /* a column each */
    VECNA_LAYOUT_BASE64 = 3   /* little-endian float32 in base64, as the OpenAI API can send them */
} vecna_layout;

/* What is known of an open file. Borrowed from its reader. */
typedef struct vecna_file_info {
    const char *format; /* name in vecna_format_list */
    int64_t rows;       /* -1: known at the end only */
    size_t dim;         /* floats a row, 1 .. VECNA_FORMAT_MAX_DIM */
    vecna_dtype dtype;  /* what it is stored as; VECNA_F32 where vecna_dtype has no name for it */
    const char *stored_as;    /* the same for people: "f32", "i64", "f64 big-endian", "text" */
    int has_records;          /* rows carry a vecna_record */
    const char *id_field;     /* name of the field that gives ids; NULL none */
    const char *text_field;   /* name of the field that gives texts; NULL none */
    const char *vector_field; /* name of the vector's field, column or tensor; NULL none */
    vecna_layout layout;      /* of the vector in a text format */
    char delimiter;           /* between cells of a table; 0 elsewhere */
    int has_header;           /* the first line names the columns */
    size_t inner[VECNA_FORMAT_MAX_INNER]; /* with any_axes: the axes behind the first, then zeros */
} vecna_file_info;

/* ---- formats ------------------------------------------------------------------------------- */

typedef struct vecna_format_info {
    const char *name;       /* what --format takes */
    const char *extensions; /* "csv" or "bin w2v", without dots; the first word is the usual one */
    const char *summary;    /* one line for --help */
} vecna_format_info;

/* Every format, in the order of the documentation, ended by NULL. Static. */
VECNA_API const vecna_format_info *const *vecna_format_list(void);

/* ---- reading ------------------------------------------------------------------------------- */

/* How to read. All zero: everything is told by the content. */
typedef struct vecna_format_options {
    const char *format;       /* a name of vecna_format_list; NULL told by content, then by name */
    size_t dim;               /* raw needs it; elsewhere a file of another dimension is refused */
    vecna_dtype dtype;        /* raw only: what the file is stored as */
    const char *id_field;     /* NULL: "id" */
    const char *text_field;   /* NULL: "text" */
    const char *vector_field; /* NULL: "embedding" and the other names of docs/formats.md */
    const char *tensor;       /* safetensors; NULL: its only tensor of two axes */
    int any_axes;          /* npy: an array of more than two axes is rows too, one for each entry of
                                 the first; vecna_file_info says how a row is shaped */
    size_t max_line_bytes; /* longest line or word of a text format; 0: 64 MiB */
    const vecna_allocator *allocator; /* copied; NULL malloc */
} vecna_format_options;

typedef struct vecna_reader vecna_reader;

/* Rows and what they carry. The fields are for reading; the memory behind them is the block's.
 * Several blocks may be alive at once and be used by different threads; a block may outlive the
 * reader that filled it (but not the bytes given to vecna_reader_open_memory). */
typedef struct vecna_block {
    vecna_view vectors;            /* finite or not, as stored; rows 0 at the end of the file */
    uint64_t first_row;            /* row number, from 0, of the first of them */
    const vecna_record *records;   /* vectors.rows of them; NULL when rows carry nothing else */
    struct vni_block_store *store; /* private */
} vecna_block;

VECNA_API VECNA_CHECK vecna_status vecna_block_new(const vecna_allocator *allocator,
                                                   vecna_block **out, vecna_error *err);
VECNA_API void vecna_block_free(vecna_block *block);

/* Open a file, or standard input for "-", and read as much of it as tells what it is.
 * Errors: VECNA_ERR_IO with the path and the system's reason; VECNA_ERR_FORMAT, _TRUNCATED,
 * _UNSUPPORTED with what is wrong with the file and the byte, line or row; VECNA_ERR_NOT_FOUND
 * when a format, field or tensor of that name does not exist; VECNA_ERR_ARGUMENT when the content
 * tells no format and the options name none; VECNA_ERR_DIM against options->dim;
 * VECNA_ERR_MEMORY. options NULL: the defaults. */
VECNA_API VECNA_CHECK vecna_status vecna_reader_open(const char *path,
                                                     const vecna_format_options *options,
                                                     vecna_reader **out, vecna_error *err);
/* The same over bytes that the caller keeps unchanged; name stands in messages and may have an
 * extension. */
VECNA_API VECNA_CHECK vecna_status vecna_reader_open_memory(const void *data, size_t bytes,
                                                            const char *name,
                                                            const vecna_format_options *options,
                                                            vecna_reader **out, vecna_error *err);
VECNA_API const vecna_file_info *vecna_reader_about(const vecna_reader *reader);

/* Fill a block with the next rows, at most max_rows (0: about 4 MiB of them); fewer than max_rows
 * only at the end. What the block held is gone, also on failure, when it is left with no rows.
 *   block->vectors  (rows, dim)  data aligned for float; the stride may be above dim
 * Numerics: f16 and bf16 widen exactly; f64 and wide integers round to the nearest float32 (beyond
 *           its range: infinity). Values are passed on as stored, NaN and infinity too.
 * Memory:   at most the block; where the file holds float32 in this machine's order the view is of
 *           the file itself, without a copy, so the file must not be cut while a block is alive.
 * Threads:  one call at a time on a reader.
 * Errors:   VECNA_ERR_FORMAT, _TRUNCATED, _DIM with the row or line; _IO, _MEMORY, _OVERFLOW. */
VECNA_API VECNA_CHECK vecna_status vecna_reader_read(vecna_reader *reader, vecna_block *block,
                                                     size_t max_rows, vecna_error *err);
VECNA_API void vecna_reader_close(vecna_reader *reader);

/* ---- writing ------------------------------------------------------------------------------- */

/* How to write. dim must be set; everything else zero: float32, told by the name of the file. */
typedef struct vecna_writer_options {
    const char *format;          /* a name of vecna_format_list; NULL told by the extension */
    size_t dim;                  /* floats a row */
    vecna_dtype dtype;           /* VECNA_F32, or another that the format can store */
    uint64_t rows;               /* how many will be written; 0: not known */
    const vecna_file_info *like; /* the input whose names and looks to keep; NULL none */
    const char *id_field;        /* names in the output; NULL: as `like` has, else the defaults */
    const char *text_field;
    const char *vector_field;
    const char *tensor;               /* safetensors; NULL: as `like` has, else "embeddings" */
    vecna_layout layout;              /* of the vector in a text format; 0: as `like` has */
    const vecna_allocator *allocator; /* copied; NULL malloc */
} vecna_writer_options;

typedef struct vecna_writer vecna_writer;

/* Start a file, or standard output for "-" (which needs a format). `options` and what it points to
 * are used during the call only.
 * Errors: VECNA_ERR_ARGUMENT for a dim outside 1 .. VECNA_FORMAT_MAX_DIM or a name that tells no
 * format; VECNA_ERR_NOT_FOUND for a format that does not exist; VECNA_ERR_UNSUPPORTED for a dtype
 * that the format cannot store; VECNA_ERR_IO, _MEMORY. */
VECNA_API VECNA_CHECK vecna_status vecna_writer_open(const char *path,
                                                     const vecna_writer_options *options,
                                                     vecna_writer **out, vecna_error *err);
/* Append rows. records: NULL, or one a row; formats without room for a field leave it out, and rows
 * without an id or word get their row number, from 0, where the format needs one.
 * Errors: VECNA_ERR_DIM when rows.dim is not the writer's; VECNA_ERR_VALUE with the row for what
 * the dtype cannot hold (a fraction in an integer format); VECNA_ERR_IO. After a failure only
 * vecna_writer_discard makes sense. */
VECNA_API VECNA_CHECK vecna_status vecna_writer_write(vecna_writer *writer, vecna_view rows,
                                                      const vecna_record *records,
                                                      vecna_error *err);
/* Complete the header and make the file appear; the writer is freed whatever happens. A stream
 * whose header needs the number of rows, and was opened without it, is kept in a temporary file
 * until now. Errors: VECNA_ERR_FORMAT when options.rows was promised and other rows came to a
 * stream; VECNA_ERR_IO. */
VECNA_API VECNA_CHECK vecna_status vecna_writer_commit(vecna_writer *writer, vecna_error *err);
/* Forget it all; NULL-safe. */
VECNA_API void vecna_writer_discard(vecna_writer *writer);

#ifdef __cplusplus
}
#endif
#endif
