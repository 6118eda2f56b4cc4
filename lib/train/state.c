/* See state_impl.h. Numbers lie on disk as they lie in memory: a state is for the machine that wrote
 * it, and the options in its header say whose it is. */
#include "train/state_impl.h"

#include "vecna/codec.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char key[] = "vecna_training";

static vecna_status write_part(vecna_outfile *file, const vni_state_part *part, vecna_error *err) {
    vecna_status status = VECNA_OK;
    for (size_t row = 0; status == VECNA_OK && row < part->rows; row++)
        status = vecna_outfile_write(file, (const char *)part->data + row * part->stride_bytes,
                                     part->row_bytes, err);
    return status;
}

vecna_status vni_state_save(const char *path, const char *options, const vni_state_part *parts,
                            size_t count, const vecna_allocator *allocator, vecna_error *err) {
    vecna_tensor_entry entries[VNI_STATE_PARTS];
    const vecna_tensor_text metadata = {key, options};
    vecna_json_writer head;
    vecna_outfile *file = NULL;
    vecna_status status;

    memset(entries, 0, sizeof entries);
    for (size_t i = 0; i < count; i++) {
        entries[i].name = parts[i].name;
        entries[i].dtype = VECNA_TENSOR_U32;
        entries[i].rank = 2;
        entries[i].shape[0] = parts[i].rows;
        entries[i].shape[1] = parts[i].row_bytes / 4;
    }
    vecna_json_writer_init(&head, 0, allocator);
    status = vecna_safetensors_print(entries, count, &metadata, 1, &head, err);
    if (status == VECNA_OK)
        status = vecna_outfile_open(path, allocator, &file, err);
    if (status == VECNA_OK)
        status = vecna_outfile_write(file, head.text, head.bytes, err);
    for (size_t i = 0; status == VECNA_OK && i < count; i++)
        status = write_part(file, &parts[i], err);
    if (status == VECNA_OK)
        status = vecna_outfile_commit(file, err);
    else
        vecna_outfile_discard(file);
    vecna_json_writer_free(&head);
    return status;
}

/* ---- loading --------------------------------------------------------------------------------- */

static vecna_status broken(const char *path, vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_FORMAT, -1,
                           "%.150s is no state of a training, or is damaged", path);
}

