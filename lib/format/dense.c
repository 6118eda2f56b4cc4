/* A matrix of numbers at an offset of the input: what npy, fvecs, raw and safetensors have in
 * common. The claims of a header are checked against the size of the input before anything is
 * allocated from them.
 *
 * Three ways to read it:
 *   in place    float32 in this machine's order, row-major, in a file: the view is of the mapping
 *   converted   everything else row-major: through a window of the file or a tile of the stream
 *   transposed  Fortran order: a cache of rows is filled from one strip of every column; the cache
 *               has a fixed size, so that memory stays constant however the file is shaped */
#include "format/format_impl.h"

#include <stddef.h>
#include <string.h>

enum {
    WINDOW_FROM_BYTES = 1 << 15, /* below, mapping costs more than copying */
    TILE_BYTES = 1 << 18,
    CACHE_BYTES = 4 << 20,
    STRIP_COLUMNS = 16 /* a cache line of floats */
};

static size_t row_bytes_of(const vni_dense *dense) {
    return dense->prefix + dense->dim * vni_element_bytes(dense->element);
}

static int in_machine_order(const vni_dense *dense) {
    return dense->big_endian == (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
}

/* rows * row_bytes against what the input has. */
static vecna_status check_size(vni_dense *dense, const vni_input *input, vecna_error *err) {
    size_t row_bytes = row_bytes_of(dense);
    uint64_t held = input->size - dense->offset, needed;
    if (dense->offset > input->size)
        return vecna_error_set(err, VECNA_ERR_TRUNCATED, (int64_t)input->size,
                               "%s has %llu bytes and ends before its vectors start at byte %llu",
                               input->name, (unsigned long long)input->size,
                               (unsigned long long)dense->offset);
    if (dense->rows == UINT64_MAX) {
        dense->rows = held / row_bytes;
        if (held % row_bytes != 0)
            return vecna_error_set(err, VECNA_ERR_TRUNCATED,
                                   (int64_t)(input->size - held % row_bytes),
                                   "%s ends inside row %llu: %llu bytes are no multiple of the %zu "
                                   "bytes of a row of %zu dimensions",
                                   input->name, (unsigned long long)dense->rows,
                                   (unsigned long long)held, row_bytes, dense->dim);
        return VECNA_OK;
    }
    needed = dense->rows * row_bytes; /* open has checked that it fits */
    if (needed > held)
        return vecna_error_set(err, VECNA_ERR_TRUNCATED, (int64_t)input->size,
                               "%s is cut: %llu rows of %zu x %s take %llu bytes, it has %llu",
                               input->name, (unsigned long long)dense->rows, dense->dim,
                               vni_element_name(dense->element, 0), (unsigned long long)needed,
                               (unsigned long long)held);
    if (needed < held && !dense->trailing)
        return vecna_error_set(
            err, VECNA_ERR_FORMAT, (int64_t)(dense->offset + needed),
            "%s has %llu bytes after its %llu rows of %zu x %s; one matrix a file", input->name,
            (unsigned long long)(held - needed), (unsigned long long)dense->rows, dense->dim,
            vni_element_name(dense->element, 0));
    return VECNA_OK;
}

vecna_status vni_dense_open(vni_dense *dense, vecna_reader *reader, vecna_error *err) {
    const vni_input *input = &reader->input;
    vecna_status status = vni_reader_dim(reader, dense->dim, err);
    size_t row_bytes;

    if (status != VECNA_OK)
        return status;
    row_bytes = row_bytes_of(dense);
    if (dense->rows != UINT64_MAX && dense->rows > (uint64_t)INT64_MAX / row_bytes)
        return vecna_error_set(err, VECNA_ERR_OVERFLOW, -1,
                               "%s claims %llu rows of %zu dimensions; no file is that large",
                               input->name, (unsigned long long)dense->rows, dense->dim);
    if (input->seekable)
        status = check_size(dense, input, err);
    else if (dense->fortran && dense->rows > 1 && dense->dim > 1)
        status = vecna_error_set(err, VECNA_ERR_UNSUPPORTED, -1,
                                 "%s is a stream in Fortran (column) order; give the file itself, "
                                 "or save numpy.ascontiguousarray(x)",
                                 input->name);
    if (status != VECNA_OK)
        return status;
    if (dense->rows <= 1 || dense->dim == 1)
        dense->fortran = 0; /* the same bytes */
    reader->info.rows = dense->rows == UINT64_MAX ? -1 : (int64_t)dense->rows;
    reader->info.dtype = vni_element_dtype(dense->element);
    reader->info.stored_as = vni_element_name(dense->element, dense->big_endian);
    return VECNA_OK;
}

void vni_dense_close(vni_dense *dense, vecna_reader *reader) {
    vecna_release(reader->allocator, dense->tile);
    vecna_release(reader->allocator, dense->cache);
    dense->tile = NULL;
    dense->cache = NULL;
}

static vecna_status need_tile(vni_dense *dense, vecna_reader *reader, size_t bytes,
                              vecna_error *err) {
    if (bytes <= dense->tile_bytes)
        return VECNA_OK;
    vecna_release(reader->allocator, dense->tile);
    dense->tile_bytes = 0;
    dense->tile = vecna_allocate(reader->allocator, bytes, 1);
    if (dense->tile == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for %zu bytes of %s", bytes,
                               reader->input.name);
    dense->tile_bytes = bytes;
    return VECNA_OK;
}

/* Every row of fvecs names its dimension. */
static vecna_status check_prefixes(const vni_dense *dense, const vecna_reader *reader,
                                   const unsigned char *data, uint64_t first_row, size_t rows,
                                   vecna_error *err) {
    size_t row_bytes = row_bytes_of(dense);
    if (dense->prefix == 0)
        return VECNA_OK;
    for (size_t row = 0; row < rows; row++) {
        const unsigned char *at = data + row * row_bytes;
        uint32_t dim = at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
        uint64_t number = first_row + row;
        if (dim != dense->dim)
            return vecna_error_set(err, VECNA_ERR_DIM, (int64_t)number,
                                   "row %llu of %s (byte %llu) has %ld dimensions, the rows before "
                                   "it have %zu",
                                   (unsigned long long)number, reader->input.name,
                                   (unsigned long long)(dense->offset + number * row_bytes),
                                   (long)(int32_t)dim, dense->dim);
    }
    return VECNA_OK;
}

static void convert_rows(const vni_dense *dense, float *out, const unsigned char *data,
                         size_t rows) {
    size_t row_bytes = row_bytes_of(dense);
    if (dense->prefix == 0) {
        vni_to_floats(out, data, rows * dense->dim, dense->element, dense->big_endian);
        return;
    }
    for (size_t row = 0; row < rows; row++)
        vni_to_floats(out + row * dense->dim, data + row * row_bytes + dense->prefix, dense->dim,
                      dense->element, dense->big_endian);
}

/* ---- files and memory ------------------------------------------------------------------------ */

static vecna_status read_window(vni_dense *dense, vecna_reader *reader, vecna_block *block,
                                size_t rows, vecna_error *err) {
    size_t row_bytes = row_bytes_of(dense), bytes = rows * row_bytes;
    uint64_t offset = dense->offset + dense->next_row * row_bytes;
    vni_window window = {NULL, 0, NULL};
    vecna_status status;
    float *floats;

    if (reader->input.memory || bytes >= WINDOW_FROM_BYTES) {
        status = vni_input_window(&reader->input, offset, bytes, &window, err);
    } else {
        status = need_tile(dense, reader, WINDOW_FROM_BYTES, err);
        if (status == VECNA_OK)
            status = vni_input_read_at(&reader->input, offset, dense->tile, bytes, err);
        window.data = dense->tile;
    }
    if (status != VECNA_OK)
        return status;
    status = check_prefixes(dense, reader, window.data, dense->next_row, rows, err);
    if (status != VECNA_OK)
        goto done;
    if (dense->element == VNI_F32 && in_machine_order(dense) && window.data != dense->tile &&
        (uintptr_t)window.data % sizeof(float) == 0 && row_bytes % sizeof(float) == 0) {
        const void *first = window.data + dense->prefix;
        block->vectors = vecna_view_dense(first, rows, dense->dim);
        block->vectors.stride = row_bytes / sizeof(float);
        vni_block_window(block, window);
        return VECNA_OK;
    }
    status = vni_block_floats(block, rows, dense->dim, &floats, err);
    if (status == VECNA_OK) {
        convert_rows(dense, floats, window.data, rows);
        block->vectors.rows = rows;
    }

done:
    vni_window_close(&window);
    return status;
}

/* ---- streams --------------------------------------------------------------------------------- */

static vecna_status cut_row(const vni_dense *dense, const vecna_reader *reader, uint64_t row,
                            vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_TRUNCATED, (int64_t)reader->input.position,
                           "%s ends inside row %llu, at byte %llu of a row of %zu bytes",
                           reader->input.name, (unsigned long long)row,
                           (unsigned long long)reader->input.position, row_bytes_of(dense));
}

