/* vecna train clip: pictures and what is said of them into one model, whose vectors of both can be
 * compared. */
#include "cli/embed_model.h"
#include "cli/eval_tasks.h"
#include "cli/pairs.h"
#include "cli/pictures.h"
#include "cli/train.h"
#include "vecna/eval.h"
#include "vecna/linalg.h"
#include "vecna/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HELD_OUT_OF = 20, HELD_OUT_MOST = 2000, AMONG = 10, DEFAULT_SIDE = 32 };

typedef struct clip_options {
    training_options training;
    vecna_clip_options model;
    pair_fields fields;
    const char *images, *size_text, *name;
    uint64_t shift;
    picture_size size;
    bool frozen, mirror, float16;
} clip_options;

/* How held out texts find their pictures, or pictures their texts. */
typedef struct finding {
    vecna_interval reciprocal, among; /* 1 / rank; share of those among the first 10 */
    double first;
} finding;

typedef struct clip_job {
    const clip_options *options;
    const char *path;
    text_pairs pairs;
    uint32_t *picture_of; /* (texts of pairs) number of a picture that is named so */
    uint32_t *text_of;    /* (texts of pairs) number of a caption */
    char **captions;      /* (data.texts) not NUL-terminated */
    size_t *caption_bytes;
    picture_set pictures;
    vecna_model *from;
    vecna_wordpiece *tokenizer;
    float *start;
    size_t *starts;
    int32_t *piece;
    uint32_t *fitted, *held; /* (_, 2) picture, text */
    size_t fitted_count, held_count;
    vecna_clip_data data;
    vecna_clip *model;
    vecna_pool *pool;
    trainer watch;
    finding by_text, by_picture;
} clip_job;

TRAINABLE(clip);

static vecna_status no_room(vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for the pairs");
}

/* ---- pictures and texts ------------------------------------------------------------------------ */

/* Names of pictures and captions get numbers of their own, in the order in which they come up. */
static vecna_status number_sides(clip_job *job, size_t *pictures, char ***names, vecna_error *err) {
    const text_pairs *p = &job->pairs;
    job->picture_of = malloc(p->texts * sizeof *job->picture_of);
    job->text_of = malloc(p->texts * sizeof *job->text_of);
    job->captions = malloc(p->texts * sizeof *job->captions);
    job->caption_bytes = malloc(p->texts * sizeof *job->caption_bytes);
    *names = calloc(p->texts, sizeof **names);
    if (!job->picture_of || !job->text_of || !job->captions || !job->caption_bytes || !*names)
        return no_room(err);
    memset(job->picture_of, 0xFF, p->texts * sizeof *job->picture_of);
    memset(job->text_of, 0xFF, p->texts * sizeof *job->text_of);
    for (size_t i = 0; i < p->pairs; i++) {
        const uint32_t picture = p->pair[3 * i], text = p->pair[3 * i + 1];
        if (p->pair[3 * i + 2] != NO_TEXT)
            return vecna_error_set(err, VECNA_ERR_FORMAT, -1,
                                   "pair %zu of %s has a third column: give a picture and a text",
                                   i + 1, job->path);
        if (job->picture_of[picture] == NO_TEXT) {
            const size_t bytes = p->starts[picture + 1] - p->starts[picture];
            (*names)[*pictures] = malloc(bytes + 1);
            if ((*names)[*pictures] == NULL)
                return no_room(err);
            memcpy((*names)[*pictures], p->memory + p->starts[picture], bytes);
            (*names)[*pictures][bytes] = '\0';
            job->picture_of[picture] = (uint32_t)(*pictures)++;
        }
        if (job->text_of[text] == NO_TEXT) {
            job->captions[job->data.texts] = p->memory + p->starts[text];
            job->caption_bytes[job->data.texts] = p->starts[text + 1] - p->starts[text];
            job->text_of[text] = (uint32_t)job->data.texts++;
        }
    }
    return VECNA_OK;
}

