/* Files made by NumPy and safetensors (tests/reference/format_reference.py): the good ones give one
 * known matrix however they are read, the bad ones their error. */
#include "tests/unit/support/support.h"

#include "vecna/format.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROWS = 5, DIM = 6 };

/* What the numbers are, see the script: quarters, whole, whole + 48, or 1 where positive. */
typedef enum kind { QUARTERS, WHOLE, UNSIGNED, POSITIVE } kind;

typedef struct good {
    const char *file, *format, *stored_as;
    vecna_dtype dtype;
    kind numbers;
    int first, rows; /* of the matrix */
    const char *tensor;
    int in_columns; /* not from a stream */
} good;

static const good goods[] = {
    {"f4.npy", "npy", "f32", VECNA_F32, QUARTERS, 0, 5, NULL, 0},
    {"f2.npy", "npy", "f16", VECNA_F16, QUARTERS, 0, 5, NULL, 0},
    {"f8.npy", "npy", "f64", VECNA_F64, QUARTERS, 0, 5, NULL, 0},
    {"be-f4.npy", "npy", "f32 big-endian", VECNA_F32, QUARTERS, 0, 5, NULL, 0},
    {"be-f2.npy", "npy", "f16 big-endian", VECNA_F16, QUARTERS, 0, 5, NULL, 0},
    {"be-f8.npy", "npy", "f64 big-endian", VECNA_F64, QUARTERS, 0, 5, NULL, 0},
    {"i1.npy", "npy", "i8", VECNA_I8, WHOLE, 0, 5, NULL, 0},
    {"u1.npy", "npy", "u8", VECNA_U8, UNSIGNED, 0, 5, NULL, 0},
    {"i2.npy", "npy", "i16", VECNA_F32, WHOLE, 0, 5, NULL, 0},
    {"be-i2.npy", "npy", "i16 big-endian", VECNA_F32, WHOLE, 0, 5, NULL, 0},
    {"u2.npy", "npy", "u16", VECNA_F32, UNSIGNED, 0, 5, NULL, 0},
    {"i4.npy", "npy", "i32", VECNA_I32, WHOLE, 0, 5, NULL, 0},
    {"be-i4.npy", "npy", "i32 big-endian", VECNA_I32, WHOLE, 0, 5, NULL, 0},
    {"u4.npy", "npy", "u32", VECNA_F32, UNSIGNED, 0, 5, NULL, 0},
    {"i8.npy", "npy", "i64", VECNA_F32, WHOLE, 0, 5, NULL, 0},
    {"be-i8.npy", "npy", "i64 big-endian", VECNA_F32, WHOLE, 0, 5, NULL, 0},
    {"u8.npy", "npy", "u64", VECNA_F32, UNSIGNED, 0, 5, NULL, 0},
    {"bool.npy", "npy", "u8", VECNA_U8, POSITIVE, 0, 5, NULL, 0},
    {"f4-fortran.npy", "npy", "f32", VECNA_F32, QUARTERS, 0, 5, NULL, 1},
    {"f2-fortran.npy", "npy", "f16", VECNA_F16, QUARTERS, 0, 5, NULL, 1},
    {"be-f8-fortran.npy", "npy", "f64 big-endian", VECNA_F64, QUARTERS, 0, 5, NULL, 1},
    {"f4-version2.npy", "npy", "f32", VECNA_F32, QUARTERS, 0, 5, NULL, 0},
    {"f4-version3.npy", "npy", "f32", VECNA_F32, QUARTERS, 0, 5, NULL, 0},
    {"f4-one-axis.npy", "npy", "f32", VECNA_F32, QUARTERS, 2, 1, NULL, 0},
    {"f4-no-rows.npy", "npy", "f32", VECNA_F32, QUARTERS, 0, 0, NULL, 0},
    {"f4-python2.npy", "npy", "f32", VECNA_F32, QUARTERS, 0, 5, NULL, 0},
    {"f4-unaligned.npy", "npy", "f32", VECNA_F32, QUARTERS, 0, 5, NULL, 0},
    {"f4.fvecs", "fvecs", "f32", VECNA_F32, QUARTERS, 0, 5, NULL, 0},
    {"u1.bvecs", "bvecs", "u8", VECNA_U8, UNSIGNED, 0, 5, NULL, 0},
    {"i4.ivecs", "ivecs", "i32", VECNA_I32, WHOLE, 0, 5, NULL, 0},
    {"f4.raw", "raw", "f32", VECNA_F32, QUARTERS, 0, 5, NULL, 0},
    {"newline.bin", "word2vec", "f32", VECNA_F32, QUARTERS, 0, 5, NULL, 0},
    {"gensim.bin", "word2vec", "f32", VECNA_F32, QUARTERS, 0, 5, NULL, 0},
    {"f4.safetensors", "safetensors", "f32", VECNA_F32, QUARTERS, 0, 5, NULL, 0},
    {"f2.safetensors", "safetensors", "f16", VECNA_F16, QUARTERS, 0, 5, NULL, 0},
    {"bf16.safetensors", "safetensors", "bf16", VECNA_BF16, QUARTERS, 0, 5, NULL, 0},
    {"two.safetensors", "safetensors", "f32", VECNA_F32, QUARTERS, 0, 5, "second", 0},
};

