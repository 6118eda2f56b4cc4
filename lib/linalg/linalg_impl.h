/* What the files of linalg share. */
#ifndef VNI_LINALG_IMPL_H
#define VNI_LINALG_IMPL_H

#include "vecna/linalg.h"

/* The functions that are used of CBLAS and LAPACKE, with the C interfaces that their standards give
 * (no header is needed to build: the libraries are loaded at run time). All matrices here are
 * passed in column-major or by CBLAS's row-major flag, see factor.c. */
typedef struct vni_lapack {
    void (*dgemm)(int order, int trans_a, int trans_b, int m, int n, int k, double alpha,
                  const double *a, int lda, const double *b, int ldb, double beta, double *c,
                  int ldc);
    void (*dsyrk)(int order, int uplo, int trans, int n, int k, double alpha, const double *a,
                  int lda, double beta, double *c, int ldc);
    void (*dtrsm)(int order, int side, int uplo, int trans, int diag, int m, int n, double alpha,
                  const double *a, int lda, double *b, int ldb);
    int (*dsyevd)(int layout, char jobz, char uplo, int n, double *a, int lda, double *w);
    int (*dsyevr)(int layout, char jobz, char range, char uplo, int n, double *a, int lda,
                  double vl, double vu, int il, int iu, double abstol, int *m, double *w, double *z,
                  int ldz, int *isuppz);
    int (*dgesdd)(int layout, char jobz, int m, int n, double *a, int lda, double *s, double *u,
                  int ldu, double *vt, int ldvt);
    int (*dpotrf)(int layout, char uplo, int n, double *a, int lda);
    int (*dgelqf)(int layout, int m, int n, double *a, int lda, double *tau);
    int (*dorglq)(int layout, int m, int n, int k, double *a, int lda, const double *tau);
    const char *core;
    int core_chosen;
} vni_lapack;

/* The loaded libraries; loads them on the first call. Safe from any thread. */
VECNA_CHECK vecna_status vni_lapack_load(const vni_lapack **out, vecna_error *err);

/* The core type that suits this processor: "SkylakeX", "Haswell", or NULL to leave it alone. */
const char *vni_openblas_core(void);

/* oneDNN's products run in the calling thread alone between these two, whatever OpenMP would do. */
int vni_single_thread_begin(void);
void vni_single_thread_end(int before);

enum { VNI_ROW_MAJOR = 101, VNI_COLUMN_MAJOR = 102, VNI_PLAIN = 111, VNI_TRANSPOSED = 112 };
enum { VNI_UPPER = 121, VNI_LOWER = 122, VNI_NON_UNIT = 131, VNI_LEFT = 141 };

/* Packed weights and their arrays start at multiples of this, in one allocation. */
enum { VNI_PACKED_ALIGNMENT = 64 };
static inline size_t vni_packed_bytes(size_t bytes) {
    return (bytes + VNI_PACKED_ALIGNMENT - 1) / VNI_PACKED_ALIGNMENT * VNI_PACKED_ALIGNMENT;
}

#endif
