/* What is written reads back, in every format; what cannot be written says so; streams get right
 * headers; large files go through in small windows. */
#include "tests/unit/support/support.h"

#include "vecna/format.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64];

static int make_folder(void **state) {
    (void)state;
    strcpy(folder, "/tmp/vecna-format-XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state) {
    DIR *opened = opendir(folder);
    struct dirent *entry;
    char path[400];
    (void)state;
    while (opened && (entry = readdir(opened)))
        if (entry->d_name[0] != '.') {
            snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
            unlink(path);
        }
    closedir(opened);
    return rmdir(folder);
}

static size_t files_in_folder(void) {
    DIR *opened = opendir(folder);
    size_t count = 0;
    while (opened && readdir(opened))
        count++;
    closedir(opened);
    return count - 2;
}

static const char *path_of(const char *name) {
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* Whole numbers of 0 .. 120, which every type holds. */
static float *make_matrix(size_t rows, size_t dim) {
    float *data = malloc(rows * dim * sizeof *data);
    for (size_t i = 0; i < rows * dim; i++)
        data[i] = (float)(i * 7 % 121);
    return data;
}

/* Write in pieces of `step` rows. */
static vecna_status write_matrix(const char *path, const vecna_writer_options *options,
                                 vecna_view rows, size_t step, vecna_error *err) {
    vecna_writer *writer = NULL;
    vecna_status status = vecna_writer_open(path, options, &writer, err);
    if (status != VECNA_OK)
        return status;
    for (size_t at = 0; status == VECNA_OK && at < rows.rows; at += step)
        status = vecna_writer_write(
            writer, vecna_view_rows(rows, at, rows.rows - at < step ? rows.rows - at : step), NULL,
            err);
    if (status == VECNA_OK)
        return vecna_writer_commit(writer, err);
    vecna_writer_discard(writer);
    return status;
}

static void check_matrix(const char *path, const vecna_format_options *options, vecna_view expected,
                         size_t max_rows) {
    vecna_reader *reader;
    vecna_block *block;
    vecna_error err = {VECNA_OK, -1, ""};
    size_t row = 0;
    if (vecna_reader_open(path, options, &reader, &err) != VECNA_OK)
        fail_msg("%s", err.message);
    assert_int_equal(vecna_reader_about(reader)->dim, expected.dim);
    assert_status(VECNA_OK, vecna_block_new(NULL, &block, NULL));
    for (;;) {
        if (vecna_reader_read(reader, block, max_rows, &err) != VECNA_OK)
            fail_msg("%s", err.message);
        if (block->vectors.rows == 0)
            break;
        for (size_t i = 0; i < block->vectors.rows; i++, row++)
            assert_memory_equal(block->vectors.data + i * block->vectors.stride,
                                expected.data + row * expected.stride,
                                expected.dim * sizeof(float));
    }
    assert_int_equal(row, expected.rows);
    vecna_block_free(block);
    vecna_reader_close(reader);
}

static const char *const binary_formats[] = {"npy",   "safetensors", "fvecs", "bvecs",
                                             "ivecs", "word2vec",    "raw"};
enum { BINARY_FORMATS = sizeof binary_formats / sizeof *binary_formats };

static void every_format_comes_back(void **state) {
    static const size_t steps[] = {1, 3, 1000};
    (void)state;
    for (size_t i = 0; i < BINARY_FORMATS; i++)
        for (size_t rows = 1; rows < 12; rows += 5)
            for (size_t dim = 1; dim < 80; dim = dim * 3 + 1)
                for (size_t known = 0; known < 2; known++) {
                    float *data = make_matrix(rows, dim + 2);
                    vecna_view view = {data, rows, dim, dim + 2};
                    vecna_writer_options options = {.format = binary_formats[i], .dim = dim};
                    vecna_format_options reading = {.format = binary_formats[i], .dim = dim};
                    vecna_error err = {VECNA_OK, -1, ""};
                    options.rows = known ? rows : 0;
                    for (size_t step = 0; step < 3; step++) {
                        if (write_matrix(path_of("x"), &options, view, steps[step], &err) !=
                            VECNA_OK)
                            fail_msg("%s", err.message);
                        check_matrix(path_of("x"), &reading, view, steps[step]);
                    }
                    free(data);
                }
}

static void every_dtype_comes_back(void **state) {
    static const char *const formats[] = {"npy", "safetensors", "raw"};
    (void)state;
    for (size_t i = 0; i < 3; i++)
        for (int dtype = VECNA_F32; dtype <= VECNA_I32; dtype++) {
            float *data = make_matrix(9, 1500); /* longer than a piece of conversion */
            vecna_view view = vecna_view_dense(data, 9, 1500);
            vecna_writer_options options = {
                .format = formats[i], .dim = 1500, .dtype = (vecna_dtype)dtype};
            vecna_format_options reading = {
                .format = formats[i], .dim = 1500, .dtype = (vecna_dtype)dtype};
            vecna_reader *reader;
            if (i == 0 && dtype == VECNA_BF16) {
                vecna_error err;
                assert_status(VECNA_ERR_UNSUPPORTED,
                              write_matrix(path_of("x"), &options, view, 4, &err));
                assert_non_null(strstr(err.message, "bf16"));
                assert_non_null(strstr(err.message, "f32 f16 f64 i8 u8 i32"));
                free(data);
                continue;
            }
            assert_status(VECNA_OK, write_matrix(path_of("x"), &options, view, 4, NULL));
            check_matrix(path_of("x"), &reading, view, 4);
            assert_status(VECNA_OK, vecna_reader_open(path_of("x"), &reading, &reader, NULL));
            assert_int_equal(vecna_reader_about(reader)->dtype, dtype);
            vecna_reader_close(reader);
            free(data);
        }
}

/* Every half and every bfloat16 there is survives a round trip; floats round to nearest even. */
static void halves_are_exact(void **state) {
    enum { COUNT = 65536 };
    uint16_t *bits = malloc(COUNT * sizeof *bits), *back = malloc(COUNT * sizeof *back);
    (void)state;
    for (int dtype = VECNA_F16; dtype <= VECNA_BF16; dtype++) {
        vecna_format_options reading = {.format = "raw", .dim = 256, .dtype = (vecna_dtype)dtype};
        vecna_writer_options options = {.format = "raw", .dim = 256, .dtype = (vecna_dtype)dtype};
        uint32_t exponent = dtype == VECNA_F16 ? 0x7c00 : 0x7f80;
        vecna_reader *reader;
        vecna_block *block;
        FILE *file;
        for (uint32_t i = 0; i < COUNT; i++)
            bits[i] = (uint16_t)i;
        assert_status(VECNA_OK, vecna_reader_open_memory(bits, COUNT * sizeof *bits, "bits",
                                                         &reading, &reader, NULL));
        assert_status(VECNA_OK, vecna_block_new(NULL, &block, NULL));
        assert_status(VECNA_OK, vecna_reader_read(reader, block, 256, NULL));
        assert_status(VECNA_OK, write_matrix(path_of("x"), &options, block->vectors, 256, NULL));
        file = fopen(path_of("x"), "rb");
        assert_int_equal(fread(back, sizeof *back, COUNT, file), COUNT);
        fclose(file);
        for (uint32_t i = 0; i < COUNT; i++) {
            float value = block->vectors.data[i];
            if (dtype == VECNA_F16 && (i & 0x7fff) < exponent) { /* by the definition */
                uint32_t fraction = i & 0x3ff, power = i >> 10 & 31;
                float expected = power ? ldexpf((float)(fraction + 1024), (int)power - 25)
                                       : ldexpf((float)fraction, -24);
                assert_true(fabsf(value) == expected);
            }
            if ((i & 0x7fff) <= exponent)
                assert_int_equal(back[i], bits[i]);
            else
                assert_true(isnan(value) && (back[i] & 0x7fff) > exponent);
        }
        vecna_block_free(block);
        vecna_reader_close(reader);
    }
    free(bits);
    free(back);
}

static void halves_round_to_even(void **state) {
    static const struct {
        float value;
        uint16_t half;
    } cases[] = {
        {1.0f + 0x1p-11f, 0x3c00},
        {1.0f + 3 * 0x1p-11f, 0x3c02},
        {1.0f + 0x1.2p-11f, 0x3c01},
        {65519.0f, 0x7bff},
        {65520.0f, 0x7c00},
        {1e30f, 0x7c00},
        {0x1p-25f, 0x0000},
        {0x1.8p-25f, 0x0001},
        {3 * 0x1p-25f, 0x0002},
        {-0x1p-14f, 0x8400},
        {0x1.ff8p-15f, 0x03ff},
        {0x1.ffcp-15f, 0x0400},
        {-0.0f, 0x8000},
        {INFINITY, 0x7c00},
        {-1e-30f, 0x8000},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vecna_writer_options options = {.format = "raw", .dim = 1, .dtype = VECNA_F16};
        unsigned char out[2];
        FILE *file;
        assert_status(VECNA_OK, write_matrix(path_of("x"), &options,
                                             vecna_view_dense(&cases[i].value, 1, 1), 1, NULL));
        file = fopen(path_of("x"), "rb");
        assert_int_equal(fread(out, 1, 2, file), 2);
        fclose(file);
        assert_int_equal(out[0] | out[1] << 8, cases[i].half);
    }
}

static void fractions_are_refused_by_integers(void **state) {
    static const float values[][3] = {{1, 2, 0.5f}, {1, 2, 256},       {1, -1, 3},
                                      {NAN, 1, 2},  {1, 2, -INFINITY}, {1, 2, 3e9f}};
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        vecna_writer_options options = {.format = "bvecs", .dim = 3};
        vecna_error err;
        size_t before = files_in_folder();
        assert_status(VECNA_ERR_VALUE, write_matrix(path_of("no"), &options,
                                                    vecna_view_dense(values[i], 1, 3), 1, &err));
        assert_non_null(strstr(err.message, "row 0, dimension "));
        assert_int_equal(files_in_folder(), before);
    }
}

/* ---- the header of NumPy, byte for byte ------------------------------------------------------ */

static void npy_is_numpys(void **state) {
    static const struct {
        const char *golden;
        vecna_dtype dtype;
        const char *format;
    } files[] = {{"f4.npy", VECNA_F32, "npy"},     {"f2.npy", VECNA_F16, "npy"},
                 {"f8.npy", VECNA_F64, "npy"},     {"i1.npy", VECNA_I8, "npy"},
                 {"i4.npy", VECNA_I32, "npy"},     {"u1.npy", VECNA_U8, "npy"},
                 {"f4.fvecs", VECNA_F32, "fvecs"}, {"u1.bvecs", VECNA_U8, "bvecs"},
                 {"i4.ivecs", VECNA_I32, "ivecs"}, {"f4.raw", VECNA_F32, "raw"}};
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        vecna_writer_options options = {
            .format = files[i].format, .dim = 6, .dtype = files[i].dtype};
        vecna_format_options reading = {.dim = 6};
        vecna_reader *reader;
        vecna_block *block;
        char golden[128];
        unsigned char ours[1024], theirs[1024];
        size_t our_bytes, their_bytes;
        FILE *file;
        snprintf(golden, sizeof golden, "tests/golden/good/%s", files[i].golden);
        assert_status(VECNA_OK, vecna_reader_open(golden, &reading, &reader, NULL));
        assert_status(VECNA_OK, vecna_block_new(NULL, &block, NULL));
        assert_status(VECNA_OK, vecna_reader_read(reader, block, 0, NULL));
        assert_status(VECNA_OK, write_matrix(path_of("x"), &options, block->vectors, 5, NULL));
        vecna_block_free(block);
        vecna_reader_close(reader);
        file = fopen(golden, "rb");
        their_bytes = fread(theirs, 1, sizeof theirs, file);
        fclose(file);
        file = fopen(path_of("x"), "rb");
        our_bytes = fread(ours, 1, sizeof ours, file);
        fclose(file);
        assert_int_equal(our_bytes, their_bytes);
        assert_memory_equal(ours, theirs, our_bytes);
    }
}

