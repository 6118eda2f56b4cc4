/* Maps in files: safetensors, so that every tool that reads those can open one; what makes it a map
 * stands in the file's metadata (docs/map-format.md).
 *
 * The checksum is over the metadata and the tensors: a flipped bit is found wherever it is. The
 * version is looked at before anything else that a later version might change. */
#include "translate/translate_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define FORMAT_NAME "vecna-map"
#define BYTES_MAX_DEFAULT ((uint64_t)4 << 30)

enum { PAIRS_MAX = 40, TEXT_BYTES = 40, TENSORS_MAX = 8 };

/* A tensor and where its floats lie. */
typedef struct tensor {
    vecna_tensor_entry entry;
    const float *data;
    size_t floats;
} tensor;

/* The pairs of the metadata while they are gathered; numbers live in `text`. */
typedef struct header {
    vecna_tensor_text pairs[PAIRS_MAX];
    char text[PAIRS_MAX][TEXT_BYTES];
    size_t count;
} header;

static void put_text(header *h, const char *key, const char *value) {
    h->pairs[h->count++] = (vecna_tensor_text){key, value};
}

static void put_count(header *h, const char *key, size_t value) {
    snprintf(h->text[h->count], TEXT_BYTES, "%zu", value);
    put_text(h, key, h->text[h->count]);
}

static void put_number(header *h, const char *key, double value) {
    size_t bytes = vecna_number_print_f64(value, h->text[h->count]);
    h->text[h->count][bytes] = '\0';
    put_text(h, key, h->text[h->count]);
}

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

/* A space's fingerprint: seven numbers and three tensors under a prefix, which are static texts. */
typedef struct space_keys {
    const char *rows, *norm_mean, *norm_deviation, *unit, *spread, *breadth, *gain;
    const char *mean, *principal, *variances;
} space_keys;

static const space_keys source_keys = {"source_space_rows",           "source_space_norm_mean",
                                       "source_space_norm_deviation", "source_space_unit",
                                       "source_space_spread",         "source_space_breadth",
                                       "source_space_gain",           "source_space.mean",
                                       "source_space.principal",      "source_space.variances"};
static const space_keys target_keys = {"target_space_rows",           "target_space_norm_mean",
                                       "target_space_norm_deviation", "target_space_unit",
                                       "target_space_spread",         "target_space_breadth",
                                       "target_space_gain",           "target_space.mean",
                                       "target_space.principal",      "target_space.variances"};

static void add_tensor(tensor *tensors, size_t *count, const char *name, const float *data,
                       size_t rows, size_t columns) {
    tensor *one = &tensors[(*count)++];
    *one = (tensor){.entry = {.name = name,
                              .dtype = VECNA_TENSOR_F32,
                              .rank = columns ? 2 : 1,
                              .shape = {rows, columns}},
                    .data = data,
                    .floats = rows * (columns ? columns : 1)};
}

static void describe_space(const vecna_space *space, const space_keys *keys, header *h,
                           tensor *tensors, size_t *tensor_count) {
    vecna_space_parts parts;
    if (!space) {
        return;
    }
    vecna_space_parts_of(space, &parts);
    put_count(h, keys->rows, (size_t)parts.rows);
    put_number(h, keys->norm_mean, parts.norm_mean);
    put_number(h, keys->norm_deviation, parts.norm_deviation);
    put_count(h, keys->unit, (size_t)parts.unit);
    put_number(h, keys->spread, parts.spread);
    put_number(h, keys->breadth, parts.breadth);
    put_number(h, keys->gain, parts.gain);
    add_tensor(tensors, tensor_count, keys->mean, parts.mean, parts.dim, 0);
    if (parts.directions) {
        add_tensor(tensors, tensor_count, keys->principal, parts.principal, parts.directions,
                   parts.dim);
        add_tensor(tensors, tensor_count, keys->variances, parts.variances, parts.directions, 0);
    }
}

