/* Any bytes as a request target, the first byte choosing the method; and as a rank file. */
#include "vecna/wire.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void must(int condition) {
    if (!condition)
        abort();
}

static void check_name(vecna_wire_text name) {
    must(vecna_utf8_valid_bytes(name.data, name.bytes) == name.bytes);
    for (size_t i = 0; i < name.bytes; i++)
        must((unsigned char)name.data[i] >= 0x20);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static const char *const methods[] = {"GET", "POST", "HEAD", "DELETE"};
    vecna_wire_route route;
    vecna_wire_failure failure = {.dialect = VECNA_WIRE_OPENAI};
    vecna_wire_vocabulary *vocabulary = NULL;
    vecna_error err = {VECNA_OK, -1, ""};
    vecna_arena arena;
    vecna_status status;
    if (bytes < 1)
        return 0;
    vecna_wire_text target = {(const char *)data + 1, bytes - 1};
    vecna_arena_init(&arena, 0, NULL);
    status = vecna_wire_route_parse(vecna_wire_text_of(methods[data[0] % 4]), target,
                                    data[0] >> 2 & 1, &arena, &route, &failure);
    if (status == VECNA_OK) {
        must(route.endpoint != VECNA_WIRE_NOWHERE && route.dialect == failure.dialect);
        check_name(route.map);
        check_name(route.model);
    } else {
        must(failure.error.status == status && vecna_wire_failure_status(&failure) >= 400);
    }
    vecna_arena_free(&arena);
    status = vecna_wire_vocabulary_parse(target.data, target.bytes, NULL, &vocabulary, &err);
    if (status == VECNA_OK)
        must(vecna_wire_vocabulary_count(vocabulary) > 0);
    else
        must(err.status == status && vocabulary == NULL);
    vecna_wire_vocabulary_free(vocabulary);
    return 0;
}
