/* The continuous family between rotation and ridge: whiten the source to the power e, keep the
 * singular values to the power e, undo nothing: W = V D^(e/2) A S^e B', D = (L + lambda t)^-1,
 * A S B' = D^(e/2) C. e = 0 is Procrustes, e = 1 ridge.
 * Source: Artetxe, Labaka and Agirre, "Generalizing and improving bilingual word embedding mappings
 * with a multi-step framework of linear transformations", 2018, with one exponent for both steps.
 */
#include "translate/translate_impl.h"

#include <math.h>

vecna_status vni_block_family(const vni_basis *basis, const vecna_recipe *recipe, double *block,
                              vecna_error *err) {
    const size_t r = basis->rank;
    const size_t q = basis->target_dim;
    const size_t k = r < q ? r : q;
    vecna_status status = VECNA_ERR_MEMORY;
    vni_dense white = {vecna_allocate(basis->allocator, r * q, sizeof(double)), r, q};
    double *sigma = vecna_allocate(basis->allocator, k, sizeof *sigma);
    if (!white.data || !sigma) {
        vecna_error_set(err, status, -1, "no memory for %zu directions", r);
        goto done;
    }
    for (size_t i = 0; i < r; i++) {
        double weight =
            pow(basis->values[i] + recipe->lambda * basis->mean_variance, -recipe->exponent / 2);
        for (size_t j = 0; j < q; j++) {
            white.data[i * q + j] = weight * basis->cross[i * q + j];
        }
    }
    vni_dense out = {block, r, q};
    status = vni_dense_power(&white, recipe->exponent, k, &out, sigma, basis->allocator, err);
    for (size_t i = 0; i < r && !status; i++) {
        double weight =
            pow(basis->values[i] + recipe->lambda * basis->mean_variance, -recipe->exponent / 2);
        for (size_t j = 0; j < q; j++) {
            block[i * q + j] *= weight;
        }
    }
done:
    vecna_release(basis->allocator, white.data);
    vecna_release(basis->allocator, sigma);
    return status;
}
