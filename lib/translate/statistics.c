/* What a map keeps of the pairs behind it: count, means, and sums of products about the means. From
 * them alone a map can be fitted again by any method, pairs can be added that come later, and a few
 * pairs of one's own can lean on many of another's.
 *
 * Sums are float32, the square as its lower triangle: half of float64's bytes for a map that is the
 * same to 1e-5 of its weights and 1e-6 of its output after ten updates through files (measured:
 * docs/map-format.md). Two sets are put together by
 *     S = S1 + S2 + n1 n2 / (n1 + n2) d d',   d = mean2 - mean1
 * which is exact; sums about means, not about zero, so that float32 loses nothing to a narrow cone. */
#include "translate/translate_impl.h"

#include <math.h>
#include <string.h>

static size_t triangle(size_t dim) {
    return dim * (dim + 1) / 2;
}

vecna_status vni_statistics_new(size_t source_dim, size_t target_dim,
                                const vecna_allocator *allocator, vni_statistics **out,
                                vecna_error *err) {
    const size_t doubles = source_dim + target_dim;
    size_t square, cross, floats, bytes, whole = 0;
    vni_statistics *s = NULL;
    if (vecna_size_mul(source_dim, source_dim + 1, &square) &&
        vecna_size_mul(source_dim, target_dim, &cross) &&
        vecna_size_add(square / 2, cross, &floats) &&
        vecna_size_mul(floats, sizeof(float), &bytes) &&
        vecna_size_add(sizeof *s + doubles * sizeof(double), bytes, &whole)) {
        s = vecna_allocate_zero(allocator, whole, 1);
    }
    if (!s) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                               "no memory for the statistics of %zu and %zu dimensions", source_dim,
                               target_dim);
    }
    s->source_dim = source_dim;
    s->target_dim = target_dim;
    s->source_mean = (double *)(s + 1);
    s->target_mean = s->source_mean + source_dim;
    s->square = (float *)(s->target_mean + target_dim);
    s->cross = s->square + triangle(source_dim);
    *out = s;
    return VECNA_OK;
}

void vni_statistics_free(vni_statistics *s, const vecna_allocator *allocator) {
    if (s) {
        vecna_release(allocator, s->half);
        vecna_release(allocator, s);
    }
}

vecna_status vni_statistics_copy(const vni_statistics *from, const vecna_allocator *allocator,
                                 vni_statistics **out, vecna_error *err) {
    const size_t p = from->source_dim, q = from->target_dim;
    vecna_status status = vni_statistics_new(p, q, allocator, out, err);
    if (!status) {
        (*out)->count = from->count;
        (*out)->target_energy = from->target_energy;
        memcpy((*out)->source_mean, from->source_mean, (p + q) * sizeof(double));
        memcpy((*out)->square, from->square, (triangle(p) + p * q) * sizeof(float));
    }
    return status;
}

vecna_status vni_statistics_of(const vni_pairs *pairs, const vni_moments *moments,
                               const size_t *rows, size_t count, vni_statistics **out,
                               vecna_error *err) {
    const size_t p = pairs->source.dim, q = pairs->target.dim;
    vni_moments own = {0};
    vni_statistics *s = NULL;
    vecna_status status = VECNA_OK;
    if (!moments) {
        status = vni_moments_new(p, q, pairs->allocator, &own, err);
        status = status ? status : vni_moments_add_rows(&own, pairs, rows, count, err);
        moments = &own;
    }
    status = status ? status : vni_statistics_new(p, q, pairs->allocator, &s, err);
    if (status) {
        goto done;
    }
    s->count = moments->count;
    s->target_energy = moments->target_energy;
    for (size_t i = 0; i < p; i++) {
        const double mean = moments->sum_source[i] / s->count;
        s->source_mean[i] = pairs->source_centre[i] + mean;
        for (size_t j = 0; j <= i; j++) {
            s->square[triangle(i) + j] =
                (float)(moments->square[i * p + j] - mean * moments->sum_source[j]);
        }
        for (size_t j = 0; j < q; j++) {
            s->cross[i * q + j] =
                (float)(moments->cross[i * q + j] - mean * moments->sum_target[j]);
        }
    }
    for (size_t j = 0; j < q; j++) {
        s->target_mean[j] = pairs->target_centre[j] + moments->sum_target[j] / s->count;
        s->target_energy -= moments->sum_target[j] * moments->sum_target[j] / s->count;
    }
    s->target_energy = s->target_energy > 0 ? s->target_energy : 0;
    *out = s;
done:
    vni_moments_free(&own);
    return status;
}