static float number(kind numbers, size_t row, size_t column) {
    int whole = (int)((31 * row + 17 * column) % 97) - 48;
    switch (numbers) {
    case QUARTERS:
        return (float)whole / 4;
    case WHOLE:
        return (float)whole;
    case UNSIGNED:
        return (float)(whole + 48);
    default:
        return whole > 0;
    }
}

static void *content_of(const char *path, size_t *bytes) {
    FILE *file = fopen(path, "rb");
    char *content = malloc(1 << 20);
    if (file == NULL)
        fail_msg("%s is missing", path);
    *bytes = fread(content, 1, 1 << 20, file);
    fclose(file);
    return content;
}

/* The end of a pipe that holds the content, as a path. The caller closes *descriptor. */
static void pipe_of(const char *path, char *out, int *descriptor) {
    int ends[2];
    size_t bytes;
    void *content = content_of(path, &bytes);
    assert_int_equal(pipe(ends), 0);
    if (bytes > 65536)
        fail_msg("%s does not fit into a pipe", path);
    assert_int_equal(write(ends[1], content, bytes), bytes);
    close(ends[1]);
    free(content);
    *descriptor = ends[0];
    snprintf(out, 32, "/dev/fd/%d", ends[0]);
}

static const char *const words[ROWS] = {"</s>", "the", "na\xc3\xafve", "new_york",
                                        "\xe6\x9d\xb1\xe4\xba\xac"};

static void check_rows(const good *file, vecna_reader *reader, size_t max_rows) {
    const vecna_file_info *info = vecna_reader_about(reader);
    vecna_block *block;
    vecna_error err;
    size_t row = 0;
    assert_string_equal(info->format, file->format);
    assert_string_equal(info->stored_as, file->stored_as);
    assert_int_equal(info->dtype, file->dtype);
    assert_int_equal(info->dim, DIM);
    assert_int_equal(info->has_records, strcmp(file->format, "word2vec") == 0);
    assert_true(info->rows == -1 || info->rows == file->rows);
    assert_status(VECNA_OK, vecna_block_new(NULL, &block, &err));
    for (;;) {
        size_t left = (size_t)file->rows - row;
        assert_status(VECNA_OK, vecna_reader_read(reader, block, max_rows, &err));
        assert_int_equal(block->first_row, row);
        assert_int_equal(block->vectors.dim, DIM);
        if (max_rows > 0)
            assert_int_equal(block->vectors.rows, left < max_rows ? left : max_rows);
        if (block->vectors.rows == 0)
            break;
        assert_int_equal(block->records != NULL, info->has_records);
        for (size_t i = 0; i < block->vectors.rows; i++, row++) {
            const float *data = block->vectors.data + i * block->vectors.stride;
            for (size_t column = 0; column < DIM; column++)
                assert_true(data[column] ==
                            number(file->numbers, (size_t)file->first + row, column));
            if (block->records) {
                assert_int_equal(block->records[i].id.bytes, strlen(words[row]));
                assert_memory_equal(block->records[i].id.data, words[row], strlen(words[row]));
                assert_int_equal(block->records[i].field_count, 0);
            }
        }
    }
    assert_int_equal(row, file->rows);
    vecna_block_free(block);
}