/* ---- large files ----------------------------------------------------------------------------- */

/* .npy by hand, in the order asked for. */
static void write_npy(const char *path, const char *descr, int fortran, const void *data,
                      size_t rows, size_t dim, size_t bytes) {
    char text[118];
    FILE *file = fopen(path, "wb");
    memset(text, ' ', sizeof text);
    text[snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': %s, 'shape': (%zu, %zu), }",
                  descr, fortran ? "True" : "False", rows, dim)] = ' ';
    text[117] = '\n';
    fwrite("\x93NUMPY\x01\x00\x76\x00", 1, 10, file);
    fwrite(text, 1, sizeof text, file);
    fwrite(data, bytes, rows * dim, file);
    fclose(file);
}

/* Several windows, tiles and fillings of the cache, with remainders everywhere. */
static void large_files_in_pieces(void **state) {
    static const size_t shapes[][2] = {
        {5003, 301}, {20011, 37}, {700001, 1}, {3, 100003}, {70, 17}};
    static const size_t steps[] = {0, 1009, 31};
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        size_t rows = shapes[i][0], dim = shapes[i][1];
        float *data = make_matrix(rows, dim), *turned = malloc(rows * dim * sizeof *turned);
        double *wide = malloc(rows * dim * sizeof *wide);
        vecna_view view = vecna_view_dense(data, rows, dim);
        vecna_writer_options options = {.format = "fvecs", .dim = dim};
        for (size_t row = 0; row < rows; row++)
            for (size_t column = 0; column < dim; column++) {
                turned[column * rows + row] = data[row * dim + column];
                wide[row * dim + column] = data[row * dim + column];
            }
        for (size_t step = 0; step < 3; step++) {
            write_npy(path_of("x"), "<f4", 0, data, rows, dim, 4);
            check_matrix(path_of("x"), NULL, view, steps[step]);
            write_npy(path_of("x"), "<f4", 1, turned, rows, dim, 4);
            check_matrix(path_of("x"), NULL, view, steps[step]);
            write_npy(path_of("x"), "<f8", 0, wide, rows, dim, 8);
            check_matrix(path_of("x"), NULL, view, steps[step]);
            assert_status(VECNA_OK, write_matrix(path_of("x"), &options, view, 1000, NULL));
            check_matrix(path_of("x"), NULL, view, steps[step]);
        }
        free(data);
        free(turned);
        free(wide);
    }
}

