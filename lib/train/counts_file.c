/* What reads new texts, on disk: weights of columns, directions, and the words. */
#include "train/counts_impl.h"

#include "train/state_impl.h"

#include <math.h>
#include <stdio.h>

enum { OPTIONS_BYTES = 300 };

static void print_options(const vecna_counts *model, size_t text_words, char *out) {
    const vecna_counts_options *o = &model->options;
    snprintf(
        out, OPTIONS_BYTES,
        "counts method=%d sublinear=%d unit_rows=%d buckets=%zu dim=%zu tokens=%d keep_case=%d "
        "columns=%zu texts=%zu rounds=%zu share=%.17g words=%zu",
        (int)o->method, o->sublinear != 0, o->unit_rows != 0, o->buckets, model->dim,
        (int)o->tokens, o->keep_case != 0, model->columns, model->texts, model->rounds,
        model->share, text_words);
}

static int scan_options(const char *text, vecna_counts *model, size_t *text_words) {
    vecna_counts_options *o = &model->options;
    int method = 0, tokens = 0;
    int found = sscanf(text,
                       "counts method=%d sublinear=%d unit_rows=%d buckets=%zu dim=%zu tokens=%d "
                       "keep_case=%d columns=%zu texts=%zu rounds=%zu share=%lf words=%zu",
                       &method, &o->sublinear, &o->unit_rows, &o->buckets, &model->dim, &tokens,
                       &o->keep_case, &model->columns, &model->texts, &model->rounds, &model->share,
                       text_words);
    o->method = (vecna_counting)method;
    o->tokens = (vecna_tokens)tokens;
    o->dim = model->dim;
    return found == 12 && method >= 0 && method <= VECNA_LSA && tokens >= 0 && tokens <= 1 &&
           model->columns > 0 && model->columns <= INT32_MAX && model->dim > 0 &&
           (method == VECNA_LSA ? model->dim <= model->columns : model->dim == model->columns) &&
           (o->buckets == 0 || o->buckets == model->columns) && *text_words <= SIZE_MAX / 8;
}

/* Arrays that a model of this kind has. */
static size_t collect(const vecna_counts *model, char *text, size_t text_words,
                      vni_state_part *parts) {
    size_t count = 0;
    if (model->weights)
        parts[count++] = (vni_state_part){"weights", model->weights, model->columns, 8, 8};
    if (model->directions) {
        const size_t bytes = model->dim * sizeof(float);
        parts[count++] =
            (vni_state_part){"directions", model->directions, model->columns, bytes, bytes};
        parts[count++] = (vni_state_part){"values", model->values, model->dim, 8, 8};
    }
    if (text)
        parts[count++] = (vni_state_part){"vocabulary", text, text_words, 4, 4};
    return count;
}

static uint64_t add_bytes(uint64_t hash, const void *data, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ ((const unsigned char *)data)[i]) * 1099511628211u;
    return hash;
}

void vni_counts_seal(vecna_counts *model) {
    char options[OPTIONS_BYTES];
    vni_state_part parts[4];
    size_t count = collect(model, NULL, 0, parts);
    uint64_t hash = 1469598103934665603u;
    print_options(model, 0, options);
    hash = add_bytes(hash, options, strlen(options));
    for (size_t i = 0; i < count; i++)
        hash = add_bytes(hash, parts[i].data, parts[i].rows * parts[i].row_bytes);
    for (size_t i = 0; model->words && i < model->columns; i++) {
        size_t bytes;
        const char *word = vecna_vocab_word(model->words, (int32_t)i, &bytes);
        hash = add_bytes(hash, word, bytes + 1);
    }
    model->fingerprint = hash;
}

vecna_status vecna_counts_save(const vecna_counts *model, const char *path, vecna_error *err) {
    char options[OPTIONS_BYTES];
    vni_state_part parts[4];
    size_t text_words = 0;
    char *text = NULL;
    vecna_status status;
    if (model->words) {
        text = vni_state_print_words(model->words, model->allocator, &text_words);
        if (text == NULL)
            return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for the words");
    }
    print_options(model, text_words, options);
    status = vni_state_save(path, options, parts, collect(model, text, text_words, parts),
                            model->allocator, err);
    vecna_release(model->allocator, text);
    return status;
}