/* All metadata and tensors of a map; tensors lie in the file in this order. */
static void describe(const vecna_map *map, header *h, tensor *tensors, size_t *tensor_count) {
    put_text(h, "format", FORMAT_NAME);
    put_count(h, "version", VECNA_MAP_VERSION);
    put_text(h, "source_name", map->source_name);
    put_count(h, "source_dim", map->source_dim);
    put_count(h, "source_normalized", (size_t)map->source_normalized);
    put_text(h, "target_name", map->target_name);
    put_count(h, "target_dim", map->target_dim);
    put_count(h, "normalized", (size_t)map->normalized);
    put_text(h, "role", vecna_role_name(map->role));
    put_text(h, "method", vecna_method_name(map->recipe.method));
    put_number(h, "lambda", map->recipe.lambda);
    put_number(h, "share", map->recipe.share);
    put_number(h, "exponent", map->recipe.exponent);
    put_count(h, "rank", map->recipe.rank);
    put_count(h, "rows_fit", map->rows_fit);
    put_text(h, "verdict", vecna_verdict_name(map->verdict));
    put_count(h, "reasons", map->reasons);
    put_text(h, "report", map->report_json);
    add_tensor(tensors, tensor_count, "bias", map->bias, map->target_dim, 0);
    add_tensor(tensors, tensor_count, "weight", map->weights, map->source_dim, map->target_dim);
    describe_space(map->source_space, &source_keys, h, tensors, tensor_count);
    describe_space(map->target_space, &target_keys, h, tensors, tensor_count);
    uint64_t checksum = hash_metadata(h->pairs, h->count);
    for (size_t i = 0; i < *tensor_count; i++) {
        checksum = hash_entry(checksum, &tensors[i].entry);
    }
    for (size_t i = 0; i < *tensor_count; i++) {
        checksum = vni_hash(checksum, tensors[i].data, tensors[i].floats * sizeof(float));
    }
    snprintf(h->text[h->count], TEXT_BYTES, "%016" PRIx64, checksum);
    put_text(h, "checksum", h->text[h->count]);
}

vecna_status vecna_map_save(const vecna_map *map, const char *path, vecna_error *err) {
    header h = {.count = 0};
    tensor tensors[TENSORS_MAX];
    vecna_tensor_entry entries[TENSORS_MAX];
    size_t count = 0;
    vecna_json_writer writer;
    vecna_outfile *file = NULL;
    vecna_json_writer_init(&writer, 0, map->allocator);
    describe(map, &h, tensors, &count);
    for (size_t i = 0; i < count; i++) {
        entries[i] = tensors[i].entry;
    }
    vecna_status status = vecna_safetensors_print(entries, count, h.pairs, h.count, &writer, err);
    status = status ? status : vecna_outfile_open(path, map->allocator, &file, err);
    status = status ? status : vecna_outfile_write(file, writer.text, writer.bytes, err);
    for (size_t i = 0; i < count && !status; i++) {
        status = vecna_outfile_write(file, tensors[i].data, tensors[i].floats * sizeof(float), err);
    }
    if (status) {
        vecna_outfile_discard(file);
    } else {
        status = vecna_outfile_commit(file, err);
    }
    vecna_json_writer_free(&writer);
    return status;
}

/* ---- reading
 * ----------------------------------------------------------------------------------------- */

typedef struct reading {
    const unsigned char *data;
    size_t bytes;
    const char *name;
    vecna_safetensors *file;
} reading;

static vecna_status malformed(const reading *r, const char *what, vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_FORMAT, -1, "%s: %s", r->name, what);
}

static vecna_status get_text(const reading *r, const char *key, const char **out,
                             vecna_error *err) {
    *out = vecna_safetensors_text(r->file, key);
    return *out ? VECNA_OK
                : vecna_error_set(err, VECNA_ERR_FORMAT, -1, "%s: the map says nothing of \"%s\"",
                                  r->name, key);
}

static vecna_status get_number(const reading *r, const char *key, double least, double most,
                               double *out, vecna_error *err) {
    const char *text;
    double value = 0;
    vecna_status status = get_text(r, key, &text, err);
    if (status) {
        return status;
    }
    size_t bytes = strlen(text);
    if (!bytes || vecna_number_parse_f64(text, bytes, VECNA_NUMBER_JSON, &value) != bytes ||
        !(value >= least && value <= most)) {
        return vecna_error_set(err, VECNA_ERR_FORMAT, -1,
                               "%s: \"%s\" is \"%.40s\", which must be a number from %g to %g",
                               r->name, key, text, least, most);
    }
    *out = value;
    return VECNA_OK;
}

static vecna_status get_count(const reading *r, const char *key, double most, size_t *out,
                              vecna_error *err) {
    double value = 0;
    vecna_status status = get_number(r, key, 0, most, &value, err);
    if (!status && value != floor(value)) {
        return vecna_error_set(err, VECNA_ERR_FORMAT, -1, "%s: \"%s\" is no whole number", r->name,
                               key);
    }
    *out = status ? *out : (size_t)value;
    return status;
}

