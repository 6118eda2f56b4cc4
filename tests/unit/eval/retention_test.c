/* Bootstrap and retention: threads change nothing, the same resample serves numerator and
 * denominator, undefined figures stay undefined, and the verdict follows its rules. */
#include "vecna/eval.h"

#include "tests/unit/support/support.h"

#include <math.h>
#include <string.h>

enum { QUERIES = 301 };

static vecna_error err;
static double translated[QUERIES], native[QUERIES], old[QUERIES], noise[QUERIES];

static int fill(void **state) {
    vecna_random random;
    (void)state;
    vecna_random_seed(&random, 11, 0);
    for (size_t i = 0; i < QUERIES; i++) {
        native[i] = 0.5 + 0.5 * vecna_random_uniform(&random);
        translated[i] = 0.9 * native[i];
        old[i] = 0.3 + 0.2 * vecna_random_uniform(&random);
        noise[i] = 0.01 * vecna_random_uniform(&random);
    }
    return 0;
}

static void threads_change_nothing(void **state) {
    const double *columns[] = {translated, old, native};
    static const vecna_statistic statistics[] = {{VECNA_STATISTIC_MEAN, 0, 9, 9},
                                                 {VECNA_STATISTIC_RATIO, 0, 1, 9},
                                                 {VECNA_STATISTIC_GAP, 0, 2, 1}};
    const vecna_bootstrap_input input = {columns, 3, QUERIES, statistics, 3};
    vecna_interval alone[3], together[3];
    (void)state;
    assert_status(VECNA_OK, vecna_eval_bootstrap(&input, NULL, alone, &err));
    for (size_t threads = 2; threads <= 5; threads++) {
        vecna_bootstrap_options options = {2000, 0.95, 0, NULL, NULL};
        assert_status(VECNA_OK, vecna_pool_new(threads, NULL, &options.pool, &err));
        assert_status(VECNA_OK, vecna_eval_bootstrap(&input, &options, together, &err));
        assert_memory_equal(alone, together, sizeof alone);
        vecna_pool_free(options.pool);
    }
    assert_true(alone[0].low < alone[0].value && alone[0].value < alone[0].high);
    assert_int_equal(alone[0].queries, QUERIES);
    {
        vecna_bootstrap_options options = {0, 0, 1, NULL, NULL};
        assert_status(VECNA_OK, vecna_eval_bootstrap(&input, &options, together, &err));
        assert_true(together[0].low != alone[0].low); /* another seed, another draw */
    }
}

/* translated is 0.9 * native query by query: unpaired resamples would spread the ratio. */
static void resamples_are_paired(void **state) {
    const double *columns[] = {translated, native};
    static const vecna_statistic ratio = {VECNA_STATISTIC_RATIO, 0, 1, 0};
    const vecna_bootstrap_input input = {columns, 2, QUERIES, &ratio, 1};
    vecna_interval got;
    (void)state;
    assert_status(VECNA_OK, vecna_eval_bootstrap(&input, NULL, &got, &err));
    assert_true(fabs(got.value - 0.9) < 1e-12);
    assert_true(fabs(got.low - 0.9) < 1e-12 && fabs(got.high - 0.9) < 1e-12);
}

/* The interval of a mean has the width of its standard error. */
static void width_is_right(void **state) {
    const double *column = native;
    static const vecna_statistic mean = {VECNA_STATISTIC_MEAN, 0, 0, 0};
    const vecna_bootstrap_input input = {&column, 1, QUERIES, &mean, 1};
    vecna_interval got;
    double squares = 0, error;
    (void)state;
    assert_status(VECNA_OK, vecna_eval_bootstrap(&input, NULL, &got, &err));
    for (size_t i = 0; i < QUERIES; i++)
        squares += (native[i] - got.value) * (native[i] - got.value);
    error = sqrt(squares / QUERIES / QUERIES);
    /* 2000 resamples place each end within about 4 % of 1.96 errors, twice: 10 % in all */
    assert_true(fabs((got.high - got.low) / (2 * 1.96 * error) - 1) < 0.1);
}

