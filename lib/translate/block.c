/* From a recipe to the method's file: the one place that knows them all. */
#include "translate/translate_impl.h"

vecna_status vni_block(const vni_basis *basis, const vecna_recipe *recipe, double *block,
                       vecna_error *err) {
    static vni_block_fn *const table[VECNA_METHODS] = {
        [VECNA_METHOD_PROCRUSTES] = vni_block_procrustes,
        [VECNA_METHOD_PROCRUSTES_LS] = vni_block_procrustes,
        [VECNA_METHOD_PROCRUSTES_RADIUS] = vni_block_procrustes,
        [VECNA_METHOD_PROCRUSTES_DIAGONAL] = vni_block_procrustes,
        [VECNA_METHOD_RIDGE] = vni_block_ridge,
        [VECNA_METHOD_REDUCED_RANK] = vni_block_reduced_rank,
        [VECNA_METHOD_BLEND] = vni_block_blend,
        [VECNA_METHOD_FAMILY] = vni_block_family,
        [VECNA_METHOD_MEMORY] = vni_block_blend, /* its base */
        [VECNA_METHOD_BLEND_PLAIN] = vni_block_blend,
    };
    if ((unsigned)recipe->method >= VECNA_METHODS || !table[recipe->method]) {
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1, "method %d cannot be fitted",
                               (int)recipe->method);
    }
    return table[recipe->method](basis, recipe, block, err);
}
