/* Text formats: files of tests/reference/format_text_reference.py, which must give one known matrix
 * or their error; what is written must read back bit for bit, through every other format too. */
#include "tests/unit/support/support.h"

#include "vecna/codec.h"
#include "vecna/format.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROWS = 5, DIM = 6 };

static const char *const words[ROWS] = {"</s>", "the", "na\xc3\xafve", "new_york",
                                        "\xe6\x9d\xb1\xe4\xba\xac"};
static const char *const texts[ROWS] = {"plain", "with \"quotes\"", "two\nlines",
                                        "comma, semicolon; tab\tbar|", "\xc3\xa4\xf0\x9f\x98\x80"};

static float number(size_t row, size_t column) {
    return (float)((int)((31 * row + 17 * column) % 97) - 48) / 4;
}

/* What a row carries. */
typedef enum carry { NOTHING, IDS, NUMBERS, IDS_AND_TEXTS, FIELDS_ONLY } carry;

typedef struct good {
    const char *file, *format;
    carry carries;
    vecna_layout layout;
    size_t fields; /* of every row */
    size_t vector_at;
    const char *vector_field, *asked; /* as found; as the options ask */
} good;

#define A VECNA_LAYOUT_ARRAY
#define C VECNA_LAYOUT_COLUMNS
#define B VECNA_LAYOUT_BASE64
#define N VECNA_LAYOUT_DEFAULT

static const good goods[] = {
    {"lines.jsonl", "jsonl", IDS_AND_TEXTS, A, 3, 2, "embedding", NULL},
    {"utf8.jsonl", "jsonl", IDS_AND_TEXTS, A, 3, 2, "embedding", NULL},
    {"crlf-bom-blank.jsonl", "jsonl", IDS_AND_TEXTS, A, 3, 2, "embedding", NULL},
    {"no-last-newline.jsonl", "jsonl", IDS_AND_TEXTS, A, 3, 2, "embedding", NULL},
    {"base64.jsonl", "jsonl", IDS_AND_TEXTS, B, 3, 2, "embedding", NULL},
    {"base64-slash.jsonl", "jsonl", IDS_AND_TEXTS, B, 3, 2, "embedding", NULL},
    {"postgres.jsonl", "jsonl", IDS_AND_TEXTS, A, 3, 2, "embedding", NULL},
    {"vector.jsonl", "jsonl", IDS_AND_TEXTS, A, 3, 2, "vector", NULL},
    {"other.jsonl", "jsonl", IDS_AND_TEXTS, A, 3, 2, "v1", "v1"},
    {"exponents.jsonl", "jsonl", IDS_AND_TEXTS, A, 3, 2, "embedding", NULL},
    {"two-names.jsonl", "jsonl", IDS_AND_TEXTS, A, 4, 3, "embedding", NULL},
    {"bare.jsonl", "jsonl", NOTHING, A, 0, 0, NULL, NULL},
    {"array.json", "jsonl", IDS_AND_TEXTS, A, 3, 2, "embedding", NULL},
    {"array-pretty.json", "jsonl", IDS_AND_TEXTS, A, 3, 2, "embedding", NULL},
    {"array-bare.json", "jsonl", NOTHING, A, 0, 0, NULL, NULL},
    {"records-pretty.json", "jsonl", IDS_AND_TEXTS, A, 3, 2, "embedding", NULL},
    {"openai.json", "jsonl", FIELDS_ONLY, A, 2, 2, "embedding", NULL},
    {"openai-base64.json", "jsonl", FIELDS_ONLY, B, 2, 2, "embedding", NULL},
    {"openai-bodies.jsonl", "jsonl", FIELDS_ONLY, A, 2, 2, "embedding", NULL},
    {"openai-data-last.json", "jsonl", FIELDS_ONLY, A, 2, 2, "embedding", NULL},
    {"ollama.json", "jsonl", NOTHING, A, 0, 0, NULL, NULL},
    {"google.json", "jsonl", NOTHING, A, 0, 0, "values", NULL},
    {"columns.csv", "csv", IDS_AND_TEXTS, C, 2, 1, "dim", NULL},
    {"columns.csv", "csv", IDS_AND_TEXTS, C, 2, 1, "dim", "dim_"},
    {"columns-crlf-bom.csv", "csv", IDS_AND_TEXTS, C, 2, 1, "dim", NULL},
    {"columns-no-header.csv", "csv", IDS, C, 1, 1, NULL, NULL},
    {"columns-id-no-header.csv", "csv", NUMBERS, C, 1, 1, NULL, NULL},
    {"columns-alone.csv", "csv", NOTHING, C, 0, 0, NULL, NULL},
    {"columns-pandas.csv", "csv", FIELDS_ONLY, C, 1, 1, NULL, NULL},
    {"columns-year.csv", "csv", FIELDS_ONLY, C, 2, 1, "dim", NULL},
    {"pgvector.csv", "csv", IDS_AND_TEXTS, A, 2, 1, "embedding", NULL},
    {"pgvector.csv", "csv", IDS_AND_TEXTS, A, 2, 1, "embedding", "embedding"},
    {"pgvector-no-header.csv", "csv", FIELDS_ONLY, A, 2, 1, NULL, NULL},
    {"pandas.csv", "csv", IDS_AND_TEXTS, A, 2, 1, "vector", NULL},
    {"numpy.csv", "csv", IDS_AND_TEXTS, A, 2, 1, "emb", NULL},
    {"braces.csv", "csv", IDS_AND_TEXTS, A, 2, 1, "v", NULL},
    {"semicolon.csv", "csv", IDS_AND_TEXTS, A, 2, 1, "embedding", NULL},
    {"bar.csv", "csv", IDS_AND_TEXTS, A, 2, 1, "embedding", NULL},
    {"tab.tsv", "tsv", IDS_AND_TEXTS, A, 2, 1, "embedding", NULL},
    {"tab-columns.tsv", "tsv", IDS_AND_TEXTS, C, 2, 1, "dim", NULL},
    {"blank-lines.csv", "csv", IDS_AND_TEXTS, A, 2, 1, "embedding", NULL},
    {"text.emb", "word2vec-text", IDS, N, 0, 0, NULL, NULL},
    {"text-crlf.emb", "word2vec-text", IDS, N, 0, 0, NULL, NULL},
    {"text-padded.emb", "word2vec-text", IDS, N, 0, 0, NULL, NULL},
    {"space-at-end.vec", "fasttext", IDS, N, 0, 0, NULL, NULL},
    {"words.txt", "glove", IDS, N, 0, 0, NULL, NULL},
    {"no-last-newline.txt", "glove", IDS, N, 0, 0, NULL, NULL},
    {"spaces.emb", "word2vec-text", FIELDS_ONLY, N, 0, 0, NULL, NULL},
    {"spaces.txt", "glove", FIELDS_ONLY, N, 0, 0, NULL, NULL},
};

