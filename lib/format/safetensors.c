/* Matrices in safetensors: a JSON header that names tensors, then their bytes. The container itself
 * is codec's; here one tensor of two axes becomes rows.
 * Source: https://github.com/huggingface/safetensors, README "Format"
 *
 * Written is one tensor, whose header has room for any number of rows, so that the true one can be
 * filled in at the end; the room is spaces, which the format allows. */
#include "format/format_impl.h"
#include "vecna/codec.h"

#include <stdio.h>
#include <string.h>

enum { HEADER_ROOM = 64, HEADER_ALIGNMENT = 64, FIRST_BYTES = 8, MAX_HEADER_BYTES = 100000000 };

typedef struct safetensors_state {
    vni_dense dense;
    vecna_safetensors *file;
} safetensors_state;

static int element_of(vecna_tensor_dtype dtype, vni_element *out) {
    switch (dtype) {
    case VECNA_TENSOR_F32:
        *out = VNI_F32;
        return 1;
    case VECNA_TENSOR_F16:
        *out = VNI_F16;
        return 1;
    case VECNA_TENSOR_BF16:
        *out = VNI_BF16;
        return 1;
    case VECNA_TENSOR_F64:
        *out = VNI_F64;
        return 1;
    case VECNA_TENSOR_I8:
        *out = VNI_I8;
        return 1;
    case VECNA_TENSOR_U8:
    case VECNA_TENSOR_BOOL:
        *out = VNI_U8;
        return 1;
    case VECNA_TENSOR_I16:
        *out = VNI_I16;
        return 1;
    case VECNA_TENSOR_U16:
        *out = VNI_U16;
        return 1;
    case VECNA_TENSOR_I32:
        *out = VNI_I32;
        return 1;
    case VECNA_TENSOR_U32:
        *out = VNI_U32;
        return 1;
    case VECNA_TENSOR_I64:
        *out = VNI_I64;
        return 1;
    case VECNA_TENSOR_U64:
        *out = VNI_U64;
        return 1;
    case VECNA_TENSOR_F8_E5M2:
    case VECNA_TENSOR_F8_E4M3:
        break;
    }
    return 0;
}

/* "a, b, c" of the tensors with two axes (or of all), as far as it fits. */
static void list_tensors(const vecna_safetensors *file, size_t rank, char *out, size_t capacity) {
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < file->entries_count; i++) {
        const char *name = file->entries[i].name;
        size_t bytes = strlen(name);
        if (rank != 0 && file->entries[i].rank != rank)
            continue;
        if (used + bytes + 8 > capacity) {
            snprintf(out + used, capacity - used, "%s...", used ? ", " : "");
            return;
        }
        used += (size_t)snprintf(out + used, capacity - used, "%s%s", used ? ", " : "", name);
    }
}

static vecna_status find_tensor(const vecna_reader *reader, const vecna_safetensors *file,
                                const vecna_tensor_entry **out, vecna_error *err) {
    const char *wanted = reader->options.tensor;
    const vecna_tensor_entry *found = NULL;
    size_t matrices = 0;
    char names[100];

    if (wanted) {
        found = vecna_safetensors_find(file, wanted);
        list_tensors(file, 0, names, sizeof names);
        if (found == NULL)
            return vecna_error_set(err, VECNA_ERR_NOT_FOUND, -1,
                                   "%s has no tensor '%.40s'; it has %s", reader->input.name,
                                   wanted, names[0] ? names : "none");
        if (found->rank != 1 && found->rank != 2)
            return vecna_error_set(err, VECNA_ERR_UNSUPPORTED, -1,
                                   "tensor '%.40s' of %s has %zu axes; vectors need two", wanted,
                                   reader->input.name, found->rank);
        *out = found;
        return VECNA_OK;
    }
    for (size_t i = 0; i < file->entries_count; i++)
        if (file->entries[i].rank == 2) {
            found = &file->entries[i];
            matrices++;
        }
    list_tensors(file, 2, names, sizeof names);
    if (matrices == 0)
        return vecna_error_set(err, VECNA_ERR_NOT_FOUND, -1,
                               "%s has no tensor of two axes among its %zu", reader->input.name,
                               file->entries_count);
    if (matrices > 1)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "%s has %zu tensors of two axes; name one (--tensor): %s",
                               reader->input.name, matrices, names);
    *out = found;
    return VECNA_OK;
}

