/* The loss of pairs against the same in float64, its gradients against differences of that, and a training
 * that does not depend on threads, chunks or breaks. */
#include "tests/unit/support/support.h"
#include "train/contrastive_impl.h"
#include "train/infonce.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ANCHORS = 5, CANDIDATES = 8, DIM = 6 };

typedef struct reference {
    double anchors[ANCHORS * DIM], candidates[CANDIDATES * DIM], log_scale;
    const uint32_t *anchor_of, *thing_of;
    int symmetric;
} reference;

static int left_out(const reference *r, int back, size_t i, size_t j) {
    const uint32_t *from = back ? r->thing_of : r->anchor_of;
    const uint32_t *to = back ? r->anchor_of : r->thing_of;
    if (r->anchor_of == NULL || i == j)
        return 0;
    return to[j] == to[i] || to[j] == from[i] || (j < ANCHORS && from[j] == from[i]);
}

static double loss_of(const reference *r) {
    double total = 0;
    for (int back = 0; back <= r->symmetric; back++)
        for (size_t i = 0; i < ANCHORS; i++) {
            double sum = 0, own = 0;
            for (size_t j = 0; j < (back ? ANCHORS : CANDIDATES); j++) {
                const double *a = (back ? r->candidates : r->anchors) + i * DIM;
                const double *b = (back ? r->anchors : r->candidates) + j * DIM;
                double logit = 0;
                for (size_t k = 0; k < DIM; k++)
                    logit += a[k] * b[k];
                logit *= exp(r->log_scale);
                own = i == j ? logit : own;
                sum += left_out(r, back, i, j) ? 0 : exp(logit);
            }
            total += log(sum) - own;
        }
    return total / ANCHORS / (r->symmetric ? 2 : 1);
}

static void gradients_are_those_of_differences(void **state) {
    static const uint32_t anchor_of[ANCHORS] = {1, 2, 1, 4, 5};
    static const uint32_t thing_of[CANDIDATES] = {10, 11, 12, 11, 1, 10, 17, 18};
    const double small = 1e-6;
    (void)state;
    for (int turn = 0; turn < 8; turn++) {
        reference r = {.log_scale = log(4.0), .symmetric = turn & 1};
        float anchors[ANCHORS * DIM], candidates[CANDIDATES * DIM];
        float by_anchors[ANCHORS * DIM] = {0}, by_candidates[CANDIDATES * DIM] = {0};
        vecna_random random;
        vni_infonce_result got;
        vecna_random_seed(&random, 3, (uint64_t)turn);
        for (size_t i = 0; i < ANCHORS * DIM; i++)
            r.anchors[i] = anchors[i] = (float)vecna_random_normal(&random) / 3;
        for (size_t i = 0; i < CANDIDATES * DIM; i++)
            r.candidates[i] = candidates[i] = (float)vecna_random_normal(&random) / 3;
        if (turn & 2) {
            r.anchor_of = anchor_of;
            r.thing_of = thing_of;
        }
        const vni_infonce in = {.anchors = vecna_view_dense(anchors, ANCHORS, DIM),
                                .candidates = vecna_view_dense(candidates, CANDIDATES, DIM),
                                .anchor_of = r.anchor_of,
                                .thing_of = r.thing_of,
                                .scale = 4,
                                .symmetric = r.symmetric,
                                .chunk = turn & 4 ? 2 : 0};
        assert_status(VECNA_OK, vni_infonce_add(&in, 1, by_anchors, by_candidates, &got, NULL));
        assert_true(fabs(got.loss - loss_of(&r)) < 1e-6);
        for (size_t i = 0; i < (ANCHORS + CANDIDATES) * DIM; i++) {
            const int mine = i < ANCHORS * DIM;
            double *at = mine ? &r.anchors[i] : &r.candidates[i - ANCHORS * DIM];
            const double was = *at;
            *at = was + small;
            const double above = loss_of(&r);
            *at = was - small;
            const double slope = (above - loss_of(&r)) / (2 * small);
            *at = was;
            const float asked = mine ? by_anchors[i] : by_candidates[i - ANCHORS * DIM];
            assert_true(fabs(slope - (double)asked) < 1e-5);
        }
        r.log_scale += small;
        const double above = loss_of(&r);
        r.log_scale -= 2 * small;
        assert_true(fabs((above - loss_of(&r)) / (2 * small) - got.by_log_scale) < 1e-5);
    }
}

