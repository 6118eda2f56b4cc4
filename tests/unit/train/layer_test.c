/* A layer: its gradients against central differences of a loss that is written down here once more, the
 * same bits with any number of threads and after a break, and what makes no sense.
 * tests/cli/test_train_layer.py holds whole trainings against a NumPy twin. */
#include "tests/unit/support/support.h"

#include "train/layer_impl.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

enum { SAMPLES = 24, WORDS = 9, CLASSES = 4, USERS = 6, ITEMS = 5, DIM = 3, NEGATIVE = 2 };
#define L2 0.3

static int32_t ids[SAMPLES * 5], labels[SAMPLES], users[SAMPLES], items[SAMPLES];
static size_t starts[SAMPLES + 1];
static double ratings[SAMPLES];

static int make_data(void **state) {
    vecna_random random;
    (void)state;
    vecna_random_seed(&random, 4, 0);
    for (size_t s = 0; s < SAMPLES; s++) {
        const size_t words = s == 3 ? 0 : 1 + (size_t)vecna_random_below(&random, 5);
        for (size_t i = 0; i < words; i++) /* a word may come twice */
            ids[starts[s] + i] = (int32_t)vecna_random_below(&random, WORDS);
        starts[s + 1] = starts[s] + words;
        labels[s] = (int32_t)vecna_random_below(&random, CLASSES);
        users[s] = (int32_t)vecna_random_below(&random, USERS);
        items[s] = (int32_t)vecna_random_below(&random, ITEMS);
        ratings[s] = 1 + 4 * vecna_random_uniform(&random);
    }
    return 0;
}

static vecna_layer_data data_of(int task) {
    vecna_layer_data data = {.samples = SAMPLES};
    if (task == VECNA_LAYER_CLASSIFY) {
        data.ids = ids;
        data.starts = starts;
        data.labels = labels;
        data.words = WORDS;
        data.classes = CLASSES;
    } else {
        data.users = users;
        data.items = items;
        data.ratings = ratings;
        data.user_count = USERS;
        data.item_count = ITEMS;
    }
    return data;
}

static vecna_layer *layer_of(int task) {
    const vecna_layer_data data = data_of(task);
    const vecna_layer_options options = {.task = (vecna_layer_task)task,
                                         .dim = DIM,
                                         .epochs = 4,
                                         .batch = 7,
                                         .negative = NEGATIVE,
                                         .l2 = L2,
                                         .seed = 8};
    vecna_layer *model = NULL;
    vecna_error err;
    assert_status(VECNA_OK, vecna_layer_new(&options, &data, &model, &err));
    return model;
}

/* ---- gradients ------------------------------------------------------------------------------- */

static double square(const double *row, size_t dim) {
    double sum = 0;
    for (size_t d = 0; d < dim; d++)
        sum += row[d] * row[d];
    return sum;
}

static double loss_of_text(const vecna_layer *model, size_t s) {
    const size_t words = starts[s + 1] - starts[s];
    const double *v = model->values;
    double mean[DIM] = {0}, sum = 0, loss = 0;
    for (size_t i = starts[s]; i < starts[s + 1]; i++) {
        for (size_t d = 0; d < DIM; d++)
            mean[d] += v[(size_t)ids[i] * DIM + d] / (double)words;
        loss += L2 / 2 * square(v + (size_t)ids[i] * DIM, DIM) / (double)words;
    }
    for (size_t c = 0; c < CLASSES; c++) {
        double logit = v[model->biases_at + c];
        for (size_t d = 0; d < DIM; d++)
            logit += mean[d] * v[model->weights_at + c * DIM + d];
        sum += exp(logit);
        if ((int32_t)c == labels[s])
            loss -= logit;
    }
    return loss + log(sum);
}

static double loss_of_pair(const vecna_layer *model, int32_t user, size_t item, double target) {
    const double *v = model->values, *p = v + (size_t)user * DIM, *q = v + (USERS + item) * DIM;
    const double of_user = v[model->biases_at + (size_t)user];
    const double of_item = v[model->biases_at + USERS + item];
    double score = model->mean + of_user + of_item, loss;
    for (size_t d = 0; d < DIM; d++)
        score += p[d] * q[d];
    if (model->options.task == VECNA_LAYER_SQUARED)
        loss = (score - target) * (score - target) / 2;
    else
        loss = target > 0 ? log(1 + exp(-score)) : log(1 + exp(score));
    return loss +
           L2 / 2 * (square(p, DIM) + square(q, DIM) + of_user * of_user + of_item * of_item);
}

/* Of a batch of the first samples, at position 2 of epoch 0. */
static double objective(const vecna_layer *model, const size_t *samples, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        const size_t s = samples[i];
        vecna_random random;
        if (model->options.task == VECNA_LAYER_CLASSIFY) {
            sum += loss_of_text(model, s);
            continue;
        }
        sum += loss_of_pair(model, users[s], (size_t)items[s],
                            model->options.task == VECNA_LAYER_SQUARED ? ratings[s] : 1);
        vecna_random_seed(&random, model->options.seed, ((uint64_t)1 << 40) | (2 + i));
        for (size_t n = 1; n < model->drawn; n++)
            sum += loss_of_pair(model, users[s], (size_t)vecna_random_below(&random, ITEMS), 0);
    }
    sum /= (double)count;
    if (model->options.task == VECNA_LAYER_CLASSIFY)
        sum += L2 / 2 * square(model->values + model->weights_at, CLASSES * DIM);
    return sum;
}

