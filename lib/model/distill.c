/* From a teacher to a table.
 *
 * With X the texts as weighted means of pieces (sparse), Y what the teacher says of them about its mean,
 * and E what it says of single pieces about theirs, the table is
 *
 *     M = s E + D,   D = argmin |Y - X (s E + D)|^2 + ridge |D|^2,   s = <X E, Y> / |X E|^2
 *
 * a sparse least-squares problem for all columns at once. Conjugate gradients on the normal equations
 * X'X + ridge need one pass over the texts a step; every column has its own coefficients. A piece that no
 * text holds keeps s E. Then the principal directions of the fitted texts X M, and the weights multiplied
 * into the rows, so that the model itself only adds. */
#include "model/model_impl.h"
#include "vecna/linalg.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { HELD_OUT_OF = 20 };

typedef struct distillation {
    const vecna_distill_input *input;
    const vecna_distill_options *options;
    const vecna_allocator *allocator;
    vecna_pool *pool;
    vecna_wordpiece *tokenizer;
    size_t pieces, texts, wide; /* wide: teacher dim */
    size_t dim;
    double ridge;
    /* texts as sparse rows, and the same by piece */
    size_t *start;       /* (texts + 1) */
    int32_t *piece;      /* (occurrences) */
    size_t *at;          /* (pieces + 1) of each piece in text_of */
    uint32_t *text_of;   /* (occurrences) */
    float *weight;       /* (pieces) */
    float *length;       /* (texts) 1 / pieces of the text; 0 where it has none */
    unsigned char *held; /* (texts) held out */
    float *y;            /* (texts, wide) about the mean; rows held out too */
    float *m;            /* (pieces, wide) the table */
    float *r, *p, *q;    /* (pieces, wide) residual, direction, its image */
    float *image;        /* (texts, wide) X p */
    double *rr, *pq;     /* (wide) */
    vecna_distill_report report;
} distillation;

static vecna_status no_memory(const distillation *d, const char *what, vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for %s of %zu texts", what,
                           d->texts);
}

static vecna_status tell(const distillation *d, const char *stage, double done, vecna_error *err) {
    if (d->options->progress && d->options->progress(d->options->progress_user, stage, done)) {
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1, "cancelled");
    }
    return VECNA_OK;
}

/* ---- texts ----------------------------------------------------------------------------------- */

static vecna_status encode_texts(distillation *d, vecna_error *err) {
    const vecna_passage *texts = d->input->texts;
    const int32_t unknown = vecna_wordpiece_unknown(d->tokenizer);
    size_t longest = 0, all = 0, used = 0;
    int32_t *ids, *fitted;
    for (size_t t = 0; t < d->texts; t++) {
        longest = texts[t].bytes > longest ? texts[t].bytes : longest;
        all += texts[t].bytes;
    }
    ids = vecna_allocate(d->allocator, longest + 1, sizeof *ids);
    d->piece = vecna_allocate(d->allocator, all + 1, sizeof *d->piece);
    d->start = vecna_allocate(d->allocator, d->texts + 1, sizeof *d->start);
    d->length = vecna_allocate(d->allocator, d->texts, sizeof *d->length);
    d->held = vecna_allocate(d->allocator, d->texts, 1);
    if (!ids || !d->piece || !d->start || !d->length || !d->held) {
        vecna_release(d->allocator, ids);
        return no_memory(d, "the pieces", err);
    }
    for (size_t t = 0; t < d->texts; t++) {
        const size_t count =
            vecna_wordpiece_encode(d->tokenizer, texts[t].data, texts[t].bytes, ids);
        d->start[t] = used;
        for (size_t i = 0; i < count; i++) {
            if (ids[i] != unknown) {
                d->piece[used++] = ids[i];
            }
        }
        const size_t known = used - d->start[t];
        d->length[t] = known ? 1 / (float)known : 0;
        d->held[t] = t % HELD_OUT_OF == HELD_OUT_OF - 1;
        d->report.texts += known > 0;
    }
    d->start[d->texts] = used;
    vecna_release(d->allocator, ids);
    fitted = vecna_resize(d->allocator, d->piece, used + 1, sizeof *d->piece);
    d->piece = fitted ? fitted : d->piece;
    return d->report.texts > HELD_OUT_OF
               ? VECNA_OK
               : vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                                 "%zu texts hold pieces of the vocabulary; a table needs some "
                                 "thousands",
                                 d->report.texts);
}