/* Two blocks at once, from a file of which the reader is closed before they are looked at. */
static void blocks_outlive_the_reader(void **state) {
    enum { ROWS = 40000, DIM = 32 };
    float *data = make_matrix(ROWS, DIM);
    vecna_writer_options options = {.dim = DIM, .rows = ROWS};
    vecna_reader *reader;
    vecna_block *first, *second;
    (void)state;
    assert_status(VECNA_OK, write_matrix(path_of("x.npy"), &options,
                                         vecna_view_dense(data, ROWS, DIM), ROWS, NULL));
    assert_status(VECNA_OK, vecna_reader_open(path_of("x.npy"), NULL, &reader, NULL));
    assert_status(VECNA_OK, vecna_block_new(NULL, &first, NULL));
    assert_status(VECNA_OK, vecna_block_new(NULL, &second, NULL));
    assert_status(VECNA_OK, vecna_reader_read(reader, first, ROWS / 2, NULL));
    assert_status(VECNA_OK, vecna_reader_read(reader, second, ROWS / 2, NULL));
    vecna_reader_close(reader);
    unlink(path_of("x.npy"));
    assert_int_equal(second->first_row, ROWS / 2);
    assert_memory_equal(first->vectors.data, data, ROWS / 2 * DIM * sizeof(float));
    assert_memory_equal(second->vectors.data, data + ROWS / 2 * DIM,
                        ROWS / 2 * DIM * sizeof(float));
    vecna_block_free(first);
    vecna_block_free(second);
    vecna_block_free(NULL);
    vecna_reader_close(NULL);
    free(data);
}

