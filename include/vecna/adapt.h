/* vecna/adapt.h — fixed adapters: another dimension without learning anything.
 *
 * What an adapter keeps, and what it cannot
 *   An adapter changes the dimension, never the space. Its output can be compared with other output
 *   of the same adapter over vectors of the same model, and with nothing else: vectors of another
 *   model that happen to have the same dimension stay as foreign as before, and searching them finds
 *   next to nothing. Between two models a learned map is needed (vecna/translate.h).
 *   pad        Keeps every inner product, norm and cosine exactly.
 *   project    Up: keeps them to float32 rounding. Down: keeps them on average, with an error of about
 *              1 / sqrt(target_dim) in a cosine, whatever the model.
 *   truncate   Keeps what the model put into the dimensions that stay: almost all for a model trained
 *              for it (Matryoshka) when the first are kept, an unknown part for others.
 */
#ifndef VECNA_ADAPT_H
#define VECNA_ADAPT_H

#include "vecna/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum vecna_adapt_kind {
    VECNA_ADAPT_AUTO = 0,     /* "auto": truncate downwards, pad upwards */
    VECNA_ADAPT_TRUNCATE = 1, /* "truncate": target_dim <= source_dim */
    VECNA_ADAPT_PAD = 2,      /* "pad": target_dim >= source_dim */
    VECNA_ADAPT_PROJECT = 3   /* "project": any dimensions; equal ones rotate */
} vecna_adapt_kind;

/* Where truncation cuts. */
typedef enum vecna_truncate_mode {
    VECNA_TRUNCATE_FROM_END = 0,  /* "from_end": the first target_dim elements stay */
    VECNA_TRUNCATE_FROM_START = 1 /* "from_start": the last target_dim elements stay */
} vecna_truncate_mode;

/* Where padding puts its zeros. */
typedef enum vecna_pad_mode {
    VECNA_PAD_AT_END = 0,  /* "at_end" */
    VECNA_PAD_AT_START = 1 /* "at_start" */
} vecna_pad_mode;

/* The name in quotes above; "unknown" for other values. Static. */
VECNA_API const char *vecna_adapt_kind_name(vecna_adapt_kind kind);
VECNA_API const char *vecna_truncate_mode_name(vecna_truncate_mode mode);
VECNA_API const char *vecna_pad_mode_name(vecna_pad_mode mode);
/* The value of a name. Errors: VECNA_ERR_ARGUMENT with the names that exist. */
VECNA_API VECNA_CHECK vecna_status vecna_adapt_kind_parse(const char *name, vecna_adapt_kind *out,
                                                          vecna_error *err);
VECNA_API VECNA_CHECK vecna_status vecna_truncate_mode_parse(const char *name,
                                                             vecna_truncate_mode *out,
                                                             vecna_error *err);
VECNA_API VECNA_CHECK vecna_status vecna_pad_mode_parse(const char *name, vecna_pad_mode *out,
                                                        vecna_error *err);

typedef struct vecna_adapt_options {
    vecna_adapt_kind kind;
    size_t source_dim;                 /* at least 1 */
    size_t target_dim;                 /* at least 1 */
    vecna_truncate_mode truncate_mode; /* used by truncate */
    vecna_pad_mode pad_mode;           /* used by pad */
    uint64_t seed;                     /* used by project */
    int keep_length;                   /* 1: do not bring rows to unit length afterwards */
    const vecna_allocator *allocator;  /* NULL malloc; copied */
} vecna_adapt_options;

/* An adapter does not change after it is made: any number of threads may apply it at once. */
typedef struct vecna_adapter vecna_adapter;

/* Make an adapter.
 *   project  draws its matrix from the seed: standard normals (vecna_random, stream 0, row by row of a
 *            (larger, smaller) matrix), orthonormalised by a QR factorisation with positive diagonal;
 *            transposed when it leads upwards. Downwards its columns are orthonormal, upwards its
 *            rows. The same seed and dimensions give the same matrix on every machine up to the
 *            rounding of float32.
 * Memory:  project holds 4 bytes an entry, and needs 8 more while it is made; QR takes in the order of
 *          source_dim * target_dim^2 operations (2.5 s of one core for 3072 to 2048).
 * Errors:  VECNA_ERR_ARGUMENT for a dimension of 0, a mode that does not exist, and a kind that cannot
 *          go that way; VECNA_ERR_OVERFLOW; VECNA_ERR_MEMORY; project also VECNA_ERR_LIBRARY when
 *          LAPACKE or oneDNN cannot be used.
 * Source:  docs/adapters.md; for the projection W. B. Johnson and J. Lindenstrauss, "Extensions of
 *          Lipschitz mappings into a Hilbert space", 1984, with orthonormal directions. Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_adapter_new(const vecna_adapt_options *options,
                                                     vecna_adapter **out, vecna_error *err);
VECNA_API void vecna_adapter_free(vecna_adapter *adapter);

/* What auto has become; TRUNCATE for equal dimensions. */
VECNA_API vecna_adapt_kind vecna_adapter_kind(const vecna_adapter *adapter);
/* The matrix of a projection, (source_dim, target_dim), valid while the adapter lives; data NULL
 * for the other kinds. */
VECNA_API vecna_view vecna_adapter_matrix_view(const vecna_adapter *adapter);

/* Adapt rows, then bring each to unit length unless keep_length.
 *   in   (rows, source_dim)
 *   out  (rows, target_dim)  must not overlap in
 * A row that is zero after adapting stays zero; one that holds NaN or infinity then is not rescaled.
 * Numerics: truncate and pad move float32 unchanged; project sums products in float32 (relative error
 *           about 1e-7 * sqrt(source_dim)); lengths are computed in float64. With keep_length a
 *           projection downwards shortens rows to about sqrt(target_dim / source_dim).
 * Memory:   truncate and pad allocate nothing; project what vecna_linalg_product does. One thread.
 * Errors:   VECNA_ERR_DIM when the shapes disagree or a stride is below its dim; project also
 *           VECNA_ERR_LIBRARY. Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_adapt_apply(const vecna_adapter *adapter, vecna_view in,
                                                     vecna_matrix out, vecna_error *err);

#ifdef __cplusplus
}
#endif
#endif
