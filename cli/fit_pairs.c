/* Which row of the one file is which row of the other. By row number when nothing says otherwise, by id
 * or by text where both sides carry them: then the files may be in different orders and have rows that
 * the other lacks. */
#include "cli/fit.h"
#include "vecna/metric.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void free_pairs(pairs *both) {
    unload(&both->source);
    unload(&both->target);
}

static pairing choose_pairing(const pairs *both, pairing by, const char *texts) {
    if (by != PAIR_AUTO)
        return by;
    if (texts == NULL && both->source.ids && both->target.ids)
        return PAIR_BY_ID;
    if (texts == NULL && both->source.texts && both->target.texts)
        return PAIR_BY_TEXT;
    return PAIR_BY_ROW;
}

/* Move row `from` of a file to row `to`, vectors and words alike. */
static void move_row(loaded *file, size_t from, float *vectors, char **ids, char **texts,
                     size_t to) {
    memcpy(vectors + to * file->vectors.dim, file->vectors.data + from * file->vectors.stride,
           file->vectors.dim * sizeof *vectors);
    if (ids)
        ids[to] = file->ids[from];
    if (texts)
        texts[to] = file->texts[from];
}

/* Keep the given rows of a file, in the given order. */
static vecna_status keep_rows(loaded *file, const size_t *rows, size_t count, vecna_error *err) {
    float *vectors = vecna_allocate(NULL, count, file->vectors.dim * sizeof *vectors);
    char **ids = file->ids ? vecna_allocate(NULL, count, sizeof *ids) : NULL;
    char **texts = file->texts ? vecna_allocate(NULL, count, sizeof *texts) : NULL;
    if (vectors == NULL || (file->ids && !ids) || (file->texts && !texts)) {
        free(vectors);
        free(ids);
        free(texts);
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory to pair %s",
                               file->path);
    }
    for (size_t i = 0; i < count; i++)
        move_row(file, rows[i], vectors, ids, texts, i);
    free(file->vectors.data);
    free(file->ids);
    free(file->texts);
    file->vectors.data = vectors;
    file->vectors.rows = count;
    file->ids = ids;
    file->texts = texts;
    return VECNA_OK;
}

/* Of a row: it has no partner, it has one, or an earlier row of the file with its key has it. */
enum { ALONE = 0, PAIRED = 1, TWICE = 2 };

/* Count and name the rows of one state. */
static void name_rows(const loaded *file, const unsigned char *states, char *const *keys,
                      unsigned char wanted, const char *what) {
    char list[160] = "";
    size_t used = 0, named = 0, count = 0;
    for (size_t i = 0; i < file->vectors.rows; i++) {
        if (states[i] != wanted || count++ >= 3)
            continue;
        used += (size_t)snprintf(list + used, sizeof list - used, "%s\"%.40s\"", named ? ", " : "",
                                 keys[i] ? keys[i] : "(none)");
        named++;
    }
    if (count)
        note("%s of %s rows of %s %s: %s%s", grouped(count), grouped(file->vectors.rows),
             file->path, what, list, count > named ? ", ..." : "");
}

static void name_unpaired(const pairs *both, const loaded *file, const unsigned char *states,
                          char *const *keys) {
    name_rows(file, states, keys, ALONE, "have no partner");
    name_rows(file, states, keys, TWICE,
              both->by == PAIR_BY_ID ? "have an id that stands twice, and its first row is the pair"
                                     : "have a text that stands twice, and its first row is the "
                                       "pair");
}

