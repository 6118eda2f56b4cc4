/* See cli/distill_ask.h. Texts are asked first, because they tell which pieces are worth asking; what an
 * interrupted run was told lies in the part files of both and is not asked again. */
#include "cli/distill_ask.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static vecna_status no_memory(const char *what, vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for %s", what);
}

/* ---- a stream into memory -------------------------------------------------------------------- */

static vecna_status start_call(const teacher_options *o, const char *ending, embed *call,
                               vecna_error *err) {
    *call = o->call;
    call->identity = embed_identity(call);
    if ((size_t)snprintf(call->part_path, sizeof call->part_path, "%s.%s.part", o->out, ending) >=
        sizeof call->part_path)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1, "the name of the output is too long");
    return VECNA_OK;
}

/* All rows of the part file; texts NULL: their texts are not kept. */
static vecna_status take_rows(embed *call, float **rows, taught *texts, vecna_error *err) {
    size_t room = 0, used = 0, *ends = calloc(call->rows + 1, sizeof *ends);
    vecna_status status = embed_rewind(call);
    *rows = vecna_allocate(NULL, call->rows, call->dim * sizeof **rows);
    if (*rows == NULL || ends == NULL)
        status = no_memory("what the teacher said", &call->err);
    for (size_t i = 0; status == VECNA_OK && i < call->rows; i++) {
        const char *text;
        size_t bytes;
        status = embed_next_row(call, *rows + i * call->dim);
        if (status != VECNA_OK || texts == NULL)
            continue;
        if (embed_next_text(call, &text, &bytes) != 1) {
            status = vecna_error_set(&call->err, VECNA_ERR_IO, -1,
                                     "%s has changed while it was read", call->in);
            continue;
        }
        if (used + bytes > room) {
            room = 2 * (used + bytes) + 65536;
            char *grown = realloc(texts->text, room);
            if (grown == NULL) {
                status = no_memory("the texts", &call->err);
                continue;
            }
            texts->text = grown;
        }
        memcpy(texts->text + used, text, bytes);
        ends[i] = used += bytes;
    }
    if (status == VECNA_OK && texts) {
        texts->passages = malloc(call->rows * sizeof *texts->passages);
        if (texts->passages == NULL)
            status = no_memory("the texts", &call->err);
        for (size_t i = 0, from = 0; status == VECNA_OK && i < call->rows; from = ends[i++])
            texts->passages[i] = (vecna_passage){texts->text + from, ends[i] - from};
    }
    free(ends);
    if (status != VECNA_OK)
        *err = call->err;
    return status;
}

static vecna_status gather(embed *call, vecna_error *err) {
    vecna_status status;
    call->err.message[0] = '\0';
    status = embed_gather(call);
    if (status != VECNA_OK)
        *err = call->err;
    return status;
}

/* ---- pieces ---------------------------------------------------------------------------------- */

typedef struct ranked_piece {
    uint64_t count;
    size_t line;
} ranked_piece;

static int by_count(const void *a, const void *b) {
    const ranked_piece *x = a, *y = b;
    return x->count != y->count ? (x->count < y->count) - (x->count > y->count)
                                : (x->line > y->line) - (x->line < y->line);
}

static vecna_status count_pieces(const taught *all, const vecna_wordpiece *pieces,
                                 ranked_piece *ranks, vecna_error *err) {
    size_t longest = 0;
    int32_t *ids;
    for (size_t i = 0; i < all->texts; i++)
        longest = all->passages[i].bytes > longest ? all->passages[i].bytes : longest;
    ids = malloc((longest + 1) * sizeof *ids);
    if (ids == NULL)
        return no_memory("the pieces", err);
    for (size_t i = 0; i < vecna_wordpiece_size(pieces); i++)
        ranks[i] = (ranked_piece){0, i};
    for (size_t i = 0; i < all->texts; i++) {
        const size_t count =
            vecna_wordpiece_encode(pieces, all->passages[i].data, all->passages[i].bytes, ids);
        for (size_t at = 0; at < count; at++)
            ranks[ids[at]].count++;
    }
    ranks[vecna_wordpiece_unknown(pieces)].count = UINT64_MAX; /* a vocabulary must have it */
    free(ids);
    return VECNA_OK;
}

/* Lines of the vocabulary whose mark is set, in their order. */
static void keep_lines(taught *all, const bool *keep) {
    const char *at = all->vocabulary, *end = all->vocabulary + all->vocabulary_bytes;
    char *out = all->vocabulary;
    for (size_t line = 0; at < end; line++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        const size_t bytes = stop ? (size_t)(stop - at) + 1 : (size_t)(end - at);
        if (keep[line]) {
            memmove(out, at, bytes);
            out += bytes;
        }
        at += bytes;
    }
    all->vocabulary_bytes = (size_t)(out - all->vocabulary);
}

