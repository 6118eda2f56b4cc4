/* Reduced-rank regression: ridge, then its fitted values (with the rows that the penalty stands
 * for) projected on their first directions. Unlike cutting W's own singular values, which is always
 * bad, this is the best map of that rank. Source: Izenman, "Reduced-rank regression for the
 * multivariate linear model", 1975. */
#include "translate/translate_impl.h"

#include <math.h>

vecna_status vni_block_reduced_rank(const vni_basis *basis, const vecna_recipe *recipe,
                                    double *block, vecna_error *err) {
    const size_t r = basis->rank;
    const size_t q = basis->target_dim;
    const size_t k = r < q ? r : q;
    const size_t keep = recipe->rank < k ? recipe->rank : k;
    vecna_status status = VECNA_ERR_MEMORY;
    vni_dense fitted = {vecna_allocate(basis->allocator, r * q, sizeof(double)), r, q};
    double *sigma = vecna_allocate(basis->allocator, k, sizeof *sigma);
    if (!fitted.data || !sigma) {
        vecna_error_set(err, status, -1, "no memory for %zu directions", r);
        goto done;
    }
    status = vni_block_ridge(basis, recipe, block, err);
    if (status) {
        goto done;
    }
    for (size_t i = 0; i < r; i++) { /* length of the fitted values, penalty rows included */
        double length = sqrt(basis->values[i] + recipe->lambda * basis->mean_variance);
        for (size_t j = 0; j < q; j++) {
            fitted.data[i * q + j] = length * block[i * q + j];
        }
    }
    vni_dense out = {block, r, q};
    status = vni_dense_power(&fitted, 1, keep, &out, sigma, basis->allocator, err);
    for (size_t i = 0; i < r && !status; i++) {
        double length = sqrt(basis->values[i] + recipe->lambda * basis->mean_variance);
        for (size_t j = 0; j < q; j++) {
            block[i * q + j] /= length;
        }
    }
done:
    vecna_release(basis->allocator, fitted.data);
    vecna_release(basis->allocator, sigma);
    return status;
}
