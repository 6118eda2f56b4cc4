/* Cohere's v2/embed: several forms at once, parts of an input joined. */
#include "tests/unit/wire/wire_data.h"

#define EMBED "/v2/embed"

static void what_clients_send(void **state) {
    fixture *f = *state;
    vecna_wire_request r =
        parsed(f, EMBED,
               "{\"texts\":[\"a\",\"b\"],\"model\":\"embed-v4.0\",\"input_type\":\"search_query\","
               "\"embedding_types\":[\"float\"]}");
    assert_int_equal(r.inputs_count, 2);
    assert_int_equal(r.inputs[1].task, VECNA_WIRE_TASK_QUERY);
    assert_int_equal(r.forms, VECNA_WIRE_FLOAT);
    r = parsed(f, EMBED,
               "{\"model\":\"m\",\"input_type\":\"clustering\",\"truncate\":\"START\","
               "\"output_dimension\":256,\"embedding_types\":[\"int8\",\"base64\",\"ubinary\"],"
               "\"inputs\":[{\"content\":[{\"type\":\"text\",\"text\":\"x\"},{\"type\":\"text\","
               "\"text\":\"y\"}]},{\"content\":[{\"type\":\"text\",\"text\":\"z\"}]}]}");
    assert_int_equal(r.inputs_count, 2);
    assert_text("x\ny", r.inputs[0].text);
    assert_text("z", r.inputs[1].text);
    assert_int_equal(r.forms, VECNA_WIRE_INT8 | VECNA_WIRE_BASE64 | VECNA_WIRE_UBINARY);
    assert_int_equal(r.dim, 256);
    assert_int_equal(r.truncate, VECNA_WIRE_TRUNCATE_START);
    assert_int_equal(r.inputs[0].task, VECNA_WIRE_TASK_CLUSTERING);
}

static void refuses(void **state) {
    static const struct {
        const char *body, *param, *part;
    } cases[] = {
        {"{\"texts\":[\"a\"],\"input_type\":\"search_query\"}", "model", "model is required"},
        {"{\"texts\":[\"a\"],\"model\":\"m\"}", "input_type", "input_type must be"},
        {"{\"texts\":[\"a\"],\"model\":\"m\",\"input_type\":null}", "input_type", "must be"},
        {"{\"texts\":[\"a\"],\"model\":\"m\",\"input_type\":\"query\"}", "input_type", "Invalid"},
        {"{\"texts\":[\"a\"],\"model\":\"m\",\"input_type\":\"image\"}", "input_type", "images"},
        {"{\"model\":\"m\",\"input_type\":\"clustering\"}", "texts", "texts"},
        {"{\"texts\":[],\"model\":\"m\",\"input_type\":\"clustering\"}", "texts", "empty"},
        {"{\"texts\":\"a\",\"model\":\"m\",\"input_type\":\"clustering\"}", "texts", "array"},
        {"{\"texts\":[1],\"model\":\"m\",\"input_type\":\"clustering\"}", "texts", "string"},
        {"{\"texts\":[\"a\"],\"inputs\":[],\"model\":\"m\",\"input_type\":\"clustering\"}",
         "inputs", "exclude"},
        {"{\"images\":[\"data:\"],\"model\":\"m\",\"input_type\":\"image\"}", "images", "images"},
        {"{\"inputs\":[{}],\"model\":\"m\",\"input_type\":\"clustering\"}", "inputs", "no content"},
        {"{\"inputs\":[\"a\"],\"model\":\"m\",\"input_type\":\"clustering\"}", "inputs", "object"},
        {"{\"inputs\":[{\"content\":[{\"type\":\"image_url\",\"image_url\":{}}]}],\"model\":\"m\","
         "\"input_type\":\"clustering\"}",
         "type", "Invalid value"},
        {"{\"texts\":[\"a\"],\"model\":\"m\",\"input_type\":\"clustering\",\"embedding_types\":["
         "\"float16\"]}",
         "embedding_types", "Supported"},
        {"{\"texts\":[\"a\"],\"model\":\"m\",\"input_type\":\"clustering\",\"max_tokens\":5}",
         "max_tokens", "not supported"},
        {"{\"texts\":[\"a\"],\"model\":\"m\",\"input_type\":\"clustering\",\"truncate\":\"end\"}",
         "truncate", "NONE"},
        {"{\"texts\":[\"a\"],\"model\":\"m\",\"input_type\":\"clustering\",\"foo\":\"end\"}", "",
         "unknown field"},
    };
    fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_refused(f, EMBED, cases[i].body, 400, cases[i].param, cases[i].part);
        assert_int_equal(f->failure.dialect, VECNA_WIRE_COHERE);
    }
}