static void assert_text(vecna_text text, const char *wanted) {
    assert_non_null(text.data);
    assert_int_equal(text.bytes, strlen(wanted));
    assert_memory_equal(text.data, wanted, text.bytes);
}

static void check_record(const good *file, const vecna_record *record, size_t row) {
    char digits[8];
    snprintf(digits, sizeof digits, "%zu", row);
    assert_int_equal(record->field_count, file->fields);
    assert_int_equal(record->vector_at, file->vector_at);
    if (file->carries == IDS || file->carries == IDS_AND_TEXTS)
        assert_text(record->id, words[row]);
    if (file->carries == NUMBERS)
        assert_text(record->id, digits);
    if (file->carries == NOTHING)
        assert_null(record->id.data);
    if (file->carries == IDS_AND_TEXTS)
        assert_text(record->text, texts[row]);
    for (size_t i = 0; i < record->field_count; i++) {
        const vecna_field *field = &record->fields[i];
        vecna_json_token token;
        vecna_json json;
        assert_non_null(field->name.data);
        assert_non_null(field->value.data);
        if (field->kind == VECNA_FIELD_PLAIN)
            continue;
        vecna_json_init(&json, field->value.data, field->value.bytes, 0);
        assert_status(VECNA_OK, vecna_json_next(&json, &token, NULL));
        assert_status(VECNA_OK, vecna_json_skip(&json, &token, NULL, NULL));
        assert_status(VECNA_OK, vecna_json_next(&json, &token, NULL));
        assert_int_equal(token.kind, VECNA_JSON_END);
    }
}

/* All rows of a reader, which it closes; the status of the first failure. */
static vecna_status read_rows(const good *file, vecna_reader *reader, size_t max_rows,
                              const vecna_allocator *allocator, vecna_error *err) {
    vecna_block *block = NULL;
    size_t row = 0;
    vecna_status status = vecna_block_new(allocator, &block, err);
    while (status == VECNA_OK) {
        status = vecna_reader_read(reader, block, max_rows, err);
        if (status != VECNA_OK || block->vectors.rows == 0)
            break;
        for (size_t i = 0; file && i < block->vectors.rows; i++, row++) {
            assert_true(row < ROWS);
            for (size_t column = 0; column < DIM; column++)
                assert_true(block->vectors.data[i * block->vectors.stride + column] ==
                            number(row, column));
            check_record(file, &block->records[i], row);
        }
    }
    if (file && status == VECNA_OK)
        assert_int_equal(row, ROWS);
    vecna_block_free(block);
    vecna_reader_close(reader);
    return status;
}

