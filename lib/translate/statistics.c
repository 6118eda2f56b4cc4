/* What a map keeps of the pairs behind it: count, means, and sums of products about the means. From
 * them alone a map can be fitted again by any method, pairs can be added that come later, and a few
 * pairs of one's own can lean on many of another's.
 *
 * Sums are float32, the square as its lower triangle: half of float64's bytes for a map that is the
 * same to 1e-5 of its weights and 1e-6 of its output after ten updates through files (measured:
 * docs/map-format.md). Two sets are put together by
 *     S = S1 + S2 + n1 n2 / (n1 + n2) d d',   d = mean2 - mean1
 * which is exact; sums about means, not about zero, so that float32 loses nothing to a narrow cone.
 * They are shares of the greatest among them, so that rows of any length fit, in 16 bits too. */
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
        (*out)->square_scale = from->square_scale;
        (*out)->cross_scale = from->cross_scale;
        memcpy((*out)->source_mean, from->source_mean, (p + q) * sizeof(double));
        memcpy((*out)->square, from->square, (triangle(p) + p * q) * sizeof(float));
    }
    return status;
}

/* Sums of pairs about their mean, out of moments about the centre. */
static double square_of(const vni_moments *m, size_t i, size_t j) {
    return m->square[i * m->source_dim + j] - m->sum_source[i] / m->count * m->sum_source[j];
}

static double cross_of(const vni_moments *m, size_t i, size_t j) {
    return m->cross[i * m->target_dim + j] - m->sum_source[i] / m->count * m->sum_target[j];
}

static double greater(double most, double value) {
    return fabs(value) > most ? fabs(value) : most;
}

void vni_statistics_take(vni_statistics *s, const vni_moments *m) {
    const size_t p = s->source_dim, q = s->target_dim;
    double square = 0, cross = 0;
    for (size_t i = 0; i < p; i++) { /* no product is above the greatest square */
        square = greater(square, square_of(m, i, i));
        for (size_t j = 0; j < q; j++) {
            cross = greater(cross, cross_of(m, i, j));
        }
    }
    s->square_scale = square > 0 ? square : 1;
    s->cross_scale = cross > 0 ? cross : 1;
    for (size_t i = 0; i < p; i++) {
        for (size_t j = 0; j <= i; j++) {
            s->square[triangle(i) + j] = (float)(square_of(m, i, j) / s->square_scale);
        }
        for (size_t j = 0; j < q; j++) {
            s->cross[i * q + j] = (float)(cross_of(m, i, j) / s->cross_scale);
        }
    }
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
        s->source_mean[i] = pairs->source_centre[i] + moments->sum_source[i] / s->count;
    }
    for (size_t j = 0; j < q; j++) {
        s->target_mean[j] = pairs->target_centre[j] + moments->sum_target[j] / s->count;
        s->target_energy -= moments->sum_target[j] * moments->sum_target[j] / s->count;
    }
    s->target_energy = s->target_energy > 0 ? s->target_energy : 0;
    vni_statistics_take(s, moments);
    *out = s;
done:
    vni_moments_free(&own);
    return status;
}

void vni_statistics_add(const vni_statistics *s, double weight, double *square, double *cross) {
    const size_t p = s->source_dim, q = s->target_dim;
    for (size_t i = 0; i < p; i++) {
        for (size_t j = 0; j < i; j++) {
            const double sum = weight * s->square_scale * (double)s->square[triangle(i) + j];
            square[i * p + j] += sum;
            square[j * p + i] += sum;
        }
        square[i * p + i] += weight * s->square_scale * (double)s->square[triangle(i) + i];
    }
    for (size_t i = 0; i < p * q; i++) {
        cross[i] += weight * s->cross_scale * (double)s->cross[i];
    }
}

/* Two sets while they are joined. */
typedef struct joining {
    const vni_statistics *s, *other;
    double weight, apart; /* of the other; of what lies between the means */
} joining;

static double joined_square(const joining *g, size_t i, size_t j) {
    const size_t at = triangle(i) + j;
    return g->s->square_scale * (double)g->s->square[at] +
           g->weight * g->other->square_scale * (double)g->other->square[at] +
           g->apart * (g->other->source_mean[i] - g->s->source_mean[i]) *
               (g->other->source_mean[j] - g->s->source_mean[j]);
}

static double joined_cross(const joining *g, size_t i, size_t j) {
    const size_t at = i * g->s->target_dim + j;
    return g->s->cross_scale * (double)g->s->cross[at] +
           g->weight * g->other->cross_scale * (double)g->other->cross[at] +
           g->apart * (g->other->source_mean[i] - g->s->source_mean[i]) *
               (g->other->target_mean[j] - g->s->target_mean[j]);
}

static void join_sums(vni_statistics *s, const joining *g) {
    const size_t p = s->source_dim, q = s->target_dim;
    double square = 0, cross = 0;
    for (size_t i = 0; i < p; i++) {
        square = greater(square, joined_square(g, i, i));
        for (size_t j = 0; j < q; j++) {
            cross = greater(cross, joined_cross(g, i, j));
        }
    }
    square = square > 0 ? square : 1;
    cross = cross > 0 ? cross : 1;
    for (size_t i = 0; i < p; i++) {
        for (size_t j = 0; j <= i; j++) {
            s->square[triangle(i) + j] = (float)(joined_square(g, i, j) / square);
        }
        for (size_t j = 0; j < q; j++) {
            s->cross[i * q + j] = (float)(joined_cross(g, i, j) / cross);
        }
    }
    s->square_scale = square;
    s->cross_scale = cross;
}

void vni_statistics_join(vni_statistics *s, const vni_statistics *other, double weight,
                         int one_mean) {
    const double more = weight * other->count;
    const double all = s->count + more;
    const joining g = {s, other, weight, one_mean && all > 0 ? s->count * more / all : 0};
    join_sums(s, &g);
    s->target_energy += weight * other->target_energy;
    for (size_t j = 0; j < s->target_dim; j++) {
        const double d = other->target_mean[j] - s->target_mean[j];
        s->target_energy += g.apart * d * d;
    }
    for (size_t j = 0; j < s->source_dim + s->target_dim && g.apart > 0; j++) {
        /* the target's mean lies behind the source's */
        s->source_mean[j] += more / all * (other->source_mean[j] - s->source_mean[j]);
    }
    s->count = all;
}

/* ---- half the bytes ---------------------------------------------------------------------------- */

vecna_status vni_statistics_halve(vni_statistics *s, const vecna_allocator *allocator,
                                  vecna_error *err) {
    const size_t sums = triangle(s->source_dim) + s->source_dim * s->target_dim;
    vecna_release(allocator, s->half);
    s->half = vecna_allocate(allocator, sums, sizeof *s->half);
    if (!s->half) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for statistics in 16 bits");
    }
    vecna_f16_from_float(s->half, s->square, sums);
    vecna_f16_to_float(s->square, s->half, sums); /* what the map knows is what its file has */
    return VECNA_OK;
}
