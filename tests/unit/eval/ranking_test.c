/* Judgements, measures and overlap: figures that can be done by hand, bad inputs, failing memory.
 * The bulk of the truth is in golden_test.c. */
#include "vecna/eval.h"

#include "tests/unit/support/support.h"

#include <math.h>
#include <string.h>

static vecna_error err;

static vecna_judgements *judge(const vecna_judgement *entries, size_t count, size_t queries,
                               size_t docs) {
    vecna_judgements *judged = NULL;
    assert_status(VECNA_OK,
                  vecna_judgements_new(entries, count, queries, docs, NULL, &judged, &err));
    return judged;
}

static void by_hand(void **state) {
    /* query 0: rows 3 (grade 3), 1 (grade 1) and one outside; query 1: nothing relevant; query 2:
     * not judged; query 3: judged, nothing found */
    static const vecna_judgement entries[] = {{0, 3, 3},  {1, 2, 0}, {0, 1, 1}, {0, -1, 1},
                                              {0, 0, -1}, {3, 2, 1}, {0, 3, 3}};
    static const int64_t rows[] = {0, 3, 2, 1, 2, 0, -1, -1, 1, -1, -1, -1, -1, -1, -1, -1};
    const vecna_ranking ranking = {rows, NULL, 4, 4, 4};
    vecna_judgements *judged = judge(entries, 7, 4, 5);
    vecna_retrieval_options options = {2, 0, {NULL, 0}, NULL};
    vecna_judgements_info info = vecna_judgements_about(judged);
    double got[VECNA_MEASURES][4];
    vecna_judgement listed[6];
    size_t used;
    (void)state;

    assert_int_equal(vecna_judgements_list(judged, NULL), 6);
    assert_int_equal(vecna_judgements_list(judged, listed), 6);
    assert_true(listed[0].query == 0 && listed[0].doc == VECNA_DOC_OUTSIDE && listed[0].grade == 1);
    assert_true(listed[3].query == 0 && listed[3].doc == 3 && listed[3].grade == 3);
    assert_true(listed[5].query == 3 && listed[5].doc == 2 && listed[5].grade == 1);

    assert_int_equal(info.queries, 4);
    assert_int_equal(info.docs, 5);
    assert_int_equal(info.judged, 3);
    assert_int_equal(info.without_relevant, 1);
    assert_int_equal(info.relevant, 4);
    assert_int_equal(info.outside, 1);
    assert_status(VECNA_OK, vecna_eval_retrieval(&ranking, judged, &options, got[0], &err));
    assert_true(got[VECNA_MEASURE_RECALL][0] == 1.0 / 3);
    assert_true(got[VECNA_MEASURE_PRECISION][0] == 0.5);
    assert_true(got[VECNA_MEASURE_MRR][0] == 0.5);
    assert_true(got[VECNA_MEASURE_SUCCESS][0] == 1);
    assert_true(got[VECNA_MEASURE_MAP][0] == (0.5 + 0.5) / 3); /* rank 4 counts: no cutoff */
    assert_true(fabs(got[VECNA_MEASURE_NDCG][0] - (3 / log2(3)) / (3 + 1 / log2(3))) < 1e-15);
    for (int i = 0; i < VECNA_MEASURES; i++) {
        assert_true(got[i][1] == 0);
        assert_true(isnan(got[i][2]));
        assert_true(got[i][3] == 0);
        assert_true(vecna_eval_mean(got[i], 4, &used) == got[i][0] / 3);
        assert_int_equal(used, 3);
    }
    options.relevant_from = 2;
    assert_status(VECNA_OK, vecna_eval_retrieval(&ranking, judged, &options, got[0], &err));
    assert_true(got[VECNA_MEASURE_RECALL][0] == 1);
    assert_true(got[VECNA_MEASURE_RECALL][3] == 0);
    assert_true(isnan(vecna_eval_mean(NULL, 0, NULL)));
    vecna_judgements_free(judged);
    vecna_judgements_free(NULL);
}