static void answers(void **state) {
    fixture *f = *state;
    const float data[] = {0.5f, -0.5f, 0.0f, 1.0f, -1.0f, 0.25f, 0.125f, 0.0f, 0.75f};
    vecna_wire_answer answer = {
        .vectors = vecna_view_dense(data, 1, 9), .tokens = 4, .id = text_of("r1")};
    vecna_wire_request r = parsed(
        f, EMBED,
        "{\"texts\":[\"a\"],\"model\":\"m\",\"input_type\":\"clustering\",\"embedding_types\":["
        "\"float\",\"int8\",\"uint8\",\"binary\",\"ubinary\"]}");
    assert_answer(
        f, &r, &answer,
        "{\"id\":\"r1\",\"embeddings\":{\"float\":[[0.5,-0.5,0.0,1.0,-1.0,0.25,0.125,0.0,"
        "0.75]],\"int8\":[[64,-64,0,127,-127,32,16,0,95]],\"uint8\":[[192,64,128,255,1,"
        "160,144,128,223]],\"binary\":[[22,0]],\"ubinary\":[[150,128]]},\"texts\":[\"a\"],"
        "\"meta\":{\"api_version\":{\"version\":\"2\"},\"billed_units\":{"
        "\"input_tokens\":4}},\"response_type\":\"embeddings_by_type\"}");
    r = parsed(f, EMBED,
               "{\"texts\":[\"a\",\"b\"],\"model\":\"m\",\"input_type\":\"clustering\","
               "\"embedding_types\":[\"base64\"]}");
    answer.vectors = vecna_view_dense(data, 2, 1);
    assert_answer(
        f, &r, &answer,
        "{\"id\":\"r1\",\"embeddings\":{\"base64\":[\"AAAAPw==\",\"AAAAvw==\"]},"
        "\"texts\":[\"a\",\"b\"],\"meta\":{\"api_version\":{\"version\":\"2\"},"
        "\"billed_units\":{\"input_tokens\":4}},\"response_type\":\"embeddings_by_type\"}");
}

static void upstream(void **state) {
    fixture *f = *state;
    const vecna_wire_input inputs[] = {{.text = text_of("a"), .task = VECNA_WIRE_TASK_FACT}};
    vecna_wire_ask ask = {
        .dialect = VECNA_WIRE_COHERE, .inputs = inputs, .inputs_count = 1, .model = text_of("m")};
    vecna_wire_result r;
    assert_ask(&ask, "{\"model\":\"m\",\"texts\":[\"a\"],\"input_type\":\"search_query\","
                     "\"embedding_types\":[\"float\"]}");
    ask.base64 = 1;
    ask.dim = 8;
    ask.truncate = VECNA_WIRE_TRUNCATE_END;
    assert_ask(&ask, "{\"model\":\"m\",\"texts\":[\"a\"],\"input_type\":\"search_query\","
                     "\"embedding_types\":[\"base64\"],\"output_dimension\":8,\"truncate\":"
                     "\"END\"}");
    r = read_answer(f, VECNA_WIRE_COHERE,
                    "{\"id\":\"x\",\"embeddings\":{\"float\":[[1,2]]},\"texts\":[\"a\"],\"meta\":{"
                    "\"api_version\":{\"version\":\"2\"},\"billed_units\":{\"input_tokens\":3}}}",
                    1, 2);
    assert_int_equal(r.tokens, 3);
    assert_int_equal(r.base64, 0);
    r = read_answer(f, VECNA_WIRE_COHERE, "{\"embeddings\":{\"base64\":[\"AAAAPwAAgL4=\"]}}", 1, 0);
    assert_int_equal(r.base64, 1);
    assert_true(r.vectors.data[1] == -0.25f);
    r = read_answer(f, VECNA_WIRE_COHERE, "{\"embeddings\":[[1,2]]}", 1, 2);
    assert_bad_answer(f, VECNA_WIRE_COHERE, "{\"embeddings\":{\"int8\":[[1,2]]}}", 1, 0,
                      VECNA_ERR_FORMAT, "neither");
    assert_bad_answer(f, VECNA_WIRE_COHERE,
                      "{\"embeddings\":{\"float\":[[1]],\"base64\":[\"AAAAPw==\"]}}", 1, 0,
                      VECNA_ERR_FORMAT, "twice");
    assert_bad_answer(f, VECNA_WIRE_COHERE, "{\"message\":\"no\"}", 1, 0, VECNA_ERR_FORMAT,
                      "without");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WIRE_TEST(what_clients_send),
        WIRE_TEST(refuses),
        WIRE_TEST(answers),
        WIRE_TEST(upstream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
