/* The container: what the Python package writes, round trips, and hostile headers by the dozen. */
#include "tests/unit/support/support.h"
#include "vecna/codec.h"

#include <stdio.h>
#include <string.h>

typedef struct image {
    unsigned char bytes[4096];
    size_t count;
} image;

/* A file of that header and data_bytes of data. */
static image file_of(const char *header, size_t header_bytes, size_t data_bytes) {
    image file = {.count = 8 + header_bytes + data_bytes};
    assert_true(file.count <= sizeof file.bytes);
    for (int i = 0; i < 8; i++)
        file.bytes[i] = (unsigned char)((uint64_t)header_bytes >> 8 * i);
    memcpy(file.bytes + 8, header, header_bytes);
    return file;
}

static vecna_status parse(const image *file, const vecna_safetensors_options *options,
                          vecna_safetensors **out, vecna_error *err) {
    return vecna_safetensors_parse(file->bytes, file->count, file->count, options, out, err);
}

static void reads_what_python_writes(void **state) {
    static const char header[] =
        "{\"__metadata__\":{\"format\":\"pt\",\"n\\u00e4me\":\"\\\"x\\\"\"},"
        "\"b\":{\"dtype\":\"F16\",\"shape\":[3],\"data_offsets\":[24,30]},"
        "\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
        "\"none\":{\"dtype\":\"F32\",\"shape\":[0,9223372036854775807],\"data_offsets\":[0,0]},"
        "\"one\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[30,31]}}   ";
    image file = file_of(header, sizeof header - 1, 31);
    vecna_safetensors *out = NULL;
    (void)state;
    assert_status(VECNA_OK, parse(&file, NULL, &out, NULL));
    assert_int_equal(out->entries_count, 4);
    assert_string_equal(out->entries[0].name, "none");
    assert_string_equal(out->entries[1].name, "a");
    assert_string_equal(out->entries[2].name, "b");
    const vecna_tensor_entry *a = vecna_safetensors_find(out, "a");
    assert_ptr_equal(a, &out->entries[1]);
    assert_int_equal(a->rank, 2);
    assert_int_equal(a->shape[1], 3);
    assert_int_equal(a->end, 24);
    assert_null(vecna_safetensors_find(out, "c"));
    assert_string_equal(vecna_safetensors_text(out, "format"), "pt");
    assert_string_equal(vecna_safetensors_text(out, "n\xC3\xA4me"), "\"x\"");
    assert_null(vecna_safetensors_text(out, "a"));
    assert_int_equal(out->data_offset, 8 + sizeof header - 1);
    assert_int_equal(out->data_bytes, 31);
    vecna_safetensors_free(out);
    vecna_safetensors_free(NULL);
}

#define ONE(fields) "{\"a\":{" fields "}}"
#define GOOD "\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]"

