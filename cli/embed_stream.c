/* See cli/embed_stream.h. Standard input is kept in a temporary file, because texts are read again for what
 * their rows carry. */
#include "cli/embed_stream.h"

#include "proxy/proxy_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct part_head {
    char magic[8];
    uint64_t identity, dim;
} part_head;

static const char providers[] = EMBED_PROVIDERS;
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
    bool found = false;
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
        if (wanted && !found && token.kind == VECNA_JSON_STRING) {
            if (token.bytes + 1 > job->text_room) {
                char *grown = realloc(job->text, token.bytes + 1);
                if (grown == NULL)
                    return vecna_error_set(&job->err, VECNA_ERR_MEMORY, -1, "no memory for a text");
                job->text = grown;
                job->text_room = token.bytes + 1;
            }
            *text_bytes = vecna_json_unescape(&token, job->text);
            found = true; /* the line is read on: one that is cut off later is no row */
            continue;
        }
        status = vecna_json_skip(&json, &token, NULL, &err);
    }
    if (status == VECNA_OK) /* behind the object, nothing */
        status = vecna_json_next(&json, &token, &err);
    if (status != VECNA_OK)
        return vecna_error_set(&job->err, status, (int64_t)job->line_number, "%s, line %zu: %s",
                               job->in, job->line_number, err.message);
    if (found)
        return VECNA_OK;
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
int embed_next_text(embed *job, const char **text, size_t *bytes) {
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
    if (job->input)
        rewind(job->input);
    else if (strcmp(job->in, "-") == 0) {
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
            if (embed_next_text(job, &text, &bytes) != 1 || hash_of(0, text, bytes) != stored) {
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
    int more = embed_next_text(job, text, bytes);
    if (more == 1 && !remember_hash(job, hash_of(0, *text, *bytes))) {
        job->status = vecna_error_set(&job->err, VECNA_ERR_MEMORY, -1, "no memory for the texts");
        return -1;
    }
    return more;
}

/* Rows of all of the input, by the bytes that those so far took; what is read ahead is in them too. */
static void guess_total(embed *job, size_t count) {
    const double read = (double)ftell(job->input) - job->input_from;
    const double rows = (double)(job->meter.done + count + job->hash_count);
    if (read > 0 && job->input_bytes > job->input_from)
        job->meter.total = (int64_t)(rows * (job->input_bytes - job->input_from) / read);
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
    if (!job->quiet) {
        guess_total(job, count);
        progress_add(&job->meter, count);
    }
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
    if (!job->quiet)
        progress_start(&job->meter, "embedding", -1);
    status = embed_by_model(&options, &job->err);
    if (!job->quiet)
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
    if (!job->quiet)
        progress_start(&job->meter, "embedding", -1);
    status = vni_bulk(&options, &err);
    if (!job->quiet)
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

/* ---- which model -------------------------------------------------------------------------------------------- */

/* "a, b, c, ..." of the models that may embed; their number. */
static size_t name_models(const vni_found *found, char *out, size_t room) {
    size_t count = 0, used = 0;
    for (size_t i = 0; i < found->model_count; i++) {
        if (found->models[i].embeds < 0)
            continue;
        if (count < 4 && used < room) {
            int more = snprintf(out + used, room - used, "%s%.40s", count ? ", " : "",
                                found->models[i].id);
            used += more > 0 ? (size_t)more : 0;
        }
        count++;
    }
    if (count > 4 && used < room)
        snprintf(out + used, room - used, ", ...");
    return count;
}

static const vni_found_model *first_that_embeds(const vni_found *found) {
    for (size_t i = 0; i < found->model_count; i++)
        if (found->models[i].embeds >= 0)
            return &found->models[i];
    return NULL;
}

vecna_status embed_find_model(embed *job, vecna_error *err) {
    vni_discover_options look = {.urls = &job->upstream, .url_count = 1, .api_key = job->api_key};
    vni_found *found = NULL;
    size_t servers = 0, count = 0;
    char names[240] = "";
    vecna_status status = VECNA_OK;
    if (job->upstream == NULL || job->model || job->provider > 1) /* openai and ollama want one */
        return VECNA_OK;
    status = vni_discover(&look, &found, &servers, err);
    if (status == VECNA_OK && servers == 1)
        count = name_models(found, names, sizeof names);
    if (count == 1 || (count > 1 && found->is_vecna)) {
        snprintf(job->found_model, sizeof job->found_model, "%s", first_that_embeds(found)->id);
        job->model = job->found_model;
    } else if (count > 1) {
        status = vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                                 "%.80s has %zu models (%.100s): name one with --model",
                                 job->upstream, count, names);
    }
    vni_found_free(found, servers, NULL);
    return status;
}

/* ---- what the commands call ------------------------------------------------------------------------------------ */

uint64_t embed_identity(const embed *job) {
    const char *where = job->upstream ? job->upstream : "";
    uint64_t hash = job->upstream ? (uint64_t)job->provider : model_identity(&job->here);
    hash = hash_of(hash, where, strlen(where));
    if (job->upstream && job->model)
        hash = hash_of(hash, job->model, strlen(job->model));
    return job->prefix ? hash_of(hash, job->prefix, strlen(job->prefix)) : hash;
}

vecna_status embed_gather(embed *job) {
    struct stat about;
    vecna_status status = open_input(job);
    if (status == VECNA_OK)
        status = take_up(job);
    if (status == VECNA_OK && fstat(fileno(job->input), &about) == 0) {
        job->input_bytes = (double)about.st_size;
        job->input_from = (double)ftell(job->input);
    }
    if (status == VECNA_OK)
        status = job->upstream ? ask_for_rest(job) : embed_here(job);
    if (status == VECNA_OK && job->rows == 0)
        status = vecna_error_set(&job->err, VECNA_ERR_FORMAT, -1, "%s has no text in it", job->in);
    return status;
}

vecna_status embed_rewind(embed *job) {
    rewind(job->input);
    job->line_number = 0;
    if (fflush(job->part) != 0 || fseek(job->part, (long)sizeof(part_head), SEEK_SET) != 0)
        return part_failed(job);
    return VECNA_OK;
}

vecna_status embed_next_row(embed *job, float *row) {
    uint64_t hash;
    if (fread(&hash, sizeof hash, 1, job->part) != 1 ||
        fread(row, sizeof *row, job->dim, job->part) != job->dim)
        return vecna_error_set(&job->err, VECNA_ERR_IO, -1, "cannot read %s", job->part_path);
    return VECNA_OK;
}

void embed_close(embed *job, bool done) {
    if (job->part)
        fclose(job->part);
    if (job->part && (done || job->rows == 0))
        unlink(job->part_path);
    if (job->input)
        fclose(job->input);
    free(job->line);
    free(job->text);
    free(job->hashes);
}