/* Occurrences by piece, for what goes from texts to pieces; texts held out are left out. */
static vecna_status turn_around(distillation *d, vecna_error *err) {
    size_t occurrences = d->start[d->texts];
    d->at = vecna_allocate_zero(d->allocator, d->pieces + 2, sizeof *d->at);
    d->text_of = vecna_allocate(d->allocator, occurrences + 1, sizeof *d->text_of);
    d->weight = vecna_allocate(d->allocator, d->pieces, sizeof *d->weight);
    if (!d->at || !d->text_of || !d->weight) {
        return no_memory(d, "the occurrences", err);
    }
    for (size_t t = 0; t < d->texts; t++) {
        for (size_t i = d->start[t]; !d->held[t] && i < d->start[t + 1]; i++) {
            d->at[d->piece[i] + 2]++;
        }
    }
    for (size_t v = 0; v < d->pieces; v++) {
        d->at[v + 2] += d->at[v + 1];
    }
    for (size_t t = 0; t < d->texts; t++) {
        for (size_t i = d->start[t]; !d->held[t] && i < d->start[t + 1]; i++) {
            d->text_of[d->at[d->piece[i] + 1]++] = (uint32_t)t;
        }
    }
    const double rarity = d->options->rarity > 0 ? d->options->rarity : 3e-4;
    const double total = (double)d->at[d->pieces];
    for (size_t v = 0; v < d->pieces; v++) {
        const double count = (double)(d->at[v + 1] - d->at[v]);
        d->weight[v] = (float)(rarity / (rarity + count / total));
        d->report.pieces_seen += count > 0;
    }
    return VECNA_OK;
}

/* ---- X and its transpose --------------------------------------------------------------------- */

typedef struct pass {
    distillation *d;
    const float *from;
    float *to;
    int all; /* texts held out as well */
} pass;

static void add_scaled(float *restrict sum, const float *restrict row, float by, size_t count) {
    for (size_t j = 0; j < count; j++) {
        sum[j] += by * row[j];
    }
}

/* Texts from pieces: to = X from. */
static void to_texts(void *user, size_t begin, size_t end, size_t worker) {
    const pass *x = user;
    const distillation *d = x->d;
    (void)worker;
    for (size_t t = begin; t < end; t++) {
        float *row = x->to + t * d->wide;
        memset(row, 0, d->wide * sizeof *row);
        if (d->held[t] && !x->all) {
            continue;
        }
        for (size_t i = d->start[t]; i < d->start[t + 1]; i++) {
            const size_t v = (size_t)d->piece[i];
            add_scaled(row, x->from + v * d->wide, d->weight[v] * d->length[t], d->wide);
        }
    }
}

/* Pieces from texts: to = X' from, over texts that are not held out. */
static void to_pieces(void *user, size_t begin, size_t end, size_t worker) {
    const pass *x = user;
    const distillation *d = x->d;
    (void)worker;
    for (size_t v = begin; v < end; v++) {
        float *row = x->to + v * d->wide;
        memset(row, 0, d->wide * sizeof *row);
        for (size_t i = d->at[v]; i < d->at[v + 1]; i++) {
            const size_t t = d->text_of[i];
            add_scaled(row, x->from + t * d->wide, d->weight[v] * d->length[t], d->wide);
        }
    }
}

static void texts_of(distillation *d, const float *pieces, float *texts, int all) {
    pass x = {d, pieces, texts, all};
    vecna_pool_run(d->pool, d->texts, 64, to_texts, &x);
}

static void pieces_of(distillation *d, const float *texts, float *pieces) {
    pass x = {d, texts, pieces, 0};
    vecna_pool_run(d->pool, d->pieces, 64, to_pieces, &x);
}

/* ---- conjugate gradients ---------------------------------------------------------------------- */

/* sums (wide) = sum over rows of a * b, in float64, rows in order. */
static void column_products(const float *a, const float *b, size_t rows, size_t wide,
                            double *sums) {
    memset(sums, 0, wide * sizeof *sums);
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < wide; j++) {
            sums[j] += (double)a[i * wide + j] * (double)b[i * wide + j];
        }
    }
}

