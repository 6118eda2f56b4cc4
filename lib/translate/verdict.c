/* PASS, WARN or FAIL, and why in a sentence. What each has meant on judged data: docs/verdict.md.
 */
#include "translate/translate_impl.h"

#include <stdio.h>

/* Fewer reported rows than this say nothing: among 30 rows chance alone finds a neighbour often. */
#define ROWS_WORTH_JUDGING 30
#define ROWS_TO_REFUTE_A_PRIOR 200

void vni_report_judge(vecna_report *report) {
    unsigned reasons = 0;
    vecna_verdict verdict =
        vecna_eval_verdict(&report->truth.retention, report->min_retention, &reasons);
    /* Where the rows need no translation, beating them untranslated is not to be asked. */
    const vecna_control_result *bare = &report->truth.controls[VECNA_CONTROLS - 1];
    int others_cleared = 1;
    for (size_t i = 0; i + 1 < VECNA_CONTROLS; i++) {
        others_cleared = others_cleared && report->truth.controls[i].cleared;
    }
    if (reasons == VECNA_REASON_CONTROL && others_cleared &&
        bare->retention.low >= report->min_retention) {
        verdict = VECNA_VERDICT_WARN;
        reasons = VECNA_REASON_NOT_NEEDED;
    }
    const vecna_interval *kept = &report->truth.retention.retention;
    if (report->prior_rows >
        0) { /* which was judged on pairs of its own: few rows must not refute it */
        const int open = (reasons == VECNA_REASON_RETENTION && others_cleared) ||
                         report->rows_report < ROWS_WORTH_JUDGING;
        if (report->rows_report < ROWS_TO_REFUTE_A_PRIOR && open &&
            kept->high >= report->min_retention) {
            verdict = VECNA_VERDICT_WARN;
            reasons = VECNA_REASON_FEW_ROWS;
        }
    } else if (report->rows_report < ROWS_WORTH_JUDGING) {
        verdict = VECNA_VERDICT_FAIL;
        reasons |= VECNA_REASON_FEW_ROWS;
    }
    if (verdict == VECNA_VERDICT_PASS &&
        report->known_rows >
            VNI_SHARE_KNOWN * (double)report->rows) { /* of rows that it had seen */
        verdict = VECNA_VERDICT_WARN;
        reasons = VECNA_REASON_KNOWN;
    }
    report->verdict = verdict;
    report->reasons = reasons;
}

void vecna_report_reason(const vecna_report *report, char out[VECNA_REASON_BYTES]) {
    const vecna_truth *truth = &report->truth;
    const vecna_retention *kept = &truth->retention;
    const size_t room = VECNA_REASON_BYTES;
    if (report->reasons & VECNA_REASON_UNSEEN && report->verdict == VECNA_VERDICT_FAIL) {
        snprintf(
            out, room,
            "no pair was seen, and two alignments of halves agree too little to believe "
            "either (%.3f, the least wanted is %.3f): more rows of one kind of text, or anchors",
            kept->retention.value, report->min_retention);
    } else if (report->reasons & VECNA_REASON_ANCHORS) {
        snprintf(
            out, room,
            "finds held-out anchors among %zu rows (nDCG@10 %.3f, at least %.3f), which is all "
            "that was judged: pairs would say more, and make a better map",
            truth->corpus, kept->retention.value, kept->retention.low);
    } else if (report->reasons & VECNA_REASON_UNSEEN) {
        snprintf(out, room,
                 "no pair was seen: two alignments of halves agree on %.3f of the rows (at least "
                 "%.3f), which a wrong one could too; 20 anchors or 50 pairs would tell",
                 kept->retention.value, kept->retention.low);
    } else if (report->reasons & VECNA_REASON_NOT_JUDGED) {
        snprintf(out, room,
                 "the prior's map, judged on its own %.0f pairs and on none of yours; 50 pairs of "
                 "yours would say whether it holds",
                 report->prior_rows);
    } else if (report->reasons & VECNA_REASON_FEW_ROWS && report->prior_rows > 0) {
        snprintf(out, room,
                 "leans on %.0f pairs of another; %zu own rows to judge by are too few to say "
                 "whether it holds for yours: give more, up to %d",
                 report->prior_rows, report->rows_report, ROWS_TO_REFUTE_A_PRIOR);
    } else if (report->reasons & VECNA_REASON_FEW_ROWS) {
        snprintf(out, room,
                 "%zu rows to judge by are too few to say anything; give at least 200 pairs",
                 report->rows_report);
    } else if (report->reasons & VECNA_REASON_KNOWN) {
        snprintf(
            out, room,
            "about %.0f of the %zu new pairs are behind the map already, so that it was judged "
            "on rows that it saw: every figure is too good",
            report->known_rows, report->rows);
    } else if (report->reasons & VECNA_REASON_NOT_NEEDED) {
        snprintf(
            out, room,
            "the rows do as well untranslated (cut or padded: %.3f): this looks like one space, "
            "not two",
            truth->controls[VECNA_CONTROLS - 1].mean.value);
    } else if (report->reasons & VECNA_REASON_UNDEFINED) {
        snprintf(out, room, "the target model itself finds nothing of the %s", truth->name);
    } else if (report->reasons & VECNA_REASON_CONTROL) {
        size_t worst = 0;
        for (size_t i = 0; i < VECNA_CONTROLS; i++) {
            worst = !truth->controls[i].cleared ? i : worst;
        }
        snprintf(
            out, room,
            "not clearly better than the control \"%s\" (%.3f against %.3f): the pairs may not "
            "belong together, or are too few",
            truth->control_names[worst], kept->translated.value, truth->controls[worst].mean.value);
    } else if (report->reasons & VECNA_REASON_RETENTION) {
        snprintf(
            out, room,
            "keeps %.3f of the target model's retrieval, at least %.3f with 97.5 %% certainty; "
            "the least wanted is %.3f",
            kept->retention.value, kept->retention.low, report->min_retention);
    } else if (report->verdict == VECNA_VERDICT_WARN) {
        snprintf(out, room,
                 "keeps %.3f of the target model's retrieval, but keeping the old model is better: "
                 "translated / old = %.3f (%.3f to %.3f)",
                 kept->retention.value, kept->advantage.value, kept->advantage.low,
                 kept->advantage.high);
    } else {
        snprintf(out, room, "keeps %.3f (%.3f to %.3f) of the target model's retrieval",
                 kept->retention.value, kept->retention.low, kept->retention.high);
    }
}