static void file_cut_while_reading(void **state) {
    enum { ROWS = 40000, DIM = 32 };
    float *data = make_matrix(ROWS, DIM);
    vecna_writer_options options = {.dim = DIM, .rows = ROWS};
    vecna_reader *reader;
    vecna_block *block;
    vecna_error err;
    (void)state;
    assert_status(VECNA_OK, write_matrix(path_of("x.npy"), &options,
                                         vecna_view_dense(data, ROWS, DIM), ROWS, NULL));
    assert_status(VECNA_OK, vecna_reader_open(path_of("x.npy"), NULL, &reader, NULL));
    assert_status(VECNA_OK, vecna_block_new(NULL, &block, NULL));
    assert_int_equal(truncate(path_of("x.npy"), 5000), 0);
    assert_status(VECNA_ERR_TRUNCATED, vecna_reader_read(reader, block, ROWS, &err));
    assert_non_null(strstr(err.message, "was cut while it was read"));
    assert_status(VECNA_ERR_TRUNCATED, vecna_reader_read(reader, block, 100, &err));
    assert_int_equal(block->vectors.rows, 0);
    vecna_block_free(block);
    vecna_reader_close(reader);
    free(data);
}

/* ---- streams --------------------------------------------------------------------------------- */

/* A named pipe whose other end is held open, so that neither side waits; small content only. */
static int open_fifo(const char *path) {
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    return open(path, O_RDWR | O_NONBLOCK);
}

