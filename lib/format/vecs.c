/* fvecs, bvecs and ivecs, the formats of the TEXMEX benchmarks: every row is its dimension as a
 * little-endian int32, then its numbers (float32, uint8, int32).
 * Source: http://corpus-texmex.irisa.fr/
 *
 * There is no magic. A file looks like one of them when the first int32 is a possible dimension,
 * the next row repeats it, and the size is a multiple of a row. fvecs and ivecs are alike in all of
 * that: there the first row decides, since small whole numbers read as floats are all subnormal. */
#include "format/format_impl.h"

#include <string.h>

static uint32_t int_at(const unsigned char *data) {
    return data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24;
}

static vecna_status vecs_open(vecna_reader *reader, vni_element element, vecna_error *err) {
    const unsigned char *head;
    size_t available;
    vni_dense *dense;
    int64_t dim;
    vecna_status status = vni_input_peek(&reader->input, 4, &head, &available, err);

    if (status != VECNA_OK)
        return status;
    if (available < 4)
        return vecna_error_set(err, VECNA_ERR_TRUNCATED, (int64_t)available,
                               "%s has %zu bytes; a row starts with 4 for its dimension",
                               reader->input.name, available);
    dim = (int32_t)int_at(head);
    if (dim < 1 || dim > (int64_t)VECNA_FORMAT_MAX_DIM)
        return vecna_error_set(err, VECNA_ERR_FORMAT, 0,
                               "row 0 of %s claims %lld dimensions; a vector has 1 to %zu",
                               reader->input.name, (long long)dim, VECNA_FORMAT_MAX_DIM);
    dense = vecna_allocate_zero(reader->allocator, 1, sizeof *dense);
    if (dense == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to read %s",
                               reader->input.name);
    reader->state = dense;
    dense->rows = UINT64_MAX;
    dense->dim = (size_t)dim;
    dense->element = element;
    dense->prefix = 4;
    return vni_dense_open(dense, reader, err);
}

static vecna_status fvecs_open(vecna_reader *reader, vecna_error *err) {
    return vecs_open(reader, VNI_F32, err);
}
static vecna_status bvecs_open(vecna_reader *reader, vecna_error *err) {
    return vecs_open(reader, VNI_U8, err);
}
static vecna_status ivecs_open(vecna_reader *reader, vecna_error *err) {
    return vecs_open(reader, VNI_I32, err);
}

static vecna_status vecs_read(vecna_reader *reader, vecna_block *block, size_t max_rows,
                              vecna_error *err) {
    return vni_dense_read(reader->state, reader, block, max_rows, err);
}

static void vecs_close(vecna_reader *reader) {
    if (reader->state)
        vni_dense_close(reader->state, reader);
    vecna_release(reader->allocator, reader->state);
}

/* ---- detection ------------------------------------------------------------------------------- */

static int looks_like_rows(const vni_head *head, size_t number_bytes) {
    uint32_t dim = head->bytes >= 4 ? int_at(head->data) : 0;
    size_t row_bytes = 4 + dim * number_bytes;
    if (dim == 0 || dim > VECNA_FORMAT_MAX_DIM)
        return VNI_NO;
    if (head->size >= 0 ? (uint64_t)head->size % row_bytes != 0
                        : head->whole && head->bytes % row_bytes != 0)
        return VNI_NO;
    for (size_t at = row_bytes; at + 4 <= head->bytes; at += row_bytes)
        if (int_at(head->data + at) != dim)
            return VNI_NO;
    return row_bytes + 4 <= head->bytes ? VNI_LIKELY : VNI_MAYBE; /* one row proves little */
}

/* The numbers of the first row are whole and small: as floats they would all be subnormal. */
static int first_row_is_whole(const vni_head *head) {
    size_t dim = int_at(head->data), numbers = 0;
    for (size_t at = 4; at + 4 <= head->bytes && at < 4 + 4 * dim; at += 4) {
        uint32_t bits = int_at(head->data + at);
        if (bits >= 0x00800000u && bits < 0xff800000u)
            return 0;
        numbers += bits != 0;
    }
    return numbers > 0;
}

