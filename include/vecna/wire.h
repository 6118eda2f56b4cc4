/* vecna/wire.h — what embedding providers say to each other, as structs: JSON and base64 bodies of
 * requests, answers, errors and model lists. Pure: bytes in, bytes out, no sockets, no clocks. A
 * server reads what clients send and answers them in their own form; a client of model servers
 * writes requests and reads answers. docs/protocols.md says per provider what is honoured, refused
 * and ignored.
 *
 * A server, one request:
 *   vecna_wire_route_parse     method and path -> endpoint, map, model
 *   vecna_wire_request_parse   body -> one neutral request
 *   ... vectors are made ...
 *   vecna_wire_answer_write    vectors -> body, piece by piece if wanted
 *   vecna_wire_failure_write   or what went wrong, in the provider's shape; _status, _headers
 * A client of a model server:
 *   vecna_wire_ask_path, vecna_wire_ask_write   neutral inputs -> path and body
 *   vecna_wire_result_read                      answer -> checked rows in the order of the inputs
 *   vecna_wire_failure_read                     or the server's error, made neutral
 *
 * Conventions
 *   Arena    Whatever a function makes lives in the arena it is given, until that is reset; texts
 *            without escapes are views into the body, which must outlive the result.
 *   Failure  Functions that judge a client's request fill a vecna_wire_failure (an error with what
 *            HTTP needs beside it) instead of a vecna_error. It may not be NULL.
 *   Threads  No state but the caller's; distinct arenas may be used at once.
 *   Limits   JSON is strict RFC 8259 in UTF-8, nested at most 32 deep. A key that matters and stands
 *            twice is refused.
 */
#ifndef VECNA_WIRE_H
#define VECNA_WIRE_H

#include "vecna/base.h"
#include "vecna/codec.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A borrowed text: bytes of UTF-8, no NUL behind it; {NULL, 0} is none. */
typedef struct vecna_wire_text {
    const char *data;
    size_t bytes;
} vecna_wire_text;

/* The text of a NUL-terminated string; NULL gives none. */
VECNA_API vecna_wire_text vecna_wire_text_of(const char *string);
/* 1 when the text is the NUL-terminated string. */
VECNA_API int vecna_wire_text_is(vecna_wire_text text, const char *string);

/* Who speaks: decides the shape of answers and errors, and what is sent upstream. Every server that
 * copies OpenAI's /v1/embeddings is VECNA_WIRE_OPENAI: LM Studio, vLLM, llama-server, infinity,
 * LocalAI, Azure, Jina and Mistral as upstreams too, as long as only their common fields are used. */
typedef enum vecna_wire_dialect {
    VECNA_WIRE_OPENAI = 0,
    VECNA_WIRE_GOOGLE = 1,
    VECNA_WIRE_OLLAMA = 2,
    VECNA_WIRE_COHERE = 3,
    VECNA_WIRE_VOYAGE = 4,
    VECNA_WIRE_JINA = 5,
    VECNA_WIRE_MISTRAL = 6,
    VECNA_WIRE_TEI = 7 /* upstream only */
} vecna_wire_dialect;

/* "openai" ...; NULL for others. And back: 1 and *out set when the name (any case) is one of them.
 */
VECNA_API const char *vecna_wire_dialect_name(vecna_wire_dialect dialect);
VECNA_API int vecna_wire_dialect_find(const char *name, vecna_wire_dialect *out);

/* ---- what went wrong, with what HTTP needs ------------------------------------------------- */

