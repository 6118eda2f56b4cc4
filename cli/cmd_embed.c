/* vecna embed: texts to vectors, by a server or by a model in this process (embed_model.c).
 *
 * Vectors go first, in the order of the texts, into a part file beside the output: a head that says what
 * made them, and for each row a hash of its text and its numbers. An interrupted run leaves that file; the
 * next one takes from it every row whose text is still the same, and asks for the rest only. At the end the
 * input is read once more for what its rows carry (ids, texts, other fields), the output is written whole in
 * its format, and the part file goes. Standard input is kept in a temporary file for that second reading. */
#include "cli/cli.h"

#include "cli/embed_model.h"
#include "proxy/proxy_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK_ROWS = 256, FIELDS_MOST = 64 };

typedef struct embed {
    const char *in, *out, *upstream, *model, *api_key, *text_field, *id_field, *format, *prefix;
    int provider;
    size_t batch, in_flight;
    bool fresh, json;

    FILE *input;
    char *line; /* of getline */
    size_t line_room;
    size_t line_number; /* lines read */
    bool is_jsonl;
    char *text; /* of the row, without escapes */
    size_t text_room;

    FILE *part;
    char part_path[4096];
    text_model here; /* in this process, where no server is asked */
    uint64_t identity;
    size_t dim;
    size_t rows;      /* in the part file */
    size_t resumed;   /* of them, from an earlier run */
    uint64_t *hashes; /* of rows in flight, a ring */
    size_t hash_room, hash_first, hash_count;
    progress meter;
    vecna_error err;
    vecna_status status;
} embed;

typedef struct part_head {
    char magic[8];
    uint64_t identity, dim;
} part_head;

static const char providers[] = "openai|ollama|tei|google|cohere|voyage";
static const char magic[8] = {'v', 'e', 'c', 'n', 'a', 'p', 't', '1'};

/* FNV-1a, 64 bits: tells a changed text, not an adversary. */
static uint64_t hash_of(uint64_t seed, const char *data, size_t bytes) {
    uint64_t hash = 1469598103934665603ull ^ seed;
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ (unsigned char)data[i]) * 1099511628211ull;
    return hash;
}

/* ---- texts ---------------------------------------------------------------------------------------------- */

/* The text of a JSONL row, unescaped, into job->text. */
static vecna_status text_of_object(embed *job, const char *line, size_t bytes, size_t *text_bytes) {
    vecna_json json;
    vecna_json_token token;
    vecna_error err;
    vecna_status status;
    vecna_json_init(&json, line, bytes, 0);
    status = vecna_json_next(&json, &token, &err);
    if (status == VECNA_OK && token.kind != VECNA_JSON_OBJECT_BEGIN)
        return vecna_error_set(&job->err, VECNA_ERR_FORMAT, (int64_t)job->line_number,
                               "%s, line %zu: not a JSON object", job->in, job->line_number);
    while (status == VECNA_OK && (status = vecna_json_next(&json, &token, &err)) == VECNA_OK &&
           token.kind == VECNA_JSON_KEY) {
        int wanted = vecna_json_is(&token, job->text_field);
        status = vecna_json_next(&json, &token, &err);
        if (status != VECNA_OK)
            break;
        if (wanted && token.kind == VECNA_JSON_STRING) {
            if (token.bytes + 1 > job->text_room) {
                char *grown = realloc(job->text, token.bytes + 1);
                if (grown == NULL)
                    return vecna_error_set(&job->err, VECNA_ERR_MEMORY, -1, "no memory for a text");
                job->text = grown;
                job->text_room = token.bytes + 1;
            }
            *text_bytes = vecna_json_unescape(&token, job->text);
            return VECNA_OK;
        }
        status = vecna_json_skip(&json, &token, NULL, &err);
    }
    if (status != VECNA_OK)
        return vecna_error_set(&job->err, status, (int64_t)job->line_number, "%s, line %zu: %s",
                               job->in, job->line_number, err.message);
    return vecna_error_set(&job->err, VECNA_ERR_FORMAT, (int64_t)job->line_number,
                           "%s, line %zu has no text in \"%s\"; --text-field names another",
                           job->in, job->line_number, job->text_field);
}

