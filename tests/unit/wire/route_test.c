/* Request lines of the official clients, and those that are none. */
#include "tests/unit/wire/wire_data.h"

typedef struct line {
    const char *method;
    const char *target;
    int google;
    vecna_wire_endpoint endpoint;
    vecna_wire_dialect dialect;
    const char *map;
    const char *model;
} line;

static void known_paths(void **state) {
    static const line lines[] = {
        {"POST", "/v1/embeddings", 0, VECNA_WIRE_OPENAI_EMBEDDINGS, VECNA_WIRE_OPENAI, "", ""},
        {"POST", "/v1/embeddings/", 0, VECNA_WIRE_OPENAI_EMBEDDINGS, VECNA_WIRE_OPENAI, "", ""},
        {"POST", "/embeddings?x=1", 0, VECNA_WIRE_OPENAI_EMBEDDINGS, VECNA_WIRE_OPENAI, "", ""},
        {"POST", "/map/small/v1/embeddings", 0, VECNA_WIRE_OPENAI_EMBEDDINGS, VECNA_WIRE_OPENAI,
         "small", ""},
        {"POST", "/map/a%20b/api/embed", 0, VECNA_WIRE_OLLAMA_EMBED, VECNA_WIRE_OLLAMA, "a b", ""},
        {"POST", "/openai/deployments/my-ada/embeddings?api-version=2024-02-01", 0,
         VECNA_WIRE_AZURE_EMBEDDINGS, VECNA_WIRE_OPENAI, "", "my-ada"},
        {"POST", "/openai/v1/embeddings?api-version=preview", 0, VECNA_WIRE_OPENAI_EMBEDDINGS,
         VECNA_WIRE_OPENAI, "", ""},
        {"POST", "/v1beta/models/gemini-embedding-001:embedContent?key=secret", 0,
         VECNA_WIRE_GOOGLE_EMBED, VECNA_WIRE_GOOGLE, "", "gemini-embedding-001"},
        {"POST", "/v1/models/gemini-embedding-001:batchEmbedContents", 1,
         VECNA_WIRE_GOOGLE_BATCH_EMBED, VECNA_WIRE_GOOGLE, "", "gemini-embedding-001"},
        {"POST", "/v1beta/models/models/x:batchEmbedContents", 0, VECNA_WIRE_GOOGLE_BATCH_EMBED,
         VECNA_WIRE_GOOGLE, "", "x"},
        {"POST", "/v1beta/models/nomic:latest:embedContent", 0, VECNA_WIRE_GOOGLE_EMBED,
         VECNA_WIRE_GOOGLE, "", "nomic:latest"},
        {"POST", "/map/m/v1beta/models/x:embedContent", 0, VECNA_WIRE_GOOGLE_EMBED,
         VECNA_WIRE_GOOGLE, "m", "x"},
        {"GET", "/v1/models", 0, VECNA_WIRE_OPENAI_MODELS, VECNA_WIRE_OPENAI, "", ""},
        {"HEAD", "/v1/models", 0, VECNA_WIRE_OPENAI_MODELS, VECNA_WIRE_OPENAI, "", ""},
        {"GET", "/v1/models", 1, VECNA_WIRE_GOOGLE_MODELS, VECNA_WIRE_GOOGLE, "", ""},
        {"GET", "/v1/models/BAAI%2Fbge-m3", 0, VECNA_WIRE_OPENAI_MODEL, VECNA_WIRE_OPENAI, "",
         "BAAI/bge-m3"},
        {"GET", "/v1/models/BAAI/bge-m3", 0, VECNA_WIRE_OPENAI_MODEL, VECNA_WIRE_OPENAI, "",
         "BAAI/bge-m3"},
        {"GET", "/v1beta/models", 0, VECNA_WIRE_GOOGLE_MODELS, VECNA_WIRE_GOOGLE, "", ""},
        {"GET", "/v1beta/models/x", 0, VECNA_WIRE_GOOGLE_MODEL, VECNA_WIRE_GOOGLE, "", "x"},
        {"POST", "/api/embed", 0, VECNA_WIRE_OLLAMA_EMBED, VECNA_WIRE_OLLAMA, "", ""},
        {"POST", "/api/embeddings", 0, VECNA_WIRE_OLLAMA_EMBEDDINGS, VECNA_WIRE_OLLAMA, "", ""},
        {"POST", "/api/show", 0, VECNA_WIRE_OLLAMA_SHOW, VECNA_WIRE_OLLAMA, "", ""},
        {"GET", "/api/tags", 0, VECNA_WIRE_OLLAMA_TAGS, VECNA_WIRE_OLLAMA, "", ""},
        {"GET", "/api/version", 0, VECNA_WIRE_OLLAMA_VERSION, VECNA_WIRE_OLLAMA, "", ""},
        {"POST", "/v2/embed", 0, VECNA_WIRE_COHERE_EMBED, VECNA_WIRE_COHERE, "", ""},
    };
    fixture *f = *state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        vecna_wire_route route;
        assert_status(VECNA_OK,
                      vecna_wire_route_parse(text_of(lines[i].method), text_of(lines[i].target),
                                             lines[i].google, &f->arena, &route, &f->failure));
        assert_int_equal(route.endpoint, lines[i].endpoint);
        assert_int_equal(route.dialect, lines[i].dialect);
        assert_int_equal(f->failure.dialect, lines[i].dialect);
        assert_text(lines[i].map, route.map);
        assert_text(lines[i].model, route.model);
    }
}

