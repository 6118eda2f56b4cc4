/* The upstream side over OpenAI's shape and its relatives: requests as the servers want them, and
 * every way in which an answer can be wrong. */
#include "tests/unit/wire/wire_data.h"

#include <stdio.h>

static void requests(void **state) {
    const vecna_wire_input inputs[] = {
        {.text = text_of("a"), .prefix = text_of("query: "), .task = VECNA_WIRE_TASK_QUERY},
        {.text = text_of("b\xc3\xa9\n"), .suffix = text_of(" </s>")}};
    const uint32_t ids[] = {1, 70000};
    const vecna_wire_input tokens[] = {{.tokens = ids, .tokens_count = 2}};
    vecna_wire_ask ask = {
        .dialect = VECNA_WIRE_OPENAI, .inputs = inputs, .inputs_count = 2, .model = text_of("m")};
    vecna_json_writer writer;
    (void)state;
    assert_ask(&ask, "{\"input\":[\"query: a\",\"b\xc3\xa9\\n </s>\"],\"model\":\"m\","
                     "\"encoding_format\":\"float\"}");
    ask.base64 = 1;
    ask.dim = 512;
    ask.user = text_of("u");
    assert_ask(&ask, "{\"input\":[\"query: a\",\"b\xc3\xa9\\n </s>\"],\"model\":\"m\","
                     "\"encoding_format\":\"base64\",\"dimensions\":512,\"user\":\"u\"}");
    ask.dialect = VECNA_WIRE_VOYAGE;
    ask.truncate = VECNA_WIRE_TRUNCATE_END;
    assert_ask(&ask, "{\"input\":[\"query: a\",\"b\xc3\xa9\\n </s>\"],\"model\":\"m\","
                     "\"input_type\":\"query\",\"truncation\":true,\"output_dimension\":512,"
                     "\"encoding_format\":\"base64\"}");
    ask.dialect = VECNA_WIRE_JINA;
    assert_ask(&ask, "{\"input\":[\"query: a\",\"b\xc3\xa9\\n </s>\"],\"model\":\"m\",\"task\":"
                     "\"retrieval.query\",\"truncate\":true,\"dimensions\":512,"
                     "\"embedding_type\":\"base64\"}");
    ask.dialect = VECNA_WIRE_MISTRAL;
    assert_ask(&ask, "{\"input\":[\"query: a\",\"b\xc3\xa9\\n </s>\"],\"model\":\"m\","
                     "\"output_dimension\":512,\"encoding_format\":\"base64\"}");
    ask = (vecna_wire_ask){
        .dialect = VECNA_WIRE_VOYAGE, .inputs = inputs, .inputs_count = 1, .model = text_of("m")};
    assert_ask(&ask, "{\"input\":[\"query: a\"],\"model\":\"m\",\"input_type\":\"query\"}");
    ask.dialect = VECNA_WIRE_TEI;
    assert_ask(&ask, "{\"inputs\":[\"query: a\"]}");
    ask.truncate = VECNA_WIRE_TRUNCATE_START;
    ask.dim = 4;
    assert_ask(&ask, "{\"inputs\":[\"query: a\"],\"truncate\":true,\"truncation_direction\":"
                     "\"left\",\"dimensions\":4}");
    ask = (vecna_wire_ask){
        .dialect = VECNA_WIRE_OPENAI, .inputs = tokens, .inputs_count = 1, .model = text_of("m")};
    assert_ask(&ask, "{\"input\":[[1,70000]],\"model\":\"m\",\"encoding_format\":\"float\"}");
    ask.dialect = VECNA_WIRE_OLLAMA;
    vecna_json_writer_init(&writer, 0, NULL);
    assert_status(VECNA_ERR_UNSUPPORTED, vecna_wire_ask_write(&ask, &writer, NULL));
    vecna_json_writer_free(&writer);
}

