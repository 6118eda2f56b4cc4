/* The tree's forces against sums over all pairs in float64, principal components against a space
 * whose axes are known, and pictures of groups that nobody could miss. */
#include "plane/plane_impl.h"
#include "tests/unit/support/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Groups of rows around corners of a cube, far apart in comparison with their width. */
static float *grouped_rows(size_t rows, size_t dim, size_t groups) {
    vecna_random random;
    float *data = malloc(rows * dim * sizeof *data);
    vecna_random_seed(&random, 3, 0);
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < dim; j++) {
            data[i * dim + j] =
                (float)((j == i % groups ? 8 : 0) + 0.3 * vecna_random_normal(&random));
        }
    }
    return data;
}

static void forces_of_all_pairs(const float *plane, size_t points, size_t i, double *force,
                                double *total) {
    force[0] = force[1] = *total = 0;
    for (size_t j = 0; j < points; j++) {
        double dx = (double)plane[2 * i] - (double)plane[2 * j];
        double dy = (double)plane[2 * i + 1] - (double)plane[2 * j + 1];
        double q = 1 / (1 + dx * dx + dy * dy);
        *total += q;
        force[0] += q * q * dx;
        force[1] += q * q * dy;
    }
}

/* Largest error of a force, in units of the mean force. */
static double worst_error(const float *plane, size_t points, float theta) {
    vni_tree tree;
    vni_sources *list = malloc(sizeof *list);
    double worst = 0, mean = 0;
    assert_status(VECNA_OK, vni_tree_new(points, NULL, &tree, NULL));
    vni_tree_fill(&tree, plane, points);
    for (size_t first = 0; first < points; first += VNI_LANES) {
        float force[2 * VNI_LANES], total[VNI_LANES];
        vni_tree_repulsion(&tree, first, theta, list, force, total);
        for (size_t l = 0; l < VNI_LANES && first + l < points; l++) {
            double wanted[2], sum;
            forces_of_all_pairs(plane, points, tree.order[first + l], wanted, &sum);
            worst = fmax(worst, hypot((double)force[l] - wanted[0],
                                      (double)force[VNI_LANES + l] - wanted[1]));
            worst = fmax(worst, fabs((double)total[l] - sum) / sum);
            mean += hypot(wanted[0], wanted[1]) / (double)points;
        }
    }
    vni_tree_free(&tree);
    free(list);
    return worst / fmax(mean, 1e-3);
}

static void forces_agree_with_all_pairs(void **state) {
    vecna_random random;
    float plane[2 * 1000];
    (void)state;
    for (size_t points = 1; points <= 1000; points = points * 3 + 1) {
        vecna_random_seed(&random, points, 0);
        for (size_t i = 0; i < 2 * points; i++) {
            plane[i] = (float)(vecna_random_normal(&random) * (i % 3 ? 1 : 20));
        }
        /* float32 sums over 1000 points */
        assert_true(worst_error(plane, points, 1e-9f) < 1e-4);
        assert_true(worst_error(plane, points, 0.5f) < 0.05);
    }
    for (size_t i = 0; i < 2000; i++) { /* equal points, and a far one */
        plane[i] = i < 1998 ? 0.25f : 1e6f;
    }
    assert_true(worst_error(plane, 1000, 1e-9f) < 1e-4);
    assert_true(worst_error(plane, 1000, 0.5f) < 1e-4);
}

static void components_of_a_known_space(void **state) {
    enum { ROWS = 400, DIM = 5 };
    static const double widths[DIM] = {1, 5, 0.1, 3, 0.5};
    vecna_random random;
    float data[ROWS * DIM], out[ROWS * 2];
    double share[2], sums[DIM] = {0}, total = 0;
    (void)state;
    vecna_random_seed(&random, 8, 0);
    for (size_t i = 0; i < ROWS; i++) { /* pairs of opposite rows: the mean is 7 exactly enough */
        for (size_t j = 0; j < DIM; j++) {
            double at = i % 2 ? 14 - (double)data[(i - 1) * DIM + j]
                              : 7 + widths[j] * vecna_random_normal(&random);
            data[i * DIM + j] = (float)at;
            sums[j] += (at - 7) * (at - 7);
        }
    }
    for (size_t j = 0; j < DIM; j++) {
        total += sums[j];
    }
    assert_status(VECNA_OK, vecna_plane_components(vecna_view_dense(data, ROWS, DIM), 2, out, share,
                                                   NULL, NULL));
    /* random columns are nearly uncorrelated: a twentieth covers 400 rows */
    assert_true(fabs(share[0] - sums[1] / total) < 0.05);
    assert_true(fabs(share[1] - sums[3] / total) < 0.05);
    double agreement = 0;
    for (size_t i = 0; i < ROWS; i++) {
        agreement += (double)out[2 * i] * ((double)data[i * DIM + 1] - 7);
    }
    assert_true(agreement / sums[1] > 0.95);
}

/* The same rows, thin and wide: products of rows and of columns must tell the same. */
static void few_rows_and_many_dims_agree(void **state) {
    enum { ROWS = 12, DIM = 40 };
    float *data = grouped_rows(ROWS, DIM, 3);
    float wide[ROWS * 2], *padded = calloc(64 * DIM, sizeof *padded), tall[64 * 2];
    double share[2], share_tall[2];
    (void)state;
    for (size_t i = 0; i < 60; i++) { /* five copies of each row: the same directions */
        memcpy(padded + i * DIM, data + i % ROWS * DIM, DIM * sizeof *data);
    }
    assert_status(VECNA_OK, vecna_plane_components(vecna_view_dense(data, ROWS, DIM), 2, wide,
                                                   share, NULL, NULL));
    assert_status(VECNA_OK, vecna_plane_components(vecna_view_dense(padded, 60, DIM), 2, tall,
                                                   share_tall, NULL, NULL));
    for (size_t d = 0; d < 2; d++) {
        const double sign = wide[d] * tall[d] < 0 ? -1 : 1;
        assert_true(fabs(share[d] - share_tall[d]) < 1e-9);
        for (size_t i = 0; i < ROWS; i++) {
            assert_true(fabs((double)wide[2 * i + d] - sign * (double)tall[2 * i + d]) < 1e-4);
        }
    }
    free(data);
    free(padded);
}

