/* Texts as counts of their words: the baselines. A text's row is made from its words alone, in one
 * place, whether it was counted or comes later, so a kept model gives the same bits as the training did.
 * What is dense is only what the caller asks for, block by block. counts_svd.c has the directions,
 * counts_file.c the file. */
#include "train/counts_impl.h"

#include <math.h>
#include <stdlib.h>

enum { DIM = 100, ROUNDS = 10, TEXTS_A_TASK = 32 };

/* ---- a row ----------------------------------------------------------------------------------- */

size_t vni_counts_bucket(const vecna_counts *model, const char *word, size_t bytes) {
    uint64_t hash = 1469598103934665603u;
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ (unsigned char)word[i]) * 1099511628211u;
    hash ^= hash >> 32; /* FNV's low bits are its weak ones */
    hash *= 0x9e3779b97f4a7c15u;
    return (size_t)((hash >> 32) * (uint64_t)model->columns >> 32);
}

static int by_number(const void *a, const void *b) {
    const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

size_t vni_counts_weigh(const vecna_counts *model, int32_t *columns, size_t count, double *values) {
    const vecna_counts_options *o = &model->options;
    size_t found = 0;
    double square = 0;
    qsort(columns, count, sizeof *columns, by_number);
    for (size_t at = 0; at < count;) {
        size_t end = at;
        double value;
        while (end < count && columns[end] == columns[at])
            end++;
        value = o->method == VECNA_ONEHOT ? 1 : (double)(end - at);
        if (o->sublinear && o->method != VECNA_ONEHOT)
            value = 1 + log(value);
        if (model->weights)
            value *= model->weights[columns[at]];
        columns[found] = columns[at];
        values[found++] = value;
        square += value * value;
        at = end;
    }
    for (size_t i = 0; o->unit_rows && square > 0 && i < found; i++)
        values[i] /= sqrt(square);
    return found;
}

/* Room for one text, which grows and keeps its columns. */
typedef struct room {
    int32_t *columns;
    double *values, *sums;
    size_t capacity;
} room;

static int room_for(const vecna_counts *model, room *r, size_t words) {
    const size_t capacity = words < 512 ? 1024 : 2 * words;
    int32_t *columns;
    if (r->sums == NULL)
        r->sums = vecna_allocate(model->allocator, model->dim, sizeof *r->sums);
    if (r->capacity >= words || r->sums == NULL)
        return r->sums != NULL;
    columns = vecna_resize(model->allocator, r->columns, capacity, sizeof *columns);
    if (columns == NULL)
        return 0;
    r->columns = columns;
    vecna_release(model->allocator, r->values);
    r->values = vecna_allocate(model->allocator, capacity, sizeof *r->values);
    r->capacity = r->values ? capacity : 0;
    return r->capacity > 0;
}

static void close_room(const vecna_counts *model, room *r) {
    vecna_release(model->allocator, r->columns);
    vecna_release(model->allocator, r->values);
    vecna_release(model->allocator, r->sums);
}

/* `count` columns in the room become a row. */
static void write_row(const vecna_counts *model, room *r, size_t count, float *out) {
    const size_t dim = model->dim, found = vni_counts_weigh(model, r->columns, count, r->values);
    if (model->directions == NULL) {
        memset(out, 0, dim * sizeof *out);
        for (size_t i = 0; i < found; i++)
            out[r->columns[i]] = (float)r->values[i];
        return;
    }
    memset(r->sums, 0, dim * sizeof *r->sums);
    for (size_t i = 0; i < found; i++) {
        const float *direction = model->directions + (size_t)r->columns[i] * dim;
        for (size_t d = 0; d < dim; d++)
            r->sums[d] += r->values[i] * (double)direction[d];
    }
    for (size_t d = 0; d < dim; d++)
        out[d] = (float)r->sums[d];
}

/* ---- counting -------------------------------------------------------------------------------- */

static vecna_status no_memory(const vecna_counts *model, vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory to count %zu texts",
                           model->texts);
}

