/* A static model at work: tokenize, add rows, normalise.
 *
 * Pieces of a text are found first and added after, each row fetched a few pieces ahead: the table is
 * larger than the caches, and waiting for rows is what takes the time. Adding a row is a loop over
 * numbers that stand apart, compiled for each instruction set; sums are the same in all of them. */
#include "model/model_impl.h"

#include <math.h>
#include <string.h>

enum { AHEAD = 6, TEXTS_A_TASK = 16 };

/* ---- making and freeing ---------------------------------------------------------------------- */

static size_t text_bytes(const char *text) {
    return text ? strlen(text) + 1 : 1;
}

static const char *keep(char **at, const char *text) {
    const size_t bytes = text_bytes(text);
    char *kept = *at;
    memcpy(kept, text ? text : "", bytes);
    *at += bytes;
    return kept;
}

vecna_status vni_model_new(const char *vocabulary, size_t vocabulary_bytes, size_t dim,
                           vecna_dtype dtype, int keep_case, const vni_model_words *words,
                           const vecna_allocator *allocator, vecna_model **out, vecna_error *err) {
    const size_t bytes = text_bytes(words->name) + text_bytes(words->teacher) +
                         text_bytes(words->licence) + text_bytes(words->report);
    vecna_model *m = vecna_allocate_zero(allocator, 1, sizeof *m);
    vecna_status status;
    if (!m) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a model");
    }
    if (allocator) {
        m->allocator_copy = *allocator;
        m->allocator = &m->allocator_copy;
    }
    const vecna_wordpiece_options tokenizer = {
        .keep_case = keep_case, .unknown = words->unknown, .allocator = m->allocator};
    status = vecna_wordpiece_new(vocabulary, vocabulary_bytes, &tokenizer, &m->tokenizer, err);
    if (status != VECNA_OK) {
        goto fail;
    }
    m->pieces = vecna_wordpiece_size(m->tokenizer);
    m->dim = dim;
    m->dtype = dtype;
    m->keep_case = keep_case;
    m->vocabulary_bytes = vocabulary_bytes;
    m->words = vecna_allocate(m->allocator, bytes, 1);
    m->vocabulary = vecna_allocate(m->allocator, vocabulary_bytes, 1);
    m->table = vecna_allocate(m->allocator, m->pieces, vecna_dtype_bytes(dtype, dim));
    m->scales =
        dtype == VECNA_I8 ? vecna_allocate(m->allocator, m->pieces, sizeof *m->scales) : NULL;
    if (!m->words || !m->vocabulary || !m->table || (dtype == VECNA_I8 && !m->scales)) {
        status = vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a table of %zu x %zu",
                                 m->pieces, dim);
        goto fail;
    }
    memcpy(m->vocabulary, vocabulary, vocabulary_bytes);
    char *at = m->words;
    m->name = keep(&at, words->name);
    m->teacher = keep(&at, words->teacher);
    m->licence = keep(&at, words->licence);
    m->report = keep(&at, words->report);
    *out = m;
    return VECNA_OK;
fail:
    vecna_model_free(m);
    return status;
}

void vecna_model_free(vecna_model *model) {
    vecna_allocator copy;
    const vecna_allocator *allocator = NULL;
    if (!model) {
        return;
    }
    if (model->allocator) {
        copy = model->allocator_copy;
        allocator = &copy;
    }
    vecna_wordpiece_free(model->tokenizer);
    vecna_release(allocator, model->words);
    vecna_release(allocator, model->vocabulary);
    vecna_release(allocator, model->table);
    vecna_release(allocator, model->scales);
    vecna_release(allocator, model->tower);
    vecna_release(allocator, model);
}

vecna_model_info vecna_model_about(const vecna_model *model) {
    const vecna_model_info info = {.name = model->name,
                                   .teacher = model->teacher,
                                   .licence = model->licence,
                                   .report = model->report,
                                   .dim = model->dim,
                                   .pieces = model->pieces,
                                   .dtype = model->dtype,
                                   .checksum = model->checksum,
                                   .shape = model->shape.stages ? &model->shape : NULL,
                                   .scale = model->scale};
    return info;
}

/* ---- rows ------------------------------------------------------------------------------------ */

void vni_model_set_row(vecna_model *model, size_t piece, const float *row) {
    float most = 0;
    if (model->dtype == VECNA_F16) {
        vecna_f16_from_float((uint16_t *)model->table + piece * model->dim, row, model->dim);
        return;
    }
    for (size_t j = 0; j < model->dim; j++) {
        most = fmaxf(most, fabsf(row[j]));
    }
    int8_t *to = (int8_t *)model->table + piece * model->dim;
    model->scales[piece] = most / 127;
    for (size_t j = 0; j < model->dim; j++) {
        to[j] = most > 0 ? (int8_t)lrintf(row[j] * 127 / most) : 0;
    }
}

typedef void add_kernel(float *restrict sum, const int8_t *restrict row, float scale, size_t dim);

#define VNI_ADD_LOOP                                                                               \
    for (size_t j = 0; j < dim; j++) {                                                             \
        sum[j] += scale * (float)row[j];                                                           \
    }