static char *content_of(const char *path, size_t *bytes) {
    FILE *file = fopen(path, "rb");
    char *content = malloc(1 << 16), *exact;
    if (file == NULL)
        fail_msg("%s is missing", path);
    *bytes = fread(content, 1, 1 << 16, file);
    fclose(file);
    exact = malloc(*bytes + 1); /* so that a byte too many is seen */
    memcpy(exact, content, *bytes);
    free(content);
    return exact;
}

static void good_files(void **state) {
    static const size_t steps[] = {0, 1, 2, 5};
    (void)state;
    for (size_t i = 0; i < sizeof goods / sizeof *goods; i++) {
        const good *file = &goods[i];
        vecna_format_options options = {.vector_field = file->asked};
        vecna_error err = {VECNA_OK, -1, ""};
        char path[128];
        size_t bytes;
        snprintf(path, sizeof path, "tests/golden/good/text-%s", file->file);
        char *content = content_of(path, &bytes);
        for (size_t step = 0; step < 2 * sizeof steps / sizeof *steps; step++) {
            vecna_reader *reader = NULL;
            vecna_status status =
                step % 2 ? vecna_reader_open(path, &options, &reader, &err)
                         : vecna_reader_open_memory(content, bytes, path, &options, &reader, &err);
            if (status != VECNA_OK)
                fail_msg("%s", err.message);
            const vecna_file_info *info = vecna_reader_about(reader);
            assert_string_equal(info->format, file->format);
            assert_int_equal(info->dim, DIM);
            assert_int_equal(info->layout, file->layout);
            assert_true(info->has_records);
            if (file->vector_field)
                assert_string_equal(info->vector_field, file->vector_field);
            else
                assert_null(info->vector_field);
            status = read_rows(file, reader, steps[step / 2], NULL, &err);
            if (status != VECNA_OK)
                fail_msg("%s", err.message);
        }
        free(content);
    }
}

/* As streams, whose size is not known. */
static void good_files_from_pipes(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof goods / sizeof *goods; i++) {
        const good *file = &goods[i];
        vecna_format_options options = {.vector_field = file->asked, .format = file->format};
        vecna_reader *reader = NULL;
        vecna_error err = {VECNA_OK, -1, ""};
        char path[128];
        int ends[2];
        size_t bytes;
        snprintf(path, sizeof path, "tests/golden/good/text-%s", file->file);
        char *content = content_of(path, &bytes);
        assert_int_equal(pipe(ends), 0);
        assert_int_equal(write(ends[1], content, bytes), bytes);
        close(ends[1]);
        free(content);
        snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
        if (vecna_reader_open(path, &options, &reader, &err) != VECNA_OK ||
            read_rows(file, reader, 2, NULL, &err) != VECNA_OK)
            fail_msg("%s: %s", file->file, err.message);
        close(ends[0]);
    }
}

typedef struct bad {
    const char *file;
    vecna_status status;
    int64_t line; /* 0: no matter */
    const char *says;
} bad;

