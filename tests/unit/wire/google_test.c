/* Google's requests as both SDKs send them, answers as they read them. */
#include "tests/unit/wire/wire_data.h"

#include <stdio.h>

#define ONE "/v1beta/models/gemini-embedding-001:embedContent"
#define BATCH "/v1/models/gemini-embedding-001:batchEmbedContents"

static void what_clients_send(void **state) {
    fixture *f = *state;
    vecna_wire_request r =
        parsed(f, BATCH,
               "{\"requests\":[{\"content\":{\"parts\":[{\"text\":\"a\"}],\"role\":\"user\"},"
               "\"outputDimensionality\":768,\"model\":\"models/gemini-embedding-001\"}]}");
    assert_int_equal(r.inputs_count, 1);
    assert_text("a", r.inputs[0].text);
    assert_int_equal(r.dim, 768);
    assert_text("gemini-embedding-001", r.model);
    r = parsed(f, ONE,
               "{\"model\":\"models/gemini-embedding-001\",\"content\":{\"parts\":[{\"text\":"
               "\"one\"},{\"text\":\"t\\u0077o\"},{\"text\":\"\"}]},\"task_type\":"
               "\"RETRIEVAL_DOCUMENT\",\"title\":\"T\",\"output_dimensionality\":256}");
    assert_text("one\ntwo\n", r.inputs[0].text);
    assert_text("T", r.inputs[0].title);
    assert_int_equal(r.inputs[0].task, VECNA_WIRE_TASK_DOCUMENT);
    assert_int_equal(r.dim, 256);
    r = parsed(f, BATCH,
               "{\"requests\":[{\"content\":{\"parts\":[{\"text\":\"q\"}]},\"taskType\":"
               "\"RETRIEVAL_QUERY\"},{\"content\":{\"parts\":[{\"text\":\"c\"}]},\"taskType\":"
               "\"CODE_RETRIEVAL_QUERY\"}]}");
    assert_int_equal(r.inputs[0].task, VECNA_WIRE_TASK_QUERY);
    assert_int_equal(r.inputs[1].task, VECNA_WIRE_TASK_CODE_QUERY);
    r = parsed(f, ONE,
               "{\"content\":{\"parts\":[{\"text\":\"a\"}]},\"embedContentConfig\":{\"taskType\":"
               "\"CLUSTERING\",\"outputDimensionality\":3,\"autoTruncate\":false}}");
    assert_int_equal(r.inputs[0].task, VECNA_WIRE_TASK_CLUSTERING);
    assert_int_equal(r.truncate, VECNA_WIRE_TRUNCATE_REFUSE);
    assert_int_equal(r.dim, 3);
}

static void every_task(void **state) {
    static const char *const words[] = {
        "TASK_TYPE_UNSPECIFIED", "RETRIEVAL_QUERY",   "RETRIEVAL_DOCUMENT",
        "SEMANTIC_SIMILARITY",   "CLASSIFICATION",    "CLUSTERING",
        "QUESTION_ANSWERING",    "FACT_VERIFICATION", "CODE_RETRIEVAL_QUERY"};
    fixture *f = *state;
    for (size_t i = 0; i < 9; i++) {
        char body[160];
        vecna_wire_request r;
        snprintf(body, sizeof body,
                 "{\"content\":{\"parts\":[{\"text\":\"a\"}]},\"taskType\":\"%s\"}", words[i]);
        r = parsed(f, ONE, body);
        assert_int_equal(r.inputs[0].task, i);
    }
}

