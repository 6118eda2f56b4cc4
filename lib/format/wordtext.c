/* Words and numbers in lines, as word2vec's text format, fastText's .vec and GloVe have them. The
 * three differ in the line "ROWS DIMENSION" that the first two start with. The programs that wrote
 * them end a line with a space or not, and put words with spaces in them (GloVe 840B has ". . .");
 * a reader that cuts at the first space and one that counts numbers from the end disagree on those,
 * so both are tried, in this order: it is the first for all other lines, and quicker.
 * Source: https://nlp.stanford.edu/projects/glove/, https://fasttext.cc/docs/en/crawl-vectors.html
 */
#include "format/text_impl.h"

#include <inttypes.h>
#include <stdio.h>

enum { LINES_LOOKED_AT = 8, COUNT_COLUMNS = 20, MAX_FIRST_LINE = 64, FIRST_ASK = 1 << 16 };

typedef struct word_state {
    uint64_t rows, next_row; /* rows UINT64_MAX: the file does not say */
} word_state;

static int is_gap(char byte) {
    return byte == ' ' || byte == '\t';
}

/* Exactly dim numbers, gaps between them, up to the end of the text. */
static int read_numbers(const char *at, const char *end, float *out, size_t dim) {
    for (size_t i = 0; i < dim; i++) {
        size_t length;
        while (at < end && is_gap(*at))
            at++;
        length = vecna_number_parse_f32(at, (size_t)(end - at), VECNA_NUMBER_LENIENT, &out[i]);
        at += length;
        if (length == 0 || (at < end && !is_gap(*at)))
            return 0;
    }
    while (at < end && is_gap(*at))
        at++;
    return at == end;
}

/* Bytes of the word when the last dim pieces are the numbers; SIZE_MAX when there are fewer. */
static size_t word_before(const char *text, size_t bytes, size_t dim) {
    size_t at = bytes;
    for (size_t pieces = 0; pieces < dim; pieces++) {
        while (at > 0 && is_gap(text[at - 1]))
            at--;
        while (at > 0 && !is_gap(text[at - 1]))
            at--;
        if (at == 0)
            return SIZE_MAX;
    }
    return at - 1; /* the one gap that separates */
}

/* A line into its word and numbers. */
static int read_line(vecna_text line, float *out, size_t dim, size_t *word_bytes) {
    size_t gap = 0;
    while (gap < line.bytes && !is_gap(line.data[gap]))
        gap++;
    *word_bytes = gap;
    if (gap > 0 && read_numbers(line.data + gap, line.data + line.bytes, out, dim))
        return 1;
    *word_bytes = word_before(line.data, line.bytes, dim);
    return *word_bytes != SIZE_MAX &&
           read_numbers(line.data + *word_bytes, line.data + line.bytes, out, dim);
}

/* ---- opening --------------------------------------------------------------------------------- */

/* Numbers at the end of a line, the first piece never among them. */
static size_t count_numbers(const char *text, size_t bytes) {
    size_t count = 0, at = bytes;
    for (;;) {
        size_t end;
        float ignored;
        while (at > 0 && is_gap(text[at - 1]))
            at--;
        end = at;
        while (at > 0 && !is_gap(text[at - 1]))
            at--;
        if (at == 0 || end == at ||
            vecna_number_parse_f32(text + at, end - at, VECNA_NUMBER_LENIENT, &ignored) != end - at)
            return count;
        count++;
    }
}

/* The value that most of the counts have; of two the smaller. */
static size_t most_common(const size_t *counts, size_t count) {
    size_t best = 0, best_times = 0;
    for (size_t i = 0; i < count; i++) {
        size_t times = 0;
        for (size_t j = 0; j < count; j++)
            times += counts[j] == counts[i];
        if (times > best_times || (times == best_times && counts[i] < best)) {
            best = counts[i];
            best_times = times;
        }
    }
    return best;
}

/* The dimension: the numbers that most of the first lines end in, since a word may end in numbers
 * too. A line that is not whole in `bytes` is left out unless `whole`. */
static size_t guess_dim(const char *text, size_t bytes, int whole, size_t *lines) {
    size_t counts[LINES_LOOKED_AT];
    *lines = 0;
    for (const char *at = text, *end = text + bytes; at < end && *lines < LINES_LOOKED_AT;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((newline ? newline : end) - at);
        if (newline == NULL && !whole)
            break;
        if (length > 0 && at[length - 1] == '\r')
            length--;
        if (length > 0)
            counts[(*lines)++] = count_numbers(at, length);
        at = newline ? newline + 1 : end;
    }
    return most_common(counts, *lines);
}

