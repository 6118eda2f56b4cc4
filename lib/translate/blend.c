/* share * rotation + (1 - share) * ridge: regression where the pairs say
 * much, the rotation's evenness where they say little. Ridge shrinks directions of small variance,
 * which queries may need that are unlike the documents; the rotation keeps them. Documents do best with the
 * rotation at its least squares scale, queries with it as it is. Source: docs/translators.md,
 * measured. */
#include "translate/translate_impl.h"

vecna_status vni_block_blend(const vni_basis *basis, const vecna_recipe *recipe, double *block,
                             vecna_error *err) {
    const size_t size = basis->rank * basis->target_dim;
    vecna_status status = vni_block_ridge(basis, recipe, block, err);
    const int scaled = recipe->method != VECNA_METHOD_BLEND_PLAIN && basis->rotated_energy > 0;
    const double scale = scaled ? basis->nuclear / basis->rotated_energy : 1;
    for (size_t i = 0; i < size && !status; i++) {
        block[i] = recipe->share * scale * basis->rotation[i] + (1 - recipe->share) * block[i];
    }
    return status;
}
