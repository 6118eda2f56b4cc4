/* OpenAI's embeddings, in and out, as clients and servers really send them. */
#include "tests/unit/wire/wire_data.h"

#include <math.h>
#include <stdio.h>

static void what_clients_send(void **state) {
    fixture *f = *state;
    /* openai-python 2.54 */
    vecna_wire_request r = parsed(
        f, "/v1/embeddings", "{\"input\":[\"a\"],\"model\":\"m\",\"encoding_format\":\"base64\"}");
    assert_int_equal(r.inputs_count, 1);
    assert_text("a", r.inputs[0].text);
    assert_text("m", r.model);
    assert_int_equal(r.base64, 1);
    assert_int_equal(r.dim, 0);
    assert_int_equal(r.dialect, VECNA_WIRE_OPENAI);
    /* voyageai 0.5 */
    r = parsed(f, "/v1/embeddings",
               "{\"input\":[\"a\",\"b\"],\"model\":\"voyage-3\",\"input_type\":null,\"truncation\":"
               "true,\"output_dtype\":null,\"output_dimension\":null,\"encoding_format\":"
               "\"base64\"}");
    assert_int_equal(r.inputs_count, 2);
    assert_int_equal(r.dialect, VECNA_WIRE_VOYAGE);
    assert_int_equal(r.truncate, VECNA_WIRE_TRUNCATE_END);
    /* langchain-openai's token ids */
    r = parsed(f, "/v1/embeddings",
               "{\"input\":[[9906,1917],[3923]],\"model\":\"text-embedding-ada-002\","
               "\"encoding_format\":\"base64\"}");
    assert_int_equal(r.has_tokens, 1);
    assert_int_equal(r.inputs_count, 2);
    assert_int_equal(r.inputs[0].tokens_count, 2);
    assert_int_equal(r.inputs[0].tokens[1], 1917);
    assert_int_equal(r.inputs[1].tokens[0], 3923);
}

static void answers(void **state) {
    fixture *f = *state;
    const float data[] = {0.5f, -0.25f, 1.0f, 0.1f};
    vecna_wire_answer answer = {.vectors = vecna_view_dense(data, 2, 2), .tokens = 7};
    vecna_wire_request r =
        parsed(f, "/v1/embeddings", "{\"input\":[\"a\",\"b\"],\"model\":\"m\\u00e9\"}");
    assert_answer(f, &r, &answer,
                  "{\"object\":\"list\",\"data\":[{\"object\":\"embedding\",\"index\":0,"
                  "\"embedding\":[0.5,-0.25]},{\"object\":\"embedding\",\"index\":1,\"embedding\":"
                  "[1.0,0.1]}],\"model\":\"m\xc3\xa9\",\"usage\":{\"prompt_tokens\":7,"
                  "\"total_tokens\":7}}");
    r = parsed(f, "/v1/embeddings",
               "{\"input\":[\"a\",\"b\"],\"model\":\"m\",\"encoding_format\":\"base64\"}");
    assert_answer(f, &r, &answer,
                  "{\"object\":\"list\",\"data\":[{\"object\":\"embedding\",\"index\":0,"
                  "\"embedding\":\"AAAAPwAAgL4=\"},{\"object\":\"embedding\",\"index\":1,"
                  "\"embedding\":\"AACAP83MzD0=\"}],\"model\":\"m\",\"usage\":{\"prompt_tokens\":7,"
                  "\"total_tokens\":7}}");
}

static void variants(void **state) {
    static const struct {
        const char *fields;
        vecna_wire_dialect dialect;
    } cases[] = {
        {"", VECNA_WIRE_OPENAI},
        {",\"input_type\":\"query\"", VECNA_WIRE_OPENAI}, /* Azure, NVIDIA */
        {",\"truncation\":true", VECNA_WIRE_VOYAGE},
        {",\"input_type\":\"query\",\"output_dimension\":2", VECNA_WIRE_VOYAGE},
        {",\"output_dimension\":2", VECNA_WIRE_MISTRAL},
        {",\"output_dtype\":\"int8\"", VECNA_WIRE_MISTRAL},
        {",\"task\":\"retrieval.query\"", VECNA_WIRE_JINA},
        {",\"embedding_type\":\"float\"", VECNA_WIRE_JINA},
        {",\"late_chunking\":false", VECNA_WIRE_JINA},
        {",\"truncate_prompt_tokens\":-1,\"add_special_tokens\":true,\"endianness\":\"native\","
         "\"embed_dtype\":\"float32\",\"use_activation\":true,\"priority\":0,\"request_id\":\"x\"",
         VECNA_WIRE_OPENAI},
        {",\"task\":null,\"truncation\":null,\"output_dtype\":null,\"user\":null",
         VECNA_WIRE_OPENAI},
    };
    fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char body[400];
        snprintf(body, sizeof body, "{\"model\":\"m\",\"input\":\"a\"%s}", cases[i].fields);
        assert_int_equal(parsed(f, "/v1/embeddings", body).dialect, cases[i].dialect);
    }
}

