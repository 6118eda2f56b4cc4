/* The rows of an upstream's answer, whatever provider they come from: numbers and base64 go straight
 * to where they stay, and nothing is passed on that was not looked at. A row may come in any order;
 * each remembers the index it came with, and the whole is put in order at the end, which costs
 * nothing when it was in order (as it nearly always is). */
#include "base/base_impl.h"
#include "wire/wire_impl.h"

#include <math.h>

#define NO_PLACE SIZE_MAX

vecna_status vni_wire_rows_init(vni_wire_rows *rows, const vecna_wire_expect *expect,
                                vecna_arena *arena, vecna_error *err) {
    vni_wire_rows start = {.expect = expect, .arena = arena};
    start.places = vecna_arena_allocate(arena, expect->rows, sizeof *start.places);
    if (start.places == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for an answer of %zu rows",
                               expect->rows);
    *rows = start;
    return VECNA_OK;
}

/* ---- one row --------------------------------------------------------------------------------- */

/* Place for rows of that length, when the first of them is known. */
static vecna_status settle_dim(vni_wire_rows *rows, size_t dim, vecna_error *err) {
    const vecna_wire_expect *expect = rows->expect;
    size_t most = expect->dim_max ? expect->dim_max : VNI_WIRE_DIM_MAX, numbers;
    float *data = expect->data;
    if (dim == 0)
        return vecna_error_set(err, VECNA_ERR_DIM, 0, "answers an empty vector");
    if (dim > most)
        return vecna_error_set(err, VECNA_ERR_DIM, 0,
                               "answers %zu dimensions; at most %zu are accepted", dim, most);
    if (data == NULL) {
        data = vecna_size_mul(expect->rows, dim, &numbers)
                   ? vecna_arena_allocate(rows->arena, numbers, sizeof *data)
                   : NULL;
        if (data == NULL)
            return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                                   "no memory for an answer of %zu rows of %zu numbers",
                                   expect->rows, dim);
    }
    rows->matrix = (vecna_matrix){data, expect->rows, dim, expect->data ? expect->stride : dim};
    return VECNA_OK;
}

static vecna_status wrong_dim(const vni_wire_rows *rows, size_t got, vecna_error *err) {
    if (rows->expect->dim)
        return vecna_error_set(err, VECNA_ERR_DIM, (int64_t)rows->count,
                               "answers %zu dimensions for input %zu, where %zu are expected", got,
                               rows->count, rows->expect->dim);
    return vecna_error_set(err, VECNA_ERR_DIM, (int64_t)rows->count,
                           "answers %zu dimensions for input %zu, after %zu for the first", got,
                           rows->count, rows->matrix.dim);
}

/* Numbers in the flat array behind json->at, by its commas; an upper bound when it is no such. */
static size_t count_numbers(const vecna_json *json) {
    const char *at = json->text + json->at, *end = json->text + json->bytes;
    size_t commas = 0;
    for (; at < end && *at != ']'; at++)
        commas += *at == ',';
    return commas + 1;
}

static size_t row_numbers(const vecna_json *json, size_t from) {
    vecna_json again = *json;
    again.at = from;
    return count_numbers(&again);
}

/* The sentence for an array that is no list of numbers; `at` is behind its bracket. */
static vecna_status not_numbers(const vni_wire_rows *rows, const vecna_json *json, size_t at,
                                vecna_status status, vecna_error *err) {
    const char *text = json->text;
    size_t row = rows->count;
    for (size_t i = at; i < json->bytes && text[i] != ']'; i++) {
        if (text[i] == '[')
            return vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)row,
                                   "answers one vector for each token of input %zu instead of one "
                                   "for the text: the server does not pool; start it with pooling "
                                   "(llama-server: --pooling mean) or take an embedding model",
                                   row);
        if (text[i] == 'n' || text[i] == 'N' || text[i] == 'I' || text[i] == 'i')
            return vecna_error_set(
                err, VECNA_ERR_VALUE, (int64_t)row, "answers a vector with %s in it for input %zu",
                text[i] == 'n' && json->bytes - i >= 4 && memcmp(text + i, "null", 4) == 0
                    ? "null"
                    : "NaN or infinity",
                row);
    }
    return status;
}

static vecna_status add_numbers(vni_wire_rows *rows, vecna_json *json, float *row,
                                vecna_error *err) {
    size_t at = json->at, count;
    vecna_status status = vecna_json_floats(json, row, rows->matrix.dim, &count, err);
    if (status == VECNA_ERR_DIM)
        return wrong_dim(rows, row_numbers(json, at), err);
    if (status != VECNA_OK)
        return not_numbers(rows, json, at, status, err);
    return count == rows->matrix.dim ? VECNA_OK : wrong_dim(rows, count, err);
}

static vecna_status add_base64(vni_wire_rows *rows, vecna_wire_text text, float *row,
                               vecna_error *err) {
    size_t bytes;
    vecna_error why;
    vecna_status status = vecna_base64_decode(text.data, text.bytes, row,
                                              rows->matrix.dim * sizeof *row, &bytes, &why);
    if (status == VECNA_ERR_OVERFLOW)
        return wrong_dim(rows, text.bytes / 4 * 3 / sizeof *row, err);
    if (status != VECNA_OK)
        return vecna_error_set(err, status, (int64_t)rows->count, "answers input %zu with bad %s",
                               rows->count, why.message);
    if (bytes % sizeof *row != 0)
        return vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)rows->count,
                               "answers input %zu with base64 of %zu bytes, which are no float32",
                               rows->count, bytes);
    if (bytes / sizeof *row != rows->matrix.dim)
        return wrong_dim(rows, bytes / sizeof *row, err);
    rows->base64 = 1;
    return VECNA_OK;
}