/* The next line of the input without its end; 1, 0 at the end, -1 with job->err. */
static int next_line(embed *job, size_t *bytes) {
    ssize_t got = getline(&job->line, &job->line_room, job->input);
    if (got < 0) {
        if (ferror(job->input)) {
            job->status = vecna_error_set(&job->err, VECNA_ERR_IO, -1, "cannot read %s: %s",
                                          job->in, strerror(errno));
            return -1;
        }
        return 0;
    }
    job->line_number++;
    *bytes = (size_t)got;
    while (*bytes && (job->line[*bytes - 1] == '\n' || job->line[*bytes - 1] == '\r'))
        --*bytes;
    if (vecna_utf8_valid_bytes(job->line, *bytes) != *bytes) {
        job->status = vecna_error_set(&job->err, VECNA_ERR_FORMAT, (int64_t)job->line_number,
                                      "%s, line %zu is not UTF-8", job->in, job->line_number);
        return -1;
    }
    return 1;
}

/* The next text; 1, 0 at the end, -1 with job->err. */
static int next_text(embed *job, const char **text, size_t *bytes) {
    int more = next_line(job, bytes);
    if (more != 1)
        return more;
    *text = job->line;
    if (job->is_jsonl) {
        job->status = text_of_object(job, job->line, *bytes, bytes);
        if (job->status != VECNA_OK)
            return -1;
        *text = job->text;
    }
    for (size_t i = 0; i < *bytes; i++)
        if ((unsigned char)(*text)[i] > ' ')
            return 1;
    job->status =
        vecna_error_set(&job->err, VECNA_ERR_FORMAT, (int64_t)job->line_number,
                        "%s, line %zu is empty: there is nothing to embed; take the line out",
                        job->in, job->line_number);
    return -1;
}

static vecna_status open_input(embed *job) {
    int first;
    if (strcmp(job->in, "-") == 0) {
        char buffer[65536];
        size_t got;
        job->in = "standard input";
        job->input = tmpfile();
        while (job->input && (got = fread(buffer, 1, sizeof buffer, stdin)) > 0)
            if (fwrite(buffer, 1, got, job->input) != got)
                return vecna_error_set(&job->err, VECNA_ERR_IO, -1,
                                       "cannot keep standard input: %s", strerror(errno));
    } else {
        job->input = fopen(job->in, "rb");
    }
    if (job->input == NULL)
        return vecna_error_set(&job->err, VECNA_ERR_IO, -1, "cannot open %s: %s", job->in,
                               strerror(errno));
    rewind(job->input);
    do
        first = fgetc(job->input);
    while (first == ' ' || first == '\n' || first == '\r' || first == '\t');
    job->is_jsonl = first == '{';
    rewind(job->input);
    return VECNA_OK;
}

/* ---- the part file ----------------------------------------------------------------------------------------- */

static vecna_status part_failed(embed *job) {
    return vecna_error_set(&job->err, VECNA_ERR_IO, -1, "cannot write %s: %s", job->part_path,
                           strerror(errno));
}

static size_t row_bytes(const embed *job) {
    return sizeof(uint64_t) + job->dim * sizeof(float);
}

/* Rows of an earlier run whose texts are still these; the input stands behind them. */
static vecna_status take_up(embed *job) {
    part_head head;
    char *row = NULL;
    FILE *part = job->fresh ? NULL : fopen(job->part_path, "r+b");
    if (part && fread(&head, sizeof head, 1, part) == 1 &&
        memcmp(head.magic, magic, sizeof magic) == 0 && head.identity == job->identity &&
        head.dim > 0 && head.dim <= VECNA_FORMAT_MAX_DIM) {
        const char *text;
        size_t bytes;
        long before = 0;
        size_t line_before = 0;
        job->dim = (size_t)head.dim;
        row = malloc(row_bytes(job));
        while (row && fread(row, row_bytes(job), 1, part) == 1) {
            uint64_t stored;
            memcpy(&stored, row, sizeof stored);
            before = ftell(job->input);
            line_before = job->line_number;
            if (next_text(job, &text, &bytes) != 1 || hash_of(0, text, bytes) != stored) {
                job->status = VECNA_OK;
                clearerr(job->input);
                fseek(job->input, before, SEEK_SET);
                job->line_number = line_before;
                break;
            }
            job->rows++;
        }
        free(row);
        job->resumed = job->rows;
    }
    if (part && job->rows) {
        long end = (long)(sizeof head + job->rows * row_bytes(job));
        job->part = part;
        if (fseek(part, end, SEEK_SET) != 0 || ftruncate(fileno(part), end) != 0)
            return part_failed(job);
        return VECNA_OK;
    }
    if (part)
        fclose(part);
    job->dim = 0;
    rewind(job->input);
    job->line_number = 0;
    job->part = fopen(job->part_path, "w+b");
    return job->part ? VECNA_OK : part_failed(job);
}