/* The column of each number of the corpus; NULL: they are the same. */
static vecna_status number_columns(const vecna_counts *model, int32_t **out, vecna_error *err) {
    const vecna_vocab *vocab = model->corpus->vocab;
    *out = NULL;
    if (model->words)
        return VECNA_OK;
    *out = vecna_allocate(model->allocator, vecna_vocab_size(vocab), sizeof **out);
    for (size_t i = 0; *out && i < vecna_vocab_size(vocab); i++) {
        size_t bytes;
        const char *word = vecna_vocab_word(vocab, (int32_t)i, &bytes);
        (*out)[i] = (int32_t)vni_counts_bucket(model, word, bytes);
    }
    return *out ? VECNA_OK : no_memory(model, err);
}

static size_t take_columns(const vecna_corpus *corpus, const int32_t *column_of, size_t text,
                           int32_t *out) {
    const size_t first = corpus->starts[text], count = corpus->starts[text + 1] - first;
    for (size_t i = 0; i < count; i++)
        out[i] = column_of ? column_of[corpus->ids[first + i]] : corpus->ids[first + i];
    return count;
}

/* idf = ln((1 + texts) / (1 + texts that have it)) + 1. */
static vecna_status weigh_columns(vecna_counts *model, const int32_t *column_of, vecna_error *err) {
    const vecna_corpus *corpus = model->corpus;
    size_t *last = vecna_allocate_zero(model->allocator, model->columns, sizeof *last);
    model->weights = vecna_allocate_zero(model->allocator, model->columns, sizeof(double));
    for (size_t text = 0; last && model->weights && text < corpus->units; text++)
        for (size_t at = corpus->starts[text]; at < corpus->starts[text + 1]; at++) {
            int32_t id = corpus->ids[at], column = column_of ? column_of[id] : id;
            model->weights[column] += last[column] != text + 1;
            last[column] = text + 1;
        }
    for (size_t i = 0; last && model->weights && i < model->columns; i++)
        model->weights[i] = log((1 + (double)corpus->units) / (1 + model->weights[i])) + 1;
    vecna_release(model->allocator, last);
    return last && model->weights ? VECNA_OK : no_memory(model, err);
}

static vecna_status make_sparse(const vecna_counts *model, const int32_t *column_of,
                                vni_sparse *out, vecna_error *err) {
    const vecna_corpus *corpus = model->corpus;
    size_t made = 0;
    out->rows = corpus->units;
    out->columns = model->columns;
    out->starts = vecna_allocate_zero(model->allocator, corpus->units + 1, sizeof *out->starts);
    out->at = vecna_allocate(model->allocator, corpus->tokens + 1, sizeof *out->at);
    out->entries = vecna_allocate(model->allocator, corpus->tokens + 1, sizeof *out->entries);
    if (!out->starts || !out->at || !out->entries)
        return no_memory(model, err);
    for (size_t text = 0; text < corpus->units; text++) {
        size_t count = take_columns(corpus, column_of, text, out->at + made);
        made += vni_counts_weigh(model, out->at + made, count, out->entries + made);
        out->starts[text + 1] = made;
    }
    return VECNA_OK;
}

static vecna_status find_directions(vecna_counts *model, const int32_t *column_of,
                                    vecna_error *err) {
    const vecna_counts_options *o = &model->options;
    const vni_svd_options options = {o->dim,      o->rounds,        o->seed,         o->pool,
                                     o->progress, o->progress_user, model->allocator};
    vni_sparse x;
    double all = 0, kept = 0;
    vecna_status status;
    memset(&x, 0, sizeof x);
    status = make_sparse(model, column_of, &x, err);
    model->directions =
        vecna_allocate(model->allocator, model->columns * o->dim, sizeof *model->directions);
    model->values = vecna_allocate(model->allocator, o->dim, sizeof *model->values);
    if (status == VECNA_OK && (!model->directions || !model->values))
        status = no_memory(model, err);
    if (status == VECNA_OK)
        status =
            vni_sparse_svd(&x, &options, model->values, model->directions, &model->rounds, err);
    for (size_t i = 0; status == VECNA_OK && i < x.starts[x.rows]; i++)
        all += x.entries[i] * x.entries[i];
    for (size_t d = 0; status == VECNA_OK && d < o->dim; d++)
        kept += model->values[d] * model->values[d];
    model->share = all > 0 ? kept / all : 0;
    vni_sparse_free(&x, model->allocator);
    return status;
}

/* ---- making ---------------------------------------------------------------------------------- */