/* To a stream: with the rows known, not known, and promised wrongly. */
static void streams_get_the_right_header(void **state) {
    (void)state;
    for (size_t i = 0; i < BINARY_FORMATS; i++)
        for (size_t known = 0; known < 2; known++) {
            float *data = make_matrix(20, 12);
            vecna_view view = vecna_view_dense(data, 20, 12);
            vecna_writer_options options = {.format = binary_formats[i], .dim = 12};
            vecna_format_options reading = {.format = binary_formats[i], .dim = 12};
            char fifo[128], copy[128], content[65536];
            vecna_error err = {VECNA_OK, -1, ""};
            ssize_t bytes;
            FILE *file;
            int descriptor;
            strcpy(fifo, path_of("fifo"));
            strcpy(copy, path_of("copy"));
            descriptor = open_fifo(fifo);
            options.rows = known ? 20 : 0;
            if (write_matrix(fifo, &options, view, 7, &err) != VECNA_OK)
                fail_msg("%s", err.message);
            bytes = read(descriptor, content, sizeof content);
            assert_true(bytes > 0);
            close(descriptor);
            file = fopen(copy, "wb");
            fwrite(content, 1, (size_t)bytes, file);
            fclose(file);
            check_matrix(copy, &reading, view, 0);
            free(data);
        }
}

/* A child that copies one file into another, so that a pipe between can be of any length. */
static pid_t copy_in_child(const char *from, const char *to) {
    pid_t child = fork();
    char piece[8192];
    if (child == 0) {
        int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        ssize_t got;
        while ((got = read(in, piece, sizeof piece)) > 0)
            if (write(out, piece, (size_t)got) != got)
                _exit(1);
        _exit(in < 0 || out < 0 || got < 0);
    }
    return child;
}

static void wait_for(pid_t child) {
    int result = 1;
    assert_true(waitpid(child, &result, 0) == child);
    assert_int_equal(result, 0);
}

/* Far more than a pipe or any buffer holds, in both directions. */
static void long_streams(void **state) {
    (void)state;
    for (size_t i = 0; i < BINARY_FORMATS; i++)
        for (size_t known = 0; known < 2; known++) {
            enum { ROWS = 3001, DIM = 331 };
            float *data = make_matrix(ROWS, DIM);
            vecna_view view = vecna_view_dense(data, ROWS, DIM);
            vecna_writer_options options = {.format = binary_formats[i], .dim = DIM};
            vecna_format_options reading = {.format = binary_formats[i], .dim = DIM};
            char fifo[128], copy[128];
            vecna_error err = {VECNA_OK, -1, ""};
            pid_t child;
            strcpy(fifo, path_of("fifo"));
            strcpy(copy, path_of("copy"));
            options.rows = known ? ROWS : 0;
            unlink(fifo);
            assert_int_equal(mkfifo(fifo, 0600), 0);
            child = copy_in_child(fifo, copy);
            if (write_matrix(fifo, &options, view, 700, &err) != VECNA_OK)
                fail_msg("%s", err.message);
            wait_for(child);
            check_matrix(copy, &reading, view, 0);
            child = copy_in_child(copy, fifo);
            check_matrix(fifo, &reading, view, 900);
            wait_for(child);
            free(data);
        }
}

