/* vecna/base.h — what every other module stands on: errors, memory, views, random numbers, threads,
 * and files that appear whole or not at all.
 *
 * Conventions of the whole library
 *   Errors    A function that can fail returns vecna_status and takes a vecna_error * last, which
 * may be NULL. On failure its outputs are untouched. A function that cannot fail returns its value.
 * The library never prints, exits or jumps. Memory    The caller owns `out`; _new/_open pairs with
 * _free/_close, which accept NULL; a _view borrows. An allocator is taken from an options struct;
 * NULL means malloc. Options   A struct of zeros means the defaults. Threads   Distinct objects may
 * be used from distinct threads. A const object may be shared.
 */
#ifndef VECNA_BASE_H
#define VECNA_BASE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define VECNA_API __attribute__((visibility("default")))
#define VECNA_CHECK __attribute__((warn_unused_result))
#define VECNA_PRINTF(format_at, first_at) __attribute__((format(printf, format_at, first_at)))
#else
#define VECNA_API
#define VECNA_CHECK
#define VECNA_PRINTF(format_at, first_at)
#endif

#define VECNA_VERSION_MAJOR 0
#define VECNA_VERSION_MINOR 1
#define VECNA_VERSION_PATCH 0
#define VECNA_VERSION "0.1.0"

/* Version of the library that runs, as text ("0.1.0"). Static; compare with VECNA_VERSION. */
VECNA_API const char *vecna_version(void);

/* ---- errors ------------------------------------------------------------------------------- */

/* Every status: code, name, sentence. Codes are appended, never reused or renumbered. */
#define VECNA_STATUS_LIST(X)                                                                       \
    X(0, OK, "done")                                                                               \
    X(1, ERR_MEMORY, "not enough memory")                                                          \
    X(2, ERR_ARGUMENT, "an argument is outside what the function accepts")                         \
    X(3, ERR_DIM, "dimensions do not agree")                                                       \
    X(4, ERR_OVERFLOW, "a size does not fit into memory")                                          \
    X(5, ERR_IO, "reading or writing failed")                                                      \
    X(6, ERR_FORMAT, "the data is not what its format requires")                                   \
    X(7, ERR_TRUNCATED, "the data ends before it should")                                          \
    X(8, ERR_UNSUPPORTED, "valid, but not supported")                                              \
    X(9, ERR_NOT_FOUND, "not found")                                                               \
    X(10, ERR_SPACE, "the vectors belong to another embedding space")                              \
    X(11, ERR_VERDICT, "the map failed its own evaluation")                                        \
    X(12, ERR_NUMERIC, "a numerical method did not converge")                                      \
    X(13, ERR_VERSION, "written by a newer version")                                               \
    X(14, ERR_CHECKSUM, "the data does not match its checksum")                                    \
    X(15, ERR_LIBRARY, "a system library could not be used")                                       \
    X(16, ERR_VALUE, "a vector holds a value that cannot be used")

typedef enum vecna_status {
#define VECNA_STATUS_ENUM(code, name, sentence) VECNA_##name = code,
    VECNA_STATUS_LIST(VECNA_STATUS_ENUM)
#undef VECNA_STATUS_ENUM
} vecna_status;

/* What went wrong, in words. The caller owns it, usually on the stack; it needs no freeing. */
typedef struct vecna_error {
    vecna_status status;
    int64_t position; /* byte offset, line (from 1) or row (from 0), as the message says; -1 none */
    char message[240]; /* names the thing, the value and the remedy; always NUL-terminated UTF-8 */
} vecna_error;

/* Name ("VECNA_ERR_DIM") and sentence of a status; "unknown status" for others. Static. */
VECNA_API const char *vecna_status_name(vecna_status status);
VECNA_API const char *vecna_status_sentence(vecna_status status);

/* Fill err (unless NULL) and return status, so that a failing function can `return` it in one line.
 * A message that is too long is cut at a UTF-8 boundary; control characters and bytes that are no
 * UTF-8 become question marks. Safe from any thread. */
VECNA_API vecna_status vecna_error_set(vecna_error *err, vecna_status status, int64_t position,
                                       const char *format, ...) VECNA_PRINTF(4, 5);