static const bad bads[] = {
    {"not-finished.jsonl", VECNA_ERR_FORMAT, 6, "line 6 column 27"},
    {"cut.jsonl", VECNA_ERR_TRUNCATED, 5, "line 5"},
    {"nan.jsonl", VECNA_ERR_FORMAT, 6, "line 6 column 19: the vector holds NaN"},
    {"null.jsonl", VECNA_ERR_FORMAT, 6, "line 6 column 19: the vector holds NaN, infinity or null"},
    {"null-vector.jsonl", VECNA_ERR_FORMAT, 6, "remove the record"},
    {"no-vector.jsonl", VECNA_ERR_FORMAT, 6, "without the field 'embedding'"},
    {"twice.jsonl", VECNA_ERR_FORMAT, 6, "stands twice"},
    {"fewer.jsonl", VECNA_ERR_DIM, 6, "5 numbers"},
    {"more.jsonl", VECNA_ERR_DIM, 6, "more than the 6"},
    {"nested.jsonl", VECNA_ERR_FORMAT, 6, "line 6 column 15"},
    {"strings.jsonl", VECNA_ERR_FORMAT, 6, "no number"},
    {"words.jsonl", VECNA_ERR_FORMAT, 6, "line 6 column 1: JSON: 'h' where a value"},
    {"array-row.jsonl", VECNA_ERR_FORMAT, 6, "JSON object"},
    {"two-a-line.jsonl", VECNA_ERR_FORMAT, 6, "column 29"},
    {"comma-last.jsonl", VECNA_ERR_FORMAT, 6, "a key in quotes"},
    {"zero-leads.jsonl", VECNA_ERR_FORMAT, 6, "column 16"},
    {"utf8.jsonl", VECNA_ERR_FORMAT, 6, "not UTF-8"},
    {"control.jsonl", VECNA_ERR_FORMAT, 6, "control character"},
    {"base64-short.jsonl", VECNA_ERR_DIM, 6, "1 numbers; the first has 6"},
    {"base64-stray.jsonl", VECNA_ERR_FORMAT, 6, "base64"},
    {"none.jsonl", VECNA_ERR_NOT_FOUND, 0, "name the field"},
    {"empty-vector.jsonl", VECNA_ERR_NOT_FOUND, 0, "name the field"},
    {"deep.jsonl", VECNA_ERR_UNSUPPORTED, 6, "nested deeper"},
    {"not-closed.json", VECNA_ERR_TRUNCATED, 1, "ends inside a value"},
    {"garbage-after.json", VECNA_ERR_FORMAT, 1, "'x'"},
    {"body-cut.json", VECNA_ERR_TRUNCATED, 1, "ends inside a value"},
    {"body-error.jsonl", VECNA_ERR_FORMAT, 2, "without an array 'data'"},
    {"body-broken.json", VECNA_ERR_FORMAT, 42, "line 42 column 12: JSON: '3' where ':'"},
    {"quote-open.csv", VECNA_ERR_TRUNCATED, 7, "never closed"},
    {"quote-inside.csv", VECNA_ERR_FORMAT, 7, "must be doubled"},
    {"cells-fewer.csv", VECNA_ERR_FORMAT, 7, "1 cells; the first record has 2"},
    {"cells-more.csv", VECNA_ERR_FORMAT, 7, "3 cells"},
    {"list-fewer.csv", VECNA_ERR_DIM, 7, "5 numbers"},
    {"list-word.csv", VECNA_ERR_FORMAT, 7, "line 7 column 9"},
    {"list-open.csv", VECNA_ERR_FORMAT, 7, "no list of numbers"},
    {"list-dots.csv", VECNA_ERR_FORMAT, 7, "write it in full"},
    {"list-empty.csv", VECNA_ERR_FORMAT, 7, "no list of numbers"},
    {"column-word.csv", VECNA_ERR_FORMAT, 7, "line 7 column 8: 'x' is no number"},
    {"column-bytes.csv", VECNA_ERR_FORMAT, 7, "'?\?' is no number"},
    {"column-empty.csv", VECNA_ERR_FORMAT, 7, "'' is no number"},
    {"column-more.csv", VECNA_ERR_FORMAT, 7, "8 cells"},
    {"no-vector.csv", VECNA_ERR_NOT_FOUND, 0, "no vector"},
    {"header-only.csv", VECNA_ERR_NOT_FOUND, 0, "no vector"},
    {"blank.csv", VECNA_ERR_FORMAT, 0, "blank lines only"},
    {"rows-fewer.emb", VECNA_ERR_TRUNCATED, 0, "5 of the 6 rows"},
    {"rows-more.emb", VECNA_ERR_FORMAT, 6, "goes on at line 6"},
    {"rows-absurd.emb", VECNA_ERR_TRUNCATED, 0, "hold fewer"},
    {"numbers-fewer.emb", VECNA_ERR_FORMAT, 7, "3 numbers behind the word 'x'"},
    {"numbers-word.emb", VECNA_ERR_FORMAT, 7, "line 7"},
    {"numbers-bytes.emb", VECNA_ERR_FORMAT, 7, "5 numbers behind the word '?\?'"},
    {"numbers-glued.emb", VECNA_ERR_FORMAT, 7, "line 7"},
    {"numbers-only.vec", VECNA_ERR_FORMAT, 7, "5 numbers"},
    {"numbers-fewer.txt", VECNA_ERR_FORMAT, 6, "5 numbers behind the word 'x'"},
    {"word-alone.txt", VECNA_ERR_FORMAT, 6, "0 numbers"},
};

static void bad_files(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof bads / sizeof *bads; i++) {
        const bad *file = &bads[i];
        vecna_reader *reader = NULL;
        vecna_error err = {VECNA_OK, -1, ""};
        char path[128];
        vecna_status status;
        snprintf(path, sizeof path, "tests/golden/bad/text-%s", file->file);
        status = vecna_reader_open(path, NULL, &reader, &err);
        if (status == VECNA_OK)
            status = read_rows(NULL, reader, 0, NULL, &err);
        if (status != file->status || strstr(err.message, file->says) == NULL ||
            (file->line && err.position != file->line))
            fail_msg("%s: %s at %d: \"%s\" lacks \"%s\"", file->file, vecna_status_name(status),
                     (int)err.position, err.message, file->says);
    }
}

