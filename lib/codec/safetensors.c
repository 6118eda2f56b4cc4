/* The safetensors container: eight bytes of length, a JSON header, data. The header is parsed
 * twice: the first pass counts entries and text, the second fills one allocation of that size, so
 * that nothing grows with hostile input beyond a small multiple of the header itself. Everything
 * the original demands is demanded here (data without holes or overlaps, sizes that agree with
 * shapes, no byte left over), and unique names on top, because two readers would pick different
 * ones. */
#include "codec/codec_impl.h"

#include <assert.h>
#include <stdlib.h>

enum { HEADER_BYTES_MAX = 100000000, ENTRIES_MAX = 100000 };

const char *vecna_tensor_dtype_name(vecna_tensor_dtype dtype) {
    switch (dtype) {
#define DTYPE_NAME(code, name, size)                                                               \
    case code:                                                                                     \
        return #name;
        VECNA_TENSOR_DTYPE_LIST(DTYPE_NAME)
#undef DTYPE_NAME
    }
    return "unknown";
}

size_t vecna_tensor_dtype_bytes(vecna_tensor_dtype dtype) {
    switch (dtype) {
#define DTYPE_SIZE(code, name, size)                                                               \
    case code:                                                                                     \
        return size;
        VECNA_TENSOR_DTYPE_LIST(DTYPE_SIZE)
#undef DTYPE_SIZE
    }
    return 0;
}

static uint64_t load_u64(const unsigned char bytes[8]) {
    uint64_t value = 0;
    for (int i = 7; i >= 0; i--)
        value = value << 8 | bytes[i];
    return value;
}

vecna_status vecna_safetensors_head_bytes(const unsigned char first[8], uint64_t file_bytes,
                                          const vecna_safetensors_options *options,
                                          size_t *head_bytes, vecna_error *err) {
    uint64_t header = load_u64(first);
    uint64_t most =
        options && options->header_bytes_max ? options->header_bytes_max : HEADER_BYTES_MAX;

    if (header < 2 || header > most)
        return vecna_error_set(err, VECNA_ERR_FORMAT, 0,
                               "safetensors: a header of %llu bytes (2 to %llu are possible); this "
                               "is another kind of file, or a damaged one",
                               (unsigned long long)header, (unsigned long long)most);
    if (file_bytes < 8 || header > file_bytes - 8)
        return vecna_error_set(err, VECNA_ERR_TRUNCATED, 0,
                               "safetensors: the header takes %llu bytes, the file has %llu; it is "
                               "cut off",
                               (unsigned long long)header, (unsigned long long)file_bytes);
    *head_bytes = (size_t)header + 8;
    return VECNA_OK;
}

/* ---- parsing ------------------------------------------------------------------------------- */

/* One pass over the header. The first only counts; in the second the arrays are there. */
typedef struct pass {
    vecna_json json;
    vecna_tensor_entry *entries; /* NULL in the first pass */
    vecna_tensor_text *metadata;
    char *text; /* where the next string goes; NULL in the first pass */
    size_t entries_count;
    size_t metadata_count;
    size_t text_bytes;
    size_t entries_max;
    int metadata_seen;
} pass;

/* Position in messages counts from the start of the file: 8 bytes before the header. */
static vecna_status wrong(const pass *state, vecna_status status, const char *what,
                          vecna_error *err) {
    return vecna_error_set(err, status, (int64_t)state->json.at + 8,
                           "safetensors: %s, before byte %zu", what, state->json.at + 8);
}

static vecna_status next(pass *state, vecna_json_token *token, vecna_error *err) {
    vecna_status status = vecna_json_next(&state->json, token, err);
    if (status == VECNA_ERR_TRUNCATED) /* the header's length is known: nothing more will come */
        return wrong(state, VECNA_ERR_FORMAT, "the header ends inside a JSON value", err);
    if (status != VECNA_OK && err != NULL) {
        vecna_error inner = *err;
        return vecna_error_set(err, status, inner.position + 8, "safetensors header: %s",
                               inner.message);
    }
    return status;
}

