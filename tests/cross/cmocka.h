/* As much of cmocka as the tests of base and metric use, for processors that have no cmocka
 * installed here: scripts/check_neon.sh runs those tests under an emulator. The first failure ends
 * the program. */
#ifndef VECNA_TEST_CROSS_CMOCKA_H
#define VECNA_TEST_CROSS_CMOCKA_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct CMUnitTest {
    const char *name;
    void (*test)(void **state);
};

#define cmocka_unit_test(function)                                                                 \
    { #function, function }
#define cmocka_run_group_tests(tests, setup, teardown)                                             \
    run_all(tests, sizeof(tests) / sizeof *(tests))
#define print_message printf

#define fail_msg(...) (printf("%s:%d: ", __FILE__, __LINE__), printf(__VA_ARGS__), exit(1))
#define assert_true(condition) ((condition) ? (void)0 : fail_msg("not true: %s\n", #condition))
#define assert_non_null(pointer) assert_true((pointer) != NULL)
#define assert_null(pointer) assert_true((pointer) == NULL)
#define assert_int_equal(a, b) assert_true((unsigned long long)(a) == (unsigned long long)(b))
#define assert_in_range(value, least, most) assert_true((value) >= (least) && (value) <= (most))
#define assert_string_equal(a, b) assert_true(strcmp(a, b) == 0)
#define assert_memory_equal(a, b, bytes) assert_true(memcmp(a, b, bytes) == 0)
#define assert_memory_not_equal(a, b, bytes) assert_true(memcmp(a, b, bytes) != 0)

static inline int run_all(const struct CMUnitTest *tests, size_t count) {
    for (size_t i = 0; i < count; i++) {
        tests[i].test(NULL);
        printf("   %s\n", tests[i].name);
    }
    return 0;
}

#endif