/* Rows of an array, by their numbers. */
static vecna_status pick_rows(clip_job *job, char *const *names, size_t count, vecna_error *err) {
    const char *path = job->options->images;
    picture_set all = {0}, *set = &job->pictures;
    vecna_status status = load_pictures(path, job->options->size, &all, err);
    const size_t each = all.all.height * all.all.width * all.all.channels;
    if (status == VECNA_OK && (set->memory = malloc(each * count)) == NULL)
        status = no_room(err);
    for (size_t i = 0; i < count && status == VECNA_OK; i++) {
        char *end;
        const unsigned long long row = strtoull(names[i], &end, 10);
        if (names[i][0] < '0' || names[i][0] > '9' || *end || row >= all.all.count)
            status = vecna_error_set(err, VECNA_ERR_VALUE, -1,
                                     "%s speaks of picture \"%.60s\"; %s has the rows 0 to %zu",
                                     job->path, names[i], path, all.all.count - 1);
        else
            memcpy(set->memory + i * each, all.memory + row * each, each);
    }
    set->all = all.all;
    set->all.data = set->memory;
    set->all.count = count;
    free_pictures(&all);
    return status;
}

/* Files, beside PAIRS or in the folder of --images. */
static vecna_status read_files(clip_job *job, char *const *names, size_t count, vecna_error *err) {
    const clip_options *o = job->options;
    const char *slash = strrchr(job->path, '/');
    const picture_size usual = {DEFAULT_SIDE, DEFAULT_SIDE, 3};
    char *folder = o->images ? strdup(o->images)
                             : strndup(job->path, slash ? (size_t)(slash - job->path) + 1 : 0);
    if (folder == NULL)
        return no_room(err);
    const vecna_status status =
        load_named_pictures(folder, (const char *const *)names, count,
                            o->size.height ? o->size : usual, &job->pictures, err);
    free(folder);
    return status;
}

static size_t bytes_of(const picture_set *set) {
    return set->all.height * set->all.width * set->all.channels;
}

/* Equal pictures are one: same (count) is the first that is equal to each. */
static vecna_status find_equal(const picture_set *set, uint32_t *same, vecna_error *err) {
    const size_t each = bytes_of(set), count = set->all.count;
    size_t slots = 1024;
    while (slots < 2 * count)
        slots *= 2;
    uint32_t *slot = calloc(slots, sizeof *slot);
    if (slot == NULL)
        return no_room(err);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *one = set->memory + i * each;
        uint64_t hash = UINT64_C(14695981039346656037);
        for (size_t j = 0; j < each; j++)
            hash = (hash ^ one[j]) * UINT64_C(1099511628211);
        size_t at = (size_t)(hash ^ hash >> 29) & (slots - 1);
        while (slot[at] && memcmp(set->memory + (size_t)(slot[at] - 1) * each, one, each) != 0)
            at = (at + 1) & (slots - 1);
        slot[at] = slot[at] ? slot[at] : (uint32_t)i + 1;
        same[i] = slot[at] - 1;
    }
    free(slot);
    return VECNA_OK;
}

static vecna_status read_pictures(clip_job *job, vecna_error *err) {
    const char *images = job->options->images;
    char **names = NULL;
    size_t count = 0;
    uint32_t *same = NULL;
    vecna_status status = number_sides(job, &count, &names, err);
    if (status == VECNA_OK)
        status = images && is_array(images) ? pick_rows(job, names, count, err)
                                            : read_files(job, names, count, err);
    if (status == VECNA_OK && (same = malloc(count * sizeof *same)) == NULL)
        status = no_room(err);
    if (status == VECNA_OK)
        status = find_equal(&job->pictures, same, err);
    for (size_t i = 0; status == VECNA_OK && i < job->pairs.texts; i++)
        if (job->picture_of[i] != NO_TEXT)
            job->picture_of[i] = same[job->picture_of[i]];
    job->data.pictures = job->pictures.all;
    for (size_t i = 0; names && i < count; i++)
        free(names[i]);
    free(names);
    free(same);
    return status;
}

