/* Agreement, silhouette, average precision and classification on cases that can be counted by hand;
 * scikit-learn's figures are held against the command in tests/cli/test_eval_tasks.py. */
#include "tests/unit/support/support.h"
#include "vecna/eval.h"

#include <math.h>
#include <string.h>

/* Logarithms of counts, added and taken away. */
static int near(double a, double b) {
    return fabs(a - b) < 1e-12;
}

static void agreement_by_hand(void **state) {
    static const uint32_t labels[] = {0, 0, 1, 1}, same[] = {1, 1, 0, 0}, crossed[] = {0, 1, 0, 1},
                          one[] = {0, 0, 0, 0};
    vecna_agreement at;
    (void)state;
    assert_status(VECNA_OK, vecna_eval_agreement(labels, 2, same, 2, 4, NULL, &at, NULL));
    assert_true(near(at.v_measure, 1) && near(at.nmi, 1) && near(at.ari, 1) && at.purity == 1);
    assert_status(VECNA_OK, vecna_eval_agreement(labels, 2, crossed, 2, 4, NULL, &at, NULL));
    assert_true(near(at.v_measure, 0) && near(at.ari, -0.5) && at.purity == 0.5);
    assert_status(VECNA_OK, vecna_eval_agreement(labels, 2, one, 1, 4, NULL, &at, NULL));
    assert_true(near(at.homogeneity, 0) && near(at.completeness, 1) && near(at.v_measure, 0));
    assert_true(near(at.ari, 0));
    assert_status(VECNA_ERR_ARGUMENT, vecna_eval_agreement(labels, 1, one, 1, 4, NULL, &at, NULL));
    assert_status(VECNA_ERR_ARGUMENT, vecna_eval_agreement(labels, 2, one, 1, 0, NULL, &at, NULL));
}

static void silhouette_by_hand(void **state) {
    static const float rows[] = {0, 1, 10, 11};
    static const uint32_t of[] = {0, 0, 1, 1}, one[] = {0, 0, 0, 0};
    double at;
    (void)state;
    assert_status(VECNA_OK, vecna_eval_silhouette(vecna_view_dense(rows, 4, 1), of, 2, 0, NULL,
                                                  NULL, &at, NULL));
    const double wanted = (2 * (1 - 1 / 10.5) + 2 * (1 - 1 / 9.5)) / 4;
    assert_true(fabs(at - wanted) < 1e-6);
    assert_status(VECNA_ERR_ARGUMENT, vecna_eval_silhouette(vecna_view_dense(rows, 4, 1), one, 2, 0,
                                                            NULL, NULL, &at, NULL));
}

static void precision_by_hand(void **state) {
    static const double scores[] = {3, 2, 2, 1};
    static const uint32_t positive[] = {1, 0, 1, 0}, none[] = {0, 0, 0, 0};
    const double broken[] = {1, NAN};
    double at;
    vecna_error err;
    (void)state;
    assert_status(VECNA_OK, vecna_eval_average_precision(scores, positive, 4, NULL, &at, NULL));
    assert_true(fabs(at - (1.0 + 2.0 / 3) / 2) < 1e-15);
    assert_status(VECNA_OK, vecna_eval_average_precision(scores, none, 4, NULL, &at, NULL));
    assert_true(isnan(at));
    assert_status(VECNA_ERR_VALUE, vecna_eval_average_precision(broken, none, 2, NULL, &at, &err));
    assert_int_equal(err.position, 1);
}

static void classes_of_a_line(void **state) {
    static const float train[] = {-3, -2, -1, 1, 2, 3}, test[] = {-9, 0.5f, 9};
    static const uint32_t two[] = {0, 0, 0, 1, 1, 1}, three[] = {0, 0, 1, 1, 2, 2}, one[6] = {0};
    uint32_t out[3];
    double loss;
    size_t steps;
    vecna_view a = vecna_view_dense(train, 6, 1), b = vecna_view_dense(test, 3, 1);
    (void)state;
    assert_status(VECNA_OK, vecna_eval_classify(a, two, 2, b, NULL, out, &loss, &steps, NULL));
    assert_true(out[0] == 0 && out[1] == 1 && out[2] == 1);
    assert_true(loss > 0 && loss < 0.3 && steps > 0 && steps < 100);
    assert_status(VECNA_OK, vecna_eval_classify(a, three, 3, b, NULL, out, NULL, NULL, NULL));
    assert_true(out[0] == 0 && out[1] == 1 && out[2] == 2);
    assert_status(VECNA_ERR_ARGUMENT,
                  vecna_eval_classify(a, one, 2, b, NULL, out, NULL, NULL, NULL));
    assert_status(VECNA_ERR_ARGUMENT,
                  vecna_eval_classify(a, three, 2, b, NULL, out, NULL, NULL, NULL));
    assert_status(VECNA_ERR_DIM, vecna_eval_classify(a, two, 2, vecna_view_dense(test, 1, 3), NULL,
                                                     out, NULL, NULL, NULL));
}

static vecna_status all_tasks(void *user, const vecna_allocator *allocator, vecna_error *err) {
    static const float rows[] = {0, 1, 10, 11};
    static const uint32_t of[] = {0, 0, 1, 1};
    const double scores[] = {4, 3, 2, 1};
    const vecna_classify_options options = {.allocator = allocator};
    const vecna_view view = vecna_view_dense(rows, 4, 1);
    vecna_agreement agreement;
    double at;
    uint32_t out[4];
    (void)user;
    vecna_status status = vecna_eval_agreement(of, 2, of, 2, 4, allocator, &agreement, err);
    if (status == VECNA_OK) {
        status = vecna_eval_silhouette(view, of, 2, 0, NULL, allocator, &at, err);
    }
    if (status == VECNA_OK) {
        status = vecna_eval_uniformity(view, 0, NULL, allocator, &at, err);
    }
    if (status == VECNA_OK) {
        status = vecna_eval_average_precision(scores, of, 4, allocator, &at, err);
    }
    if (status == VECNA_OK) {
        status = vecna_eval_classify(view, of, 2, view, &options, out, NULL, NULL, err);
    }
    return status;
}

static void survives_failing_memory(void **state) {
    (void)state;
    assert_survives_failing_memory(all_tasks, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agreement_by_hand),       cmocka_unit_test(silhouette_by_hand),
        cmocka_unit_test(precision_by_hand),       cmocka_unit_test(classes_of_a_line),
        cmocka_unit_test(survives_failing_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