static vecna_status check_nothing_follows(const vni_dense *dense, vecna_reader *reader,
                                          vecna_error *err) {
    const unsigned char *data;
    size_t available;
    vecna_status status = vni_input_peek(&reader->input, 1, &data, &available, err);
    if (status == VECNA_OK && available > 0 && !dense->trailing)
        return vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)reader->input.position,
                               "%s goes on at byte %llu, after its %llu rows; one matrix a file",
                               reader->input.name, (unsigned long long)reader->input.position,
                               (unsigned long long)dense->rows);
    return status;
}

/* Up to `rows` rows into floats; *filled counts them. */
static vecna_status read_stream_rows(vni_dense *dense, vecna_reader *reader, float *floats,
                                     size_t rows, size_t *filled, vecna_error *err) {
    size_t row_bytes = row_bytes_of(dense);
    size_t tile_rows = row_bytes < TILE_BYTES ? TILE_BYTES / row_bytes : 1, got = 0;
    int direct = dense->element == VNI_F32 && dense->prefix == 0 && in_machine_order(dense);
    vecna_status status = direct ? VECNA_OK : need_tile(dense, reader, tile_rows * row_bytes, err);

    while (status == VECNA_OK && *filled < rows) {
        float *out = floats + *filled * dense->dim;
        size_t left = rows - *filled, part = left < tile_rows ? left : tile_rows, whole;
        void *to = direct ? (void *)out : dense->tile;
        if (direct)
            part = left;
        status = vni_input_read(&reader->input, to, part * row_bytes, &got, err);
        if (status != VECNA_OK)
            break;
        whole = got / row_bytes;
        if (got % row_bytes != 0)
            return cut_row(dense, reader, dense->next_row + *filled + whole, err);
        status = check_prefixes(dense, reader, to, dense->next_row + *filled, whole, err);
        if (status == VECNA_OK && !direct)
            convert_rows(dense, out, to, whole);
        *filled += whole;
        if (whole < part)
            break;
    }
    return status;
}

