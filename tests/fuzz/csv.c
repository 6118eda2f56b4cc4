/* Any bytes as a table. */
#include "tests/fuzz/fuzz_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    fuzz_read_memory(data, bytes, "csv", 0);
    fuzz_read_memory(data, bytes, "tsv", 0);
    return 0;
}
