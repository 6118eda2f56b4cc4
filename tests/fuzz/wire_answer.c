/* Any bytes as the answer of any upstream: the first byte chooses the provider, the second the rows
 * and the third the dimension (0 learns it). What is accepted is finite, not zero, whole and the
 * same when it is read into the caller's memory. The same bytes then as an error and as a list of
 * models. */
#include "vecna/wire.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void must(int condition) {
    if (!condition)
        abort();
}

static void check_rows(const vecna_wire_result *result, const vecna_wire_expect *expect) {
    must(result->vectors.rows == expect->rows && result->vectors.dim > 0);
    must(expect->dim == 0 || result->vectors.dim == expect->dim);
    must(vecna_utf8_valid_bytes(result->model.data, result->model.bytes) == result->model.bytes);
    for (size_t i = 0; i < result->vectors.rows; i++) {
        const float *row = result->vectors.data + i * result->vectors.stride;
        int any = 0;
        for (size_t d = 0; d < result->vectors.dim; d++) {
            must(isfinite(row[d]));
            any |= row[d] != 0;
        }
        must(any);
    }
}

/* Once more, into rows with a gap between them. */
static void read_again(const char *body, size_t bytes, vecna_wire_expect expect,
                       const vecna_wire_result *first, vecna_arena *arena) {
    size_t dim = first->vectors.dim, stride = dim + 1;
    float *data = calloc(expect.rows * stride, sizeof *data);
    vecna_wire_result again;
    expect.dim = dim;
    expect.data = data;
    expect.stride = stride;
    must(vecna_wire_result_read(body, bytes, &expect, arena, &again, NULL) == VECNA_OK);
    for (size_t i = 0; i < expect.rows; i++) {
        must(memcmp(data + i * stride, first->vectors.data + i * dim, dim * sizeof *data) == 0);
        must(data[i * stride + dim] == 0);
    }
    free(data);
}

static void read_rest(vecna_wire_dialect dialect, const char *body, size_t bytes,
                      vecna_arena *arena) {
    static const char *const paths[] = {"/api/version", "/api/v0/models", "/props",
                                        "/info",        "/health",        "/v1/models"};
    vecna_wire_failure failure = {.dialect = dialect};
    vecna_wire_text header = {body, bytes > 40 ? 40 : bytes};
    vecna_wire_retry retry = {header, header, header, 1700000000};
    const vecna_wire_model *models;
    size_t count;
    vecna_wire_failure_read(bytes > 0 ? 400 + body[0] % 130 : 500, body, bytes, &retry, &failure);
    must(failure.error.message[0] != '\0' && failure.dialect == dialect);
    must(failure.retry_after_ms >= -1 && vecna_wire_failure_status(&failure) >= 400);
    if (vecna_wire_models_read(dialect, body, bytes, arena, &models, &count, NULL) == VECNA_OK)
        for (size_t i = 0; i < count; i++)
            must(vecna_utf8_valid_bytes(models[i].id.data, models[i].id.bytes) ==
                 models[i].id.bytes);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        (void)vecna_wire_server_of(paths[i], body, bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    vecna_wire_result result;
    vecna_error err = {VECNA_OK, -1, ""};
    vecna_arena arena;
    vecna_status status;
    if (bytes < 3)
        return 0;
    vecna_wire_expect expect = {
        .dialect = (vecna_wire_dialect)(data[0] % 8), .rows = data[1] % 5 + 1, .dim = data[2] % 5};
    const char *body = (const char *)data + 3;
    bytes -= 3;
    vecna_arena_init(&arena, (size_t)1 << 24, NULL);
    status = vecna_wire_result_read(body, bytes, &expect, &arena, &result, &err);
    if (status == VECNA_OK) {
        check_rows(&result, &expect);
        read_again(body, bytes, expect, &result, &arena);
    } else {
        must(err.status == status && err.message[0] != '\0');
    }
    read_rest(expect.dialect, body, bytes, &arena);
    vecna_arena_free(&arena);
    return 0;
}