/* Partners by key. A key that stands twice pairs its first row only. */
static vecna_status pair_by_key(pairs *both, char *const *source_keys, char *const *target_keys,
                                vecna_error *err) {
    size_t source_rows = both->source.vectors.rows, target_rows = both->target.vectors.rows;
    size_t *left = calloc(source_rows, sizeof *left), *right = calloc(source_rows, sizeof *right);
    unsigned char *source_paired = calloc(source_rows, 1), *target_paired = calloc(target_rows, 1);
    id_index *index = NULL;
    size_t count = 0;
    vecna_status status;

    if (!left || !right || !source_paired || !target_paired)
        status = vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory to pair the files");
    else
        status = id_index_new(target_keys, target_rows, &index, err);
    for (size_t i = 0; status == VECNA_OK && i < source_rows; i++) {
        int64_t row = source_keys[i] ? id_index_find(index, source_keys[i]) : -1;
        if (row >= 0 && target_paired[row])
            source_paired[i] = TWICE;
        if (row < 0 || target_paired[row])
            continue;
        left[count] = i;
        right[count++] = (size_t)row;
        source_paired[i] = PAIRED;
        target_paired[row] = PAIRED;
    }
    for (size_t i = 0; status == VECNA_OK && i < target_rows; i++)
        if (!target_paired[i] && target_keys[i] &&
            target_paired[id_index_find(index, target_keys[i])] == PAIRED)
            target_paired[i] = TWICE;
    if (status == VECNA_OK) {
        both->source_alone = source_rows - count;
        both->target_alone = target_rows - count;
        name_unpaired(both, &both->source, source_paired, source_keys);
        name_unpaired(both, &both->target, target_paired, target_keys);
        if (count == 0)
            status = vecna_error_set(err, VECNA_ERR_NOT_FOUND, -1,
                                     "%s and %s have no %s in common; --pair-by row pairs them by "
                                     "row number",
                                     both->source.path, both->target.path,
                                     both->by == PAIR_BY_ID ? "id" : "text");
    }
    if (status == VECNA_OK)
        status = keep_rows(&both->source, left, count, err);
    if (status == VECNA_OK)
        status = keep_rows(&both->target, right, count, err);
    id_index_free(index);
    free(left);
    free(right);
    free(source_paired);
    free(target_paired);
    return status;
}

static vecna_status pair(pairs *both, vecna_error *err) {
    static const char *const words[] = {"", "rows", "ids", "texts"};
    loaded *source = &both->source, *target = &both->target;
    bool by_id = both->by == PAIR_BY_ID;
    if (both->by == PAIR_BY_ROW) {
        if (source->vectors.rows == target->vectors.rows)
            return VECNA_OK;
        return vecna_error_set(
            err, VECNA_ERR_DIM, -1,
            "%s has %zu rows and %s has %zu, so they are no pairs by row; give files "
            "with ids on both sides",
            source->path, source->vectors.rows, target->path, target->vectors.rows);
    }
    if (by_id ? !source->ids || !target->ids : !source->texts || !target->texts)
        return vecna_error_set(err, VECNA_ERR_NOT_FOUND, -1, "%s has no %s to pair by",
                               (by_id ? source->ids : source->texts) ? target->path : source->path,
                               words[both->by]);
    return by_id ? pair_by_key(both, source->ids, target->ids, err)
                 : pair_by_key(both, source->texts, target->texts, err);
}

/* ---- rows that cannot be fitted -------------------------------------------------------------- */

/* What is wrong with a row, in words, or NULL. */
static const char *fault_of(const loaded *file, size_t row) {
    const double norm =
        vecna_metric_norm(file->vectors.data + row * file->vectors.stride, file->vectors.dim);
    return !isfinite(norm) ? "holds NaN or infinity" : norm > 0 ? NULL : "is all zero";
}

/* The row of a pair as its file has it: rows that were paired by a word have moved. */
static const char *name_of_pair(const pairs *both, size_t row, char *out, size_t room) {
    char *const *words = both->by == PAIR_BY_ID     ? both->source.ids
                         : both->by == PAIR_BY_TEXT ? both->source.texts
                                                    : NULL;
    if (words)
        snprintf(out, room, "the row of %s \"%.40s\"", both->by == PAIR_BY_ID ? "id" : "text",
                 words[row]);
    else
        snprintf(out, room, "row %zu", row);
    return out;
}

