/* Static models in files: a safetensors file whose metadata says what it is. Every part is checked
 * against every other before a model is made; the checksum is over the metadata and all tensors. */
#include "model/model_impl.h"

#include "base/base_impl.h"
#include "vecna/codec.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT_NAME "vecna-model"
#define TOKENIZER_NAME "wordpiece"
#define BYTES_MOST ((uint64_t)4 << 30)

enum { PAIRS = 12, TENSORS = 3 + VNI_MODEL_IMAGE_TENSORS, DIM_MOST = 65536 };

/* Of metadata in its order, but the checksum itself, then of the data. */
static uint64_t hash_pairs(const vecna_tensor_text *pairs, size_t count) {
    uint64_t hash = VNI_HASH_START;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(pairs[i].key, "checksum") != 0) {
            hash = vni_hash(hash, pairs[i].key, strlen(pairs[i].key) + 1);
            hash = vni_hash(hash, pairs[i].value, strlen(pairs[i].value) + 1);
        }
    }
    return hash;
}

/* ---- writing --------------------------------------------------------------------------------- */

typedef struct part {
    const void *data;
    size_t bytes;
} part;

/* Tensors in the order of their data: larger elements first, as the container puts them. */
static size_t list_tensors(const vecna_model *m, vni_model_tensor *tower,
                           vecna_tensor_entry *entries, part *parts) {
    const vecna_tensor_dtype dtype = m->dtype == VECNA_I8 ? VECNA_TENSOR_I8 : VECNA_TENSOR_F16;
    size_t count = 0;
    memset(entries, 0, TENSORS * sizeof *entries);
    if (m->scales) {
        entries[count] = (vecna_tensor_entry){
            .name = "scales", .dtype = VECNA_TENSOR_F32, .rank = 1, .shape = {m->pieces}};
        parts[count++] = (part){m->scales, m->pieces * sizeof *m->scales};
    }
    const size_t towers = m->shape.stages ? vni_model_image_tensors(&m->shape, tower) : 0;
    for (size_t i = 0; i < towers; i++) {
        const size_t end = i + 1 < towers ? tower[i + 1].at : tower[i].at + m->dim;
        entries[count] = tower[i].entry;
        parts[count++] = (part){m->tower + tower[i].at, (end - tower[i].at) * sizeof *m->tower};
    }
    entries[count] = (vecna_tensor_entry){
        .name = "embeddings", .dtype = dtype, .rank = 2, .shape = {m->pieces, m->dim}};
    parts[count++] = (part){m->table, m->pieces * vecna_dtype_bytes(m->dtype, m->dim)};
    entries[count] = (vecna_tensor_entry){
        .name = "vocabulary", .dtype = VECNA_TENSOR_U8, .rank = 1, .shape = {m->vocabulary_bytes}};
    parts[count++] = (part){m->vocabulary, m->vocabulary_bytes};
    return count;
}

vecna_status vecna_model_save(const vecna_model *model, const char *path, vecna_error *err) {
    vecna_tensor_entry entries[TENSORS];
    part parts[TENSORS];
    vni_model_tensor tower[VNI_MODEL_IMAGE_TENSORS];
    char checksum[17], version[12], pixels[64], scale[32];
    vecna_outfile *file = NULL;
    vecna_json_writer head;
    vecna_status status;
    const size_t count = list_tensors(model, tower, entries, parts);
    snprintf(version, sizeof version, "%d", VECNA_MODEL_VERSION);
    vecna_tensor_text pairs[PAIRS] = {{"format", FORMAT_NAME},
                                      {"version", version},
                                      {"name", model->name},
                                      {"teacher", model->teacher},
                                      {"licence", model->licence},
                                      {"tokenizer", TOKENIZER_NAME},
                                      {"case", model->keep_case ? "kept" : "lowered"},
                                      {"report", model->report}};
    size_t said = 8;
    if (model->shape.stages) {
        snprintf(pixels, sizeof pixels, "%zux%zux%zu", model->shape.height, model->shape.width,
                 model->shape.channels);
        snprintf(scale, sizeof scale, "%.9g", model->scale);
        pairs[said++] = (vecna_tensor_text){"pixels", pixels};
        pairs[said++] = (vecna_tensor_text){"scale", scale};
    }
    uint64_t hash = hash_pairs(pairs, said);
    for (size_t i = 0; i < count; i++) {
        hash = vni_hash(hash, parts[i].data, parts[i].bytes);
    }
    snprintf(checksum, sizeof checksum, "%016" PRIx64, hash);
    pairs[said++] = (vecna_tensor_text){"checksum", checksum};
    vecna_json_writer_init(&head, 0, NULL);
    status = vecna_safetensors_print(entries, count, pairs, said, &head, err);
    if (status == VECNA_OK) {
        status = vecna_outfile_open(path, NULL, &file, err);
    }
    if (status == VECNA_OK) {
        status = vecna_outfile_write(file, head.text, head.bytes, err);
    }
    for (size_t i = 0; status == VECNA_OK && i < count; i++) {
        status = vecna_outfile_write(file, parts[i].data, parts[i].bytes, err);
    }
    if (status == VECNA_OK) {
        status = vecna_outfile_commit(file, err);
    } else {
        vecna_outfile_discard(file);
    }
    vecna_json_writer_free(&head);
    return status;
}