/* Scores equal: trec_eval puts the last id in byte order first; rows without an id come last. */
static void ties_follow_trec_eval(void **state) {
    static const vecna_judgement entries[] = {{0, 1, 1}};
    static const int64_t rows[] = {0, 1, 2, 3};
    static const float scores[] = {1, 1, 1, 2};
    static const char *const ids[] = {"b", "a", "c", NULL};
    vecna_ranking ranking = {rows, scores, 1, 4, 4};
    vecna_retrieval_options options = {10, 0, {ids, 4}, NULL};
    vecna_judgements *judged = judge(entries, 1, 1, 4);
    double got[VECNA_MEASURES];
    (void)state;
    assert_status(VECNA_OK, vecna_eval_retrieval(&ranking, judged, &options, got, &err));
    assert_true(got[VECNA_MEASURE_MRR] == 0.25); /* row 3 by score, then c, b, a */
    options.doc_ids.count = 1;                   /* fewer ids than rows: the others have none */
    assert_status(VECNA_OK, vecna_eval_retrieval(&ranking, judged, &options, got, &err));
    assert_true(got[VECNA_MEASURE_MRR] == 1.0 / 3); /* row 3, b, then row 1 before row 2 */
    ranking.scores = NULL;
    assert_status(VECNA_OK, vecna_eval_retrieval(&ranking, judged, &options, got, &err));
    assert_true(got[VECNA_MEASURE_MRR] == 0.5); /* the order given */
    vecna_judgements_free(judged);
}

static void stride_is_obeyed(void **state) {
    static const vecna_judgement entries[] = {{0, 0, 1}, {1, 0, 1}};
    static const int64_t rows[] = {1, 0, 99, 0, 1, 99};
    const vecna_ranking ranking = {rows, NULL, 2, 2, 3};
    vecna_judgements *judged = judge(entries, 2, 2, 2);
    double got[VECNA_MEASURES][2], shared[2];
    (void)state;
    assert_status(VECNA_OK, vecna_eval_retrieval(&ranking, judged, NULL, got[0], &err));
    assert_true(got[VECNA_MEASURE_MRR][0] == 0.5 && got[VECNA_MEASURE_MRR][1] == 1);
    assert_status(VECNA_OK, vecna_eval_overlap(&ranking, 1, &ranking, 2, NULL, shared, &err));
    assert_true(shared[0] == 0.5 && shared[1] == 0.5);
    vecna_judgements_free(judged);
}

static void refuses_bad_judgements(void **state) {
    static const vecna_judgement bad[][2] = {
        {{0, 0, 1}, {2, 0, 1}}, {{0, 0, 1}, {0, 3, 1}}, {{0, 0, 1}, {0, -2, 1}},
        {{0, 0, 1}, {0, 0, 2}}, {{1, 2, 0}, {1, 2, 1}},
    };
    vecna_judgements *untouched = NULL;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_status(VECNA_ERR_ARGUMENT,
                      vecna_judgements_new(bad[i], 2, 2, 3, NULL, &untouched, &err));
        assert_null(untouched);
        assert_true(err.message[0] != '\0');
    }
}

static void refuses_bad_rankings(void **state) {
    static const vecna_judgement entries[] = {{0, 0, 1}};
    static const int64_t good[] = {0, 1, 2, 0}, twice[] = {0, 1, 1, 0}, beyond[] = {0, 3, 1, 2};
    static const float not_a_number[] = {1, 1, NAN, 1};
    static const struct {
        vecna_ranking ranking;
        vecna_status wanted;
    } cases[] = {
        {{good, NULL, 1, 2, 2}, VECNA_ERR_DIM},
        {{beyond, NULL, 2, 2, 2}, VECNA_ERR_ARGUMENT},
        {{good, not_a_number, 2, 2, 2}, VECNA_ERR_VALUE},
        {{twice + 1, NULL, 2, 2, 1}, VECNA_ERR_ARGUMENT},
    };
    vecna_judgements *judged = judge(entries, 1, 2, 3);
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double untouched[VECNA_MEASURES * 2];
        for (size_t j = 0; j < VECNA_MEASURES * 2; j++)
            untouched[j] = 7;
        assert_status(cases[i].wanted,
                      vecna_eval_retrieval(&cases[i].ranking, judged, NULL, untouched, &err));
        for (size_t j = 0; j < VECNA_MEASURES * 2; j++)
            assert_true(untouched[j] == 7);
    }
    vecna_judgements_free(judged);
}

