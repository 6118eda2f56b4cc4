/* vecna/codec.h — bytes <-> values: decimal numbers, base64, UTF-8, JSON and the safetensors
 * container. Nothing here reads a file or a socket; `format`, `wire` and the maps stand on it.
 *
 * Conventions
 *   Text      A pointer and a count of bytes; no terminating NUL is needed, none is written unless
 *             said. The parsers never read behind the count.
 *   Views     A token and an entry borrow: they live as long as the text or the object they came
 *             from.
 *   Position  In an error: the byte offset in the text that was passed in, from 0.
 */
#ifndef VECNA_CODEC_H
#define VECNA_CODEC_H

#include "vecna/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- decimal numbers ----------------------------------------------------------------------- */

typedef enum vecna_number_grammar {
    VECNA_NUMBER_JSON = 0,   /* RFC 8259: no leading +, no bare point, no leading zeros, no words */
    VECNA_NUMBER_LENIENT = 1 /* also "+1", ".5", "5.", "007", and nan, inf, infinity in any case */
} vecna_number_grammar;

/* Read the number at the start of a text.
 *   text  bytes bytes, of any content; reading stops at the first byte that cannot continue the
 *         number, which is not an error here ("1.5,2" reads "1.5")
 *   out   the value; untouched when 0 comes back
 *   returns the bytes that the number takes, 0 when no number of the grammar stands at the start
 * Numerics: correctly rounded (nearest, ties to even) for any number of digits; what is too large
 *           becomes infinity, what is too small 0, with its sign. _f32 rounds once, from the
 *           decimal text to float32, not through float64.
 * Memory:   allocates nothing. Safe from any thread.
 * Errors:   none beside the 0; "1." in JSON reads nothing, "01" reads "0".
 * Source:   Lemire, "Number parsing at a gigabyte per second", 2021; Mushtak and Lemire, "Fast
 *           number parsing without fallback", 2023; integers of 4000 bits decide beyond 19 digits.
 *           Since 0.1. */
VECNA_API size_t vecna_number_parse_f32(const char *text, size_t bytes,
                                        vecna_number_grammar grammar, float *out);
VECNA_API size_t vecna_number_parse_f64(const char *text, size_t bytes,
                                        vecna_number_grammar grammar, double *out);

/* Enough for every number printed below; no NUL is written. */
#define VECNA_NUMBER_BYTES 32

/* Print the shortest decimal text that reads back to the same value.
 *   value   any; "nan", "inf" and "-inf" are printed for what JSON cannot say
 *   out     VECNA_NUMBER_BYTES of room
 *   returns the bytes written
 * Numerics: among the shortest texts the one nearest to the value. The layout is that of Python's
 *           repr: "0.1", "1.0", "1e-05", "1.5e+16"; exponents from 1e16 up and below 1e-4.
 * Memory:   allocates nothing. Safe from any thread.
 * Source:   Giulietti, "The Schubfach way to render doubles", 2021. Since 0.1. */
VECNA_API size_t vecna_number_print_f32(float value, char *out);
VECNA_API size_t vecna_number_print_f64(double value, char *out);

/* ---- base64 -------------------------------------------------------------------------------- */

/* Bytes of the text for `bytes` bytes, padding included; SIZE_MAX when that overflows. */
VECNA_API size_t vecna_base64_text_bytes(size_t bytes);

/* Encode with the standard alphabet and padding (RFC 4648 section 4).
 *   data  bytes bytes
 *   out   vecna_base64_text_bytes(bytes) characters; no NUL
 * Memory: allocates nothing; out must not overlap data. Safe from any thread. */
VECNA_API void vecna_base64_encode(const void *data, size_t bytes, char *out);