/* class: HTTP status, OpenAI's error type, Google's status word */
#define VECNA_WIRE_FAILURE_LIST(X)                                                                 \
    X(INVALID, 400, "invalid_request_error", "INVALID_ARGUMENT")                                   \
    X(UNAUTHORIZED, 401, "invalid_request_error", "UNAUTHENTICATED")                               \
    X(FORBIDDEN, 403, "invalid_request_error", "PERMISSION_DENIED")                                \
    X(NOT_FOUND, 404, "invalid_request_error", "NOT_FOUND")                                        \
    X(METHOD, 405, "invalid_request_error", "INVALID_ARGUMENT")                                    \
    X(TIMEOUT, 408, "server_error", "DEADLINE_EXCEEDED")                                           \
    X(CONFLICT, 409, "invalid_request_error", "ABORTED")                                           \
    X(TOO_LARGE, 413, "invalid_request_error", "INVALID_ARGUMENT")                                 \
    X(MEDIA, 415, "invalid_request_error", "INVALID_ARGUMENT")                                     \
    X(UNPROCESSABLE, 422, "invalid_request_error", "INVALID_ARGUMENT")                             \
    X(RATE_LIMIT, 429, "rate_limit_error", "RESOURCE_EXHAUSTED")                                   \
    X(INTERNAL, 500, "server_error", "INTERNAL")                                                   \
    X(UNIMPLEMENTED, 501, "server_error", "UNIMPLEMENTED")                                         \
    X(UPSTREAM, 502, "server_error", "UNAVAILABLE")                                                \
    X(UNAVAILABLE, 503, "server_error", "UNAVAILABLE")                                             \
    X(UPSTREAM_TIMEOUT, 504, "server_error", "DEADLINE_EXCEEDED")

typedef enum vecna_wire_failure_class {
#define VECNA_WIRE_FAILURE_ENUM(name, status, type, google) VECNA_WIRE_##name,
    VECNA_WIRE_FAILURE_LIST(VECNA_WIRE_FAILURE_ENUM)
#undef VECNA_WIRE_FAILURE_ENUM
} vecna_wire_failure_class;

/* An error that a client will see, or that an upstream sent. Copies, nothing is borrowed. */
typedef struct vecna_wire_failure {
    vecna_error error;                 /* status and the sentence */
    vecna_wire_failure_class category; /* decides status, type and whether a retry may help */
    vecna_wire_dialect dialect;        /* whose shape it is printed in */
    char param[64];                    /* the field at fault, "" none */
    char code[48];                     /* OpenAI's code ("model_not_found"), "" none */
    int64_t retry_after_ms;            /* when to come again, -1 not told */
    int final;  /* 1: asking again would not help (or we already have): x-should-retry: false */
    int unread; /* 1: the body, which would tell Voyage, Jina and Mistral from OpenAI, was not read:
                   OpenAI's shape then has the others' "detail" and "message" beside it */
} vecna_wire_failure;

/* Fill a failure: dialect and unread are kept, param and code are emptied, retry_after_ms is -1, final is 1 for
 * what is the client's fault. Returns a status that suits the class, so that a failing function can
 * `return` it in one line. */
VECNA_API vecna_status vecna_wire_failure_set(vecna_wire_failure *failure,
                                              vecna_wire_failure_class category, const char *format,
                                              ...) VECNA_PRINTF(3, 4);

/* The HTTP status ("429" as 429), and 1 when the same request may succeed later (408, 409, 429, 5xx
 * except 501). */
VECNA_API int vecna_wire_failure_status(const vecna_wire_failure *failure);
VECNA_API int vecna_wire_failure_is_temporary(const vecna_wire_failure *failure);

/* Print the error body of failure->dialect.
 *   OpenAI   {"error":{"message","type","param","code"}}    Google  {"error":{"code","message",
 *   "status"}}   Ollama {"error":"..."}   Cohere {"message"}   Voyage and Jina {"detail":"..."}
 *   Mistral  {"object":"error","message","type","param","code"}   TEI {"error","error_type"}
 * Errors: of the writer, kept in it (vecna_json_writer_finish). */
VECNA_API void vecna_wire_failure_write(const vecna_wire_failure *failure,
                                        vecna_json_writer *writer);

/* One header line of an answer, without the line end; both NUL-terminated. */
typedef struct vecna_wire_header {
    const char *name; /* static, lower case */
    char value[32];
} vecna_wire_header;

/* The headers that belong to an error: retry-after (whole seconds, rounded up, at least 1) and
 * retry-after-ms when a time is told, x-should-retry: false when `final`, www-authenticate for 401.
 *   returns how many of the (at most 4) were written to out. */
VECNA_API size_t vecna_wire_failure_headers(const vecna_wire_failure *failure,
                                            vecna_wire_header out[4]);

/* Headers of an upstream's error answer that say when to come again; {NULL, 0} for those absent. */
typedef struct vecna_wire_retry {
    vecna_wire_text retry_after;    /* seconds or an HTTP date */
    vecna_wire_text retry_after_ms; /* OpenAI */
    vecna_wire_text should_retry;   /* x-should-retry */
    int64_t now;                    /* Unix time, for dates; 0: dates are ignored */
} vecna_wire_retry;