static void add_portable(float *restrict sum, const int8_t *restrict row, float scale, size_t dim) {
    VNI_ADD_LOOP
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void
add_avx2(float *restrict sum, const int8_t *restrict row, float scale, size_t dim) {
    VNI_ADD_LOOP
}

__attribute__((target("avx512f"))) static void
add_avx512(float *restrict sum, const int8_t *restrict row, float scale, size_t dim) {
    VNI_ADD_LOOP
}
#endif

static add_kernel *kernel_here(void) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) {
        return add_avx512;
    }
    if (__builtin_cpu_supports("avx2")) {
        return add_avx2;
    }
#endif
    return add_portable;
}

static void add_row(const vecna_model *model, add_kernel *add, int32_t piece, float *sum) {
    const size_t at = (size_t)piece * model->dim;
    if (model->dtype == VECNA_I8) {
        add(sum, (const int8_t *)model->table + at, model->scales[piece], model->dim);
        return;
    }
    const uint16_t *row = (const uint16_t *)model->table + at;
    for (size_t j = 0; j < model->dim;) {
        float wide[64];
        const size_t count = model->dim - j < 64 ? model->dim - j : 64;
        vecna_f16_to_float(wide, row + j, count);
        for (size_t l = 0; l < count; l++) {
            sum[j + l] += wide[l];
        }
        j += count;
    }
}

void vni_model_add_row(const vecna_model *model, int32_t piece, float *sum) {
    add_row(model, kernel_here(), piece, sum);
}

/* ---- texts ----------------------------------------------------------------------------------- */

typedef struct embedding {
    const vecna_model *model;
    const vecna_passage *texts;
    vecna_matrix out;
    size_t longest;   /* bytes of a text */
    int32_t *ids;     /* (longest) a thread */
    uint64_t *pieces; /* a thread */
    add_kernel *add;
} embedding;

static void fetch(const vecna_model *model, int32_t piece) {
    const size_t bytes = vecna_dtype_bytes(model->dtype, model->dim);
    const char *row = (const char *)model->table + (size_t)piece * bytes;
    for (size_t at = 0; at < bytes; at += 64) {
        __builtin_prefetch(row + at);
    }
}

static void normalise(float *row, size_t dim) {
    double square = 0;
    for (size_t j = 0; j < dim; j++) {
        square += (double)row[j] * (double)row[j];
    }
    const float scale = square > 0 ? (float)(1 / sqrt(square)) : 0;
    for (size_t j = 0; j < dim; j++) {
        row[j] *= scale;
    }
}

static void embed_texts(void *user, size_t begin, size_t end, size_t worker) {
    embedding *e = user;
    const int32_t unknown = vecna_wordpiece_unknown(e->model->tokenizer);
    int32_t *ids = e->ids + worker * e->longest;
    for (size_t t = begin; t < end; t++) {
        float *row = e->out.data + t * e->out.stride;
        const size_t count =
            vecna_wordpiece_encode(e->model->tokenizer, e->texts[t].data, e->texts[t].bytes, ids);
        e->pieces[worker] += count;
        memset(row, 0, e->model->dim * sizeof *row);
        for (size_t i = 0; i < count && i < AHEAD; i++) {
            fetch(e->model, ids[i]);
        }
        for (size_t i = 0; i < count; i++) {
            if (i + AHEAD < count) {
                fetch(e->model, ids[i + AHEAD]);
            }
            if (ids[i] != unknown) {
                add_row(e->model, e->add, ids[i], row);
            }
        }
        normalise(row, e->model->dim);
    }
}

vecna_status vecna_model_embed(const vecna_model *model, const vecna_passage *texts, size_t count,
                               vecna_matrix out, uint64_t *pieces, vecna_pool *pool,
                               vecna_error *err) {
    const size_t threads = vecna_pool_threads(pool);
    embedding e = {.model = model, .texts = texts, .out = out, .add = kernel_here()};
    if (out.rows != count || out.dim != model->dim) {
        return vecna_error_set(err, VECNA_ERR_DIM, -1,
                               "%zu texts become %zu rows of %zu, not %zu rows of %zu", count,
                               count, model->dim, out.rows, out.dim);
    }
    for (size_t t = 0; t < count; t++) {
        e.longest = texts[t].bytes > e.longest ? texts[t].bytes : e.longest;
    }
    e.ids = vecna_allocate(model->allocator, threads * (e.longest + 1), sizeof *e.ids);
    e.pieces = vecna_allocate_zero(model->allocator, threads, sizeof *e.pieces);
    if (!e.ids || !e.pieces) {
        vecna_release(model->allocator, e.ids);
        vecna_release(model->allocator, e.pieces);
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a text of %zu bytes",
                               e.longest);
    }
    vecna_pool_run(pool, count, TEXTS_A_TASK, embed_texts, &e);
    for (size_t t = 0; pieces && t < threads; t++) {
        *pieces = (t ? *pieces : 0) + e.pieces[t];
    }
    vecna_release(model->allocator, e.ids);
    vecna_release(model->allocator, e.pieces);
    return VECNA_OK;
}

/* ---- pictures -------------------------------------------------------------------------------- */

vecna_status vecna_model_embed_pictures(const vecna_model *model, const vecna_pictures *pictures,
                                        vecna_matrix out, vecna_pool *pool, vecna_error *err) {
    if (model->shape.stages == 0) {
        return vecna_error_set(err, VECNA_ERR_UNSUPPORTED, -1,
                               "the model knows texts alone: vecna train clip makes one that has "
                               "seen pictures");
    }
    return vecna_image_embed(&model->shape, model->tower, pictures, out, pool, model->allocator,
                             err);
}