/* Decode strictly: standard alphabet, no white space, full padding, unused bits zero.
 *   text      text_bytes characters
 *   out       capacity bytes of room; text_bytes / 4 * 3 is always enough
 *   out_bytes the bytes decoded
 * Memory: allocates nothing. Safe from any thread. On failure out may hold part of the data,
 *         out_bytes is untouched.
 * Errors: VECNA_ERR_FORMAT with the offset of what is wrong; VECNA_ERR_OVERFLOW when the data does
 *         not fit into capacity.
 * Source: RFC 4648 sections 3.3, 3.5 and 4. Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_base64_decode(const char *text, size_t text_bytes,
                                                       void *out, size_t capacity,
                                                       size_t *out_bytes, vecna_error *err);

/* ---- UTF-8 --------------------------------------------------------------------------------- */

/* Bytes of the longest well-formed start of a text: `bytes` when all of it is UTF-8, otherwise the
 * offset of the first ill-formed sequence. Overlong forms, surrogates and code points above
 * U+10FFFF are ill-formed (Unicode 15, table 3-7). */
VECNA_API size_t vecna_utf8_valid_bytes(const char *text, size_t bytes);

/* ---- JSON in ------------------------------------------------------------------------------- */

typedef enum vecna_json_kind {
    VECNA_JSON_END = 0, /* the value is complete and only white space followed */
    VECNA_JSON_OBJECT_BEGIN = 1,
    VECNA_JSON_OBJECT_END = 2,
    VECNA_JSON_ARRAY_BEGIN = 3,
    VECNA_JSON_ARRAY_END = 4,
    VECNA_JSON_KEY = 5,    /* of an object member; its value is the next token */
    VECNA_JSON_STRING = 6, /* text is what stands between the quotes */
    VECNA_JSON_NUMBER = 7, /* text is the number as written */
    VECNA_JSON_TRUE = 8,
    VECNA_JSON_FALSE = 9,
    VECNA_JSON_NULL = 10
} vecna_json_kind;

typedef struct vecna_json_token {
    vecna_json_kind kind;
    int escaped;      /* 1 when a KEY or STRING holds a backslash: unescape before use */
    const char *text; /* borrowed from the text; without the quotes for KEY and STRING */
    size_t bytes;
} vecna_json_token;

/* The most that a scanner nests; more is refused. */
#define VECNA_JSON_DEPTH_MAX 512

/* A pull scanner over one JSON value in memory. A plain struct on the caller's stack: no
 * allocation, nothing to free. The fields are the scanner's own. */
typedef struct vecna_json {
    const char *text;
    size_t bytes;
    size_t at;                                   /* offset of the next byte to read */
    size_t depth;                                /* open objects and arrays */
    size_t depth_max;                            /* most that may be open */
    int expect;                                  /* what may come next */
    uint64_t objects[VECNA_JSON_DEPTH_MAX / 64]; /* bit d: depth d is an object */
} vecna_json;

/* Start over a text. depth_max 0 means 64; above VECNA_JSON_DEPTH_MAX it is cut to that. The text
 * must outlive the scanner and every token that it gives. */
VECNA_API void vecna_json_init(vecna_json *json, const char *text, size_t bytes, size_t depth_max);

/* The next token of the text, which must be strict RFC 8259 JSON in UTF-8.
 *   out  the token; VECNA_JSON_END once the value is complete, again and again
 * Memory: allocates nothing. Distinct scanners may be used from distinct threads.
 * Errors: VECNA_ERR_FORMAT at the offending byte; VECNA_ERR_TRUNCATED when the text ends inside the
 *         value (more bytes could complete it); VECNA_ERR_UNSUPPORTED beyond depth_max. After an
 *         error the scanner must not be asked again. Duplicate keys are the caller's to judge.
 * Source: RFC 8259. Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_json_next(vecna_json *json, vecna_json_token *out,
                                                   vecna_error *err);

/* Read on to the end of the value that starts with `first`, the token that was just read (no KEY,
 * no _END), checking all of it.
 *   raw  (may be NULL) the whole value as it stands in the text, quotes and brackets included
 * Errors: as vecna_json_next. */
