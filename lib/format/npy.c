/* NumPy's .npy, versions 1 to 3: a magic, a Python dictionary as text, then the numbers.
 * Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 *
 * The dictionary is parsed as what it is, a literal with keys in any order, and nothing is trusted:
 * the shape is checked against the size of the file before it means anything. An array of one axis
 * is one vector, that is one row; of three or more, no rows unless the caller says so (any_axes); of
 * none, no rows at all.
 *
 * Written is version 1.0 with a header of 128 bytes, which any number of rows fits, so that the
 * true one can be filled in at the end. */
#include "format/format_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { MAX_HEADER_BYTES = 1 << 20, MAX_AXES = 8, WRITTEN_HEADER_BYTES = 128 };

static const unsigned char magic[6] = {0x93, 'N', 'U', 'M', 'P', 'Y'};

/* What the dictionary says. */
typedef struct npy_header {
    char descr[16];
    int fortran;
    size_t axes;
    uint64_t shape[MAX_AXES];
    unsigned seen; /* a bit a key */
} npy_header;

enum { SEEN_DESCR = 1, SEEN_ORDER = 2, SEEN_SHAPE = 4 };

/* A cursor over the header's text; start counts from the beginning of the file. */
typedef struct cursor {
    const char *at, *end, *begin;
    size_t start;
    const char *name; /* of the file */
} cursor;

static vecna_status bad(const cursor *text, const char *what, vecna_error *err) {
    size_t byte = text->start + (size_t)(text->at - text->begin);
    return vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)byte,
                           "%s: its .npy header has %s at "
                           "byte %zu",
                           text->name, what, byte);
}

static void skip_space(cursor *text) {
    while (text->at < text->end &&
           (*text->at == ' ' || *text->at == '\t' || *text->at == '\n' || *text->at == '\r'))
        text->at++;
}

/* The character comes next, after space: take it. */
static int take(cursor *text, char expected) {
    skip_space(text);
    if (text->at == text->end || *text->at != expected)
        return 0;
    text->at++;
    return 1;
}

static int take_word(cursor *text, const char *word) {
    size_t bytes = strlen(word);
    skip_space(text);
    if ((size_t)(text->end - text->at) < bytes || memcmp(text->at, word, bytes) != 0)
        return 0;
    text->at += bytes;
    return 1;
}

/* A quoted string without escapes, at most capacity - 1 bytes. */
static int take_string(cursor *text, char *out, size_t capacity) {
    size_t bytes = 0;
    char quote;
    skip_space(text);
    if (text->at == text->end || (*text->at != '\'' && *text->at != '"'))
        return 0;
    quote = *text->at++;
    while (text->at < text->end && *text->at != quote && *text->at != '\\') {
        if (bytes + 1 == capacity)
            return 0;
        out[bytes++] = *text->at++;
    }
    out[bytes] = '\0';
    return take(text, quote);
}

static vecna_status take_shape(cursor *text, npy_header *header, vecna_error *err) {
    if (!take(text, '('))
        return bad(text, "a 'shape' that is no tuple", err);
    header->axes = 0;
    while (!take(text, ')')) {
        uint64_t length = 0;
        if (header->axes == MAX_AXES)
            return bad(text, "more axes than a matrix has", err);
        if (text->at < text->end && *text->at == '-')
            return bad(text, "a negative length in 'shape'", err);
        if (text->at == text->end || *text->at < '0' || *text->at > '9')
            return bad(text, "no number where 'shape' needs one", err);
        for (; text->at < text->end && *text->at >= '0' && *text->at <= '9'; text->at++) {
            if (length > (UINT64_MAX - 9) / 10)
                return bad(text, "a length beyond 64 bits in 'shape'", err);
            length = length * 10 + (uint64_t)(*text->at - '0');
        }
        take(text, 'L'); /* Python 2 wrote long numbers so */
        header->shape[header->axes++] = length;
        if (!take(text, ',') && (skip_space(text), text->at == text->end || *text->at != ')'))
            return bad(text, "no comma between the lengths of 'shape'", err);
    }
    return VECNA_OK;
}

