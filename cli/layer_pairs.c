/* See cli/layer_pairs.h. */
#include "cli/layer_pairs.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BIAS_ROUNDS = 20 };
#define BIAS_DAMPING 5.0 /* as so many pairs of the mean */

static vecna_status no_memory(size_t count, vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for %zu pairs", count);
}

/* ---- reading --------------------------------------------------------------------------------- */

typedef struct piece_of_line {
    const char *data;
    size_t bytes;
} piece_of_line;

static bool is_separator(char c, bool by_tab) {
    return c == '\t' || (!by_tab && (c == ' ' || c == ',' || c == ';'));
}

/* Up to four fields: one more than there may be. A tab in the line leaves blanks inside of names. */
static size_t split(const char *line, size_t bytes, piece_of_line *out) {
    const bool by_tab = memchr(line, '\t', bytes) != NULL;
    size_t count = 0, at = 0;
    while (at < bytes && count < 4) {
        size_t start;
        while (at < bytes && is_separator(line[at], by_tab))
            at++;
        start = at;
        while (at < bytes && !is_separator(line[at], by_tab))
            at++;
        if (at > start)
            out[count++] = (piece_of_line){line + start, at - start};
    }
    return count;
}

static bool is_number(const piece_of_line *one, double *out) {
    char digits[64], *end;
    if (one->bytes >= sizeof digits)
        return false;
    memcpy(digits, one->data, one->bytes);
    digits[one->bytes] = '\0';
    *out = strtod(digits, &end);
    return *end == '\0' && isfinite(*out);
}

static vecna_status grow(pair_list *list, size_t *capacity, vecna_error *err) {
    const size_t more = *capacity ? *capacity * 2 : 4096;
    void *user, *item, *rating;
    if (list->count < *capacity)
        return VECNA_OK;
    user = realloc(list->user, more * sizeof *list->user);
    list->user = user ? user : list->user;
    item = realloc(list->item, more * sizeof *list->item);
    list->item = item ? item : list->item;
    rating = realloc(list->rating, more * sizeof *list->rating);
    list->rating = rating ? rating : list->rating;
    if (!user || !item || !rating)
        return no_memory(more, err);
    *capacity = more;
    return VECNA_OK;
}

static vecna_status add_line(pair_list *list, const vecna_piece *line, bool rated, size_t *capacity,
                             vecna_error *err) {
    piece_of_line fields[4];
    const size_t count = split(line->data, line->bytes, fields);
    double rating = 1;
    vecna_status status;
    if (count == 0 || fields[0].data[0] == '#')
        return VECNA_OK;
    if (rated ? count != 3 || !is_number(&fields[2], &rating) : count < 2 || count > 3)
        return VECNA_ERR_FORMAT;
    status = grow(list, capacity, err);
    if (status == VECNA_OK)
        status = vecna_vocab_add(list->users, fields[0].data, fields[0].bytes, 1,
                                 &list->user[list->count], err);
    if (status == VECNA_OK)
        status = vecna_vocab_add(list->items, fields[1].data, fields[1].bytes, 1,
                                 &list->item[list->count], err);
    if (status == VECNA_OK)
        list->rating[list->count++] = rating;
    return status;
}

vecna_status read_pair_list(const char *path, bool rated, pair_list *out, vecna_error *err) {
    vecna_source *source = NULL;
    vecna_piece line;
    size_t capacity = 0;
    int more = 1;
    vecna_status status;
    memset(out, 0, sizeof *out);
    status = vecna_source_open(path, NULL, &source, err);
    if (status == VECNA_OK)
        status = vecna_vocab_new(NULL, &out->users, err);
    if (status == VECNA_OK)
        status = vecna_vocab_new(NULL, &out->items, err);
    for (size_t number = 1; status == VECNA_OK; number++) {
        status = vecna_source_piece(source, &line, &more, err);
        if (status != VECNA_OK || !more)
            break;
        status = add_line(out, &line, rated, &capacity, err);
        if (status == VECNA_ERR_FORMAT)
            status = vecna_error_set(err, status, (int64_t)number,
                                     "line %zu of %.150s is not a user, an item%s", number, path,
                                     rated ? " and a number, between tabs, commas or blanks"
                                           : ", between tabs, commas or blanks");
    }
    vecna_source_close(source);
    if (status == VECNA_OK && out->count == 0)
        status = vecna_error_set(err, VECNA_ERR_VALUE, -1, "%.150s has no pair in it", path);
    return status;
}

void free_pair_list(pair_list *list) {
    vecna_vocab_free(list->users);
    vecna_vocab_free(list->items);
    free(list->user);
    free(list->item);
    free(list->rating);
}

/* ---- biases alone ---------------------------------------------------------------------------- */

/* One side's biases, the other's and the mean taken off. */
static void fit_side(const pair_list *list, const size_t *train, size_t count, double mean,
                     const int32_t *side, double *biases, double *counts, size_t size,
                     const int32_t *other, const double *others) {
    memset(biases, 0, size * sizeof *biases);
    memset(counts, 0, size * sizeof *counts);
    for (size_t i = 0; i < count; i++) {
        const size_t row = train[i];
        biases[side[row]] += list->rating[row] - mean - others[other[row]];
        counts[side[row]]++;
    }
    for (size_t i = 0; i < size; i++)
        biases[i] /= counts[i] + BIAS_DAMPING;
}

vecna_status bias_errors(const pair_list *list, const size_t *train, size_t train_count,
                         const size_t *asked, size_t asked_count, double *out, vecna_error *err) {
    const size_t users = vecna_vocab_size(list->users), items = vecna_vocab_size(list->items);
    double *of_user = calloc(users, sizeof *of_user), *of_item = calloc(items, sizeof *of_item);
    double *counts = calloc(users + items, sizeof *counts), mean = 0;
    vecna_status status = of_user && of_item && counts ? VECNA_OK : no_memory(users + items, err);
    for (size_t i = 0; i < train_count; i++)
        mean += list->rating[train[i]] / (double)train_count;
    for (int round = 0; status == VECNA_OK && round < BIAS_ROUNDS; round++) {
        fit_side(list, train, train_count, mean, list->item, of_item, counts, items, list->user,
                 of_user);
        fit_side(list, train, train_count, mean, list->user, of_user, counts, users, list->item,
                 of_item);
    }
    for (size_t i = 0; status == VECNA_OK && i < asked_count; i++) {
        const size_t row = asked[i];
        const double error =
            list->rating[row] - mean - of_user[list->user[row]] - of_item[list->item[row]];
        out[i] = error * error;
    }
    free(of_user);
    free(of_item);
    free(counts);
    return status;
}

/* ---- sets ------------------------------------------------------------------------------------ */

static int by_key(const void *a, const void *b) {
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static uint64_t key_of(int32_t user, int32_t item) {
    return (uint64_t)user << 32 | (uint32_t)item;
}

vecna_status pair_set_of(const pair_list *list, pair_set *out, vecna_error *err) {
    out->count = list->count;
    out->keys = malloc(list->count * sizeof *out->keys);
    if (out->keys == NULL)
        return no_memory(list->count, err);
    for (size_t i = 0; i < list->count; i++)
        out->keys[i] = key_of(list->user[i], list->item[i]);
    qsort(out->keys, out->count, sizeof *out->keys, by_key);
    return VECNA_OK;
}

bool pair_set_has(const pair_set *set, int32_t user, int32_t item) {
    const uint64_t key = key_of(user, item);
    return bsearch(&key, set->keys, set->count, sizeof *set->keys, by_key) != NULL;
}