/* ---- options --------------------------------------------------------------------------------- */

static vecna_status open_text(const char *content, const vecna_format_options *options,
                              vecna_reader **out, vecna_error *err) {
    return vecna_reader_open_memory(content, strlen(content), "test", options, out, err);
}

static void fields_are_named_by_options(void **state) {
    static const char json[] =
        "{\"k\":1,\"body\":\"b\",\"id\":2,\"embedding\":[1,2],\"v\":[3,4]}\n";
    static const char table[] = "k,body,id,embedding,v\n1,b,2,\"[1,2]\",\"[3,4]\"\n";
    vecna_format_options options = {.id_field = "k", .text_field = "body", .vector_field = "v"};
    vecna_block *block;
    vecna_error err;
    (void)state;
    for (int i = 0; i < 2; i++) {
        const char *content = i ? table : json;
        vecna_reader *reader = NULL;
        assert_status(VECNA_OK, open_text(content, &options, &reader, &err));
        assert_string_equal(vecna_reader_about(reader)->id_field, "k");
        assert_string_equal(vecna_reader_about(reader)->text_field, "body");
        assert_status(VECNA_OK, vecna_block_new(NULL, &block, &err));
        assert_status(VECNA_OK, vecna_reader_read(reader, block, 0, &err));
        assert_int_equal(block->vectors.rows, 1);
        assert_true(block->vectors.data[0] == 3);
        assert_text(block->records[0].id, "1");
        assert_text(block->records[0].text, "b");
        assert_int_equal(block->records[0].field_count, 4);
        vecna_block_free(block);
        vecna_reader_close(reader);
        for (int missing = 0; missing < 3; missing++) {
            vecna_format_options wrong = {.id_field = missing == 0 ? "x" : NULL,
                                          .text_field = missing == 1 ? "x" : NULL,
                                          .vector_field = missing == 2 ? "x" : NULL};
            reader = NULL;
            assert_status(VECNA_ERR_NOT_FOUND, open_text(content, &wrong, &reader, &err));
            assert_null(reader);
            assert_non_null(strstr(err.message, "'x'"));
        }
        options.dim = 3;
        assert_status(VECNA_ERR_DIM, open_text(content, &options, &reader, &err));
        options.dim = 0;
    }
}

static void long_lines_are_refused(void **state) {
    static const char *const formats[] = {"jsonl", "jsonl", "csv", "csv", "glove", "word2vec-text"};
    static const char *const starts[] = {"[1,2]\n[1,2]\n[1,2]\n[1,2",
                                         "[[1,2],\n[1,2",
                                         "1,2\n1,2\n1,2",
                                         "\"[1,2]\",a\n\"[1,2]\",\"b",
                                         "a 1 2\na 1 2\na 1 2\na 1 2",
                                         "2 2\na 1 2\nb"};
    (void)state;
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        enum { LONG = 5000 };
        vecna_format_options options = {.format = formats[i], .max_line_bytes = 1000};
        char *content = malloc(LONG);
        size_t start = strlen(starts[i]);
        vecna_reader *reader = NULL;
        vecna_error err = {VECNA_OK, -1, ""};
        char path[] = "/tmp/vecna-test-XXXXXX";
        int descriptor = mkstemp(path);
        memcpy(content, starts[i], start);
        memset(content + start, '1', LONG - start);
        assert_int_equal(write(descriptor, content, LONG), LONG);
        close(descriptor);
        vecna_status status = vecna_reader_open(path, &options, &reader, &err);
        if (status == VECNA_OK)
            status = read_rows(NULL, reader, 0, NULL, &err);
        assert_true(status == VECNA_ERR_FORMAT || status == VECNA_ERR_TRUNCATED);
        unlink(path);
        free(content);
    }
}

/* ---- what is written reads back -------------------------------------------------------------- */

typedef struct table {
    float *data;
    size_t rows, dim;
    vecna_record *records;
    char (*ids)[24];
} table;

