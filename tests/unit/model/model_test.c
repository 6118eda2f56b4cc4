/* Static models: a distillation that can be solved by hand, the road through a file, with a tower of
 * pictures too, and files that are none. The float64 twin of the whole: tests/cli/test_distill.py. */
#include "tests/unit/support/support.h"
#include "vecna/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PIECES = 12, WIDE = 8, TEXTS = 400, MOST = 64 };

static const char LINES[] = "[UNK]\na\nb\nc\nd\ne\nf\ng\nh\ni\nj\n##k\n";

typedef struct world {
    float pieces[PIECES * WIDE];
    float vectors[TEXTS * WIDE];
    char words[TEXTS][16];
    vecna_passage texts[TEXTS];
    vecna_distill_input input;
} world;

/* A teacher that really is a table: texts are sums of what pieces mean, which is not what it says of the
 * pieces alone. */
static void make_world(world *w) {
    vecna_random random;
    float truth[PIECES * WIDE];
    vecna_random_seed(&random, 9, 0);
    for (size_t i = 0; i < PIECES * WIDE; i++) {
        truth[i] = (float)vecna_random_normal(&random);
        w->pieces[i] = truth[i] + 0.7f * (float)vecna_random_normal(&random);
    }
    memset(w->vectors, 0, sizeof w->vectors);
    for (size_t t = 0; t < TEXTS; t++) {
        size_t at = 0;
        for (size_t k = 0; k < 5; k++) {
            const size_t piece = 1 + (size_t)vecna_random_below(&random, 10);
            w->words[t][at++] = (char)('a' + piece - 1);
            w->words[t][at++] = ' ';
            for (size_t j = 0; j < WIDE; j++) {
                w->vectors[t * WIDE + j] += truth[piece * WIDE + j] / 5;
            }
        }
        w->texts[t] = (vecna_passage){w->words[t], at};
    }
    w->input = (vecna_distill_input){.vocabulary = LINES,
                                     .vocabulary_bytes = strlen(LINES),
                                     .piece_vectors = vecna_view_dense(w->pieces, PIECES, WIDE),
                                     .texts = w->texts,
                                     .text_vectors = vecna_view_dense(w->vectors, TEXTS, WIDE)};
}

static vecna_model *distil(const world *w, vecna_dtype dtype, vecna_distill_report *report) {
    const vecna_distill_options options = {.dim = WIDE,
                                           .dtype = dtype,
                                           .rarity = 1e9, /* every piece weighs 1 */
                                           .ridge = 1e-6,
                                           .name = "small",
                                           .teacher = "a table"};
    vecna_model *model = NULL;
    assert_status(VECNA_OK, vecna_model_distill(&w->input, &options, &model, report, NULL));
    return model;
}

static void a_table_is_found_again(void **state) {
    world w;
    vecna_distill_report report;
    (void)state;
    make_world(&w);
    vecna_model *model = distil(&w, VECNA_I8, &report);
    assert_int_equal(TEXTS, report.texts);
    assert_int_equal(10, report.pieces_seen);
    assert_true(report.cosine_untuned < 0.95);
    /* all but the mean, which five pieces a text can make up for */
    assert_true(report.cosine > 0.9999);
    assert_true(report.variance_kept > 0.9999);
    assert_string_equal("small", vecna_model_about(model).name);
    vecna_model_free(model);
}

/* Cosines between texts survive the road, and the table loses little by a byte a number. */
static void a_file_is_the_model(void **state) {
    world w;
    char path[] = "/tmp/vecna-model-XXXXXX";
    float a[MOST * WIDE], b[MOST * WIDE];
    uint64_t pieces = 0;
    (void)state;
    make_world(&w);
    for (int kind = 0; kind < 2; kind++) {
        vecna_model *model = distil(&w, kind ? VECNA_F16 : VECNA_I8, NULL), *back = NULL;
        int file = mkstemp(path);
        assert_true(file >= 0);
        close(file);
        assert_status(VECNA_OK, vecna_model_save(model, path, NULL));
        assert_status(VECNA_OK, vecna_model_open(path, NULL, &back, NULL));
        assert_int_equal(kind ? VECNA_F16 : VECNA_I8, vecna_model_about(back).dtype);
        assert_status(VECNA_OK,
                      vecna_model_embed(model, w.texts, MOST, vecna_matrix_dense(a, MOST, WIDE),
                                        NULL, NULL, NULL));
        assert_status(VECNA_OK,
                      vecna_model_embed(back, w.texts, MOST, vecna_matrix_dense(b, MOST, WIDE),
                                        &pieces, NULL, NULL));
        assert_memory_equal(a, b, sizeof a);
        assert_int_equal(5 * MOST, pieces);
        for (size_t t = 0; t < MOST; t++) {
            double square = 0;
            for (size_t j = 0; j < WIDE; j++) {
                square += (double)a[t * WIDE + j] * (double)a[t * WIDE + j];
            }
            assert_true(fabs(square - 1) < 1e-5);
        }
        vecna_model_free(model);
        vecna_model_free(back);
        unlink(path);
        memcpy(path + strlen(path) - 6, "XXXXXX", 6);
    }
}