/* ---- a whole training --------------------------------------------------------------------------- */

enum { PIECES = 60, TEXTS = 80, PAIRS = 40 };

typedef struct made {
    size_t starts[TEXTS + 1];
    int32_t piece[TEXTS * 4];
    uint32_t pair[PAIRS * 3];
    size_t sizes[2];
    vecna_contrastive_data data;
    vecna_contrastive_options options;
} made;

/* Text 2 i and 2 i + 1 speak of one thing, in other pieces; every third pair has a hard negative. */
static void make(made *m) {
    for (size_t t = 0; t < TEXTS; t++) {
        m->starts[t] = 4 * t;
        for (size_t k = 0; k < 4; k++)
            m->piece[4 * t + k] = (int32_t)((t / 2 * 7 + t % 2 * 30 + k * 11) % PIECES);
    }
    m->starts[TEXTS] = 4 * TEXTS;
    for (size_t i = 0; i < PAIRS; i++) {
        m->pair[3 * i] = (uint32_t)(2 * i);
        m->pair[3 * i + 1] = (uint32_t)(2 * i + 1);
        m->pair[3 * i + 2] = i % 3 == 0 ? (uint32_t)((2 * i + 7) % TEXTS) : UINT32_MAX;
    }
    m->data = (vecna_contrastive_data){PIECES, TEXTS, m->starts, m->piece, PAIRS, m->pair};
    m->sizes[0] = 4;
    m->sizes[1] = 8;
    m->options = (vecna_contrastive_options){.dim = 16,
                                             .batch = 16,
                                             .epochs = 30,
                                             .rate = 0.2,
                                             .sizes = m->sizes,
                                             .size_count = 2,
                                             .seed = 5};
}

/* What a batch asks of a sum of rows is the slope of the loss along it. */
static void batches_ask_for_slopes(void **state) {
    made m;
    vecna_contrastive *model;
    vni_contrastive_batch batch;
    double loss, above, below;
    (void)state;
    make(&m);
    assert_status(VECNA_OK, vecna_contrastive_new(&m.options, &m.data, &model, NULL));
    assert_status(VECNA_OK, vni_contrastive_batch_new(model, &batch, NULL));
    assert_status(VECNA_OK, vni_contrastive_look(model, 16, &batch, NULL, &loss, NULL));
    for (size_t slot = 0; slot < batch.texts.touched_count; slot += 7) {
        for (size_t j = 0; j < 16; j += 5) {
            float *number = model->table.rows + (size_t)batch.texts.touched[slot] * 16 + j;
            const float was = *number, small = 1.0f / 64;
            double asked = 0;
            for (size_t i = batch.texts.start[slot]; i < batch.texts.start[slot + 1]; i++)
                asked += (double)batch.texts.by_sum[(size_t)batch.texts.row[i] * 16 + j];
            vni_contrastive_batch other;
            assert_status(VECNA_OK, vni_contrastive_batch_new(model, &other, NULL));
            *number = was + small;
            assert_status(VECNA_OK, vni_contrastive_look(model, 16, &other, NULL, &above, NULL));
            *number = was - small;
            assert_status(VECNA_OK, vni_contrastive_look(model, 16, &other, NULL, &below, NULL));
            *number = was;
            vni_contrastive_batch_free(model, &other);
            assert_true(fabs((above - below) / (2 * (double)small) - asked) <
                        0.02 * fabs(asked) + 2e-3);
        }
    }
    vni_contrastive_batch_free(model, &batch);
    vecna_contrastive_free(model);
}