static double share_of_own_group(const float *plane, size_t rows, size_t groups) {
    size_t own = 0;
    for (size_t i = 0; i < rows; i++) {
        size_t best = i == 0;
        for (size_t j = 0; j < rows; j++) {
            const float *a = plane + 2 * i, *b = plane + 2 * j, *c = plane + 2 * best;
            if (j != i && hypotf(a[0] - b[0], a[1] - b[1]) < hypotf(a[0] - c[0], a[1] - c[1])) {
                best = j;
            }
        }
        own += best % groups == i % groups;
    }
    return (double)own / (double)rows;
}

static void groups_stay_together(void **state) {
    enum { ROWS = 240, DIM = 16, GROUPS = 6 };
    float *data = grouped_rows(ROWS, DIM, GROUPS), one[2 * ROWS], three[2 * ROWS];
    vecna_tsne_options options = {.iterations = 300};
    double divergence, kept;
    vecna_view rows = vecna_view_dense(data, ROWS, DIM);
    (void)state;
    assert_status(VECNA_OK, vecna_plane_tsne(rows, &options, one, &divergence, NULL));
    assert_true(divergence > 0 && divergence < 2);
    assert_true(share_of_own_group(one, ROWS, GROUPS) == 1);
    assert_status(VECNA_OK, vecna_plane_kept(rows, vecna_view_dense(one, ROWS, 2), 10, NULL, NULL,
                                             &kept, NULL));
    assert_true(kept > 0.3); /* chance is 10 / 240 */
    assert_status(VECNA_OK, vecna_pool_new(3, NULL, &options.pool, NULL));
    assert_status(VECNA_OK, vecna_plane_tsne(rows, &options, three, NULL, NULL));
    assert_memory_equal(one, three, sizeof one); /* threads change nothing */
    vecna_pool_free(options.pool);
    free(data);
}

static int stop_at_once(void *user, double done) {
    (void)user;
    (void)done;
    return 1;
}

static void mistakes_are_refused(void **state) {
    float data[8 * 3] = {0}, out[16] = {7};
    double kept;
    vecna_error err;
    vecna_tsne_options options = {.perplexity = 5};
    vecna_view rows = vecna_view_dense(data, 8, 3);
    (void)state;
    assert_status(VECNA_ERR_NUMERIC, vecna_plane_components(rows, 2, out, NULL, NULL, &err));
    assert_status(VECNA_ERR_ARGUMENT, vecna_plane_components(rows, 0, out, NULL, NULL, &err));
    assert_status(VECNA_ERR_ARGUMENT, vecna_plane_components(rows, 4, out, NULL, NULL, &err));
    assert_status(VECNA_ERR_ARGUMENT, vecna_plane_tsne(rows, &options, out, NULL, &err));
    options.perplexity = 0;
    options.theta = 3;
    assert_status(VECNA_ERR_ARGUMENT, vecna_plane_tsne(rows, &options, out, NULL, &err));
    options.theta = 0;
    assert_status(VECNA_ERR_NUMERIC, vecna_plane_tsne(rows, &options, out, NULL, &err));
    for (size_t i = 0; i < 24; i++) {
        data[i] = (float)(i * i % 7);
    }
    options.progress = stop_at_once;
    assert_status(VECNA_ERR_ARGUMENT, vecna_plane_tsne(rows, &options, out, NULL, &err));
    assert_string_equal(err.message, "cancelled");
    data[5] = NAN;
    assert_true(vecna_plane_tsne(rows, NULL, out, NULL, &err) != VECNA_OK);
    assert_true(out[0] == 7);
    assert_status(VECNA_ERR_ARGUMENT,
                  vecna_plane_tsne(vecna_view_dense(data, 3, 3), NULL, out, NULL, &err));
    assert_status(VECNA_ERR_ARGUMENT,
                  vecna_plane_kept(rows, vecna_view_dense(out, 8, 2), 8, NULL, NULL, &kept, &err));
}

static vecna_status whole_picture(void *user, const vecna_allocator *allocator, vecna_error *err) {
    vecna_tsne_options options = {.iterations = 3, .allocator = allocator};
    float out[2 * 30];
    double kept;
    vecna_view rows = vecna_view_dense(user, 30, 4);
    vecna_status status = vecna_plane_tsne(rows, &options, out, NULL, err);
    if (status == VECNA_OK) {
        status =
            vecna_plane_kept(rows, vecna_view_dense(out, 30, 2), 3, NULL, allocator, &kept, err);
    }
    return status;
}

static void survives_failing_memory(void **state) {
    float *data = grouped_rows(30, 4, 3);
    (void)state;
    assert_survives_failing_memory(whole_picture, data);
    free(data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forces_agree_with_all_pairs),
        cmocka_unit_test(components_of_a_known_space),
        cmocka_unit_test(few_rows_and_many_dims_agree),
        cmocka_unit_test(groups_stay_together),
        cmocka_unit_test(mistakes_are_refused),
        cmocka_unit_test(survives_failing_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