static void overlap_by_hand(void **state) {
    static const int64_t rows[] = {5, 1, 9, 2, 7, 8, -1, -1, 1, 2, 3, 4};
    static const int64_t reference[] = {9, 5, 6, 2, 7, 6, 5, 4, -1, -1, -1, -1};
    const vecna_ranking a = {rows, NULL, 3, 4, 4}, b = {reference, NULL, 3, 4, 4};
    double got[3];
    (void)state;
    assert_status(VECNA_OK, vecna_eval_overlap(&a, 4, &b, 4, NULL, got, &err));
    assert_true(got[0] == 0.75 && got[1] == 0.25 && isnan(got[2]));
    assert_status(VECNA_OK, vecna_eval_overlap(&a, 3, &b, 1, NULL, got, &err));
    assert_true(got[0] == 1 && got[1] == 1 && isnan(got[2]));
    assert_status(VECNA_OK, vecna_eval_overlap(&a, 2, &b, 1, NULL, got, &err));
    assert_true(got[0] == 0);
    /* the reference is shorter than asked for: its own length counts */
    assert_status(VECNA_OK, vecna_eval_overlap(&b, 4, &a, 4, NULL, got, &err));
    assert_true(got[1] == 0.5 && got[2] == 0);
}

static void overlap_refuses(void **state) {
    static const int64_t rows[] = {1, 2, 2, 3};
    const vecna_ranking two = {rows, NULL, 2, 2, 2}, one = {rows, NULL, 1, 2, 2},
                        twice = {rows + 1, NULL, 1, 2, 2};
    double untouched[2] = {7, 7};
    (void)state;
    assert_status(VECNA_ERR_DIM, vecna_eval_overlap(&two, 1, &one, 1, NULL, untouched, &err));
    assert_status(VECNA_ERR_ARGUMENT, vecna_eval_overlap(&one, 0, &one, 1, NULL, untouched, &err));
    assert_status(VECNA_ERR_ARGUMENT, vecna_eval_overlap(&one, 1, &one, 3, NULL, untouched, &err));
    assert_status(VECNA_ERR_ARGUMENT, vecna_eval_overlap(&one, 3, &one, 1, NULL, untouched, &err));
    assert_status(VECNA_ERR_ARGUMENT,
                  vecna_eval_overlap(&twice, 2, &one, 1, NULL, untouched, &err));
    assert_status(VECNA_ERR_ARGUMENT,
                  vecna_eval_overlap(&one, 1, &twice, 2, NULL, untouched, &err));
    assert_true(untouched[0] == 7 && untouched[1] == 7);
}

static vecna_status all_of_it(void *user, const vecna_allocator *allocator, vecna_error *error) {
    static const vecna_judgement entries[] = {{0, 1, 1}, {1, 0, 2}};
    static const int64_t rows[] = {0, 1, 1, 0};
    static const float scores[] = {2, 1, 2, 1};
    static const char *const ids[] = {"x", "y"};
    const vecna_ranking ranking = {rows, scores, 2, 2, 2};
    const vecna_retrieval_options options = {0, 0, {ids, 2}, allocator};
    vecna_judgements *judged = NULL;
    double got[VECNA_MEASURES * 2], shared[2];
    vecna_status status = vecna_judgements_new(entries, 2, 2, 2, allocator, &judged, error);
    (void)user;
    if (status == VECNA_OK)
        status = vecna_eval_retrieval(&ranking, judged, &options, got, error);
    if (status == VECNA_OK)
        status = vecna_eval_overlap(&ranking, 2, &ranking, 2, allocator, shared, error);
    vecna_judgements_free(judged);
    return status;
}

static void survives_failing_memory(void **state) {
    (void)state;
    assert_survives_failing_memory(all_of_it, NULL);
}

static void nothing_to_judge(void **state) {
    const vecna_ranking ranking = {NULL, NULL, 0, 0, 0};
    vecna_judgements *judged = judge(NULL, 0, 0, 0);
    (void)state;
    assert_status(VECNA_OK, vecna_eval_retrieval(&ranking, judged, NULL, NULL, &err));
    assert_int_equal(vecna_judgements_about(judged).judged, 0);
    vecna_judgements_free(judged);
}

static void names(void **state) {
    (void)state;
    assert_string_equal(vecna_measure_name(VECNA_MEASURE_NDCG), "ndcg");
    assert_string_equal(vecna_measure_name(VECNA_MEASURE_SUCCESS), "success");
    assert_string_equal(vecna_measure_name((vecna_measure)99), "unknown");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_hand),
        cmocka_unit_test(ties_follow_trec_eval),
        cmocka_unit_test(stride_is_obeyed),
        cmocka_unit_test(refuses_bad_judgements),
        cmocka_unit_test(refuses_bad_rankings),
        cmocka_unit_test(overlap_by_hand),
        cmocka_unit_test(overlap_refuses),
        cmocka_unit_test(survives_failing_memory),
        cmocka_unit_test(nothing_to_judge),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