static void good_files(void **state) {
    static const size_t steps[] = {0, 1, 2, 3, 5, 100};
    (void)state;
    for (size_t i = 0; i < sizeof goods / sizeof *goods; i++)
        for (size_t step = 0; step < sizeof steps / sizeof *steps; step++) {
            const good *file = &goods[i];
            vecna_format_options options = {.tensor = file->tensor};
            vecna_reader *reader;
            vecna_error err = {VECNA_OK, -1, ""};
            char path[128], pipe_path[32];
            int descriptor;
            size_t bytes;
            void *content;
            snprintf(path, sizeof path, "tests/golden/good/%s", file->file);
            if (strcmp(file->format, "raw") == 0)
                options.dim = DIM;
            if (vecna_reader_open(path, &options, &reader, &err) != VECNA_OK)
                fail_msg("%s", err.message);
            check_rows(file, reader, steps[step]);
            vecna_reader_close(reader);

            content = content_of(path, &bytes);
            assert_status(VECNA_OK, vecna_reader_open_memory(content, bytes, file->file, &options,
                                                             &reader, &err));
            check_rows(file, reader, steps[step]);
            vecna_reader_close(reader);
            free(content);

            pipe_of(path, pipe_path, &descriptor);
            options.dim = DIM;
            if (file->in_columns) {
                assert_status(VECNA_ERR_UNSUPPORTED,
                              vecna_reader_open(pipe_path, &options, &reader, &err));
            } else {
                if (vecna_reader_open(pipe_path, &options, &reader, &err) != VECNA_OK)
                    fail_msg("%s as a stream: %s", file->file, err.message);
                check_rows(file, reader, steps[step]);
                vecna_reader_close(reader);
            }
            close(descriptor);
        }
}

/* Any alignment of the bytes in memory. */
static void good_files_at_odd_addresses(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof goods / sizeof *goods; i++)
        for (size_t shift = 1; shift < 4; shift++) {
            vecna_format_options options = {.tensor = goods[i].tensor, .dim = DIM};
            vecna_reader *reader;
            char path[128], *content, *moved;
            size_t bytes;
            snprintf(path, sizeof path, "tests/golden/good/%s", goods[i].file);
            content = content_of(path, &bytes);
            moved = malloc(bytes + shift);
            memcpy(moved + shift, content, bytes);
            assert_status(VECNA_OK, vecna_reader_open_memory(moved + shift, bytes, goods[i].file,
                                                             &options, &reader, NULL));
            check_rows(&goods[i], reader, 2);
            vecna_reader_close(reader);
            free(moved);
            free(content);
        }
}

typedef struct bad {
    const char *file;
    vecna_status status;
    const char *part; /* of the message */
} bad;

