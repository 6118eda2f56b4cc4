/* word2vec's binary format: "ROWS DIM\n", then for every row its word, one space, and DIM
 * little-endian float32. The original program ends a row with a newline, gensim does not; a newline
 * before a word is skipped, so both load.
 * Source: https://code.google.com/archive/p/word2vec/ (word2vec.c, distance.c)
 *
 * word2vec's text format starts with the same line. Which of the two it is, the bytes after the
 * first word tell: digits and spaces, or not.
 *
 * The header wants the number of rows first. When it is not known, the number is written later into
 * a field of 20 columns; spaces after it are what every reader skips. */
#include "format/format_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { MAX_WORD_BYTES = 1 << 16, COUNT_COLUMNS = 20, MAX_FIRST_LINE = 64 };

typedef struct word2vec_state {
    uint64_t rows, next_row;
} word2vec_state;

/* A number, at most 18 digits, from *at; -1 when there is none. */
static int64_t take_number(const unsigned char *data, size_t end, size_t *at) {
    int64_t number = 0;
    size_t first = *at;
    while (*at < end && data[*at] >= '0' && data[*at] <= '9' && *at - first < 18)
        number = number * 10 + (data[(*at)++] - '0');
    return *at > first ? number : -1;
}

static size_t skip_blanks(const unsigned char *data, size_t end, size_t at) {
    while (at < end && (data[at] == ' ' || data[at] == '\t'))
        at++;
    return at;
}

int vni_word2vec_first_line(const unsigned char *data, size_t bytes, uint64_t *rows, uint64_t *dim,
                            size_t *line_bytes) {
    size_t end = bytes < MAX_FIRST_LINE ? bytes : MAX_FIRST_LINE, at = skip_blanks(data, end, 0);
    int64_t first = take_number(data, end, &at), second;
    size_t gap = at;
    at = skip_blanks(data, end, at);
    second = take_number(data, end, &at);
    if (first < 0 || second < 0 || skip_blanks(data, end, gap) == gap)
        return 0;
    at = skip_blanks(data, end, at);
    if (at < end && data[at] == '\r')
        at++;
    if (at >= end || data[at] != '\n')
        return 0;
    *rows = (uint64_t)first;
    *dim = (uint64_t)second;
    *line_bytes = at + 1;
    return 1;
}

static int is_decimal(unsigned char byte) {
    return byte != '\0' && strchr("0123456789 .+-eEnNaAiIfFtTyY\t\r\n", byte) != NULL;
}

/* 1 when a line of decimals with exactly `dim` of them starts at data: short decimals end before the
 * bytes that so many floats would fill, and what follows is the next word. */
static int is_row_of_text(const unsigned char *data, size_t bytes, size_t dim) {
    size_t numbers = 0, at = 0;
    int inside = 0;
    for (; at < bytes && data[at] != '\n'; at++) {
        int blank = data[at] == ' ' || data[at] == '\t' || data[at] == '\r';
        if (!is_decimal(data[at]))
            return 0;
        numbers += !blank && !inside;
        inside = !blank;
    }
    return at < bytes && numbers == dim;
}

int vni_word2vec_is_binary(const unsigned char *data, size_t bytes, size_t dim) {
    const unsigned char *space = memchr(data, ' ', bytes);
    size_t at = space ? (size_t)(space - data) + 1 : bytes, end;
    end = dim < (bytes - at) / 4 ? at + 4 * dim : bytes;
    if (is_row_of_text(data + at, end - at, dim))
        return 0;
    for (; at < end; at++)
        if (!is_decimal(data[at]))
            return 1;
    return 0;
}

static int word2vec_detect(const vni_head *head) {
    uint64_t rows, dim;
    size_t line_bytes;
    if (!vni_word2vec_first_line(head->data, head->bytes, &rows, &dim, &line_bytes))
        return VNI_NO;
    if (dim == 0 || dim > VECNA_FORMAT_MAX_DIM || head->bytes == line_bytes)
        return VNI_NO;
    return vni_word2vec_is_binary(head->data + line_bytes, head->bytes - line_bytes, (size_t)dim)
               ? VNI_CERTAIN
               : VNI_NO;
}

