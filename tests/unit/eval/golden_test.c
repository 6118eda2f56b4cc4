/* The library against the goldens that tests/reference/eval_reference.py wrote (and pytrec-eval
 * confirmed): rankings with ties, empty and short lists, unjudged queries, documents outside the
 * corpus and cutoffs beyond the ranking; bootstraps to the last digits. */
#include "vecna/eval.h"

#include "tests/unit/support/support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOLERANCE 1e-12 /* sums of at most 30 terms near 1, in another order */

enum { MOST = 64, TEXT = 1 << 16 };

static FILE *golden;
static char line_text[TEXT];
static char *cursor;

/* Next line, and its first word. */
static char *next_line(void) {
    if (fgets(line_text, TEXT, golden) == NULL)
        return NULL;
    line_text[strcspn(line_text, "\n")] = '\0';
    cursor = line_text;
    return strtok_r(line_text, " ", &cursor);
}

static char *word(void) {
    char *text = strtok_r(NULL, " ", &cursor);
    assert_non_null(text);
    return text;
}

static long whole(void) {
    return strtol(word(), NULL, 10);
}

static double real(void) {
    return strtod(word(), NULL);
}

static void assert_near(double expected, double got, double tolerance) {
    if (isnan(expected) && isnan(got))
        return;
    if (!(fabs(expected - got) <= tolerance))
        fail_msg("expected %.17g, got %.17g", expected, got);
}

typedef struct ranking_case {
    size_t queries, docs, depth, k;
    int32_t relevant_from;
    char *ids[MOST];
    vecna_judgement entries[MOST * MOST];
    size_t entry_count;
    int64_t rows[MOST * MOST];
    float scores[MOST * MOST];
    double wanted[2][VECNA_MEASURES][MOST]; /* as given; in trec_eval's order */
} ranking_case;

static void read_list(ranking_case *one) {
    size_t query = (size_t)whole();
    size_t length = (size_t)whole();
    for (size_t i = 0; i < one->depth; i++)
        one->rows[query * one->depth + i] = -1;
    for (size_t i = 0; i < length; i++) {
        one->rows[query * one->depth + i] = whole();
        one->scores[query * one->depth + i] = (float)real();
    }
}

static void read_case(ranking_case *one) {
    memset(one, 0, sizeof *one);
    print_message("%s\n", word());
    one->queries = (size_t)whole();
    one->docs = (size_t)whole();
    one->depth = (size_t)whole();
    one->k = (size_t)whole();
    one->relevant_from = (int32_t)whole();
    for (;;) {
        char *tag = next_line();
        if (strcmp(tag, "end") == 0)
            return;
        if (strcmp(tag, "ids") == 0) {
            for (size_t i = 0; i < one->docs; i++)
                one->ids[i] = strdup(word());
        } else if (strcmp(tag, "judge") == 0) {
            vecna_judgement *entry = &one->entries[one->entry_count++];
            entry->query = (size_t)whole();
            entry->doc = whole();
            entry->grade = (int32_t)whole();
        } else if (strcmp(tag, "list") == 0) {
            read_list(one);
        } else {
            size_t query = (size_t)whole();
            int by_id = strcmp(word(), "trec") == 0;
            for (int measure = 0; measure < VECNA_MEASURES; measure++)
                one->wanted[by_id][measure][query] = real();
        }
    }
}

static void check_case(const ranking_case *one) {
    vecna_ranking ranking = {one->rows, one->scores, one->queries, one->depth, one->depth};
    vecna_judgements *judged = NULL;
    vecna_error err;
    assert_status(VECNA_OK, vecna_judgements_new(one->entries, one->entry_count, one->queries,
                                                 one->docs, NULL, &judged, &err));
    for (int by_id = 0; by_id < 2; by_id++) {
        double got[VECNA_MEASURES * MOST];
        const char *ids[MOST];
        vecna_retrieval_options options = {one->k, one->relevant_from, {NULL, 0}, NULL};
        memcpy(ids, one->ids, sizeof ids);
        if (by_id) {
            options.doc_ids.texts = ids;
            options.doc_ids.count = one->docs;
        }
        assert_status(VECNA_OK, vecna_eval_retrieval(&ranking, judged, &options, got, &err));
        for (size_t query = 0; query < one->queries; query++)
            for (size_t measure = 0; measure < VECNA_MEASURES; measure++)
                assert_near(one->wanted[by_id][measure][query], got[measure * one->queries + query],
                            TOLERANCE);
    }
    vecna_judgements_free(judged);
}

static vecna_statistic read_statistic(void) {
    static const char *const names[] = {"mean", "difference", "ratio", "gap"};
    vecna_statistic statistic = {VECNA_STATISTIC_MEAN, 0, 0, 0};
    const char *name = word();
    for (int i = 0; i < 4; i++)
        if (strcmp(name, names[i]) == 0)
            statistic.kind = (vecna_statistic_kind)i;
    statistic.a = (size_t)whole();
    statistic.b = (size_t)whole();
    statistic.c = (size_t)whole();
    return statistic;
}

static void check_bootstrap(void) {
    double values[3][MOST], wanted[MOST][3];
    const double *columns[3] = {values[0], values[1], values[2]};
    vecna_statistic statistics[MOST];
    vecna_bootstrap_input input = {columns, 0, 0, statistics, 0};
    vecna_bootstrap_options options = {0, 0, 0, NULL, NULL};
    vecna_interval got[MOST];
    vecna_error err;
    input.queries = (size_t)whole();
    input.column_count = (size_t)whole();
    input.statistic_count = (size_t)whole();
    options.resamples = (size_t)whole();
    options.confidence = real();
    options.seed = strtoull(word(), NULL, 10);
    for (size_t column = 0; column < input.column_count; column++) {
        assert_string_equal(next_line(), "column");
        for (size_t query = 0; query < input.queries; query++)
            values[column][query] = real();
    }
    for (size_t i = 0; i < input.statistic_count; i++) {
        assert_string_equal(next_line(), "stat");
        statistics[i] = read_statistic();
        for (int figure = 0; figure < 3; figure++)
            wanted[i][figure] = real();
    }
    assert_status(VECNA_OK, vecna_eval_bootstrap(&input, &options, got, &err));
    for (size_t i = 0; i < input.statistic_count; i++) {
        /* a gap near 0 magnifies the rounding of its two ends */
        double tolerance = 1e-9 * (1 + fabs(wanted[i][1]) + fabs(wanted[i][2]));
        assert_near(wanted[i][0], got[i].value, isnan(tolerance) ? TOLERANCE : tolerance);
        assert_near(wanted[i][1], got[i].low, tolerance);
        assert_near(wanted[i][2], got[i].high, tolerance);
    }
}

static void agrees_with_reference(void **state) {
    static ranking_case one;
    int cases = 0, bootstraps = 0;
    char *tag;
    (void)state;
    golden = fopen("tests/vectors/eval.txt", "r");
    assert_non_null(golden);
    while ((tag = next_line()) != NULL) {
        if (strcmp(tag, "case") == 0) {
            read_case(&one);
            check_case(&one);
            for (size_t i = 0; i < one.docs; i++)
                free(one.ids[i]);
            cases++;
        } else if (strcmp(tag, "boot") == 0) {
            check_bootstrap();
            bootstraps++;
        }
    }
    fclose(golden);
    assert_int_equal(cases, 6);
    assert_int_equal(bootstraps, 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(agrees_with_reference)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