static const bad bads[] = {
    {"empty.npy", VECNA_ERR_FORMAT, "is empty"},
    {"magic.npy", VECNA_ERR_FORMAT, "does not start as"},
    {"short.npy", VECNA_ERR_TRUNCATED, "does not start as"},
    {"version9.npy", VECNA_ERR_VERSION, "version 9.0"},
    {"header-cut.npy", VECNA_ERR_TRUNCATED, "byte 60, inside its .npy header of 128"},
    {"header-huge.npy", VECNA_ERR_FORMAT, "header of 4294967295 bytes"},
    {"header-empty.npy", VECNA_ERR_FORMAT, "no '{'"},
    {"header-no-brace.npy", VECNA_ERR_FORMAT, "no '{'"},
    {"header-after.npy", VECNA_ERR_FORMAT, "after its '}'"},
    {"header-no-shape.npy", VECNA_ERR_FORMAT, "lacks"},
    {"header-twice.npy", VECNA_ERR_FORMAT, "a key twice"},
    {"header-unknown.npy", VECNA_ERR_FORMAT, "unknown key"},
    {"order.npy", VECNA_ERR_FORMAT, "neither True nor False"},
    {"descr-object.npy", VECNA_ERR_UNSUPPORTED, "'|O'"},
    {"descr-complex.npy", VECNA_ERR_UNSUPPORTED, "'<c8'"},
    {"descr-record.npy", VECNA_ERR_UNSUPPORTED, "records"},
    {"descr-long.npy", VECNA_ERR_FORMAT, "'descr'"},
    {"shape-list.npy", VECNA_ERR_FORMAT, "no tuple"},
    {"shape-negative.npy", VECNA_ERR_FORMAT, "negative"},
    {"shape-word.npy", VECNA_ERR_FORMAT, "no number"},
    {"shape-huge.npy", VECNA_ERR_FORMAT, "beyond 64 bits"},
    {"shape-overflow.npy", VECNA_ERR_OVERFLOW, "4611686018427387904 rows"},
    {"shape-max.npy", VECNA_ERR_OVERFLOW, "no file is that large"},
    {"shape-beyond.npy", VECNA_ERR_TRUNCATED, "take 144 bytes, it has 120"},
    {"shape-less.npy", VECNA_ERR_FORMAT, "24 bytes after"},
    {"shape-no-dim.npy", VECNA_ERR_FORMAT, "0 dimensions"},
    {"shape-wide.npy", VECNA_ERR_FORMAT, "dimensions; a vector has 1 to"},
    {"shape-scalar.npy", VECNA_ERR_UNSUPPORTED, "0 axes"},
    {"shape-cube.npy", VECNA_ERR_UNSUPPORTED, "3 axes"},
    {"shape-nine.npy", VECNA_ERR_FORMAT, "more axes"},
    {"cut.npy", VECNA_ERR_TRUNCATED, "is cut"},
    {"fortran-cut.npy", VECNA_ERR_TRUNCATED, "is cut"},
    {"dim-negative.fvecs", VECNA_ERR_FORMAT, "claims -6 dimensions"},
    {"dim-zero.fvecs", VECNA_ERR_FORMAT, "claims 0 dimensions"},
    {"dim-absurd.fvecs", VECNA_ERR_FORMAT, "claims 2000000 dimensions"},
    {"dim-changes.fvecs", VECNA_ERR_DIM, "row 3 of"},
    {"cut.fvecs", VECNA_ERR_TRUNCATED, "ends inside row 4"},
    {"head-cut.fvecs", VECNA_ERR_TRUNCATED, "has 3 bytes"},
    {"cut.bvecs", VECNA_ERR_TRUNCATED, "ends inside row 4"},
    {"dim-changes.ivecs", VECNA_ERR_DIM, "(byte 28) has -1 dimensions"},
    {"cut.raw", VECNA_ERR_TRUNCATED, "ends inside row 4"},
    {"cut.bin", VECNA_ERR_TRUNCATED, "inside row 4 of the 5"},
    {"more.bin", VECNA_ERR_FORMAT, "goes on at byte 160"},
    {"rows-lie.bin", VECNA_ERR_TRUNCATED, "claims 1000000000000000 rows"},
    {"dim-lie.bin", VECNA_ERR_TRUNCATED, ""},
    {"dim-absurd.bin", VECNA_ERR_FORMAT, "1000000000 dimensions"},
    {"dim-zero.bin", VECNA_ERR_FORMAT, "0 dimensions"},
    {"header.bin", VECNA_ERR_FORMAT, "ROWS DIMENSION"},
    {"word-endless.bin", VECNA_ERR_FORMAT, "more than 65536 bytes"},
    {"cut.safetensors", VECNA_ERR_TRUNCATED, ""},
    {"head-cut.safetensors", VECNA_ERR_TRUNCATED, ""},
    {"header-huge.safetensors", VECNA_ERR_FORMAT, ""},
    {"header-no-json.safetensors", VECNA_ERR_FORMAT, ""},
    {"none.safetensors", VECNA_ERR_NOT_FOUND, "no tensor of two axes among its 1"},
    {"cube.safetensors", VECNA_ERR_NOT_FOUND, "no tensor of two axes"},
    {"fp8.safetensors", VECNA_ERR_UNSUPPORTED, "F8_E4M3"},
    {"gzip.jsonl", VECNA_ERR_UNSUPPORTED, "zcat"},
    {"archive.npz", VECNA_ERR_UNSUPPORTED, "zip"},
    {"parquet", VECNA_ERR_UNSUPPORTED, "Parquet"},
    {"nothing-known", VECNA_ERR_ARGUMENT, "cannot tell the format"},
};

/* Open and read all of it; the first error. */
static vecna_status read_all(vecna_reader *reader, vecna_error *err) {
    vecna_block *block;
    vecna_status status = vecna_block_new(NULL, &block, err);
    do
        status = vecna_reader_read(reader, block, 2, err);
    while (status == VECNA_OK && block->vectors.rows > 0);
    if (status != VECNA_OK)
        assert_int_equal(block->vectors.rows, 0);
    vecna_block_free(block);
    vecna_reader_close(reader);
    return status;
}

static void check_bad(const bad *file, vecna_status status, const vecna_error *err) {
    if (status != file->status || err->status != file->status)
        fail_msg("%s: %s, not %s: %s", file->file, vecna_status_name(status),
                 vecna_status_name(file->status), err->message);
    if (strstr(err->message, file->part) == NULL || err->message[0] == '\0')
        fail_msg("%s: \"%s\" lacks \"%s\"", file->file, err->message, file->part);
}