static vecna_status open_state(vecna_reader *reader, uint64_t rows, vecna_error *err) {
    word_state *state = vecna_allocate_zero(reader->allocator, 1, sizeof *state);
    if (state == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to read %s",
                               reader->input.name);
    state->rows = rows;
    reader->state = state;
    reader->info.dtype = VECNA_F32;
    reader->info.stored_as = "text";
    reader->info.has_records = 1;
    return VECNA_OK;
}

static vecna_status counted_open(vecna_reader *reader, vecna_error *err) {
    vni_input *input = &reader->input;
    const unsigned char *head;
    size_t available, line_bytes = 0;
    uint64_t rows = 0, dim = 0;
    vecna_status status = vni_text_skip_mark(input, err);
    if (status == VECNA_OK)
        status = vni_input_peek(input, MAX_FIRST_LINE, &head, &available, err);
    if (status != VECNA_OK)
        return status;
    if (!vni_word2vec_first_line(head, available, &rows, &dim, &line_bytes))
        return vecna_error_set(err, VECNA_ERR_FORMAT, 1,
                               "%s line 1: no line 'ROWS DIMENSION' as word2vec and fastText start "
                               "with; GloVe's files have none: --in-format glove",
                               input->name);
    status = vni_reader_dim(reader, dim, err);
    if (status != VECNA_OK)
        return status;
    /* the shortest row is a byte of word, then a gap and a digit for each number */
    if (rows > INT64_MAX / 2 || (input->seekable && rows > input->size / (1 + 2 * dim)))
        return vecna_error_set(err, VECNA_ERR_TRUNCATED, 1,
                               "%s claims %llu rows of %llu dimensions; its %llu bytes hold fewer",
                               input->name, (unsigned long long)rows, (unsigned long long)dim,
                               (unsigned long long)input->size);
    vni_input_skip(input, line_bytes);
    input->line = 1;
    reader->info.rows = (int64_t)rows;
    return open_state(reader, rows, err);
}

/* Whether every line seen begins with a number that has a point: numpy.savetxt of a matrix, whose first column
 * would be lost for words. */
static int is_bare_matrix(const char *text, size_t bytes) {
    size_t lines = 0;
    for (const char *at = text, *end = text + bytes; at < end && lines < LINES_LOOKED_AT; lines++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const size_t length = (size_t)((newline ? newline : end) - at);
        size_t first = 0;
        float ignored;
        if (newline == NULL && lines > 0)
            break;
        while (first < length && !is_gap(at[first]))
            first++;
        if (first == 0 || memchr(at, '.', first) == NULL ||
            vecna_number_parse_f32(at, first, VECNA_NUMBER_LENIENT, &ignored) != first)
            return 0;
        at = newline ? newline + 1 : end;
    }
    return lines > 1;
}

static vecna_status glove_open(vecna_reader *reader, vecna_error *err) {
    vni_input *input = &reader->input;
    size_t ask = FIRST_ASK, dim = 0, lines = 0;
    vecna_status status = vni_text_skip_mark(input, err);
    while (status == VECNA_OK) {
        const unsigned char *data;
        size_t available;
        int whole;
        status = vni_input_peek(input, ask, &data, &available, err);
        if (status != VECNA_OK)
            return status;
        whole = input->at_end || available < ask;
        dim = guess_dim((const char *)data, available, whole, &lines);
        if (whole || lines >= 3) {
            if (reader->options.format == NULL && is_bare_matrix((const char *)data, available))
                return vecna_error_set(
                    err, VECNA_ERR_FORMAT, 1,
                    "%s has numbers where a word begins each line: is it a bare matrix? Save that "
                    "as .npy or with tabs as .tsv; --in-format glove takes the first column for "
                    "words",
                    input->name);
            break;
        }
        if (available > reader->options.max_line_bytes)
            return vecna_error_set(err, VECNA_ERR_FORMAT, 1,
                                   "%s line 1 has more than %zu bytes; is it a text file?",
                                   input->name, reader->options.max_line_bytes);
        ask = available * 2;
    }
    if (status == VECNA_OK && dim == 0)
        status = vecna_error_set(err, VECNA_ERR_FORMAT, 1,
                                 "%s line 1: no word with numbers behind it", input->name);
    if (status == VECNA_OK)
        status = vni_reader_dim(reader, dim, err);
    return status == VECNA_OK ? open_state(reader, UINT64_MAX, err) : status;
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* What is wrong with a line that read_line refused. */
static vecna_status bad_line(const vecna_reader *reader, vecna_text line, vecna_error *err) {
    size_t dim = reader->info.dim, numbers = count_numbers(line.data, line.bytes);
    size_t gap = 0;
    vecna_error inner;
    while (gap < line.bytes && !is_gap(line.data[gap]))
        gap++;
    vecna_error_set(&inner, numbers < dim ? VECNA_ERR_FORMAT : VECNA_ERR_DIM, 0,
                    "%zu numbers behind the word '%.*s'; %zu are expected", numbers,
                    (int)(gap < 40 ? gap : 40), line.data, dim);
    return vni_text_error(reader, reader->input.line, 0, &inner, err);
}

/* The next line that is not blank; *more 0 at the end. */
static vecna_status next_line(vecna_reader *reader, vecna_text *line, int *more, vecna_error *err) {
    vecna_status status;
    do
        status = vni_input_line(&reader->input, reader->options.max_line_bytes, line, more, err);
    while (status == VECNA_OK && *more && line->bytes == 0);
    return status;
}

static vecna_status check_end(vecna_reader *reader, vecna_error *err) {
    const word_state *state = reader->state;
    vecna_text line;
    int more = 0;
    vecna_status status = next_line(reader, &line, &more, err);
    if (status == VECNA_OK && more)
        return vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)reader->input.line,
                               "%s goes on at line %llu, after the %llu rows that line 1 claims",
                               reader->input.name, (unsigned long long)reader->input.line,
                               (unsigned long long)state->rows);
    return status;
}

