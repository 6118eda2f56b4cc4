/* What to do with a verdict: translate, embed more rows with both models first, or keep the old model. Each
 * answer stands on one figure of the report and names it; where only judged queries could tell, it says
 * so. The steps behind the numbers of rows are in docs/verdict.md#advice. */
#include "translate/translate_impl.h"

#include <stdio.h>

#define ROWS_FOR_A_VERDICT ((size_t)200) /* fewer pairs seldom pass */
#define ROWS_FOR_A_MAP ((size_t)2000)    /* linear maps gain little beyond */
/* Three times the pairs brought a memory 4 to 5 % of retrieval: from here it may reach the old model. */
#define WITHIN_REACH 0.95

static vecna_advice rows_first(const vecna_report *r, size_t wanted) {
    const double low = r->truth.retention.retention.low;
    vecna_advice advice = {.kind = VECNA_ADVICE_PAIRS};
    advice.rows = wanted > r->rows ? wanted - r->rows : ROWS_FOR_A_VERDICT;
    if (r->rows > 0 && r->rows_report && low == low) {
        snprintf(advice.sentence, sizeof advice.sentence,
                 "embed %zu more rows with both models and fit again: with %zu pairs no more than "
                 "%.3f of the target model's retrieval is certain",
                 advice.rows, r->rows, low > 0 ? low : 0);
    } else {
        snprintf(advice.sentence, sizeof advice.sentence,
                 "embed %zu rows of your own with both models and fit again: nothing of yours has "
                 "judged this map",
                 advice.rows);
    }
    return advice;
}

/* Judged queries, and an old model beside: what translating and re-embedding bring. */
static vecna_advice against_the_old(const vecna_report *r, vecna_method method) {
    const vecna_retention *t = &r->truth.retention;
    vecna_advice advice = {.kind = VECNA_ADVICE_KEEP};
    const size_t room = sizeof advice.sentence;
    if (t->advantage.value >= 1) {
        advice.kind = VECNA_ADVICE_TRANSLATE;
        snprintf(advice.sentence, room,
                 "translate: %.3f times what the old model finds (%.3f to %.3f); re-embedding all "
                 "would bring %.3f times",
                 t->advantage.value, t->advantage.low, t->advantage.high, t->upgrade_gain.value);
    } else if (t->upgrade_gain.low <= 1) {
        snprintf(advice.sentence, room,
                 "keep the old model: re-embedding everything would bring %.3f times what it finds "
                 "(%.3f to %.3f), translating %.3f times",
                 t->upgrade_gain.value, t->upgrade_gain.low, t->upgrade_gain.high,
                 t->advantage.value);
    } else if (method == VECNA_METHOD_MEMORY && t->advantage.value >= WITHIN_REACH) {
        advice.kind = VECNA_ADVICE_PAIRS;
        advice.rows = 2 * r->rows_fit;
        snprintf(advice.sentence, room,
                 "embed %zu more rows with both models first: translating is at %.3f of the old "
                 "model, and a memory goes on learning; re-embedding all would bring %.3f times",
                 advice.rows, t->advantage.value, t->upgrade_gain.value);
    } else {
        snprintf(
            advice.sentence, room,
            "keep the old model, or re-embed everything (%.3f times what it finds): translating "
            "reaches %.3f of it (%.3f to %.3f)",
            t->upgrade_gain.value, t->advantage.value, t->advantage.low, t->advantage.high);
    }
    return advice;
}

vecna_advice vecna_report_advice(const vecna_report *r, vecna_method method) {
    const vecna_retention *t = &r->truth.retention;
    vecna_advice advice = {.kind = VECNA_ADVICE_KEEP};
    const size_t room = sizeof advice.sentence;
    if (r->reasons & VECNA_REASON_NOT_NEEDED) {
        snprintf(advice.sentence, room,
                 "keep the vectors as they are: untranslated they keep %.3f of the target model's "
                 "retrieval",
                 r->truth.controls[VECNA_CONTROLS - 1].retention.value);
        return advice;
    }
    if (r->reasons & VECNA_REASON_KNOWN) {
        advice.kind = VECNA_ADVICE_PAIRS;
        advice.rows = ROWS_FOR_A_VERDICT;
        snprintf(
            advice.sentence, room,
            "keep the map as it was, for pairs that are added twice count twice; add pairs that it "
            "has not seen, and at least %zu of them tell what it is worth",
            advice.rows);
        return advice;
    }
    if (r->reasons & (VECNA_REASON_FEW_ROWS | VECNA_REASON_ANCHORS | VECNA_REASON_UNSEEN |
                      VECNA_REASON_NOT_JUDGED) ||
        (r->verdict == VECNA_VERDICT_FAIL && r->rows < ROWS_FOR_A_VERDICT)) {
        return rows_first(r, ROWS_FOR_A_VERDICT);
    }
    if (r->verdict == VECNA_VERDICT_FAIL) {
        if (r->rows < ROWS_FOR_A_MAP && !(r->reasons & VECNA_REASON_CONTROL)) {
            return rows_first(r, ROWS_FOR_A_MAP);
        }
        snprintf(advice.sentence, room,
                 "keep the old model, or re-embed everything: of %zu pairs a map keeps %.3f of the "
                 "target model's retrieval",
                 r->rows, t->retention.value);
        return advice;
    }
    if (t->has_status_quo) {
        return against_the_old(r, method);
    }
    advice.kind = VECNA_ADVICE_TRANSLATE;
    snprintf(
        advice.sentence, room,
        "translate: %.3f of the target model's retrieval is kept (%.3f to %.3f); whether that is "
        "more than the old model finds cannot be known without judged queries",
        t->retention.value, t->retention.low, t->retention.high);
    return advice;
}

const char *vecna_advice_name(vecna_advice_kind kind) {
    static const char *const names[] = {"translate", "re-embed rows first", "keep the old model"};
    return (unsigned)kind < 3 ? names[kind] : "unknown";
}
