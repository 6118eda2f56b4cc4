/* The JSON scanner and writer: grammar by the dozen, every cut, escapes, skipping, rows of numbers,
 * caps and failing memory. */
#include "codec/codec_impl.h"
#include "tests/unit/support/support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* All tokens up to the end; the text is copied so that the sanitizer sees a byte too many. */
static vecna_status scan(const char *text, size_t bytes, vecna_error *err) {
    char *copy = malloc(bytes + (bytes == 0));
    vecna_json json;
    vecna_json_token token = {VECNA_JSON_NULL, 0, NULL, 0};
    vecna_status status = VECNA_OK;
    memcpy(copy, text, bytes);
    vecna_json_init(&json, copy, bytes, 0);
    do
        status = vecna_json_next(&json, &token, err);
    while (status == VECNA_OK && token.kind != VECNA_JSON_END);
    free(copy);
    return status;
}

static void accepts_json(void **state) {
    static const char *const good[] = {"null",
                                       " true ",
                                       "false",
                                       "0",
                                       "-0.5e+10",
                                       "\"\"",
                                       "[]",
                                       "{}",
                                       "[[],{}]",
                                       "[1,2,3]",
                                       "{\"a\":[1,{\"b\":null}],\"c\":\"d\"}",
                                       "\t[\r\n1 , 2 ]\n",
                                       "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\"",
                                       "\"\\ud83d\\ude00\"",
                                       "\"\xF0\x9F\x98\x80\"",
                                       "\"12345678\\n12345678\xC3\xA4\"",
                                       "1e400",
                                       "{\"a\":1,\"a\":2}",
                                       "\"\\u0000\"",
                                       "[1.0,-2e-5,3E5]",
                                       "\"\x7F\""};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        vecna_error err = {VECNA_OK, -1, ""};
        if (scan(good[i], strlen(good[i]), &err) != VECNA_OK)
            fail_msg("%s: %s", good[i], err.message);
    }
}

static void refuses_what_is_no_json(void **state) {
    static const struct {
        const char *text;
        int64_t position;
    } cases[] = {{"]", 0},
                 {"}", 0},
                 {"nul!", 0},
                 {"nan", 0},
                 {"NaN", 0},
                 {"Infinity", 0},
                 {"+1", 0},
                 {"01", 0},
                 {"-01", 0},
                 {".5", 0},
                 {"1.2.3", 0},
                 {"1..2", 0},
                 {"1-2", 0},
                 {"1 2", 2},
                 {"[1 2]", 3},
                 {"[1,]", 3},
                 {"[,1]", 1},
                 {"[1,,2]", 3},
                 {"[1}", 2},
                 {"{]", 1},
                 {"{\"a\"}", 4},
                 {"{\"a\":}", 5},
                 {"{\"a\":1,}", 7},
                 {"{,}", 1},
                 {"{a:1}", 1},
                 {"{\"a\" 1}", 5},
                 {"{\"a\":1 \"b\":2}", 7},
                 {"{1:2}", 1},
                 {"'a'", 0},
                 {"\"\n\"", 1},
                 {"\"\\x\"", 2},
                 {"\"\\u12g4\"", 1},
                 {"\"\\ud800\"", 1},
                 {"\"\\ud800\\u0041\"", 1},
                 {"\"\\udc00\"", 1},
                 {"\"\xFF\"", 1},
                 {"\"ab\xC3\"", 3},
                 {"\"\xED\xA0\x80\"", 1},
                 {"[]]", 2},
                 {"{}{}", 2},
                 {"tru]", 0},
                 {"/*x*/1", 0},
                 {"\xEF\xBB\xBF"
                  "1",
                  0},
                 {"\"\x01\"", 1},
                 {"[1e+]", 1},
                 {"[-]", 1},
                 {"[1.]", 1},
                 {"\"\\uD8\"xxxxxxx", 1}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vecna_error err = {VECNA_OK, -1, ""};
        vecna_status status = scan(cases[i].text, strlen(cases[i].text), &err);
        if (status != VECNA_ERR_FORMAT || err.position != cases[i].position)
            fail_msg("%s: %s at %d: %s", cases[i].text, vecna_status_name(status),
                     (int)err.position, err.message);
    }
    assert_status(VECNA_ERR_FORMAT, scan("1\0", 2, NULL));
    assert_status(VECNA_ERR_FORMAT, scan("\"\0\"", 3, NULL));
    assert_status(VECNA_ERR_FORMAT, scan("\"\\\0\"", 4, NULL));
}

