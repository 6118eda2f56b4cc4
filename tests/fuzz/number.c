/* Any bytes as a number: what the JSON grammar takes the lenient one takes too, the values are
 * those of the C library, and what is printed reads back; and any bytes as a list of numbers and as
 * floats to print, against their numbers one by one. */
#include "codec/codec_impl.h"

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

/* Behind the text nothing may be read: it ends where its memory does. */
static void check_list_read(const char *text, size_t bytes) {
    enum { MOST = 64 };
    char *copy = malloc(bytes ? bytes : 1);
    const char *at = copy;
    float values[MOST];
    size_t count;
    memcpy(copy, text, bytes);
    count = vni_number_list_f32(&at, copy + bytes, values, MOST);
    if (at < copy || at > copy + bytes)
        abort();
    at = copy;
    for (size_t i = 0; i < count; i++) {
        float one = 0;
        size_t used;
        while (strchr(" \n\r\t,", *at))
            at++;
        used = vecna_number_parse_f32(at, (size_t)(copy + bytes - at), VECNA_NUMBER_JSON, &one);
        if (used == 0 || memcmp(&one, &values[i], sizeof one) != 0)
            abort();
        at += used;
    }
    free(copy);
}

static void check_list_printed(const uint8_t *data, size_t bytes) {
    enum { MOST = 64 };
    float values[MOST];
    char list[MOST * (VECNA_NUMBER_BYTES + 1)], single[MOST * (VECNA_NUMBER_BYTES + 1)];
    size_t count = bytes / sizeof *values < MOST ? bytes / sizeof *values : MOST, at = 0;
    memcpy(values, data, count * sizeof *values);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            single[at++] = ' ';
        at += vecna_number_print_f32(values[i], single + at);
    }
    if (vni_number_print_list(values, count, ' ', 0, list) != at || memcmp(list, single, at) != 0)
        abort();
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
    check_list_read(text, bytes);
    check_list_printed(data, bytes);
    return 0;
}