static void texts_without_known_pieces_are_zero(void **state) {
    world w;
    const vecna_passage texts[] = {{"", 0}, {"\xd1\x8f zz", 5}, {"a", 1}};
    float out[3 * WIDE];
    (void)state;
    make_world(&w);
    vecna_model *model = distil(&w, VECNA_I8, NULL);
    assert_status(VECNA_OK, vecna_model_embed(model, texts, 3, vecna_matrix_dense(out, 3, WIDE),
                                              NULL, NULL, NULL));
    for (size_t i = 0; i < 2 * WIDE; i++) {
        assert_true(out[i] == 0);
    }
    assert_true(out[2 * WIDE] != 0);
    assert_status(
        VECNA_ERR_DIM,
        vecna_model_embed(model, texts, 2, vecna_matrix_dense(out, 3, WIDE), NULL, NULL, NULL));
    vecna_model_free(model);
}

static size_t saved(char *bytes, size_t room) {
    world w;
    char path[] = "/tmp/vecna-model-XXXXXX";
    make_world(&w);
    vecna_model *model = distil(&w, VECNA_I8, NULL);
    close(mkstemp(path));
    assert_status(VECNA_OK, vecna_model_save(model, path, NULL));
    FILE *file = fopen(path, "rb");
    size_t count = fread(bytes, 1, room, file);
    assert_true(count < room);
    fclose(file);
    unlink(path);
    vecna_model_free(model);
    return count;
}

static void changed_files_are_refused(void **state) {
    char bytes[8192], copy[8192];
    vecna_model *model = NULL;
    vecna_error err;
    const size_t count = saved(bytes, sizeof bytes);
    (void)state;
    assert_status(VECNA_OK, vecna_model_parse(bytes, count, "x", NULL, &model, &err));
    vecna_model_free(model);
    for (size_t cut = 0; cut < count; cut += 7) {
        assert_true(vecna_model_parse(bytes, cut, "x", NULL, &model, &err) != VECNA_OK);
    }
    for (size_t at = 0; at < count; at++) {
        memcpy(copy, bytes, count);
        copy[at] ^= 4;
        if (vecna_model_parse(copy, count, "x", NULL, &model, &err) == VECNA_OK) {
            fail_msg("a model with byte %zu changed is accepted", at);
        }
    }
}

static void mistakes_are_refused(void **state) {
    static world w;
    vecna_model *model = NULL;
    vecna_error err;
    vecna_distill_options options = {.dim = WIDE + 1};
    (void)state;
    make_world(&w);
    assert_status(VECNA_ERR_ARGUMENT, vecna_model_distill(&w.input, &options, &model, NULL, &err));
    options.dim = 2;
    w.input.piece_vectors.rows--;
    assert_status(VECNA_ERR_DIM, vecna_model_distill(&w.input, &options, &model, NULL, &err));
    w.input.piece_vectors.rows++;
    w.vectors[5] = NAN;
    assert_status(VECNA_ERR_VALUE, vecna_model_distill(&w.input, &options, &model, NULL, &err));
    w.vectors[5] = 0;
    w.input.text_vectors.rows = 4;
    assert_status(VECNA_ERR_ARGUMENT, vecna_model_distill(&w.input, &options, &model, NULL, &err));
    assert_null(model);
}

/* ---- pictures ------------------------------------------------------------------------------------ */

static const vecna_image_shape eyes = {6, 5, 3, 2, {2, 3}, WIDE};
enum { TOWER = 27 * 2 + 2 + 18 * 3 + 3 + 4 * 3 * WIDE + WIDE, FILE_MOST = 16384 };

