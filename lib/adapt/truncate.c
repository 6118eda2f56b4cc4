/* Elements are dropped from one end. Which end is the user's choice, because models differ:
 * Matryoshka models put the most into the first elements, and nothing is known of others. */
#include "adapt/adapt_impl.h"

#include <string.h>

void vni_adapt_truncate(const vecna_adapter *adapter, vecna_view in, vecna_matrix out) {
    size_t dropped = in.dim - out.dim;
    size_t first = adapter->options.truncate_mode == VECNA_TRUNCATE_FROM_START ? dropped : 0;
    for (size_t i = 0; i < in.rows; i++)
        memcpy(out.data + i * out.stride, in.data + i * in.stride + first,
               out.dim * sizeof *out.data);
}
