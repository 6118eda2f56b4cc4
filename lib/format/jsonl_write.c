/* Writing JSONL. The fields of a row go out as they came in, the vector at its old place among
 * them; a row of a format without fields becomes {"id":..,"text":..,"embedding":[..]}. */
#include "format/text_impl.h"

#include <math.h>
#include <stdio.h>

vecna_status vni_jsonl_begin(vecna_writer *writer, vecna_error *err) {
    vecna_status status = vni_text_dtype(writer, err);
    vecna_json_writer *json;
    if (status != VECNA_OK)
        return status;
    json = vecna_allocate(writer->allocator, 1, sizeof *json);
    if (json == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to write %s", writer->name);
    vecna_json_writer_init(json, 0, writer->allocator);
    writer->state = json;
    return VECNA_OK;
}

static const char *or_default(const char *name, const char *usual) {
    return name ? name : usual;
}

/* Little-endian float32 in base64. */
static void write_base64(vecna_json_writer *json, const float *row, size_t dim) {
    enum { BATCH = 3 * 64 }; /* whole groups of base64 */
    float piece[BATCH];
    char text[BATCH * sizeof(float) / 3 * 4 + 4];
    vecna_json_write_raw(json, "\"", 1);
    for (size_t done = 0; done < dim;) {
        size_t count = dim - done < BATCH ? dim - done : BATCH;
        memcpy(piece, row + done, count * sizeof *piece);
        vni_swap_little_endian(piece, count);
        vecna_base64_encode(piece, count * sizeof *piece, text);
        vecna_json_write_between(json, text, vecna_base64_text_bytes(count * sizeof *piece));
        done += count;
    }
    vecna_json_write_raw(json, "\"", 1); /* ends the value: a comma comes next */
}

static void write_vector(const vecna_writer *writer, const float *row) {
    vecna_json_writer *json = writer->state;
    vecna_json_write_key(json, or_default(writer->options.vector_field, "embedding"));
    if (writer->options.layout == VECNA_LAYOUT_BASE64)
        write_base64(json, row, writer->options.dim);
    else
        vecna_json_write_floats(json, row, writer->options.dim);
}

/* Index of the field that is to be written under `name` (the id's or text's, as the options say)
 * though it has another one; field_count when there is none. */
static size_t renamed(const vecna_record *record, const char *name, vecna_text value) {
    size_t found = record->field_count;
    for (size_t i = record->field_count; name && i-- > 0;) {
        const vecna_field *field = &record->fields[i];
        if (field->name.bytes == strlen(name) &&
            memcmp(field->name.data, name, field->name.bytes) == 0)
            return record->field_count;
        if (vni_field_is(field, value))
            found = i;
    }
    return found;
}

static void write_field(vecna_json_writer *json, const vecna_field *field, const char *name,
                        size_t place) {
    char number[32];
    if (name == NULL && field->name.bytes == 0 && field->kind == VECNA_FIELD_PLAIN) {
        snprintf(number, sizeof number, "column%zu", place + 1);
        name = number;
    }
    if (name)
        vecna_json_write_key(json, name);
    else
        vecna_json_write_key_bytes(json, field->name.data, field->name.bytes);
    if (field->kind == VECNA_FIELD_JSON)
        vecna_json_write_raw(json, field->value.data, field->value.bytes);
    else
        vecna_json_write_string_bytes(json, field->value.data, field->value.bytes);
}

static void write_record(const vecna_writer *writer, const float *row, const vecna_record *record) {
    const char *id_field = writer->options.id_field, *text_field = writer->options.text_field;
    size_t id_at = renamed(record, id_field = or_default(id_field, "id"), record->id);
    size_t text_at = renamed(record, text_field = or_default(text_field, "text"), record->text);
    for (size_t i = 0; i < record->field_count; i++) {
        if (i == record->vector_at)
            write_vector(writer, row);
        write_field(writer->state, &record->fields[i],
                    i == id_at     ? id_field
                    : i == text_at ? text_field
                                   : NULL,
                    i);
    }
    if (record->vector_at >= record->field_count)
        write_vector(writer, row);
}

/* A row of a format without fields: its word or number as id, its text. */
static void write_plain(const vecna_writer *writer, const float *row, const vecna_record *record,
                        uint64_t number) {
    vecna_json_writer *json = writer->state;
    vecna_json_write_key(json, or_default(writer->options.id_field, "id"));
    if (record && record->id.data)
        vecna_json_write_string_bytes(json, record->id.data, record->id.bytes);
    else
        vecna_json_write_u64(json, number);
    if (record && record->text.data) {
        vecna_json_write_key(json, or_default(writer->options.text_field, "text"));
        vecna_json_write_string_bytes(json, record->text.data, record->text.bytes);
    }
    write_vector(writer, row);
}

static vecna_status check_finite(const vecna_writer *writer, const float *row, uint64_t number,
                                 vecna_error *err) {
    for (size_t i = 0; i < writer->options.dim; i++)
        if (!isfinite(row[i]))
            return vecna_error_set(err, VECNA_ERR_VALUE, (int64_t)number,
                                   "row %llu holds NaN or infinity (dimension %zu), which JSON "
                                   "cannot say; leave the row out of %s or write .npy",
                                   (unsigned long long)number, i, writer->name);
    return VECNA_OK;
}

vecna_status vni_jsonl_write(vecna_writer *writer, vecna_view rows, const vecna_record *records,
                             vecna_error *err) {
    vecna_json_writer *json = writer->state;
    vecna_status status = VECNA_OK;
    for (size_t i = 0; status == VECNA_OK && i < rows.rows; i++) {
        const float *row = rows.data + i * rows.stride;
        const vecna_record *record = records ? &records[i] : NULL;
        uint64_t number = writer->rows + i;
        if (writer->options.layout != VECNA_LAYOUT_BASE64)
            status = check_finite(writer, row, number, err);
        if (status != VECNA_OK)
            break;
        vecna_json_writer_reset(json);
        vecna_json_write_object_begin(json);
        if (record && record->field_count > 0)
            write_record(writer, row, record);
        else
            write_plain(writer, row, record, number);
        vecna_json_write_object_end(json);
        vecna_json_write_between(json, "\n", 1);
        status = vecna_json_writer_finish(json, NULL);
        if (status == VECNA_ERR_FORMAT)
            status = vecna_error_set(err, VECNA_ERR_VALUE, (int64_t)number,
                                     "row %llu has an id or text that is not UTF-8, which JSON "
                                     "cannot hold; write CSV or word2vec instead of %s",
                                     (unsigned long long)number, writer->name);
        else if (status != VECNA_OK)
            status = vecna_json_writer_finish(json, err);
        else
            status = vni_writer_put(writer, json->text, json->bytes, err);
    }
    return status;
}

void vni_jsonl_abandon(vecna_writer *writer) {
    vecna_json_writer_free(writer->state);
    vecna_release(writer->allocator, writer->state);
}