static void integers_are_exact(void **state) {
    static const double same[] = {2, 2, NAN, 2}, zero[] = {0, 0, 0, 0}, one[] = {1, 1, 1, NAN};
    const double *columns[] = {same, zero, one};
    static const vecna_statistic statistics[] = {
        {VECNA_STATISTIC_MEAN, 0, 0, 0},  {VECNA_STATISTIC_DIFFERENCE, 2, 0, 0},
        {VECNA_STATISTIC_RATIO, 0, 2, 0}, {VECNA_STATISTIC_RATIO, 0, 1, 0},
        {VECNA_STATISTIC_GAP, 2, 0, 1},   {VECNA_STATISTIC_GAP, 0, 1, 1}};
    const vecna_bootstrap_input input = {columns, 3, 4, statistics, 6};
    static const double wanted[] = {2, -1, 2, NAN, 0.5, NAN};
    vecna_interval got[6];
    (void)state;
    assert_status(VECNA_OK, vecna_eval_bootstrap(&input, NULL, got, &err));
    for (int i = 0; i < 6; i++) {
        assert_int_equal(got[i].queries, 2);
        if (isnan(wanted[i]))
            assert_true(isnan(got[i].value) && isnan(got[i].low) && isnan(got[i].high));
        else
            assert_true(got[i].value == wanted[i] && got[i].low == wanted[i] &&
                        got[i].high == wanted[i]);
    }
}

static void bootstrap_refuses(void **state) {
    static const double nothing[] = {NAN, NAN}, infinite[] = {1, INFINITY}, fine[] = {1, 2};
    static const vecna_statistic mean = {VECNA_STATISTIC_MEAN, 0, 0, 0},
                                 beyond = {VECNA_STATISTIC_RATIO, 0, 1, 0},
                                 gap = {VECNA_STATISTIC_GAP, 0, 0, 1};
    static const struct {
        const double *column;
        size_t columns, queries;
        const vecna_statistic *statistic;
        double confidence;
        vecna_status wanted;
    } cases[] = {
        {nothing, 1, 2, &mean, 0, VECNA_ERR_ARGUMENT},
        {infinite, 1, 2, &mean, 0, VECNA_ERR_VALUE},
        {fine, 0, 2, &mean, 0, VECNA_ERR_ARGUMENT},
        {fine, 1, 0, &mean, 0, VECNA_ERR_ARGUMENT},
        {fine, 1, 2, &beyond, 0, VECNA_ERR_ARGUMENT},
        {fine, 1, 2, &gap, 0, VECNA_ERR_ARGUMENT},
        {fine, 1, 2, &mean, 1, VECNA_ERR_ARGUMENT},
        {fine, 1, 2, &mean, -0.1, VECNA_ERR_ARGUMENT},
        {fine, 1, 2, &mean, NAN, VECNA_ERR_ARGUMENT},
        {fine, 1, (size_t)UINT32_MAX + 1, &mean, 0, VECNA_ERR_UNSUPPORTED},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const vecna_bootstrap_input input = {&cases[i].column, cases[i].columns, cases[i].queries,
                                             cases[i].statistic, 1};
        const vecna_bootstrap_options options = {10, cases[i].confidence, 0, NULL, NULL};
        vecna_interval untouched = {7, 7, 7, 7};
        assert_status(cases[i].wanted, vecna_eval_bootstrap(&input, &options, &untouched, &err));
        assert_true(untouched.value == 7);
        assert_true(err.message[0] != '\0');
    }
}

static void retention_report(void **state) {
    const vecna_control controls[] = {{"mean vector", noise}, {"untranslated", translated}};
    vecna_retention_input input = {translated, native, old, controls, 2, QUERIES};
    vecna_retention got;
    vecna_control_result results[2];
    double t = vecna_eval_mean(translated, QUERIES, NULL),
           n = vecna_eval_mean(native, QUERIES, NULL);
    double s = vecna_eval_mean(old, QUERIES, NULL), c = vecna_eval_mean(noise, QUERIES, NULL);
    (void)state;
    assert_status(VECNA_OK, vecna_eval_retention(&input, NULL, &got, results, &err));
    assert_true(fabs(got.translated.value - t) < 1e-12);
    assert_true(fabs(got.native.value - n) < 1e-12);
    assert_true(fabs(got.retention.value - t / n) < 1e-12);
    assert_true(fabs(got.status_quo.value - s) < 1e-12);
    assert_true(fabs(got.upgrade_gain.value - n / s) < 1e-12);
    assert_true(fabs(got.advantage.value - t / s) < 1e-12);
    assert_true(fabs(got.gap_recovered.value - (t - s) / (n - s)) < 1e-12);
    assert_true(fabs(got.gap.value - (n - s)) < 1e-12);
    assert_true(got.gap.low > 0 && got.has_status_quo);
    assert_true(fabs(results[0].mean.value - c) < 1e-12);
    assert_true(fabs(results[0].retention.value - c / n) < 1e-12);
    assert_true(fabs(results[0].margin.value - (t - c)) < 1e-12);
    assert_true(results[0].cleared && !results[1].cleared && !got.controls_cleared);
    input.status_quo = NULL;
    input.control_count = 1;
    assert_status(VECNA_OK, vecna_eval_retention(&input, NULL, &got, results, &err));
    assert_true(got.controls_cleared && !got.has_status_quo && isnan(got.advantage.value));
    input.native = NULL;
    input.status_quo = old;
    assert_status(VECNA_OK, vecna_eval_retention(&input, NULL, &got, results, &err));
    assert_true(!got.has_native && isnan(got.retention.low) && isnan(got.gap.value));
    assert_true(fabs(got.advantage.value - t / s) < 1e-12);
    assert_true(results[0].cleared && isnan(results[0].retention.value));
    assert_int_equal(vecna_eval_verdict(&got, 0.1, NULL), VECNA_VERDICT_FAIL);
    input.native = native;
    input.control_count = 0;
    assert_status(VECNA_OK, vecna_eval_retention(&input, NULL, &got, NULL, &err));
    assert_true(got.controls_cleared);
}

