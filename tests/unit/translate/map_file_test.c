/* Maps in files and in use: what is written is what is read, and nothing else is. */
#include "translate/map_file_impl.h"

#include "tests/unit/translate/pairs.h"

#include <stdio.h>
#include <unistd.h>

static char path[64];

static vecna_map *make_map(void) {
    pairs made = make_pairs(60, 6, 9, 21);
    vecna_translate_options options = {.recipe = {.method = VECNA_METHOD_RIDGE, .lambda = 0.25},
                                       .resamples = 20,
                                       .source_name = "old \"model\" \xc3\xa4",
                                       .target_name = "new"};
    vecna_map *map = fit_pairs(&made, &options);
    free_pairs(&made);
    return map;
}

static unsigned char *read_file(size_t *bytes) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *bytes = (size_t)ftell(file);
    rewind(file);
    unsigned char *data = malloc(*bytes);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, *bytes, file), *bytes);
    fclose(file);
    return data;
}

static void a_map_comes_back_as_it_was(void **state) {
    (void)state;
    vecna_map *map = make_map(), *again = NULL;
    vecna_error err = {0};
    assert_status(VECNA_OK, vecna_map_save(map, path, &err));
    assert_status(VECNA_OK, vecna_map_open(path, NULL, &again, &err));
    vecna_map_info a = vecna_map_about(map), b = vecna_map_about(again);
    assert_string_equal(a.source_name, b.source_name);
    assert_string_equal(a.target_name, b.target_name);
    assert_int_equal(a.source_dim, b.source_dim);
    assert_int_equal(a.target_dim, b.target_dim);
    assert_int_equal(a.role, b.role);
    assert_int_equal(a.recipe.method, b.recipe.method);
    assert_true(a.recipe.lambda == b.recipe.lambda);
    assert_int_equal(a.normalized, b.normalized);
    assert_int_equal(a.source_normalized, b.source_normalized);
    assert_int_equal(a.rows_fit, b.rows_fit);
    assert_int_equal(a.verdict, b.verdict);
    assert_int_equal(a.reasons, b.reasons);
    assert_true(a.checksum == b.checksum);
    assert_memory_equal(map->weights, again->weights, 54 * sizeof(float));
    assert_memory_equal(map->bias, again->bias, 9 * sizeof(float));
    assert_string_equal(vecna_map_report_json(map), vecna_map_report_json(again));
    assert_null(vecna_map_report(again));
    assert_int_equal(vecna_space_dim(vecna_map_source_space(again)), 6);
    assert_string_equal(vecna_space_name(vecna_map_target_space(again)), "new");
    vecna_space_parts x, y;
    vecna_space_parts_of(vecna_map_source_space(map), &x);
    vecna_space_parts_of(vecna_map_source_space(again), &y);
    assert_int_equal(x.directions, y.directions);
    assert_true(x.gain == y.gain && x.spread == y.spread && x.breadth == y.breadth);
    vecna_map_free(map);
    vecna_map_free(again);
}

/* A file of version 1, written once and kept: it must open for ever. */
static void version_1_opens(void **state) {
    (void)state;
    vecna_map *map = NULL;
    vecna_error err = {0};
    assert_status(VECNA_OK,
                  vecna_map_open("tests/golden/good/map_v1.safetensors", NULL, &map, &err));
    vecna_map_info info = vecna_map_about(map);
    assert_int_equal(info.source_dim, 4);
    assert_int_equal(info.target_dim, 5);
    assert_int_equal(info.role, VECNA_ROLE_QUERY);
    assert_int_equal(info.recipe.method, VECNA_METHOD_BLEND);
    assert_true(info.recipe.share == 0.6 && info.recipe.lambda == 0.1);
    assert_int_equal(info.rows_fit, 40);
    assert_int_equal(vecna_space_dim(vecna_map_source_space(map)), 4);
    vecna_map_free(map);
}

