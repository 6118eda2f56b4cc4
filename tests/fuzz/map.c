/* Any bytes as a map file, and any description of one as a file that is well made.
 *
 * A checksum guards a map, and a container that must fit byte for byte guards the checksum, so that
 * bytes changed at random never reach what is behind them. Bytes that start with '#' are therefore
 * a description in lines, KEY=VALUE for the metadata and @NAME ROWS COLUMNS or @NAME:TYPE ROWS COLUMNS
 * for a tensor (F32 unless said), an empty line, and the data: of it a file is made with a checksum that fits, as a hostile hand would.
 * What is accepted must be usable: it says what it is, checks its spaces and translates rows. */
#include "translate/translate_impl.h"

#include "vecna/codec.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { PAIRS = 200, TENSORS = 64, DATA_BYTES = 1 << 20 };

typedef struct description {
    vecna_tensor_text pairs[PAIRS + 1]; /* the last place is the checksum's */
    size_t pair_count;
    vecna_tensor_entry entries[TENSORS];
    size_t entry_count;
} description;

static float *room(size_t floats) {
    float *memory = calloc(floats + 1, sizeof *memory);
    if (!memory)
        abort();
    return memory;
}

static void use_space(const vecna_space *space, size_t dim, const vecna_matrix *rows) {
    vecna_space_match match;
    vecna_error err = {VECNA_OK, -1, ""};
    if (!space)
        return;
    if (vecna_space_dim(space) != dim || strlen(vecna_space_name(space)) >= VECNA_SPACE_NAME_BYTES)
        abort();
    if (vecna_space_check(space, vecna_matrix_view(*rows), NULL, &match, &err) == VECNA_OK &&
        !(match.likelihood >= 0 && match.likelihood <= 1))
        abort();
}

/* What is told of two rows and of a query, where the map has held rows. */
static void use_held(const vecna_map *map, vecna_view in, vecna_view out) {
    vecna_confidence *confidence = NULL;
    vecna_scores *scores = NULL;
    vecna_confidence_row rows[3];
    vecna_score_level level[3];
    const vecna_held_info info = vecna_map_held(map);
    if (vecna_confidence_new(map, NULL, &confidence, NULL) == VECNA_OK) {
        if (!info.rows || vecna_confidence_of(confidence, in, out, rows, NULL, NULL) != VECNA_OK)
            abort();
        for (size_t i = 0; i < 3; i++)
            if (rows[i].recall < 0 || rows[i].recall > 1 || rows[i].least < -1)
                abort();
    }
    if (vecna_scores_new(map, NULL, &scores, NULL) == VECNA_OK &&
        vecna_scores_levels(scores, out, level, NULL, NULL) == VECNA_OK) {
        for (size_t i = 0; i < 3; i++)
            (void)vecna_scores_calibrate(scores, level[i], (double)i - 1);
    }
    vecna_scores_free(scores);
    vecna_confidence_free(confidence);
}

/* Three rows through the map: a pattern, its opposite and zeros. */
static void use_map(const vecna_map *map) {
    const vecna_map_info info = vecna_map_about(map);
    vecna_matrix in = vecna_matrix_dense(room(3 * info.source_dim), 3, info.source_dim);
    vecna_matrix out = vecna_matrix_dense(room(3 * info.target_dim), 3, info.target_dim);
    for (size_t i = 0; i < info.source_dim; i++) {
        in.data[i] = 1 / (1 + (float)i);
        in.data[info.source_dim + i] = -in.data[i];
    }
    if (vecna_map_apply(map, vecna_matrix_view(in), out, NULL, NULL) != VECNA_OK ||
        vecna_map_apply_raw(map, vecna_matrix_view(in), out, NULL, NULL) != VECNA_OK)
        abort();
    if (vecna_map_report(map) || !vecna_map_report_json(map) || !info.source_name ||
        !info.target_name || info.role > VECNA_ROLE_QUERY || info.recipe.method == 0 ||
        info.recipe.method >= VECNA_METHODS || info.verdict > VECNA_VERDICT_FAIL)
        abort();
    char name[VECNA_RECIPE_NAME_BYTES];
    vecna_recipe_name(&info.recipe, name);
    if ((info.statistics_rows > 0) != (info.statistics != VECNA_STATISTICS_NONE))
        abort();
    if (info.statistics_rows > 0) { /* what can be read can be leaned on, or says why not */
        const vecna_view none_in = {NULL, 0, info.source_dim, info.source_dim};
        const vecna_view none_out = {NULL, 0, info.target_dim, info.target_dim};
        const vecna_translate_options ridge = {
            .recipe = {.method = VECNA_METHOD_RIDGE, .lambda = 1}};
        vecna_map *leaning = NULL;
        vecna_error err = {VECNA_OK, -1, ""};
        if (info.source_dim <= 16 &&
            vecna_translate_prior(map, none_in, none_out, &ridge, &leaning, &err) != VECNA_OK &&
            err.message[0] == '\0')
            abort();
        vecna_map_free(leaning);
    }
    use_space(vecna_map_source_space(map), info.source_dim, &in);
    use_space(vecna_map_target_space(map), info.target_dim, &out);
    use_held(map, vecna_matrix_view(in), vecna_matrix_view(out));
    free(in.data);
    free(out.data);
}