static table make_table(size_t rows, size_t dim) {
    table out = {malloc(rows * dim * sizeof(float)), rows, dim, calloc(rows, sizeof *out.records),
                 calloc(rows, sizeof *out.ids)};
    vecna_random random;
    vecna_random_seed(&random, rows, dim);
    for (size_t i = 0; i < rows * dim;) {
        uint32_t bits = (uint32_t)vecna_random_u64(&random);
        memcpy(&out.data[i], &bits, sizeof bits);
        i += isfinite(out.data[i]);
    }
    for (size_t i = 0; i < rows; i++) {
        int bytes = snprintf(out.ids[i], sizeof out.ids[i], "w%zu_\xc3\xa9", i * i);
        out.records[i].id = (vecna_text){out.ids[i], (size_t)bytes};
    }
    return out;
}

static void free_table(table *made) {
    free(made->data);
    free(made->records);
    free(made->ids);
}

/* Write a table; rows come in pieces. */
static vecna_status write_table(const char *path, const table *from, const char *format,
                                vecna_layout layout, const vecna_allocator *allocator,
                                vecna_error *err) {
    vecna_writer_options options = {
        .format = format, .dim = from->dim, .layout = layout, .allocator = allocator};
    vecna_writer *writer = NULL;
    vecna_status status = vecna_writer_open(path, &options, &writer, err);
    for (size_t row = 0; status == VECNA_OK && row < from->rows; row += 3) {
        size_t rows = from->rows - row < 3 ? from->rows - row : 3;
        status = vecna_writer_write(writer,
                                    vecna_view_dense(from->data + row * from->dim, rows, from->dim),
                                    from->records + row, err);
    }
    if (status == VECNA_OK)
        return vecna_writer_commit(writer, err);
    vecna_writer_discard(writer);
    return status;
}

/* Copy a file into another format, as `vecna translate` does. */
static void convert(const char *path, const char *format, const char *target,
                    const char *target_format) {
    vecna_format_options options = {.format = format};
    vecna_reader *reader = NULL;
    vecna_writer *writer = NULL;
    vecna_block *block = NULL;
    vecna_error err = {VECNA_OK, -1, ""};
    if (vecna_reader_open(path, &options, &reader, &err) != VECNA_OK)
        fail_msg("%s", err.message);
    vecna_writer_options how = {.format = target_format,
                                .dim = vecna_reader_about(reader)->dim,
                                .like = vecna_reader_about(reader)};
    assert_status(VECNA_OK, vecna_writer_open(target, &how, &writer, &err));
    assert_status(VECNA_OK, vecna_block_new(NULL, &block, &err));
    for (;;) {
        if (vecna_reader_read(reader, block, 4, &err) != VECNA_OK)
            fail_msg("%s: %s", format, err.message);
        if (block->vectors.rows == 0)
            break;
        if (vecna_writer_write(writer, block->vectors, block->records, &err) != VECNA_OK)
            fail_msg("%s: %s", target_format, err.message);
    }
    assert_status(VECNA_OK, vecna_writer_commit(writer, &err));
    vecna_block_free(block);
    vecna_reader_close(reader);
}

static void check_table(const char *path, const char *format, const table *wanted, int ids) {
    vecna_reader *reader = NULL;
    vecna_block *block = NULL;
    vecna_error err = {VECNA_OK, -1, ""};
    size_t row = 0;
    if (vecna_reader_open(path, NULL, &reader, &err) != VECNA_OK) /* told by the content */
        fail_msg("%s: %s", format, err.message);
    assert_int_equal(vecna_reader_about(reader)->dim, wanted->dim);
    assert_status(VECNA_OK, vecna_block_new(NULL, &block, &err));
    for (;;) {
        if (vecna_reader_read(reader, block, 7, &err) != VECNA_OK)
            fail_msg("%s: %s", format, err.message);
        if (block->vectors.rows == 0)
            break;
        for (size_t i = 0; i < block->vectors.rows; i++, row++) {
            assert_memory_equal(block->vectors.data + i * block->vectors.stride,
                                wanted->data + row * wanted->dim, wanted->dim * sizeof(float));
            if (ids)
                assert_text(block->records[i].id, wanted->ids[row]);
        }
    }
    assert_int_equal(row, wanted->rows);
    vecna_block_free(block);
    vecna_reader_close(reader);
}

static const char *const text_formats[] = {"jsonl",         "csv",      "tsv",
                                           "word2vec-text", "fasttext", "glove"};
static const char *const all_formats[] = {"jsonl",    "csv",   "tsv", "word2vec-text",
                                          "fasttext", "glove", "npy", "safetensors",
                                          "word2vec", "fvecs"};
enum { TEXT_FORMATS = sizeof text_formats / sizeof *text_formats };
enum { ALL_FORMATS = sizeof all_formats / sizeof *all_formats };

