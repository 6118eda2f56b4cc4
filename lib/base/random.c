/* Seeds must mean the same on every machine: a projection drawn on one server has to be the
 * projection drawn on the next. Hence no libm (its last bits differ between versions and
 * processors) and a build with -ffp-contract=off: the logarithm and the normal quantile below use
 * +, -, *, / and sqrt alone, which IEEE 754 defines to the last bit. */
#include "base/base_impl.h"

#include <math.h>

static uint64_t rotate_left(uint64_t x, int bits) {
    return (x << bits) | (x >> (64 - bits));
}

static uint64_t splitmix64(uint64_t *state) {
    uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* The stream is mixed before it meets the seed: seeds 1, 2, 3 of streams 3, 2, 1 must not collide.
 */
void vecna_random_seed(vecna_random *random, uint64_t seed, uint64_t stream) {
    uint64_t mixed_stream = stream;
    uint64_t state = seed ^ splitmix64(&mixed_stream);
    for (int i = 0; i < 4; i++)
        random->state[i] = splitmix64(&state);
}

uint64_t vecna_random_u64(vecna_random *random) {
    uint64_t *s = random->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate_left(s[3], 45);
    return result;
}

/* Values from the incomplete last interval of 2^64 are drawn again. */
uint64_t vecna_random_below(vecna_random *random, uint64_t bound) {
    uint64_t reject_below;
    uint64_t value;
    if (bound == 0)
        return 0;
    reject_below = (UINT64_C(0) - bound) % bound;
    do
        value = vecna_random_u64(random);
    while (value < reject_below);
    return value % bound;
}

double vecna_random_uniform(vecna_random *random) {
    return (double)(vecna_random_u64(random) >> 11) * 0x1p-53;
}

double vni_log(double x) {
    int exponent;
    double mantissa = frexp(x, &exponent); /* exact */
    double s, square, sum;
    if (mantissa < 0x1.6a09e667f3bcdp-1) { /* sqrt(1/2): keeps the series argument small */
        mantissa *= 2;
        exponent--;
    }
    s = (mantissa - 1) / (mantissa + 1);
    square = s * s;
    sum = 0;
    for (int odd = 23; odd >= 3; odd -= 2)
        sum = (sum + 1.0 / odd) * square;
    /* ln 2 in two parts: the first has zeros enough at its end for exponent * part to be exact */
    return (double)exponent * 0x1.62e42feep-1 +
           ((double)exponent * 0x1.a39ef35793c76p-33 + 2 * s * (1 + sum));
}

static double rational(const double *numerator, const double *denominator, double x) {
    double above = numerator[7];
    double below = denominator[7];
    for (int i = 6; i >= 0; i--) {
        above = above * x + numerator[i];
        below = below * x + denominator[i];
    }
    return above / below;
}

/* Source: M. J. Wichura, "Algorithm AS 241: the percentage points of the normal distribution",
 * Applied Statistics 37, 1988: three rational approximations, by distance from the middle. */
double vni_normal_quantile(double p) {
    static const double middle_above[8] = {3.3871328727963666080e0,  1.3314166789178437745e+2,
                                           1.9715909503065514427e+3, 1.3731693765509461125e+4,
                                           4.5921953931549871457e+4, 6.7265770927008700853e+4,
                                           3.3430575583588128105e+4, 2.5090809287301226727e+3};
    static const double middle_below[8] = {1,
                                           4.2313330701600911252e+1,
                                           6.8718700749205790830e+2,
                                           5.3941960214247511077e+3,
                                           2.1213794301586595867e+4,
                                           3.9307895800092710610e+4,
                                           2.8729085735721942674e+4,
                                           5.2264952788528545610e+3};
    static const double near_above[8] = {1.42343711074968357734e0,  4.63033784615654529590e0,
                                         5.76949722146069140550e0,  3.64784832476320460504e0,
                                         1.27045825245236838258e0,  2.41780725177450611770e-1,
                                         2.27238449892691845833e-2, 7.74545014278341407640e-4};
    static const double near_below[8] = {1,
                                         2.05319162663775882187e0,
                                         1.67638483018380384940e0,
                                         6.89767334985100004550e-1,
                                         1.48103976427480074590e-1,
                                         1.51986665636164571966e-2,
                                         5.47593808499534494600e-4,
                                         1.05075007164441684324e-9};
    static const double far_above[8] = {6.65790464350110377720e0,  5.46378491116411436990e0,
                                        1.78482653991729133580e0,  2.96560571828504891230e-1,
                                        2.65321895265761230930e-2, 1.24266094738807843860e-3,
                                        2.71155556874348757815e-5, 2.01033439929228813265e-7};
    static const double far_below[8] = {1,
                                        5.99832206555887937690e-1,
                                        1.36929880922735805310e-1,
                                        1.48753612908506148525e-2,
                                        7.86869131145613259100e-4,
                                        1.84631831751005468180e-5,
                                        1.42151175831644588870e-7,
                                        2.04426310338993978564e-15};
    double q = p - 0.5;
    double r, value;

    if (fabs(q) <= 0.425)
        return q * rational(middle_above, middle_below, 0.180625 - q * q);
    r = sqrt(-vni_log(q < 0 ? p : 1 - p));
    value =
        r <= 5 ? rational(near_above, near_below, r - 1.6) : rational(far_above, far_below, r - 5);
    return q < 0 ? -value : value;
}

double vecna_random_normal(vecna_random *random) {
    /* the midpoint of one of 2^52 cells, so that neither 0 nor 1 can come */
    double p = ((double)(vecna_random_u64(random) >> 12) + 0.5) * 0x1p-52;
    return vni_normal_quantile(p);
}

void vecna_random_shuffle(vecna_random *random, size_t *indices, size_t count) {
    for (size_t left = count; left > 1; left--) {
        size_t chosen = (size_t)vecna_random_below(random, left);
        size_t moved = indices[left - 1];
        indices[left - 1] = indices[chosen];
        indices[chosen] = moved;
    }
}
