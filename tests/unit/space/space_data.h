/* The small real sets of tests/vectors/space: int8 rows in .npy files, read without vecna. */
#ifndef VECNA_TEST_SPACE_DATA_H
#define VECNA_TEST_SPACE_DATA_H

#include "tests/unit/support/support.h"

#include "vecna/space.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct real_set {
    const char *name;
    size_t rows, dim;
    float *data;
} real_set;

/* name of a file without ".npy"; dies through cmocka when the file is not what it should be. */
static inline real_set real_set_load(const char *name) {
    char path[256], header[256];
    real_set set = {.name = name};
    unsigned char magic[10];
    snprintf(path, sizeof path, "tests/vectors/space/%s.npy", name);
    FILE *file = fopen(path, "rb");
    if (!file)
        fail_msg("cannot open %s: run from the root of the repository", path);
    assert_int_equal(fread(magic, 1, 10, file), 10);
    size_t length = magic[8] + 256U * magic[9];
    assert_true(length < sizeof header);
    assert_int_equal(fread(header, 1, length, file), length);
    header[length] = 0;
    const char *shape = strstr(header, "'shape': (");
    assert_non_null(shape);
    assert_non_null(strstr(header, "'|i1'"));
    assert_int_equal(sscanf(shape, "'shape': (%zu, %zu)", &set.rows, &set.dim), 2);
    size_t count = set.rows * set.dim;
    signed char *bytes = malloc(count);
    set.data = malloc(count * sizeof *set.data);
    assert_true(bytes && set.data);
    assert_int_equal(fread(bytes, 1, count, file), count);
    for (size_t i = 0; i < count; i++)
        set.data[i] = bytes[i];
    free(bytes);
    fclose(file);
    return set;
}

static inline vecna_view real_set_rows(const real_set *set, size_t rows) {
    return vecna_view_dense(set->data, rows < set->rows ? rows : set->rows, set->dim);
}

static inline vecna_space *space_of(const real_set *set, const char *name) {
    vecna_space_options options = {.name = name};
    vecna_space *space = NULL;
    vecna_error err = {0};
    if (vecna_space_of(real_set_rows(set, set->rows), &options, &space, &err) != VECNA_OK)
        fail_msg("%s", err.message);
    return space;
}

/* Rows of independent normal numbers, the first dimensions stronger: a made-up model. */
static inline float *made_up(size_t rows, size_t dim, uint64_t seed) {
    vecna_random random;
    float *data = malloc(rows * dim * sizeof *data);
    assert_non_null(data);
    vecna_random_seed(&random, seed, 0);
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < dim; j++)
            data[i * dim + j] =
                (float)((vecna_random_normal(&random) + 0.5) * (1 + 4.0 / (double)(j + 1)));
    }
    return data;
}

#endif
