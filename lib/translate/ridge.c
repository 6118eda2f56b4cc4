/* Ridge regression: (L + lambda t)^-1 C in the eigenbasis, so a whole path of lambdas costs one
 * decomposition. t, the mean variance of a source dimension, makes lambda independent of the scale
 * of the vectors and of the number of pairs. */
#include "translate/translate_impl.h"

vecna_status vni_block_ridge(const vni_basis *basis, const vecna_recipe *recipe, double *block,
                             vecna_error *err) {
    (void)err;
    const size_t q = basis->target_dim;
    for (size_t i = 0; i < basis->rank; i++) {
        double shrink = 1 / (basis->values[i] + recipe->lambda * basis->mean_variance);
        for (size_t j = 0; j < q; j++) {
            block[i * q + j] = shrink * basis->cross[i * q + j];
        }
    }
    return VECNA_OK;
}
