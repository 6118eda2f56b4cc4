/* From a target's vectors to a client's: plans that hold, plans that are refused, and exact values. */
#include "tests/unit/support/support.h"

#include "proxy/proxy.h"

#include <math.h>
#include <string.h>

static vni_config_target target;
static vni_config config;
static vni_proxy proxy;
static vni_generation generation;

static vni_way way_of(int type, size_t source, size_t dim) {
    vni_way way;
    memset(&way, 0, sizeof way);
    memset(&target, 0, sizeof target);
    config.forward.targets.items = &target;
    config.forward.targets.count = 1;
    generation.proxy = &proxy;
    generation.config = &config;
    way.name = "w";
    way.config.type = type;
    way.config.source_dim = source;
    way.config.target_dim = dim;
    way.config.normalize = 1;
    return way;
}

/* Another plan in the place of one that is dropped. */
static vecna_status plan(vni_way *way, size_t source_dim, size_t asked, vni_change *change,
                         vecna_error *err) {
    vni_way_drop(&generation, change);
    return vni_way_plan(&generation, way, source_dim, asked, change, err);
}

static void plans(void **state) {
    vni_way way = way_of(VNI_ADAPTER_TRUNCATE, 0, 6);
    vni_change change = {0};
    vecna_error err;
    (void)state;
    assert_status(VECNA_OK, plan(&way, 4, 0, &change, &err));
    assert_int_equal(change.dim, 6);
    assert_string_equal(change.words, "pad 4 to 6, same space");
    assert_status(VECNA_OK, plan(&way, 8, 6, &change, &err)); /* another model: another adapter */
    assert_string_equal(change.words, "truncate 8 to 6, same space");
    assert_status(VECNA_ERR_ARGUMENT, plan(&way, 8, 7, &change, &err));
    assert_status(VECNA_ERR_ARGUMENT, plan(&way, 8, 5, &change, &err));
    assert_non_null(strstr(err.message, "matryoshka"));
    target.matryoshka = 1;
    assert_status(VECNA_OK, plan(&way, 8, 5, &change, &err));
    assert_string_equal(change.words, "truncate 8 to 6, same space; cut 6 to 5");
    way.config.dimensions = VNI_DIMENSIONS_REFUSE;
    assert_status(VECNA_ERR_ARGUMENT, plan(&way, 8, 5, &change, &err));
    vni_way_drop(&generation, &change);
    vni_way_forget(&generation, &way);
    way = way_of(VNI_ADAPTER_PROJECTION, 0, 6);
    target.matryoshka = 1; /* of the model, not of the projection */
    assert_status(VECNA_ERR_ARGUMENT, plan(&way, 8, 5, &change, &err));
    way.config.dimensions = VNI_DIMENSIONS_ALLOW;
    assert_status(VECNA_OK, plan(&way, 8, 5, &change, &err));
    vni_way_drop(&generation, &change);
    vni_way_forget(&generation, &way);
    way = way_of(VNI_ADAPTER_NONE, 4, 0);
    assert_status(VECNA_OK, plan(&way, 4, 0, &change, &err));
    assert_string_equal(change.words, "none");
    assert_status(VECNA_ERR_DIM, plan(&way, 5, 0, &change, &err));
}

static void values(void **state) {
    float rows[8] = {3, 4, 0, 0, 0, 0, 0, 2}, out[12];
    vni_way way = way_of(VNI_ADAPTER_TRUNCATE, 0, 6);
    vni_change change = {0};
    vecna_error err;
    static const float padded[12] = {0.6f, 0.8f, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0};
    (void)state;
    assert_status(VECNA_OK, plan(&way, 4, 0, &change, &err));
    assert_status(VECNA_OK,
                  vni_way_apply(&generation, &way, &change, rows, 2, 1, out, NULL, NULL, &err));
    for (int i = 0; i < 12; i++)
        assert_true(fabsf(out[i] - padded[i]) < 1e-7f);
    assert_status(VECNA_OK,
                  vni_way_apply(&generation, &way, &change, rows, 2, 0, out, NULL, NULL, &err));
    assert_true(out[0] == 3 && out[1] == 4 && out[9] == 2); /* as it is */
    way.config.dimensions = VNI_DIMENSIONS_ALLOW;
    assert_status(VECNA_OK, plan(&way, 4, 1, &change, &err));
    assert_status(VECNA_OK,
                  vni_way_apply(&generation, &way, &change, rows, 1, 1, out, NULL, NULL, &err));
    assert_true(out[0] == 1);
    assert_status(VECNA_ERR_VALUE, vni_way_apply(&generation, &way, &change, rows, 2, 1, out, NULL,
                                                 NULL, &err)); /* nothing is left of one */
    rows[0] = INFINITY;
    assert_status(VECNA_ERR_VALUE,
                  vni_way_apply(&generation, &way, &change, rows, 1, 1, out, NULL, NULL, &err));
    vni_way_drop(&generation, &change);
    vni_way_forget(&generation, &way);
}

