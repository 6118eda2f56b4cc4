/* Maps in files: safetensors, so that every tool that reads those can open one; what makes it a map
 * stands in the file's metadata (docs/map-format.md).
 *
 * The checksum is over the metadata and the tensors: a flipped bit is found wherever it is. The
 * version is looked at before anything else that a later version might change. */
#include "base/base_impl.h"
#include "translate/map_file_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define FORMAT_NAME "vecna-map"
#define BYTES_MAX_DEFAULT ((uint64_t)4 << 30)

enum { CHECKSUM_BYTES = 17 };

/* Over the metadata but the checksum itself, as text with its NUL. */
static uint64_t hash_metadata(const vecna_tensor_text *pairs, size_t count) {
    uint64_t hash = VNI_HASH_START;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(pairs[i].key, "checksum") != 0) {
            hash = vni_hash(hash, pairs[i].key, strlen(pairs[i].key) + 1);
            hash = vni_hash(hash, pairs[i].value, strlen(pairs[i].value) + 1);
        }
    }
    return hash;
}

/* Names and shapes count too: a tensor that is optional would otherwise vanish with its name. */
static uint64_t hash_entry(uint64_t hash, const vecna_tensor_entry *entry) {
    hash = vni_hash(hash, entry->name, strlen(entry->name) + 1);
    for (size_t i = 0; i < entry->rank; i++) {
        unsigned char bytes[8];
        for (size_t b = 0; b < 8; b++) {
            bytes[b] = (unsigned char)(entry->shape[i] >> 8 * b);
        }
        hash = vni_hash(hash, bytes, sizeof bytes);
    }
    return hash;
}

/* The sections that a reader must know, as words; "" none. */
static void name_needs(const vecna_map *map, char out[VNI_MAP_NEEDS_BYTES]) {
    size_t bytes = 0;
    out[0] = '\0';
    for (size_t i = 0; vni_map_sections[i]; i++) {
        const vni_map_section *section = vni_map_sections[i];
        if (section->needed && section->needed(map)) {
            bytes += (size_t)snprintf(out + bytes, VNI_MAP_NEEDS_BYTES - bytes, "%s%s",
                                      bytes ? " " : "", section->name);
        }
    }
}

/* All metadata and tensors of a map. */
static void describe(const vecna_map *map, vni_map_writing *w, char needs[VNI_MAP_NEEDS_BYTES]) {
    vni_put_text(w, "", "format", FORMAT_NAME);
    vni_put_count(w, "", "version", VECNA_MAP_VERSION);
    name_needs(map, needs);
    if (needs[0]) {
        vni_put_text(w, "", "needs", needs);
    }
    vni_put_text(w, "", "source_name", map->source_name);
    vni_put_count(w, "", "source_dim", map->source_dim);
    vni_put_count(w, "", "source_normalized", (size_t)map->source_normalized);
    vni_put_text(w, "", "target_name", map->target_name);
    vni_put_count(w, "", "target_dim", map->target_dim);
    vni_put_count(w, "", "normalized", (size_t)map->normalized);
    vni_put_text(w, "", "role", vecna_role_name(map->role));
    vni_put_text(w, "", "method", vecna_method_name(map->recipe.method));
    vni_put_number(w, "", "lambda", map->recipe.lambda);
    vni_put_number(w, "", "share", map->recipe.share);
    vni_put_number(w, "", "exponent", map->recipe.exponent);
    vni_put_count(w, "", "rank", map->recipe.rank);
    if (map->recipe.means > 0) {
        vni_put_number(w, "", "means", map->recipe.means);
    }
    vni_put_count(w, "", "rows_fit", map->rows_fit);
    vni_put_text(w, "", "verdict", vecna_verdict_name(map->verdict));
    vni_put_count(w, "", "reasons", map->reasons);
    if (map->explained > 0) {
        vni_put_number(w, "", "explained", map->explained);
    }
    vni_put_text(w, "", "report", map->report_json);
    vni_put_tensor(w, "", "bias", VECNA_TENSOR_F32, map->target_dim, 0, map->bias);
    vni_put_tensor(w, "", "weight", VECNA_TENSOR_F32, map->source_dim, map->target_dim,
                   map->weights);
    for (size_t i = 0; vni_map_sections[i]; i++) {
        vni_map_sections[i]->write(map, w);
    }
}

static size_t tensor_bytes(const vecna_tensor_entry *entry) {
    size_t elements = 1;
    for (size_t i = 0; i < entry->rank; i++) {
        elements *= (size_t)entry->shape[i];
    }
    return elements * vecna_tensor_dtype_bytes(entry->dtype);
}

