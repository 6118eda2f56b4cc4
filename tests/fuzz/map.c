/* Any bytes as a map. Most end at the checksum, so a second attempt makes it fit first; what is
 * accepted must apply. */
#include "translate/translate_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void try_map(const uint8_t *data, size_t bytes) {
    vecna_map *map = NULL;
    vecna_error err = {VECNA_OK, -1, ""};
    vecna_status status = vecna_map_parse(data, bytes, "fuzz", NULL, &map, &err);
    if (status != VECNA_OK) {
        if (map != NULL || err.status != status || err.message[0] == '\0')
            abort();
        return;
    }
    vecna_map_info info = vecna_map_about(map);
    float *in = calloc(info.source_dim + info.target_dim, sizeof *in);
    if (in == NULL)
        abort();
    in[0] = 1;
    if (vecna_map_apply(map, vecna_view_dense(in, 1, info.source_dim),
                        vecna_matrix_dense(in + info.source_dim, 1, info.target_dim), NULL,
                        &err) != VECNA_OK)
        abort();
    free(in);
    vecna_map_free(map);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    vecna_safetensors *file = NULL;
    try_map(data, bytes);
    if (bytes >= 8 && vecna_safetensors_parse(data, bytes, bytes, NULL, &file, NULL) == VECNA_OK) {
        const char *old = vecna_safetensors_text(file, "checksum");
        if (old != NULL && strlen(old) == 16) {
            uint8_t *copy = malloc(bytes);
            char sum[20];
            if (copy == NULL)
                abort();
            memcpy(copy, data, bytes);
            snprintf(sum, sizeof sum, "%016" PRIx64, vni_map_file_checksum(file, data));
            for (size_t i = 0; i + 16 <= bytes; i++) {
                if (memcmp(copy + i, old, 16) == 0) {
                    memcpy(copy + i, sum, 16);
                    break;
                }
            }
            try_map(copy, bytes);
            free(copy);
        }
        vecna_safetensors_free(file);
    }
    return 0;
}