static void paths(void **state) {
    static const struct {
        vecna_wire_dialect dialect;
        const char *base, *model, *path;
    } cases[] = {
        {VECNA_WIRE_OPENAI, "", "m", "/v1/embeddings"},
        {VECNA_WIRE_OPENAI, "/", "m", "/v1/embeddings"},
        {VECNA_WIRE_OPENAI, "/v1", "m", "/v1/embeddings"},
        {VECNA_WIRE_OPENAI, "/v1/", "m", "/v1/embeddings"},
        {VECNA_WIRE_OPENAI, "/v1/embeddings", "m", "/v1/embeddings"},
        {VECNA_WIRE_OPENAI, "/openai/v1", "m", "/openai/v1/embeddings"},
        {VECNA_WIRE_OPENAI, "/openai", "m", "/openai/embeddings"},
        {VECNA_WIRE_OPENAI, "/v1beta/openai/", "m", "/v1beta/openai/embeddings"},
        {VECNA_WIRE_GOOGLE, "", "gemini-embedding-001",
         "/v1beta/models/gemini-embedding-001:batchEmbedContents"},
        {VECNA_WIRE_GOOGLE, "/v1", "models/a/b c", "/v1/models/a%2Fb%20c:batchEmbedContents"},
        {VECNA_WIRE_OLLAMA, "", "m", "/api/embed"},
        {VECNA_WIRE_OLLAMA, "/api", "m", "/api/embed"},
        {VECNA_WIRE_OLLAMA, "/ollama", "m", "/ollama/api/embed"},
        {VECNA_WIRE_TEI, "", "m", "/embed"},
        {VECNA_WIRE_TEI, "/tei", "m", "/tei/embed"},
        {VECNA_WIRE_COHERE, "", "m", "/v2/embed"},
        {VECNA_WIRE_COHERE, "/v2", "m", "/v2/embed"},
        {VECNA_WIRE_VOYAGE, "", "m", "/v1/embeddings"},
        {VECNA_WIRE_VOYAGE, "/v1", "m", "/v1/embeddings"},
        {VECNA_WIRE_JINA, "", "m", "/v1/embeddings"},
    };
    fixture *f = *state;
    const char *name, *before;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vecna_wire_text path;
        assert_status(VECNA_OK,
                      vecna_wire_ask_path(cases[i].dialect, text_of(cases[i].base),
                                          text_of(cases[i].model), &f->arena, &path, NULL));
        assert_text(cases[i].path, path);
    }
    vecna_wire_ask_key_header(VECNA_WIRE_GOOGLE, &name, &before);
    assert_string_equal(name, "x-goog-api-key");
    vecna_wire_ask_key_header(VECNA_WIRE_OPENAI, &name, &before);
    assert_string_equal(before, "Bearer ");
    assert_int_equal(vecna_wire_ask_inputs_max(VECNA_WIRE_TEI), 32);
    assert_int_equal(vecna_wire_ask_inputs_max(VECNA_WIRE_GOOGLE), 100);
}

static void answers(void **state) {
    fixture *f = *state;
    vecna_wire_result r = read_answer(
        f, VECNA_WIRE_OPENAI,
        "{\"object\":\"list\",\"data\":[{\"object\":\"embedding\",\"index\":1,\"embedding\":[3,4]},"
        "{\"embedding\":[5,6],\"index\":2},{\"index\":0,\"embedding\":[1,2e0]}],\"model\":"
        "\"text-\\u0065mbedding\",\"usage\":{\"prompt_tokens\":5,\"total_tokens\":6},\"id\":null}",
        3, 2);
    for (size_t i = 0; i < 6; i++)
        assert_true(r.vectors.data[i] == (float)(i + 1));
    assert_int_equal(r.tokens, 5);
    assert_text("text-embedding", r.model);
    assert_int_equal(r.base64, 0);
    r = read_answer(f, VECNA_WIRE_OPENAI,
                    "{\"data\":[{\"index\":0,\"embedding\":\"AAAAPwAAgL4=\"}],\"usage\":{"
                    "\"total_tokens\":7}}",
                    1, 0);
    assert_int_equal(r.vectors.dim, 2);
    assert_true(r.vectors.data[0] == 0.5f && r.vectors.data[1] == -0.25f);
    assert_int_equal(r.base64, 1);
    assert_int_equal(r.tokens, 7);
    /* PHP escapes slashes: 0xFFFFFF.. would be NaN, so a value whose base64 has one */
    r = read_answer(f, VECNA_WIRE_OPENAI, "{\"data\":[{\"embedding\":\"\\/\\/9\\/Pw==\"}]}", 1, 1);
    assert_true(r.vectors.data[0] == 0x1.fffffep-1f);
    /* llama-server's own route: the list alone */
    r = read_answer(f, VECNA_WIRE_OPENAI, "[{\"index\":0,\"embedding\":[1,2,3]}]", 1, 0);
    assert_int_equal(r.vectors.dim, 3);
    r = read_answer(f, VECNA_WIRE_TEI, "[[1,2,3],[4,5,6]]", 2, 3);
    assert_true(r.vectors.data[5] == 6);
    r = read_answer(f, VECNA_WIRE_VOYAGE,
                    "{\"object\":\"list\",\"data\":[{\"object\":\"embedding\",\"embedding\":[1],"
                    "\"index\":0}],\"model\":\"voyage-3\",\"usage\":{\"total_tokens\":10}}",
                    1, 1);
    assert_int_equal(r.tokens, 10);
}