/* Read the error answer of any provider, whatever its shape (all those above, FastAPI's "detail"
 * lists, plain text, HTML).
 *   http_status  of the answer; decides the class
 *   body         bytes bytes of anything
 *   retry        may be NULL
 *   out          message (of the provider, control characters removed), class, param, code, retry
 *                hint (headers first, then Google's RetryInfo), final. dialect is untouched.
 * Memory: allocates nothing. Cannot fail: a body that says nothing gives "HTTP 502". Since 0.1. */
VECNA_API void vecna_wire_failure_read(int http_status, const char *body, size_t bytes,
                                       const vecna_wire_retry *retry, vecna_wire_failure *out);

/* ---- which request it is -------------------------------------------------------------------- */

typedef enum vecna_wire_endpoint {
    VECNA_WIRE_NOWHERE = 0,
    VECNA_WIRE_OPENAI_EMBEDDINGS,  /* POST /v1/embeddings, /embeddings; Voyage, Jina, Mistral too */
    VECNA_WIRE_AZURE_EMBEDDINGS,   /* POST /openai/deployments/D/embeddings */
    VECNA_WIRE_OPENAI_MODELS,      /* GET /v1/models */
    VECNA_WIRE_OPENAI_MODEL,       /* GET /v1/models/M */
    VECNA_WIRE_GOOGLE_EMBED,       /* POST /v1beta|v1/models/M:embedContent */
    VECNA_WIRE_GOOGLE_BATCH_EMBED, /* POST ...:batchEmbedContents */
    VECNA_WIRE_GOOGLE_MODELS,      /* GET /v1beta/models */
    VECNA_WIRE_GOOGLE_MODEL,       /* GET /v1beta/models/M */
    VECNA_WIRE_OLLAMA_EMBED,       /* POST /api/embed */
    VECNA_WIRE_OLLAMA_EMBEDDINGS,  /* POST /api/embeddings */
    VECNA_WIRE_OLLAMA_TAGS,        /* GET /api/tags */
    VECNA_WIRE_OLLAMA_SHOW,        /* POST /api/show */
    VECNA_WIRE_OLLAMA_VERSION,     /* GET /api/version */
    VECNA_WIRE_COHERE_EMBED        /* POST /v2/embed */
} vecna_wire_endpoint;

typedef struct vecna_wire_route {
    vecna_wire_endpoint endpoint;
    vecna_wire_dialect dialect; /* shape of answers; a body may still show it to be Voyage's ... */
    vecna_wire_text map;   /* NAME of /map/NAME/..., percent-decoded; none without that prefix */
    vecna_wire_text model; /* of the path, decoded, without "models/"; none if the path has none */
} vecna_wire_route;

/* Tell the endpoint of a request line.
 *   method   "GET", "POST" ...; HEAD counts as GET
 *   target   path and query as they came; the query is not looked at. One trailing slash is allowed.
 *   google   1 when the client shows itself as Google's (x-goog-api-key, x-goog-api-client or ?key=):
 *            decides GET /v1/models, which OpenAI and Google share
 *   arena    for decoded names
 *   failure  404 for a path that is none of these, 405 for a wrong method, 501 for
 *            :asyncBatchEmbedContent and other known verbs that are not served, 400 for a bad
 *            escape; its dialect is set to the one that the path belongs to, also on success
 * Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_wire_route_parse(vecna_wire_text method,
                                                          vecna_wire_text target, int google,
                                                          vecna_arena *arena, vecna_wire_route *out,
                                                          vecna_wire_failure *failure);

/* 1 where the provider itself gives vectors of unit length, whatever was asked: all but Ollama's
 * /api/embeddings. */
VECNA_API int vecna_wire_endpoint_normalizes(vecna_wire_endpoint endpoint);

/* ---- requests in ---------------------------------------------------------------------------- */

