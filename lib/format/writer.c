/* The writer's core: finds the format by name, and stands between it and the file. A header that
 * needs the number of rows is corrected at the end; where the output is a stream, and the number
 * was not told, the bytes go to an unnamed temporary file first (the spool), which keeps memory
 * constant and the stream correct. */
#define _GNU_SOURCE
#include "format/format_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SPOOL_BUFFER_BYTES = 1 << 18 };

static vecna_status no_memory(const char *name, vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to write %s", name);
}

static vecna_status spool_error(const vecna_writer *writer, vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_IO, -1,
                           "cannot keep the rows for %s in a temporary file: %s (TMPDIR chooses "
                           "where; naming the number of rows avoids it)",
                           writer->name, strerror(errno));
}

/* The output's names: what the options say, else what the input had. The stem of a table's columns (dim_0,
 * dim_1 ..) is no name for a field of JSON: no reader would look for the vector there. */
static vecna_status resolve(vecna_writer *writer, const char *path, const vni_format *format,
                            const vecna_writer_options *given, vecna_error *err) {
    static const vecna_file_info nothing;
    const vecna_file_info *like = given->like ? given->like : &nothing;
    const char *name = strcmp(path, "-") == 0 ? "standard output" : path;
    const char *id = given->id_field ? given->id_field : like->id_field;
    const char *text = given->text_field ? given->text_field : like->text_field;
    int is_tensor = like->format && strcmp(like->format, "safetensors") == 0;
    int is_stem = like->layout == VECNA_LAYOUT_COLUMNS && strcmp(format->info.name, "jsonl") == 0;
    const char *liked = is_tensor || is_stem ? NULL : like->vector_field;
    const char *vector = given->vector_field ? given->vector_field : liked;
    const char *tensor = given->tensor ? given->tensor : is_tensor ? like->vector_field : NULL;
    char *end;

    if (given->tensor && strcmp(format->info.name, "safetensors") != 0)
        return vecna_error_set(
            err, VECNA_ERR_ARGUMENT, -1,
            "%s is written as %s, which names no tensor; leave \"%s\" out, or write "
            "safetensors",
            name, format->info.name, given->tensor);
    writer->strings =
        vecna_allocate(writer->allocator,
                       vni_kept_bytes(name) + vni_kept_bytes(id) + vni_kept_bytes(text) +
                           vni_kept_bytes(vector) + vni_kept_bytes(tensor),
                       1);
    if (writer->strings == NULL)
        return no_memory(name, err);
    end = writer->strings;
    writer->name = vni_keep(&end, name);
    writer->options.id_field = vni_keep(&end, id);
    writer->options.text_field = vni_keep(&end, text);
    writer->options.vector_field = vni_keep(&end, vector);
    writer->options.tensor = vni_keep(&end, tensor);
    if (writer->options.layout == VECNA_LAYOUT_DEFAULT)
        writer->options.layout = like->layout;
    writer->options.like = NULL;
    writer->options.format = NULL;
    writer->options.allocator = writer->allocator;
    writer->delimiter = like->delimiter;
    writer->like_has_header = like->delimiter ? like->has_header : -1;
    writer->like_has_records = like->has_records;
    return VECNA_OK;
}

static vecna_status find_format(const char *path, const vecna_writer_options *options,
                                const vni_format **out, vecna_error *err) {
    const vni_format *format = NULL;
    char extension[16];
    vecna_status status = VECNA_OK;
    if (options->format) {
        status = vni_format_by_name(options->format, &format, err);
    } else if (strcmp(path, "-") == 0) {
        if (options->like && options->like->format)
            status = vni_format_by_name(options->like->format, &format, err);
        else
            status = vecna_error_set(
                err, VECNA_ERR_ARGUMENT, -1,
                "standard output has no name that tells a format; name one (--format)");
    } else {
        vni_path_extension(path, extension);
        format = vni_format_by_extension(extension);
        if (format == NULL)
            status = vecna_error_set(
                err, VECNA_ERR_ARGUMENT, -1,
                "the name %s tells no format; name one (--format), or end it in .npy, "
                ".jsonl, .csv, .fvecs, .safetensors ...",
                path);
    }
    *out = format;
    return status;
}

static vecna_status open_spool(vecna_writer *writer, vecna_error *err) {
    const char *folder = getenv("TMPDIR");
    size_t bytes;
    char *path;
    if (folder == NULL || folder[0] == '\0')
        folder = "/tmp";
    bytes = strlen(folder) + 32;
    path = vecna_allocate(writer->allocator, bytes, 1);
    writer->buffer = vecna_allocate(writer->allocator, SPOOL_BUFFER_BYTES, 1);
    if (path == NULL || writer->buffer == NULL) {
        vecna_release(writer->allocator, path);
        return no_memory(writer->name, err);
    }
    snprintf(path, bytes, "%s/vecna-spool-XXXXXX", folder);
    writer->spool = mkostemp(path, O_CLOEXEC);
    if (writer->spool >= 0)
        unlink(path); /* the descriptor is all that is left of it, whatever happens */
    vecna_release(writer->allocator, path);
    return writer->spool >= 0 ? VECNA_OK : spool_error(writer, err);
}

static void writer_free(vecna_writer *writer) {
    vecna_allocator copy = writer->allocator_copy;
    const vecna_allocator *allocator = writer->allocator ? &copy : NULL;
    if (writer->format && writer->format->abandon)
        writer->format->abandon(writer);
    if (writer->spool >= 0)
        close(writer->spool);
    vecna_release(allocator, writer->buffer);
    vecna_release(allocator, writer->strings);
    vecna_release(allocator, writer);
}

void vecna_writer_discard(vecna_writer *writer) {
    if (writer == NULL)
        return;
    vecna_outfile_discard(writer->file);
    writer_free(writer);
}