static vecna_status encode(clip_job *job, vecna_error *err) {
    const int32_t unknown = vecna_wordpiece_unknown(job->tokenizer);
    size_t used = 0;
    job->starts = malloc((job->data.texts + 1) * sizeof *job->starts);
    job->piece = malloc((job->pairs.bytes + 1) * sizeof *job->piece);
    if (!job->starts || !job->piece)
        return no_room(err);
    for (size_t i = 0; i < job->data.texts; i++) {
        int32_t *ids =
            job->piece + used; /* never more than bytes, and those of this text are left */
        const size_t count =
            vecna_wordpiece_encode(job->tokenizer, job->captions[i], job->caption_bytes[i], ids);
        job->starts[i] = used;
        for (size_t k = 0; k < count; k++)
            if (ids[k] != unknown)
                job->piece[used++] = ids[k];
    }
    job->starts[job->data.texts] = used;
    job->data.starts = job->starts;
    job->data.piece = job->piece;
    return VECNA_OK;
}

/* ---- what is held out -------------------------------------------------------------------------- */

static uint32_t root_of(uint32_t *parent, uint32_t i) {
    while (parent[i] != i)
        i = parent[i] = parent[parent[i]];
    return i;
}

/* Pairs that share a picture or a text, directly or by others, stand on one side. One group in 20 is held
 * out. */
