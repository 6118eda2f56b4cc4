/* Few pairs that lean on many of another kind: a generic map for the same two models.
 *
 * Sums of products about means are added, the other's times a weight; the means stay the few pairs' own,
 * because what moves from one kind of text to the next is the mean most of all. Means of very few rows
 * are noise themselves, so both are shrunk towards the other's by one factor (James and Stein's,
 * positive part): the share of noise in the squared distance between the two.
 *
 * An update is the other case: both sets are one kind, so that sums and means are those of all pairs,
 * as if they had been fitted together. */
#include "translate/translate_impl.h"

#include <math.h>

/* The mean of column j of the pairs' sums. */
static double own_mean(const double *centre, const double *sum, double count, size_t j) {
    return centre[j] + sum[j] / count;
}

static double distance(const vni_pairs *pairs, const vni_moments *m) {
    const vni_statistics *s = pairs->prior.statistics;
    double square = 0;
    for (size_t j = 0; j < s->source_dim; j++) {
        const double d =
            own_mean(pairs->source_centre, m->sum_source, m->count, j) - s->source_mean[j];
        square += d * d;
    }
    for (size_t j = 0; j < s->target_dim; j++) {
        const double d =
            own_mean(pairs->target_centre, m->sum_target, m->count, j) - s->target_mean[j];
        square += d * d;
    }
    return square;
}

double vni_prior_share(const vni_pairs *pairs, const vni_moments *m, double own_energy) {
    const vni_prior *prior = &pairs->prior;
    if (prior->one_mean) {
        const double more = prior->weight * prior->statistics->count;
        return more / (m->count + more);
    }
    if (!(prior->weight > 0)) {
        return 0;
    }
    const double degrees = m->count > 2 ? m->count - 1 : 1;
    const double noise = own_energy / degrees / m->count, apart = distance(pairs, m);
    return apart > noise ? noise / apart : 1;
}

void vni_prior_add(const vni_pairs *pairs, const vni_moments *m, double *square, double *cross) {
    const vni_prior *prior = &pairs->prior;
    const vni_statistics *s = prior->statistics;
    const size_t p = s->source_dim, q = s->target_dim;
    vni_statistics_add(s, prior->weight, square, cross);
    if (!prior->one_mean) {
        return;
    }
    const double more = prior->weight * s->count;
    const double apart = m->count * more / (m->count + more);
    for (size_t i = 0; i < p; i++) {
        const double d = apart * (own_mean(pairs->source_centre, m->sum_source, m->count, i) -
                                  s->source_mean[i]);
        for (size_t j = 0; j < p; j++) {
            square[i * p + j] += d * (own_mean(pairs->source_centre, m->sum_source, m->count, j) -
                                      s->source_mean[j]);
        }
        for (size_t j = 0; j < q; j++) {
            cross[i * q + j] += d * (own_mean(pairs->target_centre, m->sum_target, m->count, j) -
                                     s->target_mean[j]);
        }
    }
}

double vni_prior_energy(const vni_pairs *pairs, const vni_moments *m) {
    const vni_prior *prior = &pairs->prior;
    const vni_statistics *s = prior->statistics;
    double energy = prior->weight * s->target_energy;
    if (prior->one_mean) {
        const double more = prior->weight * s->count;
        for (size_t j = 0; j < s->target_dim; j++) {
            const double d =
                own_mean(pairs->target_centre, m->sum_target, m->count, j) - s->target_mean[j];
            energy += m->count * more / (m->count + more) * d * d;
        }
    }
    return energy;
}