static void refuses(void **state) {
    static const struct {
        const char *target, *body, *param, *part;
    } cases[] = {
        {ONE, "{}", "content", "not specified"},
        {ONE, "[]", "", "JSON object"},
        {ONE, "{\"content\":null}", "content", "not specified"},
        {ONE, "{\"content\":\"a\"}", "content", "object"},
        {ONE, "{\"content\":{}}", "content", "empty"},
        {ONE, "{\"content\":{\"parts\":[]}}", "content", "empty"},
        {ONE, "{\"content\":{\"parts\":[{\"text\":\"\"}]}}", "content", "empty"},
        {ONE, "{\"content\":{\"parts\":{\"text\":\"a\"}}}", "parts", "array"},
        {ONE, "{\"content\":{\"parts\":[\"a\"]}}", "parts", "array"},
        {ONE, "{\"content\":{\"parts\":[{\"text\":3}]}}", "text", "expected a string"},
        {ONE, "{\"content\":{\"parts\":[{\"inlineData\":{\"data\":\"x\"}}]}}", "inlineData",
         "only text"},
        {ONE, "{\"content\":{\"parts\":[{\"text\":\"a\",\"text\":\"b\"}]}}", "text", "twice"},
        {ONE, "{\"content\":{\"parts\":[{\"text\":\"a\"}]},\"taskType\":\"X\"}", "taskType",
         "Invalid value"},
        {ONE,
         "{\"content\":{\"parts\":[{\"text\":\"a\"}]},\"taskType\":\"CLUSTERING\",\"task_type\":"
         "\"CLUSTERING\"}",
         "task_type", "twice"},
        {ONE, "{\"content\":{\"parts\":[{\"text\":\"a\"}]},\"title\":\"t\"}", "title",
         "RETRIEVAL_DOCUMENT"},
        {ONE, "{\"content\":{\"parts\":[{\"text\":\"a\"}]},\"outputDimensionality\":0}",
         "outputDimensionality", ">= 1"},
        {ONE, "{\"content\":{\"parts\":[{\"text\":\"a\"}]},\"outputDimensionality\":\"8\"}",
         "outputDimensionality", "integer"},
        {ONE, "{\"content\":{\"parts\":[{\"text\":\"a\"}]},\"foo\":1}", "", "Unknown name \"foo\""},
        {ONE, "{\"content\":{\"parts\":[{\"text\":\"a\"}]},\"model\":\"models/other\"}", "model",
         "not the model"},
        {BATCH, "{}", "requests", "not specified"},
        {BATCH, "{\"requests\":[]}", "requests", "not specified"},
        {BATCH, "{\"requests\":{}}", "requests", "array"},
        {BATCH, "{\"requests\":[1]}", "requests", "objects"},
        {BATCH, "{\"requests\":[{}]}", "content", "request 0"},
        {BATCH, "{\"requests\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}],\"requests\":[]}",
         "requests", "twice"},
        {BATCH,
         "{\"requests\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]},\"outputDimensionality\":2},"
         "{\"content\":{\"parts\":[{\"text\":\"a\"}]}}]}",
         "outputDimensionality", "same"},
        {BATCH, "{\"model\":\"models/x\",\"requests\":[]}", "model", "not the model"},
    };
    fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_refused(f, cases[i].target, cases[i].body, 400, cases[i].param, cases[i].part);
        assert_int_equal(f->failure.dialect, VECNA_WIRE_GOOGLE);
    }
}

static void a_hundred_and_no_more(void **state) {
    static const char one[] = "{\"content\":{\"parts\":[{\"text\":\"a\"}]}}";
    fixture *f = *state;
    for (size_t count = 100; count <= 101; count++) {
        vecna_json_writer w;
        char *body;
        vecna_json_writer_init(&w, 0, NULL);
        vecna_json_write_object_begin(&w);
        vecna_json_write_key(&w, "requests");
        vecna_json_write_array_begin(&w);
        for (size_t i = 0; i < count; i++)
            vecna_json_write_raw(&w, one, strlen(one));
        vecna_json_write_array_end(&w);
        vecna_json_write_object_end(&w);
        body = calloc(w.bytes + 1, 1);
        memcpy(body, w.text, w.bytes);
        if (count == 100)
            assert_int_equal(parsed(f, BATCH, body).inputs_count, 100);
        else
            assert_refused(f, BATCH, body, 400, "requests", "at most 100 requests");
        free(body);
        vecna_json_writer_free(&w);
    }
}

