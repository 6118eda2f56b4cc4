/* Small things about names. */
#include "format/format_impl.h"

#include <string.h>

size_t vni_kept_bytes(const char *text) {
    return text ? strlen(text) + 1 : 0;
}

const char *vni_keep(char **end, const char *text) {
    char *at = *end;
    size_t bytes = vni_kept_bytes(text);
    if (bytes == 0)
        return NULL;
    memcpy(at, text, bytes);
    *end = at + bytes;
    return at;
}

void vni_path_extension(const char *path, char *out) {
    const char *slash = strrchr(path, '/'), *dot;
    size_t length = 0;
    dot = strrchr(slash ? slash : path, '.');
    if (dot != NULL && strlen(dot + 1) < 16)
        for (dot++; *dot; dot++)
            out[length++] = *dot >= 'A' && *dot <= 'Z' ? (char)(*dot - 'A' + 'a') : *dot;
    out[length] = '\0';
}

int vni_word_in(const char *word, const char *list) {
    size_t length = strlen(word);
    while (length > 0 && *list) {
        size_t each = strcspn(list, " ");
        if (each == length && memcmp(word, list, length) == 0)
            return 1;
        list += each + strspn(list + each, " ");
    }
    return 0;
}