static vecna_status expect(pass *state, vecna_json_kind kind, const char *what,
                           vecna_json_token *token, vecna_error *err) {
    vecna_status status = next(state, token, err);
    if (status == VECNA_OK && token->kind != kind)
        return wrong(state, VECNA_ERR_FORMAT, what, err);
    return status;
}

/* Keep a string, NUL-terminated; *out stays as it is in the first pass. */
static vecna_status keep(pass *state, const vecna_json_token *token, const char **out,
                         vecna_error *err) {
    state->text_bytes += token->bytes + 1; /* no string grows when unescaped */
    if (state->text == NULL) {
        if (memchr(token->text, '\0', token->bytes) != NULL)
            return wrong(state, VECNA_ERR_FORMAT, "a NUL inside a name", err);
        return VECNA_OK;
    }
    size_t bytes = vecna_json_unescape(token, state->text);
    if (memchr(state->text, '\0', bytes) != NULL)
        return wrong(state, VECNA_ERR_FORMAT, "a NUL inside a name", err);
    state->text[bytes] = '\0';
    *out = state->text;
    state->text += bytes + 1;
    return VECNA_OK;
}

static vecna_status parse_metadata(pass *state, vecna_error *err) {
    vecna_json_token token;
    vecna_status status;

    if (state->metadata_seen)
        return wrong(state, VECNA_ERR_FORMAT, "__metadata__ stands twice", err);
    state->metadata_seen = 1;
    status = expect(state, VECNA_JSON_OBJECT_BEGIN, "__metadata__ is no object", &token, err);
    while (status == VECNA_OK) {
        vecna_tensor_text pair = {NULL, NULL};
        status = next(state, &token, err);
        if (status != VECNA_OK || token.kind == VECNA_JSON_OBJECT_END)
            break;
        if (state->metadata_count >= state->entries_max)
            return wrong(state, VECNA_ERR_UNSUPPORTED, "__metadata__ has more pairs than the limit",
                         err);
        status = keep(state, &token, &pair.key, err);
        if (status == VECNA_OK)
            status = expect(state, VECNA_JSON_STRING, "a value of __metadata__ is no string",
                            &token, err);
        if (status == VECNA_OK)
            status = keep(state, &token, &pair.value, err);
        if (status == VECNA_OK && state->metadata != NULL)
            state->metadata[state->metadata_count] = pair;
        state->metadata_count++;
    }
    return status;
}

/* An array of at most `most` whole numbers from 0 up. */
static vecna_status parse_sizes(pass *state, size_t most, const char *what, uint64_t *out,
                                size_t *count, vecna_error *err) {
    vecna_json_token token;
    size_t read = 0;
    vecna_status status = expect(state, VECNA_JSON_ARRAY_BEGIN, what, &token, err);

    while (status == VECNA_OK) {
        int64_t value = 0;
        status = next(state, &token, err);
        if (status != VECNA_OK || token.kind == VECNA_JSON_ARRAY_END)
            break;
        if (!vecna_json_i64(&token, &value) || value < 0)
            return wrong(state, VECNA_ERR_FORMAT, what, err);
        if (read == most)
            return wrong(state, most == 2 ? VECNA_ERR_FORMAT : VECNA_ERR_UNSUPPORTED, what, err);
        out[read++] = (uint64_t)value;
    }
    *count = read;
    return status;
}

