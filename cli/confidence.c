/* Fields where the format of the output has fields, a file of JSON lines beside it where it has none:
 * a column that a format cannot carry is never dropped without a word. */
#include "cli/confidence.h"

#include "vecna/metric.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FIELDS = 4, NUMBER_ROOM = 40 };

static const char *const names[FIELDS] = {"confidence", "confidence_cosine", "confidence_least",
                                          "confidence_outside"};

void confidence_slot_free(confidence_slot *slot) {
    free(slot->rows);
    free(slot->records);
    free(slot->fields);
    free(slot->text);
    memset(slot, 0, sizeof *slot);
}

/* By the name that a writer would understand. */
static bool carries_fields(const confidence_plan *plan) {
    const char *name = plan->format;
    if (name == NULL) {
        const char *dot = strrchr(plan->out_path, '.');
        name = dot ? dot + 1 : "";
    }
    static const char *const with[] = {"jsonl", "ndjson", "json", "csv", "tsv"};
    for (size_t i = 0; i < sizeof with / sizeof with[0]; i++)
        if (strcmp(name, with[i]) == 0)
            return true;
    return false;
}

vecna_status confidence_begin(const vecna_map *map, const confidence_plan *plan,
                              confidence_output *out, vecna_error *err) {
    confidence_output o = {.map = map, .below = plan->below, .list_path = plan->list};
    o.fields = plan->wanted && carries_fields(plan);
    vecna_error inner;
    vecna_status status = vecna_confidence_new(map, NULL, &o.confidence, &inner);
    if (status != VECNA_OK)
        vecna_error_set(err, status, -1, "--confidence: %s", inner.message);
    if (status == VECNA_OK && plan->wanted && !o.fields) {
        static const char ending[] = ".confidence.jsonl";
        const size_t bytes = strlen(plan->out_path);
        if (strcmp(plan->out_path, "-") == 0) {
            status =
                vecna_error_set(err, VECNA_ERR_UNSUPPORTED, -1,
                                "standard output has no room for the confidence in this format; "
                                "write --format jsonl or csv, or to a file, beside which "
                                "OUT%s will stand",
                                ending);
        } else if ((o.beside_path = vecna_allocate(NULL, bytes + sizeof ending, 1)) == NULL) {
            status = vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for a name");
        } else {
            memcpy(o.beside_path, plan->out_path, bytes);
            memcpy(o.beside_path + bytes, ending, sizeof ending);
            status = vecna_outfile_open(o.beside_path, NULL, &o.beside, err);
        }
    }
    if (status == VECNA_OK && !isnan(plan->below))
        status = vecna_outfile_open(plan->list, NULL, &o.list, err);
    *out = o;
    return status;
}

vecna_status confidence_work(const confidence_output *output, confidence_slot *slot, vecna_view in,
                             vecna_view translated, vecna_error *err) {
    if (in.rows > slot->room) {
        free(slot->rows);
        slot->rows = vecna_allocate(NULL, in.rows, sizeof *slot->rows);
        slot->room = slot->rows ? in.rows : 0;
        if (slot->rows == NULL)
            return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                                   "not enough memory for the confidence of %zu rows", in.rows);
    }
    vecna_status status =
        vecna_confidence_of(output->confidence, in, translated, slot->rows, NULL, err);
    for (size_t i = 0; status == VECNA_OK && i < in.rows; i++)
        if (vecna_metric_norm(in.data + i * in.stride, in.dim) == 0) { /* nothing was translated */
            const vecna_confidence_row none = {0, 0, -1, 1};
            slot->rows[i] = none;
        }
    return status;
}

static void print_number(char *text, float value) {
    text[vecna_number_print_f32(value, text)] = '\0';
}

/* Room for the fields that rows have and ours. */
static vecna_status make_room(confidence_slot *slot, size_t rows, size_t fields, vecna_error *err) {
    if (fields > slot->field_room) {
        free(slot->fields);
        free(slot->records);
        free(slot->text);
        slot->fields = vecna_allocate(NULL, fields, sizeof *slot->fields);
        slot->records = vecna_allocate(NULL, rows, sizeof *slot->records);
        slot->text = vecna_allocate(NULL, rows, (size_t)(FIELDS + 1) * NUMBER_ROOM);
        slot->field_room = fields;
        if (!slot->fields || !slot->records || !slot->text) {
            slot->field_room = 0;
            return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                                   "not enough memory for the fields of %zu rows", rows);
        }
    }
    return VECNA_OK;
}

