/* What vecna train clip has learned, on pairs that it has not seen: texts look for their pictures, pictures
 * for their texts. */
#include "cli/train_clip.h"
#include "vecna/linalg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static vecna_status no_room(vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for the pairs");
}

static int smaller(const void *a, const void *b) {
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* The different numbers of one side of the held out pairs, ascending; returns how many. */
static size_t list_side(const clip_job *job, size_t side, uint32_t *out) {
    size_t count = 0;
    for (size_t i = 0; i < job->held_count; i++)
        out[i] = job->held[2 * i + side];
    qsort(out, job->held_count, sizeof *out, smaller);
    for (size_t i = 0; i < job->held_count; i++)
        if (i == 0 || out[i] != out[i - 1])
            out[count++] = out[i];
    return count;
}

/* The place of each held pair's side in its list. */
static void place_side(const clip_job *job, size_t side, const uint32_t *list, size_t count,
                       uint32_t *places) {
    for (size_t i = 0; i < job->held_count; i++) {
        const uint32_t *at = bsearch(job->held + 2 * i + side, list, count, sizeof *list, smaller);
        places[i] = (uint32_t)(at - list);
    }
}

static vecna_status fill_pictures(const clip_job *job, const uint32_t *list, size_t count,
                                  float *out, vecna_error *err) {
    const vecna_clip_learned learned = vecna_clip_result(job->model);
    const size_t each =
        job->pictures.all.height * job->pictures.all.width * job->pictures.all.channels;
    vecna_status status = VECNA_OK;
    for (size_t i = 0; i < count && status == VECNA_OK; i++) {
        vecna_pictures one = job->pictures.all;
        one.data = job->pictures.memory + list[i] * each;
        one.count = 1;
        status = vecna_image_embed(
            learned.shape, learned.tower, &one,
            vecna_matrix_dense(out + i * learned.table.dim, 1, learned.table.dim), NULL, NULL, err);
    }
    return status;
}

/* What guessing finds: one at least of `right` among the first CLIP_AMONG of `count`. */
static double chance_of(size_t right, size_t count) {
    double none = 1;
    for (size_t i = 0; i < CLIP_AMONG && none > 0; i++)
        none *= i + right < count ? (double)(count - right - i) / (double)(count - i) : 0;
    return 1 - none;
}

/* Each row of `from` looks for what belongs to it among `to`: the rank of the first that does, with equal
 * scores of others before it. right[i * to.rows + j]: j belongs to i. */
static vecna_status find(const clip_job *job, vecna_view from, vecna_view to, const uint8_t *right,
                         int turned, finding *out, vecna_error *err) {
    float *scores = vecna_allocate(NULL, from.rows, to.rows * sizeof *scores);
    double *reciprocal = vecna_allocate(NULL, 2 * from.rows, sizeof *reciprocal);
    vecna_status status = scores && reciprocal ? VECNA_OK : no_room(err);
    double *among = reciprocal + from.rows;
    if (status == VECNA_OK)
        status = vecna_linalg_product_rows(from, to, vecna_matrix_dense(scores, from.rows, to.rows),
                                           job->pool, err);
    for (size_t i = 0; i < from.rows && status == VECNA_OK; i++) {
        const float *row = scores + i * to.rows;
        float best = -INFINITY;
        size_t rank = 1, belonging = 0;
        for (size_t j = 0; j < to.rows; j++)
            if (right[turned ? j * from.rows + i : i * to.rows + j]) {
                best = row[j] > best ? row[j] : best;
                belonging++;
            }
        for (size_t j = 0; j < to.rows; j++)
            rank += !right[turned ? j * from.rows + i : i * to.rows + j] && !(row[j] < best);
        reciprocal[i] = 1 / (double)rank;
        among[i] = rank <= CLIP_AMONG;
        out->first += rank == 1 ? 1 / (double)from.rows : 0;
        out->chance += chance_of(belonging, to.rows) / (double)from.rows;
    }
    if (status == VECNA_OK) {
        const vecna_statistic statistics[] = {{VECNA_STATISTIC_MEAN, 0, 0, 0},
                                              {VECNA_STATISTIC_MEAN, 1, 0, 0}};
        const double *columns[] = {reciprocal, among};
        const vecna_bootstrap_input input = {columns, 2, from.rows, statistics, 2};
        const vecna_bootstrap_options options = {.seed = job->options->training.seed,
                                                 .pool = job->pool};
        vecna_interval figures[2];
        status = vecna_eval_bootstrap(&input, &options, figures, err);
        out->reciprocal = figures[0];
        out->among = figures[1];
    }
    free(scores);
    free(reciprocal);
    return status;
}

vecna_status clip_judge(clip_job *job, vecna_error *err) {
    const size_t dim = vecna_clip_result(job->model).table.dim, n = job->held_count;
    uint32_t *lists = vecna_allocate(NULL, 4 * n, sizeof *lists);
    float *rows = vecna_allocate(NULL, 2 * n, dim * sizeof *rows);
    uint8_t *right = calloc(n * n, 1);
    vecna_status status = lists && rows && right ? VECNA_OK : no_room(err);
    if (status == VECNA_OK) {
        const size_t pictures = list_side(job, 0, lists), texts = list_side(job, 1, lists + n);
        place_side(job, 0, lists, pictures, lists + 2 * n);
        place_side(job, 1, lists + n, texts, lists + 3 * n);
        for (size_t i = 0; i < n; i++)
            right[lists[3 * n + i] * pictures + lists[2 * n + i]] = 1;
        const vecna_view seen = vecna_view_dense(rows, pictures, dim);
        const vecna_view said = vecna_view_dense(rows + n * dim, texts, dim);
        status = fill_pictures(job, lists, pictures, rows, err);
        for (size_t i = 0; i < texts; i++)
            vector_of_pieces(&job->texts, vecna_clip_result(job->model).table, lists[n + i],
                             rows + (n + i) * dim);
        if (status == VECNA_OK)
            status = find(job, said, seen, right, 0, &job->by_text, err);
        if (status == VECNA_OK)
            status = find(job, seen, said, right, 1, &job->by_picture, err);
    }
    free(lists);
    free(rows);
    free(right);
    return status;
}