static vecna_status parse_dtype(pass *state, vecna_tensor_entry *entry, vecna_error *err) {
    vecna_json_token token;
    vecna_status status = expect(state, VECNA_JSON_STRING, "a dtype is no string", &token, err);
    if (status != VECNA_OK)
        return status;
#define DTYPE_MATCH(code, label, size)                                                             \
    if (vecna_json_is(&token, #label)) {                                                           \
        entry->dtype = VECNA_TENSOR_##label;                                                       \
        return VECNA_OK;                                                                           \
    }
    VECNA_TENSOR_DTYPE_LIST(DTYPE_MATCH)
#undef DTYPE_MATCH
    return vecna_error_set(err, VECNA_ERR_UNSUPPORTED, (int64_t)state->json.at + 8,
                           "safetensors: element type \"%.*s\" is not known here",
                           (int)(token.bytes < 40 ? token.bytes : 40), token.text);
}

/* Bytes of the data against the shape. */
static vecna_status check_extent(const pass *state, const vecna_tensor_entry *entry,
                                 vecna_error *err) {
    uint64_t bytes = vecna_tensor_dtype_bytes(entry->dtype);
    int empty = 0;

    for (size_t axis = 0; axis < entry->rank; axis++)
        empty |= entry->shape[axis] == 0;
    for (size_t axis = 0; axis < entry->rank && !empty; axis++) {
        if (entry->shape[axis] > (uint64_t)INT64_MAX / bytes)
            return wrong(state, VECNA_ERR_FORMAT, "a shape has more elements than 64 bits count",
                         err);
        bytes *= entry->shape[axis];
    }
    if (empty)
        bytes = 0;
    if (entry->end < entry->begin || entry->end - entry->begin != bytes)
        return wrong(state, VECNA_ERR_FORMAT,
                     "data_offsets do not span the bytes that dtype and shape ask for", err);
    return VECNA_OK;
}

/* The object of one tensor, whose name has been read. */
static vecna_status parse_entry(pass *state, vecna_tensor_entry *entry, vecna_error *err) {
    enum { DTYPE = 1, SHAPE = 2, OFFSETS = 4, ALL = 7 };
    uint64_t offsets[2] = {0, 0};
    int seen = 0;
    vecna_json_token token;
    vecna_status status =
        expect(state, VECNA_JSON_OBJECT_BEGIN, "a tensor is no object", &token, err);

    while (status == VECNA_OK) {
        size_t count = 0;
        int field;
        status = next(state, &token, err);
        if (status != VECNA_OK || token.kind == VECNA_JSON_OBJECT_END)
            break;
        field = vecna_json_is(&token, "dtype")          ? DTYPE
                : vecna_json_is(&token, "shape")        ? SHAPE
                : vecna_json_is(&token, "data_offsets") ? OFFSETS
                                                        : 0;
        if (field == 0 || (seen & field))
            return wrong(state, VECNA_ERR_FORMAT,
                         "a tensor has a field twice, or one beside dtype, shape and data_offsets",
                         err);
        seen |= field;
        if (field == DTYPE)
            status = parse_dtype(state, entry, err);
        else if (field == SHAPE)
            status = parse_sizes(state, VECNA_TENSOR_RANK_MAX,
                                 "a shape is no array of at most 8 whole numbers", entry->shape,
                                 &entry->rank, err);
        else
            status = parse_sizes(state, 2, "data_offsets are no two whole numbers", offsets, &count,
                                 err);
        if (status == VECNA_OK && field == OFFSETS && count != 2)
            return wrong(state, VECNA_ERR_FORMAT, "data_offsets are no two whole numbers", err);
    }
    if (status != VECNA_OK)
        return status;
    if (seen != ALL)
        return wrong(state, VECNA_ERR_FORMAT, "a tensor lacks dtype, shape or data_offsets", err);
    entry->begin = offsets[0];
    entry->end = offsets[1];
    return check_extent(state, entry, err);
}

static vecna_status parse_header(pass *state, vecna_error *err) {
    vecna_json_token token;
    vecna_status status =
        expect(state, VECNA_JSON_OBJECT_BEGIN, "the header is no JSON object", &token, err);

    while (status == VECNA_OK) {
        vecna_tensor_entry entry = {0};
        status = next(state, &token, err);
        if (status != VECNA_OK || token.kind == VECNA_JSON_OBJECT_END)
            break;
        if (vecna_json_is(&token, "__metadata__")) {
            status = parse_metadata(state, err);
            continue;
        }
        if (state->entries_count >= state->entries_max)
            return wrong(state, VECNA_ERR_UNSUPPORTED, "more tensors than the limit", err);
        status = keep(state, &token, &entry.name, err);
        if (status == VECNA_OK)
            status = parse_entry(state, &entry, err);
        if (status == VECNA_OK && state->entries != NULL)
            state->entries[state->entries_count] = entry;
        state->entries_count++;
    }
    if (status == VECNA_OK)
        status =
            expect(state, VECNA_JSON_END, "something follows the header's object", &token, err);
    return status;
}

/* ---- the whole against the file ------------------------------------------------------------ */

static int by_begin(const void *a, const void *b) {
    const vecna_tensor_entry *left = a;
    const vecna_tensor_entry *right = b;
    if (left->begin != right->begin)
        return left->begin < right->begin ? -1 : 1;
    if (left->end != right->end)
        return left->end < right->end ? -1 : 1;
    return strcmp(left->name, right->name);
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Names or keys of `count` structs of `size` bytes that start with one; NULL when all differ.
 * `order` has room for count pointers. */
static const char *twice(const void *items, size_t count, size_t size, const char **order) {
    for (size_t i = 0; i < count; i++)
        memcpy(&order[i], (const char *)items + i * size, sizeof order[i]);
    if (count > 1)
        qsort(order, count, sizeof *order, by_text);
    for (size_t i = 1; i < count; i++)
        if (strcmp(order[i - 1], order[i]) == 0)
            return order[i];
    return NULL;
}

static vecna_status check_layout(const vecna_safetensors *file, uint64_t file_bytes,
                                 int unaligned_ok, vecna_error *err) {
    uint64_t at = 0;
    for (size_t i = 0; i < file->entries_count; i++) {
        const vecna_tensor_entry *entry = &file->entries[i];
        if (entry->begin != at)
            return vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)file->data_offset,
                                   "safetensors: the data of \"%.60s\" starts at %llu where %llu "
                                   "is due: tensors overlap or leave a hole",
                                   entry->name, (unsigned long long)entry->begin,
                                   (unsigned long long)at);
        if (!unaligned_ok && entry->begin % vecna_tensor_dtype_bytes(entry->dtype) != 0)
            return vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)file->data_offset,
                                   "safetensors: the data of \"%.60s\" at %llu is not aligned to "
                                   "its element of %zu bytes",
                                   entry->name, (unsigned long long)entry->begin,
                                   vecna_tensor_dtype_bytes(entry->dtype));
        at = entry->end;
    }
    if (file_bytes == UINT64_MAX)
        return VECNA_OK;
    if (at > file_bytes - file->data_offset)
        return vecna_error_set(err, VECNA_ERR_TRUNCATED, (int64_t)file_bytes,
                               "safetensors: the header asks for %llu bytes of data, %llu are "
                               "there; the file is cut off",
                               (unsigned long long)at,
                               (unsigned long long)(file_bytes - file->data_offset));
    if (at < file_bytes - file->data_offset)
        return vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)(file->data_offset + at),
                               "safetensors: %llu bytes follow the data; the file is damaged",
                               (unsigned long long)(file_bytes - file->data_offset - at));
    return VECNA_OK;
}

