/* Judgement files: what must be read, what must be refused and with which line, and the way from
 * ids to rows. */
#include "vecna/eval.h"

#include "tests/unit/support/support.h"

#include <string.h>

static vecna_error err;

static vecna_qrels *parse(const char *text) {
    vecna_qrels *qrels = NULL;
    vecna_status status = vecna_qrels_parse(text, strlen(text), "f.qrels", NULL, &qrels, &err);
    if (status != VECNA_OK)
        fail_msg("%s", err.message);
    return qrels;
}

static void assert_entry(const vecna_qrels *qrels, size_t index, const char *query, const char *doc,
                         int32_t grade, size_t line) {
    vecna_qrel one = vecna_qrels_at(qrels, index);
    assert_string_equal(one.query, query);
    assert_string_equal(one.doc, doc);
    assert_int_equal(one.grade, grade);
    assert_int_equal(one.line, line);
}

static void reads_trec(void **state) {
    vecna_qrels *qrels = parse("\xEF\xBB\xBF"
                               "301 0 FBIS3-10082 1\r\n\n"
                               "  301\t0\tFBIS3-10169  -1 \n"
                               "302 Q0 caf\xC3\xA9 +2\n"
                               "301 1 FBIS3-10082 1\n"
                               "302 0 x 2147483647");
    (void)state;
    assert_int_equal(vecna_qrels_count(qrels), 4);
    assert_int_equal(vecna_qrels_repeats(qrels), 1);
    assert_entry(qrels, 0, "301", "FBIS3-10082", 1, 1);
    assert_entry(qrels, 1, "301", "FBIS3-10169", -1, 3);
    assert_entry(qrels, 2, "302", "caf\xC3\xA9", 2, 4);
    assert_entry(qrels, 3, "302", "x", INT32_MAX, 6);
    vecna_qrels_free(qrels);
    vecna_qrels_free(NULL);
}

static void reads_beir(void **state) {
    static const char *const files[] = {
        "query-id\tcorpus-id\tscore\nPLAIN 2\tMED-10\t1\n3\tMED-14 \t-2147483648\n",
        "PLAIN 2\tMED-10\t1\r\n\r\n3\tMED-14\t-2147483648",
    };
    (void)state;
    for (int i = 0; i < 2; i++) {
        vecna_qrels *qrels = parse(files[i]);
        assert_int_equal(vecna_qrels_count(qrels), 2);
        assert_entry(qrels, 0, "PLAIN 2", "MED-10", 1, i ? 1 : 2);
        assert_entry(qrels, 1, "3", "MED-14", INT32_MIN, 3);
        vecna_qrels_free(qrels);
    }
}