static vecna_status check_values(const vni_wire_rows *rows, const float *row, vecna_error *err) {
    const vni_row_kind kind = vni_row_kind_of(row, rows->matrix.dim);
    if (kind == VNI_ROW_SPECIAL)
        return vecna_error_set(err, VECNA_ERR_VALUE, (int64_t)rows->count,
                               "answers a vector with NaN or infinity in it for input %zu",
                               rows->count);
    if (kind == VNI_ROW_ZERO)
        return vecna_error_set(err, VECNA_ERR_VALUE, (int64_t)rows->count,
                               "answers a vector of zeros for input %zu", rows->count);
    return VECNA_OK;
}

static vecna_status too_many(const vni_wire_rows *rows, vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_DIM, (int64_t)rows->count,
                           "answers more than %zu vectors for %zu inputs", rows->expect->rows,
                           rows->expect->rows);
}

vecna_status vni_wire_rows_add(vni_wire_rows *rows, vecna_json *json, const vecna_json_token *value,
                               vecna_error *err) {
    vecna_wire_text text = {NULL, 0};
    vecna_status status = VECNA_OK;
    float *row;
    if (rows->count >= rows->expect->rows)
        return too_many(rows, err);
    if (value->kind == VECNA_JSON_STRING)
        status = vni_wire_text(value, rows->arena, &text, err);
    else if (value->kind != VECNA_JSON_ARRAY_BEGIN)
        return vecna_error_set(
            err, value->kind == VECNA_JSON_NULL ? VECNA_ERR_VALUE : VECNA_ERR_FORMAT,
            (int64_t)rows->count, "answers input %zu with %s instead of a vector", rows->count,
            value->kind == VECNA_JSON_NULL ? "null" : "a value");
    if (status == VECNA_OK && rows->matrix.dim == 0) {
        size_t pads = 0, dim = rows->expect->dim;
        while (pads < 2 && pads < text.bytes && text.data[text.bytes - 1 - pads] == '=')
            pads++;
        if (dim == 0 && value->kind == VECNA_JSON_STRING)
            dim = (text.bytes / 4 * 3 - pads) / sizeof *row;
        else if (dim == 0) {
            size_t first = json->at;
            while (first < json->bytes && (unsigned char)json->text[first] <= ' ')
                first++;
            dim = first < json->bytes && json->text[first] == ']' ? 0 : count_numbers(json);
            if (first < json->bytes && json->text[first] == '[')
                return not_numbers(rows, json, first, VECNA_ERR_FORMAT, err);
        }
        status = settle_dim(rows, dim, err);
    }
    if (status != VECNA_OK)
        return status;
    row = rows->matrix.data + rows->count * rows->matrix.stride;
    status = value->kind == VECNA_JSON_STRING ? add_base64(rows, text, row, err)
                                              : add_numbers(rows, json, row, err);
    if (status == VECNA_OK)
        status = check_values(rows, row, err);
    if (status != VECNA_OK)
        return status;
    rows->places[rows->count++] = NO_PLACE;
    return VECNA_OK;
}

vecna_status vni_wire_rows_array(vni_wire_rows *rows, vecna_json *json, vecna_error *err) {
    vecna_json_token token;
    for (;;) {
        vecna_status status = vecna_json_next(json, &token, err);
        if (status != VECNA_OK || token.kind == VECNA_JSON_ARRAY_END)
            return status;
        status = vni_wire_rows_add(rows, json, &token, err);
        if (status != VECNA_OK)
            return status;
    }
}

/* ---- all of them ----------------------------------------------------------------------------- */

/* Rows to their places: along each cycle of the permutation, with one row set aside. */
static vecna_status put_in_order(vni_wire_rows *rows, vecna_error *err) {
    size_t dim = rows->matrix.dim, stride = rows->matrix.stride;
    float *data = rows->matrix.data;
    float *aside = vecna_arena_allocate(rows->arena, dim, sizeof *aside);
    if (aside == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to put %zu rows in order",
                               rows->count);
    for (size_t i = 0; i < rows->count; i++)
        while (rows->places[i] != i) {
            size_t to = rows->places[i];
            memcpy(aside, data + to * stride, dim * sizeof *aside);
            memcpy(data + to * stride, data + i * stride, dim * sizeof *aside);
            memcpy(data + i * stride, aside, dim * sizeof *aside);
            rows->places[i] = rows->places[to];
            rows->places[to] = to;
        }
    return VECNA_OK;
}

vecna_status vni_wire_rows_finish(vni_wire_rows *rows, vecna_error *err) {
    size_t out_of_order = 0;
    unsigned char *taken;
    if (rows->count < rows->expect->rows)
        return vecna_error_set(err, VECNA_ERR_DIM, (int64_t)rows->count,
                               "answers %zu vectors for %zu inputs", rows->count,
                               rows->expect->rows);
    if (rows->indexed == 0)
        return VECNA_OK;
    if (rows->indexed < rows->count)
        return vecna_error_set(err, VECNA_ERR_FORMAT, -1,
                               "gives an index to %zu of %zu vectors only", rows->indexed,
                               rows->count);
    taken = vecna_arena_allocate(rows->arena, rows->count, 1);
    if (taken == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for an answer of %zu rows",
                               rows->count);
    memset(taken, 0, rows->count);
    for (size_t i = 0; i < rows->count; i++) {
        if (rows->places[i] >= rows->count)
            return vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)i,
                                   "gives vector %zu the index %zu, of %zu inputs", i,
                                   rows->places[i], rows->count);
        if (taken[rows->places[i]])
            return vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)i,
                                   "gives two vectors the index %zu", rows->places[i]);
        taken[rows->places[i]] = 1;
        out_of_order += rows->places[i] != i;
    }
    return out_of_order ? put_in_order(rows, err) : VECNA_OK;
}
