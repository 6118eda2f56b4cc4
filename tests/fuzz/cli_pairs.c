/* Any bytes as a file of texts that belong together, by columns or JSON lines, with the usual names of
 * fields and with others: pairs must name texts that are there, and equal texts be one. */
#include "cli/pairs.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check(const text_pairs *pairs) {
    for (size_t i = 0; i < 3 * pairs->pairs; i++)
        if (pairs->pair[i] >= pairs->texts && (i % 3 < 2 || pairs->pair[i] != NO_TEXT))
            abort();
    for (size_t i = 0; i < pairs->texts; i++) {
        const size_t length = pairs->starts[i + 1] - pairs->starts[i];
        if (length == 0 || pairs->starts[i + 1] > pairs->bytes)
            abort();
        for (size_t j = 0; j < i && pairs->texts < 64; j++)
            if (pairs->starts[j + 1] - pairs->starts[j] == length &&
                memcmp(pairs->memory + pairs->starts[i], pairs->memory + pairs->starts[j],
                       length) == 0)
                abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static const pair_fields fields[] = {{0}, {"a", "b", "c", NULL}, {"b", "a", NULL, NULL}};
    static char path[64];
    FILE *file;
    snprintf(path, sizeof path, "/tmp/vecna_fuzz_pairs_%ld", (long)getpid());
    file = fopen(path, "wb");
    if (file == NULL)
        return 0;
    fwrite(data, 1, bytes, file);
    fclose(file);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        text_pairs pairs = {0};
        vecna_error err;
        if (read_pairs(path, &fields[i], &pairs, &err) == VECNA_OK)
            check(&pairs);
        free_pairs_of_texts(&pairs);
    }
    unlink(path);
    return 0;
}