static void unknown_paths(void **state) {
    static const struct {
        const char *method;
        const char *target;
        int http_status;
        vecna_wire_dialect dialect;
    } lines[] = {
        {"POST", "/", 404, VECNA_WIRE_OPENAI},
        {"POST", "", 404, VECNA_WIRE_OPENAI},
        {"POST", "/v1/embedding", 404, VECNA_WIRE_OPENAI},
        {"POST", "/v1/embeddings/x", 404, VECNA_WIRE_OPENAI},
        {"POST", "//v1/embeddings", 404, VECNA_WIRE_OPENAI},
        {"POST", "/map//v1/embeddings", 404, VECNA_WIRE_OPENAI},
        {"POST", "/map/x", 404, VECNA_WIRE_OPENAI},
        {"GET", "/v1/embeddings", 405, VECNA_WIRE_OPENAI},
        {"DELETE", "/v1/models/x", 405, VECNA_WIRE_OPENAI},
        {"DELETE", "/api/embed", 405, VECNA_WIRE_OLLAMA},
        {"GET", "/v2/embed", 405, VECNA_WIRE_COHERE},
        {"POST", "/api/pull", 404, VECNA_WIRE_OLLAMA},
        {"DELETE", "/api/delete", 404, VECNA_WIRE_OLLAMA},
        {"POST", "/v2/chat", 404, VECNA_WIRE_COHERE},
        {"POST", "/v1beta/models/x:asyncBatchEmbedContent", 501, VECNA_WIRE_GOOGLE},
        {"POST", "/v1/models/x:asyncBatchEmbedContent", 501, VECNA_WIRE_GOOGLE},
        {"POST", "/v1beta/models/x:generateContent", 501, VECNA_WIRE_GOOGLE},
        {"POST", "/v1beta/models/x:frobnicate", 404, VECNA_WIRE_GOOGLE},
        {"POST", "/v1beta/models/:embedContent", 404, VECNA_WIRE_GOOGLE},
        {"POST", "/map/%zz/v1/embeddings", 400, VECNA_WIRE_OPENAI},
        {"POST", "/map/%/v1/embeddings", 400, VECNA_WIRE_OPENAI},
        {"POST", "/map/%00/v1/embeddings", 400, VECNA_WIRE_OPENAI},
        {"POST", "/map/%ff/v1/embeddings", 400, VECNA_WIRE_OPENAI},
        {"GET", "/v1/models/%0a", 400, VECNA_WIRE_OPENAI},
    };
    fixture *f = *state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        vecna_wire_route route = {.endpoint = VECNA_WIRE_COHERE_EMBED};
        vecna_status status = vecna_wire_route_parse(
            text_of(lines[i].method), text_of(lines[i].target), 0, &f->arena, &route, &f->failure);
        if (status == VECNA_OK || vecna_wire_failure_status(&f->failure) != lines[i].http_status)
            print_error("%s %s: %s\n", lines[i].method, lines[i].target, f->failure.error.message);
        assert_int_not_equal(status, VECNA_OK);
        assert_int_equal(vecna_wire_failure_status(&f->failure), lines[i].http_status);
        assert_int_equal(f->failure.dialect, lines[i].dialect);
        assert_int_equal(route.endpoint, VECNA_WIRE_COHERE_EMBED);
    }
}

static vecna_status parse_with(void *user, const vecna_allocator *allocator, vecna_error *err) {
    vecna_arena arena;
    vecna_wire_route route;
    vecna_wire_failure failure = {.dialect = VECNA_WIRE_OPENAI};
    vecna_status status;
    (void)user;
    vecna_arena_init(&arena, 0, allocator);
    status = vecna_wire_route_parse(text_of("POST"), text_of("/map/a/v1/models/b:embedContent"), 0,
                                    &arena, &route, &failure);
    vecna_arena_free(&arena);
    *err = failure.error;
    return status;
}

static void survives_failing_memory(void **state) {
    (void)state;
    assert_survives_failing_memory(parse_with, NULL);
}

static void names_and_rules(void **state) {
    vecna_wire_dialect dialect = VECNA_WIRE_TEI;
    (void)state;
    for (int i = 0; i <= VECNA_WIRE_TEI; i++) {
        const char *name = vecna_wire_dialect_name((vecna_wire_dialect)i);
        assert_int_equal(vecna_wire_dialect_find(name, &dialect), 1);
        assert_int_equal(dialect, i);
    }
    assert_int_equal(vecna_wire_dialect_find("Google", &dialect), 1);
    assert_int_equal(dialect, VECNA_WIRE_GOOGLE);
    assert_int_equal(vecna_wire_dialect_find("googl", &dialect), 0);
    assert_null(vecna_wire_dialect_name((vecna_wire_dialect)8));
    assert_int_equal(vecna_wire_task_role(VECNA_WIRE_TASK_FACT), VECNA_WIRE_TASK_QUERY);
    assert_int_equal(vecna_wire_task_role(VECNA_WIRE_TASK_DOCUMENT), VECNA_WIRE_TASK_DOCUMENT);
    assert_int_equal(vecna_wire_task_role(VECNA_WIRE_TASK_CLUSTERING), VECNA_WIRE_TASK_NONE);
    assert_string_equal(vecna_wire_task_name(VECNA_WIRE_TASK_CODE_QUERY), "code-query");
    assert_int_equal(vecna_wire_endpoint_normalizes(VECNA_WIRE_OLLAMA_EMBEDDINGS), 0);
    assert_int_equal(vecna_wire_endpoint_normalizes(VECNA_WIRE_OLLAMA_EMBED), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WIRE_TEST(known_paths),
        WIRE_TEST(unknown_paths),
        WIRE_TEST(survives_failing_memory),
        WIRE_TEST(names_and_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
