/* One pass: exact sums over every row, and a uniform sample of rows (algorithm R) for what needs
 * rows side by side. A sample of 1280 is enough because the directions that tell models apart are
 * the strong ones; the error table of docs/space.md was measured with it.
 *
 * Of the sample four fifths give the directions and one fifth is held out: what those score is what
 * unseen rows of the same domain will score, without which a score has no scale. Rows are split by
 * position in the sample, every fifth, so that an ordered file of few rows is split evenly too. */
#include "space/space_impl.h"

#include "vecna/linalg.h"

#include <math.h>
#include <string.h>

enum { SAMPLE_DEFAULT = 1280, SAMPLE_MIN = 16, SAMPLE_MAX = 1 << 20, HELD_OUT = 5 };

vni_row_kind vni_row_norm(const float *row, size_t dim, double *norm) {
    double lanes[8] = {0};
    size_t i = 0;
    for (; i + 8 <= dim; i += 8) {
        for (size_t k = 0; k < 8; k++)
            lanes[k] += (double)row[i + k] * row[i + k];
    }
    for (; i < dim; i++)
        lanes[0] += (double)row[i] * row[i];
    double sum = ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) +
                 ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
    if (sum == 0)
        return VNI_ROW_ZERO;
    if (isfinite(sum)) { /* squares of float32 do not overflow float64 */
        *norm = sqrt(sum);
        return VNI_ROW_USABLE;
    }
    return isnan(sum) ? VNI_ROW_NAN : VNI_ROW_INFINITE;
}

static vecna_status check_options(size_t dim, const vecna_space_options *options,
                                  vecna_error *err) {
    if (dim == 0)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1, "a space of dimension 0");
    if (options->directions > VECNA_SPACE_DIRECTIONS_MAX)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "%zu principal directions asked for: at most %d",
                               options->directions, VECNA_SPACE_DIRECTIONS_MAX);
    if (options->sample_rows &&
        (options->sample_rows < SAMPLE_MIN || options->sample_rows > SAMPLE_MAX))
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1, "a sample of %zu rows: give %d to %d",
                               options->sample_rows, SAMPLE_MIN, SAMPLE_MAX);
    if (options->name && strlen(options->name) >= VECNA_SPACE_NAME_BYTES)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "the name of a space has %zu bytes: at most %d",
                               strlen(options->name), VECNA_SPACE_NAME_BYTES - 1);
    return VECNA_OK;
}

vecna_status vecna_space_builder_new(size_t dim, const vecna_space_options *options,
                                     vecna_space_builder **out, vecna_error *err) {
    static const vecna_space_options defaults;
    const vecna_space_options *o = options ? options : &defaults;
    vecna_status status = check_options(dim, o, err);
    if (status != VECNA_OK)
        return status;
    size_t sample_rows = o->sample_rows ? o->sample_rows : SAMPLE_DEFAULT;
    size_t per_dim = 2 * sizeof(double) + sizeof(float), row_bytes, bytes = 0;
    vecna_space_builder *builder = NULL;
    if (vecna_size_mul(sample_rows, sizeof(float), &row_bytes) &&
        vecna_size_mul(dim, per_dim + row_bytes, &bytes) &&
        vecna_size_add(bytes, sizeof *builder, &bytes))
        builder = vecna_allocate(o->allocator, bytes, 1);
    if (!builder)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                               "no memory for a sample of %zu rows of dimension %zu", sample_rows,
                               dim);
    /* The sample is written before it is read. */
    memset(builder, 0, sizeof *builder + dim * per_dim);
    builder->allocator = o->allocator;
    if (o->allocator)
        builder->allocator_copy = *o->allocator;
    if (o->name)
        memcpy(builder->name, o->name, strlen(o->name));
    builder->dim = dim;
    builder->directions = o->directions ? o->directions : VECNA_SPACE_DIRECTIONS;
    builder->sample_rows = sample_rows;
    builder->sum = (double *)(builder + 1);
    builder->sum_squares = builder->sum + dim;
    builder->unit = (float *)(builder->sum_squares + dim);
    builder->sample = builder->unit + dim;
    vecna_random_seed(&builder->random, o->seed, 0);
    *out = builder;
    return VECNA_OK;
}

void vecna_space_builder_free(vecna_space_builder *builder) {
    if (!builder)
        return;
    vecna_allocator allocator = builder->allocator_copy;
    vecna_release(builder->allocator ? &allocator : NULL, builder);
}

