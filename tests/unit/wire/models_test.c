/* Model lists as servers send them and as clients expect them; which server it is. */
#include "tests/unit/wire/wire_data.h"

static const vecna_wire_model *read_models(fixture *f, vecna_wire_dialect dialect, const char *body,
                                           size_t expected) {
    const vecna_wire_model *models = NULL;
    size_t count = 99;
    vecna_error err = {VECNA_OK, -1, ""};
    assert_status(VECNA_OK, vecna_wire_models_read(dialect, exact(f, body), strlen(body), &f->arena,
                                                   &models, &count, &err));
    assert_int_equal(count, expected);
    return models;
}

static void lists_in(void **state) {
    fixture *f = *state;
    const vecna_wire_model *m = read_models(
        f, VECNA_WIRE_OPENAI,
        "{\"object\":\"list\",\"data\":[{\"id\":\"text-embedding-3-small\",\"object\":\"model\","
        "\"created\":1705948997,\"owned_by\":\"system\"},{\"id\":\"b\"}]}",
        2);
    assert_text("text-embedding-3-small", m[0].id);
    assert_text("system", m[0].owned_by);
    assert_int_equal(m[0].created, 1705948997);
    assert_int_equal(m[0].embeds, 0);
    /* LM Studio */
    m = read_models(f, VECNA_WIRE_OPENAI,
                    "{\"data\":[{\"id\":\"nomic\",\"object\":\"model\",\"type\":\"embeddings\","
                    "\"publisher\":\"nomic-ai\",\"arch\":\"nomic-bert\",\"quantization\":\"Q4_0\","
                    "\"state\":\"not-loaded\",\"max_context_length\":2048},{\"id\":\"qwen\","
                    "\"type\":\"llm\",\"max_context_length\":32768}]}",
                    2);
    assert_int_equal(m[0].embeds, 1);
    assert_int_equal(m[1].embeds, -1);
    assert_int_equal(m[0].context_tokens, 2048);
    assert_text("nomic-bert", m[0].family);
    m = read_models(f, VECNA_WIRE_OPENAI,
                    "{\"models\":[{\"type\":\"embedding\",\"key\":\"text-embedding-nomic\","
                    "\"loaded_instances\":[{\"id\":\"inner\",\"config\":{\"context_length\":512}}],"
                    "\"display_name\":\"N\"}]}",
                    1);
    assert_text("text-embedding-nomic", m[0].id);
    assert_int_equal(m[0].embeds, 1);
    /* llama-server */
    m = read_models(f, VECNA_WIRE_OPENAI,
                    "{\"object\":\"list\",\"data\":[{\"id\":\"m.gguf\",\"object\":\"model\","
                    "\"owned_by\":\"llamacpp\",\"meta\":{\"n_vocab\":9,\"n_ctx_train\":512,"
                    "\"n_embd\":384,\"size\":77}},{\"id\":\"n\",\"meta\":null}]}",
                    2);
    assert_int_equal(m[0].dim, 384);
    assert_int_equal(m[0].context_tokens, 512);
    assert_int_equal(m[1].dim, 0);
    /* vLLM */
    m = read_models(f, VECNA_WIRE_OPENAI,
                    "{\"data\":[{\"id\":\"BAAI/bge\",\"owned_by\":\"vllm\",\"root\":\"BAAI/bge\","
                    "\"max_model_len\":8192,\"permission\":[{\"id\":\"modelperm-1\"}]}]}",
                    1);
    assert_text("BAAI/bge", m[0].id);
    assert_int_equal(m[0].context_tokens, 8192);
    /* Google */
    m = read_models(f, VECNA_WIRE_GOOGLE,
                    "{\"models\":[{\"name\":\"models/gemini-embedding-001\",\"inputTokenLimit\":"
                    "2048,\"supportedGenerationMethods\":[\"embedContent\",\"countTokens\"]},{"
                    "\"name\":\"models/gemini-2.5-pro\",\"supportedGenerationMethods\":["
                    "\"generateContent\"]}],\"nextPageToken\":\"x\"}",
                    2);
    assert_text("gemini-embedding-001", m[0].id);
    assert_int_equal(m[0].embeds, 1);
    assert_int_equal(m[0].context_tokens, 2048);
    assert_int_equal(m[1].embeds, -1);
    /* Ollama */
    m = read_models(
        f, VECNA_WIRE_OLLAMA,
        "{\"models\":[{\"name\":\"all-minilm:latest\",\"model\":\"all-minilm:latest\","
        "\"modified_at\":\"2026-01-01T00:00:00Z\",\"size\":45960996,\"digest\":\"1b22\","
        "\"details\":{\"parent_model\":\"\",\"format\":\"gguf\",\"family\":\"bert\","
        "\"families\":[\"bert\"],\"parameter_size\":\"23M\",\"quantization_level\":"
        "\"F16\",\"context_length\":512,\"embedding_length\":384},\"capabilities\":["
        "\"embedding\"]}]}",
        1);
    assert_text("all-minilm:latest", m[0].id);
    assert_int_equal(m[0].dim, 384);
    assert_int_equal(m[0].bytes, 45960996);
    assert_text("1b22", m[0].digest);
    assert_text("23M", m[0].parameter_size);
    assert_int_equal(m[0].embeds, 1);
    m = read_models(f, VECNA_WIRE_OLLAMA, "{\"models\":null}", 0);
    m = read_models(f, VECNA_WIRE_OLLAMA,
                    "{\"license\":\"x\",\"details\":{\"family\":\"bert\"},\"model_info\":{"
                    "\"general.architecture\":\"bert\",\"bert.embedding_length\":384,"
                    "\"bert.context_length\":512,\"tokenizer.ggml.tokens\":null},\"capabilities\":["
                    "\"embedding\"]}",
                    1);
    assert_int_equal(m[0].id.bytes, 0);
    assert_int_equal(m[0].dim, 384);
    assert_int_equal(m[0].context_tokens, 512);
    assert_int_equal(m[0].embeds, 1);
    /* TEI */
    m = read_models(f, VECNA_WIRE_TEI,
                    "{\"model_id\":\"BAAI/bge-small\",\"model_dtype\":\"float16\",\"model_type\":{"
                    "\"embedding\":{\"pooling\":\"cls\"}},\"max_input_length\":512,"
                    "\"max_client_batch_size\":32,\"version\":\"1.7\"}",
                    1);
    assert_text("BAAI/bge-small", m[0].id);
    assert_int_equal(m[0].embeds, 1);
    assert_int_equal(m[0].batch_max, 32);
    assert_int_equal(m[0].context_tokens, 512);
    /* infinity */
    m = read_models(f, VECNA_WIRE_OPENAI,
                    "{\"data\":[{\"id\":\"m\",\"stats\":{},\"owned_by\":\"infinity\",\"created\":1,"
                    "\"capabilities\":[\"embed\"]}],\"object\":\"list\"}",
                    1);
    assert_int_equal(m[0].embeds, 1);
    m = read_models(f, VECNA_WIRE_OPENAI, "[\"a\",\"b\"]", 2);
    assert_text("b", m[1].id);
}