/* Which of the two it is: the name, when it says one of them, else the numbers. */
static int holds_ints(const vni_head *head) {
    if (strcmp(head->extension, "fvecs") == 0 || strcmp(head->extension, "ivecs") == 0)
        return head->extension[0] == 'i';
    return first_row_is_whole(head);
}

static int fvecs_detect(const vni_head *head) {
    int sure = looks_like_rows(head, 4);
    return sure != VNI_NO && holds_ints(head) ? VNI_NO : sure;
}
static int bvecs_detect(const vni_head *head) {
    return looks_like_rows(head, 1);
}
static int ivecs_detect(const vni_head *head) {
    int sure = looks_like_rows(head, 4);
    return sure != VNI_NO && !holds_ints(head) ? VNI_NO : sure;
}

/* ---- writing --------------------------------------------------------------------------------- */

static vecna_status put_rows(vecna_writer *writer, vecna_view rows, vni_element element,
                             vecna_error *err) {
    uint32_t dim = (uint32_t)rows.dim;
    unsigned char prefix[4] = {(unsigned char)dim, (unsigned char)(dim >> 8),
                               (unsigned char)(dim >> 16), (unsigned char)(dim >> 24)};
    return vni_writer_put_rows(writer, rows, element, prefix, sizeof prefix, err);
}

/* The default dtype stands for the only one that the format has. */
static vecna_status only_dtype(const vecna_writer *writer, vecna_dtype dtype, vecna_error *err) {
    vni_element element;
    if (writer->options.dtype == VECNA_F32)
        return VECNA_OK;
    return vni_writer_element(writer, vecna_dtype_name(dtype), &element, err);
}

static vecna_status fvecs_begin(vecna_writer *writer, vecna_error *err) {
    return only_dtype(writer, VECNA_F32, err);
}
static vecna_status bvecs_begin(vecna_writer *writer, vecna_error *err) {
    return only_dtype(writer, VECNA_U8, err);
}
static vecna_status ivecs_begin(vecna_writer *writer, vecna_error *err) {
    return only_dtype(writer, VECNA_I32, err);
}
static vecna_status fvecs_write(vecna_writer *writer, vecna_view rows, const vecna_record *records,
                                vecna_error *err) {
    (void)records;
    return put_rows(writer, rows, VNI_F32, err);
}
static vecna_status bvecs_write(vecna_writer *writer, vecna_view rows, const vecna_record *records,
                                vecna_error *err) {
    (void)records;
    return put_rows(writer, rows, VNI_U8, err);
}
static vecna_status ivecs_write(vecna_writer *writer, vecna_view rows, const vecna_record *records,
                                vecna_error *err) {
    (void)records;
    return put_rows(writer, rows, VNI_I32, err);
}

const vni_format vni_format_fvecs = {
    .info = {"fvecs", "fvecs", "TEXMEX: dimension (int32), then float32, for every row"},
    .detect = fvecs_detect,
    .open = fvecs_open,
    .read = vecs_read,
    .close = vecs_close,
    .begin = fvecs_begin,
    .write = fvecs_write,
};

const vni_format vni_format_bvecs = {
    .info = {"bvecs", "bvecs", "TEXMEX: dimension (int32), then uint8, for every row"},
    .detect = bvecs_detect,
    .open = bvecs_open,
    .read = vecs_read,
    .close = vecs_close,
    .begin = bvecs_begin,
    .write = bvecs_write,
};

const vni_format vni_format_ivecs = {
    .info = {"ivecs", "ivecs", "TEXMEX: dimension (int32), then int32, for every row"},
    .detect = ivecs_detect,
    .open = ivecs_open,
    .read = vecs_read,
    .close = vecs_close,
    .begin = ivecs_begin,
    .write = ivecs_write,
};