static void refuses_hostile_headers(void **state) {
    static const struct {
        const char *header;
        size_t data;
        vecna_status status;
    } cases[] = {
        {"", 0, VECNA_ERR_FORMAT},
        {"[]", 0, VECNA_ERR_FORMAT},
        {"{", 0, VECNA_ERR_FORMAT},
        {" {}", 0, VECNA_ERR_FORMAT},
        {"{}x", 0, VECNA_ERR_FORMAT},
        {"{}{}", 0, VECNA_ERR_FORMAT},
        {"{} ", 1, VECNA_ERR_FORMAT},
        {"{\"a\":1}", 0, VECNA_ERR_FORMAT},
        {"{\"a\":[]}", 0, VECNA_ERR_FORMAT},
        {"{\"a\":{}}", 0, VECNA_ERR_FORMAT},
        {"{\"\xFF\":{" GOOD "}}", 8, VECNA_ERR_FORMAT},
        {"{\"a\\u0000b\":{" GOOD "}}", 8, VECNA_ERR_FORMAT},
        {ONE(GOOD), 7, VECNA_ERR_TRUNCATED},
        {ONE(GOOD), 0, VECNA_ERR_TRUNCATED},
        {ONE(GOOD), 9, VECNA_ERR_FORMAT},
        {ONE(GOOD ",\"x\":1"), 8, VECNA_ERR_FORMAT},
        {ONE(GOOD ",\"dtype\":\"F32\""), 8, VECNA_ERR_FORMAT},
        {ONE("\"dtype\":\"F33\",\"shape\":[2],\"data_offsets\":[0,8]"), 8, VECNA_ERR_UNSUPPORTED},
        {ONE("\"dtype\":7,\"shape\":[2],\"data_offsets\":[0,8]"), 8, VECNA_ERR_FORMAT},
        {ONE("\"dtype\":\"F32\",\"data_offsets\":[0,8]"), 8, VECNA_ERR_FORMAT},
        {ONE("\"dtype\":\"F32\",\"shape\":[2]"), 8, VECNA_ERR_FORMAT},
        {ONE("\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]"), 8, VECNA_ERR_FORMAT},
        {ONE("\"dtype\":\"F32\",\"shape\":[2.0],\"data_offsets\":[0,8]"), 8, VECNA_ERR_FORMAT},
        {ONE("\"dtype\":\"F32\",\"shape\":\"2\",\"data_offsets\":[0,8]"), 8, VECNA_ERR_FORMAT},
        {ONE("\"dtype\":\"F32\",\"shape\":[[2]],\"data_offsets\":[0,8]"), 8, VECNA_ERR_FORMAT},
        {ONE("\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,2],\"data_offsets\":[0,8]"), 8,
         VECNA_ERR_UNSUPPORTED},
        {ONE("\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]"), 8, VECNA_ERR_FORMAT},
        {ONE("\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]"), 0,
         VECNA_ERR_FORMAT},
        {ONE("\"dtype\":\"F32\",\"shape\":[4611686018427387906],\"data_offsets\":[0,8]"), 8,
         VECNA_ERR_FORMAT},
        {ONE("\"dtype\":\"F32\",\"shape\":[99999999999999999999],\"data_offsets\":[0,8]"), 8,
         VECNA_ERR_FORMAT},
        {ONE("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]"), 8, VECNA_ERR_FORMAT},
        {ONE("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8]"), 8, VECNA_ERR_FORMAT},
        {ONE("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8,16]"), 8, VECNA_ERR_FORMAT},
        {ONE("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]"), 12, VECNA_ERR_FORMAT},
        {"{\"a\":{" GOOD "},\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,16]}}", 16,
         VECNA_ERR_FORMAT}, /* one name twice */
        {"{\"a\":{" GOOD "},\"\\u0061\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[8,9]}}",
         9, VECNA_ERR_FORMAT}, /* the same behind an escape */
        {"{\"a\":{" GOOD "},\"b\":{" GOOD "}}", 8, VECNA_ERR_FORMAT}, /* overlap */
        {"{\"a\":{" GOOD "},\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8,
         VECNA_ERR_FORMAT},
        {"{\"a\":{" GOOD "},\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[12,16]}}", 16,
         VECNA_ERR_FORMAT}, /* hole */
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
         "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[1,5]}}",
         5, VECNA_ERR_FORMAT}, /* misaligned */
        {"{\"__metadata__\":1}", 0, VECNA_ERR_FORMAT},
        {"{\"__metadata__\":{\"a\":1}}", 0, VECNA_ERR_FORMAT},
        {"{\"__metadata__\":{\"a\":{}}}", 0, VECNA_ERR_FORMAT},
        {"{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0, VECNA_ERR_FORMAT},
        {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, VECNA_ERR_FORMAT},
        {"{\"a\":{\"dtype\":[[[[[[[]]]]]]]}}", 0, VECNA_ERR_FORMAT},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        image file = file_of(cases[i].header, strlen(cases[i].header), cases[i].data);
        vecna_safetensors *out = NULL;
        vecna_error err = {VECNA_OK, -1, ""};
        vecna_status status = parse(&file, NULL, &out, &err);
        if (status != cases[i].status)
            print_message("header %s: %s\n", cases[i].header, err.message);
        assert_status(cases[i].status, status);
        assert_int_equal(err.status, status);
        assert_true(err.message[0] != '\0');
        assert_null(out);
    }
}

