/* Any bytes under any options: the first four choose the format, the dimension, the element of raw
 * numbers, the names of fields and tensors and the longest line; the rest is read in memory and as
 * a stream, which must see the same rows where both see any. Every format is reached, raw too. */
#include "tests/fuzz/fuzz_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static const size_t line_bytes[] = {1 << 16, 0, 16, 64};
    const vecna_format_info *const *formats = vecna_format_list();
    size_t count = 0;
    if (bytes < 4)
        return 0;
    while (formats[count])
        count++;
    const size_t chosen = data[0] % (count + 1);
    const unsigned named = data[3];
    const vecna_format_options options = {
        .format = chosen < count ? formats[chosen]->name : NULL,
        .dim = data[1] % 16,
        .dtype = (vecna_dtype)(data[2] % 8),
        .vector_field = named & 1 ? "v1" : NULL,
        .id_field = named & 2 ? "word" : NULL,
        .text_field = named & 4 ? "body" : NULL,
        .tensor = named & 8 ? "second" : NULL,
        .max_line_bytes = line_bytes[named >> 4 & 3],
    };
    const size_t rows = fuzz_read_options(data + 4, bytes - 4, &options);
    const size_t streamed = fuzz_read_stream(data + 4, bytes - 4, &options);
    if (rows != SIZE_MAX && streamed != SIZE_MAX && rows != streamed)
        abort();
    return 0;
}
