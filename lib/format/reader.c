/* The reader's core: finds the format, holds the options and the input, and keeps the promises that
 * are the same for every format: limits of dim, rows counted, a block left empty on failure. */
#include "format/format_impl.h"

#include <string.h>

enum { HEAD_BYTES = 4096, DEFAULT_LINE_BYTES = 64 << 20, DEFAULT_BLOCK_BYTES = 4 << 20 };

static vecna_status reader_new(const char *name, const vecna_format_options *options,
                               vecna_reader **out, vecna_error *err) {
    static const vecna_format_options defaults;
    const vecna_format_options *given = options ? options : &defaults;
    vecna_reader *reader = vecna_allocate_zero(given->allocator, 1, sizeof *reader);
    char *end;

    if (reader == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to read %s", name);
    if (given->allocator) {
        reader->allocator_copy = *given->allocator;
        reader->allocator = &reader->allocator_copy;
    }
    reader->options = *given;
    reader->options.allocator = reader->allocator;
    if (given->max_line_bytes == 0)
        reader->options.max_line_bytes = DEFAULT_LINE_BYTES;
    reader->info.rows = -1;
    reader->input.allocator = reader->allocator;
    reader->input.descriptor = -1;
    reader->strings =
        vecna_allocate(reader->allocator,
                       vni_kept_bytes(name) + vni_kept_bytes(given->format) +
                           vni_kept_bytes(given->id_field) + vni_kept_bytes(given->text_field) +
                           vni_kept_bytes(given->vector_field) + vni_kept_bytes(given->tensor),
                       1);
    if (reader->strings == NULL) {
        vecna_reader_close(reader);
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to read %s", name);
    }
    end = reader->strings;
    reader->input.name = vni_keep(&end, name);
    reader->options.format = vni_keep(&end, given->format);
    reader->options.id_field = vni_keep(&end, given->id_field);
    reader->options.text_field = vni_keep(&end, given->text_field);
    reader->options.vector_field = vni_keep(&end, given->vector_field);
    reader->options.tensor = vni_keep(&end, given->tensor);
    *out = reader;
    return VECNA_OK;
}

/* The options' word, the content's, the name's; a dimension alone means raw. */
static vecna_status find_format(vecna_reader *reader, vecna_error *err) {
    vni_input *input = &reader->input;
    char extension[16];
    vni_head head = {NULL, 0, 0, -1, extension};
    vecna_status status;

    if (reader->options.format)
        status = vni_format_by_name(reader->options.format, &reader->format, err);
    else
        status = VECNA_OK;
    if (status == VECNA_OK)
        status = vni_input_peek(input, HEAD_BYTES, &head.data, &head.bytes, err);
    if (status != VECNA_OK)
        return status;
    if (head.bytes == 0)
        return vecna_error_set(err, VECNA_ERR_FORMAT, 0, "%s is empty: it has no vectors",
                               input->name);
    if (reader->format)
        return VECNA_OK;
    vni_path_extension(input->name, extension);
    head.size = input->seekable ? (int64_t)input->size : -1;
    head.whole = input->seekable ? head.bytes == input->size : input->at_end;
    reader->format = vni_format_by_content(&head);
    if (reader->format == NULL && vni_format_is_foreign(&head)) /* whatever its name says */
        return vni_format_unknown(&head, input->name, err);
    if (reader->format == NULL && reader->options.dim > 0 &&
        vni_word_in(extension, vni_format_raw.info.extensions))
        reader->format = &vni_format_raw;
    if (reader->format == NULL)
        reader->format = vni_format_by_extension(extension);
    if (reader->format == NULL && reader->options.dim > 0)
        reader->format = &vni_format_raw;
    if (reader->format == NULL)
        return vni_format_unknown(&head, input->name, err);
    return VECNA_OK;
}

static vecna_status start(vecna_reader *reader, vecna_reader **out, vecna_error *err) {
    vecna_status status = find_format(reader, err);
    if (status == VECNA_OK) {
        reader->info.format = reader->format->info.name;
        status = reader->format->open(reader, err);
    }
    if (status != VECNA_OK) {
        vecna_reader_close(reader);
        return status;
    }
    *out = reader;
    return VECNA_OK;
}

vecna_status vecna_reader_open(const char *path, const vecna_format_options *options,
                               vecna_reader **out, vecna_error *err) {
    vecna_reader *reader = NULL;
    vecna_status status =
        reader_new(strcmp(path, "-") == 0 ? "standard input" : path, options, &reader, err);
    if (status != VECNA_OK)
        return status;
    status = vni_input_open(&reader->input, path, err);
    if (status != VECNA_OK) {
        vecna_reader_close(reader);
        return status;
    }
    return start(reader, out, err);
}

vecna_status vecna_reader_open_memory(const void *data, size_t bytes, const char *name,
                                      const vecna_format_options *options, vecna_reader **out,
                                      vecna_error *err) {
    vecna_reader *reader = NULL;
    vecna_status status = reader_new(name, options, &reader, err);
    if (status != VECNA_OK)
        return status;
    vni_input_open_memory(&reader->input, data, bytes);
    return start(reader, out, err);
}

const vecna_file_info *vecna_reader_about(const vecna_reader *reader) {
    return &reader->info;
}

vecna_status vni_reader_dim(vecna_reader *reader, uint64_t dim, vecna_error *err) {
    if (dim == 0 || dim > VECNA_FORMAT_MAX_DIM)
        return vecna_error_set(err, VECNA_ERR_FORMAT, -1,
                               "%s claims %llu dimensions; a vector has 1 to %zu",
                               reader->input.name, (unsigned long long)dim, VECNA_FORMAT_MAX_DIM);
    if (reader->options.dim > 0 && dim != reader->options.dim)
        return vecna_error_set(err, VECNA_ERR_DIM, -1, "%s has %llu dimensions, not %zu",
                               reader->input.name, (unsigned long long)dim, reader->options.dim);
    reader->info.dim = (size_t)dim;
    return VECNA_OK;
}

vecna_status vecna_reader_read(vecna_reader *reader, vecna_block *block, size_t max_rows,
                               vecna_error *err) {
    vecna_status status = VECNA_OK;
    size_t dim = reader->info.dim;

    vni_block_clear(block);
    if (max_rows == 0)
        max_rows = DEFAULT_BLOCK_BYTES / (dim * sizeof(float));
    if (max_rows == 0)
        max_rows = 1;
    if (reader->info.rows >= 0 && max_rows > (uint64_t)reader->info.rows - reader->next_row)
        max_rows = (size_t)((uint64_t)reader->info.rows - reader->next_row);
    if (max_rows > 0)
        status = reader->format->read(reader, block, max_rows, err);
    if (status != VECNA_OK)
        vni_block_clear(block);
    if (block->vectors.rows == 0)
        block->vectors = vecna_view_dense(NULL, 0, dim);
    block->first_row = reader->next_row;
    reader->next_row += block->vectors.rows;
    return status;
}

void vecna_reader_close(vecna_reader *reader) {
    vecna_allocator copy;
    const vecna_allocator *allocator;
    if (reader == NULL)
        return;
    if (reader->format && reader->format->close)
        reader->format->close(reader);
    vni_input_close(&reader->input);
    copy = reader->allocator_copy; /* the reader's own copy goes with the reader */
    allocator = reader->allocator ? &copy : NULL;
    vecna_release(allocator, reader->strings);
    vecna_release(allocator, reader);
}
