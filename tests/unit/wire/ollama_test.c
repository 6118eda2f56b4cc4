/* Ollama's routes: what its clients send, what it forgives, how it is asked itself. */
#include "tests/unit/wire/wire_data.h"

static void what_clients_send(void **state) {
    fixture *f = *state;
    vecna_wire_request r = parsed(f, "/api/embed", "{\"model\":\"m\",\"input\":[\"a\",\"\"]}");
    assert_int_equal(r.inputs_count, 2);
    assert_int_equal(r.inputs[1].text.bytes, 0);
    r = parsed(f, "/api/embed",
               "{\"model\":\"m\",\"input\":\"a\",\"truncate\":false,\"dimensions\":64,"
               "\"keep_alive\":\"5m\",\"options\":{\"num_ctx\":2048},\"whatever\":[1,{}]}");
    assert_int_equal(r.inputs_count, 1);
    assert_int_equal(r.truncate, VECNA_WIRE_TRUNCATE_REFUSE);
    assert_int_equal(r.dim, 64);
    r = parsed(f, "/api/embed", "{\"model\":\"m\"}");
    assert_int_equal(r.inputs_count, 0);
    r = parsed(f, "/api/embed", "{\"model\":\"m\",\"input\":\"\",\"dimensions\":0}");
    assert_int_equal(r.inputs_count, 0);
    assert_int_equal(r.dim, 0);
    r = parsed(f, "/api/embeddings", "{\"model\":\"m\",\"prompt\":\"hi\"}");
    assert_int_equal(r.inputs_count, 1);
    r = parsed(f, "/api/embeddings", "{\"model\":\"m\",\"prompt\":\"\"}");
    assert_int_equal(r.inputs_count, 0);
    r = parsed(f, "/api/show", "{\"model\":\"m\"}");
    assert_text("m", r.model);
    r = parsed(f, "/api/show", "{\"name\":\"n\",\"verbose\":true}");
    assert_text("n", r.model);
}

static void refuses(void **state) {
    static const struct {
        const char *target, *body, *param, *part;
    } cases[] = {
        {"/api/embed", "{}", "model", "model is required"},
        {"/api/embed", "{\"input\":\"a\"}", "model", "model is required"},
        {"/api/embed", "{\"model\":\"\",\"input\":\"a\"}", "model", "model is required"},
        {"/api/embed", "{\"model\":\"m\",\"input\":3}", "input", "invalid input type"},
        {"/api/embed", "{\"model\":\"m\",\"input\":[1,2]}", "input", "invalid input type"},
        {"/api/embed", "{\"model\":\"m\",\"input\":[\"a\",2]}", "input", "invalid input type"},
        {"/api/embed", "{\"model\":\"m\",\"input\":{}}", "input", "invalid input type"},
        {"/api/embed", "{\"model\":\"m\",\"input\":\"a\",\"truncate\":1}", "truncate", "boolean"},
        {"/api/embed", "{\"model\":\"m\",\"input\":\"a\",\"dimensions\":-1}", "dimensions", ">= 0"},
        {"/api/embed", "{\"model\":\"m\",\"input\":\"a\",\"model\":\"n\"}", "model", "twice"},
        {"/api/embed", "{\"model\":\"m\",\"input\":\"a\",\"api_base\":\"http://x\"}", "api_base",
         "configuration"},
        {"/api/embed", "{\"model\":\"m\",\"input\":\"a\"", "", "JSON"},
        {"/api/embed", "{\"model\":\"m\",\"input\":\"\xff\"}", "", "UTF-8"},
        {"/api/embeddings", "{\"model\":\"m\",\"prompt\":[\"a\"]}", "prompt", "string"},
        {"/api/show", "{}", "model", "required"},
        {"/api/show", "", "", "JSON"},
    };
    fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_refused(f, cases[i].target, cases[i].body, 400, cases[i].param, cases[i].part);
        assert_int_equal(f->failure.dialect, VECNA_WIRE_OLLAMA);
    }
}

static void answers(void **state) {
    fixture *f = *state;
    const float data[] = {0.5f, -0.25f};
    vecna_wire_answer answer = {
        .vectors = vecna_view_dense(data, 2, 1), .tokens = 4, .total_ns = 10, .load_ns = 1};
    vecna_wire_request r = parsed(f, "/api/embed", "{\"model\":\"m\",\"input\":[\"a\",\"b\"]}");
    assert_answer(f, &r, &answer,
                  "{\"model\":\"m\",\"embeddings\":[[0.5],[-0.25]],\"total_duration\":10,"
                  "\"load_duration\":1,\"prompt_eval_count\":4}");
    r = parsed(f, "/api/embed", "{\"model\":\"m\"}");
    answer.vectors.rows = 0;
    assert_answer(f, &r, &answer,
                  "{\"model\":\"m\",\"embeddings\":[],\"total_duration\":10,\"load_duration\":1,"
                  "\"prompt_eval_count\":4}");
    r = parsed(f, "/api/embeddings", "{\"model\":\"m\",\"prompt\":\"\"}");
    assert_answer(f, &r, &answer, "{\"embedding\":[]}");
    r = parsed(f, "/api/embeddings", "{\"model\":\"m\",\"prompt\":\"a\"}");
    answer.vectors = vecna_view_dense(data, 1, 2);
    assert_answer(f, &r, &answer, "{\"embedding\":[0.5,-0.25]}");
}

static void upstream(void **state) {
    fixture *f = *state;
    const vecna_wire_input inputs[] = {{.text = text_of("a")},
                                       {.text = text_of("b"), .suffix = text_of("!")}};
    vecna_wire_ask ask = {
        .dialect = VECNA_WIRE_OLLAMA, .inputs = inputs, .inputs_count = 2, .model = text_of("m")};
    vecna_wire_result r;
    assert_ask(&ask, "{\"model\":\"m\",\"input\":[\"a\",\"b!\"]}");
    ask.dim = 8;
    ask.truncate = VECNA_WIRE_TRUNCATE_REFUSE;
    assert_ask(&ask,
               "{\"model\":\"m\",\"input\":[\"a\",\"b!\"],\"truncate\":false,\"dimensions\":8}");
    r = read_answer(f, VECNA_WIRE_OLLAMA,
                    "{\"model\":\"all-minilm\",\"embeddings\":[[1,2],[3,4]],\"total_duration\":14,"
                    "\"prompt_eval_count\":8}",
                    2, 2);
    assert_int_equal(r.tokens, 8);
    assert_text("all-minilm", r.model);
    assert_bad_answer(f, VECNA_WIRE_OLLAMA, "{\"embeddings\":[[1,2],[3]]}", 2, 0, VECNA_ERR_DIM,
                      "1 dimensions for input 1, after 2");
    assert_bad_answer(f, VECNA_WIRE_OLLAMA, "{\"embedding\":[1,2]}", 1, 0, VECNA_ERR_FORMAT,
                      "without \"embeddings\"");
    assert_bad_answer(f, VECNA_WIRE_OLLAMA, "{\"error\":\"model not found\"}", 1, 0,
                      VECNA_ERR_FORMAT, "model not found");
    assert_bad_answer(f, VECNA_WIRE_OLLAMA, "{\"embeddings\":[]}", 1, 0, VECNA_ERR_DIM,
                      "0 vectors");
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