static vecna_status read_stream(vni_dense *dense, vecna_reader *reader, vecna_block *block,
                                size_t rows, vecna_error *err) {
    size_t filled = 0;
    float *floats;
    vecna_status status = vni_block_floats(block, rows, dense->dim, &floats, err);
    if (status == VECNA_OK)
        status = read_stream_rows(dense, reader, floats, rows, &filled, err);
    if (status == VECNA_OK && dense->rows != UINT64_MAX && filled < rows)
        status = vecna_error_set(err, VECNA_ERR_TRUNCATED, (int64_t)(dense->next_row + filled),
                                 "%s is cut: it ends after row %llu of the %llu it claims",
                                 reader->input.name, (unsigned long long)(dense->next_row + filled),
                                 (unsigned long long)dense->rows);
    if (status == VECNA_OK && dense->next_row + filled == dense->rows)
        status = check_nothing_follows(dense, reader, err);
    if (status == VECNA_OK)
        block->vectors.rows = filled;
    return status;
}

/* ---- Fortran order --------------------------------------------------------------------------- */

/* One strip of columns [first, first + columns) of the cached rows, into their places. */
static vecna_status fill_strip(vni_dense *dense, vecna_reader *reader, size_t first, size_t columns,
                               vecna_error *err) {
    size_t size = vni_element_bytes(dense->element), rows = dense->cache_rows;
    float *strip = dense->tile;
    unsigned char *raw = (unsigned char *)(strip + STRIP_COLUMNS * dense->cache_capacity);
    for (size_t column = 0; column < columns; column++) {
        uint64_t offset =
            dense->offset + ((first + column) * dense->rows + dense->cache_first) * size;
        vecna_status status = vni_input_read_at(&reader->input, offset, raw, rows * size, err);
        if (status != VECNA_OK)
            return status;
        vni_to_floats(strip + column * rows, raw, rows, dense->element, dense->big_endian);
    }
    for (size_t row = 0; row < rows; row++)
        for (size_t column = 0; column < columns; column++)
            dense->cache[row * dense->dim + first + column] = strip[column * rows + row];
    return VECNA_OK;
}