VECNA_API VECNA_CHECK vecna_status vecna_json_skip(vecna_json *json, const vecna_json_token *first,
                                                   vecna_json_token *raw, vecna_error *err);

/* Read the numbers of a flat array whose ARRAY_BEGIN was the last token, and its end: the fast road
 * for embeddings.
 *   out       (capacity) correctly rounded float32; what is beyond float32's range becomes infinity
 *   count     numbers in the array
 * Errors: VECNA_ERR_DIM when the array has more than capacity numbers (the scanner then stands
 *         behind the first that does not fit); VECNA_ERR_FORMAT when an element is no number;
 *         VECNA_ERR_TRUNCATED as above. */
VECNA_API VECNA_CHECK vecna_status vecna_json_floats(vecna_json *json, float *out, size_t capacity,
                                                     size_t *count, vecna_error *err);

/* 1 when a KEY or STRING token, unescaped, is the NUL-terminated UTF-8 text. */
VECNA_API int vecna_json_is(const vecna_json_token *token, const char *text);

/* The text of a KEY or STRING token without escapes.
 *   out      token->bytes of room, which is always enough
 *   returns  the bytes written. \u0000 gives a NUL byte: the caller decides whether it minds. */
VECNA_API size_t vecna_json_unescape(const vecna_json_token *token, char *out);

/* A NUMBER token as an integer: 1 and *out set when it is one ("-12", not "1.0" or "1e3") and fits.
 */
VECNA_API int vecna_json_i64(const vecna_json_token *token, int64_t *out);

/* ---- JSON out ------------------------------------------------------------------------------ */

/* A growing text with a cap, into which JSON is written. Commas and colons come by themselves. The
 * first failure is kept and everything after it ignored, so that a caller looks once, at
 * _finish. Wrong nesting is a bug of the caller (an assertion). */
typedef struct vecna_json_writer {
    char *text; /* the JSON so far, bytes of it; no NUL */
    size_t bytes;
    size_t capacity;
    size_t bytes_max;
    vecna_allocator allocator_copy;
    const vecna_allocator *allocator;
    vecna_status failed; /* the first failure, VECNA_OK none */
    int comma;           /* a value stands before: the next one needs a comma */
    int key;             /* a key stands before: the next value belongs to it */
    size_t depth;
} vecna_json_writer;

/* Start empty. bytes_max 0 means 1 GiB. allocator NULL means malloc. _free gives the text back. */
VECNA_API void vecna_json_writer_init(vecna_json_writer *writer, size_t bytes_max,
                                      const vecna_allocator *allocator);
VECNA_API void vecna_json_writer_free(vecna_json_writer *writer);
/* Forget the text and the failure but keep the memory, for the next value. */
VECNA_API void vecna_json_writer_reset(vecna_json_writer *writer);
/* Errors: VECNA_ERR_MEMORY; VECNA_ERR_OVERFLOW beyond bytes_max; VECNA_ERR_FORMAT when a string was
 * not UTF-8. */
VECNA_API VECNA_CHECK vecna_status vecna_json_writer_finish(const vecna_json_writer *writer,
                                                            vecna_error *err);
/* The same in the middle of a value: what has failed so far. */
VECNA_API VECNA_CHECK vecna_status vecna_json_writer_so_far(const vecna_json_writer *writer,
                                                            vecna_error *err);
/* Forget the text that was written, which has been sent, and go on where it ends. */
VECNA_API void vecna_json_writer_drain(vecna_json_writer *writer);

VECNA_API void vecna_json_write_object_begin(vecna_json_writer *writer);
VECNA_API void vecna_json_write_object_end(vecna_json_writer *writer);
VECNA_API void vecna_json_write_array_begin(vecna_json_writer *writer);
VECNA_API void vecna_json_write_array_end(vecna_json_writer *writer);
/* A key, NUL-terminated or counted; the next value is its member's. */
VECNA_API void vecna_json_write_key(vecna_json_writer *writer, const char *key);
VECNA_API void vecna_json_write_key_bytes(vecna_json_writer *writer, const char *key, size_t bytes);
/* Strings are escaped as little as RFC 8259 allows; other UTF-8 stays as it is. NULL gives null. */
VECNA_API void vecna_json_write_string(vecna_json_writer *writer, const char *text);
VECNA_API void vecna_json_write_string_bytes(vecna_json_writer *writer, const char *text,
                                             size_t bytes);