static vecna_verdict verdict_of(const double *status_quo, const double *control, double least,
                                unsigned *reasons) {
    const vecna_control one = {"control", control};
    const vecna_retention_input input = {translated, native, status_quo, &one, 1, QUERIES};
    vecna_retention report;
    vecna_control_result result;
    assert_status(VECNA_OK, vecna_eval_retention(&input, NULL, &report, &result, &err));
    return vecna_eval_verdict(&report, least, reasons);
}

static void verdicts(void **state) {
    unsigned reasons;
    static double zero[QUERIES];
    const vecna_retention_input blind = {zero, zero, NULL, NULL, 0, QUERIES};
    vecna_retention report;
    (void)state;
    assert_int_equal(verdict_of(old, noise, 0.8, &reasons), VECNA_VERDICT_PASS);
    assert_int_equal(reasons, 0);
    assert_int_equal(verdict_of(NULL, noise, 0.8, NULL), VECNA_VERDICT_PASS);
    assert_int_equal(verdict_of(old, noise, 0.95, &reasons), VECNA_VERDICT_FAIL);
    assert_int_equal(reasons, VECNA_REASON_RETENTION);
    assert_int_equal(verdict_of(old, translated, 0.8, &reasons), VECNA_VERDICT_FAIL);
    assert_int_equal(reasons, VECNA_REASON_CONTROL);
    assert_int_equal(verdict_of(native, noise, 0.8, &reasons), VECNA_VERDICT_WARN);
    assert_int_equal(reasons, VECNA_REASON_STATUS_QUO);
    assert_int_equal(verdict_of(native, noise, 0.95, &reasons), VECNA_VERDICT_FAIL);
    assert_int_equal(reasons, VECNA_REASON_RETENTION | VECNA_REASON_STATUS_QUO);
    assert_status(VECNA_OK, vecna_eval_retention(&blind, NULL, &report, NULL, &err));
    assert_int_equal(vecna_eval_verdict(&report, 0.8, &reasons), VECNA_VERDICT_FAIL);
    assert_int_equal(reasons, VECNA_REASON_UNDEFINED);
    assert_string_equal(vecna_verdict_name(VECNA_VERDICT_WARN), "WARN");
    assert_string_equal(vecna_verdict_name((vecna_verdict)9), "unknown");
}

static vecna_status all_of_it(void *user, const vecna_allocator *allocator, vecna_error *error) {
    const vecna_control one = {"control", noise};
    const vecna_retention_input input = {translated, native, old, &one, 1, 20};
    const vecna_bootstrap_options options = {10, 0, 0, NULL, allocator};
    vecna_retention report;
    vecna_control_result result;
    (void)user;
    return vecna_eval_retention(&input, &options, &report, &result, error);
}

static void survives_failing_memory(void **state) {
    (void)state;
    assert_survives_failing_memory(all_of_it, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(resamples_are_paired),
        cmocka_unit_test(width_is_right),
        cmocka_unit_test(integers_are_exact),
        cmocka_unit_test(bootstrap_refuses),
        cmocka_unit_test(retention_report),
        cmocka_unit_test(verdicts),
        cmocka_unit_test(survives_failing_memory),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
