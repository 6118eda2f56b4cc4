/* A random orthonormal matrix, uniform over all of them: the Q of normals whose R has a positive
 * diagonal. That Q is unique, so it does not matter which LAPACK computed it; the normals come from
 * vecna_random, which gives the same bits everywhere. Plain normals without QR would be cheaper and
 * would keep inner products less well, and upwards not at all. */
#include "adapt/adapt_impl.h"

#include "vecna/linalg.h"

static vecna_status no_memory(const vecna_adapter *adapter, vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                           "not enough memory for a projection of %zu to %zu dimensions",
                           adapter->options.source_dim, adapter->options.target_dim);
}

vecna_status vni_adapt_draw(vecna_adapter *adapter, vecna_error *err) {
    const vecna_adapt_options *options = &adapter->options;
    size_t source = options->source_dim, target = options->target_dim;
    size_t larger = source > target ? source : target, smaller = source + target - larger;
    vecna_random random;
    vecna_status status;
    size_t count;
    double *drawn;

    if (!vecna_size_mul(source, target, &count))
        return vecna_error_set(err, VECNA_ERR_OVERFLOW, -1,
                               "a projection of %zu to %zu dimensions does not fit into memory",
                               source, target);
    drawn = vecna_allocate(adapter->allocator, count, sizeof *drawn);
    adapter->matrix = vecna_allocate(adapter->allocator, count, sizeof *adapter->matrix);
    if (drawn == NULL || adapter->matrix == NULL) {
        status = no_memory(adapter, err);
        goto done;
    }
    vecna_random_seed(&random, options->seed, 0);
    for (size_t i = 0; i < count; i++)
        drawn[i] = vecna_random_normal(&random);
    status = vecna_linalg_orthonormal(drawn, larger, smaller, err);
    if (status != VECNA_OK)
        goto done;
    for (size_t i = 0; i < source; i++)
        for (size_t j = 0; j < target; j++)
            adapter->matrix[i * target + j] =
                (float)(source >= target ? drawn[i * smaller + j] : drawn[j * smaller + i]);
done:
    vecna_release(adapter->allocator, drawn);
    return status;
}

vecna_status vni_adapt_project(const vecna_adapter *adapter, vecna_view in, vecna_matrix out,
                               vecna_error *err) {
    vecna_view matrix =
        vecna_view_dense(adapter->matrix, adapter->options.source_dim, adapter->options.target_dim);
    return in.rows > 0 ? vecna_linalg_product(in, matrix, out, NULL, err) : VECNA_OK;
}
