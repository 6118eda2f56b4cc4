/* Any bytes as .npy: rows or an error, and no more rows than the bytes can hold. */
#include "tests/fuzz/fuzz_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    fuzz_read_memory(data, bytes, "npy", 0);
    return 0;
}
