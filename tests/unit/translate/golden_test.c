/* Every method against its float64 definition (tests/reference/translate_reference.py): more rows than
 * dimensions and fewer, wider targets and narrower ones. */
#include "translate/translate_impl.h"

#include "tests/unit/support/support.h"
#include "tests/unit/translate/pairs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Weights are rounded to float32; entries are of the order 1, those of small lambda of the order 10. */
#define TOLERANCE 2e-6

enum { TEXT = 1 << 17, MOST = 1 << 12 };

static char line[TEXT];

static int next_line(FILE *file) {
    if (!fgets(line, TEXT, file)) {
        return 0;
    }
    line[strcspn(line, "\n")] = '\0';
    return 1;
}

/* The numbers behind a word. */
static size_t read_numbers(double *out) {
    char *at = strchr(line, ' ');
    size_t count = 0;
    while (at) {
        char *end;
        double value = strtod(at, &end);
        if (end == at) {
            break;
        }
        assert_true(count < MOST);
        out[count++] = value;
        at = end;
    }
    return count;
}

static void read_rows(FILE *file, const char *word, float *out, size_t floats) {
    static double values[MOST];
    assert_true(next_line(file));
    assert_true(strncmp(line, word, strlen(word)) == 0);
    assert_int_equal(read_numbers(values), floats);
    for (size_t i = 0; i < floats; i++) {
        out[i] = (float)values[i];
    }
}

static void compare(FILE *file, const char *word, const float *got, size_t floats) {
    static double wanted[MOST];
    double scale = 1;
    assert_true(next_line(file));
    assert_true(strncmp(line, word, strlen(word)) == 0);
    assert_int_equal(read_numbers(wanted), floats);
    for (size_t i = 0; i < floats; i++) {
        scale = fmax(scale, fabs(wanted[i]));
    }
    for (size_t i = 0; i < floats; i++) {
        if (!(fabs(wanted[i] - (double)got[i]) <= TOLERANCE * scale)) {
            fail_msg("%s %zu: expected %.9g, got %.9g", word, i, wanted[i], (double)got[i]);
        }
    }
}

static void methods_agree_with_the_reference(void **state) {
    (void)state;
    FILE *file = fopen("tests/vectors/translate.txt", "r");
    static float source[MOST], target[MOST];
    size_t rows = 0, source_dim = 0, target_dim = 0, recipes = 0;
    assert_non_null(file);
    while (next_line(file)) {
        if (sscanf(line, "pairs %zu %zu %zu", &rows, &source_dim, &target_dim) == 3) {
            read_rows(file, "source", source, rows * source_dim);
            read_rows(file, "target", target, rows * target_dim);
            continue;
        }
        char name[32];
        vecna_translate_options options = {.resamples = 10};
        vecna_recipe *recipe = &options.recipe;
        assert_int_equal(sscanf(line, "recipe %31s %lf %lf %lf %zu %lf", name, &recipe->lambda,
                                &recipe->share, &recipe->exponent, &recipe->rank, &recipe->means),
                         6);
        assert_true(vecna_method_parse(name, &recipe->method));
        vecna_map *map = NULL;
        vecna_error err = {0};
        vecna_status status =
            vecna_translate_fit(vecna_view_dense(source, rows, source_dim),
                                vecna_view_dense(target, rows, target_dim), &options, &map, &err);
        if (status) {
            fail_msg("%s: %s", name, err.message);
        }
        assert_true(map->normalized);
        assert_int_equal(map->rows_fit, rows);
        print_message("%s %zu -> %zu\n", name, source_dim, target_dim);
        compare(file, "weights", map->weights, source_dim * target_dim);
        compare(file, "bias", map->bias, target_dim);
        vecna_map_free(map);
        recipes++;
    }
    assert_int_equal(recipes, 56);
    fclose(file);
}

/* Neighbours come from codes of single precision rows, the reference has double ones: a code may fall
 * to the other side of a half. One code of 127 in a dozen is 1e-3 of a cosine, and a softmax at 0.05
 * makes 2e-2 of a weight out of it; most rows agree to 1e-6. */