/* ---- memory ------------------------------------------------------------------------------- */

/* Three functions with the contracts of malloc, realloc and free, called with `user` first. They
 * may be called from several threads at once. */
typedef struct vecna_allocator {
    void *(*allocate)(void *user, size_t bytes);
    void *(*resize)(void *user, void *memory, size_t bytes);
    void (*release)(void *user, void *memory);
    void *user;
} vecna_allocator;

/* count * size bytes; NULL when the product overflows, is above PTRDIFF_MAX, or memory is out.
 * A count of 0 gives a pointer that must still be released. allocator NULL means malloc. */
VECNA_API void *vecna_allocate(const vecna_allocator *allocator, size_t count, size_t size);
VECNA_API void *vecna_allocate_zero(const vecna_allocator *allocator, size_t count, size_t size);
/* As realloc: on failure the old memory is untouched and NULL comes back. */
VECNA_API void *vecna_resize(const vecna_allocator *allocator, void *memory, size_t count,
                             size_t size);
VECNA_API void vecna_release(const vecna_allocator *allocator, void *memory);

/* An arena: memory that is taken piece by piece and given back at once. Whoever serves a request
 * keeps one and resets it between requests. A plain struct of the caller's, not to be copied once it
 * is in use, and for one thread at a time; the fields are its own. */
typedef struct vecna_arena {
    void *block;                      /* the newest block, which knows the older ones */
    char *at;                         /* first free byte of it */
    char *end;                        /* one behind its last byte */
    size_t bytes;                     /* of all blocks */
    size_t bytes_max;                 /* what they may reach */
    const vecna_allocator *allocator; /* borrowed; NULL malloc */
} vecna_arena;

/* Start empty: nothing is allocated yet. bytes_max 0 means 1 GiB. The allocator must outlive it. */
VECNA_API void vecna_arena_init(vecna_arena *arena, size_t bytes_max,
                                const vecna_allocator *allocator);
/* count * size bytes, aligned to 64, not zeroed; they live until the arena is reset or freed. NULL
 * when the product overflows, the arena would exceed its cap, or memory is out. Blocks double from
 * 4 KiB, so that an arena takes at most about twice what was asked of it. */
VECNA_API void *vecna_arena_allocate(vecna_arena *arena, size_t count, size_t size);
/* Forget every piece. The newest, largest block is kept for the next request unless it is above
 * keep_bytes; the others are released. */
VECNA_API void vecna_arena_reset(vecna_arena *arena, size_t keep_bytes);
/* Release everything; the arena is empty and may be used again. */
VECNA_API void vecna_arena_free(vecna_arena *arena);

/* Checked sizes: 1 and *out set when the result fits into size_t, otherwise 0 and *out untouched.
 */
VECNA_API int vecna_size_mul(size_t a, size_t b, size_t *out);
VECNA_API int vecna_size_add(size_t a, size_t b, size_t *out);

/* ---- numbers and views --------------------------------------------------------------------- */

/* Element types of stored vectors. VECNA_BIT packs eight dimensions a byte, the first in the most
 * significant bit (as pgvector's bit and NumPy's packbits do). */
typedef enum vecna_dtype {
    VECNA_F32 = 0,
    VECNA_F16 = 1,
    VECNA_BF16 = 2,
    VECNA_F64 = 3,
    VECNA_I8 = 4,
    VECNA_U8 = 5,
    VECNA_I32 = 6,
    VECNA_BIT = 7
} vecna_dtype;

/* Name ("f32") of a dtype, and the bytes that one vector of dim elements takes (bits round up). */
VECNA_API const char *vecna_dtype_name(vecna_dtype dtype);
VECNA_API size_t vecna_dtype_bytes(vecna_dtype dtype, size_t dim);

/* Borrowed float32 matrix, read only: row i starts at data + i * stride, counted in floats. */
typedef struct vecna_view {
    const float *data;
    size_t rows;
    size_t dim;
    size_t stride; /* floats from one row to the next, at least dim */
} vecna_view;

/* The same, writable. */
typedef struct vecna_matrix {
    float *data;
    size_t rows;
    size_t dim;
    size_t stride;
} vecna_matrix;