static void bad_files(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof bads / sizeof *bads; i++) {
        vecna_format_options options = {.dim = strcmp(bads[i].file, "cut.raw") == 0 ? DIM : 0};
        vecna_reader *reader = NULL;
        vecna_error err = {VECNA_OK, -1, ""};
        char path[128];
        size_t bytes;
        void *content;
        vecna_status status;
        if (strcmp(bads[i].file, "word-endless.bin") == 0)
            options.format = "word2vec"; /* the content could be the text format's as well */
        snprintf(path, sizeof path, "tests/golden/bad/%s", bads[i].file);
        status = vecna_reader_open(path, &options, &reader, &err);
        if (status == VECNA_OK)
            status = read_all(reader, &err);
        check_bad(&bads[i], status, &err);

        reader = NULL;
        content = content_of(path, &bytes);
        status = vecna_reader_open_memory(content, bytes, bads[i].file, &options, &reader, &err);
        if (status == VECNA_OK)
            status = read_all(reader, &err);
        check_bad(&bads[i], status, &err);
        free(content);
    }
}

/* As a stream nothing is known of the size: the same files fail, some of them later. */
static void bad_streams(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof bads / sizeof *bads; i++) {
        vecna_format_options options = {0};
        const char *dot = strrchr(bads[i].file, '.');
        vecna_reader *reader = NULL;
        vecna_error err = {VECNA_OK, -1, ""};
        char path[128], pipe_path[32];
        int descriptor;
        vecna_status status;
        if (strcmp(bads[i].file, "word-endless.bin") == 0)
            continue; /* does not fit into a pipe */
        if (dot && strcmp(dot, ".jsonl") != 0 && strcmp(dot, ".npz") != 0)
            options.format = strcmp(dot, ".bin") == 0 ? "word2vec" : dot + 1;
        if (strcmp(bads[i].file, "cut.raw") == 0)
            options.dim = DIM;
        snprintf(path, sizeof path, "tests/golden/bad/%s", bads[i].file);
        pipe_of(path, pipe_path, &descriptor);
        status = vecna_reader_open(pipe_path, &options, &reader, &err);
        if (status == VECNA_OK)
            status = read_all(reader, &err);
        if (status == VECNA_OK)
            fail_msg("%s loads as a stream", bads[i].file);
        assert_int_equal(err.status, status);
        assert_true(err.message[0] != '\0');
        close(descriptor);
    }
}

/* Every prefix of every good file is an error or a file of fewer rows, never a crash. */
static void cut_anywhere(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof goods / sizeof *goods; i++) {
        char path[128];
        size_t bytes;
        char *content;
        snprintf(path, sizeof path, "tests/golden/good/%s", goods[i].file);
        content = content_of(path, &bytes);
        for (size_t part = 0; part < bytes; part++) {
            vecna_format_options options = {
                .tensor = goods[i].tensor, .dim = DIM, .format = goods[i].format};
            char *cut = malloc(part + 1); /* so that the sanitizer sees a byte too far */
            vecna_reader *reader;
            vecna_error err = {VECNA_OK, -1, ""};
            vecna_status status;
            memcpy(cut, content, part);
            cut = realloc(cut, part ? part : 1);
            status = vecna_reader_open_memory(cut, part, goods[i].file, &options, &reader, &err);
            if (status == VECNA_OK)
                status = read_all(reader, &err);
            if (status == VECNA_OK && (strcmp(goods[i].format, "npy") == 0 ||
                                       strcmp(goods[i].format, "safetensors") == 0))
                fail_msg("%zu bytes of %s load", part, goods[i].file);
            if (status != VECNA_OK)
                assert_true(err.message[0] != '\0');
            free(cut);
        }
        free(content);
    }
}

typedef struct one_file {
    const char *path;
    const char *tensor;
} one_file;

static vecna_status read_with(void *user, const vecna_allocator *allocator, vecna_error *err) {
    const one_file *file = user;
    vecna_format_options options = {
        .allocator = allocator, .dim = DIM, .tensor = file->tensor, .id_field = "id"};
    vecna_reader *reader = NULL;
    vecna_block *block = NULL;
    vecna_status status = vecna_reader_open(file->path, &options, &reader, err);
    if (status == VECNA_OK)
        status = vecna_block_new(allocator, &block, err);
    while (status == VECNA_OK) {
        status = vecna_reader_read(reader, block, 2, err);
        if (status == VECNA_OK && block->vectors.rows == 0)
            break;
    }
    vecna_reader_close(reader);
    vecna_block_free(block);
    return status;
}