static vecna_status take_entry(cursor *text, npy_header *header, vecna_error *err) {
    char key[24];
    unsigned bit = 0;
    vecna_status status = VECNA_OK;
    if (!take_string(text, key, sizeof key) || !take(text, ':'))
        return bad(text, "no quoted key", err);
    if (strcmp(key, "descr") == 0) {
        bit = SEEN_DESCR;
        skip_space(text);
        if (text->at < text->end && *text->at == '[')
            return vecna_error_set(err, VECNA_ERR_UNSUPPORTED, -1,
                                   "%s holds records, not numbers; save one column of floats",
                                   text->name);
        if (!take_string(text, header->descr, sizeof header->descr))
            return bad(text, "a 'descr' that is no type", err);
    } else if (strcmp(key, "fortran_order") == 0) {
        bit = SEEN_ORDER;
        header->fortran = take_word(text, "True");
        if (!header->fortran && !take_word(text, "False"))
            return bad(text, "a 'fortran_order' that is neither True nor False", err);
    } else if (strcmp(key, "shape") == 0) {
        bit = SEEN_SHAPE;
        status = take_shape(text, header, err);
    } else {
        return bad(text, "an unknown key", err);
    }
    if (status == VECNA_OK && (header->seen & bit))
        return bad(text, "a key twice", err);
    header->seen |= bit;
    return status;
}

static vecna_status parse_header(cursor *text, npy_header *header, vecna_error *err) {
    if (!take(text, '{'))
        return bad(text, "no '{'", err);
    while (!take(text, '}')) {
        vecna_status status = take_entry(text, header, err);
        if (status != VECNA_OK)
            return status;
        if (!take(text, ',') && (skip_space(text), text->at == text->end || *text->at != '}'))
            return bad(text, "neither ',' nor '}'", err);
    }
    skip_space(text);
    if (text->at != text->end)
        return bad(text, "something after its '}'", err);
    if (header->seen != (SEEN_DESCR | SEEN_ORDER | SEEN_SHAPE))
        return vecna_error_set(err, VECNA_ERR_FORMAT, -1,
                               "%s: its .npy header lacks 'descr', 'fortran_order' or 'shape'",
                               text->name);
    return VECNA_OK;
}

static const struct {
    char code[4]; /* without the byte order */
    vni_element element;
} types[] = {
    {"f4", VNI_F32}, {"f2", VNI_F16}, {"f8", VNI_F64}, {"i1", VNI_I8},
    {"u1", VNI_U8},  {"b1", VNI_U8},  {"i2", VNI_I16}, {"u2", VNI_U16},
    {"i4", VNI_I32}, {"u4", VNI_U32}, {"i8", VNI_I64}, {"u8", VNI_U64},
};

static vecna_status find_type(const vecna_reader *reader, const char *descr, vni_dense *dense,
                              vecna_error *err) {
    int has_order = descr[0] == '<' || descr[0] == '>' || descr[0] == '|' || descr[0] == '=';
    const char *code = descr + has_order;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].code, code) == 0) {
            dense->element = types[i].element;
            dense->big_endian = descr[0] == '>';
            return VECNA_OK;
        }
    return vecna_error_set(err, VECNA_ERR_UNSUPPORTED, -1,
                           "%s holds numbers of type '%s'; save x.astype('float32')",
                           reader->input.name, descr);
}

/* Any axes behind the first as one. */
static vecna_status take_inner(vecna_reader *reader, const npy_header *header, vni_dense *dense,
                               vecna_error *err) {
    uint64_t dim = 1;
    if (header->fortran)
        return vecna_error_set(err, VECNA_ERR_UNSUPPORTED, -1,
                               "%s is in Fortran (column) order: save numpy.ascontiguousarray(x)",
                               reader->input.name);
    for (size_t i = 1; i < header->axes; i++) {
        dim = header->shape[i] > VECNA_FORMAT_MAX_DIM ? VECNA_FORMAT_MAX_DIM + 1
                                                      : dim * header->shape[i];
        if (dim > VECNA_FORMAT_MAX_DIM)
            return vecna_error_set(err, VECNA_ERR_FORMAT, -1,
                                   "%s has rows of more than %zu numbers", reader->input.name,
                                   VECNA_FORMAT_MAX_DIM);
        reader->info.inner[i - 1] = (size_t)header->shape[i];
    }
    dense->rows = header->shape[0] == UINT64_MAX ? UINT64_MAX - 1 : header->shape[0];
    dense->dim = (size_t)dim;
    return VECNA_OK;
}