/* The one allocation: the public struct, its allocator, the arrays, room to sort names, the text.
 */
typedef struct holder {
    vecna_safetensors file; /* first: the public pointer is the block's */
    vecna_allocator allocator_copy;
    int own_allocator;
} holder;

static vecna_status holder_new(const pass *counted, const vecna_allocator *allocator, pass *second,
                               const char ***order, holder **out, vecna_error *err) {
    size_t most = counted->entries_count > counted->metadata_count ? counted->entries_count
                                                                   : counted->metadata_count;
    /* Counts are below the header's length, so none of these products overflows 64 bits. */
    size_t bytes = sizeof(holder) + counted->entries_count * sizeof(vecna_tensor_entry) +
                   counted->metadata_count * sizeof(vecna_tensor_text) + most * sizeof(char *) +
                   counted->text_bytes;
    holder *block = vecna_allocate(allocator, 1, bytes);
    if (block == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for the header of %zu tensors",
                               counted->entries_count);
    memset(block, 0, sizeof *block);
    if (allocator != NULL) {
        block->allocator_copy = *allocator;
        block->own_allocator = 1;
    }
    second->entries = (vecna_tensor_entry *)(void *)(block + 1);
    second->metadata = (vecna_tensor_text *)(void *)(second->entries + counted->entries_count);
    *order = (const char **)(void *)(second->metadata + counted->metadata_count);
    second->text = (char *)(*order + most);
    *out = block;
    return VECNA_OK;
}

