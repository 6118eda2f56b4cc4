/* Random numbers: the same everywhere, and distributed as they say. */
#include "base/base_impl.h"
#include "tests/unit/support/support.h"

#include <math.h>
#include <string.h>

/* First outputs for (seed 42, stream 0) and (42, 1); tests/reference/base_reference.py computes
 * them with Python's integers. */
static void reproduces(void **state) {
    static const uint64_t wanted[2][4] = {
        {UINT64_C(0x1FF785474F113B15), UINT64_C(0x4B7867CEFF5D8325), UINT64_C(0x90CA7A95A9909966),
         UINT64_C(0x9C9EA6A358C5008F)},
        {UINT64_C(0x584870A53E6DDCDF), UINT64_C(0x24862B58AB088C44), UINT64_C(0xB77AF7EA4C59709E),
         UINT64_C(0x3999723345BDDFC3)}};
    (void)state;
    for (uint64_t stream = 0; stream < 2; stream++) {
        vecna_random random;
        vecna_random_seed(&random, 42, stream);
        for (int i = 0; i < 4; i++)
            assert_true(vecna_random_u64(&random) == wanted[stream][i]);
    }
}

static void streams_differ(void **state) {
    vecna_random a, b;
    (void)state;
    vecna_random_seed(&a, 1, 2);
    vecna_random_seed(&b, 2, 1);
    assert_true(vecna_random_u64(&a) != vecna_random_u64(&b));
}

static void below_stays_below(void **state) {
    vecna_random random;
    size_t seen[7] = {0};
    (void)state;
    vecna_random_seed(&random, 3, 0);
    assert_true(vecna_random_below(&random, 0) == 0);
    for (int i = 0; i < 70000; i++)
        seen[vecna_random_below(&random, 7)]++;
    for (int i = 0; i < 7; i++)
        assert_in_range(seen[i], 9500, 10500); /* 5 standard deviations of 10000 */
    for (int i = 0; i < 100; i++)
        assert_true(vecna_random_below(&random, UINT64_MAX) < UINT64_MAX);
}

/* Against the C library's log, whose error is under 1 ulp. */
static void log_agrees(void **state) {
    (void)state;
    assert_true(vni_log(1.0) == 0.0);
    for (double x = 1e-300; x < 1e300; x *= 1.37)
        assert_true(fabs(vni_log(x) - log(x)) <= 4e-16 * fabs(log(x)) + 1e-17);
}

/* Quantiles from Python's statistics.NormalDist().inv_cdf. */
static void quantile_agrees(void **state) {
    static const double table[][2] = {{0.5, 0.0},
                                      {0.975, 1.9599639845400536},
                                      {0.025, -1.9599639845400538},
                                      {1e-3, -3.090232306167813},
                                      {1e-12, -7.034483825301132},
                                      {1e-100, -21.27345356096532}};
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        assert_true(fabs(vni_normal_quantile(table[i][0]) - table[i][1]) <=
                    4e-15 * fabs(table[i][1]));
}

static void normal_has_its_moments(void **state) {
    vecna_random random;
    double sum = 0, squares = 0, fourth = 0;
    enum { DRAWS = 200000 };
    (void)state;
    vecna_random_seed(&random, 5, 0);
    for (int i = 0; i < DRAWS; i++) {
        double x = vecna_random_normal(&random);
        sum += x;
        squares += x * x;
        fourth += x * x * x * x;
    }
    assert_true(fabs(sum / DRAWS) < 0.012); /* 5 standard errors each */
    assert_true(fabs(squares / DRAWS - 1) < 0.016);
    assert_true(fabs(fourth / DRAWS - 3) < 0.11);
}

static void shuffle_permutes(void **state) {
    size_t indices[100];
    int seen[100] = {0};
    vecna_random random;
    (void)state;
    for (size_t i = 0; i < 100; i++)
        indices[i] = i;
    vecna_random_seed(&random, 9, 0);
    vecna_random_shuffle(&random, indices, 100);
    for (size_t i = 0; i < 100; i++)
        seen[indices[i]]++;
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(seen[i], 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reproduces),        cmocka_unit_test(streams_differ),
        cmocka_unit_test(below_stays_below), cmocka_unit_test(log_agrees),
        cmocka_unit_test(quantile_agrees),   cmocka_unit_test(normal_has_its_moments),
        cmocka_unit_test(shuffle_permutes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
