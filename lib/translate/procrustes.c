/* Orthogonal Procrustes: the rotation (rectangular where dims differ) nearest to the pairs, and
 * three scales for it. The scale does not move the vector's direction about the mean, but the mean
 * is added after: in a narrow cone an unscaled rotation overshoots it. Source: Schoenemann, "A
 * generalized solution of the orthogonal Procrustes problem", 1966. */
#include "translate/translate_impl.h"

#include <math.h>
#include <string.h>

/* Each output by itself: the least squares scale of every column. */
static void scale_columns(const vni_basis *basis, double *block) {
    const size_t q = basis->target_dim;
    double most = 0;
    for (int pass = 0; pass < 2; pass++) { /* the largest energy first, to know what is zero */
        for (size_t j = 0; j < q; j++) {
            double product = 0, energy = 0;
            for (size_t i = 0; i < basis->rank; i++) {
                double r = basis->rotation[i * q + j];
                product += r * basis->cross[i * q + j];
                energy += r * r * basis->values[i];
            }
            most = energy > most ? energy : most;
            if (pass == 1) {
                double scale = energy > 1e-12 * most ? product / energy : 0;
                for (size_t i = 0; i < basis->rank; i++) {
                    block[i * q + j] = scale * basis->rotation[i * q + j];
                }
            }
        }
    }
}

vecna_status vni_block_procrustes(const vni_basis *basis, const vecna_recipe *recipe, double *block,
                                  vecna_error *err) {
    (void)err;
    const size_t size = basis->rank * basis->target_dim;
    double scale = 1;
    if (recipe->method == VECNA_METHOD_PROCRUSTES_DIAGONAL) {
        scale_columns(basis, block);
        return VECNA_OK;
    }
    if (basis->rotated_energy > 0 && recipe->method == VECNA_METHOD_PROCRUSTES_LS) {
        scale = basis->nuclear / basis->rotated_energy;
    } else if (basis->rotated_energy > 0 && recipe->method == VECNA_METHOD_PROCRUSTES_RADIUS) {
        scale = sqrt(basis->target_energy / basis->rotated_energy);
    }
    for (size_t i = 0; i < size; i++) {
        block[i] = scale * basis->rotation[i];
    }
    return VECNA_OK;
}
