/* Any bytes in any format: what they are is told by the content, once in memory and once as a
 * stream; both must see the same rows where both see any. */
#include "tests/fuzz/fuzz_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    size_t rows = fuzz_read_memory(data, bytes, NULL, 0);
    size_t streamed = fuzz_read_stream(data, bytes, NULL);
    if (rows != SIZE_MAX && streamed != SIZE_MAX && rows != streamed)
        abort();
    fuzz_read_memory(data, bytes, NULL, 3);
    return 0;
}
