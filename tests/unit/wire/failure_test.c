/* Errors as each provider prints them, and out of whatever an upstream sends. */
#include "tests/unit/wire/wire_data.h"

#include <stdio.h>

static void every_shape(void **state) {
    static const char *const expected[] = {
        "{\"error\":{\"message\":\"m\\\"\",\"type\":\"rate_limit_error\",\"param\":\"input\","
        "\"code\":\"c\"}}",
        "{\"error\":{\"code\":429,\"message\":\"m\\\"\",\"status\":\"RESOURCE_EXHAUSTED\","
        "\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":"
        "\"1.500s\"}]}}",
        "{\"error\":\"m\\\"\"}",
        "{\"message\":\"m\\\"\"}",
        "{\"detail\":\"m\\\"\"}",
        "{\"detail\":\"m\\\"\"}",
        "{\"object\":\"error\",\"message\":\"m\\\"\",\"type\":\"rate_limit_error\",\"param\":"
        "\"input\",\"code\":\"c\"}",
        "{\"error\":\"m\\\"\",\"error_type\":\"Validation\"}"};
    (void)state;
    for (int i = 0; i <= VECNA_WIRE_TEI; i++) {
        vecna_wire_failure failure = {.dialect = (vecna_wire_dialect)i};
        vecna_json_writer writer;
        vecna_json_writer_init(&writer, 0, NULL);
        assert_int_not_equal(VECNA_OK,
                             vecna_wire_failure_set(&failure, VECNA_WIRE_RATE_LIMIT, "%s", "m\""));
        memcpy(failure.param, "input", 6);
        memcpy(failure.code, "c", 2);
        failure.retry_after_ms = 1500;
        vecna_wire_failure_write(&failure, &writer);
        assert_writes(expected[i], &writer);
        vecna_json_writer_free(&writer);
    }
}

static void nulls_and_classes(void **state) {
    static const int temporary[] = {408, 409, 429, 500, 502, 503, 504};
    vecna_wire_failure failure = {.dialect = VECNA_WIRE_OPENAI};
    vecna_json_writer writer;
    (void)state;
    vecna_json_writer_init(&writer, 0, NULL);
    (void)vecna_wire_failure_set(&failure, VECNA_WIRE_NOT_FOUND, "no %d", 7);
    assert_status(VECNA_ERR_NOT_FOUND, failure.error.status);
    vecna_wire_failure_write(&failure, &writer);
    assert_writes("{\"error\":{\"message\":\"no 7\",\"type\":\"invalid_request_error\",\"param\":"
                  "null,\"code\":null}}",
                  &writer);
    failure.unread = 1;
    vecna_json_writer_reset(&writer);
    vecna_wire_failure_write(&failure, &writer);
    assert_writes("{\"error\":{\"message\":\"no 7\",\"type\":\"invalid_request_error\",\"param\":"
                  "null,\"code\":null},\"detail\":\"no 7\",\"message\":\"no 7\"}",
                  &writer);
    vecna_json_writer_free(&writer);
    for (int c = 0; c <= VECNA_WIRE_UPSTREAM_TIMEOUT; c++) {
        int listed = 0;
        (void)vecna_wire_failure_set(&failure, (vecna_wire_failure_class)c, "x");
        for (size_t i = 0; i < sizeof temporary / sizeof *temporary; i++)
            listed |= vecna_wire_failure_status(&failure) == temporary[i];
        assert_int_equal(vecna_wire_failure_is_temporary(&failure), listed);
        assert_int_equal(failure.final, !listed);
        assert_int_not_equal(failure.error.status, VECNA_OK);
    }
}

static void headers(void **state) {
    vecna_wire_failure failure = {.dialect = VECNA_WIRE_OPENAI};
    vecna_wire_header out[4];
    (void)state;
    (void)vecna_wire_failure_set(&failure, VECNA_WIRE_RATE_LIMIT, "x");
    assert_int_equal(vecna_wire_failure_headers(&failure, out), 0);
    failure.retry_after_ms = 1;
    failure.final = 1;
    assert_int_equal(vecna_wire_failure_headers(&failure, out), 3);
    assert_string_equal(out[0].name, "retry-after");
    assert_string_equal(out[0].value, "1");
    assert_string_equal(out[1].name, "retry-after-ms");
    assert_string_equal(out[1].value, "1");
    assert_string_equal(out[2].name, "x-should-retry");
    assert_string_equal(out[2].value, "false");
    failure.retry_after_ms = 2001;
    (void)vecna_wire_failure_headers(&failure, out);
    assert_string_equal(out[0].value, "3");
    (void)vecna_wire_failure_set(&failure, VECNA_WIRE_UNAUTHORIZED, "x");
    assert_int_equal(vecna_wire_failure_headers(&failure, out), 2);
    assert_string_equal(out[1].name, "www-authenticate");
}

