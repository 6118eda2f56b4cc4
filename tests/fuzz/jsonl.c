/* Any bytes as JSONL, an array of records or a response body. */
#include "tests/fuzz/fuzz_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    fuzz_read_memory(data, bytes, "jsonl", 0);
    return 0;
}