/* Solve (X'X + ridge) D = X'(Y - X sE) from D = 0, adding to m as it goes. image holds Y - X sE at the
 * start. */
static vecna_status tune(distillation *d, vecna_error *err) {
    const size_t steps = d->options->steps ? d->options->steps : 40, wide = d->wide;
    const size_t size = d->pieces * wide;
    vecna_status status = VECNA_OK;
    pieces_of(d, d->image, d->r);
    memcpy(d->p, d->r, size * sizeof *d->p);
    column_products(d->r, d->r, d->pieces, wide, d->rr);
    for (size_t step = 0; status == VECNA_OK && step < steps; step++) {
        texts_of(d, d->p, d->image, 0);
        pieces_of(d, d->image, d->q);
        for (size_t i = 0; i < size; i++) {
            d->q[i] += (float)d->ridge * d->p[i];
        }
        column_products(d->p, d->q, d->pieces, wide, d->pq);
        for (size_t j = 0; j < wide; j++) { /* from here on the step of a column */
            d->pq[j] = d->pq[j] > 0 ? d->rr[j] / d->pq[j] : 0;
        }
        for (size_t i = 0; i < size; i++) {
            const float by = (float)d->pq[i % wide];
            d->m[i] += by * d->p[i];
            d->r[i] -= by * d->q[i];
        }
        memcpy(d->pq, d->rr, wide * sizeof *d->pq);
        column_products(d->r, d->r, d->pieces, wide, d->rr);
        for (size_t i = 0; i < size; i++) {
            const double was = d->pq[i % wide];
            d->p[i] = d->r[i] + (float)(was > 0 ? d->rr[i % wide] / was : 0) * d->p[i];
        }
        status = tell(d, "tuning", (double)(step + 1) / (double)steps, err);
    }
    return status;
}

/* ---- the road -------------------------------------------------------------------------------- */

/* to (rows, wide) = from about its mean. */
static vecna_status centre(const distillation *d, vecna_view from, float *to, vecna_error *err) {
    double *mean = vecna_allocate_zero(d->allocator, d->wide, sizeof *mean);
    if (!mean) {
        return no_memory(d, "a mean", err);
    }
    vecna_linalg_sum_add(from, mean);
    for (size_t i = 0; i < from.rows; i++) {
        for (size_t j = 0; j < d->wide; j++) {
            const double at = (double)from.data[i * from.stride + j];
            to[i * d->wide + j] = (float)(at - mean[j] / (double)from.rows);
            if (!isfinite(to[i * d->wide + j])) {
                vecna_release(d->allocator, mean);
                return vecna_error_set(
                    err, VECNA_ERR_VALUE, (int64_t)i,
                    "row %zu of the teacher's %s is not finite, or its mean is "
                    "not",
                    i, from.data == d->input->piece_vectors.data ? "pieces" : "texts");
            }
        }
    }
    vecna_release(d->allocator, mean);
    return VECNA_OK;
}

/* Mean cosine to the teacher of the texts held out, both about their means. */
static double held_out_cosine(distillation *d) {
    double sum = 0;
    size_t count = 0;
    texts_of(d, d->m, d->image, 1);
    for (size_t t = 0; t < d->texts; t++) {
        const float *a = d->image + t * d->wide, *b = d->y + t * d->wide;
        double ab = 0, aa = 0, bb = 0;
        if (!d->held[t] || d->length[t] == 0) {
            continue;
        }
        for (size_t j = 0; j < d->wide; j++) {
            ab += (double)a[j] * (double)b[j];
            aa += (double)a[j] * (double)a[j];
            bb += (double)b[j] * (double)b[j];
        }
        sum += aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : 0;
        count++;
    }
    return count ? sum / (double)count : 0;
}