static void every_cut_is_truncation(void **state) {
    static const char text[] =
        "{\"k\\u00e4\\ud83d\\ude00\xC3\xA4\":[-1.5e+3,true,null,{\"a\":\"\\n\"},[]]}";
    (void)state;
    for (size_t cut = 0; cut < sizeof text - 1; cut++)
        assert_status(VECNA_ERR_TRUNCATED, scan(text, cut, NULL));
    assert_status(VECNA_OK, scan(text, sizeof text - 1, NULL));
}

static void depth_is_capped(void **state) {
    char text[2 * VECNA_JSON_DEPTH_MAX + 4];
    vecna_json json;
    vecna_json_token token;
    (void)state;
    for (size_t most = 1; most <= VECNA_JSON_DEPTH_MAX; most += 37) {
        vecna_status status = VECNA_OK;
        memset(text, '[', most + 1);
        memset(text + most + 1, ']', most + 1);
        vecna_json_init(&json, text, 2 * most + 2, most);
        for (size_t i = 0; i < most; i++)
            assert_status(VECNA_OK, vecna_json_next(&json, &token, NULL));
        assert_status(VECNA_ERR_UNSUPPORTED, vecna_json_next(&json, &token, NULL));
        vecna_json_init(&json, text + 1, 2 * most, most);
        do
            status = vecna_json_next(&json, &token, NULL);
        while (status == VECNA_OK && token.kind != VECNA_JSON_END);
        assert_status(VECNA_OK, status);
    }
}

static void tokens_come_in_order(void **state) {
    static const char text[] = "{\"id\":-12,\"te\\u0078t\":\"a\\n\\ud83d\\ude00\",\"v\":[1,2.5]}";
    vecna_json json;
    vecna_json_token token;
    char buffer[64];
    int64_t number = 0;
    (void)state;
    vecna_json_init(&json, text, sizeof text - 1, 0);
#define NEXT(wanted)                                                                               \
    assert_status(VECNA_OK, vecna_json_next(&json, &token, NULL));                                 \
    assert_int_equal(token.kind, wanted)
    NEXT(VECNA_JSON_OBJECT_BEGIN);
    NEXT(VECNA_JSON_KEY);
    assert_true(vecna_json_is(&token, "id"));
    assert_false(vecna_json_is(&token, "idx"));
    NEXT(VECNA_JSON_NUMBER);
    assert_true(vecna_json_i64(&token, &number));
    assert_int_equal(number, -12);
    assert_false(vecna_json_is(&token, "-12"));
    NEXT(VECNA_JSON_KEY);
    assert_true(token.escaped);
    assert_true(vecna_json_is(&token, "text"));
    assert_false(vecna_json_is(&token, "tex"));
    assert_false(vecna_json_is(&token, "texts"));
    NEXT(VECNA_JSON_STRING);
    assert_int_equal(vecna_json_unescape(&token, buffer), 6);
    assert_memory_equal(buffer, "a\n\xF0\x9F\x98\x80", 6);
    NEXT(VECNA_JSON_KEY);
    NEXT(VECNA_JSON_ARRAY_BEGIN);
    NEXT(VECNA_JSON_NUMBER);
    NEXT(VECNA_JSON_NUMBER);
    assert_false(vecna_json_i64(&token, &number));
    NEXT(VECNA_JSON_ARRAY_END);
    NEXT(VECNA_JSON_OBJECT_END);
    NEXT(VECNA_JSON_END);
    NEXT(VECNA_JSON_END);
#undef NEXT
}