static void parse(const void *data, size_t bytes) {
    vecna_map *map = NULL;
    vecna_error err = {VECNA_OK, -1, ""};
    vecna_status status = vecna_map_parse(data, bytes, "fuzz", NULL, &map, &err);
    if (status == VECNA_OK) {
        use_map(map);
        vecna_map_free(map);
    } else if (map || err.status != status || err.message[0] == '\0' ||
               status == VECNA_ERR_ARGUMENT || status == VECNA_ERR_MEMORY ||
               vecna_utf8_valid_bytes(err.message, strlen(err.message)) != strlen(err.message)) {
        abort();
    }
}

/* The type named behind a colon, which ends the name. */
static vecna_tensor_dtype take_dtype(char *name) {
    char *colon = strchr(name, ':');
    for (int type = 0; colon && type <= VECNA_TENSOR_U64; type++) {
        if (strcmp(colon + 1, vecna_tensor_dtype_name((vecna_tensor_dtype)type)) == 0) {
            *colon = '\0';
            return (vecna_tensor_dtype)type;
        }
    }
    return VECNA_TENSOR_F32;
}

/* One line of a description, NUL-terminated, into its place. */
static void describe(char *line, description *d) {
    char *equals = strchr(line, '=');
    if (line[0] == '@' && d->entry_count < TENSORS) {
        vecna_tensor_entry *entry = &d->entries[d->entry_count];
        char *at = strchr(line, ' ');
        *entry = (vecna_tensor_entry){.name = line + 1, .dtype = VECNA_TENSOR_F32};
        for (char *end = at; at && entry->rank < 3; at = end) {
            *at = '\0';
            entry->shape[entry->rank] = strtoull(at + 1, &end, 10);
            if (end == at + 1)
                break;
            entry->rank++;
            if (*end != ' ')
                break;
        }
        entry->dtype = take_dtype(line + 1);
        d->entry_count++;
    } else if (line[0] != '#' && equals && d->pair_count < PAIRS) {
        *equals = '\0';
        d->pairs[d->pair_count++] = (vecna_tensor_text){line, equals + 1};
    }
}

/* The file of a description: its header, its data as far as there is any and then zeros. */
static unsigned char *make_file(description *d, const uint8_t *floats, size_t floats_bytes,
                                size_t *bytes) {
    vecna_json_writer writer;
    unsigned char *file = NULL;
    uint64_t data_bytes = 0;
    vecna_json_writer_init(&writer, 0, NULL);
    if (vecna_safetensors_print(d->entries, d->entry_count, d->pairs, d->pair_count, &writer,
                                NULL) == VECNA_OK) {
        for (size_t i = 0; i < d->entry_count; i++)
            if (d->entries[i].end > data_bytes)
                data_bytes = d->entries[i].end;
        if (data_bytes <= DATA_BYTES) {
            *bytes = writer.bytes + (size_t)data_bytes;
            file = calloc(*bytes, 1);
            if (!file)
                abort();
            memcpy(file, writer.text, writer.bytes);
            memcpy(file + writer.bytes, floats,
                   floats_bytes < data_bytes ? floats_bytes : (size_t)data_bytes);
        }
    }
    vecna_json_writer_free(&writer);
    return file;
}

static void parse_described(const uint8_t *data, size_t bytes) {
    static description d;
    char *text = malloc(bytes + 1), *line = text, checksum[20] = "0";
    unsigned char *file;
    size_t file_bytes = 0;
    vecna_safetensors *parsed = NULL;
    if (!text)
        abort();
    memcpy(text, data, bytes);
    text[bytes] = '\0';
    d.pair_count = d.entry_count = 0;
    while (*line && *line != '\n') {
        char *end = strchr(line, '\n');
        char *next = end ? end + 1 : line + strlen(line);
        if (end)
            *end = '\0';
        describe(line, &d);
        line = next;
    }
    const size_t used = (size_t)(line - text) + (*line == '\n');
    d.pairs[d.pair_count++] = (vecna_tensor_text){"checksum", checksum};
    file = make_file(&d, data + used, bytes - used, &file_bytes);
    if (file && vecna_safetensors_parse(file, file_bytes, file_bytes, NULL, &parsed, NULL) == 0) {
        const uint64_t sum = vni_map_file_checksum(parsed, file + parsed->data_offset);
        snprintf(checksum, sizeof checksum, "%016" PRIx64, sum);
        free(file);
        file = make_file(&d, data + used, bytes - used, &file_bytes);
        vecna_safetensors_free(parsed);
        parse(file, file_bytes);
    }
    free(file);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    if (bytes > 0 && data[0] == '#')
        parse_described(data, bytes);
    else
        parse(data, bytes);
    return 0;
}