static vecna_status complete(vecna_counts_options *o, const vecna_corpus *corpus, size_t columns,
                             vecna_error *err) {
    const size_t most = corpus->units < columns ? corpus->units : columns;
    o->dim = o->dim ? o->dim : DIM;
    o->rounds = o->rounds ? o->rounds : ROUNDS;
    if (o->method > VECNA_LSA || o->buckets > INT32_MAX)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1, "method %d with %zu buckets",
                               (int)o->method, o->buckets);
    if (o->method == VECNA_LSA && o->dim > most)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "%zu dimensions of %zu texts with %zu different words: there are at "
                               "most %zu",
                               o->dim, corpus->units, columns, most);
    return VECNA_OK;
}

vecna_status vecna_counts_new(const vecna_counts_options *options, const vecna_corpus *corpus,
                              vecna_counts **out, vecna_error *err) {
    vecna_counts_options o = *options;
    const size_t columns = o.buckets ? o.buckets : vecna_vocab_size(corpus->vocab);
    int32_t *column_of = NULL;
    vecna_counts *model;
    vecna_status status = complete(&o, corpus, columns, err);
    if (status != VECNA_OK)
        return status;
    model = vecna_allocate_zero(o.allocator, 1, sizeof *model);
    if (model == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for a model");
    if (o.allocator) {
        model->allocator_copy = *o.allocator;
        model->allocator = &model->allocator_copy;
    }
    model->options = o;
    model->corpus = corpus;
    model->texts = corpus->units;
    model->columns = columns;
    model->words = o.buckets ? NULL : corpus->vocab;
    model->dim = o.method == VECNA_LSA ? o.dim : columns;
    status = number_columns(model, &column_of, err);
    if (status == VECNA_OK && o.method != VECNA_ONEHOT)
        status = weigh_columns(model, column_of, err);
    if (status == VECNA_OK && o.method == VECNA_LSA)
        status = find_directions(model, column_of, err);
    vecna_release(model->allocator, column_of);
    if (status != VECNA_OK) {
        vecna_counts_free(model);
        return status;
    }
    vni_counts_seal(model);
    *out = model;
    return VECNA_OK;
}

void vecna_counts_free(vecna_counts *model) {
    vecna_allocator copy;
    const vecna_allocator *allocator = NULL;
    if (model == NULL)
        return;
    vecna_vocab_free(model->own_words);
    vecna_release(model->allocator, model->weights);
    vecna_release(model->allocator, model->directions);
    vecna_release(model->allocator, model->values);
    if (model->allocator) {
        copy = model->allocator_copy;
        allocator = &copy;
    }
    vecna_release(allocator, model);
}

double vecna_counts_bytes(const vecna_counts_options *options, const vecna_corpus *corpus) {
    const size_t columns = options->buckets ? options->buckets : vecna_vocab_size(corpus->vocab);
    const size_t dim = options->dim ? options->dim : DIM;
    double bytes = 16.0 * (double)columns;
    if (options->method == VECNA_LSA)
        bytes += 12.0 * (double)corpus->tokens + 4.0 * (double)columns * (double)dim +
                 vni_sparse_svd_bytes(corpus->units, columns, corpus->tokens, dim);
    return bytes;
}

vecna_counts_info vecna_counts_about(const vecna_counts *model) {
    vecna_counts_info about = {model->options.method, model->dim,        model->columns,
                               model->texts,          model->values,     model->share,
                               model->rounds,         model->fingerprint};
    return about;
}

/* ---- vectors --------------------------------------------------------------------------------- */

static vecna_status check_dim(const vecna_counts *model, vecna_matrix out, vecna_error *err) {
    if (out.dim == model->dim && out.stride >= out.dim)
        return VECNA_OK;
    return vecna_error_set(err, VECNA_ERR_DIM, -1, "vectors have %zu dimensions, not %zu",
                           model->dim, out.dim);
}

vecna_status vecna_counts_vectors(const vecna_counts *model, size_t first, vecna_matrix out,
                                  vecna_error *err) {
    const vecna_corpus *corpus = model->corpus;
    int32_t *column_of = NULL;
    room r = {0};
    vecna_status status = check_dim(model, out, err);
    if (status != VECNA_OK)
        return status;
    if (corpus == NULL || first > corpus->units || out.rows > corpus->units - first)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1, "there are %zu texts",
                               corpus ? corpus->units : 0);
    status = number_columns(model, &column_of, err);
    for (size_t i = 0; status == VECNA_OK && i < out.rows; i++) {
        if (room_for(model, &r, corpus->starts[first + i + 1] - corpus->starts[first + i]))
            write_row(model, &r, take_columns(corpus, column_of, first + i, r.columns),
                      out.data + i * out.stride);
        else
            status = no_memory(model, err);
    }
    close_room(model, &r);
    vecna_release(model->allocator, column_of);
    return status;
}