/* Central differences of step 1e-5 in float64 are right to about 1e-10 for values of this size. */
static void gradients_are_those_of_the_loss(void **state) {
    const size_t samples[] = {5, 0, 3, 11, 19, 7, 2};
    (void)state;
    for (int task = 0; task <= VECNA_LAYER_LOGISTIC; task++) {
        vecna_layer *model = layer_of(task);
        double *gradient = calloc(model->count, sizeof *gradient);
        vecna_random random;
        vecna_random_seed(&random, 1, 1);
        for (size_t i = 0; i < model->count; i++) /* weights and biases start from zero */
            model->values[i] = vecna_random_normal(&random);
        model->collect = gradient;
        (void)vni_layer_step(model, samples, 7, 2, NULL);
        for (size_t i = 0; i < model->count; i++) {
            const double value = model->values[i], step = 1e-5;
            double above, below;
            model->values[i] = value + step;
            above = objective(model, samples, 7);
            model->values[i] = value - step;
            below = objective(model, samples, 7);
            model->values[i] = value;
            assert_true(fabs(gradient[i] - (above - below) / (2 * step)) < 1e-8);
        }
        free(gradient);
        vecna_layer_free(model);
    }
}

/* ---- runs ------------------------------------------------------------------------------------ */

static int pause_sometimes(void *user, const vecna_train_report *now) {
    return now->words == *(const uint64_t *)user;
}

static void threads_and_breaks_change_nothing(void **state) {
    (void)state;
    for (int task = 0; task <= VECNA_LAYER_LOGISTIC; task++) {
        vecna_layer *whole = layer_of(task), *broken = layer_of(task), *rest = layer_of(task);
        char path[] = "/tmp/vecna_layer_XXXXXX";
        int descriptor = mkstemp(path);
        uint64_t pause = SAMPLES + 14;
        vecna_pool *pool = NULL;
        vecna_error err;
        close(descriptor);
        assert_status(VECNA_OK, vecna_pool_new(3, NULL, &pool, &err));
        assert_status(VECNA_OK, vecna_layer_train(whole, NULL, NULL, NULL, &err));
        assert_status(VECNA_OK, vecna_layer_train(broken, pool, pause_sometimes, &pause, &err));
        assert_int_equal(vecna_layer_report(broken).words, pause);
        assert_status(VECNA_OK, vecna_layer_save(broken, path, &err));
        assert_status(VECNA_OK, vecna_layer_load(rest, path, &err));
        assert_status(VECNA_OK, vecna_layer_train(rest, pool, NULL, NULL, &err));
        assert_int_equal(vecna_layer_report(rest).words, 4 * SAMPLES);
        assert_memory_equal(whole->values, rest->values, whole->count * sizeof *whole->values);
        assert_true(whole->loss == rest->loss);
        rest->options.l2 = 0;
        assert_status(VECNA_ERR_ARGUMENT, vecna_layer_load(rest, path, &err));
        unlink(path);
        vecna_layer_free(whole);
        vecna_layer_free(broken);
        vecna_layer_free(rest);
        vecna_pool_free(pool);
    }
}

static void what_makes_no_sense_is_refused(void **state) {
    vecna_layer_options options = {.dim = DIM};
    vecna_layer_data data = data_of(0);
    vecna_layer *model = NULL;
    vecna_error err;
    (void)state;
    data.classes = CLASSES - 1;
    assert_status(VECNA_ERR_VALUE, vecna_layer_new(&options, &data, &model, &err));
    data = data_of(0);
    data.words = WORDS - 1;
    assert_status(VECNA_ERR_VALUE, vecna_layer_new(&options, &data, &model, &err));
    data = data_of(0);
    data.samples = 0;
    assert_status(VECNA_ERR_VALUE, vecna_layer_new(&options, &data, &model, &err));
    data = data_of(1);
    options.task = VECNA_LAYER_SQUARED;
    data.item_count = ITEMS - 1;
    assert_status(VECNA_ERR_VALUE, vecna_layer_new(&options, &data, &model, &err));
    data = data_of(1);
    ratings[9] = NAN;
    assert_status(VECNA_ERR_VALUE, vecna_layer_new(&options, &data, &model, &err));
    assert_int_equal(err.position, 9);
    ratings[9] = 2;
    options.l2 = -1;
    assert_status(VECNA_ERR_ARGUMENT, vecna_layer_new(&options, &data, &model, &err));
    options.l2 = 0;
    options.rate = 11;
    assert_status(VECNA_ERR_ARGUMENT, vecna_layer_new(&options, &data, &model, &err));
    assert_null(model);
}

static vecna_status body(void *user, const vecna_allocator *allocator, vecna_error *err) {
    const vecna_layer_data data = data_of(VECNA_LAYER_LOGISTIC);
    vecna_layer_options options = {.task = VECNA_LAYER_LOGISTIC, .dim = DIM, .epochs = 1};
    vecna_layer *model = NULL;
    vecna_status status;
    options.allocator = allocator;
    status = vecna_layer_new(&options, &data, &model, err);
    if (status == VECNA_OK)
        status = vecna_layer_train(model, NULL, NULL, NULL, err);
    if (status == VECNA_OK)
        status = vecna_layer_save(model, user, err);
    if (status == VECNA_OK)
        status = vecna_layer_load(model, user, err);
    vecna_layer_free(model);
    return status;
}

static void memory_may_fail(void **state) {
    char path[] = "/tmp/vecna_layer_XXXXXX";
    int descriptor = mkstemp(path);
    (void)state;
    close(descriptor);
    assert_survives_failing_memory(body, path);
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_those_of_the_loss),
        cmocka_unit_test(threads_and_breaks_change_nothing),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(memory_may_fail),
    };
    return cmocka_run_group_tests(tests, make_data, NULL);
}