static void survives_failing_memory(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof goods / sizeof *goods; i++) {
        char path[128];
        one_file file = {path, goods[i].tensor};
        snprintf(path, sizeof path, "tests/golden/good/%s", goods[i].file);
        assert_survives_failing_memory(read_with, &file);
    }
}

/* Standard input that is a file is read as one, and one that somebody has read from as a stream. */
static void standard_input(void **state) {
    int kept = dup(STDIN_FILENO), file = open("tests/golden/good/f4-fortran.npy", O_RDONLY), more;
    vecna_reader *reader = NULL;
    vecna_error err;
    char header[128];
    (void)state;
    assert_true(kept >= 0 && dup2(file, STDIN_FILENO) == STDIN_FILENO);
    assert_status(VECNA_OK, vecna_reader_open("-", NULL, &reader, &err));
    check_rows(&(good){"-", "npy", "f32", VECNA_F32, QUARTERS, 0, 5, NULL, 0}, reader, 2);
    vecna_reader_close(reader);

    more = open("tests/golden/good/f4.npy", O_RDONLY);
    assert_int_equal(read(more, header, sizeof header), sizeof header);
    assert_true(dup2(more, STDIN_FILENO) == STDIN_FILENO);
    assert_status(VECNA_OK,
                  vecna_reader_open("-", &(vecna_format_options){.format = "raw", .dim = DIM},
                                    &reader, &err));
    assert_int_equal(vecna_reader_about(reader)->rows, -1);
    check_rows(&(good){"-", "raw", "f32", VECNA_F32, QUARTERS, 0, 5, NULL, 0}, reader, 2);
    vecna_reader_close(reader);

    assert_true(dup2(kept, STDIN_FILENO) == STDIN_FILENO);
    close(kept);
    close(file);
    close(more);
}

static void two_tensors_need_a_name(void **state) {
    vecna_format_options options = {.tensor = "third"};
    vecna_reader *reader = NULL;
    vecna_error err;
    (void)state;
    assert_status(VECNA_ERR_ARGUMENT,
                  vecna_reader_open("tests/golden/good/two.safetensors", NULL, &reader, &err));
    assert_non_null(strstr(err.message, "first, second"));
    assert_status(VECNA_ERR_NOT_FOUND,
                  vecna_reader_open("tests/golden/good/two.safetensors", &options, &reader, &err));
    assert_non_null(strstr(err.message, "'third'"));
    assert_null(reader);
}

/* Pictures are rows with axes of their own, where the caller asks for them. */
static void any_axes_when_asked_for(void **state) {
    vecna_format_options options = {.any_axes = 1};
    vecna_reader *reader = NULL;
    vecna_error err;
    size_t bytes;
    char *content = content_of("tests/golden/bad/shape-cube.npy", &bytes);
    (void)state;
    assert_status(VECNA_OK,
                  vecna_reader_open_memory(content, bytes, "cube", &options, &reader, &err));
    const vecna_file_info *about = vecna_reader_about(reader);
    assert_int_equal(2, about->rows);
    assert_int_equal(4, about->dim);
    assert_int_equal(2, about->inner[0]);
    assert_int_equal(2, about->inner[1]);
    assert_int_equal(0, about->inner[2]);
    assert_status(VECNA_OK, read_all(reader, &err));
    char *order = NULL, *shape = NULL;
    for (size_t i = 0; i + 16 < bytes && i < 128; i++) {
        order = memcmp(content + i, "False", 5) == 0 ? content + i : order;
        shape = memcmp(content + i, "(2, 2, 2)", 9) == 0 ? content + i : shape;
    }
    memcpy(shape, "(2, 0, 2)", 9);
    assert_status(VECNA_ERR_FORMAT,
                  vecna_reader_open_memory(content, bytes, "cube", &options, &reader, &err));
    memcpy(shape, "(1,2,9e9)", 9);
    assert_status(VECNA_ERR_FORMAT,
                  vecna_reader_open_memory(content, bytes, "cube", &options, &reader, &err));
    memcpy(shape, "(2, 2, 2)", 9);
    memcpy(order, "True ", 5);
    assert_status(VECNA_ERR_UNSUPPORTED,
                  vecna_reader_open_memory(content, bytes, "cube", &options, &reader, &err));
    free(content);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_files),
        cmocka_unit_test(good_files_at_odd_addresses),
        cmocka_unit_test(bad_files),
        cmocka_unit_test(bad_streams),
        cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(survives_failing_memory),
        cmocka_unit_test(standard_input),
        cmocka_unit_test(two_tensors_need_a_name),
        cmocka_unit_test(any_axes_when_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