vecna_status vecna_safetensors_parse(const void *head, size_t head_bytes, uint64_t file_bytes,
                                     const vecna_safetensors_options *options,
                                     vecna_safetensors **out, vecna_error *err) {
    const vecna_allocator *allocator = options ? options->allocator : NULL;
    const char *json = (const char *)head + 8;
    pass first = {.entries_max =
                      options && options->entries_max ? options->entries_max : (size_t)ENTRIES_MAX};
    pass second = first;
    holder *block = NULL;
    const char **order = NULL;
    const char *name;
    size_t needed = 0;
    vecna_status status;

    if (head_bytes < 8)
        return vecna_error_set(err, VECNA_ERR_TRUNCATED, (int64_t)head_bytes,
                               "safetensors: the file ends after %zu bytes", head_bytes);
    status = vecna_safetensors_head_bytes(head, file_bytes, options, &needed, err);
    if (status == VECNA_OK && head_bytes < needed)
        status = vecna_error_set(err, VECNA_ERR_TRUNCATED, (int64_t)head_bytes,
                                 "safetensors: %zu bytes of a header of %zu; the file is cut off",
                                 head_bytes, needed);
    if (status == VECNA_OK && json[0] != '{')
        status = vecna_error_set(err, VECNA_ERR_FORMAT, 8,
                                 "safetensors: the header does not start with '{'");
    if (status != VECNA_OK)
        goto fail;
    vecna_json_init(&first.json, json, needed - 8, 4);
    vecna_json_init(&second.json, json, needed - 8, 4);
    status = parse_header(&first, err);
    if (status == VECNA_OK)
        status = holder_new(&first, allocator, &second, &order, &block, err);
    if (status == VECNA_OK)
        status = parse_header(&second, err);
    if (status != VECNA_OK)
        goto fail;
    block->file = (vecna_safetensors){
        second.entries, second.entries_count, second.metadata, second.metadata_count, needed, 0};
    if (second.entries_count > 1)
        qsort(second.entries, second.entries_count, sizeof *second.entries, by_begin);
    name = twice(second.entries, second.entries_count, sizeof *second.entries, order);
    if (name == NULL)
        name = twice(second.metadata, second.metadata_count, sizeof *second.metadata, order);
    if (name != NULL)
        status = vecna_error_set(err, VECNA_ERR_FORMAT, 8,
                                 "safetensors: \"%.80s\" stands twice in the header", name);
    if (status == VECNA_OK)
        status = check_layout(&block->file, file_bytes, options && options->unaligned_ok, err);
    if (status != VECNA_OK)
        goto fail;
    if (second.entries_count > 0)
        block->file.data_bytes = second.entries[second.entries_count - 1].end;
    *out = &block->file;
    return VECNA_OK;

fail:
    vecna_release(allocator, block);
    return status;
}

void vecna_safetensors_free(vecna_safetensors *file) {
    holder *block = (holder *)(void *)file;
    vecna_allocator copy;

    if (file == NULL)
        return;
    copy = block->allocator_copy;
    vecna_release(block->own_allocator ? &copy : NULL, block);
}

const vecna_tensor_entry *vecna_safetensors_find(const vecna_safetensors *file, const char *name) {
    for (size_t i = 0; i < file->entries_count; i++)
        if (strcmp(file->entries[i].name, name) == 0)
            return &file->entries[i];
    return NULL;
}

const char *vecna_safetensors_text(const vecna_safetensors *file, const char *key) {
    for (size_t i = 0; i < file->metadata_count; i++)
        if (strcmp(file->metadata[i].key, key) == 0)
            return file->metadata[i].value;
    return NULL;
}

/* ---- printing ------------------------------------------------------------------------------ */

static vecna_status entry_bytes(const vecna_tensor_entry *entry, uint64_t *out, vecna_error *err) {
    uint64_t bytes = vecna_tensor_dtype_bytes(entry->dtype);
    int empty = 0;

    if (entry->name == NULL || entry->name[0] == '\0' || strcmp(entry->name, "__metadata__") == 0)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "a tensor needs a name, and not \"__metadata__\"");
    if (entry->rank > VECNA_TENSOR_RANK_MAX || bytes == 0)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "tensor \"%.60s\" has rank %zu (8 at most) and dtype %s",
                               entry->name, entry->rank, vecna_tensor_dtype_name(entry->dtype));
    for (size_t axis = 0; axis < entry->rank; axis++)
        empty |= entry->shape[axis] == 0;
    for (size_t axis = 0; axis < entry->rank && !empty; axis++) {
        if (entry->shape[axis] > (uint64_t)INT64_MAX / bytes)
            return vecna_error_set(err, VECNA_ERR_OVERFLOW, -1,
                                   "tensor \"%.60s\" has more bytes than 63 bits count",
                                   entry->name);
        bytes *= entry->shape[axis];
    }
    *out = empty ? 0 : bytes;
    return VECNA_OK;
}

