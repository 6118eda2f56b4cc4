/* For kernel_bf16.c, which includes it once for whole vectors and once for the half one that a row may end
 * with: MOVE_INPUT, MOVE and UPDATE are the functions' names, U_VECTOR holds U_LANES floats and U_FACTORS twice as many
 * numbers of 16 bits, U_COLUMNS are the most columns and U_* the instructions. */

/* What the outputs move one of a pair's inputs, 0 or 1, which is at `row` and loaded as x. */
KERNEL static inline __attribute__((always_inline)) void
MOVE_INPUT(float *row, U_VECTOR *x, const size_t input, const size_t outputs, const size_t columns,
           const U_FACTORS (*old)[U_COLUMNS], const factors *by) {
#pragma GCC unroll 6
    for (size_t j = 0; j < outputs; j += 2) {
        U_FACTORS g = U_BROADCAST(&by[j / 4].along[along_at(outputs, j, input)]);
#pragma GCC unroll 2
        for (size_t k = 0; k < columns; k++)
            x[k] = U_PRODUCTS(x[k], old[j / 2][k], g);
    }
#pragma GCC unroll 2
    for (size_t k = 0; k < columns; k++)
        U_STORE(row + k * U_LANES, x[k]);
}

/* What two inputs, or one, move in a column and are moved themselves. */
KERNEL static inline __attribute__((always_inline)) void
MOVE(float *first, float *second, const size_t outputs, const size_t columns,
     U_VECTOR (*fresh)[U_COLUMNS], const U_FACTORS (*old)[U_COLUMNS], const factors *by) {
    U_VECTOR x[U_COLUMNS], y[U_COLUMNS];
    U_FACTORS both[U_COLUMNS];
#pragma GCC unroll 2
    for (size_t k = 0; k < columns; k++) {
        x[k] = U_LOAD(first + k * U_LANES);
        y[k] = second ? U_LOAD(second + k * U_LANES) : U_ZERO;
        both[k] = U_PAIR(x[k], y[k]);
    }
#pragma GCC unroll 12
    for (size_t j = 0; j < outputs; j++) {
        U_FACTORS g = U_BROADCAST(&by[j / 4].across[j % 4]);
#pragma GCC unroll 2
        for (size_t k = 0; k < columns; k++)
            fresh[j][k] = U_PRODUCTS(fresh[j][k], both[k], g);
    }
    MOVE_INPUT(first, x, 0, outputs, columns, old, by);
    if (second)
        MOVE_INPUT(second, y, 1, outputs, columns, old, by);
}

KERNEL static inline __attribute__((always_inline)) void UPDATE(const vni_step *step,
                                                                const size_t outputs, size_t at,
                                                                const size_t columns,
                                                                const factors *by) {
    U_VECTOR fresh[OUTPUTS][U_COLUMNS];
    U_FACTORS old[OUTPUTS / 2][U_COLUMNS];
    const size_t groups = (outputs + 3) / 4, inputs = step->input_count;
    float *const *in = step->inputs, *out[OUTPUTS];
    size_t i = 0;
#pragma GCC unroll 12
    for (size_t j = 0; j < outputs; j++)
        out[j] = step->outputs[j] + at;
#pragma GCC unroll 12
    for (size_t j = 0; j < outputs; j++)
#pragma GCC unroll 2
        for (size_t k = 0; k < columns; k++)
            fresh[j][k] = U_LOAD(out[j] + k * U_LANES);
#pragma GCC unroll 6
    for (size_t j = 0; j < outputs; j += 2)
#pragma GCC unroll 2
        for (size_t k = 0; k < columns; k++)
            old[j / 2][k] = U_PAIR(fresh[j][k], j + 1 < outputs ? fresh[j + 1][k] : U_ZERO);
    for (; i + 2 <= inputs; i += 2, by += groups)
        MOVE(in[i] + at, in[i + 1] + at, outputs, columns, fresh,
             (const U_FACTORS(*)[U_COLUMNS])old, by);
    if (i < inputs)
        MOVE(in[i] + at, NULL, outputs, columns, fresh, (const U_FACTORS(*)[U_COLUMNS])old, by);
#pragma GCC unroll 12
    for (size_t j = 0; j < outputs; j++)
#pragma GCC unroll 2
        for (size_t k = 0; k < columns; k++)
            U_STORE(out[j] + k * U_LANES, fresh[j][k]);
}

#undef MOVE_INPUT
#undef MOVE
#undef UPDATE
#undef U_VECTOR
#undef U_FACTORS
#undef U_LANES
#undef U_COLUMNS
#undef U_LOAD
#undef U_STORE
#undef U_ZERO
#undef U_PRODUCTS
#undef U_PAIR
#undef U_BROADCAST