static void broken_promises(void **state) {
    (void)state;
    for (size_t i = 0; i < BINARY_FORMATS; i++) {
        float *data = make_matrix(20, 12);
        vecna_view view = vecna_view_dense(data, 20, 12);
        int counts = strcmp(binary_formats[i], "npy") == 0 ||
                     strcmp(binary_formats[i], "safetensors") == 0 ||
                     strcmp(binary_formats[i], "word2vec") == 0;
        vecna_writer_options options = {.format = binary_formats[i], .dim = 12, .rows = 55};
        vecna_format_options reading = {.format = binary_formats[i], .dim = 12};
        char fifo[128];
        int descriptor;
        vecna_error err;
        strcpy(fifo, path_of("fifo"));
        assert_status(VECNA_OK, write_matrix(path_of("x"), &options, view, 7, &err));
        check_matrix(path_of("x"), &reading, view, 0); /* a file's header is corrected */
        descriptor = open_fifo(fifo);
        assert_status(counts ? VECNA_ERR_FORMAT : VECNA_OK,
                      write_matrix(fifo, &options, view, 7, &err));
        if (counts)
            assert_non_null(strstr(err.message, "20 rows came"));
        close(descriptor);
        free(data);
    }
}

static void spool_folder_must_exist(void **state) {
    vecna_writer_options options = {.format = "npy", .dim = 2};
    vecna_writer *writer = NULL;
    vecna_error err;
    const char *before = getenv("TMPDIR");
    char kept[256] = "";
    (void)state;
    if (before)
        snprintf(kept, sizeof kept, "%s", before);
    setenv("TMPDIR", "/nonexistent", 1);
    assert_status(VECNA_ERR_IO, vecna_writer_open("/dev/null", &options, &writer, &err));
    assert_non_null(strstr(err.message, "TMPDIR"));
    assert_null(writer);
    if (before)
        setenv("TMPDIR", kept, 1);
    else
        unsetenv("TMPDIR");
}

/* ---- names, words, misuse -------------------------------------------------------------------- */

static void names_tell_formats(void **state) {
    static const struct {
        const char *name, *format;
    } names[] = {{"a.npy", "npy"},      {"a.NPY", "npy"},      {"a.b.fvecs", "fvecs"},
                 {"a.bin", "word2vec"}, {"a.w2v", "word2vec"}, {"a.safetensors", "safetensors"},
                 {"a.f32", "raw"},      {"a.raw", "raw"}};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        static const float values[4] = {0.5f, 1.5f, 2.5f, 3.5f};
        vecna_writer_options options = {.dim = 2};
        vecna_format_options reading = {.dim = 2};
        vecna_reader *reader;
        assert_status(VECNA_OK, write_matrix(path_of(names[i].name), &options,
                                             vecna_view_dense(values, 2, 2), 2, NULL));
        assert_status(VECNA_OK, vecna_reader_open(path_of(names[i].name), &reading, &reader, NULL));
        assert_string_equal(vecna_reader_about(reader)->format, names[i].format);
        vecna_reader_close(reader);
    }
}

/* What is called .bin is word2vec, or raw numbers when it is not and a dimension is given. */
static void bin_is_either(void **state) {
    static const float values[4] = {0.5f, 1.5f, 2.5f, 3.5f};
    vecna_format_options reading = {.dim = 2};
    vecna_reader *reader = NULL;
    vecna_error err;
    (void)state;
    assert_status(VECNA_OK, vecna_reader_open_memory(values, sizeof values, "a.bin", &reading,
                                                     &reader, NULL));
    assert_string_equal(vecna_reader_about(reader)->format, "raw");
    vecna_reader_close(reader);
    reader = NULL;
    assert_status(VECNA_ERR_FORMAT,
                  vecna_reader_open_memory(values, sizeof values, "a.bin", NULL, &reader, &err));
    assert_non_null(strstr(err.message, "word2vec"));
    assert_null(reader);
}