/* The header, of which the first peek shows how long it is. */
static vecna_status parse_header(vecna_reader *reader, safetensors_state *state, vecna_error *err) {
    vecna_safetensors_options options = {.allocator = reader->allocator, .unaligned_ok = 1};
    uint64_t file_bytes = reader->input.seekable ? reader->input.size : UINT64_MAX;
    const unsigned char *head;
    size_t available, head_bytes = 0;
    vecna_status status = vni_input_peek(&reader->input, FIRST_BYTES, &head, &available, err);

    if (status != VECNA_OK)
        return status;
    if (available < FIRST_BYTES)
        return vecna_error_set(err, VECNA_ERR_TRUNCATED, (int64_t)available,
                               "%s ends inside its first 8 bytes", reader->input.name);
    status = vecna_safetensors_head_bytes(head, file_bytes, &options, &head_bytes, err);
    if (status == VECNA_OK)
        status = vni_input_peek(&reader->input, head_bytes, &head, &available, err);
    if (status == VECNA_OK && available < head_bytes)
        return vecna_error_set(err, VECNA_ERR_TRUNCATED, (int64_t)available,
                               "%s ends at byte %zu, inside its header of %zu", reader->input.name,
                               available, head_bytes);
    if (status == VECNA_OK) {
        vecna_error inner;
        status =
            vecna_safetensors_parse(head, head_bytes, file_bytes, &options, &state->file, &inner);
        if (status != VECNA_OK)
            vecna_error_set(err, status, inner.position, "%s: %s", reader->input.name,
                            inner.message);
    }
    if (status == VECNA_OK)
        vni_input_skip(&reader->input, head_bytes);
    return status;
}

/* A stream stands behind the header and must come to the tensor. */
static vecna_status walk_to(vecna_reader *reader, uint64_t offset, vecna_error *err) {
    while (!reader->input.seekable && reader->input.position < offset) {
        uint64_t left = offset - reader->input.position;
        const unsigned char *data;
        size_t available;
        vecna_status status = vni_input_peek(&reader->input, 1, &data, &available, err);
        if (status != VECNA_OK)
            return status;
        if (available == 0)
            return vecna_error_set(err, VECNA_ERR_TRUNCATED, (int64_t)reader->input.position,
                                   "%s ends at byte %llu, before its vectors start at %llu",
                                   reader->input.name, (unsigned long long)reader->input.position,
                                   (unsigned long long)offset);
        vni_input_skip(&reader->input, available < left ? available : (size_t)left);
    }
    return VECNA_OK;
}

static vecna_status safetensors_open(vecna_reader *reader, vecna_error *err) {
    const vecna_tensor_entry *tensor = NULL;
    safetensors_state *state = vecna_allocate_zero(reader->allocator, 1, sizeof *state);
    uint64_t dim;
    vecna_status status;

    if (state == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to read %s",
                               reader->input.name);
    reader->state = state;
    status = parse_header(reader, state, err);
    if (status == VECNA_OK)
        status = find_tensor(reader, state->file, &tensor, err);
    if (status != VECNA_OK)
        return status;
    if (!element_of(tensor->dtype, &state->dense.element))
        return vecna_error_set(err, VECNA_ERR_UNSUPPORTED, -1,
                               "tensor '%.40s' of %s holds %s, which is not read", tensor->name,
                               reader->input.name, vecna_tensor_dtype_name(tensor->dtype));
    dim = tensor->shape[tensor->rank - 1];
    state->dense.rows = tensor->rank == 2 ? tensor->shape[0] : 1;
    state->dense.dim = dim > VECNA_FORMAT_MAX_DIM ? VECNA_FORMAT_MAX_DIM + 1 : (size_t)dim;
    state->dense.offset = state->file->data_offset + tensor->begin;
    state->dense.trailing = 1; /* other tensors */
    reader->info.vector_field = tensor->name;
    status = walk_to(reader, state->dense.offset, err);
    return status == VECNA_OK ? vni_dense_open(&state->dense, reader, err) : status;
}

static vecna_status safetensors_read(vecna_reader *reader, vecna_block *block, size_t max_rows,
                                     vecna_error *err) {
    safetensors_state *state = reader->state;
    return vni_dense_read(&state->dense, reader, block, max_rows, err);
}

static void safetensors_close(vecna_reader *reader) {
    safetensors_state *state = reader->state;
    if (state == NULL)
        return;
    vni_dense_close(&state->dense, reader);
    vecna_safetensors_free(state->file);
    vecna_release(reader->allocator, state);
}