VECNA_API void vecna_json_write_i64(vecna_json_writer *writer, int64_t value);
VECNA_API void vecna_json_write_u64(vecna_json_writer *writer, uint64_t value);
/* Shortest text that reads back; null for what JSON cannot say (NaN, infinities). */
VECNA_API void vecna_json_write_f64(vecna_json_writer *writer, double value);
VECNA_API void vecna_json_write_f32(vecna_json_writer *writer, float value);
VECNA_API void vecna_json_write_bool(vecna_json_writer *writer, int value);
VECNA_API void vecna_json_write_null(vecna_json_writer *writer);
/* An array of count float32. */
VECNA_API void vecna_json_write_floats(vecna_json_writer *writer, const float *values,
                                       size_t count);
/* A string of base64 over count bytes. */
VECNA_API void vecna_json_write_base64(vecna_json_writer *writer, const void *data, size_t bytes);
/* A whole JSON value as it is; the caller vouches for it. */
VECNA_API void vecna_json_write_raw(vecna_json_writer *writer, const char *json, size_t bytes);
/* Bytes outside the grammar (a newline between two values): no comma before, none after. */
VECNA_API void vecna_json_write_between(vecna_json_writer *writer, const char *text, size_t bytes);

/* ---- safetensors container ----------------------------------------------------------------- */

/* Element types of the container, by name and by bytes an element. */
#define VECNA_TENSOR_DTYPE_LIST(X)                                                                 \
    X(0, BOOL, 1)                                                                                  \
    X(1, U8, 1)                                                                                    \
    X(2, I8, 1)                                                                                    \
    X(3, F8_E5M2, 1)                                                                               \
    X(4, F8_E4M3, 1)                                                                               \
    X(5, I16, 2)                                                                                   \
    X(6, U16, 2)                                                                                   \
    X(7, F16, 2)                                                                                   \
    X(8, BF16, 2)                                                                                  \
    X(9, I32, 4)                                                                                   \
    X(10, U32, 4)                                                                                  \
    X(11, F32, 4)                                                                                  \
    X(12, F64, 8)                                                                                  \
    X(13, I64, 8)                                                                                  \
    X(14, U64, 8)

typedef enum vecna_tensor_dtype {
#define VECNA_TENSOR_DTYPE_ENUM(code, name, size) VECNA_TENSOR_##name = code,
    VECNA_TENSOR_DTYPE_LIST(VECNA_TENSOR_DTYPE_ENUM)
#undef VECNA_TENSOR_DTYPE_ENUM
} vecna_tensor_dtype;

/* "F32", and 4; "unknown" and 0 for others. Static. */
VECNA_API const char *vecna_tensor_dtype_name(vecna_tensor_dtype dtype);
VECNA_API size_t vecna_tensor_dtype_bytes(vecna_tensor_dtype dtype);

#define VECNA_TENSOR_RANK_MAX 8

typedef struct vecna_tensor_entry {
    const char *name; /* UTF-8, NUL-terminated, without NUL inside */
    vecna_tensor_dtype dtype;
    size_t rank; /* axes, 0 for a single number */
    uint64_t shape[VECNA_TENSOR_RANK_MAX];
    uint64_t begin; /* first byte of the data, from the start of the data section */
    uint64_t end;   /* one behind the last byte */
} vecna_tensor_entry;

typedef struct vecna_tensor_text { /* one pair of __metadata__; UTF-8, NUL-terminated */
    const char *key;
    const char *value;
} vecna_tensor_text;

