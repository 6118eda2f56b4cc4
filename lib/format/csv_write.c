/* Writing tables. The first row settles the columns of all: a table has one header, while rows that
 * come out of JSON may each have other fields; later rows are matched by name, and what has no
 * column is left out. A cell is quoted when it must be, never otherwise. */
#include "format/text_impl.h"

#include <stdio.h>

typedef struct csv_output {
    vni_room room;    /* the record being composed */
    vni_room names;   /* the header's names, NUL-terminated, one after the other */
    vni_room sources; /* the names of the fields that fill them, likewise */
    size_t fields;    /* columns beside the vector */
    size_t vector_at; /* the vector stands before that one */
    int plain;        /* rows have no fields: id and perhaps text are written */
    int plain_text;   /* the first row had a text */
    int started;      /* the columns are settled */
    char delimiter;
} csv_output;

static vecna_status put(vecna_writer *writer, const char *data, size_t bytes, vecna_error *err) {
    csv_output *output = writer->state;
    vecna_status status = vni_room_need(&output->room, bytes, writer->allocator, writer->name, err);
    if (status == VECNA_OK && bytes > 0) {
        memcpy(output->room.data + output->room.bytes, data, bytes);
        output->room.bytes += bytes;
    }
    return status;
}

/* A cell, in quotes when it must be. A blank one alone would be a blank line. */
static vecna_status put_cell(vecna_writer *writer, const char *data, size_t bytes,
                             vecna_error *err) {
    csv_output *output = writer->state;
    int quote = bytes == 0 ? output->fields == 0
                           : data[0] == ' ' || data[bytes - 1] == ' ' || memchr(data, '"', bytes) ||
                                 memchr(data, '\n', bytes) || memchr(data, '\r', bytes) ||
                                 memchr(data, output->delimiter, bytes);
    vecna_status status;
    char *to;
    if (!quote)
        return put(writer, data, bytes, err);
    status = vni_room_need(&output->room, 2 * bytes + 2, writer->allocator, writer->name, err);
    if (status != VECNA_OK)
        return status;
    to = output->room.data + output->room.bytes;
    *to++ = '"';
    for (size_t i = 0; i < bytes; i++) {
        *to++ = data[i];
        if (data[i] == '"')
            *to++ = '"';
    }
    *to++ = '"';
    output->room.bytes = (size_t)(to - output->room.data);
    return VECNA_OK;
}

static vecna_status put_vector(vecna_writer *writer, const float *row, vecna_error *err) {
    csv_output *output = writer->state;
    size_t dim = writer->options.dim;
    int columns = writer->options.layout == VECNA_LAYOUT_COLUMNS;
    int quote = !columns && output->delimiter == ',';
    vecna_status status = vni_room_need(&output->room, dim * (VECNA_NUMBER_BYTES + 1) + 4,
                                        writer->allocator, writer->name, err);
    if (status == VECNA_OK && !columns)
        status = put(writer, quote ? "\"[" : "[", quote ? 2 : 1, err);
    if (status != VECNA_OK)
        return status;
    vni_room_floats(&output->room, row, dim, columns ? output->delimiter : ',');
    return columns ? VECNA_OK : put(writer, quote ? "]\"" : "]", quote ? 2 : 1, err);
}

/* A field's value as a cell: a JSON string without its quotes and escapes, null as nothing, other
 * JSON as it is. */
