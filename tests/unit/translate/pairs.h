/* Made-up pairs for the tests of translate: two noisy views of one latent. */
#ifndef VECNA_TEST_TRANSLATE_PAIRS_H
#define VECNA_TEST_TRANSLATE_PAIRS_H

#include "vecna/translate.h"

#include "tests/unit/support/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LATENT = 6 };

typedef struct pairs {
    size_t rows;
    vecna_matrix source, target;
} pairs;

static inline float *make_floats(size_t count) {
    float *floats = calloc(count ? count : 1, sizeof *floats);
    assert_non_null(floats);
    return floats;
}

static inline void to_unit(vecna_matrix rows) {
    for (size_t i = 0; i < rows.rows; i++) {
        float *row = rows.data + i * rows.dim;
        double square = 0;
        for (size_t j = 0; j < rows.dim; j++) {
            square += (double)row[j] * row[j];
        }
        for (size_t j = 0; j < rows.dim; j++) {
            row[j] = (float)(row[j] / sqrt(square));
        }
    }
}

/* rows of normals */
static inline vecna_matrix make_noise(size_t rows, size_t dim, uint64_t seed) {
    vecna_matrix out = vecna_matrix_dense(make_floats(rows * dim), rows, dim);
    vecna_random random;
    vecna_random_seed(&random, seed, 0);
    for (size_t i = 0; i < rows * dim; i++) {
        out.data[i] = (float)vecna_random_normal(&random);
    }
    return out;
}

/* The latent through a random map, noise and an offset: a view of it. */
static inline vecna_matrix make_side(vecna_matrix latent, size_t dim, double noise, uint64_t seed) {
    vecna_matrix out = make_noise(latent.rows, dim, seed);
    vecna_matrix through = make_noise(latent.dim, dim, seed + 1);
    for (size_t i = 0; i < out.rows; i++) {
        for (size_t j = 0; j < dim; j++) {
            double sum = noise * (double)out.data[i * dim + j] + 0.5 * (double)(j % 3);
            for (size_t k = 0; k < latent.dim; k++) {
                sum += (double)latent.data[i * latent.dim + k] * through.data[k * dim + j];
            }
            out.data[i * dim + j] = (float)sum;
        }
    }
    to_unit(out);
    free(through.data);
    return out;
}

static inline pairs make_pairs(size_t rows, size_t source_dim, size_t target_dim, uint64_t seed) {
    vecna_matrix latent = make_noise(rows, LATENT, seed);
    pairs made = {rows, make_side(latent, source_dim, 0.1, seed + 10),
                  make_side(latent, target_dim, 0.1, seed + 20)};
    free(latent.data);
    return made;
}

static inline void free_pairs(pairs *made) {
    free(made->source.data);
    free(made->target.data);
}

static inline vecna_map *fit_views(vecna_view source, vecna_view target,
                                   const vecna_translate_options *options) {
    vecna_map *map = NULL;
    vecna_error err = {0};
    vecna_status status = vecna_translate_fit(source, target, options, &map, &err);
    if (status) {
        fail_msg("%s: %s", vecna_status_name(status), err.message);
    }
    return map;
}

static inline vecna_map *fit_pairs(const pairs *made, const vecna_translate_options *options) {
    return fit_views(vecna_matrix_view(made->source), vecna_matrix_view(made->target), options);
}

#endif