/* What a text is embedded for. Google's taskType, Cohere's and Voyage's input_type, Jina's task. */
typedef enum vecna_wire_task {
    VECNA_WIRE_TASK_NONE = 0,
    VECNA_WIRE_TASK_QUERY = 1,          /* a search for documents */
    VECNA_WIRE_TASK_DOCUMENT = 2,       /* what is searched */
    VECNA_WIRE_TASK_SIMILARITY = 3,     /* two texts of equal standing */
    VECNA_WIRE_TASK_CLASSIFICATION = 4, /* features of a classifier */
    VECNA_WIRE_TASK_CLUSTERING = 5,
    VECNA_WIRE_TASK_QUESTION = 6,  /* a query that is a question to be answered */
    VECNA_WIRE_TASK_FACT = 7,      /* a query that is a claim to be checked */
    VECNA_WIRE_TASK_CODE_QUERY = 8 /* a query for code */
} vecna_wire_task;

/* "none", "query", "document", "similarity", "classification", "clustering", "question", "fact",
 * "code-query". And which of the two prefixes of a model a task takes: QUERY for 1, 6, 7 and 8,
 * DOCUMENT for 2, NONE for the others. */
VECNA_API const char *vecna_wire_task_name(vecna_wire_task task);
VECNA_API vecna_wire_task vecna_wire_task_role(vecna_wire_task task);

/* One thing to embed. As the caller of the upstream side, set text (or tokens) and what it needs of
 * the rest; all others are zero. */
typedef struct vecna_wire_input {
    vecna_wire_text text; /* none when it came as token ids */
    vecna_wire_text
        prefix; /* upstream: written before the text ("query: "); never set by parsing */
    vecna_wire_text suffix; /* upstream: written behind it; never set by parsing */
    vecna_wire_text title;  /* Google's title of a document */
    const uint32_t *tokens; /* (tokens_count) ids of the client's own vocabulary, NULL for text */
    size_t tokens_count;
    vecna_wire_task task;
} vecna_wire_input;

/* Forms of a vector in an answer, as bits. */
enum {
    VECNA_WIRE_FLOAT = 1,
    VECNA_WIRE_INT8 = 2,
    VECNA_WIRE_UINT8 = 4,
    VECNA_WIRE_BINARY = 8,   /* a bit a dimension, packed into int8 (ubinary minus 128) */
    VECNA_WIRE_UBINARY = 16, /* packed into uint8, the first dimension in the highest bit */
    VECNA_WIRE_BASE64 = 32   /* Cohere: base64 of little-endian float32, beside the others */
};

typedef enum vecna_wire_truncate {
    VECNA_WIRE_TRUNCATE_UNSET = 0, /* the provider's default */
    VECNA_WIRE_TRUNCATE_END = 1,   /* cut what is too long at its end */
    VECNA_WIRE_TRUNCATE_START = 2,
    VECNA_WIRE_TRUNCATE_REFUSE = 3 /* an error instead */
} vecna_wire_truncate;

typedef struct vecna_wire_request {
    vecna_wire_endpoint endpoint;
    vecna_wire_dialect dialect; /* of the answer: OPENAI, or VOYAGE, JINA, MISTRAL by its fields */
    const vecna_wire_input
        *inputs; /* (inputs_count); Ollama's may be 0: load the model, answer [] */
    size_t inputs_count;
    int has_tokens;        /* at least one input is token ids */
    vecna_wire_text model; /* as asked for; of the path where the provider takes it from there */
    vecna_wire_text user;
    size_t dim;     /* dimensions asked for, 0 not asked */
    unsigned forms; /* VECNA_WIRE_FLOAT ...: at least one */
    int base64;     /* the one form is to be sent as base64 of its bytes (encoding_format) */
    vecna_wire_truncate truncate;
    int unnormalized; /* the client asked for vectors as they are (Jina normalized:false) */
} vecna_wire_request;

typedef struct vecna_wire_limits {
    size_t inputs_max;       /* 0: the provider's own (Google 100, Cohere 96, the others 2048) */
    size_t input_bytes_max;  /* of one text; 0: 2,000,000 */
    size_t input_tokens_max; /* token ids in one input; 0: 8192 */
    size_t tokens_max;       /* token ids in a request; 0: 300,000 */
    size_t dim_max;          /* most dimensions that may be asked for; 0: 65,536 */
    int ignore_unknown; /* 1: fields that the provider does not know are ignored, not refused */
} vecna_wire_limits;