void vni_builder_add_row(vecna_space_builder *builder, const float *row, double norm) {
    size_t dim = builder->dim;
    double scale = 1 / norm;
    for (size_t j = 0; j < dim; j++) {
        double value = row[j] * scale;
        builder->sum[j] += value;
        builder->sum_squares[j] += value * value;
        builder->unit[j] = (float)value;
    }
    if (builder->rows == 0 || norm < builder->norm_min)
        builder->norm_min = norm;
    if (builder->rows == 0 || norm > builder->norm_max)
        builder->norm_max = norm;
    builder->outside += fabs(norm - 1) > VNI_UNIT_TOLERANCE;
    size_t slot = builder->sampled;
    if (builder->sampled < builder->sample_rows)
        builder->sampled++;
    else
        slot = (size_t)vecna_random_below(&builder->random, builder->rows + 1);
    builder->rows++;
    double above = norm - builder->norm_mean;
    builder->norm_mean += above / (double)builder->rows;
    builder->norm_squares += above * (norm - builder->norm_mean);
    if (slot < builder->sample_rows)
        memcpy(builder->sample + slot * dim, builder->unit, dim * sizeof *builder->sample);
}

vecna_status vecna_space_builder_add(vecna_space_builder *builder, vecna_view rows,
                                     vecna_error *err) {
    if (rows.dim != builder->dim)
        return vecna_error_set(err, VECNA_ERR_DIM, -1,
                               "rows of dimension %zu for a fingerprint of dimension %zu", rows.dim,
                               builder->dim);
    for (size_t i = 0; i < rows.rows; i++) {
        const float *row = rows.data + i * rows.stride;
        double norm;
        if (vni_row_norm(row, rows.dim, &norm) == VNI_ROW_USABLE)
            vni_builder_add_row(builder, row, norm);
    }
    return VECNA_OK;
}

double vni_breadth(double sum, double squares, size_t rows) {
    if (sum <= 0)
        return 1;
    double share = squares / (sum * sum) - 1 / (double)rows;
    return 1 / (share > 1e-3 ? share : 1e-3);
}

/* ---- from sums and sample to a space --------------------------------------------------------- */

typedef struct fingerprint {
    const vecna_space_builder *builder;
    size_t dim;
    size_t fitted, held; /* rows of the sample on either side */
    size_t kept;         /* directions */
    double *mean;        /* (dim) */
    double *axis;        /* (dim) its direction */
    double *rows;        /* (fitted, dim), then (held, dim) behind it: orthogonal to the axis */
    double *gram;        /* (size, size), size = min(fitted, dim) */
    double *values;      /* (size) the first `kept` are eigenvalues */
    double *vectors;     /* (kept, size) */
    double sum, squares; /* of all eigenvalues */
    double *directions;  /* (kept, dim) */
    double *weight;      /* (kept) */
    float *parts;        /* mean, principal, variances as float32 */
} fingerprint;

static void fingerprint_free(fingerprint *f) {
    const vecna_allocator *allocator = f->builder->allocator;
    vecna_release(allocator, f->mean);
    vecna_release(allocator, f->rows);
    vecna_release(allocator, f->gram);
    vecna_release(allocator, f->directions);
    vecna_release(allocator, f->parts);
}

static vecna_status fingerprint_allocate(fingerprint *f, vecna_error *err) {
    const vecna_allocator *allocator = f->builder->allocator;
    size_t size = f->fitted < f->dim ? f->fitted : f->dim;
    f->mean = vecna_allocate_zero(allocator, f->dim, 2 * sizeof *f->mean);
    f->rows = vecna_allocate(allocator, f->builder->sampled, f->dim * sizeof *f->rows);
    f->gram = vecna_allocate(allocator, size, (size + 1 + f->kept) * sizeof *f->gram);
    f->directions = vecna_allocate(allocator, f->kept, (f->dim + 1) * sizeof *f->directions);
    f->parts = vecna_allocate(allocator, f->dim + f->kept, (f->kept + 1) * sizeof *f->parts);
    if (!f->mean || !f->rows || !f->gram || !f->directions || !f->parts)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                               "no memory for the fingerprint of %zu rows of dimension %zu",
                               f->builder->sampled, f->dim);
    f->axis = f->mean + f->dim;
    f->values = f->gram + size * size;
    f->vectors = f->values + size;
    f->weight = f->directions + f->kept * f->dim;
    return VECNA_OK;
}