static void integers_have_limits(void **state) {
    static const struct {
        const char *text;
        int good;
        int64_t value;
    } cases[] = {{"9223372036854775807", 1, INT64_MAX},
                 {"9223372036854775808", 0, 0},
                 {"-9223372036854775808", 1, INT64_MIN},
                 {"-9223372036854775809", 0, 0},
                 {"99999999999999999999", 0, 0},
                 {"1e3", 0, 0},
                 {"-0", 1, 0},
                 {"18446744073709551616", 0, 0}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vecna_json_token token = {VECNA_JSON_NUMBER, 0, cases[i].text, strlen(cases[i].text)};
        int64_t value = 5;
        assert_int_equal(vecna_json_i64(&token, &value), cases[i].good);
        assert_true(value == (cases[i].good ? cases[i].value : 5));
    }
}

static void skipping_gives_the_raw_value(void **state) {
    static const char *const values[] = {
        "\"a\\\"b\"", "{ \"x\" : [1, {}] }", "[[],[\"]\"]]", "12.50", "true", "null", "\"\""};
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char text[128];
        vecna_json json;
        vecna_json_token token;
        vecna_json_token raw;
        int bytes = snprintf(text, sizeof text, "[%s ,7]", values[i]);
        vecna_json_init(&json, text, (size_t)bytes, 0);
        assert_status(VECNA_OK, vecna_json_next(&json, &token, NULL));
        assert_status(VECNA_OK, vecna_json_next(&json, &token, NULL));
        assert_status(VECNA_OK, vecna_json_skip(&json, &token, &raw, NULL));
        assert_int_equal(raw.bytes, strlen(values[i]));
        assert_memory_equal(raw.text, values[i], raw.bytes);
        assert_status(VECNA_OK, vecna_json_next(&json, &token, NULL));
        assert_int_equal(token.kind, VECNA_JSON_NUMBER);
    }
}

static vecna_status floats_of(const char *text, float *out, size_t capacity, size_t *count) {
    vecna_json json;
    vecna_json_token token;
    vecna_json_init(&json, text, strlen(text), 0);
    assert_status(VECNA_OK, vecna_json_next(&json, &token, NULL));
    vecna_status status = vecna_json_floats(&json, out, capacity, count, NULL);
    if (status == VECNA_OK) {
        assert_status(VECNA_OK, vecna_json_next(&json, &token, NULL));
        assert_int_equal(token.kind, VECNA_JSON_END);
    }
    return status;
}

static void rows_of_numbers(void **state) {
    float out[4] = {0};
    size_t count = 99;
    (void)state;
    assert_status(VECNA_OK, floats_of("[ 0.5 ,\n-1e1,3 ]", out, 3, &count));
    assert_int_equal(count, 3);
    assert_true(out[0] == 0.5f && out[1] == -10.0f && out[2] == 3.0f);
    assert_status(VECNA_OK, floats_of("[]", out, 0, &count));
    assert_int_equal(count, 0);
    assert_status(VECNA_OK, floats_of("[1e400]", out, 1, &count));
    assert_true(isinf(out[0]));
    assert_status(VECNA_ERR_DIM, floats_of("[1,2,3]", out, 2, &count));
    assert_status(VECNA_ERR_DIM, floats_of("[1]", out, 0, &count));
    assert_status(VECNA_ERR_FORMAT, floats_of("[1,null]", out, 4, &count));
    assert_status(VECNA_ERR_FORMAT, floats_of("[1,\"2\"]", out, 4, &count));
    assert_status(VECNA_ERR_FORMAT, floats_of("[[1]]", out, 4, &count));
    assert_status(VECNA_ERR_FORMAT, floats_of("[1,]", out, 4, &count));
    assert_status(VECNA_ERR_FORMAT, floats_of("[,1]", out, 4, &count));
    assert_status(VECNA_ERR_FORMAT, floats_of("[1 2]", out, 4, &count));
    assert_status(VECNA_ERR_FORMAT, floats_of("[01]", out, 4, &count));
    assert_status(VECNA_ERR_FORMAT, floats_of("[1.]", out, 4, &count));
    assert_status(VECNA_ERR_FORMAT, floats_of("[nan]", out, 4, &count));
    assert_status(VECNA_ERR_FORMAT, floats_of("[+1]", out, 4, &count));
    assert_status(VECNA_ERR_FORMAT, floats_of("[1}", out, 4, &count));
    for (size_t cut = 1; cut < 12; cut++) {
        char text[16] = "[1.5e+2, 25]";
        text[cut] = '\0';
        assert_status(VECNA_ERR_TRUNCATED, floats_of(text, out, 4, &count));
    }
}

