/* Correlations and analogies by hand; their mistakes; the Nth allocation fails. The Python tests hold
 * both against NumPy, scipy and real data. */
#include "vecna/eval.h"

#include "tests/unit/support/support.h"

#include <math.h>

static void correlations_by_hand(void **state) {
    /* ranks of b: 1.5 1.5 3 4; against 1 2 3 4: 4.5 / sqrt(5 * 4.5) */
    const double a[4] = {1, 2, 3, 4}, b[4] = {10, 10, 20, 90}, flat[4] = {7, 7, 7, 7};
    vecna_correlations got;
    vecna_error err;
    (void)state;
    assert_status(VECNA_OK, vecna_eval_correlations(a, b, 4, NULL, &got, &err));
    assert_true(fabs(got.spearman.value - 4.5 / sqrt(22.5)) < 1e-12);
    assert_true(got.spearman.low <= got.spearman.value && got.spearman.queries == 4);
    assert_status(VECNA_OK, vecna_eval_correlations(a, a, 4, NULL, &got, &err));
    assert_true(fabs(got.pearson.value - 1) < 1e-12 && fabs(got.spearman.high - 1) < 1e-12);
    assert_status(VECNA_OK, vecna_eval_correlations(a, flat, 4, NULL, &got, &err));
    assert_true(isnan(got.pearson.value) && isnan(got.spearman.low));
}

static void correlations_that_cannot_be(void **state) {
    const double a[3] = {1, 2, 3}, bad[3] = {1, NAN, 3};
    const vecna_bootstrap_options options = {.confidence = 1};
    vecna_correlations got;
    vecna_error err;
    (void)state;
    assert_status(VECNA_ERR_ARGUMENT, vecna_eval_correlations(a, a, 1, NULL, &got, &err));
    assert_status(VECNA_ERR_VALUE, vecna_eval_correlations(a, bad, 3, NULL, &got, &err));
    assert_int_equal(1, err.position);
    assert_status(VECNA_ERR_ARGUMENT, vecna_eval_correlations(a, a, 3, &options, &got, &err));
}

/* a (1,0), b (1,1), c (0,1) at 45 degrees each; row 3 is b - a + c. */
static const float words[6][2] = {{1, 0}, {1, 1}, {0, 1}, {-0.3f, 1.7f}, {0, 0}, {2, 0.1f}};

static void analogies_by_hand(void **state) {
    const vecna_analogy questions[2] = {{0, 1, 2}, {0, 0, 0}};
    const int64_t variants[6] = {0, 1, 2, 2, 4, 5}, one[6] = {0, 0, 0, 0, 0, 0};
    vecna_analogy_options options = {.variants = variants};
    int64_t answers[2];
    vecna_error err;
    vecna_view view = vecna_view_dense(&words[0][0], 6, 2);
    (void)state;
    assert_status(VECNA_OK, vecna_eval_analogies(view, questions, 2, NULL, answers, &err));
    assert_int_equal(3, answers[0]);
    assert_int_equal(5, answers[1]);
    assert_status(VECNA_OK, vecna_eval_analogies(view, questions, 2, &options, answers, &err));
    assert_int_equal(4, answers[0]); /* 3 is a variant of c; (0,0) scores 0, (2,0.1) below it */
    options.variants = one;
    assert_status(VECNA_OK, vecna_eval_analogies(view, questions, 2, &options, answers, &err));
    assert_int_equal(-1, answers[0]);
}

static void analogies_that_cannot_be(void **state) {
    const vecna_analogy question = {0, 1, 6};
    int64_t answer = 77;
    vecna_error err;
    (void)state;
    assert_status(VECNA_ERR_ARGUMENT, vecna_eval_analogies(vecna_view_dense(&words[0][0], 6, 2),
                                                           &question, 1, NULL, &answer, &err));
    assert_int_equal(77, answer);
    assert_status(VECNA_OK, vecna_eval_analogies(vecna_view_dense(&words[0][0], 6, 2), NULL, 0,
                                                 NULL, NULL, &err));
}

static vecna_status body(void *user, const vecna_allocator *allocator, vecna_error *err) {
    const vecna_analogy question = {0, 1, 2};
    const double a[3] = {1, 2, 3};
    vecna_analogy_options options = {.allocator = allocator};
    vecna_bootstrap_options bootstrap = {.allocator = allocator, .resamples = 5};
    vecna_correlations got;
    int64_t answer;
    vecna_status status = vecna_eval_analogies(vecna_view_dense(&words[0][0], 6, 2), &question, 1,
                                               &options, &answer, err);
    (void)user;
    return status == VECNA_OK ? vecna_eval_correlations(a, a, 3, &bootstrap, &got, err) : status;
}

static void memory_may_fail(void **state) {
    (void)state;
    assert_survives_failing_memory(body, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(correlations_by_hand), cmocka_unit_test(correlations_that_cannot_be),
        cmocka_unit_test(analogies_by_hand),    cmocka_unit_test(analogies_that_cannot_be),
        cmocka_unit_test(memory_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