/* Pairs of which a side has no direction are refused, or left out on both sides with their words. */
static vecna_status drop_bad_pairs(pairs *both, bool skip, vecna_error *err) {
    const size_t rows = both->source.vectors.rows;
    char first[80] = "";
    size_t *kept = vecna_allocate(NULL, rows, sizeof *kept), count = 0;
    vecna_status status = VECNA_OK;
    if (kept == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for %zu rows", rows);
    for (size_t i = 0; i < rows && status == VECNA_OK; i++) {
        const char *of_source = fault_of(&both->source, i);
        const char *fault = of_source ? of_source : fault_of(&both->target, i);
        if (fault == NULL) {
            kept[count++] = i;
            continue;
        }
        if (i == count)
            name_of_pair(both, i, first, sizeof first);
        if (!skip)
            status =
                vecna_error_set(err, VECNA_ERR_VALUE, (int64_t)i,
                                "%s: %s %s; mend it, or leave such pairs out with --bad-rows skip",
                                of_source ? both->source.path : both->target.path, first, fault);
    }
    both->left_out = rows - count;
    if (status == VECNA_OK && count == 0)
        status = vecna_error_set(err, VECNA_ERR_VALUE, -1,
                                 "all %zu pairs of %s and %s are zero or hold NaN or infinity on a "
                                 "side: nothing is left to fit",
                                 rows, both->source.path, both->target.path);
    if (status == VECNA_OK && both->left_out) {
        note("%s of %s pairs are zero or hold NaN or infinity on a side and were left out, the "
             "first is %s",
             grouped(both->left_out), grouped(rows), first);
        status = keep_rows(&both->source, kept, count, err);
        if (status == VECNA_OK)
            status = keep_rows(&both->target, kept, count, err);
    }
    free(kept);
    return status;
}

vecna_status load_pairs(const char *source_path, const char *target_path,
                        const vecna_format_options *format, const pair_options *options, pairs *out,
                        vecna_error *err) {
    vecna_status status;
    memset(out, 0, sizeof *out);
    status = load_vectors(source_path, format, &out->source, err);
    if (status == VECNA_OK)
        status = load_vectors(target_path, format, &out->target, err);
    if (status == VECNA_OK) {
        out->by = choose_pairing(out, options->by, options->texts);
        status = pair(out, err);
    }
    if (status == VECNA_OK && options->texts)
        status = load_texts(options->texts, format, &out->source, err);
    if (status == VECNA_OK)
        status = drop_bad_pairs(out, options->skip, err);
    if (status != VECNA_OK)
        free_pairs(out);
    return status;
}

vecna_status load_unpaired(const char *source_path, const char *target_path,
                           const vecna_format_options *format, pairs *out, vecna_error *err) {
    vecna_status status = load_vectors(source_path, format, &out->source, err);
    return status == VECNA_OK ? load_vectors(target_path, format, &out->target, err) : status;
}

/* ---- anchors --------------------------------------------------------------------------------- */

/* The row that a word names: by id where the file has ids and one is called so, otherwise by number. */
static bool find_row(const char *word, const loaded *file, const id_index *ids, size_t *row) {
    int64_t found = ids ? id_index_find(ids, word) : -1;
    char *end;
    unsigned long long number;
    if (found >= 0) {
        *row = (size_t)found;
        return true;
    }
    if (!isdigit((unsigned char)word[0]))
        return false;
    errno = 0;
    number = strtoull(word, &end, 10);
    *row = (size_t)number;
    return *end == '\0' && errno == 0 && number < file->vectors.rows;
}

static vecna_status read_anchors(FILE *file, const char *path, const pairs *both,
                                 id_index *const ids[2], vecna_anchor **out, size_t *count,
                                 vecna_error *err) {
    char *line = NULL;
    size_t room = 0, capacity = 0;
    vecna_status status = VECNA_OK;
    for (size_t number = 1; status == VECNA_OK && getline(&line, &room, file) >= 0; number++) {
        char *rest, *first = strtok_r(line, " \t\r\n", &rest);
        const char *second = first ? strtok_r(NULL, " \t\r\n", &rest) : NULL;
        vecna_anchor one = {0, 0};
        if (first == NULL || first[0] == '#')
            continue;
        if (second == NULL || strtok_r(NULL, " \t\r\n", &rest) != NULL)
            status =
                vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)number,
                                "%s, line %zu: an anchor is two words, a row or id of %s and one "
                                "of %s",
                                path, number, both->source.path, both->target.path);
        else if (!find_row(first, &both->source, ids[0], &one.source) ||
                 !find_row(second, &both->target, ids[1], &one.target))
            status =
                vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)number,
                                "%s, line %zu: there is no row \"%.40s\" in %s, or no row "
                                "\"%.40s\" in %s",
                                path, number, first, both->source.path, second, both->target.path);
        if (status == VECNA_OK && *count == capacity) {
            vecna_anchor *grown =
                vecna_resize(NULL, *out, capacity = capacity ? 2 * capacity : 64, sizeof *grown);
            if (grown == NULL)
                status =
                    vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for %s", path);
            else
                *out = grown;
        }
        if (status == VECNA_OK)
            (*out)[(*count)++] = one;
    }
    free(line);
    return status;
}

vecna_status load_anchors(const char *path, const pairs *both, vecna_anchor **out, size_t *count,
                          vecna_error *err) {
    id_index *ids[2] = {NULL, NULL};
    vecna_status status = VECNA_OK;
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return vecna_error_set(err, VECNA_ERR_IO, -1, "cannot open %s: %s", path, strerror(errno));
    for (int side = 0; side < 2 && status == VECNA_OK; side++) {
        const loaded *of = side ? &both->target : &both->source;
        if (of->ids)
            status = id_index_new(of->ids, of->vectors.rows, &ids[side], err);
    }
    if (status == VECNA_OK)
        status = read_anchors(file, path, both, ids, out, count, err);
    id_index_free(ids[0]);
    id_index_free(ids[1]);
    fclose(file);
    return status;
}
