/* Any bytes as base64: what decodes encodes to the same text; any bytes encode and come back. */
#include "vecna/codec.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    size_t text_bytes = vecna_base64_text_bytes(bytes), got = 0;
    char *text = malloc(text_bytes + 1);
    unsigned char *back = malloc(bytes + 1);
    vecna_base64_encode(data, bytes, text);
    if (vecna_base64_decode(text, text_bytes, back, bytes, &got, NULL) != VECNA_OK ||
        got != bytes || (bytes > 0 && memcmp(back, data, bytes) != 0))
        abort();
    if (vecna_base64_decode((const char *)data, bytes, back, bytes, &got, NULL) == VECNA_OK) {
        if (got > bytes / 4 * 3 || vecna_base64_text_bytes(got) != bytes)
            abort();
        vecna_base64_encode(back, got, text);
        if (bytes > 0 && memcmp(text, data, bytes) != 0)
            abort();
    }
    free(text);
    free(back);
    return 0;
}
