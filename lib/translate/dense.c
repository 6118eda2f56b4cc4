/* linalg and search as translate uses them: dense matrices, few arguments. */
#include "translate/translate_impl.h"

#include "vecna/search.h"

vecna_status vni_dense_product(const vni_dense *a, int a_transposed, const vni_dense *b,
                               int b_transposed, vni_dense *out, vecna_error *err) {
    int transpose = (a_transposed ? VECNA_TRANSPOSE_A : 0) | (b_transposed ? VECNA_TRANSPOSE_B : 0);
    return vecna_linalg_product_f64(vecna_view_f64_dense(a->data, a->rows, a->cols),
                                    vecna_view_f64_dense(b->data, b->rows, b->cols), transpose,
                                    vecna_matrix_f64_dense(out->data, out->rows, out->cols), err);
}

vecna_status vni_dense_eigen(vni_dense *a, double *values, vecna_error *err) {
    return vecna_linalg_eigen(a->data, a->rows, values, err);
}

vecna_status vni_dense_svd(vni_dense *a, vni_dense *left, double *sigma, vni_dense *right,
                           vecna_error *err) {
    return vecna_linalg_svd(vecna_matrix_f64_dense(a->data, a->rows, a->cols), left->data, sigma,
                            right->data, err);
}

vecna_status vni_product(vecna_view a, vecna_view b, vecna_matrix out, vecna_pool *pool,
                         vecna_error *err) {
    /* below some milliseconds of work, waking threads costs more than they bring */
    double work = (double)a.rows * (double)a.dim * (double)b.dim;
    return vecna_linalg_product(a, b, out, work < 1e8 ? NULL : pool, err);
}

vecna_status vni_top(vecna_view corpus, vecna_view queries, size_t k, int64_t *rows,
                     vecna_pool *pool, const vecna_allocator *allocator, vecna_error *err) {
    vecna_search_options options = {
        .metric = VECNA_METRIC_DOT, .k = k, .pool = pool, .allocator = allocator};
    return vecna_search(corpus, queries, &options, rows, NULL, err);
}
