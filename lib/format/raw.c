/* Bare numbers, row after row, with nothing that says how many make a row: the caller does. Told by
 * name only, because any bytes are numbers; `.bin` is word2vec's too, and means raw numbers when
 * the content is not word2vec's and a dimension is given. */
#include "format/format_impl.h"

static vecna_status raw_open(vecna_reader *reader, vecna_error *err) {
    vni_dense *dense;
    vni_element element;
    if (reader->options.dim == 0)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "%s is read as raw numbers; say how many make a row (--raw-dim)",
                               reader->input.name);
    if (!vni_element_of(reader->options.dtype, &element))
        return vecna_error_set(err, VECNA_ERR_UNSUPPORTED, -1, "raw numbers are not read as %s",
                               vecna_dtype_name(reader->options.dtype));
    dense = vecna_allocate_zero(reader->allocator, 1, sizeof *dense);
    if (dense == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to read %s",
                               reader->input.name);
    reader->state = dense;
    dense->rows = UINT64_MAX;
    dense->dim = reader->options.dim;
    dense->element = element;
    return vni_dense_open(dense, reader, err);
}

static vecna_status raw_read(vecna_reader *reader, vecna_block *block, size_t max_rows,
                             vecna_error *err) {
    return vni_dense_read(reader->state, reader, block, max_rows, err);
}

static void raw_close(vecna_reader *reader) {
    if (reader->state)
        vni_dense_close(reader->state, reader);
    vecna_release(reader->allocator, reader->state);
}

static vecna_status raw_begin(vecna_writer *writer, vecna_error *err) {
    vni_element element;
    return vni_writer_element(writer, "f32 f16 bf16 f64 i8 u8 i32", &element, err);
}

static vecna_status raw_write(vecna_writer *writer, vecna_view rows, const vecna_record *records,
                              vecna_error *err) {
    vni_element element;
    (void)records;
    if (!vni_element_of(writer->options.dtype, &element)) /* begin has refused it */
        return VECNA_ERR_UNSUPPORTED;
    return vni_writer_put_rows(writer, rows, element, NULL, 0, err);
}

const vni_format vni_format_raw = {
    .info = {"raw", "f32 raw bin", "numbers alone, row after row; the dimension must be given"},
    .open = raw_open,
    .read = raw_read,
    .close = raw_close,
    .begin = raw_begin,
    .write = raw_write,
};
