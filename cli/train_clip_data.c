/* The pairs of vecna train clip: pictures out of files or rows of an array, texts as pieces, and which of
 * them are held out. */
#include "cli/train_clip.h"

#include "cli/hash.h"
#include "cli/hold_out.h"

#include <stdlib.h>
#include <string.h>

enum { DEFAULT_SIDE = 32 };

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
        size_t at = hash_of(one, each) & (slots - 1);
        while (slot[at] && memcmp(set->memory + (size_t)(slot[at] - 1) * each, one, each) != 0)
            at = (at + 1) & (slots - 1);
        slot[at] = slot[at] ? slot[at] : (uint32_t)i + 1;
        same[i] = slot[at] - 1;
    }
    free(slot);
    return VECNA_OK;
}

vecna_status clip_read(clip_job *job, vecna_error *err) {
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

vecna_status clip_encode(clip_job *job, vecna_error *err) {
    vecna_status status = begin_pieces(&job->texts, job->data.texts, job->pairs.bytes, err);
    for (size_t i = 0; i < job->data.texts && status == VECNA_OK; i++)
        add_pieces(&job->texts, job->captions[i], job->caption_bytes[i]);
    job->data.pieces = vecna_model_about(job->texts.from).pieces;
    job->data.starts = job->texts.starts;
    job->data.piece = job->texts.piece;
    return status;
}

/* ---- what is held out -------------------------------------------------------------------------- */

vecna_status clip_hold_out(clip_job *job, vecna_error *err) {
    const text_pairs *p = &job->pairs;
    const uint32_t pictures = (uint32_t)job->pictures.all.count;
    uint32_t *pair = malloc(p->pairs * 2 * sizeof *pair); /* texts are numbered behind pictures */
    unsigned char *held = malloc(p->pairs);
    vecna_status status = VECNA_OK;
    job->fitted = malloc(p->pairs * 2 * sizeof *job->fitted);
    job->held = malloc(p->pairs * 2 * sizeof *job->held);
    if (!pair || !held || !job->fitted || !job->held) {
        status = no_room(err);
        goto done;
    }
    for (size_t i = 0; i < p->pairs; i++) {
        pair[2 * i] = job->picture_of[p->pair[3 * i]];
        pair[2 * i + 1] = pictures + job->text_of[p->pair[3 * i + 1]];
    }
    status = hold_out(pair, p->pairs, 2, pictures + job->data.texts, job->options->training.seed,
                      held, err);
    for (size_t i = 0; i < p->pairs && status == VECNA_OK; i++) {
        pair[2 * i + 1] -= pictures;
        memcpy(held[i] ? job->held + 2 * job->held_count++ : job->fitted + 2 * job->fitted_count++,
               pair + 2 * i, 2 * sizeof *pair);
    }
    job->data.pairs = job->fitted_count;
    job->data.pair = job->fitted;
done:
    free(pair);
    free(held);
    return status;
}
