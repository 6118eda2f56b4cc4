/* Any bytes as fvecs, bvecs and ivecs. */
#include "tests/fuzz/fuzz_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    fuzz_read_memory(data, bytes, "fvecs", 0);
    fuzz_read_memory(data, bytes, "bvecs", 0);
    fuzz_read_memory(data, bytes, "ivecs", 0);
    return 0;
}