static void temporary(char *path) {
    int descriptor;
    memcpy(path, "/tmp/vecna-test-XXXXXX", sizeof "/tmp/vecna-test-XXXXXX");
    descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    close(descriptor);
}

static void every_bit_comes_back(void **state) {
    char path[32];
    (void)state;
    temporary(path);
    for (size_t dim = 2; dim < 700; dim = dim * 3 + 1)
        for (size_t i = 0; i < TEXT_FORMATS; i++)
            for (int layout = VECNA_LAYOUT_DEFAULT; layout <= VECNA_LAYOUT_BASE64; layout++) {
                table made = make_table(11, dim);
                vecna_error err = {VECNA_OK, -1, ""};
                if (write_table(path, &made, text_formats[i], (vecna_layout)layout, NULL, &err) !=
                    VECNA_OK)
                    fail_msg("%s", err.message);
                check_table(path, text_formats[i], &made, 1);
                free_table(&made);
            }
    unlink(path);
}

/* The rows of a JSONL file as the array of a body: commas for newlines. */
static void wrap_as_body(const char *path, const char *target) {
    FILE *from = fopen(path, "rb"), *to = fopen(target, "wb");
    int byte, before = 0;
    fputs("{\"object\": \"list\", \"data\": [\n", to);
    while ((byte = fgetc(from)) != EOF) {
        if (before == '\n')
            fputs(" ,\r\n  ", to);
        if (byte != '\n')
            fputc(byte, to);
        before = byte;
    }
    fputs("], \"model\": \"m\"}\n", to);
    fclose(from);
    fclose(to);
}

static void files_larger_than_the_buffer(void **state) {
    table made = make_table(400, 300);
    char path[32], body[32];
    vecna_error err = {VECNA_OK, -1, ""};
    (void)state;
    temporary(path);
    temporary(body);
    for (size_t i = 0; i < TEXT_FORMATS; i++)
        for (int layout = VECNA_LAYOUT_ARRAY; layout <= VECNA_LAYOUT_BASE64; layout++) {
            if (write_table(path, &made, text_formats[i], (vecna_layout)layout, NULL, &err) !=
                VECNA_OK)
                fail_msg("%s", err.message);
            check_table(path, text_formats[i], &made, 1);
            if (i > 0)
                continue;
            wrap_as_body(path, body);
            check_table(body, "a body", &made, 1);
        }
    unlink(path);
    unlink(body);
    free_table(&made);
}

static int keeps_ids(const char *format) {
    return strcmp(format, "npy") != 0 && strcmp(format, "safetensors") != 0 &&
           strcmp(format, "fvecs") != 0;
}

static void every_format_into_every_other(void **state) {
    table made = make_table(23, 16);
    char one[32], two[32], three[32];
    vecna_error err = {VECNA_OK, -1, ""};
    (void)state;
    temporary(one);
    temporary(two);
    temporary(three);
    for (size_t i = 0; i < ALL_FORMATS; i++) {
        assert_status(VECNA_OK,
                      write_table(one, &made, all_formats[i], VECNA_LAYOUT_DEFAULT, NULL, &err));
        for (size_t j = 0; j < ALL_FORMATS; j++) {
            int ids = keeps_ids(all_formats[i]) && keeps_ids(all_formats[j]);
            convert(one, all_formats[i], two, all_formats[j]);
            check_table(two, all_formats[j], &made, ids);
            convert(two, all_formats[j], three, all_formats[i]);
            check_table(three, all_formats[i], &made, ids);
        }
    }
    unlink(one);
    unlink(two);
    unlink(three);
    free_table(&made);
}

static void other_fields_pass_unchanged(void **state) {
    static const char json[] = "{\"id\":5,\"meta\":{\"x\": [1, "
                               "2.50]},\"embedding\":[0.1,-0.002,3.0],\"text\":\"h\\u00e9\\n\"}\n"
                               "{\"z\":1e400,\"embedding\":[1.0,2.0,3.0],\"id\":\"a\",\"a\\\"b\":"
                               "null,\"big\":123456789012345678901}\n";
    static const char columns[] =
        "id,dim_0,dim_1,\"a \"\"b\"\"\"\nx,0.5,1.0,\"two\nlines\"\ny,0.25,2.0,\n";
    static const char brackets[] = "n;embedding;t\n1;[0.5,1.0];a,b\n2;[0.25,2.0];\"a;b\"\n";
    static const char no_header[] = "x,0.5,1.0\ny,0.25,2.0\n";
    static const char *const files[] = {json, columns, brackets, no_header};
    static const char *const formats[] = {"jsonl", "csv", "csv", "csv"};
    char one[32], two[32];
    (void)state;
    temporary(one);
    temporary(two);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        size_t bytes = strlen(files[i]), got;
        FILE *file = fopen(one, "wb");
        assert_int_equal(fwrite(files[i], 1, bytes, file), bytes);
        fclose(file);
        convert(one, formats[i], two, formats[i]);
        char *content = content_of(two, &got);
        assert_int_equal(got, bytes);
        assert_memory_equal(content, files[i], bytes);
        free(content);
    }
    unlink(one);
    unlink(two);
}