/* A parsed header, one allocation. */
typedef struct vecna_safetensors {
    const vecna_tensor_entry *entries; /* in the order of their data; names are unique */
    size_t entries_count;
    const vecna_tensor_text *metadata; /* as in the header; keys are unique */
    size_t metadata_count;
    uint64_t data_offset; /* where the data section starts in the file */
    uint64_t data_bytes;  /* all of it; the file ends behind it */
} vecna_safetensors;

typedef struct vecna_safetensors_options {
    const vecna_allocator *allocator; /* NULL malloc */
    size_t header_bytes_max;          /* 0 means 100,000,000, as the original */
    size_t entries_max;               /* 0 means 100,000; also for the metadata */
    int unaligned_ok; /* accept data that does not start on a multiple of its element */
} vecna_safetensors_options;

/* The bytes from the start of the file that vecna_safetensors_parse needs.
 *   first       the first 8 bytes of the file
 *   file_bytes  the size of the file, UINT64_MAX when it is not known (a stream)
 *   options     may be NULL
 * Errors: VECNA_ERR_FORMAT when the length is nothing that a header has; VECNA_ERR_TRUNCATED when
 *         it goes beyond the file. */
VECNA_API VECNA_CHECK vecna_status vecna_safetensors_head_bytes(
    const unsigned char first[8], uint64_t file_bytes, const vecna_safetensors_options *options,
    size_t *head_bytes, vecna_error *err);

/* Parse a header and check all of it against the size of the file.
 *   head, head_bytes  the start of the file, at least vecna_safetensors_head_bytes of it; more
 *                     (the whole file) is fine
 *   file_bytes        as above
 *   options           may be NULL
 *   out               to be given back to vecna_safetensors_free; copies, nothing is borrowed
 * Memory: one allocation of at most about 30 times the header. Safe from any thread.
 * Errors: VECNA_ERR_TRUNCATED when the file ends before its data; VECNA_ERR_FORMAT for a header
 *         that is no UTF-8 JSON object of this form, duplicate names, offsets that overlap, leave
 *         a hole, disagree with the shape or are not aligned, sizes that overflow and bytes behind
 *         the data; VECNA_ERR_UNSUPPORTED for an element type unknown here, a rank above 8 or more
 *         entries than the cap; VECNA_ERR_MEMORY.
 * Source: github.com/huggingface/safetensors, README "Format". Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_safetensors_parse(const void *head, size_t head_bytes,
                                                           uint64_t file_bytes,
                                                           const vecna_safetensors_options *options,
                                                           vecna_safetensors **out,
                                                           vecna_error *err);
VECNA_API void vecna_safetensors_free(vecna_safetensors *file);

/* The entry of that name, the metadata value of that key; NULL when there is none. */
VECNA_API const vecna_tensor_entry *vecna_safetensors_find(const vecna_safetensors *file,
                                                           const char *name);
VECNA_API const char *vecna_safetensors_text(const vecna_safetensors *file, const char *key);

/* Print the start of a file: the 8 bytes of length and the header, padded with spaces so that the
 * data starts on a multiple of 8.
 *   entries   name, dtype, rank and shape are read; begin and end are set: the data lies without
 *             holes, larger elements first, otherwise in the order given
 *   metadata  metadata_count pairs, in the order given
 *   writer    empty, of the caller; on success its text is the start of the file
 * Errors: VECNA_ERR_ARGUMENT for a name that is empty, "__metadata__" or given twice, or a rank
 *         above 8; VECNA_ERR_OVERFLOW; VECNA_ERR_FORMAT for text that is not UTF-8;
 *         VECNA_ERR_MEMORY. */
VECNA_API VECNA_CHECK vecna_status vecna_safetensors_print(
    vecna_tensor_entry *entries, size_t entries_count, const vecna_tensor_text *metadata,
    size_t metadata_count, vecna_json_writer *writer, vecna_error *err);

#ifdef __cplusplus
}
#endif
#endif