static void what_options_mean(void **state) {
    fixture *f = *state;
    vecna_wire_request r =
        parsed(f, "/v1/embeddings",
               " { \"dimensions\" : 256.0 , \"user\" : \"u\\u00e9\" , \"input\" : [ \"a\\nb\" ] , "
               "\"model\" : \"m\" , \"encoding_format\" : \"float\" } \n");
    assert_int_equal(r.dim, 256);
    assert_text("u\xc3\xa9", r.user);
    assert_text("a\nb", r.inputs[0].text);
    assert_int_equal(r.base64, 0);
    r = parsed(
        f, "/v1/embeddings",
        "{\"model\":\"m\",\"input\":\"a\",\"input_type\":\"passage\",\"truncate\":\"NONE\"}");
    assert_int_equal(r.inputs[0].task, VECNA_WIRE_TASK_DOCUMENT);
    assert_int_equal(r.truncate, VECNA_WIRE_TRUNCATE_REFUSE);
    r = parsed(f, "/v1/embeddings",
               "{\"model\":\"m\",\"input\":\"a\",\"task\":\"text-matching\",\"embedding_type\":["
               "\"base64\"],\"normalized\":false,\"truncate\":true}");
    assert_int_equal(r.inputs[0].task, VECNA_WIRE_TASK_SIMILARITY);
    assert_int_equal(r.base64, 1);
    assert_int_equal(r.unnormalized, 1);
    assert_int_equal(r.truncate, VECNA_WIRE_TRUNCATE_END);
    r = parsed(f, "/v1/embeddings",
               "{\"model\":\"m\",\"input\":\"a\",\"output_dtype\":\"ubinary\",\"dimensions\":8,"
               "\"output_dimension\":8,\"encoding_format\":\"base64\"}");
    assert_int_equal(r.forms, VECNA_WIRE_UBINARY);
    assert_int_equal(r.dim, 8);
    r = parsed(f, "/v1/embeddings",
               "{\"model\":\"m\",\"input\":[{\"text\":\"a\"},{\"text\":\"b\"}]}");
    assert_int_equal(r.inputs_count, 2);
    assert_text("b", r.inputs[1].text);
    assert_int_equal(r.dialect, VECNA_WIRE_JINA);
    r = parsed(f, "/openai/deployments/d1/embeddings?api-version=1",
               "{\"input\":[\"a\"],\"model\":\"ignored\",\"input_type\":\"query\"}");
    assert_text("d1", r.model);
    assert_int_equal(r.dialect, VECNA_WIRE_OPENAI);
    r = parsed(f, "/openai/deployments/d1/embeddings", "{\"input\":[1,2,3]}");
    assert_int_equal(r.inputs_count, 1);
    assert_int_equal(r.inputs[0].tokens_count, 3);
}