/* A table and a tower of any numbers. */
static vecna_model *make_pair(float tower[TOWER]) {
    static float rows[PIECES * WIDE];
    vecna_random random;
    vecna_model *model = NULL;
    size_t count;
    assert_status(VECNA_OK, vecna_image_parameters(&eyes, &count, NULL));
    assert_int_equal(TOWER, count);
    vecna_random_seed(&random, 3, 0);
    for (size_t i = 0; i < PIECES * WIDE; i++) {
        rows[i] = (float)vecna_random_normal(&random);
    }
    for (size_t i = 0; i < TOWER; i++) {
        tower[i] = (float)vecna_random_normal(&random);
    }
    const vecna_model_parts parts = {.vocabulary = LINES,
                                     .vocabulary_bytes = strlen(LINES),
                                     .rows = vecna_view_dense(rows, PIECES, WIDE),
                                     .name = "eyes",
                                     .shape = &eyes,
                                     .tower = tower,
                                     .scale = 31.25};
    assert_status(VECNA_OK, vecna_model_of_parts(&parts, &model, NULL));
    return model;
}

static size_t bytes_of(const vecna_model *model, char *bytes, size_t room) {
    char path[] = "/tmp/vecna-model-XXXXXX";
    close(mkstemp(path));
    assert_status(VECNA_OK, vecna_model_save(model, path, NULL));
    FILE *file = fopen(path, "rb");
    const size_t count = fread(bytes, 1, room, file);
    assert_true(count < room);
    fclose(file);
    unlink(path);
    return count;
}

static void a_tower_goes_along(void **state) {
    float tower[TOWER], a[2 * WIDE], b[2 * WIDE];
    uint8_t pixels[2 * 6 * 5 * 3];
    static char bytes[FILE_MOST];
    vecna_model *back = NULL;
    vecna_error err;
    (void)state;
    vecna_model *model = make_pair(tower);
    for (size_t i = 0; i < sizeof pixels; i++) {
        pixels[i] = (uint8_t)(i * 37);
    }
    const vecna_pictures pictures = {pixels, 2, 6, 5, 3};
    const size_t count = bytes_of(model, bytes, sizeof bytes);
    assert_status(VECNA_OK, vecna_model_parse(bytes, count, "x", NULL, &back, NULL));
    const vecna_model_parts parts = vecna_model_parts_of(back);
    assert_memory_equal(&eyes, vecna_model_about(back).shape, sizeof eyes);
    assert_memory_equal(tower, parts.tower, sizeof tower);
    assert_true(parts.scale == 31.25);
    assert_status(VECNA_OK, vecna_image_embed(&eyes, tower, &pictures,
                                              vecna_matrix_dense(a, 2, WIDE), NULL, NULL, NULL));
    assert_status(VECNA_OK, vecna_model_embed_pictures(back, &pictures,
                                                       vecna_matrix_dense(b, 2, WIDE), NULL, NULL));
    assert_memory_equal(a, b, sizeof a);
    vecna_model_free(back);
    vecna_model_free(model);
    world w;
    make_world(&w);
    model = distil(&w, VECNA_I8, NULL);
    assert_null(vecna_model_about(model).shape);
    assert_status(
        VECNA_ERR_UNSUPPORTED,
        vecna_model_embed_pictures(model, &pictures, vecna_matrix_dense(b, 2, WIDE), NULL, &err));
    vecna_model_free(model);
}

/* The file with `from` changed to `to`, as long, and the checksum that the message names. */
static void refuse(const char *bytes, size_t count, const char *from, const char *to,
                   vecna_status wanted, const char *words) {
    static char copy[FILE_MOST];
    vecna_model *model = NULL;
    vecna_error err;
    char *at = NULL, *sum = NULL;
    memcpy(copy, bytes, count);
    assert_int_equal(strlen(from), strlen(to));
    for (size_t i = 0; i + 16 < count; i++) {
        at = memcmp(copy + i, from, strlen(from)) == 0 ? copy + i : at;
        sum = memcmp(copy + i, "\"checksum\":\"", 12) == 0 ? copy + i + 12 : sum;
    }
    assert_non_null(at);
    assert_non_null(sum);
    memcpy(at, to, strlen(to));
    if (vecna_model_parse(copy, count, "x", NULL, &model, &err) == VECNA_ERR_CHECKSUM) {
        memcpy(sum, strstr(err.message, "checksum is ") + 12, 16);
        (void)!vecna_model_parse(copy, count, "x", NULL, &model, &err);
    }
    assert_status(wanted, err.status);
    if (!strstr(err.message, words)) {
        fail_msg("\"%s\" does not say \"%s\"", err.message, words);
    }
}