/* Tensors in the order of their data: the container puts larger elements first, so that all lie
 * aligned; of equal size in the order in which they were put. */
static void order_tensors(const vni_map_writing *w, size_t order[VNI_MAP_TENSORS]) {
    for (size_t i = 0; i < w->entry_count; i++) {
        const size_t bytes = vecna_tensor_dtype_bytes(w->entries[i].dtype);
        size_t at = i;
        while (at > 0 && vecna_tensor_dtype_bytes(w->entries[order[at - 1]].dtype) < bytes) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = i;
    }
}

/* As vni_map_file_checksum finds it in the file. */
static uint64_t checksum_of(const vni_map_writing *w, const size_t order[VNI_MAP_TENSORS]) {
    uint64_t checksum = hash_metadata(w->pairs, w->pair_count);
    for (size_t i = 0; i < w->entry_count; i++) {
        checksum = hash_entry(checksum, &w->entries[order[i]]);
    }
    for (size_t i = 0; i < w->entry_count; i++) {
        checksum = vni_hash(checksum, w->data[order[i]], tensor_bytes(&w->entries[order[i]]));
    }
    return checksum;
}

vecna_status vecna_map_save(const vecna_map *map, const char *path, vecna_error *err) {
    char needs[VNI_MAP_NEEDS_BYTES], checksum[CHECKSUM_BYTES];
    size_t order[VNI_MAP_TENSORS];
    vecna_json_writer writer;
    vecna_outfile *file = NULL;
    vni_map_writing *w = vecna_allocate_zero(map->allocator, 1, sizeof *w);
    if (!w) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to write %s", path);
    }
    vecna_json_writer_init(&writer, 0, map->allocator);
    describe(map, w, needs);
    order_tensors(w, order);
    snprintf(checksum, sizeof checksum, "%016" PRIx64, checksum_of(w, order));
    vni_put_text(w, "", "checksum", checksum);
    vecna_status status =
        vecna_safetensors_print(w->entries, w->entry_count, w->pairs, w->pair_count, &writer, err);
    status = status ? status : vecna_outfile_open(path, map->allocator, &file, err);
    status = status ? status : vecna_outfile_write(file, writer.text, writer.bytes, err);
    for (size_t i = 0; i < w->entry_count && !status; i++) {
        status =
            vecna_outfile_write(file, w->data[order[i]], tensor_bytes(&w->entries[order[i]]), err);
    }
    if (status) {
        vecna_outfile_discard(file);
    } else {
        status = vecna_outfile_commit(file, err);
    }
    vecna_json_writer_free(&writer);
    vecna_release(map->allocator, w);
    return status;
}

/* ---- reading
 * ----------------------------------------------------------------------------------------- */

/* One of a few words: its index. */
static vecna_status get_word(const vni_map_reading *r, const char *key, const char *const *words,
                             size_t count, size_t *out, vecna_error *err) {
    const char *text;
    vecna_status status = vni_get_text(r, "", key, &text, err);
    for (size_t i = 0; i < count && !status; i++) {
        if (strcmp(text, words[i]) == 0) {
            *out = i;
            return VECNA_OK;
        }
    }
    return status ? status
                  : vecna_error_set(err, VECNA_ERR_FORMAT, -1, "%s: \"%s\" is \"%.40s\"", r->name,
                                    key, text);
}

/* Is it a map at all, and one that we know? */
static vecna_status check_version(const vni_map_reading *r, vecna_error *err) {
    const char *format = vecna_safetensors_text(r->file, "format");
    double version = 0;
    if (!format || strcmp(format, FORMAT_NAME) != 0) {
        return vni_map_malformed(r, "a safetensors file, but no map: write one with `vecna fit`",
                                 err);
    }
    vecna_status status = vni_get_number(r, "", "version", (vni_range){1, 1e9}, &version, err);
    if (!status && version > VECNA_MAP_VERSION) {
        return vecna_error_set(err, VECNA_ERR_VERSION, -1,
                               "%s: a map of version %.0f, this program reads up to %d: update it",
                               r->name, version, VECNA_MAP_VERSION);
    }
    return status;
}

