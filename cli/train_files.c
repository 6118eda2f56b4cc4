/* Vectors and their words out of and into files. Formats without room for words have them beside: a
 * line each, in the order of the rows. */
#include "cli/train.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS_A_BLOCK = 1024 };

static const char *extension_of(const char *path) {
    const char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');
    return dot ? dot + 1 : "";
}

/* The format that a name means here: .txt is word2vec's text with its first line, which every reader
 * of vectors knows. NULL: as the name says. */
static const char *format_of(const char *path) {
    return strcmp(extension_of(path), "txt") == 0 ? "word2vec-text" : NULL;
}

static bool holds_words(const char *path) {
    static const char *const without[] = {"npy", "safetensors", "fvecs", "f32", "raw"};
    const char *extension = extension_of(path);
    for (size_t i = 0; i < sizeof without / sizeof *without; i++)
        if (strcmp(extension, without[i]) == 0)
            return false;
    return true;
}

static char *with_ending(const char *path, size_t head, const char *ending) {
    size_t bytes = head + strlen(ending) + 1;
    char *made = malloc(bytes);
    if (made)
        snprintf(made, bytes, "%.*s%s", (int)head, path, ending);
    return made;
}

char *words_path(const char *path) {
    if (holds_words(path))
        return NULL;
    return with_ending(path, (size_t)(extension_of(path) - path) - 1, ".vocab.txt");
}

const char *word_of_vocab(const void *vocab, size_t row, size_t *bytes) {
    return vecna_vocab_word(vocab, (int32_t)row, bytes);
}

vecna_status check_output_name(const char *path, vecna_error *err) {
    static const char *const known[] = {"txt",   "bin", "npy", "safetensors", "vec",  "emb",
                                        "jsonl", "csv", "tsv", "fvecs",       "glove"};
    const char *extension = extension_of(path);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(extension, known[i]) == 0)
            return check_writable(path, err);
    return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                           "%.100s tells no format; end it in .txt, .bin (word2vec), .npy, "
                           ".safetensors (with the words beside), .vec, .glove, .jsonl or .csv",
                           path);
}

/* ---- out ------------------------------------------------------------------------------------- */

static vecna_status write_words(const char *path, const vector_output *output, vecna_error *err) {
    vecna_outfile *file = NULL;
    vecna_status status = vecna_outfile_open(path, NULL, &file, err);
    if (status != VECNA_OK)
        return status;
    for (size_t row = 0; status == VECNA_OK && row < output->rows; row++) {
        size_t bytes;
        const char *word = output->word(output->word_user, row, &bytes);
        status = vecna_outfile_write(file, word, bytes, err);
        if (status == VECNA_OK)
            status = vecna_outfile_write(file, "\n", 1, err);
    }
    if (status == VECNA_OK)
        return vecna_outfile_commit(file, err);
    vecna_outfile_discard(file);
    return status;
}

static vecna_status write_block(vecna_writer *writer, const vector_output *output, size_t first,
                                vecna_matrix block, vecna_record *records, vecna_error *err) {
    vecna_status status = output->fill(output->fill_user, first, block, err);
    for (size_t i = 0; status == VECNA_OK && i < block.rows; i++) {
        memset(&records[i], 0, sizeof records[i]);
        if (output->word)
            records[i].id.data = output->word(output->word_user, first + i, &records[i].id.bytes);
    }
    return status == VECNA_OK ? vecna_writer_write(writer, vecna_matrix_view(block), records, err)
                              : status;
}

static vecna_status write_rows(const char *path, const vector_output *output, vecna_error *err) {
    vecna_writer_options options;
    vecna_writer *writer = NULL;
    float *data = malloc(ROWS_A_BLOCK * output->dim * sizeof *data);
    vecna_record *records = malloc(ROWS_A_BLOCK * sizeof *records);
    vecna_status status = VECNA_OK;
    memset(&options, 0, sizeof options);
    options.format = format_of(path);
    options.dim = output->dim;
    options.rows = output->rows;
    if (data == NULL || records == NULL)
        status = vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory to write %s", path);
    else
        status = vecna_writer_open(path, &options, &writer, err);
    for (size_t first = 0; status == VECNA_OK && first < output->rows; first += ROWS_A_BLOCK) {
        size_t rows = output->rows - first < ROWS_A_BLOCK ? output->rows - first : ROWS_A_BLOCK;
        status = write_block(writer, output, first, vecna_matrix_dense(data, rows, output->dim),
                             records, err);
    }
    if (status == VECNA_OK)
        status = vecna_writer_commit(writer, err);
    else
        vecna_writer_discard(writer);
    free(data);
    free(records);
    return status;
}