static void bad_lists(void **state) {
    static const struct {
        vecna_wire_dialect dialect;
        const char *body;
        vecna_status status;
    } cases[] = {
        {VECNA_WIRE_OPENAI, "", VECNA_ERR_TRUNCATED},
        {VECNA_WIRE_OPENAI, "<html>", VECNA_ERR_FORMAT},
        {VECNA_WIRE_OPENAI, "{}", VECNA_ERR_FORMAT},
        {VECNA_WIRE_OPENAI, "7", VECNA_ERR_FORMAT},
        {VECNA_WIRE_OPENAI, "{\"data\":[7]}", VECNA_ERR_FORMAT},
        {VECNA_WIRE_OPENAI, "{\"data\":[{\"id\":\"a\"", VECNA_ERR_TRUNCATED},
        {VECNA_WIRE_OPENAI, "{\"data\":[]} x", VECNA_ERR_FORMAT},
        {VECNA_WIRE_TEI, "{}", VECNA_ERR_FORMAT},
        {VECNA_WIRE_TEI, "{\"error\":\"x\"}", VECNA_ERR_FORMAT},
    };
    fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const vecna_wire_model *models = NULL;
        size_t count = 99;
        vecna_error err;
        assert_status(cases[i].status,
                      vecna_wire_models_read(cases[i].dialect, exact(f, cases[i].body),
                                             strlen(cases[i].body), &f->arena, &models, &count,
                                             &err));
        assert_int_equal(count, 99);
    }
}