static vecna_status hold_out(clip_job *job, vecna_error *err) {
    const text_pairs *p = &job->pairs;
    const uint32_t pictures = (uint32_t)job->pictures.all.count;
    uint32_t *parent = malloc((pictures + job->data.texts) * sizeof *parent);
    vecna_random random;
    job->fitted = malloc(p->pairs * 2 * sizeof *job->fitted);
    job->held = malloc(p->pairs * 2 * sizeof *job->held);
    if (!parent || !job->fitted || !job->held) {
        free(parent);
        return no_room(err);
    }
    for (size_t i = 0; i < pictures + job->data.texts; i++)
        parent[i] = (uint32_t)i;
    for (size_t i = 0; i < p->pairs; i++)
        parent[root_of(parent, pictures + job->text_of[p->pair[3 * i + 1]])] =
            root_of(parent, job->picture_of[p->pair[3 * i]]);
    for (size_t i = 0; i < p->pairs; i++) {
        const uint32_t pair[2] = {job->picture_of[p->pair[3 * i]],
                                  job->text_of[p->pair[3 * i + 1]]};
        vecna_random_seed(&random, job->options->training.seed, 1000 + root_of(parent, pair[0]));
        const int held = vecna_random_below(&random, HELD_OUT_OF) == 0 &&
                         job->held_count < HELD_OUT_MOST && p->pairs >= 2 * HELD_OUT_OF;
        memcpy(held ? job->held + 2 * job->held_count++ : job->fitted + 2 * job->fitted_count++,
               pair, sizeof pair);
    }
    free(parent);
    job->data.pairs = job->fitted_count;
    job->data.pair = job->fitted;
    return job->fitted_count >= 2
               ? VECNA_OK
               : vecna_error_set(err, VECNA_ERR_FORMAT, -1,
                                 "the pairs of %s hang together by their texts: none is left to "
                                 "train on",
                                 job->path);
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

static void fill_texts(const clip_job *job, const uint32_t *list, size_t count, float *out) {
    const vecna_view learned = vecna_clip_result(job->model).table;
    for (size_t i = 0; i < count; i++) {
        float *row = out + i * learned.dim;
        double square = 0;
        memset(row, 0, learned.dim * sizeof *row);
        for (size_t k = job->starts[list[i]]; k < job->starts[list[i] + 1]; k++)
            for (size_t j = 0; j < learned.dim; j++)
                row[j] += learned.data[(size_t)job->piece[k] * learned.stride + j];
        for (size_t j = 0; j < learned.dim; j++)
            square += (double)row[j] * (double)row[j];
        for (size_t j = 0; j < learned.dim; j++)
            row[j] = square > 0 ? (float)((double)row[j] / sqrt(square)) : 0;
    }
}

static vecna_status fill_pictures(const clip_job *job, const uint32_t *list, size_t count,
                                  float *out, vecna_error *err) {
    const vecna_clip_learned learned = vecna_clip_result(job->model);
    const size_t each = bytes_of(&job->pictures);
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
        size_t rank = 1;
        for (size_t j = 0; j < to.rows; j++)
            if (right[turned ? j * from.rows + i : i * to.rows + j] && row[j] > best)
                best = row[j];
        for (size_t j = 0; j < to.rows; j++)
            rank += !right[turned ? j * from.rows + i : i * to.rows + j] && !(row[j] < best);
        reciprocal[i] = 1 / (double)rank;
        among[i] = rank <= AMONG;
        out->first += rank == 1 ? 1 / (double)from.rows : 0;
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

static vecna_status judge(clip_job *job, vecna_error *err) {
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
        fill_texts(job, lists + n, texts, rows + n * dim);
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

/* ---- from pairs to a model ---------------------------------------------------------------------- */

static vecna_status open_start(clip_job *job, vecna_error *err) {
    const clip_options *o = job->options;
    text_model from = {0};
    vecna_status status = open_model(o->training.from, &from, err);
    if (status != VECNA_OK)
        return status;
    if (from.table == NULL) {
        close_model(&from);
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "%s counts words; --from takes a model of vecna distill, train "
                               "contrastive or train clip",
                               o->training.from);
    }
    job->from = from.table;
    const vecna_model_parts parts = vecna_model_parts_of(job->from);
    const vecna_wordpiece_options tokenizer = {.keep_case = parts.keep_case};
    job->data.pieces = vecna_model_about(job->from).pieces;
    return vecna_wordpiece_new(parts.vocabulary, parts.vocabulary_bytes, &tokenizer,
                               &job->tokenizer, err);
}

/* The size of --from's tower, unless another is asked for: it goes on from there. */
static void settle_size(clip_options *o, const clip_job *job) {
    const vecna_image_shape *shape = vecna_model_about(job->from).shape;
    if (shape && o->size.height == 0)
        o->size = (picture_size){shape->height, shape->width, shape->channels};
}

static vecna_status train(clip_job *job, vecna_error *err) {
    const clip_options *o = job->options;
    const vecna_model_info about = vecna_model_about(job->from);
    const vecna_model_parts parts = vecna_model_parts_of(job->from);
    vecna_clip_options model = o->model;
    model.shape.dim = about.dim;
    const double floats = (double)about.pieces * (double)about.dim;
    const double work = vecna_clip_bytes(&model, &job->data);
    vecna_status status = check_resources(o->training.output, (size_t)(work + 4 * floats),
                                          floats * (o->training.checkpoint_seconds ? 13 : 1) +
                                              (o->training.checkpoint_seconds ? work : work / 4),
                                          err);
    if (status != VECNA_OK)
        return status;
    job->start = vecna_allocate(NULL, about.pieces, about.dim * sizeof *job->start);
    if (job->start == NULL)
        return no_room(err);
    status =
        vecna_model_rows(job->from, vecna_matrix_dense(job->start, about.pieces, about.dim), err);
    if (status != VECNA_OK)
        return status;
    const vecna_pictures *p = &job->pictures.all;
    if (parts.shape && parts.shape->height == p->height && parts.shape->width == p->width &&
        parts.shape->channels == p->channels) {
        model.shape = *parts.shape;
        model.tower = parts.tower;
        model.temperature = model.temperature > 0 ? model.temperature : 1 / about.scale;
    }
    model.start = vecna_view_dense(job->start, about.pieces, about.dim);
    model.seed = o->training.seed;
    status = vecna_clip_new(&model, &job->data, &job->model, err);
    if (status != VECNA_OK)
        return status;
    job->watch.model = job->model;
    status = trainer_run(&job->watch, job->pool, err);
    return status == VECNA_OK && job->held_count ? judge(job, err) : status;
}

static vecna_status write_model(const clip_job *job, vecna_error *err) {
    const clip_options *o = job->options;
    const vecna_clip_learned learned = vecna_clip_result(job->model);
    vecna_model_parts parts = vecna_model_parts_of(job->from);
    vecna_model *made = NULL;
    char report[256];
    snprintf(report, sizeof report, "{\"pairs\":%zu,\"held_out\":%zu", job->fitted_count,
             job->held_count);
    if (job->held_count)
        snprintf(report + strlen(report), sizeof report - strlen(report),
                 ",\"recall_at_10\":%.4f,\"mrr\":%.4f", job->by_text.among.value,
                 job->by_text.reciprocal.value);
    snprintf(report + strlen(report), sizeof report - strlen(report), "}");
    parts.rows = learned.table;
    parts.dtype = o->float16 ? VECNA_F16 : VECNA_I8;
    parts.name = o->name ? o->name : "";
    parts.report = report;
    parts.shape = learned.shape;
    parts.tower = learned.tower;
    parts.scale = learned.scale;
    vecna_status status = vecna_model_of_parts(&parts, &made, err);
    if (status == VECNA_OK)
        status = vecna_model_save(made, o->training.output, err);
    vecna_model_free(made);
    return status;
}

/* ---- what is said of it ------------------------------------------------------------------------- */

/* What guessing finds among the first 10 of so many. */
static double chance_of(size_t count) {
    return count < AMONG ? 1 : AMONG / (double)count;
}

static void print_finding(const char *what, const finding *f, size_t among) {
    printf("              %s  R@10 %.3f [%.3f, %.3f] (chance %.3f), MRR %.3f [%.3f, %.3f], first "
           "%.1f %%\n",
           what, f->among.value, f->among.low, f->among.high, chance_of(among), f->reciprocal.value,
           f->reciprocal.low, f->reciprocal.high, 100 * f->first);
}

static void print_summary(const void *user) {
    const clip_job *job = user;
    const vecna_clip_learned learned = vecna_clip_result(job->model);
    const vecna_image_shape *shape = learned.shape;
    size_t parameters = 0;
    if (vecna_image_parameters(shape, &parameters, NULL) != VECNA_OK)
        return;
    printf("%s: texts of %s pieces, pictures of %zu x %zu x %zu (%zu stages, %s numbers), %zu "
           "dimensions\n",
           job->options->training.output, grouped(learned.table.rows), shape->height, shape->width,
           shape->channels, shape->stages, grouped(parameters), shape->dim);
    printf("  read      %s pairs of %s pictures and %s texts; %s held out with all that shares a "
           "picture or a text\n",
           grouped(job->pairs.pairs), grouped(job->pictures.all.count), grouped(job->data.texts),
           grouped(job->held_count));
    trainer_print(&job->watch);
    printf("  learned   temperature %.4f\n", 1 / learned.scale);
    if (job->held_count == 0) {
        printf("  held out  nothing: with fewer than %d pairs, or all of them connected, there is "
               "nothing to measure on\n",
               2 * HELD_OUT_OF);
        return;
    }
    printf("  held out  none of these pictures and texts was trained on\n");
    print_finding("text to picture", &job->by_text, job->by_picture.among.queries);
    print_finding("picture to text", &job->by_picture, job->by_text.among.queries);
}

static void write_finding(vecna_json_writer *json, const char *key, const finding *f,
                          size_t among) {
    vecna_json_write_key(json, key);
    vecna_json_write_object_begin(json);
    write_figure(json, "recall_at_10", f->among);
    write_figure(json, "mrr", f->reciprocal);
    vecna_json_write_key(json, "first");
    vecna_json_write_f64(json, f->first);
    vecna_json_write_key(json, "chance_at_10");
    vecna_json_write_f64(json, chance_of(among));
    vecna_json_write_object_end(json);
}

static int print_summary_json(const void *user) {
    const clip_job *job = user;
    const vecna_clip_learned learned = vecna_clip_result(job->model);
    vecna_json_writer json;
    trainer_json_begin(&job->watch, "clip", &json);
    json_count(&json, "pieces", learned.table.rows);
    json_count(&json, "dim", learned.table.dim);
    json_count(&json, "height", learned.shape->height);
    json_count(&json, "width", learned.shape->width);
    json_count(&json, "channels", learned.shape->channels);
    json_count(&json, "pairs", job->pairs.pairs);
    json_count(&json, "pictures", job->pictures.all.count);
    json_count(&json, "texts", job->data.texts);
    json_count(&json, "held_out", job->held_count);
    vecna_json_write_key(&json, "temperature");
    vecna_json_write_f64(&json, 1 / learned.scale);
    if (job->held_count) {
        write_finding(&json, "text_to_picture", &job->by_text, job->by_picture.among.queries);
        write_finding(&json, "picture_to_text", &job->by_picture, job->by_text.among.queries);
    }
    return trainer_json_end(&job->watch, &json);
}

/* ---- the command ------------------------------------------------------------------------------- */

static int run(clip_options *o, const char *path) {
    clip_job job = {.options = o, .path = path};
    vecna_error err;
    job.watch.options = &o->training;
    job.watch.kind = &clip_trainable;
    job.watch.what = "pairs";
    vecna_status status = check_writable(o->training.output, &err);
    if (status == VECNA_OK)
        status = vecna_pool_new(o->training.threads, NULL, &job.pool, &err);
    if (status == VECNA_OK)
        status = read_pairs(path, &o->fields, &job.pairs, &err);
    if (status == VECNA_OK)
        status = open_start(&job, &err);
    if (status == VECNA_OK)
        settle_size(o, &job);
    if (status == VECNA_OK)
        status = read_pictures(&job, &err);
    if (status == VECNA_OK)
        status = encode(&job, &err);
    if (status == VECNA_OK)
        status = hold_out(&job, &err);
    if (status == VECNA_OK)
        status = train(&job, &err);
    if (status == VECNA_OK)
        status = write_model(&job, &err);
    const int exit_status =
        trainer_end(&job.watch, status, &err, print_summary_json, print_summary, &job);
    void *all[] = {job.picture_of, job.text_of, job.captions, job.caption_bytes, job.start,
                   job.starts,     job.piece,   job.fitted,   job.held};
    vecna_clip_free(job.model);
    vecna_wordpiece_free(job.tokenizer);
    vecna_model_free(job.from);
    vecna_pool_free(job.pool);
    free_pairs_of_texts(&job.pairs);
    free_pictures(&job.pictures);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    return exit_status;
}

/* What the options say together; NULL when all is well. */
static const char *settle(clip_options *o) {
    if (o->training.output == NULL)
        return "say where the model goes: -o MODEL";
    if (o->model.rate < 0 || o->model.text_rate < 0 || o->model.decay < 0)
        return "--rate, --text-rate and --decay are above 0";
    if (o->frozen && o->model.text_rate > 0)
        return "--frozen-text and --text-rate exclude each other";
    if (o->model.temperature != 0 && o->model.temperature < 0.01)
        return "--temperature is at least 0.01, as the one that is learned";
    if (o->size_text && !take_picture_size(o->size_text, &o->size))
        return "--size takes HEIGHTxWIDTH, or with x1 behind it for gray: 64x64, 28x28x1; sides of "
               "4 "
               "to 512";
    o->model.mirror = o->mirror;
    o->model.text_rate = o->frozen ? -1 : o->model.text_rate;
    o->model.shift = o->shift == UINT64_MAX ? 0 : o->shift == 0 ? SIZE_MAX : (size_t)o->shift;
    o->fields.anchor = o->fields.anchor ? o->fields.anchor : "image";
    o->fields.positive = o->fields.positive ? o->fields.positive : "text";
    o->fields.options = "--image-field and --text-field";
    if (o->training.threads == 0)
        o->training.threads = vecna_cpus_allowed();
    return NULL;
}

int train_clip(int argc, char **argv) {
    clip_options o = {.training = {.seed = 1, .checkpoint_seconds = 300}, .shift = UINT64_MAX};
    const option options[] = {
        {"output", 'o', OPTION_TEXT, &o.training.output, "MODEL",
         "the model: vecna embed, search, eval zeroshot and\nserve run it"},
        {"images", 'i', OPTION_TEXT, &o.images, "WHERE",
         "folder of the files that PAIRS names (its own), or\na .npy of bytes, whose rows it "
         "counts "
         "from 0"},
        {"size", 0, OPTION_TEXT, &o.size_text, "HxW",
         "pictures are brought to that size (32x32; those of\na .npy stay as they are); 28x28x1 is "
         "gray"},
        {"from", 0, OPTION_TEXT, &o.training.from, "MODEL",
         "start from this model, its tower of pictures too\n(the built-in one)"},
        {"batch", 0, OPTION_COUNT, &o.model.batch, "N",
         "pairs that are each other's negatives (128)"},
        {"chunk", 0, OPTION_COUNT, &o.model.chunk, "N",
         "of them whose similarities are in memory at once (all)"},
        {"epochs", 0, OPTION_COUNT, &o.model.epochs, "N", "(30)"},
        {"rate", 0, OPTION_NUMBER, &o.model.rate, "X",
         "largest step of the tower of pictures (0.002)"},
        {"text-rate", 0, OPTION_NUMBER, &o.model.text_rate, "X",
         "of the table of texts, in units of its mean size (0.02)"},
        {"frozen-text", 0, OPTION_FLAG, &o.frozen, NULL, "the table of texts stays as it is"},
        {"decay", 0, OPTION_NUMBER, &o.model.decay, "X",
         "how strongly weights of the tower are pulled to 0 (0.1)"},
        {"temperature", 0, OPTION_NUMBER, &o.model.temperature, "X",
         "of the softmax to begin with; it is learned (0.07)"},
        {"shift", 0, OPTION_WHOLE, &o.shift, "N",
         "pixels that a picture is moved by at most, another\nway each time (an eighth of its "
         "side)"},
        {"mirror", 0, OPTION_FLAG, &o.mirror, NULL,
         "show pictures from behind too, where left and right\nmean the same"},
        {"float16", 0, OPTION_FLAG, &o.float16, NULL,
         "texts have two bytes a number instead of one"},
        {"name", 0, OPTION_TEXT, &o.name, "TEXT", "of the model, kept in it"},
        {"pairs", 0, OPTION_GROUP, NULL, NULL,
         "PAIRS: a picture and a text a line, with a tab between them, or JSON objects"},
        {"image-field", 0, OPTION_TEXT, &o.fields.anchor, "NAME", "(image)"},
        {"text-field", 0, OPTION_TEXT, &o.fields.positive, "NAME", "(text)"},
        TRAINING_OPTIONS(o.training),
    };
    const usage use = {
        "vecna train clip PAIRS -o MODEL [options]",
        "Learns to compare pictures and texts: in each batch every picture is to find its text "
        "among\nall others', and every text its picture. One group of pairs in 20 is held out to "
        "measure.",
        options,
        sizeof options / sizeof options[0],
        "  vecna train clip photos/captions.tsv -o photos.vecna\n"
        "  vecna train clip captions.jsonl --images pixels.npy --image-field row -o photos.vecna\n"
        "  vecna search photos --model photos.vecna --text \"a dog on a beach\"\n",
        1,
        1};
    const char *path, *mistake;
    size_t count;
    int status = parse_arguments(argc, argv, &use, &path, &count);
    if (status >= 0)
        return status;
    mistake = settle(&o);
    return mistake ? usage_error(&use, "%s", mistake) : run(&o, path);
}