vecna_status vecna_writer_open(const char *path, const vecna_writer_options *options,
                               vecna_writer **out, vecna_error *err) {
    const vni_format *format = NULL;
    vecna_writer *writer;
    vecna_status status = find_format(path, options, &format, err);

    if (status != VECNA_OK)
        return status;
    if (options->dim == 0 || options->dim > VECNA_FORMAT_MAX_DIM)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "cannot write vectors of %zu dimensions; 1 to %zu are possible",
                               options->dim, VECNA_FORMAT_MAX_DIM);
    writer = vecna_allocate_zero(options->allocator, 1, sizeof *writer);
    if (writer == NULL)
        return no_memory(path, err);
    writer->spool = -1;
    writer->options = *options;
    if (options->allocator) {
        writer->allocator_copy = *options->allocator;
        writer->allocator = &writer->allocator_copy;
    }
    status = resolve(writer, path, format, options, err);
    if (status == VECNA_OK)
        status = vecna_outfile_open(path, writer->allocator, &writer->file, err);
    if (status == VECNA_OK && format->counts_rows && options->rows == 0 &&
        !vecna_outfile_can_patch(writer->file))
        status = open_spool(writer, err);
    if (status == VECNA_OK) {
        writer->format = format;
        status = format->begin(writer, err);
    }
    if (status != VECNA_OK) {
        vecna_writer_discard(writer);
        return status;
    }
    *out = writer;
    return VECNA_OK;
}

vecna_status vecna_writer_write(vecna_writer *writer, vecna_view rows, const vecna_record *records,
                                vecna_error *err) {
    vecna_status status;
    if (rows.rows == 0)
        return VECNA_OK;
    if (rows.dim != writer->options.dim)
        return vecna_error_set(err, VECNA_ERR_DIM, (int64_t)writer->rows,
                               "rows of %zu dimensions came to %s, which has %zu", rows.dim,
                               writer->name, writer->options.dim);
    status = writer->format->write(writer, rows, records, err);
    if (status == VECNA_OK)
        writer->rows += rows.rows;
    return status;
}

/* ---- where formats send their bytes ---------------------------------------------------------- */

static vecna_status spool_all(vecna_writer *writer, const unsigned char *data, size_t bytes,
                              vecna_error *err) {
    while (bytes > 0) {
        ssize_t wrote = write(writer->spool, data, bytes);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return spool_error(writer, err);
        data += wrote;
        bytes -= (size_t)wrote;
        writer->spooled += (uint64_t)wrote;
    }
    return VECNA_OK;
}

static vecna_status flush_spool(vecna_writer *writer, vecna_error *err) {
    vecna_status status = spool_all(writer, writer->buffer, writer->buffered, err);
    writer->buffered = 0;
    return status;
}

vecna_status vni_writer_put(vecna_writer *writer, const void *data, size_t bytes,
                            vecna_error *err) {
    vecna_status status = VECNA_OK;
    if (writer->spool < 0)
        return vecna_outfile_write(writer->file, data, bytes, err);
    if (bytes > SPOOL_BUFFER_BYTES - writer->buffered)
        status = flush_spool(writer, err);
    if (status == VECNA_OK && bytes >= SPOOL_BUFFER_BYTES)
        return spool_all(writer, data, bytes, err);
    if (status == VECNA_OK && bytes > 0) {
        memcpy(writer->buffer + writer->buffered, data, bytes);
        writer->buffered += bytes;
    }
    return status;
}

vecna_status vni_writer_patch(vecna_writer *writer, uint64_t offset, const void *data, size_t bytes,
                              vecna_error *err) {
    vecna_status status;
    if (writer->spool < 0)
        return vecna_outfile_patch(writer->file, offset, data, bytes, err);
    status = flush_spool(writer, err);
    if (status != VECNA_OK)
        return status;
    if (pwrite(writer->spool, data, bytes, (off_t)offset) != (ssize_t)bytes)
        return spool_error(writer, err);
    return VECNA_OK;
}

/* The spool's content, now right, into the stream. */
static vecna_status pour_out(vecna_writer *writer, vecna_error *err) {
    vecna_status status = flush_spool(writer, err);
    uint64_t offset = 0;
    while (status == VECNA_OK) {
        ssize_t got = pread(writer->spool, writer->buffer, SPOOL_BUFFER_BYTES, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return spool_error(writer, err);
        if (got == 0)
            break;
        status = vecna_outfile_write(writer->file, writer->buffer, (size_t)got, err);
        offset += (uint64_t)got;
    }
    return status;
}

vecna_status vecna_writer_commit(vecna_writer *writer, vecna_error *err) {
    vecna_status status = VECNA_OK;
    vecna_outfile *file = writer->file;
    int fixed = writer->spool < 0 && !vecna_outfile_can_patch(file);

    if (writer->format->counts_rows && fixed && writer->options.rows != writer->rows)
        status = vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)writer->rows,
                                 "%llu rows came to %s, whose header says %llu",
                                 (unsigned long long)writer->rows, writer->name,
                                 (unsigned long long)writer->options.rows);
    if (status == VECNA_OK && writer->format->finish)
        status = writer->format->finish(writer, err);
    if (status == VECNA_OK && writer->spool >= 0)
        status = pour_out(writer, err);
    if (status != VECNA_OK) {
        vecna_writer_discard(writer);
        return status;
    }
    writer_free(writer);
    return vecna_outfile_commit(file, err);
}

vecna_text vni_writer_word(const vecna_record *record, uint64_t row, char *number) {
    vecna_text word = {number, 0};
    if (record && record->id.data)
        return record->id;
    if (record && record->text.data)
        return record->text;
    word.bytes = (size_t)snprintf(number, 24, "%" PRIu64, row);
    return word;
}
