/* The words of the enumerations, and texts that are not terminated. */
#include "wire/wire_impl.h"

static const char *const dialect_names[] = {"openai", "google", "ollama",  "cohere",
                                            "voyage", "jina",   "mistral", "tei"};
static const char *const task_names[] = {"none",       "query",          "document",
                                         "similarity", "classification", "clustering",
                                         "question",   "fact",           "code-query"};

vecna_wire_text vecna_wire_text_of(const char *string) {
    vecna_wire_text text = {string, string ? strlen(string) : 0};
    return text;
}

int vecna_wire_text_is(vecna_wire_text text, const char *string) {
    size_t bytes = strlen(string);
    return text.bytes == bytes && (bytes == 0 || memcmp(text.data, string, bytes) == 0);
}

int vni_wire_same_letters(vecna_wire_text text, const char *word) {
    if (text.bytes != strlen(word))
        return 0;
    for (size_t i = 0; i < text.bytes; i++) {
        char a = text.data[i], b = word[i];
        a = a >= 'A' && a <= 'Z' ? (char)(a + 32) : a;
        b = b >= 'A' && b <= 'Z' ? (char)(b + 32) : b;
        if (a != b)
            return 0;
    }
    return 1;
}

const char *vecna_wire_dialect_name(vecna_wire_dialect dialect) {
    return (size_t)dialect < sizeof dialect_names / sizeof *dialect_names ? dialect_names[dialect]
                                                                          : NULL;
}

int vecna_wire_dialect_find(const char *name, vecna_wire_dialect *out) {
    for (size_t i = 0; i < sizeof dialect_names / sizeof *dialect_names; i++)
        if (vni_wire_same_letters(vecna_wire_text_of(name), dialect_names[i])) {
            *out = (vecna_wire_dialect)i;
            return 1;
        }
    return 0;
}

const char *vecna_wire_task_name(vecna_wire_task task) {
    return (size_t)task < sizeof task_names / sizeof *task_names ? task_names[task] : "none";
}

vecna_wire_task vecna_wire_task_role(vecna_wire_task task) {
    switch (task) {
    case VECNA_WIRE_TASK_QUERY:
    case VECNA_WIRE_TASK_QUESTION:
    case VECNA_WIRE_TASK_FACT:
    case VECNA_WIRE_TASK_CODE_QUERY:
        return VECNA_WIRE_TASK_QUERY;
    case VECNA_WIRE_TASK_DOCUMENT:
        return VECNA_WIRE_TASK_DOCUMENT;
    default:
        return VECNA_WIRE_TASK_NONE;
    }
}

int vecna_wire_endpoint_normalizes(vecna_wire_endpoint endpoint) {
    return endpoint != VECNA_WIRE_OLLAMA_EMBEDDINGS;
}