static void refuses(void **state) {
    static const struct {
        const char *text;
        int line;
        const char *says;
    } bad[] = {
        {"", 0, "no judgement"},
        {"\n\n  \n", 3, "no judgement"},
        {"query-id\tcorpus-id\tscore\n", 1, "no judgement"},
        {"1 0 d\n", 1, "3 fields"},
        {"1 0 d 1 extra\n", 1, "5 fields"},
        {"1 0 d 1\n1 0 e\n", 2, "3 fields"},
        {"1\td\t1\n1 0 d 1\n", 2, "1 fields"},
        {"1\td\t1\n1\td\t1\t0\n", 2, "4 fields"},
        {"1\td\t1\n\td\t1\n", 2, "query id is empty"},
        {"1\td\t1\n1\t \t1\n", 2, "document id is empty"},
        {"1 0 d one\n", 1, "\"one\""},
        {"1 0 d 1.0\n", 1, "\"1.0\""},
        {"1 0 d -\n", 1, "\"-\""},
        {"1 0 d 2147483648\n", 1, "2147483648"},
        {"1 0 d -2147483649\n", 1, "-2147483649"},
        {"1 0 d 99999999999999999999999\n", 1, "32 bits"},
        {"1\td\t1\n1\te\t\n", 2, "\"\""},
        {"q\td\ts\nq\td\ts\n", 2, "\"s\""},
        {"1 0 d 1\n2 0 d 1\n1 0 d 0\n", 3, "line 1 gave it 1"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        vecna_qrels *untouched = NULL;
        assert_status(VECNA_ERR_FORMAT, vecna_qrels_parse(bad[i].text, strlen(bad[i].text),
                                                          "f.qrels", NULL, &untouched, &err));
        assert_null(untouched);
        assert_int_equal(err.position, bad[i].line);
        assert_non_null(strstr(err.message, bad[i].says));
        assert_non_null(strstr(err.message, "f.qrels"));
    }
    {
        vecna_qrels *untouched = NULL;
        assert_status(VECNA_ERR_FORMAT,
                      vecna_qrels_parse("1 0 d 1\n1 0\0 e 1\n", 18, NULL, NULL, &untouched, &err));
        assert_int_equal(err.position, 2);
        assert_non_null(strstr(err.message, "NUL"));
    }
}

/* A line of 100,000 bytes, and ids whose ends meet: ("ab", "c") is not ("a", "bc"). */
static void long_lines_and_near_misses(void **state) {
    static char text[100100];
    vecna_qrels *qrels;
    (void)state;
    memset(text, 'i', 100000);
    strcpy(text + 100000, " 0 d 1\nab 0 c 1\na 0 bc 2\n");
    qrels = parse(text);
    assert_int_equal(vecna_qrels_count(qrels), 3);
    assert_int_equal(strlen(vecna_qrels_at(qrels, 0).query), 100000);
    vecna_qrels_free(qrels);
}

static void resolves_ids(void **state) {
    static const char *const queries[] = {"q1", NULL, "q3"};
    static const char *const docs[] = {"b", "a", NULL, "same", "same"};
    vecna_qrels *qrels = parse("q3 0 a 2\nq9 0 a 1\nq1 0 gone 1\nq3 0 b 0\nq3 0 gone 1\n");
    vecna_judgements *judged = NULL;
    vecna_qrels_match match;
    vecna_judgements_info info;
    vecna_ids query_ids = {queries, 3}, doc_ids = {docs, 5};
    (void)state;
    assert_status(VECNA_OK,
                  vecna_qrels_resolve(qrels, query_ids, doc_ids, NULL, &judged, &match, &err));
    assert_int_equal(match.used, 4);
    assert_int_equal(match.unknown_queries, 1);
    assert_string_equal(match.unknown_query, "q9");
    assert_int_equal(match.unknown_docs, 2);
    assert_string_equal(match.unknown_doc, "gone");
    info = vecna_judgements_about(judged);
    assert_int_equal(info.queries, 3);
    assert_int_equal(info.docs, 5);
    assert_int_equal(info.judged, 2);
    assert_int_equal(info.relevant, 3);
    assert_int_equal(info.outside, 2);
    vecna_judgements_free(judged);
    vecna_qrels_free(qrels);
}

static void rows_are_ids(void **state) {
    vecna_qrels *qrels = parse("0\t17\t1\n1\t017\t1\n1\t18\t1\n2\t0\t1\n"
                               "1\t99999999999999999999999\t1\n1\t-1\t1\n");
    vecna_judgements *judged = NULL;
    vecna_qrels_match match;
    vecna_ids query_ids = {NULL, 2}, doc_ids = {NULL, 18};
    (void)state;
    assert_status(VECNA_OK,
                  vecna_qrels_resolve(qrels, query_ids, doc_ids, NULL, &judged, &match, &err));
    assert_int_equal(match.used, 5);
    assert_int_equal(match.unknown_docs, 4);
    assert_int_equal(match.unknown_queries, 1);
    vecna_judgements_free(judged);
    vecna_qrels_free(qrels);
}

static void resolving_refuses(void **state) {
    static const char *const twice[] = {"a", "b", "a"};
    static const char *const none[] = {NULL, NULL};
    vecna_qrels *qrels = parse("q 0 a 1\n");
    vecna_judgements *untouched = NULL;
    vecna_qrels_match match = {7, 7, 7, NULL, NULL};
    const char *q = "q";
    vecna_ids query = {&q, 1}, rows = {NULL, 3}, duplicates = {twice, 3}, empty = {none, 2};
    (void)state;
    assert_status(VECNA_ERR_NOT_FOUND,
                  vecna_qrels_resolve(qrels, rows, rows, NULL, &untouched, &match, &err));
    assert_status(VECNA_ERR_FORMAT,
                  vecna_qrels_resolve(qrels, query, duplicates, NULL, &untouched, &match, &err));
    assert_int_equal(err.position, 2);
    assert_non_null(strstr(err.message, "\"a\""));
    assert_status(VECNA_ERR_NOT_FOUND,
                  vecna_qrels_resolve(qrels, query, rows, NULL, &untouched, &match, &err));
    assert_non_null(strstr(err.message, "documents"));
    assert_status(VECNA_ERR_NOT_FOUND,
                  vecna_qrels_resolve(qrels, empty, rows, NULL, &untouched, NULL, &err));
    assert_non_null(strstr(err.message, "(none)"));
    assert_null(untouched);
    assert_int_equal(match.used, 7);
    vecna_qrels_free(qrels);
}

static vecna_status all_of_it(void *user, const vecna_allocator *allocator, vecna_error *error) {
    static const char text[] = "q 0 a 1\nq 0 b 1\n";
    static const char *const docs[] = {"a", "b"};
    vecna_ids queries = {(const char *const *)user, 1}, doc_ids = {docs, 2};
    vecna_qrels *qrels = NULL;
    vecna_judgements *judged = NULL;
    vecna_status status =
        vecna_qrels_parse(text, sizeof text - 1, "f.qrels", allocator, &qrels, error);
    if (status == VECNA_OK)
        status = vecna_qrels_resolve(qrels, queries, doc_ids, allocator, &judged, NULL, error);
    vecna_judgements_free(judged);
    vecna_qrels_free(qrels);
    return status;
}

static void survives_failing_memory(void **state) {
    const char *queries[] = {"q"};
    (void)state;
    assert_survives_failing_memory(all_of_it, queries);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_trec),        cmocka_unit_test(reads_beir),
        cmocka_unit_test(refuses),           cmocka_unit_test(long_lines_and_near_misses),
        cmocka_unit_test(resolves_ids),      cmocka_unit_test(rows_are_ids),
        cmocka_unit_test(resolving_refuses), cmocka_unit_test(survives_failing_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