/* ---- the stream --------------------------------------------------------------------------------------------- */

static int remember_hash(embed *job, uint64_t hash) {
    if (job->hash_count == job->hash_room) {
        size_t room = job->hash_room ? job->hash_room * 2 : 1024;
        uint64_t *grown = malloc(room * sizeof *grown);
        if (grown == NULL)
            return 0;
        for (size_t i = 0; i < job->hash_count; i++)
            grown[i] = job->hashes[(job->hash_first + i) % job->hash_room];
        free(job->hashes);
        job->hashes = grown;
        job->hash_room = room;
        job->hash_first = 0;
    }
    job->hashes[(job->hash_first + job->hash_count++) % job->hash_room] = hash;
    return 1;
}

static int on_next(void *user, const char **text, size_t *bytes) {
    embed *job = user;
    int more = next_text(job, text, bytes);
    if (more == 1 && !remember_hash(job, hash_of(0, *text, *bytes))) {
        job->status = vecna_error_set(&job->err, VECNA_ERR_MEMORY, -1, "no memory for the texts");
        return -1;
    }
    return more;
}

static int on_take(void *user, const float *rows, size_t count, size_t dim) {
    embed *job = user;
    if (job->dim == 0) {
        part_head head;
        memcpy(head.magic, magic, sizeof magic);
        head.identity = job->identity;
        head.dim = job->dim = dim;
        if (fwrite(&head, sizeof head, 1, job->part) != 1) {
            job->status = part_failed(job);
            return 1;
        }
    }
    if (dim != job->dim) {
        job->status = vecna_error_set(&job->err, VECNA_ERR_DIM, (int64_t)job->rows,
                                      "the server gives %zu dimensions now; the rows before row "
                                      "%zu have %zu: it has another model",
                                      dim, job->rows, job->dim);
        return 1;
    }
    for (size_t i = 0; i < count; i++) {
        uint64_t hash = job->hashes[job->hash_first];
        job->hash_first = (job->hash_first + 1) % job->hash_room;
        job->hash_count--;
        if (fwrite(&hash, sizeof hash, 1, job->part) != 1 ||
            fwrite(rows + i * dim, sizeof *rows, dim, job->part) != dim) {
            job->status = part_failed(job);
            return 1;
        }
    }
    if (fflush(job->part) != 0) {
        job->status = part_failed(job);
        return 1;
    }
    job->rows += count;
    progress_add(&job->meter, count);
    return 0;
}

static const char *word_of(const char *words, int index, char *out, size_t room) {
    const char *bar;
    while (index-- > 0)
        words = strchr(words, '|') + 1;
    bar = strchr(words, '|');
    snprintf(out, room, "%.*s", (int)(bar ? (size_t)(bar - words) : strlen(words)), words);
    return out;
}

static vecna_status embed_here(embed *job) {
    const embed_model_options options = {.model = &job->here,
                                         .prefix = job->prefix,
                                         .batch = job->batch,
                                         .next = on_next,
                                         .take = on_take,
                                         .user = job};
    vecna_status status;
    progress_start(&job->meter, "embedding", -1);
    status = embed_by_model(&options, &job->err);
    progress_end(&job->meter);
    return job->status != VECNA_OK ? job->status : status;
}

static vecna_status ask_for_rest(embed *job) {
    vni_bulk_options options = {0};
    char provider[16];
    vecna_error err;
    vecna_status status;
    options.url = job->upstream;
    options.provider = word_of(providers, job->provider, provider, sizeof provider);
    options.model = job->model;
    options.api_key = job->api_key;
    options.prefix = job->prefix;
    options.batch = job->batch;
    options.in_flight = job->in_flight;
    options.user = job;
    options.next = on_next;
    options.take = on_take;
    err.message[0] = '\0';
    progress_start(&job->meter, "embedding", -1);
    status = vni_bulk(&options, &err);
    progress_end(&job->meter);
    if (job->status != VECNA_OK)
        return job->status;
    if (status != VECNA_OK && err.position >= 0)
        return vecna_error_set(
            &job->err, status, err.position + (int64_t)job->resumed,
            "%.150s; %zu rows are kept in %.60s, the same command goes on from there", err.message,
            job->rows, job->part_path);
    if (status != VECNA_OK)
        job->err = err;
    return status;
}