static void lengths_are_checked(void **state) {
    unsigned char first[8] = {2, 0, 0, 0, 0, 0, 0, 0};
    vecna_safetensors_options small = {.header_bytes_max = 100};
    size_t bytes = 77;
    vecna_safetensors *out = NULL;
    (void)state;
    assert_status(VECNA_OK, vecna_safetensors_head_bytes(first, 10, NULL, &bytes, NULL));
    assert_int_equal(bytes, 10);
    assert_status(VECNA_OK, vecna_safetensors_head_bytes(first, UINT64_MAX, NULL, &bytes, NULL));
    assert_status(VECNA_ERR_TRUNCATED, vecna_safetensors_head_bytes(first, 9, NULL, &bytes, NULL));
    assert_status(VECNA_ERR_TRUNCATED, vecna_safetensors_head_bytes(first, 0, NULL, &bytes, NULL));
    first[0] = 101;
    assert_status(VECNA_ERR_FORMAT,
                  vecna_safetensors_head_bytes(first, 1000, &small, &bytes, NULL));
    memset(first, 0xFF, 8);
    assert_status(VECNA_ERR_FORMAT, vecna_safetensors_head_bytes(first, 1000, NULL, &bytes, NULL));
    assert_status(VECNA_ERR_FORMAT, vecna_safetensors_parse(first, 8, 8, NULL, &out, NULL));
    assert_status(VECNA_ERR_TRUNCATED, vecna_safetensors_parse(first, 3, 3, NULL, &out, NULL));
    assert_int_equal(bytes, 10);
}

static void every_cut_is_noticed(void **state) {
    static const char header[] = "{\"__metadata__\":{\"k\":\"v\"},\"a\":{" GOOD "}}";
    image file = file_of(header, sizeof header - 1, 8);
    (void)state;
    for (size_t cut = 0; cut < file.count; cut++) {
        vecna_safetensors *out = NULL;
        assert_status(VECNA_ERR_TRUNCATED,
                      vecna_safetensors_parse(file.bytes, cut, cut, NULL, &out, NULL));
    }
}

static void options_are_obeyed(void **state) {
    static const char header[] = "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
                                 "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[1,5]}}";
    image file = file_of(header, sizeof header - 1, 5);
    vecna_safetensors_options options = {.unaligned_ok = 1};
    vecna_safetensors *out = NULL;
    (void)state;
    assert_status(VECNA_OK, parse(&file, &options, &out, NULL));
    vecna_safetensors_free(out);
    out = NULL;
    options.entries_max = 1;
    assert_status(VECNA_ERR_UNSUPPORTED, parse(&file, &options, &out, NULL));
    assert_status(VECNA_OK, vecna_safetensors_parse(file.bytes, file.count - 5, UINT64_MAX,
                                                    &(vecna_safetensors_options){.unaligned_ok = 1},
                                                    &out, NULL));
    assert_int_equal(out->data_bytes, 5);
    vecna_safetensors_free(out);
}

