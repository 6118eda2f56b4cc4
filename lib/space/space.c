/* The object: one block of memory that owns its arrays, so that copying parts in and handing them
 * out is all there is to it. What comes from a file is not trusted: directions that are not
 * orthonormal would make every likelihood wrong without a sign. */
#include "space/space_impl.h"

#include <math.h>
#include <string.h>

enum { VNI_DIM_MAX = 1 << 24 };

const char *vecna_space_name(const vecna_space *space) {
    return space->name;
}

size_t vecna_space_dim(const vecna_space *space) {
    return space->parts.dim;
}

void vecna_space_parts_of(const vecna_space *space, vecna_space_parts *out) {
    *out = space->parts;
}

void vecna_space_free(vecna_space *space) {
    if (!space)
        return;
    vecna_allocator allocator = space->allocator_copy;
    vecna_release(space->allocator ? &allocator : NULL, space);
}

static int all_finite(const float *values, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(values[i]))
            return 0;
    }
    return 1;
}

static double dot(const float *a, const float *b, size_t dim) {
    double sum = 0;
    for (size_t i = 0; i < dim; i++)
        sum += (double)a[i] * b[i];
    return sum;
}

static vecna_status check_sizes(const vecna_space_parts *parts, vecna_error *err) {
    if (parts->dim == 0 || parts->dim > VNI_DIM_MAX)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "a space of dimension %zu: give 1 to %d", parts->dim, VNI_DIM_MAX);
    if (parts->directions > VECNA_SPACE_DIRECTIONS_MAX || parts->directions > parts->dim / 2)
        return vecna_error_set(
            err, VECNA_ERR_ARGUMENT, -1,
            "%zu principal directions in a space of dimension %zu: at most %d, and "
            "half the dimension",
            parts->directions, parts->dim, VECNA_SPACE_DIRECTIONS_MAX);
    if (parts->name && strlen(parts->name) >= VECNA_SPACE_NAME_BYTES)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "the name of a space has %zu bytes: at most %d", strlen(parts->name),
                               VECNA_SPACE_NAME_BYTES - 1);
    if (!parts->mean || (parts->directions && (!parts->principal || !parts->variances)))
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1, "a tensor of the space is missing");
    return VECNA_OK;
}

static vecna_status bad_number(const char *what, vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_VALUE, -1,
                           "the fingerprint of the space is broken: %s; make it again from vectors",
                           what);
}

static vecna_status check_numbers(const vecna_space_parts *parts, vecna_error *err) {
    const double numbers[] = {parts->norm_mean, parts->norm_deviation, parts->spread,
                              parts->breadth, parts->gain};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (!isfinite(numbers[i]) || numbers[i] < 0)
            return bad_number("a number is negative or not finite", err);
    }
    if (!all_finite(parts->mean, parts->dim))
        return bad_number("its mean is not finite", err);
    double cone = dot(parts->mean, parts->mean, parts->dim);
    if (cone > 1.01)
        return bad_number("its mean is longer than 1", err);
    for (size_t i = 0; i < parts->directions; i++) {
        if (!isfinite(parts->variances[i]) || parts->variances[i] < 0)
            return bad_number("a variance is negative or not finite", err);
    }
    return VECNA_OK;
}

static vecna_status check_directions(const vecna_space_parts *parts, vecna_error *err) {
    double cone = sqrt(dot(parts->mean, parts->mean, parts->dim));
    if (parts->directions && !all_finite(parts->principal, parts->directions * parts->dim))
        return bad_number("a principal direction is not finite", err);
    for (size_t i = 0; i < parts->directions; i++) {
        const float *a = parts->principal + i * parts->dim;
        if (fabs(dot(a, parts->mean, parts->dim)) > 0.05 * cone)
            return bad_number("a principal direction is not orthogonal to the mean", err);
        for (size_t j = 0; j <= i; j++) {
            double value = dot(a, parts->principal + j * parts->dim, parts->dim);
            if (fabs(value - (i == j)) > 0.05)
                return bad_number("its principal directions are not orthonormal", err);
        }
    }
    return VECNA_OK;
}

/* Bytes of the object with its arrays behind it; 0 when they do not fit. */
static size_t object_bytes(size_t dim, size_t directions) {
    size_t floats, bytes;
    if (!vecna_size_mul(dim, directions + 1, &floats) ||
        !vecna_size_add(floats, directions, &floats) ||
        !vecna_size_mul(floats, sizeof(float), &bytes) ||
        !vecna_size_add(bytes, sizeof(vecna_space), &bytes))
        return 0;
    return bytes;
}

vecna_status vecna_space_from_parts(const vecna_space_parts *parts,
                                    const vecna_allocator *allocator, vecna_space **out,
                                    vecna_error *err) {
    vecna_status status = check_sizes(parts, err);
    if (status == VECNA_OK)
        status = check_numbers(parts, err);
    if (status == VECNA_OK)
        status = check_directions(parts, err);
    if (status != VECNA_OK)
        return status;
    size_t dim = parts->dim, directions = parts->directions;
    size_t bytes = object_bytes(dim, directions);
    vecna_space *space = bytes ? vecna_allocate(allocator, bytes, 1) : NULL;
    if (!space)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                               "no memory for a space of dimension %zu with %zu directions", dim,
                               directions);
    memset(space, 0, sizeof *space);
    space->allocator = allocator;
    if (allocator)
        space->allocator_copy = *allocator;
    space->parts = *parts;
    memcpy(space->name, parts->name ? parts->name : "", parts->name ? strlen(parts->name) : 0);
    space->parts.name = space->name;
    float *mean = (float *)(space + 1), *principal = mean + dim;
    float *variances = principal + directions * dim;
    memcpy(mean, parts->mean, dim * sizeof *mean);
    if (directions) {
        memcpy(principal, parts->principal, directions * dim * sizeof *principal);
        memcpy(variances, parts->variances, directions * sizeof *variances);
    }
    space->parts.mean = mean;
    space->parts.principal = principal;
    space->parts.variances = variances;
    *out = space;
    return VECNA_OK;
}