static vecna_status word2vec_open(vecna_reader *reader, vecna_error *err) {
    vni_input *input = &reader->input;
    const unsigned char *head;
    size_t available, line_bytes = 0;
    uint64_t rows = 0, dim = 0;
    word2vec_state *state;
    vecna_status status = vni_input_peek(input, MAX_FIRST_LINE, &head, &available, err);

    if (status != VECNA_OK)
        return status;
    if (!vni_word2vec_first_line(head, available, &rows, &dim, &line_bytes))
        return vecna_error_set(err, VECNA_ERR_FORMAT, 0,
                               "%s does not start with a line 'ROWS DIMENSION' as word2vec does",
                               input->name);
    status = vni_reader_dim(reader, dim, err);
    if (status != VECNA_OK)
        return status;
    /* the shortest row is a space and its numbers */
    if (input->seekable && rows > (input->size - line_bytes) / (1 + 4 * dim))
        return vecna_error_set(err, VECNA_ERR_TRUNCATED, (int64_t)input->size,
                               "%s claims %llu rows of %llu dimensions; its %llu bytes hold fewer",
                               input->name, (unsigned long long)rows, (unsigned long long)dim,
                               (unsigned long long)input->size);
    state = vecna_allocate_zero(reader->allocator, 1, sizeof *state);
    if (state == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to read %s", input->name);
    reader->state = state;
    state->rows = rows;
    vni_input_skip(input, line_bytes);
    reader->info.rows = (int64_t)rows;
    reader->info.dtype = VECNA_F32;
    reader->info.stored_as = "f32";
    reader->info.has_records = 1;
    return VECNA_OK;
}

static vecna_status cut(const vecna_reader *reader, uint64_t row, vecna_error *err) {
    const word2vec_state *state = reader->state;
    return vecna_error_set(err, VECNA_ERR_TRUNCATED, (int64_t)row,
                           "%s ends inside row %llu of the %llu it claims", reader->input.name,
                           (unsigned long long)row, (unsigned long long)state->rows);
}

/* The word in front of a row: *word_bytes of it after *skipped newlines, then a space. */
static vecna_status find_word(vecna_reader *reader, uint64_t row, size_t *skipped,
                              size_t *word_bytes, vecna_error *err) {
    size_t limit = reader->options.max_line_bytes < MAX_WORD_BYTES ? reader->options.max_line_bytes
                                                                   : MAX_WORD_BYTES;
    const unsigned char *data, *space;
    size_t available, ask = 256;
    for (;;) {
        vecna_status status = vni_input_peek(&reader->input, ask, &data, &available, err);
        if (status != VECNA_OK)
            return status;
        *skipped = available > 0 && data[0] == '\n';
        space = available > *skipped ? memchr(data + *skipped, ' ', available - *skipped) : NULL;
        *word_bytes = space ? (size_t)(space - data) - *skipped : available - *skipped;
        if (*word_bytes > limit)
            return vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)row,
                                   "row %llu of %s has a word of more than %zu bytes (byte %llu); "
                                   "the file is damaged or its dimension is wrong",
                                   (unsigned long long)row, reader->input.name, limit,
                                   (unsigned long long)reader->input.position);
        if (space)
            return VECNA_OK;
        if (available < ask)
            return cut(reader, row, err);
        ask *= 2;
    }
}

static vecna_status read_row(vecna_reader *reader, vecna_block *block, uint64_t row, float *floats,
                             vecna_record *record, vecna_error *err) {
    size_t dim = reader->info.dim, skipped = 0, word_bytes = 0, available, needed;
    const unsigned char *data;
    vecna_status status = find_word(reader, row, &skipped, &word_bytes, err);
    if (status != VECNA_OK)
        return status;
    needed = skipped + word_bytes + 1 + dim * sizeof(float);
    status = vni_input_peek(&reader->input, needed, &data, &available, err);
    if (status != VECNA_OK)
        return status;
    if (available < needed)
        return cut(reader, row, err);
    status = vni_block_text(block, data + skipped, word_bytes, &record->id, err);
    if (status != VECNA_OK)
        return status;
    vni_to_floats(floats, data + skipped + word_bytes + 1, dim, VNI_F32, 0);
    vni_input_skip(&reader->input, needed);
    return VECNA_OK;
}

/* A last newline is all that may follow the last row. */
static vecna_status check_end(vecna_reader *reader, vecna_error *err) {
    const word2vec_state *state = reader->state;
    const unsigned char *data;
    size_t available;
    vecna_status status = vni_input_peek(&reader->input, 2, &data, &available, err);
    if (status == VECNA_OK && available > 0 && !(available == 1 && data[0] == '\n'))
        return vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)reader->input.position,
                               "%s goes on at byte %llu, after the %llu rows it claims",
                               reader->input.name, (unsigned long long)reader->input.position,
                               (unsigned long long)state->rows);
    return status;
}

