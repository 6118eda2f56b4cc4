/* The tower against float64 sums cell by cell, its gradients against differences of those sums, and
 * pictures brought to other sizes. */
#include "image/image_impl.h"
#include "tests/unit/support/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the tower in float64 ------------------------------------------------------------------------ */

enum { CELLS = 4096 };

/* One picture through the stages and the head, as the header says it. */
static void see(const vecna_image_shape *shape, const double *parameters, const uint8_t *pixels,
                double *out) {
    static double x[CELLS], y[CELLS];
    size_t height = shape->height, width = shape->width, below = shape->channels;
    const double *at = parameters;
    for (size_t i = 0; i < height * width * below; i++)
        x[i] = (255 - (double)pixels[i]) / 128;
    for (size_t s = 0; s < shape->stages; s++) {
        const size_t high = (height + 1) / 2, wide = (width + 1) / 2, made = shape->filters[s];
        const double *biases = at + 9 * below * made;
        for (size_t i = 0; i < high; i++)
            for (size_t j = 0; j < wide; j++)
                for (size_t f = 0; f < made; f++) {
                    double sum = biases[f];
                    for (long dy = -1; dy <= 1; dy++)
                        for (long dx = -1; dx <= 1; dx++)
                            for (size_t c = 0; c < below; c++) {
                                const long row = 2 * (long)i + dy, column = 2 * (long)j + dx;
                                if (row >= 0 && row < (long)height && column >= 0 &&
                                    column < (long)width)
                                    sum += at[((size_t)((dy + 1) * 3 + dx + 1) * below + c) * made +
                                              f] *
                                           x[((size_t)row * width + (size_t)column) * below + c];
                            }
                    y[(i * wide + j) * made + f] = sum > 0 ? sum : 0;
                }
        memcpy(x, y, high * wide * made * sizeof *x);
        at = biases + made;
        height = high;
        width = wide;
        below = made;
    }
    const size_t inputs = height * width * below;
    for (size_t k = 0; k < shape->dim; k++) {
        out[k] = at[inputs * shape->dim + k];
        for (size_t i = 0; i < inputs; i++)
            out[k] += x[i] * at[i * shape->dim + k];
    }
}

static const vecna_image_shape shapes[] = {
    {8, 8, 3, 1, {4}, 5}, {7, 10, 1, 2, {3, 5}, 6}, {9, 5, 3, 3, {2, 3, 4}, 3}};
enum { SHAPES = sizeof shapes / sizeof *shapes, PICTURES = 3, PARAMETERS = 4096 };

typedef struct scene {
    const vecna_image_shape *shape;
    size_t count, each;
    double parameters[PARAMETERS];
    float floats[PARAMETERS];
    uint8_t pixels[PICTURES * 300];
} scene;

static void make(scene *s, const vecna_image_shape *shape) {
    vecna_random random;
    s->shape = shape;
    s->each = shape->height * shape->width * shape->channels;
    assert_status(VECNA_OK, vecna_image_parameters(shape, &s->count, NULL));
    assert_true(s->count <= PARAMETERS && s->each <= 300);
    vecna_random_seed(&random, 4, shape->dim);
    for (size_t i = 0; i < s->count; i++) {
        s->floats[i] = (float)vecna_random_normal(&random) / 3;
        s->parameters[i] = (double)s->floats[i];
    }
    for (size_t i = 0; i < PICTURES * s->each; i++)
        s->pixels[i] = (uint8_t)vecna_random_below(&random, 256);
}

static void vectors_are_those_of_float64(void **state) {
    (void)state;
    for (size_t k = 0; k < SHAPES; k++) {
        scene s;
        float got[PICTURES * 8];
        make(&s, &shapes[k]);
        const vecna_pictures pictures = {s.pixels, PICTURES, shapes[k].height, shapes[k].width,
                                         shapes[k].channels};
        const size_t dim = shapes[k].dim;
        assert_status(VECNA_OK,
                      vecna_image_embed(&shapes[k], s.floats, &pictures,
                                        (vecna_matrix){got, PICTURES, dim, 8}, NULL, NULL, NULL));
        for (size_t p = 0; p < PICTURES; p++) {
            double wanted[8], square = 0;
            see(&shapes[k], s.parameters, s.pixels + p * s.each, wanted);
            for (size_t j = 0; j < dim; j++)
                square += wanted[j] * wanted[j];
            for (size_t j = 0; j < dim; j++)
                assert_true(fabs(wanted[j] / sqrt(square) - (double)got[p * 8 + j]) < 1e-5);
        }
    }
}

