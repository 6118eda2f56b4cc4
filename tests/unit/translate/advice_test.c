/* The advice of made-up reports: each answer, with its figure in the sentence. */
#include "translate/translate_impl.h"

#include "tests/unit/support/support.h"

#include <math.h>
#include <string.h>

/* A report with judged queries: translated, old and native as shares of native. */
static vecna_report judged(double translated, double old, double certain) {
    vecna_report r = {.rows = 1000, .rows_fit = 900, .rows_report = 400, .min_retention = 0.6};
    vecna_retention *t = &r.truth.retention;
    t->has_status_quo = t->has_native = 1;
    t->retention =
        (vecna_interval){.value = translated, .low = translated - 0.02, .high = translated + 0.02};
    t->advantage = (vecna_interval){.value = translated / old,
                                    .low = translated / old - certain,
                                    .high = translated / old + certain};
    t->upgrade_gain =
        (vecna_interval){.value = 1 / old, .low = 1 / old - certain, .high = 1 / old + certain};
    r.verdict = translated < old ? VECNA_VERDICT_WARN : VECNA_VERDICT_PASS;
    r.reasons = translated < old ? VECNA_REASON_STATUS_QUO : 0;
    return r;
}

static void expect(const vecna_report *r, vecna_method method, vecna_advice_kind kind, size_t rows,
                   const char *figure) {
    const vecna_advice advice = vecna_report_advice(r, method);
    if (advice.kind != kind || advice.rows != rows || !strstr(advice.sentence, figure))
        fail_msg("%s, %zu rows: %s", vecna_advice_name(advice.kind), advice.rows, advice.sentence);
}

static void judged_queries_decide(void **state) {
    (void)state;
    vecna_report r = judged(0.9, 0.8, 0.01);
    expect(&r, VECNA_METHOD_BLEND, VECNA_ADVICE_TRANSLATE, 0, "1.125 times");
    r = judged(0.7, 0.8, 0.01); /* re-embedding would pay, translating does not */
    expect(&r, VECNA_METHOD_MEMORY, VECNA_ADVICE_KEEP, 0, "reaches 0.875 of it");
    r = judged(0.78, 0.8, 0.01); /* within reach: more pairs, where they are remembered */
    expect(&r, VECNA_METHOD_MEMORY, VECNA_ADVICE_PAIRS, 1800, "at 0.975");
    expect(&r, VECNA_METHOD_BLEND, VECNA_ADVICE_KEEP, 0, "reaches 0.975 of it");
    r = judged(0.97, 0.99, 0.03); /* the new model is no better */
    expect(&r, VECNA_METHOD_MEMORY, VECNA_ADVICE_KEEP, 0, "1.010 times");
}

static void without_them_it_is_said(void **state) {
    (void)state;
    vecna_report r = judged(0.7, 1, 0.01);
    r.truth.retention.has_status_quo = 0;
    r.verdict = VECNA_VERDICT_PASS;
    r.reasons = 0;
    expect(&r, VECNA_METHOD_BLEND, VECNA_ADVICE_TRANSLATE, 0, "cannot be known");
    r.verdict = VECNA_VERDICT_FAIL;
    r.reasons = VECNA_REASON_RETENTION;
    expect(&r, VECNA_METHOD_BLEND, VECNA_ADVICE_PAIRS, 1000, "0.680");
    r.rows = 150;
    expect(&r, VECNA_METHOD_BLEND, VECNA_ADVICE_PAIRS, 50, "with 150 pairs");
    r.rows = 5000;
    expect(&r, VECNA_METHOD_BLEND, VECNA_ADVICE_KEEP, 0, "keeps 0.700");
    r.rows = 1000; /* pairs that do not belong together: more of them help nothing */
    r.reasons = VECNA_REASON_CONTROL;
    expect(&r, VECNA_METHOD_BLEND, VECNA_ADVICE_KEEP, 0, "of 1000 pairs");
    r.rows = 20;
    r.reasons = VECNA_REASON_FEW_ROWS;
    expect(&r, VECNA_METHOD_BLEND, VECNA_ADVICE_PAIRS, 180, "180 more rows");
    r.verdict = VECNA_VERDICT_WARN;
    r.reasons = VECNA_REASON_NOT_NEEDED;
    r.truth.controls[VECNA_CONTROLS - 1].retention.value = 0.995;
    expect(&r, VECNA_METHOD_BLEND, VECNA_ADVICE_KEEP, 0, "0.995");
    r = (vecna_report){.verdict = VECNA_VERDICT_WARN, .reasons = VECNA_REASON_NOT_JUDGED};
    expect(&r, VECNA_METHOD_BLEND, VECNA_ADVICE_PAIRS, 200, "nothing of yours");
    assert_string_equal(vecna_advice_name((vecna_advice_kind)9), "unknown");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(judged_queries_decide),
                                       cmocka_unit_test(without_them_it_is_said)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
