/* Any bytes as .npy: rows or an error, and no more rows than the bytes can hold; with any number of axes,
 * the shape of a row is as long as the row. */
#include "tests/fuzz/fuzz_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    const vecna_format_options options = {.format = "npy", .any_axes = 1};
    vecna_reader *reader = NULL;
    vecna_error err = {VECNA_OK, -1, ""};
    fuzz_read_memory(data, bytes, "npy", 0);
    if (vecna_reader_open_memory(data, bytes, "fuzz", &options, &reader, &err) == VECNA_OK) {
        const vecna_file_info *about = vecna_reader_about(reader);
        size_t inner = 1;
        for (size_t i = 0; i < VECNA_FORMAT_MAX_INNER && about->inner[i]; i++)
            inner *= about->inner[i];
        if (about->inner[0] && inner != about->dim)
            abort();
        fuzz_read_rows(reader, bytes, 1);
    }
    return 0;
}
