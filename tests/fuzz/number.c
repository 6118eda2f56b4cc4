/* Any bytes as a number: what the JSON grammar takes the lenient one takes too, the values are
 * those of the C library, and what is printed reads back. */
#include "vecna/codec.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_f64(const char *text, size_t used) {
    char buffer[VECNA_NUMBER_BYTES], *copy = malloc(used + 1);
    double value = 0, back = 0;
    if (vecna_number_parse_f64(text, used, VECNA_NUMBER_JSON, &value) != used)
        abort();
    memcpy(copy, text, used);
    copy[used] = '\0';
    if (memcmp(&value, &(double){strtod(copy, NULL)}, sizeof value) != 0)
        abort();
    free(copy);
    if (isfinite(value)) {
        size_t printed = vecna_number_print_f64(value, buffer);
        if (vecna_number_parse_f64(buffer, printed, VECNA_NUMBER_JSON, &back) != printed ||
            memcmp(&back, &value, sizeof value) != 0)
            abort();
    }
}

static void check_f32(const char *text, size_t used) {
    char buffer[VECNA_NUMBER_BYTES], *copy = malloc(used + 1);
    float value = 0, back = 0;
    if (vecna_number_parse_f32(text, used, VECNA_NUMBER_JSON, &value) != used)
        abort();
    memcpy(copy, text, used);
    copy[used] = '\0';
    if (memcmp(&value, &(float){strtof(copy, NULL)}, sizeof value) != 0)
        abort();
    free(copy);
    if (isfinite(value)) {
        size_t printed = vecna_number_print_f32(value, buffer);
        if (vecna_number_parse_f32(buffer, printed, VECNA_NUMBER_JSON, &back) != printed ||
            memcmp(&back, &value, sizeof value) != 0)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    const char *text = (const char *)data;
    double strict = 0, lenient = 0;
    size_t used = vecna_number_parse_f64(text, bytes, VECNA_NUMBER_JSON, &strict);
    size_t more = vecna_number_parse_f64(text, bytes, VECNA_NUMBER_LENIENT, &lenient);
    if (used > bytes || more > bytes || more < used)
        abort();
    if (used > 0) {
        check_f64(text, used);
        check_f32(text, used);
    }
    return 0;
}