/* Mean, its direction, and its length. A mean of length 0 (rows that cancel) has no direction. */
static double find_axis(fingerprint *f) {
    double squares = 0;
    for (size_t j = 0; j < f->dim; j++) {
        f->mean[j] = f->builder->sum[j] / (double)f->builder->rows;
        squares += f->mean[j] * f->mean[j];
    }
    double cone = sqrt(squares);
    for (size_t j = 0; j < f->dim && cone > 1e-9; j++)
        f->axis[j] = f->mean[j] / cone;
    return cone;
}

/* Takes the mean off each column, some columns at a time that the cache holds; returns the sum of all
 * squares that are left. */
static double centre_columns(double *rows, size_t count, size_t dim) {
    enum { AT_ONCE = 64 };
    double total = 0;
    for (size_t first = 0; first < dim; first += AT_ONCE) {
        const size_t here = dim - first < AT_ONCE ? dim - first : AT_ONCE;
        double mean[AT_ONCE] = {0}, squares[AT_ONCE] = {0};
        for (size_t i = 0; i < count; i++)
            for (size_t j = 0; j < here; j++)
                mean[j] += rows[i * dim + first + j];
        for (size_t j = 0; j < here; j++)
            mean[j] /= (double)count;
        for (size_t i = 0; i < count; i++) {
            double *row = rows + i * dim + first;
            for (size_t j = 0; j < here; j++) {
                row[j] -= mean[j];
                squares[j] += row[j] * row[j];
            }
        }
        for (size_t j = 0; j < here; j++)
            total += squares[j];
    }
    return total;
}

/* The sample without its part along the axis: fitted rows (centred) first, held rows behind.
 * Returns the variance of the fitted rows over all dimensions. */
static double split_sample(fingerprint *f) {
    size_t dim = f->dim, fitted = 0, held = f->fitted;
    for (size_t i = 0; i < f->builder->sampled; i++) {
        const float *row = f->builder->sample + i * dim;
        int out = f->held && i % HELD_OUT == HELD_OUT - 1;
        double *to = f->rows + (out ? held++ : fitted++) * dim, along = 0;
        for (size_t j = 0; j < dim; j++)
            along += row[j] * f->axis[j];
        for (size_t j = 0; j < dim; j++)
            to[j] = row[j] - along * f->axis[j];
    }
    return centre_columns(f->rows, f->fitted, dim) / (double)f->fitted;
}

/* The first `kept` eigenvalues and directions of the covariance of the fitted rows, from whichever of
 * rows' x rows and rows x rows' is smaller. All eigenvalues add up to its trace, their squares to
 * its own: nothing more of the others is needed. */
static vecna_status find_directions(fingerprint *f, vecna_error *err) {
    size_t dim = f->dim, size = f->fitted < dim ? f->fitted : dim;
    vecna_view_f64 rows = vecna_view_f64_dense(f->rows, f->fitted, dim);
    vecna_matrix_f64 gram = vecna_matrix_f64_dense(f->gram, size, size);
    int transpose = f->fitted < dim ? VECNA_TRANSPOSE_B : VECNA_TRANSPOSE_A;
    vecna_status status = vecna_linalg_product_f64(rows, rows, transpose, gram, err);
    const double scale = 1 / (double)f->fitted;
    f->sum = f->squares = 0;
    for (size_t i = 0; status == VECNA_OK && i < size * size; i++) {
        f->sum += i % (size + 1) == 0 ? f->gram[i] * scale : 0;
        f->squares += f->gram[i] * scale * f->gram[i] * scale;
    }
    if (status == VECNA_OK)
        status = vecna_linalg_eigen_top(f->gram, size, f->kept, f->values, f->vectors, err);
    if (status != VECNA_OK)
        return status;
    for (size_t i = 0; i < f->kept; i++)
        f->values[i] = f->values[i] > 0 ? f->values[i] / (double)f->fitted : 0;
    while (f->kept && f->values[f->kept - 1] <= 1e-9 * f->values[0])
        f->kept--; /* what is left is rounding */
    if (f->kept == 0)
        return VECNA_OK;
    if (f->fitted >= dim) {
        memcpy(f->directions, f->vectors, f->kept * dim * sizeof *f->directions);
        return VECNA_OK;
    }
    status = vecna_linalg_product_f64(vecna_view_f64_dense(f->vectors, f->kept, size), rows,
                                      VECNA_TRANSPOSE_NONE,
                                      vecna_matrix_f64_dense(f->directions, f->kept, dim), err);
    for (size_t i = 0; i < f->kept && status == VECNA_OK; i++) {
        double squares = 0, *direction = f->directions + i * dim;
        for (size_t j = 0; j < dim; j++)
            squares += direction[j] * direction[j];
        for (size_t j = 0; j < dim; j++)
            direction[j] /= sqrt(squares);
    }
    return status;
}