static void refuses(void **state) {
    static const struct {
        const char *body, *param, *part;
    } cases[] = {
        {"", "", "JSON"},
        {"null", "", "JSON object"},
        {"[1]", "", "JSON object"},
        {"\"a\"", "", "JSON object"},
        {"{", "", "JSON"},
        {"{\"input\":\"a\",\"model\":\"m\"} x", "", "JSON"},
        {"{\"input\":\"a\",\"model\":\"m\",}", "", "JSON"},
        {"{'input':'a'}", "", "JSON"},
        {"{\"input\":\"\xed\xa0\x80\",\"model\":\"m\"}", "", "UTF-8"},
        {"{\"input\":\"\\ud800\",\"model\":\"m\"}", "", "escape"},
        {"{\"model\":\"m\"}", "input", "Missing"},
        {"{\"model\":\"m\",\"input\":null}", "input", "Missing"},
        {"{\"input\":\"a\"}", "model", "model"},
        {"{\"input\":\"a\",\"model\":\"\"}", "model", "model"},
        {"{\"input\":\"a\",\"model\":7}", "model", "expected a string"},
        {"{\"input\":\"a\",\"model\":null}", "model", "model"},
        {"{\"input\":\"\",\"model\":\"m\"}", "input", "empty string"},
        {"{\"input\":[],\"model\":\"m\"}", "input", "empty array"},
        {"{\"input\":[\"a\",\"\"],\"model\":\"m\"}", "input", "input 1 is an empty"},
        {"{\"input\":[\"a\",1],\"model\":\"m\"}", "input", "element 1"},
        {"{\"input\":[\"a\",null],\"model\":\"m\"}", "input", "element 1"},
        {"{\"input\":[1,\"a\"],\"model\":\"m\"}", "input", "mixed"},
        {"{\"input\":[[1],\"a\"],\"model\":\"m\"}", "input", "element 1"},
        {"{\"input\":[[1],2],\"model\":\"m\"}", "input", "element 1"},
        {"{\"input\":[[]],\"model\":\"m\"}", "input", "no tokens"},
        {"{\"input\":[[1.5]],\"model\":\"m\"}", "input", "integer"},
        {"{\"input\":[-1],\"model\":\"m\"}", "input", ">= 0"},
        {"{\"input\":[4294967296],\"model\":\"m\"}", "input", "<="},
        {"{\"input\":[[[1]]],\"model\":\"m\"}", "input", "mixed"},
        {"{\"input\":{\"a\":1},\"model\":\"m\"}", "input", "expected a string"},
        {"{\"input\":true,\"model\":\"m\"}", "input", "expected a string"},
        {"{\"input\":[{}],\"model\":\"m\"}", "input", "input 0 has no"},
        {"{\"input\":[{\"text\":\"\"}],\"model\":\"m\"}", "text", "empty string"},
        {"{\"input\":[{\"text\":\"a\",\"text\":\"b\"}],\"model\":\"m\"}", "text", "twice"},
        {"{\"input\":[{\"image\":\"x\"}],\"model\":\"m\"}", "image", "only text"},
        {"{\"input\":[{\"text\":\"a\"},\"b\"],\"model\":\"m\"}", "input", "element 1"},
        {"{\"input\":[true],\"model\":\"m\"}", "input", "strings or token ids"},
        {"{\"input\":\"a\",\"input\":\"b\",\"model\":\"m\"}", "input", "twice"},
        {"{\"input\":null,\"input\":\"b\",\"model\":\"m\"}", "input", "twice"},
        {"{\"input\":\"a\",\"in\\u0070ut\":\"b\",\"model\":\"m\"}", "input", "twice"},
        {"{\"input\":\"a\",\"model\":\"m\",\"model\":\"n\"}", "model", "twice"},
        {"{\"input\":\"a\",\"model\":\"m\",\"dimensions\":1,\"dimensions\":1}", "dimensions",
         "twice"},
        {"{\"input\":\"a\",\"model\":\"m\",\"dimensions\":0}", "dimensions", ">= 1"},
        {"{\"input\":\"a\",\"model\":\"m\",\"dimensions\":-5}", "dimensions", ">= 1"},
        {"{\"input\":\"a\",\"model\":\"m\",\"dimensions\":1.5}", "dimensions", "integer"},
        {"{\"input\":\"a\",\"model\":\"m\",\"dimensions\":1e99}", "dimensions", "integer"},
        {"{\"input\":\"a\",\"model\":\"m\",\"dimensions\":\"8\"}", "dimensions", "integer"},
        {"{\"input\":\"a\",\"model\":\"m\",\"dimensions\":65537}", "dimensions", "<= 65536"},
        {"{\"input\":\"a\",\"model\":\"m\",\"dimensions\":2,\"output_dimension\":3}",
         "output_dimension", "2 and for 3"},
        {"{\"input\":\"a\",\"model\":\"m\",\"encoding_format\":\"Float\"}", "encoding_format",
         "'float', 'base64'"},
        {"{\"input\":\"a\",\"model\":\"m\",\"encoding_format\":\"\"}", "encoding_format",
         "Invalid"},
        {"{\"input\":\"a\",\"model\":\"m\",\"encoding_format\":1}", "encoding_format", "string"},
        {"{\"input\":\"a\",\"model\":\"m\",\"user\":1}", "user", "string"},
        {"{\"input\":\"a\",\"model\":\"m\",\"input_type\":\"x\"}", "input_type", "Invalid value"},
        {"{\"input\":\"a\",\"model\":\"m\",\"output_dtype\":\"f16\"}", "output_dtype", "Invalid"},
        {"{\"input\":\"a\",\"model\":\"m\",\"truncation\":\"yes\"}", "truncation", "boolean"},
        {"{\"input\":\"a\",\"model\":\"m\",\"late_chunking\":true}", "late_chunking",
         "not supported"},
        {"{\"input\":\"a\",\"model\":\"m\",\"embedding_type\":[\"float\",\"binary\"]}",
         "embedding_type", "several"},
        {"{\"input\":\"a\",\"model\":\"m\",\"embedding_type\":[]}", "embedding_type", "string"},
        {"{\"input\":\"a\",\"model\":\"m\",\"truncate_prompt_tokens\":5}", "truncate_prompt_tokens",
         "-1"},
        {"{\"input\":\"a\",\"model\":\"m\",\"embed_dtype\":\"float16\"}", "embed_dtype", "float32"},
        {"{\"input\":\"a\",\"model\":\"m\",\"endianness\":\"big\"}", "endianness", "little"},
        {"{\"input\":\"a\",\"model\":\"m\",\"add_special_tokens\":false}", "add_special_tokens",
         "not supported"},
        {"{\"input\":\"a\",\"model\":\"m\",\"modality\":\"image\"}", "modality", "text"},
        {"{\"input\":\"a\",\"model\":\"m\",\"foo\":1}", "", "Unrecognized request argument"},
        {"{\"input\":\"a\",\"model\":\"m\",\"messages\":[]}", "", "messages"},
        {"{\"input\":\"a\",\"model\":\"m\",\"api_base\":\"http://x\"}", "api_base",
         "configuration"},
        {"{\"input\":\"a\",\"model\":\"m\",\"api_key\":null}", "api_key", "configuration"},
        {"{\"input\":\"a\",\"model\":\"m\",\"base_url\":\"x\"}", "base_url", "configuration"},
    };
    fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_refused(f, "/v1/embeddings", cases[i].body, 400, cases[i].param, cases[i].part);
}

