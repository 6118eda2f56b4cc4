/* Texts through a model: gathered by the thousand, because a text takes two microseconds and a
 * turn of the pool more. */
#include "cli/embed_model.h"

#include <stdlib.h>
#include <string.h>

enum { FLOATS_A_TURN = 1 << 24 }; /* rows of words are wide */

/* The built-in model is part of the command: nothing to install, nothing to find. */
extern const char builtin_model[], builtin_model_end[];
__asm__(".section .rodata\n"
        ".global builtin_model\n"
        ".balign 64\n"
        "builtin_model:\n"
        ".incbin \"models/MiniLM-static.vecna\"\n"
        ".global builtin_model_end\n"
        "builtin_model_end:\n"
        ".byte 0\n"
        ".previous\n");

vecna_status open_model(const char *path, text_model *out, vecna_error *err) {
    vecna_status status;
    memset(out, 0, sizeof *out);
    if (path == NULL)
        return vecna_model_parse(builtin_model, (size_t)(builtin_model_end - builtin_model),
                                 "the built-in model", NULL, &out->table, err);
    status = vecna_model_open(path, NULL, &out->table, err);
    if (status == VECNA_ERR_FORMAT && vecna_counts_open(path, NULL, &out->counts, NULL) == VECNA_OK)
        return VECNA_OK;
    return status;
}

vecna_status builtin_vocabulary(char **out, size_t *bytes, vecna_error *err) {
    const size_t all = (size_t)(builtin_model_end - builtin_model);
    const vecna_tensor_entry *entry;
    vecna_safetensors *file = NULL;
    vecna_status status = vecna_safetensors_parse(builtin_model, all, all, NULL, &file, err);
    if (status != VECNA_OK)
        return status;
    entry = vecna_safetensors_find(file, "vocabulary");
    *bytes = (size_t)(entry->end - entry->begin);
    *out = malloc(*bytes + 1);
    if (*out)
        memcpy(*out, builtin_model + file->data_offset + entry->begin, *bytes);
    else
        status = vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for the pieces");
    vecna_safetensors_free(file);
    return status;
}

void close_model(text_model *model) {
    vecna_model_free(model->table);
    vecna_counts_free(model->counts);
}

size_t model_dim(const text_model *model) {
    return model->counts ? vecna_counts_about(model->counts).dim
                         : vecna_model_about(model->table).dim;
}

uint64_t model_identity(const text_model *model) {
    return model->counts  ? vecna_counts_about(model->counts).fingerprint
           : model->table ? vecna_model_about(model->table).checksum
                          : 0;
}

static vecna_status embed_passages(const text_model *model, const vecna_passage *texts,
                                   vecna_matrix out, vecna_pool *pool, vecna_error *err) {
    if (model->counts)
        return vecna_counts_embed(model->counts, texts, out.rows, out, NULL, pool, err);
    return vecna_model_embed(model->table, texts, out.rows, out, NULL, pool, err);
}

typedef struct gathering {
    char *text; /* all texts of a turn, prefixes too */
    size_t used, room;
    size_t *ends; /* (batch) */
    vecna_passage *passages;
    float *rows;
} gathering;

static bool append(gathering *g, const char *data, size_t bytes) {
    if (g->used + bytes > g->room) {
        size_t room = g->room ? g->room : 1 << 20;
        while (room < g->used + bytes)
            room *= 2;
        char *grown = realloc(g->text, room);
        if (grown == NULL)
            return false;
        g->text = grown;
        g->room = room;
    }
    if (bytes)
        memcpy(g->text + g->used, data, bytes);
    g->used += bytes;
    return true;
}

/* Up to batch texts; *more as `next` said last. */
static vecna_status gather(const embed_model_options *o, gathering *g, size_t batch, size_t *count,
                           int *more, vecna_error *err) {
    g->used = 0;
    *count = 0;
    while (*count < batch) {
        const char *text;
        size_t bytes;
        *more = o->next(o->user, &text, &bytes);
        if (*more != 1)
            return VECNA_OK;
        if (!append(g, o->prefix, o->prefix ? strlen(o->prefix) : 0) || !append(g, text, bytes))
            return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for the texts");
        g->ends[(*count)++] = g->used;
    }
    return VECNA_OK;
}

vecna_status embed_by_model(const embed_model_options *options, vecna_error *err) {
    const size_t dim = model_dim(options->model);
    const size_t fits = FLOATS_A_TURN / dim > 1 ? FLOATS_A_TURN / dim : 1;
    const size_t wanted = options->batch ? options->batch : 4096;
    const size_t batch = wanted < fits ? wanted : fits;
    gathering g = {0};
    vecna_pool *pool = NULL;
    size_t count = 1;
    int more = 1;
    vecna_status status = vecna_pool_new(0, NULL, &pool, err);
    g.ends = malloc(batch * sizeof *g.ends);
    g.passages = malloc(batch * sizeof *g.passages);
    g.rows = vecna_allocate(NULL, batch, dim * sizeof *g.rows);
    if (status == VECNA_OK && (g.ends == NULL || g.passages == NULL || g.rows == NULL))
        status = vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                                 "not enough memory for %zu texts at a time", batch);
    while (status == VECNA_OK && more == 1) {
        status = gather(options, &g, batch, &count, &more, err);
        if (status != VECNA_OK || count == 0 || more < 0)
            break;
        for (size_t i = 0, from = 0; i < count; from = g.ends[i++])
            g.passages[i] = (vecna_passage){g.text + from, g.ends[i] - from};
        status = embed_passages(options->model, g.passages, vecna_matrix_dense(g.rows, count, dim),
                                pool, err);
        if (status == VECNA_OK && options->take(options->user, g.rows, count, dim) != 0)
            break;
    }
    free(g.text);
    free(g.ends);
    free(g.passages);
    free(g.rows);
    vecna_pool_free(pool);
    return status;
}
