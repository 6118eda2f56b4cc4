/* Fields of a map file: what is put by one function is got by another, which believes nothing. */
#include "translate/map_file_impl.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- writing ----------------------------------------------------------------------------------- */

static void join(char out[VNI_MAP_KEY_BYTES], const char *prefix, const char *key) {
    int length = snprintf(out, VNI_MAP_KEY_BYTES, "%s%s", prefix, key);
    assert(length > 0 && length < VNI_MAP_KEY_BYTES);
    (void)length;
}

void vni_put_text(vni_map_writing *w, const char *prefix, const char *key, const char *value) {
    assert(w->pair_count < VNI_MAP_PAIRS);
    char *name = w->keys[w->pair_count];
    join(name, prefix, key);
    w->pairs[w->pair_count++] = (vecna_tensor_text){name, value};
}

void vni_put_count(vni_map_writing *w, const char *prefix, const char *key, size_t value) {
    char *text = w->numbers[w->pair_count];
    snprintf(text, VNI_MAP_NUMBER_BYTES, "%zu", value);
    vni_put_text(w, prefix, key, text);
}

void vni_put_number(vni_map_writing *w, const char *prefix, const char *key, double value) {
    char *text = w->numbers[w->pair_count];
    text[vecna_number_print_f64(value, text)] = '\0';
    vni_put_text(w, prefix, key, text);
}

void vni_put_tensor(vni_map_writing *w, const char *prefix, const char *name,
                    vecna_tensor_dtype dtype, size_t rows, size_t columns, const void *data) {
    assert(w->entry_count < VNI_MAP_TENSORS);
    char *joined = w->names[w->entry_count];
    join(joined, prefix, name);
    w->data[w->entry_count] = data;
    w->entries[w->entry_count++] = (vecna_tensor_entry){
        .name = joined, .dtype = dtype, .rank = columns ? 2 : 1, .shape = {rows, columns}};
}

/* ---- reading ----------------------------------------------------------------------------------- */

vecna_status vni_map_malformed(const vni_map_reading *r, const char *what, vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_FORMAT, -1, "%s: %s", r->name, what);
}

int vni_has_key(const vni_map_reading *r, const char *prefix, const char *key) {
    char name[VNI_MAP_KEY_BYTES];
    join(name, prefix, key);
    return vecna_safetensors_text(r->file, name) != NULL;
}

vecna_status vni_get_text(const vni_map_reading *r, const char *prefix, const char *key,
                          const char **out, vecna_error *err) {
    char name[VNI_MAP_KEY_BYTES];
    join(name, prefix, key);
    *out = vecna_safetensors_text(r->file, name);
    return *out ? VECNA_OK
                : vecna_error_set(err, VECNA_ERR_FORMAT, -1, "%s: the map says nothing of \"%s\"",
                                  r->name, name);
}

vecna_status vni_get_number(const vni_map_reading *r, const char *prefix, const char *key,
                            vni_range range, double *out, vecna_error *err) {
    const char *text;
    double value = 0;
    vecna_status status = vni_get_text(r, prefix, key, &text, err);
    if (status) {
        return status;
    }
    size_t bytes = strlen(text);
    if (!bytes || vecna_number_parse_f64(text, bytes, VECNA_NUMBER_JSON, &value) != bytes ||
        !(value >= range.least && value <= range.most)) {
        return vecna_error_set(err, VECNA_ERR_FORMAT, -1,
                               "%s: \"%s%s\" is \"%.40s\", which must be a number from %g to %g",
                               r->name, prefix, key, text, range.least, range.most);
    }
    *out = value;
    return VECNA_OK;
}

vecna_status vni_get_count(const vni_map_reading *r, const char *prefix, const char *key,
                           double most, size_t *out, vecna_error *err) {
    double value = 0;
    vecna_status status = vni_get_number(r, prefix, key, (vni_range){0, most}, &value, err);
    if (!status && value != floor(value)) {
        return vecna_error_set(err, VECNA_ERR_FORMAT, -1, "%s: \"%s%s\" is no whole number",
                               r->name, prefix, key);
    }
    *out = status ? *out : (size_t)value;
    return status;
}

const vecna_tensor_entry *vni_find_tensor(const vni_map_reading *r, const char *prefix,
                                          const char *name) {
    char joined[VNI_MAP_KEY_BYTES];
    join(joined, prefix, name);
    return vecna_safetensors_find(r->file, joined);
}

vecna_status vni_check_tensor(const vni_map_reading *r, const char *prefix, const char *name,
                              vni_tensor_form form, vecna_error *err) {
    const vecna_tensor_entry *entry = vni_find_tensor(r, prefix, name);
    const size_t rank = form.columns ? 2 : 1;
    if (!entry || entry->dtype != form.dtype || entry->rank != rank ||
        entry->shape[0] != form.rows || (form.columns && entry->shape[1] != form.columns)) {
        return vecna_error_set(err, VECNA_ERR_FORMAT, -1,
                               "%s: tensor \"%s%s\" is missing or not %s of %zu x %zu", r->name,
                               prefix, name, vecna_tensor_dtype_name(form.dtype), form.rows,
                               form.columns ? form.columns : 1);
    }
    return VECNA_OK;
}

/* 1 when the element at data is a finite number. */
static int is_finite(const void *data, size_t i, vecna_tensor_dtype dtype) {
    switch (dtype) {
    case VECNA_TENSOR_F16:
        return (((const uint16_t *)data)[i] & 0x7c00u) != 0x7c00u;
    case VECNA_TENSOR_F32:
        return isfinite(((const float *)data)[i]) != 0;
    case VECNA_TENSOR_F64:
        return isfinite(((const double *)data)[i]) != 0;
    default:
        return 1;
    }
}

vecna_status vni_get_tensor(const vni_map_reading *r, const char *prefix, const char *name,
                            vni_tensor_form form, void *out, vecna_error *err) {
    vecna_status status = vni_check_tensor(r, prefix, name, form, err);
    if (status) {
        return status;
    }
    const vecna_tensor_entry *entry = vni_find_tensor(r, prefix, name);
    memcpy(out, r->data + r->file->data_offset + entry->begin, (size_t)(entry->end - entry->begin));
    const size_t elements = form.rows * (form.columns ? form.columns : 1);
    for (size_t i = 0; i < elements; i++) {
        if (!is_finite(out, i, form.dtype)) {
            return vecna_error_set(err, VECNA_ERR_VALUE, (int64_t)i,
                                   "%s: tensor \"%s%s\" holds NaN or infinity", r->name, prefix,
                                   name);
        }
    }
    return VECNA_OK;
}