/* Read the body of an embedding request (or of OLLAMA_SHOW, which has a model alone).
 *   route    of vecna_wire_route_parse; its endpoint is one of those with a body
 *   body     bytes bytes
 *   limits   may be NULL
 *   arena    for what is not a view into the body
 *   out      the request; every input is non-empty valid UTF-8 or a non-empty list of ids (Ollama
 *            and Cohere accept an empty text, Ollama no inputs at all)
 *   failure  400 with the provider's own wording where it is known, `param` naming the field; 422
 *            where the provider says that; 413 above a limit of bytes
 * Fields that would steer where a request goes (api_base, base_url, api_key ...) are refused always.
 * Numerics: an integer is one when JSON writes it as one, or as a fraction of 0 ("768.0").
 * Memory: a text of a body is copied only when it has escapes; 72 bytes an input. Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_wire_request_parse(
    const vecna_wire_route *route, const char *body, size_t bytes, const vecna_wire_limits *limits,
    vecna_arena *arena, vecna_wire_request *out, vecna_wire_failure *failure);

/* ---- token ids back to text ---------------------------------------------------------------- */

/* A vocabulary of byte sequences, one rank each. */
typedef struct vecna_wire_vocabulary vecna_wire_vocabulary;

/* Read a rank file as tiktoken's cl100k_base and o200k_base are: a line a token, its bytes in base64,
 * a space, its rank: below 2,000,000, none twice.
 *   text   bytes bytes, copied
 * Memory: about the file's size; one object, read-only afterwards, for any number of threads.
 * Errors: VECNA_ERR_FORMAT with the line; VECNA_ERR_MEMORY. Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_wire_vocabulary_parse(const char *text, size_t bytes,
                                                               const vecna_allocator *allocator,
                                                               vecna_wire_vocabulary **out,
                                                               vecna_error *err);
VECNA_API void vecna_wire_vocabulary_free(vecna_wire_vocabulary *vocabulary);
/* Tokens in it: one more than the highest rank. */
VECNA_API size_t vecna_wire_vocabulary_count(const vecna_wire_vocabulary *vocabulary);

/* Replace the token ids of a request by texts (has_tokens becomes 0). Bytes that are no UTF-8 (a
 * character cut between two chunks) become U+FFFD.
 *   vocabulary  NULL: every request with token ids is refused, with a sentence that says what to set
 *               in the client
 *   failure     400 for an id that the vocabulary does not have, naming the input
 * A request without token ids is left as it is, also when vocabulary is NULL. Since 0.1. */
VECNA_API VECNA_CHECK vecna_status
vecna_wire_request_detokenize(vecna_wire_request *request, const vecna_wire_vocabulary *vocabulary,
                              vecna_arena *arena, vecna_wire_failure *failure);

/* ---- answers out ----------------------------------------------------------------------------- */

typedef struct vecna_wire_answer {
    vecna_view vectors;    /* (inputs_count, dim) finite float32, in the order of the inputs */
    vecna_wire_text model; /* as the client shall see it; none: as it asked */
    vecna_wire_text id;    /* of the request (Cohere, Mistral); none: left out, Cohere "" */
    uint64_t tokens;       /* that the inputs took, 0 unknown */
    uint64_t total_ns;     /* Ollama's durations */
    uint64_t load_ns;
} vecna_wire_answer;

/* How far an answer is written; zeros to start. */
typedef struct vecna_wire_progress {
    size_t form; /* index of the form */
    size_t row;  /* next row of it */
    int begun;
    int done; /* nothing is left */
} vecna_wire_progress;

/* Write an answer, or the next piece of it, behind what the writer holds.
 *   request, answer  as they stay until it is done
 *   bytes_wanted     0: all of it. Otherwise the piece ends with the first row that makes it at least
 *                    this long: send writer->text, vecna_json_writer_drain it, ask again until
 *                    progress->done.
 *   progress         of the caller; may be NULL when bytes_wanted is 0
 * Numerics: floats as the shortest text that reads back to the same float32. int8 is the value over
 *           min(1, 6 / sqrt(dim)), times 127, rounded to nearest, clamped to -128 .. 127 (a scale
 *           that depends on dim alone: dot products keep their order); uint8 is that plus 128. A bit
 *           is set when the value is above 0; the last byte is filled with zeros.
 * Memory: the writer's; a whole answer of floats takes at most 16 bytes a number.
 * Errors: VECNA_ERR_DIM when the rows are not those of the request; VECNA_ERR_VALUE when a value is
 *         not finite; those of the writer. Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_wire_answer_write(
    const vecna_wire_request *request, const vecna_wire_answer *answer, size_t bytes_wanted,
    vecna_wire_progress *progress, vecna_json_writer *writer, vecna_error *err);

/* ---- models ------------------------------------------------------------------------------------ */