/* A length that a header can have, and the brace that JSON starts with. */
static int safetensors_detect(const vni_head *head) {
    uint64_t bytes = 0;
    if (head->bytes < FIRST_BYTES + 2 || head->data[FIRST_BYTES] != '{')
        return VNI_NO;
    for (size_t i = FIRST_BYTES; i-- > 0;)
        bytes = bytes << 8 | head->data[i];
    return bytes >= 2 && bytes <= MAX_HEADER_BYTES ? VNI_CERTAIN : VNI_NO;
}

/* ---- writing --------------------------------------------------------------------------------- */

typedef struct safetensors_output {
    size_t header_bytes; /* with the first 8 */
} safetensors_output;

static vecna_tensor_dtype tensor_dtype_of(vecna_dtype dtype) {
    switch (dtype) {
    case VECNA_F16:
        return VECNA_TENSOR_F16;
    case VECNA_BF16:
        return VECNA_TENSOR_BF16;
    case VECNA_F64:
        return VECNA_TENSOR_F64;
    case VECNA_I8:
        return VECNA_TENSOR_I8;
    case VECNA_U8:
        return VECNA_TENSOR_U8;
    case VECNA_I32:
        return VECNA_TENSOR_I32;
    default:
        return VECNA_TENSOR_F32;
    }
}

/* The header for so many rows, in exactly output->header_bytes (chosen here when it is 0). */
static vecna_status send_header(vecna_writer *writer, uint64_t rows, int patch, vecna_error *err) {
    safetensors_output *output = writer->state;
    vecna_tensor_entry entry = {
        .name = writer->options.tensor ? writer->options.tensor : "embeddings",
        .dtype = tensor_dtype_of(writer->options.dtype),
        .rank = 2,
        .shape = {rows, writer->options.dim},
    };
    vecna_json_writer json;
    unsigned char *header = NULL;
    vecna_status status;

    vecna_json_writer_init(&json, 0, writer->allocator);
    status = vecna_safetensors_print(&entry, 1, NULL, 0, &json, err);
    if (status != VECNA_OK)
        goto done;
    if (output->header_bytes == 0) {
        size_t needed = json.bytes + HEADER_ROOM;
        output->header_bytes = needed + (HEADER_ALIGNMENT - needed % HEADER_ALIGNMENT);
    }
    header = vecna_allocate(writer->allocator, output->header_bytes, 1);
    if (header == NULL) {
        status = vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to write %s", writer->name);
        goto done;
    }
    memset(header, ' ', output->header_bytes);
    memcpy(header, json.text, json.bytes);
    for (size_t i = 0; i < FIRST_BYTES; i++)
        header[i] = (unsigned char)((uint64_t)(output->header_bytes - FIRST_BYTES) >> (8 * i));
    status = patch ? vni_writer_patch(writer, 0, header, output->header_bytes, err)
                   : vni_writer_put(writer, header, output->header_bytes, err);

done:
    vecna_release(writer->allocator, header);
    vecna_json_writer_free(&json);
    return status;
}

static vecna_status safetensors_element(const vecna_writer *writer, vni_element *out,
                                        vecna_error *err) {
    return vni_writer_element(writer, "f32 f16 bf16 f64 i8 u8 i32", out, err);
}

static vecna_status safetensors_begin(vecna_writer *writer, vecna_error *err) {
    vni_element element;
    vecna_status status = safetensors_element(writer, &element, err);
    if (status != VECNA_OK)
        return status;
    writer->state = vecna_allocate_zero(writer->allocator, 1, sizeof(safetensors_output));
    if (writer->state == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to write %s", writer->name);
    return send_header(writer, writer->options.rows, 0, err);
}

static vecna_status safetensors_write(vecna_writer *writer, vecna_view rows,
                                      const vecna_record *records, vecna_error *err) {
    vni_element element;
    vecna_status status = safetensors_element(writer, &element, err);
    (void)records;
    if (status == VECNA_OK)
        status = vni_writer_put_rows(writer, rows, element, NULL, 0, err);
    return status;
}

static vecna_status safetensors_finish(vecna_writer *writer, vecna_error *err) {
    return writer->rows == writer->options.rows ? VECNA_OK
                                                : send_header(writer, writer->rows, 1, err);
}

static void safetensors_abandon(vecna_writer *writer) {
    vecna_release(writer->allocator, writer->state);
}

const vni_format vni_format_safetensors = {
    .info = {"safetensors", "safetensors", "one tensor of two axes, by name or the only one"},
    .detect = safetensors_detect,
    .open = safetensors_open,
    .read = safetensors_read,
    .close = safetensors_close,
    .counts_rows = 1,
    .begin = safetensors_begin,
    .write = safetensors_write,
    .finish = safetensors_finish,
    .abandon = safetensors_abandon,
};