static vecna_status word_read(vecna_reader *reader, vecna_block *block, size_t max_rows,
                              vecna_error *err) {
    word_state *state = reader->state;
    size_t dim = reader->info.dim, rows = 0;
    vecna_record *records;
    float *floats;
    vecna_status status = vni_block_floats(block, max_rows, dim, &floats, err);
    if (status == VECNA_OK)
        status = vni_block_records(block, max_rows, &records, err);
    while (status == VECNA_OK && rows < max_rows) {
        vecna_text line;
        size_t word_bytes = 0;
        int more = 0;
        status = next_line(reader, &line, &more, err);
        if (status != VECNA_OK || !more)
            break;
        if (!read_line(line, floats + rows * dim, dim, &word_bytes))
            return bad_line(reader, line, err);
        status = vni_block_text(block, line.data, word_bytes, &records[rows].id, err);
        rows += status == VECNA_OK;
    }
    if (status != VECNA_OK)
        return status;
    state->next_row += rows;
    if (rows < max_rows && state->rows != UINT64_MAX)
        return vecna_error_set(err, VECNA_ERR_TRUNCATED, (int64_t)reader->input.line,
                               "%s ends after %llu of the %llu rows that line 1 claims",
                               reader->input.name, (unsigned long long)state->next_row,
                               (unsigned long long)state->rows);
    if (state->next_row == state->rows)
        status = check_end(reader, err);
    if (status == VECNA_OK)
        block->vectors.rows = rows;
    return status;
}

static void word_close(vecna_reader *reader) {
    vecna_release(reader->allocator, reader->state);
}

/* ---- telling them by their beginning --------------------------------------------------------- */

static int counted_detect(const vni_head *head) {
    uint64_t rows, dim;
    size_t line_bytes, lines;
    if (!vni_word2vec_first_line(head->data, head->bytes, &rows, &dim, &line_bytes) || dim == 0 ||
        dim > VECNA_FORMAT_MAX_DIM || head->bytes == line_bytes ||
        vni_word2vec_is_binary(head->data + line_bytes, head->bytes - line_bytes, (size_t)dim))
        return VNI_NO;
    const char *text = (const char *)head->data + line_bytes;
    size_t numbers = guess_dim(text, head->bytes - line_bytes, head->whole, &lines);
    if (lines == 0)
        return memchr(text, ' ', head->bytes - line_bytes) ? VNI_CERTAIN : VNI_NO;
    return numbers >= dim ? VNI_CERTAIN : numbers > 0 ? VNI_MAYBE : VNI_NO;
}

static int glove_detect(const vni_head *head) {
    const char *text = (const char *)head->data;
    const char *newline = memchr(text, '\n', head->bytes);
    size_t bytes = newline ? (size_t)(newline - text) : head->bytes, lines, pieces = 0;
    const char *space = memchr(text, ' ', bytes);
    for (size_t i = 0; i < head->bytes; i++)
        if (head->data[i] < 0x20 && head->data[i] != '\n' && head->data[i] != '\r' &&
            head->data[i] != '\t')
            return VNI_NO;
    if (space == NULL || memchr(text, ',', bytes) != NULL)
        return VNI_NO;
    if (newline != NULL || head->whole)
        return guess_dim(text, head->bytes, head->whole, &lines) >= 2 ? VNI_LIKELY : VNI_NO;
    /* a line longer than the head: numbers right behind the word */
    for (const char *at = space + 1, *end = text + bytes; pieces < 8; pieces++) {
        float ignored;
        size_t length =
            vecna_number_parse_f32(at, (size_t)(end - at), VECNA_NUMBER_LENIENT, &ignored);
        if (length == 0 || at + length >= end || at[length] != ' ')
            break;
        at += length + 1;
    }
    return pieces >= 8 ? VNI_LIKELY : VNI_NO;
}