static void memories_agree_with_the_reference(void **state) {
    (void)state;
    FILE *file = fopen("tests/vectors/translate_memory.txt", "r");
    static float source[MOST], target[MOST], in[MOST], out[MOST];
    static double wanted[MOST];
    size_t rows = 0, p = 0, q = 0, probes = 0, recipes = 0, near = 0, all = 0;
    assert_non_null(file);
    while (next_line(file)) {
        if (sscanf(line, "pairs %zu %zu %zu", &rows, &p, &q) == 3) {
            read_rows(file, "source", source, rows * p);
            read_rows(file, "target", target, rows * q);
            assert_true(next_line(file) && sscanf(line, "probes %zu", &probes) == 1);
            read_rows(file, "in", in, probes * p);
            continue;
        }
        vecna_translate_options options = {.resamples = 10,
                                           .recipe = {.method = VECNA_METHOD_MEMORY}};
        vecna_recipe *recipe = &options.recipe;
        assert_int_equal(sscanf(line, "recipe %lf %lf %zu %lf %lf", &recipe->lambda, &recipe->share,
                                &recipe->neighbours, &recipe->temperature, &recipe->correction),
                         5);
        vecna_map *map = NULL;
        assert_status(VECNA_OK,
                      vecna_translate_fit(vecna_view_dense(source, rows, p),
                                          vecna_view_dense(target, rows, q), &options, &map, NULL));
        assert_status(VECNA_OK, vecna_map_apply(map, vecna_view_dense(in, probes, p),
                                                vecna_matrix_dense(out, probes, q), NULL, NULL));
        assert_true(next_line(file) && read_numbers(wanted) == probes * q);
        for (size_t i = 0; i < probes * q; i++) {
            const double off = fabs(wanted[i] - (double)out[i]);
            near += off < 2e-6;
            all++;
            if (!(off < 0.02)) {
                fail_msg("recipe %zu, %zu: expected %.9g, got %.9g", recipes, i, wanted[i],
                         (double)out[i]);
            }
        }
        vecna_map_free(map);
        recipes++;
    }
    assert_int_equal(recipes, 6);
    assert_true(near > all * 9 / 10);
    fclose(file);
}

/* What recipes are compared by, blocks over one projection, is what the map does that is delivered. */
static void a_block_and_its_map_agree_about_the_means(void **state) {
    (void)state;
    enum { ROWS = 40, P = 7, Q = 9 };
    pairs made = make_pairs(ROWS, P, Q, 5);
    const double shares[] = {0, 1, 0.5, 0.25};
    size_t rows[ROWS];
    double centres[P + Q] = {0};
    for (size_t i = 0; i < ROWS; i++) {
        rows[i] = i;
    }
    vni_pairs all = {.source = vecna_matrix_view(made.source),
                     .target = vecna_matrix_view(made.target),
                     .source_centre = centres,
                     .target_centre = centres + P};
    vni_basis basis = {0};
    assert_status(VECNA_OK, vni_basis_new(NULL, &all, rows, ROWS, 1, &basis, NULL));
    double *block = calloc(basis.rank * Q, sizeof *block);
    float *middle = make_floats(ROWS * basis.rank), *got = make_floats(ROWS * Q);
    float weights[P * Q], bias[Q];
    assert_non_null(block);
    for (size_t s = 0; s < sizeof shares / sizeof *shares; s++) {
        const vecna_recipe recipe = {
            .method = VECNA_METHOD_BLEND_PLAIN, .lambda = 0.1, .share = 0.7, .means = shares[s]};
        const vni_means means = {.share = recipe.means};
        vecna_matrix projected = vecna_matrix_dense(middle, ROWS, basis.rank);
        assert_status(VECNA_OK, vni_block(&basis, &recipe, block, NULL));
        assert_status(VECNA_OK, vni_project(&basis, all.source, means, projected, NULL, NULL));
        assert_status(VECNA_OK,
                      vni_translate_block(&basis, vecna_matrix_view(projected), block, means,
                                          vecna_matrix_dense(got, ROWS, Q), NULL, NULL, NULL));
        assert_status(VECNA_OK, vni_block_to_map(&basis, block, means, weights, bias, NULL));
        for (size_t i = 0; i < ROWS; i++) {
            double wanted[Q], square = 0;
            for (size_t j = 0; j < Q; j++) {
                wanted[j] = (double)bias[j];
                for (size_t k = 0; k < P; k++) {
                    wanted[j] += (double)made.source.data[i * P + k] * (double)weights[k * Q + j];
                }
                square += wanted[j] * wanted[j];
            }
            for (size_t j = 0; j < Q; j++) {
                assert_true(fabs(wanted[j] / sqrt(square) - (double)got[i * Q + j]) < 2e-6);
            }
        }
    }
    vni_basis_free(&basis);
    free(block);
    free(middle);
    free(got);
    free_pairs(&made);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(methods_agree_with_the_reference),
                                       cmocka_unit_test(memories_agree_with_the_reference),
                                       cmocka_unit_test(a_block_and_its_map_agree_about_the_means)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