static void towers_that_do_not_fit_are_refused(void **state) {
    static char bytes[FILE_MOST];
    float tower[TOWER];
    vecna_error err;
    (void)state;
    vecna_model *model = make_pair(tower), *other = NULL;
    const size_t count = bytes_of(model, bytes, sizeof bytes);
    refuse(bytes, count, "6x5x3", "6x5x1", VECNA_ERR_FORMAT, "image.stage1.weight");
    refuse(bytes, count, "6x5x3", "4x5x3", VECNA_ERR_FORMAT, "image.head.weight");
    refuse(bytes, count, "6x5x3", "9x5x3", VECNA_ERR_FORMAT, "too short");
    refuse(bytes, count, "6x5x3", "6x5x2", VECNA_ERR_FORMAT, "channels");
    refuse(bytes, count, "6x5x3", "6x5 3", VECNA_ERR_FORMAT, "HEIGHTxWIDTHxCHANNELS");
    refuse(bytes, count, "6x5x3", "6x5x-", VECNA_ERR_FORMAT, "HEIGHTxWIDTHxCHANNELS");
    refuse(bytes, count, "31.25", "-1.25", VECNA_ERR_VALUE, "scale");
    refuse(bytes, count, "31.25", "nan  ", VECNA_ERR_FORMAT, "scale");
    refuse(bytes, count, "image.stage2.bias", "image.stage9.bias", VECNA_ERR_FORMAT, "does not");
    refuse(bytes, count, "image.head.bias", "image.foot.bias", VECNA_ERR_FORMAT, "image.head.bias");
    vecna_model_parts parts = vecna_model_parts_of(model);
    float rows[PIECES * WIDE] = {0};
    parts.rows = vecna_view_dense(rows, PIECES, WIDE);
    vecna_image_shape shape = eyes;
    parts.shape = &shape;
    shape.dim = WIDE - 1;
    assert_status(VECNA_ERR_DIM, vecna_model_of_parts(&parts, &other, &err));
    shape.dim = WIDE;
    tower[7] = NAN;
    parts.tower = tower;
    assert_status(VECNA_ERR_VALUE, vecna_model_of_parts(&parts, &other, &err));
    tower[7] = 0;
    parts.scale = INFINITY;
    assert_status(VECNA_ERR_VALUE, vecna_model_of_parts(&parts, &other, &err));
    assert_null(other);
    vecna_model_free(model);
}

static vecna_status whole_road(void *user, const vecna_allocator *allocator, vecna_error *err) {
    world *w = user;
    const vecna_distill_options options = {.dim = 3, .steps = 2, .allocator = allocator};
    vecna_model *model = NULL;
    float out[4 * 3];
    vecna_status status = vecna_model_distill(&w->input, &options, &model, NULL, err);
    if (status == VECNA_OK) {
        status =
            vecna_model_embed(model, w->texts, 4, vecna_matrix_dense(out, 4, 3), NULL, NULL, err);
    }
    vecna_model_free(model);
    return status;
}

typedef struct file_bytes {
    char data[FILE_MOST];
    size_t count;
} file_bytes;

static vecna_status parse(void *user, const vecna_allocator *allocator, vecna_error *err) {
    const file_bytes *file = user;
    vecna_model *model = NULL;
    vecna_status status = vecna_model_parse(file->data, file->count, "x", allocator, &model, err);
    vecna_model_free(model);
    return status;
}

static void survives_failing_memory(void **state) {
    static world w;
    static file_bytes file;
    (void)state;
    make_world(&w);
    file.count = saved(file.data, sizeof file.data);
    assert_survives_failing_memory(whole_road, &w);
    assert_survives_failing_memory(parse, &file);
    float tower[TOWER];
    vecna_model *model = make_pair(tower);
    file.count = bytes_of(model, file.data, sizeof file.data);
    vecna_model_free(model);
    assert_survives_failing_memory(parse, &file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_is_found_again),
        cmocka_unit_test(a_file_is_the_model),
        cmocka_unit_test(texts_without_known_pieces_are_zero),
        cmocka_unit_test(changed_files_are_refused),
        cmocka_unit_test(mistakes_are_refused),
        cmocka_unit_test(a_tower_goes_along),
        cmocka_unit_test(towers_that_do_not_fit_are_refused),
        cmocka_unit_test(survives_failing_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