static void misuse_is_refused(void **state) {
    static const float values[4] = {0.5f, 1.5f, 2.5f, 3.5f};
    vecna_writer_options options = {.dim = 2};
    vecna_format_options reading = {.format = "npz"};
    vecna_reader *reader = NULL;
    vecna_writer *writer = NULL;
    vecna_error err;
    (void)state;
    assert_status(VECNA_ERR_ARGUMENT, vecna_writer_open("x", &options, &writer, &err));
    assert_status(VECNA_ERR_ARGUMENT, vecna_writer_open("x.tar.gz", &options, &writer, &err));
    assert_status(VECNA_ERR_ARGUMENT, vecna_writer_open("-", &options, &writer, &err));
    options.format = "npx";
    assert_status(VECNA_ERR_NOT_FOUND, vecna_writer_open("x", &options, &writer, &err));
    assert_non_null(strstr(err.message, "'npx'"));
    assert_non_null(strstr(err.message, "npy, safetensors, fvecs"));
    options.format = "npy";
    options.dim = 0;
    assert_status(VECNA_ERR_ARGUMENT, vecna_writer_open("x", &options, &writer, &err));
    options.dim = VECNA_FORMAT_MAX_DIM + 1;
    assert_status(VECNA_ERR_ARGUMENT, vecna_writer_open("x", &options, &writer, &err));
    options.dim = 2;
    options.format = "fvecs";
    options.dtype = VECNA_F16;
    assert_status(VECNA_ERR_UNSUPPORTED, vecna_writer_open(path_of("x"), &options, &writer, &err));
    options.dtype = VECNA_BIT;
    options.format = "raw";
    assert_status(VECNA_ERR_UNSUPPORTED, vecna_writer_open(path_of("x"), &options, &writer, &err));
    assert_null(writer);
    options.dtype = VECNA_F32;
    assert_status(VECNA_OK, vecna_writer_open(path_of("y"), &options, &writer, &err));
    assert_status(VECNA_ERR_DIM,
                  vecna_writer_write(writer, vecna_view_dense(values, 1, 4), NULL, &err));
    vecna_writer_discard(writer);
    vecna_writer_discard(NULL);
    assert_int_not_equal(access(path_of("y"), F_OK), 0);

    assert_status(VECNA_ERR_NOT_FOUND, vecna_reader_open("/dev/null", &reading, &reader, &err));
    assert_status(VECNA_ERR_IO, vecna_reader_open("/nonexistent", NULL, &reader, &err));
    assert_status(VECNA_ERR_IO, vecna_reader_open("/tmp", NULL, &reader, &err));
    assert_non_null(strstr(err.message, "directory"));
    reading.format = "raw";
    assert_status(VECNA_ERR_ARGUMENT,
                  vecna_reader_open_memory(values, 16, "x", &reading, &reader, &err));
    assert_non_null(strstr(err.message, "--raw-dim"));
    reading.dim = 2;
    reading.dtype = VECNA_BIT;
    assert_status(VECNA_ERR_UNSUPPORTED,
                  vecna_reader_open_memory(values, 16, "x", &reading, &reader, &err));
    reading.format = NULL;
    reading.dim = 7;
    assert_status(VECNA_ERR_DIM,
                  vecna_reader_open("tests/golden/good/f4.npy", &reading, &reader, &err));
    assert_non_null(strstr(err.message, "has 6 dimensions, not 7"));
    assert_null(reader);
}

static void words_are_ids_texts_or_numbers(void **state) {
    static const float values[8] = {0};
    vecna_record records[4] = {{.id = {"an id", 5}, .text = {"no", 2}},
                               {.text = {"a\ttext\n", 7}},
                               {.id = {"", 0}},
                               {.field_count = 0}};
    static const char *const words[] = {"an_id", "a_text_", "_", "3"};
    vecna_writer_options options = {.format = "word2vec", .dim = 2};
    vecna_writer *writer;
    vecna_reader *reader;
    vecna_block *block;
    (void)state;
    assert_status(VECNA_OK, vecna_writer_open(path_of("x"), &options, &writer, NULL));
    assert_status(VECNA_OK,
                  vecna_writer_write(writer, vecna_view_dense(values, 4, 2), records, NULL));
    assert_status(VECNA_OK, vecna_writer_commit(writer, NULL));
    assert_status(VECNA_OK, vecna_reader_open(path_of("x"), NULL, &reader, NULL));
    assert_string_equal(vecna_reader_about(reader)->format, "word2vec");
    assert_status(VECNA_OK, vecna_block_new(NULL, &block, NULL));
    assert_status(VECNA_OK, vecna_reader_read(reader, block, 0, NULL));
    assert_int_equal(block->vectors.rows, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(block->records[i].id.bytes, strlen(words[i]));
        assert_memory_equal(block->records[i].id.data, words[i], strlen(words[i]));
    }
    vecna_block_free(block);
    vecna_reader_close(reader);
}

