/* Any bytes as base64: what decodes encodes to the same text; any bytes encode and come back; the
 * widest instructions of the machine say what the portable code says. */
#include "codec/codec_impl.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void compare_kernels(const char *text, size_t bytes) {
    unsigned char *wide = malloc(bytes + 1), *portable = malloc(bytes + 1);
    size_t wide_bytes = 0, portable_bytes = 0;
    vecna_error wide_err = {VECNA_OK, -1, ""}, portable_err = {VECNA_OK, -1, ""};
    vecna_status wide_status =
        vecna_base64_decode(text, bytes, wide, bytes, &wide_bytes, &wide_err);
    vni_base64_allow(0);
    vecna_status status =
        vecna_base64_decode(text, bytes, portable, bytes, &portable_bytes, &portable_err);
    vni_base64_allow(~0u);
    if (status != wide_status || portable_err.position != wide_err.position ||
        portable_bytes != wide_bytes || memcmp(wide, portable, wide_bytes) != 0)
        abort();
    free(wide);
    free(portable);
}

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
    compare_kernels((const char *)data, bytes);
    free(text);
    free(back);
    return 0;
}