static void into_memory_of_the_caller(void **state) {
    fixture *f = *state;
    float data[12];
    vecna_wire_expect expect = {
        .dialect = VECNA_WIRE_OPENAI, .rows = 3, .dim = 2, .data = data, .stride = 4};
    static const char body[] = "{\"data\":[{\"index\":2,\"embedding\":[5,6]},{\"index\":0,"
                               "\"embedding\":[1,2]},{\"index\":1,\"embedding\":[3,4]}]}";
    vecna_wire_result r;
    for (size_t i = 0; i < 12; i++)
        data[i] = -1;
    assert_status(VECNA_OK,
                  vecna_wire_result_read(body, sizeof body - 1, &expect, &f->arena, &r, NULL));
    assert_ptr_equal(r.vectors.data, data);
    assert_int_equal(r.vectors.stride, 4);
    for (size_t i = 0; i < 12; i++)
        assert_true(data[i] == (i % 4 < 2 ? (float)(i / 4 * 2 + i % 4 + 1) : -1));
}

static void every_order(void **state) {
    fixture *f = *state;
    vecna_random random;
    vecna_random_seed(&random, 3, 0);
    for (size_t round = 0; round < 50; round++) {
        enum { ROWS = 17 };
        size_t order[ROWS];
        vecna_json_writer w;
        vecna_wire_expect expect = {.dialect = VECNA_WIRE_OPENAI, .rows = ROWS};
        vecna_wire_result r;
        for (size_t i = 0; i < ROWS; i++)
            order[i] = i;
        vecna_random_shuffle(&random, order, ROWS);
        vecna_json_writer_init(&w, 0, NULL);
        vecna_json_write_object_begin(&w);
        vecna_json_write_key(&w, "data");
        vecna_json_write_array_begin(&w);
        for (size_t i = 0; i < ROWS; i++) {
            const float row[] = {(float)order[i] + 1, 0.5f};
            vecna_json_write_object_begin(&w);
            vecna_json_write_key(&w, "index");
            vecna_json_write_u64(&w, order[i]);
            vecna_json_write_key(&w, "embedding");
            if (i % 2)
                vecna_json_write_base64(&w, row, sizeof row);
            else
                vecna_json_write_floats(&w, row, 2);
            vecna_json_write_object_end(&w);
        }
        vecna_json_write_array_end(&w);
        vecna_json_write_object_end(&w);
        assert_status(VECNA_OK,
                      vecna_wire_result_read(w.text, w.bytes, &expect, &f->arena, &r, NULL));
        for (size_t i = 0; i < ROWS; i++)
            assert_true(r.vectors.data[i * 2] == (float)i + 1);
        vecna_json_writer_free(&w);
    }
}

