/* Hubness against its definition. */
#include "vecna/search.h"

#include "tests/unit/support/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 5, SAMPLE = 4, DIM = 3 };

static const float rows[ROWS * DIM] = {1, 0, 0, 0, 2, 0, 1, 1, 0, 0, 0, 0, -1, 0, 1};
static const float sample[SAMPLE * DIM] = {1, 0, 0, 3, 3, 0, 0, 0, 1, -1, 0, 0};

static int descending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

static double cosine(const float *a, const float *b) {
    double ab = 0, aa = 0, bb = 0;
    for (size_t j = 0; j < DIM; j++) {
        ab += (double)a[j] * (double)b[j];
        aa += (double)a[j] * (double)a[j];
        bb += (double)b[j] * (double)b[j];
    }
    return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : 0;
}

static void the_mean_of_the_nearest(void **state) {
    (void)state;
    for (size_t k = 1; k <= 6; k++) { /* more than there are: all of them */
        float out[ROWS];
        const vecna_search_options options = {.k = k};
        assert_status(VECNA_OK, vecna_search_hubness(vecna_view_dense(rows, ROWS, DIM),
                                                     vecna_view_dense(sample, SAMPLE, DIM),
                                                     &options, out, NULL));
        for (size_t i = 0; i < ROWS; i++) {
            double scores[SAMPLE], sum = 0;
            const size_t count = k < SAMPLE ? k : SAMPLE;
            for (size_t s = 0; s < SAMPLE; s++) {
                scores[s] = cosine(rows + i * DIM, sample + s * DIM);
            }
            qsort(scores, SAMPLE, sizeof *scores, descending);
            for (size_t s = 0; s < count; s++) {
                sum += scores[s] / (double)count;
            }
            assert_true(fabs((double)out[i] - sum) < 1e-6);
        }
    }
}

static void mistakes(void **state) {
    (void)state;
    float out[ROWS];
    vecna_error err;
    assert_status(VECNA_ERR_DIM,
                  vecna_search_hubness(vecna_view_dense(rows, ROWS, DIM),
                                       vecna_view_dense(sample, SAMPLE, DIM - 1), NULL, out, &err));
    assert_status(VECNA_ERR_ARGUMENT,
                  vecna_search_hubness(vecna_view_dense(rows, ROWS, DIM),
                                       vecna_view_dense(sample, 0, DIM), NULL, out, &err));
    assert_status(VECNA_OK,
                  vecna_search_hubness(vecna_view_dense(rows, 0, DIM),
                                       vecna_view_dense(sample, SAMPLE, DIM), NULL, out, &err));
}

static vecna_status body(void *user, const vecna_allocator *allocator, vecna_error *err) {
    const vecna_search_options options = {.allocator = allocator};
    (void)user;
    float out[ROWS];
    return vecna_search_hubness(vecna_view_dense(rows, ROWS, DIM),
                                vecna_view_dense(sample, SAMPLE, DIM), &options, out, err);
}

static void memory_may_fail(void **state) {
    (void)state;
    assert_survives_failing_memory(body, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_mean_of_the_nearest),
        cmocka_unit_test(mistakes),
        cmocka_unit_test(memory_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