/* Every length short of the whole is refused, and every byte changed is. */
static void damage_is_found(void **state) {
    (void)state;
    vecna_map *map = make_map();
    size_t bytes;
    assert_status(VECNA_OK, vecna_map_save(map, path, NULL));
    unsigned char *data = read_file(&bytes);
    vecna_map_free(map);
    map = NULL;
    for (size_t length = 0; length < bytes; length += length < 64 ? 1 : 97) {
        vecna_error err = {0};
        unsigned char *part = malloc(length + 1); /* so that reading beyond is seen */
        assert_non_null(part);
        memcpy(part, data, length);
        vecna_status status = vecna_map_parse(part, length, "part", NULL, &map, &err);
        assert_int_not_equal(status, VECNA_OK);
        assert_true(strlen(err.message) > 10);
        free(part);
    }
    for (size_t at = 0; at < bytes; at += 13) {
        vecna_error err = {0};
        data[at] ^= (unsigned char)(1u << at % 8);
        vecna_status status = vecna_map_parse(data, bytes, "flipped", NULL, &map, &err);
        if (status == VECNA_OK) {
            fail_msg("a flipped bit at byte %zu of %zu went unseen", at, bytes);
        }
        data[at] ^= (unsigned char)(1u << at % 8);
    }
    assert_status(VECNA_OK, vecna_map_parse(data, bytes, "whole", NULL, &map, NULL));
    vecna_map_free(map);
    free(data);
}

/* A safetensors file out of a header and zeros for data. */
static vecna_status parse_header(const char *header, size_t data_bytes, vecna_error *err) {
    size_t bytes = strlen(header), padded = (bytes + 7) / 8 * 8;
    unsigned char *file = calloc(8 + padded + data_bytes, 1);
    vecna_map *map = NULL;
    assert_non_null(file);
    for (size_t i = 0; i < 8; i++) {
        file[i] = (unsigned char)(padded >> 8 * i);
    }
    memset(file + 8, ' ', padded);
    memcpy(file + 8, header, bytes);
    vecna_status status =
        vecna_map_parse(file, 8 + padded + data_bytes, "hostile", NULL, &map, err);
    assert_null(map);
    free(file);
    return status;
}

static void hostile_files_are_refused(void **state) {
    (void)state;
    vecna_error err;
    assert_status(VECNA_ERR_FORMAT, parse_header("{}", 0, &err));
    assert_status(VECNA_ERR_FORMAT,
                  parse_header("{\"__metadata__\":{\"format\":\"pt\"}}", 0, &err));
    assert_non_null(strstr(err.message, "no map"));
    assert_status(VECNA_ERR_FORMAT,
                  parse_header("{\"__metadata__\":{\"format\":\"vecna-map\"}}", 0, &err));
    assert_status(
        VECNA_ERR_VERSION,
        parse_header("{\"__metadata__\":{\"format\":\"vecna-map\",\"version\":\"2\"}}", 0, &err));
    assert_non_null(strstr(err.message, "version 2"));
    assert_status(
        VECNA_ERR_FORMAT,
        parse_header("{\"__metadata__\":{\"format\":\"vecna-map\",\"version\":\"one\"}}", 0, &err));
    assert_status(
        VECNA_ERR_FORMAT,
        parse_header("{\"__metadata__\":{\"format\":\"vecna-map\",\"version\":\"1\"}}", 0, &err));
    assert_status(VECNA_ERR_CHECKSUM,
                  parse_header("{\"__metadata__\":{\"format\":\"vecna-map\",\"version\":\"1\","
                               "\"checksum\":\"0\"}}",
                               0, &err));
    assert_int_not_equal(parse_header("not json", 0, &err), VECNA_OK);
}

