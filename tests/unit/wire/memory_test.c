/* Every parser of requests and answers with the Nth allocation failing, for every N, on bodies large
 * enough that an arena needs several blocks. */
#include "tests/unit/wire/wire_data.h"

enum { COUNT = 90 };

typedef struct task {
    vecna_wire_route route;
    vecna_wire_dialect dialect;
    const char *body;
    size_t bytes;
} task;

/* before, COUNT times one with commas between, after: in memory of the caller */
static void build(task *out, const char *before, const char *one, const char *after) {
    vecna_json_writer writer;
    vecna_json_writer_init(&writer, 0, NULL);
    vecna_json_write_between(&writer, before, strlen(before));
    for (size_t i = 0; i < COUNT; i++) {
        if (i > 0)
            vecna_json_write_between(&writer, ",", 1);
        vecna_json_write_between(&writer, one, strlen(one));
    }
    vecna_json_write_between(&writer, after, strlen(after));
    out->body = writer.text;
    out->bytes = writer.bytes;
}

static vecna_status parse(void *user, const vecna_allocator *allocator, vecna_error *err) {
    const task *it = user;
    vecna_wire_request request = {.inputs_count = 0};
    vecna_wire_failure failure = {.dialect = VECNA_WIRE_OPENAI};
    vecna_arena arena;
    vecna_status status;
    vecna_arena_init(&arena, 0, allocator);
    status =
        vecna_wire_request_parse(&it->route, it->body, it->bytes, NULL, &arena, &request, &failure);
    *err = failure.error;
    assert_int_equal(request.inputs_count, status == VECNA_OK ? COUNT : 0);
    if (status == VECNA_ERR_MEMORY)
        assert_int_equal(vecna_wire_failure_status(&failure), 503);
    vecna_arena_free(&arena);
    return status;
}

static void requests(void **state) {
    static const struct {
        vecna_wire_endpoint endpoint;
        vecna_wire_dialect dialect;
        const char *before, *one, *after;
    } bodies[] = {
        {VECNA_WIRE_OPENAI_EMBEDDINGS, VECNA_WIRE_OPENAI, "{\"model\":\"\\u006d\",\"input\":[",
         "\"a\\n\"", "]}"},
        {VECNA_WIRE_OPENAI_EMBEDDINGS, VECNA_WIRE_OPENAI, "{\"model\":\"m\",\"input\":[",
         "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,"
         "33]",
         "]}"},
        {VECNA_WIRE_GOOGLE_BATCH_EMBED, VECNA_WIRE_GOOGLE, "{\"requests\":[",
         "{\"model\":\"models\\/"
         "m\",\"content\":{\"parts\":[{\"text\":\"a\"},{\"text\":\"\\u0062\"},"
         "{\"text\":\"c\"},{\"text\":\"d\"},{\"text\":\"e\"}]},\"taskType\":\"RETRIEVAL_DOCUMENT\","
         "\"title\":\"\\u0074\"}",
         "]}"},
        {VECNA_WIRE_OLLAMA_EMBED, VECNA_WIRE_OLLAMA, "{\"model\":\"m\",\"input\":[", "\"\\u0061\"",
         "]}"},
        {VECNA_WIRE_COHERE_EMBED, VECNA_WIRE_COHERE,
         "{\"model\":\"m\",\"input_type\":\"search_query\",\"inputs\":[",
         "{\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"\\u0062\"}"
         ","
         "{\"type\":\"text\",\"text\":\"c\"}]}",
         "]}"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        task it = {.route = {.endpoint = bodies[i].endpoint, .dialect = bodies[i].dialect}};
        void *memory;
        it.route.model = text_of("m");
        build(&it, bodies[i].before, bodies[i].one, bodies[i].after);
        assert_survives_failing_memory(parse, &it);
        memcpy(&memory, &it.body, sizeof memory);
        free(memory);
    }
}

static vecna_status read_rows(void *user, const vecna_allocator *allocator, vecna_error *err) {
    const task *it = user;
    vecna_wire_expect expect = {.dialect = it->dialect, .rows = COUNT};
    vecna_wire_result result = {.tokens = 0};
    vecna_arena arena;
    vecna_status status;
    vecna_arena_init(&arena, 0, allocator);
    status = vecna_wire_result_read(it->body, it->bytes, &expect, &arena, &result, err);
    assert_int_equal(result.vectors.rows, status == VECNA_OK ? COUNT : 0);
    vecna_arena_free(&arena);
    return status;
}

static void answers(void **state) {
    static const struct {
        vecna_wire_dialect dialect;
        const char *before, *one, *after;
    } bodies[] = {
        {VECNA_WIRE_OPENAI, "{\"data\":[", "{\"embedding\":[1,2,3]}", "],\"model\":\"\\u006d\"}"},
        {VECNA_WIRE_VOYAGE, "{\"data\":[", "{\"embedding\":\"\\/\\/9\\/PwAAgD8=\"}", "]}"},
        {VECNA_WIRE_GOOGLE, "{\"embeddings\":[", "{\"values\":[1,2,3]}", "]}"},
        {VECNA_WIRE_OLLAMA, "{\"embeddings\":[", "[1,2,3]", "],\"model\":\"\\u006d\"}"},
        {VECNA_WIRE_COHERE, "{\"embeddings\":{\"base64\":[", "\"\\/\\/9\\/PwAAgD8=\"", "]}}"},
        {VECNA_WIRE_TEI, "[", "[1,2,3]", "]"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        task it = {.dialect = bodies[i].dialect};
        void *memory;
        build(&it, bodies[i].before, bodies[i].one, bodies[i].after);
        assert_survives_failing_memory(read_rows, &it);
        memcpy(&memory, &it.body, sizeof memory);
        free(memory);
    }
}

/* A request cannot take more than the arena's cap, whatever it says. */
static void the_cap_of_the_arena_holds(void **state) {
    task it = {.route = {.endpoint = VECNA_WIRE_OPENAI_EMBEDDINGS, .dialect = VECNA_WIRE_OPENAI}};
    vecna_wire_request request;
    vecna_wire_failure failure = {.dialect = VECNA_WIRE_OPENAI};
    vecna_arena arena;
    void *memory;
    (void)state;
    build(&it, "{\"model\":\"m\",\"input\":[", "\"a\\n\"", "]}");
    vecna_arena_init(&arena, 6000, NULL);
    assert_status(VECNA_ERR_MEMORY, vecna_wire_request_parse(&it.route, it.body, it.bytes, NULL,
                                                             &arena, &request, &failure));
    assert_true(arena.bytes <= 6000);
    vecna_arena_free(&arena);
    memcpy(&memory, &it.body, sizeof memory);
    free(memory);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests),
        cmocka_unit_test(answers),
        cmocka_unit_test(the_cap_of_the_arena_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
