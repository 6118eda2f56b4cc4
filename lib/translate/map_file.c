/* Maps in files: safetensors, so that every tool that reads those can open one; what makes it a map
 * stands in the file's metadata (docs/map-format.md).
 *
 * The checksum is over the metadata and the tensors: a flipped bit is found wherever it is. The
 * version is looked at before anything else that a later version might change. */
#include "translate/translate_impl.h"

#include "vecna/codec.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define FORMAT_NAME "vecna-map"
#define BYTES_MAX_DEFAULT ((uint64_t)4 << 30)

enum { PAIRS_MAX = 24, TEXT_BYTES = 40 };

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

static uint64_t checksum_of(const vecna_tensor_text *pairs, size_t count, const float *bias,
                            size_t bias_count, const float *weights, size_t weight_count) {
    uint64_t hash = VNI_HASH_START;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(pairs[i].key, "checksum") != 0) {
            hash = vni_hash(hash, pairs[i].key, strlen(pairs[i].key) + 1);
            hash = vni_hash(hash, pairs[i].value, strlen(pairs[i].value) + 1);
        }
    }
    hash = vni_hash(hash, bias, bias_count * sizeof(float));
    return vni_hash(hash, weights, weight_count * sizeof(float));
}

static void describe(const vecna_map *map, header *h) {
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
    uint64_t checksum = checksum_of(h->pairs, h->count, map->bias, map->target_dim, map->weights,
                                    map->source_dim * map->target_dim);
    snprintf(h->text[h->count], TEXT_BYTES, "%016" PRIx64, checksum);
    put_text(h, "checksum", h->text[h->count]);
}

vecna_status vecna_map_save(const vecna_map *map, const char *path, vecna_error *err) {
    header h = {.count = 0};
    vecna_tensor_entry entries[2] = {
        {.name = "bias", .dtype = VECNA_TENSOR_F32, .rank = 1, .shape = {map->target_dim}},
        {.name = "weight",
         .dtype = VECNA_TENSOR_F32,
         .rank = 2,
         .shape = {map->source_dim, map->target_dim}},
    };
    vecna_json_writer writer;
    vecna_outfile *file = NULL;
    vecna_json_writer_init(&writer, 0, map->allocator);
    describe(map, &h);
    vecna_status status = vecna_safetensors_print(entries, 2, h.pairs, h.count, &writer, err);
    status = status ? status : vecna_outfile_open(path, map->allocator, &file, err);
    status = status ? status : vecna_outfile_write(file, writer.text, writer.bytes, err);
    status = status ? status
                    : vecna_outfile_write(file, map->bias, map->target_dim * sizeof(float), err);
    status = status ? status
                    : vecna_outfile_write(file, map->weights,
                                          map->source_dim * map->target_dim * sizeof(float), err);
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

static vecna_status check_checksum(const reading *r, const vecna_map *map, vecna_error *err) {
    const char *text;
    char wanted[TEXT_BYTES];
    vecna_status status = get_text(r, "checksum", &text, err);
    if (status) {
        return status;
    }
    uint64_t checksum =
        checksum_of(r->file->metadata, r->file->metadata_count, map->bias, map->target_dim,
                    map->weights, map->source_dim * map->target_dim);
    snprintf(wanted, sizeof wanted, "%016" PRIx64, checksum);
    return strcmp(text, wanted) == 0
               ? VECNA_OK
               : vecna_error_set(
                     err, VECNA_ERR_CHECKSUM, -1,
                     "%s: the map was changed or damaged after it was written: fetch or "
                     "fit it again",
                     r->name);
}

static vecna_status build(const reading *r, const vecna_allocator *allocator, vecna_map **out,
                          vecna_error *err) {
    size_t source_dim = 0, target_dim = 0;
    const char *source_name = "", *target_name = "", *report = "";
    vecna_map *map = NULL;
    char *json = NULL;
    vecna_status status = check_version(r, err);
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
    status = status ? status : check_checksum(r, map, err);
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
    vecna_status status;
    if (bytes < 8) {
        return vecna_error_set(err, VECNA_ERR_TRUNCATED, (int64_t)bytes, "%s: %zu bytes are no map",
                               r.name, bytes);
    }
    status = vecna_safetensors_parse(data, bytes, bytes, &limits, &r.file, err);
    status = status ? status : build(&r, allocator, out, err);
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