static vecna_status put_field(vecna_writer *writer, const vecna_field *field, vecna_error *err) {
    vecna_json_token token = {VECNA_JSON_STRING, 1, NULL, 0};
    char *plain;
    vecna_status status;
    if (field->kind == VECNA_FIELD_PLAIN)
        return put_cell(writer, field->value.data, field->value.bytes, err);
    if (field->value.bytes == 4 && memcmp(field->value.data, "null", 4) == 0)
        return put_cell(writer, "", 0, err);
    if (field->value.bytes < 2 || field->value.data[0] != '"')
        return put_cell(writer, field->value.data, field->value.bytes, err);
    token.text = field->value.data + 1;
    token.bytes = field->value.bytes - 2;
    plain = vecna_allocate(writer->allocator, token.bytes + 1, 1);
    if (plain == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to write %s", writer->name);
    status = put_cell(writer, plain, vecna_json_unescape(&token, plain), err);
    vecna_release(writer->allocator, plain);
    return status;
}

static vecna_status put_delimiter(vecna_writer *writer, int *first, vecna_error *err) {
    const csv_output *output = writer->state;
    if (*first) {
        *first = 0;
        return VECNA_OK;
    }
    return put(writer, &output->delimiter, 1, err);
}

/* The header's cells of the vector. */
static vecna_status put_vector_names(vecna_writer *writer, vecna_error *err) {
    csv_output *output = writer->state;
    const char *name = writer->options.vector_field ? writer->options.vector_field : "embedding";
    vecna_status status = VECNA_OK;
    if (writer->options.layout != VECNA_LAYOUT_COLUMNS)
        return put_cell(writer, name, strlen(name), err);
    for (size_t i = 0; status == VECNA_OK && i < writer->options.dim; i++) {
        char number[24];
        int bytes = snprintf(number, sizeof number, "_%zu", i);
        if (i > 0)
            status = put(writer, &output->delimiter, 1, err);
        if (status == VECNA_OK)
            status = put(writer, name, strlen(name), err);
        if (status == VECNA_OK)
            status = put(writer, number, (size_t)bytes, err);
    }
    return status;
}

static vecna_status put_header(vecna_writer *writer, vecna_error *err) {
    csv_output *output = writer->state;
    const char *name = output->names.data;
    int first = 1;
    vecna_status status = VECNA_OK;
    for (size_t i = 0; status == VECNA_OK && i <= output->fields; i++) {
        if (i == output->vector_at) {
            status = put_delimiter(writer, &first, err);
            if (status == VECNA_OK)
                status = put_vector_names(writer, err);
        }
        if (status != VECNA_OK || i == output->fields)
            break;
        status = put_delimiter(writer, &first, err);
        if (status == VECNA_OK)
            status = put_cell(writer, name, strlen(name), err);
        name += strlen(name) + 1;
    }
    return status == VECNA_OK ? put(writer, "\n", 1, err) : status;
}

static vecna_status keep_name(vecna_writer *writer, vni_room *room, vecna_text name,
                              vecna_error *err) {
    vecna_status status = vni_room_need(room, name.bytes + 1, writer->allocator, writer->name, err);
    if (status != VECNA_OK)
        return status;
    if (name.bytes > 0)
        memcpy(room->data + room->bytes, name.data, name.bytes);
    room->data[room->bytes + name.bytes] = '\0';
    room->bytes += name.bytes + 1;
    return VECNA_OK;
}

/* One column more: what the header calls it and the field that fills it. */
static vecna_status keep_column(vecna_writer *writer, vecna_text name, vecna_text source,
                                vecna_error *err) {
    csv_output *output = writer->state;
    vecna_status status = keep_name(writer, &output->names, name, err);
    if (status == VECNA_OK)
        status = keep_name(writer, &output->sources, source, err);
    output->fields += status == VECNA_OK;
    return status;
}

/* The field is the one that `value` (the record's id or text) was taken from, and no field has the
 * name that it is to have. */
static int takes_name(const vecna_record *record, size_t at, const char *name, vecna_text value) {
    if (value.data == NULL)
        return 0;
    for (size_t i = 0; i < record->field_count; i++)
        if (record->fields[i].name.bytes == strlen(name) &&
            memcmp(record->fields[i].name.data, name, strlen(name)) == 0)
            return 0;
    for (size_t i = 0; i < record->field_count; i++)
        if (vni_field_is(&record->fields[i], value))
            return i == at;
    return 0;
}

/* The first row tells the columns of all. */
static vecna_status settle_columns(vecna_writer *writer, const vecna_record *record,
                                   vecna_error *err) {
    csv_output *output = writer->state;
    const char *id = writer->options.id_field ? writer->options.id_field : "id";
    const char *text = writer->options.text_field ? writer->options.text_field : "text";
    vecna_text id_name = {id, strlen(id)}, text_name = {text, strlen(text)};
    vecna_status status = VECNA_OK;
    output->started = 1;
    if (record == NULL || record->field_count == 0) {
        output->plain = 1;
        output->plain_text = record && record->text.data;
        status = keep_column(writer, id_name, id_name, err);
        if (status == VECNA_OK && output->plain_text)
            status = keep_column(writer, text_name, text_name, err);
        output->vector_at = output->fields;
        return status;
    }
    for (size_t i = 0; status == VECNA_OK && i < record->field_count; i++) {
        vecna_text source = record->fields[i].name;
        vecna_text name = takes_name(record, i, id, record->id)       ? id_name
                          : takes_name(record, i, text, record->text) ? text_name
                                                                      : source;
        status = keep_column(writer, name, source, err);
    }
    output->vector_at = record->vector_at;
    return status;
}

/* The field of a row that belongs to column `at`: the one at the same place, or of the same name.
 */
static const vecna_field *field_of(const vecna_record *record, size_t at, const char *name) {
    size_t bytes = strlen(name);
    for (size_t i = 0; record && i < record->field_count; i++) {
        const vecna_field *field = &record->fields[(at + i) % record->field_count];
        if (field->name.bytes == bytes && memcmp(field->name.data, name, bytes) == 0)
            return field;
    }
    return NULL;
}

static vecna_status put_row(vecna_writer *writer, const float *row, const vecna_record *record,
                            uint64_t number, vecna_error *err) {
    csv_output *output = writer->state;
    const char *name = output->sources.data;
    int first = 1;
    vecna_status status = VECNA_OK;
    for (size_t i = 0; status == VECNA_OK && i <= output->fields; i++) {
        if (i == output->vector_at) {
            status = put_delimiter(writer, &first, err);
            if (status == VECNA_OK)
                status = put_vector(writer, row, err);
        }
        if (status != VECNA_OK || i == output->fields)
            break;
        status = put_delimiter(writer, &first, err);
        if (status == VECNA_OK && output->plain) {
            char digits[24];
            vecna_text cell_of = i == 0 ? vni_writer_word(record, number, digits)
                                        : (record ? record->text : (vecna_text){NULL, 0});
            status = put_cell(writer, cell_of.data ? cell_of.data : "", cell_of.bytes, err);
        } else if (status == VECNA_OK) {
            const vecna_field *field = field_of(record, i, name);
            status = field ? put_field(writer, field, err) : put_cell(writer, "", 0, err);
        }
        name += strlen(name) + 1;
    }
    return status == VECNA_OK ? put(writer, "\n", 1, err) : status;
}

static vecna_status begin_with(vecna_writer *writer, char delimiter, vecna_error *err) {
    csv_output *output;
    vecna_status status = vni_text_dtype(writer, err);
    if (status != VECNA_OK)
        return status;
    output = vecna_allocate_zero(writer->allocator, 1, sizeof *output);
    if (output == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to write %s", writer->name);
    output->delimiter = delimiter;
    writer->state = output;
    return VECNA_OK;
}

vecna_status vni_csv_begin(vecna_writer *writer, vecna_error *err) {
    int keep = writer->delimiter == ';' || writer->delimiter == '|';
    return begin_with(writer, keep ? writer->delimiter : ',', err);
}

vecna_status vni_tsv_begin(vecna_writer *writer, vecna_error *err) {
    return begin_with(writer, '\t', err);
}

/* Settle the columns and write the header, before the first row or, without rows, at the end. */
static vecna_status start(vecna_writer *writer, const vecna_record *record, vecna_error *err) {
    csv_output *output = writer->state;
    vecna_status status = settle_columns(writer, record, err);
    if (status == VECNA_OK && writer->like_has_header != 0)
        status = put_header(writer, err);
    if (status == VECNA_OK)
        status = vni_writer_put(writer, output->room.data, output->room.bytes, err);
    return status;
}

vecna_status vni_csv_write(vecna_writer *writer, vecna_view rows, const vecna_record *records,
                           vecna_error *err) {
    csv_output *output = writer->state;
    vecna_status status = output->started ? VECNA_OK : start(writer, records, err);
    for (size_t i = 0; status == VECNA_OK && i < rows.rows; i++) {
        output->room.bytes = 0;
        status = put_row(writer, rows.data + i * rows.stride, records ? &records[i] : NULL,
                         writer->rows + i, err);
        if (status == VECNA_OK)
            status = vni_writer_put(writer, output->room.data, output->room.bytes, err);
    }
    return status;
}

vecna_status vni_csv_finish(vecna_writer *writer, vecna_error *err) {
    const csv_output *output = writer->state;
    return output->started ? VECNA_OK : start(writer, NULL, err);
}

void vni_csv_abandon(vecna_writer *writer) {
    csv_output *output = writer->state;
    if (output != NULL) {
        vecna_release(writer->allocator, output->room.data);
        vecna_release(writer->allocator, output->names.data);
        vecna_release(writer->allocator, output->sources.data);
    }
    vecna_release(writer->allocator, output);
}