/* ---- reading --------------------------------------------------------------------------------- */

typedef struct reading {
    const char *name;
    const unsigned char *data; /* of the tensors */
    vecna_safetensors *file;
    const vecna_tensor_entry *embeddings, *scales, *vocabulary;
} reading;

static vecna_status malformed(const reading *r, const char *what, vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_FORMAT, -1, "%s is no static model: %s", r->name, what);
}

static const char *text_of(const reading *r, const char *key) {
    const char *text = vecna_safetensors_text(r->file, key);
    return text ? text : "";
}

static vecna_status check_words(const reading *r, vecna_error *err) {
    char *end;
    if (strcmp(text_of(r, "format"), FORMAT_NAME) != 0) {
        return malformed(r, "its metadata has no format \"" FORMAT_NAME "\"", err);
    }
    const unsigned long version = strtoul(text_of(r, "version"), &end, 10);
    if (*end || version < 1) {
        return malformed(r, "its version is no number", err);
    }
    if (version > VECNA_MODEL_VERSION) {
        return vecna_error_set(
            err, VECNA_ERR_VERSION, -1,
            "%s is a model of version %lu; this vecna reads up to %d: use a newer "
            "one",
            r->name, version, VECNA_MODEL_VERSION);
    }
    if (strcmp(text_of(r, "tokenizer"), TOKENIZER_NAME) != 0) {
        return malformed(r, "its tokenizer is not \"" TOKENIZER_NAME "\"", err);
    }
    const char *letters = text_of(r, "case");
    if (strcmp(letters, "kept") != 0 && strcmp(letters, "lowered") != 0) {
        return malformed(r, "its case is neither kept nor lowered", err);
    }
    return VECNA_OK;
}

static vecna_status check_checksum(const reading *r, vecna_error *err) {
    char wanted[17];
    uint64_t hash = hash_pairs(r->file->metadata, r->file->metadata_count);
    hash = vni_hash(hash, r->data, (size_t)r->file->data_bytes);
    snprintf(wanted, sizeof wanted, "%016" PRIx64, hash);
    if (strcmp(wanted, text_of(r, "checksum")) != 0) {
        return vecna_error_set(err, VECNA_ERR_CHECKSUM, -1,
                               "%s has changed since it was written: its checksum is %s, not %.16s",
                               r->name, wanted, text_of(r, "checksum"));
    }
    return VECNA_OK;
}

static vecna_status check_tensors(reading *r, vecna_error *err) {
    r->embeddings = vecna_safetensors_find(r->file, "embeddings");
    r->scales = vecna_safetensors_find(r->file, "scales");
    r->vocabulary = vecna_safetensors_find(r->file, "vocabulary");
    if (!r->embeddings || r->embeddings->rank != 2 ||
        (r->embeddings->dtype != VECNA_TENSOR_I8 && r->embeddings->dtype != VECNA_TENSOR_F16)) {
        return malformed(r, "it has no tensor \"embeddings\" of pieces x dims in I8 or F16", err);
    }
    if (r->embeddings->shape[0] < 1 || r->embeddings->shape[1] < 1 ||
        r->embeddings->shape[1] > DIM_MOST) {
        return malformed(r, "its tensor \"embeddings\" has no rows, or rows of no use", err);
    }
    if (!r->vocabulary || r->vocabulary->rank != 1 || r->vocabulary->dtype != VECNA_TENSOR_U8) {
        return malformed(r, "it has no tensor \"vocabulary\" of bytes", err);
    }
    if (r->embeddings->dtype == VECNA_TENSOR_I8 &&
        (!r->scales || r->scales->rank != 1 || r->scales->dtype != VECNA_TENSOR_F32 ||
         r->scales->shape[0] != r->embeddings->shape[0])) {
        return malformed(r, "it has no tensor \"scales\" with a number for each piece", err);
    }
    return VECNA_OK;
}

static vecna_status take_scales(const reading *r, vecna_model *model, vecna_error *err) {
    if (!model->scales) {
        return VECNA_OK;
    }
    memcpy(model->scales, r->data + r->scales->begin, model->pieces * sizeof *model->scales);
    for (size_t i = 0; i < model->pieces; i++) {
        if (!isfinite(model->scales[i])) {
            return vecna_error_set(err, VECNA_ERR_VALUE, (int64_t)i,
                                   "%s: the scale of piece %zu is not finite", r->name, i);
        }
    }
    return VECNA_OK;
}