static bool is_ours(const vecna_text *name) {
    for (size_t i = 0; i < FIELDS; i++)
        if (name->bytes == strlen(names[i]) && memcmp(name->data, names[i], name->bytes) == 0)
            return true;
    return false;
}

/* The fields of a row but an old confidence, then ours; a row that had none gets its number as id. */
static size_t put_fields(const confidence_slot *slot, size_t row, uint64_t number,
                         const vecna_record *from, vecna_field *fields, vecna_record *out) {
    char *text = slot->text + row * (FIELDS + 1) * NUMBER_ROOM;
    const vecna_confidence_row *one = &slot->rows[row];
    const float numbers[3] = {one->recall, one->cosine, one->least};
    size_t count = 0;
    memset(out, 0, sizeof *out);
    if (from)
        *out = *from;
    for (size_t i = 0; from && i < from->field_count; i++)
        if (!is_ours(&from->fields[i].name))
            fields[count++] = from->fields[i];
        else if (i < from->vector_at)
            out->vector_at--;
    if (from == NULL || from->field_count == 0) {
        char *id = text + FIELDS * NUMBER_ROOM;
        const vecna_field field = {{"id", 2}, {id, 0}, VECNA_FIELD_JSON};
        snprintf(id, NUMBER_ROOM, "%" PRIu64, number);
        fields[count] = field;
        fields[count++].value.bytes = strlen(id);
        out->vector_at = count;
    }
    for (size_t i = 0; i < FIELDS; i++, text += NUMBER_ROOM) {
        if (i < 3)
            print_number(text, numbers[i]);
        else
            snprintf(text, NUMBER_ROOM, "%s", one->outside ? "true" : "false");
        fields[count].name.data = names[i];
        fields[count].name.bytes = strlen(names[i]);
        fields[count].value.data = text;
        fields[count].value.bytes = strlen(text);
        fields[count++].kind = VECNA_FIELD_JSON;
    }
    out->fields = fields;
    out->field_count = count;
    return count;
}

static vecna_status add_fields(confidence_slot *slot, size_t rows, uint64_t first,
                               const vecna_record **records, vecna_error *err) {
    size_t fields = rows * (FIELDS + 1), at = 0;
    for (size_t i = 0; *records && i < rows; i++)
        fields += (*records)[i].field_count;
    vecna_status status = make_room(slot, rows > slot->room ? rows : slot->room, fields, err);
    for (size_t i = 0; status == VECNA_OK && i < rows; i++)
        at += put_fields(slot, i, first + i, *records ? &(*records)[i] : NULL, slot->fields + at,
                         &slot->records[i]);
    if (status == VECNA_OK)
        *records = slot->records;
    return status;
}

/* A line of the file beside, or of the list, which has the id too. */
static vecna_status write_line(vecna_outfile *file, uint64_t row, const vecna_text *id,
                               const vecna_confidence_row *one, vecna_error *err) {
    vecna_json_writer json;
    vecna_json_writer_init(&json, 0, NULL);
    vecna_json_write_object_begin(&json);
    vecna_json_write_key(&json, "row");
    vecna_json_write_u64(&json, row);
    if (id && id->data) {
        vecna_json_write_key(&json, "id");
        vecna_json_write_string_bytes(&json, id->data, id->bytes);
    }
    vecna_json_write_key(&json, names[0]);
    vecna_json_write_f32(&json, one->recall);
    vecna_json_write_key(&json, names[1]);
    vecna_json_write_f32(&json, one->cosine);
    vecna_json_write_key(&json, names[2]);
    vecna_json_write_f32(&json, one->least);
    vecna_json_write_key(&json, names[3]);
    vecna_json_write_bool(&json, one->outside);
    vecna_json_write_object_end(&json);
    vecna_status status = vecna_json_writer_finish(&json, err);
    if (status == VECNA_OK)
        status = vecna_outfile_write(file, json.text, json.bytes, err);
    if (status == VECNA_OK)
        status = vecna_outfile_write(file, "\n", 1, err);
    vecna_json_writer_free(&json);
    return status;
}

vecna_status confidence_write(confidence_output *output, confidence_slot *slot, size_t rows,
                              uint64_t first, const vecna_record **records, vecna_error *err) {
    vecna_status status = VECNA_OK;
    for (size_t i = 0; status == VECNA_OK && i < rows; i++) {
        const vecna_confidence_row *one = &slot->rows[i];
        output->rows++;
        output->outside += (uint64_t)one->outside;
        output->recall += (double)one->recall;
        output->cosine += (double)one->cosine;
        output->least += (double)one->least;
        if (output->beside)
            status = write_line(output->beside, first + i, NULL, one, err);
        if (status == VECNA_OK && output->list && (double)one->recall < output->below) {
            output->below_count++;
            status =
                write_line(output->list, first + i, *records ? &(*records)[i].id : NULL, one, err);
        }
    }
    return status == VECNA_OK && output->fields ? add_fields(slot, rows, first, records, err)
                                                : status;
}