/* Any linear question of the vectors: sum of question times out. */
static double answer(const scene *s, const double *parameters, const float *question) {
    double sum = 0;
    for (size_t p = 0; p < PICTURES; p++) {
        double out[8];
        see(s->shape, parameters, s->pixels + p * s->each, out);
        for (size_t j = 0; j < s->shape->dim; j++)
            sum += (double)question[p * s->shape->dim + j] * out[j];
    }
    return sum;
}

static void gradients_are_those_of_differences(void **state) {
    const double small = 1e-5;
    (void)state;
    for (size_t k = 0; k < SHAPES; k++) {
        static scene s;
        vni_image_work work;
        float out[PICTURES * 8], question[PICTURES * 8], asked[PARAMETERS];
        vecna_random random;
        make(&s, &shapes[k]);
        vecna_random_seed(&random, 8, k);
        for (size_t i = 0; i < PICTURES * shapes[k].dim; i++)
            question[i] = (float)vecna_random_normal(&random);
        assert_status(VECNA_OK, vni_image_work_new(&shapes[k], PICTURES + 2, 1, NULL, &work, NULL));
        for (size_t i = 0; i < PICTURES * s.each; i++)
            work.pixels[i] = vni_image_level(s.pixels[i]);
        assert_status(VECNA_OK, vni_image_forward(&work, s.floats, PICTURES, out, NULL, NULL));
        assert_status(VECNA_OK, vni_image_backward(&work, s.floats, question, asked, NULL, NULL));
        for (size_t i = 0; i < s.count; i++) {
            const double was = s.parameters[i];
            s.parameters[i] = was + small;
            const double above = answer(&s, s.parameters, question);
            s.parameters[i] = was - small;
            const double slope = (above - answer(&s, s.parameters, question)) / (2 * small);
            s.parameters[i] = was;
            /* float32 sums of some hundred products */
            if (fabs(slope - (double)asked[i]) > 1e-4 * (1 + fabs(slope)))
                fail_msg("shape %zu, number %zu: %g, not %g", k, i, (double)asked[i], slope);
        }
        vni_image_work_free(&work);
    }
}

static void threads_and_blocks_change_nothing(void **state) {
    static scene s;
    float alone[PICTURES * 8], together[PICTURES * 8];
    vecna_pool *pool;
    (void)state;
    make(&s, &shapes[1]);
    vecna_pictures pictures = {s.pixels, PICTURES, 7, 10, 1};
    assert_status(VECNA_OK, vecna_pool_new(3, NULL, &pool, NULL));
    assert_status(VECNA_OK,
                  vecna_image_embed(&shapes[1], s.floats, &pictures,
                                    vecna_matrix_dense(together, PICTURES, 6), pool, NULL, NULL));
    for (size_t p = 0; p < PICTURES; p++) {
        const vecna_pictures one = {s.pixels + p * s.each, 1, 7, 10, 1};
        assert_status(VECNA_OK,
                      vecna_image_embed(&shapes[1], s.floats, &one,
                                        vecna_matrix_dense(alone + 6 * p, 1, 6), NULL, NULL, NULL));
    }
    for (size_t i = 0; i < PICTURES * 6; i++)
        assert_true(fabsf(alone[i] - together[i]) < 1e-6f);
    pictures.count = 0;
    assert_status(VECNA_OK, vecna_image_embed(&shapes[1], s.floats, &pictures,
                                              vecna_matrix_dense(alone, 0, 6), NULL, NULL, NULL));
    vecna_pool_free(pool);
}

/* ---- shapes and mistakes -------------------------------------------------------------------------- */

static void shapes_are_what_they_are_called(void **state) {
    const vecna_image_shape usual = vecna_image_shape_for(32, 32, 3, 256);
    size_t count, height, width;
    (void)state;
    assert_int_equal(3, usual.stages);
    assert_int_equal(128, usual.filters[2]);
    vecna_image_cells(&usual, 3, &height, &width);
    assert_int_equal(4, height);
    assert_int_equal(4, width);
    assert_status(VECNA_OK, vecna_image_parameters(&usual, &count, NULL));
    assert_int_equal(27 * 32 + 32 + 288 * 64 + 64 + 576 * 128 + 128 + 2048 * 256 + 256, count);
    const vecna_image_shape large = vecna_image_shape_for(512, 300, 1, 64);
    assert_int_equal(6, large.stages); /* as many as there may be: 8 x 5 cells are left */
    assert_int_equal(256, large.filters[5]);
    assert_status(VECNA_OK, vecna_image_parameters(&large, &count, NULL));
    assert_int_equal(1, vecna_image_shape_for(4, 5, 1, 8).stages);
}