/* A dense view or matrix over memory of rows * dim floats. */
static inline vecna_view vecna_view_dense(const float *data, size_t rows, size_t dim) {
    vecna_view view = {data, rows, dim, dim};
    return view;
}
static inline vecna_matrix vecna_matrix_dense(float *data, size_t rows, size_t dim) {
    vecna_matrix matrix = {data, rows, dim, dim};
    return matrix;
}
static inline vecna_view vecna_matrix_view(vecna_matrix matrix) {
    vecna_view view = {matrix.data, matrix.rows, matrix.dim, matrix.stride};
    return view;
}
/* Rows [first, first + rows) of a view or matrix; the caller keeps them inside. */
static inline vecna_view vecna_view_rows(vecna_view view, size_t first, size_t rows) {
    vecna_view part = {view.data + first * view.stride, rows, view.dim, view.stride};
    return part;
}
static inline vecna_matrix vecna_matrix_rows(vecna_matrix matrix, size_t first, size_t rows) {
    vecna_matrix part = {matrix.data + first * matrix.stride, rows, matrix.dim, matrix.stride};
    return part;
}

/* ---- 16-bit floats --------------------------------------------------------------------------- */

/* count numbers from one form to the other; values are the bits of IEEE binary16 (f16) and of the
 * upper half of a binary32 (bf16), in the machine's byte order.
 *   in, out  no alignment is asked of 16-bit values; they must not overlap
 * Numerics: widening is exact. Narrowing rounds to nearest, ties to even; what is too large becomes
 *           infinity, what is too small a subnormal or zero, with its sign. NaN stays NaN and becomes
 *           quiet. The same bits on every machine, whichever instructions are used.
 * Memory:   allocates nothing. Safe from any thread. Cannot fail. Since 0.1. */
VECNA_API void vecna_f16_to_float(float *out, const void *in, size_t count);
VECNA_API void vecna_f16_from_float(void *out, const float *in, size_t count);
VECNA_API void vecna_bf16_to_float(float *out, const void *in, size_t count);
VECNA_API void vecna_bf16_from_float(void *out, const float *in, size_t count);

/* ---- random numbers ------------------------------------------------------------------------ */

/* xoshiro256** seeded through splitmix64. The same (seed, stream) gives the same numbers on every
 * machine, compiler and thread count, normals included (no libm, no fused multiply-add).
 * Source: Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2021. */
typedef struct vecna_random {
    uint64_t state[4];
} vecna_random;

/* Streams of one seed are independent: give each unit of work its own stream, not each thread. */
VECNA_API void vecna_random_seed(vecna_random *random, uint64_t seed, uint64_t stream);
VECNA_API uint64_t vecna_random_u64(vecna_random *random);
/* Uniform in [0, bound), without bias; 0 when bound is 0. */
VECNA_API uint64_t vecna_random_below(vecna_random *random, uint64_t bound);
/* Uniform in [0, 1), a multiple of 2^-53. */
VECNA_API double vecna_random_uniform(vecna_random *random);
/* Standard normal, by inversion; within 1e-15 relative of the exact quantile. */
VECNA_API double vecna_random_normal(vecna_random *random);
/* Fisher-Yates over count indices. */
VECNA_API void vecna_random_shuffle(vecna_random *random, size_t *indices, size_t count);

/* ---- instructions -------------------------------------------------------------------------- */

/* The most that vecna's own kernels may use of the processor: "portable" (plain C), "avx2" (with FMA),
 * "avx512" (F, BW, VL, DQ) or "all", which is how it starts. Kernels round differently, so that a
 * training has the same bits on two processors where both are held to what both have; what a processor
 * lacks is not used whatever the limit. BLAS chooses for itself. Not while other threads compute.
 * Errors: VECNA_ERR_ARGUMENT for another name. Since 0.2. */
VECNA_API vecna_status vecna_cpu_limit(const char *most, vecna_error *err);

/* ---- threads ------------------------------------------------------------------------------- */

/* CPUs that this process may really use: affinity mask and cgroup quota (v1, v2), at least 1. */
VECNA_API size_t vecna_cpus_allowed(void);

/* A fixed set of threads that run one loop at a time. */
typedef struct vecna_pool vecna_pool;