static vecna_contrastive *trained(const made *m, size_t threads, size_t chunk) {
    vecna_contrastive_options options = m->options;
    vecna_contrastive *model;
    vecna_pool *pool;
    options.chunk = chunk;
    assert_status(VECNA_OK, vecna_pool_new(threads, NULL, &pool, NULL));
    assert_status(VECNA_OK, vecna_contrastive_new(&options, &m->data, &model, NULL));
    assert_status(VECNA_OK, vecna_contrastive_train(model, pool, NULL, NULL, NULL));
    vecna_pool_free(pool);
    return model;
}

static void threads_change_nothing_and_chunks_hardly(void **state) {
    made m;
    (void)state;
    make(&m);
    vecna_contrastive *one = trained(&m, 1, 0), *three = trained(&m, 3, 0);
    vecna_contrastive *chunks = trained(&m, 2, 3);
    const vecna_view a = vecna_contrastive_table(one), b = vecna_contrastive_table(three);
    const vecna_view c = vecna_contrastive_table(chunks);
    assert_memory_equal(a.data, b.data, PIECES * 16 * sizeof(float));
    for (size_t i = 0; i < PIECES * 16; i++)
        assert_true(fabsf(a.data[i] - c.data[i]) < 1e-3f);
    const vecna_train_report report = vecna_contrastive_report(one);
    assert_int_equal(report.words, PAIRS * 30);
    assert_int_equal(report.epoch, 30);
    assert_true(report.loss < 1.5); /* log(2 * 16) of chance is 3.5 */
    vecna_contrastive_free(one);
    vecna_contrastive_free(three);
    vecna_contrastive_free(chunks);
}

static int stop_at_100(void *user, const vecna_train_report *now) {
    (void)user;
    return now->words >= 100;
}

static void a_break_changes_nothing(void **state) {
    char path[] = "/tmp/vecna-contrastive-XXXXXX";
    made m;
    vecna_contrastive *whole, *first, *second;
    vecna_error err;
    const int file = mkstemp(path);
    (void)state;
    assert_true(file >= 0);
    close(file);
    make(&m);
    whole = trained(&m, 2, 0);
    assert_status(VECNA_OK, vecna_contrastive_new(&m.options, &m.data, &first, NULL));
    assert_status(VECNA_OK, vecna_contrastive_train(first, NULL, stop_at_100, NULL, NULL));
    assert_status(VECNA_OK, vecna_contrastive_save(first, path, NULL));
    assert_status(VECNA_OK, vecna_contrastive_new(&m.options, &m.data, &second, NULL));
    assert_status(VECNA_OK, vecna_contrastive_load(second, path, NULL));
    assert_status(VECNA_OK, vecna_contrastive_train(second, NULL, NULL, NULL, NULL));
    assert_memory_equal(vecna_contrastive_table(whole).data, vecna_contrastive_table(second).data,
                        PIECES * 16 * sizeof(float));
    vecna_contrastive_free(second);
    m.options.seed = 6;
    assert_status(VECNA_OK, vecna_contrastive_new(&m.options, &m.data, &second, NULL));
    assert_status(VECNA_ERR_ARGUMENT, vecna_contrastive_load(second, path, &err));
    vecna_contrastive_free(whole);
    vecna_contrastive_free(first);
    vecna_contrastive_free(second);
    unlink(path);
}

static void mistakes(void **state) {
    made m;
    vecna_contrastive *model = NULL;
    float start[PIECES * 8] = {0};
    vecna_error err;
    (void)state;
    make(&m);
    m.sizes[0] = 16;
    assert_status(VECNA_ERR_ARGUMENT, vecna_contrastive_new(&m.options, &m.data, &model, &err));
    m.sizes[0] = 4;
    m.options.start = vecna_view_dense(start, PIECES, 8);
    assert_status(VECNA_ERR_DIM, vecna_contrastive_new(&m.options, &m.data, &model, &err));
    m.options.start = (vecna_view){0};
    m.data.pairs = 1;
    assert_status(VECNA_ERR_ARGUMENT, vecna_contrastive_new(&m.options, &m.data, &model, &err));
    vecna_contrastive_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_those_of_differences),
        cmocka_unit_test(batches_ask_for_slopes),
        cmocka_unit_test(threads_change_nothing_and_chunks_hardly),
        cmocka_unit_test(a_break_changes_nothing),
        cmocka_unit_test(mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