/* Everything but the tensors. */
static vecna_status get_description(const vni_map_reading *r, vecna_map *map, vecna_error *err) {
    static const char *const roles[] = {"document", "query"};
    static const char *const verdicts[] = {"PASS", "WARN", "FAIL"};
    size_t role = 0, verdict = 0, flag = 0, reasons = 0;
    const char *method = "";
    vecna_status status = get_word(r, "role", roles, 2, &role, err);
    status = status ? status : get_word(r, "verdict", verdicts, 3, &verdict, err);
    status = status ? status : vni_get_text(r, "", "method", &method, err);
    if (!status && (!vecna_method_parse(method, &map->recipe.method) ||
                    map->recipe.method == VECNA_METHOD_AUTO)) {
        status =
            vecna_error_set(err, VECNA_ERR_FORMAT, -1, "%s: no method \"%.40s\"", r->name, method);
    }
    status = status ? status : vni_get_count(r, "", "source_normalized", 1, &flag, err);
    map->source_normalized = (int)flag;
    status = status ? status : vni_get_count(r, "", "normalized", 1, &flag, err);
    map->normalized = (int)flag;
    status = status
                 ? status
                 : vni_get_number(r, "", "lambda", (vni_range){0, 1e300}, &map->recipe.lambda, err);
    status = status ? status
                    : vni_get_number(r, "", "share", (vni_range){0, 1}, &map->recipe.share, err);
    status = status
                 ? status
                 : vni_get_number(r, "", "exponent", (vni_range){0, 1}, &map->recipe.exponent, err);
    status = status ? status : vni_get_count(r, "", "rank", 1e9, &map->recipe.rank, err);
    status = status ? status : vni_get_count(r, "", "rows_fit", 9e15, &map->rows_fit, err);
    status = status ? status : vni_get_count(r, "", "reasons", 4294967295.0, &reasons, err);
    if (!status && vni_has_key(r, "", "means")) {
        status = vni_get_number(r, "", "means", (vni_range){0, 1}, &map->recipe.means, err);
    }
    if (!status && vni_has_key(r, "", "explained")) {
        status = vni_get_number(r, "", "explained", (vni_range){0, 1}, &map->explained, err);
    }
    map->role = (vecna_role)role;
    map->verdict = (vecna_verdict)verdict;
    map->reasons = (unsigned)reasons;
    return status;
}

uint64_t vni_map_file_checksum(const vecna_safetensors *file, const void *data) {
    uint64_t checksum = hash_metadata(file->metadata, file->metadata_count);
    for (size_t i = 0; i < file->entries_count; i++) {
        checksum = hash_entry(checksum, &file->entries[i]);
    }
    return vni_hash(checksum, data, (size_t)file->data_bytes);
}

static vecna_status check_checksum(const vni_map_reading *r, vecna_error *err) {
    const char *text;
    char wanted[CHECKSUM_BYTES];
    vecna_status status = vni_get_text(r, "", "checksum", &text, err);
    if (status) {
        return status;
    }
    snprintf(wanted, sizeof wanted, "%016" PRIx64,
             vni_map_file_checksum(r->file, r->data + r->file->data_offset));
    return strcmp(text, wanted) == 0
               ? VECNA_OK
               : vecna_error_set(
                     err, VECNA_ERR_CHECKSUM, -1,
                     "%s: the map was changed or damaged after it was written: fetch or "
                     "fit it again",
                     r->name);
}

/* A map that needs a section unknown here would be read as another map than it is. */
static vecna_status check_needs(const vni_map_reading *r, vecna_error *err) {
    const char *word = vecna_safetensors_text(r->file, "needs");
    while (word && *word) {
        const size_t length = strcspn(word, " ");
        int known = length == 0;
        for (size_t i = 0; vni_map_sections[i] && !known; i++) {
            known = strlen(vni_map_sections[i]->name) == length &&
                    memcmp(vni_map_sections[i]->name, word, length) == 0;
        }
        if (!known) {
            return vecna_error_set(err, VECNA_ERR_VERSION, -1,
                                   "%s: the map needs \"%.*s\", which this program does not know: "
                                   "update it",
                                   r->name, length < 40 ? (int)length : 40, word);
        }
        word += length;
        word += *word == ' ';
    }
    return VECNA_OK;
}

