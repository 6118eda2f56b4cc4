/* Names and sentences come out of one list in the public header, so that they cannot drift apart.
 *
 * Messages quote what stands in files, which may be anything: no byte that is not UTF-8 gets into
 * one, or no JSON could carry it, and no control character, or a file could move the cursor of
 * whoever reads about it. */
#include "base/base_impl.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *vecna_version(void) {
    return VECNA_VERSION;
}

const char *vecna_status_name(vecna_status status) {
    switch (status) {
#define STATUS_NAME(code, name, sentence)                                                          \
    case code:                                                                                     \
        return "VECNA_" #name;
        VECNA_STATUS_LIST(STATUS_NAME)
#undef STATUS_NAME
    }
    return "unknown status";
}

const char *vecna_status_sentence(vecna_status status) {
    switch (status) {
#define STATUS_SENTENCE(code, name, sentence)                                                      \
    case code:                                                                                     \
        return sentence;
        VECNA_STATUS_LIST(STATUS_SENTENCE)
#undef STATUS_SENTENCE
    }
    return "unknown status";
}

/* A cut message must not end inside a UTF-8 sequence: drop the last character when its bytes are
 * not all there. */
static void cut_at_character(char *message, size_t length) {
    size_t lead = length;
    size_t wanted = 1;

    while (lead > 0 && ((unsigned char)message[lead - 1] & 0xC0) == 0x80)
        lead--;
    if (lead == 0)
        return;
    if (((unsigned char)message[lead - 1] & 0xC0) == 0xC0)
        wanted = ((unsigned char)message[lead - 1] & 0xF0) == 0xF0   ? 4
                 : ((unsigned char)message[lead - 1] & 0xE0) == 0xE0 ? 3
                                                                     : 2;
    if (length - (lead - 1) < wanted)
        message[lead - 1] = '\0';
}

/* A question mark for every control character and every byte that is no UTF-8. */
static void make_showable(char *message) {
    unsigned char *at = (unsigned char *)message;
    size_t left = strlen(message);
    while (left > 0) {
        size_t length = vni_utf8_sequence(at, left);
        const int control = at[0] < 0x20 || at[0] == 0x7F || (at[0] == 0xC2 && at[1] < 0xA0);
        if (length == 0 || control) {
            length = length ? length : 1;
            memset(at, '?', length);
        }
        at += length;
        left -= length;
    }
}

vecna_status vecna_error_set(vecna_error *err, vecna_status status, int64_t position,
                             const char *format, ...) {
    va_list arguments;
    int length;

    if (err == NULL)
        return status;
    err->status = status;
    err->position = position;
    va_start(arguments, format);
    length = vsnprintf(err->message, sizeof err->message, format, arguments);
    va_end(arguments);
    if (length < 0)
        snprintf(err->message, sizeof err->message, "%s", vecna_status_sentence(status));
    else if ((size_t)length >= sizeof err->message)
        cut_at_character(err->message, sizeof err->message - 1);
    make_showable(err->message);
    return status;
}