static vecna_status choose_pieces(const teacher_options *o, taught *all, vecna_error *err) {
    const vecna_wordpiece_options options = {o->keep_case, NULL, NULL};
    vecna_wordpiece *pieces = NULL;
    ranked_piece *ranks = NULL;
    bool *keep = NULL;
    vecna_status status =
        vecna_wordpiece_new(all->vocabulary, all->vocabulary_bytes, &options, &pieces, err);
    if (status != VECNA_OK)
        return status;
    all->pieces = vecna_wordpiece_size(pieces);
    if (o->pieces && o->pieces < all->pieces) {
        ranks = malloc(all->pieces * sizeof *ranks);
        keep = calloc(all->pieces, sizeof *keep);
        status =
            ranks && keep ? count_pieces(all, pieces, ranks, err) : no_memory("the pieces", err);
        if (status == VECNA_OK) {
            qsort(ranks, all->pieces, sizeof *ranks, by_count);
            all->pieces = 0;
            while (all->pieces < o->pieces && ranks[all->pieces].count > 0)
                keep[ranks[all->pieces++].line] = true;
            keep_lines(all, keep);
        }
    }
    free(ranks);
    free(keep);
    vecna_wordpiece_free(pieces);
    return status;
}

/* A piece a line, without the mark of one that goes on with a word: the teacher has its own pieces. */
static vecna_status list_pieces(taught *all, FILE **out, vecna_error *err) {
    const char *at = all->vocabulary, *end = all->vocabulary + all->vocabulary_bytes;
    *out = tmpfile();
    while (*out && at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t bytes = stop ? (size_t)(stop - at) : (size_t)(end - at);
        const size_t mark = bytes > 2 && memcmp(at, "##", 2) == 0 ? 2 : 0;
        if (fwrite(at + mark, 1, bytes - mark, *out) != bytes - mark || fputc('\n', *out) == EOF)
            break;
        at += bytes + 1;
    }
    if (*out && at >= end)
        return VECNA_OK;
    return vecna_error_set(err, VECNA_ERR_IO, -1, "cannot keep the pieces: %s", strerror(errno));
}

/* ---- both ------------------------------------------------------------------------------------ */

static vecna_status ask_texts(const teacher_options *o, taught *out, vecna_error *err) {
    vecna_status status = start_call(o, "texts", &out->text_call, err);
    out->text_call.in = o->texts;
    if (status == VECNA_OK)
        status = gather(&out->text_call, err);
    if (status == VECNA_OK)
        status = take_rows(&out->text_call, &out->text_vectors, out, err);
    out->texts = out->text_call.rows;
    out->dim = out->text_call.dim;
    return status;
}

static vecna_status ask_pieces(const teacher_options *o, taught *out, vecna_error *err) {
    vecna_status status = start_call(o, "pieces", &out->piece_call, err);
    out->piece_call.in = "the vocabulary";
    if (status == VECNA_OK)
        status = list_pieces(out, &out->piece_call.input, err);
    if (status == VECNA_OK)
        status = gather(&out->piece_call, err);
    if (status == VECNA_OK)
        status = take_rows(&out->piece_call, &out->piece_vectors, NULL, err);
    if (status == VECNA_OK && out->piece_call.dim != out->dim)
        return vecna_error_set(err, VECNA_ERR_DIM, -1,
                               "the teacher gives %zu dimensions for texts and %zu for pieces: it "
                               "has another model now; --fresh starts anew",
                               out->dim, out->piece_call.dim);
    return status;
}

vecna_status ask_teacher(const teacher_options *options, taught *out, vecna_error *err) {
    vecna_status status;
    memset(out, 0, sizeof *out);
    status = options->vocabulary
                 ? read_file(options->vocabulary, &out->vocabulary, &out->vocabulary_bytes, err)
                 : builtin_vocabulary(&out->vocabulary, &out->vocabulary_bytes, err);
    if (status == VECNA_OK)
        status = ask_texts(options, out, err);
    if (status == VECNA_OK)
        status = choose_pieces(options, out, err);
    if (status == VECNA_OK)
        status = ask_pieces(options, out, err);
    out->resumed = out->text_call.resumed + out->piece_call.resumed;
    return status;
}

void close_taught(taught *all, bool done) {
    embed_close(&all->text_call, done);
    embed_close(&all->piece_call, done);
    free(all->vocabulary);
    free(all->text);
    free(all->passages);
    vecna_release(NULL, all->text_vectors);
    vecna_release(NULL, all->piece_vectors);
}