/* The error has the shape of who speaks, also when the field that tells it comes behind the fault. */
static void errors_know_who_speaks(void **state) {
    fixture *f = *state;
    assert_refused(
        f, "/v1/embeddings",
        "{\"input\":[\"a\"],\"model\":\"m\",\"input_type\":\"nonsense\",\"truncation\":true}", 400,
        "input_type", "Invalid value");
    assert_int_equal(f->failure.dialect, VECNA_WIRE_VOYAGE);
    assert_refused(f, "/v1/embeddings", "{\"input\":\"\",\"task\":\"none\"}", 400, "input",
                   "empty");
    assert_int_equal(f->failure.dialect, VECNA_WIRE_JINA);
    assert_refused(f, "/v1/embeddings", "{\"input\":\"\",\"task\":null}", 400, "input", "empty");
    assert_int_equal(f->failure.dialect, VECNA_WIRE_OPENAI);
    assert_refused(f, "/v1/embeddings", "{\"input\":\"a\" \"truncation\":true}", 400, "", "JSON");
    assert_int_equal(f->failure.dialect, VECNA_WIRE_OPENAI);
}

/* `count` elements of `one` in "input". */
static char *many(const char *one, size_t count) {
    size_t bytes = strlen(one);
    char *body = malloc(64 + count * (bytes + 1)), *at = body;
    memcpy(at, "{\"input\":[", 10);
    at += 10;
    for (size_t i = 0; i < count; i++) {
        memcpy(at, one, bytes);
        at += bytes;
        *at++ = ',';
    }
    memcpy(at - 1, "],\"model\":\"m\"}", 15);
    return body;
}