static vecna_status take_axes(vecna_reader *reader, const npy_header *header, vni_dense *dense,
                              vecna_error *err) {
    uint64_t dim;
    if (header->axes > 2 && reader->options.any_axes)
        return take_inner(reader, header, dense, err);
    if (header->axes != 1 && header->axes != 2)
        return vecna_error_set(err, VECNA_ERR_UNSUPPORTED, -1,
                               "%s has %zu axes; vectors need two: save x.reshape(-1, DIM)",
                               reader->input.name, header->axes);
    dense->rows = header->axes == 2 ? header->shape[0] : 1;
    dim = header->shape[header->axes - 1];
    if (dim > VECNA_FORMAT_MAX_DIM && header->axes == 1)
        return vecna_error_set(err, VECNA_ERR_FORMAT, -1,
                               "%s is one row of %llu numbers, and a vector has at most %zu; save "
                               "x.reshape(-1, DIM)",
                               reader->input.name, (unsigned long long)dim, VECNA_FORMAT_MAX_DIM);
    if (dense->rows == UINT64_MAX)
        dense->rows--; /* the value means "not known"; absurd either way, and refused as such */
    dense->dim = dim > VECNA_FORMAT_MAX_DIM ? VECNA_FORMAT_MAX_DIM + 1 : (size_t)dim;
    dense->fortran = header->axes == 2 && header->fortran;
    return VECNA_OK;
}

/* Bytes of the header's text and where it starts, of what the first 12 bytes say. */
static vecna_status header_extent(const vecna_reader *reader, const unsigned char *head,
                                  size_t available, size_t *start, size_t *bytes,
                                  vecna_error *err) {
    const char *name = reader->input.name;
    if (available < 12 || memcmp(head, magic, sizeof magic) != 0)
        return vecna_error_set(err, available < 12 ? VECNA_ERR_TRUNCATED : VECNA_ERR_FORMAT, 0,
                               "%s does not start as a .npy file does", name);
    if (head[6] < 1 || head[6] > 3)
        return vecna_error_set(err, VECNA_ERR_VERSION, 6,
                               "%s is .npy version %u.%u; versions 1 to 3 are known", name, head[6],
                               head[7]);
    *start = head[6] == 1 ? 10 : 12;
    *bytes = head[8] | (size_t)head[9] << 8;
    if (head[6] > 1)
        *bytes |= (size_t)head[10] << 16 | (size_t)head[11] << 24;
    if (*bytes > MAX_HEADER_BYTES)
        return vecna_error_set(err, VECNA_ERR_FORMAT, 8,
                               "%s claims a header of %zu bytes; more than %d is damage", name,
                               *bytes, MAX_HEADER_BYTES);
    return VECNA_OK;
}

static vecna_status npy_open(vecna_reader *reader, vecna_error *err) {
    const unsigned char *head;
    size_t available, start = 0, bytes = 0;
    npy_header header = {"", 0, 0, {0}, 0};
    cursor text;
    vni_dense *dense;
    vecna_status status = vni_input_peek(&reader->input, 12, &head, &available, err);

    if (status == VECNA_OK)
        status = header_extent(reader, head, available, &start, &bytes, err);
    if (status == VECNA_OK)
        status = vni_input_peek(&reader->input, start + bytes, &head, &available, err);
    if (status != VECNA_OK)
        return status;
    if (available < start + bytes)
        return vecna_error_set(err, VECNA_ERR_TRUNCATED, (int64_t)available,
                               "%s ends at byte %zu, inside its .npy header of %zu bytes",
                               reader->input.name, available, start + bytes);
    dense = vecna_allocate_zero(reader->allocator, 1, sizeof *dense);
    if (dense == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to read %s",
                               reader->input.name);
    reader->state = dense;
    text.begin = text.at = (const char *)head + start;
    text.end = text.begin + bytes;
    text.start = start;
    text.name = reader->input.name;
    status = parse_header(&text, &header, err);
    if (status == VECNA_OK)
        status = find_type(reader, header.descr, dense, err);
    if (status == VECNA_OK)
        status = take_axes(reader, &header, dense, err);
    if (status != VECNA_OK)
        return status;
    dense->offset = start + bytes;
    vni_input_skip(&reader->input, start + bytes);
    return vni_dense_open(dense, reader, err);
}

