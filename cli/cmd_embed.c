/* vecna embed: texts to vectors (embed_stream.c). At the end the input is read once more for what its rows
 * carry (ids, texts, other fields), and the output is written whole in its format. */
#include "cli/embed_stream.h"
#include "cli/picture_model.h"

#include <stdlib.h>
#include <string.h>

enum { FIELDS_MOST = 64 };

typedef struct embedding {
    embed stream;
    const char *out, *id_field, *format;
    const char *images;           /* pictures instead of texts */
    size_t zero_rows, first_zero; /* texts of which the model knows nothing */
    bool json;
} embedding;

/* ---- the output --------------------------------------------------------------------------------------------- */

/* What a row carries beside its vector. The texts of fields live in the line. */
typedef struct row_fields {
    vecna_field fields[FIELDS_MOST];
    size_t count;
    char id[512];
    size_t id_bytes;
    int has_id;
} row_fields;

static void fields_of_object(const embedding *job, const char *line, size_t bytes,
                             row_fields *out) {
    vecna_json json;
    vecna_json_token key, value, raw;
    vecna_json_init(&json, line, bytes, 0);
    out->count = 0;
    out->has_id = 0;
    if (vecna_json_next(&json, &key, NULL) != VECNA_OK)
        return;
    while (vecna_json_next(&json, &key, NULL) == VECNA_OK && key.kind == VECNA_JSON_KEY &&
           out->count < FIELDS_MOST) {
        vecna_field *field = &out->fields[out->count];
        if (vecna_json_next(&json, &value, NULL) != VECNA_OK ||
            vecna_json_skip(&json, &value, &raw, NULL) != VECNA_OK)
            return;
        if (vecna_json_is(&key, "embedding") || vecna_json_is(&key, "vector"))
            continue;
        field->name.data = key.text;
        field->name.bytes = key.bytes;
        field->value.data = raw.text;
        field->value.bytes = raw.bytes;
        field->kind = VECNA_FIELD_JSON;
        out->count++;
        if (vecna_json_is(&key, job->id_field) && value.bytes < sizeof out->id) {
            if (value.kind == VECNA_JSON_STRING) {
                out->id_bytes = vecna_json_unescape(&value, out->id);
            } else {
                memcpy(out->id, raw.text, raw.bytes < sizeof out->id ? raw.bytes : sizeof out->id);
                out->id_bytes = raw.bytes < sizeof out->id ? raw.bytes : sizeof out->id;
            }
            out->has_id = 1;
        }
    }
}

/* A static model has zeros for a text of which it knows no piece; a server never sends such a row. */
static void note_zero_row(embedding *job, const float *row) {
    for (size_t i = 0; i < job->stream.dim; i++)
        if (row[i] != 0)
            return;
    if (job->zero_rows++ == 0)
        job->first_zero = job->stream.line_number; /* lines read before this row's: its number */
}

/* One row from both files into the writer. */
static vecna_status write_row(embedding *job, vecna_writer *writer, row_fields *fields,
                              float *row) {
    vecna_record record = {0};
    size_t bytes;
    const char *text;
    vecna_json_writer quoted;
    vecna_status status;
    status = embed_next_row(&job->stream, row);
    if (status != VECNA_OK)
        return status;
    note_zero_row(job, row);
    if (embed_next_text(&job->stream, &text, &bytes) != 1)
        return vecna_error_set(&job->stream.err, VECNA_ERR_IO, -1,
                               "%s has changed while it was read", job->stream.in);
    record.text.data = text;
    record.text.bytes = bytes;
    vecna_json_writer_init(&quoted, 0, NULL);
    if (job->stream.is_jsonl) {
        fields_of_object(job, job->stream.line, strcspn(job->stream.line, "\r\n"), fields);
        if (fields->has_id) {
            record.id.data = fields->id;
            record.id.bytes = fields->id_bytes;
        }
    } else {
        vecna_json_write_string_bytes(&quoted, text, bytes);
        fields->fields[0].name.data = "text";
        fields->fields[0].name.bytes = 4;
        fields->fields[0].value.data = quoted.text;
        fields->fields[0].value.bytes = quoted.bytes;
        fields->fields[0].kind = VECNA_FIELD_JSON;
        fields->count = 1;
    }
    record.fields = fields->fields;
    record.field_count = record.vector_at = fields->count;
    status = vecna_json_writer_finish(&quoted, &job->stream.err);
    if (status == VECNA_OK)
        status = vecna_writer_write(writer, vecna_view_dense(row, 1, job->stream.dim), &record,
                                    &job->stream.err);
    vecna_json_writer_free(&quoted);
    return status;
}

