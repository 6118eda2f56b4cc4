/* For kernel_body.h, which includes it once for whole vectors and once for the half one that a row may end
 * with: UPDATE is the function's name, U_VECTOR holds U_LANES floats, U_COLUMNS are its most columns and
 * U_* its instructions.
 *
 * Both updates of `columns` columns from `at` on for a group of outputs: a gain is read once for all of
 * them. With more than one group, what the inputs get is collected in step->moves, of one column; first
 * and last say which group it is. */
KERNEL static inline __attribute__((always_inline)) void
UPDATE(const vni_step *step, size_t group, const size_t output_count, size_t at,
       const size_t columns, size_t stride, const int first, const int last) {
    U_VECTOR old[STEP_OUTPUTS][U_COLUMNS], fresh[STEP_OUTPUTS][U_COLUMNS];
    const float *gains = step->gains + group * stride;
#pragma GCC unroll 8
    for (size_t j = 0; j < output_count; j++)
#pragma GCC unroll 2
        for (size_t k = 0; k < columns; k++)
            old[j][k] = fresh[j][k] = U_LOAD(step->outputs[group + j] + at + k * U_LANES);
    for (size_t i = 0; i < step->input_count; i++) {
        float *input = step->inputs[i] + at;
        U_VECTOR x[U_COLUMNS], move[U_COLUMNS];
#pragma GCC unroll 2
        for (size_t k = 0; k < columns; k++) {
            x[k] = U_LOAD(input + k * U_LANES);
            move[k] = !first ? U_LOAD(step->moves + i * VNI_LANES) : last ? x[k] : U_ZERO;
        }
#pragma GCC unroll 8
        for (size_t j = 0; j < output_count; j++) {
            U_VECTOR g = U_SET1(gains[j * stride + i]);
#pragma GCC unroll 2
            for (size_t k = 0; k < columns; k++) {
                move[k] = U_FMA(g, old[j][k], move[k]);
                fresh[j][k] = U_FMA(g, x[k], fresh[j][k]);
            }
        }
#pragma GCC unroll 2
        for (size_t k = 0; k < columns; k++) {
            if (last)
                U_STORE(input + k * U_LANES, first ? move[k] : U_ADD(x[k], move[k]));
            else
                U_STORE(step->moves + i * VNI_LANES, move[k]);
        }
    }
#pragma GCC unroll 8
    for (size_t j = 0; j < output_count; j++)
#pragma GCC unroll 2
        for (size_t k = 0; k < columns; k++)
            U_STORE(step->outputs[group + j] + at + k * U_LANES, fresh[j][k]);
}

#undef UPDATE
#undef U_VECTOR
#undef U_LANES
#undef U_COLUMNS
#undef U_LOAD
#undef U_STORE
#undef U_SET1
#undef U_ZERO
#undef U_ADD
#undef U_FMA
