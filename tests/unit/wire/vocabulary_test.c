/* Rank files, and token ids back to text. */
#include "tests/unit/wire/wire_data.h"

/* "He", "llo", " ", "w", 0xC3, 0xA9, "": ranks out of order, a blank line, CR LF */
static const char file[] = "bGxv 1\r\nSGU= 0\nIA== 2\n\ndw== 3\nww== 5\nqQ== 9\n";

static vecna_wire_vocabulary *vocabulary(void) {
    vecna_wire_vocabulary *made = NULL;
    vecna_error err;
    assert_status(VECNA_OK, vecna_wire_vocabulary_parse(file, sizeof file - 1, NULL, &made, &err));
    return made;
}

static void ids_become_text(void **state) {
    fixture *f = *state;
    vecna_wire_vocabulary *v = vocabulary();
    vecna_wire_request r = parsed(f, "/v1/embeddings",
                                  "{\"model\":\"m\",\"input\":[[0,1,2,3],[5,9],[5],[9,3,5,9,5]]}");
    assert_int_equal(vecna_wire_vocabulary_count(v), 10);
    assert_status(VECNA_OK, vecna_wire_request_detokenize(&r, v, &f->arena, &f->failure));
    assert_int_equal(r.has_tokens, 0);
    assert_text("Hello w", r.inputs[0].text);
    assert_null(r.inputs[0].tokens);
    assert_text("\xc3\xa9", r.inputs[1].text);
    assert_text("\xef\xbf\xbd", r.inputs[2].text);
    assert_text("\xef\xbf\xbdw\xc3\xa9\xef\xbf\xbd", r.inputs[3].text);
    r = parsed(f, "/v1/embeddings", "{\"model\":\"m\",\"input\":\"text\"}");
    assert_status(VECNA_OK, vecna_wire_request_detokenize(&r, NULL, &f->arena, &f->failure));
    vecna_wire_vocabulary_free(v);
}

static void unknown_ids_and_no_vocabulary(void **state) {
    fixture *f = *state;
    vecna_wire_vocabulary *v = vocabulary();
    vecna_wire_request r = parsed(f, "/v1/embeddings", "{\"model\":\"m\",\"input\":[[0],[0,4]]}");
    assert_int_not_equal(VECNA_OK, vecna_wire_request_detokenize(&r, v, &f->arena, &f->failure));
    assert_non_null(strstr(f->failure.error.message, "input 1 has the token id 4"));
    assert_string_equal(f->failure.param, "input");
    assert_int_equal(r.has_tokens, 1);
    assert_int_equal(r.inputs[1].tokens_count, 2);
    r = parsed(f, "/v1/embeddings", "{\"model\":\"m\",\"input\":[100257]}");
    assert_int_not_equal(VECNA_OK, vecna_wire_request_detokenize(&r, v, &f->arena, &f->failure));
    assert_int_not_equal(VECNA_OK, vecna_wire_request_detokenize(&r, NULL, &f->arena, &f->failure));
    assert_non_null(strstr(f->failure.error.message, "check_embedding_ctx_length=False"));
    assert_non_null(strstr(f->failure.error.message, "cl100k_base.tiktoken"));
    assert_int_equal(vecna_wire_failure_status(&f->failure), 400);
    vecna_wire_vocabulary_free(v);
}

static void bad_files(void **state) {
    static const struct {
        const char *text;
        int64_t line;
    } cases[] = {{"", 0},
                 {"\n\n", 0},
                 {"SGU=", 1},
                 {"SGU= ", 1},
                 {" 1", 1},
                 {"SGU= x", 1},
                 {"SGU= 1 2", 1},
                 {"SGU= -1", 1},
                 {"SGU 1", 1},
                 {"S*U= 1", 1},
                 {"SGU= 0\nSGU= 0", 2},
                 {"SGU= 2000000", 1},
                 {"SGU= 99999999", 1},
                 {"{\"model\":1}", 1}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vecna_wire_vocabulary *made = NULL;
        vecna_error err;
        assert_status(
            VECNA_ERR_FORMAT,
            vecna_wire_vocabulary_parse(cases[i].text, strlen(cases[i].text), NULL, &made, &err));
        assert_int_equal(err.position, cases[i].line);
        assert_null(made);
    }
    vecna_wire_vocabulary_free(NULL);
}

static vecna_status all_of_it(void *user, const vecna_allocator *allocator, vecna_error *err) {
    static const char body[] = "{\"model\":\"m\",\"input\":[[0,1],[5]]}";
    vecna_wire_route route = {.endpoint = VECNA_WIRE_OPENAI_EMBEDDINGS};
    vecna_wire_vocabulary *made = NULL;
    vecna_wire_request request;
    vecna_wire_failure failure = {.dialect = VECNA_WIRE_OPENAI};
    vecna_arena arena;
    vecna_status status;
    (void)user;
    vecna_arena_init(&arena, 0, allocator);
    status = vecna_wire_vocabulary_parse(file, sizeof file - 1, allocator, &made, err);
    if (status == VECNA_OK) {
        status = vecna_wire_request_parse(&route, body, sizeof body - 1, NULL, &arena, &request,
                                          &failure);
        if (status == VECNA_OK)
            status = vecna_wire_request_detokenize(&request, made, &arena, &failure);
        *err = failure.error;
    }
    vecna_wire_vocabulary_free(made);
    vecna_arena_free(&arena);
    return status;
}

static void survives_failing_memory(void **state) {
    (void)state;
    assert_survives_failing_memory(all_of_it, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WIRE_TEST(ids_become_text),
        WIRE_TEST(unknown_ids_and_no_vocabulary),
        WIRE_TEST(bad_files),
        WIRE_TEST(survives_failing_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