static vecna_status write_output(embedding *job) {
    vecna_writer_options options = {0};
    vecna_writer *writer = NULL;
    row_fields *fields = malloc(sizeof *fields);
    float *row = malloc(job->stream.dim * sizeof *row);
    vecna_status status;
    if (fields == NULL || row == NULL) {
        free(fields);
        free(row);
        return vecna_error_set(&job->stream.err, VECNA_ERR_MEMORY, -1, "no memory for the output");
    }
    options.format = job->format;
    options.dim = job->stream.dim;
    options.rows = job->stream.rows;
    options.id_field = job->id_field;
    options.text_field = job->stream.text_field;
    status = vecna_writer_open(job->out, &options, &writer, &job->stream.err);
    if (status == VECNA_OK)
        status = embed_rewind(&job->stream);
    for (size_t i = 0; status == VECNA_OK && i < job->stream.rows; i++)
        status = write_row(job, writer, fields, row);
    if (status == VECNA_OK)
        status = vecna_writer_commit(writer, &job->stream.err);
    else
        vecna_writer_discard(writer);
    free(fields);
    free(row);
    return status;
}

static int report(const embedding *job, double seconds) {
    vecna_json_writer json;
    if (job->zero_rows)
        note("the model knows no word of %s of the %s texts; their vectors are zero, the first is "
             "row %zu",
             grouped(job->zero_rows), grouped(job->stream.rows), job->first_zero);
    if (!job->json) {
        if (strcmp(job->out, "-") != 0)
            printf("%s: %s rows, %zu dimensions%s", job->out, grouped(job->stream.rows),
                   job->stream.dim, job->stream.resumed ? "" : "\n");
        if (strcmp(job->out, "-") != 0 && job->stream.resumed)
            printf(" (%s of them from the run before)\n", grouped(job->stream.resumed));
        return EXIT_DONE;
    }
    vecna_json_writer_init(&json, 0, NULL);
    vecna_json_write_object_begin(&json);
    vecna_json_write_key(&json, "rows");
    vecna_json_write_u64(&json, job->stream.rows);
    vecna_json_write_key(&json, "resumed");
    vecna_json_write_u64(&json, job->stream.resumed);
    vecna_json_write_key(&json, "dim");
    vecna_json_write_u64(&json, job->stream.dim);
    vecna_json_write_key(&json, "rows_zero");
    vecna_json_write_u64(&json, job->zero_rows);
    vecna_json_write_key(&json, "seconds");
    vecna_json_write_f64(&json, seconds);
    vecna_json_write_object_end(&json);
    return print_json(&json, strcmp(job->out, "-") == 0 ? stderr : stdout); /* "-": the rows' */
}

static vecna_status run(embedding *job) {
    vecna_status status = check_writable(job->out, &job->stream.err);
    if (status == VECNA_OK)
        status = embed_gather(&job->stream);
    if (status == VECNA_OK)
        status = write_output(job);
    embed_close(&job->stream, status == VECNA_OK);
    return status;
}

static int name_part(embedding *job) {
    const char *folder = getenv("TMPDIR");
    const char *base = strcmp(job->out, "-") == 0 ? NULL : job->out;
    int used = base ? snprintf(job->stream.part_path, sizeof job->stream.part_path, "%s.part", base)
                    : snprintf(job->stream.part_path, sizeof job->stream.part_path,
                               "%s/vecna-embed-%016llx.part", folder && folder[0] ? folder : "/tmp",
                               (unsigned long long)job->stream.identity);
    return used > 0 && (size_t)used < sizeof job->stream.part_path;
}