static void limits(void **state) {
    fixture *f = *state;
    vecna_wire_limits small = {.inputs_max = 2,
                               .input_bytes_max = 4,
                               .input_tokens_max = 3,
                               .tokens_max = 5,
                               .dim_max = 10,
                               .ignore_unknown = 1};
    vecna_wire_request r;
    vecna_json_writer writer;
    char *body = many("\"a\"", 2048);
    assert_int_equal(parsed(f, "/v1/embeddings", body).inputs_count, 2048);
    free(body);
    body = many("\"a\"", 2049);
    assert_refused(f, "/v1/embeddings", body, 400, "input", "at most 2048 inputs");
    free(body);
    body = many("7", 8192);
    assert_int_equal(parsed(f, "/v1/embeddings", body).inputs[0].tokens_count, 8192);
    free(body);
    body = many("7", 8193);
    assert_refused(f, "/v1/embeddings", body, 400, "input", "maximum context length is 8192");
    free(body);
    assert_status(VECNA_OK, try_parse(f, "/v1/embeddings",
                                      "{\"model\":\"m\",\"input\":[\"abcd\",\"\\u0061\"],"
                                      "\"foo\":{},\"dimensions\":10}",
                                      &small, &r));
    assert_int_not_equal(VECNA_OK,
                         try_parse(f, "/v1/embeddings",
                                   "{\"model\":\"m\",\"input\":[\"a\",\"b\",\"c\"]}", &small, &r));
    assert_int_not_equal(VECNA_OK, try_parse(f, "/v1/embeddings",
                                             "{\"model\":\"m\",\"input\":\"abcde\"}", &small, &r));
    assert_int_equal(vecna_wire_failure_status(&f->failure), 413);
    assert_int_not_equal(VECNA_OK,
                         try_parse(f, "/v1/embeddings",
                                   "{\"model\":\"m\",\"input\":[[1,2,3],[1,2,3]]}", &small, &r));
    assert_string_equal(f->failure.code, "max_tokens_per_request");
    vecna_json_writer_init(&writer, 0, NULL);
    vecna_wire_failure_write(&f->failure, &writer);
    assert_writes(
        "{\"error\":{\"message\":\"Requested more than 5 tokens, max 5 tokens per request\","
        "\"type\":\"max_tokens_per_request\",\"param\":null,\"code\":"
        "\"max_tokens_per_request\"}}",
        &writer);
    vecna_json_writer_free(&writer);
    assert_int_not_equal(VECNA_OK, try_parse(f, "/v1/embeddings",
                                             "{\"model\":\"m\",\"input\":\"a\",\"api_key\":\"\"}",
                                             &small, &r));
}

static void deep_bodies(void **state) {
    fixture *f = *state;
    char body[4200] = "{\"model\":\"m\",\"metadata\":";
    size_t at = strlen(body);
    memset(body + at, '[', 4000);
    assert_refused(f, "/v1/embeddings", body, 400, "", "nested deeper");
}

static void other_forms(void **state) {
    fixture *f = *state;
    const float data[] = {0.5f, -0.5f, 0.0f, 1.0f};
    vecna_wire_answer answer = {
        .vectors = vecna_view_dense(data, 1, 4), .tokens = 2, .model = text_of("real")};
    vecna_wire_request r =
        parsed(f, "/v1/embeddings",
               "{\"model\":\"m\",\"input\":\"a\",\"truncation\":true,\"output_dtype\":\"int8\"}");
    assert_answer(f, &r, &answer,
                  "{\"object\":\"list\",\"data\":[{\"object\":\"embedding\",\"index\":0,"
                  "\"embedding\":[64,-64,0,127]}],\"model\":\"real\",\"usage\":{\"total_tokens\":2}"
                  "}");
    r = parsed(f, "/v1/embeddings",
               "{\"model\":\"m\",\"input\":\"a\",\"truncation\":true,\"output_dtype\":\"int8\","
               "\"encoding_format\":\"base64\"}");
    assert_answer(
        f, &r, &answer,
        "{\"object\":\"list\",\"data\":[{\"object\":\"embedding\",\"index\":0,"
        "\"embedding\":\"QMAAfw==\"}],\"model\":\"real\",\"usage\":{\"total_tokens\":2}}");
    r = parsed(f, "/v1/embeddings",
               "{\"model\":\"m\",\"input\":\"a\",\"output_dtype\":\"binary\"}");
    assert_answer(
        f, &r, &answer,
        "{\"id\":\"\",\"object\":\"list\",\"data\":[{\"object\":\"embedding\",\"index\":0,"
        "\"embedding\":[16]}],\"model\":\"real\",\"usage\":{\"prompt_tokens\":2,"
        "\"total_tokens\":2,\"completion_tokens\":0}}");
}