static vecna_status build(const vni_map_reading *r, vecna_map **out, vecna_error *err) {
    const vecna_allocator *allocator = r->allocator;
    size_t source_dim = 0, target_dim = 0;
    const char *source_name = "", *target_name = "", *report = "";
    vecna_map *map = NULL;
    char *json = NULL;
    vecna_status status = check_version(r, err);
    status = status ? status : check_checksum(r, err);
    status = status ? status : check_needs(r, err);
    status = status ? status : vni_get_count(r, "", "source_dim", 1e9, &source_dim, err);
    status = status ? status : vni_get_count(r, "", "target_dim", 1e9, &target_dim, err);
    status = status ? status : vni_get_text(r, "", "source_name", &source_name, err);
    status = status ? status : vni_get_text(r, "", "target_name", &target_name, err);
    status = status ? status : vni_get_text(r, "", "report", &report, err);
    /* before memory for the tensors is asked for: are they there? */
    if (!status && (!source_dim || !target_dim ||
                    (double)source_dim * (double)target_dim > (double)r->bytes / sizeof(float))) {
        status = vni_map_malformed(r, "the dimensions do not go with the size of the file", err);
    }
    status = status ? status
                    : vni_map_new(source_dim, target_dim, source_name, target_name, allocator, &map,
                                  err);
    status = status ? status : get_description(r, map, err);
    const vni_tensor_form bias = {VECNA_TENSOR_F32, target_dim, 0};
    const vni_tensor_form weight = {VECNA_TENSOR_F32, source_dim, target_dim};
    status = status ? status : vni_get_tensor(r, "", "bias", bias, map->bias, err);
    status = status ? status : vni_get_tensor(r, "", "weight", weight, map->weights, err);
    for (size_t i = 0; vni_map_sections[i] && !status; i++) {
        status = vni_map_sections[i]->read(r, map, err);
    }
    if (status) {
        goto fail;
    }
    json = vecna_allocate(allocator, strlen(report) + 1, 1);
    if (!json) {
        status =
            vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for the report of %s", r->name);
        goto fail;
    }
    memcpy(json, report, strlen(report) + 1);
    vecna_release(allocator, map->report_json);
    map->report_json = json;
    vni_map_seal(map);
    *out = map;
    return VECNA_OK;
fail:
    vecna_map_free(map);
    return status;
}

vecna_status vecna_map_parse(const void *data, size_t bytes, const char *name,
                             const vecna_map_open_options *options, vecna_map **out,
                             vecna_error *err) {
    const vecna_allocator *allocator = options ? options->allocator : NULL;
    vni_map_reading r = {
        .data = data, .bytes = bytes, .name = name ? name : "map", .allocator = allocator};
    vecna_safetensors_options limits = {
        .allocator = allocator, .header_bytes_max = (size_t)16 << 20, .entries_max = 1000};
    vecna_error inner;
    vecna_status status;
    if (bytes < 8) {
        return vecna_error_set(err, VECNA_ERR_TRUNCATED, (int64_t)bytes, "%s: %zu bytes are no map",
                               r.name, bytes);
    }
    status = vecna_safetensors_parse(data, bytes, bytes, &limits, &r.file, &inner);
    if (status != VECNA_OK) {
        return vecna_error_set(err, status, inner.position, "%s%s: %s", r.name,
                               status == VECNA_ERR_FORMAT ? " is no map" : "", inner.message);
    }
    status = build(&r, out, err);
    vecna_safetensors_free(r.file);
    return status;
}

/* A whole file (or pipe) in memory. */
static vecna_status read_all(FILE *file, const char *path, uint64_t most,
                             const vecna_allocator *allocator, unsigned char **out, size_t *bytes,
                             vecna_error *err) {
    size_t capacity = (size_t)1 << 16, filled = 0;
    unsigned char *data = vecna_allocate(allocator, capacity, 1);
    vecna_status status = VECNA_ERR_MEMORY;
    while (data) {
        size_t got = fread(data + filled, 1, capacity - filled, file);
        filled += got;
        if (filled > most) {
            status = vecna_error_set(err, VECNA_ERR_OVERFLOW, -1,
                                     "%s is larger than the %" PRIu64 " bytes allowed for a map",
                                     path, most);
            goto fail;
        }
        if (filled < capacity) {
            break;
        }
        unsigned char *more = vecna_resize(allocator, data, capacity, 2);
        if (!more) {
            vecna_error_set(err, status, -1, "no memory to read %s", path);
            goto fail;
        }
        data = more;
        capacity *= 2;
    }
    if (!data) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to read %s", path);
    }
    if (ferror(file)) {
        status = vecna_error_set(err, VECNA_ERR_IO, -1, "%s: %s", path, strerror(errno));
        goto fail;
    }
    *out = data;
    *bytes = filled;
    return VECNA_OK;
fail:
    vecna_release(allocator, data);
    return status;
}

vecna_status vecna_map_open(const char *path, const vecna_map_open_options *options,
                            vecna_map **out, vecna_error *err) {
    const vecna_allocator *allocator = options ? options->allocator : NULL;
    uint64_t most = options && options->bytes_max ? options->bytes_max : BYTES_MAX_DEFAULT;
    unsigned char *data = NULL;
    size_t bytes = 0;
    FILE *file = fopen(path, "rb");
    if (!file) {
        return vecna_error_set(err, VECNA_ERR_IO, -1, "%s: %s", path, strerror(errno));
    }
    vecna_status status = read_all(file, path, most, allocator, &data, &bytes, err);
    fclose(file);
    status = status ? status : vecna_map_parse(data, bytes, path, options, out, err);
    vecna_release(allocator, data);
    return status;
}