static vecna_status write_all(void *user, const vecna_allocator *allocator, vecna_error *err) {
    static const char wanted[] =
        "{\"a\":[],\"b\":[1,-2,18446744073709551615,-9223372036854775808],\"\\\"\\\\\\n\\u0001\":"
        "\"\xE2\x82\xAC\",\"f\":[0.1,0.25,null,-0.0],\"d\":0.1,\"s\":null,\"t\":true,\"x\":"
        "\"Zm9v\",\"raw\":{\"k\": 1},\"o\":{},\"n\":null,\"e\":1e-45}";
    static const float values[] = {0.1f, 0.25f, INFINITY, -0.0f};
    vecna_json_writer writer;
    vecna_status status;
    vecna_json_writer_init(&writer, 0, allocator);
    for (int round = 0; round < 2; round++) {
        vecna_json_writer_reset(&writer);
        vecna_json_write_object_begin(&writer);
        vecna_json_write_key(&writer, "a");
        vecna_json_write_array_begin(&writer);
        vecna_json_write_array_end(&writer);
        vecna_json_write_key(&writer, "b");
        vecna_json_write_array_begin(&writer);
        vecna_json_write_i64(&writer, 1);
        vecna_json_write_i64(&writer, -2);
        vecna_json_write_u64(&writer, UINT64_MAX);
        vecna_json_write_i64(&writer, INT64_MIN);
        vecna_json_write_array_end(&writer);
        vecna_json_write_key_bytes(&writer, "\"\\\n\x01", 4);
        vecna_json_write_string(&writer, "\xE2\x82\xAC");
        vecna_json_write_key(&writer, "f");
        vecna_json_write_floats(&writer, values, 4);
        vecna_json_write_key(&writer, "d");
        vecna_json_write_f64(&writer, 0.1);
        vecna_json_write_key(&writer, "s");
        vecna_json_write_string(&writer, NULL);
        vecna_json_write_key(&writer, "t");
        vecna_json_write_bool(&writer, 1);
        vecna_json_write_key(&writer, "x");
        vecna_json_write_base64(&writer, "foo", 3);
        vecna_json_write_key(&writer, "raw");
        vecna_json_write_raw(&writer, "{\"k\": 1}", 8);
        vecna_json_write_key(&writer, "o");
        vecna_json_write_object_begin(&writer);
        vecna_json_write_object_end(&writer);
        vecna_json_write_key(&writer, "n");
        vecna_json_write_f64(&writer, NAN);
        vecna_json_write_key(&writer, "e");
        vecna_json_write_f32(&writer, 1e-45f);
        vecna_json_write_object_end(&writer);
    }
    status = vecna_json_writer_finish(&writer, err);
    if (status == VECNA_OK) {
        assert_int_equal(writer.bytes, sizeof wanted - 1);
        assert_memory_equal(writer.text, wanted, writer.bytes);
        assert_status(VECNA_OK, scan(writer.text, writer.bytes, NULL));
    }
    vecna_json_writer_free(&writer);
    (void)user;
    return status;
}

static void writes_json(void **state) {
    (void)state;
    assert_survives_failing_memory(write_all, NULL);
}