static void bad_answers_are_not_written(void **state) {
    fixture *f = *state;
    const float data[] = {0.5f, __builtin_nanf(""), 0.0f, 1.0f};
    vecna_wire_answer answer = {.vectors = vecna_view_dense(data, 2, 2)};
    vecna_wire_request r = parsed(f, "/v1/embeddings", "{\"model\":\"m\",\"input\":[\"a\",\"b\"]}");
    vecna_json_writer writer;
    vecna_json_writer_init(&writer, 0, NULL);
    assert_status(VECNA_ERR_VALUE, vecna_wire_answer_write(&r, &answer, 0, NULL, &writer, NULL));
    assert_int_equal(writer.bytes, 0);
    answer.vectors.rows = 1;
    assert_status(VECNA_ERR_DIM, vecna_wire_answer_write(&r, &answer, 0, NULL, &writer, NULL));
    assert_int_equal(writer.bytes, 0);
    vecna_json_writer_free(&writer);
}

/* A long row in an integer form, through more than one chunk of base64. */
static void long_integer_rows(void **state) {
    fixture *f = *state;
    enum { DIM = 1541 };
    float row[DIM];
    vecna_wire_answer answer = {.vectors = vecna_view_dense(row, 1, DIM)};
    vecna_wire_request r = parsed(f, "/v1/embeddings",
                                  "{\"model\":\"m\",\"input\":\"a\",\"output_dtype\":\"uint8\","
                                  "\"encoding_format\":\"base64\"}");
    vecna_json_writer writer;
    vecna_error err;
    const char *text;
    unsigned char bytes[DIM];
    size_t got;
    for (size_t i = 0; i < DIM; i++)
        row[i] = (i % 2 ? 0.001f : -0.001f) * (float)(i % 300);
    vecna_json_writer_init(&writer, 0, NULL);
    assert_status(VECNA_OK, vecna_wire_answer_write(&r, &answer, 0, NULL, &writer, &err));
    vecna_json_write_between(&writer, "", 1);
    text = strstr(writer.text, "\"embedding\":\"");
    assert_non_null(text);
    assert_status(VECNA_OK, vecna_base64_decode(text + 13, vecna_base64_text_bytes(DIM), bytes,
                                                sizeof bytes, &got, &err));
    assert_int_equal(got, DIM);
    for (size_t i = 0; i < DIM; i++) {
        double scaled = (double)row[i] * 127 / (6 / sqrt(DIM));
        scaled = scaled > 127 ? 127 : scaled < -128 ? -128 : scaled;
        assert_true(fabs(bytes[i] - 128.0 - scaled) < 0.51); /* rounding, and float32 */
    }
    vecna_json_writer_free(&writer);
}

static vecna_status parse_and_answer(void *user, const vecna_allocator *allocator,
                                     vecna_error *err) {
    static const char body[] =
        "{\"input\":[\"a\\n\",\"b\",\"c\\t\",\"d\",\"e\"],\"model\":\"\\u006d\"}";
    static const char tokens[] = "{\"input\":[[1,2],[3]],\"model\":\"\\u006d\"}";
    const float data[5] = {1, 1, 1, 1, 1};
    vecna_wire_route route = {.endpoint = VECNA_WIRE_OPENAI_EMBEDDINGS};
    vecna_wire_failure failure = {.dialect = VECNA_WIRE_OPENAI};
    vecna_wire_answer answer = {.vectors = vecna_view_dense(data, 5, 1)};
    vecna_wire_request request;
    vecna_arena arena;
    vecna_json_writer writer;
    vecna_status status;
    (void)user;
    vecna_arena_init(&arena, 0, allocator);
    vecna_json_writer_init(&writer, 0, allocator);
    status = vecna_wire_request_parse(&route, tokens, sizeof tokens - 1, NULL, &arena, &request,
                                      &failure);
    if (status == VECNA_OK)
        status = vecna_wire_request_parse(&route, body, sizeof body - 1, NULL, &arena, &request,
                                          &failure);
    *err = failure.error;
    if (status == VECNA_OK)
        status = vecna_wire_answer_write(&request, &answer, 0, NULL, &writer, err);
    vecna_json_writer_free(&writer);
    vecna_arena_free(&arena);
    return status;
}

static void survives_failing_memory(void **state) {
    (void)state;
    assert_survives_failing_memory(parse_and_answer, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WIRE_TEST(what_clients_send),
        WIRE_TEST(answers),
        WIRE_TEST(variants),
        WIRE_TEST(what_options_mean),
        WIRE_TEST(refuses),
        WIRE_TEST(limits),
        WIRE_TEST(errors_know_who_speaks),
        WIRE_TEST(deep_bodies),
        WIRE_TEST(other_forms),
        WIRE_TEST(bad_answers_are_not_written),
        WIRE_TEST(long_integer_rows),
        WIRE_TEST(survives_failing_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