vecna_status confidence_commit(confidence_output *output, vecna_error *err) {
    vecna_status status = VECNA_OK;
    if (output->beside)
        status = vecna_outfile_commit(output->beside, err);
    output->beside = NULL;
    if (status == VECNA_OK && output->list) {
        status = vecna_outfile_commit(output->list, err);
        output->list = NULL;
    }
    return status;
}

void confidence_close(confidence_output *output) {
    vecna_confidence_free(output->confidence);
    vecna_outfile_discard(output->beside);
    vecna_outfile_discard(output->list);
    free(output->beside_path);
    memset(output, 0, sizeof *output);
}

void confidence_print(const confidence_output *output, FILE *to) {
    const double rows = output->rows ? (double)output->rows : 1;
    if (output->rows)
        fprintf(
            to,
            "confidence %.3f: the share of its native neighbours that a row is expected to keep; "
            "cosine "
            "%.3f, at least %.3f for 95 of 100\n",
            output->recall / rows, output->cosine / rows, output->least / rows);
    if (output->beside_path)
        fprintf(to, "confidence of each row: %s\n", output->beside_path);
    if (!isnan(output->below))
        fprintf(to, "%s rows below %g, worth embedding again: %s\n", grouped(output->below_count),
                output->below, output->list_path);
    if ((double)output->outside > 0.05 * rows && output->outside > 20)
        note("%s rows (%.0f %%) are unlike the pairs that the map was fitted on, where 1 %% would "
             "be by "
             "chance; the bound need not hold for them",
             grouped(output->outside), 100 * (double)output->outside / rows);
}

void confidence_print_json(const confidence_output *output, vecna_json_writer *json) {
    const double rows = output->rows ? (double)output->rows : 1;
    vecna_json_write_key(json, "confidence");
    vecna_json_write_object_begin(json);
    vecna_json_write_key(json, "mean");
    vecna_json_write_f64(json, output->recall / rows);
    vecna_json_write_key(json, "cosine");
    vecna_json_write_f64(json, output->cosine / rows);
    vecna_json_write_key(json, "cosine_least");
    vecna_json_write_f64(json, output->least / rows);
    vecna_json_write_key(json, "rows_outside");
    vecna_json_write_u64(json, output->outside);
    if (output->beside_path) {
        vecna_json_write_key(json, "file");
        vecna_json_write_string(json, output->beside_path);
    }
    if (!isnan(output->below)) {
        vecna_json_write_key(json, "below");
        vecna_json_write_f64(json, output->below);
        vecna_json_write_key(json, "rows_below");
        vecna_json_write_u64(json, output->below_count);
        vecna_json_write_key(json, "list");
        vecna_json_write_string(json, output->list_path);
    }
    vecna_json_write_object_end(json);
}

void held_print(const vecna_map *map) {
    const vecna_held_info held = vecna_map_held(map);
    if (held.rows == 0) {
        puts("  confidence        none: vecna fit keeps one from about 64 pairs on");
        return;
    }
    printf("  confidence        told from %s held pairs, mean cosine %.3f\n", grouped(held.rows),
           held.cosine);
    if (held.has_scores)
        printf("  scores            Kolmogorov-Smirnov distance to native ones %.3f, calibrated "
               "%.3f\n",
               held.ks_before, held.ks_after);
}

void held_print_json(const vecna_map *map, vecna_json_writer *json) {
    const vecna_held_info held = vecna_map_held(map);
    vecna_json_write_key(json, "held");
    if (held.rows == 0) {
        vecna_json_write_null(json);
        return;
    }
    vecna_json_write_object_begin(json);
    vecna_json_write_key(json, "rows");
    vecna_json_write_u64(json, held.rows);
    vecna_json_write_key(json, "cosine");
    vecna_json_write_f64(json, held.cosine);
    vecna_json_write_key(json, "missed");
    vecna_json_write_f64(json, held.missed);
    if (held.has_scores) {
        vecna_json_write_key(json, "ks_before");
        vecna_json_write_f64(json, held.ks_before);
        vecna_json_write_key(json, "ks_after");
        vecna_json_write_f64(json, held.ks_after);
    }
    vecna_json_write_object_end(json);
}