/* Whoever makes a file by hand can make its checksum fit: the rest must hold by itself. */
static vecna_status resealed(const char *from, const char *to, vecna_error *err) {
    vecna_map *map = make_map();
    size_t bytes;
    assert_status(VECNA_OK, vecna_map_save(map, path, NULL));
    vecna_map_free(map);
    unsigned char *data = read_file(&bytes);
    assert_int_equal(strlen(from), strlen(to));
    size_t changed = 0;
    for (size_t i = 0; i + strlen(from) <= bytes; i++) {
        if (memcmp(data + i, from, strlen(from)) == 0) {
            memcpy(data + i, to, strlen(to));
            changed++;
            break;
        }
    }
    assert_int_equal(changed, 1);
    vecna_safetensors *file = NULL;
    vecna_status status = vecna_safetensors_parse(data, bytes, bytes, NULL, &file, err);
    if (!status) {
        uint64_t hash = vni_map_file_checksum(file, data + file->data_offset);
        char text[20];
        snprintf(text, sizeof text, "%016llx", (unsigned long long)hash);
        const char *old = vecna_safetensors_text(file, "checksum");
        for (size_t i = 0; old && i + 16 <= bytes; i++) {
            if (memcmp(data + i, old, 16) == 0) {
                memcpy(data + i, text, 16);
                break;
            }
        }
        vecna_safetensors_free(file);
        map = NULL;
        status = vecna_map_parse(data, bytes, "made", NULL, &map, err);
        vecna_map_free(map);
    }
    free(data);
    return status;
}

static void a_fitting_checksum_does_not_help(void **state) {
    (void)state;
    const char *const changes[][2] = {
        {"\"source_dim\":\"6\"", "\"source_dim\":\"7\""},
        {"\"target_dim\":\"9\"", "\"target_dim\":\"0\""},
        {"\"normalized\":\"1\"", "\"normalized\":\"2\""},
        {"\"role\":\"document\"", "\"role\":\"diplomat\""},
        {"\"method\":\"ridge\"", "\"method\":\"fudge\""},
        {"\"lambda\":\"0.25\"", "\"lambda\":\"-.25\""},
        {"\"share\":\"0.0\"", "\"share\":\"1.1\""},
        {"\"rank\":\"0\"", "\"rank\":\"x\""},
        {"\"reasons\":\"", "\"raisins\":\""},
        {"\"weight\":{", "\"weighs\":{"},
        {"\"source_space_unit\":\"1\"", "\"source_space_unit\":\"3\""},
        {"\"target_space_gain\":\"", "\"target_space_gone\":\""},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        vecna_error err = {0};
        if (resealed(changes[i][0], changes[i][1], &err) == VECNA_OK) {
            fail_msg("%s went through", changes[i][1]);
        }
        assert_true(strlen(err.message) > 10);
    }
    assert_status(VECNA_OK, resealed("\"role\":\"document\"", "\"role\":\"document\"", NULL));
}

/* What a later program calls necessary is not ignored. */
static void a_needed_section_must_be_known(void **state) {
    (void)state;
    vecna_error err = {0};
    assert_status(VECNA_ERR_VERSION, resealed("\"share\":\"0.0\"", "\"needs\":\"zap\"", &err));
    assert_non_null(strstr(err.message, "needs \"zap\""));
    assert_status(VECNA_ERR_VERSION, resealed("\"share\":\"0.0\"", "\"needs\":\" ?x\"", &err));
    assert_non_null(strstr(err.message, "needs \"?x\""));
    assert_status(VECNA_ERR_FORMAT, /* nothing needed, and the share is missing */
                  resealed("\"share\":\"0.0\"", "\"needs\":\"   \"", &err));
}