static void mistakes(void **state) {
    static const vecna_image_shape bad[] = {
        {3, 8, 3, 1, {4}, 5},    {8, 513, 3, 1, {4}, 5},  {8, 8, 2, 1, {4}, 5},
        {8, 8, 3, 0, {4}, 5},    {8, 8, 3, 7, {4}, 5},    {8, 8, 3, 2, {4, 0}, 5},
        {8, 8, 3, 1, {1025}, 5}, {8, 8, 3, 1, {4}, 8193}, {8, 8, 3, 1, {4}, 0},
    };
    static scene s;
    float out[PICTURES * 8];
    vecna_error err;
    size_t count = 77;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_status(VECNA_ERR_DIM, vecna_image_parameters(&bad[i], &count, &err));
    assert_int_equal(77, count);
    make(&s, &shapes[0]);
    vecna_pictures pictures = {s.pixels, PICTURES, 8, 7, 3};
    const vecna_matrix room = vecna_matrix_dense(out, PICTURES, 5);
    assert_status(VECNA_ERR_DIM,
                  vecna_image_embed(&shapes[0], s.floats, &pictures, room, NULL, NULL, &err));
    pictures.width = 8;
    pictures.count = 2;
    assert_status(VECNA_ERR_DIM,
                  vecna_image_embed(&shapes[0], s.floats, &pictures, room, NULL, NULL, &err));
    assert_status(VECNA_ERR_DIM,
                  vecna_image_embed(&bad[0], s.floats, &pictures, room, NULL, NULL, &err));
}

static vecna_status embed(void *user, const vecna_allocator *allocator, vecna_error *err) {
    const scene *s = user;
    const vecna_pictures pictures = {s->pixels, PICTURES, s->shape->height, s->shape->width,
                                     s->shape->channels};
    float out[PICTURES * 8];
    return vecna_image_embed(s->shape, s->floats, &pictures,
                             vecna_matrix_dense(out, PICTURES, s->shape->dim), NULL, allocator,
                             err);
}

static void memory_may_fail(void **state) {
    static scene s;
    (void)state;
    make(&s, &shapes[2]);
    assert_survives_failing_memory(embed, &s);
    assert_true(vni_image_work_bytes(&shapes[2], 2, 1) > vni_image_work_bytes(&shapes[2], 2, 0));
}

/* ---- sizes ---------------------------------------------------------------------------------------- */

static void sizes_are_means_of_areas(void **state) {
    static const uint8_t small[] = {0, 100, 200, 40, 60, 80}; /* 2 x 3, gray */
    static const uint8_t colours[] = {255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255};
    const vecna_pictures gray = {small, 1, 2, 3, 1}, rgb = {colours, 1, 2, 2, 3};
    uint8_t out[64];
    vecna_error err;
    (void)state;
    assert_status(VECNA_OK, vecna_image_resize(&gray, 2, 3, 1, out, NULL));
    assert_memory_equal(small, out, 6);
    assert_status(VECNA_OK, vecna_image_resize(&gray, 1, 1, 1, out, NULL));
    assert_int_equal(80, out[0]); /* 480 / 6 */
    assert_status(VECNA_OK, vecna_image_resize(&gray, 1, 2, 1, out, NULL));
    assert_int_equal(40, out[0]); /* (0 + 40 + (100 + 60) / 2) / 3 */
    assert_status(VECNA_OK, vecna_image_resize(&gray, 4, 6, 1, out, NULL));
    assert_int_equal(0, out[0]);
    assert_int_equal(0, out[7]);
    assert_int_equal(100, out[2]);
    assert_int_equal(80, out[23]);
    assert_status(VECNA_OK, vecna_image_resize(&gray, 2, 3, 3, out, NULL));
    for (size_t i = 0; i < 18; i++)
        assert_int_equal(small[i / 3], out[i]);
    assert_status(VECNA_OK, vecna_image_resize(&rgb, 2, 2, 1, out, NULL));
    assert_int_equal(76, out[0]);
    assert_int_equal(150, out[1]);
    assert_int_equal(29, out[2]);
    assert_int_equal(255, out[3]);
    assert_status(VECNA_ERR_DIM, vecna_image_resize(&rgb, 2, 0, 1, out, &err));
    assert_status(VECNA_ERR_DIM, vecna_image_resize(&rgb, 2, 2, 4, out, &err));
    const vecna_pictures two = {colours, 1, 2, 2, 2};
    assert_status(VECNA_ERR_DIM, vecna_image_resize(&two, 2, 2, 1, out, &err));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_are_those_of_float64),
        cmocka_unit_test(gradients_are_those_of_differences),
        cmocka_unit_test(threads_and_blocks_change_nothing),
        cmocka_unit_test(shapes_are_what_they_are_called),
        cmocka_unit_test(mistakes),
        cmocka_unit_test(memory_may_fail),
        cmocka_unit_test(sizes_are_means_of_areas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
