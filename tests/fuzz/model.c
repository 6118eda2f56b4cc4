/* A static model from any bytes: what is accepted embeds any text, and any picture if it says that it
 * can, and what is refused says why.
 *
 * The checksum would stop every mutant, so a file that fails by it alone is read again with the checksum
 * that the message names, as a hostile hand would write it. */
#include "vecna/model.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void use(const vecna_model *model, const uint8_t *text, size_t bytes) {
    const vecna_model_info about = vecna_model_about(model);
    const vecna_passage passage = {(const char *)text, bytes};
    uint64_t pieces;
    float *out = malloc((about.dim + 1) * sizeof *out);
    if (out == NULL ||
        vecna_model_embed(model, &passage, 1, vecna_matrix_dense(out, 1, about.dim), &pieces, NULL,
                          NULL) != VECNA_OK ||
        pieces > bytes)
        abort();
    free(out);
}

/* A picture of the bytes. */
static void use_tower(const vecna_model *model, const uint8_t *bytes, size_t count) {
    const vecna_model_info about = vecna_model_about(model);
    if (about.shape == NULL)
        return;
    const size_t each = about.shape->height * about.shape->width * about.shape->channels;
    uint8_t *pixels = malloc(each);
    float *out = malloc(about.dim * sizeof *out);
    if (pixels == NULL || out == NULL)
        abort();
    for (size_t i = 0; i < each; i++)
        pixels[i] = bytes[i % count];
    const vecna_pictures one = {pixels, 1, about.shape->height, about.shape->width,
                                about.shape->channels};
    if (vecna_model_embed_pictures(model, &one, vecna_matrix_dense(out, 1, about.dim), NULL,
                                   NULL) != VECNA_OK)
        abort();
    free(pixels);
    free(out);
}

/* Write the checksum of the message over the one that stands in the file; 0 when it has none. */
static int repair(uint8_t *data, size_t bytes, const char *message) {
    const char *wanted = strstr(message, "checksum is "), *key = "\"checksum\":\"";
    if (wanted == NULL)
        return 0;
    for (size_t at = 0; at + strlen(key) + 16 < bytes; at++)
        if (memcmp(data + at, key, strlen(key)) == 0) {
            memcpy(data + at + strlen(key), wanted + strlen("checksum is "), 16);
            return 1;
        }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    vecna_model *model = NULL;
    vecna_error err = {VECNA_OK, -1, ""};
    uint8_t *copy = malloc(bytes + 1);
    vecna_status status;
    if (copy == NULL)
        abort();
    memcpy(copy, data, bytes);
    status = vecna_model_parse(copy, bytes, "fuzz", NULL, &model, &err);
    if (status == VECNA_ERR_CHECKSUM && repair(copy, bytes, err.message))
        status = vecna_model_parse(copy, bytes, "fuzz", NULL, &model, &err);
    if (status == VECNA_OK) {
        use(model, data, bytes);
        use_tower(model, data, bytes);
    } else if (err.message[0] == '\0')
        abort();
    vecna_model_free(model);
    free(copy);
    return 0;
}