/* threads 0 means vecna_cpus_allowed(); the calling thread counts as one of them.
 * Errors: VECNA_ERR_MEMORY; VECNA_ERR_LIBRARY when a thread cannot be started. */
VECNA_API VECNA_CHECK vecna_status vecna_pool_new(size_t threads, const vecna_allocator *allocator,
                                                  vecna_pool **out, vecna_error *err);
VECNA_API void vecna_pool_free(vecna_pool *pool);
/* Threads of the pool; 1 for NULL. A task's `worker` is below this. */
VECNA_API size_t vecna_pool_threads(const vecna_pool *pool);

/* Work on items [begin, end); worker tells which thread's scratch to use. */
typedef void vecna_task(void *user, size_t begin, size_t end, size_t worker);

/* Run task over [0, count) in chunks of grain items (the last one shorter; grain 0 counts as 1).
 * Chunk borders depend on count and grain alone, so sums by chunk reproduce on any thread count.
 * Returns when every chunk is done. pool NULL, and a call from inside a task, run in the calling
 * thread. Several threads may call at once; their loops run one after the other. */
VECNA_API void vecna_pool_run(vecna_pool *pool, size_t count, size_t grain, vecna_task *task,
                              void *user);

/* Work that flows: read a piece, work on it, write it; many pieces at once, each in a slot of its
 * own (0 .. vecna_pool_threads - 1). `user` comes first to every function. */
typedef struct vecna_pipeline {
    /* Fill the slot with the next piece; *more = 0 when there is none. One call at a time. */
    vecna_status (*read)(void *user, size_t slot, int *more, vecna_error *err);
    /* Work on the slot's piece. Calls for different slots run at once. */
    vecna_status (*work)(void *user, size_t slot, vecna_error *err);
    /* Give the slot's piece away. One call at a time, in the order of reading. */
    vecna_status (*write)(void *user, size_t slot, vecna_error *err);
    void *user;
} vecna_pipeline;

/* Run it until read has no more, with every thread of the pool (NULL, or inside a task: in the
 * calling thread alone). Returns when all is written.
 * Errors: the first one in the order of the input, whatever the threads do: every piece before it
 * has been written, none after it. */
VECNA_API VECNA_CHECK vecna_status vecna_pool_pipeline(vecna_pool *pool,
                                                       const vecna_pipeline *pipeline,
                                                       vecna_error *err);

/* ---- files that appear whole or not at all -------------------------------------------------- */

/* A buffered file that is written under a temporary name beside its path and renamed by commit.
 * "-" is standard output; an existing path that is no regular file (a pipe, /dev/null) is written
 * in place. Not for use from two threads at once. */
typedef struct vecna_outfile vecna_outfile;

/* Errors: VECNA_ERR_IO with the path and the system's reason; VECNA_ERR_MEMORY. */
VECNA_API VECNA_CHECK vecna_status vecna_outfile_open(const char *path,
                                                      const vecna_allocator *allocator,
                                                      vecna_outfile **out, vecna_error *err);
VECNA_API VECNA_CHECK vecna_status vecna_outfile_write(vecna_outfile *file, const void *data,
                                                       size_t bytes, vecna_error *err);
/* Overwrite bytes already written (a header whose row count was not known). Fails with
 * VECNA_ERR_UNSUPPORTED on a stream that cannot seek; ask vecna_outfile_can_patch first. */
VECNA_API VECNA_CHECK vecna_status vecna_outfile_patch(vecna_outfile *file, uint64_t offset,
                                                       const void *data, size_t bytes,
                                                       vecna_error *err);
VECNA_API int vecna_outfile_can_patch(const vecna_outfile *file);
/* Flush and rename into place; the file is freed whatever happens. The data is not forced to the
 * disk: safe against the end of the process, not against the loss of power. */
VECNA_API VECNA_CHECK vecna_status vecna_outfile_commit(vecna_outfile *file, vecna_error *err);
/* Forget the file and remove the temporary one; NULL-safe. */
VECNA_API void vecna_outfile_discard(vecna_outfile *file);
/* Remove the temporary files of this process. Async-signal-safe: meant for a SIGINT handler that
 * exits right after. */
VECNA_API void vecna_outfile_remove_all(void);

#ifdef __cplusplus
}
#endif
#endif