/* The container puts larger elements first; the checksum follows it, whatever the order of putting. */
static void tensors_of_other_types(void **state) {
    (void)state;
    vni_map_writing *w = calloc(1, sizeof *w);
    assert_non_null(w);
    const int8_t bytes[3] = {1, -2, 3};
    const uint16_t halves[2] = {0x3c00, 0x7c00}; /* 1, infinity */
    const double doubles[2] = {0.5, NAN};
    vni_put_tensor(w, "a.", "bytes", VECNA_TENSOR_I8, 3, 0, bytes);
    vni_put_tensor(w, "a.", "halves", VECNA_TENSOR_F16, 2, 1, halves);
    vni_put_tensor(w, "a.", "doubles", VECNA_TENSOR_F64, 2, 0, doubles);
    vni_put_count(w, "a_", "rows", 3);
    vni_put_number(w, "a_", "tau", 0.1);
    assert_string_equal(w->pairs[0].key, "a_rows");
    assert_string_equal(w->pairs[1].value, "0.1");
    vecna_json_writer writer;
    vecna_json_writer_init(&writer, 0, NULL);
    assert_status(VECNA_OK, vecna_safetensors_print(w->entries, w->entry_count, w->pairs,
                                                    w->pair_count, &writer, NULL));
    unsigned char *file = calloc(writer.bytes + 23, 1);
    assert_non_null(file);
    memcpy(file, writer.text, writer.bytes);
    for (size_t i = 0; i < 3; i++) {
        memcpy(file + writer.bytes + w->entries[i].begin, w->data[i],
               (size_t)(w->entries[i].end - w->entries[i].begin));
    }
    vni_map_reading r = {.data = file, .bytes = writer.bytes + 23, .name = "made"};
    vecna_error err;
    assert_status(VECNA_OK, vecna_safetensors_parse(file, r.bytes, r.bytes, NULL, &r.file, &err));
    int8_t got[3];
    uint16_t got_halves[2];
    double got_doubles[2];
    assert_status(VECNA_OK, vni_get_tensor(&r, "a.", "bytes",
                                           (vni_tensor_form){VECNA_TENSOR_I8, 3, 0}, got, &err));
    assert_memory_equal(got, bytes, 3);
    assert_status(VECNA_ERR_VALUE,
                  vni_get_tensor(&r, "a.", "halves", (vni_tensor_form){VECNA_TENSOR_F16, 2, 1},
                                 got_halves, &err));
    assert_int_equal(err.position, 1);
    assert_status(VECNA_ERR_VALUE,
                  vni_get_tensor(&r, "a.", "doubles", (vni_tensor_form){VECNA_TENSOR_F64, 2, 0},
                                 got_doubles, &err));
    assert_status(
        VECNA_ERR_FORMAT,
        vni_check_tensor(&r, "a.", "bytes", (vni_tensor_form){VECNA_TENSOR_U8, 3, 0}, &err));
    assert_non_null(strstr(err.message, "not U8 of 3 x 1"));
    assert_true(vni_has_key(&r, "a_", "rows") && !vni_has_key(&r, "a_", "row"));
    vecna_safetensors_free(r.file);
    vecna_json_writer_free(&writer);
    free(file);
    free(w);
}

static void paths_that_cannot_be_read(void **state) {
    (void)state;
    vecna_map *map = NULL;
    vecna_error err;
    assert_status(VECNA_ERR_IO, vecna_map_open("/nonexistent/map", NULL, &map, &err));
    assert_non_null(strstr(err.message, "/nonexistent/map"));
    map = make_map();
    assert_status(VECNA_ERR_IO, vecna_map_save(map, "/nonexistent/map", &err));
    assert_status(VECNA_OK, vecna_map_save(map, path, &err));
    vecna_map_free(map);
    map = NULL;
    vecna_map_open_options small = {.bytes_max = 100};
    assert_status(VECNA_ERR_OVERFLOW, vecna_map_open(path, &small, &map, &err));
    assert_null(map);
}

static vecna_status open_saved(void *user, const vecna_allocator *allocator, vecna_error *err) {
    (void)user;
    vecna_map *map = NULL;
    vecna_map_open_options options = {.allocator = allocator};
    vecna_status status = vecna_map_open(path, &options, &map, err);
    vecna_map_free(map);
    return status;
}

static void opening_survives_failing_memory(void **state) {
    (void)state;
    vecna_map *map = make_map();
    assert_status(VECNA_OK, vecna_map_save(map, path, NULL));
    vecna_map_free(map);
    assert_survives_failing_memory(open_saved, NULL);
}

/* ---- applying -------------------------------------------------------------------------------- */

