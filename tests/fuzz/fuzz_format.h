/* What the fuzzers of vector files share. */
#ifndef VECNA_FUZZ_FORMAT_H
#define VECNA_FUZZ_FORMAT_H

#include "vecna/codec.h"
#include "vecna/format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* A failure says so in its status and in words that can be shown. */
static void fuzz_check_error(vecna_status status, const vecna_error *err) {
    const size_t length = strlen(err->message);
    if (err->status != status || length == 0 ||
        vecna_utf8_valid_bytes(err->message, length) != length)
        abort();
}

/* Read to the end in odd pieces, touching every byte that is handed out; the rows, SIZE_MAX after
 * an error. Closes the reader. */
static inline size_t fuzz_read_rows(vecna_reader *reader, size_t bytes, int whole) {
    const vecna_file_info *info = vecna_reader_about(reader);
    volatile float sink = 0;
    volatile char text_sink = 0;
    vecna_block *block = NULL;
    vecna_error err = {VECNA_OK, -1, ""};
    size_t rows = 0;
    vecna_status status = vecna_block_new(NULL, &block, &err);
    if (info->dim == 0 || info->dim > VECNA_FORMAT_MAX_DIM ||
        (whole && info->rows > (int64_t)bytes))
        abort();
    while (status == VECNA_OK) {
        status = vecna_reader_read(reader, block, 1 + rows % 7, &err);
        if (status != VECNA_OK || block->vectors.rows == 0)
            break;
        if (block->first_row != rows || block->vectors.dim != info->dim ||
            (block->records != NULL) != info->has_records)
            abort();
        for (size_t row = 0; row < block->vectors.rows; row++) {
            const float *data = block->vectors.data + row * block->vectors.stride;
            for (size_t i = 0; i < info->dim; i++)
                sink = data[i];
            if (block->records == NULL)
                continue;
            for (size_t i = 0; i < block->records[row].id.bytes; i++)
                text_sink = block->records[row].id.data[i];
            for (size_t i = 0; i < block->records[row].text.bytes; i++)
                text_sink = block->records[row].text.data[i];
            for (size_t field = 0; field < block->records[row].field_count; field++) {
                const vecna_field *each = &block->records[row].fields[field];
                for (size_t i = 0; i < each->name.bytes; i++)
                    text_sink = each->name.data[i];
                for (size_t i = 0; i < each->value.bytes; i++)
                    text_sink = each->value.data[i];
            }
            if (block->records[row].vector_at > block->records[row].field_count)
                abort();
        }
        rows += block->vectors.rows;
    }
    (void)sink;
    (void)text_sink;
    if (status == VECNA_OK ? rows > bytes : block && block->vectors.rows != 0)
        abort();
    if (status != VECNA_OK)
        fuzz_check_error(status, &err);
    vecna_block_free(block);
    vecna_reader_close(reader);
    return status == VECNA_OK ? rows : SIZE_MAX;
}

/* In memory, rows or SIZE_MAX. */
static inline size_t fuzz_read_options(const uint8_t *data, size_t bytes,
                                       const vecna_format_options *options) {
    vecna_reader *reader = NULL;
    vecna_error err = {VECNA_OK, -1, ""};
    vecna_status status = vecna_reader_open_memory(data, bytes, "fuzz", options, &reader, &err);
    if (status != VECNA_OK) {
        fuzz_check_error(status, &err);
        if (reader)
            abort();
        return SIZE_MAX;
    }
    return fuzz_read_rows(reader, bytes, 1);
}

static inline size_t fuzz_read_memory(const uint8_t *data, size_t bytes, const char *format,
                                      size_t dim) {
    vecna_format_options options = {.format = format, .dim = dim, .max_line_bytes = 1 << 16};
    return fuzz_read_options(data, bytes, &options);
}

/* The same from a pipe, of which nobody knows the end; what would not fit into one is not read. */
static inline size_t fuzz_read_stream(const uint8_t *data, size_t bytes,
                                      const vecna_format_options *options) {
    vecna_reader *reader = NULL;
    vecna_error err = {VECNA_OK, -1, ""};
    char path[32];
    int ends[2];
    size_t rows = SIZE_MAX;
    if (bytes > 60000 || pipe(ends) != 0)
        return SIZE_MAX;
    if (write(ends[1], data, bytes) != (ssize_t)bytes)
        abort();
    close(ends[1]);
    snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    vecna_status status = vecna_reader_open(path, options, &reader, &err);
    if (status == VECNA_OK)
        rows = fuzz_read_rows(reader, bytes, 0);
    else
        fuzz_check_error(status, &err);
    close(ends[0]);
    return rows;
}

#endif