/* ---- the output --------------------------------------------------------------------------------------------- */

/* What a row carries beside its vector. The texts of fields live in the line. */
typedef struct row_fields {
    vecna_field fields[FIELDS_MOST];
    size_t count;
    char id[512];
    size_t id_bytes;
    int has_id;
} row_fields;

static void fields_of_object(const embed *job, const char *line, size_t bytes, row_fields *out) {
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

/* One row from both files into the writer. */
static vecna_status write_row(embed *job, vecna_writer *writer, row_fields *fields, char *row) {
    vecna_record record = {0};
    size_t bytes;
    const char *text;
    vecna_json_writer quoted;
    float *vector = (float *)(void *)(row + sizeof(uint64_t));
    vecna_status status;
    if (fread(row, row_bytes(job), 1, job->part) != 1)
        return vecna_error_set(&job->err, VECNA_ERR_IO, -1, "cannot read %s", job->part_path);
    if (next_text(job, &text, &bytes) != 1)
        return vecna_error_set(&job->err, VECNA_ERR_IO, -1, "%s has changed while it was read",
                               job->in);
    record.text.data = text;
    record.text.bytes = bytes;
    vecna_json_writer_init(&quoted, 0, NULL);
    if (job->is_jsonl) {
        fields_of_object(job, job->line, strcspn(job->line, "\r\n"), fields);
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
    status = vecna_json_writer_finish(&quoted, &job->err);
    if (status == VECNA_OK)
        status =
            vecna_writer_write(writer, vecna_view_dense(vector, 1, job->dim), &record, &job->err);
    vecna_json_writer_free(&quoted);
    return status;
}

static vecna_status write_output(embed *job) {
    vecna_writer_options options = {0};
    vecna_writer *writer = NULL;
    row_fields *fields = malloc(sizeof *fields);
    char *row = malloc(row_bytes(job));
    vecna_status status;
    if (fields == NULL || row == NULL) {
        free(fields);
        free(row);
        return vecna_error_set(&job->err, VECNA_ERR_MEMORY, -1, "no memory for the output");
    }
    options.format = job->format;
    options.dim = job->dim;
    options.rows = job->rows;
    options.id_field = job->id_field;
    options.text_field = job->text_field;
    rewind(job->input);
    job->line_number = 0;
    status = vecna_writer_open(job->out, &options, &writer, &job->err);
    if (status == VECNA_OK &&
        (fflush(job->part) != 0 || fseek(job->part, (long)sizeof(part_head), SEEK_SET) != 0))
        status = part_failed(job);
    for (size_t i = 0; status == VECNA_OK && i < job->rows; i++)
        status = write_row(job, writer, fields, row);
    if (status == VECNA_OK)
        status = vecna_writer_commit(writer, &job->err);
    else
        vecna_writer_discard(writer);
    free(fields);
    free(row);
    return status;
}

static int report(const embed *job, double seconds) {
    vecna_json_writer json;
    if (!job->json) {
        if (strcmp(job->out, "-") != 0)
            printf("%s: %s rows, %zu dimensions%s", job->out, grouped(job->rows), job->dim,
                   job->resumed ? "" : "\n");
        if (strcmp(job->out, "-") != 0 && job->resumed)
            printf(" (%s of them from the run before)\n", grouped(job->resumed));
        return EXIT_DONE;
    }
    vecna_json_writer_init(&json, 0, NULL);
    vecna_json_write_object_begin(&json);
    vecna_json_write_key(&json, "rows");
    vecna_json_write_u64(&json, job->rows);
    vecna_json_write_key(&json, "resumed");
    vecna_json_write_u64(&json, job->resumed);
    vecna_json_write_key(&json, "dim");
    vecna_json_write_u64(&json, job->dim);
    vecna_json_write_key(&json, "seconds");
    vecna_json_write_f64(&json, seconds);
    vecna_json_write_object_end(&json);
    return print_json(&json, stdout);
}

static vecna_status run(embed *job) {
    vecna_status status = check_writable(job->out, &job->err);
    if (status == VECNA_OK)
        status = open_input(job);
    if (status == VECNA_OK)
        status = take_up(job);
    if (status == VECNA_OK)
        status = job->upstream ? ask_for_rest(job) : embed_here(job);
    if (status == VECNA_OK && job->rows == 0)
        status = vecna_error_set(&job->err, VECNA_ERR_FORMAT, -1, "%s has no text in it", job->in);
    if (status == VECNA_OK)
        status = write_output(job);
    if (job->part)
        fclose(job->part);
    if (job->part && (status == VECNA_OK || job->rows == 0))
        unlink(job->part_path);
    if (job->input)
        fclose(job->input);
    free(job->line);
    free(job->text);
    free(job->hashes);
    return status;
}

static int name_part(embed *job) {
    const char *folder = getenv("TMPDIR");
    const char *base = strcmp(job->out, "-") == 0 ? NULL : job->out;
    int used =
        base ? snprintf(job->part_path, sizeof job->part_path, "%s.part", base)
             : snprintf(job->part_path, sizeof job->part_path, "%s/vecna-embed-%016llx.part",
                        folder && folder[0] ? folder : "/tmp", (unsigned long long)job->identity);
    return used > 0 && (size_t)used < sizeof job->part_path;
}

/* What decides the vectors: a part file of another run is not gone on with. */
static uint64_t identity_of(const embed *job) {
    const char *where = job->upstream ? job->upstream : "";
    uint64_t hash = job->upstream ? (uint64_t)job->provider : model_identity(&job->here);
    hash = hash_of(hash, where, strlen(where));
    if (job->upstream && job->model)
        hash = hash_of(hash, job->model, strlen(job->model));
    return job->prefix ? hash_of(hash, job->prefix, strlen(job->prefix)) : hash;
}

int command_embed(int argc, char **argv) {
    embed job = {.in = "-", .text_field = "text", .id_field = "id"};
    const option list[] = {
        {"out", 'o', OPTION_TEXT, &job.out, "OUT",
         "vectors, in any format: .npy, .jsonl, .csv ... (required)"},
        {"upstream", 'u', OPTION_TEXT, &job.upstream, "URL",
         "server that embeds, vecna serve too (default: a\nstatic model in this process)"},
        {"provider", 'p', OPTION_CHOICE, &job.provider, providers, "what it speaks (openai)"},
        {"model", 'm', OPTION_TEXT, &job.model, "M",
         "model to ask the server for; without --upstream a\nfile of vecna distill or vecna train "
         "tfidf --keep\n(default: the built-in one)"},
        {"api-key", 0, OPTION_TEXT, &job.api_key, "K", "key for the server"},
        {"prefix", 0, OPTION_TEXT, &job.prefix, "TEXT", "put before each text, as the model asks"},
        {"batch", 0, OPTION_COUNT, &job.batch, "N",
         "texts a call (64, less where a provider allows less)"},
        {"in-flight", 0, OPTION_COUNT, &job.in_flight, "N", "calls at once (4)"},
        {"fresh", 0, OPTION_FLAG, &job.fresh, NULL, "do not go on where an earlier run stopped"},
        {"json", 0, OPTION_FLAG, &job.json, NULL, "one JSON object"},
        {"files", 0, OPTION_GROUP, NULL, NULL, "files"},
        {"text-field", 0, OPTION_TEXT, &job.text_field, "NAME",
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
        "stopped when the same command is given again.",
        list,
        sizeof list / sizeof list[0],
        "  vecna embed corpus.jsonl -o corpus.npy --upstream http://127.0.0.1:11434 --model "
        "nomic-embed-text\n"
        "  echo \"hello\" | vecna embed -o - --out-format jsonl --upstream http://127.0.0.1:8484\n",
        0,
        1};
    size_t positional_count;
    double started = seconds_now();
    int status = parse_arguments(argc, argv, &use, &job.in, &positional_count);
    if (status >= 0)
        return status;
    if (job.out == NULL)
        return usage_error(&use, "-o names the file for the vectors");
    if (job.upstream == NULL && (job.provider || job.api_key || job.in_flight))
        return usage_error(&use, "--provider, --api-key and --in-flight go with --upstream");
    job.err.message[0] = '\0';
    if (job.upstream == NULL && open_model(job.model, &job.here, &job.err) != VECNA_OK)
        return fail_with(&job.err);
    job.identity = identity_of(&job);
    if (!name_part(&job))
        return fail_text("the name of the output is too long");
    status = run(&job) == VECNA_OK ? report(&job, seconds_now() - started) : fail_with(&job.err);
    close_model(&job.here);
    return status;
}