static void lists_out(void **state) {
    static const struct {
        vecna_wire_endpoint endpoint;
        const char *body;
    } cases[] = {
        {VECNA_WIRE_OPENAI_MODELS, "{\"object\":\"list\",\"data\":[{\"id\":\"m\",\"object\":"
                                   "\"model\",\"created\":1706745599,\"owned_by\":\"vecna\"}]}"},
        {VECNA_WIRE_OPENAI_MODEL,
         "{\"id\":\"m\",\"object\":\"model\",\"created\":1706745599,\"owned_by\":\"vecna\"}"},
        {VECNA_WIRE_GOOGLE_MODELS,
         "{\"models\":[{\"name\":\"models/m\",\"version\":\"001\",\"displayName\":\"m\","
         "\"description\":\"Text embeddings\",\"inputTokenLimit\":512,\"outputTokenLimit\":1,"
         "\"supportedGenerationMethods\":[\"embedContent\",\"batchEmbedContents\"]}]}"},
        {VECNA_WIRE_OLLAMA_TAGS,
         "{\"models\":[{\"name\":\"m\",\"model\":\"m\",\"modified_at\":\"2024-01-31T23:59:59Z\","
         "\"size\":0,\"digest\":\"\",\"details\":{\"parent_model\":\"\",\"format\":\"\",\"family\":"
         "\"bert\",\"families\":[\"bert\"],\"parameter_size\":\"\",\"quantization_level\":\"\","
         "\"context_length\":512,\"embedding_length\":384},\"capabilities\":[\"embedding\"]}]}"},
        {VECNA_WIRE_OLLAMA_SHOW,
         "{\"modelfile\":\"\",\"parameters\":\"\",\"template\":\"\",\"details\":{\"parent_model\":"
         "\"\",\"format\":\"\",\"family\":\"bert\",\"families\":[\"bert\"],\"parameter_size\":\"\","
         "\"quantization_level\":\"\",\"context_length\":512,\"embedding_length\":384},"
         "\"model_info\":{\"general.architecture\":\"bert\",\"bert.context_length\":512,"
         "\"bert.embedding_length\":384},\"capabilities\":[\"embedding\"],\"modified_at\":"
         "\"2024-01-31T23:59:59Z\"}"},
    };
    vecna_wire_model model = {.id = text_of("m"),
                              .family = text_of("bert"),
                              .dim = 384,
                              .context_tokens = 512,
                              .created = 1706745599};
    fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vecna_json_writer writer;
        vecna_json_writer_init(&writer, 0, NULL);
        vecna_wire_models_write(cases[i].endpoint, &model, 1, &writer);
        assert_writes(cases[i].body, &writer);
        vecna_json_writer_free(&writer);
    }
    read_models(f, VECNA_WIRE_OLLAMA, cases[3].body, 1);
    read_models(f, VECNA_WIRE_OLLAMA, cases[4].body, 1);
}

static void servers(void **state) {
    static const struct {
        const char *path, *body;
        vecna_wire_server server;
    } cases[] = {
        {"/api/version", "{\"version\":\"0.17.1\"}", VECNA_WIRE_SERVER_OLLAMA},
        {"/api/version", "{\"v\":{\"version\":1}}", VECNA_WIRE_SERVER_UNKNOWN},
        {"/api/version", "Ollama is running", VECNA_WIRE_SERVER_UNKNOWN},
        {"/api/version", "{\"version\":\"0.17.1\"", VECNA_WIRE_SERVER_UNKNOWN},
        {"/api/v0/models", "{\"data\":[{\"id\":\"a\",\"type\":\"llm\",\"state\":\"loaded\"}]}",
         VECNA_WIRE_SERVER_LM_STUDIO},
        {"/api/v0/models", "{\"data\":[{\"id\":\"a\"}]}", VECNA_WIRE_SERVER_UNKNOWN},
        {"/props", "{\"total_slots\":1,\"build_info\":\"b1\"}", VECNA_WIRE_SERVER_LLAMA_SERVER},
        {"/info", "{\"model_id\":\"a\",\"max_client_batch_size\":32}", VECNA_WIRE_SERVER_TEI},
        {"/health", "{\"unix\":1.5}", VECNA_WIRE_SERVER_INFINITY},
        {"/health", "{\"status\":\"ok\"}", VECNA_WIRE_SERVER_UNKNOWN},
        {"/v1/models", "{\"data\":[{\"id\":\"a\",\"owned_by\":\"vllm\"}]}", VECNA_WIRE_SERVER_VLLM},
        {"/v1/models", "{\"data\":[]}", VECNA_WIRE_SERVER_OPENAI},
        {"/v1/models", "[]", VECNA_WIRE_SERVER_UNKNOWN},
        {"/v1/models", "{\"data\":[{\"id\":\"a\",\"owned_by\":\"llamacpp\"}]}",
         VECNA_WIRE_SERVER_LLAMA_SERVER},
        {"/other", "{\"data\":[]}", VECNA_WIRE_SERVER_UNKNOWN},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(vecna_wire_server_of(cases[i].path, cases[i].body, strlen(cases[i].body)),
                         cases[i].server);
    assert_string_equal(vecna_wire_server_name(VECNA_WIRE_SERVER_LLAMA_SERVER), "llama-server");
    assert_string_equal(vecna_wire_server_name((vecna_wire_server)99), "unknown");
}

static vecna_status read_with(void *user, const vecna_allocator *allocator, vecna_error *err) {
    static const char body[] = "{\"data\":[{\"id\":\"\\u0061\"},{\"id\":\"b\"},\"c\",\"d\",\"e\","
                               "\"f\",\"g\",\"h\",\"i\"]}";
    const vecna_wire_model *models;
    size_t count;
    vecna_arena arena;
    vecna_status status;
    (void)user;
    vecna_arena_init(&arena, 0, allocator);
    status = vecna_wire_models_read(VECNA_WIRE_OPENAI, body, sizeof body - 1, &arena, &models,
                                    &count, err);
    vecna_arena_free(&arena);
    return status;
}

static void survives_failing_memory(void **state) {
    (void)state;
    assert_survives_failing_memory(read_with, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WIRE_TEST(lists_in),
        WIRE_TEST(bad_lists),
        WIRE_TEST(lists_out),
        WIRE_TEST(servers),
        WIRE_TEST(survives_failing_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