/* A model as servers list it. Texts may be none, numbers 0 when not known. */
typedef struct vecna_wire_model {
    vecna_wire_text id;       /* without Google's "models/" */
    vecna_wire_text owned_by; /* OpenAI's; "vllm", "llamacpp" ... */
    vecna_wire_text family;   /* "bert" */
    vecna_wire_text digest;   /* Ollama's */
    vecna_wire_text parameter_size;
    vecna_wire_text quantization;
    size_t dim;            /* of its vectors */
    size_t context_tokens; /* longest input */
    size_t batch_max;      /* most inputs a request (TEI) */
    uint64_t bytes;        /* on disk (Ollama) */
    int64_t created;       /* Unix time */
    int embeds;            /* 1 it embeds, -1 it does not, 0 the server does not say */
} vecna_wire_model;

/* Answer OPENAI_MODELS, OPENAI_MODEL, GOOGLE_MODELS, GOOGLE_MODEL, OLLAMA_TAGS or OLLAMA_SHOW (the
 * latter of each pair: of models[0]). Errors are kept in the writer. */
VECNA_API void vecna_wire_models_write(vecna_wire_endpoint endpoint, const vecna_wire_model *models,
                                       size_t count, vecna_json_writer *writer);
/* Answer OLLAMA_VERSION: {"version":"..."}. */
VECNA_API void vecna_wire_version_write(const char *version, vecna_json_writer *writer);

/* Read a model list of a server.
 *   dialect  OPENAI, VOYAGE, JINA, MISTRAL: /v1/models (also LM Studio's /api/v0/models and
 *            /api/v1/models, llama-server's meta.n_embd, vLLM's max_model_len, a bare list);
 *            GOOGLE: models; COHERE: models; OLLAMA: /api/tags, or /api/show, which gives one
 *            model without an id; TEI: /info, one model
 *   models, count  in the arena
 * Errors: VECNA_ERR_FORMAT, _TRUNCATED, _UNSUPPORTED as the JSON scanner or when it is no list of
 *         models; VECNA_ERR_MEMORY. Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_wire_models_read(vecna_wire_dialect dialect,
                                                          const char *body, size_t bytes,
                                                          vecna_arena *arena,
                                                          const vecna_wire_model **models,
                                                          size_t *count, vecna_error *err);

/* What one answer to a fingerprint request shows the server to be. */
typedef enum vecna_wire_server {
    VECNA_WIRE_SERVER_UNKNOWN = 0,
    VECNA_WIRE_SERVER_OLLAMA,       /* GET /api/version: {"version"} */
    VECNA_WIRE_SERVER_LM_STUDIO,    /* GET /api/v0/models: items with type and state */
    VECNA_WIRE_SERVER_LLAMA_SERVER, /* GET /props: build_info, total_slots */
    VECNA_WIRE_SERVER_VLLM,         /* GET /v1/models: owned_by "vllm" */
    VECNA_WIRE_SERVER_TEI,          /* GET /info: model_id, max_client_batch_size */
    VECNA_WIRE_SERVER_INFINITY,     /* GET /health: {"unix"} */
    VECNA_WIRE_SERVER_OPENAI        /* GET /v1/models: a list of models of somebody else */
} vecna_wire_server;

/* "ollama", "lm-studio", "llama-server", "vllm", "tei", "infinity", "openai"; "unknown". Static. */
VECNA_API const char *vecna_wire_server_name(vecna_wire_server server);
/* The server that gives such a body with status 200 to GET path; UNKNOWN when it is not what that
 * path gives (an open port is no server). Cannot fail. */
VECNA_API vecna_wire_server vecna_wire_server_of(const char *path, const char *body, size_t bytes);

/* ---- upstream: requests out ------------------------------------------------------------------- */

typedef struct vecna_wire_ask {
    vecna_wire_dialect dialect;
    const vecna_wire_input *inputs; /* (inputs_count), at least 1 */
    size_t inputs_count;
    vecna_wire_text model; /* as the upstream knows it */
    vecna_wire_text user;  /* OpenAI; none: not sent */
    size_t dim;            /* sent as dimensions, outputDimensionality ...; 0: not sent */
    int base64;            /* ask for base64 where the dialect has it: OPENAI, VOYAGE, COHERE, JINA,
                              MISTRAL. OPENAI without it asks for float in words */
    vecna_wire_truncate truncate; /* sent where the dialect has it */
} vecna_wire_ask;

