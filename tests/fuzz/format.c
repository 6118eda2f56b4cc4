/* Any bytes in any format: what they are is told by the content, once in memory and once as a
 * stream; both must see the same rows where both see any. */
#include "tests/fuzz/fuzz_format.h"

#include <stdlib.h>
#include <unistd.h>

static size_t read_stream(const uint8_t *data, size_t bytes) {
    vecna_reader *reader = NULL;
    vecna_error err;
    char path[32];
    int ends[2];
    size_t rows = SIZE_MAX;
    if (bytes > 60000 || pipe(ends) != 0)
        return SIZE_MAX;
    if (write(ends[1], data, bytes) != (ssize_t)bytes)
        abort();
    close(ends[1]);
    snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    if (vecna_reader_open(path, NULL, &reader, &err) == VECNA_OK)
        rows = fuzz_read_rows(reader, bytes, 0);
    close(ends[0]);
    return rows;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    size_t rows = fuzz_read_memory(data, bytes, NULL, 0);
    size_t streamed = read_stream(data, bytes);
    if (rows != SIZE_MAX && streamed != SIZE_MAX && rows != streamed)
        abort();
    fuzz_read_memory(data, bytes, NULL, 3);
    return 0;
}