static vecna_status npy_read(vecna_reader *reader, vecna_block *block, size_t max_rows,
                             vecna_error *err) {
    return vni_dense_read(reader->state, reader, block, max_rows, err);
}

static void npy_close(vecna_reader *reader) {
    if (reader->state)
        vni_dense_close(reader->state, reader);
    vecna_release(reader->allocator, reader->state);
}

static int npy_detect(const vni_head *head) {
    return head->bytes >= sizeof magic && memcmp(head->data, magic, sizeof magic) == 0 ? VNI_CERTAIN
                                                                                       : VNI_NO;
}

/* ---- writing --------------------------------------------------------------------------------- */

static const char *descr_of(vni_element element) {
    static const char *const descr[] = {
        [VNI_F32] = "<f4", [VNI_F16] = "<f2", [VNI_F64] = "<f8",
        [VNI_I8] = "|i1",  [VNI_U8] = "|u1",  [VNI_I32] = "<i4",
    };
    return (size_t)element < sizeof descr / sizeof *descr ? descr[element] : NULL;
}

static void make_header(const vecna_writer *writer, uint64_t rows, vni_element element,
                        unsigned char *out) {
    char text[WRITTEN_HEADER_BYTES];
    size_t bytes = WRITTEN_HEADER_BYTES - 10;
    int length = snprintf(text, sizeof text,
                          "{'descr': '%s', 'fortran_order': False, 'shape': (%" PRIu64 ", %zu), }",
                          descr_of(element), rows, writer->options.dim);
    memset(out, ' ', WRITTEN_HEADER_BYTES);
    memcpy(out, magic, sizeof magic);
    out[6] = 1;
    out[7] = 0;
    out[8] = (unsigned char)bytes;
    out[9] = 0;
    memcpy(out + 10, text, (size_t)length);
    out[WRITTEN_HEADER_BYTES - 1] = '\n';
}

static vecna_status npy_element(const vecna_writer *writer, vni_element *out, vecna_error *err) {
    return vni_writer_element(writer, "f32 f16 f64 i8 u8 i32", out, err);
}

static vecna_status npy_begin(vecna_writer *writer, vecna_error *err) {
    unsigned char header[WRITTEN_HEADER_BYTES];
    vni_element element;
    vecna_status status = npy_element(writer, &element, err);
    if (status != VECNA_OK)
        return status;
    make_header(writer, writer->options.rows, element, header);
    return vni_writer_put(writer, header, sizeof header, err);
}

static vecna_status npy_write(vecna_writer *writer, vecna_view rows, const vecna_record *records,
                              vecna_error *err) {
    vni_element element;
    vecna_status status = npy_element(writer, &element, err);
    (void)records;
    if (status == VECNA_OK)
        status = vni_writer_put_rows(writer, rows, element, NULL, 0, err);
    return status;
}

static vecna_status npy_finish(vecna_writer *writer, vecna_error *err) {
    unsigned char header[WRITTEN_HEADER_BYTES];
    vni_element element;
    vecna_status status;
    if (writer->rows == writer->options.rows)
        return VECNA_OK;
    status = npy_element(writer, &element, err);
    if (status != VECNA_OK)
        return status;
    make_header(writer, writer->rows, element, header);
    return vni_writer_patch(writer, 0, header, sizeof header, err);
}

const vni_format vni_format_npy = {
    .info = {"npy", "npy", "NumPy array of two axes (one axis: one row)"},
    .detect = npy_detect,
    .open = npy_open,
    .read = npy_read,
    .close = npy_close,
    .counts_rows = 1,
    .begin = npy_begin,
    .write = npy_write,
    .finish = npy_finish,
};