static vecna_status build(const reading *r, const vecna_allocator *allocator, vecna_model **out,
                          vecna_error *err) {
    const vecna_dtype dtype = r->embeddings->dtype == VECNA_TENSOR_I8 ? VECNA_I8 : VECNA_F16;
    const vni_model_words words = {.name = text_of(r, "name"),
                                   .teacher = text_of(r, "teacher"),
                                   .licence = text_of(r, "licence"),
                                   .report = text_of(r, "report")};
    vecna_model *model = NULL;
    vecna_status status =
        vni_model_new((const char *)r->data + r->vocabulary->begin, (size_t)r->vocabulary->shape[0],
                      (size_t)r->embeddings->shape[1], dtype,
                      strcmp(text_of(r, "case"), "kept") == 0, &words, allocator, &model, err);
    if (status != VECNA_OK) {
        return status;
    }
    if (model->pieces != r->embeddings->shape[0]) {
        status =
            malformed(r, "its vocabulary and its embeddings have different numbers of pieces", err);
    } else {
        memcpy(model->table, r->data + r->embeddings->begin,
               model->pieces * vecna_dtype_bytes(dtype, model->dim));
        status = take_scales(r, model, err);
    }
    if (status == VECNA_OK && vecna_safetensors_text(r->file, "pixels")) {
        status = vni_model_take_tower(r->file, r->data, r->name, model, err);
    }
    if (status != VECNA_OK) {
        vecna_model_free(model);
        return status;
    }
    model->checksum = strtoull(text_of(r, "checksum"), NULL, 16);
    *out = model;
    return VECNA_OK;
}

vecna_status vecna_model_parse(const void *data, size_t bytes, const char *name,
                               const vecna_allocator *allocator, vecna_model **out,
                               vecna_error *err) {
    const vecna_safetensors_options options = {.allocator = allocator};
    reading r = {.name = name};
    size_t head;
    vecna_status status;
    vecna_error inner;
    if (bytes < 8) {
        return vecna_error_set(err, VECNA_ERR_TRUNCATED, -1, "%s ends before its header", name);
    }
    status = vecna_safetensors_head_bytes(data, bytes, &options, &head, &inner);
    if (status == VECNA_OK) {
        status = vecna_safetensors_parse(data, bytes, bytes, &options, &r.file, &inner);
    }
    if (status != VECNA_OK) {
        return vecna_error_set(err, status, inner.position, "%s is no static model: %s", name,
                               inner.message);
    }
    r.data = (const unsigned char *)data + r.file->data_offset;
    status = check_words(&r, err);
    if (status == VECNA_OK) {
        status = check_checksum(&r, err);
    }
    if (status == VECNA_OK) {
        status = check_tensors(&r, err);
    }
    if (status == VECNA_OK) {
        status = build(&r, allocator, out, err);
    }
    vecna_safetensors_free(r.file);
    return status;
}

static vecna_status read_all(FILE *file, const char *path, const vecna_allocator *allocator,
                             char **out, size_t *bytes, vecna_error *err) {
    size_t capacity = (size_t)1 << 20, used = 0, got = 1;
    char *data = NULL;
    vecna_status status = VECNA_OK;
    while (status == VECNA_OK && got > 0) {
        if (data == NULL || used == capacity) {
            capacity = data ? capacity * 2 : capacity;
            char *grown = capacity > BYTES_MOST ? NULL : vecna_resize(allocator, data, capacity, 1);
            if (!grown) {
                status = vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to hold %s", path);
                break;
            }
            data = grown;
        }
        got = fread(data + used, 1, capacity - used, file);
        used += got;
    }
    if (status == VECNA_OK && ferror(file)) {
        status =
            vecna_error_set(err, VECNA_ERR_IO, -1, "cannot read %s: %s", path, strerror(errno));
    }
    if (status != VECNA_OK) {
        vecna_release(allocator, data);
        return status;
    }
    *out = data;
    *bytes = used;
    return VECNA_OK;
}

vecna_status vecna_model_open(const char *path, const vecna_allocator *allocator, vecna_model **out,
                              vecna_error *err) {
    char *data = NULL;
    size_t bytes = 0;
    FILE *file = fopen(path, "rb");
    vecna_status status;
    if (!file) {
        return vecna_error_set(err, VECNA_ERR_IO, -1, "cannot open %s: %s", path, strerror(errno));
    }
    status = read_all(file, path, allocator, &data, &bytes, err);
    fclose(file);
    if (status == VECNA_OK) {
        status = vecna_model_parse(data, bytes, path, allocator, out, err);
    }
    vecna_release(allocator, data);
    return status;
}