static vecna_status fill_cache(vni_dense *dense, vecna_reader *reader, vecna_error *err) {
    uint64_t left = dense->rows - dense->next_row;
    vecna_status status;
    if (dense->cache == NULL) {
        size_t capacity = CACHE_BYTES / (dense->dim * sizeof(float));
        if (capacity < STRIP_COLUMNS)
            capacity = STRIP_COLUMNS;
        if (capacity > dense->rows)
            capacity = (size_t)dense->rows;
        status = need_tile(dense, reader,
                           capacity * (STRIP_COLUMNS * sizeof(float) + sizeof(uint64_t)), err);
        if (status != VECNA_OK)
            return status;
        dense->cache = vecna_allocate(reader->allocator, capacity * dense->dim, sizeof(float));
        if (dense->cache == NULL)
            return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for %zu rows of %s",
                                   capacity, reader->input.name);
        dense->cache_capacity = capacity;
    }
    dense->cache_first = dense->next_row;
    dense->cache_rows = left < dense->cache_capacity ? (size_t)left : dense->cache_capacity;
    for (size_t first = 0; first < dense->dim; first += STRIP_COLUMNS) {
        size_t columns = dense->dim - first < STRIP_COLUMNS ? dense->dim - first : STRIP_COLUMNS;
        status = fill_strip(dense, reader, first, columns, err);
        if (status != VECNA_OK) {
            dense->cache_rows = 0;
            return status;
        }
    }
    return VECNA_OK;
}

static vecna_status read_transposed(vni_dense *dense, vecna_reader *reader, vecna_block *block,
                                    size_t rows, vecna_error *err) {
    uint64_t start = dense->next_row;
    float *floats;
    vecna_status status = vni_block_floats(block, rows, dense->dim, &floats, err);
    for (size_t filled = 0; status == VECNA_OK && filled < rows;) {
        uint64_t held = dense->cache_first + dense->cache_rows - dense->next_row;
        size_t part;
        if (dense->cache_rows == 0 || held == 0) {
            status = fill_cache(dense, reader, err);
            continue;
        }
        part = held < rows - filled ? (size_t)held : rows - filled;
        memcpy(floats + filled * dense->dim,
               dense->cache + (dense->next_row - dense->cache_first) * dense->dim,
               part * dense->dim * sizeof(float));
        filled += part;
        dense->next_row += part;
    }
    dense->next_row = start; /* the caller counts */
    if (status == VECNA_OK)
        block->vectors.rows = rows;
    return status;
}

vecna_status vni_dense_read(vni_dense *dense, vecna_reader *reader, vecna_block *block,
                            size_t max_rows, vecna_error *err) {
    vecna_status status;
    if (!reader->input.seekable)
        status = read_stream(dense, reader, block, max_rows, err);
    else if (dense->fortran)
        status = read_transposed(dense, reader, block, max_rows, err);
    else
        status = read_window(dense, reader, block, max_rows, err);
    if (status == VECNA_OK)
        dense->next_row += block->vectors.rows;
    return status;
}
