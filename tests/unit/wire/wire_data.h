/* What the tests of wire share: an arena a test, and requests, answers and failures compared as text. */
#ifndef VECNA_WIRE_DATA_H
#define VECNA_WIRE_DATA_H

#include "tests/unit/support/support.h"
#include "vecna/wire.h"

#include <stdlib.h>
#include <string.h>

typedef struct fixture {
    vecna_arena arena;
    vecna_wire_failure failure;
} fixture;

static inline int fixture_setup(void **state) {
    fixture *f = calloc(1, sizeof *f);
    vecna_arena_init(&f->arena, 0, NULL);
    *state = f;
    return 0;
}

static inline int fixture_teardown(void **state) {
    fixture *f = *state;
    vecna_arena_free(&f->arena);
    free(f);
    return 0;
}

#define WIRE_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

static inline vecna_wire_text text_of(const char *string) {
    return vecna_wire_text_of(string);
}

static inline void assert_text(const char *expected, vecna_wire_text got) {
    assert_int_equal(strlen(expected), got.bytes);
    assert_memory_equal(expected, got.data, got.bytes);
}

/* The route of a POST (or GET for "GET /path"). */
static inline vecna_wire_route route_of(fixture *f, const char *target) {
    vecna_wire_route route;
    const char *method = "POST";
    if (strncmp(target, "GET ", 4) == 0) {
        method = "GET";
        target += 4;
    }
    assert_status(VECNA_OK, vecna_wire_route_parse(text_of(method), text_of(target), 0, &f->arena,
                                                   &route, &f->failure));
    return route;
}

/* The body in memory of its exact size, so that a byte too many read is seen; in the arena. */
static inline char *exact(fixture *f, const char *body) {
    char *copy = malloc(strlen(body) + 1), *kept;
    (void)f;
    memcpy(copy, body, strlen(body));
    kept = vecna_arena_allocate(&f->arena, strlen(body), 1);
    memcpy(kept, body, strlen(body));
    free(copy);
    return kept;
}

static inline vecna_status try_parse(fixture *f, const char *target, const char *body,
                                     const vecna_wire_limits *limits, vecna_wire_request *out) {
    vecna_wire_route route = route_of(f, target);
    return vecna_wire_request_parse(&route, exact(f, body), strlen(body), limits, &f->arena, out,
                                    &f->failure);
}

static inline vecna_wire_request parsed(fixture *f, const char *target, const char *body) {
    vecna_wire_request request = {.endpoint = VECNA_WIRE_NOWHERE};
    vecna_status status = try_parse(f, target, body, NULL, &request);
    if (status != VECNA_OK)
        print_error("%s\n", f->failure.error.message);
    assert_status(VECNA_OK, status);
    return request;
}

static inline void assert_writes(const char *expected, vecna_json_writer *writer) {
    vecna_error err;
    assert_status(VECNA_OK, vecna_json_writer_finish(writer, &err));
    if (writer->bytes != strlen(expected) || memcmp(writer->text, expected, writer->bytes) != 0)
        print_error("expected %s\ngot      %.*s\n", expected, (int)writer->bytes, writer->text);
    assert_int_equal(strlen(expected), writer->bytes);
    assert_memory_equal(expected, writer->text, writer->bytes);
}

/* The answer, whole and in the smallest pieces. */
static inline void assert_answer(fixture *f, const vecna_wire_request *request,
                                 const vecna_wire_answer *answer, const char *expected) {
    vecna_json_writer writer, all;
    vecna_wire_progress progress = {0, 0, 0, 0};
    vecna_error err;
    (void)f;
    vecna_json_writer_init(&writer, 0, NULL);
    assert_status(VECNA_OK, vecna_wire_answer_write(request, answer, 0, NULL, &writer, &err));
    assert_writes(expected, &writer);
    vecna_json_writer_reset(&writer);
    vecna_json_writer_init(&all, 0, NULL);
    while (!progress.done) {
        assert_status(VECNA_OK,
                      vecna_wire_answer_write(request, answer, 1, &progress, &writer, &err));
        vecna_json_write_between(&all, writer.text, writer.bytes);
        vecna_json_writer_drain(&writer);
    }
    assert_writes(expected, &all);
    vecna_json_writer_free(&writer);
    vecna_json_writer_free(&all);
}

/* Refused with this status of HTTP, this param, and a message that has `part` in it. */
static inline void assert_refused(fixture *f, const char *target, const char *body, int http_status,
                                  const char *param, const char *part) {
    vecna_wire_request request = {.endpoint = VECNA_WIRE_NOWHERE};
    vecna_status status = try_parse(f, target, body, NULL, &request);
    if (status == VECNA_OK)
        print_error("accepted: %s\n", body);
    assert_int_not_equal(status, VECNA_OK);
    assert_int_equal(request.inputs_count, 0);
    assert_int_equal(f->failure.error.status, status);
    if (strstr(f->failure.error.message, part) == NULL)
        print_error("%s\n -> %s\n (wanted: %s)\n", body, f->failure.error.message, part);
    assert_non_null(strstr(f->failure.error.message, part));
    assert_int_equal(vecna_wire_failure_status(&f->failure), http_status);
    assert_string_equal(f->failure.param, param);
}

/* An answer of an upstream, read; its rows. */
static inline vecna_status try_read(fixture *f, vecna_wire_dialect dialect, const char *body,
                                    size_t rows, size_t dim, vecna_wire_result *out,
                                    vecna_error *err) {
    vecna_wire_expect expect = {.dialect = dialect, .rows = rows, .dim = dim};
    return vecna_wire_result_read(exact(f, body), strlen(body), &expect, &f->arena, out, err);
}

static inline vecna_wire_result read_answer(fixture *f, vecna_wire_dialect dialect,
                                            const char *body, size_t rows, size_t dim) {
    vecna_wire_result result;
    vecna_error err = {VECNA_OK, -1, ""};
    vecna_status status = try_read(f, dialect, body, rows, dim, &result, &err);
    if (status != VECNA_OK)
        print_error("%s\n", err.message);
    assert_status(VECNA_OK, status);
    return result;
}

static inline void assert_bad_answer(fixture *f, vecna_wire_dialect dialect, const char *body,
                                     size_t rows, size_t dim, vecna_status status,
                                     const char *part) {
    vecna_wire_result result = {.tokens = 99};
    vecna_error err = {VECNA_OK, -1, ""};
    vecna_status got = try_read(f, dialect, body, rows, dim, &result, &err);
    if (got != status || strstr(err.message, part) == NULL)
        print_error("%s\n -> %s\n (wanted: %s)\n", body, err.message, part);
    assert_status(status, got);
    assert_non_null(strstr(err.message, part));
    assert_int_equal(result.tokens, 99);
}

static inline void assert_ask(const vecna_wire_ask *ask, const char *expected) {
    vecna_json_writer writer;
    vecna_error err = {VECNA_OK, -1, ""};
    vecna_json_writer_init(&writer, 0, NULL);
    assert_status(VECNA_OK, vecna_wire_ask_write(ask, &writer, &err));
    assert_writes(expected, &writer);
    vecna_json_writer_free(&writer);
}

#endif
