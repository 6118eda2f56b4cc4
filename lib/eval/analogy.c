/* Questions share their words (the standard set asks 19,544 questions of 905 words), so cosines are
 * computed once for each different word against a part of the vocabulary, as one matrix product, and
 * every question then only adds, or multiplies, three numbers a candidate. A candidate that is one of
 * the question's own words is looked for only when it would win. */
#include "eval/eval_impl.h"

#include "vecna/linalg.h"
#include "vecna/metric.h"

#include <math.h>
#include <string.h>

enum { QUESTION_GRAIN = 16 };
#define PART_FLOATS ((size_t)1 << 24)
#define EPSILON 0.001f

typedef struct answering {
    const vecna_analogy *questions;
    const vecna_analogy_options *options;
    float *unit;      /* (rows, dim) */
    float *asked;     /* (asked_count, dim) different words of the questions */
    int32_t *place;   /* (rows) in asked, -1 not asked */
    float *cosines;   /* (asked_count, part) */
    float *best;      /* (count) */
    int64_t *answers; /* (count) */
    size_t asked_count;
    size_t first, part; /* rows of this part of the vocabulary */
    size_t part_most;
    float epsilon;
} answering;

static int is_own(const answering *work, const vecna_analogy *question, size_t row) {
    const int64_t *variants = work->options->variants;
    if (variants == NULL)
        return row == question->a || row == question->b || row == question->c;
    return variants[row] == variants[question->a] || variants[row] == variants[question->b] ||
           variants[row] == variants[question->c];
}

static void answer_one(const answering *work, size_t index) {
    const vecna_analogy *question = &work->questions[index];
    const float *a = work->cosines + (size_t)work->place[question->a] * work->part_most;
    const float *b = work->cosines + (size_t)work->place[question->b] * work->part_most;
    const float *c = work->cosines + (size_t)work->place[question->c] * work->part_most;
    float best = work->best[index];
    for (size_t i = 0; i < work->part; i++) {
        float score = c[i];
        if (work->options->method == VECNA_ANALOGY_ADD)
            score = b[i] - a[i] + c[i];
        else if (work->options->method == VECNA_ANALOGY_MUL)
            score = (1 + b[i]) * (1 + c[i]) / (1 + a[i] + work->epsilon);
        if (score > best && !is_own(work, question, work->first + i)) {
            best = score;
            work->answers[index] = (int64_t)(work->first + i);
        }
    }
    work->best[index] = best;
}

static void answer_some(void *user, size_t begin, size_t end, size_t worker) {
    (void)worker;
    for (size_t i = begin; i < end; i++)
        answer_one(user, i);
}

/* Unit rows, and those that are asked of, side by side. */
static vecna_status prepare(answering *work, vecna_view words, size_t count, vecna_error *err) {
    vecna_status status = vecna_metric_normalize(
        words, vecna_matrix_dense(work->unit, words.rows, words.dim), NULL, err);
    memset(work->place, 0xFF, words.rows * sizeof *work->place);
    for (size_t i = 0; status == VECNA_OK && i < count; i++) {
        const size_t rows[3] = {work->questions[i].a, work->questions[i].b, work->questions[i].c};
        for (size_t at = 0; at < 3; at++) {
            if (rows[at] >= words.rows)
                return vecna_error_set(err, VECNA_ERR_ARGUMENT, (int64_t)i,
                                       "question %zu asks for row %zu of %zu", i, rows[at],
                                       words.rows);
            if (work->place[rows[at]] < 0)
                work->place[rows[at]] = (int32_t)work->asked_count++;
        }
        work->best[i] = -INFINITY;
        work->answers[i] = -1;
    }
    return status;
}

static vecna_status answer_all(answering *work, vecna_view words, size_t count, vecna_error *err) {
    vecna_view unit = vecna_view_dense(work->unit, words.rows, words.dim);
    vecna_view asked = vecna_view_dense(work->asked, work->asked_count, words.dim);
    vecna_status status = VECNA_OK;
    for (size_t row = 0; row < words.rows; row++)
        if (work->place[row] >= 0)
            memcpy(work->asked + (size_t)work->place[row] * words.dim, work->unit + row * words.dim,
                   words.dim * sizeof(float));
    for (work->first = 0; status == VECNA_OK && work->first < words.rows;
         work->first += work->part_most) {
        vecna_matrix cosines = {work->cosines, work->asked_count, 0, work->part_most};
        size_t left = words.rows - work->first;
        work->part = cosines.dim = left < work->part_most ? left : work->part_most;
        status = vecna_linalg_product_rows(asked, vecna_view_rows(unit, work->first, work->part),
                                           cosines, work->options->pool, err);
        if (status == VECNA_OK)
            vecna_pool_run(work->options->pool, count, QUESTION_GRAIN, answer_some, work);
    }
    return status;
}

vecna_status vecna_eval_analogies(vecna_view words, const vecna_analogy *questions, size_t count,
                                  const vecna_analogy_options *options, int64_t *out,
                                  vecna_error *err) {
    static const vecna_analogy_options defaults;
    const vecna_analogy_options *o = options ? options : &defaults;
    answering work = {.questions = questions, .options = o, .epsilon = 2 * EPSILON};
    size_t cells;
    vecna_status status = VECNA_OK;

    if (words.rows > INT32_MAX || !vecna_size_mul(words.rows, words.dim, &cells))
        return vecna_error_set(err, VECNA_ERR_OVERFLOW, -1, "%zu words are too many", words.rows);
    if (o->epsilon > 0)
        work.epsilon = (float)(2 * o->epsilon);
    work.unit = vecna_allocate(o->allocator, cells, sizeof *work.unit);
    work.place = vecna_allocate(o->allocator, words.rows, sizeof *work.place);
    work.best = vecna_allocate(o->allocator, count, sizeof *work.best);
    work.answers = vecna_allocate(o->allocator, count, sizeof *work.answers);
    if (!work.unit || !work.place || !work.best || !work.answers)
        goto no_memory;
    status = prepare(&work, words, count, err);
    if (status != VECNA_OK || count == 0)
        goto done;
    work.part_most = PART_FLOATS / work.asked_count;
    work.part_most = work.part_most < 64 ? 64 : work.part_most;
    work.part_most = work.part_most < words.rows ? work.part_most : words.rows;
    work.asked = vecna_allocate(o->allocator, work.asked_count * words.dim, sizeof *work.asked);
    work.cosines =
        vecna_allocate(o->allocator, work.asked_count * work.part_most, sizeof *work.cosines);
    if (!work.asked || !work.cosines)
        goto no_memory;
    status = answer_all(&work, words, count, err);
    if (status == VECNA_OK)
        memcpy(out, work.answers, count * sizeof *out);
    goto done;
no_memory:
    status =
        vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                        "not enough memory to ask %zu questions of %zu words", count, words.rows);
done:
    vecna_release(o->allocator, work.unit);
    vecna_release(o->allocator, work.place);
    vecna_release(o->allocator, work.best);
    vecna_release(o->allocator, work.answers);
    vecna_release(o->allocator, work.asked);
    vecna_release(o->allocator, work.cosines);
    return status;
}