static vecna_status read_head(FILE *file, const char *path, const vecna_allocator *allocator,
                              vecna_safetensors **out, vecna_error *err) {
    const vecna_safetensors_options options = {allocator, 0, 0, 0};
    unsigned char first[8];
    unsigned char *head;
    size_t head_bytes = 0;
    long size;
    vecna_status status;
    if (fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 8 ||
        fseek(file, 0, SEEK_SET) != 0 || fread(first, 1, 8, file) != 8)
        return broken(path, err);
    status = vecna_safetensors_head_bytes(first, (uint64_t)size, &options, &head_bytes, err);
    if (status == VECNA_ERR_FORMAT)
        return broken(path, err);
    if (status != VECNA_OK)
        return status;
    head = vecna_allocate(allocator, head_bytes, 1);
    if (head == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for a checkpoint");
    memcpy(head, first, 8);
    if (fread(head + 8, 1, head_bytes - 8, file) != head_bytes - 8)
        status = broken(path, err);
    else
        status = vecna_safetensors_parse(head, head_bytes, (uint64_t)size, &options, out, err);
    vecna_release(allocator, head);
    return status;
}

static vecna_status read_part(FILE *file, const char *path, const vecna_safetensors *about,
                              const vni_state_part *part, vecna_error *err) {
    const vecna_tensor_entry *entry = vecna_safetensors_find(about, part->name);
    if (entry == NULL || entry->dtype != VECNA_TENSOR_U32 || entry->rank != 2 ||
        entry->shape[0] != part->rows || entry->shape[1] != part->row_bytes / 4 ||
        fseek(file, (long)(about->data_offset + entry->begin), SEEK_SET) != 0)
        return broken(path, err);
    for (size_t row = 0; row < part->rows; row++)
        if (fread((char *)part->data + row * part->stride_bytes, 1, part->row_bytes, file) !=
            part->row_bytes)
            return broken(path, err);
    return VECNA_OK;
}

/* The first word of both that differs, "seed=2" and "seed=1". */
static vecna_status refuse_options(const char *path, const char *theirs, const char *ours,
                                   vecna_error *err) {
    size_t same = 0, their_end, our_end;
    while (theirs[same] && theirs[same] == ours[same])
        same++;
    while (same > 0 && theirs[same - 1] != ' ')
        same--;
    their_end = strcspn(theirs + same, " ");
    our_end = strcspn(ours + same, " ");
    return vecna_error_set(
        err, VECNA_ERR_ARGUMENT, -1,
        "%.80s belongs to a training with %.*s, this one has %.*s; give the same "
        "options and text, or start anew",
        path, (int)their_end, theirs + same, (int)our_end, ours + same);
}

vecna_status vni_state_load(const char *path, const char *options, const vni_state_part *parts,
                            size_t count, const vecna_allocator *allocator, vecna_error *err) {
    vecna_safetensors *about = NULL;
    FILE *file = fopen(path, "rb");
    const char *theirs;
    vecna_status status;
    if (file == NULL)
        return vecna_error_set(err, VECNA_ERR_IO, -1, "cannot read %s: %s", path, strerror(errno));
    status = read_head(file, path, allocator, &about, err);
    if (status == VECNA_OK) {
        theirs = vecna_safetensors_text(about, key);
        if (theirs == NULL)
            status = broken(path, err);
        else if (strcmp(theirs, options) != 0)
            status = refuse_options(path, theirs, options, err);
    }
    for (size_t i = 0; status == VECNA_OK && i < count; i++)
        status = read_part(file, path, about, &parts[i], err);
    vecna_safetensors_free(about);
    fclose(file);
    return status;
}

vecna_status vni_state_options(const char *path, char *out, size_t bytes, uint64_t *data_bytes,
                               const vecna_allocator *allocator, vecna_error *err) {
    vecna_safetensors *about = NULL;
    FILE *file = fopen(path, "rb");
    vecna_status status;
    if (file == NULL)
        return vecna_error_set(err, VECNA_ERR_IO, -1, "cannot read %s: %s", path, strerror(errno));
    status = read_head(file, path, allocator, &about, err);
    if (status == VECNA_OK) {
        const char *theirs = vecna_safetensors_text(about, key);
        if (theirs == NULL || strlen(theirs) >= bytes)
            status = broken(path, err);
        else
            memcpy(out, theirs, strlen(theirs) + 1);
        *data_bytes = about->data_bytes;
    }
    vecna_safetensors_free(about);
    fclose(file);
    return status;
}

/* ---- words ----------------------------------------------------------------------------------- */

char *vni_state_print_words(const vecna_vocab *vocab, const vecna_allocator *allocator,
                            size_t *text_words) {
    size_t bytes = 0, at = 0;
    char *text;
    for (size_t i = 0; i < vecna_vocab_size(vocab); i++) {
        size_t length;
        (void)vecna_vocab_word(vocab, (int32_t)i, &length);
        bytes += length + 24;
    }
    text = vecna_allocate_zero(allocator, bytes + 4, 1);
    for (size_t i = 0; text && i < vecna_vocab_size(vocab); i++) {
        size_t length;
        const char *word = vecna_vocab_word(vocab, (int32_t)i, &length);
        at += (size_t)snprintf(text + at, 22, "%" PRIu64 " ", vecna_vocab_count(vocab, (int32_t)i));
        memcpy(text + at, word, length);
        at += length;
        text[at++] = '\n';
    }
    *text_words = (at + 3) / 4;
    return text;
}

static vecna_status no_words(vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_FORMAT, -1, "no words with their counts");
}

vecna_status vni_state_take_words(const char *text, size_t bytes, size_t numbers,
                                  const vecna_allocator *allocator, vecna_vocab **out,
                                  vecna_error *err) {
    const char *at = text, *end = text + bytes;
    vecna_status status = vecna_vocab_new(allocator, out, err);
    for (size_t i = 0; status == VECNA_OK && i < numbers; i++) {
        const char *line = memchr(at, '\n', (size_t)(end - at)), *word;
        uint64_t count = 0;
        int32_t id = 0;
        if (line == NULL)
            return no_words(err);
        for (word = at; word < line && *word >= '0' && *word <= '9'; word++)
            count = count * 10 + (uint64_t)(*word - '0');
        if (word == at || word == line || *word++ != ' ')
            return no_words(err);
        status = vecna_vocab_add(*out, word, (size_t)(line - word), count, &id, err);
        if (status == VECNA_OK && (size_t)id != i)
            return no_words(err);
        at = line + 1;
    }
    return status;
}