/* One of a few words: its index. */
static vecna_status get_word(const reading *r, const char *key, const char *const *words,
                             size_t count, size_t *out, vecna_error *err) {
    const char *text;
    vecna_status status = get_text(r, key, &text, err);
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
static vecna_status check_version(const reading *r, vecna_error *err) {
    const char *format = vecna_safetensors_text(r->file, "format");
    double version = 0;
    if (!format || strcmp(format, FORMAT_NAME) != 0) {
        return malformed(r, "a safetensors file, but no map: write one with `vecna fit`", err);
    }
    vecna_status status = get_number(r, "version", 1, 1e9, &version, err);
    if (!status && version > VECNA_MAP_VERSION) {
        return vecna_error_set(err, VECNA_ERR_VERSION, -1,
                               "%s: a map of version %.0f, this program reads up to %d: update it",
                               r->name, version, VECNA_MAP_VERSION);
    }
    return status;
}

/* A float tensor of that shape (columns 0: one axis), copied out. */
static vecna_status get_tensor(const reading *r, const char *key, size_t rows, size_t columns,
                               float *out, vecna_error *err) {
    const vecna_tensor_entry *entry = vecna_safetensors_find(r->file, key);
    const size_t rank = columns ? 2 : 1;
    if (!entry || entry->dtype != VECNA_TENSOR_F32 || entry->rank != rank ||
        entry->shape[0] != rows || (columns && entry->shape[1] != columns)) {
        return vecna_error_set(err, VECNA_ERR_FORMAT, -1,
                               "%s: tensor \"%s\" is missing or not F32 of %zu x %zu", r->name, key,
                               rows, columns ? columns : 1);
    }
    memcpy(out, r->data + r->file->data_offset + entry->begin, entry->end - entry->begin);
    for (size_t i = 0; i < rows * (columns ? columns : 1); i++) {
        if (!isfinite(out[i])) {
            return vecna_error_set(err, VECNA_ERR_VALUE, (int64_t)i,
                                   "%s: tensor \"%s\" holds NaN or infinity", r->name, key);
        }
    }
    return VECNA_OK;
}

/* Everything but the tensors. */
static vecna_status get_description(const reading *r, vecna_map *map, vecna_error *err) {
    static const char *const roles[] = {"document", "query"};
    static const char *const verdicts[] = {"PASS", "WARN", "FAIL"};
    size_t role = 0, verdict = 0, flag = 0, reasons = 0;
    const char *method = "";
    vecna_status status = get_word(r, "role", roles, 2, &role, err);
    status = status ? status : get_word(r, "verdict", verdicts, 3, &verdict, err);
    status = status ? status : get_text(r, "method", &method, err);
    if (!status && (!vecna_method_parse(method, &map->recipe.method) ||
                    map->recipe.method == VECNA_METHOD_AUTO)) {
        status =
            vecna_error_set(err, VECNA_ERR_FORMAT, -1, "%s: no method \"%.40s\"", r->name, method);
    }
    status = status ? status : get_count(r, "source_normalized", 1, &flag, err);
    map->source_normalized = (int)flag;
    status = status ? status : get_count(r, "normalized", 1, &flag, err);
    map->normalized = (int)flag;
    status = status ? status : get_number(r, "lambda", 0, 1e300, &map->recipe.lambda, err);
    status = status ? status : get_number(r, "share", 0, 1, &map->recipe.share, err);
    status = status ? status : get_number(r, "exponent", 0, 1, &map->recipe.exponent, err);
    status = status ? status : get_count(r, "rank", 1e9, &map->recipe.rank, err);
    status = status ? status : get_count(r, "rows_fit", 9e15, &map->rows_fit, err);
    status = status ? status : get_count(r, "reasons", 4294967295.0, &reasons, err);
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

static vecna_status check_checksum(const reading *r, vecna_error *err) {
    const char *text;
    char wanted[TEXT_BYTES];
    vecna_status status = get_text(r, "checksum", &text, err);
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

/* A fingerprint, when the file holds one. */
static vecna_status get_space(const reading *r, const space_keys *keys, const char *name,
                              size_t dim, const vecna_allocator *allocator, vecna_space **out,
                              vecna_error *err) {
    const vecna_tensor_entry *principal = vecna_safetensors_find(r->file, keys->principal);
    size_t rows = 0, unit = 0;
    if (!vecna_safetensors_find(r->file, keys->mean)) {
        return VECNA_OK;
    }
    vecna_space_parts parts = {.name = name, .dim = dim};
    vecna_status status = get_count(r, keys->rows, 9e15, &rows, err);
    status = status ? status : get_count(r, keys->unit, 1, &unit, err);
    status = status ? status : get_number(r, keys->norm_mean, 0, 1e300, &parts.norm_mean, err);
    status =
        status ? status : get_number(r, keys->norm_deviation, 0, 1e300, &parts.norm_deviation, err);
    status = status ? status : get_number(r, keys->spread, 0, 1e300, &parts.spread, err);
    status = status ? status : get_number(r, keys->breadth, 0, 1e300, &parts.breadth, err);
    status = status ? status : get_number(r, keys->gain, -1e300, 1e300, &parts.gain, err);
    if (status) {
        return status;
    }
    parts.rows = rows;
    parts.unit = (int)unit;
    parts.directions = principal && principal->rank == 2 ? (size_t)principal->shape[0] : 0;
    /* what the object would refuse as a wrong argument is a wrong file here, and no memory is asked
     * for before it is known that the file has as much */
    if (parts.directions > VECNA_SPACE_DIRECTIONS_MAX || parts.directions > dim / 2 ||
        (parts.directions && principal->shape[1] != dim)) {
        return malformed(r, "the directions of a fingerprint do not go with its dimension", err);
    }
    if (strlen(name) >= VECNA_SPACE_NAME_BYTES) {
        return malformed(r, "the name of a space with a fingerprint is too long", err);
    }
    float *room = vecna_allocate(allocator, dim + parts.directions * (dim + 1), sizeof *room);
    if (!room) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a fingerprint of %s",
                               r->name);
    }
    float *directions = room + dim;
    float *variances = directions + parts.directions * dim;
    status = get_tensor(r, keys->mean, dim, 0, room, err);
    if (!status && parts.directions) {
        status = get_tensor(r, keys->principal, parts.directions, dim, directions, err);
        status =
            status ? status : get_tensor(r, keys->variances, parts.directions, 0, variances, err);
    }
    parts.mean = room;
    parts.principal = directions;
    parts.variances = variances;
    status = status ? status : vecna_space_from_parts(&parts, allocator, out, err);
    vecna_release(allocator, room);
    return status;
}

static vecna_status build(const reading *r, const vecna_allocator *allocator, vecna_map **out,
                          vecna_error *err) {
    size_t source_dim = 0, target_dim = 0;
    const char *source_name = "", *target_name = "", *report = "";
    vecna_map *map = NULL;
    char *json = NULL;
    vecna_status status = check_version(r, err);
    status = status ? status : check_checksum(r, err);
    status = status ? status : get_count(r, "source_dim", 1e9, &source_dim, err);
    status = status ? status : get_count(r, "target_dim", 1e9, &target_dim, err);
    status = status ? status : get_text(r, "source_name", &source_name, err);
    status = status ? status : get_text(r, "target_name", &target_name, err);
    status = status ? status : get_text(r, "report", &report, err);
    /* before memory for the tensors is asked for: are they there? */
    if (!status && (!source_dim || !target_dim ||
                    (double)source_dim * (double)target_dim > (double)r->bytes / sizeof(float))) {
        status = malformed(r, "the dimensions do not go with the size of the file", err);
    }
    status = status ? status
                    : vni_map_new(source_dim, target_dim, source_name, target_name, allocator, &map,
                                  err);
    status = status ? status : get_description(r, map, err);
    status = status ? status : get_tensor(r, "bias", target_dim, 0, map->bias, err);
    status = status ? status : get_tensor(r, "weight", source_dim, target_dim, map->weights, err);
    status = status ? status
                    : get_space(r, &source_keys, source_name, source_dim, map->allocator,
                                &map->source_space, err);
    status = status ? status
                    : get_space(r, &target_keys, target_name, target_dim, map->allocator,
                                &map->target_space, err);
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
    reading r = {.data = data, .bytes = bytes, .name = name ? name : "map"};
    const vecna_allocator *allocator = options ? options->allocator : NULL;
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
        return vecna_error_set(err, status, inner.position, "%s: %s", r.name, inner.message);
    }
    status = build(&r, allocator, out, err);
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