/* m = s E, and image = Y - X m on the texts that are fitted. */
static vecna_status start_table(distillation *d, vecna_error *err) {
    double both = 0, square = 0;
    vecna_status status = centre(d, d->input->piece_vectors, d->m, err);
    if (status == VECNA_OK) {
        status = centre(d, d->input->text_vectors, d->y, err);
    }
    if (status != VECNA_OK) {
        return status;
    }
    texts_of(d, d->m, d->image, 0);
    for (size_t i = 0; i < d->texts * d->wide; i++) {
        both += (double)d->image[i] * (double)d->y[i];
        square += (double)d->image[i] * (double)d->image[i];
    }
    const float scale = square > 0 ? (float)(both / square) : 0;
    for (size_t i = 0; i < d->pieces * d->wide; i++) {
        d->m[i] *= scale;
    }
    d->report.cosine_untuned = held_out_cosine(d);
    texts_of(d, d->m, d->image, 0);
    for (size_t t = 0; t < d->texts; t++) {
        for (size_t j = 0; j < d->wide; j++) {
            const size_t i = t * d->wide + j;
            d->image[i] = d->held[t] ? 0 : d->y[i] - d->image[i];
        }
    }
    return VECNA_OK;
}

/* Principal directions of the fitted texts: basis (wide, wide), a direction a row. */
static vecna_status find_directions(distillation *d, double *basis, double *values,
                                    vecna_error *err) {
    const vecna_view none = {0};
    vecna_gram sums = {.gram = basis, .allocator = d->allocator};
    double kept = 0, all = 0;
    vecna_status status;
    memset(basis, 0, d->wide * d->wide * sizeof *basis);
    texts_of(d, d->m, d->image, 0);
    status = vecna_linalg_gram_add(&sums, vecna_view_dense(d->image, d->texts, d->wide), none, err);
    if (status == VECNA_OK) {
        status = vecna_linalg_eigen(basis, d->wide, values, err);
    }
    for (size_t j = 0; status == VECNA_OK && j < d->wide; j++) {
        all += fmax(values[j], 0);
        kept += j < d->dim ? fmax(values[j], 0) : 0;
    }
    d->report.variance_kept = all > 0 ? kept / all : 0;
    return status;
}

static void print_report(const distillation *d, char *out, size_t bytes) {
    const vecna_distill_report *r = &d->report;
    snprintf(out, bytes,
             "{\"texts\":%zu,\"pieces_seen\":%zu,\"cosine_untuned\":%.4f,\"cosine\":%.4f,"
             "\"variance_kept\":%.4f}",
             r->texts, r->pieces_seen, r->cosine_untuned, r->cosine, r->variance_kept);
}

/* The table in `dim` directions, weights multiplied in, rounded. */
static vecna_status deliver(distillation *d, vecna_model **out, vecna_error *err) {
    const vecna_distill_options *o = d->options;
    char report[256];
    double *basis = vecna_allocate(d->allocator, d->wide * (d->wide + 1), sizeof *basis);
    float *directions = vecna_allocate(d->allocator, d->wide * d->dim, sizeof *directions);
    float *rows = vecna_allocate(d->allocator, d->pieces * d->dim, sizeof *rows);
    vecna_status status = VECNA_ERR_MEMORY;
    vecna_model *model = NULL;
    if (!basis || !directions || !rows) {
        status = no_memory(d, "the table", err);
        goto done;
    }
    status = find_directions(d, basis, basis + d->wide * d->wide, err);
    if (status != VECNA_OK) {
        goto done;
    }
    for (size_t k = 0; k < d->dim; k++) {
        for (size_t j = 0; j < d->wide; j++) {
            directions[j * d->dim + k] = (float)basis[k * d->wide + j];
        }
    }
    status = vecna_linalg_product(vecna_view_dense(d->m, d->pieces, d->wide),
                                  vecna_view_dense(directions, d->wide, d->dim),
                                  vecna_matrix_dense(rows, d->pieces, d->dim), d->pool, err);
    if (status != VECNA_OK) {
        goto done;
    }
    print_report(d, report, sizeof report);
    const vni_model_words words = {
        .name = o->name, .teacher = o->teacher, .licence = o->licence, .report = report};
    status = vni_model_new(d->input->vocabulary, d->input->vocabulary_bytes, d->dim,
                           o->dtype == VECNA_F16 ? VECNA_F16 : VECNA_I8, o->keep_case, &words,
                           d->allocator, &model, err);
    if (status != VECNA_OK) {
        goto done;
    }
    for (size_t v = 0; v < d->pieces; v++) {
        for (size_t k = 0; k < d->dim; k++) {
            rows[v * d->dim + k] *= d->weight[v];
        }
        vni_model_set_row(model, v, rows + v * d->dim);
    }
    *out = model;
done:
    vecna_release(d->allocator, basis);
    vecna_release(d->allocator, directions);
    vecna_release(d->allocator, rows);
    return status;
}