typedef struct embedding {
    const vecna_counts *model;
    const vecna_passage *texts;
    vecna_matrix out;
    room *rooms; /* a thread each, and so the others */
    vecna_tokenizer **readers;
    vecna_status *failed;
    uint64_t *words;
} embedding;

static vecna_status embed_text(embedding *e, size_t text, size_t worker) {
    const vecna_counts *model = e->model;
    const vecna_passage *passage = &e->texts[text];
    room *r = &e->rooms[worker];
    const char *word = "";
    size_t bytes, count = 0;
    if (!room_for(model, r, 1))
        return VECNA_ERR_MEMORY;
    vecna_tokenizer_start(e->readers[worker], passage->data, passage->bytes);
    for (;;) {
        int32_t column;
        vecna_status status = vecna_tokenizer_next(e->readers[worker], &word, &bytes, NULL);
        if (status != VECNA_OK)
            return status;
        if (word == NULL)
            break;
        e->words[worker]++;
        column = model->words ? vecna_vocab_find(model->words, word, bytes)
                              : (int32_t)vni_counts_bucket(model, word, bytes);
        if (column < 0)
            continue;
        if (!room_for(model, r, count + 1))
            return VECNA_ERR_MEMORY;
        r->columns[count++] = column;
    }
    write_row(model, r, count, e->out.data + text * e->out.stride);
    return VECNA_OK;
}

static void embed_texts(void *user, size_t begin, size_t end, size_t worker) {
    embedding *e = user;
    for (size_t text = begin; text < end && e->failed[worker] == VECNA_OK; text++)
        e->failed[worker] = embed_text(e, text, worker);
}

vecna_status vecna_counts_embed(const vecna_counts *model, const vecna_passage *texts, size_t count,
                                vecna_matrix out, uint64_t *words, vecna_pool *pool,
                                vecna_error *err) {
    const size_t threads = vecna_pool_threads(pool);
    const vecna_tokenizer_options reading = {model->options.tokens, model->options.keep_case,
                                             model->allocator};
    embedding e = {.model = model, .texts = texts, .out = out};
    vecna_status status = check_dim(model, out, err);
    if (status != VECNA_OK)
        return status;
    if (out.rows != count)
        return vecna_error_set(err, VECNA_ERR_DIM, -1, "%zu texts do not become %zu rows", count,
                               out.rows);
    e.rooms = vecna_allocate_zero(model->allocator, threads, sizeof *e.rooms);
    e.readers = vecna_allocate_zero(model->allocator, threads, sizeof(vecna_tokenizer *));
    e.failed = vecna_allocate_zero(model->allocator, threads, sizeof *e.failed);
    e.words = vecna_allocate_zero(model->allocator, threads, sizeof *e.words);
    if (!e.rooms || !e.readers || !e.failed || !e.words)
        status = no_memory(model, err);
    for (size_t t = 0; status == VECNA_OK && t < threads; t++)
        status = vecna_tokenizer_new(&reading, &e.readers[t], err);
    if (status == VECNA_OK)
        vecna_pool_run(pool, count, TEXTS_A_TASK, embed_texts, &e);
    for (size_t t = 0; status == VECNA_OK && t < threads; t++)
        if (e.failed[t] != VECNA_OK)
            status = vecna_error_set(err, e.failed[t], -1, "not enough memory for a text");
    for (size_t t = 0; status == VECNA_OK && words && t < threads; t++)
        *words = (t ? *words : 0) + e.words[t];
    for (size_t t = 0; e.rooms && t < threads; t++)
        close_room(model, &e.rooms[t]);
    for (size_t t = 0; e.readers && t < threads; t++)
        vecna_tokenizer_free(e.readers[t]);
    vecna_release(model->allocator, e.rooms);
    vecna_release(model->allocator, e.readers);
    vecna_release(model->allocator, e.failed);
    vecna_release(model->allocator, e.words);
    return status;
}