static void applying_is_the_product_and_the_bias(void **state) {
    (void)state;
    enum { ROWS = 600 };
    vecna_map *map = make_map();
    vecna_matrix in = make_noise(ROWS, 6, 31); /* of all lengths: they are divided out */
    vecna_matrix out = vecna_matrix_dense(make_floats(ROWS * 12), ROWS, 9);
    vecna_matrix pooled = vecna_matrix_dense(make_floats(ROWS * 9), ROWS, 9);
    vecna_pool *pool = NULL;
    assert_status(VECNA_OK, vecna_pool_new(3, NULL, &pool, NULL));
    out.stride = 12;
    assert_status(VECNA_OK, vecna_map_apply(map, vecna_matrix_view(in), out, NULL, NULL));
    assert_status(VECNA_OK, vecna_map_apply(map, vecna_matrix_view(in), pooled, pool, NULL));
    for (size_t i = 0; i < ROWS; i++) {
        double wanted[9], length = 0, square = 0;
        for (size_t k = 0; k < 6; k++) {
            length += (double)in.data[i * 6 + k] * in.data[i * 6 + k];
        }
        for (size_t j = 0; j < 9; j++) {
            double sum = (double)map->bias[j];
            for (size_t k = 0; k < 6; k++) {
                sum += (double)in.data[i * 6 + k] / sqrt(length) * map->weights[k * 9 + j];
            }
            wanted[j] = sum;
            square += sum * sum;
        }
        for (size_t j = 0; j < 9; j++) {
            assert_true(fabs(wanted[j] / sqrt(square) - (double)out.data[i * 12 + j]) < 1e-6);
            assert_true(fabs(wanted[j] / sqrt(square) - (double)pooled.data[i * 9 + j]) < 1e-6);
        }
        assert_true(out.data[i * 12 + 9] == 0); /* beside the rows nothing is written */
    }
    vecna_error err;
    assert_status(VECNA_ERR_DIM, vecna_map_apply(map, vecna_matrix_view(out), out, NULL, &err));
    assert_non_null(strstr(err.message, "old \"model\""));
    out.dim = 8;
    assert_status(VECNA_ERR_DIM, vecna_map_apply(map, vecna_matrix_view(in), out, NULL, &err));
    assert_status(VECNA_OK, vecna_map_apply(map, vecna_view_rows(vecna_matrix_view(in), 0, 0),
                                            vecna_matrix_rows(pooled, 0, 0), NULL, &err));
    vecna_pool_free(pool);
    free(in.data);
    free(out.data);
    free(pooled.data);
    vecna_map_free(map);
}

static void lengths_are_kept_where_they_mean_something(void **state) {
    (void)state;
    pairs made = make_pairs(100, 5, 7, 33);
    for (size_t i = 0; i < 100; i++) { /* no unit vectors: targets of lengths 1 to 3 */
        for (size_t j = 0; j < 7; j++) {
            made.target.data[i * 7 + j] *= 1 + (float)(i % 3);
        }
    }
    vecna_translate_options options = {.recipe = {.method = VECNA_METHOD_RIDGE, .lambda = 1e-3},
                                       .resamples = 10};
    vecna_map *map = fit_pairs(&made, &options);
    assert_false(vecna_map_about(map).normalized);
    assert_true(vecna_map_about(map).source_normalized);
    vecna_map_free(map);
    free_pairs(&made);
}

static int make_path(void **state) {
    (void)state;
    snprintf(path, sizeof path, "/tmp/vecna_map_test_%ld.safetensors", (long)getpid());
    return 0;
}

static int remove_path(void **state) {
    (void)state;
    remove(path);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_map_comes_back_as_it_was),
        cmocka_unit_test(version_1_opens),
        cmocka_unit_test(damage_is_found),
        cmocka_unit_test(hostile_files_are_refused),
        cmocka_unit_test(a_fitting_checksum_does_not_help),
        cmocka_unit_test(a_needed_section_must_be_known),
        cmocka_unit_test(tensors_of_other_types),
        cmocka_unit_test(paths_that_cannot_be_read),
        cmocka_unit_test(opening_survives_failing_memory),
        cmocka_unit_test(applying_is_the_product_and_the_bias),
        cmocka_unit_test(lengths_are_kept_where_they_mean_something),
    };
    return cmocka_run_group_tests(tests, make_path, remove_path);
}