/* Extents for all entries, larger elements first: then every one is aligned to its element. Sets
 * them only when all is well. */
static vecna_status lay_out(vecna_tensor_entry *entries, size_t count, vecna_error *err) {
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t bytes;
        vecna_status status = entry_bytes(&entries[i], &bytes, err);
        if (status != VECNA_OK)
            return status;
        if (bytes > (uint64_t)INT64_MAX - total)
            return vecna_error_set(err, VECNA_ERR_OVERFLOW, -1,
                                   "the tensors have more bytes than 63 bits count");
        total += bytes;
        for (size_t j = 0; j < i; j++)
            if (strcmp(entries[i].name, entries[j].name) == 0)
                return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                                       "tensor \"%.60s\" is given twice", entries[i].name);
    }
    total = 0;
    for (size_t element = 8; element > 0; element /= 2)
        for (size_t i = 0; i < count; i++) {
            uint64_t bytes = 0;
            if (vecna_tensor_dtype_bytes(entries[i].dtype) != element)
                continue;
            vecna_status status = entry_bytes(&entries[i], &bytes, err);
            assert(status == VECNA_OK);
            (void)status;
            entries[i].begin = total;
            entries[i].end = total += bytes;
        }
    return VECNA_OK;
}

static void print_entry(vecna_json_writer *writer, const vecna_tensor_entry *entry) {
    vecna_json_write_key(writer, entry->name);
    vecna_json_write_object_begin(writer);
    vecna_json_write_key(writer, "dtype");
    vecna_json_write_string(writer, vecna_tensor_dtype_name(entry->dtype));
    vecna_json_write_key(writer, "shape");
    vecna_json_write_array_begin(writer);
    for (size_t axis = 0; axis < entry->rank; axis++)
        vecna_json_write_u64(writer, entry->shape[axis]);
    vecna_json_write_array_end(writer);
    vecna_json_write_key(writer, "data_offsets");
    vecna_json_write_array_begin(writer);
    vecna_json_write_u64(writer, entry->begin);
    vecna_json_write_u64(writer, entry->end);
    vecna_json_write_array_end(writer);
    vecna_json_write_object_end(writer);
}

vecna_status vecna_safetensors_print(vecna_tensor_entry *entries, size_t entries_count,
                                     const vecna_tensor_text *metadata, size_t metadata_count,
                                     vecna_json_writer *writer, vecna_error *err) {
    static const char zeros[8] = {0};
    vecna_status status = lay_out(entries, entries_count, err);
    size_t start = writer->bytes;

    if (status != VECNA_OK)
        return status;
    vecna_json_write_between(writer, zeros, 8);
    vecna_json_write_object_begin(writer);
    if (metadata_count > 0) {
        vecna_json_write_key(writer, "__metadata__");
        vecna_json_write_object_begin(writer);
        for (size_t i = 0; i < metadata_count; i++) {
            vecna_json_write_key(writer, metadata[i].key);
            vecna_json_write_string(writer, metadata[i].value);
        }
        vecna_json_write_object_end(writer);
    }
    for (size_t i = 0; i < entries_count; i++)
        print_entry(writer, &entries[i]);
    vecna_json_write_object_end(writer);
    vecna_json_write_between(writer, "       ", (8 - (writer->bytes - start) % 8) % 8);
    status = vecna_json_writer_finish(writer, err);
    if (status != VECNA_OK)
        return status;
    uint64_t header = writer->bytes - start - 8;
    for (int i = 0; i < 8; i++)
        writer->text[start + (size_t)i] = (char)(header >> 8 * i);
    return VECNA_OK;
}