static void bodies_of_upstreams(void **state) {
    static const struct {
        int http_status;
        const char *body, *message, *param, *code;
        int64_t retry_ms;
        int answered; /* our status */
    } cases[] = {
        {400,
         "{\"error\":{\"message\":\"Too long\",\"type\":\"invalid_request_error\",\"param\":"
         "\"input\",\"code\":null}}",
         "Too long", "input", "", -1, 400},
        {429,
         "{\"error\":{\"code\":429,\"message\":\"Quota\",\"status\":\"RESOURCE_EXHAUSTED\","
         "\"details\":[{\"@type\":\"x/RetryInfo\",\"retryDelay\":\"34.5s\"}]}}",
         "Quota", "", "", 34500, 429},
        {404, "{\"error\":\"model \\\"x\\\" not found\"}", "model \"x\" not found", "", "", -1,
         404},
        {413, "{\"error\":\"too big\",\"error_type\":\"Validation\"}", "too big", "", "", -1, 413},
        {424, "{\"message\":\"backend\",\"code\":424,\"type\":\"backend\"}", "backend", "", "", -1,
         502},
        {400,
         "{\"object\":\"error\",\"message\":\"bad\",\"type\":\"BadRequestError\",\"param\":null,"
         "\"code\":400}",
         "bad", "", "", -1, 400},
        {422, "{\"detail\":[{\"loc\":[\"body\",\"input\"],\"msg\":\"field required\"}]}",
         "field required", "", "", -1, 422},
        {401, "{\"detail\":\"Provided API key is invalid.\"}", "Provided API key is invalid.", "",
         "", -1, 401},
        {498, "{\"message\":\"invalid token\"}", "invalid token", "", "", -1, 401},
        {400, "[{\"error\":{\"code\":400,\"message\":\"in a list\"}}]", "in a list", "", "", -1,
         400},
        {404, "{\"error\":{\"message\":\"m\",\"code\":\"model_not_found\"}}", "m", "",
         "model_not_found", -1, 404},
        {502, "<html><head><title>502 Bad Gateway</title></head></html>", "502 Bad Gateway", "", "",
         -1, 502},
        {502, "<html></html>", "HTTP 502", "", "", -1, 502},
        {503, "upstream connect error\nmore", "upstream connect error", "", "", -1, 503},
        {500, "", "HTTP 500", "", "", -1, 500},
        {500, "{}", "HTTP 500", "", "", -1, 500},
        {500, "{\"error\":{\"message\":\"half", "HTTP 500", "", "", -1, 500},
        {529, "{\"error\":{\"message\":\"Overloaded\"}}", "Overloaded", "", "", -1, 503},
        {418, "\"teapot\"", "teapot", "", "", -1, 400},
        {302, "", "HTTP 302", "", "", -1, 502},
        {599, "", "HTTP 599", "", "", -1, 502},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vecna_wire_failure failure = {.dialect = VECNA_WIRE_COHERE};
        vecna_wire_failure_read(cases[i].http_status, cases[i].body, strlen(cases[i].body), NULL,
                                &failure);
        if (i == 16) /* what is left of a cut body is all that there is to tell */
            assert_non_null(strstr(failure.error.message, "half"));
        else
            assert_string_equal(failure.error.message, cases[i].message);
        assert_string_equal(failure.param, cases[i].param);
        assert_string_equal(failure.code, cases[i].code);
        assert_int_equal(failure.retry_after_ms, cases[i].retry_ms);
        assert_int_equal(vecna_wire_failure_status(&failure), cases[i].answered);
        assert_int_equal(failure.dialect, VECNA_WIRE_COHERE);
    }
}

static void retry_headers(void **state) {
    static const struct {
        const char *after, *after_ms, *should;
        int64_t now, ms;
        int final;
    } cases[] = {
        {NULL, NULL, NULL, 0, -1, 0},
        {"7", NULL, NULL, 0, 7000, 0},
        {"1.5", NULL, NULL, 0, 1500, 0},
        {"7", "250", NULL, 0, 250, 0},
        {"-1", NULL, NULL, 0, -1, 0},
        {"soon", NULL, NULL, 5, -1, 0},
        {"Wed, 21 Oct 2015 07:28:00 GMT", NULL, NULL, 1445412470, 10000, 0},
        {"Wed, 21 Oct 2015 07:28:00 GMT", NULL, NULL, 1445412490, 0, 0},
        {"Wed, 21 Oct 2015 07:28:00 GMT", NULL, NULL, 0, -1, 0},
        {"Wed, 21 Ocx 2015 07:28:00 GMT", NULL, NULL, 9, -1, 0},
        {"Wed, 31 Feb 99999 07:28:00 GMT", NULL, NULL, 9, -1, 0},
        {NULL, NULL, "false", 0, -1, 1},
        {NULL, NULL, "true", 0, -1, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        vecna_wire_retry retry = {text_of(cases[i].after), text_of(cases[i].after_ms),
                                  text_of(cases[i].should), cases[i].now};
        vecna_wire_failure failure = {.dialect = VECNA_WIRE_OPENAI};
        vecna_wire_failure_read(429, "{}", 2, &retry, &failure);
        assert_int_equal(failure.retry_after_ms, cases[i].ms);
        assert_int_equal(failure.final, cases[i].final);
    }
}

static void long_messages_are_cut(void **state) {
    char body[5000] = "{\"error\":{\"message\":\"";
    static const char control[] = "{\"error\":\"a\\nb\\u0007\"}";
    size_t at = strlen(body);
    vecna_wire_failure failure = {.dialect = VECNA_WIRE_OPENAI};
    (void)state;
    for (size_t i = 0; i < 1500; i++)
        memcpy(body + at + 2 * i, "\xc3\xa9", 2);
    memcpy(body + at + 3000, "\"}}", 3);
    vecna_wire_failure_read(500, body, at + 3003, NULL, &failure);
    assert_int_equal(vecna_utf8_valid_bytes(failure.error.message, strlen(failure.error.message)),
                     strlen(failure.error.message));
    assert_true(strlen(failure.error.message) > 200);
    vecna_wire_failure_read(500, control, sizeof control - 1, NULL, &failure);
    assert_string_equal(failure.error.message, "a?b?");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shape),   cmocka_unit_test(nulls_and_classes),
        cmocka_unit_test(headers),       cmocka_unit_test(bodies_of_upstreams),
        cmocka_unit_test(retry_headers), cmocka_unit_test(long_messages_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
