/* Any bytes as JSON: scanned to the end or refused inside of the text; every cut of what is whole
 * is refused as cut; strings survive being unescaped, written and read again. */
#include "vecna/codec.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_string(const vecna_json_token *token) {
    char *plain = malloc(token->bytes + 1), *again;
    size_t bytes = vecna_json_unescape(token, plain);
    vecna_json_writer writer;
    vecna_json json;
    vecna_json_token back;
    if (bytes > token->bytes || vecna_utf8_valid_bytes(plain, bytes) != bytes)
        abort();
    vecna_json_writer_init(&writer, 0, NULL);
    vecna_json_write_string_bytes(&writer, plain, bytes);
    if (vecna_json_writer_finish(&writer, NULL) != VECNA_OK)
        abort();
    vecna_json_init(&json, writer.text, writer.bytes, 0);
    if (vecna_json_next(&json, &back, NULL) != VECNA_OK || back.kind != VECNA_JSON_STRING)
        abort();
    again = malloc(back.bytes + 1);
    if (vecna_json_unescape(&back, again) != bytes || memcmp(again, plain, bytes) != 0)
        abort();
    free(plain);
    free(again);
    vecna_json_writer_free(&writer);
}

static vecna_status scan(const char *text, size_t bytes, int strings, size_t *tokens) {
    vecna_json json;
    vecna_json_token token = {VECNA_JSON_NULL, 0, NULL, 0};
    vecna_error err = {VECNA_OK, -1, ""};
    vecna_status status = VECNA_OK;
    vecna_json_init(&json, text, bytes, 0);
    while (token.kind != VECNA_JSON_END) {
        status = vecna_json_next(&json, &token, &err);
        if (status != VECNA_OK)
            break;
        ++*tokens;
        if (token.bytes > 0 && (token.text < text || token.text + token.bytes > text + bytes))
            abort();
        if (strings && (token.kind == VECNA_JSON_KEY || token.kind == VECNA_JSON_STRING))
            check_string(&token);
    }
    if (status != VECNA_OK &&
        (err.status != status || err.position < 0 || (size_t)err.position > bytes))
        abort();
    if (*tokens > 2 * bytes + 2)
        abort();
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    const char *text = (const char *)data;
    size_t tokens = 0, cut_tokens;
    float row[16];
    size_t count = 0;
    vecna_json json;
    vecna_json_token token;
    if (scan(text, bytes, 1, &tokens) == VECNA_OK && bytes < 300 && bytes > 0 &&
        (text[bytes - 1] == ']' || text[bytes - 1] == '}'))
        for (size_t cut = 1; cut < bytes; cut++) {
            char *copy = malloc(cut);
            memcpy(copy, text, cut);
            cut_tokens = 0;
            if (scan(copy, cut, 0, &cut_tokens) != VECNA_ERR_TRUNCATED)
                abort();
            free(copy);
        }
    vecna_json_init(&json, text, bytes, 0);
    if (vecna_json_next(&json, &token, NULL) == VECNA_OK && token.kind == VECNA_JSON_ARRAY_BEGIN &&
        vecna_json_floats(&json, row, 16, &count, NULL) == VECNA_OK && count > 16)
        abort();
    vecna_json_init(&json, text, bytes, 0);
    if (vecna_json_next(&json, &token, NULL) == VECNA_OK && token.kind != VECNA_JSON_END)
        if (vecna_json_skip(&json, &token, &token, NULL) == VECNA_OK && token.bytes > bytes)
            abort();
    return 0;
}