static void faults(void **state) {
    static const struct {
        const char *body;
        size_t rows, dim;
        vecna_status status;
        const char *part;
    } cases[] = {
        {"", 1, 0, VECNA_ERR_TRUNCATED, "breaks off"},
        {"{\"data\":[{\"index\":0,\"embedding\":[1,2", 1, 0, VECNA_ERR_TRUNCATED, "breaks off"},
        {"{\"data\":[{\"index\":0,\"embedding\":[1,2]}", 1, 2, VECNA_ERR_TRUNCATED, "breaks off"},
        {"<html>", 1, 0, VECNA_ERR_FORMAT, "no valid JSON"},
        {"{\"data\":[{\"index\":0,\"embedding\":[1,2]}]} x", 1, 0, VECNA_ERR_FORMAT, "JSON"},
        {"null", 1, 0, VECNA_ERR_FORMAT, "without \"data\""},
        {"{}", 1, 0, VECNA_ERR_FORMAT, "without \"data\""},
        {"{\"data\":null}", 1, 0, VECNA_ERR_FORMAT, "without \"data\""},
        {"{\"data\":{}}", 1, 0, VECNA_ERR_DIM, "0 vectors for 1"},
        {"{\"data\":[]}", 1, 0, VECNA_ERR_DIM, "0 vectors for 1 inputs"},
        {"{\"data\":[1]}", 1, 0, VECNA_ERR_FORMAT, "no objects"},
        {"{\"data\":[{\"index\":0}]}", 1, 0, VECNA_ERR_FORMAT, "without an embedding"},
        {"{\"data\":[{\"embedding\":null}]}", 1, 0, VECNA_ERR_VALUE, "null"},
        {"{\"data\":[{\"embedding\":7}]}", 1, 0, VECNA_ERR_FORMAT, "instead of a vector"},
        {"{\"data\":[{\"embedding\":{}}]}", 1, 0, VECNA_ERR_FORMAT, "instead of a vector"},
        {"{\"data\":[{\"embedding\":[]}]}", 1, 0, VECNA_ERR_DIM, "empty vector"},
        {"{\"data\":[{\"embedding\":\"\"}]}", 1, 0, VECNA_ERR_DIM, "empty vector"},
        {"{\"data\":[{\"embedding\":[]}]}", 1, 2, VECNA_ERR_DIM, "0 dimensions"},
        {"{\"data\":[{\"embedding\":[1,2]}]}", 2, 0, VECNA_ERR_DIM, "1 vectors for 2"},
        {"{\"data\":[{\"embedding\":[1]},{\"embedding\":[2]}]}", 1, 0, VECNA_ERR_DIM,
         "more than 1"},
        {"{\"data\":[{\"embedding\":[1,2,3]}]}", 1, 2, VECNA_ERR_DIM,
         "3 dimensions for input 0, where 2"},
        {"{\"data\":[{\"embedding\":[1]}]}", 1, 2, VECNA_ERR_DIM, "1 dimensions for input 0"},
        {"{\"data\":[{\"embedding\":[1,2]},{\"embedding\":[1,2,3]}]}", 2, 0, VECNA_ERR_DIM,
         "3 dimensions for input 1, after 2"},
        {"{\"data\":[{\"embedding\":\"AAAAPwAAgL4=\"}]}", 1, 1, VECNA_ERR_DIM, "2 dimensions"},
        {"{\"data\":[{\"embedding\":\"AAAAPw==\"}]}", 1, 2, VECNA_ERR_DIM, "1 dimensions"},
        {"{\"data\":[{\"embedding\":\"AAAAPwA=\"}]}", 1, 2, VECNA_ERR_FORMAT, "no float32"},
        {"{\"data\":[{\"embedding\":\"AAAAPw=\"}]}", 1, 1, VECNA_ERR_FORMAT, "bad base64"},
        {"{\"data\":[{\"embedding\":\"AA*APw==\"}]}", 1, 1, VECNA_ERR_FORMAT, "bad base64"},
        {"{\"data\":[{\"embedding\":[1,null]}]}", 1, 2, VECNA_ERR_VALUE, "null"},
        {"{\"data\":[{\"embedding\":[null,null]}]}", 1, 0, VECNA_ERR_VALUE, "null"},
        {"{\"data\":[{\"embedding\":[1,NaN]}]}", 1, 2, VECNA_ERR_VALUE, "NaN"},
        {"{\"data\":[{\"embedding\":[1,-Infinity]}]}", 1, 2, VECNA_ERR_VALUE, "infinity"},
        {"{\"data\":[{\"embedding\":[1,1e39]}]}", 1, 2, VECNA_ERR_VALUE, "infinity"},
        {"{\"data\":[{\"embedding\":\"AADAfw==\"}]}", 1, 1, VECNA_ERR_VALUE, "NaN"},
        {"{\"data\":[{\"embedding\":[0,-0.0]}]}", 1, 2, VECNA_ERR_VALUE, "zeros"},
        {"{\"data\":[{\"embedding\":\"AAAAAA==\"}]}", 1, 1, VECNA_ERR_VALUE, "zeros"},
        {"{\"data\":[{\"embedding\":[\"1\",2]}]}", 1, 2, VECNA_ERR_FORMAT, "no number"},
        {"{\"data\":[{\"embedding\":[1,true]}]}", 1, 2, VECNA_ERR_FORMAT, "no number"},
        {"{\"data\":[{\"embedding\":[[1,2],[3,4]],\"index\":0}]}", 1, 0, VECNA_ERR_FORMAT,
         "one vector for each token"},
        {"{\"data\":[{\"embedding\":[[1,2],[3,4]],\"index\":0}]}", 1, 2, VECNA_ERR_FORMAT,
         "one vector for each token"},
        {"{\"data\":[{\"embedding\":[ [1]]}]}", 1, 2, VECNA_ERR_FORMAT, "each token"},
        {"{\"data\":[{\"index\":1,\"embedding\":[1]}]}", 1, 0, VECNA_ERR_FORMAT, "index 1, of 1"},
        {"{\"data\":[{\"index\":0,\"embedding\":[1]},{\"index\":0,\"embedding\":[2]}]}", 2, 0,
         VECNA_ERR_FORMAT, "two vectors the index 0"},
        {"{\"data\":[{\"index\":0,\"embedding\":[1]},{\"embedding\":[2]}]}", 2, 0, VECNA_ERR_FORMAT,
         "1 of 2 vectors only"},
        {"{\"data\":[{\"index\":-1,\"embedding\":[1]}]}", 1, 0, VECNA_ERR_FORMAT, "that is none"},
        {"{\"data\":[{\"index\":\"0\",\"embedding\":[1]}]}", 1, 0, VECNA_ERR_FORMAT,
         "that is none"},
        {"{\"data\":[{\"index\":0.5,\"embedding\":[1]}]}", 1, 0, VECNA_ERR_FORMAT, "that is none"},
        {"{\"data\":[{\"index\":0,\"index\":0,\"embedding\":[1]}]}", 1, 0, VECNA_ERR_FORMAT,
         "that is none"},
        {"{\"data\":[{\"index\":18446744073709551616,\"embedding\":[1]}]}", 1, 0, VECNA_ERR_FORMAT,
         "that is none"},
        {"{\"data\":[{\"embedding\":[1],\"embedding\":[1]}]}", 2, 0, VECNA_ERR_FORMAT, "twice"},
        {"{\"data\":[{\"embedding\":[1]}],\"data\":[{\"embedding\":[1]}]}", 2, 0, VECNA_ERR_FORMAT,
         "\"data\" twice"},
        {"{\"error\":{\"message\":\"model \\\"m\\\" not found\"}}", 1, 0, VECNA_ERR_FORMAT,
         "model \"m\" not found"},
        {"{\"data\":[{\"embedding\":\"\xff\"}]}", 1, 0, VECNA_ERR_FORMAT, "UTF-8"},
        {"{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}", 1, 0,
         VECNA_ERR_UNSUPPORTED, "nested"},
    };
    fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_bad_answer(f, VECNA_WIRE_OPENAI, cases[i].body, cases[i].rows, cases[i].dim,
                          cases[i].status, cases[i].part);
    assert_bad_answer(f, VECNA_WIRE_TEI, "[[1,2],[3,4]]", 1, 0, VECNA_ERR_DIM, "more than 1");
    assert_bad_answer(f, VECNA_WIRE_TEI, "[[[1,2],[3,4]]]", 1, 0, VECNA_ERR_FORMAT, "each token");
    assert_bad_answer(f, VECNA_WIRE_TEI, "{\"error\":\"overloaded\",\"error_type\":\"x\"}", 1, 0,
                      VECNA_ERR_FORMAT, "overloaded");
}

static vecna_status read_with(void *user, const vecna_allocator *allocator, vecna_error *err) {
    static const char body[] = "{\"model\":\"\\u006d\",\"data\":[{\"index\":1,\"embedding\":[1,2]},"
                               "{\"index\":0,\"embedding\":\"AAAAPwAAgL4=\"}]}";
    vecna_wire_expect expect = {.dialect = VECNA_WIRE_OPENAI, .rows = 2};
    vecna_wire_result result;
    vecna_arena arena;
    vecna_status status;
    (void)user;
    vecna_arena_init(&arena, 0, allocator);
    status = vecna_wire_result_read(body, sizeof body - 1, &expect, &arena, &result, err);
    vecna_arena_free(&arena);
    return status;
}

static void survives_failing_memory(void **state) {
    (void)state;
    assert_survives_failing_memory(read_with, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WIRE_TEST(requests),
        WIRE_TEST(paths),
        WIRE_TEST(answers),
        WIRE_TEST(every_order),
        WIRE_TEST(faults),
        WIRE_TEST(into_memory_of_the_caller),
        WIRE_TEST(survives_failing_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