vecna_status write_numbered(const char *path, const vector_output *output, vecna_error *err) {
    return write_rows(path, output, err);
}

vecna_status write_vectors(const char *path, const vector_output *output, vecna_error *err) {
    char *beside = words_path(path);
    vecna_status status = beside ? write_words(beside, output, err) : VECNA_OK;
    if (status == VECNA_OK)
        status = write_rows(path, output, err);
    free(beside);
    return status;
}

/* ---- in -------------------------------------------------------------------------------------- */

static bool is_file(const char *path) {
    FILE *file = path ? fopen(path, "rb") : NULL;
    if (file)
        fclose(file);
    return file != NULL;
}

/* "v.vocab.txt" for "v.npy", or for "v.100.npy". To be freed; NULL: there is none. */
static char *find_words(const char *path) {
    size_t head = (size_t)(extension_of(path) - path);
    char *found;
    if (*extension_of(path) == '\0')
        return NULL;
    found = with_ending(path, head - 1, ".vocab.txt");
    if (is_file(found))
        return found;
    free(found);
    for (head--; head > 0 && path[head - 1] >= '0' && path[head - 1] <= '9'; head--)
        ;
    if (head < 2 || path[head - 1] != '.')
        return NULL;
    found = with_ending(path, head - 1, ".vocab.txt");
    if (is_file(found))
        return found;
    free(found);
    return NULL;
}

/* Lines of a file as words: as they are, whatever stands in them. */
static vecna_status read_words(const char *path, word_vectors *out, vecna_error *err) {
    size_t bytes = 0, row = 0, rows = out->file.vectors.rows;
    char *grown;
    vecna_status status = read_file(path, &out->text, &bytes, err);
    if (status != VECNA_OK)
        return status;
    grown = realloc(out->text, bytes + 1);
    out->own_words = calloc(rows + 1, sizeof *out->own_words);
    if (grown == NULL || out->own_words == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for %s", path);
    out->text = grown;
    out->text[bytes] = '\0';
    for (char *at = out->text; at < out->text + bytes; row++) {
        char *end = memchr(at, '\n', (size_t)(out->text + bytes - at));
        if (end == NULL)
            end = out->text + bytes;
        *end = '\0';
        if (row < rows)
            out->own_words[row] = at;
        at = end + 1;
    }
    if (row != rows)
        return vecna_error_set(
            err, VECNA_ERR_DIM, -1,
            "%.80s has %zu lines and %.80s has %zu rows; they go together by line", path, row,
            out->file.path, rows);
    out->words = out->own_words;
    return VECNA_OK;
}

vecna_status load_words(const char *path, const input_options *input, const char *vocab_path,
                        word_vectors *out, vecna_error *err) {
    vecna_format_options format = format_options(input);
    char *found = NULL;
    vecna_status status;
    memset(out, 0, sizeof *out);
    status = load_vectors(path, &format, &out->file, err);
    if (status != VECNA_OK)
        return status;
    out->words = (char *const *)out->file.ids;
    if (vocab_path == NULL && out->words == NULL)
        vocab_path = found = find_words(path);
    if (vocab_path)
        status = read_words(vocab_path, out, err);
    if (status == VECNA_OK && out->words == NULL)
        status =
            vecna_error_set(err, VECNA_ERR_NOT_FOUND, -1,
                            "%.150s holds no words; name the file that has them, a line a row, "
                            "with --vocab",
                            path);
    free(found);
    return status;
}

void unload_words(word_vectors *words) {
    unload(&words->file);
    free(words->text);
    free(words->own_words);
    memset(words, 0, sizeof *words);
}