static vecna_status no_model(const char *path, vecna_error *err) {
    return vecna_error_set(
        err, VECNA_ERR_FORMAT, -1,
        "%.150s is no model of counts, or is damaged; --keep of vecna train onehot, "
        "tfidf or lsa writes one",
        path);
}

static int is_finite(const vecna_counts *model) {
    for (size_t i = 0; model->weights && i < model->columns; i++)
        if (!isfinite(model->weights[i]))
            return 0;
    for (size_t i = 0; model->directions && i < model->columns * model->dim; i++)
        if (!isfinite(model->directions[i]))
            return 0;
    return 1;
}

/* 1 when the parts that the options speak of can be in a file of so many bytes. */
static int fits_in(const vecna_counts *model, size_t text_words, uint64_t data_bytes) {
    size_t row = model->options.method == VECNA_ONEHOT ? 0 : sizeof(double), bytes = 0;
    if (model->options.method == VECNA_LSA)
        row += model->dim * sizeof(float); /* dim is at most 2^31 */
    return vecna_size_mul(model->columns, row, &bytes) && bytes <= data_bytes &&
           (model->options.buckets || text_words <= data_bytes / 4);
}

static vecna_status read_parts(vecna_counts *model, const char *path, const char *options,
                               size_t text_words, vecna_error *err) {
    const vecna_allocator *allocator = model->allocator;
    const int method = model->options.method;
    vni_state_part parts[4];
    char *text = NULL;
    const size_t entries = model->columns * model->dim; /* fits_in */
    vecna_status status = VECNA_OK;
    if (method != VECNA_ONEHOT)
        model->weights = vecna_allocate(allocator, model->columns, sizeof *model->weights);
    if (method == VECNA_LSA) {
        model->directions = vecna_allocate(allocator, entries, sizeof *model->directions);
        model->values = vecna_allocate(allocator, model->dim, sizeof *model->values);
    }
    if (model->options.buckets == 0)
        text = vecna_allocate(allocator, text_words + 1, 4);
    if ((method != VECNA_ONEHOT && !model->weights) ||
        (method == VECNA_LSA && (!model->directions || !model->values)) ||
        (model->options.buckets == 0 && !text))
        status = vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for %.150s", path);
    if (status == VECNA_OK)
        status = vni_state_load(path, options, parts, collect(model, text, text_words, parts),
                                allocator, err);
    if (status == VECNA_OK && text) {
        status = vni_state_take_words(text, text_words * 4, model->columns, allocator,
                                      &model->own_words, err);
        model->words = model->own_words;
    }
    vecna_release(allocator, text);
    if (status == VECNA_ERR_FORMAT || (status == VECNA_OK && !is_finite(model)))
        return no_model(path, err);
    return status;
}

vecna_status vecna_counts_open(const char *path, const vecna_allocator *allocator,
                               vecna_counts **out, vecna_error *err) {
    char options[OPTIONS_BYTES];
    size_t text_words = 0;
    uint64_t data_bytes = 0;
    vecna_counts *model;
    vecna_status status =
        vni_state_options(path, options, sizeof options, &data_bytes, allocator, err);
    if (status == VECNA_ERR_FORMAT)
        return no_model(path, err);
    if (status != VECNA_OK)
        return status;
    model = vecna_allocate_zero(allocator, 1, sizeof *model);
    if (model == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for a model");
    if (allocator) {
        model->allocator_copy = *allocator;
        model->allocator = &model->allocator_copy;
    }
    if (!scan_options(options, model, &text_words) || !fits_in(model, text_words, data_bytes))
        status = no_model(path, err);
    if (status == VECNA_OK)
        status = read_parts(model, path, options, text_words, err);
    if (status != VECNA_OK) {
        vecna_counts_free(model);
        return status;
    }
    vni_counts_seal(model);
    *out = model;
    return VECNA_OK;
}