static vecna_status make_room(distillation *d, vecna_error *err) {
    const size_t row = d->wide * sizeof(float);
    d->y = vecna_allocate(d->allocator, d->texts, row);
    d->image = vecna_allocate(d->allocator, d->texts, row);
    d->m = vecna_allocate(d->allocator, d->pieces, row);
    d->r = vecna_allocate(d->allocator, d->pieces, row);
    d->p = vecna_allocate(d->allocator, d->pieces, row);
    d->q = vecna_allocate(d->allocator, d->pieces, row);
    d->rr = vecna_allocate(d->allocator, d->wide, sizeof *d->rr);
    d->pq = vecna_allocate(d->allocator, d->wide, sizeof *d->pq);
    return d->y && d->image && d->m && d->r && d->p && d->q && d->rr && d->pq
               ? VECNA_OK
               : no_memory(d, "the vectors", err);
}

static void free_distillation(distillation *d) {
    void *all[] = {d->start, d->piece, d->at, d->text_of, d->weight, d->length, d->held, d->y,
                   d->m,     d->r,     d->p,  d->q,       d->image,  d->rr,     d->pq};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        vecna_release(d->allocator, all[i]);
    }
    vecna_wordpiece_free(d->tokenizer);
}

static vecna_status check_shapes(distillation *d, vecna_error *err) {
    const vecna_distill_options *o = d->options;
    const vecna_wordpiece_options tokenizer = {.keep_case = o->keep_case,
                                               .allocator = d->allocator};
    vecna_status status = vecna_wordpiece_new(d->input->vocabulary, d->input->vocabulary_bytes,
                                              &tokenizer, &d->tokenizer, err);
    if (status != VECNA_OK) {
        return status;
    }
    d->pieces = vecna_wordpiece_size(d->tokenizer);
    if (d->pieces != d->input->piece_vectors.rows) {
        return vecna_error_set(err, VECNA_ERR_DIM, -1,
                               "the vocabulary has %zu pieces, the teacher's pieces %zu rows; they "
                               "go together by line",
                               d->pieces, d->input->piece_vectors.rows);
    }
    if (d->wide != d->input->text_vectors.dim) {
        return vecna_error_set(err, VECNA_ERR_DIM, -1,
                               "pieces have %zu dimensions and texts %zu: one teacher has one",
                               d->wide, d->input->text_vectors.dim);
    }
    if (d->dim > d->wide || (o->dtype != 0 && o->dtype != VECNA_I8 && o->dtype != VECNA_F16) ||
        o->rarity < 0 || o->ridge < 0) {
        return vecna_error_set(
            err, VECNA_ERR_ARGUMENT, -1,
            "%zu of the teacher's %zu dimensions cannot be kept, or rarity, ridge "
            "or dtype is out of range",
            d->dim, d->wide);
    }
    return VECNA_OK;
}

vecna_status vecna_model_distill(const vecna_distill_input *input,
                                 const vecna_distill_options *options, vecna_model **out,
                                 vecna_distill_report *report, vecna_error *err) {
    static const vecna_distill_options none = {0};
    distillation d = {.input = input, .options = options ? options : &none};
    vecna_status status;
    d.allocator = d.options->allocator;
    d.pool = d.options->pool;
    d.texts = input->text_vectors.rows;
    d.wide = input->piece_vectors.dim;
    d.dim = d.options->dim ? d.options->dim : (d.wide < 256 ? d.wide : 256);
    d.ridge = d.options->ridge > 0 ? d.options->ridge : 0.1;
    status = check_shapes(&d, err);
    if (status == VECNA_OK) {
        status = encode_texts(&d, err);
    }
    if (status == VECNA_OK) {
        status = turn_around(&d, err);
    }
    if (status == VECNA_OK) {
        status = make_room(&d, err);
    }
    if (status == VECNA_OK) {
        status = start_table(&d, err);
    }
    if (status == VECNA_OK) {
        status = tune(&d, err);
    }
    if (status == VECNA_OK) {
        d.report.cosine = held_out_cosine(&d);
        status = deliver(&d, out, err);
    }
    if (status == VECNA_OK && report) {
        *report = d.report;
    }
    free_distillation(&d);
    return status;
}