void vni_statistics_add(const vni_statistics *s, double weight, double *square, double *cross) {
    const size_t p = s->source_dim, q = s->target_dim;
    for (size_t i = 0; i < p; i++) {
        for (size_t j = 0; j < i; j++) {
            const double sum = weight * (double)s->square[triangle(i) + j];
            square[i * p + j] += sum;
            square[j * p + i] += sum;
        }
        square[i * p + i] += weight * (double)s->square[triangle(i) + i];
    }
    for (size_t i = 0; i < p * q; i++) {
        cross[i] += weight * (double)s->cross[i];
    }
}

/* sum over both sets about their common mean, from sums about their own: what lies between them. */
static double between(double count, double other) {
    return count > 0 && other > 0 ? count * other / (count + other) : 0;
}

void vni_statistics_join(vni_statistics *s, const vni_statistics *other, double weight,
                         int one_mean) {
    const size_t p = s->source_dim, q = s->target_dim;
    const double more = weight * other->count;
    const double apart = one_mean ? between(s->count, more) : 0;
    for (size_t i = 0; i < p; i++) {
        const double d = other->source_mean[i] - s->source_mean[i];
        for (size_t j = 0; j <= i; j++) {
            const double e = other->source_mean[j] - s->source_mean[j];
            const size_t at = triangle(i) + j;
            s->square[at] =
                (float)((double)s->square[at] + weight * (double)other->square[at] + apart * d * e);
        }
        for (size_t j = 0; j < q; j++) {
            const double e = other->target_mean[j] - s->target_mean[j];
            const size_t at = i * q + j;
            s->cross[at] =
                (float)((double)s->cross[at] + weight * (double)other->cross[at] + apart * d * e);
        }
    }
    s->target_energy += weight * other->target_energy;
    for (size_t j = 0; j < q; j++) {
        const double e = other->target_mean[j] - s->target_mean[j];
        s->target_energy += apart * e * e;
    }
    if (one_mean && s->count + more > 0) {
        for (size_t j = 0; j < p + q; j++) { /* the target's mean lies behind the source's */
            s->source_mean[j] +=
                more / (s->count + more) * (other->source_mean[j] - s->source_mean[j]);
        }
    }
    s->count += more;
}

/* ---- half the bytes ---------------------------------------------------------------------------- */

static double greatest(const float *values, size_t count) {
    float most = 0;
    for (size_t i = 0; i < count; i++) {
        most = fabsf(values[i]) > most ? fabsf(values[i]) : most;
    }
    return most > 0 ? (double)most : 1;
}

vecna_status vni_statistics_halve(vni_statistics *s, const vecna_allocator *allocator,
                                  vecna_error *err) {
    const size_t square = triangle(s->source_dim), cross = s->source_dim * s->target_dim;
    float row[256];
    vecna_release(allocator, s->half);
    s->half = vecna_allocate(allocator, square + cross, sizeof *s->half);
    if (!s->half) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for statistics in 16 bits");
    }
    s->square_scale = greatest(s->square, square);
    s->cross_scale = greatest(s->cross, cross);
    for (size_t first = 0; first < square + cross; first += 256) {
        const size_t here = square + cross - first < 256 ? square + cross - first : 256;
        for (size_t i = 0; i < here; i++) {
            const double scale = first + i < square ? s->square_scale : s->cross_scale;
            row[i] = (float)((double)s->square[first + i] / scale);
        }
        vecna_f16_from_float(s->half + first, row, here);
        vecna_f16_to_float(row, s->half + first,
                           here); /* what the map knows is what its file has */
        for (size_t i = 0; i < here; i++) {
            const double scale = first + i < square ? s->square_scale : s->cross_scale;
            s->square[first + i] = (float)((double)row[i] * scale);
        }
    }
    return VECNA_OK;
}