/* What the held rows score: weighted energy in the directions over chance. */
static double held_gain(const fingerprint *f, double base) {
    double score = 0, energy = 0, sum = 0;
    for (size_t k = 0; k < f->kept; k++) {
        f->weight[k] = f->values[k] / (f->values[k] + base);
        sum += f->weight[k];
    }
    size_t first = f->held ? f->fitted : 0, count = f->held ? f->held : f->fitted;
    for (size_t i = first; i < first + count; i++) {
        const double *row = f->rows + i * f->dim;
        for (size_t j = 0; j < f->dim; j++)
            energy += row[j] * row[j];
        for (size_t k = 0; k < f->kept; k++) {
            const double *direction = f->directions + k * f->dim;
            double along = 0;
            for (size_t j = 0; j < f->dim; j++)
                along += row[j] * direction[j];
            score += f->weight[k] * along * along;
        }
    }
    if (energy <= 0 || sum <= 0)
        return 1;
    return score / energy / (sum / (double)(f->dim - 1));
}

static size_t directions_kept(const vecna_space_builder *builder, size_t fitted) {
    size_t kept = builder->directions;
    size_t by_rows = fitted > 2 ? fitted - 2 : 0;
    if (kept > by_rows)
        kept = by_rows;
    return kept > builder->dim / 2 ? builder->dim / 2 : kept;
}

static vecna_status make_space(const fingerprint *f, vecna_space_parts *parts, vecna_space **out,
                               vecna_error *err) {
    const vecna_space_builder *builder = f->builder;
    float *mean = f->parts, *principal = mean + f->dim, *variances = principal + f->kept * f->dim;
    for (size_t j = 0; j < f->dim; j++)
        mean[j] = (float)f->mean[j];
    for (size_t i = 0; i < f->kept * f->dim; i++)
        principal[i] = (float)f->directions[i];
    for (size_t k = 0; k < f->kept; k++)
        variances[k] = (float)f->values[k];
    parts->name = builder->name;
    parts->dim = f->dim;
    parts->directions = f->kept;
    parts->rows = builder->rows;
    parts->norm_mean = builder->norm_mean;
    parts->norm_deviation = sqrt(builder->norm_squares / (double)builder->rows);
    parts->unit = builder->outside == 0;
    parts->mean = mean;
    parts->principal = principal;
    parts->variances = variances;
    return vecna_space_from_parts(parts, builder->allocator, out, err);
}

vecna_status vecna_space_builder_finish(const vecna_space_builder *builder, vecna_space **out,
                                        vecna_error *err) {
    if (builder->rows == 0)
        return vecna_error_set(
            err, VECNA_ERR_VALUE, -1,
            "no vector to make a fingerprint from: every row is zero or not finite");
    fingerprint f = {.builder = builder, .dim = builder->dim};
    vecna_space_parts parts = {.gain = 1};
    f.held = builder->sampled >= SAMPLE_MIN ? builder->sampled / HELD_OUT : 0;
    f.fitted = builder->sampled - f.held;
    f.kept = directions_kept(builder, f.fitted);
    vecna_status status = fingerprint_allocate(&f, err);
    if (status != VECNA_OK)
        goto done;
    find_axis(&f);
    parts.spread = split_sample(&f);
    if (f.kept && parts.spread > 0) {
        status = find_directions(&f, err);
        if (status != VECNA_OK)
            goto done;
        parts.breadth = vni_breadth(f.sum, f.squares, f.fitted);
        parts.gain = held_gain(&f, parts.spread / (double)(f.dim - 1));
    } else {
        f.kept = 0;
    }
    status = make_space(&f, &parts, out, err);
done:
    fingerprint_free(&f);
    return status;
}

vecna_status vecna_space_of(vecna_view rows, const vecna_space_options *options, vecna_space **out,
                            vecna_error *err) {
    vecna_space_builder *builder = NULL;
    vecna_status status = vecna_space_builder_new(rows.dim, options, &builder, err);
    if (status == VECNA_OK)
        status = vecna_space_builder_add(builder, rows, err);
    if (status == VECNA_OK)
        status = vecna_space_builder_finish(builder, out, err);
    vecna_space_builder_free(builder);
    return status;
}
