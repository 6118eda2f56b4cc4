/* Any bytes as a safetensors file: what is accepted covers its data exactly, prints, and parses to
 * the same again; the vectors in it are read through the format too. */
#include "tests/fuzz/fuzz_format.h"
#include "vecna/codec.h"

static void print_again(const vecna_safetensors *file) {
    vecna_tensor_entry *entries = malloc((file->entries_count + 1) * sizeof *entries);
    vecna_json_writer writer;
    vecna_safetensors *back = NULL;
    vecna_safetensors_options options = {.entries_max = 1 << 20};
    memcpy(entries, file->entries, file->entries_count * sizeof *entries);
    vecna_json_writer_init(&writer, 0, NULL);
    if (vecna_safetensors_print(entries, file->entries_count, file->metadata, file->metadata_count,
                                &writer, NULL) == VECNA_OK) {
        if (vecna_safetensors_parse(writer.text, writer.bytes, writer.bytes + file->data_bytes,
                                    &options, &back, NULL) != VECNA_OK ||
            back->entries_count != file->entries_count ||
            back->metadata_count != file->metadata_count)
            abort();
        for (size_t i = 0; i < file->entries_count; i++) {
            const vecna_tensor_entry *same = vecna_safetensors_find(back, file->entries[i].name);
            if (same == NULL || same->dtype != file->entries[i].dtype ||
                same->rank != file->entries[i].rank ||
                same->end - same->begin != file->entries[i].end - file->entries[i].begin)
                abort();
        }
        vecna_safetensors_free(back);
    }
    vecna_json_writer_free(&writer);
    free(entries);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    vecna_safetensors_options options = {.unaligned_ok = 1};
    vecna_safetensors *file = NULL;
    vecna_error err = {VECNA_OK, -1, ""};
    uint64_t at = 0;
    vecna_status status = vecna_safetensors_parse(data, bytes, bytes, &options, &file, &err);
    if (status != VECNA_OK) {
        if (file != NULL || err.status != status || err.message[0] == '\0')
            abort();
    } else {
        for (size_t i = 0; i < file->entries_count; i++) {
            if (file->entries[i].begin != at || file->entries[i].end < at)
                abort();
            at = file->entries[i].end;
        }
        if (at != file->data_bytes || file->data_offset + at != bytes)
            abort();
        print_again(file);
        vecna_safetensors_free(file);
    }
    fuzz_read_memory(data, bytes, "safetensors", 0);
    return 0;
}
