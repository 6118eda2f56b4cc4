/* OpenAI's embeddings, in and out, as clients and servers really send them. */
#include "tests/unit/wire/wire_data.h"

#include <math.h>

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

int main(void) {
    const struct CMUnitTest tests[] = {
        WIRE_TEST(what_clients_send),
        WIRE_TEST(answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