/* A plan that is at work keeps its adapter, whatever dimensions come meanwhile. */
static void a_plan_holds_its_adapter(void **state) {
    float rows[6] = {3, 4, 0, 0, 0, 0}, first[5], again[5];
    vni_way way = way_of(VNI_ADAPTER_PROJECTION, 0, 5);
    vni_change held = {0}, change = {0};
    vecna_error err;
    (void)state;
    assert_status(VECNA_OK, plan(&way, 6, 0, &held, &err));
    assert_true(vni_way_work(&way, &held, 2, 0) == 2 * 5 * (6 + 24));
    assert_status(VECNA_OK,
                  vni_way_apply(&generation, &way, &held, rows, 1, 1, first, NULL, NULL, &err));
    assert_status(VECNA_OK, plan(&way, 6, 0, &change, &err));
    assert_true(change.fitted == held.fitted && held.fitted->holders == 3);
    assert_status(VECNA_OK, plan(&way, 7, 0, &change, &err));
    assert_true(change.fitted != held.fitted && change.fitted->source_dim == 7);
    assert_int_equal(held.fitted->holders, 1); /* no more the way's */
    assert_status(VECNA_OK,
                  vni_way_apply(&generation, &way, &held, rows, 1, 1, again, NULL, NULL, &err));
    assert_memory_equal(first, again, sizeof first);
    assert_status(VECNA_OK, plan(&way, 6, 0, &change, &err)); /* drawn anew: the same */
    assert_status(VECNA_OK,
                  vni_way_apply(&generation, &way, &change, rows, 1, 1, again, NULL, NULL, &err));
    assert_memory_equal(first, again, sizeof first);
    vni_way_forget(&generation, &way);
    assert_int_equal(held.fitted->holders, 1);
    vni_way_drop(&generation, &held);
    vni_way_drop(&generation, &held); /* of zeros */
    vni_way_drop(&generation, &change);
    way = way_of(VNI_ADAPTER_TRUNCATE, 0, 5);
    assert_status(VECNA_OK, plan(&way, 6, 0, &change, &err));
    assert_true(vni_way_work(&way, &change, 1000, 1) == 1000 * 5 * 24);
    vni_way_drop(&generation, &change);
    vni_way_forget(&generation, &way);
}

static vecna_status apply_with(void *user, const vecna_allocator *allocator, vecna_error *err) {
    float rows[4] = {1, 2, 3, 4}, out[3];
    vni_way way = way_of(VNI_ADAPTER_TRUNCATE, 0, 3);
    vni_change change = {0};
    vecna_status status;
    (void)user;
    way.config.dimensions = VNI_DIMENSIONS_ALLOW;
    proxy.allocator = allocator;
    status = plan(&way, 4, 2, &change, err);
    if (status == VECNA_OK)
        status = vni_way_apply(&generation, &way, &change, rows, 1, 1, out, NULL, NULL, err);
    vni_way_drop(&generation, &change);
    vni_way_forget(&generation, &way);
    proxy.allocator = NULL;
    return status;
}

static void survives_failing_memory(void **state) {
    (void)state;
    assert_survives_failing_memory(apply_with, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans),
        cmocka_unit_test(values),
        cmocka_unit_test(a_plan_holds_its_adapter),
        cmocka_unit_test(survives_failing_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