/* A tensor's name survives from file to file. */
static void looks_are_kept(void **state) {
    vecna_writer_options options = {.dim = 6, .tensor = "weights"};
    vecna_format_options naming = {.tensor = "second"};
    static const float values[6] = {0};
    vecna_reader *reader;
    vecna_writer *writer;
    (void)state;
    assert_status(VECNA_OK, write_matrix(path_of("x.safetensors"), &options,
                                         vecna_view_dense(values, 1, 6), 1, NULL));
    assert_status(VECNA_OK, vecna_reader_open(path_of("x.safetensors"), NULL, &reader, NULL));
    assert_string_equal(vecna_reader_about(reader)->vector_field, "weights");
    vecna_reader_close(reader);
    assert_status(VECNA_OK,
                  vecna_reader_open("tests/golden/good/two.safetensors", &naming, &reader, NULL));
    options.tensor = NULL;
    options.like = vecna_reader_about(reader);
    assert_status(VECNA_OK, vecna_writer_open(path_of("x.safetensors"), &options, &writer, NULL));
    vecna_reader_close(reader);
    assert_status(VECNA_OK, vecna_writer_commit(writer, NULL));
    assert_status(VECNA_OK, vecna_reader_open(path_of("x.safetensors"), NULL, &reader, NULL));
    assert_string_equal(vecna_reader_about(reader)->vector_field, "second");
    assert_int_equal(vecna_reader_about(reader)->rows, 0);
    vecna_reader_close(reader);
}

typedef struct write_job {
    const char *path, *format;
} write_job;

static vecna_status write_with(void *user, const vecna_allocator *allocator, vecna_error *err) {
    static const float values[16] = {0};
    const write_job *job = user;
    vecna_writer_options options = {
        .format = job->format, .dim = 4, .allocator = allocator, .id_field = "id"};
    return write_matrix(job->path, &options, vecna_view_dense(values, 4, 4), 2, err);
}

static void survives_failing_memory(void **state) {
    (void)state;
    for (size_t i = 0; i < BINARY_FORMATS; i++) {
        write_job job = {path_of("m"), binary_formats[i]};
        assert_survives_failing_memory(write_with, &job);
        job.path = "/dev/null"; /* a stream: through the spool */
        assert_survives_failing_memory(write_with, &job);
    }
}

static void list_is_complete(void **state) {
    const vecna_format_info *const *list = vecna_format_list();
    size_t count = 0, found = 0;
    (void)state;
    for (; list[count]; count++) {
        assert_true(list[count]->name[0] && list[count]->summary[0]);
        for (size_t i = 0; i < BINARY_FORMATS; i++)
            found += strcmp(list[count]->name, binary_formats[i]) == 0;
    }
    assert_int_equal(found, BINARY_FORMATS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format_comes_back),
        cmocka_unit_test(every_dtype_comes_back),
        cmocka_unit_test(halves_are_exact),
        cmocka_unit_test(halves_round_to_even),
        cmocka_unit_test(fractions_are_refused_by_integers),
        cmocka_unit_test(npy_is_numpys),
        cmocka_unit_test(large_files_in_pieces),
        cmocka_unit_test(blocks_outlive_the_reader),
        cmocka_unit_test(file_cut_while_reading),
        cmocka_unit_test(streams_get_the_right_header),
        cmocka_unit_test(long_streams),
        cmocka_unit_test(broken_promises),
        cmocka_unit_test(spool_folder_must_exist),
        cmocka_unit_test(names_tell_formats),
        cmocka_unit_test(bin_is_either),
        cmocka_unit_test(misuse_is_refused),
        cmocka_unit_test(words_are_ids_texts_or_numbers),
        cmocka_unit_test(looks_are_kept),
        cmocka_unit_test(survives_failing_memory),
        cmocka_unit_test(list_is_complete),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
