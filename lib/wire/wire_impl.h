/* What the files of wire share: reading a request field by field, collecting the rows of an answer,
 * and what each provider provides. */
#ifndef VNI_WIRE_IMPL_H
#define VNI_WIRE_IMPL_H

#include "vecna/wire.h"

#include <string.h>

enum { VNI_WIRE_DEPTH = 32, VNI_WIRE_DIM_MAX = 65536 };

/* A text is this literal. */
#define VNI_WIRE_LITERAL(string) ((vecna_wire_text){string, sizeof(string) - 1})

/* ---- requests in ----------------------------------------------------------------------------- */

/* One request being read. */
typedef struct vni_wire_parse {
    vecna_json json;
    vecna_arena *arena;
    vecna_wire_limits limits; /* zeros replaced */
    vecna_wire_request *out;  /* a draft: the caller's is written on success */
    vecna_wire_failure *failure;
    vecna_wire_input *inputs; /* those so far, out->inputs_count of capacity */
    size_t capacity;
    const char *field; /* the field that is being read, for messages */
    void *user;        /* the provider's own state */
} vni_wire_parse;

/* Takes the value whose first token was just read, and reads it to its end. */
typedef vecna_status vni_wire_take(vni_wire_parse *parse, const vecna_json_token *value);

typedef struct vni_wire_field {
    const char *name;
    vni_wire_take *take; /* NULL: known and ignored */
} vni_wire_field;

/* Read the members of an object whose OBJECT_BEGIN was the last token. A field that stands twice is
 * refused; null counts as absent; one not in `fields` (at most 64) is refused in the provider's
 * words, or ignored when limits.ignore_unknown. *seen (may be NULL) gets bit i for fields[i]. */
vecna_status vni_wire_object(vni_wire_parse *parse, const vni_wire_field *fields, size_t count,
                             uint64_t *seen);
/* 400 at the field that is being read, with OpenAI's code (NULL none). */
vecna_status vni_wire_refuse(vni_wire_parse *parse, const char *code, const char *format, ...)
    VECNA_PRINTF(3, 4);
vecna_status vni_wire_no_memory(vni_wire_parse *parse);
/* A scanner's error as a failure: 400 with its sentence. */
vecna_status vni_wire_scan_failed(vni_wire_parse *parse, vecna_status status,
                                  const vecna_error *err);
vecna_status vni_wire_next(vni_wire_parse *parse, vecna_json_token *out);
vecna_status vni_wire_skip(vni_wire_parse *parse, const vecna_json_token *value);

/* The value as a text, an integer in [low, high], a boolean; refused otherwise. */
vecna_status vni_wire_take_text(vni_wire_parse *parse, const vecna_json_token *value,
                                vecna_wire_text *out);
vecna_status vni_wire_take_integer(vni_wire_parse *parse, const vecna_json_token *value,
                                   int64_t low, int64_t high, int64_t *out);
vecna_status vni_wire_take_bool(vni_wire_parse *parse, const vecna_json_token *value, int *out);
/* A text that is one of a list of words (any case when `fold`); the number of it. */
vecna_status vni_wire_take_word(vni_wire_parse *parse, const vecna_json_token *value,
                                const char *const *words, size_t count, size_t *out);
/* The field "dimensions" under any of its names. */
vecna_status vni_wire_take_dim(vni_wire_parse *parse, const vecna_json_token *value);
vecna_status vni_wire_take_model(vni_wire_parse *parse, const vecna_json_token *value);
/* Room for one more input, zeroed; NULL after a failure was set (limit or memory). */
vecna_wire_input *vni_wire_add_input(vni_wire_parse *parse, vecna_status *status);
/* The text of an input; `empty_ok` as the provider has it. */
vecna_status vni_wire_add_text(vni_wire_parse *parse, const vecna_json_token *value, int empty_ok);

/* An input's text is within the limits. */
vecna_status vni_wire_check_text(vni_wire_parse *parse, vecna_wire_text text, int empty_ok);

/* Each reads the members of the body's object, whose OBJECT_BEGIN was the last token. */
typedef vecna_status vni_wire_request_parser(vni_wire_parse *parse);
vni_wire_request_parser vni_wire_openai_request;
vni_wire_request_parser vni_wire_google_request;
vni_wire_request_parser vni_wire_ollama_request;
vni_wire_request_parser vni_wire_cohere_request;

/* ---- answers out ----------------------------------------------------------------------------- */

/* How a provider lays out its answer: `begin`, for each form form_begin, for each row row_begin, the
 * row, row_end, then form_end, at last `end`. NULL where there is nothing to write. */