static vecna_status word2vec_read(vecna_reader *reader, vecna_block *block, size_t max_rows,
                                  vecna_error *err) {
    word2vec_state *state = reader->state;
    vecna_record *records;
    float *floats;
    vecna_status status = vni_block_floats(block, max_rows, reader->info.dim, &floats, err);
    if (status == VECNA_OK)
        status = vni_block_records(block, max_rows, &records, err);
    for (size_t row = 0; status == VECNA_OK && row < max_rows; row++) {
        status = read_row(reader, block, state->next_row, floats + row * reader->info.dim,
                          &records[row], err);
        state->next_row += status == VECNA_OK;
    }
    if (status == VECNA_OK && state->next_row == state->rows)
        status = check_end(reader, err);
    if (status == VECNA_OK)
        block->vectors.rows = max_rows;
    return status;
}

static void word2vec_close(vecna_reader *reader) {
    vecna_release(reader->allocator, reader->state);
}

/* ---- writing --------------------------------------------------------------------------------- */

/* The count in `columns` columns: what fits the rows promised fits fewer too. */
static size_t make_first_line(const vecna_writer *writer, uint64_t rows, char *out) {
    uint64_t promised = writer->options.rows;
    int columns = promised > 0 ? snprintf(NULL, 0, "%" PRIu64, promised) : COUNT_COLUMNS;
    return (size_t)snprintf(out, MAX_FIRST_LINE, "%-*" PRIu64 " %zu\n", columns, rows,
                            writer->options.dim);
}

static vecna_status word2vec_begin(vecna_writer *writer, vecna_error *err) {
    char line[MAX_FIRST_LINE];
    if (writer->options.dtype != VECNA_F32)
        return vecna_error_set(err, VECNA_ERR_UNSUPPORTED, -1,
                               "%s cannot be written as %s; its format stores f32", writer->name,
                               vecna_dtype_name(writer->options.dtype));
    return vni_writer_put(writer, line, make_first_line(writer, writer->options.rows, line), err);
}

/* A word cannot hold what ends words: those bytes become '_'. */
vecna_status vni_writer_put_word(vecna_writer *writer, vecna_text word, vecna_error *err) {
    vecna_status status = VECNA_OK;
    char piece[256];
    if (word.bytes == 0)
        return vni_writer_put(writer, "_", 1, err);
    for (size_t at = 0; status == VECNA_OK && at < word.bytes;) {
        size_t part = word.bytes - at < sizeof piece ? word.bytes - at : sizeof piece;
        for (size_t i = 0; i < part; i++) {
            unsigned char byte = (unsigned char)word.data[at + i];
            piece[i] = (char)(byte <= ' ' || byte == 0x7f ? '_' : byte);
        }
        status = vni_writer_put(writer, piece, part, err);
        at += part;
    }
    return status;
}

static vecna_status word2vec_write(vecna_writer *writer, vecna_view rows,
                                   const vecna_record *records, vecna_error *err) {
    vecna_status status = VECNA_OK;
    char number[24];
    for (size_t row = 0; status == VECNA_OK && row < rows.rows; row++) {
        vecna_text word =
            vni_writer_word(records ? &records[row] : NULL, writer->rows + row, number);
        if (word.bytes > MAX_WORD_BYTES)
            return vecna_error_set(err, VECNA_ERR_VALUE, (int64_t)(writer->rows + row),
                                   "the id of row %llu has %zu bytes; a word of %s has at most %d",
                                   (unsigned long long)(writer->rows + row), word.bytes,
                                   writer->name, MAX_WORD_BYTES);
        status = vni_writer_put_word(writer, word, err);
        if (status == VECNA_OK)
            status = vni_writer_put(writer, " ", 1, err);
        if (status == VECNA_OK)
            status =
                vni_writer_put_rows(writer, vecna_view_rows(rows, row, 1), VNI_F32, NULL, 0, err);
        if (status == VECNA_OK)
            status = vni_writer_put(writer, "\n", 1, err);
    }
    return status;
}

static vecna_status word2vec_finish(vecna_writer *writer, vecna_error *err) {
    char line[MAX_FIRST_LINE];
    size_t bytes = make_first_line(writer, writer->options.rows, line);
    if (writer->options.rows == writer->rows)
        return VECNA_OK;
    if (make_first_line(writer, writer->rows, line) != bytes)
        return vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)writer->rows,
                               "%llu rows came to %s, whose header has room for %llu",
                               (unsigned long long)writer->rows, writer->name,
                               (unsigned long long)writer->options.rows);
    return vni_writer_patch(writer, 0, line, bytes, err);
}

const vni_format vni_format_word2vec = {
    .info = {"word2vec", "bin w2v", "word2vec binary: a word and float32 numbers for every row"},
    .detect = word2vec_detect,
    .open = word2vec_open,
    .read = word2vec_read,
    .close = word2vec_close,
    .counts_rows = 1,
    .begin = word2vec_begin,
    .write = word2vec_write,
    .finish = word2vec_finish,
};