/* ---- writing --------------------------------------------------------------------------------- */

static vecna_status room_begin(vecna_writer *writer, vecna_error *err) {
    vecna_status status = vni_text_dtype(writer, err);
    if (status != VECNA_OK)
        return status;
    writer->state = vecna_allocate_zero(writer->allocator, 1, sizeof(vni_room));
    if (writer->state == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to write %s", writer->name);
    return VECNA_OK;
}

/* The count in as many columns as it was promised; spaces behind it are what readers skip. */
static size_t make_first_line(const vecna_writer *writer, uint64_t rows, char *out) {
    uint64_t promised = writer->options.rows;
    int columns = promised > 0 ? snprintf(NULL, 0, "%" PRIu64, promised) : COUNT_COLUMNS;
    return (size_t)snprintf(out, MAX_FIRST_LINE, "%-*" PRIu64 " %zu\n", columns, rows,
                            writer->options.dim);
}

static vecna_status counted_begin(vecna_writer *writer, vecna_error *err) {
    char line[MAX_FIRST_LINE];
    vecna_status status = room_begin(writer, err);
    if (status == VECNA_OK)
        status =
            vni_writer_put(writer, line, make_first_line(writer, writer->options.rows, line), err);
    return status;
}

static vecna_status word_write(vecna_writer *writer, vecna_view rows, const vecna_record *records,
                               vecna_error *err) {
    vni_room *room = writer->state;
    vecna_status status = vni_room_need(room, rows.dim * (VECNA_NUMBER_BYTES + 1) + 2,
                                        writer->allocator, writer->name, err);
    for (size_t i = 0; status == VECNA_OK && i < rows.rows; i++) {
        char number[24];
        vecna_text word = vni_writer_word(records ? &records[i] : NULL, writer->rows + i, number);
        status = vni_writer_put_word(writer, word, err);
        if (status != VECNA_OK)
            break;
        room->data[0] = ' ';
        room->bytes = 1;
        vni_room_floats(room, rows.data + i * rows.stride, rows.dim, ' ');
        room->data[room->bytes++] = '\n';
        status = vni_writer_put(writer, room->data, room->bytes, err);
        room->bytes = 0;
    }
    return status;
}

static vecna_status counted_finish(vecna_writer *writer, vecna_error *err) {
    char line[MAX_FIRST_LINE];
    size_t bytes = make_first_line(writer, writer->options.rows, line);
    if (writer->options.rows == writer->rows)
        return VECNA_OK;
    if (make_first_line(writer, writer->rows, line) != bytes)
        return vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)writer->rows,
                               "%llu rows came to %s, whose first line has room for %llu",
                               (unsigned long long)writer->rows, writer->name,
                               (unsigned long long)writer->options.rows);
    return vni_writer_patch(writer, 0, line, bytes, err);
}

static void word_abandon(vecna_writer *writer) {
    vni_room *room = writer->state;
    if (room != NULL)
        vecna_release(writer->allocator, room->data);
    vecna_release(writer->allocator, room);
}

const vni_format vni_format_word2vec_text = {
    .info = {"word2vec-text", "emb",
             "word2vec text: a line 'ROWS DIMENSION', then words and numbers"},
    .detect = counted_detect,
    .open = counted_open,
    .read = word_read,
    .close = word_close,
    .counts_rows = 1,
    .begin = counted_begin,
    .write = word_write,
    .finish = counted_finish,
    .abandon = word_abandon,
};

const vni_format vni_format_fasttext = {
    .info = {"fasttext", "vec", "fastText .vec: as word2vec text"},
    .detect = counted_detect,
    .open = counted_open,
    .read = word_read,
    .close = word_close,
    .counts_rows = 1,
    .begin = counted_begin,
    .write = word_write,
    .finish = counted_finish,
    .abandon = word_abandon,
};

const vni_format vni_format_glove = {
    .info = {"glove", "txt glove", "GloVe text: words and numbers, no first line"},
    .detect = glove_detect,
    .open = glove_open,
    .read = word_read,
    .close = word_close,
    .begin = room_begin,
    .write = word_write,
    .abandon = word_abandon,
};