static int run_images(embedding *job, double started) {
    vecna_error *err = &job->stream.err;
    text_model model = {0};
    vecna_status status = check_writable(job->out, err);
    if (status == VECNA_OK)
        status = open_picture_model(job->stream.model, &model, err);
    if (status == VECNA_OK) {
        job->stream.dim = model_dim(&model);
        status = embed_images(&model, job->images, job->out, job->format, &job->stream.rows, err);
    }
    close_model(&model);
    return status == VECNA_OK ? report(job, seconds_now() - started) : fail_with(err);
}

int command_embed(int argc, char **argv) {
    embedding job = {.stream = {.in = "-", .text_field = "text"}, .id_field = "id"};
    const option list[] = {
        {"out", 'o', OPTION_TEXT, &job.out, "OUT",
         "vectors, in any format: .npy, .jsonl, .csv ... (required)"},
        {"upstream", 'u', OPTION_TEXT, &job.stream.upstream, "URL",
         "server that embeds, vecna serve too (default: a\nstatic model in this process)"},
        {"provider", 'p', OPTION_CHOICE, &job.stream.provider, EMBED_PROVIDERS,
         "what it speaks (openai)"},
        {"model", 'm', OPTION_TEXT, &job.stream.model, "M",
         "model to ask the server for (the one that it has);\nwithout --upstream a file of vecna "
         "distill or vecna\ntrain tfidf --keep (the built-in one)"},
        {"images", 'i', OPTION_TEXT, &job.images, "WHERE",
         "pictures instead of texts, with --model of vecna\ntrain clip: a folder of .png, or a "
         ".npy "
         "of bytes"},
        EMBED_CALL_OPTIONS(job.stream),
        {"json", 0, OPTION_FLAG, &job.json, NULL, "one JSON object"},
        {"files", 0, OPTION_GROUP, NULL, NULL, "files"},
        {"text-field", 0, OPTION_TEXT, &job.stream.text_field, "NAME",
         "field with the text of a JSONL row (text)"},
        {"id-field", 0, OPTION_TEXT, &job.id_field, "NAME", "field with its id (id)"},
        {"out-format", 0, OPTION_TEXT, &job.format, "NAME",
         "format of the output (default: told by its name)"},
    };
    const usage use = {
        "vecna embed [FILE] -o OUT [--upstream URL] [options]",
        "Embeds a file: one text a line, or JSONL with a text field, whose other fields go along "
        "where the\n"
        "output has room for them. Failed calls are tried again; a run that was interrupted goes "
        "on where it\n"
        "stopped when the same command is given again. --images embeds pictures.",
        list,
        sizeof list / sizeof list[0],
        "  vecna embed corpus.jsonl -o corpus.npy --upstream http://127.0.0.1:11434 --model "
        "nomic-embed-text\n"
        "  echo \"hello\" | vecna embed -o - --out-format jsonl --upstream http://127.0.0.1:8484\n"
        "  vecna embed --images photos -o photos.jsonl --model photos.vecna\n",
        0,
        1};
    size_t positional_count;
    double started = seconds_now();
    int status = parse_arguments(argc, argv, &use, &job.stream.in, &positional_count);
    if (status >= 0)
        return status;
    if (job.out == NULL)
        return usage_error(&use, "-o names the file for the vectors");
    if (job.stream.upstream == NULL &&
        (job.stream.provider || job.stream.api_key || job.stream.in_flight))
        return usage_error(&use, "--provider, --api-key and --in-flight go with --upstream");
    if (job.images && (positional_count || job.stream.upstream || job.stream.prefix))
        return usage_error(&use, "--images goes without FILE, --upstream and --prefix");
    job.stream.err.message[0] = '\0';
    if (job.images)
        return run_images(&job, started);
    if (job.stream.upstream == NULL &&
        open_model(job.stream.model, &job.stream.here, &job.stream.err) != VECNA_OK)
        return fail_with(&job.stream.err);
    if (embed_find_model(&job.stream, &job.stream.err) != VECNA_OK)
        return fail_with(&job.stream.err);
    job.stream.identity = embed_identity(&job.stream);
    if (!name_part(&job))
        return fail_text("the name of the output is too long");
    status =
        run(&job) == VECNA_OK ? report(&job, seconds_now() - started) : fail_with(&job.stream.err);
    close_model(&job.stream.here);
    return status;
}
