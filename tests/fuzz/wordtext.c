/* Any bytes as words with numbers, with and without a first line. */
#include "tests/fuzz/fuzz_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    fuzz_read_memory(data, bytes, "word2vec-text", 0);
    fuzz_read_memory(data, bytes, "glove", 0);
    return 0;
}