static vecna_status print_and_parse(void *user, const vecna_allocator *allocator,
                                    vecna_error *err) {
    static const vecna_tensor_text metadata[] = {{"vecna", "{\"version\":1}"},
                                                 {"\"\n\xE2\x82\xAC", ""}};
    vecna_tensor_entry entries[3] = {
        {.name = "half", .dtype = VECNA_TENSOR_F16, .rank = 1, .shape = {3}},
        {.name = "wide", .dtype = VECNA_TENSOR_F64, .rank = 0},
        {.name = "single", .dtype = VECNA_TENSOR_F32, .rank = 2, .shape = {2, 3}},
    };
    vecna_safetensors_options options = {.allocator = allocator};
    vecna_json_writer writer;
    vecna_safetensors *out = NULL;
    vecna_status status;
    (void)user;
    vecna_json_writer_init(&writer, 0, allocator);
    status = vecna_safetensors_print(entries, 3, metadata, 2, &writer, err);
    if (status == VECNA_OK)
        status = vecna_safetensors_parse(writer.text, writer.bytes, writer.bytes + 38, &options,
                                         &out, err);
    if (status == VECNA_OK) {
        assert_int_equal(writer.bytes % 8, 0);
        assert_int_equal(out->data_offset, writer.bytes);
        assert_string_equal(out->entries[0].name, "wide");
        assert_string_equal(out->entries[1].name, "single");
        assert_int_equal(out->entries[1].begin, entries[2].begin);
        assert_int_equal(out->entries[2].end, 38);
        assert_string_equal(vecna_safetensors_text(out, "vecna"), "{\"version\":1}");
        assert_string_equal(vecna_safetensors_text(out, "\"\n\xE2\x82\xAC"), "");
    }
    vecna_safetensors_free(out);
    vecna_json_writer_free(&writer);
    return status;
}

static void prints_what_it_reads(void **state) {
    (void)state;
    assert_survives_failing_memory(print_and_parse, NULL);
}

static void refuses_to_print_nonsense(void **state) {
    vecna_tensor_entry entries[2] = {
        {.name = "a", .dtype = VECNA_TENSOR_F32, .rank = 1, .shape = {1}},
        {.name = "a", .dtype = VECNA_TENSOR_F32, .rank = 1, .shape = {1}}};
    vecna_tensor_text metadata = {"k", "\xFF"};
    vecna_json_writer writer;
    (void)state;
    vecna_json_writer_init(&writer, 0, NULL);
    assert_status(VECNA_ERR_ARGUMENT, vecna_safetensors_print(entries, 2, NULL, 0, &writer, NULL));
    entries[0].name = "__metadata__";
    assert_status(VECNA_ERR_ARGUMENT, vecna_safetensors_print(entries, 1, NULL, 0, &writer, NULL));
    entries[0].name = "";
    assert_status(VECNA_ERR_ARGUMENT, vecna_safetensors_print(entries, 1, NULL, 0, &writer, NULL));
    entries[0].name = "b";
    entries[0].rank = 9;
    assert_status(VECNA_ERR_ARGUMENT, vecna_safetensors_print(entries, 1, NULL, 0, &writer, NULL));
    entries[0].rank = 1;
    entries[0].shape[0] = UINT64_MAX / 2;
    assert_status(VECNA_ERR_OVERFLOW, vecna_safetensors_print(entries, 1, NULL, 0, &writer, NULL));
    assert_int_equal(writer.bytes, 0);
    assert_int_equal(entries[0].end, 0);
    entries[0].shape[0] = 1;
    assert_status(VECNA_ERR_FORMAT,
                  vecna_safetensors_print(entries, 1, &metadata, 1, &writer, NULL));
    vecna_json_writer_free(&writer);
    vecna_json_writer_init(&writer, 20, NULL);
    assert_status(VECNA_ERR_OVERFLOW, vecna_safetensors_print(entries, 1, NULL, 0, &writer, NULL));
    vecna_json_writer_free(&writer);
}

static void dtypes_have_names(void **state) {
    (void)state;
    assert_string_equal(vecna_tensor_dtype_name(VECNA_TENSOR_BF16), "BF16");
    assert_int_equal(vecna_tensor_dtype_bytes(VECNA_TENSOR_I64), 8);
    assert_string_equal(vecna_tensor_dtype_name((vecna_tensor_dtype)99), "unknown");
    assert_int_equal(vecna_tensor_dtype_bytes((vecna_tensor_dtype)99), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_python_writes),  cmocka_unit_test(refuses_hostile_headers),
        cmocka_unit_test(lengths_are_checked),       cmocka_unit_test(every_cut_is_noticed),
        cmocka_unit_test(options_are_obeyed),        cmocka_unit_test(prints_what_it_reads),
        cmocka_unit_test(refuses_to_print_nonsense), cmocka_unit_test(dtypes_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
