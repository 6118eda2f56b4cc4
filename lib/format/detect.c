/* The table of formats, and who owns a file: by its content when reading, by its name when writing.
 * A content that claims nothing falls back on the name, so that a damaged file is told what is
 * wrong with it by the format it claims to be. */
#include "format/format_impl.h"

#include <string.h>

/* Every format, in the order of docs/formats.md; the first of two equal claims wins. */
#define FORMAT_LIST(X)                                                                             \
    X(npy)                                                                                         \
    X(safetensors)                                                                                 \
    X(fvecs)                                                                                       \
    X(bvecs)                                                                                       \
    X(ivecs)                                                                                       \
    X(jsonl)                                                                                       \
    X(csv)                                                                                         \
    X(tsv)                                                                                         \
    X(word2vec)                                                                                    \
    X(word2vec_text)                                                                               \
    X(fasttext)                                                                                    \
    X(glove)                                                                                       \
    X(raw)

#define FORMAT_ADDRESS(name) &vni_format_##name,
#define FORMAT_INFO(name) &vni_format_##name.info,

static const vni_format *const formats[] = {FORMAT_LIST(FORMAT_ADDRESS)};
static const vecna_format_info *const infos[] = {FORMAT_LIST(FORMAT_INFO) NULL};

enum { FORMATS = sizeof formats / sizeof *formats };

const vecna_format_info *const *vecna_format_list(void) {
    return infos;
}

/* "npy, fvecs, raw" as far as it fits. */
static void names_of_all(char *out, size_t capacity) {
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < FORMATS; i++) {
        size_t length = strlen(formats[i]->info.name), comma = i ? 2 : 0;
        if (used + comma + length + 1 > capacity)
            return;
        memcpy(out + used, ", ", comma);
        memcpy(out + used + comma, formats[i]->info.name, length + 1);
        used += comma + length;
    }
}

vecna_status vni_format_by_name(const char *name, const vni_format **out, vecna_error *err) {
    char names[160];
    for (size_t i = 0; i < FORMATS; i++)
        if (strcmp(formats[i]->info.name, name) == 0) {
            *out = formats[i];
            return VECNA_OK;
        }
    names_of_all(names, sizeof names);
    return vecna_error_set(err, VECNA_ERR_NOT_FOUND, -1,
                           "no format is called '%.32s'; there are %s", name, names);
}

const vni_format *vni_format_by_extension(const char *extension) {
    for (size_t i = 0; i < FORMATS; i++)
        if (vni_word_in(extension, formats[i]->info.extensions))
            return formats[i];
    return NULL;
}

const vni_format *vni_format_by_content(const vni_head *head) {
    const vni_format *best = NULL;
    int best_score = 0;
    for (size_t i = 0; i < FORMATS; i++) {
        int sure = formats[i]->detect ? formats[i]->detect(head) : VNI_NO;
        int score = sure ? 2 * sure + vni_word_in(head->extension, formats[i]->info.extensions) : 0;
        if (score > best_score) {
            best = formats[i];
            best_score = score;
        }
    }
    return best;
}

/* What people try, and what to do instead. */
static const struct {
    const char *magic;
    size_t bytes;
    const char *advice;
} foreign[] = {
    {"\x1f\x8b", 2, "is compressed with gzip; pipe it: zcat FILE | vecna ... -"},
    {"\x28\xb5\x2f\xfd", 4, "is compressed with zstd; pipe it: zstdcat FILE | vecna ... -"},
    {"\xfd"
     "7zXZ",
     5, "is compressed with xz; pipe it: xzcat FILE | vecna ... -"},
    {"BZh", 3, "is compressed with bzip2; pipe it: bzcat FILE | vecna ... -"},
    {"PK\x03\x04", 4, "is a zip archive (as .npz is); save one array with numpy.save"},
    {"PAR1", 4, "is Parquet; write it as CSV or JSONL first"},
    {"ARROW1", 6, "is Arrow; write it as CSV or JSONL first"},
    {"\x89HDF\r\n", 6, "is HDF5; save the dataset with numpy.save"},
    {"SQLite format 3", 15, "is an SQLite database, not a file of vectors"},
    {"\xba\x16\x4f\x2f", 4, "is a fastText model; take its .vec file"},
    {"GGUF", 4, "is a GGUF model, not a file of vectors"},
};

/* The advice for a file of something else; NULL when it is nothing that is known here. */
static const char *foreign_advice(const vni_head *head) {
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        if (head->bytes >= foreign[i].bytes &&
            memcmp(head->data, foreign[i].magic, foreign[i].bytes) == 0)
            return foreign[i].advice;
    return NULL;
}

int vni_format_is_foreign(const vni_head *head) {
    return foreign_advice(head) != NULL;
}

vecna_status vni_format_unknown(const vni_head *head, const char *name, vecna_error *err) {
    const char *advice = foreign_advice(head);
    char names[100];
    if (advice)
        return vecna_error_set(err, VECNA_ERR_UNSUPPORTED, 0, "%s %s", name, advice);
    names_of_all(names, sizeof names);
    return vecna_error_set(
        err, VECNA_ERR_ARGUMENT, -1,
        "cannot tell the format of %s; name it: %s (raw needs the dimension too)", name, names);
}