static void answers(void **state) {
    fixture *f = *state;
    const float data[] = {0.5f, -0.25f, 1.0f, 0.1f};
    vecna_wire_answer answer = {.vectors = vecna_view_dense(data, 1, 4)};
    vecna_wire_request r = parsed(f, ONE, "{\"content\":{\"parts\":[{\"text\":\"a\"}]}}");
    assert_answer(f, &r, &answer, "{\"embedding\":{\"values\":[0.5,-0.25,1.0,0.1]}}");
    answer.vectors = vecna_view_dense(data, 2, 2);
    answer.tokens = 3;
    r = parsed(f, BATCH,
               "{\"requests\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}},{\"content\":{"
               "\"parts\":[{\"text\":\"b\"}]}}]}");
    assert_answer(f, &r, &answer,
                  "{\"embeddings\":[{\"values\":[0.5,-0.25]},{\"values\":[1.0,0.1]}],"
                  "\"usageMetadata\":{\"promptTokenCount\":3}}");
}

static void upstream(void **state) {
    fixture *f = *state;
    const vecna_wire_input inputs[] = {
        {.text = text_of("a\"b"), .prefix = text_of("p: "), .task = VECNA_WIRE_TASK_QUERY},
        {.text = text_of("c"), .title = text_of("T"), .task = VECNA_WIRE_TASK_DOCUMENT}};
    vecna_wire_ask ask = {.dialect = VECNA_WIRE_GOOGLE,
                          .inputs = inputs,
                          .inputs_count = 2,
                          .model = text_of("gemini-embedding-001"),
                          .dim = 4};
    vecna_wire_result r;
    assert_ask(&ask, "{\"requests\":[{\"model\":\"models/gemini-embedding-001\",\"content\":{"
                     "\"parts\":[{\"text\":\"p: a\\\"b\"}]},\"taskType\":\"RETRIEVAL_QUERY\","
                     "\"outputDimensionality\":4},{\"model\":\"models/gemini-embedding-001\","
                     "\"content\":{\"parts\":[{\"text\":\"c\"}]},\"taskType\":"
                     "\"RETRIEVAL_DOCUMENT\",\"title\":\"T\",\"outputDimensionality\":4}]}");
    r = read_answer(f, VECNA_WIRE_GOOGLE,
                    "{\"embeddings\":[{\"values\":[1,2]},{\"values\":[3,4.5]}],\"usageMetadata\":{"
                    "\"promptTokenCount\":9}}",
                    2, 0);
    assert_int_equal(r.vectors.dim, 2);
    assert_true(r.vectors.data[3] == 4.5f);
    assert_int_equal(r.tokens, 9);
    assert_bad_answer(f, VECNA_WIRE_GOOGLE, "{\"embeddings\":[{\"values\":[1,2]}]}", 2, 0,
                      VECNA_ERR_DIM, "1 vectors for 2 inputs");
    assert_bad_answer(f, VECNA_WIRE_GOOGLE, "{\"embeddings\":[{\"value\":[1,2]}]}", 1, 0,
                      VECNA_ERR_FORMAT, "values");
    assert_bad_answer(f, VECNA_WIRE_GOOGLE, "{\"embeddings\":[[1,2]]}", 1, 0, VECNA_ERR_FORMAT,
                      "objects");
    assert_bad_answer(f, VECNA_WIRE_GOOGLE,
                      "{\"embeddings\":[{\"values\":[1,2],\"values\":[1,2]}]}", 1, 0,
                      VECNA_ERR_FORMAT, "twice");
    assert_bad_answer(f, VECNA_WIRE_GOOGLE, "{\"error\":{\"code\":400,\"message\":\"no\"}}", 1, 0,
                      VECNA_ERR_FORMAT, "answers with an error: no");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WIRE_TEST(what_clients_send),     WIRE_TEST(every_task), WIRE_TEST(refuses),
        WIRE_TEST(a_hundred_and_no_more), WIRE_TEST(answers),    WIRE_TEST(upstream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
