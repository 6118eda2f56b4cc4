/* What `--keep` of the counting trainers and of doc2vec wrote, as any bytes: what is accepted reads any text,
 * what is refused says why. */
#include "vecna/train.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const char *write_file(const uint8_t *data, size_t bytes) {
    static char path[64];
    if (path[0] == '\0')
        snprintf(path, sizeof path, "/tmp/vecna-fuzz-kept-%d", (int)getpid());
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(data, 1, bytes, file) != bytes || fclose(file) != 0)
        abort();
    return path;
}

static void check_error(vecna_status status, const vecna_error *err) {
    if (err->status != status || err->message[0] == '\0')
        abort();
}

static void use_counts(const vecna_counts *model, const uint8_t *text, size_t bytes) {
    const vecna_counts_info about = vecna_counts_about(model);
    const vecna_passage passages[2] = {{(const char *)text, bytes}, {"the second text", 15}};
    uint64_t words = 0;
    float *out = malloc(2 * about.dim * sizeof *out);
    if (out == NULL || vecna_counts_embed(model, passages, 2, vecna_matrix_dense(out, 2, about.dim),
                                          &words, NULL, NULL) != VECNA_OK)
        abort();
    free(out);
}

static void use_reader(const vecna_doc2vec_reader *reader) {
    const int32_t known = (int32_t)vecna_vocab_size(vecna_doc2vec_words(reader));
    const int32_t ids[4] = {0, known - 1, known / 2, 0};
    float *out = malloc(vecna_doc2vec_dim(reader) * sizeof *out);
    if (out == NULL || vecna_doc2vec_infer(reader, ids, 4, 2, out, NULL) != VECNA_OK)
        abort();
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    const char *path = write_file(data, bytes);
    vecna_error err = {VECNA_OK, -1, ""};
    vecna_counts *counts = NULL;
    vecna_doc2vec_reader *reader = NULL;
    vecna_status status = vecna_counts_open(path, NULL, &counts, &err);
    if (status == VECNA_OK)
        use_counts(counts, data, bytes);
    else
        check_error(status, &err);
    vecna_counts_free(counts);
    status = vecna_doc2vec_open(path, NULL, &reader, &err);
    if (status == VECNA_OK)
        use_reader(reader);
    else
        check_error(status, &err);
    vecna_doc2vec_close(reader);
    unlink(path);
    return 0;
}