/* Most inputs of one request: OpenAI and Mistral 2048, Jina 2048, Google 100, Cohere 96, Voyage 128,
 * TEI 32 (its /info tells better), Ollama 2048. */
VECNA_API size_t vecna_wire_ask_inputs_max(vecna_wire_dialect dialect);

/* Where to POST it.
 *   base_path  the path of the configured address: "", "/v1", "/openai/v1", "/api" ... A path that
 *              already ends as the dialect's own is kept, one that lacks the version gets it.
 *   model      part of Google's path, percent-encoded; "models/" in front of it is dropped
 *   out        in the arena: "/v1/embeddings", "/api/embed", "/embed", "/v2/embed",
 *              "/v1beta/models/M:batchEmbedContents"
 * Errors: VECNA_ERR_MEMORY. */
VECNA_API VECNA_CHECK vecna_status vecna_wire_ask_path(vecna_wire_dialect dialect,
                                                       vecna_wire_text base_path,
                                                       vecna_wire_text model, vecna_arena *arena,
                                                       vecna_wire_text *out, vecna_error *err);

/* The header that carries the key: "authorization" and "Bearer ", or "x-goog-api-key" and "". */
VECNA_API void vecna_wire_ask_key_header(vecna_wire_dialect dialect, const char **name,
                                         const char **before_key);

/* Write the body of a request. Prefix, text and suffix of an input become one string. Task and title
 * go along where the dialect has them (Google each input's own, the others that of the first input;
 * the caller does not mix). Cohere's input_type, which is required, is search_document when there is
 * no task.
 * Errors: VECNA_ERR_UNSUPPORTED for token ids where the dialect has none (all but OPENAI and TEI);
 *         those of the writer. Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_wire_ask_write(const vecna_wire_ask *ask,
                                                        vecna_json_writer *writer,
                                                        vecna_error *err);

/* ---- upstream: answers in --------------------------------------------------------------------- */

typedef struct vecna_wire_expect {
    vecna_wire_dialect dialect;
    size_t rows;    /* inputs asked for, at least 1 */
    size_t dim;     /* what they must have; 0: learnt from the first row */
    size_t dim_max; /* 0: 65,536 */
    float *data;    /* where the rows go, NULL: into the arena. Only with dim. */
    size_t stride;  /* of data, in floats */
} vecna_wire_expect;

typedef struct vecna_wire_result {
    vecna_matrix vectors;  /* (rows, dim) in the order of the inputs */
    vecna_wire_text model; /* as the upstream calls it, none if it does not say */
    uint64_t tokens;       /* prompt tokens as the upstream counts them, 0 if it does not */
    int base64;            /* 1 when the vectors came as base64 */
} vecna_wire_result;

/* Read an answer with status 200 and check all of it: as many rows as inputs, indices a permutation
 * (rows come back in the order of the inputs), one length, every value finite, no row of zeros.
 * base64 is taken as little-endian float32 wherever a vector may stand, whatever was asked for.
 *   body    bytes bytes; it may be dropped afterwards except for out->model
 *   expect  what was asked
 *   arena   for rows (unless expect->data) and bookkeeping
 *   out     untouched on failure; expect->data may then hold part of the rows
 * Numerics: decimal numbers are rounded once, to float32; one beyond its range is refused.
 * Errors: the message says what the upstream did wrong, as a clause to put after its name.
 *         VECNA_ERR_DIM for count or length; VECNA_ERR_VALUE for NaN, infinity, null or a row of
 *         zeros; VECNA_ERR_FORMAT for what is no such answer, a missing, repeated or impossible
 *         index, one vector for each token (a server without pooling); VECNA_ERR_TRUNCATED for half
 *         a body; VECNA_ERR_UNSUPPORTED too deep; VECNA_ERR_MEMORY. Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_wire_result_read(const char *body, size_t bytes,
                                                          const vecna_wire_expect *expect,
                                                          vecna_arena *arena,
                                                          vecna_wire_result *out, vecna_error *err);

#ifdef __cplusplus
}
#endif
#endif