static void names_and_values_are_checked(void **state) {
    table made = make_table(3, 4);
    char path[32];
    vecna_error err = {VECNA_OK, -1, ""};
    size_t bytes;
    (void)state;
    temporary(path);
    vecna_writer_options options = {.format = "jsonl",
                                    .dim = 4,
                                    .id_field = "key",
                                    .vector_field = "vec",
                                    .layout = VECNA_LAYOUT_BASE64};
    vecna_writer *writer = NULL;
    float row[4] = {1, 2, 3, 4};
    assert_status(VECNA_OK, vecna_writer_open(path, &options, &writer, &err));
    assert_status(VECNA_OK, vecna_writer_write(writer, vecna_view_dense(row, 1, 4), NULL, &err));
    assert_status(VECNA_OK, vecna_writer_commit(writer, &err));
    char *content = content_of(path, &bytes);
    content[bytes] = '\0';
    assert_string_equal(content, "{\"key\":0,\"vec\":\"AACAPwAAAEAAAEBAAACAQA==\"}\n");
    free(content);
    made.data[6] = NAN;
    assert_status(VECNA_ERR_VALUE,
                  write_table(path, &made, "jsonl", VECNA_LAYOUT_ARRAY, NULL, &err));
    assert_int_equal(err.position, 1);
    assert_status(VECNA_OK, write_table(path, &made, "csv", VECNA_LAYOUT_ARRAY, NULL, &err));
    assert_status(VECNA_OK, write_table(path, &made, "glove", VECNA_LAYOUT_ARRAY, NULL, &err));
    made.data[6] = 0;
    made.records[2].id = (vecna_text){"\xff", 1};
    assert_status(VECNA_ERR_VALUE,
                  write_table(path, &made, "jsonl", VECNA_LAYOUT_ARRAY, NULL, &err));
    assert_int_equal(err.position, 2);
    for (size_t i = 0; i < TEXT_FORMATS; i++) {
        vecna_writer_options half = {.format = text_formats[i], .dim = 4, .dtype = VECNA_F16};
        writer = NULL;
        assert_status(VECNA_ERR_UNSUPPORTED, vecna_writer_open(path, &half, &writer, &err));
        assert_null(writer);
    }
    unlink(path);
    free_table(&made);
}

/* ---- memory runs out ------------------------------------------------------------------------- */

static vecna_status read_with(void *user, const vecna_allocator *allocator, vecna_error *err) {
    const good *file = user;
    vecna_format_options options = {.allocator = allocator, .vector_field = file->asked};
    vecna_reader *reader = NULL;
    char path[128];
    vecna_status status;
    snprintf(path, sizeof path, "tests/golden/good/text-%s", file->file);
    status = vecna_reader_open(path, &options, &reader, err);
    return status == VECNA_OK ? read_rows(NULL, reader, 2, allocator, err) : status;
}

static vecna_status write_with(void *user, const vecna_allocator *allocator, vecna_error *err) {
    const char *format = user;
    table made = make_table(5, 40);
    char path[32];
    temporary(path);
    vecna_status status = write_table(path, &made, format, VECNA_LAYOUT_COLUMNS, allocator, err);
    unlink(path);
    free_table(&made);
    return status;
}

static void survives_failing_memory(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof goods / sizeof *goods; i++) {
        good copy = goods[i];
        assert_survives_failing_memory(read_with, &copy);
    }
    for (size_t i = 0; i < TEXT_FORMATS; i++) {
        char format[32];
        snprintf(format, sizeof format, "%s", text_formats[i]);
        assert_survives_failing_memory(write_with, format);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_files),
        cmocka_unit_test(good_files_from_pipes),
        cmocka_unit_test(bad_files),
        cmocka_unit_test(fields_are_named_by_options),
        cmocka_unit_test(long_lines_are_refused),
        cmocka_unit_test(every_bit_comes_back),
        cmocka_unit_test(files_larger_than_the_buffer),
        cmocka_unit_test(every_format_into_every_other),
        cmocka_unit_test(other_fields_pass_unchanged),
        cmocka_unit_test(names_and_values_are_checked),
        cmocka_unit_test(survives_failing_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
