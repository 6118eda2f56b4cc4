/* The HTTP parser: a request as it comes must read the same whole and in two pieces, and nothing it says
 * may lie outside of what was given. The first byte chooses where the pieces meet. */
#include "net/http1.h"

#include <stdlib.h>
#include <string.h>

enum { FIELDS = 32, LIMIT = 2048 };

static void require(int truth) {
    if (!truth)
        abort();
}

static void inside(vni_text text, const char *data, size_t bytes) {
    require(text.bytes == 0 || text.at == NULL || text.bytes == 1 ||
            (text.at >= data && text.at + text.bytes <= data + bytes));
}

static int read_head(vni_http_head *head, vni_field *fields, const char *data, size_t bytes,
                     size_t cut) {
    int result = VNI_HTTP_MORE;
    memset(head, 0, sizeof *head);
    head->limit_bytes = LIMIT;
    head->fields = fields;
    head->limit_fields = FIELDS;
    if (cut < bytes)
        result = vni_http_read_head(head, data, cut);
    if (result == VNI_HTTP_MORE)
        result = vni_http_read_head(head, data, bytes);
    return result;
}

static int read_body(const char *data, size_t bytes, size_t cut, char *out, size_t *out_bytes) {
    vni_http_chunks chunks = {.limit_bytes = 1 << 16};
    size_t at = 0;
    *out_bytes = 0;
    for (int part = 0; part < 2; part++) {
        size_t end = part == 0 && cut < bytes ? cut : bytes;
        while (at < end) {
            vni_text piece;
            int result = vni_http_read_chunks(&chunks, data, end, &at, &piece);
            require(at <= end);
            inside(piece, data, bytes);
            memcpy(out + *out_bytes, piece.at, piece.bytes);
            *out_bytes += piece.bytes;
            if (result != VNI_HTTP_MORE)
                return result;
        }
    }
    return VNI_HTTP_MORE;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
    const char *data = (const char *)input + 1;
    vni_field first_fields[FIELDS], second_fields[FIELDS];
    vni_http_head first, second;
    size_t bytes, body_bytes, cut, first_bytes, second_bytes;
    char *one, *two;
    int result;
    if (size < 1 || size > 1 << 16)
        return 0;
    bytes = size - 1;
    cut = bytes == 0 ? 0 : input[0] * bytes / 256;
    result = read_head(&first, first_fields, data, bytes, bytes);
    require(result == read_head(&second, second_fields, data, bytes, cut));
    require(result >= 0 || first.reason != NULL);
    if (result != VNI_HTTP_DONE)
        return 0;
    require(first.head_bytes == second.head_bytes && first.head_bytes <= bytes);
    require(first.field_count == second.field_count &&
            first.content_length == second.content_length);
    inside(first.path, data, bytes);
    inside(first.query, data, bytes);
    for (size_t i = 0; i < first.field_count; i++) {
        inside(first_fields[i].name, data, bytes);
        inside(first_fields[i].value, data, bytes);
        require(memchr(first_fields[i].value.at, '\n', first_fields[i].value.bytes) == NULL);
        require(memchr(first_fields[i].value.at, 0, first_fields[i].value.bytes) == NULL);
    }
    require(!(first.chunked && first.content_length >= 0));
    data += first.head_bytes;
    body_bytes = bytes - first.head_bytes;
    cut = cut > first.head_bytes ? cut - first.head_bytes : 0;
    one = malloc(body_bytes + 1);
    two = malloc(body_bytes + 1);
    result = read_body(data, body_bytes, body_bytes, one, &first_bytes);
    require(result == read_body(data, body_bytes, cut, two, &second_bytes));
    require(first_bytes == second_bytes && memcmp(one, two, first_bytes) == 0);
    free(one);
    free(two);
    return 0;
}
