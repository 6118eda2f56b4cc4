/* Zeros are added at one end. They change no inner product, so whatever an index computes stays
 * what it was. */
#include "adapt/adapt_impl.h"

#include <string.h>

void vni_adapt_pad(const vecna_adapter *adapter, vecna_view in, vecna_matrix out) {
    size_t zeros = out.dim - in.dim;
    int at_start = adapter->options.pad_mode == VECNA_PAD_AT_START;
    for (size_t i = 0; i < in.rows; i++) {
        float *to = out.data + i * out.stride;
        memset(to + (at_start ? 0 : in.dim), 0, zeros * sizeof *to);
        memcpy(to + (at_start ? zeros : 0), in.data + i * in.stride, in.dim * sizeof *to);
    }
}