static void the_writer_has_a_cap(void **state) {
    vecna_json_writer writer;
    float values[300] = {0};
    vecna_error err = {VECNA_OK, -1, ""};
    (void)state;
    for (size_t most = 1; most < 1200; most += 13) {
        vecna_json_writer_init(&writer, most, NULL);
        vecna_json_write_floats(&writer, values, 300); /* 1 + 300 * 4 bytes */
        assert_status(VECNA_ERR_OVERFLOW, vecna_json_writer_finish(&writer, &err));
        assert_true(writer.bytes <= most && writer.capacity >= writer.bytes);
        vecna_json_writer_free(&writer);
    }
    vecna_json_writer_init(&writer, 1201, NULL);
    vecna_json_write_floats(&writer, values, 300);
    assert_status(VECNA_OK, vecna_json_writer_finish(&writer, &err));
    vecna_json_writer_reset(&writer);
    vecna_json_write_string(&writer, "\xFF");
    vecna_json_write_null(&writer);
    assert_status(VECNA_ERR_FORMAT, vecna_json_writer_finish(&writer, &err));
    assert_int_equal(err.status, VECNA_ERR_FORMAT);
    vecna_json_writer_free(&writer);
    vecna_json_writer_free(NULL);
}

static void strings_round_trip(void **state) {
    vecna_random random;
    vecna_json_writer writer;
    (void)state;
    vecna_random_seed(&random, 3, 0);
    vecna_json_writer_init(&writer, 0, NULL);
    for (size_t round = 0; round < 3000; round++) {
        char text[80];
        char back[600];
        size_t bytes = (size_t)vecna_random_below(&random, sizeof text);
        vecna_json json;
        vecna_json_token token;
        for (size_t i = 0; i < bytes; i++) /* every ASCII byte, NUL and controls too */
            text[i] = (char)vecna_random_below(&random, round & 1 ? 128 : 40);
        vecna_json_writer_reset(&writer);
        vecna_json_write_string_bytes(&writer, text, bytes);
        assert_status(VECNA_OK, vecna_json_writer_finish(&writer, NULL));
        vecna_json_init(&json, writer.text, writer.bytes, 0);
        assert_status(VECNA_OK, vecna_json_next(&json, &token, NULL));
        assert_int_equal(vecna_json_unescape(&token, back), bytes);
        assert_memory_equal(back, text, bytes);
    }
    vecna_json_writer_free(&writer);
}

/* Every byte at every place of a text of every length about the blocks, against the definition; in
 * memory of the exact size. */
static void plain_text_ends_where_it_must(void **state) {
    (void)state;
    for (size_t bytes = 0; bytes <= 40; bytes++)
        for (size_t place = 0; place < bytes; place++)
            for (int byte = 0; byte < 256; byte++) {
                char *text = malloc(bytes);
                int ascii = 1, stops = byte == '"' || byte == '\\' || byte < 0x20;
                memset(text, 'x', bytes);
                text[place] = (char)byte;
                if (place + 1 < bytes)
                    text[bytes - 1] = (char)0xC3; /* behind it: counts only when it is reached */
                assert_int_equal(vni_json_plain(text, bytes, &ascii), stops ? place : bytes);
                assert_int_equal(ascii, !(byte >= 0x80 || (!stops && place + 1 < bytes)));
                free(text);
            }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_text_ends_where_it_must),
        cmocka_unit_test(accepts_json),
        cmocka_unit_test(refuses_what_is_no_json),
        cmocka_unit_test(every_cut_is_truncation),
        cmocka_unit_test(depth_is_capped),
        cmocka_unit_test(tokens_come_in_order),
        cmocka_unit_test(integers_have_limits),
        cmocka_unit_test(skipping_gives_the_raw_value),
        cmocka_unit_test(rows_of_numbers),
        cmocka_unit_test(writes_json),
        cmocka_unit_test(the_writer_has_a_cap),
        cmocka_unit_test(strings_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