typedef struct vni_wire_layout {
    void (*begin)(const vecna_wire_request *, const vecna_wire_answer *, vecna_json_writer *);
    void (*form_begin)(unsigned form, vecna_json_writer *);
    void (*row_begin)(size_t row, vecna_json_writer *);
    void (*row_end)(size_t row, vecna_json_writer *);
    void (*form_end)(vecna_json_writer *);
    void (*end)(const vecna_wire_request *, const vecna_wire_answer *, vecna_json_writer *);
} vni_wire_layout;

extern const vni_wire_layout vni_wire_openai_layout;
extern const vni_wire_layout vni_wire_google_layout;
extern const vni_wire_layout vni_wire_ollama_layout;
extern const vni_wire_layout vni_wire_cohere_layout;

/* One vector in one form, as a JSON value. */
void vni_wire_write_form(const float *row, size_t dim, unsigned form, int base64,
                         vecna_json_writer *writer);
void vni_wire_write_text(vecna_wire_text text, vecna_json_writer *writer);
/* Prefix, text and suffix as one string. */
void vni_wire_write_input(const vecna_wire_input *input, vecna_json_writer *writer);

/* ---- upstream -------------------------------------------------------------------------------- */

/* Rows as they come in. */
typedef struct vni_wire_rows {
    const vecna_wire_expect *expect;
    vecna_arena *arena;
    vecna_matrix matrix; /* dim 0 until the first row is known */
    size_t count;        /* rows so far */
    size_t *places;      /* (rows) the index that each row came with */
    size_t indexed;      /* rows that came with one */
    int base64;
} vni_wire_rows;

/* An answer being read: the scanner, the rows and what else it says. */
typedef struct vni_wire_reading {
    vecna_json json;
    vni_wire_rows rows;
    vecna_wire_result *out;
    const char *body;
    size_t body_bytes;
} vni_wire_reading;

vecna_status vni_wire_rows_init(vni_wire_rows *rows, const vecna_wire_expect *expect,
                                vecna_arena *arena, vecna_error *err);
/* The row whose first token (an array of numbers or a base64 string) was just read. */
vecna_status vni_wire_rows_add(vni_wire_rows *rows, vecna_json *json, const vecna_json_token *value,
                               vecna_error *err);
/* All rows are in: count, order. */
vecna_status vni_wire_rows_finish(vni_wire_rows *rows, vecna_error *err);
/* An array of rows whose ARRAY_BEGIN was the last token. */
vecna_status vni_wire_rows_array(vni_wire_rows *rows, vecna_json *json, vecna_error *err);

/* Each writes the body of a request. */
typedef vecna_status vni_wire_ask(const vecna_wire_ask *ask, vecna_json_writer *writer,
                                  vecna_error *err);
vni_wire_ask vni_wire_openai_ask;
vni_wire_ask vni_wire_google_ask;
vni_wire_ask vni_wire_ollama_ask;
vni_wire_ask vni_wire_cohere_ask;
vni_wire_ask vni_wire_voyage_ask;
vni_wire_ask vni_wire_jina_ask;
vni_wire_ask vni_wire_mistral_ask;
vni_wire_ask vni_wire_tei_ask;
/* The inputs as an array of strings and of arrays of ids. */
void vni_wire_write_inputs(const vecna_wire_ask *ask, vecna_json_writer *writer);

/* Reads the value of a member of an answer, whose first token was just read. */
typedef vecna_status vni_wire_member(vni_wire_reading *reading, const vecna_json_token *key,
                                     const vecna_json_token *value, vecna_error *err);
/* The members of the object that `first` opens; the one named `wanted` must be there once. */
vecna_status vni_wire_answer_members(vni_wire_reading *reading, const vecna_json_token *first,
                                     const char *wanted, vni_wire_member *take, vecna_error *err);
/* Each reads the answer whose first token was just read, to its end. */
typedef vecna_status vni_wire_result(vni_wire_reading *reading, const vecna_json_token *first,
                                     vecna_error *err);
vni_wire_result vni_wire_openai_result;
vni_wire_result vni_wire_google_result;
vni_wire_result vni_wire_ollama_result;
vni_wire_result vni_wire_cohere_result;
vni_wire_result vni_wire_tei_result;
/* An object, whose OBJECT_BEGIN was the last token: its member `name` is the count of tokens. */
vecna_status vni_wire_read_count(vni_wire_reading *reading, const char *name, vecna_error *err);
/* The answer, that `first` begins, is not `wanted`: the error that it holds, or just that. */
vecna_status vni_wire_no_answer(const vni_wire_reading *reading, const vecna_json_token *first,
                                const char *wanted, vecna_error *err);

/* A KEY or STRING token as a text, in the arena when it has escapes. */
vecna_status vni_wire_text(const vecna_json_token *token, vecna_arena *arena, vecna_wire_text *out,
                           vecna_error *err);
/* A NUMBER token as a count: also "12.0"; 0 when it is none or below 0. */
int vni_wire_count(const vecna_json_token *token, uint64_t *out);
int vni_wire_same_letters(vecna_wire_text text, const char *word);

#endif
